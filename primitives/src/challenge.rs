//! What cases are about (protocol section 7): claims, votes, logs of registered trainings, and
//! what is drawn of them.

use crate::{
    AccountId, Hash, Round, TaskId,
    hash::{Domain, hash, low_u64},
};
use alloc::{collections::BTreeSet, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{ConstU32, H256};
use sp_runtime::{
    BoundedVec,
    traits::{BlakeTwo256, Hash as _},
};

mod limits;

pub use limits::*;

/// Number of a case; never used twice.
pub type CaseId = u32;

/// Most leaves of a training's log, the first with step 0: a challenged trainer opens all of
/// them on chain.
pub const MAX_LOG_LEAVES: u32 = 513;

/// Losses whose proof is asked of an accused validator.
pub const SAMPLES: u32 = 8;

/// What a challenger says. It is committed to before it is opened, so that nobody can be first
/// with another's evidence.
#[derive(
    Clone,
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
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Claim {
    /// The trainer's model is a copy of an earlier model of the task.
    #[codec(index = 0)]
    Duplicate {
        /// Who is accused.
        trainer: AccountId,
        /// Its model.
        model: H256,
        /// The model that was first.
        earlier: H256,
    },
    /// The trainer's model carries the challenger's mark.
    #[codec(index = 1)]
    Watermark {
        /// Who is accused.
        trainer: AccountId,
        /// Its model.
        model: H256,
        /// Opens the challenger's [`mark_commitment`].
        salt: H256,
    },
    /// The trainer's model was not trained as registered.
    #[codec(index = 2)]
    ProofOfLearning {
        /// Who is accused.
        trainer: AccountId,
    },
    /// A validator's score of a model is not what a run of the model gives.
    #[codec(index = 3)]
    Score {
        /// Who is accused.
        validator: AccountId,
        /// In which round.
        round: Round,
        /// The model.
        model: H256,
    },
}

impl Claim {
    /// Who is accused.
    pub fn accused(&self) -> &AccountId {
        match self {
            Self::Duplicate { trainer, .. }
            | Self::Watermark { trainer, .. }
            | Self::ProofOfLearning { trainer } => trainer,
            Self::Score { validator, .. } => validator,
        }
    }

    /// The kind alone.
    pub fn kind(&self) -> ClaimKind {
        match self {
            Self::Duplicate { .. } => ClaimKind::Duplicate,
            Self::Watermark { .. } => ClaimKind::Watermark,
            Self::ProofOfLearning { .. } => ClaimKind::ProofOfLearning,
            Self::Score { .. } => ClaimKind::Score,
        }
    }

    /// What `challenger` commits to: `H(challenger ‖ task ‖ claim ‖ nonce)`. It names the
    /// challenger, so that nobody else can open it.
    pub fn commitment(&self, challenger: &AccountId, task: TaskId, nonce: &H256) -> H256 {
        hash(Domain::Case, &(challenger, task, self, nonce))
    }
}

/// A [`Claim`] without its content.
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
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ClaimKind {
    /// A copy of an earlier model.
    #[codec(index = 0)]
    Duplicate,
    /// A mark in another's model.
    #[codec(index = 1)]
    Watermark,
    /// A training that was not done as registered.
    #[codec(index = 2)]
    ProofOfLearning,
    /// Scores that were made up.
    #[codec(index = 3)]
    Score,
}

/// A juror's vote.
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
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// The claim is not shown.
    #[codec(index = 0)]
    Acquit,
    /// The claim holds.
    #[codec(index = 1)]
    Convict,
}

/// What a juror commits to: `H(juror ‖ case ‖ appeal ‖ vote ‖ nonce)`. It names the operator, so
/// that nobody can pass another's vote for its own.
pub fn vote_commitment(
    juror: &AccountId,
    case: CaseId,
    appeal: bool,
    vote: Vote,
    nonce: &H256,
) -> H256 {
    hash(Domain::Vote, &(juror, case, appeal, vote, nonce))
}

/// One checkpoint of a registered training: its state after `step` steps.
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
)]
pub struct LogLeaf {
    /// Steps done; 0 for the initial weights.
    pub step: u64,
    /// BLAKE3 of the file of the weights; its name where it is served.
    pub weights: [u8; 32],
    /// BLAKE3 of the file of the optimizer's state; its name where it is served.
    pub optimizer: [u8; 32],
    /// Euclidean norm of the update since the leaf before, times 2³², rounded down; at the most
    /// what fits. 0 for the first leaf.
    pub update: u64,
}

/// A log as a challenged trainer opens it, in the order of its steps.
pub type LogLeaves = BoundedVec<LogLeaf, ConstU32<MAX_LOG_LEAVES>>;

/// Root of a log, as heartbeats post it: that of a binary Merkle tree over the leaves, each hashed
/// with the run's seed, so that a log of one run is none of another. An odd last node moves up
/// unchanged; no leaves give zeros.
pub fn log_root(run_seed: &H256, leaves: &[LogLeaf]) -> H256 {
    let hashes = (0u32..)
        .zip(leaves)
        .map(|(place, leaf)| hash(Domain::LogLeaf, &(run_seed, place, leaf)))
        .collect();
    merkle_root(hashes)
}

/// [`log_root`] of the first leaf, of the first two, and so on to all: what the heartbeats of a
/// log of these leaves have posted.
pub fn log_roots(run_seed: &H256, leaves: &[LogLeaf]) -> Vec<H256> {
    // Roots of full subtrees of falling size, with the number of their leaves.
    let mut peaks: Vec<(u32, H256)> = Vec::new();
    let mut roots = Vec::with_capacity(leaves.len());
    for (place, leaf) in (0u32..).zip(leaves) {
        let mut node = (1u32, hash(Domain::LogLeaf, &(run_seed, place, leaf)));
        while let Some((width, peak)) = peaks.pop_if(|(width, _)| *width == node.0) {
            node = (width.saturating_mul(2), merkle_node(&peak, &node.1));
        }
        peaks.push(node);
        // Odd last nodes move up: the smallest trees are joined first.
        let root = peaks
            .iter()
            .rev()
            .map(|(_, peak)| *peak)
            .reduce(|right, left| merkle_node(&left, &right));
        roots.push(root.unwrap_or_default());
    }
    roots
}

/// Seed of a registered training: what fixes its initial weights, the order of its data and its
/// dropout. `randomness` became known after the registration.
pub fn run_seed(task: TaskId, trainer: &AccountId, run: u32, randomness: &H256) -> H256 {
    hash(Domain::RunSeed, &(task, trainer, run, randomness))
}

/// How many segments of a log are replayed.
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
pub struct Sampling {
    /// With the largest committed updates.
    pub largest: u32,
    /// At random.
    pub random: u32,
}

impl Sampling {
    /// What a first jury replays: with the first and the last segment, 18 in all.
    pub const DEFAULT: Self = Self {
        largest: 4,
        random: 12,
    };
}

/// The segments that are replayed, ascending: the first, the last, those with the largest updates
/// (of equal ones the earlier), and random ones of the rest. Segment `i` leads from leaf `i` to
/// leaf `i + 1`. `leaves` is the whole log.
pub fn drawn_segments(seed: &H256, leaves: &[LogLeaf], sampling: Sampling) -> Vec<u32> {
    let count = u32::try_from(leaves.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let mut drawn = BTreeSet::new();
    let Some(last) = count.checked_sub(1) else {
        return Vec::new();
    };
    drawn.extend([0, last]);
    let mut by_update: Vec<(u32, u64)> = (0..count)
        .zip(leaves.iter().skip(1).map(|leaf| leaf.update))
        .filter(|(segment, _)| !drawn.contains(segment))
        .collect();
    by_update.sort_by_key(|(segment, update)| (core::cmp::Reverse(*update), *segment));
    let largest = usize::try_from(sampling.largest).unwrap_or(usize::MAX);
    drawn.extend(by_update.iter().take(largest).map(|(segment, _)| *segment));
    let mut rest: Vec<u32> = (0..count)
        .filter(|segment| !drawn.contains(segment))
        .collect();
    for draw in 0..sampling.random {
        let Some(place) = below(seed, draw, rest.len()) else {
            break;
        };
        drawn.insert(rest.swap_remove(place));
    }
    drawn.into_iter().collect()
}

/// The leaves of `samples` losses whose proof is asked of a validator: at most `count`, ascending.
pub fn drawn_samples(seed: &H256, samples: u32, count: u32) -> Vec<u32> {
    let mut drawn = BTreeSet::new();
    // Twice the number is enough for nearly all; a case with one less is decided as well.
    for draw in 0..count.saturating_mul(2) {
        if drawn.len() >= usize::try_from(count.min(samples)).unwrap_or(usize::MAX) {
            break;
        }
        let place = below(seed, draw, usize::try_from(samples).unwrap_or(usize::MAX));
        drawn.extend(place.and_then(|place| u32::try_from(place).ok()));
    }
    drawn.into_iter().collect()
}

/// A place below `length` by draw number `draw`; `None` below none. What a modulus makes uneven
/// is 2⁻³² and less.
fn below(seed: &H256, draw: u32, length: usize) -> Option<usize> {
    let word = low_u64(&hash(Domain::CaseDraw, &(seed, draw)));
    let place = word.checked_rem(u64::try_from(length).ok()?)?;
    usize::try_from(place).ok()
}

/// The key of a watermark: `H(task ‖ owner ‖ salt)`. As the output of a hash
/// it can't be chosen to fit a model.
pub fn mark_key(task: TaskId, owner: &AccountId, salt: &H256) -> [u8; 32] {
    hash(Domain::MarkKey, &(task, owner, salt)).0
}

/// What the owner of a mark commits to: the hash of its key.
pub fn mark_commitment(task: TaskId, owner: &AccountId, salt: &H256) -> H256 {
    hash(Domain::Mark, &mark_key(task, owner, salt))
}

/// Bits of 256 in which an extracted mark must agree with its owner's message. By chance as many
/// do with a probability of 2.3·10⁻²³.
pub const WATERMARK_BITS: u32 = 205;

/// A sample's loss as a validator's root commits to it.
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
)]
pub struct LossLeaf {
    /// Which sample of the data.
    pub index: u32,
    /// Its loss in nats, as the bits of an `f64`.
    pub nll: u64,
    /// Target tokens.
    pub tokens: u32,
    /// Target bytes.
    pub bytes: u32,
    /// Whether a classifier was right.
    pub correct: bool,
}

/// Longest proof of a loss: for 2³² samples.
pub const MAX_LOSS_PROOF: u32 = 32;

/// A loss with the hashes beside its way to the root, from below.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ProvenLoss {
    /// The loss.
    pub leaf: LossLeaf,
    /// The hashes.
    pub proof: BoundedVec<H256, ConstU32<MAX_LOSS_PROOF>>,
}

impl ProvenLoss {
    /// Whether it is leaf number `place` of `count` under `root`: the root of a model's losses as
    /// the executor makes it. A leaf is hashed after a 0, a node after a 1; an odd last node moves
    /// up unchanged.
    pub fn is_under(&self, root: &H256, count: u32, place: u32) -> bool {
        if place >= count {
            return false;
        }
        let mut bytes = Vec::from([0u8]);
        self.leaf.encode_to(&mut bytes);
        let mut node = BlakeTwo256::hash(&bytes);
        let mut proof = self.proof.iter();
        let (mut place, mut width) = (place, count);
        while width > 1 {
            let alone = place.checked_add(1) == Some(width) && width % 2 == 1;
            if !alone {
                let Some(beside) = proof.next() else {
                    return false;
                };
                node = match place % 2 {
                    0 => merkle_node(&node, beside),
                    _ => merkle_node(beside, &node),
                };
            }
            place /= 2;
            width = width.div_ceil(2);
        }
        proof.next().is_none() && node == *root
    }
}

fn merkle_node(left: &H256, right: &H256) -> H256 {
    let mut bytes = Vec::from([1u8]);
    bytes.extend_from_slice(left.as_bytes());
    bytes.extend_from_slice(right.as_bytes());
    BlakeTwo256::hash(&bytes)
}

/// Root over hashed leaves.
fn merkle_root(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => merkle_node(left, right),
                [odd] => *odd,
                _ => Hash::zero(),
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
