//! Opens the cases, and answers for the accused.

use super::{
    cast::{
        ACCUSER, ADAPTER, BLURRER, BRIBER, COPIER, GAUGER, HONEST, INNOCENT, LIAR, MARKER, MUTE,
        SECOND_ACCUSER, SELF_ACCUSED, SELF_ACCUSER, SILENT, SPLICER, THIEF, THIRD_ACCUSER,
    },
    rows::Expected,
    stage::Stage,
    trainings::Trainings,
};
use crate::{
    cli::{number, text},
    poll,
    process::Process,
    progress::Progress,
    rpc::Rpc,
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{path::PathBuf, process::Command, time::Duration};

const ASKED_WITHIN: Duration = Duration::from_secs(60);
const APPEALABLE_WITHIN: Duration = Duration::from_secs(90);
const LOSSES_WITHIN: Duration = Duration::from_secs(30);
/// Opening takes two transactions, the second once the first is final.
const OPENED_WITHIN: Duration = Duration::from_secs(90);
const PERIOD: Duration = Duration::from_millis(500);

/// What the accused does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing, or it isn't asked.
    None,
    /// It opens the log of its training.
    Log,
    /// It gives the losses of this round, of its executor.
    Losses(u32),
}

/// A case to be opened.
#[derive(Clone, Debug)]
pub struct Case {
    /// For people.
    pub claim: &'static str,
    /// In which task.
    pub task: u32,
    /// As the command line calls it.
    pub kind: &'static str,
    /// Secret URI of who is accused.
    pub accused: &'static str,
    /// Secret URI of who accuses.
    pub challenger: &'static str,
    /// More arguments.
    pub arguments: String,
    /// What the accused does.
    pub answer: Answer,
    /// What should come of it.
    pub expected: Expected,
}

/// Where cases are brought to.
#[derive(Debug)]
pub struct Court<'a> {
    /// The chain.
    pub stage: &'a Stage,
    /// Its RPC.
    pub rpc: Rpc,
    /// The task of classifiers.
    pub digits: u32,
    /// The task of adapters.
    pub adapters: u32,
    /// The registered trainings.
    pub trainings: &'a Trainings<'a>,
    /// What people see.
    pub progress: &'a Progress,
    /// The executor's program.
    pub executor: PathBuf,
}

impl Court<'_> {
    /// Tells people.
    pub fn say(&self, line: impl AsRef<str>) {
        self.progress.say(line);
    }

    /// The root of a trainer's model in a settled round.
    pub fn model(&self, task: u32, round: u32, suri: &str) -> Result<String> {
        let result = self.rpc.result(task, round)?;
        let result =
            result.with_context(|| format!("round {round} of task {task} isn't settled"))?;
        let who = self.stage.address(suri)?;
        let model = result.models.into_iter().find(|model| model.trainer == who);
        let model = model.with_context(|| format!("no model of {suri} in round {round}"))?;
        Ok(model.manifest_root)
    }

    fn duplicate(
        &self,
        claim: &'static str,
        (task, accused): (u32, &'static str),
        (challenger, earlier): (&'static str, &str),
        expected: Expected,
    ) -> Result<Case> {
        let earlier = self.model(task, 1, earlier)?;
        Ok(Case {
            claim,
            task,
            kind: "duplicate",
            accused,
            challenger,
            arguments: format!("--earlier {earlier}"),
            answer: Answer::None,
            expected,
        })
    }

    fn learning(
        &self,
        claim: &'static str,
        (accused, challenger): (&'static str, &'static str),
        answer: Answer,
        expected: Expected,
    ) -> Case {
        Case {
            claim,
            task: self.digits,
            kind: "learning",
            accused,
            challenger,
            arguments: String::new(),
            answer,
            expected,
        }
    }

    /// The case against who made up its scores.
    pub fn liar(&self) -> Result<Case> {
        let model = self.model(self.digits, 1, HONEST)?;
        Ok(Case {
            claim: "a validator reveals scores that it made up",
            task: self.digits,
            kind: "score",
            accused: LIAR,
            challenger: HONEST,
            arguments: format!("--round 1 --model {model}"),
            answer: Answer::Losses(1),
            expected: Expected::Convicted,
        })
    }

    /// The case whose jury is bought.
    pub fn bought(&self) -> Result<Case> {
        let against = (self.digits, INNOCENT);
        let by = (BRIBER, HONEST);
        let claim = "a bought jury convicts a model that is no copy; an appeal";
        self.duplicate(claim, against, by, Expected::Overturned)
    }

    /// The case of one owner against itself.
    fn self_challenge(&self) -> Result<Case> {
        let against = (self.digits, SELF_ACCUSED);
        let by = (SELF_ACCUSER, HONEST);
        let claim = "a copy, accused by its own owner";
        self.duplicate(claim, against, by, Expected::Convicted)
    }

    /// All others of the challenge phase. Those of one list have a signer in common and come one
    /// after the other, as its transactions are counted.
    pub fn others(&self) -> Result<Vec<Vec<Case>>> {
        use Expected::{Acquitted, Convicted, Silenced};
        let honest = [
            self.learning(
                "an honest training",
                (HONEST, ACCUSER),
                Answer::Log,
                Acquitted,
            ),
            self.copy("a copy in other files", COPIER)?,
            self.copy("a copy with 10 % noise", BLURRER)?,
        ];
        let trainings = [
            self.learning(
                "a training without a log",
                (SILENT, SECOND_ACCUSER),
                Answer::None,
                Silenced,
            ),
            self.learning(
                "a log that ends with another model",
                (SPLICER, SECOND_ACCUSER),
                Answer::Log,
                Convicted,
            ),
        ];
        let adapter = self.duplicate(
            "an adapter by other factors",
            (self.adapters, GAUGER),
            (ADAPTER, ADAPTER),
            Convicted,
        )?;
        let mute = self.learning(
            "an honest training of which no mirror has a checkpoint",
            (MUTE, THIRD_ACCUSER),
            Answer::Log,
            Convicted,
        );
        Ok(vec![
            honest.into(),
            trainings.into(),
            vec![mute],
            vec![adapter],
            vec![self.mark()],
            vec![self.self_challenge()?],
        ])
    }

    fn copy(&self, claim: &'static str, accused: &'static str) -> Result<Case> {
        let against = (self.digits, accused);
        self.duplicate(claim, against, (HONEST, HONEST), Expected::Convicted)
    }

    fn mark(&self) -> Case {
        Case {
            claim: "a marked model with as much noise as weights",
            task: self.digits,
            kind: "watermark",
            accused: THIEF,
            challenger: MARKER,
            arguments: format!("--salt-file {}", self.trainings.mark().display()),
            answer: Answer::None,
            expected: Expected::Convicted,
        }
    }

    /// Opens a case; its number.
    pub fn open(&self, case: &Case) -> Result<u32> {
        let role = if case.kind == "score" {
            "validator"
        } else {
            "trainer"
        };
        let name = case.accused.trim_start_matches('/');
        let keep = format!("case-{}-{}-{name}.json", case.task, case.kind);
        let keep = self.stage.cluster.base.join(keep);
        let args = format!(
            "challenge {} --task {} --{role} {} {} --keep {} --suri {}",
            case.kind,
            case.task,
            self.stage.address(case.accused)?,
            case.arguments,
            keep.display(),
            case.challenger
        );
        let args = args.split_whitespace().map(Into::into).collect();
        let opened = self.stage.cluster.arena.run_args(args, OPENED_WITHIN)?;
        let id = number(&opened, "case")?;
        self.say(format!("case {id} is open: {}", case.claim));
        Ok(id)
    }

    /// Opens a case, and answers for the accused when it is asked. Whose answer fails is silent,
    /// which the case will show.
    pub fn open_and_answer(&self, case: &Case) -> Result<u32> {
        let id = self.open(case)?;
        if let Err(error) = self.answer(case, id) {
            self.say(format!(
                "case {id}: {} can't answer: {error:#}",
                case.accused
            ));
        }
        Ok(id)
    }

    fn answer(&self, case: &Case, id: u32) -> Result<()> {
        if case.answer != Answer::None {
            self.wait_for_phase(id, "responding", ASKED_WITHIN)?;
        }
        match case.answer {
            Answer::None => Ok(()),
            Answer::Log => self.trainings.respond(case.accused, id),
            Answer::Losses(round) => self.give_losses(case, id, round),
        }
    }

    fn wait_for_phase(&self, case: u32, phase: &str, within: Duration) -> Result<()> {
        let what = format!("case {case} to be {phase}");
        poll::every(PERIOD, &what, within, || {
            let shown = self
                .stage
                .cluster
                .arena
                .run(format!("challenge show --case {case}"))?;
            let found = shown.get("phase").and_then(Value::as_str);
            Ok((found == Some(phase)).then_some(()))
        })
    }

    /// The losses that the liar's executor kept: what it committed to is true, but for the sum.
    fn give_losses(&self, case: &Case, id: u32, round: u32) -> Result<()> {
        let arena = &self.stage.cluster.arena;
        let seed = arena.run(format!("round-seed --task {} --round {round}", case.task))?;
        let node = self.stage.seats.get(case.accused);
        let node = node.and_then(|node| self.stage.cluster.nodes.get(*node));
        let node = node.with_context(|| format!("{} has no node", case.accused))?;
        let model = self.model(case.task, round, HONEST)?;
        let base = &self.stage.cluster.base;
        let file = base.join(format!("losses-{id}.json"));
        let log = base.join("logs").join("losses.log");
        let mut command = Command::new(&self.executor);
        command
            .args(["losses", "--seed", &text(&seed, "sample_seed")?])
            .args(["--model", &model, "--base"])
            .arg(node.base.join("executor/jobs"));
        Process::spawn_with_output("arena-executor losses", &mut command, &log, &file)?
            .succeed(LOSSES_WITHIN)?;
        arena.run(format!(
            "challenge respond --case {id} --losses {} --suri {}",
            file.display(),
            case.accused
        ))?;
        Ok(())
    }

    /// Appeals for the accused once the first verdict is there.
    pub fn appeal(&self, case: u32, accused: &str) -> Result<()> {
        self.wait_for_phase(case, "appealable", APPEALABLE_WITHIN)?;
        let arena = &self.stage.cluster.arena;
        arena.run(format!("challenge appeal --case {case} --suri {accused}"))?;
        self.say(format!("case {case}: {accused} appeals"));
        Ok(())
    }

    /// What an owner has in all: its accounts' balances, and what they have earned in the task.
    pub fn owned(&self, suris: &[&str]) -> Result<u128> {
        let venue = serde_json::json!({"task": self.digits});
        suris.iter().try_fold(0u128, |sum, suri| {
            let address = self.stage.address(suri)?;
            let balance = self.stage.cluster.arena.run(format!("balance {address}"))?;
            let free: u128 = text(&balance, "free")?.parse()?;
            let held: u128 = text(&balance, "reserved")?.parse()?;
            let owed = self.rpc.owed_to_operator(&venue, address)?;
            [free, held, owed]
                .into_iter()
                .try_fold(sum, u128::checked_add)
                .context("too much")
        })
    }
}
