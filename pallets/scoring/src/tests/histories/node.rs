//! One validator's node: its executor, its local storage and its worker, which asks `decide`.

use super::{
    answers::{answer, is_final, is_skip, is_spared, sketch_in, sketched},
    chain::{Call, Chain, Fate, drawn},
    *,
};
use crate::offchain::{
    decide::{Publish, decide_publish, kept},
    edge::MAX_SENT,
};
use arena_primitives::{Publication, job::JobKind, time::RoundPhase};
use std::{cmp::Reverse, collections::BTreeSet};

/// What a run found to do for a duty, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// Done already, or not drawn.
    Nothing,
    /// Nothing to score on.
    NoData,
    /// Nothing to score with.
    NoExecutor,
    /// A model without outcome, with time left.
    Open,
    /// A commitment, and nothing kept to reveal or to publish.
    NoRecord,
    /// A commitment to a model that is not final.
    NotFinal,
    /// The node stopped before it sent.
    Crashed,
    /// As much as one run may send was sent for other duties.
    TooMany,
    /// Sent.
    Sent(Fate),
}

/// A run as it is remembered: after which block, in which step it was through, and whether the
/// best chain had moved by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) block: usize,
    pub(super) step: u32,
    pub(super) moved: bool,
    pub(super) what: What,
}

struct Plan {
    task: usize,
    seen: Option<Record>,
    deeds: Vec<Deed>,
    what: What,
}

/// What a run means to do.
enum Deed {
    /// Give this job to the executor; whether it is a sketch.
    Post(H256, bool),
    /// Keep the record, then commit to it.
    Commit(Record),
    Reveal(Record),
    Publish(H256),
}

impl From<Action> for Deed {
    fn from(action: Action) -> Self {
        match action {
            Action::Post(job) => Deed::Post(job.id(), matches!(job.kind, JobKind::Sketch(_))),
            Action::Commit(record) => Deed::Commit(record),
            Action::Reveal(record) => Deed::Reveal(record),
        }
    }
}

/// A run between what it saw and what it does.
pub(super) struct Run {
    pub(super) node: usize,
    block: usize,
    plans: Vec<Plan>,
}

pub(super) struct Node {
    pub(super) id: usize,
    has_executor: bool,
    /// The executor is dead until this step.
    pub(super) dead: u32,
    /// The most steps that it takes for a job.
    slow: u64,
    /// The percentage of jobs that fail.
    faulty: u64,
    pub(super) jobs: BTreeMap<H256, (u32, JobStatus)>,
    pub(super) store: BTreeMap<(usize, H256), Record>,
    /// Steps in which the local storage was lost.
    pub(super) wipes: Vec<u32>,
    duties: Vec<(Duty, Vec<H256>)>,
    /// Of the tasks in which it trains, what its tools left to publish.
    pub(super) models: Vec<Option<Publication>>,
    /// What of that is in the local storage.
    left: Vec<bool>,
    /// Whether it was said that the window was missed.
    pub(super) told: Vec<bool>,
    /// The commitments that were sent for each draw, and when.
    sent: BTreeMap<(usize, H256), (H256, u32)>,
    /// Those with skips.
    pub(super) skips: BTreeSet<H256>,
    pub(super) log: Vec<Vec<Seen>>,
}

impl Node {
    pub(super) fn new(id: usize, chain: &Chain, dice: &mut Dice) -> Self {
        let duty = |(task, schedule): (usize, &Schedule)| {
            let mut duty = super::super::decide::duty();
            duty.operator = account(21 + id as u8);
            duty.task = task as u32;
            duty.schedule = *schedule;
            duty.seed = None;
            duty.drawn.clear();
            (duty, Vec::new())
        };
        let slow = if dice.chance(20) { 30 } else { 4 };
        Node {
            id,
            has_executor: !dice.chance(5),
            dead: 0,
            slow,
            faulty: dice.below(2) * dice.below(60),
            jobs: BTreeMap::new(),
            store: BTreeMap::new(),
            wipes: Vec::new(),
            duties: chain.schedules.iter().enumerate().map(duty).collect(),
            models: vec![None; chain.schedules.len()],
            left: vec![false; chain.schedules.len()],
            told: vec![false; chain.schedules.len()],
            sent: BTreeMap::new(),
            skips: BTreeSet::new(),
            log: vec![Vec::new(); chain.schedules.len()],
        }
    }

    /// In some tasks it trains, and its tools have left a model to publish.
    pub(super) fn train(&mut self, chain: &mut Chain, dice: &mut Dice) {
        for task in 0..self.models.len() {
            if dice.chance(60) {
                continue;
            }
            let model = Publication {
                manifest_root: dice.hash(),
                uris: Default::default(),
                nonce: dice.hash(),
            };
            let commitment = model.commitment(&self.duties[task].0.operator);
            chain.submit(self.id, task, commitment, dice);
            self.models[task] = Some(model);
            self.left[task] = true;
        }
    }

    /// The local storage is lost.
    pub(super) fn wipe(&mut self, step: u32) {
        self.store.clear();
        self.left.fill(false);
        self.wipes.push(step);
    }

    /// What a run after the best block sees, and what it means to do.
    pub(super) fn read(&mut self, chain: &Chain, step: u32, troubles: &mut Troubles) -> Run {
        let next = chain.best().number + 1;
        let mut order: Vec<usize> = (0..self.duties.len())
            .filter(|task| {
                let phase = chain.phase(*task, next);
                matches!(phase, RoundPhase::Commit | RoundPhase::Reveal)
            })
            .collect();
        order.sort_by_key(|task| {
            let first = Reverse(chain.phase(*task, next));
            (first, chain.schedules[*task].settle, *task)
        });
        order.retain(|task| self.models[*task].is_none());
        let plan = |task| self.plan(chain, task, step, troubles);
        let mut plans: Vec<Plan> = order.into_iter().map(plan).collect();
        for task in 0..self.models.len() {
            plans.extend(self.plan_publish(chain, task));
        }
        Run {
            node: self.id,
            block: chain.best,
            plans,
        }
    }

    fn plan(&mut self, chain: &Chain, task: usize, step: u32, troubles: &mut Troubles) -> Plan {
        let state = &chain.best().state;
        let next = chain.best().number + 1;
        let row = state.rows[self.id][task];
        let (duty, ids) = &mut self.duties[task];
        if duty.seed != state.seeds[task] || duty.data.is_some() != state.data[task] {
            duty.seed = state.seeds[task];
            duty.data = state.data[task].then(data);
            let roots = duty.seed.map(|seed| drawn(self.id, task, &seed));
            let model = |manifest_root| Drawn {
                manifest_root,
                uris: Default::default(),
            };
            duty.drawn = roots.into_iter().flatten().map(model).collect();
            // One task asks for sketches, and compares with more models than were drawn.
            let asks = task == 1;
            duty.sketching = duty.seed.filter(|_| asks).map(|seed| Sketching {
                seed,
                earlier: (0..2)
                    .map(|_| model(seed))
                    .chain(duty.drawn.first().cloned())
                    .collect(),
            });
            *ids = duty.jobs().iter().map(JobRequest::id).collect();
        }
        duty.committed = row.committed;
        duty.revealed = row.revealed;
        duty.record = duty
            .seed
            .and_then(|seed| self.store.get(&(task, seed)).cloned());
        duty.jobs = None;
        if self.has_executor && duty.wants_scores(next) {
            let mut silent = step < self.dead;
            let view = |id: &H256| {
                // An answer that doesn't come in time is the last one that is waited for.
                silent |= troubles.hits(Trouble::NoAnswer);
                let view = match self.jobs.get(id) {
                    _ if silent => JobView::Silent,
                    None => JobView::Missing,
                    Some((ready, _)) if step < *ready => JobView::Known(JobStatus::Queued),
                    Some((_, status)) => JobView::Known(status.clone()),
                };
                (*id, view)
            };
            duty.jobs = Some(ids.iter().map(view).collect());
        }
        let actions = decide(next, duty, troubles.dice.hash());
        let what = self.contract(task, next, &actions);
        Plan {
            task,
            seen: self.duties[task].0.record.clone(),
            deeds: actions.into_iter().map(Deed::from).collect(),
            what,
        }
    }

    /// What is to be done with a model, told a second time.
    fn plan_publish(&mut self, chain: &Chain, task: usize) -> Option<Plan> {
        let finalized = chain.finalized().number;
        let kept = self.models[task].as_ref()?;
        let (state, next) = (&chain.best().state, chain.best().number + 1);
        let (schedule, shown) = (chain.schedules[task], state.rows[self.id][task].submitted);
        let trainer = &self.duties[task].0.operator;
        let mine = Some(kept.commitment(trainer));
        let mut deeds = Vec::new();
        let what = if !self.left[task] {
            What::NoRecord
        } else {
            let found = decide_publish(next, Some(finalized), &schedule, trainer, shown, kept);
            let open = (schedule.publish..schedule.seed).contains(&next);
            let due = shown.is_some() && open;
            let is_final = shown.is_some_and(|(_, block)| block <= finalized);
            assert_eq!(found == Publish::Send, due && is_final);
            let over = next >= schedule.commit;
            self.told[task] |= found == Publish::Missed;
            assert_eq!(found == Publish::Missed, shown.is_some() && over);
            assert_eq!(found == Publish::Done, shown.is_none() && over);
            match found {
                Publish::Send => {
                    deeds.extend(mine.map(Deed::Publish));
                    What::Open
                }
                Publish::Wait if due => What::NotFinal,
                Publish::Wait | Publish::Done | Publish::Missed => What::Nothing,
            }
        };
        Some(Plan {
            task,
            seen: None,
            deeds,
            what,
        })
    }

    /// What must be done for what is seen, told a second time.
    fn contract(&self, task: usize, next: u32, actions: &[Action]) -> What {
        let (duty, ids) = &self.duties[task];
        if duty.schedule.phase(next) == RoundPhase::Reveal {
            let due = duty.committed.filter(|_| !duty.revealed);
            let commitment = |record: &Record| {
                let commitment = record.commitment(&duty.operator, task as u32, 1);
                Some(commitment)
            };
            return match (due, actions) {
                (None, []) => What::Nothing,
                (due, [Action::Reveal(record)]) if commitment(record) == due => What::Nothing,
                (Some(_), []) => {
                    let kept = self.store.values().any(|record| commitment(record) == due);
                    assert!(!kept, "what is kept is not revealed");
                    What::NoRecord
                }
                other => panic!("{other:?}"),
            };
        }
        if duty.committed.is_some() || duty.drawn.is_empty() {
            assert!(actions.is_empty(), "{actions:?}");
            return What::Nothing;
        }
        if duty.data.is_none() {
            assert!(actions.is_empty(), "{actions:?}");
            return What::NoData;
        }
        if let Some(record) = &duty.record {
            assert_eq!(actions, [Action::Commit(record.clone())]);
            return What::Nothing;
        }
        let Some(views) = &duty.jobs else {
            assert!(actions.is_empty(), "{actions:?}");
            assert!(!self.has_executor, "an executor was not asked");
            return What::NoExecutor;
        };
        let window = duty.schedule.reveal - duty.schedule.commit;
        let late = next + (window / 4).max(2) >= duty.schedule.reveal;
        let (scores, sketches) = ids.split_at(duty.drawn.len().min(ids.len()));
        let answers = scores.iter().map(|id| answer(&views[id], late));
        let answers = answers.collect::<Option<Vec<_>>>();
        let answers = answers.filter(|answers| {
            // What is invalid needs no sketch; the earlier models come last.
            let invalid = |at: usize| matches!(answers.get(at), Some(ScoreOutcome::Invalid(_)));
            let mut sketches = sketches.iter().enumerate();
            late || sketches.all(|(at, id)| is_final(&views[id]) || is_spared(duty, at, &invalid))
        });
        match (answers, actions) {
            (Some(answers), [Action::Commit(record)]) => {
                assert!(record.entries.iter().map(|line| line.outcome).eq(answers));
                assert_eq!(Some(record.seed), duty.seed);
                for (line, id) in record.entries.iter().zip(sketches) {
                    let invalid = matches!(line.outcome, ScoreOutcome::Invalid(_));
                    let expected = sketch_in(&views[id]).filter(|_| !invalid);
                    assert_eq!(line.sketch, expected);
                }
                let earlier = duty.sketching.as_ref().map_or(0, |some| some.earlier.len());
                assert_eq!(record.earlier.len(), earlier);
            }
            (None, posts) => {
                let posted: Vec<H256> = posts
                    .iter()
                    .map(|action| match action {
                        Action::Post(job) => job.id(),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                let missing = |id: &&H256| views[*id] == JobView::Missing;
                assert!(ids.iter().filter(missing).all(|id| posted.contains(id)));
            }
            other => panic!("{other:?}"),
        }
        What::Open
    }

    /// Does what a run meant to do; the node may stop at each point of it.
    pub(super) fn act(&mut self, run: Run, chain: &mut Chain, step: u32, troubles: &mut Troubles) {
        let block = &chain.blocks[run.block];
        let (mut nonce, born) = (block.state.nonces[self.id], block.parent);
        let most = nonce + MAX_SENT;
        let mut crashed = false;
        for mut plan in run.plans {
            for deed in plan.deeds {
                crashed |= troubles.hits(Trouble::CrashBeforeKeep);
                let call = match deed {
                    _ if crashed => None,
                    Deed::Publish(commitment) => Some(Call::Publish(commitment)),
                    Deed::Post(job, is_sketch) => {
                        if step >= self.dead {
                            self.post(job, is_sketch, step, troubles);
                        }
                        continue;
                    }
                    Deed::Commit(record) => {
                        let seed = record.seed;
                        let place = (plan.task, seed);
                        let record = kept(self.store.remove(&place), plan.seen.as_ref(), record);
                        let commitment = self.commitment(plan.task, &record);
                        if record.entries.iter().any(is_skip) {
                            self.skips.insert(commitment);
                        }
                        self.store.insert(place, record);
                        Some(Call::Commit(commitment, seed))
                    }
                    Deed::Reveal(record) => {
                        let roots = record.entries.iter().map(|line| line.manifest_root);
                        let roots = roots.collect();
                        Some(Call::Reveal(self.commitment(plan.task, &record), roots))
                    }
                };
                crashed |= troubles.hits(Trouble::CrashBeforeSend);
                let Some(call) = call.filter(|_| !crashed) else {
                    break;
                };
                if let Call::Commit(commitment, seed) = &call {
                    self.note(plan.task, *seed, *commitment, step);
                }
                if nonce == most {
                    plan.what = What::TooMany;
                    continue;
                }
                plan.what = What::Sent(chain.send(self.id, plan.task, call, nonce, born));
                nonce += 1;
                crashed |= troubles.hits(Trouble::CrashAfterSend);
            }
            let sent = matches!(plan.what, What::Sent(_) | What::TooMany);
            self.log[plan.task].push(Seen {
                block: run.block,
                step,
                moved: chain.best != run.block,
                what: if crashed && !sent {
                    What::Crashed
                } else {
                    plan.what
                },
            });
        }
    }

    fn commitment(&self, task: usize, record: &Record) -> H256 {
        record.commitment(&self.duties[task].0.operator, task as u32, 1)
    }

    /// Two commitments to one draw could not both be revealed.
    fn note(&mut self, task: usize, seed: H256, commitment: H256, step: u32) {
        let (before, since) = *self.sent.entry((task, seed)).or_insert((commitment, step));
        if before != commitment {
            assert!(self.lost_storage(since), "two commitments for one draw");
            self.sent.insert((task, seed), (commitment, step));
        }
    }

    fn lost_storage(&self, since: u32) -> bool {
        self.wipes.iter().any(|wipe| *wipe > since)
    }

    /// Whether the local storage was lost after this was sent first.
    pub(super) fn lost_record(&self, task: usize, seed: H256, commitment: H256) -> bool {
        let Some((last, since)) = self.sent.get(&(task, seed)) else {
            return false;
        };
        // Another one was sent since: only a loss of storage makes that legal.
        *last != commitment || self.lost_storage(*since)
    }

    /// Whether what its tools left was lost.
    pub(super) fn lost_model(&self, task: usize) -> bool {
        self.models[task].is_some() && !self.left[task] && !self.wipes.is_empty()
    }

    fn post(&mut self, id: H256, is_sketch: bool, step: u32, troubles: &mut Troubles) {
        let ready = step + 1 + troubles.dice.below(self.slow) as u32;
        let status = match self.outcome(troubles) {
            JobStatus::Done(_) if is_sketch => sketched(id.0),
            status => status,
        };
        self.jobs.insert(id, (ready, status));
    }

    fn outcome(&self, troubles: &mut Troubles) -> JobStatus {
        let Troubles { dice, .. } = troubles;
        if !dice.chance(self.faulty) {
            return done(dice.below(1_000_000_001));
        }
        let passing = [
            InfraFault::Download,
            InfraFault::Disk,
            InfraFault::Timeout,
            InfraFault::Device,
        ];
        let (trouble, status) = match dice.below(8) {
            0 => (
                Trouble::ModelFault,
                Fault::Miner(MinerFault::Weights, "".into()),
            ),
            1 => (Trouble::Memory, Fault::Infra(InfraFault::Memory, "".into())),
            2 => (Trouble::Unsupported, Fault::Unsupported("".into())),
            3 => {
                troubles.mark(Trouble::Impossible);
                return done(u64::MAX);
            }
            n => {
                let fault = passing[n as usize - 4];
                (Trouble::Passing, Fault::Infra(fault, "".into()))
            }
        };
        troubles.mark(trouble);
        JobStatus::Failed(status)
    }
}
