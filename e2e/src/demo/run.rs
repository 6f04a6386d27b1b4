//! The demo from its first to its last step.

use super::{
    checks,
    journey::{Journey, Milestones, directory},
    people::{self, Addresses, Claim},
    plan::{self, MAX_SHARE, Model, Plan},
    report::Report,
    tables,
};
use crate::{
    bins::Programs, cluster::Cluster, memory::Watch, poll, progress::Progress, rpc::Rpc,
    spec::Kind, train,
};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Nodes of the demo: one for each validator.
const NODES: usize = plan::VALIDATORS.len();
const FINALIZED_WITHIN: Duration = Duration::from_secs(60);

/// What the demo is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The programs.
    pub programs: Programs,
    /// The checkout's data.
    pub data: PathBuf,
    /// Where everything is written.
    pub base: PathBuf,
    /// Which tasks.
    pub kinds: Vec<Kind>,
    /// Where the result goes.
    pub json: Option<PathBuf>,
    /// Let the chain run on.
    pub keep: bool,
    /// Seconds of set-up and build, from whoever did them.
    pub before: Vec<(&'static str, f64)>,
}

/// Seconds by stage.
#[derive(Debug)]
struct Stopwatch {
    seconds: Map<String, Value>,
    last: Instant,
}

impl Stopwatch {
    fn new(before: &[(&'static str, f64)]) -> Self {
        let seconds = before
            .iter()
            .map(|(name, time)| ((*name).into(), json!(time)));
        Self {
            seconds: seconds.collect(),
            last: Instant::now(),
        }
    }

    fn note(&mut self, name: &str, seconds: f64) {
        self.seconds
            .insert(name.into(), json!((seconds * 10.0).round() / 10.0));
    }

    /// The stage that ends at `at`.
    fn lap(&mut self, name: &str, at: Instant) {
        self.note(name, at.saturating_duration_since(self.last).as_secs_f64());
        self.last = at;
    }
}

/// Runs the demo; an error says what didn't hold.
pub fn run(options: &Options) -> Result<()> {
    let progress = Progress::start();
    let done = Demo::new(options, &progress)?.run();
    progress.finish();
    done
}

struct Demo<'a> {
    options: &'a Options,
    progress: &'a Progress,
    plans: Vec<Plan>,
    stopwatch: Stopwatch,
    memory: Watch,
}

impl<'a> Demo<'a> {
    fn new(options: &'a Options, progress: &'a Progress) -> Result<Self> {
        fs::create_dir_all(options.base.join("logs"))
            .with_context(|| format!("can't create {}", options.base.display()))?;
        let plans = options.kinds.iter().map(|kind| match kind {
            Kind::Digits => plan::digits(),
            Kind::Language => plan::language(),
        });
        Ok(Self {
            options,
            progress,
            plans: plans.collect(),
            stopwatch: Stopwatch::new(&options.before),
            memory: Watch::start(),
        })
    }

    fn run(mut self) -> Result<()> {
        let started = Instant::now();
        let (mut cluster, addresses) = self.prepare()?;
        self.stopwatch.lap("train", Instant::now());
        let ids = self.approve(&cluster, &addresses)?;
        self.stopwatch.lap("proposal", Instant::now());
        let milestones = self.follow(&cluster, &ids)?;
        let mut failures = self.claim(&cluster, &ids, &addresses)?;
        self.stopwatch.lap("claims", Instant::now());
        self.stopwatch
            .note("total", started.elapsed().as_secs_f64());
        let payout = longest_payout(&cluster.rpc()?, &ids, &milestones)?;
        self.stopwatch.note("round_end_to_payout", payout);
        let report = self.report(&cluster, &ids)?;
        self.progress.finish();
        let typed: Report = serde_json::from_value(report.clone()).context("arena report")?;
        println!("{}", tables::tables(&typed, &addresses));
        self.print_figures(&report);
        failures.extend(checks::failures(&typed, &self.plans, &ids, &addresses));
        if self.options.keep {
            self.keep(&mut cluster, &ids)?;
        }
        if failures.is_empty() {
            println!("everything held");
            return Ok(());
        }
        bail!(
            "{} checks failed:\n  {}",
            failures.len(),
            failures.join("\n  ")
        )
    }

    /// Trains the models while the chain starts and everybody gets tokens and keys.
    fn prepare(&self) -> Result<(Cluster, Addresses)> {
        thread::scope(|scope| {
            let training = scope.spawn(|| self.train());
            let cluster = self.start_chain();
            let trained = training
                .join()
                .map_err(|_| anyhow!("the training panicked"))?;
            trained?;
            cluster
        })
    }

    fn train(&self) -> Result<()> {
        let options = self.options;
        let configs: Vec<_> = self.plans.iter().flat_map(Plan::configs).collect();
        self.progress
            .say(format!("training {} models", configs.len()));
        let started = Instant::now();
        train::train_all(&options.programs, &options.data, &options.base, &configs)?;
        let models = self.plans.iter().flat_map(|plan| &plan.trainers);
        for (_, model) in models.flat_map(|trainer| &trainer.models) {
            if let Model::Broken(config) = model {
                let sound = directory(&options.base, Model::Trained(config));
                train::break_model(&sound, &directory(&options.base, *model))?;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        self.progress
            .say(format!("models are trained ({seconds:.1} s)"));
        Ok(())
    }

    fn start_chain(&self) -> Result<(Cluster, Addresses)> {
        let options = self.options;
        self.progress
            .say(format!("starting {NODES} nodes, each with an executor"));
        let cluster = Cluster::start(&options.programs, &options.base, NODES)?;
        self.progress
            .say("the chain runs; funding accounts, registering service keys");
        let addresses = people::addresses(&cluster.arena, &self.plans)?;
        people::fund(&cluster.arena, &self.plans, &addresses)?;
        people::set_service_keys(&cluster, &self.plans)?;
        self.progress
            .say("accounts have tokens, operators have service keys");
        Ok((cluster, addresses))
    }

    fn approve(&self, cluster: &Cluster, addresses: &Addresses) -> Result<Vec<u32>> {
        for plan in &self.plans {
            self.progress.say(format!(
                "proposing {:?}, {}",
                plan.spec.name,
                plan.spec.preset.name()
            ));
        }
        let data = &self.options.data;
        let ids = people::propose_and_vote(cluster, data, &self.plans, MAX_SHARE)?;
        self.progress.say(format!(
            "approved: tasks {ids:?}; operators and delegators stake"
        ));
        people::stake(&cluster.arena, &self.plans, &ids, addresses)?;
        self.progress.say("everybody has staked");
        Ok(ids)
    }

    /// Follows all tasks to their end, and notes the times of the slowest.
    fn follow(&mut self, cluster: &Cluster, ids: &[u32]) -> Result<Vec<Milestones>> {
        let tasks: Vec<_> = self.plans.iter().zip(ids.iter().copied()).collect();
        let followed = poll::side_by_side(tasks.len(), tasks, |(plan, id)| {
            Journey::new(plan, id, cluster, self.progress)?.follow()
        })?;
        let mut latest = |name, at: fn(&Milestones) -> Instant| {
            if let Some(at) = followed.iter().map(at).max() {
                self.stopwatch.lap(name, at);
            }
        };
        latest("rounds", |milestones| milestones.rounds);
        latest("final", |milestones| milestones.finals);
        latest("challenge", |milestones| milestones.closed);
        Ok(followed)
    }

    /// Everybody claims; what was not paid as owed.
    fn claim(&self, cluster: &Cluster, ids: &[u32], who: &Addresses) -> Result<Vec<String>> {
        let rpc = cluster.rpc()?;
        let mut due: Vec<(Claim, u128)> = Vec::new();
        for claim in people::claims(&self.plans, ids, who)? {
            let owed = claim.owed(&rpc, who)?;
            if owed > 0 {
                due.push((claim, owed));
            }
        }
        self.progress.say(format!("{} accounts claim", due.len()));
        let answers = cluster
            .arena
            .batch(due.iter().map(|(claim, _)| claim.action()).collect())?;
        let mut failures = Vec::new();
        for ((claim, owed), answer) in due.iter().zip(&answers) {
            let paid = answer
                .get("amount")
                .and_then(Value::as_str)
                .map(str::parse::<u128>);
            // Blocks go on, and with them what an author is owed.
            let is_author = claim.venue == "network";
            let holds = match paid {
                Some(Ok(paid)) => paid == *owed || (is_author && paid > *owed),
                _ => false,
            };
            if !holds || (!is_author && claim.owed(&rpc, who)? != 0) {
                failures.push(format!(
                    "claim of {} in {}: {owed} owed, {answer}",
                    claim.suri, claim.venue
                ));
            }
        }
        let best = rpc.best_block()?;
        poll::until("the claims to be finalized", FINALIZED_WITHIN, || {
            Ok(rpc
                .finalized_block()
                .ok()
                .filter(|block| *block >= best)
                .map(|_| ()))
        })?;
        self.progress.say("all claims are paid and finalized");
        Ok(failures)
    }

    /// The report with times and figures, also in its file.
    fn report(&self, cluster: &Cluster, ids: &[u32]) -> Result<Value> {
        let path = self.options.base.join("report.json");
        let tasks: String = ids.iter().map(|id| format!(" --task {id}")).collect();
        cluster
            .arena
            .run(format!("report{tasks} --out {}", path.display()))?;
        let mut report: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let fields = report.as_object_mut().context("the report is no object")?;
        fields.insert(
            "seconds".into(),
            Value::Object(self.stopwatch.seconds.clone()),
        );
        fields.insert("figures".into(), self.figures()?);
        if let Some(path) = &self.options.json {
            fs::write(path, serde_json::to_vec_pretty(&report)?)
                .with_context(|| format!("can't write {}", path.display()))?;
        }
        Ok(report)
    }

    fn figures(&self) -> Result<Value> {
        let peaks = self.memory.peaks();
        Ok(json!({
            "node_binary_bytes": fs::metadata(&self.options.programs.node)?.len(),
            "executor_binary_bytes": fs::metadata(&self.options.programs.executor)?.len(),
            "peak_rss_bytes": peaks.processes,
            "peak_rss_bytes_together": peaks.together,
        }))
    }

    fn print_figures(&self, report: &Value) {
        for name in ["seconds", "figures"] {
            for (key, value) in report
                .get(name)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                println!("{name:>8}  {key:<24} {value}");
            }
        }
    }

    fn keep(&self, cluster: &mut Cluster, ids: &[u32]) -> Result<()> {
        let url = cluster.first()?.url();
        let pids = cluster.keep();
        let state = state(self.options, &self.plans, ids, &url, &pids);
        let path = self.options.base.join("state.json");
        fs::write(&path, serde_json::to_vec_pretty(&state)?)?;
        let list: Vec<_> = pids.iter().map(u32::to_string).collect();
        println!("the chain runs on: RPC {url}, processes {}", list.join(" "));
        println!("check it: scripts/verify.sh {}", path.display());
        println!("end it:   kill {}", list.join(" "));
        Ok(())
    }
}

/// What `scripts/verify.sh` needs to know of a chain that runs on.
fn state(options: &Options, plans: &[Plan], ids: &[u32], url: &str, pids: &[u32]) -> Value {
    let tasks = plans.iter().zip(ids).map(|(plan, id)| {
        let mut models: Vec<&(u32, Model)> = plan
            .trainers
            .iter()
            .flat_map(|trainer| &trainer.models)
            .collect();
        models.dedup();
        let models: Vec<_> = models
            .iter()
            .map(|(_, model)| directory(&options.base, *model))
            .collect();
        json!({
            "id": id, "name": plan.spec.name, "rounds": plan.spec.rounds,
            "data": plan.spec.kind.eval_data(&options.data), "context": plan.spec.kind.context(),
            "models": models,
        })
    });
    json!({
        "url": url, "pids": pids, "tasks": tasks.collect::<Vec<_>>(),
        "executor": options.programs.executor, "arena": options.programs.cli,
    })
}

/// Longest time from a round's end until it was settled, by the slots of the blocks.
fn longest_payout(rpc: &Rpc, ids: &[u32], milestones: &[Milestones]) -> Result<f64> {
    let mut longest = 0;
    for (id, milestones) in ids.iter().zip(milestones) {
        for (round, end) in milestones.ends.iter().filter(|(round, _)| **round > 0) {
            let result = rpc.result(*id, *round)?;
            let settled = result
                .with_context(|| format!("no result of round {round}"))?
                .settled_at;
            longest = longest.max(rpc.slot(settled)?.saturating_sub(rpc.slot(*end)?));
        }
    }
    Ok((longest * rpc.slot_millis()?) as f64 / 1_000.0)
}

/// A directory for one run.
pub fn default_base() -> PathBuf {
    let name = format!("arena-demo-{}", std::process::id());
    Path::new(&std::env::temp_dir()).join(name)
}
