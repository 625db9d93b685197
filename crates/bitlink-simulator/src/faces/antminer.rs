//! Bitmain's stock firmware of the S19, S21 and later generations.
//!
//! Its quirks: five permitted commands and no joined ones, always three pools, `total rate` with a space,
//! `Tenperature`, `Pool Stale%%`, board rates as texts, `Last Share Difficulty` of a device that is a time.

pub(crate) mod fresh;
mod service;
pub(crate) mod web;

use super::{cgminer::records, standard};
use crate::calendar::ago;
use crate::call::Call;
use crate::daemon::{Daemon, Part};
use crate::face::{Content, Document, Doorway, Ending, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs, percent};
use crate::number::{index, real, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase, PoolState};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Antminer;

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
const MODELS: [Model; 9] = [
    Model {
        name: Some("S19 Pro"),
        printed: "Antminer S19 Pro",
        chips: 114,
        ths: 110.0,
        frequency_mhz: 525.0,
        ..S19
    },
    S19,
    Model {
        name: Some("S19j Pro"),
        printed: "Antminer S19j Pro",
        chips: 126,
        ths: 104.0,
        watts: 3068.0,
        frequency_mhz: 545.0,
        ..S19
    },
    Model {
        name: Some("S19 XP"),
        printed: "Antminer S19 XP",
        chips: 110,
        ths: 140.0,
        watts: 3010.0,
        frequency_mhz: 515.0,
        ..S19
    },
    Model {
        name: Some("S21"),
        printed: "Antminer S21",
        chips: 108,
        ths: 200.0,
        watts: 3500.0,
        frequency_mhz: 490.0,
        ..S19
    },
    Model {
        name: Some("S21 Pro"),
        printed: "Antminer S21 Pro",
        chips: 65,
        ths: 234.0,
        watts: 3510.0,
        frequency_mhz: 520.0,
        ..S19
    },
    Model {
        name: Some("T21"),
        printed: "Antminer T21",
        chips: 108,
        ths: 190.0,
        watts: 3610.0,
        frequency_mhz: 465.0,
        ..S19
    },
    Model {
        name: Some("S19 XP Hydro"),
        printed: "Antminer S19 XP Hyd.",
        chips: 204,
        fans: 0,
        ths: 255.0,
        watts: 5304.0,
        frequency_mhz: 515.0,
        ..S19
    },
    Model {
        name: Some("S21+ Hydro"),
        printed: "Antminer S21+ Hyd.",
        chips: 95,
        fans: 0,
        ths: 319.0,
        watts: 4785.0,
        frequency_mhz: 540.0,
        ..S19
    },
];

/// What the configuration lets everybody ask (A.7).
const PERMITTED: [&str; 5] = ["stats", "pools", "devs", "summary", "version"];
/// Slots for boards and pools that the firmware always prints.
const BOARD_SLOTS: usize = 4;
pub(crate) const POOL_SLOTS: usize = 3;

impl Face for Antminer {
    fn family(&self) -> Family {
        Family::ANTMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first, ..] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "Antminer"
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        let call = Call::read(request, &["command"]);
        let wants_new =
            call.json.as_ref().and_then(|json| json.get("new_api")).is_some_and(|flag| *flag == true);
        if wants_new
            && let Ok(command) = &call.command
            && let Some(reply) = fresh::reply(moment, command, fresh::Channel::Api)
        {
            return Document { form: call.form, content: Content::Single(reply), ending: Ending::Nul };
        }
        self.answer_call(moment, &call)
    }

    /// Water has no fans, and a sleeping machine looks like a broken one.
    fn reveals(&self, model: &Model, fault: FaultKind) -> bool {
        fault != FaultKind::Asleep && (model.fans > 0 || fault != FaultKind::FanFailed)
    }

    fn doors(&self) -> &'static [Doorway] {
        Doorway::API_AND_WEB
    }

    fn doors_of(&self, model: &Model) -> &'static [Doorway] {
        if service::is_on(model) { service::DOORS } else { self.doors() }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        if request.port == service::PORT {
            return service::answer(moment, request);
        }
        let build = build(moment);
        // The type has a page of its own since the S21 came.
        let tells_type = build.newer && build.compiled.ends_with("2024");
        let site = web::Site { compiled: build.compiled, newer: true, tells_type, api: &|_| None };
        web::answer(moment, &site, request)
    }
}

/// What a machine's firmware says of its build.
pub(crate) struct Build {
    pub(crate) miner: &'static str,
    pub(crate) compiled: &'static str,
    /// Unlisted commands are unknown instead of denied.
    pub(crate) newer: bool,
}

const BUILDS: [Build; 3] = [
    Build { miner: "49.0.1.3", compiled: "Mon Sep 14 11:02:31 CST 2020", newer: false },
    Build { miner: "uart_trans.1.3", compiled: "Tue Dec  6 16:45:11 CST 2022", newer: true },
    Build { miner: "uart_trans.1.3", compiled: "Fri Mar 15 09:20:05 CST 2024", newer: true },
];

/// The build a machine runs. The S21 generation never had the oldest.
pub(crate) fn build(moment: &Moment<'_>) -> &'static Build {
    let [oldest, middle, newest] = &BUILDS;
    match Seed::new(moment.spec.seed).of("build").below(3) {
        _ if moment.spec.model.printed.contains("21") => newest,
        0 => oldest,
        1 => middle,
        _ => newest,
    }
}

impl Daemon for Antminer {
    fn description(&self, _: &Moment<'_>) -> String {
        "cgminer 1.0.0".to_owned()
    }

    fn joins(&self) -> bool {
        false
    }

    fn joinable(&self, _: &str) -> bool {
        false
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _: Option<&str>) -> Option<Part> {
        let state = moment.state;
        Some(match command {
            "version" => Part::section(
                22,
                "CGMiner versions",
                "VERSION",
                Node::one(versions(moment).with(compiled(moment))),
            ),
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment))),
            "pools" => {
                let pools =
                    (0_i64..).zip(slots(&state.pools)).map(|(i, slot)| pool(moment, i, slot, "Pool Stale%%"));
                Part::section(7, format!("{POOL_SLOTS} Pool(s)"), "POOLS", records(pools.collect()))
            }
            "stats" => {
                let head = header(moment);
                Part::section(70, "CGMiner stats", "STATS", records(vec![head, stats(moment)]))
            }
            "devs" => Part::section(9, "1 ASC(s)", "DEVS", Node::one(device(moment))),
            _ if build(moment).newer => return None,
            other if PERMITTED.contains(&other) => return None,
            other => Part::denied(other),
        })
    }
}

/// The pools and, after them, empty slots up to three.
pub(crate) fn slots(pools: &[PoolState]) -> impl Iterator<Item = Option<&PoolState>> {
    pools.iter().map(Some).chain(std::iter::repeat(None)).take(POOL_SLOTS)
}

fn versions(_: &Moment<'_>) -> Record {
    Record::new().text("BMMiner", "1.0.0").text("API", "3.1")
}

fn compiled(moment: &Moment<'_>) -> Record {
    let build = build(moment);
    Record::new()
        .text("Miner", build.miner)
        .text("CompileTime", build.compiled)
        .text("Type", moment.spec.model.printed)
}

fn header(moment: &Moment<'_>) -> Record {
    Record::new().text("BMMiner", "1.0.0").with(compiled(moment))
}

pub(crate) fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let (accepted, rejected, late) = (state.accepted(), state.rejected(), state.stale());
    let submitted = accepted + rejected + late;
    Record::new()
        .count("Elapsed", state.elapsed_s)
        .short("GHS 5s", ghs(state.rate_5s))
        .short("GHS av", ghs(state.rate_avg))
        .short("GHS 30m", ghs(state.rate_30m))
        .int("Found Blocks", 0)
        .count("Getwork", state.getworks())
        .count("Accepted", accepted)
        .count("Rejected", rejected)
        .count("Hardware Errors", state.hardware_errors())
        .short("Utility", standard::per_minute(state, real(accepted)))
        .count("Discarded", state.discarded())
        .count("Stale", late)
        .int("Get Failures", 0)
        .count("Local Work", state.getworks() * 37 + accepted)
        .int("Remote Failures", 0)
        .count("Network Blocks", state.network_blocks)
        .short("Total MH", state.total_mh)
        .short("Work Utility", standard::work_utility(state))
        .short("Difficulty Accepted", standard::difficulty(moment, accepted))
        .short("Difficulty Rejected", standard::difficulty(moment, rejected))
        .short("Difficulty Stale", standard::difficulty(moment, late))
        .count("Best Share", state.best_share)
        .fixed("Device Hardware%", standard::hardware_percent(state.hardware_errors(), state.total_mh), 4)
        .fixed("Device Rejected%", percent(rejected, submitted), 4)
        .fixed("Pool Rejected%", percent(rejected, submitted), 4)
        .fixed("Pool Stale%", percent(late, submitted), 4)
        .count("Last getwork", standard::last_work(state))
}

/// Bitmain's "human" difficulty: three significant digits and a suffix.
pub(crate) fn human(difficulty: u64) -> String {
    let mut value = real(difficulty);
    let mut suffix = "";
    for next in ["K", "M", "G", "T"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        suffix = next;
    }
    let decimals = match value {
        _ if suffix.is_empty() => 0,
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{suffix}")
}

/// A pool, or an empty slot; the spelling of the key of the stale share is the only thing that differs between builds.
pub(crate) fn pool(
    moment: &Moment<'_>,
    position: i64,
    slot: Option<&PoolState>,
    stale_key: &'static str,
) -> Record {
    let empty = PoolState::empty();
    let pool = slot.unwrap_or(&empty);
    let submitted = pool.accepted + pool.rejected + pool.stale;
    let difficulty = real(pool.difficulty);
    Record::new()
        .int("POOL", position)
        .text("URL", pool.url.as_str())
        .text("Status", standard::pool_status(pool))
        .int("Priority", position)
        .int("Quota", 1)
        .yes("Long Poll", false)
        .count("Getworks", pool.getworks)
        .count("Accepted", pool.accepted)
        .count("Rejected", pool.rejected)
        .count("Discarded", pool.discarded)
        .count("Stale", pool.stale)
        .int("Get Failures", 0)
        .int("Remote Failures", 0)
        .text("User", pool.user.as_str())
        .text("Last Share Time", pool.last_share_ago_s.map_or_else(|| "0".to_owned(), ago))
        .text("Diff", if pool.alive { human(pool.difficulty) } else { String::new() })
        .count("Diff1 Shares", pool.accepted.saturating_mul(pool.difficulty))
        .text("Proxy Type", "")
        .text("Proxy", "")
        .short("Difficulty Accepted", real(pool.accepted) * difficulty)
        .short("Difficulty Rejected", real(pool.rejected) * difficulty)
        .short("Difficulty Stale", real(pool.stale) * difficulty)
        .short("Last Share Difficulty", if pool.accepted > 0 { difficulty } else { 0.0 })
        // Spare pools stay connected: several can be active at once.
        .flag("Has Stratum", true)
        .flag("Stratum Active", pool.alive)
        .text("Stratum URL", if pool.alive { standard::pool_host(pool) } else { "" })
        .flag("Has GBT", false)
        .count("Best Share", if pool.accepted > 0 { moment.state.best_share } else { 0 })
        .fixed("Pool Rejected%", percent(pool.rejected, submitted), 4)
        .fixed(stale_key, percent(pool.stale, submitted), 4)
}

fn device(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let hottest = state.boards_present().flat_map(|(_, board)| board.pcb_c).reduce(f64::max).unwrap_or(0.0);
    Record::new()
        .int("ASC", 0)
        .text("Name", "BTM_SOC")
        .int("ID", 0)
        .yes("Enabled", true)
        .text("Status", "Alive")
        .int("Tenperature", whole(hottest))
        .short("MHS av", 0.0)
        .short("MHS 5s", 0.0)
        .count("Accepted", state.accepted())
        .count("Rejected", state.rejected())
        .count("Hardware Errors", state.hardware_errors())
        .short("Utility", standard::per_minute(state, real(state.accepted())))
        .int("Last Share Pool", 0)
        .count("Last Share Time", standard::last_work(state))
        .short("Total MH", 0.0)
        .int("Diff1 Work", 0)
        .short("Difficulty Accepted", standard::difficulty(moment, state.accepted()))
        .short("Difficulty Rejected", standard::difficulty(moment, state.rejected()))
        .count("Last Share Difficulty", standard::last_work(state))
        .flag("No Device", false)
        .count("Last Valid Work", standard::last_work(state))
        .fixed("Device Hardware%", standard::hardware_percent(state.hardware_errors(), state.total_mh), 4)
        .fixed("Device Rejected%", 0.0, 4)
        .count("Device Elapsed", state.elapsed_s)
}

/// The status letters of a board's chips in groups: `o` fine, `x` lost.
pub(crate) fn chip_map(board: &BoardState, asleep: bool) -> String {
    let group = if board.chips.is_multiple_of(9) { 9 } else { 8 };
    let mut map = String::new();
    for chip in 0..board.chips {
        if chip % group == 0 {
            map.push(' ');
        }
        map.push(if asleep || chip >= board.chips_ok { 'x' } else { 'o' });
    }
    map
}

/// Temperatures as a dash list.
pub(crate) fn dashes(sensors: &[f64]) -> String {
    sensors.iter().map(|&t| whole(t).to_string()).collect::<Vec<_>>().join("-")
}

/// A board's lists of temperatures: of the board, the chips, and as they are measured. On some that water cools, the
/// water's stand among them.
pub(crate) fn sensors(moment: &Moment<'_>, board: &BoardState) -> [[f64; 4]; 3] {
    let [first, second, third, fourth] = board.pcb_c;
    if moment.spec.model.name != Some("S21+ Hydro") || board.chips_ok == 0 {
        return [board.pcb_c, board.chip_c, board.raw_c];
    }
    let inlet = moment.state.ambient_c + 8.0;
    let hottest = standard::hottest(&board.chip_c);
    [[inlet, second, f64::midpoint(inlet, third), fourth], board.chip_c, [hottest, first, second, third]]
}

/// Slots of boards by the number the firmware prints, from 1.
pub(crate) fn board_slots(boards: &[BoardState]) -> impl Iterator<Item = (usize, Option<&BoardState>)> {
    (1..=BOARD_SLOTS.max(boards.len())).map(|n| (n, boards.get(n - 1).filter(|board| board.present)))
}

pub(crate) fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let asleep = state.phase == Phase::Asleep;
    let frequency = whole(state.frequency_mhz);
    let mut out = Record::new()
        .int("STATS", 0)
        .text("ID", "BTM_SOC0")
        .count("Elapsed", state.elapsed_s)
        .int("Calls", 0)
        .int("Wait", 0)
        .int("Max", 0)
        .int("Min", 99_999_999)
        .short("GHS 5s", ghs(state.rate_5s))
        .short("GHS av", ghs(state.rate_avg))
        .short("rate_30m", ghs(state.rate_30m))
        .int("Mode", 2)
        .count("miner_count", index(state.boards_present().count()))
        .int("frequency", frequency)
        .count("fan_num", index(state.fans_rpm.len()));
    for (n, rpm) in (1..).zip(&state.fans_rpm) {
        out = out.count(format!("fan{n}"), *rpm);
    }
    out = out.count("temp_num", index(state.boards_present().count()));
    for (n, board) in board_slots(&state.boards) {
        if let Some(board) = board {
            out = out
                .int(format!("temp{n}"), whole(standard::hottest(&board.pcb_c)))
                .int(format!("temp2_{n}"), whole(standard::hottest(&board.chip_c)));
        }
    }
    for (i, key) in ["temp_pcb", "temp_chip", "temp_pic"].into_iter().enumerate() {
        let sensors = |board: &BoardState| sensors(moment, board).get(i).copied().unwrap_or_default();
        for (n, board) in board_slots(&state.boards) {
            out = out.text(format!("{key}{n}"), dashes(&board.map_or([0.0; 4], sensors)));
        }
    }
    out = out
        .short("total_rateideal", ghs(state.rate_ideal))
        .text("rate_unit", "GH")
        .int("total_freqavg", frequency)
        .count("total_acn", state.chips_ok())
        .short("total rate", ghs(state.rate_avg))
        .int("temp_max", 0)
        .count("no_matching_work", state.hardware_errors());
    for (n, board) in board_slots(&state.boards) {
        out = out.count(format!("chain_acn{n}"), board.map_or(0, |b| b.chips_ok));
    }
    for (n, board) in board_slots(&state.boards) {
        out = out.text(format!("chain_acs{n}"), board.map_or_else(String::new, |b| chip_map(b, asleep)));
    }
    for (n, board) in board_slots(&state.boards) {
        out = out.count(format!("chain_hw{n}"), board.map_or(0, |b| b.hardware_errors));
    }
    for (n, board) in board_slots(&state.boards) {
        out = out.text(
            format!("chain_rate{n}"),
            board.map_or_else(String::new, |b| format!("{:.2}", ghs(b.rate_5s))),
        );
    }
    for (n, board) in board_slots(&state.boards) {
        out = out.int(format!("freq{n}"), board.map_or(0, |b| whole(b.frequency_mhz)));
    }
    out.text("miner_version", build(moment).miner).text("miner_id", miner_id(moment))
}

/// The control board's burnt-in id.
pub(crate) fn miner_id(moment: &Moment<'_>) -> String {
    format!("{:016x}", Seed::new(moment.spec.seed).of("miner id").bits())
}
