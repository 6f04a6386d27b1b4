//! Random calls and blocks against a second book of deposits, commitments, roots and rounds,
//! which says of each call but `poke` whether it must succeed; with all invariants after each of them, and
//! the whole book compared after each block.
//!
//! `ARENA_SEED` sets the seed of a run and `ARENA_CALLS` how many calls it makes.

mod book;
mod models;
mod time;

use super::*;
use arena_primitives::{AccountId, Round, Shard, ShardProof, Uris, shard::shard_proof};
use book::{Book, Committed, Proposed, Tally, now};
use sp_core::storage::StateVersion;
use sp_runtime::DispatchResult;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Calls of a run, where nobody says how many.
const CALLS: u64 = 20_000;
const WORLDS: u64 = 8;
/// The last one is poor, the one before not much richer.
const CREATORS: Range<u8> = 1..6;
/// The last one never has a position.
const TRAINERS: Range<u8> = 11..19;
const VALIDATORS: Range<u8> = 21..24;
/// Tasks that are alive at once, mostly.
const ALIVE: usize = 14;
/// Roots that trainers come upon in a round of a task.
const ROOTS: u8 = 4;
/// Of so many calls one is looked at to have changed nothing if it is refused.
const SAMPLED: u64 = 10;
/// Blocks in which a proposal can be approved.
const LIFETIME: u32 = DAY;

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

    fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.below(all.len().max(1) as u64) as usize;
        all.get(at).cloned()
    }

    fn in_range(&mut self, range: Range<u8>) -> u8 {
        range.start + self.below(range.len() as u64) as u8
    }
}

struct World {
    random: Random,
    book: Book,
    /// The hook had nothing left to do, and nothing has happened since.
    caught_up: bool,
    /// Failures that were seen to change nothing.
    unchanged: u64,
    /// Reasons for which calls were refused.
    refusals: BTreeSet<&'static str>,
}

/// What must be refused in a run, now and then.
const REFUSALS: [&str; 31] = [
    "AlreadyPaused",
    "AlreadyProposed",
    "AlreadyPublished",
    "Bad origin",
    "BadDuration",
    "BadUris",
    "BondNotCovered",
    "Enrolment",
    "Funds are unavailable",
    "NoModels",
    "NoOpenRound",
    "NoSubmission",
    "NoSuchProposal",
    "NoSuchTask",
    "NotATrainer",
    "NotALiveRound",
    "NotAServiceKey",
    "NotDrawing",
    "NotPaused",
    "NotPublishing",
    "NotSealed",
    "NotTheCreator",
    "NotTheProposer",
    "NothingDue",
    "RootOwned",
    "ShardSize",
    "ShardTooEarly",
    "ShardTooLate",
    "TaskOver",
    "WrongCommitment",
    "WrongShard",
];

/// The shard of a round, or the nearest, of a task of so many, with its proof.
fn sealed_part(rounds: u32, round: Round) -> (Shard, ShardProof) {
    let all = crate::mock::shards(rounds);
    let round = round.clamp(1, rounds + 1);
    let proof = shard_proof(&all, round).expect("has such a round");
    (all[round as usize - 1].clone(), proof)
}

fn state_root() -> Vec<u8> {
    sp_io::storage::root(StateVersion::V1)
}

impl World {
    fn new(seed: u64) -> Self {
        // One has nothing for a bond, and one has it once.
        let wealth = |n| match CREATORS.end - n {
            1 => 700,
            2 => 8_000,
            _ => 100_000,
        };
        World {
            random: Random(seed),
            book: Book::new(CREATORS.map(|n| (n, wealth(n)))),
            caught_up: false,
            unchanged: 0,
            refusals: BTreeSet::new(),
        }
    }

    /// Makes a call that must do what the book says; now and then looks whether a refused one
    /// left everything as it was.
    #[track_caller]
    fn sent(&mut self, expected: bool, call: impl FnOnce() -> DispatchResult) -> bool {
        let before = (self.random.below(SAMPLED) == 0).then(state_root);
        let result = call();
        assert_eq!(result.is_ok(), expected, "{result:?} at {}", now());
        self.refusals.extend(result.err().map(<&str>::from));
        if let Some(before) = before.filter(|_| result.is_err()) {
            assert_eq!(state_root(), before, "{result:?} changed something");
            self.unchanged += 1;
        }
        expected
    }

    /// Root, or now and then somebody who may not.
    fn governance(&mut self) -> (RuntimeOrigin, bool) {
        let able = self.random.below(10) > 0;
        let origin = if able {
            RuntimeOrigin::root()
        } else {
            signed(1)
        };
        (origin, able)
    }

    /// A task that is alive, most times.
    fn task(&mut self) -> TaskId {
        let any = self.book.tasks.len() as u64 + 1;
        let any = self.random.below(any) as TaskId;
        if self.random.below(10) == 0 {
            return any;
        }
        let alive = self.book.alive();
        self.random.of(&alive).unwrap_or(any)
    }

    /// A task that takes commitments, most times.
    fn task_in_submission(&mut self) -> TaskId {
        let takes = |id: &TaskId| self.book.tasks[id].submitting(now()).is_some();
        let mut fits = self.book.alive();
        fits.retain(takes);
        let any = self.task();
        self.random
            .of(&fits)
            .filter(|_| !any.is_multiple_of(5))
            .unwrap_or(any)
    }

    fn propose(&mut self) -> bool {
        let proposer = self.random.in_range(CREATORS);
        let mut spec = spec();
        // A few names, so that some are proposed twice.
        spec.name = vec![b'a' + self.random.below(26) as u8].try_into().unwrap();
        spec.rounds = self.random.below(3) as u32 + 1;
        spec.round_minutes = [1_440, 2_000][self.random.below(2) as usize];
        spec.final_days = 1 + self.random.below(2) as u32;
        if self.random.below(2) == 0 {
            spec = sealed(spec);
        }
        spec.registered = self.random.below(4) == 0;
        let bad = self.random.below(12) == 0;
        if bad {
            spec.rounds = 0;
        }
        let spec_hash = Tasks::spec_hash(&account(proposer), &spec);
        let deposit = Deposit::get();
        // One unit stays, so that the account lives.
        let able = !bad
            && !self.book.proposals.contains_key(&spec_hash)
            && self.book.free[&proposer] > deposit;
        let proposal = Proposed {
            proposer,
            deposit,
            expires: now() + LIFETIME,
            spec: spec.clone(),
        };
        let done = self.sent(able, || Tasks::propose(signed(proposer), Box::new(spec)));
        if done {
            *self.book.free.entry(proposer).or_default() -= deposit;
            self.book.proposals.insert(spec_hash, proposal);
        }
        done
    }

    /// A proposal that has expired or hasn't, as asked, most times.
    fn proposal(&mut self, expired: bool) -> H256 {
        let fits = self.book.proposals.iter();
        let fits: Vec<_> = fits
            .filter(|(_, p)| (now() > p.expires) == expired || now().is_multiple_of(7))
            .map(|(spec_hash, _)| *spec_hash)
            .collect();
        let unknown = self.random.below(12) == 0;
        let some = self.random.of(&fits).filter(|_| !unknown);
        some.unwrap_or(root(0xEE))
    }

    fn withdraw_proposal(&mut self) -> bool {
        let spec_hash = self.proposal(self.random.0.is_multiple_of(4));
        let known = self.book.proposals.get(&spec_hash).map(|p| p.proposer);
        let other = self.random.in_range(CREATORS);
        let who = known.filter(|_| other > 1).unwrap_or(other);
        let done = self.sent(known == Some(who), || {
            Tasks::withdraw_proposal(signed(who), spec_hash)
        });
        if done {
            self.book.take_proposal(&spec_hash);
        }
        done
    }

    fn remove_expired(&mut self) -> bool {
        let spec_hash = self.proposal(true);
        let known = self.book.proposals.get(&spec_hash);
        let late = known.is_some_and(|p| now() > p.expires);
        let done = self.sent(late, || Tasks::remove_expired(signed(99), spec_hash));
        if done {
            self.book.take_proposal(&spec_hash);
        }
        done
    }

    fn approve(&mut self) -> bool {
        let crowded = self.book.alive().len() >= ALIVE;
        let spec_hash = self.proposal(crowded);
        let known = self.book.proposals.get(&spec_hash);
        let in_time = known.is_some_and(|p| {
            let free = self.book.free[&p.proposer] + p.deposit;
            let bond = book::Line::whole_bond(&p.spec);
            now() <= p.expires && (bond == 0 || free > bond)
        });
        let (origin, able) = self.governance();
        let id = crate::NextTaskId::<Test>::get();
        let done = self.sent(in_time && able, || {
            Tasks::approve(origin, spec_hash, Perbill::one())
        });
        if done {
            let proposal = self.book.take_proposal(&spec_hash);
            self.book.approve(id, proposal);
            self.enrol(id);
        }
        done
    }

    /// Most take a position from the first round on, some later or never.
    fn enrol(&mut self, id: TaskId) {
        for who in TRAINERS.take(TRAINERS.len() - 1).chain(VALIDATORS) {
            let role = if VALIDATORS.contains(&who) {
                Role::Validator
            } else {
                Role::Trainer
            };
            let from = [1, 1, 1, 1, 2, 9][self.random.below(6) as usize];
            let row = (role, 1 + u128::from(self.random.below(1_000)), from);
            with(|n| n.positions.insert((id, account(who)), row));
            let run_at = now() + [0, 0, 0, DAY, 2 * DAY, 99 * DAY][self.random.below(6) as usize];
            with(|n| n.runs.insert((id, account(who)), run_at));
        }
    }

    fn top_up(&mut self) -> bool {
        let id = self.task();
        let line = self.book.tasks.get(&id);
        let able = line.is_some_and(book::Line::is_drawing);
        self.sent(able, || Tasks::top_up(signed(ANN), id, 5))
    }

    fn cancel(&mut self) -> bool {
        let id = self.task();
        let (origin, able) = self.governance();
        let alive = self.book.tasks.get(&id).is_some_and(|line| !line.over);
        self.caught_up &= !(alive && able);
        self.sent(alive && able, || Tasks::cancel(origin, id))
    }

    fn paused(&mut self) -> Option<TaskId> {
        let mut paused = self.book.alive();
        paused.retain(|id| self.book.tasks[id].paused);
        self.random.of(&paused)
    }

    /// Now and then one that is paused already.
    fn pause(&mut self) -> bool {
        let any = self.task();
        let again = self.paused().filter(|_| self.random.below(6) == 0);
        let id = again.unwrap_or(any);
        let (origin, able) = self.governance();
        let line = self.book.tasks.get(&id);
        let able = able && line.is_some_and(|line| !line.over && !line.paused);
        let done = self.sent(able, || Tasks::pause(origin, id));
        if done {
            self.book.tasks.get_mut(&id).expect("a task").paused = true;
        }
        done
    }

    /// Mostly one that is paused.
    fn resume(&mut self) -> bool {
        let any = self.task();
        let id = self.paused().unwrap_or(any);
        let (origin, able) = self.governance();
        let line = self.book.tasks.get(&id);
        let able = able && line.is_some_and(|line| !line.over && line.paused);
        self.caught_up &= !able;
        let done = self.sent(able, || Tasks::resume(origin, id));
        if done {
            self.book.tasks.get_mut(&id).expect("a task").paused = false;
        }
        done
    }

    fn step(&mut self) {
        let (kind, done) = match self.random.below(60) {
            0..=4 => ("propose", self.propose()),
            5 => ("withdraw_proposal", self.withdraw_proposal()),
            6..=9 => ("approve", self.approve()),
            10 | 11 => ("remove_expired", self.remove_expired()),
            12..=23 => ("submit", self.submit()),
            24..=35 => ("publish", self.publish()),
            36 | 37 => ("top_up", self.top_up()),
            38 if self.random.below(2) == 0 => ("cancel", self.cancel()),
            39..=41 => ("poke", self.poke()),
            42..=46 => ("settle", self.settle()),
            47 => ("open_shard", self.open_shard()),
            48 | 49 if self.random.below(2) == 0 => ("pause", self.pause()),
            48 | 49 => ("resume", self.resume()),
            // Publish windows are short.
            _ if self.random.below(4) > 0 && !self.publishable_now().is_empty() => {
                ("publish", self.publish())
            }
            // Some creators forget theirs.
            _ if self.random.below(4) == 0 && !self.openable().is_empty() => {
                ("open_shard", self.open_shard())
            }
            _ => ("block", self.block()),
        };
        self.book.count(kind, done);
        self.book.read_events();
        crate::invariants::check::<Test>().expect("invariants hold");
        if kind == "block" || self.random.below(4) == 0 {
            self.book.check();
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Kinds of calls; the others are what hooks and events tell of.
const KINDS: usize = 14;

#[test]
fn random_calls_should_do_what_a_second_book_says() {
    let seed = number("ARENA_SEED").unwrap_or(1);
    let calls = number("ARENA_CALLS").unwrap_or(CALLS);
    println!("tasks: ARENA_SEED={seed} ARENA_CALLS={calls}");
    let (mut tally, mut refusals, mut unchanged) = (Tally::new(), BTreeSet::new(), 0);
    for world in 0..WORLDS {
        run(|| {
            let mut world = World::new(seed ^ (world << 48));
            for _ in 0..calls / WORLDS {
                world.step();
            }
            for (kind, (done, called)) in world.book.tally {
                let counts = tally.entry(kind).or_default();
                *counts = (counts.0 + done, counts.1 + called);
            }
            unchanged += world.unchanged;
            refusals.append(&mut world.refusals);
        });
    }
    println!("tasks (done, called): {tally:?}, {unchanged} failures changed nothing");
    println!("{refusals:?}");
    let least = calls / 200;
    let steps = [
        "enrol",
        "open round",
        "start final",
        "fix",
        "start challenge",
    ];
    let steps = steps
        .into_iter()
        .chain(["close", "displace", "miss", "prune", "release", "unbonded"]);
    let hooks: Vec<_> = steps.filter_map(|step| tally.remove(step)).collect();
    assert_eq!((hooks.len(), tally.len()), (11, KINDS));
    // What hooks do hangs on chance and time; few creators run out of bonds.
    assert!(hooks.iter().all(|(done, _)| *done >= least / 50));
    assert!(tally.values().all(|(done, _)| *done >= least), "{tally:?}");
    let (done, called) = tally
        .values()
        .fold((0, 0), |sum, (done, called)| (sum.0 + done, sum.1 + called));
    println!("{done} of {called} calls were done");
    assert!(done * 10 >= called * 3, "{done} of {called} succeeded");
    if calls >= CALLS {
        let missing = REFUSALS.iter().find(|reason| !refusals.contains(*reason));
        assert_eq!(missing, None, "never refused for this");
    }
    assert!(unchanged >= least, "too few failures were looked at");
}
