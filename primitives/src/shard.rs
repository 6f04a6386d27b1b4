//! Sealed evaluation data: one Merkle root over salted shards, a shard for each round (protocol
//! section 4). Nobody can tell a shard from the root; whoever opens one can't open another.

use crate::{
    Round,
    hash::{Domain, preimage},
};
use alloc::vec::Vec;
use binary_merkle_tree::{merkle_proof, merkle_root, verify_proof};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{ConstU32, H256};
use sp_runtime::{BoundedVec, traits::BlakeTwo256};

/// Longest proof: a task has at most 366 submission rounds and final validation.
pub const MAX_SHARD_PROOF: u32 = 9;

/// The hashes beside the way from a shard to the root, from below.
pub type ShardProof = BoundedVec<H256, ConstU32<MAX_SHARD_PROOF>>;

/// What a round's evaluation data is, as it was sealed.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Shard {
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Size of the file.
    pub bytes: u64,
    /// Random, so that nobody can try out which file it is.
    pub salt: H256,
}

impl Shard {
    /// What the tree hashes into a leaf. Longer than the 64 bytes of two hashes, so that no node
    /// passes for a leaf.
    fn leaf(&self, round: Round) -> Vec<u8> {
        preimage(Domain::Shard, &(round, self))
    }
}

/// Where the evaluation data of a round stands.
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
pub enum ShardState {
    /// The task's data is public, or the round has no models.
    #[codec(index = 0)]
    NotSealed,
    /// The creator is to open it.
    #[codec(index = 1)]
    Awaited,
    /// Everybody can fetch it.
    #[codec(index = 2)]
    Open,
    /// It was not opened in time: the round pays nothing.
    #[codec(index = 3)]
    Missed,
}

/// How many shards a task of `x0` submission rounds has: one more, for final validation.
pub const fn shard_count(submission_rounds: u32) -> u32 {
    submission_rounds.saturating_add(1)
}

fn leaves(shards: &[Shard]) -> Vec<Vec<u8>> {
    (1..)
        .zip(shards)
        .map(|(round, shard)| shard.leaf(round))
        .collect()
}

/// The root over the shards of rounds 1, 2, ….
pub fn shards_root(shards: &[Shard]) -> H256 {
    merkle_root::<BlakeTwo256, _>(leaves(shards))
}

/// The proof of the shard of `round`; `None` if there is none, or there are more shards than a
/// task has rounds.
pub fn shard_proof(shards: &[Shard], round: Round) -> Option<ShardProof> {
    let leaves = leaves(shards);
    let index = round.checked_sub(1)?;
    if usize::try_from(index).ok()? >= leaves.len() {
        return None;
    }
    let proof = merkle_proof::<BlakeTwo256, _, _>(leaves, index).proof;
    BoundedVec::try_from(proof).ok()
}

/// Whether `shard` is what `root`, over the shards of `count` rounds, has for `round`.
pub fn is_sealed(root: &H256, count: u32, round: Round, shard: &Shard, proof: &ShardProof) -> bool {
    let Some(index) = round.checked_sub(1).filter(|index| *index < count) else {
        return false;
    };
    let leaf = shard.leaf(round);
    verify_proof::<BlakeTwo256, _, _>(root, proof.iter().copied(), count, index, &leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_ROUNDS;

    fn shards(count: u32) -> Vec<Shard> {
        (0..count)
            .map(|n| Shard {
                blake3: [u8::try_from(n % 251).unwrap(); 32],
                bytes: u64::from(n) + 1,
                salt: H256::from_low_u64_be(n.into()),
            })
            .collect()
    }

    #[test]
    fn each_shard_should_be_proven_for_its_round_alone() {
        for count in [2, 3, 4, 7, 8, 11] {
            let all = shards(count);
            let root = shards_root(&all);
            for (round, shard) in (1..).zip(&all) {
                let proof = shard_proof(&all, round).unwrap();
                for other in 0..=count + 1 {
                    assert_eq!(
                        is_sealed(&root, count, other, shard, &proof),
                        other == round,
                        "shard {round} of {count} as {other}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_longest_task_should_have_room_for_its_proofs() {
        let all = shards(shard_count(MAX_ROUNDS));
        let root = shards_root(&all);
        for round in [1, 200, MAX_ROUNDS, MAX_ROUNDS + 1] {
            let proof = shard_proof(&all, round).unwrap();
            let shard = &all[round as usize - 1];
            assert!(is_sealed(
                &root,
                shard_count(MAX_ROUNDS),
                round,
                shard,
                &proof
            ));
        }
        assert_eq!(shard_proof(&all, 0), None);
        assert_eq!(shard_proof(&all, MAX_ROUNDS + 2), None);
    }

    #[test]
    fn whatever_is_changed_should_not_be_proven() {
        let all = shards(5);
        let root = shards_root(&all);
        let (shard, proof) = (&all[2], shard_proof(&all, 3).unwrap());
        assert!(is_sealed(&root, 5, 3, shard, &proof));
        let mut other = shard.clone();
        other.bytes += 1;
        assert!(!is_sealed(&root, 5, 3, &other, &proof));
        let mut other = shard.clone();
        other.blake3[31] ^= 1;
        assert!(!is_sealed(&root, 5, 3, &other, &proof));
        let mut other = shard.clone();
        other.salt = H256::zero();
        assert!(!is_sealed(&root, 5, 3, &other, &proof));
        let mut short = proof.clone();
        short.pop();
        assert!(!is_sealed(&root, 5, 3, shard, &short));
        let mut long = proof.clone();
        long.try_push(H256::zero()).unwrap();
        assert!(!is_sealed(&root, 5, 3, shard, &long));
        let swapped = BoundedVec::truncate_from(proof.iter().rev().copied().collect());
        assert!(!is_sealed(&root, 5, 3, shard, &swapped));
        assert!(!is_sealed(&H256::zero(), 5, 3, shard, &proof));
    }
}
