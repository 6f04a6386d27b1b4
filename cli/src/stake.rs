//! Stake, delegation, claims and balances.

use crate::{
    amount::{Amount, percent},
    chain::{
        At, Chain, api, delegator_earnings, fetch, id, number, operator_earnings, position, tasks,
    },
    ledger, names,
    out::{self, Out},
    tx::{self, Receipt, Sender},
    views,
};
use anyhow::{Result, anyhow};
use arena_primitives::{AccountId, Role, Venue};
use codec::Decode;
use serde::Serialize;
use sp_runtime::Perbill;

/// Takes a role, or adds to its stake.
pub(crate) async fn stake(
    out: Out,
    sender: &Sender<'_>,
    venue: Venue,
    role: Role,
    amount: Amount,
) -> Result<()> {
    let call = api::transactions()
        .arena_staking()
        .stake(venue.into(), role.into(), amount.0);
    sender.send_and_show(out, &call).await
}

/// Takes own stake back.
pub(crate) async fn unstake(
    out: Out,
    sender: &Sender<'_>,
    venue: Venue,
    amount: Amount,
) -> Result<()> {
    let call = api::transactions()
        .arena_staking()
        .decrease(venue.into(), amount.0);
    sender.send_and_show(out, &call).await
}

/// Takes a seat again.
pub(crate) async fn take_seat(out: Out, sender: &Sender<'_>, venue: Venue) -> Result<()> {
    let call = api::transactions().arena_staking().take_seat(venue.into());
    sender.send_and_show(out, &call).await
}

/// Frees own stake that has unbonded.
pub(crate) async fn withdraw(out: Out, sender: &Sender<'_>) -> Result<()> {
    sender
        .send_and_show(out, &api::transactions().arena_staking().withdraw())
        .await
}

/// Announces a commission.
pub(crate) async fn set_commission(
    out: Out,
    sender: &Sender<'_>,
    venue: Venue,
    commission: u32,
) -> Result<()> {
    let commission = Perbill::from_parts(commission);
    let call = api::transactions()
        .arena_staking()
        .set_commission(venue.into(), commission.into());
    sender.send_and_show(out, &call).await
}

/// Puts stake behind an operator.
pub(crate) async fn delegate(
    out: Out,
    sender: &Sender<'_>,
    venue: Venue,
    operator: &AccountId,
    amount: Amount,
) -> Result<()> {
    let call =
        api::transactions()
            .arena_delegation()
            .delegate(venue.into(), id(operator), amount.0);
    sender.send_and_show(out, &call).await
}

/// Takes stake back from an operator.
pub(crate) async fn undelegate(
    out: Out,
    sender: &Sender<'_>,
    venue: Venue,
    operator: &AccountId,
    amount: Amount,
) -> Result<()> {
    let call =
        api::transactions()
            .arena_delegation()
            .undelegate(venue.into(), id(operator), amount.0);
    sender.send_and_show(out, &call).await
}

/// Frees delegated stake that has unbonded.
pub(crate) async fn withdraw_delegation(out: Out, sender: &Sender<'_>) -> Result<()> {
    sender
        .send_and_show(out, &api::transactions().arena_delegation().withdraw())
        .await
}

/// Sends tokens.
pub(crate) async fn transfer(
    out: Out,
    sender: &Sender<'_>,
    to: &AccountId,
    amount: Amount,
) -> Result<()> {
    let call = api::transactions()
        .balances()
        .transfer_keep_alive(id(to).into(), amount.0);
    sender.send_and_show(out, &call).await
}

/// What a claim paid.
#[derive(Serialize)]
struct Claimed {
    venue: Venue,
    operator: AccountId,
    who: AccountId,
    amount: Amount,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Claims as an operator, or as a delegator of one.
pub(crate) async fn claim(
    out: Out,
    sender: &Sender<'_>,
    venue: Venue,
    operator: Option<AccountId>,
) -> Result<()> {
    let who = sender.account();
    let (included, amount) = match &operator {
        Some(operator) => {
            let call = api::transactions()
                .arena_delegation()
                .claim(venue.into(), id(operator));
            let included = sender.send(&call).await?;
            let event = included
                .events
                .find_first::<api::arena_delegation::events::Claimed>();
            let amount = event.transpose()?.map_or(0, |event| event.amount);
            (included, amount)
        }
        None => {
            let call = api::transactions().arena_rewards().claim(venue.into());
            let included = sender.send(&call).await?;
            let event = included
                .events
                .find_first::<api::arena_rewards::events::Claimed>();
            let amount = event.transpose()?.map_or(0, |event| event.amount);
            (included, amount)
        }
    };
    let view = Claimed {
        venue,
        operator: operator.unwrap_or_else(|| who.clone()),
        who,
        amount: Amount(amount),
        receipt: included.receipt,
    };
    out.show(&view, |view| {
        format!("✓ claimed {}\n{}", view.amount, tx::human(&view.receipt))
    })
}

/// One thing that can be claimed.
#[derive(Clone, Debug, Serialize)]
struct Claim {
    venue: Venue,
    operator: AccountId,
    #[serde(flatten)]
    earned: views::Earnings,
}

/// What `claim-all` found and did.
#[derive(Serialize)]
struct ClaimedAll {
    who: AccountId,
    claimed: Vec<Claim>,
    locked: Vec<Claim>,
    failed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

/// Claims everything that is free, in one transaction.
pub(crate) async fn claim_all(out: Out, sender: &Sender<'_>) -> Result<()> {
    let who = sender.account();
    let at = sender.chain.best().await?;
    let (claimed, locked) = claims(&at, &who)
        .await?
        .into_iter()
        .partition(|claim| claim.earned.free.0 > 0);
    let mut view = ClaimedAll {
        who,
        claimed,
        locked,
        failed: 0,
        receipt: None,
    };
    if !view.claimed.is_empty() {
        let calls = view
            .claimed
            .iter()
            .map(|claim| call_of(claim, &view.who))
            .collect();
        let included = sender
            .send(&api::transactions().utility().force_batch(calls))
            .await?;
        view.failed = included
            .events
            .find::<api::utility::events::ItemFailed>()
            .count();
        view.receipt = Some(included.receipt);
    }
    let failed = view.failed;
    out.show(&view, human_claims)?;
    anyhow::ensure!(
        failed == 0,
        "{failed} claims failed; run `arena claim-all` again"
    );
    Ok(())
}

fn call_of(claim: &Claim, who: &AccountId) -> api::Call {
    use api::runtime_types as types;
    if claim.operator == *who {
        let venue = claim.venue.into();
        api::Call::ArenaRewards(types::pallet_arena_rewards::pallet::Call::claim { venue })
    } else {
        api::Call::ArenaDelegation(types::pallet_arena_delegation::pallet::Call::claim {
            venue: claim.venue.into(),
            operator: id(&claim.operator),
        })
    }
}

async fn claims(at: &At, who: &AccountId) -> Result<Vec<Claim>> {
    let mut found = Vec::new();
    let venues = tasks(at)
        .await?
        .into_iter()
        .map(|task| Venue::Task(task.id));
    for venue in [Venue::Network].into_iter().chain(venues) {
        let earned = operator_earnings(at, venue, who).await?;
        if earned.owed.0 > 0 {
            found.push(Claim {
                venue,
                operator: who.clone(),
                earned,
            });
        }
    }
    for row in ledger::delegations(at)
        .await?
        .into_iter()
        .filter(|row| row.who == *who)
    {
        let (venue, operator) = (row.venue, row.operator);
        let earned = delegator_earnings(at, venue, &operator, who).await?;
        if earned.owed.0 > 0 {
            found.push(Claim {
                venue,
                operator,
                earned,
            });
        }
    }
    Ok(found)
}

fn human_claims(view: &ClaimedAll) -> String {
    let mut table = out::table(["venue", "operator", "claimed", "locked", "pays"]);
    for claim in view.claimed.iter().chain(&view.locked) {
        let earned = &claim.earned;
        let locked = Amount(earned.owed.0.saturating_sub(earned.free.0));
        table.add_row([
            names::venue(claim.venue),
            names::short(&claim.operator),
            earned.free.to_string(),
            locked.to_string(),
            earned.payout.text().to_string(),
        ]);
    }
    let end = match &view.receipt {
        Some(receipt) => tx::human(receipt),
        None => "nothing can be claimed now".into(),
    };
    format!("{table}\n{end}")
}

/// A position with what the runtime's API leaves out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PositionView {
    #[serde(flatten)]
    position: views::Position,
    earned: views::Earnings,
    pending_commission: Option<(u32, u32)>,
    registered_at: u32,
    service_key: Option<AccountId>,
}

/// Shows a position.
pub(crate) async fn show_position(
    out: Out,
    chain: &Chain,
    venue: Venue,
    operator: AccountId,
) -> Result<()> {
    let at = chain.best().await?;
    let found = position(&at, venue, &operator).await?;
    let row = ledger::position(&at, venue, &operator).await?;
    let (Some(position), Some(row)) = (found, row) else {
        return Err(anyhow!(
            "{operator} has no position in {}; `arena stake` takes one",
            names::venue(venue)
        ));
    };
    let view = PositionView {
        position,
        earned: operator_earnings(&at, venue, &operator).await?,
        pending_commission: row
            .pending_commission
            .filter(|(_, from)| *from > number(&at))
            .map(|(commission, from)| (commission.deconstruct(), from)),
        registered_at: row.registered_at,
        service_key: crate::keys::service_key(&at, &operator).await?,
    };
    out.show(&view, human_position)
}

fn human_position(view: &PositionView) -> String {
    let position = &view.position;
    let pending = view
        .pending_commission
        .map(|(commission, from)| format!(", {} from block {from} on", percent(commission)));
    out::pairs([
        ("venue", names::venue(position.venue)),
        ("operator", position.operator.to_string()),
        ("role", names::role(position.role).into()),
        ("own stake", position.own.to_string()),
        ("delegated", position.delegated.to_string()),
        (
            "commission",
            format!(
                "{}{}",
                percent(position.commission),
                pending.unwrap_or_default()
            ),
        ),
        (
            "owed to the operator",
            format!(
                "{}, of it {} free ({})",
                view.earned.owed,
                view.earned.free,
                view.earned.payout.text()
            ),
        ),
        ("seat", position.seat.text().into()),
        ("seat since block", view.registered_at.to_string()),
        ("service key", out::or_dash(view.service_key.as_ref())),
    ])
}

/// An account of `System`, as far as it is shown.
#[derive(Clone, Copy, Debug, Default, Decode)]
pub(crate) struct AccountRow {
    nonce: u32,
    _consumers: u32,
    _providers: u32,
    _sufficients: u32,
    /// Neither held nor reserved.
    pub(crate) free: Amount,
    reserved: Amount,
    frozen: Amount,
    _flags: u128,
}

/// A balance.
#[derive(Serialize)]
struct BalanceView {
    address: AccountId,
    free: Amount,
    reserved: Amount,
    frozen: Amount,
    nonce: u32,
}

/// What an account has.
pub(crate) async fn account(at: &At, address: &AccountId) -> Result<AccountRow> {
    let found = fetch(at, api::storage().system().account(), (id(address),)).await?;
    Ok(found.unwrap_or_default())
}

/// Shows a balance.
pub(crate) async fn balance(out: Out, chain: &Chain, address: AccountId) -> Result<()> {
    let row = account(&chain.best().await?, &address).await?;
    let AccountRow {
        nonce,
        free,
        reserved,
        frozen,
        ..
    } = row;
    let view = BalanceView {
        address,
        free,
        reserved,
        frozen,
        nonce,
    };
    out.show(&view, |view| {
        out::pairs([
            ("address", view.address.to_string()),
            ("free", view.free.to_string()),
            ("held (stake, deposits)", view.reserved.to_string()),
            ("frozen (votes)", view.frozen.to_string()),
            ("transactions", view.nonce.to_string()),
        ])
    })
}
