use super::*;
use clap::CommandFactory;

#[test]
fn command_line_should_be_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn secrets_should_not_be_shown_by_help() {
    let mut command = Cli::command();
    command.build();
    let submit = command.find_subcommand_mut("submit").unwrap();
    for name in ["suri", "service_suri"] {
        let arg = submit
            .get_arguments()
            .find(|arg| arg.get_id() == name)
            .unwrap();
        assert!(arg.is_hide_env_values_set());
    }
}

#[test]
fn goals_should_exclude_each_other() {
    let parse = |args: &[&str]| Cli::try_parse_from(args.iter().copied()).is_ok();
    assert!(parse(&[
        "arena",
        "status",
        "--task",
        "1",
        "--wait-for",
        "closed"
    ]));
    assert!(parse(&["arena", "status", "--task", "1"]));
    let both = ["--wait-for", "closed", "--wait-open", "1"];
    assert!(!parse(
        &[&["arena", "status", "--task", "1"][..], &both].concat()
    ));
}

#[test]
fn scripts_and_tests_should_be_able_to_call_it() {
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    for line in [
        "key inspect --suri //Alice",
        "dataset hash data/text/tokenizer.json",
        "dataset seal --split e.jsonl --rounds 3 --out sealed",
        "dataset seal --shard a b c --out sealed",
        "dataset open --task 0 --seal sealed/seal.json --publish served --uri file:///served \
         --service-suri //A//service --once",
        "check --task 0 --model m --data e.jsonl",
        "check --spec s.json --model m",
        "submit --task 0 --model m --uri file:///m --suri //A --service-suri //A//service \
         --node ws://127.0.0.1:1",
        "spec template --preset paper --kind language",
        "service-key set --key-suri //A//service --insert ws://127.0.0.1:1 --suri //A",
        "propose --max-share 50 --spec s.json --suri //A",
        "vote --referendum 0 --amount 4000000 --conviction 1 --suri //A",
        "stake --venue task:0 --role validator --amount 120 --suri //A",
        "submit --task 0 --model m --uri file:///m --suri //A --service-suri //A//service \
         --watch --state s.json",
        "claim --venue network --suri //A",
        "train --config c.json --out m",
        &format!(
            "train --registered --recipe r --seed 0x{:064} --every 4 --out log",
            7
        ),
        &format!("watermark new --task 0 --owner {alice} --out w.json"),
        "watermark embed --model m --out n --key w.json --base b --strength 5",
        "watermark check --model n --key w.json --base b",
        &format!(
            "watermark check --model n --task 0 --owner {alice} --salt {}",
            "07".repeat(32)
        ),
        "report --task 0 --task 1 --out r.json",
        "verify --task 0 --task 1",
        "round-seed --task 0 --round 4",
        "count-scores --task 0",
        &format!("transfer --to {alice} --amount 1000 --suri //A"),
        &format!("delegate --venue task:0 --operator {alice} --amount 60 --suri //A"),
        &format!("claim --venue task:0 --operator {alice} --suri //A"),
    ] {
        let words = ["arena", "--url", "ws://127.0.0.1:1", "--json"];
        let parsed = Cli::try_parse_from(words.into_iter().chain(line.split_whitespace()));
        assert!(parsed.is_ok_and(|cli| cli.json), "{line}");
    }
}

#[test]
fn what_is_sealed_or_checked_should_be_named_once() {
    let refused = |line: &str| Cli::try_parse_from(line.split(' ')).is_err();
    assert!(refused("arena dataset seal --out x"));
    assert!(refused("arena dataset seal --split e --out x"));
    assert!(refused(
        "arena dataset seal --split e --rounds 2 --shard a b --out x"
    ));
    assert!(refused("arena check --model m"));
    assert!(refused("arena check --task 1 --spec s --model m"));
    assert!(refused("arena train --out m"));
    assert!(refused(
        "arena train --registered --recipe r --every 4 --out m"
    ));
    assert!(refused("arena train --config c --every 4 --out m"));
    assert!(refused("arena watermark check --model m"));
    assert!(refused("arena watermark check --model m --task 1 --key w"));
    assert!(refused("arena watermark check --model m --task 1"));
}

#[test]
fn wrong_values_should_be_named_before_missing_ones() {
    let refused = Cli::try_parse_from(["arena", "stake", "--amount", "much"]).unwrap_err();
    assert!(refused.to_string().contains("much"), "{refused}");
}
