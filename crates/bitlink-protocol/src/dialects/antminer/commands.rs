//! What Bitmain's firmware since 2020 can be told, by its web server (`/cgi-bin/*.cgi`); TCP 4028 only answers.
//!
//! Builds up to the middle of 2023 replace their whole configuration with what is sent, so it is read, changed and sent back
//! whole. Some keys are written under other names than they are read under.

use crate::acting::{
    ActError, Heard, Move, Order, Plan, Put, Raw, Verdict, duty_percent, excerpt, mask, multipart, page_root,
    refused, secret,
};
use crate::dialect::Page;
use crate::error::ProtocolError;
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, NetworkSetting, PoolSetting, Support};
use serde_json::{Map, Value, json};

const CONF: &str = "get_miner_conf";
const INFO: &str = "get_system_info";

/// Pools that the firmware has room for; it wants all of them, empty ones too.
const SLOTS: usize = 3;

/// How a firmware that keeps Bitmain's pages names its settings.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialects) struct Keys {
    /// Where it reads and writes its work mode: read, then written.
    pub(in crate::dialects) mode: [&'static str; 2],
    /// Where it reads and writes the level of its frequency.
    pub(in crate::dialects) level: [&'static str; 2],
    /// Whether fans are driven by hand, and how far in percent.
    pub(in crate::dialects) fans: [&'static str; 2],
}

/// Bitmain's names.
pub(in crate::dialects) const KEYS: Keys = Keys {
    mode: ["bitmain-work-mode", "miner-mode"],
    level: ["bitmain-freq-level", "freq-level"],
    fans: ["bitmain-fan-ctrl", "bitmain-fan-pwm"],
};

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerMode,
            ActionKind::Fans,
            ActionKind::Password,
            ActionKind::FactoryReset,
            ActionKind::ReadLogs,
        ])
        .with(ActionKind::Network, Support::Unverified)
        .with(ActionKind::Update, Support::Unverified)
        .with(
            ActionKind::Restart,
            Support::no("the firmware restarts its program with a new configuration only"),
        )
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has modes and no limit"))
        .with(ActionKind::SetFrequency, Support::no("no key for the frequency is established"))
}

pub(in crate::dialects) fn plan(order: &Order<'_>, keys: Keys) -> Result<Plan, ActError> {
    let host = order.identity.hostname.as_deref().unwrap_or("Antminer");
    Ok(match order.action {
        Action::Reboot => Plan::one(Put::get("reboot", "/cgi-bin/reboot.cgi").may_be_silent()),
        Action::FactoryReset => Plan::one(Put::get("reset_conf", "/cgi-bin/reset_conf.cgi").may_be_silent()),
        Action::Pause => work_mode(keys, 1),
        Action::Resume => work_mode(keys, 0),
        Action::PowerMode { mode } => work_mode(keys, mode_number(mode)?),
        Action::Locate { on } => {
            let body = json!({ "blink": if *on { "true" } else { "false" } });
            Plan::one(Put::json("blink", "/cgi-bin/blink.cgi", &body).judged(by_code))
        }
        Action::SetPools { pools } => configure(keys, pools_of(pools)?),
        Action::Fans { fans } => {
            let (manual, percent) = match fans {
                FanSetting::Automatic => (false, None),
                FanSetting::Fixed { duty } => (true, Some(duty_percent(*duty)?)),
                _ => return Err(ActError::impossible("fans cannot be switched off")),
            };
            let [by_hand, how_far] = keys.fans;
            let mut changes = vec![(by_hand, Value::Bool(manual))];
            changes.extend(percent.map(|percent| (how_far, Value::from(percent.to_string()))));
            configure(keys, changes)
        }
        Action::Network { network } => {
            let body = network_of(network, host)?;
            Plan::one(
                Put::json("set_network_conf", "/cgi-bin/set_network_conf.cgi", &body)
                    .may_be_silent()
                    .judged(by_code),
            )
        }
        Action::Password { new, .. } => {
            let new = secret(new)?.to_owned();
            // Which of the passwords opens it shows when a page is read.
            Plan::new([
                Put::get(INFO, "/cgi-bin/get_system_info.cgi").into(),
                Move::decide(move |heard| {
                    let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                    let body = json!({ "curPwd": old, "newPwd": new, "confirmPwd": new });
                    Ok(vec![
                        Put::json("passwd", "/cgi-bin/passwd.cgi", &body).judged(by_code).writes().into(),
                    ])
                }),
            ])
        }
        Action::Update { firmware } => {
            let (kind, body) = multipart(&[], "firmware", firmware);
            let mut request = Page::post("/cgi-bin/upgrade.cgi").request();
            request.body = body;
            let request = request.with_header("Content-Type", kind);
            Plan::one(Put::page("upgrade", request).may_be_silent().judged(by_code))
        }
        Action::ReadLogs => Plan::new([logs("/cgi-bin/get_kernel_log.cgi", "/cgi-bin/log.cgi").into()]),
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// One page with a log, or another where there is no such page.
pub(in crate::dialects) fn logs(first: &'static str, second: &'static str) -> Put {
    Put::get("log", first).keeps_log().judged(move |name, raw| match raw {
        Raw::Page(page) if page.status == 404 => {
            Verdict::Instead(vec![Put::get("log", second).keeps_log().into()])
        }
        Raw::Page(page) if page.is_success() => Verdict::Fine(None),
        raw => match page_root(name, raw) {
            Err(failure) => failure,
            Ok(_) => Verdict::Fine(None),
        },
    })
}

/// The firmware's number for a mode.
fn mode_number(mode: &str) -> Result<i64, ActError> {
    match mode.trim().to_ascii_lowercase().as_str() {
        "normal" => Ok(0),
        "sleep" => Ok(1),
        "high" => Ok(2),
        "low" | "low-power" => Ok(3),
        _ => Err(ActError::impossible("the modes are normal, low, high and sleep")),
    }
}

fn pools_of(pools: &[PoolSetting]) -> Result<Vec<(&'static str, Value)>, ActError> {
    if pools.len() > SLOTS {
        return Err(ActError::impossible("the firmware has room for three pools"));
    }
    let mut slots = Vec::with_capacity(SLOTS);
    for pool in pools {
        slots.push(json!({ "url": pool.url, "user": pool.user, "pass": secret(&pool.password)? }));
    }
    slots.resize(SLOTS, json!({ "url": "", "user": "", "pass": "" }));
    Ok(vec![("pools", Value::Array(slots))])
}

/// The configuration read, changed, and sent back.
fn configure(keys: Keys, changes: Vec<(&'static str, Value)>) -> Plan {
    change(keys, move |conf| {
        for (key, value) in changes {
            conf.insert(key.to_owned(), value);
        }
    })
}

/// The mode is a number or a text, by model; it is written as it was read.
fn work_mode(keys: Keys, mode: i64) -> Plan {
    change(keys, move |conf| {
        let [read, written] = keys.mode;
        let as_number = [read, written].iter().any(|key| conf.get(*key).is_some_and(Value::is_number));
        let mode = if as_number { Value::from(mode) } else { Value::from(mode.to_string()) };
        conf.insert(read.to_owned(), mode.clone());
        conf.insert(written.to_owned(), mode);
    })
}

fn change(keys: Keys, change: impl FnOnce(&mut Map<String, Value>) + Send + Sync + 'static) -> Plan {
    Plan::new([
        Put::get(CONF, "/cgi-bin/get_miner_conf.cgi").into(),
        Move::decide(move |heard| {
            let mut conf = configuration(heard, keys)?;
            change(&mut conf);
            // The mining program starts anew with it, and the reply may not survive that.
            let put = Put::json("set_miner_conf", "/cgi-bin/set_miner_conf.cgi", &Value::Object(conf));
            Ok(vec![put.may_be_silent().judged(by_code).writes().into()])
        }),
    ])
}

/// The configuration as it is to be sent back: settings that are written under another name stand under both.
fn configuration(heard: &Heard, keys: Keys) -> Result<Map<String, Value>, ProtocolError> {
    let mut conf = heard.whole(CONF)?;
    for [read, written] in [keys.mode, keys.level] {
        if let (Some(value), false) = (conf.get(read).cloned(), conf.contains_key(written)) {
            conf.insert(written.to_owned(), value);
        }
    }
    Ok(conf)
}

fn network_of(network: &NetworkSetting, host: &str) -> Result<Value, ActError> {
    Ok(match network {
        NetworkSetting::Dhcp => json!({
            "ipHost": host, "ipPro": 1, "ipAddress": "", "ipSub": "", "ipGateway": "", "ipDns": "",
        }),
        NetworkSetting::Static { address, prefix, gateway, dns } => {
            if dns.len() > 1 {
                return Err(ActError::impossible(
                    "no way to give the firmware a second name server is known",
                ));
            }
            let dns = dns.first().map(ToString::to_string).unwrap_or_default();
            json!({
                "ipHost": host, "ipPro": 2, "ipAddress": address.to_string(),
                "ipSub": mask(*prefix).to_string(), "ipGateway": gateway.to_string(), "ipDns": dns,
            })
        }
        _ => return Err(ActError::impossible("no such way to an address is known")),
    })
}

/// A code of a letter and three digits; what ends in `00` is done. Some replies are empty, or none of JSON.
pub(in crate::dialects) fn by_code(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        // A page of success that is not JSON.
        Err(Verdict::Unclear(ProtocolError::Malformed { .. })) => return Verdict::Fine(None),
        Err(failure) => return failure,
    };
    let text = |key: &str| root.get(key).and_then(Value::as_str);
    let words = text("msg").or_else(|| text("stats")).map(excerpt);
    let fails = text("stats").is_some_and(|stats| stats.eq_ignore_ascii_case("error"));
    match text("code") {
        Some(code) if fails || !code.ends_with("00") => {
            refused(name, &format!("{} ({code})", words.unwrap_or_default()))
        }
        None if fails => refused(name, &words.unwrap_or_default()),
        _ => Verdict::Fine(words),
    }
}
