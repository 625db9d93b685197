//! What MicroBT's firmware can be told: orders that are signed and, in version 2, encrypted as a whole.
//!
//! Every order of version 2 wants a token, which is good for half an hour; it is asked for anew each time, because each asker
//! has few of them only as long as they are not used. That nothing was done is certain where the miner could not read the
//! order, or did not take its token.

use super::crypt::{Token, decrypt, encrypt, order_key, order_token};
use super::v3;
use crate::acting::{
    ActError, Heard, Move, Order, Plan, Put, Raw, Verdict, excerpt, mask, power_watts, refused, secret,
};
use crate::auth::Credentials;
use crate::decode::{Document, decode};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::ApiReply;
use bitlink_model::{Action, ActionKind, Capabilities, Identity, NetworkSetting, PoolSetting, Support};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Tokens asked for with one password.
const TOKENS: u32 = 3;
/// Pools there is room for.
const SLOTS: usize = 3;
/// Accounts of version 3.
const ACCOUNTS: [&str; 4] = ["super", "user1", "user2", "user3"];
/// Longest password.
const PASSWORD: usize = 8;

/// Whether the firmware is of the generation that takes its orders by version 3.
fn is_v3(identity: &Identity) -> bool {
    let version = identity.firmware.as_ref().and_then(|firmware| firmware.version.as_deref());
    version.and_then(v3::date).is_some_and(|date| date >= v3::SINCE)
}

/// By the API that the firmware takes its orders by.
pub(super) fn capabilities(identity: &Identity) -> Capabilities {
    if is_v3(identity) { capabilities_v3() } else { capabilities_v2(identity) }
}

/// By version 3.
pub(super) fn capabilities_v3() -> Capabilities {
    let files = Support::no("files go on over a connection in a way that is not spoken here");
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerMode,
            ActionKind::PowerLimit,
            ActionKind::Network,
            ActionKind::Password,
            ActionKind::FactoryReset,
        ])
        .with(ActionKind::Update, files.clone())
        .with(ActionKind::ReadLogs, files)
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::Fans, Support::no("the firmware drives its fans itself"))
        .with(ActionKind::SetFrequency, Support::no("the firmware takes a percentage and no frequency"))
}

fn capabilities_v2(identity: &Identity) -> Capabilities {
    let common = capabilities_v3();
    let api = identity.firmware.as_ref().and_then(|firmware| firmware.api_version.as_deref());
    match api.map(version) {
        Some(api) if api >= [2, 0, 5] => common,
        Some(_) => common.with(ActionKind::PowerLimit, Support::no("the API has it from version 2.0.5 on")),
        None => common.with(ActionKind::PowerLimit, Support::Unverified),
    }
}

/// `2.0.5` as numbers.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    if is_v3(order.identity) { plan_v3(order) } else { plan_v2(order) }
}

/// Who gives an order of version 2.
#[derive(Debug)]
struct Master {
    /// The order without its token. Where a password is among it, the old one is filled in.
    command: Map<String, Value>,
    old_password: bool,
    passwords: Vec<String>,
    /// Whether the program or the machine goes down with it, so that no answer comes.
    goes_down: bool,
}

fn plan_v2(order: &Order<'_>) -> Result<Plan, ActError> {
    let (command, goes_down) = command_v2(order)?;
    let Value::Object(command) = command else { return Err(ActError::unsupported(order.action.kind())) };
    let mut passwords: Vec<String> =
        order.credentials.iter().map(|credentials| credentials.password.clone()).collect();
    if passwords.is_empty() {
        // The miner will say what it thinks of it.
        passwords.push("admin".to_owned());
    }
    let old_password = matches!(order.action, Action::Password { .. });
    let master = Arc::new(Master { command, old_password, passwords, goes_down });
    Ok(Plan::new(attempt(&master, 0, 0)))
}

fn command_v2(order: &Order<'_>) -> Result<(Value, bool), ActError> {
    Ok(match order.action {
        Action::Reboot => (json!({ "cmd": "reboot" }), true),
        Action::FactoryReset => (json!({ "cmd": "factory_reset" }), true),
        Action::Restart => (json!({ "cmd": "restart_btminer" }), false),
        Action::Pause => (json!({ "cmd": "power_off", "respbefore": "true" }), false),
        Action::Resume => (json!({ "cmd": "power_on" }), false),
        Action::Locate { on: false } => (json!({ "cmd": "set_led", "param": "auto" }), false),
        Action::Locate { on: true } => {
            (json!({ "cmd": "set_led", "color": "red", "period": 1000, "duration": 500, "start": 0 }), false)
        }
        Action::SetPools { pools } => (update_pools(pools)?, false),
        Action::PowerMode { mode } => (json!({ "cmd": format!("set_{}_power", power_mode(mode)?) }), true),
        Action::PowerLimit { power } => {
            let watts = power_watts(*power)?.to_string();
            (json!({ "cmd": "adjust_power_limit", "power_limit": watts }), true)
        }
        Action::Network { network: NetworkSetting::Dhcp } => {
            (json!({ "cmd": "net_config", "param": "dhcp" }), true)
        }
        Action::Network { network: NetworkSetting::Static { address, prefix, gateway, dns } } => {
            let dns: Vec<String> = dns.iter().take(2).map(ToString::to_string).collect();
            let host = order.identity.hostname.as_deref().unwrap_or("WhatsMiner");
            let command = json!({
                "cmd": "net_config", "ip": address.to_string(), "mask": mask(*prefix).to_string(),
                "gate": gateway.to_string(), "dns": dns.join(" "), "host": host,
            });
            (command, true)
        }
        Action::Password { new, .. } => {
            (json!({ "cmd": "update_pwd", "old": "", "new": new_password(secret(new)?)? }), false)
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn update_pools(pools: &[PoolSetting]) -> Result<Value, ActError> {
    if pools.len() > SLOTS {
        return Err(ActError::impossible("the firmware has room for three pools"));
    }
    let mut command = Map::from_iter([("cmd".to_owned(), Value::from("update_pools"))]);
    for n in 0..SLOTS {
        let pool = pools.get(n);
        let password = pool.map(|pool| secret(&pool.password)).transpose()?.unwrap_or_default();
        let (url, user) = pool.map_or(("", ""), |pool| (pool.url.as_str(), pool.user.as_str()));
        for (key, value) in [("pool", url), ("worker", user), ("passwd", password)] {
            command.insert(format!("{key}{}", n + 1), Value::from(value));
        }
    }
    Ok(Value::Object(command))
}

fn power_mode(mode: &str) -> Result<&'static str, ActError> {
    ["low", "normal", "high"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(mode.trim()))
        .ok_or_else(|| ActError::impossible("the modes are low, normal and high"))
}

fn new_password(new: &str) -> Result<&str, ActError> {
    let allowed = new.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !allowed || new.len() > PASSWORD {
        return Err(ActError::impossible("a password is of at most eight letters, digits and underscores"));
    }
    Ok(new)
}

/// A token with one of the passwords, then the order.
fn attempt(master: &Arc<Master>, which: usize, tokens: u32) -> Vec<Move> {
    let token = Put::bytes("get_token", br#"{"cmd":"get_token"}"#.to_vec()).judged(judge_token);
    let master = Arc::clone(master);
    vec![token.into(), Move::decide(move |heard| order_v2(&master, which, tokens, heard))]
}

/// Without a token, what stands in its place says why.
fn judge_token(name: &'static str, raw: &Raw) -> Verdict {
    let document = match raw.document(name) {
        Ok(document) => document,
        Err(error) => return Verdict::Unclear(error),
    };
    if document.root().get("Msg").is_some_and(Value::is_object) {
        return Verdict::Fine(None);
    }
    refusal(name, &document)
}

fn refusal(name: &str, document: &Document) -> Verdict {
    let status = document.status();
    let words = status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default();
    let (question, message) = (name.to_owned(), Excerpt::of(words));
    match status.as_ref().and_then(|status| status.code) {
        Some(23 | 45 | 135) => Verdict::Refused(ProtocolError::AccessDenied { question }),
        Some(136) => Verdict::Refused(ProtocolError::Locked { question, message }),
        Some(code) => refused(name, &format!("{words} (code {code})")),
        None => refused(name, words),
    }
}

fn order_v2(
    master: &Arc<Master>,
    which: usize,
    tokens: u32,
    heard: &Heard,
) -> Result<Vec<Move>, ProtocolError> {
    let document = heard.document("get_token")?;
    let message = document.root().get("Msg").and_then(Value::as_object);
    // The time is four digits, zeros that lead among them; a miner that prints a number has lost those.
    let text = |key: &str| match message.and_then(|message| message.get(key)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => format!("{:0>4}", number.to_string()),
        _ => String::new(),
    };
    let password = master.passwords.get(which).map(String::as_str).unwrap_or_default();
    let token = Token::new(password, &text("time"), &text("salt"), &text("newsalt"));
    let mut command = master.command.clone();
    if master.old_password {
        command.insert("old".to_owned(), Value::from(password));
    }
    command.insert("token".to_owned(), Value::from(token.sign.as_str()));
    let data = encrypt(&token.key, &Value::Object(command).to_string());
    let request = json!({ "enc": 1, "data": data }).to_string().into_bytes();
    let again = Arc::clone(master);
    let put = Put::bytes("order", request).writes().judged(move |name, raw| {
        let document = match reply_v2(&token, name, raw) {
            Ok(document) => document,
            Err(error) => return Verdict::Unclear(error),
        };
        let Some(status) = document.status() else { return refusal(name, &document) };
        match status.code {
            _ if status.letter == crate::StatusLetter::Success => {
                Verdict::Fine(status.message.as_deref().map(excerpt))
            }
            // It does not take its own token: it may have forgotten it, or somebody has changed the password.
            Some(135) if tokens + 1 < TOKENS => Verdict::Instead(attempt(&again, which, tokens + 1)),
            // What it decrypts with its password is no order, or not signed with it.
            Some(23 | 135) if which + 1 < again.passwords.len() => {
                Verdict::Instead(attempt(&again, which + 1, 0))
            }
            _ => refusal(name, &document),
        }
    });
    Ok(vec![if master.goes_down { put.may_be_silent() } else { put }.into()])
}

/// A reply, decrypted where it is encrypted: some errors come as they are.
fn reply_v2(token: &Token, name: &str, raw: &Raw) -> Result<Document, ProtocolError> {
    let document = raw.document(name)?;
    let Some(sealed) = document.root().get("enc").and_then(Value::as_str) else { return Ok(document) };
    let bytes = decrypt(&token.key, sealed).unwrap_or_default();
    Ok(decode(name, &ApiReply::terminated(bytes))?.value)
}

/// An order of version 3.
#[derive(Debug)]
struct Master3 {
    command: &'static str,
    param: Param,
    credentials: Vec<Credentials>,
    goes_down: bool,
}

/// What an order of version 3 says besides its name.
#[derive(Debug)]
enum Param {
    None,
    Plain(Value),
    Sealed(Value),
    /// A new password; the old one and the account are filled in.
    Password(String),
}

/// By version 3.
pub(super) fn plan_v3(order: &Order<'_>) -> Result<Plan, ActError> {
    let (command, param, goes_down) = command_v3(order)?;
    let mut credentials: Vec<Credentials> = order.credentials.to_vec();
    if credentials.is_empty() {
        credentials.push(Credentials::new("super", "super"));
    }
    let master = Arc::new(Master3 { command, param, credentials, goes_down });
    Ok(Plan::new(attempt_v3(&master, 0)))
}

fn command_v3(order: &Order<'_>) -> Result<(&'static str, Param, bool), ActError> {
    let service = |word: &str| ("set.miner.service", Param::Plain(Value::from(word)), false);
    Ok(match order.action {
        Action::Reboot => ("set.system.reboot", Param::None, true),
        Action::FactoryReset => ("set.system.factory_reset", Param::None, true),
        Action::Restart => service("restart"),
        Action::Pause => service("stop"),
        Action::Resume => service("start"),
        Action::Locate { on: false } => ("set.system.led", Param::Plain(Value::from("auto")), false),
        Action::Locate { on: true } => {
            let red = json!([{ "color": "red", "period": 1000, "duration": 500, "start": 0 }]);
            ("set.system.led", Param::Plain(red), false)
        }
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                let password = secret(&pool.password)?;
                list.push(json!({ "pool": pool.url, "worker": pool.user, "passwd": password }));
            }
            ("set.miner.pools", Param::Sealed(Value::Array(list)), false)
        }
        Action::PowerMode { mode } => {
            ("set.miner.power_mode", Param::Plain(Value::from(power_mode(mode)?)), true)
        }
        Action::PowerLimit { power } => {
            ("set.miner.power_limit", Param::Plain(Value::from(power_watts(*power)?)), true)
        }
        Action::Network { network: NetworkSetting::Dhcp } => {
            ("set.system.net_config", Param::Plain(Value::from("dhcp")), true)
        }
        Action::Network { network: NetworkSetting::Static { address, prefix, gateway, dns } } => {
            if dns.len() > 1 {
                return Err(ActError::impossible(
                    "no way to give the firmware a second name server is known",
                ));
            }
            let param = json!({
                "ip": address.to_string(), "netmask": mask(*prefix).to_string(), "gateway": gateway.to_string(),
                "dns": dns.first().map(ToString::to_string).unwrap_or_default(),
            });
            ("set.system.net_config", Param::Plain(param), true)
        }
        Action::Password { user, new } => {
            if user.as_deref().is_some_and(|user| !ACCOUNTS.contains(&user)) {
                return Err(ActError::impossible("the accounts are super, user1, user2 and user3"));
            }
            let new = new_password(secret(new)?)?.to_owned();
            ("set.user.change_passwd", Param::Password(new), false)
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn attempt_v3(master: &Arc<Master3>, which: usize) -> Vec<Move> {
    let salt = json!({ "cmd": "get.device.info", "param": "salt" });
    let master = Arc::clone(master);
    vec![
        Put::frame("salt", v3::PORT, &salt).into(),
        Move::decide(move |heard| order_v3(&master, which, heard)),
    ]
}

fn order_v3(master: &Arc<Master3>, which: usize, heard: &Heard) -> Result<Vec<Move>, ProtocolError> {
    let document = heard.document("salt")?;
    let root = document.root();
    let salt = root.get("msg").and_then(|msg| msg.get("salt")).and_then(Value::as_str).unwrap_or_default();
    // The order is dated by the miner's own clock.
    let time = root.get("when").and_then(crate::record::lenient_integer).unwrap_or_default();
    let Some(Credentials { user, password }) = master.credentials.get(which) else {
        return Err(ProtocolError::AccessDenied { question: master.command.to_owned() });
    };
    let account = ACCOUNTS.into_iter().find(|account| account == user).unwrap_or("super");
    let key = order_key(master.command, password, salt, time);
    let mut body = json!({
        "cmd": master.command, "ts": time, "token": order_token(&key), "account": account,
    });
    let param = match &master.param {
        Param::None => None,
        Param::Plain(value) => Some(value.clone()),
        Param::Sealed(value) => Some(Value::from(encrypt(&key, &value.to_string()))),
        Param::Password(new) => {
            let change = json!({ "account": account, "new": new, "old": password });
            Some(Value::from(encrypt(&key, &change.to_string())))
        }
    };
    if let (Some(param), Some(body)) = (param, body.as_object_mut()) {
        body.insert("param".to_owned(), param);
    }
    let again = Arc::clone(master);
    let put = Put::frame(master.command, v3::PORT, &body).writes();
    let put = if master.goes_down { put.may_be_silent() } else { put };
    Ok(vec![
        put.or_denied(move || (which + 1 < again.credentials.len()).then(|| attempt_v3(&again, which + 1)))
            .into(),
    ])
}
