//! A chain of tasks alone; the neighbours are tables that tests write.

use crate as pallet_tasks;
use crate::TaskLimits;
use arena_primitives::{
    AccountId, Architecture, Balance, BlockNumber, DataSource, Disclosed, Metric, ModelBounds,
    ModelLikeness, NumericProfile, PublicData, RankRule, RewardParams, Role, Round, RoundResult,
    SealedData, Shard, StakeSnapshot, TaskId, TaskSpec, Uri, Uris, Venue, WeightCap,
    shard::{shard_count, shards_root},
    time::Windows,
    traits::{Cases, Clock, Counted, Due, Results, Runs, ServiceKeys, Stakes, Taken, TaskRewards},
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU128, Hooks, OnUnbalanced, fungible::Credit},
    weights::Weight,
};
use sp_core::H256;
use sp_runtime::{BuildStorage, DispatchResult, Perbill, traits::IdentityLookup};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Tasks: pallet_tasks,
    }
);

pub(crate) type Block = frame_system::mocking::MockBlockU32<Test>;

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
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
    pub storage TickWeight: Weight = Weight::MAX;
    /// Governance can change it while proposals are open.
    pub storage Deposit: Balance = DEPOSIT;
    pub storage ChallengeDays: u32 = 1;
    pub static Limits: TaskLimits = TaskLimits::default();
}

impl pallet_tasks::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type ApproveOrigin = frame_system::EnsureRoot<AccountId>;
    type CancelOrigin = frame_system::EnsureRoot<AccountId>;
    type Stakes = Table;
    type ServiceKeys = Table;
    type Clock = Table;
    type Rewards = Table;
    type Slashed = Burn;
    type Results = Table;
    type Cases = Table;
    type Runs = Table;
    type ProposalDeposit = Deposit;
    type ProposalLifetime = ConstU32<1_440>;
    type Limits = Limits;
    type MaxTickWeight = TickWeight;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

pub(crate) const DEPOSIT: Balance = 500;
/// Blocks of a day, and of a round of [`spec`].
pub(crate) const DAY: BlockNumber = 20;
/// Blocks for which stake that leaves can be taken.
pub(crate) const UNBONDING: BlockNumber = 10 * DAY;
pub(crate) const WINDOWS: Windows = Windows {
    gap: 1,
    publish: 2,
    seed: 2,
    commit: 8,
    reveal: 4,
};

/// What rewards were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Open(TaskId),
    Counted(TaskId, Balance),
    Lapse(TaskId),
    TopUp(TaskId, Balance),
    Release(TaskId, AccountId),
}

#[derive(Default)]
pub(crate) struct Neighbours {
    /// Role, own stake, and first round that counts it.
    pub(crate) positions: BTreeMap<(TaskId, AccountId), (Role, Balance, Round)>,
    pub(crate) told: Vec<Told>,
    pub(crate) results: BTreeMap<(TaskId, Round), RoundResult>,
    pub(crate) open_cases: u32,
    pub(crate) convicted: BTreeSet<AccountId>,
    pub(crate) ended: Vec<TaskId>,
    /// In which block a trainer registered its run.
    pub(crate) runs: BTreeMap<(TaskId, AccountId), BlockNumber>,
}

thread_local! {
    static NEIGHBOURS: RefCell<Neighbours> = RefCell::default();
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Neighbours) -> R) -> R {
    NEIGHBOURS.with(|n| f(&mut n.borrow_mut()))
}

pub struct Table;

/// Takes what is slashed out of circulation.
pub struct Burn;

impl OnUnbalanced<Credit<AccountId, Balances>> for Burn {}

fn counted(who: AccountId, role: Role, own: Balance) -> Counted {
    let stake = StakeSnapshot {
        own,
        delegated: 0,
        shares: 0,
    };
    Counted {
        operator: who,
        role,
        stake,
        commission: Perbill::zero(),
    }
}

fn task_of(venue: Venue) -> TaskId {
    match venue {
        Venue::Task(id) => id,
        Venue::Network => TaskId::MAX,
    }
}

impl Stakes for Table {
    fn role(venue: Venue, who: &AccountId) -> Option<Role> {
        with(|n| {
            n.positions
                .get(&(task_of(venue), who.clone()))
                .map(|(role, ..)| *role)
        })
    }
    fn counted(venue: Venue, who: &AccountId, round: Round) -> Option<Counted> {
        let row = with(|n| n.positions.get(&(task_of(venue), who.clone())).copied());
        row.filter(|(_, _, from)| *from <= round)
            .map(|(role, own, _)| counted(who.clone(), role, own))
    }
    fn all(venue: Venue, role: Role, round: Round) -> Vec<Counted> {
        with(|n| {
            n.positions
                .iter()
                .filter(|((task, _), (r, _, from))| {
                    *task == task_of(venue) && *r == role && *from <= round
                })
                .map(|((_, who), (_, own, _))| counted(who.clone(), role, *own))
                .collect()
        })
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

/// The service key of account `n` is account `n + 100`.
impl ServiceKeys for Table {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        let n: &[u8; 32] = key.as_ref();
        (n[0] >= 100).then(|| account(n[0] - 100))
    }
    fn key_of(operator: &AccountId) -> Option<AccountId> {
        Some(key(operator))
    }
}

impl Clock for Table {
    fn blocks(minutes: u32) -> BlockNumber {
        arena_primitives::time::blocks(minutes, DAY)
    }
    fn windows() -> Windows {
        WINDOWS
    }
    fn unbonding() -> BlockNumber {
        UNBONDING
    }
    fn challenge_days() -> u32 {
        ChallengeDays::get()
    }
}

impl TaskRewards for Table {
    fn open(task: TaskId, _: Perbill) {
        with(|n| n.told.push(Told::Open(task)));
    }
    fn set_counted(task: TaskId, counted: Balance) {
        with(|n| n.told.push(Told::Counted(task, counted)));
    }
    fn due(_: TaskId, _: u32) -> Due {
        Due::default()
    }
    fn largest_draw(max_share: Perbill, blocks: BlockNumber) -> Balance {
        max_share.mul_ceil(100 * Balance::from(blocks))
    }
    fn draw(_: TaskId, _: Due) -> Balance {
        0
    }
    fn lapse(task: TaskId) {
        with(|n| n.told.push(Told::Lapse(task)));
    }
    fn pay(_: TaskId, _: Round, _: &Counted, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn to_treasury(_: Balance) {}
    fn top_up(task: TaskId, _: &AccountId, amount: Balance) -> DispatchResult {
        with(|n| n.told.push(Told::TopUp(task, amount)));
        Ok(())
    }
    fn release(task: TaskId, creator: &AccountId) {
        with(|n| n.told.push(Told::Release(task, creator.clone())));
    }
    fn locked(_: TaskId, _: &AccountId) -> Balance {
        0
    }
    fn forfeit(_: TaskId, _: &AccountId, _: &[(AccountId, Balance)]) -> Taken {
        Taken::default()
    }
}

impl Results for Table {
    fn result(task: TaskId, round: Round) -> Option<RoundResult> {
        with(|n| n.results.get(&(task, round)).cloned())
    }
    fn settling(_: TaskId) -> bool {
        false
    }
    fn disclosed(_: TaskId, _: Round, _: &AccountId, _: &H256) -> Option<Disclosed> {
        None
    }
    fn ground(_: TaskId, _: Round) -> Option<(PublicData, H256)> {
        None
    }
    fn likeness(_: TaskId, _: &H256) -> Option<ModelLikeness> {
        None
    }
    fn ended(task: TaskId) {
        with(|n| n.ended.push(task));
    }
}

impl Cases for Table {
    fn open_cases(_: TaskId) -> u32 {
        with(|n| n.open_cases)
    }
    fn is_convicted(_: TaskId, trainer: &AccountId) -> bool {
        with(|n| n.convicted.contains(trainer))
    }
    fn is_accused(_: TaskId, _: &AccountId) -> bool {
        false
    }
    fn ended(_: TaskId) {}
}

impl Runs for Table {
    fn registered_before(task: TaskId, trainer: &AccountId, block: BlockNumber) -> bool {
        with(|n| {
            let run = n.runs.get(&(task, trainer.clone()));
            run.is_some_and(|registered| *registered < block)
        })
    }
}

pub(crate) fn account(n: u8) -> AccountId {
    let mut bytes = [0; 32];
    bytes[0] = n;
    AccountId::new(bytes)
}

pub(crate) fn key(operator: &AccountId) -> AccountId {
    let bytes: &[u8; 32] = operator.as_ref();
    account(bytes[0] + 100)
}

pub(crate) fn root(n: u8) -> H256 {
    H256::repeat_byte(n)
}

pub(crate) fn uris() -> Uris {
    let uri: Uri = b"https://example.org/model".to_vec().try_into().unwrap();
    vec![uri].try_into().unwrap()
}

/// Two submission rounds of a day, a day of final validation, a day for challenges.
pub(crate) fn spec() -> TaskSpec {
    TaskSpec {
        name: b"digits".to_vec().try_into().unwrap(),
        licence: b"Apache-2.0".to_vec().try_into().unwrap(),
        metric: Metric::Accuracy,
        worst: 100_000_000,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [1; 32],
            bytes: 1_000,
            uris: uris(),
            samples: 100,
        }),
        model: ModelBounds {
            architectures: vec![Architecture::Mlp].try_into().unwrap(),
            max_parameters: 1_000_000,
            max_bytes: 10_000_000,
            max_seconds: 60,
            context: 0,
            tokenizer: None,
            base: None,
        },
        rounds: 2,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 1,
        rewards: RewardParams {
            gamma: Perbill::from_percent(35),
            q: Perbill::from_percent(70),
            rank: RankRule::ByStake { depth: 20 },
            lambda_milli: 50_000,
            band: Perbill::from_parts(1_000_000),
            alpha_v_milli: 1_000,
            aggregation: arena_primitives::Aggregation::Median,
            cap: WeightCap::Seats(10),
            committee: 0,
            min_scorers: 2,
            min_trainers: 2,
            max_leverage: 20,
        },
        baseline: Perbill::zero(),
        likeness: None,
        registered: false,
    }
}

/// The shards of a task of so many submission rounds.
pub(crate) fn shards(rounds: u32) -> Vec<Shard> {
    let shard = |n: u32| Shard {
        blake3: [n as u8; 32],
        bytes: 100 + u64::from(n),
        salt: H256::from_low_u64_be(n.into()),
    };
    (1..=shard_count(rounds)).map(shard).collect()
}

/// The same with its data sealed.
pub(crate) fn sealed(spec: TaskSpec) -> TaskSpec {
    let data = SealedData {
        root: shards_root(&shards(spec.rounds)),
        max_bytes: 200,
        samples: 50,
    };
    TaskSpec {
        data: DataSource::Sealed(data),
        ..spec
    }
}

pub(crate) const CREATOR: u8 = 1;
pub(crate) const ANN: u8 = 11;
pub(crate) const BOB: u8 = 12;
pub(crate) const VAL: u8 = 21;

/// Runs `test` on a fresh chain, then checks the invariants.
pub(crate) fn run(test: impl FnOnce()) {
    with(|n| *n = Neighbours::default());
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .unwrap();
    pallet_balances::GenesisConfig::<Test> {
        balances: vec![(account(CREATOR), 10_000), (account(ANN), 10_000)],
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .unwrap();
    let mut ext = sp_io::TestExternalities::new(storage);
    ext.execute_with(|| {
        System::set_block_number(1);
        test();
        pallet_tasks::invariants::check::<Test>().unwrap();
    });
}

/// Goes to block `n`, hooks and invariants on each block.
pub(crate) fn go_to(n: BlockNumber) {
    while System::block_number() < n {
        let next = System::block_number() + 1;
        System::set_block_number(next);
        Tasks::on_initialize(next);
        pallet_tasks::invariants::check::<Test>().unwrap();
    }
}

/// An approved task with Ann and Bob as trainers and a validator, all counted from round 1.
pub(crate) fn task() -> TaskId {
    approve(spec())
}

/// The same of another spec.
pub(crate) fn approve(spec: TaskSpec) -> TaskId {
    let hash = Tasks::spec_hash(&account(CREATOR), &spec);
    Tasks::propose(RuntimeOrigin::signed(account(CREATOR)), Box::new(spec)).unwrap();
    let id = pallet_tasks::NextTaskId::<Test>::get();
    Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one()).unwrap();
    with(|n| {
        n.positions
            .insert((id, account(ANN)), (Role::Trainer, 100, 1));
        n.positions
            .insert((id, account(BOB)), (Role::Trainer, 200, 1));
        n.positions
            .insert((id, account(VAL)), (Role::Validator, 1_000, 1));
    });
    id
}
