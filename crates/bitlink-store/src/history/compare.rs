//! What is different between two times, machine by machine.

use super::event::{BoardFact, Event, EventKind, Facts, FindingFact, PoolFact, StatusFact};
use crate::error::StoreError;
use crate::history::HistoryReader;
use crate::reader::Reader;
use bitlink_model::{Metric, MinerId, MinerStatus, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was known of a machine at a time.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct StateAt {
    /// Its status, and what was found wrong.
    pub status: Option<StatusFact>,
    /// What changes seldom.
    pub facts: Facts,
    /// Hash rate, power and hottest chip of the time before, as far as they were read: [`Metric::HASHRATE`], [`Metric::POWER`] and
    /// [`Metric::TEMP_CHIP_MAX`].
    pub values: BTreeMap<Metric, f64>,
}

/// A machine and what is different about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Which machine.
    pub miner: MinerId,
    /// Where it is, by the later time.
    pub address: Option<String>,
    /// Make and model.
    pub model: Option<String>,
    /// What is different.
    pub changes: Vec<Changed>,
}

/// Something that is different. What was not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
#[non_exhaustive]
pub enum Changed {
    /// It was not known before.
    New,
    /// Its status.
    #[allow(missing_docs)]
    Status { from: Option<MinerStatus>, to: Option<MinerStatus> },
    /// Something is found wrong.
    Found(FindingFact),
    /// Something is not found any more.
    Cleared(FindingFact),
    /// One of its facts: address, model, firmware, hostname or mode.
    #[allow(missing_docs)]
    Fact { name: &'static str, from: Option<String>, to: Option<String> },
    /// A pool.
    #[allow(missing_docs)]
    Pool { number: u32, from: Option<PoolFact>, to: Option<PoolFact> },
    /// A hash board.
    #[allow(missing_docs)]
    Board { slot: u32, from: Option<BoardFact>, to: Option<BoardFact> },
    /// Its hash rate over a quarter of an hour, by more than is usual.
    #[allow(missing_docs)]
    HashRate { from_hs: Option<f64>, to_hs: Option<f64> },
    /// Its status changed in between, and is what it was.
    #[allow(missing_docs)]
    Meanwhile { times: usize },
}

/// By what part a hash rate changes that is worth telling.
const RATE: f64 = 0.05;
/// The time before a point over which rates are taken.
const SETTLED: Duration = Duration::from_mins(15);
/// Most events between two times that are looked at.
const MOST: usize = 1_000_000;

impl Reader {
    /// What was known of every machine at a time, with values of the time before.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fleet_at(
        &self,
        at: Timestamp,
        within: Duration,
    ) -> Result<BTreeMap<MinerId, StateAt>, StoreError> {
        let mut states: BTreeMap<MinerId, StateAt> = BTreeMap::new();
        for (miner, events) in self.states_at(at)? {
            let state = states.entry(miner).or_default();
            for event in events {
                match event.kind {
                    EventKind::Status(told) => state.status = Some(told),
                    EventKind::Facts(facts) => state.facts = facts,
                    _ => {}
                }
            }
        }
        let metrics = [Metric::HASHRATE, Metric::POWER, Metric::TEMP_CHIP_MAX];
        for (miner, values) in self.values_at(&metrics, at, within)? {
            states.entry(miner).or_default().values = values;
        }
        Ok(states)
    }

    /// What is different between two times. Machines about which nothing is are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn compare(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Difference>, StoreError> {
        let (before, after) = (self.fleet_at(from, SETTLED)?, self.fleet_at(until, SETTLED)?);
        let mut meanwhile: BTreeMap<MinerId, usize> = BTreeMap::new();
        for event in self.events(
            None,
            from.plus(Duration::from_millis(1)),
            until.plus(Duration::from_millis(1)),
            MOST,
        )? {
            if let Event { miner: Some(miner), kind: EventKind::Status(_), .. } = event {
                *meanwhile.entry(miner).or_default() += 1;
            }
        }
        let nothing = StateAt::default();
        let differences = after.iter().filter_map(|(miner, to)| {
            let mut changes = match before.get(miner) {
                Some(from) => changes(from, to),
                None => vec![Changed::New],
            };
            let is_status = |change: &Changed| {
                matches!(
                    change,
                    Changed::Status { .. } | Changed::Found(_) | Changed::Cleared(_) | Changed::New
                )
            };
            if let Some(times) = meanwhile.get(miner).filter(|_| !changes.iter().any(is_status)) {
                changes.push(Changed::Meanwhile { times: *times });
            }
            let facts = if to.facts == Facts::default() {
                &before.get(miner).unwrap_or(&nothing).facts
            } else {
                &to.facts
            };
            (!changes.is_empty()).then(|| Difference {
                miner: *miner,
                address: facts.address.clone(),
                model: facts.model.clone(),
                changes,
            })
        });
        Ok(differences.collect())
    }
}

fn changes(from: &StateAt, to: &StateAt) -> Vec<Changed> {
    let mut changes = Vec::new();
    let status = |state: &StateAt| state.status.as_ref().map(|fact| fact.status);
    if status(from) != status(to) {
        changes.push(Changed::Status { from: status(from), to: status(to) });
    }
    let findings = |state: &StateAt| -> BTreeMap<String, FindingFact> {
        let all = state.status.iter().flat_map(|fact| &fact.findings);
        all.map(|finding| (finding.rule.clone(), finding.clone())).collect()
    };
    let (was, is) = (findings(from), findings(to));
    changes.extend(
        is.iter().filter(|(rule, _)| !was.contains_key(*rule)).map(|(_, f)| Changed::Found(f.clone())),
    );
    changes.extend(
        was.iter().filter(|(rule, _)| !is.contains_key(*rule)).map(|(_, f)| Changed::Cleared(f.clone())),
    );
    let facts = |facts: &Facts| {
        [
            ("address", facts.address.clone()),
            ("model", facts.model.clone()),
            ("firmware", facts.firmware.clone()),
            ("hostname", facts.hostname.clone()),
            ("mode", facts.mode.clone()),
        ]
    };
    for ((name, from), (_, to)) in facts(&from.facts).into_iter().zip(facts(&to.facts)) {
        if from != to {
            changes.push(Changed::Fact { name, from, to });
        }
    }
    for number in union(&from.facts.pools, &to.facts.pools) {
        let (from, to) = (from.facts.pools.get(&number), to.facts.pools.get(&number));
        if from != to {
            changes.push(Changed::Pool { number, from: from.cloned(), to: to.cloned() });
        }
    }
    for slot in union(&from.facts.boards, &to.facts.boards) {
        let (from, to) = (from.facts.boards.get(&slot), to.facts.boards.get(&slot));
        if from != to {
            changes.push(Changed::Board { slot, from: from.cloned(), to: to.cloned() });
        }
    }
    let rate = |state: &StateAt| state.values.get(&Metric::HASHRATE).copied();
    let differs = match (rate(from), rate(to)) {
        (Some(from), Some(to)) => (from - to).abs() > RATE * from.max(to),
        (from, to) => from.is_some() != to.is_some(),
    };
    if differs {
        changes.push(Changed::HashRate { from_hs: rate(from), to_hs: rate(to) });
    }
    changes
}

fn union<T>(a: &BTreeMap<u32, T>, b: &BTreeMap<u32, T>) -> BTreeSet<u32> {
    a.keys().chain(b.keys()).copied().collect()
}
