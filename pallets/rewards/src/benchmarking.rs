//! What is measured of this pallet. The documentation of a benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

use crate::*;
use arena_primitives::{
    AccountId, Balance, Role, StakeSnapshot, TaskId, UNIT, Venue,
    traits::{Counted, Due, TaskRewards},
};
use frame_benchmarking::v2::*;
use frame_system::RawOrigin;
use pallet_authorship::EventHandler;
use sp_runtime::Perbill;

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// A task that goes on and has settled many rounds.
    fn long_task() -> TaskId;
    /// An author whose position the open session counts with own and delegated stake.
    fn author() -> AccountId;
}

/// For tests, which run no benchmarks.
impl BenchmarkHelper for () {
    fn long_task() -> TaskId {
        0
    }
    fn author() -> AccountId {
        AccountId::new([0; 32])
    }
}

const PAY: Balance = 100 * UNIT;

fn counted(operator: &AccountId, role: Role) -> Counted {
    Counted {
        operator: operator.clone(),
        role,
        stake: StakeSnapshot {
            own: 1_000 * UNIT,
            delegated: 1_000 * UNIT,
            shares: 1_000 * UNIT,
        },
        commission: Perbill::from_percent(10),
    }
}

/// A validator that three rounds of a task have paid, and its venue: of what it earned, the
/// earliest is free.
fn earner<T: Config>() -> (Venue, AccountId) {
    let task = T::BenchmarkHelper::long_task();
    let operator: AccountId = account("operator", 0, 0);
    let counted = counted(&operator, Role::Validator);
    Pallet::<T>::open(task, Perbill::one());
    for round in 1..=3 {
        let due = Due {
            emission: PAY,
            bounty: 0,
        };
        assert_eq!(<Pallet<T> as TaskRewards>::draw(task, due), PAY);
        let paid = <Pallet<T> as TaskRewards>::pay(task, round, &counted, PAY);
        assert!(paid.is_ok());
    }
    (Venue::Task(task), operator)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `claim` of a validator of a task that goes on.
    #[benchmark]
    fn claim() {
        let (venue, operator) = earner::<T>();
        let before = Pallet::<T>::earned(venue, &operator).operator_owed;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), venue);

        assert!(Pallet::<T>::earned(venue, &operator).operator_owed < before);
    }

    /// `claim_for` of a validator of a task that goes on.
    #[benchmark]
    fn claim_for() {
        let (venue, operator) = earner::<T>();
        let before = Pallet::<T>::earned(venue, &operator).operator_owed;
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), venue, operator.clone());

        assert!(Pallet::<T>::earned(venue, &operator).operator_owed < before);
    }

    /// An author's pay, once a block.
    #[benchmark]
    fn note_author() {
        let author = T::BenchmarkHelper::author();

        #[block]
        {
            <Pallet<T> as EventHandler<_, _>>::note_author(author.clone());
        }

        let earned = Pallet::<T>::earned(Venue::Network, &author);
        assert!(earned.operator_owed > 0);
        assert!(earned.delegators_owed > 0);
    }
}
