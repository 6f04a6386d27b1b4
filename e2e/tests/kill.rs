//! `kill -9` of an executor that computes, and of the node that authors: rounds complete, and
//! nobody's scores are committed or revealed twice.

mod common;

use arena_e2e::{
    demo::{
        journey::{directory, submit},
        people::address,
        plan::VALIDATORS,
    },
    poll,
    process::signal,
    rpc::Rpc,
    spec::Kind,
};
use arena_primitives::job::JobStatus;
use common::{Stage, plan};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

const WITHIN: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(10);

/// How often it is tried. A follower that lacks the last block of the killed author can stop
/// syncing for longer than a window of ten seconds; then the round has no quorum. Nothing else is
/// forgiven, and nobody may commit or reveal twice in any try.
const TRIES: u32 = 2;

#[test]
fn rounds_should_complete_when_an_executor_and_the_author_are_killed() {
    for attempt in 1..=TRIES {
        match live_through() {
            Ok(()) => return,
            Err(stalled) if attempt < TRIES => eprintln!("try {attempt}: {stalled}; once more"),
            Err(stalled) => panic!("try {attempt}: {stalled}"),
        }
    }
}

/// An error says which round had no quorum.
fn live_through() -> Result<(), String> {
    // Slow to score, so that a job can be killed while it runs.
    let mut stage = Stage::set(plan(Kind::Language, 0, ["text/slow", "text/narrow"]));
    publish_models(&stage);
    kill_running_executor(&stage);
    wait(&stage, "round 1 to be settled", |settled| {
        settled >= Some(1)
    });

    kill_author_in_commit_window(&mut stage, 2);
    wait(&stage, "final validation", |settled| settled >= Some(2));

    let scored = count_scores(&stage);
    let rpc = stage.cluster.rpc().unwrap();
    for round in [1, 2] {
        let result = rpc.result(stage.task, round).unwrap().unwrap();
        if round == 2 && result.unpaid.as_deref() == Some("NoQuorum") {
            return Err(format!("round {round} had no quorum"));
        }
        assert_eq!(result.unpaid, None, "round {round}");
        assert_eq!(result.models.len(), 2);
        for model in &result.models {
            assert_eq!(
                model.status,
                Value::from("Scored"),
                "round {round}: {model:?}"
            );
        }
    }
    let all: BTreeSet<(String, u64)> = VALIDATORS
        .iter()
        .flat_map(|validator| {
            let who = address(&stage.addresses, validator.suri).unwrap();
            [1, 2].map(|round| (who.to_owned(), round))
        })
        .collect();
    for (what, found) in scored {
        assert_eq!(found, all, "{what}");
    }
    Ok(())
}

fn publish_models(stage: &Stage) {
    stage
        .journey()
        .wait("round 1", |task| task.open_round == Some(1))
        .unwrap();
    let submissions: Vec<_> = stage
        .plan
        .trainers
        .iter()
        .map(|trainer| {
            let model = directory(&stage.cluster.base, trainer.models[0].1);
            submit(&stage.cluster, stage.task, trainer, &model, 1).unwrap()
        })
        .collect();
    for mut submission in submissions {
        submission.succeed(WITHIN).unwrap();
    }
}

/// Kills the second node's executor right after it said that a job runs.
fn kill_running_executor(stage: &Stage) {
    let node = &stage.cluster.nodes[1];
    let executor = node.executor();
    let before = node.executor_process().expect("the node runs an executor");
    let job = poll::every(SHORT, "a running job", WITHIN, || {
        let jobs = executor.jobs();
        Ok(jobs.into_iter().find(|job| is_running(&executor, job)))
    })
    .unwrap();
    signal(before.pid, "KILL").unwrap();
    poll::until("the executor's end", WITHIN, || {
        Ok((!before.is_alive()).then_some(()))
    })
    .unwrap();

    let after = poll::until("another executor", WITHIN, || {
        Ok(node
            .executor_process()
            .filter(|process| process.pid != before.pid))
    });
    assert!(after.unwrap().is_alive());
    node.wait_for_executor(WITHIN).unwrap();
    let done = poll::until("the job's outcome", WITHIN, || {
        // It may not have been asked for yet.
        let status = executor.status(&job).ok().flatten();
        Ok(status.filter(|s| matches!(s, JobStatus::Done(_) | JobStatus::Failed(_))))
    });
    assert!(matches!(done.unwrap(), JobStatus::Done(_)));
}

fn is_running(executor: &arena_e2e::executor::Executor, job: &str) -> bool {
    // Computing, with most of it still to come.
    matches!(
        executor.status(job),
        Ok(Some(JobStatus::Running { done, total })) if total > 0 && done < total / 2
    )
}

/// Kills the author, whose node also scores, in the round's commit window; starts it again.
fn kill_author_in_commit_window(stage: &mut Stage, round: u32) {
    let rpc = stage.cluster.rpc().unwrap();
    // On all nodes: one that lacks a block which the killed author has may stop syncing for a while
    // when the author comes back, longer than this window.
    poll::every(SHORT, "the commit window", WITHIN, || {
        let sees = |rpc: &Rpc| phase(rpc, stage.task, round).as_deref() == Some("commit");
        let all = stage.cluster.nodes.iter().all(|node| sees(&node.rpc()));
        Ok(all.then_some(()))
    })
    .unwrap();
    let executor = stage.cluster.nodes[0].executor_process();
    let node = stage.cluster.node(0).unwrap();
    node.kill().unwrap();
    assert!(rpc.best_block().is_err(), "a killed node answers");
    node.start().unwrap();
    node.wait_for_executor(WITHIN).unwrap();
    // A round that was in its commit window can't be over: nobody else authors. What the database
    // hadn't written yet may be lost, until the other nodes give it back.
    let phase = phase(&rpc, stage.task, round);
    assert!(
        matches!(phase.as_deref(), Some("seed" | "commit")),
        "{phase:?}, killed executor: {executor:?}"
    );
}

fn phase(rpc: &Rpc, task: u32, round: u32) -> Option<String> {
    let task = rpc.task(task).ok()?;
    task.live
        .into_iter()
        .find(|live| live.round == round)
        .map(|live| live.phase)
}

fn wait(stage: &Stage, what: &str, is_so: impl Fn(Option<u32>) -> bool) {
    stage
        .journey()
        .wait(what, |task| is_so(task.last_settled))
        .unwrap();
}

/// Who committed and who revealed in which round, over all blocks; nobody twice.
fn count_scores(stage: &Stage) -> [(&'static str, BTreeSet<(String, u64)>); 2] {
    let command = format!("count-scores --task {}", stage.task);
    let counts = stage.cluster.arena.run(command).unwrap();
    ["commits", "reveals"].map(|what| {
        let rows = counts[what].as_array().unwrap();
        let found = rows
            .iter()
            .inspect(|row| assert_eq!(row["count"], Value::from(1), "{what}: {row}"))
            // Final validation may have begun.
            .filter(|row| row["round"].as_u64().unwrap() <= 2)
            .map(|row| {
                let who = row["validator"].as_str().unwrap().to_owned();
                (who, row["round"].as_u64().unwrap())
            })
            .collect();
        (what, found)
    })
}
