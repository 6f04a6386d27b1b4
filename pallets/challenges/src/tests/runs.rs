//! Registered trainings and marks.

use super::*;
use crate::{MAX_HEARTBEATS, MAX_MARKS, RunSeed};

fn submissions() {
    with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
}

fn register(n: u8) -> frame_support::dispatch::DispatchResult {
    Challenges::register_run(signed(n), TASK, H256::zero(), 8, 2, 100)
}

fn run_of(n: u8) -> crate::Run {
    Runs::<Test>::get(TASK, account(n)).expect("a run")
}

#[test]
fn a_run_should_hold_a_deposit_and_get_its_seed_some_blocks_later() {
    run(|| {
        submissions();
        assert_ok!(register(ANN));
        assert_eq!(held(ANN), DEPOSIT);
        assert_eq!(run_of(ANN).log_leaves(), Some(5));
        pass(SEED);
        assert_eq!(run_of(ANN).seed, RunSeed::Awaited { ready: 10 + SEED });
        pass(1);
        let seed = run_of(ANN).seed.known().expect("a seed");
        let event = Event::RunSeeded {
            task: TASK,
            trainer: account(ANN),
            number: 0,
            seed,
        };
        System::assert_has_event(event.into());
        assert!(Challenges::registered_before(TASK, &account(ANN), 11));
        assert!(!Challenges::registered_before(TASK, &account(ANN), 10));
        assert!(!Challenges::registered_before(TASK, &account(BOB), 10));
    });
}

#[test]
fn a_run_should_take_the_place_of_the_one_before() {
    run(|| {
        submissions();
        assert_ok!(register(ANN));
        pass(1);
        assert_ok!(register(ANN));
        assert_eq!((held(ANN), run_of(ANN).number), (DEPOSIT, 1));
        pass(SEED + 1);
        let first = run_of(ANN).seed;
        assert_ok!(Challenges::heartbeat(signed(ANN), TASK, 2, H256::zero()));
        assert_ok!(register(ANN));
        assert_eq!(Heartbeats::<Test>::iter().count(), 0);
        pass(SEED + 1);
        assert_ne!(run_of(ANN).seed, first);
    });
}

#[test]
fn runs_should_be_registered_by_trainers_of_tasks_that_take_submissions() {
    run(|| {
        assert_noop!(register(ANN), Error::<Test>::NoSubmissions);
        submissions();
        assert_noop!(register(VAL), Error::<Test>::NotATrainer);
        assert_noop!(register(EVE), Error::<Test>::NotATrainer);
        let all = free(ANN) - 20;
        assert_ok!(Balances::transfer_allow_death(
            signed(ANN),
            account(EVE),
            all
        ));
        assert_noop!(register(ANN), sp_runtime::TokenError::FundsUnavailable);
    });
}

#[test]
fn runs_should_be_even_and_small_enough_to_replay() {
    run(|| {
        submissions();
        let register = |steps, every, bytes| {
            Challenges::register_run(signed(ANN), TASK, H256::zero(), steps, every, bytes)
        };
        for (steps, every) in [(0, 1), (1, 0), (5, 2), (513, 1), (u64::MAX, 1)] {
            assert_noop!(register(steps, every, 1), Error::<Test>::BadSteps);
        }
        // Five segments are drawn, and five leaves have weights.
        assert_noop!(register(8, 2, 501), Error::<Test>::TooLarge);
        assert_noop!(register(8, 2, u64::MAX), Error::<Test>::TooLarge);
        assert_noop!(register(512, 1, 10), Error::<Test>::TooLarge);
        assert_ok!(register(8, 2, 500));
        assert_ok!(register(512, 1, 9));
    });
}

#[test]
fn a_run_should_not_be_replaced_while_its_trainer_is_accused() {
    run(|| {
        open(VAL, copy());
        submissions();
        assert_noop!(register(ANN), Error::<Test>::CaseOpen);
    });
}

#[test]
fn numbers_of_runs_should_run_out_without_harm() {
    run(|| {
        submissions();
        assert_ok!(register(ANN));
        Runs::<Test>::mutate(TASK, account(ANN), |run| {
            run.as_mut().unwrap().number = u32::MAX
        });
        assert_noop!(register(ANN), Error::<Test>::NoMoreIds);
    });
}

#[test]
fn heartbeats_should_grow_and_come_once_in_a_round() {
    run(|| {
        submissions();
        let beat = |leaves| Challenges::heartbeat(signed(ANN), TASK, leaves, H256::zero());
        assert_noop!(beat(1), Error::<Test>::NoRun);
        assert_ok!(register(ANN));
        assert_noop!(beat(1), Error::<Test>::NoSeed);
        pass(SEED + 1);
        assert_noop!(beat(0), Error::<Test>::LogNotGrown);
        assert_noop!(beat(6), Error::<Test>::LogTooLong);
        assert_ok!(beat(2));
        assert_noop!(beat(3), Error::<Test>::AlreadyBeaten);
        with(|n| n.round += 1);
        assert_noop!(beat(2), Error::<Test>::LogNotGrown);
        assert_ok!(Challenges::heartbeat(by_key(ANN), TASK, 5, H256::zero()));
        with(|n| n.phases.insert(TASK, (TaskPhase::FinalValidation, 0)));
        assert_noop!(beat(5), Error::<Test>::NoSubmissions);
        submissions();
        let other = Challenges::heartbeat(signed(VAL), TASK, 1, H256::zero());
        assert_noop!(other, Error::<Test>::NotATrainer);
    });
}

#[test]
fn heartbeats_should_be_bounded() {
    run(|| {
        submissions();
        let steps = 512;
        assert_ok!(Challenges::register_run(
            signed(ANN),
            TASK,
            H256::zero(),
            steps,
            1,
            1
        ));
        pass(SEED + 1);
        for n in 1..=MAX_HEARTBEATS {
            with(|t| t.round += 1);
            assert_ok!(Challenges::heartbeat(signed(ANN), TASK, n, H256::zero()));
        }
        with(|t| t.round += 1);
        assert_noop!(
            Challenges::heartbeat(signed(ANN), TASK, 513, H256::zero()),
            Error::<Test>::TooManyHeartbeats
        );
    });
}

#[test]
fn marks_should_be_registered_by_operators_some_for_each_task() {
    run(|| {
        let register =
            |n, at: u8| Challenges::register_mark(signed(n), TASK, H256::repeat_byte(at));
        assert_noop!(register(ANN, 0), Error::<Test>::NoSubmissions);
        submissions();
        assert_noop!(register(EVE, 0), Error::<Test>::NoPosition);
        for at in 0..MAX_MARKS as u8 {
            assert_ok!(register(ANN, at));
        }
        assert_noop!(register(ANN, 0), Error::<Test>::MarkKnown);
        assert_noop!(register(ANN, 99), Error::<Test>::TooManyMarks);
        assert_ok!(register(VAL, 0));
        assert_eq!(Marks::<Test>::get(TASK, account(ANN))[0].at, 10);
    });
}
