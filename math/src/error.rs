//! The ways a computation can refuse.

use core::fmt;

/// Why a result could not be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathError {
    /// A sum or quotient does not fit 128 bits. It cannot happen while all the
    /// weights of a round together stay below [`crate::MAX_TOTAL`].
    Overflow,
    /// The lists of a round do not have matching lengths: one row of entries
    /// for each validator, one entry in it for each submission.
    Shape,
}

impl fmt::Display for MathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "a sum or quotient does not fit 128 bits; the amounts are too large",
            Self::Shape => "each validator needs a row with one entry for each submission",
        })
    }
}

impl core::error::Error for MathError {}

/// The sum of `values`, or [`MathError::Overflow`].
pub(crate) fn sum(values: impl IntoIterator<Item = u128>) -> Result<u128, MathError> {
    values
        .into_iter()
        .try_fold(0_u128, |total, value| total.checked_add(value))
        .ok_or(MathError::Overflow)
}
