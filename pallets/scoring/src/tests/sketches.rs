//! Sketches in reveals, what validators agree on, and what it does to ranks; and what challenges
//! ask of reveals.

use super::*;
use crate::{Alike, BestEarlier, EarlierModels, Sketches};
use arena_primitives::{
    EarlierModel, LikenessRule, ModelLikeness, ModelResult, RoundInfo, RoundResult,
};

type Sketch = [u8; 32];
/// One for each trainer.
type Sketched = [Option<Sketch>; 4];

/// The first of so many bits set.
fn bits(count: u32) -> Sketch {
    let mut sketch = [0; 32];
    for bit in 0..count as usize {
        sketch[bit / 8] |= 1 << (bit % 8);
    }
    sketch
}

/// Far from all others.
fn apart(model: usize) -> Option<Sketch> {
    Some([[0x0F; 32], [0xF0; 32], [0x33; 32], [0xCC; 32]][model])
}

const APART: [usize; 4] = [0, 1, 2, 3];

fn earlier(sketches: &[Option<Sketch>]) -> EarlierSketches {
    sketches.to_vec().try_into().unwrap()
}

fn lines(raw: [u64; 4], sketches: Sketched) -> ScoreEntries {
    let mut lines = scored(raw);
    for (line, sketch) in lines.iter_mut().zip(sketches) {
        line.sketch = sketch;
    }
    lines
}

/// A round of a task that asks for sketches. The trainers committed one block after the other.
fn run_sketched(test: impl FnOnce()) {
    run(|| {
        with(|n| {
            n.spec.as_mut().unwrap().likeness = Some(LikenessRule::DEFAULT);
            for (who, _) in TRAINERS {
                n.first.insert((0, root(&account(who))), who.into());
            }
        });
        test();
    });
}

/// Each validator's sketches of the models and of the earlier ones; all of them score alike.
fn settle(raw: [u64; 4], told: [(Sketched, EarlierSketches); 3]) -> RoundResult {
    go_to(SCHEDULE.commit);
    for ((who, _), (models, before)) in VALIDATORS.iter().zip(&told) {
        assert_ok!(commit_all(*who, &lines(raw, *models), before));
    }
    go_to(SCHEDULE.reveal);
    for ((who, _), (models, before)) in VALIDATORS.iter().zip(told) {
        assert_ok!(reveal_all(*who, lines(raw, models), before));
    }
    assert_eq!(Sketches::<Test>::iter().count(), VALIDATORS.len());
    go_to(SCHEDULE.settle);
    assert_eq!(Sketches::<Test>::iter().count(), 0);
    RoundResults::<Test>::get(0, 1).unwrap()
}

/// All validators have the same sketches.
fn agreed(raw: [u64; 4], models: Sketched, before: &[Option<Sketch>]) -> RoundResult {
    settle(raw, [(); 3].map(|()| (models, earlier(before))))
}

fn ranks(result: &RoundResult) -> Vec<Option<u32>> {
    result.models.iter().map(|row| row.rank).collect()
}

fn likeness(result: &RoundResult) -> Vec<Option<ModelLikeness>> {
    result.models.iter().map(|row| row.likeness).collect()
}

fn like(trainer: u8, distance: u16, matches: bool) -> Option<ModelLikeness> {
    Some(ModelLikeness {
        earlier: root(&account(trainer)),
        distance,
        matches,
    })
}

#[test]
fn a_match_should_rank_just_below_the_model_that_it_copies() {
    run_sketched(|| {
        let models = [Some(bits(0)), Some(bits(13)), apart(2), apart(3)];
        let result = agreed([70, 90, 80, 60], models, &[]);
        assert_eq!(ranks(&result), [Some(2), Some(3), Some(1), Some(4)]);
        assert_eq!(likeness(&result), [None, like(1, 13, true), None, None]);
        let copy: &ModelResult = &result.models[1];
        assert_eq!(copy.score, Some(Perbill::from_percent(90)));
        assert!(copy.reward > 0);
        assert_eq!(Scoring::likeness(0, &copy.manifest_root), like(1, 13, true));
        assert_eq!(Scoring::likeness(0, &root(&account(1))), None);
    });
}

#[test]
fn a_match_with_a_lower_or_an_equal_score_should_not_rank_above_or_beside_it() {
    for (raw, expected) in [([70, 65, 80, 60], 3), ([70, 70, 80, 60], 3)] {
        run_sketched(|| {
            let models = [Some(bits(0)), Some(bits(0)), apart(2), apart(3)];
            let result = agreed(raw, models, &[]);
            assert_eq!(ranks(&result)[..2], [Some(2), Some(expected)]);
        });
    }
}

#[test]
fn a_flag_should_be_told_and_rank_nobody_lower() {
    run_sketched(|| {
        let models = [Some(bits(0)), Some(bits(38)), Some(bits(77)), apart(3)];
        let result = agreed([70, 90, 80, 60], models, &[]);
        assert_eq!(ranks(&result), [Some(3), Some(1), Some(2), Some(4)]);
        assert_eq!(likeness(&result), [None, like(1, 38, false), None, None]);
    });
}

#[test]
fn a_copy_of_a_copy_should_rank_below_both() {
    run_sketched(|| {
        let models = [Some(bits(0)), Some(bits(10)), Some(bits(20)), apart(3)];
        let result = agreed([60, 70, 80, 50], models, &[]);
        assert_eq!(ranks(&result), [Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(likeness(&result)[2], like(2, 10, true));
    });
}

#[test]
fn the_smaller_account_should_be_first_in_a_block() {
    run_sketched(|| {
        with(|n| n.first.clear());
        let models = [apart(0), apart(1), Some(bits(0)), Some(bits(0))];
        let result = agreed([60, 50, 70, 80], models, &[]);
        assert_eq!(likeness(&result), [None, None, None, like(3, 0, true)]);
        assert_eq!(ranks(&result), [Some(3), Some(4), Some(1), Some(2)]);
    });
}

#[test]
fn a_lone_liar_should_frame_nobody_and_two_thirds_should_agree() {
    let raw = [70, 90, 80, 60];
    let honest = APART.map(apart);
    let framed = [Some(bits(0)), Some(bits(0)), apart(2), apart(3)];
    let silent = [None; 4];
    let told = |all: [Sketched; 3]| {
        let mut found = None;
        run_sketched(|| {
            let result = settle(raw, all.map(|models| (models, earlier(&[]))));
            found = Some((ranks(&result)[1], likeness(&result)[1]));
        });
        found.unwrap()
    };
    // Each one's weight is capped to a tenth of all stake.
    assert_eq!(told([framed, honest, honest]), (Some(1), None));
    assert_eq!(told([framed, honest, silent]), (Some(1), None));
    assert_eq!(told([framed, silent, silent]), (Some(1), None));
    assert_eq!(told([framed, framed, silent]), (Some(3), like(1, 0, true)));
    assert_eq!(told([framed, framed, honest]), (Some(3), like(1, 0, true)));
}

fn best(trainer: u8, byte: u8, percent: u32) -> EarlierModel {
    EarlierModel {
        trainer: account(trainer),
        manifest_root: H256::repeat_byte(byte),
        score: Perbill::from_percent(percent),
    }
}

/// Models of earlier rounds, committed to before the round's.
fn note(models: &[EarlierModel]) {
    let list: EarlierModels = models.to_vec().try_into().unwrap();
    BestEarlier::<Test>::insert(0, list);
    with(|n| {
        for model in models {
            n.first.insert((0, model.manifest_root), 0);
        }
    });
}

#[test]
fn a_match_with_a_model_of_earlier_rounds_should_rank_below_its_score() {
    run_sketched(|| {
        note(&[best(9, 99, 75)]);
        let models = [Some(bits(5)), apart(1), apart(2), apart(3)];
        let result = agreed([90, 80, 74, 60], models, &[Some(bits(0))]);
        assert_eq!(ranks(&result), [Some(2), Some(1), Some(3), Some(4)]);
        let found = likeness(&result)[0].unwrap();
        assert_eq!(found.earlier, H256::repeat_byte(99));
        assert_eq!((found.distance, found.matches), (5, true));
        // It is not noted itself.
        let roots: Vec<_> = BestEarlier::<Test>::get(0)
            .iter()
            .map(|model| model.manifest_root.0[0])
            .collect();
        assert_eq!(roots, [2, 99, 3, 4]);
    });
}

#[test]
fn own_models_and_later_ones_should_be_no_match() {
    run_sketched(|| {
        note(&[best(1, 99, 75), best(9, 98, 70)]);
        with(|n| n.first.insert((0, H256::repeat_byte(98)), 7));
        let models = [Some(bits(0)), Some(bits(100)), apart(2), apart(3)];
        let before = [Some(bits(0)), Some(bits(100))];
        let result = agreed([90, 80, 74, 60], models, &before);
        assert_eq!(likeness(&result), [None; 4]);
        assert_eq!(ranks(&result), [Some(1), Some(2), Some(3), Some(4)]);
    });
}

#[test]
fn a_trainers_next_model_should_not_be_a_copy_of_a_copy_of_its_last() {
    run_sketched(|| {
        note(&[best(4, 99, 75)]);
        // Trainer 1 copied what trainer 4 had before, which then went on with it.
        let models = [Some(bits(2)), apart(1), apart(2), Some(bits(10))];
        let result = agreed([85, 80, 74, 90], models, &[Some(bits(0))]);
        let copy = ModelLikeness {
            earlier: H256::repeat_byte(99),
            distance: 2,
            matches: true,
        };
        assert_eq!(likeness(&result), [Some(copy), None, None, None]);
        assert_eq!(ranks(&result), [Some(3), Some(2), Some(4), Some(1)]);
    });
}

#[test]
fn the_best_models_should_be_noted_and_fixed_for_a_round_with_its_seed() {
    run_sketched(|| {
        note(&[best(1, 1, 80), best(9, 99, 70)]);
        go_to(SCHEDULE.commit);
        assert_eq!(Scoring::earlier(0, 1).len(), 2);
        BestEarlier::<Test>::mutate(0, |list| list.pop());
        assert_eq!(Scoring::earlier(0, 1).len(), 2);
        let result = agreed([75, 90, 70, 5], APART.map(apart), &[None, None]);
        assert_eq!(likeness(&result), [None; 4]);
        // Below the baseline is nothing worth a copy.
        let listed = [best(2, 2, 90), best(1, 1, 80), best(3, 3, 70)];
        assert_eq!(BestEarlier::<Test>::get(0).to_vec(), listed);
    });
    run_sketched(|| {
        let full: Vec<_> = (0..16).map(|n| best(9, 100 + n, 80)).collect();
        note(&full);
        let before = [None; 16];
        agreed([80, 90, 70, 60], APART.map(apart), &before);
        let list = BestEarlier::<Test>::get(0);
        assert_eq!(list[0], best(2, 2, 90));
        assert_eq!(list[1..], full[..15], "of equal scores the earlier stays");
    });
}

#[test]
fn reveal_should_refuse_sketches_that_are_not_asked_for() {
    run(|| {
        let plain = scored([90, 80, 70, 60]);
        let sketched = lines([90, 80, 70, 60], APART.map(apart));
        let one = earlier(&[None]);
        go_to(SCHEDULE.commit);
        assert_ok!(commit(21, &sketched));
        assert_ok!(commit_all(22, &plain, &one));
        assert_ok!(commit(23, &plain));
        go_to(SCHEDULE.reveal);
        assert_noop!(reveal(21, sketched), Error::<Test>::UnwantedSketch);
        let refused = Error::<Test>::WrongEarlier;
        assert_noop!(reveal_all(22, plain.clone(), one.clone()), refused);
        let other = reveal_all(23, plain.clone(), one);
        assert_eq!(other, Err(Error::<Test>::WrongCommitment.into()));
        assert_ok!(reveal(23, plain));
        go_to(SCHEDULE.settle);
        let rows = Sketches::<Test>::iter().count()
            + BestEarlier::<Test>::iter().count()
            + Alike::<Test>::iter().count();
        assert_eq!(rows, 0, "what is not asked for costs nothing");
    });
}

#[test]
fn reveal_should_need_a_place_for_each_earlier_model() {
    run_sketched(|| {
        note(&[best(9, 99, 75)]);
        let plain = scored([90, 80, 70, 60]);
        let (none, two) = (earlier(&[]), earlier(&[None, None]));
        go_to(SCHEDULE.commit);
        assert_ok!(commit_all(21, &plain, &none));
        assert_ok!(commit_all(22, &plain, &two));
        assert_ok!(commit_all(23, &plain, &earlier(&[None])));
        go_to(SCHEDULE.reveal);
        let refused = Error::<Test>::WrongEarlier;
        assert_noop!(reveal_all(21, plain.clone(), none), refused);
        let refused = Error::<Test>::WrongEarlier;
        assert_noop!(reveal_all(22, plain.clone(), two), refused);
        assert_ok!(reveal_all(23, plain, earlier(&[None])));
    });
}

#[test]
fn scores_should_be_disclosed_until_the_second_round_after_is_settled() {
    run_sketched(|| {
        let raw = [70, 90, 80, 60];
        let skipped = entries([
            ScoreOutcome::Skipped(InfraFault::Disk),
            ScoreOutcome::Scored(900_000_000),
            ScoreOutcome::Scored(800_000_000),
            ScoreOutcome::Invalid(MinerFault::Weights),
        ]);
        go_to(SCHEDULE.commit);
        assert_ok!(commit(21, &skipped));
        assert_ok!(commit(22, &scored(raw)));
        go_to(SCHEDULE.reveal);
        assert_ok!(reveal(21, skipped));
        let asked =
            |who: u8, model: u8| Scoring::disclosed(0, 1, &account(who), &root(&account(model)));
        assert_eq!(asked(22, 1), None, "not revealed");
        let found = asked(21, 3).unwrap();
        assert_eq!((found.raw, found.samples_root), (800_000_000, ROOT));
        assert_eq!((found.place, found.models), (2, 4));
        assert_eq!(found.settled_at, None);
        assert_eq!(
            (asked(21, 1), asked(21, 4), asked(21, 9)),
            (None, None, None)
        );

        go_to(SCHEDULE.settle);
        assert_eq!(asked(21, 3).unwrap().settled_at, Some(SCHEDULE.settle));
        for round in [2, 3] {
            assert!(asked(21, 3).is_some(), "before round {round} is settled");
            let info = RoundInfo { round, ..info() };
            with(|n| n.rounds.insert((0, round), (info, Default::default())));
            go_to(SCHEDULE.settle + round);
            assert!(RoundResults::<Test>::contains_key(0, round));
        }
        assert_eq!(asked(21, 3), None);
        assert_eq!(Reveals::<Test>::iter().count(), 0);
    });
}

#[test]
fn all_rows_of_sketches_should_go_with_the_tasks_results() {
    run_sketched(|| {
        let models = [Some(bits(0)), Some(bits(13)), apart(2), apart(3)];
        agreed([70, 90, 80, 60], models, &[]);
        assert_eq!(Alike::<Test>::iter().count(), 1);
        assert_eq!(BestEarlier::<Test>::iter().count(), 1);
        Scoring::ended(0);
        go_to(SCHEDULE.settle + 10);
        let rows = Alike::<Test>::iter().count()
            + BestEarlier::<Test>::iter().count()
            + Reveals::<Test>::iter().count();
        assert_eq!(rows, 0);
    });
}
