//! The list of miners: which are wanted, in which order, which one is chosen, and which are in sight. Pure. Whoever is chosen stays
//! chosen wherever it moves; nothing is done for rows that are out of sight but to put them in order.

use crate::columns::Field;
use crate::text::width;
use bitlink_miner_manager::query::{Filter, FilterError, Subject};
use bitlink_miner_manager::{Miner, MinerId, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// What the list tells, in this order.
pub(super) const FIELDS: &[Field] = &[
    Field::Status,
    Field::Address,
    Field::Model,
    Field::HashRate,
    Field::Expected,
    Field::Hottest,
    Field::Power,
    Field::Efficiency,
    Field::Fans,
    Field::Uptime,
    Field::Age,
    Field::Worker,
    Field::Firmware,
    Field::Mac,
    Field::Reason,
];

/// The fleet as it was last told.
pub(super) type Miners = Arc<[Arc<Miner>]>;

/// Somebody who is chosen: by name, and by place while two have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) id: MinerId,
    pub(super) ip: IpAddr,
    pub(super) port: u16,
}

impl Chosen {
    fn of(miner: &Miner) -> Self {
        Self { id: miner.id, ip: miner.ip, port: miner.port }
    }
}

#[derive(Debug)]
pub(super) struct List {
    fleet: Miners,
    /// Those that are shown, by their place in the fleet, in the order in which they are.
    rows: Vec<u32>,
    pub(super) sort: Field,
    pub(super) reversed: bool,
    /// What was typed, and what it means.
    pub(super) typed: String,
    filter: Filter,
    /// The first row in sight, and how many there are.
    pub(super) top: usize,
    pub(super) page: usize,
    chosen: Option<Chosen>,
    /// The row of whoever is chosen.
    at: Option<usize>,
    /// The widest that each column has been: columns that come and go with every reading hurt the eye.
    pub(super) widths: Vec<usize>,
    /// The columns that had room when the list was last drawn.
    pub(super) visible: Vec<Field>,
}

impl List {
    pub(super) fn new() -> Self {
        Self {
            fleet: Arc::default(),
            rows: Vec::new(),
            sort: Field::Status,
            reversed: false,
            typed: String::new(),
            filter: Filter::default(),
            top: 0,
            page: 1,
            chosen: None,
            at: None,
            widths: vec![0; FIELDS.len()],
            visible: FIELDS.to_vec(),
        }
    }

    pub(super) fn fleet(&self) -> &Miners {
        &self.fleet
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes over the fleet as it is now.
    pub(super) fn update(&mut self, fleet: &Miners, now: Timestamp) {
        self.fleet = Arc::clone(fleet);
        self.arrange(now);
    }

    /// Shows only who passes. What is no filter changes nothing.
    pub(super) fn filter_by(&mut self, text: &str, now: Timestamp) -> Result<(), FilterError> {
        let filter = Filter::parse(text)?;
        text.trim().clone_into(&mut self.typed);
        if filter != self.filter {
            self.filter = filter;
            self.top = 0;
            self.arrange(now);
        }
        Ok(())
    }

    pub(super) fn row(&self, row: usize) -> Option<&Arc<Miner>> {
        self.fleet.get(usize::try_from(*self.rows.get(row)?).ok()?)
    }

    /// Where whoever is chosen stands.
    pub(super) const fn chosen_row(&self) -> Option<usize> {
        self.at
    }

    /// Whoever is chosen, also where the filter hides it.
    pub(super) fn chosen(&self) -> Option<&Arc<Miner>> {
        match self.at {
            Some(row) => self.row(row),
            None => find(&self.fleet, self.chosen?).and_then(|index| self.fleet.get(index)),
        }
    }

    /// Puts the rows in order, and keeps what is chosen in sight.
    pub(super) fn arrange(&mut self, now: Timestamp) {
        let all = self.fleet.iter().enumerate();
        let subjects = all.map(|(place, miner)| (place, Subject::new(miner, None, now)));
        let order =
            self.sort.sort(self.reversed).order(subjects.filter(|(_, subject)| self.filter.matches(subject)));
        let rows = order.into_iter().filter_map(|place| u32::try_from(place).ok()).collect();
        self.rows = rows;
        self.find_chosen();
        self.keep_in_sight();
    }

    fn find_chosen(&mut self) {
        self.at = self.chosen.and_then(|chosen| find(&self.fleet, chosen)).and_then(|index| {
            let index = u32::try_from(index).ok()?;
            self.rows.iter().position(|row| *row == index)
        });
        // From now on it is known by where it is now.
        if let Some(miner) = self.at.and_then(|row| self.row(row)) {
            self.chosen = Some(Chosen::of(miner));
        }
    }

    fn keep_in_sight(&mut self) {
        self.top = self.top.min(self.rows.len().saturating_sub(self.page));
        if let Some(row) = self.at {
            if row < self.top {
                self.top = row;
            } else if row >= self.top + self.page {
                self.top = row + 1 - self.page;
            }
        }
    }

    /// Says how many rows are in sight, and gives them. Looks at no others.
    pub(super) fn in_sight(&mut self, page: usize, now: Timestamp) -> Vec<Arc<Miner>> {
        self.page = page.max(1);
        self.keep_in_sight();
        let shown: Vec<_> = (self.top..self.top + page).map_while(|row| self.row(row)).cloned().collect();
        for (wide, field) in self.widths.iter_mut().zip(FIELDS) {
            let widest = shown.iter().map(|miner| width(field.cell(miner, now).text())).max();
            *wide = (*wide).max(widest.unwrap_or(0)).max(width(field.column().title) + 1);
        }
        shown
    }

    /// Moves the choice. The first key chooses the first row in sight.
    pub(super) fn go(&mut self, to: impl Fn(usize, usize) -> usize) {
        let last = self.rows.len().saturating_sub(1);
        let row = match self.at {
            Some(row) => to(row, self.page),
            // One step from nowhere is the first row in sight.
            None => Some(to(self.top, self.page)).filter(|r| r.abs_diff(self.top) > 1).unwrap_or(self.top),
        };
        let row = row.min(last);
        self.chosen = self.row(row).map(|miner| Chosen::of(miner));
        self.at = self.chosen.map(|_| row);
        self.keep_in_sight();
    }

    /// Chooses nobody.
    pub(super) fn choose_none(&mut self) {
        (self.chosen, self.at) = (None, None);
    }

    /// Orders by a column; by the same once more, the other way round.
    pub(super) fn sort_by(&mut self, field: Field, now: Timestamp) {
        self.reversed = self.sort == field && !self.reversed;
        self.sort = field;
        if self.chosen.is_none() {
            self.top = 0;
        }
        self.arrange(now);
    }

    pub(super) fn reverse(&mut self, now: Timestamp) {
        self.reversed = !self.reversed;
        self.arrange(now);
    }

    /// Orders by the column so many to the right of those that are in sight.
    pub(super) fn sort_by_neighbour(&mut self, right: bool, now: Timestamp) {
        let fields = &self.visible;
        let at = fields.iter().position(|field| *field == self.sort).unwrap_or(0);
        let step = if right { 1 } else { fields.len().saturating_sub(1) };
        if let Some(next) = fields.get((at + step) % fields.len().max(1)).copied()
            && next != self.sort
        {
            self.sort_by(next, now);
        }
    }
}

/// Whoever is meant: the one of this name at this place, else of this name, else at this place.
fn find(fleet: &[Arc<Miner>], wanted: Chosen) -> Option<usize> {
    let here = fleet.binary_search_by_key(&(wanted.ip, wanted.port), |miner| (miner.ip, miner.port)).ok();
    match here.and_then(|index| fleet.get(index)) {
        Some(miner) if miner.id == wanted.id => here,
        _ => fleet.iter().position(|miner| miner.id == wanted.id).or(here),
    }
}
