//! What is to be published: what is new against what was published over this connection. Pure: it knows no broker and no clock.

use super::Look;
use super::config::MqttConfig;
use super::discovery::{self, Device};
use super::port::{Kind, Message};
use super::sensors::{self, Shown};
use bitlink_model::{Identity, Miner, MinerId, MinerRecord, Position};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Where everything is said.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    prefix: String,
    slug: String,
    discovery: Option<String>,
}

impl Topics {
    pub(super) fn new(config: &MqttConfig) -> Self {
        Self {
            prefix: config.prefix.clone(),
            slug: config.slug(),
            discovery: config.discovery_prefix.clone(),
        }
    }

    /// Whether this program runs.
    pub(super) fn status(&self) -> String {
        format!("{}/status", self.prefix)
    }

    pub(super) fn state(&self, id: MinerId) -> String {
        format!("{}/miner/{id}/state", self.prefix)
    }

    /// Whether the readings of a miner stand for now.
    pub(super) fn availability(&self, id: MinerId) -> String {
        format!("{}/miner/{id}/availability", self.prefix)
    }

    pub(super) fn fleet_state(&self) -> String {
        format!("{}/fleet/state", self.prefix)
    }

    /// A miner's name among devices.
    pub(super) fn device(&self, id: MinerId) -> String {
        format!("{}_{id}", self.slug)
    }

    pub(super) fn fleet_device(&self) -> String {
        format!("{}_fleet", self.slug)
    }

    /// A sensor's name among all.
    pub(super) fn unique(&self, id: MinerId, key: &str) -> String {
        format!("{}_{id}_{key}", self.slug)
    }

    pub(super) fn fleet_unique(&self, key: &str) -> String {
        format!("{}_fleet_{key}", self.slug)
    }

    fn config(&self, device: &str) -> Option<String> {
        Some(format!("{}/device/{device}/config", self.discovery.as_ref()?))
    }
}

/// What was said of a miner.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// Which sensors it has shown; outlives a connection.
    shown: Shown,
    device: Option<u64>,
    availability: Option<bool>,
    state: Option<u64>,
    is_removed: bool,
}

/// One thing to do in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(What);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Hello,
    Fleet,
    /// A miner with its places among the watched and the known.
    Miner {
        id: MinerId,
        watched: Option<usize>,
        known: Option<usize>,
    },
    Gone(MinerId),
}

/// Says what is to be published.
#[derive(Debug)]
pub struct Publisher {
    topics: Topics,
    version: String,
    interval: Duration,
    devices: bool,
    said: HashMap<MinerId, Said>,
    is_greeted: bool,
    is_fleet_told: bool,
}

const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

impl Publisher {
    /// That has said nothing yet.
    pub fn new(config: &MqttConfig, version: &str) -> Self {
        Self {
            topics: Topics::new(config),
            version: version.to_owned(),
            interval: config.interval,
            devices: config.devices,
            said: HashMap::new(),
            is_greeted: false,
            is_fleet_told: false,
        }
    }

    /// What is said when we are gone.
    pub fn will(&self) -> Message {
        Message::new(Kind::Availability, self.topics.status(), OFFLINE)
    }

    /// Over a new connection everything is said anew.
    pub fn begin(&mut self) {
        (self.is_greeted, self.is_fleet_told) = (false, false);
        for said in self.said.values_mut() {
            *said = Said { shown: said.shown, ..Said::default() };
        }
    }

    /// What there is to do in a round; what is to be said in each step is in [`Publisher::messages`].
    pub fn steps(&self, look: &Look) -> Vec<Step> {
        let mut watched: HashMap<MinerId, usize> = HashMap::with_capacity(look.miners.len());
        for (n, miner) in look.miners.iter().enumerate() {
            // Of two accounts the one counts that stands.
            if miner.is_live || !watched.contains_key(&miner.id) {
                watched.insert(miner.id, n);
            }
        }
        let mut steps = vec![Step(What::Hello), Step(What::Fleet)];
        let mut met = HashSet::with_capacity(look.records.len());
        for (n, record) in look.records.iter().enumerate() {
            met.insert(record.id);
            let watched = watched.get(&record.id).copied();
            steps.push(Step(What::Miner { id: record.id, watched, known: Some(n) }));
        }
        for (n, miner) in look.miners.iter().enumerate() {
            // Whoever was never heard has no name of its own yet.
            if miner.snapshot.is_some() && met.insert(miner.id) {
                steps.push(Step(What::Miner { id: miner.id, watched: Some(n), known: None }));
            }
        }
        let mut gone: Vec<MinerId> = self.said.keys().filter(|id| !met.contains(id)).copied().collect();
        gone.sort_unstable();
        steps.extend(gone.into_iter().map(|id| Step(What::Gone(id))));
        steps
    }

    /// What is to be said in one step, which counts as said from then on.
    pub fn messages(&mut self, look: &Look, step: Step) -> Vec<Message> {
        match step.0 {
            What::Hello => {
                let greeted = std::mem::replace(&mut self.is_greeted, true);
                let hello = Message::new(Kind::Availability, self.topics.status(), ONLINE);
                if greeted { Vec::new() } else { vec![hello] }
            }
            What::Fleet => self.fleet(look),
            What::Miner { id, watched, known } => {
                let miner: Option<&Miner> = watched.and_then(|n| look.miners.get(n)).map(AsRef::as_ref);
                let record: Option<&MinerRecord> = known.and_then(|n| look.records.get(n)).map(AsRef::as_ref);
                let is_told = self.devices && record.is_none_or(|record| record.forgotten.is_none());
                if is_told { self.miner(id, miner, record, look.poll_interval) } else { self.remove(id) }
            }
            What::Gone(id) => {
                let messages = self.remove(id);
                self.said.remove(&id);
                messages
            }
        }
    }

    fn fleet(&mut self, look: &Look) -> Vec<Message> {
        let mut messages = Vec::new();
        let config = self.topics.config(&self.topics.fleet_device()).filter(|_| !self.is_fleet_told);
        if let Some(topic) = config {
            let payload = discovery::fleet(&self.topics, &self.version).to_string();
            messages.push(Message::new(Kind::Discovery, topic, payload));
        }
        self.is_fleet_told = true;
        let state = sensors::fleet(&look.miners).to_string();
        messages.push(Message::new(Kind::State, self.topics.fleet_state(), state));
        messages
    }

    fn miner(
        &mut self,
        id: MinerId,
        miner: Option<&Miner>,
        record: Option<&MinerRecord>,
        poll_interval: Duration,
    ) -> Vec<Message> {
        let said = self.said.entry(id).or_default();
        said.is_removed = false;
        let snapshot = miner.and_then(|miner| miner.snapshot.as_deref());
        if let Some(snapshot) = snapshot {
            said.shown = said.shown.with(snapshot);
        }
        let shown = said.shown;
        let mut messages = Vec::new();
        // What was said of a machine in an earlier run holds until it is heard again.
        if let (Some(miner), Some(snapshot)) = (miner, snapshot) {
            let identity = record.map_or(&snapshot.identity, |record| &record.identity);
            let device = device(miner, identity, record, shown, expiry(self.interval, poll_interval));
            let is_new = said.device.replace(hash(&device)) != Some(hash(&device));
            if let Some(topic) = self.topics.config(&self.topics.device(id)).filter(|_| is_new) {
                let payload = device.payload(&self.topics, &self.version).to_string();
                messages.push(Message::new(Kind::Discovery, topic, payload));
            }
        }
        let is_live = miner.is_some_and(|miner| miner.is_live);
        if said.availability.replace(is_live) != Some(is_live) {
            let words = if is_live { ONLINE } else { OFFLINE };
            messages.push(Message::new(Kind::Availability, self.topics.availability(id), words));
        }
        let account = account(miner, record, shown);
        if said.state.replace(account) != Some(account) {
            let state = sensors::state(id, miner, record, shown).to_string();
            messages.push(Message::new(Kind::State, self.topics.state(id), state));
        }
        messages
    }

    /// Takes away what is retained of a miner, once for each connection.
    fn remove(&mut self, id: MinerId) -> Vec<Message> {
        let said = self.said.entry(id).or_default();
        if said.is_removed {
            return Vec::new();
        }
        *said = Said { is_removed: true, ..Said::default() };
        let topics = [
            self.topics.config(&self.topics.device(id)),
            Some(self.topics.availability(id)),
            Some(self.topics.state(id)),
        ];
        topics.into_iter().flatten().map(|topic| Message::new(Kind::Removal, topic, "")).collect()
    }
}

fn device(
    miner: &Miner,
    identity: &Identity,
    record: Option<&MinerRecord>,
    shown: Shown,
    expire_s: u64,
) -> Device {
    let area = record.and_then(|record| area(&record.position));
    Device::new(miner.id, identity, Some(miner.ip), shown, expire_s).standing(area)
}

/// Site, building and rack, as far as they are known.
fn area(position: &Position) -> Option<String> {
    let parts: Vec<&str> = position.parts().into_iter().take(3).filter_map(|(_, part)| part).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// For how long a reading counts, in seconds: three of what comes more seldom, rounds or readings.
fn expiry(interval: Duration, poll_interval: Duration) -> u64 {
    (interval.max(poll_interval) * 3).as_secs().max(10)
}

/// What a state is made of: with another account there is another state.
fn account(miner: Option<&Miner>, record: Option<&MinerRecord>, shown: Shown) -> u64 {
    let findings: Vec<_> = miner
        .map(|miner| miner.findings.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|found| (found.rule.as_str(), found.message.as_str()))
        .collect();
    let of_miner = miner.map(|miner| (miner.last_updated, miner.status, miner.is_live, miner.ip));
    hash(&(of_miner, findings, record.map(|record| &record.position), shown))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
