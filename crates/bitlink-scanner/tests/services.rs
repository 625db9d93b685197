//! What else may listen on a miner's port, with the real conversation: each kind has an outcome of its own, and the
//! scan around it goes on. The same machines in memory (virtual time) and on real sockets of 127/8.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests are tests")]

use bitlink_scanner::{Outcome, OutcomeKind, ScanConfig, ScanEvent, ScanReport, ScanTargets, scan};
use bitlink_transport::{Act, Door, Host, MemoryTransport, Patience, Script, TcpTransport, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A machine that does the same whatever it is asked, unless it is a miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Miner,
    Ssh,
    Web,
    Tls,
    Text,
    Binary,
    Closes,
    Denies,
    Mute,
    Garbled,
    Endless,
    Stranger,
}

const ALL: [Machine; 12] = [
    Machine::Miner,
    Machine::Ssh,
    Machine::Web,
    Machine::Tls,
    Machine::Text,
    Machine::Binary,
    Machine::Closes,
    Machine::Denies,
    Machine::Mute,
    Machine::Garbled,
    Machine::Endless,
    Machine::Stranger,
];

fn reply(status: &str, rest: &str) -> Vec<u8> {
    format!("{{\"STATUS\":[{{\"STATUS\":{status},\"When\":1}}]{rest},\"id\":1}}\0").into_bytes()
}

impl Host for Machine {
    fn connect(&self, _port: u16) -> Door {
        Door::Open { after: Duration::from_millis(1) }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        let request = String::from_utf8_lossy(request);
        match self {
            Self::Miner if request.contains("version") => Script::reply(reply(
                r#""S","Code":22,"Msg":"CGMiner versions""#,
                r#","VERSION":[{"CGMiner":"4.11.1","API":"3.7"}]"#,
            )),
            Self::Miner if request.contains("summary") => Script::reply(reply(
                r#""S","Code":11,"Msg":"Summary""#,
                r#","SUMMARY":[{"Elapsed":3600,"MHS av":7000000.0,"MHS 5s":7010000.0}]"#,
            )),
            Self::Miner => Script::reply(reply(r#""E","Code":14,"Msg":"Invalid command""#, "")),
            Self::Ssh => Script::reply(*b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
            Self::Web => {
                Script::reply(*b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            Self::Tls => Script::reply(*b"\x15\x03\x01\x00\x02\x02\x46"),
            Self::Text => Script::reply(*b"220 mail.example ESMTP ready\r\n"),
            Self::Binary => Script::reply(*b"\x01\xfe\xff\x80\x90\x03\xc3\x28\x9f\xe0"),
            Self::Closes => Script::close(),
            Self::Denies => Script::reply(reply(r#""E","Code":45,"Msg":"Access denied""#, "")),
            Self::Mute => Script { acts: vec![Act::HoldOpen] },
            Self::Garbled => Script::reply(*b"{\"STATUS\":[{\"STATUS\":\"S\",,,]]]]\0"),
            Self::Endless => Script { acts: vec![Act::SendForever(b"{\"a\":[".to_vec())] },
            Self::Stranger => {
                Script::reply(reply(r#""S","Code":11,"Msg":"Hello""#, r#","WORLD":[{"Hello":1}]"#))
            }
        }
    }
}

/// What each machine must come to.
fn expected(machine: Machine) -> &'static str {
    match machine {
        Machine::Miner => "found",
        Machine::Ssh => "not_a_miner: an SSH server",
        Machine::Web => "not_a_miner: a web server",
        Machine::Tls => "not_a_miner: a TLS server",
        Machine::Text => "not_a_miner: a text service",
        Machine::Binary => "not_a_miner: a binary service",
        Machine::Closes | Machine::Denies => "access_denied",
        Machine::Mute | Machine::Garbled | Machine::Endless => "failed",
        Machine::Stranger => "not_identified",
    }
}

fn name(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NotAMiner { service, .. } => format!("{}: {service}", outcome.kind().as_str()),
        _ => outcome.kind().as_str().to_owned(),
    }
}

/// Outcomes by endpoint, dead addresses included.
async fn outcomes(
    transport: Arc<dyn Transport>,
    targets: ScanTargets,
    config: ScanConfig,
) -> (BTreeMap<SocketAddr, String>, ScanReport) {
    let mut events = scan(transport, targets, config.with_report_all(true)).unwrap();
    let mut outcomes = BTreeMap::new();
    while let Some(event) = events.recv().await {
        match event {
            ScanEvent::Found(miner) => {
                assert_eq!(miner.stats.hashrate_avg, 7.0);
                outcomes.insert((miner.ip, miner.port).into(), "found".to_owned());
            }
            ScanEvent::Outcome { endpoint, outcome, .. } => {
                outcomes.insert(endpoint, name(&outcome));
            }
            ScanEvent::Complete { report, .. } => return (outcomes, *report),
            _ => {}
        }
    }
    panic!("the scan ended without its report");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_machine_has_its_outcome_and_the_rest_are_found() {
    let network = MemoryTransport::new().with_elsewhere(Door::Silent);
    let mut wanted = BTreeMap::new();
    // Each odd machine between two miners.
    for (number, machine) in (1_u8..).zip(ALL.into_iter().flat_map(|odd| [odd, Machine::Miner])) {
        let ip = IpAddr::from([10, 0, 0, number]);
        network.insert(ip, Arc::new(machine));
        wanted.insert(SocketAddr::new(ip, 4028), expected(machine).to_owned());
    }
    for number in 25..=30 {
        wanted.insert(SocketAddr::new(IpAddr::from([10, 0, 0, number]), 4028), "silent".to_owned());
    }
    let targets = ScanTargets::parse("10.0.0.0/27").unwrap();
    let (outcomes, report) = outcomes(Arc::new(network.clone()), targets, ScanConfig::default()).await;
    assert_eq!(outcomes, wanted);
    assert!(report.adds_up());
    assert_eq!(report.counts.of(OutcomeKind::Found), 13);
    assert_eq!(report.skipped.network_broadcast, 2);
    assert_eq!(network.traffic().open, 0, "no connection is left behind");
}

/// Plays a machine on a real socket until dropped.
async fn serve(machine: Machine) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut clients = JoinSet::new();
        loop {
            let Ok((client, _)) = listener.accept().await else { return };
            clients.spawn(answer(machine, client));
        }
    });
    (address, tasks)
}

async fn answer(machine: Machine, mut client: TcpStream) {
    let mut request = vec![0; 4096];
    let read = match client.read(&mut request).await {
        // A probe that says nothing.
        Ok(0) | Err(_) => return,
        Ok(read) => read,
    };
    for act in machine.respond(4028, &request[..read]).acts {
        match act {
            Act::Send(bytes) if client.write_all(&bytes).await.is_ok() => {}
            // Until the client has had enough.
            Act::HoldOpen => drop(client.read(&mut request).await),
            Act::SendForever(bytes) => while client.write_all(&bytes).await.is_ok() {},
            _ => return,
        }
    }
}

#[tokio::test]
async fn the_same_over_real_sockets() {
    let mut wanted = BTreeMap::new();
    let mut servers = Vec::new();
    for machine in ALL {
        let (address, tasks) = serve(machine).await;
        wanted.insert(address, expected(machine).to_owned());
        servers.push(tasks);
    }
    // A port where nobody listens: bound, and let go.
    let nobody = TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
    wanted.insert(nobody, "refused".to_owned());

    let targets: ScanTargets = wanted.keys().copied().collect();
    // Generous but for the machine that says nothing.
    let patience =
        Patience::default().with_per_exchange(Duration::from_secs(4)).with_whole(Duration::from_secs(20));
    let config =
        ScanConfig::default().with_patience(patience).with_probe_timeouts(vec![Duration::from_secs(5)]);
    let (outcomes, report) = outcomes(Arc::new(TcpTransport::new()), targets, config).await;
    assert_eq!(outcomes, wanted);
    assert!(report.adds_up());
}
