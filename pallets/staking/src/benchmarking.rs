//! What is measured of this pallet: its calls, and what hooks and offences make it do. The
//! documentation of a benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

use crate::{types::*, *};
use alloc::{vec, vec::Vec};
use arena_primitives::{
    AccountId, Balance, BlockNumber, MAX_VALIDATORS, Role, Round, UNIT, Venue,
    hash::{Domain, preimage},
    traits::Stakes,
};
use frame_benchmarking::v2::*;
use frame_support::{
    BoundedVec,
    traits::{EnsureOrigin, fungible::hold::Mutate as _},
};
use frame_system::{Pallet as System, RawOrigin};
use pallet_authorship::EventHandler;
use sp_core::crypto::KeyTypeId;
use sp_runtime::Perbill;
use sp_staking::offence::{OffenceDetails, OnOffenceHandler};

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// An account with enough for any stake.
    fn fund(who: &AccountId);
    /// Registers session keys.
    fn register_keys(who: &AccountId, n: u32);
    /// This is the session now.
    fn open(session: Round);
    /// An author of the current session.
    fn author() -> AccountId;
    /// So many pools of what leaves an author's position, all of them within reach of a slash.
    fn leave(operator: &AccountId, pools: u32);
}

/// For tests, which run no benchmarks.
impl BenchmarkHelper for () {
    fn fund(_: &AccountId) {}
    fn register_keys(_: &AccountId, _: u32) {}
    fn open(_: Round) {}
    fn author() -> AccountId {
        AccountId::new([0; 32])
    }
    fn leave(_: &AccountId, _: u32) {}
}

type Helper<T> = <T as Config>::BenchmarkHelper;

const VENUE: Venue = Venue::Network;
const OWN: Balance = 20_000 * UNIT;
const FOREVER: BlockNumber = BlockNumber::MAX;
/// Most pools of what leaves one position.
const POOLS: u32 = 512;

fn funded<T: Config>(name: &'static str) -> AccountId {
    let who = account(name, 0, 0);
    Helper::<T>::fund(&who);
    who
}

/// A position with a seat, and a history as long as it can be.
fn seated(own: Balance) -> Position {
    let mut position = Position::new(Role::Validator, 1);
    position.seat = Seat::Taken;
    for round in 1..=MAX_HISTORY {
        position.own = own.saturating_add(Balance::from(round));
        position.record(round);
    }
    position.delegated = own;
    position.shares = own;
    position.record(MAX_HISTORY);
    position
}

/// The list of authors: `who`, and others up to `count`, as many of them with a seat and session
/// keys as there are seats, the others, but for one, counted by a live session.
fn list<T: Config>(who: &[AccountId], count: u32) {
    let seats = count.min(MAX_VALIDATORS);
    Limits::<T>::mutate(|limits| {
        limits.seats_authors = seats;
        limits.min_authors = 1;
    });
    Helper::<T>::open(MAX_HISTORY);
    let missing = count.saturating_sub(who.len() as u32);
    let mut all: Vec<AccountId> = who.to_vec();
    for n in 0..missing {
        let other: AccountId = account("author", n, 0);
        let mut position = seated(OWN);
        if n < seats {
            Helper::<T>::register_keys(&other, n);
        } else if n + 1 < missing {
            position.seat = Seat::Displaced;
        } else {
            // One that nobody counts any more makes room for who comes.
            position = Position::new(Role::Validator, 1);
            position.record(0);
        }
        Positions::<T>::insert(VENUE, &other, position);
        all.push(other);
    }
    all.sort();
    Roster::<T>::insert(VENUE, Role::Validator, Operators::truncate_from(all));
}

/// An author with real stake, a seat and session keys.
fn staked<T: Config>() -> AccountId {
    let who = funded::<T>("operator");
    Helper::<T>::register_keys(&who, u32::MAX);
    let staked = Pallet::<T>::do_stake(VENUE, who.clone(), Role::Validator, OWN);
    assert!(staked.is_ok(), "{staked:?}");
    who
}

/// Amounts that unbond, one for each venue, in all of which a large list of operators is kept.
fn unbond<T: Config>(who: &AccountId, count: u32, venue: impl Fn(u32) -> Venue) {
    let chunks = (0..count).map(|n| UnbondingChunk {
        venue: venue(n),
        amount: UNIT,
        until: FOREVER,
    });
    Unbonding::<T>::insert(who, Chunks::truncate_from(chunks.collect()));
    let amount = UNIT * Balance::from(count);
    let held = T::Currency::hold(&HoldReason::Unbonding.into(), who, amount);
    assert!(held.is_ok(), "{held:?}");
}

/// So many slashes of `who` that are pending, the first of them due in block `due`.
fn pend<T: Config>(who: &AccountId, count: u32, due: BlockNumber) {
    for n in 0..count {
        let slash = PendingSlash {
            operator: who.clone(),
            session: n,
            fraction: Perbill::from_percent(10),
            own: 2 * UNIT,
            delegated: Perbill::from_percent(10),
            due,
        };
        PendingSlashes::<T>::insert(n, slash);
        let fault = Fault {
            at_stake: OWN,
            applied: Perbill::zero(),
            fraction: Perbill::from_percent(10),
            slash: Some(n),
        };
        Faults::<T>::insert(n, who, fault);
    }
    PendingOf::<T>::insert(who, BoundedVec::truncate_from((0..count).collect()));
    SlashQueue::<T>::put(Queue {
        first: 0,
        end: count,
    });
}

/// An operator with a service key that acts from block `from` on, and one before it.
fn keyed<T: Config>(from: BlockNumber) -> AccountId {
    let who = funded::<T>("operator");
    let (key, previous): (AccountId, AccountId) = (account("key", 1, 0), account("key", 0, 0));
    for key in [&key, &previous] {
        System::<T>::inc_sufficients(key);
        OperatorOf::<T>::insert(key, &who);
    }
    let record = KeyRecord {
        key,
        from,
        previous: Some(previous),
    };
    ServiceKey::<T>::insert(&who, record);
    who
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `stake`, into a position that is new and takes the smallest's seat; `r` operators of the
    /// role are looked at.
    #[benchmark]
    fn stake(r: Linear<1, MAX_ROSTER>) {
        list::<T>(&[], r);
        let who = funded::<T>("operator");
        Helper::<T>::register_keys(&who, u32::MAX);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(who.clone()),
            VENUE,
            Role::Validator,
            OWN * 2,
        );

        assert!(Pallet::<T>::position(VENUE, &who).is_some_and(|p| p.is_seated()));
    }

    /// `decrease` of all own stake; `r` operators of `Network` are looked at.
    #[benchmark]
    fn decrease(r: Linear<2, MAX_ROSTER>) {
        let who = staked::<T>();
        list::<T>(core::slice::from_ref(&who), r);
        unbond::<T>(&who, MAX_CHUNKS - 1, Venue::Task);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), VENUE, OWN);

        assert_eq!(Unbonding::<T>::get(&who).len() as u32, MAX_CHUNKS);
    }

    /// `withdraw` with `c` chunks that unbonded in venues that ended, each the last of a position
    /// among as many operators as there can be, and as many slashes pending as there can be.
    #[benchmark]
    fn withdraw(c: Linear<1, MAX_CHUNKS>) {
        let who = funded::<T>("operator");
        let mut listed: Vec<AccountId> = (1..MAX_ROSTER).map(|n| account("other", n, 0)).collect();
        listed.push(who.clone());
        listed.sort();
        let listed = Operators::truncate_from(listed);
        for n in 0..c {
            let venue = Venue::Task(n);
            let mut position = seated(OWN);
            position.own = 0;
            position.delegated = 0;
            position.shares = 0;
            position.seat = Seat::Left;
            Positions::<T>::insert(venue, &who, position);
            Roster::<T>::insert(venue, Role::Validator, &listed);
        }
        unbond::<T>(&who, c, Venue::Task);
        pend::<T>(&who, MAX_PENDING, FOREVER);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(Unbonding::<T>::get(&who).is_empty());
        assert!(Pallet::<T>::position(Venue::Task(0), &who).is_none());
    }

    /// `set_commission`.
    #[benchmark]
    fn set_commission() {
        let who = staked::<T>();
        Positions::<T>::insert(VENUE, &who, seated(OWN));
        let commission = Perbill::from_percent(10);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), VENUE, commission);

        let position = Pallet::<T>::position(VENUE, &who).expect("is there");
        assert!(position.pending_commission.is_some());
    }

    /// `set_service_key`, including one signature, where a key and one before it are replaced.
    #[benchmark]
    fn set_service_key() -> Result<(), BenchmarkError> {
        let who = keyed::<T>(0);
        let id = KeyTypeId(*b"aren");
        let public = sp_io::crypto::sr25519_generate(id, None);
        let message = preimage(Domain::ServiceKeyProof, &who);
        let proof = sp_io::crypto::sr25519_sign(id, &public, &message)
            .ok_or(BenchmarkError::Stop("the keystore signs nothing"))?;
        let key = AccountId::new(public.0);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), key.clone(), proof);

        assert_eq!(OperatorOf::<T>::get(key), Some(who));
        Ok(())
    }

    /// `clear_service_key`, with one before it.
    #[benchmark]
    fn clear_service_key() {
        let who = keyed::<T>(FOREVER);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(ServiceKey::<T>::get(who).is_none());
    }

    /// `reap`, of one of as many operators as there can be.
    #[benchmark]
    fn reap() {
        let who = funded::<T>("operator");
        list::<T>(core::slice::from_ref(&who), MAX_ROSTER);
        let mut position = Position::new(Role::Validator, 1);
        position.record(0);
        Positions::<T>::insert(VENUE, &who, position);
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), VENUE, who.clone());

        assert!(Pallet::<T>::position(VENUE, &who).is_none());
    }

    /// `take_seat`, the smallest's; `r` operators of the role are looked at.
    #[benchmark]
    fn take_seat(r: Linear<2, MAX_ROSTER>) {
        let who = funded::<T>("operator");
        Helper::<T>::register_keys(&who, u32::MAX);
        list::<T>(&[], r);
        let mut position = seated(OWN * 2);
        position.seat = Seat::Displaced;
        Positions::<T>::insert(VENUE, &who, position);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), VENUE);

        assert!(Pallet::<T>::position(VENUE, &who).is_some_and(|p| p.is_seated()));
    }

    /// `cancel_slash`, of an operator with as many as there can be.
    #[benchmark]
    fn cancel_slash() -> Result<(), BenchmarkError> {
        let who = funded::<T>("operator");
        pend::<T>(&who, MAX_PENDING, FOREVER);
        let origin = T::CancelOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin cancels"))?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, 0);

        assert!(!PendingSlashes::<T>::contains_key(0));
        Ok(())
    }

    /// One offender of an offence; `r` operators of `Network` are looked at.
    #[benchmark]
    fn on_offence(r: Linear<2, MAX_ROSTER>) {
        let who = Helper::<T>::author();
        Helper::<T>::fund(&who);
        Positions::<T>::insert(VENUE, &who, seated(OWN));
        list::<T>(core::slice::from_ref(&who), r);
        unbond::<T>(&who, MAX_CHUNKS, |_| VENUE);
        pend::<T>(&who, MAX_PENDING - 1, FOREVER);
        let offence = vec![OffenceDetails {
            offender: (who.clone(), ()),
            reporters: Vec::new(),
        }];
        let session = MAX_PENDING;
        Helper::<T>::open(session);

        #[block]
        {
            let fractions = [Perbill::from_percent(20)];
            <Pallet<T> as OnOffenceHandler<AccountId, (AccountId, ()), _>>::on_offence(
                &offence, &fractions, session,
            );
        }

        assert!(PendingSlashes::<T>::contains_key(MAX_PENDING - 1));
        assert!(Pallet::<T>::position(VENUE, &who).is_some_and(|p| !p.is_seated()));
    }

    /// A block's author is counted.
    #[benchmark]
    fn note_author() {
        let who: AccountId = account("author", 0, 0);

        #[block]
        {
            <Pallet<T> as EventHandler<_, _>>::note_author(who.clone());
        }

        assert_eq!(Watches::<T>::get(who).session, 1);
    }

    /// The hook looks at one slash, or at nothing.
    #[benchmark]
    fn step_look() {
        let who: AccountId = account("author", 0, 0);
        pend::<T>(&who, 1, FOREVER);

        #[block]
        {
            Pallet::<T>::tick(1);
        }

        assert!(PendingSlashes::<T>::contains_key(0));
    }

    /// The hook applies one slash, to stake that works and stake that leaves.
    #[benchmark]
    fn step_apply() {
        let who = staked::<T>();
        list::<T>(core::slice::from_ref(&who), MAX_ROSTER);
        Positions::<T>::mutate(VENUE, &who, |row| {
            if let Some(position) = row {
                // Less than the slash takes, so that it takes of what leaves.
                let own = UNIT;
                *position = seated(OWN);
                position.own = own;
            }
        });
        unbond::<T>(&who, MAX_CHUNKS, |_| VENUE);
        Helper::<T>::leave(&who, POOLS);
        pend::<T>(&who, MAX_PENDING, 1);

        #[block]
        {
            Pallet::<T>::apply(0);
        }

        assert!(!PendingSlashes::<T>::contains_key(0));
        let left = Pallet::<T>::counted(VENUE, &who, MAX_HISTORY + 1);
        assert!(left.is_none_or(|counted| counted.stake.own == 0));
    }
}
