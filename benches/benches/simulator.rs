//! What simulated miners cost: the replies of each simulated firmware to the questions that a reading asks. Time spent
//! here is time that a test or a demonstration of the rest does not have. Throughput is in replies.

use bitlink_benches::{criterion, requests_of};
use bitlink_simulator::{FaceName, MinerSpec, SimClock, SimHost, SimMiner};
use bitlink_transport::{Act, Host, Script};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
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
        let requests = requests_of(|request| sent(host.respond(SimHost::API_PORT, request)));
        group.throughput(Throughput::Elements(requests.len() as u64));
        group.bench_function(face.name(), |b| {
            b.iter(|| {
                for request in &requests {
                    black_box(host.respond(SimHost::API_PORT, request));
                }
            });
        });
    }
    group.finish();
}

/// The bytes that a script sends.
fn sent(script: Script) -> Vec<u8> {
    let bytes = script.acts.into_iter().filter_map(|act| match act {
        Act::Send(bytes) => Some(bytes),
        _ => None,
    });
    bytes.flatten().collect()
}
