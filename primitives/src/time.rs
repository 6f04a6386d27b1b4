//! Time: minutes of a 1,440-minute day counted against `BlocksPerDay` (protocol section 11),
//! and the windows of a round.

use crate::types::BlockNumber;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Minutes in a day.
pub const MINUTES_PER_DAY: u32 = 1_440;

/// Blocks in `minutes`, rounded up.
pub fn blocks(minutes: u32, blocks_per_day: BlockNumber) -> BlockNumber {
    let product = u64::from(minutes).saturating_mul(u64::from(blocks_per_day));
    u32::try_from(product.div_ceil(u64::from(MINUTES_PER_DAY))).unwrap_or(u32::MAX)
}

/// Lengths in blocks of what follows a round's end.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Windows {
    /// From a round's end until models may be published.
    pub gap: BlockNumber,
    /// For publishing.
    pub publish: BlockNumber,
    /// Whose VRF outputs make the seed.
    pub seed: BlockNumber,
    /// For commitments to scores.
    pub commit: BlockNumber,
    /// For revealing them.
    pub reveal: BlockNumber,
}

impl Windows {
    /// Blocks from a round's end until it can be settled.
    pub fn total(&self) -> BlockNumber {
        self.gap
            .saturating_add(self.publish)
            .saturating_add(self.seed)
            .saturating_add(self.commit)
            .saturating_add(self.reveal)
    }
}

/// For how many blocks of a commit window the round's shard may still be opened: a quarter. What
/// is left is the validators' to score in.
pub fn shard_blocks(commit_window: BlockNumber) -> BlockNumber {
    commit_window.checked_div(4).unwrap_or(0)
}

/// The last blocks of a commit window, a quarter and at least two: what has no score when they
/// begin is committed to without.
pub fn last_call(commit_window: BlockNumber) -> BlockNumber {
    commit_window.checked_div(4).unwrap_or(0).max(2)
}

/// Blocks of a commit window in which scores can be made, whenever a shard comes.
pub fn scoring_blocks(commit_window: BlockNumber, sealed: bool) -> BlockNumber {
    let late = if sealed {
        shard_blocks(commit_window)
    } else {
        0
    };
    commit_window
        .saturating_sub(late)
        .saturating_sub(last_call(commit_window))
}

/// First blocks of each phase of a round; a phase ends where the next one starts.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
pub struct Schedule {
    /// Submissions are taken from here.
    pub opens: BlockNumber,
    /// And no more from here.
    pub closes: BlockNumber,
    /// Models may be published from here.
    pub publish: BlockNumber,
    /// The blocks whose VRF outputs make the seed start here; models are fixed.
    pub seed: BlockNumber,
    /// Commitments are taken from here.
    pub commit: BlockNumber,
    /// Reveals are taken from here.
    pub reveal: BlockNumber,
    /// The round can be settled from here.
    pub settle: BlockNumber,
}

/// Where a round stands at a block.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    TypeInfo,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RoundPhase {
    /// Not yet open.
    Waiting,
    /// Takes submissions.
    Submissions,
    /// Waits for finality.
    Gap,
    /// Takes publications.
    Publish,
    /// Gathers its seed.
    Seed,
    /// Takes commitments to scores.
    Commit,
    /// Takes reveals.
    Reveal,
    /// To be settled.
    Settle,
}

impl Schedule {
    /// The first block that is too late to open the round's shard, see [`shard_blocks`].
    pub fn shard_due(&self) -> BlockNumber {
        let window = self.reveal.saturating_sub(self.commit);
        self.commit.saturating_add(shard_blocks(window))
    }

    /// Whether the round's shard can be opened: its models are fixed, and it isn't too late.
    pub fn takes_shard(&self, now: BlockNumber) -> bool {
        now >= self.seed && now < self.shard_due()
    }

    /// A round that takes submissions in `[opens, opens + length)`.
    pub fn new(opens: BlockNumber, length: BlockNumber, windows: &Windows) -> Self {
        let closes = opens.saturating_add(length);
        let publish = closes.saturating_add(windows.gap);
        let seed = publish.saturating_add(windows.publish);
        let commit = seed.saturating_add(windows.seed);
        let reveal = commit.saturating_add(windows.commit);
        Schedule {
            opens,
            closes,
            publish,
            seed,
            commit,
            reveal,
            settle: reveal.saturating_add(windows.reveal),
        }
    }

    /// Where the round stands at block `now`.
    pub fn phase(&self, now: BlockNumber) -> RoundPhase {
        if now < self.opens {
            RoundPhase::Waiting
        } else if now < self.closes {
            RoundPhase::Submissions
        } else if now < self.publish {
            RoundPhase::Gap
        } else if now < self.seed {
            RoundPhase::Publish
        } else if now < self.commit {
            RoundPhase::Seed
        } else if now < self.reveal {
            RoundPhase::Commit
        } else if now < self.settle {
            RoundPhase::Reveal
        } else {
            RoundPhase::Settle
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_should_round_up() {
        assert_eq!(blocks(MINUTES_PER_DAY, 14_400), 14_400);
        assert_eq!(blocks(10, 40), 1);
        assert_eq!(blocks(120, 40), 4);
        assert_eq!(blocks(0, 40), 0);
        assert_eq!(blocks(u32::MAX, u32::MAX), u32::MAX);
    }

    #[test]
    fn scores_should_have_half_of_the_window_where_a_shard_comes_late() {
        assert_eq!(scoring_blocks(7_200, false), 5_400);
        assert_eq!(scoring_blocks(7_200, true), 3_600);
        assert_eq!(scoring_blocks(8, false), 6);
        assert_eq!(scoring_blocks(4, true), 1);
        assert_eq!(scoring_blocks(1, true), 0);
    }

    #[test]
    fn shards_should_be_taken_from_the_seed_to_a_quarter_of_the_commit_window() {
        let windows = Windows {
            gap: 1,
            publish: 2,
            seed: 3,
            commit: 8,
            reveal: 5,
        };
        let schedule = Schedule::new(10, 20, &windows);
        let taken: alloc::vec::Vec<_> = (0..100).filter(|now| schedule.takes_shard(*now)).collect();
        assert_eq!(taken, [33, 34, 35, 36, 37]);
        assert_eq!(schedule.shard_due(), schedule.commit + 2);
    }

    #[test]
    fn schedule_should_walk_through_each_phase_once_and_in_order() {
        let windows = Windows {
            gap: 1,
            publish: 2,
            seed: 3,
            commit: 4,
            reveal: 5,
        };
        let schedule = Schedule::new(10, 20, &windows);
        assert_eq!(schedule.settle, 10 + 20 + windows.total());
        let mut last = RoundPhase::Waiting;
        let mut seen = 1;
        for now in 9..=schedule.settle {
            let phase = schedule.phase(now);
            assert!(phase >= last);
            seen += u32::from(phase != last);
            last = phase;
        }
        assert_eq!((seen, last), (8, RoundPhase::Settle));
    }
}
