//! A value together with what was wrong about the text it was read from.

use serde::{Deserialize, Serialize};

/// Something read from a miner, and the oddities met on the way. One absurd field costs one anomaly, never the rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed<T> {
    /// What could be read.
    pub value: T,
    /// What could not, or only after a repair.
    pub anomalies: Vec<Anomaly>,
}

impl<T> Parsed<T> {
    /// A value that was read without a hitch.
    pub const fn clean(value: T) -> Self {
        Self { value, anomalies: Vec::new() }
    }

    /// The same oddities with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Parsed<U> {
        Parsed { value: f(self.value), anomalies: self.anomalies }
    }
}

/// One oddity in what a miner said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// What kind of oddity.
    pub kind: AnomalyKind,
    /// Where: the command and the key ("stats.temp2_1").
    pub place: String,
    /// What stood there, cut to a readable length. Hostile text: escape it before it reaches a terminal or a page.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Kinds of oddity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// The reply was not valid JSON and was mended.
    Repaired,
    /// The reply ended early; what was complete was kept.
    Truncated,
    /// A value of the wrong type or an unreadable number.
    BadValue,
    /// A number outside of what the quantity can be (a sensor at 3000 °C).
    OutOfRange,
    /// The miner answered a question with an error or a warning of its own.
    Refused,
    /// A question of the full reading got no usable answer.
    NoAnswer,
    /// Two readings that must agree do not.
    Contradiction,
}
