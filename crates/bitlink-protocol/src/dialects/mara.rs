//! Marathon's firmware for Antminers ("kaonsu"): by the pages of its web server ([`web`]), and where those are not to be had as it
//! answers on TCP 4028: whether it lives and how it hashes.
//!
//! Any command but a few is answered with the summary, joined ones too; an answer without the section that was asked
//! for is none.

mod commands;
mod web;

use super::{antminer, base};
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use crate::replies::Version;
use bitlink_model::{Capabilities, Family, Identity, Make, MinerSnapshot, Text};

/// Marathon's firmware.
#[derive(Debug)]
pub struct Mara;

impl Dialect for Mara {
    fn family(&self) -> Family {
        Family::MARA
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let named = ["MARAFW", "KAONSU"].iter().any(|mark| evidence.says(mark) || evidence.shows(mark));
        // It asks for the password in Bitmain's words, with a header of its own.
        named || evidence.shows("\nALGORITHM: MD5")
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[web::OVERVIEW] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let mut identity = Identity::default();
        identity.make = Some(Make::ANTMINER);
        let model = heard.record("version", "VERSION", oddities).and_then(|r| r.text("Model"));
        identity.model = model.and_then(antminer::model);
        identity.model_raw = model.map(Text::from);
        identity.firmware = Some(base::firmware(self.family(), version.as_ref()));
        web::read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            let [brief, boards, details, fans, pools] = web::QUESTIONS;
            let on = brief.command;
            let (summary, rest) = (Question::must("summary"), Question::may("pools"));
            &[brief, boards, details, fans, pools, summary.in_place_of(on), rest.in_place_of(on)]
        }
    }

    /// A page that says nothing of the machine does not stand in the place of the API.
    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        if web::is_useless(heard) {
            const { &[Question::must("summary"), Question::may("pools")] }
        } else {
            &[]
        }
    }

    fn auth(&self) -> Auth {
        Auth::Digest
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", "root")]
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if web::read(answers, snapshot, oddities) {
            return;
        }
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
    }
}
