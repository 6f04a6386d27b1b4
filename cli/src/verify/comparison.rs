//! What is stored beside what is computed again.

use serde::Serialize;

/// One value that differs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    /// Which value.
    pub(super) what: String,
    /// As it is stored.
    pub(super) stored: String,
    /// As it is computed again.
    pub(super) recomputed: String,
}

/// Values that were compared, and those that differ.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Comparison {
    /// Values that were compared.
    pub(super) compared: usize,
    /// Values that can't be computed from what the chain keeps.
    pub(crate) skipped: usize,
    /// Those that differ.
    pub(super) differences: Vec<Difference>,
}

impl Comparison {
    /// How many values differ.
    pub(crate) fn differences(&self) -> usize {
        self.differences.len()
    }

    /// Compares one value.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(
        &mut self,
        what: impl FnOnce() -> String,
        stored: &T,
        recomputed: &T,
    ) {
        self.compared += 1;
        if stored != recomputed {
            self.differences.push(Difference {
                what: what(),
                stored: format!("{stored:?}"),
                recomputed: format!("{recomputed:?}"),
            });
        }
    }
}
