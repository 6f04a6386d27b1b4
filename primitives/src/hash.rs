//! `H`: blake2-256 over a domain tag and SCALE (protocol section 10).

use alloc::vec::Vec;
use codec::Encode;
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// What is hashed; a tag per purpose, so that no hash of one kind passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `spec_hash = H(proposer ‖ spec)`.
    Spec,
    /// `commitment = H(operator ‖ manifest_root ‖ nonce)`.
    Submission,
    /// `H(operator ‖ task ‖ round ‖ scores ‖ samples_root ‖ nonce)`.
    Scores,
    /// One step of a round's seed: `H(previous ‖ vrf output)`.
    SeedStep,
    /// A round's seed: `H(steps ‖ task ‖ round)`.
    Seed,
    /// The draw of one validator for one trainer: `H(seed ‖ validator ‖ trainer)`.
    Draw,
    /// The subset of evaluation samples of a round: `H(seed)`.
    Samples,
    /// The planes that a round's sketches are projected on: `H(seed)`.
    Sketch,
    /// A job's id: hash of its content.
    Job,
    /// A leaf over sealed data: `H(round ‖ shard)`.
    Shard,
    /// What a service key signs to accept its operator.
    ServiceKeyProof,
    /// What a challenger commits to: `H(challenger ‖ task ‖ claim ‖ nonce)`.
    Case,
    /// What a juror commits to: `H(juror ‖ case ‖ appeal ‖ vote ‖ nonce)`.
    Vote,
    /// What is drawn in a case: segments, samples, jurors.
    CaseDraw,
    /// A leaf of a training's log: `H(run seed ‖ place ‖ leaf)`.
    LogLeaf,
    /// The seed of a registered training: `H(task ‖ trainer ‖ run ‖ randomness)`.
    RunSeed,
    /// The key of a watermark: `H(task ‖ owner ‖ salt)`.
    MarkKey,
    /// What the owner of a watermark commits to: `H(key)`.
    Mark,
}

impl Domain {
    const fn tag(self) -> &'static [u8] {
        match self {
            Domain::Spec => b"arena/spec/1",
            Domain::Submission => b"arena/submission/1",
            Domain::Scores => b"arena/scores/1",
            Domain::SeedStep => b"arena/seed-step/1",
            Domain::Seed => b"arena/seed/1",
            Domain::Draw => b"arena/draw/1",
            Domain::Samples => b"arena/samples/1",
            Domain::Sketch => b"arena/sketch/1",
            Domain::Shard => b"arena/shard/1",
            Domain::Job => b"arena/job/1",
            Domain::ServiceKeyProof => b"arena/service-key/1",
            Domain::Case => b"arena/case/1",
            Domain::Vote => b"arena/vote/1",
            Domain::CaseDraw => b"arena/case-draw/1",
            Domain::LogLeaf => b"arena/log-leaf/1",
            Domain::RunSeed => b"arena/run-seed/1",
            Domain::MarkKey => b"arena/wm/1",
            Domain::Mark => b"arena/mark/1",
        }
    }
}

/// `H(domain, content)`.
pub fn hash(domain: Domain, content: &impl Encode) -> H256 {
    BlakeTwo256::hash(&preimage(domain, content))
}

/// What [`hash`] hashes; also the message that a service key signs.
pub fn preimage(domain: Domain, content: &impl Encode) -> Vec<u8> {
    let mut bytes = domain.tag().to_vec();
    content.encode_to(&mut bytes);
    bytes
}

/// The first eight bytes of a hash, little-endian: what a draw compares with its threshold.
pub fn low_u64(hash: &H256) -> u64 {
    let mut word = [0u8; 8];
    for (to, from) in word.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_should_differ_between_domains_for_equal_content() {
        assert_ne!(hash(Domain::Seed, &1u32), hash(Domain::Draw, &1u32));
    }

    #[test]
    fn low_u64_should_read_the_first_eight_bytes_little_endian() {
        let mut bytes = [0u8; 32];
        bytes[0] = 1;
        bytes[8] = 9;
        assert_eq!(low_u64(&H256(bytes)), 1);
    }
}
