//! Preimages, schedules, referenda, votes, treasury, governed parameters.

use super::fees::TreasuryAccount;
use crate::{
    governance::{
        origins::pallet::{
            EnsureParameterAdmin, EnsureReferendumCanceller, EnsureReferendumKiller, EnsureSpender,
        },
        tracks,
    },
    *,
};
use arena_primitives::{MAX_ACTIVE_TASKS, MAX_ROUNDS, traits::Clock};
use frame_support::{
    PalletId,
    dynamic_params::{dynamic_pallet_params, dynamic_params},
    parameter_types,
    traits::{
        ConstU32, ConstU128, EitherOf, EnsureOriginWithArg, EqualPrivilegeOnly, Get,
        LinearStoragePrice,
        fungible::HoldConsideration,
        tokens::{PayFromAccount, UnityAssetBalanceConversion},
    },
    weights::Weight,
};
use frame_system::{EnsureRoot, EnsureRootWithSuccess, EnsureSigned};
use pallet_arena_staking::Limits;
use sp_runtime::{Perbill, Permill, traits::IdentityLookup};

/// Blocks in this many minutes of the chain's day, at least one.
pub struct Blocks<const MINUTES: u32>;
impl<const MINUTES: u32> Get<BlockNumber> for Blocks<MINUTES> {
    fn get() -> BlockNumber {
        ArenaStaking::blocks(MINUTES).max(1)
    }
}

const DAY: u32 = 1_440;

parameter_types! {
    pub const PreimageBaseDeposit: Balance = super::system::deposit(2, 64);
    pub const PreimageByteDeposit: Balance = super::system::deposit(0, 1);
    pub const PreimageHoldReason: RuntimeHoldReason =
        RuntimeHoldReason::Preimage(pallet_preimage::HoldReason::Preimage);
    pub MaximumSchedulerWeight: Weight = Perbill::from_percent(40) * MAXIMUM_BLOCK_WEIGHT;
    pub const TreasuryPalletId: PalletId = PalletId(*b"ar/trsry");
    /// The treasury burns nothing.
    pub const NoBurn: Permill = Permill::zero();
    pub const SpendLimit: Balance = 100_000 * UNIT;
    pub const MaxBalance: Balance = Balance::MAX;
}

impl pallet_preimage::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_preimage::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type ManagerOrigin = EnsureRoot<AccountId>;
    type Consideration = HoldConsideration<
        AccountId,
        Balances,
        PreimageHoldReason,
        LinearStoragePrice<PreimageBaseDeposit, PreimageByteDeposit, Balance>,
    >;
}

impl pallet_scheduler::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeOrigin = RuntimeOrigin;
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type MaximumWeight = MaximumSchedulerWeight;
    type ScheduleOrigin = EnsureRoot<AccountId>;
    type OriginPrivilegeCmp = EqualPrivilegeOnly;
    type MaxScheduledPerBlock = ConstU32<50>;
    type WeightInfo = pallet_scheduler::weights::SubstrateWeight<Runtime>;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

impl governance::origins::Config for Runtime {}

impl pallet_referenda::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_referenda::weights::SubstrateWeight<Runtime>;
    type Scheduler = Scheduler;
    type Currency = Balances;
    type SubmitOrigin = frame_support::traits::AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type CancelOrigin = EitherOf<EnsureRoot<AccountId>, EnsureReferendumCanceller>;
    type KillOrigin = EitherOf<EnsureRoot<AccountId>, EnsureReferendumKiller>;
    type Slash = Treasury;
    type Votes = pallet_conviction_voting::VotesOf<Runtime>;
    type Tally = pallet_conviction_voting::TallyOf<Runtime>;
    type SubmissionDeposit = ConstU128<{ UNIT }>;
    type MaxQueued = ConstU32<100>;
    type UndecidingTimeout = Blocks<{ 14 * DAY }>;
    type AlarmInterval = ConstU32<1>;
    type Tracks = tracks::TracksInfo;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

/// What can vote at most: turnout counts active issuance.
pub struct ActiveIssuance;
impl Get<Balance> for ActiveIssuance {
    fn get() -> Balance {
        use frame_support::traits::fungible::Inspect;
        <Balances as Inspect<AccountId>>::active_issuance()
    }
}

impl pallet_conviction_voting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_conviction_voting::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type Polls = Referenda;
    type MaxTurnout = ActiveIssuance;
    type MaxVotes = ConstU32<512>;
    type VoteLockingPeriod = Blocks<{ 7 * DAY }>;
    type BlockNumberProvider = System;
    type VotingHooks = ();
}

impl pallet_treasury::Config for Runtime {
    type Currency = Balances;
    type RejectOrigin = EnsureRoot<AccountId>;
    type RuntimeEvent = RuntimeEvent;
    type SpendPeriod = Blocks<{ 6 * DAY }>;
    type Burn = NoBurn;
    type PalletId = TreasuryPalletId;
    type BurnDestination = ();
    type WeightInfo = pallet_treasury::weights::SubstrateWeight<Runtime>;
    type SpendFunds = ();
    type MaxApprovals = ConstU32<100>;
    type SpendOrigin =
        EitherOf<EnsureRootWithSuccess<AccountId, MaxBalance>, EnsureSpender<SpendLimit>>;
    type AssetKind = ();
    type Beneficiary = AccountId;
    type BeneficiaryLookup = IdentityLookup<AccountId>;
    type Paymaster = PayFromAccount<Balances, TreasuryAccount>;
    type BalanceConverter = UnityAssetBalanceConversion;
    type PayoutPeriod = Blocks<{ 30 * DAY }>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
    type BlockNumberProvider = System;
}

/// Parameters that governance sets, with the values that they have until then.
#[dynamic_params(RuntimeParameters, pallet_parameters::Parameters::<Runtime>)]
pub mod dynamic_params {
    use super::*;

    /// Of tasks.
    #[dynamic_pallet_params]
    #[codec(index = 0)]
    pub mod tasks {
        /// Held while a proposal waits.
        #[codec(index = 0)]
        pub static ProposalDeposit: Balance = 500 * UNIT;
        /// Minutes until a proposal that nobody approved can be removed.
        #[codec(index = 1)]
        pub static ProposalLifetime: u32 = 28 * 1_440;
        /// Most submission rounds of a task.
        #[codec(index = 2)]
        pub static MaxRounds: u32 = MAX_ROUNDS;
        /// Minutes of the longest round.
        #[codec(index = 3)]
        pub static MaxRoundMinutes: u32 = 366 * 1_440;
        /// Days of the longest final validation.
        #[codec(index = 4)]
        pub static MaxFinalDays: u32 = MAX_ROUNDS;
        /// Days of the longest challenge phase.
        #[codec(index = 5)]
        pub static MaxChallengeDays: u32 = MAX_ROUNDS;
        /// Most bytes of a model.
        #[codec(index = 6)]
        pub static MaxModelBytes: u64 = 1 << 40;
        /// The most of the tasks' emission that one task may draw.
        #[codec(index = 7)]
        pub static MaxShare: Perbill = Perbill::one();
        /// Most tasks that are active at a time.
        #[codec(index = 8)]
        pub static MaxActive: u32 = MAX_ACTIVE_TASKS;
    }

    /// Of scoring.
    #[dynamic_pallet_params]
    #[codec(index = 1)]
    pub mod scoring {
        /// Part of own stake that a commitment without reveal costs.
        #[codec(index = 0)]
        pub static NonRevealSlash: Perbill = Perbill::from_percent(1);
        /// Minutes for which results of ended tasks are kept.
        #[codec(index = 1)]
        pub static ResultKeep: u32 = 90 * 1_440;
        /// Rounds in a row in which a drawn validator may be absent before it loses its seat.
        #[codec(index = 2)]
        pub static MaxMisses: u32 = 3;
    }

    /// Of challenges. Times are minutes of the chain's day.
    #[dynamic_pallet_params]
    #[codec(index = 2)]
    pub mod challenges {
        /// For opening what was committed to.
        #[codec(index = 0)]
        pub static OpenWithin: u32 = 60;
        /// For the accused to answer.
        #[codec(index = 1)]
        pub static RespondWithin: u32 = 1_440;
        /// For jurors to find out, and to commit to their votes.
        #[codec(index = 2)]
        pub static VoteWithin: u32 = 1_440;
        /// For jurors to reveal their votes.
        #[codec(index = 3)]
        pub static RevealWithin: u32 = 360;
        /// For an appeal against the first verdict.
        #[codec(index = 4)]
        pub static AppealWithin: u32 = 720;
        /// What a juror gets for a vote, whichever it is.
        #[codec(index = 5)]
        pub static JurorFee: Balance = 2 * UNIT;
        /// What a bond is beyond the jury's fees, as a part of the accused's locked rewards.
        #[codec(index = 6)]
        pub static BondShare: Perbill = Perbill::from_percent(5);
        /// The most that challengers get of the accused's locked rewards.
        #[codec(index = 7)]
        pub static ChallengerShare: Perbill = Perbill::from_percent(50);
        /// What a juror that says nothing loses of its own stake.
        #[codec(index = 8)]
        pub static JurorSlash: Perbill = Perbill::from_percent(1);
        /// What jurors lose of their own stake whose verdict an appeal turns.
        #[codec(index = 9)]
        pub static OverturnedSlash: Perbill = Perbill::from_percent(5);
        /// Most bytes that a juror must fetch of a training's checkpoints.
        #[codec(index = 10)]
        pub static MaxReplayBytes: u64 = 8 * 1_024 * 1_024 * 1_024;
        /// Held while a registered training is kept.
        #[codec(index = 11)]
        pub static RunDeposit: Balance = 10 * UNIT;
        /// Segments of a training with the largest updates that are trained again.
        #[codec(index = 12)]
        pub static LargestSegments: u32 = 4;
        /// Segments at random that are trained again.
        #[codec(index = 13)]
        pub static RandomSegments: u32 = 12;
    }

    /// Of stake and seats: as genesis set them, until governance sets others.
    #[dynamic_pallet_params]
    #[codec(index = 3)]
    pub mod staking {
        /// Least own stake of a task's validator.
        #[codec(index = 0)]
        pub static MinOwnValidator: Balance = Limits::<Runtime>::get().min_own_validator;
        /// Least own stake of a trainer.
        #[codec(index = 1)]
        pub static MinOwnTrainer: Balance = Limits::<Runtime>::get().min_own_trainer;
        /// Least delegation.
        #[codec(index = 2)]
        pub static MinDelegation: Balance = Limits::<Runtime>::get().min_delegation;
        /// Most authors of blocks.
        #[codec(index = 3)]
        pub static SeatsAuthors: u32 = Limits::<Runtime>::get().seats_authors;
        /// Highest commission that can be announced.
        #[codec(index = 4)]
        pub static CommissionCap: Perbill = Limits::<Runtime>::get().commission_cap;
        /// An author counts with at most this many times its own stake; 0 is no limit.
        #[codec(index = 5)]
        pub static MaxLeverage: u32 = Limits::<Runtime>::get().max_leverage;
    }
}

/// Root or the `parameters` track, for every parameter.
pub struct EnsureParameters;
impl EnsureOriginWithArg<RuntimeOrigin, RuntimeParametersKey> for EnsureParameters {
    type Success = ();

    fn try_origin(origin: RuntimeOrigin, _: &RuntimeParametersKey) -> Result<(), RuntimeOrigin> {
        use frame_support::traits::EnsureOrigin;
        EitherOf::<EnsureRoot<AccountId>, EnsureParameterAdmin>::try_origin(origin).map(|_| ())
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn try_successful_origin(_: &RuntimeParametersKey) -> Result<RuntimeOrigin, ()> {
        Ok(RuntimeOrigin::root())
    }
}

impl pallet_parameters::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeParameters = RuntimeParameters;
    type AdminOrigin = EnsureParameters;
    type WeightInfo = ();
}
