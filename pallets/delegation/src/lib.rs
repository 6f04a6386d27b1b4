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
pub mod exits;
pub mod glue;
pub mod invariants;
#[cfg(test)]
mod mock;
pub mod price;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::{Delegation, Exit, ExitPool, Lot, Mark, UnbondingChunk};
pub use weights::{SubstrateWeight, WeightInfo};

// What the macros generate has no docs of its own.
#[allow(missing_docs, reason = "the pallet macros generate undocumented items")]
#[frame_support::pallet]
pub mod pallet {
    use super::{
        types::{Chunks, Exits, MAX_CHUNKS, MAX_LOTS, PoolId},
        *,
    };
    use arena_primitives::{
        AccountId, Balance, BlockNumber, Hash, Round, Venue,
        traits::{Clock, DelegatedStake, DelegatorRewards, Stakes, Venues},
    };
    use frame_support::{
        pallet_prelude::*,
        traits::{OnUnbalanced, fungible},
    };
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
            + fungible::hold::Mutate<AccountId>
            + fungible::hold::Balanced<AccountId>;
        /// The runtime's hold reasons.
        type RuntimeHoldReason: From<HoldReason>;
        /// Where slashed stake goes.
        type Slashed: OnUnbalanced<fungible::Credit<AccountId, Self::Currency>>;
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
        /// What calls weigh.
        type WeightInfo: WeightInfo;
        /// Brings the neighbours where benchmarks need them.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper;
    }

    /// Why stake is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// It stands behind an operator.
        Delegation,
        /// It leaves one.
        Unbonding,
    }

    /// What an account has in a position: its shares as lots, and what is on hold for them.
    /// `delegate` inserts; it goes when nothing is delegated and nothing to come: with `claim`,
    /// or before where it has earned nothing. All `held` of an account is its hold, all shares in
    /// a position are the position's. Nothing but the invariants walks over delegators. Accounts
    /// are chosen by their owners, hence the hash.
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

    /// What of an account unbonds: points of exit pools. `undelegate` inserts, `withdraw`
    /// removes. All points of an account are its hold, all points in a pool are the pool's.
    #[pallet::storage]
    pub type Unbonding<T> = StorageMap<_, Blake2_128Concat, AccountId, Chunks, ValueQuery>;

    /// What left a position in one round. `undelegate` inserts, `withdraw` removes with the last
    /// point, slashes of leaving stake lower the amount. Never worth more than its points.
    /// Numbered by the chain, hence the hash.
    #[pallet::storage]
    pub type ExitPools<T> = StorageMap<_, Twox64Concat, PoolId, ExitPool, OptionQuery>;

    /// The number of the next exit pool. `undelegate` raises it; all pools are below.
    #[pallet::storage]
    pub type NextPool<T> = StorageValue<_, PoolId, ValueQuery>;

    /// The pools of a position that can still be slashed. `undelegate` inserts, and prunes those
    /// whose time is over; `withdraw` removes with the pool. Each names a pool of the position,
    /// and the pool of a chunk that unbonds is among them.
    #[pallet::storage]
    pub type LiveExits<T> = StorageMap<_, Blake2_128Concat, (Venue, AccountId), Exits, ValueQuery>;

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
            shares: Balance,
        },
        /// Stake left an operator: it earns up to the open round, and can be withdrawn from
        /// block `until`, or is free already.
        Undelegated {
            venue: Venue,
            operator: AccountId,
            who: AccountId,
            amount: Balance,
            shares: Balance,
            until: Option<BlockNumber>,
        },
        /// Stake that had unbonded is free; `slashed` was taken from it before.
        Withdrawn {
            who: AccountId,
            amount: Balance,
            slashed: Balance,
        },
        /// Rewards were paid; 0 where a challenge took them.
        Claimed {
            venue: Venue,
            operator: AccountId,
            who: AccountId,
            amount: Balance,
        },
        /// A delegator's hold was cut by `amount`, its part of slashes of the position. `rest` is
        /// what its stake is worth; with 0 its shares are gone.
        SlashApplied {
            venue: Venue,
            operator: AccountId,
            who: AccountId,
            amount: Balance,
            rest: Balance,
        },
        /// A slash took `amount` of what left the operator in round `since` or later; each
        /// account loses its part when it withdraws.
        LeavingSlashed {
            venue: Venue,
            operator: AccountId,
            since: Round,
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
        /// No round will count stake that comes now: the task's submission rounds are over.
        /// Choose another one.
        NoOpenRound,
        /// The venue has ended. Choose another one.
        VenueEnded,
        /// What is delegated would be below the least. Delegate more, or take back all.
        BelowMinimum,
        /// Your stake there is worth less. Name less; after a slash, see what it is worth now.
        InsufficientDelegation,
        /// You have nothing there. Look for the position in which you have stake.
        NoDelegation,
        /// The amount is worth less than one share. Name more.
        LessThanAShare,
        /// Your stake there came and left in too many different rounds. Claim, which merges what
        /// has been paid; while rewards are locked, delegate in a round in which you did before,
        /// or take back all: that is always possible.
        TooManyLots,
        /// Too many amounts of yours unbond at a time. Withdraw those that are due, or wait.
        TooManyChunks,
        /// Stake left this operator in too many different rounds that can still be slashed. Wait
        /// until the oldest has unbonded.
        TooManyExits,
        /// Nothing of yours has unbonded. Wait until the block that your chunks name.
        NothingToWithdraw,
        /// Rewards of the position are locked. Wait for the end of its task.
        RewardsLocked,
        /// No slash is left to be applied there. Nothing is to be done.
        NothingToCut,
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
        /// the venue has ended: then it is free at once. After a slash, it may be one unit less
        /// than `amount`; the whole of what it is worth always goes exactly.
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

        /// Frees what has unbonded, less what slashes took of it since it left; also what left a
        /// venue that has ended since.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::withdraw(MAX_CHUNKS))]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let chunks = Self::do_withdraw(who)?;
            Ok(Some(T::WeightInfo::withdraw(chunks)).into())
        }

        /// Pays the signer what its stake has earned in a position, as far as it is free.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::claim(MAX_LOTS))]
        pub fn claim(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let lots = Self::do_claim(venue, operator, who)?;
            Ok(Some(T::WeightInfo::claim(lots)).into())
        }

        /// Pays `who` what its stake has earned in a position, as far as it is free. By anybody.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::claim(MAX_LOTS))]
        pub fn claim_for(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
            who: AccountId,
        ) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            let lots = Self::do_claim(venue, operator, who)?;
            Ok(Some(T::WeightInfo::claim(lots)).into())
        }

        /// Cuts the hold of `who` to what its stake in a position is worth since a slash. By
        /// anybody, free of fee where there was something to cut. Each other call of `who` there
        /// does the same.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::apply_slash())]
        pub fn apply_slash(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
            who: AccountId,
        ) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            Self::do_apply_slash(venue, operator, who)?;
            Ok(Pays::No.into())
        }
    }
}
