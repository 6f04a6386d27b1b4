//! What is printed.

use crate::{SEGMENTS, attacks::Attack};
use anyhow::{Context, Result};
use std::{fmt, fs};

/// Quantile of the normal distribution for 95 % of both sides.
const Z: f64 = 1.959_964;
/// Ticks of a second in `/proc/self/stat`.
const TICKS: f64 = 100.0;

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

/// CPU seconds of a training, and of a juror's work on one.
#[derive(Default)]
pub(crate) struct Times {
    pub(crate) parameters: u64,
    /// Of a whole training with its log.
    pub(crate) training: f64,
    /// Of training the drawn segments again, with reading the recipe.
    pub(crate) judging: f64,
    /// Of reading the recipe.
    pub(crate) reading: f64,
    /// Share of the steps that are trained again.
    pub(crate) share: f64,
}

impl Times {
    pub(crate) fn print(&self) {
        let alone = (self.judging - self.reading) / (self.training - self.reading);
        println!(
            "{} parameters, {SEGMENTS} segments. A juror trains {:.1} % of the steps again, and \
             takes {:.1} % of the training's CPU time ({:.1} ms of {:.1} ms), without reading \
             the recipe ({:.1} ms) {:.1} %.\n",
            self.parameters,
            100.0 * self.share,
            100.0 * self.judging / self.training,
            1e3 * self.judging,
            1e3 * self.training,
            1e3 * self.reading,
            100.0 * alone,
        );
    }
}

/// CPU time of this process, in steps of 10 ms.
pub(crate) fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(')')
        .context("no name in /proc/self/stat")?;
    let ticks = |at| -> Result<f64> {
        let field = fields.split_whitespace().nth(at);
        Ok(field
            .context("too few fields in /proc/self/stat")?
            .parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}
