//! Proto's rig with Proto OS (Proto, MDK API), over TLS or, as older machines have it, over plain HTTP. Everybody may read
//! while the password is the one it was delivered with; then nobody may change anything. Once it has been changed, all but
//! who it is wants a login.

mod orders;

use crate::face::{Doorway, Face, Moment};
use crate::fault::Fault;
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs};
use crate::number::{index, whole};
use crate::state::Phase;
use bitlink_model::Family;
use serde_json::Value;

/// See the file.
#[derive(Debug)]
pub(crate) struct Proto {
    pub(crate) tls: bool,
}

const MODELS: [Model; 1] = [Model {
    make: Some("Proto"),
    name: Some("Rig"),
    printed: "Proto Rig",
    boards: 9,
    chips: 100,
    fans: 6,
    ths: 819.0,
    watts: 11_550.0,
    frequency_mhz: 600.0,
    voltage: 12.0,
    fan_rpm: 6000.0,
}];

impl Face for Proto {
    fn family(&self) -> Family {
        Family::PROTO
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "proto-rig"
    }

    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
    }

    fn doors(&self) -> &'static [Doorway] {
        if self.tls { &[Doorway::TLS] } else { &[Doorway::WEB] }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        let Some(path) = request.path().strip_prefix("/api/v1/") else {
            let page = "<!doctype html><html><head><title>Proto OS</title></head><body></body></html>";
            return Response::html(200, page);
        };
        if request.method != "GET" {
            return write(moment, request, path);
        }
        let open = moment.spec.access.password.is_none() && !moment.spec.access.locked;
        if !(open || matches!(path, "pairing/info" | "system/status") || knows(moment, request)) {
            return unauthorized();
        }
        let document: Node = match path {
            "pairing/info" => Record::new()
                .text("mac", moment.spec.mac.to_string())
                .text("cb_sn", moment.spec.serial.as_str())
                .into(),
            "system" => wrap("system-info", system(moment)),
            "system/status" => {
                let changed = moment.spec.access.password.is_some();
                Record::new().flag("onboarded", true).flag("password_set", changed).into()
            }
            "network" => wrap("network-info", network(moment)),
            "mining" => wrap("mining-status", mining(moment)),
            "mining/target" => orders::target(moment).into(),
            "system/logs" => {
                let line = Node::Text(format!("mcdd: running for {} s", moment.state.elapsed_s));
                wrap("logs", Record::new().put("content", Node::List(vec![line])))
            }
            "hardware" => wrap("hardware-info", hardware(moment)),
            "cooling" => wrap("cooling-status", cooling(moment)),
            "pools" => Record::new().put("pools", pools(moment)).into(),
            "errors" => errors(moment),
            _ => return Response { status: 404, ..Response::json(r#"{"message":"not found"}"#) },
        };
        Response::json(document.to_json())
    }
}

fn wrap(key: &'static str, record: Record) -> Node {
    Record::new().put(key, record.into()).into()
}

fn knows(moment: &Moment<'_>, request: &Request<'_>) -> bool {
    request.header("authorization") == Some(format!("Bearer {}", moment.token()).as_str())
}

fn unauthorized() -> Response {
    Response { status: 401, ..Response::json(r#"{"message":"unauthorized"}"#) }
}

/// The password is the machine's own, its serial number, until somebody changes it.
fn write(moment: &Moment<'_>, request: &Request<'_>, path: &str) -> Response {
    if path == "auth/login" {
        if let Some(locked) = moment.locked() {
            return locked;
        }
        let body: Option<Value> = serde_json::from_slice(request.body).ok();
        let password = body.as_ref().and_then(|body| body.get("password")?.as_str());
        if password != Some(moment.password(&moment.spec.serial)) {
            return Response { status: 401, ..Response::json(r#"{"message":"invalid password"}"#) };
        }
        let token = moment.token();
        let tokens = Record::new().text("access_token", token.as_str()).text("refresh_token", token.as_str());
        return Response::json(Node::from(tokens).to_json());
    }
    if !knows(moment, request) {
        return unauthorized();
    }
    if moment.spec.access.password.is_some() {
        return orders::answer(moment, request, path);
    }
    Response { status: 403, ..Response::json(r#"{"error":{"code":"DEFAULT_PASSWORD_ACTIVE"}}"#) }
}

fn system(moment: &Moment<'_>) -> Record {
    let os = Record::new().text("name", "Proto OS").text("version", "1.2.0").text("variant", "release");
    Record::new()
        .text("product_name", moment.spec.model.printed)
        .text("manufacturer", "Proto")
        .text("model", "Rig")
        .text("board", "C3")
        .text("cb_sn", moment.spec.serial.as_str())
        .count("uptime_seconds", moment.state.uptime_s)
        .put("os", os.into())
        .put("mining_driver_sw", Record::new().text("name", "mcdd").text("version", "1.2.0").into())
}

fn network(moment: &Moment<'_>) -> Record {
    Record::new()
        .text("mac", moment.spec.mac.to_string())
        .flag("dhcp", true)
        .text("ip", moment.spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("gateway", super::whatsminer::gateway(moment))
        .text("hostname", moment.spec.hostname.as_str())
}

fn mining(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let status = match state.phase {
        Phase::Mining if state.faults.is_empty() => "Mining",
        Phase::Mining => "DegradedMining",
        Phase::Starting => "PoweringOn",
        Phase::Asleep => "Stopped",
        Phase::Stopped | Phase::Down | Phase::Hung => "Error",
    };
    let boards = index(state.boards_present().count());
    Record::new()
        .text("status", status)
        .fixed("average_hashrate_ghs", ghs(state.rate_avg), 2)
        .fixed("hashrate_ghs", ghs(state.rate_1m), 2)
        .fixed("ideal_hashrate_ghs", ghs(moment.spec.nominal_ths), 2)
        .fixed("power_usage_watts", state.power_w, 1)
        .int("power_target_watts", orders::power_target(moment))
        .fixed("average_asic_temp_c", state.hottest_chip_c().unwrap_or(0.0), 1)
        .count("mining_uptime_s", state.elapsed_s)
        .count("reboot_uptime_s", state.uptime_s)
        .count("hw_errors", state.hardware_errors())
        .count("hashboards_installed", boards)
        .count("hashboards_mining", boards)
}

fn hardware(moment: &Moment<'_>) -> Record {
    let boards = moment.state.boards_present().map(|(slot, board)| {
        Record::new()
            .text("hb_sn", board.serial.as_str())
            .count("slot", index(slot))
            .count("port", index(slot))
            .text("mining_asic", "MC2")
            .count("mining_asic_count", board.chips)
            .into()
    });
    Record::new()
        .put("hashboards-info", Node::List(boards.collect()))
        .put("psus-info", Node::List(Vec::new()))
        .put("fans-info", Node::List(Vec::new()))
}

fn cooling(moment: &Moment<'_>) -> Record {
    let duty = whole(moment.state.fan_duty * 100.0);
    let fans = moment.state.fans_rpm.iter().enumerate().map(|(slot, rpm)| {
        Record::new().count("slot", index(slot)).count("rpm", *rpm).int("percentage", duty).into()
    });
    Record::new()
        .text("fan_mode", "Auto")
        .int("speed_percentage", duty)
        .int("target_temperature_c", 60)
        .put("fans", Node::List(fans.collect()))
}

fn pools(moment: &Moment<'_>) -> Node {
    let used = moment.state.pools.iter().filter(|pool| !pool.url.is_empty());
    let pool = |(id, pool): (i64, &crate::state::PoolState)| {
        let status = match (pool.alive, pool.active) {
            (false, _) => "Dead",
            (true, true) => "Active",
            (true, false) => "Idle",
        };
        Record::new()
            .int("id", id)
            .text("name", format!("pool {id}"))
            .int("priority", id)
            .text("url", pool.url.as_str())
            .text("user", pool.user.as_str())
            .text("status", status)
            .count("accepted", pool.accepted)
            .count("rejected", pool.rejected)
            .text("difficulty", pool.difficulty.to_string())
            .into()
    };
    Node::List((0..).zip(used).map(pool).collect())
}

fn errors(moment: &Moment<'_>) -> Node {
    let since = moment.state.when_s.saturating_sub(moment.state.elapsed_s);
    let error = |fault: &Fault| {
        let (source, slot, code, message) = match *fault {
            Fault::BoardMissing { board } => ("hashboard", u64::from(board), "HashboardLost", "not found"),
            Fault::ChipsLost { board, .. } => ("hashboard", u64::from(board), "AsicsLost", "chips lost"),
            Fault::Overheating => ("rig", 0, "Overheated", "too hot"),
            Fault::FanFailed { fan } => ("fan", u64::from(fan), "FanSlow", "does not turn"),
            Fault::PsuFault => ("psu", 0, "PsuFault", "output out of range"),
            _ => return None,
        };
        let error = Record::new()
            .text("source", source)
            .count("slot", slot)
            .text("error_code", code)
            .text("message", message)
            .count("timestamp", since);
        Some(error.into())
    };
    Node::List(moment.state.faults.iter().filter_map(error).collect())
}
