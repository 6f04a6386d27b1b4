//! Blocks, and what waits for them: hooks, pokes, settlements, people who come and go.

use super::*;
use arena_primitives::ShardState;
use frame_support::{traits::Hooks, weights::Weight};

impl World {
    /// A task for which the hook left something to do, if there is one.
    pub(super) fn poke(&mut self) -> bool {
        let active = Active::<Test>::get();
        let late = |id: &&TaskId| Tasks::next_step(**id, now()).is_some();
        let id = active.iter().find(late).copied();
        let id = id.unwrap_or_else(|| self.task());
        let before = (self.random.below(SAMPLED) == 0).then(state_root);
        let result = Tasks::poke(signed(99), id);
        self.refusals.extend(result.err().map(<&str>::from));
        assert!(result.is_err() || !self.caught_up, "the hook left a step");
        if let Some(before) = before {
            assert_eq!(result.is_err(), state_root() == before);
        }
        result.is_ok()
    }

    /// A round that is due is settled, if there is one; else one that can't be, which must
    /// change nothing.
    pub(super) fn settle(&mut self) -> bool {
        // Of each task the oldest: scoring settles in the order of what is due.
        let mut due = Tasks::closed_rounds();
        let judged = |shard| shard != ShardState::Awaited;
        due.retain(|info| now() >= info.schedule.settle && judged(info.shard));
        due.dedup_by_key(|info| info.task);
        let Some(info) = self.random.of(&due) else {
            let (id, round) = (self.task(), 7);
            let before = state_root();
            Tasks::settled(id, round);
            assert_eq!(state_root(), before);
            return false;
        };
        let (id, round) = (info.task, info.round);
        let best = if info.is_final {
            self.rank(id, round)
        } else {
            Vec::new()
        };
        Tasks::settled(id, round);
        assert!(!Fixed::<Test>::contains_key(id, round));
        self.book.settle(id, round, best);
        self.caught_up = false;
        true
    }

    /// Ranks some models of a round in any order; returns their trainers, best first.
    fn rank(&mut self, id: TaskId, round: Round) -> Vec<u8> {
        let mut models = Tasks::models(id, round).to_vec();
        let mut best = Vec::new();
        let mut rows = Vec::new();
        while !models.is_empty() && self.random.below(8) > 0 {
            let model = models.remove(self.random.below(models.len() as u64) as usize);
            let bytes: &[u8; 32] = model.trainer.as_ref();
            best.push(bytes[0]);
            rows.push(life::ranked(
                bytes[0],
                model.manifest_root,
                best.len() as u32,
            ));
        }
        rows.reverse();
        let result = RoundResult {
            settled_at: now(),
            drawn: 0,
            treasury: 0,
            unpaid: None,
            models: rows.try_into().expect("few models"),
            validators: Default::default(),
        };
        with(|n| n.results.insert((id, round), result));
        best
    }

    /// A block, in which the hook has more or less to spend, and people come and go.
    pub(super) fn block(&mut self) -> bool {
        let kind = self.random.below(10);
        let step = <() as crate::WeightInfo>::step_open(3 * 768);
        TickWeight::set(&match kind {
            0 | 1 => Weight::zero(),
            2 => step,
            3 => step * 3,
            _ => Weight::MAX,
        });
        if self.random.below(40) == 0 {
            Deposit::set(&[1, DEPOSIT, 650][self.random.below(3) as usize]);
        }
        let cases = u32::from(self.random.below(8) == 0);
        with(|n| n.open_cases = cases);
        self.move_people();
        System::set_block_number(now() + 1);
        let before = Active::<Test>::get().len() as u64;
        Tasks::on_initialize(now());
        self.caught_up = kind > 3;
        for _ in Active::<Test>::get().len() as u64..before {
            self.book.count("prune", true);
        }
        true
    }

    fn move_people(&mut self) {
        if self.random.below(6) > 0 {
            return;
        }
        let (id, who) = (self.task(), account(self.random.in_range(TRAINERS)));
        let opened = self.book.tasks.get(&id).map_or(0, book::Line::opened);
        with(|n| {
            if n.positions.remove(&(id, who.clone())).is_none() && who != account(18) {
                let row = (Role::Trainer, 50, opened + 1);
                n.positions.insert((id, who), row);
            }
        });
    }
}
