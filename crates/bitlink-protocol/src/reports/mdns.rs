//! Web servers that are announced by mDNS (RFC 6762) and DNS-SD (RFC 6763). The firmware of the Bitaxe and of its kin
//! announces itself as `_http._tcp` with the subtype `_axeos`, with a text of `board`, `family`, `asic`, `asic_count` and
//! `fw_version` ([ESP-Miner 1240](https://github.com/bitaxeorg/ESP-Miner/pull/1240),
//! [NerdQAxePlus 613](https://github.com/shufps/ESP-Miner-NerdQAxePlus/pull/613)). Asks once from a port of its own, so
//! answers come back to it alone (RFC 6762, 5.1 and 6.7).

use super::{Beacon, MAX_REPORT_BYTES, ReportError, Sighting, bounded};
use crate::error::Excerpt;
use bitlink_model::{Family, Make, Text};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, TYPE};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where mDNS is spoken.
pub const MDNS_GROUP: ([u8; 4], u16) = ([224, 0, 0, 251], 5353);
/// Web servers, and those of AxeOS.
const SERVICES: [&str; 2] = ["_http._tcp.local", "_axeos._sub._http._tcp.local"];
/// More records than this are not looked at.
const MAX_RECORDS: usize = 64;

/// Names by which machines are known that do not say more.
const MAKES: [(&str, Make); 8] = [
    ("bitaxe", Make::BITAXE),
    ("nerd", Make::NERDAXE),
    ("lucky", Make::LUCKYMINER),
    ("antminer", Make::ANTMINER),
    ("whatsminer", Make::WHATSMINER),
    ("avalon", Make::AVALON),
    ("goldshell", Make::GOLDSHELL),
    ("proto-rig", Make::PROTO),
];

/// Asks for web servers, and for miners among them; whoever answers may do so to the one who asks alone.
pub fn mdns_question() -> Vec<u8> {
    let mut packet = Packet::new_query(0);
    packet.questions = SERVICES
        .iter()
        .map(|name| {
            let question = (QTYPE::TYPE(TYPE::PTR), QCLASS::CLASS(CLASS::IN));
            Question::new(Name::new_unchecked(name), question.0, question.1, true)
        })
        .collect();
    // Two constant names always fit.
    packet.build_bytes_vec_compressed().unwrap_or_default()
}

/// Reads an answer to [`mdns_question`], or an announcement: the machine that it came from.
///
/// # Errors
/// [`ReportError`] for what is no answer, or one that tells of no web server.
pub fn read_mdns(from: IpAddr, datagram: &[u8]) -> Result<Sighting, ReportError> {
    if datagram.len() > MAX_REPORT_BYTES {
        return Err(ReportError::TooLong(datagram.len()));
    }
    let unknown = || ReportError::Unknown(Excerpt::of_bytes(datagram));
    let packet = Packet::parse(datagram).map_err(|_what_is_wrong_with_it| unknown())?;
    let records = packet.answers.iter().chain(&packet.additional_records).take(MAX_RECORDS);

    let mut seen = Sighting::new(from, Beacon::Mdns);
    let mut instance = None;
    let mut is_axeos = false;
    let mut addresses = Vec::new();
    let mut family = None;
    let mut version = None;
    for record in records {
        let name = record.name.to_string().to_ascii_lowercase();
        match &record.rdata {
            RData::PTR(to) if SERVICES.contains(&name.as_str()) => {
                is_axeos |= name == SERVICES[1];
                instance = instance.or_else(|| to.0.get_labels().first().and_then(label));
            }
            RData::SRV(srv) if name.ends_with(SERVICES[0]) => {
                seen.port = Some(srv.port).filter(|port| *port > 0);
                seen.identity.hostname = srv.target.get_labels().first().and_then(label);
                instance = instance.or_else(|| record.name.get_labels().first().and_then(label));
            }
            RData::TXT(txt) if name.ends_with(SERVICES[0]) => {
                for (key, value) in txt.iter_raw().take(MAX_RECORDS) {
                    let value = value.map(String::from_utf8_lossy);
                    let value = value.as_deref().and_then(bounded);
                    match key {
                        b"family" => family = value,
                        b"fw_version" => version = value,
                        b"board" => seen.identity.control_board = value,
                        _ => {}
                    }
                }
            }
            RData::A(a) => addresses.push(IpAddr::V4(Ipv4Addr::from(a.address))),
            RData::AAAA(aaaa) => addresses.push(IpAddr::V6(Ipv6Addr::from(aaaa.address))),
            _ => {}
        }
    }
    let instance = instance.or_else(|| seen.identity.hostname.clone()).ok_or_else(unknown)?;
    // A machine has several addresses; one of another family than it was heard from contradicts nothing.
    if !addresses.contains(&from)
        && let Some(other) = addresses.iter().find(|address| address.is_ipv4() == from.is_ipv4())
    {
        seen.network().ip = Some(*other);
    }
    seen.identity.make = make_of([family.as_ref(), Some(&instance), seen.identity.hostname.as_ref()]);
    if is_axeos {
        let nerd = seen.identity.make == Some(Make::NERDAXE);
        seen.identity.make.get_or_insert(Make::BITAXE);
        seen.claim_firmware(if nerd { Family::NERDAXE } else { Family::AXEOS }, version.as_deref());
    }
    match family {
        Some(family) if is_axeos => seen.claim_model(&family),
        _ => seen.identity.model_raw = Some(instance.clone()),
    }
    seen.identity.hostname.get_or_insert(instance);
    Ok(seen)
}

fn label(label: &simple_dns::Label<'_>) -> Option<Text> {
    bounded(&String::from_utf8_lossy(label.as_ref()))
}

/// Whose machine it is by the names that it gives itself, the most telling first.
fn make_of(names: [Option<&Text>; 3]) -> Option<Make> {
    names.into_iter().flatten().find_map(|name| {
        let name = name.to_ascii_lowercase();
        MAKES.iter().find(|(word, _)| name.starts_with(word)).map(|(_, make)| make.clone())
    })
}
