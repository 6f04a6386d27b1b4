//! The measures of `examples/concentration.rs` on weights whose values are known.

#[path = "support/measures.rs"]
mod measures;

use arena_math::{concentration::Concentration, consensus::Cap};
use measures::{Law, SplitMix64, by_owner, coalition, gini, hhi, largest, split_largest};

fn near(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-12, "{got}, not {wanted}");
}

#[test]
fn equal_weights() {
    let weights = [7; 100];
    near(gini(&weights), 0.0);
    near(hhi(&weights), 0.01);
    assert_eq!(coalition(&weights, 51), 51);
    assert_eq!(coalition(&weights, 50), 50);
    // 51 % of three is more than one and a half.
    assert_eq!(coalition(&[1; 3], 51), 2);
}

#[test]
fn one_has_all() {
    let mut weights = [0; 50];
    weights[17] = 1 << 100;
    near(gini(&weights), 0.98);
    near(hhi(&weights), 1.0);
    assert_eq!(coalition(&weights, 51), 1);
    assert_eq!(largest(&weights), Some(17));
}

#[test]
fn small_cases_by_hand() {
    // Mean difference of 1, 2, 3: (1 + 2 + 1)·2/9, halved, over a mean of 2.
    near(gini(&[3, 1, 2]), 2.0 / 9.0);
    near(hhi(&[3, 1, 2]), 14.0 / 36.0);
    // 51 of 100 is 51 %; 50 isn't.
    assert_eq!(coalition(&[51, 49], 51), 1);
    assert_eq!(coalition(&[50, 50], 51), 2);
    assert_eq!(coalition(&[49, 2, 49], 51), 2);
}

#[test]
fn nothing_is_no_coalition() {
    for weights in [&[][..], &[0, 0]] {
        near(gini(weights), 0.0);
        near(hhi(weights), 0.0);
        assert_eq!(coalition(weights, 51), 0);
    }
    assert_eq!(largest(&[]), None);
    assert_eq!(split_largest(&[], 5), (vec![], vec![]));
    assert_eq!(by_owner(&[], &[]), [0; 0]);
}

#[test]
fn a_split_keeps_the_stake_and_its_owner() {
    let (stakes, owners) = split_largest(&[10, 103, 20], 5);
    assert_eq!(stakes, [10, 23, 20, 20, 20, 20, 20]);
    assert_eq!(owners, [0, 1, 2, 1, 1, 1, 1]);
    assert_eq!(by_owner(&stakes, &owners), [10, 103, 20]);
    assert_eq!(split_largest(&[10, 103], 1).0, [10, 103]);
}

/// Under the percentile a whale of 60 % counts as one of a hundred, until its
/// accounts are more than 12 % of all; then the percentile itself moves, and it
/// has its 60 % again.
#[test]
fn the_percentile_has_a_cliff() {
    let stakes = Law::Whale(0.6).stakes(391, &mut SplitMix64(0));
    let share = |cap: Cap, accounts| {
        let (stakes, owners) = split_largest(&stakes, accounts);
        let weights = by_owner(&cap.apply(&stakes).expect("fits"), &owners);
        weights[99] as f64 / weights.iter().sum::<u128>() as f64
    };
    for (accounts, wanted) in [(1, 0.01), (13, 0.116), (20, 0.6)] {
        let got = share(Cap::Percentile(88), accounts);
        assert!((got - wanted).abs() < 0.0005, "{accounts}: {got}");
    }
    // A tenth of all stake for each account: one account has 0.1 of what is left,
    // and six have everything.
    assert!((share(Cap::Seats(10), 1) - 0.2).abs() < 1e-9);
    assert!((share(Cap::Seats(10), 6) - 0.6).abs() < 1e-9);
}

/// Protocol section 5: fifty that hold 10,000 each against four hundred accounts of
/// 100, which have 7 % of the stake and under the percentile 89 % of the weight.
#[test]
fn the_percentile_favours_many_small_accounts() {
    let mut stakes = vec![100; 400];
    stakes.extend([10_000; 50]);
    let small = |cap: Cap| {
        let weights = cap.apply(&stakes).expect("fits");
        let part: u128 = weights.iter().take(400).sum();
        part as f64 / weights.iter().sum::<u128>() as f64
    };
    near(small(Cap::None), 40_000.0 / 540_000.0);
    near(small(Cap::Seats(10)), 40_000.0 / 540_000.0);
    near(small(Cap::Percentile(88)), 400.0 / 450.0);
}

#[test]
fn draws_repeat() {
    for law in [Law::Pareto(1.1), Law::Pareto(0.7), Law::Lognormal(3.0)] {
        let stakes = law.stakes(391, &mut SplitMix64(5));
        assert_eq!(
            stakes,
            law.stakes(391, &mut SplitMix64(5)),
            "{}",
            law.name()
        );
        assert!(stakes.iter().all(|stake| *stake > 0));
    }
}

/// The chain's integers say what the floats do.
#[test]
fn integers_should_agree_with_floats_on_heavy_tails() {
    let mut random = SplitMix64(2507);
    for law in [Law::Pareto(1.1), Law::Lognormal(3.0), Law::Whale(0.6)] {
        for count in [1, 2, 99, 512] {
            let weights = law.stakes(count, &mut random);
            let found = Concentration::of(&weights).unwrap();
            let perbill = |share: f64| (share * 1e9) as i64;
            assert!((i64::from(found.gini) - perbill(gini(&weights))).abs() <= 2);
            assert!((i64::from(found.hhi) - perbill(hhi(&weights))).abs() <= 2);
            assert_eq!(found.majority as usize, coalition(&weights, 51));
            let top = weights[largest(&weights).unwrap()];
            assert_eq!(u128::from(found.top), top * 1_000_000_000 / found.total);
        }
    }
    assert_eq!(Concentration::of(&[]), Ok(Concentration::default()));
    assert_eq!(Concentration::of(&[0, 0]), Ok(Concentration::default()));
    assert!(Concentration::of(&[u128::MAX, 1]).is_err());
}
