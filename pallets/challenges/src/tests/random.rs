//! Random calls, with all invariants after each of them; votes are kept in a second book, which
//! says how each case must end and what its jurors must get.
//!
//! `ARENA_SEED` sets the seed of a run and `ARENA_CALLS` how many calls it makes.

use super::{world::*, *};
use crate::invariants;
use arena_primitives::TaskId;
use frame_support::dispatch::DispatchResult;
use sp_core::storage::StateVersion;
use std::collections::BTreeMap;

mod time;

/// Calls of a run, where nobody says how many.
const CALLS: u64 = 100_000;
const RUNS: u64 = 4;
/// How often each kind of call was made, and how often it succeeded.
type Tally = BTreeMap<&'static str, (u64, u64)>;

struct Book {
    random: Random,
    tasks: Vec<TaskId>,
    next_task: TaskId,
    round: u32,
    /// Claims that were committed to.
    secrets: Vec<(u8, TaskId, Claim, H256)>,
    /// What jurors committed to, by case, instance and juror.
    ballots: BTreeMap<(CaseId, bool, u8), Vote>,
    /// What they revealed.
    votes: BTreeMap<(CaseId, bool, u8), Vote>,
    /// Cases that ended, by how.
    ends: BTreeMap<&'static str, u64>,
    /// Commitments that came back, by why.
    returned: BTreeMap<&'static str, u64>,
    /// Cases that were begun at a higher bond since others were open.
    dear: u64,
    tally: Tally,
    refusals: BTreeMap<(&'static str, &'static str), u64>,
    /// Failures that were seen to change nothing.
    unchanged: u64,
}

fn now() -> u32 {
    System::block_number()
}

fn state_root() -> Vec<u8> {
    sp_io::storage::root(StateVersion::V1)
}

impl Book {
    fn new(seed: u64) -> Self {
        Book {
            random: Random(seed),
            tasks: Vec::new(),
            next_task: 100,
            round: 4,
            secrets: Vec::new(),
            ballots: BTreeMap::new(),
            votes: BTreeMap::new(),
            ends: BTreeMap::new(),
            returned: BTreeMap::new(),
            dear: 0,
            tally: Tally::new(),
            refusals: BTreeMap::new(),
            unchanged: 0,
        }
    }

    /// Makes a call; now and then looks whether a refused one left everything as it was.
    fn sent(&mut self, name: &'static str, call: impl FnOnce() -> DispatchResult) -> bool {
        let before = self.random.one_in(40).then(state_root);
        let result = call();
        let counts = self.tally.entry(name).or_default();
        counts.0 += u64::from(result.is_ok());
        counts.1 += 1;
        if let Err(error) = result {
            *self.refusals.entry((name, error.into())).or_default() += 1;
        }
        if let Some(before) = before.filter(|_| result.is_err()) {
            assert_eq!(state_root(), before, "{result:?} changed something");
            self.unchanged += 1;
        }
        result.is_ok()
    }

    fn task(&mut self) -> TaskId {
        if self.random.one_in(30) {
            return self.next_task;
        }
        self.random.of(&self.tasks).unwrap_or(self.next_task)
    }

    /// One that takes submissions, most times.
    fn training_task(&mut self) -> TaskId {
        let takes = |task: &TaskId| with(|n| n.phases[task].0 == TaskPhase::Submission);
        let all: Vec<_> = self.tasks.iter().copied().filter(takes).collect();
        let any = self.task();
        let task = self.random.of(&all).unwrap_or(any);
        if self.random.one_in(8) { any } else { task }
    }

    fn claim(&mut self, task: TaskId) -> Claim {
        let trainer = self.random.in_range(TRAINERS);
        let mut model = model_in(task, trainer);
        if self.random.one_in(12) {
            model = H256::repeat_byte(0xEE);
        }
        let accused = account(trainer);
        match self.random.below(4) {
            0 => Claim::Duplicate {
                trainer: accused,
                model,
                earlier: model_in(task, self.random.in_range(TRAINERS)),
            },
            1 => Claim::Watermark {
                trainer: accused,
                model,
                salt: salt(task, self.random.in_range(TRAINERS)),
            },
            2 => Claim::ProofOfLearning {
                trainer: self.logged(task).unwrap_or(accused),
            },
            _ => {
                let n = self.random.in_range(VALIDATORS);
                Claim::Score {
                    validator: account(n),
                    round: self.round - self.random.below(4) as u32,
                    model: model_in(task, TRAINERS.start + n % 6),
                }
            }
        }
    }

    /// Somebody who has posted heartbeats.
    fn logged(&mut self, task: TaskId) -> Option<AccountId> {
        let mut all: Vec<_> = Heartbeats::<Test>::iter_key_prefix(task).collect();
        all.sort();
        self.random.of(&all)
    }

    /// Who most likely may bring the claim.
    fn challenger(&mut self, task: TaskId, claim: &Claim) -> u8 {
        if let Claim::Watermark { salt: of, .. } = claim {
            let owner = TRAINERS.into_iter().find(|n| salt(task, *n) == *of);
            return owner.unwrap_or(NOBODY);
        }
        self.random.in_range(VALIDATORS)
    }

    fn commit(&mut self, task: TaskId) {
        let claim = self.claim(task);
        let n = self.challenger(task, &claim);
        let nonce = H256::from_low_u64_be(self.random.below(3));
        let commitment = claim.commitment(&account(n), task, &nonce);
        if self.sent("commit_case", || {
            Challenges::commit_case(signed(n), task, commitment)
        }) {
            self.secrets.push((n, task, claim, nonce));
        }
    }

    /// Many accuse at once, until places are few or none.
    fn rush(&mut self) {
        let task = self.task();
        for _ in 0..60 {
            self.commit(task);
            self.open();
            self.read_events();
        }
    }

    fn open(&mut self) {
        let newest = self.secrets.len().saturating_sub(3);
        self.secrets.drain(..newest);
        let at = self.random.below(self.secrets.len().max(1) as u64) as usize;
        let Some((mut n, task, claim, nonce)) = self.secrets.get(at).cloned() else {
            return;
        };
        if self.random.one_in(10) {
            n = self.random.in_range(VALIDATORS);
        }
        if self.sent("open_case", || {
            Challenges::open_case(signed(n), task, claim, nonce)
        }) || self.random.one_in(2)
        {
            self.secrets.swap_remove(at);
        }
    }

    /// A case whose state fits, most times; most times none where there is none.
    fn case(&mut self, fits: impl Fn(&CaseState) -> bool) -> Option<CaseId> {
        let next = crate::NextCaseId::<Test>::get();
        let mut all: Vec<_> = OpenCases::<Test>::iter()
            .filter(|(_, case)| fits(&case.state))
            .map(|(id, _)| id)
            .collect();
        all.sort_unstable();
        let any = next.saturating_sub(self.random.below(9) as u32);
        if self.random.one_in(12) {
            return Some(any);
        }
        self.random.of(&all)
    }

    fn join(&mut self) {
        let Some(case) = self.case(|state| matches!(state, CaseState::Drawing { .. })) else {
            return;
        };
        let n = self.random.in_range(VALIDATORS);
        self.sent("join", || Challenges::join(signed(n), case));
    }

    fn respond(&mut self) {
        let Some(id) = self.case(|state| matches!(state, CaseState::Responding { .. })) else {
            return;
        };
        let case = OpenCases::<Test>::get(id);
        let mut n = case.map_or(NOBODY, |case| number(case.accused()));
        if self.random.one_in(8) {
            n = self.random.in_range(TRAINERS);
        }
        let count = if self.random.one_in(4) { 5 } else { LEAVES + 1 };
        self.sent("respond_training", || {
            Challenges::respond_training(by_key(n), id, log(count), uris())
        });
        let samples = if self.random.one_in(4) { 2 } else { 1 };
        let losses = vec![loss()].try_into().unwrap();
        self.sent("respond_score", || {
            Challenges::respond_score(by_key(n), id, loss_roots(), samples, losses)
        });
    }

    /// A juror of the case, most times, and whether the case is in appeal.
    fn juror(&mut self, id: CaseId) -> (u8, bool) {
        let case = OpenCases::<Test>::get(id);
        let appeal = case.as_ref().is_some_and(|case| case.appeal.is_some());
        let seats = case.and_then(|case| case.state.jury().cloned());
        let all: Vec<_> = seats
            .iter()
            .flat_map(|jury| jury.seats.iter().map(|seat| number(&seat.juror)))
            .collect();
        let any = self.random.in_range(VALIDATORS);
        let juror = self.random.of(&all).unwrap_or(any);
        let n = if self.random.one_in(20) { any } else { juror };
        (n, appeal)
    }

    fn commit_vote(&mut self) {
        let Some(id) = self.case(|state| matches!(state, CaseState::Committing { .. })) else {
            return;
        };
        let (n, appeal) = self.juror(id);
        let vote = if self.random.one_in(3) {
            Vote::Acquit
        } else {
            Vote::Convict
        };
        if self.sent("commit_vote", || commit_vote(n, id, vote)) {
            self.ballots.insert((id, appeal, n), vote);
        }
    }

    fn reveal_vote(&mut self) {
        let Some(id) = self.case(|state| matches!(state, CaseState::Revealing { .. })) else {
            return;
        };
        let (n, appeal) = self.juror(id);
        let ballot = self.ballots.get(&(id, appeal, n)).copied();
        let vote = ballot
            .filter(|_| !self.random.one_in(20))
            .unwrap_or(Vote::Acquit);
        if self.sent("reveal_vote", || {
            Challenges::reveal_vote(by_key(n), id, vote, NONCE)
        }) {
            assert_eq!(ballot, Some(vote));
            self.votes.insert((id, appeal, n), vote);
        }
    }

    fn appeal(&mut self) {
        let Some(id) = self.case(|state| matches!(state, CaseState::Appealable { .. })) else {
            return;
        };
        let Some(case) = OpenCases::<Test>::get(id) else {
            return;
        };
        let accused = number(case.accused());
        let who = [accused, number(&case.challengers[0].who), NOBODY];
        let n = self.random.of(&who).unwrap_or(NOBODY);
        self.sent("appeal", || Challenges::appeal(signed(n), id));
    }

    fn poke(&mut self) {
        let Some(id) = self.case(|state| now() >= state.due()) else {
            return;
        };
        self.sent("poke", || Challenges::poke(signed(NOBODY), id));
    }

    fn register(&mut self) {
        let task = self.training_task();
        let n = self.random.in_range(TRAINERS.start..TRAINERS.end + 1);
        let every = 1 + u64::from(self.random.one_in(9)) * 3;
        let steps = u64::from(LEAVES);
        self.sent("register_run", || {
            Challenges::register_run(signed(n), task, H256::zero(), steps, every, 10)
        });
    }

    fn beat(&mut self) {
        let task = self.training_task();
        let mut runs: Vec<_> = Runs::<Test>::iter_key_prefix(task).collect();
        runs.sort();
        let any = self.random.in_range(TRAINERS);
        let n = self.random.of(&runs).map_or(any, |who| number(&who));
        let run = Runs::<Test>::get(task, account(n));
        let leaves = match self.random.below(6) {
            0 => self.random.below(9) as u32,
            1..=2 => LEAVES + 1,
            _ => run.as_ref().map_or(1, |run| run.leaves + 1),
        };
        let seed = run.and_then(|run| run.seed.known()).unwrap_or_default();
        let root = log_root(&seed, &log(leaves));
        self.sent("heartbeat", || {
            Challenges::heartbeat(by_key(n), task, leaves, root)
        });
    }

    fn mark(&mut self) {
        let task = self.training_task();
        let n = self.random.in_range(TRAINERS.start..TRAINERS.end + 1);
        let commitment = mark_commitment(task, &account(n), &salt(task, n));
        self.sent("register_mark", || {
            Challenges::register_mark(signed(n), task, commitment)
        });
    }

    fn step(&mut self) {
        if self.random.one_in(2_000) {
            self.rush();
        }
        match self.random.below(100) {
            0..=9 => {
                let task = self.task();
                self.commit(task);
            }
            10..=19 => self.open(),
            20..=23 => self.join(),
            24..=28 => self.respond(),
            29..=50 => self.commit_vote(),
            51..=68 => self.reveal_vote(),
            69..=71 => self.appeal(),
            72..=75 => self.poke(),
            76..=78 => self.register(),
            79..=81 => self.beat(),
            82 => self.mark(),
            83..=84 => self.move_tasks(),
            _ => self.pass_block(),
        }
        self.read_events();
    }
}

fn number_of(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, counts: BTreeMap<K, u64>) {
    for (name, count) in counts {
        *sums.entry(name).or_default() += count;
    }
}

#[test]
fn random_calls_should_keep_money_and_books_whole() {
    let seed = number_of("ARENA_SEED").unwrap_or(1);
    let calls = number_of("ARENA_CALLS").unwrap_or(CALLS);
    println!("challenges: ARENA_SEED={seed} ARENA_CALLS={calls}");
    let mut tally = Tally::new();
    let (mut ends, mut refusals, mut returned) = Default::default();
    let (mut unchanged, mut dear) = (0, 0);
    for world in 0..RUNS {
        run(|| {
            let mut book = Book::new(seed ^ (world << 48));
            let before = worth();
            for _ in 0..calls / RUNS {
                book.step();
                invariants::check::<Test>().expect("invariants hold");
                assert_eq!(worth(), before, "money came or went");
            }
            book.wind_up();
            unchanged += book.unchanged;
            dear += book.dear;
            add(&mut refusals, book.refusals);
            add(&mut ends, book.ends);
            add(&mut returned, book.returned);
            for (name, (done, made)) in book.tally {
                let sum: &mut (u64, u64) = tally.entry(name).or_default();
                *sum = (sum.0 + done, sum.1 + made);
            }
        });
    }
    println!("challenges (done, called): {tally:?}, {unchanged} failures changed nothing");
    println!("ends of cases: {ends:?}; refusals: {refusals:?}");
    println!("returned commitments: {returned:?}; {dear} cases at a higher bond");
    if calls >= CALLS {
        assert_eq!(tally.len(), 12, "{tally:?}");
        assert!(tally.values().all(|(done, _)| *done >= 20), "{tally:?}");
        assert_eq!(ends.len(), 5, "{ends:?}");
        assert!(ends.values().all(|count| *count >= 5), "{ends:?}");
        assert!(refusals.len() >= 50, "{refusals:?}");
        assert!(returned.len() >= 12, "{returned:?}");
        assert!(dear >= 20, "{dear} cases began at a higher bond");
        assert!(unchanged >= 300, "too few failures were looked at");
    }
}
