//! Nobody gains by accusing itself, and every fee is paid.

use super::*;
use proptest::prelude::*;

/// What somebody has who is trainer and challengers at once; rewards are its delegators'.
fn fortune(challengers: u8) -> Balance {
    let own = free(ANN) + held(ANN) + stake(ANN);
    (VAL..VAL + challengers).fold(own, |sum, n| sum + free(n) + held(n))
}

/// A case of a trainer against itself; returns what it gained.
fn against_oneself(rewards: Balance, own: Balance, challengers: u8, votes: (usize, usize)) -> i128 {
    with(|n| n.locked.insert((TASK, account(ANN)), rewards));
    set_stake(Venue::Task(TASK), ANN, Role::Trainer, own);
    let before = fortune(challengers);
    let case = open(VAL, copy());
    for n in VAL + 1..VAL + challengers {
        assert_ok!(Challenges::join(signed(n), case));
    }
    let first = vote(case, votes.0);
    let second = if votes.1 > 0 {
        let loser = if votes.0 >= 2 { ANN } else { VAL };
        assert_ok!(Challenges::appeal(signed(loser), case));
        vote(case, votes.1 - 1)
    } else {
        Vec::new()
    };
    until_closed(case);
    let jurors = first.iter().chain(&second);
    assert!(
        jurors.clone().all(|n| free(*n) >= wealth(*n) + FEE),
        "a fee was not paid"
    );
    fortune(challengers) as i128 - before as i128
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn accusing_oneself_should_never_pay(
        rewards in 0u128..60_000,
        own in 0u128..60_000,
        challengers in 1u8..4,
        first in 0usize..=3,
        second in 0usize..=6,
    ) {
        run(|| {
            let gained = against_oneself(rewards, own, challengers, (first, second));
            // Of its rewards it had a part of its own, which is gone as well.
            assert!(gained <= 0, "{gained} gained");
            assert!(gained < 0 || Challenges::is_convicted(TASK, &account(ANN)));
        });
    }
}

#[test]
fn accusing_oneself_should_cost_as_much_as_it_brings_at_the_least() {
    run(|| {
        // All that it has at stake comes back to it, but its rewards are gone.
        assert_eq!(against_oneself(1_000, 300, 1, (3, 0)), 0);
    });
    run(|| assert_eq!(against_oneself(1_000, 2_000, 1, (3, 0)), -500));
    run(|| assert_eq!(against_oneself(0, 2_000, 1, (3, 0)), -30));
    run(|| assert!(against_oneself(1_000, 2_000, 1, (0, 0)) < 0));
}
