#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod actions;
pub mod invariants;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::{Delegation, Lot, Mark, UnbondingChunk};
pub use weights::{SubstrateWeight, WeightInfo};

// What the macros generate has no docs of its own.
#[allow(missing_docs, reason = "the pallet macros generate undocumented items")]
#[frame_support::pallet]
pub mod pallet {
    use super::{types::Chunks, *};
    use arena_primitives::{
        AccountId, Balance, BlockNumber, Hash, Venue,
        traits::{Clock, DelegatedStake, DelegatorRewards, Stakes, Venues},
    };
    use frame_support::{pallet_prelude::*, traits::fungible};
    use frame_system::pallet_prelude::*;

    /// The version of what is stored.
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId, Hash = Hash> {
        /// The token.
        type Currency: fungible::Inspect<AccountId, Balance = Balance>
            + fungible::hold::Inspect<AccountId, Reason = Self::RuntimeHoldReason>
            + fungible::hold::Mutate<AccountId>;
        /// The runtime's hold reasons.
        type RuntimeHoldReason: From<HoldReason>;
        /// Totals of positions.
        type Positions: DelegatedStake;
        /// Own stake of positions.
        type Stakes: Stakes;
        /// Where stake can work.
        type Venues: Venues;
        /// What positions have earned for their delegators.
        type Rewards: DelegatorRewards;
        /// Time.
        type Clock: Clock;
        /// Least stake of one delegator in one position.
        type MinDelegation: Get<Balance>;
        /// How long delegated stake unbonds.
        type UnbondingMinutes: Get<u32>;
        /// What calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// Why stake is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// It stands behind an operator.
        Delegation,
        /// It leaves one.
        Unbonding,
    }

    /// What an account has in a position. `delegate` inserts; `claim` removes, when nothing is
    /// delegated and nothing to come. Nothing but the invariants walks over delegators.
    #[pallet::storage]
    pub type Delegations<T> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        (Venue, AccountId),
        Blake2_128Concat,
        AccountId,
        Delegation,
        OptionQuery,
    >;

    /// What of an account unbonds. `undelegate` inserts, `withdraw` removes.
    #[pallet::storage]
    pub type Unbonding<T> = StorageMap<_, Blake2_128Concat, AccountId, Chunks, ValueQuery>;

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Stake stands behind an operator; it counts and earns from the next round.
        Delegated {
            venue: Venue,
            operator: AccountId,
            who: AccountId,
            amount: Balance,
        },
        /// Stake left an operator: it earns up to the open round, and can be withdrawn from
        /// block `until`, or is free already.
        Undelegated {
            venue: Venue,
            operator: AccountId,
            who: AccountId,
            amount: Balance,
            until: Option<BlockNumber>,
        },
        /// Stake that had unbonded is free.
        Withdrawn { who: AccountId, amount: Balance },
        /// Rewards were paid; 0 where a challenge took them.
        Claimed {
            venue: Venue,
            operator: AccountId,
            who: AccountId,
            amount: Balance,
        },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// An amount of 0. Name one.
        ZeroAmount,
        /// Operators stake for themselves. Use `stake` of staking.
        OwnPosition,
        /// The operator has no own stake there. Choose another one.
        NoPosition,
        /// No round is open there. Wait for one.
        NoOpenRound,
        /// The venue has ended. Choose another one.
        VenueEnded,
        /// What is delegated would be below the least. Delegate more, or take back all.
        BelowMinimum,
        /// You have delegated less there. Name less.
        InsufficientDelegation,
        /// You have nothing there.
        NoDelegation,
        /// Stake came and left in too many different rounds. Claim, or wait until you can.
        TooManyLots,
        /// Too many amounts unbond at a time. Withdraw those that are due, or wait.
        TooManyChunks,
        /// Nothing has unbonded yet. Wait.
        NothingToWithdraw,
        /// Rewards of the position are locked. Wait for the end of its task.
        RewardsLocked,
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
        /// Puts stake behind an operator. It counts and earns from the next round.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::delegate())]
        pub fn delegate(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_delegate(venue, operator, who, amount)
        }

        /// Takes stake back, the newest first. It earns up to the open round, and unbonds unless
        /// the venue has ended: then it is free at once.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::undelegate())]
        pub fn undelegate(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_undelegate(venue, operator, who, amount)
        }

        /// Frees what has unbonded.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::withdraw())]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw(who)
        }

        /// Pays the signer what its stake has earned in a position.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(origin: OriginFor<T>, venue: Venue, operator: AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_claim(venue, operator, who)
        }

        /// Pays `who` what its stake has earned in a position. By anybody.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim_for(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
            who: AccountId,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_claim(venue, operator, who)
        }
    }
}
