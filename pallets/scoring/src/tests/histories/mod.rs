//! The offchain worker in random histories: forks, crashes, a bad executor, a pool that loses.
//!
//! Whatever happens, each duty is done once on the chain that stays, or it is missed for a reason
//! that is named and held. `ARENA_SEED` and `ARENA_HISTORIES` set where chance starts and how
//! many histories there are.

mod answers;
mod chain;
mod node;
mod trouble;

use super::{decide::done, *};
use arena_primitives::time::{RoundPhase, Schedule, Windows};
use chain::{Chain, Fate};
use node::{Node, Run, Seen, What};
use trouble::{Dice, Ending, Trouble, Troubles};

const NODES: usize = 2;
/// More than one run may send for.
const TASKS: usize = 5;
const MODELS: usize = 3;
const HISTORIES: u64 = 100_000;
/// Each ending and each trouble must be in so many of as many histories.
const LEAST: u64 = HISTORIES / 1_000;

struct History {
    chain: Chain,
    nodes: Vec<Node>,
    troubles: Troubles,
    /// A branch that was left.
    other: Option<usize>,
    /// How far finality is behind at least.
    lag: u32,
    /// Runs that act in the next step.
    late: Vec<Run>,
    step: u32,
}

fn schedule(dice: &mut Dice) -> Schedule {
    let mut some = |least: u32, more: u64| least + dice.below(more) as u32;
    let windows = Windows {
        gap: 1,
        publish: some(2, 4),
        seed: some(2, 3),
        commit: some(8, 7),
        reveal: some(4, 5),
    };
    Schedule::new(some(0, 8), 30, &windows)
}

impl History {
    fn new(mut dice: Dice) -> Self {
        let tasks = 1 + dice.below(TASKS as u64);
        let schedules = (0..tasks).map(|_| schedule(&mut dice)).collect();
        let mut chain = Chain::new(schedules, 30, &mut dice);
        let nodes = if dice.chance(70) { 1 } else { NODES };
        let node = |id| {
            let mut node = Node::new(id, &chain, &mut dice);
            node.train(&mut chain, &mut dice);
            node
        };
        History {
            nodes: (0..nodes).map(node).collect(),
            chain,
            lag: if dice.chance(50) { 2 } else { 25 },
            troubles: Troubles::new(dice),
            other: None,
            late: Vec::new(),
            step: 0,
        }
    }

    fn live(&mut self) {
        let ends = self.chain.schedules.iter().map(|schedule| schedule.settle);
        let end = ends.max().expect("there is a task");
        while self.chain.best().number < end {
            self.step += 1;
            assert!(self.step < 1_000, "the chain doesn't get on");
            self.trouble_nodes();
            for run in core::mem::take(&mut self.late) {
                self.act(run);
            }
            self.move_chain();
            self.finalize();
            for node in 0..self.nodes.len() {
                self.run(node);
            }
        }
    }

    fn trouble_nodes(&mut self) {
        for node in &mut self.nodes {
            if self.troubles.hits(Trouble::Dead) {
                node.dead = self.step + 1 + self.troubles.dice.below(12) as u32;
            }
            if self.troubles.hits(Trouble::QueueLost) {
                node.jobs.clear();
            }
            // Lost for good as often as other things go wrong, it would hide them.
            if self.troubles.dice.chance(20) && self.troubles.hits(Trouble::StorageLost) {
                node.wipe(self.step);
            }
        }
        for tx in &mut self.chain.pool {
            if tx.lost.is_none() && self.troubles.hits(Trouble::PoolLost) {
                tx.lost = Some(self.step);
            }
        }
    }

    fn read(&mut self, node: usize) -> Run {
        self.nodes[node].read(&self.chain, self.step, &mut self.troubles)
    }

    fn act(&mut self, run: Run) {
        self.nodes[run.node].act(run, &mut self.chain, self.step, &mut self.troubles);
    }

    fn run(&mut self, node: usize) {
        if self.troubles.hits(Trouble::Skip) {
            return;
        }
        let run = self.read(node);
        if self.troubles.hits(Trouble::Late) {
            self.late.push(run);
        } else if self.troubles.hits(Trouble::AtOnce) {
            let second = self.read(node);
            self.act(run);
            self.act(second);
        } else {
            self.act(run);
            if self.troubles.hits(Trouble::Twice) {
                let second = self.read(node);
                self.act(second);
            }
        }
    }

    fn move_chain(&mut self) {
        if self.troubles.hits(Trouble::Reorg) {
            let depth = 1 + self.depth();
            let fork = self.chain.below(self.chain.best, depth);
            let shorter = depth > 1 && self.troubles.hits(Trouble::Shorter);
            let more = self.troubles.dice.below(2) as u32;
            let depth = self.chain.best().number - self.chain.blocks[fork].number;
            self.switch(fork, if shorter { depth - 1 } else { depth + more });
        } else if let Some(other) = self.other
            && self.troubles.hits(Trouble::Back)
        {
            let behind = self
                .chain
                .best()
                .number
                .saturating_sub(self.chain.blocks[other].number);
            self.switch(other, behind + 1);
        } else if self.troubles.hits(Trouble::Jump) {
            for _ in 0..2 + self.troubles.dice.below(6) {
                self.extend(false);
            }
        } else {
            let full = self.troubles.hits(Trouble::Full);
            self.extend(!full);
        }
    }

    fn finalize(&mut self) {
        assert!(self.chain.no_model_was_given_away());
        let behind = self.lag + self.troubles.dice.below(3) as u32;
        let gap = self.chain.best().number - self.chain.finalized().number;
        if self.lag > 2 && gap > 12 {
            self.troubles.mark(Trouble::NoFinality);
        }
        if gap > behind {
            self.chain.finalized = self.chain.below(self.chain.best, behind);
        }
        let finalized = self.chain.finalized;
        self.other = self.other.filter(|tip| {
            self.chain.blocks[*tip].number >= self.chain.finalized().number
                && self.chain.is_on(finalized, *tip)
        });
    }

    /// How deep a reorganisation goes beyond the newest block; not below what is final.
    fn depth(&mut self) -> u32 {
        let dice = &mut self.troubles.dice;
        let most = if dice.chance(80) { 5 } else { 20 };
        let room = self.chain.best().number - self.chain.finalized().number;
        (dice.below(most) as u32).min(room.saturating_sub(1))
    }

    fn extend(&mut self, takes: bool) {
        let dice = &mut self.troubles.dice;
        self.chain.best = self.chain.extend(self.chain.best, takes, self.step, dice);
    }

    /// Makes a branch from `fork` the best, with so many new blocks of others.
    fn switch(&mut self, fork: usize, blocks: u32) {
        let left = self.chain.best;
        self.chain.best = fork;
        for _ in 0..blocks {
            let takes = self.troubles.dice.chance(50);
            self.extend(takes);
        }
        self.other = Some(left);
        let (before, now) = (&self.chain.blocks[left].state, self.chain.best());
        for (task, seed) in before
            .seeds
            .iter()
            .enumerate()
            .take(self.chain.schedules.len())
        {
            if seed.is_some() && *seed != now.state.seeds[task] {
                match self.chain.phase(task, now.number + 1) {
                    RoundPhase::Commit => self.troubles.mark(Trouble::SeedChanged),
                    RoundPhase::Reveal => self.troubles.mark(Trouble::SeedChangedLate),
                    _ => {}
                }
            }
        }
        for id in 0..self.chain.pool.len() {
            let born = self.chain.pool[id].born;
            if self.chain.is_on(born, left) && !self.chain.is_on(born, self.chain.best) {
                self.troubles.mark(Trouble::WrongBranch);
            } else if self.troubles.hits(Trouble::DroppedByReorg) {
                self.chain.pool[id].lost.get_or_insert(self.step);
            }
        }
    }

    /// How each duty ended, and whether it had to end like that.
    fn endings(&self) -> Vec<Ending> {
        let tasks = 0..self.chain.schedules.len();
        let ending = |node| tasks.clone().map(move |task| self.ending(node, task));
        self.nodes.iter().flat_map(ending).collect()
    }

    fn ending(&self, node: &Node, task: usize) -> Ending {
        let state = &self.chain.best().state;
        let seed = state.seeds[task].expect("its window has passed");
        let row = state.rows[node.id][task];
        if node.models[task].is_some() {
            return match (row.published, row.submitted) {
                (true, _) => Ending::Published,
                (false, None) => Ending::NotSubmitted,
                (false, Some(_)) => self.unpublished(node, task),
            };
        }
        match (row.committed, row.revealed) {
            (None, _) if chain::drawn(node.id, task, &seed).is_empty() => Ending::NotDrawn,
            (None, _) => self.absence(node, task),
            (Some(it), true) if node.skips.contains(&it) => Ending::Skipped,
            (Some(_), true) => Ending::Scored,
            (Some(commitment), false) => self.silence(node, task, seed, commitment),
        }
    }

    /// Runs in a window that came to their end, and whether any was on another branch.
    fn runs(&self, node: &Node, task: usize, phase: RoundPhase) -> (Vec<Seen>, bool) {
        let in_window = |seen: &&Seen| {
            let block = &self.chain.blocks[seen.block];
            self.chain.phase(task, block.number + 1) == phase
                && (phase == RoundPhase::Publish || block.state.seeds[task].is_some())
                && seen.what != What::Crashed
        };
        let (here, elsewhere): (Vec<Seen>, Vec<Seen>) = node.log[task]
            .iter()
            .filter(in_window)
            .partition(|seen| self.chain.is_on(seen.block, self.chain.best));
        (here, !elsewhere.is_empty())
    }

    /// Why there is no commitment.
    fn absence(&self, node: &Node, task: usize) -> Ending {
        let (runs, elsewhere) = self.runs(node, task, RoundPhase::Commit);
        let names = runs.iter().map(|seen| match seen.what {
            What::NoData => {
                let known = self.chain.blocks[seen.block].state.data[task];
                assert!(!known, "{seen:?} did nothing with the data there is");
                Ending::NoData
            }
            What::NoExecutor => Ending::NoExecutor,
            What::Open => Ending::StillScoring,
            What::TooMany => Ending::CommitHeld,
            What::Sent(fate) => self.not_included(seen, fate)[0],
            What::Nothing | What::NoRecord | What::NotFinal | What::Crashed => {
                panic!("{seen:?} did nothing")
            }
        });
        let none = [Ending::NeverRan, Ending::RanElsewhere][usize::from(elsewhere)];
        // Each is judged; the last names it.
        names.fold(none, |_, name| name)
    }

    /// Why a commitment was not revealed.
    fn silence(&self, node: &Node, task: usize, seed: H256, commitment: H256) -> Ending {
        let (runs, elsewhere) = self.runs(node, task, RoundPhase::Reveal);
        let names = runs.iter().map(|seen| match seen.what {
            What::NoRecord => {
                let lost = node.lost_record(task, seed, commitment);
                assert!(lost, "a record is gone while the storage is there");
                Ending::RecordLost
            }
            What::TooMany => Ending::RevealHeld,
            What::Sent(fate) => self.not_included(seen, fate)[1],
            What::Nothing
            | What::NoData
            | What::NoExecutor
            | What::Open
            | What::NotFinal
            | What::Crashed => panic!("{seen:?} did nothing"),
        });
        let none = [Ending::RevealNeverRan, Ending::RevealElsewhere][usize::from(elsewhere)];
        // Each is judged; the last names it.
        names.fold(none, |_, name| name)
    }

    /// Why a model that was committed to is not published.
    fn unpublished(&self, node: &Node, task: usize) -> Ending {
        let (runs, elsewhere) = self.runs(node, task, RoundPhase::Publish);
        let names = runs.iter().map(|seen| match seen.what {
            What::NoRecord => {
                assert!(
                    node.lost_model(task),
                    "a model is gone while the storage is there"
                );
                Ending::PublicationLost
            }
            What::NotFinal => Ending::PublishNotFinal,
            What::TooMany => Ending::PublishHeld,
            What::Sent(fate) => self.not_included(seen, fate)[2],
            What::Nothing | What::NoData | What::NoExecutor | What::Open | What::Crashed => {
                panic!("{seen:?} did nothing")
            }
        });
        let (after, _) = self.runs(node, task, RoundPhase::Commit);
        let saw = after.iter().any(|seen| seen.what == What::Nothing);
        assert!(
            node.told[task] || !saw,
            "nobody was told of a missed window"
        );
        let none = [Ending::PublishNeverRan, Ending::PublishElsewhere][usize::from(elsewhere)];
        // Each is judged; the last names it.
        names.fold(none, |_, name| name)
    }

    /// Why what was sent after a block is not in the next one, as commitment, as reveal and as
    /// publication.
    fn not_included(&self, seen: &Seen, fate: Fate) -> [Ending; 3] {
        let next = self.chain.child(seen.block);
        match fate {
            _ if seen.moved || !next.takes => [
                Ending::CommitNoRoom,
                Ending::RevealNoRoom,
                Ending::PublishNoRoom,
            ],
            Fate::Held => [Ending::CommitHeld, Ending::RevealHeld, Ending::PublishHeld],
            Fate::Taken(id) | Fate::Waits(id) if self.chain.lost(id, seen.step..=next.built) => {
                [Ending::CommitLost, Ending::RevealLost, Ending::PublishLost]
            }
            other => panic!("{other:?} of {seen:?} had to be included"),
        }
    }
}

struct Tally {
    endings: Vec<u64>,
    troubles: Vec<u64>,
}

impl Tally {
    fn new() -> Self {
        Tally {
            endings: vec![0; Ending::ALL.len()],
            troubles: vec![0; Trouble::ALL.len()],
        }
    }

    fn live(&mut self, dice: Dice) {
        let mut history = History::new(dice);
        history.live();
        for ending in history.endings() {
            self.endings[ending as usize] += 1;
        }
        for trouble in Trouble::ALL {
            self.troubles[*trouble as usize] += history.troubles.seen >> *trouble as u64 & 1;
        }
    }

    fn add(&mut self, other: &Tally) {
        let both = [
            (&mut self.endings, &other.endings),
            (&mut self.troubles, &other.troubles),
        ];
        for (to, from) in both {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }

    /// Prints what happened, and holds that each thing did often enough.
    fn judge(&self, histories: u64) {
        let endings = Ending::ALL.iter().map(|ending| format!("{ending:?}"));
        let troubles = Trouble::ALL.iter().map(|trouble| format!("{trouble:?}"));
        let lines = endings
            .zip(&self.endings)
            .chain(troubles.zip(&self.troubles));
        let least = LEAST * histories / HISTORIES;
        let mut rare = Vec::new();
        for (name, count) in lines {
            println!("{name:<16} {count:>8}");
            if *count < least {
                rare.push(name);
            }
        }
        assert!(rare.is_empty(), "{rare:?}: not even {least} times");
    }
}

fn number(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| text.parse().expect("is a number"))
}

#[test]
fn worker_should_do_each_duty_once_or_miss_it_for_a_named_reason() {
    let seed = number("ARENA_SEED", 1);
    let histories = number("ARENA_HISTORIES", HISTORIES);
    println!("histories: ARENA_SEED={seed} ARENA_HISTORIES={histories}");
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let work = |first: u64| {
        let mut tally = Tally::new();
        for history in (first..histories).step_by(threads as usize) {
            let dice = || Dice(Dice(seed).word() ^ history.wrapping_mul(0x0000_0100_0000_01B3));
            let live = || tally.live(dice());
            if let Err(reason) = std::panic::catch_unwind(core::panic::AssertUnwindSafe(live)) {
                eprintln!("ARENA_SEED={seed}: history {history}");
                std::panic::resume_unwind(reason);
            }
        }
        tally
    };
    let mut total = Tally::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        for worker in workers {
            total.add(&worker.join().expect("a history failed"));
        }
    });
    total.judge(histories);
}
