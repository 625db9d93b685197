//! `bitlink fleet` and `bitlink scan --save`: machines are known again wherever they are, and what people write about them is kept.

use crate::support::{Ran, Simulation, bitlink, run};
use bitlink_miner_manager::FleetRegistry;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A data directory of a test's own, gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }

    /// `bitlink fleet` on it; words may hold blanks.
    fn fleet(&self, words: &[&str]) -> Ran {
        bitlink("fleet").args(words).env("BITLINK_DATA", &self.0).output().unwrap().into()
    }

    fn list(&self) -> Vec<Value> {
        self.fleet(&["list", "--format", "json"]).ended_with(0).json()["miners"].as_array().unwrap().clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ids by the hardware address that was told.
fn ids(list: &[Value]) -> BTreeMap<String, String> {
    let told =
        |miner: &Value| Some((miner["mac_addresses"][0]["value"].as_str()?.to_owned(), text(&miner["id"])));
    list.iter().filter_map(told).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn machines_that_move_are_known_again_with_what_was_written_about_them() {
    let place = Place::new("fleet-moves");
    let data = place.0.display();
    let scan = |net: &str, fleet: &Simulation| {
        run(&format!("scan {net} --port {} --format json --save --data {data}", fleet.port))
            .ended_with(0)
            .json()
    };
    let options = "--miners 12 --seed 5 --sick 0 --mix whatsminer";
    let fleet = Simulation::start("127.91.40.0/24", options);
    let found = scan("127.91.40.0/24", &fleet);
    assert_eq!((&found["registry"]["met"], &found["registry"]["new"]), (&12.into(), &12.into()));
    drop(fleet);
    let before = place.list();
    let known = ids(&before);
    assert_eq!((before.len(), known.len()), (12, 12));
    let shown: BTreeSet<String> =
        found["miners"].as_array().unwrap().iter().map(|m| text(&m["id"])).collect();
    assert_eq!(shown, known.values().cloned().collect(), "a scan shows the ids that are kept");

    let (mac, id) = known.first_key_value().unwrap();
    place.fleet(&["move", mac, "--rack", "R 7", "--slot", "5"]).ended_with(0);
    place.fleet(&["label", id, "--add", "hot", "--notes", "fan replaced"]).ended_with(0);

    // The same machines in another network: every address is another.
    let fleet = Simulation::start("127.91.41.0/24", options);
    let found = scan("127.91.41.0/24", &fleet);
    assert_eq!((&found["registry"]["moved"], &found["registry"]["new"]), (&12.into(), &0.into()));
    drop(fleet);
    let after = place.list();
    assert_eq!(ids(&after), known);
    let moved = after.iter().find(|miner| miner["id"] == id.as_str()).unwrap();
    assert!(moved["endpoint"].as_str().unwrap().starts_with("127.91.41."));
    assert_eq!(moved["position"], serde_json::json!({ "rack": "R 7", "slot": "5" }));
    assert_eq!((&moved["labels"], &moved["notes"]), (&serde_json::json!(["hot"]), &"fan replaced".into()));

    let card = place.fleet(&["show", mac]).ended_with(0).out;
    for words in ["rack R 7, slot 5", "fan replaced", "127.91.40.", "127.91.41.", mac] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let table = place.fleet(&["list", "--label", "hot"]).ended_with(0).out;
    assert!(table.contains(id) && table.contains("R 7/5") && table.ends_with("1 miner.\n"), "{table}");

    place.fleet(&["forget", mac]).ended_with(0);
    assert_eq!(place.list().len(), 11);
    place.fleet(&["show", mac]).ended_with(3);
    assert_eq!(
        place.fleet(&["list", "--forgotten", "--format", "json"]).json()["miners"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn sheets_go_out_and_come_in() {
    let place = Place::new("fleet-sheets");
    let fleet = Simulation::start("127.91.42.0/24", "--miners 3 --seed 5 --sick 0 --mix whatsminer");
    let events = run(&format!(
        "scan 127.91.42.0/24 --port {} --format ndjson --save --data {}",
        fleet.port,
        place.0.display()
    ));
    let events = events.ended_with(0).lines();
    assert_eq!(events[events.len() - 2]["event"], "saved");
    assert_eq!(events[events.len() - 2]["new"], 3);
    drop(fleet);

    let file = place.0.join("places.csv");
    let name = file.to_str().unwrap();
    place.fleet(&["export", name]).ended_with(0);
    let sheet = fs::read_to_string(&file).unwrap();
    assert_eq!(sheet, place.fleet(&["list", "--format", "csv"]).ended_with(0).out);
    let again = place.fleet(&["import", name]).ended_with(0);
    assert!(again.err.contains("3 lines taken in; 0 miners changed"), "{}", again.err);

    let macs: Vec<String> = ids(&place.list()).into_keys().collect();
    fs::write(&file, format!("mac_address,rack\n{},R1\n{},R2\n02:00:00:00:99:99,R3\n", macs[0], macs[1]))
        .unwrap();
    let refused = place.fleet(&["import", name]).ended_with(2);
    assert!(refused.err.contains("1 of 3 lines cannot be used, and nothing was changed"), "{}", refused.err);
    assert!(refused.err.contains("line 4: no miner is known by the hardware address"), "{}", refused.err);
    place.fleet(&["list", "--unplaced", "--format", "json"]).ended_with(0);
    let looked = place.fleet(&["import", name, "--partial", "--dry-run"]).ended_with(1);
    assert!(looked.err.contains("2 lines taken in; 2 miners would be changed"), "{}", looked.err);
    place.fleet(&["import", name, "--partial"]).ended_with(1);
    assert_eq!(
        place.fleet(&["list", "--unplaced", "--format", "json"]).json()["miners"].as_array().unwrap().len(),
        1
    );

    fs::write(&file, "mac_address,rak\n").unwrap();
    let refused = place.fleet(&["import", name]).ended_with(2);
    assert!(refused.err.contains("line 1: there is no column \"rak\""), "{}", refused.err);
}

#[test]
fn what_cannot_be_done_is_told_with_its_reason_and_its_code() {
    let place = Place::new("fleet-refusals");
    let nothing = place.fleet(&["list"]).ended_with(3);
    assert!(
        nothing.err.contains("there is no database") && nothing.err.contains("--save"),
        "{}",
        nothing.err
    );
    assert!(!place.0.exists(), "looking makes nothing");

    let held = FleetRegistry::open(&place.0).unwrap();
    let refused = place.fleet(&["forget", "10.0.0.1"]).ended_with(1);
    assert!(refused.err.contains(&format!("in use by process {}", std::process::id())), "{}", refused.err);
    place.fleet(&["list"]).ended_with(3);
    drop(held);
    place.fleet(&["show", "10.0.0.1"]).ended_with(3);
    place.fleet(&["move", "10.0.0.1"]).ended_with(2);
    place.fleet(&["import", "/nonexistent.csv"]).ended_with(2);

    let database = bitlink_miner_manager::store::database_in(&place.0);
    let mut bytes = fs::read(&database).unwrap();
    bytes[..100].fill(0x55);
    fs::write(&database, bytes).unwrap();
    let damaged = place.fleet(&["list"]).ended_with(1);
    assert!(
        damaged.err.contains("is damaged") && damaged.err.contains("bitlink fleet repair"),
        "{}",
        damaged.err
    );
    let repaired = place.fleet(&["repair"]).ended_with(0);
    assert!(repaired.err.contains("bitlink.db.damaged-1"), "{}", repaired.err);
    place.fleet(&["list"]).ended_with(3);
}
