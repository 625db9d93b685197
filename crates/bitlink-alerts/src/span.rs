//! A length of time as people write it in a configuration: a text with a unit.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A length of time, written as `30s`, `5min`, `1h30min` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

const EXPECTED: &str = "expected a time with its unit, as \"30s\", \"5min\", \"1h30min\" or \"7d\"";

impl Span {
    /// Reads it; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at(letters);
            let each: u64 = match unit.trim() {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            total =
                total.checked_add(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(each)?))?;
            rest = next.trim_start();
        }
        Some(Self(total))
    }
}

impl fmt::Display for Span {
    /// In its two largest units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis == 0 {
            return f.pad("0s");
        }
        let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
        let (mut rest, mut text, mut shown) = (millis, String::new(), 0);
        for (unit, each) in units {
            if rest >= each && shown < 2 && !(unit == "ms" && shown > 0) {
                text += &(rest / each).to_string();
                text += unit;
                rest %= each;
                shown += 1;
            }
        }
        f.pad(&text)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(EXPECTED))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    //! Both ways.
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds, written) in [
            ("30s", 30, "30s"),
            ("5min", 300, "5min"),
            ("90m", 5400, "1h30min"),
            ("7d", 604_800, "7d"),
            ("0s", 0, "0s"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!((span.0.as_secs(), span.to_string().as_str()), (seconds, written), "{text}");
        }
        for text in ["", "5", "5 weeks", "-1s", "s", "99999999999999999999d"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
