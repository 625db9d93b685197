//! What Bitmain's web server is told, in JSON since 2020 and in forms before.

use super::Site;
use crate::face::Moment;
use crate::faces::antminer::build;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::node::Record;
use crate::orders::Order;
use serde_json::Value;

/// Answers a request that changes something; `None` for any other.
pub(super) fn answer(
    moment: &Moment<'_>,
    site: &Site<'_>,
    request: &Request<'_>,
    name: &str,
) -> Option<Response> {
    if matches!(name, "reboot" | "reset_conf") {
        moment.order(if name == "reboot" { Order::Reboot } else { Order::Reset });
        return Some(Response::nothing());
    }
    if request.method != "POST" {
        return None;
    }
    if site.newer { by_json(moment, request, name) } else { by_form(moment, request, name) }
}

fn code(code: &str, words: &str) -> Response {
    let stats = if code.ends_with("00") { "success" } else { "error" };
    Response::json(format!(r#"{{"stats":"{stats}","code":"{code}","msg":"{words}"}}"#))
}

fn by_json(moment: &Moment<'_>, request: &Request<'_>, name: &str) -> Option<Response> {
    if name == "upgrade" {
        let Some(file) = request.file("firmware").or_else(|| request.file("file")) else {
            return Some(code("U001", "No file!"));
        };
        moment.order(Order::Update(file.len()));
        return Some(code("U000", "OK!"));
    }
    if !matches!(name, "blink" | "passwd" | "set_network_conf" | "set_miner_conf") {
        return None;
    }
    let Ok(body) = serde_json::from_slice::<Value>(request.body) else {
        return Some(code("E001", "Illegal request!"));
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    Some(match name {
        "blink" => {
            let on = body.get("blink").is_some_and(|blink| *blink == true || *blink == "true");
            moment.order(Order::Light(on));
            Response::json(if on { r#"{"code":"B000"}"# } else { r#"{"code":"B100"}"# })
        }
        "passwd" => match (text("curPwd"), text("newPwd"), text("confirmPwd")) {
            (Some(old), Some(new), Some(again)) if old == moment.password("root") && new == again => {
                moment.order(Order::Password(new.to_owned()));
                code("P000", "OK!")
            }
            (Some(old), ..) if old != moment.password("root") => {
                code("P001", "Current password is not correct!")
            }
            _ => code("P002", "The passwords differ!"),
        },
        "set_network_conf" => {
            let words = match body.get("ipPro").and_then(Value::as_i64) {
                Some(1) => Some("dhcp".to_owned()),
                Some(2) => text("ipAddress").zip(text("ipSub")).map(|(ip, mask)| format!("{ip}/{mask}")),
                _ => None,
            };
            match words {
                Some(words) => {
                    moment.order(Order::Network(words));
                    code("N000", "OK!")
                }
                None => code("N001", "Illegal parameters!"),
            }
        }
        _ => configure(moment, &body),
    })
}

/// The oldest builds replace everything with what is sent; later ones change what is named.
fn configure(moment: &Moment<'_>, body: &Value) -> Response {
    let pools = body.get("pools").and_then(Value::as_array);
    if pools.is_some() || !build(moment).newer {
        let of =
            |pool: &Value, key: &str| pool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pools = pools.into_iter().flatten().take(3);
        let pools = pools.map(|pool| PoolSpec { url: of(pool, "url"), user: of(pool, "user") }).collect();
        moment.order(Order::Pools(pools));
    }
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    match body.get("miner-mode").and_then(number) {
        Some(1) => moment.order(Order::Pause),
        Some(mode @ (0 | 2 | 3)) => {
            moment.order(Order::Resume);
            let part = match mode {
                2 => 1.1,
                3 => 0.8,
                _ => 1.0,
            };
            moment.order(Order::Mode(mode.to_string(), part));
        }
        Some(_) => return code("M001", "Illegal mode!"),
        None => {}
    }
    if let Some(by_hand) = body.get("bitmain-fan-ctrl").and_then(Value::as_bool) {
        let percent =
            body.get("bitmain-fan-pwm").and_then(number).and_then(|percent| u8::try_from(percent).ok());
        moment.order(Order::Fans(percent.filter(|_| by_hand)));
    }
    moment.order(Order::Restart);
    code("M000", "OK!")
}

fn by_form(moment: &Moment<'_>, request: &Request<'_>, name: &str) -> Option<Response> {
    let field = |key: &str| request.field(key);
    Some(match name {
        "blink" => match field("action").as_deref() {
            Some("startBlink") => {
                moment.order(Order::Light(true));
                // It never answers that.
                Response::nothing()
            }
            Some("stopBlink") => {
                moment.order(Order::Light(false));
                Response::json(r#"{"isBlinking":false}"#)
            }
            _ => {
                let state = Record::new().flag("isBlinking", moment.spec.settings.light);
                Response::json(crate::node::Node::from(state).to_json())
            }
        },
        "passwd" => {
            let (old, new, again) = (field("current_pw"), field("new_pw"), field("new_pw_ctrl"));
            match new.filter(|_| old.as_deref() == Some(moment.password("root"))) {
                Some(new) if Some(&new) == again.as_ref() => {
                    moment.order(Order::Password(new));
                    Response::html(200, "ok")
                }
                _ => Response::html(200, "<html><body>Failed to change the password</body></html>"),
            }
        }
        "set_miner_conf" => {
            let pools = (1..=3).filter_map(|n| {
                let of = |key: &str| field(&format!("_ant_pool{n}{key}"));
                Some(PoolSpec { url: of("url")?, user: of("user").unwrap_or_default() })
            });
            moment.order(Order::Pools(pools.collect()));
            if let Some(by_hand) = field("_ant_fan_customize_switch") {
                let percent = field("_ant_fan_customize_value").and_then(|percent| percent.parse().ok());
                moment.order(Order::Fans(percent.filter(|_| by_hand == "true")));
            }
            moment.order(Order::Restart);
            Response::html(200, "ok")
        }
        _ => return None,
    })
}
