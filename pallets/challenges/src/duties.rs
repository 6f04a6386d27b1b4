//! What a juror's node needs to know.

use crate::{
    Answer, Answers, Case, CaseState, Config, Facts, OpenCases, Pallet, Runs, state::Seat,
};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, BlockNumber, CaseId, Claim, LogLeaf, LossLeaf, Round, TaskId, Uris, drawn_segments,
    mark_key, traits::TaskStates,
};
use frame_support::traits::Get;
use sp_core::H256;

/// What the chain takes of a juror now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JurorPhase {
    /// A commitment.
    Commit {
        /// The first block in which it is taken.
        opens: BlockNumber,
        /// The first block in which it isn't taken any more.
        until: BlockNumber,
    },
    /// A vote.
    Reveal {
        /// The first block in which it isn't taken any more.
        until: BlockNumber,
    },
}

/// What a juror has to do in one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JurorDuty {
    /// The case.
    pub case: CaseId,
    /// Its task.
    pub task: TaskId,
    /// Whether the jury is that of the appeal.
    pub appeal: bool,
    /// What the jury was drawn by.
    pub draw: H256,
    /// What the chain takes now.
    pub phase: JurorPhase,
    /// What is claimed.
    pub claim: Claim,
    /// What the juror committed to.
    pub committed: Option<H256>,
    /// Whether it revealed.
    pub revealed: bool,
}

/// What a case is decided by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "made for one decision, never kept in number"
)]
pub enum Evidence {
    /// Two models.
    Duplicate {
        /// The one that is accused.
        model: H256,
        /// The one that was first.
        earlier: H256,
    },
    /// A model and a mark.
    Watermark {
        /// The model.
        model: H256,
        /// The mark's key.
        key: [u8; 32],
        /// Whose mark it is.
        owner: AccountId,
    },
    /// A training.
    Training {
        /// The trainer's model.
        model: H256,
        /// What it was registered with.
        recipe: H256,
        /// The seed of the run.
        seed: H256,
        /// Steps in all.
        steps: u64,
        /// Most bytes of a checkpoint.
        checkpoint_bytes: u64,
        /// What is to be trained again: from the first leaf to the second.
        segments: Vec<(LogLeaf, LogLeaf)>,
        /// The last leaf of the log.
        last: LogLeaf,
        /// Where the checkpoints are.
        uris: Uris,
    },
    /// A score.
    Score {
        /// In which round.
        round: Round,
        /// The model.
        model: H256,
        /// What was revealed.
        raw: u64,
        /// Losses of the model, as the accused says.
        samples: u32,
        /// Those that were drawn.
        losses: Vec<LossLeaf>,
    },
}

impl<T: Config> Pallet<T> {
    /// What is due of an operator's node in cases, read from all that are open: for nodes, not
    /// for blocks.
    pub fn duties_of(operator: &AccountId) -> Vec<JurorDuty> {
        OpenCases::<T>::iter()
            .filter_map(|(id, case)| duty(id, &case, operator))
            .collect()
    }

    /// What a case's present jury decides by; `None` where the accused has still to answer.
    pub fn evidence(id: CaseId) -> Option<Evidence> {
        let case = OpenCases::<T>::get(id)?;
        match &case.claim {
            Claim::Duplicate { model, earlier, .. } => Some(Evidence::Duplicate {
                model: *model,
                earlier: *earlier,
            }),
            Claim::Watermark { model, salt, .. } => {
                let owner = case.challengers.first()?.who.clone();
                Some(Evidence::Watermark {
                    model: *model,
                    key: mark_key(case.task, &owner, salt),
                    owner,
                })
            }
            Claim::ProofOfLearning { trainer } => Self::training_evidence(id, &case, trainer),
            Claim::Score { round, model, .. } => score_evidence::<T>(id, &case, *round, *model),
        }
    }

    fn training_evidence(id: CaseId, case: &Case, trainer: &AccountId) -> Option<Evidence> {
        let Answer::Training { leaves, uris } = Answers::<T>::get(id)? else {
            return None;
        };
        let run = Runs::<T>::get(case.task, trainer)?;
        let draw = case.state.jury()?.draw;
        let segment = |place: u32| {
            let at = usize::try_from(place).ok()?;
            Some((*leaves.get(at)?, *leaves.get(at.checked_add(1)?)?))
        };
        let drawn = drawn_segments(&draw, &leaves, T::Sampling::get());
        Some(Evidence::Training {
            model: T::Tasks::model(case.task, trainer)?,
            recipe: run.recipe,
            seed: run.seed.known()?,
            steps: run.steps,
            checkpoint_bytes: run.checkpoint_bytes,
            segments: drawn.into_iter().filter_map(segment).collect(),
            last: *leaves.last()?,
            uris,
        })
    }
}

fn duty(id: CaseId, case: &Case, operator: &AccountId) -> Option<JurorDuty> {
    let phase = match &case.state {
        CaseState::Committing { since, until, .. } => JurorPhase::Commit {
            opens: *since,
            until: *until,
        },
        CaseState::Revealing { until, .. } => JurorPhase::Reveal { until: *until },
        _ => return None,
    };
    let jury = case.state.jury()?;
    let seat: &Seat = jury.seats.iter().find(|seat| seat.juror == *operator)?;
    Some(JurorDuty {
        case: id,
        task: case.task,
        appeal: case.appeal.is_some(),
        draw: jury.draw,
        phase,
        claim: case.claim.clone(),
        committed: seat.commitment,
        revealed: seat.vote.is_some(),
    })
}

fn score_evidence<T: Config>(
    id: CaseId,
    case: &Case,
    round: Round,
    model: H256,
) -> Option<Evidence> {
    let Facts::Score { raw, .. } = case.facts else {
        return None;
    };
    let Answer::Score { samples, losses } = Answers::<T>::get(id)? else {
        return None;
    };
    Some(Evidence::Score {
        round,
        model,
        raw,
        samples,
        losses: losses.into_inner(),
    })
}
