//! What a juror's node should do for one case, given what it sees. No I/O.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use arena_offchain::{JobView, jobs::request};
use arena_primitives::{
    AccountId, BlockNumber, CaseId, InfraFault, LossLeaf, MAX_BITS_PER_BYTE, Metric, MinerFault,
    NumericProfile, TaskId, TaskSpec, Vote, WATERMARK_BITS,
    job::{
        Artifact, Compare, Evaluate, ExtractWatermark, Fault, JobId, JobKind, JobRequest,
        JobStatus, Limits, MAX_RECIPE_BYTES, Outcome, Recompute, Recomputed, ReplayFinding,
        ReplaySegments, Sketch, fetch_seconds,
    },
    time::last_call,
    vote_commitment,
};
use codec::{Decode, Encode};
use sp_core::H256;

/// Blocks before the end of its window in which a vote is committed to at the latest, whatever
/// the executor is at.
const LAST_BLOCKS: BlockNumber = 3;
/// Blocks before the end of its window up to which what failed is tried again, at the least; a
/// quarter of a short window.
const LAST_TRY: BlockNumber = 5;
/// Seconds in which a task's base is fetched, which no accused has to serve.
const BASE_SECONDS: u64 = 2 * 3_600;
/// The drawn segments of a training must be trained again in so many times what the task allows
/// an evaluation: a training that can't be checked in that time doesn't count as shown.
pub const REPLAY_TIMES: u32 = 64;
/// And in so many seconds, which the shortest window for votes has twice.
pub const REPLAY_SECONDS: u32 = 6 * 3_600;

/// What a node keeps of a case between commitment and reveal. Written before the commitment is
/// sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ballot {
    /// What the jury was drawn by; another one, after a reorganisation, makes another jury.
    pub draw: H256,
    /// The vote.
    pub vote: Vote,
    /// Keeps it secret until it is revealed.
    pub nonce: H256,
}

/// What a juror is asked, with all that it takes to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "made once for a case and block, never kept in number"
)]
pub enum Question {
    /// Is the model a copy of the earlier one?
    Duplicate {
        /// The one that is accused.
        model: Artifact,
        /// The one that was first.
        earlier: Artifact,
    },
    /// Does the model carry the mark?
    Watermark {
        /// The model.
        model: Artifact,
        /// The mark's key.
        key: [u8; 32],
        /// Whose mark it is.
        owner: AccountId,
    },
    /// Was the model trained as registered?
    ProofOfLearning(ReplaySegments),
    /// Is the score what a run of the model gives?
    Score {
        /// What was to be evaluated.
        evaluate: Evaluate,
        /// Losses that the accused committed to.
        losses: Vec<LossLeaf>,
        /// Of how many samples, as the accused says.
        samples: u32,
        /// The score that it revealed, in the metric's unit.
        raw: u64,
    },
}

/// What the chain takes of a juror now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A commitment.
    Commit {
        /// The first block.
        opens: BlockNumber,
        /// The first block in which it isn't taken any more.
        until: BlockNumber,
    },
    /// Its vote.
    Reveal,
}

/// What is seen of one juror's duty in one case.
#[derive(Clone, Debug)]
pub struct Duty {
    /// The case.
    pub case: CaseId,
    /// Its task.
    pub task: TaskId,
    /// Whom it is about.
    pub accused: AccountId,
    /// Whether the jury is that of the appeal.
    pub appeal: bool,
    /// What the jury was drawn by.
    pub draw: H256,
    /// Who is to vote.
    pub juror: AccountId,
    /// What the chain takes now.
    pub window: Window,
    /// What was voted on when the task began.
    pub spec: TaskSpec,
    /// What is asked.
    pub question: Question,
    /// The commitment that the chain shows.
    pub committed: Option<H256>,
    /// Whether the chain shows a vote.
    pub revealed: bool,
    /// What this node keeps.
    pub ballot: Option<Ballot>,
    /// What the executor says; `None` without an executor.
    pub answers: Option<BTreeMap<JobId, JobView>>,
    /// Hosts that others than the accused keep, and that a machine whose line is up can reach.
    pub others: Vec<String>,
    /// When the executor said last of a job that nobody serves what it needs.
    pub unserved: Unserved,
}

/// Blocks after which a job was seen to have failed for what nobody serves.
pub type Unserved = BTreeMap<JobId, BlockNumber>;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give this job to the executor.
    Post(Box<JobRequest>),
    /// Keep the ballot, then commit to it.
    Commit(Ballot),
    /// Reveal the ballot.
    Reveal(Ballot),
}

impl Question {
    /// The job whose outcome answers it.
    fn job(&self, spec: &TaskSpec) -> JobRequest {
        let base = arena_offchain::jobs::base(spec);
        let limits = arena_offchain::jobs::limits(&spec.model);
        let deadline = self.deadline(spec);
        let kind = match self.clone() {
            Self::Duplicate { model, earlier } => JobKind::Compare(Compare {
                model,
                earlier,
                base,
                limits,
            }),
            Self::Watermark { model, key, owner } => JobKind::ExtractWatermark(ExtractWatermark {
                model,
                base,
                key,
                owner: owner.into(),
                limits,
            }),
            Self::ProofOfLearning(job) => {
                let max_seconds = replay_seconds(limits.max_seconds);
                let limits = Limits {
                    max_seconds,
                    ..limits
                };
                JobKind::ReplaySegments(ReplaySegments { limits, ..job })
            }
            Self::Score {
                evaluate, losses, ..
            } => JobKind::Recompute(Recompute {
                evaluate,
                leaves: losses,
            }),
        };
        request(kind, deadline)
    }

    /// A job that tells whether the accused serves its model, where another's may be missing. It
    /// names no base: who has to serve that is somebody else.
    fn probe(&self, spec: &TaskSpec) -> Option<JobRequest> {
        let (Self::Duplicate { model, .. } | Self::Watermark { model, .. }) = self else {
            return None;
        };
        let job = Sketch {
            model: model.clone(),
            base: None,
            seed: [0; 32],
            limits: arena_offchain::jobs::limits(&spec.model),
        };
        Some(request(JobKind::Sketch(job), self.deadline(spec)))
    }

    /// Seconds in which all can be fetched, as slowly as mirrors may be, and computed: a job that
    /// is not done by then waited for its turn.
    fn deadline(&self, spec: &TaskSpec) -> u32 {
        let model = fetch_seconds(spec.model.max_bytes);
        let seconds = spec.model.max_seconds;
        let (fetching, computing) = match self {
            Self::Duplicate { .. } => (model.saturating_mul(2), seconds),
            Self::Watermark { .. } | Self::Score { .. } => (model, seconds),
            Self::ProofOfLearning(job) => {
                let files = job.leaves.len().saturating_add(job.segments.len());
                let files = u64::try_from(files).unwrap_or(u64::MAX);
                let checkpoints = job.checkpoint_bytes.saturating_mul(files);
                let log = fetch_seconds(checkpoints.saturating_add(MAX_RECIPE_BYTES));
                (model.saturating_add(log), replay_seconds(seconds))
            }
        };
        let base = spec.model.base.as_ref().map_or(0, |_| BASE_SECONDS);
        let seconds = fetching
            .saturating_add(base)
            .saturating_add(computing.max(60).into());
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// What an outcome says; `None` for one that wasn't asked for.
    fn judge(&self, spec: &TaskSpec, outcome: &Outcome) -> Option<Vote> {
        let convicts = match (self, outcome) {
            (Self::Duplicate { .. }, Outcome::Compared(found)) => {
                let limit = spec.likeness?.copy_distance.deconstruct();
                found.same || found.distance.is_some_and(|distance| distance <= limit)
            }
            (Self::Watermark { .. }, Outcome::Extracted(found)) => {
                found.matches.is_some_and(|bits| bits >= WATERMARK_BITS)
            }
            (Self::ProofOfLearning(_), Outcome::Replayed(found)) => {
                found.finding != ReplayFinding::Same
            }
            (Self::Score { samples, raw, .. }, Outcome::Recomputed(found)) => {
                is_made_up(spec, *samples, *raw, found)
            }
            _ => return None,
        };
        Some(if convicts {
            Vote::Convict
        } else {
            Vote::Acquit
        })
    }

    /// What a fault of the accused's files says: they were asked of it.
    fn judge_fault(&self) -> Vote {
        match self {
            // Nothing is shown of what can't be read.
            Self::Duplicate { .. } | Self::Watermark { .. } => Vote::Acquit,
            // The training doesn't lead to such a model; such a model has no score.
            Self::ProofOfLearning(_) | Self::Score { .. } => Vote::Convict,
        }
    }

    /// What is voted in the end where this machine found nothing. What the accused had to serve
    /// and nobody got falls on it; all else is in doubt.
    fn judge_late(&self, main_is_gone: bool, probe_is_gone: bool) -> Vote {
        let convicts = match self {
            Self::Duplicate { .. } | Self::Watermark { .. } => main_is_gone && probe_is_gone,
            Self::ProofOfLearning(_) => main_is_gone,
            Self::Score { .. } => false,
        };
        if convicts {
            Vote::Convict
        } else {
            Vote::Acquit
        }
    }
}

/// Whether a validator's score is not what the model's run gives.
fn is_made_up(spec: &TaskSpec, samples: u32, raw: u64, found: &Recomputed) -> bool {
    let evaluated = &found.evaluated;
    // Samples of no text have a loss in the root, and don't count in the score.
    if found.wrong > 0 || samples < evaluated.samples {
        return true;
    }
    // Validators reveal no worse than this.
    let ours = match spec.metric {
        Metric::BitsPerByte => evaluated.raw.min(MAX_BITS_PER_BYTE),
        Metric::Accuracy => evaluated.raw,
    };
    if spec.profile == NumericProfile::ExactCpuF32 {
        return ours != raw;
    }
    let (ours, theirs) = (spec.score(ours), spec.score(raw));
    let apart = ours
        .max(theirs)
        .deconstruct()
        .saturating_sub(ours.min(theirs).deconstruct());
    apart > spec.rewards.band.deconstruct()
}

/// Seconds in which drawn segments must be trained again, where an evaluation has `max_seconds`.
fn replay_seconds(max_seconds: u32) -> u32 {
    max_seconds.saturating_mul(REPLAY_TIMES).min(REPLAY_SECONDS)
}

fn infra(view: Option<&JobView>) -> Option<InfraFault> {
    match view {
        Some(JobView::Known(JobStatus::Failed(Fault::Infra(fault, _)))) => Some(*fault),
        _ => None,
    }
}

/// Whether no mirror served what the hash asks for: nothing, or something else.
fn is_unserved(view: Option<&JobView>) -> bool {
    infra(view) == Some(InfraFault::Download) || view.is_some_and(is_other)
}

/// Whether a mirror served something else than what the hash asks for. That says nothing of the
/// model, and the mirror may be of somebody who has something to gain by it.
fn is_other(view: &JobView) -> bool {
    use MinerFault::{HashMismatch, Manifest};
    matches!(
        view,
        JobView::Known(JobStatus::Failed(Fault::Miner(HashMismatch | Manifest, _)))
    )
}

/// Whether the executor is still at it.
fn is_pending(view: Option<&JobView>) -> bool {
    matches!(
        view,
        Some(JobView::Known(
            JobStatus::Queued | JobStatus::Running { .. }
        ))
    )
}

/// A fault of this machine that another try may not have.
fn may_pass(view: &JobView) -> bool {
    infra(Some(view)).is_some_and(|fault| fault != InfraFault::Memory)
}

impl Duty {
    fn valid_ballot(&self) -> Option<&Ballot> {
        self.ballot
            .as_ref()
            .filter(|ballot| ballot.draw == self.draw)
    }

    /// Whether the vote is still to be found, so that the executor must be asked.
    pub fn wants_answers(&self) -> bool {
        matches!(self.window, Window::Commit { .. })
            && self.committed.is_none()
            && self.valid_ballot().is_none()
    }

    /// What the executor is asked: the job that answers, and the one that tells whose fault a
    /// missing file is. The second is posted only where the first one failed to fetch something.
    pub fn jobs(&self) -> Vec<JobRequest> {
        let jobs = core::iter::once(self.question.job(&self.spec));
        jobs.chain(self.question.probe(&self.spec))
            .map(|job| JobRequest {
                others: self.others.clone(),
                ..job
            })
            .collect()
    }

    /// Notes of which jobs the executor says now that nobody serves what they need; whether there
    /// are such. `now` is the block that a transaction would be in.
    pub fn note_unserved(&mut self, now: BlockNumber) -> bool {
        let answers = self.answers.iter().flatten();
        let unserved: Vec<JobId> = answers
            .filter(|(_, view)| is_unserved(Some(view)))
            .map(|(id, _)| *id)
            .collect();
        let any = !unserved.is_empty();
        self.unserved
            .extend(unserved.into_iter().map(|id| (id, now)));
        any
    }

    /// Whether nobody serves what a job needs, as far as can be known in the end. What waits to be
    /// tried again counts as not served only if it wasn't in the second half of the window: else it
    /// waits for other jobs. What came as late as in the second half, so that it can't be
    /// checked any more, counts as not served.
    fn is_gone(&self, job: &JobRequest, view: Option<&JobView>) -> bool {
        use JobStatus::{Failed, Queued, Running};
        let noted = self.unserved.get(&job.id());
        match view {
            Some(JobView::Known(Queued | Running { total: 0, .. })) => {
                noted.is_some_and(|noted| self.is_in_last(2, *noted))
            }
            Some(JobView::Known(Running { .. } | Failed(Fault::Infra(InfraFault::Timeout, _)))) => {
                noted.is_some_and(|noted| self.is_in_last(2, *noted))
            }
            view => is_unserved(view),
        }
    }

    /// Whether a block is in the last one of so many parts of the window.
    fn is_in_last(&self, parts: BlockNumber, block: BlockNumber) -> bool {
        match self.window {
            Window::Commit { opens, until } => {
                let left = until.saturating_sub(block);
                left.saturating_mul(parts) <= until.saturating_sub(opens)
            }
            Window::Reveal => false,
        }
    }

    /// What is committed to.
    pub fn commitment(&self, ballot: &Ballot) -> H256 {
        vote_commitment(
            &self.juror,
            self.case,
            self.appeal,
            ballot.vote,
            &ballot.nonce,
        )
    }

    /// What the executor's answer says, if it says anything.
    fn found(&self, view: Option<&JobView>) -> Option<Vote> {
        match view? {
            JobView::Known(JobStatus::Done(outcome)) => self.question.judge(&self.spec, outcome),
            view @ JobView::Known(JobStatus::Failed(Fault::Miner(..))) => {
                (!is_other(view)).then(|| self.question.judge_fault())
            }
            _ => None,
        }
    }
}

/// Blocks before the end of a window of this length up to which what failed is tried again.
fn last_try(length: BlockNumber) -> BlockNumber {
    let sixteenth = length.checked_div(16).unwrap_or_default();
    sixteenth.max(LAST_TRY.min(last_call(length)))
}

/// What to do for a duty. `now` is the block that a transaction would be in; `nonce` is random
/// and only used for a new ballot.
pub fn decide(now: BlockNumber, duty: &Duty, nonce: H256) -> Vec<Action> {
    match duty.window {
        Window::Commit { opens, until } => {
            let left = until.saturating_sub(now);
            let is_over = left <= last_try(until.saturating_sub(opens));
            decide_commit(duty, nonce, is_over, left <= LAST_BLOCKS)
        }
        Window::Reveal => decide_reveal(duty),
    }
}

/// `is_over`: what isn't known now is not tried again. `is_last`: nor is it waited for.
fn decide_commit(duty: &Duty, nonce: H256, is_over: bool, is_last: bool) -> Vec<Action> {
    if duty.committed.is_some() {
        return Vec::new();
    }
    if let Some(ballot) = duty.valid_ballot() {
        return Vec::from([Action::Commit(ballot.clone())]);
    }
    let jobs = duty.jobs();
    // A juror that says nothing loses stake, with an executor or without.
    let nothing = BTreeMap::new();
    let views = duty.answers.as_ref().unwrap_or(&nothing);
    let view = |place: usize| jobs.get(place).and_then(|job| views.get(&job.id()));
    let (main, probe) = (view(0), view(1));
    let found = duty.found(main).or_else(|| {
        // What the executor is at may still be known in time.
        let waits = !is_last && (is_pending(main) || is_pending(probe));
        let is_gone = |place| {
            jobs.get(place)
                .is_some_and(|job| duty.is_gone(job, view(place)))
        };
        (is_over && !waits).then(|| duty.question.judge_late(is_gone(0), is_gone(1)))
    });
    if let Some(vote) = found {
        let draw = duty.draw;
        return Vec::from([Action::Commit(Ballot { draw, vote, nonce })]);
    }
    let again = |view: &JobView| !is_over && (*view == JobView::Missing || may_pass(view));
    let wanted = [main.is_some_and(again), {
        is_unserved(main) && probe.is_some_and(again)
    }];
    jobs.iter()
        .zip(wanted)
        .filter(|(_, wanted)| *wanted)
        .map(|(job, _)| Action::Post(Box::new(job.clone())))
        .collect()
}

fn decide_reveal(duty: &Duty) -> Vec<Action> {
    let (false, Some(committed)) = (duty.revealed, duty.committed) else {
        return Vec::new();
    };
    // A ballot that isn't what the chain shows would be refused.
    duty.ballot
        .iter()
        .filter(|ballot| duty.commitment(ballot) == committed)
        .map(|ballot| Action::Reveal(ballot.clone()))
        .collect()
}
