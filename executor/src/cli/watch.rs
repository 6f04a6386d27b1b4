//! `watch`: the jobs of a running executor, live.

use super::remote::{Executor, Remote, Silent};
use crate::queue::{JobState as State, Listed};
use anyhow::{Context, Result};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::HashMap,
    io::{IsTerminal, Write},
    time::Duration,
};

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    executor: Executor,
    /// Seconds between two looks; by default 1 on a terminal, else 10.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..))]
    interval: Option<u16>,
    /// Look once, print, and end.
    #[arg(long, conflicts_with = "until_idle")]
    once: bool,
    /// End once no job waits or runs.
    #[arg(long)]
    until_idle: bool,
}

/// Shows jobs until it is stopped.
pub(super) fn watch(args: &Watch) -> Result<()> {
    let remote = args.executor.connect()?;
    let mut view = match std::io::stdout().is_terminal() && !args.once {
        true => View::Terminal(Box::new(Bars::new()?)),
        false => View::Lines(HashMap::new()),
    };
    let seconds = match (&view, args.interval) {
        (_, Some(seconds)) => seconds,
        (View::Terminal(_), None) => 1,
        (View::Lines(_), None) => 10,
    };
    let mut first = true;
    loop {
        match jobs(&remote) {
            Ok(jobs) => {
                view.show(&jobs, first)?;
                let idle = jobs.iter().all(|job| job.state.is_ended());
                if args.once || (args.until_idle && idle) {
                    return Ok(());
                }
            }
            // One that is restarted comes back; one that never was there doesn't.
            Err(error) if !first && error.is::<Silent>() => view.say(&format!("{error:#}"))?,
            Err(error) => return Err(error),
        }
        first = false;
        std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    }
}

fn jobs(remote: &Remote) -> Result<Vec<Listed>> {
    serde_json::from_slice(&remote.get("/jobs")?)
        .context("the executor answered something of another release")
}

enum View {
    Terminal(Box<Bars>),
    /// What was said of each job last.
    Lines(HashMap<String, String>),
}

impl View {
    fn show(&mut self, jobs: &[Listed], first: bool) -> Result<()> {
        match self {
            Self::Terminal(bars) => bars.show(jobs, first),
            Self::Lines(said) => {
                if jobs.is_empty() && first {
                    print("no jobs")?;
                }
                for job in jobs {
                    let mark = format!("{:?} {}", job.state, job.done);
                    if said.get(&job.id) != Some(&mark) {
                        print(&line(job))?;
                    }
                    said.insert(job.id.clone(), mark);
                }
                said.retain(|id, _| jobs.iter().any(|job| job.id == *id));
            }
        }
        Ok(())
    }

    fn say(&self, text: &str) -> Result<()> {
        match self {
            Self::Terminal(bars) => Ok(bars.all.println(text)?),
            Self::Lines(_) => print(text),
        }
    }
}

/// A line to who listens; that nobody does any more is no panic.
fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// A bar for each job that runs, and a line that counts the rest.
struct Bars {
    all: MultiProgress,
    counts: ProgressBar,
    running: HashMap<String, ProgressBar>,
    ended: HashMap<String, State>,
    style: ProgressStyle,
}

impl Bars {
    fn new() -> Result<Self> {
        let all = MultiProgress::new();
        let counts = all.add(ProgressBar::new(0));
        counts.set_style(ProgressStyle::with_template("{msg}")?);
        Ok(Self {
            all,
            counts,
            running: HashMap::new(),
            ended: HashMap::new(),
            style: ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}")?,
        })
    }

    fn show(&mut self, jobs: &[Listed], first: bool) {
        let count = |state| jobs.iter().filter(|job| job.state == state).count();
        self.counts.set_message(format!(
            "{} running, {} waiting",
            count(State::Running),
            count(State::Queued)
        ));
        self.running.retain(|id, bar| {
            let runs = jobs
                .iter()
                .any(|job| job.id == *id && job.state == State::Running);
            if !runs {
                bar.finish_and_clear();
            }
            runs
        });
        for job in jobs {
            if job.state == State::Running {
                self.bar(job);
            } else if job.state.is_ended() {
                let before = self.ended.insert(job.id.clone(), job.state);
                if before.is_none() && !first {
                    // Nothing is left to do where the terminal is gone.
                    let _ = self.all.println(line(job));
                }
            }
        }
        self.ended
            .retain(|id, _| jobs.iter().any(|job| job.id == *id && job.state.is_ended()));
    }

    fn bar(&mut self, job: &Listed) {
        let bar = self.running.entry(job.id.clone()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(0));
            bar.set_style(self.style.clone());
            bar.set_prefix(format!("{} {}", short(&job.id), kind(job)));
            bar
        });
        bar.set_length(u64::from(job.total));
        bar.set_position(u64::from(job.done));
        bar.set_message(match job.total {
            0 => format!("fetching{}", times(job)),
            _ => times(job).trim_start_matches(", ").to_owned(),
        });
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn kind(job: &Listed) -> &str {
    job.kind.as_deref().unwrap_or("job")
}

/// What a job of this kind counts.
fn unit(kind: &str) -> &'static str {
    match kind {
        "evaluate" | "recompute" => " samples",
        "replay-segments" => " steps",
        _ => "",
    }
}

/// A job in one line.
fn line(job: &Listed) -> String {
    let (id, kind) = (short(&job.id), kind(job));
    match (job.state, &job.told) {
        (_, Some(told)) => format!("{id} {kind}: {told}"),
        (State::Running, _) if job.total == 0 => format!("{id} {kind}: fetching{}", times(job)),
        (State::Running, _) => {
            let (done, total) = (job.done, job.total);
            format!("{id} {kind}: {done} of {total}{}{}", unit(kind), times(job))
        }
        _ => format!("{id} {kind}: waiting{}", times(job)),
    }
}

/// How long it takes, and how long it may.
fn times(job: &Listed) -> String {
    let eta = job
        .eta
        .map(|eta| format!(", {} to go", time(eta)))
        .unwrap_or_default();
    let left = match job.left {
        Some(0) => ", past its deadline".to_owned(),
        Some(left) => format!(", deadline in {}", time(left)),
        None => String::new(),
    };
    let late = matches!((job.eta, job.left), (Some(eta), Some(left)) if eta > left);
    let late = if late { " (too late)" } else { "" };
    format!("{eta}{left}{late}")
}

/// Milliseconds as a person says them.
fn time(millis: u64) -> String {
    let seconds = millis.div_ceil(1000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: State) -> Listed {
        Listed {
            id: "0123456789abcdef".to_owned(),
            kind: Some("evaluate".to_owned()),
            state,
            done: 30,
            total: 100,
            posted: 0,
            left: Some(90_000),
            eta: Some(70_000),
            told: None,
        }
    }

    #[test]
    fn line_should_tell_progress_and_whether_the_deadline_is_met() {
        let running = job(State::Running);
        assert_eq!(
            line(&running),
            "01234567 evaluate: 30 of 100 samples, 1 min 10 s to go, deadline in 1 min 30 s"
        );
        let late = Listed {
            left: Some(60_000),
            ..running.clone()
        };
        assert!(line(&late).ends_with("deadline in 1 min 0 s (too late)"));
        let fetching = Listed {
            total: 0,
            eta: None,
            ..running
        };
        assert_eq!(
            line(&fetching),
            "01234567 evaluate: fetching, deadline in 1 min 30 s"
        );
        let failed = Listed {
            kind: None,
            left: None,
            eta: None,
            told: Some("failed: unsupported: x".to_owned()),
            ..job(State::Failed)
        };
        assert_eq!(line(&failed), "01234567 job: failed: unsupported: x");
        assert_eq!(time(3_600_000 * 5 + 61_000), "5 h 1 min");
    }
}
