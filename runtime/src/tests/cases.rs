//! Cases on the real runtime: claims, juries, verdicts, and what they move.

use super::{
    journey::*,
    sanity::{with_patched_preset, with_preset},
};
use crate::*;
use arena_primitives::{
    CaseId, Claim, LogLeaf, LogLeaves, Role, TaskId, TaskPhase, TaskSpec, Venue, Vote, log_root,
    mark_commitment,
    time::RoundPhase,
    traits::{Cases, TaskRewards, TaskStates},
    vote_commitment,
};
use frame_support::{assert_noop, assert_ok, traits::Get};
use pallet_arena_challenges::{
    Call, CaseState, Convicted, Error, Event, JurySizes, OpenCases, Runs, Verdict,
};
use sp_core::H256;
use sp_keyring::Sr25519Keyring as Key;

/// Validators that come late, with little stake.
pub(super) const JURORS: [Key; 5] = [
    Key::BobStash,
    Key::CharlieStash,
    Key::DaveStash,
    Key::EveStash,
    Key::FerdieStash,
];
/// Who marks its models, and accuses.
pub(super) const MARKER: Key = VALIDATORS[0];
const SALT: H256 = H256::repeat_byte(6);
const NONCE: H256 = H256::repeat_byte(8);
const RECIPE: H256 = H256::repeat_byte(7);
const STEPS: u64 = 20;
const EVERY: u64 = 10;
const LEAVES: u32 = 3;

/// Their stake counts from the next round.
pub(super) fn seat_jurors(task: TaskId) {
    for key in JURORS {
        join(task, key, Role::Validator, 10 * UNIT);
    }
}

/// The marker's mark, and a run of each trainer, in a block of their own.
pub(super) fn register(task: TaskId) {
    let commitment = mark_commitment(task, &account(MARKER), &SALT);
    assert_ok!(call(
        &account(MARKER),
        Call::register_mark { task, commitment }
    ));
    for key in TRAINERS {
        let run = Call::register_run {
            task,
            recipe: RECIPE,
            steps: STEPS,
            every: EVERY,
            checkpoint_bytes: 1_000,
        };
        assert_ok!(call(&account(key), run));
    }
    next_block();
}

/// The log of a registered run, as its trainer kept it.
fn log() -> LogLeaves {
    let leaf = |place: u64| LogLeaf {
        step: place * EVERY,
        weights: [place as u8; 32],
        optimizer: [place as u8; 32],
        update: place,
    };
    LogLeaves::truncate_from((0..LEAVES.into()).map(leaf).collect())
}

/// Says that the run is at its end. Its seed must be known.
pub(super) fn heartbeat(task: TaskId, key: Key) {
    let run = Runs::<Runtime>::get(task, account(key)).expect("is registered");
    let seed = run.seed.known().expect("is known");
    let beat = Call::heartbeat {
        task,
        leaves: LEAVES,
        root: log_root(&seed, &log()),
    };
    assert_ok!(call(&service_account(key), beat));
}

/// That a trainer's model carries the marker's mark.
pub(super) fn mark_claim(trainer: Key) -> Claim {
    Claim::Watermark {
        trainer: account(trainer),
        model: root(trainer, 1),
        salt: SALT,
    }
}

fn training_claim(trainer: Key) -> Claim {
    let trainer = account(trainer);
    Claim::ProofOfLearning { trainer }
}

pub(super) fn commit_case(by: Key, task: TaskId, claim: &Claim) {
    let commitment = claim.commitment(&account(by), task, &NONCE);
    assert_ok!(call(&account(by), Call::commit_case { task, commitment }));
}

/// Commits to a claim, and opens it in the next block.
pub(super) fn open_case(by: Key, task: TaskId, claim: Claim) -> CaseId {
    commit_case(by, task, &claim);
    next_block();
    let case = pallet_arena_challenges::NextCaseId::<Runtime>::get();
    let open = Call::open_case {
        task,
        claim,
        nonce: NONCE,
    };
    assert_ok!(call(&account(by), open));
    case
}

fn state(case: CaseId) -> Option<CaseState> {
    OpenCases::<Runtime>::get(case).map(|case| case.state)
}

/// Who sits in the present jury.
pub(super) fn jurors(case: CaseId) -> Vec<Key> {
    let state = state(case).expect("is open");
    let seats = &state.jury().expect("is drawn").seats;
    let all = VALIDATORS.into_iter().chain(JURORS);
    let sits = |key: &Key| seats.iter().any(|seat| seat.juror == account(*key));
    let jurors: Vec<Key> = all.filter(sits).collect();
    assert_eq!(jurors.len(), seats.len(), "nobody else judges");
    jurors
}

pub(super) fn commit_vote(case: CaseId, juror: Key, vote: Vote) -> RuntimeCall {
    let appeal = OpenCases::<Runtime>::get(case).is_some_and(|case| case.appeal.is_some());
    let commitment = vote_commitment(&account(juror), case, appeal, vote, &NONCE);
    Call::commit_vote { case, commitment }.into()
}

pub(super) fn reveal_vote(case: CaseId, vote: Vote) -> RuntimeCall {
    let nonce = NONCE;
    Call::reveal_vote { case, vote, nonce }.into()
}

pub(super) fn await_commitments(case: CaseId) {
    let committing = || matches!(state(case), Some(CaseState::Committing { .. }));
    run_until("the jury", committing);
}

pub(super) fn await_reveals(case: CaseId) {
    let revealing = || matches!(state(case), Some(CaseState::Revealing { .. }));
    run_until("the reveals", revealing);
}

/// The jury is drawn, and all of it votes so.
pub(super) fn judge(case: CaseId, vote: Vote) {
    await_commitments(case);
    let jurors = jurors(case);
    for juror in &jurors {
        duty(*juror, commit_vote(case, *juror, vote));
    }
    await_reveals(case);
    for juror in &jurors {
        duty(*juror, reveal_vote(case, vote));
    }
    run_until("the verdict", || {
        !matches!(state(case), Some(CaseState::Revealing { .. }))
    });
}

/// Lets a case come to its end; what its last event says.
pub(super) fn close(case: CaseId) -> Event<Runtime> {
    run_until("the end of the case", || state(case).is_none());
    let mut events = System::events().into_iter().filter_map(|record| {
        let RuntimeEvent::ArenaChallenges(event) = record.event else {
            return None;
        };
        matches!(event, Event::CaseClosed { case: id, .. } if id == case).then_some(event)
    });
    events.next_back().expect("is told")
}

/// Lives to the challenge phase of a task whose trainers earn something.
fn live(spec: TaskSpec) -> TaskId {
    System::set_block_number(1);
    let task = approve(spec);
    enrol(task);
    register(task);
    run_until("round 1", || {
        phase_of(task, 1) == Some(RoundPhase::Submissions)
    });
    for key in TRAINERS {
        heartbeat(task, key);
    }
    submit_and_publish(task, 1);
    score(task, 1);
    seat_jurors(task);
    submit_and_publish(task, 2);
    score(task, 2);
    score(task, 3);
    run_until("challenges", || {
        ArenaTasks::phase(task) == Some(TaskPhase::Challenge)
    });
    task
}

/// Runs `test` on a task in its challenge phase.
pub(super) fn with_challenged(test: impl FnOnce(TaskId)) {
    with_preset("development", || test(live(spec())));
}

fn locked(task: TaskId, key: Key) -> Balance {
    <ArenaRewards as TaskRewards>::locked(task, &account(key))
}

fn free(key: Key) -> Balance {
    Balances::free_balance(account(key))
}

fn own(task: TaskId, key: Key) -> Balance {
    let position = ArenaStaking::position(Venue::Task(task), &account(key));
    position.map_or(0, |position| position.own)
}

fn claim_rewards(task: TaskId, key: Key) -> sp_runtime::DispatchResult {
    let venue = Venue::Task(task);
    call(&account(key), pallet_arena_rewards::Call::claim { venue })
}

fn await_close(task: TaskId) {
    run_until("closing", || {
        ArenaTasks::phase(task) == Some(TaskPhase::Closed)
    });
}

fn fees(jurors: &[Key], before: &[Balance]) -> Vec<Balance> {
    let after = jurors.iter().map(|key| free(*key));
    after.zip(before).map(|(now, then)| now - then).collect()
}

#[test]
fn a_convict_should_lose_rewards_and_own_stake_to_jurors_and_challenger() {
    with_challenged(|task| {
        let thief = TRAINERS[0];
        let (rewards, stake, challenger) = (locked(task, thief), own(task, thief), free(MARKER));
        assert!(rewards > 100 * UNIT);
        let case = open_case(MARKER, task, mark_claim(thief));
        assert_eq!(
            challenger - free(MARKER),
            ArenaChallenges::bond(task, &mark_claim(thief))
        );
        assert!(ArenaChallenges::is_accused(task, &account(thief)));
        assert_noop!(
            claim_rewards(task, thief),
            pallet_arena_rewards::Error::<Runtime>::RewardsLocked
        );
        await_commitments(case);
        let jury = jurors(case);
        let before: Vec<Balance> = jury.iter().map(|key| free(*key)).collect();
        judge(case, Vote::Convict);
        let Event::CaseClosed {
            verdict,
            forfeited,
            slashed,
            to_challengers,
            to_jurors,
            ..
        } = close(case)
        else {
            unreachable!("is the event of an end")
        };
        assert_eq!(verdict, Verdict::Convicted);
        assert_eq!((forfeited, slashed), (rewards, stake.min(rewards)));
        assert_eq!(to_challengers, (rewards / 2).min(slashed));
        assert_eq!(to_jurors, 3 * 2 * UNIT);
        assert_eq!(fees(&jury, &before), vec![2 * UNIT; 3]);
        assert_eq!(free(MARKER), challenger + to_challengers);
        assert_eq!(own(task, thief), stake - slashed);
        assert!(Convicted::<Runtime>::contains_key(task, account(thief)));

        await_close(task);
        assert_noop!(
            claim_rewards(task, thief),
            pallet_arena_rewards::Error::<Runtime>::RewardsForfeited
        );
        assert_ok!(claim_rewards(task, TRAINERS[1]));
        let result = pallet_arena_tasks::Winners::<Runtime>::get(task).expect("has ended");
        let mut winners = result.winners.iter();
        assert!(winners.all(|winner| winner.trainer != account(thief)));
    });
}

#[test]
fn an_acquittal_should_cost_the_challenger_and_keep_the_accused_whole() {
    with_challenged(|task| {
        let honest = TRAINERS[0];
        let claim = mark_claim(honest);
        let bond = ArenaChallenges::bond(task, &claim);
        let (rewards, stake) = (locked(task, honest), own(task, honest));
        let (accused, challenger) = (free(honest), free(MARKER));
        let case = open_case(MARKER, task, claim.clone());
        judge(case, Vote::Acquit);
        let end = close(case);
        let acquitted = Verdict::Acquitted;
        assert!(matches!(end, Event::CaseClosed { verdict, .. } if verdict == acquitted));
        assert_eq!(free(MARKER), challenger - bond);
        assert_eq!(free(honest), accused + (bond - 3 * 2 * UNIT) / 2);
        assert_eq!((locked(task, honest), own(task, honest)), (rewards, stake));
        assert_eq!(ArenaChallenges::bond(task, &claim), 2 * bond);
        await_close(task);
        assert_ok!(claim_rewards(task, honest));
    });
}

#[test]
fn a_challenged_training_should_be_opened_or_convict_by_silence() {
    let registered = TaskSpec {
        registered: true,
        ..spec()
    };
    with_preset("development", || {
        let task = live(registered);
        let [silent, open, _] = TRAINERS;
        let first = open_case(VALIDATORS[0], task, training_claim(silent));
        let second = open_case(VALIDATORS[1], task, training_claim(open));
        run_until("the question", || {
            matches!(state(second), Some(CaseState::Responding { .. }))
        });
        let answer = |case, uris| Call::respond_training {
            case,
            leaves: log(),
            uris,
        };
        assert_noop!(
            call(&service_account(open), answer(first, uris())),
            Error::<Runtime>::NotAccused
        );
        assert_ok!(call(&service_account(open), answer(second, uris())));
        judge(second, Vote::Acquit);
        close(second);
        assert!(!ArenaChallenges::is_convicted(task, &account(open)));
        close(first);
        assert!(ArenaChallenges::is_convicted(task, &account(silent)));
        await_close(task);
        assert_ok!(claim_rewards(task, open));
        assert!(claim_rewards(task, silent).is_err());
    });
}

#[test]
fn an_appeal_should_overturn_a_verdict_at_the_cost_of_its_jurors() {
    let sizes = JurySizes {
        first: 3,
        appeal: 3,
    };
    let patch = serde_json::json!({ "arenaChallenges": { "juries": sizes } });
    with_patched_preset("development", patch, || {
        let task = live(spec());
        let accused = TRAINERS[0];
        let case = open_case(MARKER, task, mark_claim(accused));
        judge(case, Vote::Convict);
        let wrong = jurors(case);
        let stakes: Vec<Balance> = wrong.iter().map(|key| own(task, *key)).collect();
        assert_noop!(
            call(&account(MARKER), Call::appeal { case }),
            Error::<Runtime>::NotTheLoser
        );
        let before = free(accused);
        assert_ok!(call(&account(accused), Call::appeal { case }));
        judge(case, Vote::Acquit);
        let end = close(case);
        let acquitted = Verdict::Acquitted;
        assert!(matches!(end, Event::CaseClosed { verdict, .. } if verdict == acquitted));
        assert!(
            free(accused) > before,
            "its bond is back, with a part of the other"
        );
        for (key, stake) in wrong.iter().zip(stakes) {
            assert_eq!(own(task, *key), stake - stake / 20, "{key:?}");
        }
    });
}

#[test]
fn a_case_without_enough_jurors_should_decide_nothing() {
    with_challenged(|task| {
        for key in JURORS {
            let clear = pallet_arena_staking::Call::clear_service_key {};
            assert_ok!(call(&account(key), clear));
        }
        let (challenger, accused) = (free(MARKER), free(TRAINERS[0]));
        let case = open_case(MARKER, task, mark_claim(TRAINERS[0]));
        let end = close(case);
        let undecided = Verdict::Undecided;
        assert!(matches!(end, Event::CaseClosed { verdict, .. } if verdict == undecided));
        let fee = <Runtime as pallet_arena_challenges::Config>::JurorFee::get();
        assert_eq!(free(MARKER), challenger - fee);
        assert_eq!(free(TRAINERS[0]), accused + fee);
    });
}
