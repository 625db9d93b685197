//! What dialects have in common: the generic replies, read into a snapshot.

use crate::dialect::Answers;
use crate::record::{Oddities, Record};
use crate::replies::{self, Device, Summary, Version};
use bitlink_model::{
    Board, Family, Fan, FanSpeed, Firmware, Make, MinerSnapshot, Power, Ratio, Source, Span, Text, Voltage,
};

/// The firmware as `version` tells it.
pub(super) fn firmware(family: Family, version: Option<&Version>) -> Firmware {
    let mut firmware = Firmware::new(family);
    if let Some(version) = version {
        firmware.api_version.clone_from(&version.api);
        firmware.software = version.description.clone().or_else(|| {
            version
                .software
                .as_ref()
                .map(|(name, number)| format!("{name} {number}").to_lowercase())
                .map(Text::from)
        });
    }
    firmware
}

/// Make and normalised model where firmware of one vendor runs on machines of several, by the make in the model's name.
pub(super) fn make_and_model(raw: &str) -> (Option<Make>, Option<Text>) {
    if let Some(at) = raw.to_ascii_uppercase().find("ANTMINER ") {
        return (Some(Make::ANTMINER), super::antminer::model(raw.get(at..).unwrap_or(raw)));
    }
    let line = raw.lines().next().unwrap_or_default().trim();
    (None, (!line.is_empty()).then(|| line.into()))
}

/// `summary`: rates, counters, and the time since the mining program started.
pub(super) fn read_summary(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(summary) = answers.get("summary").and_then(|d| Summary::of(d, oddities)) {
        snapshot.elapsed = summary.elapsed;
        snapshot.hashrate = summary.hashrate;
        snapshot.shares = summary.shares;
    }
}

/// `pools`.
pub(super) fn read_pools(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(document) = answers.get("pools") {
        snapshot.pools = replies::pools(document, oddities);
    }
}

/// `devs`: each device as a hash board.
pub(super) fn read_devs(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(document) = answers.get("devs") {
        let devices = Device::all(document, oddities);
        snapshot.boards = devices.iter().enumerate().map(|(i, device)| board(device, i)).collect();
    }
}

/// A device of `devs` as a hash board.
pub(super) fn board(device: &Device, position: usize) -> Board {
    let slot = device.index.unwrap_or_else(|| u32::try_from(position).unwrap_or(u32::MAX));
    let mut board = Board::in_slot(slot);
    board.present = Some(true);
    board.active = device.status.as_deref().map(|s| s.eq_ignore_ascii_case("alive"));
    board.status.clone_from(&device.status);
    board.hashrate = device.hashrate.current();
    board.hashrate_average = device.hashrate.average;
    board.hashrate_expected = device.nominal;
    board.board_temperature = device.temperature;
    board.frequency = device.frequency;
    board.hardware_errors = device.hardware_errors;
    board
}

/// Puts the boards in slot order. A gap between them is a board that is not found; behind the last one, nobody can
/// tell.
pub(super) fn sort_boards(boards: &mut Vec<Board>) {
    boards.sort_by_key(|board| board.slot);
    let Some((first, last)) = boards.first().zip(boards.last()).map(|(a, b)| (a.slot, b.slot)) else {
        return;
    };
    if last - first < MAX_BOARDS {
        let found: Vec<u32> = boards.iter().map(|board| board.slot).collect();
        boards.extend((first..last).filter(|slot| !found.contains(slot)).map(missing_board));
        boards.sort_by_key(|board| board.slot);
    }
}

/// More boards than any machine has; numbers beyond are no slots.
const MAX_BOARDS: u32 = 64;

/// A board that should be in a slot and is not found.
pub(super) fn missing_board(slot: u32) -> Board {
    let mut board = Board::in_slot(slot);
    board.present = Some(false);
    board
}

/// Adds what is known of the board in a slot, which need not be known yet.
pub(super) fn with_board(boards: &mut Vec<Board>, slot: u32, add: impl FnOnce(&mut Board)) {
    if let Some(board) = boards.iter_mut().find(|board| board.slot == slot) {
        return add(board);
    }
    let mut board = Board::in_slot(slot);
    add(&mut board);
    boards.push(board);
}

/// `fans` of Braiins OS and LuxOS: speed and duty of every connector.
pub(super) fn listed_fans(answers: &Answers, oddities: &Oddities) -> Vec<(FanSpeed, Option<Ratio>)> {
    let fans = answers.records("fans", "FANS", oddities);
    fans.into_iter().filter_map(|r| Some((r.rpm("RPM")?, r.percent("Speed")))).collect()
}

/// `tempctrl` of Braiins OS and LuxOS: what temperature is held, and what is done beyond.
pub(super) fn read_temperature_control(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    if let Some(r) = answers.record("tempctrl", "TEMPCTRL", oddities) {
        let temperatures = &mut snapshot.temperatures;
        temperatures.target = r.celsius_or_zero("Target");
        temperatures.hot_limit = r.celsius_or_zero("Hot");
        temperatures.dangerous_limit = r.celsius_or_zero("Dangerous");
    }
}

/// The fans that are fitted among the connectors that firmware lists: those that turn, and as many that stand still as
/// are missing to the number fitted, the first ones. With as many turning as are fitted, the other connectors are
/// empty.
pub(super) fn fitted_fans(
    listed: impl IntoIterator<Item = (FanSpeed, Option<Ratio>)>,
    fitted: Option<u32>,
) -> Vec<Fan> {
    let listed: Vec<_> = listed.into_iter().collect();
    let turning = listed.iter().filter(|(speed, _)| speed.as_rpm() > 0.0).count();
    let mut missing = fitted.map_or(0, |n| (n as usize).saturating_sub(turning));
    let mut fans = Vec::new();
    for (speed, duty) in listed {
        if speed.as_rpm() == 0.0 {
            let Some(less) = missing.checked_sub(1) else { continue };
            missing = less;
        }
        let mut fan = Fan::new(u32::try_from(fans.len()).unwrap_or(u32::MAX), speed);
        fan.duty = duty;
        fans.push(fan);
    }
    fans
}

/// Leaves out the windows that reach back to before the mining program started. Some firmware divides by the whole
/// window all the same, so that a day's rate reads near zero an hour after a start.
pub(super) fn drop_unfilled_windows(snapshot: &mut MinerSnapshot) {
    let Some(elapsed) = snapshot.elapsed else { return };
    let rates = &mut snapshot.hashrate;
    for (window_s, rate) in [
        (60, &mut rates.one_minute),
        (300, &mut rates.five_minutes),
        (900, &mut rates.fifteen_minutes),
        (1800, &mut rates.thirty_minutes),
        (3600, &mut rates.one_hour),
        (86_400, &mut rates.one_day),
    ] {
        if elapsed < Span::from_seconds(window_s) {
            *rate = None;
        }
    }
}

/// The supply of a hash board, printed in volts, in hundredths of a volt or in millivolts depending on the build. Boards
/// run on 5 V to 30 V, so the magnitude tells which.
pub(super) fn board_voltage(r: Record<'_>, key: &str) -> Option<Voltage> {
    r.voltage(key, |printed| match printed {
        v if v >= 3000.0 => Voltage::from_millivolts(v),
        v if v >= 50.0 => Voltage::from_centivolts(v),
        v => Voltage::from_volts(v),
    })
}

/// The machine's power where only its boards' is given: their sum, an estimate as they are.
pub(super) fn sum_board_power(snapshot: &mut MinerSnapshot) {
    let watts = snapshot.boards.iter().filter_map(|b| b.power).map(Power::as_watts);
    let total: f64 = watts.sum();
    if snapshot.power.is_none() && total > 0.0 {
        snapshot.power = Power::from_watts(total).ok();
    }
    estimated_power(snapshot);
}

/// Marks power that the firmware computes from voltages and frequencies, without a meter.
pub(super) fn estimated_power(snapshot: &mut MinerSnapshot) {
    if snapshot.power.is_some() {
        snapshot.provenance.mark("power_w", Source::Estimated);
    }
    if snapshot.boards.iter().any(|board| board.power.is_some()) {
        snapshot.provenance.mark("boards.power_w", Source::Estimated);
    }
}
