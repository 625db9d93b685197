//! What a fleet's registry keeps of one machine: by what it has been known, where it was, where it stands, and what people
//! wrote about it. Who is who is decided elsewhere; this is the result.

mod edit;

pub use edit::{Edit, EditError, LabelEdit, RecordEdit};

use crate::Text;
use crate::identity::{Identity, Mac, MinerId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A machine as a registry knows it.
///
/// Lists of evidence begin with what was told last: `macs.first()` is the hardware address that the machine has now, and
/// what follows it had before. Each list is bounded ([`MinerRecord::MOST_KEPT`]); the oldest go first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MinerRecord {
    /// Our own name for it. Never given to another machine.
    pub id: MinerId,
    /// What it said of itself, the latest of everything: a reading that leaves something out does not take it away.
    pub identity: Identity,
    /// Where it answers, as far as is known: absent once another machine has been met there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<SocketAddr>,
    /// Hardware addresses it has had.
    #[serde(default, rename = "mac_addresses", skip_serializing_if = "Vec::is_empty")]
    pub macs: Vec<Seen<Mac>>,
    /// Serial numbers of the machine it has told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serials: Vec<Seen<String>>,
    /// Serial numbers of control boards it has had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control_board_serials: Vec<Seen<String>>,
    /// Serial numbers of hash boards it has had. Those of the latest reading that told any are `current`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub board_serials: Vec<Seen<String>>,
    /// Names it has given itself on the network. No evidence: many machines have the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<Seen<Text>>,
    /// Where it has answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Seen<SocketAddr>>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Position::is_unknown")]
    pub position: Position,
    /// Words that people put on it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// What people wrote about it. Empty is nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// When it was first met.
    #[serde(rename = "first_seen_ms")]
    pub first_seen: Timestamp,
    /// When it was last met.
    #[serde(rename = "last_seen_ms")]
    pub last_seen: Timestamp,
    /// When somebody said that it is to be forgotten. Its evidence is kept, so that it gets the same id should it come back.
    #[serde(default, rename = "forgotten_ms", skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Timestamp>,
}

/// Something by which a machine has been known, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// What was seen.
    pub value: T,
    /// When it was first seen on this machine.
    #[serde(rename = "first_seen_ms")]
    pub first_seen: Timestamp,
    /// When it was last seen on this machine.
    #[serde(rename = "last_seen_ms")]
    pub last_seen: Timestamp,
    /// Whether it was part of the latest account of its kind. Evidence that has gone over to another machine is not.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub current: bool,
    /// Whether more machines than one have it, so that it tells nobody from anybody.
    #[serde(default, skip_serializing_if = "is_no")]
    pub shared: bool,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the form that serde asks for
fn is_yes(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the form that serde asks for
fn is_no(value: &bool) -> bool {
    !*value
}

impl<T> Seen<T> {
    /// Seen once.
    pub const fn once(value: T, at: Timestamp) -> Self {
        Self { value, first_seen: at, last_seen: at, current: true, shared: false }
    }
}

/// Where a machine stands, from the large to the small. Each part is a name of the operator's own; unknown is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Position {
    /// The site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Building, hall or container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// The rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The shelf of the rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shelf: Option<String>,
    /// The place on the shelf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

impl Position {
    /// Its parts from the large to the small, with their names.
    pub fn parts(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("site", self.site.as_deref()),
            ("building", self.building.as_deref()),
            ("rack", self.rack.as_deref()),
            ("shelf", self.shelf.as_deref()),
            ("slot", self.slot.as_deref()),
        ]
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.parts().iter().all(|(_, part)| part.is_none())
    }
}

impl std::fmt::Display for Position {
    /// The known parts, from the large to the small, with a stroke between them: `North/3/R12/2/5`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known: Vec<&str> = self.parts().into_iter().filter_map(|(_, part)| part).collect();
        f.pad(&known.join("/"))
    }
}

impl MinerRecord {
    /// Most pieces of one kind of evidence that are kept, hash boards aside.
    pub const MOST_KEPT: usize = 16;
    /// Most hash boards that are kept: a shelf of spare parts has been through such a machine.
    pub const MOST_BOARDS: usize = 64;

    /// A machine that is met for the first time. Evidence is added as it is seen.
    pub fn new(id: MinerId, identity: Identity, endpoint: SocketAddr, at: Timestamp) -> Self {
        Self {
            id,
            identity,
            endpoint: Some(endpoint),
            macs: Vec::new(),
            serials: Vec::new(),
            control_board_serials: Vec::new(),
            board_serials: Vec::new(),
            hostnames: Vec::new(),
            endpoints: vec![Seen::once(endpoint, at)],
            position: Position::default(),
            labels: BTreeSet::new(),
            notes: String::new(),
            first_seen: at,
            last_seen: at,
            forgotten: None,
        }
    }

    /// Whether nothing but its address tells it from others.
    pub fn is_known_by_address_only(&self) -> bool {
        self.macs.is_empty()
            && self.serials.is_empty()
            && self.control_board_serials.is_empty()
            && self.board_serials.is_empty()
    }

    /// The hardware address it has now, as far as is known.
    pub fn mac(&self) -> Option<Mac> {
        self.macs.iter().find(|seen| seen.current).map(|seen| seen.value)
    }

    /// The serial number it has now, as far as is known.
    pub fn serial(&self) -> Option<&str> {
        self.serials.iter().find(|seen| seen.current).map(|seen| seen.value.as_str())
    }

    /// Where it was met last.
    pub fn last_endpoint(&self) -> Option<SocketAddr> {
        self.endpoint.or_else(|| self.endpoints.first().map(|seen| seen.value))
    }

    /// Whether people have written anything about it.
    pub fn has_notes_of_people(&self) -> bool {
        !self.position.is_unknown() || !self.labels.is_empty() || !self.notes.is_empty()
    }
}

#[cfg(test)]
mod tests;
