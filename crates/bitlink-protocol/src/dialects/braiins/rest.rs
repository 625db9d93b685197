//! Braiins OS from 25.07 on: its REST API (Braiins OS public API). Everything but its version wants a token, which any of the two
//! passwords that it is delivered with may give. Any object may be `null`.

use super::super::base;
use super::commands;
use crate::acting::{ActError, Order, Plan};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::http::{HttpReply, HttpRequest, WEB_PORT};
use crate::record::{Oddities, Record};
use crate::replies::MAX_CHIPS;
use bitlink_model::{
    Board, Capabilities, Component, DeviceError, Family, Fan, Firmware, Frequency, HashRate, Identity,
    MinerSnapshot, MiningState, Pool, PoolStatus, Psu, Ratio, Severity, Temperature, Text, Voltage,
};
use serde_json::Value;

/// Braiins OS with its REST API.
#[derive(Debug)]
pub struct BraiinsRest;

/// Open to everybody; trailing slashes matter.
pub(super) const VERSION: Question = Question::may_page("rest version", "/api/v1/version/");
const DETAILS: Question = Question::may_page("miner details", "/api/v1/miner/details");
const STATS: &str = "miner stats";
const BOARDS: &str = "hash boards";
const COOLING: &str = "cooling state";
const TUNER: &str = "tuner state";
const POOLS: &str = "pool groups";
const ERRORS: &str = "errors";

/// More than any machine has.
const MAX_SLOTS: usize = 16;
const MAX_BOARD: u32 = 16;
const MAX_ERRORS: usize = 64;

impl Dialect for BraiinsRest {
    fn family(&self) -> Family {
        Family::BRAIINS
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let version = evidence.answers.get(VERSION.command);
        let marked = ["BRAIINS OS", "BOSMINER", "BOSER"];
        version.is_some_and(|page| page.root().contains_key("major"))
            && marked.iter().any(|mark| evidence.shows(mark) || evidence.says(mark))
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[DETAILS] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.firmware = Some(Firmware::new(self.family()));
        read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            &[
                DETAILS,
                Question::must_page(STATS, "/api/v1/miner/stats"),
                Question::may_page(BOARDS, "/api/v1/miner/hw/hashboards"),
                Question::may_page(COOLING, "/api/v1/cooling/state"),
                Question::may_page(TUNER, "/api/v1/performance/tuner-state"),
                Question::may_page(POOLS, "/api/v1/pools/"),
                Question::may_page(ERRORS, "/api/v1/miner/errors"),
            ]
        }
    }

    fn auth(&self) -> Auth {
        Auth::Login(&Token)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", ""), ("root", "root")]
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities_rest()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan_rest(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read_identity(answers, &mut snapshot.identity, oddities);
        if let Some(r) = answers.page(DETAILS.command, oddities) {
            read_details(r, snapshot);
        }
        if let Some(r) = answers.page(STATS, oddities) {
            read_stats(r, snapshot);
        }
        read_boards(answers, snapshot, oddities);
        let fans = answers.page(COOLING, oddities).map(|r| r.records("fans")).unwrap_or_default();
        snapshot.fans = (0..).zip(fans).take(MAX_SLOTS).filter_map(|(n, r)| fan(n, r)).collect();
        if let Some(r) = answers.page(TUNER, oddities) {
            read_tuner(r, snapshot);
        }
        let groups = answers.page(POOLS, oddities).map(|r| r.records(crate::LIST)).unwrap_or_default();
        let pools = groups.into_iter().flat_map(|group| group.records("pools")).take(MAX_SLOTS);
        snapshot.pools = (0..).zip(pools).filter_map(|(position, r)| pool(position, r)).collect();
        let errors = answers.page(ERRORS, oddities).map(|r| r.records("errors")).unwrap_or_default();
        snapshot.errors.extend(errors.into_iter().take(MAX_ERRORS).filter_map(error));
        base::estimated_power(snapshot);
    }
}

/// A name and a password for a token, which goes alone into its header.
#[derive(Debug)]
struct Token;

impl Login for Token {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let body = serde_json::json!({ "username": credentials.user, "password": credentials.password });
        HttpRequest::post("/api/v1/auth/login", "application/json", body.to_string())
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let token = body.as_ref().and_then(|body| body.get("token")?.as_str());
        match token.filter(|token| !token.is_empty()) {
            Some(token) => Ok(Pass::header("Authorization", token)),
            None => Err(Refusal::WrongCredentials),
        }
    }

    fn is_on_demand(&self) -> bool {
        true
    }
}

fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    let Some(r) = answers.page(DETAILS.command, oddities) else { return };
    let named = r.record("miner_identity");
    let raw = named.and_then(|r| r.text("miner_model").or_else(|| r.text("name")));
    if let Some(raw) = raw {
        (identity.make, identity.model) = base::make_and_model(raw);
        identity.model_raw = Some(raw.into());
    }
    identity.mac = r.text("mac_address").and_then(|mac| mac.parse().ok());
    identity.serial = r.text("serial_number").map(Text::from);
    identity.hostname = r.text("hostname").map(Text::from);
    if let Some(firmware) = &mut identity.firmware {
        firmware.version = r.record("bos_version").and_then(|r| r.text("current")).map(Text::from);
    }
}

fn read_details(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.mining_state = match r.integer("status") {
        Some(1) => Some(MiningState::Starting),
        Some(2) => Some(MiningState::Mining),
        Some(3 | 4) => Some(MiningState::Stopped),
        // Restricted, and whatever a later version may say.
        _ => None,
    };
    snapshot.uptime = r.seconds("system_uptime_s").or_else(|| r.seconds("system_uptime"));
    snapshot.elapsed = r.seconds("bosminer_uptime_s");
    if let Some(r) = r.record("psu_info") {
        let mut psu = Psu::default();
        psu.model = r.text("model_name").map(Text::from);
        psu.serial = r.text("serial_number").map(Text::from);
        psu.firmware = r.word("fw_version");
        if psu != Psu::default() {
            snapshot.psus.push(psu);
        }
    }
}

/// A rate of a window or a kind.
fn rate(r: Record<'_>, key: &str) -> Option<HashRate> {
    let r = r.record(key)?;
    r.ghs("gigahash_per_second").or_else(|| r.quantity("terahash_per_second", HashRate::from_ths))
}

fn read_stats(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if let Some(r) = r.record("miner_stats") {
        let rates = &mut snapshot.hashrate;
        if let Some(real) = r.record("real_hashrate") {
            rates.realtime = rate(real, "last_5s");
            rates.one_minute = rate(real, "last_1m");
            rates.five_minutes = rate(real, "last_5m");
            rates.fifteen_minutes = rate(real, "last_15m");
            rates.thirty_minutes = rate(real, "last_30m");
            rates.one_hour = rate(real, "last_1h");
            rates.one_day = rate(real, "last_24h");
            rates.average = rate(real, "since_restart");
        }
        rates.expected = rate(r, "nominal_hashrate").filter(|rate| rate.as_hs() > 0.0);
        snapshot.shares.best_share = r.difficulty("best_share");
        snapshot.shares.found_blocks = r.count("found_blocks");
        base::drop_unfilled_windows(snapshot);
    }
    if let Some(r) = r.record("pool_stats") {
        let shares = &mut snapshot.shares;
        shares.accepted = r.count("accepted_shares");
        shares.rejected = r.count("rejected_shares");
        shares.stale = r.count("stale_shares");
    }
    snapshot.power = r
        .record("power_stats")
        .and_then(|r| r.record("approximated_consumption"))
        .and_then(|r| r.watts("watt"));
}

fn celsius(r: Record<'_>, key: &str) -> Option<Temperature> {
    let r = r.record(key)?;
    r.record("temperature").unwrap_or(r).celsius_or_zero("degree_c")
}

fn read_boards(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let boards = answers.page(BOARDS, oddities).map(|r| r.records("hashboards")).unwrap_or_default();
    // Numbered as the control board's connectors are.
    let first = boards.iter().filter_map(|r| r.small("id", MAX_BOARD)).min();
    let first = if first.is_some_and(|first| first >= 6) { 6 } else { 1 };
    for r in boards.into_iter().take(MAX_SLOTS) {
        let Some(slot) = r.small("id", MAX_BOARD).and_then(|id| id.checked_sub(first)) else { continue };
        let mut board = Board::in_slot(slot);
        board.present = Some(true);
        board.active = r.flag("enabled");
        board.chips = r.small("chips_count", MAX_CHIPS).filter(|chips| *chips > 0);
        board.serial = r.text("serial_number").map(Text::from);
        board.frequency =
            r.record("current_frequency").and_then(|r| r.quantity("hertz", Frequency::from_hertz));
        board.voltage = r.record("current_voltage").and_then(|r| r.voltage("volt", Voltage::from_volts));
        board.board_temperature = celsius(r, "board_temp");
        board.chip_temperature = celsius(r, "highest_chip_temp");
        if let Some(stats) = r.record("stats") {
            let real = stats.record("real_hashrate");
            board.hashrate = real.and_then(|real| rate(real, "last_5s"));
            board.hashrate_average = real.and_then(|real| rate(real, "since_restart"));
            board.hashrate_expected = rate(stats, "nominal_hashrate").filter(|rate| rate.as_hs() > 0.0);
        }
        let coldest =
            |known: Option<Temperature>, new: Option<Temperature>| known.into_iter().chain(new).min();
        let hottest =
            |known: Option<Temperature>, new: Option<Temperature>| known.into_iter().chain(new).max();
        let temperatures = &mut snapshot.temperatures;
        temperatures.inlet = coldest(temperatures.inlet, celsius(r, "lowest_inlet_temp"));
        temperatures.outlet = hottest(temperatures.outlet, celsius(r, "highest_outlet_temp"));
        snapshot.boards.push(board);
    }
    base::sort_boards(&mut snapshot.boards);
}

fn fan(position: u32, r: Record<'_>) -> Option<Fan> {
    let mut fan = Fan::new(position, r.rpm("rpm")?);
    fan.duty = r.number("target_speed_ratio").and_then(|ratio| Ratio::from_percent(ratio * 100.0).ok());
    Some(fan)
}

fn read_tuner(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.tuning.settled = match r.integer("overall_tuner_state") {
        Some(2) => Some(true),
        Some(3) => Some(false),
        _ => None,
    };
    let Some(mode) = r.record("mode_state") else { return };
    if let Some(r) = mode.record("powertargetmodestate") {
        snapshot.tuning.mode = Some("power target".into());
        snapshot.power_limit = r.record("current_target").and_then(|r| r.watts("watt"));
    } else if mode.record("hashratetargetmodestate").is_some() {
        snapshot.tuning.mode = Some("hash rate target".into());
    } else if mode.record("manualmodestate").is_some() {
        snapshot.tuning.mode = Some("manual".into());
    }
}

fn pool(position: u32, r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url").filter(|url| !url.is_empty())?.into());
    pool.id = position;
    pool.priority = Some(position.into());
    pool.user = r.text("user").map(Text::from);
    pool.active = r.flag("active");
    pool.status = match (r.flag("enabled"), r.flag("alive")) {
        (Some(false), _) => Some(PoolStatus::Disabled),
        (_, Some(true)) => Some(PoolStatus::Alive),
        (_, Some(false)) => Some(PoolStatus::Dead),
        _ => None,
    };
    if let Some(r) = r.record("stats") {
        pool.accepted = r.count("accepted_shares");
        pool.rejected = r.count("rejected_shares");
        pool.stale = r.count("stale_shares");
        pool.difficulty = r.known_difficulty("last_difficulty");
    }
    Some(pool)
}

fn error(r: Record<'_>) -> Option<DeviceError> {
    let codes = r.records("error_codes");
    let code = codes.iter().find_map(|r| r.word("code"));
    let message = r.text("message").map(Text::from).or_else(|| code.clone())?;
    let mut error = DeviceError::new(Severity::Warning, message);
    error.code = code;
    error.since = r.text("timestamp").map(ToOwned::to_owned).map(Text::from);
    // How boards and fans are numbered here is not known.
    error.component = r.records("components").first().and_then(|r| {
        let name = r.text("name")?.to_ascii_lowercase();
        let is = |words: [&str; 2]| words.iter().any(|word| name.contains(word));
        if is(["board", "chain"]) {
            Some(Component::Board(None))
        } else if is(["fan", "cooling"]) {
            Some(Component::Fan(None))
        } else {
            is(["psu", "power"]).then_some(Component::Psu)
        }
    });
    Some(error)
}
