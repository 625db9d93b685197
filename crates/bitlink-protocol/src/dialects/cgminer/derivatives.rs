//! Makers whose machines run a cgminer that says nothing of itself: StrongU and MinerVa. They are known by keys of their own in
//! the summary, as in replies in public test suites; what else they say is in no document.

use crate::dialect::{Answers, Question};
use crate::dialects::base;
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, hash_rates};
use bitlink_model::{Board, Fan, Make, MinerSnapshot, Text, Voltage};

/// More boards and fans than any machine has.
const MAX_SLOTS: usize = 16;

const STATS: Question = Question::may("stats");

/// What else to ask once the summary is there: MinerVa's boards are in the statistics.
pub(super) fn questions(heard: &Answers) -> &'static [Question] {
    let oddities = Oddities::default();
    let summary = heard.record("summary", "SUMMARY", &oddities);
    if summary.is_some_and(|r| r.raw("Netid").is_some()) { &[STATS] } else { &[] }
}

/// Adds what is these makers' own.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(r) = answers.record("summary", "SUMMARY", oddities) else { return };
    if let Some(kind) = r.text("Miner type") {
        read_strongu(r, kind, answers, snapshot, oddities);
    } else if let Some(id) = r.word("Netid") {
        snapshot.identity.make = Some(Make::MINERVA);
        // The hardware address without its colons.
        snapshot.identity.mac = id.parse().ok();
        read_minerva(answers, snapshot, oddities);
    }
}

fn read_strongu(
    r: Record<'_>,
    kind: &str,
    answers: &Answers,
    snapshot: &mut MinerSnapshot,
    oddities: &Oddities,
) {
    snapshot.identity.make = Some(Make::STRONGU);
    snapshot.identity.model_raw = Some(kind.into());
    let model: Vec<&str> =
        kind.split_whitespace().filter(|word| !word.eq_ignore_ascii_case("strongu")).collect();
    snapshot.identity.model = Some(model.join(" ")).filter(|model| !model.is_empty()).map(Text::from);
    let speeds = (1..=MAX_SLOTS).filter_map(|n| Some((r.rpm(&format!("Fan{n}"))?, None)));
    snapshot.fans = base::fitted_fans(speeds, r.small("Fan Num", 16));
    for (r, board) in answers.records("devs", "DEVS", oddities).into_iter().zip(&mut snapshot.boards) {
        board.chips = r.small("ChipNum", MAX_CHIPS);
    }
}

/// One record of `stats` to a chain, `C12` and a number.
fn read_minerva(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let records = answers.records("stats", "STATS", oddities);
    let chains: Vec<Record<'_>> =
        records.into_iter().filter(|r| r.text("ID").is_some_and(|id| id.starts_with("C12"))).collect();
    if chains.is_empty() {
        return;
    }
    snapshot.boards.clear();
    for r in chains.into_iter().take(MAX_SLOTS) {
        let Some(slot) = r.small("Chain ID", 64) else { continue };
        let mut board = Board::in_slot(slot);
        board.present = Some(true);
        board.status = r.text("Status").map(Text::from);
        board.active = board.status.as_deref().map(|status| status.eq_ignore_ascii_case("alive"));
        let rates = hash_rates(r);
        board.hashrate = rates.realtime;
        board.hashrate_average = rates.average;
        board.chips = r.small("Chip Count", MAX_CHIPS);
        board.frequency = r.megahertz("Device Freq");
        board.chip_temperature_average = r.celsius_or_zero("Temp Avg");
        board.voltage = r.voltage("Voltage", Voltage::from_millivolts);
        snapshot.boards.push(board);
        // The fans are the machine's, and stand in every record.
        if snapshot.fans.is_empty() {
            let duty = r.percent("Fan Duty");
            let speeds = (0..4).filter_map(|n| r.rpm(&format!("Fan{n} Speed")));
            snapshot.fans = (0..).zip(speeds).map(|(index, speed)| Fan::new(index, speed)).collect();
            for fan in &mut snapshot.fans {
                fan.duty = duty;
            }
        }
    }
    base::sort_boards(&mut snapshot.boards);
}
