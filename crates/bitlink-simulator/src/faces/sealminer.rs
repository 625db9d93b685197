//! Bitdeer's `bdminer` on the SealMiner: a cgminer whose statistics are one flat record with
//! numbered keys. Windows longer than the machine has been running read low, and the summary's shortest one jumps. Its web server
//! is in [`web`].

mod orders;
mod web;

use super::cgminer::{Cgminer, records};
use super::standard;
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Doorway, Face, Moment};
use crate::fault::{Fault, FaultKind};
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, mhs};
use crate::number::{index, real, signed, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Sealminer {
    /// Whether TCP 4028 is open.
    pub(crate) api: bool,
}

const MODELS: [Model; 1] = [Model {
    make: Some("SealMiner"),
    name: Some("A2"),
    printed: "A2",
    boards: 3,
    chips: 153,
    fans: 4,
    ths: 226.0,
    watts: 3729.0,
    frequency_mhz: 610.0,
    voltage: 14.0,
    fan_rpm: 7000.0,
}];

impl Face for Sealminer {
    fn family(&self) -> Family {
        Family::SEALMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "sealminer"
    }

    /// Its pages say nothing of boards and fans, of the rate only the average, and not that it sleeps.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        let on_pages = [
            FaultKind::PsuFault,
            FaultKind::PoolDead,
            FaultKind::AllPoolsDead,
            FaultKind::Booting,
            FaultKind::Unresponsive,
            FaultKind::Rebooting,
        ];
        self.api || on_pages.contains(&fault)
    }

    fn doors(&self) -> &'static [Doorway] {
        if self.api { Doorway::API_AND_WEB } else { &[Doorway::WEB] }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        web::answer(moment, request)
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for Sealminer {
    fn description(&self, _: &Moment<'_>) -> String {
        "bdminer 4.11.1".to_owned()
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        if let Some(part) = orders::answer(moment, command, parameter) {
            return Some(part);
        }
        let boards = || moment.state.boards_present();
        Some(match command {
            "version" => {
                let version = Record::new().text("BDMiner", "4.11.1").text("API", "3.7");
                Part::section(22, "BDMiner versions", "VERSION", Node::one(version))
            }
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment))),
            "stats" | "estats" => Part::section(70, "BDMiner stats", "STATS", Node::one(stats(moment))),
            "devdetails" => {
                let details = boards().map(|(i, _)| {
                    Record::new()
                        .int("DEVDETAILS", signed(index(i)))
                        .text("Name", "BDM")
                        .int("ID", signed(index(i)))
                        .text("Driver", "bdminer")
                        .text("Kernel", "")
                        .text("Model", moment.spec.model.printed)
                        .text("Device Path", "")
                });
                Part::section(69, "Device Details", "DEVDETAILS", records(details.collect()))
            }
            "devs" | "edevs" => {
                let devices = boards().map(|(i, board)| standard::device(moment, "ASC", "BDM", i, board));
                let devices: Vec<Record> = devices.collect();
                Part::section(9, format!("{} ASC(s)", devices.len()), "DEVS", records(devices))
            }
            other => return Cgminer.part(moment, other, parameter),
        })
    }
}

/// The shortest window shows up to 1.7 times the rate now and then.
fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let jumps = Seed::new(moment.spec.seed).of("spike").nth(state.when_s / 5).below(20) == 0;
    let mut summary = standard::summary_mhs(moment);
    for (_, value) in summary.fields.iter_mut().filter(|(key, _)| jumps && key == "MHS 5s") {
        *value = Node::Bare(format!("{:.2}", mhs(state.rate_5s) * 1.7));
    }
    summary
}

fn stats(moment: &Moment<'_>) -> Record {
    let (state, spec) = (moment.state, moment.spec);
    let seed = Seed::new(spec.seed);
    let bad: u64 = state.boards_present().map(|(_, board)| board.chips - board.chips_ok).sum();
    let chips: u64 = state.boards_present().map(|(_, board)| board.chips).sum();
    let running = state.phase != Phase::Asleep;
    let tuned = if state.phase == Phase::Starting { "Tuning" } else { "Done" };
    let mut out = Record::new()
        .int("STATS", 0)
        .text("ID", "BDM0")
        .count("Elapsed", state.elapsed_s)
        .int("Calls", 0)
        .fixed("Wait", 0.0, 6)
        .fixed("Max", 0.0, 6)
        .fixed("Min", 99_999_999.0, 6)
        .text("Model", spec.model.printed)
        .text("ASIC", "Seal02-V1")
        .text(
            "Firmware",
            seed.of("build").pick(&["2025010101", "2025091001"]).copied().unwrap_or("2025091001"),
        )
        .text("Software Version", "20250910_0a1b2c3d")
        .text("Ctrl Board", "BD-CB-01")
        .text("Ctrl Board SN", format!("SIMC{:010X}", seed.of("control board").bits() >> 24))
        .text("MAC", spec.mac.to_string().to_ascii_lowercase())
        .text("IP", spec.address.to_string())
        .int("Board Count", i64::from(spec.model.boards))
        .int("Fan Count", i64::from(spec.model.fans))
        .count("Chip Count", chips)
        .count("Bad Chip Count", bad)
        .int("Chip Voltage", if state.output_v > 0.0 { 312 } else { 0 })
        .short("Freq", if state.rate_5s > 0.0 { state.frequency_mhz } else { 0.0 })
        .text("Mining Mode", "Normal")
        .text("PM State", if running { "Running" } else { "Suspended" })
        .int("Power Limit", orders::power_limit(moment))
        .text("Tune Status", tuned)
        .flag("Raise Freq Done", state.phase != Phase::Starting)
        .text("Raise Freq Done Reason", "")
        .int("Target Ctrl Temp", 70)
        .short("Temp", state.hottest_chip_c().unwrap_or(0.0))
        .short("Boot Temp", state.ambient_c)
        .count("System Uptime", state.uptime_s);
    for (window, rate, length) in [
        ("30s", state.rate_1m, 30),
        ("1m", state.rate_1m, 60),
        ("2m", state.rate_5m, 120),
        ("5m", state.rate_5m, 300),
        ("15m", state.rate_15m, 900),
        ("30m", state.rate_30m, 1800),
        ("1h", state.rate_avg, 3600),
        ("2h", state.rate_avg, 7200),
    ] {
        let filled = (real(state.elapsed_s) / f64::from(length)).min(1.0);
        out = out.fixed(format!("MHS({window})"), mhs(rate) * filled, 2);
    }
    out = out
        .fixed("MHS(Sample)", mhs(state.rate_5s), 2)
        .fixed("MHS(Avg)", mhs(state.rate_avg), 2)
        .fixed("MHS(Ideal)", mhs(state.rate_ideal), 2)
        .fixed("MHS(Rated)", mhs(spec.nominal_ths), 2)
        .text("Error Code", error_codes(moment))
        .text("Error Chip", "")
        .flag("Stratum Disconnect", !state.pools.iter().any(|pool| pool.active))
        .flag("Liquid Cooling", false)
        .count("Total Energy Consumption", state.uptime_s / 3600);
    for (n, item) in state.boards.iter().enumerate() {
        out = out.with(board(n, item, tuned));
    }
    for (n, rpm) in state.fans_rpm.iter().enumerate() {
        out = out.int(format!("{n} PWM"), whole(state.fan_duty * 100.0)).count(format!("{n} Speed"), *rpm);
    }
    out.with(supply(moment))
}

/// What the codes mean is not public; these are invented.
fn error_codes(moment: &Moment<'_>) -> &'static str {
    let hot = moment.state.faults.contains(&Fault::Overheating);
    if hot { "E101" } else { "" }
}

fn board(n: usize, board: &BoardState, tuned: &str) -> Record {
    let key = |name: &str| format!("{n} {name}");
    let found = board.present;
    let number = |value: f64| if found { value } else { 0.0 };
    let [most, least, ..] = board.chip_c;
    let mut out = Record::new()
        .flag(key("Online"), found)
        .count(key("Chip Count"), if found { board.chips } else { 0 })
        .count(key("Bad Chip Count"), if found { board.chips - board.chips_ok } else { 0 })
        .short(key("Freq"), number(board.frequency_mhz))
        .fixed(key("MHS(Ideal)"), mhs(board.rate_ideal), 2)
        .fixed(key("MHS(Sample)"), mhs(board.rate_5s), 2)
        .text(key("SN"), if found { board.serial.as_str() } else { "" });
    for (place, celsius) in [least, least - 1.0, most, most - 1.0].into_iter().enumerate() {
        out = out.short(key(&format!("Temp {place}")), if found { celsius } else { -273.0 });
    }
    out.text(key("Tune Status"), tuned)
}

fn supply(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let fed = state.output_v > 0.0;
    let output = if fed { state.power_w * 0.95 } else { 0.0 };
    let fault = state.faults.contains(&Fault::PsuFault);
    Record::new()
        .int("PSU Input Power", whole(state.power_w))
        .int("PSU Output Power", whole(output))
        .short("PSU Input Voltage", state.mains_v)
        .short("PSU Output Voltage", state.output_v)
        .short("PSU Output Current", if fed { output / state.output_v } else { 0.0 })
        .fixed("PSU Efficiency", if fed { 0.95 } else { 0.0 }, 3)
        .count("PSU Fan Speed", state.psu_fan_rpm)
        .short("PSU Temp AMB", state.psu_c)
        .text("PSU Error", if fault { "0x00000020" } else { "0x00000000" })
        .text("PSU SN", format!("SIMP{:010X}", Seed::new(moment.spec.seed).of("psu").bits() >> 24))
        .text("PSU Model", "BDP-4000")
        .text("PSU Firmware", "1.0.7")
}
