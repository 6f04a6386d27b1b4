//! A chain of challenges alone; the neighbours are tables that tests write.

use crate as pallet_challenges;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, TaskId, TaskPhase, Venue,
    time::Windows,
    traits::{Clock, Counted, Due, Stakes, TaskRewards, TaskStates},
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU128},
};
use sp_runtime::{BuildStorage, DispatchResult, Perbill, traits::IdentityLookup};
use std::{cell::RefCell, collections::BTreeMap};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Challenges: pallet_challenges,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type AccountStore = System;
    type ExistentialDeposit = ConstU128<1>;
    type RuntimeHoldReason = RuntimeHoldReason;
}

parameter_types! {
    /// Governance can change it while cases are open.
    pub storage Bond: Balance = BOND;
}

impl pallet_challenges::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type ArbiterOrigin = frame_system::EnsureRoot<AccountId>;
    type Tasks = Table;
    type Stakes = Table;
    type Rewards = Table;
    type Bond = Bond;
    type DecideWithin = ConstU32<10>;
    type Clock = Table;
    type Slashed = ();
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

pub(crate) const BOND: Balance = 50;
/// The challenge phase's end.
pub(crate) const ENDS: BlockNumber = 30;

#[derive(Default)]
pub(crate) struct Neighbours {
    pub(crate) phase: Option<TaskPhase>,
    /// Tasks beyond 0 in their challenge phases, with the ends of those.
    pub(crate) more: BTreeMap<TaskId, BlockNumber>,
    pub(crate) roles: BTreeMap<AccountId, Role>,
    pub(crate) locked: BTreeMap<AccountId, Balance>,
    pub(crate) own: BTreeMap<AccountId, Balance>,
}

thread_local! {
    static NEIGHBOURS: RefCell<Neighbours> = RefCell::default();
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Neighbours) -> R) -> R {
    NEIGHBOURS.with(|n| f(&mut n.borrow_mut()))
}

pub struct Table;

impl TaskStates for Table {
    fn phase(task: TaskId) -> Option<TaskPhase> {
        if task == 0 {
            return with(|n| n.phase);
        }
        with(|n| n.more.contains_key(&task)).then_some(TaskPhase::Challenge)
    }
    fn phase_ends(task: TaskId) -> Option<BlockNumber> {
        Some(with(|n| n.more.get(&task).copied()).unwrap_or(ENDS))
    }
    fn has_model(_: TaskId, trainer: &AccountId) -> bool {
        with(|n| n.roles.get(trainer) == Some(&Role::Trainer))
    }
}

impl Stakes for Table {
    fn role(_: Venue, who: &AccountId) -> Option<Role> {
        with(|n| n.roles.get(who).copied())
    }
    fn counted(_: Venue, _: &AccountId, _: Round) -> Option<Counted> {
        None
    }
    fn all(_: Venue, _: Role, _: Round) -> Vec<Counted> {
        Vec::new()
    }
    fn slash_own(_: Venue, who: &AccountId, amount: Balance) -> Balance {
        with(|n| {
            let own = n.own.entry(who.clone()).or_default();
            let taken = amount.min(*own);
            *own -= taken;
            taken
        })
    }
    fn chill(_: Venue, _: &AccountId) -> bool {
        false
    }
}

impl Clock for Table {
    fn blocks(minutes: u32) -> BlockNumber {
        minutes
    }
    fn windows() -> Windows {
        Windows::default()
    }
    fn unbonding() -> BlockNumber {
        BlockNumber::MAX
    }
}

impl TaskRewards for Table {
    fn open(_: TaskId, _: Perbill) {}
    fn set_counted(_: TaskId, _: Balance) {}
    fn due(_: TaskId, _: u32) -> Due {
        Due::default()
    }
    fn largest_draw(_: Perbill, _: BlockNumber) -> Balance {
        0
    }
    fn draw(_: TaskId, _: Due) -> Balance {
        0
    }
    fn lapse(_: TaskId) {}
    fn pay(_: TaskId, _: Round, _: &Counted, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn to_treasury(_: Balance) {}
    fn top_up(_: TaskId, _: &AccountId, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn release(_: TaskId, _: &AccountId) {}
    fn forfeit(_: TaskId, operator: &AccountId) -> Balance {
        with(|n| n.locked.remove(operator).unwrap_or(0))
    }
}

pub(crate) fn account(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

pub(crate) const ANN: u8 = 11;
pub(crate) const VAL: u8 = 21;
/// A validator that can't pay a bond.
pub(crate) const POOR: u8 = 22;

/// Runs `test` on a fresh chain in a challenge phase, then checks the invariants.
pub(crate) fn run(test: impl FnOnce()) {
    with(|n| {
        *n = Neighbours {
            phase: Some(TaskPhase::Challenge),
            ..Default::default()
        };
        n.roles.insert(account(VAL), Role::Validator);
        n.roles.insert(account(POOR), Role::Validator);
        n.roles.insert(account(ANN), Role::Trainer);
        n.locked.insert(account(ANN), 70);
        n.own.insert(account(ANN), 40);
    });
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .unwrap();
    pallet_balances::GenesisConfig::<Test> {
        balances: vec![(account(VAL), 10_000)],
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .unwrap();
    let mut ext = sp_io::TestExternalities::new(storage);
    ext.execute_with(|| {
        System::set_block_number(1);
        test();
        pallet_challenges::invariants::check::<Test>().unwrap();
    });
}
