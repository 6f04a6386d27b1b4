//! A chain of scoring alone; the neighbours are tables that tests write.

use crate as pallet_scoring;
use arena_primitives::{
    AccountId, Architecture, Balance, BlockNumber, DataSource, DutyRefusal, Metric, ModelBounds,
    NumericProfile, PublicData, Publication, RankRule, RewardParams, Role, Round, RoundInfo,
    RoundModel, RoundModels, SealedData, ShardState, StakeSnapshot, TaskId, TaskSpec, Uri, Uris,
    Venue, WeightCap,
    time::{Schedule, Windows},
    traits::{
        BlockVrf, Clock, Counted, Due, DutyCalls, DutyCheck, Publishing, Rounds, ServiceKeys,
        Stakes, Taken, TaskRewards,
    },
};
use codec::Encode;
use frame_support::{
    derive_impl, ensure, parameter_types,
    traits::{ConstU32, Hooks},
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
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Scoring: pallet_scoring,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
}

pub(crate) type Extrinsic = generic::UncheckedExtrinsic<AccountId, RuntimeCall, u32, ()>;

impl SigningTypes for Test {
    type Public = MultiSigner;
    type Signature = MultiSignature;
}

impl CreateTransactionBase<pallet_scoring::Call<Test>> for Test {
    type Extrinsic = Extrinsic;
    type RuntimeCall = RuntimeCall;
}

/// The nonce stands for the signature.
impl CreateSignedTransaction<pallet_scoring::Call<Test>> for Test {
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
            RuntimeCall::Scoring(call) => Scoring::check_duty(signer, call),
            // It stands for a publication.
            RuntimeCall::System(_) => with(|n| n.no_publication).map(Err),
        }
    }
}

parameter_types! {
    pub const Slash: Perbill = Perbill::from_percent(10);
    pub const TickWeight: Weight = Weight::MAX;
}

/// Weights that cut the small rounds of tests into many pages, whatever was measured.
pub struct Even;

macro_rules! even {
    ($($name:ident($($size:ident),*);)*) => {
        impl pallet_scoring::WeightInfo for Even {
            $(fn $name($($size: u32),*) -> Weight {
                let sizes: u32 = [0, $($size),*].iter().sum();
                // What counts the largest sizes must not dwarf a test's rounds.
                Weight::from_parts(50 + 2 * u64::from(sizes.min(64)), 0)
            })*
        }
    };
}

even! {
    commit_scores();
    reveal_scores(e);
    step_look(r);
    step_seed();
    step_complete(v);
    step_resume();
    step_begin();
    step_reveals(v);
    step_sketches(v);
    step_score(v);
    step_sketch(v);
    step_like(m);
    step_draw(m);
    step_pot(v);
    step_trainer();
    step_paid();
    step_slashed();
    step_absent(m);
    step_chilled();
    step_forget(r);
    step_finish(m, v);
    step_prune(r);
}

impl pallet_scoring::Config for Test {
    type AuthorityId = pallet_scoring::crypto::ServiceKey;
    type Publishing = Table;
    type Rounds = Table;
    type Stakes = Table;
    type ServiceKeys = Table;
    type Rewards = Table;
    type Vrf = Table;
    type Clock = Table;
    type NonRevealSlash = Slash;
    type MaxMisses = ConstU32<2>;
    type ResultKeep = ConstU32<10>;
    type MaxTickWeight = TickWeight;
    type WeightInfo = Even;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

pub(crate) const REWARD: Balance = 1_000_000_007;
/// Seed from 4, commit from 6, reveal from 14, settlement from 18.
pub(crate) const SCHEDULE: Schedule = Schedule {
    opens: 0,
    closes: 1,
    publish: 2,
    seed: 4,
    commit: 6,
    reveal: 14,
    settle: 18,
};

#[derive(Clone, Default)]
pub(crate) struct Neighbours {
    /// Whether round 1 of task 0 is.
    pub(crate) alive: bool,
    /// Other live rounds, with their models.
    pub(crate) rounds: BTreeMap<(TaskId, Round), (RoundInfo, RoundModels)>,
    pub(crate) spec: Option<TaskSpec>,
    /// Why the pool takes no publication, if it doesn't.
    pub(crate) no_publication: Option<DutyRefusal>,
    /// To models that aren't published.
    pub(crate) commitments: BTreeMap<(TaskId, Round, AccountId), (H256, BlockNumber)>,
    /// The blocks of the first commitments to models, where it isn't 1.
    pub(crate) first: BTreeMap<(TaskId, H256), BlockNumber>,
    /// What a sealed task's rounds are scored on.
    pub(crate) shard: Option<PublicData>,
    pub(crate) shard_state: Option<ShardState>,
    pub(crate) trainers: BTreeMap<AccountId, Balance>,
    pub(crate) validators: BTreeMap<AccountId, Balance>,
    pub(crate) keys: BTreeMap<AccountId, AccountId>,
    pub(crate) paid: BTreeMap<AccountId, Balance>,
    /// To whom nothing can be booked.
    pub(crate) refuses: BTreeSet<AccountId>,
    /// Each payment by itself.
    pub(crate) payments: Vec<(TaskId, Round, AccountId, Balance)>,
    pub(crate) treasury: Balance,
    /// In which task, and who.
    pub(crate) chilled: Vec<(Venue, AccountId)>,
    pub(crate) slashed: BTreeMap<AccountId, Balance>,
    pub(crate) drawn: Balance,
    pub(crate) lapsed: BTreeSet<TaskId>,
    pub(crate) no_vrf: bool,
}

thread_local! {
    static NEIGHBOURS: RefCell<Neighbours> = RefCell::default();
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Neighbours) -> R) -> R {
    NEIGHBOURS.with(|n| f(&mut n.borrow_mut()))
}

impl Neighbours {
    /// What was drawn and is neither paid nor with the treasury.
    pub(crate) fn in_flight(&self) -> Balance {
        self.drawn - self.paid.values().sum::<Balance>() - self.treasury
    }
}

pub struct Table;

fn counted(who: &AccountId, role: Role, own: Balance) -> Counted {
    let stake = StakeSnapshot {
        own,
        delegated: 0,
        shares: 0,
    };
    Counted {
        operator: who.clone(),
        role,
        stake,
        commission: Perbill::zero(),
    }
}

impl Stakes for Table {
    fn role(_: Venue, who: &AccountId) -> Option<Role> {
        with(|n| {
            if n.trainers.contains_key(who) {
                Some(Role::Trainer)
            } else {
                n.validators.contains_key(who).then_some(Role::Validator)
            }
        })
    }
    fn counted(venue: Venue, who: &AccountId, _: Round) -> Option<Counted> {
        let role = <Self as Stakes>::role(venue, who)?;
        with(|n| n.validators.get(who).or(n.trainers.get(who)).copied())
            .filter(|own| *own > 0)
            .map(|own| counted(who, role, own))
    }
    fn all(_: Venue, role: Role, _: Round) -> Vec<Counted> {
        with(|n| {
            let list = if role == Role::Trainer {
                &n.trainers
            } else {
                &n.validators
            };
            list.iter()
                .filter(|(_, own)| **own > 0)
                .map(|(who, own)| counted(who, role, *own))
                .collect()
        })
    }
    fn slash_own(_: Venue, who: &AccountId, amount: Balance) -> Balance {
        with(|n| n.slashed.insert(who.clone(), amount));
        amount
    }
    fn slash_own_for(
        venue: Venue,
        who: &AccountId,
        amount: Balance,
        _: &[(AccountId, Balance)],
    ) -> Taken {
        let total = Self::slash_own(venue, who, amount);
        Taken { total, paid: 0 }
    }
    fn chill(venue: Venue, who: &AccountId) -> bool {
        with(|n| n.chilled.push((venue, who.clone())));
        true
    }
}

impl ServiceKeys for Table {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        with(|n| n.keys.get(key).cloned())
    }
    fn key_of(_: &AccountId) -> Option<AccountId> {
        None
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
    fn challenge_days() -> u32 {
        1
    }
}

impl BlockVrf for Table {
    fn parent() -> Option<H256> {
        (!with(|n| n.no_vrf)).then(|| H256::repeat_byte(System::block_number() as u8))
    }
}

impl TaskRewards for Table {
    fn open(_: TaskId, _: Perbill) {}
    fn set_counted(_: TaskId, _: Balance) {}
    fn due(_: TaskId, _: u32) -> Due {
        Due {
            emission: REWARD,
            bounty: 0,
        }
    }
    fn largest_draw(_: Perbill, _: BlockNumber) -> Balance {
        REWARD
    }
    fn draw(_: TaskId, due: Due) -> Balance {
        with(|n| n.drawn += due.emission);
        due.emission
    }
    fn lapse(task: TaskId) {
        with(|n| n.lapsed.insert(task));
    }
    fn pay(task: TaskId, round: Round, who: &Counted, amount: Balance) -> DispatchResult {
        with(|n| {
            ensure!(amount <= n.in_flight(), "more than was drawn");
            ensure!(!n.refuses.contains(&who.operator), "can't be booked");
            *n.paid.entry(who.operator.clone()).or_default() += amount;
            let payment = (task, round, who.operator.clone(), amount);
            n.payments.push(payment);
            Ok(())
        })
    }
    fn to_treasury(amount: Balance) {
        with(|n| n.treasury += amount.min(n.in_flight()));
    }
    fn top_up(_: TaskId, _: &AccountId, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn release(_: TaskId, _: &AccountId) {}
    fn locked(_: TaskId, _: &AccountId) -> Balance {
        0
    }
    fn forfeit(_: TaskId, _: &AccountId, _: &[(AccountId, Balance)]) -> Taken {
        Taken::default()
    }
}

pub(crate) fn info() -> RoundInfo {
    RoundInfo {
        task: 0,
        round: 1,
        schedule: SCHEDULE,
        is_final: false,
        shard: with(|n| n.shard_state).unwrap_or(ShardState::NotSealed),
    }
}

/// A remark of task and publication stands for the call.
impl Publishing<RuntimeCall> for Table {
    fn publish(task: TaskId, publication: Publication) -> RuntimeCall {
        let remark = (task, publication).encode();
        frame_system::Call::remark { remark }.into()
    }
}

impl Rounds for Table {
    fn live_rounds() -> Vec<RoundInfo> {
        let more: Vec<_> = with(|n| n.rounds.values().map(|(info, _)| info.clone()).collect());
        let first = with(|n| n.alive).then(info);
        first.into_iter().chain(more).collect()
    }
    fn closed_rounds() -> Vec<RoundInfo> {
        let now = System::block_number();
        let mut rounds = Self::live_rounds();
        rounds.retain(|info| now >= info.schedule.closes);
        rounds
    }
    fn info(task: TaskId, round: Round) -> Option<RoundInfo> {
        let first = with(|n| n.alive) && (task, round) == (0, 1);
        let more = || with(|n| n.rounds.get(&(task, round)).map(|(info, _)| info.clone()));
        first.then(info).or_else(more)
    }
    fn spec(_: TaskId) -> Option<TaskSpec> {
        with(|n| n.spec.clone())
    }
    fn data(_: TaskId, _: Round) -> Option<PublicData> {
        with(|n| match n.spec.as_ref()?.data.clone() {
            DataSource::Public(data) => Some(data),
            DataSource::Sealed(_) => n.shard.clone(),
        })
    }
    fn commitment(task: TaskId, round: Round, trainer: &AccountId) -> Option<(H256, BlockNumber)> {
        let row = (task, round, trainer.clone());
        with(|n| n.commitments.get(&row).copied())
    }
    fn models(task: TaskId, round: Round) -> RoundModels {
        if let Some((_, models)) = with(|n| n.rounds.get(&(task, round)).cloned()) {
            return models;
        }
        let models: Vec<RoundModel> = with(|n| n.trainers.keys().cloned().collect::<Vec<_>>())
            .into_iter()
            .map(|trainer| RoundModel {
                manifest_root: root(&trainer),
                trainer,
            })
            .collect();
        models.try_into().unwrap()
    }
    fn committed_at(task: TaskId, manifest_root: &H256) -> Option<BlockNumber> {
        let first = with(|n| n.first.get(&(task, *manifest_root)).copied());
        Some(first.unwrap_or(1))
    }
    fn uris(_: TaskId, _: &H256) -> Option<Uris> {
        Some(uris())
    }
    fn rounds_left(_: TaskId, _: Round) -> u32 {
        1
    }
    fn settled(task: TaskId, round: Round) {
        with(|n| {
            if n.rounds.remove(&(task, round)).is_none() {
                n.alive = false;
            }
        });
    }
}

pub(crate) fn account(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

/// The service key of account `n`.
pub(crate) fn key(n: u8) -> AccountId {
    account(n + 100)
}

pub(crate) fn root(trainer: &AccountId) -> H256 {
    let bytes: &[u8; 32] = trainer.as_ref();
    H256::repeat_byte(bytes[0])
}

pub(crate) fn uris() -> Uris {
    let uri: Uri = b"https://example.org/model".to_vec().try_into().unwrap();
    vec![uri].try_into().unwrap()
}

/// What rounds are scored on.
pub(crate) fn data() -> PublicData {
    PublicData {
        blake3: [1; 32],
        bytes: 1_000,
        uris: uris(),
        samples: 100,
    }
}

/// [`spec`] with sealed data.
pub(crate) fn sealed_spec() -> TaskSpec {
    TaskSpec {
        data: DataSource::Sealed(SealedData {
            root: H256::repeat_byte(1),
            max_bytes: 1_000,
            samples: 100,
        }),
        ..spec()
    }
}

pub(crate) fn spec() -> TaskSpec {
    TaskSpec {
        name: Default::default(),
        licence: Default::default(),
        metric: Metric::Accuracy,
        worst: 0,
        profile: NumericProfile::F32,
        data: DataSource::Public(data()),
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
        baseline: Perbill::from_percent(10),
        likeness: None,
        registered: false,
    }
}

pub(crate) const TRAINERS: [(u8, Balance); 4] = [(1, 100), (2, 200), (3, 300), (4, 400)];
pub(crate) const VALIDATORS: [(u8, Balance); 3] = [(21, 1_000), (22, 2_000), (23, 1_500)];

/// A fresh chain with one closed round; checks the invariants after `test`.
pub(crate) fn run_in(mut ext: sp_io::TestExternalities, test: impl FnOnce()) {
    with(|n| {
        let rows = |list: &[(u8, Balance)]| list.iter().map(|(a, s)| (account(*a), *s)).collect();
        *n = Neighbours {
            alive: true,
            spec: Some(spec()),
            trainers: rows(&TRAINERS),
            validators: rows(&VALIDATORS),
            ..Default::default()
        };
        for (who, _) in TRAINERS.iter().chain(&VALIDATORS) {
            n.keys.insert(key(*who), account(*who));
        }
    });
    ext.execute_with(|| {
        test();
        pallet_scoring::invariants::check::<Test>().unwrap();
    });
}

pub(crate) fn ext() -> sp_io::TestExternalities {
    frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .unwrap()
        .into()
}

pub(crate) fn run(test: impl FnOnce()) {
    run_in(ext(), test);
}

/// Goes to block `n`, hooks and invariants on each block.
pub(crate) fn go_to(n: BlockNumber) {
    while System::block_number() < n {
        let next = System::block_number() + 1;
        System::set_block_number(next);
        Scoring::on_initialize(next);
        pallet_scoring::invariants::check::<Test>().unwrap();
    }
}
