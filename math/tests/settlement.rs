//! What must hold for every round.

#[path = "support/arbitrary.rs"]
mod arbitrary;
#[path = "support/oracle.rs"]
mod oracle;

use arbitrary::{any_size, stake};
use arena_math::{
    Listed, MAX_TOTAL, MathError, RoundInput, RoundOutput,
    consensus::{Aggregation, Cap, Row},
    fixed::{ONE_Q32, ONE_Q64, PERBILL, perbill_q64},
    rewards::{RankRule, ValidatorRule, rank_by_stake, validator_payouts},
    settle,
};
use num_bigint::BigInt;
use proptest::{collection::vec, prelude::*};

fn entry() -> impl Strategy<Value = Option<Listed>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Listed::Skipped)),
        1 => Just(Some(Listed::Invalid)),
        // Few distinct scores, so that some tie.
        4 => (0_u32..12).prop_map(|x| Some(Listed::Scored(x * 90_000_000))),
        4 => (0..=PERBILL).prop_map(|x| Some(Listed::Scored(x))),
    ]
}

#[derive(Clone, Debug)]
struct Round {
    reward: u128,
    gamma: u32,
    q: u32,
    rank_rule: RankRule,
    validator_rule: ValidatorRule,
    committee: u32,
    cap: Cap,
    aggregation: Aggregation,
    min_scorers: u32,
    baseline: u32,
    trainers: Vec<u128>,
    validators: Vec<u128>,
    listed: Vec<Vec<Option<Listed>>>,
}

impl Round {
    fn input(&self) -> RoundInput<'_> {
        RoundInput {
            reward: self.reward,
            gamma: self.gamma,
            q: self.q,
            rank_rule: self.rank_rule,
            validator_rule: self.validator_rule,
            committee: self.committee,
            cap: self.cap,
            aggregation: self.aggregation,
            min_scorers: self.min_scorers,
            baseline: self.baseline,
            trainer_stakes: &self.trainers,
            validator_stakes: &self.validators,
            listed: &self.listed,
        }
    }

    fn settle(&self) -> Result<RoundOutput, MathError> {
        settle(&self.input())
    }
}

fn rank_rule() -> impl Strategy<Value = RankRule> {
    prop_oneof![
        (0_u32..300).prop_map(|depth| RankRule::ByStake { depth }),
        (0..=3 * ONE_Q32).prop_map(|alpha_q32| RankRule::ByHead { alpha_q32 }),
    ]
}

fn cap() -> impl Strategy<Value = Cap> {
    prop_oneof![
        Just(Cap::None),
        (0_u32..20).prop_map(Cap::Seats),
        (0_u8..=120).prop_map(Cap::Percentile)
    ]
}

/// Rounds of up to 6 submissions and 7 validators.
fn round(stake: impl Strategy<Value = u128> + 'static) -> impl Strategy<Value = Round> {
    let stake = stake.boxed();
    let sizes = (0_usize..=6, 0_usize..=7);
    let table = sizes.prop_flat_map(move |(n, m)| {
        (
            vec(stake.clone(), n),
            vec(stake.clone(), m),
            vec(vec(entry(), n), m),
        )
    });
    let shares = (
        0..=PERBILL,
        prop_oneof![Just(0), Just(PERBILL), 0..=PERBILL],
        0..PERBILL / 4,
    );
    let aggregation = prop_oneof![Just(Aggregation::Median), Just(Aggregation::Mean)];
    let validator_rule = (0..=3 * ONE_Q32, 0..=87 * ONE_Q32, 0_u32..50_000_000).prop_map(
        |(alpha_q32, lambda_q32, band)| ValidatorRule {
            alpha_q32,
            lambda_q32,
            band,
        },
    );
    let rules = (rank_rule(), validator_rule, cap(), aggregation);
    (any_size(), shares, rules, 0_u32..9, 0_u32..4, table).prop_map(
        |(reward, (gamma, q, baseline), rules, committee, min_scorers, table)| {
            let (rank_rule, validator_rule, cap, aggregation) = rules;
            let (trainers, validators, listed) = table;
            Round {
                reward,
                gamma,
                q,
                rank_rule,
                validator_rule,
                committee,
                cap,
                aggregation,
                min_scorers,
                baseline,
                trainers,
                validators,
                listed,
            }
        },
    )
}

fn conserves(out: &RoundOutput, reward: u128) {
    let trainers: u128 = out.trainer_payouts.iter().sum();
    let validators: u128 = out.validator_payouts.iter().sum();
    assert_eq!(trainers + out.trainer_dust, out.trainer_pool);
    assert_eq!(
        validators + out.treasury + out.validator_dust,
        out.validator_pool
    );
    assert_eq!(out.trainer_pool + out.validator_pool, reward);
}

/// `items` in the order of `keys`.
fn permuted<T: Clone>(items: &[T], keys: &[u64]) -> Vec<T> {
    let mut pairs: Vec<_> = keys.iter().cycle().zip(items).enumerate().collect();
    pairs.sort_by_key(|(index, (key, _))| (**key, *index));
    pairs
        .into_iter()
        .map(|(_, (_, item))| item.clone())
        .collect()
}

fn near(a: u128, b: u128, units: u128) -> bool {
    a.abs_diff(b) <= units
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn money_is_conserved(round in round(stake())) {
        let out = round.settle().expect("below the bound nothing overflows");
        conserves(&out, round.reward);
        for (payout, rank) in out.trainer_payouts.iter().zip(&out.ranks) {
            prop_assert!(*payout == 0 || rank.is_some());
        }
        for (validator, stake) in out.validator_payouts.iter().zip(&round.validators) {
            prop_assert!(*validator == 0 || *stake > 0);
        }
        for distance in out.mean_distance.iter().flatten() {
            prop_assert!(*distance <= PERBILL);
        }
    }

    /// One validator and one trainer that together hold almost all there can be.
    #[test]
    fn the_largest_stakes_settle(mut round in round(stake()), part in 0..=MAX_TOTAL) {
        round.committee = 0;
        round.trainers.fill(0);
        round.validators.fill(0);
        if let Some(first) = round.trainers.first_mut() { *first = part; }
        if let Some(first) = round.validators.first_mut() { *first = MAX_TOTAL - part; }
        conserves(&round.settle().expect("at the bound nothing overflows"), round.reward);
    }

    /// Beyond the bound there may be an error, but no panic and no new money.
    #[test]
    fn no_input_panics(mut round in round(any_size()), parts in vec(any::<u32>(), 6), wide in vec(any::<u64>(), 3)) {
        (round.gamma, round.q, round.baseline) = (parts[0], parts[1], parts[2]);
        (round.committee, round.min_scorers) = (parts[3], parts[4] % 4);
        round.validator_rule = ValidatorRule { alpha_q32: wide[0], lambda_q32: wide[1], band: parts[5] };
        round.rank_rule = match round.rank_rule {
            RankRule::ByStake { .. } => RankRule::ByStake { depth: parts[5] },
            RankRule::ByHead { .. } => RankRule::ByHead { alpha_q32: wide[2] },
        };
        if let Ok(out) = round.settle() {
            conserves(&out, round.reward);
        }
        round.listed.push(Vec::new());
        prop_assert_eq!(round.settle(), Err(MathError::Shape));
    }

    #[test]
    fn order_of_validators_has_no_effect(round in round(stake()), keys in vec(any::<u64>(), 8)) {
        let mut other = round.clone();
        other.validators = permuted(&round.validators, &keys);
        other.listed = permuted(&round.listed, &keys);
        let (a, b) = (round.settle().expect("fits"), other.settle().expect("fits"));
        prop_assert_eq!(permuted(&a.validator_payouts, &keys), b.validator_payouts);
        prop_assert_eq!(permuted(&a.draw_weights, &keys), b.draw_weights);
        prop_assert_eq!(permuted(&a.mean_distance, &keys), b.mean_distance);
        prop_assert_eq!((a.trainer_payouts, a.treasury, a.consensus_q64), (b.trainer_payouts, b.treasury, b.consensus_q64));
    }

    #[test]
    fn order_of_submissions_has_no_effect(round in round(stake()), keys in vec(any::<u64>(), 8)) {
        let mut other = round.clone();
        other.trainers = permuted(&round.trainers, &keys);
        other.listed = round.listed.iter().map(|row| permuted(row, &keys)).collect();
        let (a, b) = (round.settle().expect("fits"), other.settle().expect("fits"));
        prop_assert_eq!(permuted(&a.trainer_payouts, &keys), b.trainer_payouts);
        prop_assert_eq!(permuted(&a.ranks, &keys), b.ranks);
        prop_assert_eq!(permuted(&a.consensus_q64, &keys), b.consensus_q64);
        // The odd planck of a pool go to the first pots.
        for (x, y) in a.validator_payouts.iter().zip(&b.validator_payouts) {
            prop_assert!(near(*x, *y, 2 * round.trainers.len() as u128), "{x} {y}");
        }
    }

    #[test]
    fn a_better_score_never_earns_less(
        rule in rank_rule(),
        entries in vec((0_u32..20, stake()), 1..8),
        who in any::<prop::sample::Index>(),
        better in 0_u32..20,
        q in 0..=PERBILL,
        pool in 0_u128..1 << 60,
    ) {
        let (mut keys, stakes): (Vec<_>, Vec<_>) = entries.into_iter().map(|(key, stake)| (Some(key), stake)).unzip();
        let who = who.index(keys.len());
        let before = rule.payouts(&keys, &stakes, perbill_q64(q), pool).expect("fits")[who];
        keys[who] = keys[who].map(|key| key + better);
        let after = rule.payouts(&keys, &stakes, perbill_q64(q), pool).expect("fits")[who];
        // By head, a leader with a stake below 2^-64 of the largest may have a weight
        // that rounds to 0; when all do, nobody is paid.
        let total = rule.payouts(&keys, &stakes, perbill_q64(q), ONE_Q64).expect("fits");
        prop_assume!(total.iter().sum::<u128>() > 0);
        // Weights are rounded to 2^-64; where all are small, payouts show it.
        let slack = 2 + (pool >> 40);
        prop_assert!(after + slack >= before, "{before} {after}");
    }

    #[test]
    fn nearer_to_the_consensus_never_earns_less(
        pot in any_size(),
        consensus in 0..=PERBILL,
        rows in vec((0..=PERBILL, 1_u128..1 << 90), 2..8),
        lambda in 0..=87 * ONE_Q32,
        band in 0_u32..50_000_000,
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(score, weight)| Row { score, weight }).collect();
        let rule = ValidatorRule { alpha_q32: 0, lambda_q32: lambda, band };
        let paid = validator_payouts(pot, perbill_q64(consensus), &rows, &rule).expect("fits");
        prop_assert!(paid.iter().sum::<u128>() <= pot);
        let slack = 1 + (pot >> 60);
        for (a, x) in rows.iter().zip(&paid) {
            for (b, y) in rows.iter().zip(&paid) {
                if a.score.abs_diff(consensus) < b.score.abs_diff(consensus) {
                    prop_assert!(*x + slack >= *y, "{a:?} {x} {b:?} {y}");
                }
            }
        }
    }

    /// Accounts that share one trainer's stake and score earn what it earned.
    #[test]
    fn splitting_a_trainer_earns_nothing(
        entries in vec((0_u32..20, 1_u128..1 << 90), 1..8),
        who in any::<prop::sample::Index>(),
        parts in vec(0..=PERBILL, 1..20),
        q in prop_oneof![Just(0), Just(PERBILL), 0..PERBILL / 100 * 99],
        depth in 1_u32..300,
        pool in 0_u128..1 << 50,
    ) {
        let (mut keys, mut stakes): (Vec<_>, Vec<_>) = entries.into_iter().map(|(key, stake)| (Some(key), stake)).unzip();
        let who = who.index(keys.len());
        let before = rank_by_stake(&keys, &stakes, perbill_q64(q), depth, pool).expect("fits");
        let accounts = keys.len();
        for part in parts {
            let moved = stakes[who] * u128::from(part) / u128::from(PERBILL);
            keys.push(keys[who]);
            stakes.push(moved);
            stakes[who] -= moved;
        }
        let after = rank_by_stake(&keys, &stakes, perbill_q64(q), depth, pool).expect("fits");
        let sum = after[who] + after[accounts..].iter().sum::<u128>();
        // A planck of dust for each account; payouts are rounded down, so that who
        // splits gains what others' rounding left at the most.
        prop_assert!(near(before[who], sum, keys.len() as u128), "{before:?} {after:?}");
    }

    /// The same for a validator whose two accounts score alike, with α_v = 1.
    #[test]
    fn splitting_a_validator_earns_nothing(mut round in round(1_u128..1 << 90), parts in vec(1..PERBILL, 1..20)) {
        round.reward >>= 78;
        round.committee = 0;
        round.cap = Cap::None;
        round.validator_rule.alpha_q32 = ONE_Q32;
        round.min_scorers = 1;
        prop_assume!(round.validators.first().is_some_and(|stake| *stake >= 1 << 32));
        let before = round.settle().expect("fits").validator_payouts[0];
        let others = round.validators.len();
        for part in parts {
            let moved = round.validators[0] / u128::from(PERBILL) * u128::from(part);
            round.validators[0] -= moved;
            round.validators.push(moved);
            round.listed.push(round.listed[0].clone());
        }
        let after = round.settle().expect("fits").validator_payouts;
        let sum = after[0] + after[others..].iter().sum::<u128>();
        // A planck for each account and submission.
        let units = (after.len() * round.trainers.len() + 1) as u128;
        prop_assert!(near(before, sum, units), "{before} {sum}");
    }

    /// The crate and an independent computation with 300 binary places.
    #[test]
    fn the_oracle_agrees(round in round(stake())) {
        let out = round.settle().expect("fits");
        let wanted = oracle::settle(&round.input());
        prop_assert_eq!(&out.draw_weights, &wanted.draw_weights);
        prop_assert_eq!(&out.capped_weights, &wanted.capped_weights);
        prop_assert_eq!(&out.ranks, &wanted.ranks);
        prop_assert_eq!((out.trainer_pool, out.treasury), (wanted.trainer_pool, wanted.treasury));
        let quorum: Vec<_> = wanted.consensus.iter().map(Option::is_some).collect();
        prop_assert_eq!(&out.quorum, &quorum);
        for (score, wanted) in out.consensus_q64.iter().zip(&wanted.consensus) {
            let wanted = wanted.as_ref().map(|score| (&score.num << 64) / &score.den);
            prop_assert_eq!(score.map(BigInt::from), wanted);
        }

        // Each weight is off by less than 2^-50 of the largest that one can be.
        let slack = |pool: u128, count: usize, sum: &BigInt| {
            ((BigInt::from(pool) * (count + 1)) << 300) / (sum << 50_u32) + count + 1
        };
        let sum = &wanted.trainers.sum;
        for (payout, weight) in out.trainer_payouts.iter().zip(&wanted.trainers.weights) {
            if *weight == BigInt::from(0) {
                prop_assert_eq!(*payout, 0);
                continue;
            }
            let exact = weight * out.trainer_pool / sum;
            let off = (exact - *payout).magnitude().clone();
            let most = slack(out.trainer_pool, out.trainer_payouts.len(), sum);
            prop_assert!(BigInt::from(off.clone()) <= most, "{payout} off by {off} > {most}");
        }
        let count = out.validator_payouts.len() + out.quorum.len();
        let most = slack(out.validator_pool, count, &oracle::one());
        for (payout, exact) in out.validator_payouts.iter().zip(&wanted.validators) {
            let off = BigInt::from(((exact >> 300_u32) - *payout).magnitude().clone());
            prop_assert!(off <= most, "{payout} off by {off} > {most}");
        }
        for (mean, (sum, count)) in out.mean_distance.iter().zip(&wanted.distances) {
            prop_assert_eq!(mean.is_some(), *count > 0);
            if let Some(mean) = mean {
                let exact: BigInt = (sum * PERBILL / *count) >> 299_u32;
                let off = BigInt::from((exact - 2 * u64::from(*mean)).magnitude().clone());
                // Half a Perbill is rounding; the sum's last places are another.
                prop_assert!(off <= BigInt::from(2), "{mean} off by {off}/2");
            }
        }
    }

    #[test]
    fn more_stake_never_earns_a_trainer_less(
        rule in rank_rule(),
        entries in vec((0_u32..20, 1_u128..1 << 90), 1..8),
        who in any::<prop::sample::Index>(),
        more in 0_u128..1 << 90,
        q in 0..=PERBILL,
        pool in 0_u128..1 << 60,
    ) {
        let (keys, mut stakes): (Vec<_>, Vec<_>) = entries.into_iter().map(|(key, stake)| (Some(key), stake)).unzip();
        let who = who.index(keys.len());
        let pay = |stakes: &[u128]| rule.payouts(&keys, stakes, perbill_q64(q), pool).expect("fits");
        let before = pay(&stakes)[who];
        stakes[who] += more;
        let after = pay(&stakes);
        // By head, all weights may round to 0; then nobody is paid.
        prop_assume!(after.iter().sum::<u128>() > 0 || pool == 0);
        // Weights are rounded to 2^-64; where all are small, payouts show it.
        let slack = 2 + (pool >> 40);
        prop_assert!(after[who] + slack >= before, "{before} {}", after[who]);
    }

    #[test]
    fn more_stake_never_earns_a_validator_less(
        pot in any_size(),
        consensus in 0..=PERBILL,
        rows in vec((0..=PERBILL, 1_u128..1 << 90), 1..8),
        who in any::<prop::sample::Index>(),
        more in 0_u128..1 << 90,
        alpha_q32 in 0..=3 * ONE_Q32,
        lambda_q32 in 0..=87 * ONE_Q32,
        band in 0_u32..50_000_000,
    ) {
        let mut rows: Vec<_> = rows.into_iter().map(|(score, weight)| Row { score, weight }).collect();
        let rule = ValidatorRule { alpha_q32, lambda_q32, band };
        let pay = |rows: &[Row]| validator_payouts(pot, perbill_q64(consensus), rows, &rule).expect("fits");
        let who = who.index(rows.len());
        let before = pay(&rows)[who];
        rows[who].weight += more;
        let after = pay(&rows)[who];
        let slack = 1 + (pot >> 54);
        prop_assert!(after + slack >= before, "{before} {after}");
    }
}
