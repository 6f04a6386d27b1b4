//! An author that chooses a round's seed by leaving out its own slots.
//!
//! The seed hashes the VRF outputs of a fixed number of blocks. An author knows its own outputs
//! beforehand and nobody else's. So it has a choice only where the window's last block falls into
//! a run of its own slots: the block goes into any slot of the run, or, when it leaves them all
//! out, into the slot of somebody else, whose output nobody knows.

use crate::{chain::next_block, chance::Chance, play::Play};
use anyhow::{Result, anyhow};
use arena_primitives::traits::Rounds as _;
use arena_primitives::{BlockNumber, Round};
use arena_runtime::{ArenaScoring, ArenaTasks, System};
use frame_support::storage::{TransactionOutcome, with_transaction};
use sp_core::H256;
use sp_runtime::DispatchError;

/// Seeds that an author tries out to know what one of somebody else's is worth in the mean.
const TRIALS: u32 = 16;
/// Longest run of own slots that is looked at.
const LONGEST: u32 = 16;

/// What an author chose.
pub(crate) struct Choice {
    /// The last VRF output of the window.
    pub(crate) vrf: H256,
    /// Own slots that it left out.
    pub(crate) skipped: u32,
    /// Seeds that it could choose among; with one it had no choice.
    pub(crate) seeds: u32,
}

/// The round whose seed the next block completes.
pub(crate) fn completed_by(play: &Play, next: BlockNumber) -> Option<Round> {
    let closed = ArenaTasks::closed_rounds().into_iter();
    closed
        .filter(|info| info.task == play.task && info.schedule.commit == next)
        .map(|info| info.round)
        .next()
}

/// Chooses the parent's VRF output for the block after this one; `honest` is the output of the
/// first slot that belongs to somebody else.
pub(crate) fn choose(
    play: &Play,
    round: Round,
    chance: &Chance,
    slots: f64,
    honest: H256,
) -> Result<Choice> {
    let next = System::block_number() + 1;
    let run = (0..LONGEST)
        .take_while(|i| chance.unit(("slot", next, i)) < slots)
        .count();
    let run = u32::try_from(run)?;
    let mut choice = Choice {
        vrf: honest,
        skipped: run,
        seeds: run + 1,
    };
    if run == 0 {
        return Ok(choice);
    }
    let mut others = 0;
    for i in 0..TRIALS {
        others += drawn(play, round, chance.word(("trial", next, i)))?;
    }
    // Compared in sums of as many trials, so that nothing is rounded.
    let mut best = others;
    for i in 0..run {
        let vrf = chance.word(("own", next, i));
        let worth = drawn(play, round, vrf)? * u64::from(TRIALS);
        if worth > best {
            best = worth;
            choice = Choice {
                vrf,
                skipped: i,
                seeds: run + 1,
            };
        }
    }
    Ok(choice)
}

/// How many models the attackers' validators would score, which is what they are paid by.
fn drawn(play: &Play, round: Round, vrf: H256) -> Result<u64> {
    let count = with_transaction(|| {
        next_block(vrf);
        let validators = play.theirs().into_iter();
        let pairs = validators.map(|who| ArenaScoring::drawn(play.task, round, &who).len() as u64);
        TransactionOutcome::Rollback(Ok::<u64, DispatchError>(pairs.sum()))
    });
    count.map_err(|reason| anyhow!("a trial block: {reason:?}"))
}
