//! Sizes as people read them.

/// Bytes in GiB, with three digits that count.
pub(crate) fn gib(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1u32 << 30);
    match gib {
        gib if gib >= 10.0 => format!("{gib:.1}"),
        gib if gib >= 0.1 => format!("{gib:.2}"),
        gib => format!("{gib:.4}"),
    }
}
