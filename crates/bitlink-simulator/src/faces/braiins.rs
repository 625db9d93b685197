//! Braiins OS with BOSminer on TCP 4028, and its GraphQL ([`graphql`]). (Braiins OS+ docs; BOSminer, open source)
//!
//! Its quirks: JSON alone, boards numbered from 6 on an S9 and from 1 later, frequencies in Hz, four fans always, a
//! day's rate divided by the whole day from the start on, "Not ready" while the tuner comes up.

mod graphql;
mod orders;

use super::{cgminer::records, standard};
use crate::call::{Call, CallError};
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Doorway, Face, Form, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, mhs};
use crate::number::{index, real, whole};
use crate::state::{BoardState, Phase, PoolState};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Braiins {
    /// Whether TCP 4028 is open.
    pub(crate) api: bool,
}

const S19: Model = Model {
    make: Some("Antminer"),
    name: Some("S19j Pro"),
    printed: "Bitmain Antminer S19j Pro",
    boards: 3,
    chips: 126,
    fans: 4,
    ths: 104.0,
    watts: 3068.0,
    frequency_mhz: 545.0,
    voltage: 13.7,
    fan_rpm: 6200.0,
};
pub(super) const MODELS: [Model; 3] = [
    S19,
    Model {
        name: Some("S17"),
        printed: "Bitmain Antminer S17",
        chips: 48,
        ths: 56.0,
        watts: 2520.0,
        voltage: 18.0,
        ..S19
    },
    Model {
        name: Some("S9"),
        printed: "Bitmain Antminer S9",
        chips: 63,
        fans: 2,
        ths: 13.5,
        watts: 1323.0,
        frequency_mhz: 650.0,
        voltage: 9.1,
        ..S19
    },
];

const OWN: [&str; 4] = ["temps", "fans", "tempctrl", "tunerstatus"];
const FAN_CONNECTORS: usize = 4;

impl Face for Braiins {
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

    /// Its tuner says that it is paused.
    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        let call = Call::read(request, &["command"]);
        let call = match call.form {
            Form::Json => call,
            Form::Text => Call { form: Form::Json, command: Err(CallError::NotJson), ..call },
        };
        self.answer_call(moment, &call)
    }

    fn doors(&self) -> &'static [Doorway] {
        if self.api { Doorway::API_AND_WEB } else { &[Doorway::WEB] }
    }

    /// Its front page, and GraphQL, where reading is open to everybody.
    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        match (request.method, request.path()) {
            ("GET", "/") => {
                Response::html(200, "<!doctype html><html><head><title>Braiins OS</title></head></html>")
            }
            ("POST", "/graphql") => graphql::answer(moment, request),
            _ => Response::html(404, "Not Found"),
        }
    }
}

/// The power that it is tuned towards.
fn power_limit(moment: &Moment<'_>) -> f64 {
    moment.spec.settings.power_limit_w.unwrap_or(moment.spec.nominal_w)
}

/// The number of the first board.
fn first(moment: &Moment<'_>) -> u64 {
    if moment.spec.model.name == Some("S9") { 6 } else { 1 }
}

impl Daemon for Braiins {
    fn description(&self, moment: &Moment<'_>) -> String {
        let platform = if first(moment) == 6 { "am1-s9" } else { "am2-s17" };
        format!("BOSminer bosminer-plus-{platform} 0.9.0-0123abcd")
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command) || OWN.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _: Option<&str>) -> Option<Part> {
        let state = moment.state;
        let list = |code: i64, message: &str, section: &'static str, list: Vec<Record>| {
            Part::section(code, message, section, records(list))
        };
        let of_boards = |make: fn(&Moment<'_>, u64, &BoardState) -> Record| -> Vec<Record> {
            state.boards_present().map(|(i, board)| make(moment, index(i), board)).collect()
        };
        Some(match command {
            "version" => {
                let version =
                    Record::new().text("API", "3.7").text("BOSer", "boser-buildroot 0.1.0-0123abcd");
                list(22, "BOSer versions", "VERSION", vec![version])
            }
            "summary" => list(11, "Summary", "SUMMARY", vec![summary(moment)]),
            "devs" | "edevs" => {
                let devices = of_boards(device);
                list(9, &format!("{} ASC(s)", devices.len()), "DEVS", devices)
            }
            "devdetails" => list(69, "Device Details", "DEVDETAILS", of_boards(details)),
            "temps" => list(201, "Temps", "TEMPS", of_boards(temperatures)),
            "fans" => list(202, "Fans", "FANS", fans(moment)),
            "tempctrl" => {
                let control = Record::new()
                    .text("Mode", "Automatic")
                    .short("Target", 75.0)
                    .short("Hot", 90.0)
                    .short("Dangerous", 100.0);
                list(200, "Temperature control", "TEMPCTRL", vec![control])
            }
            "tunerstatus" if state.phase == Phase::Starting && state.rate_avg == 0.0 => {
                Part::status('E', 301, "Not ready")
            }
            "tunerstatus" => list(203, "Tuner Status", "TUNERSTATUS", vec![tuner(moment)]),
            "pools" => {
                let pools: Vec<Record> =
                    (0_i64..).zip(&state.pools).map(|(i, p)| pool(moment, i, p)).collect();
                list(7, &format!("{} Pool(s)", pools.len()), "POOLS", pools)
            }
            "asccount" => {
                let count = index(state.boards_present().count());
                list(104, "ASC count", "ASCS", vec![Record::new().count("Count", count)])
            }
            _ => return None,
        })
    }
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let day = state.rate_avg * (real(state.elapsed_s) / 86_400.0).min(1.0);
    standard::summary_mhs(moment).fixed("MHS 24h", mhs(day), 2)
}

fn device(moment: &Moment<'_>, i: u64, board: &BoardState) -> Record {
    let position = usize::try_from(i).unwrap_or_default();
    let mut out = standard::device(moment, "ASC", "", position, board);
    for (key, value) in &mut out.fields {
        match key.as_ref() {
            "ID" => *value = Node::Bare((i + first(moment)).to_string()),
            // Not filled in.
            "Temperature" => *value = Node::Bare("0.0".to_owned()),
            _ => {}
        }
    }
    out.short("Hardware Error MHS 15m", 0.0).short("Nominal MHS", mhs(board.rate_ideal))
}

fn details(moment: &Moment<'_>, i: u64, board: &BoardState) -> Record {
    let number = i + first(moment);
    Record::new()
        .count("DEVDETAILS", i)
        .text("Name", format!("Hash Chain {number}"))
        .count("ID", number)
        .text("Driver", "")
        .text("Kernel", "")
        .text("Model", moment.spec.model.printed)
        .text("Device Path", "")
        .count("Chips", board.chips_ok)
        .count("Cores", board.chips_ok * 8)
        .int("Frequency", whole(board.frequency_mhz * 1e6))
        .short("Voltage", board.voltage)
}

fn temperatures(moment: &Moment<'_>, i: u64, board: &BoardState) -> Record {
    Record::new()
        .count("TEMP", i)
        .count("ID", i + first(moment))
        .short("Board", standard::hottest(&board.pcb_c))
        .short("Chip", standard::hottest(&board.chip_c))
}

fn fans(moment: &Moment<'_>) -> Vec<Record> {
    let state = moment.state;
    (0..FAN_CONNECTORS)
        .map(|i| {
            Record::new()
                .count("FAN", index(i))
                .count("ID", index(i))
                .int("Speed", whole(state.fan_duty * 100.0))
                .count("RPM", state.fans_rpm.get(i).copied().unwrap_or(0))
        })
        .collect()
}

fn tuner(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let boards = real(u64::from(moment.spec.model.boards.max(1)));
    let (status, running) = match state.phase {
        Phase::Asleep => ("Paused", false),
        Phase::Starting => ("Tuning individual chips", true),
        _ => ("Stable", false),
    };
    let chains = state.boards_present().map(|(i, _)| {
        Record::new()
            .int("ApproximatePowerConsumptionWatt", whole(state.power_w / boards))
            .count("HashchainIndex", index(i) + first(moment))
            .int("Iteration", 0)
            .put("LoadedProfileCreatedOn", Node::Bare("null".to_owned()))
            .int("PowerLimitWatt", whole(power_limit(moment) / boards))
            .count("StageElapsed", state.elapsed_s)
            .text("Status", status)
            .flag("TunerRunning", running)
            .count("TuningElapsed", state.elapsed_s)
    });
    Record::new()
        .int("ApproximateChainPowerConsumption", whole(state.power_w * 0.95))
        .int("ApproximateMinerPowerConsumption", whole(state.power_w))
        .text("DynamicPowerScaling", "Disabled")
        .int("PowerLimit", whole(power_limit(moment)))
        .put("TunerChainStatus", records(chains.collect()))
}

fn pool(moment: &Moment<'_>, position: i64, pool: &PoolState) -> Record {
    let mut out = standard::pool(moment, position, position, pool);
    for (key, value) in &mut out.fields {
        if key == "Stratum URL" && pool.active {
            *value = Node::Text(standard::pool_host(pool).to_owned());
        }
    }
    out.flag("AsicBoost", pool.active)
}
