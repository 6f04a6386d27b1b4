//! How much of challenges there can be.

use super::MAX_LOG_LEAVES;
use crate::Round;

/// Most open cases of a task.
pub const MAX_OPEN_CASES: u32 = 16;
/// Most open cases of a task that one challenger began: nobody can take all places.
pub const MAX_CASES_OF_ONE: u32 = 2;
/// Most challengers of a case.
pub const MAX_CHALLENGERS: u32 = 8;
/// Bonds double with each acquittal, but so often at most.
pub const MAX_DOUBLINGS: u32 = 16;
/// The bond of a new case doubles with so many open ones of the task.
pub const CASES_PER_DOUBLING: u32 = 4;
/// Rounds after its settlement for which a score can be challenged.
pub const SCORE_ROUNDS: Round = 2;

/// Leaves of the log of a training; `None` where they are none, too many, or not even.
pub fn log_leaves(steps: u64, every: u64) -> Option<u32> {
    let rest = steps.checked_rem(every)?;
    let segments = u32::try_from(steps.checked_div(every)?).ok()?;
    let leaves = segments.checked_add(1)?;
    (rest == 0 && segments > 0 && leaves <= MAX_LOG_LEAVES).then_some(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_should_be_even_and_have_two_to_513_leaves() {
        assert_eq!(log_leaves(2_000, 20), Some(101));
        assert_eq!(log_leaves(512, 1), Some(513));
        assert_eq!(log_leaves(5, 5), Some(2));
        for (steps, every) in [(513, 1), (10, 4), (0, 1), (1, 0), (4, 5), (u64::MAX, 1)] {
            assert_eq!(log_leaves(steps, every), None, "{steps} by {every}");
        }
    }
}
