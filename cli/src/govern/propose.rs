//! Proposals of tasks.

use super::{
    args::Track,
    calls::{self, Asked},
    submit, tracks,
};
use crate::{
    amount::Amount,
    chain::{At, Chain, api, parameters},
    forecast,
    out::{self, Out},
    template,
    tx::{self, Receipt, Sender},
    views::Parameter,
};
use anyhow::Result;
use api::runtime_types as types;
use arena_primitives::{
    Hash, TaskSpec,
    hash::{Domain, hash},
};
use codec::Decode;
use serde::Serialize;
use std::path::Path;

/// What `propose` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proposed {
    spec_hash: Hash,
    referendum: Option<u32>,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Puts a spec up for a vote.
pub(crate) async fn propose(
    out: Out,
    sender: &Sender<'_>,
    spec: &Path,
    max_share: Option<u32>,
) -> Result<()> {
    let spec = template::read(spec)?;
    let spec_hash = hash(Domain::Spec, &(sender.account(), &spec));
    let at = sender.chain.best().await?;
    for note in forecast::notes(&at, &spec, max_share).await? {
        out.note(note);
    }
    let (referendum, receipt) = match max_share {
        None => {
            let call = api::transactions().arena_tasks().propose(spec.into());
            (None, sender.send(&call).await?.receipt)
        }
        Some(share) => with_referendum(sender, spec, spec_hash, share).await?,
    };
    let view = Proposed {
        spec_hash,
        referendum,
        receipt,
    };
    out.show(&view, |view| {
        let next = match view.referendum {
            Some(index) => format!("vote with `arena vote --referendum {index}`"),
            None => "let a referendum of the track task_approval call arenaTasks.approve".into(),
        };
        let text = tx::human(&view.receipt);
        format!("✓ proposed {:?}; {next}\n{text}", view.spec_hash)
    })
}

async fn with_referendum(
    sender: &Sender<'_>,
    spec: TaskSpec,
    spec_hash: Hash,
    share: u32,
) -> Result<(Option<u32>, Receipt)> {
    let at = sender.chain.best().await?;
    let asked = Asked {
        track: Track::TaskApproval,
        call: calls::approval(&at, spec_hash, share)?,
    };
    let held = proposal_deposit(&at).await?;
    let track = tracks::number(asked.track);
    submit::ensure_affordable(&at, sender, track, true, held).await?;
    let mut calls = vec![api::Call::ArenaTasks(
        types::pallet_arena_tasks::pallet::Call::propose {
            spec: Box::new(spec.into()),
        },
    )];
    calls.extend(submit::calls_for(&at, &asked).await?);
    let batch = api::transactions().utility().batch_all(calls);
    let referendum = submit::index(&sender.send(&batch).await?)?;
    let receipt = submit::place(sender, referendum).await?;
    Ok((Some(referendum), receipt))
}

/// What a proposal holds of its proposer.
async fn proposal_deposit(at: &At) -> Result<Amount> {
    let all = parameters(at).await?;
    let named = |row: &&Parameter| (&*row.group, &*row.name) == ("Tasks", "ProposalDeposit");
    Ok(all
        .iter()
        .find(named)
        .map(|row| row.value)
        .unwrap_or_default())
}

/// A proposal of a spec.
#[derive(Clone, Debug, Decode)]
struct ProposalRow {
    proposer: arena_primitives::AccountId,
    spec: TaskSpec,
    _deposit: u128,
    expires: u32,
}

/// Shows proposals that wait for approval.
pub(crate) async fn proposals(out: Out, chain: &Chain) -> Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        spec_hash: Hash,
        proposer: arena_primitives::AccountId,
        expires: u32,
        spec: crate::spec::SpecJson,
    }
    let at = chain.best().await?;
    let found: Vec<(Vec<u8>, ProposalRow)> =
        crate::chain::rows(&at, api::storage().arena_tasks().proposals(), ()).await?;
    let rows: Vec<Row> = found
        .into_iter()
        .map(|(_, row)| Row {
            spec_hash: hash(Domain::Spec, &(&row.proposer, &row.spec)),
            proposer: row.proposer,
            expires: row.expires,
            spec: crate::spec::SpecJson::from_spec(&row.spec),
        })
        .collect();
    out.show(&rows, |rows| {
        let mut table = out::table(["spec hash", "name", "proposer", "expires"]);
        for row in rows {
            table.add_row([
                format!("{:?}", row.spec_hash),
                row.spec.name.clone(),
                row.proposer.to_string(),
                row.expires.to_string(),
            ]);
        }
        table.to_string()
    })
}
