//! What is told of a miner and of the fleet: a table of sensors with the units and classes that Home Assistant has for them, and the
//! states that are made of it. What a miner did not say is `null`, which is shown as unknown; never 0.
//!
//! Classes and units after <https://www.home-assistant.io/integrations/sensor/> and
//! <https://developers.home-assistant.io/docs/core/entity/sensor/>.

use crate::metrics::text::is_invisible;
use bitlink_model::{
    FanLocation, FanSpeed, HashRate, Miner, MinerId, MinerRecord, MinerSnapshot, MinerStatus, Power,
    Severity, Span, Temperature, Timestamp,
};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// A number that is told.
pub(super) struct Sensor {
    /// Its name in a state, with the unit.
    pub(super) key: &'static str,
    /// Its name for people.
    pub(super) name: &'static str,
    pub(super) unit: Option<&'static str>,
    pub(super) class: Option<&'static str>,
    pub(super) state_class: &'static str,
    /// Digits behind the point that are shown.
    pub(super) decimals: u8,
    /// Of interest to whoever looks for a fault.
    pub(super) is_diagnostic: bool,
    /// Whether it is there before a miner has told it for the first time.
    pub(super) is_always: bool,
    pub(super) read: fn(&MinerSnapshot) -> Option<f64>,
}

const fn sensor(
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    read: fn(&MinerSnapshot) -> Option<f64>,
) -> Sensor {
    Sensor {
        key,
        name,
        unit: Some(unit),
        class: None,
        state_class: "measurement",
        decimals: 0,
        is_diagnostic: false,
        is_always: false,
        read,
    }
}

impl Sensor {
    const fn class(mut self, class: &'static str) -> Self {
        self.class = Some(class);
        self
    }

    const fn decimals(mut self, decimals: u8) -> Self {
        self.decimals = decimals;
        self
    }

    const fn always(mut self) -> Self {
        self.is_always = true;
        self
    }

    const fn diagnostic(mut self) -> Self {
        self.is_diagnostic = true;
        self
    }

    const fn counter(mut self) -> Self {
        (self.state_class, self.unit) = ("total_increasing", None);
        self
    }
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
const fn count(value: u64) -> f64 {
    value as f64
}

fn celsius(value: Option<Temperature>) -> Option<f64> {
    value.map(Temperature::as_celsius)
}

/// The sensors of a miner, but for its fans, of which there are as many as it has.
pub(super) const SENSORS: &[Sensor] = &[
    sensor("hashrate_ths", "Hash rate", "TH/s", |s| s.hashrate.settled().map(HashRate::as_ths))
        .decimals(2)
        .always(),
    sensor("hashrate_expected_ths", "Expected hash rate", "TH/s", |s| {
        s.hashrate.expected.or(s.hashrate.nameplate).map(HashRate::as_ths)
    })
    .decimals(2)
    .diagnostic(),
    sensor("power_w", "Power", "W", |s| s.power.map(Power::as_watts)).class("power").always(),
    sensor("power_limit_w", "Power limit", "W", |s| s.power_limit.map(Power::as_watts))
        .class("power")
        .diagnostic(),
    sensor("efficiency_j_per_th", "Efficiency", "J/TH", |s| {
        s.efficiency.map(bitlink_model::Efficiency::as_joules_per_terahash)
    })
    .decimals(1),
    Sensor {
        state_class: "total_increasing",
        ..sensor("energy_kwh", "Energy", "kWh", |s| s.energy.map(|energy| energy.as_joules() / 3.6e6))
            .class("energy")
            .decimals(1)
    },
    sensor("temperature_chip_celsius", "Chip temperature", "°C", |s| celsius(s.temperatures.chip_max))
        .class("temperature"),
    sensor("temperature_board_celsius", "Board temperature", "°C", |s| celsius(s.temperatures.board_max))
        .class("temperature"),
    sensor("temperature_inlet_celsius", "Inlet temperature", "°C", |s| celsius(s.temperatures.inlet))
        .class("temperature"),
    sensor("temperature_outlet_celsius", "Outlet temperature", "°C", |s| celsius(s.temperatures.outlet))
        .class("temperature"),
    sensor("temperature_ambient_celsius", "Ambient temperature", "°C", |s| celsius(s.temperatures.ambient))
        .class("temperature"),
    sensor("uptime_s", "Uptime", "s", |s| s.uptime.or(s.elapsed).map(Span::as_seconds).map(count))
        .class("duration")
        .diagnostic(),
    sensor("shares_accepted", "Accepted shares", "", |s| s.shares.accepted.map(count)).counter().diagnostic(),
    sensor("shares_rejected", "Rejected shares", "", |s| s.shares.rejected.map(count)).counter().diagnostic(),
    sensor("hardware_errors", "Hardware errors", "", |s| s.shares.hardware_errors.map(count))
        .counter()
        .diagnostic(),
];

/// More fans are not told.
const MOST_FANS: u32 = 16;
/// More findings are not told.
const MOST_FINDINGS: usize = 8;
/// Longer texts are cut.
const LONGEST: usize = 100;

/// Which sensors a miner has shown to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Shown {
    sensors: u32,
    fans: u32,
}

impl Shown {
    /// With what a reading shows.
    pub(super) fn with(mut self, snapshot: &MinerSnapshot) -> Self {
        for (n, sensor) in SENSORS.iter().enumerate() {
            if (sensor.read)(snapshot).is_some() {
                self.sensors |= 1 << n;
            }
        }
        let fans = fans(snapshot).map(|(index, _)| index + 1).max().unwrap_or(0);
        self.fans = self.fans.max(fans);
        self
    }

    pub(super) fn sensors(self) -> impl Iterator<Item = &'static Sensor> {
        let is_shown = move |n: usize| self.sensors & (1 << n) != 0;
        let shown = move |(n, sensor): &(usize, &Sensor)| sensor.is_always || is_shown(*n);
        SENSORS.iter().enumerate().filter(shown).map(|(_, sensor)| sensor)
    }

    pub(super) fn fans(self) -> std::ops::Range<u32> {
        0..self.fans
    }
}

/// The fans of the machine itself, with their speeds.
fn fans(snapshot: &MinerSnapshot) -> impl Iterator<Item = (u32, FanSpeed)> {
    let own =
        snapshot.fans.iter().filter(|fan| fan.location != Some(FanLocation::Psu) && fan.index < MOST_FANS);
    own.filter_map(|fan| Some((fan.index, fan.speed?)))
}

pub(super) fn fan_key(index: u32) -> String {
    format!("fan_{index}_rpm")
}

/// A text of somebody else's: in one line, without what turns its neighbours around, and not too long.
pub(super) fn plain(text: &str) -> String {
    let mark = |c: char| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c };
    text.trim().chars().take(LONGEST).map(mark).collect()
}

/// As it is written in a URL.
pub(super) fn url_host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Not finer than a thousandth.
fn rounded(value: f64) -> Value {
    json!((value * 1e3).round() / 1e3)
}

fn moment(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.as_unix_millis()).ok().map(|at| at.to_string())
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        _ => "info",
    }
}

/// Whether something is wrong; not known before it was judged.
const fn problem(status: MinerStatus) -> Option<bool> {
    match status {
        MinerStatus::Warning | MinerStatus::Dead => Some(true),
        MinerStatus::Active | MinerStatus::Paused => Some(false),
        _ => None,
    }
}

/// The state of a miner. Readings are there only while they stand for now.
pub(super) fn state(id: MinerId, miner: Option<&Miner>, record: Option<&MinerRecord>, shown: Shown) -> Value {
    let mut state = Map::new();
    let live = miner.filter(|miner| miner.is_live).and_then(|miner| miner.snapshot.as_deref());
    for sensor in SENSORS {
        state.insert(sensor.key.to_owned(), live.and_then(sensor.read).map_or(Value::Null, rounded));
    }
    for index in shown.fans() {
        let speed = live.and_then(|s| fans(s).find(|(fan, _)| *fan == index));
        state.insert(fan_key(index), speed.map_or(Value::Null, |(_, speed)| rounded(speed.as_rpm())));
    }
    let findings = miner.map(|miner| miner.findings.as_slice()).unwrap_or_default();
    let findings: Vec<Value> = findings
        .iter()
        .take(MOST_FINDINGS)
        .map(|found| {
            let severity = severity(found.severity);
            json!({ "rule": found.rule.as_str(), "severity": severity, "message": plain(&found.message) })
        })
        .collect();
    let last_seen = miner.and_then(|miner| miner.last_updated).or(record.map(|record| record.last_seen));
    let ip = miner.map(|miner| miner.ip).or(record.and_then(|record| Some(record.last_endpoint()?.ip())));
    let position = record.map(|record| &record.position).filter(|position| !position.is_unknown());
    let own = json!({
        "id": id.to_string(),
        "status": miner.map(|miner| miner.status.to_string()),
        "problem": miner.and_then(|miner| problem(miner.status)),
        "findings": findings,
        "last_seen": last_seen.and_then(moment),
        "ip": ip.map(|ip| ip.to_string()),
        "position": position.map(|position| plain(&position.to_string())),
    });
    if let Value::Object(own) = own {
        state.extend(own);
    }
    Value::Object(state)
}

/// The sums of the fleet: over live miners, with how many of them tell what is summed up.
pub(super) fn fleet(miners: &[Arc<Miner>]) -> Value {
    let mut statuses = [
        MinerStatus::Active,
        MinerStatus::Paused,
        MinerStatus::Warning,
        MinerStatus::Dead,
        MinerStatus::Scanning,
    ]
    .map(|status| (status, 0_u32));
    let (mut all, mut live) = (0_u32, 0_u32);
    let [mut rate, mut expected, mut power] = [Sum::default(); 3];
    // Of those that tell both, so that one is of the other.
    let [mut works, mut draws] = [Sum::default(); 2];
    for miner in miners {
        all += 1;
        for (status, number) in &mut statuses {
            *number += u32::from(*status == miner.status);
        }
        let Some(snapshot) = miner.snapshot.as_deref().filter(|_| miner.is_live) else { continue };
        live += 1;
        let told = snapshot.hashrate.settled().map(HashRate::as_ths);
        let taken = snapshot.power.map(Power::as_watts);
        rate.add(told);
        expected.add(snapshot.hashrate.expected.or(snapshot.hashrate.nameplate).map(HashRate::as_ths));
        power.add(taken);
        if told.is_some() && taken.is_some() {
            works.add(told);
            draws.add(taken);
        }
    }
    let efficiency = works.told().zip(draws.told()).filter(|(works, _)| *works > 0.0);
    let mut state = Map::new();
    let numbers = [
        ("hashrate_ths", rate.told()),
        ("hashrate_expected_ths", expected.told()),
        ("power_w", power.told()),
        ("efficiency_j_per_th", efficiency.map(|(works, draws)| draws / works)),
    ];
    for (key, value) in numbers {
        state.insert(key.to_owned(), value.map_or(Value::Null, rounded));
    }
    let counts = [
        ("miners", all),
        ("miners_live", live),
        ("miners_with_hashrate", rate.of),
        ("miners_with_power", power.of),
    ];
    for (key, number) in counts {
        state.insert(key.to_owned(), json!(number));
    }
    for (status, number) in statuses {
        state.insert(format!("miners_{status}"), json!(number));
    }
    Value::Object(state)
}

/// A sum of what is told; nothing told is no sum.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    of: u32,
}

impl Sum {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.of += 1;
        }
    }

    fn told(self) -> Option<f64> {
        (self.of > 0).then_some(self.sum)
    }
}
