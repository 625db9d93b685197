//! `bitlink listen`, and scans with miners that show themselves. One address stands for each group, so that tests that run
//! beside each other do not hear each other.

use crate::support::{Running, Simulation, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Options that let a fleet show itself at this place, and answer at those.
fn announced(to: &str, groups: &str) -> String {
    format!(
        "--sick 0 --announce={to} --announce-every 500ms --announce-mcast {groups}:4028 --announce-mdns {groups}:5353"
    )
}

#[test]
fn miners_that_report_are_listed_once_with_what_they_say() {
    let mut listen =
        Running::start("listen --udp-address 127.91.30.1 --udp-port 0 --format ndjson --for 100s");
    let begun: Value = serde_json::from_str(&listen.line()).unwrap();
    assert_eq!((&begun["event"], &begun["failures"]), (&json!("listening"), &json!([])));
    let place = begun["places"][0].as_str().unwrap();
    let options = announced(place, "127.91.30.2");
    let fleet = Simulation::start(
        "127.91.31.0/24",
        &format!("--miners 6 --mix antminer,whatsminer,sealminer {options}"),
    );
    let mut heard = BTreeMap::new();
    while heard.len() < 6 {
        let event: Value = serde_json::from_str(&listen.line()).unwrap();
        assert_eq!(event["event"], "seen", "{event}");
        let again = heard.insert(event["ip"].as_str().unwrap().to_owned(), event.clone());
        assert!(again.is_none(), "told again within ten seconds: {event}");
    }
    for truth in fleet.miners() {
        let seen = &heard[truth["ip"].as_str().unwrap()];
        assert_eq!(seen["identity"]["mac_address"], truth["mac_address"]);
        assert_eq!(seen["contradicts"], Value::Null);
        assert!(truth["firmware"].as_str().unwrap().starts_with(seen["beacon"].as_str().unwrap()), "{seen}");
    }
    listen.signal("INT");
    listen.end().ended_with(130);
}

#[test]
fn nothing_heard_has_a_code_of_its_own_and_nothing_is_sent_where_nobody_said() {
    let quiet = run("listen --udp-address 127.91.30.3 --udp-port 0 --for 1s").ended_with(3);
    assert!(quiet.out.starts_with("address") && quiet.out.lines().count() == 1, "{}", quiet.out);
    assert!(quiet.err.contains("listening at UDP 127.91.30.3:"), "{}", quiet.err);
    for wrong in
        ["listen --with mcast", "simulate --announce=192.168.1.255", "scan 127.91.30.0/30 --with radio"]
    {
        run(wrong).ended_with(2);
    }
    let taken = std::net::UdpSocket::bind("127.91.30.3:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = run(&format!("listen --udp-address 127.91.30.3 --udp-port {port}")).ended_with(1);
    assert!(refused.err.contains("--udp-port"), "{}", refused.err);
}

#[test]
fn a_scan_finds_who_reports_beyond_its_targets_and_knows_them_by_what_they_said() {
    let fleet = Simulation::start(
        "127.91.32.0/24",
        &format!("--miners 4 --mix antminer {}", announced("127.91.30.4:14235", "127.91.30.5")),
    );
    let port = fleet.port;
    // Of four miners two are targets, one is excluded.
    let scan = run(&format!(
        "scan 127.91.32.1-2 127.91.32.9 --exclude 127.91.32.4 --port {port} --with listen --listen-for 5s \
         --udp-address 127.91.30.4 --udp-port 14235 --format json"
    ));
    let scan = scan.ended_with(0).json();
    let source = &scan["scan"]["sources"][0];
    assert_eq!(source, &json!({ "name": "listen", "seen": 3, "beyond": 1, "found": 3, "only": 1 }));
    assert_eq!((&scan["scan"]["total"], &scan["scan"]["adds_up"]), (&json!(4), &json!(true)));
    let third = scan["sighted"].as_array().unwrap().iter().find(|seen| seen["ip"] == "127.91.32.3").unwrap();
    assert_eq!(third, &json!({ "ip": "127.91.32.3", "sources": ["listen"], "beyond": true }));
    let found = scan["miners"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    for miner in found {
        let truth = fleet.miners().iter().find(|truth| truth["ip"] == miner["ip"]).unwrap();
        let snapshot = &miner["snapshot"];
        // The web servers are off, so no miner tells its address when it is asked.
        assert_eq!(snapshot["identity"]["mac_address"], truth["mac_address"]);
        assert_eq!(snapshot["provenance"]["identity.mac_address"], "observed");
    }
}

#[test]
fn a_scan_asks_everybody_where_it_is_told_to() {
    let fleet = Simulation::start(
        "127.91.33.0/24",
        &format!("--miners 6 --mix cgminer,axeos {}", announced("127.91.30.6:14235", "127.91.30.7")),
    );
    let port = fleet.port;
    let table = run(&format!(
        "scan 127.91.33.1 --port {port} --with mcast,mdns --interface 127.0.0.1 --mcast-group 127.91.30.7:4028 \
         --mdns-group 127.91.30.7:5353"
    ));
    let apis = fleet.miners().iter().filter(|truth| truth["firmware"] == "cgminer").count();
    assert!((1..6).contains(&apis), "some of each");
    let table = table.ended_with(0);
    assert!(table.out.contains(&format!("mcast named {apis} address")), "{}", table.out);
    assert!(table.out.contains(&format!("mdns named {} address", 6 - apis)), "{}", table.out);
    assert!(table.out.contains("known by it alone"), "{}", table.out);

    let events = run(&format!(
        "scan 127.91.33.1 --port {port} --with mcast,arp --interface 127.0.0.1 --mcast-group 127.91.30.7:4028 \
         --format ndjson"
    ));
    let events = events.ended_with(0).lines();
    let sighted: BTreeSet<&str> = events
        .iter()
        .filter(|event| event["event"] == "sighted")
        .map(|event| event["ip"].as_str().unwrap())
        .collect();
    assert_eq!(sighted.len(), apis);
    assert!(events.iter().any(|event| event["event"] == "found"));
    assert_eq!(events.last().unwrap()["scan"]["sources"][0]["seen"], apis);
}
