//! Bitmain's firmware up to the S17 generation, `bmminer` (its published `api.c`).
//!
//! The S9's quirks: the statistics' header and data stand side by side without a comma, some numbers are texts, its
//! boards are on chains 6, 7 and 8 of 16, its fans on connectors 3 and 6 or 5 and 6. The S17 prints temperatures as
//! dash lists and its mode tells that it sleeps.

use super::antminer::{self, chip_map, dashes, miner_id, slots, web};
use super::{cgminer::records, standard};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs, mhs, percent};
use crate::number::{index, real, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct AntminerOld;

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
const S17: Model = Model {
    name: Some("S17"),
    printed: "Antminer S17",
    chips: 48,
    fans: 4,
    ths: 53.0,
    watts: 2385.0,
    voltage: 18.0,
    ..S9
};
const MODELS: [Model; 5] = [
    S9,
    Model { name: Some("T9"), printed: "Antminer T9", chips: 54, ths: 11.5, watts: 1450.0, ..S9 },
    S17,
    Model { name: Some("S17 Pro"), printed: "Antminer S17 Pro", ths: 50.0, watts: 1975.0, ..S17 },
    Model { name: Some("T17"), printed: "Antminer T17", chips: 30, ths: 40.0, watts: 2200.0, ..S17 },
];

/// What the network may ask, besides what the configuration lists `estats`, which bmminer never guarded.
const PERMITTED: [&str; 6] = ["stats", "estats", "pools", "devs", "summary", "version"];

/// The two generations that share the family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    S9,
    S17,
}

impl Generation {
    fn of(model: &Model) -> Self {
        if model.printed.contains("17") { Self::S17 } else { Self::S9 }
    }

    /// Slots for boards, and the number of the first.
    const fn chains(self) -> (usize, usize) {
        match self {
            Self::S9 => (16, 6),
            Self::S17 => (4, 1),
        }
    }

    /// Where the fans sit among how many connectors.
    fn fans(self, moment: &Moment<'_>) -> (usize, &'static [usize]) {
        match self {
            Self::S9 if Seed::new(moment.spec.seed).of("connectors").below(2) == 0 => (8, &[3, 6]),
            Self::S9 => (8, &[5, 6]),
            Self::S17 => (4, &[1, 2, 3, 4]),
        }
    }

    const fn compiled(self) -> &'static str {
        match self {
            Self::S9 => "Fri Nov 17 17:37:49 CST 2017",
            Self::S17 => "Fri Dec 27 11:06:42 CST 2019",
        }
    }

    const fn miner(self) -> &'static str {
        match self {
            Self::S9 => "30.0.1.3",
            Self::S17 => "49.0.1.3",
        }
    }

    /// Key and version of the mining program.
    const fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::S9 => ("BMMiner", "2.0.0"),
            Self::S17 => ("CGMiner", "4.11.1"),
        }
    }
}

impl Face for AntminerOld {
    fn family(&self) -> Family {
        Family::ANTMINER_OLD
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "antMiner"
    }

    fn reveals(&self, model: &Model, fault: FaultKind) -> bool {
        fault != FaultKind::Asleep || Generation::of(model) == Generation::S17
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }

    fn doors(&self) -> &'static [Doorway] {
        Doorway::API_AND_WEB
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        let description = self.description(moment);
        let api = |command: &str| {
            Some(self.part(moment, command, None)?.into_reply(moment.state.when_s, &description))
        };
        let compiled = Generation::of(moment.spec.model).compiled();
        web::answer(moment, &web::Site { compiled, newer: false, tells_type: false, api: &api }, request)
    }
}

impl Daemon for AntminerOld {
    fn description(&self, moment: &Moment<'_>) -> String {
        match Generation::of(moment.spec.model) {
            Generation::S9 => "bmminer 1.0.0".to_owned(),
            Generation::S17 => "cgminer 4.11.1".to_owned(),
        }
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _: Option<&str>) -> Option<Part> {
        let generation = Generation::of(moment.spec.model);
        let prefix = if generation == Generation::S9 { "BMMiner" } else { "CGMiner" };
        Some(match command {
            "version" => {
                Part::section(22, format!("{prefix} versions"), "VERSION", Node::one(version(moment, true)))
            }
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment, generation))),
            "pools" => {
                let pools = (0_i64..)
                    .zip(slots(&moment.state.pools))
                    .map(|(i, slot)| antminer::pool(moment, i, slot, "Pool Stale%"));
                Part::section(7, "3 Pool(s)", "POOLS", records(pools.collect()))
            }
            "devs" => Part::section(9, "1 ASC(s)", "DEVS", Node::one(device(moment))),
            "stats" => {
                let both = vec![version(moment, false).into(), stats(moment, generation).into()];
                // Mended in the S17's generation (A.8 names only the older).
                let both = if generation == Generation::S9 { Node::Glued(both) } else { Node::List(both) };
                Part::section(70, format!("{prefix} stats"), "STATS", both)
            }
            "estats" => {
                Part::section(70, format!("{prefix} stats"), "STATS", Node::one(stats(moment, generation)))
            }
            other if PERMITTED.contains(&other) => return None,
            other => Part::denied(other),
        })
    }
}

fn version(moment: &Moment<'_>, with_api: bool) -> Record {
    let generation = Generation::of(moment.spec.model);
    let (key, value) = generation.program();
    let head = Record::new().text(key, value);
    let head = if with_api { head.text("API", "3.1") } else { head };
    head.text("Miner", generation.miner())
        .text("CompileTime", generation.compiled())
        .text("Type", moment.spec.model.printed)
}

/// A rate in GH/s: the S9 prints the five-second one as a text.
fn ghs_5s(record: Record, generation: Generation, ths: f64) -> Record {
    match generation {
        Generation::S9 => record.text("GHS 5s", format!("{:.2}", ghs(ths))),
        Generation::S17 => record.fixed("GHS 5s", ghs(ths), 2),
    }
}

pub(crate) fn summary(moment: &Moment<'_>, generation: Generation) -> Record {
    let state = moment.state;
    ghs_5s(Record::new().count("Elapsed", state.elapsed_s), generation, state.rate_5s)
        .fixed("GHS av", ghs(state.rate_avg), 2)
        .with(standard::summary_counters(moment, "Getworks"))
}

/// The whole machine is one device.
pub(crate) fn device(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let name = if Generation::of(moment.spec.model) == Generation::S9 { "BC5" } else { "BTM_SOC" };
    let hottest = state.boards_present().flat_map(|(_, board)| board.pcb_c).reduce(f64::max).unwrap_or(0.0);
    let (accepted, rejected) = (state.accepted(), state.rejected());
    Record::new()
        .int("ASC", 0)
        .text("Name", name)
        .int("ID", 0)
        .yes("Enabled", true)
        .text("Status", "Alive")
        .fixed("Temperature", hottest, 2)
        .fixed("MHS av", mhs(state.rate_avg), 2)
        .fixed("MHS 5s", mhs(state.rate_5s), 2)
        .count("Accepted", accepted)
        .count("Rejected", rejected)
        .count("Hardware Errors", state.hardware_errors())
        .fixed("Utility", standard::per_minute(state, real(accepted)), 2)
        .int("Last Share Pool", 0)
        .count("Last Share Time", standard::last_work(state))
        .fixed("Total MH", state.total_mh, 4)
        .count("Diff1 Work", crate::number::count(state.total_mh * 1e6 / 4_294_967_296.0))
        .fixed("Difficulty Accepted", standard::difficulty(moment, accepted), 8)
        .fixed("Difficulty Rejected", standard::difficulty(moment, rejected), 8)
        .fixed("Last Share Difficulty", real(moment.spec.difficulty), 8)
        .count("Last Valid Work", standard::last_work(state))
        .fixed("Device Hardware%", standard::hardware_percent(state.hardware_errors(), state.total_mh), 4)
        .fixed("Device Rejected%", percent(rejected, accepted + rejected), 4)
        .count("Device Elapsed", state.elapsed_s)
}

pub(crate) fn stats(moment: &Moment<'_>, generation: Generation) -> Record {
    let state = moment.state;
    let (width, first) = generation.chains();
    let chains: Vec<(usize, Option<&BoardState>)> = (1..=width)
        .map(|n| (n, n.checked_sub(first).and_then(|i| state.boards.get(i)).filter(|board| board.present)))
        .collect();
    let mut out = Record::new()
        .int("STATS", 0)
        .text("ID", if generation == Generation::S9 { "BC50" } else { "BTM_SOC0" })
        .count("Elapsed", state.elapsed_s)
        .int("Calls", 0)
        .fixed("Wait", 0.0, 6)
        .fixed("Max", 0.0, 6)
        .fixed("Min", 99_999_999.0, 6);
    out = ghs_5s(out, generation, state.rate_5s).fixed("GHS av", ghs(state.rate_avg), 2);
    if generation == Generation::S17 {
        out = out
            .fixed("GHS 30m", ghs(state.rate_30m), 2)
            .int("Mode", if state.phase == Phase::Asleep { 254 } else { 1 });
    }
    out = out.count("miner_count", index(state.boards_present().count()));
    out = match generation {
        Generation::S9 => out.text("frequency", whole(state.frequency_mhz).to_string()),
        Generation::S17 => out.text("frequency", ""),
    };
    out = fans(out, moment, generation).count("temp_num", index(state.boards_present().count()));
    out = temperatures(out, &chains, generation);
    for (n, board) in &chains {
        out = out.fixed(format!("freq_avg{n}"), board.map_or(0.0, |b| b.frequency_mhz), 2);
    }
    out = out.fixed("total_rateideal", ghs(state.rate_ideal), 2);
    if generation == Generation::S17 {
        out = out.text("rate_unit", "GH");
    }
    out = out.fixed("total_freqavg", state.frequency_mhz, 2).count("total_acn", state.chips_ok()).fixed(
        "total_rate",
        ghs(state.rate_5s),
        2,
    );
    for (n, board) in &chains {
        let ideal = board.filter(|_| generation == Generation::S9).map_or(0.0, |b| ghs(b.rate_ideal));
        out = out.fixed(format!("chain_rateideal{n}"), ideal, 2);
    }
    let hottest = state.boards_present().flat_map(|(_, board)| board.chip_c).reduce(f64::max).unwrap_or(0.0);
    out = out
        .int("temp_max", whole(hottest))
        .fixed("Device Hardware%", standard::hardware_percent(state.hardware_errors(), state.total_mh), 4)
        .count("no_matching_work", state.hardware_errors());
    chips(out, &chains, state.phase == Phase::Asleep)
        .text("miner_version", generation.miner())
        .text("miner_id", miner_id(moment))
}

fn fans(mut out: Record, moment: &Moment<'_>, generation: Generation) -> Record {
    let (connectors, used) = generation.fans(moment);
    out = out.count("fan_num", index(moment.state.fans_rpm.len()));
    for n in 1..=connectors {
        let fan = used.iter().position(|&at| at == n).and_then(|fan| moment.state.fans_rpm.get(fan));
        out = out.count(format!("fan{n}"), fan.copied().unwrap_or(0));
    }
    out
}

fn temperatures(mut out: Record, chains: &[(usize, Option<&BoardState>)], generation: Generation) -> Record {
    let max = |sensors: [f64; 4]| whole(standard::hottest(&sensors));
    for (n, board) in chains {
        out = out.int(format!("temp{n}"), board.map_or(0, |b| max(b.pcb_c)));
    }
    for (n, board) in chains {
        out = out.int(format!("temp2_{n}"), board.map_or(0, |b| max(b.chip_c)));
    }
    for (n, _) in chains {
        out = out.int(format!("temp3_{n}"), 0);
    }
    if generation == Generation::S17 {
        for (n, board) in chains {
            out = out.text(format!("temp_pcb{n}"), dashes(&board.map_or([0.0; 4], |b| b.pcb_c)));
        }
        for (n, board) in chains {
            out = out.text(format!("temp_chip{n}"), dashes(&board.map_or([0.0; 4], |b| b.chip_c)));
        }
    }
    out
}

fn chips(mut out: Record, chains: &[(usize, Option<&BoardState>)], asleep: bool) -> Record {
    for (n, board) in chains {
        out = out.count(format!("chain_acn{n}"), board.map_or(0, |b| b.chips_ok));
    }
    for (n, board) in chains {
        out = out.text(format!("chain_acs{n}"), board.map_or_else(String::new, |b| chip_map(b, asleep)));
    }
    for (n, board) in chains {
        out = out.count(format!("chain_hw{n}"), board.map_or(0, |b| b.hardware_errors));
    }
    for (n, board) in chains {
        let rate = board.map_or_else(String::new, |b| format!("{:.2}", ghs(b.rate_5s)));
        out = out.text(format!("chain_rate{n}"), rate);
    }
    let present = || chains.iter().filter(|(_, board)| board.is_some()).map(|(n, _)| *n);
    for n in present() {
        out = out.text(format!("chain_xtime{n}"), "{}");
    }
    for n in present() {
        out = out.text(format!("chain_offside_{n}"), "0");
    }
    for n in present() {
        out = out.text(format!("chain_opencore_{n}"), "0");
    }
    out
}
