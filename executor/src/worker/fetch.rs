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
        Err(Halt::Fault(fault)) => task.outcome.conclude(&failed(fault)),
        Err(Halt::Found(finding)) => {
            let ended = replay::found_at_once(args, finding).map_or_else(failed, done);
            task.outcome.conclude(&ended)
        }
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
