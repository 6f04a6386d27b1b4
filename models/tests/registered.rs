//! Registered trainings: the log is the same however a training was cut, and training a segment
//! again finds every change of it.

mod common;

use arena_models::{
    Architecture, Fault, Limits,
    train::registered::{
        CONFIG, Finding, LogLeaf, Replayed, Replayer, Segment, check_steps, is_model, leaves,
        object, run,
    },
};
use common::Noise;
use serde_json::{Value, json};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

const SEED: [u8; 32] = [5; 32];
const STEPS: u64 = 10;
const EVERY: u64 = 2;
/// BLAKE3 of the leaves of [`SEED`], the same on every machine.
const LOG: &str = "9f45bf6e766d63e9851271dd3e5a5eee238fadee8dcd1b0f25e78897dc62d9d6";

/// A perceptron's config.
fn config() -> Value {
    json!({"seed": 0, "data": ["rows.jsonl"], "steps": STEPS, "batch": 8, "learning_rate": 0.01,
        "warmup": 2, "data_fraction": 0.9, "profile": "exact-cpu-f32",
        "model": {"family": "mlp", "input_shape": [6], "labels": 3, "layers": [
            {"type": "linear", "out": 8}, {"type": "tanh"}, {"type": "linear", "out": 3}]}})
}

/// A recipe in a directory of its own.
fn recipe(dir: &Path, config: &Value) -> PathBuf {
    let recipe = dir.join("recipe");
    fs::create_dir_all(&recipe).unwrap();
    let mut noise = Noise(2);
    let rows: Vec<_> = (0..30).map(|i| (noise.values(6, 1.0), i % 3)).collect();
    common::rows(&recipe, &rows);
    fs::write(recipe.join(CONFIG), config.to_string()).unwrap();
    recipe
}

/// A recipe, its log, and the log's leaves.
struct Ran {
    dir: tempfile::TempDir,
    recipe: PathBuf,
    log: PathBuf,
    leaves: Vec<LogLeaf>,
}

fn ran(seed: [u8; 32]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(dir.path(), &config());
    let log = dir.path().join("log");
    let leaves = run(&recipe, seed, &log, EVERY, false, &mut |_| ()).unwrap();
    Ran {
        leaves: leaves.leaves,
        dir,
        recipe,
        log,
    }
}

impl Ran {
    fn replayer(&self, seed: [u8; 32]) -> Replayer {
        Replayer::new(&self.recipe, seed, STEPS, &Limits::unlimited()).unwrap()
    }

    fn segment(&self, at: usize) -> Segment {
        Segment {
            from: self.leaves[at],
            to: self.leaves[at + 1],
        }
    }

    /// Trains a segment again with this run's files.
    fn replay(&self, replayer: &Replayer, segment: &Segment) -> Replayed {
        let file = |hash| object(&self.log, hash);
        let (weights, optimizer) = (file(&segment.from.weights), file(&segment.from.optimizer));
        replayer.replay(segment, &weights, &optimizer).unwrap()
    }
}

fn differs(segment: &Segment) -> Finding {
    let from = segment.from.step;
    Finding::Differs { from }
}

#[test]
fn every_segment_of_an_honest_log_should_be_the_same_again() {
    let ran = ran(SEED);
    let replayer = ran.replayer(SEED);
    check_steps(&ran.leaves, STEPS, EVERY).unwrap();
    assert_eq!(leaves(&ran.log).unwrap(), ran.leaves);
    assert_eq!(ran.leaves[0].update, 0);
    for at in 0..ran.leaves.len() - 1 {
        let segment = ran.segment(at);
        let steps = segment.to.step - segment.from.step;
        let same = Replayed {
            finding: Finding::Same,
            steps,
        };
        assert_eq!(ran.replay(&replayer, &segment), same, "{at}");
        assert!(segment.to.update > 0);
        let file = |leaf: &LogLeaf| object(&ran.log, &leaf.weights);
        let (before, after) = (file(&segment.from), file(&segment.to));
        let found = replayer.check_update(&segment, &before, &after).unwrap();
        assert_eq!(found, Finding::Same);
    }
    let sizes = [ran.leaves[0].weights, ran.leaves[0].optimizer]
        .map(|hash| fs::metadata(object(&ran.log, &hash)).unwrap().len());
    assert_eq!(sizes[0] + sizes[1], replayer.checkpoint_bytes());
    // The seeds of the config and of its checkpoints don't count.
    let mut other = config();
    other["seed"] = 7.into();
    other["checkpoint_every"] = 2.into();
    let recipe = recipe(&ran.dir.path().join("other"), &other);
    let log = ran.dir.path().join("again");
    let again = run(&recipe, SEED, &log, EVERY, false, &mut |_| ()).unwrap();
    assert_eq!(again.leaves, ran.leaves);
}

/// Whoever registered a run must be able to have it replayed by later releases.
#[test]
fn log_should_stay_what_it_is() {
    let ran = ran(SEED);
    let log = fs::read(ran.log.join("leaves.scale")).unwrap();
    assert_eq!(log.len(), 80 * ran.leaves.len());
    let digits = blake3::hash(&log).to_hex();
    assert_eq!(digits.as_str(), LOG);
}

#[test]
fn killed_training_should_go_on_to_the_same_leaves() {
    let whole = ran(SEED);
    let log = whole.dir.path().join("cut");
    let go_on = |kill_at: u64| {
        let mut resume = log.exists();
        catch_unwind(AssertUnwindSafe(|| {
            run(&whole.recipe, SEED, &log, EVERY, resume, &mut |p| {
                resume = true;
                assert!(p.step != kill_at, "killed")
            })
            .unwrap()
            .leaves
        }))
    };
    let last = |leaf: &LogLeaf| object(&log, &leaf.weights);
    for kill_at in [1, 3, 5, 9] {
        assert!(go_on(kill_at).is_err());
        assert!(!log.join("model").exists());
        // A leaf that was half written, and one whose checkpoint was.
        let path = log.join("leaves.scale");
        let written = fs::read(&path).unwrap();
        fs::write(&path, &written[..written.len() - 33]).unwrap();
        assert_eq!(leaves(&log).unwrap().len(), written.len() / 80 - 1);
        assert!(go_on(kill_at).is_err());
        fs::write(last(leaves(&log).unwrap().last().unwrap()), "half").unwrap();
        // What a machine that lost its power may leave.
        let padded = [fs::read(&path).unwrap(), vec![0; 100]].concat();
        fs::write(&path, padded).unwrap();
    }
    assert_eq!(go_on(0).unwrap(), whole.leaves);
    let weights = |log: &Path| fs::read(log.join("model/model.safetensors")).unwrap();
    assert_eq!(weights(&log), weights(&whole.log));
    assert_eq!(go_on(1).unwrap(), whole.leaves);
}

#[test]
fn log_should_be_the_same_with_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("recipe");
    fs::create_dir(&recipe).unwrap();
    fs::write(
        recipe.join("tokenizer.json"),
        common::byte_tokenizer().to_string(),
    )
    .unwrap();
    common::texts(
        &recipe,
        &["one two three four", "vier fünf sechs", "seven eight nine"],
    );
    let config = json!({"seed": 0, "data": ["texts.jsonl"], "steps": 4, "batch": 8,
        "learning_rate": 0.01, "profile": "exact-cpu-f32", "tokenizer": "tokenizer.json",
        "model": {"family": "llama", "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "context": 16}});
    fs::write(recipe.join(CONFIG), config.to_string()).unwrap();
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let log = dir.path().join(format!("log-{threads}"));
            let done = run(&recipe, SEED, &log, 2, false, &mut |_| ()).unwrap();
            assert!(done.trained.model.join("tokenizer.json").exists());
            done.leaves
        })
    };
    let outside = run(
        &recipe,
        SEED,
        &dir.path().join("log"),
        2,
        false,
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(with_threads(1), outside.leaves);
    assert_eq!(with_threads(2), outside.leaves);
    let pinned = Limits {
        tokenizer: Some([1; 32]),
        ..Limits::unlimited()
    };
    let refused = Replayer::new(&recipe, SEED, 4, &pinned).map(|_| ());
    assert_eq!(refused.unwrap_err().fault, Fault::Tokenizer);
    let replayer = Replayer::new(&recipe, SEED, 4, &Limits::unlimited()).unwrap();
    let segment = Segment {
        from: outside.leaves[1],
        to: outside.leaves[2],
    };
    let file = |hash| object(&dir.path().join("log-2"), hash);
    let (weights, optimizer) = (file(&segment.from.weights), file(&segment.from.optimizer));
    let found = replayer.replay(&segment, &weights, &optimizer).unwrap();
    assert_eq!(found.finding, Finding::Same);
}

#[test]
fn changed_leaf_should_be_found() {
    let ran = ran(SEED);
    let replayer = ran.replayer(SEED);
    let found = |segment: &Segment| ran.replay(&replayer, segment).finding;
    for at in 0..ran.leaves.len() - 1 {
        let right = ran.segment(at);
        let changes: [fn(&mut LogLeaf); 4] = [
            |leaf| leaf.weights[0] ^= 1,
            |leaf| leaf.optimizer[31] ^= 1,
            |leaf| leaf.update ^= 1,
            |leaf| leaf.step += 100,
        ];
        for change in changes {
            let mut segment = right;
            change(&mut segment.to);
            assert_eq!(found(&segment), differs(&segment));
        }
        let mut back = right;
        back.to.step = back.from.step;
        assert_eq!(found(&back), differs(&back));
    }
    let mut start = ran.segment(0);
    start.from = LogLeaf {
        step: 0,
        ..ran.leaves[1]
    };
    assert_eq!(found(&start), Finding::WrongStart);
    // Too early, so that the rate, the data and the optimizer's count are others.
    let mut early = ran.segment(1);
    early.from.step -= 1;
    early.to.step -= 1;
    assert_eq!(found(&early), differs(&early));
}

#[test]
fn changed_byte_of_a_file_should_be_found() {
    let ran = ran(SEED);
    let replayer = ran.replayer(SEED);
    for at in 0..ran.leaves.len() - 1 {
        let segment = ran.segment(at);
        let bad = Finding::BadCheckpoint {
            step: segment.from.step,
        };
        for hash in [segment.from.weights, segment.from.optimizer] {
            let path = object(&ran.log, &hash);
            let right = fs::read(&path).unwrap();
            for place in (0..right.len()).step_by(37) {
                let mut wrong = right.clone();
                wrong[place] ^= 0x10;
                fs::write(&path, &wrong).unwrap();
                assert_eq!(ran.replay(&replayer, &segment).finding, bad, "{place}");
            }
            for wrong in [&[][..], &right[..right.len() - 1], &[0; 4096]] {
                fs::write(&path, wrong).unwrap();
                assert_eq!(ran.replay(&replayer, &segment).finding, bad);
            }
            fs::write(&path, right).unwrap();
        }
    }
}

/// A file of another leaf, committed to with its right hash.
fn committed(ran: &Ran, change: impl Fn(&mut Vec<u8>)) -> (Segment, PathBuf) {
    let mut segment = ran.segment(1);
    let mut bytes = fs::read(object(&ran.log, &segment.from.weights)).unwrap();
    change(&mut bytes);
    segment.from.weights = *blake3::hash(&bytes).as_bytes();
    let path = ran.dir.path().join("forged");
    fs::write(&path, bytes).unwrap();
    (segment, path)
}

#[test]
fn forged_file_should_be_found_whatever_its_leaf_says() {
    let ran = ran(SEED);
    let replayer = ran.replayer(SEED);
    let finding = |(segment, weights): (Segment, PathBuf)| {
        let optimizer = object(&ran.log, &segment.from.optimizer);
        let found = replayer.replay(&segment, &weights, &optimizer).unwrap();
        let after = object(&ran.log, &segment.to.weights);
        let update = replayer.check_update(&segment, &weights, &after).unwrap();
        (found.finding, update)
    };
    let bad = Finding::BadCheckpoint { step: EVERY };
    for value in [f32::NAN, f32::INFINITY] {
        let forged = committed(&ran, |bytes| {
            let end = bytes.len() - 4;
            bytes[end..].copy_from_slice(&value.to_le_bytes());
        });
        assert_eq!(finding(forged), (bad, bad));
    }
    // A header with the same content, written otherwise.
    let forged = committed(&ran, |bytes| {
        let at = bytes.windows(2).position(|pair| pair == b"F3").unwrap();
        bytes[at] = b'I';
    });
    assert_eq!(finding(forged), (bad, bad));
    let differs = Finding::Differs { from: EVERY };
    for value in [0.5f32, f32::MAX] {
        let forged = committed(&ran, |bytes| {
            let end = bytes.len() - 4;
            bytes[end..].copy_from_slice(&value.to_le_bytes());
        });
        assert_eq!(finding(forged), (differs, differs));
    }
}

#[test]
fn another_runs_segments_should_be_found() {
    let (ran, other) = (ran(SEED), ran([6; 32]));
    assert_ne!(ran.leaves[0].weights, other.leaves[0].weights);
    let replayer = other.replayer([6; 32]);
    let found = |at| ran.replay(&replayer, &ran.segment(at)).finding;
    assert_eq!(found(0), Finding::WrongStart);
    for at in 1..ran.leaves.len() - 1 {
        assert_eq!(found(at), differs(&ran.segment(at)));
    }
}

#[test]
fn model_should_be_the_last_leafs() {
    let ran = ran(SEED);
    let model = ran.log.join("model");
    let last = ran.leaves.last().unwrap();
    assert!(is_model(last, &model).unwrap());
    assert!(!is_model(&ran.leaves[1], &model).unwrap());
    assert!(!is_model(last, &ran.recipe).unwrap());
    let weights = model.join("model.safetensors");
    fs::copy(object(&ran.log, &last.optimizer), &weights).unwrap();
    assert!(!is_model(last, &model).unwrap());
    fs::copy(object(&ran.log, &last.weights), &weights).unwrap();
    assert!(is_model(last, &model).unwrap());
}

#[test]
fn log_of_another_run_should_be_left_alone() {
    let ran = ran(SEED);
    let again = |seed, every, resume| {
        let done = run(&ran.recipe, seed, &ran.log, every, resume, &mut |_| ());
        done.map_err(|error| error.fault)
    };
    assert_eq!(again(SEED, EVERY, false), Err(Fault::Config));
    assert_eq!(again(SEED, 5, true), Err(Fault::Config));
    assert_eq!(again([6; 32], EVERY, true), Err(Fault::Config));
    fs::write(ran.recipe.join("more"), "").unwrap();
    assert_eq!(again(SEED, EVERY, true), Err(Fault::Config));
    assert_eq!(leaves(&ran.log).unwrap(), ran.leaves);
}

#[test]
fn recipe_should_be_refused_unless_all_of_it_is_fixed() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value.clone();
        let recipe = recipe(dir.path(), &config);
        let found = Replayer::new(&recipe, SEED, STEPS, &Limits::unlimited());
        let error = found.err().unwrap_or_else(|| panic!("{key} {value}"));
        assert!(error.fault.is_models(), "{key} {value}: {error}");
    };
    fs::write(dir.path().join("rows.jsonl"), "x").unwrap();
    refused("profile", "f32".into());
    refused("steps", 11.into());
    refused("steps", 0.into());
    refused("batch", 0.into());
    refused("learning_rate", 0.into());
    refused("learning_rate", json!(-1));
    refused("data", json!(["../rows.jsonl"]));
    refused("data", json!([dir.path().join("rows.jsonl")]));
    refused("data", json!(["absent.jsonl"]));
    refused("data", json!(["train.json"]));
    refused("data", json!(["."]));
    refused("start", "model".into());
    refused("start", "..".into());
    refused("tokenizer", "tokenizer.json".into());
    refused("tokenizer", json!({"train": {"vocab_size": 300}}));
    let many = json!({"family": "mlp", "input_shape": [6], "labels": 3, "layers": [
        {"type": "linear", "out": 1u64 << 60}, {"type": "linear", "out": 3}]});
    refused("model", many);
    let recipe = recipe(dir.path(), &config());
    let limited = |limits| Replayer::new(&recipe, SEED, STEPS, &limits).map(|_| ());
    assert_eq!(limited(Limits::unlimited()), Ok(()));
    let small = Limits {
        max_parameters: 82,
        ..Limits::unlimited()
    };
    assert_eq!(limited(small).unwrap_err().fault, Fault::TooLarge);
    let other = Limits {
        architectures: vec![Architecture::Llama],
        ..Limits::unlimited()
    };
    assert_eq!(limited(other).unwrap_err().fault, Fault::Architecture);
    let run = |every| {
        run(
            &recipe,
            SEED,
            &dir.path().join("log"),
            every,
            false,
            &mut |_| (),
        )
    };
    for uneven in [0, 3, 4, 20] {
        let error = run(uneven).unwrap_err();
        assert_eq!(error.fault, Fault::Config);
        assert!(error.detail.contains("must divide"), "{error}");
    }
    assert!(!dir.path().join("log").exists());
}
