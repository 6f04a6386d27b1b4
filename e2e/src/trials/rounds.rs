//! Two rounds of submissions, up to the challenge phase.

use super::{
    cast::{
        ADAPTER, BLURRER, COPIER, GAUGER, HONEST, INNOCENT, MARKER, MUTE, SELF_ACCUSED,
        SELF_ACCUSER, SILENT, SPLICER, THIEF, VALIDATOR_STAKE,
    },
    copies,
    recipes::Prepared,
    stage::Stage,
    trainings::Trainings,
};
use crate::{
    cli::Action,
    demo::{
        journey::{Journey, submit},
        plan::Plan,
    },
    process::Process,
    progress::Progress,
};
use anyhow::{Context, Result};
use std::{path::PathBuf, time::Duration};

const PUBLISHED_WITHIN: Duration = Duration::from_secs(60);
/// What of a weight's size is the noise of a copy.
const BLUR: f64 = 0.1;
/// The same, of the copy that its owner accuses.
const SLIGHT: f64 = 0.05;

/// A model and whose it is to be.
pub type Entry = (&'static str, PathBuf);

/// Models of the first round of digits.
pub fn first(trainings: &Trainings<'_>, prepared: &Prepared) -> Vec<Entry> {
    vec![
        (HONEST, trainings.model(HONEST)),
        (SILENT, prepared.unregistered.clone()),
        (SPLICER, trainings.spliced()),
        (MARKER, trainings.marked()),
        (MUTE, trainings.model(MUTE)),
    ]
}

/// Makes what thieves submit in the second round: then the models of the first one are public.
pub fn second(stage: &Stage, trainings: &Trainings<'_>) -> Result<Vec<Entry>> {
    let dir = |suri: &str| {
        let stolen = stage.cluster.base.join("stolen");
        stolen.join(suri.trim_start_matches('/'))
    };
    let honest = trainings.model(HONEST);
    copies::rewritten(&honest, &dir(COPIER))?;
    copies::noised(&honest, &dir(BLURRER), BLUR, 51)?;
    copies::noised(&honest, &dir(SELF_ACCUSED), SLIGHT, 52)?;
    copies::noised(&trainings.marked(), &dir(THIEF), 1.0, 53)?;
    let stolen = [COPIER, BLURRER, SELF_ACCUSED, THIEF].map(|suri| (suri, dir(suri)));
    let own = (INNOCENT, trainings.model(INNOCENT));
    Ok(stolen.into_iter().chain([own]).collect())
}

/// Models of both rounds of adapters.
pub fn adapters(prepared: &Prepared) -> [Vec<Entry>; 2] {
    [
        vec![(ADAPTER, prepared.adapter.clone())],
        vec![(GAUGER, prepared.regauged.clone())],
    ]
}

/// One task with its two rounds.
#[derive(Debug)]
pub struct Rounds<'a> {
    stage: &'a Stage,
    plan: &'a Plan,
    task: u32,
    journey: Journey<'a>,
}

impl<'a> Rounds<'a> {
    /// Of an approved task.
    pub fn new(
        stage: &'a Stage,
        plan: &'a Plan,
        task: u32,
        progress: &'a Progress,
    ) -> Result<Self> {
        Ok(Self {
            stage,
            plan,
            task,
            journey: Journey::new(plan, task, &stage.cluster, progress)?,
        })
    }

    /// Waits for a round and submits these models in it; they go on until they are published.
    pub fn submit(&mut self, round: u32, entries: &[Entry]) -> Result<Vec<Process>> {
        self.journey.wait(&format!("round {round}"), |task| {
            task.open_round == Some(round)
        })?;
        let start = |(suri, model): &Entry| {
            let mut trainers = self.plan.trainers.iter();
            let trainer = trainers.find(|trainer| trainer.suri == *suri);
            let trainer = trainer.with_context(|| format!("{suri} trains in another task"))?;
            submit(&self.stage.cluster, self.task, trainer, model, round)
        };
        entries.iter().map(start).collect()
    }

    /// Waits until a round is settled.
    pub fn settled(&mut self, round: u32) -> Result<()> {
        self.journey
            .wait(&format!("the settlement of round {round}"), |task| {
                task.last_settled >= Some(round)
            })
    }

    /// Waits until cases can be opened against trainers.
    pub fn challenge(&mut self) -> Result<()> {
        self.journey
            .wait("the challenge phase", |task| task.phase == "Challenge")
    }
}

/// Waits until all are published.
pub fn published(submissions: Vec<Process>) -> Result<()> {
    for mut submission in submissions {
        submission.succeed(PUBLISHED_WITHIN)?;
    }
    Ok(())
}

/// Who will accuse its own copy becomes a validator of the task: late, since it scores nothing.
pub fn seat_self_accuser(stage: &Stage, task: u32) -> Result<()> {
    let args = format!("stake --venue task:{task} --role validator --amount {VALIDATOR_STAKE}");
    let stake = Action::new(SELF_ACCUSER, args);
    stage.cluster.arena.batch(vec![stake])?;
    Ok(())
}
