//! The page of a VolcMiner's web server that tells how it does: objects and lists in quotation marks, which the decoder takes off,
//! and every number a text, with commas between the thousands. As public clients read it; no reply of a real machine was at hand.
//!
//! Rates are in MH/s, whatever their keys say.

use crate::dialect::{Answers, Question};
use crate::dialects::{antminer, antminer_web};
use crate::record::{Oddities, Record};
use crate::replies::MAX_CHIPS;
use bitlink_model::{AnomalyKind, Board, Fan, MinerSnapshot, Span};
use serde_json::Value;

/// In the place of the API's statistics.
pub(super) const STATUS: Question =
    Question::may_page("status page", "/cgi-bin/get_miner_statusV1.cgi").in_place_of("stats");

/// What a Hammer has instead, and at last why nothing was answered.
pub(super) const BITMAINS: [Question; 4] = [
    antminer_web::STATS_PAGE,
    antminer_web::SUMMARY_PAGE,
    antminer_web::POOLS_PAGE,
    Question::must_page("statistics", "/cgi-bin/get_miner_statusV1.cgi").in_place_of(antminer_web::STATS),
];

/// Reads the page, where it was asked for.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(r) = answers.page(STATUS.command, oddities).and_then(|r| r.record("data")) else { return };
    snapshot.elapsed = elapsed(r);
    let rates = &mut snapshot.hashrate;
    rates.realtime = r.mhs("ghs5s");
    rates.average = r.mhs("ghsav");
    snapshot.power = r.watts("power");
    snapshot.temperatures.ambient = r.celsius_or_zero("ambient_temp");
    snapshot.shares.best_share = r.difficulty("bestshare");
    snapshot.shares.utility = r.utility("utility");
    if let Some(pools) = r.record("pools") {
        if let Some(total) = pools.record("total") {
            let shares = &mut snapshot.shares;
            shares.accepted = total.count("t_accepted");
            shares.rejected = total.count("t_rejected");
            shares.stale = total.count("t_stale");
            shares.discarded = total.count("t_discarded");
            shares.getworks = total.count("t_getworks");
        }
        snapshot.shares.hardware_errors = pools.record("hw").and_then(|hw| hw.count("h_hw"));
        snapshot.pools = pools
            .records("pool_dtls")
            .into_iter()
            .take(antminer_web::MAX_SLOTS)
            .filter_map(antminer_web::pool)
            .collect();
    }
    snapshot.boards =
        r.records("chains").into_iter().take(antminer_web::MAX_SLOTS).filter_map(board).collect();
    if let Some(fans) = r.record("fan") {
        let speeds = (1..=8).filter_map(|n| fans.rpm(&format!("fan{n}")));
        snapshot.fans = (0..).zip(speeds).map(|(index, speed)| Fan::new(index, speed)).collect();
    }
}

/// `2d 3h 4m 5s`, with or without the spaces; or seconds alone.
fn elapsed(r: Record<'_>) -> Option<Span> {
    let text = r.word("elapsed")?;
    let span = seconds(&text);
    if span.is_none() {
        r.odd(AnomalyKind::BadValue, "elapsed", &Value::from(text.as_str()));
    }
    span.map(Span::from_seconds)
}

fn seconds(text: &str) -> Option<u64> {
    let (mut total, mut number, mut units) = (0_u64, None::<u64>, 0);
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != ',') {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit.into())?);
            continue;
        }
        let length: u64 = match c.to_ascii_lowercase() {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(length)?)?;
        units += 1;
    }
    match number {
        Some(plain) if units == 0 => Some(plain),
        None if units > 0 => Some(total),
        _ => None,
    }
}

fn board(r: Record<'_>) -> Option<Board> {
    let mut board = Board::in_slot(r.small("index", 16)?.checked_sub(1)?);
    let chips = r.small("chain_acn", MAX_CHIPS)?;
    // An empty connector is listed with nothing on it.
    if chips == 0 && r.text("chain_acs").is_none() {
        return None;
    }
    board.present = Some(true);
    board.chips = Some(chips);
    board.hashrate = r.mhs("chain_rate");
    board.hardware_errors = r.count("hw");
    board.frequency = r.megahertz("freq");
    board.board_temperature = r.celsius_or_zero("temp");
    antminer::read_map(r, "chain_acs", &mut board);
    Some(board)
}

#[cfg(test)]
mod tests {
    //! Texts that hold times.
    use super::*;

    #[test]
    fn times_in_words_or_in_seconds() {
        assert_eq!(seconds("2d3h4m5s"), Some(183_845));
        assert_eq!(seconds("3h 4m 5s"), Some(11_045));
        assert_eq!(seconds("50,400"), Some(50_400));
        for text in ["", "h", "1x", "12m 5", "-1s", "99999999999999999999d", "999999999999999999d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
