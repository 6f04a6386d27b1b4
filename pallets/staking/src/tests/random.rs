//! Random calls, with all invariants after each of them.

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

#[test]
fn invariants_should_hold_after_any_sequence_of_calls() {
    let mut tally = BTreeMap::<&str, (u32, u32)>::new();
    for seed in 1..=4u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let network = [(1, 100 * UNIT), (2, 150 * UNIT), (3, 300 * UNIT)];
        ExtBuilder::default()
            .network(&network)
            .build_and_execute(|| {
                TaskRound::set(Some(0));
                NetworkRound::set(Some(0));
                for _ in 0..1_500 {
                    let n = 1 + random.below(12) as u8;
                    let venue = [Venue::Network, TASK, Venue::Task(2)][random.below(3) as usize];
                    let role = [Role::Trainer, Role::Validator][random.below(2) as usize];
                    let sizes = [UNIT / 2, 3 * UNIT, 15 * UNIT, 100 * UNIT, 333 * UNIT];
                    let mut amount = sizes[random.below(5) as usize];
                    let (name, ok) = match random.below(10) {
                        0..=2 => (
                            "stake",
                            Staking::stake(signed(n), venue, role, amount).is_ok(),
                        ),
                        3 | 4 => {
                            if random.below(2) == 0 {
                                let own =
                                    Staking::position(venue, &account(n)).map_or(0, |p| p.own);
                                amount = own.max(1);
                            }
                            (
                                "decrease",
                                Staking::decrease(signed(n), venue, amount).is_ok(),
                            )
                        }
                        5 => ("withdraw", Staking::withdraw(signed(n)).is_ok()),
                        6 => ("add", Staking::add(venue, &account(n), amount).is_ok()),
                        7 => {
                            let all = Staking::total(venue, &account(n)).max(1);
                            (
                                "remove",
                                Staking::remove(venue, &account(n), all.min(amount)).is_ok(),
                            )
                        }
                        8 => (
                            "slash",
                            Staking::slash_own(venue, &account(n), amount / 7) > 0,
                        ),
                        _ => ("reap", Staking::reap(signed(n), venue, account(n)).is_ok()),
                    };
                    let counts = tally.entry(name).or_default();
                    if ok {
                        counts.0 += 1;
                    } else {
                        counts.1 += 1;
                    }
                    System::set_block_number(System::block_number() + random.below(4));
                    if random.below(25) == 0 {
                        TaskRound::mutate(|round| *round = round.map(|r| r + 1));
                        NetworkRound::mutate(|round| *round = round.map(|r| r + 1));
                        for role in [Role::Trainer, Role::Validator] {
                            for round in 0..TaskRound::get().unwrap() + 2 {
                                let all = Staking::all(TASK, role, round).len() as u32;
                                assert!(all <= limits().seats(TASK, role));
                            }
                        }
                    }
                    invariants::check::<Test>().expect("invariants hold");
                }
                // Everybody leaves a venue that has ended.
                TaskEnded::set(true);
                for (who, position) in Staking::positions(TASK) {
                    if position.delegated > 0 {
                        assert_ok!(Staking::remove(TASK, &who, position.delegated));
                    }
                    if position.own > 0 {
                        let leaver = RuntimeOrigin::signed(who.clone());
                        assert_ok!(Staking::decrease(leaver, TASK, position.own));
                    }
                    // What had left before the end is for anybody to remove.
                    let _ = Staking::reap(signed(1), TASK, who);
                }
                assert_eq!(Staking::positions(TASK), vec![]);
                TaskEnded::set(false);
            });
    }
    println!("staking (accepted, refused): {tally:?}");
    assert!(tally.values().all(|(ok, _)| *ok > 0), "{tally:?}");
}
