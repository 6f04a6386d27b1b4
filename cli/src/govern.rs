//! Proposals and votes.

use crate::{
    amount::{Amount, percent},
    chain::{At, Chain, api, last_u32, number},
    fail, forecast,
    out::{self, Out},
    template,
    tx::{self, Receipt, Sender},
};
use anyhow::{Context, Result, anyhow};
use api::runtime_types as types;
use arena_primitives::{
    Hash, TaskSpec,
    hash::{Domain, hash},
};
use codec::Decode;
use serde::Serialize;
use sp_runtime::Perbill;
use std::path::Path;
use subxt::utils::H256;

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
    let calls = vec![
        api::Call::ArenaTasks(types::pallet_arena_tasks::pallet::Call::propose {
            spec: Box::new(spec.into()),
        }),
        submit_call(&at, spec_hash, share)?,
    ];
    let included = sender
        .send(&api::transactions().utility().batch_all(calls))
        .await?;
    let index = included
        .events
        .find_first::<api::referenda::events::Submitted>()
        .transpose()?
        .ok_or_else(|| anyhow!("the batch went through without a referendum"))?
        .index;
    // In a transaction of its own: which number the referendum gets is not known before.
    let call = api::transactions()
        .referenda()
        .place_decision_deposit(index);
    let receipt = sender.send(&call).await?.receipt;
    Ok((Some(index), receipt))
}

/// A referendum that approves the spec, as a call.
fn submit_call(at: &At, spec_hash: Hash, share: u32) -> Result<api::Call> {
    let approve = api::transactions()
        .arena_tasks()
        .approve(H256(spec_hash.0), Perbill::from_parts(share).into());
    let bytes = at
        .transactions()
        .call_data(&approve)
        .map_err(fail::extrinsic)?;
    let inline = types::bounded_collections::bounded_vec::BoundedVec(bytes);
    let origin = types::arena_runtime::OriginCaller::Origins(
        types::arena_runtime::governance::origins::pallet::Origin::TaskApprover,
    );
    Ok(api::Call::Referenda(
        types::pallet_referenda::pallet::Call::submit {
            proposal_origin: Box::new(origin),
            proposal: types::frame_support::traits::preimages::Bounded::Inline(inline),
            enactment_moment: types::frame_support::traits::schedule::DispatchTime::After(1),
        },
    ))
}

/// A vote.
#[derive(Serialize)]
struct Voted {
    referendum: u32,
    aye: bool,
    conviction: u8,
    amount: Amount,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Votes.
pub(crate) async fn vote(
    out: Out,
    sender: &Sender<'_>,
    referendum: u32,
    amount: Amount,
    conviction: u8,
    nay: bool,
) -> Result<()> {
    // The highest bit says aye.
    let vote = types::pallet_conviction_voting::vote::Vote(conviction | if nay { 0 } else { 0x80 });
    let vote = types::pallet_conviction_voting::vote::AccountVote::Standard {
        vote,
        balance: amount.0,
    };
    let call = api::transactions()
        .conviction_voting()
        .vote(referendum, vote);
    let receipt = sender.send(&call).await?.receipt;
    let view = Voted {
        referendum,
        aye: !nay,
        conviction,
        amount,
        receipt,
    };
    out.show(&view, |view| tx::human(&view.receipt))
}

/// A referendum as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferendumView {
    index: u32,
    state: String,
    track: Option<u16>,
    ayes: Option<Amount>,
    nays: Option<Amount>,
    support: Option<Amount>,
    /// Of ayes among ayes and nays, in Perbill.
    approval: Option<u32>,
    submitted: Option<u32>,
    deciding_since: Option<u32>,
    confirming_until: Option<u32>,
    ended: Option<u32>,
}

/// Lists referenda.
pub(crate) async fn referenda(out: Out, chain: &Chain) -> Result<()> {
    let at = chain.best().await?;
    let mut entries = at
        .storage()
        .iter(api::storage().referenda().referendum_info_for(), ())
        .await
        .context("can't read referenda")?;
    let mut all = Vec::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.context("can't read referenda")?;
        let info = entry
            .value()
            .decode()
            .context("a referendum doesn't decode")?;
        all.push(view(last_u32(entry.key_bytes())?, info));
    }
    all.sort_by_key(|view| view.index);
    out.show(&all, |all| human(all, number(&at)))
}

type Info = api::referenda::storage::referendum_info_for::Output;

fn view(index: u32, info: Info) -> ReferendumView {
    let ended = |state: &str, at: u32| ReferendumView {
        index,
        state: state.into(),
        track: None,
        ayes: None,
        nays: None,
        support: None,
        approval: None,
        submitted: None,
        deciding_since: None,
        confirming_until: None,
        ended: Some(at),
    };
    let status = match info {
        Info::Ongoing(status) => status,
        Info::Approved(at, ..) => return ended("approved", at),
        Info::Rejected(at, ..) => return ended("rejected", at),
        Info::Cancelled(at, ..) => return ended("cancelled", at),
        Info::TimedOut(at, ..) => return ended("timed out", at),
        Info::Killed(at) => return ended("killed", at),
    };
    let confirming = status
        .deciding
        .as_ref()
        .and_then(|deciding| deciding.confirming);
    let state = match (&status.deciding, confirming, &status.decision_deposit) {
        (Some(_), Some(_), _) => "confirming",
        (Some(_), None, _) => "deciding",
        (None, _, Some(_)) => "preparing",
        (None, _, None) => "waits for its decision deposit",
    };
    let tally = &status.tally;
    let all = tally.ayes.saturating_add(tally.nays);
    let approval = tally.ayes.saturating_mul(1_000_000_000).checked_div(all);
    ReferendumView {
        index,
        state: state.into(),
        track: Some(status.track),
        ayes: Some(Amount(tally.ayes)),
        nays: Some(Amount(tally.nays)),
        support: Some(Amount(tally.support)),
        approval: approval.and_then(|parts| u32::try_from(parts).ok()),
        submitted: Some(status.submitted),
        deciding_since: status.deciding.as_ref().map(|deciding| deciding.since),
        confirming_until: confirming,
        ended: None,
    }
}

fn human(all: &[ReferendumView], now: u32) -> String {
    let mut table = out::table([
        "referendum",
        "track",
        "state",
        "ayes",
        "nays",
        "approval",
        "until block",
    ]);
    for view in all {
        table.add_row([
            view.index.to_string(),
            out::or_dash(view.track.map(track)),
            view.state.clone(),
            out::or_dash(view.ayes),
            out::or_dash(view.nays),
            out::or_dash(view.approval.map(percent)),
            out::or_dash(view.confirming_until.or(view.ended)),
        ]);
    }
    format!("block {now}\n{table}")
}

fn track(id: u16) -> &'static str {
    match id {
        0 => "root",
        1 => "task_approval",
        2 => "parameters",
        3 => "treasury",
        4 => "cancel_slash",
        5 => "task_guard",
        _ => "unknown",
    }
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
