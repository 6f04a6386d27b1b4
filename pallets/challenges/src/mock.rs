//! A chain of challenges alone; the neighbours are tables that tests write. Money is real: what
//! is locked and staked lies in accounts of their own.

use crate as pallet_challenges;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Sampling, TaskId, TaskPhase, Venue,
    traits::{DutyCalls, DutyCheck},
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU64, ConstU128, Hooks},
    weights::Weight,
};
use frame_system::offchain::{
    AppCrypto, CreateSignedTransaction, CreateTransactionBase, SigningTypes,
};
use sp_core::H256;
use sp_runtime::{
    BuildStorage, MultiSignature, MultiSigner, Perbill, generic, traits::IdentityLookup,
};

mod neighbours;

pub(crate) use neighbours::{Neighbours, Table, Treasury, key, with};

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
