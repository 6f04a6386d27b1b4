//! Specs to start from: the columns of protocol section 11.

use crate::{
    amount::Nano,
    fail::bad_input,
    likeness::LikenessJson,
    names::profile,
    out::{self, Out},
    spec::{DataJson, KnownData, ModelJson, RewardsJson, SpecJson, warnings},
};
use anyhow::Result;
use arena_primitives::{
    Aggregation, Architecture, Metric, NumericProfile, RankRule, TaskSpec, WeightCap,
};
use clap::ValueEnum;
use codec::Encode;
use serde::Serialize;
use std::path::Path;

/// Reward parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Robust against split stake and few dishonest validators.
    Default,
    /// The paper's.
    Paper,
}

/// What the task is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Classifiers of small pictures.
    Digits,
    /// Small language models.
    Language,
}

/// A spec to start from; the data's hash, size and mirror are to be replaced.
pub(crate) fn template(preset: Preset, kind: Kind) -> SpecJson {
    let (name, metric, worst, architectures, context) = match kind {
        Kind::Digits => (
            "Handwritten digits",
            Metric::Accuracy,
            Nano(100_000_000),
            vec![Architecture::Mlp, Architecture::Cnn],
            0,
        ),
        Kind::Language => (
            "Small language model",
            Metric::BitsPerByte,
            Nano(8_000_000_000),
            vec![Architecture::Llama],
            256,
        ),
    };
    SpecJson {
        name: name.into(),
        licence: "Apache-2.0".into(),
        metric,
        worst,
        profile: NumericProfile::F32,
        data: DataJson::Known(KnownData {
            blake3: "00".repeat(32),
            bytes: 1,
            uris: vec!["https://example.org/data.bin".into()],
            samples: 0,
        }),
        model: ModelJson {
            architectures,
            max_parameters: 20_000_000,
            max_bytes: 100_000_000,
            max_seconds: 60,
            context,
            tokenizer: None,
            base: None,
        },
        rounds: 3,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 6,
        rewards: rewards(preset),
        baseline: Nano(0),
        likeness: LikenessJson::default_rule(),
        registered: false,
    }
}

fn rewards(preset: Preset) -> RewardsJson {
    let default = RewardsJson {
        gamma: Nano(350_000_000),
        q: Nano(700_000_000),
        rank: RankRule::ByStake { depth: 20 },
        lambda_milli: 50_000,
        band: Nano(1_000_000),
        alpha_v_milli: 1_000,
        aggregation: Aggregation::Median,
        cap: WeightCap::Seats(10),
        committee: 0,
        min_scorers: 2,
        min_trainers: 2,
        max_leverage: 20,
    };
    match preset {
        Preset::Default => default,
        Preset::Paper => RewardsJson {
            gamma: Nano(700_000_000),
            rank: RankRule::ByHead { alpha_milli: 1_000 },
            band: Nano(0),
            aggregation: Aggregation::Mean,
            cap: WeightCap::None,
            min_scorers: 1,
            min_trainers: 1,
            max_leverage: 0,
            ..default
        },
    }
}

/// Prints a template; always JSON.
pub(crate) fn print(preset: Preset, kind: Kind) -> Result<()> {
    Out { json: true }.show(&template(preset, kind), |_| String::new())
}

/// What `spec check` found.
#[derive(Serialize)]
struct Checked {
    valid: bool,
    /// Of the encoded spec.
    bytes: usize,
    /// What the chain takes all the same.
    warnings: Vec<&'static str>,
    /// With hashes and sizes filled in.
    spec: SpecJson,
}

/// Checks a spec without a chain.
pub(crate) fn check(out: Out, path: &Path) -> Result<()> {
    let spec = read(path)?;
    let view = Checked {
        valid: true,
        bytes: spec.encode().len(),
        warnings: warnings(&spec),
        spec: SpecJson::from_spec(&spec),
    };
    out.show(&view, |view| {
        let pairs = out::pairs([
            ("name", view.spec.name.clone()),
            ("metric", format!("{:?}", view.spec.metric)),
            ("profile", profile(view.spec.profile).into()),
            ("base", base(&view.spec)),
            (
                "rounds",
                format!(
                    "{} of {} minutes",
                    view.spec.rounds, view.spec.round_minutes
                ),
            ),
            ("encoded", format!("{} bytes", view.bytes)),
        ]);
        let warnings: String = view
            .warnings
            .iter()
            .map(|warning| format!("\nwarning: {warning}"))
            .collect();
        format!(
            "✓ {} is valid; the chain also checks it against its clock\n{pairs}{warnings}",
            path.display()
        )
    })
}

/// What adapters may be submitted on, for people.
fn base(spec: &SpecJson) -> String {
    spec.model.base.as_ref().map_or_else(
        || "none: whole models only".into(),
        |base| format!("{} at {}", base.manifest_root, base.uris.join(" or ")),
    )
}

/// Reads a spec; what is wrong with it is the caller's mistake.
pub(crate) fn read(path: &Path) -> Result<TaskSpec> {
    SpecJson::read(path).map_err(|why| bad_input(format!("{why:#}")))
}
