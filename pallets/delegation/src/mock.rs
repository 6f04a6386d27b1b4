//! A chain of balances and delegation. One venue's rounds, positions and rewards are a model of
//! a few lines, with snapshots by round as staking and accumulators as rewards keep them.

use crate as pallet_arena_delegation;
use crate::{Config, invariants};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, StakeSnapshot, UNIT, Venue, time,
    traits::{
        Clock, Counted, DelegatedStake, DelegatorRewards, PayoutState, Stakes, VenueRefusal, Venues,
    },
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU128, fungible::Mutate},
};
use sp_runtime::{BuildStorage, DispatchError, DispatchResult, Perbill, traits::IdentityLookup};
use std::{cell::RefCell, collections::BTreeMap};

pub(crate) const ED: Balance = 1_000;
pub(crate) const TASK: Venue = Venue::Task(1);
pub(crate) const DAY: u32 = 40;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Delegation: pallet_arena_delegation,
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
    pub static Open: Option<Round> = Some(5);
    pub static Settled: Option<Round> = Some(3);
    pub static Ended: bool = false;
    pub static State: PayoutState = PayoutState::Locked;
}

#[derive(Default)]
pub(crate) struct Model {
    /// Delegated, from which round on; all operators up to 9 have own stake.
    totals: BTreeMap<AccountId, BTreeMap<Round, Balance>>,
    acc: BTreeMap<AccountId, u128>,
    at: BTreeMap<(AccountId, Round), u128>,
    owed: BTreeMap<AccountId, Balance>,
    pub(crate) paid: BTreeMap<AccountId, Balance>,
}

impl Model {
    pub(crate) fn delegated(&self, operator: &AccountId, round: Round) -> Balance {
        self.totals
            .get(operator)
            .and_then(|history| history.range(..=round).next_back())
            .map_or(0, |(_, total)| *total)
    }

    /// Pays the delegators of a position for a round.
    pub(crate) fn reward(&mut self, operator: &AccountId, round: Round, amount: Balance) {
        let total = self.delegated(operator, round);
        if total == 0 {
            return;
        }
        let acc = self.acc.entry(operator.clone()).or_default();
        *acc += (amount << 64) / total;
        self.at.insert((operator.clone(), round), *acc);
        *self.owed.entry(operator.clone()).or_default() += amount;
    }
}

std::thread_local! {
    pub(crate) static MODEL: RefCell<Model> = RefCell::default();
}

pub(crate) fn model<R>(f: impl FnOnce(&mut Model) -> R) -> R {
    MODEL.with(|model| f(&mut model.borrow_mut()))
}

pub struct Knobs;

impl Venues for Knobs {
    fn current_round(_: Venue) -> Option<Round> {
        Open::get()
    }
    fn last_settled(_: Venue) -> Option<Round> {
        Settled::get()
    }
    fn admits(_: Venue, _: Role, _: &AccountId) -> Result<(), VenueRefusal> {
        Ok(())
    }
    fn ended(_: Venue) -> bool {
        Ended::get()
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
}

impl Stakes for Knobs {
    fn role(_: Venue, _: &AccountId) -> Option<Role> {
        None
    }
    fn counted(_: Venue, who: &AccountId, _: Round) -> Option<Counted> {
        (*who < account(10)).then(|| Counted {
            operator: who.clone(),
            stake: StakeSnapshot {
                own: UNIT,
                delegated: 0,
            },
            commission: Perbill::zero(),
        })
    }
    fn all(_: Venue, _: Role, _: Round) -> Vec<Counted> {
        Vec::new()
    }
    fn slash_own(_: Venue, _: &AccountId, _: Balance) -> Balance {
        0
    }
}

fn change(operator: &AccountId, f: impl FnOnce(Balance) -> Option<Balance>) -> DispatchResult {
    let next = Open::get().map_or(Round::MAX, |round| round + 1);
    model(|model| {
        let total =
            f(model.delegated(operator, Round::MAX)).ok_or(DispatchError::Other("total"))?;
        model
            .totals
            .entry(operator.clone())
            .or_default()
            .insert(next, total);
        Ok(())
    })
}

impl DelegatedStake for Knobs {
    fn add(_: Venue, operator: &AccountId, amount: Balance) -> DispatchResult {
        change(operator, |total| total.checked_add(amount))
    }
    fn remove(_: Venue, operator: &AccountId, amount: Balance) -> DispatchResult {
        change(operator, |total| total.checked_sub(amount))
    }
    fn total(_: Venue, operator: &AccountId) -> Balance {
        model(|model| model.delegated(operator, Round::MAX))
    }
}

impl DelegatorRewards for Knobs {
    fn current(_: Venue, operator: &AccountId) -> u128 {
        model(|model| model.acc.get(operator).copied().unwrap_or(0))
    }
    fn at(_: Venue, operator: &AccountId, round: Round) -> Option<u128> {
        model(|model| model.at.get(&(operator.clone(), round)).copied())
    }
    fn state(_: Venue, _: &AccountId) -> PayoutState {
        State::get()
    }
    fn pay(_: Venue, operator: &AccountId, who: &AccountId, amount: Balance) -> DispatchResult {
        model(|model| {
            let owed = model
                .owed
                .get_mut(operator)
                .ok_or(DispatchError::Other("owed"))?;
            *owed = owed
                .checked_sub(amount)
                .ok_or(DispatchError::Other("short"))?;
            *model.paid.entry(who.clone()).or_default() += amount;
            Ok::<_, DispatchError>(())
        })?;
        Balances::mint_into(who, amount).map(|_| ())
    }
}

impl Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Positions = Knobs;
    type Stakes = Knobs;
    type Venues = Knobs;
    type Rewards = Knobs;
    type Clock = Knobs;
    type MinDelegation = ConstU128<UNIT>;
    type UnbondingMinutes = ConstU32<1_440>;
    type WeightInfo = ();
}

/// Account number `n`: operators up to 9, delegators from 10 on.
pub(crate) fn account(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

pub(crate) fn build_and_execute(test: impl FnOnce()) {
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: (1..=30).map(|n| (account(n), 10_000 * UNIT)).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    MODEL.with(|model| *model.borrow_mut() = Model::default());
    let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("a genesis").into();
    ext.execute_with(|| {
        System::set_block_number(1);
        test();
        invariants::check::<Test>().expect("invariants hold");
    });
}
