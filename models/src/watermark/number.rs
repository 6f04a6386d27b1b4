//! Numbers as the files of a model have them.

use safetensors::Dtype;

/// The number of `dtype` that is next to `value`.
pub(super) fn nearest(value: f64, dtype: Dtype) -> f32 {
    let (fraction, least) = match dtype {
        Dtype::F16 => (10, -14),
        Dtype::BF16 => (7, -126),
        _ => return value as f32,
    };
    let exponent = ((value as f32).to_bits() >> 23 & 0xFF) as i32 - 127;
    // A power of two, and a whole number of at most 11 bits: the product is exact.
    let step = 2f64.powi(exponent.max(least) - fraction);
    ((value / step).round_ties_even() * step) as f32
}

/// The bytes of a number that `dtype` has.
pub(super) fn bytes(value: f32, dtype: Dtype) -> Vec<u8> {
    let bits = value.to_bits();
    let half = match dtype {
        Dtype::F16 => half(value),
        Dtype::BF16 => (bits >> 16) as u16,
        _ => return bits.to_le_bytes().to_vec(),
    };
    half.to_le_bytes().to_vec()
}

/// An f16 of 5 bits of exponent, 112 below that of an f32, and 10 of fraction.
fn half(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let size = value.abs();
    if size < 2f32.powi(-14) {
        return sign | (size * 2f32.powi(24)) as u16;
    }
    sign | ((size.to_bits() >> 13) - (112 << 10)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::widen;
    use proptest::prelude::*;

    #[test]
    fn halves_should_be_read_as_they_were_written() {
        for dtype in [Dtype::F16, Dtype::BF16] {
            let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
            let values = widen(&all, dtype).unwrap();
            for (wanted, value) in all.chunks(2).zip(values) {
                if value.abs() <= 16.0 {
                    assert_eq!(bytes(value, dtype), wanted, "{value:?}");
                    assert_eq!(nearest(f64::from(value), dtype), value);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nearest_should_be_one_of_the_type_and_no_farther_than_half_a_step(
            value in -16f64..16.0,
        ) {
            for (dtype, step) in [(Dtype::F16, 2f64.powi(-11)), (Dtype::BF16, 2f64.powi(-8))] {
                let near = nearest(value, dtype);
                prop_assert_eq!(widen(&bytes(near, dtype), dtype).unwrap(), vec![near]);
                let away = (f64::from(near) - value).abs();
                prop_assert!(away <= step * value.abs() + 2f64.powi(-25), "{} {}", value, near);
            }
        }
    }
}
