//! MicroBT's firmware with version 3 of its API (WhatsMiner API 3.0 document): messages with their length before them at port
//! 4433. On TCP 4028 it still answers a part of version 2.

mod orders;

use super::whatsminer::{Whatsminer, error_codes, fans, gateway, power_limit, psu_serial, spread};
use crate::calendar::date_time;
use crate::call::{Call, CallError};
use crate::face::{Content, Document, Doorway, Ending, Face, Form, Moment, Speaks};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, percent};
use crate::number::{index, signed, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase};
use bitlink_model::Family;
use serde_json::Value;

/// See the file.
#[derive(Debug)]
pub(crate) struct WhatsminerV3;

const M60S: Model = Model {
    make: Some("WhatsMiner"),
    name: Some("M60S VK40"),
    printed: "M60S_VK40",
    boards: 3,
    chips: 225,
    fans: 2,
    ths: 186.0,
    watts: 3441.0,
    frequency_mhz: 655.0,
    voltage: 12.1,
    fan_rpm: 7000.0,
};
const MODELS: [Model; 2] = [
    M60S,
    Model { name: Some("M60 VK30"), printed: "M60_VK31", chips: 215, ths: 172.0, watts: 3422.0, ..M60S },
];
const V2: Whatsminer = Whatsminer { v1: false };

/// What is left of version 2's records.
const SUMMARY: [&str; 7] =
    ["Elapsed", "MHS av", "Accepted", "Rejected", "Stale", "Hardware Errors", "Uptime"];
const DEVICE: [&str; 8] = ["ASC", "Name", "ID", "Slot", "Enabled", "Status", "MHS av", "Hardware Errors"];

impl Face for WhatsminerV3 {
    fn family(&self) -> Family {
        Family::WHATSMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "WhatsMiner"
    }

    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        let call = Call::read(request, &["command", "cmd"]);
        let content = match &call.command {
            _ if call.form == Form::Text => Content::Single(V2.refuse(moment, 23, "json cmd err")),
            Err(CallError::NotJson) => Content::Single(V2.refuse(moment, 23, "json cmd err")),
            Err(_) => Content::Single(V2.refuse(moment, 14, "invalid cmd")),
            Ok(command) if command.contains('+') => joined(moment, command),
            Ok(command) => Content::Single(of_version_2(moment, command)),
        };
        Document { form: Form::Json, content, ending: Ending::Close }
    }

    fn doors(&self) -> &'static [Doorway] {
        const { &[Doorway::API, Doorway::WEB, Doorway::TLS, Doorway { port: 4433, speaks: Speaks::Frames }] }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        V2.web(moment, request)
    }

    fn frame(&self, moment: &Moment<'_>, message: &[u8]) -> Vec<u8> {
        let (code, command, content) = match serde_json::from_slice::<Value>(message) {
            Ok(json) => {
                let command = json.get("cmd").and_then(Value::as_str).unwrap_or_default().to_owned();
                let param = json.get("param").and_then(Value::as_str);
                if command.starts_with("set.") {
                    match orders::obey(moment, &command, &json) {
                        None => return Vec::new(),
                        Some(Ok(())) => (0, command, Node::Text("ok".to_owned())),
                        Some(Err((code, words))) => (code, command, Node::Text(words.to_owned())),
                    }
                } else {
                    match answer(moment, &command, param) {
                        Ok(content) => (0, command, content),
                        Err((code, words)) => (code, command, Node::Text(words.to_owned())),
                    }
                }
            }
            Err(_) => (-3, String::new(), Node::Text("invalid json".to_owned())),
        };
        let reply = Record::new()
            .int("code", code)
            .count("when", moment.state.when_s)
            .put("msg", content)
            .text("desc", command);
        Node::from(reply).to_json().into_bytes()
    }
}

fn joined(moment: &Moment<'_>, command: &str) -> Content {
    let parts = command.split('+').filter(|word| !word.is_empty());
    let known = |word: &&str| ["summary", "devs", "edevs", "pools", "devdetails"].contains(word);
    if !parts.clone().all(|word| known(&word)) {
        return Content::Single(V2.refuse(moment, 14, "invalid cmd"));
    }
    Content::Joined(parts.map(|word| (word.to_owned(), of_version_2(moment, word))).collect())
}

fn of_version_2(moment: &Moment<'_>, command: &str) -> Record {
    if command == "get_version" {
        let version = Record::new()
            .text("api_ver", "2.0.5")
            .text("fw_ver", firmware(moment))
            .text("platform", "H616")
            .text("chip", "K23A210");
        return Record::new()
            .text("STATUS", "S")
            .count("When", moment.state.when_s)
            .int("Code", 131)
            .put("Msg", version.into())
            .text("Description", "");
    }
    let Some(part) = V2.cgminer_like(moment, command) else { return V2.refuse(moment, 14, "invalid cmd") };
    let mut reply = part.into_reply(moment.state.when_s, "btminer");
    for (section, kept) in [("SUMMARY", &SUMMARY[..]), ("DEVS", &DEVICE[..])] {
        for (_, value) in reply.fields.iter_mut().filter(|(key, _)| key == section) {
            let Node::List(records) = value else { continue };
            for record in records {
                if let Node::Record(record) = record {
                    record.fields.retain(|(key, _)| kept.contains(&key.as_ref()));
                }
            }
        }
    }
    reply
}

fn answer(moment: &Moment<'_>, command: &str, param: Option<&str>) -> Result<Node, (i64, &'static str)> {
    match command {
        "get.device.info" => Ok(device_info(moment, param).into()),
        "get.miner.status" => {
            // Without one it does not know what is wanted.
            let wanted = param.ok_or((-3, "param error"))?;
            let mut out = Record::new();
            for word in wanted.split('+') {
                out = match word {
                    "summary" => out.put("summary", summary(moment).into()),
                    "pools" => out.put("pools", pools(moment)),
                    "edevs" => {
                        let boards = moment.state.boards_present();
                        let boards = boards.map(|(slot, b)| board(moment, slot, b).into()).collect();
                        out.put("edevs", Node::List(boards))
                    }
                    _ => out,
                };
            }
            Ok(out.into())
        }
        "get.miner.setting" => Ok(Record::new()
            .int("power-limit", power_limit(moment))
            .int("upfreq-speed", 0)
            .text("power-mode", moment.spec.settings.mode.as_deref().unwrap_or("normal"))
            .text("fast-boot", "disable")
            .int("target-freq", 0)
            .int("fast-mining", 0)
            .int("power", whole(moment.spec.nominal_w))
            .int("power-percent", 100)
            .into()),
        "get.fan.setting" => Ok(Record::new()
            .int("fan-poweroff-cool", 0)
            .int("fan-zero-speed", 0)
            .int("fan-temp-offset", 0)
            .into()),
        _ => Err((-2, "invalid command")),
    }
}

fn firmware(moment: &Moment<'_>) -> &'static str {
    let builds = &["20250214.12.Rel2", "20250425.11.REL"];
    Seed::new(moment.spec.seed).of("build").pick(builds).copied().unwrap_or("20250214.12.Rel2")
}

fn device_info(moment: &Moment<'_>, param: Option<&str>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let wants = |section: &str| param.is_none_or(|param| param == section);
    let mut out = Record::new();
    if wants("network") {
        let network = Record::new()
            .text("ip", spec.address.to_string())
            .text("proto", "dhcp")
            .text("netmask", "255.255.255.0")
            .text("dns", gateway(moment))
            .text("mac", spec.mac.to_string())
            .text("gateway", gateway(moment))
            .text("hostname", spec.hostname.as_str());
        out = out.put("network", network.into());
    }
    if wants("miner") {
        out = out.put("miner", miner(moment).into());
    }
    if wants("system") {
        let system = Record::new()
            .text("api", "3.0.2")
            .text("platform", "H616")
            .text("fwversion", firmware(moment))
            .text("control-board-version", "CB6V10")
            .text("btrom", "1")
            .text("apiswitch", if spec.access.privileged { "1" } else { "0" })
            .text("ledstatus", if spec.settings.light { "manual" } else { "auto" });
        out = out.put("system", system.into());
    }
    if wants("power") {
        let power = Record::new()
            .text("type", "P463B")
            .text(
                "mode",
                match spec.settings.mode.as_deref() {
                    Some("low") => "0",
                    Some("high") => "2",
                    _ => "1",
                },
            )
            .text("hwversion", "V01.00")
            .text("swversion", "V01.00.V01.06")
            .text("model", "P463B")
            .fixed("iin", state.power_w / state.mains_v, 2)
            .fixed("vin", state.mains_v, 1)
            .int("vout", whole(state.output_v * 100.0))
            .int("pin", whole(state.power_w))
            .count("fanspeed", state.psu_fan_rpm)
            .fixed("temp0", state.psu_c, 1)
            .text("sn", psu_serial(moment))
            .text("vendor", "1");
        out = out.put("power", power.into());
    }
    if wants("salt") {
        out = out.text("salt", orders::current_salt(moment));
    }
    let codes = error_codes(moment);
    if wants("error-code") && !codes.is_empty() {
        let since = date_time(state.when_s.saturating_sub(state.elapsed_s));
        let error = |code: i64| Record::new().text(code.to_string(), since.clone()).text("reason", "");
        out = out.put("error-code", Node::List(codes.into_iter().map(|code| error(code).into()).collect()));
    }
    out
}

fn miner(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let rates: Vec<String> =
        state.boards.iter().map(|board| whole(board.rate_ideal * 1000.0).to_string()).collect();
    let mut out = Record::new()
        .text("working", if state.phase == Phase::Asleep { "false" } else { "true" })
        .text("type", spec.model.printed)
        .text("hash-board", "SM")
        .text("detect-hash-rate", rates.join(":"))
        .text("cointype", "BTC")
        .text("pool-strategy", "failover")
        .text("heatmode", "normal")
        .text("hash-percent", "100")
        .text("fast-boot", "disable")
        .text("board-num", spec.model.boards.to_string());
    for (slot, board) in state.boards_present() {
        out = out.text(format!("pcbsn{slot}"), board.serial.as_str());
    }
    out.text("miner-sn", spec.serial.as_str())
        .text("power-limit-set", power_limit(moment).to_string())
        .int("web-pool", 1)
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let chips: Vec<f64> = state.boards_present().flat_map(|(_, board)| board.chip_c).collect();
    let (low, high, mean) = spread(&chips);
    let boards = state
        .boards_present()
        .map(|(_, board)| Node::short(board.pcb_c.iter().copied().fold(f64::MIN, f64::max)));
    let [intake, exhaust] = fans(moment);
    Record::new()
        .count("elapsed", state.elapsed_s)
        .count("bootup-time", state.uptime_s)
        .int("freq-avg", if state.rate_5s > 0.0 { whole(state.frequency_mhz) } else { 0 })
        .int("target-freq", 0)
        .fixed("factory-hash", moment.spec.nominal_ths, 3)
        .fixed("hash-average", state.rate_avg, 3)
        .fixed("hash-1min", state.rate_1m, 3)
        .fixed("hash-15min", state.rate_15m, 3)
        .fixed("hash-realtime", state.rate_1m, 3)
        .fixed("power-rate", if state.rate_1m > 0.0 { state.power_w / state.rate_1m } else { 0.0 }, 2)
        .fixed("power-5min", state.power_w, 1)
        .int("power-realtime", whole(state.power_w))
        .fixed("environment-temperature", state.ambient_c, 1)
        .put("board-temperature", Node::List(boards.collect()))
        .fixed("chip-temp-min", low, 1)
        .fixed("chip-temp-avg", mean, 1)
        .fixed("chip-temp-max", high, 1)
        .int("power-limit", power_limit(moment))
        .int("up-freq-finish", i64::from(state.phase != Phase::Starting))
        .count("fan-speed-in", intake)
        .count("fan-speed-out", exhaust)
        .text("Debug", "-/-")
}

fn board(moment: &Moment<'_>, slot: usize, board: &BoardState) -> Record {
    let (low, high, mean) = spread(&board.chip_c);
    Record::new()
        .int("id", signed(index(slot)))
        .int("slot", signed(index(slot)))
        .fixed("hash-average", board.rate_avg, 3)
        .fixed("hash-realtime", board.rate_1m, 3)
        .fixed("factory-hash", board.rate_ideal, 3)
        .int("freq", if moment.state.rate_5s > 0.0 { whole(board.frequency_mhz) } else { 0 })
        .count("effective-chips", board.chips_ok)
        .fixed("chip-temp-min", low, 1)
        .fixed("chip-temp-avg", mean, 1)
        .fixed("chip-temp-max", high, 1)
}

fn pools(moment: &Moment<'_>) -> Node {
    let pool = |(id, pool): (i64, &crate::state::PoolState)| {
        let last = pool.last_share_ago_s.map_or(0, |ago| moment.state.when_s.saturating_sub(ago));
        let record = Record::new()
            .int("id", id)
            .text("url", pool.url.as_str())
            .text("status", if pool.alive { "alive" } else { "dead" })
            .text("account", pool.user.as_str())
            .flag("stratum-active", pool.active)
            .fixed("reject-rate", percent(pool.rejected, pool.accepted + pool.rejected), 4)
            .count("last-share-time", last)
            .count("stratum-diff", pool.difficulty);
        Node::from(record)
    };
    Node::List((1..).zip(&moment.state.pools).map(pool).collect())
}
