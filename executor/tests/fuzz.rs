//! The fuzz targets on their seeds, and on these changed a little; `scripts/fuzz.sh` goes on
//! where this ends.

#[allow(unreachable_pub, reason = "the fuzzers' own")]
#[path = "../../fuzz/src/seeds.rs"]
mod seeds;
#[allow(unreachable_pub, reason = "the fuzzers' own")]
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use proptest::{prelude::*, test_runner::TestRunner};
use std::{fs, path::PathBuf};
use targets::{TARGETS, Target};

/// Numbers and words that parsers stumble on.
const ODD: [&str; 20] = [
    "0",
    "1",
    "-1",
    "-0",
    "255",
    "65536",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e-320",
    "1e999",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "[[[[[[[[",
    "\u{0}",
];

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/tests/fixtures"
    ))
}

/// A change of some bytes; places are taken modulo the length.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Cut(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
    /// The first number from here becomes another.
    Number(usize, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let odd = || proptest::sample::select(&ODD[..]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, to)| Change::Byte(at, to)),
        (any::<usize>(), 0usize..64).prop_map(|(at, count)| Change::Cut(at, count)),
        (any::<usize>(), 0usize..64).prop_map(|(at, count)| Change::Repeat(at, count)),
        (any::<usize>(), odd()).prop_map(|(at, odd)| Change::Insert(at, odd)),
        (any::<usize>(), odd()).prop_map(|(at, odd)| Change::Number(at, odd)),
    ]
}

fn changed(mut bytes: Vec<u8>, change: &Change) -> Vec<u8> {
    let length = bytes.len().max(1);
    let part =
        |at: usize, count: usize| at % length..(at % length).saturating_add(count).min(bytes.len());
    match *change {
        Change::Byte(at, to) => {
            if let Some(byte) = bytes.get_mut(at % length) {
                *byte = to;
            }
        }
        Change::Cut(at, count) => drop(bytes.drain(part(at, count))),
        Change::Repeat(at, count) => {
            let again = bytes[part(at, count)].to_vec();
            let at = at % length;
            bytes.splice(at..at, again);
        }
        Change::Insert(at, odd) => {
            let at = (at % length).min(bytes.len());
            bytes.splice(at..at, odd.bytes());
        }
        Change::Number(at, odd) => {
            let is_digit = |byte: &u8| byte.is_ascii_digit();
            let rest = bytes.iter().skip(at % length).position(is_digit);
            if let Some(first) = rest.map(|first| at % length + first) {
                let digits = bytes[first..].iter().take_while(|b| is_digit(b)).count();
                bytes.splice(first..first + digits, odd.bytes());
            }
        }
    }
    bytes
}

/// Runs a target on its seeds and on `cases` of them changed.
fn run(name: &str, cases: u32) {
    let target: Target = TARGETS.iter().find(|(known, _)| *known == name).unwrap().1;
    let seeds = seeds::of(name, &fixtures());
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| target(seed));
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let inputs = (
        proptest::sample::select(seeds),
        proptest::collection::vec(change(), 1..6),
    );
    let outcome = TestRunner::new(config).run(&inputs, |(seed, changes)| {
        let bytes = changes.iter().fold(seed, changed);
        target(&bytes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

#[test]
fn manifests_should_do_no_harm() {
    run("manifest", 20_000);
}

#[test]
fn headers_should_do_no_harm() {
    run("header", 20_000);
}

#[test]
fn configs_should_do_no_harm() {
    run("config", 20_000);
}

#[test]
fn jobs_should_do_no_harm() {
    run("job", 20_000);
}

#[test]
fn templates_should_do_no_harm() {
    run("template", 2_000);
}

#[test]
fn tokenizers_should_do_no_harm() {
    run("tokenizer", 5_000);
}

#[test]
fn seeds_should_be_taken_where_they_are_whole() {
    // Otherwise nothing but refusals would be fuzzed.
    for seed in seeds::of("config", &fixtures()) {
        let text = String::from_utf8(seed).unwrap();
        let parsed = arena_models::ModelConfig::parse(text.as_bytes());
        let is_models = text.contains("model_type");
        assert_eq!(parsed.is_ok(), is_models, "{text}");
    }
    for seed in seeds::of("manifest", &fixtures()) {
        arena_models::Manifest::decode(&seed).unwrap();
    }
}

#[test]
#[ignore = "writes the seeds of the fuzzers; scripts/fuzz.sh runs it"]
fn seeds_should_be_written() {
    let corpus = std::env::var_os("ARENA_FUZZ_CORPUS").expect("ARENA_FUZZ_CORPUS is not set");
    for (name, _) in TARGETS {
        let dir = PathBuf::from(&corpus).join(name);
        fs::create_dir_all(&dir).unwrap();
        for (n, seed) in seeds::of(name, &fixtures()).iter().enumerate() {
            fs::write(dir.join(format!("seed-{n:02}")), seed).unwrap();
        }
    }
}
