//! The rule by which amounts become shares when stake is taken back, for every input.

use crate::price::{take, worth};
use arena_primitives::{Balance, traits::DelegatedTotals};
use proptest::prelude::*;

/// A position at any price up to a little above one, an account's shares in it, what it holds for
/// them, and what it wants back.
fn case() -> impl Strategy<Value = (DelegatedTotals, Balance, Balance, Balance)> {
    let number = || (1_u128..1 << 96, 0_u32..90).prop_map(|(x, shift)| 1 + (x >> shift));
    (number(), number(), number(), 0_u128..3, 0_u32..5).prop_map(|(a, b, c, slack, kind)| {
        let shares = a;
        let amount = match kind {
            0 => shares,
            1 => shares + slack,
            2 => b % (shares + 1),
            _ => arena_math::wide::mul_div(shares, b % 1_000 + 1, 1_000).unwrap(),
        };
        let owned = 1 + b % shares;
        let totals = DelegatedTotals { amount, shares };
        let held = worth(owned, totals).unwrap().saturating_sub(slack);
        (totals, owned, held, 1 + c % held.max(1))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn taking_back_should_be_exact_and_leave_no_dust((totals, owned, held, amount) in case()) {
        if amount > held {
            return Ok(());
        }
        let took = take(amount, held, owned, totals).unwrap();
        let fell = held - took.rest;
        prop_assert!(took.shares <= owned);
        prop_assert_eq!(took.worth, worth(took.shares, totals).unwrap());
        prop_assert!(fell <= amount);
        // All of it leaves no share, and no share is left with nothing on hold for it.
        prop_assert_eq!(took.rest == 0, took.shares == owned);
        prop_assert_eq!(took.rest == 0, amount == held);
        if totals.amount == totals.shares {
            prop_assert_eq!((fell, took.shares), (amount, if amount == held { owned } else { amount }));
        } else if totals.amount <= totals.shares {
            prop_assert!(fell + 1 >= amount);
        }
        // What stays on hold is worth it at the new price, which is not below the old one.
        let others = DelegatedTotals {
            amount: totals.amount - took.worth,
            shares: totals.shares - took.shares,
        };
        prop_assert!(took.rest <= worth(owned - took.shares, others).unwrap());
        prop_assert!(
            arena_math::wide::cmp_ratio((others.amount, others.shares.max(1)), (totals.amount, totals.shares)).is_ge()
                || others.shares == 0
        );
    }
}
