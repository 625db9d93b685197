//! Innosilicon's firmware (`innominer`): cgminer's replies with one record of `stats` for each chain on TCP 4028, as public farm
//! software reads them. Its web server is in [`web`].

mod web;

use super::cgminer::records;
use super::standard;
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, PRIVILEGED, Part};
use crate::face::{Document, Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, mhs};
use crate::number::{index, whole};
use crate::state::BoardState;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Innosilicon;

const T3H: Model = Model {
    make: Some("Innosilicon"),
    name: Some("T3H+"),
    printed: "t3h+",
    boards: 3,
    chips: 114,
    fans: 4,
    ths: 57.0,
    watts: 3300.0,
    frequency_mhz: 1080.0,
    voltage: 0.405,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 1] = [T3H];

const VERSION: &str = "1.2.7";

impl Face for Innosilicon {
    fn family(&self) -> Family {
        Family::INNOSILICON
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "inno"
    }

    /// It says neither what it should do nor that it sleeps, and of its fans only how they are driven.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::Asleep | FaultKind::FanFailed | FaultKind::Slow)
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

impl Daemon for Innosilicon {
    fn description(&self, moment: &Moment<'_>) -> String {
        format!("innominer {}-{VERSION}", moment.spec.model.printed)
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, _parameter: Option<&str>) -> Option<Part> {
        let state = moment.state;
        let boards = || state.boards_present();
        Some(match command {
            "version" => {
                let version = Record::new().text("CGMiner", "4.10.0").text("API", "3.7");
                Part::section(22, "CGMiner versions", "VERSION", Node::one(version))
            }
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(standard::summary_mhs(moment))),
            "devs" if boards().count() == 0 => Part::status('E', 10, "No ASCs"),
            "devs" => {
                let devices = boards().map(|(i, board)| standard::device(moment, "ASC", "HLT", i, board));
                let devices: Vec<Record> = devices.collect();
                Part::section(9, format!("{} ASC(s)", devices.len()), "DEVS", records(devices))
            }
            "pools" => {
                let pools = (0_i64..).zip(&state.pools).map(|(i, pool)| standard::pool(moment, i, i, pool));
                let pools: Vec<Record> = pools.collect();
                Part::section(7, format!("{} Pool(s)", pools.len()), "POOLS", records(pools))
            }
            "stats" => {
                let chains = boards().zip(0_u64..).map(|((i, board), n)| chain(moment, n, i, board));
                Part::section(70, "CGMiner stats", "STATS", records(chains.collect()))
            }
            other if PRIVILEGED.contains(&other) => Part::denied(other),
            _ => return None,
        })
    }
}

/// A chain, then its chips one by one under keys that begin with their number.
fn chain(moment: &Moment<'_>, n: u64, slot: usize, board: &BoardState) -> Record {
    let [hottest, _, cool, warm] = board.chip_c;
    let coolest = board.chip_c.iter().copied().fold(f64::MAX, f64::min);
    let duty = whole(moment.state.fan_duty * 100.0);
    let pll = if moment.state.rate_5s > 0.0 { whole(board.frequency_mhz) } else { 0 };
    let millivolts = board.voltage * 1000.0;
    let mut out = Record::new()
        .count("STATS", n)
        .text("ID", format!("HLT{slot}"))
        .count("Elapsed", moment.state.elapsed_s)
        .int("Calls", 0)
        .fixed("Wait", 0.0, 6)
        .fixed("Max", 0.0, 6)
        .fixed("Min", 99_999_999.0, 6)
        .count("Chain ID", index(slot))
        .count("Num chips", board.chips)
        .count("Num cores", board.chips * 32)
        .count("Num active chips", board.chips_ok)
        .fixed("Temp", f64::midpoint(cool, warm), 2)
        .fixed("Temp max", hottest, 2)
        .fixed("Temp min", coolest, 2)
        .int("Fan duty", duty)
        .int("iVid", 12)
        .int("PLL", pll)
        .fixed("Voltage Max", millivolts + 6.0, 2)
        .fixed("Voltage Min", millivolts - 6.0, 2)
        .fixed("Voltage Avg", millivolts, 2)
        .fixed("MHS av", mhs(board.rate_avg), 4)
        .text("Enabled chips", "f".repeat(usize::try_from(board.chips.div_ceil(4)).unwrap_or(0)));
    for (chip, celsius) in (0..board.chips_ok).zip(board.chip_c.iter().cycle()) {
        out = out
            .count(format!("{chip:02} HW errors"), board.hardware_errors / board.chips.max(1))
            .int(format!("{chip:02} Stales"), 0)
            .count(format!("{chip:02} Nonces found"), board.accepted)
            .int(format!("{chip:02} nVol"), whole(millivolts))
            .fixed(format!("{chip:02} Temp"), *celsius, 2);
    }
    out
}
