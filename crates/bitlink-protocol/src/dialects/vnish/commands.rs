//! What VNish (AnthillOS) can be told by the interface of its web server, once a password has unlocked it. Settings are changed
//! block by block; blocks that belong together are read first and sent back whole.

use crate::acting::{
    ActError, Address, Move, Order, Plan, Put, Raw, Verdict, duty_percent, mask, multipart, page_root,
    refused, secret,
};
use crate::asking::{Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::Page;
use crate::http::{HttpReply, HttpRequest};
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, NetworkSetting, Support};
use serde_json::{Value, json};

const SETTINGS: &str = "settings";
const STATUS: &str = "status";

/// A password for a token.
#[derive(Debug)]
pub(super) struct Unlock;

impl Login for Unlock {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let body = json!({ "pw": credentials.password }).to_string();
        HttpRequest::post("/api/v1/unlock", "application/json", body)
    }

    /// After too many tries it says for how long it takes none.
    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let token = body.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        if let (Some(token), true) = (token, reply.is_success()) {
            return Ok(Pass::header("Authorization", format!("Bearer {token}")));
        }
        match body.get("unlock_timeout").and_then(Value::as_u64).filter(|seconds| *seconds > 0) {
            Some(seconds) => Err(Refusal::Locked(format!("locked for {seconds} s"))),
            None => Err(Refusal::WrongCredentials),
        }
    }
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::SwitchPool,
            ActionKind::PowerMode,
            ActionKind::Fans,
            ActionKind::Network,
            ActionKind::Password,
            ActionKind::FactoryReset,
            ActionKind::ReadLogs,
        ])
        .with(ActionKind::Update, Support::Unverified)
        .with(
            ActionKind::PowerLimit,
            Support::no("the firmware has presets; a limit is not in all its versions"),
        )
        .with(ActionKind::SetFrequency, Support::no("the firmware tunes by presets"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::one(post("reboot", "/api/v1/system/reboot", &json!({ "after": 3 }))),
        Action::Restart => mining("restart", "/api/v1/mining/restart"),
        Action::Pause => mining("stop", "/api/v1/mining/stop"),
        Action::Resume => mining("start", "/api/v1/mining/start"),
        Action::Locate { on } => locate(*on),
        Action::SwitchPool { pool } => {
            Plan::one(post("switch-pool", "/api/v1/mining/switch-pool", &json!({ "pool_id": pool })))
        }
        Action::SetPools { pools } => {
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                // Kept without a scheme.
                let url = Address::of(&pool.url).bare();
                list.push(json!({ "url": url, "user": pool.user, "pass": secret(&pool.password)? }));
            }
            Plan::new(set(&json!({ "miner": { "pools": list } })))
        }
        Action::PowerMode { mode } => {
            let mode = mode.clone();
            change(move |settings| {
                let mut overclock = settings.pointer("/miner/overclock").cloned()?;
                *overclock.get_mut("preset")? = Value::from(mode);
                Some(json!({ "miner": { "overclock": overclock } }))
            })
        }
        Action::Fans { fans } => {
            // Read under one name and written under another.
            let mode = match fans {
                FanSetting::Automatic => json!({ "name": "auto", "param": 60 }),
                FanSetting::Fixed { duty } => json!({ "name": "manual", "param": duty_percent(*duty)? }),
                _ => json!({ "name": "immers", "param": 0 }),
            };
            change(move |settings| {
                let mut cooling = settings.pointer("/miner/cooling").cloned()?;
                cooling.as_object_mut()?.insert("mode".to_owned(), mode);
                Some(json!({ "miner": { "cooling": cooling } }))
            })
        }
        Action::Network { network } => {
            let block = network_of(network)?;
            change(move |settings| {
                let mut network = settings.get("network").cloned()?;
                network.as_object_mut()?.extend(block.as_object()?.clone());
                Some(json!({ "network": network }))
            })
        }
        Action::Password { new, .. } => {
            let new = secret(new)?.to_owned();
            Plan::new([
                read(),
                Move::decide(move |heard| {
                    let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                    Ok(set(&json!({ "password": { "current": old, "pw": new } })))
                }),
            ])
        }
        Action::FactoryReset => {
            Plan::one(Put::json("factory-reset", "/api/v1/settings/factory-reset", &json!({})).may_close())
        }
        Action::Update { firmware } => {
            let (kind, body) = multipart(&[("keep_settings", "true")], "file", firmware);
            let mut request = Page::post("/api/v1/firmware/update").request();
            request.body = body;
            let request = request.with_header("Content-Type", kind);
            Plan::one(Put::page("update", request).may_be_silent().judged(by_error))
        }
        Action::ReadLogs => Plan::new([Put::get("log", "/api/v1/logs/miner").keeps_log().into()]),
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn post(name: &'static str, path: &'static str, body: &Value) -> Put {
    Put::json(name, path, body).judged(by_error)
}

/// A page without a body.
fn mining(name: &'static str, path: &'static str) -> Plan {
    Plan::one(Put::page(name, Page::post(path).request()).judged(by_error))
}

/// The only way to the light is to turn it over, so it is looked at first.
fn locate(on: bool) -> Plan {
    Plan::new([
        Put::get(STATUS, "/api/v1/status").into(),
        Move::decide(move |heard| {
            let root = heard.whole(STATUS)?;
            let is_on = ["find_miner", "find-miner"].iter().find_map(|key| root.get(*key)?.as_bool());
            if is_on == Some(on) {
                return Ok(Vec::new());
            }
            let turn = Put::page("find-miner", Page::post("/api/v1/find-miner").request());
            Ok(vec![turn.judged(by_error).writes().into()])
        }),
    ])
}

fn read() -> Move {
    Put::get(SETTINGS, "/api/v1/settings").into()
}

/// Settings read, and a block of them changed.
fn change(change: impl FnOnce(&Value) -> Option<Value> + Send + Sync + 'static) -> Plan {
    Plan::new([
        read(),
        Move::decide(move |heard| {
            let settings = Value::Object(heard.whole(SETTINGS)?);
            match change(&settings) {
                Some(block) => Ok(set(&block)),
                None => Err(crate::ProtocolError::Malformed {
                    question: SETTINGS.to_owned(),
                    excerpt: crate::Excerpt::of("the block to be changed is not there"),
                }),
            }
        }),
    ])
}

/// A block is sent, and the mining program started anew where the firmware wants that.
fn set(block: &Value) -> Vec<Move> {
    let put = post("set settings", "/api/v1/settings", block).writes();
    vec![
        put.into(),
        Move::decide(|heard| {
            let reply = heard.document("set settings").ok();
            let wants =
                |key: &str| reply.as_ref().is_some_and(|r| r.root().get(key) == Some(&Value::Bool(true)));
            let moves = if wants("reboot_required") {
                vec![post("reboot", "/api/v1/system/reboot", &json!({ "after": 3 })).writes().into()]
            } else if wants("restart_required") {
                let restart = Put::page("restart", Page::post("/api/v1/mining/restart").request());
                vec![restart.judged(by_error).writes().into()]
            } else {
                Vec::new()
            };
            Ok(moves)
        }),
    ]
}

fn network_of(network: &NetworkSetting) -> Result<Value, ActError> {
    Ok(match network {
        NetworkSetting::Dhcp => json!({ "dhcp": true }),
        NetworkSetting::Static { address, prefix, gateway, dns } => json!({
            "dhcp": false, "ipaddress": address.to_string(), "netmask": mask(*prefix).to_string(),
            "gateway": gateway.to_string(),
            "dnsservers": dns.iter().take(2).map(ToString::to_string).collect::<Vec<_>>(),
        }),
        _ => return Err(ActError::impossible("no such way to an address is known")),
    })
}

/// An error is told in words, with whatever status.
fn by_error(name: &'static str, raw: &Raw) -> Verdict {
    match page_root(name, raw) {
        Ok(root) => match root.get("err").and_then(Value::as_str) {
            Some(words) => refused(name, words),
            None => Verdict::Fine(None),
        },
        Err(failure) => failure,
    }
}
