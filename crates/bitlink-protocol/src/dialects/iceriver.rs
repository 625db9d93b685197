//! IceRiver's firmware: a web server and nothing else. Everything is a form that is posted with a number for what is wanted, and
//! answered with `{"error":0,"data":{…}}`; a login in a cookie comes first. As public farm software reads it.
//!
//! These machines compute other hashes than Bitcoin's; their rates are hashes all the same, written with the letter of their
//! unit ("5900.00G").

mod commands;

use crate::acting::{ActError, Order, Plan};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::decode::decode_page;
use crate::dialect::{Answers, Dialect, Evidence, Page, Question};
use crate::http::{HttpReply, HttpRequest, WEB_PORT, form};
use crate::record::{Oddities, Record};
use crate::replies::rate_by_letter;
use bitlink_model::{
    AnomalyKind, Board, Capabilities, Component, DeviceError, Family, Fan, FanSpeed, Firmware, HashRate,
    Identity, Make, MinerSnapshot, MiningState, Pool, PoolStatus, Severity, Span, Text,
};
use serde_json::Value;
use std::time::Duration;

/// IceRiver.
#[derive(Debug)]
pub struct IceRiver;

const PANEL: Question = Question::page("userpanel", Page::post_form("/user/userpanel", "post=4"));

const MAX_CHIPS: u32 = 10_000;
const MAX_SLOT: u32 = 64;

impl Dialect for IceRiver {
    fn family(&self) -> Family {
        Family::ICERIVER
    }

    /// The title of its page, whatever language the browser asks for.
    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.shows("<TITLE>用户界面</TITLE>")
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn auth(&self) -> Auth {
        Auth::Login(&Door)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("admin", "12345678")]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[PANEL] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::ICERIVER);
        let mut firmware = Firmware::new(self.family());
        if let Some(r) = data(heard, oddities) {
            identity.mac = r.text("mac").and_then(|mac| mac.replace('-', ":").parse().ok());
            identity.hostname = r.text("host").map(Text::from);
            // Some print the word "none".
            let named = r.text("model").filter(|model| !model.eq_ignore_ascii_case("none"));
            identity.model_raw =
                named.map(Text::from).or_else(|| r.text("softver1").and_then(model_of_software));
            identity.model = identity.model_raw.as_deref().map(str::to_uppercase).map(Text::from);
            firmware.version = r.text("firmver1").map(Text::from);
            firmware.software = r.text("softver1").map(Text::from);
        }
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[PANEL.required()] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        let Some(r) = data(answers, oddities) else { return };
        let unit = r.text("unit");
        snapshot.hashrate.realtime = rate(r, "rtpow", unit);
        snapshot.hashrate.average = rate(r, "avgpow", unit);
        snapshot.elapsed = r.text("runtime").and_then(runtime);
        snapshot.light = r.flag("locate");
        for board in list(r, "boards") {
            snapshot.boards.extend(read_board(board, unit));
        }
        let fans = r.raw("fans").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64);
        snapshot.fans = (0..)
            .zip(fans)
            .filter_map(|(index, rpm)| Some(Fan::new(index, FanSpeed::from_rpm(rpm).ok()?)))
            .collect();
        snapshot.pools = list(r, "pools").into_iter().filter_map(read_pool).collect();
        snapshot.shares.accepted = total(snapshot, |pool| pool.accepted);
        snapshot.shares.rejected = total(snapshot, |pool| pool.rejected);
        read_state(r, snapshot);
    }
}

/// The way in.
#[derive(Debug)]
struct Door;

impl Login for Door {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let fields = [("post", "6"), ("user", &credentials.user), ("pwd", &credentials.password)];
        HttpRequest::post("/user/loginpost", "application/x-www-form-urlencoded", form(&fields))
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let error =
            decode_page("login", reply).ok().and_then(|page| page.value.root().get("error")?.as_i64());
        if error == Some(0) {
            Ok(Pass::cookies(reply).unwrap_or_default())
        } else {
            Err(Refusal::WrongCredentials)
        }
    }

    /// Without a session it leads to its login page.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        matches!(reply.status, 301 | 302 | 303 | 307)
    }
}

/// What the panel says, unless it says that something went wrong.
fn data<'a>(answers: &'a Answers, oddities: &'a Oddities) -> Option<Record<'a>> {
    let r = Record::new(answers.get(PANEL.command)?.root(), PANEL.command, oddities);
    if let Some(error) = r.integer("error").filter(|error| *error != 0) {
        let words = r.text("message").unwrap_or_default();
        oddities.add(AnomalyKind::Refused, PANEL.command, format!("error {error}: {words}"));
    }
    r.record("data")
}

/// `10306_al3_miner`: the part before the word "miner".
fn model_of_software(software: &str) -> Option<Text> {
    let mut parts: Vec<&str> = software.split('_').filter(|part| !part.is_empty()).collect();
    if parts.last()?.eq_ignore_ascii_case("miner") {
        parts.pop();
    }
    let model = match *parts.last()? {
        "10306" => "AL3",
        "11304" => "KS7",
        model => model,
    };
    Some(model.into())
}

/// A number with the letter of its unit behind it, or with the unit told once for all.
fn rate(r: Record<'_>, key: &str, unit: Option<&str>) -> Option<HashRate> {
    let number = r.leading_number(key)?;
    let own = r.text(key).and_then(|text| text.get(text.find(|c: char| c.is_ascii_alphabetic())?..));
    rate_by_letter(number, own.or(unit)?)
}

/// Days, hours, minutes, seconds.
fn runtime(text: &str) -> Option<Span> {
    let parts: Vec<u64> = text.split(':').map(|part| part.trim().parse()).collect::<Result<_, _>>().ok()?;
    let [days, hours, minutes, seconds] = *parts else { return None };
    let hours = days.checked_mul(24)?.checked_add(hours)?;
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    Some(Span::from(Duration::from_secs(minutes.checked_mul(60)?.checked_add(seconds)?)))
}

fn list<'a>(r: Record<'a>, key: &str) -> Vec<Record<'a>> {
    let records = r.raw(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    records.map(|map| r.sibling(map)).collect()
}

/// Numbered from 1. `pcbtemp` is "60-58", `intmp` and `outtmp` are the air's.
fn read_board(r: Record<'_>, unit: Option<&str>) -> Option<Board> {
    let mut board = Board::in_slot(r.small("no", MAX_SLOT)?.checked_sub(1)?);
    board.chips_expected = r.small("chipnum", MAX_CHIPS);
    board.chips = r.small("chipsuc", MAX_CHIPS);
    board.frequency = r.megahertz("freq");
    board.hashrate = rate(r, "rtpow", unit);
    board.hashrate_average = rate(r, "avgpow", unit);
    board.hashrate_expected = rate(r, "idealpow", unit).filter(|rate| rate.as_hs() > 0.0);
    let sensors =
        r.text("pcbtemp").unwrap_or_default().split('-').filter_map(|c| c.trim().parse::<f64>().ok());
    board.board_sensors = sensors.filter(|c| *c > 0.0).filter_map(|c| r.sensor("pcbtemp", c)).collect();
    board.board_temperature = board.board_sensors.iter().copied().max();
    board.present = Some(board.chips.is_none_or(|chips| chips > 0));
    board.active = r.flag("state");
    Some(board)
}

/// Numbered from 1. Unused slots have an empty address.
fn read_pool(r: Record<'_>) -> Option<Pool> {
    let url = r.text("addr")?;
    let mut pool = Pool::default();
    pool.id = r.small("no", MAX_SLOT)?.checked_sub(1)?;
    pool.url = Some(url.into());
    pool.user = r.text("user").map(Text::from);
    pool.priority = r.integer("priority");
    pool.connected = r.flag("connect");
    pool.status = pool.connected.map(|up| if up { PoolStatus::Alive } else { PoolStatus::Dead });
    pool.active = r.integer("state").map(|state| state == 1);
    pool.accepted = r.count("accepted");
    pool.rejected = r.count("rejected");
    pool.difficulty_accepted = r.difficulty("diffa");
    pool.difficulty_rejected = r.difficulty("diffr");
    pool.last_share_difficulty = r.difficulty("lsdiff");
    pool.difficulty = r.difficulty("diff");
    Some(pool)
}

fn total(snapshot: &MinerSnapshot, count: impl Fn(&Pool) -> Option<u64>) -> Option<u64> {
    snapshot.pools.iter().filter_map(count).reduce(u64::saturating_add)
}

/// Four lights that are on while all is well.
fn read_state(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let lights = [
        ("powstate", "power supply", Component::Psu),
        ("tempstate", "temperature", Component::Temperature),
        ("fanstate", "fan", Component::Fan(None)),
    ];
    for (key, words, component) in lights {
        if r.flag(key) == Some(false) {
            let message = format!("the firmware reports a {words} fault");
            snapshot
                .errors
                .push(DeviceError::new(Severity::Critical, message).with_code(key).about(component));
        }
    }
    if r.flag("netstate") == Some(false) {
        let error = DeviceError::new(Severity::Warning, "the firmware reports no network to its pools");
        snapshot.errors.push(error.with_code("netstate").about(Component::Pool));
    }
    if r.text("mode").is_some_and(|mode| mode == "sleep") {
        snapshot.mining_state = Some(MiningState::Stopped);
    }
}
