//! Submitting referenda, and what becomes of their deposits.

use super::{
    calls::{self, Asked},
    funds, referenda, tracks,
};
use crate::{
    amount::Amount,
    chain::{At, api},
    fail,
    out::Out,
    tx::{self, Included, Receipt, Sender},
};
use anyhow::{Context, Result, anyhow, ensure};
use api::runtime_types as types;
use serde::Serialize;
use sp_runtime::traits::{BlakeTwo256, Hash as _};
use std::path::Path;
use subxt::utils::H256;
use types::{
    frame_support::traits::{preimages::Bounded, schedule::DispatchTime},
    pallet_referenda::pallet::Call as Referenda,
};

/// Longest call that a referendum carries in itself; longer ones are preimages.
const INLINE: usize = 128;

/// What `submit` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Submitted {
    referendum: u32,
    track: String,
    call: String,
    #[serde(flatten)]
    receipt: Receipt,
}

/// A referendum's call, and that of its preimage where it has one that nobody noted yet.
pub(super) async fn calls_for(at: &At, asked: &Asked) -> Result<Vec<api::Call>> {
    let mut calls = Vec::new();
    let proposal = if asked.call.len() <= INLINE {
        let bytes = asked.call.clone();
        Bounded::Inline(types::bounded_collections::bounded_vec::BoundedVec(bytes))
    } else {
        let hash = H256(BlakeTwo256::hash(&asked.call).0);
        let len = u32::try_from(asked.call.len()).context("the call is too long")?;
        if calls::preimage(at, hash, len).await?.is_none() {
            calls.push(api::Call::Preimage(
                types::pallet_preimage::pallet::Call::note_preimage {
                    bytes: asked.call.clone(),
                },
            ));
        }
        Bounded::Lookup { hash, len }
    };
    calls.push(api::Call::Referenda(Referenda::submit {
        proposal_origin: Box::new(tracks::origin(asked.track)),
        proposal,
        enactment_moment: DispatchTime::After(1),
    }));
    Ok(calls)
}

/// The number of the referendum that a transaction submitted.
pub(super) fn index(included: &Included) -> Result<u32> {
    let event = included
        .events
        .find_first::<api::referenda::events::Submitted>()
        .transpose()?;
    let event =
        event.ok_or_else(|| anyhow!("the transaction went through without a referendum"))?;
    Ok(event.index)
}

/// Refuses a referendum whose deposits its submitter doesn't have, before anything is paid.
pub(super) async fn ensure_affordable(
    at: &At,
    sender: &Sender<'_>,
    track: u16,
    with_decision: bool,
    others: Amount,
) -> Result<()> {
    let constants = at.constants();
    let submission = constants.entry(api::constants().referenda().submission_deposit());
    let submission = submission.context("can't read the deposit of referenda")?;
    let least = constants.entry(api::constants().balances().existential_deposit());
    let least = least.context("can't read the least balance of accounts")?;
    let decision = if with_decision {
        tracks::rules(at, track)?.decision_deposit
    } else {
        0
    };
    let deposits = Amount(submission).plus(Amount(decision));
    let all = deposits.plus(others);
    let funds = funds(at, &sender.account()).await?;
    let has = funds.spendable(least);
    if has >= deposits && funds.holdable(least) >= all {
        return Ok(());
    }
    Err(fail::bad_input(format!(
        "the deposits are {all} tokens, and the account can spend {has}, without what votes have \
         frozen; send it tokens with `arena transfer`"
    )))
}

/// Submits a referendum, and pays for its decision.
pub(super) async fn submit(
    out: Out,
    sender: &Sender<'_>,
    asked: Asked,
    no_deposit: bool,
) -> Result<()> {
    let at = sender.chain.best().await?;
    let track = tracks::number(asked.track);
    ensure_affordable(&at, sender, track, !no_deposit, Amount(0)).await?;
    let batch = api::transactions()
        .utility()
        .batch_all(calls_for(&at, &asked).await?);
    let included = sender.send(&batch).await?;
    let referendum = index(&included)?;
    let receipt = if no_deposit {
        included.receipt
    } else {
        place(sender, referendum).await?
    };
    let view = Submitted {
        referendum,
        track: tracks::name(track),
        call: calls::text(&at, &asked.call),
        receipt,
    };
    out.show(&view, |view| {
        let number = view.referendum;
        let next = if no_deposit {
            format!("it is decided when somebody pays `arena referendum deposit {number}`")
        } else {
            format!("vote with `arena vote --referendum {number}`")
        };
        let receipt = tx::human(&view.receipt);
        format!(
            "✓ referendum {number} of the track {}: {}\n  {next}\n{receipt}",
            view.track, view.call
        )
    })
}

/// In a transaction of its own: which number a referendum gets is not known before.
pub(super) async fn place(sender: &Sender<'_>, referendum: u32) -> Result<Receipt> {
    let call = api::transactions()
        .referenda()
        .place_decision_deposit(referendum);
    Ok(sender.send(&call).await?.receipt)
}

/// Pays a decision deposit.
pub(super) async fn deposit(out: Out, sender: &Sender<'_>, referendum: u32) -> Result<()> {
    let receipt = place(sender, referendum).await?;
    out.show(&receipt, tx::human)
}

/// Takes back what is still on deposit.
pub(super) async fn refund(out: Out, sender: &Sender<'_>, referendum: u32) -> Result<()> {
    let at = sender.chain.best().await?;
    let held = referenda::deposits(&at, referendum).await?;
    let index = referendum;
    let calls: Vec<_> = [
        (held.decision, Referenda::refund_decision_deposit { index }),
        (
            held.submission,
            Referenda::refund_submission_deposit { index },
        ),
    ]
    .into_iter()
    .filter(|(is_held, _)| *is_held)
    .map(|(_, call)| api::Call::Referenda(call))
    .collect();
    ensure!(
        !calls.is_empty(),
        "referendum {referendum} has no deposit that can be taken back"
    );
    let batch = api::transactions().utility().batch_all(calls);
    sender.send_and_show(out, &batch).await
}

/// Brings the code of an authorized upgrade.
pub(super) async fn apply_upgrade(out: Out, sender: &Sender<'_>, wasm: &Path) -> Result<()> {
    let call = api::transactions()
        .system()
        .apply_authorized_upgrade(calls::code(wasm)?);
    sender.send_and_show(out, &call).await
}
