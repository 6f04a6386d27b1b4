//! Seeded chance. A number depends on the seed and on what it is for, never on what was asked
//! before: so an attack changes nothing of what honest people measure.

use codec::Encode;
use sp_core::H256;
use sp_io::hashing::blake2_256;

/// Chance of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// 256 bits for this purpose.
    pub fn word(&self, what: impl Encode) -> H256 {
        blake2_256(&(b"arena-sim", self.0, what).encode()).into()
    }

    /// Uniform, above 0 and below 1.
    pub fn unit(&self, what: impl Encode) -> f64 {
        unit(self.word(what).as_bytes(), 0)
    }

    /// Normal, of mean 0 and deviation 1 (Box and Muller's way).
    pub fn normal(&self, what: impl Encode) -> f64 {
        let word = self.word(what);
        let (radius, turn) = (unit(word.as_bytes(), 0), unit(word.as_bytes(), 8));
        (-2.0 * radius.ln()).sqrt() * (core::f64::consts::TAU * turn).cos()
    }
}

fn unit(bytes: &[u8], from: usize) -> f64 {
    let word = bytes
        .iter()
        .skip(from)
        .take(8)
        .fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    ((word >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_should_have_mean_0_and_deviation_1_and_depend_on_its_purpose_alone() {
        let chance = Chance::new(7);
        let drawn: Vec<f64> = (0..20_000u32).map(|i| chance.normal(("x", i))).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let square = drawn.iter().map(|x| x * x).sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((square - 1.0).abs() < 0.05, "{square}");
        assert_eq!(drawn[3], Chance::new(7).normal(("x", 3u32)));
        assert_ne!(drawn[3], Chance::new(8).normal(("x", 3u32)));
    }
}
