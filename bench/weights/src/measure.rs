//! At which sizes a benchmark is measured, and the straight lines through what was.

use crate::machine::{Machine, Purpose};
use anyhow::ensure;
use frame_benchmarking::{
    Analysis, BenchmarkConfig, BenchmarkList, BenchmarkMetadata, BenchmarkParameter,
    BenchmarkResult, BenchmarkSelector,
};
use std::{collections::BTreeMap, fmt};

/// A size of each component.
type Point = Vec<(BenchmarkParameter, u32)>;

/// How thoroughly to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Sizes of each component.
    pub(crate) steps: u32,
    /// Repeats at each of them.
    pub(crate) repeat: u32,
}

/// A cost without components, and of one unit of each component.
#[derive(Debug)]
pub(crate) struct Line {
    /// Without components.
    pub(crate) base: u128,
    /// Of one unit more, in the order of the components.
    pub(crate) slopes: Vec<u128>,
}

/// What a benchmark costs.
pub(crate) struct Measured {
    /// Its name.
    pub(crate) name: String,
    /// Its components.
    pub(crate) components: Vec<String>,
    /// Picoseconds.
    pub(crate) time: Line,
    /// Rows that are read.
    pub(crate) reads: Line,
    /// Rows that are written.
    pub(crate) writes: Line,
    /// Mean time at the largest sizes, in nanoseconds.
    largest: u128,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured {
            name,
            time,
            reads,
            writes,
            ..
        } = self;
        let micros = |picos: u128| picos as f64 / 1e6;
        write!(f, "{name}: {:.1} µs", micros(time.base))?;
        write!(f, ", {} reads, {} writes", reads.base, writes.base)?;
        for (at, component) in self.components.iter().enumerate() {
            let of = |line: &Line| line.slopes.get(at).copied().unwrap_or(0);
            let (time, reads, writes) = (of(time), of(reads), of(writes));
            write!(f, "; of each {component} {:.3} µs", micros(time))?;
            write!(f, ", {reads} reads, {writes} writes")?;
        }
        write!(f, "; at the largest {:.1} µs", self.largest as f64 / 1e3)
    }
}

fn config(list: &BenchmarkList, benchmark: &BenchmarkMetadata, point: &Point) -> BenchmarkConfig {
    BenchmarkConfig {
        pallet: list.pallet.clone(),
        instance: list.instance.clone(),
        benchmark: benchmark.name.clone(),
        selected_components: point.clone(),
        verify: false,
        internal_repeats: 1,
    }
}

fn largest(benchmark: &BenchmarkMetadata) -> Point {
    let all = benchmark.components.iter();
    all.map(|(name, _, high)| (*name, *high)).collect()
}

/// Each component from its least to its most, with the others at their most.
fn points(benchmark: &BenchmarkMetadata, steps: u32) -> Vec<Point> {
    let most = largest(benchmark);
    let mut points = vec![most.clone()];
    for (at, (name, low, high)) in benchmark.components.iter().enumerate() {
        let range = high - low;
        let steps = steps.min(range.saturating_add(1)).max(2);
        for step in 0..steps {
            let offset = u64::from(range) * u64::from(step) / u64::from(steps - 1);
            let mut point = most.clone();
            point[at] = (*name, low + offset as u32);
            if !points.contains(&point) {
                points.push(point);
            }
        }
    }
    points
}

/// Runs a benchmark with its assertions where each component is least, and where all are most.
pub(crate) fn check(
    machine: &Machine,
    list: &BenchmarkList,
    benchmark: &BenchmarkMetadata,
) -> anyhow::Result<()> {
    for point in points(benchmark, 2) {
        machine.run(config(list, benchmark, &point), Purpose::Verify)?;
    }
    Ok(())
}

/// Measures a benchmark.
pub(crate) fn measure(
    machine: &Machine,
    list: &BenchmarkList,
    benchmark: &BenchmarkMetadata,
    effort: Effort,
) -> anyhow::Result<Measured> {
    check(machine, list, benchmark)?;
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    let repeat = if benchmark.components.is_empty() {
        effort.repeat.max(effort.steps)
    } else {
        effort.repeat
    };
    for point in points(benchmark, effort.steps) {
        let config = config(list, benchmark, &point);
        counts.extend(machine.run(config.clone(), Purpose::Count)?);
        times.extend(machine.run(config, Purpose::Time(repeat))?);
    }
    let at_most = largest(benchmark);
    let of_largest = times.iter().filter(|result| result.components == at_most);
    let of_largest: Vec<u128> = of_largest.map(|result| result.extrinsic_time).collect();
    ensure!(
        !of_largest.is_empty(),
        "nothing was measured at the largest"
    );
    let mean = of_largest.iter().sum::<u128>() / of_largest.len() as u128;
    let names = benchmark.components.iter();
    Ok(Measured {
        name: String::from_utf8_lossy(&benchmark.name).into_owned(),
        components: names.map(|(name, ..)| name.to_string()).collect(),
        time: line(&times, BenchmarkSelector::ExtrinsicTime, &at_most)?,
        reads: line(&counts, BenchmarkSelector::Reads, &at_most)?,
        writes: line(&counts, BenchmarkSelector::Writes, &at_most)?,
        largest: mean,
    })
}

/// Least squares without the outer quartiles, for no components the median; lifted where it lies
/// below what was measured: times at the largest sizes, rows at all of them. What is cheap in the
/// beginning and dear in the end isn't straight, and slopes of rows are whole numbers.
fn line(results: &[BenchmarkResult], of: BenchmarkSelector, most: &Point) -> anyhow::Result<Line> {
    let fit = Analysis::min_squares_iqr(&results.to_vec(), of)?;
    let by_name: BTreeMap<String, u128> = fit.names.into_iter().zip(fit.slopes).collect();
    let first = results.first().map(|result| result.components.clone());
    let slopes = first.unwrap_or_default().into_iter();
    let slopes = slopes.map(|(name, _)| by_name.get(&name.to_string()).copied().unwrap_or(0));
    let mut line = Line {
        base: fit.base,
        slopes: slopes.collect(),
    };
    let counts = !matches!(of, BenchmarkSelector::ExtrinsicTime);
    let mut measured = BTreeMap::<Vec<u32>, Vec<u128>>::new();
    for result in results {
        if counts || result.components == *most {
            let sizes = result.components.iter().map(|(_, size)| *size).collect();
            measured.entry(sizes).or_default().push(value(result, of));
        }
    }
    let below = measured.iter_mut().map(|(sizes, values)| {
        values.sort();
        let median = values.get(values.len() / 2).copied().unwrap_or(0);
        median.saturating_sub(line.at(sizes))
    });
    line.base += below.max().unwrap_or(0);
    Ok(line)
}

/// In the units of [`Analysis`].
fn value(result: &BenchmarkResult, of: BenchmarkSelector) -> u128 {
    match of {
        BenchmarkSelector::ExtrinsicTime => result.extrinsic_time * 1_000,
        BenchmarkSelector::Reads => result.reads.into(),
        BenchmarkSelector::Writes => result.writes.into(),
        BenchmarkSelector::StorageRootTime => result.storage_root_time,
        BenchmarkSelector::ProofSize => result.proof_size.into(),
    }
}

impl Line {
    fn at(&self, sizes: &[u32]) -> u128 {
        let parts = self.slopes.iter().zip(sizes);
        parts.fold(self.base, |sum, (slope, size)| {
            sum + slope * u128::from(*size)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(components: Vec<(BenchmarkParameter, u32, u32)>) -> BenchmarkMetadata {
        BenchmarkMetadata {
            name: b"x".to_vec(),
            components,
            pov_modes: Vec::new(),
        }
    }

    #[test]
    fn points_should_move_one_component_at_a_time_from_least_to_most() {
        use BenchmarkParameter::{m, v};
        let found = points(&metadata(vec![(m, 1, 3), (v, 0, 100)]), 3);
        let expected = [(3, 100), (1, 100), (2, 100), (3, 0), (3, 50)];
        assert_eq!(found.len(), expected.len());
        for (of_m, of_v) in expected {
            assert!(found.contains(&vec![(m, of_m), (v, of_v)]), "{of_m} {of_v}");
        }
    }

    #[test]
    fn points_should_be_one_without_components_and_no_more_than_there_are_sizes() {
        use BenchmarkParameter::u;
        assert_eq!(points(&metadata(Vec::new()), 20), [Vec::new()]);
        assert_eq!(points(&metadata(vec![(u, 1, 4)]), 20).len(), 4);
        assert_eq!(points(&metadata(vec![(u, 4, 4)]), 20).len(), 1);
    }

    #[test]
    fn a_line_should_be_lifted_to_what_was_counted() {
        use BenchmarkParameter::r;
        // Two rows each for the first ten, then one.
        let results: Vec<_> = (1..=30u32)
            .map(|size| BenchmarkResult {
                components: vec![(r, size)],
                reads: size + size.min(10),
                ..Default::default()
            })
            .collect();
        let line = line(&results, BenchmarkSelector::Reads, &vec![(r, 30)]).expect("fits");
        for result in &results {
            let (_, size) = result.components[0];
            assert!(line.at(&[size]) >= u128::from(result.reads), "{size}");
        }
        assert!(line.at(&[30]) <= 42);
    }
}
