//! Copies of models, on the real runtime: what validators sketch ranks the later one below.

use super::{journey::*, sanity::with_preset};
use crate::*;
use arena_primitives::{
    LikenessRule, MinerFault, ScoreOutcome, TaskSpec,
    traits::{Results, Rounds},
};
use pallet_arena_scoring::{BestEarlier, Sketches};

fn likeness_spec() -> TaskSpec {
    TaskSpec {
        likeness: Some(LikenessRule::DEFAULT),
        ..spec()
    }
}

#[test]
fn a_copy_should_rank_below_the_model_that_was_committed_to_first() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve(likeness_spec());
        enrol(task);
        // Both in one block: the smaller account is first.
        let (first, copy) = if account(TRAINERS[0]) < account(TRAINERS[1]) {
            (TRAINERS[0], TRAINERS[1])
        } else {
            (TRAINERS[1], TRAINERS[0])
        };
        let outcome = |trainer: &AccountId| match trainer {
            who if *who == account(copy) => ScoreOutcome::Scored(950_000_000),
            who if *who == account(first) => ScoreOutcome::Scored(800_000_000),
            _ => ScoreOutcome::Invalid(MinerFault::NonFinite),
        };
        for round in 1..=2 {
            submit_and_publish(task, round);
            let at = |key| ArenaTasks::committed_at(task, &root(key, 1));
            assert!(at(first).is_some() && at(first) == at(copy));
            let committed = commit_scores(task, round, outcome);
            reveal_scores(task, round, committed);
            assert_eq!(Sketches::<Runtime>::iter().count(), VALIDATORS.len());
            settle(task, round);
            assert_eq!(Sketches::<Runtime>::iter().count(), 0);
            let result = views::result(task, round).expect("is kept");
            let rank = |key| {
                let mut models = result.models.iter();
                models
                    .find(|model| model.trainer == account(key))
                    .and_then(|model| model.rank)
            };
            assert_eq!((rank(first), rank(copy)), (Some(1), Some(2)));
            let likeness = ArenaScoring::likeness(task, &root(copy, 1)).expect("is told");
            assert_eq!(likeness.earlier, root(first, 1));
            assert!(likeness.matches);
            let best = BestEarlier::<Runtime>::get(task);
            let roots: Vec<_> = best.iter().map(|model| model.manifest_root).collect();
            assert_eq!(roots, [root(first, 1)], "a copy is not listed");
        }
    });
}
