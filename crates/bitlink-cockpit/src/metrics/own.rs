//! Metrics of the service itself, and the sums of the fleet and of its sites. Stale readings are in no sum; how many devices
//! one is made of is told beside it.

use super::Sites;
use super::text::{Family, Format, Kind, Labels, Page};
use crate::mqtt::MqttCounts;
use bitlink_miner_manager::{FleetSnapshot, PollTally, Pulse, ServiceStats};
use bitlink_model::{Miner, MinerSnapshot, MinerStatus};
use bytes::Bytes;
use std::collections::BTreeMap;

/// All that the page is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Own<'a> {
    /// The fleet.
    pub fleet: &'a FleetSnapshot,
    /// Where its machines stand.
    pub sites: &'a Sites,
    /// How the service does.
    pub pulse: &'a Pulse,
    /// What it has counted.
    pub stats: &'a ServiceStats,
    /// Seconds since the last round of the monitor ended.
    pub round_age_s: f64,
    /// The version of the program.
    pub version: &'a str,
    /// What telling an MQTT broker has come to, where one is told.
    pub mqtt: Option<MqttCounts>,
}

impl<'a> Own<'a> {
    /// From a service's state.
    pub const fn new(
        fleet: &'a FleetSnapshot,
        sites: &'a Sites,
        pulse: &'a Pulse,
        stats: &'a ServiceStats,
        round_age_s: f64,
        version: &'a str,
    ) -> Self {
        Self { fleet, sites, pulse, stats, round_age_s, version, mqtt: None }
    }

    /// With what telling an MQTT broker has come to.
    #[must_use]
    pub const fn with_mqtt(mut self, mqtt: Option<MqttCounts>) -> Self {
        self.mqtt = mqtt;
        self
    }
}

type Give<'g> = &'g mut dyn FnMut(&str, f64);

struct Metric {
    family: Family,
    read: fn(&Own<'_>, Give<'_>),
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: fn(&Own<'_>, Give<'_>),
) -> Metric {
    Metric { family: Family::gauge(name, unit, help), read }
}

const fn counter(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: fn(&Own<'_>, Give<'_>),
) -> Metric {
    Metric { family: Family::counter(name, unit, help), read }
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
const fn many(value: usize) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
const fn count(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss)] // milliseconds since 1970 stay below 2^53
fn seconds(at: bitlink_model::Timestamp) -> f64 {
    at.as_unix_millis() as f64 / 1e3
}

const METRICS: &[Metric] = &[
    Metric {
        family: Family {
            name: "bitlink_build_info",
            kind: Kind::Info,
            unit: "",
            help: "The version of the program.",
        },
        read: |own, give| give(&Labels::default().with("version", Some(own.version)).into_string(), 1.0),
    },
    gauge("bitlink_start_timestamp_seconds", "seconds", "When the service was started.", |own, give| {
        give("", seconds(own.stats.started_at));
    }),
    gauge("bitlink_devices", "", "Devices by status.", |own, give| {
        let c = &own.fleet.coverage;
        for (status, number) in [
            (MinerStatus::Active, c.active),
            (MinerStatus::Paused, c.paused),
            (MinerStatus::Warning, c.warning),
            (MinerStatus::Dead, c.dead),
            (MinerStatus::Scanning, c.scanning),
        ] {
            give(&format!("status=\"{status}\""), many(number));
        }
    }),
    gauge("bitlink_devices_live", "", "Devices whose last reading stands for now.", |own, give| {
        give("", many(own.fleet.coverage.live));
    }),
    gauge(
        "bitlink_devices_warning",
        "",
        "Devices that a health rule has found something at, by rule.",
        |own, give| {
            let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
            for miner in own.fleet.iter() {
                for (n, finding) in miner.findings.iter().enumerate() {
                    if !miner.findings.iter().take(n).any(|before| before.rule == finding.rule) {
                        *rules.entry(finding.rule.as_str()).or_default() += 1;
                    }
                }
            }
            for (rule, number) in rules {
                give(&Labels::default().with("rule", Some(rule)).into_string(), many(number));
            }
        },
    ),
    gauge(
        "bitlink_fleet_hashrate_hashes_per_second",
        "hashes_per_second",
        "Hash rate of all live devices that tell theirs, by site.",
        |own, give| sum(own, give, |s| Some(s.hashrate.settled()?.as_hs())),
    ),
    gauge(
        "bitlink_fleet_hashrate_expected_hashes_per_second",
        "hashes_per_second",
        "Hash rate that all live devices that tell it should reach, by site.",
        |own, give| sum(own, give, |s| Some(s.hashrate.expected.or(s.hashrate.nameplate)?.as_hs())),
    ),
    gauge(
        "bitlink_fleet_power_watts",
        "watts",
        "Power of all live devices that tell theirs, by site.",
        |own, give| sum(own, give, |s| Some(s.power?.as_watts())),
    ),
    gauge(
        "bitlink_fleet_devices_with_hashrate",
        "",
        "Devices that the hash rate is the sum of, by site.",
        |own, give| sum(own, give, |s| s.hashrate.settled().map(|_| 1.0)),
    ),
    gauge(
        "bitlink_fleet_devices_with_power",
        "",
        "Devices that the power is the sum of, by site.",
        |own, give| sum(own, give, |s| s.power.map(|_| 1.0)),
    ),
    gauge(
        "bitlink_oldest_reading_timestamp_seconds",
        "seconds",
        "When the oldest reading was taken that stands for now.",
        |own, give| {
            if let Some(at) = own.fleet.coverage.oldest_reading {
                give("", seconds(at));
            }
        },
    ),
    counter("bitlink_polls_total", "", "Polls by result, and by the reason for it.", |own, give| {
        for (result, end, number) in own.fleet.coverage.polls.counts() {
            give(&format!("result=\"{}\",reason=\"{}\"", result.as_str(), end.as_str()), count(number));
        }
    }),
    Metric {
        family: Family {
            name: "asic_poll_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            help: "How long polls took that were answered.",
        },
        read: |_, _| (),
    },
    gauge("bitlink_polls_in_flight", "", "Polls that are running.", |own, give| {
        give("", many(own.fleet.coverage.in_flight));
    }),
    gauge(
        "bitlink_poll_lag_seconds",
        "seconds",
        "How long the most overdue device has been waiting for its turn.",
        |own, give| give("", own.fleet.coverage.lag.as_secs_f64()),
    ),
    gauge(
        "bitlink_poll_interval_seconds",
        "seconds",
        "Time between two polls of one device, as it is set.",
        |own, give| give("", own.pulse.interval.as_secs_f64()),
    ),
    gauge(
        "bitlink_poll_effective_interval_seconds",
        "seconds",
        "Time between two polls of one device, as it is.",
        |own, give| {
            if let Some(interval) = own.fleet.coverage.effective_interval {
                give("", interval.as_secs_f64());
            }
        },
    ),
    gauge("bitlink_round_age_seconds", "seconds", "Since the last round of polls ended.", |own, give| {
        give("", own.round_age_s);
    }),
    counter("bitlink_scans_total", "", "Scans of the networks, by result.", |own, give| {
        give("result=\"ended\"", count(own.stats.scans_ended));
        give("result=\"failed\"", count(own.stats.scans_failed));
    }),
    counter(
        "bitlink_scan_addresses_total",
        "",
        "Addresses of all scans, by what they came to.",
        |own, give| {
            for (kind, number) in &own.stats.addresses {
                give(&format!("result=\"{}\"", kind.as_str()), count(*number));
            }
        },
    ),
    gauge("bitlink_scan_duration_seconds", "seconds", "How long the last scan took.", |own, give| {
        if let Some((_, took)) = own.stats.last_scan {
            give("", took.as_secs_f64());
        }
    }),
    gauge("bitlink_scan_last_timestamp_seconds", "seconds", "When the last scan ended.", |own, give| {
        if let Some((at, _)) = own.stats.last_scan {
            give("", seconds(at));
        }
    }),
    counter(
        "bitlink_events_dropped_total",
        "",
        "Events that were left out, by whose slowness.",
        |own, give| {
            give("by=\"service\"", count(own.stats.monitor_events_dropped));
            give("by=\"readers\"", count(own.stats.events_dropped));
        },
    ),
    gauge("bitlink_events_waiting", "", "Events that wait for the slowest reader.", |own, give| {
        give("", many(own.stats.events_waiting));
    }),
    gauge("bitlink_orders_waiting", "", "Orders that wait for the service.", |own, give| {
        give("", many(own.stats.orders_waiting));
    }),
    counter(
        "bitlink_registry_writes_total",
        "",
        "Times that changes of the registry were written, by result.",
        |own, give| {
            give("result=\"kept\"", count(own.stats.registry_kept));
            give("result=\"failed\"", count(own.stats.registry_not_kept));
        },
    ),
    counter(
        "bitlink_registry_write_seconds_total",
        "seconds",
        "How long writing the registry took in all.",
        |own, give| give("", own.stats.registry_took.as_secs_f64()),
    ),
    gauge("bitlink_data_kept", "", "Whether what is known is kept on the disk.", |own, give| {
        give("", f64::from(u8::from(own.pulse.not_kept.is_none())));
    }),
    gauge(
        "bitlink_history_recorded",
        "",
        "Whether readings are kept on the disk, where they should be.",
        |own, give| {
            if own.pulse.history.is_some() || own.pulse.not_recorded.is_some() {
                give("", f64::from(u8::from(own.pulse.not_recorded.is_none())));
            }
        },
    ),
    counter("bitlink_history_ticks_total", "", "Rounds of readings, by what became of them.", |own, give| {
        if let Some(history) = &own.pulse.history {
            give("result=\"kept\"", count(history.ticks));
            give("result=\"dropped\"", count(history.dropped));
        }
    }),
    counter("bitlink_history_values_total", "", "Values that are on the disk.", |own, give| {
        if let Some(history) = &own.pulse.history {
            give("", count(history.values));
        }
    }),
    counter(
        "bitlink_history_write_seconds_total",
        "seconds",
        "How long writing readings took in all.",
        |own, give| {
            if let Some(history) = &own.pulse.history {
                give("", count(history.write_us) / 1e6);
            }
        },
    ),
    gauge("bitlink_history_ticks_waiting", "", "Rounds of readings that wait for the disk.", |own, give| {
        if let Some(history) = &own.pulse.history {
            give("", many(history.waiting));
        }
    }),
    gauge("bitlink_alerts_firing", "", "Alerts that are true now, by how bad they are.", |own, give| {
        if let Some(firing) = &own.stats.alerts_firing {
            give("severity=\"info\"", many(firing.info));
            give("severity=\"warning\"", many(firing.warning));
            give("severity=\"critical\"", many(firing.critical));
        }
    }),
    counter(
        "bitlink_alert_messages_total",
        "",
        "Messages to people, by result; one that failed is tried again.",
        |own, give| {
            give("result=\"sent\"", count(own.stats.alert_messages_sent));
            give("result=\"failed\"", count(own.stats.alert_messages_failed));
            give("result=\"given_up\"", count(own.stats.alert_messages_given_up));
        },
    ),
    gauge("bitlink_mqtt_connected", "", "Whether the MQTT broker is connected.", |own, give| {
        if let Some(mqtt) = &own.mqtt {
            give("", f64::from(u8::from(mqtt.is_connected)));
        }
    }),
    counter(
        "bitlink_mqtt_connections_total",
        "",
        "Connections to the MQTT broker, by result.",
        |own, give| {
            if let Some(mqtt) = &own.mqtt {
                give("result=\"accepted\"", count(mqtt.accepted));
                give("result=\"failed\"", count(mqtt.failed));
                give("result=\"lost\"", count(mqtt.lost));
            }
        },
    ),
    counter("bitlink_mqtt_messages_total", "", "Messages to the MQTT broker, by kind.", |own, give| {
        for (kind, number) in own.mqtt.iter().flat_map(MqttCounts::messages) {
            give(&format!("kind=\"{kind}\""), count(number));
        }
    }),
    gauge(
        "bitlink_mqtt_round_duration_seconds",
        "seconds",
        "How long it took to tell the MQTT broker of the whole fleet, the last time.",
        |own, give| {
            if let Some(mqtt) = own.mqtt.filter(|mqtt| mqtt.rounds > 0) {
                give("", mqtt.took.as_secs_f64());
            }
        },
    ),
];

/// The sum over the live devices of each site; of those without one there is a sum without the label. A site with none that
/// tells it has no sum.
fn sum(own: &Own<'_>, give: Give<'_>, read: fn(&MinerSnapshot) -> Option<f64>) {
    let live = |miner: &&std::sync::Arc<Miner>| miner.is_live;
    let mut sums: BTreeMap<Option<&str>, f64> = BTreeMap::new();
    for miner in own.fleet.iter().filter(live) {
        if let Some(value) = miner.snapshot.as_deref().and_then(read) {
            *sums.entry(own.sites.of(miner)).or_default() += value;
        }
    }
    for (site, value) in sums {
        give(&Labels::default().with("site", site).into_string(), value);
    }
}

/// The metrics of the service.
pub fn families() -> impl Iterator<Item = &'static Family> {
    METRICS.iter().map(|metric| &metric.family)
}

/// The service as text.
pub fn page(own: &Own<'_>, format: Format) -> Bytes {
    let mut page = Page::new(format);
    for metric in METRICS {
        let before = page.len();
        page.family(&metric.family);
        let begun = page.len();
        if metric.family.kind == Kind::Histogram {
            histogram(&mut page, metric.family.name, &own.fleet.coverage.polls);
        }
        (metric.read)(own, &mut |labels, value| page.sample(metric.family.name, labels, value));
        if page.len() == begun {
            page.truncate(before);
        }
    }
    page.end();
    Bytes::from(page.take())
}

fn histogram(page: &mut Page, name: &str, polls: &PollTally) {
    let bucket = format!("{name}_bucket");
    let mut all = 0;
    let ends = PollTally::STEPS_MS.iter().map(|millis| (count(*millis) / 1e3).to_string());
    for (end, number) in ends.chain(["+Inf".to_owned()]).zip(polls.times()) {
        page.sample(&bucket, &format!("le=\"{end}\""), count(number));
        all = number;
    }
    page.sample(&format!("{name}_sum"), "", polls.took().as_secs_f64());
    page.sample(&format!("{name}_count"), "", count(all));
}
