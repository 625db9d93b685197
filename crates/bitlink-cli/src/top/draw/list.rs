//! The list: the header, the rows that are in sight, and the rule below them.

use super::paint::{Pen, Sheet};
use crate::columns::{self, Field};
use crate::table::{Align, Cell, Column, Tone, fit, gap};
use crate::text::{ago, clean, clip, width};
use crate::top::list::FIELDS;
use crate::top::state::State;
use crate::top::totals::is_fresh;
use bitlink_miner_manager::Miner;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// Fields whose values are of the moment of the reading.
const READ: &[Field] = &[
    Field::HashRate,
    Field::Expected,
    Field::Hottest,
    Field::Power,
    Field::Efficiency,
    Field::Fans,
    Field::Uptime,
];

pub(super) fn draw(sheet: &mut Sheet<'_, '_>, state: &mut State, pen: Pen, below: u16) {
    let room = sheet.width().saturating_sub(2);
    // The header takes a line.
    let page = sheet.room_above(below).saturating_sub(1);
    let now = state.now;
    let shown = state.list.in_sight(page, now);
    let fields = columns::columns(FIELDS);
    let widths = fit(&fields, &state.list.widths, Some(room));
    state.list.visible =
        FIELDS.iter().zip(&widths).filter(|(_, width)| width.is_some()).map(|(field, _)| *field).collect();

    let heads: Vec<Cell> = FIELDS
        .iter()
        .map(|field| {
            let sign = match (*field == state.list.sort, state.list.reversed) {
                (false, _) => "",
                (true, false) => "▾",
                (true, true) => "▴",
            };
            Cell::new(format!("{}{sign}", field.column().title)).tone(Tone::Strong)
        })
        .collect();
    let underlined = Style::new().add_modifier(Modifier::UNDERLINED);
    sheet.put(row(pen, &fields, &widths, &heads, room, underlined));

    if shown.is_empty() {
        for text in nothing(state) {
            sheet.put(Line::from(vec![Span::raw(" "), pen.span(text, Tone::Dim)]));
        }
    }
    let chosen = state.list.chosen_row();
    for (index, miner) in shown.iter().enumerate() {
        let cells = cells(state, miner);
        let is_chosen = chosen == Some(state.list.top + index);
        let style = if is_chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        sheet.put(row(pen, &fields, &widths, &cells, room, style));
    }
}

/// The cells of a row. What is not of now does not look like it.
fn cells(state: &State, miner: &Miner) -> Vec<Cell> {
    let fresh = is_fresh(miner, state.now, state.fresh_for);
    let cell = |field: &Field| {
        let cell = field.cell(miner, state.now);
        match field {
            Field::Age if !fresh && miner.last_updated.is_some() => cell.tone(Tone::Warning),
            // Not every column has room on every terminal; this one has.
            Field::Reason if !fresh && cell.text().is_empty() => match miner.last_updated {
                Some(read) => Cell::new(format!("read {}", ago(state.now.since(read)))).tone(Tone::Warning),
                None => cell,
            },
            field if !fresh && READ.contains(field) => cell.tone(Tone::Dim),
            _ => cell,
        }
    };
    FIELDS.iter().map(cell).collect()
}

/// What there is to say where there is no row.
fn nothing(state: &State) -> Vec<&'static str> {
    if state.list.fleet().is_empty() {
        if state.scan.is_some() {
            vec!["no miner yet; the scan is running"]
        } else {
            vec!["no miner is watched yet: press s and say where to look, as 192.168.1.0/24"]
        }
    } else {
        vec!["no miner passes the filter; Esc shows all"]
    }
}

/// One row, from edge to edge.
fn row(
    pen: Pen,
    fields: &[Column],
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
        let painted = pen.span(text.into_owned(), tone);
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

/// The line below the list, with the part of it that is in sight.
pub(super) fn rule(state: &State, pen: Pen, room: usize) -> Line<'static> {
    let list = &state.list;
    let count = |n: usize| crate::text::count(u64::try_from(n).unwrap_or(u64::MAX));
    let until = (list.top + list.page).min(list.len());
    let mut place = match list.len() {
        0 => String::new(),
        all => format!(" {}–{} of {} ", count(list.top + 1), count(until), count(all)),
    };
    if !list.typed.is_empty() {
        place = format!(
            " {} of {} pass: {} ·{place}",
            count(list.len()),
            count(list.fleet().len()),
            clean(&list.typed)
        );
    }
    let place = clip(&place, room.saturating_sub(2)).into_owned();
    let line = "─".repeat(room.saturating_sub(width(&place) + 2));
    Line::from(pen.span(format!("{line}{place}──"), Tone::Dim))
}
