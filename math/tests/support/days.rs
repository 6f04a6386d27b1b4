//! `task_days`: the paper's mechanism, ranked by head, without draw or quorum.

use super::number::{
    Check, Res, each, fraction, get, int, int32, ints, list, opt, q32, rest, text, total,
};
use arena_math::{
    consensus::{Aggregation, Consensus, Row},
    rewards::{self, ValidatorRule, pool_split, rank_by_head, submission_pot, validator_payouts},
};
use num_bigint::BigInt;
use serde_json::Value;

/// Shares are compared on a pool so large that rounding down does not show.
const BIG: u128 = 1 << 120;

struct Day {
    reward: u128,
    gamma: u32,
    q_q64: u128,
    alpha_t_q32: u64,
    rule: ValidatorRule,
    aggregation: Aggregation,
    min_score: Option<u32>,
    trainers: Vec<u128>,
    validators: Vec<u128>,
    /// By validator, then by submission.
    scores: Vec<Vec<Option<u32>>>,
}

fn place(number: u128) -> Res<usize> {
    usize::try_from(number).map_err(message)
}

fn message(error: impl ToString) -> String {
    error.to_string()
}

impl Day {
    /// `None` for an aggregation that the crate does not have.
    fn read(input: &Value) -> Res<Option<Self>> {
        let aggregation = match text(get(input, "aggregation")?)? {
            "mean" => Aggregation::Mean,
            "median" => Aggregation::Median,
            "trim10" => return Ok(None),
            other => return Err(format!("unknown aggregation `{other}`")),
        };
        let scores = list(get(input, "scores_perbill_by_validator")?)?.iter();
        let scores = scores.map(|row| list(row)?.iter().map(|score| opt(score, int32)).collect());
        let min_score = opt(get(input, "min_score_exclusive")?, |value| {
            fraction(value)?.perbill()
        })?;
        let rule = ValidatorRule {
            alpha_q32: q32(get(input, "alpha_v")?)?,
            lambda_q32: q32(get(input, "lambda_v")?)?,
            band: 0,
        };
        let day = Self {
            reward: int(get(input, "R0")?)?,
            gamma: fraction(get(input, "gamma")?)?.perbill()?,
            q_q64: fraction(get(input, "q")?)?.scaled(64)?,
            alpha_t_q32: q32(get(input, "alpha_t")?)?,
            rule,
            aggregation,
            min_score,
            trainers: ints(get(input, "trainer_stakes")?)?,
            validators: ints(get(input, "validator_stakes")?)?,
            scores: scores.collect::<Res<_>>()?,
        };
        let width = day.trainers.len();
        let fits = day.scores.len() == day.validators.len()
            && day.scores.iter().all(|row| row.len() == width);
        if fits {
            Ok(Some(day))
        } else {
            Err("the score table does not fit the stakes".into())
        }
    }

    /// The rows of submission `index`, and their validators.
    fn column(&self, index: usize) -> (Vec<usize>, Vec<Row>) {
        let table = self.scores.iter().zip(&self.validators).enumerate();
        let rows = table.filter_map(|(validator, (row, weight))| {
            let score = row.get(index).copied().flatten()?;
            Some((
                validator,
                Row {
                    score,
                    weight: *weight,
                },
            ))
        });
        rows.filter(|(_, row)| row.weight > 0).unzip()
    }

    fn consensus(&self) -> Res<Vec<Option<Consensus>>> {
        let columns =
            (0..self.trainers.len()).map(|index| self.aggregation.of(&self.column(index).1));
        columns.collect::<Result<_, _>>().map_err(message)
    }

    fn keys(&self, consensus: &[Option<Consensus>]) -> Vec<Option<Consensus>> {
        let enough = |score: &Consensus| self.min_score.is_none_or(|bound| score.exceeds(bound));
        consensus.iter().map(|score| score.filter(enough)).collect()
    }

    fn pay_trainers(&self, keys: &[Option<Consensus>], pool: u128) -> Res<Vec<u128>> {
        rank_by_head(keys, &self.trainers, self.q_q64, self.alpha_t_q32, pool).map_err(message)
    }

    fn pay_validators(&self, consensus: &[Option<Consensus>], pool: u128) -> Res<Vec<u128>> {
        let mut out = vec![0; self.validators.len()];
        let agreed = consensus
            .iter()
            .enumerate()
            .filter_map(|(index, score)| score.map(|score| (index, score)));
        let count = u32::try_from(agreed.clone().count()).map_err(message)?;
        for ((index, score), place) in agreed.zip(0_u32..) {
            let (validators, rows) = self.column(index);
            let pot = submission_pot(pool, count, place);
            let parts = validator_payouts(pot, score.q64(), &rows, &self.rule).map_err(message)?;
            for (validator, part) in validators.into_iter().zip(parts) {
                out[validator] += part;
            }
        }
        Ok(out)
    }
}

pub(crate) fn task_days(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| match Day::read(get(case, "in")?)? {
        None => Ok(()),
        Some(day) => task_day(check, &day, get(case, "ref")?, get(case, "real")?),
    })
}

fn task_day(check: &mut Check, day: &Day, exact: &Value, real: &Value) -> Res<()> {
    let consensus = day.consensus()?;
    let q64: Vec<_> = consensus
        .iter()
        .map(|score| score.as_ref().map(Consensus::q64))
        .collect();
    let wanted = list(get(exact, "consensus_q64")?)?
        .iter()
        .map(|value| opt(value, int))
        .collect::<Res<Vec<_>>>()?;
    check.same_list("consensus_q64", &q64, &wanted)?;

    let (trainers, validators) = (total(&day.trainers)?, total(&day.validators)?);
    let pools = pool_split(day.reward, day.gamma, trainers, validators)
        .ok_or("pool_split refused its input")?;
    check.same("pool_train", &pools.0, &int(get(exact, "pool_train")?)?)?;
    check.same("pool_val", &pools.1, &int(get(exact, "pool_val")?)?)?;

    let keys = day.keys(&consensus);
    let paid = day.pay_trainers(&keys, pools.0)?;
    check.same_list(
        "trainer_payout",
        &paid,
        &ints(get(exact, "trainer_payout")?)?,
    )?;
    check.same(
        "dust_train",
        &rest(pools.0, &paid)?,
        &int(get(exact, "dust_train")?)?,
    )?;
    let paid = day.pay_validators(&consensus, pools.1)?;
    check.same_list(
        "validator_payout",
        &paid,
        &ints(get(exact, "validator_payout")?)?,
    )?;
    check.same(
        "dust_val",
        &rest(pools.1, &paid)?,
        &int(get(exact, "dust_val")?)?,
    )?;

    near_real(check, day, &consensus, real)
}

/// First and last place of the block of each.
fn blocks(ranks: &[Option<u32>]) -> Vec<Option<Vec<usize>>> {
    let size = |rank: u32| ranks.iter().filter(|other| **other == Some(rank)).count();
    let block = |rank: u32| vec![rank as usize, rank as usize + size(rank) - 1];
    ranks.iter().map(|rank| rank.map(block)).collect()
}

/// Ranks and shares against the real values.
fn near_real(
    check: &mut Check,
    day: &Day,
    consensus: &[Option<Consensus>],
    real: &Value,
) -> Res<()> {
    let keys = day.keys(consensus);
    let places = |block: &Value| ints(block)?.into_iter().map(place).collect();
    let wanted = list(get(real, "rank_block")?)?
        .iter()
        .map(|block| opt(block, places))
        .collect::<Res<Vec<_>>>()?;
    let got = blocks(&rewards::ranks(&keys, &day.trainers));
    check.same_list("rank_block", &got, &wanted)?;
    let reals = list(get(real, "consensus")?)?;
    check.same("length of consensus", &consensus.len(), &reals.len())?;
    for (score, real) in consensus.iter().zip(reals) {
        match score {
            None => check.same("no consensus", &true, &real.is_null())?,
            Some(score) => check.near_q64("consensus", score.q64(), text(real)?)?,
        }
    }
    let agreed = consensus.iter().flatten().count();
    check.same("n_eff", &agreed, &place(int(get(real, "n_eff")?)?)?)?;
    let (all_trainers, all_validators) = (total(&day.trainers)?, total(&day.validators)?);
    let pools = pool_split(BIG, day.gamma, all_trainers, all_validators)
        .ok_or("pool_split refused its input")?;
    for (key, pool) in [("share_train", pools.0), ("share_val", pools.1)] {
        check.near(key, pool, BIG, text(get(real, key)?)?)?;
    }

    let trainers = day.pay_trainers(&keys, BIG)?;
    let validators = day.pay_validators(consensus, BIG)?;
    let paid = total(&validators)?;
    for (key, sum) in [("sum_f", total(&trainers)?), ("sum_ratio", paid)] {
        check.near(key, sum, BIG, text(get(real, key)?)?)?;
    }
    let literal = text(get(real, "validator_literal_sum_before_div_n")?)?;
    let literal_sum = BigInt::from(paid) * agreed;
    check.near("validator_literal_sum", literal_sum, BIG, literal)?;
    for (key, shares) in [("f_trainer", trainers), ("ratio_validator", validators)] {
        let reals = list(get(real, key)?)?;
        check.same(&format!("length of {key}"), &shares.len(), &reals.len())?;
        for (share, real) in shares.into_iter().zip(reals) {
            check.near(key, share, BIG, text(real)?)?;
        }
    }
    Ok(())
}
