//! What a task would say of a model, told before anything is staked.

use crate::{
    amount::{Nano, percent},
    args::CheckArgs,
    chain::{Chain, results, task},
    fail::bad_input,
    names,
    out::{self, Out},
    spec::{self, SpecJson},
    tasks,
};
use anyhow::{Result, anyhow};
use arena_models::{EvalOptions, Fault, Limits, Manifest, Profile, SampleLoss, Sink};
use arena_primitives::{
    Architecture, BaseModel, DataSource, Metric, ModelBounds, NumericProfile, TaskSpec, Uris,
};
use indicatif::ProgressBar;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// Padded tokens of one forward pass.
const BATCH_TOKENS: usize = 1024;
/// What a directory with a LoRA adapter has, and what only one with a whole model has.
const ADAPTER_CONFIG: &str = "adapter_config.json";
const MODEL_CONFIG: &str = "config.json";

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    architecture: String,
    parameters: u64,
    bytes: u64,
    /// How it was computed: by the task's profile.
    profile: &'static str,
    /// In the metric's unit × 10⁹.
    raw: u64,
    /// In Perbill.
    score: u32,
    /// Must be above it to earn, in Perbill.
    baseline: u32,
    samples: u32,
    /// Of computing, here, on all of the data.
    seconds: f64,
    /// What a round, which draws its samples from that, would have taken of it.
    round_seconds: f64,
    /// Of sketching it, here, where the task compares models.
    sketch_seconds: Option<f64>,
    /// When a validator stops.
    max_seconds: u32,
    /// Whether a validator as slow as this machine would be done before.
    in_time: bool,
    /// Whether the data is what the task's rounds draw from.
    own_data: bool,
    /// The place that the score would have had in the last settled round, and of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<(usize, usize)>,
    #[serde(skip)]
    metric: Metric,
}

/// Checks a model against a spec file, or a task of the chain.
pub(crate) async fn check(out: Out, url: &str, args: CheckArgs) -> Result<()> {
    let (spec, others) = match (&args.spec, args.task) {
        (Some(path), _) => (SpecJson::read(path)?, Vec::new()),
        (None, Some(id)) => of_task(&Chain::connect(url).await?, id).await?,
        (None, None) => return Err(bad_input("name a task or a spec")),
    };
    let (data, own_data) = data_of(&spec, args.data.as_deref())?;
    let base = base_of(spec.model.base.as_ref(), args.base, &args.model)?;
    let mut found = evaluate(&spec, &args.model, base.clone(), &data, own_data)?;
    if spec.likeness.is_some() {
        found.sketch_seconds = Some(sketch(&args.model, base.as_deref())?);
    }
    found.place = place(found.score, &others);
    out.show(&found, human)
}

/// A task's spec, and the scores of its last settled round.
async fn of_task(chain: &Chain, id: u32) -> Result<(TaskSpec, Vec<u32>)> {
    let at = chain.best().await?;
    let view = task(&at, id).await?;
    let last = results(&at, &view).await?.pop();
    let scores = last.map(|result| result.models.into_iter().filter_map(|model| model.score));
    let scores = scores.into_iter().flatten().collect();
    Ok((tasks::spec(&at, id).await?, scores))
}

/// The file to evaluate on, and whether it is the task's own.
fn data_of(spec: &TaskSpec, given: Option<&Path>) -> Result<(PathBuf, bool)> {
    let DataSource::Public(public) = &spec.data else {
        let given = given.ok_or_else(|| {
            bad_input("the task's data is sealed: name data of your own with --data")
        })?;
        return Ok((given.to_path_buf(), false));
    };
    let given = given.map(Path::to_path_buf);
    let path = given.or_else(|| local(&public.uris)).ok_or_else(|| {
        bad_input(format!(
            "fetch the task's data from {} and name it with --data",
            spec::texts(&public.uris).join(" or ")
        ))
    })?;
    let (blake3, _) = spec::hash_file(&path)?;
    Ok((path, blake3 == public.blake3))
}

/// The first mirror that is on this machine.
fn local(uris: &Uris) -> Option<PathBuf> {
    uris.iter().find_map(|uri| {
        let text = std::str::from_utf8(uri).ok()?;
        Some(PathBuf::from(text.strip_prefix("file://")?))
    })
}

/// The directory of the model that an adapter is applied to; it is the task's base to the byte.
/// `None` where the model is whole.
fn base_of(
    base: Option<&BaseModel>,
    given: Option<PathBuf>,
    model: &Path,
) -> Result<Option<PathBuf>> {
    let Some(base) = base else {
        return match given {
            Some(_) => Err(bad_input(
                "--base: the task names no base model and takes whole models only; leave it out",
            )),
            None => Ok(None),
        };
    };
    let has = |name| model.join(name).is_file();
    if given.is_none() && (has(MODEL_CONFIG) || !has(ADAPTER_CONFIG)) {
        return Ok(None);
    }
    let dir = given.or_else(|| local(&base.uris)).ok_or_else(|| {
        bad_input(format!(
            "the model is an adapter: fetch the task's base model from {} and name its directory \
             with --base",
            spec::texts(&base.uris).join(" or ")
        ))
    })?;
    let manifest = Manifest::of_dir(&dir)
        .map_err(|why| bad_input(format!("--base: {}: {why}", dir.display())))?;
    if manifest.root() == base.manifest_root.0 {
        return Ok(Some(dir));
    }
    Err(bad_input(format!(
        "--base: {} is not the task's base model: its manifest has the root 0x{}, the task names \
         {:?}; it must hold exactly the files of the base's manifest",
        dir.display(),
        hex::encode(manifest.root()),
        base.manifest_root
    )))
}

fn architecture(wire: Architecture) -> arena_models::Architecture {
    match wire {
        Architecture::Mlp => arena_models::Architecture::Mlp,
        Architecture::Cnn => arena_models::Architecture::Cnn,
        Architecture::Llama => arena_models::Architecture::Llama,
        Architecture::Mistral => arena_models::Architecture::Mistral,
        Architecture::Qwen2 => arena_models::Architecture::Qwen2,
        Architecture::Qwen3 => arena_models::Architecture::Qwen3,
        Architecture::Phi3 => arena_models::Architecture::Phi3,
        Architecture::Gemma2 => arena_models::Architecture::Gemma2,
        Architecture::Gemma3 => arena_models::Architecture::Gemma3,
        Architecture::Gpt2 => arena_models::Architecture::Gpt2,
        Architecture::Bert => arena_models::Architecture::Bert,
    }
}

fn metric(wire: Metric) -> arena_models::Metric {
    match wire {
        Metric::Accuracy => arena_models::Metric::Accuracy,
        Metric::BitsPerByte => arena_models::Metric::BitsPerByte,
    }
}

fn profile(wire: NumericProfile) -> Profile {
    match wire {
        NumericProfile::ExactCpuF32 => Profile::ExactCpuF32,
        NumericProfile::F32 => Profile::F32,
        NumericProfile::Bf16 => Profile::Bf16,
    }
}

fn limits(bounds: &ModelBounds) -> Limits {
    let architectures = bounds.architectures.iter().copied().map(architecture);
    Limits {
        architectures: architectures.collect(),
        max_parameters: bounds.max_parameters,
        max_bytes: bounds.max_bytes,
        context: usize::try_from(bounds.context).unwrap_or(usize::MAX),
        tokenizer: bounds.tokenizer,
    }
}

/// All samples, since nobody knows which ones a round will draw.
fn evaluate(
    spec: &TaskSpec,
    model: &Path,
    base: Option<PathBuf>,
    data: &Path,
    own_data: bool,
) -> Result<Checked> {
    if !data.is_file() {
        return Err(bad_input(format!("{} is not a file", data.display())));
    }
    let limits = limits(&spec.model);
    let info = arena_models::inspect(model, base.as_deref(), &limits).map_err(refused)?;
    let options = EvalOptions {
        metric: metric(spec.metric),
        samples: 0,
        seed: [0; 32],
        context: limits.context,
        batch_tokens: BATCH_TOKENS,
        profile: profile(spec.profile),
        device: arena_models::Device::Cpu,
        base,
        limits,
    };
    let mut shown = Shown {
        bar: out::bar(0, "{bar:30} {pos}/{len} samples [{eta} left]"),
        total: 0,
    };
    let started = Instant::now();
    let scored = arena_models::evaluate(model, data, &options, &mut shown);
    let seconds = started.elapsed().as_secs_f64();
    shown.bar.finish_and_clear();
    let scored = scored.map_err(refused)?;
    let round_seconds = of_round(seconds, shown.total, samples(&spec.data));
    Ok(Checked {
        architecture: info.architecture.to_string(),
        parameters: info.parameters,
        bytes: info.bytes,
        profile: names::profile(spec.profile),
        raw: scored.raw,
        score: spec.score(scored.raw).deconstruct(),
        baseline: spec.baseline.deconstruct(),
        samples: scored.samples,
        seconds,
        round_seconds,
        sketch_seconds: None,
        max_seconds: spec.model.max_seconds,
        in_time: round_seconds <= f64::from(spec.model.max_seconds),
        own_data,
        place: None,
        metric: spec.metric,
    })
}

/// How many seconds a sketch of the model takes.
fn sketch(model: &Path, base: Option<&Path>) -> Result<f64> {
    let started = Instant::now();
    arena_models::sketch::sketch(model, base, [0; 32]).map_err(refused)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Samples of a round; 0 takes all.
fn samples(data: &DataSource) -> u32 {
    match data {
        DataSource::Public(data) => data.samples,
        DataSource::Sealed(data) => data.samples,
    }
}

/// What of the seconds that all samples took is the part of those that a round draws.
fn of_round(seconds: f64, total: usize, drawn: u32) -> f64 {
    match usize::try_from(drawn) {
        Ok(count) if count > 0 && count < total => seconds * f64::from(drawn) / total as f64,
        _ => seconds,
    }
}

/// A refusal that says what validators would reveal.
fn refused(error: arena_models::ModelError) -> anyhow::Error {
    match error.fault {
        fault if fault.is_models() => {
            anyhow!("every validator would reveal this model as invalid: {error}")
        }
        Fault::Data => bad_input(format!("--data: {error}")),
        _ => anyhow!("{error}"),
    }
}

/// The place of a score among others, and how many there are with it. `None` without others.
fn place(score: u32, others: &[u32]) -> Option<(usize, usize)> {
    let better = others.iter().filter(|other| **other > score).count();
    (!others.is_empty()).then(|| (better.saturating_add(1), others.len().saturating_add(1)))
}

fn human(found: &Checked) -> String {
    let raw = match found.metric {
        Metric::Accuracy => format!(
            "accuracy {}",
            percent(u32::try_from(found.raw).unwrap_or(u32::MAX))
        ),
        Metric::BitsPerByte => format!("{} bits per byte", Nano(found.raw)),
    };
    let verdict = if found.score > found.baseline {
        "above the baseline"
    } else {
        "NOT above the baseline: it would earn nothing"
    };
    let data = if found.own_data {
        "the task's; a round draws from it"
    } else {
        "not the task's: the score there may differ"
    };
    let place = found.place.map_or_else(
        || "no round is settled".into(),
        |(place, of)| format!("{place} of {of} by the last settled round"),
    );
    let pairs = out::pairs([
        ("model", found.architecture.clone()),
        ("parameters", found.parameters.to_string()),
        ("bytes", found.bytes.to_string()),
        (
            "measured",
            format!("{raw} over {} samples, in {}", found.samples, found.profile),
        ),
        (
            "score",
            format!(
                "{}, {verdict} of {}",
                percent(found.score),
                percent(found.baseline)
            ),
        ),
        ("place", place),
        ("time", time(found)),
        ("data", data.into()),
    ]);
    format!("{pairs}{}", late(found))
}

fn time(found: &Checked) -> String {
    let drawn = if found.round_seconds < found.seconds {
        format!(", {:.1} s for what a round draws", found.round_seconds)
    } else {
        String::new()
    };
    let sketched = found.sketch_seconds.map_or_else(String::new, |seconds| {
        format!(", and {seconds:.1} s for its sketch")
    });
    format!(
        "{:.1} s here{drawn}{sketched}; a validator stops scoring after {} s",
        found.seconds, found.max_seconds
    )
}

/// What comes of a model that takes longer than the task allows.
fn late(found: &Checked) -> String {
    if found.in_time {
        return String::new();
    }
    format!(
        "\nwarning: a validator as slow as this machine would stop after {} s and reveal the \
         model as Skipped(Timeout); unless faster ones hold two thirds of the weight that is \
         revealed, it earns nothing. Make the model smaller, or check it again while nothing \
         else runs here",
        found.max_seconds
    )
}

struct Shown {
    bar: ProgressBar,
    /// Samples of the data.
    total: usize,
}

impl Sink for Shown {
    fn start(&mut self, total: usize) -> Vec<SampleLoss> {
        self.total = total;
        self.bar.set_length(total as u64);
        Vec::new()
    }

    fn sample(&mut self, _: &SampleLoss) {
        self.bar.inc(1);
    }
}

#[cfg(test)]
mod tests;
