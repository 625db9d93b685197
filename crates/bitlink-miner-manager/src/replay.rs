//! What rules would have told over what was recorded: history goes through the same engine, minute by minute.

use bitlink_alerts::{Engine, Found, Happening, Notification, Occasion, Policy, Subject};
use bitlink_model::{Metric, MinerId, MinerRecord, MinerStatus, Position, Timestamp};
use bitlink_store::history::{Event, EventKind, Facts, HistoryReader, StatusFact};
use bitlink_store::{Reader, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

/// Time between two rounds.
const STEP: Duration = Duration::from_mins(1);
/// Readings are means over so long, and the last of counters.
const READINGS: Duration = Duration::from_mins(15);

#[derive(Debug, Default)]
struct Then {
    status: Option<StatusFact>,
    facts: Facts,
    values: BTreeMap<Metric, f64>,
}

/// What would have been told between two times, in its order. Statuses and findings are those that were recorded, and readings means over a
/// quarter of an hour; where machines stand and their labels are those of today. That machines vanished or had conflicts is not
/// recorded, nor what a service knew before.
///
/// # Errors
/// Those of the database.
pub fn replay_alerts(
    dir: &Path,
    policy: Policy,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Notification>, StoreError> {
    let reader = Reader::open(dir)?;
    let records: HashMap<MinerId, MinerRecord> =
        reader.contents().records.into_iter().map(|record| (record.id, record)).collect();
    let mut asked = policy.metrics();
    let has_rules_of_readings = !asked.is_empty();
    asked.extend([Metric::HASHRATE, Metric::HASHRATE_EXPECTED, Metric::HASHRATE_NAMEPLATE]);
    let nowhere = (Position::default(), BTreeSet::new());
    let mut machines: BTreeMap<MinerId, Then> = BTreeMap::new();
    for (id, events) in reader.states_at(from)? {
        let machine = machines.entry(id).or_default();
        for event in events {
            take(machine, event.kind);
        }
    }
    let mut engine = Engine::new(policy);
    let mut told = Vec::new();
    let (mut now, mut read) = (from, None::<Timestamp>);
    let mut events: std::collections::VecDeque<Event> = std::collections::VecDeque::new();
    let mut fetched = from;
    let mut is_first = true;
    while now < until {
        let next = now.plus(STEP);
        if next > fetched {
            let more = fetched.plus(Duration::from_hours(1));
            events.extend(reader.events(None, fetched, more, usize::MAX)?);
            fetched = more;
        }
        let mut occasions: Vec<(MinerId, Occasion, String)> = Vec::new();
        let mut any = is_first;
        while let Some(event) = events.pop_front_if(|event| event.at < next) {
            let Some(id) = event.miner else { continue };
            any = true;
            if matches!(event.kind, EventKind::Absorbed { .. }) {
                machines.remove(&id);
                continue;
            }
            if !machines.contains_key(&id) {
                occasions.push((id, Occasion::New, "met for the first time".to_owned()));
            }
            let machine = machines.entry(id).or_default();
            if let EventKind::Facts(facts) = &event.kind {
                occasions.extend(
                    differences(&machine.facts, facts).into_iter().map(|(what, words)| (id, what, words)),
                );
            }
            take(machine, event.kind);
        }
        now = next;
        let is_due = read.is_none_or(|read| now.since(read) >= READINGS);
        if is_due && (has_rules_of_readings || any || !engine.is_idle()) {
            for machine in machines.values_mut() {
                // What a machine should hash is remembered while it is silent.
                machine.values.retain(|metric, _| {
                    *metric == Metric::HASHRATE_EXPECTED || *metric == Metric::HASHRATE_NAMEPLATE
                });
            }
            for (id, values) in reader.values_at(&asked, now, READINGS)? {
                machines.entry(id).or_default().values.extend(values);
            }
            read = Some(now);
            any |= has_rules_of_readings;
        }
        if !any && engine.is_idle() {
            continue;
        }
        is_first = false;
        let subjects: Vec<Subject<'_>> = machines
            .iter()
            .map(|(id, machine)| subject(*id, machine, records.get(id), &nowhere, engine.policy()))
            .collect();
        let happened: Vec<Happening<'_>> = occasions
            .iter()
            .map(|(id, occasion, message)| {
                let subject = subjects.iter().find(|subject| subject.id == *id).cloned();
                Happening { occasion: *occasion, subject, message }
            })
            .collect();
        told.extend(engine.observe(now, &subjects, &happened).notifications);
    }
    Ok(told)
}

fn take(machine: &mut Then, kind: EventKind) {
    match kind {
        EventKind::Status(status) => machine.status = Some(status),
        EventKind::Facts(facts) => machine.facts = facts,
        _ => {}
    }
}

fn differences(before: &Facts, after: &Facts) -> Vec<(Occasion, String)> {
    let mut all = Vec::new();
    let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    if differ(&before.firmware, &after.firmware) {
        all.push((Occasion::FirmwareChanged, after.firmware.clone().unwrap_or_default()));
    }
    if differ(&before.address, &after.address) {
        all.push((Occasion::Moved, format!("was at {}", before.address.clone().unwrap_or_default())));
    }
    if !before.pools.is_empty() && before.pools != after.pools {
        all.push((Occasion::PoolsChanged, "other pools, or another worker".to_owned()));
    }
    all
}

fn subject<'a>(
    id: MinerId,
    machine: &'a Then,
    record: Option<&'a MinerRecord>,
    nowhere: &'a (Position, BTreeSet<String>),
    policy: &Policy,
) -> Subject<'a> {
    let status = machine.status.as_ref().map_or(MinerStatus::Scanning, |fact| fact.status);
    let is_live = !matches!(status, MinerStatus::Dead | MinerStatus::Scanning);
    let findings = machine.status.iter().flat_map(|fact| &fact.findings);
    let value = |metric| machine.values.get(&metric).copied();
    Subject {
        id,
        address: machine.facts.address.as_deref().unwrap_or_default(),
        model: machine.facts.model.as_deref().unwrap_or_default(),
        position: record.map_or(&nowhere.0, |record| &record.position),
        labels: record.map_or(&nowhere.1, |record| &record.labels),
        status,
        findings: findings
            .map(|found| Found { rule: &found.rule, severity: found.severity, message: &found.message })
            .collect(),
        readings: machine
            .values
            .iter()
            .filter(|(metric, _)| is_live && policy.wants(**metric))
            .map(|(metric, value)| (*metric, *value))
            .collect(),
        expected_hs: value(Metric::HASHRATE_EXPECTED).or_else(|| value(Metric::HASHRATE_NAMEPLATE)),
        hashrate_hs: value(Metric::HASHRATE).filter(|_| is_live),
    }
}
