//! asicseer's firmware for the S9: bmminer with the summary repeated in the statistics, and lists by chip.

use super::cgminer::commands;
use super::{antminer, base};
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use bitlink_model::{ActionKind, Board, Capabilities, Family, Frequency, Identity, MinerSnapshot, Support};

/// asicseer.
#[derive(Debug)]
pub struct AsicSeer;

impl Dialect for AsicSeer {
    fn family(&self) -> Family {
        Family::ASICSEER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("ASICSEER")
    }

    /// Its version is in the program's name: `bmminer 2.4.0-asicseer-1.2`.
    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = antminer::identity(self.family(), heard, oddities);
        if let Some(firmware) = &mut identity.firmware
            && let Some((_, version)) = firmware.software.as_deref().and_then(|s| s.split_once(' '))
        {
            firmware.version = Some(version.into());
        }
        identity
    }

    fn questions(&self) -> &'static [Question] {
        &antminer::QUESTIONS
    }

    fn joins(&self) -> bool {
        true
    }

    /// bmminer's API is cgminer's (jameshilliard/bmminer `api.c`); that this build lets anybody in nobody tells.
    fn capabilities(&self, _: &Identity) -> Capabilities {
        let of_bmminer = commands::capabilities();
        let able: Vec<ActionKind> =
            of_bmminer.iter().filter(|(_, support)| support.is_possible()).map(|(kind, _)| kind).collect();
        able.into_iter().fold(of_bmminer, |all, kind| all.with(kind, Support::Unverified))
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(answers, snapshot, oddities);
        let Some(r) = antminer::data(answers, oddities) else { return };
        antminer::with_boards(r, snapshot, |n, board| read_board(r, n, board));
    }
}

fn read_board(r: Record<'_>, n: u32, board: &mut Board) {
    board.voltage = base::board_voltage(r, &format!("voltage{n}"));
    // MHz of every chip, with commas.
    let list = r.text(&format!("freqs{n}")).unwrap_or_default();
    let of_chips: Vec<f64> = list.split(',').filter_map(|text| text.trim().parse().ok()).collect();
    if board.frequency.is_none() && !of_chips.is_empty() {
        #[allow(clippy::cast_precision_loss)] // a few hundred chips
        let mean = of_chips.iter().sum::<f64>() / of_chips.len() as f64;
        board.frequency = Frequency::from_megahertz(mean).ok().filter(|f| f.as_hertz() > 0.0);
    }
}
