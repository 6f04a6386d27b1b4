//! Random commitments, reveals and blocks of many rounds against a second book, which says of
//! each call whether it must succeed, and of each round what it must pay; with all invariants
//! after each of them.
//!
//! `ARENA_SEED` sets the seed of a run and `ARENA_CALLS` how many calls it makes.

mod book;
mod likes;
mod time;

use super::{
    pages::{Case, expected, rules, smallest_limit_with_sketches},
    *,
};
use crate::{BestEarlier, Revealed, RevealedSketches, Settling, Sketches};
use arena_primitives::{
    AccountId, BlockNumber, EarlierModel, LikenessRule, MAX_BITS_PER_BYTE, Round, RoundModel,
    TaskId, TaskSpec, WeightCap, time::RoundPhase,
};
use book::{Book, Committed, Duty, Fits, Tally, now};
use likes::sketch_of;
use sp_core::storage::StateVersion;
use std::{collections::BTreeSet, ops::Range};

/// Calls of a run, where nobody says how many.
const CALLS: u64 = 20_000;
const WORLDS: u64 = 8;
const TRAINING: Range<u8> = 1..9;
/// The last one has no stake.
const SCORING: Range<u8> = 21..30;
/// Who seldom commits.
const SLEEPY: Range<u8> = 26..29;
/// Tasks that are alive at once.
const ALIVE: usize = 3;
/// Of so many calls one is looked at to have changed nothing if it is refused.
const SAMPLED: u64 = 6;
/// Blocks for which results are kept.
const KEEP: BlockNumber = 10;

/// What must be refused in a run, now and then.
const REFUSALS: [&str; 15] = [
    "AlreadyCommitted",
    "AlreadyRevealed",
    "NoCommitment",
    "NoSeed",
    "NoSuchRound",
    "NotAServiceKey",
    "NotAValidator",
    "NotCommitting",
    "NotRevealing",
    "NotTheDraw",
    "RawOutOfRange",
    "StakeNotCounted",
    "UnwantedSketch",
    "WrongCommitment",
    "WrongEarlier",
];

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
    tasks: TaskId,
    /// How many rounds each live task opened.
    opened: BTreeMap<TaskId, Round>,
    /// Failures that were seen to change nothing.
    unchanged: u64,
    /// Reasons for which calls were refused.
    refusals: BTreeSet<&'static str>,
}

fn state_root() -> Vec<u8> {
    sp_io::storage::root(StateVersion::V1)
}

/// How the world's rounds are scored.
fn spec_of(random: &mut Random) -> TaskSpec {
    let mut spec = spec();
    spec.likeness = (random.below(3) > 0).then_some(LikenessRule::DEFAULT);
    spec.rewards.committee = [0, 0, 3, 6][random.below(4) as usize];
    spec.rewards.cap = [
        WeightCap::None,
        WeightCap::Seats(3),
        WeightCap::Percentile(88),
    ][random.below(3) as usize];
    if random.below(2) == 0 {
        spec.rewards.aggregation = arena_primitives::Aggregation::Mean;
        spec.rewards.rank = arena_primitives::RankRule::ByHead { alpha_milli: 500 };
    }
    spec
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let spec = spec_of(&mut random);
        let mut stakes = |range: Range<u8>| -> BTreeMap<AccountId, u128> {
            let stake = |n| (account(n), 1 + u128::from(random.below(1 << 20)));
            range.map(stake).collect()
        };
        let trainers = stakes(TRAINING);
        let scoring = stakes(SCORING.start..SCORING.end - 1);
        with(|n| {
            *n = Neighbours::default();
            n.spec = Some(spec.clone());
            n.trainers = trainers;
            n.validators = scoring.clone();
            n.validators.insert(account(SCORING.end - 1), 0);
            for who in TRAINING.chain(SCORING) {
                n.keys.insert(key(who), account(who));
            }
            // One of each role.
            n.refuses.extend([account(2), account(23)]);
        });
        World {
            random,
            book: Book::new(spec, scoring),
            tasks: 0,
            opened: BTreeMap::new(),
            unchanged: 0,
            refusals: BTreeSet::new(),
        }
    }

    /// Makes a call that must do what the book and the pool say; now and then looks whether a
    /// refused one left everything as it was.
    #[track_caller]
    fn sent(&mut self, signer: AccountId, able: bool, call: &Call<Test>) -> bool {
        let due = || Scoring::check_duty(&signer, call).expect("a duty").is_ok();
        assert_eq!(due(), able, "the pool would err");
        let before = (self.random.below(SAMPLED) == 0).then(state_root);
        let origin = RuntimeOrigin::signed(signer.clone());
        let result = match call.clone() {
            Call::commit_scores {
                task,
                round,
                commitment,
            } => Scoring::commit_scores(origin, task, round, commitment),
            Call::reveal_scores {
                task,
                round,
                entries,
                earlier,
                samples_root,
                nonce,
            } => Scoring::reveal_scores(origin, task, round, entries, earlier, samples_root, nonce),
            _ => unreachable!("no such call"),
        };
        assert_eq!(result.is_ok(), able, "{result:?} at {}", now());
        assert!(!able || !due(), "due twice");
        self.refusals.extend(result.err().map(<&str>::from));
        if let Some(before) = before.filter(|_| result.is_err()) {
            assert_eq!(state_root(), before, "{result:?} changed something");
            self.unchanged += 1;
        }
        able
    }

    /// Rounds in which somebody can commit.
    fn to_commit(&self) -> Vec<(TaskId, Round)> {
        let lines = self.book.lines.iter();
        let open = lines.filter(|(_, line)| line.is_in(RoundPhase::Commit));
        let free = |key: &(TaskId, Round)| {
            let awake = SCORING.start..SLEEPY.start;
            let mut duties = awake.map(|who| (key.0, key.1, who));
            duties.any(|duty| !self.book.commits.contains_key(&duty))
        };
        open.map(|(key, _)| *key).filter(free).collect()
    }

    /// Rounds in which somebody can reveal.
    fn to_reveal(&self) -> Vec<(TaskId, Round)> {
        let lines = self.book.lines.iter();
        let open = lines.filter(|(_, line)| line.is_in(RoundPhase::Reveal));
        let due = |key: &(TaskId, Round)| {
            let mut commits = self.book.commits.iter();
            commits.any(|(duty, row)| {
                let open = row.fits.is_some() && !self.book.reveals.contains(duty);
                (duty.0, duty.1) == *key && open
            })
        };
        open.map(|(key, _)| *key).filter(due).collect()
    }

    /// A round that fits, most times; else any, or one that isn't there.
    fn round(&mut self, fits: &[(TaskId, Round)]) -> (TaskId, Round) {
        let any: Vec<_> = self.book.lines.keys().copied().collect();
        let nowhere = (self.tasks, 77);
        match self.random.below(24) {
            0 => nowhere,
            1 | 2 => self.random.of(&any).unwrap_or(nowhere),
            _ => self.random.of(fits).unwrap_or(nowhere),
        }
    }

    /// Whose turn it is, most times.
    fn validator(&mut self, fits: impl Fn(u8) -> bool) -> u8 {
        let all: Vec<_> = SCORING.filter(|who| fits(*who)).collect();
        let any = if self.random.below(3) == 0 {
            TRAINING.start
        } else {
            self.random.in_range(SCORING)
        };
        let some = self.random.of(&all);
        some.filter(|_| self.random.below(12) > 0).unwrap_or(any)
    }

    fn signer(&mut self, who: u8) -> (AccountId, bool) {
        let own = self.random.below(40) > 0;
        (if own { key(who) } else { account(who) }, own)
    }

    fn commit(&mut self) -> bool {
        let (task, round) = self.round(&self.to_commit());
        let commits = self.book.commits.keys();
        let done: BTreeSet<u8> = commits
            .filter(|(t, r, _)| (*t, *r) == (task, round))
            .map(|(_, _, who)| *who)
            .collect();
        let who = self.validator(|who| !done.contains(&who) && !SLEEPY.contains(&who));
        let (signer, own) = self.signer(who);
        let line = self.book.lines.get(&(task, round));
        let hits = line
            .filter(|line| line.is_in(RoundPhase::Commit))
            .and_then(|line| self.book.draw(line, who));
        let able = own && hits.is_some() && !done.contains(&who);
        let committed = self.scores((task, round, who), &hits.unwrap_or_default());
        let call = Call::commit_scores {
            task,
            round,
            commitment: committed.commitment,
        };
        if self.sent(signer, able, &call) {
            self.book.commits.insert((task, round, who), committed);
        }
        able
    }

    fn outcome(&mut self) -> ScoreOutcome {
        match self.random.below(20) {
            0 => ScoreOutcome::Skipped(InfraFault::Timeout),
            1 => ScoreOutcome::Invalid(MinerFault::Weights),
            n => ScoreOutcome::Scored(n * 40_000_000 + self.random.below(90_000_000)),
        }
    }

    /// The sketch of a model, as most validators have it.
    fn sketch(&mut self, root: &H256) -> Option<[u8; 32]> {
        match self.random.below(16) {
            0 => None,
            1 => Some([self.random.below(256) as u8; 32]),
            _ => Some(sketch_of(root)),
        }
    }

    /// Scores of what was drawn, and now and then what can't be revealed.
    fn scores(&mut self, duty: Duty, hits: &[bool]) -> Committed {
        let (task, round, who) = duty;
        let line = self.book.lines.get(&(task, round));
        let models = line.map_or(Vec::new(), |line| line.models.to_vec());
        let earlier = line.map_or(Vec::new(), |line| line.earlier.clone());
        let asked = self.book.spec.likeness.is_some();
        let drawn = |(model, hit): (RoundModel, &bool)| hit.then_some(model.manifest_root);
        let drawn = models.into_iter().zip(hits).map(drawn);
        let drawn: Vec<Option<H256>> = drawn.collect();
        let row: Vec<_> = drawn
            .iter()
            .map(|root| root.map(|_| self.outcome()))
            .collect();
        let sketches: Vec<_> = drawn
            .iter()
            .map(|root| root.filter(|_| asked).and_then(|root| self.sketch(&root)))
            .collect();
        let earlier = earlier
            .iter()
            .map(|model| self.sketch(&model.manifest_root));
        let mut earlier: Vec<_> = earlier.collect();
        let sketched = RevealedSketches {
            models: sketches.clone().try_into().expect("few models"),
            earlier: earlier.clone().try_into().expect("few models"),
        };
        let found = drawn.iter().zip(row.iter().zip(&sketches));
        let line = |(root, (outcome, sketch)): (&Option<H256>, (&Option<_>, &Option<_>))| {
            Some(ScoreEntry {
                manifest_root: (*root)?,
                outcome: (*outcome)?,
                sketch: *sketch,
            })
        };
        let mut lines: Vec<_> = found.filter_map(line).collect();
        let whole = lines.clone();
        match self.random.below(24) {
            0 => drop(lines.pop()),
            1 => lines.reverse(),
            2 => {
                let raw = ScoreOutcome::Scored(MAX_BITS_PER_BYTE + 1);
                lines.iter_mut().for_each(|line| line.outcome = raw);
            }
            3 => lines.extend(whole.first().copied()),
            4 if !asked => lines
                .iter_mut()
                .for_each(|line| line.sketch = Some([1; 32])),
            5 if asked && earlier.pop().is_none() => earlier.push(None),
            _ => {}
        }
        let fits = lines == whole && earlier.len() == sketched.earlier.len();
        let fits = fits.then(|| Fits {
            outcomes: row.try_into().expect("few models"),
            sketches: sketched,
        });
        let entries: ScoreEntries = lines.try_into().expect("few models");
        let earlier: EarlierSketches = earlier.try_into().expect("few models");
        let nonce = H256::from_low_u64_be(self.random.below(1 << 50));
        let validator = account(who);
        Committed {
            commitment: scores_commitment(&validator, task, round, &entries, &earlier, ROOT, nonce),
            entries,
            earlier,
            nonce,
            fits,
        }
    }

    fn reveal(&mut self) -> bool {
        let (task, round) = self.round(&self.to_reveal());
        let due: BTreeSet<u8> = SCORING
            .filter(|who| {
                let duty = (task, round, *who);
                self.book.commits.contains_key(&duty) && !self.book.reveals.contains(&duty)
            })
            .collect();
        let who = self.validator(|who| due.contains(&who));
        let duty = (task, round, who);
        let (signer, own) = self.signer(who);
        let line = self.book.lines.get(&(task, round));
        let open = line.is_some_and(|line| line.is_in(RoundPhase::Reveal));
        let committed = self.book.commits.get(&duty).cloned();
        let fits = committed.as_ref().is_some_and(|row| row.fits.is_some());
        let none = (ScoreEntries::default(), EarlierSketches::default(), NONCE);
        let (entries, earlier, mut nonce) =
            committed.map_or(none, |row| (row.entries, row.earlier, row.nonce));
        let right = self.random.below(20) > 0;
        if !right {
            nonce = ROOT;
        }
        let able = own && open && due.contains(&who) && fits && right;
        let call = Call::reveal_scores {
            task,
            round,
            entries,
            earlier,
            samples_root: ROOT,
            nonce,
        };
        if self.sent(signer, able, &call) {
            self.book.reveals.insert(duty);
        }
        able
    }

    fn step(&mut self) {
        // Where nothing can be sent, time passes; mostly.
        let careless = self.random.below(30) == 0;
        let commits = careless || !self.to_commit().is_empty();
        let reveals = careless || !self.to_reveal().is_empty();
        let first = self.random.below(2) == 0;
        let (kind, done) = match self.random.below(60) {
            0..=47 if commits && (first || !reveals) => ("commit_scores", self.commit()),
            0..=47 if reveals => ("reveal_scores", self.reveal()),
            48..=50 => ("open a round", self.open_round()),
            51 | 52 => ("close a task", self.end(false)),
            53 if self.random.below(2) == 0 => ("call a task off", self.end(true)),
            _ => ("block", self.block()),
        };
        self.book.count(kind, done);
        self.book.read_events();
        crate::invariants::check::<Test>().expect("invariants hold");
        self.book.check();
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn random_calls_should_do_what_a_second_book_says() {
    let seed = number("ARENA_SEED").unwrap_or(1);
    let calls = number("ARENA_CALLS").unwrap_or(CALLS);
    println!("scoring: ARENA_SEED={seed} ARENA_CALLS={calls}");
    let (mut tally, mut refusals, mut unchanged) = (Tally::new(), BTreeSet::new(), 0);
    for world in 0..WORLDS {
        run(|| {
            System::set_block_number(1);
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
    println!("scoring (done, called): {tally:?}, {unchanged} failures changed nothing");
    println!("{refusals:?}");
    let in_settlement = tally.remove("end in settlement");
    assert!(
        calls < CALLS || in_settlement.is_some(),
        "none ended in settlement"
    );
    let least = calls / 200;
    assert!(tally.values().all(|(done, _)| *done >= least), "{tally:?}");
    let steps = ["complete a seed", "page", "settle", "settle unpaid"].into_iter();
    let steps = steps.chain(["slash", "miss", "chill", "prune"]);
    let steps = steps.chain(["match", "flag", "forget"]);
    let hooks = steps.map(|step| tally.remove(step)).filter(Option::is_some);
    assert_eq!((hooks.count(), tally.len()), (11, 6));
    let (done, called) = tally
        .values()
        .fold((0, 0), |sum, (done, called)| (sum.0 + done, sum.1 + called));
    println!("{done} of {called} calls were done");
    assert!(done * 10 >= called * 3, "{done} of {called} succeeded");
    if calls >= CALLS {
        assert_eq!(Vec::from_iter(refusals), REFUSALS);
    }
    assert!(unchanged >= least, "too few failures were looked at");
}
