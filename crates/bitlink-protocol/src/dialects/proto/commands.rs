//! What Proto's rig can be told by its MDK API. Nothing, as long as its password is the one it was delivered with: the rig then
//! refuses whatever would change it.

use super::Proto;
use crate::acting::{ActError, Move, Order, Plan, Put, duty_percent, mask, multipart, power_watts, secret};
use crate::dialect::Page;
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, NetworkSetting, Support};
use serde_json::{Map, Value, json};

const TARGET: &str = "target";
const SYSTEM: &str = "system";
/// Pools that it has room for.
const SLOTS: usize = 3;
/// How long its light is on, in seconds: as its own page asks for it.
const LIGHT_S: u32 = 30;

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerLimit,
            ActionKind::PowerMode,
            ActionKind::Fans,
            ActionKind::Password,
            ActionKind::ReadLogs,
        ])
        .with(ActionKind::Network, Support::Unverified)
        .with(ActionKind::Update, Support::Unverified)
        .with(ActionKind::Restart, Support::no("the firmware starts and stops mining, and no program"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::SetFrequency, Support::no("the firmware tunes each chip by its power target"))
        .with(ActionKind::FactoryReset, Support::no("the firmware cannot be reset from afar"))
}

impl Proto {
    fn put(&self, put: Put) -> Put {
        put.over_tls(self.tls)
    }

    fn post(&self, name: &'static str, path: &'static str) -> Put {
        self.put(Put::page(name, Page::post(path).request()))
    }

    fn json(&self, name: &'static str, path: &'static str, body: &Value, method: &'static str) -> Put {
        self.put(Put::json(name, path, body).by(method))
    }

    pub(super) fn orders(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        Ok(match order.action {
            Action::Reboot => Plan::one(self.post("reboot", "/api/v1/system/reboot").may_close()),
            Action::Pause => Plan::one(self.post("stop", "/api/v1/mining/stop")),
            Action::Resume => Plan::one(self.post("start", "/api/v1/mining/start")),
            Action::Locate { on } => {
                let path = format!("/api/v1/system/locate?led_on_time={LIGHT_S}&enable={on}");
                let mut request = Page::post("/api/v1/system/locate").request();
                request.path = path.into();
                Plan::one(self.put(Put::page("locate", request)))
            }
            Action::SetPools { pools } => {
                if pools.len() > SLOTS {
                    return Err(ActError::impossible("the firmware has room for three pools"));
                }
                let mut list = Vec::with_capacity(pools.len());
                for (priority, pool) in pools.iter().enumerate() {
                    // Read as `user` and written as `username`.
                    list.push(json!({
                        "name": format!("pool {priority}"), "url": pool.url, "username": pool.user,
                        "password": secret(&pool.password)?, "priority": priority,
                    }));
                }
                Plan::one(self.json("pools", "/api/v1/pools", &Value::Array(list), "POST"))
            }
            Action::PowerLimit { power } => {
                let watts = power_watts(*power)?;
                self.target("power_target_watts", json!(watts))
            }
            Action::PowerMode { mode } => {
                let modes = ["MaximumHashrate", "Efficiency"];
                let mode = modes.into_iter().find(|known| known.eq_ignore_ascii_case(mode.trim()));
                let Some(mode) = mode else {
                    return Err(ActError::impossible("the modes are MaximumHashrate and Efficiency"));
                };
                self.target("performance_mode", json!(mode))
            }
            Action::Fans { fans } => {
                let body = match fans {
                    FanSetting::Automatic => json!({ "mode": "Auto" }),
                    FanSetting::Fixed { duty } => {
                        json!({ "mode": "Manual", "speed_percentage": duty_percent(*duty)? })
                    }
                    _ => json!({ "mode": "Off" }),
                };
                Plan::one(self.json("cooling", "/api/v1/cooling", &body, "PUT"))
            }
            Action::Network { network } => {
                let body = network_of(network, order.identity.hostname.as_deref().unwrap_or("proto-rig"))?;
                Plan::one(self.json("network", "/api/v1/network", &body, "PUT").may_be_silent())
            }
            Action::Password { new, .. } => self.password(secret(new)?.to_owned()),
            Action::Update { firmware } => {
                let (kind, body) = multipart(&[], "file", firmware);
                let mut request = Page::post("/api/v1/system/update").request();
                request.method = "PUT";
                request.body = body;
                let request = request.with_header("Content-Type", kind);
                Plan::one(self.put(Put::page("update", request)).may_be_silent())
            }
            Action::ReadLogs => {
                Plan::new([self.put(Put::get("log", "/api/v1/system/logs")).keeps_log().into()])
            }
            other => return Err(ActError::unsupported(other.kind())),
        })
    }

    /// What it aims at is read, changed and sent back, without the bounds that are only read.
    fn target(&self, key: &'static str, value: Value) -> Plan {
        let tls = self.tls;
        Plan::new([
            self.put(Put::get(TARGET, "/api/v1/mining/target")).into(),
            Move::decide(move |heard| {
                let read = heard.whole(TARGET)?;
                let keys = ["power_target_watts", "performance_mode", "balance_bays", "hash_on_disconnect"];
                let kept = keys.into_iter().filter_map(|key| Some((key.to_owned(), read.get(key)?.clone())));
                let mut body: Map<String, Value> = kept.collect();
                body.insert(key.to_owned(), value);
                let put = Put::json("set target", "/api/v1/mining/target", &Value::Object(body)).by("PUT");
                Ok(vec![put.over_tls(tls).writes().into()])
            }),
        ])
    }

    /// Which of the passwords opens it shows when a page is read for which one is wanted.
    fn password(&self, new: String) -> Plan {
        let tls = self.tls;
        Plan::new([
            self.put(Put::get(SYSTEM, "/api/v1/mining")).into(),
            Move::decide(move |heard| {
                let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                let body = json!({ "current_password": old, "new_password": new });
                let put = Put::json("change password", "/api/v1/auth/change-password", &body).by("PUT");
                Ok(vec![put.over_tls(tls).writes().into()])
            }),
        ])
    }
}

fn network_of(network: &NetworkSetting, host: &str) -> Result<Value, ActError> {
    let config = match network {
        NetworkSetting::Dhcp => json!({ "dhcp": true, "hostname": host }),
        NetworkSetting::Static { dns, .. } if !dns.is_empty() => {
            return Err(ActError::impossible("no way to give the firmware a name server is known"));
        }
        NetworkSetting::Static { address, prefix, gateway, .. } => json!({
            "dhcp": false, "ip": address.to_string(), "netmask": mask(*prefix).to_string(),
            "gateway": gateway.to_string(), "hostname": host,
        }),
        _ => return Err(ActError::impossible("no such way to an address is known")),
    };
    Ok(json!({ "network-config": config }))
}
