//! Orders to `bdminer`: documents as texts in the parameter.

use crate::daemon::Part;
use crate::face::Moment;
use crate::faces::control::pools;
use crate::number::whole;
use crate::orders::Order;
use crate::state::Phase;
use serde_json::Value;

/// The limit, in watts.
pub(super) fn power_limit(moment: &Moment<'_>) -> i64 {
    let delivered = || (moment.spec.nominal_w * 1.05 / 100.0).ceil() * 100.0;
    whole(moment.spec.settings.power_limit_w.unwrap_or_else(delivered))
}

/// Answers a command that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
    let done = |order: Order| {
        moment.order(order);
        Part::status('S', 119, "ASC 0 set OK")
    };
    let failed = || Part::status('E', 120, "ASC 0 set failed: invalid value");
    Some(match (command, parameter) {
        ("ascset", Some("0,suspend")) => done(Order::Pause),
        ("ascset", Some(parameter)) => match parameter.strip_prefix("0,powerlimit,") {
            Some(document) => {
                let document = serde_json::from_str::<Value>(document).unwrap_or_default();
                let watts =
                    document.get("value").and_then(Value::as_str).and_then(|watts| watts.parse().ok());
                watts.map_or_else(failed, |watts| done(Order::PowerLimit(Some(watts))))
            }
            None => Part::status('E', 120, "ASC 0 set failed: Unknown option"),
        },
        ("updatepools", Some(document)) => {
            let document = serde_json::from_str::<Value>(document).unwrap_or_default();
            let pools = document.get("pools").map(|list| pools(list, "url", "user")).unwrap_or_default();
            if pools.is_empty() { failed() } else { done(Order::Pools(pools)) }
        }
        ("restart", None) => {
            if moment.state.phase == Phase::Asleep {
                moment.order(Order::Resume);
            }
            moment.order(Order::Restart);
            Part::bare("RESTART")
        }
        _ => return None,
    })
}
