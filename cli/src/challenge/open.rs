//! Opening a case: commit to the claim, and open it once the commitment is final.

use super::{
    claim::{Accusation, model_of},
    evidence::{Evidence, default_path},
    rows::{self, Case},
    show,
};
use crate::{
    amount::Amount,
    chain::{At, api, number, task},
    fail::bad_input,
    follow, keys, ledger, mark, names,
    out::{self, Out},
    state::Kept,
    tx::{self, Included, Receipt, Sender},
};
use anyhow::{Result, anyhow};
use arena_primitives::{
    AccountId, CaseId, Claim, ClaimKind, Hash, Role, Round, ScoreOutcome, TaskId, TaskPhase, Venue,
    mark_commitment,
};
use serde::Serialize;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use subxt::utils::H256;

/// In so many last blocks of its window a claim is opened whether its commitment is final or not.
const LAST_BLOCKS: u32 = 2;

/// What was typed.
pub(super) struct Plan {
    /// The task.
    pub(super) task: TaskId,
    /// Who is accused.
    pub(super) accused: AccountId,
    /// Of what.
    pub(super) accusation: Accusation,
    /// Where claim and nonce are kept.
    pub(super) keep: Option<PathBuf>,
}

/// What opening a case did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    case: CaseId,
    task: TaskId,
    kind: ClaimKind,
    accused: AccountId,
    challenger: AccountId,
    bond: Amount,
    commitment: Hash,
    keep_file: PathBuf,
    phase: &'static str,
    until: u32,
    next: String,
    /// Of the commitment; absent if an earlier run sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    committed: Option<Receipt>,
    /// Of the claim; absent if an earlier run opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<Receipt>,
}

/// Opens a case, or goes on where an earlier run stopped. A node that goes away is asked again at
/// `url`.
pub(super) async fn open(out: Out, url: &str, sender: &Sender<'_>, plan: Plan) -> Result<()> {
    let path = match &plan.keep {
        Some(path) => path.clone(),
        None => default_path(plan.task, plan.accusation.kind(), &plan.accused)?,
    };
    let at = sender.chain.best().await?;
    let mut evidence = prepare(out, &at, &path, &plan, sender.account()).await?;
    // Before anything is sent: a crash must not lose the nonce.
    evidence.write(&path)?;
    let (case, receipts) = match own_case(&at, &evidence).await? {
        Some(case) => {
            out.note(format!("case {case} is open with this claim already"));
            (case, (None, None))
        }
        None => {
            let committed = commit(out, &at, sender, &evidence, &path).await?;
            let included = open_when_final(out, url, sender, &evidence).await?;
            (case_of(&included)?, (committed, Some(included.receipt)))
        }
    };
    evidence.case = Some(case);
    evidence.write(&path)?;
    let row = rows::open_case(&sender.chain.best().await?, case).await?;
    out.show(&view(case, &row, evidence, path, receipts), human)
}

fn view(
    case: CaseId,
    row: &Case,
    evidence: Evidence,
    keep_file: PathBuf,
    (committed, opened): (Option<Receipt>, Option<Receipt>),
) -> Opened {
    Opened {
        case,
        task: evidence.task,
        kind: row.claim.kind(),
        accused: row.claim.accused().clone(),
        bond: row.bond_of(&evidence.challenger).unwrap_or_default(),
        commitment: evidence.commitment(),
        challenger: evidence.challenger,
        keep_file,
        phase: row.state.phase(),
        until: row.state.until(),
        next: show::next(case, row),
        committed,
        opened,
    }
}

fn human(view: &Opened) -> String {
    let sent = match &view.opened {
        Some(receipt) => tx::human(receipt),
        None => "✓ the case was open already".into(),
    };
    let table = out::pairs([
        ("case", view.case.to_string()),
        ("claim", names::claim_kind(view.kind).into()),
        ("accused", view.accused.to_string()),
        ("bond", view.bond.to_string()),
        ("next", view.next.clone()),
    ]);
    format!("{sent}\n{table}")
}

/// The claim of the file if it has one, else a new one that can be opened as things stand.
async fn prepare(
    out: Out,
    at: &At,
    path: &Path,
    plan: &Plan,
    challenger: AccountId,
) -> Result<Evidence> {
    if let Some(known) = Evidence::find(path)? {
        if !known.is_of(plan.task, &challenger, &plan.accused, &plan.accusation) {
            return Err(bad_input(format!(
                "{} has another claim (task {}, against {}); name another file with --keep",
                path.display(),
                known.task,
                known.claim().accused()
            )));
        }
        out.note(format!(
            "going on with {}: the same claim and nonce",
            path.display()
        ));
        return Ok(known);
    }
    let standing = ledger::standing(at, plan.task, &plan.accused).await?;
    let current = standing.map(|standing| standing.current.manifest_root);
    let claim = plan
        .accusation
        .claim(plan.accused.clone(), current.unwrap_or_default());
    check(at, plan.task, &challenger, &claim, current).await?;
    let mut nonce = Hash::zero();
    keys::random(nonce.as_bytes_mut())?;
    Ok(Evidence::new(plan.task, challenger, claim, nonce))
}

/// Refuses what would be refused when the claim is opened, when the commitment's bond is at
/// stake. `current` is the model with which the accused stands.
async fn check(
    at: &At,
    id: TaskId,
    challenger: &AccountId,
    claim: &Claim,
    current: Option<Hash>,
) -> Result<()> {
    if claim.kind() != ClaimKind::Score {
        check_model(at, id, claim, current).await?;
    }
    match claim {
        Claim::Duplicate { earlier, .. } => {
            let first = ledger::owner(at, id, *earlier).await?;
            let Some(first) = first else {
                return Err(bad_input(format!(
                    "task {id} knows no model {earlier:?}, which is said to be earlier"
                )));
            };
            if first.trainer != *challenger {
                check_validator(at, id, challenger, "and its own trainer").await?;
            }
        }
        Claim::Watermark { salt, .. } => {
            let wanted = mark_commitment(id, challenger, salt);
            let marks = mark::marks(at, id, challenger).await?;
            if !marks.iter().any(|mark| mark.commitment == wanted) {
                return Err(bad_input(format!(
                    "{challenger} registered no such mark in task {id}; is it the file that \
                     `arena mark register` was given?"
                )));
            }
        }
        Claim::ProofOfLearning { .. } => check_validator(at, id, challenger, "alone").await?,
        Claim::Score {
            validator,
            round,
            model,
        } => check_score(at, id, validator, *round, *model).await?,
    }
    Ok(())
}

/// Models are challenged in the challenge phase, each while it stands.
async fn check_model(at: &At, id: TaskId, claim: &Claim, current: Option<Hash>) -> Result<()> {
    let accused = claim.accused();
    let phase = task(at, id).await?.phase;
    if phase != TaskPhase::Challenge {
        return Err(bad_input(format!(
            "task {id} is in {}, and models are challenged in its challenge phase; \
             `arena status --task {id} --wait-for challenge` waits for it",
            names::phase(phase)
        )));
    }
    let Some(current) = current else {
        return Err(bad_input(format!("{accused} has no model in task {id}")));
    };
    match model_of(claim).filter(|model| *model != current) {
        Some(model) => Err(bad_input(format!(
            "{accused} stands in task {id} with {current:?}, not with {model:?}; only the model \
             that stands is challenged"
        ))),
        None => Ok(()),
    }
}

async fn check_validator(at: &At, id: TaskId, who: &AccountId, others: &str) -> Result<()> {
    let position = ledger::position(at, Venue::Task(id), who).await?;
    if position.is_some_and(|position| position.role == Role::Validator) {
        return Ok(());
    }
    Err(bad_input(format!(
        "{who} can't bring this claim: validators of task {id} can, {others}"
    )))
}

/// There is a score, and it is kept still.
async fn check_score(
    at: &At,
    id: TaskId,
    validator: &AccountId,
    round: Round,
    model: Hash,
) -> Result<()> {
    let models = rows::round_models(at, id, round).await?;
    let reveal = rows::reveal(at, id, round, validator).await?;
    let outcomes = reveal.map(|reveal| reveal.outcomes).unwrap_or_default();
    let scored = models
        .iter()
        .zip(outcomes)
        .any(|(root, outcome)| *root == model && matches!(outcome, Some(ScoreOutcome::Scored(_))));
    if scored {
        return Ok(());
    }
    Err(bad_input(format!(
        "{validator} revealed no score of {model:?} in round {round} of task {id}, or two later \
         rounds are settled"
    )))
}

/// The open case that this challenger brought or joined with its claim.
async fn own_case(at: &At, evidence: &Evidence) -> Result<Option<CaseId>> {
    let claim = evidence.claim();
    let is_own = |case: &Case| case.claim == claim && case.bond_of(&evidence.challenger).is_some();
    let cases = rows::open_cases(at, Some(evidence.task)).await?;
    let found = cases.into_iter().find(|(_, case)| is_own(case));
    Ok(found.map(|(number, _)| number))
}

/// Sends the commitment unless the chain has it already.
async fn commit(
    out: Out,
    at: &At,
    sender: &Sender<'_>,
    evidence: &Evidence,
    path: &Path,
) -> Result<Option<Receipt>> {
    if let Some(case) = evidence.case {
        return Err(bad_input(format!(
            "{} led to case {case}, which is over; name another file with --keep for a new one",
            path.display()
        )));
    }
    let commitment = evidence.commitment();
    let known = rows::commitment(at, &evidence.challenger, commitment).await?;
    if let Some(row) = known {
        out.note(format!(
            "the chain has the commitment, until block {}",
            row.until
        ));
        return Ok(None);
    }
    let call = api::transactions()
        .arena_challenges()
        .commit_case(evidence.task, H256(commitment.0));
    let receipt = sender.send(&call).await?.receipt;
    out.note(format!("{}: committed to the claim", tx::human(&receipt)));
    Ok(Some(receipt))
}

/// What is to be done for a commitment at a best block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is not final: on another fork the claim could be taken.
    Wait,
    /// Open the claim.
    Open,
    /// It was not opened in time.
    Missed,
}

/// What the next block, `now + 1`, allows.
fn step(now: u32, until: u32, is_final: bool) -> Step {
    let next = now.saturating_add(1);
    if next >= until {
        return Step::Missed;
    }
    // Without its opening the bond is lost, whatever finality does.
    let is_last = next.saturating_add(LAST_BLOCKS) >= until;
    if is_final || is_last {
        Step::Open
    } else {
        Step::Wait
    }
}

/// Opens the claim once its commitment is final, or at the last moment.
async fn open_when_final(
    out: Out,
    url: &str,
    sender: &Sender<'_>,
    evidence: &Evidence,
) -> Result<Included> {
    let (challenger, commitment) = (&evidence.challenger, evidence.commitment());
    let call = api::transactions().arena_challenges().open_case(
        evidence.task,
        evidence.claim().into(),
        H256(evidence.nonce.0),
    );
    follow::best_blocks(out, url, sender.chain, async |chain, _| {
        // Of the newest block: the stream starts with earlier ones.
        let at = chain.best().await?;
        let Some(row) = rows::commitment(&at, challenger, commitment).await? else {
            let why = "the chain has the commitment no more: its time is over, or a fork dropped \
                       it; run the same command again";
            return Ok(ControlFlow::Break(Err(anyhow!(why))));
        };
        let last = chain.finalized().await?;
        let is_final = rows::commitment(&last, challenger, commitment)
            .await?
            .is_some();
        match step(number(&at), row.until, is_final) {
            Step::Wait => return Ok(ControlFlow::Continue(())),
            Step::Missed => {
                let why = format!(
                    "the claim was not opened before block {}: the commitment's bond of {} is lost",
                    row.until, row.bond
                );
                return Ok(ControlFlow::Break(Err(anyhow!(why))));
            }
            Step::Open if !is_final => out.note(format!(
                "the commitment is not final, but block {} is too late: the claim is opened now",
                row.until
            )),
            Step::Open => {}
        }
        let sender = Sender {
            chain,
            signer: sender.signer.clone(),
            finalized: sender.finalized,
        };
        Ok(ControlFlow::Break(sender.send(&call).await))
    })
    .await
}

/// The case that a claim opened or joined.
fn case_of(included: &Included) -> Result<CaseId> {
    use api::arena_challenges::events::{CaseJoined, CaseOpened};
    let opened = included.events.find_first::<CaseOpened>().transpose()?;
    let joined = included.events.find_first::<CaseJoined>().transpose()?;
    opened
        .map(|event| event.case)
        .or(joined.map(|event| event.case))
        .ok_or_else(|| {
            anyhow!(
                "the claim came too late: the accused was convicted, or the same claim has its \
                 jury; the bond went back"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_should_open_final_commitments_and_all_at_the_last_moment() {
        use Step::{Missed, Open, Wait};
        let steps =
            |is_final| -> Vec<Step> { (10..=15).map(|now| step(now, 15, is_final)).collect() };
        assert_eq!(steps(true), [Open, Open, Open, Open, Missed, Missed]);
        assert_eq!(steps(false), [Wait, Wait, Open, Open, Missed, Missed]);
    }
}
