//! Behaviour of calls and of time.

use crate::{
    Active, EndReason, Error, Event, Fixed, Models, Proposals, Roots, Submissions, TaskState,
    Tasks as TaskRows, Winners, mock::*,
};
use arena_primitives::{
    Architecture, DutyRefusal, Metric, ModelResult, ModelStatus, NumericProfile, Role, RoundModels,
    RoundResult, TaskId, TaskPhase, TaskSpec, Venue,
    hash::{Domain, hash},
    traits::{Rounds, TaskStates, VenueRefusal, Venues},
};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use sp_core::H256;
use sp_runtime::{DispatchError, Perbill, TokenError};

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn signed_key(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(key(&account(n)))
}

fn commitment(who: u8, manifest_root: H256) -> H256 {
    hash(
        Domain::Submission,
        &(account(who), manifest_root, H256::repeat_byte(9)),
    )
}

fn submit(id: TaskId, who: u8, manifest_root: H256) {
    assert_ok!(Tasks::submit(
        signed(who),
        id,
        commitment(who, manifest_root)
    ));
}

fn publish(id: TaskId, who: u8, manifest_root: H256) -> sp_runtime::DispatchResult {
    Tasks::publish(
        signed_key(who),
        id,
        manifest_root,
        uris(),
        H256::repeat_byte(9),
    )
}

/// Opening block of round 1 of a task that was approved in block 1.
const ONE: u32 = 1 + DAY;
/// First block of round 1's publish window.
const PUBLISH: u32 = ONE + DAY + WINDOWS.gap;
/// First block of round 1's seed phase.
const SEED: u32 = PUBLISH + WINDOWS.publish;

#[test]
fn propose_should_hold_the_deposit_and_withdraw_should_return_it() {
    run(|| {
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        assert_ok!(Tasks::propose(signed(CREATOR), spec()));
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), DEPOSIT);
        assert_noop!(
            Tasks::propose(signed(CREATOR), spec()),
            Error::<Test>::AlreadyProposed
        );
        assert_noop!(
            Tasks::withdraw_proposal(signed(ANN), hash),
            Error::<Test>::NotTheProposer
        );
        assert_noop!(
            Tasks::withdraw_proposal(signed(CREATOR), root(1)),
            Error::<Test>::NoSuchProposal
        );
        assert_ok!(Tasks::withdraw_proposal(signed(CREATOR), hash));
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), 0);
        assert_noop!(
            Tasks::propose(signed(99), spec()),
            TokenError::FundsUnavailable
        );
    });
}

#[test]
fn propose_should_refuse_each_kind_of_bad_spec() {
    type Change = fn(&mut TaskSpec);
    let cases: Vec<(Change, Error<Test>)> = vec![
        (|s| s.name = Default::default(), Error::BadName),
        (|s| s.name = vec![0xff].try_into().unwrap(), Error::BadName),
        (
            |s| s.licence = b"  ".to_vec().try_into().unwrap(),
            Error::BadLicence,
        ),
        (
            |s| s.profile = NumericProfile::Bf16,
            Error::UnsupportedProfile,
        ),
        (|s| s.worst = 1_000_000_000, Error::WorstOutOfRange),
        (
            |s| {
                s.metric = Metric::BitsPerByte;
                s.worst = 0;
            },
            Error::WorstOutOfRange,
        ),
        (
            |s| {
                let arena_primitives::DataSource::Public(data) = &mut s.data;
                data.uris = Default::default();
            },
            Error::BadData,
        ),
        (
            |s| s.model.architectures = Default::default(),
            Error::BadArchitectures,
        ),
        (
            |s| s.model.architectures = vec![Architecture::Llama].try_into().unwrap(),
            Error::BadArchitectures,
        ),
        (|s| s.model.max_seconds = 0, Error::BadModelBounds),
        (
            |s| s.rewards.lambda_milli = 88_000,
            Error::BadRewardParameters,
        ),
        (
            |s| s.rewards.cap = arena_primitives::WeightCap::Percentile(101),
            Error::BadRewardParameters,
        ),
        (|s| s.rewards.min_scorers = 0, Error::BadCommittee),
        (|s| s.rewards.committee = 513, Error::BadCommittee),
        (
            |s| {
                s.rewards.committee = 3;
                s.rewards.min_scorers = 4;
            },
            Error::BadCommittee,
        ),
        (|s| s.rewards.min_trainers = 0, Error::BadCommittee),
        (|s| s.rounds = 0, Error::BadDuration),
        (|s| s.rounds = 367, Error::BadDuration),
        (|s| s.final_days = 0, Error::BadDuration),
        (|s| s.round_minutes = 60, Error::RoundTooShort),
        (|s| s.final_days = 11, Error::OutlivesStake),
        (|s| s.round_minutes = 10 * 1_440, Error::OutlivesStake),
        (|s| s.model.max_seconds = u32::MAX, Error::EvaluationTooLong),
    ];
    run(|| {
        for (change, error) in cases {
            let mut bad = spec();
            change(&mut bad);
            assert_noop!(Tasks::propose(signed(CREATOR), bad), error);
        }
    });
}

#[test]
fn approve_should_need_its_origin_and_a_live_proposal() {
    run(|| {
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        let share = Perbill::from_percent(10);
        assert_ok!(Tasks::propose(signed(CREATOR), spec()));
        assert_noop!(
            Tasks::approve(signed(ANN), hash, share),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), root(1), share),
            Error::<Test>::NoSuchProposal
        );
        assert_noop!(
            Tasks::remove_expired(signed(ANN), hash),
            Error::<Test>::ProposalNotExpired
        );
        go_to(2 + DAY);
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), hash, share),
            Error::<Test>::ProposalExpired
        );
        assert_noop!(
            Tasks::remove_expired(signed(ANN), root(1)),
            Error::<Test>::NoSuchProposal
        );
        assert_ok!(Tasks::remove_expired(signed(ANN), hash));
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), 0);
        assert!(Proposals::<Test>::get(hash).is_none());
    });
}

#[test]
fn approve_should_refuse_more_tasks_than_can_be_active() {
    run(|| {
        Active::<Test>::put(
            frame_support::BoundedVec::try_from((100..164).collect::<Vec<_>>()).unwrap(),
        );
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        assert_ok!(Tasks::propose(signed(CREATOR), spec()));
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one()),
            Error::<Test>::TooManyTasks
        );
        Active::<Test>::kill();
    });
}

#[test]
fn approve_should_open_enrolment_and_return_the_deposit() {
    run(|| {
        let id = task();
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), 0);
        assert_eq!(
            with(|n| n.told.clone()),
            vec![Told::Open(id), Told::Counted(id, 0)]
        );
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(0));
        assert_eq!(Tasks::last_settled(Venue::Task(id)), None);
        assert_noop!(
            Tasks::submit(signed(ANN), id, root(1)),
            Error::<Test>::Enrolment
        );
        assert!(Tasks::closed_rounds().is_empty());
    });
}

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
        assert_ok!(Tasks::cancel(RuntimeOrigin::root(), id));
        assert_eq!(
            Tasks::admits(venue, Role::Trainer, &ann),
            Err(VenueRefusal::Ended)
        );
        assert!(!Tasks::locks_own(venue, Role::Trainer));
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

#[test]
fn submit_should_refuse_who_is_no_counted_trainer() {
    run(|| {
        let id = task();
        go_to(ONE);
        assert_noop!(
            Tasks::submit(signed(ANN), 7, root(1)),
            Error::<Test>::NoSuchTask
        );
        assert_noop!(
            Tasks::submit(signed(99), id, root(1)),
            Error::<Test>::NotATrainer
        );
        assert_noop!(
            Tasks::submit(signed(VAL), id, root(1)),
            Error::<Test>::NotATrainer
        );
        with(|n| n.positions.insert((id, account(13)), (Role::Trainer, 5, 2)));
        assert_noop!(
            Tasks::submit(signed(13), id, root(1)),
            Error::<Test>::StakeNotCounted
        );
        submit(id, ANN, root(1));
        submit(id, ANN, root(2));
        let row = Submissions::<Test>::get((id, 1, account(ANN))).unwrap();
        assert_eq!(row.commitment, commitment(ANN, root(2)));
    });
}

#[test]
fn publish_should_open_the_commitment_in_its_window_only() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        assert_noop!(publish(id, ANN, root(1)), Error::<Test>::NotPublishing);
        go_to(PUBLISH - 1);
        assert_noop!(publish(id, ANN, root(1)), Error::<Test>::NotPublishing);
        go_to(PUBLISH);
        let nonce = H256::repeat_byte(9);
        assert_noop!(
            Tasks::publish(signed(ANN), id, root(1), uris(), nonce),
            Error::<Test>::NotAServiceKey
        );
        assert_noop!(publish(7, ANN, root(1)), Error::<Test>::NoSuchTask);
        assert_noop!(publish(id, 30, root(1)), Error::<Test>::NotATrainer);
        assert_noop!(publish(id, BOB, root(1)), Error::<Test>::NoSubmission);
        assert_noop!(publish(id, ANN, root(2)), Error::<Test>::WrongCommitment);
        assert_noop!(
            Tasks::publish(signed_key(ANN), id, root(1), Default::default(), nonce),
            Error::<Test>::BadUris
        );
        assert_ok!(publish(id, ANN, root(1)));
        assert_noop!(publish(id, ANN, root(1)), Error::<Test>::AlreadyPublished);
        assert!(Tasks::has_model(id, &account(ANN)));
        assert_eq!(Tasks::uris(id, &root(1)), Some(uris()));
    });
}

#[test]
fn check_duty_should_agree_with_publish() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        let call = |manifest_root| crate::Call::<Test>::publish {
            task: id,
            manifest_root,
            uris: uris(),
            nonce: H256::repeat_byte(9),
        };
        let ann = key(&account(ANN));
        assert_eq!(
            Tasks::check_duty(&ann, &call(root(1))),
            Some(Err(DutyRefusal::WrongPhase))
        );
        go_to(PUBLISH);
        assert_eq!(
            Tasks::check_duty(&account(ANN), &call(root(1))),
            Some(Err(DutyRefusal::NotAServiceKey))
        );
        assert_eq!(
            Tasks::check_duty(&ann, &call(root(2))),
            Some(Err(DutyRefusal::Mismatch))
        );
        let tag = Tasks::check_duty(&ann, &call(root(1))).unwrap().unwrap();
        assert_eq!((tag.task, tag.round, tag.key), (id, 1, ann.clone()));
        assert_ok!(publish(id, ANN, root(1)));
        assert_eq!(
            Tasks::check_duty(&ann, &call(root(1))),
            Some(Err(DutyRefusal::AlreadyDone))
        );
        let other = crate::Call::<Test>::poke { task: id };
        assert_eq!(Tasks::check_duty(&ann, &other), None);
    });
}

#[test]
fn commitment_of_the_next_round_should_not_replace_one_that_waits_to_be_published() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        go_to(PUBLISH);
        submit(id, ANN, root(2));
        assert_ok!(publish(id, ANN, root(1)));
        assert!(Submissions::<Test>::contains_key((id, 2, account(ANN))));
    });
}

#[test]
fn root_should_belong_to_its_earliest_commitment() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        go_to(ONE + 1);
        submit(id, BOB, root(1));
        go_to(PUBLISH);
        assert_ok!(publish(id, BOB, root(1)));
        assert_ok!(publish(id, ANN, root(1)));
        assert!(Models::<Test>::get(id, account(BOB)).is_none());
        assert_eq!(
            Roots::<Test>::get(id, root(1)).unwrap().trainer,
            account(ANN)
        );
        System::assert_has_event(
            Event::ModelDisplaced {
                task: id,
                round: 1,
                trainer: account(BOB),
                manifest_root: root(1),
            }
            .into(),
        );
    });
}

#[test]
fn later_commitment_should_not_take_a_root() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        submit(id, BOB, root(1));
        go_to(PUBLISH);
        assert_ok!(publish(id, ANN, root(1)));
        // The same block: the smaller account is first.
        assert_noop!(publish(id, BOB, root(1)), Error::<Test>::RootOwned);
    });
}

#[test]
fn models_should_be_fixed_at_the_seed_phase_and_stand_for_later_rounds() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        submit(id, BOB, root(2));
        go_to(PUBLISH);
        assert_ok!(publish(id, ANN, root(1)));
        assert_ok!(publish(id, BOB, root(2)));
        assert!(Fixed::<Test>::get(id, 1).is_none());
        go_to(SEED);
        let roots = |models: RoundModels| -> Vec<H256> {
            models
                .into_iter()
                .map(|model| model.manifest_root)
                .collect()
        };
        assert_eq!(
            roots(Fixed::<Test>::get(id, 1).unwrap()),
            vec![root(1), root(2)]
        );
        submit(id, ANN, root(3));
        let closed = Tasks::closed_rounds();
        assert_eq!(closed.len(), 1);
        assert_eq!((closed[0].round, closed[0].is_final), (1, false));
        Tasks::settled(id, 1);
        assert!(Fixed::<Test>::get(id, 1).is_none());
        // Round 2 opened in the block in which round 1 closed.
        go_to(PUBLISH + DAY);
        assert_ok!(publish(id, ANN, root(3)));
        go_to(SEED + DAY);
        assert_eq!(roots(Tasks::models(id, 2)), vec![root(3), root(2)]);
    });
}

fn ranked(trainer: u8, manifest_root: H256, rank: u32) -> ModelResult {
    ModelResult {
        trainer: account(trainer),
        manifest_root,
        status: ModelStatus::Scored,
        raw: None,
        score: Some(Perbill::from_percent(90 - rank)),
        rank: Some(rank),
        reward: 0,
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
        assert_ok!(Tasks::propose(signed(CREATOR), long));
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
        assert_ok!(Tasks::propose(signed(CREATOR), other));
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
