//! Open cases.

use super::known;
use crate::Runtime;
use alloc::vec::Vec;
use arena_primitives::{CaseId, Claim, Hash, Round, TaskId, Vote};
use arena_runtime_api::{CaseStage, CaseView, ChallengerView, JurorView, Refusal};
use pallet_arena_challenges::{Case, CaseState, CasesOf, OpenCases};

fn stage(state: &CaseState) -> CaseStage {
    match state {
        CaseState::Drawing { .. } => CaseStage::Drawing,
        CaseState::Responding { .. } => CaseStage::Answering,
        CaseState::Committing { .. } => CaseStage::Voting,
        CaseState::Revealing { .. } => CaseStage::Revealing,
        CaseState::Appealable { .. } => CaseStage::Appealable,
        CaseState::Ending { .. } => CaseStage::Ending,
    }
}

fn about(claim: &Claim) -> (Option<Hash>, Option<Round>) {
    match claim {
        Claim::Duplicate { model, .. } | Claim::Watermark { model, .. } => (Some(*model), None),
        Claim::ProofOfLearning { .. } => (None, None),
        Claim::Score { model, round, .. } => (Some(*model), Some(*round)),
    }
}

/// What the first jury decided.
fn first_verdict(case: &Case) -> Option<Vote> {
    match &case.state {
        CaseState::Appealable { verdict, .. } => Some(*verdict),
        _ => case.appeal.as_ref().map(|appeal| appeal.verdict),
    }
}

fn view(id: CaseId, case: &Case) -> CaseView {
    let (model, round) = about(&case.claim);
    let challengers = case.challengers.iter().map(|challenger| ChallengerView {
        account: challenger.who.clone(),
        bond: challenger.bond.into(),
    });
    let seats = case.state.jury().into_iter().flat_map(|jury| &jury.seats);
    let jurors = seats.map(|seat| JurorView {
        account: seat.juror.clone(),
        venue: seat.venue,
        committed: seat.commitment.is_some(),
        vote: seat.vote,
    });
    CaseView {
        case: id,
        task: case.task,
        kind: case.claim.kind(),
        accused: case.accused().clone(),
        model,
        round,
        challengers: challengers.collect(),
        stage: stage(&case.state),
        until: case.state.due(),
        jurors: jurors.collect(),
        fee: case.fee.into(),
        appealed: case.appeal.is_some(),
        verdict: first_verdict(case),
    }
}

/// Open cases of a task, as many as there can be at most.
pub(crate) fn challenges(task: TaskId) -> Result<Vec<CaseView>, Refusal> {
    known(task)?;
    let cases = CasesOf::<Runtime>::get(task);
    Ok(cases
        .into_iter()
        .filter_map(|id| OpenCases::<Runtime>::get(id).map(|case| view(id, &case)))
        .collect())
}

/// An open case.
pub(crate) fn challenge(case: CaseId) -> Result<CaseView, Refusal> {
    let found = OpenCases::<Runtime>::get(case).ok_or(Refusal::UnknownCase)?;
    Ok(view(case, &found))
}
