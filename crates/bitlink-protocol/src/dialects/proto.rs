//! Proto's rig: Proto OS with the MDK API, over TLS on current machines and over plain HTTP on older ones (Proto, MDK API).
//!
//! Who it is may be asked by everybody; for what it does some versions want the password, which no two machines share. A
//! page for which there is no data yet is answered with 204 and nothing.

mod commands;

use crate::acting::{ActError, Order, Plan};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::{Answers, Dialect, Evidence, Page, Question};
use crate::http::{HttpReply, HttpRequest, TLS_PORT, WEB_PORT};
use crate::record::{Oddities, Record};
use bitlink_model::{
    Board, Capabilities, Component, DeviceError, Family, Fan, Firmware, Identity, Make, MinerSnapshot,
    MiningState, Pool, PoolStatus, Severity, Source, Text,
};
use serde_json::Value;

/// Proto's rig.
#[derive(Debug)]
pub struct Proto {
    /// Whether it is asked over TLS.
    pub(crate) tls: bool,
}

const PAIRING: &str = "pairing info";
const PAIRING_PLAIN: &str = "pairing info in the plain";
const SYSTEM: &str = "system";
const NETWORK: &str = "network";
const MINING: &str = "mining";
const POOLS: &str = "pool list";
const COOLING: &str = "cooling";
const HARDWARE: &str = "hardware";
const ERRORS: &str = "errors";

/// More than any machine has.
const MAX_BOARDS: u32 = 64;
const MAX_CHIPS: u32 = 10_000;
const MAX_ERRORS: usize = 256;

const fn page(tls: bool, name: &'static str, path: &'static str) -> Question {
    let page = Page::get(path);
    Question::page(name, if tls { page.over_tls() } else { page })
}

const fn questions(tls: bool) -> [Question; 7] {
    [
        page(tls, MINING, "/api/v1/mining").required(),
        page(tls, SYSTEM, "/api/v1/system"),
        page(tls, NETWORK, "/api/v1/network"),
        page(tls, HARDWARE, "/api/v1/hardware"),
        page(tls, COOLING, "/api/v1/cooling"),
        page(tls, POOLS, "/api/v1/pools"),
        page(tls, ERRORS, "/api/v1/errors"),
    ]
}

impl Dialect for Proto {
    fn family(&self) -> Family {
        Family::PROTO
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let paired = |name: &str| {
            let root = evidence.answers.get(name).map(crate::decode::Document::root);
            root.is_some_and(|root| root.contains_key("cb_sn") && root.contains_key("mac"))
        };
        if self.tls { paired(PAIRING) } else { paired(PAIRING_PLAIN) || evidence.shows("PROTO OS") }
    }

    /// The front page may be there in the plain where all else is over TLS.
    fn gives_way(&self) -> bool {
        !self.tls
    }

    fn doors(&self) -> &'static [u16] {
        if self.tls { &[TLS_PORT] } else { &[WEB_PORT] }
    }

    fn identity_questions(&self) -> &'static [Question] {
        if self.tls {
            const { &[page(true, SYSTEM, "/api/v1/system"), page(true, NETWORK, "/api/v1/network")] }
        } else {
            const {
                &[
                    page(true, PAIRING, "/api/v1/pairing/info"),
                    page(false, PAIRING_PLAIN, "/api/v1/pairing/info"),
                    page(false, SYSTEM, "/api/v1/system"),
                    page(false, NETWORK, "/api/v1/network"),
                ]
            }
        }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::PROTO);
        identity.firmware = Some(Firmware::new(self.family()));
        for name in [PAIRING, PAIRING_PLAIN] {
            if let Some(r) = heard.page(name, oddities) {
                identity.mac = r.text("mac").and_then(|mac| mac.parse().ok()).or(identity.mac);
                identity.serial = r.text("cb_sn").map(Text::from).or(identity.serial);
            }
        }
        read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        if self.tls { const { &questions(true) } } else { const { &questions(false) } }
    }

    fn auth(&self) -> Auth {
        Auth::Login(if self.tls { &Bearer { tls: true } } else { &Bearer { tls: false } })
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        self.orders(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read_identity(answers, &mut snapshot.identity, oddities);
        let system = answers.page(SYSTEM, oddities).and_then(|r| r.record("system-info"));
        snapshot.uptime = system.and_then(|r| r.seconds("uptime_seconds"));
        read_mining(answers, snapshot, oddities);
        read_hardware(answers, snapshot, oddities);
        read_cooling(answers, snapshot, oddities);
        if let Some(r) = answers.page(POOLS, oddities) {
            snapshot.pools = (0..).zip(r.records("pools")).filter_map(|(i, r)| pool(i, r)).collect();
        }
        if let Some(r) = answers.page(ERRORS, oddities) {
            let cooling = answers.page(COOLING, oddities).and_then(|r| r.record("cooling-status"));
            let fans = cooling.map(|r| r.records("fans")).unwrap_or_default();
            // Slots of fans are numbered as the cooling page does it.
            let fan = |slot: u32| {
                let at = fans.iter().position(|r| r.raw("slot").and_then(Value::as_u64) == Some(slot.into()));
                at.and_then(|at| u32::try_from(at).ok())
            };
            let errors = r.records(crate::LIST).into_iter().take(MAX_ERRORS);
            let errors = errors.filter_map(|r| error(r, fan));
            snapshot.errors.extend(errors);
        }
    }
}

/// A password without a name, for a token.
#[derive(Debug)]
struct Bearer {
    tls: bool,
}

impl Login for Bearer {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let body = serde_json::json!({ "password": credentials.password }).to_string();
        let request = HttpRequest::post("/api/v1/auth/login", "application/json", body);
        if self.tls { request.over_tls() } else { request }
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let token = body.as_ref().and_then(|body| body.get("access_token")?.as_str());
        match token.filter(|token| !token.is_empty()) {
            Some(token) => Ok(Pass::header("Authorization", format!("Bearer {token}"))),
            None => Err(Refusal::WrongCredentials),
        }
    }

    fn is_on_demand(&self) -> bool {
        true
    }
}

fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    if let Some(r) = answers.page(SYSTEM, oddities).and_then(|r| r.record("system-info")) {
        identity.model_raw = r.text("product_name").or_else(|| r.text("model")).map(Text::from);
        identity.model = identity.model_raw.as_deref().and_then(model);
        identity.serial = r.text("cb_sn").map(Text::from).or(identity.serial.take());
        identity.control_board = r.text("board").map(Text::from);
        if let Some(firmware) = &mut identity.firmware {
            firmware.version = r.record("os").and_then(|os| os.word("version"));
            let driver = r.record("mining_driver_sw");
            firmware.software = driver
                .and_then(|driver| {
                    let name = driver.text("name")?;
                    let version = driver.word("version");
                    Some(version.map_or_else(|| name.into(), |version| format!("{name} {version}")))
                })
                .map(Text::from);
        }
    }
    if let Some(r) = answers.page(NETWORK, oddities).and_then(|r| r.record("network-info")) {
        identity.mac = r.text("mac").and_then(|mac| mac.parse().ok()).or(identity.mac);
        identity.hostname = r.text("hostname").map(Text::from);
    }
}

/// `Proto Rig` is a Rig.
fn model(raw: &str) -> Option<Text> {
    let name = raw.trim();
    let name = name.strip_prefix("Proto ").unwrap_or(name).trim();
    (!name.is_empty()).then(|| name.into())
}

fn read_mining(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(page) = answers.page(MINING, oddities) else { return };
    let Some(r) = page.record("mining-status") else {
        if page.map().is_empty() {
            // No data yet: the mining program is coming up.
            snapshot.mining_state = Some(MiningState::Starting);
            snapshot.provenance.mark("mining_state", Source::Derived);
        }
        return;
    };
    snapshot.mining_state = match r.text("status") {
        Some("Mining" | "DegradedMining") => Some(MiningState::Mining),
        Some("Uninitialized" | "PoweringOn") => Some(MiningState::Starting),
        Some("PoweringOff" | "Stopped" | "Curtailed") => Some(MiningState::Stopped),
        Some("NoPools" | "Error") => Some(MiningState::Failed),
        _ => None,
    };
    snapshot.hashrate.realtime = r.ghs("hashrate_ghs");
    snapshot.hashrate.average = r.ghs("average_hashrate_ghs");
    let ideal = r.ghs("ideal_hashrate_ghs").filter(|rate| rate.as_hs() > 0.0);
    snapshot.hashrate.expected = ideal;
    snapshot.power = r.watts("power_usage_watts");
    snapshot.power_limit = r.watts("power_target_watts");
    snapshot.temperatures.chip_average = r.celsius_or_zero("average_asic_temp_c");
    snapshot.elapsed = r.seconds("mining_uptime_s");
    snapshot.uptime = snapshot.uptime.or_else(|| r.seconds("reboot_uptime_s"));
    snapshot.shares.hardware_errors = r.count("hw_errors");
}

fn read_hardware(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let hardware = answers.page(HARDWARE, oddities).and_then(|r| r.record("hardware-info"));
    for (position, r) in (0..).zip(hardware.map(|r| r.records("hashboards-info")).unwrap_or_default()) {
        let mut board = Board::in_slot(r.small("slot", MAX_BOARDS).unwrap_or(position));
        board.present = Some(true);
        board.serial = r.text("hb_sn").map(Text::from);
        // How many the board is built with.
        board.chips_expected = r.small("mining_asic_count", MAX_CHIPS).filter(|chips| *chips > 0);
        snapshot.boards.push(board);
    }
    snapshot.boards.sort_by_key(|board| board.slot);
}

fn read_cooling(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(r) = answers.page(COOLING, oddities).and_then(|r| r.record("cooling-status")) else { return };
    snapshot.temperatures.target = r.celsius_or_zero("target_temperature_c");
    for (index, r) in (0..).zip(r.records("fans")) {
        let Some(rpm) = r.rpm("rpm") else { continue };
        let mut fan = Fan::new(index, rpm);
        fan.duty = r.percent("percentage").or_else(|| r.percent("speed_percentage"));
        snapshot.fans.push(fan);
    }
}

fn pool(position: u32, r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url")?.into());
    pool.id = r.small("id", 10_000).unwrap_or(position);
    pool.user = r.text("user").map(Text::from);
    pool.priority = r.integer("priority");
    let status = r.text("status");
    pool.status = status.map(|status| match status {
        "Active" | "Idle" => PoolStatus::Alive,
        "Dead" => PoolStatus::Dead,
        _ => PoolStatus::Unknown,
    });
    pool.active = status.filter(|status| *status != "Unknown").map(|status| status == "Active");
    pool.accepted = r.count("accepted");
    pool.rejected = r.count("rejected");
    pool.difficulty = r.known_difficulty("difficulty");
    Some(pool)
}

fn error(r: Record<'_>, fan: impl Fn(u32) -> Option<u32>) -> Option<DeviceError> {
    let code = r.word("error_code");
    let message = r.text("message").map(Text::from).or_else(|| code.clone())?;
    let mut error = DeviceError::new(Severity::Warning, message);
    error.code = code;
    let slot = r.raw("slot").and_then(Value::as_u64).and_then(|slot| u32::try_from(slot).ok());
    error.component = match r.text("source") {
        Some("fan") => Some(Component::Fan(slot.and_then(fan))),
        Some("psu") => Some(Component::Psu),
        Some("hashboard") => Some(Component::Board(slot)),
        _ => None,
    };
    error.since = r.word("timestamp");
    Some(error)
}
