//! `doctor`: what this machine has for scoring models.

use crate::{cache::Cache, sandbox, server::DEFAULT_CACHE_BYTES, size::gib};
use anyhow::{Context, Result};
use arena_models::{Architecture, Device, Gpu, Profile};
use candle_core::{DType, Tensor};
use clap::Args;
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Kinds of jobs that are executed.
const KINDS: [&str; 6] = [
    "Evaluate",
    "Sketch",
    "ReplaySegments",
    "ExtractWatermark",
    "Compare",
    "Recompute",
];
/// Side of the square matrices whose product is timed.
const SIDE: usize = 1024;
/// How long their products are timed.
const TIMED: Duration = Duration::from_millis(500);

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Directory of the queue and the cache, or where it would be.
    #[arg(long, default_value = ".", value_name = "DIR")]
    base: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    device: String,
    /// Whether this build can compute on NVIDIA devices.
    cuda: bool,
    gpus: Vec<Gpu>,
    /// What the driver says where it doesn't list its devices.
    gpu_error: Option<String>,
    /// Whether an NVIDIA driver is loaded.
    nvidia_driver: bool,
    cores: usize,
    vectors: &'static str,
    /// Of products of f32 matrices, on all cores, in 10⁹ operations per second.
    gflops: Option<f64>,
    memory_bytes: Option<u64>,
    memory_available_bytes: Option<u64>,
    base: PathBuf,
    disk_free_bytes: u64,
    cache: Option<CacheReport>,
    profiles: Vec<String>,
    kinds: [&'static str; KINDS.len()],
    models: Vec<String>,
    isolation: String,
    root: bool,
}

#[derive(Debug, Serialize)]
struct CacheReport {
    bytes: u64,
    budget_bytes: u64,
    held_bytes: u64,
    models: usize,
}

pub(crate) fn doctor(args: &Doctor) -> Result<()> {
    let report = examine(&args.base)?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn examine(base: &Path) -> Result<Report> {
    let stat = rustix::fs::statvfs(existing(base))
        .with_context(|| format!("cannot look at the disk of {}", base.display()))?;
    let memory = memory();
    let (gpus, gpu_error) = match Device::gpus() {
        Ok(gpus) => (gpus, None),
        Err(error) => (Vec::new(), Some(error.detail)),
    };
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        device: Device::Cpu.to_string(),
        cuda: Device::HAS_CUDA,
        gpus,
        gpu_error,
        nvidia_driver: Path::new("/proc/driver/nvidia/version").exists(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        vectors: vectors(),
        gflops: gflops(),
        memory_bytes: memory.map(|(total, _)| total),
        memory_available_bytes: memory.map(|(_, available)| available),
        base: base.to_owned(),
        disk_free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        cache: cache(&base.join("cache"))?,
        profiles: [Profile::ExactCpuF32, Profile::F32, Profile::Bf16]
            .map(|profile| profile.to_string())
            .to_vec(),
        kinds: KINDS,
        models: Architecture::ALL.iter().map(ToString::to_string).collect(),
        isolation: sandbox::probe().to_string(),
        root: rustix::process::geteuid().is_root(),
    })
}

/// The directory, or the closest one above it that is there.
fn existing(base: &Path) -> &Path {
    let found = base.ancestors().find(|path| path.exists());
    match found {
        Some(path) if !path.as_os_str().is_empty() => path,
        _ => Path::new("."),
    }
}

fn cache(dir: &Path) -> Result<Option<CacheReport>> {
    let look = || -> std::io::Result<_> {
        let Some(cache) = Cache::existing(dir, DEFAULT_CACHE_BYTES)? else {
            return Ok(None);
        };
        let contents = cache.contents()?;
        Ok(Some(CacheReport {
            bytes: contents.bytes,
            budget_bytes: cache.budget(),
            held_bytes: contents.held_bytes,
            models: contents.models.len(),
        }))
    };
    look().with_context(|| format!("cannot read the cache in {}", dir.display()))
}

fn print(report: &Report) {
    println!("version    arena-executor {}", report.version);
    print_devices(report);
    println!("cores      {}, {}", report.cores, report.vectors);
    if let Some(gflops) = report.gflops {
        println!("speed      {gflops:.0} GFLOP/s ({SIDE} x {SIDE} matrices in f32)");
    }
    match (report.memory_bytes, report.memory_available_bytes) {
        (Some(total), Some(available)) => {
            println!(
                "memory     {} GiB, {} available",
                gib(total),
                gib(available)
            );
        }
        _ => println!("memory     unknown (no /proc/meminfo)"),
    }
    println!(
        "disk free  {} GiB below {}",
        gib(report.disk_free_bytes),
        report.base.display()
    );
    match &report.cache {
        Some(cache) => println!(
            "cache      {} of {} GiB, {} models; {} GiB pinned or bases",
            gib(cache.bytes),
            gib(cache.budget_bytes),
            cache.models,
            gib(cache.held_bytes)
        ),
        None => println!(
            "cache      none yet; `serve` makes one of {} GiB unless --cache-bytes says otherwise",
            gib(DEFAULT_CACHE_BYTES)
        ),
    }
    println!("profiles   {}", report.profiles.join(", "));
    println!("kinds      {}", report.kinds.join(", "));
    println!("models     {}", report.models.join(", "));
    println!("isolation  {}", report.isolation);
    println!("           {}", user(report.root));
}

fn print_devices(report: &Report) {
    let nvidia = match (report.cuda, report.nvidia_driver, &report.gpu_error) {
        (false, false, _) => "this build has no CUDA",
        (false, true, _) => {
            "this build has no CUDA; an NVIDIA driver is loaded, and arena-executor-cuda uses it"
        }
        (true, _, Some(error)) => error,
        (true, _, None) if report.gpus.is_empty() => "no NVIDIA device",
        (true, _, None) => "built with CUDA",
    };
    println!("device     {} ({nvidia})", report.device);
    for gpu in &report.gpus {
        println!(
            "           {} {}, compute capability {}.{}, {} GiB; not isolated",
            gpu.device,
            gpu.name,
            gpu.capability.0,
            gpu.capability.1,
            gib(gpu.memory_bytes)
        );
    }
}

/// Speed of f32 matrix products, by the kernels that the profiles `f32` and `bf16` run on.
fn gflops() -> Option<f64> {
    let cpu = candle_core::Device::Cpu;
    let matrix = Tensor::ones((SIDE, SIDE), DType::F32, &cpu).ok()?;
    // The first one starts threads, and counts no time.
    matrix.matmul(&matrix).ok()?;
    let started = Instant::now();
    let mut products = 0u32;
    while started.elapsed() < TIMED {
        matrix.matmul(&matrix).ok()?;
        products = products.saturating_add(1);
    }
    let operations = 2.0 * (SIDE as f64).powi(3) * f64::from(products);
    Some(operations / started.elapsed().as_secs_f64() / 1e9)
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if std::arch::is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "no AVX2: scoring will be slow"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> &'static str {
    std::env::consts::ARCH
}

/// Total and available memory in bytes.
fn memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string(Path::new("/proc/meminfo")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        kib.checked_mul(1024)
    };
    Some((field("MemTotal:")?, field("MemAvailable:")?))
}

fn user(root: bool) -> &'static str {
    match root {
        true => "runs as root now: make it a user of its own",
        false => "does not run as root",
    }
}
