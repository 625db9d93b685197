//! Miners that show themselves: what they send without being asked, or in answer to a question that goes to everybody. A
//! datagram and where it came from become a [`Sighting`]. Opens no socket and remembers nothing.
//!
//! * **IP reports.** A button on the machine, or a switch in its firmware, makes it broadcast its address. Every make has a
//!   form and a UDP port of its own ([`Beacon::port`]); the form is told by the bytes, so it does not matter where they
//!   arrived. Shapes: the listeners of [pyasic](https://github.com/UpstreamData/pyasic) and
//!   [asic-rs](https://github.com/256foundation/asic-rs).
//! * **The API's own multicast**, off unless switched on: [`multicast_question`] (cgminer's `API-README`, "api-mcast").
//! * **mDNS**, RFC 6762 and 6763: [`mdns_question`] asks for web servers and for the AxeOS kind of them.
//!
//! All of this is hostile text. Where a datagram came from is believed; what it says is kept as a claim, bounded, and
//! escaped by whoever shows it. A datagram without a sense is an error and never a panic.

mod mdns;
mod sealminer;
#[cfg(test)]
mod tests;

use crate::error::Excerpt;
use bitlink_model::{Family, Firmware, Identity, Mac, Make, NetworkIdentity, Text};
use serde_json::{Map, Value};
use std::fmt;
use std::net::IpAddr;

pub use mdns::{MDNS_GROUP, mdns_question, read_mdns};

/// Longer datagrams are nobody's report: the longest known are some 2,000 bytes.
pub const MAX_REPORT_BYTES: usize = 8_192;
/// Where the API's own multicast is listened for.
pub const MULTICAST_GROUP: ([u8; 4], u16) = ([224, 0, 0, 75], 4028);
/// The word that the API's multicast asks with, unless it is configured otherwise.
const MULTICAST_CODE: &str = "FTW";
/// No text of a report is kept to a greater length, in characters.
const MAX_TEXT: usize = 96;

/// A machine that showed itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sighting {
    /// Where the datagram came from. The truth about where the machine is, as far as there is one.
    pub from: IpAddr,
    /// In which form it showed itself.
    pub beacon: Beacon,
    /// What it says of itself, its idea of its own address ([`NetworkIdentity::ip`]) included. Claims, all of it.
    pub identity: Identity,
    /// The port at which it says that it can be asked, where it says so.
    pub port: Option<u16>,
}

/// In which form a machine shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Beacon {
    /// Antminer, and firmware and machines that send as it does: VNish, LuxOS, Hammer, VolcMiner.
    Antminer,
    /// WhatsMiner.
    Whatsminer,
    /// IceRiver.
    IceRiver,
    /// SealMiner.
    SealMiner,
    /// Goldshell.
    Goldshell,
    /// Elphapex.
    Elphapex,
    /// Auradine.
    Auradine,
    /// iPollo.
    Ipollo,
    /// A rig with graphics cards under HiveOS.
    HiveOs,
    /// Whoever answers the multicast of the CGMiner API.
    Cgminer,
    /// A web server that is announced by mDNS.
    Mdns,
}

impl Beacon {
    /// All forms of report that come unasked, each with a port of its own.
    pub const REPORTS: [Self; 9] = [
        Self::Antminer,
        Self::Whatsminer,
        Self::IceRiver,
        Self::SealMiner,
        Self::Goldshell,
        Self::Elphapex,
        Self::Auradine,
        Self::Ipollo,
        Self::HiveOs,
    ];

    /// Stable name for output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Antminer => "antminer",
            Self::Whatsminer => "whatsminer",
            Self::IceRiver => "iceriver",
            Self::SealMiner => "sealminer",
            Self::Goldshell => "goldshell",
            Self::Elphapex => "elphapex",
            Self::Auradine => "auradine",
            Self::Ipollo => "ipollo",
            Self::HiveOs => "hiveos",
            Self::Cgminer => "cgminer",
            Self::Mdns => "mdns",
        }
    }

    /// The UDP port that reports of this form are sent to; `None` for those that answer a question.
    pub const fn port(self) -> Option<u16> {
        Some(match self {
            Self::Antminer => 14_235,
            Self::Whatsminer => 8_888,
            Self::IceRiver => 11_503,
            Self::SealMiner => 18_650,
            Self::Goldshell => 1_314,
            Self::Elphapex => 9_999,
            Self::Auradine => 12_345,
            Self::Ipollo => 54_321,
            Self::HiveOs => 42_069,
            Self::Cgminer | Self::Mdns => return None,
        })
    }

    /// Whose machines send in this form, where all are of one make.
    fn make(self) -> Option<Make> {
        Some(match self {
            Self::Whatsminer => Make::WHATSMINER,
            Self::IceRiver => Make::ICERIVER,
            Self::SealMiner => Make::SEALMINER,
            Self::Goldshell => Make::GOLDSHELL,
            Self::Elphapex => Make::ELPHAPEX,
            Self::Auradine => Make::AURADINE,
            Self::Ipollo => Make::new("iPollo"),
            Self::Antminer | Self::HiveOs | Self::Cgminer | Self::Mdns => return None,
        })
    }
}

impl fmt::Display for Beacon {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            // Not only Antminers send so.
            Self::Antminer => "Antminer-like report",
            Self::Whatsminer => "WhatsMiner report",
            Self::IceRiver => "IceRiver report",
            Self::SealMiner => "SealMiner report",
            Self::Goldshell => "Goldshell report",
            Self::Elphapex => "Elphapex report",
            Self::Auradine => "Auradine report",
            Self::Ipollo => "iPollo report",
            Self::HiveOs => "HiveOS report",
            Self::Cgminer => "API multicast",
            Self::Mdns => "mDNS",
        })
    }
}

/// Why a datagram is no sighting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// In no form that is known. The beginning, printable.
    #[error("in no form that is known: {0}")]
    Unknown(Excerpt),
    /// The "OK" with which some vendors' tools answer a report: somebody else listens on this network too.
    #[error("the answer of another listener")]
    Acknowledgement,
    /// Longer than any report is.
    #[error("{0} bytes are more than any report has")]
    TooLong(usize),
}

impl Sighting {
    fn new(from: IpAddr, beacon: Beacon) -> Self {
        let mut identity = Identity::default();
        identity.make = beacon.make();
        Self { from, beacon, identity, port: None }
    }

    /// The address that it says it has, where that is another than it was heard from.
    pub fn contradicts(&self) -> Option<IpAddr> {
        let claimed = self.identity.network.as_ref()?.ip?;
        (claimed != self.from).then_some(claimed)
    }

    /// Whether what showed itself is a miner by its own account: what answers mDNS may be any web server.
    pub fn is_miner(&self) -> bool {
        self.beacon != Beacon::Mdns || self.identity.make.is_some()
    }

    fn claim_ip(&mut self, text: &str) {
        // "[10.0.0.5/…": decorated on some firmware.
        let text = text.trim().trim_start_matches('[');
        let end = text.find(['/', ']', ' ', '\0']).unwrap_or(text.len());
        if let Some(ip) = text.get(..end).and_then(|text| text.parse().ok()) {
            self.network().ip = Some(ip);
        }
    }

    fn claim_mac(&mut self, text: &str) {
        self.identity.mac = text.trim().parse().ok().filter(|mac: &Mac| mac.is_unique());
    }

    fn claim_model(&mut self, raw: &str) {
        let Some(raw) = bounded(raw) else { return };
        let make = self.identity.make.as_ref().map_or("", Make::as_str);
        self.identity.model = without_make(&raw, make);
        self.identity.model_raw = Some(raw);
    }

    fn claim_firmware(&mut self, family: Family, version: Option<&str>) {
        let version = version.and_then(bounded);
        self.identity.firmware = Some(Firmware { version, ..Firmware::new(family) });
    }

    fn network(&mut self) -> &mut NetworkIdentity {
        self.identity.network.get_or_insert_default()
    }
}

/// What the API's multicast asks with; answers go to a port of the one who asks. `word` is `cgminer`, or `bmminer` for the
/// firmware that listens for that (`api.c`, `mcast`).
pub fn multicast_question(word: &str, reply_port: u16) -> Vec<u8> {
    format!("{word}-{MULTICAST_CODE}-{reply_port}").into_bytes()
}

/// Reads a report, in whatever form it comes, or an answer to [`multicast_question`].
///
/// # Errors
/// [`ReportError`] for what is neither.
pub fn read_report(from: IpAddr, datagram: &[u8]) -> Result<Sighting, ReportError> {
    if datagram.len() > MAX_REPORT_BYTES {
        return Err(ReportError::TooLong(datagram.len()));
    }
    let unknown = || ReportError::Unknown(Excerpt::of_bytes(datagram));
    let text = String::from_utf8_lossy(datagram);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    if text == "OK" {
        return Err(ReportError::Acknowledgement);
    }
    if text.starts_with('{') {
        return json(from, datagram).ok_or_else(unknown);
    }
    plain(from, text).or_else(|| sealminer::read(from, datagram)).ok_or_else(unknown)
}

/// The forms that are plain text.
fn plain(from: IpAddr, text: &str) -> Option<Sighting> {
    let seen = |beacon| Sighting::new(from, beacon);
    if let Some(rest) = text.strip_prefix("IP:") {
        // "IP:10.0.0.5MAC:AA:…", and often a byte more.
        let (ip, mac) = rest.split_once("MAC:")?;
        let mut seen = seen(Beacon::Whatsminer);
        seen.claim_ip(ip);
        seen.claim_mac(mac.trim_end_matches(|c: char| !c.is_ascii_hexdigit()));
        return Some(seen);
    }
    if let Some(ip) = text.strip_prefix("addr:") {
        let mut seen = seen(Beacon::IceRiver);
        seen.claim_ip(ip);
        return Some(seen);
    }
    if text.starts_with("DG_IPREPORT_ONLY") {
        return Some(seen(Beacon::Elphapex));
    }
    if let Some(rest) = text.strip_prefix("IP Addr:") {
        let mut seen = seen(Beacon::Ipollo);
        seen.claim_ip(rest);
        if let Some((_, mac)) = rest.split_once("MAC Addr:[") {
            seen.claim_mac(mac.split(']').next().unwrap_or_default());
        }
        return Some(seen);
    }
    if let Some(ip) = text.strip_prefix("HiveOS ") {
        let mut seen = seen(Beacon::HiveOs);
        seen.claim_ip(ip);
        return Some(seen);
    }
    if let Some(rest) = text.strip_prefix("cgm-") {
        // "cgm-FTW-4028-description".
        let mut parts = rest.splitn(3, '-');
        let (_code, port) = (parts.next()?, parts.next()?.parse().ok().filter(|port| *port > 0)?);
        let mut seen = seen(Beacon::Cgminer);
        seen.port = Some(port);
        seen.identity.hostname = parts.next().and_then(bounded);
        return Some(seen);
    }
    // "10.0.0.5,AA:BB:CC:DD:EE:FF" has no mark of its own; a hardware address behind the comma is one.
    let (ip, mac) = text.split_once(',')?;
    let mut seen = seen(Beacon::Antminer);
    seen.claim_mac(mac.split(',').next().unwrap_or_default());
    seen.claim_ip(ip);
    seen.identity.mac.is_some().then_some(seen)
}

/// The forms that are one JSON object.
fn json(from: IpAddr, datagram: &[u8]) -> Option<Sighting> {
    // Bytes after the object, such as a NUL, do no harm.
    let object: Map<String, Value> =
        serde_json::Deserializer::from_slice(datagram).into_iter().next()?.ok()?;
    let text = |key| object.get(key).and_then(Value::as_str);
    let (beacon, family) = if text("command") == Some("ipreport") {
        (Beacon::Auradine, Family::AURADINE)
    } else if object.contains_key("ctrlsn") || object.contains_key("cpbsn") || object.contains_key("boxsn") {
        (Beacon::Goldshell, Family::GOLDSHELL)
    } else {
        return None;
    };
    let mut seen = Sighting::new(from, beacon);
    seen.claim_ip(text("ip").unwrap_or_default());
    seen.claim_mac(text("mac").unwrap_or_default());
    seen.claim_model(text("model").unwrap_or_default());
    seen.claim_firmware(family, text("version"));
    match beacon {
        Beacon::Auradine => seen.identity.serial = text("SerialNo").and_then(bounded),
        _ => seen.identity.control_board_serial = text("ctrlsn").and_then(bounded),
    }
    seen.identity.hostname = text("hostname").and_then(bounded);
    if let Some(dhcp) = text("dhcp") {
        seen.network().dhcp = Some(dhcp == "enable");
        seen.network().netmask = text("mask").and_then(bounded);
        seen.network().gateway = text("gateway").and_then(bounded);
        seen.network().dns = text("dns").and_then(bounded);
    }
    Some(seen)
}

/// A text of bearable length; `None` where there is nothing.
fn bounded(text: &str) -> Option<Text> {
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT).collect::<String>().into())
}

/// "Goldshell-KD6" of Goldshell is a KD6.
fn without_make(raw: &str, make: &str) -> Option<Text> {
    let rest = match raw.get(..make.len()) {
        Some(head) if head.eq_ignore_ascii_case(make) => raw.get(make.len()..).unwrap_or_default(),
        _ => raw,
    };
    bounded(rest.trim_start_matches(['-', '_', ' ']))
}
