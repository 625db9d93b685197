//! iPollo's firmware of the G1 generation: LuCI with pages of its own, as public clients read it. A session is a part of the path
//! and a cookie; one is good for an hour, and without one there is nothing but the page of the login. Never compared with a
//! device.

mod orders;

use crate::face::{Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs};
use crate::number::index;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct IPollo;

/// Graphs per second are told as hashes are.
const G1: Model = Model {
    make: Some("iPollo"),
    name: Some("G1"),
    printed: "iPollo G1",
    boards: 3,
    chips: 64,
    fans: 4,
    ths: 0.036,
    watts: 2800.0,
    frequency_mhz: 1000.0,
    voltage: 12.0,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 1] = [G1];

const LUCI: &str = "/cgi-bin/luci";
const HOUR_S: u64 = 3_600;

impl Face for IPollo {
    fn family(&self) -> Family {
        Family::IPOLLO
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "ipollo"
    }

    /// It tells one rate, one temperature and one fan.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(
            fault,
            FaultKind::Asleep
                | FaultKind::AllPoolsDead
                | FaultKind::BoardMissing
                | FaultKind::ChipsLost
                | FaultKind::FanFailed
                | FaultKind::PsuFault
                | FaultKind::Slow
        )
    }

    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::WEB]
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        let window = moment.state.when_s / HOUR_S;
        let token = moment.token();
        let (stok, cookie) = (format!("{token}{window:x}"), format!("sysauth={window:x}{token}"));
        let session = format!("{LUCI}/;stok={stok}");
        match (request.method, request.path()) {
            ("GET", "/") => {
                let page = "<!DOCTYPE html><html><head><meta http-equiv=\"refresh\" content=\"0; URL=/cgi-bin/luci\" />\
                            </head><body><a href=\"/cgi-bin/luci\">LuCI - Lua Configuration Interface</a></body></html>";
                return Response::html(200, page);
            }
            ("POST", LUCI) => {
                if let Some(locked) = moment.locked() {
                    return locked;
                }
                let given = |name: &str, value: &str| request.field(name).as_deref() == Some(value);
                if !(given("luci_username", "admin") && given("luci_password", moment.password("admin"))) {
                    return login();
                }
                return Response::html(302, "")
                    .with_header("Set-Cookie", format!("{cookie}; path={session}"))
                    .with_header("Location", session);
            }
            _ => {}
        }
        let Some(page) = request.target.strip_prefix(session.as_str()) else { return login() };
        if request.header("cookie") != Some(cookie.as_str()) {
            return login();
        }
        let document: Node = match (request.method, page) {
            ("GET", "/admin/ipollo_main/api_getstatus") => status(moment).into(),
            ("GET", "/admin/status/overview?status=1") => overview(moment).into(),
            ("GET", "/admin/network/iface_status/lan") => Node::one(lan(moment)),
            _ if orders::is_one(request.method, page) => return orders::answer(moment, request, page),
            _ => return Response::html(404, "<html><body><h1>404 Not Found</h1></body></html>"),
        };
        Response::json(document.to_json())
    }
}

fn login() -> Response {
    let page = "<!DOCTYPE html><html><head><title>iPollo - LuCI</title></head><body>\
                <form method=\"post\" action=\"/cgi-bin/luci\"><input name=\"luci_username\" value=\"admin\" />\
                <input type=\"password\" name=\"luci_password\" /></form></body></html>";
    Response::html(403, page)
}

/// The sensor and the fan that its owner has chosen to see.
fn status(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let pools = (0..3).map(|slot| {
        let record = Record::new().count("pool", index(slot) + 1);
        match state.pools.get(slot) {
            Some(pool) => record
                .text("user", pool.user.as_str())
                .text("url", pool.url.as_str())
                .count("accept", pool.accepted)
                .count("diff", pool.difficulty)
                .into(),
            None => record.text("user", "").text("url", "").int("accept", 0).int("diff", 0).into(),
        }
    });
    let shown =
        state.boards_present().flat_map(|(_, board)| board.pcb_c).reduce(f64::max).unwrap_or_default();
    Record::new()
        .put("pool", Node::List(pools.collect()))
        .text("temp", format!("{shown:.0}"))
        .text("fan", state.fans_rpm.first().copied().unwrap_or_default().to_string())
        .count("accepted", state.accepted())
        .count("rejected", state.rejected())
        .text("unit", "G")
        .text("version", "2.1.1")
        .text("algo", "cuckatoo32")
        .text("mmodel", moment.spec.model.printed)
        .fixed("hashrate", ghs(state.rate_5s), 2)
}

fn overview(moment: &Moment<'_>) -> Record {
    Record::new()
        .put("swap", Record::new().int("free", 0).int("total", 0).into())
        .int("conncount", 12)
        .count("uptime", moment.state.uptime_s)
        .text("localtime", "Tue Nov 14 22:15:00 2023")
}

fn lan(moment: &Moment<'_>) -> Record {
    let address = Record::new()
        .text("netmask", "255.255.255.0")
        .text("addr", moment.spec.address.to_string())
        .int("prefix", 24);
    Record::new()
        .text("ifname", "eth0")
        .put("ipaddrs", Node::one(address))
        .text("gwaddr", super::whatsminer::gateway(moment))
        .text("proto", "dhcp")
        .text("id", "lan")
        .flag("is_up", true)
        .text("macaddr", moment.spec.mac.to_string())
        .text("type", "ethernet")
        .text("name", "eth0")
}
