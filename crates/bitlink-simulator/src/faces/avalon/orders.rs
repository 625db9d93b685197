//! Options of an Avalon's one device (Canaan universal API manual): what a machine is told by `ascset`.

use super::{Avalon, Generation};
use crate::daemon::Part;
use crate::face::Moment;
use crate::faces::control;
use crate::miner::PoolSpec;
use crate::orders::Order;

fn said(words: impl std::fmt::Display) -> Part {
    Part::status('I', 118, format!("ASC 0 set info: {words}"))
}

fn done() -> Part {
    Part::status('S', 119, "ASC 0 set OK")
}

fn failed(words: impl std::fmt::Display) -> Part {
    Part::status('E', 120, format!("ASC 0 set failed: {words}"))
}

/// Which of its modes a machine is in.
pub(super) fn mode(moment: &Moment<'_>) -> Option<u8> {
    moment.spec.settings.mode.as_deref()?.parse().ok()
}

/// Answers a command that changes something, all of them open to everybody; `None` for any other.
pub(super) fn answer(
    face: &Avalon,
    moment: &Moment<'_>,
    command: &str,
    parameter: Option<&str>,
) -> Option<Part> {
    if command != "ascset" {
        return control::answer(moment, command, parameter);
    }
    let parts = control::split(parameter?);
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    Some(match words.as_slice() {
        ["0", rest @ ..] if face.old => old_option(moment, rest),
        ["0", rest @ ..] => option(moment, rest),
        [other, ..] => Part::status('E', 107, format!("Invalid ASC id {other} - range is 0 - 0")),
        [] => return None,
    })
}

fn old_option(moment: &Moment<'_>, words: &[&str]) -> Part {
    match words {
        ["led", "1-1"] => moment.order(Order::Light(true)),
        ["led", "1-0"] => moment.order(Order::Light(false)),
        [other, ..] => return failed(format_args!("Unknown option: {other}")),
        [] => return failed("Unknown option"),
    }
    done()
}

fn option(moment: &Moment<'_>, words: &[&str]) -> Part {
    let generation = Generation::of(moment.spec.model);
    let early = matches!(generation, Generation::A10 | Generation::A12);
    match words {
        ["reboot", ..] => {
            moment.order(Order::Reboot);
            Part::nothing()
        }
        ["restore"] => {
            moment.order(Order::Reset);
            done()
        }
        ["led", "1-1"] => {
            moment.order(Order::Light(true));
            done()
        }
        ["led", "1-0"] => {
            moment.order(Order::Light(false));
            done()
        }
        ["workmode", number] if early => work_mode(moment, number),
        ["workmode", "set", number] if !early => work_mode(moment, number),
        ["fan-spd", speed] => match speed.parse::<i8>() {
            Ok(-1) => {
                moment.order(Order::Fans(None));
                done()
            }
            Ok(percent @ 0..=100) => {
                moment.order(Order::Fans(u8::try_from(percent).ok()));
                done()
            }
            _ => failed("invalid speed"),
        },
        ["hashpower", "0"] => {
            moment.order(Order::Pause);
            said("Power off hash now")
        }
        [word @ ("softoff" | "softon"), when] if generation.knows_soft_off() => {
            let due = when.strip_prefix("1:").and_then(|time| time.parse::<u64>().ok());
            let Some(due) = due.filter(|due| *due <= moment.state.when_s + 5) else {
                return failed("invalid time");
            };
            moment.order(if *word == "softoff" { Order::Pause } else { Order::Resume });
            if *word == "softon" { Part::nothing() } else { said(format_args!("success {word}:{due}")) }
        }
        ["setpool", user, password, rest @ ..] => set_pool(moment, [user, password], rest),
        ["password", old, new] => {
            if *old != moment.password("root") {
                return failed("Auth Failed! password invalid!");
            }
            moment.order(Order::Password((*new).to_owned()));
            done()
        }
        ["ip", "d"] if early => network(moment, "dhcp".to_owned()),
        ["ip", "dhcp"] if !early => network(moment, "dhcp".to_owned()),
        ["ip", "s", ip, mask, _] if early => network(moment, format!("{ip}/{mask}")),
        ["ip", "static", ip, mask, _] if !early => network(moment, format!("{ip}/{mask}")),
        ["dns", ..] => said("DNS"),
        [other, ..] => failed(format_args!("Unknown option: {other}")),
        [] => failed("Unknown option"),
    }
}

fn network(moment: &Moment<'_>, words: String) -> Part {
    moment.order(Order::Network(words));
    done()
}

fn work_mode(moment: &Moment<'_>, number: &str) -> Part {
    let part = match number {
        "0" => 0.9,
        "1" => 1.0,
        "2" => 1.1,
        _ => return failed("invalid mode"),
    };
    moment.order(Order::Mode(number.to_owned(), part));
    said(format_args!("WORKMODE[{number}]"))
}

/// One slot of three. The early ones know no slots and have one pool.
fn set_pool(moment: &Moment<'_>, [user, password]: [&str; 2], rest: &[&str]) -> Part {
    if user.is_empty() || password != moment.password("root") {
        return failed("Auth Failed! user or password invalid!");
    }
    let [slot, url, worker, _] = rest else { return failed("invalid pool") };
    let Some(slot) = slot.parse::<usize>().ok().filter(|slot| *slot < 3) else {
        return failed("invalid pool");
    };
    let mut pools = moment.spec.pools.clone();
    pools.resize(pools.len().max(slot + 1), PoolSpec { url: String::new(), user: String::new() });
    if let Some(pool) = pools.get_mut(slot) {
        *pool = PoolSpec { url: (*url).to_owned(), user: (*worker).to_owned() };
    }
    moment.order(Order::Pools(pools));
    said("success set pool, reboot to make it count")
}
