//! Marathon's firmware ("kaonsu"): its web server is in [`web`]. On TCP 4028 it has version, summary and pools. Whatever else is asked, joined or not, is
//! answered with the summary.

mod orders;
mod web;

use super::{cgminer::records, standard};
use crate::call::Call;
use crate::daemon::{Daemon, Part};
use crate::face::{Document, Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Mara;

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
const MODELS: [Model; 2] = [
    S19,
    Model {
        name: Some("S19j Pro"),
        printed: "Antminer S19j Pro",
        chips: 126,
        ths: 104.0,
        watts: 3068.0,
        ..S19
    },
];

impl Face for Mara {
    fn family(&self) -> Family {
        Family::MARA
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "marafw"
    }

    fn reveals(&self, _: &Model, _: FaultKind) -> bool {
        true
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

impl Daemon for Mara {
    fn description(&self, _: &Moment<'_>) -> String {
        "marafw 1.2.3".to_owned()
    }

    fn joins(&self) -> bool {
        false
    }

    fn joinable(&self, _: &str) -> bool {
        false
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _: Option<&str>) -> Option<Part> {
        Some(match command {
            "version" => {
                let version = Record::new()
                    .text("CGMiner", "4.11.1")
                    .text("API", "3.7")
                    .text("Miner", "kaonsu")
                    .text("Model", moment.spec.model.printed);
                Part::section(22, "CGMiner versions", "VERSION", Node::one(version))
            }
            "pools" => {
                let pools = (0_i64..).zip(&moment.state.pools);
                let pools: Vec<Record> = pools.map(|(i, p)| standard::pool(moment, i, i, p)).collect();
                Part::section(7, format!("{} Pool(s)", pools.len()), "POOLS", records(pools))
            }
            _ => Part::section(11, "Summary", "SUMMARY", Node::one(standard::summary_mhs(moment))),
        })
    }
}
