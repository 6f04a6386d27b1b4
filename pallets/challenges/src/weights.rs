//! Weights of challenges: estimates, until `scripts/weights.sh` measures them.
//!
//! Rows that are read and written are counted, at the prices of `T::DbWeight`. Proof sizes are 0: a chain that has its own
//! validators needs none.

use core::marker::PhantomData;
use frame_support::{
    traits::Get,
    weights::{RuntimeDbWeight, Weight, constants::ParityDbWeight},
};

/// What calls and the units of work of hooks weigh.
pub trait WeightInfo {
    /// `commit_case`.
    fn commit_case() -> Weight;
    /// `open_case` of a claim of one's own, as the last case that fits.
    fn open_case() -> Weight;
    /// `open_case` of a claim that finds all places taken, so that its commitment ends.
    fn open_case_in_vain() -> Weight;
    /// `join`, as the last challenger that fits.
    fn join() -> Weight;
    /// `respond_training` with `l` leaves, and as many heartbeats as there can be.
    fn respond_training(l: u32) -> Weight;
    /// `respond_score` in a reveal of `m` models.
    fn respond_score(m: u32) -> Weight;
    /// `commit_vote` in the largest jury.
    fn commit_vote() -> Weight;
    /// `reveal_vote` in the largest jury.
    fn reveal_vote() -> Weight;
    /// `appeal`.
    fn appeal() -> Weight;
    /// `register_run` in the place of another, with as many heartbeats as there can be.
    fn register_run() -> Weight;
    /// `heartbeat`.
    fn heartbeat() -> Weight;
    /// `register_mark`, as the last that fits.
    fn register_mark() -> Weight;
    /// Adding a block to the randomness.
    fn step_beacon() -> Weight;
    /// Looking for what is due, with the largest case.
    fn step_look() -> Weight;
    /// Moving a case from commitments to reveals.
    fn step_move() -> Weight;
    /// Drawing the largest jury among `c` candidates.
    fn step_draw(c: u32) -> Weight;
    /// Counting `j` votes that nobody gave.
    fn step_tally(j: u32) -> Weight;
    /// Closing a case with `j` votes and `c` challengers.
    fn step_close(j: u32, c: u32) -> Weight;
    /// Making `n` other cases needless.
    fn step_moot(n: u32) -> Weight;
    /// Ending a commitment.
    fn step_expire() -> Weight;
    /// Writing the seed of a run.
    fn step_seed_run() -> Weight;
    /// Removing `r` runs of a task that is over.
    fn step_prune(r: u32) -> Weight;
}

/// What was counted, at the prices of a database.
pub struct Measured<D>(PhantomData<D>);

/// What was counted, at the prices of a runtime's database.
pub type SubstrateWeight<T> = Measured<<T as frame_system::Config>::DbWeight>;

impl<D: Get<RuntimeDbWeight>> WeightInfo for Measured<D> {
    fn commit_case() -> Weight {
        Weight::from_parts(90_000_000, 0).saturating_add(D::get().reads_writes(6, 4))
    }
    fn open_case() -> Weight {
        Weight::from_parts(220_000_000, 0).saturating_add(D::get().reads_writes(33, 8))
    }
    fn open_case_in_vain() -> Weight {
        Weight::from_parts(200_000_000, 0).saturating_add(D::get().reads_writes(32, 3))
    }
    fn join() -> Weight {
        Weight::from_parts(130_000_000, 0).saturating_add(D::get().reads_writes(12, 3))
    }
    fn respond_training(l: u32) -> Weight {
        Weight::from_parts(400_000_000, 0)
            .saturating_add(D::get().reads_writes(6, 4))
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(u64::from(l)))
    }
    fn respond_score(m: u32) -> Weight {
        Weight::from_parts(150_000_000, 0)
            .saturating_add(D::get().reads_writes(4, 4))
            .saturating_add(Weight::from_parts(1_000_000, 0).saturating_mul(u64::from(m)))
    }
    fn commit_vote() -> Weight {
        Weight::from_parts(60_000_000, 0).saturating_add(D::get().reads_writes(3, 4))
    }
    fn reveal_vote() -> Weight {
        Weight::from_parts(65_000_000, 0).saturating_add(D::get().reads_writes(3, 4))
    }
    fn appeal() -> Weight {
        Weight::from_parts(110_000_000, 0).saturating_add(D::get().reads_writes(6, 5))
    }
    fn register_run() -> Weight {
        Weight::from_parts(140_000_000, 0).saturating_add(D::get().reads_writes(26, 7))
    }
    fn heartbeat() -> Weight {
        Weight::from_parts(50_000_000, 0).saturating_add(D::get().reads_writes(7, 2))
    }
    fn register_mark() -> Weight {
        Weight::from_parts(40_000_000, 0).saturating_add(D::get().reads_writes(4, 1))
    }
    fn step_beacon() -> Weight {
        Weight::from_parts(12_000_000, 0).saturating_add(D::get().reads_writes(2, 2))
    }
    fn step_look() -> Weight {
        Weight::from_parts(20_000_000, 0).saturating_add(D::get().reads_writes(3, 1))
    }
    fn step_move() -> Weight {
        Weight::from_parts(30_000_000, 0).saturating_add(D::get().reads_writes(1, 3))
    }
    fn step_draw(c: u32) -> Weight {
        Weight::from_parts(120_000_000, 0)
            .saturating_add(D::get().reads_writes(8, 4))
            .saturating_add(Weight::from_parts(10_000_000, 0).saturating_mul(u64::from(c)))
            .saturating_add(D::get().reads_writes(2, 0).saturating_mul(u64::from(c)))
    }
    fn step_tally(j: u32) -> Weight {
        Weight::from_parts(60_000_000, 0)
            .saturating_add(D::get().reads_writes(3, 4))
            .saturating_add(Weight::from_parts(35_000_000, 0).saturating_mul(u64::from(j)))
            .saturating_add(D::get().reads_writes(4, 3).saturating_mul(u64::from(j)))
    }
    fn step_close(j: u32, c: u32) -> Weight {
        Weight::from_parts(140_000_000, 0)
            .saturating_add(D::get().reads_writes(13, 13))
            .saturating_add(Weight::from_parts(45_000_000, 0).saturating_mul(u64::from(j)))
            .saturating_add(D::get().reads_writes(1, 1).saturating_mul(u64::from(j)))
            .saturating_add(Weight::from_parts(70_000_000, 0).saturating_mul(u64::from(c)))
            .saturating_add(D::get().reads_writes(1, 1).saturating_mul(u64::from(c)))
    }
    fn step_moot(n: u32) -> Weight {
        Weight::from_parts(10_000_000, 0)
            .saturating_add(D::get().reads_writes(1, 0))
            .saturating_add(Weight::from_parts(20_000_000, 0).saturating_mul(u64::from(n)))
            .saturating_add(D::get().reads_writes(1, 3).saturating_mul(u64::from(n)))
    }
    fn step_expire() -> Weight {
        Weight::from_parts(50_000_000, 0).saturating_add(D::get().reads_writes(4, 4))
    }
    fn step_seed_run() -> Weight {
        Weight::from_parts(25_000_000, 0).saturating_add(D::get().reads_writes(2, 3))
    }
    fn step_prune(r: u32) -> Weight {
        Weight::from_parts(20_000_000, 0)
            .saturating_add(D::get().reads_writes(6, 2))
            .saturating_add(Weight::from_parts(60_000_000, 0).saturating_mul(u64::from(r)))
            .saturating_add(D::get().reads_writes(3, 4).saturating_mul(u64::from(r)))
    }
}

/// For tests.
impl WeightInfo for () {
    fn commit_case() -> Weight {
        Measured::<ParityDbWeight>::commit_case()
    }
    fn open_case() -> Weight {
        Measured::<ParityDbWeight>::open_case()
    }
    fn open_case_in_vain() -> Weight {
        Measured::<ParityDbWeight>::open_case_in_vain()
    }
    fn join() -> Weight {
        Measured::<ParityDbWeight>::join()
    }
    fn respond_training(l: u32) -> Weight {
        Measured::<ParityDbWeight>::respond_training(l)
    }
    fn respond_score(m: u32) -> Weight {
        Measured::<ParityDbWeight>::respond_score(m)
    }
    fn commit_vote() -> Weight {
        Measured::<ParityDbWeight>::commit_vote()
    }
    fn reveal_vote() -> Weight {
        Measured::<ParityDbWeight>::reveal_vote()
    }
    fn appeal() -> Weight {
        Measured::<ParityDbWeight>::appeal()
    }
    fn register_run() -> Weight {
        Measured::<ParityDbWeight>::register_run()
    }
    fn heartbeat() -> Weight {
        Measured::<ParityDbWeight>::heartbeat()
    }
    fn register_mark() -> Weight {
        Measured::<ParityDbWeight>::register_mark()
    }
    fn step_beacon() -> Weight {
        Measured::<ParityDbWeight>::step_beacon()
    }
    fn step_look() -> Weight {
        Measured::<ParityDbWeight>::step_look()
    }
    fn step_move() -> Weight {
        Measured::<ParityDbWeight>::step_move()
    }
    fn step_draw(c: u32) -> Weight {
        Measured::<ParityDbWeight>::step_draw(c)
    }
    fn step_tally(j: u32) -> Weight {
        Measured::<ParityDbWeight>::step_tally(j)
    }
    fn step_close(j: u32, c: u32) -> Weight {
        Measured::<ParityDbWeight>::step_close(j, c)
    }
    fn step_moot(n: u32) -> Weight {
        Measured::<ParityDbWeight>::step_moot(n)
    }
    fn step_expire() -> Weight {
        Measured::<ParityDbWeight>::step_expire()
    }
    fn step_seed_run() -> Weight {
        Measured::<ParityDbWeight>::step_seed_run()
    }
    fn step_prune(r: u32) -> Weight {
        Measured::<ParityDbWeight>::step_prune(r)
    }
}
