//! Seeded numbers: the same arguments make the same chain.

/// A stream of numbers, SplitMix64's.
pub struct Law(u64);

impl Law {
    /// Begins a stream.
    pub fn new(seed: u64) -> Self {
        Law(seed)
    }

    /// 64 bits.
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Uniform, above 0 and up to 1.
    pub fn unit(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Pareto's law from `least` on, cut at `most`.
    pub fn tail(&mut self, least: f64, shape: f64, most: f64) -> f64 {
        (least * self.unit().powf(-1.0 / shape)).min(most)
    }

    /// Uniform, below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.word() % n.max(1)
    }

    /// An index, with a chance in proportion to its weight; `sums` are the weights' running sums.
    pub fn index(&mut self, sums: &[f64]) -> usize {
        let total = sums.last().copied().unwrap_or_default();
        let at = self.unit() * total;
        sums.partition_point(|sum| *sum < at)
            .min(sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_should_stay_between_its_ends_and_be_heavy() {
        let mut law = Law::new(1);
        let mut drawn: Vec<f64> = (0..10_000).map(|_| law.tail(1.0, 1.16, 1e6)).collect();
        assert!(drawn.iter().all(|stake| (1.0..=1e6).contains(stake)));
        drawn.sort_by(f64::total_cmp);
        let total: f64 = drawn.iter().sum();
        let top: f64 = drawn.iter().rev().take(2_000).sum();
        assert!(top > 0.6 * total, "a fifth holds {top} of {total}");
    }

    #[test]
    fn index_should_follow_the_weights() {
        let mut law = Law::new(2);
        let mut hits = [0; 3];
        for _ in 0..3_000 {
            hits[law.index(&[0.0, 1.0, 3.0])] += 1;
        }
        assert_eq!(hits[0], 0);
        assert!(hits[2] > hits[1]);
    }
}
