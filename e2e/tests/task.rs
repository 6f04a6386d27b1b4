//! One task with sealed data on real nodes and executors, from proposal to payout, followed over
//! RPC.

mod common;

use arena_e2e::{
    cli,
    demo::{checks, people, report::Report},
    messages::Messages,
    poll,
    rpc::Rpc,
    spec::Kind,
    train::{break_model, model_dir},
};
use common::{Stage, plan};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

#[test]
fn task_should_go_from_proposal_to_payout() {
    let mut plan = plan(Kind::Digits, 100, ["digits/mlp", "digits/mlp-short"]);
    plan.spec.sealed = true;
    plan.trainers[0].by_node = true;
    let stage = Stage::set(plan);
    check_says_what_a_model_is_worth(&stage);
    let served = stage.dir.path().join("served");
    let mut opener = stage.open_shards(&served);
    let url = stage.cluster.first().unwrap().url();
    let rounds = Messages::follow(&url, "arena_subscribeRounds", json!([stage.task])).unwrap();
    let states = Messages::follow(&url, "arena_subscribeTasks", json!([])).unwrap();
    stage.journey().follow().unwrap();
    // Both shards were opened, none before its time; then the opener ended by itself.
    opener.succeed(Duration::from_secs(30)).unwrap();
    assert_eq!(std::fs::read_dir(&served).unwrap().count(), 2);

    let rpc = stage.cluster.rpc().unwrap();
    let (plans, tasks) = ([stage.plan.clone()], [stage.task]);
    let claims = people::claims(&plans, &tasks, &stage.addresses).unwrap();
    assert_eq!(claims.len(), 1 + 2 + 3 + 2);
    for claim in &claims {
        let owed = claim.owed(&rpc, &stage.addresses).unwrap();
        assert!(owed > 0, "nothing is owed: {claim:?}");
    }
    let paid = stage
        .cluster
        .arena
        .batch(claims.iter().map(people::Claim::action).collect());
    assert_eq!(paid.unwrap().len(), claims.len());
    for claim in claims.iter().filter(|claim| claim.venue != "network") {
        assert_eq!(claim.owed(&rpc, &stage.addresses).unwrap(), 0, "{claim:?}");
    }

    let best = rpc.best_block().unwrap();
    poll::until("finality", Duration::from_secs(30), || {
        Ok((rpc.finalized_block()? >= best).then_some(()))
    })
    .unwrap();
    subscriptions_told_each_round_and_phase_once(&rounds, &states);
    examples_are_answered(&rpc);
    let report: Report = serde_json::from_value(stage.report()).unwrap();
    let failures = checks::failures(&report, &plans, &tasks, &stage.addresses);
    assert!(failures.is_empty(), "{failures:#?}\n{report:#?}");
    every_payout_is_what_the_chain_says(&stage);
}

/// Rounds are told when they are final; the task's last phase too.
fn subscriptions_told_each_round_and_phase_once(rounds: &Messages, states: &Messages) {
    poll::until("the last phase", Duration::from_secs(30), || {
        let last = states.so_far().pop();
        Ok(last.filter(|state| state["phase"] == "Closed").map(|_| ()))
    })
    .unwrap();
    let told = rounds.so_far();
    let numbers: Vec<_> = told.iter().map(|round| round["round"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
    assert!(
        told.iter().all(|round| round["best"]["rank"] == 1),
        "{told:?}"
    );
    let states = states.so_far();
    let mut phases: Vec<_> = states.iter().map(|state| state["phase"].clone()).collect();
    phases.dedup();
    let wanted = ["Submission", "FinalValidation", "Challenge", "Closed"];
    // What a state passed through between two finalized blocks isn't told.
    assert!(
        phases
            .iter()
            .all(|phase| wanted.contains(&phase.as_str().unwrap()))
    );
    assert!(
        states.windows(2).all(|pair| pair[0] != pair[1]),
        "{states:?}"
    );
}

/// What the reference asks, of this chain: each request is understood, and refused by name or
/// answered.
fn examples_are_answered(rpc: &Rpc) {
    let document: Value = serde_json::from_str(include_str!("../../docs/openrpc.json")).unwrap();
    let mut answered = 0;
    for method in document["methods"].as_array().unwrap() {
        if method.get("x-subscription").is_some() {
            continue;
        }
        let name = method["name"].as_str().unwrap();
        let params = method
            .pointer("/examples/0/params")
            .unwrap()
            .as_array()
            .unwrap();
        let params: Value = params.iter().map(|param| param["value"].clone()).collect();
        match rpc.call::<Value>(name, params) {
            Ok(_) => answered += 1,
            Err(error) => assert!(
                format!("{error:#}").contains("\"code\":90"),
                "{name}: {error:#}"
            ),
        }
    }
    assert!(answered >= 15, "{answered} of the examples were answered");
}

/// All that was booked, split and claimed, computed again from outside.
fn every_payout_is_what_the_chain_says(stage: &Stage) {
    let command = format!("verify --task {}", stage.task);
    let found = stage.cluster.arena.run(command).unwrap();
    assert_eq!(found["differences"], 0, "{found}");
    for part in ["authors", "claims", "books"] {
        let compared = found[part]["compared"].as_u64().unwrap();
        assert!(compared > 0, "{part}: {found}");
    }
}

/// Before anything is submitted: a model's score on the data, and why a broken one has none.
fn check_says_what_a_model_is_worth(stage: &Stage) {
    let data = Kind::Digits.eval_data(&common::data());
    let check = |model: &Path| {
        let args = [
            "check",
            "--task",
            &stage.task.to_string(),
            "--model",
            &model.display().to_string(),
            "--data",
            &data.display().to_string(),
        ];
        let args = args.map(Into::into).into();
        stage.cluster.arena.run_args(args, Duration::from_secs(60))
    };
    let good = model_dir(&stage.cluster.base, "digits/mlp");
    let found = check(&good).unwrap();
    let score = cli::number(&found, "score").unwrap();
    assert!(score > 500_000_000, "{found}");
    assert_eq!(found["ownData"], false, "the task's data is sealed");
    let broken = stage.dir.path().join("broken");
    break_model(&good, &broken).unwrap();
    let error = format!("{:#}", check(&broken).unwrap_err());
    assert!(error.contains("invalid"), "{error}");
}
