//! Orders to Marathon's firmware: one object for its configuration, and a page for what is done once.

use crate::face::Moment;
use crate::faces::control::pools;
use crate::http::{Request, Response};
use crate::node::{Node, Record};
use crate::number::whole;
use crate::orders::Order;
use crate::state::Phase;
use serde_json::Value;

/// The mode that is chosen.
fn selector<'a>(moment: &Moment<'a>) -> &'a str {
    match moment.state.phase {
        Phase::Asleep => "Sleep",
        _ => moment.spec.settings.mode.as_deref().unwrap_or("Stock"),
    }
}

/// The whole configuration.
pub(super) fn config(moment: &Moment<'_>) -> Record {
    let settings = &moment.spec.settings;
    let watts = settings.power_limit_w.unwrap_or(moment.spec.nominal_w);
    let concorde = Record::new()
        .text("mode-select", if settings.power_limit_w.is_some() { "PowerTarget" } else { "Hashrate" })
        .int("power-target", whole(watts))
        .int("hash-target", whole(moment.spec.nominal_ths));
    let fixed = Record::new().text("frequency", "500").fixed("voltage", 13.5, 1);
    let mode = Record::new()
        .text("work-mode-selector", selector(moment))
        .put("concorde", concorde.into())
        .put("fixed", fixed.into());
    let pools = moment.state.pools.iter().filter(|pool| !pool.url.is_empty()).map(|pool| {
        Record::new()
            .text("url", pool.url.as_str())
            .text("user", pool.user.as_str())
            .text("pass", "x")
            .int("gid", 1)
            .into()
    });
    let group = Record::new().int("gid", 1).text("alias", "default").int("percent", 100);
    let advanced = Record::new()
        .flag("override-fan-control", settings.fan_percent.is_some())
        .count("fan-fixed-percent", settings.fan_percent.unwrap_or(100).into());
    Record::new()
        .put("mode", mode.into())
        .put("pools", Node::List(pools.collect()))
        .put("pool-group", Node::one(group))
        .put("general-config", Record::new().text("environment-profile", "AirCooling").into())
        .put("advance-config", advanced.into())
}

fn said(words: &str, error: bool) -> Response {
    Response::json(Node::from(Record::new().flag("error", error).text("msg", words)).to_json())
}

/// Answers a request that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Option<Response> {
    if request.method != "POST" {
        return None;
    }
    let body = serde_json::from_slice::<Value>(request.body).unwrap_or_default();
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    Some(match request.path() {
        "/kaonsu/v1/locate_miner" => match body.get("blinking").and_then(Value::as_bool) {
            Some(on) => {
                moment.order(Order::Light(on));
                said("", false)
            }
            None => said("blinking is missing", true),
        },
        "/kaonsu/v1/maintenance" => match text("/type") {
            Some("reboot") => {
                moment.order(Order::Reboot);
                said("", false)
            }
            Some("reset") => {
                moment.order(Order::Reset);
                said("", false)
            }
            Some("passwd") if text("/params/curPwd") == Some(moment.password("root")) => {
                moment.order(Order::Password(text("/params/newPwd").unwrap_or_default().to_owned()));
                said("", false)
            }
            Some("passwd") => said("wrong password", true),
            _ => said("unknown type", true),
        },
        "/kaonsu/v1/miner_config" => configure(moment, &body),
        _ => return None,
    })
}

/// Only the whole object is taken.
fn configure(moment: &Moment<'_>, body: &Value) -> Response {
    let keys = ["mode", "pools", "pool-group", "general-config", "advance-config"];
    if let Some(missing) = keys.into_iter().find(|key| body.get(*key).is_none()) {
        return said(&format!("{missing} is missing"), true);
    }
    let now = selector(moment);
    match body.pointer("/mode/work-mode-selector").and_then(Value::as_str) {
        Some("Sleep") => moment.order(Order::Pause),
        Some(mode @ ("Auto" | "Fixed" | "Stock")) => {
            if now == "Sleep" {
                moment.order(Order::Resume);
            }
            if mode != now {
                moment.order(Order::Mode(mode.to_owned(), 1.0));
            }
        }
        _ => return said("unknown mode", true),
    }
    let of = |key: &str| body.pointer(&format!("/mode/concorde/{key}"));
    if of("mode-select").and_then(Value::as_str) == Some("PowerTarget") {
        moment.order(Order::PowerLimit(of("power-target").and_then(Value::as_f64)));
    }
    moment.order(Order::Pools(pools(body.get("pools").unwrap_or(&Value::Null), "url", "user")));
    let fans = |key: &str| body.pointer(&format!("/advance-config/{key}"));
    let percent = fans("fan-fixed-percent").and_then(Value::as_u64).and_then(|p| u8::try_from(p).ok());
    let by_hand = fans("override-fan-control").and_then(Value::as_bool) == Some(true);
    moment.order(Order::Fans(percent.filter(|_| by_hand)));
    said("", false)
}
