//! Auradine's firmware on the Teraflux machines (GCMiner, FluxOS): rates, boards and pools on TCP 4028, and a REST interface
//! ([`web`]) that alone tells fans, power supply, operating mode and hardware address, and the rest where TCP 4028 is shut.
//!
//! API 1.0, cgminer's replies with devices counted from 1 under `DEV` and a truth value for `Enabled`.

mod commands;
mod web;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use crate::replies::{DeviceDetails, Version};
use bitlink_model::{Capabilities, Efficiency, Family, Identity, Make, MinerSnapshot, Text};

/// Auradine Teraflux.
#[derive(Debug)]
pub struct Auradine;

impl Dialect for Auradine {
    fn family(&self) -> Family {
        Family::AURADINE
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("GCMINER") || evidence.says("FLUXOS") || evidence.shows("MINER UI")
    }

    /// `version` does not name the model.
    fn identity_questions(&self) -> &'static [Question] {
        const { &[web::REPORT, Question::may("devdetails").in_place_of(web::REPORT.command)] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let details = heard.get("devdetails").map(|d| DeviceDetails::all(d, oddities)).unwrap_or_default();
        let mut firmware = base::firmware(self.family(), version.as_ref());
        firmware.version = version.and_then(|v| v.software).map(|(_, number)| number);
        let mut identity = Identity::default();
        identity.make = Some(Make::AURADINE);
        identity.model_raw = details.into_iter().find_map(|d| d.model);
        identity.model = identity.model_raw.as_deref().and_then(model);
        identity.firmware = Some(firmware);
        web::read_identity(heard, &mut identity, oddities);
        identity
    }

    /// `asccount` is not asked: whether it counts the boards that are there or those that should be is not known.
    fn questions(&self) -> &'static [Question] {
        const {
            let [summary, devs, pools] = web::STAND_INS;
            let [fan, temperature, psu, mode, led] = web::QUESTIONS;
            &[
                Question::must("summary"),
                Question::may("devs"),
                Question::may("pools"),
                summary,
                devs,
                pools,
                fan,
                temperature,
                psu,
                mode,
                led,
            ]
        }
    }

    fn auth(&self) -> Auth {
        Auth::Login(&web::Token)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("admin", "admin")]
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
        let answers = &web::stand_in(answers);
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
        base::read_devs(answers, snapshot, oddities);
        for board in &mut snapshot.boards {
            board.slot = board.slot.saturating_sub(1);
        }
        if let Some(r) = answers.record("summary", "SUMMARY", oddities) {
            // Newer versions only.
            snapshot.power = r.watts("Wattage");
            snapshot.efficiency = r
                .quantity("JTHS 1m", Efficiency::from_joules_per_terahash)
                .filter(|e| e.as_joules_per_terahash() > 0.0);
        }
        web::read(answers, snapshot, oddities);
    }
}

/// The model without make and series.
pub(super) fn model(raw: &str) -> Option<Text> {
    let mut words = raw.split_whitespace();
    words
        .rfind(|word| !["auradine", "teraflux"].contains(&word.to_ascii_lowercase().as_str()))
        .map(Text::from)
}
