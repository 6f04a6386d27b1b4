//! Weights, counted by hand: database accesses of the worst path, plus base reference time for
//! what is computed. They are counts, not measurements.

use arena_primitives::{MAX_TRAINERS, MAX_VALIDATORS};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Reference time of a call or step beside its database accesses: 50 µs.
const BASE: u64 = 50_000_000;
/// Reference time per hash of a draw, or item that a loop looks at: 2 µs.
const PER_ITEM: u64 = 2_000_000;
/// Reference time per score of a consensus: decoding, a score, and its part of two sorts: 1 µs.
const PER_SCORE: u64 = 1_000_000;
/// Reference time per validator's share of a pot: a power, a quotient: 3 µs.
const PER_SHARE: u64 = 3_000_000;

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
    /// Reading and writing a settlement that doesn't end in a block, and what is derived from it.
    fn step_resume() -> Weight;
    /// Beginning a settlement: positions, models and spec of the largest round.
    fn step_begin() -> Weight;
    /// Reading the reveals of `validators`.
    fn step_reveals(validators: u32) -> Weight;
    /// Consensus on one model that `validators` scored.
    fn step_score(validators: u32) -> Weight;
    /// Deciding on a round of `models`, its draw and its trainers' shares.
    fn step_draw(models: u32) -> Weight;
    /// Sharing one model's pot among `validators`.
    fn step_pot(validators: u32) -> Weight;
    /// Paying a trainer.
    fn step_trainer() -> Weight;
    /// Paying a validator.
    fn step_paid() -> Weight;
    /// Slashing one.
    fn step_slashed() -> Weight;
    /// Looking for a draw.
    fn step_absent(models: u32) -> Weight;
    /// Taking a seat.
    fn step_chilled() -> Weight;
    /// The result of a round of `models` and `validators`.
    fn step_finish(models: u32, validators: u32) -> Weight;
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

fn scores(each: u64, validators: u32) -> Weight {
    Weight::from_parts(
        BASE.saturating_add(each.saturating_mul(validators.into())),
        0,
    )
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
    fn step_resume() -> Weight {
        // The settlement, spec; settlement. Up to 80 kB of it are coded and decoded.
        base(MAX_TRAINERS.saturating_add(MAX_VALIDATORS))
            .saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn step_begin() -> Weight {
        // Spec, models, task, two rosters, task's emission, flow, rate; each position. Written:
        // task's emission, flow.
        let positions = MAX_TRAINERS.saturating_add(MAX_VALIDATORS);
        base(positions.saturating_mul(2)).saturating_add(
            T::DbWeight::get().reads_writes(u64::from(positions).saturating_add(8), 2),
        )
    }
    fn step_reveals(validators: u32) -> Weight {
        // Each has an entry for each model.
        base(validators.saturating_mul(8))
            .saturating_add(T::DbWeight::get().reads(validators.into()))
    }
    fn step_score(validators: u32) -> Weight {
        scores(PER_SCORE, validators)
    }
    fn step_draw(models: u32) -> Weight {
        // Task's emission, totals, issuance, reward account; the same.
        base(models.saturating_mul(4)).saturating_add(T::DbWeight::get().reads_writes(4, 4))
    }
    fn step_pot(validators: u32) -> Weight {
        scores(PER_SHARE, validators)
    }
    fn step_trainer() -> Weight {
        // Forfeited, totals, what it earned; what it earned, accumulator, totals.
        base(0).saturating_add(T::DbWeight::get().reads_writes(3, 3))
    }
    fn step_paid() -> Weight {
        Self::step_absent(1)
    }
    fn step_slashed() -> Weight {
        Self::step_absent(1)
    }
    fn step_chilled() -> Weight {
        Self::step_absent(1)
    }
    fn step_absent(models: u32) -> Weight {
        // As a trainer. Commitment, reveal, misses, seed; commitment, reveal, misses. A fault
        // reads and writes limits, position, unbonding, pending slashes, account, holds, roster,
        // issuance, totals, treasury.
        base(models).saturating_add(T::DbWeight::get().reads_writes(17, 16))
    }
    fn step_finish(models: u32, validators: u32) -> Weight {
        // Task, reward account, treasury, totals; result, seed, task, models and the rest. Up to
        // as many commitments to models that were never published.
        base(models.saturating_add(validators)).saturating_add(T::DbWeight::get().reads_writes(
            u64::from(models).saturating_add(8),
            u64::from(models).saturating_add(9),
        ))
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
    fn step_resume() -> Weight {
        base(1)
    }
    fn step_begin() -> Weight {
        base(1)
    }
    fn step_reveals(validators: u32) -> Weight {
        base(validators)
    }
    fn step_score(validators: u32) -> Weight {
        base(validators)
    }
    fn step_draw(models: u32) -> Weight {
        base(models)
    }
    fn step_pot(validators: u32) -> Weight {
        base(validators)
    }
    fn step_trainer() -> Weight {
        base(1)
    }
    fn step_paid() -> Weight {
        base(1)
    }
    fn step_slashed() -> Weight {
        base(1)
    }
    fn step_chilled() -> Weight {
        base(1)
    }
    fn step_absent(models: u32) -> Weight {
        base(models)
    }
    fn step_finish(models: u32, validators: u32) -> Weight {
        base(models.saturating_add(validators))
    }
    fn step_prune(rows: u32) -> Weight {
        base(rows)
    }
}
