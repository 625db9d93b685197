//! VNish (AnthillOS) for Antminers: by the pages of its web server ([`web`]), and where those are not to be had as it answers on
//! TCP 4028, with Bitmain's statistics and a few keys more.
//!
//! Its model names carry its own version: "Antminer S9 (vnish 3.8.6)".

mod commands;
mod web;

use super::{antminer, base};
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use bitlink_model::{Board, Capabilities, Family, Identity, MinerSnapshot, MiningState, Pool, Source, Text};

/// VNish.
#[derive(Debug)]
pub struct Vnish;

impl Dialect for Vnish {
    fn family(&self) -> Family {
        Family::VNISH
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        ["VNISH", "ANTHILLOS"].iter().any(|mark| evidence.says(mark) || evidence.shows(mark))
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[web::INFO] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = antminer::identity(self.family(), heard, oddities);
        let own_version = identity.model_raw.as_deref().and_then(own_version);
        if let Some(firmware) = &mut identity.firmware
            && own_version.is_some()
        {
            firmware.version = own_version;
        }
        web::read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            let [stats, pools, summary] = antminer::QUESTIONS;
            let [info, miner, condition, factory] = web::QUESTIONS;
            let on = miner.command;
            &[
                info,
                miner,
                condition,
                factory,
                stats.in_place_of(on),
                pools.in_place_of(on),
                summary.in_place_of(on),
            ]
        }
    }

    /// A page that says nothing of the machine does not stand in the place of the API.
    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        if web::is_useless(heard) { const { &antminer::QUESTIONS } } else { &[] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn acting_auth(&self) -> crate::asking::Auth {
        crate::asking::Auth::Login(&commands::Unlock)
    }

    fn acting_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("", "admin")]
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if web::read(answers, snapshot, oddities) {
            return;
        }
        antminer::read(answers, snapshot, oddities);
        snapshot.pools.retain(|pool| !is_developers(pool));
        let Some(r) = antminer::data(answers, oddities) else { return };
        let mut warming_up = false;
        antminer::with_boards(r, snapshot, |n, board| warming_up |= read_board(r, n, board));
        base::sum_board_power(snapshot);
        if warming_up {
            snapshot.mining_state = Some(MiningState::Starting);
            snapshot.provenance.mark("mining_state", Source::Derived);
        }
    }
}

/// The number behind the firmware's name in the model.
fn own_version(kind: &str) -> Option<Text> {
    let lower = kind.to_ascii_lowercase();
    let at = lower.find("vnish ")? + "vnish ".len();
    let version = kind.get(at..)?.split(')').next()?.trim();
    (!version.is_empty()).then(|| version.into())
}

/// The developers' share of the work shows as a pool of its own.
fn is_developers(pool: &Pool) -> bool {
    let is = |text: &Option<Text>| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("DevFee"));
    is(&pool.url) || is(&pool.user)
}

/// Reads what is special of a board, and returns whether it is warming up.
fn read_board(r: Record<'_>, n: u32, board: &mut Board) -> bool {
    board.voltage = base::board_voltage(r, &format!("chain_vol{n}"));
    board.power = r.watts(&format!("chain_consumption{n}")).or(board.power);
    // Numbers of chips that do badly, or a word about what goes on.
    let Some(text) = r.text(&format!("chain_bchips{n}")) else { return false };
    let numbers: Vec<&str> = text.split([' ', ',', ';']).filter(|part| !part.is_empty()).collect();
    if numbers.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        let bad = u32::try_from(numbers.len()).ok();
        board.chips_bad = board.chips_bad.max(bad);
        return false;
    }
    board.status = Some(text.into());
    text.eq_ignore_ascii_case("warm up")
}
