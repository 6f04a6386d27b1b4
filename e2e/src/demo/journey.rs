//! One task from its first round to its end.

use super::{
    people::service_key,
    plan::{Model, Plan, Trainer},
};
use crate::{
    cluster::Cluster,
    poll,
    process::Process,
    progress::Progress,
    rpc::{Rpc, Task},
    train::model_dir,
};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longest wait for the next round or phase: several days of the development chain.
const STEP_WITHIN: Duration = Duration::from_secs(180);
/// How long after the next round's start a model may still wait to be published.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(200);

/// When a task reached which stage.
#[derive(Clone, Debug)]
pub struct Milestones {
    /// The last submission round was settled.
    pub rounds: Instant,
    /// Final validation was settled.
    pub finals: Instant,
    /// The task closed.
    pub closed: Instant,
    /// First block after each round's end, by round.
    pub ends: BTreeMap<u32, u32>,
}

/// Follows one task.
#[derive(Debug)]
pub struct Journey<'a> {
    plan: &'a Plan,
    task: u32,
    cluster: &'a Cluster,
    rpc: Rpc,
    progress: &'a Progress,
    ends: BTreeMap<u32, u32>,
}

/// Where the demo puts a model.
pub fn directory(base: &Path, model: Model) -> PathBuf {
    match model {
        Model::Trained(config) => model_dir(base, config),
        Model::Broken(config) => model_dir(base, &format!("{config}-broken")),
    }
}

impl<'a> Journey<'a> {
    /// Of an approved task.
    pub fn new(
        plan: &'a Plan,
        task: u32,
        cluster: &'a Cluster,
        progress: &'a Progress,
    ) -> Result<Self> {
        Ok(Self {
            plan,
            task,
            rpc: cluster.rpc()?,
            cluster,
            progress,
            ends: BTreeMap::new(),
        })
    }

    fn say(&self, line: impl AsRef<str>) {
        self.progress
            .say(format!("{}: {}", self.plan.spec.name, line.as_ref()));
    }

    /// Submits models in the rounds that the plan says, and waits until the task is closed.
    pub fn follow(mut self) -> Result<Milestones> {
        let rounds = self.plan.spec.rounds;
        let mut submissions: Vec<Process> = Vec::new();
        for round in 1..=rounds {
            self.wait(&format!("round {round}"), |task| {
                task.open_round == Some(round)
            })?;
            self.say(format!("round {round} takes models"));
            // Those of the round before publish now.
            let earlier = std::mem::replace(&mut submissions, self.submit(round)?);
            published(earlier)?;
        }
        self.wait("the rounds to be settled", |task| {
            task.last_settled >= Some(rounds)
        })?;
        let at_rounds = Instant::now();
        published(submissions)?;
        self.say("all rounds are settled; final validation");
        self.wait("final validation", |task| task.last_settled > Some(rounds))?;
        let at_finals = Instant::now();
        self.say("final validation is settled; challenges may be opened");
        self.wait("the end of the challenge phase", |task| {
            task.phase == "Closed"
        })?;
        self.say("closed");
        Ok(Milestones {
            rounds: at_rounds,
            finals: at_finals,
            closed: Instant::now(),
            ends: self.ends,
        })
    }

    /// Waits until the task is as asked; notes on the way when its rounds end.
    pub fn wait(&mut self, what: &str, is_so: impl Fn(&Task) -> bool) -> Result<()> {
        let (rpc, id, ends) = (&self.rpc, self.task, &mut self.ends);
        let name = &self.plan.spec.name;
        let progress = self.progress;
        poll::every(PERIOD, &format!("{what} of {name:?}"), STEP_WITHIN, || {
            // A node that is being restarted doesn't answer.
            let Ok(task) = rpc.task(id) else {
                return Ok(None);
            };
            for live in &task.live {
                if let Some(end) = live.schedule.get("closes") {
                    ends.insert(live.round, *end);
                }
            }
            if task.phase == "Cancelled" {
                bail!("{name:?} was cancelled");
            }
            progress.waiting(format!("{name}: {}, waiting for {what}", summary(&task)));
            Ok(is_so(&task).then_some(()))
        })
    }

    /// Starts the submissions of a round; each goes on until its model is published.
    fn submit(&self, round: u32) -> Result<Vec<Process>> {
        let mut started = Vec::new();
        for trainer in &self.plan.trainers {
            for (_, model) in trainer.models.iter().filter(|(of, _)| *of == round) {
                let dir = directory(&self.cluster.base, *model);
                let process = submit(self.cluster, self.task, trainer, &dir, round)?;
                started.push(process);
            }
        }
        if !started.is_empty() {
            self.say(format!("{} models are submitted", started.len()));
        }
        Ok(started)
    }
}

/// Starts the submission of one model.
pub fn submit(
    cluster: &Cluster,
    task: u32,
    trainer: &Trainer,
    model: &Path,
    round: u32,
) -> Result<Process> {
    let suri = trainer.suri;
    let name = suri.trim_start_matches('/');
    let state = cluster
        .base
        .join(format!("submission-{task}-{name}-{round}.json"));
    let publishes = if trainer.by_node {
        vec!["--node".into(), cluster.first()?.url()]
    } else {
        vec!["--watch".into()]
    };
    let mut args = vec![
        "submit".into(),
        "--task".into(),
        task.to_string(),
        "--model".into(),
        model.display().to_string(),
        "--uri".into(),
        format!("file://{}", model.display()),
        "--suri".into(),
        suri.into(),
        "--service-suri".into(),
        service_key(suri),
        "--state".into(),
        state.display().to_string(),
    ];
    args.extend(publishes);
    cluster
        .arena
        .background(args)
        .with_context(|| format!("submission of {suri}"))
}

fn published(submissions: Vec<Process>) -> Result<()> {
    for mut submission in submissions {
        submission.succeed(PUBLISHED_WITHIN)?;
    }
    Ok(())
}

fn summary(task: &Task) -> String {
    let live: Vec<_> = task
        .live
        .iter()
        .map(|live| format!("round {} {}", live.round, live.phase))
        .collect();
    if live.is_empty() {
        task.phase.clone()
    } else {
        live.join(", ")
    }
}
