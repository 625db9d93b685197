//! Logins and doors, read as they are in the field: passwords that were changed, sessions that end, a login that somebody
//! else holds, an API that is shut. In memory, with the real conversations; a few things again on real sockets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test stops where it fails

use bitlink_miner_manager::model::{AnomalyKind, MinerSnapshot, Timestamp};
use bitlink_miner_manager::protocol::{Auth, Identified, ProtocolError, ReadMiner, Reading};
use bitlink_miner_manager::transport::{
    ConverseError, Conversed, Door, MemoryTransport, Patience, TcpConfig, converse,
};
use bitlink_miner_manager::{
    Credentials, Error, Fleet, Miner, MinerStatus, MonitorConfig, MonitorEvent, ScanConfig,
};
use bitlink_simulator::{
    Access, ApiDoor, FaceName, FleetSpec, MinerSpec, Mix, ServeOptions, SimClock, SimFleet, SimHost, SimMiner,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const WHERE: &str = "127.0.10.1";

/// A machine of a firmware, in memory.
struct Machine {
    host: Arc<SimHost>,
    network: MemoryTransport,
}

impl Machine {
    fn new(face: FaceName, access: Access) -> Self {
        let spec = MinerSpec::new(face, 7).with_uptime(Duration::from_secs(200_000)).with_access(access);
        let host = Arc::new(SimHost::new(SimMiner::new(spec), SimClock::runtime()).without_latency());
        let network = MemoryTransport::new().with_elsewhere(Door::Refused);
        network.insert(WHERE.parse().unwrap(), host.clone());
        Self { host, network }
    }

    fn fleet(&self) -> Fleet {
        Fleet::over(Arc::new(self.network.clone()))
    }

    async fn get(&self) -> Result<Miner, Error> {
        self.fleet().get(WHERE).await
    }

    async fn get_with(&self, credentials: Vec<Credentials>) -> Result<Miner, Error> {
        let config = ScanConfig::default().with_credentials(credentials);
        self.fleet().with_scan(config).get(WHERE).await
    }

    fn endpoint() -> SocketAddr {
        SocketAddr::new(WHERE.parse().unwrap(), 4028)
    }

    /// A first reading, and what it taught.
    async fn identify(&self) -> Identified {
        self.converse(ReadMiner::new()).await.0.identified
    }

    /// A later reading, and the number of questions that it took.
    async fn again(&self, identified: Identified) -> (Reading, u32) {
        self.converse(ReadMiner::again(identified)).await
    }

    async fn converse(&self, conversation: ReadMiner) -> (Reading, u32) {
        let patience = Patience::default();
        let Conversed { value, exchanges, .. } =
            converse(&self.network, Self::endpoint(), conversation, &patience).await.unwrap();
        assert_eq!(value.failure, None);
        (value, exchanges)
    }
}

/// What a reading holds, without its date and how long it took.
fn undated(mut snapshot: MinerSnapshot) -> MinerSnapshot {
    (snapshot.observed_at, snapshot.round_trip) = (None::<Timestamp>, None);
    snapshot
}

fn snapshot(miner: &Miner) -> MinerSnapshot {
    undated(miner.snapshot.as_deref().unwrap().clone())
}

/// Whether both tell about the same rate; not every way to ask tells the same kinds of rate.
fn same_rate(one: &MinerSnapshot, other: &MinerSnapshot) -> bool {
    let rate = |snapshot: &MinerSnapshot| snapshot.hashrate.current().unwrap().as_hs();
    (rate(one) / rate(other) - 1.0).abs() < 0.05
}

fn protocol_error(error: &Error) -> &ProtocolError {
    match error {
        Error::Read { source: ConverseError::Protocol(error), .. } => error,
        other => panic!("{other:?}"),
    }
}

/// The firmwares of which a reading takes a login as they are delivered, with that reading.
async fn with_a_login() -> Vec<(FaceName, MinerSnapshot)> {
    let mut found = Vec::new();
    for face in FaceName::ALL {
        let snapshot = snapshot(&Machine::new(*face, Access::default()).get().await.unwrap());
        if snapshot.default_password == Some(true) {
            found.push((*face, snapshot));
        }
    }
    let expected = [
        FaceName::Antminer,
        FaceName::BraiinsRest,
        FaceName::Elphapex,
        FaceName::FutureBit,
        FaceName::IceRiver,
        FaceName::Mara,
    ];
    for face in expected {
        assert!(found.iter().any(|(found, _)| *found == face), "{face} has a login");
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_costs_what_is_behind_it_and_is_named() {
    for (face, delivered) in with_a_login().await {
        let machine = Machine::new(face, Access::default().with_password("harvest 7&"));
        let refused = match machine.get().await {
            Ok(miner) => snapshot(&miner),
            Err(error) => {
                assert!(!face.has_api(), "{face} tells much without its web server: {error:?}");
                let error = protocol_error(&error);
                assert!(matches!(error, ProtocolError::AccessDenied { .. }), "{face}: {error}");
                continue;
            }
        };
        assert_eq!(refused.default_password, None, "{face}");
        assert!(same_rate(&refused, &delivered), "{face}: what was not refused is there");
        let denied = |detail: &str| detail.contains("access denied");
        let named = refused.anomalies.iter().any(|a| a.kind == AnomalyKind::Refused && denied(&a.detail));
        assert!(named, "{face}: {:?}", refused.anomalies);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_the_changed_password_reads_everything() {
    for (face, delivered) in with_a_login().await {
        let machine = Machine::new(face, Access::default().with_password("harvest 7&"));
        let users = ["root", "admin", "seal", ""].map(|user| Credentials::new(user, "harvest 7&"));
        let wrong = Credentials::new("root", "not this one");
        let miner = machine.get_with([vec![wrong], users.to_vec()].concat()).await;
        let mut read = snapshot(&miner.unwrap_or_else(|error| panic!("{face}: {error:?}")));
        assert_eq!(read.default_password, Some(false), "{face}");
        read.default_password = delivered.default_password;
        assert_eq!(read, delivered, "{face}");
    }
}

#[tokio::test(start_paused = true)]
async fn proto_tells_who_it_is_and_keeps_the_rest_to_itself() {
    for face in [FaceName::Proto, FaceName::ProtoTls] {
        let machine = Machine::new(face, Access::default().with_password("harvest"));
        let error = machine.get().await.unwrap_err();
        assert!(matches!(protocol_error(&error), ProtocolError::AccessDenied { .. }), "{error:?}");
        let (miners, _) = machine.fleet().discover(WHERE).await.unwrap();
        let [found] = miners.as_slice() else { panic!("{miners:?}") };
        let found = snapshot(found);
        assert_eq!(found.identity.mac, Some(machine.host.truth().mac));
        assert!(found.anomalies.iter().any(|a| a.detail.contains("access denied")), "{:?}", found.anomalies);
        let miner = machine.get_with(vec![Credentials::new("", "harvest")]).await.unwrap();
        assert_eq!(snapshot(&miner).default_password, Some(false));
        assert!(miner.stats.hashrate_avg > 700.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_takes_one_new_login() {
    for (face, _) in with_a_login().await {
        let machine = Machine::new(face, Access::default());
        let identified = machine.identify().await;
        let (first, usual) = machine.again(identified).await;
        machine.host.end_session();
        let (second, more) = machine.again(first.identified).await;
        assert_eq!(undated(second.snapshot), undated(first.snapshot), "{face}");
        // The question that was refused is put again; a login of its own comes between.
        let expected = if matches!(second.identified.dialect.auth(), Auth::Digest) { 1 } else { 2 };
        // Some are asked for what wants a login once, while they are identified.
        let once = [
            FaceName::Antminer,
            FaceName::AntminerOld,
            FaceName::Blackminer,
            FaceName::Volcminer,
            FaceName::FutureBit,
            FaceName::Hiveon,
            FaceName::MskMiner,
        ]
        .contains(&face);
        let lasts_for_ever = face == FaceName::Goldshell;
        assert_eq!(more - usual, if once || lasts_for_ever { 0 } else { expected }, "{face}");
        let (_, later) = machine.again(second.identified).await;
        assert_eq!(later, usual, "{face}: the new session lasts");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_good_for_few_requests_cost_logins_and_nothing_else() {
    for (face, delivered) in with_a_login().await {
        for requests in 1..5 {
            let machine = Machine::new(face, Access::default().with_session_requests(requests));
            let miner = machine.get().await.unwrap();
            assert_eq!(snapshot(&miner), delivered, "{face}, {requests} requests");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watched_machine_whose_sessions_end_is_never_in_doubt() {
    for (face, _) in with_a_login().await {
        let machine = Machine::new(face, Access::default().with_session_time(Duration::from_secs(45)));
        let config = MonitorConfig::default().with_interval(Duration::from_secs(10));
        let mut events = machine.fleet().with_monitor(config).watch([WHERE]).await;
        let mut readings = 0;
        while readings < 30 {
            let MonitorEvent::FullSnapshot(miners) = events.recv().await.unwrap() else { continue };
            let Some(miner) = miners.iter().next().filter(|m| m.status != MinerStatus::Scanning) else {
                continue;
            };
            assert_eq!(miner.status, MinerStatus::Active, "{face}: {:?}", miner.findings);
            assert_eq!(miner.snapshot.as_ref().unwrap().default_password, Some(true), "{face}");
            readings += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_somebody_else_holds_is_not_forced() {
    for (face, delivered) in with_a_login().await {
        let machine = Machine::new(face, Access::default().with_locked(true));
        let users = ["root", "admin", ""].map(|user| Credentials::new(user, "no"));
        let config = ScanConfig::default().with_credentials(users.to_vec());
        let (miner, transcript) = machine.fleet().with_scan(config).get_raw(WHERE).await.unwrap();
        match miner {
            Ok(miner) => {
                let read = snapshot(&miner);
                assert!(same_rate(&read, &delivered), "{face}");
                let refused = read.anomalies.iter().any(|a| a.kind == AnomalyKind::Refused);
                assert!(refused, "{face}: {:?}", read.anomalies);
            }
            Err(error) => {
                assert!(!face.has_api(), "{face} tells much without its web server: {error:?}");
                let error = protocol_error(&error);
                let named =
                    matches!(error, ProtocolError::Locked { .. } | ProtocolError::AccessDenied { .. });
                assert!(named, "{face}: {error}");
            }
        }
        let asked = transcript.to_string().matches("HTTP/1.1\\r\\n").count();
        assert!(asked < 40, "{face} was asked {asked} times");
        machine.host.set_access(Access::default());
        assert_eq!(snapshot(&machine.get().await.unwrap()).hashrate, delivered.hashrate, "{face}");
    }
}

/// What a reading over the web server alone must have, where there is one.
async fn over_the_web_alone(api: ApiDoor) -> Vec<FaceName> {
    let mut read = Vec::new();
    for face in FaceName::ALL.iter().copied().filter(|face| face.has_api()) {
        let whole = Machine::new(face, Access::default()).get().await.unwrap();
        match Machine::new(face, Access::default().with_api(api)).get().await {
            Ok(miner) => {
                assert_eq!(miner.model, whole.model, "{face}");
                assert!(same_rate(&snapshot(&miner), &snapshot(&whole)), "{face}: {miner:?}");
                // The pages of a SealMiner tell nothing of its boards.
                let tells_boards = face != FaceName::Sealminer;
                assert_eq!(snapshot(&miner).boards.is_empty(), !tells_boards, "{face}");
                read.push(face);
            }
            Err(error) => assert!(matches!(error, Error::Read { .. }), "{face}: {error:?}"),
        }
    }
    read
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_api_is_shut_is_read_over_its_web_server() {
    let read = over_the_web_alone(ApiDoor::Shut).await;
    for face in [FaceName::Antminer, FaceName::AntminerOld, FaceName::Vnish, FaceName::WhatsminerV3] {
        assert!(read.contains(&face), "{face} is not among {read:?}");
    }
    assert!(!read.contains(&FaceName::Cgminer), "it has nothing else");
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_api_denies_is_read_over_its_web_server() {
    let read = over_the_web_alone(ApiDoor::Denied).await;
    for face in [FaceName::Antminer, FaceName::AntminerOld, FaceName::Vnish] {
        assert!(read.contains(&face), "{face} is not among {read:?}");
    }
    let denied = Machine::new(FaceName::Cgminer, Access::default().with_api(ApiDoor::Denied));
    let error = denied.get().await.unwrap_err();
    assert!(matches!(protocol_error(&error), ProtocolError::AccessDenied { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_scan_finds_a_machine_whose_api_a_firewall_swallows() {
    let machine = Machine::new(FaceName::Antminer, Access::default().with_api(ApiDoor::Silent));
    let (miners, report) = machine.fleet().discover(WHERE).await.unwrap();
    assert!(report.adds_up());
    let [miner] = miners.as_slice() else { panic!("{report:?}") };
    assert!(miner.stats.hashrate_avg > 90.0, "{miner:?}");
}

/// A fleet on real sockets at addresses of its own.
fn served(
    first: [u8; 4],
    mix: &str,
    access: impl FnOnce(FleetSpec) -> FleetSpec,
) -> (SimFleet, ServeOptions) {
    let mix: Mix = mix.parse().unwrap();
    let spec = FleetSpec::new(2).with_first(first.into()).with_mix(mix).with_sick(0.0).with_instant(true);
    let options = ServeOptions::default().with_api_port(0).with_web_port(Some(0)).with_tls_port(Some(0));
    (access(spec).build(&SimClock::real()).unwrap(), options)
}

#[tokio::test]
async fn over_tls_on_real_sockets() {
    let (simulated, options) =
        served([127, 92, 1, 1], "proto-tls", |spec| spec.with_password(0.5, "harvest"));
    let server = simulated.serve(&options).unwrap();
    assert!(server.tls_error().is_none());
    let tcp = TcpConfig::default()
        .with_web_port(server.web_port().unwrap())
        .with_tls_port(server.tls_port().unwrap());
    let config = ScanConfig::default()
        .with_ports(vec![server.api_port()])
        .with_credentials(vec![Credentials::new("", "harvest")]);
    let fleet = Fleet::over_tcp(tcp).with_scan(config);
    for truth in simulated.truths() {
        let miner = fleet.get(&truth.address.to_string()).await.unwrap();
        let read = snapshot(&miner);
        assert_eq!(read.identity.mac, Some(truth.mac));
        assert_eq!(read.default_password, truth.access.password.as_ref().map(|_| false));
    }
    let targets = format!("127.92.1.1-2:{}", server.api_port());
    let (miners, report) = fleet.discover(&targets).await.unwrap();
    assert_eq!(miners.len(), 2, "{report:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn logins_on_real_sockets() {
    let faces = [("antminer", 1_u8), ("iceriver", 2), ("braiins-rest", 3)];
    for (mix, n) in faces {
        let (simulated, options) =
            served([127, 92, 2, n * 10 + 1], mix, |spec| spec.with_sessions(None, Some(2)));
        let server = simulated.serve(&options).unwrap();
        let tcp = TcpConfig::default().with_web_port(server.web_port().unwrap());
        let config = ScanConfig::default().with_ports(vec![server.api_port()]);
        let fleet = Fleet::over_tcp(tcp).with_scan(config);
        let hosts: Vec<IpAddr> = simulated.hosts().map(|(address, _)| address).collect();
        let [first, second] = hosts.as_slice() else { panic!("{hosts:?}") };
        let read = snapshot(&fleet.get(&first.to_string()).await.unwrap());
        assert_eq!(read.default_password, Some(true), "{mix}");
        simulated.host(*second).unwrap().set_access(Access::default().with_password("changed"));
        match fleet.get(&second.to_string()).await {
            Ok(miner) => {
                let anomalies = snapshot(&miner).anomalies;
                assert!(anomalies.iter().any(|a| a.detail.contains("access denied")), "{mix}: {anomalies:?}");
            }
            Err(error) => {
                assert!(matches!(protocol_error(&error), ProtocolError::AccessDenied { .. }), "{error:?}");
            }
        }
        server.shutdown().await;
    }
}
