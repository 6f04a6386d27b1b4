//! By hand: `evaluate`, `manifest` and `inspect`, with the same code as a job's.

use crate::{directory, fault::describe, scoring};
use anyhow::{Context, Result, anyhow, bail};
use arena_models::{
    Device, EvalOptions, Evaluation, Limits, Metric, ModelError, SampleLoss, Sink,
    manifest::{self, Manifest},
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Directory of the model, or of the adapter.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Directory of the model that the adapter in --model belongs to.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Evaluation data: JSONL or safetensors.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// What is measured; by default what the model's family is measured by.
    #[arg(long)]
    metric: Option<MetricName>,
    /// Samples to draw; 0 takes all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    samples: u32,
    /// Seed of the draw: a number, or 32 bytes in hex as a task's rounds have them.
    #[arg(long, default_value = "0", value_name = "SEED")]
    seed: Seed,
    /// Longest sample in tokens; longer ones are cut.
    #[arg(long, default_value_t = 1024, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..))]
    context: u32,
    /// Tokens of one forward pass, by default what suits the device; changes the speed and the
    /// memory taken, not the score.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_tokens: Option<u32>,
    /// Numeric profile: the task's, for the task's score.
    #[arg(long, default_value = "f32")]
    profile: Profile,
    /// What computes: cpu, cuda, or cuda:N for the N-th one.
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
    /// Directory of the model, or of the adapter.
    dir: PathBuf,
    /// Directory of the model that the adapter belongs to.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
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
    /// Fixed order of every sum: the same bits on every machine.
    ExactCpuF32,
    /// The fastest kernels of the machine, in f32.
    F32,
    /// The same with weights in bf16.
    Bf16,
}

impl From<Profile> for arena_models::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::ExactCpuF32 => Self::ExactCpuF32,
            Profile::F32 => Self::F32,
            Profile::Bf16 => Self::Bf16,
        }
    }
}

/// Seed of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seed([u8; 32]);

impl FromStr for Seed {
    type Err = String;

    /// 64 hex digits are the seed's bytes; a number is the first eight, little-endian.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut seed = [0u8; 32];
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if hex::decode_to_slice(digits, &mut seed).is_ok() {
            return Ok(Self(seed));
        }
        let number: u64 = text.parse().map_err(|_| {
            "a seed is a number below 2^64, or 32 bytes in hex (64 digits)".to_owned()
        })?;
        seed = [0; 32];
        if let Some(start) = seed.first_chunk_mut() {
            *start = number.to_le_bytes();
        }
        Ok(Self(seed))
    }
}

fn refusal(error: impl Into<ModelError>) -> anyhow::Error {
    anyhow!("{}", describe(&scoring::fault(&error.into())))
}

fn check_directories(dir: &Path, base: Option<&Path>) -> Result<()> {
    directory::check(dir)?;
    base.map_or(Ok(()), directory::check)?;
    if base.is_none() && arena_models::is_adapter(dir) {
        bail!(
            "{} holds an adapter; name the model that it belongs to with --base DIR",
            dir.display()
        );
    }
    Ok(())
}

/// Scores a model.
pub(crate) fn evaluate(args: &Evaluate) -> Result<()> {
    // Before anything is read: another device would never take its place.
    let device = args.device.describe().map_err(refusal)?;
    let base = args.base.as_deref();
    check_directories(&args.model, base)?;
    directory::check_file(&args.data)?;
    let limits = Limits::unlimited();
    let model = arena_models::inspect(&args.model, base, &limits).map_err(refusal)?;
    let metric = args.metric.map(Metric::from);
    let batch_tokens = args.batch_tokens;
    let batch_tokens = batch_tokens.unwrap_or_else(|| scoring::batch_tokens(args.device));
    let options = EvalOptions {
        metric: metric.unwrap_or(model.architecture.metric()),
        samples: usize::try_from(args.samples)?,
        seed: args.seed.0,
        context: usize::try_from(args.context)?,
        batch_tokens: usize::try_from(batch_tokens)?,
        profile: args.profile.into(),
        device: args.device,
        base: args.base.clone(),
        limits,
    };
    let mut shown = Shown::new();
    let started = Instant::now();
    let scored = arena_models::evaluate(&args.model, &args.data, &options, &mut shown);
    shown.bar.finish_and_clear();
    let report = Report::of(
        &options,
        &scored.map_err(refusal)?,
        device,
        started.elapsed().as_secs_f64(),
    );
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => report.print(),
    }
    Ok(())
}

/// What `evaluate` prints.
#[derive(Debug, Serialize)]
struct Report {
    nll_nats: f64,
    tokens: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_per_byte: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    samples: u32,
    skipped: u32,
    samples_root: String,
    profile: String,
    device: String,
    seconds: f64,
    tokens_per_second: f64,
}

impl Report {
    fn of(options: &EvalOptions, found: &Evaluation, device: String, seconds: f64) -> Self {
        let value = |metric| (options.metric == metric).then_some(found.raw as f64 / 1e9);
        Self {
            nll_nats: found.nll_nats,
            tokens: found.tokens,
            bytes: found.bytes,
            bits_per_byte: value(Metric::BitsPerByte),
            accuracy: value(Metric::Accuracy),
            samples: found.samples,
            skipped: found.skipped,
            samples_root: format!("0x{}", hex::encode(found.samples_root)),
            profile: options.profile.to_string(),
            device,
            seconds,
            tokens_per_second: match seconds > 0.0 {
                true => found.tokens as f64 / seconds,
                false => 0.0,
            },
        }
    }

    fn print(&self) {
        let row = |name: &str, value: String| println!("{name:<14}  {value}");
        let scores = [
            ("bits per byte", self.bits_per_byte),
            ("accuracy", self.accuracy),
        ];
        for (name, value) in scores {
            if let Some(value) = value {
                row(name, format!("{value:.9}"));
            }
        }
        row("nll, nats", format!("{:.6}", self.nll_nats));
        row(
            "samples",
            format!("{} ({} skipped)", self.samples, self.skipped),
        );
        row("tokens", format!("{} of {} bytes", self.tokens, self.bytes));
        row("samples root", self.samples_root.clone());
        row(
            "computed",
            format!(
                "{} on {}, {:.1} s, {:.0} tokens/s",
                self.profile, self.device, self.seconds, self.tokens_per_second
            ),
        );
    }
}

/// A bar on a terminal, and nothing elsewhere.
fn bar(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    restyle(&bar, template);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn restyle(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Shows progress.
struct Shown {
    bar: ProgressBar,
}

impl Shown {
    fn new() -> Self {
        Self {
            bar: bar("{spinner} reading the model and {len} samples, {elapsed}"),
        }
    }
}

impl Sink for Shown {
    fn start(&mut self, total: usize) -> Vec<SampleLoss> {
        self.bar.set_length(total as u64);
        Vec::new()
    }

    fn sample(&mut self, _: &SampleLoss) {
        if self.bar.position() == 0 {
            restyle(&self.bar, "{wide_bar} {pos}/{len} samples, {eta} left");
        }
        self.bar.inc(1);
    }
}

/// Prints, and writes if it is told to, the manifest of a directory.
pub(crate) fn manifest(args: &ManifestOf) -> Result<()> {
    directory::check(&args.dir)?;
    let hashing = bar("{spinner} hashing the files, {elapsed}");
    let found = Manifest::of_dir(&args.dir);
    hashing.finish_and_clear();
    let found = found.map_err(refusal)?;
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
    let base = args.base.as_deref();
    check_directories(&args.dir, base)?;
    let model = arena_models::inspect(&args.dir, base, &Limits::unlimited()).map_err(refusal)?;
    let metric = match model.architecture.metric() {
        Metric::Accuracy => "accuracy",
        Metric::BitsPerByte => "bits_per_byte",
    };
    if args.json {
        let out = json!({
            "architecture": model.architecture.to_string(), "metric": metric,
            "parameters": model.parameters, "bytes": model.bytes,
        });
        println!("{out}");
        return Ok(());
    }
    println!("architecture  {}", model.architecture);
    println!("measured by   {metric}");
    println!("parameters    {}", model.parameters);
    println!("bytes         {}", model.bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_should_be_a_number_or_32_bytes() {
        let seed = |text: &str| text.parse::<Seed>().map(|seed| seed.0);
        assert_eq!(seed("0"), Ok([0; 32]));
        let mut seven = [0; 32];
        seven[0] = 7;
        assert_eq!(seed("7"), Ok(seven));
        assert_eq!(seed(&"ab".repeat(32)), Ok([0xab; 32]));
        assert_eq!(seed(&format!("0x{}", "ab".repeat(32))), Ok([0xab; 32]));
        // Digits that are both are bytes, as a task's seeds are.
        assert_eq!(seed(&"12".repeat(32)), Ok([0x12; 32]));
        for wrong in [
            "",
            "-1",
            "0x7",
            "abc",
            &"ab".repeat(31),
            "18446744073709551616",
        ] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn report_should_have_the_metrics_own_field() {
        let options = |metric| EvalOptions {
            metric,
            samples: 0,
            seed: [0; 32],
            context: 0,
            batch_tokens: 1,
            profile: arena_models::Profile::ExactCpuF32,
            device: Device::Cpu,
            base: None,
            limits: Limits::unlimited(),
        };
        let found = Evaluation {
            raw: 1_250_000_000,
            samples: 2,
            skipped: 1,
            tokens: 30,
            bytes: 100,
            nll_nats: 86.5,
            samples_root: [1; 32],
        };
        let json = |metric| {
            let report = Report::of(&options(metric), &found, "cpu".to_owned(), 2.0);
            serde_json::to_value(report).unwrap()
        };
        let bits = json(Metric::BitsPerByte);
        let mut names: Vec<_> = bits.as_object().unwrap().keys().cloned().collect();
        names.sort();
        let wanted = "bits_per_byte bytes device nll_nats profile samples samples_root seconds \
                      skipped tokens tokens_per_second";
        assert_eq!(names.join(" "), wanted);
        assert_eq!(
            (&bits["bits_per_byte"], &bits["tokens_per_second"]),
            (&json!(1.25), &json!(15.0))
        );
        assert_eq!(bits["profile"], "exact-cpu-f32");
        let accuracy = json(Metric::Accuracy);
        assert_eq!(accuracy["accuracy"], 1.25);
        assert!(accuracy.get("bits_per_byte").is_none());
    }
}
