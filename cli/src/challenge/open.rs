//! Opening a case: commit to the claim, and open it once the commitment is final.

use super::{
    claim::Accusation,
    evidence::{Evidence, default_path},
    refuse,
    rows::{self, Case},
    seen, show,
};
use crate::{
    amount::Amount,
    chain::{At, api, number},
    fail::{self, bad_input},
    follow, keys, names,
    out::{self, Out},
    state::Kept,
    tx::{self, Included, Receipt, Sender},
};
use anyhow::{Context, Result, anyhow};
use arena_primitives::{AccountId, CaseId, ClaimKind, Hash, TaskId};
use codec::Decode;
use serde::Serialize;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use subxt::{error::DispatchError, utils::H256};

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
    let own = own_case(&at, &evidence).await?;
    if own.is_none() && evidence.case.is_none() {
        check(&at, &evidence).await?;
    }
    // Before anything is sent: a crash must not lose the nonce.
    evidence.write(&path)?;
    let (case, receipts) = match own {
        Some(case) => {
            out.note(format!("case {case} is open with this claim already"));
            (case, (None, None))
        }
        None => {
            let committed = commit(out, &at, sender, &evidence, &path).await?;
            let included = open_when_final(out, url, sender, &evidence).await?;
            let case = case_of(&sender.chain.best().await?, &included)?;
            (case, (committed, Some(included.receipt)))
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

/// The claim of the file if it has one, else a new one.
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
                known.claim.accused()
            )));
        }
        out.note(format!(
            "going on with {}: the same claim and nonce",
            path.display()
        ));
        return Ok(known);
    }
    let current = seen::current(at, plan.task, &plan.accused).await?;
    let claim = plan
        .accusation
        .claim(plan.accused.clone(), current.unwrap_or_default());
    let mut nonce = Hash::zero();
    keys::random(nonce.as_bytes_mut())?;
    Ok(Evidence::new(plan.task, challenger, claim, nonce))
}

/// Refuses what would be refused when the claim is opened, unless the commitment is there: then
/// the claim is opened whatever comes of it.
async fn check(at: &At, evidence: &Evidence) -> Result<()> {
    let Evidence {
        task,
        challenger,
        claim,
        ..
    } = evidence;
    let known = rows::commitment(at, challenger, evidence.commitment()).await?;
    if known.is_some() {
        return Ok(());
    }
    let seen = seen::seen(at, *task, challenger.clone(), claim).await?;
    refuse::check(&seen, claim)
}

/// The open case that this challenger brought or joined with its claim.
async fn own_case(at: &At, evidence: &Evidence) -> Result<Option<CaseId>> {
    let is_own =
        |case: &Case| case.claim == evidence.claim && case.bond_of(&evidence.challenger).is_some();
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
        evidence.claim.clone().into(),
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

/// The case that a claim opened or joined. Where there is none, why.
fn case_of(at: &At, included: &Included) -> Result<CaseId> {
    use api::arena_challenges::events::{CaseJoined, CaseOpened};
    let opened = included.events.find_first::<CaseOpened>().transpose()?;
    let joined = included.events.find_first::<CaseJoined>().transpose()?;
    let case = opened.map(|event| event.case);
    if let Some(case) = case.or(joined.map(|event| event.case)) {
        return Ok(case);
    }
    for event in included.events.iter() {
        let event = event?;
        if (event.pallet_name(), event.event_name()) != ("ArenaChallenges", "CommitmentEnded") {
            continue;
        }
        if let Some(error) = because(event.field_bytes())? {
            let error = DispatchError::decode_from(error, at.metadata())?;
            let why = fail::dispatch(&error);
            return Err(
                why.context("the claim became no case, and the commitment's bond went back")
            );
        }
    }
    Err(anyhow!(
        "the claim came too late: the accused was convicted, or the same claim has its jury; the \
         commitment's bond went back"
    ))
}

/// Why a commitment led to no case, encoded as the chain has it; `None` where the event doesn't
/// say.
fn because(fields: &[u8]) -> Result<Option<&[u8]>> {
    let mut rest = fields;
    <(TaskId, AccountId, Hash, Amount)>::decode(&mut rest)
        .context("the end of a commitment doesn't decode")?;
    let error = rest.split_first().filter(|(is_some, _)| **is_some == 1);
    Ok(error.map(|(_, error)| error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;

    #[test]
    fn step_should_open_final_commitments_and_all_at_the_last_moment() {
        use Step::{Missed, Open, Wait};
        let steps =
            |is_final| -> Vec<Step> { (10..=15).map(|now| step(now, 15, is_final)).collect() };
        assert_eq!(steps(true), [Open, Open, Open, Open, Missed, Missed]);
        assert_eq!(steps(false), [Wait, Wait, Open, Open, Missed, Missed]);
    }

    #[test]
    fn because_should_be_read_where_the_event_has_it() {
        let ended = (7u32, AccountId::from([1; 32]), Hash::zero(), Amount(5).0);
        let old = ended.encode();
        assert_eq!(because(&old).unwrap(), None);
        assert_eq!(because(&(&ended, None::<u8>).encode()).unwrap(), None);
        let told = (ended, Some([3u8, 4, 5])).encode();
        assert_eq!(because(&told).unwrap(), Some(&[3, 4, 5][..]));
        assert!(because(&old[1..]).is_err());
    }
}
