//! What a service hands to alerts: at each round how every miner does, and what has happened; and what comes of it to the courier. Decides
//! nothing of what is told.

use super::book::Records;
use super::stats::AlertsFiring;
use super::{AlertsNow, ChannelNow};
use crate::handed_in::handed_in;
use bitlink_alerts::{
    AlertOrder, AlertsConfig, Batch, Channel, ChannelError, ConfigError, Courier, CourierEvent, Engine,
    Found, Happening, Occasion, OrderError, Outbox, OutboxError, Policy, Subject,
};
use bitlink_model::{
    Metric, Miner, MinerId, MinerRecord, MinerStatus, Position, Secret, Severity, Timestamp, metric,
};
use bitlink_monitor::{Clock, FleetSnapshot};
use bitlink_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What is to be told, and the secrets of the channels by their names.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Alerting {
    /// Rules, channels and times.
    pub config: AlertsConfig,
    /// What [`ChannelConfig::secret_file`](bitlink_alerts::ChannelConfig::secret_file) and its kin hold.
    pub secrets: BTreeMap<String, Secret>,
}

/// Why alerts cannot be as they are configured. User, and operator.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AlertingError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

type Channels = BTreeMap<String, Arc<dyn Channel>>;

impl Alerting {
    /// With secrets.
    pub fn new(config: AlertsConfig, secrets: BTreeMap<String, Secret>) -> Self {
        Self { config, secrets }
    }

    /// What it comes to.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn policy(&self) -> Result<Policy, AlertingError> {
        Ok(self.config.policy()?)
    }

    /// The channels, ready to send.
    ///
    /// # Errors
    /// The first one that is wrong.
    pub fn open(&self) -> Result<Channels, AlertingError> {
        let zone = self.policy()?.zone().clone();
        let open = |channel: &bitlink_alerts::ChannelConfig| {
            let secret = self.secrets.get(&channel.name).unwrap_or(&channel.secret).clone();
            Ok((channel.name.clone(), channel.open(secret, zone.clone())?))
        };
        self.config.channel.iter().map(open).collect()
    }
}

/// What alerts know and have still to send, and nothing of what others keep beside it.
fn kept_by_alerts(store: &Store) -> Result<BTreeMap<String, String>, StoreError> {
    let reader = store.reader()?;
    let mut kept = BTreeMap::new();
    for prefix in bitlink_alerts::KEYS {
        kept.append(&mut reader.items_under(prefix)?);
    }
    Ok(kept)
}

/// The store as an outbox.
#[derive(Debug)]
pub(super) struct StoreOutbox(pub(super) Arc<Store>);

#[async_trait::async_trait]
impl Outbox for StoreOutbox {
    async fn keep(&self, batch: Batch) -> Result<(), OutboxError> {
        let kept = handed_in(|done| self.0.submit_items(batch.items, done)).await;
        kept.map_err(|error| OutboxError(error.to_string()))
    }
}

/// Something that has happened, until the next round.
#[derive(Debug)]
struct Noted {
    occasion: Occasion,
    miner: Option<MinerId>,
    message: String,
}

/// Most that is noted between two rounds.
const MOST_NOTED: usize = 100_000;

/// The engine of a service with all it needs.
#[derive(Debug)]
pub(super) struct Alerts {
    engine: Option<Engine>,
    kept: BTreeMap<String, String>,
    courier: Option<Courier>,
    outbox: Option<Arc<dyn Outbox>>,
    clock: Arc<dyn Clock>,
    noted: Vec<Noted>,
    known: HashMap<MinerId, Known>,
    told: mpsc::Sender<CourierEvent>,
    /// How each channel did with its last message: when it took it, or why it did not.
    channels: HashMap<String, (Option<Timestamp>, Option<String>)>,
}

/// What of a machine is compared from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    firmware: Option<u64>,
    pools: Option<u64>,
    blocks: Option<u64>,
}

impl Known {
    fn of(miner: &Miner) -> Option<Self> {
        let snapshot = miner.snapshot.as_ref()?;
        let firmware =
            snapshot.identity.firmware.as_ref().and_then(|firmware| firmware.version.as_ref()).map(hash);
        let pools: Vec<_> = snapshot.pools.iter().map(|pool| (pool.id, &pool.url, &pool.user)).collect();
        let pools = (!pools.is_empty()).then(|| hash(&pools));
        Some(Self { firmware, pools, blocks: snapshot.shares.found_blocks })
    }

    /// What a reading leaves out is as it was.
    fn or(self, before: Self) -> Self {
        Self {
            firmware: self.firmware.or(before.firmware),
            pools: self.pools.or(before.pools),
            blocks: self.blocks.or(before.blocks),
        }
    }
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A courier's work.
pub(super) type Work = futures::future::BoxFuture<'static, ()>;

impl Alerts {
    /// With what is kept. Without a store everything is told, and nothing remembered.
    pub(super) fn new(
        store: Option<Arc<Store>>,
        clock: Arc<dyn Clock>,
        told: mpsc::Sender<CourierEvent>,
    ) -> Self {
        let kept = match store.as_deref().map(kept_by_alerts) {
            Some(Err(error)) => {
                tracing::warn!(%error, "what alerts knew cannot be read; they begin anew");
                BTreeMap::new()
            }
            Some(Ok(kept)) => kept,
            None => BTreeMap::new(),
        };
        let outbox = store.map(|store| Arc::new(StoreOutbox(store)) as Arc<dyn Outbox>);
        Self {
            engine: None,
            kept,
            courier: None,
            outbox,
            clock,
            noted: Vec::new(),
            known: HashMap::new(),
            told,
            channels: HashMap::new(),
        }
    }

    /// Other settings count from now on. Where a courier is new, its work is returned.
    pub(super) fn configure(&mut self, alerting: &Alerting) -> Result<Option<Work>, AlertingError> {
        let (policy, channels) = (alerting.policy()?, alerting.open()?);
        if !alerting.config.enabled {
            self.engine = None;
            self.courier = None;
            return Ok(None);
        }
        let give_up = alerting.config.give_up_after.0;
        match &mut self.engine {
            Some(engine) => engine.configure(policy),
            none => {
                let mut engine = Engine::restored(policy, &self.kept);
                engine.awaken(self.clock.now());
                *none = Some(engine);
            }
        }
        if let Some(courier) = &self.courier {
            courier.configure(channels, give_up);
            return Ok(None);
        }
        let outbox = self.outbox.clone().unwrap_or_else(|| Arc::new(bitlink_alerts::MemoryOutbox::default()));
        let clock = Arc::clone(&self.clock);
        let kept = std::mem::take(&mut self.kept);
        let (courier, work) =
            Courier::new(outbox, &kept, channels, give_up, self.told.clone(), move || clock.now());
        self.courier = Some(courier);
        Ok(Some(Box::pin(work)))
    }

    /// Something has happened.
    pub(super) fn note(&mut self, occasion: Occasion, miner: Option<MinerId>, message: impl Into<String>) {
        if self.engine.is_some() && self.noted.len() < MOST_NOTED {
            self.noted.push(Noted { occasion, miner, message: message.into() });
        }
    }

    fn compare(&mut self, miner: &Miner) {
        let Some(now) = Known::of(miner) else { return };
        let before = self.known.get(&miner.id).copied();
        let now = before.map_or(now, |before| now.or(before));
        self.known.insert(miner.id, now);
        let Some(before) = before.filter(|before| *before != now) else { return };
        let differ = |a: Option<u64>, b: Option<u64>| a.is_some() && a != b;
        if differ(before.firmware, now.firmware) {
            self.note(Occasion::FirmwareChanged, Some(miner.id), "another firmware or version of it");
        }
        if differ(before.pools, now.pools) {
            self.note(Occasion::PoolsChanged, Some(miner.id), "other pools, or another worker");
        }
        if before.blocks.zip(now.blocks).is_some_and(|(before, now)| now > before) {
            self.note(Occasion::BlockFound, Some(miner.id), "a block was found");
        }
    }

    /// Takes a round, and hands over what comes of it.
    pub(super) fn round(&mut self, fleet: &FleetSnapshot, records: &Records) {
        if self.engine.is_none() {
            return;
        }
        for miner in fleet.iter() {
            self.compare(miner);
        }
        let (Some(engine), Some(courier)) = (&mut self.engine, &self.courier) else { return };
        let places: Vec<String> =
            fleet.iter().map(|miner| std::net::SocketAddr::new(miner.ip, miner.port).to_string()).collect();
        let nowhere = (Position::default(), BTreeSet::new());
        let subjects: Vec<Subject<'_>> = fleet
            .iter()
            .zip(&places)
            .map(|(miner, place)| {
                let record = records.get(miner.id);
                subject(miner, record, place, &nowhere, engine.policy())
            })
            .collect();
        let noted = std::mem::take(&mut self.noted);
        let happened: Vec<Happening<'_>> = noted
            .iter()
            .map(|noted| {
                let watched =
                    noted.miner.and_then(|id| subjects.iter().find(|subject| subject.id == id)).cloned();
                let known = noted.miner.and_then(|id| records.get(id)).map(kept);
                Happening { occasion: noted.occasion, subject: watched.or(known), message: &noted.message }
            })
            .collect();
        let outcome = engine.observe(self.clock.now(), &subjects, &happened);
        if !outcome.notifications.is_empty() || !outcome.batch.is_empty() {
            courier.carry(engine.policy(), outcome.notifications, outcome.batch);
        }
    }

    /// How many alerts are true now.
    pub(super) fn firing(&self) -> Option<AlertsFiring> {
        let mut firing = AlertsFiring::default();
        for severity in self.engine.as_ref()?.firing() {
            match severity {
                Severity::Critical => firing.critical += 1,
                Severity::Warning => firing.warning += 1,
                _ => firing.info += 1,
            }
        }
        Some(firing)
    }

    /// What is true now.
    pub(super) fn now(&self, alerting: &Alerting) -> Option<AlertsNow> {
        let engine = self.engine.as_ref()?;
        let configured = &alerting.config.channel;
        let channels = configured.iter().map(|channel| {
            let (last_sent, failing) = self.channels.get(&channel.name).cloned().unwrap_or_default();
            ChannelNow { name: channel.name.clone(), kind: channel.kind, last_sent, failing }
        });
        Some(AlertsNow {
            firing: engine.alerts(),
            mutes: engine.mutes().cloned().collect(),
            windows: alerting.config.maintenance.clone(),
            channels: channels.collect(),
        })
    }

    /// A courier has told how it goes.
    pub(super) fn heard(&mut self, event: &CourierEvent) {
        match event {
            CourierEvent::Sent(message) => {
                let sent = (Some(self.clock.now()), None);
                self.channels.insert(message.channel.clone(), sent);
            }
            CourierEvent::Failed(message) | CourierEvent::GivenUp(message) => {
                let why = message.error.clone().unwrap_or_else(|| "it did not take it".to_owned());
                self.channels.entry(message.channel.clone()).or_default().1 = Some(why);
            }
            _ => {}
        }
    }

    /// Does what somebody asks.
    pub(super) fn obey(&mut self, order: AlertOrder) -> Result<(), OrderError> {
        let (Some(engine), Some(courier)) = (&mut self.engine, &self.courier) else {
            return Err(OrderError::NoAlert("alerts are switched off".to_owned()));
        };
        engine.obey(order)?;
        let batch = engine.take_batch();
        courier.carry(engine.policy(), Vec::new(), batch);
        Ok(())
    }

    /// Lets the courier finish.
    pub(super) fn stop(&mut self) {
        self.courier = None;
    }
}

/// A machine that is known and not watched.
fn kept(record: &MinerRecord) -> Subject<'_> {
    Subject {
        id: record.id,
        address: "",
        model: record.identity.model.as_deref().unwrap_or_default(),
        position: &record.position,
        labels: &record.labels,
        status: MinerStatus::Scanning,
        findings: Vec::new(),
        readings: Vec::new(),
        expected_hs: None,
        hashrate_hs: None,
    }
}

fn subject<'a>(
    miner: &'a Miner,
    record: Option<&'a MinerRecord>,
    place: &'a str,
    nowhere: &'a (Position, BTreeSet<String>),
    policy: &Policy,
) -> Subject<'a> {
    let is_live = !matches!(miner.status, MinerStatus::Dead | MinerStatus::Scanning);
    let mut readings: Vec<(Metric, f64)> = Vec::new();
    let snapshot = miner.snapshot.as_deref();
    if let Some(snapshot) = snapshot.filter(|_| is_live && policy.needs_readings()) {
        metric::walk(snapshot, |metric, value| {
            if policy.wants(metric) {
                readings.push((metric, metric.value(value)));
            }
        });
    }
    let findings = miner
        .findings
        .iter()
        .map(|found| Found { rule: found.rule.as_str(), severity: found.severity, message: &found.message })
        .collect();
    Subject {
        id: miner.id,
        address: place,
        model: &miner.model,
        position: record.map_or(&nowhere.0, |record| &record.position),
        labels: record.map_or(&nowhere.1, |record| &record.labels),
        status: miner.status,
        findings,
        readings,
        expected_hs: snapshot
            .and_then(|snapshot| snapshot.hashrate.expected.or(snapshot.hashrate.nameplate))
            .map(bitlink_model::HashRate::as_hs),
        hashrate_hs: snapshot
            .filter(|_| is_live)
            .and_then(|snapshot| snapshot.hashrate.current())
            .map(bitlink_model::HashRate::as_hs),
    }
}
