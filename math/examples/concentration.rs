//! How concentrated the weight in a consensus is under each cap, before and after
//! the largest operator divides its stake over several accounts:
//! `cargo run -p arena-math --release --example concentration -- --help`

#[path = "../tests/support/measures.rs"]
mod measures;

use arena_math::consensus::Cap;
use measures::{Law, SplitMix64, by_owner, coalition, gini, hhi, largest, split_largest};
use serde_json::{Value, json};
use std::process::ExitCode;

const HELP: &str = "\
Concentration of consensus weight under caps.

usage: concentration [options]
  --json FILE       also write the table as JSON
  --cap CAP         none, seats:N or percentile:P; may be given several times
                    [none, seats:10, percentile:88]
  --split N         accounts that the largest operator divides its stake over; may
                    be given several times [1, 5, 20]
  --operators N     operators, before the split; 100 in the last law [391]
  --draws N         stakes are drawn so often, and medians are shown [40]
  --seed N          of SplitMix64 [2507]
  --help            this text

For each law of stake, cap and split:
  n                 accounts, or their owners
  Gini, HHI         of the weights
  51 %              the fewest that have 51 % of the weight, and what part of them
                    all that is
  top               share of weight of the operator with the largest stake
";

/// Three laws with heavy tails, which are no fit to any data, and one with a whale.
const LAWS: [Law; 4] = [
    Law::Pareto(1.1),
    Law::Pareto(0.7),
    Law::Lognormal(3.0),
    Law::Whale(0.6),
];

/// Of all weight, in percent.
const MAJORITY: u128 = 51;

struct Options {
    json: Option<String>,
    caps: Vec<Cap>,
    splits: Vec<usize>,
    operators: usize,
    draws: usize,
    seed: u64,
}

/// `None` where help was asked for.
fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        json: None,
        caps: Vec::new(),
        splits: Vec::new(),
        operators: 391,
        draws: 40,
        seed: 2507,
    };
    while let Some(flag) = args.next() {
        if flag == "--help" || flag == "-h" {
            return Ok(None);
        }
        let mut value = || args.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--json" => options.json = Some(value()?),
            "--cap" => options.caps.push(cap(&value()?)?),
            "--split" => options.splits.push(count(&flag, &value()?)?),
            "--operators" => options.operators = count(&flag, &value()?)?,
            "--draws" => options.draws = count(&flag, &value()?)?,
            "--seed" => {
                options.seed = value()?
                    .parse()
                    .map_err(|_| "--seed needs a number of 64 bits".to_string())?;
            }
            other => return Err(format!("unknown option `{other}`; see --help")),
        }
    }
    if options.caps.is_empty() {
        options.caps = vec![Cap::None, Cap::Seats(10), Cap::Percentile(88)];
    }
    if options.splits.is_empty() {
        options.splits = vec![1, 5, 20];
    }
    Ok(Some(options))
}

/// From 1 to 10,000: more is a mistake, and would take long.
fn count(flag: &str, text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| format!("{flag} needs a number from 1 to 10000, not `{text}`"))
}

fn cap(text: &str) -> Result<Cap, String> {
    let bad = || format!("`{text}` is not none, seats:N or percentile:P");
    match text.split_once(':') {
        None if text == "none" => Ok(Cap::None),
        Some(("seats", number)) => Ok(Cap::Seats(number.parse().map_err(|_| bad())?)),
        Some(("percentile", number)) => Ok(Cap::Percentile(number.parse().map_err(|_| bad())?)),
        _ => Err(bad()),
    }
}

fn cap_name(cap: Cap) -> String {
    match cap {
        Cap::None => "none".into(),
        Cap::Seats(seats) => format!("seats {seats}"),
        Cap::Percentile(percent) => format!("percentile {percent}"),
    }
}

/// What is measured on one list of weights.
struct Measures {
    n: f64,
    gini: f64,
    hhi: f64,
    coalition: f64,
}

impl Measures {
    fn of(weights: &[u128]) -> Self {
        Self {
            n: weights.len() as f64,
            gini: gini(weights),
            hhi: hhi(weights),
            coalition: coalition(weights, MAJORITY) as f64,
        }
    }

    fn medians(draws: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(draws.iter().map(field).collect());
        Self {
            n: of(|draw| draw.n),
            gini: of(|draw| draw.gini),
            hhi: of(|draw| draw.hhi),
            coalition: of(|draw| draw.coalition),
        }
    }

    fn percent(&self) -> f64 {
        100.0 * self.coalition / self.n
    }

    fn cells(&self) -> String {
        format!(
            "{:.3} | {:.4} | {} ({:.1} %)",
            self.gini,
            self.hhi,
            self.coalition,
            self.percent()
        )
    }

    fn json(&self) -> Value {
        json!({
            "n": self.n,
            "gini": self.gini,
            "hhi": self.hhi,
            "coalition_51": self.coalition,
            "coalition_51_percent": self.percent(),
        })
    }
}

/// The mean of the two middle values where their number is even.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

struct Line {
    law: Law,
    cap: Cap,
    split: usize,
    accounts: Measures,
    owners: Measures,
    /// Share of weight of the operator with the largest stake.
    top: f64,
}

impl Line {
    fn measure(options: &Options, law: Law, cap: Cap, split: usize) -> Result<Self, String> {
        // Every cap and split sees the same stakes.
        let mut random = SplitMix64(options.seed);
        let (mut accounts, mut owners, mut top) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.draws {
            let stakes = law.stakes(options.operators, &mut random);
            let whale = largest(&stakes).ok_or("no operators")?;
            let (stakes, owner_of) = split_largest(&stakes, split);
            let weights = cap.apply(&stakes).map_err(|error| error.to_string())?;
            let owned = by_owner(&weights, &owner_of);
            let total: u128 = owned.iter().sum();
            top.push(owned[whale] as f64 / total as f64);
            accounts.push(Measures::of(&weights));
            owners.push(Measures::of(&owned));
        }
        Ok(Self {
            law,
            cap,
            split,
            accounts: Measures::medians(&accounts),
            owners: Measures::medians(&owners),
            top: median(top),
        })
    }

    fn print(&self) {
        println!(
            "| {} | {} | {} | {} | {} | {:.1} % |",
            self.law.name(),
            cap_name(self.cap),
            self.split,
            self.accounts.cells(),
            self.owners.cells(),
            100.0 * self.top
        );
    }

    fn json(&self) -> Value {
        json!({
            "law": self.law.name(),
            "cap": cap_name(self.cap),
            "split": self.split,
            "accounts": self.accounts.json(),
            "owners": self.owners.json(),
            "top_share": self.top,
        })
    }
}

fn run(options: &Options) -> Result<(), String> {
    println!(
        "| law | cap | split | accounts: Gini | HHI | 51 % | owners: Gini | HHI | 51 % | top |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut lines = Vec::new();
    for law in LAWS {
        for cap in &options.caps {
            for split in &options.splits {
                let line = Line::measure(options, law, *cap, *split)?;
                line.print();
                lines.push(line.json());
            }
        }
    }
    if let Some(file) = &options.json {
        let value = json!({
            "operators": options.operators,
            "draws": options.draws,
            "seed": options.seed,
            "lines": lines,
        });
        std::fs::write(file, format!("{value:#}\n")).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let result = match options(std::env::args().skip(1)) {
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Some(options)) => run(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("concentration: {error}");
            ExitCode::FAILURE
        }
    }
}
