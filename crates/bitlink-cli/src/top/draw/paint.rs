//! What pictures are made of: lines one below the other, tones, bars and small plots. Knows nothing of miners.

use crate::table::Tone;
use crate::text::{clip, width};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// How things are drawn: sixteen colours are enough, and none will do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) colored: bool,
}

impl Pen {
    pub(super) fn style(self, tone: Tone) -> Style {
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

    pub(super) fn span(self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        Span::styled(text.into(), self.style(tone))
    }

    /// For the name of what is shown.
    pub(super) fn banner(self) -> Style {
        if self.colored {
            Style::new().fg(Color::Black).bg(Color::Cyan).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// For a heading.
    pub(super) fn heading(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colored { style.fg(Color::Cyan) } else { style }
    }
}

/// Lines one below the other. What does not fit is left out.
pub(super) struct Sheet<'a, 'b> {
    frame: &'a mut Frame<'b>,
    area: Rect,
    next: u16,
}

impl<'a, 'b> Sheet<'a, 'b> {
    pub(super) fn new(frame: &'a mut Frame<'b>, area: Rect) -> Self {
        Self { frame, area, next: area.y }
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// How many lines there are from here to one that is so many above the bottom.
    pub(super) fn room_above(&self, below: u16) -> usize {
        usize::from(self.area.bottom().saturating_sub(below).saturating_sub(self.next))
    }

    pub(super) fn put(&mut self, line: Line<'_>) {
        if self.next < self.area.bottom() {
            let place = Rect { y: self.next, height: 1, ..self.area };
            self.frame.render_widget(Paragraph::new(line), place);
        }
        self.next = self.next.saturating_add(1);
    }

    pub(super) fn go_to(&mut self, row: u16) {
        self.next = row.max(self.area.y);
    }
}

/// Spans in one line, as far as there is room: the first that finds none ends it, cut where that leaves anything to read.
pub(super) fn within(room: usize, parts: Vec<Span<'static>>) -> Line<'static> {
    let mut left = room;
    let mut spans = Vec::new();
    for part in parts {
        let wide = width(&part.content);
        if wide > left {
            if left > 8 {
                spans.push(Span::styled(clip(&part.content, left).into_owned(), part.style));
            }
            break;
        }
        left -= wide;
        spans.push(part);
    }
    Line::from(spans)
}

/// How wide a line is.
pub(super) fn width_of(line: &Line<'_>) -> usize {
    line.spans.iter().map(|span| width(&span.content)).sum()
}

/// A text in so many columns, filled up or cut.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let text = clip(text, columns);
    let free = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(free))
}

/// The same on the right.
pub(super) fn right(text: &str, columns: usize) -> String {
    let text = clip(text, columns);
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(&text))))
}

/// A bar that is full at 1: `██████░░░░`. Nothing known is no bar.
pub(super) fn bar(part: Option<f64>, columns: usize) -> String {
    let Some(part) = part.filter(|part| part.is_finite()) else { return " ".repeat(columns) };
    // Few columns: the number is as small as they are.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let full = (part.clamp(0.0, 1.0) * columns as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(columns.saturating_sub(full)))
}

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The least and the greatest of what is known.
pub(super) fn range(values: &[Option<f32>]) -> Option<(f32, f32)> {
    let known = || values.iter().flatten().copied();
    Some((known().reduce(f32::min)?, known().reduce(f32::max)?))
}

/// A plot one line high, a column for each value. A value that is not known leaves a gap. `calm` is the least range that fills the
/// height: less than that is noise, and looks like it.
pub(super) fn sparkline(values: &[Option<f32>], calm: f32) -> String {
    let Some((least, most)) = range(values) else { return " ".repeat(values.len()) };
    let span = (most - least).max(calm).max(f32::MIN_POSITIVE);
    let from = f32::midpoint(least, most) - span / 2.0;
    values
        .iter()
        .map(|value| match value {
            None => ' ',
            Some(value) => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 7
                let step = ((value - from) / span * 7.0).round().clamp(0.0, 7.0) as usize;
                STEPS.get(step).copied().unwrap_or(' ')
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    //! Bars and plots.
    use super::*;

    #[test]
    fn bars_and_plots_leave_gaps_where_nothing_is_known() {
        assert_eq!(bar(Some(0.5), 4), "██░░");
        assert_eq!(bar(Some(7.0), 2), "██");
        assert_eq!(bar(None, 3), "   ");
        assert_eq!(bar(Some(f64::NAN), 3), "   ");
        assert_eq!(sparkline(&[Some(0.0), None, Some(70.0), Some(35.0)], 1.0), "▁ █▅");
        assert_eq!(sparkline(&[None, None], 1.0), "  ");
        assert_eq!(sparkline(&[Some(70.0), Some(70.5)], 10.0), "▄▅", "noise is small");
    }

    #[test]
    fn a_line_ends_where_its_room_does() {
        let spans = || vec![Span::raw("first "), Span::raw("a long second part")];
        assert_eq!(within(40, spans()).to_string(), "first a long second part");
        assert_eq!(within(18, spans()).to_string(), "first a long seco…");
        assert_eq!(within(9, spans()).to_string(), "first ");
    }
}
