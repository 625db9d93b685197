//! The pages of VNish's web server, versions 1.2 and 1.3 (VNish API document). Reading wants no login; only settings do.
//!
//! Rates are in the unit that `info` names; the pools of the developers stand among the user's.

use super::is_developers;
use crate::dialect::{Answers, Question};
use crate::dialects::antminer;
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, clock_age};
use bitlink_model::{
    Board, Component, DeviceError, Fan, HashRate, Identity, Make, MinerSnapshot, MiningState,
    NetworkIdentity, Pool, PoolStatus, Psu, Severity, Span, Text, UnitError, Voltage,
};

pub(super) const INFO: Question = Question::may_page("info", "/api/v1/info");
const MINER: &str = "miner summary";
const STATUS: &str = "status page";
const FACTORY: &str = "factory info";

/// What a reading asks. The summary says all that the API does, and more.
pub(super) const QUESTIONS: [Question; 4] = [
    INFO,
    Question::may_page(MINER, "/api/v1/summary"),
    Question::may_page(STATUS, "/api/v1/status"),
    Question::may_page(FACTORY, "/api/v1/chains/factory-info"),
];

/// More than any machine has.
const MAX_SLOTS: usize = 16;
const MAX_BOARD: u32 = 16;

/// Whether the page that should tell all came and tells nothing of a miner, not even that there is none just now.
pub(super) fn is_useless(answers: &Answers) -> bool {
    answers.get(MINER).is_some_and(|page| !page.root().contains_key("miner"))
}

/// Who the machine is, where the page tells.
pub(super) fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    let Some(r) = answers.page(INFO.command, oddities) else { return };
    if let Some(raw) = r.text("miner") {
        identity.make = Some(Make::ANTMINER);
        identity.model = antminer::model(raw);
        identity.model_raw = Some(raw.into());
    }
    if let Some(firmware) = &mut identity.firmware {
        firmware.version = r.word("fw_version").or(firmware.version.take());
        firmware.software = r.text("fw_name").map(Text::from).or(firmware.software.take());
    }
    identity.serial = r.text("serial").map(Text::from).or(identity.serial.take());
    identity.control_board = r.text("platform").map(Text::from);
    let Some(network) = r.record("system").and_then(|r| r.record("network_status")) else { return };
    identity.mac = network.text("mac").and_then(|mac| mac.parse().ok()).or(identity.mac);
    identity.hostname = network.text("hostname").map(Text::from).or(identity.hostname.take());
    identity.network = Some(NetworkIdentity {
        dhcp: network.flag("dhcp"),
        ip: network.text("ip").and_then(|ip| ip.parse().ok()),
        netmask: network.text("netmask").map(Text::from),
        gateway: network.text("gateway").map(Text::from),
        ..NetworkIdentity::default()
    });
}

/// Reads the pages; whether there was anything to read.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) -> bool {
    let Some(page) = answers.page(MINER, oddities).filter(|_| !is_useless(answers)) else { return false };
    read_identity(answers, &mut snapshot.identity, oddities);
    let system = answers.page(INFO.command, oddities).and_then(|r| r.record("system"));
    snapshot.uptime = system.and_then(|r| r.text("uptime")).and_then(uptime);
    let status = answers.page(STATUS, oddities);
    snapshot.light = status.and_then(|r| r.flag("find_miner").or_else(|| r.flag("find-miner")));
    // `null` while the mining program has not started.
    let miner = page.record("miner");
    if let Some(r) = miner.and_then(|r| r.record("miner_status")).or(status) {
        read_state(r, snapshot);
    }
    if let Some(r) = miner {
        read_miner(r, unit(answers, oddities), snapshot);
    }
    if let Some(r) = answers.page(FACTORY, oddities) {
        read_factory(r, snapshot);
    }
    true
}

/// The unit of every rate, as a constructor.
fn unit(answers: &Answers, oddities: &Oddities) -> fn(f64) -> Result<HashRate, UnitError> {
    let info = answers.page(INFO.command, oddities);
    match info.and_then(|r| r.text("hr_measure")) {
        Some("TH/s") => HashRate::from_ths,
        Some("MH/s") => HashRate::from_mhs,
        _ => HashRate::from_ghs,
    }
}

/// `1 day, 2:03` or `2:03`: days, hours and minutes since the machine booted.
fn uptime(text: &str) -> Option<Span> {
    let (days, clock) = match text.split_once(", ") {
        Some((days, clock)) => (days.split_whitespace().next()?.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let (hours, minutes) = clock.trim().split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.get(..2)?.parse().ok()?);
    let possible = days < 100_000 && hours < 24 && minutes < 60;
    possible.then(|| Span::from_seconds((days * 24 + hours) * 3_600 + minutes * 60))
}

fn read_state(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.mining_state = match r.text("miner_state") {
        Some("mining") => Some(MiningState::Mining),
        Some("initializing" | "starting" | "auto-tuning" | "restarting") => Some(MiningState::Starting),
        Some("shutting-down" | "stopped") => Some(MiningState::Stopped),
        Some("failure") => Some(MiningState::Failed),
        _ => None,
    };
    let code = r.word("failure_code").filter(|code| code != "0");
    let description = r.text("description").filter(|text| !text.is_empty());
    if code.is_some() || description.is_some() && snapshot.mining_state == Some(MiningState::Failed) {
        let message = description.map(Text::from).or_else(|| code.clone()).unwrap_or_default();
        let mut error = DeviceError::new(Severity::Critical, message);
        error.code = code;
        snapshot.errors.push(error);
    }
}

fn read_miner(r: Record<'_>, unit: fn(f64) -> Result<HashRate, UnitError>, snapshot: &mut MinerSnapshot) {
    let rates = &mut snapshot.hashrate;
    rates.realtime = r.quantity("hr_realtime", unit);
    rates.average = r.quantity("hr_average", unit);
    rates.expected = r.quantity("hr_nominal", unit).filter(|rate| rate.as_hs() > 0.0);
    snapshot.power = r.watts("power_consumption");
    let temperatures = &mut snapshot.temperatures;
    temperatures.board_max = r.record("pcb_temp").and_then(|r| r.celsius_or_zero("max"));
    temperatures.chip_max = r.record("chip_temp").and_then(|r| r.celsius_or_zero("max"));
    temperatures.chip_min = r.record("chip_temp").and_then(|r| r.celsius_or_zero("min"));
    let shares = &mut snapshot.shares;
    shares.hardware_errors = r.count("hw_errors");
    shares.found_blocks = r.count("found_blocks");
    shares.best_share = r.difficulty("best_share");
    snapshot.pools = r.records("pools").into_iter().take(MAX_SLOTS).filter_map(pool).collect();
    let sum =
        |count: fn(&Pool) -> Option<u64>| snapshot.pools.iter().filter_map(count).reduce(u64::saturating_add);
    (shares.accepted, shares.rejected, shares.stale) =
        (sum(|p| p.accepted), sum(|p| p.rejected), sum(|p| p.stale));
    if let Some(cooling) = r.record("cooling") {
        let duty = cooling.percent("fan_duty");
        for (index, r) in (0..).zip(cooling.records("fans")).take(MAX_SLOTS) {
            let Some(rpm) = r.rpm("rpm") else { continue };
            let mut fan = Fan::new(index, rpm);
            fan.duty = duty;
            if r.text("status") == Some("lost") {
                let error =
                    DeviceError::new(Severity::Warning, "fan lost").about(Component::Fan(Some(index)));
                snapshot.errors.push(error);
            }
            snapshot.fans.push(fan);
        }
        let mode = cooling.record("settings").and_then(|r| r.record("mode"));
        if mode.and_then(|r| r.text("name")).is_some_and(|name| name.starts_with("immers")) {
            snapshot.tuning.liquid_cooled = Some(true);
        }
    }
    let boards = r.records("chains").into_iter().take(MAX_SLOTS).filter_map(|r| board(r, unit, snapshot));
    snapshot.boards = boards.collect();
    snapshot.boards.sort_by_key(|board| board.slot);
}

/// A pool of the user's.
fn pool(r: Record<'_>) -> Option<Pool> {
    let theirs = r.text("pool_type").is_some_and(|kind| kind != "UserPool");
    let mut pool = Pool::default();
    pool.url = r.text("url").filter(|url| !url.is_empty()).map(Text::from);
    pool.user = r.text("user").map(Text::from);
    if theirs || pool.url.is_none() || is_developers(&pool) {
        return None;
    }
    pool.id = r.small("id", 10_000).unwrap_or_default();
    pool.priority = r.integer("id");
    let status = r.text("status");
    pool.status = status.map(|status| match status {
        "working" | "active" => PoolStatus::Alive,
        "offline" => PoolStatus::Dead,
        "disabled" => PoolStatus::Disabled,
        "rejecting" => PoolStatus::Rejecting,
        _ => PoolStatus::Unknown,
    });
    // `working` is the one in use, `active` one that could be.
    pool.active = status.map(|status| status == "working");
    pool.accepted = r.count("accepted");
    pool.rejected = r.count("rejected");
    pool.stale = r.count("stale");
    pool.difficulty = r.known_difficulty("diff");
    pool.last_share_age = r.text("ls_time").and_then(clock_age);
    Some(pool)
}

fn board(
    r: Record<'_>,
    unit: fn(f64) -> Result<HashRate, UnitError>,
    snapshot: &MinerSnapshot,
) -> Option<Board> {
    let mut board = Board::in_slot(r.small("id", MAX_BOARD)?.checked_sub(1)?);
    let status = r.record("status");
    let state = status.and_then(|r| r.text("state"));
    board.present = Some(state != Some("disconnected"));
    board.active = state.map(|state| state == "mining");
    board.status = state.map(Text::from);
    board.hashrate = r.quantity("hashrate_rt", unit);
    board.hashrate_expected = r.quantity("hashrate_ideal", unit).filter(|rate| rate.as_hs() > 0.0);
    board.frequency = r.megahertz("frequency");
    board.voltage = r.voltage("voltage", |mv| Voltage::from_volts(mv / 1e3));
    board.power = r.watts("power_consumption");
    board.hardware_errors = r.count("hw_errors");
    board.board_temperature = r.record("pcb_temp").and_then(|r| r.celsius_or_zero("max"));
    board.chip_temperature = r.record("chip_temp").and_then(|r| r.celsius_or_zero("max"));
    board.chip_temperature_min = r.record("chip_temp").and_then(|r| r.celsius_or_zero("min"));
    if let Some(grades) = r.record("chip_statuses") {
        let count = |grade| grades.small(grade, MAX_CHIPS);
        board.chips_bad = count("red");
        board.chips = match (count("red"), count("orange"), count("grey")) {
            (Some(red), Some(orange), Some(grey)) => Some(red + orange + grey),
            _ => None,
        }
        // Nothing is counted where nothing runs.
        .filter(|chips| *chips > 0 || snapshot.mining_state == Some(MiningState::Mining));
    }
    Some(board)
}

fn read_factory(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let model = r.text("psu_model").map(Text::from);
    let serial = r.text("psu_serial").map(Text::from);
    if model.is_some() || serial.is_some() {
        let mut psu = Psu::default();
        (psu.model, psu.serial) = (model, serial);
        snapshot.psus.push(psu);
    }
    for r in r.records("chains") {
        let slot = r.small("id", MAX_BOARD).and_then(|id| id.checked_sub(1));
        if let Some(board) = snapshot.boards.iter_mut().find(|board| Some(board.slot) == slot) {
            board.serial = r.text("serial").map(Text::from);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Texts that hold times.
    use super::*;

    #[test]
    fn times_since_the_boot_in_every_form() {
        let seconds = |text| uptime(text).map(Span::as_seconds);
        assert_eq!(seconds("1 day, 2:03"), Some(93_780));
        assert_eq!(seconds("12 days, 23:59"), Some(1_123_140));
        assert_eq!(seconds("0:07"), Some(420));
        assert_eq!(seconds("2:03:04"), Some(7_380));
        for text in
            ["", "now", "1 day", "1 day, 25:00", "-1 day, 1:00", "9999999999999999999 days, 1:00", "1:6"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
