//! Antminers that water cools. They have no fans, and on some models the lists of a board's temperatures hold the water's.
//!
//! Which position is what differs by model and is in no manual: these are the ones on which public clients agree (pyasic). Of a
//! model that is not here the lists are read as those of a machine that air cools, and nothing is said of the water.

use crate::dialect::Answers;
use crate::dialects::antminer_web;
use crate::record::{Oddities, Record};
use crate::replies::dash_list;
use bitlink_model::{MinerSnapshot, Temperature};

/// A list and a position in it.
type Place = (&'static str, usize);

/// What is where on the boards of some models.
struct Layout {
    models: &'static [&'static str],
    inlet: Place,
    outlet: Place,
    board: &'static [Place],
    chip: &'static [Place],
}

const PIC: &str = "temp_pic";
const PCB: &str = "temp_pcb";

const LAYOUTS: [Layout; 2] = [
    Layout {
        models: &["S21+ Hydro", "S21 XP Hydro"],
        inlet: (PCB, 0),
        outlet: (PCB, 2),
        board: &[(PIC, 1), (PIC, 2), (PIC, 3), (PCB, 1), (PCB, 3)],
        chip: &[(PIC, 0)],
    },
    Layout {
        models: &["S19 Pro Hydro", "S19 Pro+ Hydro", "S19 XP+ Hydro"],
        inlet: (PIC, 2),
        outlet: (PIC, 1),
        board: &[(PIC, 0), (PIC, 3)],
        chip: &[],
    },
];

/// Puts right the temperatures that were read as those of another machine.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let Some(model) = snapshot.identity.model.as_deref() else { return };
    let Some(layout) = LAYOUTS.iter().find(|layout| layout.models.contains(&model)) else { return };
    let (mut inlet, mut outlet) = (None, None);
    for said in boards(answers, oddities) {
        let Some(board) = snapshot.boards.iter_mut().find(|board| board.slot == said.slot) else { continue };
        inlet = said.at(layout.inlet).into_iter().chain(inlet).min();
        outlet = said.at(layout.outlet).into_iter().chain(outlet).max();
        let all = |places: &[Place]| places.iter().filter_map(|place| said.at(*place)).collect::<Vec<_>>();
        board.board_sensors = all(layout.board);
        board.chip_sensors = all(layout.chip);
        board.board_temperature = board.board_sensors.iter().copied().max();
        board.chip_temperature = board.chip_sensors.iter().copied().max();
        board.chip_temperature_min = board.chip_sensors.iter().copied().min();
    }
    snapshot.temperatures.inlet = inlet;
    snapshot.temperatures.outlet = outlet;
}

/// The lists of one board.
struct Said<'a> {
    slot: u32,
    r: Record<'a>,
    pic: Vec<f64>,
    pcb: Vec<f64>,
}

impl Said<'_> {
    /// Zero where there is no sensor, or no board.
    fn at(&self, (list, position): Place) -> Option<Temperature> {
        let values = if list == PIC { &self.pic } else { &self.pcb };
        values
            .get(position)
            .filter(|celsius| **celsius != 0.0)
            .and_then(|celsius| self.r.sensor(list, *celsius))
    }
}

/// What the API says, or else the page.
fn boards<'a>(answers: &'a Answers, oddities: &'a Oddities) -> Vec<Said<'a>> {
    if let Some(r) = super::data(answers, oddities) {
        let list = |kind: &str, n: u32| dash_list(r, &format!("{kind}{n}"));
        let said = |(n, slot)| Said { slot, r, pic: list(PIC, n), pcb: list(PCB, n) };
        return super::chains(r).into_iter().map(said).collect();
    }
    let Some(r) = answers.record(antminer_web::STATS, "STATS", oddities) else { return Vec::new() };
    let chains = (0..).zip(r.records("chain")).take(antminer_web::MAX_SLOTS);
    let said = |(position, r): (u32, Record<'a>)| Said {
        slot: r.small("index", 64).unwrap_or(position),
        r,
        pic: antminer_web::numbers(r, PIC),
        pcb: antminer_web::numbers(r, PCB),
    };
    chains.map(said).collect()
}
