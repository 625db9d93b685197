//! The pages of Innosilicon's web server (`/api/`), as its own interface of the DragonMint generation has them and as public
//! clients read them. Everything is posted, whatever it does; a token comes first. What does not succeed is told in the page and
//! not by its status.
//!
//! Two pages hold the API's records as they are; only one that newer versions have tells the power.

use super::base;
use crate::asking::{Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::{Answers, Page, Question};
use crate::faults::FaultTable;
use crate::http::{HttpReply, HttpRequest, form};
use crate::record::{Oddities, Record};
use crate::replies::rate_by_letter;
use bitlink_model::{AnomalyKind, Board, HashRate, Identity, MinerSnapshot, Source, Text};
use serde_json::Value;

const fn ask(name: &'static str, path: &'static str) -> Question {
    Question::page(name, Page::post_json(path, "{}"))
}

/// The model.
pub(super) const TYPE: Question = ask("miner type", "/api/type");
/// Versions and hardware address.
pub(super) const OVERVIEW: Question = ask("overview", "/api/overview");
/// The power, and the boards where nothing else tells of them.
pub(super) const ALL: Question = ask("everything", "/api/getAll");
/// The API's `devs` and `pools`, where the API does not tell.
pub(super) const SUMMARY: Question = ask("summary page", "/api/summary").required().in_place_of("summary");
/// The API's `stats`, where the API does not tell.
pub(super) const STATS: Question = ask("stats page", "/api/stats").in_place_of("stats");
/// Why it does not hash.
pub(super) const FAULT: Question = ask("error detail", "/api/getErrorDetail");

const MAX_BOARD: u32 = 64;
const MAX_SLOTS: usize = 16;

/// A name and a password for a token.
#[derive(Debug)]
pub(super) struct Token;

impl Login for Token {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let fields = [("username", credentials.user.as_str()), ("password", &credentials.password)];
        HttpRequest::post("/api/auth", "application/x-www-form-urlencoded", form(&fields))
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let token = body.as_ref().and_then(|body| body.get("jwt")?.as_str());
        match token.filter(|token| !token.is_empty()) {
            Some(token) => Ok(Pass::header("Authorization", format!("Bearer {token}"))),
            None => Err(Refusal::WrongCredentials),
        }
    }

    /// Said in a page that succeeds by its status.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        body.is_some_and(|body| body.get("token").and_then(Value::as_str) == Some("expired"))
    }
}

/// A page that says that it succeeded; one that does not is told of, unless this version does not have it.
fn page<'a>(answers: &'a Answers, name: &'a str, oddities: &'a Oddities) -> Option<Record<'a>> {
    let r = answers.page(name, oddities)?;
    if r.flag("success") == Some(true) {
        return Some(r);
    }
    let words = r.text("msg").or_else(|| r.text("message")).unwrap_or("the page says that it failed");
    if words != "invalid request" {
        oddities.add(AnomalyKind::Refused, name, words);
    }
    None
}

/// Who the machine is, where the pages tell.
pub(super) fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    if let Some(raw) = page(answers, TYPE.command, oddities).and_then(|r| r.text("type")) {
        identity.model_raw = Some(raw.into());
        identity.model = Some(model(raw)).filter(|model| !model.is_empty()).map(Text::from);
    }
    let version = page(answers, OVERVIEW.command, oddities).and_then(|r| r.record("version"));
    let Some(version) = version else { return };
    identity.mac = version.text("ethaddr").and_then(|mac| mac.parse().ok()).or(identity.mac);
    identity.control_board = version.text("hwver").map(Text::from);
    if let Some(firmware) = &mut identity.firmware {
        firmware.version = firmware.version.take().or_else(|| version.word("platform_v"));
    }
}

/// `Innosilicon T3H+` is a T3H+, as `t3h+` is over the API.
fn model(raw: &str) -> String {
    let name = raw.trim();
    let name = match name.get(..11) {
        Some(make) if make.eq_ignore_ascii_case("innosilicon") => name.get(11..).unwrap_or_default(),
        _ => name,
    };
    name.trim_start_matches([' ', '-', '_']).to_ascii_uppercase()
}

/// The answers with the API's own records in the places of those that the API did not give.
pub(super) fn stand_in(answers: &Answers, oddities: &Oddities) -> Answers {
    let mut answers = answers.clone();
    let summary =
        page(&answers, SUMMARY.command, oddities).and_then(|_| answers.get(SUMMARY.command)).cloned();
    let stats = page(&answers, STATS.command, oddities).and_then(|_| answers.get(STATS.command)).cloned();
    for (command, copy) in [("devs", summary.clone()), ("pools", summary), ("stats", stats)] {
        if let (None, Some(copy)) = (answers.get(command), copy) {
            answers.insert(command, copy);
        }
    }
    answers
}

/// Reads what the pages tell besides, over what is known already.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if page(answers, SUMMARY.command, oddities).is_some() {
        let devices = answers.records("devs", "DEVS", oddities);
        snapshot.elapsed = devices.iter().filter_map(|r| r.seconds("Device Elapsed")).max();
        let sum = |key: &str| devices.iter().filter_map(|r| r.count(key)).reduce(u64::saturating_add);
        snapshot.shares.accepted = sum("Accepted");
        snapshot.shares.rejected = sum("Rejected");
        snapshot.shares.hardware_errors = sum("Hardware Errors");
        let average = HashRate::sum(snapshot.boards.iter().map(|board| board.hashrate_average));
        if average.is_some() {
            snapshot.hashrate.realtime = HashRate::sum(snapshot.boards.iter().map(|board| board.hashrate));
            snapshot.hashrate.average = average;
            snapshot.provenance.mark("hashrate.realtime_hs", Source::Derived);
            snapshot.provenance.mark("hashrate.average_hs", Source::Derived);
        }
    }
    if let Some(r) = page(answers, ALL.command, oddities).and_then(|r| r.record("all")) {
        snapshot.power = r.watts("power").or(snapshot.power);
        snapshot.tuning.mode = r.record("running_mode").and_then(mode);
        if snapshot.boards.is_empty() {
            let chains = r.records("chain").into_iter().take(MAX_SLOTS);
            snapshot.boards = (0..).zip(chains).map(|(position, r)| board(r, position)).collect();
            base::sort_boards(&mut snapshot.boards);
        }
        if snapshot.hashrate.current().is_none() {
            snapshot.hashrate.realtime = r.record("total_hash").and_then(rate);
        }
    }
    let fault = page(answers, FAULT.command, oddities).and_then(|r| r.word("code"));
    if let Some(code) = fault.filter(|code| code != "0") {
        snapshot.errors.push(FaultTable::Innosilicon.error(&code));
    }
}

/// A name where it has one, or the number of a level.
fn mode(r: Record<'_>) -> Option<Text> {
    r.text("mode").map(Text::from).or_else(|| Some(format!("level {}", r.integer("level")?).into()))
}

/// In hashes, or as a number with its unit beside it, MH/s where it has none.
fn rate(r: Record<'_>) -> Option<HashRate> {
    let exact = r.quantity("Hash Rate H", HashRate::from_hs);
    exact.or_else(|| rate_by_letter(r.number("Hash Rate")?, r.text("Unit").unwrap_or("M")))
}

fn board(r: Record<'_>, position: u32) -> Board {
    let mut board = Board::in_slot(r.small("ASC", MAX_BOARD).unwrap_or(position));
    board.present = Some(true);
    board.hashrate = rate(r);
    board.chip_temperature = r.celsius_or_zero("Temp max");
    board.chip_temperature_min = r.celsius_or_zero("Temp min");
    board.chip_temperature_average = r.celsius_or_zero("Average Temp");
    board
}
