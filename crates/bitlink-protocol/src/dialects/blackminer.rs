//! The firmware that VolcMiner, Hammer and Blackminer share ("ccminer 2.3.3"): Bitmain's old `stats`, with numbers in
//! strings, rates in MH/s and one key for all sensors of a board. Newer machines answer on port 8359. Where neither port does,
//! the pages of the web server are read ([`web`]).
//!
//! These machines compute Scrypt, not Bitcoin's hash.

mod commands;
mod web;

use super::{antminer, antminer_web};
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record, lenient_number};
use crate::replies::hash_rates;
use bitlink_model::{
    AnomalyKind, Board, Capabilities, Family, Identity, Make, MinerSnapshot, Temperature, Text,
};

/// VolcMiner, Hammer, Blackminer.
#[derive(Debug)]
pub struct BlackMiner;

/// Where newer machines have their API.
const NEWER_PORT: u16 = 8359;

/// Makes by how their models begin.
const MAKES: [(&str, Make); 3] =
    [("VOLCMINER", Make::VOLCMINER), ("HAMMER", Make::HAMMER), ("BLACKMINER", Make::BLACKMINER)];

impl Dialect for BlackMiner {
    fn family(&self) -> Family {
        Family::BLACKMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let named = ["\"VOLCMINER ", "\"HAMMER ", "\"BLACKMINER "].iter().any(|mark| evidence.says(mark));
        named || evidence.shows("REALM=\"BLACKMINER")
    }

    /// The web server knows what the API does not tell: hardware address and name on the network.
    fn identity_questions(&self) -> &'static [Question] {
        &[antminer::SYSTEM_INFO]
    }

    fn auth(&self) -> Auth {
        Auth::Digest
    }

    /// VolcMiner's, and that of the others.
    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", "ltc@dog"), ("root", "root")]
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = antminer::identity(self.family(), heard, oddities);
        let raw = identity.model_raw.take();
        name(raw.as_deref(), &mut identity);
        identity
    }

    /// Where the API is not at its usual port it may be at the newer one.
    fn questions(&self) -> &'static [Question] {
        const {
            let [stats, pools, summary] = antminer::QUESTIONS;
            &[
                stats,
                pools,
                summary,
                stats.at(NEWER_PORT).in_place_of("stats"),
                pools.at(NEWER_PORT).in_place_of("pools"),
                summary.at(NEWER_PORT).in_place_of("summary"),
                web::STATUS,
            ]
        }
    }

    /// Hammer's pages are Bitmain's.
    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        let answered = heard.get("stats").is_some() || heard.get(web::STATUS.command).is_some();
        if answered { &[] } else { &web::BITMAINS }
    }

    fn joins(&self) -> bool {
        true
    }

    fn capabilities(&self, identity: &Identity) -> Capabilities {
        commands::capabilities(identity)
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if snapshot.identity.model.is_none() {
            let header = answers.records("stats", "STATS", oddities);
            name(header.iter().find_map(|r| r.text("Type")), &mut snapshot.identity);
        }
        antminer::read(answers, snapshot, oddities);
        antminer_web::read(answers, snapshot, oddities);
        web::read(answers, snapshot, oddities);
        let Some(r) = antminer::data(answers, oddities) else { return };
        // The boards' connectors are not in a row: chains 1, 2 and 4 are a whole machine.
        snapshot.boards.retain(|board| board.present != Some(false));
        let rates = hash_rates(r);
        snapshot.hashrate.realtime = rates.realtime.or(snapshot.hashrate.realtime);
        snapshot.hashrate.average = rates.average.or(snapshot.hashrate.average);
        antminer::with_boards(r, snapshot, |n, board| read_sensors(r, n, board));
    }
}

/// Names a machine as it prints itself.
fn name(raw: Option<&str>, identity: &mut Identity) {
    (identity.make, identity.model) = match raw.and_then(make_and_model) {
        Some((make, model)) => (Some(make), Some(model)),
        None => (None, raw.map(Text::from)),
    };
    identity.model_raw = raw.map(Text::from);
}

/// "VolcMiner D1" is a D1 of VolcMiner's.
pub(super) fn make_and_model(raw: &str) -> Option<(Make, Text)> {
    let (first, rest) = raw.trim().split_once(' ')?;
    let make = MAKES.into_iter().find(|(name, _)| first.eq_ignore_ascii_case(name)).map(|(_, make)| make)?;
    let model = rest.trim();
    (!model.is_empty()).then(|| (make, model.into()))
}

/// `tempN` stands once for each sensor of the board, and `chipTempN` is a list written into a text, with numbers from
/// memory that nobody has filled.
fn read_sensors(r: Record<'_>, n: u32, board: &mut Board) {
    let sensor = |key: &str, celsius: f64| r.sensor(key, celsius).filter(|t| t.as_celsius() != 0.0);
    let key = format!("temp{n}");
    board.board_sensors = r.each(&key).filter_map(lenient_number).filter_map(|c| sensor(&key, c)).collect();
    board.board_temperature = board.board_sensors.iter().copied().max();
    let key = format!("chipTemp{n}");
    board.chip_sensors = list(r, &key).into_iter().filter_map(|c| sensor(&key, c)).collect();
    let chips: &[Temperature] = &board.chip_sensors;
    board.chip_temperature = chips.iter().copied().max().or(board.chip_temperature);
    board.chip_temperature_min = chips.iter().copied().min();
}

/// `"[67.10, 0.00]"`.
fn list(r: Record<'_>, key: &str) -> Vec<f64> {
    let Some(text) = r.text(key) else { return Vec::new() };
    let numbers = text.trim_matches(['[', ']', ' ']).split(',').map(str::trim).filter(|n| !n.is_empty());
    let (mut good, mut bad) = (Vec::new(), false);
    for number in numbers {
        match number.parse::<f64>() {
            Ok(number) if number.is_finite() => good.push(number),
            _ => bad = true,
        }
    }
    if bad {
        r.odd(AnomalyKind::BadValue, key, &serde_json::Value::from(text));
    }
    good
}
