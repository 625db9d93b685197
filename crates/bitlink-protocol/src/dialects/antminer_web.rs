//! The pages of Bitmain's web server since 2020 (`/cgi-bin/*.cgi`), read where TCP 4028 is shut or lets nobody ask.
//!
//! They tell the same with other keys: a `STATUS` that is no list, boards and fans in lists, and rates whose unit is
//! written beside them. A machine that sleeps has no record in `stats` and `summary`.

use super::{antminer, base};
use crate::decode::Document;
use crate::dialect::{Answers, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, clock_age, pool_status};
use bitlink_model::{
    Board, Component, DeviceError, FanSpeed, HashRate, MinerSnapshot, Pool, Severity, Temperature, Text,
};
use serde_json::Value;

pub(super) const STATS: &str = "stats.cgi";
pub(super) const SUMMARY: &str = "summary.cgi";
const POOLS: &str = "pools.cgi";

/// Instead of the API's answers.
pub(super) const STATS_PAGE: Question = Question::may_page(STATS, "/cgi-bin/stats.cgi").in_place_of("stats");
/// Instead of the API's answers.
pub(super) const SUMMARY_PAGE: Question =
    Question::may_page(SUMMARY, "/cgi-bin/summary.cgi").in_place_of("summary");
/// Instead of the API's answers.
pub(super) const POOLS_PAGE: Question = Question::may_page(POOLS, "/cgi-bin/pools.cgi").in_place_of("pools");
/// Asked when nothing at all was answered: why it is not is why there is no reading.
pub(super) const LAST_RESORT: Question = Question::must_page("statistics", "/cgi-bin/stats.cgi");

/// More boards and slots for fans and pools than any machine has.
pub(super) const MAX_SLOTS: usize = 16;

/// Whether the web server alone marks Bitmain's own firmware, of any age: the API says nothing of itself, and who asks for
/// a page is asked for a password in Bitmain's words.
pub(super) fn is_web_only(evidence: &Evidence) -> bool {
    let silent =
        evidence.answers.get("version").and_then(Document::status).is_none_or(|status| status.is_failure());
    silent
        && evidence.shows("REALM=\"ANTMINER CONFIGURATION\"")
        && !antminer::CUSTOM.iter().any(|mark| evidence.says(mark) || evidence.shows(mark))
}

/// Whether the system's page is of the generation before the S19: it does not yet say of what kind the firmware is, and
/// was built in 2020 at the latest.
pub(super) fn is_old(evidence: &Evidence) -> bool {
    let Some(document) = evidence.answers.get(antminer::SYSTEM_INFO.command) else { return false };
    let text = |key: &str| document.root().get(key).and_then(Value::as_str);
    let built =
        text("system_filesystem_version").and_then(|date| date.split_whitespace().last()?.parse().ok());
    text("firmware_type").is_none() && built.is_some_and(|year: u32| (2009..=2020).contains(&year))
}

/// Whether there is anything to read, from the API or from these pages.
pub(super) fn is_answered(heard: &Answers) -> bool {
    ["stats", "summary", STATS, SUMMARY].iter().any(|name| heard.get(name).is_some())
}

/// Reads the pages that were asked for.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(r) = answers.record(STATS, "STATS", oddities) {
        read_totals(r, snapshot);
        read_boards(r, snapshot);
        read_fans(r, snapshot);
    }
    if let Some(r) = answers.record(SUMMARY, "SUMMARY", oddities) {
        read_totals(r, snapshot);
        snapshot.shares.hardware_errors = r.count("hw_all").or(snapshot.shares.hardware_errors);
        snapshot.shares.best_share = r.difficulty("bestshare").or(snapshot.shares.best_share);
        read_states(r, snapshot);
    }
    if answers.get(POOLS).is_some() {
        let pools = answers.records(POOLS, "POOLS", oddities);
        snapshot.pools = pools.into_iter().take(MAX_SLOTS).filter_map(pool).collect();
        let sum = |count: fn(&Pool) -> Option<u64>| -> Option<u64> {
            let counts: Vec<u64> = snapshot.pools.iter().filter_map(count).collect();
            (!counts.is_empty()).then(|| counts.into_iter().fold(0, u64::saturating_add))
        };
        let (accepted, rejected, stale) = (sum(|p| p.accepted), sum(|p| p.rejected), sum(|p| p.stale));
        let shares = &mut snapshot.shares;
        shares.accepted = shares.accepted.or(accepted);
        shares.rejected = shares.rejected.or(rejected);
        shares.stale = shares.stale.or(stale);
    }
}

fn read_totals(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let unit = antminer::rate_unit(r);
    let rates = &mut snapshot.hashrate;
    rates.realtime = rates.realtime.or_else(|| r.quantity("rate_5s", unit));
    rates.thirty_minutes = rates.thirty_minutes.or_else(|| r.quantity("rate_30m", unit));
    rates.average = rates.average.or_else(|| r.quantity("rate_avg", unit));
    rates.expected =
        rates.expected.or_else(|| r.quantity("rate_ideal", unit).filter(|rate| rate.as_hs() > 0.0));
    snapshot.elapsed = snapshot.elapsed.or_else(|| r.seconds("elapsed"));
    snapshot.power = snapshot
        .power
        .or_else(|| r.watts("watt"))
        .or_else(|| r.watts("power"))
        .or_else(|| r.watts("Power"))
        .or_else(|| r.watts("chain_power"));
}

fn read_boards(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let unit = antminer::rate_unit(r);
    let chains = r.raw("chain").and_then(Value::as_array).into_iter().flatten();
    let chains = chains.filter_map(Value::as_object).map(|map| r.sibling(map)).take(MAX_SLOTS);
    let boards = (0..).zip(chains).filter_map(|(position, chain)| read_board(chain, position, unit));
    snapshot.boards = boards.collect();
    base::sort_boards(&mut snapshot.boards);
}

/// A board; an entry without chips and without a map of them is an empty slot.
fn read_board(
    r: Record<'_>,
    position: u32,
    unit: fn(f64) -> Result<HashRate, bitlink_model::UnitError>,
) -> Option<Board> {
    let chips = r.small("asic_num", MAX_CHIPS).filter(|chips| *chips > 0);
    if chips.is_none() && r.text("asic").is_none() {
        return None;
    }
    let mut board = Board::in_slot(r.small("index", 64).unwrap_or(position));
    board.present = Some(true);
    board.chips = chips;
    board.serial = r.text("sn").map(Text::from);
    board.hashrate = r.quantity("rate_real", unit);
    board.hashrate_expected = r.quantity("rate_ideal", unit).filter(|rate| rate.as_hs() > 0.0);
    board.hardware_errors = r.count("hw");
    board.frequency = r.megahertz("freq_avg");
    antminer::read_map(r, "asic", &mut board);
    board.board_sensors = sensors(r, "temp_pcb");
    board.chip_sensors = sensors(r, "temp_chip");
    board.board_temperature = board.board_sensors.iter().copied().max();
    board.chip_temperature = board.chip_sensors.iter().copied().max();
    board.chip_temperature_min = board.chip_sensors.iter().copied().min();
    Some(board)
}

/// The numbers of a list.
pub(super) fn numbers(r: Record<'_>, key: &str) -> Vec<f64> {
    let list = r.raw(key).and_then(Value::as_array).into_iter().flatten();
    list.take(MAX_SLOTS).filter_map(Value::as_f64).collect()
}

/// The sensors of a list. All zero: absent or switched off.
fn sensors(r: Record<'_>, key: &str) -> Vec<Temperature> {
    let values = numbers(r, key);
    if values.iter().all(|value| *value == 0.0) {
        return Vec::new();
    }
    values.into_iter().filter_map(|value| r.sensor(key, value)).collect()
}

fn read_fans(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let speeds = numbers(r, "fan").into_iter().filter_map(|rpm| Some((FanSpeed::from_rpm(rpm).ok()?, None)));
    snapshot.fans = base::fitted_fans(speeds, r.small("fan_num", 16));
}

/// What the firmware thinks of its rate, network, fans and temperatures: `s` is well.
fn read_states(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let states = r.raw("status").and_then(Value::as_array).into_iter().flatten();
    for state in states.filter_map(Value::as_object).map(|map| r.sibling(map)).take(MAX_SLOTS) {
        let severity = match state.text("status") {
            Some("e") => Severity::Critical,
            Some("w") => Severity::Warning,
            _ => continue,
        };
        let kind = state.text("type").unwrap_or("machine");
        let message = match state.text("msg") {
            Some(message) => format!("{kind}: {message}"),
            None => format!("{kind}: the firmware reports a fault"),
        };
        let error = DeviceError::new(severity, message);
        let error = match state.integer("code").filter(|code| *code != 0) {
            Some(code) => error.with_code(code.to_string()),
            None => error,
        };
        snapshot.errors.push(match kind {
            "fans" | "fan" => error.about(Component::Fan(None)),
            "network" => error.about(Component::Pool),
            "temp" => error.about(Component::Temperature),
            _ => error,
        });
    }
}

/// A pool; an empty slot is none.
pub(super) fn pool(r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url")?.into());
    pool.id = r.small("index", 10_000).unwrap_or_default();
    pool.user = r.text("user").map(Text::from);
    pool.status = r.text("status").map(pool_status);
    pool.priority = r.integer("priority");
    pool.accepted = r.count("accepted");
    pool.rejected = r.count("rejected");
    pool.stale = r.count("stale");
    pool.discarded = r.count("discarded");
    pool.difficulty = r.known_difficulty("diff");
    pool.difficulty_accepted = r.difficulty("diffa");
    pool.difficulty_rejected = r.difficulty("diffr");
    pool.difficulty_stale = r.difficulty("diffs");
    pool.last_share_difficulty = r.known_difficulty("lsdiff");
    pool.last_share_age = r.text("lstime").and_then(clock_age);
    Some(pool)
}
