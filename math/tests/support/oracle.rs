//! A round worked out again from the formulas of protocol sections 5 and 6: exact
//! fractions where they are rational, 300 binary places where they are not. It
//! shares no code with the crate.

use arena_math::{
    Listed, RoundInput,
    consensus::{Aggregation, Cap},
    rewards::{RankRule, ValidatorRule},
};
use num_bigint::BigInt;
use std::cmp::Ordering;

const PLACES: u32 = 300;
const PERBILL: u32 = 1_000_000_000;

/// A number with [`PLACES`] binary places.
pub(crate) type Real = BigInt;

pub(crate) fn one() -> Real {
    BigInt::from(1) << PLACES
}

fn real(numerator: impl Into<BigInt>, denominator: impl Into<BigInt>) -> Real {
    (numerator.into() << PLACES) / denominator.into()
}

fn times(a: &Real, b: &Real) -> Real {
    (a * b) >> PLACES
}

fn times_q32(a: &Real, b: u64) -> Real {
    (a * b) >> 32
}

/// `e^-x` for `x` from 0 on.
fn exp_neg(x: &Real) -> Real {
    const HALVINGS: u32 = 16;
    if x >= &(one() * 250) {
        return 0.into();
    }
    let (mut sum, mut term) = (one(), one());
    for j in 1..60 {
        term = -times(&term, &(x >> HALVINGS)) / j;
        sum += &term;
    }
    (0..HALVINGS).fold(sum, |power, _| times(&power, &power))
}

/// `ln(num/den)` for 1 ≤ num/den ≤ 2.
fn ln_small(num: &BigInt, den: &BigInt) -> Real {
    let z = real(num - den, num + den);
    let square = times(&z, &z);
    let (mut sum, mut power) = (z.clone(), z);
    for j in 1..100 {
        power = times(&power, &square);
        sum += &power / (2 * j + 1);
    }
    sum * 2
}

/// `ln x` for `x` from 1 on.
fn ln(x: u128) -> Real {
    let whole = x.ilog2();
    let two = ln_small(&2.into(), &1.into());
    two * whole + ln_small(&x.into(), &(BigInt::from(1) << whole))
}

/// An exact fraction with a denominator above 0.
#[derive(Clone, Debug)]
pub(crate) struct Fraction {
    pub(crate) num: BigInt,
    pub(crate) den: BigInt,
}

impl Fraction {
    fn of_score(score: u32) -> Self {
        Self {
            num: score.into(),
            den: PERBILL.into(),
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        (&self.num * &other.den).cmp(&(&other.num * &self.den))
    }

    fn real(&self) -> Real {
        real(self.num.clone(), self.den.clone())
    }
}

/// What is paid of a pool: weights and their sum.
pub(crate) struct Division {
    pub(crate) weights: Vec<Real>,
    pub(crate) sum: Real,
}

impl Division {
    fn of(weights: Vec<Real>) -> Self {
        let sum = weights.iter().sum();
        Self { weights, sum }
    }
}

/// One validator's score of a submission.
struct Vote {
    validator: usize,
    score: u32,
    weight: u128,
    say: u128,
}

/// What was revealed of a submission.
struct Column {
    /// `None` without quorum.
    votes: Option<Vec<Vote>>,
    /// Weight of the votes.
    scored: u128,
    /// The same, and of those that skipped it.
    revealed: u128,
}

/// What a round must come to.
pub(crate) struct Oracle {
    pub(crate) draw_weights: Vec<u128>,
    pub(crate) capped_weights: Vec<u128>,
    pub(crate) consensus: Vec<Option<Fraction>>,
    pub(crate) ranks: Vec<Option<u32>>,
    pub(crate) trainer_pool: u128,
    pub(crate) trainers: Division,
    /// Before anything is rounded down, in planck.
    pub(crate) validators: Vec<Real>,
    pub(crate) treasury: u128,
    /// Sum in units of a whole score, and number.
    pub(crate) distances: Vec<(Real, u32)>,
}

pub(crate) fn settle(input: &RoundInput<'_>) -> Oracle {
    let total: u128 = input.validator_stakes.iter().sum();
    let plain = input.validator_stakes.to_vec();
    let draw_weights = weigh(input, &plain, total);
    let capped_weights = weigh(input, &cap(input.cap, &plain, total), total);
    let count = input.trainer_stakes.len();
    let mut columns = Vec::new();
    for index in 0..count {
        columns.push(column(input, index, &draw_weights, &capped_weights, total));
    }
    let consensus: Vec<_> = columns
        .iter()
        .map(|column| column.votes.as_ref().and_then(|votes| agree(input, votes)))
        .collect();
    let trainer_pool = trainer_pool(input, total);
    let ranks = rank(input, &consensus);
    let mut oracle = Oracle {
        trainers: trainers(input, &ranks),
        draw_weights,
        capped_weights,
        consensus,
        ranks,
        trainer_pool,
        validators: vec![0.into(); input.validator_stakes.len()],
        treasury: 0,
        distances: vec![(0.into(), 0); input.validator_stakes.len()],
    };
    oracle.pay_validators(input, &columns);
    oracle
}

fn cap(cap: Cap, stakes: &[u128], total: u128) -> Vec<u128> {
    let limit = match cap {
        Cap::None | Cap::Seats(0) => u128::MAX,
        Cap::Seats(seats) => total / u128::from(seats),
        Cap::Percentile(percent) => {
            // The smallest that at least so many percent of all do not exceed.
            let below = |limit: u128| stakes.iter().filter(|stake| **stake <= limit).count();
            let percent = usize::from(percent.clamp(0, 100));
            let enough = |limit: &u128| below(*limit) * 100 >= percent * stakes.len();
            stakes.iter().copied().filter(enough).min().unwrap_or(0)
        }
    };
    stakes.iter().map(|stake| limit.min(*stake)).collect()
}

/// Over the probability of being drawn, rounded down.
fn weigh(input: &RoundInput<'_>, amounts: &[u128], total: u128) -> Vec<u128> {
    let weigh = |(amount, stake): (&u128, &u128)| {
        let scaled = BigInt::from(*stake) * input.committee;
        if *stake == 0 {
            0
        } else if input.committee == 0 || scaled >= total.into() {
            *amount
        } else {
            u128::try_from(BigInt::from(*amount) * total / scaled).expect("at most the total")
        }
    };
    amounts
        .iter()
        .zip(input.validator_stakes)
        .map(weigh)
        .collect()
}

fn column(
    input: &RoundInput<'_>,
    index: usize,
    weights: &[u128],
    says: &[u128],
    total: u128,
) -> Column {
    let (mut votes, mut scored, mut revealed) = (Vec::new(), 0_u128, 0_u128);
    for (validator, row) in input.listed.iter().enumerate() {
        if weights[validator] == 0 {
            continue;
        }
        let score = match row[index] {
            None => continue,
            Some(Listed::Skipped) => None,
            Some(Listed::Invalid) => Some(0),
            Some(Listed::Scored(score)) => Some(score.min(PERBILL)),
        };
        revealed += weights[validator];
        if let Some(score) = score {
            scored += weights[validator];
            votes.push(Vote {
                validator,
                score,
                weight: weights[validator],
                say: says[validator],
            });
        }
    }
    let quorum = votes.len() >= input.min_scorers as usize
        && BigInt::from(revealed) * 2 >= total.into()
        && BigInt::from(scored) * 3 >= BigInt::from(revealed) * 2;
    Column {
        votes: quorum.then_some(votes),
        scored,
        revealed,
    }
}

fn agree(input: &RoundInput<'_>, votes: &[Vote]) -> Option<Fraction> {
    let says: BigInt = votes.iter().map(|vote| BigInt::from(vote.say)).sum();
    if says == 0.into() {
        return None;
    }
    if input.aggregation == Aggregation::Mean {
        let sum = votes.iter().map(|vote| BigInt::from(vote.say) * vote.score);
        return Some(Fraction {
            num: sum.sum(),
            den: says * PERBILL,
        });
    }
    let upto = |score: u32| -> BigInt {
        let below = votes.iter().filter(|vote| vote.score <= score);
        below.map(|vote| BigInt::from(vote.say)).sum()
    };
    let half = |score: &u32| upto(*score) * 2 >= says;
    let scores = votes.iter().map(|vote| vote.score);
    scores.filter(half).min().map(Fraction::of_score)
}

fn trainer_pool(input: &RoundInput<'_>, validators: u128) -> u128 {
    let trainers: u128 = input.trainer_stakes.iter().sum();
    let whole = (BigInt::from(trainers) + validators) * PERBILL;
    if whole == 0.into() {
        return 0;
    }
    let gamma = input.gamma.min(PERBILL);
    let part = BigInt::from(gamma) * validators + BigInt::from(PERBILL - gamma) * trainers;
    u128::try_from(part * input.reward / whole).expect("at most the reward")
}

fn rank(input: &RoundInput<'_>, consensus: &[Option<Fraction>]) -> Vec<Option<u32>> {
    let baseline = Fraction::of_score(input.baseline);
    let eligible: Vec<_> = consensus
        .iter()
        .zip(input.trainer_stakes)
        .map(|(score, stake)| {
            let score = score.as_ref().filter(|_| *stake > 0);
            score.filter(|score| score.cmp(&baseline).is_gt())
        })
        .collect();
    let better = |score: &Fraction| {
        let others = eligible.iter().flatten();
        others.filter(|other| other.cmp(score).is_gt()).count()
    };
    eligible
        .iter()
        .map(|score| score.map(|score| better(score) as u32 + 1))
        .collect()
}

/// `q` of the round in Q64, rounded down, as the protocol has it.
fn q_q64(input: &RoundInput<'_>) -> u128 {
    (u128::from(input.q.min(PERBILL)) << 64) / u128::from(PERBILL)
}

/// `q^x`, with `0^0` = 1.
fn q_power(input: &RoundInput<'_>, x: &Real) -> Real {
    let q = q_q64(input);
    if q == 0 {
        return if *x == 0.into() { one() } else { 0.into() };
    }
    let minus_ln = ln(1 << 64) - ln(q);
    exp_neg(&times(x, &minus_ln))
}

fn trainers(input: &RoundInput<'_>, ranks: &[Option<u32>]) -> Division {
    let entries: Vec<_> = ranks.iter().copied().zip(input.trainer_stakes).collect();
    let ranked = || {
        entries
            .iter()
            .filter_map(|(rank, stake)| Some(((*rank)?, **stake)))
    };
    let total: u128 = ranked().map(|(_, stake)| stake).sum();
    let largest = ranked().map(|(_, stake)| stake).max().unwrap_or(0);
    let sum_of = |accept: &dyn Fn(u32) -> bool| -> u128 {
        let some = ranked().filter(|(rank, _)| accept(*rank));
        some.map(|(_, stake)| stake).sum()
    };
    let weight = |rank: u32, stake: u128| match input.rank_rule {
        RankRule::ByStake { depth } => {
            if depth == 0 || q_q64(input) == 1 << 64 {
                return real(stake, total);
            }
            let (before, block) = (sum_of(&|r| r < rank), sum_of(&|r| r == rank));
            let place = |stake: u128| q_power(input, &(real(stake, total) * depth));
            let mass = place(before) - place(before + block);
            mass * stake / block
        }
        RankRule::ByHead { alpha_q32 } => {
            let size = ranked().filter(|(other, _)| *other == rank).count() as u32;
            let places = (rank - 1..rank - 1 + size).map(|place| q_power(input, &(one() * place)));
            let mean = places.sum::<Real>() / size;
            let lighter = times_q32(&(ln(largest) - ln(stake)), alpha_q32);
            times(&mean, &exp_neg(&lighter))
        }
    };
    Division::of(
        entries
            .iter()
            .map(|(rank, stake)| rank.map_or(0.into(), |rank| weight(rank, **stake)))
            .collect(),
    )
}

/// What one submission's voters are paid by.
fn vote_weights(rule: &ValidatorRule, consensus: &Fraction, votes: &[Vote]) -> Division {
    let heaviest = votes.iter().map(|vote| vote.weight).max().unwrap_or(1);
    let loss = |vote: &Vote| {
        let distance = distance(consensus, vote.score) - real(rule.band.min(PERBILL), PERBILL);
        let far = times_q32(&distance.max(0.into()), rule.lambda_q32);
        let lighter = times_q32(&(ln(heaviest) - ln(vote.weight)), rule.alpha_q32);
        far + lighter
    };
    let losses: Vec<Real> = votes.iter().map(loss).collect();
    let least = losses.iter().min().cloned().unwrap_or_default();
    Division::of(
        losses
            .iter()
            .map(|loss| exp_neg(&(loss - &least)))
            .collect(),
    )
}

fn distance(consensus: &Fraction, score: u32) -> Real {
    let difference = consensus.real() - Fraction::of_score(score).real();
    difference.magnitude().clone().into()
}

impl Oracle {
    fn pay_validators(&mut self, input: &RoundInput<'_>, columns: &[Column]) {
        let agreed = self.consensus.iter().flatten().count() as u128;
        let pool = input.reward - self.trainer_pool;
        let columns = columns.iter().zip(&self.consensus);
        let mut place = 0;
        for (column, consensus) in columns {
            let (Some(votes), Some(consensus)) = (&column.votes, consensus) else {
                continue;
            };
            let pot = pool / agreed + u128::from(place < pool % agreed);
            place += 1;
            let paid = BigInt::from(pot) * column.scored / column.revealed;
            let paid = u128::try_from(paid).expect("at most the pot");
            self.treasury += pot - paid;
            let division = vote_weights(&input.validator_rule, consensus, votes);
            for (vote, weight) in votes.iter().zip(division.weights) {
                let part = ((weight * paid) << PLACES) / &division.sum;
                self.validators[vote.validator] += part;
                let (sum, count) = &mut self.distances[vote.validator];
                *sum += distance(consensus, vote.score);
                *count += 1;
            }
        }
    }
}
