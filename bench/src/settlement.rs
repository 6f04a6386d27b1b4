//! Settlement of one round: its pages in the wasm, and its payouts with other sizes of pages.

use anyhow::{Result, bail, ensure};
use arena_bench::{
    chain::{BlockCost, Chain, Wasm},
    progress::Progress,
    stats::{median, millis, smallest},
    world::{World, copy, is_settled, next_block},
};
use arena_primitives::{BlockNumber, Round, TaskId, Venue};
use arena_runtime::{
    ArenaScoring, ArenaTasks, BLOCK_REF_TIME, MAXIMUM_BLOCK_WEIGHT, Runtime, System,
    configs::arena::MaxTickWeight,
};
use codec::Encode;
use frame_support::{storage::storage_prefix, traits::Hooks, weights::Weight};
use serde::Serialize;
use sp_io::TestExternalities;
use sp_io::hashing::{blake2_256, twox_64};
use std::time::Duration;

/// Blocks after which a round that isn't settled never will be.
const MOST_BLOCKS: u32 = 900;
/// Pages of one settlement, at least, in the runs that force them.
pub(crate) const FORCED_PAGES: u32 = 5;
/// Blocks after the settlement that show what an ordinary block costs.
const QUIET_BLOCKS: usize = 8;
/// Picoseconds in a millisecond.
const MILLI: f64 = 1e9;

/// Rows of storage.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// One page, beyond an ordinary block; the medians of all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) block: BlockNumber,
    /// Wall time of the hooks.
    pub(crate) hooks_ms: f64,
    /// Wall time of the storage root.
    pub(crate) root_ms: f64,
    /// Reference time of the hooks' weight.
    pub(crate) weight_ms: f64,
    /// The weight as a part of the block's.
    pub(crate) weight_percent: f64,
    /// Wall time, root included, as a part of a block's longest execution.
    pub(crate) time_percent: f64,
}

/// The settlement in the wasm.
#[derive(Debug, Serialize)]
pub(crate) struct Settlement {
    pub(crate) models: u32,
    pub(crate) validators: u32,
    pub(crate) scores: u64,
    pub(crate) positions_paid: usize,
    pub(crate) drawn: String,
    pub(crate) pages: Vec<Page>,
    /// Hooks of an ordinary block, which are subtracted.
    pub(crate) quiet_hooks_ms: f64,
    /// Its storage root, likewise.
    pub(crate) quiet_root_ms: f64,
    /// All pages: hooks and root; the median of the runs.
    pub(crate) total_ms: f64,
    /// The same, of the fastest run.
    pub(crate) fastest_total_ms: f64,
    /// Hooks of all pages.
    pub(crate) hooks_ms: f64,
    /// Roots of all pages.
    pub(crate) root_ms: f64,
    /// Reference time of all pages' weight.
    pub(crate) weight_ms: f64,
    /// Rows of what was paid, which every comparison compares.
    pub(crate) payout_rows: usize,
    /// Their blake2.
    pub(crate) payouts: String,
}

impl Settlement {
    pub(crate) fn heaviest(&self) -> Option<&Page> {
        let by = |a: &&Page, b: &&Page| a.weight_percent.total_cmp(&b.weight_percent);
        self.pages.iter().max_by(by)
    }

    pub(crate) fn longest(&self) -> Option<&Page> {
        let by = |a: &&Page, b: &&Page| a.time_percent.total_cmp(&b.time_percent);
        self.pages.iter().max_by(by)
    }
}

/// One run: ordinary blocks, and those that settled.
struct Run {
    quiet: Vec<BlockCost>,
    pages: Vec<BlockCost>,
    state: TestExternalities,
}

/// Settles the round `runs` times in the wasm, from the same state.
pub(crate) fn measure(
    wasm: &Wasm,
    world: &mut World,
    runs: u32,
    progress: &Progress,
) -> Result<Settlement> {
    let mut all = Vec::new();
    let mut paid: Option<Rows> = None;
    for number in 1..=runs {
        let mut run = settle(wasm, world)?;
        progress.say(format!("settlement, run {number} of {runs}"));
        let rows = payouts(&mut run.state, world.task, world.round);
        match &paid {
            Some(first) => ensure!(*first == rows, "two runs from one state paid differently"),
            None => paid = Some(rows),
        }
        all.push(run);
    }
    let rows = paid.unwrap_or_default();
    same_natively(world, &rows)?;
    summary(world, &mut all, &rows)
}

fn settle(wasm: &Wasm, world: &World) -> Result<Run> {
    let (task, round) = (world.task, world.round);
    let mut chain = Chain::new(wasm, copy(&world.state))?;
    let mut quiet = Vec::new();
    while chain.number() + 1 < world.settle {
        quiet.push(chain.block()?);
    }
    let mut pages = Vec::new();
    while !chain.state.execute_with(|| is_settled(task, round)) {
        let spent = chain.number().saturating_sub(world.settle);
        ensure!(spent < MOST_BLOCKS, "the round is never settled");
        pages.push(chain.block()?);
    }
    let mut after = Vec::new();
    for _ in 0..QUIET_BLOCKS {
        after.push(chain.block()?);
    }
    // What a settlement leaves to be cleared away later is a part of it.
    let ordinary = quiet.iter().chain(after.last()).map(|b| b.weight);
    let ordinary = ordinary.fold(Weight::zero(), |most, weight| most.max(weight));
    let tail = after
        .iter()
        .take_while(|block| block.weight.any_gt(ordinary))
        .count();
    quiet.extend(after.split_off(tail));
    pages.extend(after);
    ensure!(!quiet.is_empty(), "no ordinary block to compare with");
    Ok(Run {
        quiet,
        pages,
        state: chain.state,
    })
}

fn over(time: Duration, quiet: f64) -> f64 {
    (millis(time) - quiet).max(0.0)
}

/// What the pages of a run took beyond ordinary blocks: hooks and root of each.
fn net(run: &Run) -> Vec<(f64, f64)> {
    let hooks = median(run.quiet.iter().map(|b| millis(b.initialize)));
    let root = median(run.quiet.iter().map(|b| millis(b.finalize)));
    let of = |b: &BlockCost| (over(b.initialize, hooks), over(b.finalize, root));
    run.pages.iter().map(of).collect()
}

fn summary(world: &mut World, runs: &mut [Run], rows: &Rows) -> Result<Settlement> {
    let nets: Vec<Vec<(f64, f64)>> = runs.iter().map(net).collect();
    let Some(Run {
        quiet,
        pages,
        state,
    }) = runs.first_mut()
    else {
        bail!("no runs");
    };
    let block = MAXIMUM_BLOCK_WEIGHT.ref_time() as f64;
    let ordinary = quiet.first().map_or(Weight::zero(), |b| b.weight);
    let pages: Vec<Page> = pages
        .iter()
        .enumerate()
        .map(|(index, cost)| {
            let at = |run: &Vec<(f64, f64)>| run.get(index).copied().unwrap_or_default();
            let weight = cost.weight.saturating_sub(ordinary).ref_time() as f64;
            let time = median(nets.iter().map(|run| at(run).0 + at(run).1));
            Page {
                block: cost.number,
                hooks_ms: median(nets.iter().map(|run| at(run).0)),
                root_ms: median(nets.iter().map(|run| at(run).1)),
                weight_ms: weight / MILLI,
                weight_percent: 100.0 * weight / block,
                time_percent: 100.0 * time * MILLI / BLOCK_REF_TIME as f64,
            }
        })
        .collect();
    let (task, round) = (world.task, world.round);
    let result = state
        .execute_with(|| pallet_arena_scoring::RoundResults::<Runtime>::get(task, round))
        .filter(|result| result.unpaid.is_none());
    let Some(result) = result else {
        bail!("the round paid nothing");
    };
    let paid_models = result.models.iter().filter(|m| m.reward > 0).count();
    let paid_validators = result.validators.iter().filter(|v| v.reward > 0).count();
    // A row for each position that earned and the result, or the comparisons compare too little.
    ensure!(
        rows.len() > paid_models + paid_validators,
        "{} rows of payouts for {} positions",
        rows.len(),
        paid_models + paid_validators
    );
    let total = |run: &Vec<(f64, f64)>| run.iter().map(|(hooks, root)| hooks + root).sum();
    Ok(Settlement {
        models: result.models.len() as u32,
        validators: result.validators.len() as u32,
        scores: world.scores,
        positions_paid: paid_models + paid_validators,
        drawn: result.drawn.to_string(),
        quiet_hooks_ms: median(quiet.iter().map(|b| millis(b.initialize))),
        quiet_root_ms: median(quiet.iter().map(|b| millis(b.finalize))),
        total_ms: median(nets.iter().map(total)),
        fastest_total_ms: smallest(nets.iter().map(total)),
        hooks_ms: median(nets.iter().map(|run| run.iter().map(|page| page.0).sum())),
        root_ms: median(nets.iter().map(|run| run.iter().map(|page| page.1).sum())),
        weight_ms: pages.iter().map(|page| page.weight_ms).sum(),
        pages,
        payout_rows: rows.len(),
        payouts: hex::encode(blake2_256(&rows.encode())),
    })
}

/// Every row of what the round paid: what positions earned, their accumulators, the result.
fn payouts(state: &mut TestExternalities, task: TaskId, round: Round) -> Rows {
    let concat = |key: Vec<u8>| [&twox_64(&key)[..], &key].concat();
    let venue = concat(Venue::Task(task).encode());
    let result = [concat(task.encode()), concat(round.encode())].concat();
    let prefixes = [
        [&storage_prefix(b"ArenaRewards", b"Earned")[..], &venue].concat(),
        [&storage_prefix(b"ArenaRewards", b"AccAt")[..], &venue].concat(),
        [
            &storage_prefix(b"ArenaScoring", b"RoundResults")[..],
            &result,
        ]
        .concat(),
    ];
    let prefixes = prefixes.iter();
    state.execute_with(|| prefixes.flat_map(|prefix| rows_below(prefix)).collect())
}

/// Rows whose keys begin with `prefix`, or are it.
fn rows_below(prefix: &[u8]) -> Rows {
    let mut rows = Rows::new();
    let mut key = prefix.to_vec();
    loop {
        if let Some(value) = sp_io::storage::get(&key) {
            rows.push((key.clone(), value.to_vec()));
        }
        match sp_io::storage::next_key(&key) {
            Some(next) if next.starts_with(prefix) => key = next,
            _ => return rows,
        }
    }
}

/// The same blocks, natively, must pay the same.
fn same_natively(world: &World, rows: &Rows) -> Result<()> {
    let (task, round) = (world.task, world.round);
    let mut state = copy(&world.state);
    state.execute_with(|| {
        for _ in 0..MOST_BLOCKS {
            if is_settled(task, round) {
                return;
            }
            next_block();
        }
    });
    ensure!(
        payouts(&mut state, task, round) == *rows,
        "the wasm paid something else than the native runtime"
    );
    Ok(())
}

/// One settlement with pages of another size.
#[derive(Debug, Serialize)]
pub(crate) struct Forced {
    /// Reference time that a page may use at most.
    pub(crate) limit_ms: f64,
    pub(crate) pages: u32,
    pub(crate) same_payouts: bool,
}

/// Settles the round with pages of several sizes, natively and all in one block, since what a
/// task draws grows with the blocks that pass. The limits go from all at once to so little that
/// there are at least [`FORCED_PAGES`].
pub(crate) fn force(world: &World, total: Weight, progress: &Progress) -> Result<Vec<Forced>> {
    let at_once = Weight::MAX;
    let Some((pages, first)) = settle_within(world, at_once) else {
        bail!("the round is never settled");
    };
    ensure!(!first.is_empty(), "the round paid nothing");
    let mut forced = vec![forced_by(at_once, pages, true)];
    let usual = [MaxTickWeight::get()].into_iter();
    let smaller = [2, 5, 11, 37].into_iter().map(|parts| total / parts);
    for limit in usual.chain(smaller) {
        let Some((pages, rows)) = settle_within(world, limit) else {
            progress.say(format!(
                "pages of {:.1} ms don't hold a unit of work",
                limit.ref_time() as f64 / MILLI
            ));
            continue;
        };
        progress.say(format!(
            "settlement by pages of {:.1} ms: {pages}",
            limit.ref_time() as f64 / MILLI
        ));
        forced.push(forced_by(limit, pages, rows == first));
    }
    Ok(forced)
}

fn forced_by(limit: Weight, pages: u32, same_payouts: bool) -> Forced {
    Forced {
        limit_ms: limit.ref_time() as f64 / MILLI,
        pages,
        same_payouts,
    }
}

/// In how many pages, and what is paid; `None` where pages are too small for a unit of work.
fn settle_within(world: &World, limit: Weight) -> Option<(u32, Rows)> {
    let (task, round, now) = (world.task, world.round, world.settle);
    let mut state = copy(&world.state);
    let pages = state.execute_with(|| {
        while System::block_number() + 1 < now {
            next_block();
        }
        System::set_block_number(now);
        System::reset_events();
        ArenaTasks::on_initialize(now);
        (1..=100_000u32).find(|_| {
            ArenaScoring::tick(now, limit);
            is_settled(task, round)
        })
    });
    pages.map(|pages| (pages, payouts(&mut state, task, round)))
}
