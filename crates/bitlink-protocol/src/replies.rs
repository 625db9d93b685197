//! Typed replies of the generic commands, as the reference implementation defines them (cgminer API-README).
//!
//! Each is read from one record and keeps every field optional. Dialects start from these and add what is theirs.

use crate::decode::Document;
use crate::record::{Oddities, Record};
use bitlink_model::{
    AnomalyKind, Difficulty, Frequency, HashRate, HashRates, Pool, PoolStatus, Shares, Span, Temperature,
    Text, Timestamp,
};
use serde_json::Value;

/// Reads every record of a section.
fn all<T>(
    document: &Document,
    section: &str,
    place: &str,
    oddities: &Oddities,
    read: impl Fn(Record<'_>) -> T,
) -> Vec<T> {
    document.section(section).into_iter().map(|map| read(Record::new(map, place, oddities))).collect()
}

/// Reads the first record of a section.
fn first<T>(
    document: &Document,
    section: &str,
    place: &str,
    oddities: &Oddities,
    read: impl Fn(Record<'_>) -> T,
) -> Option<T> {
    document.section(section).first().map(|map| read(Record::new(map, place, oddities)))
}

/// Who answers: reply to `version`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Mining program and its version, by the key it stands under ("CGMiner", "BMMiner", …).
    pub software: Option<(Text, Text)>,
    /// Version of the API.
    pub api: Option<Text>,
    /// Bitmain: version of the hardware platform.
    pub miner: Option<Text>,
    /// Bitmain: when the firmware was built, which is its version in practice.
    pub compile_time: Option<Text>,
    /// Bitmain and its relatives: the model.
    pub kind: Option<Text>,
    /// What the envelope says of the software ("cgminer 4.11.1").
    pub description: Option<Text>,
}

impl Version {
    /// Keys that carry the program's version, the more telling first.
    const SOFTWARE: [&str; 9] =
        ["BOSminer+", "BOSminer", "BOSer", "LUXminer", "BDMiner", "GCMiner", "BMMiner", "Cgminer", "CGMiner"];

    /// From a reply to `version`; `None` without a `VERSION` section.
    pub fn of(document: &Document, oddities: &Oddities) -> Option<Self> {
        let description = document.status().and_then(|s| s.description);
        first(document, "VERSION", "version", oddities, |r| Self {
            software: Self::SOFTWARE.iter().find_map(|key| Some(((*key).into(), r.word(key)?))),
            api: r.word("API"),
            miner: r.word("Miner"),
            compile_time: r.word("CompileTime"),
            kind: r.text("Type").map(Text::from),
            description: description.clone().map(Text::from),
        })
    }
}

/// The machine as a whole: reply to `summary`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Since the mining program started.
    pub elapsed: Option<Span>,
    /// Hash rates.
    pub hashrate: HashRates,
    /// Shares and errors.
    pub shares: Shares,
}

impl Summary {
    /// From a reply to `summary`; `None` without a `SUMMARY` section.
    pub fn of(document: &Document, oddities: &Oddities) -> Option<Self> {
        first(document, "SUMMARY", "summary", oddities, Self::from_record)
    }

    /// From one record.
    pub fn from_record(r: Record<'_>) -> Self {
        Self { elapsed: r.seconds("Elapsed"), hashrate: hash_rates(r), shares: shares(r) }
    }
}

/// Hash rates under `MHS …`, `GHS …`, `KHS …` and `THS …`: `av`, a number of seconds, minutes or hours, `rolling`.
/// The shortest window's length is the program's log interval, 5 s on most and 20 or 30 s on some.
pub fn hash_rates(r: Record<'_>) -> HashRates {
    let mut rates = HashRates::default();
    for key in r.map().keys() {
        let Some((unit, window)) = key.split_once(' ') else { continue };
        let make: fn(f64) -> _ = match unit {
            "KHS" => HashRate::from_khs,
            "MHS" => HashRate::from_mhs,
            "GHS" => HashRate::from_ghs,
            "THS" => HashRate::from_ths,
            _ => continue,
        };
        let slot = match window {
            "av" => &mut rates.average,
            "1m" => &mut rates.one_minute,
            "5m" => &mut rates.five_minutes,
            "15m" => &mut rates.fifteen_minutes,
            "30m" => &mut rates.thirty_minutes,
            "60m" | "1h" => &mut rates.one_hour,
            "24h" => &mut rates.one_day,
            _ if is_seconds(window) => &mut rates.realtime,
            _ => continue,
        };
        *slot = r.quantity(key, make);
    }
    rates.realtime = rates.realtime.or_else(|| r.mhs("MHS rolling"));
    rates
}

/// A hash rate whose unit goes by its first letter ("G", "TH/s").
pub(crate) fn rate_by_letter(number: f64, unit: &str) -> Option<HashRate> {
    let scale = match unit.trim().chars().next()?.to_ascii_uppercase() {
        'H' => 1.0,
        'K' => 1e3,
        'M' => 1e6,
        'G' => 1e9,
        'T' => 1e12,
        'P' => 1e15,
        _ => return None,
    };
    HashRate::from_hs(number * scale).ok()
}

fn is_seconds(window: &str) -> bool {
    window.strip_suffix('s').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The counters of `summary`.
pub fn shares(r: Record<'_>) -> Shares {
    let mut s = Shares::default();
    s.accepted = r.count("Accepted");
    s.rejected = r.count("Rejected");
    s.stale = r.count("Stale");
    s.discarded = r.count("Discarded");
    s.get_failures = r.count("Get Failures");
    s.remote_failures = r.count("Remote Failures");
    s.getworks = r.count("Getworks").or_else(|| r.count("Getwork"));
    s.hardware_errors = r.count("Hardware Errors");
    s.hardware_error_ratio = r.percent("Device Hardware%");
    s.rejected_ratio = r.percent("Pool Rejected%");
    s.stale_ratio = r.percent("Pool Stale%").or_else(|| r.percent("Pool Stale%%"));
    s.difficulty_accepted = r.difficulty("Difficulty Accepted");
    s.difficulty_rejected = r.difficulty("Difficulty Rejected");
    s.difficulty_stale = r.difficulty("Difficulty Stale");
    s.utility = r.utility("Utility");
    s.work_utility = r.utility("Work Utility");
    s.best_share = r.difficulty("Best Share");
    s.found_blocks = r.count("Found Blocks");
    s.total_hashes = r.number("Total MH").map(|mh| mh * 1e6);
    s
}

/// One device, a hash board on most miners: reply to `devs`, `edevs`, `asc` or `pga`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Device {
    /// Number in the list.
    pub index: Option<u32>,
    /// Number within its driver.
    pub id: Option<u32>,
    /// Driver code ("AVA1"), may be empty.
    pub name: Option<Text>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// State in the firmware's words ("Alive").
    pub status: Option<Text>,
    /// The driver's temperature. 0 means unknown and is left out.
    pub temperature: Option<Temperature>,
    /// Hash rates.
    pub hashrate: HashRates,
    /// What it should reach, where the firmware says so.
    pub nominal: Option<HashRate>,
    /// Chip frequency.
    pub frequency: Option<Frequency>,
    /// Shares accepted.
    pub accepted: Option<u64>,
    /// Shares rejected.
    pub rejected: Option<u64>,
    /// Hardware errors.
    pub hardware_errors: Option<u64>,
    /// When it last found a share, by the miner's clock.
    pub last_share: Option<Timestamp>,
}

impl Device {
    /// From a reply to `devs`, `edevs`, `asc` or `pga`.
    pub fn all(document: &Document, oddities: &Oddities) -> Vec<Self> {
        let mut devices = Vec::new();
        for section in ["DEVS", "ASC", "PGA", "GPU"] {
            devices.extend(all(document, section, "devs", oddities, Self::from_record));
        }
        devices
    }

    /// From one record.
    pub fn from_record(r: Record<'_>) -> Self {
        let index = ["ASC", "PGA", "GPU", "DEV", "Slot"].iter().find_map(|key| r.small(key, 10_000));
        Self {
            index,
            id: r.small("ID", 10_000),
            name: r.text("Name").map(Text::from),
            enabled: r.flag("Enabled"),
            status: r.text("Status").map(Text::from),
            // A misspelling that Bitmain ships (`Tenperature`).
            temperature: r.celsius_or_zero("Temperature").or_else(|| r.celsius_or_zero("Tenperature")),
            hashrate: hash_rates(r),
            nominal: r.mhs("Nominal MHS"),
            frequency: r.megahertz("Frequency").or_else(|| r.megahertz("Chip Frequency")),
            accepted: r.count("Accepted"),
            rejected: r.count("Rejected"),
            hardware_errors: r.count("Hardware Errors"),
            last_share: r.raw("Last Share Time").and_then(unix_time),
        }
    }
}

/// What a device is: reply to `devdetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceDetails {
    /// Number in the list.
    pub index: Option<u32>,
    /// Driver code.
    pub name: Option<Text>,
    /// Driver ("bitmicro" on WhatsMiner).
    pub driver: Option<Text>,
    /// Kernel, empty on most.
    pub kernel: Option<Text>,
    /// Model, as printed.
    pub model: Option<Text>,
    /// Chips on the board, where the firmware says so.
    pub chips: Option<u32>,
}

impl DeviceDetails {
    /// From a reply to `devdetails`. Goldshell puts it in a section `DEVS`.
    pub fn all(document: &Document, oddities: &Oddities) -> Vec<Self> {
        let section = if document.root().contains_key("DEVDETAILS") { "DEVDETAILS" } else { "DEVS" };
        all(document, section, "devdetails", oddities, |r| Self {
            index: r.small("DEVDETAILS", 10_000),
            name: r.text("Name").map(Text::from),
            driver: r.text("Driver").map(Text::from),
            kernel: r.text("Kernel").map(Text::from),
            model: r.text("Model").map(Text::from),
            chips: r.small("Chips", MAX_CHIPS).or_else(|| r.small("chips-nr", MAX_CHIPS)),
        })
    }
}

/// More chips than any board carries.
pub(crate) const MAX_CHIPS: u32 = 4096;

/// The pools: reply to `pools`. Empty slots, which Bitmain lists always, are left out.
pub fn pools(document: &Document, oddities: &Oddities) -> Vec<Pool> {
    let mut pools = all(document, "POOLS", "pools", oddities, pool);
    pools.retain(|p| p.url.is_some());
    pools
}

fn pool(r: Record<'_>) -> Pool {
    let mut p = Pool::default();
    p.id = r.small("POOL", 10_000).unwrap_or_default();
    p.url = r.text("URL").map(Text::from);
    p.user = r.text("User").map(Text::from);
    p.priority = r.integer("Priority");
    p.status = r.text("Status").map(pool_status);
    p.connected = r.flag("Stratum Active");
    p.accepted = r.count("Accepted");
    p.rejected = r.count("Rejected");
    p.stale = r.count("Stale");
    p.discarded = r.count("Discarded");
    p.get_failures = r.count("Get Failures");
    p.remote_failures = r.count("Remote Failures");
    p.difficulty_accepted = r.difficulty("Difficulty Accepted");
    p.difficulty_rejected = r.difficulty("Difficulty Rejected");
    p.difficulty_stale = r.difficulty("Difficulty Stale");
    p.difficulty = ["Diff", "Stratum Difficulty", "Work Difficulty"]
        .iter()
        .find_map(|key| r.difficulty(key))
        .filter(|difficulty| *difficulty > Difficulty::ZERO);
    p.last_share_difficulty = r.known_difficulty("Last Share Difficulty");
    p.last_share = r.raw("Last Share Time").and_then(unix_time);
    p.last_share_age = r.text("Last Share Time").and_then(clock_age);
    p.best_share = r.difficulty("Best Share");
    p
}

pub(crate) fn pool_status(word: &str) -> PoolStatus {
    match word.to_ascii_lowercase().as_str() {
        "alive" => PoolStatus::Alive,
        // "Deed" is a misspelling that Bitmain ships.
        "dead" | "deed" | "unreachable" => PoolStatus::Dead,
        "disabled" => PoolStatus::Disabled,
        "rejecting" => PoolStatus::Rejecting,
        _ => PoolStatus::Unknown,
    }
}

/// Seconds since 1970. Small numbers are seconds since boot on machines without a clock; they say nothing here.
fn unix_time(value: &Value) -> Option<Timestamp> {
    let seconds = crate::record::lenient_integer(value)?;
    (1_000_000_000..100_000_000_000).contains(&seconds).then(|| Timestamp::from_unix_seconds(seconds))?
}

/// `H:MM:SS` ago, hours unbounded.
pub(crate) fn clock_age(text: &str) -> Option<Span> {
    let mut parts = text.split(':').map(|part| part.trim().parse::<u64>().ok());
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
    let in_range = parts.next().is_none() && m < 60 && s < 60 && h < 1_000_000;
    in_range.then(|| Span::from_seconds(h * 3600 + m * 60 + s))
}

/// The records of `stats` or `estats`, driver-specific. Bitmain's firmware puts a header first; pick a record by what it
/// holds, never by its place.
pub fn stats<'a>(document: &'a Document, oddities: &'a Oddities) -> Vec<Record<'a>> {
    document.section("STATS").into_iter().map(|map| Record::new(map, "stats", oddities)).collect()
}

/// How the program is set up: reply to `config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Number of ASIC devices.
    pub asc_count: Option<u32>,
    /// Number of FPGA devices.
    pub pga_count: Option<u32>,
    /// Number of pools.
    pub pool_count: Option<u32>,
    /// How pools share the work ("Failover").
    pub strategy: Option<Text>,
    /// Log interval, which is the shortest hash-rate window, in seconds.
    pub log_interval: Option<Span>,
    /// Drivers compiled in ("AVA ").
    pub device_code: Option<Text>,
    /// Operating system.
    pub os: Option<Text>,
}

impl Config {
    /// From a reply to `config`; `None` without a `CONFIG` section.
    pub fn of(document: &Document, oddities: &Oddities) -> Option<Self> {
        first(document, "CONFIG", "config", oddities, |r| Self {
            asc_count: r.small("ASC Count", 100_000),
            pga_count: r.small("PGA Count", 100_000),
            pool_count: r.small("Pool Count", 100_000),
            strategy: r.text("Strategy").map(Text::from),
            log_interval: r.seconds("Log Interval"),
            device_code: r.text("Device Code").map(Text::from),
            os: r.text("OS").map(Text::from),
        })
    }
}

/// What is being mined: reply to `coin`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Coin {
    /// Hash method ("sha256").
    pub hash_method: Option<Text>,
    /// When the current block was seen, Unix seconds.
    pub current_block_time: Option<f64>,
    /// Hash of the current block.
    pub current_block_hash: Option<Text>,
    /// Whether long polling is in use.
    pub long_poll: Option<bool>,
    /// Difficulty of the network.
    pub network_difficulty: Option<f64>,
}

impl Coin {
    /// From a reply to `coin`; `None` without a `COIN` section.
    pub fn of(document: &Document, oddities: &Oddities) -> Option<Self> {
        first(document, "COIN", "coin", oddities, |r| Self {
            hash_method: r.text("Hash Method").map(Text::from),
            current_block_time: r.number("Current Block Time"),
            current_block_hash: r.text("Current Block Hash").map(Text::from),
            long_poll: r.flag("LP"),
            network_difficulty: r.number("Network Difficulty"),
        })
    }
}

/// A text where a number was due is odd; used by dialects that print lists in strings (`"70-45-62-63"`).
///
/// The separator is a dash and values may be negative: at the start of a value one dash is a sign, and after its digits
/// exactly one dash separates. `"3--2-21"` is 3, -2, 21.
pub fn dash_list(r: Record<'_>, key: &str) -> Vec<f64> {
    let Some(text) = r.text(key) else { return Vec::new() };
    let mut values = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && rest != "-" {
        let digits_from = usize::from(rest.starts_with('-'));
        let end = rest
            .char_indices()
            .skip(digits_from)
            .find(|(_, c)| !(c.is_ascii_digit() || *c == '.'))
            .map_or(rest.len(), |(i, _)| i);
        let (Some(number), Some(tail)) = (rest.get(..end), rest.get(end..)) else { break };
        let Ok(value) = number.trim().parse::<f64>() else {
            r.odd(AnomalyKind::BadValue, key, &Value::from(text));
            return Vec::new();
        };
        values.push(value);
        rest = tail.strip_prefix('-').unwrap_or(tail);
        if rest.len() == tail.len() && !tail.is_empty() {
            r.odd(AnomalyKind::BadValue, key, &Value::from(text));
            return Vec::new();
        }
    }
    values
}

#[cfg(test)]
mod tests;
