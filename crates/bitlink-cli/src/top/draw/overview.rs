//! The head: how the farm does, in three lines, and how sure that is. Below the list: what has happened lately.

use super::paint::{Pen, range, sparkline, width_of, within};
use crate::columns;
use crate::table::Tone;
use crate::text::{ago, clip, duration, width};
use crate::top::state::{State, coverage};
use bitlink_miner_manager::MinerStatus;
use ratatui::text::{Line, Span};

/// From this height on there is room for the whole head.
const ROOM_FOR_HEAD: u16 = 12;

pub(super) fn lines(state: &State, pen: Pen, room: usize, height: u16) -> Vec<Line<'static>> {
    if height < ROOM_FOR_HEAD {
        return vec![sums(state, pen, room)];
    }
    let mut lines = vec![title(state, pen, room), sums(state, pen, room), counts(state, pen, room)];
    lines.push(sureness(state, pen, room));
    lines.push(Line::default());
    lines
}

fn title(state: &State, pen: Pen, room: usize) -> Line<'static> {
    let name = " bitlink top ";
    let left = room.saturating_sub(width(name) + 1);
    let spans = vec![Span::styled(name, pen.banner()), Span::raw(format!(" {}", clip(&state.title, left)))];
    within(room, spans)
}

/// What the farm does now, and what it should.
fn sums(state: &State, pen: Pen, room: usize) -> Line<'static> {
    let totals = &state.totals;
    let all = state.list.fleet().len();
    let is_old = totals.fresh == 0;
    let strong = if is_old { Tone::Dim } else { Tone::Strong };
    let mut parts = vec![Span::raw(" ")];
    match totals.rate.known().and_then(columns::hash_rate) {
        Some(rate) => {
            if is_old {
                parts.push(pen.span("STALE ", Tone::Warning));
            }
            parts.push(pen.span(rate, strong));
            parts.push(pen.span(format!(" from {} of {all}", totals.rate.of), Tone::Plain));
        }
        None => parts.push(pen.span(format!("hash rate –  from 0 of {all}"), Tone::Dim)),
    }
    if let (Some(expected), Some((share, at_least))) =
        (totals.expected.known().and_then(columns::hash_rate), totals.share())
    {
        let sign = if at_least { "≥" } else { "" };
        parts.push(Span::raw("   "));
        parts.push(pen.span(format!("{sign}{:.0} %", share * 100.0), strong));
        parts.push(pen.span(format!(" of {expected} expected of {}", totals.expected.of), Tone::Plain));
    }
    if let Some(power) = totals.power.known() {
        let text =
            if power >= 1e6 { format!("{:.2} MW", power / 1e6) } else { format!("{:.1} kW", power / 1e3) };
        parts.push(Span::raw("   "));
        parts.push(pen.span(text, strong));
        parts.push(pen.span(format!(" from {}", totals.power.of), Tone::Plain));
    }
    if let Some(efficiency) = totals.efficiency() {
        parts.push(Span::raw("   "));
        parts.push(pen.span(format!("{efficiency:.1} J/TH"), strong));
    }
    within(room, parts)
}

/// The total over the rounds seen, in what room is left.
fn plot(state: &State, pen: Pen, room: usize, line: &mut Line<'static>) {
    const WIDEST: usize = 60;
    let left = room.saturating_sub(width_of(line) + 4);
    let points: Vec<_> = state.rates.last(left.min(WIDEST)).collect();
    if left < 6 || points.len() < 2 {
        return;
    }
    let calm = range(&points).map_or(1.0, |(_, most)| most / 10.0);
    line.spans.push(Span::raw("   "));
    line.spans.push(pen.span(sparkline(&points, calm), Tone::Good));
}

/// How many have which status.
fn counts(state: &State, pen: Pen, room: usize) -> Line<'static> {
    let coverage = &state.coverage;
    let mut parts = Vec::new();
    for (status, n) in [
        (MinerStatus::Active, coverage.active),
        (MinerStatus::Warning, coverage.warning),
        (MinerStatus::Dead, coverage.dead),
        (MinerStatus::Paused, coverage.paused),
        (MinerStatus::Scanning, coverage.scanning),
    ] {
        let (sign, word) = columns::status_word(status).split_once(' ').unwrap_or_default();
        let tone = if n == 0 { Tone::Dim } else { columns::status_tone(status) };
        let n = crate::text::count(u64::try_from(n).unwrap_or(u64::MAX));
        parts.push(pen.span(format!(" {sign} {n} {word}  "), tone));
    }
    within(room, parts)
}

/// How much of the farm that is, and how old; or what runs just now.
fn sureness(state: &State, pen: Pen, room: usize) -> Line<'static> {
    if let Some(scan) = &state.scan {
        let count = crate::text::count;
        let eta = scan.eta.map(|eta| format!(", {} left", duration(eta))).unwrap_or_default();
        let text = format!(
            " scanning {}: {} of {}, {} found{eta}   x stops it",
            scan.what,
            count(scan.done),
            count(scan.total),
            count(scan.found)
        );
        return within(room, vec![pen.span(text, Tone::Strong)]);
    }
    let (text, tone) = coverage(state);
    let mut line = {
        let mut parts = vec![pen.span(format!(" {text}"), tone)];
        if let Some(oldest) = state.coverage.oldest_reading {
            parts.push(pen.span(format!("   oldest {}", ago(state.now.since(oldest))), Tone::Dim));
        }
        if state.coverage.lag.as_secs() > 0 {
            parts
                .push(pen.span(format!("   polls are {} late", duration(state.coverage.lag)), Tone::Warning));
        }
        within(room, parts)
    };
    plot(state, pen, room, &mut line);
    line
}

/// A word to whoever sits there, what is wrong with the chosen one, and what has happened.
pub(super) fn news(state: &State, pen: Pen, room: usize, lines: usize) -> Vec<Line<'static>> {
    let mut all = Vec::new();
    if let Some(miner) = state.list.chosen() {
        for finding in columns::findings_by_weight(miner).into_iter().take(lines.saturating_sub(1)) {
            let since = finding.since.map(|since| format!(", began {}", ago(state.now.since(since))));
            let text = format!(" {}{}", crate::text::clean(&finding.message), since.unwrap_or_default());
            all.push(within(room, vec![pen.span(text, columns::severity_tone(finding.severity))]));
        }
    }
    let told = state.happened.iter().take(lines.saturating_sub(all.len()));
    let widest = told.clone().map(|happened| width(&happened.who)).max().unwrap_or(0).min(40);
    for happened in told {
        let age = ago(state.now.since(happened.at));
        all.push(within(
            room,
            vec![
                pen.span(format!(" {age:>10}  "), Tone::Dim),
                Span::raw(format!("{}  ", super::paint::padded(&happened.who, widest))),
                pen.span(happened.what.clone(), happened.tone),
            ],
        ));
    }
    if all.is_empty() {
        all.push(Line::from(pen.span(" nothing has changed since this began", Tone::Dim)));
    }
    all
}
