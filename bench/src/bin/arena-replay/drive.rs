//! Block after block: what everybody sends, and what the chain makes of it.

use crate::{
    cast::Cast,
    ledger::Ledger,
    people::{Key, People},
    play::Play,
    report::{self, Report},
};
use anyhow::{Result, bail};
use arena_bench::{
    chain::{Chain, Wasm},
    law::Law,
    progress::Progress,
    world::{self, Clock, copy},
};
use arena_primitives::{BlockNumber, time::Windows};
use arena_runtime::{RuntimeCall, RuntimeEvent, System};
use frame_support::{dispatch::GetDispatchInfo, traits::GetCallMetadata};
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Blocks in a day.
pub(crate) const BLOCKS_PER_DAY: u32 = 40;
/// Slots in a session: half a day.
const EPOCH_SLOTS: u64 = 20;
const WINDOWS: Windows = Windows {
    gap: 1,
    publish: 4,
    seed: 2,
    commit: 12,
    reveal: 10,
};
/// Blocks between two lines of progress.
const NEWS: u32 = 400;

/// A call that waits for its block.
pub(crate) struct Draft {
    /// The block that it was meant for.
    at: BlockNumber,
    pub(crate) key: Key,
    pub(crate) call: RuntimeCall,
}

/// Calls by the block that they are for.
#[derive(Default)]
pub(crate) struct Queue(BTreeMap<BlockNumber, Vec<Draft>>);

impl Queue {
    /// Sends `call` in a block from `from` on, before `until` unless that leaves none.
    pub(crate) fn send(
        &mut self,
        key: Key,
        call: impl Into<RuntimeCall>,
        from: BlockNumber,
        until: BlockNumber,
        law: &mut Law,
    ) {
        let blocks = u64::from(until.saturating_sub(from).max(1));
        let at = from + law.below(blocks) as u32;
        let call = call.into();
        self.0.entry(at).or_default().push(Draft { at, key, call });
    }

    /// All that is for this block or for one before it.
    fn take(&mut self, now: BlockNumber) -> Vec<Draft> {
        let later = self.0.split_off(&(now + 1));
        let due = std::mem::replace(&mut self.0, later);
        due.into_values().flatten().collect()
    }

    fn defer(&mut self, to: BlockNumber, drafts: Vec<Draft>) {
        if !drafts.is_empty() {
            let row = self.0.entry(to).or_default();
            // They come first: who waited goes before who comes.
            row.splice(0..0, drafts);
        }
    }
}

/// The chain, who acts on it, and what was measured.
pub(crate) struct Drive<'a> {
    chain: Chain<'a>,
    people: People,
    plays: Vec<Play>,
    queue: Queue,
    law: Law,
    keyed: BTreeSet<Key>,
    ledger: Ledger,
    again: u32,
    progress: &'a Progress,
    started: Instant,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        wasm: &'a Wasm,
        people: People,
        cast: Cast,
        again: u32,
        seed: u64,
        progress: &'a Progress,
    ) -> Result<Self> {
        let clock = Clock {
            blocks_per_day: BLOCKS_PER_DAY,
            epoch_slots: EPOCH_SLOTS,
            windows: WINDOWS,
        };
        let balances = people.balances(&cast)?;
        let state = world::state_of(wasm.code, &clock, balances.into_iter())?;
        progress.say("driving");
        Ok(Drive {
            chain: Chain::new(wasm, state)?,
            people,
            plays: cast.parts.into_iter().map(Play::new).collect(),
            queue: Queue::default(),
            law: Law::new(seed ^ 0x0d21),
            keyed: BTreeSet::new(),
            ledger: Ledger::default(),
            again,
            progress,
            started: Instant::now(),
        })
    }

    pub(crate) fn run(mut self) -> Result<Report> {
        let most = self.last_block();
        loop {
            let next = self.chain.number() + 1;
            if next > most {
                bail!("block {next}: a task is not over in its time");
            }
            self.act(next)?;
            if self.queue.0.is_empty() && self.plays.iter().all(Play::is_over) {
                break;
            }
            self.block(next)?;
            if next.is_multiple_of(NEWS) {
                self.tell(next);
            }
        }
        let wall = self.started.elapsed().as_secs_f64();
        report::make(&mut self.chain.state, &self.plays, self.ledger, wall)
    }

    /// A week after the last task should be over.
    fn last_block(&self) -> BlockNumber {
        let ends = self.plays.iter().map(Play::last_day);
        (ends.max().unwrap_or(0) + 7) * BLOCKS_PER_DAY
    }

    /// What everybody decides, seeing the state before block `next`.
    fn act(&mut self, next: BlockNumber) -> Result<()> {
        let started = Instant::now();
        let (plays, queue) = (&mut self.plays, &mut self.queue);
        let (people, law, keyed) = (&self.people, &mut self.law, &mut self.keyed);
        self.chain.state.execute_with(|| {
            plays
                .iter_mut()
                .try_for_each(|play| play.act(next, people, queue, law, keyed))
        })?;
        self.ledger.spent.making += started.elapsed().as_secs_f64();
        Ok(())
    }

    fn block(&mut self, next: BlockNumber) -> Result<()> {
        let started = Instant::now();
        let before = next
            .is_multiple_of(self.again)
            .then(|| copy(&self.chain.state));
        self.ledger.spent.again += started.elapsed().as_secs_f64();
        let (hooks, _) = self.chain.begin()?;
        let (applied, in_extrinsics) = self.extrinsics(next)?;
        let started = Instant::now();
        let root = self.chain.end()?;
        let writing = started.elapsed().saturating_sub(root);
        let started = Instant::now();
        let fees = self.chain.state.execute_with(fees);
        let ledger = &mut self.ledger;
        ledger.spent.events += started.elapsed().as_secs_f64();
        ledger.blocks += 1;
        ledger.fees += fees;
        ledger.most_in_block = ledger.most_in_block.max(applied);
        let whole = (hooks + in_extrinsics + root).as_secs_f64();
        ledger.longest_block = ledger.longest_block.max(whole);
        ledger.spent.hooks += hooks.as_secs_f64();
        ledger.spent.roots += root.as_secs_f64();
        ledger.spent.writing += writing.as_secs_f64();
        if let Some(mut before) = before {
            let started = Instant::now();
            self.chain.execute_again(&mut before)?;
            self.ledger.blocks_again += 1;
            self.ledger.spent.again += started.elapsed().as_secs_f64();
        }
        Ok(())
    }

    /// Applies what is due. Returns how many, and how long the runtime took.
    fn extrinsics(&mut self, next: BlockNumber) -> Result<(u64, Duration)> {
        let mut deferred = Vec::new();
        let mut full = Vec::new();
        let (mut applied, mut whole) = (0, Duration::ZERO);
        for draft in self.queue.take(next) {
            let class = draft.call.get_dispatch_info().class;
            if full.contains(&class) {
                deferred.push(draft);
                continue;
            }
            match self.apply(&draft)? {
                Some(took) => {
                    applied += 1;
                    whole += took;
                }
                None => {
                    full.push(class);
                    deferred.push(draft);
                }
            }
        }
        self.ledger.deferred += deferred.len() as u64;
        let waited = deferred.iter().map(|draft| next + 1 - draft.at).max();
        self.ledger.longest_wait = self.ledger.longest_wait.max(waited.unwrap_or(0));
        self.queue.defer(next + 1, deferred);
        Ok((applied, whole))
    }

    /// Signs and applies one; `None` if the block is full for its class.
    fn apply(&mut self, draft: &Draft) -> Result<Option<Duration>> {
        let name = draft.call.get_call_metadata().function_name;
        let started = Instant::now();
        let (pair, who) = (
            self.people.pair(draft.key)?,
            self.people.account(draft.key)?,
        );
        let nonce = self.people.nonce(draft.key)?;
        let signed = self
            .chain
            .signed_with(&pair, who, nonce, draft.call.clone())?;
        self.ledger.spent.making += started.elapsed().as_secs_f64();
        let (outcome, took) = self.chain.try_apply(&signed)?;
        match outcome {
            Ok(Ok(())) => {
                self.people.count(draft.key);
                self.ledger.applied(name, took);
                Ok(Some(took))
            }
            Err(TransactionValidityError::Invalid(InvalidTransaction::ExhaustsResources)) => {
                Ok(None)
            }
            other => bail!(
                "block {}: {name} by {:?}: {other:?}; it waited {} blocks; {:?}",
                self.chain.number(),
                draft.key,
                self.chain.number().saturating_sub(draft.at),
                draft.call
            ),
        }
    }

    fn tell(&self, next: BlockNumber) {
        let seconds = self.started.elapsed().as_secs_f64();
        let count = self.ledger.extrinsics();
        self.progress.say(format!(
            "day {}: {} tasks over, {count} extrinsics, {:.0} a second",
            next / BLOCKS_PER_DAY,
            self.plays.iter().filter(|play| play.is_over()).count(),
            count as f64 / seconds
        ));
    }
}

/// Fees of the block whose events are in the state.
fn fees() -> u128 {
    let events = System::read_events_no_consensus();
    events
        .filter_map(|record| match record.event {
            RuntimeEvent::TransactionPayment(
                pallet_transaction_payment::Event::TransactionFeePaid { actual_fee, .. },
            ) => Some(actual_fee),
            _ => None,
        })
        .sum()
}
