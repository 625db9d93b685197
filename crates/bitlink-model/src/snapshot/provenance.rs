//! Where the values of a reading come from.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// The miner said so.
    Reported,
    /// Computed from what the miner said.
    Derived,
    /// The miner's own estimate, not a measurement.
    Estimated,
    /// Seen on the network on the way to the miner, which did not say it.
    Observed,
    /// From the data sheet of its model.
    Nameplate,
}

/// Sources of the values that the miner did not report directly, by serialised field name ("hashrate.expected_hs").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<Cow<'static, str>, Source>", from = "BTreeMap<Cow<'static, str>, Source>")]
pub struct Provenance(Vec<(Cow<'static, str>, Source)>);

impl Provenance {
    /// Marks a value.
    pub fn mark(&mut self, field: &'static str, source: Source) {
        match self.place(field) {
            Ok(place) => {
                if let Some((_, before)) = self.0.get_mut(place) {
                    *before = source;
                }
            }
            Err(place) => self.0.insert(place, (Cow::Borrowed(field), source)),
        }
    }

    /// Where a value comes from. Fields that nobody marked were reported.
    pub fn of(&self, field: &str) -> Source {
        let marked = self.place(field).ok().and_then(|place| self.0.get(place));
        marked.map_or(Source::Reported, |(_, source)| *source)
    }

    fn place(&self, field: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(marked, _)| marked.as_ref().cmp(field))
    }

    /// Gives back the room that is not needed.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// The marked fields, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Source)> {
        self.0.iter().map(|(field, source)| (field.as_ref(), *source))
    }
}

impl From<Provenance> for BTreeMap<Cow<'static, str>, Source> {
    fn from(marked: Provenance) -> Self {
        marked.0.into_iter().collect()
    }
}

impl From<BTreeMap<Cow<'static, str>, Source>> for Provenance {
    fn from(marked: BTreeMap<Cow<'static, str>, Source>) -> Self {
        Self(marked.into_iter().collect())
    }
}
