//! Losses of every family against the reference implementation's.
//!
//! `scripts/parity/generate.py` makes the fixtures; those of seed 1 are in `tests/fixtures`.
//! `ARENA_PARITY_DIR` names a directory of others, and gets the report.

mod reference;

use arena_models::{Device, Profile, SampleLoss};
use reference::{Expected, Run, fixtures, losses, relative};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Of a sample's loss, relative.
const TOLERANCE: f64 = 1e-5;
/// Of the sum of losses from one batch size to another, relative.
const BATCH_TOLERANCE: f64 = 1e-6;
const PROFILES: [Profile; 2] = [Profile::F32, Profile::ExactCpuF32];

/// The largest errors of a family in a profile, both relative.
#[derive(Default)]
struct Errors {
    sample: f64,
    /// The fixture that has it.
    fixture: String,
    batch: f64,
}

type Report = BTreeMap<String, BTreeMap<String, Errors>>;

fn root() -> (PathBuf, PathBuf) {
    match std::env::var_os("ARENA_PARITY_DIR") {
        Some(dir) => {
            let dir = PathBuf::from(dir);
            (dir.clone(), dir.join("parity.json"))
        }
        None => (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("parity.json"),
        ),
    }
}

/// What differs beyond rounding, and the largest relative error of a sample's loss.
fn compare(found: &[SampleLoss], run: &Run) -> Result<f64, String> {
    if found.len() != run.samples.len() {
        return Err(format!("{} samples of {}", found.len(), run.samples.len()));
    }
    let mut largest = 0f64;
    for (loss, sample) in found.iter().zip(&run.samples) {
        let counts = (loss.tokens, loss.bytes);
        if counts != (sample.tokens, sample.bytes) {
            let expected = (sample.tokens, sample.bytes);
            return Err(format!(
                "sample {}: (targets, bytes) {counts:?}, the reference has {expected:?}",
                loss.index
            ));
        }
        let error = relative(loss.nll, sample.nll);
        if error.is_nan() || error > TOLERANCE {
            return Err(format!(
                "sample {} of {} targets: {} nats, the reference has {}",
                loss.index, sample.tokens, loss.nll, sample.nll
            ));
        }
        if sample
            .correct
            .is_some_and(|correct| correct != loss.correct)
        {
            return Err(format!("sample {}: classified otherwise", loss.index));
        }
        largest = largest.max(error);
    }
    Ok(largest)
}

fn sum(losses: &[SampleLoss]) -> f64 {
    losses.iter().map(|loss| loss.nll).sum()
}

/// Checks one run in one profile, for batches of 1 sample and of up to 64.
fn check(
    root: &Path,
    name: &str,
    expected: &Expected,
    run: &Run,
    profile: Profile,
    errors: &mut Errors,
) -> Result<(), String> {
    let folder = root.join(name);
    let mut sums = Vec::new();
    for batch in [1, 64] {
        let found = losses(&folder, expected, run, (profile, Device::Cpu), batch)?;
        let error = compare(&found, run).map_err(|e| format!("batches of {batch}: {e}"))?;
        if error >= errors.sample {
            errors.sample = error;
            errors.fixture = name.to_string();
        }
        let sum = sum(&found);
        if relative(sum, run.nll) > TOLERANCE {
            return Err(format!("{sum} nats in all, the reference has {}", run.nll));
        }
        sums.push(sum);
    }
    let apart = relative(sums[1], sums[0]);
    errors.batch = errors.batch.max(apart);
    if apart > BATCH_TOLERANCE {
        return Err(format!("the sum of losses by batch size: {sums:?}"));
    }
    Ok(())
}

fn write(report: &Report, wrong: &[String], path: &Path) {
    let families: BTreeMap<_, BTreeMap<_, _>> = report
        .iter()
        .map(|(family, profiles)| {
            // Of a profile in which nothing could be computed, there is no error to tell.
            let measured = profiles.iter().filter(|(_, e)| !e.fixture.is_empty());
            let profiles = measured.map(|(profile, errors)| {
                let value = serde_json::json!({
                    "sample": errors.sample, "fixture": errors.fixture, "batch": errors.batch,
                });
                (profile, value)
            });
            (family, profiles.collect())
        })
        .collect();
    let json = serde_json::json!({
        "tolerance": TOLERANCE, "families": families, "wrong": wrong,
    });
    fs::write(path, format!("{json:#}\n")).unwrap();
    println!("largest errors by family: {}", path.display());
}

#[test]
fn losses_should_be_those_of_the_reference_implementation() {
    let (root, path) = root();
    let fixtures = fixtures(&root);
    assert!(!fixtures.is_empty(), "no fixtures in {}", root.display());
    let mut report = Report::new();
    let mut wrong = Vec::new();
    for (name, expected) in &fixtures {
        for profile in PROFILES {
            let family = report.entry(expected.family.clone()).or_default();
            let errors = family.entry(profile.to_string()).or_default();
            for run in &expected.runs {
                if let Err(detail) = check(&root, name, expected, run, profile, errors) {
                    let data = &run.data;
                    wrong.push(format!("{name}, {data}, {profile}: {detail}"));
                }
            }
        }
    }
    write(&report, &wrong, &path);
    assert!(
        wrong.is_empty(),
        "{} of the runs of {} fixtures are wrong:\n{}",
        wrong.len(),
        fixtures.len(),
        wrong.join("\n")
    );
}
