//! The picture of the live table, for any size of terminal. Draws what the view holds and decides nothing else.

use super::view::View;
use crate::columns::{self, WATCHED, findings_by_weight, severity_tone, status_tone};
use crate::table::{Align, Cell, Tone, fit, gap};
use crate::text::{ago, clean, clip, width};
use bitlink_miner_manager::{Miner, MinerStatus};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use std::fmt::Write as _;
use std::sync::Arc;

/// From this height on there is room for the head of three lines.
const ROOM_FOR_HEAD: u16 = 12;
/// From this height on there is room to tell more of one miner and of what has happened.
const ROOM_FOR_MORE: u16 = 18;

pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let area = frame.area();
    let mut from_top = Lines { area, next: area.y };
    let head = head(view, usize::from(area.width));
    let heads = if area.height >= ROOM_FOR_HEAD { head.len() } else { 1 };
    for line in head.into_iter().take(heads) {
        from_top.put(frame, line);
    }
    if area.height >= ROOM_FOR_HEAD {
        from_top.skip();
    }

    let more = match area.height {
        ..ROOM_FOR_MORE => 0,
        height => ((height - ROOM_FOR_MORE) / 4 + 3).min(8),
    };
    let below = more + u16::from(more > 0) + 1;
    let rows = area.bottom().saturating_sub(from_top.next).saturating_sub(below + 1);
    table(frame, view, &mut from_top, usize::from(rows));

    let mut at_bottom = Lines { area, next: area.bottom().saturating_sub(below) };
    if more > 0 {
        at_bottom.put(frame, rule(view, usize::from(area.width)));
        for line in bottom(view, usize::from(area.width), usize::from(more)) {
            at_bottom.put(frame, line);
        }
    }
    Lines { area, next: area.bottom().saturating_sub(1) }.put(frame, footer(view, usize::from(area.width)));
}

/// Lines one below the other.
struct Lines {
    area: Rect,
    next: u16,
}

impl Lines {
    fn put(&mut self, frame: &mut Frame<'_>, line: Line<'_>) {
        if self.next < self.area.bottom() {
            let place = Rect { y: self.next, height: 1, ..self.area };
            frame.render_widget(Paragraph::new(line), place);
            self.skip();
        }
    }

    fn skip(&mut self) {
        self.next = self.next.saturating_add(1);
    }
}

impl View {
    fn style(&self, tone: Tone) -> Style {
        let color = |color| if self.colored { Style::new().fg(color) } else { Style::new() };
        match tone {
            Tone::Plain => Style::new(),
            Tone::Good => color(Color::Green),
            Tone::Warning => color(Color::Yellow),
            Tone::Bad => color(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Dim => Style::new().add_modifier(Modifier::DIM),
            Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    fn span(&self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        Span::styled(text.into(), self.style(tone))
    }
}

/// The title, the counts and the totals.
fn head(view: &View, room: usize) -> Vec<Line<'static>> {
    let name = " Bit-Link Miner Manager ";
    let title = clip(&view.title, room.saturating_sub(width(name) + 1)).into_owned();
    let banner = if view.colored {
        Style::new().fg(Color::Black).bg(Color::Cyan).add_modifier(Modifier::BOLD)
    } else {
        Style::new().add_modifier(Modifier::REVERSED)
    };
    let mut lines = vec![Line::from(vec![Span::styled(name, banner), Span::raw(" "), Span::raw(title)])];
    lines.push(counts(view));
    lines.push(totals(view, room));
    lines
}

fn counts(view: &View) -> Line<'static> {
    let coverage = &view.coverage;
    let mut spans = Vec::new();
    for (status, n) in [
        (MinerStatus::Active, coverage.active),
        (MinerStatus::Paused, coverage.paused),
        (MinerStatus::Warning, coverage.warning),
        (MinerStatus::Dead, coverage.dead),
        (MinerStatus::Scanning, coverage.scanning),
    ] {
        let (sign, word) = columns::status_word(status).split_once(' ').unwrap_or_default();
        let tone = if n == 0 { Tone::Dim } else { status_tone(status) };
        spans.push(Span::raw(" "));
        spans.push(view.span(format!("{sign} {n} {word}"), tone));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// Sums over the miners that are live, each with the number of miners that it speaks for.
fn totals(view: &View, room: usize) -> Line<'static> {
    let all = view.fleet.len();
    let sum = |value: fn(&Miner) -> f64| {
        let known: Vec<f64> = view.fleet.iter().map(|miner| value(miner)).filter(|n| n.is_finite()).collect();
        (known.iter().sum::<f64>(), known.len())
    };
    let (rate, rate_of) = sum(|miner| miner.stats.hashrate_rt);
    let (power, power_of) = sum(|miner| miner.stats.power);
    let mut parts: Vec<(String, Tone)> = Vec::new();
    if let Some(rate) = columns::hash_rate(rate).filter(|_| rate_of > 0) {
        parts.push((rate, Tone::Strong));
        parts.push((format!(" from {rate_of} of {all} miners"), Tone::Plain));
    } else {
        parts.push((format!("none of {all} miners has told a hash rate yet"), Tone::Dim));
    }
    if power_of > 0 {
        let power = match power {
            watts if watts >= 1e6 => format!("   {:.2} MW", watts / 1e6),
            watts => format!("   {:.1} kW", watts / 1e3),
        };
        parts.push((power, Tone::Strong));
        parts.push((format!(" from {power_of}"), Tone::Plain));
    }
    if let Some(oldest) = view.coverage.oldest_reading {
        parts.push((format!("   oldest reading {}", ago(view.now.since(oldest))), Tone::Dim));
    }
    if view.coverage.lag.as_secs() > 0 {
        let lag = crate::text::duration(view.coverage.lag);
        parts.push((format!("   polls are {lag} late"), Tone::Warning));
    }
    let mut left = room.saturating_sub(1);
    let mut spans = vec![Span::raw(" ")];
    for (text, tone) in parts {
        let Some(rest) = left.checked_sub(width(&text)) else { break };
        left = rest;
        spans.push(view.span(text, tone));
    }
    Line::from(spans)
}

/// The header and the rows.
fn table(frame: &mut Frame<'_>, view: &mut View, lines: &mut Lines, page: usize) {
    let room = usize::from(lines.area.width).saturating_sub(2);
    let shown: Vec<Arc<Miner>> = view.in_sight(page).to_vec();
    let fields = columns::columns(WATCHED);
    let widths = fit(&fields, &view.widths, Some(room));

    let heads: Vec<Cell> = WATCHED
        .iter()
        .map(|field| {
            let sign = match (*field == view.sort, view.reversed) {
                (false, _) => "",
                (true, false) => "▾",
                (true, true) => "▴",
            };
            Cell::new(format!("{}{sign}", field.column().title)).tone(Tone::Strong)
        })
        .collect();
    let underlined = Style::new().add_modifier(Modifier::UNDERLINED);
    lines.put(frame, row(view, &fields, &widths, &heads, room, underlined));

    if shown.is_empty() {
        let text = if view.fleet.is_empty() {
            "no miners are watched"
        } else {
            "nothing here holds what you filter by; Esc shows all"
        };
        lines.put(frame, Line::from(vec![Span::raw(" "), view.span(text, Tone::Dim)]));
    }
    let chosen = view.chosen_row();
    for (index, miner) in shown.iter().enumerate() {
        let cells = columns::row(WATCHED, miner, view.now);
        let is_chosen = chosen == Some(view.top + index);
        let style = if is_chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        lines.put(frame, row(view, &fields, &widths, &cells, room, style));
    }
}

/// One row, from edge to edge.
fn row(
    view: &View,
    fields: &[crate::table::Column],
    widths: &[Option<usize>],
    cells: &[Cell],
    room: usize,
    style: Style,
) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut used = 0;
    for ((field, wide), cell) in fields.iter().zip(widths).zip(cells) {
        let Some(mut wide) = *wide else { continue };
        if used > 0 {
            spans.push(Span::raw(" ".repeat(gap(Some(room)))));
            used += gap(Some(room));
        }
        if field.title == "reason" {
            // The last column has all that is left.
            wide = room.saturating_sub(used);
        }
        let text = clip(cell.text(), wide);
        let free = " ".repeat(wide.saturating_sub(width(&text)));
        // On a bar of one colour, other colours are patches.
        let tone = if style.add_modifier.contains(Modifier::REVERSED) { Tone::Plain } else { cell.tone_of() };
        let painted = view.span(text.into_owned(), tone);
        if field.align == Align::Right {
            spans.extend([Span::raw(free), painted]);
        } else {
            spans.extend([painted, Span::raw(free)]);
        }
        used += wide;
    }
    spans.push(Span::raw(" ".repeat(room.saturating_sub(used) + 1)));
    Line::from(spans).style(style)
}

/// The line between the table and what is below it, with the part of the table that is in sight.
fn rule(view: &View, room: usize) -> Line<'static> {
    let until = (view.top + view.page).min(view.rows.len());
    let mut place = match view.rows.len() {
        0 => String::new(),
        all => format!(" {}–{until} of {all} ", view.top + 1),
    };
    if !view.filter.is_empty() {
        place = format!(" holds “{}”,{place}", clean(&view.filter));
    }
    let place = clip(&place, room.saturating_sub(2)).into_owned();
    let line = "─".repeat(room.saturating_sub(width(&place) + 2));
    Line::from(view.span(format!("{line}{place}──"), Tone::Dim))
}

/// What is wrong with the chosen miner, in full, and what has happened lately.
fn bottom(view: &View, room: usize, lines: usize) -> Vec<Line<'static>> {
    let chosen = view.chosen_row().and_then(|row| view.rows.get(row)).map(|miner| chosen(view, miner));
    let mut all = chosen.unwrap_or_default();
    // What has happened is told too, however much there is to say about one miner.
    all.truncate(lines.saturating_sub(usize::from(!view.happened.is_empty())));
    let told = view.happened.iter().take(lines);
    let widest = told.clone().map(|happened| width(&happened.who)).max().unwrap_or(0);
    for happened in told {
        let age = ago(view.now.since(happened.at));
        let pad = " ".repeat(widest.saturating_sub(width(&happened.who)));
        let who = format!("{}{pad}", happened.who);
        let told = format!(" {age:>9}  {who}  ");
        let what = clip(&happened.what, room.saturating_sub(width(&told))).into_owned();
        all.push(Line::from(vec![
            view.span(format!(" {age:>9}  "), Tone::Dim),
            Span::raw(format!("{who}  ")),
            view.span(what, status_tone(happened.status)),
        ]));
    }
    if all.is_empty() {
        all.push(Line::from(view.span(" nothing has changed since the watch began", Tone::Dim)));
    }
    all.truncate(lines);
    all
}

fn chosen(view: &View, miner: &Miner) -> Vec<Line<'static>> {
    let firmware = columns::firmware(miner).map(|firmware| format!(", {}", clean(&firmware)));
    let who = format!(" {}  {}", columns::address(miner.ip, miner.port), clean(&miner.model));
    let mut lines = vec![Line::from(vec![
        view.span(who, Tone::Strong),
        view.span(firmware.unwrap_or_default(), Tone::Dim),
    ])];
    for finding in findings_by_weight(miner) {
        // Writing to a String cannot fail.
        let mut about = String::new();
        if let Some(since) = finding.since {
            let _ = write!(about, ", began {}", ago(view.now.since(since)));
        }
        if !finding.clears_when.is_empty() {
            let _ = write!(about, ", clears when {}", clean(&finding.clears_when));
        }
        lines.push(Line::from(vec![
            view.span(format!("   {}", clean(&finding.message)), severity_tone(finding.severity)),
            view.span(about, Tone::Dim),
        ]));
    }
    lines
}

/// The keys, or the filter while it is typed.
fn footer(view: &View, room: usize) -> Line<'static> {
    if view.typing {
        let typed = format!(" show only what holds: {}█", clean(&view.filter));
        let help = "  Enter keeps it, Esc shows all";
        return Line::from(vec![Span::raw(typed), view.span(help, Tone::Dim)]);
    }
    let mut spans = Vec::new();
    let mut left = room;
    for (key, what) in [
        ("q", "quit"),
        ("↑↓ PgUp PgDn Home End", "move"),
        ("s", "sort by the next column"),
        ("r", "reverse"),
        ("/", "filter"),
        ("Esc", "show all"),
    ] {
        let Some(rest) = left.checked_sub(width(key) + width(what) + 3) else { break };
        left = rest;
        spans.push(view.span(format!(" {key}"), Tone::Strong));
        spans.push(view.span(format!(" {what} "), Tone::Dim));
    }
    Line::from(spans)
}
