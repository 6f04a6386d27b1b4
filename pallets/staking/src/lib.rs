#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod actions;
pub mod glue;
pub mod invariants;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::{Disabling, Position, StakeLimits, UnbondingChunk, default_time};
pub use weights::{SubstrateWeight, WeightInfo};

/// Target of the log.
pub(crate) const LOG: &str = "arena::staking";

// What the macros generate has no docs of its own.
#[allow(missing_docs, reason = "the pallet macros generate undocumented items")]
#[frame_support::pallet]
pub mod pallet {
    use super::{
        types::{Chunks, default_time, validate_time},
        *,
    };
    use alloc::vec::Vec;
    use arena_primitives::{
        AccountId, Balance, BlockNumber, Hash, Role, TimeParameters, Venue,
        traits::{VenueRefusal, Venues},
    };
    use frame_support::{
        pallet_prelude::*,
        traits::{OnUnbalanced, ValidatorRegistration, fungible},
    };
    use frame_system::pallet_prelude::*;
    use sp_core::sr25519;
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
            + fungible::hold::Inspect<AccountId, Reason = Self::RuntimeHoldReason>
            + fungible::hold::Mutate<AccountId>
            + fungible::hold::Balanced<AccountId>;
        /// The runtime's hold reasons.
        type RuntimeHoldReason: From<HoldReason>;
        /// Where stake can work.
        type Venues: Venues;
        /// Takes what was slashed.
        type Slashed: OnUnbalanced<fungible::Credit<AccountId, Self::Currency>>;
        /// Knows who registered session keys.
        type SessionKeys: ValidatorRegistration<AccountId>;
        /// Disables authors that misbehaved.
        type Disable: Disabling;
        /// What calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// Why stake is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// It works in a venue.
        Stake,
        /// It leaves one.
        Unbonding,
    }

    #[pallet::type_value]
    pub fn DefaultTime() -> TimeParameters {
        default_time()
    }

    /// Lengths of slots, days and windows. Genesis inserts it; nothing changes it, since rounds
    /// that run are laid out by it.
    #[pallet::storage]
    pub type Time<T> = StorageValue<_, TimeParameters, ValueQuery, DefaultTime>;

    /// Least stakes, seats and caps. Genesis inserts it.
    #[pallet::storage]
    pub type Limits<T> = StorageValue<_, StakeLimits, ValueQuery>;

    /// Who works where, and with what stake. `stake` inserts; the call that takes the last of
    /// it, `withdraw` or `reap` removes, once no live round counts it.
    ///
    /// The venue's hasher is plain because nobody chooses a venue's number; accounts are chosen.
    #[pallet::storage]
    pub type Positions<T> = StorageDoubleMap<
        _,
        Twox64Concat,
        Venue,
        Blake2_128Concat,
        AccountId,
        Position,
        OptionQuery,
    >;

    /// How many positions of a role have own stake now: never more than the seats. Goes up and
    /// down with them, and is removed at 0.
    #[pallet::storage]
    pub type SeatCount<T> =
        StorageDoubleMap<_, Twox64Concat, Venue, Twox64Concat, Role, u32, ValueQuery>;

    /// The service key of an operator. `set_service_key` inserts, `clear_service_key` removes;
    /// the mirror of [`OperatorOf`].
    #[pallet::storage]
    pub type ServiceKey<T> = StorageMap<_, Blake2_128Concat, AccountId, AccountId, OptionQuery>;

    /// The operator of a service key; the mirror of [`ServiceKey`].
    #[pallet::storage]
    pub type OperatorOf<T> = StorageMap<_, Blake2_128Concat, AccountId, AccountId, OptionQuery>;

    /// Keys that were dropped. Never removed: such a key is not taken again.
    #[pallet::storage]
    pub type RetiredKeys<T> = StorageMap<_, Blake2_128Concat, AccountId, (), OptionQuery>;

    /// What of an account unbonds. `decrease` inserts, `withdraw` and slashes remove.
    #[pallet::storage]
    pub type Unbonding<T> = StorageMap<_, Blake2_128Concat, AccountId, Chunks, ValueQuery>;

    /// What genesis sets.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// Time.
        pub time: TimeParameters,
        /// Limits.
        pub limits: StakeLimits,
        /// First authors and their own stake, out of their balances.
        pub network: Vec<(AccountId, Balance)>,
        /// Nothing.
        #[serde(skip)]
        pub _config: core::marker::PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            GenesisConfig {
                time: default_time(),
                limits: StakeLimits::default(),
                network: Vec::new(),
                _config: Default::default(),
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if let Err(reason) = validate_time(&self.time).and_then(|()| self.limits.validate()) {
                panic!("genesis of staking: {reason}");
            }
            Time::<T>::put(self.time);
            Limits::<T>::put(self.limits);
            for (who, amount) in &self.network {
                if let Err(reason) = Pallet::<T>::seat_at_genesis(who, *amount) {
                    panic!("genesis of staking: author {who:?} can't stake {amount}: {reason:?}");
                }
            }
        }
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Own stake was added; it counts from the next round.
        Staked {
            venue: Venue,
            operator: AccountId,
            role: Role,
            amount: Balance,
            own: Balance,
        },
        /// Own stake was taken back; it can be withdrawn from block `until`, or is free already.
        Decreased {
            venue: Venue,
            operator: AccountId,
            amount: Balance,
            own: Balance,
            until: Option<BlockNumber>,
        },
        /// Stake that had unbonded is free.
        Withdrawn {
            operator: AccountId,
            amount: Balance,
        },
        /// A commission was announced, in force from block `from`.
        CommissionAnnounced {
            venue: Venue,
            operator: AccountId,
            commission: Perbill,
            from: BlockNumber,
        },
        /// An operator has this service key from the next block on.
        ServiceKeySet { operator: AccountId, key: AccountId },
        /// An operator dropped its service key for good.
        ServiceKeyCleared { operator: AccountId, key: AccountId },
        /// Own stake was taken for a fault.
        Slashed {
            venue: Venue,
            operator: AccountId,
            amount: Balance,
        },
        /// A position that nobody counts any more was removed.
        PositionRemoved { venue: Venue, operator: AccountId },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// An amount of 0. Name one.
        ZeroAmount,
        /// No such venue. Look at the list of tasks.
        UnknownVenue,
        /// The venue has ended. Take back what is there.
        VenueEnded,
        /// You created this task. Take a role in another one.
        CreatorTakesNoRole,
        /// The venue doesn't take this role, now or ever. Authors are validators of `Network`;
        /// tasks say when they take trainers.
        RoleNotTaken,
        /// No round is open there. Wait for one.
        NoOpenRound,
        /// You have the other role there. Leave it first.
        OtherRole,
        /// Own stake would be below the least for the role. Stake more, or take back all.
        BelowMinimum,
        /// All seats are taken. Wait for one, or use another venue.
        SeatsFull,
        /// You have no own stake there. Stake first.
        NoPosition,
        /// More than your own stake there. Name less.
        InsufficientStake,
        /// A trainer's stake stays until the task has ended. Wait.
        LockedUntilEnd,
        /// Too few authors would remain. Wait for another one.
        TooFewAuthors,
        /// Too many amounts unbond at a time. Withdraw those that are due, or wait.
        TooManyChunks,
        /// Nothing has unbonded yet. Wait.
        NothingToWithdraw,
        /// Above the highest commission. Name less.
        CommissionTooHigh,
        /// An earlier change of commission is not in force yet. Wait for it.
        CommissionPending,
        /// The key did not sign for you. Sign the preimage of your account with it.
        InvalidProof,
        /// The key belongs to an operator. Make another one.
        KeyInUse,
        /// The key was dropped before. Make another one.
        KeyRetired,
        /// The key is your own account. Make a key of its own.
        KeyIsOperator,
        /// You have no service key. There is nothing to clear.
        NoServiceKey,
        /// Somebody's stake in the position still counts. Wait for the next rounds.
        StillCounted,
    }

    impl<T> From<VenueRefusal> for Error<T> {
        fn from(refusal: VenueRefusal) -> Self {
            match refusal {
                VenueRefusal::Unknown => Error::UnknownVenue,
                VenueRefusal::Ended => Error::VenueEnded,
                VenueRefusal::Creator => Error::CreatorTakesNoRole,
                VenueRefusal::Role => Error::RoleNotTaken,
            }
        }
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
        /// Takes a role in a venue, or adds to its own stake. Counts from the next round.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::stake())]
        pub fn stake(
            origin: OriginFor<T>,
            venue: Venue,
            role: Role,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_stake(venue, operator, role, amount)
        }

        /// Takes own stake back: all of it, or down to the least for the role. It unbonds,
        /// unless the venue has ended: then it is free at once.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::decrease(arena_primitives::MAX_VALIDATORS))]
        pub fn decrease(
            origin: OriginFor<T>,
            venue: Venue,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResultWithPostInfo {
            let operator = ensure_signed(origin)?;
            let looked_at = Self::do_decrease(venue, operator, amount)?;
            Ok(Some(T::WeightInfo::decrease(looked_at)).into())
        }

        /// Frees what has unbonded.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::withdraw())]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_withdraw(operator)
        }

        /// Announces what the operator will take of its delegators' part; in force after the
        /// notice, one change at a time, whether it rises or falls.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::set_commission())]
        pub fn set_commission(
            origin: OriginFor<T>,
            venue: Venue,
            commission: Perbill,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_set_commission(venue, operator, commission)
        }

        /// Registers the key with which the operator's node sends its duties. `proof` is the
        /// key's signature over `preimage(ServiceKeyProof, operator)`. The earlier key, if any,
        /// is dropped for good.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::set_service_key())]
        pub fn set_service_key(
            origin: OriginFor<T>,
            key: AccountId,
            proof: sr25519::Signature,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_set_service_key(operator, key, proof)
        }

        /// Drops the service key for good.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::clear_service_key())]
        pub fn clear_service_key(origin: OriginFor<T>) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_clear_service_key(operator)
        }

        /// Removes a position without stake that no live round counts. By anybody, for nothing.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::reap())]
        pub fn reap(
            origin: OriginFor<T>,
            venue: Venue,
            operator: AccountId,
        ) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            Self::do_reap(venue, operator)?;
            Ok(Pays::No.into())
        }
    }
}
