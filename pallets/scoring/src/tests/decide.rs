//! What the offchain worker decides.

use super::*;
use arena_primitives::{
    Architecture, BaseModel, NumericProfile,
    job::{JobKind, Sketched},
};

pub(super) fn duty() -> Duty {
    let drawn = TRAINERS
        .iter()
        .map(|(n, _)| Drawn {
            manifest_root: root(&account(*n)),
            uris: uris(),
        })
        .collect();
    let mut duty = Duty {
        task: 0,
        round: 1,
        schedule: SCHEDULE,
        operator: account(21),
        spec: spec(),
        data: Some(data()),
        seed: Some(H256::repeat_byte(3)),
        drawn,
        sketching: None,
        committed: None,
        revealed: false,
        record: None,
        jobs: None,
    };
    duty.jobs = Some(all(&duty, JobView::Missing));
    duty
}

fn all(duty: &Duty, view: JobView) -> BTreeMap<H256, JobView> {
    duty.jobs()
        .iter()
        .map(|job| (job.id(), view.clone()))
        .collect()
}

pub(super) fn done(raw: u64) -> JobStatus {
    JobStatus::Done(Outcome::Evaluated(Evaluated {
        raw,
        samples: 1,
        tokens: 1,
        bytes: 0,
        samples_root: ROOT,
        device: "cpu".into(),
        millis: 1,
    }))
}

fn record(duty: &Duty, now: u32) -> Record {
    match decide(now, duty, NONCE).as_slice() {
        [Action::Commit(record)] => record.clone(),
        other => panic!("no commitment: {other:?}"),
    }
}

#[test]
fn decide_should_post_missing_jobs_from_the_start_of_the_commit_phase() {
    let duty = duty();
    assert!(decide(SCHEDULE.commit - 1, &duty, NONCE).is_empty());
    let actions = decide(SCHEDULE.commit, &duty, NONCE);
    assert_eq!(actions.len(), 4);
    assert!(
        actions
            .iter()
            .all(|action| matches!(action, Action::Post(job)
        if job.deadline_seconds == 240))
    );
    assert_eq!(actions, decide(SCHEDULE.commit, &duty, H256::zero()));
}

#[test]
fn decide_should_commit_once_each_job_has_an_outcome() {
    let mut duty = duty();
    let jobs = duty.jobs();
    let statuses = [
        done(900_000_000),
        JobStatus::Failed(Fault::Miner(MinerFault::Config, "".into())),
        JobStatus::Failed(Fault::Infra(InfraFault::Memory, "".into())),
        JobStatus::Failed(Fault::Unsupported("".into())),
    ];
    let views = jobs.iter().zip(statuses);
    duty.jobs = Some(
        views
            .map(|(job, s)| (job.id(), JobView::Known(s)))
            .collect(),
    );
    let outcomes: Vec<_> = record(&duty, SCHEDULE.commit)
        .entries
        .iter()
        .map(|line| line.outcome)
        .collect();
    assert_eq!(
        outcomes,
        vec![
            ScoreOutcome::Scored(900_000_000),
            ScoreOutcome::Invalid(MinerFault::Config),
            ScoreOutcome::Skipped(InfraFault::Memory),
            ScoreOutcome::Skipped(InfraFault::Device),
        ]
    );
    duty.jobs
        .as_mut()
        .unwrap()
        .insert(jobs[0].id(), JobView::Known(JobStatus::Queued));
    assert!(decide(SCHEDULE.commit, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_skip_what_has_no_score_late_in_the_window() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Silent));
    assert!(decide(SCHEDULE.reveal - 3, &duty, NONCE).is_empty());
    let record = record(&duty, SCHEDULE.reveal - 2);
    let timeout = ScoreOutcome::Skipped(InfraFault::Timeout);
    assert!(record.entries.iter().all(|line| line.outcome == timeout));
    duty.jobs = None;
    assert!(decide(SCHEDULE.reveal - 2, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_try_a_passing_fault_again_and_name_it_late_in_the_window() {
    let mut duty = duty();
    let failed = JobStatus::Failed(Fault::Infra(InfraFault::Download, "".into()));
    duty.jobs = Some(all(&duty, JobView::Known(failed)));
    let jobs = duty.jobs();
    let posts: Vec<_> = jobs.into_iter().map(post).collect();
    assert_eq!(decide(SCHEDULE.commit, &duty, NONCE), posts);
    let skipped = ScoreOutcome::Skipped(InfraFault::Download);
    let record = record(&duty, SCHEDULE.reveal - 2);
    assert!(record.entries.iter().all(|line| line.outcome == skipped));
}

#[test]
fn decide_should_score_a_hopeless_language_model_at_the_worst_value() {
    let mut duty = duty();
    duty.spec.metric = arena_primitives::Metric::BitsPerByte;
    duty.jobs = Some(all(&duty, JobView::Known(done(u64::MAX))));
    let worst = ScoreOutcome::Scored(arena_primitives::MAX_BITS_PER_BYTE);
    let record = record(&duty, SCHEDULE.commit);
    assert!(record.entries.iter().all(|line| line.outcome == worst));
}

#[test]
fn decide_should_not_commit_to_an_impossible_value() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(1_000_000_001))));
    let record = record(&duty, SCHEDULE.commit);
    let device = ScoreOutcome::Skipped(InfraFault::Device);
    assert!(record.entries.iter().all(|line| line.outcome == device));
}

#[test]
fn decide_should_skip_what_was_answered_with_another_kind_of_outcome() {
    let mut duty = duty();
    let sketched = JobStatus::Done(Outcome::Sketched(Sketched {
        sketch: [1; 32],
        canonical: [2; 32],
        device: "cpu".into(),
        millis: 1,
    }));
    duty.jobs = Some(all(&duty, JobView::Known(sketched)));
    let device = ScoreOutcome::Skipped(InfraFault::Device);
    let record = record(&duty, SCHEDULE.commit);
    assert!(record.entries.iter().all(|line| line.outcome == device));
}

#[test]
fn jobs_should_carry_the_profile_the_families_and_the_base_of_the_spec() {
    let mut duty = duty();
    duty.spec.profile = NumericProfile::ExactCpuF32;
    duty.spec.model.architectures = vec![Architecture::Cnn, Architecture::Bert]
        .try_into()
        .unwrap();
    duty.spec.model.base = Some(BaseModel {
        manifest_root: ROOT,
        uris: uris(),
    });
    let jobs = duty.jobs();
    assert_eq!(jobs.len(), TRAINERS.len());
    for job in jobs {
        let JobKind::Evaluate(evaluate) = job.kind else {
            panic!("not an evaluation: {job:?}");
        };
        let base = evaluate.base.unwrap();
        assert_eq!(base.manifest_root, ROOT);
        assert_eq!(base.uris, evaluate.model.uris);
        assert_eq!(evaluate.profile, NumericProfile::ExactCpuF32);
        let families = [Architecture::Cnn, Architecture::Bert];
        assert_eq!(evaluate.limits.architectures, families);
    }
}

#[test]
fn decide_should_send_the_stored_record_after_a_restart_or_reorganisation() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(5))));
    let first = record(&duty, SCHEDULE.commit);
    duty.record = Some(first.clone());
    duty.committed = Some(first.commitment(&duty.operator, 0, 1));
    assert!(decide(SCHEDULE.commit + 1, &duty, NONCE).is_empty());
    // The commitment vanished, and so did the executor.
    duty.committed = None;
    duty.jobs = None;
    let again = decide(SCHEDULE.commit + 2, &duty, H256::repeat_byte(99));
    assert_eq!(again, vec![Action::Commit(first)]);
    // With another seed the scores are of no use.
    duty.seed = Some(H256::repeat_byte(4));
    assert!(decide(SCHEDULE.commit + 2, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_not_reveal_a_record_of_another_draw() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(5))));
    let kept = record(&duty, SCHEDULE.commit);
    duty.committed = Some(kept.commitment(&duty.operator, 0, 1));
    duty.record = Some(kept);
    assert_eq!(decide(SCHEDULE.reveal, &duty, NONCE).len(), 1);
    duty.drawn.pop();
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_reveal_what_the_chain_holds_until_it_shows() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(5))));
    let kept = record(&duty, SCHEDULE.commit);
    duty.record = Some(kept.clone());
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
    duty.committed = Some(H256::zero());
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
    duty.committed = Some(kept.commitment(&duty.operator, 0, 1));
    assert_eq!(
        decide(SCHEDULE.reveal, &duty, NONCE),
        vec![Action::Reveal(kept)]
    );
    duty.revealed = true;
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
    assert!(decide(SCHEDULE.settle, &duty, NONCE).is_empty());
}
