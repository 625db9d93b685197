//! Conversions between counts and real numbers, in one place: every one of them saturates and none can surprise.

/// A count as a real number. Counts here stay far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "counts of seconds, shares and hashes stay below 2^53")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// A real number as a count: rounded down, negative and NaN are 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which is what is wanted"
)]
pub(crate) const fn count(value: f64) -> u64 {
    value as u64
}

/// A real number as a signed whole number: rounded to the nearest, NaN is 0.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is wanted")]
pub(crate) fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// A count as a signed number.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Where something stands in a list, as a number for hashing and printing.
pub(crate) fn index(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}

/// A span in milliseconds.
pub(crate) fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
