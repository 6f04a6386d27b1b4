//! Who takes part in which task, with what, and how often.

use crate::table::Row;
use arena_bench::{
    law::Law,
    plan::{SHAPE, units},
};
use arena_primitives::Balance;

/// Accounts of the paper's testnet (section 5).
pub(crate) const TRAINERS: u32 = 603;
pub(crate) const VALIDATORS: u32 = 1_051;
pub(crate) const DELEGATORS: u32 = 63_265;
/// What they submitted there.
pub(crate) const TRAINING_SUBMISSIONS: u64 = 18_926;
pub(crate) const VALIDATION_SUBMISSIONS: u64 = 2_225_254;

/// Number of an account among those of its kind.
pub(crate) type Who = u32;

/// A position: whose, and its own stake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub(crate) who: Who,
    pub(crate) own: Balance,
}

/// Stake behind one of the task's positions, trainers counted first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backing {
    pub(crate) who: Who,
    pub(crate) behind: usize,
    pub(crate) amount: Balance,
    /// Round in which it is delegated, from 1 on.
    pub(crate) round: u32,
}

/// One task's part.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) row: Row,
    /// Day of the proposal.
    pub(crate) day: u32,
    pub(crate) trainers: Vec<Seat>,
    pub(crate) validators: Vec<Seat>,
    pub(crate) backings: Vec<Backing>,
    /// The spec's committee; 0 is everybody.
    pub(crate) committee: u16,
    /// Numbers of the task's trainers that submit a new model, by round from 1 on.
    pub(crate) submitting: Vec<Vec<usize>>,
}

/// All tasks.
pub(crate) struct Cast {
    pub(crate) parts: Vec<Part>,
}

impl Cast {
    /// Spreads the rows over `span` days. Accounts take turns, so that each of them takes part.
    pub(crate) fn new(rows: &[Row], span: u32, seed: u64) -> Self {
        let mut law = Law::new(seed);
        let scorers = scorers(rows, VALIDATION_SUBMISSIONS);
        let mut next = (0, 0, 0);
        let mut parts: Vec<Part> = rows
            .iter()
            .zip(0u32..)
            .map(|(row, index)| {
                let trainers = seats(row.trainers, TRAINERS, &mut next.0, 100.0, &mut law);
                let validators = seats(row.validators, VALIDATORS, &mut next.1, 1_000.0, &mut law);
                let backings = backings(row, &mut next.2, &mut law);
                let committee = committee(&trainers, &validators, &backings, scorers);
                Part {
                    day: start(row, index, rows.len(), span),
                    row: row.clone(),
                    trainers,
                    validators,
                    backings,
                    committee,
                    submitting: Vec::new(),
                }
            })
            .collect();
        submit(&mut parts, TRAINING_SUBMISSIONS, &mut law);
        Cast { parts }
    }
}

/// Tasks begin at about equal distances, and the last ones end with the span.
fn start(row: &Row, index: u32, count: usize, span: u32) -> u32 {
    // Enrolment, final validation and challenges take a day each.
    let last = span.saturating_sub(row.days + 3);
    let steps = u32::try_from(count).unwrap_or(1).saturating_sub(1).max(1);
    last * index / steps
}

fn seats(count: u32, pool: u32, next: &mut u32, least: f64, law: &mut Law) -> Vec<Seat> {
    (0..count)
        .map(|_| {
            let who = *next % pool;
            *next += 1;
            Seat {
                who,
                own: units(law.tail(least, SHAPE, 500.0 * least)),
            }
        })
        .collect()
}

fn backings(row: &Row, next: &mut u32, law: &mut Law) -> Vec<Backing> {
    let mut sum = 0.0;
    let fame: Vec<f64> = (0..row.trainers + row.validators)
        .map(|_| {
            sum += law.tail(1.0, SHAPE, 1_000.0);
            sum
        })
        .collect();
    (0..row.delegators)
        .map(|_| {
            let who = *next % DELEGATORS;
            *next += 1;
            Backing {
                who,
                behind: law.index(&fame),
                amount: units(law.tail(1.0, SHAPE, 1_000.0)),
                round: 1 + law.below(u64::from(row.days)) as u32,
            }
        })
        .collect()
}

/// How many validators must score each model, where there are as many, for all tasks together to
/// come to so many scores: every round of submissions, and final validation.
fn scorers(rows: &[Row], scores: u64) -> f64 {
    let total = |scorers: f64| -> f64 {
        rows.iter()
            .map(|row| {
                let models = f64::from(row.trainers) * f64::from(row.days + 1);
                models * scorers.min(f64::from(row.validators))
            })
            .sum()
    };
    let (mut low, mut high) = (0.0, 512.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if total(middle) < scores as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// `k` of `min(1, k·s/S)` for which `scorers` are drawn in expectation. Delegations come over
/// the task's life, so that half of them are counted.
fn committee(trainers: &[Seat], validators: &[Seat], backings: &[Backing], scorers: f64) -> u16 {
    if scorers >= validators.len() as f64 {
        return 0;
    }
    let mut stakes: Vec<f64> = validators.iter().map(|seat| seat.own as f64).collect();
    for backing in backings {
        let validator = backing.behind.checked_sub(trainers.len());
        if let Some(stake) = validator.and_then(|at| stakes.get_mut(at)) {
            *stake += backing.amount as f64 / 2.0;
        }
    }
    let total: f64 = stakes.iter().sum();
    let drawn = |k: u16| -> f64 {
        let chance = |stake: &f64| (f64::from(k) * stake / total).min(1.0);
        stakes.iter().map(chance).sum()
    };
    // The chain takes no committee above the seats; with few large stakes that may draw fewer.
    (1..=512).find(|k| drawn(*k) >= scorers).unwrap_or(512)
}

/// Everybody submits in round 1; of the other rounds as many as the total asks for.
fn submit(parts: &mut [Part], total: u64, law: &mut Law) {
    let mut chances = 0u64;
    let mut wanted = total;
    for part in parts.iter_mut() {
        part.submitting = vec![Vec::new(); part.row.days as usize];
        if let Some(first) = part.submitting.first_mut() {
            *first = (0..part.trainers.len()).collect();
            wanted = wanted.saturating_sub(first.len() as u64);
        }
        chances += u64::from(part.row.days.saturating_sub(1)) * part.trainers.len() as u64;
    }
    // Of what is left each takes its chance, which comes to the total exactly.
    for part in parts.iter_mut() {
        let trainers = part.trainers.len();
        for round in part.submitting.iter_mut().skip(1) {
            for trainer in 0..trainers {
                if law.below(chances) < wanted {
                    round.push(trainer);
                    wanted -= 1;
                }
                chances -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::rows;
    use std::collections::BTreeSet;

    #[test]
    fn cast_should_have_the_papers_accounts_and_submissions() {
        let cast = Cast::new(&rows().unwrap(), 210, 1);
        let submissions: usize = cast
            .parts
            .iter()
            .flat_map(|p| &p.submitting)
            .map(Vec::len)
            .sum();
        assert_eq!(submissions as u64, TRAINING_SUBMISSIONS);
        let of = |pick: fn(&Part) -> Vec<Who>| -> usize {
            let all: BTreeSet<Who> = cast.parts.iter().flat_map(pick).collect();
            all.len()
        };
        assert_eq!(
            of(|p| p.trainers.iter().map(|s| s.who).collect()),
            TRAINERS as usize
        );
        assert_eq!(
            of(|p| p.validators.iter().map(|s| s.who).collect()),
            VALIDATORS as usize
        );
        assert_eq!(
            of(|p| p.backings.iter().map(|b| b.who).collect()),
            DELEGATORS as usize
        );
        for part in &cast.parts {
            let delegators: BTreeSet<Who> = part.backings.iter().map(|b| b.who).collect();
            assert_eq!(delegators.len(), part.backings.len(), "one delegation each");
        }
    }

    #[test]
    fn scorers_should_come_to_the_papers_scores() {
        let rows = rows().unwrap();
        let scorers = scorers(&rows, VALIDATION_SUBMISSIONS);
        assert!((103.0..105.0).contains(&scorers), "{scorers}");
    }
}
