//! ePIC's PowerPlay firmware: HTTP at the port where others have the CGMiner API, and a page for people at port 80
//! (ePIC, PowerPlay API).
//!
//! Everybody may read; only what changes something wants the password. Errors are a word or an object with one key.

mod commands;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Page, Question};
use crate::exchange::API_DOOR;
use crate::record::{Oddities, Record};
use bitlink_model::{
    Board, Capabilities, Component, DeviceError, Family, Fan, Firmware, HashRate, Identity, Make,
    MinerSnapshot, MiningState, Pool, PoolStatus, Psu, Severity, Source, Temperature, Text,
};
use serde_json::Value;

/// PowerPlay.
#[derive(Debug)]
pub struct Epic;

const CAPABILITIES: &str = "capabilities";
const SUMMARY: &str = "summary page";
const NETWORK: &str = "network";
const CHIPS: &str = "chip temperatures";
const RATES: &str = "chip rates";

const fn page(name: &'static str, path: &'static str) -> Question {
    Question::page(name, Page::get(path).at(API_DOOR))
}

/// More fans than any of these machines has connectors for.
const MAX_FANS: u32 = 12;
const MAX_BOARDS: u32 = 16;
const MAX_CHIPS: u32 = 10_000;

impl Dialect for Epic {
    fn family(&self) -> Family {
        Family::EPIC
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let capable = evidence.answers.get(CAPABILITIES).is_some_and(|document| {
            let root = document.root();
            root.contains_key("Model")
                && (root.contains_key("Max HBs") || root.contains_key("Performance Estimator"))
        });
        capable || evidence.shows("MINER WEB DASHBOARD")
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[page(CAPABILITIES, "/capabilities"), page(NETWORK, "/network")] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        if let Some(r) = heard.page(CAPABILITIES, oddities) {
            identity.model_raw = r.text("Model").map(Text::from);
            (identity.make, identity.model) =
                identity.model_raw.as_deref().map(make_and_model).unwrap_or_default();
            identity.serial =
                r.record("Control Board Version").and_then(|board| Some(board.text("cpuSerial")?.into()));
        }
        let network = heard.page(NETWORK, oddities);
        let network = network.and_then(|r| r.record("dhcp").or_else(|| r.record("static")));
        identity.mac = network.and_then(|r| r.text("mac_address")?.parse().ok());
        identity.firmware = Some(Firmware::new(self.family()));
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            &[
                page(SUMMARY, "/summary").required(),
                page(CAPABILITIES, "/capabilities"),
                page(CHIPS, "/temps/chip"),
                page(RATES, "/hashrate"),
            ]
        }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        let Some(r) = answers.page(SUMMARY, oddities) else { return };
        let capabilities = answers.page(CAPABILITIES, oddities);
        read_identity(r, snapshot);
        read_state(r, snapshot);
        read_session(r, snapshot);
        read_boards(r, capabilities, snapshot);
        if let Some(r) = capabilities {
            snapshot.boards_expected = r.small("Max HBs", MAX_BOARDS);
            snapshot.chips_expected =
                r.record("Performance Estimator").and_then(|r| r.small("Chip Count", MAX_CHIPS));
        }
        read_chips(answers, snapshot, oddities);
        read_cooling(r, snapshot);
        read_supply(r, snapshot);
        read_pools(r, snapshot);
    }
}

/// Its own machines bear its name; on others its control board only took the place of the vendor's.
fn make_and_model(raw: &str) -> (Option<Make>, Option<Text>) {
    match raw.trim().strip_prefix("ePIC ") {
        Some(model) => (Some(Make::EPIC), Some(model.into())),
        None => base::make_and_model(raw),
    }
}

fn read_identity(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.identity.hostname = r.text("Hostname").map(Text::from);
    if let Some(firmware) = &mut snapshot.identity.firmware {
        // `PowerPlay-BMS v1.15.4`
        firmware.software = r.text("Software").map(Text::from);
        firmware.version = r
            .text("Software")
            .and_then(|s| s.split_whitespace().find(|w| w.starts_with('v')))
            .map(Text::from);
    }
}

fn read_state(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let Some(status) = r.record("Status") else { return };
    snapshot.mining_state = match status.text("Operating State") {
        Some("Mining" | "AdjustingClockVoltage") => Some(MiningState::Mining),
        // It idles by wish, or because it cannot mine: then the last wish was another.
        Some("Idling") if status.text("Last Command") == Some("Autostart") => Some(MiningState::Failed),
        Some("Idling" | "Stopping") => Some(MiningState::Stopped),
        Some(
            "Initializing" | "Loading" | "PreInitCooldown" | "Rebooting" | "SoftRebooting" | "Testing"
            | "UpdatingFirmware",
        ) => Some(MiningState::Starting),
        _ => None,
    };
    if let Some(error) = status.raw("Last Error").and_then(error) {
        // It idles because it must.
        if snapshot.mining_state == Some(MiningState::Stopped) {
            snapshot.mining_state = Some(MiningState::Failed);
        }
        snapshot.errors.push(error);
    }
    snapshot.light = r.record("Misc").and_then(|misc| misc.flag("Locate Miner State"));
    let tuner = r.record("PerpetualTune");
    let algorithm = tuner.and_then(|t| t.record("Algorithm"));
    snapshot.tuning.mode = algorithm.and_then(|a| a.map().keys().next().cloned()).map(Text::from);
    let algorithm = algorithm.and_then(|a| Some(a.sibling(a.map().values().next()?.as_object()?)));
    snapshot.tuning.settled = algorithm.and_then(|a| a.flag("Optimized"));
    snapshot.power_limit = r.record("PresetInfo").and_then(|preset| preset.watts("Target Power"));
}

/// A word, or an object whose one key is the word and whose value says what of.
fn error(value: &Value) -> Option<DeviceError> {
    let (code, detail) = match value {
        Value::String(word) => (word.trim(), None),
        Value::Object(map) => {
            let (key, value) = map.iter().next()?;
            (key.as_str(), Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
        }
        _ => return None,
    };
    if code.is_empty() || code == "None" {
        return None;
    }
    let component = match code {
        _ if code.contains("Fans") => Some(Component::Fan(None)),
        _ if code.contains("Temp") => Some(Component::Temperature),
        _ if code.contains("Psu") => Some(Component::Psu),
        _ if code.contains("Hb")
            || code.contains("Hashboard")
            || code.contains("Chain")
            || code.contains("Chip") =>
        {
            Some(Component::Board(None))
        }
        _ => None,
    };
    let message = detail.map_or_else(|| code.to_owned(), |detail| format!("{code}: {detail}"));
    let mut error = DeviceError::new(Severity::Critical, message).with_code(code);
    error.component = component;
    Some(error)
}

fn read_session(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let Some(session) = r.record("Session") else { return };
    snapshot.elapsed = session.seconds("Uptime");
    snapshot.hashrate.average = session.mhs("Average MHs");
    snapshot.shares.accepted = session.count("Accepted");
    snapshot.shares.rejected = session.count("Rejected");
}

/// Boards that hash have figures; all that there could be have a line that says whether they were found.
fn read_boards(r: Record<'_>, capabilities: Option<Record<'_>>, snapshot: &mut MinerSnapshot) {
    let serials = capabilities.and_then(|r| r.raw("Board Serial Numbers")?.as_array());
    for r in r.records("HBStatus") {
        let Some(slot) = r.small("Index", MAX_BOARDS) else { continue };
        let mut board = Board::in_slot(slot);
        board.present = r.flag("Detected");
        board.active = r.flag("Enabled").filter(|enabled| !enabled);
        board.serial = serials
            .and_then(|serials| serials.get(usize::try_from(slot).ok()?)?.as_str())
            .filter(|serial| !serial.is_empty())
            .map(Text::from);
        snapshot.boards.push(board);
    }
    for r in r.records("HBs") {
        let Some(slot) = r.small("Index", MAX_BOARDS) else { continue };
        let at = snapshot.boards.iter().position(|board| board.slot == slot).unwrap_or_else(|| {
            let mut board = Board::in_slot(slot);
            board.present = Some(true);
            snapshot.boards.push(board);
            snapshot.boards.len() - 1
        });
        let Some(board) = snapshot.boards.get_mut(at) else { continue };
        board.active = Some(true);
        board.frequency = r.megahertz("Core Clock Avg");
        board.board_temperature = r.celsius("Temperature");
        board.voltage = r.voltage("Input Voltage", bitlink_model::Voltage::from_volts);
        // Rate in MH/s, percent of the ideal, percent of errors.
        let figures: Vec<f64> = r
            .raw("Hashrate")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect();
        let rate = figures.first().copied();
        board.hashrate = rate.and_then(|mhs| HashRate::from_mhs(mhs).ok());
        if let (Some(mhs), Some(percent)) = (rate, figures.get(1).copied().filter(|percent| *percent > 0.0)) {
            board.hashrate_expected = HashRate::from_mhs(mhs / percent * 100.0).ok();
            snapshot.provenance.mark("boards.hashrate_expected_hs", Source::Derived);
        }
    }
    snapshot.boards.sort_by_key(|board| board.slot);
    let total = HashRate::sum(snapshot.boards.iter().map(|board| board.hashrate));
    if total.is_some() {
        snapshot.hashrate.realtime = total;
        snapshot.provenance.mark("hashrate.realtime_hs", Source::Derived);
    }
}

/// `[{"Index":0,"Data":[…]}]`, one temperature for each sensor, and one triple of figures for each chip that answers.
fn read_chips(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    for r in answers.page(RATES, oddities).map(|r| r.records(crate::LIST)).unwrap_or_default() {
        let Some(slot) = r.small("Index", MAX_BOARDS) else { continue };
        let chips = r.raw("Data").and_then(Value::as_array).and_then(|data| u32::try_from(data.len()).ok());
        if let Some(board) = snapshot.boards.iter_mut().find(|board| board.slot == slot) {
            board.chips = chips.filter(|chips| *chips <= MAX_CHIPS);
        }
    }
    let Some(r) = answers.page(CHIPS, oddities) else { return };
    for r in r.records(crate::LIST) {
        let Some(slot) = r.small("Index", MAX_BOARDS) else { continue };
        let Some(board) = snapshot.boards.iter_mut().find(|board| board.slot == slot) else { continue };
        let data = r.raw("Data").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64);
        board.chip_sensors =
            data.filter(|c| *c > 0.0).filter_map(|c| Temperature::from_celsius(c).ok()).collect();
        board.chip_temperature = board.chip_sensors.iter().copied().max();
        board.chip_temperature_min = board.chip_sensors.iter().copied().min();
    }
}

fn read_cooling(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let fans = r.record("Fans");
    let duty = fans.and_then(|fans| fans.percent("Fans Speed"));
    if let Some(rpm) = r.record("Fans Rpm") {
        snapshot.fans = (0..MAX_FANS)
            .filter_map(|index| {
                let mut fan = Fan::new(index, rpm.rpm(&format!("Fans Speed {}", index + 1))?);
                fan.duty = duty;
                Some(fan)
            })
            .collect();
    }
    let auto = fans.and_then(|fans| fans.record("Fan Mode")).and_then(|mode| mode.record("Auto"));
    snapshot.temperatures.target = auto.and_then(|auto| auto.celsius("Target Temperature"));
    if let Some(misc) = r.record("Misc") {
        snapshot.temperatures.hot_limit = misc.celsius("Critical Temp");
        snapshot.temperatures.dangerous_limit = misc.celsius("Shutdown Temp");
    }
}

fn read_supply(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let Some(supply) = r.record("Power Supply Stats") else { return };
    let mut psu = Psu::default();
    psu.input_power = supply.watts("Input Power");
    psu.input_voltage = supply.voltage("Input Voltage", bitlink_model::Voltage::from_volts);
    psu.output_voltage = supply.voltage("Output Voltage", bitlink_model::Voltage::from_volts);
    psu.output_power = supply.watts("Output Power");
    snapshot.power = psu.input_power;
    snapshot.psus.push(psu);
}

/// What is configured, and beside it which one is in use.
fn read_pools(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let stratum = r.record("Stratum");
    let current = stratum.and_then(|s| s.text("Current Pool"));
    let connected = stratum.and_then(|s| s.flag("IsPoolConnected"));
    for (id, config) in (0..).zip(r.records("StratumConfigs")) {
        let Some(url) = config.text("pool") else { continue };
        let mut pool = Pool::default();
        pool.id = id;
        // The one in use is told without its scheme.
        let in_use = current.map(|current| url.ends_with(current.rsplit("://").next().unwrap_or(current)));
        pool.url = Some(url.into());
        pool.user = config.text("login").map(Text::from);
        pool.priority = Some(i64::from(id));
        pool.active = in_use;
        if in_use == Some(true) {
            pool.connected = connected;
            pool.status = connected.map(|up| if up { PoolStatus::Alive } else { PoolStatus::Dead });
            pool.accepted = snapshot.shares.accepted;
            pool.rejected = snapshot.shares.rejected;
            pool.difficulty = r.record("Session").and_then(|session| session.difficulty("Difficulty"));
        }
        snapshot.pools.push(pool);
    }
}
