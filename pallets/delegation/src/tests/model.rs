//! A delegation's lots against a model that keeps the shares of each round and the reward of one
//! share in each round, and adds them up in big integers.

use crate::types::{Delegation, Lot, Mark, NO_LIMIT, Trace};
use arena_primitives::{Balance, Round};
use num_bigint::BigUint;
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

/// What rewards and venues know of one position.
#[derive(Default)]
struct Line {
    open: Round,
    settled: Option<Round>,
    ended: bool,
    current: u128,
    at: BTreeMap<Round, u128>,
}

impl Trace for Line {
    fn current(&self) -> u128 {
        self.current
    }
    fn at(&self, round: Round) -> Option<u128> {
        self.at.get(&round).copied()
    }
    fn settled(&self) -> Option<Round> {
        self.settled
    }
    fn ended(&self) -> bool {
        self.ended
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(Balance),
    End(Balance),
    EndAll,
    /// The oldest round that is not settled is, with so much for each share, or with nothing.
    Settle(Option<u128>),
    Open,
    Claim,
    /// What rounds up to so many before the last settled paid.
    ClaimTo(Round),
}

fn step() -> impl Strategy<Value = Step> {
    let shares = || (1_u128..1 << 80, 0_u32..80).prop_map(|(x, shift)| 1 + (x >> shift));
    prop_oneof![
        3 => shares().prop_map(Step::Push),
        2 => shares().prop_map(Step::End),
        1 => Just(Step::EndAll),
        6 => proptest::option::weighted(0.8, 1_u128..1 << 66).prop_map(Step::Settle),
        6 => Just(Step::Open),
        1 => Just(Step::Claim),
        2 => (0_u32..4).prop_map(Step::ClaimTo),
    ]
}

/// Both, side by side.
#[derive(Default)]
struct Twin {
    line: Line,
    lots: Delegation,
    /// The shares, from which round on.
    shares: BTreeMap<Round, Balance>,
    /// The accumulator before and after each round that moved it.
    steps: Vec<(Round, u128, u128)>,
    paid: Balance,
    /// How many lots were paid: each may have lost less than one unit.
    floors: usize,
}

impl Twin {
    fn counts_from_next(&mut self) {
        self.shares.insert(self.line.open + 1, self.lots.shares());
    }

    /// What was earned by the time the accumulator was at `limit`, in units of 2^-64.
    fn earned(&self, limit: u128) -> BigUint {
        let mut sum = BigUint::default();
        for (round, before, after) in &self.steps {
            let shares = self.shares.range(..=round).next_back();
            let shares = shares.map_or(0, |(_, shares)| *shares);
            let step = (*after).min(limit).saturating_sub(*before);
            sum += BigUint::from(shares) * BigUint::from(step);
        }
        sum
    }

    /// Does one step; what can't be done now is left out.
    fn act(&mut self, step: &Step) {
        let mark = Mark::After {
            round: self.line.open,
            seen: self.line.current,
        };
        match step {
            Step::Push(shares) => {
                let lot = Lot {
                    shares: *shares,
                    from: mark,
                    until: None,
                };
                if self.lots.push(lot).is_ok() {
                    self.counts_from_next();
                }
            }
            Step::End(shares) => self.end((*shares).min(self.lots.shares()), mark),
            Step::EndAll => self.end(self.lots.shares(), mark),
            Step::Settle(step) => {
                let round = self.line.settled.map_or(0, |settled| settled + 1);
                if round >= self.line.open {
                    return;
                }
                self.line.settled = Some(round);
                if let Some(step) = step {
                    let before = self.line.current;
                    self.line.current += step;
                    self.line.at.insert(round, self.line.current);
                    self.steps.push((round, before, self.line.current));
                }
            }
            // A round opens only when the one before the last is settled.
            Step::Open => {
                if self.line.open == 0 || self.line.settled >= Some(self.line.open - 1) {
                    self.line.open += 1;
                }
            }
            Step::Claim => self.claim(NO_LIMIT),
            Step::ClaimTo(lag) => {
                let to = self
                    .line
                    .settled
                    .and_then(|settled| settled.checked_sub(*lag));
                let latest = to.and_then(|to| self.line.at.range(..=to).next_back());
                self.claim(latest.map_or(0, |(_, acc)| *acc));
            }
        }
    }

    fn end(&mut self, shares: Balance, mark: Mark) {
        let all = shares == self.lots.shares();
        match self.lots.end(shares, mark) {
            Ok(left) => {
                self.lots = left;
                self.counts_from_next();
            }
            Err(_) => assert!(!all, "all can always leave"),
        }
    }

    fn claim(&mut self, limit: u128) {
        let lots = self.lots.lots.len();
        let at_once = self.lots.settle(&self.line, NO_LIMIT).0;
        let (due, left) = self.lots.settle(&self.line, limit);
        assert_eq!(left.shares(), self.lots.shares(), "claims take no stake");
        assert_eq!(left.settle(&self.line, limit).0, 0, "paid twice");
        // In two claims the same as in one, but for the floors.
        let in_two = due + left.settle(&self.line, NO_LIMIT).0;
        assert!(
            in_two.abs_diff(at_once) <= lots as u128,
            "{in_two} {at_once}"
        );
        self.lots = left;
        self.paid += due;
        self.floors += lots;
        let exact = self.earned(limit);
        let paid = BigUint::from(self.paid) << 64;
        // Earlier claims may have gone further.
        assert!(paid <= exact || due == 0, "paid what was not earned");
        assert!(paid <= self.earned(NO_LIMIT), "paid what was not earned");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lots_should_earn_what_their_shares_earn_round_by_round(steps in vec(step(), 1..200)) {
        let mut twin = Twin::default();
        for step in &steps {
            twin.act(step);
        }
        // The last rounds are paid, and the venue ends.
        while twin.line.settled < twin.line.open.checked_sub(1) {
            twin.act(&Step::Settle(Some(1 << 60)));
        }
        twin.line.ended = true;
        twin.act(&Step::EndAll);
        twin.claim(NO_LIMIT);
        prop_assert!(twin.lots.lots.is_empty());
        let exact = twin.earned(NO_LIMIT);
        let least = BigUint::from(twin.paid + twin.floors as u128) << 64;
        prop_assert!(least >= exact, "{} of {}", twin.paid, exact >> 64);
    }
}
