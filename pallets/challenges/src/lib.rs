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

mod actions;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod glue;
pub mod invariants;
pub mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use arena_primitives::{
        AccountId, Balance, BlockNumber, TaskId,
        traits::{Clock, Stakes, TaskRewards, TaskStates},
    };
    use frame_support::{
        pallet_prelude::*,
        traits::{
            OnUnbalanced,
            fungible::{self, Credit},
        },
    };
    use frame_system::pallet_prelude::*;
    use sp_core::H256;

    /// The version of this pallet's storage.
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config:
        frame_system::Config<AccountId = AccountId, Hash = H256, RuntimeEvent: From<Event<Self>>>
    {
        /// Where bonds are held.
        type Currency: fungible::hold::Mutate<AccountId, Balance = Balance, Reason = Self::RuntimeHoldReason>
            + fungible::hold::Balanced<AccountId>;
        /// The runtime's reasons of holds.
        type RuntimeHoldReason: From<HoldReason>;
        /// Who decides cases.
        type ArbiterOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Where tasks stand.
        type Tasks: TaskStates;
        /// Positions.
        type Stakes: Stakes;
        /// What convicted trainers lose.
        type Rewards: TaskRewards;
        /// What a case holds of its challenger.
        #[pallet::constant]
        type Bond: Get<Balance>;
        /// How long a case can be decided, in minutes.
        #[pallet::constant]
        type DecideWithin: Get<u32>;
        /// Time as genesis set it.
        type Clock: Clock;
        /// Takes the bonds of challengers who were wrong.
        type Slashed: OnUnbalanced<Credit<AccountId, Self::Currency>>;
        /// Weights.
        type WeightInfo: WeightInfo;
        /// Brings the neighbours where benchmarks need them.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper;
    }

    /// Why balance is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// Of a challenger, until its case is decided or expires.
        #[codec(index = 0)]
        Bond,
    }

    /// The number of the next case; never decreases.
    #[pallet::storage]
    pub type NextCaseId<T: Config> = StorageValue<_, CaseId, ValueQuery>;

    /// Cases that are not decided. Inserted by `open`, which holds a bond; removed by `resolve`,
    /// `expire`, and when the task is over.
    #[pallet::storage]
    pub type OpenCases<T: Config> = StorageMap<_, Twox64Concat, CaseId, Case>;

    /// Each task's rows in `OpenCases`. An entry lives as long as its row.
    #[pallet::storage]
    pub type CasesOf<T: Config> = StorageMap<
        _,
        Twox64Concat,
        TaskId,
        BoundedVec<CaseId, ConstU32<MAX_OPEN_CASES>>,
        ValueQuery,
    >;

    /// Trainers that were convicted, by task and trainer; nobody is convicted twice. Inserted by
    /// `resolve`; removed when the task is over. Only governance makes a row.
    #[pallet::storage]
    pub type Convicted<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, ()>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A trainer is accused.
        CaseOpened {
            /// The case.
            case: CaseId,
            /// The task.
            task: TaskId,
            /// Who is accused.
            trainer: AccountId,
            /// Who accuses.
            challenger: AccountId,
            /// Hash of the evidence.
            evidence: H256,
            /// The last block in which it can be decided.
            decide_by: BlockNumber,
        },
        /// A case is over.
        CaseClosed {
            /// The case.
            case: CaseId,
            /// The task.
            task: TaskId,
            /// Who was accused.
            trainer: AccountId,
            /// How it ended.
            verdict: Verdict,
            /// Rewards that were burned.
            forfeited: Balance,
            /// Own stake that was slashed.
            slashed: Balance,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The task takes no cases now. Open one in its challenge phase.
        NotInChallenge,
        /// A case can't be decided any more before the challenge phase ends.
        TooLate,
        /// Only validators of the task can open a case.
        NotAValidator,
        /// The accused has no model in the task.
        NoModel,
        /// There is an open case against this trainer in this task. Wait for its end.
        CaseOpen,
        /// The trainer was convicted in this task already.
        AlreadyConvicted,
        /// As many cases are open in this task as there can be. Wait for one to end.
        TooManyCases,
        /// All numbers of cases are used.
        NoMoreIds,
        /// There is no such case, or it is over.
        NoSuchCase,
        /// The time to decide the case has passed. It can only expire.
        DecisionTooLate,
        /// The case can still be decided. Wait for its deadline.
        StillOpen,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(
                T::DecideWithin::get() > 0,
                "a case needs time to be decided"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            invariants::check::<T>()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Accuses a trainer. Holds a bond of the challenger, a validator of the task.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::open())]
        pub fn open(
            origin: OriginFor<T>,
            task: TaskId,
            trainer: AccountId,
            evidence: H256,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_open(who, task, trainer, evidence)
        }

        /// Decides a case.
        #[pallet::call_index(1)]
        #[pallet::weight(if *convict { T::WeightInfo::convict() } else { T::WeightInfo::acquit() })]
        pub fn resolve(origin: OriginFor<T>, case: CaseId, convict: bool) -> DispatchResult {
            T::ArbiterOrigin::ensure_origin(origin)?;
            Self::do_resolve(case, convict)
        }

        /// Ends a case that nobody decided in time: nobody loses anything.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::expire())]
        pub fn expire(origin: OriginFor<T>, case: CaseId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_expire(case)
        }
    }
}
