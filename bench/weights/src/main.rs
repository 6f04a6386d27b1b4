//! Measures the benchmarks of the runtime's own pallets, and writes what they weigh into
//! `pallets/*/src/weights.rs`. `scripts/weights.sh` builds and runs it.

mod machine;
mod measure;
mod write;

use anyhow::{Context, ensure};
use clap::Parser;
use frame_benchmarking::BenchmarkList;
use machine::Machine;
use measure::{Effort, check, measure};
use std::path::{Path, PathBuf};

/// Measures the benchmarks of the runtime's pallets and writes their weights.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Only this pallet, by its folder: `scoring`. Can be given several times.
    #[arg(long, value_name = "NAME")]
    pallet: Vec<String>,
    /// Only benchmarks whose name contains this; measures, and writes nothing.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Runs each benchmark once at its smallest and largest sizes with its assertions, compares
    /// the names with the committed weights, and writes nothing.
    #[arg(long)]
    check: bool,
    /// Sizes of each component that are measured.
    #[arg(long, default_value_t = 20)]
    steps: u32,
    /// How often each of them is.
    #[arg(long, default_value_t = 5)]
    repeat: u32,
    /// Where the repository lies.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    root: PathBuf,
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    ensure!(
        cfg!(feature = "runtime-benchmarks"),
        "this was built without the benchmarks: run scripts/weights.sh, or build with \
         `--features runtime-benchmarks`"
    );
    ensure!(
        options.steps > 1 && options.repeat > 0,
        "at least 2 steps and 1 repeat"
    );
    let machine = Machine::new()?;
    let lists = machine.benchmarks()?;
    for name in &options.pallet {
        let known = lists.iter().any(|list| folder(list) == *name);
        ensure!(known, "no pallet {name} has benchmarks");
    }
    let wanted =
        |list: &&BenchmarkList| options.pallet.is_empty() || options.pallet.contains(&folder(list));
    for list in lists.iter().filter(wanted) {
        run(&machine, list, &options)?;
    }
    Ok(())
}

/// `scoring` of `pallet_arena_scoring`.
fn folder(list: &BenchmarkList) -> String {
    let name = String::from_utf8_lossy(&list.pallet).into_owned();
    name.trim_start_matches("pallet_arena_").to_owned()
}

fn run(machine: &Machine, list: &BenchmarkList, options: &Options) -> anyhow::Result<()> {
    let pallet = folder(list);
    let source = options.root.join("pallets").join(&pallet).join("src");
    let mut weights = Vec::new();
    for benchmark in &list.benchmarks {
        let name = String::from_utf8_lossy(&benchmark.name).into_owned();
        if options
            .only
            .as_ref()
            .is_some_and(|only| !name.contains(only))
        {
            continue;
        }
        if options.check {
            check(machine, list, benchmark).with_context(|| format!("{pallet}: {name}"))?;
            println!("{pallet}: {name}: ok");
            continue;
        }
        let effort = Effort {
            steps: options.steps,
            repeat: options.repeat,
        };
        let weight = measure(machine, list, benchmark, effort)
            .with_context(|| format!("{pallet}: {name}"))?;
        println!("{pallet}: {weight}");
        weights.push(weight);
    }
    if options.only.is_some() {
        return Ok(());
    }
    let file = source.join("weights.rs");
    if options.check {
        return compare(list, &file);
    }
    let docs = write::docs_of(&read(&source.join("benchmarking.rs"))?);
    let text = write::render(&pallet, &weights, &docs, options.steps, options.repeat)?;
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    println!("{pallet}: wrote {}", file.display());
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// The committed weights must be of these benchmarks.
fn compare(list: &BenchmarkList, file: &Path) -> anyhow::Result<()> {
    let committed = write::functions_of(&read(file)?);
    let mut measured: Vec<_> = list
        .benchmarks
        .iter()
        .map(|benchmark| String::from_utf8_lossy(&benchmark.name).into_owned())
        .collect();
    measured.sort();
    ensure!(
        committed == measured,
        "{} is not of these benchmarks: run scripts/weights.sh",
        file.display()
    );
    Ok(())
}
