//! Orders to version 3 of MicroBT's API: each signed with a key from the password; what holds passwords is sealed with it.

use crate::crypt::{base64, open, sha256};
use crate::face::Moment;
use crate::faces::whatsminer::salt;
use crate::miner::PoolSpec;
use crate::orders::Order;
use crate::seed::Seed;
use serde_json::Value;

/// What a client is given to make a key of.
pub(super) fn current_salt(moment: &Moment<'_>) -> String {
    salt(Seed::new(moment.spec.seed).of("salt").nth(moment.session))
}

/// Obeys an order; `None` where it is answered with nothing at all.
pub(super) fn obey(
    moment: &Moment<'_>,
    command: &str,
    order: &Value,
) -> Option<Result<(), (i64, &'static str)>> {
    const DENIED: Result<(), (i64, &str)> = Err((-4, "permission denied"));
    const BAD: Result<(), (i64, &str)> = Err((-3, "param error"));
    let access = &moment.spec.access;
    let Some(password) = access.password.as_deref().filter(|_| access.privileged && !access.locked) else {
        return Some(DENIED);
    };
    let time = order.get("ts").and_then(Value::as_i64).unwrap_or_default();
    let key = sha256(&format!("{command}{password}{}{time}", current_salt(moment)));
    let token: String = base64(&key).chars().take(8).collect();
    let of = |key: &str| order.get(key).and_then(Value::as_str);
    if of("token") != Some(token.as_str()) || of("account") != Some("super") {
        return Some(DENIED);
    }
    let sealed = || -> Option<Value> { serde_json::from_slice(&open(&key, of("param")?)?).ok() };
    let param = order.get("param").unwrap_or(&Value::Null);
    match (command, param.as_str()) {
        ("set.miner.service", Some("stop")) => moment.order(Order::Pause),
        ("set.miner.service", Some("start")) => moment.order(Order::Resume),
        ("set.miner.service", Some("restart")) => moment.order(Order::Restart),
        ("set.miner.power_mode", Some(word @ ("low" | "normal" | "high"))) => {
            let part = match word {
                "low" => 0.8,
                "high" => 1.1,
                _ => 1.0,
            };
            moment.order(Order::Mode(word.to_owned(), part));
            moment.order(Order::Restart);
        }
        ("set.miner.power_limit", None) => {
            let Some(watts) = param.as_f64().filter(|watts| (0.0..=99_999.0).contains(watts)) else {
                return Some(BAD);
            };
            moment.order(Order::PowerLimit(Some(watts)));
            moment.order(Order::Restart);
        }
        ("set.miner.pools", Some(_)) => {
            let Some(Value::Array(list)) = sealed() else { return Some(BAD) };
            let pool = |pool: &Value| {
                let of = |key: &str| pool.get(key)?.as_str().map(ToOwned::to_owned);
                of("passwd").and(Some(PoolSpec { url: of("pool")?, user: of("worker")? }))
            };
            let Some(pools) = list.iter().map(pool).collect::<Option<Vec<_>>>().filter(|p| p.len() <= 3)
            else {
                return Some(BAD);
            };
            moment.order(Order::Pools(pools));
            moment.order(Order::Restart);
        }
        ("set.system.led", Some("auto")) => moment.order(Order::Light(false)),
        ("set.system.led", None) if param.is_array() => moment.order(Order::Light(true)),
        ("set.user.change_passwd", Some(_)) => {
            let change = sealed().unwrap_or_default();
            let of = |key: &str| change.get(key).and_then(Value::as_str);
            match (of("account"), of("old"), of("new")) {
                (Some("super"), Some(old), Some(new)) if old == password => {
                    moment.order(Order::Password(new.to_owned()));
                }
                _ => return Some(BAD),
            }
        }
        ("set.system.reboot", None) => {
            moment.order(Order::Reboot);
            return None;
        }
        ("set.system.factory_reset", None) => {
            moment.order(Order::Reset);
            return None;
        }
        ("set.system.net_config", word) => {
            let ip = || Some(format!("{}/{}", param.get("ip")?.as_str()?, param.get("netmask")?.as_str()?));
            let Some(words) = word.filter(|word| *word == "dhcp").map(ToOwned::to_owned).or_else(ip) else {
                return Some(BAD);
            };
            moment.order(Order::Network(words));
            moment.order(Order::Reboot);
            return None;
        }
        _ => return Some(Err((-2, "invalid command"))),
    }
    Some(Ok(()))
}
