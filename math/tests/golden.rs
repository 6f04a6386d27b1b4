//! The crate agrees with its golden vectors, and the comparison notices when it
//! does not.

mod support;

use serde_json::Value;

const VECTORS: &str = include_str!("../vectors/golden_rewards.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).expect("the vectors are JSON")
}

/// What the checker says after `value` at `path` was replaced.
fn after(path: &str, value: Value) -> String {
    let mut file = vectors();
    *file.pointer_mut(path).expect(path) = value;
    support::check_value(&file).expect_err(path)
}

#[test]
fn all_sections_agree() {
    let counts = support::check(VECTORS).expect("the crate agrees with its vectors");
    assert!(
        counts.iter().map(|(_, count)| count).sum::<usize>() > 4_000,
        "{counts:?}"
    );
}

/// One planck, or one unit in the last place, is a difference.
#[test]
fn one_unit_is_noticed() {
    let places = [
        "/ref_exp2_neg_q64/2/out_q64",
        "/ref_log2_q64/5/out_q64",
        "/pow_ratio/9/ref_q64",
        "/task_days/3/ref/consensus_q64/1",
        "/task_days/2/ref/trainer_payout/1",
        "/task_days/34/ref/validator_payout/390",
        "/caps/0/seats_10/0",
        "/draw/1/weight",
        "/rank_by_stake/40/ref/2",
        "/rounds/3/ref/validator_payout/7",
        "/rounds/0/ref/validator_pot_to_treasury",
        "/delegation/5/ref_delegators/0",
        "/accumulator_trace/trace/4/acc_q64",
        "/accumulator_trace/dust",
    ];
    for path in places {
        let file = vectors();
        let old: u128 = file
            .pointer(path)
            .and_then(Value::as_str)
            .expect(path)
            .parse()
            .expect(path);
        let error = after(path, Value::from((old + 1).to_string()));
        let section = path.split('/').nth(1).expect(path);
        assert!(
            error.starts_with(section) && error.contains("computed"),
            "{path}: {error}"
        );
    }
}

#[test]
fn a_real_value_beyond_the_bound_is_noticed() {
    // e^-1 is 0.36787944117144232…
    assert!(after("/exp_neg/6/exp_minus_x", Value::from("0.367879441171443")).contains("2^-52"));
    assert!(
        after(
            "/pool_split/1/share_train",
            Value::from("0.2500000000000003")
        )
        .contains("2^-52")
    );
}

#[test]
fn malformed_files_are_refused() {
    assert!(
        support::check("{")
            .expect_err("not JSON")
            .contains("not JSON")
    );
    assert!(
        support::check("[]")
            .expect_err("no object")
            .contains("object")
    );
    assert!(after("/rounds/0/in/R0", Value::from("many")).contains("not an unsigned integer"));
    assert!(after("/draw", Value::Array(Vec::new())).contains("nothing to check"));
    let mut file = vectors();
    let sections = file.as_object_mut().expect("an object");
    let rounds = sections.remove("rounds").expect("rounds");
    assert!(
        support::check_value(&file)
            .expect_err("missing")
            .contains("`rounds` is missing")
    );
    let sections = file.as_object_mut().expect("an object");
    sections.insert("rounds".into(), rounds);
    sections.insert("more".into(), Value::Null);
    assert!(
        support::check_value(&file)
            .expect_err("unknown")
            .contains("unknown section `more`")
    );
}
