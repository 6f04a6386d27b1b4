//! Rows of cases, as this release decodes them.

use crate::{
    amount::Amount,
    chain::{At, api, fetch, id, last_u32, result, rows},
};
use anyhow::{Result, anyhow};
use arena_primitives::{
    AccountId, BlockNumber, CaseId, Claim, ClaimKind, Hash, LogLeaf, LossLeaf, PublicData, Round,
    RoundModel, ScoreOutcome, TaskId, Uris, Venue, Vote,
};
use codec::Decode;
use serde::Serialize;
use subxt::utils::H256;

/// Who accuses.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
pub(super) struct Challenger {
    /// Who.
    pub(super) who: AccountId,
    /// What is held of it.
    pub(super) bond: Amount,
}

/// A claim that is not opened.
#[derive(Clone, Copy, Debug, Decode)]
pub(super) struct Commitment {
    _task: TaskId,
    /// What is held.
    pub(super) bond: Amount,
    /// The first block that is too late to open it.
    pub(super) until: BlockNumber,
}

/// What the chain knew of a claim when it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Facts {
    /// Of a copy.
    #[codec(index = 0)]
    Duplicate {
        /// Whose the earlier model is.
        owner: AccountId,
    },
    /// Of a mark.
    #[codec(index = 1)]
    Watermark {},
    /// Of a training.
    #[codec(index = 2)]
    Training {},
    /// Of a score.
    #[codec(index = 3)]
    Score {
        /// Whose the model is.
        owner: Option<AccountId>,
        /// What the accused revealed.
        raw: u64,
        /// Over the roots of its losses.
        samples_root: Hash,
        /// Which of them is the model's.
        place: u32,
        /// How many they are.
        models: u32,
        /// What the round was scored on.
        #[serde(skip)]
        data: PublicData,
        /// The seed of its subset of samples.
        seed: Hash,
    },
}

/// A juror in a case.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
pub(super) struct Seat {
    /// Who.
    pub(super) juror: AccountId,
    /// Where its stake is.
    pub(super) venue: Venue,
    /// Its own stake there when it was drawn.
    pub(super) own: Amount,
    /// What it committed to.
    pub(super) commitment: Option<Hash>,
    /// What it revealed.
    pub(super) vote: Option<Vote>,
}

/// A jury.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
pub(super) struct Jury {
    /// What it was drawn by; segments and samples too.
    pub(super) draw: Hash,
    /// Its jurors.
    pub(super) seats: Vec<Seat>,
}

/// A second instance.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
pub(super) struct Appeal {
    /// Who asked for it.
    pub(super) appellant: AccountId,
    /// What is held of it.
    pub(super) bond: Amount,
    /// What the first jury decided.
    pub(super) verdict: Vote,
    /// The first jury.
    pub(super) jury: Jury,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// The accused lost its rewards and own stake.
    #[codec(index = 0)]
    Convicted,
    /// The bonds were lost.
    #[codec(index = 1)]
    Acquitted,
    /// There were too few jurors.
    #[codec(index = 2)]
    Undecided,
    /// The accused was convicted in another case.
    #[codec(index = 3)]
    Moot,
    /// The task was over.
    #[codec(index = 4)]
    Cancelled,
}

impl Verdict {
    /// As JSON has it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Convicted => "convicted",
            Self::Acquitted => "acquitted",
            Self::Undecided => "undecided",
            Self::Moot => "moot",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a case stands. A window takes what it is for in blocks before `until`.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
pub(super) enum State {
    /// What draws the jury is being collected.
    #[codec(index = 0)]
    Drawing {
        /// The last block that counts.
        ready: BlockNumber,
    },
    /// The accused is to answer.
    #[codec(index = 1)]
    Responding {
        /// Who will judge.
        jury: Jury,
        /// The first block that is too late.
        until: BlockNumber,
    },
    /// Jurors commit to their votes.
    #[codec(index = 2)]
    Committing {
        /// The jury.
        jury: Jury,
        /// The first block of the move.
        _since: BlockNumber,
        /// The first block that is too late.
        until: BlockNumber,
    },
    /// Jurors reveal them.
    #[codec(index = 3)]
    Revealing {
        /// The jury.
        jury: Jury,
        /// The first block that is too late.
        until: BlockNumber,
    },
    /// The first jury has decided.
    #[codec(index = 4)]
    Appealable {
        /// The jury.
        jury: Jury,
        /// What it decided.
        verdict: Vote,
        /// The first block that is too late for an appeal.
        until: BlockNumber,
    },
    /// Over, but for what is held.
    #[codec(index = 5)]
    Ending {
        /// The jury, if there was one.
        jury: Option<Jury>,
        /// Why.
        verdict: Verdict,
        /// When what is held goes back.
        at: BlockNumber,
    },
}

impl State {
    /// Its name.
    pub(super) fn phase(&self) -> &'static str {
        match self {
            Self::Drawing { .. } => "drawing",
            Self::Responding { .. } => "responding",
            Self::Committing { .. } => "committing",
            Self::Revealing { .. } => "revealing",
            Self::Appealable { .. } => "appealable",
            Self::Ending { .. } => "ending",
        }
    }

    /// The block in which time moves the case on.
    pub(super) fn until(&self) -> BlockNumber {
        match self {
            Self::Drawing { ready } => ready.saturating_add(1),
            Self::Responding { until, .. }
            | Self::Committing { until, .. }
            | Self::Revealing { until, .. }
            | Self::Appealable { until, .. } => *until,
            Self::Ending { at, .. } => *at,
        }
    }

    /// The jury of the present instance, once it is drawn.
    pub(super) fn jury(&self) -> Option<&Jury> {
        match self {
            Self::Drawing { .. } => None,
            Self::Responding { jury, .. }
            | Self::Committing { jury, .. }
            | Self::Revealing { jury, .. }
            | Self::Appealable { jury, .. } => Some(jury),
            Self::Ending { jury, .. } => jury.as_ref(),
        }
    }
}

/// An open case.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
pub(super) struct Case {
    /// In which task.
    pub(super) task: TaskId,
    /// What is claimed.
    pub(super) claim: Claim,
    /// What the chain knows of it.
    pub(super) facts: Facts,
    /// Who claims it.
    pub(super) challengers: Vec<Challenger>,
    /// What a vote is paid.
    pub(super) fee: Amount,
    /// The second instance.
    pub(super) appeal: Option<Appeal>,
    /// Where it stands.
    pub(super) state: State,
}

impl Case {
    /// What is held of a challenger.
    pub(super) fn bond_of(&self, who: &AccountId) -> Option<Amount> {
        let found = self.challengers.iter().find(|one| one.who == *who);
        found.map(|one| one.bond)
    }
}

/// What the accused answered.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
pub(super) enum Answer {
    /// The log of its training.
    #[codec(index = 0)]
    Training {
        /// All leaves.
        leaves: Vec<LogLeaf>,
        /// Where the checkpoints are.
        uris: Uris,
    },
    /// The losses that it was asked for.
    #[codec(index = 1)]
    Score {
        /// Losses of the model, as it says.
        samples: u32,
        /// Those of the drawn places.
        losses: Vec<LossLeaf>,
    },
}

/// What a validator revealed in a round.
#[derive(Clone, Debug, Decode)]
pub(super) struct Reveal {
    /// For each of the round's models in their order; `None` where it wasn't drawn.
    pub(super) outcomes: Vec<Option<ScoreOutcome>>,
    _samples_root: Hash,
}

/// An open case, if there is one with this number.
pub(super) async fn find(at: &At, case: CaseId) -> Result<Option<Case>> {
    fetch(at, api::storage().arena_challenges().open_cases(), (case,)).await
}

/// An open case, or what to do if there is none.
pub(super) async fn open_case(at: &At, case: CaseId) -> Result<Case> {
    find(at, case).await?.ok_or_else(|| {
        anyhow!("there is no open case {case}; `arena challenge show` tells how one ended")
    })
}

/// All open cases of a task, or of all, in the order of their numbers.
pub(super) async fn open_cases(at: &At, task: Option<TaskId>) -> Result<Vec<(CaseId, Case)>> {
    let address = api::storage().arena_challenges().open_cases();
    let all: Vec<(Vec<u8>, Case)> = rows(at, address, ()).await?;
    let mut found = Vec::with_capacity(all.len());
    for (key, case) in all {
        if task.is_none_or(|task| case.task == task) {
            found.push((last_u32(&key)?, case));
        }
    }
    found.sort_by_key(|(number, _)| *number);
    Ok(found)
}

/// The open case about a trainer's training in a task, if there is one.
pub(crate) async fn case_of_training(
    at: &At,
    task: TaskId,
    trainer: &AccountId,
) -> Result<Option<CaseId>> {
    let cases = open_cases(at, Some(task)).await?;
    let is_it = |case: &Case| {
        case.claim.kind() == ClaimKind::ProofOfLearning && case.claim.accused() == trainer
    };
    let found = cases.into_iter().find(|(_, case)| is_it(case));
    Ok(found.map(|(number, _)| number))
}

/// The number that the next case gets.
pub(super) async fn next_case(at: &At) -> Result<CaseId> {
    let next = fetch(at, api::storage().arena_challenges().next_case_id(), ()).await?;
    Ok(next.unwrap_or_default())
}

/// A commitment that is not opened.
pub(super) async fn commitment(
    at: &At,
    challenger: &AccountId,
    commitment: Hash,
) -> Result<Option<Commitment>> {
    let key = (id(challenger), H256(commitment.0));
    fetch(at, api::storage().arena_challenges().commitments(), key).await
}

/// What the accused answered.
pub(super) async fn answer(at: &At, case: CaseId) -> Result<Option<Answer>> {
    fetch(at, api::storage().arena_challenges().answers(), (case,)).await
}

/// What a validator revealed in a round; `None` once it can't be challenged any more.
pub(super) async fn reveal(
    at: &At,
    task: TaskId,
    round: Round,
    validator: &AccountId,
) -> Result<Option<Reveal>> {
    let key = (task, round, id(validator));
    fetch(at, api::storage().arena_scoring().reveals(), key).await
}

/// The models of a round in its order, before and after its settlement.
pub(super) async fn round_models(at: &At, task: TaskId, round: Round) -> Result<Vec<Hash>> {
    if let Some(settled) = result(at, task, round).await? {
        let models = settled.models.iter();
        return Ok(models.map(|model| model.manifest_root).collect());
    }
    let address = api::storage().arena_tasks().fixed();
    let fixed: Option<Vec<RoundModel>> = fetch(at, address, (task, round)).await?;
    let fixed = fixed.unwrap_or_default();
    Ok(fixed.iter().map(|model| model.manifest_root).collect())
}
