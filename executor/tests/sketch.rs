//! `arena-executor sketch` and `compare` as they are typed.

mod common;

use arena_models::sketch::sketch;
use common::{BINARY, model::write_mlp};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output},
};

fn run(args: &[&str], dirs: &[&Path]) -> Output {
    run_as("sketch", args, dirs)
}

fn run_as(command: &str, args: &[&str], dirs: &[&Path]) -> Output {
    Command::new(BINARY)
        .arg(command)
        .args(args)
        .args(dirs)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Three copies of one model with noise as large as its weights.
fn apart(dir: &Path) -> Vec<std::path::PathBuf> {
    let first = dir.join("first");
    write_mlp(&first, &[30, 40, 20]);
    let noised = |seed: u8| {
        let out = dir.join(seed.to_string());
        arena_models::calibrate::noised_copy(&first, None, &out, 1.0, [seed; 32]).unwrap();
        out
    };
    [1, 2, 3].map(noised).into()
}

#[test]
fn sketch_should_print_what_the_library_finds() {
    let dir = tempfile::tempdir().unwrap();
    let models = apart(dir.path());
    let seed = "07".repeat(32);
    let wanted = sketch(&models[1], Some(&models[0]), [7; 32]).unwrap();
    let hash = arena_models::canonical_hash(&models[1]).unwrap();
    let base = models[0].to_str().unwrap();
    let output = run(&["--base", base, "--seed", &seed, "--model"], &[&models[1]]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        said.contains(&format!("0x{}", hex::encode(wanted))),
        "{said}"
    );
    assert!(said.contains(&format!("0x{}", hex::encode(hash))), "{said}");
    let seed = format!("0x{seed}");
    let output = run(
        &["--json", "--base", base, "--seed", &seed, "--model"],
        &[&models[1]],
    );
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["sketch"], format!("0x{}", hex::encode(wanted)));
    assert_eq!(said["seed"], seed);
}

#[test]
fn calibrate_should_tell_distances_error_rates_and_thresholds() {
    let dir = tempfile::tempdir().unwrap();
    let models = apart(dir.path());
    let models: Vec<&Path> = models.iter().map(|m| m.as_path()).collect();
    let output = run(
        &["--calibrate", "--json", "--seeds", "4", "--models"],
        &models,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let distances = |class: &Value| class["distances"].as_array().unwrap().len();
    assert!(
        said["copies"]
            .as_array()
            .unwrap()
            .iter()
            .all(|class| distances(class) == 12)
    );
    assert_eq!(
        (
            said["copies"].as_array().unwrap().len(),
            distances(&said["independent"])
        ),
        (4, 12)
    );
    // Noise of 0.1: 8 of 256 bits. Two copies of noise 1 have a cosine of 1/2: 85 bits.
    assert!(said["copies"][0]["mean"].as_f64().unwrap() < 13.0);
    assert_eq!(
        said["independent"]["up_to_default"],
        serde_json::json!([0.0, 0.0])
    );
    let suggested: Vec<u64> = serde_json::from_value(said["suggested"].clone()).unwrap();
    assert!(13 < suggested[0] && suggested[0] < suggested[1] && suggested[1] < 80);
    let output = run(&["--calibrate", "--seeds", "4", "--models"], &models);
    let said = text(&output.stdout);
    assert!(
        said.contains("≤ 13") && said.contains("copy, noise 0.25"),
        "{said}"
    );
    assert!(
        said.contains(&format!("match {}, flag {}", suggested[0], suggested[1])),
        "{said}"
    );
    let same = run(
        &["--calibrate", "--seeds", "2", "--models"],
        &[models[0], models[0]],
    );
    assert!(
        text(&same.stdout).contains("too alike"),
        "{}",
        text(&same.stdout)
    );
}

#[test]
fn sketch_should_exit_with_1_for_refusals_and_2_for_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (dir.path().join("small"), dir.path().join("large"));
    write_mlp(&small, &[3]);
    write_mlp(&large, &[4]);
    let seed = "00".repeat(32);
    let base = large.to_str().unwrap();
    let output = run(&["--base", base, "--seed", &seed, "--model"], &[&small]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("in the base"),
        "{}",
        text(&output.stderr)
    );
    for (args, dirs) in [
        (&["--model"][..], &[&*small][..]),
        (&["--seed", "07", "--model"], &[&small]),
        (&["--seed", &seed], &[]),
        (&["--calibrate"], &[]),
        (&["--calibrate", "--models"], &[&small]),
        (
            &["--calibrate", "--seeds", "0", "--models"],
            &[&small, &large],
        ),
        (
            &["--calibrate", "--seed", &seed, "--models"],
            &[&small, &large],
        ),
        (&["--models"], &[&small, &large]),
    ] {
        assert_eq!(run(args, dirs).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn compare_should_print_what_the_library_finds() {
    let dir = tempfile::tempdir().unwrap();
    let models = apart(dir.path());
    let [base, earlier] = [0, 1].map(|at: usize| models[at].to_str().unwrap());
    let args = ["--base", base, "--earlier", earlier, "--model"];
    let wanted = arena_models::compare(&models[2], &models[1], Some(&models[0])).unwrap();
    let distance = f64::from(wanted.distance.unwrap()) / 1e9;
    let output = run_as("compare", &args, &[&models[2]]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        said.contains(&format!("distance      {distance:.9}")),
        "{said}"
    );
    assert!(said.contains("layers.0.weight"), "{said}");
    let output = run_as("compare", &[&["--json"], &args[..]].concat(), &[&models[2]]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["distance"].as_f64(), Some(distance));
    assert_eq!(said["same"], false);
    assert_eq!(
        said["tensors"].as_array().unwrap().len(),
        wanted.tensors.len()
    );
    let other = dir.path().join("other");
    write_mlp(&other, &[3]);
    let output = run_as("compare", &["--earlier", earlier, "--model"], &[&other]);
    assert!(text(&output.stdout).contains("nothing can be said"));
    let output = run_as("compare", &["--earlier", earlier, "--model"], &[dir.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        run_as("compare", &["--model"], &[&other]).status.code(),
        Some(2)
    );
}
