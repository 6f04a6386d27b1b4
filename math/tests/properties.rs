//! What must hold for every input.

use arena_math::{
    Listed, MAX_TOTAL, MathError, RoundInput, RoundOutput,
    accumulator::Accumulator,
    consensus::{Aggregation, Cap, Row, percentile_cap, seats_cap, weighted_mean, weighted_median},
    draw::{draw_threshold, draw_weight, is_drawn},
    fixed::{ONE_Q32, ONE_Q64, PERBILL, exp2_neg_q64, log2_q64, perbill_q64, pow_ratio},
    rewards::{RankRule, ValidatorRule, rank_by_stake, validator_payouts},
    settle,
    shares::{amount_for_shares, delegation_split, shares_for_amount, shares_to_burn},
    wide::{cmp_ratio, mul_div, mul_div_ceil, mul_shr, mul_wide, shl64_add_div_rem, shl64_div},
};
use num_bigint::BigUint;
use proptest::{collection::vec, prelude::*};

/// Numbers of every size, not only large ones.
fn any_size() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0_u32..128).prop_map(|(x, shift)| x >> shift)
}

/// Stakes of every size; up to 64 of them stay below the bound of a round.
fn stake() -> impl Strategy<Value = u128> {
    prop_oneof![1 => Just(0), 9 => any_size().prop_map(|x| x % (MAX_TOTAL / 64))]
}

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
    fn settle(&self) -> Result<RoundOutput, MathError> {
        settle(&RoundInput {
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
        })
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
    fn wide_arithmetic_is_exact(a in any_size(), b in any_size(), c in any_size(), shift in 0_u32..=127) {
        let big = BigUint::from(a) * b;
        let (high, low) = mul_wide(a, b);
        prop_assert_eq!((BigUint::from(high) << 128) + low, big.clone());
        prop_assert_eq!(mul_shr(a, b, shift), u128::try_from(&big >> shift).ok());
        let sum = (BigUint::from(a) << 64) + b;
        if c == 0 {
            prop_assert_eq!(mul_div(a, b, c), None);
            prop_assert_eq!(shl64_add_div_rem(a, b, c), None);
        } else {
            prop_assert_eq!(mul_div(a, b, c), u128::try_from(&big / c).ok());
            prop_assert_eq!(mul_div_ceil(a, b, c), u128::try_from((&big + (c - 1)) / c).ok());
            prop_assert_eq!(shl64_div(a, c), u128::try_from((BigUint::from(a) << 64) / c).ok());
            let wanted = u128::try_from(&sum / c).ok().zip(u128::try_from(&sum % c).ok());
            prop_assert_eq!(shl64_add_div_rem(a, b, c), wanted);
        }
    }

    /// Divisors and digits at the edges of 64 bits, where a wrong guess of a
    /// quotient digit shows.
    #[test]
    fn wide_division_at_the_edges(parts in vec(prop_oneof![Just(0_u64), Just(1), Just(1 << 63), Just(u64::MAX), any::<u64>()], 6)) {
        let join = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
        let (a, b, c) = (join(parts[0], parts[1]), join(parts[2], parts[3]), join(parts[4], parts[5]));
        let wanted = (c != 0).then(|| u128::try_from(BigUint::from(a) * b / c).ok()).flatten();
        prop_assert_eq!(mul_div(a, b, c), wanted);
    }

    #[test]
    fn fractions_compare_exactly(a in any_size(), b in any_size(), c in any_size(), d in any_size()) {
        prop_assert_eq!(cmp_ratio((a, b), (c, d)), (BigUint::from(a) * d).cmp(&(BigUint::from(c) * b)));
    }

    #[test]
    fn powers_stay_in_range(x in any_size(), y in any_size(), alpha in any::<u64>()) {
        prop_assert_eq!(log2_q64(x).is_none(), x == 0);
        prop_assert!(log2_q64(x).is_none_or(|log| log >> 64 == u128::from(x.ilog2())));
        prop_assert!(exp2_neg_q64(x) <= ONE_Q64);
        let (small, large) = (x.min(y), x.max(y));
        // One unit in the last place is what the series may be off by.
        prop_assert!(exp2_neg_q64(small) + 1 >= exp2_neg_q64(large));
        prop_assert!(log2_q64(small) <= log2_q64(large));
        prop_assert!(pow_ratio(small, large, alpha).is_none_or(|power| power <= ONE_Q64));
        prop_assert_eq!(pow_ratio(small, large, 0), (small > 0).then_some(ONE_Q64));
    }

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

    /// Two accounts that share one trainer's stake and score earn what it earned.
    #[test]
    fn splitting_a_trainer_earns_nothing(
        entries in vec((0_u32..20, 1_u128..1 << 90), 1..8),
        who in any::<prop::sample::Index>(),
        part in 0..=PERBILL,
        q in prop_oneof![Just(0), Just(PERBILL), 0..PERBILL / 100 * 99],
        depth in 1_u32..300,
        pool in 0_u128..1 << 50,
    ) {
        let (mut keys, mut stakes): (Vec<_>, Vec<_>) = entries.into_iter().map(|(key, stake)| (Some(key), stake)).unzip();
        let who = who.index(keys.len());
        let before = rank_by_stake(&keys, &stakes, perbill_q64(q), depth, pool).expect("fits");
        let moved = stakes[who] * u128::from(part) / u128::from(PERBILL);
        keys.push(keys[who]);
        stakes.push(moved);
        stakes[who] -= moved;
        let after = rank_by_stake(&keys, &stakes, perbill_q64(q), depth, pool).expect("fits");
        let units = keys.len() as u128;
        prop_assert!(near(before[who], after[who] + after[units as usize - 1], units), "{before:?} {after:?}");
    }

    /// The same for a validator whose two accounts score alike, with α_v = 1.
    #[test]
    fn splitting_a_validator_earns_nothing(mut round in round(1_u128..1 << 90), part in 1..PERBILL) {
        round.reward >>= 78;
        round.committee = 0;
        round.cap = Cap::None;
        round.validator_rule.alpha_q32 = ONE_Q32;
        round.min_scorers = 1;
        prop_assume!(round.validators.first().is_some_and(|stake| *stake >= 1 << 32));
        let before = round.settle().expect("fits").validator_payouts[0];
        let moved = round.validators[0] / u128::from(PERBILL) * u128::from(part);
        round.validators[0] -= moved;
        round.validators.push(moved);
        round.listed.push(round.listed[0].clone());
        let after = round.settle().expect("fits").validator_payouts;
        let sum = after[0] + after[after.len() - 1];
        let units = 2 * (round.trainers.len() as u128 + 1);
        prop_assert!(near(before, sum, units), "{before} {sum}");
    }

    #[test]
    fn consensus_lies_between_the_scores(rows in vec((0..=PERBILL, stake()), 1..20)) {
        let rows: Vec<_> = rows.into_iter().map(|(score, weight)| Row { score, weight }).collect();
        let heavy = rows.iter().filter(|row| row.weight > 0).map(|row| row.score);
        let (low, high) = (heavy.clone().min(), heavy.max());
        for consensus in [weighted_mean(&rows).expect("fits"), weighted_median(&rows).expect("fits")] {
            prop_assert_eq!(consensus.is_some(), low.is_some());
            if let (Some(score), Some(low), Some(high)) = (consensus, low, high) {
                prop_assert!(perbill_q64(low) <= score.q64() && score.q64() <= perbill_q64(high));
                prop_assert!(!score.exceeds(high) && (low == 0 || score.exceeds(low - 1)));
            }
        }
    }

    #[test]
    fn caps_never_raise(stakes in vec(stake(), 0..20), seats in 0_u32..30, percent in any::<u8>()) {
        for capped in [seats_cap(&stakes, seats).expect("fits"), percentile_cap(&stakes, percent)] {
            prop_assert_eq!(capped.len(), stakes.len());
            prop_assert!(capped.iter().zip(&stakes).all(|(capped, stake)| capped <= stake));
        }
    }

    #[test]
    fn a_drawn_weight_makes_up_for_its_chance(stake in stake(), others in stake(), k in any::<u32>(), hash in any::<u64>()) {
        let total = stake + others;
        let threshold = draw_threshold(stake, total, k);
        prop_assert!(threshold <= ONE_Q64);
        prop_assert_eq!(is_drawn(hash, threshold), u128::from(hash) < threshold);
        let weight = draw_weight(stake, stake, total, k).expect("at most the total");
        prop_assert!(weight >= stake && weight <= total);
        prop_assert!(draw_weight(stake / 2, stake, total, k).expect("less") <= weight);
    }

    #[test]
    fn delegation_divides_everything(gross in any_size(), own in stake(), delegated in stake(), sigma in any::<u32>()) {
        let split = delegation_split(gross, own, delegated, sigma).expect("below the bound");
        prop_assert_eq!(split.operator + split.delegators, gross);
        prop_assert!(sigma < PERBILL || split.delegators == 0);
    }

    #[test]
    fn a_pool_of_shares_never_loses(amount in stake(), pool in 1..MAX_TOTAL, shares in 1..MAX_TOTAL) {
        if let Some(bought) = shares_for_amount(amount, pool, shares) {
            let (pool, shares) = (pool + amount, shares.checked_add(bought));
            if let Some(shares) = shares {
                prop_assert!(amount_for_shares(bought, pool, shares).expect("owned") <= amount);
            }
        }
        if let Some(burned) = shares_to_burn(amount, pool, shares) {
            prop_assert!(burned <= shares);
            prop_assert!(amount_for_shares(burned, pool, shares).expect("owned") >= amount);
        }
    }

    #[test]
    fn an_accumulator_never_owes_more_than_it_got(stakes in vec(1_u128..1 << 90, 1..8), rewards in vec(0_u128..1 << 60, 1..8)) {
        let total: u128 = stakes.iter().sum();
        let mut pool = Accumulator::default();
        for reward in &rewards {
            pool = pool.push(*reward, total).expect("fits");
            prop_assert!(pool.carry < total);
        }
        let owed: u128 = stakes.iter().map(|stake| pool.owed_since(*stake, 0).expect("fits")).sum();
        let paid: u128 = rewards.iter().sum();
        prop_assert!(owed <= paid && (total >> 64 > 0 || near(owed, paid, 1 + stakes.len() as u128)));
        prop_assert_eq!(Accumulator::default().push(1, 0), None);
        prop_assert_eq!(pool.owed_since(1, pool.acc_q64 + 1), None);
    }
}
