//! Specs, their deposits and their approval.

use super::*;

#[test]
fn propose_should_hold_the_deposit_and_withdraw_should_return_it() {
    run(|| {
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(spec())));
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), DEPOSIT);
        assert_noop!(
            Tasks::propose(signed(CREATOR), Box::new(spec())),
            Error::<Test>::AlreadyProposed
        );
        assert_noop!(
            Tasks::withdraw_proposal(signed(ANN), hash),
            Error::<Test>::NotTheProposer
        );
        assert_noop!(
            Tasks::withdraw_proposal(signed(CREATOR), root(1)),
            Error::<Test>::NoSuchProposal
        );
        assert_ok!(Tasks::withdraw_proposal(signed(CREATOR), hash));
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), 0);
        assert_noop!(
            Tasks::propose(signed(99), Box::new(spec())),
            TokenError::FundsUnavailable
        );
    });
}

fn base(manifest_root: H256, uris: arena_primitives::Uris) -> arena_primitives::BaseModel {
    arena_primitives::BaseModel {
        manifest_root,
        uris,
    }
}

#[test]
fn propose_should_take_each_profile_and_a_base_and_keep_them() {
    use NumericProfile::{Bf16, ExactCpuF32, F32};
    for profile in [ExactCpuF32, F32, Bf16] {
        run(|| {
            let mut spec = spec();
            spec.profile = profile;
            spec.model.base = Some(base(root(1), uris()));
            let hash = Tasks::spec_hash(&account(CREATOR), &spec);
            assert_ok!(Tasks::propose(signed(CREATOR), Box::new(spec.clone())));
            assert_eq!(Proposals::<Test>::get(hash).unwrap().spec, spec);
        });
    }
}

#[test]
fn propose_should_refuse_each_kind_of_bad_spec() {
    type Change = fn(&mut TaskSpec);
    let cases: Vec<(Change, Error<Test>)> = vec![
        (|s| s.name = Default::default(), Error::BadName),
        (|s| s.name = vec![0xff].try_into().unwrap(), Error::BadName),
        (
            |s| s.licence = b"  ".to_vec().try_into().unwrap(),
            Error::BadLicence,
        ),
        (|s| s.worst = 1_000_000_000, Error::WorstOutOfRange),
        (
            |s| {
                s.metric = Metric::BitsPerByte;
                s.worst = 0;
            },
            Error::WorstOutOfRange,
        ),
        (
            |s| {
                if let arena_primitives::DataSource::Public(data) = &mut s.data {
                    data.uris = Default::default();
                }
            },
            Error::BadData,
        ),
        (
            |s| {
                *s = sealed(s.clone());
                if let arena_primitives::DataSource::Sealed(data) = &mut s.data {
                    data.max_bytes = 0;
                }
            },
            Error::BadSeal,
        ),
        (
            |s| {
                *s = sealed(s.clone());
                if let arena_primitives::DataSource::Sealed(data) = &mut s.data {
                    data.root = H256::zero();
                }
            },
            Error::BadSeal,
        ),
        (
            // What fits the commit window less its last quarter, but not what a late shard leaves.
            |s| {
                s.model.max_seconds = 6 * 4_320;
                *s = sealed(s.clone());
            },
            Error::EvaluationTooLong,
        ),
        (
            |s| s.model.max_seconds = 6 * 4_320 + 1,
            Error::EvaluationTooLong,
        ),
        (
            |s| s.model.architectures = Default::default(),
            Error::BadArchitectures,
        ),
        (
            |s| s.model.architectures = vec![Architecture::Llama].try_into().unwrap(),
            Error::BadArchitectures,
        ),
        (
            |s| s.model.architectures = vec![Architecture::Qwen3].try_into().unwrap(),
            Error::BadArchitectures,
        ),
        (|s| s.model.max_seconds = 0, Error::BadModelBounds),
        (
            |s| s.model.architectures = vec![Architecture::Bert].try_into().unwrap(),
            Error::BadModelBounds,
        ),
        (
            |s| s.model.base = Some(base(H256::zero(), uris())),
            Error::BadBase,
        ),
        (
            |s| s.model.base = Some(base(root(1), Default::default())),
            Error::BadBase,
        ),
        (
            |s| {
                let uri = vec![0xff].try_into().unwrap();
                s.model.base = Some(base(root(1), vec![uri].try_into().unwrap()));
            },
            Error::BadBase,
        ),
        (
            |s| s.rewards.lambda_milli = 88_000,
            Error::BadRewardParameters,
        ),
        (
            |s| s.rewards.cap = arena_primitives::WeightCap::Percentile(101),
            Error::BadRewardParameters,
        ),
        (|s| s.rewards.min_scorers = 0, Error::BadCommittee),
        (|s| s.rewards.committee = 513, Error::BadCommittee),
        (
            |s| {
                s.rewards.committee = 3;
                s.rewards.min_scorers = 4;
            },
            Error::BadCommittee,
        ),
        (|s| s.rewards.min_trainers = 0, Error::BadCommittee),
        (|s| s.rounds = 0, Error::BadDuration),
        (|s| s.rounds = 367, Error::BadDuration),
        (|s| s.final_days = 0, Error::BadDuration),
        (|s| s.challenge_days = 0, Error::BadDuration),
        (|s| s.challenge_days = 367, Error::BadDuration),
        (
            |s| {
                s.likeness = Some(LikenessRule {
                    match_bits: 39,
                    ..LikenessRule::DEFAULT
                });
            },
            Error::BadLikeness,
        ),
        (|s| s.round_minutes = 60, Error::RoundTooShort),
        (|s| s.final_days = 11, Error::OutlivesStake),
        (|s| s.round_minutes = 10 * 1_440, Error::OutlivesStake),
        (|s| s.model.max_seconds = u32::MAX, Error::EvaluationTooLong),
    ];
    run(|| {
        for (change, error) in cases {
            let mut bad = spec();
            change(&mut bad);
            assert_noop!(Tasks::propose(signed(CREATOR), Box::new(bad)), error);
        }
    });
}

#[test]
fn a_challenge_phase_should_be_as_long_as_genesis_asks() {
    run(|| {
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(spec())));
        ChallengeDays::set(&3);
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one()),
            Error::<Test>::ChallengeTooShort
        );
        let mut longer = spec();
        longer.challenge_days = 2;
        assert_noop!(
            Tasks::propose(signed(CREATOR), Box::new(longer.clone())),
            Error::<Test>::ChallengeTooShort
        );
        longer.challenge_days = 3;
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(longer)));
    });
}

#[test]
fn approve_should_need_its_origin_and_a_live_proposal() {
    run(|| {
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        let share = Perbill::from_percent(10);
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(spec())));
        assert_noop!(
            Tasks::approve(signed(ANN), hash, share),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), root(1), share),
            Error::<Test>::NoSuchProposal
        );
        assert_noop!(
            Tasks::remove_expired(signed(ANN), hash),
            Error::<Test>::ProposalNotExpired
        );
        go_to(2 + DAY);
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), hash, share),
            Error::<Test>::ProposalExpired
        );
        assert_noop!(
            Tasks::remove_expired(signed(ANN), root(1)),
            Error::<Test>::NoSuchProposal
        );
        assert_ok!(Tasks::remove_expired(signed(ANN), hash));
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), 0);
        assert!(Proposals::<Test>::get(hash).is_none());
    });
}

#[test]
fn approve_should_refuse_more_tasks_than_can_be_active() {
    run(|| {
        Active::<Test>::put(
            frame_support::BoundedVec::try_from((100..164).collect::<Vec<_>>()).unwrap(),
        );
        let hash = Tasks::spec_hash(&account(CREATOR), &spec());
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(spec())));
        assert_noop!(
            Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one()),
            Error::<Test>::TooManyTasks
        );
        Active::<Test>::kill();
    });
}

#[test]
fn approve_should_open_enrolment_and_return_the_deposit() {
    run(|| {
        let id = task();
        assert_eq!(Balances::total_balance_on_hold(&account(CREATOR)), 0);
        assert_eq!(
            with(|n| n.told.clone()),
            vec![Told::Open(id), Told::Counted(id, 0)]
        );
        assert_eq!(Tasks::current_round(Venue::Task(id)), Some(0));
        assert_eq!(Tasks::last_settled(Venue::Task(id)), None);
        assert_noop!(
            Tasks::submit(signed(ANN), id, root(1)),
            Error::<Test>::Enrolment
        );
        assert!(Tasks::closed_rounds().is_empty());
    });
}
