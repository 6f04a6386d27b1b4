//! The phase that has the network and no weights to compute with.

use super::{BYTES_BESIDES, Phase, Task, Worker, confine, processor_time, say_seconds};
use crate::{
    cache::Cache,
    fault::from_io,
    fetch::Fetcher,
    queue::failed,
    sandbox::{Limits, Reach},
};
use anyhow::Result;
use arena_primitives::job::Evaluate;
use std::time::Instant;

/// Brings the model and the data; ends this process with a fault where that fails.
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
    confine(args, &limits(args, &task.evaluate), &reach)?;
    let fetched = Fetcher::new(cache, args.allow_file, &args.job).all(&task.evaluate);
    say_seconds(Phase::Fetch, started);
    match fetched {
        Ok(_) => Ok(()),
        Err(fault) => task.outcome.conclude(&failed(fault)),
    }
}

fn limits(args: &Worker, evaluate: &Evaluate) -> Limits {
    let largest = match evaluate.base {
        // How large a base is, its manifest says; the cache has to hold it.
        Some(_) => args.cache_bytes,
        None => evaluate.limits.max_bytes.max(evaluate.data.bytes),
    };
    Limits {
        memory: args.memory_bytes,
        file: largest.saturating_add(BYTES_BESIDES),
        seconds: processor_time(args, 0),
    }
}
