//! Metrics of each device. What was said when it was last heard is told only while it stands for now; of a device that is
//! silent there is `asic_up 0`, and no reading that would look live.

use super::Sites;
use super::text::{Family, Format, Kind, Labels, Page};
use bitlink_model::{
    Board, Difficulty, FanLocation, Miner, MinerId, MinerSnapshot, MinerStatus, Pool, PoolStatus, Psu,
    Temperature,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt::Arguments;
use std::sync::Arc;

/// How much is told of each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// The device as a whole, its fans and pools: some 30 samples each.
    Device,
    /// Its hash boards and power supplies as well: some 60 samples each.
    #[default]
    Board,
}

/// Which part of the fleet: a device is in the same shard for as long as there are so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
    /// More shards than a fleet has use for.
    pub const MOST: u64 = 1_000;

    /// One of so many, counted from 0. `None` where there is no such shard.
    pub fn new(number: u64, of: u64) -> Option<Self> {
        ((1..=Self::MOST).contains(&of) && number < of).then_some(Self { number, of })
    }

    /// As it is written: `0/4`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, of) = text.split_once('/')?;
        Self::new(number.parse().ok()?, of.parse().ok()?)
    }

    fn has(self, miner: &Miner) -> bool {
        miner.id.as_u64() % self.of == self.number
    }
}

/// Takes one value, with labels of its own.
type Give<'a> = &'a mut dyn FnMut(Arguments<'_>, f64);

/// One metric of every device.
struct Metric {
    family: Family,
    level: Level,
    read: Read,
}

enum Read {
    /// Of the device as it is known here, whether it is heard or not.
    Always(fn(&Miner, Give<'_>)),
    /// One number of a reading.
    One(fn(&MinerSnapshot) -> Option<f64>),
    /// Several, told apart by labels.
    Many(fn(&MinerSnapshot, Give<'_>)),
    /// The texts, which are in labels.
    Info,
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str, read: Read) -> Metric {
    Metric { family: Family::gauge(name, unit, help), level: Level::Device, read }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str, read: Read) -> Metric {
    Metric { family: Family::counter(name, unit, help), level: Level::Device, read }
}

const fn of_board(mut metric: Metric) -> Metric {
    metric.level = Level::Board;
    metric
}

/// Gives a value where there is one.
macro_rules! give {
    ($give:expr, $value:expr, $($label:tt)*) => {
        if let Some(value) = $value {
            $give(format_args!($($label)*), value);
        }
    };
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
const fn count(value: u64) -> f64 {
    value as f64
}

const STATUSES: [MinerStatus; 5] = [
    MinerStatus::Active,
    MinerStatus::Paused,
    MinerStatus::Warning,
    MinerStatus::Dead,
    MinerStatus::Scanning,
];

const METRICS: &[Metric] = &[
    gauge(
        "asic_up",
        "",
        "Whether the last reading stands for now.",
        Read::Always(|miner, give| {
            give(format_args!(""), f64::from(u8::from(miner.is_live)));
        }),
    ),
    Metric {
        family: Family {
            name: "asic_info",
            kind: Kind::Info,
            unit: "",
            help: "What the device says of itself.",
        },
        level: Level::Device,
        read: Read::Info,
    },
    gauge(
        "asic_status",
        "",
        "How the device is judged: one of the statuses is 1.",
        Read::Always(|miner, give| {
            for status in STATUSES {
                give(format_args!("status=\"{status}\""), f64::from(u8::from(miner.status == status)));
            }
        }),
    ),
    gauge(
        "asic_warning",
        "",
        "A health rule that has found something. A rule that has not is absent.",
        Read::Always(|miner, give| {
            // Several findings of one rule, one for each fan say, are one warning.
            for (n, finding) in miner.findings.iter().enumerate() {
                if !miner.findings.iter().take(n).any(|before| before.rule == finding.rule) {
                    give(format_args!("rule=\"{}\"", finding.rule), 1.0);
                }
            }
        }),
    ),
    gauge(
        "asic_last_success_timestamp_seconds",
        "seconds",
        "When the device was last read.",
        Read::Always(|miner, give| {
            give!(give, miner.last_updated.map(seconds), "");
        }),
    ),
    gauge(
        "asic_hashrate_hashes_per_second",
        "hashes_per_second",
        "Hash rate over about five minutes, or the window nearest to that which the firmware has.",
        Read::One(|s| s.hashrate.settled().map(bitlink_model::HashRate::as_hs)),
    ),
    gauge(
        "asic_hashrate_realtime_hashes_per_second",
        "hashes_per_second",
        "Hash rate over the shortest window that the firmware has.",
        Read::One(|s| s.hashrate.realtime.map(bitlink_model::HashRate::as_hs)),
    ),
    gauge(
        "asic_hashrate_average_hashes_per_second",
        "hashes_per_second",
        "Mean hash rate since the mining program started.",
        Read::One(|s| s.hashrate.average.map(bitlink_model::HashRate::as_hs)),
    ),
    gauge(
        "asic_hashrate_expected_hashes_per_second",
        "hashes_per_second",
        "Hash rate that the device should reach as it is set.",
        Read::One(|s| s.hashrate.expected.map(bitlink_model::HashRate::as_hs)),
    ),
    gauge(
        "asic_hashrate_nameplate_hashes_per_second",
        "hashes_per_second",
        "Hash rate that the device was sold with.",
        Read::One(|s| s.hashrate.nameplate.map(bitlink_model::HashRate::as_hs)),
    ),
    counter(
        "asic_hashes_total",
        "",
        "Hashes computed since the mining program started.",
        Read::One(|s| s.shares.total_hashes),
    ),
    gauge(
        "asic_power_watts",
        "watts",
        "Power drawn, or the nearest that the firmware tells.",
        Read::One(|s| s.power.map(bitlink_model::Power::as_watts)),
    ),
    gauge(
        "asic_power_limit_watts",
        "watts",
        "Limit or target of the power.",
        Read::One(|s| s.power_limit.map(bitlink_model::Power::as_watts)),
    ),
    counter(
        "asic_energy_joules_total",
        "joules",
        "Energy drawn in all.",
        Read::One(|s| s.energy.map(bitlink_model::Energy::as_joules)),
    ),
    gauge(
        "asic_temperature_celsius",
        "celsius",
        "Temperatures of the device as a whole.",
        Read::Many(|s, give| {
            let t = &s.temperatures;
            let celsius = |value: Option<Temperature>| value.map(bitlink_model::Temperature::as_celsius);
            give!(give, celsius(t.ambient), "sensor=\"ambient\"");
            give!(give, celsius(t.inlet), "sensor=\"inlet\"");
            give!(give, celsius(t.outlet), "sensor=\"outlet\"");
            give!(give, celsius(t.board_max), "sensor=\"board_max\"");
            give!(give, celsius(t.chip_max), "sensor=\"chip_max\"");
        }),
    ),
    gauge(
        "asic_fan_speed_rpm",
        "rpm",
        "Speed of each fan, in revolutions per minute.",
        Read::Many(|s, give| {
            for fan in s.fans.iter().filter(|fan| fan.location != Some(FanLocation::Psu)) {
                give!(give, fan.speed.map(bitlink_model::FanSpeed::as_rpm), "fan=\"{}\"", fan.index);
            }
        }),
    ),
    gauge(
        "asic_fan_duty_ratio",
        "ratio",
        "How hard each fan is driven.",
        Read::Many(|s, give| {
            for fan in s.fans.iter().filter(|fan| fan.location != Some(FanLocation::Psu)) {
                give!(give, fan.duty.map(bitlink_model::Ratio::as_fraction), "fan=\"{}\"", fan.index);
            }
        }),
    ),
    gauge(
        "asic_uptime_seconds",
        "seconds",
        "Since the operating system started.",
        Read::One(|s| s.uptime.map(|span| span.as_duration().as_secs_f64())),
    ),
    gauge(
        "asic_elapsed_seconds",
        "seconds",
        "Since the mining program started.",
        Read::One(|s| s.elapsed.map(|span| span.as_duration().as_secs_f64())),
    ),
    counter(
        "asic_hardware_errors_total",
        "",
        "Wrong nonces since the mining program started.",
        Read::One(|s| s.shares.hardware_errors.map(count)),
    ),
    counter(
        "asic_shares_accepted_total",
        "",
        "Shares accepted since the mining program started.",
        Read::One(|s| s.shares.accepted.map(count)),
    ),
    counter(
        "asic_shares_rejected_total",
        "",
        "Shares rejected since the mining program started.",
        Read::One(|s| s.shares.rejected.map(count)),
    ),
    counter(
        "asic_shares_stale_total",
        "",
        "Shares that came too late since the mining program started.",
        Read::One(|s| s.shares.stale.map(count)),
    ),
    gauge(
        "asic_pool_up",
        "",
        "Whether the pool answers, where the firmware knows.",
        Read::Many(|s, give| {
            pools(s, give, |pool| match pool.status? {
                PoolStatus::Alive => Some(1.0),
                PoolStatus::Dead | PoolStatus::Rejecting => Some(0.0),
                _ => None,
            });
        }),
    ),
    gauge(
        "asic_pool_active",
        "",
        "Whether the pool is the one that is mined on.",
        Read::Many(|s, give| pools(s, give, |pool| Some(f64::from(u8::from(pool.active?))))),
    ),
    counter(
        "asic_pool_shares_total",
        "",
        "Shares by pool and result.",
        Read::Many(|s, give| {
            for pool in &s.pools {
                for (result, value) in
                    [("accepted", pool.accepted), ("rejected", pool.rejected), ("stale", pool.stale)]
                {
                    give!(give, value.map(count), "pool=\"{}\",result=\"{result}\"", pool.id);
                }
            }
        }),
    ),
    counter(
        "asic_pool_difficulty_total",
        "",
        "Work by pool and result, in shares of difficulty 1: times 2^32 it is hashes.",
        Read::Many(|s, give| {
            for pool in &s.pools {
                let results = [
                    ("accepted", pool.difficulty_accepted),
                    ("rejected", pool.difficulty_rejected),
                    ("stale", pool.difficulty_stale),
                ];
                for (result, value) in results {
                    give!(give, value.map(Difficulty::as_shares), "pool=\"{}\",result=\"{result}\"", pool.id);
                }
            }
        }),
    ),
    gauge(
        "asic_pool_last_share_timestamp_seconds",
        "seconds",
        "When the pool last accepted a share, by the clock of the device.",
        Read::Many(|s, give| pools(s, give, |pool| pool.last_share.map(seconds))),
    ),
    of_board(gauge(
        "asic_board_up",
        "",
        "Whether the hash board is found and, where that is told, hashes.",
        Read::Many(|s, give| {
            boards(s, give, |board| match (board.present, board.active) {
                (Some(false), _) | (_, Some(false)) => Some(0.0),
                (Some(true), _) | (_, Some(true)) => Some(1.0),
                (None, None) => None,
            });
        }),
    )),
    of_board(gauge(
        "asic_board_hashrate_hashes_per_second",
        "hashes_per_second",
        "Hash rate of each board.",
        Read::Many(|s, give| boards(s, give, |board| board.hashrate.map(bitlink_model::HashRate::as_hs))),
    )),
    of_board(gauge(
        "asic_board_temperature_celsius",
        "celsius",
        "The hottest sensor of each board: of the circuit board, and of the chips.",
        Read::Many(|s, give| {
            for board in &s.boards {
                give!(
                    give,
                    board.board_temperature.map(bitlink_model::Temperature::as_celsius),
                    "board=\"{}\",sensor=\"pcb\"",
                    board.slot
                );
                give!(
                    give,
                    board.chip_temperature.map(bitlink_model::Temperature::as_celsius),
                    "board=\"{}\",sensor=\"chip\"",
                    board.slot
                );
            }
        }),
    )),
    of_board(gauge(
        "asic_board_chips",
        "",
        "Chips that answer on each board.",
        Read::Many(|s, give| boards(s, give, |board| board.chips.map(f64::from))),
    )),
    of_board(gauge(
        "asic_board_chips_expected",
        "",
        "Chips that each board should have.",
        Read::Many(|s, give| boards(s, give, |board| board.chips_expected.map(f64::from))),
    )),
    of_board(gauge(
        "asic_board_frequency_hertz",
        "hertz",
        "Frequency of the chips of each board.",
        Read::Many(|s, give| {
            boards(s, give, |board| board.frequency.map(bitlink_model::Frequency::as_hertz));
        }),
    )),
    of_board(gauge(
        "asic_board_voltage_volts",
        "volts",
        "Voltage of each board.",
        Read::Many(|s, give| boards(s, give, |board| board.voltage.map(bitlink_model::Voltage::as_volts))),
    )),
    of_board(counter(
        "asic_board_hardware_errors_total",
        "",
        "Wrong nonces of each board since the mining program started.",
        Read::Many(|s, give| boards(s, give, |board| board.hardware_errors.map(count))),
    )),
    of_board(gauge(
        "asic_psu_input_volts",
        "volts",
        "Voltage that goes into each power supply.",
        Read::Many(|s, give| psus(s, give, |psu| psu.input_voltage.map(bitlink_model::Voltage::as_volts))),
    )),
    of_board(gauge(
        "asic_psu_input_watts",
        "watts",
        "Power that goes into each power supply.",
        Read::Many(|s, give| psus(s, give, |psu| psu.input_power.map(bitlink_model::Power::as_watts))),
    )),
    of_board(gauge(
        "asic_psu_output_volts",
        "volts",
        "Voltage that comes out of each power supply.",
        Read::Many(|s, give| psus(s, give, |psu| psu.output_voltage.map(bitlink_model::Voltage::as_volts))),
    )),
    of_board(gauge(
        "asic_psu_output_watts",
        "watts",
        "Power that comes out of each power supply.",
        Read::Many(|s, give| psus(s, give, |psu| psu.output_power.map(bitlink_model::Power::as_watts))),
    )),
    of_board(gauge(
        "asic_psu_temperature_celsius",
        "celsius",
        "The hottest sensor of each power supply.",
        Read::Many(|s, give| {
            psus(s, give, |psu| psu.temperature.map(bitlink_model::Temperature::as_celsius));
        }),
    )),
];

#[allow(clippy::cast_precision_loss)] // milliseconds since 1970 stay below 2^53
fn seconds(at: bitlink_model::Timestamp) -> f64 {
    at.as_unix_millis() as f64 / 1e3
}

fn pools(snapshot: &MinerSnapshot, give: Give<'_>, value: fn(&Pool) -> Option<f64>) {
    for pool in &snapshot.pools {
        give!(give, value(pool), "pool=\"{}\"", pool.id);
    }
}

fn boards(snapshot: &MinerSnapshot, give: Give<'_>, value: fn(&Board) -> Option<f64>) {
    for board in &snapshot.boards {
        give!(give, value(board), "board=\"{}\"", board.slot);
    }
}

fn psus(snapshot: &MinerSnapshot, give: Give<'_>, value: fn(&Psu) -> Option<f64>) {
    for psu in &snapshot.psus {
        give!(give, value(psu), "psu=\"{}\"", psu.index);
    }
}

/// The metrics of devices.
pub fn families() -> impl Iterator<Item = &'static Family> {
    METRICS.iter().map(|metric| &metric.family)
}

/// The devices of a shard as text, metric by metric: no more than one metric of all of them is held at a time.
pub fn page(
    miners: &[Arc<Miner>],
    sites: &Sites,
    site: Option<&str>,
    shard: Shard,
    level: Level,
    format: Format,
) -> impl Iterator<Item = Bytes> + Send + use<> {
    let mut places: HashMap<MinerId, usize> = HashMap::new();
    for (n, miner) in miners.iter().enumerate() {
        // Of two accounts of one machine the one counts that stands.
        if shard.has(miner) && (miner.is_live || !places.contains_key(&miner.id)) {
            places.insert(miner.id, n);
        }
    }
    let devices: Vec<(String, Arc<Miner>)> = miners
        .iter()
        .enumerate()
        .filter(|(n, miner)| places.get(&miner.id) == Some(n))
        .map(|(_, miner)| miner)
        .filter(|miner| site.is_none_or(|site| sites.of(miner) == Some(site)))
        .map(|miner| {
            let device = miner.id.to_string();
            let labels = Labels::default().with("device", Some(&device)).with("site", sites.of(miner));
            (labels.into_string(), Arc::clone(miner))
        })
        .collect();
    let mut page = Page::new(format);
    let mut metrics =
        METRICS.iter().filter(move |metric| level == Level::Board || metric.level == Level::Device);
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let Some(metric) = metrics.next() else {
            is_over = true;
            page.end();
            return Some(Bytes::from(page.take()));
        };
        let before = page.len();
        page.family(&metric.family);
        let begun = page.len();
        for (labels, miner) in &devices {
            write(&mut page, metric, labels, miner);
        }
        if page.len() == begun {
            page.truncate(before);
        }
        Some(Bytes::from(page.take()))
    })
    .filter(|chunk| !chunk.is_empty())
}

fn write(page: &mut Page, metric: &Metric, labels: &str, miner: &Miner) {
    let name = metric.family.name;
    let reading = miner.snapshot.as_deref().filter(|_| miner.is_live);
    match (&metric.read, reading) {
        (Read::Always(read), _) => {
            read(miner, &mut |more, value| page.sample_with(name, labels, more, value));
        }
        (Read::Info, _) => info(page, name, labels, miner),
        (Read::One(read), Some(reading)) => page.sample(name, labels, read(reading).unwrap_or(f64::NAN)),
        (Read::Many(read), Some(reading)) => {
            // Two boards in one slot are what a miner says, and no two series.
            let from = page.len();
            read(reading, &mut |more, value| {
                page.sample_with(name, labels, more, value);
                page.once_since(from);
            });
        }
        (Read::One(_) | Read::Many(_), None) => {}
    }
}

/// Who it is stays known while it is silent.
fn info(page: &mut Page, name: &str, labels: &str, miner: &Miner) {
    let identity = miner.snapshot.as_deref().map(|snapshot| &snapshot.identity);
    let firmware = identity.and_then(|identity| identity.firmware.as_ref());
    let mac = identity.and_then(|identity| identity.mac).map(|mac| mac.to_string());
    let ip = miner.ip.to_string();
    let texts = Labels::default()
        .with("vendor", identity.and_then(|identity| identity.make.as_ref()).map(bitlink_model::Make::as_str))
        .with("model", identity.and_then(|identity| identity.model.as_deref()))
        .with("firmware", firmware.map(|firmware| firmware.family.as_str()))
        .with("firmware_version", firmware.and_then(|firmware| firmware.version.as_deref()))
        .with("hostname", identity.and_then(|identity| identity.hostname.as_deref()))
        .with("mac", mac.as_deref())
        .with("ip", Some(&ip))
        .into_string();
    page.sample_with(name, labels, format_args!("{texts}"), 1.0);
}
