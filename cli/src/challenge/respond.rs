//! What the accused answers.

use super::{
    losses::Losses,
    rows::{self, Case, Facts, Jury, State},
};
use crate::{
    chain::api,
    fail::bad_input,
    names,
    out::Out,
    runs::read_log,
    spec,
    tx::{self, Receipt, Sender},
};
use anyhow::{Result, anyhow, ensure};
use api::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use arena_primitives::{
    CaseId, Claim, MAX_LOG_LEAVES,
    hash::{Domain, hash},
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use subxt::utils::H256;

/// What was typed.
pub(super) enum Answer {
    /// A training's log, and where its checkpoints are served.
    Log(PathBuf, Vec<String>),
    /// A file of losses.
    Losses(PathBuf),
}

/// What an answer said.
#[derive(Serialize)]
struct Responded {
    case: CaseId,
    /// Leaves of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves: Option<usize>,
    /// Which losses were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<u32>>,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Answers a case.
pub(super) async fn respond(
    out: Out,
    sender: &Sender<'_>,
    case: CaseId,
    answer: Answer,
) -> Result<()> {
    let row = rows::open_case(&sender.chain.best().await?, case).await?;
    let State::Responding { jury, .. } = &row.state else {
        return Err(bad_input(format!(
            "case {case} awaits no answer now; `arena challenge show --case {case}` says what comes \
             next"
        )));
    };
    let view = match (&answer, &row.facts) {
        (Answer::Log(log, uris), Facts::Training {}) => training(sender, case, log, uris).await?,
        (Answer::Losses(path), Facts::Score { .. }) => {
            score(sender, case, &row, jury, path).await?
        }
        _ => {
            return Err(bad_input(format!(
                "case {case} is about {}; --log answers one of learning, --losses one of a score",
                names::claim_kind(row.claim.kind())
            )));
        }
    };
    out.show(&view, |view| {
        format!(
            "{}\n✓ answered: the jury of case {} votes now",
            tx::human(&view.receipt),
            view.case
        )
    })
}

async fn training(
    sender: &Sender<'_>,
    case: CaseId,
    log: &Path,
    uris: &[String],
) -> Result<Responded> {
    let mirrors = spec::uris("--uri", uris).map_err(|why| bad_input(format!("{why:#}")))?;
    let leaves = read_log(log)?;
    let count = leaves.len();
    let most = usize::try_from(MAX_LOG_LEAVES).unwrap_or(usize::MAX);
    ensure!(
        count <= most,
        "the log in {} has {count} leaves, and a case takes {most}",
        log.display()
    );
    let call = api::transactions().arena_challenges().respond_training(
        case,
        BoundedVec(leaves.into_iter().map(Into::into).collect()),
        BoundedVec(
            mirrors
                .into_iter()
                .map(|uri| BoundedVec(uri.into_inner()))
                .collect(),
        ),
    );
    Ok(Responded {
        case,
        leaves: Some(count),
        places: None,
        receipt: sender.send(&call).await?.receipt,
    })
}

async fn score(
    sender: &Sender<'_>,
    case: CaseId,
    row: &Case,
    jury: &Jury,
    path: &Path,
) -> Result<Responded> {
    let (
        Claim::Score {
            validator,
            round,
            model,
        },
        Facts::Score { samples_root, .. },
    ) = (&row.claim, &row.facts)
    else {
        return Err(anyhow!("case {case} is about no score"));
    };
    let losses = Losses::read(path, *model).map_err(|why| bad_input(format!("{why:#}")))?;
    let at = sender.chain.best().await?;
    let models = rows::round_models(&at, row.task, *round).await?;
    let reveal = rows::reveal(&at, row.task, *round, validator).await?;
    let outcomes = reveal.as_ref().map(|reveal| reveal.outcomes.as_slice());
    let roots = losses.roots(&models, outcomes)?;
    if hash(Domain::Samples, &roots) != *samples_root {
        return Err(bad_input(format!(
            "the roots in {} are not those that {validator} revealed in round {round}; take the \
             executor that scored the round, and its seed",
            path.display()
        )));
    }
    let (places, proven): (Vec<u32>, Vec<_>) = losses.drawn(&jury.draw)?.into_iter().unzip();
    let call = api::transactions().arena_challenges().respond_score(
        case,
        BoundedVec(roots.iter().map(|root| H256(root.0)).collect()),
        losses.samples(),
        BoundedVec(proven.into_iter().map(Into::into).collect()),
    );
    Ok(Responded {
        case,
        leaves: None,
        places: Some(places),
        receipt: sender.send(&call).await?.receipt,
    })
}
