//! The commands of cgminer that change something, as its descendants share them (cgminer `api.c`).

use crate::daemon::Part;
use crate::face::Moment;
use crate::miner::PoolSpec;
use crate::number::index;
use crate::orders::Order;
use serde_json::Value;

/// Answers a command that changes something; `None` for any other.
pub(crate) fn answer(moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
    Some(match command {
        "addpool" => add_pool(moment, parameter),
        "switchpool" => by_pool(moment, parameter, |at, url| {
            moment.order(Order::SwitchPool(at));
            Part::status('S', 27, format!("Switching to pool {at}:'{url}'"))
        }),
        "enablepool" => by_pool(moment, parameter, |at, url| {
            Part::status('I', 49, format!("Pool {at}:'{url}' already enabled"))
        }),
        "disablepool" => by_pool(moment, parameter, |at, url| {
            Part::status('S', 48, format!("Disabling pool {at}:'{url}'"))
        }),
        "removepool" => by_pool(moment, parameter, |at, url| {
            if moment.state.pools.len() < 2 {
                return Part::status('E', 66, format!("Cannot remove last pool {at}:'{url}'"));
            }
            if moment.spec.settings.preferred_pool == at {
                return Part::status('E', 67, format!("Cannot remove active pool {at}:'{url}'"));
            }
            moment.order(Order::RemovePool(at));
            Part::status('S', 68, format!("Removed pool {at}:'{url}'"))
        }),
        "save" => Part::status('S', 44, "Configuration saved to file '/etc/cgminer.conf'"),
        "restart" => {
            moment.order(Order::Restart);
            Part::bare("RESTART")
        }
        _ => return None,
    })
}

/// A pool by its number; what is no number is 0, as `atoi` has it.
fn by_pool(moment: &Moment<'_>, parameter: Option<&str>, act: impl FnOnce(usize, &str) -> Part) -> Part {
    let Some(parameter) = parameter else { return Part::status('E', 25, "Missing pool id parameter") };
    let id = parameter.trim().parse::<usize>().unwrap_or(0);
    let Some(pool) = moment.state.pools.get(id) else {
        let last = index(moment.state.pools.len()).saturating_sub(1);
        return Part::status('E', 26, format!("Invalid pool id {id} - range is 0 - {last}"));
    };
    act(id, &pool.url)
}

fn add_pool(moment: &Moment<'_>, parameter: Option<&str>) -> Part {
    let Some(parameter) = parameter else { return Part::status('E', 52, "Missing addpool details") };
    let parts = split(parameter);
    let [url, user, _, ..] = parts.as_slice() else {
        return Part::status('E', 53, format!("Invalid addpool details '{parameter}'"));
    };
    let id = moment.state.pools.len();
    moment.order(Order::AddPool(PoolSpec { url: url.clone(), user: user.clone() }));
    Part::status('S', 55, format!("Added pool {id}: '{url}'"))
}

/// At commas, but for those with a backslash before them.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            ',' => {
                parts.push(String::new());
                continue;
            }
            '\\' => chars.next(),
            c => Some(c),
        };
        if let Some(last) = parts.last_mut() {
            last.extend(c);
        }
    }
    parts
}

/// A list of pools in JSON, by the firmware's names for address and user.
pub(crate) fn pools(list: &Value, url: &str, user: &str) -> Vec<PoolSpec> {
    let of = |pool: &Value, key: &str| pool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pools = list.as_array().into_iter().flatten();
    pools.map(|pool| PoolSpec { url: of(pool, url), user: of(pool, user) }).collect()
}
