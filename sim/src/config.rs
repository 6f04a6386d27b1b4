//! What is played: the chain, its people, and the attacks, all from one file.

use crate::attack::Attack;
use anyhow::{Context, Result, ensure};
use arena_primitives::{Aggregation, RankRule, RewardParams, time::Windows};
use serde::Deserialize;
use std::path::Path;

/// Most rounds of one task, with room for the last.
const MAX_ROUNDS: u32 = arena_primitives::spec::MAX_ROUNDS;

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Each attack is played with each of them.
    pub seeds: Vec<u64>,
    /// Submission rounds of a task.
    pub rounds: u32,
    /// The chain.
    pub chain: Chain,
    /// Reward parameters of the task that everybody plays in; parts are of 1,000,000,000.
    pub rewards: RewardParams,
    /// Who plays.
    pub people: People,
    /// What they train and measure.
    pub models: Models,
    /// What is played.
    pub scenario: Vec<Scenario>,
}

/// Genesis is the preset `production` with these values in place of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Blocks in a day; a round lasts a day.
    pub blocks_per_day: u32,
    /// Blocks of a day in production, for what an author earns with one.
    pub production_blocks_per_day: u32,
    /// Windows of a round, in blocks.
    pub windows: Windows,
    /// Of a task.
    pub seats_trainers: u32,
    /// Of a task.
    pub seats_validators: u32,
}

/// Honest people of the task, and the law of their stakes: log-normal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// How many trainers.
    pub trainers: u32,
    /// How many validators.
    pub validators: u32,
    /// How many delegators; each backs one validator.
    pub delegators: u32,
    /// What each of them delegates, in tokens.
    pub delegation: u32,
    /// The middle of trainers' stakes, in tokens.
    pub trainer_stake: u32,
    /// The middle of validators' stakes, in tokens.
    pub validator_stake: u32,
    /// Deviation of the stakes' logarithm.
    pub spread: f64,
}

/// Accuracy of models, and how well it is measured; parts of one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Least accuracy of a trainer's first model.
    pub from: f64,
    /// Largest.
    pub to: f64,
    /// The same of the attackers' trainer, where they have one.
    pub theirs: f64,
    /// What a trainer's models gain over the task.
    pub improvement: f64,
    /// Rounds after which they have gained 63 % of it.
    pub pace: f64,
    /// Deviation of a new model from its trainer's path.
    pub luck: f64,
    /// Rounds from one submission of a trainer to its next.
    pub submit_every: u32,
    /// Deviation by the round's samples; the same for all validators.
    pub sample_noise: f64,
    /// Deviation by the validator's machine.
    pub own_noise: f64,
}

/// One row of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// For `--only`.
    pub name: String,
    /// For the table.
    pub title: String,
    /// What is played against honest play.
    pub attack: Attack,
    /// What of the task differs from the file's, in both plays.
    #[serde(default)]
    pub change: Change,
}

/// What of a task differs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// How trainers share.
    pub rank: Option<RankRule>,
    /// How scores become one.
    pub aggregation: Option<Aggregation>,
    /// Validators that score a model.
    pub committee: Option<u16>,
    /// Seats of validators.
    pub seats_validators: Option<u32>,
}

impl Config {
    /// Reads a file and checks it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: can't be read", path.display()))?;
        Self::parse(&text).with_context(|| {
            let path = path.display();
            format!("{path} is refused; correct it, or begin again from sim/attacks.toml")
        })
    }

    /// Takes a file's text and checks it.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// Names the first value that can't be played.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.seeds.is_empty(), "seeds: name at least one");
        ensure!(
            (1..=MAX_ROUNDS).contains(&self.rounds),
            "rounds: from 1 to {MAX_ROUNDS}, which is the most of one task"
        );
        self.chain.check()?;
        self.people.check()?;
        self.models.check()?;
        ensure!(!self.scenario.is_empty(), "scenario: name at least one");
        for (i, scenario) in self.scenario.iter().enumerate() {
            let name = &scenario.name;
            ensure!(!name.is_empty(), "scenario {}: name is empty", i + 1);
            let twice = self.scenario.iter().skip(i + 1).any(|s| s.name == *name);
            ensure!(!twice, "scenario {name}: two have this name");
            let checked = scenario.attack.check();
            checked.with_context(|| format!("scenario {name}"))?;
        }
        Ok(())
    }

    /// Keeps only the scenarios of these names; all where there are none.
    pub fn only(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            let known = self.scenario.iter().any(|s| s.name == *name);
            let all: Vec<_> = self.scenario.iter().map(|s| s.name.as_str()).collect();
            ensure!(
                known,
                "no scenario is called {name}; there are: {}",
                all.join(", ")
            );
        }
        if !names.is_empty() {
            self.scenario.retain(|s| names.contains(&s.name));
        }
        Ok(())
    }

    /// Reward parameters and seats with what a scenario changes.
    #[must_use]
    pub fn with_change(&self, change: &Change) -> Self {
        let mut config = self.clone();
        let rewards = &mut config.rewards;
        rewards.rank = change.rank.unwrap_or(rewards.rank);
        rewards.aggregation = change.aggregation.unwrap_or(rewards.aggregation);
        rewards.committee = change.committee.unwrap_or(rewards.committee);
        let seats = &mut config.chain.seats_validators;
        *seats = change.seats_validators.unwrap_or(*seats);
        config
    }
}

impl Chain {
    fn check(&self) -> Result<()> {
        let (day, windows) = (self.blocks_per_day, self.windows.total());
        ensure!(
            windows <= day,
            "chain: the windows' {windows} blocks don't fit blocks_per_day = {day}"
        );
        ensure!(
            self.production_blocks_per_day > 0,
            "chain.production_blocks_per_day: above 0"
        );
        Ok(())
    }
}

impl People {
    fn check(&self) -> Result<()> {
        ensure!(self.trainers > 0, "people.trainers: above 0");
        ensure!(self.validators > 0, "people.validators: above 0");
        ensure!(
            self.delegators <= self.validators,
            "people.delegators: at most one for each validator"
        );
        ensure!(
            (0.0..=2.0).contains(&self.spread),
            "people.spread: from 0 to 2"
        );
        Ok(())
    }
}

impl Models {
    fn check(&self) -> Result<()> {
        ensure!(
            0.0 < self.from && self.from <= self.to && self.to + self.improvement < 1.0,
            "models: 0 < from <= to, and to + improvement < 1"
        );
        ensure!(
            0.0 < self.theirs && self.theirs + self.improvement < 1.0,
            "models.theirs: above 0, and with improvement below 1"
        );
        ensure!(self.pace > 0.0, "models.pace: above 0");
        ensure!(self.submit_every > 0, "models.submit_every: above 0");
        for (name, noise) in [
            ("luck", self.luck),
            ("sample_noise", self.sample_noise),
            ("own_noise", self.own_noise),
        ] {
            ensure!((0.0..0.1).contains(&noise), "models.{name}: from 0 to 0.1");
        }
        Ok(())
    }
}
