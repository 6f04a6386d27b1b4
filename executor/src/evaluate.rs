//! By hand: `evaluate`, `manifest` and `inspect`, with the same code as a job's.

use crate::{fault::describe, scoring};
use anyhow::{Context, Result, anyhow, bail, ensure};
use arena_models::{
    EvalOptions, Evaluation, Limits, Metric, ModelError, SampleLoss, Sink,
    manifest::{self, Manifest},
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Directory of the model.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Evaluation data: JSONL or safetensors.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// What is measured; by default what the model's family is measured by.
    #[arg(long)]
    metric: Option<MetricName>,
    /// Samples to draw; 0 takes all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    samples: u32,
    /// Seed of the draw, 32 bytes in hex.
    #[arg(long, value_parser = seed, default_value = "00", value_name = "HEX")]
    seed: Seed,
    /// Longest sample in tokens; longer ones are cut.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    context: u32,
    /// Tokens of one forward pass; changes the speed, not the score.
    #[arg(long, default_value_t = scoring::BATCH_TOKENS, value_name = "N")]
    batch_tokens: u32,
    /// Numeric profile.
    #[arg(long, default_value = "f32")]
    profile: Profile,
    /// What computes.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `manifest`.
#[derive(Debug, Args)]
pub(crate) struct ManifestOf {
    /// Directory of the model.
    dir: PathBuf,
    /// Write `manifest.scale` into the directory.
    #[arg(long)]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Directory of the model.
    dir: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MetricName {
    Accuracy,
    BitsPerByte,
}

impl From<MetricName> for Metric {
    fn from(name: MetricName) -> Self {
        match name {
            MetricName::Accuracy => Metric::Accuracy,
            MetricName::BitsPerByte => Metric::BitsPerByte,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    F32,
    Bf16,
    ExactCpuF32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Device {
    Cpu,
    Cuda,
}

/// Seed of a draw.
#[derive(Clone, Debug)]
struct Seed([u8; 32]);

fn seed(text: &str) -> Result<Seed, String> {
    let mut seed = [0u8; 32];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits == "00" {
        return Ok(Seed(seed));
    }
    hex::decode_to_slice(digits, &mut seed)
        .map_err(|error| format!("a seed is 32 bytes in hex: {error}"))?;
    Ok(Seed(seed))
}

fn refusal(error: impl Into<ModelError>) -> anyhow::Error {
    anyhow!("{}", describe(&scoring::fault(&error.into())))
}

/// Scores a model.
pub(crate) fn evaluate(args: &Evaluate) -> Result<()> {
    if matches!(args.device, Device::Cuda) {
        bail!(
            "this build has no CUDA; --device cpu computes the same score within the task's band"
        );
    }
    ensure!(
        matches!(args.profile, Profile::F32),
        "this release does not execute that profile; --profile f32 is what it has"
    );
    ensure!(args.data.is_file(), "{} is not a file", args.data.display());
    let limits = Limits::unlimited();
    let model = arena_models::inspect(&args.model, None, &limits).map_err(refusal)?;
    let options = EvalOptions {
        metric: args
            .metric
            .map_or(model.architecture.metric(), Metric::from),
        samples: usize::try_from(args.samples)?,
        seed: args.seed.0,
        context: usize::try_from(args.context)?,
        batch_tokens: usize::try_from(args.batch_tokens)?,
        profile: arena_models::Profile::F32,
        base: None,
        limits,
    };
    let mut shown = Shown::new();
    let started = Instant::now();
    let scored = arena_models::evaluate(&args.model, &args.data, &options, &mut shown);
    shown.bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    print(
        options.metric,
        &scored.map_err(refusal)?,
        seconds,
        args.json,
    );
    Ok(())
}

/// The score in the metric's own unit: its name and value.
fn value(metric: Metric, raw: u64) -> (&'static str, f64) {
    let value = raw as f64 / 1e9;
    match metric {
        Metric::Accuracy => ("accuracy", value),
        Metric::BitsPerByte => ("bits_per_byte", value),
    }
}

fn print(metric: Metric, found: &Evaluation, seconds: f64, as_json: bool) {
    let (name, value) = value(metric, found.raw);
    let speed = if seconds > 0.0 {
        found.tokens as f64 / seconds
    } else {
        0.0
    };
    let root = format!("0x{}", hex::encode(found.samples_root));
    if as_json {
        let out = json!({
            "raw": found.raw, name: value, "nll_nats": found.nll_nats, "tokens": found.tokens,
            "bytes": found.bytes, "samples": found.samples, "skipped": found.skipped,
            "samples_root": root, "profile": "f32", "device": scoring::DEVICE,
            "seconds": seconds, "tokens_per_second": speed,
        });
        println!("{out}");
        return;
    }
    println!("{name:<18}{value:.6} (raw {})", found.raw);
    println!("{:<18}{:.6}", "nll, nats", found.nll_nats);
    println!(
        "{:<18}{} ({} skipped)",
        "samples", found.samples, found.skipped
    );
    println!("{:<18}{} of {} bytes", "tokens", found.tokens, found.bytes);
    println!("{:<18}{root}", "samples root");
    println!(
        "{:<18}f32 on {}, {seconds:.1} s, {speed:.0} tokens/s",
        "computed",
        scoring::DEVICE
    );
}

/// Shows progress on a terminal.
struct Shown {
    bar: ProgressBar,
}

impl Shown {
    fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {pos}/{len} samples, {eta} left")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }
}

impl Sink for Shown {
    fn start(&mut self, total: usize) -> Vec<SampleLoss> {
        self.bar.set_length(total as u64);
        Vec::new()
    }

    fn sample(&mut self, _: &SampleLoss) {
        self.bar.inc(1);
    }
}

/// Prints, and writes if it is told to, the manifest of a directory.
pub(crate) fn manifest(args: &ManifestOf) -> Result<()> {
    let found = Manifest::of_dir(&args.dir).map_err(refusal)?;
    let root = format!("0x{}", hex::encode(found.root()));
    if args.write {
        write_manifest(&args.dir, &found.encode())?;
    }
    if args.json {
        let files: Vec<_> = found
            .files
            .iter()
            .map(|file| {
                json!({"path": file.path, "size": file.size, "blake3": hex::encode(file.blake3)})
            })
            .collect();
        println!("{}", json!({"root": root, "files": files}));
        return Ok(());
    }
    println!("root  {root}");
    for file in &found.files {
        println!(
            "{}  {:>14}  {}",
            hex::encode(file.blake3),
            file.size,
            file.path
        );
    }
    Ok(())
}

fn write_manifest(dir: &Path, bytes: &[u8]) -> Result<()> {
    let path = dir.join(manifest::FILE_NAME);
    let mut file = tempfile::NamedTempFile::new_in(dir)
        .with_context(|| format!("cannot write below {}", dir.display()))?;
    std::io::Write::write_all(&mut file, bytes)?;
    // A temporary file is its owner's alone; a manifest is for everybody.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(open)?;
    file.as_file().sync_all()?;
    file.persist(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Says what a model is.
pub(crate) fn inspect(args: &Inspect) -> Result<()> {
    let model = arena_models::inspect(&args.dir, None, &Limits::unlimited()).map_err(refusal)?;
    println!("architecture  {}", model.architecture);
    println!("parameters    {}", model.parameters);
    println!("bytes         {}", model.bytes);
    Ok(())
}
