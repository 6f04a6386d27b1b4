//! The second book: what calls and events should have led to, kept without the pallet's rows.

use super::*;
use crate::TaskResult;
use arena_primitives::{Balance, BlockNumber, time::Schedule};
use frame_support::traits::fungible::Mutate;

/// A proposal that is voted on.
#[derive(Clone)]
pub(super) struct Proposed {
    pub(super) proposer: u8,
    pub(super) deposit: Balance,
    pub(super) expires: BlockNumber,
    pub(super) spec: TaskSpec,
}

/// A commitment that is not published.
#[derive(Clone, Copy)]
pub(super) struct Committed {
    pub(super) manifest_root: H256,
    pub(super) nonce: H256,
    pub(super) at: BlockNumber,
}

/// Where a task should stand.
pub(super) struct Line {
    pub(super) creator: u8,
    pub(super) spec: TaskSpec,
    /// When each round opened, and its windows.
    pub(super) rounds: BTreeMap<Round, Schedule>,
    pub(super) settled: BTreeSet<Round>,
    pub(super) over: bool,
    /// Best first, of final validation.
    best: Vec<u8>,
    /// What draws for it.
    draws: Balance,
    /// What is held of its creator for its shards.
    pub(super) bond: Balance,
    /// Shards that are open, and (`false`) that were missed.
    pub(super) shards: BTreeMap<Round, bool>,
    /// Rounds that have nothing to score.
    empty: BTreeSet<Round>,
    /// Its creator could not cover another bond.
    unbonded: bool,
    pub(super) paused: bool,
}

impl Line {
    pub(super) fn opened(&self) -> Round {
        self.rounds.keys().next_back().copied().unwrap_or(0)
    }

    pub(super) fn last(&self) -> Round {
        self.spec.rounds
    }

    /// Final validation or later.
    pub(super) fn is_final(&self) -> bool {
        self.opened() > self.last()
    }

    /// The round that takes commitments.
    pub(super) fn submitting(&self, now: BlockNumber) -> Option<Round> {
        let open = self.rounds.get(&self.opened())?;
        let takes = !self.over && !self.is_final() && now < open.closes;
        takes.then(|| self.opened()).filter(|round| *round > 0)
    }

    /// The round whose models can be published.
    pub(super) fn publishing(&self, now: BlockNumber) -> Option<Round> {
        let in_window = |s: &Schedule| (s.publish..s.seed).contains(&now);
        let mut rounds = self.rounds.iter();
        let (round, _) = rounds.find(|(round, schedule)| {
            **round > 0
                && **round <= self.last()
                && !self.settled.contains(round)
                && in_window(schedule)
        })?;
        (!self.over && !self.is_final()).then_some(*round)
    }

    /// The most that a round of it can draw, as the mock says, or a deposit.
    pub(super) fn whole_bond(spec: &TaskSpec) -> Balance {
        if spec.sealed().is_none() {
            return 0;
        }
        let blocks = |minutes| arena_primitives::time::blocks(minutes, DAY);
        let round = blocks(spec.round_minutes) + WINDOWS.total();
        let most = round.max(blocks(spec.final_days * 1_440));
        Deposit::get().max(100 * Balance::from(most))
    }

    /// Whether the shard of a round can be opened.
    pub(super) fn opens(&self, round: Round, now: BlockNumber) -> bool {
        let window = |s: &Schedule| s.seed..s.commit + (s.reveal - s.commit) / 4;
        self.spec.sealed().is_some()
            && !self.over
            && round > 0
            && !self.settled.contains(&round)
            && !self.shards.contains_key(&round)
            && !self.empty.contains(&round)
            && self
                .rounds
                .get(&round)
                .is_some_and(|s| window(s).contains(&now))
    }

    /// Whether a bounty would have a use.
    pub(super) fn is_drawing(&self) -> bool {
        !self.over && !self.settled.contains(&(self.last() + 1))
    }
}

/// How often each kind of call was made, and how often it succeeded; and what hooks did.
pub(super) type Tally = BTreeMap<&'static str, (u64, u64)>;

#[derive(Default)]
pub(super) struct Book {
    pub(super) proposals: BTreeMap<H256, Proposed>,
    pub(super) free: BTreeMap<u8, Balance>,
    pub(super) tasks: BTreeMap<TaskId, Line>,
    pub(super) commitments: BTreeMap<(TaskId, Round, u8), Committed>,
    /// Who published a root from a commitment of which block.
    published: BTreeMap<(TaskId, H256), BTreeSet<(BlockNumber, u8)>>,
    /// What each trainer has published, and nobody displaced.
    models: BTreeMap<(TaskId, u8), BTreeMap<Round, H256>>,
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

/// What positions of a task count in a round: trainers, and the stake of all.
fn positions(id: TaskId, round: Round) -> (Vec<u8>, Balance) {
    with(|n| {
        let counted: Vec<_> = n
            .positions
            .iter()
            .filter(|((task, _), (_, _, from))| *task == id && *from <= round)
            .collect();
        let trainers = counted.iter().filter(|(_, row)| row.0 == Role::Trainer);
        let names = trainers.map(|((_, who), _)| number_of(who)).collect();
        (names, counted.iter().map(|(_, row)| row.1).sum())
    })
}

impl Book {
    pub(super) fn new(people: impl Iterator<Item = (u8, Balance)>) -> Self {
        let mut book = Book::default();
        for (n, wealth) in people {
            let there = Balances::free_balance(account(n));
            assert_ok!(Balances::mint_into(&account(n), wealth - there.min(wealth)));
            book.free.insert(n, Balances::free_balance(account(n)));
        }
        book
    }

    pub(super) fn count(&mut self, kind: &'static str, done: bool) {
        let counts = self.tally.entry(kind).or_default();
        counts.0 += u64::from(done);
        counts.1 += 1;
    }

    pub(super) fn alive(&self) -> Vec<TaskId> {
        let alive = self.tasks.iter().filter(|(_, line)| !line.over);
        alive.map(|(id, _)| *id).collect()
    }

    /// The deposit goes back, whatever became of the proposal.
    pub(super) fn take_proposal(&mut self, spec_hash: &H256) -> Proposed {
        let proposal = self.proposals.remove(spec_hash).expect("a proposal");
        *self.free.entry(proposal.proposer).or_default() += proposal.deposit;
        proposal
    }

    pub(super) fn approve(&mut self, id: TaskId, proposal: Proposed) {
        let bond = Line::whole_bond(&proposal.spec);
        *self.free.entry(proposal.proposer).or_default() -= bond;
        let line = Line {
            creator: proposal.proposer,
            spec: proposal.spec,
            rounds: BTreeMap::new(),
            settled: BTreeSet::new(),
            over: false,
            best: Vec::new(),
            draws: 0,
            bond,
            shards: BTreeMap::new(),
            empty: BTreeSet::new(),
            unbonded: false,
            paused: false,
        };
        assert!(self.tasks.insert(id, line).is_none(), "a number twice");
    }

    /// Whose a root is: the earliest commitment's that was published.
    pub(super) fn owner(&self, id: TaskId, manifest_root: H256) -> Option<(BlockNumber, u8)> {
        self.published.get(&(id, manifest_root))?.first().copied()
    }

    /// Moves a commitment to what is published; the root's owner until now loses it if it
    /// committed later.
    pub(super) fn publish(&mut self, id: TaskId, round: Round, who: u8) {
        let committed = self.commitments.remove(&(id, round, who));
        let Committed {
            manifest_root, at, ..
        } = committed.expect("a commitment");
        if let Some((_, owner)) = self.owner(id, manifest_root).filter(|(_, o)| *o != who) {
            self.count("displace", true);
            let of_owner = self.models.entry((id, owner)).or_default();
            assert_eq!(of_owner.remove(&round), Some(manifest_root));
            let event = Event::ModelDisplaced {
                task: id,
                round,
                trainer: account(owner),
                manifest_root,
            };
            System::assert_has_event(event.into());
        }
        let committers = self.published.entry((id, manifest_root)).or_default();
        committers.insert((at, who));
        let models = self.models.entry((id, who)).or_default();
        assert_eq!(models.insert(round, manifest_root), None, "published twice");
    }

    /// The model of a trainer that a round counts.
    fn model(&self, id: TaskId, who: u8, round: Round) -> Option<H256> {
        let models = self.models.get(&(id, who))?;
        models.range(..=round).next_back().map(|(_, root)| *root)
    }

    pub(super) fn settle(&mut self, id: TaskId, round: Round, best: Vec<u8>) {
        let line = self.tasks.get_mut(&id).expect("a task");
        assert!(line.settled.insert(round), "settled twice");
        line.best = best;
        self.commitments
            .retain(|(task, r, _), _| (*task, *r) != (id, round));
    }

    /// A task is over: its rows go when the hook comes to it.
    fn end(&mut self, id: TaskId) {
        let line = self.tasks.get_mut(&id).expect("a task");
        assert!(!core::mem::replace(&mut line.over, true), "over twice");
        let bond = core::mem::take(&mut line.bond);
        *self.free.entry(line.creator).or_default() += bond;
        self.commitments.retain(|(task, _, _), _| *task != id);
        self.published.retain(|(task, _), _| *task != id);
        self.models.retain(|(task, _), _| *task != id);
    }

    /// Reads what the call or the block did, and compares.
    pub(super) fn read_events(&mut self) {
        for record in System::read_events_no_consensus() {
            let RuntimeEvent::Tasks(event) = record.event else {
                continue;
            };
            match event {
                Event::RoundOpened {
                    task,
                    round,
                    counted,
                } => self.opened(task, round, counted),
                Event::ModelsFixed { task, round, .. } => self.fixed(task, round),
                Event::ChallengeStarted { task, .. } => {
                    self.count("start challenge", true);
                    let line = self.tasks.get_mut(&task).expect("a task");
                    assert!(line.settled.contains(&(line.last() + 1)));
                    let bond = core::mem::take(&mut line.bond);
                    *self.free.entry(line.creator).or_default() += bond;
                }
                Event::Closed { task, winners } => {
                    self.count("close", true);
                    assert!(!self.tasks[&task].paused, "a paused task closes");
                    let mut best = self.tasks[&task].best.clone();
                    best.truncate(crate::MAX_WINNERS as usize);
                    assert_eq!(winners, Vec::from_iter(best.into_iter().map(account)));
                    let result: TaskResult = Winners::<Test>::get(task).expect("a result");
                    assert_eq!(result.winners.len(), winners.len());
                    self.end(task);
                }
                Event::Ended { task, reason } => {
                    let unbonded = reason == EndReason::Unbonded;
                    assert_eq!(unbonded, self.tasks[&task].unbonded);
                    self.end(task);
                }
                Event::ShardMissed {
                    task,
                    round,
                    slashed,
                } => self.missed(task, round, slashed),
                _ => {}
            }
        }
        System::reset_events();
        self.read_told();
    }

    fn opened(&mut self, id: TaskId, round: Round, counted: Balance) {
        let line = self.tasks.get_mut(&id).expect("a task");
        assert!(!line.paused, "a paused task goes on");
        let before = line.rounds.last_key_value().map(|(r, s)| (*r, s.closes));
        let minutes = if round > line.last() {
            line.spec.final_days * 1_440
        } else {
            line.spec.round_minutes
        };
        let kind = match before {
            None => {
                assert_eq!((round, counted), (0, 0));
                "enrol"
            }
            Some((r, closes)) => {
                assert!(round == r + 1 && now() >= closes, "opened too soon");
                assert_eq!(counted, positions(id, round).1);
                if round > line.last() {
                    "start final"
                } else {
                    "open round"
                }
            }
        };
        if round == 1 {
            line.settled.insert(0);
        }
        // At most one round before this one waits for its settlement; none before the last.
        let unsettled = line.rounds.keys().filter(|r| !line.settled.contains(r));
        assert!(unsettled.count() <= usize::from(round <= line.last()));
        let blocks = arena_primitives::time::blocks(minutes, DAY);
        let length = if round > line.last() {
            blocks - WINDOWS.total().min(blocks - 1)
        } else {
            blocks
        };
        line.rounds
            .insert(round, Schedule::new(now(), length, &WINDOWS));
        line.draws = counted;
        self.count(kind, true);
    }

    /// A shard was not opened in its window: the bond is gone, and held again where another
    /// shard is to come and the creator has it.
    fn missed(&mut self, id: TaskId, round: Round, slashed: Balance) {
        self.count("miss", true);
        let line = self.tasks.get_mut(&id).expect("a task");
        let schedule = &line.rounds[&round];
        assert!(now() >= schedule.commit + (schedule.reveal - schedule.commit) / 4);
        assert_eq!(line.shards.insert(round, false), None, "opened or missed");
        assert!(!line.empty.contains(&round), "nothing was to be scored");
        assert_eq!(slashed, core::mem::take(&mut line.bond));
        let free = self.free.get_mut(&line.creator).expect("a creator");
        if round <= line.last() && *free > slashed {
            line.bond = slashed;
            *free -= slashed;
        } else if round <= line.last() {
            line.unbonded = true;
            self.count("unbonded", true);
        }
    }

    /// Models are fixed once, after their window, as they stand.
    fn fixed(&mut self, id: TaskId, round: Round) {
        self.count("fix", true);
        assert!(now() >= self.tasks[&id].rounds[&round].seed);
        let (trainers, _) = positions(id, round);
        let models = trainers.into_iter().filter_map(|who| {
            Some(arena_primitives::RoundModel {
                trainer: account(who),
                manifest_root: self.model(id, who, round)?,
            })
        });
        let fixed = Fixed::<Test>::get(id, round).expect("fixed models");
        assert_eq!(fixed.to_vec(), Vec::from_iter(models));
        let line = self.tasks.get_mut(&id).expect("a task");
        if fixed.is_empty() && !line.shards.contains_key(&round) {
            line.empty.insert(round);
        }
    }

    /// Neighbours hear of each beginning and each end once.
    fn read_told(&mut self) {
        let mut released = Vec::new();
        for told in with(|n| core::mem::take(&mut n.told)) {
            match told {
                Told::Counted(id, counted) => {
                    self.tasks.get_mut(&id).expect("a task").draws = counted;
                }
                Told::Release(id, creator) => {
                    self.count("release", true);
                    let line = &self.tasks[&id];
                    assert!(line.over && creator == account(line.creator));
                    released.push(id);
                    with(|n| n.positions.retain(|(task, _), _| *task != id));
                }
                Told::Open(_) | Told::Lapse(_) | Told::TopUp(..) => {}
            }
        }
        assert_eq!(with(|n| core::mem::take(&mut n.ended)), released);
    }

    /// All that the chain has is in this book, and the other way round.
    pub(super) fn check(&self) {
        self.deposits_are_right();
        let over = |id: TaskId| self.tasks[&id].over;
        let commitments = Submissions::<Test>::iter()
            .filter(|((id, _, _), _)| !over(*id))
            .map(|((id, round, who), row)| ((id, round, number_of(&who)), row.at));
        let expected = self.commitments.iter().map(|(key, row)| (*key, row.at));
        assert_eq!(
            BTreeMap::from_iter(commitments),
            BTreeMap::from_iter(expected)
        );
        let roots =
            Roots::<Test>::iter()
                .filter(|(id, _, _)| !over(*id))
                .map(|(id, root, owner)| {
                    let owner = (owner.committed_at, number_of(&owner.trainer));
                    ((id, root), Some(owner))
                });
        let expected = self.published.iter();
        let expected = expected.map(|(key, rows)| (*key, rows.first().copied()));
        assert_eq!(BTreeMap::from_iter(roots), BTreeMap::from_iter(expected));
        self.standing_models_are_right();
        self.shards_are_right();
        for (id, line) in &self.tasks {
            assert!(line.is_drawing() || line.draws == 0, "task {id} draws");
        }
    }

    fn shards_are_right(&self) {
        let there = crate::Shards::<Test>::iter_keys().filter(|(id, _)| !self.tasks[id].over);
        let expected = self.tasks.iter().filter(|(_, line)| !line.over);
        let expected = expected.flat_map(|(id, line)| {
            let open = line.shards.iter().filter(|(_, open)| **open);
            let alive = open.filter(|(round, _)| !line.settled.contains(round));
            alive.map(move |(round, _)| (*id, *round))
        });
        assert_eq!(BTreeSet::from_iter(there), BTreeSet::from_iter(expected));
    }

    fn deposits_are_right(&self) {
        assert_eq!(Proposals::<Test>::iter().count(), self.proposals.len());
        for (n, free) in &self.free {
            let of_them = self.proposals.values().filter(|p| p.proposer == *n);
            let deposits: Balance = of_them.map(|p| p.deposit).sum();
            let theirs = self.tasks.values().filter(|line| line.creator == *n);
            let held = deposits + theirs.map(|line| line.bond).sum::<Balance>();
            assert_eq!(Balances::free_balance(account(*n)), *free);
            assert_eq!(Balances::total_balance_on_hold(&account(*n)), held);
        }
    }

    /// Rounds that are still to be fixed will count what was published for them.
    fn standing_models_are_right(&self) {
        for id in self.alive() {
            let line = &self.tasks[&id];
            let first = line.opened().saturating_sub(1);
            let first = if Fixed::<Test>::contains_key(id, first) || first == 0 {
                first + 1
            } else {
                first
            };
            for who in TRAINERS {
                let standing = Models::<Test>::get(id, account(who));
                for round in first..=line.last() + 1 {
                    let there = standing.as_ref().and_then(|model| model.of_round(round));
                    let settled = line.settled.contains(&round);
                    assert!(settled || there == self.model(id, who, round));
                }
            }
        }
    }
}
