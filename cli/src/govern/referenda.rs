//! Referenda as they stand.

use super::{
    calls::{self, Proposed},
    curve,
    locks::Outcome,
    tracks,
};
use crate::{
    amount::{Amount, percent},
    chain::{At, Chain, api, last_u32, number},
    out::{self, Out},
};
use anyhow::{Context, Result, anyhow};
use api::runtime_types as types;
use arena_primitives::{AccountId, Hash};
use serde::Serialize;
use types::frame_support::traits::preimages::Bounded;

type Info = api::referenda::storage::referendum_info_for::Output;
type Deposit = types::pallet_referenda::types::Deposit<subxt::utils::AccountId32, u128>;

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
pub(crate) async fn list(out: Out, chain: &Chain) -> Result<()> {
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
        all.push(view(last_u32(entry.key_bytes())?, &info));
    }
    all.sort_by_key(|view| view.index);
    out.show(&all, |all| human(all, number(&at)))
}

/// A part of a whole in Perbill, rounded down.
fn part(of: u128, whole: u128) -> Option<u32> {
    let parts = of.saturating_mul(1_000_000_000).checked_div(whole)?;
    u32::try_from(parts).ok()
}

fn view(index: u32, info: &Info) -> ReferendumView {
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
        Info::Approved(at, ..) => return ended("approved", *at),
        Info::Rejected(at, ..) => return ended("rejected", *at),
        Info::Cancelled(at, ..) => return ended("cancelled", *at),
        Info::TimedOut(at, ..) => return ended("timed out", *at),
        Info::Killed(at) => return ended("killed", *at),
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
    ReferendumView {
        index,
        state: state.into(),
        track: Some(status.track),
        ayes: Some(Amount(tally.ayes)),
        nays: Some(Amount(tally.nays)),
        support: Some(Amount(tally.support)),
        approval: part(tally.ayes, tally.ayes.saturating_add(tally.nays)),
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
            out::or_dash(view.track.map(tracks::name)),
            view.state.clone(),
            out::or_dash(view.ayes),
            out::or_dash(view.nays),
            out::or_dash(view.approval.map(percent)),
            out::or_dash(view.confirming_until.or(view.ended)),
        ]);
    }
    format!("block {now}\n{table}")
}

async fn info(at: &At, index: u32) -> Result<Option<Info>> {
    let stored = api::storage().referenda().referendum_info_for();
    let found = at.storage().try_fetch(stored, (index,)).await;
    let found = found.with_context(|| format!("can't read referendum {index}"))?;
    let decoded = found.map(|value| value.decode()).transpose();
    decoded.with_context(|| format!("referendum {index} doesn't decode"))
}

async fn known(at: &At, index: u32) -> Result<Info> {
    let found = info(at, index).await?;
    found
        .ok_or_else(|| anyhow!("there is no referendum {index}; `arena referendum list` names all"))
}

fn call_of<T, H>(proposal: &Bounded<T, H>) -> Proposed {
    match proposal {
        Bounded::Inline(bytes) => Proposed::Inline(bytes.0.clone()),
        Bounded::Lookup { hash, len } => Proposed::Lookup(*hash, *len),
        // Nobody can submit by a hash alone any more.
        Bounded::Legacy { .. } | Bounded::__Ignore(_) => Proposed::Unknown,
    }
}

/// What a referendum that is voted on asks for.
pub(super) async fn proposed(at: &At, index: u32) -> Result<Proposed> {
    let info = known(at, index).await?;
    match &info {
        Info::Ongoing(status) => Ok(call_of(&status.proposal)),
        over => {
            let state = view(index, over).state;
            Err(anyhow!(
                "referendum {index} is over ({state}); `arena referendum list` shows those that \
                 are voted on"
            ))
        }
    }
}

/// How a referendum ended, as far as votes' locks ask.
pub(super) async fn outcome(at: &At, index: u32) -> Result<Outcome> {
    Ok(match info(at, index).await? {
        Some(Info::Ongoing(_)) => Outcome::Ongoing,
        Some(Info::Approved(at, ..)) => Outcome::Decided(at, true),
        Some(Info::Rejected(at, ..)) => Outcome::Decided(at, false),
        _ => Outcome::Off,
    })
}

/// Deposits that can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// That of the submission.
    pub(super) submission: bool,
    /// That of the decision.
    pub(super) decision: bool,
}

/// Which deposits of a referendum can be taken back.
pub(super) async fn deposits(at: &At, index: u32) -> Result<Held> {
    let held = |submission: &Option<Deposit>, decision: &Option<Deposit>| Held {
        submission: submission.is_some(),
        decision: decision.is_some(),
    };
    match &known(at, index).await? {
        Info::Ongoing(_) => Err(anyhow!(
            "referendum {index} is not over; its deposits come back when it is"
        )),
        Info::Rejected(_, submission, decision) | Info::TimedOut(_, submission, decision) => {
            // A submission's deposit is kept of what nobody wanted.
            Ok(Held {
                submission: false,
                ..held(submission, decision)
            })
        }
        Info::Approved(_, submission, decision) | Info::Cancelled(_, submission, decision) => {
            Ok(held(submission, decision))
        }
        Info::Killed(_) => Err(anyhow!(
            "referendum {index} was killed; the treasury has its deposits"
        )),
    }
}

/// What a referendum still needs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Needs {
    /// Least part of ayes among votes now, in Perbill.
    approval: u32,
    /// Least part of all tokens that support it now, in Perbill.
    support: u32,
    /// What supports it now, in Perbill.
    supported: Option<u32>,
    /// When the decision ends at the latest.
    decided_until: Option<u32>,
}

/// One referendum as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    view: ReferendumView,
    track_name: Option<String>,
    /// What it would do; none where nobody noted its preimage.
    call: Option<String>,
    /// The spec that it approves is no longer proposed: it can't take effect.
    stale: bool,
    submitter: Option<AccountId>,
    needs: Option<Needs>,
}

/// Shows one referendum.
pub(super) async fn show(out: Out, chain: &Chain, index: u32) -> Result<()> {
    let at = chain.best().await?;
    let info = known(&at, index).await?;
    let mut shown = Shown {
        view: view(index, &info),
        track_name: None,
        call: None,
        stale: false,
        submitter: None,
        needs: None,
    };
    if let Info::Ongoing(status) = &info {
        let rules = tracks::rules(&at, status.track)?;
        let bytes = call_of(&status.proposal).bytes(&at).await?;
        shown.track_name = Some(rules.name().into());
        shown.call = bytes.as_ref().map(|bytes| calls::text(&at, bytes));
        let spec = bytes.and_then(|bytes| calls::approved_spec(&at, &bytes));
        shown.stale = is_stale(&at, spec).await;
        shown.submitter = Some(AccountId::from(status.submission_deposit.who.0));
        shown.needs = Some(needs(&at, &rules, &shown.view).await?);
    }
    out.show(&shown, one)
}

async fn is_stale(at: &At, spec: Option<Hash>) -> bool {
    match spec {
        Some(spec) => calls::ensure_proposed(at, spec).await.is_err(),
        None => false,
    }
}

async fn needs(at: &At, rules: &tracks::Rules, view: &ReferendumView) -> Result<Needs> {
    let since = view.deciding_since.unwrap_or_else(|| number(at));
    let time = curve::part(since, number(at), rules.decision_period);
    let issued = api::storage().balances().total_issuance();
    let inactive = api::storage().balances().inactive_issuance();
    let issued: u128 = crate::chain::fetch(at, issued, ()).await?.unwrap_or(0);
    let inactive: u128 = crate::chain::fetch(at, inactive, ()).await?.unwrap_or(0);
    let support = view.support.map_or(0, |amount| amount.0);
    Ok(Needs {
        approval: rules.min_approval.threshold(time),
        support: rules.min_support.threshold(time),
        supported: part(support, issued.saturating_sub(inactive)),
        decided_until: view
            .deciding_since
            .map(|since| since.saturating_add(rules.decision_period)),
    })
}

fn one(shown: &Shown) -> String {
    let view = &shown.view;
    let call = shown.call.clone();
    let mut rows = vec![
        ("referendum", view.index.to_string()),
        ("state", view.state.clone()),
        ("track", out::or_dash(shown.track_name.clone())),
        (
            "would do",
            call.unwrap_or_else(|| "its call is not on chain".into()),
        ),
        ("submitter", out::or_dash(shown.submitter.clone())),
        ("ayes", out::or_dash(view.ayes)),
        ("nays", out::or_dash(view.nays)),
    ];
    if let Some(needs) = &shown.needs {
        let of = |has: Option<u32>, needs: u32| {
            format!(
                "{}; needs {} now",
                out::or_dash(has.map(percent)),
                percent(needs)
            )
        };
        rows.push(("approval", of(view.approval, needs.approval)));
        rows.push(("support", of(needs.supported, needs.support)));
        rows.push(("decided until", out::or_dash(needs.decided_until)));
        rows.push(("confirming until", out::or_dash(view.confirming_until)));
    } else {
        rows.retain(|(name, _)| matches!(*name, "referendum" | "state"));
        rows.push(("ended in block", out::or_dash(view.ended)));
    }
    if shown.stale {
        rows.push((
            "warning",
            "the spec that it approves is no longer proposed: it can't take effect".into(),
        ));
    }
    out::pairs(rows)
}
