//! `rounds` through `settle`, `rank_by_stake`, and what happens to money after:
//! `delegation` and `accumulator_trace`.

use super::number::{
    Check, Res, each, fraction, get, int, int32, ints, list, opt, q32, rest, some, text, total,
};
use arena_math::{
    Listed, RoundInput, RoundOutput,
    accumulator::{Accumulator, owed},
    consensus::{Aggregation, Cap},
    fixed::PERBILL,
    rewards::{self, RankRule, ValidatorRule},
    settle,
    shares::delegation_split,
};
use num_bigint::BigInt;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) fn rank_by_stake(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let keys: Vec<_> = ints(get(case, "scores")?)?.into_iter().map(Some).collect();
        let stakes = ints(get(case, "stakes")?)?;
        let q = fraction(get(case, "q")?)?.scaled(64)?;
        let depth = int32(get(case, "depth")?)?;
        let pay = |pool| {
            rewards::rank_by_stake(&keys, &stakes, q, depth, pool)
                .map_err(|error| error.to_string())
        };
        check.same_list(
            "ref",
            &pay(int(get(case, "pool")?)?)?,
            &ints(get(case, "ref")?)?,
        )?;
        let reals = list(get(case, "real")?)?;
        check.same("length of real", &stakes.len(), &reals.len())?;
        for (share, real) in pay(1 << 120)?.into_iter().zip(reals) {
            check.near("real", share, 1_u128 << 120, text(real)?)?;
        }
        Ok(())
    })
}

fn listed(value: &Value) -> Res<Listed> {
    match value.as_str() {
        Some("invalid") => Ok(Listed::Invalid),
        Some("skipped") => Ok(Listed::Skipped),
        Some(other) => Err(format!("unknown entry `{other}`")),
        None => int32(value).map(Listed::Scored),
    }
}

fn aggregation(input: &Value) -> Res<Aggregation> {
    match text(get(input, "aggregation")?)? {
        "mean" => Ok(Aggregation::Mean),
        "median" => Ok(Aggregation::Median),
        other => Err(format!("unknown aggregation `{other}`")),
    }
}

pub(crate) fn rounds(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let input = get(case, "in")?;
        let table = list(get(input, "listed_by_validator")?)?.iter();
        let table = table.map(|row| list(row)?.iter().map(|entry| opt(entry, listed)).collect());
        let table = table.collect::<Res<Vec<Vec<_>>>>()?;
        let trainer_stakes = ints(get(input, "trainer_stakes")?)?;
        let validator_stakes = ints(get(input, "validator_stakes")?)?;
        let settled = settle(&RoundInput {
            reward: int(get(input, "R0")?)?,
            gamma: fraction(get(input, "gamma")?)?.perbill()?,
            q: fraction(get(input, "q")?)?.perbill()?,
            rank_rule: RankRule::ByStake {
                depth: int32(get(input, "rank_depth")?)?,
            },
            validator_rule: ValidatorRule {
                alpha_q32: q32(get(input, "alpha_v")?)?,
                lambda_q32: q32(get(input, "lambda_v")?)?,
                band: int32(get(input, "band_perbill")?)?,
            },
            committee: int32(get(input, "k")?)?,
            cap: Cap::Seats(int32(get(input, "cap_seats")?)?),
            aggregation: aggregation(input)?,
            min_scorers: int32(get(input, "min_scorers")?)?,
            baseline: 0,
            trainer_stakes: &trainer_stakes,
            validator_stakes: &validator_stakes,
            listed: &table,
        })
        .map_err(|error| error.to_string())?;
        same_round(check, &settled, get(case, "ref")?)?;
        near_round(check, &settled, get(case, "real")?)
    })
}

fn same_round(check: &mut Check, out: &RoundOutput, exact: &Value) -> Res<()> {
    let lists = [
        ("draw_weight", &out.draw_weights),
        ("capped_draw_weight", &out.capped_weights),
        ("trainer_payout", &out.trainer_payouts),
        ("validator_payout", &out.validator_payouts),
    ];
    for (key, got) in lists {
        check.same_list(key, got, &ints(get(exact, key)?)?)?;
    }
    let amounts = [
        ("pool_train", out.trainer_pool),
        ("pool_val", out.validator_pool),
        ("validator_pot_to_treasury", out.treasury),
        ("dust_train", out.trainer_dust),
        ("dust_val", out.validator_dust),
    ];
    for (key, got) in amounts {
        check.same(key, &got, &int(get(exact, key)?)?)?;
    }
    let flag = |value: &Value| {
        value
            .as_bool()
            .ok_or_else(|| "quorum is not true or false".to_string())
    };
    let quorum = list(get(exact, "quorum")?)?
        .iter()
        .map(flag)
        .collect::<Res<Vec<_>>>()?;
    check.same_list("quorum", &out.quorum, &quorum)?;
    let scores = list(get(exact, "consensus_q64")?)?
        .iter()
        .map(|value| opt(value, int))
        .collect::<Res<Vec<_>>>()?;
    check.same_list("consensus_q64", &out.consensus_q64, &scores)
}

fn near_round(check: &mut Check, out: &RoundOutput, real: &Value) -> Res<()> {
    let reals = list(get(real, "consensus")?)?;
    check.same(
        "length of consensus",
        &out.consensus_q64.len(),
        &reals.len(),
    )?;
    for (score, real) in out.consensus_q64.iter().zip(reals) {
        match score {
            None => check.same("no consensus", &true, &real.is_null())?,
            Some(score) => check.near_q64("consensus", *score, text(real)?)?,
        }
    }
    let units = out.trainer_payouts.len() + out.validator_payouts.len();
    let pools = [
        ("f_trainer", &out.trainer_payouts, out.trainer_pool),
        (
            "ratio_validator",
            &out.validator_payouts,
            out.validator_pool,
        ),
    ];
    for (key, payouts, pool) in pools {
        let reals = list(get(real, key)?)?;
        check.same(&format!("length of {key}"), &payouts.len(), &reals.len())?;
        for (payout, real) in payouts.iter().zip(reals) {
            check.near_amount(key, *payout, pool, units, text(real)?)?;
        }
    }
    Ok(())
}

pub(crate) fn delegation(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let (gross, own) = (int(get(case, "gross")?)?, int(get(case, "own")?)?);
        let stakes = ints(get(case, "delegators")?)?;
        let delegated = total(&stakes)?;
        let sigma = fraction(get(case, "sigma")?)?.perbill()?;
        let split = some(
            delegation_split(gross, own, delegated, sigma),
            "delegation_split",
        )?;
        check.same("ref_node", &split.operator, &int(get(case, "ref_node")?)?)?;
        check.same(
            "ref_delegator_part",
            &split.delegators,
            &int(get(case, "ref_delegator_part")?)?,
        )?;
        let pool = Accumulator::default();
        let pool = if delegated == 0 {
            pool
        } else {
            some(pool.push(split.delegators, delegated), "push")?
        };
        let paid = stakes
            .iter()
            .map(|stake| some(pool.owed_since(*stake, 0), "owed"))
            .collect::<Res<Vec<_>>>()?;
        check.same_list(
            "ref_delegators",
            &paid,
            &ints(get(case, "ref_delegators")?)?,
        )?;
        let dust = rest(split.delegators, &paid)?;
        check.same("ref_dust", &dust, &int(get(case, "ref_dust")?)?)?;

        let big = some(
            delegation_split(1 << 100, own, delegated, sigma),
            "delegation_split",
        )?;
        check.near(
            "node_ratio",
            big.operator,
            1_u128 << 100,
            text(get(case, "node_ratio")?)?,
        )?;
        let ratios = list(get(case, "delegator_ratio")?)?;
        check.same("length of delegator_ratio", &stakes.len(), &ratios.len())?;
        for (stake, real) in stakes.iter().zip(ratios) {
            let part = BigInt::from(big.delegators) * *stake;
            let whole = BigInt::from(delegated) << 100;
            check.near("delegator_ratio", part, whole, text(real)?)?;
        }
        let key = "literal_total_if_denominator_is_tn_plus_own_td";
        let literal = literal_total(big.operator, own, &stakes, sigma);
        check.near(key, literal.0, literal.1, text(get(case, key)?)?)
    })
}

/// What all would get together if each delegator's part were taken of the
/// operator's and its own stake alone, as the paper's formula literally says.
fn literal_total(operator: u128, own: u128, stakes: &[u128], sigma: u32) -> (BigInt, BigInt) {
    let kept = PERBILL.saturating_sub(sigma);
    let mut sum = (BigInt::from(operator), BigInt::from(1) << 100);
    for stake in stakes.iter().filter(|stake| own + **stake > 0) {
        let part = BigInt::from(*stake) * kept;
        let whole = BigInt::from(own + stake) * PERBILL;
        sum = (sum.0 * &whole + part * &sum.1, sum.1 * whole);
    }
    sum
}

/// A pool of delegators as a chain would keep it.
#[derive(Default)]
struct Pool {
    acc: Accumulator,
    total: u128,
    funded: u128,
    /// Stake, snapshot, paid.
    holders: BTreeMap<String, (u128, u128, u128)>,
}

impl Pool {
    fn move_stake(&mut self, who: &str, amount: u128, joins: bool) -> Res<()> {
        let holder = self
            .holders
            .entry(who.into())
            .or_insert((0, self.acc.acc_q64, 0));
        holder.2 = total(&[
            holder.2,
            some(owed(holder.0, self.acc.acc_q64, holder.1), "owed")?,
        ])?;
        holder.1 = self.acc.acc_q64;
        for stake in [&mut holder.0, &mut self.total] {
            let moved = if joins {
                stake.checked_add(amount)
            } else {
                stake.checked_sub(amount)
            };
            *stake = moved.ok_or("a stake is out of range")?;
        }
        self.acc = self.acc.total_changed();
        Ok(())
    }

    fn reward(&mut self, amount: u128) -> Res<()> {
        self.acc = some(self.acc.push(amount, self.total), "push")?;
        self.funded = total(&[self.funded, amount])?;
        Ok(())
    }
}

pub(crate) fn accumulator_trace(check: &mut Check, section: &Value) -> Res<()> {
    let mut pool = Pool::default();
    each(get(section, "trace")?, |event| {
        let amount = int(get(event, "amount")?)?;
        match text(get(event, "ev")?)? {
            "reward" => pool.reward(amount)?,
            "join" => pool.move_stake(text(get(event, "who")?)?, amount, true)?,
            "leave" => pool.move_stake(text(get(event, "who")?)?, amount, false)?,
            other => return Err(format!("unknown event `{other}`")),
        }
        check.same("acc_q64", &pool.acc.acc_q64, &int(get(event, "acc_q64")?)?)?;
        check.same("total", &pool.total, &int(get(event, "total")?)?)
    })?;
    let names: Vec<String> = pool.holders.keys().cloned().collect();
    for who in names {
        pool.move_stake(&who, 0, true)?;
    }
    let paid = get(section, "paid")?
        .as_object()
        .ok_or("paid is not an object")?;
    check.same("holders", &pool.holders.len(), &paid.len())?;
    for (who, amount) in paid {
        let got = pool.holders.get(who).map(|holder| holder.2);
        check.same(&format!("paid.{who}"), &got, &Some(int(amount)?))?;
    }
    let amounts: Vec<u128> = pool.holders.values().map(|holder| holder.2).collect();
    let dust = rest(pool.funded, &amounts)?;
    check.same("funded", &pool.funded, &int(get(section, "funded")?)?)?;
    check.same("dust", &dust, &int(get(section, "dust")?)?)
}
