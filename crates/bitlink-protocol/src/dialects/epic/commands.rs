//! What ePIC's PowerPlay can be told: a parameter and the password in one document, to the same port that answers. That it is
//! refused stands in the reply, whatever its status.

use crate::acting::{
    ActError, Move, Order, Plan, Put, Raw, Verdict, duty_percent, mask, multipart, page_root, refused, secret,
};
use crate::auth::Credentials;
use crate::dialect::Page;
use crate::error::ProtocolError;
use crate::exchange::API_DOOR;
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, NetworkSetting, Support};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write;
use std::sync::Arc;

const SLOTS: usize = 3;
/// Where it is delivered with.
const DELIVERED: &str = "letmein";

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::SetFrequency,
            ActionKind::Fans,
            ActionKind::Network,
            ActionKind::Password,
            ActionKind::ReadLogs,
        ])
        .with(ActionKind::Update, Support::Unverified)
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(
            ActionKind::PowerLimit,
            Support::no("a target wants limits of its own that are not established"),
        )
        .with(ActionKind::PowerMode, Support::no("a tuning algorithm wants a target with it"))
        .with(ActionKind::FactoryReset, Support::no("what the reset wants to be told is not established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    let (path, param, goes_down) = match order.action {
        Action::Reboot => ("/reboot", json!(0), true),
        Action::Restart => ("/softreboot", Value::Null, true),
        Action::Pause => ("/miner", json!("Stop"), false),
        Action::Resume => ("/miner", json!("Autostart"), false),
        Action::Locate { on } => ("/identify", json!(on), false),
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                let password = secret(&pool.password)?;
                list.push(json!({ "pool": pool.url, "login": pool.user, "password": password }));
            }
            ("/coin", json!({ "coin": "BTC", "stratum_configs": list, "unique_id": false }), false)
        }
        Action::SetFrequency { frequency } => ("/tune/clock/all", json!(frequency.as_megahertz()), false),
        Action::Fans { fans: FanSetting::Automatic } => {
            ("/fanspeed", json!({ "Auto": { "Target Temperature": 60, "Idle Speed": 20 } }), false)
        }
        Action::Fans { fans: FanSetting::Fixed { duty } } => {
            ("/fanspeed", json!({ "Manual": duty_percent(*duty)? }), false)
        }
        Action::Fans { .. } => return Err(ActError::impossible("fans cannot be switched off")),
        Action::Network { network: NetworkSetting::Dhcp } => ("/network", json!({ "dhcp": null }), true),
        Action::Network { network: NetworkSetting::Static { address, prefix, gateway, dns } } => {
            let dns = dns.first().map(ToString::to_string).unwrap_or_default();
            let lease = json!({
                "address": address.to_string(), "netmask": mask(*prefix).to_string(),
                "gateway": gateway.to_string(), "dns": dns,
            });
            ("/network", json!({ "static": lease }), true)
        }
        Action::Password { new, .. } => ("/password", json!(secret(new)?), false),
        Action::Update { firmware } => {
            let sum = Sha256::digest(&firmware.bytes).iter().fold(String::new(), |mut out, byte| {
                // Writing to a string cannot fail.
                let _ = write!(out, "{byte:02x}");
                out
            });
            let password = order.credentials.first().map_or(DELIVERED, |c| c.password.as_str());
            let fields = [("password", password), ("checksum", &sum), ("keepsettings", "true")];
            let (kind, body) = multipart(&fields, "update.zip", firmware);
            let mut request = Page::post("/systemupdate").at(API_DOOR).request();
            request.body = body;
            let request = request.with_header("Content-Type", kind);
            return Ok(Plan::one(Put::page("systemupdate", request).may_be_silent().judged(by_result)));
        }
        Action::ReadLogs => {
            return Ok(Plan::new([Put::get("log", "/log").at(API_DOOR).keeps_log().into()]));
        }
        other => return Err(ActError::unsupported(other.kind())),
    };
    let mut passwords: Vec<String> =
        order.credentials.iter().map(|Credentials { password, .. }| password.clone()).collect();
    if !passwords.iter().any(|password| password == DELIVERED) {
        passwords.push(DELIVERED.to_owned());
    }
    passwords.dedup();
    let command = Arc::new(Command { path, param, passwords, goes_down });
    Ok(Plan::new(attempt(&command, 0)))
}

#[derive(Debug)]
struct Command {
    path: &'static str,
    param: Value,
    passwords: Vec<String>,
    goes_down: bool,
}

/// With one of the passwords, and with the next where that is the wrong one.
fn attempt(command: &Arc<Command>, which: usize) -> Vec<Move> {
    let Some(password) = command.passwords.get(which) else { return Vec::new() };
    let body = if command.param.is_null() {
        json!({ "password": password })
    } else {
        json!({ "param": command.param, "password": password })
    };
    let again = Arc::clone(command);
    let put = Put::json(command.path, command.path, &body)
        .at(API_DOOR)
        .judged(by_result)
        .or_denied(move || (which + 1 < again.passwords.len()).then(|| attempt(&again, which + 1)));
    let put = if command.goes_down { put.may_be_silent() } else { put };
    vec![put.writes().into()]
}

fn by_result(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        Err(failure) => return failure,
    };
    match (root.get("result").and_then(Value::as_bool), root.get("error")) {
        (Some(false), Some(Value::String(error))) if error == "BadPassword" => {
            Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() })
        }
        (Some(true), Some(Value::Null) | None) => Verdict::Fine(None),
        (_, Some(error)) if !error.is_null() => refused(name, &error.to_string()),
        (Some(false), _) => refused(name, ""),
        _ => Verdict::Unclear(ProtocolError::Malformed {
            question: name.to_owned(),
            excerpt: crate::Excerpt::of_bytes(raw.body()),
        }),
    }
}
