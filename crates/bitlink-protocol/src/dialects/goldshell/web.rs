//! The pages of Goldshell's web server (`/mcb/`), as its own page asks for them and as public farm software and the owners of
//! machines describe them (crProductGuy/goldshell-box-tools, replies of CK5, LT5 and HS5 in foreman-apps).
//!
//! What the machine is may be asked by everybody; of the rest older versions tell everybody and newer ones who brings a
//! token. Rates are in MH/s.

use super::model;
use crate::asking::{Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::decode::Document;
use crate::dialect::{Answers, Evidence, Question};
use crate::http::{HttpReply, HttpRequest, form};
use crate::record::{Oddities, Record};
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};
use bitlink_model::{
    Board, Component, DeviceError, Fan, FanSpeed, HashRate, Identity, MinerSnapshot, MiningState, Pool,
    PoolStatus, Severity, Source, Temperature, Text,
};
use serde_json::Value;
use std::fmt::Write;

/// The name under which a stranger's `/mcb/status` was heard.
const KNOCK: &str = "control board";
/// What the machine is.
pub(super) const STATUS: Question = Question::may_page("board status", "/mcb/status").in_place_of(KNOCK);
/// How it is set, with its hardware address in the place of a name.
pub(super) const SETTING: Question = Question::may_page("board setting", "/mcb/setting");
/// Its boards, where the API does not tell.
pub(super) const DEVS: Question =
    Question::must_page("board devs", "/mcb/cgminer?cgminercmd=devs").in_place_of("summary");
/// Its pools, where the API does not tell.
pub(super) const POOLS: Question = Question::may_page("board pools", "/mcb/pools").in_place_of("pools");

/// More than any machine has.
const MAX_SLOTS: usize = 16;
const MAX_BOARD: u32 = 64;

/// Whether its web server has left a mark.
pub(super) fn is_marked(evidence: &Evidence) -> bool {
    let board = evidence.answers.get(KNOCK).map(Document::root);
    evidence.shows("CLOUD-BOX")
        || board.is_some_and(|page| page.contains_key("mcbversion") && page.contains_key("model"))
}

/// A name and a password for a token. Some versions take the password as it is and some encrypted with a key that everybody
/// knows; those answer the other way with a server error.
#[derive(Debug)]
pub(super) struct Token;

impl Login for Token {
    fn request(&self, credentials: &Credentials, way: u32) -> HttpRequest {
        let (password, cipher) = match way {
            0 => (credentials.password.clone(), "false"),
            _ => (encrypted(&credentials.password), "true"),
        };
        let query = form(&[("username", &credentials.user), ("password", &password), ("cipher", cipher)]);
        HttpRequest::get(format!("/user/login?{query}"))
    }

    fn ways(&self) -> u32 {
        2
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body = serde_json::from_slice::<Value>(&reply.body).ok().filter(|_| reply.is_success());
        let Some(body) = body else { return Err(Refusal::WrongWay) };
        match body.get("JWT Token").and_then(Value::as_str).filter(|token| !token.is_empty()) {
            Some(token) => Ok(Pass::header("Authorization", format!("Bearer {token}"))),
            None => Err(Refusal::WrongCredentials),
        }
    }

    fn is_on_demand(&self) -> bool {
        true
    }
}

/// AES-128-CBC with a key of exclamation marks and no initial vector, filled up with 1 to 16 zeros, in hexadecimal.
fn encrypted(password: &str) -> String {
    let cipher = Aes128::new(&[b'!'; 16].into());
    let mut bytes = password.as_bytes().to_vec();
    bytes.resize((bytes.len() / 16 + 1) * 16, 0);
    let mut block = Block::default();
    let mut out = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.chunks_exact(16) {
        for (chained, plain) in block.iter_mut().zip(chunk) {
            *chained ^= plain;
        }
        cipher.encrypt_block(&mut block);
        for byte in &block {
            // Writing to a string cannot fail.
            let _ = write!(out, "{byte:02x}");
        }
    }
    out
}

/// Who the machine is, where the pages tell.
pub(super) fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    for name in [KNOCK, STATUS.command] {
        let Some(r) = answers.page(name, oddities) else { continue };
        if let Some(raw) = r.text("model") {
            identity.model = model(raw);
            identity.model_raw = Some(raw.into());
        }
        if let Some(firmware) = &mut identity.firmware {
            firmware.version = r.word("firmware").or(firmware.version.take());
        }
        identity.control_board = r.text("mcbversion").map(Text::from).or(identity.control_board.take());
    }
    if let Some(r) = answers.page(SETTING.command, oddities) {
        identity.mac = r.text("name").and_then(|mac| mac.parse().ok()).or(identity.mac);
    }
}

/// Whether any board hashes, as far as the page tells.
pub(super) fn hashes(heard: &Answers, oddities: &Oddities) -> bool {
    let page = heard.page(DEVS.command, oddities);
    let boards = page.map(|page| page.records("data")).unwrap_or_default();
    boards.iter().any(|r| r.number("hashrate").is_some_and(|rate| rate > 0.0))
}

/// Reads the pages that stand in for the API.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(page) = answers.page(DEVS.command, oddities) {
        read_boards(page, snapshot);
    }
    if let Some(page) = answers.page(POOLS.command, oddities) {
        let pools = page.records(crate::LIST).into_iter().take(MAX_SLOTS);
        snapshot.pools = (0..).zip(pools).filter_map(|(position, r)| pool(position, r)).collect();
    }
    if let Some(r) = answers.page(SETTING.command, oddities) {
        read_setting(r, snapshot);
    }
}

fn read_boards(page: Record<'_>, snapshot: &mut MinerSnapshot) {
    let records: Vec<Record<'_>> = page.records("data").into_iter().take(MAX_SLOTS).collect();
    for (position, r) in (0..).zip(&records) {
        let board = board(*r, position, &mut snapshot.errors);
        snapshot.boards.push(board);
    }
    snapshot.boards.sort_by_key(|board| board.slot);
    // Each board repeats how the machine is.
    snapshot.elapsed = records.iter().filter_map(|r| r.seconds("time")).max();
    snapshot.fans = records.iter().map(|r| fans(*r)).find(|fans| !fans.is_empty()).unwrap_or_default();
    snapshot.tuning.mode = records.iter().find_map(|r| r.integer("powerplan")).map(level).map(Text::from);
    let sum = |key: &str| records.iter().filter_map(|r| r.count(key)).reduce(u64::saturating_add);
    snapshot.shares.accepted = sum("accepted");
    snapshot.shares.rejected = sum("rejected");
    snapshot.shares.hardware_errors = sum("hwerrors");
    let boards = &snapshot.boards;
    snapshot.hashrate.realtime = HashRate::sum(boards.iter().map(|board| board.hashrate));
    snapshot.hashrate.average = HashRate::sum(boards.iter().map(|board| board.hashrate_average));
    if !boards.is_empty() {
        snapshot.provenance.mark("hashrate.realtime_hs", Source::Derived);
        snapshot.provenance.mark("hashrate.average_hs", Source::Derived);
    }
    if records.is_empty() {
        let error = |words: &str| DeviceError::new(Severity::Critical, words);
        snapshot.errors.extend(match page.integer("status") {
            Some(0) => Some(error("the firmware finds no hash board").about(Component::Board(None))),
            Some(1) => Some(error("the firmware reports a fan fault").about(Component::Fan(None))),
            _ => None,
        });
    }
}

fn board(r: Record<'_>, position: u32, errors: &mut Vec<DeviceError>) -> Board {
    let mut board = Board::in_slot(r.small("id", MAX_BOARD).unwrap_or(position));
    board.present = Some(true);
    board.hashrate = r.mhs("hashrate");
    board.hashrate_average = r.mhs("av_hashrate");
    board.hardware_errors = r.count("hwerrors");
    let both = sensors(r);
    if both.is_empty() {
        // Some models have sensors on the four sides instead.
        let sides = ["l_temp", "r_temp", "t_temp", "m_temp"];
        let celsius = |key: &&str| r.leading_number(key).filter(|c| *c != 0.0).and_then(|c| r.sensor(key, c));
        board.board_sensors = sides.iter().filter_map(celsius).collect();
        board.board_temperature = board.board_sensors.iter().copied().max();
    } else {
        // The second is the board's, as over the API.
        board.board_temperature = both.get(1).or(both.first()).copied();
        board.board_sensors = both;
    }
    let status = r.integer("minerstatus");
    board.active = status.map(|status| status == 0);
    if let Some(status) = status.filter(|status| *status != 0) {
        let (severity, component, words) = match status {
            2 => (Severity::Critical, Component::Temperature, "hash board stopped: too hot"),
            3 => (Severity::Critical, Component::Temperature, "hash board stopped: overheated"),
            4 => (Severity::Warning, Component::Board(Some(board.slot)), "hash board is not accepted"),
            _ => (Severity::Warning, Component::Board(Some(board.slot)), "hash board is not active"),
        };
        errors.push(DeviceError::new(severity, words).with_code(status.to_string()).about(component));
    }
    board
}

/// "83.0 °C / 73.8 °C"; 0 is a sensor that is not there.
fn sensors(r: Record<'_>) -> Vec<Temperature> {
    let parts = parts(r, "temp");
    parts.into_iter().filter(|c| *c != 0.0).filter_map(|c| r.sensor("temp", c)).collect()
}

/// "2940 rpm / 2940 rpm".
fn fans(r: Record<'_>) -> Vec<Fan> {
    let speeds = parts(r, "fanspeed").into_iter().filter_map(|rpm| FanSpeed::from_rpm(rpm).ok());
    (0..).zip(speeds).map(|(index, speed)| Fan::new(index, speed)).collect()
}

/// The numbers of a text that holds several, each with its unit behind it.
fn parts(r: Record<'_>, key: &str) -> Vec<f64> {
    let number = |part: &str| {
        let part = part.trim();
        let end = part.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).unwrap_or(part.len());
        part.get(..end)?.parse().ok()
    };
    r.text(key).unwrap_or_default().split('/').take(MAX_SLOTS).filter_map(number).collect()
}

fn pool(position: u32, r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url")?.into());
    pool.id = r.small("dragid", 10_000).unwrap_or(position);
    pool.user = r.text("user").map(Text::from);
    pool.priority = r.integer("pool-priority");
    pool.active = r.flag("active");
    // Of the others it does not say whether they answer.
    pool.status = pool.active.filter(|active| *active).map(|_| PoolStatus::Alive);
    Some(pool)
}

/// `select` is a place in the list of plans, and not the level of one.
fn read_setting(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if r.flag("manual") == Some(true) {
        snapshot.tuning.mode = Some("manual".into());
        return;
    }
    let selected = r.integer("select").and_then(|at| usize::try_from(at).ok());
    let plans = r.records("powerplans");
    let Some(plan) = selected.and_then(|at| plans.get(at)).and_then(|plan| plan.integer("level")) else {
        return;
    };
    snapshot.tuning.mode = Some(level(plan).into());
    if plan == ASLEEP {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
}

/// The level of the plan in which nothing runs.
pub(super) const ASLEEP: i64 = 3;

fn level(level: i64) -> String {
    match level {
        0 => "normal".to_owned(),
        1 => "low".to_owned(),
        ASLEEP => "sleep".to_owned(),
        other => format!("level {other}"),
    }
}

#[cfg(test)]
mod tests {
    //! Published vectors.
    use super::*;

    #[test]
    fn passwords_are_encrypted_as_the_firmware_expects() {
        assert_eq!(encrypted("123456789"), "bbad7537f4c8b6ea31eea0b3d760e257");
        assert_eq!(encrypted("admin"), "5dcc591b846a6a158e58494be52b58ca");
        // A whole block is filled up with another one, and what comes first is in what follows.
        let (long, other) = (encrypted("0123456789abcdef"), encrypted("1123456789abcdef"));
        assert_eq!(long.len(), 64);
        assert_ne!(long.get(32..), other.get(32..));
    }
}
