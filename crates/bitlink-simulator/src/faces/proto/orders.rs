//! Orders to Proto's rig, for whoever has a token and has changed the password.

use crate::face::Moment;
use crate::faces::control::pools;
use crate::http::{Request, Response};
use crate::node::{Node, Record};
use crate::number::whole;
use crate::orders::Order;
use serde_json::Value;

/// The power that it aims at, in watts.
pub(super) fn power_target(moment: &Moment<'_>) -> i64 {
    let delivered = || (moment.spec.nominal_w * 1.05 / 100.0).ceil() * 100.0;
    whole(moment.spec.settings.power_limit_w.unwrap_or_else(delivered))
}

/// What it aims at.
pub(super) fn target(moment: &Moment<'_>) -> Record {
    let mode = moment.spec.settings.mode.as_deref().unwrap_or("MaximumHashrate");
    Record::new()
        .int("power_target_watts", power_target(moment))
        .text("performance_mode", mode)
        .flag("balance_bays", false)
        .flag("hash_on_disconnect", false)
        .int("min_power_target_watts", 3_000)
        .int("max_power_target_watts", whole(moment.spec.nominal_w * 1.2))
}

fn refused(status: u16, words: &str) -> Response {
    Response { status, ..Response::json(Node::from(Record::new().text("message", words)).to_json()) }
}

/// Answers a request that changes something.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, path: &str) -> Response {
    let body = serde_json::from_slice::<Value>(request.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let accepted = |order: Order| {
        moment.order(order);
        refused(202, "accepted")
    };
    let done = |order: Order| {
        moment.order(order);
        Response::json(request_echo(&body))
    };
    match (request.method, path) {
        ("POST", "mining/start") => accepted(Order::Resume),
        ("POST", "mining/stop") => accepted(Order::Pause),
        ("POST", "system/reboot") => accepted(Order::Reboot),
        ("POST", "system/locate") => match request.field("enable").as_deref() {
            Some(on @ ("true" | "false")) => accepted(Order::Light(on == "true")),
            _ => refused(400, "enable is missing"),
        },
        ("POST", "pools") => {
            let pools = pools(&body, "url", "username");
            if pools.is_empty() || pools.len() > 3 || pools.iter().any(|pool| pool.user.is_empty()) {
                return refused(422, "one to three pools with names");
            }
            done(Order::Pools(pools))
        }
        ("PUT", "mining/target") => {
            let Some(watts) = body.get("power_target_watts").and_then(Value::as_f64) else {
                return refused(422, "power_target_watts is missing");
            };
            if let Some(mode) = text("performance_mode").filter(|mode| *mode != "MaximumHashrate") {
                moment.order(Order::Mode(mode.to_owned(), 0.9));
            }
            // Unchanged it changes nothing.
            if whole(watts) != power_target(moment) {
                moment.order(Order::PowerLimit(Some(watts)));
            }
            Response::json(request_echo(&body))
        }
        ("PUT", "cooling") => {
            let percent = body.get("speed_percentage").and_then(Value::as_u64);
            let percent = percent.and_then(|percent| u8::try_from(percent).ok());
            match text("mode") {
                Some("Manual") if percent.is_some() => done(Order::Fans(percent)),
                Some("Auto") => done(Order::Fans(None)),
                Some("Off") => done(Order::Fans(Some(0))),
                _ => refused(422, "no such mode"),
            }
        }
        ("PUT", "network") => match body.pointer("/network-config/ip").and_then(Value::as_str) {
            Some(ip) => done(Order::Network(ip.to_owned())),
            None => done(Order::Network("dhcp".to_owned())),
        },
        ("PUT", "auth/change-password") => {
            if text("current_password") != Some(moment.password(&moment.spec.serial)) {
                return refused(401, "invalid password");
            }
            match text("new_password").filter(|new| !new.is_empty()) {
                Some(new) => accepted(Order::Password(new.to_owned())),
                None => refused(422, "new_password is missing"),
            }
        }
        ("PUT", "system/update") => match request.file("file") {
            Some(file) => accepted(Order::Update(file.len())),
            None => refused(400, "no file"),
        },
        _ => refused(404, "not found"),
    }
}

/// What was taken is said again.
fn request_echo(body: &Value) -> String {
    body.to_string()
}
