//! What a settlement is computed from, as the state before it has it.

use super::likeness::{Revealed, Sketches};
use crate::{
    chain::{At, api, fetch, id, number, task},
    ledger, views,
};
use anyhow::Result;
use arena_math::Listed;
use arena_primitives::{
    AccountId, Hash, LikenessRule, Role, Round, RoundModel, ScoreOutcome, ShardState,
    StakeSnapshot, TaskId, TaskSpec, Venue,
};
use sp_runtime::Perbill;
use std::collections::BTreeMap;

/// An operator, as a round counts it.
pub(super) struct Counted {
    /// What it does.
    pub(super) role: Role,
    /// What counts of it.
    pub(super) stake: StakeSnapshot,
    /// What it takes of its delegators' part.
    pub(super) commission: Perbill,
}

/// What a settlement is computed from.
pub(super) struct Inputs {
    /// The models in the round's order.
    pub(super) models: Vec<RoundModel>,
    /// Counted stake behind each of them.
    pub(super) trainer_stakes: Vec<u128>,
    /// The validators, ordered by account.
    pub(super) validators: Vec<AccountId>,
    /// Counted stake of each of them.
    pub(super) validator_stakes: Vec<u128>,
    /// All operators of the round.
    pub(super) counted: BTreeMap<AccountId, Counted>,
    /// Whether each validator revealed.
    pub(super) revealed: Vec<bool>,
    /// What each validator revealed of each model.
    pub(super) listed: Vec<Vec<Option<Listed>>>,
    /// What is known of sketches, where the task asks for them.
    pub(super) sketches: Option<Sketches>,
    /// Whether there was data to score on.
    pub(super) has_data: bool,
}

/// Reads what a round was settled from, in the state before.
pub(super) async fn inputs(at: &At, spec: &TaskSpec, stored: &views::Result) -> Result<Inputs> {
    let (task, round) = (stored.task, stored.round);
    let leverage = spec.rewards.max_leverage;
    let begins = number(at).saturating_add(1);
    let counted: BTreeMap<AccountId, Counted> = ledger::positions(at, Venue::Task(task))
        .await?
        .into_iter()
        .filter_map(|(who, position)| {
            let counted = Counted {
                role: position.role,
                stake: position.counted_in(round)?,
                commission: position.commission_at(begins),
            };
            Some((who, counted))
        })
        .collect();
    let of_role = |role: Role| {
        let counted = counted.iter().filter(move |(_, row)| row.role == role);
        counted.map(move |(who, row)| (who.clone(), row.stake.counted(leverage)))
    };
    let trainers: BTreeMap<AccountId, u128> = of_role(Role::Trainer).collect();
    let (validators, validator_stakes): (Vec<_>, Vec<_>) = of_role(Role::Validator).unzip();
    let models = models(at, task, round, trainers.keys()).await?;
    let trainer_stakes = models
        .iter()
        .map(|model| trainers.get(&model.trainer).copied().unwrap_or_default())
        .collect();
    let reveals = reveals(at, task, round, &validators).await?;
    let revealed = reveals.iter().map(Option::is_some).collect();
    let listed = reveals
        .into_iter()
        .map(|outcomes| row(spec, outcomes.unwrap_or_default(), models.len()))
        .collect();
    let sketches = match spec.likeness {
        Some(rule) => Some(sketches(at, (task, round), rule, &models, &validators).await?),
        None => None,
    };
    Ok(Inputs {
        sketches,
        models,
        trainer_stakes,
        validators,
        validator_stakes,
        counted,
        revealed,
        listed,
        has_data: has_data(at, task, round).await?,
    })
}

/// What validators revealed of the round's models.
async fn reveals(
    at: &At,
    task: TaskId,
    round: Round,
    validators: &[AccountId],
) -> Result<Vec<Option<Vec<Option<ScoreOutcome>>>>> {
    let mut all = Vec::with_capacity(validators.len());
    for validator in validators {
        let key = (task, round, id(validator));
        let reveal: Option<(Vec<Option<ScoreOutcome>>, Hash)> =
            fetch(at, api::storage().arena_scoring().reveals(), key).await?;
        all.push(reveal.map(|(outcomes, _)| outcomes));
    }
    Ok(all)
}

async fn sketches(
    at: &At,
    (task, round): (TaskId, Round),
    rule: LikenessRule,
    models: &[RoundModel],
    validators: &[AccountId],
) -> Result<Sketches> {
    let committed = async |root: Hash| -> Result<_> {
        let owner = ledger::owner(at, task, root).await?;
        Ok(owner.map(|owner| owner.committed_at))
    };
    let mut sketches = Sketches {
        rule,
        committed: Vec::with_capacity(models.len()),
        earlier: Vec::new(),
        revealed: Vec::with_capacity(validators.len()),
    };
    for model in models {
        sketches
            .committed
            .push(committed(model.manifest_root).await?);
    }
    let seed = ledger::seed(at, task, round).await?;
    for model in seed.map(|seed| seed.earlier).unwrap_or_default() {
        let block = committed(model.manifest_root).await?;
        sketches.earlier.push((model, block));
    }
    for validator in validators {
        let key = (task, round, id(validator));
        let revealed: Option<Revealed> =
            fetch(at, api::storage().arena_scoring().sketches(), key).await?;
        sketches.revealed.push(revealed);
    }
    Ok(sketches)
}

/// Whether the round's shard, if it has one, came in time. One without models needs none.
async fn has_data(at: &At, id: TaskId, round: Round) -> Result<bool> {
    let view = task(at, id).await?;
    let live = view.live.iter().find(|live| live.round == round);
    Ok(live.is_none_or(|live| live.shard != ShardState::Missed))
}

/// The models that a round counts: those that were fixed, or those that stood if nothing fixed
/// them in time.
async fn models(
    at: &At,
    task: TaskId,
    round: u32,
    trainers: impl Iterator<Item = &AccountId>,
) -> Result<Vec<RoundModel>> {
    let fixed: Option<Vec<RoundModel>> =
        fetch(at, api::storage().arena_tasks().fixed(), (task, round)).await?;
    if let Some(fixed) = fixed {
        return Ok(fixed);
    }
    let mut standing = Vec::new();
    for trainer in trainers {
        let root = ledger::standing(at, task, trainer)
            .await?
            .and_then(|s| s.of_round(round));
        standing.extend(root.map(|manifest_root| RoundModel {
            trainer: trainer.clone(),
            manifest_root,
        }));
    }
    Ok(standing)
}

fn row(spec: &TaskSpec, reveal: Vec<Option<ScoreOutcome>>, models: usize) -> Vec<Option<Listed>> {
    let mut row: Vec<Option<Listed>> = reveal
        .into_iter()
        .map(|outcome| {
            outcome.map(|outcome| match outcome {
                ScoreOutcome::Scored(raw) => Listed::Scored(spec.score(raw).deconstruct()),
                ScoreOutcome::Invalid(_) => Listed::Invalid,
                ScoreOutcome::Skipped(_) => Listed::Skipped,
            })
        })
        .collect();
    row.resize(models, None);
    row
}
