//! Reading numbers out of the vectors, and comparing them.

use num_bigint::BigInt;
use serde_json::Value;
use std::fmt::Debug;

/// A result whose error says where and what.
pub(crate) type Res<T> = Result<T, String>;

/// A decimal fraction, exactly.
#[derive(Clone, Debug)]
pub(crate) struct Fraction {
    pub(crate) num: BigInt,
    pub(crate) den: BigInt,
}

impl Fraction {
    /// Of "0.35", "12" or "1.25e-9".
    pub(crate) fn parse(text: &str) -> Res<Self> {
        let bad = || format!("`{text}` is not a decimal number");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let num: BigInt = format!("{whole}{part}").parse().map_err(|_| bad())?;
        let exponent: i64 = exponent.parse().map_err(|_| bad())?;
        let places = i64::try_from(part.len())
            .map_err(|_| bad())?
            .checked_sub(exponent)
            .ok_or_else(bad)?;
        let power = u32::try_from(places.unsigned_abs())
            .ok()
            .filter(|power| *power <= 4096)
            .ok_or_else(bad)?;
        let power = BigInt::from(10).pow(power);
        Ok(if places < 0 {
            Self {
                num: num * power,
                den: BigInt::from(1),
            }
        } else {
            Self { num, den: power }
        })
    }

    /// `⌊self·2^bits⌋`; the number must not be negative.
    pub(crate) fn scaled(&self, bits: u32) -> Res<u128> {
        u128::try_from((&self.num << bits) / &self.den)
            .map_err(|_| format!("{self:?} is out of range"))
    }

    /// `⌊self·10^9⌋`.
    pub(crate) fn perbill(&self) -> Res<u32> {
        u32::try_from(&self.num * 1_000_000_000_u32 / &self.den)
            .map_err(|_| format!("{self:?} is out of range"))
    }
}

/// Counts comparisons; a method fails at the first difference.
#[derive(Default)]
pub(crate) struct Check {
    pub(crate) count: usize,
}

impl Check {
    pub(crate) fn same<T: PartialEq + Debug>(
        &mut self,
        what: &str,
        got: &T,
        wanted: &T,
    ) -> Res<()> {
        self.count += 1;
        if got == wanted {
            Ok(())
        } else {
            Err(format!(
                "{what}: computed {got:?}, the vector says {wanted:?}"
            ))
        }
    }

    pub(crate) fn same_list<T: PartialEq + Debug>(
        &mut self,
        what: &str,
        got: &[T],
        wanted: &[T],
    ) -> Res<()> {
        if got.len() != wanted.len() {
            return Err(format!(
                "{what}: computed {} values, the vector has {}",
                got.len(),
                wanted.len()
            ));
        }
        let mut pairs = got.iter().zip(wanted).enumerate();
        pairs.try_for_each(|(index, (got, wanted))| {
            self.same(&format!("{what}[{index}]"), got, wanted)
        })
    }

    /// `num/den` within 2^-52 of a real number of the vectors.
    pub(crate) fn near(
        &mut self,
        what: &str,
        num: impl Into<BigInt>,
        den: impl Into<BigInt>,
        real: &str,
    ) -> Res<()> {
        self.count += 1;
        let real = Fraction::parse(real).map_err(|error| format!("{what}: {error}"))?;
        let (num, den): (BigInt, BigInt) = (num.into(), den.into());
        let difference = &num * &real.den - &real.num * &den;
        if (BigInt::from(difference.magnitude().clone()) << 52) <= &den * &real.den {
            return Ok(());
        }
        Err(format!(
            "{what}: computed {num}/{den}, more than 2^-52 from {}/{}",
            real.num, real.den
        ))
    }

    /// An amount within 10^-14 of `pool`, and `units` planck, of its real part.
    pub(crate) fn near_amount(
        &mut self,
        what: &str,
        amount: u128,
        pool: u128,
        units: usize,
        real: &str,
    ) -> Res<()> {
        self.count += 1;
        let real = Fraction::parse(real).map_err(|error| format!("{what}: {error}"))?;
        let difference = BigInt::from(amount) * &real.den - &real.num * pool;
        let scale = BigInt::from(100_000_000_000_000_u64);
        let slack = (&scale * units + pool) * &real.den;
        if BigInt::from(difference.magnitude().clone()) * scale <= slack {
            return Ok(());
        }
        Err(format!(
            "{what}: computed {amount}, more than 10^-14 from {}/{} of {pool}",
            real.num, real.den
        ))
    }

    /// A Q64 number within 2^-52 of a real number of the vectors.
    pub(crate) fn near_q64(&mut self, what: &str, q64: u128, real: &str) -> Res<()> {
        self.near(what, q64, 1_u128 << 64, real)
    }
}

/// The field `key`, which must be there.
pub(crate) fn get<'a>(value: &'a Value, key: &str) -> Res<&'a Value> {
    value
        .get(key)
        .ok_or_else(|| format!("field `{key}` is missing"))
}

pub(crate) fn list(value: &Value) -> Res<&Vec<Value>> {
    value
        .as_array()
        .ok_or_else(|| format!("{} is not a list", short(value)))
}

pub(crate) fn text(value: &Value) -> Res<&str> {
    value
        .as_str()
        .ok_or_else(|| format!("{} is not a string", short(value)))
}

/// An integer, written as a number or as a string.
pub(crate) fn int(value: &Value) -> Res<u128> {
    let number = value
        .as_u64()
        .map(u128::from)
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number.ok_or_else(|| format!("{} is not an unsigned integer", short(value)))
}

pub(crate) fn int32(value: &Value) -> Res<u32> {
    u32::try_from(int(value)?).map_err(|_| format!("{} does not fit 32 bits", short(value)))
}

pub(crate) fn ints(value: &Value) -> Res<Vec<u128>> {
    list(value)?.iter().map(int).collect()
}

/// Numbers with `null` for nothing.
pub(crate) fn opt<T>(value: &Value, read: impl Fn(&Value) -> Res<T>) -> Res<Option<T>> {
    if value.is_null() {
        Ok(None)
    } else {
        read(value).map(Some)
    }
}

/// A decimal number, written as a string.
pub(crate) fn fraction(value: &Value) -> Res<Fraction> {
    Fraction::parse(text(value)?)
}

/// A decimal number as Q32, rounded down.
pub(crate) fn q32(value: &Value) -> Res<u64> {
    u64::try_from(fraction(value)?.scaled(32)?)
        .map_err(|_| format!("{} is too large", short(value)))
}

/// The name of a case for messages: its own, or its position.
pub(crate) fn each(section: &Value, mut run: impl FnMut(&Value) -> Res<()>) -> Res<()> {
    for (index, case) in list(section)?.iter().enumerate() {
        let name = case.get("name").and_then(Value::as_str).unwrap_or("");
        run(case).map_err(|error| format!("case {index} {name}: {error}"))?;
    }
    Ok(())
}

/// What a function of the crate must return on the vectors' inputs.
pub(crate) fn some<T>(value: Option<T>, what: &str) -> Res<T> {
    value.ok_or_else(|| format!("{what} refused its input"))
}

/// The sum, or an error for numbers that no chain could hold.
pub(crate) fn total(values: &[u128]) -> Res<u128> {
    let sum = values
        .iter()
        .try_fold(0_u128, |sum, value| sum.checked_add(*value));
    sum.ok_or_else(|| "a sum does not fit 128 bits".into())
}

/// What is left of a pool.
pub(crate) fn rest(pool: u128, paid: &[u128]) -> Res<u128> {
    pool.checked_sub(total(paid)?)
        .ok_or_else(|| "more was paid than there is".into())
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}
