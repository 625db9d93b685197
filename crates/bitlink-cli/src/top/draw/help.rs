//! The page of help.

use super::paint::{Pen, Sheet, padded};
use crate::table::Tone;
use crate::top::keys::SORTS;
use crate::top::state::State;
use ratatui::text::{Line, Span};

const PAGE: &[(&str, &[(&str, &str)])] = &[
    (
        "Moving",
        &[
            ("↑ ↓ k j", "one row; in a miner: one line"),
            ("PgUp PgDn Space", "one page"),
            ("Home End g G", "the first, the last"),
            ("Enter", "all of the chosen miner; ← → there: the one before, the next"),
            ("Esc", "one step back: choose none, show all, to the list"),
            ("q", "quit; from a page: back"),
        ],
    ),
    ("Order", &[("← → < >", "sort by the column to the left, to the right"), ("r", "the other way round")]),
    (
        "Doing",
        &[
            ("/", "filter"),
            ("s", "scan a range; miners found are watched from then on"),
            ("x", "stop the scan"),
            ("u", "ask the chosen miner now"),
            ("l", "switch the light of the chosen miner; asks first"),
            ("L", "switch it off, whatever is known of it; asks first"),
            ("Ctrl-L", "draw everything anew"),
            ("Ctrl-Z", "sleep; fg wakes"),
        ],
    ),
    (
        "Filter: all words must hold",
        &[
            ("s19", "any text of the miner holds it"),
            ("status:warning", "status ip model firmware mac serial host pool worker reason rule id"),
            ("ip:10.0.3.0/24", "within a network"),
            ("chip_temp>85", "hashrate exp power temp chip_temp board_temp efficiency fan uptime age"),
            ("power>=3k age>1m", "also hw_errors, rejected; signs < <= > >= = !="),
            ("-model:S19", "not; what is unknown is neither"),
            ("power:unknown", "not told; light:on and light:off too"),
            ("\"two words\"", "quotes keep words together and signs letters"),
        ],
    ),
    (
        "Signs",
        &[
            ("● ▲ ✖", "active, warning, dead"),
            ("‖ ○", "paused by somebody's wish, not judged yet"),
            ("–", "not known, which is not zero"),
            ("dim", "a number that is not of now; the column age says how old it is"),
            ("≥", "at least: some have not told"),
        ],
    ),
];

pub(super) fn draw(sheet: &mut Sheet<'_, '_>, state: &mut State, pen: Pen) {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (title, keys) in PAGE {
        lines.push(Line::from(Span::styled(format!(" {title}"), pen.heading())));
        for (key, what) in *keys {
            lines.push(Line::from(vec![
                pen.span(format!("   {}", padded(key, 19)), Tone::Strong),
                Span::raw((*what).to_owned()),
            ]));
        }
        if *title == "Order" {
            let keys: Vec<String> =
                SORTS.iter().map(|(key, field)| format!("{key} {}", field.column().title)).collect();
            for part in keys.chunks(7) {
                lines.push(Line::from(format!("   {}", part.join("   "))));
            }
        }
        lines.push(Line::default());
    }
    page(sheet, state, lines);
}

/// As much of a long page as fits, from where it is scrolled to, which is brought into the page.
pub(super) fn page(sheet: &mut Sheet<'_, '_>, state: &mut State, lines: Vec<Line<'static>>) {
    let room = sheet.room_above(1);
    state.scroll = state.scroll.min(lines.len().saturating_sub(room));
    for line in lines.into_iter().skip(state.scroll).take(room) {
        sheet.put(line);
    }
}
