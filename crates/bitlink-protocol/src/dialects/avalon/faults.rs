//! What the firmware says is wrong: error bits of the power supply, of the hash boards, and of the controller.

use super::bracket::numbers;
use crate::record::Record;
use bitlink_model::{Component, DeviceError, MinerSnapshot, Severity};

/// Bits of the first number of `PS` (Canaan universal API manual).
const SUPPLY: [(u64, &str, Severity); 12] = [
    (1, "input voltage too low", Severity::Critical),
    (2, "over-temperature", Severity::Critical),
    (4, "over-temperature", Severity::Critical),
    (8, "over-temperature", Severity::Critical),
    (16, "over-current on the primary side", Severity::Critical),
    (32, "output voltage too low", Severity::Critical),
    (64, "over-current on the output", Severity::Critical),
    (128, "current-share fault", Severity::Warning),
    (256, "over-current in output A", Severity::Critical),
    (512, "over-current in output B", Severity::Critical),
    (1024, "over-current in output C", Severity::Critical),
    (2048, "its fan is faulty", Severity::Critical),
];

/// Bits of a board's number in `ECHU` whose meaning is known.
const BOARD: [(u64, &str, Severity); 2] =
    [(1, "hash board abnormal", Severity::Critical), (128, "hash board too hot", Severity::Critical)];

/// Set on healthy machines.
const BENIGN: u64 = 512;

pub(super) fn read(r: Record<'_>, first_slot: u32, snapshot: &mut MinerSnapshot) {
    let errors = &mut snapshot.errors;
    if let Some(bits) = number(r, "PS", 0).filter(|bits| *bits != 0) {
        tell(errors, "PS", bits, &SUPPLY, Component::Psu, "power supply: ");
    }
    for (slot, bits) in (first_slot..).zip(list(r, "ECHU")) {
        let bits = bits.unwrap_or(0) & !BENIGN;
        if bits != 0 {
            tell(errors, "ECHU", bits, &BOARD, Component::Board(Some(slot)), "");
        }
    }
    if let Some(code) = number(r, "ECMM", 0).filter(|code| *code != 0) {
        let error = DeviceError::new(Severity::Warning, format!("controller error {code}"));
        errors.push(error.with_code(format!("ECMM:{code}")).about(Component::ControlBoard));
    }
    if let Some(code) = number(r, "FanErr", 0).filter(|code| *code != 0) {
        let error = DeviceError::new(Severity::Warning, format!("fan error {code}"));
        errors.push(error.with_code(format!("FanErr:{code}")).about(Component::Fan(None)));
    }
}

/// One fault for each bit that has a meaning, and one for the rest.
fn tell(
    errors: &mut Vec<DeviceError>,
    key: &str,
    bits: u64,
    meanings: &[(u64, &str, Severity)],
    component: Component,
    whose: &str,
) {
    let mut rest = bits;
    for (bit, meaning, severity) in meanings.iter().filter(|(bit, ..)| bits & bit != 0) {
        rest &= !bit;
        let error = DeviceError::new(*severity, format!("{whose}{meaning}"));
        errors.push(error.with_code(format!("{key}:{bit}")).about(component));
    }
    if rest != 0 {
        // Undocumented bits are seen on machines that hash as they should.
        let error = DeviceError::new(Severity::Info, format!("{whose}undocumented code {rest}"));
        errors.push(error.with_code(format!("{key}:{rest}")).about(component));
    }
}

fn number(r: Record<'_>, key: &str, position: usize) -> Option<u64> {
    list(r, key).into_iter().nth(position).flatten()
}

fn list(r: Record<'_>, key: &str) -> Vec<Option<u64>> {
    let whole = |n: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by the check
        (0.0..=9.0e15).contains(&n).then_some(n as u64)
    };
    r.text(key).map(numbers).unwrap_or_default().into_iter().map(|n| n.and_then(whole)).collect()
}
