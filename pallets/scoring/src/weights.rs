//! Weights, counted by hand: database accesses of the worst path, plus base reference time for
//! what is computed. They are counts, not measurements.

use arena_primitives::MAX_TRAINERS;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Reference time of a call or step beside its database accesses: 50 µs.
const BASE: u64 = 50_000_000;
/// Reference time per hash of a draw, or item that a loop looks at: 2 µs.
const PER_ITEM: u64 = 2_000_000;
/// Reference time per score of a settlement: a sort, a power and a share, twice: 6 µs.
const PER_SCORE: u64 = 6_000_000;

/// Weights of this pallet.
pub trait WeightInfo {
    /// `commit_scores`.
    fn commit_scores() -> Weight;
    /// `reveal_scores` with `entries`.
    fn reveal_scores(entries: u32) -> Weight;
    /// Asking for closed rounds where there are `rounds`.
    fn step_look(rounds: u32) -> Weight;
    /// Adding a block to one round's seed.
    fn step_seed() -> Weight;
    /// Completing a seed of a round with `validators`.
    fn step_complete(validators: u32) -> Weight;
    /// Settling a round of `models` and `validators`, of which `committed` committed.
    fn step_settle(models: u32, validators: u32) -> Weight;
    /// Removing `rows` rows.
    fn step_prune(rows: u32) -> Weight;
}

/// The counts, with the runtime's cost of the database.
pub struct SubstrateWeight<T>(PhantomData<T>);

fn base(items: u32) -> Weight {
    Weight::from_parts(
        BASE.saturating_add(PER_ITEM.saturating_mul(u64::from(items))),
        0,
    )
}

fn scores(models: u32, validators: u32) -> Weight {
    let scores = u64::from(models).saturating_mul(u64::from(validators));
    Weight::from_parts(PER_SCORE.saturating_mul(scores), 0)
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn commit_scores() -> Weight {
        // Key, task, spec, position (3), seed, models, commitment; commitment.
        base(0).saturating_add(T::DbWeight::get().reads_writes(9, 1))
    }
    fn reveal_scores(entries: u32) -> Weight {
        // Key, task, spec, position (3), seed, models, commitment, reveal; reveal. Each model of
        // the round is drawn for.
        base(MAX_TRAINERS.saturating_add(entries))
            .saturating_add(T::DbWeight::get().reads_writes(10, 1))
    }
    fn step_look(rounds: u32) -> Weight {
        // Active tasks and each of them; ends of the queue and its head.
        base(rounds).saturating_add(T::DbWeight::get().reads(u64::from(rounds).saturating_add(3)))
    }
    fn step_seed() -> Weight {
        // Seed, VRF; seed.
        base(1).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn step_complete(validators: u32) -> Weight {
        // Spec, seats, positions; seed.
        base(validators).saturating_add(
            T::DbWeight::get().reads_writes(u64::from(validators).saturating_add(3), 1),
        )
    }
    fn step_settle(models: u32, validators: u32) -> Weight {
        let (m, v) = (u64::from(models), u64::from(validators));
        // Spec, models, task, seats (2), emission (6); each position, commitment and reveal;
        // each payee's account and accumulator (4). Written: result, seed, task, emission (6);
        // each commitment, reveal and miss or own stake (3); each payee (4).
        let reads = 12u64
            .saturating_add(m.saturating_mul(6))
            .saturating_add(v.saturating_mul(10));
        let writes = 10u64
            .saturating_add(m.saturating_mul(5))
            .saturating_add(v.saturating_mul(9));
        base(models.saturating_add(validators))
            .saturating_add(scores(models, validators))
            .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }
    fn step_prune(rows: u32) -> Weight {
        let rows64 = u64::from(rows);
        base(rows).saturating_add(
            T::DbWeight::get().reads_writes(rows64.saturating_add(6), rows64.saturating_add(2)),
        )
    }
}

impl WeightInfo for () {
    fn commit_scores() -> Weight {
        base(0)
    }
    fn reveal_scores(entries: u32) -> Weight {
        base(entries)
    }
    fn step_look(rounds: u32) -> Weight {
        base(rounds)
    }
    fn step_seed() -> Weight {
        base(1)
    }
    fn step_complete(validators: u32) -> Weight {
        base(validators)
    }
    fn step_settle(models: u32, validators: u32) -> Weight {
        scores(models, validators).saturating_add(base(models.saturating_add(validators)))
    }
    fn step_prune(rows: u32) -> Weight {
        base(rows)
    }
}
