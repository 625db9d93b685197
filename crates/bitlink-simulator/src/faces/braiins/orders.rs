//! Mutations of Braiins OS's GraphQL, for whoever has logged in: as far as text, found by their names.

use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::orders::Order;
use serde_json::Value;

/// Answers a mutation.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, query: &str) -> Response {
    let session = format!("session_id={}", moment.token());
    if !request.header("cookie").is_some_and(|cookies| cookies.split("; ").any(|cookie| cookie == session)) {
        return refused("Not authorized");
    }
    let query = query.trim();
    let has = |name: &str| query.contains(name);
    let value = |name: &str| value(query, name);
    let path: [&str; 2] = if has("setFaultLight(") {
        let Some(on) = ["true", "false"].into_iter().find(|on| has(&format!("(enable:{on})"))) else {
            return refused("Invalid value for argument \"enable\"");
        };
        moment.order(Order::Light(on == "true"));
        ["bos", "setFaultLight"]
    } else if has("updateGroups(") {
        let pools = pools(query);
        if pools.is_empty() {
            return refused("Invalid value for argument \"groups\"");
        }
        moment.order(Order::Pools(pools));
        ["bosminer", "config"]
    } else if has("updateAutotuning(") {
        let Some(watts) = query
            .split("powerTarget:")
            .nth(1)
            .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<f64>())
        else {
            return refused("Invalid value for argument \"input\"");
        };
        moment.order(Order::PowerLimit(watts.ok()));
        ["bosminer", "config"]
    } else if has("setPassword(") {
        let Some(new) = value("newPassword") else { return refused("Invalid value for argument") };
        moment.order(Order::Password(new));
        ["bos", "setPassword"]
    } else if has("setStaticIp(") {
        let Some(address) = value("address") else { return refused("Invalid value for argument") };
        moment.order(Order::Network(address));
        ["bos", "network"]
    } else if has("setDhcp") {
        moment.order(Order::Network("dhcp".to_owned()));
        ["bos", "network"]
    } else if has("bosminer{restart") {
        moment.order(Order::Restart);
        ["bosminer", "restart"]
    } else if has("bosminer{stop") {
        moment.order(Order::Pause);
        ["bosminer", "stop"]
    } else if has("bosminer{start") {
        moment.order(Order::Resume);
        ["bosminer", "start"]
    } else if has("bos{reboot") {
        moment.order(Order::Reboot);
        ["bos", "reboot"]
    } else if has("bos{factoryReset") {
        moment.order(Order::Reset);
        ["bos", "factoryReset"]
    } else {
        return refused("Unknown field");
    };
    let [outer, inner] = path;
    Response::json(format!(r#"{{"data":{{"{outer}":{{"{inner}":{{"__typename":"VoidResult"}}}}}}}}"#))
}

fn refused(words: &str) -> Response {
    let body = serde_json::json!({ "data": null, "errors": [{ "message": words }] });
    Response::json(body.to_string())
}

/// The text that stands behind a name.
fn value(query: &str, name: &str) -> Option<String> {
    let rest = query.split_once(&format!("{name}:"))?.1;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    values.next()?.ok()?.as_str().map(ToOwned::to_owned)
}

fn pools(query: &str) -> Vec<PoolSpec> {
    let pools = query.split("{url:").skip(1);
    pools
        .filter_map(|pool| {
            let pool = format!("url:{pool}");
            Some(PoolSpec { url: value(&pool, "url")?, user: value(&pool, "user")? })
        })
        .collect()
}
