//! What people see while they wait, on the standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal, time::Instant};

/// Lines with the time since the start.
pub struct Progress {
    started: Instant,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Self {
        Progress {
            started: Instant::now(),
        }
    }

    /// One more line.
    pub fn say(&self, line: impl AsRef<str>) {
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("[{seconds:6.1} s] {}", line.as_ref());
    }

    /// A bar, on a terminal only.
    pub fn bar(&self, what: &'static str, length: usize) -> ProgressBar {
        let bar = ProgressBar::new(length as u64);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.with_message(what)
    }
}
