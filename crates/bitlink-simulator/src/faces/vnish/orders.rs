//! Orders to VNish, for whoever has unlocked it.

use super::web::refused;
use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::node::{Node, Record};
use crate::orders::Order;
use serde_json::Value;

/// Whether a request is for something that wants the token.
pub(super) fn is_guarded(request: &Request<'_>, path: &str) -> bool {
    request.method != "GET" || matches!(path, "settings" | "apikeys" | "autotune/presets")
}

/// The preset that is set.
fn preset<'a>(moment: &Moment<'a>) -> &'a str {
    moment.spec.settings.mode.as_deref().unwrap_or("disabled")
}

/// Answers a request of somebody who has the token.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, path: &str) -> Response {
    let body = serde_json::from_slice::<Value>(request.body).unwrap_or_default();
    let done = |order: Order| {
        moment.order(order);
        Response::json("")
    };
    match (request.method, path) {
        ("GET", "settings") => Response::json(Node::from(settings(moment)).to_json()),
        ("POST", "settings") => set(moment, &body),
        ("POST", "mining/stop" | "mining/pause") => done(Order::Pause),
        ("POST", "mining/start" | "mining/resume") => done(Order::Resume),
        ("POST", "mining/restart") => done(Order::Restart),
        ("POST", "mining/switch-pool") => match body.get("pool_id").and_then(Value::as_u64) {
            Some(id) => done(Order::SwitchPool(usize::try_from(id).unwrap_or_default())),
            None => refused(422, "pool_id is missing"),
        },
        ("POST", "find-miner") => {
            let on = !moment.spec.settings.light;
            moment.order(Order::Light(on));
            Response::json(format!(r#"{{"on":{on}}}"#))
        }
        ("POST", "system/reboot") => done(Order::Reboot),
        ("POST", "settings/factory-reset") => {
            moment.order(Order::Reset);
            Response::json(r#"{"after":3}"#)
        }
        ("POST", "firmware/update") => match request.file("file") {
            Some(file) => {
                moment.order(Order::Update(file.len()));
                Response::json(r#"{"after":3}"#)
            }
            None => refused(400, "no file"),
        },
        ("GET", "apikeys" | "autotune/presets") => Response::json("[]"),
        _ => refused(404, "Not found"),
    }
}

fn settings(moment: &Moment<'_>) -> Record {
    let pools = moment.state.pools.iter().map(|pool| {
        Node::from(
            Record::new().text("url", pool.url.as_str()).text("user", pool.user.as_str()).text("pass", "x"),
        )
    });
    let overclock = Record::new().flag("modded_psu", false).text("preset", preset(moment));
    let mode = match moment.spec.settings.fan_percent {
        Some(percent) => Record::new().text("name", "manual").count("param", u64::from(percent)),
        None => Record::new().text("name", "auto").int("param", 65),
    };
    let cooling = Record::new().put("mode", mode.into()).int("fan_min_count", 4);
    let miner = Record::new()
        .put("overclock", overclock.into())
        .put("pools", Node::List(pools.collect()))
        .put("cooling", cooling.into());
    let network = Record::new().flag("dhcp", true).text("hostname", moment.spec.hostname.as_str());
    Record::new().put("miner", miner.into()).put("network", network.into())
}

fn set(moment: &Moment<'_>, body: &Value) -> Response {
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    if let Some(current) = text("/password/current") {
        if current != moment.password("admin") {
            return refused(403, "Incorrect password");
        }
        moment.order(Order::Password(text("/password/pw").unwrap_or_default().to_owned()));
    }
    if let Some(pools) = body.pointer("/miner/pools").and_then(Value::as_array) {
        let of =
            |pool: &Value, key: &str| pool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        // It keeps them without a scheme.
        let bare = |url: String| url.rsplit("://").next().unwrap_or_default().to_owned();
        let pools = pools.iter().map(|pool| PoolSpec { url: bare(of(pool, "url")), user: of(pool, "user") });
        moment.order(Order::Pools(pools.collect()));
    }
    if let Some(preset) = text("/miner/overclock/preset") {
        // Of which only the whole is taken.
        if body.pointer("/miner/overclock/modded_psu").is_some() {
            let part = preset.parse::<f64>().map_or(1.0, |watts| watts / moment.spec.nominal_w);
            moment.order(Order::Mode(preset.to_owned(), part.clamp(0.3, 1.2)));
        }
    }
    if let Some(mode) = text("/miner/cooling/mode/name") {
        let percent = body.pointer("/miner/cooling/mode/param").and_then(Value::as_u64);
        let percent = percent.and_then(|percent| u8::try_from(percent).ok());
        moment.order(Order::Fans(percent.filter(|_| mode == "manual")));
    }
    if let Some(dhcp) = body.pointer("/network/dhcp").and_then(Value::as_bool) {
        let address = text("/network/ipaddress").unwrap_or_default();
        moment.order(Order::Network(if dhcp { "dhcp".to_owned() } else { address.to_owned() }));
    }
    let restart = body.get("miner").is_some();
    Response::json(format!(r#"{{"restart_required":{restart},"reboot_required":false}}"#))
}
