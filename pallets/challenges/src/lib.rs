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
pub mod errors;
mod events;
mod glue;
pub mod invariants;
mod jury;
mod money;
pub mod offchain;
mod prune;
mod runs;
pub mod state;
mod tick;
mod time;
pub mod types;
mod units;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use actions::{COMMIT_TAG, LossRoots, ProvenLosses, REVEAL_TAG};
pub use arena_offchain::crypto;
pub use pallet::*;
pub use state::{CaseState, Jury, Seat, Seats};
pub use types::*;
pub use weights::WeightInfo;

pub(crate) const LOG: &str = "arena::challenges";

use frame_support::pallet_macros::import_section;

#[import_section(errors::challenges_errors)]
#[import_section(events::challenges_events)]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::vec::Vec;
    use arena_primitives::{
        AccountId, Balance, BlockNumber, CaseId, Claim, LogLeaves, Sampling, TaskId, Uris, Vote,
        traits::{
            BlockVrf, Clock, DutyCalls, Results, Rounds, ServiceKeys, Stakes, TaskRewards,
            TaskStates, Venues,
        },
    };
    use frame_support::{
        pallet_prelude::*,
        traits::{
            OnUnbalanced,
            fungible::{self, Credit},
        },
    };
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
        /// Where bonds and deposits are held.
        type Currency: fungible::hold::Mutate<AccountId, Balance = Balance, Reason = Self::RuntimeHoldReason>
            + fungible::hold::Balanced<AccountId>;
        /// The runtime's reasons of holds.
        type RuntimeHoldReason: From<HoldReason>;
        /// Where tasks stand.
        type Tasks: TaskStates;
        /// Mirrors of models.
        type Rounds: Rounds;
        /// Rounds of venues.
        type Venues: Venues;
        /// Positions.
        type Stakes: Stakes;
        /// Service keys of operators.
        type ServiceKeys: ServiceKeys;
        /// What convicts lose.
        type Rewards: TaskRewards;
        /// What was scored.
        type Results: Results;
        /// Of what draws are made.
        type Vrf: BlockVrf;
        /// Time as genesis set it.
        type Clock: Clock;
        /// How long a claim can be opened, in minutes.
        #[pallet::constant]
        type OpenWithin: Get<u32>;
        /// How long the accused has for its answer, in minutes.
        #[pallet::constant]
        type RespondWithin: Get<u32>;
        /// How long jurors have to commit to their votes, in minutes.
        #[pallet::constant]
        type VoteWithin: Get<u32>;
        /// How long jurors have to reveal them, in minutes.
        #[pallet::constant]
        type RevealWithin: Get<u32>;
        /// How long a first verdict can be appealed, in minutes.
        #[pallet::constant]
        type AppealWithin: Get<u32>;
        /// Jurors of a first instance.
        #[pallet::constant]
        type Jury: Get<u32>;
        /// Jurors of an appeal.
        #[pallet::constant]
        type AppealJury: Get<u32>;
        /// What a vote is paid, whichever it is.
        #[pallet::constant]
        type JurorFee: Get<Balance>;
        /// The part of the accused's locked rewards that a bond has beside the jury's cost.
        #[pallet::constant]
        type BondShare: Get<Perbill>;
        /// The part of a convict's locked rewards that its challengers share.
        #[pallet::constant]
        type ChallengerShare: Get<Perbill>;
        /// The part of its own stake that a juror loses without a vote.
        #[pallet::constant]
        type JurorSlash: Get<Perbill>;
        /// The part of its own stake that a juror loses whose verdict an appeal overturned.
        #[pallet::constant]
        type OverturnedSlash: Get<Perbill>;
        /// Most bytes of checkpoints that a juror fetches.
        #[pallet::constant]
        type MaxReplayBytes: Get<u64>;
        /// What is held for a registered run.
        #[pallet::constant]
        type RunDeposit: Get<Balance>;
        /// What is replayed of a training.
        #[pallet::constant]
        type Sampling: Get<Sampling>;
        /// The most that the hook may use of a block.
        #[pallet::constant]
        type MaxTickWeight: Get<Weight>;
        /// Takes what is lost to nobody.
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
        /// Of a challenger or an appellant, until the case is over.
        #[codec(index = 0)]
        Bond,
        /// Of a trainer, for its registered run, until another one or the task's end.
        #[codec(index = 1)]
        Run,
    }

    /// The number of the next case; never decreases.
    #[pallet::storage]
    pub type NextCaseId<T: Config> = StorageValue<_, CaseId, ValueQuery>;

    /// Claims that are not opened, by challenger and commitment. Inserted by `commit_case`, which
    /// holds a bond; removed by `open_case` and, when it is too late, by the hook.
    #[pallet::storage]
    pub type Commitments<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, H256, Commitment>;

    /// Cases that are not over. Inserted by `open_case`, which holds a bond; removed when they
    /// are closed, and when the task is over.
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

    /// In how many open cases an operator is accused, by task and operator. An entry lives as long
    /// as one of the cases.
    #[pallet::storage]
    pub type Accused<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, u32, ValueQuery>;

    /// What the accused answered, by case. Inserted by the accused, once; removed with the case.
    #[pallet::storage]
    pub type Answers<T: Config> = StorageMap<_, Twox64Concat, CaseId, Answer>;

    /// Who was convicted, by task and operator; nobody is convicted twice. Inserted by the hook,
    /// which took stake; removed when the task is over.
    #[pallet::storage]
    pub type Convicted<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, ()>;

    /// How often an operator was acquitted, by task. Inserted by the hook, at the cost of a bond;
    /// removed when the task is over.
    #[pallet::storage]
    pub type Acquittals<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, u32, ValueQuery>;

    /// Registered trainings, by task and trainer. Inserted by `register_run`, which holds a
    /// deposit; replaced by the next one, removed when the task is over.
    #[pallet::storage]
    pub type Runs<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, Run>;

    /// Heartbeats of live runs, by task and trainer, at most one for each round. Appended to by
    /// `heartbeat`; removed with the run.
    #[pallet::storage]
    pub type Heartbeats<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        TaskId,
        Blake2_128Concat,
        AccountId,
        BoundedVec<Heartbeat, ConstU32<MAX_HEARTBEATS>>,
        ValueQuery,
    >;

    /// Keys of marks, hidden, by task and owner. Inserted by `register_mark`, which takes a
    /// position; removed when the task is over.
    #[pallet::storage]
    pub type Marks<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        TaskId,
        Blake2_128Concat,
        AccountId,
        BoundedVec<Mark, ConstU32<MAX_MARKS>>,
        ValueQuery,
    >;

    /// VRF outputs hashed one after the other, up to the last block's.
    #[pallet::storage]
    pub type BeaconAcc<T: Config> = StorageValue<_, H256, ValueQuery>;

    /// What `BeaconAcc` was after each of the last blocks, at the block's number modulo
    /// `BEACON_KEEP`. Written by the hook; never more than that many rows.
    #[pallet::storage]
    pub type Beacon<T: Config> = StorageMap<_, Twox64Concat, u32, (BlockNumber, H256)>;

    /// What the hook has to do, by block. Each commitment and open case, and each run without a
    /// seed, has one row.
    #[pallet::storage]
    pub type DueAt<T: Config> =
        StorageDoubleMap<_, Twox64Concat, BlockNumber, Blake2_128Concat, Due, ()>;

    /// The first block that may have rows in `DueAt`.
    #[pallet::storage]
    pub type DueFrom<T: Config> = StorageValue<_, BlockNumber>;

    /// Tasks that are over and have rows here, in the order in which they ended. Inserted when a
    /// task ends; removed when its rows are gone.
    #[pallet::storage]
    pub type Ended<T: Config> = StorageMap<_, Twox64Concat, u32, TaskId>;

    /// First entry of `Ended`, and the one after its last.
    #[pallet::storage]
    pub type EndedEnds<T: Config> = StorageValue<_, (u32, u32), ValueQuery>;

    /// How large juries are. Set at genesis; never changes.
    #[pallet::storage]
    pub type Juries<T: Config> = StorageValue<_, JurySizes, ValueQuery>;

    /// First values of storage.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// How large juries are.
        pub juries: JurySizes,
        /// Nothing.
        #[serde(skip)]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            assert!(self.juries.are_possible(), "juries are empty or too large");
            Juries::<T>::put(self.juries);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(n: BlockNumberFor<T>) -> Weight {
            Self::tick(n.saturated_into(), T::MaxTickWeight::get())
        }

        fn integrity_test() {
            let (jury, appeal) = (T::Jury::get(), T::AppealJury::get());
            assert!(jury > 0 && appeal > 0, "somebody must judge");
            assert!(
                jury <= MAX_JURY && appeal <= MAX_JURY,
                "a jury is too large"
            );
            // Each unit of work fits a hook that has nothing else to do, at the largest sizes.
            let limit = T::MaxTickWeight::get();
            for (what, weight) in units::largest_units::<T>() {
                assert!(
                    weight.all_lte(limit),
                    "challenges: {what} weighs {weight:?}, above MaxTickWeight {limit:?}"
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
        /// Commits to a claim, so that nobody can be first with its evidence. Holds the cost of a
        /// jury, which is lost if the claim isn't opened in time.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::commit_case())]
        pub fn commit_case(origin: OriginFor<T>, task: TaskId, commitment: H256) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_commit_case(who, task, commitment)
        }

        /// Opens a claim that was committed to, and holds what its bond is more. Joins the case
        /// of the same claim where there is one. Where the claim can't be tried, the commitment
        /// ends and its bond goes back; `CommitmentEnded` says why.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::open_case().max(T::WeightInfo::open_case_in_vain()))]
        pub fn open_case(
            origin: OriginFor<T>,
            task: TaskId,
            claim: Claim,
            nonce: H256,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_open_case(who, task, claim, nonce)
        }

        /// Joins an open case with a bond of one's own.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::join())]
        pub fn join(origin: OriginFor<T>, case: CaseId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_join(who, case)
        }

        /// Opens the log of a challenged training. Signed by the accused or its service key.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::respond_training(leaves.len() as u32))]
        pub fn respond_training(
            origin: OriginFor<T>,
            case: CaseId,
            leaves: LogLeaves,
            uris: Uris,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_respond_training(who, case, leaves, uris)
        }

        /// Proves the drawn losses of a challenged score. Signed by the accused or its service
        /// key.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::respond_score(roots.len() as u32))]
        pub fn respond_score(
            origin: OriginFor<T>,
            case: CaseId,
            roots: LossRoots,
            samples: u32,
            losses: ProvenLosses,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_respond_score(who, case, roots, samples, losses)
        }

        /// Commits to a vote. Signed by the juror's service key.
        #[pallet::call_index(5)]
        #[pallet::weight((T::WeightInfo::commit_vote(), DispatchClass::Operational))]
        pub fn commit_vote(origin: OriginFor<T>, case: CaseId, commitment: H256) -> DispatchResult {
            let key = ensure_signed(origin)?;
            Self::do_commit_vote(key, case, commitment)
        }

        /// Reveals a vote. Signed by the juror's service key.
        #[pallet::call_index(6)]
        #[pallet::weight((T::WeightInfo::reveal_vote(), DispatchClass::Operational))]
        pub fn reveal_vote(
            origin: OriginFor<T>,
            case: CaseId,
            vote: Vote,
            nonce: H256,
        ) -> DispatchResult {
            let key = ensure_signed(origin)?;
            Self::do_reveal_vote(key, case, vote, nonce)
        }

        /// Takes a first verdict to a larger jury, whose verdict is final. For who lost; holds a
        /// bond that returns if the verdict turns.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::appeal())]
        pub fn appeal(origin: OriginFor<T>, case: CaseId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_appeal(who, case)
        }

        /// Does what time asks of a case, where the hook had no room for it.
        #[pallet::call_index(8)]
        #[pallet::weight(units::turn_weight::<T>())]
        pub fn poke(origin: OriginFor<T>, case: CaseId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_poke(case)
        }

        /// Registers a training before it begins; its seed follows. Takes the place of the
        /// trainer's run before.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::register_run())]
        pub fn register_run(
            origin: OriginFor<T>,
            task: TaskId,
            recipe: H256,
            steps: u64,
            every: u64,
            checkpoint_bytes: u64,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_register_run(who, task, recipe, steps, every, checkpoint_bytes)
        }

        /// Says how far a registered training has come. Signed by the trainer or its service key,
        /// once in a round.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::heartbeat())]
        pub fn heartbeat(
            origin: OriginFor<T>,
            task: TaskId,
            leaves: u32,
            root: H256,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_heartbeat(who, task, leaves, root)
        }

        /// Commits to the key of a mark, which stays secret until somebody's model carries it.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::register_mark())]
        pub fn register_mark(
            origin: OriginFor<T>,
            task: TaskId,
            commitment: H256,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_register_mark(who, task, commitment)
        }
    }
}
