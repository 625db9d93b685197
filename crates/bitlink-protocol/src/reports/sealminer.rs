//! SealMiner's report: some bytes of its own, then a zlib stream that holds JSON objects written one after another.

use super::{Beacon, Sighting, bounded};
use bitlink_model::Family;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// How a zlib stream of the usual settings begins (RFC 1950).
const ZLIB: [u8; 2] = [0x78, 0x9c];
/// The text of a report is some kilobytes; whoever sends more has something else in mind.
const MAX_TEXT: usize = 65_536;
/// How many beginnings of a stream are tried: the bytes before it may look like one.
const MAX_TRIES: usize = 4;

/// Reads one, if it is one.
pub(super) fn read(from: IpAddr, datagram: &[u8]) -> Option<Sighting> {
    let begins = datagram.windows(2).enumerate().filter(|(_, bytes)| *bytes == ZLIB);
    begins.take(MAX_TRIES).find_map(|(at, _)| sighting(from, &inflated(datagram.get(at..)?)))
}

/// What is in a stream, or what of it is whole.
fn inflated(stream: &[u8]) -> Vec<u8> {
    decompress_to_vec_zlib_with_limit(stream, MAX_TEXT).unwrap_or_else(|cut| cut.output)
}

fn sighting(from: IpAddr, text: &[u8]) -> Option<Sighting> {
    // Objects stand against each other, with NULs between; what follows the first defect is lost.
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
    let objects: Vec<Map<String, Value>> =
        serde_json::Deserializer::from_slice(&text).into_iter().map_while(Result::ok).take(32).collect();
    let machine = objects.iter().find(|object| object.contains_key("MAC") && object.contains_key("Type"))?;
    let text = |key| machine.get(key).and_then(Value::as_str);
    let mut seen = Sighting::new(from, Beacon::SealMiner);
    seen.claim_mac(text("MAC").unwrap_or_default());
    seen.claim_model(text("Type").unwrap_or_default());
    seen.claim_firmware(Family::SEALMINER, text("Firmware"));
    seen.identity.control_board = text("CtrlBoardVersion").and_then(bounded);
    seen.identity.control_board_serial = text("MainBoardSN").and_then(bounded);
    let in_use = |object: &&Map<String, Value>| object.get("Active").and_then(Value::as_bool) == Some(true);
    if let Some(interface) = objects.iter().find(in_use) {
        let text = |key| interface.get(key).and_then(Value::as_str);
        seen.claim_ip(text("IPV4").unwrap_or_default());
        seen.network().dhcp = interface.get("DHCP").and_then(Value::as_bool);
        seen.network().netmask = text("Netmask").and_then(bounded);
        seen.network().gateway = text("Gateway").and_then(bounded);
        seen.network().dns = text("DNS1").and_then(bounded);
    }
    Some(seen)
}
