//! Hiveon's firmware: bmminer with the power of each board and of the machine, and Bitmain's old web server. Its
//! program bears another firmware's mark.

use super::antminer::web::{self, Site};
use super::custom::{Custom, bitmain_stats, chains, no_pools};
use crate::face::Moment;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::Record;
use crate::number::real;
use bitlink_model::Family;

const S9: Model = Model {
    make: Some("Antminer"),
    name: Some("S9"),
    printed: "Antminer S9 Hiveon",
    boards: 3,
    chips: 63,
    fans: 2,
    ths: 13.5,
    watts: 1323.0,
    frequency_mhz: 650.0,
    voltage: 9.1,
    fan_rpm: 6200.0,
};
const MODELS: [Model; 2] = [
    S9,
    Model { name: Some("T9"), printed: "Antminer T9 Hiveon", chips: 54, ths: 11.5, watts: 1450.0, ..S9 },
];

/// See the file.
pub(crate) static FACE: Custom = Custom {
    family: Family::HIVEON,
    models: &MODELS,
    default_model: &S9,
    host_prefix: "hiveon",
    description: "bmminer 2.0.0",
    program: ("BMMiner", "2.0.0 rwglr"),
    api: "3.1",
    compiled: "Mon Mar  2 12:00:00 UTC 2020",
    joins: true,
    stats,
    own_pools: no_pools,
    tells_sleep: false,
    web: Some(web),
};

/// Bitmain's web server of the S9's generation.
fn web(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let api = |command: &str| FACE.reply(moment, command);
    let site = Site { compiled: FACE.compiled, newer: false, tells_type: false, api: &api };
    web::answer(moment, &site, request)
}

/// The boards' power, and the machine's as a text with a remark.
fn stats(moment: &Moment<'_>) -> Record {
    let boards = real(u64::from(moment.spec.model.boards.max(1)));
    chains(moment)
        .fold(bitmain_stats(moment), |out, (n, _)| {
            out.fixed(format!("chain_power{n}"), moment.state.power_w / boards, 2)
        })
        .text("chain_power", format!("{:.2} (AB)", moment.state.power_w))
}
