//! The machines behind one API, each in one string, read into a snapshot. Since the A10 there is one; of the older ones up
//! to five hang on a bus, several busses on one host, and together they are what the API speaks for.

use super::bracket::{self, numbers};
use super::faults;
use crate::dialect::Answers;
use crate::record::{Oddities, Record};
use crate::replies::MAX_CHIPS;
use bitlink_model::{
    AnomalyKind, Board, Current, Fan, FanSpeed, HashRate, MinerSnapshot, MiningState, Power, Psu, Severity,
    Source, Voltage,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The bracket strings of all machines, in order.
pub(super) struct Controllers(Vec<Map<String, Value>>);

/// The statistics stand under `MM ID0`, `MM ID1`, …, on small machines under `MM ID0:Summary`, with the chips under
/// `HBinfo`.
fn machine_of(key: &str) -> Option<u32> {
    if key == "HBinfo" {
        return Some(0);
    }
    let number = key.strip_prefix("MM ID")?;
    let digits = number.len() - number.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    number.get(..digits)?.parse().ok()
}

impl Controllers {
    pub(super) fn of(answers: &Answers) -> Self {
        let document = ["estats", "stats", "litestats"].iter().find_map(|command| answers.get(command));
        let mut machines = Vec::new();
        for record in document.map(|d| d.section("STATS")).unwrap_or_default() {
            let mut found: BTreeMap<u32, Map<String, Value>> = BTreeMap::new();
            for (key, text) in record.iter().filter_map(|(key, value)| Some((key, value.as_str()?))) {
                let Some(number) = machine_of(key) else { continue };
                for group in bracket::parse(text) {
                    merge(found.entry(number).or_default(), group);
                }
            }
            machines.extend(found.into_values());
        }
        Self(machines)
    }

    /// The first machine, and whether it is the only one.
    pub(super) fn first<'a>(&'a self, oddities: &'a Oddities) -> Option<(Record<'a>, bool)> {
        Some((self.records(oddities).next()?, self.0.len() == 1))
    }

    fn records<'a>(&'a self, oddities: &'a Oddities) -> impl Iterator<Item = Record<'a>> {
        self.0.iter().map(|items| Record::new(items, "stats", oddities))
    }

    pub(super) fn read(&self, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        // The sum of what all machines say, or nothing.
        let sum = |key: &str| {
            let rates: Option<Vec<_>> = self.records(oddities).map(|r| r.ghs(key)).collect();
            HashRate::sum(rates?.into_iter().map(Some))
        };
        let rates = &mut snapshot.hashrate;
        rates.realtime = sum("GHSspd").or(rates.realtime);
        rates.one_hour = sum("GHSavg").or(rates.one_hour);
        rates.expected = sum("GHSmm").filter(|rate| rate.as_hs() > 0.0);
        for r in self.records(oddities) {
            read_machine(r, snapshot);
        }
        read_state(&self.records(oddities).collect::<Vec<_>>(), snapshot);
    }
}

/// Adds the items of a group. Should two boards print a key alike, the later one gets its board's number.
fn merge(items: &mut Map<String, Value>, group: bracket::Group) {
    let board = group.name.strip_prefix("HB").unwrap_or_default();
    for (key, value) in group.items {
        let key = if items.contains_key(&key) && !board.is_empty() {
            format!("{}{board}", key.trim_end_matches(|c: char| c.is_ascii_digit()))
        } else {
            key
        };
        items.entry(key).or_insert(value);
    }
}

fn read_machine(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    snapshot.elapsed = snapshot.elapsed.or_else(|| r.seconds("Elapsed"));
    let shares = &mut snapshot.shares;
    shares.hardware_errors = shares.hardware_errors.or_else(|| r.count("HW"));
    shares.hardware_error_ratio = shares.hardware_error_ratio.or_else(|| r.percent("DH"));
    if let Some(on) = r.flag("Led") {
        snapshot.light = Some(on || snapshot.light == Some(true));
    }
    read_temperatures(r, snapshot);
    read_fans(r, snapshot);
    read_power(r, snapshot);
    read_tuning(r, snapshot);
    let first_slot = u32::try_from(snapshot.boards.len()).unwrap_or(u32::MAX);
    let mut boards = boards(r, first_slot);
    tell_missing(boards_found(r), &mut boards);
    snapshot.boards.extend(boards);
    faults::read(r, first_slot, snapshot);
}

/// Sensors that do not exist read -273, those of boards without power 0. Of several machines the hottest counts.
fn read_temperatures(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let t = &mut snapshot.temperatures;
    let ambient = r.celsius("Temp");
    let inlet = r.celsius("ITemp").or_else(|| r.celsius("HBITemp"));
    if inlet.is_none() && ambient.is_some() {
        // The one sensor of older machines sits where the air comes in.
        snapshot.provenance.mark("temperatures.inlet_celsius", Source::Derived);
    }
    t.ambient = t.ambient.max(ambient);
    t.inlet = t.inlet.max(inlet.or(ambient));
    t.outlet = t.outlet.max(r.celsius("HBOTemp"));
    t.chip_max = t.chip_max.max(r.celsius_or_zero("TMax"));
    // The mean of means would be nobody's: only one machine has one.
    t.chip_average = if snapshot.boards.is_empty() { r.celsius_or_zero("TAvg") } else { None };
    let least = r.celsius_or_zero("Tmin");
    t.chip_min = t.chip_min.into_iter().chain(least).min();
}

/// `Fan1` … `Fan4`, on the oldest a lone `Fan`; one duty for all. Machines with two fans may print four sockets.
fn read_fans(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let duty = r.percent("FanR");
    let speeds: Vec<_> =
        ["Fan", "Fan1", "Fan2", "Fan3", "Fan4"].iter().filter_map(|key| r.rpm(key)).collect();
    let turns = |fans: &[FanSpeed]| fans.iter().any(|speed| speed.as_rpm() > 0.0);
    let fitted = match speeds.split_at_checked(2) {
        Some((front, back)) if turns(front) && back.len() == 2 && !turns(back) => front,
        _ => speeds.as_slice(),
    };
    for speed in fitted {
        let index = u32::try_from(snapshot.fans.len()).unwrap_or(u32::MAX);
        let mut fan = Fan::new(index, *speed);
        fan.duty = duty;
        snapshot.fans.push(fan);
    }
}

/// `PS` holds error bits, control voltage, board voltage, current, output power, the voltage asked for, and since the A12
/// what agrees with the wall in every capture at hand; no manual says so. Machines before the A12 know their output only.
fn read_power(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let supply = r.text("PS").map(numbers).unwrap_or_default();
    let at = |i: usize| supply.get(i).copied().flatten().filter(|n| *n > 0.0);
    let watts = |i: usize| at(i).and_then(|w| Power::from_watts(w).ok());
    let (output, input) = (watts(4), watts(6));
    let wall = r.watts("WALLPOWER");
    // More out than in cannot be: then the last number is something else.
    let input = input.filter(|input| output.is_none_or(|output| *input >= output));
    if supply.len() >= 5 {
        let mut psu = Psu::default();
        psu.input_power = wall;
        psu.output_power = output;
        psu.output_current = at(3).and_then(|amperes| Current::from_amperes(amperes).ok());
        // The smallest machines print this in a unit of their own.
        psu.output_voltage =
            at(2).and_then(|v| Voltage::from_centivolts(v).ok()).filter(|v| v.as_volts() <= MAX_BOARD_VOLTS);
        snapshot.tuning.voltage = psu.output_voltage;
        if psu != Psu::default() {
            psu.index = u32::try_from(snapshot.psus.len()).unwrap_or(u32::MAX);
            snapshot.psus.push(psu);
        }
    }
    if snapshot.power.is_none() {
        snapshot.power = wall.or(input).or(output);
        if wall.is_none() && snapshot.power.is_some() {
            snapshot.provenance.mark("power_w", Source::Estimated);
        }
    }
    snapshot.power_limit = snapshot.power_limit.or_else(|| r.watts("MPO"));
}

/// No board is fed with more.
const MAX_BOARD_VOLTS: f64 = 60.0;

fn read_tuning(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let model = snapshot.identity.model.as_deref().unwrap_or_default();
    let tuning = &mut snapshot.tuning;
    tuning.frequency = tuning.frequency.or_else(|| r.megahertz("Freq"));
    tuning.target_temperature = tuning.target_temperature.or_else(|| r.celsius_or_zero("TarT"));
    tuning.mode = tuning.mode.take().or_else(|| Some(mode(model, &r.word("WORKMODE")?).into()));
}

/// The modes of a machine, by their numbers.
pub(super) fn modes(model: &str) -> &'static [&'static str] {
    if model == "Q" {
        &["Eco", "Standard", "Super"]
    } else if model.starts_with("Nano") || model.starts_with("Mini") {
        &["Low", "Mid", "High"]
    } else {
        &["Normal", "High"]
    }
}

/// `WORKMODE` is a number whose meaning depends on the machine.
fn mode(model: &str, number: &str) -> String {
    let name = number.parse::<usize>().ok().and_then(|n| modes(model).get(n).copied());
    name.unwrap_or(number).to_owned()
}

/// Lists with one number for each board. The second set stands in for the first on the 7xx to 9xx.
const PER_BOARD: [[&str; 4]; 2] = [["MGHS", "MTmax", "MTavg", "MVavg"], ["PVT_T", "ECHU", "MH", "Vi"]];
/// More boards than any machine has.
const MAX_BOARDS: usize = 16;

fn boards(r: Record<'_>, first_slot: u32) -> Vec<Board> {
    let words = |key: &str| r.text(key).map_or(0, |list| list.split_whitespace().count());
    let longest = |keys: [&str; 4]| keys.into_iter().map(words).max().unwrap_or(0);
    let numbered = (0..MAX_BOARDS).filter(|n| r.text(&format!("PVT_T{n}")).is_some()).map(|n| n + 1).max();
    let [own, older] = PER_BOARD.map(longest);
    let count = match own.max(numbered.unwrap_or(0)) {
        0 => older,
        count => count,
    };
    let boards = (0..count.min(MAX_BOARDS)).zip(first_slot..);
    boards.map(|(n, slot)| board(r, n, count, slot)).collect()
}

fn board(r: Record<'_>, n: usize, boards: usize, slot: u32) -> Board {
    let number = |key: &str| r.text(key).map(numbers)?.get(n).copied().flatten();
    let sensor = |key: &str, celsius: f64| r.sensor(key, celsius).filter(|t| t.as_celsius() != 0.0);
    let listed = |key: &str| number(key).and_then(|celsius| sensor(key, celsius));
    let mut board = Board::in_slot(slot);
    board.hashrate = number("MGHS").and_then(|rate| HashRate::from_ghs(rate).ok());
    board.active = board.hashrate.map(|rate| rate.as_hs() > 0.0);
    board.voltage = number("MVavg").filter(|v| *v > 0.0).and_then(|v| Voltage::from_millivolts(v).ok());
    board.hardware_errors = number("MH").and_then(whole);

    let key = format!("PVT_T{n}");
    let chips = r.text(&key).map(numbers).unwrap_or_default();
    board.chip_sensors = chips.iter().flatten().filter_map(|celsius| sensor(&key, *celsius)).collect();
    let extremes = extremes(r, n);
    let [least, most, mean] = extremes.map(|t| t.and_then(|celsius| sensor("PVT_T", celsius)));
    board.chip_temperature = listed("MTmax").or_else(|| board.chip_sensors.iter().copied().max()).or(most);
    board.chip_temperature_min = board.chip_sensors.iter().copied().min().or(least);
    board.chip_temperature_average = listed("MTavg").or(mean);

    // One number is the sum over all boards.
    let counts = r.text("TA").map(numbers).unwrap_or_default();
    let counted =
        if counts.len() == boards { counts.get(n).copied().flatten().and_then(whole) } else { None };
    let sensed = u64::try_from(chips.len()).ok().filter(|chips| *chips > 0);
    board.chips =
        counted.or(sensed).and_then(|chips| u32::try_from(chips).ok()).filter(|chips| *chips <= MAX_CHIPS);
    board
}

/// The 7xx sum a board up as `coolest chip-its °C/hottest chip-its °C/mean °C`.
fn extremes(r: Record<'_>, n: usize) -> [Option<f64>; 3] {
    let Some(text) = r.text("PVT_T").and_then(|list| list.split_whitespace().nth(n)) else {
        return [None; 3];
    };
    let mut parts = text.split('/');
    let of_chip = |part: Option<&str>| part?.split_once('-')?.1.parse::<f64>().ok();
    let found =
        [of_chip(parts.next()), of_chip(parts.next()), parts.next().and_then(|mean| mean.parse().ok())];
    if found.contains(&None) {
        r.odd(AnomalyKind::BadValue, "PVT_T", &Value::from(text));
    }
    found.map(|t| t.filter(|celsius: &f64| celsius.is_finite()))
}

fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by the check
    (0.0..=9.0e15).contains(&number).then_some(number as u64)
}

/// `SYSTEMSTATU` reads `Work: In Work, Hash Board: 3`: what it does, and how many boards it has found.
fn read_state(machines: &[Record<'_>], snapshot: &mut MinerSnapshot) {
    let [r] = machines else { return };
    let status = r.text("SYSTEMSTATU").unwrap_or_default();
    let doing = status.split("Work: In ").nth(1).and_then(|s| s.split(',').next()).map(str::trim);
    let switched_off = r.word("SoftOFF").is_some_and(|code| code != "0");
    let failing = snapshot.errors.iter().any(|e| e.severity == Severity::Critical);
    snapshot.mining_state = match doing {
        Some("Work") => Some(MiningState::Mining),
        Some("Idle") if switched_off => Some(MiningState::Stopped),
        // Idle for want of a pool and idle by wish look the same on machines that do not know `SoftOFF`.
        Some("Idle") if failing => Some(MiningState::Failed),
        Some(word) if word.starts_with("Init") => Some(MiningState::Starting),
        _ => None,
    };
}

fn boards_found(r: Record<'_>) -> Option<usize> {
    r.text("SYSTEMSTATU")?.split("Hash Board:").nth(1)?.trim().parse().ok()
}

/// A board that shows no sign of life is missing when the machine counts exactly those that do; else nobody can tell.
fn tell_missing(found: Option<usize>, boards: &mut [Board]) {
    let lives = |b: &Board| {
        let hashes = b.hashrate.is_some_and(|rate| rate.as_hs() > 0.0);
        hashes || b.chip_temperature.is_some() || !b.chip_sensors.is_empty()
    };
    let living = boards.iter().filter(|b| lives(b)).count();
    let all = boards.len();
    for board in boards {
        board.present = match found {
            Some(found) if found >= all => Some(true),
            Some(found) if found == living => Some(lives(board)),
            _ => lives(board).then_some(true),
        };
    }
}

#[cfg(test)]
mod tests {
    //! Which key belongs to which machine.
    use super::*;

    #[test]
    fn machines_are_numbered() {
        assert_eq!(machine_of("MM ID0"), Some(0));
        assert_eq!(machine_of("MM ID12"), Some(12));
        assert_eq!(machine_of("MM ID0:Summary"), Some(0));
        assert_eq!(machine_of("HBinfo"), Some(0));
        assert_eq!(machine_of("MM Count"), None);
    }
}
