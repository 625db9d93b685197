//! Orders to ePIC's PowerPlay: a parameter and the password in one document.

use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::orders::Order;
use serde_json::Value;

fn error(error: &Value) -> Response {
    Response::json(serde_json::json!({ "result": false, "error": error }).to_string())
}

/// Answers a request that changes something.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    if request.path() == "/systemupdate" {
        return match request.file("update.zip") {
            Some(file) => {
                moment.order(Order::Update(file.len()));
                done()
            }
            None => error(&"MissingFile".into()),
        };
    }
    let Ok(body) = serde_json::from_slice::<Value>(request.body) else { return error(&"InvalidJson".into()) };
    let password = body.get("password").and_then(Value::as_str);
    if password != Some(moment.password("letmein")) || moment.spec.access.locked {
        return error(&"BadPassword".into());
    }
    let param = body.get("param").unwrap_or(&Value::Null);
    let order = match (request.path(), param) {
        ("/miner", Value::String(word)) if word == "Stop" => Order::Pause,
        ("/miner", Value::String(word)) if word == "Autostart" => Order::Resume,
        ("/reboot", Value::Number(_)) => Order::Reboot,
        ("/softreboot", _) => Order::Restart,
        ("/identify", Value::Bool(on)) => Order::Light(*on),
        ("/tune/clock/all", Value::Number(clock)) => Order::Frequency(clock.as_f64().unwrap_or_default()),
        ("/password", Value::String(new)) => Order::Password(new.clone()),
        ("/coin", coin) => match pools(coin) {
            Ok(pools) => Order::Pools(pools),
            Err(words) => return error(&serde_json::json!({ "InvalidPoolAddr": words })),
        },
        ("/fanspeed", mode) => {
            let manual = mode.get("Manual").and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok());
            if manual.is_none() && mode.get("Auto").is_none() {
                return error(&"InvalidFanMode".into());
            }
            Order::Fans(manual)
        }
        ("/network", network) => match network.pointer("/static/address").and_then(Value::as_str) {
            Some(address) => Order::Network(address.to_owned()),
            None => Order::Network("dhcp".to_owned()),
        },
        _ => return error(&serde_json::json!({ "InvalidUrl": "no such page" })),
    };
    moment.order(order);
    done()
}

fn done() -> Response {
    Response::json(r#"{"result":true,"error":null}"#)
}

fn pools(coin: &Value) -> Result<Vec<PoolSpec>, &'static str> {
    let list = coin.get("stratum_configs").and_then(Value::as_array).ok_or("no pools")?;
    let text = |pool: &Value, key: &str| pool.get(key)?.as_str().map(ToOwned::to_owned);
    if list.len() > 3 || coin.get("coin").is_none() || !coin.get("unique_id").is_some_and(Value::is_boolean) {
        return Err("too many pools, or no coin");
    }
    list.iter()
        .map(|pool| {
            let (url, user, _) = (text(pool, "pool"), text(pool, "login"), text(pool, "password"));
            Some(PoolSpec { url: url.filter(|url| url.starts_with("stratum"))?, user: user? })
        })
        .collect::<Option<_>>()
        .ok_or("a pool without a scheme")
}
