//! Random calls against a model that knows who had what in each round.

use super::*;
use std::collections::BTreeMap;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Stake by delegator and round: from which round on how much.
type Books = BTreeMap<AccountId, BTreeMap<Round, Balance>>;

fn stake_in(books: &Books, who: &AccountId, round: Round) -> Balance {
    let history = books.get(who);
    history
        .and_then(|h| h.range(..=round).next_back())
        .map_or(0, |(_, amount)| *amount)
}

fn pay_round(
    books: &Books,
    due: &mut BTreeMap<AccountId, u128>,
    round: Round,
    random: &mut Random,
) {
    let pot = u128::from(1 + random.below(1 << 40));
    let total = model(|m| m.delegated(&account(1), round));
    for n in 10..16 {
        let stake = stake_in(books, &account(n), round);
        if total > 0 {
            let part = arena_math::wide::mul_div(pot << 32, stake, total);
            *due.entry(account(n)).or_default() += part.unwrap();
        }
    }
    reward(round, pot);
}

#[test]
fn each_delegator_should_get_its_part_of_each_round_and_no_more() {
    let mut tally = BTreeMap::<&str, (u32, u32)>::new();
    for seed in 1..=6u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // Free all the time as in `Network`, or locked until the end as in a task.
        let free = seed % 2 == 0;
        build_and_execute(|| {
            Open::set(Some(0));
            Settled::set(None);
            Ended::set(false);
            State::set(if free {
                PayoutState::Free
            } else {
                PayoutState::Locked
            });
            let mut books = Books::new();
            // In units of 2^-32.
            let mut due = BTreeMap::<AccountId, u128>::new();
            let mut claims = 0u128;
            for _ in 0..1_000 {
                let who = account(10 + random.below(6) as u8);
                let origin = RuntimeOrigin::signed(who.clone());
                let round = Open::get().unwrap();
                let live = stake_in(&books, &who, Round::MAX);
                let amount = [UNIT, 7 * UNIT / 3, 90 * UNIT, live][random.below(4) as usize];
                let (name, ok, now) = match random.below(6) {
                    0 | 1 => {
                        let call = Delegation::delegate(origin, TASK, account(1), amount);
                        ("delegate", call.is_ok(), live + amount)
                    }
                    2 => {
                        let call = Delegation::undelegate(origin, TASK, account(1), amount);
                        ("undelegate", call.is_ok(), live.saturating_sub(amount))
                    }
                    3 => ("withdraw", Delegation::withdraw(origin).is_ok(), live),
                    4 => {
                        claims += 1;
                        (
                            "claim",
                            Delegation::claim(origin, TASK, account(1)).is_ok(),
                            live,
                        )
                    }
                    _ => {
                        // The open round pays as it goes (sessions) or, when it has closed, the
                        // one before it does (tasks); the next opens when that one is settled.
                        let closed = Settled::get().map_or(0, |settled| settled + 1);
                        let paying = if free { round } else { closed };
                        if paying <= round && random.below(4) > 0 && (free || closed < round) {
                            pay_round(&books, &mut due, paying, &mut random);
                        }
                        if closed < round {
                            Settled::set(Some(closed));
                            ("settle", true, live)
                        } else if free && random.below(2) == 0 {
                            ("pay", true, live)
                        } else {
                            Open::set(Some(round + 1));
                            ("open", true, live)
                        }
                    }
                };
                if ok {
                    books.entry(who).or_default().insert(round + 1, now);
                }
                let counts = tally.entry(name).or_default();
                if ok {
                    counts.0 += 1;
                } else {
                    counts.1 += 1;
                }
                System::set_block_number(System::block_number() + random.below(4));
                invariants::check::<Test>().expect("invariants hold");
            }
            Ended::set(true);
            State::set(PayoutState::Free);
            for n in 10..16 {
                let who = account(n);
                let live = stake_in(&books, &who, Round::MAX);
                if live > 0 {
                    undelegate(n, live);
                }
                let _ = Delegation::claim(signed(n), TASK, account(1));
                let got = model(|m| m.paid.get(&who).copied().unwrap_or(0));
                let exact = due.get(&who).copied().unwrap_or(0);
                assert!(got << 32 <= exact + (1 << 20), "{got} of {}", exact >> 32);
                // One unit for each claim of each lot.
                let slack = (claims + 1) * 16;
                assert!(got + slack >= exact >> 32, "{got} of {}", exact >> 32);
            }
            assert_eq!(Delegations::<Test>::iter().count(), 0);
        });
    }
    println!("delegation (accepted, refused): {tally:?}");
    assert!(tally.values().all(|(ok, _)| *ok > 0), "{tally:?}");
}
