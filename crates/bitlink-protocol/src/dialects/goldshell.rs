//! Goldshell's firmware: bfgminer with a few keys of its own on TCP 4028, and a web server ([`web`]) that alone tells model,
//! hardware address and settings, and the rest where TCP 4028 is shut.
//!
//! These machines compute other hashes than Bitcoin's; their rates are hashes all the same.

mod commands;
mod web;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{DeviceDetails, Version};
use bitlink_model::{Board, Capabilities, Family, Fan, Identity, Make, MinerSnapshot, Text};

/// Goldshell.
#[derive(Debug)]
pub struct Goldshell;

impl Dialect for Goldshell {
    fn family(&self) -> Family {
        Family::GOLDSHELL
    }

    /// Some versions call themselves bfgminer and nothing else; then it is `devdetails` that gives them away.
    fn claims(&self, evidence: &Evidence) -> bool {
        let named = ["INTCHAINS_QOMO", "INTMINER", "KDAMINER"].iter().any(|mark| evidence.says(mark));
        named || (evidence.says("BFGMINER") && evidence.says("\"CHIPS-NR\"")) || web::is_marked(evidence)
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[Question::may("devdetails"), web::STATUS, web::SETTING] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let details = heard.get("devdetails").map(|d| DeviceDetails::all(d, oddities)).unwrap_or_default();
        let mut identity = Identity::default();
        identity.make = Some(Make::GOLDSHELL);
        identity.model_raw = details.into_iter().find_map(|d| d.model);
        identity.model = identity.model_raw.as_deref().and_then(model);
        identity.firmware = Some(base::firmware(self.family(), version.as_ref()));
        web::read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("devs"),
                Question::may("pools"),
                Question::may("devdetails"),
                Question::may("stats"),
                web::DEVS,
                web::POOLS,
            ]
        }
    }

    /// Only its settings tell a machine that sleeps from a broken one.
    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        let oddities = Oddities::default();
        let summary = heard.record("summary", "SUMMARY", &oddities);
        let hashes = summary.and_then(|r| r.number("MHS 20s")).is_some_and(|rate| rate > 0.0);
        if hashes || web::hashes(heard, &oddities) { &[] } else { const { &[web::SETTING] } }
    }

    fn auth(&self) -> Auth {
        Auth::Login(&web::Token)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("admin", "123456789")]
    }

    fn joins(&self) -> bool {
        true
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
        base::read_devs(answers, snapshot, oddities);
        let details = answers.get("devdetails").map(|d| DeviceDetails::all(d, oddities)).unwrap_or_default();
        let devices = answers.records("devs", "DEVS", oddities);
        for ((i, board), r) in snapshot.boards.iter_mut().enumerate().zip(&devices) {
            read_sensors(*r, board);
            board.chips = details.get(i).and_then(|d| d.chips);
        }
        let stats = answers.records("stats", "STATS", oddities);
        // Not on all models, and on some with each board instead.
        snapshot.fans =
            stats.into_iter().chain(devices).map(fans).find(|fans| !fans.is_empty()).unwrap_or_default();
        web::read(answers, snapshot, oddities);
    }
}

/// The second sensor is the board's temperature.
fn read_sensors(r: Record<'_>, board: &mut Board) {
    let (first, second) = (r.celsius_or_zero("tstemp-1"), r.celsius_or_zero("tstemp-2"));
    board.board_sensors = [first, second].into_iter().flatten().collect();
    board.board_temperature = second.or(first).or(board.board_temperature);
}

/// `fan0`, `fan1`, … or from 1 on.
fn fans(r: Record<'_>) -> Vec<Fan> {
    let speeds = (0..=8).filter_map(|n| r.rpm(&format!("fan{n}")));
    (0..).zip(speeds).map(|(index, speed)| Fan::new(index, speed)).collect()
}

/// `Goldshell-KDMAX` is a KDMAX.
pub(super) fn model(raw: &str) -> Option<Text> {
    let name = raw.trim();
    let name = match name.get(..9) {
        Some(make) if make.eq_ignore_ascii_case("goldshell") => {
            name.get(9..)?.trim_start_matches(['-', ' ', '_'])
        }
        _ => name,
    };
    (!name.is_empty()).then(|| name.into())
}
