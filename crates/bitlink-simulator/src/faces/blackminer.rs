//! The firmware that VolcMiner and Hammer share ("ccminer 2.3.3"), as public captures show it: `bmminer`'s statistics with
//! numbers in strings, rates in MH/s, one key repeated for the four sensors of a board, and connectors not in a row. The web server
//! is in [`web`].

mod web;

use super::antminer::{chip_map, pool, slots};
use super::{cgminer::records, standard};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Doorway, Face, Moment, Speaks};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, mhs};
use crate::number::{index, whole};
use crate::state::{BoardState, Phase};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Blackminer {
    /// Where its API is, if it has one.
    pub(crate) api: Option<u16>,
}

/// Where newer machines have their API.
pub(crate) const NEWER_PORT: u16 = 8359;

const D1: Model = Model {
    make: Some("VolcMiner"),
    name: Some("D1"),
    printed: "VolcMiner D1",
    boards: 3,
    chips: 105,
    fans: 4,
    ths: 0.0185,
    watts: 3900.0,
    frequency_mhz: 1200.0,
    voltage: 12.0,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 2] = [
    D1,
    Model {
        make: Some("Hammer"),
        name: Some("D10"),
        printed: "Hammer D10",
        chips: 108,
        ths: 0.005,
        watts: 3300.0,
        ..D1
    },
];

/// The connectors that carry boards.
const CHAINS: [usize; 3] = [1, 2, 4];
/// Connectors that are always printed.
const CONNECTORS: usize = 4;

impl Face for Blackminer {
    fn family(&self) -> Family {
        Family::BLACKMINER
    }

    /// The newer ones are VolcMiner's.
    fn models(&self) -> &'static [Model] {
        const OLDER: u16 = Doorway::API.port;
        if self.api == Some(OLDER) { &MODELS } else { MODELS.split_at(1).0 }
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "blackminer"
    }

    /// It says neither what it should do nor that it sleeps.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::Asleep | FaultKind::Slow)
    }

    fn doors(&self) -> &'static [Doorway] {
        const NEWER: Doorway = Doorway { port: NEWER_PORT, speaks: Speaks::Api };
        match self.api {
            None => &[Doorway::WEB],
            Some(NEWER_PORT) => &[NEWER, Doorway::WEB],
            Some(_) => Doorway::API_AND_WEB,
        }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        web::answer(moment, request)
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for Blackminer {
    fn description(&self, _: &Moment<'_>) -> String {
        "ccminer 2.3.3".to_owned()
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _parameter: Option<&str>) -> Option<Part> {
        Some(match command {
            "version" => Part::section(22, "CGMiner versions", "VERSION", Node::one(version(moment, true))),
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment))),
            "pools" => {
                let pools = (0_i64..)
                    .zip(slots(&moment.state.pools))
                    .map(|(i, slot)| texts(pool(moment, i, slot, "Pool Stale%"), &COUNTERS));
                Part::section(7, "3 Pool(s)", "POOLS", records(pools.collect()))
            }
            "stats" => {
                let both = vec![version(moment, false).into(), stats(moment).into()];
                Part::section(70, "CGMiner stats", "STATS", Node::Glued(both))
            }
            _ => return None,
        })
    }
}

fn version(moment: &Moment<'_>, with_api: bool) -> Record {
    let head = Record::new().text("CGMiner", "2.3.3");
    let head = if with_api { head.text("API", "3.1") } else { head };
    head.text("Miner", "1.0.1.3")
        .text("CompileTime", "2023-05-28 17-20-35 CST")
        .text("Type", moment.spec.model.printed)
}

/// Counters that are printed as texts with spaces before and zeros behind.
const COUNTERS: [&str; 5] = ["Accepted", "Rejected", "Discarded", "Stale", "Best Share"];

fn texts(mut record: Record, keys: &[&str]) -> Record {
    for (key, value) in &mut record.fields {
        if let Node::Bare(number) = value
            && keys.contains(&key.as_ref())
        {
            *value = Node::Text(format!("  {number}.0000"));
        }
    }
    record
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let counters = texts(standard::summary_counters(moment, "Getworks"), &COUNTERS);
    Record::new()
        .count("Elapsed", state.elapsed_s)
        .text("MHS 5s", format!("{:.2}", mhs(state.rate_5s)))
        .text("MHS av", format!("{:.2}", mhs(state.rate_avg)))
        .with(counters)
}

fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let chains: Vec<(usize, Option<&BoardState>)> = (1..=CONNECTORS)
        .map(|n| {
            let board = CHAINS.iter().position(|&chain| chain == n).and_then(|i| state.boards.get(i));
            (n, board.filter(|board| board.present))
        })
        .collect();
    let mut out = Record::new()
        .int("STATS", 0)
        .text("ID", "A30")
        .count("Elapsed", state.elapsed_s)
        .int("Calls", 0)
        .fixed("Wait", 0.0, 6)
        .fixed("Max", 0.0, 6)
        .fixed("Min", 99_999_999.0, 6)
        .text("MHS 5s", format!("{:.2}", mhs(state.rate_5s)))
        .text("MHS av", format!("{:.2}", mhs(state.rate_avg)))
        .count("miner_count", index(state.boards_present().count()))
        .text("frequency", whole(state.frequency_mhz).to_string())
        .count("fan_num", index(state.fans_rpm.len()));
    for (n, rpm) in (1..).zip(&state.fans_rpm) {
        out = out.count(format!("fan{n}"), *rpm);
    }
    out = out.int("temp_num", 12);
    for (n, board) in &chains {
        // One key for all four.
        for celsius in board.map_or([0.0; 4], |b| b.pcb_c) {
            out = out.int(format!("temp{n}"), whole(celsius));
        }
    }
    for (n, board) in &chains {
        out = out.count(format!("chain_acn{n}"), board.map_or(0, |b| b.chips_ok));
    }
    for (n, board) in &chains {
        let map = board.map_or_else(String::new, |b| chip_map(b, state.phase == Phase::Asleep));
        out = out.text(format!("chain_acs{n}"), map);
    }
    for (n, board) in &chains {
        out = out.count(format!("chain_hw{n}"), board.map_or(0, |b| b.hardware_errors));
    }
    for (n, board) in &chains {
        let rate = board.map_or_else(String::new, |b| format!("{:.2}", mhs(b.rate_5s)));
        out = out.text(format!("chain_rate{n}"), rate);
    }
    out
}
