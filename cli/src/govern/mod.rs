//! Proposals, votes, referenda and governed parameters.

pub(crate) mod args;
mod calls;
mod curve;
mod locks;
#[cfg(test)]
mod offline;
pub(crate) mod parameters;
mod propose;
mod referenda;
mod submit;
mod tracks;
mod votes;

pub(crate) use propose::{proposals, propose};
pub(crate) use referenda::list as referenda;

use crate::{
    amount::Amount,
    chain::{At, Chain, api, fetch, id},
    fail,
    out::Out,
    sender,
};
use anyhow::Result;
use arena_primitives::AccountId;
use args::{ReferendumCommand, VoteArgs, VoteCommand};
use codec::Decode;

/// Votes, or does what else the subcommand says.
pub(crate) async fn vote(out: Out, chain: &Chain, args: VoteArgs) -> Result<()> {
    use VoteCommand as C;
    match (args.command, args.cast.zip(args.signing)) {
        (
            Some(C::Remove {
                referendum,
                signing,
            }),
            _,
        ) => votes::remove(out, &sender(chain, &signing)?, referendum).await,
        (Some(C::Delegate(args)), _) => {
            votes::delegate(out, &sender(chain, &args.signing)?, &args).await
        }
        (Some(C::Undelegate { track, signing }), _) => {
            votes::undelegate(out, &sender(chain, &signing)?, &track).await
        }
        (Some(C::Locks { address }), _) => locks::show(out, chain, &address).await,
        (Some(C::Unlock { signing }), _) => locks::unlock(out, &sender(chain, &signing)?).await,
        (None, Some((cast, signing))) => votes::cast(out, &sender(chain, &signing)?, &cast).await,
        (None, None) => Err(fail::bad_input(
            "name --referendum and --amount to vote, or a subcommand; see `arena vote --help`",
        )),
    }
}

/// Does what the subcommand says.
pub(crate) async fn referendum(out: Out, chain: &Chain, command: ReferendumCommand) -> Result<()> {
    use ReferendumCommand as C;
    match command {
        C::List => referenda::list(out, chain).await,
        C::Show { referendum } => referenda::show(out, chain, referendum).await,
        C::Submit(command) => {
            let at = chain.best().await?;
            let asked = calls::asked(&at, &command).await?;
            let asker = calls::asker(&command);
            let sender = sender(chain, &asker.signing)?;
            submit::submit(out, &sender, asked, asker.no_deposit).await
        }
        C::Deposit(args) => {
            submit::deposit(out, &sender(chain, &args.signing)?, args.referendum).await
        }
        C::Refund(args) => {
            submit::refund(out, &sender(chain, &args.signing)?, args.referendum).await
        }
        C::Payout { spend, signing } => {
            let call = api::transactions().treasury().payout(spend);
            sender(chain, &signing)?.send_and_show(out, &call).await
        }
        C::ApplyUpgrade { wasm, signing } => {
            submit::apply_upgrade(out, &sender(chain, &signing)?, &wasm).await
        }
    }
}

/// What an account has.
#[derive(Clone, Copy, Debug, Default, Decode)]
struct Funds {
    _nonce: u32,
    _references: [u32; 3],
    free: u128,
    reserved: u128,
    frozen: u128,
    _flags: u128,
}

impl Funds {
    /// What it can vote with.
    fn total(&self) -> Amount {
        Amount(self.free.saturating_add(self.reserved))
    }

    /// What it can put on deposit for referenda: not what votes have frozen, nor the least that
    /// keeps it alive.
    fn spendable(&self, least: u128) -> Amount {
        Amount(self.free.saturating_sub(self.frozen.max(least)))
    }

    /// What it can have held for a proposal: frozen tokens, too.
    fn holdable(&self, least: u128) -> Amount {
        Amount(self.free.saturating_sub(least))
    }
}

async fn funds(at: &At, who: &AccountId) -> Result<Funds> {
    let found = fetch(at, api::storage().system().account(), (id(who),)).await?;
    Ok(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_tokens_should_vote_and_frozen_ones_be_held_but_not_deposited() {
        let funds = Funds {
            free: 100,
            reserved: 30,
            frozen: 80,
            ..Default::default()
        };
        assert_eq!(funds.total(), Amount(130));
        assert_eq!(funds.spendable(1), Amount(20));
        assert_eq!(funds.holdable(1), Amount(99));
        assert_eq!(Funds::default().spendable(1), Amount(0));
    }
}
