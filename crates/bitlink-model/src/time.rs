//! Points in time and spans as plain values. This crate never asks what time it is.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// One that may be missing takes no more room: readings and the memory of what was read are full of those. The earliest number
/// that there is, 292 million years before 1970, stands for that, and is told as the next one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        // Counted from the earliest number, so that the order is that of the times.
        match NonZeroU64::new(millis.cast_unsigned() ^ EPOCH) {
            Some(counted) => Self(counted),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// From whole seconds since the Unix epoch; `None` outside of what milliseconds can count.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        seconds.checked_mul(1000).map(Self::from_unix_millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_unix_millis(self) -> i64 {
        (self.0.get() ^ EPOCH).cast_signed()
    }

    /// How long after `earlier` this is; zero when it is not after it (a clock that was set back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// This point plus a span, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This point less a span, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(NonZeroU64::new(self.0.get().saturating_sub(millis(span))).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let epoch = Self::from_unix_millis(0);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => epoch.plus(after),
            Err(before) => epoch.minus(before.duration()),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.as_unix_millis())
    }
}

impl From<i64> for Timestamp {
    /// [`Timestamp::from_unix_millis`].
    fn from(millis: i64) -> Self {
        Self::from_unix_millis(millis)
    }
}

impl From<Timestamp> for i64 {
    /// [`Timestamp::as_unix_millis`].
    fn from(time: Timestamp) -> Self {
        time.as_unix_millis()
    }
}

/// 1970 as counted from the earliest number.
const EPOCH: u64 = 1 << 63;

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A length of time as a miner counts it, serialised as seconds. Up to 584 years; what a miner counts beyond that is so much.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(
    /// Nanoseconds, and one more: a span that may be missing takes no more room.
    NonZeroU64,
);

impl Span {
    /// From whole seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(seconds.saturating_mul(1_000_000_000)))
    }

    /// As a [`Duration`].
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }

    /// In whole seconds, rounded down.
    pub const fn as_seconds(self) -> u64 {
        self.as_duration().as_secs()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_duration().fmt(f)
    }
}

impl Default for Span {
    fn default() -> Self {
        Self(NonZeroU64::MIN)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(NonZeroU64::MIN.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let duration = self.as_duration();
        if duration.subsec_nanos() == 0 {
            serializer.serialize_u64(duration.as_secs())
        } else {
            serializer.serialize_f64(duration.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map(Self::from).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    //! Points in time come back, are in order, and may be missing for nothing.
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_that_may_be_missing_takes_no_more_room() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<i64>());
        assert_eq!(size_of::<Option<Span>>(), size_of::<u64>());
    }

    #[test]
    fn the_ends_are_not_passed() {
        let (first, last) = (Timestamp::from_unix_millis(i64::MIN), Timestamp::from_unix_millis(i64::MAX));
        assert_eq!(first.as_unix_millis(), i64::MIN + 1);
        assert_eq!(first.minus(Duration::MAX), first);
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(first.since(last), Duration::ZERO);
        assert_eq!(last.since(first), Duration::from_millis(u64::MAX - 1));
    }

    #[test]
    fn a_span_comes_back_and_the_longest_one_is_not_passed() {
        for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::from_hours(24)] {
            assert_eq!(Span::from(duration).as_duration(), duration);
        }
        assert_eq!(Span::default(), Span::from_seconds(0));
        assert_eq!(Span::from_seconds(u64::MAX), Span::from(Duration::MAX));
        assert_eq!(Span::from_seconds(u64::MAX).as_seconds(), 18_446_744_073);
    }

    proptest! {
        #[test]
        fn it_comes_back_and_is_in_order(a in i64::MIN + 1.., b in i64::MIN + 1..) {
            let (at, other) = (Timestamp::from_unix_millis(a), Timestamp::from_unix_millis(b));
            prop_assert_eq!(at.as_unix_millis(), a);
            prop_assert_eq!(at.cmp(&other), a.cmp(&b));
            prop_assert_eq!(serde_json::to_string(&at).unwrap(), a.to_string());
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&a.to_string()).unwrap(), at);
        }
    }
}
