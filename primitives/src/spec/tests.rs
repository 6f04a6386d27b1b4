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
            base: None,
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
        likeness: None,
        registered: false,
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

fn uris() -> Uris {
    let uri = b"https://example.org/x".to_vec().try_into().unwrap();
    Uris::truncate_from(alloc::vec![uri])
}

/// A spec of one family that passes.
fn passing(family: Architecture) -> TaskSpec {
    let mut spec = spec(family.metric(), 500_000_000);
    spec.name = b"n".to_vec().try_into().unwrap();
    spec.licence = b"l".to_vec().try_into().unwrap();
    spec.data = DataSource::Public(PublicData {
        blake3: [1; 32],
        bytes: 1,
        uris: uris(),
        samples: 0,
    });
    spec.model = ModelBounds {
        architectures: alloc::vec![family].try_into().unwrap(),
        max_parameters: 1,
        max_bytes: 1,
        max_seconds: 1,
        context: u32::from(family.reads_text()),
        tokenizer: None,
        base: None,
    };
    spec
}

#[test]
fn check_should_take_each_family_under_each_profile() {
    use NumericProfile::{Bf16, ExactCpuF32, F32};
    for family in Architecture::ALL {
        for profile in [ExactCpuF32, F32, Bf16] {
            let mut spec = passing(family);
            spec.profile = profile;
            assert_eq!(spec.check(), Ok(()), "{family:?} {profile:?}");
        }
    }
}

#[test]
fn check_should_refuse_families_that_the_metric_does_not_measure() {
    for family in Architecture::ALL {
        let other = match family.metric() {
            Metric::Accuracy => Metric::BitsPerByte,
            Metric::BitsPerByte => Metric::Accuracy,
        };
        let mut spec = passing(family);
        spec.metric = other;
        let fault = SpecFault::Architecture(family, other);
        assert_eq!(spec.check(), Err(fault));
    }
}

#[test]
fn check_should_refuse_no_context_where_any_family_reads_text() {
    for family in Architecture::ALL {
        let mut spec = passing(family);
        spec.model.context = 0;
        let found = spec.check();
        if family.reads_text() {
            assert_eq!(found, Err(SpecFault::Context), "{family:?}");
        } else {
            assert_eq!(found, Ok(()), "{family:?}");
        }
    }
    let mut mixed = passing(Architecture::Mlp);
    mixed.model.architectures = alloc::vec![Architecture::Mlp, Architecture::Bert]
        .try_into()
        .unwrap();
    assert_eq!(mixed.check(), Err(SpecFault::Context));
}

#[test]
fn check_should_refuse_a_base_without_root_or_mirrors() {
    let checked = |manifest_root, uris| {
        let mut spec = passing(Architecture::Llama);
        spec.model.base = Some(BaseModel {
            manifest_root,
            uris,
        });
        spec.check()
    };
    let root = H256::repeat_byte(1);
    let bad = |bytes: &[u8]| {
        let mut all = uris();
        all.try_push(bytes.to_vec().try_into().unwrap()).unwrap();
        all
    };
    assert_eq!(checked(root, uris()), Ok(()));
    assert_eq!(checked(H256::zero(), uris()), Err(SpecFault::BaseRoot));
    for uris in [Uris::default(), bad(b" "), bad(&[0xff])] {
        assert_eq!(checked(root, uris), Err(SpecFault::BaseUris));
    }
}

#[test]
fn likeness_should_be_ordered_and_below_what_unrelated_models_are() {
    let with = |change: fn(&mut LikenessRule)| {
        let mut spec = passing(Architecture::Mlp);
        let mut rule = LikenessRule::DEFAULT;
        change(&mut rule);
        spec.likeness = Some(rule);
        spec.check()
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|rule| rule.match_bits = 38), Ok(()));
    let refused = Err(SpecFault::Likeness);
    assert_eq!(with(|rule| rule.match_bits = 39), refused);
    assert_eq!(with(|rule| rule.flag_bits = MAX_FLAG_BITS + 1), refused);
}
