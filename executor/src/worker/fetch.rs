//! The phase that has the network and no weights to compute with.

use super::{BYTES_BESIDES, Phase, Task, Worker, confine, processor_time, replay, say_seconds};
use crate::{
    cache::Cache,
    fault::from_io,
    fetch::{Fetcher, Halt, LARGEST_FILE},
    needs::Needs,
    queue::{done, failed},
    sandbox::{Limits, Reach},
};
use anyhow::Result;
use arena_primitives::{
    InfraFault, MinerFault,
    job::{Fault, JobKind},
};
use std::time::Instant;

/// Brings what the job needs; ends this process with a fault where that fails, and with an outcome
/// where that decides it.
pub(super) fn run(args: &Worker, task: &Task) -> Result<()> {
    let started = Instant::now();
    // Before it is confined to it.
    let cache = Cache::open(&args.cache, args.cache_bytes)
        .unwrap_or_else(|error| task.outcome.conclude(&failed(from_io(&error, "the cache"))));
    let reach = Reach::Network {
        cache: &args.cache,
        job: &args.job,
        read_all: args.allow_file,
    };
    let needs = Needs::of(&task.kind);
    confine(args, &limits(args, &needs), &reach)?;
    let fetched = Fetcher::new(cache, args.allow_file, &args.job).all(&needs, &task.others);
    say_seconds(Phase::Fetch, started);
    match fetched {
        Ok(()) => Ok(()),
        Err(Halt::Fault(fault)) => {
            let fault = match is_of_a_case(&task.kind) {
                true => unserved(fault),
                false => fault,
            };
            task.outcome.conclude(&failed(fault))
        }
        Err(Halt::Found(finding)) => {
            let ended = replay::found_at_once(args, finding).map_or_else(failed, done);
            task.outcome.conclude(&ended)
        }
    }
}

/// Whether only jurors ask for it.
fn is_of_a_case(kind: &JobKind) -> bool {
    match kind {
        JobKind::Compare(_)
        | JobKind::ExtractWatermark(_)
        | JobKind::ReplaySegments(_)
        | JobKind::Recompute(_) => true,
        JobKind::Evaluate(_) | JobKind::Sketch(_) => false,
    }
}

/// Other bytes than the hash asks for are none, for a juror: a mirror may have them right later.
fn unserved(fault: Fault) -> Fault {
    match fault {
        Fault::Miner(MinerFault::HashMismatch | MinerFault::Manifest, why) => {
            Fault::Infra(InfraFault::Download, why)
        }
        other => other,
    }
}

fn limits(args: &Worker, needs: &Needs<'_>) -> Limits {
    let data = needs.data.map_or(0, |data| data.bytes);
    let training = needs
        .training
        .map_or(0, |job| job.checkpoint_bytes.max(LARGEST_FILE));
    let largest = match needs.base {
        // How large a base is, its manifest says; the cache has to hold it.
        Some(_) => args.cache_bytes,
        None => needs.limits.max_bytes.max(data).max(training),
    };
    Limits {
        memory: args.memory_bytes,
        file: largest.saturating_add(BYTES_BESIDES),
        seconds: processor_time(args, 0),
    }
}
