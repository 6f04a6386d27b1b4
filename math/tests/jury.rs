//! The draw of a jury: what must hold for every input, its distribution, and known answers.

#[path = "support/arbitrary.rs"]
mod arbitrary;
#[allow(dead_code, reason = "of the measures, the generator alone is needed")]
#[path = "support/measures.rs"]
mod measures;

use arbitrary::stake;
use arena_math::jury::draw;
use measures::SplitMix64;
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;

fn words(random: &mut SplitMix64, count: usize) -> Vec<u64> {
    (0..count).map(|_| random.next()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn draw_should_fill_its_seats_with_different_candidates_that_have_stake(
        candidates in vec((stake(), any::<u64>()), 0..40),
        seats in 0_usize..50,
    ) {
        let (stakes, words): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        let drawn = draw(&stakes, &words, seats);
        let different: BTreeSet<_> = drawn.iter().collect();
        prop_assert_eq!(different.len(), drawn.len());
        prop_assert!(drawn.iter().all(|place| stakes.get(*place).is_some_and(|stake| *stake > 0)));
        let candidates = stakes.iter().filter(|stake| **stake > 0).count();
        prop_assert_eq!(drawn.len(), seats.min(candidates));
        // Fewer seats are the first of more.
        let all = draw(&stakes, &words, usize::MAX);
        prop_assert_eq!(&all[..drawn.len()], &drawn[..]);
    }

    #[test]
    fn draw_should_seat_nobody_later_when_its_stake_grows(
        candidates in vec((stake(), any::<u64>()), 1..40),
        whose in any::<prop::sample::Index>(),
        more in stake(),
    ) {
        let (mut stakes, words): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        let whose = whose.index(stakes.len());
        let seat = |stakes: &[u128]| {
            let drawn = draw(stakes, &words, usize::MAX);
            drawn.iter().position(|place| *place == whose).unwrap_or(usize::MAX)
        };
        let before = seat(&stakes);
        stakes[whose] += more;
        prop_assert!(seat(&stakes) <= before);
    }
}

/// `Σ (counted − expected)² / expected` for chances of all outcomes.
fn chi_square(counted: &[u32], chances: &[f64]) -> f64 {
    let all: u32 = counted.iter().sum();
    let outcomes = counted.iter().zip(chances);
    outcomes
        .map(|(counted, chance)| {
            let expected = f64::from(all) * chance;
            (f64::from(*counted) - expected).powi(2) / expected
        })
        .sum()
}

/// 20,000 juries of two: the first seat goes by stake, the second by the stake of who is left.
/// The bounds are passed by one fair draw in a thousand.
#[test]
fn draw_should_seat_in_proportion_to_stake() {
    const STAKES: [u128; 5] = [1, 2, 3, 4, 10];
    const TOTAL: f64 = 20.0;
    let (mut first, mut both) = ([0; 5], [0; 25]);
    let mut random = SplitMix64(2006);
    for _ in 0..20_000 {
        let drawn = draw(&STAKES, &words(&mut random, 5), 2);
        first[drawn[0]] += 1;
        both[5 * drawn[0] + drawn[1]] += 1;
    }
    let chance = STAKES.map(|stake| stake as f64 / TOTAL);
    let found = chi_square(&first, &chance);
    assert!(found < 18.47, "{found} with 4 degrees of freedom");

    let pairs = (0..25).filter(|pair| pair / 5 != pair % 5);
    let (counted, chances): (Vec<u32>, Vec<f64>) = pairs
        .map(|pair| {
            let (a, b) = (chance[pair / 5], chance[pair % 5]);
            (both[pair], a * b / (1.0 - a))
        })
        .unzip();
    let found = chi_square(&counted, &chances);
    assert!(found < 43.82, "{found} with 19 degrees of freedom");
}

/// Computed with 400 bits by mpmath, words by SplitMix64 of the seed.
#[test]
fn draw_should_give_known_answers() {
    const TOKEN: u128 = 1_000_000_000_000;
    let small = [40, 10, 20, 0, 10, 20];
    let mixed = [
        5,
        0,
        50 * TOKEN,
        1,
        20 * TOKEN,
        1 << 100,
        3 * TOKEN,
        20 * TOKEN,
        7,
        TOKEN,
    ];
    let known: [(&[u128], u64, &[usize]); 7] = [
        (&small, 1, &[2, 5, 0, 1, 4]),
        (&small, 2, &[0, 2, 1, 5, 4]),
        (&small, 3, &[5, 2, 1, 0, 4]),
        (&small, 4, &[2, 1, 0, 5, 4]),
        (&mixed, 7, &[5, 2, 4, 7, 6, 9, 0, 8, 3]),
        (&mixed, 8, &[5, 2, 6, 7, 4, 9, 0, 8, 3]),
        (&mixed, 9, &[5, 7, 2, 4, 6, 9, 0, 8, 3]),
    ];
    for (stakes, seed, wanted) in known {
        let words = words(&mut SplitMix64(seed), stakes.len());
        assert_eq!(draw(stakes, &words, 99), wanted, "seed {seed}");
        assert_eq!(draw(stakes, &words, 3), wanted[..3], "seed {seed}");
    }
}

#[test]
fn draw_should_take_the_lower_place_when_keys_are_equal() {
    assert_eq!(draw(&[7; 4], &[9; 4], 3), [0, 1, 2]);
    // A logarithm of 0 beats any other, whatever the stake.
    assert_eq!(
        draw(&[u128::MAX, 1, 5], &[u64::MAX - 1, u64::MAX, u64::MAX], 3),
        [1, 2, 0]
    );
    // 2 to 1 in both: halves of 64.0 and 32.0.
    assert_eq!(draw(&[2, 1], &[0, u32::MAX.into()], 2), [0, 1]);
}

#[test]
fn draw_should_seat_nobody_where_there_is_nobody() {
    assert_eq!(draw(&[], &[], 5), [0; 0]);
    assert_eq!(draw(&[0, 0], &[1, 2], 5), [0; 0]);
    assert_eq!(draw(&[1, 2], &[1, 2], 0), [0; 0]);
    assert_eq!(draw(&[1, 2, 3], &[1], 5), [0]); // who has no word isn't drawn
}
