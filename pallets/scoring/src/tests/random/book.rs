//! The second book: who committed to what and revealed it, which seed that gives, and what each
//! round must pay, slash and note.

use super::{likes::Found, *};
use crate::SeedState;
use arena_math::draw::{draw_threshold, is_drawn};
use arena_primitives::{
    Balance, RoundInfo, RoundModels, TaskId,
    hash::{Domain, hash, low_u64},
    time::RoundPhase,
};

/// Of whom something is due.
pub(super) type Duty = (TaskId, Round, u8);

/// What a validator committed to.
#[derive(Clone)]
pub(super) struct Committed {
    pub(super) entries: ScoreEntries,
    pub(super) earlier: EarlierSketches,
    pub(super) nonce: H256,
    pub(super) commitment: H256,
    /// What its reveal is stored as; `None` where it can't be revealed.
    pub(super) fits: Option<Fits>,
}

/// What a reveal is stored as.
#[derive(Clone)]
pub(super) struct Fits {
    pub(super) outcomes: Revealed,
    pub(super) sketches: RevealedSketches,
}

/// A round that is not settled.
pub(super) struct Line {
    pub(super) info: RoundInfo,
    pub(super) models: RoundModels,
    /// Of its outputs so far.
    acc: H256,
    blocks: u32,
    /// Known from the commit phase on.
    pub(super) seed: Option<H256>,
    /// What its models are compared with; fixed with the seed.
    pub(super) earlier: Vec<EarlierModel>,
    /// Its task was called off.
    pub(super) dead: bool,
    /// Who was told to have been absent, and who to have been slashed by how much.
    missed: BTreeMap<u8, u32>,
    slashed: BTreeMap<u8, Balance>,
}

impl Line {
    pub(super) fn is_in(&self, phase: RoundPhase) -> bool {
        !self.dead && self.info.schedule.phase(now()) == phase
    }
}

/// How often each kind of call was made, and how often it succeeded; and what the hook did.
pub(super) type Tally = BTreeMap<&'static str, (u64, u64)>;

pub(super) struct Book {
    pub(super) spec: TaskSpec,
    pub(super) stakes: BTreeMap<AccountId, Balance>,
    pub(super) lines: BTreeMap<(TaskId, Round), Line>,
    pub(super) commits: BTreeMap<Duty, Committed>,
    pub(super) reveals: BTreeSet<Duty>,
    /// Reveals of settled rounds, which can be challenged.
    kept: BTreeMap<Duty, Revealed>,
    /// The block of the first commitment to each model.
    pub(super) first: BTreeMap<(TaskId, H256), BlockNumber>,
    /// The best models of each task.
    pub(super) best: BTreeMap<TaskId, Vec<EarlierModel>>,
    /// Tasks that are over, with the block from which their rows may go.
    pub(super) over: BTreeMap<TaskId, BlockNumber>,
    misses: BTreeMap<(TaskId, u8), u32>,
    paid: BTreeMap<(TaskId, Round, AccountId), Balance>,
    settled: BTreeSet<(TaskId, Round)>,
    /// What all settled rounds drew.
    drawn: Balance,
    pub(super) tally: Tally,
}

pub(super) fn now() -> BlockNumber {
    System::block_number()
}

/// The number that an account was made of.
fn number_of(who: &AccountId) -> u8 {
    let bytes: &[u8; 32] = who.as_ref();
    bytes[0]
}

fn of_trainers(models: &RoundModels) -> BTreeMap<AccountId, Balance> {
    let stake = |who: &AccountId| with(|n| n.trainers[who]);
    let trainers = models.iter().map(|model| model.trainer.clone());
    trainers.map(|who| (who.clone(), stake(&who))).collect()
}

impl Book {
    /// Of a world whose validators have these stakes, above 0.
    pub(super) fn new(spec: TaskSpec, stakes: BTreeMap<AccountId, Balance>) -> Self {
        Book {
            spec,
            stakes,
            lines: BTreeMap::new(),
            commits: BTreeMap::new(),
            reveals: BTreeSet::new(),
            kept: BTreeMap::new(),
            first: BTreeMap::new(),
            best: BTreeMap::new(),
            over: BTreeMap::new(),
            misses: BTreeMap::new(),
            paid: BTreeMap::new(),
            settled: BTreeSet::new(),
            drawn: 0,
            tally: Tally::new(),
        }
    }

    pub(super) fn count(&mut self, kind: &'static str, done: bool) {
        let counts = self.tally.entry(kind).or_default();
        counts.0 += u64::from(done);
        counts.1 += 1;
    }

    pub(super) fn open(&mut self, info: RoundInfo, models: RoundModels) {
        let key = (info.task, info.round);
        let line = Line {
            info,
            models,
            acc: H256::zero(),
            blocks: 0,
            seed: None,
            earlier: Vec::new(),
            dead: false,
            missed: BTreeMap::new(),
            slashed: BTreeMap::new(),
        };
        self.lines.insert(key, line);
    }

    /// The output of the block before this one goes into the seeds of rounds that gather.
    pub(super) fn gather(&mut self, vrf: H256) {
        for line in self.lines.values_mut().filter(|line| !line.dead) {
            let schedule = line.info.schedule;
            if (schedule.seed..schedule.commit).contains(&(now() - 1)) {
                line.acc = hash(Domain::SeedStep, &(line.acc, vrf));
                line.blocks += 1;
            }
        }
    }

    /// Of each model of a round, whether a validator scores it.
    pub(super) fn draw(&self, line: &Line, who: u8) -> Option<Vec<bool>> {
        let (seed, validator) = (line.seed?, account(who));
        let total = self.stakes.values().sum();
        let committee = self.spec.rewards.committee.into();
        let threshold = draw_threshold(*self.stakes.get(&validator)?, total, committee);
        let hits = line.models.iter().map(|model| {
            let word = low_u64(&hash(Domain::Draw, &(seed, &validator, &model.trainer)));
            is_drawn(word, threshold)
        });
        Some(hits.collect())
    }

    /// A task is over; what it has not settled is dead, but for what is being settled.
    pub(super) fn end(&mut self, task: TaskId, until: BlockNumber) {
        assert!(self.over.insert(task, until).is_none());
        let settling = Settling::<Test>::get().map(|state| (state.task, state.round));
        self.lines
            .retain(|key, _| key.0 != task || Some(*key) == settling);
        for line in self
            .lines
            .values_mut()
            .filter(|line| line.info.task == task)
        {
            line.dead = true;
        }
    }

    /// Reads what the call or the block did, and compares.
    pub(super) fn read_events(&mut self) {
        for (task, round, who, amount) in with(|n| core::mem::take(&mut n.payments)) {
            let twice = self.paid.insert((task, round, who), amount);
            assert_eq!(twice, None, "round {round} of task {task} paid twice");
        }
        for record in System::read_events_no_consensus() {
            let RuntimeEvent::Scoring(event) = record.event else {
                continue;
            };
            match event {
                Event::SeedCompleted { task, round, seed } => self.completed(task, round, seed),
                Event::NotRevealed {
                    task,
                    round,
                    validator,
                    slashed,
                } => {
                    self.count("slash", true);
                    let line = self.lines.get_mut(&(task, round)).expect("a round");
                    let before = line.slashed.insert(number_of(&validator), slashed);
                    assert_eq!(before, None, "slashed twice");
                }
                Event::Missed {
                    task,
                    round,
                    validator,
                    misses,
                } => {
                    self.count("miss", true);
                    let line = self.lines.get_mut(&(task, round)).expect("a round");
                    let before = line.missed.insert(number_of(&validator), misses);
                    assert_eq!(before, None, "absent twice");
                }
                Event::RoundSettled {
                    task,
                    round,
                    drawn,
                    treasury,
                    unpaid,
                    ..
                } => self.settle(task, round, (drawn, treasury, unpaid.is_some())),
                _ => {}
            }
        }
        System::reset_events();
        let others = with(|n| n.chilled.len());
        assert!(
            others == 0 || Settling::<Test>::exists(),
            "a seat for nothing"
        );
    }

    fn completed(&mut self, task: TaskId, round: Round, seed: H256) {
        self.count("complete a seed", true);
        let line = self.lines.get_mut(&(task, round)).expect("a round");
        assert!(line.blocks > 0 && line.is_in_commit_or_later());
        assert_eq!(seed, hash(Domain::Seed, &(line.acc, task, round)));
        assert_eq!(line.seed.replace(seed), None, "completed twice");
        if self.spec.likeness.is_some() {
            line.earlier = self.best.get(&task).cloned().unwrap_or_default();
        }
    }

    /// Everybody got what the maths says of the whole round, once; the treasury got the rest.
    fn settle(&mut self, task: TaskId, round: Round, told: (Balance, Balance, bool)) {
        let (drawn, treasury, unpaid) = told;
        self.count(if unpaid { "settle unpaid" } else { "settle" }, true);
        assert!(self.settled.insert((task, round)), "settled twice");
        let line = self.lines.remove(&(task, round)).expect("a round");
        assert!(now() >= line.info.schedule.settle);
        let (case, whole) = self.maths(&line);
        let found = self
            .spec
            .likeness
            .is_some()
            .then(|| self.compare(&line, &whole));
        let expected = self.payouts(case, whole, found.as_ref());
        assert_eq!(unpaid, expected.is_none());
        assert_eq!(drawn, if unpaid { 0 } else { REWARD });
        self.drawn += drawn;
        let of_round = (task, round, account(0))..(task, round, account(255));
        let paid = self.paid.range(of_round);
        let paid: BTreeMap<_, _> = paid.map(|((_, _, who), sum)| (who.clone(), *sum)).collect();
        assert_eq!(paid, expected.unwrap_or_default());
        assert_eq!(paid.values().sum::<Balance>() + treasury, drawn);
        self.judge(&line, drawn);
        self.forget(task, round);
    }

    /// A round's reveals can be challenged from now on; those of the second round before can't.
    fn forget(&mut self, task: TaskId, round: Round) {
        let of_round = |(t, r, _): &Duty| (*t, *r) == (task, round);
        for duty in self.reveals.iter().filter(|duty| of_round(duty)) {
            let fits = self.commits[duty].fits.clone().expect("was revealed");
            self.kept.insert(*duty, fits.outcomes);
        }
        self.commits.retain(|duty, _| !of_round(duty));
        self.reveals.retain(|duty| !of_round(duty));
        let before = self.kept.len();
        self.kept
            .retain(|(t, r, _), _| *t != task || *r + 2 != round);
        if self.kept.len() < before {
            self.count("forget", true);
        }
    }

    /// What the maths says of a round in which no model is like another.
    fn maths(&self, line: &Line) -> (Case, arena_math::RoundOutput) {
        let (task, round) = (line.info.task, line.info.round);
        let of_round = |(t, r, _): &&Duty| (*t, *r) == (task, round);
        let reveals = self.reveals.iter().filter(of_round).map(|duty| {
            let row = self.commits[duty].fits.clone();
            (account(duty.2), row.expect("was revealed").outcomes)
        });
        let case = Case {
            spec: self.spec.clone(),
            trainers: of_trainers(&line.models),
            validators: self.stakes.clone(),
            reveals: reveals.collect(),
            committed: Vec::new(),
        };
        let whole = expected(&case);
        (case, whole)
    }

    /// Who earns what, but what can't be booked; `None` where nothing is paid.
    fn payouts(
        &self,
        case: Case,
        whole: arena_math::RoundOutput,
        found: Option<&Found>,
    ) -> Option<BTreeMap<AccountId, Balance>> {
        let ranked = whole.ranks.iter().flatten().count();
        if ranked < usize::from(self.spec.rewards.min_trainers) {
            return None;
        }
        let of_trainers = match found {
            None => whole.trainer_payouts,
            Some(found) => found.payouts(&case, whole.trainer_pool),
        };
        let trainers = case.trainers.into_keys().zip(of_trainers);
        let validators = case.validators.into_keys().zip(whole.validator_payouts);
        let refused = with(|n| n.refuses.clone());
        let booked = trainers
            .chain(validators)
            .filter(|(who, amount)| *amount > 0 && !refused.contains(who));
        Some(booked.collect())
    }

    /// Who committed and didn't reveal is slashed; who was drawn and absent has a miss, and too
    /// many of them cost its seat.
    fn judge(&mut self, line: &Line, drawn: Balance) {
        let task = line.info.task;
        let (mut slashed, mut missed, mut chilled) =
            (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let least = drawn.div_ceil(10 * self.stakes.len() as Balance);
        for (validator, stake) in &self.stakes {
            let who = number_of(validator);
            let duty = (task, line.info.round, who);
            let is_drawn = || {
                self.draw(line, who)
                    .is_some_and(|hits| hits.contains(&true))
            };
            if self.reveals.contains(&duty) {
                self.misses.remove(&(task, who));
            } else if self.commits.contains_key(&duty) {
                slashed.insert(who, stake.div_ceil(10).max(least));
            } else if is_drawn() {
                let misses = self.misses.remove(&(task, who)).unwrap_or(0) + 1;
                missed.insert(who, misses);
                if misses < 2 {
                    self.misses.insert((task, who), misses);
                } else {
                    chilled.insert(validator.clone());
                }
            }
        }
        assert_eq!((&line.slashed, &line.missed), (&slashed, &missed));
        for who in chilled {
            self.count("chill", true);
            let row = (Venue::Task(task), who);
            let at = with(|n| n.chilled.iter().position(|other| *other == row));
            let at = at.expect("it lost its seat");
            with(|n| n.chilled.remove(at));
        }
    }

    /// All that the chain has is in this book, and the other way round.
    pub(super) fn check(&self) {
        let settling = Settling::<Test>::get();
        let (drawn, paid) = settling.as_ref().map_or((0, 0), |s| (s.drawn, s.paid));
        with(|n| {
            assert_eq!(n.in_flight(), drawn - paid, "in flight");
            assert_eq!(n.drawn, self.drawn + drawn, "drawn twice");
        });
        let settling = settling.map(|state| (state.task, state.round));
        self.rows_are_right(settling);
        for (key, line) in self.lines.iter().filter(|(_, line)| !line.dead) {
            let Some(state) = Seeds::<Test>::get(key.0, key.1) else {
                assert_eq!(line.blocks, 0);
                continue;
            };
            let SeedState { acc, blocks, .. } = state;
            assert_eq!((acc, blocks), (line.acc, line.blocks));
        }
        for (task, best) in self
            .best
            .iter()
            .filter(|(task, _)| !self.over.contains_key(task))
        {
            assert_eq!(BestEarlier::<Test>::get(task).to_vec(), *best);
        }
        for (task, round) in &self.settled {
            let kept = self.over.get(task).is_none_or(|until| now() < *until);
            assert!(!kept || Scoring::result(*task, *round).is_some());
        }
    }

    fn rows_are_right(&self, settling: Option<(TaskId, Round)>) {
        for ((task, round, who), row) in Commits::<Test>::iter() {
            let booked = &self.commits[&(task, round, number_of(&who))];
            assert_eq!(row, booked.commitment);
        }
        for ((task, round, who), row) in Reveals::<Test>::iter() {
            let duty = (task, round, number_of(&who));
            let booked = match self.kept.get(&duty) {
                Some(kept) => kept,
                None => {
                    assert!(self.reveals.contains(&duty));
                    let fits = self.commits[&duty].fits.as_ref();
                    &fits.expect("was revealed").outcomes
                }
            };
            assert_eq!((&row.outcomes, row.samples_root), (booked, ROOT));
        }
        for ((task, round, who), row) in Sketches::<Test>::iter() {
            let duty = (task, round, number_of(&who));
            assert!(self.spec.likeness.is_some() && self.reveals.contains(&duty));
            let fits = self.commits[&duty].fits.as_ref();
            assert_eq!(row, fits.expect("was revealed").sketches);
        }
        // A settlement removes rows one after the other.
        let whole = |(task, round, _): &&Duty| {
            let alive = self.lines.get(&(*task, *round)).is_some_and(|l| !l.dead);
            alive && settling != Some((*task, *round))
        };
        for (task, round, who) in self.commits.keys().filter(whole) {
            assert!(Commits::<Test>::contains_key((task, round, account(*who))));
        }
        for (task, round, who) in self.reveals.iter().filter(whole) {
            assert!(Reveals::<Test>::contains_key((task, round, account(*who))));
        }
        let pruned = |task: &TaskId| self.over.contains_key(task);
        for (task, round, who) in self.kept.keys().filter(|(task, _, _)| !pruned(task)) {
            let forgetting = settling == Some((*task, round + 2));
            let there = Reveals::<Test>::contains_key((task, round, account(*who)));
            assert!(there || forgetting);
        }
        let misses = Misses::<Test>::iter().map(|(task, who, n)| ((task, number_of(&who)), n));
        let alive = |(task, _): &(TaskId, u8)| {
            !self.over.contains_key(task) && settling.is_none_or(|(of, _)| of != *task)
        };
        let there: BTreeMap<_, _> = misses.filter(|(key, _)| alive(key)).collect();
        let booked = self.misses.iter().filter(|(key, _)| alive(key));
        assert_eq!(there, booked.map(|(key, n)| (*key, *n)).collect());
    }

    /// A task's rows were removed: none is left, and none will be asked for.
    pub(super) fn prune(&mut self, task: TaskId) {
        self.count("prune", true);
        assert!(now() >= self.over[&task]);
        assert!(!self.lines.keys().any(|(of, _)| *of == task));
        let rows = Seeds::<Test>::iter_prefix(task).count()
            + Commits::<Test>::iter_prefix((task,)).count()
            + Reveals::<Test>::iter_prefix((task,)).count()
            + Sketches::<Test>::iter_prefix((task,)).count()
            + crate::Alike::<Test>::iter_prefix(task).count()
            + usize::from(BestEarlier::<Test>::contains_key(task))
            + Misses::<Test>::iter_prefix(task).count()
            + RoundResults::<Test>::iter_prefix(task).count();
        assert_eq!(rows, 0, "rows of task {task} are left");
        self.commits.retain(|(of, _, _), _| *of != task);
        self.kept.retain(|(of, _, _), _| *of != task);
        self.reveals.retain(|(of, _, _)| *of != task);
        self.misses.retain(|(of, _), _| *of != task);
    }
}

impl Line {
    fn is_in_commit_or_later(&self) -> bool {
        !self.dead && now() >= self.info.schedule.commit
    }
}
