//! Slashes of `Network`: deferred, called off, applied.

use super::*;
use crate::types::{Fault, MAX_PENDING, Queue};
use frame_support::{traits::Hooks, weights::Weight};
use sp_runtime::DispatchError;
use sp_staking::offence::{OffenceDetails, OnOffenceHandler};

const N: Venue = Venue::Network;
/// Blocks of the deferral.
const LATER: u64 = (DAY / 2) as u64;

fn offence(n: u8, session: u32, percent: u32) {
    let details = OffenceDetails {
        offender: (account(n), ()),
        reporters: vec![],
    };
    let fraction = Perbill::from_percent(percent);
    <Staking as OnOffenceHandler<_, _, _>>::on_offence(&[details], &[fraction], session);
}

/// Runs the hook of each block up to this one.
fn run_to(block: u64) {
    while System::block_number() < block {
        System::set_block_number(System::block_number() + 1);
        Staking::on_initialize(System::block_number());
    }
}

fn pending(index: u32) -> PendingSlash {
    PendingSlashes::<Test>::get(index).expect("a slash")
}

/// Four authors: 1 has 100, 2 has 200, 3 and 4 have 300.
fn with_authors(test: impl FnOnce()) {
    let network = [
        (1, 100 * UNIT),
        (2, 200 * UNIT),
        (3, 300 * UNIT),
        (4, 300 * UNIT),
    ];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(test);
}

#[test]
fn an_offence_should_disable_and_chill_at_once_and_slash_later() {
    with_authors(|| {
        assert_ok!(Staking::add(N, &account(2), 50 * UNIT));
        offence(2, 5, 10);
        assert_eq!(
            Disabled::get(),
            vec![(account(2), Perbill::from_percent(10))]
        );
        assert_eq!(position(2, N).seat, Seat::Chilled);
        let due = 1 + DAY / 2;
        let event = Event::SlashDeferred {
            index: 0,
            operator: account(2),
            session: 5,
            fraction: Perbill::from_percent(10),
            own: 20 * UNIT,
            due,
        };
        System::assert_last_event(event.into());
        assert_eq!(Staking::pending_own(&account(2)), 20 * UNIT);
        assert_eq!(SlashedAway::get(), 0);

        run_to(LATER);
        assert_eq!(SlashedAway::get(), 0);
        run_to(LATER + 1);
        assert_eq!(SlashedAway::get(), 20 * UNIT);
        let event = Event::SlashApplied {
            index: 0,
            operator: account(2),
            session: 5,
            own: 20 * UNIT,
            delegated: 5 * UNIT,
            leaving: 7,
        };
        System::assert_last_event(event.into());
        let after = position(2, N);
        assert_eq!((after.own, after.delegated), (180 * UNIT, 45 * UNIT));
        assert_eq!(after.shares, 50 * UNIT);
        assert_eq!(DelegatedCut::<Test>::get(), 5 * UNIT);
        let tenth = Perbill::from_percent(10);
        assert_eq!(LeavingSlashed::get(), vec![(account(2), 5, tenth)]);
        assert_eq!(PendingSlashes::<Test>::iter().count(), 0);
        assert_eq!(PendingOf::<Test>::iter().count(), 0);
        assert_eq!(SlashQueue::<Test>::get(), Queue { first: 1, end: 1 });
    });
}

#[test]
fn delegated_cuts_should_be_rounded_down() {
    with_authors(|| {
        assert_ok!(Staking::add(N, &account(2), 19));
        offence(2, 5, 10);
        run_to(LATER + 1);
        assert_eq!(Staking::totals(N, &account(2)).amount, 18); // 1.9 off
        assert_eq!(DelegatedCut::<Test>::get(), 1);
    });
}

#[test]
fn a_slash_should_be_cancelled_by_governance_alone() {
    with_authors(|| {
        offence(2, 5, 10);
        assert_noop!(
            Staking::cancel_slash(signed(2), 0),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Staking::cancel_slash(RuntimeOrigin::root(), 1),
            Error::<Test>::NoSuchSlash
        );
        assert_ok!(Staking::cancel_slash(RuntimeOrigin::root(), 0));
        let event = Event::SlashCancelled {
            index: 0,
            operator: account(2),
        };
        System::assert_last_event(event.into());
        assert_eq!(Faults::<Test>::iter().count(), 0);
        run_to(LATER + 2);
        assert_eq!(SlashedAway::get(), 0);
        assert_eq!(SlashQueue::<Test>::get(), Queue { first: 1, end: 1 });
        // Back in its seat after the session that it sits out.
        assert_noop!(
            Staking::take_seat(signed(2), N),
            Error::<Test>::StillChilled
        );
        NetworkRound::set(Some(6));
        assert_ok!(Staking::take_seat(signed(2), N));
        assert_noop!(
            Staking::cancel_slash(RuntimeOrigin::root(), 0),
            Error::<Test>::NoSuchSlash
        );
    });
}

#[test]
fn a_session_should_cost_its_worst_fault_and_not_their_sum() {
    with_authors(|| {
        assert_ok!(Staking::add(N, &account(3), 100 * UNIT));
        offence(3, 5, 10);
        offence(3, 5, 10); // no more
        offence(3, 5, 5);
        assert_eq!(SlashQueue::<Test>::get().end, 1);
        System::set_block_number(5);
        offence(3, 5, 20); // takes the place of the first
        assert_eq!(PendingSlashes::<Test>::get(0), None);
        assert_eq!((pending(1).own, pending(1).due), (60 * UNIT, 5 + DAY / 2));
        offence(3, 4, 10); // another session costs by itself
        assert_eq!(Staking::pending_own(&account(3)), 90 * UNIT);

        run_to(LATER + 5);
        assert_eq!(SlashedAway::get(), 90 * UNIT);
        assert_eq!(position(3, N).delegated, 72 * UNIT); // · 0.8 · 0.9
        // What was taken is left out when a worse one is heard of.
        offence(3, 5, 60);
        let more = pending(3);
        assert_eq!(more.own, 120 * UNIT); // 60 % less 20 % of 300
        assert_eq!(more.delegated, Perbill::from_percent(50)); // (0.6 − 0.2) / 0.8
        assert_ok!(Staking::cancel_slash(RuntimeOrigin::root(), 3));
        let fifth = Perbill::from_percent(20);
        let left = Fault {
            at_stake: 300 * UNIT,
            applied: fifth,
            fraction: fifth,
            slash: None,
        };
        assert_eq!(Faults::<Test>::get(5, account(3)), Some(left));
        offence(3, 5, 20);
        assert_eq!(PendingSlashes::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_slash_should_take_a_fraction_of_what_was_at_stake_then() {
    with_authors(|| {
        assert_ok!(Staking::decrease(signed(2), N, 100 * UNIT));
        offence(2, 5, 75); // 200 in session 5, of which 100 unbond
        offence(2, 9, 50); // nothing in session 9: half of what is left
        run_to(LATER + 1);
        // 150 of the first: all stake, and half of what unbonds; the second wants 100.
        assert_eq!(SlashedAway::get(), 200 * UNIT);
        assert_eq!(held(2, HoldReason::Stake), 0);
        assert_eq!(held(2, HoldReason::Unbonding), 0);
        assert_eq!(position(2, N).seat, Seat::Chilled);
    });
}

#[test]
fn what_a_pending_slash_needs_should_not_be_withdrawn() {
    with_authors(|| {
        assert_ok!(Staking::decrease(signed(3), N, 50 * UNIT));
        System::set_block_number(2);
        assert_ok!(Staking::decrease(signed(3), N, 150 * UNIT));
        stake(3, TASK, Role::Validator, 10 * UNIT);
        assert_ok!(Staking::decrease(signed(3), TASK, 10 * UNIT));
        System::set_block_number(u64::from(DAY) + 2); // all of it is due
        offence(3, 5, 50);
        // 150 are needed, of 100 that work and 200 that have unbonded. More can unbond:
        assert_ok!(Staking::decrease(signed(3), N, 100 * UNIT));
        assert_eq!(held(3, HoldReason::Unbonding), 310 * UNIT);
        assert_ok!(Staking::withdraw(signed(3)));
        assert_eq!(held(3, HoldReason::Unbonding), 150 * UNIT);
        assert_noop!(Staking::withdraw(signed(3)), Error::<Test>::SlashPending);
        run_to(u64::from(DAY) + 2 + LATER);
        assert_eq!(SlashedAway::get(), 150 * UNIT);
        assert_eq!(held(3, HoldReason::Unbonding), 0);
        assert_noop!(
            Staking::withdraw(signed(3)),
            Error::<Test>::NothingToWithdraw
        );
    });
}

#[test]
fn a_cancelled_slash_should_keep_nothing_back() {
    with_authors(|| {
        assert_ok!(Staking::decrease(signed(3), N, 200 * UNIT));
        offence(3, 5, 100);
        System::set_block_number(u64::from(DAY) + 1);
        assert_noop!(Staking::withdraw(signed(3)), Error::<Test>::SlashPending);
        assert_ok!(Staking::cancel_slash(RuntimeOrigin::root(), 0));
        assert_ok!(Staking::withdraw(signed(3)));
        assert_eq!(held(3, HoldReason::Unbonding), 0);
    });
}

#[test]
fn nobody_should_join_a_position_with_a_slash_pending() {
    with_authors(|| {
        offence(2, 5, 10);
        NetworkRound::set(Some(6));
        assert_ok!(Staking::take_seat(signed(2), N));
        let join = || Staking::add(N, &account(2), UNIT);
        assert_noop!(join(), Error::<Test>::SlashPending);
        run_to(LATER + 1);
        assert_ok!(join());
    });
}

#[test]
fn offenders_should_keep_their_seats_where_too_few_would_remain() {
    with_authors(|| {
        for n in 1..=4 {
            offence(n, 5, 10);
        }
        let seats = [1, 2, 3, 4].map(|n| position(n, N).seat);
        use Seat::{Chilled, Taken};
        assert_eq!(seats, [Chilled, Chilled, Taken, Taken]);
        assert_eq!(Staking::elect(false).map(|set| set.len()), Some(2));
        assert_eq!(PendingSlashes::<Test>::iter().count(), 4);
    });
}

#[test]
fn the_hook_should_apply_no_more_than_fits_its_weight() {
    with_authors(|| {
        for session in 1..=5 {
            offence(4, session, 10);
        }
        offence(2, 5, 10);
        assert_ok!(Staking::cancel_slash(RuntimeOrigin::root(), 2));
        run_to(LATER);
        assert_eq!(SlashQueue::<Test>::get(), Queue { first: 0, end: 6 });
        // Room for two in a block.
        for left in [3, 1, 0] {
            System::set_block_number(System::block_number() + 1);
            let used = Staking::on_initialize(System::block_number());
            assert!(used.all_lte(MaxTickWeight::get()));
            assert_eq!(PendingSlashes::<Test>::iter().count(), left);
        }
        assert_eq!(SlashQueue::<Test>::get(), Queue { first: 6, end: 6 });
        assert_eq!(SlashedAway::get(), (4 * 30 + 20) * UNIT);
    });
}

#[test]
fn the_hook_should_apply_nothing_without_weight() {
    with_authors(|| {
        offence(2, 5, 10);
        MaxTickWeight::set(Weight::zero());
        run_to(LATER + 9);
        assert_eq!(SlashedAway::get(), 0);
    });
}

#[test]
fn an_operator_should_have_no_more_slashes_pending_than_fit() {
    with_authors(|| {
        NetworkRound::set(Some(8));
        for session in 0..=8 {
            offence(2, session, 1);
        }
        assert_eq!(PendingOf::<Test>::get(account(2)).len(), 9);
        let full = (100..100 + MAX_PENDING - 9).collect::<Vec<_>>();
        PendingOf::<Test>::mutate(account(2), |row| {
            full.iter().for_each(|i| row.force_push(*i))
        });
        NetworkRound::set(Some(9));
        offence(2, 9, 1); // no room: nothing is queued
        assert_eq!(SlashQueue::<Test>::get().end, 9);
        offence(2, 9, 100); // a worse one takes the place of the least
        assert_eq!(pending(9).session, 9);
        assert_eq!(PendingSlashes::<Test>::get(0), None);
        offence(2, 8, 2); // and that of a lesser one of its session
        assert_eq!(pending(10).session, 8);
        PendingOf::<Test>::mutate(account(2), |row| row.retain(|i| *i < 100));
    });
}

#[test]
fn faults_should_be_forgotten_when_all_has_unbonded() {
    with_authors(|| {
        // A day of 40 blocks in sessions of 10 slots: four sessions to unbond.
        let keep = 9;
        let end = <Staking as pallet_session::SessionManager<AccountId>>::end_session;
        offence(2, 5, 10);
        run_to(LATER + 1);
        for session in 5..5 + keep {
            end(session);
            assert_eq!(Faults::<Test>::iter().count(), 1);
        }
        NetworkRound::set(Some(5 + keep));
        offence(2, 5, 10); // still known
        assert_eq!(PendingSlashes::<Test>::iter().count(), 0);
        end(5 + keep);
        assert_eq!(Faults::<Test>::iter().count(), 0);
        NetworkRound::set(Some(6 + keep));
        offence(2, 5, 20); // too old
        assert_eq!(PendingSlashes::<Test>::iter().count(), 0);
        offence(2, 6, 20);
        assert_eq!(PendingSlashes::<Test>::iter().count(), 1);
    });
}

#[test]
fn an_offender_without_a_position_should_only_be_disabled() {
    with_authors(|| {
        offence(19, 5, 10);
        assert_eq!(Disabled::get().len(), 1);
        assert_eq!(PendingSlashes::<Test>::iter().count(), 0);
    });
}
