//! Recomputes settled rounds from the state before their settlement, and compares.

use crate::{
    chain::{self, At, Chain, api, fetch, id, number, result, task},
    ledger, out,
    out::Out,
    payouts::{Ledger, Pay},
    tasks, told, views,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_math::{
    Listed, RoundInput, RoundOutput,
    consensus::{Aggregation, Cap},
    rewards::{RankRule, ValidatorRule},
    settle,
};
use arena_primitives::{
    self as arena, AccountId, Hash, PERBILL, Role, Round, RoundModel, ScoreOutcome, ShardState,
    StakeSnapshot, TaskId, TaskSpec, Unpaid, Venue,
};
use serde::Serialize;
use sp_runtime::Perbill;
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Serialize)]
struct Verified {
    rounds: Vec<RoundVerified>,
    /// Pay of authors of blocks.
    authors: Comparison,
    /// What was claimed, and what is still owed.
    claims: Comparison,
    /// Sums since genesis; `null` unless all tasks were named.
    books: Option<Comparison>,
    /// Values that were compared.
    compared: usize,
    differences: usize,
}

/// One round.
#[derive(Serialize)]
struct RoundVerified {
    task: TaskId,
    round: u32,
    #[serde(flatten)]
    comparison: Comparison,
}

/// One value that differs.
#[derive(Clone, Debug, Serialize)]
struct Difference {
    what: String,
    stored: String,
    recomputed: String,
}

/// Values that were compared, and those that differ.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Comparison {
    compared: usize,
    /// Values that can't be computed from what the chain keeps.
    pub(crate) skipped: usize,
    differences: Vec<Difference>,
}

impl Comparison {
    /// How many values differ.
    pub(crate) fn differences(&self) -> usize {
        self.differences.len()
    }

    /// Compares one value.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(
        &mut self,
        what: impl FnOnce() -> String,
        stored: &T,
        recomputed: &T,
    ) {
        self.compared += 1;
        if stored != recomputed {
            self.differences.push(Difference {
                what: what(),
                stored: format!("{stored:?}"),
                recomputed: format!("{recomputed:?}"),
            });
        }
    }
}

impl Verified {
    fn parts(&self) -> Vec<(String, &Comparison)> {
        let rounds = self.rounds.iter().map(|round| {
            let name = format!("task {}, round {}", round.task, round.round);
            (name, &round.comparison)
        });
        let mut parts: Vec<_> = rounds.collect();
        parts.push(("authors of blocks".into(), &self.authors));
        parts.push(("claims, and what is owed".into(), &self.claims));
        parts.extend(
            self.books
                .as_ref()
                .map(|books| ("sums since genesis".into(), books)),
        );
        parts
    }
}

/// Verifies all settled rounds of tasks, how each pay was shared out and claimed, and what
/// authors of blocks were paid; an error if anything differs.
pub(crate) async fn verify(out: Out, chain: &Chain, ids: &[TaskId]) -> Result<()> {
    let at = settled_state(chain).await?;
    let last = number(&at);
    let all: BTreeSet<TaskId> = chain::tasks(&at)
        .await?
        .iter()
        .map(|task| task.id)
        .collect();
    let ids: BTreeSet<TaskId> = ids.iter().copied().collect();
    let told = told::told(chain, last).await?;
    let mut ledger = Ledger::default();
    let mut rounds = Vec::new();
    for id in &ids {
        let view = task(&at, *id).await?;
        let spec = tasks::spec(&at, *id).await?;
        // A task that was cancelled may have a round more than it knows of.
        for round in 1.. {
            let Some(stored) = result(&at, *id, round).await? else {
                ensure!(
                    Some(round) > view.last_settled,
                    "the result of round {round} of task {id} is no longer kept"
                );
                break;
            };
            let (mut comparison, pays) = round_of(chain, &spec, &stored).await?;
            ledger.round(&mut comparison, &told, &stored, pays)?;
            rounds.push(RoundVerified {
                task: *id,
                round,
                comparison,
            });
        }
    }
    let [mut authors, mut claims, mut books] = [(); 3].map(|()| Comparison::default());
    ledger.authors(&mut authors, chain, &told, last).await?;
    ledger.unexpected(&mut claims, &told);
    ledger.claims(&mut claims, chain, &told, last).await?;
    let stored = ledger::books(&at).await?;
    ledger.books(&mut books, &told, &stored);
    let mut verified = Verified {
        rounds,
        authors,
        claims,
        books: (ids == all).then_some(books),
        compared: 0,
        differences: 0,
    };
    let (mut compared, mut differences) = (0, 0);
    for (_, part) in verified.parts() {
        compared += part.compared;
        differences += part.differences();
    }
    (verified.compared, verified.differences) = (compared, differences);
    out.show(&verified, human)?;
    match verified.differences {
        0 => Ok(()),
        some => Err(anyhow!("{some} values differ from what the chain stored")),
    }
}

fn human(verified: &Verified) -> String {
    let mut table = out::table(["what", "compared", "differences", "skipped"]);
    let mut text = String::new();
    for (name, part) in verified.parts() {
        table.add_row([
            name.clone(),
            part.compared.to_string(),
            part.differences().to_string(),
            part.skipped.to_string(),
        ]);
        for difference in &part.differences {
            text += &format!(
                "{name}: {}: stored {}, recomputed {}\n",
                difference.what, difference.stored, difference.recomputed
            );
        }
    }
    let mark = if verified.differences == 0 {
        "✓"
    } else {
        "✗"
    };
    format!(
        "{table}\n{text}{mark} {} values, {} differences",
        verified.compared, verified.differences
    )
}

/// An operator, as a round counts it.
struct Counted {
    role: Role,
    stake: StakeSnapshot,
    commission: Perbill,
}

/// What a settlement is computed from.
struct Inputs {
    models: Vec<RoundModel>,
    trainer_stakes: Vec<u128>,
    validators: Vec<AccountId>,
    validator_stakes: Vec<u128>,
    counted: BTreeMap<AccountId, Counted>,
    revealed: Vec<bool>,
    listed: Vec<Vec<Option<Listed>>>,
    /// Whether there was data to score on.
    has_data: bool,
}

/// The last finalized state in which no round is half settled.
async fn settled_state(chain: &Chain) -> Result<At> {
    let mut at = chain.finalized().await?;
    while ledger::settling(&at).await?.is_some() {
        at = chain.at_number(number(&at).saturating_sub(1)).await?;
    }
    Ok(at)
}

/// Compares what a round stored, and returns what it pays.
async fn round_of(
    chain: &Chain,
    spec: &TaskSpec,
    stored: &views::Result,
) -> Result<(Comparison, Vec<Pay>)> {
    let (task, round) = (stored.task, stored.round);
    let mut before = stored.settled_at.saturating_sub(1);
    let mut at = chain.at_number(before).await?;
    // Of a settlement in several blocks all is read where the first of them found it.
    while ledger::settling(&at).await? == Some((task, round)) {
        before = before.saturating_sub(1);
        at = chain.at_number(before).await?;
    }
    let inputs = inputs(&at, spec, stored).await.with_context(|| {
        format!("can't read what round {round} of task {task} was settled from, in block {before}")
    })?;
    let output = compute(spec, &inputs, stored.drawn.0)
        .map_err(|why| anyhow!("round {round} can't be computed: {why:?}"))?;
    let mut comparison = Comparison::default();
    compare(&mut comparison, spec, &inputs, &output, stored);
    let pays = match unpaid(spec, &inputs, &output) {
        Some(_) => Vec::new(),
        None => pays(&inputs, &output, round),
    };
    Ok((comparison, pays))
}

fn pays(inputs: &Inputs, output: &RoundOutput, round: Round) -> Vec<Pay> {
    let trainers = inputs.models.iter().map(|model| &model.trainer);
    let trainers = trainers.zip(&output.trainer_payouts);
    let validators = inputs.validators.iter().zip(&output.validator_payouts);
    trainers
        .chain(validators)
        .filter_map(|(operator, amount)| {
            let counted = inputs.counted.get(operator)?;
            Some(Pay {
                round,
                operator: operator.clone(),
                role: counted.role,
                stake: counted.stake,
                commission: counted.commission,
                amount: *amount,
            })
        })
        .collect()
}

async fn inputs(at: &At, spec: &TaskSpec, stored: &views::Result) -> Result<Inputs> {
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
    let (mut revealed, mut listed) = (Vec::new(), Vec::new());
    for validator in &validators {
        let key = (task, round, id(validator));
        let reveal: Option<(Vec<Option<ScoreOutcome>>, Hash)> =
            fetch(at, api::storage().arena_scoring().reveals(), key).await?;
        revealed.push(reveal.is_some());
        let outcomes = reveal.map(|(outcomes, _)| outcomes).unwrap_or_default();
        listed.push(row(spec, outcomes, models.len()));
    }
    Ok(Inputs {
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

fn compute(
    spec: &TaskSpec,
    inputs: &Inputs,
    reward: u128,
) -> Result<RoundOutput, arena_math::MathError> {
    let params = &spec.rewards;
    settle(&RoundInput {
        reward,
        gamma: params.gamma.deconstruct(),
        q: params.q.deconstruct(),
        rank_rule: match params.rank {
            arena::RankRule::ByStake { depth } => RankRule::ByStake {
                depth: depth.into(),
            },
            arena::RankRule::ByHead { alpha_milli } => RankRule::ByHead {
                alpha_q32: arena::milli_q32(alpha_milli),
            },
        },
        validator_rule: ValidatorRule {
            alpha_q32: arena::milli_q32(params.alpha_v_milli),
            lambda_q32: arena::milli_q32(params.lambda_milli),
            band: params.band.deconstruct(),
        },
        committee: params.committee.into(),
        cap: match params.cap {
            arena::WeightCap::None => Cap::None,
            arena::WeightCap::Seats(seats) => Cap::Seats(seats.into()),
            arena::WeightCap::Percentile(percent) => Cap::Percentile(percent),
        },
        aggregation: match params.aggregation {
            arena::Aggregation::Median => Aggregation::Median,
            arena::Aggregation::Mean => Aggregation::Mean,
        },
        min_scorers: params.min_scorers.into(),
        baseline: spec.baseline.deconstruct(),
        trainer_stakes: &inputs.trainer_stakes,
        validator_stakes: &inputs.validator_stakes,
        listed: &inputs.listed,
    })
}

fn compare(
    comparison: &mut Comparison,
    spec: &TaskSpec,
    inputs: &Inputs,
    output: &RoundOutput,
    stored: &views::Result,
) {
    let unpaid = unpaid(spec, inputs, output);
    comparison.equal(|| "unpaid".into(), &stored.unpaid, &unpaid);
    let paid = |amount: Option<&u128>| match unpaid {
        Some(_) => 0,
        None => amount.copied().unwrap_or(0),
    };
    compare_models(comparison, inputs, output, stored, paid);
    compare_validators(comparison, inputs, output, stored, paid);
    let all = output
        .trainer_payouts
        .iter()
        .chain(&output.validator_payouts);
    let spent = all.fold(0u128, |sum, amount| sum.saturating_add(paid(Some(amount))));
    let treasury = stored.drawn.0.saturating_sub(spent);
    comparison.equal(|| "treasury".into(), &stored.treasury.0, &treasury);
}

fn compare_models(
    comparison: &mut Comparison,
    inputs: &Inputs,
    output: &RoundOutput,
    stored: &views::Result,
    paid: impl Fn(Option<&u128>) -> u128,
) {
    let models = stored.models.iter();
    let names: Vec<(&AccountId, Hash)> = models
        .map(|model| (&model.trainer, model.manifest_root))
        .collect();
    let models = inputs.models.iter();
    let expected: Vec<(&AccountId, Hash)> = models
        .map(|model| (&model.trainer, model.manifest_root))
        .collect();
    comparison.equal(|| "models".into(), &names, &expected);
    for (index, model) in stored.models.iter().enumerate() {
        let name = |what: &str| format!("{what} of trainer {}", model.trainer);
        let consensus = output.consensus_q64.get(index).copied().flatten();
        comparison.equal(|| name("score"), &model.score, &consensus.and_then(perbill));
        let rank = output.ranks.get(index).copied().flatten();
        comparison.equal(|| name("rank"), &model.rank, &rank);
        let payout = paid(output.trainer_payouts.get(index));
        comparison.equal(|| name("payout"), &model.reward.0, &payout);
    }
}

fn compare_validators(
    comparison: &mut Comparison,
    inputs: &Inputs,
    output: &RoundOutput,
    stored: &views::Result,
    paid: impl Fn(Option<&u128>) -> u128,
) {
    let revealed: Vec<usize> = (0..inputs.validators.len())
        .filter(|index| inputs.revealed.get(*index) == Some(&true))
        .collect();
    let names: Vec<&AccountId> = stored.validators.iter().map(|row| &row.account).collect();
    let expected: Vec<&AccountId> = revealed
        .iter()
        .filter_map(|index| inputs.validators.get(*index))
        .collect();
    comparison.equal(|| "validators".into(), &names, &expected);
    for (row, index) in stored.validators.iter().zip(&revealed) {
        let name = |what: &str| format!("{what} of validator {}", row.account);
        let distance = output.mean_distance.get(*index).copied().flatten();
        comparison.equal(|| name("distance"), &row.distance, &distance);
        let payout = paid(output.validator_payouts.get(*index));
        comparison.equal(|| name("payout"), &row.reward.0, &payout);
    }
}

/// A Q64 fraction that was rounded down, in Perbill, as results store it.
fn perbill(q64: u128) -> Option<u32> {
    let parts = q64.saturating_add(1).saturating_mul(u128::from(PERBILL)) >> 64;
    u32::try_from(parts).ok()
}

fn unpaid(spec: &TaskSpec, inputs: &Inputs, output: &RoundOutput) -> Option<Unpaid> {
    if !inputs.has_data {
        return Some(Unpaid::NoData);
    }
    if inputs.validator_stakes.iter().all(|stake| *stake == 0) {
        return Some(Unpaid::NoValidators);
    }
    if inputs.models.is_empty() {
        return Some(Unpaid::TooFewModels);
    }
    if !output.quorum.contains(&true) {
        return Some(Unpaid::NoQuorum);
    }
    let ranked = output.ranks.iter().flatten().count();
    (ranked < usize::from(spec.rewards.min_trainers)).then_some(Unpaid::TooFewModels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{amount::Amount, template};

    fn inputs() -> Inputs {
        let account = |byte| AccountId::from([byte; 32]);
        let model = |byte| RoundModel {
            trainer: account(byte),
            manifest_root: Hash::zero(),
        };
        let row = |a, b| vec![Some(Listed::Scored(a)), Some(Listed::Scored(b))];
        Inputs {
            models: vec![model(1), model(2)],
            trainer_stakes: vec![100, 200],
            validators: vec![account(3), account(4), account(5)],
            validator_stakes: vec![50, 60, 70],
            counted: BTreeMap::new(),
            revealed: vec![true, true, false],
            listed: vec![
                row(900_000_000, 700_000_000),
                row(900_000_000, 710_000_000),
                vec![None, None],
            ],
            has_data: true,
        }
    }

    fn stored(inputs: &Inputs, output: &RoundOutput, drawn: u128) -> views::Result {
        let spent: u128 = output
            .trainer_payouts
            .iter()
            .chain(&output.validator_payouts)
            .sum();
        views::Result {
            task: 1,
            round: 1,
            settled_at: 10,
            drawn: Amount(drawn),
            treasury: Amount(drawn - spent),
            unpaid: None,
            models: (0..2)
                .map(|i| views::Model {
                    trainer: inputs.models[i].trainer.clone(),
                    manifest_root: Hash::zero(),
                    status: arena::ModelStatus::Scored,
                    raw: None,
                    score: output.consensus_q64[i].and_then(perbill),
                    rank: output.ranks[i],
                    reward: Amount(output.trainer_payouts[i]),
                })
                .collect(),
            validators: (0..2)
                .map(|i| views::Validator {
                    account: inputs.validators[i].clone(),
                    distance: output.mean_distance[i],
                    reward: Amount(output.validator_payouts[i]),
                })
                .collect(),
        }
    }

    #[test]
    fn compare_should_find_every_changed_value_and_nothing_else() {
        let mut json = template::template(template::Preset::Default, template::Kind::Digits);
        json.name = "x".into();
        let spec = json.into_spec(std::path::Path::new(".")).unwrap();
        let inputs = inputs();
        let output = compute(&spec, &inputs, 1_000_000).unwrap();
        let good = stored(&inputs, &output, 1_000_000);
        let differences = |stored: &views::Result| {
            let mut comparison = Comparison::default();
            compare(&mut comparison, &spec, &inputs, &output, stored);
            comparison.differences
        };
        assert!(differences(&good).is_empty(), "{:?}", differences(&good));
        type Change = fn(&mut views::Result);
        let changes: [Change; 6] = [
            |r| r.models[0].reward.0 += 1,
            |r| r.models[1].rank = None,
            |r| r.models[1].score = Some(1),
            |r| r.validators[0].reward.0 -= 1,
            |r| r.validators[1].distance = None,
            |r| r.treasury.0 += 1,
        ];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(differences(&bad).len(), 1);
        }
    }
}
