//! iPollo's firmware: OpenWrt with LuCI, and pages of its own under `admin/ipollo_main`, as public clients of the G1 and the V1
//! generation read it (bitcap-ipr, an exporter for Prometheus). Never confirmed on a device.
//!
//! The login leads to a path that goes before all others, and to a cookie. The G1 generation tells one temperature and one fan, those
//! that its owner has chosen to see; the V1 generation tells four of each. These machines compute other hashes than Bitcoin's;
//! their rates are hashes all the same.

mod commands;

use crate::acting::{ActError, Order, Plan};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::{Answers, Dialect, Evidence, Page, Question};
use crate::http::{HttpReply, HttpRequest, WEB_PORT, form};
use crate::record::{Oddities, Record};
use crate::replies::rate_by_letter;
use bitlink_model::{
    Board, Capabilities, Family, Fan, Firmware, HashRate, Identity, Make, MinerSnapshot, NetworkIdentity,
    Pool, Text,
};

/// iPollo.
#[derive(Debug)]
pub struct IPollo;

/// Where LuCI begins.
const LUCI: &str = "/cgi-bin/luci";
/// By which a stranger with LuCI is known: the page of its login.
pub(crate) const KNOCK: Question = Question::knock("luci", Page::get(LUCI));

const STATUS: Question = Question::may_page("miner status", "/admin/ipollo_main/api_getstatus");
const REALTIME: Question =
    Question::must_page("miner realtime", "/admin/ipollo_main/ipollo_realtime").in_place_of(STATUS.command);
const DEVICE: Question = Question::may_page("device info", "/admin/ipollo_main/ipollo_devinfo");
const LAN: Question = Question::may_page("lan", "/admin/network/iface_status/lan");
const SYSTEM: Question = Question::may_page("system status", "/admin/status/overview?status=1");

/// More than any machine has.
const MAX_SLOTS: usize = 16;

impl Dialect for IPollo {
    fn family(&self) -> Family {
        Family::IPOLLO
    }

    /// The name alone is a part of other words.
    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.shows("IPOLLO") && evidence.shows("/CGI-BIN/LUCI")
    }

    fn doors(&self) -> &'static [u16] {
        &[WEB_PORT]
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[STATUS, DEVICE, LAN] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(Make::IPOLLO);
        let mut firmware = Firmware::new(self.family());
        let status = heard.page(STATUS.command, oddities);
        let device = heard.page(DEVICE.command, oddities);
        firmware.version = status.and_then(|r| r.word("version"));
        let raw = status.and_then(|r| r.text("mmodel")).or_else(|| device.and_then(|r| r.text("Model")));
        identity.model_raw = raw.map(Text::from);
        identity.model = raw.and_then(model);
        identity.serial = device.and_then(|r| r.word("SN"));
        identity.control_board = device.and_then(|r| r.word("HwType"));
        let lan = heard.page(LAN.command, oddities).map(|r| r.records(crate::LIST)).unwrap_or_default();
        if let Some(r) = lan.first() {
            identity.mac = r.text("macaddr").and_then(|mac| mac.parse().ok());
            identity.network = Some(network(*r));
        }
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[STATUS, REALTIME, SYSTEM] }
    }

    fn auth(&self) -> Auth {
        Auth::Login(&Luci)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("admin", "admin"), ("root", "root")]
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if let Some(r) = answers.page(STATUS.command, oddities) {
            read_status(r, snapshot);
        } else if let Some(r) = answers.page(REALTIME.command, oddities) {
            read_realtime(r, snapshot);
        }
        snapshot.uptime = answers.page(SYSTEM.command, oddities).and_then(|r| r.seconds("uptime"));
    }
}

/// LuCI's login: a form, a redirection to where the session is, and a cookie.
#[derive(Debug)]
struct Luci;

impl Login for Luci {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let fields = [("luci_username", credentials.user.as_str()), ("luci_password", &credentials.password)];
        HttpRequest::post(LUCI, "application/x-www-form-urlencoded", form(&fields))
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let admitted = |cookie: &str| {
            let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
            let value = value.split(';').next().unwrap_or_default();
            name.trim_start().starts_with("sysauth") && !value.trim().is_empty()
        };
        let pass = Pass::cookies(reply).filter(|_| reply.headers_named("Set-Cookie").any(admitted));
        let Some(pass) = pass else { return Err(Refusal::WrongCredentials) };
        let base = reply.header("Location").and_then(base).unwrap_or_else(|| LUCI.to_owned());
        Ok(Pass { base, ..pass })
    }

    /// Who is not logged in gets the page of the login, with this status or that.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        let asks = reply.body.windows(13).any(|bytes| bytes == b"luci_username");
        asks || matches!(reply.status, 301 | 302 | 303 | 307)
    }
}

/// The path of a redirection within LuCI, which may hold the session: `/cgi-bin/luci/;stok=0a1b/`. Nothing else is believed: it
/// becomes a part of every request.
fn base(location: &str) -> Option<String> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.get(rest.find('/')?..)?,
        None => location,
    };
    let path = path.split(['?', '#']).next()?.trim_end_matches('/');
    let inside = path.strip_prefix(LUCI)?;
    let session = inside.is_empty() || inside.starts_with("/;stok=");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | ';' | '=' | '-' | '_');
    (session && inside.len() <= 128 && inside.chars().all(plain)).then(|| path.to_owned())
}

/// The model without the make.
fn model(raw: &str) -> Option<Text> {
    let name = raw.trim();
    let name = match name.get(..6) {
        Some(make) if make.eq_ignore_ascii_case("ipollo") => name.get(6..)?,
        _ => name,
    };
    let name = name.trim_start_matches([' ', '-', '_']);
    (!name.is_empty()).then(|| name.into())
}

fn network(r: Record<'_>) -> NetworkIdentity {
    let address = r.records("ipaddrs").into_iter().next();
    NetworkIdentity {
        dhcp: r.text("proto").map(|proto| proto == "dhcp"),
        ip: address.and_then(|a| a.text("addr")).and_then(|ip| ip.parse().ok()),
        netmask: address.and_then(|a| a.text("netmask")).map(Text::from),
        gateway: r.text("gwaddr").map(Text::from),
        ..NetworkIdentity::default()
    }
}

/// The G1 generation.
fn read_status(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let unit = r.text("unit");
    snapshot.hashrate.realtime =
        r.number("hashrate").zip(unit).and_then(|(number, unit)| rate_by_letter(number, unit));
    snapshot.shares.accepted = r.count("accepted");
    snapshot.shares.rejected = r.count("rejected");
    // Of whichever sensor its owner wants to see.
    snapshot.temperatures.board_max = r.celsius_or_zero("temp");
    snapshot.fans = r.rpm("fan").map(|speed| Fan::new(0, speed)).into_iter().collect();
    let pools = r.records("pool").into_iter().take(MAX_SLOTS);
    snapshot.pools = (0..).zip(pools).filter_map(|(position, r)| pool(position, r)).collect();
}

fn pool(position: u32, r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url")?.into());
    pool.id = r.small("pool", 10_000).unwrap_or(position);
    pool.priority = Some(position.into());
    pool.user = r.text("user").map(Text::from);
    pool.accepted = r.count("accept");
    pool.difficulty = r.known_difficulty("diff");
    Some(pool)
}

/// The V1 generation. A sensor that reads 0 is not there.
fn read_realtime(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.hashrate.realtime = glued(r, "hashratecur");
    snapshot.hashrate.average = glued(r, "hashrate");
    for n in 0..4_u32 {
        if let Some(celsius) = r.celsius_or_zero(&format!("temp{n}")) {
            let mut board = Board::in_slot(n);
            board.present = Some(true);
            board.board_temperature = Some(celsius);
            snapshot.boards.push(board);
        }
        if let Some(speed) = r.rpm(&format!("fanspeed{n}")) {
            let mut fan = Fan::new(n, speed);
            fan.duty = r.percent(&format!("fanpwm{n}"));
            snapshot.fans.push(fan);
        }
    }
}

/// A number with the letter of its unit behind it.
fn glued(r: Record<'_>, key: &str) -> Option<HashRate> {
    let text = r.text(key)?;
    let unit = text.get(text.find(|c: char| c.is_ascii_alphabetic())?..)?;
    rate_by_letter(r.leading_number(key)?, unit)
}

#[cfg(test)]
mod tests {
    //! Where a login leads.
    use super::*;

    #[test]
    fn a_login_leads_into_luci_and_nowhere_else() {
        let luci = |path: &str| Some(format!("/cgi-bin/luci{path}"));
        assert_eq!(base("/cgi-bin/luci/;stok=0a1b/"), luci("/;stok=0a1b"));
        assert_eq!(base("http://192.0.2.7/cgi-bin/luci/;stok=0a1b?x=1"), luci("/;stok=0a1b"));
        assert_eq!(base("/cgi-bin/luci/"), luci(""));
        for elsewhere in [
            "",
            "/",
            "http://192.0.2.7",
            "/cgi-bin/other",
            "/cgi-bin/lucifer",
            "/cgi-bin/luci/admin/system/reboot",
            "/cgi-bin/luci/;stok=0a HTTP/1.1",
            "/cgi-bin/luci/;stok=0a/../../x",
        ] {
            assert_eq!(base(elsewhere), None, "{elsewhere}");
        }
    }
}
