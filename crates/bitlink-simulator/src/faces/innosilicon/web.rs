//! Innosilicon's web server (`/api/`), as its own interface of the DragonMint generation has it and as public farm software reads
//! it. Everything is posted. A token runs out after six hours; what is refused is refused in the page and not by its status.

use super::{VERSION, chain};
use crate::face::Moment;
use crate::faces::standard;
use crate::fault::{Fault, FaultKind};
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::node::{Node, Record, mhs};
use crate::number::{count, index, signed, whole};
use crate::orders::Order;
use crate::state::BoardState;
use serde_json::Value;

/// How long a token is good.
const HOURS_6_S: u64 = 21_600;

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let Some(command) = request.path().strip_prefix("/api/") else {
        return Response::html(200, "<!DOCTYPE html><html><head><title>DragonMint</title></head></html>");
    };
    let token = token(moment);
    if command == "auth" {
        return login(moment, request, &token);
    }
    let reply = match request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        None => failure("message", "invalid request"),
        Some(given) if given != token => failure("token", "expired"),
        Some(_) if matches!(command, "reboot" | "restartCgMiner" | "updatePools") => {
            obey(moment, command, request)
        }
        Some(_) => document(moment, command).unwrap_or_else(|| failure("message", "invalid request")),
    };
    Response::json(Node::from(reply).to_json())
}

/// Pools come in three slots, and the empty ones are none.
fn obey(moment: &Moment<'_>, command: &str, request: &Request<'_>) -> Record {
    let Ok(body) = serde_json::from_slice::<Value>(request.body) else {
        return failure("msg", "invalid json");
    };
    let order = match command {
        "reboot" => Order::Reboot,
        "restartCgMiner" => Order::Restart,
        _ => {
            let of = |key: String| body.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
            let slot =
                |n: u32| Some(PoolSpec { url: of(format!("Pool{n}"))?, user: of(format!("UserName{n}"))? });
            let Some(pools) = (1..=3).map(slot).collect::<Option<Vec<_>>>() else {
                return failure("msg", "invalid pools");
            };
            Order::Pools(pools)
        }
    };
    moment.order(order);
    success()
}

fn token(moment: &Moment<'_>) -> String {
    let window = moment.state.when_s / HOURS_6_S;
    format!("eyJhbGciOiJIUzI1NiJ9.e30.{}{window:x}", moment.token())
}

fn login(moment: &Moment<'_>, request: &Request<'_>, token: &str) -> Response {
    if let Some(locked) = moment.locked() {
        return locked;
    }
    let given = |name: &str, value: &str| request.field(name).as_deref() == Some(value);
    let reply = if given("username", "admin") && given("password", moment.password("admin")) {
        success().text("jwt", token)
    } else {
        failure("message", "invalid username or password")
    };
    Response::json(Node::from(reply).to_json())
}

fn success() -> Record {
    Record::new().flag("success", true)
}

fn failure(key: &'static str, words: &str) -> Record {
    Record::new().flag("success", false).text(key, words)
}

fn document(moment: &Moment<'_>, command: &str) -> Option<Record> {
    Some(match command {
        "type" => success().text("type", moment.spec.model.name.unwrap_or_default()).flag("isAging", false),
        "overview" => {
            let version = Record::new()
                .text("hwver", "g1")
                .text("ethaddr", moment.spec.mac.to_string())
                .text("build_date", "2019-08-02")
                .text("platform_v", VERSION);
            success().text("type", moment.spec.model.name.unwrap_or_default()).put("version", version.into())
        }
        "summary" => {
            let devices = moment.state.boards_present().map(|(i, board)| device(moment, i, board).into());
            let pools = (0_i64..).zip(&moment.state.pools);
            let pools = pools.map(|(i, pool)| standard::pool(moment, i, i, pool).into());
            success()
                .put("DEVS", Node::List(devices.collect()))
                .put("POOLS", Node::List(pools.collect()))
                .put("HARDWARE", Record::new().int("Fan duty", duty(moment)).into())
                .flag("tuning", false)
        }
        "stats" => {
            let chains = moment.state.boards_present().zip(0_u64..);
            let chains = chains.map(|((i, board), n)| chain(moment, n, i, board).into());
            Record::new().put("STATS", Node::List(chains.collect())).flag("success", true)
        }
        "getAll" => success().put("all", everything(moment).into()),
        "getErrorDetail" => success().int("code", code(moment)).text("errmsg", ""),
        _ => return None,
    })
}

fn device(moment: &Moment<'_>, slot: usize, board: &BoardState) -> Record {
    standard::device(moment, "ASC", "HLT", slot, board).with(rate(board.rate_15m))
}

/// In TH/s with its unit beside it, and in hashes.
fn rate(ths: f64) -> Record {
    Record::new().fixed("Hash Rate", ths, 2).text("Unit", "TH/s").count("Hash Rate H", count(mhs(ths) * 1e6))
}

fn duty(moment: &Moment<'_>) -> i64 {
    whole(moment.state.fan_duty * 100.0)
}

fn everything(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let chains = state.boards_present().map(|(slot, board)| {
        let coolest = board.chip_c.iter().copied().fold(f64::MAX, f64::min);
        rate(board.rate_15m)
            .count("ASC", index(slot))
            .fixed("Temp min", coolest, 2)
            .fixed("Temp max", standard::hottest(&board.chip_c), 2)
            .into()
    });
    let total = state.boards_present().map(|(_, board)| board.rate_15m).sum();
    Record::new()
        .text("type", moment.spec.model.name.unwrap_or_default())
        .put("chain", Node::List(chains.collect()))
        .int("fansSpeed", duty(moment))
        .int("power", whole(state.power_w))
        .put("total_hash", rate(total).into())
        .text("mac", moment.spec.mac.to_string())
        .text("hwver", "g1")
        .put("running_mode", Record::new().text("mode", "performance").int("level", 2).into())
}

/// Only one is told.
fn code(moment: &Moment<'_>) -> i64 {
    let code = |fault: &Fault| match fault.kind() {
        FaultKind::BoardMissing => Some(24),
        FaultKind::ChipsLost => Some(31),
        FaultKind::Overheating => Some(32),
        FaultKind::PsuFault => Some(40),
        FaultKind::AllPoolsDead => Some(30),
        _ => None,
    };
    moment.state.faults.iter().find_map(code).map_or(0, signed)
}
