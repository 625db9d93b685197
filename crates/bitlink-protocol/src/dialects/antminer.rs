//! Bitmain's firmware of the S19, S21 and later generations, as it answers on TCP 4028.
//!
//! Only `version`, `stats`, `summary`, `pools` and `devs` are let through, one at a time; `devs` says nothing useful.
//! Boards, chips, temperatures and fans are numbered keys of one `stats` record, which the older firmware shares.

pub(super) mod commands;
mod hydro;
mod service;

use super::{antminer_web, base};
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::decode::Document;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, Version, dash_list};
use bitlink_model::{
    AnomalyKind, Board, Capabilities, Family, HashRate, Identity, Make, MinerSnapshot, MiningState,
    Temperature, Text, UnitError, Voltage,
};
use serde_json::Value;

/// Stock firmware since 2020.
#[derive(Debug)]
pub struct Antminer;

impl Dialect for Antminer {
    fn family(&self) -> Family {
        Family::ANTMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        is_stock(evidence) || antminer_web::is_web_only(evidence)
    }

    /// By its web server alone it cannot be told from its predecessor before the system's page was read.
    fn gives_way(&self) -> bool {
        true
    }

    /// The web server knows what TCP 4028 does not tell: hardware address, serial number, name on the network.
    fn identity_questions(&self) -> &'static [Question] {
        &[SYSTEM_INFO]
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), heard, oddities)
    }

    /// The pages stand in for what the API does not let everybody ask.
    fn questions(&self) -> &'static [Question] {
        const {
            let [stats, pools, summary] = QUESTIONS;
            &[
                stats,
                pools,
                summary,
                antminer_web::STATS_PAGE,
                antminer_web::SUMMARY_PAGE,
                antminer_web::POOLS_PAGE,
            ]
        }
    }

    /// A machine that sleeps looks broken on TCP 4028; only its configuration tells the two apart.
    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        if antminer_web::is_answered(heard) {
            service::questions(heard)
        } else {
            &[antminer_web::LAST_RESORT]
        }
    }

    /// Whether its light blinks is on a page of its own.
    fn proof_questions(&self) -> &'static [Question] {
        const { &[BLINK] }
    }

    fn auth(&self) -> Auth {
        Auth::Digest
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", "root")]
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order, commands::KEYS)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read(answers, snapshot, oddities);
        antminer_web::read(answers, snapshot, oddities);
        hydro::read(answers, snapshot, oddities);
        service::read(answers, snapshot, oddities);
        read_work_mode(answers, snapshot, oddities);
        snapshot.light = answers.page(BLINK.command, oddities).and_then(|r| r.flag("blink"));
    }
}

pub(super) const SYSTEM_INFO: Question =
    Question::may_page("get_system_info", "/cgi-bin/get_system_info.cgi");
const BLINK: Question = Question::may_page("get_blink_status", "/cgi-bin/get_blink_status.cgi");
const MINER_CONF: Question = Question::may_page("get_miner_conf", "/cgi-bin/get_miner_conf.cgi");

/// `bitmain-work-mode`, on older firmware `miner-mode`: 1 is asleep, a number or a string by model.
fn read_work_mode(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(document) = answers.get(MINER_CONF.command) else { return };
    let r = Record::new(document.root(), MINER_CONF.command, oddities);
    let mode = r.integer("bitmain-work-mode").or_else(|| r.integer("miner-mode"));
    snapshot.tuning.mode = match mode {
        Some(0) => Some("normal".into()),
        Some(1) => Some("sleep".into()),
        Some(2) => Some("high".into()),
        Some(3) => Some("low".into()),
        _ => None,
    };
    if mode == Some(1) {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
}

/// What is asked of every firmware that keeps Bitmain's statistics.
pub(super) const QUESTIONS: [Question; 3] =
    [Question::must("stats"), Question::may("pools"), Question::may("summary")];

/// What custom firmware says of itself while it keeps Bitmain's model names.
pub(super) const CUSTOM: [&str; 10] = [
    "BOSMINER",
    "BOSER",
    "LUXMINER",
    "HIVEON",
    "MARAFW",
    "KAONSU",
    "RWGLR",
    "ASICSEER",
    "VNISH",
    "ANTHILLOS",
];

/// Whether this is Bitmain's own firmware, as far as it gives its program a name.
pub(super) fn is_stock(evidence: &Evidence) -> bool {
    let status = evidence.answers.get("version").and_then(Document::status);
    let bitmains = status
        .and_then(|s| s.description)
        .is_none_or(|program| program.starts_with("cgminer") || program.starts_with("bmminer"));
    bitmains && evidence.says("ANTMINER ") && !CUSTOM.iter().any(|mark| evidence.says(mark))
}

/// Who the miner is, by `version`: `Type` is the model, `CompileTime` the firmware's version in practice.
pub(super) fn identity(family: Family, heard: &Answers, oddities: &Oddities) -> Identity {
    let version = heard.get("version").and_then(|d| Version::of(d, oddities));
    let mut firmware = base::firmware(family, version.as_ref());
    let mut identity = Identity::default();
    identity.make = Some(Make::ANTMINER);
    if let Some(version) = version {
        firmware.version = version.compile_time;
        identity.model = version.kind.as_deref().and_then(model);
        identity.model_raw = version.kind;
    }
    identity.firmware = Some(firmware);
    if let Some(document) = heard.get(SYSTEM_INFO.command) {
        let r = Record::new(document.root(), SYSTEM_INFO.command, oddities);
        identity.mac = r.text("macaddr").and_then(|mac| mac.parse().ok());
        identity.hostname = r.text("hostname").map(Text::from);
        // The key's name differs by model.
        identity.serial = ["serinum", "serial_no"].iter().find_map(|key| r.text(key)).map(Text::from);
        if identity.model.is_none() {
            identity.model_raw = r.text("minertype").map(Text::from);
            identity.model = identity.model_raw.as_deref().and_then(model);
        }
        // The day of its build, which the API calls otherwise.
        if let Some(firmware) = identity.firmware.as_mut().filter(|firmware| firmware.version.is_none()) {
            firmware.version = r.text("system_filesystem_version").map(Text::from);
        }
    }
    identity
}

/// The model without the make, the firmware's remarks and the control board: `Antminer S19j Pro AML` is an S19j Pro. Boards
/// without a controller of their own make another model; firmware writes that as `NOPIC`, `(88)` or `-88`, by their chips.
pub(super) fn model(kind: &str) -> Option<Text> {
    let line = kind.lines().next().unwrap_or_default().replace("(88)", "NoPIC").replace("-88", " NoPIC");
    let line = line.split(" (").next().unwrap_or_default();
    let mut words: Vec<&str> = line.split_whitespace().collect();
    words.retain(|w| !["Bitmain", "Antminer", "ANTMINER"].contains(w));
    while words.len() > 1
        && words.last().is_some_and(|w| matches!(*w, "AML" | "XIL" | "BB" | "CV" | "Hiveon"))
    {
        words.pop();
    }
    let words: Vec<&str> = words
        .into_iter()
        .map(|word| match word.trim_end_matches('.').to_ascii_lowercase().as_str() {
            "hyd" | "hydro" => "Hydro",
            "imm" | "immersion" => "Immersion",
            "nopic" | "88" => "NoPIC",
            // The hash boards' own code, printed by machines that were not told their model.
            "bhb68601" | "bhb68606" => "S21",
            _ => word,
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" ")).map(Text::from)
}

/// Reads `stats`, `pools` and `summary`.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    base::read_summary(answers, snapshot, oddities);
    base::read_pools(answers, snapshot, oddities);
    let Some(r) = data(answers, oddities) else { return };
    read_totals(r, snapshot);
    read_boards(r, snapshot);
    read_fans(r, snapshot);
}

/// The record of `stats` that has the numbers. A header record comes first and repairs may shift the rest, so it is known
/// by its keys.
pub(super) fn data<'a>(answers: &'a Answers, oddities: &'a Oddities) -> Option<Record<'a>> {
    let records = answers.records("stats", "STATS", oddities);
    records.into_iter().find(|r| ["GHS 5s", "MHS 5s", "fan_num"].iter().any(|key| r.map().contains_key(*key)))
}

/// Rates are in `rate_unit`, GH/s where it is not given; Litecoin machines say MH.
pub(super) fn rate_unit(r: Record<'_>) -> fn(f64) -> Result<HashRate, UnitError> {
    match r.text("rate_unit").map(|u| u.trim_end_matches("/s")) {
        Some("MH") => HashRate::from_mhs,
        Some("TH") => HashRate::from_ths,
        Some("KH" | "kH") => HashRate::from_khs,
        Some("H") => HashRate::from_hs,
        // The key of the total names the unit of all.
        None if r.map().contains_key("MHS 5s") => HashRate::from_mhs,
        _ => HashRate::from_ghs,
    }
}

fn read_totals(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let unit = rate_unit(r);
    let rates = &mut snapshot.hashrate;
    rates.realtime = r.quantity("GHS 5s", unit).or(rates.realtime);
    rates.average = r.quantity("GHS av", unit).or(rates.average);
    rates.thirty_minutes =
        r.quantity("rate_30m", unit).or_else(|| r.quantity("GHS 30m", unit)).or(rates.thirty_minutes);
    let positive = |rate: &HashRate| rate.as_hs() > 0.0;
    rates.expected = r.quantity("total_rateideal", unit).filter(positive);
    snapshot.elapsed = r.seconds("Elapsed").or(snapshot.elapsed);
    // Zero while the boards are off; then it says nothing about how they are driven.
    snapshot.tuning.frequency = r.megahertz("frequency").or_else(|| r.megahertz("total_freqavg"));
    snapshot.power = r
        .watts("watt")
        .or_else(|| r.watts("power"))
        .or_else(|| r.watts("Power"))
        .or_else(|| r.watts("total_power"))
        .or_else(|| r.watts("chain_power"));
    snapshot.tuning.voltage = r.voltage("Voltage", Voltage::from_volts);
    // The S17's word for sleep. Later firmware says nothing of it here.
    if r.raw("Mode").and_then(Value::as_i64) == Some(254) {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
    snapshot.shares.hardware_error_ratio =
        snapshot.shares.hardware_error_ratio.or_else(|| r.percent("Device Hardware%"));
}

/// Fans are `fan1` … `fan16`. Only some slots are fitted, and which differs by model: the first `fan_num` ones on new
/// machines, two of the first six on an S9. A fan that stands still within the fitted ones is reported as it is.
fn read_fans(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let speeds = (1..=16).filter_map(|n| Some((r.rpm(&format!("fan{n}"))?, None)));
    snapshot.fans = base::fitted_fans(speeds, r.small("fan_num", 16));
}

fn read_boards(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.boards = chains(r).into_iter().map(|(n, slot)| read_board(r, n, slot, rate_unit(r))).collect();
    base::sort_boards(&mut snapshot.boards);
}

/// The chains that have a board, by the firmware's number and by slot. They are numbered from 1; an S9 counts from 6,
/// and others from 11.
fn chains(r: Record<'_>) -> Vec<(u32, u32)> {
    let said: Vec<u32> = (1..=16).filter(|n| says_board(r, *n)).collect();
    let Some(first) = said.first() else { return Vec::new() };
    let base = [11, 6, 1].into_iter().find(|base| first >= base).unwrap_or(1);
    said.into_iter().map(|n| (n, n - base)).collect()
}

/// What a delta of this firmware adds to its boards, each with the number of its keys.
pub(super) fn with_boards(r: Record<'_>, snapshot: &mut MinerSnapshot, mut add: impl FnMut(u32, &mut Board)) {
    for (n, slot) in chains(r) {
        if let Some(board) = snapshot.boards.iter_mut().find(|board| board.slot == slot) {
            add(n, board);
        }
    }
}

/// Whether a chain exists: it has chips, a rate, or a chip map.
fn says_board(r: Record<'_>, n: u32) -> bool {
    let chips = r.count(&format!("chain_acn{n}")).is_some_and(|chips| chips > 0);
    chips || r.text(&format!("chain_acs{n}")).is_some()
}

fn read_board(r: Record<'_>, n: u32, slot: u32, unit: fn(f64) -> Result<HashRate, UnitError>) -> Board {
    let mut board = Board::in_slot(slot);
    board.present = Some(true);
    board.chips = r.small(&format!("chain_acn{n}"), MAX_CHIPS);
    board.hashrate = r.quantity(&format!("chain_rate{n}"), unit);
    board.hashrate_average = r.quantity(&format!("chain_avgrate{n}"), unit);
    board.hashrate_expected =
        r.quantity(&format!("chain_rateideal{n}"), unit).filter(|rate| rate.as_hs() > 0.0);
    board.hardware_errors = r.count(&format!("chain_hw{n}"));
    board.frequency = r.megahertz(&format!("freq_avg{n}")).or_else(|| r.megahertz(&format!("freq{n}")));
    board.power = r.watts(&format!("chain_power{n}"));
    read_chip_map(r, n, &mut board);
    read_temperatures(r, n, &mut board);
    board
}

pub(super) fn read_chip_map(r: Record<'_>, n: u32, board: &mut Board) {
    read_map(r, &format!("chain_acs{n}"), board);
}

/// The chip map under a key.
pub(super) fn read_map(r: Record<'_>, key: &str, board: &mut Board) {
    let Some(text) = r.text(key) else { return };
    let map: String = text.chars().filter(|c| !c.is_whitespace()).take(MAX_CHIPS as usize).collect();
    if !map.chars().all(|c| matches!(c, 'o' | 'O' | 'x' | 'X' | '-' | 'B' | '.')) {
        r.odd(AnomalyKind::BadValue, key, &Value::from(text));
        return;
    }
    let bad = map.chars().filter(|c| matches!(c, 'x' | 'X')).count();
    // All bad at once is a board that is asleep or off, not a board of dead chips.
    board.active = Some(bad < map.len());
    board.chips_bad = u32::try_from(bad).ok().filter(|_| bad < map.len());
    board.chip_map = Some(map.into());
}

/// Lists of four where there are lists, else single numbers: `tempN` the board, `temp2_N` the chips. Newest builds have
/// numbers for the two ends instead.
fn read_temperatures(r: Record<'_>, n: u32, board: &mut Board) {
    let list = |key: &str| -> Vec<Temperature> {
        let values = dash_list(r, key);
        // All zero: absent or switched off.
        if values.iter().all(|v| *v == 0.0) {
            return Vec::new();
        }
        values.into_iter().filter_map(|v| r.sensor(key, v)).collect()
    };
    let ends = |kind: &str| -> Vec<Temperature> {
        ["in", "out"].iter().filter_map(|end| r.celsius_or_zero(&format!("temp_{end}_{kind}_{n}"))).collect()
    };
    let or_ends =
        |sensors: Vec<Temperature>, kind: &str| if sensors.is_empty() { ends(kind) } else { sensors };
    board.board_sensors = or_ends(list(&format!("temp_pcb{n}")), "pcb");
    board.chip_sensors = or_ends(list(&format!("temp_chip{n}")), "chip");
    let single = |key: String| r.celsius_or_zero(&key);
    board.board_temperature =
        board.board_sensors.iter().copied().max().or_else(|| single(format!("temp{n}")));
    board.chip_temperature = board
        .chip_sensors
        .iter()
        .copied()
        .max()
        .or_else(|| single(format!("temp2_{n}")).max(single(format!("temp3_{n}"))));
    board.chip_temperature_min = board.chip_sensors.iter().copied().min();
}
