//! Leaving: by signals, by time, and when nobody reads any more. Nothing is left behind.

use crate::support::{Running, Simulation, run};
use std::net::TcpListener;

#[test]
fn an_interrupted_scan_still_accounts_for_every_address() {
    let fleet = Simulation::start("127.91.51.0/24", "--miners 1 --sick 0");
    let port = fleet.port;
    // So slow that it cannot end by itself.
    let mut scan =
        Running::start(&format!("scan 127.91.51.1 127.92.0.0/16 --port {port} --rate 50 --format ndjson"));
    scan.wait_for("\"progress\"");
    scan.signal("INT");
    let ran = scan.end().ended_with(130);
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "complete");
    assert_eq!((&last["scan"]["adds_up"], &last["scan"]["stopped"]), (&true.into(), &true.into()));
    assert!(last["scan"]["counts"]["not_probed"].as_u64().unwrap() > 60_000);
}

#[test]
fn a_simulation_ends_at_a_signal_and_frees_its_ports() {
    for signal in ["INT", "TERM"] {
        let mut simulation =
            Running::start("simulate --miners 3 --bind 127.91.52.0/24 --port 0 --http-port off --for 120s");
        let ready = simulation.wait_for("ready: 3 miners at 127.91.52.1 to 127.91.52.3, port ");
        let port: u16 = ready.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        simulation.signal(signal);
        let ran = simulation.end().ended_with(0);
        assert_eq!(ran.err, "");
        TcpListener::bind(("127.91.52.1", port)).unwrap();
    }
}

#[test]
fn a_simulation_ends_when_its_time_is_over() {
    run("simulate --miners 1 --bind 127.91.53.0/24 --port 0 --http-port off --for 100ms -q").ended_with(0);
}

#[test]
fn a_monitor_ends_with_130_at_a_signal() {
    let fleet = Simulation::start("127.91.54.0/24", "--miners 1 --sick 0");
    let mut watch =
        Running::start(&format!("monitor 127.91.54.1:{} --interval 1s --format ndjson", fleet.port));
    watch.wait_for("\"miner_updated\"");
    watch.signal("TERM");
    watch.end().ended_with(130);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fleet = Simulation::start("127.91.55.0/24", "--miners 2");
    let mut watch =
        Running::start(&format!("monitor 127.91.55.1:{} --interval 1s --format ndjson", fleet.port));
    watch.line();
    let (status, err) = watch.stop_reading();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));

    let mut scan = Running::start(&format!(
        "scan 127.91.55.0/24 --port {} --all --rate 200 --format ndjson",
        fleet.port
    ));
    scan.line();
    let (status, err) = scan.stop_reading();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}
