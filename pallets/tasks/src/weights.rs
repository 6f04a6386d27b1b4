//! Weights, counted by hand: database accesses of the worst path, plus base reference time for
//! what is computed. They are counts, not measurements.

use arena_primitives::MAX_TRAINERS;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Reference time of a call or step beside its database accesses: 50 µs.
const BASE: u64 = 50_000_000;
/// Reference time per byte that is decoded, hashed and written.
const PER_BYTE: u64 = 2_000;
/// Reference time per position or model that a loop looks at: 2 µs.
const PER_ITEM: u64 = 2_000_000;

/// Weights of this pallet.
pub trait WeightInfo {
    /// `propose` of a spec of `bytes`.
    fn propose(bytes: u32) -> Weight;
    /// `withdraw_proposal`.
    fn withdraw_proposal() -> Weight;
    /// `approve`.
    fn approve() -> Weight;
    /// `submit`.
    fn submit() -> Weight;
    /// `publish` with `uris` mirrors.
    fn publish(uris: u32) -> Weight;
    /// `top_up`.
    fn top_up() -> Weight;
    /// `cancel`.
    fn cancel() -> Weight;
    /// `remove_expired`.
    fn remove_expired() -> Weight;
    /// Reading the list of tasks and where to go on.
    fn step_look() -> Weight;
    /// Looking at a task for which nothing is due.
    fn step_idle() -> Weight;
    /// Opening a round, or final validation, of a task with `positions` counted.
    fn step_open(positions: u32) -> Weight;
    /// Fixing the models of a round with `trainers` counted.
    fn step_fix(trainers: u32) -> Weight;
    /// Starting the challenge phase.
    fn step_challenge() -> Weight;
    /// Closing.
    fn step_close() -> Weight;
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

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn propose(bytes: u32) -> Weight {
        // Proposal, holds, account, windows and clock (2); proposal, holds, account.
        Weight::from_parts(
            BASE.saturating_add(PER_BYTE.saturating_mul(u64::from(bytes))),
            0,
        )
        .saturating_add(T::DbWeight::get().reads_writes(5, 3))
    }
    fn withdraw_proposal() -> Weight {
        // Proposal, holds, account; the same.
        base(0).saturating_add(T::DbWeight::get().reads_writes(3, 3))
    }
    fn approve() -> Weight {
        // Proposal, active, next id, holds, account, clock (2), rewards (2); proposal, active,
        // next id, holds, account, task, spec, rewards (3).
        base(0).saturating_add(T::DbWeight::get().reads_writes(9, 10))
    }
    fn submit() -> Weight {
        // Task, position (3); submission.
        base(0).saturating_add(T::DbWeight::get().reads_writes(4, 1))
    }
    fn publish(uris: u32) -> Weight {
        // Key, task, position, submission, root, own model, other's model; submission, root, own
        // model, other's model.
        base(uris).saturating_add(T::DbWeight::get().reads_writes(7, 4))
    }
    fn top_up() -> Weight {
        // Task, accounts (2), bounty; accounts (2), bounty.
        base(0).saturating_add(T::DbWeight::get().reads_writes(4, 3))
    }
    fn cancel() -> Weight {
        // Task, rewards (6), results (2), cases (up to 16 with holds); the same.
        base(16).saturating_add(T::DbWeight::get().reads_writes(60, 60))
    }
    fn remove_expired() -> Weight {
        Self::withdraw_proposal()
    }
    fn step_look() -> Weight {
        base(0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn step_idle() -> Weight {
        // Task, spec.
        Weight::from_parts(BASE, 0).saturating_add(T::DbWeight::get().reads(2))
    }
    fn step_open(positions: u32) -> Weight {
        // Lists of seats (2), each position with its history; task, drawing stake (4).
        base(positions).saturating_add(
            T::DbWeight::get().reads_writes(8u64.saturating_add(u64::from(positions)), 5),
        )
    }
    fn step_fix(trainers: u32) -> Weight {
        // List of seats, each position, each standing model; models, task.
        base(trainers).saturating_add(T::DbWeight::get().reads_writes(
            2u64.saturating_add(u64::from(trainers).saturating_mul(2)),
            2,
        ))
    }
    fn step_challenge() -> Weight {
        // Clock; task.
        base(0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
    fn step_close() -> Weight {
        // Cases, result, three roots, rewards (6), results (2), cases (up to 16 with holds).
        base(MAX_TRAINERS).saturating_add(T::DbWeight::get().reads_writes(72, 60))
    }
    fn step_prune(rows: u32) -> Weight {
        // Each row is read as a key and removed; active.
        base(rows).saturating_add(T::DbWeight::get().reads_writes(
            u64::from(rows).saturating_add(5),
            u64::from(rows).saturating_add(1),
        ))
    }
}

impl WeightInfo for () {
    fn propose(_: u32) -> Weight {
        base(0)
    }
    fn withdraw_proposal() -> Weight {
        base(0)
    }
    fn approve() -> Weight {
        base(0)
    }
    fn submit() -> Weight {
        base(0)
    }
    fn publish(_: u32) -> Weight {
        base(0)
    }
    fn top_up() -> Weight {
        base(0)
    }
    fn cancel() -> Weight {
        base(0)
    }
    fn remove_expired() -> Weight {
        base(0)
    }
    fn step_look() -> Weight {
        base(0)
    }
    fn step_idle() -> Weight {
        base(0)
    }
    fn step_open(positions: u32) -> Weight {
        base(positions)
    }
    fn step_fix(trainers: u32) -> Weight {
        base(trainers)
    }
    fn step_challenge() -> Weight {
        base(0)
    }
    fn step_close() -> Weight {
        base(0)
    }
    fn step_prune(rows: u32) -> Weight {
        base(rows)
    }
}
