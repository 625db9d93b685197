//! Orders to Auradine's REST interface: objects that repeat the name of the page.

use crate::face::Moment;
use crate::faces::control::pools;
use crate::number::whole;
use crate::orders::Order;
use serde_json::Value;

/// The mode that is set.
pub(super) fn mode<'a>(moment: &Moment<'a>) -> &'a str {
    moment.spec.settings.mode.as_deref().unwrap_or("custom")
}

/// The power that it is tuned towards, in watts.
pub(super) fn power(moment: &Moment<'_>) -> i64 {
    let delivered = || (moment.spec.nominal_w * 1.05 / 100.0).ceil() * 100.0;
    whole(moment.spec.settings.power_limit_w.unwrap_or_else(delivered))
}

/// Takes what is posted; the code and the words that it is answered with, or what is wrong.
pub(super) fn take(
    moment: &Moment<'_>,
    command: &str,
    body: &[u8],
) -> Result<(i64, &'static str), &'static str> {
    let body = serde_json::from_slice::<Value>(body).map_err(|_not_json| "Invalid JSON")?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    if text("command") != Some(command) {
        return Err("Command does not match");
    }
    let (code, words, order) = match command {
        "restart" => match text("parameter") {
            None => (630, "Restarting", Order::Reboot),
            Some("gcminer") => (630, "Restarting", Order::Restart),
            Some(_) => return Err("Invalid parameter"),
        },
        "factory-reset" => (640, "Resetting", Order::Reset),
        "led" => match body.get("code").and_then(Value::as_i64) {
            Some(3) => (531, "LED set", Order::Light(true)),
            Some(2) => (531, "LED set", Order::Light(false)),
            _ => return Err("Invalid code"),
        },
        "mode" => (541, "Mode set", new_mode(&body)?),
        "updatepools" => {
            let pools = body.get("pools").map(|list| pools(list, "url", "user")).unwrap_or_default();
            if pools.is_empty() {
                return Err("Invalid pools");
            }
            (600, "Pools updated", Order::Pools(pools))
        }
        "password" => {
            if (text("user"), text("old")) != (Some("admin"), Some(moment.password("admin"))) {
                return Err("Invalid user or password");
            }
            (610, "Password set", Order::Password(text("new").ok_or("Invalid password")?.to_owned()))
        }
        _ => return Err("Unknown command"),
    };
    moment.order(order);
    Ok((code, words))
}

fn new_mode(body: &Value) -> Result<Order, &'static str> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    match (text("sleep"), text("mode")) {
        (Some("on"), _) => Ok(Order::Pause),
        (Some("off"), _) => Ok(Order::Resume),
        (None, Some("custom")) => match (text("tune"), body.get("power").and_then(Value::as_f64)) {
            (Some("power"), Some(watts)) => Ok(Order::PowerLimit(Some(watts))),
            _ => Err("Invalid tune"),
        },
        (None, Some(mode @ ("normal" | "eco" | "turbo"))) => {
            Ok(Order::Mode(mode.to_owned(), if mode == "eco" { 0.8 } else { 1.0 }))
        }
        _ => Err("Invalid mode"),
    }
}
