//! What a claim costs until it is decided, and how long its case can take, as the chain reckons
//! it.

use crate::{
    chain::{At, OTHER_RUNTIME, api, fetch, id},
    ledger, stake,
};
use anyhow::{Result, anyhow};
use arena_primitives::{
    AccountId, Balance, BlockNumber, CASES_PER_DOUBLING, Claim, Hash, MAX_DOUBLINGS, ModelLikeness,
    TaskId, TimeParameters, Venue, time::blocks,
};
use sp_runtime::Perbill;
use subxt::{constants::Address, utils::H256};

/// Blocks that moves from one state to the next may take beyond their windows.
const SLACK: BlockNumber = 8;

/// What governance and genesis say of cases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What a vote is paid.
    pub(super) fee: Balance,
    /// Jurors of a first instance.
    pub(super) jury: u32,
    /// The part of the accused's locked rewards that a bond has beside the jury's cost.
    pub(super) share: Perbill,
    /// Windows.
    pub(super) windows: Windows,
}

/// Windows of cases in blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Of whose randomness a draw is made.
    pub(super) seed: BlockNumber,
    /// To open what was committed to.
    pub(super) open: BlockNumber,
    /// To answer.
    pub(super) respond: BlockNumber,
    /// To commit to votes.
    pub(super) vote: BlockNumber,
    /// To reveal them.
    pub(super) reveal: BlockNumber,
    /// To appeal.
    pub(super) appeal: BlockNumber,
}

/// What a bond depends on beside the terms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weighed {
    /// Rewards of the accused that are locked, its delegators' too.
    pub(super) locked: Balance,
    /// Whether sketches say the same as the claim.
    pub(super) is_flagged: bool,
    /// How often the accused was acquitted in the task.
    pub(super) acquittals: u32,
    /// Open cases of the task; 0 for who joins one of them.
    pub(super) open: u32,
}

impl Windows {
    /// Blocks from a case's opening to its end, with an appeal.
    pub(super) fn procedure(&self, asks: bool) -> BlockNumber {
        let instance = [self.seed, self.vote, self.reveal];
        let instance = instance.into_iter().fold(0, BlockNumber::saturating_add);
        let answer = if asks { self.respond } else { 0 };
        instance
            .saturating_mul(2)
            .saturating_add(answer)
            .saturating_add(self.appeal)
            .saturating_add(SLACK)
    }
}

impl Terms {
    /// What a commitment holds: the jury's cost.
    pub(super) fn commitment(&self) -> Balance {
        self.fee.saturating_mul(self.jury.into())
    }

    /// What the claim holds once it is open.
    pub(super) fn bond(&self, weighed: &Weighed) -> Balance {
        let cost = self.commitment();
        let full = cost.saturating_add(self.share.mul_ceil(weighed.locked));
        let base = if weighed.is_flagged {
            full.div_ceil(2).max(cost)
        } else {
            full
        };
        let crowd = weighed.open.checked_div(CASES_PER_DOUBLING).unwrap_or(0);
        let doublings = weighed.acquittals.min(MAX_DOUBLINGS).saturating_add(crowd);
        base.saturating_mul(2u128.saturating_pow(doublings))
    }
}

/// A constant of the chain: what it was when the node was first asked.
fn constant<A: Address>(at: &At, address: A) -> Result<A::Target> {
    let name = format!("{}.{}", address.pallet_name(), address.constant_name());
    let found = at.constants().entry(address);
    found.map_err(|why| anyhow!("can't read {name}: {why}; {OTHER_RUNTIME}"))
}

/// The terms as they are.
pub(super) fn terms(at: &At, clock: &TimeParameters) -> Result<Terms> {
    let window =
        |minutes: u32, least: BlockNumber| blocks(minutes, clock.blocks_per_day).max(least);
    let of = || api::constants().arena_challenges();
    Ok(Terms {
        fee: constant(at, of().juror_fee())?,
        jury: constant(at, of().jury())?,
        share: constant(at, of().bond_share())?.0,
        windows: Windows {
            seed: clock.windows.seed.max(1),
            open: window(constant(at, of().open_within())?, 10),
            respond: window(constant(at, of().respond_within())?, 4),
            vote: window(constant(at, of().vote_within())?, 6),
            reveal: window(constant(at, of().reveal_within())?, 3),
            appeal: window(constant(at, of().appeal_within())?, 3),
        },
    })
}

/// What the bond of a claim depends on, without the cases that are open.
pub(super) async fn weighed(at: &At, task: TaskId, claim: &Claim) -> Result<Weighed> {
    let accused = claim.accused();
    let place = (Venue::Task(task), accused.clone());
    let (operator, delegators) = ledger::owed(at, &place).await?;
    let is_flagged = match claim {
        Claim::Duplicate { model, .. } => likeness(at, task, *model).await?.is_some(),
        Claim::Watermark { .. } | Claim::ProofOfLearning { .. } | Claim::Score { .. } => false,
    };
    Ok(Weighed {
        locked: operator.saturating_add(delegators),
        is_flagged,
        acquittals: acquittals(at, task, accused).await?,
        open: 0,
    })
}

async fn likeness(at: &At, task: TaskId, model: Hash) -> Result<Option<ModelLikeness>> {
    let key = (task, H256(model.0));
    fetch(at, api::storage().arena_scoring().alike(), key).await
}

async fn acquittals(at: &At, task: TaskId, accused: &AccountId) -> Result<u32> {
    let key = (task, id(accused));
    let found = fetch(at, api::storage().arena_challenges().acquittals(), key).await?;
    Ok(found.unwrap_or_default())
}

/// What of an account's balance can be held.
pub(super) async fn holdable(at: &At, who: &AccountId) -> Result<Balance> {
    let free = stake::account(at, who).await?.free.0;
    let least = constant(at, api::constants().balances().existential_deposit())?;
    Ok(free.saturating_sub(least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::UNIT;

    fn terms() -> Terms {
        Terms {
            fee: 2 * UNIT,
            jury: 3,
            share: Perbill::from_percent(5),
            windows: Windows {
                seed: 2,
                open: 10,
                respond: 40,
                vote: 6,
                reveal: 3,
                appeal: 4,
            },
        }
    }

    #[test]
    fn bond_should_be_the_jurys_cost_and_a_part_of_what_is_locked() {
        let weighed = Weighed {
            locked: 101,
            ..Weighed::default()
        };
        assert_eq!(terms().bond(&weighed), 6 * UNIT + 6);
        let flagged = Weighed {
            locked: 400 * UNIT,
            is_flagged: true,
            ..Weighed::default()
        };
        assert_eq!(terms().bond(&flagged), 13 * UNIT);
        let little = Weighed {
            is_flagged: true,
            ..weighed
        };
        assert_eq!(terms().bond(&little), 6 * UNIT);
    }

    #[test]
    fn bond_should_double_with_acquittals_and_with_every_fourth_open_case() {
        for (acquittals, open, factor) in [(0, 3, 1), (0, 4, 2), (0, 15, 8), (2, 0, 4), (1, 8, 8)] {
            let weighed = Weighed {
                acquittals,
                open,
                ..Weighed::default()
            };
            assert_eq!(terms().bond(&weighed), 6 * UNIT * factor);
        }
        let many = Weighed {
            acquittals: 99,
            ..Weighed::default()
        };
        assert_eq!(terms().bond(&many), (6 * UNIT) << 16);
    }

    #[test]
    fn procedure_should_have_two_instances_an_appeal_and_an_answer_where_one_is_asked() {
        assert_eq!(terms().windows.procedure(false), 2 * 11 + 4 + 8);
        assert_eq!(terms().windows.procedure(true), 2 * 11 + 40 + 4 + 8);
    }
}
