//! Orders to Braiins OS's REST API, for whoever has a token.

use super::refused;
use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::orders::Order;
use serde_json::Value;

/// Answers a request that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, path: &str) -> Option<Response> {
    let body = || serde_json::from_slice::<Value>(request.body).ok();
    let bad = || Some(refused(400, "Bad request"));
    let done = |order: Order, words: &str| {
        moment.order(order);
        Some(Response::json(words))
    };
    let gone = |order: Order| {
        moment.order(order);
        Some(Response { status: 204, ..Response::json("") })
    };
    match (request.method, path) {
        ("PUT", "actions/pause") => done(Order::Pause, "true"),
        ("PUT", "actions/resume") => done(Order::Resume, "true"),
        ("PUT", "actions/restart") => done(Order::Restart, "true"),
        ("PUT", "actions/reboot") => gone(Order::Reboot),
        ("PUT", "actions/factory-reset") => gone(Order::Reset),
        ("GET", "actions/locate") => Some(Response::json(moment.spec.settings.light.to_string())),
        ("PUT", "actions/locate") => match body() {
            Some(Value::Bool(on)) => done(Order::Light(on), if on { "true" } else { "false" }),
            _ => bad(),
        },
        ("PUT", "performance/power-target") => match body().and_then(|body| body.get("watt")?.as_f64()) {
            Some(watts) => done(Order::PowerLimit(Some(watts)), &format!(r#"{{"watt":{watts:.0}}}"#)),
            None => bad(),
        },
        ("PUT", "pools/batch") => match body().as_ref().and_then(pools) {
            Some(pools) => done(Order::Pools(pools), "[]"),
            None => bad(),
        },
        ("PUT", "cooling/mode") => {
            let body = body()?;
            let ratio = body.pointer("/manual/fan_speed_ratio").and_then(Value::as_f64);
            if ratio.is_none() && body.get("auto").is_none() {
                return bad();
            }
            let percent = ratio.map(|ratio| crate::number::count(ratio * 100.0 + 0.5));
            done(Order::Fans(percent.and_then(|percent| u8::try_from(percent).ok())), "{}")
        }
        ("PATCH", "network/configuration") => {
            let body = body()?;
            match body.pointer("/protocol/static/address").and_then(Value::as_str) {
                Some(address) => done(Order::Network(address.to_owned()), "{}"),
                None if body.pointer("/protocol/dhcp").is_some() => {
                    done(Order::Network("dhcp".to_owned()), "{}")
                }
                None => bad(),
            }
        }
        ("PUT", "auth/password") => {
            match body().and_then(|body| Some(body.get("password")?.as_str()?.to_owned())) {
                Some(new) => gone(Order::Password(new)),
                None => bad(),
            }
        }
        ("GET", "miner/log/bosminer") => Some(Response {
            content_type: "application/octet-stream",
            ..Response::json("bosminer: running\n")
        }),
        _ => None,
    }
}

fn pools(body: &Value) -> Option<Vec<PoolSpec>> {
    let group = body.as_array()?.first()?;
    group.get("load_balance_strategy")?;
    let text = |pool: &Value, key: &str| pool.get(key)?.as_str().map(ToOwned::to_owned);
    let pools = group.get("pools")?.as_array()?.iter();
    pools.map(|pool| Some(PoolSpec { url: text(pool, "url")?, user: text(pool, "user")? })).collect()
}
