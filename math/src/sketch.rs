//! Likeness of two models by their sketches (protocol section 7).
//!
//! A sketch is a 256-bit SimHash of a model's weight update; `models/README.md` defines its
//! bits. Updates at an angle θ differ in 256·θ/π bits on average: equal ones in none,
//! unrelated ones in 128.

/// Bits of a sketch, and the largest distance.
pub const BITS: u32 = 256;

/// A sketch as validators reveal it. Only sketches of one round's seed compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketch(pub [u8; 32]);

impl Sketch {
    /// Number of bits in which two sketches differ, in `0..=256`.
    #[must_use]
    pub fn hamming(&self, other: &Self) -> u32 {
        let bits = |(a, b): (&u8, &u8)| (a ^ b).count_ones();
        // At most 32·8, so that the sum fits.
        self.0.iter().zip(&other.0).map(bits).sum()
    }
}

/// Largest distances that count, calibrated per task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    matches: u32,
    flags: u32,
}

impl Thresholds {
    /// 13 and 38: a copy with relative noise below about 0.16, and 0.5.
    pub const DEFAULT: Self = Self {
        matches: 13,
        flags: 38,
    };

    /// Distances up to `matches` are a match, those above up to `flags` a flag. `None`
    /// unless `matches` ≤ `flags` ≤ 256.
    #[must_use]
    pub fn new(matches: u32, flags: u32) -> Option<Self> {
        (matches <= flags && flags <= BITS).then_some(Self { matches, flags })
    }

    /// What the distance of two sketches means.
    #[must_use]
    pub fn compare(&self, a: &Sketch, b: &Sketch) -> Likeness {
        match a.hamming(b) {
            near if near <= self.matches => Likeness::Match,
            near if near <= self.flags => Likeness::Flag,
            _ => Likeness::Apart,
        }
    }
}

/// How alike two models are, the most alike first.
///
/// It orders ranks and halves a challenger's bond; it convicts nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// One is a copy of the other, or nearly.
    Match,
    /// Nearer than independent models are.
    Flag,
    /// Not alike.
    Apart,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bits(count: u32) -> Sketch {
        let mut bytes = [0_u8; 32];
        for (i, byte) in (0_u32..).zip(&mut bytes) {
            let here = count.saturating_sub(i.saturating_mul(8)).min(8);
            *byte = u8::MAX.checked_shl(here).map_or(u8::MAX, |above| !above);
        }
        Sketch(bytes)
    }

    #[test]
    fn hamming_should_count_every_bit() {
        for count in 0..=256 {
            assert_eq!(with_bits(count).hamming(&with_bits(0)), count);
        }
    }

    #[test]
    fn compare_should_turn_at_13_and_at_38() {
        let likeness = |bits| Thresholds::DEFAULT.compare(&with_bits(bits), &with_bits(0));
        assert_eq!(
            (likeness(0), likeness(13)),
            (Likeness::Match, Likeness::Match)
        );
        assert_eq!(
            (likeness(14), likeness(38)),
            (Likeness::Flag, Likeness::Flag)
        );
        assert_eq!(
            (likeness(39), likeness(256)),
            (Likeness::Apart, Likeness::Apart)
        );
        assert!(Likeness::Match < Likeness::Flag && Likeness::Flag < Likeness::Apart);
    }

    #[test]
    fn thresholds_should_be_ordered_and_at_most_256() {
        assert_eq!(Thresholds::new(13, 38), Some(Thresholds::DEFAULT));
        assert!(Thresholds::new(0, 0).is_some() && Thresholds::new(256, 256).is_some());
        assert_eq!(Thresholds::new(39, 38), None);
        assert_eq!(Thresholds::new(13, 257), None);
    }
}
