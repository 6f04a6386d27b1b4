//! Tasks in which nobody does a part, whose hooks have no weight, or that are paused.

use super::{
    endings::{BOUNTY, POINTS, as_guardian, live_until, maps_with, run_until_phase, with_task},
    journey::*,
    sanity::with_preset,
};
use crate::*;
use arena_primitives::{
    InfraFault, ScoreOutcome, TaskId, TaskPhase, Venue,
    time::RoundPhase,
    traits::{TaskStates, Venues},
};
use codec::Encode;
use frame_support::assert_ok;
use sp_core::H256;
use sp_runtime::traits::Dispatchable;

/// What nobody does in any round.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Idle {
    Submitting,
    Publishing,
    Committing,
    Revealing,
    Scoring,
}

fn live_idly(task: TaskId, idle: Idle) {
    for round in 1..=3 {
        run_until("the round", || phase_of(task, round).is_some());
        let takes_models = round < 3;
        if takes_models && idle == Idle::Publishing {
            let commitment = H256::repeat_byte(4);
            for key in TRAINERS {
                run_until("submissions", || {
                    phase_of(task, round) == Some(RoundPhase::Submissions)
                });
                let submit = pallet_arena_tasks::Call::submit { task, commitment };
                assert_ok!(call(&account(key), submit));
            }
        } else if takes_models && idle != Idle::Submitting {
            submit_and_publish(task, round);
        }
        match idle {
            Idle::Revealing => {
                commit_scores(task, round, outcome);
            }
            Idle::Scoring => {
                // As if the models' mirrors were dead.
                let skip = |_: &AccountId| ScoreOutcome::Skipped(InfraFault::Download);
                let committed = commit_scores(task, round, skip);
                reveal_scores(task, round, committed);
            }
            Idle::Submitting | Idle::Publishing | Idle::Committing => {}
        }
        settle(task, round);
        // One more miss costs the seat, and its row goes.
        if round == 2 {
            let missed = maps_with(&task.encode()).contains("ArenaScoring::Misses");
            assert_eq!(missed, idle == Idle::Committing);
        }
    }
}

#[test]
fn a_task_should_close_unpaid_and_leave_only_results_where_nobody_does_a_part() {
    let idles = [
        Idle::Submitting,
        Idle::Publishing,
        Idle::Committing,
        Idle::Revealing,
        Idle::Scoring,
    ];
    for idle in idles {
        println!("{idle:?}");
        with_task(|task| {
            let minted = ArenaRewards::totals().minted;
            let before = Balances::free_balance(account(CREATOR));
            live_idly(task, idle);
            run_until_phase(task, TaskPhase::Closed);
            for round in 1..=3 {
                let result = views::result(task, round).expect("is kept");
                assert!(result.unpaid.is_some(), "round {round}");
            }
            assert_eq!(ArenaRewards::totals().minted, minted);
            assert_eq!(Balances::free_balance(account(CREATOR)) - before, BOUNTY);
        });
    }
}

#[test]
fn a_task_should_close_and_leave_only_results_wherever_its_hooks_are_starved() {
    for point in POINTS {
        println!("{point:?}");
        with_task(|task| {
            live_until(task, point);
            for _ in 0..100 {
                starve();
            }
            run_until_phase(task, TaskPhase::Closed);
        });
    }
}

/// A block in which the hooks that move tasks have no weight, or only as much as lets them see
/// what is to be done: they take no more, and move nothing.
fn starve() {
    use pallet_arena_challenges::WeightInfo as _;
    use pallet_arena_scoring::WeightInfo as _;
    use pallet_arena_tasks::WeightInfo as _;
    type Tasks = <Runtime as pallet_arena_tasks::Config>::WeightInfo;
    type Scoring = <Runtime as pallet_arena_scoring::Config>::WeightInfo;
    type Challenges = <Runtime as pallet_arena_challenges::Config>::WeightInfo;
    let n = now() + 1;
    System::set_block_number(n);
    let moved = || {
        let tasks: Vec<_> = pallet_arena_tasks::Tasks::<Runtime>::iter().collect();
        let settling = pallet_arena_scoring::Settling::<Runtime>::get();
        (tasks, settling, ArenaRewards::totals())
    };
    let before = moved();
    let look = n.is_multiple_of(2);
    let limits = [
        Tasks::step_look(),
        Scoring::step_look(arena_primitives::MAX_ACTIVE_TASKS),
        Challenges::step_beacon(),
    ];
    let [tasks, scoring, cases] = limits.map(|limit| if look { limit } else { Weight::zero() });
    assert_eq!(ArenaTasks::tick(n, tasks), tasks, "block {n}");
    assert_eq!(ArenaScoring::tick(n, scoring), scoring, "block {n}");
    assert_eq!(ArenaChallenges::tick(n, cases), cases, "block {n}");
    assert_eq!(moved(), before, "block {n}");
}

#[test]
fn a_task_should_leave_only_results_wherever_it_is_paused() {
    for (point, resumed) in POINTS.into_iter().flat_map(|p| [(p, true), (p, false)]) {
        println!("{point:?}, resumed: {resumed}");
        with_task(|task| {
            live_until(task, point);
            as_guardian(pallet_arena_tasks::Call::pause { task });
            // Longer than a round and all that follows it.
            for _ in 0..100 {
                next_block();
            }
            let phase = ArenaTasks::phase(task).expect("is alive");
            assert!(phase != TaskPhase::Closed && phase != TaskPhase::Cancelled);
            if resumed {
                as_guardian(pallet_arena_tasks::Call::resume { task });
                run_until_phase(task, TaskPhase::Closed);
            } else {
                as_guardian(pallet_arena_tasks::Call::cancel { task });
            }
        });
    }
}

#[test]
fn a_pause_should_draw_nothing_and_end_where_it_began() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        run_until("round 1", || {
            phase_of(task, 1) == Some(RoundPhase::Submissions)
        });
        let guardian = || RuntimeOrigin::from(governance::origins::pallet::Origin::TaskGuardian);
        let pause = RuntimeCall::from(pallet_arena_tasks::Call::pause { task });
        assert_ok!(pause.dispatch(guardian()));
        submit_and_publish(task, 1);
        score(task, 1);
        let first = views::result(task, 1).expect("was settled").drawn.0;
        // Ten days in which it would have drawn.
        let paused_until = now() + 400;
        while now() < paused_until {
            next_block();
        }
        assert_eq!(ArenaTasks::current_round(Venue::Task(task)), Some(1));
        assert_eq!(ArenaRewards::drawable(task), 0);
        assert!(views::task(task).expect("is there").paused);
        let resume = RuntimeCall::from(pallet_arena_tasks::Call::resume { task });
        assert_ok!(resume.dispatch(guardian()));
        submit_and_publish(task, 2);
        score(task, 2);
        let result = views::result(task, 2).expect("was settled");
        assert_eq!(result.unpaid, None);
        // As long as the first: from its opening to its settlement, but for divisions.
        assert!(first > UNIT && result.drawn.0.abs_diff(first) < 100);
    });
}
