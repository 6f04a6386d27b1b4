//! Logs of registered trainings that don't keep all their checkpoints, and recipes that need more
//! memory than jurors have.

mod common;

use arena_models::{
    Fault, Limits,
    train::registered::{
        CONFIG, Keep, LogLeaf, MAX_MEMORY, Replayer, Restored, leaves, object, prune, restore, run,
        run_keeping,
    },
};
use common::Noise;
use serde_json::{Value, json};
use std::{
    fs,
    num::NonZeroU64,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

const SEED: [u8; 32] = [5; 32];
const STEPS: u64 = 12;
const EVERY: u64 = 2;

fn config() -> Value {
    json!({"seed": 0, "data": ["rows.jsonl"], "steps": STEPS, "batch": 8, "learning_rate": 0.01,
        "profile": "exact-cpu-f32",
        "model": {"family": "mlp", "input_shape": [6], "labels": 3, "layers": [
            {"type": "linear", "out": 8}, {"type": "tanh"}, {"type": "linear", "out": 3}]}})
}

fn recipe(dir: &Path, config: &Value) -> PathBuf {
    let recipe = dir.join("recipe");
    fs::create_dir_all(&recipe).unwrap();
    let mut noise = Noise(2);
    let rows: Vec<_> = (0..30).map(|i| (noise.values(6, 1.0), i % 3)).collect();
    common::rows(&recipe, &rows);
    fs::write(recipe.join(CONFIG), config.to_string()).unwrap();
    recipe
}

/// A whole log, and room for others of the same run.
struct Whole {
    dir: tempfile::TempDir,
    recipe: PathBuf,
    log: PathBuf,
    leaves: Vec<LogLeaf>,
}

fn each(number: u64) -> Keep {
    Keep::Each(NonZeroU64::new(number).unwrap())
}

impl Whole {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recipe = recipe(dir.path(), &config());
        let log = dir.path().join("log");
        let done = run(&recipe, SEED, &log, EVERY, false, &mut |_| ()).unwrap();
        Self {
            leaves: done.leaves,
            dir,
            recipe,
            log,
        }
    }

    /// Places of the leaves whose files are there, as the whole log has them.
    fn kept(&self, log: &Path) -> Vec<usize> {
        let is_there = |leaf: &LogLeaf| {
            let there = [leaf.weights, leaf.optimizer].map(|hash| {
                let found = fs::read(object(log, &hash)).ok();
                assert!(found.is_none() || found == fs::read(object(&self.log, &hash)).ok());
                found.is_some()
            });
            assert_eq!(there[0], there[1]);
            there[0]
        };
        (0..self.leaves.len())
            .filter(|place| is_there(&self.leaves[*place]))
            .collect()
    }

    fn train(&self, name: &str, keep: Keep) -> PathBuf {
        let log = self.dir.path().join(name);
        let done = run_keeping(&self.recipe, SEED, &log, EVERY, false, keep, &mut |_| ());
        assert_eq!(done.unwrap().leaves, self.leaves);
        log
    }

    fn restore(&self, log: &Path) -> Restored {
        restore(&self.recipe, SEED, log, &mut |_| ()).unwrap()
    }
}

#[test]
fn thinned_log_should_be_had_again_bit_for_bit() {
    let whole = Whole::new();
    let all: Vec<usize> = (0..=6).collect();
    for (keep, kept, checkpoints) in [
        (Keep::All, all.clone(), 0),
        (each(1), (1..=6).collect(), 1),
        (each(2), vec![2, 4, 6], 4),
        (each(4), vec![4, 6], 5),
        (each(9), vec![6], 6),
        (Keep::Last, vec![6], 6),
    ] {
        let log = whole.train(&format!("{keep:?}"), keep);
        assert_eq!(whole.kept(&log), kept, "{keep:?}");
        assert_eq!(leaves(&log).unwrap(), whole.leaves);
        let found = whole.restore(&log);
        assert_eq!(found.checkpoints, checkpoints, "{keep:?}");
        // The first is drawn, each other one trained.
        assert_eq!(found.steps, checkpoints.saturating_sub(1) * EVERY);
        assert_eq!(whole.kept(&log), all);
        assert_eq!(whole.restore(&log), Restored::default());
    }
}

#[test]
fn pruned_log_should_be_had_again_when_what_was_kept_is_damaged() {
    let whole = Whole::new();
    let log = whole.train("pruned", Keep::All);
    assert_eq!(prune(&log, Keep::All).unwrap(), 0);
    let of_one = [whole.leaves[0].weights, whole.leaves[0].optimizer]
        .map(|hash| fs::metadata(object(&log, &hash)).unwrap().len());
    let of_one = of_one[0] + of_one[1];
    assert_eq!(prune(&log, each(2)).unwrap(), 4 * of_one);
    assert_eq!(prune(&log, each(2)).unwrap(), 0);
    fs::write(object(&log, &whole.leaves[2].weights), "half").unwrap();
    assert_eq!(whole.restore(&log).checkpoints, 5);
    assert_eq!(prune(&log, Keep::Last).unwrap(), 6 * of_one);
    fs::write(object(&log, &whole.leaves[6].optimizer), "half").unwrap();
    assert_eq!(whole.restore(&log).checkpoints, 7);
    assert_eq!(whole.kept(&log).len(), 7);
    let resumed = run(&whole.recipe, SEED, &log, EVERY, true, &mut |_| ());
    assert_eq!(resumed.unwrap().leaves, whole.leaves);
}

#[test]
fn killed_training_should_go_on_with_what_it_keeps() {
    let whole = Whole::new();
    let log = whole.dir.path().join("cut");
    let go_on = |kill_at: u64, resume| {
        catch_unwind(AssertUnwindSafe(|| {
            let keep = each(3);
            let mut kill = |p: &arena_models::train::Progress| assert!(p.step != kill_at, "killed");
            run_keeping(&whole.recipe, SEED, &log, EVERY, resume, keep, &mut kill)
                .unwrap()
                .leaves
        }))
    };
    for (kill_at, resume, kept) in [
        (1, false, vec![0]),
        (5, true, vec![2]),
        (9, true, vec![3, 4]),
    ] {
        assert!(go_on(kill_at, resume).is_err());
        assert_eq!(whole.kept(&log), kept);
    }
    // As if it had been killed before anything was removed, and after too much was.
    let [first, last] = [0, 4].map(|place| object(&log, &whole.leaves[place].weights));
    fs::copy(object(&whole.log, &whole.leaves[0].weights), first).unwrap();
    fs::remove_file(last).unwrap();
    assert_eq!(go_on(0, true).unwrap(), whole.leaves);
    assert_eq!(whole.kept(&log), [3, 6]);
}

#[test]
fn killed_restoring_should_go_on_where_it_was() {
    let whole = Whole::new();
    let log = whole.train("cut", Keep::Last);
    let mut steps = 0;
    for kill_at in [1, 4, 7] {
        let killed = catch_unwind(AssertUnwindSafe(|| {
            restore(&whole.recipe, SEED, &log, &mut |p| {
                steps += 1;
                assert!(p.step < kill_at, "killed")
            })
        }));
        assert!(killed.is_err());
    }
    let found = whole.restore(&log);
    assert_eq!(whole.kept(&log).len(), 7);
    // What was whole was not trained again.
    assert_eq!((found.checkpoints, found.steps), (2, 4));
    assert_eq!(steps, 1 + 4 + 5);
}

#[test]
fn log_that_is_not_the_recipes_should_not_be_restored() {
    let whole = Whole::new();
    let log = whole.train("forged", Keep::Last);
    let refused = |recipe: &Path, seed| {
        let found = restore(recipe, seed, &log, &mut |_| ());
        found.unwrap_err()
    };
    assert_eq!(refused(&whole.recipe, [6; 32]).fault, Fault::Config);
    let mut other = config();
    other["batch"] = 9.into();
    let other = recipe(&whole.dir.path().join("other"), &other);
    assert_eq!(refused(&other, SEED).fault, Fault::Config);
    // The norm of leaf 3.
    let path = log.join("leaves.scale");
    let mut written = fs::read(&path).unwrap();
    written[80 * 4 - 1] ^= 1;
    fs::write(&path, written).unwrap();
    let error = refused(&whole.recipe, SEED);
    assert!(error.detail.contains("after step 6"), "{error}");
    assert_eq!(whole.kept(&log), [0, 1, 2, 6]);
}

/// A recipe of one layer for a batch.
fn wide(dir: &Path, batch: u64) -> PathBuf {
    let mut config = config();
    config["batch"] = batch.into();
    config["model"]["layers"] =
        json!([{"type": "linear", "out": 16_000}, {"type": "linear", "out": 3}]);
    recipe(dir, &config)
}

#[test]
fn recipe_should_be_refused_when_it_needs_more_memory_than_jurors_have() {
    let dir = tempfile::tempdir().unwrap();
    let open = |batch| {
        let recipe = wide(dir.path(), batch);
        Replayer::new(&recipe, SEED, STEPS, &Limits::unlimited()).map(|r| r.memory())
    };
    let (one, two) = (open(1).unwrap(), open(2).unwrap());
    // Features and outputs, 16 bytes each; the recipe's own digits count too.
    let of_sample = two - one;
    assert_eq!(of_sample, 16 * (6 + 16_000 + 3));
    let most = (MAX_MEMORY - one) / of_sample + 1;
    assert!(open(most).unwrap() <= MAX_MEMORY);
    assert!(open(most).unwrap() > MAX_MEMORY - of_sample);
    assert_eq!(open(most + 1).unwrap_err().fault, Fault::TooLarge);
    let recipe = wide(dir.path(), most + 1);
    let log = dir.path().join("log");
    let error = run(&recipe, SEED, &log, EVERY, false, &mut |_| ()).unwrap_err();
    assert_eq!(error.fault, Fault::TooLarge);
    assert!(error.detail.contains("smaller batch"), "{error}");
    assert!(!log.exists());
}

#[test]
fn data_should_be_refused_before_they_are_read_when_they_are_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(dir.path(), &config());
    let data = fs::File::create(recipe.join("rows.jsonl")).unwrap();
    data.set_len(MAX_MEMORY / 16).unwrap();
    let refused = Replayer::new(&recipe, SEED, STEPS, &Limits::unlimited()).map(|_| ());
    assert_eq!(refused.unwrap_err().fault, Fault::TooLarge);
}
