//! What must hold for every input of the single functions.

#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::{any_size, stake};
use arena_math::{
    MAX_TOTAL,
    accumulator::Accumulator,
    consensus::{Row, percentile_cap, seats_cap, weighted_mean, weighted_median},
    draw::{draw_threshold, draw_weight, is_drawn},
    fixed::{ONE_Q64, PERBILL, exp2_neg_q64, log2_q64, perbill_q64, pow_ratio},
    shares::{amount_for_shares, delegation_split, shares_for_amount, shares_to_burn},
    sketch::{Likeness, Sketch, Thresholds},
    wide::{
        Divisor, cmp_ratio, mul_div, mul_div_ceil, mul_shr, mul_wide, shl64_add_div_rem, shl64_div,
    },
};
use num_bigint::BigUint;
use proptest::{collection::vec, prelude::*};

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
            let quotient = u128::try_from(&big / c).ok();
            prop_assert_eq!(mul_div(a, b, c), quotient);
            prop_assert_eq!(Divisor::new(c).and_then(|c| c.mul_div(a, b)), quotient);
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
        prop_assert_eq!(Divisor::new(c).and_then(|c| c.mul_div(a, b)), wanted);
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

    #[test]
    fn distances_of_sketches_are_a_metric(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
        let number = |bytes: [u8; 32]| BigUint::from_bytes_le(&bytes);
        let (x, y, z) = (Sketch(a), Sketch(b), Sketch(c));
        let wanted = (number(a) ^ number(b)).count_ones();
        prop_assert_eq!(u64::from(x.hamming(&y)), wanted);
        prop_assert_eq!(x.hamming(&y), y.hamming(&x));
        prop_assert_eq!(x.hamming(&x), 0);
        prop_assert!(x.hamming(&z) <= x.hamming(&y) + y.hamming(&z));
    }

    #[test]
    fn wider_thresholds_never_make_models_less_alike(
        a: [u8; 32], flips in vec(0_usize..256, 0..60), low in 0_u32..=60, more in 0_u32..=60,
    ) {
        let mut b = a;
        for bit in flips {
            b[bit / 8] ^= 1 << (bit % 8);
        }
        let likeness = |matches, flags| {
            Thresholds::new(matches, flags).map(|t| t.compare(&Sketch(a), &Sketch(b)))
        };
        prop_assert!(likeness(low, low + more) >= likeness(low + more, low + more));
        prop_assert!(likeness(low, low) >= likeness(low, low + more));
        let apart = likeness(low, low) == Some(Likeness::Apart);
        prop_assert_eq!(apart, Sketch(a).hamming(&Sketch(b)) > low);
    }
}
