//! Orders to AxeOS and the NerdAxe: settings that are taken all or not at all, and pages that do one thing.

use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::orders::Order;
use serde_json::Value;

/// Answers a request that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, nerd: bool) -> Option<Response> {
    let say = |words: &str| Some(Response::json(format!(r#"{{"message":"{words}"}}"#)));
    match (request.method, request.path()) {
        ("PATCH", "/api/system") => Some(settings(moment, request.body, nerd)),
        ("POST", "/api/system/restart") => {
            moment.order(Order::Resume);
            moment.order(Order::Reboot);
            say("System will restart shortly.")
        }
        ("POST", "/api/system/shutdown") if nerd => {
            moment.order(Order::Pause);
            Some(Response::html(200, "System will shutdown shortly."))
        }
        ("POST", "/api/system/pause") if !nerd => {
            moment.order(Order::Pause);
            say("Mining paused")
        }
        ("POST", "/api/system/resume") if !nerd => {
            moment.order(Order::Resume);
            say("Mining resumed")
        }
        ("POST", "/api/system/identify") if !nerd => {
            moment.order(Order::Light(!moment.spec.settings.light));
            say("The device says \\\"Hi!\\\" for 30 seconds")
        }
        ("POST", "/api/system/OTA") => {
            moment.order(Order::Update(request.body.len()));
            Some(Response::html(200, "Firmware update complete, rebooting now!"))
        }
        _ => None,
    }
}

/// A pool of the flat names, as far as all of them are there.
fn flat(body: &Value, prefix: &str) -> Option<PoolSpec> {
    let of = |key: &str| body.get(format!("{prefix}{key}"));
    let (host, port, user) = (of("URL")?.as_str()?, of("Port")?.as_u64()?, of("User")?.as_str()?);
    Some(PoolSpec { url: format!("stratum+tcp://{host}:{port}"), user: user.to_owned() })
}

fn settings(moment: &Moment<'_>, body: &[u8], nerd: bool) -> Response {
    let refuse = |words: &str| Response { status: 400, ..Response::html(400, words) };
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return refuse("Invalid JSON") };
    let mut orders = Vec::new();
    if let Some(frequency) = body.get("frequency") {
        let whole = frequency.as_u64().is_some();
        match frequency.as_f64().filter(|mhz| *mhz >= 1.0) {
            // The NerdAxe passes over what is not whole.
            Some(mhz) if whole || !nerd => orders.push(Order::Frequency(mhz)),
            Some(_) => {}
            None => return refuse("Wrong API input"),
        }
    }
    if let Some(automatic) = body.get("autofanspeed") {
        let Some(automatic) = automatic.as_u64() else { return refuse("Wrong API input") };
        let percent = ["manualFanSpeed", "fanspeed"].iter().find_map(|key| body.get(*key)?.as_u64());
        let percent = percent.and_then(|percent| u8::try_from(percent).ok()).filter(|p| *p <= 100);
        orders.push(Order::Fans(percent.filter(|_| automatic == 0)));
    }
    // The newer names the others after its slots, and does not look at them.
    let pools = if nerd {
        let two = [flat(&body, "stratum"), flat(&body, "fallbackStratum")];
        Some(two.into_iter().flatten().collect::<Vec<_>>()).filter(|pools| !pools.is_empty())
    } else {
        body.get("pools").and_then(Value::as_array).map(|slots| {
            slots
                .iter()
                .filter_map(|slot| flat(slot, "stratum").filter(|_| slot.get("id").is_some()))
                .collect()
        })
    };
    if let Some(pools) = pools {
        orders.push(Order::Pools(pools));
    }
    for order in orders {
        moment.order(order);
    }
    Response::html(200, "")
}
