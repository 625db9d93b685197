//! What simulated miners cost: the replies of each simulated firmware to the questions that a reading asks. Time spent
//! here is time that a test or a demonstration of the rest does not have. Throughput is in replies.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use bitlink_benches::criterion;
use bitlink_protocol::ReadMiner;
use bitlink_simulator::{FaceName, MinerSpec, SimClock, SimHost, SimMiner};
use bitlink_transport::{Door, Endpoint, Host, MemoryTransport, Patience, Script, converse};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn main() {
    let mut criterion = criterion();
    replies(&mut criterion);
    criterion.final_summary();
}

fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator");
    for &face in FaceName::ALL {
        let clock = SimClock::manual();
        let host = SimHost::new(SimMiner::new(MinerSpec::new(face, 7)), clock.clone()).without_latency();
        // Past whatever the first minutes are like.
        clock.advance(Duration::from_hours(1));
        let host = Arc::new(Overheard { host, requests: Mutex::default() });
        let requests = requests_of(&host);
        group.throughput(Throughput::Elements(requests.len() as u64));
        group.bench_function(face.name(), |b| {
            b.iter(|| {
                for (port, request) in &requests {
                    black_box(host.host.respond(*port, request));
                }
            });
        });
    }
    group.finish();
}

/// What a first reading and a later one send to a machine, in order, each with its port.
fn requests_of(host: &Arc<Overheard>) -> Vec<(u16, Vec<u8>)> {
    let ip = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let transport = MemoryTransport::new();
    transport.insert(ip, Arc::<Overheard>::clone(host));
    let endpoint = Endpoint::new(ip, SimHost::API_PORT);
    let patience = Patience::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let first = converse(&transport, endpoint, ReadMiner::new(), &patience).await;
        let again = ReadMiner::again(first.expect("a miner that can be read").value.identified);
        converse(&transport, endpoint, again, &patience).await.expect("a miner that can be read again");
    });
    std::mem::take(&mut *host.requests.lock().expect("no panic while it was held"))
}

/// A machine that remembers what was sent to it.
#[derive(Debug)]
struct Overheard {
    host: SimHost,
    requests: Mutex<Vec<(u16, Vec<u8>)>>,
}

impl Host for Overheard {
    fn ports(&self) -> Vec<u16> {
        self.host.ports()
    }

    fn connect(&self, port: u16) -> Door {
        self.host.connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        self.requests.lock().expect("no panic while it was held").push((port, request.to_vec()));
        self.host.respond(port, request)
    }
}
