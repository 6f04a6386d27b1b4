//! Votes by hand: commit now, reveal when all have committed.

use super::{
    ballot::{self, Ballot, SeatKey},
    rows::{self, Case, Seat, State},
};
use crate::{
    chain::{At, api},
    fail::bad_input,
    follow, keys, names,
    out::Out,
    tx::{self, Receipt, Sender},
};
use anyhow::{Result, anyhow, bail};
use arena_primitives::{AccountId, CaseId, Hash, Vote};
use serde::Serialize;
use std::{ops::ControlFlow, path::PathBuf};
use subxt::utils::H256;

/// What was typed.
pub(super) struct Plan {
    /// The case.
    pub(super) case: CaseId,
    /// The vote.
    pub(super) vote: Vote,
    /// Where vote and nonce are kept.
    pub(super) keep: Option<PathBuf>,
    /// Stay until the vote is revealed.
    pub(super) watch: bool,
}

/// How far a vote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Nothing can be done now.
    Waiting,
    /// The chain has the commitment.
    Committed,
    /// The chain has the vote.
    Revealed,
}

/// What `challenge vote` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Voted {
    case: CaseId,
    juror: AccountId,
    vote: Vote,
    appeal: bool,
    step: Step,
    keep_file: PathBuf,
    /// Absent if nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

/// Commits to a vote or reveals it, and with `watch` both; then a node that goes away is asked
/// again at `url`.
pub(super) async fn vote(out: Out, url: &str, service: &Sender<'_>, plan: Plan) -> Result<()> {
    let at = service.chain.best().await?;
    let row = rows::open_case(&at, plan.case).await?;
    let (key, seat) = seat_of(&at, plan.case, &row, &service.account()).await?;
    let path = match plan.keep {
        Some(path) => path,
        None => ballot::default_path(&key)?,
    };
    let ballot = ballot::prepare(&path, key, plan.vote, seat.commitment.is_some())?;
    let (step, receipt) = if plan.watch {
        watch(out, url, service, &ballot).await?
    } else {
        act(service, &at, &ballot).await?
    };
    let view = Voted {
        case: plan.case,
        juror: ballot.seat.juror,
        vote: ballot.vote,
        appeal: ballot.seat.appeal,
        step,
        keep_file: path,
        receipt,
    };
    out.show(&view, human)
}

fn human(view: &Voted) -> String {
    let sent = view
        .receipt
        .as_ref()
        .map(|receipt| tx::human(receipt) + "\n");
    let told = match view.step {
        Step::Waiting => "nothing can be done now",
        Step::Committed => {
            "the vote is committed to; the same command reveals it once jurors reveal their votes"
        }
        Step::Revealed => "✓ the vote is revealed",
    };
    format!(
        "{}{} votes to {} in case {}: {told}",
        sent.unwrap_or_default(),
        view.juror,
        names::vote(view.vote),
        view.case
    )
}

/// The seat whose juror has this service key.
async fn seat_of(
    at: &At,
    case: CaseId,
    row: &Case,
    service: &AccountId,
) -> Result<(SeatKey, Seat)> {
    let Some(jury) = row.state.jury() else {
        return Err(bad_input(format!(
            "case {case} has no jury yet; it is drawn in block {}",
            row.state.until()
        )));
    };
    for seat in &jury.seats {
        if keys::service_key(at, &seat.juror).await?.as_ref() == Some(service) {
            let key = SeatKey {
                case,
                appeal: row.appeal.is_some(),
                draw: jury.draw,
                juror: seat.juror.clone(),
            };
            return Ok((key, seat.clone()));
        }
    }
    Err(bad_input(format!(
        "{service} is the service key of no juror of case {case}; `arena challenge show --case \
         {case}` names its jury"
    )))
}

/// What a best block asks of a juror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Wait(Step),
    Commit,
    Reveal,
}

/// What is due of a seat whose vote has this commitment.
fn due(state: &State, seat: &Seat, commitment: Hash) -> Result<Due> {
    if seat.vote.is_some() {
        return Ok(Due::Wait(Step::Revealed));
    }
    let is_ours = seat.commitment.map(|found| found == commitment);
    match (state, is_ours) {
        (_, Some(false)) => bail!("the juror has committed to another vote, or by its node"),
        (State::Drawing { .. } | State::Responding { .. }, _) => Ok(Due::Wait(Step::Waiting)),
        (State::Committing { .. }, None) => Ok(Due::Commit),
        (State::Committing { .. }, Some(true)) => Ok(Due::Wait(Step::Committed)),
        (State::Revealing { .. }, Some(true)) => Ok(Due::Reveal),
        (State::Revealing { .. }, None) => bail!("the time to commit to a vote is over"),
        (State::Appealable { .. } | State::Ending { .. }, _) => bail!("the time to vote is over"),
    }
}

/// What is due at a block; a case that is over, or has another jury, takes no vote.
async fn due_at(at: &At, ballot: &Ballot) -> Result<Result<Due>> {
    let case = ballot.seat.case;
    let Some(row) = rows::find(at, case).await? else {
        return Ok(Err(anyhow!("case {case} is over")));
    };
    let same = |seat: &&Seat| seat.juror == ballot.seat.juror;
    let jury = row.state.jury();
    let jury = jury.filter(|jury| jury.draw == ballot.seat.draw);
    let Some(seat) = jury.and_then(|jury| jury.seats.iter().find(same)) else {
        let why = format!("case {case} has another jury now, or is being appealed");
        return Ok(Err(anyhow!(why)));
    };
    Ok(due(&row.state, seat, ballot.commitment()))
}

/// Does what is due at a block.
async fn act(service: &Sender<'_>, at: &At, ballot: &Ballot) -> Result<(Step, Option<Receipt>)> {
    let case = ballot.seat.case;
    let challenges = api::transactions().arena_challenges();
    Ok(match due_at(at, ballot).await?? {
        Due::Wait(step) => (step, None),
        Due::Commit => {
            let call = challenges.commit_vote(case, H256(ballot.commitment().0));
            (Step::Committed, Some(service.send(&call).await?.receipt))
        }
        Due::Reveal => {
            let call = challenges.reveal_vote(case, ballot.vote.into(), H256(ballot.nonce.0));
            (Step::Revealed, Some(service.send(&call).await?.receipt))
        }
    })
}

/// Commits and reveals, each when it is due. At each best block it compares what should be with
/// what is, so that forks, restarts and a node that goes away need no special care.
async fn watch(
    out: Out,
    url: &str,
    service: &Sender<'_>,
    ballot: &Ballot,
) -> Result<(Step, Option<Receipt>)> {
    let mut last = None;
    let ended = follow::best_blocks(out, url, service.chain, async |chain, _| {
        // The newest block: the stream starts with earlier ones, which may have no jury.
        let at = chain.best().await?;
        if let Err(why) = due_at(&at, ballot).await? {
            return Ok(ControlFlow::Break(Err(why)));
        }
        let service = Sender {
            chain,
            signer: service.signer.clone(),
            finalized: service.finalized,
        };
        match act(&service, &at, ballot).await {
            Ok((step, receipt)) => {
                if receipt.is_some() {
                    last = receipt;
                }
                if step == Step::Revealed {
                    return Ok(ControlFlow::Break(Ok(step)));
                }
            }
            Err(why) => out.note(format!("not voted yet: {why:#}")),
        }
        Ok(ControlFlow::Continue(()))
    });
    let step = ended.await?;
    Ok((step, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{amount::Amount, challenge::rows::Jury};
    use arena_primitives::Venue;

    fn seat(commitment: Option<u8>, vote: Option<Vote>) -> Seat {
        Seat {
            juror: AccountId::from([1; 32]),
            venue: Venue::Network,
            own: Amount(1),
            commitment: commitment.map(Hash::repeat_byte),
            vote,
        }
    }

    fn jury() -> Jury {
        Jury {
            draw: Hash::zero(),
            seats: Vec::new(),
        }
    }

    #[test]
    fn due_should_be_what_the_chain_lacks_and_takes_now() {
        let committing = State::Committing {
            jury: jury(),
            _since: 1,
            until: 9,
        };
        let revealing = State::Revealing {
            jury: jury(),
            until: 9,
        };
        let due = |state: &State, seat| due(state, &seat, Hash::repeat_byte(5)).ok();
        assert_eq!(due(&committing, seat(None, None)), Some(Due::Commit));
        let waits = Some(Due::Wait(Step::Committed));
        assert_eq!(due(&committing, seat(Some(5), None)), waits);
        assert_eq!(due(&committing, seat(Some(6), None)), None);
        assert_eq!(due(&revealing, seat(Some(5), None)), Some(Due::Reveal));
        assert_eq!(due(&revealing, seat(Some(6), None)), None);
        assert_eq!(due(&revealing, seat(None, None)), None);
        let done = Some(Due::Wait(Step::Revealed));
        assert_eq!(due(&revealing, seat(Some(5), Some(Vote::Acquit))), done);
        let over = State::Appealable {
            jury: jury(),
            verdict: Vote::Acquit,
            until: 9,
        };
        assert_eq!(due(&over, seat(Some(5), None)), None);
        assert_eq!(due(&over, seat(Some(5), Some(Vote::Convict))), done);
    }
}
