//! Simulated machines with logins, TLS and doors of their own, and the options that reach them.

use crate::support::{Running, run};
use serde_json::Value;

/// Simulated miners with web servers, and the options to reach them.
fn simulate(net: &str, options: &str) -> (Running, Value, String) {
    let ports = "--port 0 --http-port 0 --https-port 0 --format ndjson --for 120s";
    let mut simulation = Running::start(&format!("simulate --bind {net} {ports} --sick 0 {options}"));
    let ready: Value = serde_json::from_str(&simulation.wait_for("\"event\":\"ready\"")).unwrap();
    let port = |key: &str| ready[key].as_u64().map(|port| port.to_string());
    let mut reach = format!("--http-port {}", port("http_port").unwrap());
    if let Some(port) = port("https_port") {
        reach = format!("{reach} --https-port {port}");
    }
    (simulation, ready, reach)
}

#[test]
fn a_machine_that_speaks_tls_alone_is_found_and_read() {
    let (simulation, ready, reach) = simulate("127.91.41.0/24", "--miners 1 --mix proto-tls");
    let place = format!("127.91.41.1:{}", ready["port"]);
    let miner = run(&format!("get {place} {reach} --format json")).ended_with(0).json();
    assert_eq!(miner["snapshot"]["identity"]["make"], "Proto");
    let port = &ready["port"];
    let scan = run(&format!("scan 127.91.41.1 --port {port} {reach} --format json")).ended_with(0).json();
    assert_eq!(scan["scan"]["counts"]["found"], 1);
    simulation.signal("INT");
    simulation.end();
}

#[test]
fn a_changed_password_is_told_and_the_right_one_opens() {
    let options = "--miners 1 --mix iceriver --password harvest";
    let (simulation, ready, reach) = simulate("127.91.42.0/24", options);
    let place = format!("127.91.42.1:{}", ready["port"]);
    let refused = run(&format!("get {place} {reach}")).ended_with(4);
    assert!(refused.err.contains("access denied"), "{}", refused.err);
    let miner = run(&format!("get {place} {reach} --login admin:harvest --format json")).ended_with(0).json();
    assert_eq!(miner["snapshot"]["default_password"], false);
    simulation.signal("INT");
    simulation.end();
}
