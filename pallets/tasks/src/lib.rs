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
mod shards;
mod spec;
mod tick;
pub mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use actions::PUBLISH_TAG;
pub use pallet::*;
pub use shards::OPEN_TAG;
pub use spec::TaskLimits;
pub use types::*;
pub use weights::WeightInfo;

/// Rows that one step removes of a task that is over.
pub const PRUNE_ROWS: u32 = 128;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use crate::types::Task;
    use alloc::boxed::Box;
    use arena_primitives::{
        AccountId, Balance, BlockNumber, MAX_ACTIVE_TASKS, PublicData, Round, RoundModels, Shard,
        ShardProof, TaskId, TaskSpec, Uris,
        traits::{Cases, Clock, Results, Runs, ServiceKeys, Stakes, TaskRewards},
    };
    use codec::Encode;
    use frame_support::{
        pallet_prelude::*,
        traits::{
            OnUnbalanced,
            fungible::{self, Credit},
        },
    };
    use frame_system::pallet_prelude::*;
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
    {
        /// Where deposits are held.
        type Currency: fungible::hold::Mutate<AccountId, Balance = Balance, Reason = Self::RuntimeHoldReason>
            + fungible::BalancedHold<AccountId>;
        /// The runtime's reasons of holds.
        type RuntimeHoldReason: From<HoldReason>;
        /// Who approves proposals.
        type ApproveOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Who calls tasks off, and pauses them.
        type CancelOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Positions.
        type Stakes: Stakes;
        /// Service keys of operators.
        type ServiceKeys: ServiceKeys;
        /// Time as genesis set it.
        type Clock: Clock;
        /// Where money moves.
        type Rewards: TaskRewards;
        /// Where the bonds of missed shards go.
        type Slashed: OnUnbalanced<Credit<AccountId, Self::Currency>>;
        /// Results of rounds.
        type Results: Results;
        /// Cases against models.
        type Cases: Cases;
        /// Registered trainings.
        type Runs: Runs;
        /// What a proposal holds of its proposer.
        #[pallet::constant]
        type ProposalDeposit: Get<Balance>;
        /// How long a proposal can be approved, in minutes.
        #[pallet::constant]
        type ProposalLifetime: Get<u32>;
        /// What governance allows tasks.
        type Limits: Get<TaskLimits>;
        /// The most that the hook may use of a block.
        #[pallet::constant]
        type MaxTickWeight: Get<Weight>;
        /// Weights.
        type WeightInfo: WeightInfo;
        /// Brings the neighbours where benchmarks need them.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper;
    }

    /// Why balance is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// Of a proposer, until its proposal is approved, withdrawn or expired.
        #[codec(index = 0)]
        Proposal,
        /// Of the creator of a task with sealed data, until final validation is settled.
        #[codec(index = 1)]
        ShardBond,
    }

    /// What is voted on, by `H(proposer ‖ spec)`. Inserted by `propose`; removed by `approve`,
    /// `withdraw_proposal` and `remove_expired`. Costs its maker a deposit. The key is a hash.
    #[pallet::storage]
    pub type Proposals<T: Config> = StorageMap<_, Identity, H256, Proposal>;

    /// The number of the next task that is approved; never decreases.
    #[pallet::storage]
    pub type NextTaskId<T: Config> = StorageValue<_, TaskId, ValueQuery>;

    /// Tasks and where they stand. Inserted by `approve`, never removed: a task's number stays
    /// known. Numbers are given by the pallet, so that the hasher needn't resist anybody.
    #[pallet::storage]
    pub type Tasks<T: Config> = StorageMap<_, Twox64Concat, TaskId, Task>;

    /// What was voted on, of each task. Inserted by `approve`, never removed: it says what a
    /// task's results mean.
    #[pallet::storage]
    pub type Specs<T: Config> = StorageMap<_, Twox64Concat, TaskId, TaskSpec>;

    /// Tasks that the hook looks at. A task enters with `approve` and leaves when it is over and
    /// its rows are gone.
    #[pallet::storage]
    pub type Active<T: Config> =
        StorageValue<_, BoundedVec<TaskId, ConstU32<MAX_ACTIVE_TASKS>>, ValueQuery>;

    /// Where in `Active` the hook goes on.
    #[pallet::storage]
    pub type Cursor<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// Commitments that are not published, by task, round and trainer. Inserted by `submit`,
    /// which costs a fee and a position; removed by `publish`, at settlement of the round, and
    /// when the task is over.
    #[pallet::storage]
    pub type Submissions<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Twox64Concat, TaskId>,
            NMapKey<Twox64Concat, Round>,
            NMapKey<Blake2_128Concat, AccountId>,
        ),
        Submission,
    >;

    /// Each trainer's published models, by task and trainer. Inserted by `publish`; removed when
    /// an earlier commitment to the same root is published and nothing else stands, and when the
    /// task is over. Its roots are in `Roots` and belong to the trainer.
    #[pallet::storage]
    pub type Models<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId, StandingModel>;

    /// Whose a root is, by task and root. Inserted by `publish`, and changed by it when an
    /// earlier commitment is published; removed when the task is over. A root is a hash that its
    /// publisher can choose, hence the keyed hasher.
    #[pallet::storage]
    pub type Roots<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, H256, RootOwner>;

    /// The models of live rounds from the start of their seed phase, ordered by trainer.
    /// Inserted by the hook or `poke`; removed at settlement and when the task is over.
    #[pallet::storage]
    pub type Fixed<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Twox64Concat, Round, RoundModels>;

    /// The evaluation data of live rounds of tasks with sealed data. Inserted by `open_shard`;
    /// removed at settlement and when the task is over. Numbers are given by the pallet.
    #[pallet::storage]
    pub type Shards<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Twox64Concat, Round, PublicData>;

    /// What is held of the creators of tasks with sealed data, by task. Inserted by `approve`,
    /// taken and held again when a shard is missed, removed when final validation is settled and
    /// when the task is over.
    #[pallet::storage]
    pub type Bonds<T: Config> = StorageMap<_, Twox64Concat, TaskId, Balance>;

    /// What a closed task leaves. Inserted when a task closes, never removed: it is what the
    /// task was for.
    #[pallet::storage]
    pub type Winners<T: Config> = StorageMap<_, Twox64Concat, TaskId, TaskResult>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A spec can be voted on.
        Proposed {
            /// By whom.
            proposer: AccountId,
            /// Under which it is approved.
            spec_hash: H256,
            /// The last block in which it can be approved.
            expires: BlockNumber,
        },
        /// A proposal was taken back, and its deposit returned.
        ProposalWithdrawn {
            /// Which.
            spec_hash: H256,
        },
        /// A proposal expired, and its deposit was returned.
        ProposalExpired {
            /// Which.
            spec_hash: H256,
        },
        /// A task begins, and its deposit was returned.
        Approved {
            /// Which.
            task: TaskId,
            /// The approved proposal.
            spec_hash: H256,
            /// Who proposed it.
            creator: AccountId,
            /// The most that it may draw of the emission.
            max_share: Perbill,
        },
        /// A round takes stake and, unless it is enrolment, submissions.
        RoundOpened {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Stake that draws for the task from now on.
            counted: Balance,
        },
        /// A trainer committed to a model.
        Submitted {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Whose.
            trainer: AccountId,
            /// The commitment.
            commitment: H256,
        },
        /// A model is public.
        Published {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Whose.
            trainer: AccountId,
            /// Which.
            manifest_root: H256,
        },
        /// An earlier commitment to the same root was published: the model of this trainer no
        /// longer counts.
        ModelDisplaced {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// Whose.
            trainer: AccountId,
            /// Which.
            manifest_root: H256,
        },
        /// The models of a round are final.
        ModelsFixed {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// How many.
            models: u32,
        },
        /// The evaluation data of a round can be fetched.
        ShardOpened {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// BLAKE3 of the file.
            blake3: [u8; 32],
        },
        /// The evaluation data of a round was not opened in time: the round pays nothing.
        ShardMissed {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
            /// What its creator lost.
            slashed: Balance,
        },
        /// The last round began.
        FinalValidationStarted {
            /// The task.
            task: TaskId,
            /// The round.
            round: Round,
        },
        /// Cases can be opened.
        ChallengeStarted {
            /// The task.
            task: TaskId,
            /// Until when.
            until: BlockNumber,
        },
        /// A task is over, and what was earned in it is free.
        Closed {
            /// The task.
            task: TaskId,
            /// The trainers of the best models, best first.
            winners: alloc::vec::Vec<AccountId>,
        },
        /// A task was called off; what earlier rounds earned is free.
        Ended {
            /// The task.
            task: TaskId,
            /// Why.
            reason: EndReason,
        },
        /// A task opens no further round, and doesn't close, until it is resumed.
        Paused {
            /// The task.
            task: TaskId,
        },
        /// A task goes on.
        Resumed {
            /// The task.
            task: TaskId,
        },
        /// A task's bounty grew.
        ToppedUp {
            /// The task.
            task: TaskId,
            /// By whom.
            who: AccountId,
            /// By how much.
            amount: Balance,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The same account proposed the same spec already. Wait for the vote, or change it.
        AlreadyProposed,
        /// There is no such proposal. Look it up by the event of `propose`.
        NoSuchProposal,
        /// Only the proposer can take a proposal back.
        NotTheProposer,
        /// The proposal's time has passed. Propose it again.
        ProposalExpired,
        /// The proposal can still be approved. Wait, or let the proposer take it back.
        ProposalNotExpired,
        /// The name isn't a non-empty UTF-8 text.
        BadName,
        /// The licence isn't a non-empty UTF-8 text.
        BadLicence,
        /// `worst` lies outside of the metric's range.
        WorstOutOfRange,
        /// The data has no bytes or no mirror, or a mirror is no text.
        BadData,
        /// No architecture is allowed, or one that can't be measured by the metric.
        BadArchitectures,
        /// A bound of models is zero, or the context is where models read text.
        BadModelBounds,
        /// The base model has no root or no mirror, or a mirror is no text.
        BadBase,
        /// A reward parameter is out of range.
        BadRewardParameters,
        /// `committee`, `min_scorers` and `min_trainers` can't be met together with the seats.
        BadCommittee,
        /// A duration is zero or above 366 days or rounds.
        BadDuration,
        /// The thresholds of likeness aren't in order, or unrelated models would pass them.
        BadLikeness,
        /// The windows that follow a round don't fit into one. Make rounds longer.
        RoundTooShort,
        /// One evaluation may last longer than the window for commitments. Lower `max_seconds`.
        EvaluationTooLong,
        /// As many tasks are active as there can be. Wait for one to end.
        TooManyTasks,
        /// All numbers of tasks are used.
        NoMoreIds,
        /// There is no such task.
        NoSuchTask,
        /// Enrolment and submission are over, or no round is open at this moment.
        NoOpenRound,
        /// Enrolment takes stake, no models. Submit from round 1 on.
        Enrolment,
        /// The account is no trainer of the task. Take a position first.
        NotATrainer,
        /// The account's stake doesn't count in this round. It does from the next one.
        StakeNotCounted,
        /// The task takes registered trainings only. Register a run with challenges first.
        NoRun,
        /// The signer is nobody's service key. Register it with staking.
        NotAServiceKey,
        /// No round's publish window is open.
        NotPublishing,
        /// The mirrors are none, or one is no text.
        BadUris,
        /// The trainer has no commitment in the round that publishes.
        NoSubmission,
        /// The trainer's model of this round is published already.
        AlreadyPublished,
        /// Root and nonce don't match the commitment.
        WrongCommitment,
        /// Somebody committed to this root earlier.
        RootOwned,
        /// The task draws no more rewards, so that a bounty would have no use.
        NotDrawing,
        /// The task is over.
        TaskOver,
        /// Nothing is due for this task at this block.
        NothingDue,
        /// A round, or final validation, lasts so long that stake could leave before it is settled.
        /// Shorten it: with its windows it must fit the unbonding period.
        OutlivesStake,
        /// The task is paused already.
        AlreadyPaused,
        /// The task isn't paused.
        NotPaused,
        /// The sealed data has no root, or its shards no bytes.
        BadSeal,
        /// The proposer can't cover the bond of its shards: the most that a round of the task can
        /// draw. Let it have that much; it takes another vote before the proposal expires.
        BondNotCovered,
        /// Only the service key of the task's creator opens its shards.
        NotTheCreator,
        /// The task's data is public: there are no shards to open.
        NotSealed,
        /// The task has no such round, or it is settled, or it is enrolment.
        NotALiveRound,
        /// The shard of this round is open.
        ShardOpen,
        /// The round has no models, so that its shard stays sealed. Wait for the next round.
        NoModels,
        /// The models of this round aren't fixed yet. Open its shard from its seed phase on.
        ShardTooEarly,
        /// A quarter of the round's commit window is over: its bond is taken, and it pays nothing.
        ShardTooLate,
        /// The shard has no bytes, or more than the spec allows.
        ShardSize,
        /// The proof doesn't lead from the shard to the root that was voted on. Check that it is
        /// the round's own, and the file of `arena dataset seal` the task's.
        WrongShard,
        /// The challenge phase is shorter than a case with its appeal. Raise `challenge_days` to
        /// what genesis names as the least, which `arena_time` tells.
        ChallengeTooShort,
        /// The spec asks for more than governance allows: rounds, their length, days of final
        /// validation or challenge, or bytes of a model. `arena parameters` shows the limits.
        AboveLimit,
        /// The task would draw more of the emission than governance allows one task. Approve a
        /// smaller share; `arena parameters` shows the limit.
        ShareAboveLimit,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(n: BlockNumberFor<T>) -> Weight {
            Self::tick(n.saturated_into(), T::MaxTickWeight::get())
        }

        fn integrity_test() {
            // Each step fits a hook that has nothing else to do, at the largest sizes.
            let limit = T::MaxTickWeight::get();
            for (what, weight) in crate::tick::largest_steps::<T>() {
                assert!(
                    weight.all_lte(limit),
                    "tasks: {what} weighs {weight:?}, above MaxTickWeight {limit:?}"
                );
            }
            assert!(
                T::ProposalLifetime::get() > 0,
                "a proposal must live for a while"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            invariants::check::<T>()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Puts a spec up for a vote, with a deposit.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::propose(spec.encoded_size() as u32))]
        pub fn propose(origin: OriginFor<T>, spec: Box<TaskSpec>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_propose(who, *spec)
        }

        /// Takes a proposal back and returns its deposit.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::withdraw_proposal())]
        pub fn withdraw_proposal(origin: OriginFor<T>, spec_hash: H256) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw_proposal(who, spec_hash)
        }

        /// Makes a proposal a task, which may draw at most `max_share` of the emission.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::approve())]
        pub fn approve(
            origin: OriginFor<T>,
            spec_hash: H256,
            max_share: Perbill,
        ) -> DispatchResult {
            T::ApproveOrigin::ensure_origin(origin)?;
            Self::do_approve(spec_hash, max_share)
        }

        /// Commits to a model: `H(operator ‖ manifest_root ‖ nonce)`. Replaces what the trainer
        /// committed to in this round.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::submit())]
        pub fn submit(origin: OriginFor<T>, task: TaskId, commitment: H256) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_submit(who, task, commitment)
        }

        /// Makes a committed model public. Signed by the trainer's service key.
        #[pallet::call_index(4)]
        #[pallet::weight((T::WeightInfo::publish(uris.len() as u32), DispatchClass::Operational))]
        pub fn publish(
            origin: OriginFor<T>,
            task: TaskId,
            manifest_root: H256,
            uris: Uris,
            nonce: H256,
        ) -> DispatchResult {
            let key = ensure_signed(origin)?;
            Self::do_publish(key, task, manifest_root, uris, nonce)
        }

        /// Adds to a task's bounty.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::top_up())]
        pub fn top_up(origin: OriginFor<T>, task: TaskId, amount: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_top_up(who, task, amount)
        }

        /// Calls a task off. What earlier rounds earned becomes free.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::cancel())]
        pub fn cancel(origin: OriginFor<T>, task: TaskId) -> DispatchResult {
            T::CancelOrigin::ensure_origin(origin)?;
            Self::do_cancel(task)
        }

        /// Does the step that is due for a task, as the hook would.
        #[pallet::call_index(7)]
        #[pallet::weight(crate::tick::heaviest_step::<T>())]
        pub fn poke(origin: OriginFor<T>, task: TaskId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_poke(task)
        }

        /// Removes a proposal whose time has passed and returns its deposit to its proposer.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::remove_expired())]
        pub fn remove_expired(origin: OriginFor<T>, spec_hash: H256) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_remove_expired(spec_hash)
        }

        /// Opens a round's shard of sealed evaluation data: from when the round's models are fixed
        /// until a quarter of its commit window is over. Signed by the creator's service key.
        #[pallet::call_index(9)]
        #[pallet::weight((
            T::WeightInfo::open_shard(proof.len() as u32, uris.len() as u32),
            DispatchClass::Operational
        ))]
        pub fn open_shard(
            origin: OriginFor<T>,
            task: TaskId,
            round: Round,
            shard: Shard,
            proof: ShardProof,
            uris: Uris,
        ) -> DispatchResult {
            let key = ensure_signed(origin)?;
            Self::do_open_shard(key, task, round, shard, proof, uris)
        }

        /// Holds a task: the rounds that are alive go on to their settlement, no other is opened,
        /// and the task doesn't close.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::pause())]
        pub fn pause(origin: OriginFor<T>, task: TaskId) -> DispatchResult {
            T::CancelOrigin::ensure_origin(origin)?;
            Self::do_pause(task)
        }

        /// Lets a paused task go on.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::resume())]
        pub fn resume(origin: OriginFor<T>, task: TaskId) -> DispatchResult {
            T::CancelOrigin::ensure_origin(origin)?;
            Self::do_resume(task)
        }
    }
}
