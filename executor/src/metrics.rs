//! What Prometheus reads.

use crate::fault;
use arena_primitives::job::{JobStatus, Outcome};
use prometheus::{
    CounterVec, Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

/// How many jobs are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) queued: usize,
    pub(crate) running: usize,
    /// Those of the running that are fetched and wait for a worker.
    pub(crate) fetched: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
}

/// Counters of one server.
pub(crate) struct Metrics {
    registry: Registry,
    jobs: IntGaugeVec,
    queue_length: IntGauge,
    fetched: IntGauge,
    isolated: IntGauge,
    faults: IntCounterVec,
    seconds: CounterVec,
    outcomes: IntCounterVec,
    samples: IntCounter,
    skipped: IntCounter,
    deaths: IntCounter,
}

/// Registers what was made.
fn kept<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl Metrics {
    /// Of a server whose workers compute on `device`.
    pub(crate) fn new(device: &str) -> prometheus::Result<Self> {
        let name = |name: &str, help: &str| Opts::new(format!("arena_executor_{name}"), help);
        let of_device = |of: &str, help: &str| name(of, help).const_label("device", device);
        let registry = Registry::new();
        let gauge = |opts| kept(&registry, IntGauge::with_opts(opts));
        let counter = |opts| kept(&registry, IntCounter::with_opts(opts));
        let jobs = IntGaugeVec::new(name("jobs", "Jobs kept, by state"), &["state"]);
        let faults = of_device(
            "faults_total",
            "Jobs that came to no outcome, by whose fault it was and where it was found",
        );
        let seconds = of_device(
            "phase_seconds_total",
            "Seconds that workers spent in each phase",
        );
        Ok(Self {
            jobs: kept(&registry, jobs)?,
            queue_length: gauge(name("queue_length", "Jobs that wait or run"))?,
            fetched: gauge(name(
                "fetched_jobs",
                "Jobs that are fetched and wait for a worker",
            ))?,
            isolated: gauge(name("isolated", "Whether workers are isolated"))?,
            faults: kept(
                &registry,
                IntCounterVec::new(faults, &["side", "class", "phase"]),
            )?,
            seconds: kept(&registry, CounterVec::new(seconds, &["phase"]))?,
            outcomes: kept(
                &registry,
                IntCounterVec::new(of_device("outcomes_total", "Finished jobs"), &["kind"]),
            )?,
            samples: counter(of_device("samples_total", "Samples of finished jobs"))?,
            skipped: counter(of_device(
                "skipped_samples_total",
                "Samples of finished jobs that had nothing to predict or lost text in tokens",
            ))?,
            deaths: counter(name("worker_deaths_total", "Workers that died"))?,
            registry,
        })
    }

    /// Says whether workers are isolated.
    pub(crate) fn isolated(&self, isolated: bool) {
        self.isolated.set(i64::from(isolated));
    }

    /// Counts a job that ended in a phase of its worker, or in the queue.
    pub(crate) fn ended(&self, status: &JobStatus, phase: &str) {
        match status {
            JobStatus::Done(outcome) => self.found(outcome),
            JobStatus::Failed(fault) => {
                let (side, class) = fault::labels(fault);
                let labels = [side, class.as_str(), phase];
                self.faults.with_label_values(&labels).inc();
            }
            JobStatus::Queued | JobStatus::Running { .. } => {}
        }
    }

    fn found(&self, outcome: &Outcome) {
        let (kind, samples) = match outcome {
            Outcome::Evaluated(found) => ("evaluate", found.samples),
            Outcome::Recomputed(found) => ("recompute", found.evaluated.samples),
            Outcome::Sketched(_) => ("sketch", 0),
            Outcome::Replayed(_) => ("replay-segments", 0),
            Outcome::Extracted(_) => ("extract-watermark", 0),
            Outcome::Compared(_) => ("compare", 0),
        };
        self.outcomes.with_label_values(&[kind]).inc();
        self.samples.inc_by(u64::from(samples));
    }

    /// Counts samples that a finished job skipped.
    pub(crate) fn skipped(&self, samples: u32) {
        self.skipped.inc_by(u64::from(samples));
    }

    /// Counts a worker process that ended with no outcome.
    pub(crate) fn died(&self) {
        self.deaths.inc();
    }

    /// Adds the time of a phase.
    pub(crate) fn spent(&self, phase: &str, seconds: f64) {
        if seconds.is_finite() && seconds >= 0.0 {
            self.seconds.with_label_values(&[phase]).inc_by(seconds);
        }
    }

    /// The exposition in text.
    pub(crate) fn render(&self, counts: Counts) -> prometheus::Result<Vec<u8>> {
        let states = [
            ("queued", counts.queued),
            ("running", counts.running),
            ("done", counts.done),
            ("failed", counts.failed),
        ];
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (state, n) in states {
            self.jobs.with_label_values(&[state]).set(gauge(n));
        }
        self.queue_length
            .set(gauge(counts.queued.saturating_add(counts.running)));
        self.fetched.set(gauge(counts.fetched));
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
