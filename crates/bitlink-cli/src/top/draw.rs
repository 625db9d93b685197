//! The picture, for any size of terminal from 80×24 up, and for smaller ones as far as they go. Draws what the state holds and decides
//! nothing else.

mod ask;
mod detail;
mod help;
mod list;
mod overview;
mod paint;

use super::state::{State, View};
use paint::{Pen, Sheet};
use ratatui::Frame;
use ratatui::layout::Rect;

/// From this height on what has happened lately has room.
const ROOM_FOR_NEWS: u16 = 20;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    let pen = Pen { colored: state.colored };
    let width = usize::from(area.width);
    let mut sheet = Sheet::new(frame, area);
    match state.view {
        View::Help => help::draw(&mut sheet, state, pen),
        View::List => {
            for line in overview::lines(state, pen, width, area.height) {
                sheet.put(line);
            }
            let news = match area.height {
                ..ROOM_FOR_NEWS => 0,
                height => ((height - ROOM_FOR_NEWS) / 5 + 3).min(10),
            };
            // Above the keys: what has happened, under a rule.
            let below = news + u16::from(news > 0) + 1;
            list::draw(&mut sheet, state, pen, below);
            sheet.go_to(area.bottom().saturating_sub(below));
            if news > 0 {
                sheet.put(list::rule(state, pen, width));
                for line in overview::news(state, pen, width, usize::from(news)) {
                    sheet.put(line);
                }
            }
        }
        View::Miner => detail::draw(&mut sheet, state, pen),
    }
    sheet.go_to(area.bottom().saturating_sub(1));
    sheet.put(ask::footer(state, pen, width));
    ask::draw(frame, state, pen, area);
}

/// A part of the screen in the middle of it.
fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
