//! Auradine's REST interface at port 8080, as its manual and public clients have it: the API's envelope and records, and those that
//! the API does not have. A token comes first, in a header of its own.

use crate::asking::{Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::decode::{Document, decode_page};
use crate::dialect::{Answers, Page, Question};
use crate::faults::FaultTable;
use crate::http::{HttpReply, HttpRequest};
use crate::record::{Oddities, Record};
use bitlink_model::{
    Current, DeviceError, Fan, HashRate, Identity, MinerSnapshot, MiningState, Psu, Severity, Temperature,
    Text, Voltage,
};

pub(super) const PORT: u16 = 8080;

const fn ask(name: &'static str, path: &'static str) -> Question {
    Question::page(name, Page::get(path).at(PORT))
}

/// Who the machine is.
pub(super) const REPORT: Question = ask("ipreport", "/ipreport");
/// What stands in for the API's answers.
pub(super) const STAND_INS: [Question; 3] = [
    ask("summary page", "/summary").required().in_place_of("summary"),
    ask("devs page", "/devs").in_place_of("devs"),
    ask("pools page", "/pools").in_place_of("pools"),
];
/// What the API does not tell.
pub(super) const QUESTIONS: [Question; 5] = [
    ask("fan page", "/fan"),
    ask("temperature page", "/temperature"),
    ask("psu page", "/psu"),
    ask("mode page", "/mode"),
    ask("led page", "/led"),
];

/// More than any machine has.
const MAX_SLOTS: usize = 16;
const MAX_BOARD: u32 = 64;
const MAX_SENSORS: usize = 512;

/// A name and a password for a token.
#[derive(Debug)]
pub(super) struct Token;

impl Login for Token {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let Credentials { user, password } = credentials;
        let body = serde_json::json!({ "command": "token", "user": user, "password": password });
        HttpRequest::post("/token", "application/json", body.to_string()).on_port(PORT)
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let document = decode_page("token", reply).ok().map(|page| page.value);
        let oddities = Oddities::default();
        let record = |document: &Document| {
            let map = document.section("Token").into_iter().next()?;
            Record::new(map, "token", &oddities).text("Token").map(ToOwned::to_owned)
        };
        match document.as_ref().and_then(record) {
            Some(token) => Ok(Pass::header("Token", token)),
            None => Err(Refusal::WrongCredentials),
        }
    }

    /// Some versions refuse a token in the envelope and not by the status.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        let status = decode_page("token", reply).ok().and_then(|page| page.value.status());
        status.filter(crate::decode::Status::is_failure).and_then(|status| status.message).is_some_and(
            |words| {
                let words = words.to_ascii_lowercase();
                ["token", "session", "unauthorized"].iter().any(|word| words.contains(word))
            },
        )
    }
}

/// Who the machine is, where the page tells.
pub(super) fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    let Some(r) = answers.record(REPORT.command, "IPReport", oddities) else { return };
    if let Some(raw) = r.text("model") {
        identity.model_raw = Some(raw.into());
        identity.model = super::model(raw);
    }
    let text = |key: &str| r.text(key).map(ToOwned::to_owned);
    identity.mac = r.text("mac").and_then(|mac| mac.parse().ok()).or(identity.mac);
    identity.serial = text("SerialNo").map(Text::from);
    identity.control_board_serial = text("CBSerialNo").map(Text::from);
    identity.hostname = text("hostname").map(Text::from);
    identity.control_board = text("InternalType").map(Text::from);
    if let Some(firmware) = &mut identity.firmware {
        firmware.version = firmware.version.take().or_else(|| r.word("version"));
    }
}

/// The answers with the pages in the places of those that the API did not give.
pub(super) fn stand_in(answers: &Answers) -> Answers {
    let mut answers = answers.clone();
    for page in STAND_INS {
        if let (Some(command), Some(copy)) = (page.instead_of, answers.get(page.command).cloned()) {
            answers.insert(command, copy);
        }
    }
    answers
}

/// Reads what the API does not tell; the boards are known already.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let [fan, temperature, psu, mode, led] = QUESTIONS;
    let fans = answers.records(fan.command, "Fan", oddities).into_iter().take(MAX_SLOTS);
    let speeds = fans.filter_map(|r| r.rpm("Speed"));
    snapshot.fans = (0..).zip(speeds).map(|(index, speed)| Fan::new(index, speed)).collect();
    for r in answers.records(temperature.command, "Temperature", oddities) {
        // 0 is the control board.
        let slot = r.small("ID", MAX_BOARD).and_then(|id| id.checked_sub(1));
        let Some(board) = snapshot.boards.iter_mut().find(|board| Some(board.slot) == slot) else { continue };
        board.board_sensors = sensors(r, "BoardTemp");
        board.chip_sensors = sensors(r, "ChipTemp");
        board.board_temperature = board.board_sensors.iter().copied().max().or(board.board_temperature);
        board.chip_temperature = board.chip_sensors.iter().copied().max();
        board.chip_temperature_min = board.chip_sensors.iter().copied().min();
    }
    if let Some(r) = answers.record(psu.command, "PSU", oddities) {
        let psu = read_psu(r);
        snapshot.power = snapshot.power.or(psu.input_power);
        if psu != Psu::default() {
            snapshot.psus.push(psu);
        }
    }
    if let Some(r) = answers.record(mode.command, "Mode", oddities) {
        read_mode(r, snapshot);
    }
    if let Some(r) = answers.record(led.command, "LED", oddities) {
        read_led(r, snapshot);
    }
}

/// `null` where there are none; 0 is a sensor that is not there.
fn sensors(r: Record<'_>, key: &str) -> Vec<Temperature> {
    r.records(key).into_iter().take(MAX_SENSORS).filter_map(|r| r.celsius_or_zero("Temperature")).collect()
}

/// Numbers with their units glued on.
fn read_psu(r: Record<'_>) -> Psu {
    let amperes = |key: &str| r.leading_number(key).and_then(|number| Current::from_amperes(number).ok());
    let mut psu = Psu::default();
    psu.input_power = r.watts("PowerIn");
    psu.output_power = r.watts("PowerOut");
    psu.input_voltage = r.voltage("Vin", Voltage::from_volts);
    psu.output_voltage = r.voltage("Vout", Voltage::from_volts);
    psu.input_current = amperes("Iin");
    psu.output_current = amperes("Iout");
    psu.fan_speed = r.rpm("FanSpeed1");
    psu
}

/// It is tuned towards a power or towards a rate; older versions do not say which and tell both.
fn read_mode(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.tuning.mode = r.text("Mode").map(Text::from);
    let tune = r.text("Tune");
    if tune.is_none_or(|tune| tune == "power") {
        snapshot.power_limit = r.watts("Power");
    }
    if tune.is_none_or(|tune| tune == "ths") {
        snapshot.hashrate.expected = r.quantity("Ths", HashRate::from_ths).filter(|rate| rate.as_hs() > 0.0);
    }
    if r.flag("Sleep") == Some(true) {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
}

/// What the lights mean: all is well, somebody looks for the machine, or what is wrong.
fn read_led(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let Some(code) = r.integer("Code") else { return };
    snapshot.light = Some(code == LOCATE);
    // From 100 on somebody has set them by hand.
    if matches!(code, NORMAL | LOCATE | 100..) {
        return;
    }
    let code = code.to_string();
    let error = FaultTable::Auradine.find(&code);
    snapshot.errors.push(error.unwrap_or_else(|| {
        let words = r.text("Msg").unwrap_or("the firmware reports a fault");
        DeviceError::new(Severity::Warning, words).with_code(code)
    }));
}

const NORMAL: i64 = 2;
const LOCATE: i64 = 3;
