//! Braiins OS from 25.07 on (Braiins OS public API): a REST API behind a token, and nothing on TCP 4028. It only reads.

mod orders;

use super::braiins::MODELS;
use crate::face::{Doorway, Face, Moment};
use crate::fault::{Fault, FaultKind};
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs};
use crate::number::{index, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase};
use bitlink_model::Family;
use serde_json::Value;

/// See the file.
#[derive(Debug)]
pub(crate) struct BraiinsRest;

impl Face for BraiinsRest {
    fn family(&self) -> Family {
        Family::BRAIINS
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "braiins"
    }

    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
    }

    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::WEB]
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        let Some(path) = request.path().strip_prefix("/api/v1/") else {
            return Response::html(200, "<!doctype html><html><head><title>Braiins OS</title></head></html>");
        };
        let token = moment.token();
        match (request.method, path) {
            ("GET", "version/") => {
                let version = Record::new().int("major", 1).int("minor", 3).int("patch", 0);
                return Response::json(Node::from(version).to_json());
            }
            ("POST", "auth/login") => return login(moment, request),
            _ if request.header("authorization") != Some(token.as_str()) => {
                return refused(401, "unauthorized");
            }
            _ => {}
        }
        if let Some(response) = orders::answer(moment, request, path) {
            return response;
        }
        let document: Node = match (request.method, path) {
            ("GET", "miner/details") => details(moment).into(),
            ("GET", "miner/stats") => stats(moment).into(),
            ("GET", "miner/hw/hashboards") => Record::new().put("hashboards", boards(moment)).into(),
            ("GET", "miner/errors") => Record::new().put("errors", errors(moment)).into(),
            ("GET", "cooling/state") => cooling(moment).into(),
            ("GET", "performance/tuner-state") => tuner(moment).into(),
            ("GET", "pools/") => pools(moment),
            _ => return refused(404, "not found"),
        };
        Response::json(document.to_json())
    }
}

fn refused(status: u16, words: &str) -> Response {
    Response { status, content_type: "text/plain", ..Response::json(words) }
}

fn login(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    if let Some(locked) = moment.locked() {
        return locked;
    }
    let body: Option<Value> = serde_json::from_slice(request.body).ok();
    let field = |name: &str| body.as_ref().and_then(|body| body.get(name)?.as_str());
    if field("username") != Some("root") || field("password") != Some(moment.password("root")) {
        return refused(401, "invalid credentials");
    }
    Response::json(Node::from(Record::new().text("token", moment.token()).int("timeout_s", 3600)).to_json())
}

fn null() -> Node {
    Node::Bare("null".to_owned())
}

/// An object of one number.
fn one(key: &'static str, value: f64, decimals: usize) -> Node {
    Record::new().fixed(key, value, decimals).into()
}

fn rate(ths: f64) -> Node {
    one("gigahash_per_second", ghs(ths), 5)
}

fn celsius(value: Option<f64>) -> Node {
    value.map_or_else(null, |c| one("degree_c", c, 2))
}

fn hottest(sensors: [f64; 4]) -> Option<f64> {
    sensors.into_iter().reduce(f64::max)
}

fn details(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let status = match state.phase {
        Phase::Mining => 2,
        Phase::Asleep => 3,
        Phase::Starting | Phase::Stopped | Phase::Down | Phase::Hung => 1,
    };
    let name = spec.model.printed.trim_start_matches("Bitmain ");
    Record::new()
        .text("uid", format!("bos-{:08x}", Seed::new(spec.seed).of("uid").bits() >> 32))
        .text("hostname", spec.hostname.as_str())
        .text("mac_address", spec.mac.to_string().to_lowercase())
        .text("serial_number", spec.serial.as_str())
        .int("status", status)
        .int("platform", 4)
        .put(
            "bos_version",
            Record::new()
                .text("current", "2025-08-06-0-0123abcd-25.07-plus")
                .text("major", "25.07")
                .flag("bos_plus", true)
                .into(),
        )
        .put(
            "miner_identity",
            Record::new().int("brand", 1).text("miner_model", name).text("name", spec.model.printed).into(),
        )
        .put("sticker_hashrate", rate(spec.model.ths))
        .count("bosminer_uptime_s", state.elapsed_s)
        .count("system_uptime_s", state.uptime_s)
        .put("psu_info", null())
}

fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let windows = Record::new()
        .put("last_5s", rate(state.rate_5s))
        .put("last_1m", rate(state.rate_1m))
        .put("last_5m", rate(state.rate_5m))
        .put("last_15m", rate(state.rate_15m))
        .put("last_30m", rate(state.rate_30m))
        .put("since_restart", rate(state.rate_avg));
    let miner = Record::new()
        .put("real_hashrate", windows.into())
        .put("nominal_hashrate", rate(state.rate_ideal))
        .count("best_share", state.best_share)
        .int("found_blocks", 0);
    let shares = Record::new()
        .count("accepted_shares", state.accepted())
        .count("rejected_shares", state.rejected())
        .count("stale_shares", state.stale());
    let power =
        Record::new().put("approximated_consumption", Record::new().int("watt", whole(state.power_w)).into());
    Record::new()
        .put("miner_stats", miner.into())
        .put("pool_stats", shares.into())
        .put("power_stats", power.into())
}

fn boards(moment: &Moment<'_>) -> Node {
    let first = if moment.spec.model.name == Some("S9") { 6 } else { 1 };
    let mines = moment.state.phase == Phase::Mining;
    let board = |(i, board): (usize, &BoardState)| {
        let windows =
            Record::new().put("last_5s", rate(board.rate_5s)).put("since_restart", rate(board.rate_avg));
        let stats = Record::new()
            .put("real_hashrate", windows.into())
            .put("nominal_hashrate", rate(board.rate_ideal));
        let chip =
            Record::new().int("id", 1).int("location", 1).put("temperature", celsius(hottest(board.chip_c)));
        Record::new()
            .text("id", (index(i) + first).to_string())
            .flag("enabled", mines)
            .count("chips_count", board.chips_ok)
            .text("serial_number", board.serial.as_str())
            .put("current_frequency", one("hertz", board.frequency_mhz * 1e6, 0))
            .put("current_voltage", one("volt", board.voltage, 2))
            .put("board_temp", celsius(hottest(board.pcb_c)))
            .put("highest_chip_temp", chip.into())
            .put("stats", stats.into())
            .into()
    };
    Node::List(moment.state.boards_present().map(board).collect())
}

fn errors(moment: &Moment<'_>) -> Node {
    let error = |fault: &Fault| {
        let (name, code, message) = match fault {
            Fault::BoardMissing { .. } => ("hashboard", "HB-0002", "hash board not detected"),
            Fault::ChipsLost { .. } => ("hashboard", "HB-0010", "chips do not answer"),
            Fault::FanFailed { .. } => ("fan", "FAN-0001", "fan does not turn"),
            Fault::PsuFault => ("psu", "PSU-0001", "output out of range"),
            Fault::Overheating => ("hashboard", "TEMP-0001", "too hot"),
            _ => return None,
        };
        let code = Record::new().text("code", code).text("reason", message);
        let component = Record::new().text("name", name).int("index", 0);
        let error = Record::new()
            .text("timestamp", "2025-09-01T10:00:00Z")
            .text("message", message)
            .put("error_codes", Node::one(code))
            .put("components", Node::one(component));
        Some(error.into())
    };
    Node::List(moment.state.faults.iter().filter_map(error).collect())
}

fn cooling(moment: &Moment<'_>) -> Record {
    let fans = moment.state.fans_rpm.iter().enumerate().map(|(position, rpm)| {
        Record::new()
            .count("position", index(position))
            .count("rpm", *rpm)
            .fixed("target_speed_ratio", moment.state.fan_duty, 3)
            .into()
    });
    Record::new().put("fans", Node::List(fans.collect()))
}

fn tuner(moment: &Moment<'_>) -> Record {
    let delivered = (moment.spec.nominal_w * 1.05 / 100.0).ceil() * 100.0;
    let target = Record::new().int("watt", whole(moment.spec.settings.power_limit_w.unwrap_or(delivered)));
    let mode = Record::new().put("current_target", target.into()).put("profile", null());
    let settled = if moment.state.phase == Phase::Starting { 3 } else { 2 };
    Record::new()
        .int("overall_tuner_state", settled)
        .put("mode_state", Record::new().put("powertargetmodestate", mode.into()).into())
}

fn pools(moment: &Moment<'_>) -> Node {
    let used = moment.state.pools.iter().enumerate().filter(|(_, pool)| !pool.url.is_empty());
    let pools = used.map(|(uid, pool)| {
        let stats = Record::new()
            .count("accepted_shares", pool.accepted)
            .count("rejected_shares", pool.rejected)
            .count("stale_shares", pool.stale)
            .count("last_difficulty", pool.difficulty);
        Record::new()
            .text("uid", uid.to_string())
            .text("url", pool.url.as_str())
            .text("user", pool.user.as_str())
            .flag("enabled", true)
            .flag("active", pool.active)
            .flag("alive", pool.alive)
            .put("stats", stats.into())
            .into()
    });
    let group =
        Record::new().text("uid", "0").text("name", "Default").put("pools", Node::List(pools.collect()));
    Node::List(vec![group.into()])
}
