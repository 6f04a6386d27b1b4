//! What a juror's node does, by what it sees.

use super::decide::*;
use alloc::{collections::BTreeMap, vec, vec::Vec};
use arena_offchain::{JobView, jobs::artifact};
use arena_primitives::{
    AccountId, Aggregation, Architecture, BaseModel, DataSource, InfraFault, LikenessRule, LogLeaf,
    LossLeaf, Metric, MinerFault, ModelBounds, NumericProfile, PublicData, RankRule, RewardParams,
    TaskSpec, Uris, Vote, WeightCap,
    job::{
        Compared, Evaluated, Extracted, Fault, JobKind, JobStatus, Limits, Outcome, Recomputed,
        ReplayFinding, ReplaySegments, Replayed,
    },
};
use sp_core::H256;
use sp_runtime::Perbill;

mod unserved;

const OPENS: u32 = 100;
const UNTIL: u32 = 140;
/// The first block in which nothing is tried again.
const LATE: u32 = 135;
const NONCE: H256 = H256::repeat_byte(7);
const MODEL: H256 = H256::repeat_byte(1);

fn spec() -> TaskSpec {
    TaskSpec {
        name: Default::default(),
        licence: Default::default(),
        metric: Metric::Accuracy,
        worst: 0,
        profile: NumericProfile::ExactCpuF32,
        data: DataSource::Public(data()),
        model: ModelBounds {
            architectures: vec![Architecture::Mlp].try_into().unwrap(),
            max_parameters: 1_000,
            max_bytes: 10_000,
            max_seconds: 10,
            context: 0,
            tokenizer: None,
            base: None,
        },
        rounds: 1,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 5,
        rewards: RewardParams {
            gamma: Perbill::from_percent(35),
            q: Perbill::from_percent(70),
            rank: RankRule::ByStake { depth: 20 },
            lambda_milli: 50_000,
            band: Perbill::from_parts(1_000_000),
            alpha_v_milli: 1_000,
            aggregation: Aggregation::Median,
            cap: WeightCap::Seats(10),
            committee: 0,
            min_scorers: 2,
            min_trainers: 2,
            max_leverage: 20,
        },
        baseline: Perbill::zero(),
        likeness: Some(LikenessRule::DEFAULT),
        registered: false,
    }
}

fn data() -> PublicData {
    PublicData {
        blake3: [2; 32],
        bytes: 3,
        uris: Uris::default(),
        samples: 4,
    }
}

fn duplicate() -> Question {
    Question::Duplicate {
        model: artifact(MODEL, &Uris::default()),
        earlier: artifact(H256::repeat_byte(2), &Uris::default()),
    }
}

fn watermark() -> Question {
    Question::Watermark {
        model: artifact(MODEL, &Uris::default()),
        key: [3; 32],
        owner: AccountId::new([4; 32]),
    }
}

fn learning() -> Question {
    let leaf = LogLeaf {
        step: 0,
        weights: [0; 32],
        optimizer: [0; 32],
        update: 0,
    };
    Question::ProofOfLearning(ReplaySegments {
        recipe: artifact(H256::repeat_byte(3), &Uris::default()),
        model: artifact(MODEL, &Uris::default()),
        seed: [0; 32],
        steps: 4,
        uris: vec![],
        checkpoint_bytes: 10,
        leaves: vec![],
        segments: vec![],
        last: leaf,
        limits: Limits {
            architectures: vec![],
            max_parameters: 0,
            max_bytes: 0,
            max_seconds: 0,
            context: 0,
            tokenizer: None,
        },
    })
}

fn score() -> Question {
    let model = artifact(MODEL, &Uris::default());
    Question::Score {
        evaluate: arena_offchain::jobs::evaluate(&spec(), &data(), H256::zero(), model),
        losses: vec![LossLeaf {
            index: 1,
            nll: 2,
            tokens: 1,
            bytes: 0,
            correct: true,
        }],
        samples: 4,
        raw: 750_000_000,
    }
}

fn questions() -> [Question; 4] {
    [duplicate(), watermark(), learning(), score()]
}

fn duty(question: Question) -> Duty {
    Duty {
        case: 5,
        task: 6,
        accused: AccountId::new([7; 32]),
        appeal: false,
        draw: H256::repeat_byte(9),
        juror: AccountId::new([8; 32]),
        window: Window::Commit {
            opens: OPENS,
            until: UNTIL,
        },
        spec: spec(),
        question,
        committed: None,
        revealed: false,
        ballot: None,
        answers: Some(BTreeMap::new()),
        others: vec!["https://example.org/others".into()],
        unserved: Unserved::new(),
    }
}

/// The executor says this of the first job, and of the second.
fn told(mut duty: Duty, views: &[JobView]) -> Duty {
    let jobs = duty.jobs();
    let ids = jobs.iter().map(|job| job.id());
    duty.answers = Some(ids.zip(views.iter().cloned()).collect());
    duty
}

fn done(outcome: Outcome) -> JobView {
    JobView::Known(JobStatus::Done(outcome))
}

fn infra(fault: InfraFault) -> JobView {
    JobView::Known(JobStatus::Failed(Fault::Infra(fault, "why".into())))
}

fn compared(distance: Option<u32>, same: bool) -> JobView {
    done(Outcome::Compared(Compared {
        distance,
        same,
        device: "cpu".into(),
        millis: 1,
    }))
}

fn extracted(matches: Option<u32>) -> JobView {
    done(Outcome::Extracted(Extracted {
        matches,
        device: "cpu".into(),
        millis: 1,
    }))
}

fn replayed(finding: ReplayFinding) -> JobView {
    done(Outcome::Replayed(Replayed {
        finding,
        same: 1,
        steps: 1,
        device: "cpu".into(),
        millis: 1,
    }))
}

fn recomputed(raw: u64, samples: u32, wrong: u32) -> JobView {
    done(Outcome::Recomputed(Recomputed {
        evaluated: Evaluated {
            raw,
            samples,
            tokens: 4,
            bytes: 0,
            samples_root: H256::zero(),
            device: "cpu".into(),
            millis: 1,
        },
        wrong,
    }))
}

/// The vote that is committed to at `now`, if one is.
fn vote(now: u32, duty: &Duty) -> Option<Vote> {
    match &decide(now, duty, NONCE)[..] {
        [Action::Commit(ballot)] => {
            assert_eq!(ballot.draw, duty.draw);
            assert_eq!(ballot.nonce, NONCE);
            Some(ballot.vote)
        }
        _ => None,
    }
}

fn posted(now: u32, duty: &Duty) -> Vec<JobKind> {
    let actions = decide(now, duty, NONCE).into_iter();
    let kinds = actions.map(|action| match action {
        Action::Post(job) => job.kind,
        other => panic!("{other:?}"),
    });
    kinds.collect()
}

#[test]
fn outcomes_should_be_judged_by_the_rules() {
    use Vote::{Acquit, Convict};
    let at_limit = LikenessRule::DEFAULT.copy_distance.deconstruct();
    let cases = [
        (duplicate(), compared(Some(at_limit), false), Convict),
        (duplicate(), compared(Some(at_limit + 1), false), Acquit),
        (duplicate(), compared(None, true), Convict),
        (duplicate(), compared(None, false), Acquit),
        (watermark(), extracted(Some(205)), Convict),
        (watermark(), extracted(Some(204)), Acquit),
        (watermark(), extracted(None), Acquit),
        (learning(), replayed(ReplayFinding::Same), Acquit),
        (learning(), replayed(ReplayFinding::WrongStart), Convict),
        (learning(), replayed(ReplayFinding::WrongModel), Convict),
        (learning(), replayed(ReplayFinding::BadRecipe), Convict),
        (
            learning(),
            replayed(ReplayFinding::Differs { from: 1 }),
            Convict,
        ),
        (learning(), replayed(ReplayFinding::TooSlow), Convict),
        (
            learning(),
            replayed(ReplayFinding::BadCheckpoint { step: 1 }),
            Convict,
        ),
        (score(), recomputed(750_000_000, 4, 0), Acquit),
        (score(), recomputed(750_000_001, 4, 0), Convict),
        (score(), recomputed(750_000_000, 5, 0), Convict),
        // One of the samples has no text.
        (score(), recomputed(750_000_000, 3, 0), Acquit),
        (score(), recomputed(750_000_000, 4, 1), Convict),
    ];
    for (question, view, expected) in cases {
        let duty = told(duty(question), core::slice::from_ref(&view));
        assert_eq!(vote(OPENS, &duty), Some(expected), "{view:?}");
    }
}

#[test]
fn a_score_of_an_inexact_profile_should_be_judged_by_the_band() {
    let with = |raw| {
        let mut duty = duty(score());
        duty.spec.profile = NumericProfile::F32;
        vote(OPENS, &told(duty, &[recomputed(raw, 4, 0)]))
    };
    assert_eq!(with(751_000_000), Some(Vote::Acquit));
    assert_eq!(with(749_000_000), Some(Vote::Acquit));
    assert_eq!(with(751_000_001), Some(Vote::Convict));
}

#[test]
fn a_score_beyond_the_worst_should_be_the_worst() {
    let with = |raw| {
        let mut duty = duty(score());
        duty.spec.metric = Metric::BitsPerByte;
        if let Question::Score { raw: revealed, .. } = &mut duty.question {
            *revealed = raw;
        }
        vote(OPENS, &told(duty, &[recomputed(u64::MAX, 4, 0)]))
    };
    assert_eq!(with(64_000_000_000), Some(Vote::Acquit));
    assert_eq!(with(63_999_999_999), Some(Vote::Convict));
}

#[test]
fn a_fault_of_the_accused_should_fall_on_it_where_it_had_to_show_something() {
    let fault = Fault::Miner(MinerFault::Weights, "why".into());
    let view = JobView::Known(JobStatus::Failed(fault));
    let votes =
        questions().map(|question| vote(OPENS, &told(duty(question), std::slice::from_ref(&view))));
    use Vote::{Acquit, Convict};
    let expected = [Acquit, Acquit, Convict, Convict];
    assert_eq!(votes, expected.map(Some));
}

#[test]
fn a_juror_should_post_and_wait_until_the_last_call() {
    for question in questions() {
        let missing = told(
            duty(question.clone()),
            &[JobView::Missing, JobView::Missing],
        );
        let jobs = missing.jobs();
        assert_eq!(posted(OPENS, &missing), [jobs[0].kind.clone()]);
        assert_eq!(posted(LATE - 1, &missing), [jobs[0].kind.clone()]);
        assert_eq!(vote(LATE, &missing), Some(Vote::Acquit));
        for (waits, until) in [
            (JobView::Silent, LATE),
            (JobView::Known(JobStatus::Queued), UNTIL - 3),
            (
                JobView::Known(JobStatus::Running { done: 1, total: 2 }),
                UNTIL - 3,
            ),
        ] {
            let duty = told(duty(question.clone()), &[waits]);
            assert!(decide(until - 1, &duty, NONCE).is_empty());
            assert_eq!(vote(until, &duty), Some(Vote::Acquit));
        }
        let mut without = duty(question);
        without.answers = None;
        assert!(decide(OPENS, &without, NONCE).is_empty());
        assert_eq!(vote(LATE, &without), Some(Vote::Acquit), "no executor");
    }
}

#[test]
fn other_faults_of_this_machine_should_leave_it_in_doubt() {
    for question in questions() {
        for fault in [
            InfraFault::Disk,
            InfraFault::Memory,
            InfraFault::Device,
            InfraFault::Timeout,
        ] {
            let duty = told(duty(question.clone()), &[infra(fault)]);
            assert_eq!(vote(LATE - 1, &duty), None);
            let again = fault != InfraFault::Memory;
            assert_eq!(posted(LATE - 1, &duty).len(), usize::from(again));
            assert_eq!(vote(LATE, &duty), Some(Vote::Acquit));
        }
    }
}

#[test]
fn a_kept_ballot_should_be_committed_to_again_unless_it_is_of_another_jury() {
    let mut duty = told(duty(duplicate()), &[compared(Some(0), false)]);
    let ballot = Ballot {
        draw: duty.draw,
        vote: Vote::Acquit,
        nonce: H256::repeat_byte(1),
    };
    duty.ballot = Some(ballot.clone());
    assert!(!duty.wants_answers());
    assert_eq!(
        decide(OPENS, &duty, NONCE),
        [Action::Commit(ballot.clone())]
    );
    duty.draw = H256::zero();
    assert!(duty.wants_answers());
    assert_eq!(vote(OPENS, &duty), Some(Vote::Convict));
    duty.committed = Some(H256::zero());
    assert!(decide(OPENS, &duty, NONCE).is_empty());
}

#[test]
fn only_the_ballot_that_the_chain_shows_should_be_revealed_and_once() {
    let mut duty = duty(watermark());
    let ballot = Ballot {
        draw: duty.draw,
        vote: Vote::Convict,
        nonce: NONCE,
    };
    duty.window = Window::Reveal;
    duty.ballot = Some(ballot.clone());
    assert!(decide(UNTIL, &duty, NONCE).is_empty(), "nothing committed");
    duty.committed = Some(H256::zero());
    assert!(decide(UNTIL, &duty, NONCE).is_empty(), "another one");
    duty.committed = Some(duty.commitment(&ballot));
    assert_eq!(decide(UNTIL, &duty, NONCE), [Action::Reveal(ballot)]);
    duty.revealed = true;
    assert!(decide(UNTIL, &duty, NONCE).is_empty(), "done");
}

#[test]
fn jobs_should_have_the_time_that_the_slowest_mirrors_and_computing_take() {
    let deadline = |question| duty(question).jobs()[0].deadline_seconds;
    // A model of 10 kB in 61 s, computed in a minute at the least.
    assert_eq!(deadline(watermark()), 61 + 60);
    assert_eq!(deadline(duplicate()), 2 * 61 + 60);
    let Question::ProofOfLearning(mut job) = learning() else {
        panic!("a training")
    };
    let empty = deadline(Question::ProofOfLearning(job.clone()));
    job.checkpoint_bytes = 1 << 20;
    job.leaves = vec![job.last; 3];
    let larger = deadline(Question::ProofOfLearning(job));
    assert_eq!(larger, empty + 3);
    let [job] = &duty(learning()).jobs()[..] else {
        panic!("one job")
    };
    assert_eq!(job.kind.limits().max_seconds, 10 * REPLAY_TIMES);
    assert_eq!(job.deadline_seconds, 61 + (60 + 1024) + 10 * REPLAY_TIMES);
    let mut long = duty(learning());
    long.spec.model.max_seconds = 3_600;
    assert_eq!(long.jobs()[0].kind.limits().max_seconds, REPLAY_SECONDS);
    let mut of_adapters = duty(watermark());
    of_adapters.spec.model.base = Some(BaseModel {
        manifest_root: MODEL,
        uris: Uris::default(),
    });
    assert_eq!(of_adapters.jobs()[0].deadline_seconds, 61 + 60 + 7_200);
}
