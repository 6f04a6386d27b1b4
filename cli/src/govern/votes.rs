//! Casting, removing and delegating votes.

use super::{
    args::{CastArgs, DelegationArgs, Track},
    calls, funds, locks, referenda, tracks,
};
use crate::{
    amount::Amount,
    chain::{At, api, id},
    fail,
    out::Out,
    tx::{self, Receipt, Sender},
};
use anyhow::{Result, anyhow};
use api::runtime_types as types;
use serde::Serialize;
use types::pallet_conviction_voting::{
    conviction::Conviction,
    vote::{AccountVote, Vote},
};

/// The highest bit says aye.
const AYE: u8 = 0x80;

/// A vote.
#[derive(Serialize)]
struct Voted {
    referendum: u32,
    aye: bool,
    abstain: bool,
    conviction: u8,
    amount: Amount,
    #[serde(flatten)]
    receipt: Receipt,
}

fn account_vote(args: &CastArgs) -> AccountVote<u128> {
    let balance = args.amount.0;
    if args.abstain {
        return AccountVote::SplitAbstain {
            aye: 0,
            nay: 0,
            abstain: balance,
        };
    }
    let side = if args.nay { 0 } else { AYE };
    AccountVote::Standard {
        vote: Vote(args.conviction | side),
        balance,
    }
}

/// Refuses a vote with more than there is, before anything is paid.
async fn ensure_has(at: &At, sender: &Sender<'_>, amount: Amount) -> Result<()> {
    let total = funds(at, &sender.account()).await?.total();
    if amount <= total {
        return Ok(());
    }
    Err(fail::bad_input(format!(
        "{amount} tokens are more than the account has: {total}, with what is held and frozen"
    )))
}

/// Votes.
pub(super) async fn cast(out: Out, sender: &Sender<'_>, args: &CastArgs) -> Result<()> {
    let at = sender.chain.best().await?;
    let number = args.referendum;
    ensure_has(&at, sender, args.amount).await?;
    let proposed = referenda::proposed(&at, number).await?;
    if let Some(call) = proposed.bytes(&at).await?
        && let Some(spec_hash) = calls::approved_spec(&at, &call)
    {
        calls::ensure_proposed(&at, spec_hash).await?;
    }
    let call = api::transactions()
        .conviction_voting()
        .vote(number, account_vote(args));
    let receipt = sender.send(&call).await?.receipt;
    let view = Voted {
        referendum: number,
        aye: !args.nay && !args.abstain,
        abstain: args.abstain,
        conviction: if args.abstain { 0 } else { args.conviction },
        amount: args.amount,
        receipt,
    };
    out.show(&view, |view| tx::human(&view.receipt))
}

/// Takes a vote back.
pub(super) async fn remove(out: Out, sender: &Sender<'_>, referendum: u32) -> Result<()> {
    let at = sender.chain.best().await?;
    let track = locks::track_of_vote(&at, &sender.account(), referendum).await?;
    let track = track.ok_or_else(|| {
        anyhow!(
            "the account has no vote in referendum {referendum}; `arena vote locks` shows its votes"
        )
    })?;
    let call = api::transactions()
        .conviction_voting()
        .remove_vote(Some(track), referendum);
    sender.send_and_show(out, &call).await
}

fn conviction(locks: u8) -> Conviction {
    match locks {
        0 => Conviction::None,
        1 => Conviction::Locked1x,
        2 => Conviction::Locked2x,
        3 => Conviction::Locked3x,
        4 => Conviction::Locked4x,
        5 => Conviction::Locked5x,
        _ => Conviction::Locked6x,
    }
}

/// Delegates votes of tracks.
pub(super) async fn delegate(out: Out, sender: &Sender<'_>, args: &DelegationArgs) -> Result<()> {
    if args.to == sender.account() {
        return Err(fail::bad_input(
            "votes can't be delegated to the account itself",
        ));
    }
    let at = sender.chain.best().await?;
    ensure_has(&at, sender, args.amount).await?;
    let calls =
        args.track.iter().map(
            |track| types::pallet_conviction_voting::pallet::Call::delegate {
                class: tracks::number(*track),
                to: id(&args.to).into(),
                conviction: conviction(args.conviction),
                balance: args.amount.0,
            },
        );
    batch(out, sender, calls).await
}

/// Takes delegations back.
pub(super) async fn undelegate(out: Out, sender: &Sender<'_>, of: &[Track]) -> Result<()> {
    let calls = of.iter().map(
        |track| types::pallet_conviction_voting::pallet::Call::undelegate {
            class: tracks::number(*track),
        },
    );
    batch(out, sender, calls).await
}

async fn batch(
    out: Out,
    sender: &Sender<'_>,
    calls: impl Iterator<Item = types::pallet_conviction_voting::pallet::Call>,
) -> Result<()> {
    let calls = calls.map(api::Call::ConvictionVoting).collect();
    let batch = api::transactions().utility().batch_all(calls);
    sender.send_and_show(out, &batch).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(conviction: u8, nay: bool, abstain: bool) -> CastArgs {
        CastArgs {
            referendum: 0,
            amount: Amount(5),
            conviction,
            nay,
            abstain,
        }
    }

    #[test]
    fn a_vote_should_carry_its_side_and_conviction() {
        let of = |conviction, nay| match account_vote(&args(conviction, nay, false)) {
            AccountVote::Standard { vote, balance: 5 } => vote.0,
            _ => panic!("not a standard vote"),
        };
        assert_eq!(of(1, false), 0x81);
        assert_eq!(of(6, true), 0x06);
        let abstained = account_vote(&args(1, false, true));
        assert!(matches!(
            abstained,
            AccountVote::SplitAbstain {
                aye: 0,
                nay: 0,
                abstain: 5
            }
        ));
    }
}
