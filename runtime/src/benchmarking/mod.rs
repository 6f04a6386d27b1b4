//! Benchmarks of the arena's pallets: which there are, and how they are run. `scene.rs` and
//! `stakes.rs` bring the pallets into the states that they ask their neighbours for.

mod scene;
mod stakes;

use crate::*;
use alloc::string::String;
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};

pub use scene::Neighbours;

frame_benchmarking::define_benchmarks!(
    [pallet_arena_staking, ArenaStaking]
    [pallet_arena_delegation, ArenaDelegation]
    [pallet_arena_rewards, ArenaRewards]
    [pallet_arena_tasks, ArenaTasks]
    [pallet_arena_scoring, ArenaScoring]
    [pallet_arena_challenges, ArenaChallenges]
);

/// All benchmarks.
pub(crate) fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Runs one of them.
pub(crate) fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}
