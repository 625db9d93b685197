//! What API version 3 adds: messages with their length before them at port 4433 (WhatsMiner API 3.0 document).
//!
//! Firmware since November 2024 speaks it and still answers a part of version 2 on TCP 4028, where alone each pool's shares
//! are counted. Rates are in TH/s here, and whatever both tell is taken from here.

use super::{FaultTable, MAX_ERRORS, commands, model, unquote};
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record, lenient_number};
use crate::replies::MAX_CHIPS;
use bitlink_model::{
    AnomalyKind, Capabilities, Current, Family, Fan, FanLocation, Firmware, HashRate, Identity, Make,
    MinerSnapshot, MiningState, Pool, PoolStatus, Psu, Source, Text, Timestamp, Voltage,
};
use serde_json::Value;

pub(super) const PORT: u16 = 4433;
const INFO: &str = "get.device.info";
const STATUS: &str = "get.miner.status";
const SETTING: &str = "get.miner.setting";
const SALT: &str = "device salt";

const ASK_INFO: Question = Question::frame(INFO, PORT, r#"{"cmd":"get.device.info"}"#);
const ASK_STATUS: Question =
    Question::frame(STATUS, PORT, r#"{"cmd":"get.miner.status","param":"summary+pools+edevs"}"#);
const ASK_SETTING: Question = Question::frame(SETTING, PORT, r#"{"cmd":"get.miner.setting"}"#);

/// By which a stranger whose version 2 is shut is known.
pub(crate) const KNOCK: Question = Question::frame(SALT, PORT, r#"{"cmd":"get.device.info","param":"salt"}"#);

/// Firmware of this day and later speaks version 3.
pub(super) const SINCE: u32 = 20_241_101;

/// What else to ask a machine whose version 2 has answered.
pub(super) fn more_questions(heard: &Answers) -> &'static [Question] {
    match firmware_date(heard) {
        Some(date) if date >= SINCE => const { &[ASK_INFO, ASK_STATUS, ASK_SETTING] },
        Some(_) => &[],
        None => const { &[Question::may("get_version")] },
    }
}

/// The day in `20250214.12.REL`, as a number.
fn firmware_date(heard: &Answers) -> Option<u32> {
    let summary = heard.get("summary").and_then(|d| d.section("SUMMARY").first()?.get("Firmware Version"));
    let of = |command: &str, key: &str| heard.get(command)?.root().get("Msg")?.get(key);
    summary
        .or_else(|| of("summary", "Firmware Version"))
        .or_else(|| of("status", "FirmwareVersion"))
        .or_else(|| of("status", "Firmware Version"))
        .or_else(|| of("get_version", "fw_ver"))
        .and_then(|version| date(version.as_str()?))
}

/// The day in a version, as a number.
pub(super) fn date(version: &str) -> Option<u32> {
    version.trim_start_matches('\'').get(..8)?.parse().ok()
}

/// WhatsMiner whose version 2 is shut: version 3 alone.
#[derive(Debug)]
pub struct WhatsminerV3;

impl Dialect for WhatsminerV3 {
    fn family(&self) -> Family {
        Family::WHATSMINER
    }

    /// By a message of its own, or by how its web server leads everybody to the login over TLS. iPollo's has the same login
    /// page and leads nobody there.
    fn claims(&self, evidence: &Evidence) -> bool {
        let answers = |name: &str| {
            evidence.answers.get(name).is_some_and(|document| {
                let root = document.root();
                root.contains_key("code") && root.get("desc").and_then(Value::as_str) == Some(INFO)
            })
        };
        answers(SALT)
            || answers(INFO)
            || (evidence.shows("HTTP/1.1 307")
                && evidence.shows("LOCATION: HTTPS://")
                && !evidence.shows("IPOLLO"))
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[ASK_INFO] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::WHATSMINER);
        identity.firmware = Some(Firmware::new(self.family()));
        if let Some(r) = message(heard, INFO, oddities) {
            read_identity(r, &mut identity);
        }
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[ASK_STATUS.required(), ASK_INFO, ASK_SETTING] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities_v3()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan_v3(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read(answers, snapshot, oddities);
    }
}

/// The content of a reply; a refusal is told as one.
fn message<'a>(answers: &'a Answers, command: &'a str, oddities: &'a Oddities) -> Option<Record<'a>> {
    let reply = Record::new(answers.get(command)?.root(), command, oddities);
    if let Some(code) = reply.integer("code").filter(|code| *code != 0) {
        let words = reply.text("msg").unwrap_or_default();
        oddities.add(AnomalyKind::Refused, command, format!("code {code}: {words}"));
        return None;
    }
    reply.record("msg")
}

/// Reads what version 3 says over what is known already.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(r) = message(answers, INFO, oddities) {
        read_identity(r, &mut snapshot.identity);
        read_info(r, snapshot);
    }
    if let Some(r) = message(answers, STATUS, oddities) {
        if let Some(summary) = r.record("summary") {
            read_summary(summary, snapshot);
        }
        let boards = r.records("edevs");
        for (position, board) in (0..).zip(&boards) {
            read_board(*board, position, snapshot);
        }
        super::base::sort_boards(&mut snapshot.boards);
        read_board_temperatures(r, &boards, snapshot, oddities);
        read_pools(r, snapshot);
    }
    if let Some(r) = message(answers, SETTING, oddities) {
        let mode = r.text("power-mode").map(Text::from);
        snapshot.tuning.mode = mode.or(snapshot.tuning.mode.take());
        snapshot.power_limit = r.watts("power-limit").or(snapshot.power_limit);
    }
    let when = answers.get(STATUS).or_else(|| answers.get(INFO));
    let when = when.and_then(|d| Timestamp::from_unix_seconds(d.root().get("when")?.as_i64()?));
    snapshot.device_time =
        snapshot.device_time.or_else(|| when.filter(|when| when.as_unix_millis() >= 1_000_000_000_000));
}

fn ths(r: Record<'_>, key: &str) -> Option<HashRate> {
    r.quantity(key, HashRate::from_ths)
}

/// -0.001 for each board is "not known".
fn factory(r: Record<'_>) -> Option<HashRate> {
    let known = r.number("factory-hash").is_some_and(|rate| rate > 0.0);
    known.then(|| ths(r, "factory-hash")).flatten()
}

fn read_identity(r: Record<'_>, identity: &mut Identity) {
    if let Some(miner) = r.record("miner") {
        if let Some(raw) = miner.text("type") {
            identity.model_raw = Some(raw.into());
            identity.model = model(raw);
        }
        identity.serial = miner.text("miner-sn").map(Text::from).or(identity.serial.take());
    }
    if let Some(network) = r.record("network") {
        identity.mac = network.text("mac").and_then(|mac| mac.parse().ok()).or(identity.mac);
        identity.hostname = network.text("hostname").map(Text::from).or(identity.hostname.take());
    }
    if let Some(system) = r.record("system") {
        identity.control_board = system.text("platform").map(Text::from).or(identity.control_board.take());
        if let Some(firmware) = &mut identity.firmware {
            firmware.version =
                system.text("fwversion").map(unquote).map(Text::from).or(firmware.version.take());
            firmware.api_version = system.text("api").map(Text::from).or(firmware.api_version.take());
        }
    }
}

fn read_summary(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.elapsed = r.seconds("elapsed").or(snapshot.elapsed);
    snapshot.uptime = r.seconds("bootup-time").or(snapshot.uptime);
    let rates = &mut snapshot.hashrate;
    rates.realtime = ths(r, "hash-realtime").or(rates.realtime);
    rates.one_minute = ths(r, "hash-1min").or(rates.one_minute);
    rates.fifteen_minutes = ths(r, "hash-15min").or(rates.fifteen_minutes);
    rates.average = ths(r, "hash-average").or(rates.average);
    rates.nameplate = factory(r).or(rates.nameplate);
    if rates.expected.is_none() && rates.nameplate.is_some() {
        rates.expected = rates.nameplate;
        snapshot.provenance.mark("hashrate.expected_hs", Source::Nameplate);
    }
    snapshot.power = r.watts("power-realtime").or_else(|| r.watts("power-5min")).or(snapshot.power);
    snapshot.power_limit = r.watts("power-limit").or(snapshot.power_limit);
    let temperatures = &mut snapshot.temperatures;
    temperatures.ambient = r.celsius_or_zero("environment-temperature").or(temperatures.ambient);
    temperatures.chip_max = r.celsius_or_zero("chip-temp-max").or(temperatures.chip_max);
    temperatures.chip_min = r.celsius_or_zero("chip-temp-min").or(temperatures.chip_min);
    temperatures.chip_average = r.celsius_or_zero("chip-temp-avg").or(temperatures.chip_average);
    snapshot.tuning.frequency = r.megahertz("freq-avg").or(snapshot.tuning.frequency);
    snapshot.tuning.settled = r.flag("up-freq-finish").or(snapshot.tuning.settled);
    let young = r.count("elapsed").is_some_and(|s| s < 3600);
    if snapshot.mining_state.is_none() && r.flag("up-freq-finish") == Some(false) && young {
        snapshot.mining_state = Some(MiningState::Starting);
        snapshot.provenance.mark("mining_state", Source::Derived);
    }
    let fan = |(index, (key, location))| {
        let mut fan = Fan::new(index, r.rpm(key)?);
        fan.location = Some(location);
        Some(fan)
    };
    let places = [("fan-speed-in", FanLocation::Intake), ("fan-speed-out", FanLocation::Exhaust)];
    let fans: Vec<Fan> = (0..).zip(places).filter_map(fan).collect();
    if !fans.is_empty() {
        snapshot.fans = fans;
    }
}

fn slot(r: Record<'_>, position: u32) -> u32 {
    r.small("slot", 64).or_else(|| r.small("id", 64)).unwrap_or(position)
}

fn read_board(r: Record<'_>, position: u32, snapshot: &mut MinerSnapshot) {
    super::base::with_board(&mut snapshot.boards, slot(r, position), |board| {
        board.present = Some(true);
        board.hashrate = ths(r, "hash-realtime").or(board.hashrate);
        board.hashrate_average = ths(r, "hash-average").or(board.hashrate_average);
        // Older builds tell the average alone.
        board.hashrate = board.hashrate.or(board.hashrate_average);
        board.hashrate_expected = factory(r).or(board.hashrate_expected);
        board.frequency = r.megahertz("freq").or(board.frequency);
        board.chips = r.small("effective-chips", MAX_CHIPS).or(board.chips);
        board.chip_temperature = r.celsius_or_zero("chip-temp-max").or(board.chip_temperature);
        board.chip_temperature_min = r.celsius_or_zero("chip-temp-min").or(board.chip_temperature_min);
        board.chip_temperature_average =
            r.celsius_or_zero("chip-temp-avg").or(board.chip_temperature_average);
        board.status = r.word("status").or(board.status.take());
    });
}

/// In the summary, one for each board; whose they are is sure only where there are as many as boards.
fn read_board_temperatures(
    r: Record<'_>,
    boards: &[Record<'_>],
    snapshot: &mut MinerSnapshot,
    oddities: &Oddities,
) {
    const KEY: &str = "board-temperature";
    let Some(list) = r.record("summary").and_then(|s| s.raw(KEY)?.as_array()) else { return };
    let mut temperatures = Vec::new();
    for value in list {
        match lenient_number(value) {
            Some(celsius) => temperatures.push(r.sensor(KEY, celsius).filter(|t| t.as_celsius() != 0.0)),
            None => oddities.add(AnomalyKind::BadValue, KEY, value.to_string()),
        }
    }
    snapshot.temperatures.board_max =
        temperatures.iter().copied().flatten().max().or(snapshot.temperatures.board_max);
    if temperatures.len() == boards.len() {
        for (position, (board, celsius)) in (0..).zip(boards.iter().zip(temperatures)) {
            super::base::with_board(&mut snapshot.boards, slot(*board, position), |board| {
                board.board_temperature = celsius.or(board.board_temperature);
            });
        }
    }
}

/// Shares are counted by version 2 alone, whose pools bear the same numbers.
fn read_pools(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    for (position, r) in (1..).zip(r.records("pools")) {
        let Some(url) = r.text("url") else { continue };
        let id = r.small("id", 10_000).unwrap_or(position);
        let known = snapshot
            .pools
            .iter()
            .position(|pool| pool.id == id && pool.url.as_deref().is_none_or(|known| known == url));
        let at = known.unwrap_or_else(|| {
            let mut pool = Pool::default();
            pool.id = id;
            snapshot.pools.push(pool);
            snapshot.pools.len() - 1
        });
        let Some(pool) = snapshot.pools.get_mut(at) else { continue };
        pool.url = Some(url.into());
        pool.user = r.text("account").map(Text::from).or(pool.user.take());
        pool.priority = r.integer("pool-priority").or(pool.priority);
        pool.status = r.text("status").map(status).or(pool.status);
        pool.connected = r.flag("stratum-active").or(pool.connected);
        pool.difficulty = r.known_difficulty("stratum-diff").or(pool.difficulty);
        let last = r.integer("last-share-time").filter(|s| *s >= 1_000_000_000);
        pool.last_share = last.and_then(Timestamp::from_unix_seconds).or(pool.last_share);
    }
}

fn status(word: &str) -> PoolStatus {
    match word.to_ascii_lowercase().as_str() {
        "alive" => PoolStatus::Alive,
        "dead" | "unreachable" => PoolStatus::Dead,
        "disabled" => PoolStatus::Disabled,
        "rejecting" => PoolStatus::Rejecting,
        _ => PoolStatus::Unknown,
    }
}

fn read_info(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if let Some(miner) = r.record("miner") {
        snapshot.boards_expected =
            miner.small("board-num", 64).filter(|n| *n > 0).or(snapshot.boards_expected);
        snapshot.power_limit = snapshot.power_limit.or_else(|| miner.watts("power-limit-set"));
        if miner.flag("working") == Some(false) {
            snapshot.mining_state = Some(MiningState::Stopped);
        }
    }
    if let Some(system) = r.record("system") {
        // The machine drives its lights itself unless somebody looks for it.
        snapshot.light = system.text("ledstatus").map(|word| !word.eq_ignore_ascii_case("auto"));
    }
    if let Some(power) = r.record("power") {
        snapshot.psus = vec![psu(power)];
        let mode = match power.word("mode").as_deref() {
            Some("0") => Some("low".into()),
            Some("1") => Some("normal".into()),
            Some("2") => Some("high".into()),
            _ => None,
        };
        snapshot.tuning.mode = mode.or(snapshot.tuning.mode.take());
        snapshot.tuning.voltage = power.voltage("vout", Voltage::from_centivolts).or(snapshot.tuning.voltage);
    }
    for error in r.records("error-code").into_iter().take(MAX_ERRORS) {
        read_error(error, snapshot);
    }
}

fn psu(r: Record<'_>) -> Psu {
    let mut psu = Psu::default();
    psu.model = r.text("model").or_else(|| r.text("type")).map(Text::from);
    psu.serial = r.text("sn").map(Text::from);
    psu.firmware = r.text("swversion").map(unquote).map(Text::from);
    psu.input_voltage = r.voltage("vin", Voltage::from_volts);
    psu.input_current = r.number("iin").filter(|a| *a > 0.0).and_then(|a| Current::from_amperes(a).ok());
    psu.input_power = r.watts("pin");
    psu.output_voltage = r.voltage("vout", Voltage::from_centivolts);
    psu.temperature = r.celsius_or_zero("temp0");
    psu.fan_speed = r.rpm("fanspeed");
    psu
}

/// `{"531":"2025-01-01 00:00:00","reason":"text"}`: the code is the key.
fn read_error(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let reason = r.text("reason");
    for (code, since) in
        r.map().iter().filter(|(key, _)| !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()))
    {
        let known = snapshot.errors.iter().any(|e| e.code.as_deref() == Some(code));
        if known || code == "0" {
            continue;
        }
        // The firmware's own words where the table has none.
        let mut error = FaultTable::Whatsminer.error(code);
        if let Some(reason) = reason.filter(|_| FaultTable::Whatsminer.find(code).is_none()) {
            error.message = reason.into();
        }
        snapshot.errors.push(match since.as_str().map(str::trim).filter(|since| !since.is_empty()) {
            Some(since) => error.since(since),
            None => error,
        });
    }
}
