//! Elphapex's firmware: Bitmain's pages with units of its own, behind a realm of its own (as public farm software reads it). It
//! only reads.

mod orders;

use crate::digest::Guard;
use crate::face::{Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::number::index;
use crate::state::Phase;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Elphapex;

const DG1: Model = Model {
    make: Some("Elphapex"),
    name: Some("DG1"),
    printed: "DG1",
    boards: 4,
    chips: 144,
    fans: 4,
    ths: 0.011,
    watts: 3420.0,
    frequency_mhz: 1850.0,
    voltage: 14.7,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 1] = [DG1];

impl Face for Elphapex {
    fn family(&self) -> Family {
        Family::ELPHAPEX
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        &DG1
    }

    fn host_prefix(&self) -> &'static str {
        "DG1"
    }

    /// How much power the supply gives is told in units that nobody knows, and not read.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::PsuFault)
    }

    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::WEB]
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        let guard = Guard::of(moment, "Daoge Miner", "root", "root");
        if !guard.admits(request) {
            return Response::html(401, "401 - Unauthorized")
                .with_header("WWW-Authenticate", guard.challenge());
        }
        if let Some(response) = orders::answer(moment, request) {
            return response;
        }
        let document = match (request.method, request.path()) {
            ("GET", "/") => return Response::html(200, "<html><head><title>DG</title></head></html>"),
            ("GET", "/cgi-bin/get_system_info.cgi") => system(moment),
            ("GET", "/cgi-bin/stats.cgi") => envelope(moment, "stats").put("STATS", awake(moment, stats)),
            ("GET", "/cgi-bin/summary.cgi") => {
                envelope(moment, "summary").put("SUMMARY", awake(moment, summary))
            }
            ("GET", "/cgi-bin/pools.cgi") => envelope(moment, "pools").put("POOLS", pools(moment)),
            ("GET", "/cgi-bin/get_miner_conf.cgi") => configuration(moment),
            _ => return Response::html(404, "404 - Not Found"),
        };
        // Labelled as text, as these servers do.
        Response { content_type: "text/html", ..Response::json(Node::from(document).to_json()) }
    }
}

/// A list of one record, or of none while it sleeps.
fn awake(moment: &Moment<'_>, record: fn(&Moment<'_>) -> Record) -> Node {
    if moment.state.phase == Phase::Asleep { Node::List(Vec::new()) } else { Node::one(record(moment)) }
}

fn envelope(moment: &Moment<'_>, message: &str) -> Record {
    let status = Record::new()
        .text("STATUS", "S")
        .count("when", moment.state.uptime_s)
        .count("timestamp", moment.state.when_s)
        .text("Msg", message)
        .text("api_version", "1.0.0");
    let info = Record::new()
        .text("miner_version", "DG1_V1.1.3")
        .text("CompileTime", "")
        .text("dev_sn", moment.spec.serial.clone())
        .text("type", moment.spec.model.printed);
    Record::new().put("STATUS", status.into()).put("INFO", info.into())
}

fn system(moment: &Moment<'_>) -> Record {
    let spec = moment.spec;
    Record::new()
        .text("minertype", spec.model.printed)
        .text("nettype", "DHCP")
        .text("macaddr", spec.mac.to_string())
        .text("hostname", spec.hostname.clone())
        .text("ipaddress", spec.address.to_string())
        .text("system_filesystem_version", "Tue Mar 12 10:11:12 CST 2024")
        .text("firmware_type", "Release")
        .text("serinum", spec.serial.clone())
}

fn rates(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    Record::new()
        .count("elapsed", state.elapsed_s)
        .fixed("rate_5s", state.rate_5s * 1e6, 2)
        .fixed("rate_15m", state.rate_15m * 1e6, 2)
        .fixed("rate_30m", state.rate_30m * 1e6, 2)
        .fixed("rate_avg", state.rate_avg * 1e6, 2)
        .fixed("rate_ideal", state.rate_ideal * 1e6, 2)
        .text("rate_unit", "MH/s")
}

fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let chains = state.boards.iter().enumerate().map(|(i, board)| {
        let chain = Record::new().count("index", index(i));
        if !board.present {
            let nothing = || Node::List(vec![Node::Text(String::new())]);
            return chain
                .int("freq_avg", 0)
                .int("asic_num", 0)
                .text("asic", "")
                .put("temp_chip", nothing())
                .into();
        }
        let thousandths = board.chip_c.map(|c| Node::Text(format!("{:.0}", c * 1000.0)));
        Node::from(
            chain
                .fixed("freq_avg", board.frequency_mhz * 1000.0, 0)
                .fixed("rate_ideal", board.rate_ideal * 1e6, 2)
                .fixed("rate_real", board.rate_5s * 1e6, 2)
                .count("asic_num", board.chips_ok)
                .put("temp_pcb", Node::List(board.pcb_c.map(|c| Node::Bare(format!("{c:.0}"))).to_vec()))
                .put("temp_chip", Node::List(thousandths.to_vec()))
                .count("hw", board.hardware_errors)
                .flag("eeprom_loaded", true)
                .text("sn", board.serial.clone()),
        )
    });
    let fans = state.fans_rpm.iter().map(|rpm| Node::Text(rpm.to_string()));
    rates(moment)
        .count("chain_num", index(state.boards_present().count()))
        .count("fan_num", index(state.fans_rpm.len()))
        .put("fan", Node::List(fans.collect()))
        .int("miner-mode", 0)
        .put("chain", Node::List(chains.collect()))
}

fn summary(moment: &Moment<'_>) -> Record {
    let well = |kind: &str| {
        Node::from(Record::new().text("type", kind).text("status", "s").int("code", 0).text("msg", ""))
    };
    rates(moment)
        .count("hw_all", moment.state.hardware_errors())
        .count("bestshare", moment.state.best_share)
        .put("status", Node::List(["rate", "network", "fans", "temp"].map(well).to_vec()))
}

fn pools(moment: &Moment<'_>) -> Node {
    let pools = moment.state.pools.iter().enumerate().map(|(i, pool)| {
        Node::from(
            Record::new()
                .count("index", index(i))
                .text("url", pool.url.clone())
                .text("user", pool.user.clone())
                .text("status", if pool.alive { "Alive" } else { "Unreachable" })
                .count("priority", index(i))
                .count("getworks", pool.getworks)
                .count("accepted", pool.accepted)
                .count("rejected", pool.rejected)
                .count("stale", pool.stale)
                .text("diff", pool.difficulty.to_string()),
        )
    });
    Node::List(pools.collect())
}

fn configuration(moment: &Moment<'_>) -> Record {
    let settings = &moment.spec.settings;
    let mode = settings.mode.as_deref().and_then(|mode| mode.parse().ok()).unwrap_or(0);
    let asleep = moment.state.phase == Phase::Asleep;
    let slots = moment.state.pools.iter().map(Some).chain(std::iter::repeat(None)).take(3);
    let pools = slots.map(|slot| {
        let (url, user) = slot.map_or(("", ""), |pool| (pool.url.as_str(), pool.user.as_str()));
        Record::new()
            .text("url", url)
            .text("user", user)
            .text("pass", if url.is_empty() { "" } else { "x" })
            .into()
    });
    Record::new()
        .put("pools", Node::List(pools.collect()))
        .text("algo", "ltc")
        .flag("fc-fan-ctrl", settings.fan_percent.is_some())
        .text("fc-fan-pwm", settings.fan_percent.unwrap_or(60).to_string())
        .text("fc-freq", "1850")
        .text("fc-freq-level", "100")
        .text("fc-voltage", "1470")
        .int("fc-work-mode", if asleep { 1 } else { mode })
}
