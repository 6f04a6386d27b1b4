//! Behaviour of cases, runs and marks.

use crate::{
    Acquittals, Answers, CaseState, CasesOf, Commitments, Convicted, DueAt, Error, Event,
    Heartbeats, Marks, OpenCases, Runs, Verdict,
    mock::*,
    offchain::decide::{Duty, Question, Window},
};
use arena_primitives::{
    AccountId, Balance, CaseId, Claim, DataSource, Disclosed, DutyRefusal, LikenessRule, LogLeaf,
    LogLeaves, LossLeaf, PublicData, RankRule, RewardParams, Role, TaskPhase, TaskSpec, Uri, Uris,
    Venue, Vote,
    job::{Architecture, Metric, NumericProfile},
    log_root, mark_commitment,
    spec::{Aggregation, ModelBounds, WeightCap},
    traits::{Cases, Runs as _},
    vote_commitment,
};
use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::{DispatchError, Perbill};

mod answers;
mod appeals;
#[cfg(feature = "runtime-benchmarks")]
pub(crate) mod benchmarks;
mod bring;
mod cancel;
mod claims;
mod hook;
mod money;
mod random;
mod runs;
mod verdicts;
mod votes;
mod world;

pub(crate) use world::world_balances;

const NONCE: H256 = H256::repeat_byte(77);

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn by_key(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(key(n))
}

pub(crate) fn uris() -> Uris {
    let uri: Uri = b"https://example.org/log".to_vec().try_into().unwrap();
    vec![uri].try_into().unwrap()
}

/// A task that compares models and asks for no registered trainings.
pub(crate) fn spec() -> TaskSpec {
    TaskSpec {
        name: Default::default(),
        licence: Default::default(),
        metric: Metric::Accuracy,
        worst: 0,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [1; 32],
            bytes: 1,
            uris: uris(),
            samples: 20,
        }),
        model: ModelBounds {
            architectures: vec![Architecture::Mlp].try_into().unwrap(),
            max_parameters: 1_000_000,
            max_bytes: 10_000_000,
            max_seconds: 60,
            context: 0,
            tokenizer: None,
            base: None,
        },
        rounds: 2,
        round_minutes: 100,
        final_days: 1,
        challenge_days: 5,
        rewards: rewards(),
        baseline: Perbill::zero(),
        likeness: Some(LikenessRule::DEFAULT),
        registered: false,
    }
}

fn rewards() -> RewardParams {
    RewardParams {
        gamma: Perbill::from_percent(35),
        q: Perbill::from_percent(70),
        rank: RankRule::ByStake { depth: 20 },
        lambda_milli: 50_000,
        band: Perbill::zero(),
        alpha_v_milli: 1_000,
        aggregation: Aggregation::Median,
        cap: WeightCap::Seats(10),
        committee: 0,
        min_scorers: 2,
        min_trainers: 2,
        max_leverage: 20,
    }
}

/// Ann's model is a copy of Bob's.
fn copy() -> Claim {
    Claim::Duplicate {
        trainer: account(ANN),
        model: model(ANN),
        earlier: model(BOB),
    }
}

fn training() -> Claim {
    Claim::ProofOfLearning {
        trainer: account(ANN),
    }
}

fn commit(n: u8, claim: &Claim) {
    let commitment = claim.commitment(&account(n), TASK, &NONCE);
    assert_ok!(Challenges::commit_case(signed(n), TASK, commitment));
}

/// Commits to a claim and opens it in the next block.
fn open(n: u8, claim: Claim) -> CaseId {
    commit(n, &claim);
    pass(1);
    assert_ok!(Challenges::open_case(signed(n), TASK, claim, NONCE));
    crate::NextCaseId::<Test>::get() - 1
}

fn state(case: CaseId) -> CaseState {
    OpenCases::<Test>::get(case).expect("an open case").state
}

/// Who sits, by the number of its account.
fn jurors(case: CaseId) -> Vec<u8> {
    let state = state(case);
    let jury = state.jury().expect("a jury");
    jury.seats.iter().map(|seat| number(&seat.juror)).collect()
}

fn number(who: &AccountId) -> u8 {
    let bytes: &[u8; 32] = who.as_ref();
    bytes[1]
}

/// Waits until the jury votes.
fn until_committing(case: CaseId) {
    while !matches!(state(case), CaseState::Committing { .. }) {
        pass(1);
    }
}

fn commit_vote(n: u8, case: CaseId, vote: Vote) -> frame_support::dispatch::DispatchResult {
    let appeal = OpenCases::<Test>::get(case).is_some_and(|case| case.appeal.is_some());
    let commitment = vote_commitment(&account(n), case, appeal, vote, &NONCE);
    Challenges::commit_vote(by_key(n), case, commitment)
}

/// The present jury votes: the first `convicts` of it to convict.
fn vote(case: CaseId, convicts: usize) -> Vec<u8> {
    until_committing(case);
    let jurors = jurors(case);
    let votes = |at: usize| {
        if at < convicts {
            Vote::Convict
        } else {
            Vote::Acquit
        }
    };
    for (at, n) in jurors.iter().enumerate() {
        assert_ok!(commit_vote(*n, case, votes(at)));
    }
    pass(1);
    for (at, n) in jurors.iter().enumerate() {
        assert_ok!(Challenges::reveal_vote(by_key(*n), case, votes(at), NONCE));
    }
    pass(1);
    jurors
}

/// Waits until the case is over.
fn until_closed(case: CaseId) {
    while OpenCases::<Test>::contains_key(case) {
        pass(1);
    }
}

/// The event of a case's end.
fn closing(id: CaseId) -> Option<(Verdict, [Balance; 4])> {
    let mut events = System::events().into_iter().rev();
    events.find_map(|record| match record.event {
        RuntimeEvent::Challenges(Event::CaseClosed {
            case,
            verdict,
            forfeited,
            slashed,
            to_challengers,
            to_jurors,
            ..
        }) if case == id => Some((verdict, [forfeited, slashed, to_challengers, to_jurors])),
        _ => None,
    })
}

/// What the last commitment that led to no case cost, and why.
fn ended() -> Option<(Balance, Option<DispatchError>)> {
    let mut events = System::events().into_iter().rev();
    events.find_map(|record| match record.event {
        RuntimeEvent::Challenges(Event::CommitmentEnded { lost, because, .. }) => {
            Some((lost, because))
        }
        _ => None,
    })
}

/// A claim of `n` that is committed to is opened in vain: its commitment ends for this reason, and
/// costs nothing.
fn open_in_vain(n: u8, claim: Claim, why: Error<Test>) {
    let before = held(n);
    assert_ok!(Challenges::open_case(signed(n), TASK, claim.clone(), NONCE));
    assert_eq!(ended(), Some((0, Some(why.into()))));
    assert_eq!(held(n), before - 30);
    let commitment = claim.commitment(&account(n), TASK, &NONCE);
    assert!(!Commitments::<Test>::contains_key(account(n), commitment));
}

fn free(n: u8) -> Balance {
    Balances::free_balance(account(n))
}

fn held(n: u8) -> Balance {
    use frame_support::traits::fungible::InspectHold;
    Balances::total_balance_on_hold(&account(n))
}

fn stake(n: u8) -> Balance {
    let of = |venue| with(|t| t.positions.get(&(venue, account(n))).map(|(_, own)| *own));
    of(Venue::Task(TASK))
        .or_else(|| of(Venue::Network))
        .unwrap_or(0)
}

/// What an operator's node sees to do, by the number of its account.
fn duties_of(juror: u8) -> Vec<Duty> {
    crate::offchain::edge::duties_of::<Test>(&account(juror))
}

/// What the jury of a case is asked.
fn asked(case: CaseId) -> Question {
    let duty = duties_of(jurors(case)[0]).pop();
    duty.expect("a duty").question
}
