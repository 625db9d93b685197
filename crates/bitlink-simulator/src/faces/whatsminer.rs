//! MicroBT's firmware on TCP 4028, API versions 1 and 2 (WhatsMiner API manual 2.0.5).
//!
//! Two families of replies: the cgminer commands have a list as `STATUS`, all others a single letter and their
//! content in `Msg`. `version` is refused, and that is how the family is known. The bytes end without a NUL.

mod orders;

use super::{cgminer::records, standard};
use crate::calendar::date_time;
use crate::call::{Call, CallError};
use crate::daemon::Part;
use crate::face::{Content, Document, Doorway, Ending, Face, Form, Moment};
use crate::fault::{Fault, FaultKind};
use crate::host::SimHost;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs, mhs, percent};
use crate::number::{index, real, signed, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Whatsminer {
    /// API version 1: error codes in the summary, fewer keys elsewhere.
    pub(crate) v1: bool,
}

const M50: Model = Model {
    make: Some("WhatsMiner"),
    name: Some("M50 VH30"),
    printed: "M50_VH32",
    boards: 3,
    chips: 117,
    fans: 2,
    ths: 114.0,
    watts: 3306.0,
    frequency_mhz: 640.0,
    voltage: 12.6,
    fan_rpm: 7000.0,
};
const MODELS: [Model; 5] = [
    M50,
    Model { name: Some("M30S++ VH70"), printed: "M30S++_VH72", chips: 70, ths: 112.0, watts: 3472.0, ..M50 },
    Model { name: Some("M50S VJ30"), printed: "M50S_VJ33", chips: 123, ths: 126.0, watts: 3276.0, ..M50 },
    Model { name: Some("M60 VK30"), printed: "M60_VK31", chips: 215, ths: 172.0, watts: 3422.0, ..M50 },
    Model { name: Some("M60S VK30"), printed: "M60S_VK32", chips: 245, ths: 186.0, watts: 3441.0, ..M50 },
];
const MODELS_V1: [Model; 3] = [
    Model { name: Some("M20S V20"), printed: "M20SV21", chips: 111, ths: 68.0, watts: 3360.0, ..M50 },
    Model { name: Some("M30S VE20"), printed: "M30S_VE22", chips: 111, ths: 88.0, watts: 3344.0, ..M50 },
    Model { name: Some("M31S V10"), printed: "M31S_V11", chips: 105, ths: 74.0, watts: 3220.0, ..M50 },
];

/// Commands that change something; all need a token and the switched-on write API, which is off as delivered.
const WRITES: [&str; 31] = [
    "update_pools",
    "restart_btminer",
    "power_off",
    "power_on",
    "power_off_cool",
    "set_led",
    "set_low_power",
    "set_high_power",
    "set_normal_power",
    "update_firmware",
    "reboot",
    "factory_reset",
    "update_pwd",
    "net_config",
    "download_logs",
    "set_target_freq",
    "enable_btminer_fast_boot",
    "disable_btminer_fast_boot",
    "enable_web_pools",
    "disable_web_pools",
    "set_hostname",
    "set_zone",
    "load_log",
    "set_power_pct",
    "pre_power_on",
    "adjust_power_limit",
    "adjust_upfreq_speed",
    "set_poweroff_cool",
    "set_fan_zero_speed",
    "open_write_api",
    "set_power_pct_v2",
];

impl Face for Whatsminer {
    fn family(&self) -> Family {
        Family::WHATSMINER
    }

    fn models(&self) -> &'static [Model] {
        if self.v1 { &MODELS_V1 } else { &MODELS }
    }

    fn default_model(&self) -> &'static Model {
        let ([second, ..], [first, ..]) = (&MODELS, &MODELS_V1);
        if self.v1 { first } else { second }
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
            _ if call.form == Form::Text => Content::Single(self.refuse(moment, 23, "json cmd err")),
            Err(CallError::NotJson) => Content::Single(self.refuse(moment, 23, "json cmd err")),
            // An encrypted command has no name outside.
            Err(_) if let Some(json) = call.json.as_ref().filter(|json| json.get("enc").is_some()) => {
                orders::answer(self, moment, json)
            }
            Err(_) => Content::Single(self.refuse(moment, 14, "invalid cmd")),
            Ok(command) if command.contains('+') => self.joined(moment, command),
            Ok(command) => Content::Single(match self.cgminer_like(moment, command) {
                Some(part) => part.into_reply(moment.state.when_s, "cgminer 4.9.2"),
                None => self.own(moment, command),
            }),
        };
        Document { form: Form::Json, content, ending: Ending::Close }
    }

    fn doors(&self) -> &'static [Doorway] {
        const { &[Doorway::API, Doorway::WEB, Doorway::TLS] }
    }

    /// Only what the family is known by: everything leads to the login over TLS, which lets nobody in.
    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        if request.port == SimHost::TLS_PORT {
            let page = "<html><head><title>WhatsMiner - LuCI</title></head><body><form method=\"post\" \
                        action=\"/cgi-bin/luci\"><input name=\"luci_username\"/><input name=\"luci_password\" \
                        type=\"password\"/></form></body></html>";
            return Response::html(403, page);
        }
        Response::html(
            307,
            "<html><body><a href=\"/cgi-bin/luci\">LuCI - Lua Configuration Interface</a></body></html>",
        )
        .with_header("Location", format!("https://{}{}", moment.spec.address, request.target))
    }
}

impl Whatsminer {
    fn description(&self) -> &'static str {
        if self.v1 { "whatsminer v1.4.0" } else { "" }
    }

    pub(super) fn say(&self, moment: &Moment<'_>, letter: char, code: i64, message: Node) -> Record {
        Record::new()
            .text("STATUS", letter)
            .count("When", moment.state.when_s)
            .int("Code", code)
            .put("Msg", message)
            .text("Description", self.description())
    }

    pub(super) fn refuse(&self, moment: &Moment<'_>, code: i64, message: &str) -> Record {
        let reply = self.say(moment, 'E', code, Node::Text(message.to_owned()));
        if self.v1 || code != 14 {
            return reply;
        }
        // Version 2 leaves the description empty everywhere but here.
        let mut reply = reply;
        reply.fields.retain(|(key, _)| key != "Description");
        reply.text("Description", "whatsminer v1.3")
    }

    /// Only cgminer's commands can be joined; one stranger spoils the whole request.
    fn joined(&self, moment: &Moment<'_>, command: &str) -> Content {
        let parts: Option<Vec<(String, Record)>> = command
            .split('+')
            .filter(|word| !word.is_empty())
            .map(|word| {
                let reply = self.cgminer_like(moment, word)?.into_reply(moment.state.when_s, "cgminer 4.9.2");
                Some((word.to_owned(), reply))
            })
            .collect();
        parts.map_or_else(|| Content::Single(self.refuse(moment, 14, "invalid cmd")), Content::Joined)
    }

    pub(super) fn cgminer_like(&self, moment: &Moment<'_>, command: &str) -> Option<Part> {
        let state = moment.state;
        Some(match command {
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(self.summary(moment))),
            "devs" | "edevs" => {
                let devices: Vec<Record> =
                    state.boards_present().map(|(i, b)| device(moment, i, b)).collect();
                Part::section(9, format!("{} ASC(s)", devices.len()), "DEVS", records(devices))
            }
            "devdetails" => {
                let details = state.boards_present().map(|(i, _)| {
                    Record::new()
                        .count("DEVDETAILS", index(i))
                        .text("Name", "SM")
                        .count("ID", index(i))
                        .text("Driver", "bitmicro")
                        .text("Kernel", "")
                        .text("Model", moment.spec.model.printed)
                });
                Part::section(69, "Device Details", "DEVDETAILS", records(details.collect()))
            }
            "pools" => {
                let pools = (1_i64..).zip(&state.pools).map(|(i, pool)| {
                    let mut record = standard::pool(moment, i, i - 1, pool);
                    record.fields.retain(|(key, _)| key != "Has Vmask");
                    record
                });
                Part::section(7, format!("{} Pool(s)", state.pools.len()), "POOLS", records(pools.collect()))
            }
            _ => return None,
        })
    }

    fn own(&self, moment: &Moment<'_>, command: &str) -> Record {
        let ok = |message: Record| self.say(moment, 'S', 131, message.into());
        match command {
            "get_version" => ok(self.get_version(moment)),
            "get_psu" => ok(self.get_psu(moment)),
            "get_miner_info" => ok(get_miner_info(moment)),
            "get_error_code" if !self.v1 => {
                let codes = error_codes(moment).into_iter().map(|code| {
                    let since = moment.state.when_s.saturating_sub(moment.state.elapsed_s);
                    Node::Record(Record::new().text(code.to_string(), date_time(since)))
                });
                ok(Record::new().put("error_code", Node::List(codes.collect())))
            }
            "status" => ok(self.status(moment)),
            "get_token" => orders::token(self, moment),
            write if WRITES.contains(&write) => self.refuse(moment, 45, "can't access write cmd"),
            _ => self.refuse(moment, 14, "invalid cmd"),
        }
    }

    fn get_version(&self, moment: &Moment<'_>) -> Record {
        let version = Record::new();
        if self.v1 {
            return version.text("api_ver", "whatsminer v1.4.0").text("fw_ver", firmware(moment, self.v1));
        }
        version
            .text("api_ver", "2.0.5")
            .text("fw_ver", firmware(moment, self.v1))
            .text("platform", platform(moment))
            .text("chip", "K23A210")
    }

    fn get_psu(&self, moment: &Moment<'_>) -> Record {
        let state = moment.state;
        let psu = Record::new().text("name", "P221B").text("hw_version", "V01.00");
        if self.v1 {
            return psu.text("model", "P221B").text("sw_version", "V01.00.V01.03");
        }
        let volts = state.mains_v;
        psu.text("sw_version", "V01.00.V01.03")
            .text("model", "P221B")
            .text("enable", if state.output_v > 0.0 { "1" } else { "0" })
            .text("iin", whole(state.power_w / volts * 1000.0).to_string())
            .text("vin", whole(volts * 100.0).to_string())
            .text("vout", whole(state.output_v * 100.0).to_string())
            .text("pin", whole(state.power_w).to_string())
            .text("fan_speed", state.psu_fan_rpm.to_string())
            .text("version", "-1")
            .text("serial_no", psu_serial(moment))
            .text("vender", "7")
            .text("temp0", format!("{:.1}", state.psu_c))
    }

    fn status(&self, moment: &Moment<'_>) -> Record {
        let asleep = moment.state.phase == Phase::Asleep;
        let off = if asleep { "true" } else { "false" };
        if self.v1 {
            let firmware = format!("'{}'", firmware(moment, true));
            return Record::new().text("btmineroff", off).text("Firmware Version", firmware);
        }
        let since = moment.state.when_s.saturating_sub(moment.state.elapsed_s);
        Record::new()
            .text("mineroff", off)
            .text("mineroff_reason", if asleep { "api" } else { "" })
            .text("mineroff_time", if asleep { date_time(since) } else { String::new() })
            .text("FirmwareVersion", firmware(moment, false))
            .text("power_mode", mode(moment).to_ascii_lowercase())
            .text("hash_percent", "0")
            .text("power_limit_set", power_limit(moment).to_string())
    }

    fn summary(&self, moment: &Moment<'_>) -> Record {
        let state = moment.state;
        let (accepted, rejected, late) = (state.accepted(), state.rejected(), state.stale());
        let submitted = accepted + rejected + late;
        let chips: Vec<f64> = state.boards_present().flat_map(|(_, board)| board.chip_c).collect();
        let (low, high, mean) = spread(&chips);
        let pcb = state.boards_present().flat_map(|(_, board)| board.pcb_c).reduce(f64::max).unwrap_or(0.0);
        let frequency = if state.rate_5s > 0.0 { whole(state.frequency_mhz) } else { 0 };
        let codes = error_codes(moment);
        let stable = state.phase == Phase::Mining;
        let [intake, exhaust] = fans(moment);
        let mut out = Record::new()
            .count("Elapsed", state.elapsed_s)
            .fixed("MHS av", mhs(state.rate_avg), 2)
            .fixed("MHS 5s", mhs(state.rate_5s), 2)
            .fixed("MHS 1m", mhs(state.rate_1m), 2)
            .fixed("MHS 5m", mhs(state.rate_5m), 2)
            .fixed("MHS 15m", mhs(state.rate_15m), 2)
            .fixed("HS RT", mhs(state.rate_1m), 2)
            .int("Found Blocks", 0)
            .count("Getworks", state.getworks())
            .count("Accepted", accepted)
            .count("Rejected", rejected)
            .count("Hardware Errors", state.hardware_errors())
            .fixed("Utility", standard::per_minute(state, real(accepted)), 2)
            .count("Discarded", state.discarded())
            .count("Stale", late)
            .int("Get Failures", 0)
            .count("Local Work", state.getworks() * 37 + accepted)
            .int("Remote Failures", 0)
            .count("Network Blocks", state.network_blocks)
            .fixed("Total MH", state.total_mh, 4)
            .fixed("Work Utility", standard::work_utility(state), 2)
            .fixed("Difficulty Accepted", standard::difficulty(moment, accepted), 8)
            .fixed("Difficulty Rejected", standard::difficulty(moment, rejected), 8)
            .fixed("Difficulty Stale", standard::difficulty(moment, late), 8)
            .count("Best Share", state.best_share)
            .fixed("Temperature", pcb, 2)
            .int("freq_avg", frequency)
            .count("Fan Speed In", intake)
            .count("Fan Speed Out", exhaust)
            .int("Power", whole(state.power_w));
        if !self.v1 {
            out = out.int("Power_RT", whole(state.power_w));
        }
        out = out
            .fixed("Power Rate", if state.rate_1m > 0.0 { state.power_w / state.rate_1m } else { 0.0 }, 2)
            .fixed("Device Hardware%", standard::hardware_percent(state.hardware_errors(), state.total_mh), 4)
            .fixed("Device Rejected%", percent(rejected, submitted), 4)
            .fixed("Pool Rejected%", percent(rejected, submitted), 4)
            .fixed("Pool Stale%", percent(late, submitted), 4)
            .count("Last getwork", standard::last_work(state))
            .count("Uptime", state.uptime_s)
            .text("Chip Data", chip_data(moment))
            .int("Power Current", whole(state.power_w / moment.spec.model.voltage))
            .count("Power Fanspeed", state.psu_fan_rpm)
            .count("Error Code Count", if self.v1 { index(codes.len()) } else { 0 });
        if self.v1 {
            for (n, code) in codes.iter().enumerate() {
                out = out.int(format!("Error Code {n}"), *code);
            }
        }
        out = out
            .int("Factory Error Code Count", 0)
            .int("Security Mode", 0)
            .flag("Liquid Cooling", false)
            .flag("Hash Stable", stable)
            .int("Hash Stable Cost Seconds", if stable { 301 } else { 0 })
            .fixed("Hash Deviation%", deviation(state.rate_5m, state.rate_15m), 4)
            .int("Target Freq", whole(state.frequency_mhz))
            .int("Target MHS", whole(mhs(state.rate_ideal)));
        if !self.v1 {
            out = out
                .fixed("Env Temp", state.ambient_c, 2)
                .text("Power Mode", mode(moment))
                .int("Upfreq Complete", i64::from(state.phase != Phase::Starting));
        }
        out.int("Factory GHS", whole(ghs(state.rate_ideal)))
            .int("Power Limit", power_limit(moment))
            .fixed("Chip Temp Min", low, 2)
            .fixed("Chip Temp Max", high, 2)
            .fixed("Chip Temp Avg", mean, 2)
            .int("Voltage", whole(state.output_v * 100.0))
            .text("Firmware Version", format!("'{}'", firmware(moment, self.v1)))
            .text("CB Platform", if self.v1 { "ALLWINNER_H3" } else { platform(moment) })
            .text("CB Version", if self.v1 { "V8" } else { "V10" })
            .text("MAC", moment.spec.mac.to_string())
            .text("Btminer Fast Boot", "disable")
            .text("Debug", "")
    }
}

/// Intake and exhaust.
pub(super) fn fans(moment: &Moment<'_>) -> [u64; 2] {
    let mut fans = moment.state.fans_rpm.iter().copied();
    [fans.next().unwrap_or(0), fans.next().unwrap_or(0)]
}

/// The firmware's word for how it is driven.
fn mode<'a>(moment: &Moment<'a>) -> &'a str {
    moment.spec.settings.mode.as_deref().unwrap_or("Normal")
}

pub(super) fn power_limit(moment: &Moment<'_>) -> i64 {
    if let Some(watts) = moment.spec.settings.power_limit_w {
        return whole(watts);
    }
    whole((moment.spec.nominal_w * 1.05 / 100.0).ceil() * 100.0)
}

/// Least, greatest, mean; zeros when there is nothing.
pub(super) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let least = values.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let greatest = values.iter().copied().reduce(f64::max).unwrap_or(0.0);
    (least, greatest, values.iter().sum::<f64>() / real(index(values.len()).max(1)))
}

fn deviation(now: f64, before: f64) -> f64 {
    if before > 0.0 { (now - before) / before * 100.0 } else { 0.0 }
}

fn firmware(moment: &Moment<'_>, v1: bool) -> &'static str {
    let builds: &[&str] = if v1 {
        &["20200827.16.REL", "20210205.11.REL"]
    } else {
        &["20230803.11.REL", "20230911.12.REL", "20240312.13.REL"]
    };
    Seed::new(moment.spec.seed).of("build").pick(builds).copied().unwrap_or("20230803.11.REL")
}

fn platform(moment: &Moment<'_>) -> &'static str {
    if moment.spec.model.printed.starts_with("M6") { "H616" } else { "H6" }
}

fn chip_data(moment: &Moment<'_>) -> String {
    let bin = Seed::new(moment.spec.seed).of("bin").below(9);
    format!("K88J347-2146 BINV01-{bin}97210D")
}

pub(super) fn psu_serial(moment: &Moment<'_>) -> String {
    format!("SIMP{:010X}", Seed::new(moment.spec.seed).of("psu").bits() >> 24)
}

/// Eight characters of the alphabet that md5-crypt takes as salt.
pub(super) fn salt(seed: Seed) -> String {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..8).filter_map(|n| seed.nth(n).pick(ALPHABET)).map(|&c| char::from(c)).collect()
}

fn get_miner_info(moment: &Moment<'_>) -> Record {
    Record::new()
        .text("ip", moment.spec.address.to_string())
        .text("proto", "dhcp")
        .text("netmask", "255.255.255.0")
        .text("gateway", gateway(moment))
        .text("dns", gateway(moment))
        .text("hostname", moment.spec.hostname.as_str())
        .text("mac", moment.spec.mac.to_string())
        .text("ledstat", if moment.spec.settings.light { "manual" } else { "auto" })
        .text("minersn", moment.spec.serial.as_str())
        .text("powersn", psu_serial(moment))
        .text("upfreq_speed", "0")
        .put("ntp", Node::List(vec![Node::Text("pool.ntp.org".to_owned())]))
}

/// The first address of the /24 around the machine.
pub(crate) fn gateway(moment: &Moment<'_>) -> String {
    match moment.spec.address {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.1")
        }
        std::net::IpAddr::V6(_) => "fe80::1".to_owned(),
    }
}

/// Faults as codes (part C1).
pub(super) fn error_codes(moment: &Moment<'_>) -> Vec<i64> {
    let code = |fault: &Fault| match *fault {
        Fault::BoardMissing { board } => 530 + i64::from(board),
        Fault::ChipsLost { board, .. } => 550 + i64::from(board),
        Fault::Overheating => 350,
        Fault::FanFailed { fan } => 110 + i64::from(fan.min(1)),
        Fault::PsuFault => 210,
        Fault::Slow { .. } => 2310,
        Fault::PoolDead => 2020,
        Fault::AllPoolsDead => 2010,
        _ => 0,
    };
    moment.state.faults.iter().map(code).filter(|&code| code != 0).collect()
}

fn device(moment: &Moment<'_>, slot: usize, board: &BoardState) -> Record {
    let state = moment.state;
    let position = signed(index(slot));
    let submitted = board.accepted + board.rejected;
    let (low, high, mean) = spread(&board.chip_c);
    let last = if board.accepted > 0 { standard::last_work(state) } else { 0 };
    let [intake, exhaust] = fans(moment);
    let frequency = if state.rate_5s > 0.0 { board.frequency_mhz } else { 0.0 };
    Record::new()
        .int("ASC", position)
        .text("Name", "SM")
        .int("ID", position)
        .int("Slot", position)
        .yes("Enabled", true)
        .text("Status", if state.phase == Phase::Starting { "Initialising" } else { "Alive" })
        .fixed("Temperature", standard::hottest(&board.pcb_c), 2)
        .int("Chip Frequency", whole(frequency))
        .fixed("MHS av", mhs(board.rate_avg), 2)
        .fixed("MHS 5s", mhs(board.rate_5s), 2)
        .fixed("MHS 1m", mhs(board.rate_1m), 2)
        .fixed("MHS 5m", mhs(board.rate_5m), 2)
        .fixed("MHS 15m", mhs(board.rate_15m), 2)
        .fixed("HS RT", mhs(board.rate_1m), 2)
        .int("Factory GHS", whole(ghs(board.rate_ideal)))
        .count("Accepted", board.accepted)
        .count("Rejected", board.rejected)
        .count("Hardware Errors", board.hardware_errors)
        .fixed("Utility", standard::per_minute(state, real(board.accepted)), 2)
        .int("Last Share Pool", if last > 0 { 1 } else { -1 })
        .count("Last Share Time", last)
        .fixed("Total MH", board.total_mh, 4)
        .int("Upfreq Complete", i64::from(state.phase != Phase::Starting))
        .count("Effective Chips", board.chips_ok)
        .text("PCB SN", board.serial.as_str())
        .text("Chip Data", chip_data(moment))
        .fixed("Chip Temp Min", low, 2)
        .fixed("Chip Temp Max", high, 2)
        .fixed("Chip Temp Avg", mean, 2)
        .int("chip_vol_diff", 9)
        .fixed("Frequency", frequency, 2)
        .count("Fan Speed In", intake)
        .count("Fan Speed Out", exhaust)
        .count("Diff1 Work", crate::number::count(board.total_mh * 1e6 / 4_294_967_296.0))
        .fixed("Difficulty Accepted", standard::difficulty(moment, board.accepted), 8)
        .fixed("Difficulty Rejected", standard::difficulty(moment, board.rejected), 8)
        .fixed("Last Share Difficulty", if last > 0 { real(moment.spec.difficulty) } else { 0.0 }, 8)
        .count("Last Valid Work", state.when_s)
        .fixed("Device Hardware%", standard::hardware_percent(board.hardware_errors, board.total_mh), 4)
        .fixed("Device Rejected%", percent(board.rejected, submitted), 4)
        .count("Device Elapsed", state.elapsed_s)
}
