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

/// Where the integers are that the crate must have bit for bit.
const EXACT: [&str; 18] = [
    "LN2_Q64",
    "LOG2E_Q64",
    "perbill",
    "out_q64",
    "ref_q64",
    "ref",
    "seats_10",
    "percentile_88",
    "threshold",
    "weight",
    "ref_node",
    "ref_delegator_part",
    "ref_delegators",
    "ref_dust",
    "acc_q64",
    "paid",
    "funded",
    "dust",
];

/// Paths of the integers below `value`, of those under a key of [`EXACT`].
fn exact_paths(value: &Value, path: &str, exact: bool, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(items) => (0..).map(|i: usize| i.to_string()).zip(items).collect(),
        leaf if exact && increased(leaf).is_some() => return out.push(path.into()),
        _ => return,
    };
    for (key, child) in children {
        let exact = exact || EXACT.contains(&key.as_str());
        exact_paths(child, &format!("{path}/{key}"), exact, out);
    }
}

/// The integer and one more, written the same way.
fn increased(value: &Value) -> Option<Value> {
    if let Some(number) = value.as_u64() {
        return Some((number + 1).into());
    }
    let number: u128 = value.as_str()?.parse().ok()?;
    Some(number.checked_add(1)?.to_string().into())
}

/// The checker says where, when one integer of `section` is one unit larger.
fn flip(name: &str, section: &mut Value, path: &str) {
    let place = section.pointer_mut(path).expect(path);
    let old = place.clone();
    *place = increased(&old).expect(path);
    let error = support::check_section(name, section).expect_err(path);
    assert!(
        error.starts_with(name) && error.contains("computed"),
        "{path}: {error}"
    );
    *section.pointer_mut(path).expect(path) = old;
}

/// Every integer of every section, but of the largest cases only some: each flip
/// computes its case again.
#[test]
fn every_unit_counts() {
    let file = vectors();
    let mut flips = std::collections::BTreeMap::new();
    for (name, section) in file.as_object().expect("an object") {
        // One case at a time, so that not all are computed for each flip.
        let cases: Vec<Value> = match section {
            Value::Array(cases) => cases.iter().map(|case| [case.clone()].into()).collect(),
            whole => vec![whole.clone()],
        };
        for mut case in cases {
            let mut paths = Vec::new();
            exact_paths(&case, "", false, &mut paths);
            if name == "accumulator_trace" {
                // Elsewhere a total is input.
                let events = 0..case["trace"].as_array().map_or(0, Vec::len);
                paths.extend(events.map(|event| format!("/trace/{event}/total")));
            }
            let step = paths.len() / 100 + 1;
            for path in paths.iter().step_by(step) {
                flip(name, &mut case, path);
                *flips.entry(name.clone()).or_insert(0) += 1;
            }
        }
    }
    // The others have real values only.
    let sections = [
        "accumulator_trace",
        "caps",
        "delegation",
        "draw",
        "meta",
        "pow_ratio",
        "rank_by_stake",
        "ref_exp2_neg_q64",
        "ref_log2_q64",
        "rounds",
        "task_days",
    ];
    assert_eq!(flips.keys().collect::<Vec<_>>(), sections);
    assert!(flips.values().sum::<usize>() > 1_500, "{flips:?}");
}

/// Real values of each section, with a digit in front.
#[test]
fn every_real_value_counts() {
    let places = [
        ("exp_neg", "/3/exp_minus_x"),
        ("ref_exp2_neg_q64", "/2/real"),
        ("ref_log2_q64", "/3/real"),
        ("pow_ratio", "/5/ratio_pow"),
        ("geometric", "/6/g_normalised/1"),
        ("geometric", "/6/paper_prefix_times_qk/0"),
        ("pool_split", "/7/share_train"),
        ("pool_split", "/7/share_val"),
        ("pool_split", "/7/yield_train_per_stake_over_val"),
        (
            "typo_check_validator_pool",
            "/val_share_literal_sum_i_to_m_t",
        ),
        ("typo_check_validator_pool", "/literal_total"),
        ("rank_flip_2pct", "/mean/0"),
        ("rank_flip_2pct", "/median/1"),
        ("task_days", "/2/real/consensus/1"),
        ("task_days", "/2/real/share_val"),
        ("task_days", "/2/real/f_trainer/0"),
        ("task_days", "/2/real/ratio_validator/2"),
        ("task_days", "/2/real/sum_f"),
        ("task_days", "/2/real/validator_literal_sum_before_div_n"),
        ("rank_by_stake", "/40/real/1"),
        ("rounds", "/3/real/f_trainer/0"),
        ("rounds", "/3/real/ratio_validator/4"),
        ("rounds", "/3/real/consensus/0"),
        ("delegation", "/5/node_ratio"),
        ("delegation", "/5/delegator_ratio/0"),
        (
            "delegation",
            "/5/literal_total_if_denominator_is_tn_plus_own_td",
        ),
    ];
    for (section, path) in places {
        let path = format!("/{section}{path}");
        let file = vectors();
        let old = file.pointer(&path).and_then(Value::as_str).expect(&path);
        let error = after(&path, Value::from(format!("1{old}")));
        assert!(
            error.starts_with(section) && error.contains("computed"),
            "{path}: {error}"
        );
    }
    let error = after("/task_days/2/real/n_eff", 2.into());
    assert!(error.contains("n_eff"), "{error}");
    let error = after("/task_days/2/real/rank_block/0/1", 7.into());
    assert!(error.contains("rank_block"), "{error}");
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
