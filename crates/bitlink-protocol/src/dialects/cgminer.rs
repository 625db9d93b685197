//! The reference implementation and its forks, on whatever hardware: everything that speaks the API and that no more
//! special dialect claims. (cgminer API-README; bfgminer README.RPC; sgminer API.md)

pub(super) mod commands;
mod derivatives;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use crate::replies::{DeviceDetails, Version};
use bitlink_model::{Capabilities, Family, Fan, Identity, MinerSnapshot};

/// cgminer.
#[derive(Debug)]
pub struct CgMiner;

/// Its forks, which are read alike.
#[derive(Debug)]
pub enum Fork {
    /// bfgminer.
    Bfg,
    /// sgminer.
    Sg,
}

const QUESTIONS: [Question; 3] = [Question::must("summary"), Question::may("devs"), Question::may("pools")];

impl Dialect for CgMiner {
    fn family(&self) -> Family {
        Family::CGMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let answers = &evidence.answers;
        let has = |command: &str, section: &str| {
            answers.get(command).is_some_and(|d| !d.section(section).is_empty())
        };
        has("version", "VERSION") || has("devdetails", "DEVDETAILS") || has("summary", "SUMMARY")
    }

    fn gives_way(&self) -> bool {
        true
    }

    /// Drivers name themselves here where `version` says cgminer and nothing else.
    fn identity_questions(&self) -> &'static [Question] {
        const { &[Question::may("devdetails")] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        &QUESTIONS
    }

    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        derivatives::questions(heard)
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
        read(answers, snapshot, oddities);
        derivatives::read(answers, snapshot, oddities);
    }
}

impl Dialect for Fork {
    fn family(&self) -> Family {
        match self {
            Self::Bfg => Family::BFGMINER,
            Self::Sg => Family::SGMINER,
        }
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        match self {
            Self::Bfg => evidence.says("BFGMINER"),
            Self::Sg => evidence.says("SGMINER"),
        }
    }

    fn gives_way(&self) -> bool {
        true
    }

    /// What tells the vendors' machines that run them from others.
    fn identity_questions(&self) -> &'static [Question] {
        match self {
            Self::Bfg => const { &[Question::may("devdetails")] },
            Self::Sg => const { &[Question::may("stats")] },
        }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        &QUESTIONS
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
        read(answers, snapshot, oddities);
        if matches!(self, Self::Sg) {
            read_cards(answers, snapshot, oddities);
        }
    }
}

/// What sgminer tells of graphics cards: clock and fan. A fan that stands still is no fault there, since many stop below some
/// temperature.
fn read_cards(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    for (r, board) in answers.records("devs", "DEVS", oddities).into_iter().zip(&mut snapshot.boards) {
        board.frequency = board.frequency.or_else(|| r.megahertz("GPU Clock"));
        if let Some(rpm) = r.rpm("Fan Speed").filter(|rpm| rpm.as_rpm() > 0.0) {
            let mut fan = Fan::new(board.slot, rpm);
            fan.duty = r.percent("Fan Percent");
            snapshot.fans.push(fan);
        }
    }
}

fn identity(family: Family, heard: &Answers, oddities: &Oddities) -> Identity {
    let version = heard.get("version").and_then(|d| Version::of(d, oddities));
    let details = heard.get("devdetails").map(|d| DeviceDetails::all(d, oddities)).unwrap_or_default();
    let raw =
        version.as_ref().and_then(|v| v.kind.clone()).or_else(|| details.into_iter().find_map(|d| d.model));
    let mut identity = Identity::default();
    identity.firmware = Some(base::firmware(family, version.as_ref()));
    if let Some(raw) = raw {
        // Firmware that is not known by name, on a machine whose name may be.
        (identity.make, identity.model) = base::make_and_model(&raw);
        identity.model_raw = Some(raw);
    }
    identity
}

fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    base::read_summary(answers, snapshot, oddities);
    base::read_pools(answers, snapshot, oddities);
    base::read_devs(answers, snapshot, oddities);
}
