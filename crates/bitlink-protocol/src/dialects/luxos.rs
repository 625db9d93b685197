//! LuxOS, Luxor's firmware for Antminers, on TCP 4028. (LuxOS API docs, luxos-tooling)
//!
//! Everything in one joined question. `stats` imitates Bitmain's with wrong totals; only its chip counts and maps are
//! used. What a version does not know is refused in its own part and costs nothing.

mod commands;

use super::{antminer, base};
use crate::acting::{ActError, Order, Plan};
use crate::decode::Status;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{Device, MAX_CHIPS, Version};
use bitlink_model::{
    Capabilities, Component, DeviceError, Family, HashRate, Identity, Make, MinerSnapshot, MiningState,
    NetworkIdentity, Psu, Severity, Source, Temperature, Text, Voltage,
};
use std::net::IpAddr;

/// LuxOS.
#[derive(Debug)]
pub struct LuxOs;

/// The daemon's word for "still coming up".
pub(super) const NOT_READY: i64 = 301;

impl Dialect for LuxOs {
    fn family(&self) -> Family {
        Family::LUXOS
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("LUXMINER")
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let mut firmware = base::firmware(self.family(), version.as_ref());
        let mut identity = Identity::default();
        identity.make = Some(Make::ANTMINER);
        if let Some(version) = version {
            firmware.version = version.software.map(|(_, number)| number);
            identity.model = version.kind.as_deref().and_then(antminer::model);
            identity.model_raw = version.kind;
        }
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("devs"),
                Question::may("temps"),
                Question::may("fans"),
                Question::may("power"),
                Question::may("config"),
                Question::may("pools"),
                Question::may("stats"),
                Question::may("tempctrl"),
                Question::may("profiles"),
                Question::may("events"),
                Question::may("atm"),
            ]
        }
    }

    fn joins(&self) -> bool {
        true
    }

    fn is_starting(&self, refusal: &Status) -> bool {
        refusal.code == Some(NOT_READY)
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        base::read_summary(answers, snapshot, oddities);
        // It repeats the average here instead of counting.
        snapshot.shares.total_hashes = None;
        base::read_pools(answers, snapshot, oddities);
        read_boards(answers, snapshot, oddities);
        read_temperatures(answers, snapshot, oddities);
        base::sort_boards(&mut snapshot.boards);
        // Every connector that it lists has a fan; machines cooled by a fluid list none.
        let fans = base::listed_fans(answers, oddities);
        let fitted = u32::try_from(fans.len()).ok();
        snapshot.fans = base::fitted_fans(fans, fitted);
        base::read_temperature_control(answers, snapshot, oddities);
        read_power(answers, snapshot, oddities);
        if let Some(r) = answers.record("config", "CONFIG", oddities) {
            read_config(r, snapshot);
            read_profile(r, answers, snapshot, oddities);
        }
        for event in answers.records("events", "EVENTS", oddities) {
            snapshot.errors.extend(device_error(event));
        }
    }
}

/// `devs` comes in no order. The chips are in `stats` alone, numbered from 1.
fn read_boards(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let chips = antminer::data(answers, oddities);
    for (i, r) in answers.records("devs", "DEVS", oddities).into_iter().enumerate() {
        let mut board = base::board(&Device::from_record(r), i);
        board.serial = r.text("SerialNumber").map(Text::from);
        if r.flag("IsUserShutdown") == Some(true) {
            board.active = Some(false);
            board.status = Some("shut down by the user".into());
        } else if r.flag("IsRamping") == Some(true) {
            board.status = Some("ramping".into());
        }
        if let Some(chips) = chips {
            let n = board.slot.saturating_add(1);
            board.chips = chips.small(&format!("chain_acn{n}"), MAX_CHIPS);
            antminer::read_chip_map(chips, n, &mut board);
        }
        snapshot.boards.push(board);
    }
}

/// The four sensors of a board, under the names of their corners; `METADATA` says what sits there. On machines cooled by
/// water some are in the water.
fn read_temperatures(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    const CORNERS: [&str; 4] = ["TopLeft", "TopRight", "BottomLeft", "BottomRight"];
    let metadata = answers.records("temps", "METADATA", oddities);
    let label = |position: usize, corner: &str| {
        // One record with a member for each corner, or, on older builds, one record for each.
        let named = metadata.iter().find_map(|r| r.record(corner)?.text("Label"));
        named.or_else(|| metadata.get(position)?.text("Label")).unwrap_or_default().to_ascii_lowercase()
    };
    let labels: Vec<String> = CORNERS.iter().enumerate().map(|(i, corner)| label(i, corner)).collect();
    let (mut inlet, mut outlet): (Option<Temperature>, Option<Temperature>) = (None, None);
    for (i, r) in answers.records("temps", "TEMPS", oddities).into_iter().enumerate() {
        let mut sensors = Vec::new();
        for (corner, label) in CORNERS.iter().zip(&labels) {
            let Some(reading) = r.celsius_or_zero(corner) else { continue };
            match label {
                l if l.contains("water") && l.contains("inlet") => inlet = inlet.max(Some(reading)),
                l if l.contains("water") && l.contains("outlet") => outlet = outlet.max(Some(reading)),
                _ => sensors.push(reading),
            }
        }
        let slot = r.small("ID", 64).unwrap_or_else(|| u32::try_from(i).unwrap_or(u32::MAX));
        base::with_board(&mut snapshot.boards, slot, |board| {
            board.board_temperature = sensors.iter().copied().max().or(board.board_temperature);
            board.board_sensors = sensors;
        });
    }
    snapshot.temperatures.inlet = inlet;
    snapshot.temperatures.outlet = outlet;
}

fn read_power(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(r) = answers.record("power", "POWER", oddities) {
        snapshot.power = r.watts("Watts");
        // `PSU` tells whether the power supply measured it.
        if r.flag("PSU") != Some(true) {
            base::estimated_power(snapshot);
        }
    }
    // Autotuning by temperature may be held to a power.
    if let Some(r) = answers.record("atm", "ATM", oddities)
        && r.flag("Enabled") == Some(true)
    {
        snapshot.power_limit = r.watts("PowerTarget").or_else(|| r.watts("PowerLimit"));
    }
}

fn read_config(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let owned = |key: &str| r.text(key).map(Text::from);
    let identity = &mut snapshot.identity;
    identity.mac = r.text("MACAddr").and_then(|mac| mac.parse().ok()).or(identity.mac);
    identity.hostname = owned("Hostname").or(identity.hostname.take());
    identity.serial = owned("SerialNumber").or(identity.serial.take());
    identity.control_board = owned("ControlBoardType").or(identity.control_board.take());
    let address = |key: &str| r.text(key).and_then(|text| text.parse::<IpAddr>().ok());
    identity.network = Some(NetworkIdentity {
        dhcp: r.flag("DHCP"),
        ip: address("IPAddr"),
        netmask: owned("Netmask"),
        gateway: owned("Gateway"),
        dns: owned("DNS Servers"),
    })
    .filter(|network| *network != NetworkIdentity::default());
    snapshot.hashrate.nameplate =
        r.quantity("NameplateTHS", HashRate::from_ths).filter(|rate| *rate > HashRate::ZERO);
    snapshot.tuning.mode = owned("Profile");
    snapshot.tuning.settled = r.flag("IsTuning").map(|tuning| !tuning);
    let fluid = r.text("Cooling").map(|cooling| !cooling.eq_ignore_ascii_case("air"));
    snapshot.tuning.liquid_cooled = if r.flag("ImmersionMode") == Some(true) { Some(true) } else { fluid };
    // "auto" shows the machine's health; what is set by hand is somebody looking for it.
    snapshot.light = r.text("RedLed").map(|led| matches!(led, "on" | "blink"));
    if r.flag("IsPowerTargetEnabled") == Some(true) {
        snapshot.power_limit =
            r.watts("ActualPowerTarget").or_else(|| r.watts("PowerLimit")).or(snapshot.power_limit);
    }
    if let Some(model) = owned("PSULabel") {
        let mut psu = Psu::default();
        psu.model = Some(model);
        snapshot.psus.push(psu);
    }
    if r.text("CurtailMode").is_some_and(|mode| mode.eq_ignore_ascii_case("sleep")) {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
}

/// What the active profile drives the chips with.
fn read_profile(config: Record<'_>, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(name) = config.text("Profile") else { return };
    let profiles = answers.records("profiles", "PROFILES", oddities);
    let Some(r) = profiles.into_iter().find(|r| r.text("Profile Name") == Some(name)) else { return };
    snapshot.tuning.target_frequency = r.megahertz("Frequency");
    snapshot.tuning.voltage = r.voltage("Voltage", Voltage::from_volts);
    if snapshot.tuning.voltage.is_some() {
        snapshot.provenance.mark("tuning.voltage_v", Source::Derived);
    }
}

/// Events are things that happened; their codes are words, and some of the words are about harm.
fn device_error(r: Record<'_>) -> Option<DeviceError> {
    let code = r.text("Code")?;
    let harm = |words: &[&str]| words.iter().any(|word| code.contains(word));
    let severity = match () {
        // Somebody did it.
        () if code.contains("_USER") => Severity::Info,
        () if harm(&["PANIC", "SHUTDOWN"]) => Severity::Critical,
        () if harm(&["FAILURE"]) => Severity::Warning,
        () => Severity::Info,
    };
    let mut error = DeviceError::new(severity, r.text("Description").unwrap_or(code)).with_code(code);
    if r.text("Target") == Some("BOARD") {
        error = error.about(Component::Board(r.small("ID", 64)));
    }
    Some(match r.text("CreatedAt") {
        Some(at) => error.since(at),
        None => error,
    })
}
