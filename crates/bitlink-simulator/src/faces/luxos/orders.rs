//! Orders to LuxOS: one session for everybody, which goes before what most commands say and is lost after a minute of silence.

use crate::daemon::Part;
use crate::face::Moment;
use crate::faces::control;
use crate::node::{Node, Record};
use crate::number::whole;
use crate::orders::{Held, Order};
use crate::seed::Seed;

/// How long a session lasts that nobody uses.
const SESSION_S: u64 = 60;

/// The session that counts now.
fn held(moment: &Moment<'_>) -> Option<&'static str> {
    // The other one does not tell its own.
    moment.spec.access.locked.then_some("somebody")
}

/// The name of the session that counts now; empty when there is none.
pub(super) fn session(moment: &Moment<'_>) -> String {
    let own = moment.spec.settings.held.as_ref().filter(|held| held.until_s > moment.state.when_s);
    held(moment).map(ToOwned::to_owned).or_else(|| own.map(|held| held.id.clone())).unwrap_or_default()
}

/// The stock profile's name is a frequency's where somebody has chosen another.
pub(super) fn profile<'a>(moment: &Moment<'a>) -> &'a str {
    moment.spec.settings.mode.as_deref().unwrap_or("default")
}

/// Answers a command that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
    let session_part = |code, words: &str, id: &str| {
        Part::section(code, words, "SESSION", Node::one(Record::new().text("SessionID", id)))
    };
    match command {
        "logon" if !session(moment).is_empty() => {
            return Some(Part::status('E', 402, "Another session is active"));
        }
        "logon" => {
            let chance =
                Seed::new(moment.spec.seed).of("session").nth(moment.state.when_s).nth(moment.session);
            let id = format!("{:08x}", chance.bits() >> 32);
            let until_s = moment.state.when_s + SESSION_S;
            moment.order(Order::Hold(Some(Held { id: id.clone(), until_s })));
            return Some(session_part(316, "Session created", &id));
        }
        "session" => return Some(session_part(319, "Session information", &session(moment))),
        _ => {}
    }
    if let "addpool" | "switchpool" | "enablepool" | "disablepool" | "removepool" = command {
        return control::answer(moment, command, parameter);
    }
    let (given, rest) = parameter.map_or(("", ""), |p| p.split_once(',').unwrap_or((p, "")));
    let in_session = ["logoff", "curtail", "ledset", "profileset", "fanset", "rebootdevice", "resetminer"];
    if !in_session.contains(&command) {
        return None;
    }
    let id = session(moment);
    if id.is_empty() || given != id {
        return Some(Part::status('E', 401, "Invalid session ID"));
    }
    moment.order(Order::Hold(Some(Held { id, until_s: moment.state.when_s + SESSION_S })));
    Some(obey(moment, command, rest))
}

fn obey(moment: &Moment<'_>, command: &str, rest: &str) -> Part {
    match (command, rest) {
        ("logoff", _) => {
            moment.order(Order::Hold(None));
            Part::status('S', 317, "Session terminated")
        }
        ("curtail", "sleep") => {
            moment.order(Order::Pause);
            let action = Node::one(Record::new().text("Action", "sleep mode"));
            Part::section(335, "Curtail", "CURTAIL", action)
        }
        ("curtail", "wakeup") => {
            moment.order(Order::Resume);
            Part::section(335, "Curtail", "CURTAIL", Node::one(Record::new().text("Action", "wakeup")))
        }
        ("ledset", rest) => match rest.split_once(',') {
            Some(("red", "blink" | "on")) => {
                moment.order(Order::Light(true));
                Part::status('S', 320, "LED set")
            }
            Some(("red", "auto" | "off")) => {
                moment.order(Order::Light(false));
                Part::status('S', 320, "LED set")
            }
            _ => Part::status('E', 421, "Invalid LED arguments"),
        },
        ("profileset", name) => {
            let stock = whole(moment.spec.model.frequency_mhz);
            let megahertz = name.strip_suffix("MHz").and_then(|mhz| mhz.parse::<f64>().ok());
            let part = match (name, megahertz) {
                ("default", _) => 1.0,
                // What is listed, and nothing else.
                (_, Some(mhz)) if whole(mhz) == stock - 25 => mhz / moment.spec.model.frequency_mhz,
                _ => return Part::status('E', 418, "Unknown profile"),
            };
            moment.order(Order::Mode(name.to_owned(), part));
            Part::section(321, "Profile set", "PROFILE", Node::one(Record::new().text("Profile", name)))
        }
        ("fanset", rest) => {
            let speed = rest.split(',').find_map(|field| field.strip_prefix("speed=")?.parse::<i64>().ok());
            match speed {
                Some(-1) => moment.order(Order::Fans(None)),
                Some(percent @ 0..=100) => moment.order(Order::Fans(u8::try_from(percent).ok())),
                _ => return Part::status('E', 420, "Invalid fan speed"),
            }
            Part::status('S', 318, "Fan speed set")
        }
        ("rebootdevice", _) => {
            moment.order(Order::Reboot);
            Part::status('S', 322, "Rebooting device")
        }
        ("resetminer", _) => {
            moment.order(Order::Restart);
            Part::status('S', 325, "Resetting miner")
        }
        _ => Part::status('E', 422, "Invalid arguments"),
    }
}
