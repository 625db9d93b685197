//! Hiveon's firmware for Antminers: Bitmain's statistics with the power of each board and of the machine.

use super::{antminer, base};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use bitlink_model::{Family, Identity, MinerSnapshot};

/// Hiveon.
#[derive(Debug)]
pub struct Hiveon;

impl Dialect for Hiveon {
    fn family(&self) -> Family {
        Family::HIVEON
    }

    /// Its S9 build also bears another firmware's mark (`BMMiner` "2.0.0 rwglr"), so it is asked before that one.
    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("HIVEON")
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        antminer::identity(self.family(), heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        &antminer::QUESTIONS
    }

    fn joins(&self) -> bool {
        true
    }

    /// `chain_power` is the whole machine's, as a text with a remark: "950.00 (AB)".
    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(answers, snapshot, oddities);
        base::sum_board_power(snapshot);
    }
}
