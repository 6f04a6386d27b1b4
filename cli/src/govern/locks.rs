//! What votes lock, and until when.

use super::{referenda, tracks};
use crate::{
    amount::Amount,
    chain::{At, Chain, api, fetch, id, last_track, number, rows},
    out::{self, Out},
    tx::Sender,
};
use anyhow::{Context, Result};
use api::runtime_types::pallet_conviction_voting::pallet::Call;
use arena_primitives::AccountId;
use codec::Decode;
use serde::Serialize;

/// Doublings of the lock in a vote's byte; the rest says aye.
const CONVICTION: u8 = 0x7f;

/// A vote as the chain keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode)]
enum VoteRow {
    Standard { vote: u8, balance: u128 },
    Split { aye: u128, nay: u128 },
    Abstain { aye: u128, nay: u128, abstain: u128 },
}

impl VoteRow {
    fn amount(self) -> u128 {
        match self {
            VoteRow::Standard { balance, .. } => balance,
            VoteRow::Split { aye, nay } => aye.saturating_add(nay),
            VoteRow::Abstain { aye, nay, abstain } => {
                aye.saturating_add(nay).saturating_add(abstain)
            }
        }
    }

    /// Periods for which the vote locks its tokens after this outcome.
    fn periods(self, approved: bool) -> u32 {
        match self {
            VoteRow::Standard { vote, .. } if (vote > CONVICTION) == approved => {
                lock_periods(vote & CONVICTION)
            }
            _ => 0,
        }
    }
}

/// Each doubling of weight beyond the first doubles the lock.
fn lock_periods(conviction: u8) -> u32 {
    match conviction {
        0 => 0,
        more => 1u32.checked_shl(u32::from(more) - 1).unwrap_or(u32::MAX),
    }
}

/// What an account does with its votes of a track.
#[derive(Clone, Debug, Decode)]
enum VotingRow {
    Casting {
        votes: Vec<(u32, VoteRow)>,
        _delegations: (u128, u128),
        prior: (u32, u128),
    },
    Delegating {
        amount: u128,
        to: AccountId,
        conviction: u8,
        _delegations: (u128, u128),
        prior: (u32, u128),
    },
}

/// How a referendum ended, as far as votes' locks ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is voted on.
    Ongoing,
    /// It was decided in this block.
    Decided(u32, bool),
    /// It came to no decision.
    Off,
}

/// Tokens that something locks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    track: String,
    reason: String,
    amount: Amount,
    /// The block from which it is free; none while the vote or delegation stands.
    until: Option<u32>,
}

/// The block from which a vote locks no more; none while it counts.
fn until(vote: VoteRow, outcome: Outcome, period: u32) -> Option<u32> {
    match outcome {
        Outcome::Ongoing => None,
        Outcome::Off => Some(0),
        Outcome::Decided(at, approved) => {
            Some(at.saturating_add(period.saturating_mul(vote.periods(approved))))
        }
    }
}

fn prior_lock(track: &str, prior: (u32, u128), now: u32) -> Option<Lock> {
    let (until, amount) = prior;
    (amount > 0 && until > now).then(|| Lock {
        track: track.into(),
        reason: "earlier votes".into(),
        amount: Amount(amount),
        until: Some(until),
    })
}

async fn voting(at: &At, who: &AccountId) -> Result<Vec<(u16, VotingRow)>> {
    let stored = api::storage().conviction_voting().voting_for();
    let found: Vec<(Vec<u8>, VotingRow)> = rows(at, stored, (id(who),)).await?;
    found
        .into_iter()
        .map(|(key, row)| Ok((last_track(&key)?, row)))
        .collect()
}

/// The track in which an account has a vote in this referendum.
pub(super) async fn track_of_vote(
    at: &At,
    who: &AccountId,
    referendum: u32,
) -> Result<Option<u16>> {
    let voting = voting(at, who).await?;
    let found = voting.into_iter().find(|(_, row)| match row {
        VotingRow::Casting { votes, .. } => votes.iter().any(|(number, _)| *number == referendum),
        VotingRow::Delegating { .. } => false,
    });
    Ok(found.map(|(track, _)| track))
}

async fn locks(at: &At, who: &AccountId) -> Result<Vec<Lock>> {
    let constant = api::constants().conviction_voting().vote_locking_period();
    let period = at.constants().entry(constant);
    let period = period.context("can't read for how long votes lock")?;
    let now = number(at);
    let mut all = Vec::new();
    for (track, row) in voting(at, who).await? {
        let track = tracks::name(track);
        match row {
            VotingRow::Casting { votes, prior, .. } => {
                for (referendum, vote) in votes {
                    let outcome = referenda::outcome(at, referendum).await?;
                    all.push(Lock {
                        track: track.clone(),
                        reason: format!("vote in referendum {referendum}"),
                        amount: Amount(vote.amount()),
                        until: until(vote, outcome, period),
                    });
                }
                all.extend(prior_lock(&track, prior, now));
            }
            VotingRow::Delegating {
                amount,
                to,
                conviction,
                prior,
                ..
            } => {
                let after = period.saturating_mul(lock_periods(conviction));
                all.push(Lock {
                    track: track.clone(),
                    reason: format!("delegated to {to}; {after} blocks more when it is taken back"),
                    amount: Amount(amount),
                    until: None,
                });
                all.extend(prior_lock(&track, prior, now));
            }
        }
    }
    Ok(all)
}

/// Shows what an account's votes lock.
pub(super) async fn show(out: Out, chain: &Chain, who: &AccountId) -> Result<()> {
    let at = chain.best().await?;
    let now = number(&at);
    let all = locks(&at, who).await?;
    out.show(&all, |all| {
        if all.is_empty() {
            return format!("block {now}: no vote locks anything");
        }
        let mut table = out::table(["track", "locked by", "tokens", "free from block"]);
        for lock in all {
            table.add_row([
                lock.track.clone(),
                lock.reason.clone(),
                lock.amount.to_string(),
                freed(lock.until, now),
            ]);
        }
        format!("block {now}; the same tokens can be locked by many\n{table}")
    })
}

fn freed(until: Option<u32>, now: u32) -> String {
    match until {
        None => "while it stands".into(),
        Some(block) if block <= now => "now, with `arena vote unlock`".into(),
        Some(block) => block.to_string(),
    }
}

/// Removes votes in referenda that are over, and frees what nothing locks any more.
pub(super) async fn unlock(out: Out, sender: &Sender<'_>) -> Result<()> {
    let who = sender.account();
    let at = sender.chain.best().await?;
    let mut calls = Vec::new();
    for (track, row) in voting(&at, &who).await? {
        let VotingRow::Casting { votes, .. } = row else {
            continue;
        };
        for (index, _) in votes {
            if referenda::outcome(&at, index).await? != Outcome::Ongoing {
                let class = Some(track);
                calls.push(Call::remove_vote { class, index });
            }
        }
    }
    let locked = api::storage().conviction_voting().class_locks_for();
    let locked: Option<Vec<(u16, u128)>> = fetch(&at, locked, (id(&who),)).await?;
    for (class, _) in locked.unwrap_or_default() {
        let target = id(&who).into();
        calls.push(Call::unlock { class, target });
    }
    if calls.is_empty() {
        out.note("no vote locks anything");
        return Ok(());
    }
    let calls = calls.into_iter().map(api::Call::ConvictionVoting).collect();
    let batch = api::transactions().utility().batch_all(calls);
    sender.send(&batch).await?;
    show(out, sender.chain, &who).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(aye: bool, conviction: u8) -> VoteRow {
        let vote = conviction | if aye { 0x80 } else { 0 };
        VoteRow::Standard { vote, balance: 5 }
    }

    #[test]
    fn a_vote_should_be_locked_while_it_counts_and_after_its_side_has_won() {
        let (won, lost) = (Outcome::Decided(100, true), Outcome::Decided(100, false));
        assert_eq!(until(vote(true, 1), Outcome::Ongoing, 10), None);
        assert_eq!(until(vote(true, 1), won, 10), Some(110));
        assert_eq!(until(vote(true, 3), won, 10), Some(140));
        assert_eq!(until(vote(true, 6), won, 10), Some(420));
        assert_eq!(until(vote(true, 6), lost, 10), Some(100));
        assert_eq!(until(vote(false, 2), lost, 10), Some(120));
        assert_eq!(until(vote(true, 0), won, 10), Some(100));
        assert_eq!(until(vote(true, 6), Outcome::Off, 10), Some(0));
    }

    #[test]
    fn rows_should_decode_as_the_chain_encodes_them() {
        use codec::Encode;
        let voted = (
            0u8,
            vec![(3u32, (0u8, 0x82u8, 7u128))],
            (0u128, 0u128),
            (9u32, 4u128),
        );
        match VotingRow::decode(&mut &voted.encode()[..]) {
            Ok(VotingRow::Casting { votes, prior, .. }) => {
                let row = VoteRow::Standard {
                    vote: 0x82,
                    balance: 7,
                };
                assert_eq!((votes, prior), (vec![(3, row)], (9, 4)));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_should_be_shown_as_what_can_be_done() {
        assert_eq!(freed(None, 5), "while it stands");
        assert_eq!(freed(Some(5), 5), "now, with `arena vote unlock`");
        assert_eq!(freed(Some(6), 5), "6");
    }
}
