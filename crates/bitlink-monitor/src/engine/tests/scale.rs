//! Many miners, for long, the same way again.

use super::*;
use crate::state::Coverage;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A machine whose numbers follow from its own number and the time, and that is away now and then.
#[derive(Debug)]
struct Swinging {
    n: u32,
    began: Instant,
    puppet: Puppet,
}

impl Host for Swinging {
    fn connect(&self, port: u16) -> Door {
        let minute = self.began.elapsed().as_secs() / 60;
        let away = self.n.is_multiple_of(50) && minute % 6 >= 2;
        let way = Duration::from_micros(u64::from(self.n.wrapping_mul(2_654_435_761) >> 18));
        self.puppet.set(|says| says.door = away.then_some(Door::Refused));
        self.puppet.set(|says| says.takes = way);
        self.puppet.connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let swing = (self.began.elapsed().as_secs_f64() / 40.0 + f64::from(self.n)).sin();
        self.puppet.set(|says| {
            says.ths = 100.0 + 4.0 * swing;
            says.celsius = 70.0 + 14.0 * swing;
        });
        self.puppet.respond(port, request)
    }
}

/// Runs a fleet and returns a hash of every event and its time, how many there were, and how the fleet stood at the end.
async fn log(seed: u64, miners: u32, time: Duration) -> (u64, usize, Coverage) {
    let mut farm = Farm::empty();
    let began = Instant::now();
    for n in 0..miners {
        let ip = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
        farm.put(ip, Arc::new(Swinging { n, began, puppet: Puppet::default() }));
    }
    let config = MonitorConfig::default()
        .with_interval(Duration::from_mins(1))
        .with_seed(seed)
        .with_event_queue(1 << 20);
    let mut rx = farm.watch(config);
    let mut hasher = DefaultHasher::new();
    let mut count = 0;
    while let Ok(Some(event)) = timeout_at(began + time, rx.recv()).await {
        count += 1;
        let line = match event {
            MonitorEvent::MinerUpdated(miner) => format!("{} {} {:?}", miner.ip, miner.status, miner.stats),
            MonitorEvent::FullSnapshot(fleet) => format!("{:?}", fleet.coverage),
            MonitorEvent::StatusChanged { miner, from, to } => {
                format!("{} {from} {to} {:?}", miner.ip, miner.findings)
            }
            other => format!("{other:?}"),
        };
        (began.elapsed(), line).hash(&mut hasher);
    }
    let coverage = rx.state().coverage.clone();
    (hasher.finish(), count, coverage)
}

fn run(seed: u64, miners: u32, time: Duration) -> (u64, usize, Coverage) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(log(seed, miners, time))
}

#[test]
fn ten_thousand_miners_are_watched_in_time() {
    let (_, events, coverage) = run(1, 10_000, Duration::from_secs(150));
    assert_eq!(coverage.miners, 10_000);
    assert_eq!(coverage.scanning, 0, "everybody has been judged: {coverage:?}");
    assert!(coverage.lag < Duration::from_millis(10), "{coverage:?}");
    assert!(coverage.polls_answered + coverage.polls_failed >= 19_000, "{coverage:?}");
    let effective = coverage.effective_interval.unwrap();
    assert!(
        effective < Duration::from_secs(75),
        "one interval, but for the way to the first beat: {coverage:?}"
    );
    assert!(events > 10_000);
}

#[test]
fn the_same_seed_gives_the_same_events_at_the_same_times() {
    let time = Duration::from_mins(12);
    let first = run(7, 400, time);
    assert_eq!(first, run(7, 400, time));
    assert_ne!(first.0, run(8, 400, time).0);
    assert!(first.2.dead > 0, "some are away at the end: {:?}", first.2);
}
