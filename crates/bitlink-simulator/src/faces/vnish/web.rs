//! VNish's web server, version 1.2 (VNish API document): reading is open to everybody, settings want the token that `unlock` gives
//! for the password.

use super::super::whatsminer::gateway;
use super::orders;
use crate::face::Moment;
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::node::{Node, Record, ghs};
use crate::number::{index, whole};
use crate::state::{BoardState, Phase, PoolState};
use serde_json::Value;

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let Some(path) = request.path().strip_prefix("/api/v1/") else {
        return Response::html(
            200,
            "<!doctype html><html><head><title>AnthillOS</title></head><body><div id=\"root\"></div></body></html>",
        );
    };
    let token = moment.token();
    let document = match (request.method, path) {
        ("POST", "unlock") => {
            if moment.spec.access.locked {
                return Response { status: 403, ..Response::json(r#"{"unlock_timeout":300}"#) };
            }
            let body: Option<Value> = serde_json::from_slice(request.body).ok();
            if body.as_ref().and_then(|body| body.get("pw")?.as_str()) != Some(moment.password("admin")) {
                return refused(403, "Incorrect password");
            }
            Record::new().text("token", token)
        }
        ("GET", "info") => info(moment),
        ("GET", "summary") => Record::new().put("miner", summary(moment)),
        ("GET", "status") => {
            status(moment).flag("find_miner", moment.spec.settings.light).flag("unlocked", false)
        }
        ("GET", "chains/factory-info") => factory(moment),
        ("GET", "logs/miner") => return Response::html(200, "cgminer: running\n"),
        _ if orders::is_guarded(request, path) => {
            let given = request.header("authorization").unwrap_or_default();
            if given.trim_start_matches("Bearer ") != token {
                return refused(401, "Unauthorized");
            }
            return orders::answer(moment, request, path);
        }
        _ => return refused(404, "Not found"),
    };
    Response::json(Node::from(document).to_json())
}

pub(super) fn refused(status: u16, words: &str) -> Response {
    Response { status, ..Response::json(Node::from(Record::new().text("err", words)).to_json()) }
}

fn null() -> Node {
    Node::Bare("null".to_owned())
}

/// What the model's name is without the firmware's.
fn kind<'a>(moment: &Moment<'a>) -> &'a str {
    moment.spec.model.printed.split(" (").next().unwrap_or_default()
}

fn info(moment: &Moment<'_>) -> Record {
    let spec = moment.spec;
    let network = Record::new()
        .text("mac", spec.mac.to_string())
        .flag("dhcp", true)
        .text("ip", spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("gateway", gateway(moment))
        .put("dns", Node::List(vec![Node::Text(gateway(moment))]))
        .text("hostname", spec.hostname.clone());
    let system = Record::new()
        .text("os", "GNU/Linux")
        .text("miner_name", kind(moment))
        .text("file_system_version", "Tue Dec  6 10:00:00 UTC 2022")
        .text("uptime", uptime(moment.state.uptime_s))
        .put("network_status", network.into());
    Record::new()
        .text("miner", kind(moment))
        .text("model", kind(moment).trim_start_matches("Antminer ").to_lowercase())
        .text("fw_name", "Vnish")
        .text("fw_version", "1.2.6")
        .text("platform", "xil")
        .text("install_type", "nand")
        .text("algorithm", "sha256d")
        .text("hr_measure", "GH/s")
        .text("serial", spec.serial.clone())
        .put("system", system.into())
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match days {
        0 => format!("{hours}:{minutes:02}"),
        1 => format!("1 day, {hours}:{minutes:02}"),
        _ => format!("{days} days, {hours}:{minutes:02}"),
    }
}

fn status(moment: &Moment<'_>) -> Record {
    let (state, failure) = match moment.state.phase {
        Phase::Mining => ("mining", None),
        Phase::Starting => ("starting", None),
        Phase::Asleep => ("stopped", None),
        Phase::Stopped | Phase::Down | Phase::Hung => ("failure", Some("the mining program does not start")),
    };
    Record::new()
        .text("miner_state", state)
        .count("miner_state_time", moment.state.elapsed_s)
        .put("description", failure.map_or_else(null, |words| Node::Text(words.to_owned())))
        .put("failure_code", failure.map_or_else(null, |_| Node::Bare("8".to_owned())))
}

/// The least and the greatest; zeros where there is none, as the firmware has it.
fn range(celsius: impl IntoIterator<Item = f64>) -> Node {
    let bounds = celsius.into_iter().map(|c| (c, c)).reduce(|(low, high), (c, _)| (low.min(c), high.max(c)));
    let (low, high) = bounds.unwrap_or_default();
    Record::new().int("min", whole(low)).int("max", whole(high)).into()
}

fn summary(moment: &Moment<'_>) -> Node {
    let (spec, state) = (moment.spec, moment.state);
    if matches!(state.phase, Phase::Stopped | Phase::Asleep) {
        return null();
    }
    let present = || state.boards_present().map(|(_, board)| board);
    let pcb = range(present().flat_map(|board| board.pcb_c));
    let chips = range(present().flat_map(|board| board.chip_c));
    let used = state.pools.iter().enumerate().filter(|(_, pool)| !pool.url.is_empty());
    let mut pools: Vec<Node> = used.map(|(id, p)| pool(id, p)).collect();
    let fee = Record::new()
        .count("id", 999)
        .text("url", "DevFee")
        .text("user", "DevFee")
        .text("pool_type", "DevFee")
        .text("status", "working")
        .count("accepted", 12)
        .count("rejected", 0)
        .count("stale", 0);
    pools.push(fee.into());
    let fans = state.fans_rpm.iter().enumerate().map(|(id, rpm)| {
        let status = if *rpm == 0 { "lost" } else { "ok" };
        Record::new()
            .count("id", index(id))
            .count("rpm", *rpm)
            .text("status", status)
            .count("max_rpm", 6200)
            .into()
    });
    let mode = Record::new().text("name", "auto").int("param", 65);
    let cooling = Record::new()
        .count("fan_num", u64::from(spec.model.fans))
        .int("fan_duty", whole(state.fan_duty * 100.0))
        .put("fans", Node::List(fans.collect()))
        .put("settings", Record::new().put("mode", mode.into()).into());
    let chains = state.boards.iter().enumerate().map(|(i, board)| chain(moment, i, board));
    Record::new()
        .put("miner_status", status(moment).into())
        .text("miner_type", spec.model.printed)
        .fixed("hr_stock", ghs(spec.model.ths), 1)
        .fixed("hr_realtime", ghs(state.rate_5s), 2)
        .fixed("hr_nominal", ghs(spec.nominal_ths), 2)
        .fixed("hr_average", ghs(state.rate_avg), 2)
        .put("pcb_temp", pcb)
        .put("chip_temp", chips)
        .int("power_consumption", whole(state.power_w))
        .fixed("power_usage", state.power_w / state.rate_avg.max(1.0), 1)
        .count("hw_errors", state.hardware_errors())
        .count("found_blocks", 0)
        .count("best_share", state.best_share)
        .put("pools", Node::List(pools))
        .put("cooling", cooling.into())
        .put("chains", Node::List(chains.collect()))
        .into()
}

fn pool(id: usize, pool: &PoolState) -> Node {
    let status = match (pool.alive, pool.active) {
        (false, _) => "offline",
        (true, true) => "working",
        (true, false) => "active",
    };
    Record::new()
        .count("id", index(id))
        .text("url", pool.url.as_str())
        .text("user", pool.user.as_str())
        .text("pool_type", "UserPool")
        .text("status", status)
        .count("accepted", pool.accepted)
        .count("rejected", pool.rejected)
        .count("stale", pool.stale)
        .text("diff", "262K")
        .text("ls_time", "0:00:09")
        .count("ping", 31)
        .into()
}

fn chain(moment: &Moment<'_>, position: usize, board: &BoardState) -> Node {
    let state = moment.state;
    let present = state.boards_present().any(|(i, _)| i == position);
    let working = present && state.phase == Phase::Mining;
    let word = match state.phase {
        _ if !present => "disconnected",
        Phase::Mining => "mining",
        Phase::Starting => "initializing",
        _ => "stopped",
    };
    let boards = index(state.boards_present().count()).max(1);
    let (good, bad) =
        if working { (board.chips_ok, board.chips.saturating_sub(board.chips_ok)) } else { (0, 0) };
    let sensors = |celsius: [f64; 4]| range(celsius.into_iter().filter(|_| present));
    let mode = Record::new().text("state", word).put("description", null());
    Record::new()
        .count("id", index(position) + 1)
        .fixed("frequency", if working { board.frequency_mhz } else { 0.0 }, 1)
        .int("voltage", if present { whole(board.voltage * 1e3) } else { 0 })
        .int(
            "power_consumption",
            if present { whole(state.power_w / crate::number::real(boards)) } else { 0 },
        )
        .fixed("hashrate_ideal", if present { ghs(board.rate_ideal) } else { 0.0 }, 2)
        .fixed("hashrate_rt", if present { ghs(board.rate_5s) } else { 0.0 }, 2)
        .count("hw_errors", board.hardware_errors)
        .put("pcb_temp", sensors(board.pcb_c))
        .put("chip_temp", sensors(board.chip_c))
        .put("chip_statuses", Record::new().count("red", bad).count("orange", 0).count("grey", good).into())
        .put("status", mode.into())
        .into()
}

fn factory(moment: &Moment<'_>) -> Record {
    let chains = moment.state.boards_present().map(|(i, board)| {
        Record::new().count("id", index(i) + 1).text("serial", board.serial.as_str()).into()
    });
    let fault = moment.state.faults.iter().any(|fault| matches!(fault, Fault::PsuFault));
    Record::new()
        .fixed("hr_stock", moment.spec.model.ths, 1)
        .text("psu_model", if fault { "" } else { "1217" })
        .text("psu_serial", "")
        .flag("has_pics", true)
        .put("chains", Node::List(chains.collect()))
}
