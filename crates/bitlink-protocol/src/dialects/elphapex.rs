//! Elphapex's firmware on the DG machines: Bitmain's web pages with a realm and some units of its own, and no API. As public farm
//! software reads it.
//!
//! Frequencies are kHz, chip temperatures thousandths of a degree in text, fan speeds text; an empty text is a sensor that is not
//! there. These machines compute Scrypt; their rates are hashes all the same.

mod commands;

use super::antminer_web;
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::http::WEB_PORT;
use crate::record::{Oddities, Record};
use bitlink_model::{
    Capabilities, Family, Fan, FanSpeed, Firmware, Frequency, Identity, Make, MinerSnapshot, MiningState,
    Temperature, Text,
};
use serde_json::Value;

/// Elphapex.
#[derive(Debug)]
pub struct Elphapex;

const SYSTEM_INFO: Question = Question::may_page("get_system_info", "/cgi-bin/get_system_info.cgi");
const STATS: Question = Question::must_page("stats.cgi", "/cgi-bin/stats.cgi");
const SUMMARY: Question = Question::may_page("summary.cgi", "/cgi-bin/summary.cgi");
const POOLS: Question = Question::may_page("pools.cgi", "/cgi-bin/pools.cgi");
const CONFIGURATION: Question = Question::may_page("get_miner_conf", "/cgi-bin/get_miner_conf.cgi");

impl Dialect for Elphapex {
    fn family(&self) -> Family {
        Family::ELPHAPEX
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.shows("REALM=\"DAOGE")
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    /// Some versions want Digest, some Basic; the challenge says which.
    fn auth(&self) -> Auth {
        Auth::Digest
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", "root")]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[SYSTEM_INFO] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::ELPHAPEX);
        let mut firmware = Firmware::new(self.family());
        if let Some(document) = heard.get(SYSTEM_INFO.command) {
            let r = Record::new(document.root(), SYSTEM_INFO.command, oddities);
            identity.model_raw = r.text("minertype").map(Text::from);
            identity.model = identity.model_raw.clone();
            identity.mac = r.text("macaddr").and_then(|mac| mac.parse().ok());
            identity.hostname = r.text("hostname").map(Text::from);
            identity.serial = r.text("serinum").or_else(|| r.text("serial_no")).map(Text::from);
            firmware.version = r.text("system_filesystem_version").map(Text::from);
        }
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[STATS, SUMMARY, POOLS, CONFIGURATION] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer_web::read(answers, snapshot, oddities);
        if let Some(r) = answers.record(STATS.command, "STATS", oddities) {
            read_units(r, snapshot);
        }
        if let Some(document) = answers.get("stats.cgi")
            && let Some(info) = Record::new(document.root(), STATS.command, oddities).record("INFO")
        {
            if snapshot.identity.serial.is_none() {
                snapshot.identity.serial = info.text("dev_sn").map(Text::from);
            }
            if let Some(firmware) = &mut snapshot.identity.firmware {
                firmware.software = info.text("miner_version").map(Text::from);
            }
        }
        if let Some(document) = answers.get(CONFIGURATION.command) {
            let r = Record::new(document.root(), CONFIGURATION.command, oddities);
            snapshot.tuning.mode = match r.integer("fc-work-mode") {
                Some(0) => Some("normal".into()),
                Some(1) => Some("sleep".into()),
                Some(3) => Some("low".into()),
                _ => None,
            };
            if r.integer("fc-work-mode") == Some(1) {
                snapshot.mining_state = Some(MiningState::Stopped);
            }
        }
    }
}

/// What is written in other units than Bitmain's.
fn read_units(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let chains = r.raw("chain").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    for chain in chains.map(|map| r.sibling(map)) {
        let slot = chain.small("index", 64);
        let Some(board) = snapshot.boards.iter_mut().find(|board| Some(board.slot) == slot) else { continue };
        if board.present != Some(true) {
            continue;
        }
        let khz = chain.number("freq_avg").filter(|khz| *khz > 0.0);
        board.frequency = khz.and_then(|khz| Frequency::from_megahertz(khz / 1000.0).ok());
        board.chip_sensors = thousandths(chain, "temp_chip");
        board.chip_temperature = board.chip_sensors.iter().copied().max();
        board.chip_temperature_min = board.chip_sensors.iter().copied().min();
    }
    let speeds = texts(r, "fan").into_iter().filter_map(|rpm| FanSpeed::from_rpm(rpm).ok());
    let fans: Vec<Fan> = (0..).zip(speeds).map(|(index, speed)| Fan::new(index, speed)).collect();
    if !fans.is_empty() {
        snapshot.fans = fans;
    }
}

fn thousandths(r: Record<'_>, key: &str) -> Vec<Temperature> {
    let values = texts(r, key).into_iter().filter(|value| *value != 0.0);
    values.filter_map(|value| r.sensor(key, value / 1000.0)).collect()
}

/// The numbers of a list of texts, the empty ones left out.
fn texts(r: Record<'_>, key: &str) -> Vec<f64> {
    let list = r.raw(key).and_then(Value::as_array).into_iter().flatten().take(64);
    list.filter_map(|value| value.as_str()?.trim().parse().ok()).collect()
}
