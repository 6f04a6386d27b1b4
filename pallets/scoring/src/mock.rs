//! A chain of scoring alone; the neighbours are tables that tests write.

use crate as pallet_scoring;
use arena_primitives::{
    AccountId, Architecture, Balance, BlockNumber, DataSource, Metric, ModelBounds, NumericProfile,
    PublicData, RankRule, RewardParams, SealedData, TaskSpec, Uri, Uris, WeightCap,
    time::Schedule,
    traits::{DutyCalls, DutyCheck},
};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, Hooks},
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

pub(crate) use neighbours::{Neighbours, Table, info, with};

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
