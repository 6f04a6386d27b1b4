//! Compares the crate with a file of golden vectors, section by section.
//!
//! `ref` values must be identical bit for bit; values that have only a `real`
//! must be within 2^-52. Trimmed means are not part of the crate and are skipped.

mod days;
mod number;
mod pieces;
mod rounds;

use number::{Check, Res};
use serde_json::Value;

type Section = (&'static str, fn(&mut Check, &Value) -> Res<()>);

const SECTIONS: [Section; 17] = [
    ("meta", pieces::meta),
    ("exp_neg", pieces::exp_neg),
    ("ref_exp2_neg_q64", pieces::exp2_neg),
    ("ref_log2_q64", pieces::log2),
    ("ref_error_bounds_measured", pieces::error_bounds),
    ("pow_ratio", pieces::pow_ratio),
    ("geometric", pieces::geometric),
    ("pool_split", pieces::pool_split),
    ("typo_check_validator_pool", pieces::typo_check),
    ("rank_flip_2pct", pieces::rank_flip),
    ("task_days", days::task_days),
    ("caps", pieces::caps),
    ("draw", pieces::draw),
    ("rank_by_stake", rounds::rank_by_stake),
    ("rounds", rounds::rounds),
    ("delegation", rounds::delegation),
    ("accumulator_trace", rounds::accumulator_trace),
];

/// Checks every section; the number of values compared in each, or the first
/// difference.
pub(crate) fn check(text: &str) -> Res<Vec<(&'static str, usize)>> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    check_value(&file)
}

/// [`check`], for a file already parsed.
pub(crate) fn check_value(file: &Value) -> Res<Vec<(&'static str, usize)>> {
    let sections = file.as_object().ok_or("not an object of sections")?;
    if let Some(unknown) = sections
        .keys()
        .find(|key| !SECTIONS.iter().any(|(name, _)| name == key))
    {
        return Err(format!("unknown section `{unknown}`"));
    }
    let mut counts = Vec::new();
    for (name, _) in SECTIONS {
        let section = sections
            .get(name)
            .ok_or_else(|| format!("section `{name}` is missing"))?;
        counts.push((name, check_section(name, section)?));
    }
    Ok(counts)
}

/// Checks one section; the number of values compared, or the first difference.
pub(crate) fn check_section(name: &str, section: &Value) -> Res<usize> {
    let known = SECTIONS.iter().find(|(known, _)| *known == name);
    let (_, run) = known.ok_or_else(|| format!("unknown section `{name}`"))?;
    let mut check = Check::default();
    run(&mut check, section).map_err(|error| format!("{name}: {error}"))?;
    if check.count == 0 {
        return Err(format!("{name}: nothing to check"));
    }
    Ok(check.count)
}
