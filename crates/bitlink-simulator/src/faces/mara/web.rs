//! The web server of Marathon's firmware, behind HTTP Digest in Bitmain's words, as public clients read it.

use super::orders;
use crate::digest::Guard;
use crate::face::Moment;
use crate::http::{Request, Response};
use crate::node::{Node, Record, ghs};
use crate::number::{index, whole};
use crate::state::Phase;

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let guard = Guard::of(moment, "antMiner Configuration", "root", "root");
    if !guard.admits(request) {
        return Response::html(401, "401 - Unauthorized")
            .with_header("WWW-Authenticate", guard.challenge())
            .with_header("algorithm", "MD5");
    }
    if let Some(response) = orders::answer(moment, request) {
        return response;
    }
    let document: Node = match (request.method, request.path()) {
        ("GET", "/") => return Response::html(200, "<html><head><title>MARA</title></head></html>"),
        ("GET", "/kaonsu/v1/overview") => overview(moment).into(),
        ("GET", "/kaonsu/v1/brief") => brief(moment).into(),
        ("GET", "/kaonsu/v1/hashboards") => Record::new().put("hashboards", boards(moment)).into(),
        ("GET", "/kaonsu/v1/details") => Record::new().put("hashboard_infos", details(moment)).into(),
        ("GET", "/kaonsu/v1/fans") => Record::new().put("fans", fans(moment)).into(),
        ("GET", "/kaonsu/v1/pools") => pools(moment),
        ("GET", "/kaonsu/v1/miner_config") => orders::config(moment).into(),
        ("GET", "/kaonsu/v1/locate_miner") => {
            Record::new().flag("blinking", moment.spec.settings.light).into()
        }
        _ => return Response::html(404, "404 - Not Found"),
    };
    Response::json(document.to_json())
}

fn overview(moment: &Moment<'_>) -> Record {
    Record::new()
        .text("mac", moment.spec.mac.to_string())
        .text("version_firmware", "1.2.3")
        .text("control_board", "Xilinx")
        .text("model", moment.spec.model.printed)
}

fn brief(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let status = match state.phase {
        Phase::Mining => "Mining",
        Phase::Starting => "Starting",
        Phase::Asleep => "Sleep",
        Phase::Stopped | Phase::Down | Phase::Hung => "Error",
    };
    Record::new()
        .text("status", status)
        .fixed("hashrate_realtime", state.rate_5s, 5)
        .fixed("hashrate_ideal", ghs(moment.spec.nominal_ths), 2)
        .int("power_consumption_estimated", whole(state.power_w))
        .count("elapsed", state.elapsed_s)
}

fn boards(moment: &Moment<'_>) -> Node {
    let all = moment.state.boards_present().map(|(i, board)| {
        let four = |celsius: &[f64; 4]| Node::List(celsius.iter().map(|c| Node::short(*c)).collect());
        Record::new()
            .count("index", index(i))
            .fixed("hashrate_average", ghs(board.rate_5s), 2)
            .put("temperature_pcb", four(&board.pcb_c))
            .put("temperature_chip", four(&board.chip_c))
            .put("temperature_raw", four(&board.raw_c))
            .count("asic_num", board.chips_ok)
            .text("serial_number", board.serial.as_str())
            .into()
    });
    Node::List(all.collect())
}

fn details(moment: &Moment<'_>) -> Node {
    let all = moment.state.boards_present().map(|(i, board)| {
        Record::new()
            .count("index", index(i))
            .fixed("hashrate_avg", ghs(board.rate_5s), 2)
            .fixed("hashrate_ideal", ghs(board.rate_ideal), 2)
            .count("asic_num", board.chips_ok)
            .text("serial_number", board.serial.as_str())
            .fixed("voltage", board.voltage, 2)
            .fixed("frequency_avg", board.frequency_mhz, 1)
            .into()
    });
    Node::List(all.collect())
}

fn fans(moment: &Moment<'_>) -> Node {
    let speeds = moment.state.fans_rpm.iter();
    Node::List(speeds.map(|rpm| Record::new().count("current_speed", *rpm).into()).collect())
}

fn pools(moment: &Moment<'_>) -> Node {
    let used = moment.state.pools.iter().enumerate().filter(|(_, pool)| !pool.url.is_empty());
    let pools = used.map(|(i, pool)| {
        Record::new()
            .count("index", index(i))
            .text("url", pool.url.as_str())
            .text("user", pool.user.as_str())
            .text("status", if pool.alive { "Alive" } else { "Dead" })
            .count("priority", index(i))
            .count("accepted", pool.accepted)
            .count("rejected", pool.rejected)
            .count("stale", pool.stale)
            .count("discarded", pool.discarded)
            .into()
    });
    Node::List(pools.collect())
}
