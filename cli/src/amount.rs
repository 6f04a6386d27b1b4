//! Amounts and fractions: decimal text for people, integers for the chain, no floats.

use codec::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// Decimals of the token.
const TOKEN_DECIMALS: u32 = 12;
/// Decimals of a fraction in Perbill, and of a raw value in the metric's unit.
const PERBILL_DECIMALS: u32 = 9;

/// Base units; tokens on the command line, a decimal string of base units in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct Amount(pub(crate) u128);

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_fixed(text, TOKEN_DECIMALS)
            .map(Amount)
            .map_err(|why| format!("{text:?} is no amount of tokens: {why}; write e.g. 1.5"))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_fixed(self.0, TOKEN_DECIMALS))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl Amount {
    /// The sum, at most the largest amount: issuance is far below it.
    pub(crate) fn plus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }
}

/// A number with nine decimals: a fraction in Perbill, or a raw value × 10⁹. In JSON a number or
/// a string, read by its digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nano(pub(crate) u64);

impl FromStr for Nano {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = parse_fixed(text, PERBILL_DECIMALS)
            .map_err(|why| format!("{text:?} is no number with up to nine decimals: {why}"))?;
        u64::try_from(parts)
            .map(Nano)
            .map_err(|_| format!("{text:?} is too large"))
    }
}

impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_fixed(u128::from(self.0), PERBILL_DECIMALS))
    }
}

impl Serialize for Nano {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nano {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(from)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => return Err(D::Error::custom(format!("{other} is no number"))),
        };
        text.parse().map_err(D::Error::custom)
    }
}

/// Percent on the command line, e.g. `12.5`, as Perbill.
pub(crate) fn parse_percent(text: &str) -> Result<u32, String> {
    let parts = parse_fixed(text.trim_end_matches('%'), PERBILL_DECIMALS - 2)
        .map_err(|why| format!("{text:?} is no percentage: {why}; write e.g. 12.5"))?;
    match u32::try_from(parts) {
        Ok(parts) if parts <= 1_000_000_000 => Ok(parts),
        _ => Err(format!("{text:?} is more than 100 percent")),
    }
}

/// Perbill as percent.
pub(crate) fn percent(parts: u32) -> String {
    format!(
        "{} %",
        format_fixed(u128::from(parts), PERBILL_DECIMALS - 2)
    )
}

fn parse_fixed(text: &str, decimals: u32) -> Result<u128, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err("only digits and one point are allowed".into());
    }
    let given = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    let Some(missing) = decimals.checked_sub(given) else {
        return Err(format!("it has more than {decimals} decimals"));
    };
    let joined = format!("{whole}{fraction}");
    let number: u128 = joined.parse().map_err(|_| "it is too large".to_string())?;
    10u128
        .checked_pow(missing)
        .and_then(|factor| number.checked_mul(factor))
        .ok_or_else(|| "it is too large".into())
}

fn format_fixed(number: u128, decimals: u32) -> String {
    let one = 10u128.saturating_pow(decimals);
    let (whole, rest) = (number / one, number % one);
    let fraction = format!("{rest:0width$}", width = decimals as usize);
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        digits => format!("{whole}.{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amount_should_read_tokens_with_up_to_twelve_decimals() {
        let read = |text: &str| text.parse::<Amount>().map(|amount| amount.0);
        assert_eq!(read("1.5"), Ok(1_500_000_000_000));
        assert_eq!(read("0.000000000001"), Ok(1));
        assert_eq!(read("10"), Ok(10_000_000_000_000));
        assert_eq!(read(".5"), Ok(500_000_000_000));
        for bad in [
            "",
            ".",
            "-1",
            "1e3",
            "1,5",
            "1.5.0",
            "0.0000000000001",
            "1_000",
            " 1",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read("340282366920938463463374608").is_err());
    }

    #[test]
    fn amount_should_print_what_it_reads_and_serialize_base_units() {
        for text in ["0", "1", "1.5", "0.000000000001", "123456.789"] {
            assert_eq!(
                text.parse::<Amount>().map(|a| a.to_string()),
                Ok(text.to_string())
            );
        }
        let json = serde_json::to_string(&Amount(1_500_000_000_000)).unwrap();
        assert_eq!(json, "\"1500000000000\"");
    }

    #[test]
    fn nano_should_read_numbers_and_strings_by_their_digits() {
        let read = |text: &str| serde_json::from_str::<Nano>(text).map(|nano| nano.0).ok();
        assert_eq!(read("0.35"), Some(350_000_000));
        assert_eq!(read("\"0.35\""), Some(350_000_000));
        assert_eq!(read("8"), Some(8_000_000_000));
        assert_eq!(read("0.0000000001"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(read("true"), None);
    }

    #[test]
    fn percent_should_stop_at_one_hundred() {
        assert_eq!(parse_percent("12.5"), Ok(125_000_000));
        assert_eq!(parse_percent("100%"), Ok(1_000_000_000));
        assert!(parse_percent("100.1").is_err());
        assert_eq!(percent(125_000_000), "12.5 %");
    }
}
