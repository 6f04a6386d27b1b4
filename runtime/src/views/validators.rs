//! Validators of a venue: what of their stake weighs, and how concentrated that is.

use super::{checked_page, known_venue};
use crate::{AccountId, ArenaStaking, ArenaTasks, Balance, Session, configs::arena::AllVenues};
use alloc::vec::Vec;
use arena_math::{concentration::Concentration, consensus::Cap};
use arena_primitives::{
    Role, Round, Venue, WeightCap,
    traits::{Counted, Stakes, Venues},
};
use arena_runtime_api::{
    ConcentrationView, MeasuresView, Refusal, ValidatorStakeView, ValidatorsPage,
};

/// All validators that a round counts, ordered by account.
struct Panel {
    round: Round,
    validators: Vec<Counted>,
    /// By the venue's leverage.
    counted: Vec<Balance>,
    /// By the task's cap.
    effective: Vec<Balance>,
}

/// The round that counts stake now: enrolment counts for the first one.
fn counting_round(venue: Venue) -> Round {
    match venue {
        Venue::Network => Session::current_index(),
        Venue::Task(_) => AllVenues::current_round(venue).unwrap_or(0).max(1),
    }
}

fn rules(venue: Venue) -> (u32, Cap) {
    let Venue::Task(task) = venue else {
        return (ArenaStaking::limits().max_leverage, Cap::None);
    };
    let Some(spec) = ArenaTasks::spec(task) else {
        return (0, Cap::None);
    };
    let cap = match spec.rewards.cap {
        WeightCap::None => Cap::None,
        WeightCap::Seats(seats) => Cap::Seats(seats.into()),
        WeightCap::Percentile(percent) => Cap::Percentile(percent),
    };
    (spec.rewards.max_leverage, cap)
}

fn panel(venue: Venue) -> Result<Panel, Refusal> {
    known_venue(venue)?;
    let round = counting_round(venue);
    let validators = ArenaStaking::all(venue, Role::Validator, round);
    let (leverage, cap) = rules(venue);
    let counted: Vec<Balance> = validators
        .iter()
        .map(|validator| validator.stake.counted(leverage))
        .collect();
    // Issuance bounds the sum: without it nobody weighs anything, as in a settlement.
    let effective = cap.apply(&counted).unwrap_or_default();
    Ok(Panel {
        round,
        validators,
        counted,
        effective,
    })
}

fn sum(amounts: &[Balance]) -> Balance {
    amounts
        .iter()
        .fold(0, |sum: Balance, amount| sum.saturating_add(*amount))
}

fn stake_view(validator: Counted, counted: Balance, effective: Balance) -> ValidatorStakeView {
    ValidatorStakeView {
        account: validator.operator,
        own: validator.stake.own.into(),
        delegated: validator.stake.delegated.into(),
        counted: counted.into(),
        effective: effective.into(),
        commission: validator.commission.deconstruct(),
    }
}

/// Validators with their effective stake, ordered by account.
pub(crate) fn validators(
    venue: Venue,
    after: Option<AccountId>,
    limit: u32,
) -> Result<ValidatorsPage, Refusal> {
    let limit = checked_page(limit)?;
    let panel = panel(venue)?;
    let (total, effective_total) = (sum(&panel.counted), sum(&panel.effective));
    let stakes = panel.counted.into_iter().zip(panel.effective);
    let mut rows = panel
        .validators
        .into_iter()
        .zip(stakes)
        .filter(|(validator, _)| {
            after
                .as_ref()
                .is_none_or(|after| validator.operator > *after)
        })
        .map(|(validator, (counted, effective))| stake_view(validator, counted, effective));
    let validators: Vec<ValidatorStakeView> = rows.by_ref().take(limit).collect();
    let more = rows.next().is_some();
    let last = validators.last().map(|last| last.account.clone());
    Ok(ValidatorsPage {
        venue,
        round: panel.round,
        total: total.into(),
        effective_total: effective_total.into(),
        validators,
        next: last.filter(|_| more),
    })
}

fn measures(weights: &[Balance]) -> MeasuresView {
    let found = Concentration::of(weights).unwrap_or_default();
    MeasuresView {
        total: found.total.into(),
        gini: found.gini,
        hhi: found.hhi,
        majority: found.majority,
        top: found.top,
    }
}

/// How concentrated the weight of a venue's validators is.
pub(crate) fn concentration(venue: Venue) -> Result<ConcentrationView, Refusal> {
    let panel = panel(venue)?;
    Ok(ConcentrationView {
        venue,
        round: panel.round,
        validators: u32::try_from(panel.validators.len()).unwrap_or(u32::MAX),
        counted: measures(&panel.counted),
        effective: measures(&panel.effective),
    })
}
