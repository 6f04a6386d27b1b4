//! Root of the per-sample losses, so that one loss can be disputed with a short proof.

use crate::SampleLoss;
use codec::Encode;

const LEAF: &[u8] = &[0];
const NODE: &[u8] = &[1];

/// BLAKE2b with 32 bytes of output over the parts.
pub(crate) fn blake2_256(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
    for part in parts {
        state.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(state.finalize().as_bytes());
    out
}

/// Binary Merkle root over losses in the order given.
///
/// A leaf is BLAKE2b-256 of `0x00` and the loss's SCALE encoding, a node that of `0x01` and
/// its two children; an odd last node moves up unchanged. No losses give zeros.
pub fn samples_root(losses: &[SampleLoss]) -> [u8; 32] {
    let mut level = leaves(losses);
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The hashes beside the way from the loss at `place` to the [`samples_root`], from below; `None`
/// where there is no such loss. A node that moves up unchanged has none beside it.
pub fn samples_proof(losses: &[SampleLoss], mut place: usize) -> Option<Vec<[u8; 32]>> {
    losses.get(place)?;
    let mut level = leaves(losses);
    let mut proof = Vec::new();
    while level.len() > 1 {
        proof.extend(level.get(place ^ 1));
        level = above(&level);
        place /= 2;
    }
    Some(proof)
}

fn leaves(losses: &[SampleLoss]) -> Vec<[u8; 32]> {
    losses
        .iter()
        .map(|loss| blake2_256(&[LEAF, &loss.encode()]))
        .collect()
}

fn above(level: &[[u8; 32]]) -> Vec<[u8; 32]> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => blake2_256(&[NODE, left, right]),
            odd => odd[0],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(index: u32) -> SampleLoss {
        SampleLoss {
            index,
            nll: 0.5,
            tokens: 2,
            bytes: 3,
            correct: false,
        }
    }

    #[test]
    fn odd_node_should_move_up() {
        let leaves: Vec<_> = (0..3)
            .map(|i| blake2_256(&[LEAF, &loss(i).encode()]))
            .collect();
        let pair = blake2_256(&[NODE, &leaves[0], &leaves[1]]);
        let expected = blake2_256(&[NODE, &pair, &leaves[2]]);
        assert_eq!(samples_root(&[loss(0), loss(1), loss(2)]), expected);
        assert_eq!(samples_root(&[loss(0)]), leaves[0]);
        assert_eq!(samples_root(&[]), [0; 32]);
    }

    #[test]
    fn proof_should_lead_from_each_loss_to_the_root() {
        for count in 1..=9u32 {
            let losses: Vec<_> = (0..count).map(loss).collect();
            for place in 0..losses.len() {
                let mut beside = samples_proof(&losses, place).unwrap().into_iter();
                let mut node = blake2_256(&[LEAF, &losses[place].encode()]);
                let (mut at, mut width) = (place, losses.len());
                while width > 1 {
                    if at ^ 1 < width {
                        let other = beside.next().unwrap();
                        node = match at % 2 {
                            0 => blake2_256(&[NODE, &node, &other]),
                            _ => blake2_256(&[NODE, &other, &node]),
                        };
                    }
                    (at, width) = (at / 2, width.div_ceil(2));
                }
                assert_eq!(node, samples_root(&losses), "{place} of {count}");
                assert_eq!(beside.next(), None);
            }
            assert_eq!(samples_proof(&losses, losses.len()), None);
        }
    }

    #[test]
    fn leaf_should_be_the_fields_in_order() {
        let mut bytes = 7u32.to_le_bytes().to_vec();
        bytes.extend(0.5f64.to_bits().to_le_bytes());
        bytes.extend(2u32.to_le_bytes());
        bytes.extend(3u32.to_le_bytes());
        bytes.push(0);
        assert_eq!(loss(7).encode(), bytes);
    }
}
