//! A tick: everything that is written at one time.

use super::event::Event;
use bitlink_model::{Metric, MinerId, MinerSnapshot, Timestamp, metric};

/// What was read since the tick before. Made once and handed over.
#[derive(Debug, Clone, Default)]
pub struct Tick {
    pub(crate) at: i64,
    pub(crate) readings: Vec<Reading>,
    pub(crate) groups: Vec<(String, Range)>,
    pub(crate) values: Vec<(u32, i64)>,
    pub(crate) events: Vec<Event>,
}

type Range = std::ops::Range<usize>;

#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) miner: MinerId,
    pub(crate) at: i64,
    pub(crate) values: Range,
}

impl Tick {
    /// At a time of the wall clock.
    pub fn new(at: Timestamp) -> Self {
        Self { at: at.as_unix_millis(), ..Self::default() }
    }

    /// The time.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.at)
    }

    /// Takes a reading of a machine that was read at a time.
    pub fn reading(&mut self, miner: MinerId, at: Timestamp, snapshot: &MinerSnapshot) {
        let start = self.values.len();
        metric::walk(snapshot, |metric, value| self.values.push((metric.code(), value)));
        self.readings.push(Reading { miner, at: at.as_unix_millis(), values: start..self.values.len() });
    }

    /// The same from values as they are [kept](Metric::keep).
    pub fn values(&mut self, miner: MinerId, at: Timestamp, values: impl IntoIterator<Item = (Metric, i64)>) {
        let start = self.values.len();
        self.values.extend(values.into_iter().map(|(metric, value)| (metric.code(), value)));
        self.readings.push(Reading { miner, at: at.as_unix_millis(), values: start..self.values.len() });
    }

    /// Takes the values of a group of machines, as [`Sums`](super::Sums) makes them.
    pub fn group(&mut self, name: &str, values: impl IntoIterator<Item = (Metric, i64)>) {
        let start = self.values.len();
        self.values.extend(values.into_iter().map(|(metric, value)| (metric.code(), value)));
        self.groups.push((name.to_owned(), start..self.values.len()));
    }

    /// Takes something that happened.
    pub fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// What happened.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many readings of machines are in it.
    pub fn len(&self) -> usize {
        self.readings.len()
    }

    /// How many values are in it.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty() && self.groups.is_empty() && self.events.is_empty()
    }
}
