//! A chain of balances and staking; venues are knobs.

use crate as pallet_arena_staking;
use crate::{invariants, *};
use arena_primitives::{
    AccountId, Balance, Hash, Role, Round, TimeParameters, UNIT, Venue,
    time::Windows,
    traits::{LeavingStake, VenueRefusal, Venues},
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU128, Get, Imbalance, OnUnbalanced, fungible::Credit},
    weights::Weight,
};
use frame_system::EnsureRoot;
use sp_runtime::{BuildStorage, Perbill, traits::IdentityLookup};

pub(crate) const ED: Balance = 1_000;
pub(crate) const TASK: Venue = Venue::Task(1);
pub(crate) const DAY: u32 = 40;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Staking: pallet_arena_staking,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ConstU128<ED>;
    type AccountStore = System;
}

parameter_types! {
    pub static NetworkRound: Option<Round> = Some(5);
    pub static TaskRound: Option<Round> = Some(5);
    pub static TaskEnded: bool = false;
    /// What governance set; genesis's limits where it set none.
    pub static GovernedLimits: Option<StakeLimits> = None;
    pub static LocksTrainers: bool = true;
    pub static Refusal: Option<VenueRefusal> = None;
    pub static WithoutSessionKeys: Vec<AccountId> = Vec::new();
    /// Changes the session keys of everybody.
    pub static KeyVersion: u8 = 0;
    pub static SlashedAway: Balance = 0;
    pub static LeavingSlashed: Vec<(AccountId, Round, Perbill)> = Vec::new();
    /// Room for two slashes in a block.
    pub static MaxTickWeight: Weight = two_slashes();
    pub static Disabled: Vec<(AccountId, Perbill)> = Vec::new();
}

pub struct Knobs;

impl Venues for Knobs {
    fn current_round(venue: Venue) -> Option<Round> {
        if venue == Venue::Network {
            NetworkRound::get()
        } else {
            TaskRound::get()
        }
    }
    fn last_settled(venue: Venue) -> Option<Round> {
        Self::current_round(venue).and_then(|round| round.checked_sub(2))
    }
    fn admits(_: Venue, _: Role, _: &AccountId) -> Result<(), VenueRefusal> {
        Refusal::get().map_or(Ok(()), Err)
    }
    fn takes_stake(_: Venue) -> bool {
        true
    }
    fn ended(venue: Venue) -> bool {
        venue != Venue::Network && TaskEnded::get()
    }
    fn locks_own(venue: Venue, role: Role) -> bool {
        venue != Venue::Network && role == Role::Trainer && LocksTrainers::get()
    }
}

impl AuthorKeys for Knobs {
    fn fingerprint(who: &AccountId) -> Option<Hash> {
        let keys = Hash::repeat_byte(KeyVersion::get());
        (!WithoutSessionKeys::get().contains(who)).then_some(keys)
    }
}

impl LeavingStake for Knobs {
    fn slash(_: Venue, operator: &AccountId, since: Round, fraction: Perbill) -> Balance {
        LeavingSlashed::mutate(|all| all.push((operator.clone(), since, fraction)));
        7
    }
}

impl Disabling for Knobs {
    fn disable(who: &AccountId, fraction: Perbill) {
        Disabled::mutate(|all| all.push((who.clone(), fraction)));
    }
}

pub struct Sink;

impl OnUnbalanced<Credit<AccountId, Balances>> for Sink {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        SlashedAway::mutate(|sum| *sum += credit.peek());
    }
}

/// What applies two slashes and passes one that was cancelled.
fn two_slashes() -> Weight {
    type Info = weights::SubstrateWeight<Test>;
    Info::step_look() * 5 + Info::step_apply() * 2
}

impl Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Venues = Knobs;
    type Slashed = Sink;
    type Leaving = Knobs;
    type SessionKeys = Knobs;
    type Disable = Knobs;
    type CancelOrigin = EnsureRoot<AccountId>;
    type Governed = Wanted;
    type MaxTickWeight = MaxTickWeight;
    type WeightInfo = weights::SubstrateWeight<Test>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

/// Account number `n`.
pub(crate) fn account(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

pub struct Wanted;

impl Get<StakeLimits> for Wanted {
    fn get() -> StakeLimits {
        GovernedLimits::get().unwrap_or_else(GenesisLimits::<Test>::get)
    }
}

pub(crate) fn limits() -> StakeLimits {
    StakeLimits {
        min_own_author: 100 * UNIT,
        min_own_validator: 10 * UNIT,
        min_own_trainer: UNIT,
        seats_authors: 4,
        seats_validators: 3,
        seats_trainers: 2,
        min_authors: 2,
        min_delegation: UNIT,
        commission_cap: Perbill::from_percent(50),
        max_leverage: 20,
        slash_deferral_minutes: 720,
    }
}

pub(crate) fn time() -> TimeParameters {
    TimeParameters {
        slot_millis: 2_000,
        epoch_slots: 10,
        blocks_per_day: DAY,
        windows: Windows {
            gap: 1,
            publish: 2,
            seed: 2,
            commit: 8,
            reveal: 4,
        },
        unbonding_minutes: 1_440,
        commission_notice_minutes: 1_440,
        challenge_days: 2,
    }
}

pub(crate) struct ExtBuilder {
    pub(crate) network: Vec<(AccountId, Balance)>,
    pub(crate) limits: StakeLimits,
    pub(crate) time: TimeParameters,
}

impl Default for ExtBuilder {
    fn default() -> Self {
        ExtBuilder {
            network: Vec::new(),
            limits: limits(),
            time: time(),
        }
    }
}

impl ExtBuilder {
    pub(crate) fn network(mut self, network: &[(u8, Balance)]) -> Self {
        self.network = network
            .iter()
            .map(|(n, amount)| (account(*n), *amount))
            .collect();
        self
    }

    pub(crate) fn build(self) -> sp_io::TestExternalities {
        let genesis = RuntimeGenesisConfig {
            system: Default::default(),
            balances: pallet_balances::GenesisConfig {
                balances: (1..=20).map(|n| (account(n), 10_000 * UNIT)).collect(),
                ..Default::default()
            },
            staking: GenesisConfig {
                time: self.time,
                limits: self.limits,
                network: self.network,
                ..Default::default()
            },
        };
        let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("a genesis").into();
        ext.execute_with(|| System::set_block_number(1));
        ext
    }

    /// Rounds of the task and sessions are independent here, and neither follows the blocks.
    pub(crate) fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            test();
            invariants::check::<Test>().expect("invariants hold");
        });
    }
}
