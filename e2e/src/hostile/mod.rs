//! Hostile requests against a development node: what becomes of them, whether the node authors on
//! time meanwhile, and how much memory it takes.

pub mod flood;
pub mod requests;

use crate::{bins::Programs, cluster::Cluster, poll, rpc::Rpc};
use anyhow::{Context, Result, ensure};
use flood::Flood;
use requests::{Kind, Request, Requests};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Requests at a time.
const WIDTH: usize = 8;
/// Requests between two looks at the node's memory.
const CHUNK: usize = 1_000;
/// Slots without a block that are still on time, in a thousand: a busy machine loses some.
const LOST_PER_MILLE: u64 = 20;
/// What memory may grow by.
const GROWTH: u64 = 300 << 20;
const WITHIN: Duration = Duration::from_secs(30);

/// What to do.
pub struct Options {
    /// The programs.
    pub programs: Programs,
    /// Where everything is written.
    pub base: PathBuf,
    /// How many requests.
    pub requests: usize,
    /// Of the requests.
    pub seed: u64,
}

/// Where a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// At the server: no JSON, no request, too long.
    Server,
    /// There is no such method.
    Method,
    /// At the decoder of its arguments.
    Arguments,
    /// The runtime or the pool decoded it, and answered or refused.
    Runtime,
    /// No answer.
    Silence,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// By kind, where its requests ended.
    pub ends: BTreeMap<Kind, BTreeMap<End, u64>>,
    /// Requests that a decoder saw: of arguments, of the runtime, or of the pool.
    pub decoded: u64,
    /// Seconds.
    pub took: f64,
    /// The slowest answer in milliseconds.
    pub slowest_ms: u128,
    /// Blocks that were authored meanwhile.
    pub blocks: u64,
    /// Slots in which there was none.
    pub lost_slots: u64,
    /// Resident memory in bytes: before, at the most, after.
    pub memory: [u64; 3],
    /// What the node does with floods of subscriptions.
    pub flood: Flood,
}

fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let text = line.context("a process without memory")?;
    let kilobytes: u64 = text.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes * 1_024)
}

fn end_of(answer: &str) -> End {
    let Ok(answer) = serde_json::from_str::<Value>(answer) else {
        // A text of the server, for instance that the request is too long.
        return End::Server;
    };
    let first = answer.get(0).unwrap_or(&answer);
    match first.pointer("/error/code").and_then(Value::as_i64) {
        Some(-32_601) => End::Method,
        Some(-32_602) => End::Arguments,
        Some(code) if code <= -32_000 && code != -32_603 => End::Server,
        _ => End::Runtime,
    }
}

#[derive(Default)]
struct Tally {
    ends: BTreeMap<Kind, BTreeMap<End, u64>>,
    slowest: Duration,
}

impl Tally {
    fn note(&mut self, kind: Kind, end: End, took: Duration) {
        *self.ends.entry(kind).or_default().entry(end).or_default() += 1;
        self.slowest = self.slowest.max(took);
    }

    fn count(&self, wanted: impl Fn(End) -> bool) -> u64 {
        let rows = self.ends.values().flatten();
        rows.filter(|(end, _)| wanted(**end))
            .map(|(_, count)| count)
            .sum()
    }
}

fn send(rpc: &Rpc, request: Request, tally: &Mutex<Tally>) {
    let began = Instant::now();
    let answer = rpc.raw(&request.body);
    let end = answer.map_or(End::Silence, |answer| end_of(&answer));
    let mut tally = tally
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.note(request.kind, end, began.elapsed());
}

/// Slots from one block to another without a block of their own.
fn lost(rpc: &Rpc, first: u32, last: u32) -> Result<u64> {
    let slots = rpc.slot(last)? - rpc.slot(first)?;
    Ok(slots.saturating_sub(u64::from(last - first)))
}

/// Runs all of it. The node is ended with it.
pub fn run(options: &Options) -> Result<Report> {
    let mut cluster = Cluster::start(&options.programs, &options.base, 1)?;
    let node = cluster.first()?;
    let (rpc, url) = (node.rpc(), node.url());
    let pid = node.pid().context("the node doesn't run")?;
    let first = rpc.best_block()?;
    let before = resident(pid)?;
    let (began, mut most) = (Instant::now(), before);
    let tally = Mutex::new(Tally::default());
    let mut requests = Requests::new(options.seed)
        .take(options.requests)
        .peekable();
    while requests.peek().is_some() {
        let chunk: Vec<Request> = requests.by_ref().take(CHUNK).collect();
        poll::side_by_side(WIDTH, chunk, |request| {
            send(&rpc, request, &tally);
            Ok(())
        })?;
        most = most.max(resident(pid)?);
    }
    let took = began.elapsed();
    let runtime = tokio::runtime::Runtime::new()?;
    let flood = runtime.block_on(flood::flood(&url, 150, 50))?;
    drop(runtime);
    most = most.max(resident(pid)?);
    let last = rpc.best_block()?;
    poll::until("finality", WITHIN, || {
        Ok((rpc.finalized_block()? >= last).then_some(()))
    })?;
    cluster.expect_alive()?;
    let tally = tally.into_inner().unwrap_or_default();
    Ok(Report {
        decoded: tally.count(|end| matches!(end, End::Arguments | End::Runtime)),
        slowest_ms: tally.slowest.as_millis(),
        ends: tally.ends,
        took: took.as_secs_f64(),
        blocks: u64::from(last - first),
        lost_slots: lost(&rpc, first, last)?,
        memory: [before, most, resident(pid)?],
        flood,
    })
}

impl Report {
    /// What is not as it should be.
    pub fn check(&self) -> Result<()> {
        let silent = self
            .ends
            .values()
            .filter_map(|ends| ends.get(&End::Silence));
        let silent: u64 = silent.sum();
        ensure!(silent == 0, "{silent} requests had no answer");
        ensure!(
            self.lost_slots * 1_000 <= (self.blocks + self.lost_slots) * LOST_PER_MILLE,
            "{} of {} slots had no block",
            self.lost_slots,
            self.blocks + self.lost_slots
        );
        let [before, most, _] = self.memory;
        ensure!(
            most.saturating_sub(before) <= GROWTH,
            "memory grew from {before} to {most} bytes"
        );
        ensure!(
            self.flood.too_many > 0 && self.flood.taken <= self.flood.connections * 8,
            "subscriptions were not bounded: {:?}",
            self.flood
        );
        Ok(())
    }
}
