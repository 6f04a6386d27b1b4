use super::*;

fn spec(metric: Metric, worst: u64) -> TaskSpec {
    TaskSpec {
        name: Default::default(),
        licence: Default::default(),
        metric,
        worst,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [0; 32],
            bytes: 0,
            uris: Default::default(),
            samples: 0,
        }),
        model: ModelBounds {
            architectures: Default::default(),
            max_parameters: 0,
            max_bytes: 0,
            max_seconds: 0,
            context: 0,
            tokenizer: None,
        },
        rounds: 1,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 1,
        rewards: RewardParams {
            gamma: Perbill::from_percent(35),
            q: Perbill::from_percent(70),
            rank: RankRule::ByStake { depth: 20 },
            lambda_milli: 50_000,
            band: Perbill::from_parts(1_000_000),
            alpha_v_milli: 1_000,
            aggregation: Aggregation::Median,
            cap: WeightCap::Seats(10),
            committee: 0,
            min_scorers: 2,
            min_trainers: 2,
            max_leverage: 20,
        },
        baseline: Perbill::zero(),
    }
}

#[test]
fn score_should_map_the_range_of_each_metric_to_zero_and_one() {
    let accuracy = spec(Metric::Accuracy, 100_000_000);
    assert_eq!(accuracy.score(PERBILL), Perbill::one());
    assert_eq!(accuracy.score(100_000_000), Perbill::zero());
    assert_eq!(accuracy.score(0), Perbill::zero());
    assert_eq!(accuracy.score(550_000_000), Perbill::from_percent(50));

    let bits = spec(Metric::BitsPerByte, 8_000_000_000);
    assert_eq!(bits.score(0), Perbill::one());
    assert_eq!(bits.score(8_000_000_000), Perbill::zero());
    assert_eq!(bits.score(u64::MAX), Perbill::zero());
    assert_eq!(bits.score(2_000_000_000), Perbill::from_percent(75));
}

#[test]
fn score_should_be_zero_for_a_range_of_nothing() {
    assert_eq!(
        spec(Metric::Accuracy, PERBILL).score(PERBILL),
        Perbill::zero()
    );
    assert_eq!(spec(Metric::BitsPerByte, 0).score(0), Perbill::zero());
}
