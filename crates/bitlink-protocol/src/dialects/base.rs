//! What dialects have in common: the generic replies, read into a snapshot.

use crate::dialect::Answers;
use crate::record::Oddities;
use crate::replies::{self, Device, Summary, Version};
use bitlink_model::{Board, Family, Firmware, MinerSnapshot};

/// The firmware as `version` tells it.
pub(super) fn firmware(family: Family, version: Option<&Version>) -> Firmware {
    let mut firmware = Firmware::new(family);
    if let Some(version) = version {
        firmware.api_version.clone_from(&version.api);
        firmware.software = version.description.clone().or_else(|| {
            version.software.as_ref().map(|(name, number)| format!("{name} {number}").to_lowercase())
        });
    }
    firmware
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
