//! The base: system, balances, time, proxies.

use crate::{governance::parameters::ParametersInBounds, *};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU32, ConstU128, Contains, InsideBoth, InstanceFilter, VariantCountOf},
    weights::constants::{BlockExecutionWeight, ExtrinsicBaseWeight, ParityDbWeight},
};
use frame_system::limits::{BlockLength, BlockWeights};
use scale_info::TypeInfo;
use sp_runtime::{
    Perbill,
    generic::Era,
    traits::{AccountIdLookup, Verify},
};

/// Part of a block that ordinary transactions may fill; the rest is for duties and hooks.
const NORMAL_RATIO: Perbill = Perbill::from_percent(75);
/// Part that hooks use before the first transaction.
const INITIALIZE_RATIO: Perbill = Perbill::from_percent(10);
/// Smallest balance of an account.
pub const EXISTENTIAL_DEPOSIT: Balance = MILLI;

parameter_types! {
    pub const BlockHashCount: BlockNumber = 2_400;
    pub const Version: sp_version::RuntimeVersion = VERSION;
    pub RuntimeBlockLength: BlockLength =
        BlockLength::builder().max_length(5 * 1024 * 1024).modify_max_length_for_class(
            DispatchClass::Normal, |max| *max = NORMAL_RATIO * *max,
        ).build();
    pub RuntimeBlockWeights: BlockWeights = BlockWeights::builder()
        .base_block(BlockExecutionWeight::get())
        .for_class(DispatchClass::all(), |weights| {
            weights.base_extrinsic = ExtrinsicBaseWeight::get();
        })
        .for_class(DispatchClass::Normal, |weights| {
            weights.max_total = Some(NORMAL_RATIO * MAXIMUM_BLOCK_WEIGHT);
        })
        .for_class(DispatchClass::Operational, |weights| {
            weights.max_total = Some(MAXIMUM_BLOCK_WEIGHT);
            weights.reserved =
                Some(MAXIMUM_BLOCK_WEIGHT.saturating_sub(NORMAL_RATIO * MAXIMUM_BLOCK_WEIGHT));
        })
        .avg_block_initialization(INITIALIZE_RATIO)
        .build_or_panic();
    /// Any prefix until one is registered.
    pub const SS58Prefix: u8 = 42;
}

/// Session keys are replaced by others, not removed: an author without keys would leave the set
/// at once, however few stay, and without an election.
pub struct NoKeyPurge;

impl Contains<RuntimeCall> for NoKeyPurge {
    fn contains(call: &RuntimeCall) -> bool {
        !matches!(
            call,
            RuntimeCall::Session(pallet_session::Call::purge_keys { .. })
        )
    }
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type BaseCallFilter = InsideBoth<NoKeyPurge, ParametersInBounds>;
    type Block = Block;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type Lookup = AccountIdLookup<AccountId, ()>;
    type BlockHashCount = BlockHashCount;
    type DbWeight = ParityDbWeight;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
    type SS58Prefix = SS58Prefix;
    type MaxConsumers = ConstU32<128>;
}

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    type DustRemoval = super::fees::ToTreasury;
    type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
    type AccountStore = System;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
    /// Of a row of 88 bytes and one of 32.
    pub const DepositBase: Balance = deposit(1, 88);
    pub const DepositFactor: Balance = deposit(0, 32);
    pub const ProxyDepositBase: Balance = deposit(1, 8);
    pub const ProxyDepositFactor: Balance = deposit(0, 33);
    pub const AnnouncementDepositBase: Balance = deposit(1, 8);
    pub const AnnouncementDepositFactor: Balance = deposit(0, 66);
}

/// Price of keeping `items` rows of `bytes` in state.
pub const fn deposit(items: u32, bytes: u32) -> Balance {
    items as Balance * UNIT / 10 + bytes as Balance * UNIT / 10_000
}

impl pallet_multisig::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type DepositBase = DepositBase;
    type DepositFactor = DepositFactor;
    type MaxSignatories = ConstU32<100>;
    type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
    type BlockNumberProvider = System;
}

/// What a proxy may do for its principal: one type for each role.
#[derive(
    Copy,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ProxyType {
    /// Everything.
    #[default]
    #[codec(index = 0)]
    Any,
    /// Votes and referenda.
    #[codec(index = 1)]
    Voter,
    /// Staking, submitting and publishing as an operator.
    #[codec(index = 2)]
    Operator,
    /// Delegating and claiming.
    #[codec(index = 3)]
    Delegator,
    /// Proposing and funding tasks, and the key that opens their shards.
    #[codec(index = 4)]
    Creator,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        match self {
            ProxyType::Any => true,
            ProxyType::Voter => matches!(
                call,
                RuntimeCall::Referenda(_)
                    | RuntimeCall::ConvictionVoting(_)
                    | RuntimeCall::Preimage(_)
            ),
            ProxyType::Operator => matches!(
                call,
                RuntimeCall::ArenaStaking(_)
                    | RuntimeCall::Session(_)
                    | RuntimeCall::ArenaChallenges(_)
                    | RuntimeCall::ArenaTasks(pallet_arena_tasks::Call::submit { .. })
                    | RuntimeCall::ArenaRewards(_)
            ),
            ProxyType::Delegator => {
                matches!(
                    call,
                    RuntimeCall::ArenaDelegation(_) | RuntimeCall::ArenaRewards(_)
                )
            }
            ProxyType::Creator => matches!(
                call,
                RuntimeCall::ArenaTasks(
                    pallet_arena_tasks::Call::propose { .. }
                        | pallet_arena_tasks::Call::withdraw_proposal { .. }
                        | pallet_arena_tasks::Call::top_up { .. }
                ) | RuntimeCall::ArenaStaking(pallet_arena_staking::Call::set_service_key { .. })
            ),
        }
    }

    fn is_superset(&self, other: &Self) -> bool {
        *self == ProxyType::Any || self == other
    }
}

impl pallet_proxy::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type ProxyType = ProxyType;
    type ProxyDepositBase = ProxyDepositBase;
    type ProxyDepositFactor = ProxyDepositFactor;
    type MaxProxies = ConstU32<32>;
    type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
    type MaxPending = ConstU32<32>;
    type CallHasher = sp_runtime::traits::BlakeTwo256;
    type AnnouncementDepositBase = AnnouncementDepositBase;
    type AnnouncementDepositFactor = AnnouncementDepositFactor;
    type BlockNumberProvider = System;
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

impl<C> frame_system::offchain::CreateTransactionBase<C> for Runtime
where
    RuntimeCall: From<C>,
{
    type RuntimeCall = RuntimeCall;
    type Extrinsic = UncheckedExtrinsic;
}

impl<C> frame_system::offchain::CreateBare<C> for Runtime
where
    RuntimeCall: From<C>,
{
    fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_bare(call)
    }
}

impl frame_system::offchain::SigningTypes for Runtime {
    type Public = <Signature as Verify>::Signer;
    type Signature = Signature;
}

/// Blocks for which a transaction of the offchain worker is valid.
const OFFCHAIN_ERA: u64 = 64;

impl<C> frame_system::offchain::CreateSignedTransaction<C> for Runtime
where
    RuntimeCall: From<C>,
{
    fn create_signed_transaction<
        A: frame_system::offchain::AppCrypto<Self::Public, Self::Signature>,
    >(
        call: RuntimeCall,
        public: Self::Public,
        account: AccountId,
        nonce: Nonce,
    ) -> Option<UncheckedExtrinsic> {
        let payload = SignedPayload::new(call, duty_extension(nonce))
            .inspect_err(|e| log::warn!(target: "arena", "can't make a payload to sign: {e:?}"))
            .ok()?;
        let signature = payload.using_encoded(|bytes| A::sign(bytes, public))?;
        let (call, extension, _) = payload.deconstruct();
        Some(UncheckedExtrinsic::new_signed(
            call,
            sp_runtime::MultiAddress::Id(account),
            signature,
            extension,
        ))
    }
}

/// The extension of what the offchain worker signs: it holds the hash of the block before this one,
/// so that a commitment to scores is worth nothing on a branch where another seed drew.
pub(crate) fn duty_extension(nonce: Nonce) -> TxExtension {
    let parent = u64::from(System::block_number()).saturating_sub(1);
    tx_extension(nonce, Era::mortal(OFFCHAIN_ERA, parent), 0)
}

/// The extension of a transaction.
pub fn tx_extension(nonce: Nonce, era: Era, tip: Balance) -> TxExtension {
    (
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckEra::from(era),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        duty::FreeIfDuty(pallet_transaction_payment::ChargeTransactionPayment::from(
            tip,
        )),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
        frame_system::WeightReclaim::new(),
    )
}
