//! Random calls against a second book of cases, bonds and verdicts, which says of each call
//! whether it must succeed; with all invariants after each of them.
//!
//! `ARENA_SEED` sets the seed of a run and `ARENA_CALLS` how many calls it makes.

use super::*;
use crate::{CaseId, invariants};
use arena_primitives::{AccountId, Balance, BlockNumber, TaskId};
use frame_support::traits::fungible::Mutate;
use sp_core::storage::StateVersion;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Calls of a run, where nobody says how many.
const CALLS: u64 = 20_000;
const RUNS: u64 = 4;
/// More than a task can have cases.
const TRAINERS: Range<u8> = 40..70;
/// The one before the last is poor; the last is no validator.
const CHALLENGERS: Range<u8> = 20..28;
const PAUPER: u8 = 26;
const NOBODY: u8 = 27;
/// Blocks in which a case can be decided.
const DECIDE_WITHIN: BlockNumber = 10;

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

/// An open case.
#[derive(Clone)]
struct Line {
    task: TaskId,
    trainer: u8,
    challenger: u8,
    bond: Balance,
    decide_by: BlockNumber,
}

/// How often each kind of call was made, and how often it succeeded.
type Tally = BTreeMap<&'static str, (u64, u64)>;

/// What the calls should have led to.
struct Book {
    random: Random,
    /// Tasks in their challenge phases at once.
    at_once: usize,
    cases: BTreeMap<CaseId, Line>,
    next: CaseId,
    /// The ends of challenge phases.
    tasks: BTreeMap<TaskId, BlockNumber>,
    convicted: BTreeSet<(TaskId, u8)>,
    /// What each challenger can spend.
    free: BTreeMap<u8, Balance>,
    /// Bonds that were lost.
    lost: Balance,
    issued: Balance,
    /// Failures that were seen to change nothing.
    unchanged: u64,
    /// Reasons for which calls were refused.
    refusals: BTreeSet<&'static str>,
}

/// What must be refused in a run, now and then; all that can be but numbers that run out.
const REFUSALS: [&str; 12] = [
    "AlreadyConvicted",
    "Bad origin",
    "CaseOpen",
    "DecisionTooLate",
    "Funds are unavailable",
    "NoModel",
    "NoSuchCase",
    "NotAValidator",
    "NotInChallenge",
    "StillOpen",
    "TooLate",
    "TooManyCases",
];

fn now() -> BlockNumber {
    System::block_number()
}

fn state_root() -> Vec<u8> {
    sp_io::storage::root(StateVersion::V1)
}

fn earnings(trainer: u8) -> (Balance, Balance) {
    let who = account(trainer);
    with(|n| {
        let locked = n.locked.get(&who).copied().unwrap_or(0);
        let own = n.own.get(&who).copied().unwrap_or(0);
        (locked, own)
    })
}

/// Everybody with a role and some money, as far as they have any.
fn settle_people() -> BTreeMap<u8, Balance> {
    with(|n| {
        *n = Neighbours::default();
        for trainer in TRAINERS {
            n.roles.insert(account(trainer), Role::Trainer);
        }
        for challenger in CHALLENGERS.filter(|n| *n != NOBODY) {
            n.roles.insert(account(challenger), Role::Validator);
        }
    });
    let wealth = |n| if n == PAUPER { 130 } else { 1_000_000 };
    for n in CHALLENGERS {
        let there = Balances::total_balance(&account(n));
        assert_ok!(Balances::mint_into(&account(n), wealth(n) - there));
    }
    CHALLENGERS.map(|n| (n, wealth(n))).collect()
}

impl Book {
    fn new(seed: u64, at_once: usize) -> Self {
        let free = settle_people();
        Book {
            random: Random(seed),
            at_once,
            cases: BTreeMap::new(),
            next: 0,
            tasks: BTreeMap::new(),
            convicted: BTreeSet::new(),
            free,
            lost: 0,
            issued: Balances::total_issuance(),
            unchanged: 0,
            refusals: BTreeSet::new(),
        }
    }

    /// Makes a call that must do what the book says; now and then looks whether a refused one
    /// left everything as it was.
    fn sent(&mut self, expected: bool, call: impl FnOnce() -> DispatchResult) -> bool {
        System::reset_events();
        let before = (self.random.below(4) == 0).then(state_root);
        let result = call();
        assert_eq!(result.is_ok(), expected, "{result:?} at {}", now());
        self.refusals.extend(result.err().map(<&str>::from));
        if let Some(before) = before.filter(|_| result.is_err()) {
            assert_eq!(state_root(), before, "{result:?} changed something");
            self.unchanged += 1;
        }
        expected
    }

    fn cases_of(&self, task: TaskId) -> impl Iterator<Item = &Line> {
        self.cases.values().filter(move |line| line.task == task)
    }

    /// Cases that hold the end of a task up.
    fn waits_for(&self, task: TaskId) -> usize {
        self.cases_of(task)
            .filter(|line| now() <= line.decide_by)
            .count()
    }

    /// A task in its challenge phase, most times; and the next one where they are too few.
    fn task(&mut self) -> TaskId {
        let newest = self.tasks.keys().next_back().copied().unwrap_or(0);
        if self.tasks.len() < self.at_once {
            let ends = now() + 15 + self.random.below(30) as BlockNumber;
            self.tasks.insert(newest + 1, ends);
            with(|n| n.more.insert(newest + 1, ends));
            return newest + 1;
        }
        if self.random.below(15) == 0 {
            return newest + 2;
        }
        let all: Vec<_> = self.tasks.keys().copied().collect();
        self.random.of(&all).unwrap_or(newest)
    }

    /// What the book says of this accusation.
    fn may_open(&self, line: &Line) -> bool {
        let in_time = self.tasks.get(&line.task);
        let accused = self
            .cases_of(line.task)
            .any(|other| other.trainer == line.trainer);
        in_time.is_some_and(|ends| line.decide_by <= *ends)
            && line.challenger != NOBODY
            && TRAINERS.contains(&line.trainer)
            && !self.convicted.contains(&(line.task, line.trainer))
            && !accused
            && self.cases_of(line.task).count() < MAX_OPEN_CASES as usize
            // One unit stays, so that the account lives.
            && self.free[&line.challenger] > line.bond
    }

    fn open(&mut self) -> bool {
        let line = Line {
            task: self.task(),
            trainer: self.random.in_range(TRAINERS.start..TRAINERS.end + 1),
            challenger: self.random.in_range(CHALLENGERS),
            bond: Bond::get(),
            decide_by: now() + DECIDE_WITHIN,
        };
        let (who, task) = (signed(line.challenger), line.task);
        let trainer = account(line.trainer);
        let done = self.sent(self.may_open(&line), || {
            Challenges::open(who, task, trainer, H256::repeat_byte(1))
        });
        if done {
            *self.free.entry(line.challenger).or_default() -= line.bond;
            self.cases.insert(self.next, line);
            self.next += 1;
        }
        done
    }

    /// A case that is late or isn't, as asked, most times.
    fn case(&mut self, late: bool) -> CaseId {
        let fits: Vec<_> = self
            .cases
            .iter()
            .filter(|(_, line)| (now() > line.decide_by) == late)
            .map(|(id, _)| *id)
            .collect();
        let any = self.random.below(u64::from(self.next) + 2) as CaseId;
        let recent = self.next.saturating_sub(any % 8);
        if self.random.below(5) == 0 {
            return recent;
        }
        self.random.of(&fits).unwrap_or(recent)
    }

    /// Takes a case out of the book; its bond goes back or is lost.
    fn close(&mut self, id: CaseId, returned: bool) -> Line {
        let line = self.cases.remove(&id).expect("an open case");
        if returned {
            *self.free.entry(line.challenger).or_default() += line.bond;
        } else {
            self.lost += line.bond;
        }
        line
    }

    fn resolve(&mut self, convict: bool) -> bool {
        let id = self.case(false);
        let arbiter = self.random.below(10) > 0;
        let line = self.cases.get(&id).cloned();
        let in_time = line.as_ref().is_some_and(|line| now() <= line.decide_by);
        let before = line.as_ref().map_or((0, 0), |line| earnings(line.trainer));
        let origin = if arbiter {
            RuntimeOrigin::root()
        } else {
            signed(CHALLENGERS.start)
        };
        let done = self.sent(arbiter && in_time, || {
            Challenges::resolve(origin, id, convict)
        });
        if !done {
            return false;
        }
        let line = self.close(id, convict);
        let (locked, own) = before;
        if convict {
            self.convicted.insert((line.task, line.trainer));
            let left = (0, own - locked.min(own));
            assert_eq!(earnings(line.trainer), left);
            closed_as(id, &line, Verdict::Convicted, (locked, locked.min(own)));
        } else {
            assert_eq!(earnings(line.trainer), before);
            closed_as(id, &line, Verdict::Acquitted, (0, 0));
        }
        true
    }

    fn expire(&mut self) -> bool {
        let id = self.case(true);
        let late = self.cases.get(&id).is_some_and(|l| now() > l.decide_by);
        let who = signed(NOBODY);
        if !self.sent(late, || Challenges::expire(who, id)) {
            return false;
        }
        let line = self.close(id, true);
        closed_as(id, &line, Verdict::Expired, (0, 0));
        true
    }

    /// A task closes when it waits for nothing, or is called off at any time.
    fn end(&mut self, cancel: bool) -> bool {
        let ready = |(task, ends): (&TaskId, &BlockNumber)| {
            (cancel || (now() >= *ends && self.waits_for(*task) == 0)).then_some(*task)
        };
        let Some(task) = self.tasks.iter().find_map(ready) else {
            return false;
        };
        System::reset_events();
        <Challenges as Cases>::ended(task);
        let of_task = self.cases.iter().filter(|(_, line)| line.task == task);
        let ids: Vec<_> = of_task.map(|(id, _)| *id).collect();
        for id in ids {
            let line = self.close(id, true);
            closed_as(id, &line, Verdict::Expired, (0, 0));
        }
        self.convicted.retain(|(of, _)| *of != task);
        self.tasks.remove(&task);
        with(|n| n.more.remove(&task));
        true
    }

    /// A block passes, trainers earn, and now and then bonds get another price.
    fn pass_time(&mut self) -> bool {
        System::set_block_number(now() + 1);
        let trainer = account(self.random.in_range(TRAINERS));
        let (locked, own) = (self.random.below(200), self.random.below(100));
        with(|n| {
            *n.locked.entry(trainer.clone()).or_default() += Balance::from(locked);
            *n.own.entry(trainer).or_default() += Balance::from(own);
        });
        if self.random.below(40) == 0 {
            let bonds = [BOND, 1, 80, 125];
            Bond::set(&self.random.of(&bonds).unwrap_or(BOND));
        }
        true
    }

    fn step(&mut self, tally: &mut Tally) {
        let (name, done) = match self.random.below(40) {
            0..=16 => ("open", self.open()),
            17..=18 => ("convict", self.resolve(true)),
            19..=20 => ("acquit", self.resolve(false)),
            21..=27 => ("expire", self.expire()),
            28..=30 => ("close a task", self.end(false)),
            31 if self.random.below(3) == 0 => ("call a task off", self.end(true)),
            // Accusations in haste.
            _ if self.at_once == 1 && self.random.below(2) == 0 => ("open", self.open()),
            _ => ("a block", self.pass_time()),
        };
        let counts = tally.entry(name).or_default();
        counts.0 += u64::from(done);
        counts.1 += 1;
    }

    /// The chain's books are this one, and no money came or went but lost bonds.
    fn check(&self) {
        invariants::check::<Test>().expect("invariants hold");
        for (n, free) in &self.free {
            let bonds = self.cases.values().filter(|line| line.challenger == *n);
            let held: Balance = bonds.map(|line| line.bond).sum();
            let who = account(*n);
            assert_eq!(Balances::free_balance(&who), *free);
            assert_eq!(Balances::total_balance_on_hold(&who), held);
        }
        assert_eq!(Balances::total_issuance() + self.lost, self.issued);
        assert_eq!(OpenCases::<Test>::iter().count(), self.cases.len());
        for (id, line) in &self.cases {
            let case = OpenCases::<Test>::get(id).expect("an open case");
            let told = (case.task, case.trainer, case.challenger);
            let people = (account(line.trainer), account(line.challenger));
            assert_eq!(told, (line.task, people.0, people.1));
            assert_eq!((case.bond, case.decide_by), (line.bond, line.decide_by));
        }
        for task in self.tasks.keys() {
            let open = Challenges::open_cases(*task) as usize;
            assert_eq!(open, self.waits_for(*task));
        }
        let convicted: BTreeSet<(TaskId, AccountId)> = Convicted::<Test>::iter_keys().collect();
        let expected = self.convicted.iter().map(|(task, n)| (*task, account(*n)));
        assert_eq!(convicted, expected.collect());
    }

    /// All tasks end: nothing is held of anybody.
    fn wind_up(&mut self) {
        while self.end(true) {}
        self.check();
        let held = |n| Balances::total_balance_on_hold(&account(n));
        assert!(CHALLENGERS.map(held).all(|held| held == 0));
        assert_eq!(Convicted::<Test>::iter().count(), 0);
    }
}

/// An event tells of the case's end what the book says.
fn closed_as(id: CaseId, line: &Line, verdict: Verdict, taken: (Balance, Balance)) {
    let event = Event::CaseClosed {
        case: id,
        task: line.task,
        trainer: account(line.trainer),
        verdict,
        forfeited: taken.0,
        slashed: taken.1,
    };
    System::assert_has_event(event.into());
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn random_calls_should_do_what_a_second_book_says() {
    let seed = number("ARENA_SEED").unwrap_or(1);
    let calls = number("ARENA_CALLS").unwrap_or(CALLS);
    println!("challenges: ARENA_SEED={seed} ARENA_CALLS={calls}");
    let mut tally = Tally::new();
    let mut unchanged = 0;
    let mut refusals = BTreeSet::new();
    for world in 0..RUNS {
        // One task alone gets more cases than it can have.
        let at_once = if world == 0 { 1 } else { 3 };
        run(|| {
            let mut book = Book::new(seed ^ (world << 48), at_once);
            for _ in 0..calls / RUNS {
                book.step(&mut tally);
                book.check();
            }
            book.wind_up();
            unchanged += book.unchanged;
            refusals.append(&mut book.refusals);
        });
    }
    println!("challenges (done, called): {tally:?}, {unchanged} failures changed nothing");
    let (done, called) = tally
        .values()
        .fold((0, 0), |sum, (done, called)| (sum.0 + done, sum.1 + called));
    println!("{done} of {called} calls were done");
    assert!(done * 10 >= called * 3, "{done} of {called} succeeded");
    assert_eq!(tally.len(), 7);
    // A hundred of each in a run of the usual length.
    let least = calls / 200;
    assert!(tally.values().all(|(done, _)| *done >= least), "{tally:?}");
    if calls >= CALLS {
        assert_eq!(Vec::from_iter(refusals), REFUSALS);
    }
    assert!(unchanged >= least, "too few failures were looked at");
}
