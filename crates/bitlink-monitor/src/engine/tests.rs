//! The engine against simulated miners in virtual time.
#![expect(
    clippy::unchecked_time_subtraction,
    reason = "a test that subtracts the wrong way round should fail"
)]

mod bad_days;
mod events;
mod identity;
mod life;
mod polls;
mod reconfigure;
mod scale;

use crate::{Monitor, MonitorConfig, MonitorEvent, MonitorStream, Numbered, VirtualClock};
use bitlink_model::{Miner, MinerStatus, Timestamp};
use bitlink_simulator::{FaceName, FleetSpec, MinerSpec, SimClock, SimFleet, SimHost, SimMiner};
use bitlink_transport::{Door, Endpoint, Host, MemoryTransport, Script, Transport};
use futures::FutureExt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const INTERVAL: Duration = Duration::from_secs(10);

/// A network in memory with a monitor's clock.
#[derive(Debug)]
struct Farm {
    clock: SimClock,
    network: MemoryTransport,
    endpoints: Vec<Endpoint>,
}

impl Farm {
    fn empty() -> Self {
        Self { clock: SimClock::runtime(), network: MemoryTransport::new(), endpoints: Vec::new() }
    }

    /// Simulated miners as a fleet.
    fn of(spec: &FleetSpec) -> (Self, SimFleet) {
        let mut farm = Self::empty();
        let fleet = spec.build(&farm.clock).unwrap();
        for (ip, host) in fleet.hosts() {
            farm.put(ip, Arc::clone(host) as _);
        }
        (farm, fleet)
    }

    /// One healthy simulated miner, long since warm.
    fn of_one(face: FaceName) -> (Self, Arc<SimHost>, Endpoint) {
        let mut farm = Self::empty();
        let (host, endpoint) = farm.add_sim(1, face);
        (farm, host, endpoint)
    }

    fn add_sim(&mut self, n: u8, face: FaceName) -> (Arc<SimHost>, Endpoint) {
        let spec = MinerSpec::new(face, u64::from(n)).with_uptime(Duration::from_hours(48));
        let host = Arc::new(SimHost::new(SimMiner::new(spec), self.clock.clone()));
        (Arc::clone(&host), self.put(address(n), host))
    }

    fn put(&mut self, ip: IpAddr, host: Arc<dyn Host>) -> Endpoint {
        let endpoint = Endpoint::new(ip, 4028);
        self.network.insert(ip, host);
        self.endpoints.push(endpoint);
        endpoint
    }

    fn watch(&self, config: MonitorConfig) -> MonitorStream {
        self.watch_through(Arc::new(self.network.clone()), config)
    }

    fn watch_through(&self, transport: Arc<dyn Transport>, config: MonitorConfig) -> MonitorStream {
        let epoch = Timestamp::from_unix_seconds(i64::try_from(self.clock.epoch_s()).unwrap()).unwrap();
        Monitor::new(transport)
            .with_config(config)
            .with_clock(Arc::new(VirtualClock::starting_at(epoch)))
            .start(self.endpoints.iter().copied())
    }
}

fn address(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, n))
}

/// Everything that is told within a time.
async fn listen(rx: &mut MonitorStream, time: Duration) -> Vec<MonitorEvent> {
    let end = Instant::now() + time;
    let mut events = Vec::new();
    while let Ok(event) = timeout_at(end, rx.recv()).await {
        match event {
            Some(event) => events.push(event),
            None => break,
        }
    }
    events
}

/// Everything that waits to be read, without letting time pass.
fn queued(rx: &mut MonitorStream) -> Vec<MonitorEvent> {
    std::iter::from_fn(|| rx.recv().now_or_never().flatten()).collect()
}

/// Listens until a miner's status is this, and returns the miner and how long it took.
async fn until_status(rx: &mut MonitorStream, ip: IpAddr, status: MinerStatus) -> (Arc<Miner>, Duration) {
    let started = Instant::now();
    let end = started + Duration::from_hours(24);
    while let Ok(event) = timeout_at(end, rx.recv()).await {
        if let Some(MonitorEvent::StatusChanged { miner, to, .. }) = event
            && miner.ip == ip
            && to == status
        {
            return (miner, started.elapsed());
        }
    }
    panic!("{ip} never became {status}");
}

/// A machine that says what it is told to, word for word, and notes when somebody connects.
#[derive(Debug, Default)]
struct Puppet {
    says: Mutex<Says>,
    connects: Mutex<Vec<Instant>>,
}

#[derive(Debug, Clone)]
struct Says {
    ths: f64,
    celsius: f64,
    model: &'static str,
    takes: Duration,
    door: Option<Door>,
}

impl Default for Says {
    fn default() -> Self {
        Self { ths: 100.0, celsius: 60.0, model: "Alpha", takes: Duration::ZERO, door: None }
    }
}

impl Puppet {
    fn set(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    fn connects(&self) -> Vec<Instant> {
        self.connects.lock().unwrap().clone()
    }
}

impl Host for Puppet {
    fn connect(&self, _port: u16) -> Door {
        self.connects.lock().unwrap().push(Instant::now());
        let says = self.says.lock().unwrap();
        says.door.unwrap_or(Door::Open { after: says.takes })
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        let Says { ths, celsius, model, .. } = self.says.lock().unwrap().clone();
        let asked = String::from_utf8_lossy(request);
        if asked.contains('+') {
            return Script::reply(r#"{"STATUS":[{"STATUS":"E","Code":14,"Msg":"Invalid command"}]}"#);
        }
        let mhs = ths * 1e6;
        Script::reply(if asked.contains("version") {
            format!(r#"{{"VERSION":[{{"API":"3.7","CGMiner":"4.11.1","Type":"{model}"}}]}}"#)
        } else if asked.contains("devs") {
            format!(r#"{{"DEVS":[{{"ASC":0,"Status":"Alive","Temperature":{celsius},"MHS 5s":{mhs}}}]}}"#)
        } else if asked.contains("pools") {
            r#"{"POOLS":[{"POOL":0,"URL":"stratum+tcp://pool.example:3333","Status":"Alive"}]}"#.to_owned()
        } else {
            format!(r#"{{"SUMMARY":[{{"Elapsed":90000,"MHS 5s":{mhs},"Accepted":400,"Rejected":1}}]}}"#)
        })
    }
}
