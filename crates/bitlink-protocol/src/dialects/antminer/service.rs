//! The service at port 6060 that Antminers have since the S19 XP Hydro, open to everybody: the power that the machine draws, in
//! one line of text, and what is wrong with it, in one code. As public farm software reads it.
//!
//! It is asked only of models that have it, for power only where nothing else tells it, and for the fault only while the machine
//! does less than it should.

use super::MINER_CONF;
use crate::dialect::{Answers, Page, Question};
use crate::dialects::antminer_web::{STATS, SUMMARY};
use crate::faults::FaultTable;
use crate::record::{Oddities, Record};
use bitlink_model::{AnomalyKind, MinerSnapshot, Power};
use serde_json::Value;

const PORT: u16 = 6060;
const POWER: Question = Question::page("miner power", Page::get("/miner_power").at(PORT).open());
const WARNING: Question = Question::page("warning", Page::get("/warning").at(PORT).open());

/// What may be asked besides. The configuration is asked for when the machine does not hash, which on a machine with the
/// service is a reason to ask for the fault too: whatever is wanted stands side by side.
const BESIDES: &[Question] = &[MINER_CONF, WARNING, POWER];

/// What to ask besides the statistics.
pub(super) fn questions(heard: &Answers) -> &'static [Question] {
    let oddities = Oddities::default();
    let mut records = heard.records("stats", "STATS", &oddities);
    for (page, section) in [(STATS, "STATS"), (SUMMARY, "SUMMARY")] {
        records.extend(heard.records(page, section, &oddities));
    }
    let most = |keys: &[&str]| -> f64 {
        records.iter().flat_map(|r| keys.iter().filter_map(|key| r.number(key))).fold(0.0, f64::max)
    };
    let rate = most(&["GHS 5s", "rate_5s"]);
    let hashes = rate > 0.0 || most(&["GHS av", "rate_avg"]) > 0.0;
    let well = hashes && rate >= ENOUGH * most(&["total_rateideal", "rate_ideal"]);
    let powered = ["watt", "power", "Power", "total_power", "chain_power"];
    let says_power = records.iter().any(|r| powered.iter().any(|key| r.watts(key).is_some()));
    let served = kind(heard, &records).is_some_and(has_service);
    let wanted = [!hashes, served && !well, served && !says_power];
    let (first, last) = (wanted.iter().position(|w| *w), wanted.iter().rposition(|w| *w));
    first.zip(last).and_then(|(first, last)| BESIDES.get(first..=last)).unwrap_or_default()
}

/// The share of its ideal rate below which a machine is asked what is wrong.
const ENOUGH: f64 = 0.9;

/// The model as the statistics print it.
fn kind<'a>(heard: &'a Answers, records: &[Record<'a>]) -> Option<&'a str> {
    let page = |name: &str| heard.get(name)?.root().get("INFO")?.get("type")?.as_str();
    records.iter().find_map(|r| r.raw("Type")?.as_str()).or_else(|| page(STATS)).or_else(|| page(SUMMARY))
}

fn has_service(kind: &str) -> bool {
    let kind = kind.to_ascii_uppercase();
    kind.contains(" S21") || kind.contains(" S19 XP") && kind.contains(" HYD")
}

/// Reads what the service said.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(text) = answers.page(POWER.command, oddities).and_then(|r| r.text(crate::TEXT)) {
        let watts = text.strip_prefix("miner power:").and_then(|watts| watts.trim().parse::<f64>().ok());
        match watts {
            Some(watts) if watts > 0.0 => snapshot.power = snapshot.power.or(Power::from_watts(watts).ok()),
            Some(_) => {}
            None if is_refusal(text) => {}
            None => {
                oddities.add(AnomalyKind::BadValue, POWER.command, text.chars().take(80).collect::<String>());
            }
        }
    }
    let warning = answers.page(WARNING.command, oddities);
    let codes = warning.and_then(|r| r.raw("error_message")).and_then(Value::as_str).unwrap_or_default();
    let codes = codes.split([',', ';', ' ']).filter(|code| !code.is_empty() && *code != "None");
    snapshot.errors.extend(codes.take(MAX_CODES).map(|code| FaultTable::Antminer.error(code)));
}

/// More than a machine says at once.
const MAX_CODES: usize = 16;

/// `error 6060 cmd`: a service that is older than the question.
fn is_refusal(text: &str) -> bool {
    text.starts_with("error ")
}
