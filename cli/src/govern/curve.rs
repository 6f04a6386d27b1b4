//! How much approval and support a referendum needs as its decision goes on.

use codec::Decode;

/// All of it, in Perbill; also one, in fixed-point numbers of the chain.
const ONE: i128 = 1_000_000_000;

/// A curve over the decision's time, as the chain has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode)]
pub(super) enum Curve {
    /// Evenly from `ceil` to `floor`, which it reaches at `length`; all in Perbill.
    Linear {
        /// When it ends falling.
        length: u32,
        /// Where it ends.
        floor: u32,
        /// Where it begins.
        ceil: u32,
    },
    /// By steps; all in Perbill.
    Stepped {
        /// Where it begins.
        begin: u32,
        /// Where it ends.
        end: u32,
        /// What it falls by.
        step: u32,
        /// How long a step is.
        period: u32,
    },
    /// `factor / (x + x_offset) + y_offset`, in billionths.
    Reciprocal {
        /// Its factor.
        factor: i64,
        /// Its offset in time.
        x_offset: i64,
        /// Its offset in value.
        y_offset: i64,
    },
}

impl Curve {
    /// The least that is needed after this part of the decision's time, both in Perbill.
    pub(super) fn threshold(&self, time: u32) -> u32 {
        let value = match *self {
            Curve::Linear {
                length,
                floor,
                ceil,
            } => {
                let gone = i128::from(time.min(length)) * ONE / i128::from(length.max(1));
                i128::from(ceil) - gone * i128::from(ceil.saturating_sub(floor)) / ONE
            }
            Curve::Stepped {
                begin,
                end,
                step,
                period,
            } => {
                let steps = time / period.max(1);
                i128::from(begin.saturating_sub(step.saturating_mul(steps)).max(end))
            }
            Curve::Reciprocal {
                factor,
                x_offset,
                y_offset,
            } => {
                let x = (i128::from(time) + i128::from(x_offset)).max(1);
                i128::from(factor) * ONE / x + i128::from(y_offset)
            }
        };
        u32::try_from(value.clamp(0, ONE)).unwrap_or(u32::MAX)
    }
}

/// The part of a decision's time that is over, in Perbill.
pub(super) fn part(since: u32, now: u32, period: u32) -> u32 {
    let over = i128::from(now.saturating_sub(since).min(period));
    u32::try_from(over * ONE / i128::from(period.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_curve_should_fall_evenly() {
        let curve = Curve::Linear {
            length: 1_000_000_000,
            floor: 500_000,
            ceil: 100_000_000,
        };
        assert_eq!(curve.threshold(0), 100_000_000);
        assert_eq!(curve.threshold(500_000_000), 50_250_000);
        assert_eq!(curve.threshold(1_000_000_000), 500_000);
    }

    #[test]
    fn a_stepped_curve_should_stop_at_its_end() {
        let curve = Curve::Stepped {
            begin: 900,
            end: 500,
            step: 150,
            period: 10,
        };
        assert_eq!(
            [0, 9, 10, 29, 30, 99].map(|x| curve.threshold(x)),
            [900, 900, 750, 600, 500, 500]
        );
    }

    #[test]
    fn a_reciprocal_curve_should_fall_fast_then_slowly() {
        // From 100 % to 51 %, through 80 % after 4 of 14 parts.
        let curve = Curve::Reciprocal {
            factor: 301_066_666,
            x_offset: 444_300_000,
            y_offset: 322_390_000,
        };
        let at = |percent: u32| curve.threshold(percent * 10_000_000) / 10_000_000;
        assert!(at(0) >= 99 && at(100) <= 54);
        assert!(at(0) - at(30) > at(70) - at(100));
    }

    #[test]
    fn time_should_be_a_part_of_the_period() {
        assert_eq!(part(100, 100, 40), 0);
        assert_eq!(part(100, 110, 40), 250_000_000);
        assert_eq!(part(100, 200, 40), 1_000_000_000);
        assert_eq!(part(100, 90, 0), 0);
    }
}
