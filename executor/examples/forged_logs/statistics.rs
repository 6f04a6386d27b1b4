//! What is printed.

use crate::{SEGMENTS, attacks::Attack};
use std::fmt;

/// Quantile of the normal distribution for 95 % of both sides.
const Z: f64 = 1.959_964;

/// The chance that none of `marked` among `count` is among `drawn`, drawn without replacement.
pub(crate) fn undrawn(count: usize, marked: usize, drawn: usize) -> f64 {
    (0..drawn).fold(1.0, |chance, i| {
        let unmarked = count.saturating_sub(marked).saturating_sub(i);
        chance * unmarked as f64 / count.saturating_sub(i).max(1) as f64
    })
}

/// Wilson's interval for `hits` of `count`.
fn wilson(hits: f64, count: f64) -> (f64, f64) {
    let share = hits / count;
    let middle = share + Z * Z / (2.0 * count);
    let width = Z * (share * (1.0 - share) / count + Z * Z / (4.0 * count * count)).sqrt();
    let scale = 1.0 + Z * Z / count;
    ((middle - width) / scale, (middle + width) / scale)
}

/// What came of one attack.
pub(crate) struct Row {
    name: String,
    forged: usize,
    norms: &'static str,
    predicted: f64,
    caught: u32,
    logs: u32,
}

impl Row {
    pub(crate) const HEADER: &'static str = "\
        | forged log | norms | ρ | logs | predicted | found | 95 % interval | agree |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |";

    pub(crate) fn new(attack: &Attack) -> Self {
        let norms = match (attack.is_true, attack.checks_norms) {
            (true, _) => "true",
            (false, false) => "understated",
            (false, true) => "understated, all checked",
        };
        Self {
            name: attack.name.clone(),
            forged: attack.forged,
            norms,
            predicted: 0.0,
            caught: 0,
            logs: 0,
        }
    }

    pub(crate) fn add(&mut self, predicted: f64, caught: bool) {
        self.predicted += predicted;
        self.caught += u32::from(caught);
        self.logs += 1;
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs = f64::from(self.logs);
        let predicted = self.predicted / logs;
        let (low, high) = wilson(f64::from(self.caught), logs);
        // The interval of all or none ends at 1 or 0 but for rounding.
        let agrees = low - 1e-9 <= predicted && predicted <= high + 1e-9;
        write!(
            f,
            "| {} | {} | {:.3} | {} | {predicted:.4} | {:.4} | {low:.4} to {high:.4} | {} |",
            self.name,
            self.norms,
            self.forged as f64 / SEGMENTS as f64,
            self.logs,
            f64::from(self.caught) / logs,
            if agrees { "yes" } else { "no" },
        )
    }
}
