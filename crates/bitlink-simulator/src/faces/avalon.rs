//! Canaan's firmware (Canaan's universal API manual): a cgminer whose statistics hold the machine in one bracket string.
//!
//! Since the A10 `version` names the model; the 7xx and 8xx say cgminer only, and their driver's name tells. The Q and the
//! Nano wrap the string in groups and keep the chips apart. Commands that write are not simulated.

mod orders;

use super::cgminer::{Cgminer, records};
use super::standard;
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, Part};
use crate::face::{Document, Face, Moment};
use crate::fault::{Fault, FaultKind};
use crate::miner::Model;
use crate::node::{Node, Record, ghs};
use crate::number::{index, real, whole};
use crate::seed::Seed;
use crate::state::{BoardState, Phase};
use bitlink_model::Family;
use std::fmt::{Display, Write};

/// See the file.
#[derive(Debug)]
pub(crate) struct Avalon {
    /// The 7xx and 8xx.
    pub(crate) old: bool,
}

const A1246: Model = Model {
    make: Some("Avalon"),
    name: Some("A1246"),
    printed: "1246-90",
    boards: 3,
    chips: 120,
    fans: 4,
    ths: 90.0,
    watts: 3420.0,
    frequency_mhz: 520.0,
    voltage: 13.2,
    fan_rpm: 7000.0,
};
const A741: Model = Model {
    name: Some("A741"),
    printed: "7411706-3162860",
    boards: 4,
    chips: 22,
    fans: 1,
    ths: 7.3,
    watts: 1150.0,
    voltage: 12.1,
    ..A1246
};
const MODELS: [Model; 5] = [
    A1246,
    Model { name: Some("A1066"), printed: "1066", chips: 114, ths: 50.0, watts: 3250.0, ..A1246 },
    Model { name: Some("A15"), printed: "15-194", chips: 160, fans: 2, ths: 194.0, watts: 3647.0, ..A1246 },
    Model {
        name: Some("Q"),
        printed: "Q",
        boards: 1,
        chips: 160,
        ths: 90.0,
        watts: 1674.0,
        voltage: 22.9,
        ..A1246
    },
    Model {
        name: Some("Nano3s"),
        printed: "Nano3s",
        boards: 1,
        chips: 12,
        fans: 1,
        ths: 6.0,
        watts: 140.0,
        voltage: 27.4,
        fan_rpm: 3600.0,
        ..A1246
    },
];
const MODELS_OLD: [Model; 2] = [
    A741,
    Model { name: Some("A841"), printed: "8411804-71f6c30", chips: 26, ths: 13.0, watts: 1290.0, ..A741 },
];

/// What sets the generations apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    /// 7xx, 8xx.
    Old,
    /// Knows the power that goes out.
    A10,
    /// Knows the power that comes in.
    A12,
    /// Knows the power at the wall, and soft-off.
    A15,
    /// Q and Nano.
    Home,
}

impl Generation {
    fn of(model: &Model) -> Self {
        match model.printed.split('-').next().unwrap_or_default() {
            "1066" => Self::A10,
            "1246" => Self::A12,
            "15" => Self::A15,
            "Q" | "Nano3s" => Self::Home,
            _ => Self::Old,
        }
    }

    const fn knows_soft_off(self) -> bool {
        matches!(self, Self::A15 | Self::Home)
    }
}

impl Face for Avalon {
    fn family(&self) -> Family {
        if self.old { Family::AVALON_OLD } else { Family::AVALON }
    }

    fn models(&self) -> &'static [Model] {
        if self.old { &MODELS_OLD } else { &MODELS }
    }

    fn default_model(&self) -> &'static Model {
        let ([new, ..], [old, ..]) = (&MODELS, &MODELS_OLD);
        if self.old { old } else { new }
    }

    fn host_prefix(&self) -> &'static str {
        "Avalon"
    }

    fn reveals(&self, model: &Model, fault: FaultKind) -> bool {
        fault != FaultKind::Asleep || Generation::of(model).knows_soft_off()
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }
}

impl Daemon for Avalon {
    fn description(&self, _: &Moment<'_>) -> String {
        format!("cgminer {}", self.program())
    }

    fn joins(&self) -> bool {
        true
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command) || command == "litestats"
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let generation = Generation::of(moment.spec.model);
        let said = |records: Vec<Record>| Part::section(70, "CGMiner stats", "STATS", self::records(records));
        Some(match command {
            "version" => Part::section(22, "CGMiner versions", "VERSION", Node::one(self.version(moment))),
            "summary" => Part::section(11, "Summary", "SUMMARY", Node::one(summary(moment))),
            "devs" | "edevs" => {
                let device = standard::device(moment, "ASC", self.driver().0, 0, &together(moment));
                Part::section(9, "1 ASC(s)", "DEVS", Node::one(device))
            }
            "devdetails" => Part::section(69, "Device Details", "DEVDETAILS", Node::one(self.details())),
            "asccount" => Part::section(104, "ASC count", "ASCS", Node::one(Record::new().int("Count", 1))),
            "stats" | "estats" => said(vec![statistics(moment, true)]),
            "litestats" if generation == Generation::Home => said(vec![statistics(moment, false)]),
            other => {
                let told = orders::answer(self, moment, other, parameter);
                return told.or_else(|| Cgminer.part(moment, other, parameter));
            }
        })
    }
}

impl Avalon {
    const fn program(&self) -> &'static str {
        if self.old { "4.10.0" } else { "4.11.1" }
    }

    /// Code and name of the driver.
    const fn driver(&self) -> (&'static str, &'static str) {
        if self.old { ("AV7", "avalon7") } else { ("AVA1", "avalon10") }
    }

    fn details(&self) -> Record {
        let (code, name) = self.driver();
        Record::new()
            .int("DEVDETAILS", 0)
            .text("Name", code)
            .int("ID", 0)
            .text("Driver", name)
            .text("Kernel", "")
            .text("Model", "")
            .text("Device Path", "")
    }

    fn version(&self, moment: &Moment<'_>) -> Record {
        let head = Record::new().text("CGMiner", self.program()).text("API", "3.7");
        let model = moment.spec.model.printed;
        let mac = moment.spec.mac.to_string().replace(':', "").to_ascii_lowercase();
        let (product, hardware, software) = match Generation::of(moment.spec.model) {
            Generation::Old => return head,
            Generation::Home if model == "Q" => ("Avalon Q".to_owned(), "Q_MM1v1_X1", "MM319"),
            Generation::Home => ("AvalonNano".to_owned(), "N_MM1v1_X1", "MM318"),
            // A name without a model.
            Generation::A15 => ("AvalonMiner 15".to_owned(), "MM4v2_X3", "MM319"),
            Generation::A10 | Generation::A12 => (format!("AvalonMiner {model}"), "MM3v2_X3", "MM314"),
        };
        let (dna, build) = (dna(moment), build(moment));
        let named = |head: Record| {
            head.text("PROD", product).text("MODEL", model).text("HWTYPE", hardware).text("SWTYPE", software)
        };
        if Generation::of(moment.spec.model) == Generation::Home {
            return named(head)
                .text("LVERSION", build.as_str())
                .text("BVERSION", build.as_str())
                .text("CGVERSION", "1234567_89abcde_0011223")
                .text("HBMCUVERSION", "hb_v1.1")
                .text("FANMCUVERSION", "fb_v1.2")
                .text("DNA", dna)
                .text("MAC", mac)
                .text("UPAPI", "2");
        }
        named(head.text("STM8", "20.08.01"))
            .text("VERSION", build)
            .text("LOADER", "00c0ffee.00")
            .text("DNA", dna)
            .text("MAC", mac)
            .text("UPAPI", "2")
    }
}

fn dna(moment: &Moment<'_>) -> String {
    format!("{:016x}", Seed::new(moment.spec.seed).of("dna").bits())
}

fn build(moment: &Moment<'_>) -> String {
    let build = ["24010100_aaaaaaa_bbbbbbb", "24060301_ccccccc_ddddddd"];
    Seed::new(moment.spec.seed).of("build").pick(&build).copied().unwrap_or_default().to_owned()
}

/// The large machines log every 30 seconds, and the window is called so.
fn summary(moment: &Moment<'_>) -> Record {
    let mut summary = standard::summary_mhs(moment);
    if matches!(Generation::of(moment.spec.model), Generation::A10 | Generation::A12 | Generation::A15) {
        for (key, _) in summary.fields.iter_mut().filter(|(key, _)| key == "MHS 5s") {
            *key = "MHS 30s".into();
        }
    }
    summary
}

/// All boards as the one device that the driver makes of them.
fn together(moment: &Moment<'_>) -> BoardState {
    let state = moment.state;
    let sum = |of: fn(&BoardState) -> u64| state.boards.iter().map(of).sum();
    let hottest = state.boards_present().flat_map(|(_, b)| b.pcb_c).reduce(f64::max).unwrap_or(-273.0);
    BoardState {
        present: true,
        chips: sum(|b| b.chips),
        chips_ok: state.chips_ok(),
        rate_5s: state.rate_5s,
        rate_1m: state.rate_1m,
        rate_5m: state.rate_5m,
        rate_15m: state.rate_15m,
        rate_avg: state.rate_avg,
        rate_ideal: state.rate_ideal,
        total_mh: state.total_mh,
        frequency_mhz: state.frequency_mhz,
        voltage: state.output_v,
        pcb_c: [hottest; 4],
        chip_c: [hottest; 4],
        raw_c: [hottest; 4],
        hardware_errors: state.hardware_errors(),
        accepted: state.accepted(),
        rejected: state.rejected(),
        serial: String::new(),
    }
}

/// The one record of statistics; `full` adds what `litestats` leaves out.
fn statistics(moment: &Moment<'_>, full: bool) -> Record {
    let generation = Generation::of(moment.spec.model);
    let id = match generation {
        Generation::Old => "AV70",
        Generation::Home => "AVALON0",
        _ => "AVA100",
    };
    let head = Record::new()
        .int("STATS", 0)
        .text("ID", id)
        .count("Elapsed", moment.state.elapsed_s)
        .int("Calls", 0)
        .fixed("Wait", 0.0, 6)
        .fixed("Max", 0.0, 6)
        .fixed("Min", 99_999_999.0, 6);
    match generation {
        Generation::Old => head
            .text("MM ID1", old_machine(moment).0)
            .int("MM Count", 1)
            .int("Smart Speed", 1)
            .text("Connecter", "AUC")
            .text("AUC VER", "AUC-20151208")
            .int("AUC I2C Speed", 400_000)
            .int("AUC I2C XDelay", 19_200)
            .int("AUC Sensor", 14_232)
            .fixed("AUC Temperature", moment.state.ambient_c + 8.0, 2)
            .flag("Connection Overloaded", false)
            .int("Voltage Offset", 0)
            .int("Nonce Mask", 29),
        Generation::Home => {
            let head = head.text("MM ID0:Summary", format!("'STATS':{{{}}}", machine(moment).0));
            if !full {
                return head;
            }
            let boards = moment.state.boards_present();
            let groups: Vec<_> =
                boards.map(|(n, board)| format!("'HB{n}':{{{}}}", chips(moment, n, board))).collect();
            tail(head.text("HBinfo", groups.join(" ")))
        }
        _ => {
            let mut machine = machine(moment);
            for (n, board) in moment.state.boards_present() {
                machine.0.push(' ');
                machine.0.push_str(&chips(moment, n, board));
            }
            tail(head.text("MM ID0", machine.0))
        }
    }
}

fn tail(record: Record) -> Record {
    record.int("MM Count", 1).int("Smart Speed", 1).int("Voltage Level Offset", 0).int("Nonce Mask", 25)
}

/// A bracket string under construction.
#[derive(Default)]
struct Brackets(String);

impl Brackets {
    fn put(mut self, key: &str, value: impl Display) -> Self {
        let gap = if self.0.is_empty() { "" } else { " " };
        let _ = write!(self.0, "{gap}{key}[{value}]");
        self
    }

    fn list<T: Display>(self, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        self.put(key, values.join(" "))
    }
}

/// Whether the boards are fed; without power their sensors read 0.
fn fed(moment: &Moment<'_>) -> bool {
    moment.state.output_v > 0.0
}

/// Temperature and voltage of each chip of a board, padded with spaces.
fn chips(moment: &Moment<'_>, n: usize, board: &BoardState) -> String {
    let sensors = board.chip_c.iter().cycle().zip(0..board.chips_ok);
    let temperatures: Vec<String> =
        sensors.map(|(c, _)| format!("{:3} ", if fed(moment) { whole(*c) } else { 0 })).collect();
    let millivolts = if fed(moment) { 308 } else { 0 };
    Brackets::default()
        .put(&format!("PVT_T{n}"), temperatures.concat())
        .list(&format!("PVT_V{n}"), (0..board.chips_ok).map(|chip| millivolts + chip % 4))
        .0
}

/// Something of each board, a stand-in for those that are not found.
fn each<'a, T: Copy + 'a>(
    moment: &'a Moment<'_>,
    missing: T,
    of: impl Fn(&BoardState) -> T + 'a,
) -> impl Iterator<Item = T> + 'a {
    moment.state.boards.iter().map(move |board| if board.present { of(board) } else { missing })
}

/// 512 is what a healthy board may show as well.
fn board_errors<'a>(moment: &'a Moment<'_>) -> impl Iterator<Item = u64> + 'a {
    let hot = moment.state.faults.contains(&Fault::Overheating);
    moment.state.boards.iter().map(move |board| match board {
        b if !b.present || b.chips_ok < b.chips => 513,
        _ if hot => 128,
        _ => 0,
    })
}

fn mean(of: &[f64; 4]) -> f64 {
    of.iter().sum::<f64>() / 4.0
}

/// Hottest and mean chip temperature of the machine.
fn heat(moment: &Moment<'_>) -> (i64, i64) {
    let state = moment.state;
    let boards = index(state.boards_present().count());
    if !fed(moment) || boards == 0 {
        return (0, 0);
    }
    let total: f64 = state.boards_present().map(|(_, board)| mean(&board.chip_c)).sum();
    (whole(state.hottest_chip_c().unwrap_or(0.0)), whole(total / real(boards)))
}

fn machine(moment: &Moment<'_>) -> Brackets {
    let state = moment.state;
    let model = moment.spec.model;
    let generation = Generation::of(model);
    let home = generation == Generation::Home;
    let idle = matches!(state.phase, Phase::Asleep | Phase::Stopped);
    let doing = if idle { "Idle" } else { "Work" };
    let found = state.boards_present().count();
    let (hottest, average) = heat(moment);
    let mut out = Brackets::default()
        .put("Ver", format_args!("{}-{}", model.printed, build(moment)))
        .put("DNA", dna(moment))
        .put("MEMFREE", "1201472.0")
        .put("NETFAIL", "0 0 0 0 0 0 0 0")
        .put("SYSTEMSTATU", format_args!("Work: In {doing}, Hash Board: {found} "))
        .put("Elapsed", state.elapsed_s)
        .put("BOOTBY", "0x0C.00000001")
        .put("LW", state.getworks() * 37)
        .list("MH", state.boards.iter().map(|board| board.hardware_errors))
        .put("HW", state.hardware_errors())
        .put(
            "DH",
            format_args!("{:.3}%", standard::hardware_percent(state.hardware_errors(), state.total_mh)),
        );
    if matches!(generation, Generation::A10 | Generation::A12) {
        out = out.put("Temp", whole(state.ambient_c));
    } else {
        out = out
            .put("ITemp", whole(state.ambient_c))
            .put("HBITemp", whole(state.ambient_c + 3.0))
            .put("HBOTemp", whole(state.psu_c + 9.0))
            .put("Temp", -273);
    }
    out = out.put("TMax", hottest).put("TAvg", average).put("TarT", if home { 65 } else { 72 });
    for (n, rpm) in (1..).zip(&state.fans_rpm) {
        out = out.put(&format!("Fan{n}"), rpm);
    }
    out = out.put("FanR", format_args!("{}%", whole(state.fan_duty * 100.0)));
    out = supply(moment, generation, out);
    let rate = |ths: f64| format!("{:.2}", ghs(ths));
    out = out
        .put("GHSspd", rate(state.rate_5s))
        .put("GHSmm", rate(state.rate_ideal))
        .put("GHSavg", rate(state.rate_30m))
        .put("WU", format_args!("{:.2}", standard::work_utility(state)))
        .put("Freq", format_args!("{:.2}", if fed(moment) { state.frequency_mhz } else { 0.0 }))
        .put("Led", u8::from(moment.spec.settings.light))
        .list("MGHS", state.boards.iter().map(|board| rate(board.rate_5s)));
    if !home {
        let hot = |board: &BoardState| if fed(moment) { whole(standard::hottest(&board.chip_c)) } else { 0 };
        let warm = |board: &BoardState| if fed(moment) { whole(mean(&board.chip_c)) } else { 0 };
        let millivolts = if fed(moment) { 309 } else { 0 };
        out = out
            .list("MTmax", each(moment, -273, hot))
            .list("MTavg", each(moment, -273, warm))
            .list("MVavg", each(moment, 0, move |_| millivolts));
    }
    out = out.put("TA", state.chips_ok()).put("Core", if home { "A3197S" } else { "A3201" }).put("PING", 31);
    if generation.knows_soft_off() {
        out = out.put("SoftOFF", u8::from(state.phase == Phase::Asleep));
    }
    out = out.list("ECHU", board_errors(moment)).put("ECMM", 0);
    if home {
        out = out.put("FanErr", 0);
    }
    if generation != Generation::A10 {
        out = out.put("MPO", whole(moment.spec.nominal_w));
    }
    let out = out.put("WORKMODE", orders::mode(moment).unwrap_or(u8::from(home)));
    if home { out.put("WORKLEVEL", 0) } else { out }
}

/// Error bits, control voltage, board voltage, current, power out, voltage asked for; later the power that comes in.
fn supply(moment: &Moment<'_>, generation: Generation, out: Brackets) -> Brackets {
    let state = moment.state;
    let errors = if state.faults.contains(&Fault::PsuFault) { 32 } else { 0 };
    let output = if fed(moment) { state.power_w * 0.92 } else { 0.0 };
    let volts = state.output_v.max(1.0);
    let mut values = vec![
        errors,
        if generation == Generation::Home { 0 } else { 1214 },
        whole(state.output_v * 100.0),
        whole(output / volts),
        whole(output),
        whole(moment.spec.model.voltage * 100.0),
    ];
    if generation != Generation::A10 {
        values.push(whole(state.power_w));
    }
    let out = out.list("PS", values);
    if generation == Generation::A15 { out.put("WALLPOWER", whole(state.power_w)) } else { out }
}

fn old_machine(moment: &Moment<'_>) -> Brackets {
    let state = moment.state;
    let (hottest, _) = heat(moment);
    let fan = state.fans_rpm.first().copied().unwrap_or(0);
    let extremes = |board: &BoardState| {
        let [most, least, ..] = board.chip_c.map(|c| if fed(moment) { whole(c) } else { 0 });
        let average = if fed(moment) { whole(mean(&board.chip_c)) } else { 0 };
        format!("21-{least}/14-{most}/{average}")
    };
    let missing = "0-0/0-0/0".to_owned();
    let temperatures = state.boards.iter().map(|b| if b.present { extremes(b) } else { missing.clone() });
    Brackets::default()
        .put("Ver", moment.spec.model.printed)
        .put("DNA", dna(moment))
        .put("Elapsed", state.elapsed_s)
        .list("MW", state.boards.iter().map(|board| board.accepted * 11))
        .put("LW", state.getworks() * 37)
        .list("MH", state.boards.iter().map(|board| board.hardware_errors))
        .put("HW", state.hardware_errors())
        .put(
            "DH",
            format_args!("{:.3}%", standard::hardware_percent(state.hardware_errors(), state.total_mh)),
        )
        .put("Temp", whole(state.ambient_c))
        .put("TMax", hottest)
        .put("Fan", fan)
        .put("FanR", format_args!("{}%", whole(state.fan_duty * 100.0)))
        .list("Vi", each(moment, 0, |_| 1215))
        .list("Vo", each(moment, 0, |_| 4074))
        .put("GHSmm", format_args!("{:.2}", ghs(state.rate_ideal)))
        .put("WU", format_args!("{:.2}", standard::work_utility(state)))
        .put("Freq", format_args!("{:.2}", state.frequency_mhz))
        .put("PG", 15)
        .put("Led", u8::from(moment.spec.settings.light))
        .put("TA", state.chips_ok())
        .list("ECHU", board_errors(moment))
        .put("ECMM", 0)
        .put("CRC", "0 0 0 0")
        .list("PVT_T", temperatures)
}
