//! Bitmain's firmware up to the S17 generation (`bmminer`): S9, T9, L3, S15, S17 and their kin.
//!
//! The same `stats` record as later firmware with other keys filled, a comma missing after its header record, and joined
//! questions answered.

use super::antminer;
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use bitlink_model::{Family, Identity, MinerSnapshot};

/// Stock firmware before 2020.
#[derive(Debug)]
pub struct AntminerOld;

impl Dialect for AntminerOld {
    fn family(&self) -> Family {
        Family::ANTMINER_OLD
    }

    /// Later firmware always calls itself "cgminer 1.0.0"; this one is "bmminer …", or a cgminer 4.
    fn claims(&self, evidence: &Evidence) -> bool {
        let status = evidence.answers.get("version").and_then(crate::decode::Document::status);
        let description = status.and_then(|s| s.description).unwrap_or_default();
        antminer::is_stock(evidence)
            && (description.starts_with("bmminer") || description.starts_with("cgminer 4"))
    }

    fn identity_questions(&self) -> &'static [Question] {
        &[antminer::SYSTEM_INFO]
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        antminer::identity(self.family(), heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        &antminer::QUESTIONS
    }

    fn auth(&self) -> Auth {
        Auth::Digest
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("root", "root")]
    }

    fn joins(&self) -> bool {
        true
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(answers, snapshot, oddities);
    }
}
