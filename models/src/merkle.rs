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
    let mut level: Vec<[u8; 32]> = losses
        .iter()
        .map(|loss| blake2_256(&[LEAF, &loss.encode()]))
        .collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => blake2_256(&[NODE, left, right]),
                odd => odd[0],
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
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
    fn leaf_should_be_the_fields_in_order() {
        let mut bytes = 7u32.to_le_bytes().to_vec();
        bytes.extend(0.5f64.to_bits().to_le_bytes());
        bytes.extend(2u32.to_le_bytes());
        bytes.extend(3u32.to_le_bytes());
        bytes.push(0);
        assert_eq!(loss(7).encode(), bytes);
    }
}
