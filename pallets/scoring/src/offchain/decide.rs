//! What an operator's node should do for one round, given what it sees. No I/O.

use super::jobs::Jobs;
use crate::{raw_is_possible, scores_commitment};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use arena_offchain::JobView;
use arena_primitives::{
    AccountId, BlockNumber, EarlierSketches, InfraFault, MAX_BITS_PER_BYTE, Metric, PublicData,
    Publication, Round, ScoreEntries, ScoreEntry, ScoreOutcome, TaskId, TaskSpec, Uris,
    hash::{Domain, hash},
    job::{Evaluated, Fault, JobId, JobRequest, JobStatus, Outcome},
    time::{RoundPhase, Schedule, last_call},
};
use codec::{Decode, Encode};
use sp_core::H256;

/// What a node keeps of a round between commitment and reveal. Written before the commitment is
/// sent, and never changed while the draw stays the same: a second one would make the first
/// commitment impossible to reveal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// The seed of the subset of samples; another one, after a reorganisation, makes another
    /// draw and other scores.
    pub seed: H256,
    /// The scores.
    pub entries: ScoreEntries,
    /// Root over the roots of each model's losses.
    pub samples_root: H256,
    /// Keeps the scores secret until they are revealed.
    pub nonce: H256,
    /// Sketches of the earlier models. The last field, so that what was kept without it doesn't
    /// decode.
    pub earlier: EarlierSketches,
}

impl Record {
    /// What is committed to.
    pub fn commitment(&self, operator: &AccountId, task: TaskId, round: Round) -> H256 {
        scores_commitment(
            operator,
            task,
            round,
            &self.entries,
            &self.earlier,
            self.samples_root,
            self.nonce,
        )
    }
}

/// Which record stays of the one that is found and a new one: where two runs meet, the first
/// one's, unless it is the one that the later run saw and found to be of no use.
pub fn kept(found: Option<Record>, seen: Option<&Record>, new: Record) -> Record {
    found.filter(|found| Some(found) != seen).unwrap_or(new)
}

/// A model that the operator was drawn for, or that its round compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Which.
    pub manifest_root: H256,
    /// Where it can be fetched.
    pub uris: Uris,
}

/// What is to be sketched besides the drawn models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketching {
    /// Seed of the planes.
    pub seed: H256,
    /// The earlier models that the round compares with, in their order.
    pub earlier: Vec<Drawn>,
}

/// What is seen of one operator's duty in one round.
#[derive(Clone, Debug)]
pub struct Duty {
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// Its windows.
    pub schedule: Schedule,
    /// Who is to score.
    pub operator: AccountId,
    /// What was voted on.
    pub spec: TaskSpec,
    /// What the round is scored on; `None` while its shard isn't open.
    pub data: Option<PublicData>,
    /// Seed of the subset of samples; `None` before it is known.
    pub seed: Option<H256>,
    /// The drawn models, in the round's order.
    pub drawn: Vec<Drawn>,
    /// Where the task asks for sketches and the seed is known.
    pub sketching: Option<Sketching>,
    /// The commitment that the chain shows.
    pub committed: Option<H256>,
    /// Whether the chain shows a reveal.
    pub revealed: bool,
    /// What this node keeps.
    pub record: Option<Record>,
    /// What the executor says; `None` without an executor.
    pub jobs: Option<BTreeMap<JobId, JobView>>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give this job to the executor.
    Post(Box<JobRequest>),
    /// Keep the record, then commit to it.
    Commit(Record),
    /// Reveal the record.
    Reveal(Record),
}

impl Duty {
    /// The record, if it is of this draw.
    fn valid_record(&self) -> Option<&Record> {
        let record = self.record.as_ref()?;
        let same = Some(record.seed) == self.seed && self.is_complete(record);
        same.then_some(record)
    }

    /// Whether it has all that was drawn, and all earlier models.
    fn is_complete(&self, record: &Record) -> bool {
        let roots = record.entries.iter().map(|entry| entry.manifest_root);
        let earlier = self.sketching.as_ref().map_or(0, |some| some.earlier.len());
        roots.eq(self.drawn.iter().map(|model| model.manifest_root))
            && record.earlier.len() == earlier
    }

    /// Whether scores are still to be found, so that the executor must be asked. `now` is the
    /// block that a transaction would be in.
    pub fn wants_scores(&self, now: BlockNumber) -> bool {
        self.schedule.phase(now) == RoundPhase::Commit
            && self.seed.is_some()
            && self.data.is_some()
            && !self.drawn.is_empty()
            && self.committed.is_none()
            && self.valid_record().is_none()
    }

    /// All jobs in the order in which they are posted, each once. Equal each time they are made,
    /// so that their ids are.
    pub fn jobs(&self) -> Vec<JobRequest> {
        Jobs::of(self).all()
    }

    /// What has no score or sketch now is committed to without.
    fn is_late(&self, now: BlockNumber) -> bool {
        let length = self.schedule.reveal.saturating_sub(self.schedule.commit);
        now >= self.schedule.reveal.saturating_sub(last_call(length))
    }

    /// What is known of one job: outcome and root of its losses, or `None` while it is open.
    fn outcome(&self, view: &JobView) -> Option<(ScoreOutcome, H256)> {
        let JobView::Known(status) = view else {
            return None;
        };
        let outcome = match status {
            JobStatus::Queued | JobStatus::Running { .. } => return None,
            JobStatus::Done(Outcome::Evaluated(Evaluated {
                raw, samples_root, ..
            })) => {
                // The model's fault, not this machine's, so that it must not be a skip.
                let raw = match self.spec.metric {
                    Metric::BitsPerByte => (*raw).min(MAX_BITS_PER_BYTE),
                    Metric::Accuracy => *raw,
                };
                if raw_is_possible(self.spec.metric, raw) {
                    return Some((ScoreOutcome::Scored(raw), *samples_root));
                }
                // The chain would refuse the whole reveal for it.
                ScoreOutcome::Skipped(InfraFault::Device)
            }
            // Not what was asked.
            JobStatus::Done(_) => ScoreOutcome::Skipped(InfraFault::Device),
            JobStatus::Failed(Fault::Miner(fault, _)) => ScoreOutcome::Invalid(*fault),
            JobStatus::Failed(Fault::Infra(fault, _)) => ScoreOutcome::Skipped(*fault),
            JobStatus::Failed(Fault::Unsupported(_)) => ScoreOutcome::Skipped(InfraFault::Device),
        };
        Some((outcome, H256::zero()))
    }

    /// What there is of one job: `None` where it must be waited for.
    fn entry(&self, view: Option<&JobView>, late: bool) -> Option<(ScoreOutcome, H256)> {
        let known = view
            .filter(|view| late || !may_pass(view))
            .and_then(|view| self.outcome(view));
        let timeout = (ScoreOutcome::Skipped(InfraFault::Timeout), H256::zero());
        known.or(late.then_some(timeout))
    }

    /// A new record, once each drawn model has an outcome and each sketch that is asked for is
    /// there or can't be, or it is late.
    fn new_record(
        &self,
        views: &BTreeMap<JobId, JobView>,
        jobs: &Jobs,
        now: BlockNumber,
        nonce: H256,
    ) -> Option<Record> {
        let late = self.is_late(now);
        let view = |job: &JobRequest| views.get(&job.id());
        let mut entries = ScoreEntries::new();
        let mut roots = Vec::with_capacity(jobs.scores.len());
        let mut sketches = jobs.sketches.iter();
        for (drawn, job) in self.drawn.iter().zip(&jobs.scores) {
            let (outcome, root) = self.entry(view(job), late)?;
            let sketch = match (sketches.next(), outcome) {
                // Its score is 0, whatever it is like.
                (None, _) | (_, ScoreOutcome::Invalid(_)) => None,
                (Some(job), _) => sketch(view(job), late)?,
            };
            let entry = ScoreEntry {
                manifest_root: drawn.manifest_root,
                outcome,
                sketch,
            };
            entries.try_push(entry).ok()?;
            roots.push(root);
        }
        let earlier = jobs.earlier.iter().map(|job| sketch(view(job), late));
        let earlier = EarlierSketches::try_from(earlier.collect::<Option<Vec<_>>>()?).ok()?;
        // A list's encoding starts with its length, so that this is no hash of a seed.
        let samples_root = hash(Domain::Samples, &roots);
        Some(Record {
            seed: self.seed?,
            entries,
            samples_root,
            nonce,
            earlier,
        })
    }
}

/// What there is of a sketch: `None` where it must be waited for, nothing where it can't be had.
fn sketch(view: Option<&JobView>, late: bool) -> Option<Option<[u8; 32]>> {
    match view {
        Some(JobView::Known(JobStatus::Done(Outcome::Sketched(sketched)))) => {
            Some(Some(sketched.sketch))
        }
        Some(view @ JobView::Known(JobStatus::Done(_) | JobStatus::Failed(_)))
            if late || !may_pass(view) =>
        {
            Some(None)
        }
        _ => late.then_some(None),
    }
}

/// A fault of this machine that another try may not have: the executor takes the job again when
/// it is posted again.
fn may_pass(view: &JobView) -> bool {
    matches!(
        view,
        JobView::Known(JobStatus::Failed(Fault::Infra(fault, _))) if *fault != InfraFault::Memory
    )
}

/// What is to be done with what a trainer's node keeps to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Nothing now.
    Wait,
    /// Publish it.
    Send,
    /// Nothing any more: it was published, or replaced, or never committed to.
    Done,
    /// Nothing any more: the chain still shows the commitment, and takes no publication.
    Missed,
}

/// What to do with `kept`. `committed` is the commitment that the chain shows, until it is
/// published, and its block; `finalized` is the last block of this branch that is final. `now` is
/// the block that a transaction would be in.
///
/// Before the commitment is final nobody may learn the root: on another branch it could be taken.
/// Where nothing is known of finality, the gap before the window stands for it. As long as a
/// reorganisation may lead back into the window, it isn't called missed.
pub fn decide_publish(
    now: BlockNumber,
    finalized: Option<BlockNumber>,
    schedule: &Schedule,
    trainer: &AccountId,
    committed: Option<(H256, BlockNumber)>,
    kept: &Publication,
) -> Publish {
    let made = committed
        .filter(|(commitment, _)| *commitment == kept.commitment(trainer))
        .map(|(_, block)| block);
    match (schedule.phase(now), made) {
        (RoundPhase::Publish, Some(block)) if finalized.is_none_or(|f| block <= f) => Publish::Send,
        (RoundPhase::Commit | RoundPhase::Reveal | RoundPhase::Settle, Some(_)) => Publish::Missed,
        (RoundPhase::Commit | RoundPhase::Reveal | RoundPhase::Settle, None) => Publish::Done,
        _ => Publish::Wait,
    }
}

/// What to do for a duty. `now` is the block that a transaction would be in; `nonce` is random
/// and only used for a new record.
pub fn decide(now: BlockNumber, duty: &Duty, nonce: H256) -> Vec<Action> {
    match duty.schedule.phase(now) {
        RoundPhase::Commit => decide_commit(now, duty, nonce),
        RoundPhase::Reveal => decide_reveal(duty),
        _ => Vec::new(),
    }
}

fn decide_commit(now: BlockNumber, duty: &Duty, nonce: H256) -> Vec<Action> {
    // Without data there is nothing to say: the chain takes no commitment, and blames nobody but
    // the task's creator.
    let ready = duty.seed.is_some() && duty.data.is_some();
    if duty.committed.is_some() || duty.drawn.is_empty() || !ready {
        return Vec::new();
    }
    if let Some(record) = duty.valid_record() {
        return Vec::from([Action::Commit(record.clone())]);
    }
    let Some(views) = &duty.jobs else {
        return Vec::new();
    };
    let jobs = Jobs::of(duty);
    if let Some(record) = duty.new_record(views, &jobs, now, nonce) {
        return Vec::from([Action::Commit(record)]);
    }
    jobs.all()
        .into_iter()
        .filter(|job| {
            let view = views.get(&job.id());
            view.is_some_and(|view| *view == JobView::Missing || may_pass(view))
        })
        .map(|job| Action::Post(Box::new(job)))
        .collect()
}

fn decide_reveal(duty: &Duty) -> Vec<Action> {
    let (false, Some(committed)) = (duty.revealed, duty.committed) else {
        return Vec::new();
    };
    // A record that isn't what the chain shows would be refused, and so would one of another
    // draw, after a reorganisation that changed the seed; sent all the same, it would hold up
    // what the key sends after it.
    duty.record
        .as_ref()
        .filter(|record| record.commitment(&duty.operator, duty.task, duty.round) == committed)
        .filter(|record| duty.is_complete(record))
        .map(|record| Action::Reveal(record.clone()))
        .into_iter()
        .collect()
}
