//! Seats: displaced, chilled, taken again.

use super::*;
use frame_support::dispatch::PostDispatchInfo;

const V: Role = Role::Validator;

fn try_stake(
    n: u8,
    venue: Venue,
    role: Role,
    amount: Balance,
) -> Result<(), sp_runtime::DispatchError> {
    Staking::stake(signed(n), venue, role, amount)
        .map(|_| ())
        .map_err(|refused| refused.error)
}

fn seats(venue: Venue, role: Role, round: u32) -> Vec<u8> {
    let all = Staking::all(venue, role, round);
    let bytes = |who: AccountId| AsRef::<[u8; 32]>::as_ref(&who)[0];
    all.into_iter().map(|c| bytes(c.operator)).collect()
}

/// Three seats of validators, taken by 1, 2 and 3 with 30, 10 and 20.
fn full() {
    stake(1, TASK, V, 30 * UNIT);
    System::set_block_number(2);
    stake(2, TASK, V, 10 * UNIT);
    System::set_block_number(3);
    stake(3, TASK, V, 20 * UNIT);
}

#[test]
fn a_larger_stake_should_displace_the_smallest_from_the_next_round() {
    ExtBuilder::default().build_and_execute(|| {
        full();
        TaskRound::set(Some(6));
        assert_noop!(try_stake(4, TASK, V, 10 * UNIT), Error::<Test>::SeatsFull);
        assert_ok!(try_stake(4, TASK, V, 10 * UNIT + 1));
        let displaced = Event::Displaced {
            venue: TASK,
            operator: account(2),
            by: account(4),
        };
        System::assert_has_event(displaced.into());
        assert_eq!(seats(TASK, V, 6), vec![1, 2, 3]);
        assert_eq!(seats(TASK, V, 7), vec![1, 3, 4]);
        let out = position(2, TASK);
        assert_eq!((out.seat, out.own), (Seat::Displaced, 10 * UNIT));
        assert_eq!(out.now(), snapshot(0, 0));
        assert_eq!(held(2, HoldReason::Stake), 10 * UNIT);
        assert_eq!(Staking::role(TASK, &account(2)), Some(V));
    });
}

#[test]
fn of_equals_the_latest_should_go() {
    ExtBuilder::default().build_and_execute(|| {
        for n in [3, 1, 2] {
            System::set_block_number(u64::from(n));
            stake(n, TASK, V, 10 * UNIT);
        }
        stake(4, TASK, V, 11 * UNIT);
        assert_eq!(position(3, TASK).seat, Seat::Displaced);
        // 1 and 2 came in the same block: the later account goes.
        Positions::<Test>::mutate(TASK, account(2), |p| p.as_mut().unwrap().registered_at = 1);
        stake(5, TASK, V, 11 * UNIT);
        assert_eq!(position(2, TASK).seat, Seat::Displaced);
        assert_eq!(position(1, TASK).seat, Seat::Taken);
    });
}

#[test]
fn the_displaced_should_take_a_seat_again_by_staking_more() {
    ExtBuilder::default().build_and_execute(|| {
        full();
        stake(4, TASK, V, 15 * UNIT);
        assert_noop!(try_stake(2, TASK, V, 5 * UNIT), Error::<Test>::SeatsFull);
        assert_noop!(
            Staking::take_seat(signed(2), TASK),
            Error::<Test>::SeatsFull
        );
        System::set_block_number(9);
        stake(2, TASK, V, 6 * UNIT); // 16 against 15
        assert_eq!(position(4, TASK).seat, Seat::Displaced);
        let back = position(2, TASK);
        assert_eq!((back.seat, back.own), (Seat::Taken, 16 * UNIT));
        assert_eq!(back.registered_at, 9);
        assert_eq!(seats(TASK, V, 6), vec![1, 2, 3]);
    });
}

#[test]
fn the_displaced_should_unbond_or_take_a_seat_that_is_free() {
    ExtBuilder::default().build_and_execute(|| {
        full();
        TaskRound::set(Some(6));
        stake(4, TASK, V, 15 * UNIT);
        assert_ok!(Staking::decrease(signed(1), TASK, 30 * UNIT));
        assert_ok!(Staking::take_seat(signed(2), TASK));
        let event = Event::SeatTaken {
            venue: TASK,
            operator: account(2),
            own: 10 * UNIT,
        };
        System::assert_last_event(event.into());
        assert_eq!(seats(TASK, V, 7), vec![2, 3, 4]);
        stake(5, TASK, V, 11 * UNIT);
        assert_ok!(Staking::decrease(signed(2), TASK, 10 * UNIT));
        assert_eq!(held(2, HoldReason::Unbonding), 10 * UNIT);
        assert_noop!(
            Staking::take_seat(signed(2), TASK),
            Error::<Test>::NoPosition
        );
    });
}

#[test]
fn take_seat_should_be_refused_when_it_does_not_fit() {
    ExtBuilder::default().build_and_execute(|| {
        let take = |n| Staking::take_seat(signed(n), TASK);
        assert_noop!(take(1), Error::<Test>::NoPosition);
        stake(1, TASK, V, 10 * UNIT);
        assert_noop!(take(1), Error::<Test>::AlreadySeated);
        assert!(Staking::chill(TASK, &account(1)));
        assert_noop!(take(1), Error::<Test>::StillChilled);
        assert_noop!(try_stake(1, TASK, V, UNIT), Error::<Test>::StillChilled);
        TaskRound::set(None);
        assert_noop!(take(1), Error::<Test>::NoOpenRound);
        TaskRound::set(Some(6));
        Refusal::set(Some(VenueRefusal::Ended));
        assert_noop!(take(1), Error::<Test>::VenueEnded);
        Refusal::set(None);
        Staking::slash_own(TASK, &account(1), UNIT);
        assert_noop!(take(1), Error::<Test>::BelowMinimum);
        stake(1, TASK, V, UNIT);
        assert_eq!(position(1, TASK).seat, Seat::Taken);
    });
}

#[test]
fn the_chilled_should_sit_out_a_round_and_keep_their_stake() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, V, 10 * UNIT);
        assert_ok!(Staking::add(TASK, &account(1), 4 * UNIT));
        TaskRound::set(Some(6));
        assert!(Staking::chill(TASK, &account(1)));
        let event = Event::Chilled {
            venue: TASK,
            operator: account(1),
        };
        System::assert_last_event(event.into());
        assert!(!Staking::chill(TASK, &account(1))); // it has none any more
        assert!(!Staking::chill(TASK, &account(2)));
        assert_noop!(Staking::add(TASK, &account(1), UNIT), Error::<Test>::NoSeat);
        TaskRound::set(Some(7));
        assert_ok!(Staking::take_seat(signed(1), TASK));
        let seen = |round| Staking::counted(TASK, &account(1), round).map(|c| c.stake);
        assert_eq!(seen(6), Some(snapshot(10 * UNIT, 4 * UNIT)));
        assert_eq!((seen(7), seen(8)), (None, seen(6)));
    });
}

#[test]
fn who_leaves_when_chilled_should_not_come_back_in_the_same_round() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, V, 10 * UNIT);
        TaskRound::set(Some(6));
        assert!(Staking::chill(TASK, &account(1)));
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        assert_noop!(
            try_stake(1, TASK, V, 10 * UNIT),
            Error::<Test>::StillChilled
        );
        TaskRound::set(Some(7));
        stake(1, TASK, V, 10 * UNIT);
    });
}

#[test]
fn a_trainer_that_no_round_has_counted_should_leave_once_displaced() {
    ExtBuilder::default().build_and_execute(|| {
        let t = Role::Trainer;
        stake(1, TASK, t, UNIT);
        TaskRound::set(Some(6));
        stake(2, TASK, t, 2 * UNIT);
        let leave = |n, amount| Staking::decrease(signed(n), TASK, amount);
        assert_noop!(leave(2, 2 * UNIT), Error::<Test>::LockedUntilEnd);
        stake(3, TASK, t, 4 * UNIT); // 1 goes, which round 6 counts
        stake(4, TASK, t, 3 * UNIT); // 2 goes, which none does
        assert_noop!(leave(1, UNIT), Error::<Test>::LockedUntilEnd);
        assert_ok!(leave(2, 2 * UNIT));
        assert_eq!(Staking::position(TASK, &account(2)), None);
        assert_eq!(held(2, HoldReason::Unbonding), 2 * UNIT);
        TaskRound::set(None); // final validation is being scored
        assert_noop!(leave(1, UNIT), Error::<Test>::LockedUntilEnd);
        TaskEnded::set(true);
        assert_ok!(leave(1, UNIT));
    });
}

#[test]
fn authors_should_be_chilled_and_displaced_only_down_to_the_least_number() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    let mut builder = ExtBuilder::default().network(&network);
    builder.limits.seats_authors = 3;
    builder.build_and_execute(|| {
        assert!(Staking::chill(Venue::Network, &account(3)));
        assert!(!Staking::chill(Venue::Network, &account(2)));
        assert_eq!(position(2, Venue::Network).seat, Seat::Taken);
        WithoutSessionKeys::set(vec![account(4), account(5)]);
        stake(4, Venue::Network, V, 400 * UNIT);
        let without_keys = || try_stake(5, Venue::Network, V, 500 * UNIT);
        assert_noop!(without_keys(), Error::<Test>::TooFewAuthors);
        WithoutSessionKeys::set(vec![account(4)]);
        assert_ok!(without_keys());
        assert_eq!(position(1, Venue::Network).seat, Seat::Displaced);
        // Who has no session keys is no candidate, and can go.
        assert!(Staking::chill(Venue::Network, &account(4)));
        let left = Staking::elect(false).unwrap();
        assert_eq!(left, vec![account(5), account(2)]);
    });
}

#[test]
fn the_roster_should_drop_who_counts_no_more_and_whoever_is_gone() {
    ExtBuilder::default().build_and_execute(|| {
        full();
        let all = |numbers: &[u8]| numbers.iter().map(|n| account(*n)).collect::<Vec<_>>();
        TaskRound::set(Some(6));
        stake(4, TASK, V, 40 * UNIT); // 2 goes; round 6 counts it
        TaskRound::set(Some(7));
        stake(5, TASK, V, 50 * UNIT); // 3 goes; round 6 is being scored
        assert_eq!(roster(TASK, V), all(&[1, 2, 3, 4, 5]));
        assert_eq!(seats(TASK, V, 6), vec![1, 2, 3]);
        TaskRound::set(Some(8));
        stake(6, TASK, V, 60 * UNIT); // 1 goes; round 7 counts 1, 3 and 4
        assert_eq!(roster(TASK, V), all(&[1, 3, 4, 5, 6]));
        assert_eq!(seats(TASK, V, 7), vec![1, 3, 4]);
        assert_eq!(seats(TASK, V, 9), vec![4, 5, 6]);
        // Gone for good: the entry goes with the position.
        assert_ok!(Staking::decrease(signed(3), TASK, 20 * UNIT));
        TaskRound::set(Some(10));
        assert_ok!(Staking::reap(signed(9), TASK, account(3)));
        assert_eq!(roster(TASK, V), all(&[1, 4, 5, 6]));
    });
}

#[test]
fn weights_should_follow_what_was_looked_at() {
    ExtBuilder::default().build_and_execute(|| {
        type W = crate::weights::SubstrateWeight<Test>;
        let of = |info: PostDispatchInfo| info.actual_weight.expect("a weight");
        let call = |n, amount| of(Staking::stake(signed(n), TASK, V, amount).unwrap());
        assert_eq!(call(1, 10 * UNIT), W::stake(0));
        assert_eq!(call(2, 10 * UNIT), W::stake(1));
        assert_eq!(call(1, 10 * UNIT), W::stake(0)); // adding looks at nobody
        assert!(Staking::chill(TASK, &account(2)));
        TaskRound::set(Some(6));
        let taken = Staking::take_seat(signed(2), TASK).unwrap();
        assert_eq!(of(taken), W::take_seat(2));
        assert_ok!(Staking::decrease(signed(1), TASK, UNIT));
        System::set_block_number(1_000);
        assert_eq!(of(Staking::withdraw(signed(1)).unwrap()), W::withdraw(1));
    });
}
