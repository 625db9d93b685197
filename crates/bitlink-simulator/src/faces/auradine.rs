//! Auradine's firmware on the Teraflux machines: replies on TCP 4028 as public farm software reads them. Its REST interface is in
//! [`web`].

mod orders;
mod web;

use super::{cgminer::records, standard};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Doorway, Face, Moment, Speaks};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, mhs};
use crate::number::index;
use crate::state::BoardState;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Auradine;

/// Public lists disagree about its rate, by how it was set.
const AT2880: Model = Model {
    make: Some("Auradine"),
    name: Some("AT2880"),
    printed: "AT2880",
    boards: 3,
    chips: 138,
    fans: 4,
    ths: 240.0,
    watts: 2880.0,
    frequency_mhz: 500.0,
    voltage: 13.0,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 1] = [AT2880];

const VERSION: &str = "2.1.0";
/// Where the REST interface is; people find theirs where web servers are.
const REST_PORT: u16 = 8080;

impl Face for Auradine {
    fn family(&self) -> Family {
        Family::AURADINE
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "teraflux"
    }

    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
    }

    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::API, Doorway::WEB, Doorway { port: REST_PORT, speaks: Speaks::Http }]
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        web::answer(moment, request)
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for Auradine {
    fn description(&self, _: &Moment<'_>) -> String {
        format!("FluxOS {VERSION}")
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _parameter: Option<&str>) -> Option<Part> {
        let state = moment.state;
        let number = state.boards_present().count();
        Some(match command {
            "version" => {
                let version = Record::new().text("API", "1.0").text("GCMiner", VERSION);
                Part::section(22, "GCMiner versions", "VERSION", Node::one(version))
            }
            "summary" => {
                let summary =
                    standard::summary_mhs(moment).fixed("Wattage", state.power_w, 1).int("ThsThrottle", 0);
                Part::section(11, "Summary", "SUMMARY", Node::one(summary))
            }
            "devs" => {
                let devices = state.boards_present().map(|(i, board)| device(i, board)).collect();
                Part::section(9, format!("{number} ASC(s)"), "DEVS", records(devices))
            }
            "pools" => {
                let pools = (0_i64..)
                    .zip(&state.pools)
                    .map(|(i, pool)| standard::pool(moment, i, i, pool).text("Pass", "x"));
                let pools: Vec<Record> = pools.collect();
                Part::section(7, format!("{} Pool(s)", pools.len()), "POOLS", records(pools))
            }
            "devdetails" => {
                let details = state.boards_present().map(|(i, _)| {
                    Record::new()
                        .count("DEVDETAILS", index(i) + 1)
                        .count("ID", index(i) + 1)
                        .text("Name", "ASICBoard")
                        .text("Driver", "gcminer")
                        .text("Kernel", "")
                        .text("Model", moment.spec.model.printed)
                        .text("Device Path", "")
                });
                Part::section(69, "Device Details", "DEVDETAILS", records(details.collect()))
            }
            "asccount" => {
                let count =
                    Record::new().count("AsicCount", state.chips_ok()).count("BoardCount", index(number));
                Part::section(104, "ASC count", "ASCCount", Node::one(count))
            }
            _ => return None,
        })
    }
}

/// Counted from 1, with a truth value for `Enabled`.
fn device(slot: usize, board: &BoardState) -> Record {
    Record::new()
        .count("DEV", index(slot) + 1)
        .count("ID", index(slot) + 1)
        .flag("Enabled", true)
        .fixed("MHS 5s", mhs(board.rate_5s), 1)
        .fixed("MHS 1m", mhs(board.rate_1m), 1)
        .fixed("MHS 5m", mhs(board.rate_5m), 1)
        .fixed("MHS 15m", mhs(board.rate_15m), 1)
        .fixed("MHS av", mhs(board.rate_avg), 1)
        .text("Name", "ASICBoard")
        .text("Status", "Alive")
        .fixed("Temperature", standard::hottest(&board.pcb_c), 2)
}
