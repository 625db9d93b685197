//! LuxOS, Luxor's firmware for Antminers. (LuxOS API docs, luxos-tooling)
//!
//! Its quirks: `devs` in no order, `Total MH` that repeats the average, `stats` that imitate Bitmain's with wrong totals,
//! `Long Pool`, and "Not ready" while it starts.

mod orders;

use super::antminer::chip_map;
use super::{cgminer::records, standard};
use crate::calendar::ago;
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Face, Moment};
use crate::fault::FaultKind;
use crate::miner::Model;
use crate::node::{Node, Record, ghs, mhs, percent};
use crate::number::{index, real, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase, PoolState};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct LuxOs;

const S19: Model = Model {
    make: Some("Antminer"),
    name: Some("S19"),
    printed: "Antminer S19",
    boards: 3,
    chips: 76,
    fans: 4,
    ths: 95.0,
    watts: 3250.0,
    frequency_mhz: 675.0,
    voltage: 13.7,
    fan_rpm: 6200.0,
};
const MODELS: [Model; 3] = [
    Model {
        name: Some("S19k Pro"),
        printed: "Antminer S19k Pro",
        chips: 77,
        ths: 120.0,
        watts: 2760.0,
        frequency_mhz: 580.0,
        ..S19
    },
    S19,
    Model {
        name: Some("S21"),
        printed: "Antminer S21",
        chips: 108,
        ths: 200.0,
        watts: 3500.0,
        frequency_mhz: 490.0,
        ..S19
    },
];

const VERSION: &str = "2025.1.2.030405-0a1b2c3d";
/// What it answers beyond cgminer, without a parameter.
const OWN: [&str; 8] = ["temps", "fans", "power", "tempctrl", "groups", "profiles", "events", "atm"];

impl Face for LuxOs {
    fn family(&self) -> Family {
        Family::LUXOS
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "LuxOS"
    }

    /// It says that it sleeps.
    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for LuxOs {
    fn description(&self, _: &Moment<'_>) -> String {
        format!("LUXminer {VERSION}")
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command) || OWN.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let state = moment.state;
        let one = |code: i64, message: &str, section: &'static str, record: Record| {
            Part::section(code, message, section, Node::one(record))
        };
        let list = |code: i64, message: &str, section: &'static str, list: Vec<Record>| {
            Part::section(code, message, section, records(list))
        };
        // Until the boards are up only what does not need them is answered.
        if state.phase == Phase::Starting
            && state.rate_avg == 0.0
            && (matches!(command, "summary" | "devs" | "stats" | "temps") || OWN.contains(&command))
        {
            return Some(Part::status('E', 301, "Not ready"));
        }
        Some(match command {
            "version" => {
                one(22, "LUXminer versions", "VERSION", Record::new().text("API", "3.7").with(build(moment)))
            }
            "summary" => one(11, "Summary", "SUMMARY", summary(moment)),
            "devs" | "edevs" => {
                let mut devices: Vec<Record> =
                    state.boards_present().map(|(i, board)| device(moment, i, board)).collect();
                let turn = usize::from(!devices.is_empty());
                devices.rotate_right(turn);
                list(9, &format!("{} ASC(s)", devices.len()), "DEVS", devices)
            }
            "devdetails" => list(69, "Device Details", "DEVDETAILS", details(moment)),
            "pools" => {
                let pools: Vec<Record> =
                    (0_i64..).zip(&state.pools).map(|(i, p)| pool(moment, i, p)).collect();
                match pools.len() {
                    0 => Part::status('S', 7, "0 Pool(s)"),
                    n => list(7, &format!("{n} Pool(s)"), "POOLS", pools),
                }
            }
            "stats" => list(70, "LUXminer stats", "STATS", vec![build(moment), stats(moment)]),
            "estats" => one(70, "LUXminer stats", "STATS", stats(moment)),
            "config" => one(33, "LUXminer config", "CONFIG", config(moment)),
            "temps" => list(201, "Temps", "TEMPS", temps(moment)).and("METADATA", Node::one(corners())),
            "fans" => list(202, "Fans", "FANS", fans(moment))
                .and("FANCTRL", Node::one(Record::new().int("MinFans", 3).int("PowerOffSpeed", 20))),
            "power" => one(
                311,
                "Power",
                "POWER",
                Record::new().flag("PSU", measured(moment)).int("Watts", whole(state.power_w)),
            ),
            "tempctrl" => one(
                200,
                "Temp Control",
                "TEMPCTRL",
                Record::new()
                    .text("Mode", "Automatic")
                    .short("Target", 60.0)
                    .short("Hot", 80.0)
                    .short("Dangerous", 90.0),
            ),
            "groups" => one(
                324,
                "Groups",
                "GROUPS",
                Record::new().int("GROUP", 0).text("Name", "default").int("Quota", 1),
            ),
            "profiles" => list(323, "Profiles", "PROFILES", vec![profile(moment, -1), profile(moment, 0)]),
            "events" => list(357, "Events", "EVENTS", events(moment)),
            "atm" => one(339, "ATM", "ATM", atm()),
            "asccount" => {
                let count = index(state.boards_present().count());
                one(104, "ASC count", "ASCS", Record::new().count("Count", count))
            }
            "voltageget" => {
                let board = parameter.and_then(|p| p.trim().parse::<usize>().ok()).unwrap_or_default();
                let voltage = state.boards.get(board)?.voltage;
                let record = Record::new().count("Board", index(board)).short("Voltage", voltage);
                one(307, "Voltage", "VOLTAGE", record)
            }
            other => return orders::answer(moment, other, parameter),
        })
    }
}

fn build(moment: &Moment<'_>) -> Record {
    Record::new()
        .text("CompileTime", "Wed Mar  5 04:05:06 UTC 2025")
        .text("LUXminer", VERSION)
        .text("Miner", "49.0.1.3")
        .text("Type", moment.spec.model.printed)
}

/// Some power supplies have a meter.
fn measured(moment: &Moment<'_>) -> bool {
    Seed::new(moment.spec.seed).of("psu meter").below(2) == 0
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let mut out = Record::new().count("Elapsed", state.elapsed_s);
    for (window, ths) in [
        ("5s", state.rate_5s),
        ("1m", state.rate_1m),
        ("5m", state.rate_5m),
        ("15m", state.rate_15m),
        ("30m", state.rate_30m),
        ("24h", state.rate_avg),
        ("av", state.rate_avg),
    ] {
        out = out.short(format!("GHS {window}"), ghs(ths));
    }
    let mut counters = standard::summary_counters(moment, "Getworks");
    for (key, value) in &mut counters.fields {
        if key == "Total MH" {
            *value = Node::short(mhs(state.rate_avg));
        }
    }
    out.with(counters)
}

fn device(moment: &Moment<'_>, i: usize, board: &BoardState) -> Record {
    let state = moment.state;
    let n = index(i);
    let hottest = standard::hottest(&board.pcb_c);
    let mut out = Record::new()
        .count("ASC", n)
        .text("Board", "BHB56903")
        .text("Connector", format!("J{}", n + 8))
        .text("Name", "")
        .count("ID", n)
        .yes("Enabled", true)
        .text("Status", "Alive")
        .short("Temperature", hottest);
    for (window, ths) in [
        ("5s", board.rate_5s),
        ("1m", board.rate_1m),
        ("5m", board.rate_5m),
        ("15m", board.rate_15m),
        ("30m", board.rate_15m),
        ("60m", board.rate_avg),
        ("av", board.rate_avg),
    ] {
        out = out.short(format!("MHS {window}"), mhs(ths));
    }
    out.short("Nominal MHS", mhs(board.rate_ideal))
        .text("Profile", "default")
        .text("SerialNumber", board.serial.as_str())
        .flag("IsRamping", state.phase == Phase::Starting)
        .flag("IsUserShutdown", false)
        .text("ControllerIPVersionHex", "0x00000001")
        .text("ControllerIPVersionStr", "1")
        .count("Accepted", board.accepted)
        .count("Rejected", board.rejected)
        .count("Hardware Errors", board.hardware_errors)
        .short("Hardware Error MHS 15m", 0.0)
        .count("Last Share Time", standard::last_work(state))
        .short("Total MH", mhs(board.rate_avg))
}

fn details(moment: &Moment<'_>) -> Vec<Record> {
    let model = moment.spec.model.printed;
    let present = moment.state.boards_present();
    present
        .map(|(i, _)| {
            Record::new()
                .count("DEVDETAILS", index(i))
                .text("Name", "")
                .count("ID", index(i))
                .text("Driver", "")
                .text("Kernel", "")
                .text("Model", model)
                .text("Device Path", "")
        })
        .collect()
}

fn pool(moment: &Moment<'_>, position: i64, pool: &PoolState) -> Record {
    let mut out = standard::pool(moment, position, position, pool);
    for (key, value) in &mut out.fields {
        match key.as_ref() {
            "Long Poll" => *key = "Long Pool".into(),
            "Quota" => *value = Node::short(1.0),
            "Last Share Time" => {
                *value = Node::Text(pool.last_share_ago_s.map_or_else(|| "0".to_owned(), ago));
            }
            "Stratum URL" if pool.active => *value = Node::Text(standard::pool_host(pool).to_owned()),
            _ => {}
        }
    }
    let human = if pool.alive { super::antminer::human(pool.difficulty) } else { String::new() };
    out.int("GROUP", 0).text("Diff", human).flag("AsicBoost", pool.active)
}

/// As Bitmain's, but for the totals, which are wrong.
fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let asleep = state.phase == Phase::Asleep;
    let mut out = Record::new()
        .int("STATS", 0)
        .text("ID", "BTM_SOC0")
        .count("Elapsed", state.elapsed_s)
        .short("GHS 5s", ghs(state.rate_5s))
        .short("GHS av", ghs(state.rate_avg))
        .count("miner_count", index(state.boards_present().count()))
        .count("fan_num", index(state.fans_rpm.len()));
    for (n, board) in super::antminer::board_slots(&state.boards) {
        out = out
            .count(format!("chain_acn{n}"), board.map_or(0, |b| b.chips_ok))
            .text(format!("chain_acs{n}"), board.map_or_else(String::new, |b| chip_map(b, asleep)));
    }
    let first = state.boards.first().map_or(0.0, |board| board.rate_5s);
    out.int("total_acn", 4).short("total rate", ghs(first)).text("rate_unit", "GH")
}

fn config(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let asleep = state.phase == Phase::Asleep;
    Record::new()
        .count("ASC Count", index(state.boards_present().count()))
        .text("ControlBoardType", "Xilinx Zynq")
        .text("Cooling", "Air")
        .text("CurtailMode", if asleep { "Sleep" } else { "None" })
        .flag("DHCP", true)
        .text("Device Code", "")
        .text("FeeStatus", "Normal")
        .text("GreenLed", "auto")
        .text("Hostname", spec.hostname.as_str())
        .text("Hotplug", "None")
        .text("IPAddr", spec.address.to_string())
        .flag("ImmersionMode", false)
        .flag("IsAtmEnabled", true)
        .flag("IsPowerSupplyOn", state.output_v > 0.0)
        .flag("IsSingleVoltage", true)
        .flag("IsTuning", state.phase == Phase::Starting)
        .int("Log Interval", 5)
        .text("MACAddr", spec.mac.to_string().to_ascii_lowercase())
        .text("Model", spec.model.printed)
        .short("NameplateTHS", spec.nominal_ths)
        .text("Netmask", "255.0.0.0")
        .text("OS", "LuxOS")
        .int("PGA Count", 0)
        .text("PSUHwVersion", "0x75")
        .text("PSULabel", "APW121215f")
        .count("Pool Count", index(state.pools.len()))
        .text("Profile", orders::profile(moment))
        .text("ProfileStep", if orders::profile(moment) == "default" { "0" } else { "-1" })
        .text("RedLed", if spec.settings.light { "blink" } else { "auto" })
        .text("SerialNumber", spec.serial.as_str())
        .text("Strategy", "Failover")
        .text("SystemStatus", "Normal")
}

/// Four sensors on each board, two where the air leaves and two where it comes in.
fn temps(moment: &Moment<'_>) -> Vec<Record> {
    let present = moment.state.boards_present();
    present
        .map(|(i, board)| {
            let [hottest, coolest, middle, warm] = board.pcb_c;
            Record::new()
                .count("TEMP", index(i))
                .count("ID", index(i))
                .short("TopLeft", hottest)
                .short("TopRight", coolest)
                .short("BottomLeft", warm)
                .short("BottomRight", middle)
        })
        .collect()
}

fn corners() -> Record {
    let corner = |label: &str, x: i64, y: i64| {
        Node::Record(Record::new().text("Label", label).put("Position", Node::ints([x, y])))
    };
    Record::new()
        .put("TopLeft", corner("Board Exhaust (top)", 0, 0))
        .put("TopRight", corner("Board Intake (top)", 1, 0))
        .put("BottomLeft", corner("Board Exhaust (bottom)", 0, 1))
        .put("BottomRight", corner("Board Intake (bottom)", 1, 1))
}

fn fans(moment: &Moment<'_>) -> Vec<Record> {
    let state = moment.state;
    (0_u64..)
        .zip(&state.fans_rpm)
        .map(|(i, rpm)| {
            Record::new()
                .text("FAN", format!("FAN{}", i + 1))
                .count("ID", i)
                .count("RPM", *rpm)
                .int("Speed", whole(state.fan_duty * 100.0))
        })
        .collect()
}

/// A profile so many steps from the stock one.
fn profile(moment: &Moment<'_>, step: i64) -> Record {
    let frequency = whole(moment.spec.model.frequency_mhz) + 25 * step;
    let part = real(frequency.unsigned_abs()) / moment.spec.model.frequency_mhz;
    let name = if step == 0 { "default".to_owned() } else { format!("{frequency}MHz") };
    Record::new()
        .text("Profile Name", name)
        .text("Step", step.to_string())
        .int("Frequency", frequency)
        .short("Voltage", moment.spec.model.voltage)
        .short("Hashrate", moment.spec.nominal_ths * part)
        .int("Watts", whole(moment.spec.nominal_w * part))
        .flag("IsDynamic", true)
        .flag("IsTuned", step == 0)
        .flag("HasOverrides", false)
        .flag("CanRestore", true)
}

fn events(moment: &Moment<'_>) -> Vec<Record> {
    let state = moment.state;
    let event = |code: &str, description: String, target: &str| {
        Record::new()
            .text("Code", code)
            .text("CreatedAt", crate::calendar::date_time(state.when_s).replace(' ', "T") + "Z")
            .text("Description", description)
            .text("DocUrl", "")
            .text("Target", target)
    };
    let stopped = (0_u64..).zip(&state.fans_rpm).filter(|(_, rpm)| **rpm == 0);
    let mut events: Vec<Record> =
        stopped.map(|(i, _)| event("FAN_FAILURE", format!("Fan {} stopped", i + 1), "MINER")).collect();
    let dark =
        (0_u64..).zip(&state.boards).filter(|(_, board)| board.present && board.chips_ok * 2 < board.chips);
    events.extend(dark.map(|(i, board)| {
        let lost = percent(board.chips - board.chips_ok, board.chips);
        event("BOARD_CHIPS_FAILURE", format!("{lost:.0} % of the chips do not answer"), "BOARD")
            .count("ID", i)
    }));
    events
}

fn atm() -> Record {
    Record::new()
        .flag("Enabled", true)
        .text("MaxProfile", "")
        .text("MinProfile", "")
        .int("PostRampMinutes", 10)
        .int("StartupMinutes", 15)
        .int("TempWindow", 5)
}
