//! What a service hands to history: at each round every reading that is new, sums over groups, and what has changed since. Decides
//! nothing of how it is kept.

use super::book::Records;
use bitlink_model::{Metric, Miner, MinerId, MinerRecord, MinerStatus, Timestamp, metric};
use bitlink_monitor::FleetSnapshot;
use bitlink_store::StoreError;
use bitlink_store::history::{
    Event, EventKind, Facts, HistoryConfig, HistoryStatus, HistoryWriter, StatusFact, Sums, Tick,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// What was recorded last of every machine.
pub(super) type States = Vec<(MinerId, Vec<Event>)>;

/// Most events that wait for a disk that is full; the oldest go first, and that is told.
const MOST_WAITING: usize = 200_000;

/// What has changed about the keeping itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Same,
    Failing(String),
    Again { missed: u64 },
}

/// What is known of a machine, to tell what is new.
#[derive(Debug, Default)]
struct Known {
    read: Option<Timestamp>,
    status: Option<StatusFact>,
    facts: Facts,
    fingerprint: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Recorder {
    history: Arc<dyn HistoryWriter>,
    is_on: bool,
    known: HashMap<MinerId, Known>,
    /// Events that are not in any tick yet.
    waiting: VecDeque<Event>,
    /// Events of ticks that are on their way to the disk, in their order.
    under_way: VecDeque<Vec<Event>>,
    told: Sender<Result<(), StoreError>>,
    outcomes: Receiver<Result<(), StoreError>>,
    failing: Option<String>,
    missed: u64,
    /// A machine's values, to be walked once for all its groups.
    values: Vec<(Metric, i64)>,
}

impl Recorder {
    pub(super) fn new(history: Arc<dyn HistoryWriter>, states: States) -> Self {
        let mut known = HashMap::<MinerId, Known>::new();
        for (miner, events) in states {
            let known = known.entry(miner).or_default();
            for event in events {
                match event.kind {
                    EventKind::Status(told) => known.status = Some(told),
                    EventKind::Facts(facts) => known.facts = facts,
                    _ => {}
                }
            }
        }
        let (told, outcomes) = mpsc::channel();
        Self {
            history,
            is_on: false,
            known,
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            told,
            outcomes,
            failing: None,
            missed: 0,
            values: Vec::new(),
        }
    }

    pub(super) fn configure(
        &mut self,
        config: Option<HistoryConfig>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_on = config.is_some();
        if !is_on && !self.is_on {
            return Ok(());
        }
        if !is_on {
            self.stop(now);
        }
        self.history.keep_history(config)?;
        if is_on && !self.is_on {
            self.push(Event::general(now, EventKind::Started));
        }
        self.is_on = is_on;
        Ok(())
    }

    pub(super) fn status(&self) -> HistoryStatus {
        self.history.history_status()
    }

    fn push(&mut self, event: Event) {
        self.waiting.push_back(event);
        while self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
        }
    }

    /// A record turned out to be of another machine.
    pub(super) fn absorbed(&mut self, gone: MinerId, into: MinerId, now: Timestamp) {
        self.known.remove(&gone);
        if self.is_on {
            self.push(Event::of(now, gone, EventKind::Absorbed { into }));
        }
    }

    /// Takes note of what has changed about a machine.
    pub(super) fn note(&mut self, miner: &Miner, now: Timestamp) {
        if !self.is_on {
            return;
        }
        let known = self.known.entry(miner.id).or_default();
        let mut news = Vec::new();
        // Not judged yet says nothing.
        if miner.status != MinerStatus::Scanning {
            let status = StatusFact::of(miner);
            if known.status.as_ref().is_none_or(|before| before.differs(&status)) {
                news.push(EventKind::Status(status.clone()));
                known.status = Some(status);
            }
        }
        let fingerprint = Facts::fingerprint(miner);
        if miner.snapshot.is_some() && known.fingerprint.replace(fingerprint) != Some(fingerprint) {
            let facts = Facts::of(miner).or(&known.facts);
            if facts != known.facts {
                news.push(EventKind::Facts(facts.clone()));
                known.facts = facts;
            }
        }
        for kind in news {
            self.push(Event::of(now, miner.id, kind));
        }
    }

    /// Hands a round over. Never waits for the disk.
    pub(super) fn record(&mut self, fleet: &FleetSnapshot, records: &Records, now: Timestamp) -> Turn {
        if !self.is_on {
            return Turn::Same;
        }
        let turn = self.hear(now);
        let mut tick = Tick::new(now);
        let mut groups: BTreeMap<String, Sums> = BTreeMap::new();
        let mut values = mem::take(&mut self.values);
        for miner in fleet.iter() {
            self.note(miner, now);
            let is_live = !matches!(miner.status, MinerStatus::Dead | MinerStatus::Scanning);
            values.clear();
            if let Some(snapshot) = &miner.snapshot {
                let known = self.known.entry(miner.id).or_default();
                let is_new = miner.last_updated.is_some() && known.read != miner.last_updated;
                if is_new || is_live {
                    metric::walk(snapshot, |metric, value| values.push((metric, value)));
                }
                if is_new {
                    known.read = miner.last_updated;
                    tick.values(miner.id, miner.last_updated.unwrap_or(now), values.iter().copied());
                }
            }
            let live = (is_live && miner.snapshot.is_some()).then_some(values.as_slice());
            for group in groups_of(records.get(miner.id)) {
                groups.entry(group).or_default().add(miner.status, live);
            }
        }
        self.values = values;
        for (name, sums) in groups {
            tick.group(&name, sums.values());
        }
        self.hand_over(tick, turn)
    }

    fn hand_over(&mut self, mut tick: Tick, turn: Turn) -> Turn {
        let events: Vec<Event> = self.waiting.drain(..).collect();
        for event in &events {
            tick.event(event.clone());
        }
        if tick.is_empty() {
            return turn;
        }
        let told = self.told.clone();
        // Whoever is gone does not want to know.
        let done = Box::new(move |outcome| drop(told.send(outcome)));
        match self.history.record(tick, done) {
            Ok(()) => {
                self.under_way.push_back(events);
                turn
            }
            Err(refused) => {
                self.not_kept(events);
                if turn == Turn::Same { self.fails(refused.to_string()) } else { turn }
            }
        }
    }

    fn not_kept(&mut self, events: Vec<Event>) {
        self.missed += 1;
        for event in events.into_iter().rev() {
            self.waiting.push_front(event);
        }
    }

    fn fails(&mut self, why: String) -> Turn {
        if self.failing.as_ref() == Some(&why) {
            return Turn::Same;
        }
        self.failing = Some(why.clone());
        Turn::Failing(why)
    }

    /// Hears what became of earlier rounds.
    fn hear(&mut self, now: Timestamp) -> Turn {
        let mut turn = Turn::Same;
        while let Ok(outcome) = self.outcomes.try_recv() {
            let events = self.under_way.pop_front().unwrap_or_default();
            match outcome {
                Ok(()) => {
                    if let Some(reason) = self.failing.take() {
                        let missed = mem::take(&mut self.missed);
                        turn = Turn::Again { missed };
                        self.push(Event::general(now, EventKind::Gap { ticks: missed, reason }));
                    }
                }
                Err(error) => {
                    self.not_kept(events);
                    turn = self.fails(error.to_string());
                }
            }
        }
        turn
    }

    /// Records that recording ends. What was handed over is kept before the store closes.
    pub(super) fn stop(&mut self, now: Timestamp) {
        if !self.is_on {
            return;
        }
        let turn = self.hear(now);
        self.push(Event::general(now, EventKind::Stopped));
        self.hand_over(Tick::new(now), turn);
    }
}

/// The groups that a machine belongs to.
fn groups_of(record: Option<&MinerRecord>) -> Vec<String> {
    let mut groups = vec!["fleet".to_owned()];
    let Some(record) = record else { return groups };
    let position = &record.position;
    if let Some(site) = &position.site {
        groups.push(format!("site/{site}"));
    }
    if position.rack.is_some() {
        let path = [&position.site, &position.building, &position.rack];
        let path: Vec<&str> = path.into_iter().flatten().map(String::as_str).collect();
        groups.push(format!("rack/{}", path.join("/")));
    }
    groups.extend(record.labels.iter().map(|label| format!("label/{label}")));
    groups
}
