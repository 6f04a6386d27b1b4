//! How concentrated weight is, and what the stakes behind it look like.

/// SplitMix64, the generator of the golden vectors.
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1), 53 bits.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// How stake is spread over operators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Law {
    /// `u^(−1/exponent)`: the lower the exponent, the heavier the tail.
    Pareto(f64),
    /// `e^(deviation·z)`, `z` normal.
    Lognormal(f64),
    /// One operator with this share among 99 equal others, whatever the number of
    /// operators. No chance in it.
    Whale(f64),
}

/// One token, in planck.
const TOKEN: f64 = 1e12;

impl Law {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Pareto(exponent) => format!("Pareto {exponent}"),
            Self::Lognormal(deviation) => format!("lognormal s={deviation}"),
            Self::Whale(share) => format!("{:.0} % whale, 99 equal", share * 100.0),
        }
    }

    /// Stakes of `count` operators, in planck; the median one has about a token.
    pub(crate) fn stakes(self, count: usize, random: &mut SplitMix64) -> Vec<u128> {
        let tokens = |tokens: f64| (tokens * TOKEN) as u128;
        match self {
            Self::Pareto(exponent) => (0..count)
                .map(|_| tokens(random.uniform().powf(-1.0 / exponent)))
                .collect(),
            Self::Lognormal(deviation) => (0..count)
                .map(|_| {
                    // Box and Muller; the second number of the pair isn't used.
                    let radius = (-2.0 * random.uniform().ln()).sqrt();
                    let angle = std::f64::consts::TAU * random.uniform();
                    tokens((deviation * radius * angle.cos()).exp())
                })
                .collect(),
            Self::Whale(share) => {
                let mut stakes = vec![tokens(1.0); 99];
                stakes.push(tokens(99.0 * share / (1.0 - share)));
                stakes
            }
        }
    }
}

/// The position of the largest; of equals the first.
pub(crate) fn largest(amounts: &[u128]) -> Option<usize> {
    (0..amounts.len()).rev().max_by_key(|index| amounts[*index])
}

/// The stakes after the largest operator divided its own evenly over `accounts`,
/// and for each account the position of its owner.
pub(crate) fn split_largest(stakes: &[u128], accounts: usize) -> (Vec<u128>, Vec<usize>) {
    let mut out = stakes.to_vec();
    let mut owners: Vec<usize> = (0..stakes.len()).collect();
    let Some(whale) = largest(stakes) else {
        return (out, owners);
    };
    let count = accounts.max(1) as u128;
    let part = stakes[whale] / count;
    out[whale] = stakes[whale] - part * (count - 1);
    for _ in 1..count {
        out.push(part);
        owners.push(whale);
    }
    (out, owners)
}

/// The weights of accounts, added up by owner.
pub(crate) fn by_owner(weights: &[u128], owners: &[usize]) -> Vec<u128> {
    let count = owners.iter().max().map_or(0, |owner| owner + 1);
    let mut sums = vec![0; count];
    for (weight, owner) in weights.iter().zip(owners) {
        sums[*owner] += weight;
    }
    sums
}

/// Gini coefficient: 0 when all are equal, `1 − 1/n` when one has all.
pub(crate) fn gini(weights: &[u128]) -> f64 {
    let mut sorted = weights.to_vec();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    let total: f64 = sorted.iter().map(|weight| *weight as f64).sum();
    if total == 0.0 {
        return 0.0;
    }
    let ranked = sorted.iter().zip(1_u32..);
    let sum: f64 = ranked
        .map(|(weight, rank)| (2.0 * f64::from(rank) - n - 1.0) * *weight as f64)
        .sum();
    sum / (n * total)
}

/// Herfindahl–Hirschman index, the sum of squared shares: `1/n` when all are
/// equal, 1 when one has all.
pub(crate) fn hhi(weights: &[u128]) -> f64 {
    let total: f64 = weights.iter().map(|weight| *weight as f64).sum();
    if total == 0.0 {
        return 0.0;
    }
    weights
        .iter()
        .map(|weight| (*weight as f64 / total).powi(2))
        .sum()
}

/// How many of the heaviest have together at least `percent` of all weight;
/// exact. 0 when there is no weight.
pub(crate) fn coalition(weights: &[u128], percent: u128) -> usize {
    let mut sorted = weights.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let total: u128 = sorted.iter().sum();
    let mut sum = 0;
    let enough = |weight: &u128| {
        sum += weight;
        sum * 100 >= total * percent
    };
    match sorted.iter().position(enough) {
        Some(last) if total > 0 => last + 1,
        _ => 0,
    }
}
