//! sgminer, the fork of the reference implementation for graphics cards, API 4.0 (sgminer API documentation): cards for boards, with
//! their fans and clocks, rates in MH/s and in kH/s.

use super::{cgminer::records, control, standard};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, PRIVILEGED, Part};
use crate::face::{Document, Face, Moment};
use crate::fault::FaultKind;
use crate::miner::Model;
use crate::node::{Node, Record, mhs};
use crate::number::{index, real, whole};
use crate::state::BoardState;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Sgminer;

const MODELS: [Model; 1] = [Model {
    make: None,
    name: None,
    printed: "opencl",
    boards: 4,
    chips: 1,
    fans: 4,
    ths: 0.000_003_2,
    watts: 900.0,
    frequency_mhz: 1010.0,
    voltage: 1.2,
    fan_rpm: 3200.0,
}];

const VERSION: &str = "5.6.1";

impl Face for Sgminer {
    fn family(&self) -> Family {
        Family::SGMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "sgminer"
    }

    /// It says neither how many cards there should be nor what they should do, and of a fan that stands still not whether it
    /// should.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::Asleep | FaultKind::BoardMissing | FaultKind::FanFailed | FaultKind::Slow)
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for Sgminer {
    fn description(&self, _: &Moment<'_>) -> String {
        format!("sgminer {VERSION}")
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let state = moment.state;
        let cards: Vec<Record> = state.boards_present().map(|(i, board)| card(moment, i, board)).collect();
        let number = cards.len();
        Some(match command {
            "version" => {
                let version = Record::new().text("SGMiner", VERSION).text("API", "4.0");
                Part::section(22, "SGMiner versions", "VERSION", Node::one(version))
            }
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment))),
            "devs" if number == 0 => Part::status('E', 10, "No GPUs"),
            "devs" => Part::section(9, format!("{number} GPU(s)"), "DEVS", records(cards)),
            "pools" => {
                let pools = (0_i64..).zip(&state.pools).map(|(i, pool)| standard::pool(moment, i, i, pool));
                let pools: Vec<Record> = pools.collect();
                Part::section(7, format!("{} Pool(s)", pools.len()), "POOLS", records(pools))
            }
            "stats" => Part::section(70, "SGMiner stats", "STATS", records(stats(moment))),
            "devdetails" => {
                let details = state.boards_present().map(|(i, _)| {
                    Record::new()
                        .count("DEVDETAILS", index(i))
                        .text("Name", "GPU")
                        .count("ID", index(i))
                        .text("Driver", "opencl")
                        .text("Kernel", "ckolivas")
                        .text("Model", "")
                        .text("Device Path", "")
                });
                Part::section(69, "Device Details", "DEVDETAILS", records(details.collect()))
            }
            other if PRIVILEGED.contains(&other) && !moment.spec.access.privileged => Part::denied(other),
            other => return control::answer(moment, other, parameter),
        })
    }
}

/// Rates in both units.
fn rates(average: f64, now: f64) -> Record {
    Record::new()
        .fixed("MHS av", mhs(average), 4)
        .fixed("MHS 5s", mhs(now), 4)
        .int("KHS av", whole(mhs(average) * 1e3))
        .int("KHS 5s", whole(mhs(now) * 1e3))
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    Record::new()
        .count("Elapsed", state.elapsed_s)
        .with(rates(state.rate_avg, state.rate_5s))
        .with(standard::summary_counters(moment, "Getworks"))
}

fn card(moment: &Moment<'_>, position: usize, board: &BoardState) -> Record {
    let state = moment.state;
    Record::new()
        .count("GPU", index(position))
        .yes("Enabled", true)
        .text("Status", "Alive")
        .fixed("Temperature", standard::hottest(&board.chip_c), 2)
        .count("Fan Speed", state.fans_rpm.get(position).copied().unwrap_or(0))
        .int("Fan Percent", whole(state.fan_duty * 100.0))
        .int("GPU Clock", whole(board.frequency_mhz))
        .int("Memory Clock", 1500)
        .fixed("GPU Voltage", board.voltage, 3)
        .int("GPU Activity", if board.rate_5s > 0.0 { 99 } else { 0 })
        .int("Powertune", 0)
        .with(rates(board.rate_avg, board.rate_5s))
        .count("Accepted", board.accepted)
        .count("Rejected", board.rejected)
        .count("Hardware Errors", board.hardware_errors)
        .fixed("Utility", standard::per_minute(state, real(board.accepted)), 4)
        .text("Intensity", "13")
        .int("Last Share Pool", if board.accepted > 0 { 0 } else { -1 })
        .count("Last Share Time", if board.accepted > 0 { standard::last_work(state) } else { 0 })
        .fixed("Total MH", board.total_mh, 4)
        .count("Device Elapsed", state.elapsed_s)
}

fn stats(moment: &Moment<'_>) -> Vec<Record> {
    let boards = moment.state.boards_present().map(|(i, _)| format!("GPU{i}"));
    let pools = (0..moment.state.pools.len()).map(|i| format!("POOL{i}"));
    let record = |(n, id): (u64, String)| {
        Record::new()
            .count("STATS", n)
            .text("ID", id)
            .count("Elapsed", moment.state.elapsed_s)
            .int("Calls", 0)
            .fixed("Wait", 0.0, 6)
            .fixed("Max", 0.0, 6)
            .fixed("Min", 99_999_999.0, 6)
    };
    (0_u64..).zip(boards.chain(pools)).map(record).collect()
}
