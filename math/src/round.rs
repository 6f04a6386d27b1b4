//! One whole round: from stakes and reveals to everybody's payout (protocol
//! sections 5 and 6, vectors `rounds`).

use crate::{
    MathError,
    consensus::{Aggregation, Cap, Consensus, Row, Turnout},
    draw::draw_weight,
    error::sum,
    fixed::{ONE_Q64, PERBILL, log2_q64, perbill_q64},
    rewards::{
        Claim, Payer, RankRule, ValidatorRule, pool_split, ranks, score_q64, submission_pot,
    },
    wide::mul_div,
};
use alloc::{vec, vec::Vec};

/// What a validator's reveal says about a submission that it was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A score in Perbill; more than a whole counts as a whole.
    Scored(u32),
    /// The model is at fault: counts as a score of 0.
    Invalid,
    /// The validator could not measure it: no score, and its part of the pot
    /// goes to the treasury.
    Skipped,
}

impl Listed {
    /// The score that enters the consensus, in Perbill.
    #[must_use]
    pub fn score(self) -> Option<u32> {
        match self {
            Self::Scored(score) => Some(score.min(PERBILL)),
            Self::Invalid => Some(0),
            Self::Skipped => None,
        }
    }
}

/// Everything that a round's result depends on. Amounts are in planck.
#[derive(Clone, Copy, Debug)]
pub struct RoundInput<'a> {
    /// The reward of the whole round.
    pub reward: u128,
    /// γ in Perbill: the trainers' part if they had no stake at all.
    pub gamma: u32,
    /// q in Perbill: how much less each rank earns; a whole is flat, 0 pays only
    /// the first.
    pub q: u32,
    /// How trainers are ranked.
    pub rank_rule: RankRule,
    /// How validators share a pot.
    pub validator_rule: ValidatorRule,
    /// Committee size of the draw; 0 is everybody.
    pub committee: u32,
    /// Limit of one validator's weight in the consensus; not of its pay.
    pub cap: Cap,
    /// How scores become one.
    pub aggregation: Aggregation,
    /// Fewest validators that must have scored a submission.
    pub min_scorers: u32,
    /// Score in Perbill that must be exceeded to earn anything. A score of 0
    /// never earns.
    pub baseline: u32,
    /// Counted stake behind each submission.
    pub trainer_stakes: &'a [u128],
    /// Counted stake of each validator.
    pub validator_stakes: &'a [u128],
    /// For each validator, in the order of `validator_stakes`, one entry for each
    /// submission, in the order of `trainer_stakes`. `None`: not drawn for it, or
    /// nothing revealed. Entries of validators without stake are ignored.
    pub listed: &'a [Vec<Option<Listed>>],
}

/// A settled round. Lists are in the order of the input; amounts in planck.
///
/// Payouts and dust of the trainers are their pool; payouts, treasury and dust of
/// the validators are theirs; the two pools are the whole reward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundOutput {
    /// Each validator's draw weight, rounded down.
    pub draw_weights: Vec<u128>,
    /// Each validator's draw weight after the cap, rounded down: its say in the
    /// consensus.
    pub capped_weights: Vec<u128>,
    /// Whether each submission has quorum, and so a consensus.
    pub quorum: Vec<bool>,
    /// Each submission's score as Q64, rounded down.
    pub consensus_q64: Vec<Option<u128>>,
    /// Each submission's place, from 1; equal scores share the first place of
    /// their block. `None` for those that cannot earn.
    pub ranks: Vec<Option<u32>>,
    /// The trainers' pool, rounded down.
    pub trainer_pool: u128,
    /// The validators' pool: the rest of the reward.
    pub validator_pool: u128,
    /// Each submission's payout, rounded down.
    pub trainer_payouts: Vec<u128>,
    /// Each validator's payout; each submission's part is rounded down.
    pub validator_payouts: Vec<u128>,
    /// What skipped submissions cost the validators; rounded up, as the paid part
    /// of each pot is rounded down.
    pub treasury: u128,
    /// What is left of the trainers' pool; all of it when nobody can earn.
    pub trainer_dust: u128,
    /// What is left of the validators' pool; all of it when nothing has quorum.
    pub validator_dust: u128,
    /// Each validator's mean distance to the consensus, band not subtracted, in
    /// Perbill, rounded to the nearest, over the submissions with quorum that it
    /// scored; `None` when there are none.
    pub mean_distance: Vec<Option<u32>>,
}

/// A validator with stake, as the columns need it.
struct Voice {
    /// Draw weight.
    weight: u128,
    /// Draw weight after the cap: its say in the consensus.
    say: u128,
    /// Logarithm of the draw weight, as Q64.
    log_weight: u128,
}

/// One submission's reveals.
struct Column {
    /// Validators, by index, and their scores.
    scores: Vec<(usize, u32)>,
    turnout: Turnout,
}

/// What each validator has earned so far.
struct Tally {
    payouts: Vec<u128>,
    /// Sum of distances as Q64, and their number.
    distances: Vec<(u128, u32)>,
    treasury: u128,
}

/// Settles a round: the one path from reveals to payouts.
///
/// Without any stake the whole reward is the validators' pool, and dust.
///
/// # Errors
/// [`MathError::Shape`] when the lists' lengths do not match;
/// [`MathError::Overflow`] when the round's stakes, or the weights drawn for one
/// submission, together reach [`crate::MAX_TOTAL`].
pub fn settle(input: &RoundInput<'_>) -> Result<RoundOutput, MathError> {
    check_shape(input)?;
    let total = sum(input.validator_stakes.iter().copied())?;
    let (draw_weights, capped_weights) = weights(input, total)?;
    let voices = voices(&draw_weights, &capped_weights);
    let columns = columns(input, &voices)?;
    let consensus = agreed(input, total, &columns, &voices)?;

    let (trainer_pool, validator_pool) = pools(input, total)?;
    let keys = eligible(input, &consensus);
    let q_q64 = perbill_q64(input.q);
    let trainer_payouts =
        input
            .rank_rule
            .payouts(&keys, input.trainer_stakes, q_q64, trainer_pool)?;
    let tally = pay_validators(input, validator_pool, &columns, &voices, &consensus)?;

    let trainers_paid = sum(trainer_payouts.iter().copied())?;
    let validators_paid = sum(tally.payouts.iter().copied().chain([tally.treasury]))?;
    Ok(RoundOutput {
        draw_weights,
        capped_weights,
        quorum: consensus.iter().map(Option::is_some).collect(),
        consensus_q64: consensus
            .iter()
            .map(|score| score.as_ref().map(Consensus::q64))
            .collect(),
        ranks: ranks(&keys, input.trainer_stakes),
        trainer_pool,
        validator_pool,
        trainer_payouts,
        validator_payouts: tally.payouts,
        treasury: tally.treasury,
        trainer_dust: trainer_pool
            .checked_sub(trainers_paid)
            .ok_or(MathError::Overflow)?,
        validator_dust: validator_pool
            .checked_sub(validators_paid)
            .ok_or(MathError::Overflow)?,
        mean_distance: tally.distances.into_iter().map(mean_distance).collect(),
    })
}

fn check_shape(input: &RoundInput<'_>) -> Result<(), MathError> {
    let width = input.trainer_stakes.len();
    let fits = input.listed.len() == input.validator_stakes.len()
        && input.listed.iter().all(|row| row.len() == width);
    if fits { Ok(()) } else { Err(MathError::Shape) }
}

/// The scores to rank by, of those submissions that can earn.
fn eligible(input: &RoundInput<'_>, consensus: &[Option<Consensus>]) -> Vec<Option<Consensus>> {
    // A baseline of 0 excludes the score 0 too: it must be exceeded.
    consensus
        .iter()
        .map(|score| score.filter(|score| score.exceeds(input.baseline)))
        .collect()
}

fn pools(input: &RoundInput<'_>, validator_stake: u128) -> Result<(u128, u128), MathError> {
    let trainer_stake = sum(input.trainer_stakes.iter().copied())?;
    if trainer_stake == 0 && validator_stake == 0 {
        return Ok((0, input.reward));
    }
    pool_split(input.reward, input.gamma, trainer_stake, validator_stake).ok_or(MathError::Overflow)
}

/// Draw weights of plain and of capped stakes.
fn weights(input: &RoundInput<'_>, total: u128) -> Result<(Vec<u128>, Vec<u128>), MathError> {
    let capped = input.cap.apply(input.validator_stakes)?;
    let weigh = |amount: u128, stake: u128| {
        draw_weight(amount, stake, total, input.committee).ok_or(MathError::Overflow)
    };
    let plain = input
        .validator_stakes
        .iter()
        .map(|stake| weigh(*stake, *stake))
        .collect::<Result<_, _>>()?;
    let pairs = capped.iter().zip(input.validator_stakes);
    Ok((
        plain,
        pairs
            .map(|(amount, stake)| weigh(*amount, *stake))
            .collect::<Result<_, _>>()?,
    ))
}

/// What each validator brings to a column; `None` for those without stake.
fn voices(plain: &[u128], capped: &[u128]) -> Vec<Option<Voice>> {
    let weights = plain.iter().zip(capped);
    weights
        .map(|(weight, say)| {
            // Whoever has stake has a weight above 0, see `draw_weight`.
            Some(Voice {
                weight: *weight,
                say: *say,
                log_weight: log2_q64(*weight)?,
            })
        })
        .collect()
}

/// The reveals by submission.
fn columns(input: &RoundInput<'_>, voices: &[Option<Voice>]) -> Result<Vec<Column>, MathError> {
    let mut columns: Vec<Column> = input
        .trainer_stakes
        .iter()
        .map(|_| Column {
            scores: Vec::with_capacity(voices.len()),
            turnout: Turnout::default(),
        })
        .collect();
    for (index, (row, voice)) in input.listed.iter().zip(voices).enumerate() {
        let Some(voice) = voice else {
            continue;
        };
        for (column, entry) in columns.iter_mut().zip(row) {
            if let Some(entry) = entry {
                column
                    .list(index, *entry, voice.weight)
                    .ok_or(MathError::Overflow)?;
            }
        }
    }
    Ok(columns)
}

impl Column {
    fn list(&mut self, validator: usize, entry: Listed, weight: u128) -> Option<()> {
        self.turnout.revealed = self.turnout.revealed.checked_add(weight)?;
        if let Some(score) = entry.score() {
            self.turnout.scored = self.turnout.scored.checked_add(weight)?;
            self.turnout.scorers = self.turnout.scorers.checked_add(1)?;
            self.scores.push((validator, score));
        }
        Some(())
    }

    /// Validators, by index, with what they bring, and their scores.
    fn voiced<'a>(
        &'a self,
        voices: &'a [Option<Voice>],
    ) -> impl Iterator<Item = (usize, &'a Voice, u32)> {
        self.scores.iter().filter_map(|(validator, score)| {
            let voice = voices.get(*validator)?.as_ref()?;
            Some((*validator, voice, *score))
        })
    }
}

/// The consensus of each submission with quorum.
///
/// A cap can leave nobody any weight when all stakes are a few planck; such a
/// submission has no consensus, which counts as no quorum.
fn agreed(
    input: &RoundInput<'_>,
    total: u128,
    columns: &[Column],
    voices: &[Option<Voice>],
) -> Result<Vec<Option<Consensus>>, MathError> {
    let mut rows = Vec::with_capacity(voices.len());
    let mut of = |column: &Column| {
        if !column.turnout.has_quorum(input.min_scorers, total) {
            return Ok(None);
        }
        rows.clear();
        rows.extend(column.voiced(voices).map(|(_, voice, score)| Row {
            score,
            weight: voice.say,
        }));
        input.aggregation.of(&rows)
    };
    columns.iter().map(&mut of).collect()
}

/// Pays the validators, submission by submission, from equal pots.
fn pay_validators(
    input: &RoundInput<'_>,
    pool: u128,
    columns: &[Column],
    voices: &[Option<Voice>],
    consensus: &[Option<Consensus>],
) -> Result<Tally, MathError> {
    let mut tally = Tally {
        payouts: vec![0; voices.len()],
        distances: vec![(0, 0); voices.len()],
        treasury: 0,
    };
    let mut payer = Payer::new(&input.validator_rule, voices.len());
    let mut claims = Vec::with_capacity(voices.len());
    let count =
        u32::try_from(consensus.iter().flatten().count()).map_err(|_| MathError::Overflow)?;
    let agreed = columns
        .iter()
        .zip(consensus)
        .filter_map(|(column, score)| score.map(|score| (column, score.q64())));
    for ((column, consensus_q64), index) in agreed.zip(0_u32..) {
        claims.clear();
        claims.extend(column.voiced(voices).map(|(slot, voice, score)| Claim {
            slot,
            distance: consensus_q64.abs_diff(score_q64(score)),
            log_weight: voice.log_weight,
        }));
        tally.measure(&claims).ok_or(MathError::Overflow)?;
        let pot = tally
            .paid_part(submission_pot(pool, count, index), &column.turnout)
            .ok_or(MathError::Overflow)?;
        payer.pay(pot, &claims, &mut tally.payouts)?;
    }
    Ok(tally)
}

impl Tally {
    /// Adds up each validator's distances.
    fn measure(&mut self, claims: &[Claim]) -> Option<()> {
        for claim in claims {
            let (distance, count) = self.distances.get_mut(claim.slot)?;
            *distance = distance.checked_add(claim.distance)?;
            *count = count.checked_add(1)?;
        }
        Some(())
    }

    /// The part of a pot that is paid; the rest is the treasury's.
    fn paid_part(&mut self, pot: u128, turnout: &Turnout) -> Option<u128> {
        let paid = mul_div(pot, turnout.scored, turnout.revealed)?;
        let skipped = pot.checked_sub(paid)?;
        self.treasury = self.treasury.checked_add(skipped)?;
        Some(paid)
    }
}

/// The mean in Perbill, rounded to the nearest; at most a whole.
fn mean_distance((distance, count): (u128, u32)) -> Option<u32> {
    let whole = ONE_Q64.checked_mul(u128::from(count))?;
    // At most 2^96·10^9 + 2^95.
    let perbill = distance
        .checked_mul(u128::from(PERBILL))?
        .checked_add(whole >> 1)?
        .checked_div(whole)?;
    u32::try_from(perbill).ok()
}
