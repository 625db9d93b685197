//! asicseer's firmware for the S9: the summary once more in the statistics, and frequencies and rates by chip.

use super::antminer_old::{self, Generation};
use super::custom::{Custom, bitmain_stats, chains, no_pools};
use crate::face::Moment;
use crate::miner::Model;
use crate::node::{Record, ghs};
use crate::number::{real, whole};
use bitlink_model::Family;

const S9: Model = Model {
    make: Some("Antminer"),
    name: Some("S9"),
    printed: "Antminer S9",
    boards: 3,
    chips: 63,
    fans: 2,
    ths: 13.5,
    watts: 1323.0,
    frequency_mhz: 650.0,
    voltage: 9.1,
    fan_rpm: 6200.0,
};
const MODELS: [Model; 1] = [S9];

/// See the file.
pub(crate) static FACE: Custom = Custom {
    family: Family::ASICSEER,
    models: &MODELS,
    default_model: &S9,
    host_prefix: "antMiner",
    description: "bmminer 2.4.0-asicseer-r0123abc",
    program: ("BMMiner", "2.4.0"),
    api: "3.1",
    compiled: "Sun May  3 12:00:00 UTC 2020",
    joins: true,
    stats,
    own_pools: no_pools,
    tells_sleep: false,
    web: None,
};

fn stats(moment: &Moment<'_>) -> Record {
    let mut out = bitmain_stats(moment);
    let summary = antminer_old::summary(moment, Generation::S9);
    let known: Vec<_> = out.fields.iter().map(|(key, _)| key.clone()).collect();
    out.fields.extend(summary.fields.into_iter().filter(|(key, _)| !known.contains(key)));
    chains(moment).fold(out, |out, (n, board)| {
        let chips = board.chips_ok.max(1);
        let each = |text: String| vec![text; usize::try_from(chips).unwrap_or(1)].join(",");
        out.int(format!("voltage{n}"), whole(board.voltage * 100.0))
            .text(format!("freqs{n}"), each(whole(board.frequency_mhz).to_string()))
            .text(format!("chip_hashrate{n}"), each(format!("{:.2}", ghs(board.rate_5s) / real(chips))))
    })
}
