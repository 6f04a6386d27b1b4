//! Training as a registration fixed it: everything random comes from 32 bytes that became known
//! after it, numbers are computed exactly, and a log of checkpoints is kept, between any two of
//! which whoever has them can train again and compare. `README.md` has the definitions.

mod course;
mod form;
mod log;
mod memory;
mod recipe;
mod replay;
mod restore;
mod run;

pub use log::{Keep, leaves, object, prune};
pub use memory::MAX_MEMORY;
pub use recipe::CONFIG;
pub use replay::{Finding, Replayed, Replayer, Segment, is_model};
pub use restore::{Restored, restore};
pub use run::{Logged, run, run_keeping};

use crate::{Fault, ModelError};
use codec::{Decode, Encode};

/// Most leaves of a log, the first with step 0.
pub const MAX_LEAVES: u64 = 513;

/// One checkpoint of a registered training: its state after `step` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogLeaf {
    /// Steps done; 0 for the initial weights.
    pub step: u64,
    /// BLAKE3 of the file of the weights; its name where it is served.
    pub weights: [u8; 32],
    /// BLAKE3 of the file of the optimizer's state; its name where it is served.
    pub optimizer: [u8; 32],
    /// Euclidean norm of the update since the leaf before, times 2³², rounded down; at the most
    /// what fits. 0 for the first leaf.
    pub update: u64,
}

/// Leaves of a log of `steps` steps, with `every` of them from one leaf to the next. A log is
/// even, and has 2 to [`MAX_LEAVES`].
pub fn count_leaves(steps: u64, every: u64) -> Result<u64, ModelError> {
    let segments = steps.checked_div(every).unwrap_or(0);
    let is_even = steps.checked_rem(every) == Some(0);
    if is_even && (1..MAX_LEAVES).contains(&segments) {
        return Ok(segments + 1);
    }
    let detail = format!(
        "{steps} steps with a leaf each {every}: the steps between two leaves must divide all \
         steps, at most {} times; take another number of steps, in the recipe or between leaves",
        MAX_LEAVES - 1
    );
    Err(ModelError::new(Fault::Config, detail))
}

/// Checks that the leaves are those of the steps 0, `every`, 2 · `every` and so on, up to `steps`.
pub fn check_steps(leaves: &[LogLeaf], steps: u64, every: u64) -> Result<(), ModelError> {
    let count = count_leaves(steps, every)?;
    let expected = |place: u64| place.saturating_mul(every);
    let wrong = (0..)
        .zip(leaves)
        .find(|(place, leaf)| leaf.step != expected(*place));
    let detail = match wrong {
        Some((place, leaf)) => format!(
            "leaf {place} of the log has step {}, not {}",
            leaf.step,
            expected(place)
        ),
        None if leaves.len() as u64 != count => {
            format!("the log has {} leaves, not {count}", leaves.len())
        }
        None => return Ok(()),
    };
    Err(ModelError::new(Fault::Config, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(step: u64) -> LogLeaf {
        LogLeaf {
            step,
            weights: [1; 32],
            optimizer: [2; 32],
            update: 3,
        }
    }

    #[test]
    fn check_steps_should_take_the_one_right_sequence() {
        let check = |steps: &[u64]| {
            let leaves: Vec<LogLeaf> = steps.iter().map(|step| leaf(*step)).collect();
            check_steps(&leaves, 12, 4).is_ok()
        };
        assert!(check(&[0, 4, 8, 12]));
        for wrong in [
            &[][..],
            &[0],
            &[0, 4, 8],
            &[0, 4, 8, 12, 12],
            &[4, 8, 12],
            &[0, 8, 12],
            &[0, 5, 8, 12],
            &[0, 4, 8, 11],
        ] {
            assert!(!check(wrong), "{wrong:?}");
        }
        let uneven: Vec<LogLeaf> = [0, 4, 8, 10].map(leaf).into();
        let error = check_steps(&uneven, 10, 4).unwrap_err();
        assert!(error.detail.contains("must divide"), "{error}");
    }

    #[test]
    fn log_should_be_even_and_have_two_to_513_leaves() {
        assert_eq!(count_leaves(512, 1), Ok(513));
        assert_eq!(count_leaves(99, 99), Ok(2));
        for (steps, every) in [(513, 1), (0, 1), (1, 0), (1, 99), (10, 4), (u64::MAX, 1)] {
            let error = count_leaves(steps, every).unwrap_err();
            assert_eq!(error.fault, Fault::Config);
        }
    }
}
