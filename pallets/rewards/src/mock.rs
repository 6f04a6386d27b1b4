//! A chain of balances, authorship and rewards; positions and time are knobs.

use crate as pallet_arena_rewards;
use crate::{invariants, *};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, StakeSnapshot, TaskId, UNIT, Venue, time,
    traits::{Cases, Clock, Counted, Stakes, Taken, VenueRefusal, Venues},
};
use frame_support::{
    ConsensusEngineId, PalletId, derive_impl, parameter_types,
    traits::{ConstU128, FindAuthor, Imbalance, OnUnbalanced, fungible::Credit},
};
use sp_runtime::{BuildStorage, Perbill, traits::IdentityLookup};

pub(crate) const ED: Balance = 1_000;
pub(crate) const DAY: u32 = 40;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Authorship: pallet_authorship,
        Balances: pallet_balances,
        Rewards: pallet_arena_rewards,
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
    pub const RewardsId: PalletId = PalletId(*b"arenarwd");
    pub static Author: Option<AccountId> = None;
    pub static Session: Option<Round> = Some(3);
    pub static Positions: Vec<Counted> = Vec::new();
    pub static ToTreasury: Balance = 0;
    pub static Settled: Option<Round> = None;
    pub static Accused: Vec<(TaskId, AccountId)> = Vec::new();
}

impl FindAuthor<AccountId> for Knobs {
    fn find_author<'a, I>(_: I) -> Option<AccountId>
    where
        I: 'a + IntoIterator<Item = (ConsensusEngineId, &'a [u8])>,
    {
        Author::get()
    }
}

impl pallet_authorship::Config for Test {
    type FindAuthor = Knobs;
    type EventHandler = Rewards;
}

pub struct Knobs;

impl Venues for Knobs {
    fn current_round(venue: Venue) -> Option<Round> {
        if venue == Venue::Network {
            Session::get()
        } else {
            None
        }
    }
    fn last_settled(_: Venue) -> Option<Round> {
        Settled::get()
    }
    fn admits(_: Venue, _: Role, _: &AccountId) -> Result<(), VenueRefusal> {
        Ok(())
    }
    fn takes_stake(_: Venue) -> bool {
        true
    }
    fn ended(venue: Venue) -> bool {
        crate::Released::<Test>::contains_key(venue)
    }
    fn locks_own(_: Venue, _: Role) -> bool {
        false
    }
}

impl Clock for Knobs {
    fn blocks(minutes: u32) -> BlockNumber {
        time::blocks(minutes, DAY)
    }
    fn windows() -> time::Windows {
        Default::default()
    }
    fn unbonding() -> BlockNumber {
        BlockNumber::MAX
    }
    fn challenge_days() -> u32 {
        1
    }
}

impl Stakes for Knobs {
    fn role(_: Venue, _: &AccountId) -> Option<Role> {
        None
    }
    fn counted(_: Venue, who: &AccountId, _: Round) -> Option<Counted> {
        Positions::get()
            .into_iter()
            .find(|counted| counted.operator == *who)
    }
    fn all(_: Venue, _: Role, _: Round) -> Vec<Counted> {
        Positions::get()
    }
    fn slash_own(_: Venue, _: &AccountId, _: Balance) -> Balance {
        0
    }
    fn slash_own_for(_: Venue, _: &AccountId, _: Balance, _: &[(AccountId, Balance)]) -> Taken {
        Taken::default()
    }
    fn chill(_: Venue, _: &AccountId) -> bool {
        false
    }
}

impl Cases for Knobs {
    fn open_cases(_: TaskId) -> u32 {
        0
    }
    fn is_convicted(_: TaskId, _: &AccountId) -> bool {
        false
    }
    fn is_accused(task: TaskId, operator: &AccountId) -> bool {
        Accused::get().contains(&(task, operator.clone()))
    }
    fn ended(_: TaskId) {}
}

pub struct Sink;

impl OnUnbalanced<Credit<AccountId, Balances>> for Sink {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        ToTreasury::mutate(|sum| *sum += credit.peek());
    }
}

impl Config for Test {
    type Currency = Balances;
    type PalletId = RewardsId;
    type Treasury = Sink;
    type Clock = Knobs;
    type Stakes = Knobs;
    type Venues = Knobs;
    type Cases = Knobs;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

/// Account number `n`.
pub(crate) fn account(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

/// An operator as a round counts it.
pub(crate) fn counted(n: u8, own: Balance, delegated: Balance, percent: u32) -> Counted {
    Counted {
        operator: account(n),
        role: Role::Trainer,
        stake: StakeSnapshot {
            own,
            delegated,
            shares: delegated,
        },
        commission: Perbill::from_percent(percent),
    }
}

/// 1,000 tokens a day, a fifth to authors: 20 tokens a block to tasks, 5 to its author.
pub(crate) fn build_and_execute(test: impl FnOnce()) {
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: (1..=20).map(|n| (account(n), 10_000 * UNIT)).collect(),
            ..Default::default()
        },
        rewards: GenesisConfig {
            emission_per_day: 1_000 * UNIT,
            network_share: Perbill::from_percent(20),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("a genesis").into();
    ext.execute_with(|| {
        System::set_block_number(1);
        test();
        check();
    });
}

pub(crate) fn check() {
    invariants::check::<Test>().expect("invariants hold");
    invariants::account_is_the_books::<Test>().expect("nobody sends money there");
}
