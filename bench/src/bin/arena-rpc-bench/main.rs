//! Measures how long a node takes to answer on a chain of the paper's size and more.

mod client;

use anyhow::{Context, Result, ensure};
use arena_bench::{
    chain::Wasm,
    law::Law,
    market::{Market, Size},
    progress::Progress,
};
use clap::Parser;
use client::Client;
use comfy_table::Table;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What 99 of 100 answers should stay below, in milliseconds.
const TARGET: f64 = 50.0;
const READY_WITHIN: Duration = Duration::from_secs(300);

/// Makes the state of a chain with many tasks natively, starts a node on it, and asks it over
/// JSON-RPC. The node authors nothing meanwhile; its database is on disk, its caches are warm.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The node
    #[arg(long, value_name = "FILE")]
    node: PathBuf,
    /// Tasks
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    tasks: u32,
    /// Trainers, each in one task
    #[arg(long, default_value_t = 600)]
    trainers: u32,
    /// Validators, each in one task
    #[arg(long, default_value_t = 1_050)]
    validators: u32,
    /// Accounts that delegate
    #[arg(long, default_value_t = 63_000, value_parser = clap::value_parser!(u32).range(1..))]
    delegators: u32,
    /// How often each method is called
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
    /// Port of the node's RPC
    #[arg(long, default_value_t = 19_944)]
    port: u16,
    /// Of stakes, scores and questions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A node that ends with this.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What one method took, in milliseconds.
#[derive(Serialize)]
struct Row {
    method: &'static str,
    calls: usize,
    p50: f64,
    p99: f64,
    most: f64,
    bytes: usize,
}

fn start(args: &Args, spec: &Path, base: &Path) -> Result<Node> {
    let log = fs::File::create(base.join("node.log"))?;
    let child = Command::new(&args.node)
        .arg(format!("--chain={}", spec.display()))
        .arg(format!("--base-path={}", base.join("base").display()))
        .arg(format!("--rpc-port={}", args.port))
        .args([
            "--listen-addr=/ip4/127.0.0.1/tcp/0",
            "--no-mdns",
            "--no-prometheus",
            "--no-telemetry",
            "--offchain-worker=never",
        ])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("can't start {}", args.node.display()))?;
    Ok(Node(child))
}

fn wait(client: &Client, node: &mut Node) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < READY_WITHIN {
        if client.call("arena_tasks", &json!([0, 1])).is_ok() {
            return Ok(());
        }
        ensure!(node.0.try_wait()?.is_none(), "the node ended; see node.log");
        thread::sleep(Duration::from_millis(200));
    }
    anyhow::bail!("the node didn't answer in time; see node.log")
}

/// The methods that are measured, each with its question.
fn question(method: &str, market: &Market, law: &mut Law) -> Value {
    let mut pick = |count: usize| law.index(&(1..=count).map(|n| n as f64).collect::<Vec<_>>());
    let task = pick(market.operators.len());
    let operator = &market.operators[task][pick(market.operators[task].len())].account;
    let who = &market.delegators[pick(market.delegators.len().min(1_000))];
    let venue = json!({"task": task});
    match method {
        "arena_tasks" => json!([0, 100]),
        "arena_task" => json!([task]),
        "arena_round" | "arena_result" => json!([task, 1]),
        "arena_leaderboard" => json!([task, null, 0, 100]),
        "arena_delegations" => json!([who, null, 100]),
        "arena_stakes" => json!([operator, null, 100]),
        "arena_unbonding" => json!([who]),
        "arena_duties" | "arena_slashes" => json!([operator]),
        "arena_position" => json!([venue, operator]),
        "arena_delegatorEarnings" => json!([venue, operator, who]),
        "arena_validators" => json!([venue, null, 100]),
        "arena_concentration" => json!([venue]),
        "arena_yields" => json!([venue, operator, 0, 100]),
        _ => json!([]),
    }
}

const METHODS: [&str; 16] = [
    "arena_leaderboard",
    "arena_delegations",
    "arena_stakes",
    "arena_unbonding",
    "arena_delegatorEarnings",
    "arena_position",
    "arena_yields",
    "arena_duties",
    "arena_slashes",
    "arena_tasks",
    "arena_task",
    "arena_round",
    "arena_result",
    "arena_validators",
    "arena_concentration",
    "arena_parameters",
];

fn measure(
    client: &Client,
    method: &'static str,
    calls: u32,
    market: &Market,
    law: &mut Law,
) -> Result<Row> {
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..calls {
        let params = question(method, market, law);
        let began = Instant::now();
        bytes = bytes.max(client.call(method, &params)?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    Ok(Row {
        method,
        calls: times.len(),
        p50: at(0.5),
        p99: at(0.99),
        most: at(1.0),
        bytes,
    })
}

/// All pages of an account's delegations.
fn measure_whole(client: &Client, calls: u32, market: &Market) -> Result<Row> {
    let mut times = Vec::new();
    let mut bytes = 0;
    for who in market.delegators.iter().take(calls as usize) {
        let began = Instant::now();
        let mut after = Value::Null;
        loop {
            let page = client.answer("arena_delegations", &json!([who, after, 100]))?;
            bytes = bytes.max(page.to_string().len());
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    Ok(Row {
        method: "arena_delegations, all pages",
        calls: times.len(),
        p50: at(0.5),
        p99: at(0.99),
        most: at(1.0),
        bytes,
    })
}

fn run(args: &Args) -> Result<bool> {
    let progress = Progress::start();
    let wasm = Wasm::embedded()?;
    let size = Size {
        tasks: args.tasks,
        trainers: args.trainers,
        validators: args.validators,
        delegators: args.delegators,
    };
    progress.say("making the state of the chain");
    let mut market = Market::new(wasm.code, &size, args.seed, &progress)?;
    let dir = std::env::temp_dir().join(format!("arena-rpc-bench-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let spec = dir.join("spec.json");
    fs::write(&spec, serde_json::to_vec(&market.chain_spec()?)?)?;
    progress.say(format!(
        "starting the node on {} bytes",
        fs::metadata(&spec)?.len()
    ));
    let mut node = start(args, &spec, &dir)?;
    let client = Client::new(args.port);
    wait(&client, &mut node)?;
    progress.say("asking it");
    let mut law = Law::new(args.seed);
    let mut rows = Vec::new();
    for method in METHODS {
        rows.push(measure(&client, method, args.calls, &market, &mut law)?);
    }
    rows.push(measure_whole(&client, args.calls.min(100), &market)?);
    drop(node);
    fs::remove_dir_all(&dir)?;
    print(&rows);
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&rows)?)?;
    }
    // Pages are what a call is; a whole walk is as many calls as it has pages.
    let met = |row: &Row| row.p99 < TARGET || row.method.contains(',');
    Ok(rows.iter().all(met))
}

fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.set_header([
        "method",
        "calls",
        "p50 ms",
        "p99 ms",
        "most ms",
        "largest answer",
    ]);
    for row in rows {
        table.add_row([
            row.method.to_owned(),
            row.calls.to_string(),
            format!("{:.2}", row.p50),
            format!("{:.2}", row.p99),
            format!("{:.2}", row.most),
            format!("{} bytes", row.bytes),
        ]);
    }
    println!("{table}");
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("arena-rpc-bench: a p99 is {TARGET} ms or more");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("arena-rpc-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
