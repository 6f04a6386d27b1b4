use super::*;
use crate::{
    amount::Amount,
    template,
    verify::likeness::{Revealed, Sketches},
};
use arena_math::Listed;
use arena_primitives::{BlockNumber, EarlierModel, LikenessRule, ModelResult, RoundModel};
use sp_runtime::Perbill;
use std::collections::BTreeMap;

type Sketch = [u8; 32];

fn account(byte: u8) -> AccountId {
    AccountId::from([byte; 32])
}

fn spec() -> TaskSpec {
    let mut json = template::template(template::Preset::Default, template::Kind::Digits);
    json.name = "x".into();
    json.into_spec(std::path::Path::new(".")).unwrap()
}

fn inputs() -> Inputs {
    let model = |byte| RoundModel {
        trainer: account(byte),
        manifest_root: Hash::zero(),
    };
    let row = |a, b| vec![Some(Listed::Scored(a)), Some(Listed::Scored(b))];
    Inputs {
        models: vec![model(1), model(2)],
        trainer_stakes: vec![100, 200],
        validators: vec![account(3), account(4), account(5)],
        validator_stakes: vec![50, 60, 70],
        counted: BTreeMap::new(),
        revealed: vec![true, true, false],
        listed: vec![
            row(900_000_000, 700_000_000),
            row(900_000_000, 710_000_000),
            vec![None, None],
        ],
        sketches: None,
        has_data: true,
    }
}

fn stored(inputs: &Inputs, output: &RoundOutput, drawn: u128) -> views::Result {
    let spent: u128 = output
        .trainer_payouts
        .iter()
        .chain(&output.validator_payouts)
        .sum();
    views::Result {
        task: 1,
        round: 1,
        settled_at: 10,
        drawn: Amount(drawn),
        treasury: Amount(drawn - spent),
        unpaid: None,
        models: (0..inputs.models.len())
            .map(|i| views::Model {
                trainer: inputs.models[i].trainer.clone(),
                manifest_root: inputs.models[i].manifest_root,
                status: arena::ModelStatus::Scored,
                raw: None,
                score: output.consensus_q64[i].and_then(perbill),
                rank: output.ranks[i],
                reward: Amount(output.trainer_payouts[i]),
            })
            .collect(),
        validators: (0..inputs.validators.len())
            .filter(|i| inputs.revealed[*i])
            .map(|i| views::Validator {
                account: inputs.validators[i].clone(),
                distance: output.mean_distance[i],
                reward: Amount(output.validator_payouts[i]),
            })
            .collect(),
    }
}

#[test]
fn compare_should_find_every_changed_value_and_nothing_else() {
    let (spec, inputs) = (spec(), inputs());
    let Settled { output, likeness } = compute(&spec, &inputs, 1_000_000).unwrap();
    assert_eq!(likeness, [None, None]);
    let good = stored(&inputs, &output, 1_000_000);
    let differences = |stored: &views::Result| {
        let mut comparison = Comparison::default();
        compare(&mut comparison, &spec, &inputs, &output, stored);
        comparison.differences
    };
    assert!(differences(&good).is_empty(), "{:?}", differences(&good));
    type Change = fn(&mut views::Result);
    let changes: [Change; 6] = [
        |r| r.models[0].reward.0 += 1,
        |r| r.models[1].rank = None,
        |r| r.models[1].score = Some(1),
        |r| r.validators[0].reward.0 -= 1,
        |r| r.validators[1].distance = None,
        |r| r.treasury.0 += 1,
    ];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(differences(&bad).len(), 1);
    }
}

/// The first of so many bits set.
fn bits(count: usize) -> Option<Sketch> {
    let mut sketch = [0; 32];
    for bit in 0..count {
        sketch[bit / 8] |= 1 << (bit % 8);
    }
    Some(sketch)
}

/// Far from all others.
fn apart(model: usize) -> Option<Sketch> {
    Some([[0x0F; 32], [0xF0; 32], [0x33; 32], [0xCC; 32]][model])
}

/// A round of four models, committed to one block after the other, and three validators that
/// scored and sketched them alike: those of this seat onwards could not sketch.
fn sketched(percent: [u32; 4], sketches: [Option<Sketch>; 4], told: usize) -> Inputs {
    let models = [1, 2, 3, 4].map(|byte| RoundModel {
        trainer: account(byte),
        manifest_root: Hash::repeat_byte(byte),
    });
    let scores = percent.map(|percent| Some(Listed::Scored(percent * 10_000_000)));
    let revealed = |seat| Revealed {
        models: if seat < told { sketches } else { [None; 4] }.into(),
        earlier: Vec::new(),
    };
    Inputs {
        models: models.into(),
        trainer_stakes: vec![100; 4],
        validators: [5, 6, 7].map(account).into(),
        validator_stakes: vec![50; 3],
        counted: BTreeMap::new(),
        revealed: vec![true; 3],
        listed: vec![scores.into(); 3],
        sketches: Some(Sketches {
            rule: LikenessRule::DEFAULT,
            committed: [11, 12, 13, 14].map(Some).into(),
            earlier: Vec::new(),
            revealed: (0..3).map(|seat| Some(revealed(seat))).collect(),
        }),
        has_data: true,
    }
}

fn found(inputs: &Inputs) -> (Vec<Option<u32>>, Vec<Option<ModelLikeness>>) {
    let settled = compute(&spec(), inputs, 1_000_000).unwrap();
    (settled.output.ranks, settled.likeness)
}

fn like(earlier: u8, distance: u16, matches: bool) -> Option<ModelLikeness> {
    Some(ModelLikeness {
        earlier: Hash::repeat_byte(earlier),
        distance,
        matches,
    })
}

#[test]
fn a_match_should_rank_just_below_the_model_that_it_copies_and_a_flag_by_its_score() {
    let copy = sketched([70, 90, 80, 60], [bits(0), bits(13), apart(2), apart(3)], 3);
    let (ranks, likeness) = found(&copy);
    assert_eq!(ranks, [Some(2), Some(3), Some(1), Some(4)]);
    assert_eq!(likeness, [None, like(1, 13, true), None, None]);
    let flag = sketched([70, 90, 80, 60], [bits(0), bits(38), bits(77), apart(3)], 3);
    let (ranks, likeness) = found(&flag);
    assert_eq!(ranks, [Some(3), Some(1), Some(2), Some(4)]);
    assert_eq!(likeness, [None, like(1, 38, false), None, None]);
}

#[test]
fn a_copy_of_a_copy_should_rank_below_both() {
    let copies = sketched([60, 70, 80, 50], [bits(0), bits(10), bits(20), apart(3)], 3);
    let (ranks, likeness) = found(&copies);
    assert_eq!(ranks, [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(likeness[2], like(2, 10, true));
}

#[test]
fn two_thirds_of_the_weight_should_agree_on_a_sketch() {
    let sketches = [bits(0), bits(0), apart(2), apart(3)];
    let copied = |told| found(&sketched([70, 90, 80, 60], sketches, told)).1[1];
    assert_eq!(copied(3), like(1, 0, true));
    assert_eq!(copied(2), like(1, 0, true));
    assert_eq!(copied(1), None);
    // Who wasn't drawn for them says nothing of their sketches.
    let mut drawn = sketched([70, 90, 80, 60], sketches, 1);
    for row in &mut drawn.listed[1..] {
        row[0] = None;
        row[1] = None;
    }
    assert_eq!(found(&drawn).1, [None; 4], "and nothing without quorum");
}

#[test]
fn a_match_with_a_model_of_earlier_rounds_should_rank_below_its_best_score() {
    let mut round = sketched([90, 80, 74, 60], [bits(5), apart(1), apart(2), apart(3)], 3);
    let earlier = |root: u8, committed: Option<BlockNumber>| {
        let model = EarlierModel {
            trainer: account(9),
            manifest_root: Hash::repeat_byte(root),
            score: Perbill::from_percent(75),
        };
        vec![(model, committed)]
    };
    let sketches = round.sketches.as_mut().unwrap();
    sketches.earlier = earlier(99, Some(1));
    for row in sketches.revealed.iter_mut().flatten() {
        row.earlier = vec![bits(0)];
    }
    let (ranks, likeness) = found(&round);
    assert_eq!(ranks, [Some(2), Some(1), Some(3), Some(4)]);
    assert_eq!(likeness[0], like(99, 5, true));
    // Nothing is known of its commitment any more.
    round.sketches.as_mut().unwrap().earlier = earlier(99, None);
    assert_eq!(found(&round).0, [Some(1), Some(2), Some(3), Some(4)]);
}

#[test]
fn a_round_with_a_match_should_be_verified_only_with_its_sketches() {
    let mut inputs = sketched([70, 90, 80, 60], [bits(0), bits(13), apart(2), apart(3)], 3);
    let spec = spec();
    let chain = compute(&spec, &inputs, 1_000_000).unwrap();
    let good = stored(&inputs, &chain.output, 1_000_000);
    let rows: Vec<ModelResult> = inputs
        .models
        .iter()
        .zip(&chain.likeness)
        .map(|(model, likeness)| ModelResult {
            trainer: model.trainer.clone(),
            manifest_root: model.manifest_root,
            status: arena::ModelStatus::Scored,
            raw: None,
            score: None,
            rank: None,
            reward: 0,
            likeness: *likeness,
        })
        .collect();
    let different = |inputs: &Inputs| {
        let again = compute(&spec, inputs, 1_000_000).unwrap();
        let mut comparison = Comparison::default();
        compare(&mut comparison, &spec, inputs, &again.output, &good);
        compare_likeness(&mut comparison, &rows, &again.likeness);
        let names = comparison.differences.into_iter();
        names.map(|difference| difference.what).collect::<Vec<_>>()
    };
    assert!(different(&inputs).is_empty());
    inputs.sketches = None;
    let told = different(&inputs).join(", ");
    for part in [
        "rank of trainer",
        "payout of trainer",
        "likeness of the model",
    ] {
        assert!(told.contains(part), "{told}");
    }
}
