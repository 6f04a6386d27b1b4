//! A chain of balances and delegation. One venue's rounds, positions and rewards are a model of
//! a few lines, with snapshots by round as staking and accumulators as rewards keep them. It lies
//! in storage, so that what a call did there is undone when the call is refused.

use crate as pallet_arena_delegation;
use crate::{Config, invariants};
use arena_math::shares;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, StakeSnapshot, UNIT, Venue, time,
    traits::{
        Clock, Counted, DelegatedStake, DelegatedTotals, DelegatorRewards, LeavingStake,
        PayoutState, Stakes, Taken, VenueRefusal, Venues,
    },
};
use frame_support::{
    Blake2_128Concat, derive_impl, ensure,
    pallet_prelude::ValueQuery,
    parameter_types, storage_alias,
    traits::{
        ConstU128, Imbalance, OnUnbalanced,
        fungible::{Credit, Mutate},
    },
};
use sp_runtime::{BuildStorage, DispatchError, DispatchResult, Perbill, traits::IdentityLookup};
use std::collections::BTreeMap;

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
    /// A round will count stake that comes now.
    pub static TakesStake: bool = true;
    pub static State: PayoutState = PayoutState::Locked;
    /// Instead of `State`: what was paid for rounds up to so many before the last settled.
    pub static Lag: Option<Round> = None;
    pub static Min: Balance = UNIT;
}

/// What a position was from which round on: delegated stake and shares of it.
type History = BTreeMap<Round, (Balance, Balance)>;

#[storage_alias]
type Histories = StorageMap<Model, Blake2_128Concat, AccountId, History, ValueQuery>;
/// The last entry of each.
#[storage_alias]
type Latest = StorageMap<Model, Blake2_128Concat, AccountId, (Balance, Balance), ValueQuery>;
#[storage_alias]
type Acc = StorageMap<Model, Blake2_128Concat, AccountId, u128, ValueQuery>;
#[storage_alias]
type AccAt = StorageMap<Model, Blake2_128Concat, AccountId, BTreeMap<Round, u128>, ValueQuery>;
#[storage_alias]
type Owed = StorageMap<Model, Blake2_128Concat, AccountId, Balance, ValueQuery>;
#[storage_alias]
type Paid = StorageMap<Model, Blake2_128Concat, AccountId, Balance, ValueQuery>;
#[storage_alias]
type Burned = StorageValue<Model, Balance, ValueQuery>;

/// What a position was in a round; in the last of all, what it is.
pub(crate) fn totals(operator: &AccountId, round: Round) -> DelegatedTotals {
    let (amount, shares) = if round == Round::MAX {
        Latest::get(operator)
    } else {
        let history = Histories::get(operator);
        let latest = history.range(..=round).next_back();
        latest.map_or((0, 0), |(_, totals)| *totals)
    };
    DelegatedTotals { amount, shares }
}

/// What a position is, counted from the next round.
pub(crate) fn set_totals(operator: &AccountId, totals: DelegatedTotals) {
    let next = Open::get().map_or(Round::MAX, |round| round + 1);
    Latest::insert(operator, (totals.amount, totals.shares));
    Histories::mutate(operator, |history| {
        history.insert(next, (totals.amount, totals.shares))
    });
}

/// Pays the delegators of a position for a round.
pub(crate) fn pay_round(operator: &AccountId, round: Round, amount: Balance) {
    let shares = totals(operator, round).shares;
    if shares == 0 {
        return;
    }
    let acc = Acc::mutate(operator, |acc| {
        *acc += (amount << 64) / shares;
        *acc
    });
    AccAt::mutate(operator, |at| at.insert(round, acc));
    Owed::mutate(operator, |owed| *owed += amount);
}

/// Slashes a position and what left it in `since` or later, as staking does. Returns what was
/// taken of the one and of the other.
pub(crate) fn slash(operator: &AccountId, since: Round, fraction: Perbill) -> (Balance, Balance) {
    let mut now = totals(operator, Round::MAX);
    let cut = fraction.mul_floor(now.amount);
    now.amount -= cut;
    set_totals(operator, now);
    let leaving = <Delegation as LeavingStake>::slash(TASK, operator, since, fraction);
    (cut, leaving)
}

/// What `who` was paid.
pub(crate) fn paid(who: &AccountId) -> Balance {
    Paid::get(who)
}

/// What was slashed.
pub(crate) fn burned() -> Balance {
    Burned::get()
}

/// Burns what was slashed, and counts it.
pub struct Sink;

impl OnUnbalanced<Credit<AccountId, Balances>> for Sink {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        Burned::mutate(|burned| *burned += credit.peek());
    }
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
    fn takes_stake(_: Venue) -> bool {
        TakesStake::get()
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
    fn unbonding() -> BlockNumber {
        DAY
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
        // All operators up to 9 have own stake.
        (*who < account(10)).then(|| Counted {
            operator: who.clone(),
            role: Role::Validator,
            stake: StakeSnapshot {
                own: UNIT,
                ..Default::default()
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
    fn slash_own_for(_: Venue, _: &AccountId, _: Balance, _: &[(AccountId, Balance)]) -> Taken {
        Taken::default()
    }
    fn chill(_: Venue, _: &AccountId) -> bool {
        false
    }
}

/// What the model of staking says of a position whose shares have lost nine tenths.
pub(crate) const CHEAP: DispatchError = DispatchError::Other("cheap");

impl DelegatedStake for Knobs {
    fn add(_: Venue, operator: &AccountId, amount: Balance) -> Result<Balance, DispatchError> {
        let mut now = totals(operator, Round::MAX);
        ensure!(now.shares == 0 || now.amount > now.shares / 10, CHEAP);
        let issued = shares::shares_for_amount(amount, now.amount, now.shares);
        let issued = issued.ok_or(DispatchError::Other("price"))?;
        now.amount += amount;
        now.shares += issued;
        set_totals(operator, now);
        Ok(issued)
    }
    fn remove(_: Venue, operator: &AccountId, given: Balance) -> Result<Balance, DispatchError> {
        let mut now = totals(operator, Round::MAX);
        let worth = shares::amount_for_shares(given, now.amount, now.shares);
        let worth = worth.ok_or(DispatchError::Other("shares"))?;
        now.amount -= worth;
        now.shares -= given;
        set_totals(operator, now);
        Ok(worth)
    }
    fn totals(_: Venue, operator: &AccountId) -> DelegatedTotals {
        totals(operator, Round::MAX)
    }
}

impl DelegatorRewards for Knobs {
    fn current(_: Venue, operator: &AccountId) -> u128 {
        Acc::get(operator)
    }
    fn at(_: Venue, operator: &AccountId, round: Round) -> Option<u128> {
        AccAt::get(operator).get(&round).copied()
    }
    fn state(_: Venue, operator: &AccountId) -> PayoutState {
        let Some(lag) = Lag::get() else {
            return State::get();
        };
        let to = Settled::get().and_then(|settled| settled.checked_sub(lag));
        let at = AccAt::get(operator);
        let latest = to.and_then(|to| at.range(..=to).next_back());
        PayoutState::FreeTo(latest.map_or(0, |(_, acc)| *acc))
    }
    fn pay(_: Venue, operator: &AccountId, who: &AccountId, amount: Balance) -> DispatchResult {
        let owed = Owed::get(operator).checked_sub(amount);
        Owed::insert(operator, owed.ok_or(DispatchError::Other("owed"))?);
        Paid::mutate(who, |paid| *paid += amount);
        Balances::mint_into(who, amount).map(|_| ())
    }
}

impl Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Slashed = Sink;
    type Positions = Knobs;
    type Stakes = Knobs;
    type Venues = Knobs;
    type Rewards = Knobs;
    type Clock = Knobs;
    type MinDelegation = Min;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
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
    let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("a genesis").into();
    ext.execute_with(|| {
        System::set_block_number(1);
        test();
        invariants::check::<Test>().expect("invariants hold");
    });
}
