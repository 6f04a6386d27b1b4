//! What a juror's node should do for one case, given what it sees. No I/O.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use arena_offchain::{JobView, jobs::request};
use arena_primitives::{
    AccountId, BlockNumber, CaseId, InfraFault, LossLeaf, MAX_BITS_PER_BYTE, Metric, MinerFault,
    NumericProfile, TaskSpec, Vote, WATERMARK_BITS,
    job::{
        Artifact, Compare, Evaluate, ExtractWatermark, Fault, JobId, JobKind, JobRequest,
        JobStatus, Limits, Outcome, Recompute, Recomputed, ReplayFinding, ReplaySegments, Sketch,
    },
    time::last_call,
    vote_commitment,
};
use codec::{Decode, Encode};
use sp_core::H256;

/// Blocks before the end of its window in which a vote is committed to at the latest, whatever
/// the executor is at.
const LAST_BLOCKS: BlockNumber = 3;
/// The drawn segments of a training must be trained again in so many times what the task allows
/// an evaluation: a training that can't be checked in that time doesn't count as shown.
pub const REPLAY_TIMES: u32 = 64;

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
}

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
        let seconds = limits.max_seconds.max(60);
        match self.clone() {
            Self::Duplicate { model, earlier } => {
                let job = Compare {
                    model,
                    earlier,
                    base,
                    limits,
                };
                request(JobKind::Compare(job), seconds)
            }
            Self::Watermark { model, key, owner } => {
                let job = ExtractWatermark {
                    model,
                    base,
                    key,
                    owner: owner.into(),
                    limits,
                };
                request(JobKind::ExtractWatermark(job), seconds)
            }
            Self::ProofOfLearning(job) => {
                let max_seconds = limits.max_seconds.saturating_mul(REPLAY_TIMES);
                let limits = Limits {
                    max_seconds,
                    ..limits
                };
                let job = ReplaySegments { limits, ..job };
                // Longer than it may compute, so that a training that takes too long is told from
                // a job that waited for its turn.
                request(
                    JobKind::ReplaySegments(job),
                    max_seconds.saturating_mul(2).max(60),
                )
            }
            Self::Score {
                evaluate, losses, ..
            } => {
                let job = Recompute {
                    evaluate,
                    leaves: losses,
                };
                request(JobKind::Recompute(job), seconds)
            }
        }
    }

    /// A job that tells whether the accused serves its model, where another's may be missing.
    fn probe(&self, spec: &TaskSpec) -> Option<JobRequest> {
        let (Self::Duplicate { model, .. } | Self::Watermark { model, .. }) = self else {
            return None;
        };
        let limits = arena_offchain::jobs::limits(&spec.model);
        let seconds = limits.max_seconds.max(60);
        let job = Sketch {
            model: model.clone(),
            base: None,
            seed: [0; 32],
            limits,
        };
        Some(request(JobKind::Sketch(job), seconds))
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

    /// What is voted at the last call where this machine found nothing. What the accused had to
    /// serve and nobody gets falls on it; all else is in doubt.
    fn judge_late(&self, main: Option<&JobView>, probe: Option<&JobView>) -> Vote {
        let convicts = match self {
            Self::Duplicate { .. } | Self::Watermark { .. } => is_unserved(probe),
            Self::ProofOfLearning(_) => is_unserved(main) || is_too_slow(main),
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

fn is_too_slow(view: Option<&JobView>) -> bool {
    infra(view) == Some(InfraFault::Timeout)
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
        let job = self.question.job(&self.spec);
        core::iter::once(job)
            .chain(self.question.probe(&self.spec))
            .collect()
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

    /// The vote, once it is known. `late`: what isn't known now is voted without.
    fn vote(&self, main: Option<&JobView>, probe: Option<&JobView>, late: bool) -> Option<Vote> {
        match main {
            Some(JobView::Known(JobStatus::Done(outcome))) => {
                self.question.judge(&self.spec, outcome)
            }
            Some(view @ JobView::Known(JobStatus::Failed(Fault::Miner(..)))) => {
                let known =
                    !is_other(view) || matches!(self.question, Question::ProofOfLearning(_));
                known.then(|| self.question.judge_fault())
            }
            _ => None,
        }
        .or_else(|| late.then(|| self.question.judge_late(main, probe)))
    }
}

/// What to do for a duty. `now` is the block that a transaction would be in; `nonce` is random
/// and only used for a new ballot.
pub fn decide(now: BlockNumber, duty: &Duty, nonce: H256) -> Vec<Action> {
    match duty.window {
        Window::Commit { opens, until } => {
            let length = until.saturating_sub(opens);
            let late = now >= until.saturating_sub(last_call(length));
            let last = now >= until.saturating_sub(LAST_BLOCKS);
            decide_commit(duty, nonce, late, last)
        }
        Window::Reveal => decide_reveal(duty),
    }
}

fn decide_commit(duty: &Duty, nonce: H256, late: bool, last: bool) -> Vec<Action> {
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
    // What the executor is at may still be known in time.
    let waits = !last && (is_pending(main) || is_pending(probe));
    if let Some(vote) = duty.vote(main, probe, late && !waits) {
        let draw = duty.draw;
        return Vec::from([Action::Commit(Ballot { draw, vote, nonce })]);
    }
    let again = |view: &JobView| !late && (*view == JobView::Missing || may_pass(view));
    let wanted = [main.is_some_and(again), {
        is_unserved(main) && probe.is_some_and(again)
    }];
    jobs.into_iter()
        .zip(wanted)
        .filter(|(_, wanted)| *wanted)
        .map(|(job, _)| Action::Post(Box::new(job)))
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
