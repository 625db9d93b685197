//! Machines as they are sold: boards, chips, fans, cooling, hash rate and power by make and model.
//!
//! The figures are data, `data/models.tsv`, whose head says where they come from. A model is found by its exact name or
//! not at all: an "S21 XP+ Hydro" is no "S21 XP". What a machine says of itself always counts more.

use bitlink_model::{Board, HashRate, MinerSnapshot, Power, Source};
use std::sync::LazyLock;

/// What one model is sold as. `None` is not established, or differs between machines of that name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Nameplate {
    /// Whose machine it is ("Antminer").
    pub make: &'static str,
    /// Normalised model without the make ("S19 Pro", "M50 VH50").
    pub model: &'static str,
    /// Hash boards.
    pub boards: Option<u32>,
    /// Chips on each board.
    pub chips_per_board: Option<u32>,
    /// Fans of the machine, those of its power supply aside.
    pub fans: Option<u32>,
    /// How the heat is taken away.
    pub cooling: Cooling,
    /// The versions that were sold, the usual one first.
    pub bins: Vec<Bin>,
    /// What it is found by.
    key: String,
}

/// One version of a model: the same boards, sorted by what they reach.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bin {
    /// Nominal hash rate.
    pub hashrate: HashRate,
    /// Nominal power at the wall.
    pub power: Option<Power>,
}

/// How a machine is cooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cooling {
    /// By its own fans.
    Air,
    /// By a fluid in cold plates.
    Hydro,
    /// In a bath.
    Immersion,
    /// By a fluid, in one of these ways.
    Liquid,
}

impl Nameplate {
    /// The nominal hash rate, where it is known: the only one the model was sold with, or the nearest to what the
    /// firmware expects. A machine that is set to something else altogether has none.
    pub fn hashrate(&self, expected: Option<HashRate>) -> Option<HashRate> {
        if let [only] = self.bins.as_slice() {
            return Some(only.hashrate);
        }
        let expected = expected?.as_hs();
        let off = |bin: &Bin| (bin.hashrate.as_hs() - expected).abs() / bin.hashrate.as_hs();
        let nearest = self.bins.iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
        (off(nearest) <= SAME_BIN).then_some(nearest.hashrate)
    }
}

/// How far the firmware's figure may be from a bin to mean it. Bins are some 4 % apart.
const SAME_BIN: f64 = 0.025;

static MODELS: LazyLock<Vec<Nameplate>> = LazyLock::new(|| {
    let mut models: Vec<Nameplate> = rows().filter_map(parse).collect();
    inherit(&mut models);
    models.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    models
});

/// What a model is sold as, by its exact name. Case and spaces do not count, since firmware writes "S19XP" and "S19 XP"
/// for the same machine.
pub fn find(make: &str, model: &str) -> Option<&'static Nameplate> {
    let key = key(make, model);
    let models = &*MODELS;
    models.binary_search_by(|m| m.key.as_str().cmp(&key)).ok().and_then(|at| models.get(at))
}

/// Every model, in order of name.
pub fn all() -> &'static [Nameplate] {
    &MODELS
}

fn key(make: &str, model: &str) -> String {
    let plain = |text: &str| -> String {
        let kept = text.chars().filter(|c| c.is_alphanumeric() || *c == '+');
        kept.map(|c| c.to_ascii_uppercase()).collect()
    };
    format!("{}/{}", plain(make), plain(model))
}

/// The rows of the table without its head.
fn rows() -> impl Iterator<Item = &'static str> {
    include_str!("../data/models.tsv").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// One row; `None` where it is not as the head of the table says.
fn parse(row: &'static str) -> Option<Nameplate> {
    let mut columns = row.split('\t');
    let (make, model) = (columns.next()?, columns.next()?);
    let boards = number(columns.next()?)?;
    let chips_per_board = number(columns.next()?)?;
    let fans = number(columns.next().unwrap_or("-"))?;
    let cooling = match columns.next().unwrap_or("air") {
        "air" => Cooling::Air,
        "hydro" => Cooling::Hydro,
        "immersion" => Cooling::Immersion,
        "liquid" => Cooling::Liquid,
        _ => return None,
    };
    let unit = columns.next().unwrap_or("-");
    let bins = match columns.next().unwrap_or("-") {
        "-" => Vec::new(),
        bins => bins.split(' ').map(|text| bin(text, unit)).collect::<Option<_>>()?,
    };
    let key = key(make, model);
    let complete = columns.next().is_none();
    complete.then_some(Nameplate { make, model, boards, chips_per_board, fans, cooling, bins, key })
}

/// A count, or nothing for `-`; the outer `None` is for neither.
#[allow(clippy::option_option)] // "not a number" and "no number" are two things here
fn number(text: &str) -> Option<Option<u32>> {
    if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
}

/// "110/3250": rate and watts.
fn bin(text: &str, unit: &str) -> Option<Bin> {
    let (rate, watts) = text.split_once('/')?;
    let rate = rate.parse().ok()?;
    let hashrate = match unit {
        "TH/s" => HashRate::from_ths(rate),
        "GH/s" => HashRate::from_ghs(rate),
        _ => return None,
    };
    let power = if watts == "-" { None } else { Some(Power::from_watts(watts.parse().ok()?).ok()?) };
    Some(Bin { hashrate: hashrate.ok()?, power })
}

/// Gives the variants of a series ("M50 VH50") what the table says once for the series. Not the bins: which of them a
/// variant belongs to is not published.
fn inherit(models: &mut [Nameplate]) {
    let series: Vec<Nameplate> = models.iter().filter(|m| variant(m).is_none()).cloned().collect();
    for model in models {
        let Some((name, _)) = variant(model) else { continue };
        if let Some(series) = series.iter().find(|s| s.make == model.make && s.model == name) {
            model.fans = series.fans;
            model.cooling = series.cooling;
        }
    }
}

/// Series and variant of a WhatsMiner.
fn variant(model: &Nameplate) -> Option<(&'static str, &'static str)> {
    model.model.split_once(" V")
}

/// Fills in what the miner did not say and its model's data sheet does, and marks it so.
pub fn complete(snapshot: &mut MinerSnapshot) {
    let identity = &snapshot.identity;
    let Some((make, model)) = identity.make.as_ref().zip(identity.model.as_deref()) else { return };
    let Some(nameplate) = find(make.as_str(), model) else { return };
    let mut said = Said { snapshot };
    said.boards(nameplate);
    said.rates(nameplate);
    said.cooling(nameplate);
}

/// A reading under completion.
struct Said<'a> {
    snapshot: &'a mut MinerSnapshot,
}

impl Said<'_> {
    /// Only for a machine that can be the one of the data sheet. More boards or chips than that are another machine of the
    /// same name, and so are boards that all agree on another number of chips: three boards do not lose the same number.
    fn boards(&mut self, nameplate: &Nameplate) {
        let snapshot = &mut *self.snapshot;
        let Some(boards) = nameplate.boards else { return };
        if snapshot.boards.len() > boards as usize {
            return;
        }
        if snapshot.boards_expected.is_none() {
            snapshot.boards_expected = Some(boards);
            snapshot.provenance.mark("boards_expected", Source::Nameplate);
        }
        let Some(chips) = nameplate.chips_per_board else { return };
        if is_another_variant(&snapshot.boards, chips) {
            return;
        }
        for board in snapshot.boards.iter_mut().filter(|board| board.chips_expected.is_none()) {
            board.chips_expected = Some(chips);
            snapshot.provenance.mark("boards.chips_expected", Source::Nameplate);
        }
        if snapshot.chips_expected.is_none() {
            snapshot.chips_expected = Some(boards * chips);
            snapshot.provenance.mark("chips_expected", Source::Nameplate);
        }
    }

    /// More boards than one machine has are several, on firmware that speaks for more than one.
    fn rates(&mut self, nameplate: &Nameplate) {
        let snapshot = &mut *self.snapshot;
        if nameplate.boards.is_some_and(|boards| snapshot.boards.len() > boards as usize) {
            return;
        }
        let rates = &mut snapshot.hashrate;
        if rates.nameplate.is_none() {
            rates.nameplate = nameplate.hashrate(rates.expected);
            if rates.nameplate.is_some() {
                snapshot.provenance.mark("hashrate.nameplate_hs", Source::Nameplate);
            }
        }
        if rates.expected.is_none() && rates.nameplate.is_some() {
            rates.expected = rates.nameplate;
            snapshot.provenance.mark("hashrate.expected_hs", Source::Nameplate);
        }
    }

    fn cooling(&mut self, nameplate: &Nameplate) {
        let tuning = &mut self.snapshot.tuning;
        if tuning.liquid_cooled.is_none() && nameplate.cooling != Cooling::Air {
            tuning.liquid_cooled = Some(true);
            self.snapshot.provenance.mark("tuning.liquid_cooled", Source::Nameplate);
        }
    }
}

/// Whether the boards are not those of the data sheet.
fn is_another_variant(boards: &[Board], chips: u32) -> bool {
    let counted: Vec<u32> = boards.iter().filter_map(|board| board.chips).filter(|n| *n > 0).collect();
    let more = counted.iter().any(|n| *n > chips);
    let agree = counted.len() > 1 && counted.iter().all(|n| counted.first() == Some(n));
    more || (agree && counted.first() != Some(&chips))
}

#[cfg(test)]
mod tests;
