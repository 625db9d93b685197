//! What Braiins OS up to 25.05 tells by GraphQL, as public clients ask for it. A mining program that was stopped is not there to
//! be asked.

use super::{FAN_CONNECTORS, first, orders, power_limit};
use crate::face::Moment;
use crate::fault::Fault;
use crate::graphql::{self, null};
use crate::http::{Request, Response};
use crate::node::{Node, Record, mhs};
use crate::number::{index, real, whole};
use crate::state::{BoardState, Phase, PoolState};
use serde_json::Value;

/// Answers a question, or obeys.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let body: Option<Value> = serde_json::from_slice(request.body).ok();
    let query = body.as_ref().and_then(|body| body.get("query")?.as_str()).unwrap_or_default();
    let stopped = moment.state.phase == Phase::Asleep;
    // Clients log in before they ask, though what they ask is told to everybody.
    if query.trim_start().starts_with("mutation") && query.contains("login") {
        return login(moment, body.as_ref());
    }
    if query.trim_start().starts_with("mutation") {
        return orders::answer(moment, request, query);
    }
    let reply = graphql::answer(&document(moment), query);
    // Who would answer for it is not there; what else was asked is answered.
    let reply = if stopped && query.contains("summary") {
        reply.put("errors", Node::one(Record::new().text("message", "Service unavailable")))
    } else {
        reply
    };
    Response::json(Node::from(reply).to_json())
}

/// The user as delivered has no password. The names stand in the question or beside it.
fn login(moment: &Moment<'_>, body: Option<&Value>) -> Response {
    if let Some(locked) = moment.locked() {
        return locked;
    }
    let known = body.is_some_and(|body| {
        let beside = |name: &str| body.pointer(&format!("/variables/{name}")).and_then(Value::as_str);
        let written: String =
            body["query"].as_str().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        if let (Some(user), Some(password)) = (beside("username"), beside("password")) {
            user == "root" && password == moment.password("")
        } else {
            let password = format!("password:\"{}\"", moment.password(""));
            written.contains("username:\"root\"") && written.contains(&password)
        }
    });
    let kind = if known { "VoidResult" } else { "AuthError" };
    let login = Record::new()
        .text("__typename", kind)
        .text("message", if known { "" } else { "Invalid credentials" });
    let auth = Record::new().put("login", login.into());
    let reply = Record::new().put("data", Record::new().put("auth", auth.into()).into());
    let response = Response::json(Node::from(reply).to_json());
    if known {
        response.with_header("Set-Cookie", format!("session_id={}; path=/", moment.token()))
    } else {
        response
    }
}

/// Everything it knows.
fn document(moment: &Moment<'_>) -> Node {
    let spec = moment.spec;
    let version = Record::new().text("full", "2022-09-27-0-26ba61b9-22.08.1-plus").flag("isPlus", true);
    let bos = Record::new()
        .text("hostname", spec.hostname.as_str())
        .text("macAddress", spec.mac.to_string())
        .flag("faultLight", spec.settings.light)
        .put("uptime", Record::new().count("durationS", moment.state.uptime_s).into())
        .put("info", Record::new().put("version", version.into()).into());
    let autotuning = Record::new()
        .text("mode", "POWER_TARGET")
        .flag("enabled", true)
        .int("powerTarget", whole(power_limit(moment)))
        .put("hashrateTarget", null());
    let group = Record::new().text("id", "0").put("strategy", Record::new().int("quota", 1).into());
    let config = Record::new().put("autotuning", autotuning.into()).put("groups", Node::one(group));
    let bosminer = Record::new().put("info", info(moment).into()).put("config", config.into());
    Record::new()
        .put("bos", bos.into())
        .put("bosminer", bosminer.into())
        .put("events", Record::new().put("appeals", appeals(moment)).into())
        .into()
}

fn info(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let stopped = state.phase == Phase::Asleep;
    let fans = (0..FAN_CONNECTORS).map(|i| {
        Record::new()
            .text("name", (i + 1).to_string())
            .count("rpm", state.fans_rpm.get(i).copied().unwrap_or(0))
            .int("speed", whole(state.fan_duty * 100.0))
            .into()
    });
    let power = Record::new()
        .int("limitW", whole(power_limit(moment)))
        .int("approxConsumptionW", whole(state.power_w));
    let shares = Record::new()
        .count("acceptedSolutions", state.accepted())
        .count("rejectedSolutions", state.rejected())
        .count("staleSolutions", state.stale());
    let day = state.rate_avg * (real(state.elapsed_s) / 86_400.0).min(1.0);
    let rates = real_rate(state.rate_5s)
        .short("mhsAv", mhs(state.rate_avg))
        .short("mhs1M", mhs(state.rate_1m))
        .short("mhs5M", mhs(state.rate_5m))
        .short("mhs15M", mhs(state.rate_15m))
        .short("mhs24H", mhs(day));
    let summary = Record::new()
        .put("power", power.into())
        .put("realHashrate", rates.clone().into())
        .put("shares", shares.into())
        .count("foundBlocks", 0)
        .count("bestShare", state.best_share);
    let solver = Record::new()
        .text("name", "miner")
        .put("realHashrate", rates.into())
        .short("nominalMhs", mhs(state.rate_ideal))
        .put("childSolvers", Node::List(state.boards_present().map(|(i, b)| board(moment, i, b)).collect()));
    let pools = state.pools.iter().filter(|pool| !pool.url.is_empty()).map(pool);
    let group = Record::new().text("name", "Default").put("pools", Node::List(pools.collect()));
    Record::new()
        .text("modelName", moment.spec.model.printed)
        .put("fans", Node::List(fans.collect()))
        .put("summary", if stopped { null() } else { summary.into() })
        .put("workSolver", if stopped { null() } else { solver.into() })
        .put("poolGroups", Node::one(group))
}

fn real_rate(ths: f64) -> Record {
    Record::new().short("mhs5S", mhs(ths))
}

fn board(moment: &Moment<'_>, position: usize, board: &BoardState) -> Node {
    let hottest = |sensors: [f64; 4]| super::standard::hottest(&sensors);
    let sensor =
        |name: &str, celsius: f64| Node::from(Record::new().text("name", name).short("degreesC", celsius));
    let details = Record::new()
        .count("chips", board.chips_ok)
        .short("frequencyMhz", board.frequency_mhz)
        .short("voltageV", board.voltage);
    Record::new()
        .text("name", (index(position) + first(moment)).to_string())
        .put("realHashrate", real_rate(board.rate_5s).into())
        .short("nominalMhs", mhs(board.rate_ideal))
        .put("hwDetails", details.into())
        .put(
            "temperatures",
            Node::List(vec![sensor("Board", hottest(board.pcb_c)), sensor("Chip", hottest(board.chip_c))]),
        )
        .into()
}

fn pool(pool: &PoolState) -> Node {
    let shares =
        Record::new().count("acceptedSolutions", pool.accepted).count("rejectedSolutions", pool.rejected);
    Record::new()
        .text("url", pool.url.as_str())
        .text("user", pool.user.as_str())
        .text("status", if pool.alive { "ALIVE" } else { "DEAD" })
        .flag("active", pool.active)
        .put("shares", shares.into())
        .into()
}

/// What kinds there are is in no document; these are invented.
fn appeals(moment: &Moment<'_>) -> Node {
    let appeal = |fault: &Fault| {
        let words = match fault {
            Fault::BoardMissing { .. } => "Hashboard was not detected",
            Fault::ChipsLost { .. } => "Chips of a hashboard do not answer",
            Fault::FanFailed { .. } => "Fan does not turn",
            Fault::PsuFault => "PSU output is off",
            Fault::Overheating => "Dangerous temperature reached",
            _ => return None,
        };
        let appeal = Record::new().text("id", "1").text("kind", "WARNING").text("message", words);
        Some(appeal.text("timestamp", "2025-06-01T10:00:00Z").into())
    };
    Node::List(moment.state.faults.iter().filter_map(appeal).collect())
}
