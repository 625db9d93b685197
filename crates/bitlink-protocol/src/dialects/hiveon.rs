//! Hiveon's firmware for Antminers: Bitmain's statistics with the power of each board and of the machine, and the pages of
//! Bitmain's web server of the S9's generation beside them, which stand in for an API that is shut.

use super::{antminer, antminer_old, base};
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use bitlink_model::{Capabilities, Family, Identity, MinerSnapshot};

/// Hiveon.
#[derive(Debug)]
pub struct Hiveon;

impl Dialect for Hiveon {
    fn family(&self) -> Family {
        Family::HIVEON
    }

    /// Its S9 build also bears another firmware's mark (`BMMiner` "2.0.0 rwglr"), so it is asked before that one. By its web
    /// server alone it is known once the system's page was read, whose model bears its name.
    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("HIVEON") || evidence.shows("HIVEON")
    }

    /// The web server knows what TCP 4028 does not tell: hardware address and name on the network.
    fn identity_questions(&self) -> &'static [Question] {
        &[antminer::SYSTEM_INFO]
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        antminer::identity(self.family(), heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        &antminer_old::QUESTIONS
    }

    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        antminer_old::more_questions(heard)
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
        antminer_old::commands::capabilities_kept()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        antminer_old::commands::plan(order)
    }

    /// `chain_power` is the whole machine's, as a text with a remark: "950.00 (AB)".
    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(&antminer_old::with_pages(answers), snapshot, oddities);
        base::sum_board_power(snapshot);
    }
}
