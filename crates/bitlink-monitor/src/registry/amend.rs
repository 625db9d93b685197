//! How a record changes when its machine is met again: what is new is added, what is old is kept, and nothing is forgotten.

use super::evidence::{Evidence, same_serial};
use bitlink_model::{Identity, MinerRecord, Seen, Text, Timestamp};
use std::net::SocketAddr;

/// Writes an account into a record. Says whether anything but times has changed.
pub(super) fn amend(
    record: &mut MinerRecord,
    identity: &Identity,
    told: &Evidence,
    endpoint: SocketAddr,
    at: Timestamp,
) -> bool {
    let most = MinerRecord::MOST_KEPT;
    let mut changed = complete(&mut record.identity, identity);
    if let Some(mac) = told.mac {
        changed |= see(&mut record.macs, &mac, at, most, PartialEq::eq);
    }
    for (list, told) in
        [(&mut record.serials, &told.serial), (&mut record.control_board_serials, &told.control)]
    {
        if let Some(told) = told {
            changed |= see(list, told, at, most, |a, b| same_serial(a, b));
        }
    }
    let hostname =
        identity.hostname.as_ref().filter(|name| !name.is_empty() && name.len() <= LONGEST_HOSTNAME);
    if let Some(hostname) = hostname {
        changed |= see(&mut record.hostnames, hostname, at, most, PartialEq::eq);
    }
    changed |= see_boards(&mut record.board_serials, &told.boards, at);
    changed |= see(&mut record.endpoints, &endpoint, at, most, PartialEq::eq);
    changed |= record.endpoint.replace(endpoint) != Some(endpoint);
    changed |= record.forgotten.take().is_some();
    record.first_seen = record.first_seen.min(at);
    record.last_seen = at;
    changed
}

/// No host name is longer.
const LONGEST_HOSTNAME: usize = 253;

/// What was told comes to the front of its list, and is the only one that is current.
fn see<T: Clone>(
    list: &mut Vec<Seen<T>>,
    told: &T,
    at: Timestamp,
    most: usize,
    same: impl Fn(&T, &T) -> bool,
) -> bool {
    if let Some(first) = list.first_mut()
        && first.current
        && same(&first.value, told)
    {
        // The usual case: nothing new.
        first.last_seen = at;
        return false;
    }
    let mut seen = match list.iter().position(|seen| same(&seen.value, told)) {
        Some(known) => list.remove(known),
        None => Seen::once(told.clone(), at),
    };
    seen.last_seen = at;
    seen.current = true;
    for other in list.iter_mut() {
        other.current = false;
    }
    list.insert(0, seen);
    list.truncate(most);
    true
}

/// The boards that were told are current and the others are not, unless none was told.
fn see_boards(list: &mut Vec<Seen<String>>, told: &[String], at: Timestamp) -> bool {
    if told.is_empty() {
        return false;
    }
    let mut changed = false;
    for seen in list.iter_mut() {
        let current = told.iter().any(|told| same_serial(told, &seen.value));
        changed |= seen.current != current;
        seen.current = current;
        if current {
            seen.last_seen = at;
        }
    }
    for serial in told {
        if !list.iter().any(|seen| same_serial(&seen.value, serial)) {
            list.push(Seen::once(serial.clone(), at));
            changed = true;
        }
    }
    if changed {
        // Those that are there first, then by when they were there; the sort keeps the order of the rest.
        list.sort_by_key(|seen| (!seen.current, std::cmp::Reverse(seen.last_seen)));
        list.truncate(MinerRecord::MOST_BOARDS);
    }
    changed
}

/// No name or version is longer. A text that is was made up by somebody, and is not kept.
const LONGEST_TEXT: usize = 256;

/// Takes over what an account says; what it leaves out stays. Says whether anything has changed.
fn complete(known: &mut Identity, told: &Identity) -> bool {
    fn fill<T: Clone + PartialEq>(slot: &mut Option<T>, told: Option<&T>) -> bool {
        match told {
            Some(told) if slot.as_ref() != Some(told) => {
                *slot = Some(told.clone());
                true
            }
            _ => false,
        }
    }
    let fits = |text: &&Text| text.len() <= LONGEST_TEXT;
    let short =
        |texts: &[&Option<Text>]| texts.iter().all(|told| told.as_ref().is_none_or(|told| fits(&told)));
    let make = told.make.as_ref().filter(|make| make.as_str().len() <= LONGEST_TEXT);
    let firmware =
        told.firmware.as_ref().filter(|told| short(&[&told.version, &told.api_version, &told.software]));
    let network = told.network.as_ref().filter(|told| short(&[&told.netmask, &told.gateway, &told.dns]));
    // One after the other: each must be filled.
    let filled = [
        fill(&mut known.make, make),
        fill(&mut known.model, told.model.as_ref().filter(fits)),
        fill(&mut known.model_raw, told.model_raw.as_ref().filter(fits)),
        fill(&mut known.firmware, firmware),
        fill(&mut known.control_board, told.control_board.as_ref().filter(fits)),
        fill(&mut known.mac, told.mac.as_ref()),
        fill(&mut known.serial, told.serial.as_ref().filter(fits)),
        fill(&mut known.control_board_serial, told.control_board_serial.as_ref().filter(fits)),
        fill(&mut known.hostname, told.hostname.as_ref().filter(fits)),
        fill(&mut known.network, network),
    ];
    filled.contains(&true)
}
