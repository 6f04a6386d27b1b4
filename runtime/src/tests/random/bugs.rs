//! Bugs, seeded one at a time into a chain that was sound until then: each must be caught, and
//! by the check that is there for it.
//!
//! A bug is what a wrong line would have left in the state, made with the pallets' own functions
//! as far as they go, so that all books but the ones that the line misses agree. Nothing of it
//! is in the runtime.

use super::{
    CHECK_EVERY, Tally, checks, run,
    world::{World, in_world, now},
};
use crate::{configs::arena::AllVenues, *};
use arena_primitives::{
    Venue,
    time::RoundPhase,
    traits::{Rounds, Stakes, TaskRewards, Venues},
};
use frame_support::traits::{
    fungible::{BalancedHold, Mutate},
    tokens::{Fortitude, Precision, Preservation},
};
use pallet_arena_delegation::Delegations;
use sp_runtime::traits::Dispatchable;

/// A while without the bug, so that there is something to spoil.
const SOUND: u64 = 1_200;
/// Calls in which the bug must find a victim.
const HUNT: u64 = 6_000;

/// Runs a chain, lets the bug act once, and expects this check to fail before long.
fn should_be_caught(bug: fn(&mut World) -> bool, check: &str) {
    in_world(7, |world| {
        let mut tally = Tally::new();
        run(world, &mut tally, SOUND).expect("sound");
        for _ in 0..HUNT / 10 {
            run(world, &mut tally, 10).expect("sound until the bug acts");
            if !bug(world) {
                continue;
            }
            // As after a call; a round that is being scored is settled by then.
            let verdict = checks::after_call(world)
                .and_then(|()| checks::all(world))
                .and_then(|()| run(world, &mut tally, 10 * CHECK_EVERY));
            let reason = verdict.expect_err("the bug is caught");
            assert!(reason.starts_with(check), "caught by {reason}");
            return;
        }
        panic!("the bug found no victim in {HUNT} calls");
    });
}

/// `delegate` adds to a lot that has earned, instead of a lot that earns from now on.
fn skipped_settle(world: &mut World) -> bool {
    let amount = 10 * UNIT;
    let victim = world.delegations.iter().find(|(venue, operator, who)| {
        // One lot, so that what is claimable is what it has earned.
        let row = ArenaDelegation::delegation(*venue, operator, who);
        row.is_some_and(|row| row.lots.len() == 1 && row.lots[0].until.is_none())
            && ArenaDelegation::claimable(*venue, operator, who) > UNIT / 100
            && *venue != Venue::Network
            && !AllVenues::ended(*venue)
            && Balances::free_balance(who) > 2 * amount
    });
    let Some((venue, operator, who)) = victim.cloned() else {
        return false;
    };
    let call = pallet_arena_delegation::Call::delegate {
        venue,
        operator: operator.clone(),
        amount,
    };
    let sent = RuntimeCall::from(call).dispatch(RuntimeOrigin::signed(who.clone()));
    if sent.is_err() {
        return false;
    }
    Delegations::<Runtime>::mutate((venue, operator), who, |row| {
        let lots = &mut row.as_mut().expect("was just written").lots;
        let newest = lots.iter().rposition(|lot| lot.until.is_none());
        let oldest = lots.iter().position(|lot| lot.until.is_none());
        let (Some(newest), Some(oldest)) = (newest, oldest) else {
            return false;
        };
        lots[newest].shares -= amount;
        lots[oldest].shares += amount;
        let merged = newest != oldest;
        lots.retain(|lot| lot.shares > 0);
        merged
    })
}

/// The first page of a settlement is paid once more, out of what was drawn for all.
fn page_paid_twice(_: &mut World) -> bool {
    let closed = ArenaTasks::closed_rounds();
    let victim = closed.iter().find_map(|info| {
        let revealing = info.schedule.phase(now()) == RoundPhase::Reveal;
        let (task, round) = (info.task, info.round);
        let mut reveals = pallet_arena_scoring::Reveals::<Runtime>::iter_key_prefix((task, round));
        let payee = reveals.next().filter(|_| revealing)?;
        let counted = ArenaStaking::counted(Venue::Task(task), &payee, round)?;
        Some((task, round, counted))
    });
    let Some((task, round, counted)) = victim else {
        return false;
    };
    let drawn = <ArenaRewards as TaskRewards>::draw(task, ArenaRewards::due(task, 3));
    if drawn < UNIT {
        return false;
    }
    let page = drawn / 2;
    <ArenaRewards as TaskRewards>::pay(task, round, &counted, page).expect("was drawn");
    <ArenaRewards as TaskRewards>::to_treasury(drawn - page);
    true
}

/// A slash takes stake off its hold, and the credit is dropped with no note in the books.
fn dropped_credit_of_stake(world: &mut World) -> bool {
    let Some((_, who)) = world
        .positions
        .iter()
        .find(|(venue, who)| ArenaStaking::position(*venue, who).is_some_and(|p| p.own > 2 * UNIT))
    else {
        return false;
    };
    let reason = pallet_arena_staking::HoldReason::Stake.into();
    let (credit, short) = <Balances as BalancedHold<_>>::slash(&reason, who, UNIT);
    drop(credit);
    short == 0
}

/// What rewards took out of its account for the treasury never gets there.
fn dropped_credit_of_rewards(_: &mut World) -> bool {
    let burned = Balances::burn_from(
        &ArenaRewards::account(),
        UNIT,
        Preservation::Preserve,
        Precision::Exact,
        Fortitude::Force,
    );
    burned.is_ok()
}

/// A change of stake is recorded for the open round instead of the next one.
fn round_off_by_one(world: &mut World) -> bool {
    let victim = world.positions.iter().find_map(|(venue, who)| {
        let round = AllVenues::current_round(*venue).filter(|_| !AllVenues::ended(*venue))?;
        let mut position = ArenaStaking::position(*venue, who)?;
        let (from, last) = *position.history.last()?;
        let open = position.snapshot_at(round).unwrap_or_default();
        if from != round + 1 || last.own == open.own {
            return None;
        }
        position.history.pop();
        position.record(round);
        Some((*venue, who.clone(), position))
    });
    let Some((venue, who, position)) = victim else {
        return false;
    };
    pallet_arena_staking::Positions::<Runtime>::insert(venue, who, position);
    true
}

/// A slash says that it took a chunk that unbonds, and leaves it where it is.
fn unslashed_unbonding(world: &mut World) -> bool {
    let victim = world.people.iter().find_map(|who| {
        let chunks = pallet_arena_staking::Unbonding::<Runtime>::get(who);
        let chunk = chunks.iter().find(|chunk| !AllVenues::ended(chunk.venue))?;
        Some((who.clone(), *chunk))
    });
    let Some((operator, chunk)) = victim else {
        return false;
    };
    // What works is taken, as it should be: all of it, since the fault asks for more.
    let own = ArenaStaking::position(chunk.venue, &operator).map_or(0, |p| p.own);
    let taken = ArenaStaking::slash_own(chunk.venue, &operator, own);
    let claimed = pallet_arena_staking::Event::Slashed {
        venue: chunk.venue,
        operator,
        amount: chunk.amount,
        paid: 0,
    };
    System::deposit_event(claimed);
    taken == own
}

#[test]
fn a_skipped_settle_should_be_caught() {
    should_be_caught(skipped_settle, "delegators_can_claim_what_is_owed");
}

#[test]
fn a_page_paid_twice_should_be_caught() {
    should_be_caught(page_paid_twice, "payouts_are_the_result");
}

#[test]
fn a_dropped_credit_of_stake_should_be_caught() {
    should_be_caught(dropped_credit_of_stake, "issuance");
}

#[test]
fn a_dropped_credit_of_rewards_should_be_caught() {
    should_be_caught(dropped_credit_of_rewards, "issuance");
}

#[test]
fn a_round_off_by_one_should_be_caught() {
    should_be_caught(round_off_by_one, "rounds_count_what_was_there");
}

#[test]
fn an_unslashed_unbonding_should_be_caught() {
    should_be_caught(unslashed_unbonding, "slashes_are_burned");
}
