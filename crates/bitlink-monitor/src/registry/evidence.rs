//! What of an account of a machine can tell it from others. Placeholders, which many machines have in common, cannot.

use bitlink_model::{Identity, Mac};
use std::fmt;

/// A piece of evidence, as it is compared: capitals and blanks around a serial number make no difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EvidenceKey {
    /// Serial number of the machine.
    Serial(Box<str>),
    /// Serial number of a hash board.
    HashBoard(Box<str>),
    /// Hardware address.
    Mac(Mac),
    /// Serial number of the control board.
    ControlBoard(Box<str>),
}

impl fmt::Display for EvidenceKey {
    /// For messages. The text of a miner: to be escaped like any other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(serial) => write!(f, "serial number {serial}"),
            Self::HashBoard(serial) => write!(f, "hash board {serial}"),
            Self::Mac(mac) => write!(f, "hardware address {mac}"),
            Self::ControlBoard(serial) => write!(f, "control board {serial}"),
        }
    }
}

/// What one account tells, without what is no evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) mac: Option<Mac>,
    pub(super) serial: Option<String>,
    pub(super) control: Option<String>,
    /// Each told once.
    pub(super) boards: Vec<String>,
}

impl Evidence {
    pub(super) fn of<'a>(identity: &'a Identity, boards: impl Iterator<Item = &'a str>) -> Self {
        let told: Vec<String> = boards.filter_map(usable_serial).take(MOST_BOARDS_TOLD).collect();
        let keys: Vec<Box<str>> = told.iter().map(|serial| folded(serial)).collect();
        // A number that several boards of one machine have is a placeholder that is not on the list yet.
        let once = |key: &str| keys.iter().filter(|other| &***other == key).count() == 1;
        let boards =
            told.iter().zip(&keys).filter(|(_, key)| once(key)).map(|(serial, _)| serial.clone()).collect();
        Self {
            mac: identity.mac.filter(|mac| usable_mac(*mac)),
            serial: identity.serial.as_deref().and_then(usable_serial),
            control: identity.control_board_serial.as_deref().and_then(usable_serial),
            boards,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.mac.is_none() && self.serial.is_none() && self.control.is_none() && self.boards.is_empty()
    }

    pub(super) fn serial_key(&self) -> Option<EvidenceKey> {
        self.serial.as_deref().map(serial_key)
    }

    pub(super) fn control_key(&self) -> Option<EvidenceKey> {
        self.control.as_deref().map(control_key)
    }

    pub(super) fn board_keys(&self) -> impl Iterator<Item = EvidenceKey> + '_ {
        self.boards.iter().map(|serial| board_key(serial))
    }
}

/// More hash boards than any machine has.
const MOST_BOARDS_TOLD: usize = 32;

pub(super) fn serial_key(serial: &str) -> EvidenceKey {
    EvidenceKey::Serial(folded(serial))
}

pub(super) fn control_key(serial: &str) -> EvidenceKey {
    EvidenceKey::ControlBoard(folded(serial))
}

pub(super) fn board_key(serial: &str) -> EvidenceKey {
    EvidenceKey::HashBoard(folded(serial))
}

fn folded(serial: &str) -> Box<str> {
    serial.trim().to_ascii_uppercase().into_boxed_str()
}

/// Whether two serial numbers are one.
pub(super) fn same_serial(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// Hardware addresses that come with examples and unprogrammed chips.
const PLACEHOLDER_MACS: &[[u8; 6]] = &[
    [0x00, 0x01, 0x02, 0x03, 0x04, 0x05],
    [0x00, 0x11, 0x22, 0x33, 0x44, 0x55],
    [0x02, 0x00, 0x00, 0x00, 0x00, 0x00],
    [0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f],
    [0x12, 0x34, 0x56, 0x78, 0x90, 0xab],
    [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc],
    [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff],
    [0xde, 0xad, 0xbe, 0xef, 0x00, 0x00],
    [0xde, 0xad, 0xbe, 0xef, 0x00, 0x01],
];

/// Whether a hardware address can be one machine's own: neither zeros, a group's, all octets alike, of no maker, nor an
/// example.
fn usable_mac(mac: Mac) -> bool {
    let octets = mac.octets();
    let [first, rest @ ..] = octets;
    mac.is_unique()
        && rest.iter().any(|octet| *octet != first)
        && !matches!(octets, [0, 0, 0, ..])
        && !PLACEHOLDER_MACS.contains(&octets)
}

/// What firmware says where there is no serial number. Compared without what is neither letter nor digit.
const PLACEHOLDER_SERIALS: &[&str] = &[
    "0123456789",
    "12345678",
    "123456789",
    "1234567890",
    "ABCDEFGH",
    "DEFAULT",
    "DEFAULTSTRING",
    "EMPTY",
    "ERROR",
    "INVALID",
    "NONE",
    "NOTAVAILABLE",
    "NOTSET",
    "NOTSPECIFIED",
    "NULL",
    "SERIAL",
    "SERIALNUMBER",
    "SYSTEMSERIALNUMBER",
    "TEST",
    "TOBEFILLEDBYOEM",
    "UNDEFINED",
    "UNKNOWN",
    "UNSET",
];

/// Serial numbers shorter than this are counters and not serial numbers.
const SHORTEST: usize = 5;
/// No maker's serial number is longer.
const LONGEST: usize = 128;

/// A serial number without blanks around it, if it can be one machine's own.
fn usable_serial(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > LONGEST || text.chars().any(char::is_control) {
        return None;
    }
    let core: String = text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
    let first = core.chars().next()?;
    let of_one_kind = core.chars().all(|c| c == first);
    let usable =
        core.chars().count() >= SHORTEST && !of_one_kind && !PLACEHOLDER_SERIALS.contains(&core.as_str());
    usable.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    //! What is evidence and what is not.
    use super::*;

    #[test]
    fn placeholders_tell_nobody_from_anybody() {
        for text in [
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "00:11:22:33:44:55",
            "22:22:22:22:22:22",
            "00:00:00:00:00:07",
        ] {
            assert!(!usable_mac(text.parse().unwrap()), "{text}");
        }
        for text in ["02:db:1c:00:00:07", "c8:11:05:00:00:01"] {
            assert!(usable_mac(text.parse().unwrap()), "{text}");
        }
        let long = "7".repeat(64) + &"8".repeat(65);
        for text in [
            "",
            " ",
            "N/A",
            "none",
            "Unknown",
            "0000000000",
            "FFFFFFFF",
            "xxxxxxxx",
            "1234",
            "--------",
            "To be filled by O.E.M.",
            "1234567890",
            "SIM\u{1b}[31m4562",
            &long,
        ] {
            assert_eq!(usable_serial(text), None, "{text:?}");
        }
        for text in ["SIM4562440A1B865", " HKYDYPRBCJABA0123 ", "00012"] {
            assert_eq!(usable_serial(text).as_deref(), Some(text.trim()));
        }
    }

    #[test]
    fn a_number_that_all_boards_share_is_none() {
        let identity = Identity::default();
        let boards = |told: &[&str]| Evidence::of(&identity, told.iter().copied()).boards;
        assert_eq!(
            boards(&["SMTTYRHBDJAAI0001", "smttyrhbdjaai0001", "SMTTYRHBDJAAI0002"]),
            ["SMTTYRHBDJAAI0002"]
        );
        assert!(boards(&["", "N/A", "0"]).is_empty());
    }
}
