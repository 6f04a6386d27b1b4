//! Files that are refused say what is wrong, and where.

use arena_sim::config::Config;
use std::path::Path;

const SHIPPED: &str = include_str!("../attacks.toml");

/// Why the shipped file is refused with this change.
fn refused(from: &str, to: &str) -> String {
    assert!(SHIPPED.contains(from), "{from}");
    let changed = SHIPPED.replacen(from, to, 1);
    let error = Config::parse(&changed).expect_err("is refused");
    format!("{error:#}")
}

#[test]
fn the_shipped_file_should_have_enough_rounds_and_seeds() {
    let config = Config::parse(SHIPPED).expect("is valid");
    assert!(config.rounds >= 200);
    assert!(config.seeds.len() >= 5);
}

#[test]
fn a_bad_value_should_be_named() {
    for (from, to, named) in [
        ("rounds = 200", "rounds = 0", "rounds: from 1"),
        ("rounds = 200", "rounds = 367", "rounds: from 1"),
        ("seeds = [1, 2, 3, 4, 5]", "seeds = []", "seeds:"),
        ("seed = 16,", "seed = 60,", "windows"),
        ("spread = 0.5", "spread = -1.0", "people.spread"),
        (
            "submit_every = 5",
            "submit_every = 0",
            "models.submit_every",
        ),
        ("to = 0.85", "to = 0.65", "models: 0 < from"),
        (
            "copier = { stake = 0.05,",
            "copier = { stake = 1.5,",
            "scenario copier",
        ),
        (
            "name = \"copier\"",
            "name = \"redraw\"",
            "two have this name",
        ),
    ] {
        let error = refused(from, to);
        assert!(error.contains(named), "{to}: {error}");
    }
}

#[test]
fn an_unknown_key_should_be_named_with_its_line() {
    for (from, to, named) in [
        ("pace = 60", "pase = 60", "pase"),
        ("copier = {", "copyer = {", "copyer"),
        ("stake = 0.05, acc", "steak = 0.05, acc", "steak"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(named) && error.contains("line"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_should_be_named() {
    let error = Config::read(Path::new("no/such.toml")).expect_err("is refused");
    assert!(format!("{error:#}").contains("no/such.toml"));
}

#[test]
fn an_unknown_scenario_should_be_answered_with_the_known_ones() {
    let mut config = Config::parse(SHIPPED).expect("is valid");
    let error = config.only(&["copyer".into()]).expect_err("is refused");
    assert!(error.to_string().contains("copier"), "{error}");
    config.only(&["copier".into()]).expect("is known");
    assert_eq!(config.scenario.len(), 1);
}

#[test]
fn rewards_that_the_chain_refuses_should_be_refused() {
    let changed = SHIPPED.replacen("lambda_milli = 50000", "lambda_milli = 90000", 1);
    let config = Config::parse(&changed).expect("reads");
    let scenario = config.scenario.first().expect("has one");
    let error = arena_sim::run::compare(&config, scenario, 1).expect_err("is refused");
    assert!(format!("{error:#}").contains("lambda_milli"), "{error:#}");
}
