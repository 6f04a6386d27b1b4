//! What time and calls do to a task, up to its end.

use super::*;

#[test]
fn admits_should_know_creators_ends_and_last_rounds() {
    run(|| {
        let id = task();
        let venue = Venue::Task(id);
        let ann = account(ANN);
        assert_eq!(Tasks::admits(venue, Role::Trainer, &ann), Ok(()));
        assert_eq!(
            Tasks::admits(venue, Role::Validator, &account(CREATOR)),
            Err(VenueRefusal::Creator)
        );
        assert_eq!(
            Tasks::admits(Venue::Network, Role::Validator, &ann),
            Err(VenueRefusal::Unknown)
        );
        assert_eq!(
            Tasks::admits(Venue::Task(7), Role::Trainer, &ann),
            Err(VenueRefusal::Unknown)
        );
        with(|n| n.convicted.insert(ann.clone()));
        for role in [Role::Trainer, Role::Validator] {
            let admitted = Tasks::admits(venue, role, &ann);
            assert_eq!(admitted, Err(VenueRefusal::Convicted));
        }
        with(|n| n.convicted.clear());
        assert!(Tasks::ended(Venue::Task(7)));
        assert!(Tasks::locks_own(venue, Role::Trainer));
        assert!(!Tasks::locks_own(venue, Role::Validator));
        go_to(ONE + DAY);
        assert_eq!(Tasks::current_round(venue), Some(2));
        assert_eq!(
            Tasks::admits(venue, Role::Trainer, &ann),
            Err(VenueRefusal::Role)
        );
        assert_eq!(Tasks::admits(venue, Role::Validator, &ann), Ok(()));
        assert!(Tasks::takes_stake(venue));
        assert_ok!(Tasks::cancel(RuntimeOrigin::root(), id));
        assert_eq!(
            Tasks::admits(venue, Role::Trainer, &ann),
            Err(VenueRefusal::Ended)
        );
        assert!(!Tasks::locks_own(venue, Role::Trainer));
        assert!(!Tasks::takes_stake(venue));
    });
}

#[test]
fn round_one_should_open_when_enrolment_closes_and_draw_with_its_stake() {
    run(|| {
        let id = task();
        go_to(ONE - 1);
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(0));
        go_to(ONE);
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(1));
        assert_eq!(Tasks::last_settled(Venue::Task(id)), Some(0));
        assert_eq!(
            with(|n| n.told.last().cloned()),
            Some(Told::Counted(id, 1_300))
        );
        assert_eq!(Tasks::rounds_left(id, 1), 3);
        assert_eq!(Tasks::rounds_left(id, 3), 1);
    });
}

pub(super) fn ranked(trainer: u8, manifest_root: H256, rank: u32) -> ModelResult {
    ModelResult {
        trainer: account(trainer),
        manifest_root,
        status: ModelStatus::Scored,
        raw: None,
        score: Some(Perbill::from_percent(90 - rank)),
        rank: Some(rank),
        reward: 0,
        likeness: None,
    }
}

/// Runs a task with two models to its challenge phase, and returns when that ends.
fn to_challenge(id: TaskId) -> u32 {
    go_to(ONE);
    submit(id, ANN, root(1));
    submit(id, BOB, root(2));
    go_to(PUBLISH);
    assert_ok!(publish(id, ANN, root(1)));
    assert_ok!(publish(id, BOB, root(2)));
    go_to(SEED);
    Tasks::settled(id, 1);
    go_to(SEED + DAY);
    assert_eq!(Tasks::phase(id), Some(TaskPhase::Submission));
    Tasks::settled(id, 2);
    go_to(SEED + DAY + 1);
    assert_eq!(Tasks::phase(id), Some(TaskPhase::FinalValidation));
    let live = Tasks::info(id, 3).unwrap();
    assert!(live.is_final);
    go_to(live.schedule.seed);
    assert_eq!(Tasks::models(id, 3).len(), 2);
    with(|n| {
        let result = RoundResult {
            settled_at: 0,
            drawn: 0,
            treasury: 0,
            unpaid: None,
            models: vec![ranked(ANN, root(1), 2), ranked(BOB, root(2), 1)]
                .try_into()
                .unwrap(),
            validators: Default::default(),
        };
        n.results.insert((id, 3), result);
    });
    Tasks::settled(id, 3);
    assert_eq!(with(|n| n.told.last().cloned()), Some(Told::Counted(id, 0)));
    go_to(live.schedule.seed + 1);
    assert_eq!(Tasks::phase(id), Some(TaskPhase::Challenge));
    Tasks::phase_ends(id).unwrap()
}

#[test]
fn a_convicted_trainer_should_not_be_a_winner() {
    run(|| {
        let id = task();
        let until = to_challenge(id);
        with(|n| n.convicted.insert(account(BOB)));
        go_to(until);
        let winners = Winners::<Test>::get(id).unwrap().winners;
        let names: Vec<_> = winners.iter().map(|winner| &winner.trainer).collect();
        assert_eq!(names, vec![&account(ANN)]);
    });
}

#[test]
fn task_should_go_its_whole_way_and_leave_its_result() {
    run(|| {
        let id = task();
        let until = to_challenge(id);
        assert_eq!(until, System::block_number() + DAY);
        with(|n| n.open_cases = 1);
        go_to(until + 3);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Challenge));
        assert_noop!(Tasks::poke(signed(ANN), id), Error::<Test>::NothingDue);
        with(|n| n.open_cases = 0);
        go_to(until + 5);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Closed));
        let winners: Vec<_> = Winners::<Test>::get(id)
            .unwrap()
            .winners
            .into_iter()
            .map(|winner| winner.trainer)
            .collect();
        assert_eq!(winners, vec![account(BOB), account(ANN)]);
        assert_eq!(with(|n| n.ended.clone()), vec![id]);
        let released = Told::Release(id, account(CREATOR));
        assert!(with(|n| n.told.contains(&released)));
        assert!(Active::<Test>::get().is_empty());
        assert_eq!(Roots::<Test>::iter().count(), 0);
        assert_noop!(
            Tasks::cancel(RuntimeOrigin::root(), id),
            Error::<Test>::TaskOver
        );
    });
}

#[test]
fn third_round_should_wait_for_the_first_to_be_settled() {
    run(|| {
        let mut long = spec();
        long.rounds = 5;
        let hash = Tasks::spec_hash(&account(CREATOR), &long);
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(long)));
        assert_ok!(Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one()));
        let venue = Venue::Task(0);
        go_to(ONE + 3 * DAY);
        assert_eq!(Tasks::current_round(venue), Some(2));
        assert_noop!(
            Tasks::submit(signed(ANN), 0, root(1)),
            Error::<Test>::NoOpenRound
        );
        Tasks::settled(0, 1);
        go_to(ONE + 3 * DAY + 1);
        assert_eq!(Tasks::current_round(venue), Some(3));
        assert_eq!(Tasks::last_settled(venue), Some(1));
    });
}

#[test]
fn cancel_should_free_what_was_earned_and_remove_rows() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        assert_noop!(Tasks::cancel(signed(ANN), id), DispatchError::BadOrigin);
        assert_noop!(
            Tasks::cancel(RuntimeOrigin::root(), 7),
            Error::<Test>::NoSuchTask
        );
        assert_ok!(Tasks::cancel(RuntimeOrigin::root(), id));
        assert!(Tasks::ended(Venue::Task(id)));
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Cancelled));
        let task = TaskRows::<Test>::get(id).unwrap();
        assert_eq!(
            task.state,
            TaskState::Ended {
                reason: EndReason::Cancelled,
                at: ONE
            }
        );
        go_to(ONE + 1);
        assert_eq!(Submissions::<Test>::iter().count(), 0);
        assert!(Active::<Test>::get().is_empty());
    });
}

#[test]
fn poke_should_do_what_the_hook_would_and_no_more() {
    run(|| {
        let id = task();
        assert_noop!(Tasks::poke(signed(ANN), 7), Error::<Test>::NoSuchTask);
        assert_noop!(Tasks::poke(signed(ANN), id), Error::<Test>::NothingDue);
        System::set_block_number(ONE);
        assert_ok!(Tasks::poke(signed(ANN), id));
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(1));
        assert_noop!(Tasks::poke(signed(ANN), id), Error::<Test>::NothingDue);
    });
}

#[test]
fn top_up_should_be_refused_when_nothing_is_drawn_any_more() {
    run(|| {
        let id = task();
        assert_noop!(Tasks::top_up(signed(ANN), 7, 5), Error::<Test>::NoSuchTask);
        assert_ok!(Tasks::top_up(signed(ANN), id, 5));
        assert_eq!(with(|n| n.told.last().cloned()), Some(Told::TopUp(id, 5)));
        to_challenge(id);
        assert_noop!(Tasks::top_up(signed(ANN), id, 5), Error::<Test>::NotDrawing);
    });
}

#[test]
fn hook_should_stop_at_its_weight_and_continue_in_the_next_block() {
    run(|| {
        let first = task();
        let mut other = spec();
        other.rounds = 3;
        let hash = Tasks::spec_hash(&account(CREATOR), &other);
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(other)));
        assert_ok!(Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one()));
        let one = <() as crate::WeightInfo>::step_open(3 * 768);
        let idle = <() as crate::WeightInfo>::step_idle();
        let look = <() as crate::WeightInfo>::step_look();
        TickWeight::set(&(look + one + idle * 2));
        go_to(ONE);
        let round = |id| Tasks::current_round(Venue::Task(id));
        assert_eq!((round(first), round(1)), (Some(1), Some(0)));
        go_to(ONE + 1);
        assert_eq!((round(first), round(1)), (Some(1), Some(1)));
    });
}

#[test]
fn a_paused_task_should_finish_its_rounds_and_open_no_other() {
    run(|| {
        let id = task();
        go_to(ONE);
        let root = || RuntimeOrigin::root();
        assert_noop!(Tasks::pause(signed(CREATOR), id), DispatchError::BadOrigin);
        assert_noop!(Tasks::pause(root(), 9), Error::<Test>::NoSuchTask);
        assert_noop!(Tasks::resume(root(), id), Error::<Test>::NotPaused);
        assert_ok!(Tasks::pause(root(), id));
        assert_noop!(Tasks::pause(root(), id), Error::<Test>::AlreadyPaused);
        // The open round takes models as if nothing were.
        submit(id, ANN, super::root(1));
        go_to(PUBLISH);
        assert_ok!(publish(id, ANN, super::root(1)));
        let settle = Tasks::info(id, 1).expect("is alive").schedule.settle;
        go_to(settle);
        assert!(Fixed::<Test>::contains_key(id, 1));
        assert_ne!(with(|n| n.told.last().cloned()), Some(Told::Counted(id, 0)));
        Tasks::settled(id, 1);
        assert_eq!(with(|n| n.told.last().cloned()), Some(Told::Counted(id, 0)));
        go_to(settle + 3 * DAY);
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(1));
        assert_noop!(Tasks::poke(signed(99), id), Error::<Test>::NothingDue);
        assert_noop!(Tasks::resume(signed(CREATOR), id), DispatchError::BadOrigin);
        assert_ok!(Tasks::resume(root(), id));
        go_to(settle + 3 * DAY + 1);
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(2));
        assert_eq!(
            with(|n| n.told.last().cloned()),
            Some(Told::Counted(id, 1_300))
        );
    });
}

#[test]
fn a_task_that_is_paused_in_its_challenge_phase_should_not_close() {
    run(|| {
        let id = task();
        let until = to_challenge(id);
        assert_ok!(Tasks::pause(RuntimeOrigin::root(), id));
        go_to(until + DAY);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Challenge));
        assert_ok!(Tasks::resume(RuntimeOrigin::root(), id));
        go_to(until + DAY + 1);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Closed));
        for call in [Tasks::pause, Tasks::resume] {
            assert_noop!(call(RuntimeOrigin::root(), id), Error::<Test>::TaskOver);
        }
    });
}
