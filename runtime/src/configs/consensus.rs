//! Blocks: BABE, GRANDPA, sessions, offences, authorship, authority discovery.

use crate::*;
use arena_primitives::{AccountId, MAX_VALIDATORS, traits::BlockVrf};
use codec::Encode;
use frame_support::{
    parameter_types,
    traits::{ConstU32, Get, Randomness},
};
use sp_core::H256;
use sp_runtime::{Perbill, traits::OpaqueKeys};
use sp_staking::offence::OffenceSeverity;

/// Most authors; the seats that staking gives are never more.
pub type MaxAuthorities = ConstU32<{ MAX_VALIDATORS }>;

/// Time, all of it set by genesis and kept by staking.
pub struct Time;

impl Time {
    fn get() -> arena_primitives::TimeParameters {
        ArenaStaking::time()
    }
}

/// Slots in an epoch.
pub struct EpochDuration;
impl Get<u64> for EpochDuration {
    fn get() -> u64 {
        Time::get().epoch_slots
    }
}

/// Length of a slot in milliseconds.
pub struct SlotMillis;
impl Get<u64> for SlotMillis {
    fn get() -> u64 {
        Time::get().slot_millis
    }
}

/// Half a slot: what BABE derives its slot from.
pub struct MinimumPeriod;
impl Get<u64> for MinimumPeriod {
    fn get() -> u64 {
        Time::get().slot_millis.checked_div(2).unwrap_or(1).max(1)
    }
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Babe;
    type MinimumPeriod = MinimumPeriod;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
    /// For how many blocks a report of an equivocation stays in a pool: five days of production
    /// slots. What is reported later than unbonding less the deferral of slashes may find that
    /// delegated stake has left.
    pub const ReportLongevity: u64 = 72_000;
    pub const MaxSetIdSessionEntries: u64 = 1_008;
}

impl pallet_babe::Config for Runtime {
    type EpochDuration = EpochDuration;
    type ExpectedBlockTime = SlotMillis;
    type EpochChangeTrigger = pallet_babe::ExternalTrigger;
    type DisabledValidators = Session;
    type WeightInfo = ();
    type MaxAuthorities = MaxAuthorities;
    type MaxNominators = ConstU32<0>;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_babe::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = MaxAuthorities;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = MaxSetIdSessionEntries;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
    type EventHandler = (ArenaStaking, ArenaRewards);
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = sp_runtime::traits::ConvertInto;
    type ShouldEndSession = Babe;
    type NextSessionRotation = Babe;
    type SessionManager = pallet_session::historical::NoteHistoricalRoot<Self, ArenaStaking>;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = pallet_session::disabling::UpToLimitWithReEnablingDisablingStrategy;
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    /// Keys are never purged (see `NoKeyPurge`), so that a deposit would never come back. They
    /// keep their account alive, whose existential deposit stands for it.
    type KeyDeposit = frame_support::traits::ConstU128<0>;
}

/// Positions identify themselves: what an offence needs beyond the account is read by staking.
pub struct FullIdentificationOf;
impl sp_runtime::traits::Convert<AccountId, Option<()>> for FullIdentificationOf {
    fn convert(_: AccountId) -> Option<()> {
        Some(())
    }
}

impl pallet_session::historical::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type FullIdentification = ();
    type FullIdentificationOf = FullIdentificationOf;
}

impl pallet_offences::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type IdentificationTuple = pallet_session::historical::IdentificationTuple<Self>;
    type OnOffenceHandler = ArenaStaking;
}

impl pallet_authority_discovery::Config for Runtime {
    type MaxAuthorities = MaxAuthorities;
}

/// Takes an offender out of block production until the set of authors changes.
pub struct DisableOffender;
impl pallet_arena_staking::Disabling for DisableOffender {
    fn disable(who: &AccountId, fraction: Perbill) {
        Session::report_offence(who.clone(), OffenceSeverity(fraction));
    }
}

/// Session keys, told apart by their hash.
pub struct RegisteredKeys;
impl pallet_arena_staking::AuthorKeys for RegisteredKeys {
    fn fingerprint(who: &AccountId) -> Option<H256> {
        let keys = pallet_session::NextKeys::<Runtime>::get(who)?;
        Some(sp_io::hashing::blake2_256(&keys.encode()).into())
    }
}

/// VRF outputs, block by block.
pub struct ParentVrf;
impl BlockVrf for ParentVrf {
    fn parent() -> Option<H256> {
        pallet_babe::ParentBlockRandomness::<Runtime>::random(b"arena").0
    }
}
