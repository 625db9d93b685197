//! The catalogue of numeric readings: each with a stable name, unit and scale, and the one place that walks a snapshot to them.
//!
//! A value is kept as a whole number of the smallest step that its kind knows ([`MetricInfo::decimals`]); what a miner did not say
//! has no value, which is not the same as 0.

mod walk;

pub use walk::walk;

use std::fmt;
use std::str::FromStr;

/// Of what a metric is a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MetricPlace {
    /// Of the machine as a whole: `power`.
    Miner,
    /// Of one hash board: `board.0.hashrate`.
    Board,
    /// Of one sensor of a hash board: `board.0.chip_sensor.3`.
    BoardSensor,
    /// Of one fan: `fan.2.speed`.
    Fan,
    /// Of one pool: `pool.0.accepted`.
    Pool,
    /// Of one power supply: `psu.0.temperature`.
    Psu,
    /// Of a group of machines, as a site or the fleet: `miners_active`.
    Group,
}

impl MetricPlace {
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Miner | Self::Group => None,
            Self::Board | Self::BoardSensor => Some("board"),
            Self::Fan => Some("fan"),
            Self::Pool => Some("pool"),
            Self::Psu => Some("psu"),
        }
    }
}

/// How values of a metric behave over time, which says what becomes of many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MetricNature {
    /// Goes up and down: has a least, a mean, a greatest and a last value.
    Gauge,
    /// Only grows, but for restarts: has a last value.
    Counter,
    /// One of few states, 0 being "no": has a least, a greatest and a last value.
    State,
}

/// How values of several machines become one of their group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MetricJoin {
    /// There is no such value.
    None,
    /// The sum of those that say something.
    Sum,
    /// The greatest.
    Max,
}

/// What is to be known of a kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricInfo {
    /// Its number in what is kept. Never given to another kind.
    pub code: u16,
    /// Its name within its place.
    pub name: &'static str,
    /// Of what it is a reading.
    pub place: MetricPlace,
    /// The unit of its values; empty where it is a number of things or a share.
    pub unit: &'static str,
    /// Decimals that are kept, less than none where not every unit is: -6 of a hash rate is a step of 1 MH/s.
    pub decimals: i8,
    /// How its values behave.
    pub nature: MetricNature,
    /// How values of several machines become one.
    pub join: MetricJoin,
    /// In words.
    pub about: &'static str,
}

/// One series of readings of a machine: a kind, and which board, fan, pool or power supply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric {
    kind: u16,
    index: u16,
}

/// Most sensors of one board that are kept apart.
const SENSORS: u16 = 32;
/// Most boards, fans, pools and power supplies that are kept apart.
const PARTS: u16 = 256;

macro_rules! metrics {
    ($( $constant:ident = $code:literal $place:ident $name:literal [$unit:literal $decimals:literal] $nature:ident $join:ident $about:literal; )+) => {
        /// Every kind, in order of its number.
        const KINDS: &[MetricInfo] = &[ $( MetricInfo {
            code: $code, name: $name, place: MetricPlace::$place, unit: $unit, decimals: $decimals,
            nature: MetricNature::$nature, join: MetricJoin::$join, about: $about,
        }, )+ ];

        impl Metric {
            $( #[doc = concat!($about, ".")]
            pub const $constant: Self = Self { kind: $code, index: 0 }; )+
        }
    };
}

metrics! {
    HASHRATE = 1 Miner "hashrate" ["H/s" -6] Gauge Sum "Hash rate now, over the shortest window that the firmware has";
    HASHRATE_1M = 2 Miner "hashrate_1m" ["H/s" -6] Gauge None "Hash rate of the last minute";
    HASHRATE_5M = 3 Miner "hashrate_5m" ["H/s" -6] Gauge None "Hash rate of the last five minutes";
    HASHRATE_15M = 4 Miner "hashrate_15m" ["H/s" -6] Gauge None "Hash rate of the last fifteen minutes";
    HASHRATE_30M = 5 Miner "hashrate_30m" ["H/s" -6] Gauge None "Hash rate of the last half hour";
    HASHRATE_1H = 6 Miner "hashrate_1h" ["H/s" -6] Gauge None "Hash rate of the last hour";
    HASHRATE_24H = 7 Miner "hashrate_24h" ["H/s" -6] Gauge None "Hash rate of the last day";
    HASHRATE_AVERAGE = 8 Miner "hashrate_average" ["H/s" -6] Gauge Sum "Hash rate since the mining program started";
    HASHRATE_EXPECTED = 9 Miner "hashrate_expected" ["H/s" -6] Gauge Sum "Hash rate that it should reach as it is set";
    HASHRATE_NAMEPLATE = 10 Miner "hashrate_nameplate" ["H/s" -6] Gauge Sum "Hash rate that it was sold with";
    POWER = 11 Miner "power" ["W" 2] Gauge Sum "Power drawn";
    POWER_LIMIT = 12 Miner "power_limit" ["W" 2] Gauge Sum "Power that the firmware holds it to";
    EFFICIENCY = 13 Miner "efficiency" ["J/TH" 2] Gauge None "Energy per work";
    ENERGY = 14 Miner "energy" ["J" 0] Counter None "Energy drawn in all";
    TEMP_AMBIENT = 15 Miner "temp_ambient" ["°C" 2] Gauge Max "Temperature of the room";
    TEMP_INLET = 16 Miner "temp_inlet" ["°C" 2] Gauge Max "Temperature of what goes in";
    TEMP_OUTLET = 17 Miner "temp_outlet" ["°C" 2] Gauge Max "Temperature of what comes out";
    TEMP_CHIP_MAX = 18 Miner "temp_chip_max" ["°C" 2] Gauge Max "Hottest chip";
    TEMP_CHIP_AVERAGE = 19 Miner "temp_chip_average" ["°C" 2] Gauge None "Mean over the chips";
    TEMP_CHIP_MIN = 20 Miner "temp_chip_min" ["°C" 2] Gauge None "Coolest chip";
    TEMP_BOARD_MAX = 21 Miner "temp_board_max" ["°C" 2] Gauge Max "Hottest board sensor";
    TEMP_TARGET = 22 Miner "temp_target" ["°C" 2] Gauge None "Temperature that the fans are steered towards";
    TEMP_HOT_LIMIT = 23 Miner "temp_hot_limit" ["°C" 2] Gauge None "Temperature at which it cools with all it has";
    TEMP_DANGEROUS_LIMIT = 24 Miner "temp_dangerous_limit" ["°C" 2] Gauge None "Temperature at which it stops";
    BOARDS_EXPECTED = 25 Miner "boards_expected" ["" 0] State None "Hash boards that it should have";
    CHIPS_EXPECTED = 26 Miner "chips_expected" ["" 0] State None "Chips that it should have";
    ACCEPTED = 27 Miner "accepted" ["" 0] Counter None "Shares accepted";
    REJECTED = 28 Miner "rejected" ["" 0] Counter None "Shares rejected";
    STALE = 29 Miner "stale" ["" 0] Counter None "Shares that came too late";
    DISCARDED = 30 Miner "discarded" ["" 0] Counter None "Work thrown away";
    GET_FAILURES = 31 Miner "get_failures" ["" 0] Counter None "Times that no work could be had";
    REMOTE_FAILURES = 32 Miner "remote_failures" ["" 0] Counter None "Times that a share could not be sent";
    GETWORKS = 33 Miner "getworks" ["" 0] Counter None "Work asked for";
    HARDWARE_ERRORS = 34 Miner "hardware_errors" ["" 0] Counter None "Nonces that were wrong";
    HARDWARE_ERROR_RATIO = 35 Miner "hardware_error_ratio" ["" 6] Gauge None "Wrong nonces as a share of all";
    REJECTED_RATIO = 36 Miner "rejected_ratio" ["" 6] Gauge None "Rejected work as a share of all";
    STALE_RATIO = 37 Miner "stale_ratio" ["" 6] Gauge None "Stale work as a share of all";
    DIFFICULTY_ACCEPTED = 38 Miner "difficulty_accepted" ["" 0] Counter None "Accepted work in difficulty-1 shares";
    DIFFICULTY_REJECTED = 39 Miner "difficulty_rejected" ["" 0] Counter None "Rejected work in difficulty-1 shares";
    DIFFICULTY_STALE = 40 Miner "difficulty_stale" ["" 0] Counter None "Stale work in difficulty-1 shares";
    UTILITY = 41 Miner "utility" ["/min" 2] Gauge None "Accepted shares per minute";
    WORK_UTILITY = 42 Miner "work_utility" ["/min" 2] Gauge None "Difficulty-1 shares per minute";
    BEST_SHARE = 43 Miner "best_share" ["" 0] Counter None "Best share found";
    FOUND_BLOCKS = 44 Miner "found_blocks" ["" 0] Counter None "Blocks found";
    TOTAL_HASHES = 45 Miner "total_hashes" ["H" -9] Counter None "Hashes computed in all";
    TUNING_PROGRESS = 46 Miner "tuning_progress" ["" 3] Gauge None "How far tuning has come";
    FREQUENCY = 47 Miner "frequency" ["Hz" -3] Gauge None "Mean chip frequency";
    FREQUENCY_TARGET = 48 Miner "frequency_target" ["Hz" -3] Gauge None "Chip frequency it is driven towards";
    VOLTAGE = 49 Miner "voltage" ["V" 3] Gauge None "Supply voltage of the boards";
    TEMP_TUNING_TARGET = 50 Miner "temp_tuning_target" ["°C" 2] Gauge None "Chip temperature that tuning steers towards";
    UPTIME = 51 Miner "uptime" ["s" 0] Counter None "Since the operating system started";
    ELAPSED = 52 Miner "elapsed" ["s" 0] Counter None "Since the mining program started";
    ROUND_TRIP = 53 Miner "round_trip" ["s" 3] Gauge Max "How long the reading took";
    LIGHT = 54 Miner "light" ["" 0] State None "Whether the locator light is on";
    FAULTS = 55 Miner "faults" ["" 0] Gauge Sum "Faults that the firmware reports";
    CLOCK_OFFSET = 56 Miner "clock_offset" ["s" 0] Gauge None "By how much its clock is ahead";

    BOARD_HASHRATE = 64 Board "hashrate" ["H/s" -6] Gauge None "Hash rate of a board now";
    BOARD_HASHRATE_AVERAGE = 65 Board "hashrate_average" ["H/s" -6] Gauge None "Hash rate of a board since the start";
    BOARD_HASHRATE_EXPECTED = 66 Board "hashrate_expected" ["H/s" -6] Gauge None "Hash rate that a board should reach";
    BOARD_TEMPERATURE = 67 Board "board_temperature" ["°C" 2] Gauge None "Hottest sensor on the circuit board";
    BOARD_CHIP_TEMPERATURE = 68 Board "chip_temperature" ["°C" 2] Gauge None "Hottest chip of a board";
    BOARD_CHIP_TEMPERATURE_MIN = 69 Board "chip_temperature_min" ["°C" 2] Gauge None "Coolest chip of a board";
    BOARD_CHIP_TEMPERATURE_AVERAGE = 70 Board "chip_temperature_average" ["°C" 2] Gauge None "Mean over the chips of a board";
    BOARD_CHIPS = 71 Board "chips" ["" 0] State None "Chips that answer";
    BOARD_CHIPS_EXPECTED = 72 Board "chips_expected" ["" 0] State None "Chips that should be there";
    BOARD_CHIPS_BAD = 73 Board "chips_bad" ["" 0] State None "Chips reported bad";
    BOARD_FREQUENCY = 74 Board "frequency" ["Hz" -3] Gauge None "Chip frequency of a board";
    BOARD_VOLTAGE = 75 Board "voltage" ["V" 3] Gauge None "Voltage of a board";
    BOARD_POWER = 76 Board "power" ["W" 2] Gauge None "Power of a board";
    BOARD_HARDWARE_ERRORS = 77 Board "hardware_errors" ["" 0] Counter None "Wrong nonces of a board";
    BOARD_PRESENT = 78 Board "present" ["" 0] State None "Whether a board is found";
    BOARD_ACTIVE = 79 Board "active" ["" 0] State None "Whether a board is hashing";
    BOARD_SENSOR = 80 BoardSensor "board_sensor" ["°C" 2] Gauge None "One sensor on the circuit board";
    BOARD_CHIP_SENSOR = 81 BoardSensor "chip_sensor" ["°C" 2] Gauge None "One chip sensor";

    FAN_SPEED = 96 Fan "speed" ["rpm" 0] Gauge None "Speed of a fan";
    FAN_DUTY = 97 Fan "duty" ["" 3] Gauge None "How hard a fan is driven";

    POOL_ACCEPTED = 112 Pool "accepted" ["" 0] Counter None "Shares accepted by a pool";
    POOL_REJECTED = 113 Pool "rejected" ["" 0] Counter None "Shares rejected by a pool";
    POOL_STALE = 114 Pool "stale" ["" 0] Counter None "Shares that came too late for a pool";
    POOL_DISCARDED = 115 Pool "discarded" ["" 0] Counter None "Work of a pool thrown away";
    POOL_GET_FAILURES = 116 Pool "get_failures" ["" 0] Counter None "Times that a pool gave no work";
    POOL_REMOTE_FAILURES = 117 Pool "remote_failures" ["" 0] Counter None "Times that a share could not be sent to a pool";
    POOL_DIFFICULTY_ACCEPTED = 118 Pool "difficulty_accepted" ["" 0] Counter None "Work accepted by a pool in difficulty-1 shares";
    POOL_DIFFICULTY_REJECTED = 119 Pool "difficulty_rejected" ["" 0] Counter None "Work rejected by a pool in difficulty-1 shares";
    POOL_DIFFICULTY_STALE = 120 Pool "difficulty_stale" ["" 0] Counter None "Work too late for a pool in difficulty-1 shares";
    POOL_DIFFICULTY = 121 Pool "difficulty" ["" 3] Gauge None "Difficulty that a pool asks for";
    POOL_LAST_SHARE_DIFFICULTY = 122 Pool "last_share_difficulty" ["" 3] Gauge None "Difficulty of the last share accepted by a pool";
    POOL_LAST_SHARE_AGE = 123 Pool "last_share_age" ["s" 0] Gauge None "Since the last share accepted by a pool, by the miner's clock";
    POOL_BEST_SHARE = 124 Pool "best_share" ["" 0] Counter None "Best share found for a pool";
    POOL_ALIVE = 125 Pool "alive" ["" 0] State None "Whether a pool answers";
    POOL_CONNECTED = 126 Pool "connected" ["" 0] State None "Whether a session with a pool is up";
    POOL_ACTIVE = 127 Pool "active" ["" 0] State None "Whether a pool is mined on";
    POOL_PRIORITY = 128 Pool "priority" ["" 0] State None "Place of a pool in their order; 0 is tried first";

    PSU_INPUT_VOLTAGE = 144 Psu "input_voltage" ["V" 3] Gauge None "Voltage going into a power supply";
    PSU_INPUT_CURRENT = 145 Psu "input_current" ["A" 3] Gauge None "Current going into a power supply";
    PSU_INPUT_POWER = 146 Psu "input_power" ["W" 2] Gauge None "Power going into a power supply";
    PSU_OUTPUT_VOLTAGE = 147 Psu "output_voltage" ["V" 3] Gauge None "Voltage coming out of a power supply";
    PSU_OUTPUT_CURRENT = 148 Psu "output_current" ["A" 3] Gauge None "Current coming out of a power supply";
    PSU_OUTPUT_POWER = 149 Psu "output_power" ["W" 2] Gauge None "Power coming out of a power supply";
    PSU_EFFICIENCY = 150 Psu "efficiency" ["" 3] Gauge None "Power coming out of a power supply as a share of what goes in";
    PSU_TEMPERATURE = 151 Psu "temperature" ["°C" 2] Gauge None "Hottest sensor of a power supply";
    PSU_FAN_SPEED = 152 Psu "fan_speed" ["rpm" 0] Gauge None "Speed of the fan of a power supply";

    MINERS = 192 Group "miners" ["" 0] Gauge None "Miners watched";
    MINERS_LIVE = 193 Group "miners_live" ["" 0] Gauge None "Miners whose last reading is live";
    MINERS_ACTIVE = 194 Group "miners_active" ["" 0] Gauge None "Miners of status active";
    MINERS_PAUSED = 195 Group "miners_paused" ["" 0] Gauge None "Miners of status paused";
    MINERS_WARNING = 196 Group "miners_warning" ["" 0] Gauge None "Miners of status warning";
    MINERS_DEAD = 197 Group "miners_dead" ["" 0] Gauge None "Miners of status dead";
}

const FIRST: &MetricInfo = match KINDS {
    [first, ..] => first,
    [] => panic!("there are no metrics"),
};

impl Metric {
    /// The same metric of another board, fan, pool or power supply; `None` beyond what is kept apart, and for readings of the
    /// machine as a whole.
    pub fn of(self, part: u32) -> Option<Self> {
        let index = u16::try_from(part).ok().filter(|part| *part < PARTS)?;
        match self.info().place {
            MetricPlace::Board | MetricPlace::Fan | MetricPlace::Pool | MetricPlace::Psu => {
                Some(Self { index, ..self })
            }
            _ => None,
        }
    }

    /// The same metric of one sensor of a board.
    pub fn of_sensor(self, board: u32, sensor: usize) -> Option<Self> {
        let board = u16::try_from(board).ok().filter(|board| *board < PARTS)?;
        let sensor = u16::try_from(sensor).ok().filter(|sensor| *sensor < SENSORS)?;
        (self.info().place == MetricPlace::BoardSensor)
            .then_some(Self { index: board * SENSORS + sensor, ..self })
    }

    /// Which board, fan, pool or power supply it is of.
    pub fn part(self) -> Option<u32> {
        match self.info().place {
            MetricPlace::Miner | MetricPlace::Group => None,
            MetricPlace::BoardSensor => Some(u32::from(self.index / SENSORS)),
            _ => Some(u32::from(self.index)),
        }
    }

    /// What is to be known of its kind.
    pub fn info(self) -> &'static MetricInfo {
        let found = KINDS.binary_search_by_key(&self.kind, |info| info.code);
        // Nobody makes one of another kind.
        found.ok().and_then(|found| KINDS.get(found)).unwrap_or(FIRST)
    }

    /// Its number in what is kept.
    pub const fn code(self) -> u32 {
        (self.kind as u32) << 16 | self.index as u32
    }

    /// The metric of a number; `None` where this version knows none.
    pub fn from_code(code: u32) -> Option<Self> {
        let metric =
            Self { kind: u16::try_from(code >> 16).ok()?, index: u16::try_from(code & 0xffff).ok()? };
        let info = KINDS.get(KINDS.binary_search_by_key(&metric.kind, |info| info.code).ok()?)?;
        let most = match info.place {
            MetricPlace::Miner | MetricPlace::Group => 1,
            MetricPlace::BoardSensor => PARTS * SENSORS,
            _ => PARTS,
        };
        (metric.index < most).then_some(metric)
    }

    /// A number in the metric's unit as it is kept; `None` for what is no number or far beyond any reading.
    pub fn keep(self, value: f64) -> Option<i64> {
        // Beyond this not every whole number is one.
        const MOST: f64 = 9_007_199_254_740_992.0;
        let kept = (value * 10_f64.powi(i32::from(self.info().decimals))).round();
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        (kept.abs() <= MOST).then_some(kept as i64)
    }

    /// What is kept, as a number in the metric's unit.
    pub fn value(self, kept: i64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "what is kept is within what is exact")]
        let kept = kept as f64;
        let decimals = i32::from(self.info().decimals);
        // One correctly rounded operation, so that printed decimals survive.
        if decimals >= 0 { kept / 10_f64.powi(decimals) } else { kept * 10_f64.powi(-decimals) }
    }

    /// Every kind of metric there is; of boards, fans, pools and power supplies the first.
    pub fn kinds() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|info| Self { kind: info.code, index: 0 })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.info();
        let text = match (info.place.word(), info.place) {
            (None, _) => return f.pad(info.name),
            (Some(word), MetricPlace::BoardSensor) => {
                format!("{word}.{}.{}.{}", self.index / SENSORS, info.name, self.index % SENSORS)
            }
            (Some(word), _) => format!("{word}.{}.{}", self.index, info.name),
        };
        f.pad(&text)
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no metric {name:?}")]
pub struct UnknownMetric {
    /// The text.
    pub name: String,
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        let unknown = || UnknownMetric { name: text.to_owned() };
        let parts: Vec<&str> = text.trim().split('.').collect();
        let find = |word: Option<&str>, name: &str, is_sensor: bool| {
            Self::kinds().find(|metric| {
                let MetricInfo { place, name: own, .. } = metric.info();
                place.word() == word && *own == name && (*place == MetricPlace::BoardSensor) == is_sensor
            })
        };
        // A sign would be a number too.
        let number = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten()
        };
        let found = match *parts.as_slice() {
            [name] => find(None, name, false),
            [word, part, name] => find(Some(word), name, false).zip(number(part)).and_then(|(m, n)| m.of(n)),
            [word, part, name, sensor] => find(Some(word), name, true)
                .zip(number(part).zip(number(sensor)))
                .and_then(|(m, (board, sensor))| m.of_sensor(board, usize::try_from(sensor).ok()?)),
            _ => None,
        };
        found.ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests;
