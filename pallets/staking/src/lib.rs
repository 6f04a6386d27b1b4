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
pub mod authors;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod glue;
pub mod invariants;
pub mod keys;
pub mod limits;
#[cfg(test)]
mod mock;
pub mod seats;
pub mod slashing;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use authors::{AuthorKeys, Disabling};
pub use limits::{GenesisLimits, StakeLimits, default_time};
pub use pallet::*;
pub use types::{PendingSlash, Position, Seat, UnbondingChunk};
pub use weights::{SubstrateWeight, WeightInfo};

/// Target of the log.
pub(crate) const LOG: &str = "arena::staking";

// What the macros generate has no docs of its own.
#[allow(missing_docs, reason = "the pallet macros generate undocumented items")]
#[frame_support::pallet]
pub mod pallet {
    use super::{types::*, *};
    use alloc::vec::Vec;
    use arena_primitives::{
        AccountId, Balance, BlockNumber, Hash, Role, Round, TimeParameters, Venue,
        traits::{LeavingStake, VenueRefusal, Venues},
    };
    use frame_support::{
        pallet_prelude::*,
        traits::{OnUnbalanced, fungible},
    };
    use frame_system::pallet_prelude::*;
    use sp_core::sr25519;
    use sp_runtime::{Perbill, traits::SaturatedConversion};

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
        /// Delegated stake that is leaving, for slashes of it.
        type Leaving: LeavingStake;
        /// Knows who registered which session keys.
        type SessionKeys: AuthorKeys;
        /// Disables authors that misbehaved.
        type Disable: Disabling;
        /// Calls off a slash of `Network` that is pending.
        type CancelOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// The limits that governance wants: genesis's, but for those that it set.
        type Governed: Get<StakeLimits>;
        /// What slashes may take of a block when they are applied.
        type MaxTickWeight: Get<Weight>;
        /// What calls weigh.
        type WeightInfo: WeightInfo;
        /// Brings the neighbours where benchmarks need them.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper;
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

    /// Least stakes, seats and caps as genesis set them. In force is [`Pallet::limits`].
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

    /// Who has a seat or may be counted by a live round, by role: what is read instead of all
    /// positions. Taking a seat inserts, and drops entries that are neither; the end of a
    /// position removes. Each has a position; nobody who is seated or counted lacks here.
    #[pallet::storage]
    pub type Roster<T> =
        StorageDoubleMap<_, Twox64Concat, Venue, Twox64Concat, Role, Operators, ValueQuery>;

    /// The service key of an operator, and which one acts in the block that changes it.
    /// `set_service_key` inserts, `clear_service_key` removes; the mirror of [`OperatorOf`].
    #[pallet::storage]
    pub type ServiceKey<T> = StorageMap<_, Blake2_128Concat, AccountId, KeyRecord, OptionQuery>;

    /// The operator of a service key, also of the one before as long as its record names it; the
    /// mirror of [`ServiceKey`].
    #[pallet::storage]
    pub type OperatorOf<T> = StorageMap<_, Blake2_128Concat, AccountId, AccountId, OptionQuery>;

    /// Keys that were dropped. Never removed: such a key is not taken again.
    #[pallet::storage]
    pub type RetiredKeys<T> = StorageMap<_, Blake2_128Concat, AccountId, (), OptionQuery>;

    /// What of an account unbonds. `decrease` inserts, `withdraw` and slashes remove.
    #[pallet::storage]
    pub type Unbonding<T> = StorageMap<_, Blake2_128Concat, AccountId, Chunks, ValueQuery>;

    /// Slashes of `Network` by number, due in that order. An offence inserts; `cancel_slash`,
    /// a worse offence of the same session and the hook that applies it remove.
    #[pallet::storage]
    pub type PendingSlashes<T> = StorageMap<_, Twox64Concat, u32, PendingSlash, OptionQuery>;

    /// Which of them are an operator's: never an empty row. Changes with [`PendingSlashes`].
    #[pallet::storage]
    pub type PendingOf<T> = StorageMap<_, Blake2_128Concat, AccountId, PendingIds, ValueQuery>;

    /// Which numbers may be pending. An offence moves its end, the hook its beginning.
    #[pallet::storage]
    pub type SlashQueue<T> = StorageValue<_, Queue, ValueQuery>;

    /// What an operator's faults of a session cost. An offence inserts; `cancel_slash` removes
    /// what took nothing, the end of a session those that are too old to be added to.
    #[pallet::storage]
    pub type Faults<T> =
        StorageDoubleMap<_, Twox64Concat, Round, Blake2_128Concat, AccountId, Fault, OptionQuery>;

    /// All delegated stake that slashes ever took of positions (not of what was leaving): what
    /// delegators have on hold is the positions' delegated stake and what of this is not yet cut.
    #[pallet::storage]
    pub type DelegatedCut<T> = StorageValue<_, Balance, ValueQuery>;

    /// Who was elected last, for the session after the current one. Each election that changes
    /// the set writes it; never removed.
    #[pallet::storage]
    pub type Planned<T> = StorageValue<_, Election, OptionQuery>;

    /// The authors of the current session. Its start writes it; never removed.
    #[pallet::storage]
    pub type Authors<T> = StorageValue<_, AuthorSet, ValueQuery>;

    /// Blocks of authors since they were last judged. Each block's author inserts; the end of a
    /// session removes those that were judged or left.
    #[pallet::storage]
    pub type Watches<T> = StorageMap<_, Blake2_128Concat, AccountId, Watch, ValueQuery>;

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
            Pallet::<T>::build_genesis(self);
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
        /// Own stake was taken for a fault; `paid` of it went to those whom a case names.
        Slashed {
            venue: Venue,
            operator: AccountId,
            amount: Balance,
            paid: Balance,
        },
        /// A position without a seat took one again; it counts from the next round.
        SeatTaken {
            venue: Venue,
            operator: AccountId,
            own: Balance,
        },
        /// A larger own stake took a position's seat: it counts no more from the next round on.
        Displaced {
            venue: Venue,
            operator: AccountId,
            by: AccountId,
        },
        /// A position lost its seat for a fault: it counts no more from the next round on.
        Chilled { venue: Venue, operator: AccountId },
        /// Stake will be slashed in block `due`, if nobody calls it off.
        SlashDeferred {
            index: u32,
            operator: AccountId,
            session: Round,
            fraction: Perbill,
            own: Balance,
            due: BlockNumber,
        },
        /// A slash was called off.
        SlashCancelled { index: u32, operator: AccountId },
        /// A slash was applied to own stake, to delegated stake and to what of it was leaving.
        SlashApplied {
            index: u32,
            operator: AccountId,
            session: Round,
            own: Balance,
            delegated: Balance,
            leaving: Balance,
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
        /// All seats are taken by own stakes that are not smaller. Stake more, or wait for one.
        SeatsFull,
        /// You have a seat. There is nothing to take.
        AlreadySeated,
        /// You lost your seat in this round. Take one in the next round.
        StillChilled,
        /// The position has no seat. Choose another one, or wait until it has.
        NoSeat,
        /// You have no own stake there. Stake first.
        NoPosition,
        /// More than is there. Name less.
        InsufficientStake,
        /// A trainer's stake stays until the task has ended. Wait.
        LockedUntilEnd,
        /// Too few authors with session keys would remain. Wait for another one.
        TooFewAuthors,
        /// Too many amounts unbond at a time. Withdraw those that are due, or wait.
        TooManyChunks,
        /// Nothing has unbonded yet. Wait.
        NothingToWithdraw,
        /// A slash that is pending may need this stake. Wait until it is applied or cancelled.
        SlashPending,
        /// No slash with this number is pending. Look at those that are.
        NoSuchSlash,
        /// Slashes took nine tenths of what a share was worth. Choose another position.
        SharesWorthless,
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
        /// You were convicted in this task. Take a role in another one.
        Convicted,
    }

    impl<T> From<VenueRefusal> for Error<T> {
        fn from(refusal: VenueRefusal) -> Self {
            match refusal {
                VenueRefusal::Unknown => Error::UnknownVenue,
                VenueRefusal::Ended => Error::VenueEnded,
                VenueRefusal::Creator => Error::CreatorTakesNoRole,
                VenueRefusal::Role => Error::RoleNotTaken,
                VenueRefusal::Convicted => Error::Convicted,
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            Self::tick(now.saturated_into())
        }

        fn integrity_test() {
            let one = T::WeightInfo::step_look()
                .saturating_mul(2)
                .saturating_add(T::WeightInfo::step_apply());
            assert!(
                one.all_lte(T::MaxTickWeight::get()),
                "staking: one slash doesn't fit MaxTickWeight"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            crate::invariants::check::<T>()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Takes a role in a venue, or adds to its own stake. Counts from the next round. Who has
        /// no seat takes a free one, or that of the smallest own stake, if it is smaller.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::stake(MAX_ROSTER))]
        pub fn stake(
            origin: OriginFor<T>,
            venue: Venue,
            role: Role,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResultWithPostInfo {
            let operator = ensure_signed(origin)?;
            let looked_at = Self::do_stake(venue, operator, role, amount)?;
            Ok(Some(T::WeightInfo::stake(looked_at)).into())
        }

        /// Takes own stake back: all of it, or down to the least for the role. It unbonds,
        /// unless the venue has ended: then it is free at once.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::decrease(MAX_ROSTER))]
        pub fn decrease(
            origin: OriginFor<T>,
            venue: Venue,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResultWithPostInfo {
            let operator = ensure_signed(origin)?;
            let looked_at = Self::do_decrease(venue, operator, amount)?;
            Ok(Some(T::WeightInfo::decrease(looked_at)).into())
        }

        /// Frees what has unbonded, less what slashes that are pending may take.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::withdraw(MAX_CHUNKS))]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResultWithPostInfo {
            let operator = ensure_signed(origin)?;
            let looked_at = Self::do_withdraw(operator)?;
            Ok(Some(T::WeightInfo::withdraw(looked_at)).into())
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
        /// key's signature over `preimage(ServiceKeyProof, operator)`. It acts from the next block
        /// on; the earlier key, if any, acts until then and is dropped for good.
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

        /// Drops the service key for good, at once.
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

        /// Takes a seat again for a position that lost it, with the own stake that it has, as
        /// `stake` does. Who was chilled sits out the round that follows.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::take_seat(MAX_ROSTER))]
        pub fn take_seat(origin: OriginFor<T>, venue: Venue) -> DispatchResultWithPostInfo {
            let operator = ensure_signed(origin)?;
            let looked_at = Self::do_take_seat(venue, operator)?;
            Ok(Some(T::WeightInfo::take_seat(looked_at)).into())
        }

        /// Calls off a slash of `Network` that is pending. The seat is the operator's to take
        /// again.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::cancel_slash())]
        pub fn cancel_slash(origin: OriginFor<T>, index: u32) -> DispatchResult {
            T::CancelOrigin::ensure_origin(origin)?;
            Self::do_cancel_slash(index)
        }
    }
}
