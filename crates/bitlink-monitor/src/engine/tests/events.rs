//! What a reader is told, and when.

use super::*;
use bitlink_simulator::{Fault, FaultKind};
use futures::StreamExt;

#[tokio::test(start_paused = true)]
async fn the_whole_fleet_is_told_once_per_interval() {
    let (farm, _, _) = Farm::of_one(FaceName::Antminer);
    let mut rx = farm.watch(MonitorConfig::default());
    let mut times = Vec::new();
    for event in listen(&mut rx, INTERVAL * 20 + INTERVAL / 2).await {
        if let MonitorEvent::FullSnapshot(fleet) = event {
            assert_eq!(fleet.len(), 1);
            times.push(fleet.taken_at.as_unix_millis());
        }
    }
    assert_eq!(times.len(), 20);
    assert!(times.windows(2).all(|w| (w[1] - w[0] - 10_000).abs() <= 1), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_update_is_told_only_when_there_is_something_to_see() {
    let mut farm = Farm::empty();
    let puppet = Arc::new(Puppet::default());
    farm.put(address(1), Arc::clone(&puppet) as _);
    let mut rx = farm.watch(MonitorConfig::default());
    let updates = |events: Vec<MonitorEvent>| {
        events.iter().filter(|event| matches!(event, MonitorEvent::MinerUpdated(_))).count()
    };
    assert_eq!(updates(listen(&mut rx, Duration::from_mins(10)).await), 1, "the first reading");
    puppet.set(|says| says.ths = 100.9);
    assert_eq!(updates(listen(&mut rx, INTERVAL * 2).await), 0, "less than one percent");
    puppet.set(|says| says.ths = 101.1);
    assert_eq!(updates(listen(&mut rx, INTERVAL * 2).await), 1, "more than one percent of what was told");
    puppet.set(|says| says.celsius = 60.9);
    assert_eq!(updates(listen(&mut rx, INTERVAL * 2).await), 0, "less than a degree");
    puppet.set(|says| says.celsius = 61.0);
    assert_eq!(updates(listen(&mut rx, INTERVAL * 2).await), 1);
    for step in 1..=10 {
        puppet.set(|says| says.ths = 101.1 + 0.3 * f64::from(step));
        listen(&mut rx, INTERVAL).await;
    }
    puppet.set(|says| says.celsius = 81.0);
    let events = listen(&mut rx, INTERVAL * 2).await;
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            MonitorEvent::StatusChanged { .. } => Some("status"),
            MonitorEvent::MinerUpdated(_) => Some("update"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["status", "update"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_drift_is_told_as_soon_as_it_adds_up() {
    let mut farm = Farm::empty();
    let puppet = Arc::new(Puppet::default());
    farm.put(address(1), Arc::clone(&puppet) as _);
    let mut rx = farm.watch(MonitorConfig::default());
    listen(&mut rx, INTERVAL).await;
    let mut told = 0;
    for step in 1..=40 {
        puppet.set(|says| says.celsius = 60.0 + 0.25 * f64::from(step));
        let events = listen(&mut rx, INTERVAL).await;
        told += events.iter().filter(|event| matches!(event, MonitorEvent::MinerUpdated(_))).count();
    }
    assert_eq!(told, 10, "ten degrees in steps of a quarter");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_sleeps_is_told_how_much_it_missed_and_loses_no_status() {
    let spec = FleetSpec::new(60).with_seed(5).with_sick(0.0);
    let (farm, fleet) = Farm::of(&spec);
    let mut rx = farm.watch(MonitorConfig::default().with_event_queue(64));
    // Nobody reads for a long time.
    tokio::time::sleep(Duration::from_mins(10)).await;
    for (_, host) in fleet.hosts().take(5) {
        host.break_with(Fault::Unresponsive);
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    let events = queued(&mut rx);
    let missed: u64 = events.iter().map(missed).sum();
    assert!(missed > 100, "{missed}");
    assert!(events.iter().filter(|event| self::missed(event) == 0).count() <= 64);
    let mut status = std::collections::BTreeMap::new();
    for event in &events {
        if let MonitorEvent::StatusChanged { miner, to, .. } = event {
            status.insert(miner.ip, *to);
        }
    }
    let state = rx.state();
    assert_eq!(status.len(), 60, "every miner has changed its status at least once");
    assert!(state.iter().all(|miner| status.get(&miner.ip) == Some(&miner.status)));
    assert_eq!(state.coverage.dead, 5);

    let later = listen(&mut rx, INTERVAL).await;
    assert!(later.iter().all(|event| self::missed(event) == 0), "awake again, nothing is missed");
}

fn missed(event: &MonitorEvent) -> u64 {
    if let MonitorEvent::Lagged { missed, .. } = event { *missed } else { 0 }
}

#[tokio::test(start_paused = true)]
async fn a_state_and_the_events_after_its_number_give_every_later_state() {
    let mut farm = Farm::empty();
    let puppets: Vec<Arc<Puppet>> = (1..=20).map(|_| Arc::default()).collect();
    for (n, puppet) in (1..).zip(&puppets) {
        farm.put(address(n), Arc::clone(puppet) as _);
    }
    let mut rx = farm.watch(MonitorConfig::default());
    let mut statuses = std::collections::BTreeMap::new();
    let (mut last, mut from_state, mut edges) = (0, 0, 0);
    let end = Instant::now() + Duration::from_mins(30);
    while let Ok(Some(Numbered { seq, event })) = timeout_at(end, rx.recv_numbered()).await {
        assert_eq!(seq, last + 1, "nothing is left out for a reader that reads");
        last = seq;
        match event {
            MonitorEvent::FullSnapshot(state) => {
                assert_eq!(state.seq, seq - 1);
                let nth = usize::try_from(seq).unwrap() % puppets.len();
                puppets[nth].set(|says| says.celsius = 150.0 - says.celsius);
                // A reader that has come in ten rounds ago and has read only events since.
                if statuses.is_empty() {
                    from_state = state.seq;
                    statuses = state.iter().map(|miner| (miner.ip, miner.status)).collect();
                }
                assert!(state.iter().all(|miner| statuses.get(&miner.ip) == Some(&miner.status)));
            }
            MonitorEvent::StatusChanged { miner, from, to } if seq > from_state && from_state > 0 => {
                assert_eq!(statuses.insert(miner.ip, to), Some(from));
                edges += 1;
            }
            _ => {}
        }
    }
    assert!(edges > 20, "{edges}");
    assert!(rx.state().seq >= last);
}

#[tokio::test(start_paused = true)]
async fn state_can_be_read_at_any_time_and_says_how_complete_it_is() {
    let mut farm = Farm::empty();
    let (host, first) = farm.add_sim(1, FaceName::Antminer);
    let (_, second) = farm.add_sim(2, FaceName::Whatsminer);
    let rx = farm.watch(MonitorConfig::default());
    let mut handle = rx.handle();
    let state = handle.state();
    assert_eq!(
        (state.len(), state.coverage.scanning, state.coverage.live),
        (2, 2, 0),
        "known before the first poll"
    );
    while handle.state().coverage.live < 2 {
        handle.changed().await.unwrap();
    }
    host.break_with(Fault::Unresponsive);
    while handle.state().coverage.dead == 0 {
        handle.changed().await.unwrap();
    }
    let state = handle.state();
    assert_eq!((state.coverage.live, state.coverage.active, state.coverage.miners), (1, 1, 2));
    assert_eq!(state.get(first).unwrap().status, MinerStatus::Dead);
    let oldest = state.coverage.oldest_reading.unwrap();
    assert_eq!(Some(oldest), state.get(second).unwrap().last_updated);
    assert!(state.taken_at.since(oldest) <= INTERVAL);
    host.mend(FaultKind::Unresponsive);
    drop(rx);
    while handle.changed().await.is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn it_is_a_stream_too_and_rejects_come_in_order() {
    let (farm, _, _) = Farm::of_one(FaceName::Cgminer);
    let rx = farm.watch(MonitorConfig::default());
    rx.reject("300.1.2.3", "not an address");
    let kinds: Vec<String> = rx
        .take(3)
        .map(|event| match event {
            MonitorEvent::Rejected { target, reason } => format!("{target}: {reason}"),
            MonitorEvent::StatusChanged { to, .. } => to.to_string(),
            MonitorEvent::MinerUpdated(_) => "update".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
        .await;
    assert_eq!(kinds, ["300.1.2.3: not an address", "active", "update"]);
}
