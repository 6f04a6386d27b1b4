//! The AIArena runtime.
//!
//! `configs/arena.rs` wires the six `pallet-arena-*` with each other; `configs/` holds the rest
//! of the pallets' settings, `governance/` origins and tracks, `apis.rs` what nodes call.
#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "512"]
#![allow(
    missing_docs,
    reason = "FRAME's macros write public items without them"
)]

extern crate alloc;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod configs;
pub mod duty;
pub mod genesis_config_presets;
pub mod governance;
mod views;

use alloc::vec::Vec;
pub use arena_primitives::{
    AccountId, Address, Balance, BlockNumber, Hash, MILLI, Nonce, Signature, UNIT,
};
use frame_support::weights::Weight;
use sp_runtime::{generic, impl_opaque_keys, traits::BlakeTwo256};
use sp_version::RuntimeVersion;

/// Block header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// Block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// What every signed transaction carries besides its call.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    duty::FreeIfDuty<pallet_transaction_payment::ChargeTransactionPayment<Runtime>>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);
/// Transaction.
pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What is signed.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;
/// Executes blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// Types for the node, which knows extrinsics as bytes only.
pub mod opaque {
    use super::*;

    /// Block whose extrinsics are opaque.
    pub type Block = generic::Block<Header, sp_runtime::OpaqueExtrinsic>;
    /// Identifier of a block.
    pub type BlockId = generic::BlockId<Block>;
}

impl_opaque_keys! {
    /// Keys of a block author.
    pub struct SessionKeys {
        /// Finality.
        pub grandpa: Grandpa,
        /// Block production.
        pub babe: Babe,
        /// Discovery.
        pub authority_discovery: AuthorityDiscovery,
    }
}

/// Version of this runtime.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: alloc::borrow::Cow::Borrowed("aiarena"),
    impl_name: alloc::borrow::Cow::Borrowed("aiarena"),
    authoring_version: 1,
    spec_version: 1,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

/// What BABE starts with: every block carries a VRF output, primary or secondary.
pub const BABE_GENESIS_EPOCH_CONFIG: sp_consensus_babe::BabeEpochConfiguration =
    sp_consensus_babe::BabeEpochConfiguration {
        c: (1, 4),
        allowed_slots: sp_consensus_babe::AllowedSlots::PrimaryAndSecondaryVRFSlots,
    };

/// Longest execution of a block, in picoseconds.
pub const BLOCK_REF_TIME: u64 = 1_000_000_000_000;

/// Weight that a block has for all of its work.
pub const MAXIMUM_BLOCK_WEIGHT: Weight = Weight::from_parts(BLOCK_REF_TIME, u64::MAX);

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Babe = pallet_babe;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(3)]
    pub type Authorship = pallet_authorship;
    #[runtime::pallet_index(4)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(5)]
    pub type TransactionPayment = pallet_transaction_payment;

    // Before Session, whose genesis asks the session manager for authors.
    #[runtime::pallet_index(10)]
    pub type ArenaStaking = pallet_arena_staking;

    #[runtime::pallet_index(20)]
    pub type Session = pallet_session;
    #[runtime::pallet_index(21)]
    pub type Historical = pallet_session::historical;
    #[runtime::pallet_index(22)]
    pub type Offences = pallet_offences;
    #[runtime::pallet_index(23)]
    pub type Grandpa = pallet_grandpa;
    #[runtime::pallet_index(24)]
    pub type AuthorityDiscovery = pallet_authority_discovery;

    #[runtime::pallet_index(11)]
    pub type ArenaDelegation = pallet_arena_delegation;
    #[runtime::pallet_index(12)]
    pub type ArenaRewards = pallet_arena_rewards;
    #[runtime::pallet_index(13)]
    pub type ArenaTasks = pallet_arena_tasks;
    #[runtime::pallet_index(14)]
    pub type ArenaScoring = pallet_arena_scoring;
    #[runtime::pallet_index(15)]
    pub type ArenaChallenges = pallet_arena_challenges;

    #[runtime::pallet_index(30)]
    pub type Preimage = pallet_preimage;
    #[runtime::pallet_index(31)]
    pub type Scheduler = pallet_scheduler;
    #[runtime::pallet_index(32)]
    pub type Referenda = pallet_referenda;
    #[runtime::pallet_index(33)]
    pub type ConvictionVoting = pallet_conviction_voting;
    #[runtime::pallet_index(34)]
    pub type Origins = crate::governance::origins;
    #[runtime::pallet_index(35)]
    pub type Treasury = pallet_treasury;
    #[runtime::pallet_index(36)]
    pub type Parameters = pallet_parameters;

    #[runtime::pallet_index(40)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(41)]
    pub type Proxy = pallet_proxy;
    #[runtime::pallet_index(42)]
    pub type Multisig = pallet_multisig;

    // Without a key, as in production presets, nobody can use it.
    #[runtime::pallet_index(50)]
    pub type Sudo = pallet_sudo;
}

#[cfg(test)]
mod tests;

/// Version of the metadata that clients of this repository are generated from.
#[cfg(feature = "std")]
pub const METADATA_VERSION: u32 = 16;

/// The metadata as clients get it, made natively on an empty state.
#[cfg(feature = "std")]
pub fn native_metadata() -> alloc::vec::Vec<u8> {
    use frame_support::sp_runtime::BuildStorage;
    let storage = frame_system::GenesisConfig::<Runtime>::default().build_storage();
    sp_io::TestExternalities::from(storage.unwrap_or_default())
        .execute_with(|| Runtime::metadata_at_version(METADATA_VERSION))
        .map(|metadata| metadata.to_vec())
        .unwrap_or_default()
}
