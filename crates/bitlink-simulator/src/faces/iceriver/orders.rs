//! Orders to IceRiver's firmware: forms with a number for what is wanted.

use crate::face::Moment;
use crate::http::Request;
use crate::miner::PoolSpec;
use crate::node::Record;
use crate::orders::Order;
use crate::state::Phase;

/// The configuration, beside its pools.
pub(super) fn machine(moment: &Moment<'_>) -> Record {
    Record::new()
        .int("ratio", 100)
        .int("mode", i64::from(moment.state.phase != Phase::Asleep))
        .flag("locate", moment.spec.settings.light)
}

/// Takes a form that changes something; what it is answered with, as an error and words. `None` for any other.
pub(super) fn take(moment: &Moment<'_>, request: &Request<'_>) -> Option<(i64, &'static str)> {
    let field = |name: &str| request.field(name).unwrap_or_default();
    let post = field("post");
    Some(match (request.path(), post.as_str()) {
        ("/user/userpanel", "3") => {
            moment.order(Order::Reboot);
            (0, "")
        }
        ("/user/userpanel", "5") => match field("locate").as_str() {
            on @ ("0" | "1") => {
                moment.order(Order::Light(on == "1"));
                (0, "")
            }
            _ => (1, "invalid locate"),
        },
        ("/user/machineconfig", "2" | "3") => configure(moment, field),
        ("/user/systemconfig", "2") => {
            if field("nowpwd") != moment.password("12345678") {
                return Some((1, "wrong password"));
            }
            if field("newpwd").is_empty() || field("newpwd") != field("compwd") {
                return Some((2, "the passwords differ"));
            }
            moment.order(Order::Password(field("newpwd")));
            (0, "")
        }
        _ => return None,
    })
}

fn configure(moment: &Moment<'_>, field: impl Fn(&str) -> String) -> (i64, &'static str) {
    let order = match field("fanmode").as_str() {
        "normal" => Order::Resume,
        "sleep" => Order::Pause,
        _ => return (1, "invalid mode"),
    };
    if field("fanratio").is_empty() {
        return (1, "invalid ratio");
    }
    let pools = (1..=3)
        .map(|n| PoolSpec { url: field(&format!("pool{n}address")), user: field(&format!("pool{n}miner")) });
    moment.order(Order::Pools(pools.collect()));
    moment.order(order);
    (0, "")
}
