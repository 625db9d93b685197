//! `bitlink scan`: every miner with its true model, every address with an outcome, in every form.

use crate::support::{Simulation, run};
use std::collections::BTreeMap;

#[test]
fn every_miner_is_found_with_its_true_model_and_rate_and_the_counts_add_up() {
    let fleet = Simulation::start_with_web("127.91.1.0/24", "--miners 40 --seed 7 --sick 0.2");
    let ports = format!("--port {} --http-port {}", fleet.port, fleet.http_port());
    let scan = run(&format!("scan 127.91.1.0/24 {ports} --format json")).ended_with(0).json();

    let found: BTreeMap<&str, &serde_json::Value> = scan["miners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|miner| (miner["ip"].as_str().unwrap(), miner))
        .collect();
    assert_eq!(found.len(), 40);
    for truth in fleet.miners() {
        let miner = found[truth["ip"].as_str().unwrap()];
        let name =
            [truth["make"].as_str(), truth["model"].as_str()].into_iter().flatten().collect::<Vec<_>>();
        let name = if name.is_empty() { "unknown".to_owned() } else { name.join(" ") };
        assert_eq!(miner["model"], name.as_str(), "{truth}");
        assert_eq!(miner["snapshot"]["identity"]["firmware"]["family"], truth["family"], "{truth}");
        if truth["condition"] == "healthy" {
            // Firmware whose other ports are shut may tell no more than its average.
            let rates = &miner["snapshot"]["hashrate"];
            let rate = rates["realtime_hs"].as_f64().or(rates["average_hs"].as_f64()).unwrap();
            let nominal = truth["nominal_hashrate_hs"].as_f64().unwrap();
            assert!((0.9..1.1).contains(&(rate / nominal)), "{rate} of {nominal}");
            assert_eq!(miner["status"], "active", "{miner}");
        }
    }

    let report = &scan["scan"];
    let counts = report["counts"].as_object().unwrap();
    assert_eq!(report["total"], 254);
    assert_eq!(report["adds_up"], true);
    assert_eq!(counts.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 254);
    assert_eq!((&counts["found"], &counts["refused"]), (&40.into(), &214.into()));
    assert_eq!(report["skipped"]["network_broadcast"], 2);
    assert_eq!(report["targets"], "127.91.1.0/24");
    assert!(scan["others"].as_array().unwrap().is_empty(), "dead addresses are listed only when asked for");
}

#[test]
fn the_table_says_what_was_found_what_was_not_and_what_was_left_out() {
    let fleet = Simulation::start("127.91.2.0/24", "--miners 5 --mix antminer --sick 0");
    let port = fleet.port;
    let table = run(&format!("scan 127.91.2.0/28 --port {port} --exclude 127.91.2.2"));
    let table = table.ended_with(0);
    for words in [
        "● active",
        "Antminer",
        "TH/s",
        "Scanned 13 addresses in",
        "4 miners, 9 refused.",
        "note: 2 network and broadcast addresses left out (--include-network-broadcast scans them)",
        "note: 1 address excluded",
    ] {
        assert!(table.out.contains(words), "{words:?} in {}", table.out);
    }
    assert_eq!(table.err, "", "nothing is drawn where nobody looks");
    assert!(!table.out.contains('\u{1b}'), "no colours into a pipe");

    let all = run(&format!("scan 127.91.2.0/28 --port {port} --include-network-broadcast --all"));
    let all = all.ended_with(0);
    assert!(all.out.contains("5 miners, 11 refused."), "{}", all.out);
    assert!(all.out.contains("127.91.2.15") && all.out.contains("127.91.2.0:"), "{}", all.out);
}

#[test]
fn events_come_one_a_line_from_started_to_complete() {
    let fleet = Simulation::start("127.91.3.0/24", "--miners 3");
    let port = fleet.port;
    let events = run(&format!("scan 127.91.3.1-9 --port {port} --format ndjson --all")).ended_with(0).lines();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"started"), Some(&"complete")));
    let count = |name| names.iter().filter(|n| **n == name).count();
    assert_eq!((count("found"), count("outcome")), (3, 6));
    let last = events.last().unwrap();
    assert_eq!((&last["found"], &last["failed"]), (&3.into(), &0.into()));
    assert_eq!(last["scan"]["adds_up"], true);
    let found = events.iter().find(|event| event["event"] == "found").unwrap();
    assert_eq!(found["miner"]["port"], port);
}

#[test]
fn csv_has_a_header_and_a_line_for_each_miner() {
    let fleet = Simulation::start("127.91.4.0/24", "--miners 4 --mix whatsminer --sick 0");
    let csv = run(&format!("scan 127.91.4.1-8 --port {} --format csv", fleet.port)).ended_with(0);
    let lines: Vec<&str> = csv.out.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("ip,port,outcome,status,make,model,"), "{}", lines[0]);
    assert!(
        lines[1].starts_with("127.91.4.1,") && lines[1].contains(",found,active,WhatsMiner,"),
        "{}",
        lines[1]
    );
    assert!(csv.err.contains("4 miners, 4 refused."), "{}", csv.err);

    let quiet = run(&format!("scan -q 127.91.4.1-8 --port {} --format csv --all", fleet.port)).ended_with(0);
    assert_eq!(quiet.out.split_terminator("\r\n").count(), 9);
    assert_eq!(quiet.err, "");
}

#[test]
fn an_address_is_explained_from_its_turn_to_its_end_or_why_it_had_none() {
    let fleet = Simulation::start("127.91.9.0/24", "--miners 2 --mix antminer --sick 0");
    let scan = format!("scan 127.91.9.0/29 --port {} --exclude 127.91.9.5", fleet.port);
    let whom = "--explain 127.91.9.1 --explain 127.91.9.4 --explain 127.91.9.5 --explain 127.91.9.0 --explain 127.91.8.1";
    let told = run(&format!("{scan} {whom}")).ended_with(0).out;
    let (_, story) = told.split_once("The story of 127.91.9.1:").unwrap();
    for words in [
        "its turn, the",
        &format!("knocked at port {}: open", fleet.port),
        &format!("asked port {} {{\"command\":\"version\"}}", fleet.port),
        "found",
    ] {
        assert!(story.contains(words), "{words}: {told}");
    }
    for words in [
        "so it is: refused",
        "127.91.9.5 has no story: it is excluded.",
        "127.91.9.0 has no story: it is the first or last address of a network",
        "127.91.8.1 has no story: it is not among the targets.",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }

    let json = run(&format!("{scan} {whom} --format json")).ended_with(0).json();
    let stories = json["stories"].as_array().unwrap();
    assert_eq!(stories.len(), 5);
    let of = |ip: &str| stories.iter().find(|story| story["ip"] == ip).unwrap();
    let steps = of("127.91.9.4")["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["step"], &steps[0]["total"]), (&"turn".into(), &5.into()));
    assert_eq!(steps.last().unwrap()["outcome"], "refused");
    assert_eq!(of("127.91.9.5")["no_story"], "excluded");
}

#[test]
fn a_brief_scan_knows_make_model_and_rate_and_asks_for_nothing_else() {
    let fleet = Simulation::start("127.91.10.0/24", "--miners 3 --mix antminer --sick 0");
    let scan = format!("scan 127.91.10.0/29 --port {} --explain 127.91.10.1 --format json", fleet.port);
    let asked = |scan: &serde_json::Value| {
        let steps = scan["stories"][0]["steps"].as_array().unwrap();
        steps.iter().filter(|step| step["step"] == "asked").count()
    };
    let whole = run(&scan).ended_with(0).json();
    let brief = run(&format!("{scan} --brief")).ended_with(0).json();
    assert!(asked(&brief) < asked(&whole), "{} and {}", asked(&brief), asked(&whole));
    for (brief, whole) in brief["miners"].as_array().unwrap().iter().zip(whole["miners"].as_array().unwrap())
    {
        assert_eq!(brief["model"], whole["model"]);
        assert!(brief["snapshot"]["hashrate"]["average_hs"].is_f64(), "{brief}");
        assert!(whole["snapshot"]["pools"].is_array() && brief["snapshot"].get("pools").is_none());
    }
}

#[test]
fn nothing_found_has_a_code_of_its_own() {
    let scan = run("scan 127.91.5.0/28").ended_with(3);
    assert!(scan.out.contains("Scanned 14 addresses in") && scan.out.contains("0 miners, 14 refused."));
}

#[test]
fn miners_that_answer_wrongly_are_found_all_the_same() {
    let defects = "--defect glued-records,trailing-comma,missing-comma,raw-newline,control-characters,not-a-number,no-terminator";
    let fleet = Simulation::start(
        "127.91.6.0/24",
        &format!("--miners 21 --sick 0 --mix antminer,whatsminer {defects}"),
    );
    let scan = run(&format!("scan 127.91.6.0/27 --port {} --format json", fleet.port)).ended_with(0).json();
    assert_eq!(scan["scan"]["counts"]["found"], 21);
    let odd =
        scan["miners"].as_array().unwrap().iter().filter(|m| m["snapshot"]["anomalies"].is_array()).count();
    assert!(odd > 0, "what had to be mended is told");
}
