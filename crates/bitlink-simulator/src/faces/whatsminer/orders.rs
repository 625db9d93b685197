//! Orders to version 2 of MicroBT's API: sealed with a key from the password, signed with a token that is good for half an hour.

use super::{WRITES, Whatsminer, salt};
use crate::crypt::{md5_crypt, open, seal, sha256};
use crate::face::{Content, Moment};
use crate::miner::PoolSpec;
use crate::node::{Node, Record};
use crate::orders::Order;
use crate::seed::Seed;
use serde_json::Value;

/// How long a token is good for, in seconds.
const TOKEN_S: u64 = 1800;

/// What the tokens of this half hour are made of: time, salt, new salt.
fn ingredients(moment: &Moment<'_>) -> [String; 3] {
    let window = moment.state.when_s / TOKEN_S;
    let seed = Seed::new(moment.spec.seed).of("token").nth(window).nth(moment.session);
    let time = format!("{:04}", window * TOKEN_S % 10_000);
    [time, salt(seed.of("salt")), salt(seed.of("newsalt"))]
}

/// What a client is given to make a token of.
pub(super) fn token(face: &Whatsminer, moment: &Moment<'_>) -> Record {
    if moment.spec.access.locked {
        return face.refuse(moment, 136, "over max connect");
    }
    let [time, salt, new_salt] = ingredients(moment);
    let token = Record::new().text("time", time).text("salt", salt).text("newsalt", new_salt);
    let code = if Seed::new(moment.spec.seed).of("token code").below(2) == 0 { 134 } else { 131 };
    face.say(moment, 'S', code, token.into())
}

/// Answers a sealed order.
pub(super) fn answer(face: &Whatsminer, moment: &Moment<'_>, request: &Value) -> Content {
    let refuse = |code, words: &str| Content::Single(face.refuse(moment, code, words));
    let access = &moment.spec.access;
    let Some(password) = access.password.as_deref().filter(|_| access.privileged) else {
        return refuse(45, "can't access write cmd");
    };
    let [time, salt, new_salt] = ingredients(moment);
    let hash = md5_crypt(password, &salt);
    let key = sha256(&hash);
    let Some(bytes) = request.get("data").and_then(Value::as_str).and_then(|data| open(&key, data)) else {
        return refuse(137, "base64 decode err");
    };
    let Ok(order) = serde_json::from_slice::<Value>(&bytes) else { return refuse(23, "json cmd err") };
    let token = order.get("token").and_then(Value::as_str).unwrap_or_default();
    if token != md5_crypt(&format!("{hash}{time}"), &new_salt) {
        return refuse(135, "check token err");
    }
    let command = order.get("cmd").and_then(Value::as_str).unwrap_or_default();
    let reply = match obey(moment, command, &order) {
        Obeyed::Silently => return Content::Nothing,
        Obeyed::Yes => face.say(moment, 'S', 131, Node::Text("API command OK".to_owned())),
        Obeyed::No => face.refuse(moment, 132, "API command ERROR"),
        Obeyed::Unknown => face.refuse(moment, 14, "invalid cmd"),
    };
    let sealed = seal(&key, &Node::from(reply).to_json());
    Content::Single(Record::new().text("enc", sealed))
}

enum Obeyed {
    Yes,
    Silently,
    No,
    Unknown,
}

fn obey(moment: &Moment<'_>, command: &str, order: &Value) -> Obeyed {
    let text = |key: &str| order.get(key).and_then(Value::as_str);
    match command {
        "reboot" => moment.order(Order::Reboot),
        "factory_reset" => moment.order(Order::Reset),
        "net_config" => {
            let words = match text("param") {
                Some("dhcp") => Some("dhcp".to_owned()),
                _ => text("ip").zip(text("mask")).map(|(ip, mask)| format!("{ip}/{mask}")),
            };
            let Some(words) = words else { return Obeyed::No };
            moment.order(Order::Network(words));
            moment.order(Order::Reboot);
        }
        "set_low_power" => mode(moment, "Low", 0.8),
        "set_normal_power" => mode(moment, "Normal", 1.0),
        "set_high_power" => mode(moment, "High", 1.1),
        "adjust_power_limit" => {
            let Some(watts) = text("power_limit").and_then(|watts| watts.parse::<u32>().ok()) else {
                return Obeyed::No;
            };
            moment.order(Order::PowerLimit((watts < 99_999).then(|| f64::from(watts))));
            moment.order(Order::Restart);
        }
        _ => return answered(moment, command, order),
    }
    Obeyed::Silently
}

fn mode(moment: &Moment<'_>, word: &str, part: f64) {
    moment.order(Order::Mode(word.to_owned(), part));
    moment.order(Order::Restart);
}

/// Orders that are answered.
fn answered(moment: &Moment<'_>, command: &str, order: &Value) -> Obeyed {
    let text = |key: &str| order.get(key).and_then(Value::as_str);
    match command {
        "update_pools" => {
            let slot = |n: u8| {
                let of = |key: &str| text(&format!("{key}{n}")).map(ToOwned::to_owned);
                Some((PoolSpec { url: of("pool")?, user: of("worker")? }, of("passwd")?))
            };
            let pools: Option<Vec<PoolSpec>> = (1..=3).map(|n| slot(n).map(|(pool, _)| pool)).collect();
            // All nine texts, or nothing is done.
            let Some(pools) = pools else { return Obeyed::No };
            moment.order(Order::Pools(pools));
            moment.order(Order::Restart);
        }
        "restart_btminer" => moment.order(Order::Restart),
        "power_off" => moment.order(Order::Pause),
        "power_on" => moment.order(Order::Resume),
        "set_led" => {
            let automatic = text("param") == Some("auto");
            let coloured = matches!(text("color"), Some("red" | "green"))
                && ["period", "duration", "start"]
                    .iter()
                    .all(|key| order.get(*key).is_some_and(Value::is_u64));
            if !automatic && !coloured {
                return Obeyed::No;
            }
            moment.order(Order::Light(!automatic));
        }
        "update_pwd" => {
            let (Some(old), Some(new)) = (text("old"), text("new")) else { return Obeyed::No };
            if Some(old) != moment.spec.access.password.as_deref() || new.len() > 8 {
                return Obeyed::No;
            }
            moment.order(Order::Password(new.to_owned()));
        }
        known if WRITES.contains(&known) => {}
        _ => return Obeyed::Unknown,
    }
    Obeyed::Yes
}
