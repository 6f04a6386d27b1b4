//! Random calls, with all invariants after each of them, against a model of what rounds count.
//!
//! `ARENA_SEED` sets the seed of a run; each run prints its own.

use super::*;
use arena_primitives::hash::{Domain, preimage};
use frame_support::traits::Hooks;
use pallet_authorship::EventHandler;
use pallet_session::SessionManager;
use sp_core::{Pair, sr25519};
use sp_staking::offence::{OffenceDetails, OnOffenceHandler};
use std::collections::BTreeMap;

const RUNS: u64 = 4;
const CALLS: u32 = 5_000;
const VENUES: [Venue; 3] = [Venue::Network, TASK, Venue::Task(2)];

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.below(all.len().max(1) as u64) as usize;
        all.get(at).cloned()
    }
}

/// What the calls should have led to.
#[derive(Default)]
struct Model {
    /// Shares of each position.
    shares: BTreeMap<(Venue, AccountId), Balance>,
    /// All that was delegated, less what was taken back.
    delegated: Balance,
    /// What each round counts: what counted when the round before it closed.
    counted: BTreeMap<(Venue, u32), BTreeMap<AccountId, StakeSnapshot>>,
    /// Keys that were made so far.
    keys: u32,
}

impl Model {
    fn close(&mut self, round: u32) {
        for venue in VENUES {
            let all = Staking::positions(venue).into_iter();
            let counts = all
                .map(|(who, position)| (who, position.now()))
                .filter(|(_, now)| now.own > 0)
                .collect();
            self.counted.insert((venue, round), counts);
        }
    }

    fn check(&self, open: u32) {
        for venue in VENUES {
            for round in open.saturating_sub(1)..=open {
                let mut seen = BTreeMap::new();
                for role in [Role::Trainer, Role::Validator] {
                    for counted in Staking::all(venue, role, round) {
                        let alone = Staking::counted(venue, &counted.operator, round);
                        assert_eq!(alone, Some(counted.clone()));
                        assert_eq!(counted.role, role);
                        seen.insert(counted.operator, counted.stake);
                    }
                }
                let expected = self.counted.get(&(venue, round));
                assert_eq!(seen, expected.cloned().unwrap_or_default());
            }
        }
        let left: Balance = Positions::<Test>::iter().map(|(_, _, p)| p.delegated).sum();
        assert_eq!(left + DelegatedCut::<Test>::get(), self.delegated);
        for ((venue, who), shares) in &self.shares {
            assert_eq!(Staking::totals(*venue, who).shares, *shares);
        }
    }
}

/// Blocks pass, each with an author; one of them sleeps.
fn blocks(random: &mut Random) {
    for _ in 0..random.below(4) {
        System::set_block_number(System::block_number() + 1);
        Staking::on_initialize(System::block_number());
        let authors = Authors::<Test>::get();
        let awake: Vec<_> = authors.into_iter().filter(|a| *a != account(3)).collect();
        if let Some(author) = random.of(&awake) {
            Staking::note_author(author);
        }
    }
}

fn rounds(random: &mut Random, model: &mut Model) {
    if random.below(20) > 0 {
        return;
    }
    let open = NetworkRound::get().unwrap();
    <Staking as SessionManager<AccountId>>::end_session(open);
    model.close(open + 1);
    TaskRound::set(Some(open + 1));
    NetworkRound::set(Some(open + 1));
    <Staking as SessionManager<AccountId>>::start_session(open + 1);
    if let Some(set) = <Staking as SessionManager<AccountId>>::new_session(open + 2) {
        assert!(set.len() >= limits().min_authors as usize);
    }
    model.check(open + 1);
}

/// An operator of the venue that this holds for, most times; else anybody.
fn pick(random: &mut Random, venue: Venue, which: impl Fn(&Position) -> bool) -> AccountId {
    let all: Vec<_> = Staking::positions(venue)
        .into_iter()
        .filter(|(_, position)| which(position))
        .map(|(who, _)| who)
        .collect();
    let anybody = account(1 + random.below(12) as u8);
    if random.below(4) == 0 {
        anybody
    } else {
        random.of(&all).unwrap_or(anybody)
    }
}

fn stake_call(random: &mut Random, venue: Venue, amount: Balance) -> bool {
    let who = account(1 + random.below(12) as u8);
    let any = [Role::Trainer, Role::Validator][random.below(2) as usize];
    let role = Staking::role(venue, &who).unwrap_or(any);
    Staking::stake(RuntimeOrigin::signed(who), venue, role, amount).is_ok()
}

fn decrease_call(random: &mut Random, venue: Venue, amount: Balance) -> bool {
    let who = pick(random, venue, |p| p.own > 0);
    let own = Staking::position(venue, &who).map_or(1, |p| p.own);
    let amount = if random.below(3) > 0 { own } else { amount };
    Staking::decrease(RuntimeOrigin::signed(who), venue, amount).is_ok()
}

fn withdraw_call(random: &mut Random) -> bool {
    let some: Vec<_> = Unbonding::<Test>::iter_keys().collect();
    let who = random.of(&some).unwrap_or(account(1));
    Staking::withdraw(RuntimeOrigin::signed(who)).is_ok()
}

fn reap_call(random: &mut Random) -> bool {
    let all: Vec<_> = Positions::<Test>::iter()
        .filter(|(_, _, position)| position.own == 0 && position.shares == 0)
        .map(|(venue, who, position)| (!Staking::is_over(venue, &position), venue, who))
        .collect();
    // Mostly one that can go, if there is one.
    let chosen = if random.below(4) == 0 {
        random.of(&all)
    } else {
        all.iter().min().cloned()
    };
    let (_, venue, who) = chosen.unwrap_or((true, TASK, account(1)));
    Staking::reap(signed(1), venue, who).is_ok()
}

fn key_call(random: &mut Random, model: &mut Model, clear: bool) -> bool {
    let who = account(1 + random.below(6) as u8);
    let origin = RuntimeOrigin::signed(who.clone());
    if clear {
        return Staking::clear_service_key(origin).is_ok();
    }
    // One of the latest, which may be in use or dropped.
    model.keys += 1;
    let number = model.keys - (random.below(3) as u32).min(model.keys - 1);
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    let pair = sr25519::Pair::from_seed(&seed);
    let proof = pair.sign(&preimage(Domain::ServiceKeyProof, &who));
    let set = Staking::set_service_key(origin, AccountId::new(pair.public().0), proof);
    set.is_ok()
}

fn add_call(random: &mut Random, model: &mut Model, venue: Venue, amount: Balance) -> bool {
    let who = pick(random, venue, Position::is_seated);
    let amount = amount + Balance::from(random.below(1_000));
    let Ok(shares) = Staking::add(venue, &who, amount) else {
        return false;
    };
    *model.shares.entry((venue, who)).or_default() += shares;
    model.delegated += amount;
    true
}

fn remove_call(random: &mut Random, model: &mut Model, venue: Venue) -> bool {
    let who = pick(random, venue, |p| p.shares > 0);
    let all = Staking::totals(venue, &who).shares;
    let shares = match random.below(3) {
        0 => all + 1,
        1 => all,
        _ => all / 3,
    };
    let Ok(amount) = Staking::remove(venue, &who, shares) else {
        return false;
    };
    *model.shares.entry((venue, who)).or_default() -= shares;
    model.delegated -= amount;
    true
}

fn offence_call(random: &mut Random) -> bool {
    let who = pick(random, Venue::Network, |p| p.own > 0);
    let open = NetworkRound::get().unwrap();
    let session = open.saturating_sub(random.below(12) as u32);
    let fraction = Perbill::from_percent([1, 5, 10, 40][random.below(4) as usize]);
    let details = OffenceDetails {
        offender: (who, ()),
        reporters: vec![],
    };
    let before = SlashQueue::<Test>::get().end;
    <Staking as OnOffenceHandler<_, _, _>>::on_offence(&[details], &[fraction], session);
    SlashQueue::<Test>::get().end > before
}

fn cancel_call(random: &mut Random) -> bool {
    let all: Vec<_> = PendingSlashes::<Test>::iter_keys().collect();
    let index = random.of(&all).unwrap_or(0);
    let origin = if random.below(5) == 0 {
        signed(1)
    } else {
        RuntimeOrigin::root()
    };
    Staking::cancel_slash(origin, index).is_ok()
}

/// Of payees, some can't take their part, and some are left without.
fn slash_call(random: &mut Random, venue: Venue, amount: Balance) -> bool {
    let who = pick(random, venue, |p| p.own > 0);
    let payees: Vec<_> = (0..random.below(4))
        .map(|_| {
            let payee = account([14, 15, 60 + random.below(60) as u8][random.below(3) as usize]);
            let bits = random.below(40);
            (payee, amount / Balance::from(1 + random.below(1 << bits)))
        })
        .collect();
    let away = SlashedAway::get();
    let taken = Staking::slash_own_for(venue, &who, amount, &payees);
    let named: Balance = payees.iter().map(|(_, part)| part).sum();
    assert!(taken.total <= amount && taken.paid <= named.min(taken.total));
    assert_eq!(SlashedAway::get() - away, taken.total - taken.paid);
    taken.total > 0
}

fn call(random: &mut Random, model: &mut Model) -> (&'static str, bool) {
    let venue = VENUES[random.below(3) as usize];
    let sizes = [UNIT / 2, 3 * UNIT, 15 * UNIT, 100 * UNIT, 333 * UNIT];
    let amount = sizes[random.below(5) as usize];
    match random.below(32) {
        0..=6 => ("stake", stake_call(random, venue, amount)),
        7..=10 => ("decrease", decrease_call(random, venue, amount)),
        11 => ("withdraw", withdraw_call(random)),
        12 => ("set_commission", {
            let who = pick(random, venue, |p| p.own > 0);
            let percent = Perbill::from_percent(random.below(60) as u32);
            Staking::set_commission(RuntimeOrigin::signed(who), venue, percent).is_ok()
        }),
        13 => ("set_service_key", key_call(random, model, false)),
        14 => ("clear_service_key", key_call(random, model, true)),
        15..=17 => ("reap", reap_call(random)),
        18..=20 => ("take_seat", {
            let who = pick(random, venue, |p| p.own > 0 && !p.is_seated());
            Staking::take_seat(RuntimeOrigin::signed(who), venue).is_ok()
        }),
        21 | 22 => ("cancel_slash", cancel_call(random)),
        23 | 24 => ("add", add_call(random, model, venue, amount)),
        25 | 26 => ("remove", remove_call(random, model, venue)),
        27 => ("slash_own", slash_call(random, venue, amount / 13)),
        28 | 29 => ("chill", {
            let who = pick(random, venue, Position::is_seated);
            Staking::chill(venue, &who)
        }),
        _ => ("offence", offence_call(random)),
    }
}

/// Everybody leaves the venue that has ended, and no row is left.
fn wind_up() {
    TaskEnded::set(true);
    for (who, position) in Staking::positions(TASK) {
        if position.shares > 0 {
            assert_ok!(Staking::remove(TASK, &who, position.shares));
        }
        if position.own > 0 {
            let leaver = RuntimeOrigin::signed(who.clone());
            assert_ok!(Staking::decrease(leaver, TASK, position.own));
        }
        // What had left before the end is for anybody to remove.
        let reaped = Staking::reap(signed(1), TASK, who.clone()).is_ok();
        assert_eq!(reaped, position.own == 0 && position.shares == 0);
    }
    assert_eq!(Staking::positions(TASK), vec![]);
    for role in [Role::Trainer, Role::Validator] {
        assert_eq!(roster(TASK, role), vec![]);
    }
    TaskEnded::set(false);
    invariants::check::<Test>().expect("invariants hold");
}

#[test]
fn invariants_should_hold_after_any_sequence_of_calls() {
    let seed = std::env::var("ARENA_SEED")
        .map(|text| text.parse().expect("ARENA_SEED is a number"))
        .unwrap_or(0x9E37_79B9_7F4A_7C15u64);
    println!("ARENA_SEED={seed}");
    let mut tally = BTreeMap::<&str, (u32, u32)>::new();
    for run in 0..RUNS {
        let mut random = Random(seed.wrapping_add(run).wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
        let mut network = [(1, 100), (2, 150), (3, 300)].map(|(n, own)| (n, own * UNIT));
        network.rotate_left(run as usize % 3);
        ExtBuilder::default()
            .network(&network)
            .build_and_execute(|| {
                let issued = Balances::total_issuance();
                SlashedAway::set(0);
                let mut model = Model::default();
                LocksTrainers::set(run % 2 == 0);
                TaskRound::set(Some(0));
                NetworkRound::set(Some(0));
                model.close(0);
                <Staking as SessionManager<AccountId>>::new_session_genesis(0);
                <Staking as SessionManager<AccountId>>::start_session(0);
                for _ in 0..CALLS {
                    let (name, done) = call(&mut random, &mut model);
                    let counts = tally.entry(name).or_default();
                    counts.0 += u32::from(done);
                    counts.1 += 1;
                    blocks(&mut random);
                    rounds(&mut random, &mut model);
                    invariants::check::<Test>().expect("invariants hold");
                }
                assert_eq!(Balances::total_issuance() + SlashedAway::get(), issued);
                wind_up();
            });
    }
    println!("staking (done, called): {tally:?}");
    let (done, called) = tally
        .values()
        .fold((0, 0), |sum, (done, called)| (sum.0 + done, sum.1 + called));
    println!("{done} of {called} calls were done");
    assert!(called >= 20_000);
    assert!(done * 10 >= called * 3, "too few calls were done");
    assert!(tally.values().all(|(done, _)| *done >= 100), "{tally:?}");
}
