//! The line of keys, what is typed, and the box that asks before anything is sent.

use super::middle;
use super::paint::{Pen, width_of, within};
use crate::columns;
use crate::table::Tone;
use crate::text::{clean, width};
use crate::top::state::{Line as Typed, Question, State, View};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// How wide the box is that asks.
const BOX: u16 = 72;

/// What stands at the bottom: what is typed, else a word to whoever sits there, else the keys.
pub(super) fn footer(state: &State, pen: Pen, room: usize) -> Line<'static> {
    match &state.question {
        Some(Question::Filter(line)) => {
            return typed(
                pen,
                room,
                "show only",
                line,
                "Enter keeps it   Esc shows all   ? in the list: words",
            );
        }
        Some(Question::Range(line)) => {
            return typed(
                pen,
                room,
                "scan",
                line,
                "as 192.168.1.0/24 or 10.0.0.1-99   Enter begins   Esc leaves it",
            );
        }
        Some(Question::Light { .. }) | None => {}
    }
    if let Some(words) = &state.commanding {
        return within(room, vec![pen.span(format!(" {words}"), Tone::Strong)]);
    }
    if let Some(note) = state.note() {
        return within(room, vec![pen.span(format!(" {}", note.text), note.tone)]);
    }
    let keys: &[(&str, &str)] = match state.view {
        View::Help => &[("Esc", "back"), ("↑↓", "move"), ("q", "back")],
        View::List => &[
            ("q", "quit"),
            ("?", "help"),
            ("Enter", "miner"),
            ("/", "filter"),
            ("←→", "sort"),
            ("r", "reverse"),
            ("s", "scan"),
            ("l", "light"),
            ("u", "ask now"),
        ],
        View::Miner => &[
            ("Esc", "list"),
            ("←→", "other miner"),
            ("↑↓", "move"),
            ("l", "light"),
            ("u", "ask now"),
            ("?", "help"),
        ],
    };
    let mut left = room;
    let mut spans = Vec::new();
    for (key, what) in keys {
        let Some(rest) = left.checked_sub(width(key) + width(what) + 3) else { break };
        left = rest;
        spans.push(pen.span(format!(" {key}"), Tone::Strong));
        spans.push(pen.span(format!(" {what} "), Tone::Dim));
    }
    Line::from(spans)
}

/// A line that is being typed: its end is always in sight.
fn typed(pen: Pen, room: usize, what: &str, line: &Typed, help: &str) -> Line<'static> {
    let text = clean(&line.text).into_owned();
    let most = room.saturating_sub(width(what) + 6);
    let mut shown: String = text.clone();
    while width(&shown) > most && !shown.is_empty() {
        shown.remove(0);
    }
    let mut spans = vec![pen.span(format!(" {what}: "), Tone::Strong), Span::raw(format!("{shown}█ "))];
    match &line.error {
        Some(error) => spans.push(pen.span(format!(" {}", clean(error)), Tone::Bad)),
        None => spans.push(pen.span(format!(" {help}"), Tone::Dim)),
    }
    within(room, spans)
}

/// The box in which it is asked whether a light is to be switched.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, pen: Pen, area: Rect) {
    let Some(Question::Light { at, on, proposal }) = &state.question else { return };
    let place = columns::address(at.ip(), at.port());
    let what = format!(" Switch the light {} at {place} ", if *on { "on" } else { "off" });
    let mut lines = Vec::new();
    match proposal {
        None => lines.push(Line::from(pen.span("looking who is there…", Tone::Dim))),
        Some(proposal) => {
            for line in &proposal.lines {
                lines.push(Line::from(clean(line).into_owned()));
            }
            lines.push(Line::default());
            let keys = if proposal.possible { "y  send it      n  leave it" } else { "any key leads back" };
            lines.push(Line::from(pen.span(keys, Tone::Strong)));
        }
    }
    // Two columns and two lines are the frame's; a long line takes as many as it needs.
    let inside = usize::from(BOX.min(area.width)).saturating_sub(2).max(1);
    let tall: usize = lines.iter().map(|line| width_of(line).div_ceil(inside).max(1)).sum();
    let place = middle(area, BOX, u16::try_from(tall + 2).unwrap_or(u16::MAX));
    let block = Block::bordered().title(pen.span(what, Tone::Strong));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), place);
}
