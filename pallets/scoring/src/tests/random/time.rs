//! Rounds that open, tasks that end, and blocks.

use super::{book::Line, *};
use arena_primitives::{RoundInfo, RoundModels, time::Schedule, traits::BlockVrf};
use frame_support::weights::Weight;

/// Rounds of a task.
const ROUNDS: Round = 3;

impl World {
    /// A task's next round, whose predecessor has closed; or a new task's first.
    pub(super) fn open_round(&mut self) -> bool {
        if self.opened.len() < ALIVE {
            self.opened.insert(self.tasks, 0);
            self.tasks += 1;
        }
        let live = |task: TaskId| self.book.lines.keys().filter(move |(t, _)| *t == task);
        let open = |task: TaskId, round| {
            let line: Option<&Line> = self.book.lines.get(&(task, round));
            line.is_some_and(|line| now() < line.info.schedule.closes)
        };
        let task = self.opened.iter().find(|(task, round)| {
            **round < ROUNDS && live(**task).count() < 2 && !open(**task, **round)
        });
        let Some((task, round)) = task.map(|(task, round)| (*task, *round + 1)) else {
            return false;
        };
        self.opened.insert(task, round);
        let schedule = self.schedule();
        let info = RoundInfo {
            task,
            round,
            schedule,
            is_final: false,
            shard: ShardState::NotSealed,
        };
        let few = self.random.below(10) == 0;
        let trainers: Vec<_> = TRAINING
            .filter(|_| self.random.below(if few { 8 } else { 80 }) < 6 + 70 * u64::from(!few))
            .collect();
        let models = trainers.into_iter().map(|n| {
            let mut manifest_root = root(&account(n));
            manifest_root.0[31] = self.random.below(2) as u8;
            RoundModel {
                trainer: account(n),
                manifest_root,
            }
        });
        let models: Vec<_> = models.collect();
        // Some in one block.
        for model in &models {
            let key = (task, model.manifest_root);
            let block = *self.book.first.entry(key).or_insert(now() / 16);
            with(|n| n.first.insert(key, block));
        }
        let models: RoundModels = models.try_into().expect("few models");
        with(|n| {
            n.rounds
                .insert((task, round), (info.clone(), models.clone()))
        });
        self.book.open(info, models);
        true
    }

    fn schedule(&mut self) -> Schedule {
        let mut at = now();
        let mut after = |least: u64| {
            at += (least + self.random.below(3)) as BlockNumber;
            at
        };
        Schedule {
            opens: after(0),
            closes: after(1),
            publish: after(0),
            seed: after(1),
            commit: after(1),
            reveal: after(4),
            settle: after(4),
        }
    }

    /// A task ends: after its last round, or at any time when it is called off.
    pub(super) fn end(&mut self, cancel: bool) -> bool {
        let idle = |task: TaskId| !self.book.lines.keys().any(|(of, _)| *of == task);
        let task = self.opened.iter().find(|(task, round)| {
            let ready = **round == ROUNDS && idle(**task);
            ready || cancel
        });
        let Some(task) = task.map(|(task, _)| *task) else {
            return false;
        };
        self.opened.remove(&task);
        // What is known of its models goes, whatever is being settled.
        with(|n| {
            n.rounds.retain(|(of, _), _| *of != task);
            n.first.retain(|(of, _), _| *of != task);
        });
        if Scoring::settling(task) {
            self.book.count("end in settlement", true);
        }
        Scoring::ended(task);
        self.book.end(task, now() + KEEP);
        true
    }

    /// A block, in which the hook has more or less to spend.
    pub(super) fn block(&mut self) -> bool {
        let least = smallest_limit_with_sketches();
        let limit = match self.random.below(16) {
            0 => Weight::zero(),
            1..=8 => least,
            9..=11 => least * 2,
            12..=14 => least * 5,
            _ => Weight::MAX,
        };
        let no_vrf = self.random.below(8) == 0;
        with(|n| n.no_vrf = no_vrf);
        System::set_block_number(now() + 1);
        let vrf = <Table as BlockVrf>::parent();
        if let Some(vrf) = vrf.filter(|_| limit != Weight::zero()) {
            self.book.gather(vrf);
        }
        let expiring = || Expiring::<Test>::iter_values().map(|(task, _)| task);
        let before: BTreeSet<TaskId> = expiring().collect();
        let settling = Settling::<Test>::exists();
        Scoring::tick(now(), limit);
        if settling && Settling::<Test>::exists() {
            self.book.count("page", true);
        }
        self.book.read_events();
        let after: BTreeSet<TaskId> = expiring().collect();
        for task in before.difference(&after) {
            self.book.prune(*task);
        }
        true
    }
}
