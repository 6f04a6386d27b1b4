//! What attacks gain, on a few rounds of small worlds.

use arena_sim::{
    attack::Attack,
    config::{Change, Config, Scenario},
    run::{Trial, compare},
};

fn config(rounds: u32) -> Config {
    let mut config = Config::parse(include_str!("../attacks.toml")).expect("is valid");
    config.rounds = rounds;
    config.people.validators = 20;
    config.people.trainers = 6;
    config.rewards.committee = 0;
    config
}

fn play(config: &Config, attack: Attack, seed: u64) -> Trial {
    let scenario = Scenario {
        name: "test".into(),
        title: "test".into(),
        attack,
        change: Change::default(),
    };
    compare(config, &scenario, seed).expect("plays")
}

fn liars(stake: f64) -> Attack {
    Attack::Liars {
        stake,
        accounts: 4,
        honest_accounts: 4,
        lie: 0.01,
    }
}

#[test]
fn the_same_seed_should_play_the_same_game_and_another_one_another() {
    let mut config = config(5);
    config.rewards.committee = 5;
    let copier = || Attack::Copier {
        stake: 0.2,
        accounts: 1,
    };
    let first = play(&config, copier(), 1);
    assert_eq!(first, play(&config, copier(), 1));
    assert_ne!(first.gain, play(&config, copier(), 2).gain);
    assert_eq!(first.rounds, 6, "five of submissions and the last");
    assert!(first.honest_income > 0.0);
}

#[test]
fn splitting_a_validator_should_earn_nothing_where_everybody_scores() {
    let split = |into| Attack::SplitValidator { stake: 0.1, into };
    for into in [2, 10] {
        let trial = play(&config(5), split(into), 1);
        // More accounts may settle the last round a block later, so that all draw for one more.
        let blocks = 1.0 / 240.0;
        assert!(trial.others_gain.abs() <= blocks, "{trial:?}");
        let apart = trial.gain - trial.others_gain;
        assert!(apart.abs() < 1e-5, "{trial:?}");
        assert_eq!(trial.rounds_changed, 0);
    }
}

#[test]
fn splitting_a_trainer_should_earn_nothing_with_exact_copies() {
    let split = Attack::SplitTrainer {
        stake: 0.2,
        into: 5,
        start: 0.86,
        blemish: 0.0,
    };
    let by_stake = play(&config(5), split.clone(), 1);
    assert!(by_stake.gain.abs() < 1e-6, "{by_stake:?}");
    let mut by_head = config(5);
    by_head.rewards.rank = arena_primitives::RankRule::ByHead { alpha_milli: 1_000 };
    assert!(play(&by_head, split, 1).gain > 0.1);
}

#[test]
fn a_tenth_of_stake_should_move_no_rank_of_a_median_and_some_of_a_mean() {
    let mut config = config(12);
    // The honest agree exactly, so that nothing but lies moves a rank.
    config.models.own_noise = 0.0;
    let median = play(&config, liars(0.1), 1);
    assert_eq!(median.rounds_changed, 0);
    assert!(median.gain < 0.0, "{median:?}");
    config.rewards.aggregation = arena_primitives::Aggregation::Mean;
    assert!(play(&config, liars(0.1), 1).rounds_changed > 0);
}

#[test]
fn more_than_half_of_stake_should_move_ranks_of_a_median() {
    let mut config = config(12);
    config.models.own_noise = 0.0;
    // Four accounts have more than the cap of a tenth each would leave them.
    config.rewards.cap = arena_primitives::WeightCap::None;
    assert!(play(&config, liars(0.6), 1).rounds_changed > 0);
}

#[test]
fn withheld_reveals_should_cost_own_stake() {
    let withhold = Attack::Withhold {
        stake: 0.2,
        accounts: 4,
    };
    let mut config = config(10);
    // Below everybody else, so that nothing is ever revealed.
    config.models.theirs = 0.3;
    let trial = play(&config, withhold, 1);
    assert!(trial.attack_income < 0.0, "{trial:?}");
    assert!(trial.honest_income > 0.0, "{trial:?}");
}

#[test]
fn a_jumper_should_be_paid_for_few_rounds() {
    let trial = play(&config(20), Attack::Jumper { stake: 0.1 }, 1);
    assert!(trial.attack_income > 0.0, "{trial:?}");
    assert!(trial.gain < -0.7, "{trial:?}");
}

#[test]
fn an_own_task_should_draw_no_more_than_its_share() {
    let wash = |max_share| Attack::Wash {
        stake: 0.4,
        max_share,
    };
    let (low, high) = (
        play(&config(10), wash(0.01), 1),
        play(&config(10), wash(0.02), 1),
    );
    let ratio = high.attack_income / low.attack_income;
    assert!((ratio - 2.0).abs() < 0.01, "{ratio}");
    assert!(low.gain < -0.9, "{low:?}");
}

#[test]
fn a_model_served_to_few_should_earn_nothing() {
    let selective = Attack::Selective {
        stake: 0.2,
        accounts: 4,
        lie: 0.01,
    };
    let trial = play(&config(5), selective, 1);
    assert!(trial.honest_rank.is_some());
    assert_eq!(trial.attack_rank, None);
}

#[test]
fn a_leak_should_help_in_submission_rounds_alone() {
    let mut config = config(1);
    config.models.sample_noise = 0.0;
    let trial = play(&config, Attack::Leak { boost: 0.1 }, 1);
    // Of two rounds the first is changed, the last is not.
    assert_eq!((trial.rounds, trial.rounds_changed), (2, 1));
    assert!(trial.gain > 0.0, "{trial:?}");
}

#[test]
fn an_author_with_half_of_the_slots_should_choose_seeds_that_draw_its_validators() {
    let mut config = config(15);
    config.rewards.committee = 5;
    let grind = |slots| Attack::Grind {
        stake: 0.3,
        accounts: 12,
        slots,
    };
    let trial = play(&config, grind(0.5), 1);
    assert!(trial.chosen > 0, "{trial:?}");
    assert!(trial.gain > 0.0, "{trial:?}");
    let without = play(&config, grind(1e-9), 1);
    assert_eq!((without.chosen, without.gain), (0, 0.0));
}
