//! What each key does. Pure.

use super::list::FIELDS;
use super::state::{Effect, Line, Question, State, View};
use crate::columns::Field;
use crate::table::Tone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::net::SocketAddr;

/// The keys that order by a column.
pub(super) const SORTS: &[(char, Field)] = &[
    ('S', Field::Status),
    ('A', Field::Address),
    ('M', Field::Model),
    ('H', Field::HashRate),
    ('E', Field::Expected),
    ('T', Field::Hottest),
    ('P', Field::Power),
    ('J', Field::Efficiency),
    ('N', Field::Fans),
    ('U', Field::Uptime),
    ('O', Field::Age),
    ('W', Field::Worker),
    ('F', Field::Firmware),
    ('C', Field::Mac),
];

/// The longest line that can be typed.
const LONGEST: usize = 400;

pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    state.dismiss();
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return vec![Effect::Interrupt],
        KeyCode::Char('z') if control => return vec![Effect::Sleep],
        KeyCode::Char('l') if control => return vec![Effect::Repaint],
        _ => {}
    }
    match state.question.take() {
        Some(Question::Filter(line)) => return filter(state, line, key),
        Some(Question::Range(line)) => return range(state, line, key),
        Some(Question::Light { at, on, proposal }) => {
            let impossible = proposal.as_ref().is_some_and(|proposal| !proposal.possible);
            return match key.code {
                KeyCode::Char('y' | 'Y') if proposal.is_some() && !impossible => vec![Effect::CarryOut],
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
                    state.tell(Tone::Dim, "nothing was sent");
                    vec![Effect::Decline]
                }
                // There is nothing to decide.
                _ if impossible => vec![Effect::Decline],
                // Any other key asks again: nobody says yes or no by accident.
                _ => {
                    state.question = Some(Question::Light { at, on, proposal });
                    Vec::new()
                }
            };
        }
        None => {}
    }
    if control {
        return Vec::new();
    }
    match state.view {
        View::Help => help(state, key.code),
        View::List => list(state, key.code),
        View::Miner => miner(state, key.code),
    }
}

fn help(state: &mut State, key: KeyCode) -> Vec<Effect> {
    if !scroll(state, key) && matches!(key, KeyCode::Char('q' | '?') | KeyCode::Esc | KeyCode::Enter) {
        state.leave_help();
    }
    Vec::new()
}

/// Moves a long page. Its end is found when it is drawn.
fn scroll(state: &mut State, key: KeyCode) -> bool {
    let page = state.list.page.max(2) - 1;
    state.scroll = match key {
        KeyCode::Up | KeyCode::Char('k') => state.scroll.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => state.scroll.saturating_add(1),
        KeyCode::PageUp => state.scroll.saturating_sub(page),
        KeyCode::PageDown | KeyCode::Char(' ') => state.scroll.saturating_add(page),
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => usize::MAX,
        _ => return false,
    };
    true
}

fn list(state: &mut State, key: KeyCode) -> Vec<Effect> {
    let now = state.now;
    match key {
        KeyCode::Char('q') => return state.quit(),
        KeyCode::Esc if state.list.chosen().is_some() => state.list.choose_none(),
        KeyCode::Esc if !state.list.typed.is_empty() => {
            // No words let everything pass.
            let _ = state.list.filter_by("", now);
        }
        KeyCode::Up | KeyCode::Char('k') => state.list.go(|row, _| row.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => state.list.go(|row, _| row.saturating_add(1)),
        KeyCode::PageUp => state.list.go(usize::saturating_sub),
        KeyCode::PageDown | KeyCode::Char(' ') => state.list.go(usize::saturating_add),
        KeyCode::Home | KeyCode::Char('g') => state.list.go(|_, _| 0),
        KeyCode::End | KeyCode::Char('G') => state.list.go(|_, _| usize::MAX),
        KeyCode::Left | KeyCode::Char('<') => state.list.sort_by_neighbour(false, now),
        KeyCode::Right | KeyCode::Char('>') => state.list.sort_by_neighbour(true, now),
        KeyCode::Char('r') => state.list.reverse(now),
        KeyCode::Enter => {
            if state.list.chosen().is_none() {
                state.list.go(|row, _| row);
            }
            if state.list.chosen().is_some() {
                state.show(View::Miner);
            }
        }
        KeyCode::Char('/') => {
            let line = Line { text: state.list.typed.clone(), error: None };
            state.question = Some(Question::Filter(line));
        }
        KeyCode::Char(letter) => match SORTS.iter().find(|(key, _)| *key == letter) {
            Some((_, field)) if FIELDS.contains(field) => state.list.sort_by(*field, now),
            _ => return common(state, key),
        },
        _ => return common(state, key),
    }
    Vec::new()
}

fn miner(state: &mut State, key: KeyCode) -> Vec<Effect> {
    if scroll(state, key) {
        return Vec::new();
    }
    match key {
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('q') => state.show(View::List),
        KeyCode::Left => state.list.go(|row, _| row.saturating_sub(1)),
        KeyCode::Right => state.list.go(|row, _| row.saturating_add(1)),
        _ => return common(state, key),
    }
    Vec::new()
}

/// What is the same for the list and for one miner.
fn common(state: &mut State, key: KeyCode) -> Vec<Effect> {
    match key {
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => state.show(View::Help),
        KeyCode::Char('s') if state.scan.is_some() => {
            state.tell(Tone::Warning, "a scan is running; x stops it");
        }
        KeyCode::Char('s') => state.question = Some(Question::Range(Line::default())),
        KeyCode::Char('x') if state.scan.is_some() => return vec![Effect::StopScan],
        KeyCode::Char('u') => return chosen(state).map(|(at, _)| Effect::Poll(at)).into_iter().collect(),
        KeyCode::Char('l') => return light(state, None),
        KeyCode::Char('L') => return light(state, Some(false)),
        _ => {}
    }
    Vec::new()
}

/// Where whoever is chosen is, and whether its light is on. Says so where nobody is.
fn chosen(state: &mut State) -> Option<(SocketAddr, Option<bool>)> {
    let found = state.list.chosen().map(|miner| {
        let light = miner.snapshot.as_ref().and_then(|snapshot| snapshot.light);
        (SocketAddr::new(miner.ip, miner.port), light)
    });
    if found.is_none() {
        state.tell(Tone::Warning, "choose a miner first, with the arrows");
    }
    found
}

/// Asks whether to switch a light: the other way than it is, unless it is said which.
fn light(state: &mut State, on: Option<bool>) -> Vec<Effect> {
    if state.commanding.is_some() {
        state.tell(Tone::Warning, "a command is out; wait for its outcome");
        return Vec::new();
    }
    let Some((at, light)) = chosen(state) else { return Vec::new() };
    let on = on.unwrap_or(light != Some(true));
    state.question = Some(Question::Light { at, on, proposal: None });
    vec![Effect::Propose { at, on }]
}

fn filter(state: &mut State, mut line: Line, key: KeyEvent) -> Vec<Effect> {
    let now = state.now;
    match key.code {
        KeyCode::Esc => {
            let _ = state.list.filter_by("", now);
            return Vec::new();
        }
        KeyCode::Enter if line.error.is_none() => return Vec::new(),
        KeyCode::Up => state.list.go(|row, _| row.saturating_sub(1)),
        KeyCode::Down => state.list.go(|row, _| row.saturating_add(1)),
        _ => edit(&mut line.text, key),
    }
    line.error = state.list.filter_by(&line.text, now).err().map(|error| error.to_string());
    state.question = Some(Question::Filter(line));
    Vec::new()
}

fn range(state: &mut State, mut line: Line, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter if line.text.trim().is_empty() => return Vec::new(),
        KeyCode::Enter => {
            line.error = None;
            let text = line.text.clone();
            // Stays until it is known whether it can be scanned.
            state.question = Some(Question::Range(line));
            return vec![Effect::Scan(text)];
        }
        _ => {
            line.error = None;
            edit(&mut line.text, key);
        }
    }
    state.question = Some(Question::Range(line));
    Vec::new()
}

/// Changes a line at its end.
fn edit(text: &mut String, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char('u') if control => text.clear(),
        KeyCode::Char('w') if control => {
            let kept = text.trim_end().rfind(' ').map_or(0, |space| space + 1);
            text.truncate(kept);
        }
        KeyCode::Char(c) if !control && text.len() < LONGEST => text.push(c),
        _ => {}
    }
}
