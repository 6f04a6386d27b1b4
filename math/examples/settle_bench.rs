//! How long a round takes to settle, natively:
//! `cargo run -p arena-math --release --example settle_bench -- [SUBMISSIONS [VALIDATORS]]`
//!
//! 153 submissions and 456 validators unless told. The first column is the
//! nanoseconds for each score, the best of some rounds; the last is a checksum of
//! everything that was paid, which no change of speed may change.

use arena_math::{
    Listed, RoundInput, RoundOutput,
    consensus::{Aggregation, Cap},
    fixed::ONE_Q32,
    rewards::{RankRule, ValidatorRule},
    settle,
};
use std::{hint::black_box, process::ExitCode, time::Instant};

const UNIT: u128 = 1_000_000_000_000;
const ROUNDS: usize = 15;

/// SplitMix64, the generator of the golden vectors.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap_or(0)
    }

    fn stake(&mut self) -> u128 {
        u128::from(1 + self.below(1_000_000)) * UNIT + u128::from(self.below(1_000_000_000))
    }
}

/// What makes a round slow or fast.
struct Case {
    name: &'static str,
    /// How far a score may be from the truth, in Perbill.
    noise: u32,
    committee: u32,
    aggregation: Aggregation,
    alpha_q32: u64,
    reward: u128,
}

struct Table {
    trainers: Vec<u128>,
    validators: Vec<u128>,
    listed: Vec<Vec<Option<Listed>>>,
}

impl Table {
    fn new(case: &Case, submissions: usize, validators: usize) -> Self {
        let mut random = Random(2412);
        let trainers = (0..submissions).map(|_| random.stake()).collect();
        let stakes: Vec<_> = (0..validators).map(|_| random.stake()).collect();
        let total: u128 = stakes.iter().sum();
        let truths: Vec<_> = (0..submissions)
            .map(|_| 300_000_000 + random.below(600_000_000))
            .collect();
        let mut entry = |stake: u128, truth: u32| {
            let threshold = arena_math::draw::draw_threshold(stake, total, case.committee);
            let (drawn, kind) = (random.next(), random.below(100));
            let offset = random.below(case.noise * 2 + 1);
            arena_math::draw::is_drawn(drawn, threshold).then_some(match kind {
                0 => Listed::Skipped,
                1 => Listed::Invalid,
                _ => Listed::Scored(truth + offset - case.noise),
            })
        };
        let listed = stakes
            .iter()
            .map(|stake| truths.iter().map(|truth| entry(*stake, *truth)).collect())
            .collect();
        Self {
            trainers,
            validators: stakes,
            listed,
        }
    }

    fn settle(&self, case: &Case) -> Result<RoundOutput, String> {
        let input = RoundInput {
            reward: case.reward,
            gamma: 350_000_000,
            q: 700_000_000,
            rank_rule: RankRule::ByStake { depth: 20 },
            validator_rule: ValidatorRule {
                alpha_q32: case.alpha_q32,
                lambda_q32: 50 * ONE_Q32,
                band: 1_000_000,
            },
            committee: case.committee,
            cap: Cap::Seats(10),
            aggregation: case.aggregation,
            min_scorers: 3,
            baseline: 0,
            trainer_stakes: &self.trainers,
            validator_stakes: &self.validators,
            listed: &self.listed,
        };
        settle(black_box(&input)).map_err(|error| error.to_string())
    }
}

/// FNV-1a over every number of the result.
fn checksum(out: &RoundOutput) -> u64 {
    let amounts = [
        &out.draw_weights,
        &out.capped_weights,
        &out.trainer_payouts,
        &out.validator_payouts,
    ];
    let scores = out.consensus_q64.iter().map(|x| x.unwrap_or(u128::MAX));
    let places = out.ranks.iter().chain(&out.mean_distance);
    let numbers = amounts
        .into_iter()
        .flatten()
        .copied()
        .chain(scores)
        .chain(places.map(|x| x.map_or(u128::MAX, u128::from)))
        .chain([out.treasury, out.trainer_dust, out.validator_dust]);
    let bytes = numbers.flat_map(u128::to_le_bytes);
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    })
}

fn run(case: &Case, submissions: usize, validators: usize) -> Result<(), String> {
    let table = Table::new(case, submissions, validators);
    let scores = table.listed.iter().flatten().flatten().count();
    let mut best = u128::MAX;
    let mut sum = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let out = black_box(table.settle(case)?);
        best = best.min(start.elapsed().as_nanos());
        sum = checksum(&out);
    }
    println!(
        "{:>7} {:>9.3} {scores:>8}  {:<34} {sum:016x}",
        best / scores.max(1) as u128,
        best as f64 / 1e6,
        case.name
    );
    Ok(())
}

fn main() -> ExitCode {
    let mut sizes = [153, 456];
    let args: Vec<String> = std::env::args().skip(1).collect();
    for (index, arg) in args.iter().enumerate() {
        match (sizes.get_mut(index), arg.parse::<u16>()) {
            (Some(size), Ok(number)) if number > 0 => *size = usize::from(number),
            _ => {
                eprintln!("usage: settle_bench [SUBMISSIONS [VALIDATORS]]");
                return ExitCode::FAILURE;
            }
        }
    }
    let usual = Case {
        name: "usual: within the band",
        noise: 1_000_000,
        committee: 0,
        aggregation: Aggregation::Median,
        alpha_q32: ONE_Q32,
        reward: 1074 * UNIT,
    };
    let cases = [
        Case {
            name: "preview: the same without reward",
            reward: 0,
            ..usual
        },
        Case {
            name: "noisy: every distance another",
            noise: 10_000_000,
            ..usual
        },
        Case {
            name: "noisy, mean, alpha 0.5",
            noise: 10_000_000,
            aggregation: Aggregation::Mean,
            alpha_q32: ONE_Q32 / 2,
            ..usual
        },
        Case {
            name: "drawn: committee of 21",
            committee: 21,
            ..usual
        },
        Case {
            name: "reward of 10^9 tokens",
            noise: 10_000_000,
            reward: 1_000_000_000 * UNIT,
            ..usual
        },
    ];
    println!("ns each  ms round   scores  case                               checksum");
    for case in std::iter::once(&usual).chain(&cases) {
        if let Err(error) = run(case, sizes[0], sizes[1]) {
            eprintln!("{}: {error}", case.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
