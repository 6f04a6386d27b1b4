//! Registered trainings and marks: what trainers do before they submit.

use super::{
    cast::{HONEST, INNOCENT, MARKER, MUTE, SPLICER},
    recipes::{self, EVERY, NARROW, Prepared, STEPS, WIDE},
    splice::splice,
    stage::Stage,
};
use crate::{
    cli::{Action, text},
    demo::plan::Plan,
    poll,
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Who trains as registered, at least at first.
const LOGGED: [&str; 5] = [HONEST, SPLICER, MARKER, INNOCENT, MUTE];
/// Trainings at a time.
const WIDTH: usize = 2;
const SEEDED_WITHIN: Duration = Duration::from_secs(30);
const TRAINED_WITHIN: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(500);

/// The registered trainings of one task.
#[derive(Clone, Debug)]
pub struct Trainings<'a> {
    stage: &'a Stage,
    task: u32,
}

/// A trainer's directories.
fn directory(stage: &Stage, kind: &str, suri: &str) -> PathBuf {
    stage
        .cluster
        .base
        .join(kind)
        .join(suri.trim_start_matches('/'))
}

impl<'a> Trainings<'a> {
    /// Of a task.
    pub fn new(stage: &'a Stage, task: u32) -> Self {
        Self { stage, task }
    }

    /// The log of a registered training.
    pub fn log(&self, suri: &str) -> PathBuf {
        directory(self.stage, "runs", suri)
    }

    /// The model that a registered training came to.
    pub fn model(&self, suri: &str) -> PathBuf {
        self.log(suri).join("model")
    }

    /// The marked model.
    pub fn marked(&self) -> PathBuf {
        directory(self.stage, "marked", MARKER)
    }

    /// The model whose log ends with it.
    pub fn spliced(&self) -> PathBuf {
        directory(self.stage, "spliced", SPLICER)
    }

    /// The secret of the mark.
    pub fn mark(&self) -> PathBuf {
        self.stage.cluster.base.join("mark.json")
    }

    /// Where the log and the recipe of a trainer are served together.
    pub fn served(&self, suri: &str) -> PathBuf {
        directory(self.stage, "served", suri)
    }

    /// Registers a run for every trainer of the plan: without one no model counts.
    pub fn register(&self, plan: &Plan, data: &Path) -> Result<()> {
        let mut actions = Vec::new();
        for trainer in &plan.trainers {
            let recipe = directory(self.stage, "recipes", trainer.suri);
            let inner = if trainer.suri == MARKER { WIDE } else { NARROW };
            recipes::write(data, &recipe, inner)?;
            let args = format!(
                "run register --task {} --recipe {} --steps {STEPS} --every {EVERY}",
                self.task,
                recipe.display()
            );
            actions.push(Action::new(trainer.suri, args));
        }
        self.stage.cluster.arena.batch(actions)?;
        Ok(())
    }

    /// Trains as registered, marks a model, forges a log, and posts the logs' roots.
    pub fn train(&self, prepared: &Prepared) -> Result<()> {
        poll::side_by_side(WIDTH, LOGGED.into(), |suri| self.train_one(suri))?;
        self.embed()?;
        // The log says that the last steps led to a model that was made elsewhere.
        super::copies::rewritten(&prepared.elsewhere, &self.spliced())?;
        splice(&self.log(SPLICER), &prepared.elsewhere)?;
        let beats = LOGGED.map(|suri| {
            let args = [
                format!("run heartbeat --task {}", self.task),
                format!("--log {}", self.log(suri).display()),
                format!("--suri {suri}"),
            ];
            let args = args.join(" ").split_whitespace().map(Into::into).collect();
            (suri, args)
        });
        poll::side_by_side(WIDTH, beats.into(), |(suri, args)| {
            let beat = self.stage.cluster.arena.run_args(args, TRAINED_WITHIN);
            beat.with_context(|| format!("heartbeat of {suri}"))
        })?;
        LOGGED.iter().try_for_each(|suri| self.serve(suri))
    }

    fn train_one(&self, suri: &str) -> Result<()> {
        let arena = &self.stage.cluster.arena;
        let show = format!(
            "run show --task {} --trainer {}",
            self.task,
            self.stage.address(suri)?
        );
        let what = format!("the seed of {suri}'s run");
        let seed = poll::every(PERIOD, &what, SEEDED_WITHIN, || {
            let run = arena.run(&show)?;
            Ok(run.get("seed").and_then(Value::as_str).map(String::from))
        })?;
        let recipe = directory(self.stage, "recipes", suri);
        let args = format!(
            "train --registered --recipe {} --seed {seed} --every {EVERY} --out {}",
            recipe.display(),
            self.log(suri).display()
        );
        let args = args.split_whitespace().map(Into::into).collect();
        arena.run_args(args, TRAINED_WITHIN)?;
        Ok(())
    }

    /// Makes a key, registers it, and puts the mark into the trained model.
    fn embed(&self) -> Result<()> {
        let arena = &self.stage.cluster.arena;
        let (mark, owner) = (self.mark(), self.stage.address(MARKER)?);
        let (task, mark) = (self.task, mark.display());
        arena.run(format!(
            "watermark new --task {task} --owner {owner} --out {mark}"
        ))?;
        arena.run(format!(
            "mark register --task {task} --key {mark} --suri {MARKER}"
        ))?;
        let marked = self.marked();
        fs::create_dir_all(marked.parent().context("a directory without a parent")?)?;
        let args = format!(
            "watermark embed --key {mark} --model {} --out {}",
            self.model(MARKER).display(),
            marked.display()
        );
        arena.run(args)?;
        Ok(())
    }

    /// Puts the files of a log and its recipe into one directory, as its mirrors have them; of
    /// the one whose mirror is mute the recipe alone.
    fn serve(&self, suri: &str) -> Result<()> {
        let to = self.served(suri);
        fs::create_dir_all(&to).with_context(|| format!("can't create {}", to.display()))?;
        let recipe = directory(self.stage, "recipes", suri);
        let objects = (suri != MUTE).then(|| self.log(suri).join("objects"));
        for from in [Some(recipe), objects].into_iter().flatten() {
            let entries = fs::read_dir(&from);
            for entry in entries.with_context(|| format!("can't read {}", from.display()))? {
                let entry = entry?;
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    /// The answer of an accused trainer: its whole log.
    pub fn respond(&self, suri: &str, case: u32) -> Result<()> {
        let args = format!(
            "challenge respond --case {case} --log {} --uri file://{} --suri {suri}",
            self.log(suri).display(),
            self.served(suri).display()
        );
        let answer = self.stage.cluster.arena.run(args)?;
        text(&answer, "blockHash").map(|_| ())
    }
}
