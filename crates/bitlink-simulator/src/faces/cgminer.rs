//! The reference implementation, version 4.11/4.12 with API 3.7, on a machine that no vendor's firmware marks
//! (cgminer API-README).

use super::{control, standard};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, PRIVILEGED, Part};
use crate::face::{Document, Face, Moment};
use crate::fault::FaultKind;
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::number::{index, real, signed};
use crate::seed::Seed;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Cgminer;

const NEPTUNE: Model = Model {
    make: None,
    name: None,
    printed: "KNC",
    boards: 5,
    chips: 4,
    fans: 4,
    ths: 3.0,
    watts: 2100.0,
    frequency_mhz: 850.0,
    voltage: 12.0,
    fan_rpm: 5000.0,
};
const MODELS: [Model; 2] = [
    NEPTUNE,
    Model {
        printed: "SP31",
        boards: 2,
        chips: 30,
        fans: 2,
        ths: 5.5,
        watts: 3000.0,
        frequency_mhz: 950.0,
        ..NEPTUNE
    },
];

impl Face for Cgminer {
    fn family(&self) -> Family {
        Family::CGMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "cgminer"
    }

    /// It says neither how many boards and chips there should be, nor what they should do, nor anything of fans.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(
            fault,
            FaultKind::Asleep
                | FaultKind::BoardMissing
                | FaultKind::ChipsLost
                | FaultKind::FanFailed
                | FaultKind::Slow
        )
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

/// The version a machine runs.
fn version(moment: &Moment<'_>) -> &'static str {
    Seed::new(moment.spec.seed).of("build").pick(&["4.11.1", "4.12.0", "4.12.1"]).copied().unwrap_or("4.12.0")
}

impl Daemon for Cgminer {
    fn description(&self, moment: &Moment<'_>) -> String {
        format!("cgminer {}", version(moment))
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let state = moment.state;
        let devices: Vec<Record> = state
            .boards_present()
            .map(|(i, board)| standard::device(moment, "ASC", moment.spec.model.printed, i, board))
            .collect();
        let device_count = devices.len();
        Some(match command {
            "version" => Part::section(
                22,
                "CGMiner versions",
                "VERSION",
                Node::one(Record::new().text("CGMiner", version(moment)).text("API", "3.7")),
            ),
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(standard::summary_mhs(moment))),
            "devs" | "edevs" if device_count == 0 => Part::status('E', 10, "No ASCs"),
            "devs" | "edevs" => Part::section(9, format!("{device_count} ASC(s)"), "DEVS", records(devices)),
            "asc" => one_device(devices, parameter),
            "pools" => {
                let pools = (0_i64..).zip(&state.pools).map(|(i, pool)| standard::pool(moment, i, i, pool));
                let pools: Vec<Record> = pools.collect();
                match pools.len() {
                    0 => Part::status('E', 8, "No pools"),
                    n => Part::section(7, format!("{n} Pool(s)"), "POOLS", records(pools)),
                }
            }
            "stats" => Part::section(70, "CGMiner stats", "STATS", records(stats(moment, true))),
            "estats" => Part::section(70, "CGMiner stats", "STATS", records(stats(moment, false))),
            "devdetails" => Part::section(69, "Device Details", "DEVDETAILS", records(details(moment))),
            "config" => Part::section(33, "CGMiner config", "CONFIG", Node::one(config(moment))),
            "coin" => Part::section(78, "CGMiner coin", "COIN", Node::one(coin(moment))),
            "asccount" => Part::section(
                104,
                "ASC count",
                "ASCS",
                Node::one(Record::new().count("Count", index(device_count))),
            ),
            "pgacount" => Part::section(59, "PGA count", "PGAS", Node::one(Record::new().int("Count", 0))),
            "notify" => Part::section(60, "Notify", "NOTIFY", records(notify(moment))),
            "usbstats" => Part::status('I', 88, "No USB Statistics"),
            "lcd" => Part::section(125, "LCD", "LCD", Node::one(lcd(moment))),
            "check" => check(self, moment, parameter),
            // The access list gives the network the group R.
            other if PRIVILEGED.contains(&other) && !moment.spec.access.privileged => Part::denied(other),
            other => return control::answer(moment, other, parameter),
        })
    }
}

pub(crate) fn records(records: Vec<Record>) -> Node {
    Node::List(records.into_iter().map(Node::Record).collect())
}

fn one_device(mut devices: Vec<Record>, parameter: Option<&str>) -> Part {
    let Some(parameter) = parameter else { return Part::status('E', 15, "Missing device id parameter") };
    // As `atoi`: what is no number is 0.
    let id: i64 = parameter.trim().parse().unwrap_or(0);
    if let Some(i) = usize::try_from(id).ok().filter(|&i| i < devices.len()) {
        return Part::section(106, format!("ASC{id}"), "ASC", Node::one(devices.swap_remove(i)));
    }
    let last = signed(index(devices.len())) - 1;
    Part::status('E', 107, format!("Invalid ASC id {id} - range is 0 - {last}"))
}

fn check(daemon: &Cgminer, moment: &Moment<'_>, parameter: Option<&str>) -> Part {
    let Some(wanted) = parameter.filter(|p| !p.is_empty()) else {
        return Part::status('E', 71, "Missing check cmd");
    };
    let is_privileged = PRIVILEGED.contains(&wanted);
    let exists = wanted == "check" || is_privileged || daemon.part(moment, wanted, None).is_some();
    let access = exists && (!is_privileged || moment.spec.access.privileged);
    let record = Record::new().yes("Exists", exists).yes("Access", access);
    Part::section(72, "Check command", "CHECK", Node::one(record))
}

/// `STATS` records: one for each board, then one for each pool.
fn stats(moment: &Moment<'_>, with_pools: bool) -> Vec<Record> {
    let state = moment.state;
    let head = |n: u64, id: String| {
        Record::new()
            .count("STATS", n)
            .text("ID", id)
            .count("Elapsed", state.elapsed_s)
            .int("Calls", 0)
            .fixed("Wait", 0.0, 6)
            .fixed("Max", 0.0, 6)
            .fixed("Min", 99_999_999.0, 6)
    };
    let mut out: Vec<Record> = state
        .boards_present()
        .map(|(i, board)| {
            head(index(i), format!("{}{i}", moment.spec.model.printed))
                .count("Chips", board.chips_ok)
                .fixed("Frequency", board.frequency_mhz, 2)
                .fixed("Temp Max", standard::hottest(&board.chip_c), 2)
                .fixed("Voltage", board.voltage, 3)
        })
        .collect();
    let boards = index(out.len());
    if with_pools {
        out.extend((0_u64..).zip(&state.pools).map(|(i, pool)| {
            let sent = pool.accepted + pool.rejected;
            head(boards + i, format!("POOL{i}"))
                .int("Pool Calls", 0)
                .int("Pool Attempts", 0)
                .fixed("Pool Wait", 0.0, 6)
                .fixed("Pool Max", 0.0, 6)
                .fixed("Pool Min", 99_999_999.0, 6)
                .fixed("Pool Av", 0.0, 6)
                .flag("Work Had Roll Time", false)
                .flag("Work Can Roll", false)
                .flag("Work Had Expire", false)
                .int("Work Roll Time", 0)
                .fixed("Work Diff", real(pool.difficulty), 8)
                .fixed("Min Diff", real(pool.difficulty), 8)
                .fixed("Max Diff", real(pool.difficulty), 8)
                .count("Min Diff Count", pool.getworks)
                .count("Max Diff Count", pool.getworks)
                .count("Times Sent", sent)
                .count("Bytes Sent", sent * 121)
                .count("Times Recv", sent + pool.getworks)
                .count("Bytes Recv", sent * 39 + pool.getworks * 1040)
                .count("Net Bytes Sent", sent * 121)
                .count("Net Bytes Recv", sent * 39 + pool.getworks * 1040)
        }));
    }
    out
}

fn details(moment: &Moment<'_>) -> Vec<Record> {
    moment
        .state
        .boards_present()
        .map(|(i, _)| {
            Record::new()
                .count("DEVDETAILS", index(i))
                .text("Name", moment.spec.model.printed)
                .count("ID", index(i))
                .text("Driver", moment.spec.model.printed.to_ascii_lowercase())
                .text("Kernel", "")
                .text("Model", "")
                .text("Device Path", "")
        })
        .collect()
}

fn config(moment: &Moment<'_>) -> Record {
    Record::new()
        .count("ASC Count", index(moment.state.boards_present().count()))
        .int("PGA Count", 0)
        .count("Pool Count", index(moment.state.pools.len()))
        .text("Strategy", "Failover")
        .int("Log Interval", 5)
        .text("Device Code", format!("{} ", moment.spec.model.printed))
        .text("OS", "Linux")
        .text("Hotplug", "None")
}

fn coin(moment: &Moment<'_>) -> Record {
    let height = standard::block_height(moment.state);
    let hash = Seed::new(height);
    let tail = [0_u64, 1, 2].map(|n| hash.nth(n).bits());
    let [a, b, c] = tail;
    Record::new()
        .text("Hash Method", "sha256")
        .fixed("Current Block Time", real(moment.state.when_s / 600 * 600), 6)
        .text("Current Block Hash", format!("{:016x}{a:016x}{b:016x}{c:016x}", 0))
        .flag("LP", true)
        .fixed("Network Difficulty", 148_195_306_640_204.0, 8)
}

fn notify(moment: &Moment<'_>) -> Vec<Record> {
    let state = moment.state;
    let heat = u64::from(state.hottest_chip_c().is_some_and(|t| t > 88.0));
    state
        .boards_present()
        .map(|(i, _)| {
            Record::new()
                .count("NOTIFY", index(i))
                .text("Name", moment.spec.model.printed)
                .count("ID", index(i))
                .count("Last Well", state.when_s)
                .count("Last Not Well", heat * state.when_s)
                .text("Reason Not Well", if heat > 0 { "Device Over Heated" } else { "None" })
                .int("*Thread Fail Init", 0)
                .int("*Thread Zero Hash", 0)
                .int("*Thread Fail Queue", 0)
                .int("*Dev Sick Idle 60s", 0)
                .int("*Dev Dead Idle 600s", 0)
                .int("*Dev Nostart", 0)
                .count("*Dev Over Heat", heat)
                .int("*Dev Thermal Cutoff", 0)
                .int("*Dev Comms Error", 0)
                .int("*Dev Throttle", 0)
        })
        .collect()
}

fn lcd(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let pool = state.pools.iter().find(|pool| pool.active);
    Record::new()
        .count("Elapsed", state.elapsed_s)
        .fixed("GHS av", crate::node::ghs(state.rate_avg), 2)
        .fixed("GHS 5m", crate::node::ghs(state.rate_5m), 2)
        .fixed("GHS 5s", crate::node::ghs(state.rate_5s), 2)
        .fixed("Temperature", state.hottest_chip_c().unwrap_or(0.0), 2)
        .fixed("Last Share Difficulty", real(moment.spec.difficulty), 8)
        .count("Last Share Time", standard::last_work(state))
        .count("Best Share", state.best_share)
        .count("Last Valid Work", state.when_s)
        .int("Found Blocks", 0)
        .text("Current Pool", pool.map_or("none", |pool| pool.url.as_str()))
        .text("User", pool.map_or("", |pool| pool.user.as_str()))
}
