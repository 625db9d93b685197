//! MicroBT's firmware, read over TCP 4028 as far as API versions 1 and 2 go, and by messages of version 3 beyond.
//!
//! Two families of commands share the port. `summary`, `pools`, `devs` and `devdetails` answer like cgminer; `get_*` and
//! `status` answer with a plain-string `STATUS` and their content in `Msg`. `version` is refused, which marks the
//! firmware; `devdetails` names the model. (WhatsMiner API manual 2.0.5)

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::decode::Document;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::faults::FaultTable;
use crate::record::{Oddities, Record};
use crate::replies::{Device, DeviceDetails, MAX_CHIPS, hash_rates};
use bitlink_model::{
    AnomalyKind, Board, Capabilities, Family, Fan, FanLocation, Firmware, HashRate, Identity, Make,
    MinerSnapshot, MiningState, Psu, Source, Text, Voltage,
};
use serde_json::Value;

mod commands;
mod crypt;
mod v3;

pub(crate) use v3::KNOCK;
pub use v3::WhatsminerV3;

/// WhatsMiner that answers on TCP 4028: API 1 and 2, and 3 where its firmware is new enough.
#[derive(Debug)]
pub struct Whatsminer;

impl Dialect for Whatsminer {
    fn family(&self) -> Family {
        Family::WHATSMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let refused_its_way = evidence
            .answers
            .get("version")
            .and_then(Document::status)
            .is_some_and(|s| s.bare && s.code == Some(14));
        refused_its_way
            || ["BITMICRO", "BTMINER", "\"WHATSMINER V", "SOCKET CONNECT FAILED"]
                .iter()
                .any(|mark| evidence.says(mark))
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[Question::may("devdetails"), Question::may("get_version"), Question::may("get_miner_info")] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        let mut firmware = Firmware::new(self.family());
        identity.make = Some(Make::WHATSMINER);
        let details = heard.get("devdetails").map(|d| DeviceDetails::all(d, oddities)).unwrap_or_default();
        identity.model_raw = details.into_iter().find_map(|d| d.model);
        identity.model = identity.model_raw.as_deref().and_then(model);
        if let Some(msg) = message(heard, "get_version", oddities) {
            firmware.version = msg.text("fw_ver").map(unquote).map(Text::from);
            firmware.api_version = msg.text("api_ver").map(|v| v.trim_start_matches("whatsminer v").into());
            identity.control_board = msg.text("platform").map(Text::from);
        }
        if let Some(msg) = message(heard, "get_miner_info", oddities) {
            identity.mac = msg.text("mac").and_then(|mac| mac.parse().ok());
            identity.serial = msg.text("minersn").map(Text::from);
            identity.hostname = msg.text("hostname").map(Text::from);
        }
        identity.firmware = Some(firmware);
        identity
    }

    /// One by one: the firmware joins its cgminer commands only, and promises no more than two at a time.
    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("devs"),
                Question::may("pools"),
                Question::may("get_psu"),
                Question::may("status"),
                Question::may("get_error_code"),
            ]
        }
    }

    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        v3::more_questions(heard)
    }

    fn capabilities(&self, identity: &Identity) -> Capabilities {
        commands::capabilities(identity)
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
        // Some versions wrap the record in `Msg`.
        let summary =
            answers.record("summary", "SUMMARY", oddities).or_else(|| message(answers, "summary", oddities));
        if let Some(r) = summary {
            read_summary(r, snapshot);
        }
        for (i, r) in answers.records("devs", "DEVS", oddities).into_iter().enumerate() {
            snapshot.boards.push(board(r, i));
        }
        if let Some(r) = message(answers, "get_psu", oddities) {
            snapshot.psus.push(psu(r));
        }
        if let Some(r) = message(answers, "status", oddities) {
            read_status(r, snapshot);
        }
        if let Some(document) = answers.get("get_error_code") {
            read_errors(document, snapshot, oddities);
        }
        v3::read(answers, snapshot, oddities);
    }
}

/// `M30S++_VH72`, on some units `M30S++VH72`, is an `M30S++` of the variant `VH70`: the last digit numbers the production
/// run.
pub(super) fn model(raw: &str) -> Option<Text> {
    let name = raw.to_ascii_uppercase().replace("WHATSMINER", "").replace('_', "");
    let name = name.trim();
    let Some((series, variant)) = name.rsplit_once('V').filter(|(series, variant)| {
        !series.is_empty() && !variant.is_empty() && variant.bytes().all(|b| b.is_ascii_alphanumeric())
    }) else {
        return (!name.is_empty()).then(|| name.into());
    };
    // A letter at the end names a variant of its own (`VK6A`).
    Some(match variant.strip_suffix(|c: char| c.is_ascii_digit()) {
        Some(run) => format!("{series} V{run}0").into(),
        None => format!("{series} V{variant}").into(),
    })
}

/// The content of a reply of WhatsMiner's own family.
fn message<'a>(answers: &'a Answers, command: &'a str, oddities: &'a Oddities) -> Option<Record<'a>> {
    let map = answers.get(command)?.root().get("Msg")?.as_object()?;
    Some(Record::new(map, command, oddities))
}

/// Firmware versions come with quotes inside the string: `"'20220101.10.REL'"`.
fn unquote(text: &str) -> String {
    text.trim_matches('\'').to_owned()
}

fn read_summary(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if snapshot.hashrate.current().is_none() {
        snapshot.hashrate = hash_rates(r);
        snapshot.elapsed = r.seconds("Elapsed");
    }
    // MH/s despite its name.
    snapshot.hashrate.realtime = r.mhs("HS RT").or(snapshot.hashrate.realtime);
    let positive = |rate: &HashRate| rate.as_hs() > 0.0;
    snapshot.hashrate.nameplate = r.ghs("Factory GHS").filter(positive);
    snapshot.hashrate.expected = r.mhs("Target MHS").filter(positive);
    if snapshot.hashrate.expected.is_none() && snapshot.hashrate.nameplate.is_some() {
        snapshot.hashrate.expected = snapshot.hashrate.nameplate;
        snapshot.provenance.mark("hashrate.expected_hs", Source::Nameplate);
    }
    snapshot.uptime = r.seconds("Uptime");
    // -1 is "not known".
    snapshot.power = r.watts("Power_RT").or_else(|| r.watts("Power"));
    snapshot.power_limit = r.watts("Power Limit");
    snapshot.temperatures.ambient = r.celsius_or_zero("Env Temp");
    snapshot.temperatures.board_max = r.celsius_or_zero("Temperature");
    snapshot.temperatures.chip_max = r.celsius_or_zero("Chip Temp Max");
    snapshot.temperatures.chip_min = r.celsius_or_zero("Chip Temp Min");
    snapshot.temperatures.chip_average = r.celsius_or_zero("Chip Temp Avg");
    let tuning = &mut snapshot.tuning;
    tuning.mode = r.text("Power Mode").map(Text::from);
    tuning.frequency = r.megahertz("freq_avg");
    tuning.target_frequency = r.megahertz("Target Freq");
    tuning.voltage = r.voltage("Voltage", Voltage::from_centivolts);
    tuning.settled = r.flag("Upfreq Complete").or_else(|| r.flag("Hash Stable"));
    tuning.liquid_cooled = r.flag("Liquid Cooling");
    if let Some(mac) = r.text("MAC").and_then(|mac| mac.parse().ok()) {
        snapshot.identity.mac = Some(mac);
    }
    if let Some(firmware) = &mut snapshot.identity.firmware
        && let Some(version) = r.text("Firmware Version")
    {
        firmware.version = Some(unquote(version).into());
    }
    for (key, location) in [("Fan Speed In", FanLocation::Intake), ("Fan Speed Out", FanLocation::Exhaust)] {
        if let Some(rpm) = r.rpm(key) {
            let index = u32::try_from(snapshot.fans.len()).unwrap_or(u32::MAX);
            let mut fan = Fan::new(index, rpm);
            fan.location = Some(location);
            snapshot.fans.push(fan);
        }
    }
    if tuning_starts(r) {
        snapshot.mining_state = Some(MiningState::Starting);
        snapshot.provenance.mark("mining_state", Source::Derived);
    }
    // Version 1 lists its errors here.
    for n in 0..r.small("Error Code Count", 64).unwrap_or(0) {
        if let Some(code) = r.word(&format!("Error Code {n}")).filter(|code| code != "0") {
            snapshot.errors.push(FaultTable::Whatsminer.error(&code));
        }
    }
}

/// The chips are being brought up to their frequency, which takes minutes after a start.
fn tuning_starts(r: Record<'_>) -> bool {
    r.flag("Upfreq Complete") == Some(false) && r.count("Elapsed").is_some_and(|s| s < 3600)
}

fn board(r: Record<'_>, position: usize) -> Board {
    let device = Device::from_record(r);
    let mut board = base::board(&device, position);
    if let Some(slot) = r.small("Slot", 64) {
        board.slot = slot;
    }
    // MH/s despite its name.
    board.hashrate = r.mhs("HS RT").or(board.hashrate);
    board.hashrate_expected = r.ghs("Factory GHS").filter(|rate| rate.as_hs() > 0.0);
    board.chips = r.small("Effective Chips", MAX_CHIPS);
    board.serial = r.text("PCB SN").map(Text::from);
    board.frequency = r.megahertz("Chip Frequency").or(board.frequency);
    board.chip_temperature = r.celsius_or_zero("Chip Temp Max");
    board.chip_temperature_min = r.celsius_or_zero("Chip Temp Min");
    board.chip_temperature_average = r.celsius_or_zero("Chip Temp Avg");
    board
}

/// All values are strings. The input voltage is in hundredths of a volt; currents and the output carry no documented
/// unit that real units agree on, so they are left out.
fn psu(r: Record<'_>) -> Psu {
    let mut psu = Psu::default();
    psu.model = r.text("model").or_else(|| r.text("name")).map(Text::from);
    psu.serial = r.text("serial_no").map(Text::from);
    psu.firmware = r.text("sw_version").map(unquote).map(Text::from);
    psu.input_voltage = r.voltage("vin", Voltage::from_centivolts);
    psu.input_power = r.watts("pin");
    psu.temperature = r.celsius_or_zero("temp0");
    psu.fan_speed = r.rpm("fan_speed");
    psu
}

fn read_status(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    // Version 1 and version 2 name it differently; both write booleans as strings.
    let off = r.flag("mineroff").or_else(|| r.flag("btmineroff"));
    if off == Some(true) {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
}

/// The list is an array of one-key objects, an array of numbers or of strings, or (API 2.0.4, after repair) one object.
fn read_errors(document: &Document, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(list) = document.root().get("Msg").and_then(|m| m.get("error_code")) else { return };
    let items = if let Value::Array(items) = list { items.as_slice() } else { std::slice::from_ref(list) };
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for item in items {
        match item {
            Value::Object(map) => {
                found.extend(
                    map.iter().map(|(code, since)| (code.clone(), since.as_str().map(ToOwned::to_owned))),
                );
            }
            Value::Number(code) => found.push((code.to_string(), None)),
            Value::String(code) => found.push((code.clone(), None)),
            _ => oddities.add(AnomalyKind::BadValue, "get_error_code", item.to_string()),
        }
    }
    for (code, since) in found.into_iter().take(MAX_ERRORS) {
        let known = snapshot.errors.iter().any(|e| e.code.as_deref() == Some(code.as_str()));
        if known || code.is_empty() || code == "0" {
            continue;
        }
        let error = FaultTable::Whatsminer.error(&code);
        snapshot.errors.push(match since {
            Some(since) => error.since(since),
            None => error,
        });
    }
}

/// Longest error list that is kept; units with hundreds of entries overflow their own buffer.
const MAX_ERRORS: usize = 256;
