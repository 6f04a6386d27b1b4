//! `doctor`: what this machine has for scoring models.

use crate::sandbox;
use anyhow::{Context, Result};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Directory of the queue and the cache, or where it would be.
    #[arg(long, default_value = ".", value_name = "DIR")]
    base: PathBuf,
}

pub(crate) fn doctor(args: &Doctor) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let stat = rustix::fs::statvfs(&args.base)
        .with_context(|| format!("cannot look at the disk of {}", args.base.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    println!("device     cpu (this build has no CUDA)");
    println!("cores      {cores}, {}", vectors());
    match memory() {
        Some((total, available)) => {
            println!(
                "memory     {} GiB, {} available",
                gib(total),
                gib(available)
            );
        }
        None => println!("memory     unknown (no /proc/meminfo)"),
    }
    println!("disk free  {} GiB below {}", gib(free), args.base.display());
    println!("profiles   f32 (exact-cpu-f32 and bf16 are answered Unsupported)");
    println!("kinds      Evaluate (Sketch, ReplaySegment and ExtractWatermark: Unsupported)");
    println!("models     arena_mlp, arena_cnn, llama");
    println!("isolation  {}", sandbox::probe());
    println!("           {}", user());
    Ok(())
}

fn gib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1u32 << 30))
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

fn user() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "runs as root now: make it a user of its own"
    } else {
        "does not run as root"
    }
}
