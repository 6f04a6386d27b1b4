//! Sections of single functions.

use super::number::{
    Check, Res, each, fraction, get, int, int32, ints, list, q32, rest, some, text, total,
};
use arena_math::{
    consensus::{Aggregation, Row, percentile_cap, seats_cap},
    draw::{draw_threshold, draw_weight},
    fixed,
    rewards::{self, geometric_weights},
};
use num_bigint::BigInt;
use serde_json::Value;

pub(crate) fn meta(check: &mut Check, section: &Value) -> Res<()> {
    check.same(
        "perbill",
        &u128::from(fixed::PERBILL),
        &int(get(section, "perbill")?)?,
    )?;
    check.same("LN2_Q64", &fixed::LN2_Q64, &int(get(section, "LN2_Q64")?)?)?;
    check.same(
        "LOG2E_Q64",
        &fixed::LOG2E_Q64,
        &int(get(section, "LOG2E_Q64")?)?,
    )
}

pub(crate) fn exp_neg(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let x = fraction(get(case, "x")?)?.scaled(64)?;
        check.near_q64(
            "exp_minus_x",
            fixed::exp_neg_q64(x),
            text(get(case, "exp_minus_x")?)?,
        )
    })
}

pub(crate) fn exp2_neg(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let out = fixed::exp2_neg_q64(int(get(case, "y_q64")?)?);
        check.same("out_q64", &out, &int(get(case, "out_q64")?)?)?;
        check.near_q64("real", out, text(get(case, "real")?)?)
    })
}

pub(crate) fn log2(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let out = some(fixed::log2_q64(int(get(case, "x")?)?), "log2_q64")?;
        check.same("out_q64", &out, &int(get(case, "out_q64")?)?)?;
        check.near_q64("real", out, text(get(case, "real")?)?)
    })
}

/// The errors that the generator measured are the crate's own, as both compute
/// the same bits; they must be within the promised bound.
pub(crate) fn error_bounds(check: &mut Check, section: &Value) -> Res<()> {
    for key in ["log2_max_abs", "exp2_max_abs"] {
        check.near(key, 0, 1, text(get(section, key)?)?)?;
    }
    Ok(())
}

pub(crate) fn pow_ratio(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let (t, t_max) = (int(get(case, "t")?)?, int(get(case, "tmax")?)?);
        let out = some(
            fixed::pow_ratio(t, t_max, q32(get(case, "alpha")?)?),
            "pow_ratio",
        )?;
        check.same("ref_q64", &out, &int(get(case, "ref_q64")?)?)?;
        check.near_q64("ratio_pow", out, text(get(case, "ratio_pow")?)?)
    })
}

pub(crate) fn geometric(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let q = rewards::score_q64(fraction(get(case, "q")?)?.perbill()?);
        let n = usize::from(u16::try_from(int(get(case, "n")?)?).map_err(|_| "n is too large")?);
        let weights = geometric_weights(q, n);
        let total: u128 = weights.iter().sum();
        for key in ["g_normalised", "paper_prefix_times_qk"] {
            let reals = get(case, key)?;
            if key != "g_normalised" && reals.is_null() {
                continue;
            }
            let reals = list(reals)?;
            check.same(&format!("length of {key}"), &weights.len(), &reals.len())?;
            for (weight, real) in weights.iter().zip(reals) {
                check.near(key, *weight, total, text(real)?)?;
            }
        }
        Ok(())
    })
}

/// Large enough that rounding a pool down is far below 2^-52 of it.
const BIG: u128 = 1 << 100;

fn split(gamma: &Value, trainers: u128, validators: u128) -> Res<(u128, u128)> {
    some(
        rewards::pool_split(BIG, fraction(gamma)?.perbill()?, trainers, validators),
        "pool_split",
    )
}

pub(crate) fn pool_split(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let (t, s) = (int(get(case, "T")?)?, int(get(case, "S")?)?);
        let (pool_t, pool_s) = split(get(case, "gamma")?, t, s)?;
        check.near("share_train", pool_t, BIG, text(get(case, "share_train")?)?)?;
        check.near("share_val", pool_s, BIG, text(get(case, "share_val")?)?)?;
        let ratio = get(case, "yield_train_per_stake_over_val")?;
        if ratio.is_null() {
            return check.same("a stake of 0", &(t == 0 || s == 0), &true);
        }
        // The ratio can be large, so the bound is relative to it.
        let real = fraction(ratio)?;
        let num = BigInt::from(pool_t) * s * &real.den;
        let den = BigInt::from(pool_s) * t * &real.num;
        check.near("yield_train_per_stake_over_val", num, den, "1")
    })
}

pub(crate) fn typo_check(check: &mut Check, section: &Value) -> Res<()> {
    let (t, s) = (ints(get(section, "t")?)?, ints(get(section, "s")?)?);
    let (gamma, total_t, total_s) = (get(section, "gamma")?, total(&t)?, total(&s)?);
    let (pool_t, pool_s) = split(gamma, total_t, total_s)?;
    check.near(
        "train_share",
        pool_t,
        BIG,
        text(get(section, "train_share")?)?,
    )?;
    check.near(
        "val_share_correct",
        pool_s,
        BIG,
        text(get(section, "val_share_correct")?)?,
    )?;
    // The literal formula sums trainers' stakes up to the number of validators.
    let some_t: Vec<u128> = t.iter().copied().take(s.len()).collect();
    let others = rest(total(&[total_t, total_s])?, &some_t)?;
    let (literal, _) = split(gamma, total(&some_t)?, others)?;
    check.near(
        "val_share_literal",
        literal,
        BIG,
        text(get(section, "val_share_literal_sum_i_to_m_t")?)?,
    )?;
    check.near(
        "literal_total",
        literal + pool_t,
        BIG,
        text(get(section, "literal_total")?)?,
    )
}

pub(crate) fn rank_flip(check: &mut Check, section: &Value) -> Res<()> {
    let weights = ints(get(section, "stakes")?)?;
    let scores = list(get(section, "scores")?)?;
    for (key, aggregation) in [("mean", Aggregation::Mean), ("median", Aggregation::Median)] {
        for (index, real) in list(get(section, key)?)?.iter().enumerate() {
            let mut rows = Vec::new();
            for (row, weight) in scores.iter().zip(&weights) {
                let score = int32(list(row)?.get(index).ok_or("a score is missing")?)?;
                rows.push(Row {
                    score,
                    weight: *weight,
                });
            }
            let consensus = aggregation.of(&rows).map_err(|error| error.to_string())?;
            check.near_q64(key, some(consensus, key)?.q64(), text(real)?)?;
        }
    }
    list(get(section, "trim10")?).map(|_| ())
}

pub(crate) fn caps(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let stakes = ints(get(case, "stakes")?)?;
        let seats = seats_cap(&stakes, 10).map_err(|error| error.to_string())?;
        check.same_list("seats_10", &seats, &ints(get(case, "seats_10")?)?)?;
        check.same_list(
            "percentile_88",
            &percentile_cap(&stakes, 88),
            &ints(get(case, "percentile_88")?)?,
        )
    })
}

pub(crate) fn draw(check: &mut Check, section: &Value) -> Res<()> {
    each(section, |case| {
        let (s, total, k) = (
            int(get(case, "s")?)?,
            int(get(case, "total")?)?,
            int32(get(case, "k")?)?,
        );
        check.same(
            "threshold",
            &draw_threshold(s, total, k),
            &int(get(case, "threshold")?)?,
        )?;
        let weight = some(draw_weight(s, s, total, k), "draw_weight")?;
        check.same("weight", &weight, &int(get(case, "weight")?)?)
    })
}
