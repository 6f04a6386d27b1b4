//! One task's rounds, as its trainers and validators play them.

use crate::{
    cast::{Cast, Habit, Side, Trainer, Validator},
    chain::{call, stake, uris},
    chance::Chance,
    config::Config,
    habits::View,
};
use anyhow::{Context, Result};
use arena_primitives::{
    AccountId, BlockNumber, EarlierSketches, PERBILL, Role, Round, RoundResult, ScoreEntries,
    ScoreEntry, TaskId, Venue,
    hash::{Domain, hash},
    submission_commitment,
    time::{RoundPhase, Schedule},
    traits::Rounds,
};
use arena_runtime::{ArenaScoring, ArenaTasks, Runtime};
use pallet_arena_scoring::scores_commitment;
use sp_core::H256;
use std::collections::BTreeMap;

/// Secret of every commitment: here nobody guesses.
const NONCE: H256 = H256::repeat_byte(9);
/// Root of losses, which the chain doesn't look into.
const SAMPLES_ROOT: H256 = H256::repeat_byte(1);

/// A task, and what its people remember.
pub(crate) struct Play<'a> {
    pub(crate) task: TaskId,
    config: &'a Config,
    chance: &'a Chance,
    trainers: Vec<&'a Trainer>,
    validators: Vec<&'a Validator>,
    /// How far each live round was played.
    seen: BTreeMap<Round, RoundPhase>,
    /// Of each model the trainer, by index, and the round that it was made for.
    models: BTreeMap<H256, (usize, Round)>,
    /// What is to be revealed, by round.
    reveals: BTreeMap<Round, Vec<(AccountId, ScoreEntries)>>,
    /// Consensus of the last settled round.
    last: BTreeMap<AccountId, u64>,
    pub(crate) results: Vec<RoundResult>,
}

impl<'a> Play<'a> {
    pub(crate) fn new(
        task: TaskId,
        stage: usize,
        config: &'a Config,
        cast: &'a Cast,
        chance: &'a Chance,
    ) -> Self {
        let trainers = cast.trainers.iter().filter(|t| t.operator.stage == stage);
        let validators = cast.validators.iter().filter(|v| v.operator.stage == stage);
        Play {
            task,
            config,
            chance,
            trainers: trainers.collect(),
            validators: validators.collect(),
            seen: BTreeMap::new(),
            models: BTreeMap::new(),
            reveals: BTreeMap::new(),
            last: BTreeMap::new(),
            results: Vec::new(),
        }
    }

    /// Everything that is due after block `now`'s hooks.
    pub(crate) fn act(&mut self, now: BlockNumber) -> Result<()> {
        let task = pallet_arena_tasks::Tasks::<Runtime>::get(self.task).context("a task")?;
        for live in task.live() {
            let phase = live.schedule.phase(now);
            self.jump(&live.schedule, now)?;
            let before = self.seen.insert(live.round, phase);
            if before == Some(phase) || live.round == 0 {
                continue;
            }
            match phase {
                RoundPhase::Submissions if live.round <= self.config.rounds => {
                    self.submit(live.round)?;
                }
                RoundPhase::Publish => self.publish(live.round)?,
                RoundPhase::Commit => self.commit(live.round)?,
                RoundPhase::Reveal => self.reveal(live.round)?,
                _ => {}
            }
        }
        self.note_settled(task.settled)
    }

    fn root(&self, trainer: &Trainer, round: Round) -> H256 {
        hash(
            Domain::Submission,
            &(self.task, trainer.operator.name, round),
        )
    }

    fn submitting(&self, round: Round) -> Vec<(usize, &'a Trainer)> {
        let trainers = self.trainers.iter().copied().enumerate();
        trainers
            .filter(|(_, trainer)| trainer.submits(&self.config.models, round))
            .collect()
    }

    fn submit(&mut self, round: Round) -> Result<()> {
        for (index, trainer) in self.submitting(round) {
            let who = &trainer.operator.account;
            let root = self.root(trainer, round);
            let commitment = submission_commitment(who, root, NONCE);
            let task = self.task;
            call(who, pallet_arena_tasks::Call::submit { task, commitment })?;
            self.models.insert(root, (index, round));
        }
        Ok(())
    }

    fn publish(&mut self, round: Round) -> Result<()> {
        if round > self.config.rounds {
            return Ok(());
        }
        for (_, trainer) in self.submitting(round) {
            let publish = pallet_arena_tasks::Call::publish {
                task: self.task,
                manifest_root: self.root(trainer, round),
                uris: uris()?,
                nonce: NONCE,
            };
            call(&trainer.operator.service, publish)?;
        }
        Ok(())
    }

    fn view(&self, round: Round) -> Result<View<'_>> {
        let (models, chance) = (&self.config.models, self.chance);
        let is_final = round > self.config.rounds;
        let mut truths = BTreeMap::new();
        for model in ArenaTasks::models(self.task, round) {
            let known = self.models.get(&model.manifest_root);
            let (index, made) = *known.context("a model that nobody submitted")?;
            let trainer = *self.trainers.get(index).context("a trainer")?;
            let truth = trainer.accuracy(models, chance, made, round, is_final);
            truths.insert(model.trainer, (trainer, truth));
        }
        Ok(View {
            chance,
            round,
            own_noise: models.own_noise,
            truths,
            last: &self.last,
            guess: f64::midpoint(models.from, models.to),
        })
    }

    fn commit(&mut self, round: Round) -> Result<()> {
        let task = self.task;
        let view = self.view(round)?;
        let mut reveals = Vec::new();
        for validator in &self.validators {
            let (who, key) = (&validator.operator.account, &validator.operator.service);
            let drawn = ArenaScoring::drawn(task, round, who);
            if drawn.is_empty() {
                continue;
            }
            let entries = drawn
                .into_iter()
                .map(|(trainer, manifest_root)| ScoreEntry {
                    manifest_root,
                    outcome: view.report(validator, &trainer),
                    sketch: None,
                });
            let entries = ScoreEntries::truncate_from(entries.collect());
            let commitment = scores_commitment(
                who,
                task,
                round,
                &entries,
                &EarlierSketches::default(),
                SAMPLES_ROOT,
                NONCE,
            );
            let commit = pallet_arena_scoring::Call::commit_scores {
                task,
                round,
                commitment,
            };
            call(key, commit)?;
            if view.reveals(validator) {
                reveals.push((key.clone(), entries));
            }
        }
        self.reveals.insert(round, reveals);
        Ok(())
    }

    fn reveal(&mut self, round: Round) -> Result<()> {
        for (key, entries) in self.reveals.remove(&round).unwrap_or_default() {
            let reveal = pallet_arena_scoring::Call::reveal_scores {
                task: self.task,
                round,
                entries,
                earlier: EarlierSketches::default(),
                samples_root: SAMPLES_ROOT,
                nonce: NONCE,
            };
            call(&key, reveal)?;
        }
        Ok(())
    }

    /// Who jumps has no stake in the task but for the rounds that count it.
    fn jump(&self, schedule: &Schedule, now: BlockNumber) -> Result<()> {
        let jumpers = self.validators.iter().filter(|v| v.habit == Habit::Jump);
        for operator in jumpers.map(|validator| &validator.operator) {
            let who = &operator.account;
            let venue = Venue::Task(self.task);
            let position = pallet_arena_staking::Positions::<Runtime>::get(venue, who);
            let own = position.map_or(0, |position| position.own);
            if now == schedule.opens && own > 0 {
                let amount = own;
                call(who, pallet_arena_staking::Call::decrease { venue, amount })?;
            } else if now + 1 == schedule.closes && own == 0 {
                // Refused until its stake has unbonded.
                let withdrawn = call(who, pallet_arena_staking::Call::withdraw {});
                if withdrawn.is_ok() {
                    stake(self.task, Role::Validator, who, operator.own)?;
                }
            }
        }
        Ok(())
    }

    fn note_settled(&mut self, settled: Option<Round>) -> Result<()> {
        let round = u32::try_from(self.results.len() + 1)?;
        if settled.is_none_or(|settled| settled < round) {
            return Ok(());
        }
        let result = pallet_arena_scoring::RoundResults::<Runtime>::get(self.task, round);
        let result = result.context("a settled round has a result")?;
        let raws = result.models.iter();
        self.last = raws
            .filter_map(|model| Some((model.trainer.clone(), model.raw?.min(PERBILL))))
            .collect();
        self.results.push(result);
        self.seen.remove(&round);
        Ok(())
    }

    /// Validators of the attackers in this task.
    pub(crate) fn theirs(&self) -> Vec<AccountId> {
        let validators = self.validators.iter();
        let theirs = validators.filter(|v| v.operator.side == Side::Attacker);
        theirs.map(|v| v.operator.account.clone()).collect()
    }
}
