//! Likeness of two models by their sketches (protocol section 7).
//!
//! A sketch is a 256-bit SimHash of a model's weight update; `models/README.md` defines its
//! bits. Updates at an angle θ differ in 256·θ/π bits on average: equal ones in none,
//! unrelated ones in 128.

use crate::{MathError, error::sum};
use alloc::{collections::BTreeMap, vec::Vec};

/// Bits of a sketch, and the largest distance.
pub const BITS: u32 = 256;

/// A sketch as validators reveal it. Only sketches of one round's seed compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The sketch that votes of at least two thirds of all weight give. A vote for none counts as
/// weight against every sketch.
///
/// # Errors
/// [`MathError::Overflow`] when the sum of the weights does not fit.
pub fn agreed(
    votes: impl Iterator<Item = (Option<Sketch>, u128)>,
) -> Result<Option<Sketch>, MathError> {
    let mut weights: BTreeMap<Option<Sketch>, u128> = BTreeMap::new();
    for (sketch, weight) in votes {
        let of_sketch = weights.entry(sketch).or_default();
        *of_sketch = sum([*of_sketch, weight])?;
    }
    let total = sum(weights.values().copied())?;
    let is_enough = |weight: u128| {
        let against = total.saturating_sub(weight);
        weight > 0 && weight.saturating_sub(against) >= against
    };
    let most = weights.into_iter().find(|(_, weight)| is_enough(*weight));
    Ok(most.and_then(|(sketch, _)| sketch))
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

    /// What a distance means.
    #[must_use]
    pub const fn of(&self, distance: u32) -> Likeness {
        match distance {
            near if near <= self.matches => Likeness::Match,
            near if near <= self.flags => Likeness::Flag,
            _ => Likeness::Apart,
        }
    }

    /// What the distance of two sketches means.
    #[must_use]
    pub fn compare(&self, a: &Sketch, b: &Sketch) -> Likeness {
        self.of(a.hamming(b))
    }
}

/// A model and its sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketched<A> {
    /// The block of the first commitment to it.
    pub committed: u32,
    /// Whose it is.
    pub operator: A,
    /// Its sketch.
    pub sketch: Sketch,
}

impl<A: Ord> Sketched<A> {
    /// Of two commitments in one block the smaller account's is first.
    fn is_before(&self, other: &Self) -> bool {
        (self.committed, &self.operator) < (other.committed, &other.operator)
    }

    /// The models of `known` that this one matches or is flagged for, by their index, with their
    /// distances: earlier ones of other operators, but for those that came near to a still
    /// earlier model of its own operator, which matches them or is as near to them as this one.
    #[must_use]
    pub fn like(&self, known: &[Self], thresholds: &Thresholds) -> Vec<(usize, u32)> {
        let own = known.iter().filter(|own| own.operator == self.operator);
        let own: Vec<&Self> = own.collect();
        let came_near = |other: &Self, distance: u32| {
            own.iter().any(|own| {
                let between = || own.sketch.hamming(&other.sketch);
                own.is_before(other) && between() <= distance.max(thresholds.matches)
            })
        };
        let like = known.iter().enumerate().filter_map(|(index, other)| {
            let distance = self.sketch.hamming(&other.sketch);
            let is_like = other.operator != self.operator
                && other.is_before(self)
                && thresholds.of(distance) != Likeness::Apart
                && !came_near(other, distance);
            is_like.then_some((index, distance))
        });
        like.collect()
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

    fn sketched(committed: u32, operator: u8, bits: u32) -> Sketched<u8> {
        let sketch = with_bits(bits);
        Sketched {
            committed,
            operator,
            sketch,
        }
    }

    fn like(model: Sketched<u8>, known: &[Sketched<u8>]) -> Vec<(usize, u32)> {
        model.like(known, &Thresholds::DEFAULT)
    }

    #[test]
    fn like_should_find_earlier_models_of_others_up_to_a_flag() {
        let known = [
            sketched(5, 1, 0),
            sketched(5, 2, 0),
            sketched(4, 3, 38),
            sketched(4, 4, 39),
            sketched(5, 6, 0),
            sketched(6, 1, 0),
        ];
        assert_eq!(like(known[1], &known), [(0, 0), (2, 38)]);
        assert_eq!(like(sketched(5, 5, 0), &known), [(0, 0), (1, 0), (2, 38)]);
        assert_eq!(like(known[2], &known), []);
    }

    #[test]
    fn like_should_leave_out_copies_of_what_the_operator_had_before() {
        let (own, copy) = (sketched(1, 1, 0), sketched(2, 2, 10));
        let next = sketched(3, 1, 12);
        assert_eq!(like(next, &[copy, next]), [(0, 2)]);
        assert_eq!(like(next, &[own, copy, next]), []);
        // What it had before was farther from the other's.
        let apart = sketched(1, 1, 40);
        assert_eq!(like(next, &[apart, copy, next]), [(1, 2)]);
        // What it had later excuses nothing.
        let later = sketched(2, 3, 0);
        let third = sketched(3, 3, 12);
        assert_eq!(like(third, &[later, copy, third]), [(1, 2)]);
    }

    #[test]
    fn agreed_should_need_two_thirds_of_the_weight() {
        let (one, other) = (Some(with_bits(1)), Some(with_bits(2)));
        let of = |votes: &[(Option<Sketch>, u128)]| agreed(votes.iter().copied());
        assert_eq!(of(&[(one, 1), (other, 1), (one, 1)]), Ok(one));
        assert_eq!(of(&[(one, 199), (other, 100)]), Ok(None));
        assert_eq!(of(&[(one, 199), (None, 100)]), Ok(None));
        assert_eq!(of(&[(one, 100), (None, 200)]), Ok(None));
        assert_eq!(of(&[(one, 0)]), Ok(None));
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[(one, u128::MAX)]), Ok(one));
        assert_eq!(
            of(&[(one, u128::MAX), (other, 1)]),
            Err(MathError::Overflow)
        );
    }

    #[test]
    fn thresholds_should_be_ordered_and_at_most_256() {
        assert_eq!(Thresholds::new(13, 38), Some(Thresholds::DEFAULT));
        assert!(Thresholds::new(0, 0).is_some() && Thresholds::new(256, 256).is_some());
        assert_eq!(Thresholds::new(39, 38), None);
        assert_eq!(Thresholds::new(13, 257), None);
    }
}
