//! Random calls, slashes and rounds against a model that keeps what each delegator had in each
//! round, and what each slash left of it. `ARENA_SEED` chooses the run.

use super::*;
use std::collections::BTreeMap;

const RUNS: u64 = 24;
const CALLS: u32 = 1_000;
const DELEGATORS: core::ops::Range<u8> = 10..16;
/// Three operators; the last is never slashed.
const OPERATORS: core::ops::RangeInclusive<u8> = 1..=3;
const HONEST: u8 = 3;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// What a delegator has behind an operator, as the model has it.
#[derive(Default)]
struct Line {
    /// Shares, from which round on.
    shares: BTreeMap<Round, Balance>,
    /// Earned, in units of 2^-32.
    due: u128,
    /// Stake that is left, in units of 2^-32: each slash takes its part of it at once.
    stake: u128,
}

/// When rewards can be claimed.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// At once, and rounds pay as they go: as in `Network`.
    Free,
    /// At the end: as of a trainer.
    Locked,
    /// Two rounds later: as of a validator.
    Lagging,
}

struct Run {
    random: Random,
    mode: Mode,
    lines: BTreeMap<(u8, u8), Line>,
    /// What slashes took, as those who slashed were told.
    cuts: Balance,
    /// Calls that rounding could have cost a unit.
    floors: u128,
    before: Balance,
}

type Tally = BTreeMap<&'static str, (u32, u32)>;

fn shares_in(line: &Line, round: Round) -> Balance {
    let latest = line.shares.range(..=round).next_back();
    latest.map_or(0, |(_, shares)| *shares)
}

impl Run {
    fn new(seed: u64, mode: Mode) -> Self {
        Open::set(Some(0));
        Settled::set(None);
        Ended::set(false);
        State::set(match mode {
            Mode::Free => PayoutState::Free,
            Mode::Locked | Mode::Lagging => PayoutState::Locked,
        });
        Lag::set((mode == Mode::Lagging).then_some(2));
        Run {
            random: Random(seed),
            mode,
            lines: BTreeMap::new(),
            cuts: 0,
            floors: 0,
            before: Balances::total_issuance(),
        }
    }

    fn delegate(&mut self, operator: u8, who: u8) -> bool {
        let some = [UNIT, 7 * UNIT / 3, 90 * UNIT, UNIT / 7];
        let amount = some[self.random.below(4) as usize];
        let call = Delegation::delegate(signed(who), TASK, account(operator), amount);
        if call.is_ok() {
            self.lines.entry((operator, who)).or_default().stake += amount << 32;
        }
        call.is_ok()
    }

    fn undelegate(&mut self, operator: u8, who: u8) -> bool {
        let there = Delegation::value(TASK, &account(operator), &account(who));
        let some = [UNIT, there / 3 + 1, there, there + 1];
        let amount = some[self.random.below(4) as usize];
        let held_before = held(who, HoldReason::Unbonding);
        let call = Delegation::undelegate(signed(who), TASK, account(operator), amount);
        if call.is_ok() {
            let got = held(who, HoldReason::Unbonding) - held_before;
            // Exactly what was named, where no slash has moved the price.
            assert!(got == amount || (got + 1 == amount && operator != HONEST));
            let line = self.lines.entry((operator, who)).or_default();
            line.stake = line.stake.saturating_sub(got << 32);
            if got == there {
                line.stake = 0; // what rounding left
            }
        }
        call.is_ok()
    }

    fn slash(&mut self, operator: u8) -> bool {
        if operator == HONEST {
            return false;
        }
        let fraction = match self.random.below(12) {
            0 => Perbill::one(),
            1 => Perbill::from_parts(1),
            n => Perbill::from_parts(n as u32 * 20_000_003),
        };
        let open = Open::get().unwrap();
        let since = open.saturating_sub(self.random.below(4) as u32);
        let (cut, leaving) = slash(&account(operator), since, fraction);
        self.cuts += cut + leaving;
        let kept = u128::from(1_000_000_000 - fraction.deconstruct());
        for ((of, _), line) in &mut self.lines {
            if *of == operator {
                line.stake = line.stake / 1_000_000_000 * kept;
            }
        }
        cut + leaving > 0
    }

    /// The open round pays as it goes (sessions) or, when it has closed, the one before it does
    /// (tasks); the next opens when that one is settled.
    fn time(&mut self) -> &'static str {
        let open = Open::get().unwrap();
        let closed = Settled::get().map_or(0, |settled| settled + 1);
        let free = self.mode == Mode::Free;
        let paying = if free { open } else { closed };
        if paying <= open && self.random.below(4) > 0 && (free || closed < open) {
            for operator in OPERATORS {
                self.pay(operator, paying);
            }
        }
        if closed < open {
            Settled::set(Some(closed));
            "settle"
        } else if free && self.random.below(2) == 0 {
            "pay"
        } else {
            Open::set(Some(open + 1));
            "open"
        }
    }

    fn pay(&mut self, operator: u8, round: Round) {
        let pot = u128::from(1 + self.random.below(1 << 40));
        let total = totals(&account(operator), round).shares;
        if total == 0 {
            return;
        }
        for ((of, _), line) in &mut self.lines {
            if *of == operator {
                let shares = shares_in(line, round);
                line.due += arena_math::wide::mul_div(pot << 32, shares, total).unwrap();
            }
        }
        pay_round(&account(operator), round, pot);
    }

    fn step(&mut self, tally: &mut Tally) {
        let operator = 1 + self.random.below(3) as u8;
        let who = 10 + self.random.below(6) as u8;
        let (from, to) = (account(operator), account(who));
        let (name, ok) = match self.random.below(16) {
            0..=3 => ("delegate", self.delegate(operator, who)),
            4 | 5 => ("undelegate", self.undelegate(operator, who)),
            6 => ("withdraw", Delegation::withdraw(signed(who)).is_ok()),
            7 => {
                let call = Delegation::claim(signed(who), TASK, from);
                ("claim", call.is_ok())
            }
            8 => {
                let call = Delegation::claim_for(signed(29), TASK, from, to);
                ("claim_for", call.is_ok())
            }
            9 | 10 => {
                let call = Delegation::apply_slash(signed(29), TASK, from, to);
                ("apply_slash", call.is_ok())
            }
            11 if self.random.below(3) == 0 => ("slash", self.slash(operator)),
            _ => (self.time(), true),
        };
        self.floors += u128::from(ok);
        let next = Open::get().unwrap() + 1;
        let row = Delegation::delegation(TASK, &account(operator), &account(who));
        let line = self.lines.entry((operator, who)).or_default();
        line.shares
            .insert(next, row.as_ref().map_or(0, |row| row.shares()));
        if row.is_none_or(|row| row.shares() == 0) {
            line.stake = 0; // all of it was slashed, or rounding
        }
        let counts = tally.entry(name).or_default();
        if ok {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
        System::set_block_number(System::block_number() + self.random.below(4));
    }

    fn check(&self) {
        invariants::check::<Test>().expect("invariants hold");
        let paid: Balance = DELEGATORS.map(|n| paid(&account(n))).sum();
        assert_eq!(
            Balances::total_issuance(),
            self.before + paid - burned(),
            "money appeared or vanished"
        );
        for ((operator, who), line) in &self.lines {
            let value = Delegation::value(TASK, &account(*operator), &account(*who));
            let exact = line.stake >> 32;
            let slack = if *operator == HONEST {
                0
            } else {
                self.floors + 1
            };
            assert!(value.abs_diff(exact) <= slack, "{value} of {exact}");
            if *operator == HONEST {
                let row = Delegation::delegation(TASK, &account(HONEST), &account(*who));
                let row = row.unwrap_or_default();
                assert_eq!((row.held, row.shares()), (exact, exact), "never slashed");
            }
        }
    }

    /// Everybody leaves: nothing stays behind, and the sums are right.
    fn end(self) {
        Ended::set(true);
        Lag::set(None);
        State::set(PayoutState::Free);
        for who in DELEGATORS {
            for operator in OPERATORS {
                let (from, to) = (account(operator), account(who));
                let _ = Delegation::apply_slash(signed(who), TASK, from.clone(), to.clone());
                let value = Delegation::value(TASK, &from, &to);
                if value > 0 {
                    let all = Delegation::undelegate(signed(who), TASK, from.clone(), value);
                    assert_ok!(all);
                }
                let _ = Delegation::claim(signed(who), TASK, from);
            }
            let _ = Delegation::withdraw(signed(who));
            for reason in [HoldReason::Delegation, HoldReason::Unbonding] {
                assert_eq!(held(who, reason), 0);
            }
            let due: u128 = OPERATORS
                .filter_map(|operator| self.lines.get(&(operator, who)))
                .map(|line| line.due)
                .sum();
            let got = paid(&account(who));
            assert!(got << 32 <= due + (1 << 32), "{got} of {}", due >> 32);
            // One unit for each claim of each lot.
            let slack = (self.floors + 3) * 16;
            assert!(got + slack >= due >> 32, "{got} of {}", due >> 32);
        }
        assert_eq!(Delegations::<Test>::iter().count(), 0);
        assert_eq!(Unbonding::<Test>::iter().count(), 0);
        assert_eq!(ExitPools::<Test>::iter().count(), 0);
        assert_eq!(LiveExits::<Test>::iter().count(), 0);
        for operator in OPERATORS {
            assert_eq!(totals(&account(operator), Round::MAX), Default::default());
        }
        // What slashes were said to take is what was burned, but for rounding.
        let apart = burned().abs_diff(self.cuts);
        assert!(apart <= self.floors + 64, "{apart} of {}", self.cuts);
        self.check_end();
    }

    fn check_end(&self) {
        invariants::check::<Test>().expect("invariants hold");
        let paid: Balance = DELEGATORS.map(|n| paid(&account(n))).sum();
        let now = Balances::total_issuance();
        assert_eq!(now, self.before + paid - burned());
    }
}

#[test]
fn random_calls_and_slashes_should_keep_every_balance() {
    let seed = std::env::var("ARENA_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    println!("delegation: ARENA_SEED={seed}, {RUNS} runs of {CALLS}");
    let mut tally = Tally::new();
    for run in 0..RUNS {
        let mode = [Mode::Free, Mode::Locked, Mode::Lagging][(run % 3) as usize];
        build_and_execute(|| {
            let mut state = Run::new(seed ^ (run << 48), mode);
            for _ in 0..CALLS {
                state.step(&mut tally);
                state.check();
            }
            state.end();
        });
    }
    println!("delegation (accepted, refused): {tally:?}");
    let ok: u32 = tally.values().map(|(ok, _)| ok).sum();
    let all: u32 = tally.values().map(|(ok, refused)| ok + refused).sum();
    assert!(ok * 10 >= all * 3, "{ok} of {all} succeeded");
    assert!(tally.len() >= 9, "{tally:?}");
    assert!(tally.values().all(|(ok, _)| *ok >= 100), "{tally:?}");
}
