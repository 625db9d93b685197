//! `bitlink fleet` and `bitlink scan --save`: machines are known again wherever they are, and what people write about them is kept.

use crate::support::{Place, Ran, Simulation, bitlink, run};
use bitlink_miner_manager::FleetRegistry;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// `bitlink fleet` on the data of a place; words may hold blanks.
fn kept(place: &Place, words: &[&str]) -> Ran {
    bitlink("fleet").args(words).env("BITLINK_DATA", place.path()).output().unwrap().into()
}

fn list(place: &Place) -> Vec<Value> {
    kept(place, &["list", "--format", "json"]).ended_with(0).json()["miners"].as_array().unwrap().clone()
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
    let data = place.path().display();
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
    let before = list(&place);
    let known = ids(&before);
    assert_eq!((before.len(), known.len()), (12, 12));
    let shown: BTreeSet<String> =
        found["miners"].as_array().unwrap().iter().map(|m| text(&m["id"])).collect();
    assert_eq!(shown, known.values().cloned().collect(), "a scan shows the ids that are kept");

    let (mac, id) = known.first_key_value().unwrap();
    kept(&place, &["move", mac, "--rack", "R 7", "--slot", "5"]).ended_with(0);
    kept(&place, &["label", id, "--add", "hot", "--notes", "fan replaced"]).ended_with(0);

    // The same machines in another network: every address is another.
    let fleet = Simulation::start("127.91.41.0/24", options);
    let found = scan("127.91.41.0/24", &fleet);
    assert_eq!((&found["registry"]["moved"], &found["registry"]["new"]), (&12.into(), &0.into()));
    drop(fleet);
    let after = list(&place);
    assert_eq!(ids(&after), known);
    let moved = after.iter().find(|miner| miner["id"] == id.as_str()).unwrap();
    assert!(moved["endpoint"].as_str().unwrap().starts_with("127.91.41."));
    assert_eq!(moved["position"], serde_json::json!({ "rack": "R 7", "slot": "5" }));
    assert_eq!((&moved["labels"], &moved["notes"]), (&serde_json::json!(["hot"]), &"fan replaced".into()));

    let card = kept(&place, &["show", mac]).ended_with(0).out;
    for words in ["rack R 7, slot 5", "fan replaced", "127.91.40.", "127.91.41.", mac] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let table = kept(&place, &["list", "--label", "hot"]).ended_with(0).out;
    assert!(table.contains(id) && table.contains("R 7/5") && table.ends_with("1 miner.\n"), "{table}");

    let picked = |words: &[&str]| -> Vec<String> {
        let words: Vec<&str> = ["list", "--format", "json"].iter().chain(words).copied().collect();
        let document = kept(&place, &words).ended_with(0).json();
        document["miners"].as_array().unwrap().iter().map(|miner| text(&miner["id"])).collect()
    };
    assert_eq!(picked(&["--filter", "rack:\"r 7\" label:hot ip:127.91.41.0/24"]), [id.as_str()]);
    assert_eq!(picked(&["--filter", "rack:?", "--sort", "-address"]).len(), 11);
    let mut by_address = picked(&["--sort", "-address"]);
    by_address.reverse();
    assert_eq!(by_address, picked(&["--sort", "address"]));
    kept(&place, &["list", "--filter", "rack:R9"]).ended_with(3);
    let refused = kept(&place, &["list", "--filter", "rack:R7 power>3k"]).ended_with(2);
    assert!(refused.err.contains("power_w is not kept"), "{}", refused.err);
    let refused = kept(&place, &["list", "--filter", "rack:R7 colour>5"]).ended_with(2);
    assert!(
        refused.err.contains("there is no \"colour\"") && refused.err.contains("column 9"),
        "{}",
        refused.err
    );

    kept(&place, &["forget", mac]).ended_with(0);
    assert_eq!(list(&place).len(), 11);
    kept(&place, &["show", mac]).ended_with(3);
    assert_eq!(
        kept(&place, &["list", "--forgotten", "--format", "json"]).json()["miners"].as_array().unwrap().len(),
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
        place.path().display()
    ));
    let events = events.ended_with(0).lines();
    assert_eq!(events[events.len() - 2]["event"], "saved");
    assert_eq!(events[events.len() - 2]["new"], 3);
    drop(fleet);

    let file = place.path().join("places.csv");
    let name = file.to_str().unwrap();
    kept(&place, &["export", name]).ended_with(0);
    let sheet = fs::read_to_string(&file).unwrap();
    assert_eq!(sheet, kept(&place, &["list", "--format", "csv"]).ended_with(0).out);
    let again = kept(&place, &["import", name]).ended_with(0);
    assert!(again.err.contains("3 lines taken in; 0 miners changed"), "{}", again.err);

    let macs: Vec<String> = ids(&list(&place)).into_keys().collect();
    fs::write(&file, format!("mac_address,rack\n{},R1\n{},R2\n02:00:00:00:99:99,R3\n", macs[0], macs[1]))
        .unwrap();
    let refused = kept(&place, &["import", name]).ended_with(2);
    assert!(refused.err.contains("1 of 3 lines cannot be used, and nothing was changed"), "{}", refused.err);
    assert!(refused.err.contains("line 4: no miner is known by the hardware address"), "{}", refused.err);
    kept(&place, &["list", "--unplaced", "--format", "json"]).ended_with(0);
    let looked = kept(&place, &["import", name, "--partial", "--dry-run"]).ended_with(1);
    assert!(looked.err.contains("2 lines taken in; 2 miners would be changed"), "{}", looked.err);
    kept(&place, &["import", name, "--partial"]).ended_with(1);
    assert_eq!(
        kept(&place, &["list", "--unplaced", "--format", "json"]).json()["miners"].as_array().unwrap().len(),
        1
    );

    fs::write(&file, "mac_address,rak\n").unwrap();
    let refused = kept(&place, &["import", name]).ended_with(2);
    assert!(refused.err.contains("line 1: there is no column \"rak\""), "{}", refused.err);
}

#[test]
fn what_cannot_be_done_is_told_with_its_reason_and_its_code() {
    let place = Place::new("fleet-refusals");
    let nothing = kept(&place, &["list"]).ended_with(3);
    assert!(
        nothing.err.contains("there is no database") && nothing.err.contains("--save"),
        "{}",
        nothing.err
    );
    assert!(!place.path().exists(), "looking makes nothing");

    let held = FleetRegistry::open(place.path()).unwrap();
    let refused = kept(&place, &["forget", "10.0.0.1"]).ended_with(1);
    assert!(refused.err.contains(&format!("in use by process {}", std::process::id())), "{}", refused.err);
    kept(&place, &["list"]).ended_with(3);
    drop(held);
    kept(&place, &["show", "10.0.0.1"]).ended_with(3);
    kept(&place, &["move", "10.0.0.1"]).ended_with(2);
    kept(&place, &["import", "/nonexistent.csv"]).ended_with(2);

    let database = bitlink_miner_manager::store::database_in(place.path());
    let mut bytes = fs::read(&database).unwrap();
    bytes[..100].fill(0x55);
    fs::write(&database, bytes).unwrap();
    let damaged = kept(&place, &["list"]).ended_with(1);
    assert!(
        damaged.err.contains("is damaged") && damaged.err.contains("bitlink fleet repair"),
        "{}",
        damaged.err
    );
    let repaired = kept(&place, &["repair"]).ended_with(0);
    assert!(repaired.err.contains("bitlink.db.damaged-1"), "{}", repaired.err);
    kept(&place, &["list"]).ended_with(3);
}
