//! What the live table shows and how it answers keys. Pure: no terminal, no clock.

use crate::columns::{self, Field, WATCHED};
use crate::text::{clean, width};
use bitlink_miner_manager::query::{Filter, Subject};
use bitlink_miner_manager::{Coverage, Miner, MinerStatus, Timestamp};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

/// What is to be done after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    None,
    Redraw,
    Quit,
    Interrupt,
}

/// Something that happened, told on a line at the bottom.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) at: Timestamp,
    pub(super) status: MinerStatus,
    pub(super) who: String,
    pub(super) what: String,
}

/// How many happenings are kept: as many as fit on any screen.
const HAPPENINGS: usize = 32;

/// Which miner: where its API listens.
type Place = (IpAddr, u16);

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct View {
    pub(super) title: String,
    pub(super) colored: bool,
    pub(super) now: Timestamp,
    /// Every miner that is watched, in order of address.
    pub(super) fleet: Arc<[Arc<Miner>]>,
    pub(super) coverage: Coverage,
    /// The miners that are shown, in the order in which they are.
    pub(super) rows: Vec<Arc<Miner>>,
    pub(super) sort: Field,
    pub(super) reversed: bool,
    /// The first row on the screen.
    pub(super) top: usize,
    /// The miner that somebody has chosen. It stays chosen wherever it moves.
    chosen: Option<Place>,
    /// How many rows the screen has, as it was last drawn.
    pub(super) page: usize,
    /// What is typed to filter by, and what it means.
    pub(super) filter: String,
    wanted: Filter,
    /// Whether keys go into the filter.
    pub(super) typing: bool,
    pub(super) happened: VecDeque<Happened>,
    /// The widest that each column has been: columns that come and go with every reading hurt the eye.
    pub(super) widths: Vec<usize>,
}

impl View {
    pub(super) fn new(title: String, colored: bool) -> Self {
        Self {
            title,
            colored,
            now: Timestamp::from_unix_millis(0),
            fleet: Arc::default(),
            coverage: Coverage::default(),
            rows: Vec::new(),
            sort: Field::Status,
            reversed: false,
            top: 0,
            chosen: None,
            page: 1,
            filter: String::new(),
            wanted: Filter::default(),
            typing: false,
            happened: VecDeque::new(),
            widths: vec![0; WATCHED.len()],
        }
    }

    /// Shows only who passes, until somebody types something else.
    pub(super) fn filtered_by(mut self, filter: &str) -> Self {
        filter.clone_into(&mut self.filter);
        self
    }

    /// Takes over the fleet as it is now.
    pub(super) fn update(&mut self, fleet: &Arc<[Arc<Miner>]>, coverage: &Coverage, now: Timestamp) {
        self.now = now;
        self.coverage.clone_from(coverage);
        if !Arc::ptr_eq(&self.fleet, fleet) {
            self.fleet = Arc::clone(fleet);
            self.arrange();
        }
    }

    /// A miner has changed its status.
    pub(super) fn changed(&mut self, miner: &Miner, from: MinerStatus, to: MinerStatus, now: Timestamp) {
        // The first reading of every miner is no news.
        if from == MinerStatus::Scanning && matches!(to, MinerStatus::Active | MinerStatus::Paused) {
            return;
        }
        let what = match columns::findings_by_weight(miner).first() {
            Some(worst) => format!("{from} → {to}: {}", clean(&worst.message)),
            None => format!("{from} → {to}"),
        };
        self.happens(now, to, columns::address(miner.ip, miner.port), what);
    }

    /// A target cannot be watched.
    pub(super) fn rejected(&mut self, target: &str, reason: &str, now: Timestamp) {
        let what = format!("cannot be watched: {}", clean(reason));
        self.happens(now, MinerStatus::Dead, clean(target).into_owned(), what);
    }

    fn happens(&mut self, at: Timestamp, status: MinerStatus, who: String, what: String) {
        self.happened.push_front(Happened { at, status, who, what });
        self.happened.truncate(HAPPENINGS);
    }

    /// Puts the rows in order, and keeps what is chosen on the screen.
    fn arrange(&mut self) {
        // What is no filter yet, in the middle of a word, lets the one before count.
        if let Ok(filter) = Filter::parse(&self.filter) {
            self.wanted = filter;
        }
        let all = self.fleet.iter().enumerate();
        let subjects = all.map(|(place, miner)| (place, Subject::new(miner, None, self.now)));
        let passing = subjects.filter(|(_, subject)| self.wanted.matches(subject));
        let order = self.sort.sort(self.reversed).order(passing);
        self.rows = order.into_iter().filter_map(|place| self.fleet.get(place).map(Arc::clone)).collect();
        self.keep_in_sight();
    }

    /// Where the chosen miner stands.
    pub(super) fn chosen_row(&self) -> Option<usize> {
        let place = self.chosen?;
        self.rows.iter().position(|miner| (miner.ip, miner.port) == place)
    }

    /// The rows that are on the screen, and how wide each column would like to be.
    pub(super) fn in_sight(&mut self, page: usize) -> &[Arc<Miner>] {
        self.page = page.max(1);
        self.keep_in_sight();
        let until = (self.top + page).min(self.rows.len());
        let shown = self.rows.get(self.top..until).unwrap_or_default();
        for (wide, field) in self.widths.iter_mut().zip(WATCHED) {
            let widest = shown.iter().map(|miner| width(field.cell(miner, self.now).text())).max();
            let title = width(field.column().title) + usize::from(*field == self.sort);
            *wide = (*wide).max(widest.unwrap_or(0)).max(title);
        }
        shown
    }

    fn keep_in_sight(&mut self) {
        self.top = self.top.min(self.rows.len().saturating_sub(self.page));
        if let Some(row) = self.chosen_row() {
            if row < self.top {
                self.top = row;
            } else if row >= self.top + self.page {
                self.top = row + 1 - self.page;
            }
        }
    }

    /// Answers a key, or a change of the terminal's size.
    pub(super) fn react(&mut self, event: &Event) -> Reaction {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            Event::Resize(..) => Reaction::Redraw,
            _ => Reaction::None,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Reaction {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Reaction::Interrupt,
            _ if self.typing => self.type_key(key.code),
            KeyCode::Char('q' | 'Q') => return Reaction::Quit,
            KeyCode::Esc if self.filter.is_empty() && self.chosen.is_none() => return Reaction::None,
            KeyCode::Esc => {
                self.filter.clear();
                self.chosen = None;
                self.arrange();
            }
            KeyCode::Up | KeyCode::Char('k') => self.go(|row, _| row.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go(|row, _| row.saturating_add(1)),
            KeyCode::PageUp => self.go(usize::saturating_sub),
            KeyCode::PageDown | KeyCode::Char(' ') => self.go(usize::saturating_add),
            KeyCode::Home | KeyCode::Char('g') => self.go(|_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(|_, _| usize::MAX),
            KeyCode::Char('s') => self.sort_by_next(1),
            KeyCode::Char('S') => self.sort_by_next(WATCHED.len() - 1),
            KeyCode::Char('r') => {
                self.reversed = !self.reversed;
                self.arrange();
            }
            KeyCode::Char('/') => self.typing = true,
            _ => return Reaction::None,
        }
        Reaction::Redraw
    }

    fn type_key(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) if self.filter.chars().count() < 64 => self.filter.push(c),
            _ => {}
        }
        self.top = 0;
        self.arrange();
    }

    /// Moves the choice. The first key chooses the first row on the screen.
    fn go(&mut self, to: impl Fn(usize, usize) -> usize) {
        let last = self.rows.len().saturating_sub(1);
        let row = match self.chosen_row() {
            Some(row) => to(row, self.page),
            // One step from nowhere is the first row in sight.
            None => {
                Some(to(self.top, self.page)).filter(|row| row.abs_diff(self.top) > 1).unwrap_or(self.top)
            }
        };
        let row = row.min(last);
        self.chosen = self.rows.get(row).map(|miner| (miner.ip, miner.port));
        self.keep_in_sight();
    }

    fn sort_by_next(&mut self, step: usize) {
        let at = WATCHED.iter().position(|field| *field == self.sort).unwrap_or(0);
        if let Some(next) = WATCHED.get((at + step) % WATCHED.len()) {
            self.sort = *next;
        }
        self.reversed = false;
        if self.chosen.is_none() {
            self.top = 0;
        }
        self.arrange();
    }
}
