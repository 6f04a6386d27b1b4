//! What the offchain worker decides where a task asks for sketches.

use super::{
    decide::{done, duty},
    *,
};
use arena_primitives::{
    BaseModel, LikenessRule,
    job::{JobKind, Sketched},
};

const PLANES: H256 = H256::repeat_byte(4);

/// A duty with one earlier model, which is drawn too, and one which isn't.
fn sketching() -> Duty {
    let mut duty = duty();
    duty.spec.likeness = Some(LikenessRule::DEFAULT);
    let other = Drawn {
        manifest_root: H256::repeat_byte(77),
        uris: uris(),
    };
    duty.sketching = Some(Sketching {
        seed: PLANES,
        earlier: vec![duty.drawn[1].clone(), other],
    });
    duty.jobs = Some(BTreeMap::new());
    duty
}

fn sketched(byte: u8) -> JobStatus {
    JobStatus::Done(Outcome::Sketched(Sketched {
        sketch: [byte; 32],
        canonical: [0; 32],
        device: "cpu".into(),
        millis: 1,
    }))
}

/// The jobs of scores, and those of sketches.
fn jobs(duty: &Duty) -> (Vec<JobRequest>, Vec<JobRequest>) {
    let is_score = |job: &JobRequest| matches!(job.kind, JobKind::Evaluate(_));
    duty.jobs().into_iter().partition(is_score)
}

fn answer(duty: &mut Duty, jobs: &[JobRequest], status: JobStatus) {
    let views = duty.jobs.get_or_insert_default();
    views.extend(
        jobs.iter()
            .map(|job| (job.id(), JobView::Known(status.clone()))),
    );
}

fn record(duty: &Duty, now: u32) -> Record {
    match decide(now, duty, NONCE).as_slice() {
        [Action::Commit(record)] => record.clone(),
        other => panic!("no commitment: {other:?}"),
    }
}

#[test]
fn jobs_should_be_scores_first_and_then_each_sketch_once() {
    let mut duty = sketching();
    duty.spec.model.base = Some(BaseModel {
        manifest_root: ROOT,
        uris: uris(),
    });
    let all = duty.jobs();
    let (scores, sketches) = jobs(&duty);
    assert_eq!((scores.len(), sketches.len()), (4, 5));
    assert_eq!(all[..4], scores);
    for (job, root) in sketches.iter().zip([1, 2, 3, 4, 77]) {
        let JobKind::Sketch(sketch) = &job.kind else {
            panic!("no sketch: {job:?}");
        };
        assert_eq!(sketch.model.manifest_root, H256::repeat_byte(root));
        assert_eq!(sketch.base.as_ref().unwrap().manifest_root, ROOT);
        assert_eq!(sketch.seed, PLANES.0);
        // Each of the ten may take as long as the task allows.
        assert_eq!(job.deadline_seconds, 600);
    }
    duty.jobs = Some(all.iter().map(|job| (job.id(), JobView::Missing)).collect());
    let posts: Vec<_> = all.into_iter().map(post).collect();
    assert_eq!(decide(SCHEDULE.commit, &duty, NONCE), posts);
    duty.sketching = None;
    assert!(jobs(&duty).1.is_empty());
    assert_eq!(duty.jobs()[0].deadline_seconds, 240);
}

#[test]
fn decide_should_wait_for_sketches_and_commit_to_them() {
    let mut duty = sketching();
    let (scores, sketches) = jobs(&duty);
    answer(&mut duty, &scores, done(5));
    answer(&mut duty, &sketches, JobStatus::Queued);
    assert!(decide(SCHEDULE.commit, &duty, NONCE).is_empty());
    for (job, byte) in sketches.iter().zip(1..) {
        assert!(decide(SCHEDULE.commit, &duty, NONCE).is_empty());
        answer(&mut duty, core::slice::from_ref(job), sketched(byte));
    }
    let found = record(&duty, SCHEDULE.commit);
    let of_models: Vec<_> = found.entries.iter().map(|line| line.sketch).collect();
    assert_eq!(of_models, [1, 2, 3, 4].map(|byte| Some([byte; 32])));
    assert_eq!(found.earlier.to_vec(), [2, 5].map(|byte| Some([byte; 32])));

    // The same once it is kept.
    duty.record = Some(found.clone());
    duty.jobs = None;
    assert!(!duty.wants_scores(SCHEDULE.commit));
    assert_eq!(record(&duty, SCHEDULE.commit), found);
    duty.committed = Some(found.commitment(&duty.operator, 0, 1));
    let reveal = decide(SCHEDULE.reveal, &duty, NONCE);
    assert_eq!(reveal, vec![Action::Reveal(found)]);
    // The chain would refuse it where it compares with other models.
    duty.sketching.as_mut().unwrap().earlier.pop();
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_go_without_the_sketches_that_are_late() {
    let mut duty = sketching();
    let (scores, sketches) = jobs(&duty);
    answer(&mut duty, &scores, done(5));
    answer(&mut duty, &sketches[..1], sketched(1));
    answer(&mut duty, &sketches[1..], JobStatus::Queued);
    assert!(decide(SCHEDULE.reveal - 3, &duty, NONCE).is_empty());
    let found = record(&duty, SCHEDULE.reveal - 2);
    let of_models: Vec<_> = found.entries.iter().map(|line| line.sketch).collect();
    assert_eq!(of_models, [Some([1; 32]), None, None, None]);
    assert_eq!(found.earlier.to_vec(), [None, None]);
    let scored = ScoreOutcome::Scored(5);
    assert!(found.entries.iter().all(|line| line.outcome == scored));
}

#[test]
fn decide_should_not_wait_for_sketches_that_can_not_be_had() {
    let mut duty = sketching();
    let (scores, sketches) = jobs(&duty);
    let broken = JobStatus::Failed(Fault::Miner(MinerFault::Config, "".into()));
    answer(&mut duty, &scores, done(5));
    answer(&mut duty, &scores[..1], broken.clone());
    // Of an invalid model none is asked for.
    let passing = JobStatus::Failed(Fault::Infra(InfraFault::Download, "".into()));
    answer(&mut duty, &sketches[..1], JobStatus::Queued);
    answer(&mut duty, &sketches[1..2], broken);
    answer(&mut duty, &sketches[2..3], done(5));
    let memory = JobStatus::Failed(Fault::Infra(InfraFault::Memory, "".into()));
    answer(&mut duty, &sketches[3..4], memory);
    answer(&mut duty, &sketches[4..], passing);
    let again = vec![post(sketches[4].clone())];
    assert_eq!(decide(SCHEDULE.commit, &duty, NONCE), again);
    answer(&mut duty, &sketches[4..], sketched(9));
    let found = record(&duty, SCHEDULE.commit);
    assert!(found.entries.iter().all(|line| line.sketch.is_none()));
    assert_eq!(found.earlier.to_vec(), [None, Some([9; 32])]);
}

#[test]
fn a_record_without_earlier_sketches_should_not_decode() {
    let mut duty = duty();
    let jobs = duty.jobs();
    answer(&mut duty, &jobs, done(5));
    let kept = record(&duty, SCHEDULE.commit);
    let old = (kept.seed, &kept.entries, kept.samples_root, kept.nonce).encode();
    assert!(Record::decode(&mut &old[..]).is_err());
    assert_eq!(Record::decode(&mut &kept.encode()[..]), Ok(kept));
}
