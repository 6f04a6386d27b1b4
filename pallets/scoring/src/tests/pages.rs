//! Settlement in pages: whatever fits a block, everybody is paid the same, and that is what
//! `arena_math::settle` says of the whole round.

use super::*;
use crate::{Reveal, Revealed, SeedState, Settling};
use arena_primitives::{
    AccountId, Balance, PERBILL, RankRule as Rank, RoundResult, TaskSpec, WeightCap,
};
use frame_support::weights::Weight;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A round as it stands when its reveals are over.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) spec: TaskSpec,
    pub(super) trainers: BTreeMap<AccountId, Balance>,
    pub(super) validators: BTreeMap<AccountId, Balance>,
    pub(super) reveals: BTreeMap<AccountId, Revealed>,
    pub(super) committed: Vec<AccountId>,
}

fn stake(random: &mut Random) -> Balance {
    let scale = random.below(40);
    1 + Balance::from(random.below(1 << (5 + scale)))
}

fn outcome(random: &mut Random, quality: u64) -> Option<ScoreOutcome> {
    let noise = random.below(30_000_000);
    Some(match random.below(20) {
        0 => return None,
        1 => ScoreOutcome::Skipped(InfraFault::Timeout),
        2 => ScoreOutcome::Invalid(MinerFault::Weights),
        3 => ScoreOutcome::Scored(random.below(PERBILL)),
        _ => ScoreOutcome::Scored(quality * 50_000_000 + noise),
    })
}

pub(super) fn case(seed: u64) -> Case {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut spec = spec();
    spec.rewards.committee = [0, 0, 3, 7][random.below(4) as usize];
    spec.rewards.cap = [
        WeightCap::None,
        WeightCap::Seats(3),
        WeightCap::Percentile(88),
    ][random.below(3) as usize];
    if random.below(2) == 0 {
        spec.rewards.aggregation = arena_primitives::Aggregation::Mean;
        spec.rewards.rank = Rank::ByHead { alpha_milli: 500 };
    }
    let models = 1 + random.below(12);
    let trainers: BTreeMap<_, _> = (1..=models as u8)
        .map(|n| (account(n), stake(&mut random)))
        .collect();
    let quality: Vec<u64> = trainers.keys().map(|_| random.below(20)).collect();
    let validators: BTreeMap<_, _> = (21..=22 + random.below(20) as u8)
        .map(|n| (account(n), stake(&mut random)))
        .collect();
    let mut reveals = BTreeMap::new();
    let mut committed = Vec::new();
    for who in validators.keys() {
        let said = random.below(12);
        if said > 0 {
            committed.push(who.clone());
        }
        if said > 1 {
            let row: Vec<_> = quality.iter().map(|q| outcome(&mut random, *q)).collect();
            reveals.insert(who.clone(), Revealed::try_from(row).unwrap());
        }
    }
    Case {
        spec,
        trainers,
        validators,
        reveals,
        committed,
    }
}

/// What came of a round, and in how many blocks.
#[derive(PartialEq, Eq, Debug)]
struct Settled {
    result: RoundResult,
    paid: BTreeMap<AccountId, Balance>,
    slashed: BTreeMap<AccountId, Balance>,
    treasury: Balance,
}

pub(super) fn prepare(case: &Case) {
    with(|n| {
        n.spec = Some(case.spec.clone());
        n.trainers = case.trainers.clone();
        n.validators = case.validators.clone();
    });
    let total = case.validators.values().sum();
    let seed = SeedState {
        total: Some(total),
        ..Default::default()
    };
    Seeds::<Test>::insert(0, 1, seed);
    for who in &case.committed {
        Commits::<Test>::insert((0, 1, who), ROOT);
    }
    for (who, row) in &case.reveals {
        let reveal = Reveal {
            outcomes: row.clone(),
            samples_root: ROOT,
        };
        Reveals::<Test>::insert((0, 1, who), reveal);
    }
}

fn settle(case: &Case, limit: Weight) -> (Settled, u32) {
    let (mut settled, mut blocks) = (None, 0);
    run(|| {
        prepare(case);
        while with(|n| n.alive) {
            blocks += 1;
            assert!(blocks < 10_000, "a unit of work doesn't fit the limit");
            System::set_block_number(SCHEDULE.settle);
            Scoring::tick(SCHEDULE.settle, limit);
            crate::invariants::check::<Test>().unwrap();
        }
        assert!(Settling::<Test>::get().is_none());
        assert_eq!(Commits::<Test>::iter().count(), 0);
        assert_eq!(Reveals::<Test>::iter().count(), case.reveals.len());
        settled = Some(with(|n| Settled {
            result: RoundResults::<Test>::get(0, 1).unwrap(),
            paid: n.paid.clone(),
            slashed: n.slashed.clone(),
            treasury: n.treasury,
        }));
    });
    (settled.unwrap(), blocks)
}

/// How trainers are ranked, and how scores become one.
pub(super) fn rules(spec: &TaskSpec) -> (RankRule, Aggregation) {
    let by_head = RankRule::ByHead { alpha_q32: 1 << 31 };
    match spec.rewards.rank {
        Rank::ByStake { .. } => (RankRule::ByStake { depth: 20 }, Aggregation::Median),
        Rank::ByHead { .. } => (by_head, Aggregation::Mean),
    }
}

pub(super) fn expected(case: &Case) -> arena_math::RoundOutput {
    let trainer_stakes: Vec<_> = case.trainers.values().copied().collect();
    let validator_stakes: Vec<_> = case.validators.values().copied().collect();
    let listed: Vec<Vec<Option<Listed>>> = case
        .validators
        .keys()
        .map(|who| match case.reveals.get(who) {
            None => vec![None; trainer_stakes.len()],
            Some(row) => row
                .iter()
                .map(|outcome| {
                    outcome.map(|outcome| match outcome {
                        ScoreOutcome::Scored(raw) => Listed::Scored(raw as u32),
                        ScoreOutcome::Invalid(_) => Listed::Invalid,
                        ScoreOutcome::Skipped(_) => Listed::Skipped,
                    })
                })
                .collect(),
        })
        .collect();
    let rewards = &case.spec.rewards;
    let (rank_rule, aggregation) = rules(&case.spec);
    arena_math::settle(&RoundInput {
        reward: REWARD,
        gamma: 350_000_000,
        q: 700_000_000,
        rank_rule,
        validator_rule: ValidatorRule {
            alpha_q32: 1 << 32,
            lambda_q32: 50 << 32,
            band: 1_000_000,
        },
        committee: rewards.committee.into(),
        cap: match rewards.cap {
            WeightCap::None => Cap::None,
            WeightCap::Seats(seats) => Cap::Seats(seats.into()),
            WeightCap::Percentile(percent) => Cap::Percentile(percent),
        },
        aggregation,
        min_scorers: 2,
        baseline: 100_000_000,
        trainer_stakes: &trainer_stakes,
        validator_stakes: &validator_stakes,
        listed: &listed,
    })
    .unwrap()
}

/// The least with which every unit of a settlement without sketches fits a block.
pub(super) fn smallest_limit() -> Weight {
    limit(&["a block of all seeds", "pruning", "a sketch"])
}

/// The same with sketches.
pub(super) fn smallest_limit_with_sketches() -> Weight {
    limit(&["a block of all seeds", "pruning"])
}

fn limit(without: &[&str]) -> Weight {
    crate::units::units::<Test>(12, 41)
        .into_iter()
        .filter(|(what, _)| !without.contains(what))
        .fold(Weight::zero(), |most, (_, unit)| most.max(unit))
}

#[test]
fn every_page_size_should_pay_what_the_maths_says_of_the_whole_round() {
    let (mut paid_rounds, mut most_blocks) = (0, 0);
    for seed in 1..=120 {
        let case = case(seed);
        let (whole, blocks) = settle(&case, Weight::MAX);
        assert_eq!(blocks, 1);
        for times in [1, 2, 5] {
            let limit = smallest_limit().saturating_mul(times);
            let (paged, blocks) = settle(&case, limit);
            assert_eq!(paged, whole, "case {seed}, {times}");
            most_blocks = most_blocks.max(blocks);
        }
        let result = &whole.result;
        if result.unpaid.is_some() {
            assert!(whole.paid.is_empty());
            continue;
        }
        paid_rounds += 1;
        let expected = expected(&case);
        let of_trainers: Vec<_> = result.models.iter().map(|row| row.reward).collect();
        assert_eq!(of_trainers, expected.trainer_payouts, "case {seed}");
        let of_validators: Vec<_> = result.validators.iter().map(|row| row.reward).collect();
        let revealed = case
            .validators
            .keys()
            .map(|who| case.reveals.contains_key(who));
        let payouts = expected.validator_payouts.iter().zip(revealed);
        let payouts: Vec<_> = payouts.filter(|(_, r)| *r).map(|(p, _)| *p).collect();
        assert_eq!(of_validators, payouts, "case {seed}");
        let ranks: Vec<_> = result.models.iter().map(|row| row.rank).collect();
        assert_eq!(ranks, expected.ranks, "case {seed}");
        let distances = expected.mean_distance.iter().zip(case.validators.keys());
        let distances: Vec<_> = distances
            .filter(|(_, who)| case.reveals.contains_key(*who))
            .map(|(distance, _)| distance.map(Perbill::from_parts))
            .collect();
        let told: Vec<_> = result.validators.iter().map(|row| row.distance).collect();
        assert_eq!(told, distances, "case {seed}");
        assert_eq!(whole.paid.values().sum::<u128>() + whole.treasury, REWARD);
    }
    assert!(paid_rounds >= 40, "{paid_rounds} rounds paid");
    assert!(most_blocks >= 5, "{most_blocks} pages at most");
}

#[test]
fn a_settlement_should_be_finished_when_its_task_was_cancelled_meanwhile() {
    let case = (1..200)
        .map(case)
        .find(|case| settle(case, Weight::MAX).0.result.unpaid.is_none())
        .unwrap();
    let (whole, _) = settle(&case, Weight::MAX);
    run(|| {
        prepare(&case);
        let limit = smallest_limit();
        let now = SCHEDULE.settle;
        System::set_block_number(now);
        Scoring::tick(now, limit);
        assert!(Scoring::settling(0));
        assert!(!Scoring::settling(1));
        with(|n| n.alive = false);
        Scoring::ended(0);
        // Its rows would be due to be pruned long before it is settled.
        let later = now + 1_000;
        System::set_block_number(later);
        for _ in 0..1_000 {
            if !Scoring::settling(0) {
                break;
            }
            assert!(Expiring::<Test>::iter().count() == 1);
            Scoring::tick(later, limit);
            crate::invariants::check::<Test>().unwrap();
        }
        let (paid, treasury) = with(|n| (n.paid.clone(), n.treasury));
        assert_eq!((paid, treasury), (whole.paid, whole.treasury));
    });
}

#[test]
fn a_hook_without_weight_should_change_nothing() {
    run(|| {
        prepare(&case(3));
        System::set_block_number(SCHEDULE.settle);
        let before = sp_io::storage::root(sp_core::storage::StateVersion::V1);
        for _ in 0..100 {
            Scoring::tick(SCHEDULE.settle, Weight::zero());
        }
        assert_eq!(
            sp_io::storage::root(sp_core::storage::StateVersion::V1),
            before
        );
    });
}
