use super::*;
use crate::{
    challenge::{
        bond::{Terms, Weighed, Windows},
        rows::{Challenger, Facts},
    },
    views,
};
use arena_primitives::{AccountId, Metric, UNIT};
use sp_runtime::Perbill;

const ME: u8 = 1;
const ACCUSED: u8 = 2;
const FIRST: u8 = 3;
const MODEL: u8 = 20;
const EARLIER: u8 = 30;
const SALT: u8 = 40;

fn account(byte: u8) -> AccountId {
    AccountId::from([byte; 32])
}

fn hash(byte: u8) -> Hash {
    Hash::repeat_byte(byte)
}

fn owner(trainer: u8, committed_at: BlockNumber) -> Option<RootOwner> {
    Some(RootOwner {
        trainer: account(trainer),
        committed_at,
        uris: Default::default(),
    })
}

fn model() -> Model {
    Model {
        current: Some(hash(MODEL)),
        owner: owner(ACCUSED, 50),
    }
}

/// A validator before the challenge phase's end, with money.
fn seen(about: About) -> Seen {
    Seen {
        task: views::Task {
            id: 7,
            name: String::new(),
            creator: account(9),
            spec_hash: Hash::zero(),
            metric: Metric::Accuracy,
            phase: TaskPhase::Challenge,
            open_round: None,
            last_settled: Some(4),
            rounds: 3,
            live: Vec::new(),
            phase_ends: Some(1_000),
            paused: false,
        },
        now: 100,
        begins: None,
        challenger: account(ME),
        is_validator: true,
        is_convicted: false,
        cases: Vec::new(),
        about,
        terms: Terms {
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
        },
        weighed: Weighed::default(),
        holdable: 7 * UNIT,
    }
}

fn duplicate() -> (Claim, Seen) {
    let claim = Claim::Duplicate {
        trainer: account(ACCUSED),
        model: hash(MODEL),
        earlier: hash(EARLIER),
    };
    let about = About::Duplicate {
        model: model(),
        earlier: owner(FIRST, 40),
        compares: true,
    };
    (claim, seen(about))
}

fn watermark() -> (Claim, Seen) {
    let claim = Claim::Watermark {
        trainer: account(ACCUSED),
        model: hash(MODEL),
        salt: hash(SALT),
    };
    let marks = vec![Mark {
        commitment: mark_commitment(7, &account(ME), &hash(SALT)),
        at: 49,
    }];
    let about = About::Watermark {
        model: model(),
        marks,
    };
    (claim, seen(about))
}

fn training() -> (Claim, Seen) {
    let claim = Claim::ProofOfLearning {
        trainer: account(ACCUSED),
    };
    let about = About::Training {
        current: Some(hash(MODEL)),
        is_asked: false,
        leaves: 1,
    };
    (claim, seen(about))
}

fn score() -> (Claim, Seen) {
    let claim = Claim::Score {
        validator: account(ACCUSED),
        round: 2,
        model: hash(MODEL),
    };
    let about = About::Score {
        owner: Some(account(FIRST)),
        own: None,
        is_kept: true,
    };
    (claim, seen(about))
}

fn all() -> [(Claim, Seen); 4] {
    [duplicate(), watermark(), training(), score()]
}

fn case(claim: Claim, first: u8, state: State) -> Case {
    Case {
        task: 7,
        claim,
        facts: Facts::Watermark {},
        challengers: vec![Challenger {
            who: account(first),
            bond: Amount(1),
        }],
        fee: Amount(1),
        appeal: None,
        state,
    }
}

fn told(claim: &Claim, seen: &Seen) -> String {
    match check(seen, claim) {
        Ok(()) => String::new(),
        Err(why) => why.to_string(),
    }
}

#[track_caller]
fn refused((claim, mut seen): (Claim, Seen), change: impl FnOnce(&mut Seen), why: &str) {
    assert_eq!(told(&claim, &seen), "");
    change(&mut seen);
    let told = told(&claim, &seen);
    assert!(told.contains(why), "{told:?} lacks {why:?}");
}

#[test]
fn all_claims_should_be_refused_where_task_accused_or_challenger_take_none() {
    for (claim, seen) in all() {
        let given = || (claim.clone(), seen.clone());
        for phase in [TaskPhase::Closed, TaskPhase::Cancelled] {
            refused(given(), |seen| seen.task.phase = phase, "task 7 is over");
        }
        let own = |seen: &mut Seen| seen.challenger = account(ACCUSED);
        refused(given(), own, "can't accuse itself");
        refused(
            given(),
            |seen| seen.is_convicted = true,
            "convicted in task 7 already",
        );
    }
}

#[test]
fn models_should_be_challenged_in_their_phase_and_scores_before() {
    let early = |seen: &mut Seen| {
        seen.task.phase = TaskPhase::Submission;
        seen.begins = Some(345);
    };
    for given in [duplicate(), watermark(), training()] {
        refused(given, early, "begins about block 345; this was block 100");
    }
    let (claim, mut seen) = score();
    early(&mut seen);
    assert_eq!(told(&claim, &seen), "");
}

#[test]
fn model_should_be_the_one_with_which_the_accused_stands_and_its_own() {
    fn model_of(seen: &mut Seen) -> &mut Model {
        match &mut seen.about {
            About::Duplicate { model, .. } | About::Watermark { model, .. } => model,
            _ => panic!("no model"),
        }
    }
    for (claim, seen) in [duplicate(), watermark()] {
        let given = || (claim.clone(), seen.clone());
        refused(
            given(),
            |seen| model_of(seen).current = None,
            "has no model",
        );
        let other = |seen: &mut Seen| model_of(seen).current = Some(hash(99));
        refused(given(), other, "only the model that stands");
        let foreign = |seen: &mut Seen| model_of(seen).owner = owner(FIRST, 3);
        refused(given(), foreign, "accuse its owner");
        refused(given(), |seen| model_of(seen).owner = None, "nobody");
    }
    let none = |seen: &mut Seen| {
        seen.about = About::Training {
            current: None,
            is_asked: true,
            leaves: 0,
        }
    };
    refused(training(), none, "has no model");
}

#[test]
fn a_copy_should_be_later_than_anothers_model_in_a_task_that_compares() {
    fn about(model: Model, earlier: Option<RootOwner>, compares: bool) -> About {
        About::Duplicate {
            model,
            earlier,
            compares,
        }
    }
    let cases = [
        (
            about(model(), owner(FIRST, 40), false),
            "compares no models",
        ),
        (about(model(), None, true), "knows no model 0x1e1e"),
        (
            about(model(), owner(ACCUSED, 40), true),
            "nobody copies its own",
        ),
        (about(model(), owner(FIRST, 51), true), "it is not earlier"),
        // In one block the smaller account is first.
        (about(model(), owner(FIRST, 50), true), "it is not earlier"),
    ];
    for (changed, why) in cases {
        refused(duplicate(), |seen| seen.about = changed, why);
    }
}

#[test]
fn claims_should_be_brought_by_validators_and_by_whom_they_are_for() {
    for given in [duplicate(), training(), score()] {
        refused(
            given,
            |seen| seen.is_validator = false,
            "can't bring this claim",
        );
    }
    let (claim, mut seen) = watermark();
    seen.is_validator = false;
    assert_eq!(told(&claim, &seen), "");
    let (claim, mut seen) = duplicate();
    seen.is_validator = false;
    seen.challenger = account(FIRST);
    assert_eq!(told(&claim, &seen), "");
    for (who, own) in [(FIRST, None), (ME, Some(hash(MODEL)))] {
        let (claim, mut seen) = score();
        seen.is_validator = false;
        seen.challenger = account(who);
        seen.about = About::Score {
            owner: Some(account(FIRST)),
            own,
            is_kept: true,
        };
        assert_eq!(told(&claim, &seen), "");
    }
}

#[test]
fn a_mark_should_be_registered_before_the_model() {
    let marks = |at, salt| {
        let commitment = mark_commitment(7, &account(ME), &hash(salt));
        About::Watermark {
            model: model(),
            marks: vec![Mark { commitment, at }],
        }
    };
    refused(
        watermark(),
        |seen| seen.about = marks(49, 41),
        "registered no such mark",
    );
    refused(
        watermark(),
        |seen| seen.about = marks(50, SALT),
        "that was there before",
    );
}

#[test]
fn a_training_should_be_registered_and_a_score_be_kept_and_new() {
    let unregistered = |seen: &mut Seen| {
        seen.about = About::Training {
            current: Some(hash(MODEL)),
            is_asked: false,
            leaves: 0,
        }
    };
    refused(training(), unregistered, "asks for no registered training");
    let gone = |seen: &mut Seen| {
        seen.about = About::Score {
            owner: None,
            own: None,
            is_kept: false,
        }
    };
    refused(score(), gone, "revealed no score");
    refused(
        score(),
        |seen| seen.task.last_settled = Some(5),
        "more than 2 rounds ago",
    );
}

#[test]
fn a_case_should_fit_the_phase_with_all_that_can_follow() {
    // 34 blocks of a case, 40 for an answer; 10 to open it, or 16 until that is final.
    for (given, needed) in [
        (duplicate(), 50),
        (watermark(), 50),
        (training(), 90),
        (score(), 90),
    ] {
        let (claim, mut seen) = given;
        seen.task.phase_ends = Some(101 + needed);
        assert_eq!(told(&claim, &seen), "");
        let late = |seen: &mut Seen| seen.task.phase_ends = Some(100 + needed);
        refused((claim, seen), late, "too late for a new one");
    }
}

#[test]
fn a_task_and_a_challenger_should_have_so_many_cases_at_most() {
    let (other, _) = training();
    let drawing = || State::Drawing { ready: 200 };
    let ending = || State::Ending {
        jury: None,
        verdict: crate::challenge::rows::Verdict::Acquitted,
        at: 300,
    };
    let cases = |first: u8, states: Vec<State>| -> Vec<(CaseId, Case)> {
        let cases = states.into_iter();
        (0..)
            .zip(cases.map(|state| case(other.clone(), first, state)))
            .collect()
    };
    let rich = || {
        let (claim, mut seen) = watermark();
        seen.holdable = 1_000 * UNIT;
        (claim, seen)
    };
    let (claim, mut seen) = rich();
    seen.cases = cases(ME, vec![drawing(), ending(), ending()]);
    assert_eq!(told(&claim, &seen), "");
    let two = cases(ME, vec![drawing(), drawing()]);
    refused(rich(), |seen| seen.cases = two, "began 2 open cases");
    let full = cases(9, (0..16).map(|_| ending()).collect());
    refused(rich(), |seen| seen.cases = full, "has 16 open cases");
}

#[test]
fn a_case_of_the_same_claim_should_be_joined_until_its_jury_is_known() {
    let (claim, _) = watermark();
    let same = |ready| vec![(5, case(claim.clone(), 9, State::Drawing { ready }))];
    let (_, mut seen) = watermark();
    seen.cases = same(102);
    assert_eq!(told(&claim, &seen), "");
    refused(
        watermark(),
        |seen| seen.cases = same(101),
        "case 5 has this claim and its jury",
    );
    let mut full = same(200);
    full[0].1.challengers = vec![full[0].1.challengers[0].clone(); 8];
    refused(
        watermark(),
        |seen| seen.cases = full,
        "8 challengers, the most",
    );
    // Who joins needs no time, and pays for no crowd.
    seen.task.phase_ends = Some(103);
    let (other, _) = training();
    let crowd =
        (10..13).map(|number| (number, case(other.clone(), 9, State::Drawing { ready: 1 })));
    seen.cases.extend(crowd);
    assert_eq!(told(&claim, &seen), "");
    seen.cases.remove(0);
    assert!(told(&claim, &seen).contains("too late for a new one"));
}

#[test]
fn the_whole_bond_should_be_there_before_the_commitment_is_held() {
    refused(
        watermark(),
        |seen| seen.holdable = 6 * UNIT,
        "bond is 6 tokens",
    );
    let locked = |seen: &mut Seen| seen.weighed.locked = 100 * UNIT;
    refused(
        watermark(),
        locked,
        "bond is 11 tokens, of which the commitment holds 6",
    );
    let (other, _) = training();
    let crowd = |seen: &mut Seen| {
        let one = || case(other.clone(), 9, State::Drawing { ready: 1 });
        seen.cases = (0..4).map(|number| (number, one())).collect();
    };
    refused(watermark(), crowd, "bond is 12 tokens");
}
