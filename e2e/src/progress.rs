//! What people see while they wait.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// Lines with the time since the start, and on a terminal a spinner below them.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = style {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(200));
            spinner
        });
        Self {
            started: Instant::now(),
            spinner,
        }
    }

    /// One more line.
    pub fn say(&self, line: impl AsRef<str>) {
        let line = format!(
            "[{:6.1} s] {}",
            self.started.elapsed().as_secs_f64(),
            line.as_ref()
        );
        match &self.spinner {
            Some(spinner) => spinner.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// What is waited for; shown on a terminal only.
    pub fn waiting(&self, what: impl Into<String>) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(what.into());
        }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// No more lines.
    pub fn finish(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
