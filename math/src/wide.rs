//! Multiply and divide with a 256-bit intermediate.
//!
//! Everything here rounds down, unless its name says `ceil`, and returns `None`
//! where the quotient does not fit 128 bits or the divisor is 0.

use core::cmp::Ordering;

const LOW: u128 = (1 << 64) - 1;

/// The whole product `a·b` as `(high, low)` halves of 128 bits. Exact.
#[must_use]
pub const fn mul_wide(a: u128, b: u128) -> (u128, u128) {
    let (ah, al) = (a >> 64, a & LOW);
    let (bh, bl) = (b >> 64, b & LOW);
    if ah | bh == 0 {
        return (0, al.wrapping_mul(bl));
    }
    // Factors below 2^64 have products of at most (2^64 − 1)², which leaves
    // room for two more 64-bit numbers: no operation below wraps.
    let ll = al.wrapping_mul(bl);
    let middle = ah.wrapping_mul(bl).wrapping_add(ll >> 64);
    let cross = al.wrapping_mul(bh).wrapping_add(middle & LOW);
    let high = ah
        .wrapping_mul(bh)
        .wrapping_add(middle >> 64)
        .wrapping_add(cross >> 64);
    (high, (cross << 64) | (ll & LOW))
}

/// `(quotient, remainder)` of `(high·2^128 + low) / divisor`.
///
/// `None` for a divisor of 0 and for a quotient of 2^128 or more.
#[must_use]
pub fn div_rem_wide(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
    if high >= divisor {
        return None;
    }
    if high == 0 {
        let quotient = low.checked_div(divisor)?;
        return Some((quotient, low.wrapping_sub(quotient.wrapping_mul(divisor))));
    }
    // Knuth's algorithm D with two digits of 64 bits, divisor's top bit set.
    let shift = divisor.leading_zeros();
    let d = divisor.wrapping_shl(shift);
    // Shifting by 128 is no shift at all for the processor, hence in two steps.
    let carried = (low >> 1).wrapping_shr(127_u32.wrapping_sub(shift));
    let high = high.wrapping_shl(shift) | carried;
    let low = low.wrapping_shl(shift);
    let (q1, rest) = digit(high, low >> 64, d)?;
    let (q0, rest) = digit(rest, low & LOW, d)?;
    Some(((q1 << 64) | q0, rest.wrapping_shr(shift)))
}

/// One quotient digit: `(rest·2^64 + next) / d` for `rest < d`, `d ≥ 2^127`.
fn digit(rest: u128, next: u128, d: u128) -> Option<(u128, u128)> {
    let (dh, dl) = (d >> 64, d & LOW);
    let mut q = rest.checked_div(dh)?; // dh ≥ 2^63
    let mut r = rest.wrapping_sub(q.wrapping_mul(dh));
    // The guess is at most two too large. The short circuit keeps both products
    // below 2^128, and q is above 0 wherever it is lowered.
    while q > LOW || q.wrapping_mul(dl) > ((r << 64) | next) {
        q = q.wrapping_sub(1);
        r = r.wrapping_add(dh);
        if r > LOW {
            break;
        }
    }
    // The true remainder is below d, so arithmetic modulo 2^128 finds it.
    let rest = (rest << 64)
        .wrapping_add(next)
        .wrapping_sub(q.wrapping_mul(d));
    Some((q, rest))
}

/// `⌊a·b/c⌋`.
#[must_use]
pub fn mul_div(a: u128, b: u128, c: u128) -> Option<u128> {
    let (high, low) = mul_wide(a, b);
    div_rem_wide(high, low, c).map(|(quotient, _)| quotient)
}

/// A divisor of many products: one division, and then multiplications.
#[derive(Clone, Copy, Debug)]
pub struct Divisor {
    divisor: u128,
    /// `⌊(2^128 − 1)/divisor⌋`.
    inverse: u128,
}

impl Divisor {
    /// `None` for 0.
    #[must_use]
    pub fn new(divisor: u128) -> Option<Self> {
        Some(Self {
            divisor,
            inverse: u128::MAX.checked_div(divisor)?,
        })
    }

    /// `⌊a·b/divisor⌋`, as [`mul_div`] has it.
    #[must_use]
    pub fn mul_div(&self, a: u128, b: u128) -> Option<u128> {
        let (high, low) = mul_wide(a, b);
        if high != 0 {
            return div_rem_wide(high, low, self.divisor).map(|(quotient, _)| quotient);
        }
        // The inverse is too small by less than 1/divisor of 2^128, so the guess
        // is the quotient or one less, and the rest is below twice the divisor.
        let (guess, _) = mul_wide(low, self.inverse);
        let rest = low.wrapping_sub(guess.wrapping_mul(self.divisor));
        Some(guess.wrapping_add(u128::from(rest >= self.divisor)))
    }
}

/// `⌈a·b/c⌉`, for what is taken from somebody rather than given.
#[must_use]
pub fn mul_div_ceil(a: u128, b: u128, c: u128) -> Option<u128> {
    let (high, low) = mul_wide(a, b);
    let (quotient, rest) = div_rem_wide(high, low, c)?;
    if rest == 0 {
        Some(quotient)
    } else {
        quotient.checked_add(1)
    }
}

/// `⌊a·b/2^shift⌋`, for `shift` up to 127.
#[must_use]
pub fn mul_shr(a: u128, b: u128, shift: u32) -> Option<u128> {
    let (high, low) = mul_wide(a, b);
    if high == 0 {
        return low.checked_shr(shift);
    }
    if shift == 0 || high.checked_shr(shift)? != 0 {
        return None;
    }
    Some(low.checked_shr(shift)? | high.checked_shl(128_u32.checked_sub(shift)?)?)
}

/// `⌊a·2^64/b⌋`: the fraction `a/b` as Q64.
#[must_use]
pub fn shl64_div(a: u128, b: u128) -> Option<u128> {
    div_rem_wide(a >> 64, a << 64, b).map(|(quotient, _)| quotient)
}

/// `(quotient, remainder)` of `(a·2^64 + carry) / b`.
#[must_use]
pub fn shl64_add_div_rem(a: u128, carry: u128, b: u128) -> Option<(u128, u128)> {
    let (low, wrapped) = (a << 64).overflowing_add(carry);
    // `a >> 64` is below 2^64, so the carry always fits.
    let high = (a >> 64).wrapping_add(u128::from(wrapped));
    div_rem_wide(high, low, b)
}

/// Compares the fractions `a/b` and `c/d` exactly; both denominators above 0.
#[must_use]
pub fn cmp_ratio((a, b): (u128, u128), (c, d): (u128, u128)) -> Ordering {
    mul_wide(a, d).cmp(&mul_wide(c, b))
}
