//! Bitmain's firmware up to the S17 generation (`bmminer`): S9, T9, L3, S15, S17 and their kin.
//!
//! The same `stats` record as later firmware with other keys filled, a comma missing after its header record, and joined
//! questions answered.

pub(super) mod commands;

use super::{antminer, antminer_web};
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use bitlink_model::{Capabilities, Family, Identity, MinerSnapshot};

const STATS: &str = "miner_stats.cgi";
const POOLS: &str = "miner_pools.cgi";
const SUMMARY: &str = "miner_summary.cgi";
/// Asked when nothing at all was answered: why it is not is why there is no reading.
const LAST_RESORT: Question = Question::must_page("statistics", "/cgi-bin/miner_stats.cgi");

/// What is asked of firmware whose pages hold the API's answers: the API, and the pages in its place.
pub(super) const QUESTIONS: [Question; 6] = {
    let [stats, pools, summary] = antminer::QUESTIONS;
    [
        stats,
        pools,
        summary,
        Question::may_page(STATS, "/cgi-bin/miner_stats.cgi").in_place_of("stats"),
        Question::may_page(POOLS, "/cgi-bin/miner_pools.cgi").in_place_of("pools"),
        Question::may_page(SUMMARY, "/cgi-bin/miner_summary.cgi").in_place_of("summary"),
    ]
};

/// What else is asked of it.
pub(super) fn more_questions(heard: &Answers) -> &'static [Question] {
    let names = ["stats", "summary", STATS, SUMMARY];
    if names.iter().any(|name| heard.get(name).is_some()) { &[] } else { &[LAST_RESORT] }
}

/// The answers, with the pages under the names of what they stand for.
pub(super) fn with_pages(answers: &Answers) -> Answers {
    let mut answers = answers.clone();
    for (command, page) in [("stats", STATS), ("pools", POOLS), ("summary", SUMMARY)] {
        if let (None, Some(copy)) = (answers.get(command), answers.get(page).cloned()) {
            answers.insert(command, copy);
        }
    }
    answers
}

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
        let named = description.starts_with("bmminer") || description.starts_with("cgminer 4");
        antminer::is_stock(evidence) && named
            || antminer_web::is_web_only(evidence) && antminer_web::is_old(evidence)
    }

    fn identity_questions(&self) -> &'static [Question] {
        &[antminer::SYSTEM_INFO]
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        antminer::identity(self.family(), heard, oddities)
    }

    /// The web server has copies of the API's answers.
    fn questions(&self) -> &'static [Question] {
        &QUESTIONS
    }

    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        more_questions(heard)
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

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(&with_pages(answers), snapshot, oddities);
    }
}
