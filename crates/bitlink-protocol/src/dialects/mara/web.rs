//! The pages of Marathon's web server (`/kaonsu/v1/`, HTTP Digest), as public clients read them; no reply of a real machine was at
//! hand.
//!
//! Rates are in GH/s. Of the rate now one client says TH/s and another GH/s: it is told by its size beside the ideal one.

use crate::dialect::{Answers, Question};
use crate::dialects::antminer;
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, pool_status};
use bitlink_model::{
    Board, Fan, HashRate, Identity, Make, MinerSnapshot, MiningState, Pool, Temperature, Text, Voltage,
};
use serde_json::Value;

pub(super) const OVERVIEW: Question = Question::may_page("overview", "/kaonsu/v1/overview");
const BRIEF: &str = "brief";
const BOARDS: &str = "hash boards";
const DETAILS: &str = "details";
const FANS: &str = "fan page";
const POOLS: &str = "pool page";

/// What a reading asks.
pub(super) const QUESTIONS: [Question; 5] = [
    Question::may_page(BRIEF, "/kaonsu/v1/brief"),
    Question::may_page(BOARDS, "/kaonsu/v1/hashboards"),
    Question::may_page(DETAILS, "/kaonsu/v1/details"),
    Question::may_page(FANS, "/kaonsu/v1/fans"),
    Question::may_page(POOLS, "/kaonsu/v1/pools"),
];

/// More than any machine has.
const MAX_SLOTS: usize = 16;
const MAX_BOARD: u32 = 16;

/// Who the machine is, where the page tells.
pub(super) fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    let Some(r) = answers.page(OVERVIEW.command, oddities) else { return };
    identity.mac = r.text("mac").and_then(|mac| mac.parse().ok()).or(identity.mac);
    identity.control_board = r.text("control_board").map(Text::from);
    if let Some(raw) = r.text("model") {
        identity.make = Some(Make::ANTMINER);
        identity.model = antminer::model(raw);
        identity.model_raw = Some(raw.into());
    }
    if let Some(firmware) = &mut identity.firmware {
        firmware.version = r.word("version_firmware").or(firmware.version.take());
    }
}

/// Whether the page that should tell most came and does not even tell the state.
pub(super) fn is_useless(answers: &Answers) -> bool {
    answers.get(BRIEF).is_some_and(|page| !page.root().contains_key("status"))
}

/// Reads the pages; whether there was anything to read.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) -> bool {
    let Some(r) = answers.page(BRIEF, oddities).filter(|_| !is_useless(answers)) else { return false };
    snapshot.mining_state = match r.text("status") {
        Some("Mining") => Some(MiningState::Mining),
        Some("Sleep" | "Sleeping" | "Stopped") => Some(MiningState::Stopped),
        Some("Starting" | "Initializing") => Some(MiningState::Starting),
        Some("Error" | "Failed") => Some(MiningState::Failed),
        _ => None,
    };
    let ideal = r.ghs("hashrate_ideal").filter(|rate| rate.as_hs() > 0.0);
    snapshot.hashrate.expected = ideal;
    snapshot.hashrate.realtime = now(r, ideal);
    snapshot.power = r.watts("power_consumption_estimated");
    snapshot.elapsed = r.seconds("elapsed");
    for r in answers.page(BOARDS, oddities).map(|r| r.records("hashboards")).unwrap_or_default() {
        snapshot.boards.extend(board(r));
    }
    snapshot.boards.truncate(MAX_SLOTS);
    for r in answers.page(DETAILS, oddities).map(|r| r.records("hashboard_infos")).unwrap_or_default() {
        let slot = r.small("index", MAX_BOARD);
        if let Some(board) = snapshot.boards.iter_mut().find(|board| Some(board.slot) == slot) {
            board.hashrate_expected = r.ghs("hashrate_ideal").filter(|rate| rate.as_hs() > 0.0);
            board.voltage = r.voltage("voltage", Voltage::from_volts);
            board.frequency = r.megahertz("frequency_avg");
        }
    }
    snapshot.boards.sort_by_key(|board| board.slot);
    let fans = answers.page(FANS, oddities).map(|r| r.records("fans")).unwrap_or_default();
    let speeds = fans.into_iter().take(MAX_SLOTS).filter_map(|r| r.rpm("current_speed"));
    snapshot.fans = (0..).zip(speeds).map(|(index, rpm)| Fan::new(index, rpm)).collect();
    let pools = answers.page(POOLS, oddities).map(|r| r.records(crate::LIST)).unwrap_or_default();
    snapshot.pools = pools.into_iter().take(MAX_SLOTS).filter_map(pool).collect();
    let sum =
        |count: fn(&Pool) -> Option<u64>| snapshot.pools.iter().filter_map(count).reduce(u64::saturating_add);
    let shares = &mut snapshot.shares;
    (shares.accepted, shares.rejected, shares.stale) =
        (sum(|p| p.accepted), sum(|p| p.rejected), sum(|p| p.stale));
    true
}

/// A board of the smallest machine that the firmware runs on does more.
const LEAST_HS: f64 = 1e12;

/// The rate now: in GH/s, unless that would be less than a hundredth of the ideal one and TH/s would not. Where the ideal one is
/// not told, less than any of these machines does.
fn now(r: Record<'_>, ideal: Option<HashRate>) -> Option<HashRate> {
    let rate = r.ghs("hashrate_realtime")?;
    let least = ideal.map_or(LEAST_HS, |ideal| ideal.as_hs() / 100.0);
    let is_ths = rate.as_hs() > 0.0 && rate.as_hs() < least;
    if is_ths { r.quantity("hashrate_realtime", HashRate::from_ths) } else { Some(rate) }
}

fn board(r: Record<'_>) -> Option<Board> {
    let mut board = Board::in_slot(r.small("index", MAX_BOARD)?);
    board.present = Some(true);
    board.hashrate_average = r.ghs("hashrate_average");
    board.chips = r.small("asic_num", MAX_CHIPS);
    board.serial = r.text("serial_number").map(Text::from);
    board.board_sensors = sensors(r, "temperature_pcb");
    board.chip_sensors = sensors(r, "temperature_chip");
    board.board_temperature = board.board_sensors.iter().copied().max();
    board.chip_temperature = board.chip_sensors.iter().copied().max();
    Some(board)
}

fn sensors(r: Record<'_>, key: &str) -> Vec<Temperature> {
    let list = r.raw(key).and_then(Value::as_array).into_iter().flatten().take(MAX_SLOTS);
    list.filter_map(Value::as_f64).filter(|c| *c != 0.0).filter_map(|c| r.sensor(key, c)).collect()
}

fn pool(r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url").filter(|url| !url.is_empty())?.into());
    pool.id = r.small("index", 10_000).unwrap_or_default();
    pool.user = r.text("user").map(Text::from);
    pool.priority = r.integer("priority");
    pool.status = r.text("status").map(pool_status);
    pool.accepted = r.count("accepted");
    pool.rejected = r.count("rejected");
    pool.stale = r.count("stale");
    pool.discarded = r.count("discarded");
    Some(pool)
}
