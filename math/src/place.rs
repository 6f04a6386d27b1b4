//! Places of models that are like earlier ones (protocol section 6).
//!
//! A model that matches an earlier one of another operator ranks just below it, however well it
//! scores. Models that match none keep the order of their scores.

use core::cmp::Reverse;

/// What a submission is ranked by, higher is better: a score, and how many copies it is away
/// from the model whose score that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<S> {
    score: S,
    copies: Reverse<u32>,
}

impl<S: Ord> Place<S> {
    /// Of a model that matches none, by its own score.
    #[must_use]
    pub const fn of(score: S) -> Self {
        Self::copied(score, 0)
    }

    /// Of a model that is so many copies away from the one with this score.
    #[must_use]
    pub const fn copied(score: S, copies: u32) -> Self {
        Self {
            score,
            copies: Reverse(copies),
        }
    }

    /// Whose score counts, and how many copies away it is.
    #[must_use]
    pub fn parts(self) -> (S, u32) {
        (self.score, self.copies.0)
    }

    /// Of a model that would be here, and matches one at `earlier`: just below that one, unless
    /// it is below already.
    #[must_use]
    pub fn below(self, earlier: Self) -> Self {
        // One more than there are copies in any round.
        let copies = earlier.copies.0.saturating_add(1);
        self.min(Self::copied(earlier.score, copies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_should_be_just_below_the_earlier_one_and_never_higher_than_it_was() {
        let (good, better) = (Place::of(7), Place::of(9));
        let copy = better.below(good);
        assert_eq!(copy.parts(), (7, 1));
        assert!(copy < good && copy > Place::of(6));
        assert_eq!(good.below(better), good);
        assert!(good.below(good) < good);
        let copy_of_copy = better.below(copy);
        assert_eq!(copy_of_copy.parts(), (7, 2));
        assert!(copy_of_copy < copy);
        assert_eq!(copy_of_copy.below(good), copy_of_copy);
    }
}
