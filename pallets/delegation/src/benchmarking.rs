//! What is measured of this pallet. The documentation of a benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

use crate::{
    types::{Chunks, Exits, MAX_CHUNKS, MAX_EXITS, MAX_LOTS, PoolId},
    *,
};
use arena_primitives::{AccountId, Balance, BlockNumber, Round, UNIT, Venue};
use frame_benchmarking::v2::*;
use frame_support::{
    BoundedVec,
    traits::fungible::hold::{Inspect as _, Mutate as _},
};
use frame_system::{Pallet as System, RawOrigin};
use sp_runtime::Perbill;

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// An account with enough for any stake.
    fn fund(who: &AccountId);
    /// An author with a position that takes delegations.
    fn operator() -> AccountId;
    /// This is the round that is open in `Network`; those before are settled.
    fn open(round: Round);
    /// A slash takes `fraction` of what is delegated to an author.
    fn slash(operator: &AccountId, fraction: Perbill);
    /// An author's delegators earn one unit on each share, and more than enough is there to pay.
    fn earn(operator: &AccountId);
}

/// For tests, which run no benchmarks.
impl BenchmarkHelper for () {
    fn fund(_: &AccountId) {}
    fn operator() -> AccountId {
        AccountId::new([0; 32])
    }
    fn open(_: Round) {}
    fn slash(_: &AccountId, _: Perbill) {}
    fn earn(_: &AccountId) {}
}

type Helper<T> = <T as Config>::BenchmarkHelper;

const VENUE: Venue = Venue::Network;
const STAKE: Balance = 1_000 * UNIT;
const FOREVER: BlockNumber = BlockNumber::MAX;

fn mark(round: Round) -> Mark {
    Mark::After { round, seen: 0 }
}

fn funded<T: Config>(name: &'static str) -> AccountId {
    let who = account(name, 0, 0);
    Helper::<T>::fund(&who);
    who
}

/// A delegation of so many lots, all but one of them ended in rounds that moved no accumulator,
/// of which a slash took a half that is not cut yet.
fn slashed<T: Config>(lots: u32) -> (AccountId, AccountId) {
    let (operator, who) = (Helper::<T>::operator(), funded::<T>("delegator"));
    let delegated = Pallet::<T>::do_delegate(VENUE, operator.clone(), who.clone(), STAKE);
    assert!(delegated.is_ok(), "{delegated:?}");
    Delegations::<T>::mutate((VENUE, &operator), &who, |row| {
        if let Some(delegation) = row {
            let ended = (1..lots).map(|n| Lot {
                shares: UNIT,
                from: mark(n * 4),
                until: Some(mark(n * 4 + 2)),
            });
            let all = ended.chain(delegation.lots.clone()).collect();
            delegation.lots = BoundedVec::truncate_from(all);
        }
    });
    Helper::<T>::open(1_000);
    Helper::<T>::slash(&operator, Perbill::from_percent(50));
    (operator, who)
}

/// Pools of a position that can still be slashed, each with one point of stake in it.
fn pools<T: Config>(operator: &AccountId, first: PoolId, count: u32) {
    let exits = (0..count).map(|n| {
        let id = first + PoolId::from(n);
        let mut pool = ExitPool::new(VENUE, operator.clone(), n);
        pool.points = UNIT;
        pool.amount = UNIT / 2;
        ExitPools::<T>::insert(id, pool);
        Exit {
            pool: id,
            round: n,
            until: FOREVER,
        }
    });
    let exits = Exits::truncate_from(exits.collect());
    LiveExits::<T>::insert((VENUE, operator), exits);
    NextPool::<T>::put(first + PoolId::from(count));
}

fn chunk(pool: PoolId, until: BlockNumber) -> UnbondingChunk {
    UnbondingChunk {
        pool,
        points: UNIT,
        until,
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `delegate`, with a cut, to as many lots as there can be.
    #[benchmark]
    fn delegate() {
        let (operator, who) = slashed::<T>(MAX_LOTS - 1);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(who.clone()),
            VENUE,
            operator.clone(),
            STAKE,
        );

        let delegation = Pallet::<T>::delegation(VENUE, &operator, &who).expect("is there");
        assert_eq!(delegation.lots.len() as u32, MAX_LOTS);
        assert!(delegation.held < 2 * STAKE);
    }

    /// `undelegate`, with a cut, of as many lots, beside as many live pools and chunks as there
    /// can be.
    #[benchmark]
    fn undelegate() {
        let (operator, who) = slashed::<T>(MAX_LOTS - 1);
        pools::<T>(&operator, 0, MAX_EXITS - 1);
        let chunks = (0..MAX_CHUNKS - 1).map(|n| chunk(PoolId::from(n), FOREVER));
        Unbonding::<T>::insert(&who, Chunks::truncate_from(chunks.collect()));

        #[extrinsic_call]
        _(
            RawOrigin::Signed(who.clone()),
            VENUE,
            operator.clone(),
            STAKE / 4,
        );

        assert_eq!(Unbonding::<T>::get(&who).len() as u32, MAX_CHUNKS);
        assert_eq!(
            LiveExits::<T>::get((VENUE, operator)).len() as u32,
            MAX_EXITS
        );
    }

    /// `withdraw` of an account with `c` chunks that unbond, each the last of its pool, of a
    /// position with as many live pools as there can be, less what slashes took.
    #[benchmark]
    fn withdraw(c: Linear<1, MAX_CHUNKS>) {
        let who = funded::<T>("delegator");
        let mut chunks = Chunks::default();
        for n in 0..c {
            let first = PoolId::from(n * MAX_EXITS);
            pools::<T>(&account("operator", n, 0), first, 1);
            // Others' pools, which are only listed.
            LiveExits::<T>::mutate((VENUE, account::<AccountId>("operator", n, 0)), |exits| {
                let more = (1..MAX_EXITS).map(|m| Exit {
                    pool: first + PoolId::from(m),
                    round: m,
                    until: FOREVER,
                });
                let all = exits.iter().copied().chain(more).collect();
                *exits = Exits::truncate_from(all);
            });
            chunks.force_push(chunk(first, 0));
        }
        Unbonding::<T>::insert(&who, chunks);
        let held = UNIT * Balance::from(c);
        let reason = HoldReason::Unbonding.into();
        assert!(T::Currency::hold(&reason, &who, held).is_ok());
        System::<T>::set_block_number(1u32.into());

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert_eq!(T::Currency::balance_on_hold(&reason, &who), 0);
        assert!(Unbonding::<T>::get(&who).is_empty());
    }

    /// `claim` and `claim_for` of `l` lots, with a cut.
    #[benchmark]
    fn claim(l: Linear<1, MAX_LOTS>) {
        let (operator, who) = slashed::<T>(l);
        Helper::<T>::earn(&operator);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), VENUE, operator.clone());

        let delegation = Pallet::<T>::delegation(VENUE, &operator, &who).expect("is there");
        assert_eq!(delegation.lots.len(), 1);
        assert_eq!(Pallet::<T>::claimable(VENUE, &operator, &who), 0);
    }

    /// `apply_slash` that leaves nothing of as many lots as there can be.
    #[benchmark]
    fn apply_slash() {
        let (operator, who) = slashed::<T>(MAX_LOTS);
        Helper::<T>::slash(&operator, Perbill::one());
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        _(
            RawOrigin::Signed(caller),
            VENUE,
            operator.clone(),
            who.clone(),
        );

        let reason = HoldReason::Delegation.into();
        assert_eq!(T::Currency::balance_on_hold(&reason, &who), 0);
    }

    /// A slash of what leaves a position with `e` live pools; for the caller of `LeavingStake`.
    #[benchmark]
    fn slash_leaving(e: Linear<1, MAX_EXITS>) {
        let operator: AccountId = account("operator", 0, 0);
        pools::<T>(&operator, 0, e);
        let taken;

        #[block]
        {
            taken = Pallet::<T>::do_slash_leaving(VENUE, &operator, 0, Perbill::from_percent(10));
        }

        assert!(taken > 0);
    }
}
