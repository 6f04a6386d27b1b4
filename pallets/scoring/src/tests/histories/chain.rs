//! The simulated chain: a tree of blocks, and a pool whose transactions hold for one branch.

use super::{Dice, MODELS, NODES, TASKS};
use arena_primitives::time::{RoundPhase, Schedule};
use sp_core::H256;
use std::ops::RangeInclusive;

/// What a branch shows of one operator's duty.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) committed: Option<H256>,
    pub(super) revealed: bool,
    /// A trainer's commitment to its model, and its block, until it is published.
    pub(super) submitted: Option<(H256, u32)>,
    pub(super) published: bool,
}

/// What a branch shows after a block.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Of the outputs of the seed phase so far.
    acc: [u64; TASKS],
    pub(super) seeds: [Option<H256>; TASKS],
    /// Whether what rounds are scored on is known.
    pub(super) data: [bool; TASKS],
    pub(super) rows: [[Row; TASKS]; NODES],
    pub(super) nonces: [u32; NODES],
}

pub(super) struct Block {
    pub(super) parent: usize,
    pub(super) number: u32,
    /// In this step of the history.
    pub(super) built: u32,
    /// Whether its author took what the pool held.
    pub(super) takes: bool,
    pub(super) state: State,
}

#[derive(Clone, PartialEq)]
pub(super) enum Call {
    /// The commitment, and the seed that its scores are of.
    Commit(H256, H256),
    /// The commitment to what is revealed, and its models.
    Reveal(H256, Vec<H256>),
    /// The commitment to the model that is published.
    Publish(H256),
}

pub(super) struct Tx {
    node: usize,
    task: usize,
    call: Call,
    pub(super) nonce: u32,
    /// The block that its signature holds, as `duty_extension` of the runtime makes it.
    pub(super) born: usize,
    /// In this step the pool lost it.
    pub(super) lost: Option<u32>,
}

/// What came of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// The pool took it.
    Taken(usize),
    /// The same duty waits there already.
    Waits(usize),
    /// Another duty with the same nonce waits there, or none with the one before.
    Held,
    /// It isn't valid on the best chain.
    Refused,
}

pub(super) struct Chain {
    pub(super) schedules: Vec<Schedule>,
    /// Of tasks with sealed data the chance in percent that a block which may open their shard
    /// does.
    opens: Vec<Option<u64>>,
    /// The commitments that trainers have sent, and the chance in percent that a block takes one.
    submissions: [[Option<(H256, u64)>; TASKS]; NODES],
    pub(super) blocks: Vec<Block>,
    pub(super) best: usize,
    /// No reorganisation goes below this block of the best chain.
    pub(super) finalized: usize,
    /// All that was ever sent: what a block holds is no longer valid on its branch.
    pub(super) pool: Vec<Tx>,
}

/// The models that a validator is drawn for.
pub(super) fn drawn(node: usize, task: usize, seed: &H256) -> Vec<H256> {
    let hits = |model: &usize| seed.0[node] >> model & 1 == 1;
    let root = |model| H256::repeat_byte((task * MODELS + model) as u8);
    (0..MODELS).filter(hits).map(root).collect()
}

impl Chain {
    pub(super) fn new(schedules: Vec<Schedule>, number: u32, dice: &mut Dice) -> Self {
        let sealed = |_: &Schedule| dice.chance(30).then(|| dice.below(4) * dice.below(40));
        let opens: Vec<Option<u64>> = schedules.iter().map(sealed).collect();
        let mut state = State::default();
        for (known, opens) in state.data.iter_mut().zip(&opens) {
            *known = opens.is_none();
        }
        let genesis = Block {
            parent: 0,
            number,
            built: 0,
            takes: false,
            state,
        };
        Chain {
            schedules,
            opens,
            submissions: Default::default(),
            blocks: vec![genesis],
            best: 0,
            finalized: 0,
            pool: Vec::new(),
        }
    }

    /// A trainer sends its commitment to a model: it is in the first block, or comes on some
    /// branches.
    pub(super) fn submit(&mut self, node: usize, task: usize, commitment: H256, dice: &mut Dice) {
        if dice.chance(70) {
            let first = &mut self.blocks[0];
            first.state.rows[node][task].submitted = Some((commitment, first.number));
        } else {
            self.submissions[node][task] = Some((commitment, dice.below(60)));
        }
    }

    pub(super) fn best(&self) -> &Block {
        &self.blocks[self.best]
    }

    pub(super) fn finalized(&self) -> &Block {
        &self.blocks[self.finalized]
    }

    /// What was learned of models stays true: each commitment of which a publication was sent is
    /// on the best chain, or was published there.
    pub(super) fn no_model_was_given_away(&self) -> bool {
        let state = &self.best().state;
        self.pool.iter().all(|tx| match tx.call {
            Call::Publish(commitment) => {
                let row = state.rows[tx.node][tx.task];
                row.published || row.submitted.is_some_and(|(shown, _)| shown == commitment)
            }
            _ => true,
        })
    }

    pub(super) fn phase(&self, task: usize, number: u32) -> RoundPhase {
        self.schedules[task].phase(number)
    }

    /// The ancestor of a block, so many blocks below it.
    pub(super) fn below(&self, block: usize, depth: u32) -> usize {
        (0..depth).fold(block, |block, _| self.blocks[block].parent)
    }

    pub(super) fn is_on(&self, block: usize, mut tip: usize) -> bool {
        while self.blocks[tip].number > self.blocks[block].number {
            tip = self.blocks[tip].parent;
        }
        tip == block
    }

    /// The block of the best chain that follows this one of it.
    pub(super) fn child(&self, block: usize) -> &Block {
        let depth = self.best().number - self.blocks[block].number - 1;
        &self.blocks[self.below(self.best, depth)]
    }

    pub(super) fn extend(
        &mut self,
        parent: usize,
        takes: bool,
        step: u32,
        dice: &mut Dice,
    ) -> usize {
        let number = self.blocks[parent].number + 1;
        let mut state = self.blocks[parent].state.clone();
        for (task, schedule) in self.schedules.iter().enumerate() {
            if let Some(opens) = self.opens[task]
                && schedule.takes_shard(number)
            {
                state.data[task] |= dice.chance(opens);
            }
            let acc = &mut state.acc[task];
            match schedule.phase(number) {
                RoundPhase::Submissions => {
                    for (node, sent) in self.submissions.iter().enumerate() {
                        let row = &mut state.rows[node][task];
                        if let Some((commitment, chance)) = sent[task]
                            && row.submitted.is_none()
                            && dice.chance(chance)
                        {
                            row.submitted = Some((commitment, number));
                        }
                    }
                }
                RoundPhase::Seed => *acc = Dice(*acc ^ dice.word()).word(),
                RoundPhase::Commit => {
                    let mut seed = H256::repeat_byte(task as u8);
                    seed.0[..8].copy_from_slice(&acc.to_le_bytes());
                    state.seeds[task] = Some(seed);
                }
                _ => {}
            }
        }
        if takes {
            self.take(&mut state, parent);
        }
        self.blocks.push(Block {
            parent,
            number,
            built: step,
            takes,
            state,
        });
        self.blocks.len() - 1
    }

    /// Puts all of the pool that is ready after `parent` into its child's state. Says what.
    fn take(&self, state: &mut State, parent: usize) -> Vec<usize> {
        let number = self.blocks[parent].number + 1;
        let mut taken = Vec::new();
        for node in 0..NODES {
            let fits = |state: &State, tx: &Tx| {
                tx.node == node
                    && tx.nonce == state.nonces[node]
                    && tx.lost.is_none()
                    && self.is_due(state, node, tx.task, &tx.call, number)
                    && self.is_on(tx.born, parent)
            };
            while let Some(id) = self.pool.iter().position(|tx| fits(state, tx)) {
                taken.push(id);
                state.nonces[node] += 1;
                let tx = &self.pool[id];
                let row = &mut state.rows[node][tx.task];
                match tx.call {
                    Call::Commit(commitment, seed) => {
                        let here = state.seeds[tx.task];
                        assert_eq!(here, Some(seed), "a commitment under another seed");
                        row.committed = Some(commitment);
                    }
                    Call::Reveal(..) => row.revealed = true,
                    Call::Publish(_) => {
                        row.submitted = None;
                        row.published = true;
                    }
                }
            }
        }
        taken
    }

    /// The check of a duty, which stands before the pool and in the call's body.
    fn is_due(&self, state: &State, node: usize, task: usize, call: &Call, number: u32) -> bool {
        let (row, seed) = (state.rows[node][task], state.seeds[task]);
        match (call, self.phase(task, number)) {
            (Call::Commit(..), RoundPhase::Commit) => row.committed.is_none() && state.data[task],
            (Call::Reveal(commitment, roots), RoundPhase::Reveal) => {
                !row.revealed
                    && row.committed == Some(*commitment)
                    && seed.is_some_and(|seed| drawn(node, task, &seed) == *roots)
            }
            (Call::Publish(commitment), RoundPhase::Publish) => {
                row.submitted.is_some_and(|(shown, _)| shown == *commitment)
            }
            _ => false,
        }
    }

    /// Duties have one priority, so that nothing that is ready is replaced.
    pub(super) fn send(
        &mut self,
        node: usize,
        task: usize,
        call: Call,
        nonce: u32,
        born: usize,
    ) -> Fate {
        let best = self.best();
        let state = &best.state;
        if nonce < state.nonces[node]
            || !self.is_on(born, self.best)
            || !self.is_due(state, node, task, &call, best.number + 1)
        {
            return Fate::Refused;
        }
        let mut ready = state.clone();
        for id in self.take(&mut ready, self.best) {
            let tx = &self.pool[id];
            let same_kind = core::mem::discriminant(&tx.call) == core::mem::discriminant(&call);
            if tx.node == node && tx.task == task && same_kind {
                return Fate::Waits(id);
            }
            if tx.node == node && tx.nonce == nonce {
                return Fate::Held;
            }
        }
        let follows = nonce == ready.nonces[node];
        self.pool.push(Tx {
            node,
            task,
            call,
            nonce,
            born,
            lost: None,
        });
        if follows {
            Fate::Taken(self.pool.len() - 1)
        } else {
            Fate::Held
        }
    }

    /// Whether the pool lost this transaction, or one that must come before it, in these steps.
    pub(super) fn lost(&self, id: usize, steps: RangeInclusive<u32>) -> bool {
        let last = &self.pool[id];
        self.pool.iter().any(|tx| {
            tx.node == last.node
                && tx.nonce <= last.nonce
                && tx.lost.is_some_and(|lost| steps.contains(&lost))
        })
    }
}
