//! Lines of features as most programs write them, without a parser of all JSON.

/// Powers of ten, each the f64 of that value exactly.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
/// Digits of a number below 2⁵³, which f64 has exactly.
const MOST_DIGITS: usize = 15;

/// Features and label of `{"features":[0,1.5],"label":3}`, with a space or none after each comma
/// and colon. `None` for whatever is written otherwise, which may be well-formed all the same.
///
/// A number is a quotient of two that f64 has exactly, so it is rounded once, as it should be.
/// `expected` is how many features there will be.
pub(super) fn row(line: &str, expected: usize) -> Option<(Vec<f64>, u32)> {
    let rest = after(line.as_bytes(), b"{\"features\":")?.strip_prefix(b"[")?;
    let mut features = Vec::with_capacity(expected);
    let mut rest = rest;
    loop {
        let (value, after_value) = number(rest)?;
        features.push(value);
        if let Some(end) = after_value.strip_prefix(b"]") {
            rest = after(end, b",")?;
            break;
        }
        rest = after(after_value, b",")?;
    }
    let digits = after(rest, b"\"label\":")?.strip_suffix(b"}")?;
    let is_label = (1..10).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits[0] != b'0');
    let label = is_label.then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')));
    Some((features, label?))
}

/// What follows `start`, and a space if there is one.
fn after<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let rest = text.strip_prefix(start)?;
    Some(rest.strip_prefix(b" ").unwrap_or(rest))
}

/// A number of few digits and no exponent, and what follows it.
fn number(text: &[u8]) -> Option<(f64, &[u8])> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (whole, mut rest) = digits(text, 0);
    let length = text.len() - rest.len();
    if length == 0 || (length > 1 && text[0] == b'0') {
        return None;
    }
    let (mut value, mut decimals) = (whole, 0);
    if let [b'.', fraction @ ..] = rest {
        (value, rest) = digits(fraction, whole);
        decimals = fraction.len() - rest.len();
        if decimals == 0 {
            return None;
        }
    }
    if length + decimals > MOST_DIGITS {
        return None;
    }
    let value = value as f64 / POWERS[decimals];
    Some((if is_negative { -value } else { value }, rest))
}

/// The number of all digits before which `value` stands, and what follows them; of too many, any.
fn digits(text: &[u8], mut value: u64) -> (u64, &[u8]) {
    let mut rest = text;
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = more;
    }
    (value, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Option<u64> {
        let line = format!("{{\"features\":[{text}],\"label\":7}}");
        let (features, label) = row(&line, 1)?;
        assert_eq!((features.len(), label), (1, 7));
        Some(features[0].to_bits())
    }

    #[test]
    fn row_should_leave_to_the_parser_what_is_written_otherwise() {
        for line in [
            "",
            "{}",
            "{\"features\":[],\"label\":1}",
            "{\"features\":[1,],\"label\":1}",
            "{\"features\":[1]}",
            "{\"features\":[1],\"label\":1} ",
            "{\"features\":[1],\"label\":-1}",
            "{\"features\":[1],\"label\":01}",
            "{\"features\":[1],\"label\":}",
            "{\"features\":[1],\"label\":4294967296}",
            "{\"features\":[1],\"label\":1,\"more\":1}",
            "{\"label\":1,\"features\":[1]}",
            "{\"features\": [1 ],\"label\":1}",
        ] {
            assert!(row(line, 1).is_none(), "{line}");
        }
        for number in [
            "01",
            "1.",
            ".5",
            "+1",
            "1e3",
            "-",
            "1.2.3",
            "0x1",
            "1234567890123456",
        ] {
            assert!(parsed(number).is_none(), "{number}");
        }
        let spaced = row("{\"features\": [0, -1.5], \"label\": 12}", 2);
        assert_eq!(spaced, Some((vec![0.0, -1.5], 12)));
    }

    proptest! {
        #[test]
        fn number_should_be_what_the_parser_of_all_json_reads(
            text in "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,8})?"
        ) {
            let expected: f64 = serde_json::from_str(&text).unwrap();
            match parsed(&text) {
                Some(bits) => prop_assert_eq!(bits, expected.to_bits()),
                None => prop_assert!(text.len() > MOST_DIGITS),
            }
        }
    }
}
