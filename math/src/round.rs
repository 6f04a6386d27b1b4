//! One whole round: from stakes and reveals to everybody's payout (protocol
//! sections 5 and 6, vectors `rounds`).
//!
//! [`settle`] does it in one call. A chain that settles in steps takes the same
//! way through [`Panel`], [`Column`], [`pools`], [`crate::rewards`] and [`Tally`],
//! submission by submission; [`settle`] is made of nothing else.

use crate::{
    MathError,
    consensus::{Aggregation, Cap, Consensus, Row, Turnout},
    draw::draw_weight,
    error::sum,
    fixed::{ONE_Q64, PERBILL, log2_q64, perbill_q64},
    place::Place,
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

/// A round's validators: their weights, which all of its submissions share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panel {
    total: u128,
    weights: Vec<u128>,
    capped: Vec<u128>,
    /// Logarithms of the weights as Q64; `None` for who has no stake.
    logs: Vec<Option<u128>>,
}

/// One submission's reveals.
#[derive(Clone, Debug)]
pub struct Column {
    /// Validators, by index, and their scores.
    scores: Vec<(usize, u32)>,
    turnout: Turnout,
}

/// What each validator has earned so far.
#[derive(Clone, Debug)]
pub struct Tally {
    payouts: Vec<u128>,
    /// Sum of distances as Q64, and their number.
    distances: Vec<(u128, u32)>,
    treasury: u128,
    payer: Payer,
    claims: Vec<Claim>,
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
    let by_score = |score: &Option<Consensus>| score.map(Place::of);
    settle_placed(input, |consensus| consensus.iter().map(by_score).collect())
}

/// Settles a round whose submissions don't all rank by their own scores: `places` says by what,
/// of each in the order of their consensus. Who can't earn has no place, whatever it says.
///
/// # Errors
/// As [`settle`], and [`MathError::Shape`] when `places` gives another number of them.
pub fn settle_placed(
    input: &RoundInput<'_>,
    places: impl FnOnce(&[Option<Consensus>]) -> Vec<Option<Place<Consensus>>>,
) -> Result<RoundOutput, MathError> {
    check_shape(input)?;
    let panel = Panel::new(input.validator_stakes, input.committee, input.cap)?;
    let columns = (0..input.trainer_stakes.len())
        .map(|index| {
            let entries = input.listed.iter().map(|row| row.get(index).copied());
            Column::new(&panel, entries.map(Option::flatten))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let consensus = columns
        .iter()
        .map(|column| column.consensus(&panel, input.aggregation, input.min_scorers))
        .collect::<Result<Vec<_>, _>>()?;

    let (trainer_pool, validator_pool) =
        pools(input.reward, input.gamma, input.trainer_stakes, panel.total)?;
    let keys = keys(input, &consensus, places(&consensus))?;
    let q_q64 = perbill_q64(input.q);
    let trainer_payouts =
        input
            .rank_rule
            .payouts(&keys, input.trainer_stakes, q_q64, trainer_pool)?;
    let mut tally = Tally::new(&input.validator_rule, input.validator_stakes.len());
    let count =
        u32::try_from(consensus.iter().flatten().count()).map_err(|_| MathError::Overflow)?;
    let agreed = columns
        .iter()
        .zip(&consensus)
        .filter_map(|(column, score)| score.map(|score| (column, score)));
    for ((column, score), index) in agreed.zip(0_u32..) {
        let pot = submission_pot(validator_pool, count, index);
        tally.pay(pot, &panel, column, &score)?;
    }

    let trainers_paid = sum(trainer_payouts.iter().copied())?;
    Ok(RoundOutput {
        quorum: consensus.iter().map(Option::is_some).collect(),
        consensus_q64: consensus
            .iter()
            .map(|score| score.as_ref().map(Consensus::q64))
            .collect(),
        ranks: ranks(&keys, input.trainer_stakes),
        trainer_pool,
        validator_pool,
        trainer_payouts,
        treasury: tally.treasury,
        trainer_dust: trainer_pool
            .checked_sub(trainers_paid)
            .ok_or(MathError::Overflow)?,
        validator_dust: validator_pool
            .checked_sub(tally.spent()?)
            .ok_or(MathError::Overflow)?,
        mean_distance: tally.mean_distances(),
        draw_weights: panel.weights,
        capped_weights: panel.capped,
        validator_payouts: tally.payouts,
    })
}

/// What those rank by that can earn.
fn keys(
    input: &RoundInput<'_>,
    consensus: &[Option<Consensus>],
    places: Vec<Option<Place<Consensus>>>,
) -> Result<Vec<Option<Place<Consensus>>>, MathError> {
    if places.len() != consensus.len() {
        return Err(MathError::Shape);
    }
    let earning = eligible(consensus, input.baseline).into_iter();
    Ok(earning
        .zip(places)
        .map(|(own, place)| own.and(place))
        .collect())
}

fn check_shape(input: &RoundInput<'_>) -> Result<(), MathError> {
    let width = input.trainer_stakes.len();
    let fits = input.listed.len() == input.validator_stakes.len()
        && input.listed.iter().all(|row| row.len() == width);
    if fits { Ok(()) } else { Err(MathError::Shape) }
}

/// The scores to rank by, of those submissions that can earn: those above the
/// `baseline`, in Perbill. A score of 0 never can.
#[must_use]
pub fn eligible(consensus: &[Option<Consensus>], baseline: u32) -> Vec<Option<Consensus>> {
    // A baseline of 0 excludes the score 0 too: it must be exceeded.
    consensus
        .iter()
        .map(|score| score.filter(|score| score.exceeds(baseline)))
        .collect()
}

/// `(trainers', validators')` pools of a round, see [`pool_split`]; without any
/// stake all of it is the validators'.
///
/// # Errors
/// [`MathError::Overflow`] when the stakes together reach [`crate::MAX_TOTAL`].
pub fn pools(
    reward: u128,
    gamma: u32,
    trainer_stakes: &[u128],
    validator_stake: u128,
) -> Result<(u128, u128), MathError> {
    let trainer_stake = sum(trainer_stakes.iter().copied())?;
    if trainer_stake == 0 && validator_stake == 0 {
        return Ok((0, reward));
    }
    pool_split(reward, gamma, trainer_stake, validator_stake).ok_or(MathError::Overflow)
}

impl Panel {
    /// Weights of validators with these counted stakes, in planck: `committee` is
    /// the size of the draw (0 is everybody), `cap` limits what one can say.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the stakes' sum does not fit.
    pub fn new(stakes: &[u128], committee: u32, cap: Cap) -> Result<Self, MathError> {
        let total = sum(stakes.iter().copied())?;
        let weigh = |amount: u128, stake: u128| {
            draw_weight(amount, stake, total, committee).ok_or(MathError::Overflow)
        };
        let weights = stakes
            .iter()
            .map(|stake| weigh(*stake, *stake))
            .collect::<Result<Vec<_>, _>>()?;
        let limited = cap.apply(stakes)?;
        let pairs = limited.iter().zip(stakes);
        let capped = pairs
            .map(|(amount, stake)| weigh(*amount, *stake))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            total,
            // Whoever has stake has a weight above 0, see `draw_weight`.
            logs: weights.iter().map(|weight| log2_q64(*weight)).collect(),
            weights,
            capped,
        })
    }

    /// Counted stake of all of them, in planck.
    #[must_use]
    pub const fn total(&self) -> u128 {
        self.total
    }

    /// Each one's draw weight after the cap, rounded down: its say in the
    /// consensus.
    #[must_use]
    pub fn says(&self) -> &[u128] {
        &self.capped
    }

    fn log_weight(&self, validator: usize) -> Option<u128> {
        self.logs.get(validator).copied().flatten()
    }
}

impl Column {
    /// What was revealed of one submission: an entry for each validator, in the
    /// panel's order. Entries of validators without stake are ignored.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the weights' sum does not fit.
    pub fn new(
        panel: &Panel,
        entries: impl Iterator<Item = Option<Listed>>,
    ) -> Result<Self, MathError> {
        let mut column = Self {
            scores: Vec::with_capacity(panel.weights.len()),
            turnout: Turnout::default(),
        };
        for ((index, entry), weight) in entries.enumerate().zip(&panel.weights) {
            if let (Some(entry), true) = (entry, *weight > 0) {
                column
                    .list(index, entry, *weight)
                    .ok_or(MathError::Overflow)?;
            }
        }
        Ok(column)
    }

    fn list(&mut self, validator: usize, entry: Listed, weight: u128) -> Option<()> {
        self.turnout.revealed = self.turnout.revealed.checked_add(weight)?;
        if let Some(score) = entry.score() {
            self.turnout.scored = self.turnout.scored.checked_add(weight)?;
            self.turnout.scorers = self.turnout.scorers.checked_add(1)?;
            self.scores.push((validator, score));
        }
        Some(())
    }

    /// The submission's score; `None` without quorum.
    ///
    /// A cap can leave nobody any weight when all stakes are a few planck; such a
    /// submission has no consensus, which counts as no quorum.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the weights together reach
    /// [`crate::MAX_TOTAL`].
    pub fn consensus(
        &self,
        panel: &Panel,
        aggregation: Aggregation,
        min_scorers: u32,
    ) -> Result<Option<Consensus>, MathError> {
        if !self.turnout.has_quorum(min_scorers, panel.total) {
            return Ok(None);
        }
        let rows = self.scores.iter().filter_map(|(validator, score)| {
            Some(Row {
                score: *score,
                weight: *panel.capped.get(*validator)?,
            })
        });
        aggregation.of(&rows.collect::<Vec<_>>())
    }
}

impl Tally {
    /// Nothing earned yet by that many validators.
    #[must_use]
    pub fn new(rule: &ValidatorRule, validators: usize) -> Self {
        Self::resume(rule, vec![0; validators], vec![(0, 0); validators])
    }

    /// What validators have earned so far, in planck, with the sums of their
    /// distances as Q64 and how many they are.
    #[must_use]
    pub fn resume(rule: &ValidatorRule, payouts: Vec<u128>, distances: Vec<(u128, u32)>) -> Self {
        Self {
            payer: Payer::new(rule, payouts.len()),
            claims: Vec::with_capacity(payouts.len()),
            payouts,
            distances,
            treasury: 0,
        }
    }

    /// Each validator's earnings, in planck, and the sum of its distances as Q64
    /// with their number.
    pub fn rows(&self) -> impl Iterator<Item = (u128, (u128, u32))> {
        self.payouts
            .iter()
            .copied()
            .zip(self.distances.iter().copied())
    }

    /// Shares one submission's pot, in planck, among the validators that scored
    /// it, and notes how far each one's score is from the consensus.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when a sum does not fit.
    pub fn pay(
        &mut self,
        pot: u128,
        panel: &Panel,
        column: &Column,
        consensus: &Consensus,
    ) -> Result<(), MathError> {
        let score = consensus.q64();
        self.claims.clear();
        let scores = column.scores.iter();
        self.claims.extend(scores.filter_map(|(slot, of)| {
            Some(Claim {
                slot: *slot,
                distance: score.abs_diff(score_q64(*of)),
                log_weight: panel.log_weight(*slot)?,
            })
        }));
        self.measure().ok_or(MathError::Overflow)?;
        let paid = self.paid_part(pot, &column.turnout);
        let paid = paid.ok_or(MathError::Overflow)?;
        self.payer.pay(paid, &self.claims, &mut self.payouts)
    }

    /// Adds up each validator's distances.
    fn measure(&mut self) -> Option<()> {
        for claim in &self.claims {
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

    /// What validators and treasury got together, in planck.
    fn spent(&self) -> Result<u128, MathError> {
        sum(self.payouts.iter().copied().chain([self.treasury]))
    }

    fn mean_distances(&self) -> Vec<Option<u32>> {
        self.distances.iter().copied().map(mean_distance).collect()
    }
}

/// The mean of a sum of distances as Q64 and their number, in Perbill, rounded to
/// the nearest; `None` of none.
#[must_use]
pub fn mean_distance((distance, count): (u128, u32)) -> Option<u32> {
    let whole = ONE_Q64.checked_mul(u128::from(count))?;
    // At most 2^96·10^9 + 2^95.
    let perbill = distance
        .checked_mul(u128::from(PERBILL))?
        .checked_add(whole >> 1)?
        .checked_div(whole)?;
    u32::try_from(perbill).ok()
}
