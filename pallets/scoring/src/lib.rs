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
mod draws;
mod glue;
pub mod invariants;
pub mod offchain;
mod settlement;
mod tick;
pub mod types;
mod units;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use actions::{COMMIT_TAG, REVEAL_TAG};
pub use offchain::crypto;
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

/// Rows that one step removes of a task whose results are no longer kept.
pub const PRUNE_ROWS: u32 = 128;

/// Reveals of a round stay until so many later ones are settled: as long as the pay of its
/// validators is locked, their scores can be challenged.
pub const DISCLOSED_ROUNDS: arena_primitives::Round = 2;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use arena_primitives::{
        AccountId, Balance, BlockNumber, EarlierSketches, ModelLikeness, Round, RoundResult,
        ScoreEntries, TaskId, Unpaid,
        spec::PublicData,
        traits::{
            BlockVrf, Clock, DutyCalls, Publishing, Rounds, ServiceKeys, Stakes, TaskRewards,
        },
    };
    use frame_support::pallet_prelude::*;
    use frame_system::{
        offchain::{AppCrypto, CreateSignedTransaction, CreateTransactionBase},
        pallet_prelude::*,
    };
    use sp_core::H256;
    use sp_runtime::{Perbill, SaturatedConversion};

    /// The version of this pallet's storage.
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config:
        frame_system::Config<AccountId = AccountId, Hash = H256, RuntimeEvent: From<Event<Self>>>
        + CreateTransactionBase<Call<Self>, RuntimeCall: DutyCalls>
        + CreateSignedTransaction<Call<Self>>
    {
        /// Service keys, as the offchain worker signs with them: [`crypto::ServiceKey`].
        type AuthorityId: AppCrypto<Self::Public, Self::Signature>;
        /// The call with which the offchain worker publishes models.
        type Publishing: Publishing<<Self as CreateTransactionBase<Call<Self>>>::RuntimeCall>;
        /// Live rounds and their models.
        type Rounds: Rounds;
        /// Positions.
        type Stakes: Stakes;
        /// Service keys of operators.
        type ServiceKeys: ServiceKeys;
        /// Where money moves.
        type Rewards: TaskRewards;
        /// Of what seeds are made.
        type Vrf: BlockVrf;
        /// Time as genesis set it.
        type Clock: Clock;
        /// The part of its own stake that a validator loses when it commits and doesn't reveal.
        #[pallet::constant]
        type NonRevealSlash: Get<Perbill>;
        /// So many rounds in a row that a validator was drawn in and absent cost its seat.
        #[pallet::constant]
        type MaxMisses: Get<u32>;
        /// How long results stay when their task is over, in minutes.
        #[pallet::constant]
        type ResultKeep: Get<u32>;
        /// The most that the hook may use of a block.
        #[pallet::constant]
        type MaxTickWeight: Get<Weight>;
        /// Weights.
        type WeightInfo: WeightInfo;
        /// Brings the neighbours where benchmarks need them.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper;
    }

    /// Seeds of closed rounds, by task and round. Inserted in the first block after the one that
    /// begins the seed phase; removed at settlement, or with the results of a cancelled task.
    #[pallet::storage]
    pub type Seeds<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Twox64Concat, Round, SeedState>;

    /// Commitments to scores, by task, round and validator. Inserted by `commit_scores`, which
    /// takes a position; removed at settlement, or with the results of a cancelled task.
    #[pallet::storage]
    pub type Commits<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Twox64Concat, TaskId>,
            NMapKey<Twox64Concat, Round>,
            NMapKey<Blake2_128Concat, AccountId>,
        ),
        H256,
    >;

    /// Scores, by task, round and validator, in the order of the round's models. Inserted by
    /// `reveal_scores`, for each commitment at most once; removed when the second round after it
    /// is settled, or with the task's results.
    #[pallet::storage]
    pub type Reveals<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Twox64Concat, TaskId>,
            NMapKey<Twox64Concat, Round>,
            NMapKey<Blake2_128Concat, AccountId>,
        ),
        Reveal,
    >;

    /// Sketches of reveals, by task, round and validator, for tasks that ask for them. Inserted
    /// by `reveal_scores`; removed as commitments are.
    #[pallet::storage]
    pub type Sketches<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Twox64Concat, TaskId>,
            NMapKey<Twox64Concat, Round>,
            NMapKey<Blake2_128Concat, AccountId>,
        ),
        RevealedSketches,
    >;

    /// The best models of a task's settled rounds, but for those that match an earlier one; for
    /// tasks that ask for sketches. Changed at settlement; removed with the task's results.
    #[pallet::storage]
    pub type BestEarlier<T: Config> =
        StorageMap<_, Twox64Concat, TaskId, EarlierModels, ValueQuery>;

    /// The earlier model that a model is like, by task and root, as the last settled round that
    /// found one has it. Inserted at settlement; removed with the task's results. A root is a
    /// hash that its publisher can choose, hence the keyed hasher.
    #[pallet::storage]
    pub type Alike<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, H256, ModelLikeness>;

    /// What stays of settled rounds. Inserted at settlement; removed `ResultKeep` after the task
    /// is over.
    #[pallet::storage]
    pub type RoundResults<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Twox64Concat, Round, RoundResult>;

    /// What settled rounds were scored on, with the seed of their subsets of samples. Inserted at
    /// settlement; removed when the second round after it is settled, or with the task's results.
    #[pallet::storage]
    pub type Grounds<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Twox64Concat, Round, (PublicData, H256)>;

    /// The round that is being settled. Inserted by the hook where a settlement doesn't fit its
    /// block, removed by it when the round is settled; of a task that was cancelled meanwhile too.
    #[pallet::storage]
    pub type Settling<T: Config> = StorageValue<_, Settlement>;

    /// In how many rounds in a row a validator was drawn and absent, by task and validator.
    /// Inserted at settlement; removed when it reveals, when it loses its seat, and with the
    /// task's results.
    #[pallet::storage]
    pub type Misses<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, u32, ValueQuery>;

    /// Tasks that are over with the first block in which their rows go, in the order in which
    /// they ended. Inserted when a task ends; removed when its rows are gone.
    #[pallet::storage]
    pub type Expiring<T: Config> = StorageMap<_, Twox64Concat, u32, (TaskId, BlockNumber)>;

    /// First entry of `Expiring`, and the one after its last.
    #[pallet::storage]
    pub type ExpiringEnds<T: Config> = StorageValue<_, (u32, u32), ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A round's seed is known, and with it who scores what.
        SeedCompleted {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// The seed.
            seed: H256,
        },
        /// A validator committed to its scores.
        ScoresCommitted {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Who.
            validator: AccountId,
        },
        /// A validator revealed its scores.
        ScoresRevealed {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Who.
            validator: AccountId,
            /// How many models it was drawn for.
            entries: u32,
            /// `H` over the roots of its losses of each model.
            samples_root: H256,
        },
        /// A round was paid, or is known to pay nothing.
        RoundSettled {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// What was drawn.
            drawn: Balance,
            /// What of it went to the treasury.
            treasury: Balance,
            /// Why nothing was paid.
            unpaid: Option<Unpaid>,
            /// How many models it had.
            models: u32,
            /// How many validators revealed.
            revealed: u32,
        },
        /// A validator committed and didn't reveal.
        NotRevealed {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Who.
            validator: AccountId,
            /// What it lost of its own stake.
            slashed: Balance,
        },
        /// A validator was drawn and didn't commit.
        Missed {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Who.
            validator: AccountId,
            /// In how many rounds in a row; the last of too many costs its seat.
            misses: u32,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The signer is nobody's service key. Register it with staking.
        NotAServiceKey,
        /// There is no such round, or it is settled.
        NoSuchRound,
        /// Commitments are not taken now. See the round's schedule.
        NotCommitting,
        /// Reveals are not taken now. See the round's schedule.
        NotRevealing,
        /// The seed of the round isn't known yet. Wait a block.
        NoSeed,
        /// The round's evaluation data isn't open. Its creator opens it until a quarter of the
        /// commit window is over; if it doesn't, the round pays nothing and nobody has a miss.
        NoData,
        /// The operator is no validator of the task.
        NotAValidator,
        /// The validator's stake doesn't count in this round.
        StakeNotCounted,
        /// The validator committed already; it can't change its mind.
        AlreadyCommitted,
        /// The validator revealed already.
        AlreadyRevealed,
        /// The validator has no commitment in this round.
        NoCommitment,
        /// Scores and nonce don't match the commitment.
        WrongCommitment,
        /// The entries are not exactly the drawn models in the round's order.
        NotTheDraw,
        /// A raw value is impossible in the task's metric.
        RawOutOfRange,
        /// The task asks for no sketches. Reveal entries without them.
        UnwantedSketch,
        /// The list of earlier sketches is not as long as the list of models that the round
        /// compares with, which its seed holds.
        WrongEarlier,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(n: BlockNumberFor<T>) -> Weight {
            Self::tick(n.saturated_into(), T::MaxTickWeight::get())
        }

        fn integrity_test() {
            // Each unit of work fits a hook that has nothing else to do, at the largest sizes.
            let limit = T::MaxTickWeight::get();
            for (what, weight) in crate::units::largest_units::<T>() {
                assert!(
                    weight.all_lte(limit),
                    "scoring: {what} weighs {weight:?}, above MaxTickWeight {limit:?}"
                );
            }
        }

        fn offchain_worker(n: BlockNumberFor<T>) {
            offchain::run::<T>(n.saturated_into());
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            invariants::check::<T>()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Commits to the scores of a round. Signed by the validator's service key.
        #[pallet::call_index(0)]
        #[pallet::weight((T::WeightInfo::commit_scores(), DispatchClass::Operational))]
        pub fn commit_scores(
            origin: OriginFor<T>,
            task: TaskId,
            round: Round,
            commitment: H256,
        ) -> DispatchResult {
            let key = ensure_signed(origin)?;
            Self::do_commit_scores(key, task, round, commitment)
        }

        /// Reveals the scores of every model that the validator was drawn for, and where the task
        /// asks for sketches, those of them and of the earlier models that the round compares
        /// with. Signed by its service key.
        #[pallet::call_index(1)]
        #[pallet::weight((
            T::WeightInfo::reveal_scores(entries.len() as u32),
            DispatchClass::Operational,
        ))]
        pub fn reveal_scores(
            origin: OriginFor<T>,
            task: TaskId,
            round: Round,
            entries: ScoreEntries,
            earlier: EarlierSketches,
            samples_root: H256,
            nonce: H256,
        ) -> DispatchResult {
            let key = ensure_signed(origin)?;
            let opening = actions::Opening {
                entries: &entries,
                earlier: &earlier,
                samples_root,
                nonce,
            };
            Self::do_reveal_scores(key, task, round, &opening)
        }
    }
}
