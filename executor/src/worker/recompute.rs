//! Scores a model again, and counts the losses that a validator made up.

use super::{
    compute::Run,
    evaluate::{self, Found},
};
use arena_models::SampleLoss;
use arena_primitives::{
    challenge::LossLeaf,
    job::{Fault, NumericProfile, Recompute, Recomputed},
};
use std::fs::File;

/// Nats per target token by which two honest machines may differ in `f32`. CPUs and GPUs are
/// about 3 · 10⁻⁴ apart on a model of 10⁹ parameters.
const F32_NATS: f64 = 1e-3;
/// The same in `bf16`, which keeps eight bits of a number. Chosen with room, and not yet measured
/// between machines.
const BF16_NATS: f64 = 3e-2;
/// Part of a loss by which they may differ besides, in either.
const RELATIVE: f64 = 1e-5;

pub(super) fn run(run: &Run<'_>, job: &Recompute, losses: File) -> Result<Recomputed, Fault> {
    let (evaluated, found) = evaluate::run(run, &job.evaluate, losses, &job.leaves)?;
    let wrong = wrong(&job.leaves, &found, job.evaluate.profile);
    Ok(Recomputed { evaluated, wrong })
}

/// How many are not what their sample has; a sample that was not drawn has no loss.
fn wrong(claimed: &[LossLeaf], found: &Found, profile: NumericProfile) -> u32 {
    let holds = |leaf: &&LossLeaf| {
        let found = found.get(&leaf.index);
        found.is_some_and(|found| agrees(leaf, found, profile))
    };
    let holding = claimed.iter().filter(holds).count();
    u32::try_from(claimed.len().saturating_sub(holding)).unwrap_or(u32::MAX)
}

fn agrees(claimed: &LossLeaf, found: &SampleLoss, profile: NumericProfile) -> bool {
    let nats = match profile {
        NumericProfile::ExactCpuF32 => None,
        NumericProfile::F32 => Some(F32_NATS),
        NumericProfile::Bf16 => Some(BF16_NATS),
    };
    let near = match nats {
        None => claimed.nll == found.nll.to_bits() && claimed.correct == found.correct,
        // Whether a classifier is right may turn on a rounding, and its loss shows by how much.
        Some(nats) => {
            let most = nats * f64::from(found.tokens) + RELATIVE * found.nll.abs();
            // False of what is no number.
            (f64::from_bits(claimed.nll) - found.nll).abs() <= most
        }
    };
    near && claimed.tokens == found.tokens && claimed.bytes == found.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(index: u32, nll: f64, tokens: u32) -> SampleLoss {
        SampleLoss {
            index,
            nll,
            tokens,
            bytes: 7,
            correct: true,
        }
    }

    fn leaf(of: &SampleLoss) -> LossLeaf {
        LossLeaf {
            index: of.index,
            nll: of.nll.to_bits(),
            tokens: of.tokens,
            bytes: of.bytes,
            correct: of.correct,
        }
    }

    #[test]
    fn leaf_should_hold_to_the_bit_where_all_round_alike() {
        let found = loss(0, 2.0, 4);
        let agrees = |claimed: &LossLeaf| agrees(claimed, &found, NumericProfile::ExactCpuF32);
        let good = leaf(&found);
        assert!(agrees(&good));
        let bit = LossLeaf {
            nll: good.nll + 1,
            ..good
        };
        let turned = LossLeaf {
            correct: false,
            ..good
        };
        assert!(!agrees(&bit) && !agrees(&turned));
    }

    #[test]
    fn leaf_should_hold_within_what_rounding_explains_elsewhere() {
        let found = loss(0, 100.0, 4);
        for (profile, most) in [
            (NumericProfile::F32, 5e-3),
            (NumericProfile::Bf16, 0.12 + 1e-3),
        ] {
            let agrees = |nll: f64| {
                let claimed = LossLeaf {
                    nll: nll.to_bits(),
                    correct: false,
                    ..leaf(&found)
                };
                agrees(&claimed, &found, profile)
            };
            assert!(agrees(100.0 + 0.99 * most) && agrees(100.0 - 0.99 * most));
            assert!(!agrees(100.0 + 1.01 * most) && !agrees(100.0 - 1.01 * most));
            assert!(!agrees(f64::NAN) && !agrees(f64::INFINITY));
        }
        let bytes = LossLeaf {
            bytes: 8,
            ..leaf(&found)
        };
        let tokens = LossLeaf {
            tokens: 5,
            ..leaf(&found)
        };
        for wrong in [bytes, tokens] {
            assert!(!agrees(&wrong, &found, NumericProfile::Bf16));
        }
    }

    #[test]
    fn wrong_should_count_each_leaf_that_no_drawn_sample_has() {
        let losses = [loss(3, 1.0, 1), loss(5, 2.0, 1)];
        let found = losses.iter().map(|loss| (loss.index, *loss)).collect();
        let wrong = |leaves: &[LossLeaf]| wrong(leaves, &found, NumericProfile::ExactCpuF32);
        let [three, five] = [leaf(&losses[0]), leaf(&losses[1])];
        assert_eq!(wrong(&[]), 0);
        assert_eq!(wrong(&[three, five, five]), 0);
        let elsewhere = LossLeaf { index: 4, ..three };
        let swapped = LossLeaf { index: 5, ..three };
        assert_eq!(wrong(&[three, elsewhere, swapped]), 2);
    }
}
