//! Orders to Elphapex's firmware: Bitmain's pages with names of its own for the settings.

use crate::face::Moment;
use crate::faces::control::pools;
use crate::http::{Request, Response};
use crate::orders::Order;
use serde_json::Value;

fn code(code: &str, words: &str) -> Response {
    let stats = if code.ends_with("00") { "success" } else { "error" };
    Response::json(format!(r#"{{"stats":"{stats}","code":"{code}","msg":"{words}"}}"#))
}

/// Answers a request that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Option<Response> {
    let name = request.path().strip_prefix("/cgi-bin/")?.strip_suffix(".cgi")?;
    if matches!(name, "reboot" | "reset_conf") {
        moment.order(if name == "reboot" { Order::Reboot } else { Order::Reset });
        return Some(Response::nothing());
    }
    if request.method != "POST" {
        return None;
    }
    let body = serde_json::from_slice::<Value>(request.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    Some(match name {
        "set_miner_conf" => configure(moment, &body),
        "blink" => {
            let on = text("blink") == Some("true");
            moment.order(Order::Light(on));
            Response::json(if on { r#"{"code":"B000"}"# } else { r#"{"code":"B100"}"# })
        }
        "passwd" => match (text("curPwd"), text("newPwd")) {
            (Some(old), Some(new)) if old == moment.password("root") && text("confirmPwd") == Some(new) => {
                moment.order(Order::Password(new.to_owned()));
                code("P000", "OK!")
            }
            _ => code("P001", "Current password is not correct!"),
        },
        "set_network_conf" => {
            let words = match body.get("ipPro").and_then(Value::as_i64) {
                Some(1) => "dhcp".to_owned(),
                Some(2) => text("ipAddress").unwrap_or_default().to_owned(),
                _ => return Some(code("N001", "Illegal parameters!")),
            };
            moment.order(Order::Network(words));
            code("N000", "OK!")
        }
        _ => return None,
    })
}

fn configure(moment: &Moment<'_>, body: &Value) -> Response {
    let Some(list) = body.get("pools") else { return code("M001", "No pools!") };
    let order = match body.get("miner-mode").and_then(Value::as_i64) {
        Some(1) => Order::Pause,
        Some(0) => Order::Mode("0".to_owned(), 1.0),
        Some(3) => Order::Mode("3".to_owned(), 0.8),
        _ => return code("M001", "Illegal mode!"),
    };
    moment.order(Order::Pools(pools(list, "url", "user")));
    if matches!(order, Order::Mode(..)) {
        moment.order(Order::Resume);
    }
    moment.order(order);
    if let Some(by_hand) = body.get("fc-fan-ctrl").and_then(Value::as_bool) {
        let percent = body.get("fc-fan-pwm").and_then(Value::as_str).and_then(|percent| percent.parse().ok());
        moment.order(Order::Fans(percent.filter(|_| by_hand)));
    }
    moment.order(Order::Restart);
    code("M000", "OK!")
}
