//! What Braiins OS can be told: up to 25.05 by mutations of its GraphQL, since 25.07 by its REST API. What TCP 4028 takes too is
//! forgotten at the next start, so it is told nothing there.

use crate::acting::{
    ActError, Move, Order, Plan, Put, Raw, Verdict, duty_percent, mask, page_root, power_watts, refused,
    secret,
};
use crate::asking::{Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::Page;
use crate::http::{HttpReply, HttpRequest};
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, NetworkSetting, Support};
use serde_json::{Value, json};

/// More pools than a group is given.
const MOST: usize = 8;

/// A login by a mutation, for a cookie.
#[derive(Debug)]
pub(super) struct Cookie;

const LOGIN: &str = "mutation($username:String!,$password:String!){auth{login(username:$username,password:$password){... on VoidResult{void}}}}";

impl Login for Cookie {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let variables = json!({ "username": credentials.user, "password": credentials.password });
        let body = json!({ "query": LOGIN, "variables": variables }).to_string();
        HttpRequest::post("/graphql", "application/json", body)
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let failed = body.get("errors").is_some_and(|errors| !errors.is_null());
        Pass::cookies(reply).filter(|_| reply.is_success() && !failed).ok_or(Refusal::WrongCredentials)
    }
}

fn common() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerLimit,
            ActionKind::Network,
            ActionKind::Password,
            ActionKind::FactoryReset,
        ])
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerMode, Support::no("the firmware has a power target instead"))
        .with(ActionKind::SetFrequency, Support::no("the firmware tunes each chip by its power target"))
        .with(ActionKind::Update, Support::no("the firmware fetches its updates itself"))
}

pub(super) fn capabilities() -> Capabilities {
    common()
        .with(ActionKind::Fans, Support::no("how fans are set is not established"))
        .with(ActionKind::ReadLogs, Support::no("how logs are read is not established"))
}

pub(super) fn capabilities_rest() -> Capabilities {
    common().with_all(&[ActionKind::Fans, ActionKind::ReadLogs])
}

/// A text as GraphQL writes it, which is as JSON does.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    let bos = |what: &str| format!("mutation{{bos{{{what}}}}}");
    let miner = |what: &str| format!("mutation{{bosminer{{{what}}}}}");
    Ok(match order.action {
        Action::Reboot => Plan::one(mutation("reboot", &bos("reboot{__typename}")).may_close()),
        Action::FactoryReset => {
            Plan::one(mutation("factoryReset", &bos("factoryReset{__typename}")).may_close())
        }
        Action::Restart => Plan::one(restart()),
        Action::Pause => Plan::one(mutation("stop", &miner("stop{__typename}"))),
        Action::Resume => Plan::one(mutation("start", &miner("start{__typename}"))),
        Action::Locate { on } => {
            Plan::one(mutation("setFaultLight", &bos(&format!("setFaultLight(enable:{on}){{__typename}}"))))
        }
        Action::PowerLimit { power } => {
            let watts = power_watts(*power)?;
            let input =
                format!("config{{updateAutotuning(input:{{powerTarget:{watts}}},apply:true){{__typename}}}}");
            Plan::one(mutation("updateAutotuning", &miner(&input)))
        }
        Action::SetPools { pools } => {
            if pools.len() > MOST {
                return Err(ActError::impossible("more pools than a group is given"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                let (url, user) = (quoted(&pool.url), quoted(&pool.user));
                let password = quoted(secret(&pool.password)?);
                list.push(format!("{{url:{url},user:{user},password:{password}}}"));
            }
            let group = format!("{{name:\"Default\",quota:1,pools:[{}]}}", list.join(","));
            let input = format!("config{{updateGroups(groups:[{group}]){{__typename}}}}");
            Plan::new([mutation("updateGroups", &miner(&input)).writes().into(), restart().writes().into()])
        }
        Action::Network { network: NetworkSetting::Dhcp } => {
            Plan::one(mutation("setDhcp", &bos("network{setDhcp{__typename}}")).may_close())
        }
        Action::Network { network: NetworkSetting::Static { address, prefix, gateway, dns } } => {
            let dns: Vec<String> = dns.iter().take(2).map(|dns| format!("\"{dns}\"")).collect();
            let input = format!(
                "network{{setStaticIp(address:\"{address}\",netmask:\"{}\",gateway:\"{gateway}\",dnsServers:[{}]){{__typename}}}}",
                mask(*prefix),
                dns.join(",")
            );
            Plan::one(mutation("setStaticIp", &bos(&input)).may_close())
        }
        Action::Password { new, .. } => {
            let input = format!("setPassword(newPassword:{}){{__typename}}", quoted(secret(new)?));
            Plan::one(mutation("setPassword", &bos(&input)))
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn restart() -> Put {
    mutation("restart", "mutation{bosminer{restart{__typename}}}")
}

fn mutation(name: &'static str, query: &str) -> Put {
    Put::json(name, "/graphql", &json!({ "query": query, "variables": {} })).judged(by_data)
}

/// Errors stand beside the data, or in its place as a kind whose name says so.
fn by_data(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        Err(failure) => return failure,
    };
    if let Some(errors) = root.get("errors").and_then(Value::as_array).filter(|errors| !errors.is_empty()) {
        let words = errors.iter().find_map(|error| error.get("message")?.as_str()).unwrap_or_default();
        let lower = words.to_ascii_lowercase();
        if ["unauthorized", "unauthenticated", "not logged"].iter().any(|mark| lower.contains(mark)) {
            return Verdict::Refused(crate::ProtocolError::AccessDenied { question: name.to_owned() });
        }
        return refused(name, words);
    }
    // The one value at the end of the path that was asked for.
    let mut value = root.get("data");
    while let Some(Value::Object(map)) = value {
        let kind = map.get("__typename").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with("Error") {
            return refused(name, map.get("message").and_then(Value::as_str).unwrap_or(kind));
        }
        value = map.values().find(|value| value.is_object());
    }
    Verdict::Fine(None)
}

pub(super) fn plan_rest(order: &Order<'_>) -> Result<Plan, ActError> {
    let action = |name: &'static str, path: &'static str| {
        let mut request = Page::get(path).request();
        request.method = "PUT";
        Put::page(name, request)
    };
    let put = |name: &'static str, path: &'static str, body: &Value| Put::json(name, path, body).by("PUT");
    Ok(match order.action {
        Action::Reboot => Plan::one(action("reboot", "/api/v1/actions/reboot").may_close()),
        Action::FactoryReset => {
            Plan::one(action("factory-reset", "/api/v1/actions/factory-reset").may_close())
        }
        Action::Restart => Plan::one(action("restart", "/api/v1/actions/restart")),
        Action::Pause => Plan::one(action("pause", "/api/v1/actions/pause")),
        Action::Resume => Plan::one(action("resume", "/api/v1/actions/resume")),
        Action::Locate { on } => Plan::one(put("locate", "/api/v1/actions/locate", &json!(on))),
        Action::PowerLimit { power } => {
            let body = json!({ "watt": power_watts(*power)? });
            Plan::one(put("power-target", "/api/v1/performance/power-target", &body))
        }
        Action::SetPools { pools } => {
            if pools.len() > MOST {
                return Err(ActError::impossible("more pools than a group is given"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                let password = secret(&pool.password)?;
                list.push(
                    json!({ "url": pool.url, "user": pool.user, "password": password, "enabled": true }),
                );
            }
            let group = json!({ "name": "Default", "load_balance_strategy": { "quota": { "value": 1 } }, "pools": list });
            Plan::one(put("pools", "/api/v1/pools/batch", &json!([group])))
        }
        Action::Fans { fans } => {
            let body = match fans {
                FanSetting::Automatic => json!({ "auto": {} }),
                FanSetting::Fixed { duty } => {
                    json!({ "manual": { "fan_speed_ratio": f64::from(duty_percent(*duty)?) / 100.0 } })
                }
                _ => json!({ "immersion": {} }),
            };
            Plan::one(put("cooling", "/api/v1/cooling/mode", &body))
        }
        Action::Network { network } => {
            let protocol = match network {
                NetworkSetting::Dhcp => json!({ "dhcp": {} }),
                NetworkSetting::Static { address, prefix, gateway, dns } => json!({ "static": {
                    "address": address.to_string(), "netmask": mask(*prefix).to_string(),
                    "gateway": gateway.to_string(),
                    "dns_servers": dns.iter().take(2).map(ToString::to_string).collect::<Vec<_>>(),
                } }),
                _ => return Err(ActError::impossible("no such way to an address is known")),
            };
            let host = order.identity.hostname.as_deref();
            let mut body = json!({ "protocol": protocol });
            if let (Some(host), Some(body)) = (host, body.as_object_mut()) {
                body.insert("hostname".to_owned(), json!(host));
            }
            Plan::one(Put::json("network", "/api/v1/network/configuration", &body).by("PATCH").may_close())
        }
        Action::Password { new, .. } => {
            Plan::one(put("password", "/api/v1/auth/password", &json!({ "password": secret(new)? })))
        }
        Action::ReadLogs => {
            let log = Put::get("log", "/api/v1/miner/log/bosminer").keeps_log();
            Plan::new([Move::from(log)])
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}
