//! The diagram of the chain: which pallet asks which.

use super::{consensus, fees, governance::dynamic_params};
use crate::{
    governance::origins::pallet::{EnsureSlashCanceller, EnsureTaskApprover, EnsureTaskGuardian},
    *,
};
use arena_primitives::{
    Role, Round, Sampling, Venue,
    traits::{Results as _, VenueRefusal, Venues},
};
use frame_support::{
    PalletId, parameter_types,
    traits::{EitherOf, Get},
    weights::Weight,
};
use frame_system::EnsureRoot;
use pallet_arena_staking::{GenesisLimits, StakeLimits};
use pallet_arena_tasks::TaskLimits;
use sp_runtime::Perbill;

parameter_types! {
    pub const RewardsPalletId: PalletId = PalletId(*b"ar/rewrd");
    /// What one hook may take of a block.
    pub MaxTickWeight: Weight = Perbill::from_percent(5) * MAXIMUM_BLOCK_WEIGHT;
}

/// Tasks know the venues `Task(_)`; `Network` is what sessions make it.
pub struct AllVenues;

impl Venues for AllVenues {
    fn current_round(venue: Venue) -> Option<Round> {
        match venue {
            Venue::Network => Some(Session::current_index()),
            Venue::Task(_) => ArenaTasks::current_round(venue),
        }
    }

    fn last_settled(venue: Venue) -> Option<Round> {
        match venue {
            Venue::Network => Session::current_index().checked_sub(1),
            Venue::Task(_) => ArenaTasks::last_settled(venue),
        }
    }

    fn admits(venue: Venue, role: Role, who: &AccountId) -> Result<(), VenueRefusal> {
        match (venue, role) {
            (Venue::Network, Role::Validator) => Ok(()),
            (Venue::Network, Role::Trainer) => Err(VenueRefusal::Role),
            (Venue::Task(_), _) => ArenaTasks::admits(venue, role, who),
        }
    }

    fn takes_stake(venue: Venue) -> bool {
        match venue {
            Venue::Network => true,
            Venue::Task(_) => ArenaTasks::takes_stake(venue),
        }
    }

    fn ended(venue: Venue) -> bool {
        match venue {
            Venue::Network => false,
            // What a settlement still pays counts as of a task that goes on.
            Venue::Task(task) => ArenaTasks::ended(venue) && !ArenaScoring::settling(task),
        }
    }

    fn locks_own(venue: Venue, role: Role) -> bool {
        match venue {
            Venue::Network => false,
            Venue::Task(_) => role == Role::Trainer && !Self::ended(venue),
        }
    }
}

impl pallet_arena_staking::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Venues = AllVenues;
    type Slashed = pallet_arena_rewards::BurnSlashed<Runtime>;
    type Leaving = ArenaDelegation;
    type SessionKeys = consensus::RegisteredKeys;
    type Disable = consensus::DisableOffender;
    type CancelOrigin = EitherOf<EnsureRoot<AccountId>, EnsureSlashCanceller>;
    type Governed = GovernedLimits;
    type MaxTickWeight = MaxTickWeight;
    type WeightInfo = pallet_arena_staking::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Neighbours;
}

/// Genesis's limits of stake, with those that governance set.
pub struct GovernedLimits;
impl Get<StakeLimits> for GovernedLimits {
    fn get() -> StakeLimits {
        use dynamic_params::staking;
        StakeLimits {
            min_own_validator: staking::MinOwnValidator::get(),
            min_own_trainer: staking::MinOwnTrainer::get(),
            seats_authors: staking::SeatsAuthors::get(),
            min_delegation: staking::MinDelegation::get(),
            commission_cap: staking::CommissionCap::get(),
            max_leverage: staking::MaxLeverage::get(),
            ..GenesisLimits::<Runtime>::get()
        }
    }
}

impl pallet_arena_delegation::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Slashed = pallet_arena_rewards::BurnSlashed<Runtime>;
    type Positions = ArenaStaking;
    type Stakes = ArenaStaking;
    type Venues = AllVenues;
    type Rewards = ArenaRewards;
    type Clock = ArenaStaking;
    type MinDelegation = dynamic_params::staking::MinDelegation;
    type WeightInfo = pallet_arena_delegation::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Neighbours;
}

impl pallet_arena_rewards::Config for Runtime {
    type Currency = Balances;
    type PalletId = RewardsPalletId;
    type Treasury = fees::ToTreasury;
    type Clock = ArenaStaking;
    type Stakes = ArenaStaking;
    type Venues = AllVenues;
    type Cases = ArenaChallenges;
    type WeightInfo = pallet_arena_rewards::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Neighbours;
}

/// What governance allows tasks.
pub struct GovernedTaskLimits;
impl Get<TaskLimits> for GovernedTaskLimits {
    fn get() -> TaskLimits {
        use dynamic_params::tasks;
        TaskLimits {
            rounds: tasks::MaxRounds::get(),
            round_minutes: tasks::MaxRoundMinutes::get(),
            final_days: tasks::MaxFinalDays::get(),
            challenge_days: tasks::MaxChallengeDays::get(),
            model_bytes: tasks::MaxModelBytes::get(),
            share: tasks::MaxShare::get(),
            active: tasks::MaxActive::get(),
        }
    }
}

impl pallet_arena_tasks::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type ApproveOrigin = EitherOf<EnsureRoot<AccountId>, EnsureTaskApprover>;
    type CancelOrigin = EitherOf<EnsureRoot<AccountId>, EnsureTaskGuardian>;
    type Stakes = ArenaStaking;
    type ServiceKeys = ArenaStaking;
    type Clock = ArenaStaking;
    type Rewards = ArenaRewards;
    type Slashed = fees::ToTreasury;
    type Results = ArenaScoring;
    type Cases = ArenaChallenges;
    type Runs = ArenaChallenges;
    type ProposalDeposit = dynamic_params::tasks::ProposalDeposit;
    type ProposalLifetime = dynamic_params::tasks::ProposalLifetime;
    type Limits = GovernedTaskLimits;
    type MaxTickWeight = MaxTickWeight;
    type WeightInfo = pallet_arena_tasks::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Neighbours;
}

impl pallet_arena_scoring::Config for Runtime {
    type AuthorityId = pallet_arena_scoring::crypto::ServiceKey;
    type Publishing = ArenaTasks;
    type Rounds = ArenaTasks;
    type Stakes = ArenaStaking;
    type ServiceKeys = ArenaStaking;
    type Rewards = ArenaRewards;
    type Vrf = consensus::ParentVrf;
    type Clock = ArenaStaking;
    type NonRevealSlash = dynamic_params::scoring::NonRevealSlash;
    type MaxMisses = dynamic_params::scoring::MaxMisses;
    type ResultKeep = dynamic_params::scoring::ResultKeep;
    type MaxTickWeight = MaxTickWeight;
    type WeightInfo = pallet_arena_scoring::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Neighbours;
}

/// Jurors of a first instance, as genesis set it.
pub struct Jury;
impl Get<u32> for Jury {
    fn get() -> u32 {
        ArenaChallenges::jury_sizes().first
    }
}

/// Jurors of an appeal, as genesis set it.
pub struct AppealJury;
impl Get<u32> for AppealJury {
    fn get() -> u32 {
        ArenaChallenges::jury_sizes().appeal
    }
}

/// What is replayed of a challenged training.
pub struct Segments;
impl Get<Sampling> for Segments {
    fn get() -> Sampling {
        Sampling {
            largest: dynamic_params::challenges::LargestSegments::get(),
            random: dynamic_params::challenges::RandomSegments::get(),
        }
    }
}

impl pallet_arena_challenges::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type AuthorityId = pallet_arena_challenges::crypto::ServiceKey;
    type Tasks = ArenaTasks;
    type Rounds = ArenaTasks;
    type Venues = AllVenues;
    type Stakes = ArenaStaking;
    type ServiceKeys = ArenaStaking;
    type Rewards = ArenaRewards;
    type Results = ArenaScoring;
    type Vrf = consensus::ParentVrf;
    type Clock = ArenaStaking;
    type OpenWithin = dynamic_params::challenges::OpenWithin;
    type RespondWithin = dynamic_params::challenges::RespondWithin;
    type VoteWithin = dynamic_params::challenges::VoteWithin;
    type RevealWithin = dynamic_params::challenges::RevealWithin;
    type AppealWithin = dynamic_params::challenges::AppealWithin;
    type Jury = Jury;
    type AppealJury = AppealJury;
    type JurorFee = dynamic_params::challenges::JurorFee;
    type BondShare = dynamic_params::challenges::BondShare;
    type ChallengerShare = dynamic_params::challenges::ChallengerShare;
    type JurorSlash = dynamic_params::challenges::JurorSlash;
    type OverturnedSlash = dynamic_params::challenges::OverturnedSlash;
    type MaxReplayBytes = dynamic_params::challenges::MaxReplayBytes;
    type RunDeposit = dynamic_params::challenges::RunDeposit;
    type Sampling = Segments;
    type MaxTickWeight = MaxTickWeight;
    type Slashed = fees::ToTreasury;
    type WeightInfo = pallet_arena_challenges::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarking::Neighbours;
}
