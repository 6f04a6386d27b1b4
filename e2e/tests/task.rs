//! One task with sealed data on real nodes and executors, from proposal to payout, followed over
//! RPC.

mod common;

use arena_e2e::{
    cli,
    demo::{checks, people, report::Report},
    poll,
    spec::Kind,
    train::{break_model, model_dir},
};
use common::{Stage, plan};
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
    let report: Report = serde_json::from_value(stage.report()).unwrap();
    let failures = checks::failures(&report, &plans, &tasks, &stage.addresses);
    assert!(failures.is_empty(), "{failures:#?}\n{report:#?}");
    every_payout_is_what_the_chain_says(&stage);
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
