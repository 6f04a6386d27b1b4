//! What is typed.

mod cache;
mod losses;
mod remote;
mod watch;

use crate::{
    compare, doctor, evaluate,
    server::{Config, DEFAULT_CACHE_BYTES, DEFAULT_MEMORY_BYTES, Server},
    sketch, worker,
};
use anyhow::{Context, Result};
use arena_models::Device;
use clap::{Args, Parser, Subcommand};
use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};

/// Said below the list of subcommands.
const AFTER: &str = "\
To score a model as validators will, before submitting it:
  arena-executor manifest MODEL --write
  arena-executor inspect MODEL
  arena-executor evaluate --model MODEL --data FILE

Exit codes: 0 success; 1 a refusal or fault, named on standard error; 2 wrong usage.
Logs go to standard error; RUST_LOG says how many, and is `info` by default.";

/// Scores models for AIArena validators: job server, and evaluation by hand.
#[derive(Debug, Parser)]
#[command(name = "arena-executor", version, about, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve jobs to a validator's node on this machine.
    Serve(Serve),
    /// Score a model on a data file, as validators do.
    Evaluate(evaluate::Evaluate),
    /// Print the root and the files of a model directory, and write its manifest.
    Manifest(evaluate::ManifestOf),
    /// Say what a model directory holds, and whether it would be accepted.
    Inspect(evaluate::Inspect),
    /// Print the sketch of a model's update, or calibrate a task's thresholds.
    Sketch(sketch::Sketch),
    /// Say how far a model is from an earlier one, tensor by tensor.
    Compare(compare::Compare),
    /// Say what this machine has for scoring models.
    Doctor(doctor::Doctor),
    /// Say what the cache holds; pin, unpin, evict and add models.
    Cache(cache::CacheArgs),
    /// Show the jobs of a running executor: progress, time to go, deadline.
    Watch(watch::Watch),
    /// Ask a running executor for one job.
    Status(remote::Status),
    /// Print the losses of a model that this machine scored: what a validator answers a challenge
    /// of its score with.
    Losses(losses::Losses),
    /// Run one job; started by `serve`, not by hand.
    #[command(hide = true)]
    Worker(worker::Worker),
}

#[derive(Debug, Args)]
struct Serve {
    /// Address to listen on; loopback only, port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9955", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Directory of the queue and the cache.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// File of the bearer token, mode 0600; made if it is absent.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Jobs computed at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    workers: u8,
    /// What computes: cpu, cuda, or cuda:N for the N-th one. An NVIDIA device takes one worker,
    /// and --insecure-no-isolation.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Address space of a worker in bytes; a worker on an NVIDIA device has no such limit.
    #[arg(long, default_value_t = DEFAULT_MEMORY_BYTES, value_name = "BYTES")]
    memory_bytes: u64,
    /// Size of the cache of models and data in bytes.
    #[arg(long, default_value_t = DEFAULT_CACHE_BYTES, value_name = "BYTES")]
    cache_bytes: u64,
    /// Read file:// mirrors; for development.
    #[arg(long)]
    allow_file: bool,
    /// Run workers with no isolation but limits, as on a kernel without Landlock; every outcome
    /// says so.
    #[arg(long)]
    insecure_no_isolation: bool,
    /// Write the bound address to this file once jobs are taken.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Stop when standard input ends: how a node that starts this executor takes it along,
    /// even when the node is killed.
    #[arg(long)]
    supervised: bool,
}

/// Runs the program: 0 is success, 1 a refusal or fault, 2 wrong usage.
pub fn main() -> ExitCode {
    crate::memory::keep_freed();
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A log on a full disk loses lines; telling so on that same log would panic.
        .log_internal_errors(false)
        .init();
    let done = match cli.command {
        Command::Serve(args) => serve(args),
        Command::Evaluate(args) => evaluate::evaluate(&args),
        Command::Manifest(args) => evaluate::manifest(&args),
        Command::Inspect(args) => evaluate::inspect(&args),
        Command::Sketch(args) => sketch::sketch(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Cache(args) => cache::cache(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Status(args) => remote::status(&args),
        Command::Losses(args) => losses::losses(&args),
        Command::Worker(args) => return worker::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Serve) -> Result<()> {
    let config = Config {
        listen: args.listen,
        workers: usize::from(args.workers),
        device: args.device,
        memory_bytes: args.memory_bytes,
        cache_bytes: args.cache_bytes,
        allow_file: args.allow_file,
        insecure_no_isolation: args.insecure_no_isolation,
        ..Config::new(args.base, args.token_file)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let server = Server::start(config).await?;
        tracing::info!(address = %server.addr(), "taking jobs");
        if let Some(path) = &args.ready_file {
            write_ready(path, server.addr())?;
        }
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            () = supervisor_gone(args.supervised) => {}
        }
        tracing::info!("stopping");
        server.stop().await;
        Ok(())
    })
}

/// Ends when standard input does; never, if nobody supervises.
async fn supervisor_gone(supervised: bool) {
    if !supervised {
        return std::future::pending().await;
    }
    let (gone, ended) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: the runtime would wait for a blocking read when it shuts down.
    std::thread::spawn(move || {
        let mut sink = std::io::sink();
        if let Err(e) = std::io::copy(&mut std::io::stdin().lock(), &mut sink) {
            tracing::warn!("standard input can't be read: {e}");
        }
        drop(gone);
    });
    // The sender is dropped, never used: either way the supervisor is gone.
    ended.await.unwrap_or_default();
}

/// Writes the address so that a reader sees all of it or no file.
fn write_ready(path: &std::path::Path, addr: SocketAddr) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    std::fs::write(&temporary, format!("{addr}\n"))
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
