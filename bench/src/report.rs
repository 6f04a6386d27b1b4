//! What was measured, for people and for programs, and what the targets say of it.

use crate::{
    claims::Claims,
    settlement::{FORCED_PAGES, Forced, Settlement},
};
use arena_runtime::BLOCK_REF_TIME;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// Most execution of all pages of a settlement, in milliseconds.
const MOST_TOTAL_MS: f64 = 150.0;
/// Most of a block for one page, in percent.
const MOST_PAGE_PERCENT: f64 = 5.0;
/// Most that a claim's time may differ between positions, as a factor: what is left to a claim
/// is the depth of the trie.
const MOST_CLAIM_SPREAD: f64 = 1.25;

/// The runtime that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Code {
    /// blake2-256 of the blob, which is the state's `:code`.
    pub(crate) blake2: String,
    /// Its size, compressed.
    pub(crate) bytes: usize,
}

/// One target and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) met: bool,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) code: Code,
    pub(crate) processor: String,
    pub(crate) runs: u32,
    pub(crate) seed: u64,
    pub(crate) rules: String,
    pub(crate) delegators: u32,
    pub(crate) settlement: Settlement,
    pub(crate) forced: Vec<Forced>,
    pub(crate) claims: Claims,
    pub(crate) targets: Vec<Target>,
}

/// The processor's name, where the system tells it.
pub(crate) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    name.map(|name| name.trim_start_matches([' ', '\t', ':']).to_owned())
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Holds what was measured against the targets.
pub(crate) fn targets(settlement: &Settlement, forced: &[Forced], claims: &Claims) -> Vec<Target> {
    let heaviest = settlement
        .heaviest()
        .map_or(0.0, |page| page.weight_percent);
    let longest = settlement.longest().map_or(0.0, |page| page.time_percent);
    let most_pages = forced.iter().map(|run| run.pages).max().unwrap_or(0);
    let target = |what: String, found: String, met: bool| Target { what, found, met };
    vec![
        target(
            format!("all pages together, storage root included: under {MOST_TOTAL_MS} ms"),
            format!("{:.1} ms", settlement.total_ms),
            settlement.total_ms < MOST_TOTAL_MS,
        ),
        target(
            format!("no page over {MOST_PAGE_PERCENT} % of a block's weight"),
            format!("{heaviest:.2} %"),
            heaviest <= MOST_PAGE_PERCENT,
        ),
        target(
            format!("no page over {MOST_PAGE_PERCENT} % of a block's execution time"),
            format!("{longest:.2} %"),
            longest <= MOST_PAGE_PERCENT,
        ),
        target(
            "any size of pages pays the same".into(),
            format!("{} sizes", forced.len()),
            forced.iter().all(|run| run.same_payouts),
        ),
        target(
            format!("at least {FORCED_PAGES} pages were forced"),
            format!("{most_pages}"),
            most_pages >= FORCED_PAGES,
        ),
        target(
            "a claim weighs the same whatever the number of delegators".into(),
            if claims.weigh_the_same() { "yes" } else { "no" }.into(),
            claims.weigh_the_same(),
        ),
        target(
            format!("and takes the same time, up to a factor of {MOST_CLAIM_SPREAD}"),
            format!("{:.2}", claims.spread()),
            claims.spread() <= MOST_CLAIM_SPREAD,
        ),
    ]
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(header);
    table
}

fn pages(settlement: &Settlement) -> Table {
    let mut pages = table(&[
        "page",
        "block",
        "hooks, ms",
        "root, ms",
        "weight, ms",
        "% of weight",
        "% of time",
        "% of 2 s",
    ]);
    let per_two_seconds = BLOCK_REF_TIME as f64 / 2e12;
    for (number, page) in (1..).zip(&settlement.pages) {
        pages.add_row([
            format!("{number}"),
            format!("{}", page.block),
            format!("{:.2}", page.hooks_ms),
            format!("{:.2}", page.root_ms),
            format!("{:.2}", page.weight_ms),
            format!("{:.2}", page.weight_percent),
            format!("{:.2}", page.time_percent),
            format!("{:.2}", page.time_percent * per_two_seconds),
        ]);
    }
    pages.add_row([
        "all".to_owned(),
        String::new(),
        format!("{:.2}", settlement.hooks_ms),
        format!("{:.2}", settlement.root_ms),
        format!("{:.2}", settlement.weight_ms),
    ]);
    pages
}

fn forced(forced: &[Forced]) -> Table {
    let mut sizes = table(&["limit of a page, ms", "pages", "payouts"]);
    for run in forced {
        let limit = if run.limit_ms > 1e6 {
            "none".to_owned()
        } else {
            format!("{:.2}", run.limit_ms)
        };
        let payouts = if run.same_payouts { "same" } else { "DIFFER" };
        sizes.add_row([limit, format!("{}", run.pages), payouts.to_owned()]);
    }
    sizes
}

fn claims(claims: &Claims) -> Table {
    let mut positions = table(&[
        "delegators of the position",
        "claims",
        "median, µs",
        "fastest, µs",
        "root, µs",
        "weight, µs",
    ]);
    for claim in &claims.positions {
        positions.add_row([
            format!("{}", claim.delegators),
            format!("{}", claim.claims),
            format!("{:.0}", claim.millis * 1e3),
            format!("{:.0}", claim.fastest_ms * 1e3),
            format!("{:.0}", claim.root_ms * 1e3),
            format!("{:.0}", claim.weight_ms * 1e3),
        ]);
    }
    positions
}

impl Report {
    /// Every target was met.
    pub(crate) fn is_met(&self) -> bool {
        self.targets.iter().all(|target| target.met)
    }

    /// For people.
    pub(crate) fn print(&self) {
        let s = &self.settlement;
        println!(
            "runtime   {} bytes compressed, blake2 0x{} = the state's :code",
            self.code.bytes, self.code.blake2
        );
        println!("processor {}", self.processor);
        println!(
            "state     made natively by the runtime's calls and hooks, signatures not checked; \
             rules: {}, seed {}",
            self.rules, self.seed
        );
        println!(
            "round     {} models × {} validators: {} scores; {} delegators; {} positions paid",
            s.models, s.validators, s.scores, self.delegators, s.positions_paid
        );
        println!(
            "\nSettlement in the wasm, {} runs: {:.1} ms (fastest run {:.1} ms), weight {:.1} ms, \
             {} pages",
            self.runs,
            s.total_ms,
            s.fastest_total_ms,
            s.weight_ms,
            s.pages.len()
        );
        println!(
            "beyond an ordinary block, whose hooks take {:.2} ms and whose root takes {:.2} ms",
            s.quiet_hooks_ms, s.quiet_root_ms
        );
        println!("{}", pages(s));
        println!(
            "\nThe same settlement by pages of other sizes, natively and within one block: {} rows \
             of earnings, accumulators and result, byte by byte",
            s.payout_rows
        );
        println!("{}", forced(&self.forced));
        println!(
            "\nOne claim in the wasm, signature and fee included; a call that does nothing takes \
             {:.0} µs",
            self.claims.empty_call_ms * 1e3
        );
        println!("{}", claims(&self.claims));
        println!();
        for target in &self.targets {
            let verdict = if target.met { "ok    " } else { "MISSED" };
            println!("{verdict} {}: {}", target.what, target.found);
        }
    }
}
