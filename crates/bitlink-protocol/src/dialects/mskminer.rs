//! MSKMiner (`rwglr` builds) for Antminers: Bitmain's statistics, sixteen chains wide, with power, voltage and the state
//! of the supply.
//!
//! The model stands without its make and with the firmware's version: `S19-88 v.2.6.0.39 `.

use super::{antminer, base};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use bitlink_model::{
    Component, DeviceError, Family, HashRate, Identity, MinerSnapshot, Ratio, Severity, Source,
};

/// MSKMiner.
#[derive(Debug)]
pub struct MskMiner;

impl Dialect for MskMiner {
    fn family(&self) -> Family {
        Family::MSKMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("RWGLR")
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = antminer::identity(self.family(), heard, oddities);
        let raw = identity.model_raw.as_deref().unwrap_or_default().trim();
        if let Some((model, version)) = raw.split_once(" v.") {
            let (model, version) = (antminer::model(model), version.trim().to_owned());
            identity.model = model;
            if let Some(firmware) = &mut identity.firmware {
                firmware.version = Some(version);
            }
        }
        identity
    }

    fn questions(&self) -> &'static [Question] {
        &antminer::QUESTIONS
    }

    fn joins(&self) -> bool {
        true
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(answers, snapshot, oddities);
        let Some(r) = antminer::data(answers, oddities) else { return };
        // A chain without chips still has an ideal rate and a voltage.
        snapshot.boards.retain(|board| board.present == Some(false) || board.chips.is_some_and(|n| n > 0));
        antminer::with_boards(r, snapshot, |n, board| {
            board.voltage = base::board_voltage(r, &format!("chain_voltage{n}"));
        });
        // So the machine's ideal rate is that of the boards it has.
        let ideal = HashRate::sum(snapshot.boards.iter().map(|board| board.hashrate_expected));
        if ideal.is_some() {
            snapshot.hashrate.expected = ideal;
            snapshot.provenance.mark("hashrate.expected_hs", Source::Derived);
        }
        base::sum_board_power(snapshot);
        read_state(r, snapshot);
    }
}

fn read_state(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let duty: Option<Ratio> = r.percent("fan_pwm");
    for fan in &mut snapshot.fans {
        fan.duty = duty;
    }
    snapshot.tuning.settled = r.flag("tune_running").map(|running| !running);
    if let Some(status) = r.text("psu_status").filter(|status| !status.to_ascii_uppercase().ends_with("OK")) {
        snapshot.errors.push(DeviceError::new(Severity::Warning, status).about(Component::Psu));
    }
}
