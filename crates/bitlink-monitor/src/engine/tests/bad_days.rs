//! Days on which much goes wrong at once: clocks that are set, farms that reboot, switches that flap.

use super::*;
use crate::{Clock, FleetSnapshot, rule};
use bitlink_model::{Finding, Rule};
use bitlink_simulator::{Fault, FaultKind, Mix};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

/// A wall clock that can be set.
#[derive(Debug)]
struct Settable {
    clock: VirtualClock,
    off_ms: AtomicI64,
}

impl Settable {
    fn set(&self, off: i64) {
        self.off_ms.store(off * 1000, Ordering::Relaxed);
    }
}

impl Clock for Settable {
    fn now(&self) -> Timestamp {
        let now = self.clock.now().as_unix_millis();
        Timestamp::from_unix_millis(now + self.off_ms.load(Ordering::Relaxed))
    }
}

fn settable() -> Arc<Settable> {
    let epoch = Timestamp::from_unix_seconds(1_767_225_600).unwrap();
    Arc::new(Settable { clock: VirtualClock::starting_at(epoch), off_ms: AtomicI64::new(0) })
}

/// Changes of status by address.
fn changes(events: &[MonitorEvent]) -> BTreeMap<IpAddr, Vec<MinerStatus>> {
    let mut changes: BTreeMap<IpAddr, Vec<MinerStatus>> = BTreeMap::new();
    for event in events {
        if let MonitorEvent::StatusChanged { miner, to, .. } = event {
            changes.entry(miner.ip).or_default().push(*to);
        }
    }
    changes
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_changes_no_status_and_delays_none() {
    for off in [-3600, 3600, 600] {
        let spec = FleetSpec::new(16).with_seed(3).with_sick(0.4);
        let (farm, fleet) = Farm::of(&spec);
        let clock = settable();
        let mut rx = Monitor::new(Arc::new(farm.network.clone()))
            .with_config(MonitorConfig::default().with_interval(INTERVAL * 3))
            .with_clock(Arc::clone(&clock) as _)
            .start(farm.endpoints.iter().copied());
        listen(&mut rx, Duration::from_mins(40)).await;
        let ages = |state: &FleetSnapshot| -> BTreeMap<(IpAddr, Rule), Duration> {
            let age = |finding: &Finding| clock.now().since(finding.since.unwrap());
            let of = |miner: &Arc<Miner>| {
                let ip = miner.ip;
                miner.findings.iter().map(|f| ((ip, f.rule.clone()), age(f))).collect::<Vec<_>>()
            };
            state.iter().flat_map(of).collect()
        };
        let before = ages(&rx.state());
        assert!(!before.is_empty());
        clock.set(off);
        let events = listen(&mut rx, Duration::from_mins(25)).await;
        assert_eq!(changes(&events), BTreeMap::new(), "{off} s");
        let state = rx.state();
        assert!(
            state.taken_at.since(clock.now()) < Duration::from_secs(1),
            "dated by the clock as it is now"
        );
        for (which, age) in ages(&state) {
            let expected = before.get(&which).map_or(Duration::ZERO, |age| *age + Duration::from_mins(25));
            let wrong = age.abs_diff(expected);
            assert!(
                !before.contains_key(&which) || wrong < Duration::from_secs(1),
                "{off} s: {age:?} {which:?}"
            );
        }

        // Just after it was set, a miner dies, and another one is slow.
        clock.set(0);
        let healthy: Vec<IpAddr> =
            state.iter().filter(|miner| miner.status == MinerStatus::Active).map(|miner| miner.ip).collect();
        fleet.host(healthy[0]).unwrap().break_with(Fault::Unresponsive);
        fleet.host(healthy[1]).unwrap().break_with(Fault::Slow { percent: 30 });
        let events = listen(&mut rx, Duration::from_secs(150)).await;
        assert_eq!(changes(&events)[&healthy[0]].last(), Some(&MinerStatus::Dead), "no later than ever");
        let slow = |events: &[MonitorEvent]| changes(events).contains_key(&healthy[1]);
        assert!(!slow(&events), "and a time to last is not over at once");
        assert!(slow(&listen(&mut rx, Duration::from_mins(35)).await));
    }
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_farm_reboots_at_once_and_nobody_else_notices() {
    let spec = FleetSpec::new(60).with_seed(8).with_sick(0.0).with_mix(Mix::only(FaceName::Antminer));
    let (farm, fleet) = Farm::of(&spec);
    let mut rx = farm.watch(MonitorConfig::default().with_interval(INTERVAL * 3));
    listen(&mut rx, Duration::from_mins(10)).await;
    assert_eq!(rx.state().coverage.active, 60);
    let rebooted: Vec<IpAddr> = fleet.hosts().step_by(3).map(|(ip, _)| ip).collect();
    for ip in &rebooted {
        fleet.host(*ip).unwrap().reboot(Duration::from_mins(3));
    }
    let events = listen(&mut rx, Duration::from_mins(3)).await;
    let told = changes(&events);
    assert_eq!(rx.state().coverage.dead, 20);
    assert!(told.keys().all(|ip| rebooted.contains(ip)), "nobody else");
    let events = listen(&mut rx, Duration::from_mins(40)).await;
    let back = changes(&events);
    assert_eq!(rx.state().coverage.active, 60);
    for (ip, statuses) in back {
        assert!(rebooted.contains(&ip));
        assert_eq!(statuses, [MinerStatus::Warning, MinerStatus::Active], "answers again, and then is well");
    }
    assert!(farm.network.traffic().most_open <= 32, "one subnet");
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_known_within_seconds_and_its_neighbours_within_an_interval() {
    let spec = FleetSpec::new(100).with_seed(8).with_sick(0.0);
    let (farm, fleet) = Farm::of(&spec);
    let mut rx = farm.watch(MonitorConfig::default().with_dead_pause(Duration::from_hours(1)));
    listen(&mut rx, Duration::from_mins(2)).await;
    for (_, host) in fleet.hosts() {
        host.break_with(Fault::Unresponsive);
    }
    listen(&mut rx, Duration::from_hours(5)).await;
    assert_eq!(rx.state().coverage.dead, 100);
    for (_, host) in fleet.hosts() {
        host.mend(FaultKind::Unresponsive);
    }
    let first = loop {
        if let Some(MonitorEvent::StatusChanged { from: MinerStatus::Dead, .. }) = rx.recv().await {
            break Instant::now();
        }
    };
    while rx.state().coverage.active < 100 {
        rx.recv().await.unwrap();
    }
    assert!(first.elapsed() <= INTERVAL + Duration::from_secs(4), "{:?}", first.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_flaps_kills_nobody_and_is_told_once_a_flap() {
    let mut farm = Farm::empty();
    let puppets: Vec<Arc<Puppet>> = (1..=30).map(|_| Arc::default()).collect();
    for (n, puppet) in (1..).zip(&puppets) {
        farm.put(address(n), Arc::clone(puppet) as _);
    }
    let mut rx = farm.watch(MonitorConfig::default());
    listen(&mut rx, INTERVAL * 2).await;
    let mut events = Vec::new();
    for _ in 0..10 {
        for (door, seconds) in [(Some(Door::Silent), 45), (None, 75)] {
            for puppet in &puppets {
                puppet.set(|says| says.door = door);
            }
            events.extend(listen(&mut rx, Duration::from_secs(seconds)).await);
        }
    }
    let changes = changes(&events);
    assert!(changes.values().flatten().all(|to| *to != MinerStatus::Dead), "less than a minute each");
    assert!(changes.values().all(|statuses| statuses.len() <= 20), "two a flap at most");
    assert_eq!(rx.state().coverage.active, 30);
    // A flap that lasts is a death, and each comes back.
    for puppet in &puppets {
        puppet.set(|says| says.door = Some(Door::Silent));
    }
    listen(&mut rx, Duration::from_secs(100)).await;
    assert_eq!(rx.state().coverage.dead, 30);
    assert!(rx.state().iter().all(|miner| miner.findings[0].rule == rule::NO_ANSWER));
    for puppet in &puppets {
        puppet.set(|says| says.door = None);
    }
    listen(&mut rx, Duration::from_secs(80)).await;
    assert_eq!(rx.state().coverage.active, 30);
}
