//! Marathon's firmware for Antminers ("kaonsu") on TCP 4028: whether it lives and how it hashes. Everything else is on its
//! web interface.
//!
//! Any command but a few is answered with the summary, joined ones too; an answer without the section that was asked
//! for is none.

use super::{antminer, base};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use crate::replies::Version;
use bitlink_model::{Family, Identity, Make, MinerSnapshot};

/// Marathon's firmware.
#[derive(Debug)]
pub struct Mara;

impl Dialect for Mara {
    fn family(&self) -> Family {
        Family::MARA
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("MARAFW") || evidence.says("KAONSU")
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let mut identity = Identity::default();
        identity.make = Some(Make::ANTMINER);
        let model = heard.record("version", "VERSION", oddities).and_then(|r| r.text("Model"));
        identity.model = model.and_then(antminer::model);
        identity.model_raw = model.map(ToOwned::to_owned);
        identity.firmware = Some(base::firmware(self.family(), version.as_ref()));
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[Question::must("summary"), Question::may("pools")] }
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
    }
}
