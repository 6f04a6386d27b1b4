//! Every end that a task may come to, and what it leaves: results, and what can
//! still be claimed. Nobody's deposit, bond or stake stays behind, and no row that names it.

use super::{
    cases::{
        JURORS, MARKER, close, commit_case, heartbeat, judge, mark_claim, open_case, register,
        seat_jurors,
    },
    journey::*,
    sanity::with_preset,
};
use crate::{configs::arena::MaxTickWeight, *};
use arena_primitives::{
    Round, TaskId, TaskPhase, Venue, Vote,
    time::RoundPhase,
    traits::{Rounds, TaskStates},
};
use codec::Encode;
use frame_support::{assert_noop, assert_ok, traits::StorageInfoTrait};
use sp_core::H256;
use sp_keyring::Sr25519Keyring as Key;
use sp_runtime::{Perbill, traits::Dispatchable};
use std::collections::{BTreeMap, BTreeSet};

/// A number that nothing else in the state has, so that its bytes name the task.
const TASK: TaskId = 0x51A7_C0DE;
/// As long as results are kept at most, in blocks of the development preset.
const RESULTS_KEPT: BlockNumber = 90 * 40;
pub(super) const BOUNTY: Balance = 30 * UNIT;

/// Where in its life a task is stopped.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Point {
    Enrolment,
    Submissions,
    Publish,
    Seed,
    Commit,
    Reveal,
    Settlement,
    SecondRound,
    FinalCommit,
    FinalReveal,
    Challenge,
}

pub(super) const POINTS: [Point; 11] = [
    Point::Enrolment,
    Point::Submissions,
    Point::Publish,
    Point::Seed,
    Point::Commit,
    Point::Reveal,
    Point::Settlement,
    Point::SecondRound,
    Point::FinalCommit,
    Point::FinalReveal,
    Point::Challenge,
];

pub(super) type Holds = BTreeMap<(AccountId, Vec<u8>), Balance>;

/// What is held of everybody, and all money.
pub(super) fn books() -> (Holds, Balance) {
    let mut holds = Holds::new();
    for (who, list) in pallet_balances::Holds::<Runtime>::iter() {
        for hold in list {
            holds.insert((who.clone(), hold.id.encode()), hold.amount);
        }
    }
    let totals = ArenaRewards::totals();
    let genesis = Balances::total_issuance() + totals.burned - totals.minted;
    let accounts = frame_system::Account::<Runtime>::iter_values();
    let sum: Balance = accounts.map(|a| a.data.free + a.data.reserved).sum();
    assert_eq!(sum, Balances::total_issuance(), "money is on accounts");
    (holds, genesis)
}

/// In which maps any key or value has these bytes.
pub(super) fn maps_with(bytes: &[u8]) -> BTreeSet<String> {
    System::reset_events();
    let has = |text: &[u8]| text.windows(bytes.len()).any(|part| part == bytes);
    let known = AllPalletsWithSystem::storage_info();
    let mut names = BTreeSet::new();
    let mut key = Vec::new();
    while let Some(next) = sp_io::storage::next_key(&key) {
        let value = sp_io::storage::get(&next).unwrap_or_default();
        if has(&next) || has(&value) {
            let info = known.iter().find(|info| next.starts_with(&info.prefix));
            let name = info.map(|info| {
                let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                format!("{}::{}", text(&info.pallet_name), text(&info.storage_name))
            });
            names.insert(name.unwrap_or_else(|| format!("{next:?}")));
        }
        key = next;
    }
    names
}

/// Runs `test` on a task that takes stake, then lets everybody leave. Whatever happened, holds
/// are what they were before it, and nobody made or lost money but as the books say.
pub(super) fn with_task<R>(test: impl FnOnce(TaskId) -> R) -> R {
    with_preset("development", || {
        System::set_block_number(1);
        let before = books();
        pallet_arena_tasks::NextTaskId::<Runtime>::put(TASK);
        let task = approve_task();
        assert_eq!(task, TASK);
        enrol(task);
        register(task);
        let amount = BOUNTY;
        let top_up = pallet_arena_tasks::Call::top_up { task, amount };
        assert_ok!(call(&account(CREATOR), top_up));
        let seen = test(task);
        leave(task);
        assert_eq!(books(), before);
        assert_only_results_are_left(task);
        seen
    })
}

/// Takes what can be taken: rewards, stake, and what unbonds.
pub(super) fn leave(task: TaskId) {
    let venue = Venue::Task(task);
    assert!(
        ArenaTasks::phase(task)
            .is_some_and(|phase| matches!(phase, TaskPhase::Closed | TaskPhase::Cancelled))
    );
    // A round that is being settled is paid to the end first.
    run_until("the last settlement", || {
        pallet_arena_scoring::Settling::<Runtime>::get().is_none()
    });
    // Nobody accused is paid before its case is over, and its deposits return when its rows go.
    run_until("the end of all cases", || {
        let (head, tail) = pallet_arena_challenges::EndedEnds::<Runtime>::get();
        head == tail
    });
    let delegator = account(DELEGATOR);
    for operator in [TRAINERS[0], VALIDATORS[0]].map(account) {
        let amount = ArenaDelegation::value(venue, &operator, &delegator);
        let undelegate = pallet_arena_delegation::Call::undelegate {
            venue,
            operator: operator.clone(),
            amount,
        };
        assert_ok!(call(&delegator, undelegate));
        // Refused where nothing was earned or what was earned is forfeited.
        let _ = call(
            &delegator,
            pallet_arena_delegation::Call::claim { venue, operator },
        );
        check_invariants();
    }
    for who in everybody() {
        let _ = call(&who, pallet_arena_rewards::Call::claim { venue });
        assert_eq!(ArenaRewards::operator_free(venue, &who), 0);
        if let Some(position) = pallet_arena_staking::Positions::<Runtime>::get(venue, &who) {
            let amount = position.own;
            let decrease = pallet_arena_staking::Call::decrease { venue, amount };
            assert_ok!(call(&who, decrease));
        }
        check_invariants();
    }
    System::set_block_number(now() + RESULTS_KEPT);
    for _ in 0..5 {
        next_block();
    }
    for who in everybody() {
        let _ = call(&who, pallet_arena_staking::Call::withdraw {});
    }
    let _ = call(&delegator, pallet_arena_delegation::Call::withdraw {});
    check_invariants();
}

fn everybody() -> impl Iterator<Item = AccountId> {
    let operators = TRAINERS.into_iter().chain(VALIDATORS).chain(JURORS);
    operators.map(account)
}

pub(super) fn assert_only_results_are_left(task: TaskId) {
    let kept = [
        // Which task there was, and what it was for.
        "ArenaTasks::Tasks",
        "ArenaTasks::Specs",
        "ArenaTasks::Winners",
        // That rewards are free, which ones were taken, and what delegators' claims are made of.
        "ArenaRewards::Released",
        "ArenaRewards::Forfeited",
        "ArenaRewards::AccAt",
        // Fractions that divisions leave, see below.
        "ArenaRewards::Earned",
    ];
    let mut left = maps_with(&task.encode());
    assert!(left.contains("ArenaTasks::Tasks"), "the search finds it");
    left.retain(|name| !kept.contains(&name.as_str()));
    assert!(left.is_empty(), "{left:?}");
    let venue = Venue::Task(task);
    for (who, earned) in pallet_arena_rewards::Earned::<Runtime>::iter_prefix(venue) {
        assert_eq!(earned.operator_owed, 0, "{who}");
        assert!(earned.delegators_owed < 10, "{who}: {earned:?}");
    }
}

/// Some stake leaves while the task lives.
fn leave_in_part(task: TaskId) {
    let venue = Venue::Task(task);
    let amount = 10 * UNIT;
    let operator = account(VALIDATORS[0]);
    let undelegate = pallet_arena_delegation::Call::undelegate {
        venue,
        operator,
        amount,
    };
    assert_ok!(call(&account(DELEGATOR), undelegate));
    let decrease = pallet_arena_staking::Call::decrease { venue, amount };
    assert_ok!(call(&account(VALIDATORS[1]), decrease));
}

/// Lives up to a point of the task's life, with something unfinished there.
pub(super) fn live_until(task: TaskId, point: Point) {
    let reaches = |next: Point| point >= next;
    if !reaches(Point::Submissions) {
        return;
    }
    run_until("round 1", || {
        phase_of(task, 1) == Some(RoundPhase::Submissions)
    });
    heartbeat(task, TRAINERS[0]);
    leave_in_part(task);
    let commitment = H256::repeat_byte(4);
    let submit = pallet_arena_tasks::Call::submit { task, commitment };
    assert_ok!(call(&account(TRAINERS[0]), submit));
    if !reaches(Point::Publish) {
        return;
    }
    submit_and_publish(task, 1);
    if !reaches(Point::Seed) {
        return;
    }
    run_until("the seed phase", || {
        phase_of(task, 1) == Some(RoundPhase::Seed)
    });
    next_block();
    if !reaches(Point::Commit) {
        return;
    }
    let mut committed = commit_scores(task, 1, outcome);
    if !reaches(Point::Reveal) {
        return;
    }
    let last = committed.pop().expect("there are two");
    reveal_scores(task, 1, committed);
    if !reaches(Point::Settlement) {
        return;
    }
    reveal_scores(task, 1, vec![last]);
    if point == Point::Settlement {
        return settle_in_part(task, 1);
    }
    settle(task, 1);
    seat_jurors(task);
    submit_and_publish(task, 2);
    if !reaches(Point::FinalCommit) {
        return;
    }
    score(task, 2);
    let committed = commit_scores(task, 3, outcome);
    if !reaches(Point::FinalReveal) {
        return;
    }
    reveal_scores(task, 3, committed);
    if !reaches(Point::Challenge) {
        return;
    }
    run_until_phase(task, TaskPhase::Challenge);
}

/// Brings a round's settlement to where it must wait for the next block.
fn settle_in_part(task: TaskId, round: Round) {
    let info = ArenaTasks::info(task, round).expect("is alive");
    let n = info.schedule.settle;
    run_until("the last reveals", || now() == n - 1);
    System::set_block_number(n);
    let begun = pallet_arena_scoring::Settling::<Runtime>::exists;
    let parts = (1..=100).map(Perbill::from_percent);
    for part in parts {
        if !begun() {
            ArenaScoring::tick(n, part * MaxTickWeight::get());
        }
    }
    assert!(begun(), "a page was all of it");
    check_invariants();
}

pub(super) fn run_until_phase(task: TaskId, phase: TaskPhase) {
    run_until("the phase", || ArenaTasks::phase(task) == Some(phase));
}

pub(super) fn as_guardian(what: impl Into<RuntimeCall>) {
    let origin = governance::origins::pallet::Origin::TaskGuardian;
    assert_ok!(what.into().dispatch(origin.into()));
    check_invariants();
}

#[test]
fn a_task_should_leave_only_results_wherever_it_is_cancelled() {
    let mut named = BTreeSet::new();
    for point in POINTS {
        println!("{point:?}");
        named.extend(with_task(|task| {
            live_until(task, point);
            if point == Point::Challenge {
                let [first, second, third] = TRAINERS;
                let copied = open_case(MARKER, task, mark_claim(second));
                let honest = open_case(MARKER, task, mark_claim(third));
                judge(copied, Vote::Convict);
                judge(honest, Vote::Acquit);
                close(copied);
                close(honest);
                open_case(MARKER, task, mark_claim(first));
                commit_case(VALIDATORS[1], task, &mark_claim(first));
            }
            let before = maps_with(&task.encode());
            as_guardian(pallet_arena_tasks::Call::cancel { task });
            assert_eq!(ArenaTasks::phase(task), Some(TaskPhase::Cancelled));
            before
        }));
    }
    // All that name a task while it lives: the search for what is left would find them.
    for map in [
        "ArenaChallenges::Accused",
        "ArenaChallenges::Acquittals",
        "ArenaChallenges::CasesOf",
        "ArenaChallenges::Commitments",
        "ArenaChallenges::Convicted",
        "ArenaChallenges::Heartbeats",
        "ArenaChallenges::Marks",
        "ArenaChallenges::OpenCases",
        "ArenaChallenges::Runs",
        "ArenaDelegation::Delegations",
        "ArenaDelegation::ExitPools",
        "ArenaDelegation::LiveExits",
        "ArenaRewards::AccAt",
        "ArenaRewards::Earned",
        "ArenaRewards::Forfeited",
        "ArenaRewards::Tasks",
        "ArenaScoring::Commits",
        "ArenaScoring::Grounds",
        "ArenaScoring::Reveals",
        "ArenaScoring::RoundResults",
        "ArenaScoring::Seeds",
        "ArenaScoring::Settling",
        "ArenaStaking::Positions",
        "ArenaStaking::Roster",
        "ArenaStaking::Unbonding",
        "ArenaTasks::Active",
        "ArenaTasks::Fixed",
        "ArenaTasks::Models",
        "ArenaTasks::Roots",
        "ArenaTasks::Specs",
        "ArenaTasks::Submissions",
        "ArenaTasks::Tasks",
    ] {
        assert!(named.contains(map), "{map}");
    }
}

#[test]
fn a_cancelled_task_should_return_the_whole_bounty_where_no_round_was_paid() {
    with_task(|task| {
        live_until(task, Point::Commit);
        let before = Balances::free_balance(account(CREATOR));
        as_guardian(pallet_arena_tasks::Call::cancel { task });
        let returned = Balances::free_balance(account(CREATOR)) - before;
        assert_eq!(returned, BOUNTY);
    });
}

#[test]
fn a_task_should_leave_only_results_when_it_is_closed() {
    with_task(|task| {
        live_until(task, Point::Challenge);
        run_until_phase(task, TaskPhase::Closed);
        assert!(ArenaRewards::totals().minted > 0);
    });
}

#[test]
fn a_task_should_leave_only_results_whatever_comes_of_a_case() {
    for verdict in [Some(Vote::Convict), Some(Vote::Acquit), None] {
        with_task(|task| {
            live_until(task, Point::Challenge);
            let case = open_case(MARKER, task, mark_claim(TRAINERS[0]));
            // What it earned before it left is still to be claimed.
            let delegator = account(DELEGATOR);
            let operator = account(TRAINERS[0]);
            let undelegate = pallet_arena_delegation::Call::undelegate {
                venue: Venue::Task(task),
                operator: operator.clone(),
                amount: ArenaDelegation::value(Venue::Task(task), &operator, &delegator) / 2,
            };
            assert_ok!(call(&delegator, undelegate));
            match verdict {
                Some(vote) => judge(case, vote),
                None => JURORS.into_iter().for_each(without_key),
            }
            close(case);
            run_until_phase(task, TaskPhase::Closed);
            let claim = pallet_arena_rewards::Call::claim {
                venue: Venue::Task(task),
            };
            let thief = account(TRAINERS[0]);
            let owed = views::delegator_earnings(Venue::Task(task), &thief, &delegator).owed;
            assert_eq!(owed.0 > 0, verdict != Some(Vote::Convict));
            let result = pallet_arena_tasks::Winners::<Runtime>::get(task).expect("has ended");
            let won = result.winners.iter().any(|winner| winner.trainer == thief);
            assert_eq!(won, verdict != Some(Vote::Convict));
            if verdict == Some(Vote::Convict) {
                assert_noop!(
                    call(&thief, claim),
                    pallet_arena_rewards::Error::<Runtime>::RewardsForfeited
                );
            } else {
                assert_ok!(call(&thief, claim));
            }
        });
    }
}

/// Takes an operator's key: it can't judge.
fn without_key(key: Key) {
    let clear = pallet_arena_staking::Call::clear_service_key {};
    assert_ok!(call(&account(key), clear));
}
