//! By what a machine is known again between the plan and the write.

use bitlink_model::{Identity, Mac, Text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a machine showed of itself that no other machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Marks {
    /// Hardware address.
    #[serde(rename = "mac_address", skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The machine's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Text>,
    /// The control board's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_board_serial: Option<Text>,
}

/// Whether two sets of marks are of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// Yes.
    Same,
    /// No.
    Other,
    /// They have nothing in common that could be compared.
    Untold,
}

impl Marks {
    /// The marks of an identity.
    pub fn of(identity: &Identity) -> Self {
        let text = |text: &Option<Text>| text.clone().filter(|text| !text.trim().is_empty());
        Self {
            mac: identity.mac.filter(|mac| mac.is_unique()),
            serial: text(&identity.serial),
            control_board_serial: text(&identity.control_board_serial),
        }
    }

    /// Whether this is the serial number of the machine or of its control board.
    pub(crate) fn has_serial(&self, serial: &str) -> bool {
        [&self.serial, &self.control_board_serial].into_iter().any(|known| known.as_deref() == Some(serial))
    }

    /// Those that others do not have.
    pub(crate) fn without(self, others: &Self) -> Self {
        Self {
            mac: self.mac.filter(|_| others.mac.is_none()),
            serial: self.serial.filter(|_| others.serial.is_none()),
            control_board_serial: self.control_board_serial.filter(|_| others.control_board_serial.is_none()),
        }
    }

    /// Whether there is nothing by which the machine could be known again.
    pub const fn is_empty(&self) -> bool {
        self.mac.is_none() && self.serial.is_none() && self.control_board_serial.is_none()
    }

    /// Whether both are of one machine. The first mark that both have decides: the hardware address, the machine's serial
    /// number, the control board's.
    pub fn compare(&self, other: &Self) -> Sameness {
        fn decided<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> Option<Sameness> {
            a.zip(b).map(|(a, b)| if a == b { Sameness::Same } else { Sameness::Other })
        }
        decided(self.mac.as_ref(), other.mac.as_ref())
            .or_else(|| decided(self.serial.as_ref(), other.serial.as_ref()))
            .or_else(|| decided(self.control_board_serial.as_ref(), other.control_board_serial.as_ref()))
            .unwrap_or(Sameness::Untold)
    }

    /// The strongest mark as a word.
    pub(crate) fn key(&self) -> Option<String> {
        self.mac
            .map(|mac| format!("mac:{mac}"))
            .or_else(|| self.serial.as_ref().map(|serial| format!("serial:{serial}")))
            .or_else(|| self.control_board_serial.as_ref().map(|serial| format!("board:{serial}")))
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mac, &self.serial, &self.control_board_serial) {
            (Some(mac), _, _) => mac.fmt(f),
            (None, Some(serial), _) => write!(f, "serial {serial}"),
            (None, None, Some(serial)) => write!(f, "control board {serial}"),
            (None, None, None) => f.write_str("a machine that shows no mark"),
        }
    }
}
