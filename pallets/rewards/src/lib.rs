#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::float_arithmetic
    )
)]

extern crate alloc;

pub mod actions;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod forfeit;
pub mod glue;
pub mod invariants;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use glue::{BurnSlashed, DealWithFees};
pub use pallet::*;
pub use types::{
    Books, Earnings, EmissionFlow, EmissionRate, Frees, LOCKED_ROUNDS, MAX_RECENT, Recent,
    TaskEmission,
};
pub use weights::{SubstrateWeight, WeightInfo};

/// Target of the log.
pub(crate) const LOG: &str = "arena::rewards";

// What the macros generate has no docs of its own.
#[allow(missing_docs, reason = "the pallet macros generate undocumented items")]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use arena_primitives::{
        AccountId, Balance, Hash, Round, TaskId, Venue,
        traits::{Cases, Clock, Stakes, Venues},
    };
    use frame_support::{
        PalletId,
        pallet_prelude::*,
        traits::{
            OnUnbalanced,
            fungible::{self, Inspect as _, Mutate as _},
        },
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::Perbill;

    /// The version of what is stored.
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId, Hash = Hash> {
        /// The token.
        type Currency: fungible::Inspect<AccountId, Balance = Balance>
            + fungible::Mutate<AccountId>
            + fungible::Balanced<AccountId>;
        /// Whose account holds rewards.
        type PalletId: Get<PalletId>;
        /// Takes the treasury's part.
        type Treasury: OnUnbalanced<fungible::Credit<AccountId, Self::Currency>>;
        /// Time.
        type Clock: Clock;
        /// Positions of authors.
        type Stakes: Stakes;
        /// Sessions.
        type Venues: Venues;
        /// Cases against positions.
        type Cases: Cases;
        /// What calls weigh.
        type WeightInfo: WeightInfo;
        /// Brings the neighbours where benchmarks need them.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper;
    }

    /// How much is minted. Genesis inserts it.
    #[pallet::storage]
    pub type Rate<T> = StorageValue<_, EmissionRate, ValueQuery>;

    /// Emission per unit of counted stake. Moved whenever counted stake changes and whenever a
    /// task draws.
    #[pallet::storage]
    pub type Flow<T> = StorageValue<_, EmissionFlow, ValueQuery>;

    /// What each task may draw. `open` inserts, `release` removes; as many as there are active
    /// tasks.
    #[pallet::storage]
    pub type Tasks<T> = StorageMap<_, Twox64Concat, TaskId, TaskEmission, OptionQuery>;

    /// What each position has earned. The first pay inserts; forfeit removes, and the claim that
    /// takes the last of a task that was released.
    #[pallet::storage]
    pub type Earned<T> =
        StorageDoubleMap<_, Twox64Concat, Venue, Blake2_128Concat, AccountId, Earnings, ValueQuery>;

    /// A position's accumulator after a round that paid its delegators. A pay inserts. Not
    /// removed: delegators claim when they like, from the value of the round in which they came.
    #[pallet::storage]
    pub type AccAt<T> = StorageNMap<
        _,
        (
            NMapKey<Twox64Concat, Venue>,
            NMapKey<Blake2_128Concat, AccountId>,
            NMapKey<Twox64Concat, Round>,
        ),
        u128,
        OptionQuery,
    >;

    /// Venues whose rewards are free. `release` inserts; not removed, since claims come when
    /// they like.
    #[pallet::storage]
    pub type Released<T> = StorageMap<_, Twox64Concat, Venue, (), OptionQuery>;

    /// Positions whose rewards were taken. `forfeit` inserts; not removed.
    #[pallet::storage]
    pub type Forfeited<T> =
        StorageDoubleMap<_, Twox64Concat, Venue, Blake2_128Concat, AccountId, (), OptionQuery>;

    /// Sums since genesis.
    #[pallet::storage]
    pub type Totals<T> = StorageValue<_, Books, ValueQuery>;

    /// What genesis sets.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// Emission in a day.
        pub emission_per_day: Balance,
        /// Authors' part of it.
        pub network_share: Perbill,
        /// Nothing.
        #[serde(skip)]
        pub _config: core::marker::PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            let EmissionRate {
                per_day,
                network_share,
            } = EmissionRate::default();
            GenesisConfig {
                emission_per_day: per_day,
                network_share,
                _config: Default::default(),
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        #[allow(clippy::panic, reason = "genesis alone: nothing runs yet")]
        fn build(&self) {
            Rate::<T>::put(EmissionRate {
                per_day: self.emission_per_day,
                network_share: self.network_share,
            });
            // The account lives on one existential deposit of its own, so that it can hold any
            // amount and pay out all of it.
            let account = Pallet::<T>::account();
            let missing =
                T::Currency::minimum_balance().saturating_sub(T::Currency::balance(&account));
            if missing > 0
                && let Err(reason) = T::Currency::mint_into(&account, missing)
            {
                panic!("genesis of rewards: no account for rewards: {reason:?}");
            }
        }
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A task drew for a round.
        Drawn {
            task: TaskId,
            minted: Balance,
            bounty: Balance,
        },
        /// A task let lapse what it could draw.
        Lapsed { task: TaskId },
        /// A position earned.
        Earned {
            venue: Venue,
            round: Round,
            operator: AccountId,
            to_operator: Balance,
            to_delegators: Balance,
        },
        /// A part of a draw that nobody earned went to the treasury.
        SentToTreasury { amount: Balance },
        /// Somebody added to a task's bounty.
        ToppedUp {
            task: TaskId,
            who: AccountId,
            amount: Balance,
        },
        /// A task's rewards are free; what was left of its bounty went back.
        Released {
            task: TaskId,
            creator: AccountId,
            returned: Balance,
        },
        /// A position's rewards were taken: some of them were paid to those whom a case names,
        /// the rest was burned.
        Forfeited {
            task: TaskId,
            operator: AccountId,
            burned: Balance,
            paid: Balance,
        },
        /// An operator was paid.
        Claimed {
            venue: Venue,
            operator: AccountId,
            amount: Balance,
        },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// An amount of 0. Name one.
        ZeroAmount,
        /// No such task, or it has ended. Look at the list of tasks.
        UnknownTask,
        /// The rewards are locked: a trainer's until the task has ended, a validator's until two
        /// more rounds are settled, and both while a case is open against them. Wait.
        RewardsLocked,
        /// A challenge took the rewards. There is nothing to claim.
        RewardsForfeited,
        /// Nothing is owed. Wait for the next round.
        NothingToClaim,
        /// More is to be paid than was drawn. A settlement pays no more than its draw.
        NotDrawn,
        /// More is to be paid than the position's delegators are owed. Report it.
        NotOwed,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            crate::invariants::check::<T>()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Pays the signer what it has earned as an operator of a venue.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(origin: OriginFor<T>, venue: Venue) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_claim(venue, operator)
        }

        /// Pays an operator what it has earned. By anybody.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::claim_for())]
        pub fn claim_for(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_claim(venue, operator)
        }
    }
}
