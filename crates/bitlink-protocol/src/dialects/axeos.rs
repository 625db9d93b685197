//! AxeOS (ESP-Miner) on the Bitaxe and its kin, and the firmware of the NerdAxe, which grew out of it: one page tells nearly
//! everything (ESP-Miner, `http_server.c`; ESP-Miner-NerdQAxePlus, `handler_system.cpp`). No password.
//!
//! Hash rates are GH/s, currents mA, voltages mV. A controller of this size answers one client at a time, so as little as
//! possible is asked. To an address that is not in its own kind of network it answers 401.

mod commands;

use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::http::WEB_PORT;
use crate::record::{Oddities, Record};
use bitlink_model::{
    Board, Capabilities, Component, Current, DeviceError, Family, Fan, Firmware, Identity, Make,
    MinerSnapshot, MiningState, Pool, PoolStatus, Psu, Severity, Text, Voltage,
};
use serde_json::Value;

/// AxeOS.
#[derive(Debug)]
pub struct AxeOs;

/// The NerdAxe's firmware.
#[derive(Debug)]
pub struct NerdAxe;

const INFO: Question = Question::may_page("system info", "/api/system/info");
const ASIC: Question = Question::may_page("asic", "/api/system/asic");

/// More chips than any of these boards bears.
const MAX_CHIPS: u32 = 256;

/// Whether this is the page, and whose. The NerdAxe names its model there, AxeOS on another page.
fn is_info(evidence: &Evidence, nerd: bool) -> bool {
    evidence.answers.get(INFO.command).is_some_and(|document| {
        let root = document.root();
        let lucky = root.contains_key("minerModel");
        (root.contains_key("ASICModel") || lucky) && (root.contains_key("deviceModel") && !lucky) == nerd
    })
}

impl Dialect for AxeOs {
    fn family(&self) -> Family {
        Family::AXEOS
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        is_info(evidence, false)
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[INFO, ASIC] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), Make::BITAXE, heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        const { &[INFO.required(), ASIC] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities(false)
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order, false)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read(answers, snapshot, oddities);
    }
}

impl Dialect for NerdAxe {
    fn family(&self) -> Family {
        Family::NERDAXE
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        is_info(evidence, true)
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[INFO] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), Make::NERDAXE, heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        const { &[INFO.required()] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities(true)
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order, true)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read(answers, snapshot, oddities);
    }
}

fn identity(family: Family, make: Make, heard: &Answers, oddities: &Oddities) -> Identity {
    let mut identity = Identity::default();
    identity.make = Some(make);
    let mut firmware = Firmware::new(family);
    if let Some(r) = root(heard, INFO, oddities) {
        firmware.version = r.text("version").map(Text::from);
        identity.mac = r.text("macAddr").and_then(|mac| mac.parse().ok());
        identity.hostname = r.text("hostname").map(Text::from);
        identity.model_raw = r.text("deviceModel").or_else(|| r.text("minerModel")).map(Text::from);
        if r.text("minerModel").is_some() {
            identity.make = Some(Make::LUCKYMINER);
        }
        let asic = root(heard, ASIC, oddities);
        if identity.model_raw.is_none() {
            identity.model_raw = asic.and_then(|r| r.text("deviceModel")).map(Text::from);
        }
        identity.model = match identity.model_raw.clone() {
            Some(model) => Some(model.strip_prefix("Bitaxe ").map(Text::from).unwrap_or(model)),
            // Releases before 2.9 know their chip only; the board follows from it.
            None => r.text("ASICModel").and_then(board_of).map(Text::from),
        };
    }
    identity.firmware = Some(firmware);
    identity
}

/// The Bitaxe that bears a chip, where only one does.
fn board_of(chip: &str) -> Option<&'static str> {
    match chip {
        "BM1397" => Some("Max"),
        "BM1366" => Some("Ultra"),
        "BM1368" => Some("Supra"),
        "BM1370" => Some("Gamma"),
        _ => None,
    }
}

fn root<'a>(answers: &'a Answers, question: Question, oddities: &'a Oddities) -> Option<Record<'a>> {
    Some(Record::new(answers.get(question.command)?.root(), question.command, oddities))
}

fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(r) = root(answers, INFO, oddities) else { return };
    let asic = root(answers, ASIC, oddities);
    snapshot.hashrate.realtime = r.ghs("hashRate");
    snapshot.hashrate.one_minute = r.ghs("hashRate_1m");
    snapshot.hashrate.one_hour = r.ghs("hashRate_1h");
    snapshot.hashrate.one_day = r.ghs("hashRate_1d");
    snapshot.hashrate.expected = r.ghs("expectedHashrate").filter(|rate| rate.as_hs() > 0.0);
    snapshot.elapsed = r.seconds("uptimeSeconds");
    snapshot.uptime = snapshot.elapsed;
    snapshot.shares.accepted = r.count("sharesAccepted");
    snapshot.shares.rejected = r.count("sharesRejected");
    snapshot.shares.hardware_error_ratio = r.percent("errorPercentage");
    // A number, on older releases a text with a multiplier.
    snapshot.shares.best_share = r.difficulty("bestSessionDiff").or_else(|| r.difficulty("bestDiff"));
    snapshot.shares.found_blocks = r.count("foundBlocks").or_else(|| r.count("blockFound"));
    snapshot.power = r.watts("power");
    read_board(r, asic, snapshot);
    read_fans(r, snapshot);
    let mut psu = Psu::default();
    psu.input_voltage = r.voltage("voltage", Voltage::from_millivolts);
    psu.input_current =
        r.number("current").filter(|ma| *ma > 0.0).and_then(|ma| Current::from_amperes(ma / 1000.0).ok());
    // Boards without that sensor read 0.
    psu.temperature = r.celsius("vrTemp").filter(|c| c.as_celsius() > 0.0);
    snapshot.psus.push(psu);
    snapshot.temperatures.target =
        r.celsius("temptarget").or_else(|| r.celsius("pidTargetTemp").filter(|c| c.as_celsius() > 0.0));
    snapshot.tuning.frequency = r.megahertz("actualFrequency").or_else(|| r.megahertz("frequency"));
    snapshot.tuning.target_frequency = r.megahertz("frequency");
    snapshot.tuning.voltage = r.voltage("coreVoltageActual", Voltage::from_millivolts);
    read_state(r, snapshot);
    read_pools(r, snapshot);
}

/// The one board there is. `temp` is its hottest chip; there is no sensor on the board itself.
fn read_board(r: Record<'_>, asic: Option<Record<'_>>, snapshot: &mut MinerSnapshot) {
    let mut board = Board::in_slot(0);
    board.present = Some(true);
    board.active = snapshot.hashrate.realtime.map(|rate| rate.as_hs() > 0.0);
    board.hashrate = snapshot.hashrate.realtime;
    board.hashrate_expected = snapshot.hashrate.expected;
    let each = r.raw("asicTemps").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64);
    let second = ["temp", "temp2"].iter().filter_map(|key| r.number(key));
    // A sensor that is not there reads -1 or nothing.
    let sensors: Vec<f64> = each.filter(|c| *c > 0.0).collect();
    let sensors = if sensors.is_empty() { second.filter(|c| *c > 0.0).collect() } else { sensors };
    board.chip_sensors = sensors.into_iter().filter_map(|c| r.sensor("temp", c)).collect();
    board.chip_temperature = board.chip_sensors.iter().copied().max();
    board.frequency = r.megahertz("actualFrequency").or_else(|| r.megahertz("frequency"));
    board.voltage = r.voltage("coreVoltageActual", Voltage::from_millivolts);
    let count = |r: Record<'_>| r.small("asicCount", MAX_CHIPS);
    board.chips_expected = count(r).or_else(|| asic.and_then(count));
    board.chips = r.small("asicDetected", MAX_CHIPS);
    snapshot.chips_expected = board.chips_expected;
    snapshot.boards_expected = Some(1);
    snapshot.boards.push(board);
}

/// A list, or numbered keys: the second is `fan2rpm` on AxeOS and `fanrpm2` on the NerdAxe. Its key is there on boards
/// without a second fan, and reads 0 or -1.
fn read_fans(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let list = r.raw("fans").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    for (index, fan) in (0..).zip(list.map(|map| r.sibling(map))) {
        if let Some(speed) = fan.rpm("rpm") {
            let mut read = Fan::new(index, speed);
            read.duty = fan.percent("speedPerc");
            snapshot.fans.push(read);
        }
    }
    if !snapshot.fans.is_empty() {
        return;
    }
    let duty = r.percent("fanspeed");
    for (index, keys) in (0..).zip([["fanrpm", "fanrpm"], ["fan2rpm", "fanrpm2"]]) {
        let Some(rpm) = keys.iter().find_map(|key| r.number(key)) else { continue };
        if rpm < 0.0 || (index > 0 && rpm == 0.0 && r.integer("fanCount").is_none_or(|count| count < 2)) {
            continue;
        }
        if let Some(speed) = keys.iter().find_map(|key| r.rpm(key)) {
            let mut fan = Fan::new(index, speed);
            fan.duty = duty;
            snapshot.fans.push(fan);
        }
    }
}

fn read_state(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if r.flag("miningPaused") == Some(true) || r.flag("shutdown") == Some(true) {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
    let mut fault = |message: String, component| {
        snapshot.errors.push(DeviceError::new(Severity::Critical, message).about(component));
    };
    if r.integer("overheat_mode").is_some_and(|mode| mode > 0) {
        fault("overheated, and slowed down until somebody says otherwise".to_owned(), Component::Temperature);
    }
    if let Some(words) = r.text("power_fault") {
        fault(words.to_owned(), Component::Psu);
    }
    if let Some(words) = r.text("hardware_fault") {
        fault(words.to_owned(), Component::Board(Some(0)));
    }
    if let Some(code) = r.integer("boardError").filter(|code| *code != 0) {
        fault(format!("board error {code}"), Component::Board(Some(0)));
        if let Some(error) = snapshot.errors.last_mut() {
            error.code = Some(code.to_string().into());
        }
    }
    if !snapshot.errors.is_empty() && snapshot.hashrate.realtime.is_none_or(|rate| rate.as_hs() == 0.0) {
        snapshot.mining_state.get_or_insert(MiningState::Failed);
    }
}

/// Up to eight slots, of which two are chosen; before those came, one and a fallback.
fn read_pools(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let fallback = r.flag("isUsingFallbackStratum").unwrap_or(false);
    let slots: Vec<Record<'_>> = r
        .raw("pools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(|map| r.sibling(map))
        .collect();
    let in_use = r.integer(if fallback { "secondaryPoolIndex" } else { "primaryPoolIndex" });
    let mut pools: Vec<Pool> =
        (0..).zip(&slots).filter_map(|(id, slot)| pool(*slot, id, "stratum")).collect();
    if pools.is_empty() {
        let two = [(0, "stratum"), (1, "fallbackStratum")];
        pools = two.into_iter().filter_map(|(id, prefix)| pool(r, id, prefix)).collect();
        for pool in &mut pools {
            pool.active = Some((pool.id == 1) == fallback);
            pool.priority = Some(i64::from(pool.id));
        }
    } else {
        for pool in &mut pools {
            pool.active = in_use.map(|in_use| in_use == i64::from(pool.id));
            pool.priority = match i64::from(pool.id) {
                id if r.integer("primaryPoolIndex") == Some(id) => Some(0),
                id if r.integer("secondaryPoolIndex") == Some(id) => Some(1),
                _ => None,
            };
        }
    }
    if let Some(pool) = pools.iter_mut().find(|pool| pool.active == Some(true)) {
        // Only what goes to the pool in use is counted.
        pool.accepted = snapshot.shares.accepted;
        pool.rejected = snapshot.shares.rejected;
        pool.difficulty = r.difficulty("poolDifficulty").or_else(|| r.difficulty("stratumDiff"));
        let hashes = snapshot.hashrate.realtime.is_some_and(|rate| rate.as_hs() > 0.0);
        pool.status = hashes.then_some(PoolStatus::Alive);
    }
    snapshot.pools = pools;
}

/// The host stands without a scheme, the port beside it.
fn pool(r: Record<'_>, id: u32, prefix: &str) -> Option<Pool> {
    let host = r.text(&format!("{prefix}URL"))?;
    let mut pool = Pool::default();
    pool.id = r.small("id", 64).unwrap_or(id);
    let scheme = if r.integer(&format!("{prefix}TLS")).is_some_and(|tls| tls > 0) { "ssl" } else { "tcp" };
    let host = host.rsplit("://").next().unwrap_or(host);
    pool.url = Some(match r.small(&format!("{prefix}Port"), 65_535) {
        Some(port) => format!("stratum+{scheme}://{host}:{port}").into(),
        None => format!("stratum+{scheme}://{host}").into(),
    });
    pool.user = r.text(&format!("{prefix}User")).map(Text::from);
    Some(pool)
}
