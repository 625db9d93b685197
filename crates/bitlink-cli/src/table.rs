//! Tables that fit the room they have: columns give way in the order of their importance. Lays out and prints; what is
//! in the cells is the caller's business, and cells are made harmless on their way in.

use crate::text::{clean, clip, width};
use std::fmt::Write as _;

/// What a piece of text is to say by its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Something is wrong.
    Warning,
    /// Something is very wrong.
    Bad,
    /// Beside the point.
    Dim,
    /// The point.
    Strong,
}

impl Tone {
    /// The text between the terminal's codes for this tone. Streams that are not to be coloured strip them.
    pub(crate) fn paint(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Good => format!("\u{1b}[32m{text}\u{1b}[0m"),
            Self::Warning => format!("\u{1b}[33m{text}\u{1b}[0m"),
            Self::Bad => format!("\u{1b}[31m{text}\u{1b}[0m"),
            Self::Dim => format!("\u{1b}[2m{text}\u{1b}[0m"),
            Self::Strong => format!("\u{1b}[1m{text}\u{1b}[0m"),
        }
    }
}

/// One cell: harmless text and its tone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell, with whatever could do harm in it made visible.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self { text: clean(text.as_ref()).into_owned(), tone: Tone::Plain }
    }

    /// The same in a tone.
    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The same in a tone, if the tone says anything.
    pub(crate) fn stressed(self, tone: Tone) -> Self {
        if tone == Tone::Plain { self } else { self.tone(tone) }
    }

    /// A cell for a value that may be unknown.
    pub(crate) fn known(text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) => Self::new(text),
            None => Self::new(crate::text::UNKNOWN).tone(Tone::Dim),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn tone_of(&self) -> Tone {
        self.tone
    }
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
    /// The higher, the sooner it goes when there is no room; 0 stays.
    pub(crate) gives_way: u8,
    /// It may be cut to this many columns; `None` means never.
    pub(crate) least: Option<usize>,
    /// Columns of [`LUXURY`] go before this one is cut to less.
    pub(crate) easy: usize,
}

/// From here on a column gives way before others are cut to less than reads easily.
const LUXURY: u8 = 4;

impl Column {
    pub(crate) const fn left(title: &'static str, gives_way: u8) -> Self {
        Self { title, align: Align::Left, gives_way, least: None, easy: 0 }
    }

    pub(crate) const fn right(title: &'static str, gives_way: u8) -> Self {
        Self { title, align: Align::Right, gives_way, least: None, easy: 0 }
    }

    /// The same column, which may be cut.
    pub(crate) const fn cut_to(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// The same column, which reads easily from this width on.
    pub(crate) const fn easy_at(mut self, easy: usize) -> Self {
        self.easy = easy;
        self
    }
}

/// Room between two columns: little where there is little of it.
pub(crate) fn gap(room: Option<usize>) -> usize {
    if room.is_some_and(|room| room < 100) { 1 } else { 2 }
}

/// How wide each column is, `None` for those that found no room. `natural` is how wide each would like to be; 0 is
/// not at all.
pub(crate) fn fit(columns: &[Column], natural: &[usize], room: Option<usize>) -> Vec<Option<usize>> {
    let mut widths: Vec<Option<usize>> = natural.iter().map(|wide| (*wide > 0).then_some(*wide)).collect();
    widths.resize(columns.len(), None);
    let Some(room) = room else { return widths };
    while over(&widths, room) > easy_slack(columns, &widths) {
        let Some(index) = first_to_go(columns, &widths, LUXURY) else { break };
        clear(&mut widths, index);
    }
    while over(&widths, room) > columns.iter().zip(&widths).map(|(c, w)| slack(c, *w)).sum() {
        let Some(index) = first_to_go(columns, &widths, 1) else { break };
        clear(&mut widths, index);
    }
    let over = over(&widths, room);
    squeeze(columns, &mut widths, over);
    widths
}

/// How much too wide all columns together are.
fn over(widths: &[Option<usize>], room: usize) -> usize {
    let shown = widths.iter().flatten().count();
    let taken = widths.iter().flatten().sum::<usize>() + gap(Some(room)) * shown.saturating_sub(1);
    taken.saturating_sub(room)
}

/// The column that gives way next, among those that give way at least so easily.
fn first_to_go(columns: &[Column], widths: &[Option<usize>], least: u8) -> Option<usize> {
    let shown = columns.iter().zip(widths).enumerate().filter(|(_, (_, width))| width.is_some());
    let can_go = shown.filter(|(_, (column, _))| column.gives_way >= least);
    can_go.max_by_key(|(index, (column, _))| (column.gives_way, *index)).map(|(index, _)| index)
}

fn clear(widths: &mut [Option<usize>], index: usize) {
    if let Some(width) = widths.get_mut(index) {
        *width = None;
    }
}

/// How much all columns can be cut and still read easily.
fn easy_slack(columns: &[Column], widths: &[Option<usize>]) -> usize {
    let easy = |(column, width): (&Column, &Option<usize>)| {
        let least = column.least?;
        Some(width.as_ref()?.saturating_sub(least.max(column.easy)))
    };
    columns.iter().zip(widths).filter_map(easy).sum()
}

/// How much a column can be cut.
fn slack(column: &Column, width: Option<usize>) -> usize {
    width.zip(column.least).map_or(0, |(width, least)| width.saturating_sub(least))
}

/// Takes so much from the columns that can be cut, always from the one that can spare the most.
fn squeeze(columns: &[Column], widths: &mut [Option<usize>], over: usize) {
    for _ in 0..over {
        let most = columns.iter().zip(widths.iter_mut()).max_by_key(|(column, width)| slack(column, **width));
        match most {
            Some((column, Some(width))) if slack(column, Some(*width)) > 0 => *width -= 1,
            _ => break,
        }
    }
}

/// A table with a header.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How wide each column would like to be. A column in which no row has anything takes no room at all.
    fn natural(&self) -> Vec<usize> {
        let widest = |index: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(index))
                .map(|cell| width(cell.text()))
                .max()
                .unwrap_or(0)
        };
        let natural = |(index, column): (usize, &Column)| match widest(index) {
            0 => 0,
            widest => widest.max(width(column.title)),
        };
        self.columns.iter().enumerate().map(natural).collect()
    }

    /// The table as text, one line for each row, no wider than the room there is.
    pub(crate) fn render(&self, room: Option<usize>) -> String {
        let widths = fit(&self.columns, &self.natural(), room);
        let header: Vec<Cell> =
            self.columns.iter().map(|column| Cell::new(column.title).tone(Tone::Dim)).collect();
        let mut out = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{}", line(&self.columns, &widths, row, gap(room)));
        }
        out
    }
}

fn line(columns: &[Column], widths: &[Option<usize>], row: &[Cell], gap: usize) -> String {
    let mut out = String::new();
    let mut pending = 0;
    for ((column, wide), cell) in columns.iter().zip(widths).zip(row) {
        let Some(wide) = *wide else { continue };
        let text = clip(cell.text(), wide);
        let free = wide - width(&text).min(wide);
        let (before, after) = if column.align == Align::Right { (free, 0) } else { (0, free) };
        if text.is_empty() {
            pending += wide + gap;
        } else {
            // Blanks are written once something follows them, so that no line ends in blanks.
            out.extend(std::iter::repeat_n(' ', pending + before));
            out.push_str(&cell.tone.paint(&text));
            pending = after + gap;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    //! What gives way when there is too little room, and what a line looks like.
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::left("status", 0),
        Column::left("model", 1).cut_to(6),
        Column::right("power", 2),
        Column::left("reason", 0).cut_to(4),
    ];

    fn table() -> Table {
        let mut table = Table::new(&COLUMNS);
        let row = |cells: [&str; 4]| cells.iter().map(Cell::new).collect();
        table.push(row(["active", "Antminer S19 Pro", "3250 W", ""]));
        table.push(row(["warning", "WhatsMiner M50", "9 W", "hottest chip 91 °C"]));
        table
    }

    #[test]
    fn everything_is_shown_where_there_is_room() {
        let text = table().render(None);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "status   model              power  reason\n\
             active   Antminer S19 Pro  3250 W\n\
             warning  WhatsMiner M50       9 W  hottest chip 91 °C\n"
        );
    }

    #[test]
    fn columns_are_cut_before_they_go_and_go_in_order() {
        let at = |room| anstream::adapter::strip_str(&table().render(Some(room))).to_string();
        for room in 18..60 {
            let widest = at(room).lines().map(width).max().unwrap();
            assert!(widest <= room, "{widest} columns in a room of {room}");
        }
        assert!(at(40).contains("3250 W") && at(40).contains("Antmin"), "{}", at(40));
        assert!(!at(24).contains("power") && at(24).contains("model"), "{}", at(24));
        assert!(!at(18).contains("model") && at(18).contains("reason"), "{}", at(18));
    }

    #[test]
    fn a_hostile_cell_keeps_its_column() {
        let mut table = Table::new(&[Column::left("a", 0), Column::left("b", 0)]);
        table.push(vec![Cell::new("x\u{1b}[31m\r\u{202e}"), Cell::new("y")]);
        let text = table.render(None);
        assert_eq!(text.lines().last(), Some("x\\x1b[31m\\r\\u{202e}  y"));
    }
}
