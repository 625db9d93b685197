//! `bitlink monitor` without a terminal: events, lines and codes.

use crate::support::{Running, Simulation, run};

#[test]
fn events_come_one_a_line_and_end_with_the_time_given() {
    let fleet = Simulation::start("127.91.41.0/24", "--miners 3 --sick 0");
    let events = run(&format!("monitor 127.91.41.1-3:{} --interval 1s --for 4s --format ndjson", fleet.port))
        .ended_with(0);
    let events = events.lines();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!(of("status_changed").len(), 3);
    assert!(of("status_changed").iter().all(|event| event["from"] == "scanning" && event["to"] == "active"));
    assert!(of("miner_updated").len() >= 3);
    let full = of("full_snapshot");
    assert!(full.len() >= 2, "once a second");
    let last = full.last().unwrap();
    assert_eq!(last["miners"].as_array().unwrap().len(), 3);
    assert_eq!((&last["coverage"]["active"], &last["coverage"]["live"]), (&3.into(), &3.into()));
    assert!(events.iter().all(|event| event["at_ms"].is_i64()), "every event is dated");
}

#[test]
fn a_single_address_is_watched_though_nobody_answers_and_a_range_is_scanned_first() {
    let fleet = Simulation::start("127.91.42.0/24", "--miners 2 --sick 0");
    let port = fleet.port;
    let args =
        format!("monitor 127.91.42.1-9:{port} 127.91.42.200:{port} --interval 1s --for 3s --format ndjson");
    let ran = run(&args).ended_with(0);
    let full = ran.lines().into_iter().rfind(|event| event["event"] == "full_snapshot").unwrap();
    let ips: Vec<&str> =
        full["miners"].as_array().unwrap().iter().map(|m| m["ip"].as_str().unwrap()).collect();
    assert_eq!(ips, ["127.91.42.1", "127.91.42.2", "127.91.42.200"]);
    assert!(ran.err.contains("2 miners, 7 refused"), "{}", ran.err);
}

#[test]
fn without_a_terminal_there_is_a_table_and_then_lines_of_changes() {
    let fleet = Simulation::start("127.91.43.0/24", "--miners 2 --sick 0");
    let mut watch =
        Running::start(&format!("monitor 127.91.43.1:{0} 127.91.43.2:{0} --interval 1s", fleet.port));
    watch.wait_for("status");
    watch.wait_for("127.91.43.2");
    watch.wait_for("2 active, 0 paused, 0 warning, 0 dead, 0 scanning");
    // With its last miner gone the watch says so: first unreachable, then dead after a minute, which is not waited for.
    watch.signal("INT");
    watch.end().ended_with(130);
}

#[test]
fn nothing_to_watch_is_nothing_found() {
    let ran = run("monitor 127.91.44.0/29").ended_with(3);
    assert!(ran.err.contains("no miner was found to watch"), "{}", ran.err);
}

#[test]
fn what_cannot_be_watched_is_told_and_the_rest_goes_on() {
    let fleet = Simulation::start("127.91.45.0/24", "--miners 1 --sick 0");
    let args =
        format!("monitor nowhere.invalid 127.91.45.1:{} --interval 1s --for 2s --format ndjson", fleet.port);
    let events = run(&args).ended_with(0).lines();
    let rejected = events.iter().find(|event| event["event"] == "rejected").unwrap();
    assert_eq!(rejected["target"], "nowhere.invalid");
    assert!(events.iter().any(|event| event["event"] == "miner_updated"));
}
