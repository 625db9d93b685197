//! VNish (AnthillOS): its web server is in [`web`]. On TCP 4028 it imitates bmminer, joins nothing, lists its developers' pool, and tells consumption and
//! voltage of each board.

mod orders;
mod web;

use super::custom::{Custom, bitmain_stats, chains};
use crate::face::Moment;
use crate::miner::Model;
use crate::node::Record;
use crate::number::{index, real, signed, whole};
use crate::state::Phase;
use bitlink_model::Family;

const S19: Model = Model {
    make: Some("Antminer"),
    name: Some("S19j Pro"),
    printed: "Antminer S19j Pro (Vnish 1.2.6)",
    boards: 3,
    chips: 126,
    fans: 4,
    ths: 104.0,
    watts: 3068.0,
    frequency_mhz: 545.0,
    voltage: 13.7,
    fan_rpm: 6200.0,
};
const MODELS: [Model; 2] = [
    S19,
    Model {
        name: Some("S19"),
        printed: "Antminer S19 (Vnish 1.2.6)",
        chips: 76,
        ths: 95.0,
        watts: 3250.0,
        frequency_mhz: 675.0,
        ..S19
    },
];

/// See the file.
pub(crate) static FACE: Custom = Custom {
    family: Family::VNISH,
    models: &MODELS,
    default_model: &S19,
    host_prefix: "Antminer",
    description: "cgminer 4.11.1",
    program: ("Cgminer", "4.11.1"),
    api: "3.7",
    compiled: "Tue Dec  6 10:00:00 UTC 2022",
    joins: false,
    stats,
    own_pools,
    tells_sleep: true,
    web: Some(web::answer),
};

fn stats(moment: &Moment<'_>) -> Record {
    let boards = real(u64::from(moment.spec.model.boards.max(1)));
    let warms_up = moment.state.phase == Phase::Starting;
    chains(moment)
        .fold(bitmain_stats(moment), |out, (n, board)| {
            out.int(format!("chain_vol{n}"), whole(board.voltage * 100.0))
                .int(format!("chain_consumption{n}"), whole(moment.state.power_w / boards))
                .text(format!("chain_bchips{n}"), if warms_up { "Warm up" } else { "" })
        })
        .flag("manual_fan_mode", false)
        .text("build_version", "1.2.6")
}

fn own_pools(number: usize) -> Vec<Record> {
    let fee = Record::new()
        .int("POOL", signed(index(number)))
        .text("URL", "DevFee")
        .text("Status", "Alive")
        .int("Priority", 999)
        .int("Accepted", 12)
        .int("Rejected", 0)
        .int("Stale", 0)
        .text("User", "DevFee")
        .text("Last Share Time", "0:31:07")
        .text("Diff", "")
        .flag("Stratum Active", false)
        .flag("Boost", true);
    vec![fee]
}
