//! What the chain would refuse of a claim, told before any money moves.

use super::{
    rows::{Case, State},
    seen::{About, Model, Seen},
};
use crate::{amount::Amount, fail::bad_input, ledger::RootOwner, mark::Mark, names};
use anyhow::{Result, ensure};
use arena_primitives::{
    Balance, BlockNumber, CaseId, Claim, Hash, MAX_CASES_OF_ONE, MAX_CHALLENGERS, MAX_OPEN_CASES,
    MILLI, Round, SCORE_ROUNDS, TaskPhase, mark_commitment,
};

/// Blocks from a commitment to the opening of its claim while blocks become final as they should.
const OPENED_AFTER: BlockNumber = 16;
/// More than the fees of both transactions.
const FEES: Balance = 50 * MILLI;

/// An error unless the claim becomes a case, or joins one, as things stand.
pub(super) fn check(seen: &Seen, claim: &Claim) -> Result<()> {
    accusable(seen, claim)?;
    match (claim, &seen.about) {
        (
            Claim::Duplicate { model, earlier, .. },
            About::Duplicate {
                model: found,
                earlier: first,
                compares,
            },
        ) => {
            let owner = stands(seen, claim, found, *model)?;
            duplicate(seen, owner, first.as_ref(), *earlier, *compares)
        }
        (
            Claim::Watermark { model, salt, .. },
            About::Watermark {
                model: found,
                marks,
            },
        ) => {
            let owner = stands(seen, claim, found, *model)?;
            watermark(seen, owner, marks, salt)
        }
        (
            Claim::ProofOfLearning { .. },
            About::Training {
                current,
                is_asked,
                leaves,
            },
        ) => {
            stands_at_all(seen, claim, *current)?;
            training(seen, claim, *is_asked || *leaves > 0)
        }
        (
            Claim::Score { round, model, .. },
            About::Score {
                owner,
                own,
                is_kept,
            },
        ) => {
            let is_own = owner.as_ref() == Some(&seen.challenger) || *own == Some(*model);
            score(seen, claim, (*round, *model), is_own, *is_kept)
        }
        _ => Err(bad_input("the claim is of another kind; please report it")),
    }?;
    room(seen, claim)
}

/// Somebody else can still be convicted in the task.
fn accusable(seen: &Seen, claim: &Claim) -> Result<()> {
    let (task, accused) = (seen.task.id, claim.accused());
    let over = matches!(seen.task.phase, TaskPhase::Closed | TaskPhase::Cancelled);
    refuse(over, || {
        format!("task {task} is over: nobody is challenged in it any more")
    })?;
    refuse(*accused == seen.challenger, || {
        format!("{accused} can't accuse itself; sign with another account")
    })?;
    refuse(seen.is_convicted, || {
        format!("{accused} was convicted in task {task} already, and nobody is twice")
    })
}

fn refuse(is_wrong: bool, why: impl FnOnce() -> String) -> Result<()> {
    ensure!(!is_wrong, bad_input(why()));
    Ok(())
}

/// Models are challenged in the challenge phase, of who has one.
fn stands_at_all(seen: &Seen, claim: &Claim, current: Option<Hash>) -> Result<Hash> {
    let (task, accused) = (seen.task.id, claim.accused());
    let phase = seen.task.phase;
    refuse(phase != TaskPhase::Challenge, || {
        let begins = match seen.begins {
            Some(block) => format!(
                ", which begins about block {block}; this was block {}",
                seen.now
            ),
            None => String::new(),
        };
        format!(
            "task {task} is in {}, and models are challenged in its challenge phase{begins}; \
             `arena status --task {task} --wait-for challenge` waits for it",
            names::phase(phase)
        )
    })?;
    current.ok_or_else(|| {
        bad_input(format!(
            "{accused} has no model in task {task}; `arena leaderboard --task {task}` names who has"
        ))
    })
}

/// A claim is about the model with which the accused stands, which is its own; its first owner.
fn stands<'a>(seen: &Seen, claim: &Claim, found: &'a Model, model: Hash) -> Result<&'a RootOwner> {
    let (task, accused) = (seen.task.id, claim.accused());
    let current = stands_at_all(seen, claim, found.current)?;
    refuse(current != model, || {
        format!(
            "{accused} stands in task {task} with {current:?}, not with {model:?}; only the model \
             that stands is challenged"
        )
    })?;
    let owner = found.owner.as_ref();
    owner.filter(|owner| owner.trainer == *accused).ok_or_else(|| {
        let whose = owner.map_or_else(|| "nobody".into(), |owner| owner.trainer.to_string());
        bad_input(format!(
            "{accused} stands in task {task} with {model:?}, byte for byte the model of {whose}, \
             who committed to it first; accuse its owner"
        ))
    })
}

fn duplicate(
    seen: &Seen,
    owner: &RootOwner,
    first: Option<&RootOwner>,
    earlier: Hash,
    compares: bool,
) -> Result<()> {
    let task = seen.task.id;
    refuse(!compares, || {
        format!(
            "task {task} compares no models: its spec has no `likeness`, and no copy is accused in \
             it"
        )
    })?;
    let first = first.ok_or_else(|| {
        bad_input(format!(
            "task {task} knows no model {earlier:?}, which is said to be earlier; `arena \
             leaderboard --task {task}` shows the roots of models"
        ))
    })?;
    refuse(first.trainer == owner.trainer, || {
        format!(
            "both models are of {}; nobody copies its own, name the model of somebody else with \
             --earlier",
            owner.trainer
        )
    })?;
    let order = |of: &RootOwner| (of.committed_at, of.trainer.clone());
    refuse(order(first) >= order(owner), || {
        format!(
            "{earlier:?} was committed to in block {}, and the accused's model in block {}: it is \
             not earlier",
            first.committed_at, owner.committed_at
        )
    })?;
    let is_entitled = first.trainer == seen.challenger;
    entitled(seen, is_entitled, "and the trainer of the earlier model")
}

fn watermark(seen: &Seen, owner: &RootOwner, marks: &[Mark], salt: &Hash) -> Result<()> {
    let (task, challenger) = (seen.task.id, &seen.challenger);
    let wanted = mark_commitment(task, challenger, salt);
    let mark = marks.iter().find(|mark| mark.commitment == wanted);
    let mark = mark.ok_or_else(|| {
        bad_input(format!(
            "{challenger} registered no such mark in task {task}; is it the file that `arena mark \
             register` was given? `arena mark list --task {task} --owner {challenger}` has those \
             that are registered"
        ))
    })?;
    refuse(mark.at >= owner.committed_at, || {
        format!(
            "the mark was registered in block {}, and the model was committed to in block {}: only \
             a mark that was there before proves anything",
            mark.at, owner.committed_at
        )
    })
}

fn training(seen: &Seen, claim: &Claim, is_registered: bool) -> Result<()> {
    entitled(seen, false, "alone")?;
    let (task, accused) = (seen.task.id, claim.accused());
    refuse(!is_registered, || {
        format!(
            "task {task} asks for no registered training, and {accused} has none with a heartbeat: \
             nothing says how it should have trained (`arena run show --task {task} --trainer \
             {accused}`)"
        )
    })
}

fn score(
    seen: &Seen,
    claim: &Claim,
    (round, model): (Round, Hash),
    is_own: bool,
    is_kept: bool,
) -> Result<()> {
    entitled(seen, is_own, "and the model's trainer")?;
    let (task, validator) = (seen.task.id, claim.accused());
    let last = seen.task.last_settled;
    let is_old = last.is_some_and(|last| last > round.saturating_add(SCORE_ROUNDS));
    refuse(is_old, || {
        format!(
            "round {round} of task {task} was settled more than {SCORE_ROUNDS} rounds ago, which is \
             too late to challenge its scores; later rounds can be"
        )
    })?;
    refuse(!is_kept, || {
        format!(
            "{validator} revealed no score of {model:?} in round {round} of task {task}, or two \
             later rounds are settled; `arena events --pallet ArenaScoring` has its reveals"
        )
    })
}

fn entitled(seen: &Seen, is_entitled: bool, others: &str) -> Result<()> {
    let (task, challenger) = (seen.task.id, &seen.challenger);
    refuse(!is_entitled && !seen.is_validator, || {
        format!(
            "{challenger} can't bring this claim: validators of task {task} can, {others}; sign \
             with one of these, or take a role with `arena stake --venue task:{task} --role \
             validator`"
        )
    })
}

/// A case can be joined, or there is a place, time and money for one more.
fn room(seen: &Seen, claim: &Claim) -> Result<()> {
    let alive = |case: &Case| !matches!(case.state, State::Ending { .. });
    let cases = seen.cases.iter().filter(|(_, case)| alive(case));
    let mut same = cases.clone().filter(|(_, case)| case.claim == *claim);
    if let Some((number, case)) = same.next() {
        joins(seen, *number, case)?;
        return funds(seen, 0);
    }
    let began =
        |case: &Case| case.challengers.first().map(|one| &one.who) == Some(&seen.challenger);
    let own: Vec<CaseId> = cases
        .filter(|(_, case)| began(case))
        .map(|(number, _)| *number)
        .collect();
    in_time(
        seen,
        matches!(claim, Claim::ProofOfLearning { .. } | Claim::Score { .. }),
    )?;
    let (task, open) = (seen.task.id, count(seen.cases.len()));
    refuse(count(own.len()) >= MAX_CASES_OF_ONE, || {
        format!(
            "{} began {MAX_CASES_OF_ONE} open cases of task {task}, the most that one can: {own:?}; \
             `arena challenge show --case N` says when one ends",
            seen.challenger
        )
    })?;
    refuse(open >= MAX_OPEN_CASES, || {
        format!(
            "task {task} has {open} open cases, the most that it can; `arena challenge list --task \
             {task}` says when one ends"
        )
    })?;
    funds(seen, open)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn joins(seen: &Seen, number: CaseId, case: &Case) -> Result<()> {
    let ready = match case.state {
        State::Drawing { ready } if case.appeal.is_none() => ready,
        _ => 0,
    };
    refuse(seen.now.saturating_add(1) >= ready, || {
        format!(
            "case {number} has this claim and its jury, so that nobody joins it any more; `arena \
             challenge show --case {number}` says where it stands"
        )
    })?;
    let is_full = count(case.challengers.len()) >= MAX_CHALLENGERS;
    refuse(is_full, || {
        format!(
            "case {number} has this claim, and {MAX_CHALLENGERS} challengers, the most that it can"
        )
    })
}

/// The whole procedure fits into what is left of the challenge phase, the only one that ends by
/// itself.
fn in_time(seen: &Seen, asks: bool) -> Result<()> {
    if seen.task.phase != TaskPhase::Challenge {
        return Ok(());
    }
    let windows = &seen.terms.windows;
    let committed = windows.open.saturating_add(windows.procedure(false));
    let opened = windows.procedure(asks).saturating_add(OPENED_AFTER);
    let needed = committed.max(opened);
    let ends = seen.task.phase_ends.unwrap_or(0);
    let left = ends.saturating_sub(seen.now.saturating_add(1));
    refuse(left < needed, || {
        format!(
            "the challenge phase of task {} ends in block {ends}, in {left} blocks, and a case with \
             all that can follow takes {needed}: it is too late for a new one",
            seen.task.id
        )
    })
}

/// The challenger can pay for all of it, with as many open cases as there are.
fn funds(seen: &Seen, open: u32) -> Result<()> {
    let weighed = super::bond::Weighed {
        open,
        ..seen.weighed
    };
    let bond = seen.terms.bond(&weighed);
    refuse(seen.holdable < bond.saturating_add(FEES), || {
        format!(
            "the claim's bond is {} tokens, of which the commitment holds {}, and {} has {} that \
             can be held; fees come to it, at most {}. Send it tokens with `arena transfer`",
            Amount(bond),
            Amount(seen.terms.commitment()),
            seen.challenger,
            Amount(seen.holdable),
            Amount(FEES)
        )
    })
}

#[cfg(test)]
mod tests;
