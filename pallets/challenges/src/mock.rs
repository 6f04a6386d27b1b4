//! A chain of challenges alone; the neighbours are tables that tests write. Money is real: what
//! is locked and staked lies in accounts of their own.

use crate as pallet_challenges;
use arena_primitives::{
    AccountId, Balance, BlockNumber, DataSource, Disclosed, ModelLikeness, PublicData, Role, Round,
    RoundInfo, RoundModels, RoundResult, Sampling, StakeSnapshot, TaskId, TaskPhase, TaskSpec,
    Uris, Venue,
    hash::{Domain, hash},
    time::Windows,
    traits::{
        BlockVrf, Clock, Counted, Due, DutyCalls, DutyCheck, Results, Rounds, ServiceKeys, Stakes,
        Taken, TaskRewards, TaskStates, VenueRefusal, Venues,
    },
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{
        ConstU32, ConstU64, ConstU128, Hooks, Imbalance, OnUnbalanced,
        fungible::{Credit, Mutate},
        tokens::{Fortitude, Precision, Preservation},
    },
    weights::Weight,
};
use frame_system::offchain::{
    AppCrypto, CreateSignedTransaction, CreateTransactionBase, SigningTypes,
};
use sp_core::H256;
use sp_runtime::{
    BuildStorage, DispatchResult, MultiSignature, MultiSigner, Perbill, generic,
    traits::IdentityLookup,
};
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
    type ExistentialDeposit = Existential;
    type RuntimeHoldReason = RuntimeHoldReason;
}

type Extrinsic = generic::UncheckedExtrinsic<AccountId, RuntimeCall, u32, ()>;

impl SigningTypes for Test {
    type Public = MultiSigner;
    type Signature = MultiSignature;
}

impl CreateTransactionBase<pallet_challenges::Call<Test>> for Test {
    type Extrinsic = Extrinsic;
    type RuntimeCall = RuntimeCall;
}

/// The nonce stands for the signature.
impl CreateSignedTransaction<pallet_challenges::Call<Test>> for Test {
    fn create_signed_transaction<C: AppCrypto<MultiSigner, MultiSignature>>(
        call: RuntimeCall,
        _: MultiSigner,
        account: AccountId,
        nonce: u32,
    ) -> Option<Extrinsic> {
        Some(Extrinsic::new_signed(call, account, nonce, ()))
    }
}

impl DutyCalls for RuntimeCall {
    fn check_duty(&self, signer: &AccountId) -> Option<DutyCheck> {
        match self {
            RuntimeCall::Challenges(call) => Challenges::check_duty(signer, call),
            _ => None,
        }
    }
}

parameter_types! {
    pub const MaxTickWeight: Weight = Weight::from_parts(100_000_000_000, u64::MAX);
    pub const BondShare: Perbill = Perbill::from_percent(5);
    pub const ChallengerShare: Perbill = Perbill::from_percent(50);
    pub const JurorSlash: Perbill = Perbill::from_percent(1);
    pub const OverturnedSlash: Perbill = Perbill::from_percent(5);
    pub const Replayed: Sampling = Sampling { largest: 1, random: 2 };
    /// Governance can change it while cases are open.
    pub storage JurorFee: Balance = FEE;
    /// The least that an account can hold.
    pub storage Existential: Balance = 1;
}

impl pallet_challenges::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type AuthorityId = crate::crypto::ServiceKey;
    type Tasks = Table;
    type Rounds = Table;
    type Venues = Table;
    type Stakes = Table;
    type ServiceKeys = Table;
    type Rewards = Table;
    type Results = Table;
    type Vrf = Table;
    type Clock = Table;
    type OpenWithin = ConstU32<4>;
    type RespondWithin = ConstU32<6>;
    type VoteWithin = ConstU32<6>;
    type RevealWithin = ConstU32<4>;
    type AppealWithin = ConstU32<5>;
    type Jury = ConstU32<{ JURY as u32 }>;
    type AppealJury = ConstU32<{ APPEAL_JURY as u32 }>;
    type JurorFee = JurorFee;
    type BondShare = BondShare;
    type ChallengerShare = ChallengerShare;
    type JurorSlash = JurorSlash;
    type OverturnedSlash = OverturnedSlash;
    type MaxReplayBytes = ConstU64<5_000>;
    type RunDeposit = ConstU128<DEPOSIT>;
    type Sampling = Replayed;
    type MaxTickWeight = MaxTickWeight;
    type Slashed = Treasury;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Table;
}

pub(crate) const FEE: Balance = 10;
pub(crate) const DEPOSIT: Balance = 25;
pub(crate) const JURY: usize = 3;
pub(crate) const APPEAL_JURY: usize = 5;
/// The challenge phase's end.
pub(crate) const ENDS: BlockNumber = 1_000;
/// Of a round's randomness.
pub(crate) const SEED: BlockNumber = 2;
pub(crate) const TASK: TaskId = 1;

/// Where lost bonds go.
pub struct Treasury;

impl OnUnbalanced<Credit<AccountId, Balances>> for Treasury {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        with(|n| n.to_treasury += credit.peek());
        drop(credit);
    }
}

/// Whose stake, as which validator or trainer.
pub(crate) type Positions = BTreeMap<(Venue, AccountId), (Role, Balance)>;

#[derive(Default)]
pub(crate) struct Neighbours {
    pub(crate) phases: BTreeMap<TaskId, (TaskPhase, BlockNumber)>,
    pub(crate) spec: Option<TaskSpec>,
    pub(crate) round: Round,
    pub(crate) settled: Option<Round>,
    pub(crate) positions: Positions,
    pub(crate) locked: BTreeMap<(TaskId, AccountId), Balance>,
    /// Models by trainer, with the block of their commitment.
    pub(crate) models: BTreeMap<(TaskId, AccountId), (H256, BlockNumber)>,
    pub(crate) alike: Vec<H256>,
    pub(crate) disclosed: BTreeMap<(Round, AccountId, H256), Disclosed>,
    /// Operators without service keys.
    pub(crate) keyless: Vec<AccountId>,
    pub(crate) chilled: Vec<AccountId>,
    /// What was lost to nobody, and what was burned.
    pub(crate) to_treasury: Balance,
    pub(crate) burned: Balance,
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
        with(|n| n.phases.get(&task).map(|(phase, _)| *phase))
    }
    fn phase_ends(task: TaskId) -> Option<BlockNumber> {
        with(|n| n.phases.get(&task).map(|(_, ends)| *ends))
    }
    fn model(task: TaskId, trainer: &AccountId) -> Option<H256> {
        with(|n| {
            n.models
                .get(&(task, trainer.clone()))
                .map(|(root, _)| *root)
        })
    }
    fn owner(task: TaskId, root: &H256) -> Option<(AccountId, BlockNumber)> {
        with(|n| {
            let all = n.models.iter().filter(|((of, _), _)| *of == task);
            all.filter(|(_, (model, _))| model == root)
                .map(|((_, who), (_, at))| (*at, who.clone()))
                .min()
                .map(|(at, who)| (who, at))
        })
    }
}

impl Venues for Table {
    fn current_round(_: Venue) -> Option<Round> {
        Some(with(|n| n.round))
    }
    fn last_settled(_: Venue) -> Option<Round> {
        with(|n| n.settled)
    }
    fn admits(_: Venue, _: Role, _: &AccountId) -> Result<(), VenueRefusal> {
        Ok(())
    }
    fn takes_stake(_: Venue) -> bool {
        true
    }
    fn ended(_: Venue) -> bool {
        false
    }
    fn locks_own(_: Venue, _: Role) -> bool {
        false
    }
}

impl Results for Table {
    fn result(_: TaskId, _: Round) -> Option<RoundResult> {
        None
    }
    fn settling(_: TaskId) -> bool {
        false
    }
    fn disclosed(_: TaskId, round: Round, who: &AccountId, model: &H256) -> Option<Disclosed> {
        with(|n| n.disclosed.get(&(round, who.clone(), *model)).copied())
    }
    fn ground(_: TaskId, _: Round) -> Option<(PublicData, H256)> {
        match crate::tests::spec().data {
            DataSource::Public(data) => Some((data, H256::repeat_byte(8))),
            DataSource::Sealed(_) => None,
        }
    }
    fn likeness(_: TaskId, model: &H256) -> Option<ModelLikeness> {
        with(|n| n.alike.contains(model)).then_some(ModelLikeness {
            earlier: H256::zero(),
            distance: 3,
            matches: true,
        })
    }
    fn ended(_: TaskId) {}
}

impl Rounds for Table {
    fn live_rounds() -> Vec<RoundInfo> {
        Vec::new()
    }
    fn closed_rounds() -> Vec<RoundInfo> {
        Vec::new()
    }
    fn info(_: TaskId, _: Round) -> Option<RoundInfo> {
        None
    }
    fn spec(task: TaskId) -> Option<TaskSpec> {
        with(|n| n.phases.get(&task).and(n.spec.clone()))
    }
    fn models(_: TaskId, _: Round) -> RoundModels {
        RoundModels::default()
    }
    fn data(_: TaskId, _: Round) -> Option<PublicData> {
        None
    }
    fn commitment(_: TaskId, _: Round, _: &AccountId) -> Option<(H256, BlockNumber)> {
        None
    }
    fn committed_at(_: TaskId, _: &H256) -> Option<BlockNumber> {
        None
    }
    fn uris(_: TaskId, _: &H256) -> Option<Uris> {
        Some(crate::tests::uris())
    }
    fn rounds_left(_: TaskId, _: Round) -> u32 {
        0
    }
    fn settled(_: TaskId, _: Round) {}
}

/// Pays `payees` out of `from` as far as `amount` goes, and burns the rest.
fn spend(from: AccountId, amount: Balance, payees: &[(AccountId, Balance)]) -> Taken {
    let mut left = amount;
    for (who, due) in payees {
        let part = left.min(*due);
        if part > 0 {
            Balances::transfer(&from, who, part, Preservation::Preserve).unwrap();
        }
        left -= part;
    }
    let burn = (Preservation::Preserve, Precision::Exact, Fortitude::Force);
    Balances::burn_from(&from, left, burn.0, burn.1, burn.2).unwrap();
    with(|n| n.burned += left);
    Taken {
        total: amount,
        paid: amount - left,
    }
}

impl Stakes for Table {
    fn role(venue: Venue, who: &AccountId) -> Option<Role> {
        with(|n| {
            n.positions
                .get(&(venue, who.clone()))
                .map(|(role, _)| *role)
        })
    }
    fn counted(venue: Venue, who: &AccountId, round: Round) -> Option<Counted> {
        let role = Self::role(venue, who)?;
        let all = Self::all(venue, role, round);
        all.into_iter().find(|one| one.operator == *who)
    }
    fn all(venue: Venue, role: Role, _: Round) -> Vec<Counted> {
        let counted = |(who, own): (AccountId, Balance)| Counted {
            operator: who,
            role,
            stake: StakeSnapshot {
                own,
                delegated: 0,
                shares: 0,
            },
            commission: Perbill::zero(),
        };
        let here: Vec<_> = with(|n| {
            let all = n.positions.iter();
            all.filter(|((at, _), (as_what, own))| *at == venue && *as_what == role && *own > 0)
                .map(|((_, who), (_, own))| (who.clone(), *own))
                .collect()
        });
        here.into_iter().map(counted).collect()
    }
    fn slash_own(venue: Venue, who: &AccountId, amount: Balance) -> Balance {
        Self::slash_own_for(venue, who, amount, &[]).total
    }
    fn slash_own_for(
        venue: Venue,
        who: &AccountId,
        amount: Balance,
        payees: &[(AccountId, Balance)],
    ) -> Taken {
        let taken = with(|n| {
            let Some((_, own)) = n.positions.get_mut(&(venue, who.clone())) else {
                return 0;
            };
            let taken = amount.min(*own);
            *own -= taken;
            taken
        });
        spend(account(STAKED), taken, payees)
    }
    fn chill(_: Venue, who: &AccountId) -> bool {
        with(|n| n.chilled.push(who.clone()));
        true
    }
}

/// The service key of an operator, and back.
pub(crate) fn key(n: u8) -> AccountId {
    turned(&account(n))
}

fn turned(who: &AccountId) -> AccountId {
    let mut bytes: [u8; 32] = who.clone().into();
    bytes[0] ^= 0xFF;
    AccountId::new(bytes)
}

impl ServiceKeys for Table {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        let who = turned(key);
        let bytes: &[u8; 32] = who.as_ref();
        (bytes[0] == bytes[1] && !with(|n| n.keyless.contains(&who))).then_some(who)
    }
    fn key_of(operator: &AccountId) -> Option<AccountId> {
        (!with(|n| n.keyless.contains(operator))).then(|| turned(operator))
    }
}

impl BlockVrf for Table {
    fn parent() -> Option<H256> {
        Some(hash(Domain::Seed, &System::block_number()))
    }
}

impl Clock for Table {
    fn blocks(minutes: u32) -> BlockNumber {
        minutes
    }
    fn windows() -> Windows {
        Windows {
            seed: SEED,
            ..Default::default()
        }
    }
    fn unbonding() -> BlockNumber {
        BlockNumber::MAX
    }
    fn challenge_days() -> u32 {
        1
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
    fn locked(task: TaskId, who: &AccountId) -> Balance {
        with(|n| n.locked.get(&(task, who.clone())).copied().unwrap_or(0))
    }
    fn forfeit(task: TaskId, who: &AccountId, payees: &[(AccountId, Balance)]) -> Taken {
        let taken = with(|n| n.locked.remove(&(task, who.clone())).unwrap_or(0));
        spend(account(LOCKED), taken, payees)
    }
}

pub(crate) fn account(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

/// Trainers; Bob's model was first.
pub(crate) const ANN: u8 = 11;
pub(crate) const BOB: u8 = 12;
/// Validators of the task.
pub(crate) const VALS: std::ops::Range<u8> = 21..33;
pub(crate) const VAL: u8 = 21;
/// A validator that can't pay a bond.
pub(crate) const POOR: u8 = 32;
/// Validators of `Network`.
pub(crate) const AUTHORS: std::ops::Range<u8> = 41..45;
/// Nobody in particular, with money.
pub(crate) const EVE: u8 = 51;
/// Where stake and rewards lie.
const STAKED: u8 = 101;
const LOCKED: u8 = 102;

/// Each of them has so much of its own.
pub(crate) const STAKE: Balance = 1_000;
/// Ann's rewards.
pub(crate) const REWARD: Balance = 400;
pub(crate) const WEALTH: Balance = 100_000;

pub(crate) fn model(n: u8) -> H256 {
    H256::repeat_byte(n)
}

/// What an account has at first.
pub(crate) fn wealth(n: u8) -> Balance {
    if n == POOR { 20 } else { WEALTH }
}

fn people() -> impl Iterator<Item = u8> {
    [ANN, BOB, EVE].into_iter().chain(VALS).chain(AUTHORS)
}

pub(crate) fn set_stake(venue: Venue, n: u8, role: Role, own: Balance) {
    with(|t| t.positions.insert((venue, account(n)), (role, own)));
}

fn settle_neighbours() {
    with(|n| *n = Neighbours::default());
    for n in VALS {
        set_stake(Venue::Task(TASK), n, Role::Validator, STAKE);
    }
    for n in AUTHORS {
        set_stake(Venue::Network, n, Role::Validator, STAKE);
    }
    for n in [ANN, BOB] {
        set_stake(Venue::Task(TASK), n, Role::Trainer, STAKE);
    }
    with(|n| {
        n.phases.insert(TASK, (TaskPhase::Challenge, ENDS));
        n.spec = Some(crate::tests::spec());
        n.round = 4;
        n.settled = Some(4);
        n.locked.insert((TASK, account(ANN)), REWARD);
        n.models.insert((TASK, account(ANN)), (model(ANN), 5));
        n.models.insert((TASK, account(BOB)), (model(BOB), 3));
    });
}

/// What there is: nothing comes or goes unseen.
pub(crate) fn worth() -> Balance {
    Balances::total_issuance() + with(|n| n.burned + n.to_treasury)
}

/// Runs `test` on a fresh chain in a challenge phase, then checks the invariants.
pub(crate) fn run(test: impl FnOnce()) {
    fresh().execute_with(|| {
        to(10);
        let before = worth();
        test();
        assert_eq!(worth(), before, "money came or went");
        pallet_challenges::invariants::check::<Test>().unwrap();
    });
}

/// A chain in a challenge phase.
pub(crate) fn fresh() -> sp_io::TestExternalities {
    settle_neighbours();
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .unwrap();
    let mut balances: Vec<_> = people().map(|n| (account(n), wealth(n))).collect();
    balances.extend(crate::tests::world_balances());
    balances.push((account(STAKED), 10_000_000));
    balances.push((account(LOCKED), 10_000_000));
    pallet_balances::GenesisConfig::<Test> {
        balances,
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .unwrap();
    storage.into()
}

/// Blocks up to this one, with their hooks.
pub(crate) fn to(block: BlockNumber) {
    while System::block_number() < block {
        System::set_block_number(System::block_number() + 1);
        Challenges::on_initialize(System::block_number());
    }
}

pub(crate) fn pass(blocks: BlockNumber) {
    to(System::block_number() + blocks);
}
