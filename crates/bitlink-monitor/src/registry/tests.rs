//! Every rule of who is who, as stories: when and where something was met, what it told, who it must be, and what must be
//! said about that.

mod churn;

use super::*;
use bitlink_model::{Edit, Family, Firmware, Make};
use std::collections::BTreeMap;

const START: i64 = 1_700_000_000_000;

/// Plays a story. A line: seconds, address, evidence (`mac=A serial=S boards=1,2,3 control=C model=M`), `->`, a name for the
/// machine, and words for what is said. A name that was not used before must be a machine that was not met before. `sweep` and
/// `end` stand around a scan; `forget a` and `reload` do what they say.
#[track_caller]
fn check(story: &str) -> Registry {
    let mut registry = Registry::new();
    let mut names: BTreeMap<String, MinerId> = BTreeMap::new();
    let mut sweep = None;
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        match words.next().unwrap() {
            "sweep" => sweep = Some(registry.begin_sweep()),
            "end" => sweep = None,
            "reload" => registry = Registry::from_records(registry.all_records().map(|r| (**r).clone())),
            "forget" => {
                let id = names[words.next().unwrap()];
                registry.forget(id, Timestamp::from_unix_millis(START)).unwrap();
            }
            "label" => {
                let id = names[words.next().unwrap()];
                let rack = Edit::Set("R1".to_owned());
                registry.edit(id, &RecordEdit { rack, ..RecordEdit::default() }).unwrap();
            }
            seconds => {
                let (told, expected) = line.split_once("->").unwrap();
                let mut told = told.split_whitespace().skip(1);
                let endpoint = endpoint(told.next().unwrap());
                let (identity, boards) = account(told);
                let at = Timestamp::from_unix_millis(START + seconds.parse::<i64>().unwrap() * 1_000);
                let mut sighting =
                    Sighting::new(endpoint, &identity, at).with_boards(boards.iter().map(String::as_str));
                sighting.sweep = sweep;
                let observed = registry.observe(&sighting);
                let (name, said) = expected.trim().split_once(' ').unwrap();
                if let Some(id) = names.get(name) {
                    assert_eq!(observed.id, *id, "{line}: {observed:?}");
                } else {
                    let taken = names.iter().find(|(_, id)| **id == observed.id);
                    assert_eq!(taken, None, "{line}: {observed:?}");
                    names.insert(name.to_owned(), observed.id);
                }
                assert_eq!(told_of(&observed, &names), said.trim(), "{line}");
            }
        }
        let reloaded = Registry::from_records(registry.all_records().map(|record| (**record).clone()));
        assert_eq!(reloaded.index.holders, registry.index.holders, "{line}: reloaded");
    }
    registry
}

fn endpoint(text: &str) -> SocketAddr {
    let text = if text.contains(':') { text.to_owned() } else { format!("{text}:4028") };
    format!("192.0.2.{text}").parse().unwrap()
}

/// A hardware address by a letter.
fn mac(name: &str) -> Mac {
    match name {
        "zero" => Mac::new([0; 6]),
        name => Mac::new([2, 0xdb, 0x1c, 0, 0, name.as_bytes()[0]]),
    }
}

#[allow(single_use_lifetimes, reason = "an elided one is not allowed there")]
fn account<'a>(words: impl Iterator<Item = &'a str>) -> (Identity, Vec<String>) {
    let mut identity = Identity::default();
    let mut boards = Vec::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        let long = |value: &str| format!("SIM-{value}-0001");
        match key {
            "mac" => identity.mac = Some(mac(value)),
            "serial" => identity.serial = Some(long(value).into()),
            "control" => identity.control_board_serial = Some(long(value).into()),
            "boards" => boards = value.split(',').map(long).collect(),
            "model" => identity.model = Some(value.into()),
            "make" => identity.make = Some(Make::from(value.to_owned())),
            "family" => identity.firmware = Some(Firmware::new(Family::from(value.to_owned()))),
            "host" => identity.hostname = Some(value.into()),
            "raw" => identity.serial = Some(value.into()),
            _ => panic!("{word}"),
        }
    }
    (identity, boards)
}

fn told_of(observed: &Observed, names: &BTreeMap<String, MinerId>) -> String {
    let name =
        |id: MinerId| names.iter().find(|(_, known)| **known == id).map_or("?", |(name, _)| name.as_str());
    let mut said = match observed.change {
        Change::New => "new".to_owned(),
        Change::Back => "back".to_owned(),
        Change::Same => "same".to_owned(),
        Change::Promoted => "promoted".to_owned(),
        Change::Moved { from } => {
            format!("moved from {}", from.ip().to_string().trim_start_matches("192.0.2."))
        }
        Change::BoardSwapped { from, to } => {
            format!("swapped {} for {}", char::from(from.octets()[5]), char::from(to.octets()[5]))
        }
    };
    if let Some(displaced) = observed.displaced {
        said = format!("{said}, in place of {}", name(displaced));
    }
    if let Some(absorbed) = observed.absorbed {
        said = format!("{said}, was {}", name(absorbed));
    }
    for conflict in &observed.conflicts {
        let what = match &conflict.evidence {
            EvidenceKey::Mac(_) => "mac",
            EvidenceKey::Serial(_) => "serial",
            EvidenceKey::HashBoard(_) => "board",
            EvidenceKey::ControlBoard(_) => "control",
        };
        said = format!("{said}, {what} shared with {}", name(conflict.with));
    }
    said
}

#[test]
fn a_machine_that_dhcp_moves_keeps_its_id() {
    check(
        "0   1 mac=A            -> a new
         10  1 mac=A            -> a same
         100 2 mac=A            -> a moved from 1
         110 3 mac=B serial=S   -> b new
         300 1 mac=B serial=S   -> b moved from 3
         310 3 serial=S mac=B   -> b moved from 1
         reload
         600 9 mac=B            -> b moved from 3",
    );
}

#[test]
fn two_machines_that_exchange_addresses_stay_who_they_are() {
    check(
        "0   1 mac=A model=S19  -> a new
         0   2 mac=B model=S19  -> b new
         300 1 mac=B model=S19  -> b moved from 2, in place of a
         305 2 mac=A model=S19  -> a moved from 1
         600 2 mac=B model=S19  -> b moved from 1, in place of a
         605 1 mac=A model=S19  -> a moved from 2",
    );
    // In one scan, three in a circle.
    check(
        "sweep
         0   1 mac=A  -> a new
         1   2 mac=B  -> b new
         2   3 mac=C  -> c new
         sweep
         60  2 mac=A  -> a moved from 1, in place of b
         61  3 mac=B  -> b moved from 2, in place of c
         62  1 mac=C  -> c moved from 3",
    );
}

#[test]
fn a_new_machine_at_an_old_address_is_a_new_machine() {
    let registry = check(
        "0   1 mac=A  -> a new
         300 1 mac=B  -> b new, in place of a",
    );
    let places: Vec<bool> = registry.records().map(|record| record.endpoint.is_some()).collect();
    assert_eq!(places.iter().filter(|known| **known).count(), 1, "where the first is now is not known");
}

#[test]
fn a_control_board_swap_keeps_the_machine() {
    check(
        "0   1 mac=A serial=S           -> a new
         300 1 mac=B serial=S           -> a swapped A for B
         600 2 mac=B serial=S           -> a moved from 1",
    );
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         300 4 mac=B boards=1,2,3       -> a swapped A for B
         310 4 mac=B                    -> a same",
    );
    // One of the boards went with it.
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         300 1 mac=B boards=2,3,9       -> a swapped A for B",
    );
    // The other board turns up in another machine that has no number of its own.
    check(
        "0   1 mac=A serial=S           -> a new
         300 1 mac=B serial=S           -> a swapped A for B
         600 7 mac=A                    -> b new
         610 7 mac=A                    -> b same
         620 1 mac=B serial=S           -> a same",
    );
    // It is put back.
    check(
        "0   1 mac=A serial=S           -> a new
         300 5 mac=B serial=S           -> a swapped A for B
         600 1 mac=A serial=S           -> a swapped B for A",
    );
}

#[test]
fn two_machines_that_exchange_control_boards_stay_who_they_are() {
    check(
        "0   1 mac=A serial=S           -> a new
         0   2 mac=B serial=T           -> b new
         300 1 mac=B serial=S           -> a swapped A for B
         305 2 mac=A serial=T           -> b swapped B for A",
    );
    // The addresses go with the boards, and the hash boards stay.
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         0   2 mac=B boards=4,5,6       -> b new
         300 1 mac=A boards=4,5,6       -> b swapped B for A, in place of a
         305 2 mac=B boards=1,2,3       -> a swapped A for B",
    );
}

#[test]
fn hash_boards_that_wander_one_by_one_take_no_identity_with_them() {
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         0   2 mac=B boards=4,5,6       -> b new
         300 1 mac=A boards=1,2,4       -> a same
         305 2 mac=B boards=3,5,6       -> b same
         600 1 mac=A boards=1,5,4       -> a same
         605 2 mac=B boards=3,2,6       -> b same",
    );
    // What a machine gave away is not its own again when the registry is read from where it was kept.
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         0   2 mac=B boards=4,5,6       -> b new
         300 1 mac=A boards=4,2,3       -> a same
         305 2 mac=B boards=1,5,6       -> b same
         600 1 mac=A boards=4,5,3       -> a same
         605 2 mac=B boards=1,2,6       -> b same
         reload
         900 1 mac=C boards=4,5,3       -> a swapped A for C
         905 2 mac=D boards=1,2,6       -> b swapped B for D",
    );
    // A dead machine is taken apart for spares.
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         0   2 mac=B boards=4,5,6       -> b new
         300 2 mac=B boards=1,2,6       -> b same
         600 1 mac=A boards=4,3,5       -> a same",
    );
    // A machine with one board, which is too little to go by.
    check(
        "0   1 mac=A boards=1           -> a new
         300 2 mac=B boards=1           -> b new",
    );
}

#[test]
fn two_machines_with_one_hardware_address_are_kept_apart_and_told() {
    // Polled: they take turns faster than anybody moves.
    check(
        "0   1 mac=A  -> a new
         3   2 mac=A  -> a moved from 1
         10  1 mac=A  -> a same, mac shared with a
         13  2 mac=A  -> b new
         20  1 mac=A  -> a same
         23  2 mac=A  -> b same
         reload
         30  1 mac=A  -> a same
         33  2 mac=A  -> b same",
    );
    // Scanned: one sweep meets both.
    check(
        "sweep
         0   1 mac=A  -> a new
         1   2 mac=A  -> b new, mac shared with a
         sweep
         3600 2 mac=A  -> b same
         3601 1 mac=A  -> a same",
    );
    // Other evidence still tells them apart, wherever they go.
    check(
        "sweep
         0   1 mac=A serial=S  -> a new
         1   2 mac=A serial=T  -> b new, mac shared with a
         end
         600 1 mac=A serial=T  -> b moved from 2, in place of a
         605 2 mac=A serial=S  -> a moved from 1",
    );
    // An image of a disk: everything on it is the same. Boards are not on it.
    check(
        "sweep
         0   1 mac=A serial=S boards=1,2,3  -> a new
         1   2 mac=A serial=S boards=4,5,6  -> b new, serial shared with a, mac shared with a
         end
         600 2 mac=A serial=S boards=1,2,3  -> a moved from 1, in place of b
         605 1 mac=A serial=S boards=4,5,6  -> b moved from 2",
    );
    // When one of them is forgotten the other has the evidence for itself again.
    check(
        "sweep
         0   1 mac=A  -> a new
         1   2 mac=A  -> b new, mac shared with a
         end
         forget b
         600 9 mac=A  -> a moved from 1",
    );
}

#[test]
fn a_serial_number_that_many_have_is_found_out() {
    check(
        "sweep
         0   1 mac=A serial=S  -> a new
         1   2 mac=B serial=S  -> b new, serial shared with a
         2   3 mac=C serial=S  -> c new
         end
         600 9 mac=C serial=S  -> c moved from 3
         605 8 mac=D serial=S  -> d new",
    );
    // Not at once, but nothing else of the machine is left.
    check(
        "0   1 mac=A serial=S boards=1,2,3   -> a new
         900 2 mac=B serial=S boards=4,5,6   -> b new, serial shared with a",
    );
}

#[test]
fn one_machine_with_two_addresses_is_one_machine() {
    check(
        "0   1 mac=A boards=1,2,3       -> a new
         1   2 mac=A boards=1,2,3       -> a moved from 1
         2   1 mac=A boards=1,2,3       -> a same
         3   2 mac=A boards=1,2,3       -> a same",
    );
    // Two doors of one address.
    check(
        "sweep
         0   1:4028 mac=A  -> a new
         1   1:80 mac=A    -> a moved from 1
         2   1:4028 mac=A  -> a same",
    );
}

#[test]
fn a_machine_that_tells_nothing_is_known_by_its_address_until_it_does() {
    check(
        "0   1 model=S9                 -> a new
         10  1 model=S9                 -> a same
         20  2 model=S9                 -> b new
         30  1 model=S9 mac=A           -> a promoted
         40  1 model=S9                 -> a same
         50  5 model=S9 mac=A           -> a moved from 1
         60  1 model=S9                 -> c new",
    );
    // Placeholders are nothing.
    check(
        "0   1 mac=zero raw=N/A         -> a new
         10  2 mac=zero raw=N/A         -> b new
         20  1 mac=zero raw=0000000000  -> a same",
    );
    // Another make is another machine.
    check(
        "0   1 make=Avalon              -> a new
         10  1 make=Antminer            -> b new, in place of a",
    );
    // Somebody else passes through; then it is there again.
    check(
        "0   1 model=S9                 -> a new
         300 1 mac=B model=S19          -> b new, in place of a
         600 7 mac=B model=S19          -> b moved from 1
         610 1 model=S9                 -> a same",
    );
}

#[test]
fn an_account_that_tells_less_than_before_is_trusted_for_a_while() {
    check(
        "0       1 mac=A serial=S model=S19  -> a new
         10      1 model=S19                 -> a same
         20      1 serial=S                  -> a same
         30      1 model=S21                 -> b new, in place of a
         90000   1 mac=A serial=S model=S19  -> a same, in place of b
         1000000 1 model=S19                 -> c new, in place of a",
    );
    // Evidence of another kind is no sign of the same machine.
    check(
        "0   1 mac=A      -> a new
         300 1 serial=S   -> b new, in place of a",
    );
}

#[test]
fn another_firmware_that_tells_nothing_is_another_machine() {
    check(
        "0   1 mac=A family=antminer         -> a new
         10  1 family=antminer               -> a same
         20  1 family=cgminer                -> b new, in place of a
         30  1 mac=A family=vnish            -> a same, was b
         40  2 family=asicseer               -> c new
         50  2 family=cgminer                -> d new, in place of c",
    );
}

#[test]
fn a_record_that_was_this_machine_all_along_is_joined_to_it() {
    let registry = check(
        "0    1 mac=A model=S19    -> a new
         600  2 model=S19          -> b new
         label b
         610  2 mac=A model=S19    -> a moved from 1, was b
         620  2 mac=A model=S19    -> a same",
    );
    let record = registry.records().next().unwrap();
    assert_eq!(registry.len(), 1);
    assert_eq!(record.position.rack.as_deref(), Some("R1"), "what people wrote goes with it");
    // Both were there at the same time, so they are two.
    check(
        "0    1 mac=A model=S19    -> a new
         5    2 model=S19          -> b new
         10   1 mac=A model=S19    -> a same
         600  2 mac=A model=S19    -> a moved from 1, in place of b",
    );
}

#[test]
fn firmware_may_change_its_words_and_not_the_machine() {
    check(
        "0   1 mac=A serial=S model=S19 family=antminer       -> a new
         300 1 mac=A serial=T model=S19Pro family=vnish       -> a same
         600 4 mac=A serial=T model=S19Pro family=vnish       -> a moved from 1",
    );
    // The same control board in another chassis, at another address.
    check(
        "0   1 mac=A serial=S                -> a new
         300 4 mac=A serial=T                -> b new
         310 1 mac=B serial=S                -> a swapped A for B",
    );
    // The same control board at the same address, and all boards others.
    check(
        "0   1 mac=A serial=S boards=1,2,3   -> a new
         300 1 mac=A serial=T boards=4,5,6   -> b new, in place of a",
    );
    // A hardware address that is made up at each start.
    check(
        "0   1 mac=A control=C               -> a new
         300 4 mac=B control=C               -> a moved from 1
         600 5 mac=D control=C               -> a moved from 4",
    );
}

#[test]
fn forgotten_only_when_told_and_the_same_again_when_it_comes_back() {
    let registry = check(
        "0        1 mac=A  -> a new
         label a
         10000000 2 mac=B  -> b new
         forget a
         10000010 1 mac=A  -> a back
         10000020 1 mac=A  -> a same",
    );
    let back = registry.records().find(|record| record.mac() == Some(mac("A"))).unwrap();
    assert!(!back.has_notes_of_people() && back.forgotten.is_none());
    let mut registry = registry.clone();
    let id = back.id;
    registry.forget(id, Timestamp::from_unix_millis(START)).unwrap();
    assert_eq!(registry.len(), 1);
    assert_eq!(registry.forget(id, Timestamp::from_unix_millis(START)), Err(RegistryError::Unknown(id)));
    assert_eq!(registry.edit(id, &RecordEdit::default()), Err(RegistryError::Unknown(id)));
}

#[test]
fn a_clock_that_is_set_back_changes_nobody() {
    check(
        "7200 1 mac=A  -> a new
         7200 2 mac=B  -> b new
         3600 1 mac=A  -> a same
         3605 2 mac=B  -> b same
         3700 2 mac=A  -> a moved from 1, in place of b",
    );
}

#[test]
fn what_changed_is_told_once_and_times_by_themselves_apart() {
    let mut registry = Registry::new();
    let identity = account(["mac=A", "host=miner-1"].into_iter()).0;
    let see = |registry: &mut Registry, at| {
        registry.observe(&Sighting::new(endpoint("1"), &identity, Timestamp::from_unix_millis(at))).id
    };
    let id = see(&mut registry, START);
    let changes = registry.take_changes();
    assert!(matches!(changes.as_slice(), [RegistryChange::Put(record)] if record.id == id), "{changes:?}");
    assert!(registry.take_changes().is_empty() && registry.take_touched().is_empty());

    see(&mut registry, START + 10_000);
    assert!(registry.take_changes().is_empty(), "only a time has changed");
    let touched = registry.take_touched();
    let [RegistryChange::Put(record)] = touched.as_slice() else { panic!("{touched:?}") };
    assert_eq!(record.last_seen.as_unix_millis(), START + 10_000);

    registry.not_kept(&touched);
    assert_eq!(registry.take_changes(), touched, "what could not be kept is told again");
}

#[test]
fn what_no_miner_would_say_is_not_kept() {
    let mut registry = Registry::new();
    let mut identity = account(["mac=A", "model=S19"].into_iter()).0;
    let id =
        registry.observe(&Sighting::new(endpoint("1"), &identity, Timestamp::from_unix_millis(START))).id;
    let endless = "x".repeat(1 << 20);
    identity.model = Some(endless.clone().into());
    identity.hostname = Some(endless.clone().into());
    identity.serial = Some(endless.clone().into());
    let mut firmware = Firmware::new(Family::from("antminer".to_owned()));
    firmware.version = Some(endless.into());
    identity.firmware = Some(firmware);
    registry.observe(&Sighting::new(endpoint("1"), &identity, Timestamp::from_unix_millis(START + 1)));
    let record = registry.get(id).unwrap();
    assert_eq!(record.identity.model.as_deref(), Some("S19"));
    assert!(record.identity.firmware.is_none() && record.hostnames.is_empty() && record.serials.is_empty());
}

#[test]
fn lists_of_evidence_are_bounded() {
    let mut registry = Registry::new();
    let mut at = START;
    for n in 0..100_u8 {
        at += 600_000;
        let mut identity = account(["serial=S"].into_iter()).0;
        identity.mac = Some(Mac::new([2, 1, 0, 0, 0, n]));
        let boards: Vec<String> = (0..4).map(|slot| format!("SIM-{n}-{slot}-X")).collect();
        let place: SocketAddr = format!("192.0.2.{n}:4028").parse().unwrap();
        let sighting = Sighting::new(place, &identity, Timestamp::from_unix_millis(at));
        // The boards of a machine do not all change at once; every other account has none.
        let boards = boards.iter().map(String::as_str).filter(|_| n.is_multiple_of(2));
        registry.observe(&sighting.with_boards(boards));
    }
    for record in registry.records() {
        assert!(record.macs.len() <= MinerRecord::MOST_KEPT);
        assert!(record.endpoints.len() <= MinerRecord::MOST_KEPT);
        assert!(record.board_serials.len() <= MinerRecord::MOST_BOARDS);
    }
}
