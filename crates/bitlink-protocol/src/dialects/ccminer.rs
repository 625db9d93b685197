//! ccminer on graphics cards: a text service of its own at port 4068, bare words for questions. (ccminer `api.cpp`)
//!
//! Rates are in kH/s, power in mW. Of its pools only the one in use is told. It does not compute Bitcoin's hash.

mod commands;

use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use bitlink_model::{
    Board, Capabilities, Family, Fan, Firmware, HashRate, Identity, MinerSnapshot, Pool, Power, Source, Text,
    Timestamp,
};

/// ccminer.
#[derive(Debug)]
pub struct CcMiner;

/// Where it listens.
const PORT: u16 = 4068;
const SUMMARY: Question = Question::text("summary", PORT);
const THREADS: Question = Question::text("threads", PORT);
const POOL: Question = Question::text("pool", PORT);

/// Asked of a stranger.
pub(crate) const KNOCK: Question = SUMMARY;

impl Dialect for CcMiner {
    fn family(&self) -> Family {
        Family::CCMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.answers.get(SUMMARY.command).is_some_and(|d| !d.section("CCMINER").is_empty())
    }

    fn doors(&self) -> &'static [u16] {
        &[PORT]
    }

    /// The cards name themselves.
    fn identity_questions(&self) -> &'static [Question] {
        const { &[THREADS] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = Identity::default();
        let mut firmware = Firmware::new(self.family());
        if let Some(r) = heard.record(SUMMARY.command, "CCMINER", oddities) {
            firmware.api_version = r.word("API");
            firmware.version = r.word("VER");
            let words = [r.text("NAME").map(Text::from), r.word("VER")];
            firmware.software = Some(words.into_iter().flatten().collect::<Vec<_>>().join(" ").into());
        }
        let cards = heard.records(THREADS.command, "THREADS", oddities);
        let card = cards.iter().find_map(|r| r.text("CARD"));
        identity.model = card.map(Text::from);
        identity.model_raw = card.map(Text::from);
        identity.firmware = Some(firmware);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const { &[SUMMARY.required(), THREADS, POOL] }
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        if let Some(r) = answers.record(SUMMARY.command, "CCMINER", oddities) {
            snapshot.elapsed = r.seconds("UPTIME");
            snapshot.device_time = r.integer("TS").and_then(Timestamp::from_unix_seconds);
            snapshot.hashrate.realtime = r.quantity("KHS", HashRate::from_khs);
            snapshot.shares.accepted = r.count("ACC");
            snapshot.shares.rejected = r.count("REJ");
            snapshot.shares.found_blocks = r.count("SOLV");
            snapshot.shares.utility = r.utility("ACCMN");
            snapshot.boards_expected = r.small("GPUS", MAX_CARDS);
        }
        for r in answers.records(THREADS.command, "THREADS", oddities) {
            read_card(r, snapshot);
        }
        let watts: f64 = snapshot.boards.iter().filter_map(|b| b.power).map(Power::as_watts).sum();
        if watts > 0.0 {
            snapshot.power = Power::from_watts(watts).ok();
            snapshot.provenance.mark("power_w", Source::Derived);
        }
        let pools = answers.records(POOL.command, "POOL", oddities);
        snapshot.pools = pools.into_iter().take(1).filter_map(pool).collect();
    }
}

/// More cards than any machine has.
const MAX_CARDS: u32 = 64;

/// A card, as a board, and its fan.
fn read_card(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let Some(slot) = r.small("GPU", MAX_CARDS) else { return };
    if snapshot.boards.iter().any(|board| board.slot == slot) {
        return;
    }
    let mut board = Board::in_slot(slot);
    board.present = Some(true);
    board.hashrate = r.quantity("KHS", HashRate::from_khs);
    board.active = board.hashrate.map(|rate| rate.as_hs() > 0.0);
    board.chip_temperature = r.celsius_or_zero("TEMP");
    board.frequency = r.megahertz("FREQ");
    board.power = r.number("POWER").filter(|mw| *mw > 0.0).and_then(|mw| Power::from_watts(mw / 1e3).ok());
    board.hardware_errors = r.count("HWF");
    snapshot.boards.push(board);
    // Cards that do not tell say 0; one that stands still is no fault, since many stop below some temperature.
    if let Some(rpm) = r.rpm("RPM").filter(|rpm| rpm.as_rpm() > 0.0) {
        let mut fan = Fan::new(slot, rpm);
        fan.duty = r.percent("FAN");
        snapshot.fans.push(fan);
    }
}

/// The pool in use.
fn pool(r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("URL")?.into());
    pool.user = r.text("USER").map(Text::from);
    pool.active = Some(true);
    pool.accepted = r.count("ACC");
    pool.rejected = r.count("REJ");
    pool.stale = r.count("STALE");
    pool.difficulty = r.known_difficulty("DIFF");
    pool.best_share = r.known_difficulty("BEST");
    pool.last_share_age = r.seconds("LAST").filter(|_| pool.accepted.is_some_and(|n| n > 0));
    Some(pool)
}
