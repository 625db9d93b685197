//! The pages of a SealMiner's web server (PHP behind a cookie), read where its API is shut, as public clients read them; no reply
//! of a real machine was at hand.
//!
//! They tell less than the API does: nothing of boards and fans, of the rates only the average. A text that is empty says nothing.

use super::{model, says_fine};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::http::{HttpReply, HttpRequest, WEB_PORT, form};
use crate::record::{Oddities, Record};
use crate::replies::{clock_age, pool_status};
use bitlink_model::{
    Component, DeviceError, Family, Firmware, Identity, Make, MinerSnapshot, NetworkIdentity, Pool, Psu,
    Severity, Text,
};
use serde_json::Value;

/// A SealMiner by its web server.
#[derive(Debug)]
pub struct SealMinerWeb;

const SYSTEM: Question = Question::may_page("system info page", "/cgi-bin/get_system_info.php");
const STATUS: Question = Question::must_page("miner status", "/cgi-bin/miner-status.php");
const SUPPLY: Question = Question::may_page("supply status", "/cgi-bin/miner_psu_status.php");
const CONFIGURATION: Question = Question::may_page("pool configuration", "/cgi-bin/get_miner_poolconf.php");

/// More pools than any machine has.
const MAX_POOLS: usize = 16;

impl Dialect for SealMinerWeb {
    fn family(&self) -> Family {
        Family::SEALMINER
    }

    /// Its pages are made with a toolkit that nobody else uses.
    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.shows("AMAZEUI")
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn auth(&self) -> Auth {
        Auth::Login(&Door)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("seal", "seal")]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[SYSTEM] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::SEALMINER);
        let mut firmware = Firmware::new(self.family());
        if let Some(r) = heard.page(SYSTEM.command, oddities) {
            firmware.version = r.word("firmware_version");
            identity.model_raw = r.word("miner_type");
            identity.model = identity.model_raw.as_deref().and_then(model);
            identity.mac = r.text("macaddr").and_then(|mac| mac.parse().ok());
            identity.control_board = r.word("ctrl_version");
            // The page's own spelling.
            identity.control_board_serial = r.word("crtl_sn");
            identity.network = Some(NetworkIdentity {
                dhcp: r.flag("DHCP"),
                ip: r.text("ipaddress").and_then(|ip| ip.parse().ok()),
                ..NetworkIdentity::default()
            });
        }
        identity.firmware = Some(firmware);
        identity
    }

    /// The system's page has the locator light and the mode too, which change.
    fn questions(&self) -> &'static [Question] {
        const { &[STATUS, SUPPLY, SYSTEM, CONFIGURATION] }
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if let Some(r) = answers.page(SYSTEM.command, oddities) {
            read_system(r, snapshot);
        }
        if let Some(r) = answers.page(STATUS.command, oddities) {
            if let Some(r) = r.record("summary") {
                snapshot.elapsed = r.seconds("elapsed");
                snapshot.hashrate.average = r.mhs("mhsav");
                snapshot.shares.found_blocks = r.count("foundblocks");
            }
            snapshot.pools = r.records("pools").into_iter().take(MAX_POOLS).filter_map(pool).collect();
            let sum = |count: fn(&Pool) -> Option<u64>| {
                snapshot.pools.iter().filter_map(count).reduce(u64::saturating_add)
            };
            (snapshot.shares.accepted, snapshot.shares.rejected, snapshot.shares.stale) =
                (sum(|p| p.accepted), sum(|p| p.rejected), sum(|p| p.stale));
        }
        if let Some(r) = answers.page(SUPPLY.command, oddities) {
            read_supply(r, snapshot);
        }
        let configuration = answers.page(CONFIGURATION.command, oddities);
        snapshot.power_limit = configuration.and_then(|r| r.watts("xk-h3x-psu-input-max-power"));
    }
}

/// The page names each mode with its number, and the number of the one in use.
fn read_system(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.light = r.flag("led");
    snapshot.tuning.settled = r.flag("tuning_done");
    let used = r.integer("miningMode");
    let named = ["low_power", "normal", "high_performance", "custom"];
    let mode = used.and_then(|used| named.into_iter().find(|mode| r.integer(mode) == Some(used)));
    snapshot.tuning.mode = mode.map(|mode| mode.replace('_', " ")).map(Text::from);
    if let Some(model) = r.word("psu_model") {
        let mut psu = Psu::default();
        psu.model = Some(model);
        snapshot.psus.push(psu);
    }
}

/// Of `Voltage` and `Current` nobody says on which side they are.
fn read_supply(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let mut psu = snapshot.psus.pop().unwrap_or_default();
    psu.input_power = r.watts("Power");
    psu.temperature = r.celsius_or_zero("Temp");
    snapshot.power = psu.input_power;
    if psu != Psu::default() {
        snapshot.psus.push(psu);
    }
    if r.flag("Online") == Some(false) {
        let error = DeviceError::new(Severity::Critical, "power supply does not answer");
        snapshot.errors.push(error.about(Component::Psu));
    }
    if let Some(code) = r.word("StatusCode").filter(|code| !says_fine(code)) {
        let error = DeviceError::new(Severity::Critical, format!("power supply error {code}"));
        snapshot.errors.push(error.with_code(code).about(Component::Psu));
    }
}

fn pool(r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url")?.into());
    pool.id = r.small("id", 10_000).unwrap_or_default();
    pool.user = r.text("user").map(Text::from);
    pool.status = r.text("status").map(pool_status);
    pool.active = r.flag("isActive");
    pool.priority = r.integer("priority");
    pool.accepted = r.count("accept");
    pool.rejected = r.count("rejected");
    pool.stale = r.count("stale");
    pool.difficulty = r.known_difficulty("diff");
    pool.difficulty_accepted = r.difficulty("diffA");
    pool.difficulty_rejected = r.difficulty("diffR");
    pool.last_share_difficulty = r.known_difficulty("lsdiff");
    pool.last_share_age = r.text("lstime").and_then(clock_age);
    Some(pool)
}

/// A form for a cookie; `state` tells whether it was taken.
#[derive(Debug)]
struct Door;

impl Login for Door {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let body = form(&[("username", &credentials.user), ("origin_pwd", &credentials.password)]);
        let content_type = "application/x-www-form-urlencoded; charset=UTF-8";
        HttpRequest::post("/cgi-bin/login.php", content_type, body)
            .with_header("X-Requested-With", "XMLHttpRequest")
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let state = body.as_ref().and_then(|body| body.get("state")).and_then(crate::record::lenient_integer);
        Pass::cookies(reply).filter(|_| state == Some(0)).ok_or(Refusal::WrongCredentials)
    }

    /// Who is not let in is led to the login, or shown it.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        let shown = reply.body.trim_ascii_start().starts_with(b"<");
        (300..400).contains(&reply.status) || reply.is_success() && shown
    }
}
