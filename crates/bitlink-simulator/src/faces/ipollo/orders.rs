//! Orders to iPollo's firmware: pages of LuCI that are posted, and the form with the pools of every coin.

use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::orders::Order;
use std::fmt::Write;

const POOLS: &str = "/admin/ipollo_main/pool";
const CONTROL: &str = "/admin/ipollo_main/cgminerstatus/ctrl/";
const PASSWORD: &str = "/admin/ipollo_main/passwdchange";
const REBOOT: &str = "/admin/system/reboot?reboot=1";
const SLOTS: usize = 3;

/// Whether a request changes something, or asks for the form by which it is done.
pub(super) fn is_one(method: &str, page: &str) -> bool {
    match method {
        "GET" => page == POOLS,
        "POST" => matches!(page, POOLS | PASSWORD | REBOOT) || page.starts_with(CONTROL),
        _ => false,
    }
}

/// Answers it.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, page: &str) -> Response {
    let field = |key: &str| request.field(key).unwrap_or_default();
    let order = match page {
        POOLS if request.method == "GET" => return Response::html(200, form(moment)),
        REBOOT => Order::Reboot,
        _ if page.starts_with(CONTROL) => match page.strip_prefix(CONTROL) {
            Some("start") => Order::Resume,
            Some("stop") => Order::Pause,
            Some("restart") => Order::Restart,
            _ => return Response::html(404, "<html><body><h1>404 Not Found</h1></body></html>"),
        },
        // What is not submitted is only shown.
        _ if field("cbi.submit") != "1" => return Response::html(200, form(moment)),
        PASSWORD => {
            let (new, again) = (field("cbid.system._pass.pw1"), field("cbid.system._pass.pw2"));
            if new.is_empty() || new != again {
                return Response::html(
                    200,
                    "<html><body>Given password confirmation did not match</body></html>",
                );
            }
            Order::Password(new)
        }
        _ => {
            let of = |n: usize, what: &str| field(&format!("cbid.cgminer.default.grin_pool{n}{what}"));
            Order::Pools((1..=SLOTS).map(|n| PoolSpec { url: of(n, "url"), user: of(n, "user") }).collect())
        }
    };
    moment.order(order);
    Response::html(200, "<html><body>OK</body></html>")
}

fn form(moment: &Moment<'_>) -> String {
    let mut out = "<html><body><form method=\"post\"><select name=\"cbid.cgminer.default.select_coin\">\
                   <option value=\"mwc\">MWC</option><option value=\"grin\" selected=\"selected\">GRIN</option></select>"
        .to_owned();
    for coin in ["mwc", "grin"] {
        for n in 1..=SLOTS {
            let pool = moment.spec.pools.get(n - 1).filter(|_| coin == "grin");
            let (url, user) = pool.map_or(("", ""), |pool| (pool.url.as_str(), pool.user.as_str()));
            for (what, value) in [("url", url), ("user", user), ("pw", "x")] {
                // Writing to a string cannot fail.
                let _ = write!(
                    out,
                    "<input type=\"text\" name=\"cbid.cgminer.default.{coin}_pool{n}{what}\" value=\"{value}\" />"
                );
            }
        }
    }
    out + "</form></body></html>"
}
