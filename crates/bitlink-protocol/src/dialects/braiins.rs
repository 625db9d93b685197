//! Braiins OS and BOSminer, as they answer on TCP 4028 up to version 25.05, and by GraphQL where that port is shut
//! ([`graphql`]); later ones have pages instead ([`rest`]). (Braiins OS+ docs; BOSminer, open source)
//!
//! JSON alone, joined, in any order. Boards are numbered as the control board's connectors are: from 6 on an S9, from 1 on
//! later machines. Power is the tuner's estimate. The release of the firmware is told by GraphQL only.

mod commands;
mod graphql;
mod rest;

use super::base;
use super::luxos::NOT_READY;
use crate::acting::{ActError, Order, Plan};
use crate::catalogue;
use crate::decode::Status;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{Device, DeviceDetails, MAX_CHIPS, Version};
use bitlink_model::{
    Capabilities, Component, DeviceError, Family, FanSpeed, Frequency, Identity, MinerSnapshot, MiningState,
    Ratio, Severity, Voltage,
};
use serde_json::Value;

pub use rest::BraiinsRest;

/// Braiins OS.
#[derive(Debug)]
pub struct Braiins;

impl Dialect for Braiins {
    fn family(&self) -> Family {
        Family::BRAIINS
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("BOSMINER") || evidence.says("BOSER") || evidence.shows("BRAIINS OS")
    }

    /// To the generation that has pages instead.
    fn gives_way(&self) -> bool {
        true
    }

    /// `version` says nothing of the machine.
    fn identity_questions(&self) -> &'static [Question] {
        const { &[Question::may("devdetails"), rest::VERSION, graphql::NAMES, graphql::ADDRESS] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let mut identity = Identity::default();
        identity.firmware = Some(base::firmware(self.family(), version.as_ref()));
        read_model(heard, &mut identity, oddities);
        graphql::read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            let [machine, boards, pools, rates, tuning, appeals] = graphql::QUESTIONS;
            &[
                Question::must("summary"),
                Question::may("devs"),
                Question::may("devdetails"),
                Question::may("temps"),
                Question::may("fans"),
                Question::may("tempctrl"),
                Question::may("tunerstatus"),
                Question::may("pools"),
                machine,
                boards,
                pools,
                rates,
                tuning,
                appeals,
            ]
        }
    }

    fn joins(&self) -> bool {
        true
    }

    fn is_starting(&self, refusal: &Status) -> bool {
        refusal.code == Some(NOT_READY)
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn acting_auth(&self) -> crate::asking::Auth {
        crate::asking::Auth::Login(&commands::Cookie)
    }

    fn acting_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", ""), ("root", "root")]
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if graphql::read(answers, snapshot, oddities) {
            return;
        }
        // Nothing is known of the boards while the program starts; then the model comes late.
        if snapshot.identity.model.is_none() {
            read_model(answers, &mut snapshot.identity, oddities);
        }
        base::read_summary(answers, snapshot, oddities);
        base::drop_unfilled_windows(snapshot);
        base::read_pools(answers, snapshot, oddities);
        let first = first_board(answers, oddities);
        read_boards(answers, first, snapshot, oddities);
        base::read_temperature_control(answers, snapshot, oddities);
        read_fans(answers, first, snapshot, oddities);
        if let Some(r) = answers.record("tunerstatus", "TUNERSTATUS", oddities) {
            read_tuner(r, first, snapshot);
        }
        base::sort_boards(&mut snapshot.boards);
    }
}

/// `devdetails` names the machine with each board: "Bitmain Antminer S9".
fn read_model(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    let details = answers.get("devdetails").map(|d| DeviceDetails::all(d, oddities)).unwrap_or_default();
    let Some(raw) = details.into_iter().find_map(|d| d.model) else { return };
    (identity.make, identity.model) = base::make_and_model(&raw);
    identity.model_raw = Some(raw);
}

/// The number of the first connector.
fn first_board(answers: &Answers, oddities: &Oddities) -> u32 {
    let numbers = |command, section| {
        answers.records(command, section, oddities).into_iter().filter_map(|r| r.small("ID", 64))
    };
    let lowest = numbers("devs", "DEVS").chain(numbers("devdetails", "DEVDETAILS")).min();
    match lowest {
        Some(0) => 0,
        Some(6..) => 6,
        _ => 1,
    }
}

fn read_boards(answers: &Answers, first: u32, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let slot = |r: Record<'_>, key: &str| r.small(key, 64).map(|id| id.saturating_sub(first));
    for (i, r) in answers.records("devs", "DEVS", oddities).into_iter().enumerate() {
        let mut board = base::board(&Device::from_record(r), i);
        board.slot = slot(r, "ID").unwrap_or(board.slot);
        snapshot.boards.push(board);
    }
    for r in answers.records("devdetails", "DEVDETAILS", oddities) {
        let Some(slot) = slot(r, "ID") else { continue };
        base::with_board(&mut snapshot.boards, slot, |board| {
            board.present = Some(true);
            board.chips = r.small("Chips", MAX_CHIPS);
            board.voltage = r.voltage("Voltage", Voltage::from_volts);
            board.frequency = r.megahertz("Frequency").and_then(|printed| {
                // In Hz; in MHz on older versions.
                let number = printed.as_megahertz();
                if number > 1e5 { Frequency::from_hertz(number).ok() } else { Some(printed) }
            });
        });
    }
    // A board that cannot be read is left out.
    for r in answers.records("temps", "TEMPS", oddities) {
        let Some(slot) = slot(r, "ID") else { continue };
        base::with_board(&mut snapshot.boards, slot, |board| {
            board.board_temperature = r.celsius_or_zero("Board");
            board.chip_temperature = r.celsius_or_zero("Chip");
        });
    }
}

/// Four connectors are listed always, and how many of them have a fan depends on the model: two on an S9, four on later
/// machines. Where none turns while nothing regulates them, the machine is cooled otherwise.
fn read_fans(answers: &Answers, first: u32, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let listed = base::listed_fans(answers, oddities);
    let control = answers.record("tempctrl", "TEMPCTRL", oddities);
    let regulated = control.and_then(|r| r.text("Mode")).is_none_or(|mode| mode != "Disabled");
    let fitted = if regulated || turns(&listed) { fitted_fans(&snapshot.identity, first) } else { 0 };
    snapshot.fans = base::fitted_fans(listed, Some(fitted));
}

/// Whether any fan turns.
fn turns(listed: &[(FanSpeed, Option<Ratio>)]) -> bool {
    listed.iter().any(|(speed, _)| speed.as_rpm() > 0.0)
}

/// How many of the connectors have a fan.
fn fitted_fans(identity: &Identity, first: u32) -> u32 {
    let model = identity.make.as_ref().zip(identity.model.as_deref());
    let sold_with = model.and_then(|(make, model)| catalogue::find(make.as_str(), model)?.fans);
    sold_with.unwrap_or(if first == 6 { 2 } else { 4 })
}

fn read_tuner(r: Record<'_>, first: u32, snapshot: &mut MinerSnapshot) {
    snapshot.power = r.watts("ApproximateMinerPowerConsumption");
    // Dynamic scaling lowers the limit of a machine that is too hot: then this is an object instead of a word.
    let scaled = r.record("DynamicPowerScaling").and_then(|scaling| scaling.watts("ScaledPowerLimit"));
    snapshot.power_limit = scaled.or_else(|| r.watts("PowerLimit"));
    let chains = r.raw("TunerChainStatus").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // Unless one of them says otherwise.
    let mut settled = (!chains.is_empty()).then_some(true);
    for chain in chains.iter().filter_map(Value::as_object) {
        let chain = r.sibling(chain);
        let slot = chain.small("HashchainIndex", 64).map(|n| n.saturating_sub(first));
        if let Some(slot) = slot {
            base::with_board(&mut snapshot.boards, slot, |board| {
                board.power = chain.watts("ApproximatePowerConsumptionWatt");
            });
        }
        let status = chain.text("Status").unwrap_or_default();
        match status.to_ascii_lowercase().as_str() {
            "" | "stable" => {}
            word if word.starts_with("testing") || word.starts_with("tuning") => settled = Some(false),
            word if word.starts_with("paused") => {
                snapshot.mining_state = Some(MiningState::Stopped);
                settled = None;
            }
            _ => snapshot.errors.push(tuner_error(status, slot)),
        }
        if chain.flag("TunerRunning") == Some(true) {
            settled = Some(false);
        }
    }
    snapshot.tuning.settled = settled;
    base::estimated_power(snapshot);
}

/// What is no known state is an error, often with a structure behind it that says nothing to a reader.
fn tuner_error(status: &str, slot: Option<u32>) -> DeviceError {
    let text = status.split('{').next().unwrap_or_default().trim();
    let known_bad =
        status.contains('{') || ["error", "fail"].iter().any(|w| status.to_ascii_lowercase().contains(w));
    let severity = if known_bad { Severity::Warning } else { Severity::Info };
    DeviceError::new(severity, if text.is_empty() { status } else { text }).about(Component::Board(slot))
}
