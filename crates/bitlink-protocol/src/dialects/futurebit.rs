//! FutureBit's Apollo: GraphQL at port 5000, and at port 80 a page that leads to `/overview`. As public farm software reads it; no
//! device was at hand.
//!
//! What the miner does is open to everybody; what the computer around it does (its name, its hardware address) wants the
//! password. A refusal is an answer like any other, with `error` in place of `result`. Numbers may come as texts.

mod commands;

use crate::acting::{ActError, Order, Plan};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::decode::decode_page;
use crate::dialect::{Answers, Dialect, Evidence, Page, Question};
use crate::http::{HttpReply, HttpRequest, WEB_PORT};
use crate::record::{Oddities, Record};
use bitlink_model::{
    Board, Capabilities, Family, Fan, FanSpeed, Firmware, HashRate, Identity, Make, MinerSnapshot,
    MiningState, Pool, PoolStatus, Text,
};
use serde_json::{Map, Value, json};

/// The Apollo.
#[derive(Debug)]
pub struct FutureBit;

/// Where GraphQL is spoken.
const PORT: u16 = 5000;
const PATH: &str = "/api/graphql";

const STATS: Question = Question::page("miner stats", Page::post_json(PATH, concat!(
    r#"{"query":"query{Miner{online{result{online{status}}error{message}}stats{result{stats{uuid version "#,
    r"versions{miner minerDate mspVer}master{upTime hwAddr boards boardsI boardsW wattPerGHs intervals{",
    r"int_30{bySol errorRate chipSpeed}int_300{bySol}int_900{bySol}int_3600{bySol}int_0{bySol errors}}}",
    r"pool{host port userName diff intervals{int_0{sharesSent sharesAccepted sharesRejected inService}}}",
    r"fans{int_0{rpm}}temperature{min avr max}slots{int_0{ghs chips pwrOn temperature temperature1}}",
    r#"slaves{id uid}}}error{message}}}}"}"#,
)).at(PORT));
const COMPUTER: Question = Question::page("computer stats", Page::post_json(PATH, concat!(
    r#"{"query":"query{Mcu{stats{result{stats{hostname operatingSystem uptime temperature network{name address mac}}}"#,
    r#"error{message}}}}"}"#,
)).at(PORT));

const MAX_CHIPS: u32 = 1_000;

impl Dialect for FutureBit {
    fn family(&self) -> Family {
        Family::FUTUREBIT
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.shows("HTTP/1.1 308") && evidence.shows("/OVERVIEW")
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn auth(&self) -> Auth {
        Auth::Login(&Door)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("", "futurebit123")]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[STATS, COMPUTER] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::FUTUREBIT);
        let mut firmware = Firmware::new(self.family());
        if let Some(r) = unit(heard, oddities) {
            identity.serial = r.text("uuid").map(Text::from);
            identity.model_raw = r.text("version").map(Text::from);
            identity.model = match r.text("version") {
                Some("v1") => Some("Apollo BTC".into()),
                Some("v2") => Some("Apollo II".into()),
                _ => None,
            };
            let versions = r.record("versions");
            firmware.version = versions.and_then(|v| v.word("miner"));
            firmware.software =
                versions.and_then(|v| v.word("mspVer")).map(|msp| format!("msp {msp}")).map(Text::from);
        }
        if let Some(r) = computer(heard, oddities) {
            identity.hostname = r.text("hostname").map(Text::from);
            // The cable first; a card that is not there has an address of zeros.
            let cards = r.raw("network").and_then(Value::as_array).into_iter().flatten();
            identity.mac = cards
                .filter_map(|card| card.get("mac")?.as_str())
                .filter(|mac| mac.chars().any(|c| !matches!(c, '0' | ':')))
                .find_map(|mac| mac.parse().ok());
        }
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[STATS.required()] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        let root = answers.get(STATS.command).map(|d| Record::new(d.root(), STATS.command, oddities));
        let online = root.and_then(|r| deep(r, &["data", "Miner", "online", "result", "online"]));
        if online.and_then(|r| r.flag("status")) == Some(false) {
            snapshot.mining_state = Some(MiningState::Stopped);
        }
        let Some(r) = unit(answers, oddities) else { return };
        if let Some(master) = r.record("master") {
            read_master(master, snapshot);
        }
        if let Some(r) = r.record("slots").and_then(|slots| slots.record("int_0")) {
            let mut board = Board::in_slot(0);
            board.present = Some(true);
            board.active = r.flag("pwrOn");
            board.hashrate = r.ghs("ghs");
            board.chips = r.small("chips", MAX_CHIPS);
            board.board_temperature = r.celsius("temperature");
            snapshot.boards.push(board);
        }
        if let Some(temperatures) = r.record("temperature") {
            snapshot.temperatures.board_max = temperatures.celsius("max");
        }
        let rpm = r.record("fans").and_then(|fans| fans.record("int_0")).and_then(|fans| fans.raw("rpm"));
        let rpm = rpm.and_then(Value::as_array).into_iter().flatten();
        let rpm = rpm.filter_map(|v| v.as_f64().or_else(|| v.as_str()?.trim().parse().ok()));
        snapshot.fans = (0..)
            .zip(rpm)
            .filter_map(|(index, rpm)| Some(Fan::new(index, FanSpeed::from_rpm(rpm).ok()?)))
            .collect();
        if let Some(pool) = r.record("pool") {
            read_pool(pool, snapshot);
        }
    }
}

fn read_master(master: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.elapsed = master.seconds("upTime");
    snapshot.boards_expected = master.small("boards", 64);
    snapshot.power = master.watts("boardsW");
    let Some(intervals) = master.record("intervals") else { return };
    let rate = |window: &str| -> Option<HashRate> { intervals.record(window)?.ghs("bySol") };
    snapshot.hashrate.realtime = rate("int_30");
    snapshot.hashrate.five_minutes = rate("int_300");
    snapshot.hashrate.fifteen_minutes = rate("int_900");
    snapshot.hashrate.one_hour = rate("int_3600");
    snapshot.hashrate.average = rate("int_0");
    snapshot.shares.hardware_errors = intervals.record("int_0").and_then(|r| r.count("errors"));
    snapshot.shares.hardware_error_ratio = intervals.record("int_30").and_then(|r| r.percent("errorRate"));
}

fn read_pool(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let Some(host) = r.text("host") else { return };
    let mut pool = Pool::default();
    let host = host.rsplit("://").next().unwrap_or(host);
    pool.url = Some(
        r.word("port")
            .map_or_else(|| format!("stratum+tcp://{host}"), |port| format!("stratum+tcp://{host}:{port}"))
            .into(),
    );
    pool.user = r.text("userName").map(Text::from);
    pool.active = Some(true);
    pool.difficulty = r.difficulty("diff");
    if let Some(r) = r.record("intervals").and_then(|intervals| intervals.record("int_0")) {
        pool.accepted = r.count("sharesAccepted");
        pool.rejected = r.count("sharesRejected");
        pool.status = r.flag("inService").map(|up| if up { PoolStatus::Alive } else { PoolStatus::Dead });
        snapshot.shares.accepted = pool.accepted;
        snapshot.shares.rejected = pool.rejected;
    }
    snapshot.pools.push(pool);
}

/// The unit that answers; others that hang on it are told in the same list.
fn unit<'a>(answers: &'a Answers, oddities: &'a Oddities) -> Option<Record<'a>> {
    let root = Record::new(answers.get(STATS.command)?.root(), STATS.command, oddities);
    let stats = deep(root, &["data", "Miner", "stats", "result"])?;
    Some(root.sibling(stats.raw("stats")?.as_array()?.first()?.as_object()?))
}

fn computer<'a>(answers: &'a Answers, oddities: &'a Oddities) -> Option<Record<'a>> {
    let root = Record::new(answers.get(COMPUTER.command)?.root(), COMPUTER.command, oddities);
    deep(root, &["data", "Mcu", "stats", "result", "stats"])
}

fn deep<'a>(r: Record<'a>, path: &[&str]) -> Option<Record<'a>> {
    path.iter().try_fold(r, |r, key| r.record(key))
}

/// The way in.
#[derive(Debug)]
struct Door;

const LOGIN: &str =
    "query($input:AuthLoginInput!){Auth{login(input:$input){result{accessToken}error{message}}}}";

impl Login for Door {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let body = json!({ "query": LOGIN, "variables": { "input": { "password": credentials.password } } });
        HttpRequest::post(PATH, "application/json", body.to_string()).on_port(PORT)
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let page = decode_page("login", reply).map_err(|_unreadable| Refusal::WrongWay)?;
        let token = page.value.root().get("data").and_then(|data| {
            data.pointer("/Auth/login/result/accessToken")?.as_str().map(|token| format!("Bearer {token}"))
        });
        token.map(|token| Pass::header("Authorization", token)).ok_or(Refusal::WrongCredentials)
    }

    fn is_on_demand(&self) -> bool {
        true
    }

    /// A refusal comes as a success, with nothing in it but an error.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        let Ok(page) = decode_page("page", reply) else { return false };
        let root: &Map<String, Value> = page.value.root();
        let refused = |name: &str| {
            root.get("data").and_then(|data| data.pointer(name)).is_some_and(|answer| {
                answer.get("result").is_none_or(Value::is_null)
                    && answer.get("error").is_some_and(|error| !error.is_null())
            })
        };
        refused("/Mcu/stats") || commands::is_stranger(root)
    }
}
