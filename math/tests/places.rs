//! Ranks of rounds in which some models match earlier ones.

#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::stake;
use arena_math::{
    fixed::ONE_Q64,
    place::Place,
    rewards::{RankRule, ranks},
};
use proptest::{collection::vec, prelude::*, sample::Index};

const MOST: usize = 12;

/// Models in the order of their commitments: each one's score, and which earlier ones it matches.
#[derive(Clone, Debug)]
struct Round {
    scores: Vec<u32>,
    matches: Vec<Vec<usize>>,
}

fn round() -> impl Strategy<Value = Round> {
    let model = (0_u32..8, vec(any::<Index>(), 0..3), any::<bool>());
    vec(model, 1..MOST).prop_map(|models| {
        let earlier = |(at, (_, places, copies)): (usize, &(u32, Vec<Index>, bool))| {
            let matches = places.iter().filter(|_| *copies && at > 0);
            matches.map(|place| place.index(at)).collect()
        };
        Round {
            scores: models.iter().map(|(score, _, _)| *score).collect(),
            matches: models.iter().enumerate().map(earlier).collect(),
        }
    })
}

impl Round {
    fn places(&self) -> Vec<Place<u32>> {
        let mut places: Vec<Place<u32>> = Vec::new();
        for (score, matches) in self.scores.iter().zip(&self.matches) {
            let own = Place::of(*score);
            let place = matches
                .iter()
                .fold(own, |place, at| place.below(places[*at]));
            places.push(place);
        }
        places
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_024) })]

    #[test]
    fn a_match_ranks_below_all_that_it_copies_and_never_above_its_score(round in round()) {
        let places = round.places();
        for (at, matches) in round.matches.iter().enumerate() {
            prop_assert!(places[at] <= Place::of(round.scores[at]));
            prop_assert!(matches.iter().all(|earlier| places[at] < places[*earlier]));
        }
    }

    #[test]
    fn a_match_is_moved_no_further_than_just_below_one_that_it_copies(round in round()) {
        let places = round.places();
        for (at, matches) in round.matches.iter().enumerate() {
            let place = places[at];
            if place == Place::of(round.scores[at]) {
                continue;
            }
            let (score, copies) = place.parts();
            let above = Place::copied(score, copies - 1);
            prop_assert!(matches.iter().any(|earlier| places[*earlier] == above));
            // Nothing that copies nothing comes between them.
            let unrelated = (0..places.len()).filter(|other| round.matches[*other].is_empty());
            for other in unrelated {
                prop_assert!(places[other] >= above || places[other] < place);
            }
        }
    }

    #[test]
    fn models_that_match_none_keep_the_order_of_their_scores(round in round()) {
        let places = round.places();
        let unrelated = (0..places.len()).filter(|at| round.matches[*at].is_empty());
        let unrelated: Vec<usize> = unrelated.collect();
        for a in &unrelated {
            for b in &unrelated {
                let by_score = round.scores[*a].cmp(&round.scores[*b]);
                prop_assert_eq!(places[*a].cmp(&places[*b]), by_score);
            }
        }
    }

    #[test]
    fn a_round_without_matches_is_ranked_and_paid_by_its_scores_alone(
        keys in vec(prop::option::of(0_u32..5), 1..MOST),
        stakes in vec(stake(), MOST),
        pool in 0_u128..1 << 90,
        by_stake: bool,
    ) {
        let stakes = &stakes[..keys.len()];
        let places: Vec<_> = keys.iter().map(|key| key.map(Place::of)).collect();
        prop_assert_eq!(ranks(&places, stakes), ranks(&keys, stakes));
        let rule = if by_stake {
            RankRule::ByStake { depth: 20 }
        } else {
            RankRule::ByHead { alpha_q32: 1 << 31 }
        };
        let q_q64 = ONE_Q64 / 10 * 7;
        prop_assert_eq!(
            rule.payouts(&places, stakes, q_q64, pool),
            rule.payouts(&keys, stakes, q_q64, pool)
        );
    }
}
