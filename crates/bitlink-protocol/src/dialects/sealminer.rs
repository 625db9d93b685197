//! Bitdeer's SealMiner with its `bdminer`, a cgminer whose one `stats` record holds the whole machine in flat keys: boards
//! and fans are numbered in front (`0 Temp 2`, `3 Speed`), windows stand in brackets (`MHS(15m)`), the power supply's keys
//! begin with `PSU`.
//!
//! No manual is public; keys and units are those of replies in public test suites. A machine whose API is shut is read by its
//! web server ([`web`]).

mod commands;
mod web;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, Version};
use bitlink_model::{
    Board, Capabilities, Component, Current, DeviceError, Family, Fan, HashRate, Identity, Make,
    MinerSnapshot, MiningState, NetworkIdentity, Psu, Ratio, Severity, Source, Text, Voltage,
};

pub use web::SealMinerWeb;

/// `bdminer`.
#[derive(Debug)]
pub struct SealMiner;

impl Dialect for SealMiner {
    fn family(&self) -> Family {
        Family::SEALMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("BDMINER")
    }

    /// `version` names the program only; model, address and serials are in the statistics.
    fn identity_questions(&self) -> &'static [Question] {
        const { &[Question::may("stats")] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let mut firmware = base::firmware(self.family(), version.as_ref());
        let mut identity = Identity::default();
        identity.make = Some(Make::SEALMINER);
        if let Some(r) = statistics(heard, oddities) {
            firmware.version = r.word("Firmware");
            identity.model_raw = r.word("Model");
            identity.model = identity.model_raw.as_deref().and_then(model);
            identity.mac = r.text("MAC").and_then(|mac| mac.parse().ok());
            identity.control_board = r.word("Ctrl Board");
            identity.control_board_serial = r.word("Ctrl Board SN");
            let ip = r.text("IP").and_then(|ip| ip.parse().ok());
            identity.network = ip.map(|ip| NetworkIdentity { ip: Some(ip), ..NetworkIdentity::default() });
        }
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[Question::must("stats"), Question::may("summary"), Question::may("pools")] }
    }

    /// Like the cgminer it is made from; a version that does not is asked one by one.
    fn joins(&self) -> bool {
        true
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
        let Some(r) = statistics(answers, oddities) else { return };
        read_rates(r, snapshot);
        read_machine(r, snapshot);
        read_boards(r, snapshot);
        read_fans(r, snapshot);
        read_supply(r, snapshot);
        read_errors(r, snapshot);
    }
}

/// The record with the machine in it; others are of pools.
fn statistics<'a>(answers: &'a Answers, oddities: &'a Oddities) -> Option<Record<'a>> {
    answers
        .records("stats", "STATS", oddities)
        .into_iter()
        .find(|r| r.map().contains_key("Board Count") || r.map().contains_key("MHS(Sample)"))
}

/// "A2", on some prints with the make before it.
fn model(raw: &str) -> Option<Text> {
    let words = raw.split_whitespace().filter(|word| !word.eq_ignore_ascii_case("sealminer"));
    let model = words.collect::<Vec<_>>().join(" ");
    (!model.is_empty()).then_some(model.into())
}

/// The summary's own shortest window jumps to nearly twice the rate; the sampled one does not. A window that is longer
/// than the machine has been running is filled up with nothing, and says nothing.
fn read_rates(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.elapsed = r.seconds("Elapsed").or(snapshot.elapsed);
    let seconds = snapshot.elapsed.map(bitlink_model::Span::as_seconds);
    let rates = &mut snapshot.hashrate;
    let windows = [
        (&mut rates.one_minute, "MHS(1m)", 60),
        (&mut rates.five_minutes, "MHS(5m)", 300),
        (&mut rates.fifteen_minutes, "MHS(15m)", 900),
        (&mut rates.thirty_minutes, "MHS(30m)", 1800),
        (&mut rates.one_hour, "MHS(1h)", 3600),
    ];
    for (rate, key, length) in windows {
        let filled = seconds.is_none_or(|elapsed| elapsed >= length);
        *rate = r.mhs(key).filter(|_| filled).or(*rate);
    }
    rates.realtime = r.mhs("MHS(Sample)").or(rates.realtime);
    rates.average = r.mhs("MHS(Avg)").or(rates.average);
    let positive = |rate: &HashRate| rate.as_hs() > 0.0;
    rates.expected = r.mhs("MHS(Ideal)").filter(positive);
    rates.nameplate = r.mhs("MHS(Rated)").filter(positive);
}

fn read_machine(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.uptime = r.seconds("System Uptime");
    snapshot.power_limit = r.watts("Power Limit");
    let tuning = &mut snapshot.tuning;
    tuning.mode = r.text("Mining Mode").map(Text::from);
    tuning.settled = r.flag("Raise Freq Done");
    tuning.frequency = r.megahertz("Freq");
    tuning.target_temperature = r.celsius_or_zero("Target Ctrl Temp");
    tuning.liquid_cooled = r.flag("Liquid Cooling");
    let state = r.text("PM State").map(str::to_ascii_lowercase);
    snapshot.mining_state = state.and_then(|state| match state.as_str() {
        "running" => Some(MiningState::Mining),
        "suspend" | "suspended" | "sleep" | "stop" | "stopped" => Some(MiningState::Stopped),
        _ => None,
    });
}

/// More boards than any machine has.
const MAX_BOARDS: u32 = 16;

fn read_boards(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let count = r.small("Board Count", MAX_BOARDS).unwrap_or(0);
    let said =
        |n: &u32| ["Online", "Chip Count"].iter().any(|key| r.map().contains_key(&format!("{n} {key}")));
    for n in (0..MAX_BOARDS).filter(|n| *n < count || said(n)) {
        let key = |name: &str| format!("{n} {name}");
        let mut board = Board::in_slot(n);
        board.present = r.flag(&key("Online"));
        board.hashrate = r.mhs(&key("MHS(Sample)"));
        board.active = board.hashrate.map(|rate| rate.as_hs() > 0.0);
        board.hashrate_expected = r.mhs(&key("MHS(Ideal)")).filter(|rate| rate.as_hs() > 0.0);
        board.chips = r.small(&key("Chip Count"), MAX_CHIPS);
        board.chips_bad = r.small(&key("Bad Chip Count"), MAX_CHIPS);
        board.frequency = r.megahertz(&key("Freq"));
        board.serial = r.word(&key("SN"));
        board.status = r.word(&key("Tune Status"));
        // Four places without names: two follow the target of the chips, two are nearer to the air that comes in.
        board.board_sensors = (0..4).filter_map(|i| r.celsius_or_zero(&key(&format!("Temp {i}")))).collect();
        board.chip_temperature = board.board_sensors.iter().copied().max();
        if board.chip_temperature.is_some() {
            snapshot.provenance.mark("boards.chip_temperature_celsius", Source::Derived);
        }
        snapshot.boards.push(board);
    }
}

fn read_fans(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    for n in 0..16 {
        if let Some(speed) = r.rpm(&format!("{n} Speed")) {
            let mut fan = Fan::new(n, speed);
            fan.duty = r.percent(&format!("{n} PWM"));
            snapshot.fans.push(fan);
        }
    }
}

fn read_supply(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let mut psu = Psu::default();
    psu.model = r.word("PSU Model");
    psu.serial = r.word("PSU SN");
    psu.firmware = r.word("PSU Firmware");
    psu.input_power = r.watts("PSU Input Power");
    psu.output_power = r.watts("PSU Output Power");
    psu.input_voltage = r.voltage("PSU Input Voltage", Voltage::from_volts);
    psu.output_voltage = r.voltage("PSU Output Voltage", Voltage::from_volts);
    psu.output_current =
        r.quantity("PSU Output Current", Current::from_amperes).filter(|current| current.as_amperes() > 0.0);
    psu.efficiency = r
        .quantity("PSU Efficiency", Ratio::from_fraction)
        .filter(|share| (0.01..=1.0).contains(&share.as_fraction()));
    psu.fan_speed = r.rpm("PSU Fan Speed");
    psu.temperature = r.celsius_or_zero("PSU Temp AMB");
    snapshot.power = psu.input_power;
    snapshot.tuning.voltage = psu.output_voltage;
    if psu != Psu::default() {
        snapshot.psus.push(psu);
    }
}

/// Codes whose meaning no public document tells.
fn read_errors(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let chips = r.word("Error Chip").map(|chips| format!(", chips {chips}")).unwrap_or_default();
    let codes = r.word("Error Code").unwrap_or_default();
    for code in codes.split([',', ' ', ';']).filter(|code| !says_fine(code)) {
        let error = DeviceError::new(Severity::Warning, format!("firmware error {code}{chips}"));
        snapshot.errors.push(error.with_code(code));
    }
    if let Some(code) = r.word("PSU Error").filter(|code| !says_fine(code)) {
        let error = DeviceError::new(Severity::Critical, format!("power supply error {code}"));
        snapshot.errors.push(error.with_code(code).about(Component::Psu));
    }
}

/// Nothing, or nothing but zeros behind `0x`.
fn says_fine(code: &str) -> bool {
    code.trim_start_matches("0x").bytes().all(|b| b == b'0')
}
