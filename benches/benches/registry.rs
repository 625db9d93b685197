//! The registry by itself: what it costs to say who is who, for a fleet in which nothing changes, for one whose addresses are all
//! dealt out anew, and for one that is met for the first time. Throughput is in accounts.

use bitlink_benches::{criterion, size};
use bitlink_monitor::{Registry, Sighting};
use bitlink_protocol::model::{Identity, Mac, Timestamp};
use criterion::{BatchSize, Throughput};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

struct Machine {
    identity: Identity,
    boards: [String; 3],
}

fn machine(n: u32) -> Machine {
    let [_, high, middle, low] = n.to_be_bytes();
    let mut identity = Identity::default();
    identity.mac = Some(Mac::new([2, 0xdb, 1, high, middle, low]));
    identity.serial = Some(format!("SIM{:010}", u64::from(n) + 7_000_000).into());
    identity.model = Some("S19 Pro".into());
    identity.hostname = Some(format!("miner-{n}").into());
    let boards = [0, 1, 2].map(|slot| format!("SIMB{:09}{slot}", n + 3_000_000));
    Machine { identity, boards }
}

fn at(n: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(0x0a00_0000 + n).into(), 4028)
}

/// Every machine is met once, so many places further on than it was dealt out at first.
fn meet(registry: &mut Registry, machines: &[Machine], shift: usize, time: i64) {
    let sweep = registry.begin_sweep();
    let places = (0_u32..).map(at).take(machines.len()).cycle().skip(shift);
    for (machine, place) in machines.iter().zip(places) {
        let sighting = Sighting::new(place, &machine.identity, Timestamp::from_unix_millis(time))
            .with_boards(machine.boards.iter().map(String::as_str))
            .in_sweep(sweep);
        black_box(registry.observe(&sighting));
    }
    black_box(registry.take_changes());
}

fn main() {
    let mut criterion = criterion().sample_size(10);
    let machines: Vec<Machine> = (0..size(50_000, 500)).map(machine).collect();
    let mut known = Registry::new();
    meet(&mut known, &machines, 0, 1_700_000_000_000);

    let mut group = criterion.benchmark_group("registry");
    group.throughput(Throughput::Elements(machines.len() as u64));
    group.bench_function("same", |bencher| {
        let mut time = 1_700_000_000_000;
        bencher.iter(|| {
            time += 10_000;
            meet(&mut known, &machines, 0, time);
        });
    });
    group.bench_function("moved", |bencher| {
        let (mut time, mut shift) = (1_800_000_000_000, 0);
        bencher.iter(|| {
            time += 600_000;
            shift += 1;
            meet(&mut known, &machines, shift, time);
        });
    });
    group.bench_function("first", |bencher| {
        bencher.iter_batched_ref(
            Registry::new,
            |registry| meet(registry, &machines, 0, 1_700_000_000_000),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    assert_eq!(known.len(), machines.len(), "nobody was mixed up or split");
    criterion.final_summary();
}
