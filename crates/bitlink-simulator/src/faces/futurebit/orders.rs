//! Orders to the Apollo: questions like all others, for those who have logged in (jstefanop/apolloapi-v2).

use super::null;
use crate::face::Moment;
use crate::faces::control::pools;
use crate::node::Record;
use crate::orders::Order;
use crate::state::Phase;
use serde_json::Value;

const WORDS: [(&str, &str, &str); 7] = [
    ("Mcu{reboot", "Mcu", "reboot"),
    ("Miner{restart", "Miner", "restart"),
    ("Miner{stop", "Miner", "stop"),
    ("Miner{start", "Miner", "start"),
    ("Pool{updateAll", "Pool", "updateAll"),
    ("Auth{changePassword", "Auth", "changePassword"),
    ("Logs{read", "Logs", "read"),
];

/// Answers a question that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, query: &str, body: &[u8], known: bool) -> Option<Record> {
    let (_, part, what) = WORDS.into_iter().find(|(mark, ..)| query.contains(mark))?;
    let reply = if known {
        match obey(moment, what, body) {
            Some(result) => result.put("error", null()),
            None => refused("Invalid input"),
        }
    } else {
        refused("Your session expired, please login again")
    };
    Some(Record::new().put(part, Record::new().put(what, reply.into()).into()))
}

fn refused(words: &str) -> Record {
    Record::new().put("error", Record::new().text("message", words).into())
}

fn obey(moment: &Moment<'_>, what: &str, body: &[u8]) -> Option<Record> {
    let body = serde_json::from_slice::<Value>(body).ok()?;
    let input = body.pointer("/variables/input");
    let order = match what {
        "reboot" => Order::Reboot,
        "restart" => Order::Restart,
        "stop" => Order::Pause,
        "start" => Order::Resume,
        "updateAll" => Order::Pools(pools(input?.get("pools")?, "url", "username")),
        "changePassword" => Order::Password(input?.get("password")?.as_str()?.to_owned()),
        _ => {
            let state = if moment.state.phase == Phase::Asleep { "stopped" } else { "mining" };
            let log = Record::new().text("content", format!("apollo-miner: {state}\n"));
            return Some(Record::new().put("result", log.into()));
        }
    };
    moment.order(order);
    Some(Record::new())
}
