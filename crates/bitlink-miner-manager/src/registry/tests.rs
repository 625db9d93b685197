//! Registry and store together, on a real disk.

// A helper that cannot go on stops its test.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use bitlink_model::{Edit, Identity, MinerSnapshot, MinerStatus, Timestamp};
use bitlink_monitor::{Change, RegistryJournal};
use std::fs;

/// A folder of its own, gone at the end.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("bitlink-registry-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn miner(ip: u8, mac: u8, serial: &str) -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity.mac = Some(Mac::new([2, 0xdb, 0, 0, 0, mac]));
    snapshot.identity.serial = Some(serial.into());
    snapshot.identity.model = Some("S19".into());
    snapshot.identity.hostname = Some("antminer".into());
    snapshot.observed_at = Some(Timestamp::from_unix_millis(1_700_000_000_000));
    Miner::from_snapshot([192, 0, 2, ip].into(), 4028, MinerStatus::Active, snapshot)
}

fn filled(place: &Place) -> FleetRegistry {
    let mut registry = FleetRegistry::open(&place.0).unwrap();
    for miner in [miner(1, 0xa1, "SIM-000001"), miner(2, 0xa2, "SIM-000002"), miner(3, 0xa3, "SIM-000003")] {
        assert_eq!(registry.observe(&miner, None).unwrap().change, Change::New);
    }
    assert_eq!(registry.save().unwrap(), 3);
    registry
}

#[test]
fn what_is_kept_is_who_is_who_the_next_time() {
    let place = Place::new("again");
    let mut first = filled(&place);
    let id = first.find("192.0.2.1").unwrap();
    let edit = RecordEdit { rack: Edit::Set("R1".to_owned()), ..RecordEdit::default() };
    assert_eq!(first.edit(&[id], &edit).unwrap(), 1);
    assert!(matches!(FleetRegistry::open(&place.0), Err(StoreError::InUse { .. })));
    assert_eq!(FleetRegistry::read(&place.0).unwrap().registry().len(), 3, "reading waits for nobody");
    drop(first);

    let mut second = FleetRegistry::open(&place.0).unwrap();
    let met = second.observe(&miner(9, 0xa1, "SIM-000001"), None).unwrap();
    assert_eq!(met.id, id);
    assert!(matches!(met.change, Change::Moved { .. }));
    second.save().unwrap();
    second.forget(&[second.find("SIM-000002").unwrap()]).unwrap();
    drop(second);

    let third = FleetRegistry::read(&place.0).unwrap();
    assert_eq!(third.registry().len(), 2);
    assert_eq!(third.registry().get(id).unwrap().position.rack.as_deref(), Some("R1"));
    assert_eq!(third.find("192.0.2.9:4028").unwrap(), id);
    let refused = FleetRegistry::read(&place.0).unwrap().edit(&[id], &edit).unwrap_err();
    assert!(matches!(refused, RegistryFailure::ReadOnly { source: None, .. }), "{refused}");
}

#[test]
fn a_machine_is_found_by_whatever_tells_it_from_others() {
    let place = Place::new("find");
    let registry = filled(&place);
    let id = registry.find("sim-000002").unwrap();
    for text in [
        "192.0.2.2",
        "192.0.2.2:4028",
        "02-db-00-00-00-a2",
        " SIM-000002 ",
        &id.to_string(),
        &id.to_string()[..9],
    ] {
        assert_eq!(registry.find(text).unwrap(), id, "{text}");
    }
    assert!(
        matches!(registry.find("antminer"), Err(RegistryFailure::Ambiguous { ids, .. }) if ids.len() == 3)
    );
    for text in ["192.0.2.77", "192.0.2.2:80", "SIM-00000", "", "-"] {
        assert!(matches!(registry.find(text), Err(RegistryFailure::NotKnown { .. })), "{text}");
    }
}

#[test]
fn a_sheet_is_taken_in_as_a_whole_or_not_at_all() {
    let place = Place::new("import");
    let mut registry = filled(&place);
    let sheet = "mac_address,serial,ip,rack,labels\n\
                 02:db:00:00:00:a1,,,R1,hot;new\n\
                 ,SIM-000002,,R2,\n\
                 ,,192.0.2.3,R3,\n\
                 ,,192.0.2.4,R4,\n\
                 02:db:00:00:00:a1,SIM-000003,,R5,\n\
                 ,sim-000002,,R6,\n\
                 ,,192.0.2.3,\u{1b},\n";
    let refused = registry.import(sheet.as_bytes(), false, false).unwrap_err();
    let RegistryFailure::Lines { lines, total: 7 } = &refused else { panic!("{refused:?}") };
    let [a, b, c] =
        [0xa1, 0xa2, 0xa3].map(|mac| registry.find(&Mac::new([2, 0xdb, 0, 0, 0, mac]).to_string()).unwrap());
    let told: Vec<String> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 5: no miner is known by the address 192.0.2.4".to_owned(),
            format!(
                "line 6: the hardware address 02:DB:00:00:00:A1 is of {a}, and the serial number \"SIM-000003\" of {c}"
            ),
            "line 7: the miner of line 3 is named again".to_owned(),
            "line 8: the miner of line 4 is named again".to_owned(),
        ]
    );
    assert!(registry.registry().records().all(|record| record.position.is_unknown()), "nothing was changed");

    let looked = registry.import(sheet.as_bytes(), true, true).unwrap();
    assert_eq!((looked.lines, looked.changed), (3, 3));
    assert!(registry.registry().records().all(|record| record.position.is_unknown()), "only looked at");

    let imported = registry.import(sheet.as_bytes(), true, false).unwrap();
    assert_eq!((imported.lines, imported.changed, imported.left_out.len()), (3, 3, 4));
    assert_eq!(registry.registry().get(b).unwrap().position.rack.as_deref(), Some("R2"));
    assert_eq!(registry.registry().get(a).unwrap().labels.len(), 2);

    // What goes out comes back and changes nothing.
    let mut out = Vec::new();
    registry.export(&mut out).unwrap();
    let again = registry.import(out.as_slice(), false, false).unwrap();
    assert_eq!((again.lines, again.changed), (3, 0));
}

#[test]
fn a_damaged_database_is_read_refused_for_writing_and_repaired() {
    let place = Place::new("damage");
    drop(filled(&place));
    let path = bitlink_store::database_in(&place.0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|window| window == b"SIM-000002").unwrap();
    *bytes.get_mut(at + 2).unwrap() = b'N';
    fs::write(&path, bytes).unwrap();

    for mut damaged in [FleetRegistry::open(&place.0).unwrap(), FleetRegistry::read(&place.0).unwrap()] {
        assert!(damaged.damage().unwrap().is_corrupt());
        assert_eq!(damaged.registry().len(), 2, "what is whole can be read");
        let id = damaged.find("SIM-000001").unwrap();
        let refused = damaged.forget(&[id]).unwrap_err();
        assert!(matches!(refused, RegistryFailure::ReadOnly { source: Some(_), .. }), "{refused}");
    }
    let repaired = bitlink_store::repair(&place.0).unwrap();
    assert_eq!((repaired.whole, repaired.lost), (2, 1));
    let mut whole = FleetRegistry::open(&place.0).unwrap();
    assert!(whole.damage().is_none());
    whole.forget(&[whole.find("SIM-000001").unwrap()]).unwrap();
}

#[tokio::test]
async fn a_monitor_keeps_its_registry_through_the_journal() {
    let place = Place::new("journal");
    let (mut registry, journal) = FleetRegistry::open(&place.0).unwrap().into_parts();
    let identity = Identity::default();
    let at = Timestamp::from_unix_millis(1);
    registry.observe(&Sighting::new("192.0.2.1:4028".parse().unwrap(), &identity, at));
    let journal = journal.unwrap();
    journal.keep(registry.take_changes()).await.unwrap();
    drop(journal);
    assert_eq!(FleetRegistry::read(&place.0).unwrap().registry().len(), 1);
}
