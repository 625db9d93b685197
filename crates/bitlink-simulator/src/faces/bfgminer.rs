//! Luke Dashjr's fork, API 3.1: devices are `PGA`s, the windows are 20 seconds and "rolling", unknown temperatures are
//! left out (bfgminer README.RPC).

use super::{cgminer::records, control, standard};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, PRIVILEGED, Part};
use crate::face::{Document, Face, Moment};
use crate::fault::FaultKind;
use crate::miner::Model;
use crate::node::{Node, Record, mhs, percent};
use crate::number::{count, index, real, signed};
use crate::state::BoardState;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Bfgminer;

const KNC: Model = Model {
    make: None,
    name: None,
    printed: "KNC",
    boards: 4,
    chips: 4,
    fans: 4,
    ths: 0.6,
    watts: 650.0,
    frequency_mhz: 750.0,
    voltage: 12.0,
    fan_rpm: 5000.0,
};
const MODELS: [Model; 2] =
    [KNC, Model { printed: "BFL", boards: 2, chips: 16, fans: 2, ths: 0.7, watts: 480.0, ..KNC }];

const VERSION: &str = "5.5.0";

impl Face for Bfgminer {
    fn family(&self) -> Family {
        Family::BFGMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "bfgminer"
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

impl Daemon for Bfgminer {
    fn description(&self, _: &Moment<'_>) -> String {
        format!("bfgminer {VERSION}")
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command) || matches!(command, "procs" | "procdetails" | "proccount" | "procnotify")
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let devices: Vec<Record> = moment.state.boards_present().map(|(i, b)| device(moment, i, b)).collect();
        let number = devices.len();
        Some(match command {
            "version" => {
                let version = Record::new()
                    .text("Miner", format!("BFGMiner {VERSION}"))
                    .text("CGMiner", VERSION)
                    .text("API", "3.1");
                Part::section(22, "BFGMiner versions", "VERSION", Node::one(version))
            }
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment))),
            "devs" | "procs" if number == 0 => Part::status('E', 10, "No ASCs/PGAs"),
            "devs" | "procs" => Part::section(9, format!("{number} PGA(s)"), "DEVS", records(devices)),
            "pga" => one_device(devices, parameter),
            "pgacount" | "proccount" => {
                Part::section(59, "PGA count", "PGAS", Node::one(Record::new().count("Count", index(number))))
            }
            "pools" => {
                let pools = (0_i64..).zip(&moment.state.pools).map(|(i, state)| {
                    let mut pool = standard::pool(moment, i, i, state);
                    pool.fields.retain(|(key, _)| {
                        !matches!(key.as_ref(), "Has Vmask" | "Bad Work" | "Current Block Height"
                            | "Current Block Version" | "Work Difficulty" | "Stratum Difficulty")
                            // Left out until the first share.
                            && (state.accepted > 0 || key != "Last Share Time")
                    });
                    pool.text("Mining Goal", "default")
                });
                let pools: Vec<Record> = pools.collect();
                Part::section(7, format!("{} Pool(s)", pools.len()), "POOLS", records(pools))
            }
            "stats" => Part::section(70, "BFGMiner stats", "STATS", records(stats(moment))),
            "devdetails" | "procdetails" => {
                let details = moment.state.boards_present().map(|(i, _)| {
                    Record::new()
                        .count("DEVDETAILS", index(i))
                        .text("Name", moment.spec.model.printed)
                        .count("ID", index(i))
                        .int("ProcID", 0)
                        .text("Driver", moment.spec.model.printed.to_ascii_lowercase())
                        .text("Kernel", "")
                        .text("Model", "")
                        .text("Device Path", "")
                });
                Part::section(69, "Device Details", "DEVDETAILS", records(details.collect()))
            }
            "config" => {
                let config = Record::new()
                    .count("PGA Count", index(number))
                    .count("Pool Count", index(moment.state.pools.len()))
                    .text("ADL", "N")
                    .text("ADL in use", "N")
                    .text("Strategy", "Failover")
                    .int("Log Interval", 20)
                    .text("Device Code", format!("{} ", moment.spec.model.printed))
                    .text("OS", "Linux")
                    .flag("Failover-Only", false)
                    .int("ScanTime", 60)
                    .int("Queue", 1)
                    .int("Expiry", 120)
                    .text("Coinbase-Sig", "");
                Part::section(33, "BFGMiner config", "CONFIG", Node::one(config))
            }
            "check" => match parameter.filter(|wanted| !wanted.is_empty()) {
                None => Part::status('E', 71, "Missing check cmd"),
                Some(wanted) => {
                    let is_privileged = PRIVILEGED.contains(&wanted);
                    let exists =
                        wanted == "check" || is_privileged || self.part(moment, wanted, None).is_some();
                    let access = exists && (!is_privileged || moment.spec.access.privileged);
                    let record = Record::new().yes("Exists", exists).yes("Access", access);
                    Part::section(72, "Check command", "CHECK", Node::one(record))
                }
            },
            // These belong to devices that this fork does not know.
            "ascset" | "ascenable" | "ascdisable" | "ascidentify" => return None,
            "devscan" | "pgarestart" | "procset" | "procenable" | "procdisable" | "procidentify" => {
                Part::denied(command)
            }
            other if PRIVILEGED.contains(&other) && !moment.spec.access.privileged => Part::denied(other),
            other => return control::answer(moment, other, parameter),
        })
    }
}

fn one_device(mut devices: Vec<Record>, parameter: Option<&str>) -> Part {
    let Some(parameter) = parameter else { return Part::status('E', 15, "Missing device id parameter") };
    // As `atoi`: what is no number is 0.
    let id: i64 = parameter.trim().parse().unwrap_or(0);
    if let Some(i) = usize::try_from(id).ok().filter(|&i| i < devices.len()) {
        return Part::section(57, format!("PGA{id}"), "PGA", Node::one(devices.swap_remove(i)));
    }
    let last = signed(index(devices.len())) - 1;
    Part::status('E', 58, format!("Invalid PGA id {id} - range is 0 - {last}"))
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    Record::new()
        .count("Elapsed", state.elapsed_s)
        .fixed("MHS av", mhs(state.rate_avg), 3)
        .fixed("MHS 20s", mhs(state.rate_5s), 3)
        .with(standard::summary_counters(moment, "Getworks"))
}

pub(crate) fn device(moment: &Moment<'_>, slot: usize, board: &BoardState) -> Record {
    let state = moment.state;
    let position = signed(index(slot));
    let mut out = Record::new()
        .int("PGA", position)
        .text("Name", moment.spec.model.printed)
        .int("ID", position)
        .int("ProcID", 0)
        .yes("Enabled", true)
        .text("Status", "Alive")
        .count("Device Elapsed", state.elapsed_s);
    if state.rate_5s > 0.0 {
        out = out.fixed("Temperature", standard::hottest(&board.chip_c), 2);
    }
    out = out
        .fixed("MHS av", mhs(board.rate_avg), 3)
        .fixed("MHS 20s", mhs(board.rate_5s), 3)
        .fixed("MHS rolling", mhs(board.rate_1m), 3)
        .count("Accepted", board.accepted)
        .count("Rejected", board.rejected)
        .count("Hardware Errors", board.hardware_errors)
        .fixed("Utility", standard::per_minute(state, real(board.accepted)), 3)
        .int("Stale", 0);
    if board.accepted > 0 {
        out = out.int("Last Share Pool", 0).count("Last Share Time", standard::last_work(state));
    }
    let diff1 = board.total_mh * 1e6 / 4_294_967_296.0;
    out.fixed("Total MH", board.total_mh, 4)
        .fixed("Work Utility", standard::per_minute(state, diff1), 3)
        .count("Diff1 Work", count(diff1))
        .fixed("Difficulty Accepted", standard::difficulty(moment, board.accepted), 8)
        .fixed("Difficulty Rejected", standard::difficulty(moment, board.rejected), 8)
        .fixed("Difficulty Stale", 0.0, 8)
        .fixed(
            "Last Share Difficulty",
            if board.accepted > 0 { real(moment.spec.difficulty) } else { 0.0 },
            8,
        )
        .count("Last Valid Work", state.when_s)
        .fixed("Device Hardware%", standard::hardware_percent(board.hardware_errors, board.total_mh), 4)
        .fixed("Device Rejected%", percent(board.rejected, board.accepted + board.rejected), 4)
}

pub(crate) fn stats(moment: &Moment<'_>) -> Vec<Record> {
    let state = moment.state;
    let boards = state.boards_present().map(|(i, _)| format!("{}{i}", moment.spec.model.printed));
    let pools = (0..state.pools.len()).map(|i| format!("POOL{i}"));
    (0_u64..)
        .zip(boards.chain(pools))
        .map(|(n, id)| {
            Record::new()
                .count("STATS", n)
                .text("ID", id)
                .count("Elapsed", state.elapsed_s)
                .int("Calls", 0)
                .fixed("Wait", 0.0, 6)
                .fixed("Max", 0.0, 6)
                .fixed("Min", 99_999_999.0, 6)
        })
        .collect()
}
