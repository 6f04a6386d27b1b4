//! What was counted and timed.

use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Extrinsics of one kind.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    /// In the runtime, signature and fee included.
    pub(crate) seconds: f64,
}

/// Where the time went, in seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Spent {
    /// Hooks of all blocks.
    pub(crate) hooks: f64,
    /// Extrinsics.
    pub(crate) extrinsics: f64,
    /// Storage roots, and the little else that ends a block.
    pub(crate) roots: f64,
    /// Deciding what is due, reading the state for it, and signing.
    pub(crate) making: f64,
    /// Writing the state to its trie.
    pub(crate) writing: f64,
    /// Reading the blocks' events for their fees.
    pub(crate) events: f64,
    /// Executing blocks again, and copying the state before them.
    pub(crate) again: f64,
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Ledger {
    pub(crate) blocks: u64,
    pub(crate) blocks_again: u64,
    pub(crate) calls: BTreeMap<&'static str, Calls>,
    /// Extrinsics that found their block full, and went into a later one.
    pub(crate) deferred: u64,
    /// Most blocks that one of them waited.
    pub(crate) longest_wait: u32,
    /// Fees paid, in base units, from events.
    pub(crate) fees: u128,
    /// Most extrinsics in a block.
    pub(crate) most_in_block: u64,
    /// Longest time of a block in the runtime, in seconds.
    pub(crate) longest_block: f64,
    pub(crate) spent: Spent,
}

impl Ledger {
    pub(crate) fn applied(&mut self, name: &'static str, took: Duration) {
        let calls = self.calls.entry(name).or_default();
        calls.count += 1;
        calls.seconds += took.as_secs_f64();
        self.spent.extrinsics += took.as_secs_f64();
    }

    pub(crate) fn extrinsics(&self) -> u64 {
        self.calls.values().map(|calls| calls.count).sum()
    }
}
