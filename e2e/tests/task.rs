//! One task with sealed data on real nodes and executors, from proposal to payout, followed over
//! RPC.

mod common;

use arena_e2e::{
    demo::{checks, people, report::Report},
    poll,
    spec::Kind,
};
use common::{Stage, plan};
use std::time::Duration;

#[test]
fn task_should_go_from_proposal_to_payout() {
    let mut plan = plan(Kind::Digits, 100, ["digits/mlp", "digits/mlp-short"]);
    plan.spec.sealed = true;
    let stage = Stage::set(plan);
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
}
