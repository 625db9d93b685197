//! Goldshell's firmware: bfgminer's replies with keys of its own on TCP 4028, as public farm software reads them. Its web
//! server is in [`web`].

mod web;

use super::bfgminer::{self, Bfgminer};
use super::cgminer::records;
use crate::call::Call;
use crate::daemon::{Daemon, Part};
use crate::face::{Document, Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::number::index;
use crate::state::BoardState;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Goldshell;

/// The API does not name the model, but a driver.
const KD_MAX: Model = Model {
    make: Some("Goldshell"),
    name: Some("KDMAX"),
    printed: "KDA",
    boards: 3,
    chips: 84,
    fans: 4,
    ths: 40.2,
    watts: 3350.0,
    frequency_mhz: 700.0,
    voltage: 12.0,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 2] = [
    KD_MAX,
    Model { name: Some("CK5"), printed: "CKB", boards: 4, chips: 46, ths: 12.0, watts: 2400.0, ..KD_MAX },
];

const VERSION: &str = "2.2.0";

impl Face for Goldshell {
    fn family(&self) -> Family {
        Family::GOLDSHELL
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "goldshell"
    }

    /// It does not say what it should do.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::Slow)
    }

    fn doors(&self) -> &'static [Doorway] {
        Doorway::API_AND_WEB
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        web::answer(moment, request)
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for Goldshell {
    fn description(&self, _: &Moment<'_>) -> String {
        format!("intchains_qomo {VERSION}")
    }

    fn joins(&self) -> bool {
        Bfgminer.joins()
    }

    fn joinable(&self, command: &str) -> bool {
        Bfgminer.joinable(command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let boards = || moment.state.boards_present();
        Some(match command {
            "version" => {
                let version = Record::new()
                    .text("Miner", format!("intchains_qomo {VERSION}"))
                    .text("CGMiner", "5.4.2")
                    .text("API", "3.1");
                Part::section(22, "BFGMiner versions", "VERSION", Node::one(version))
            }
            "devs" if boards().count() > 0 => {
                let devices: Vec<Record> = boards().map(|(i, board)| device(moment, i, board)).collect();
                Part::section(9, format!("{} PGA(s)", devices.len()), "DEVS", records(devices))
            }
            "devdetails" => {
                let details = boards().map(|(i, board)| {
                    Record::new()
                        .count("DEVDETAILS", index(i))
                        .text("Name", moment.spec.model.printed)
                        .count("ID", index(i))
                        .int("ProcID", 0)
                        .text("Driver", moment.spec.model.printed.to_ascii_lowercase())
                        .text("Kernel", "")
                        .text("Model", "")
                        .text("Device Path", "")
                        .count("chips-nr", board.chips_ok)
                });
                Part::section(69, "Device Details", "DEVS", records(details.collect()))
            }
            "stats" => Part::section(70, "BFGMiner stats", "STATS", records(stats(moment))),
            other => return Bfgminer.part(moment, other, parameter),
        })
    }
}

/// With two sensors in place of the temperature.
fn device(moment: &Moment<'_>, slot: usize, board: &BoardState) -> Record {
    let mut device = bfgminer::device(moment, slot, board);
    device.fields.retain(|(key, _)| key != "Temperature");
    let [hot, cool, ..] = board.pcb_c;
    device.fixed("tstemp-1", cool, 2).fixed("tstemp-2", hot, 2)
}

/// The second record has the fans.
fn stats(moment: &Moment<'_>) -> Vec<Record> {
    let mut stats = bfgminer::stats(moment);
    if let Some(second) = stats.get_mut(1) {
        for (n, rpm) in moment.state.fans_rpm.iter().enumerate() {
            *second = std::mem::take(second).count(format!("fan{n}"), *rpm);
        }
    }
    stats
}
