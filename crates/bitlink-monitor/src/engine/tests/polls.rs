//! When and how often miners are asked.

use super::*;

fn puppets(farm: &mut Farm, count: u8, takes: Duration) -> Vec<Arc<Puppet>> {
    (1..=count)
        .map(|n| {
            let puppet = Arc::new(Puppet::default());
            puppet.set(|says| says.takes = takes);
            farm.put(address(n), Arc::clone(&puppet) as _);
            puppet
        })
        .collect()
}

/// Beginnings of polls: connections that come at least a second after the one before.
fn polls(connects: &[Instant]) -> Vec<Instant> {
    let mut starts: Vec<Instant> = Vec::new();
    for (n, at) in connects.iter().enumerate() {
        if n == 0 || *at - connects[n - 1] >= Duration::from_secs(1) {
            starts.push(*at);
        }
    }
    starts
}

#[tokio::test(start_paused = true)]
async fn every_miner_is_asked_once_per_interval_and_start_times_are_spread() {
    let mut farm = Farm::empty();
    let began = Instant::now();
    let puppets = puppets(&mut farm, 100, Duration::from_millis(5));
    let mut rx = farm.watch(MonitorConfig::default().with_seed(3));
    listen(&mut rx, INTERVAL * 6).await;
    let mut seconds = [0; 10];
    for puppet in &puppets {
        let starts = polls(&puppet.connects());
        let within: Vec<Duration> = starts
            .iter()
            .map(|at| *at - began)
            .filter(|at| *at >= INTERVAL * 2 && *at < INTERVAL * 5)
            .collect();
        assert_eq!(within.len(), 3, "{within:?}");
        assert!(within.windows(2).all(|w| (w[1] - w[0]).abs_diff(INTERVAL) <= Duration::from_millis(2)));
        let second = (within[0].as_millis() % INTERVAL.as_millis()) / 1000;
        seconds[usize::try_from(second).unwrap()] += 1;
    }
    assert!(seconds.iter().all(|n| (8..=12).contains(n)), "{seconds:?}");
    let coverage = rx.state().coverage.clone();
    let effective = coverage.effective_interval.unwrap();
    assert!(effective.abs_diff(INTERVAL) < Duration::from_millis(5), "{effective:?}");
    assert!(coverage.lag < Duration::from_millis(5));
    assert_eq!(coverage.live, 100);
}

#[tokio::test(start_paused = true)]
async fn no_miner_is_ever_asked_two_things_at_once() {
    let mut farm = Farm::empty();
    let slow = puppets(&mut farm, 20, Duration::from_millis(1900));
    let mut rx = farm.watch(MonitorConfig::default().with_interval(Duration::from_secs(2)));
    let handle = rx.handle();
    let pest = async {
        for _ in 0..600 {
            for endpoint in &farm.endpoints {
                handle.poll_now(*endpoint).await.unwrap();
            }
            handle.remove(farm.endpoints[0]).await.unwrap();
            handle.add(farm.endpoints[0]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ((), _) = tokio::join!(pest, listen(&mut rx, Duration::from_mins(1)));
    for endpoint in &farm.endpoints {
        let traffic = farm.network.traffic_of(endpoint.ip());
        assert!(traffic.exchanges > 10);
        assert_eq!(traffic.most_open, 1, "{endpoint}");
    }
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn too_many_miners_show_as_lag_and_a_longer_interval_and_nobody_starves() {
    let mut farm = Farm::empty();
    let slow = puppets(&mut farm, 50, Duration::from_millis(300));
    // Four questions to a poll: 1.2 s; fifty of them two at a time take 30 s.
    let config = MonitorConfig::default().with_max_in_flight(2);
    let mut rx = farm.watch(config);
    listen(&mut rx, Duration::from_mins(10)).await;
    let coverage = rx.state().coverage.clone();
    assert!(coverage.lag > INTERVAL / 2, "{coverage:?}");
    assert!(coverage.effective_interval.unwrap() > INTERVAL * 2, "{coverage:?}");
    assert_eq!(farm.network.traffic().most_open, 2);
    let counts: Vec<usize> = slow.iter().map(|puppet| puppet.connects().len()).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 9, "everybody gets as much: {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn miners_come_and_go_while_it_runs() {
    let mut farm = Farm::empty();
    let first = puppets(&mut farm, 2, Duration::ZERO);
    let mut rx = farm.watch(MonitorConfig::default());
    let handle = rx.handle();
    listen(&mut rx, INTERVAL).await;

    let late = Arc::new(Puppet::default());
    farm.network.insert(address(77), Arc::clone(&late) as _);
    let endpoint = Endpoint::new(address(77), 4028);
    handle.add(endpoint).await.unwrap();
    handle.extend([endpoint, farm.endpoints[0]]).await.unwrap();
    let events = listen(&mut rx, INTERVAL).await;
    let added: Vec<IpAddr> = events
        .iter()
        .filter_map(|event| match event {
            MonitorEvent::Added(miner) => Some(miner.ip),
            _ => None,
        })
        .collect();
    assert_eq!(added, [address(77)], "told once, and only for the new one");
    assert_eq!(rx.state().len(), 3);
    assert_eq!(rx.state().get(endpoint).unwrap().status, MinerStatus::Active);

    handle.remove(farm.endpoints[1]).await.unwrap();
    handle.remove(farm.endpoints[1]).await.unwrap();
    let events = listen(&mut rx, INTERVAL).await;
    let removed =
        events.iter().filter(|event| matches!(event, MonitorEvent::Removed(miner) if miner.ip == address(2)));
    assert_eq!(removed.count(), 1);
    let before = first[1].connects().len();
    listen(&mut rx, INTERVAL * 10).await;
    assert_eq!(first[1].connects().len(), before, "it is not asked any more");
    assert_eq!(rx.state().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_miner_can_be_asked_out_of_turn() {
    let mut farm = Farm::empty();
    let puppet = puppets(&mut farm, 1, Duration::ZERO).remove(0);
    let mut rx = farm.watch(MonitorConfig::default().with_interval(Duration::from_mins(10)));
    listen(&mut rx, Duration::from_secs(30)).await;
    puppet.set(|says| says.celsius = 85.0);
    rx.handle().poll_now(farm.endpoints[0]).await.unwrap();
    let (_, after) = until_status(&mut rx, address(1), MinerStatus::Warning).await;
    assert!(after < Duration::from_secs(1));
    rx.handle().poll_now(Endpoint::new(address(200), 4028)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_ends_every_poll() {
    let mut farm = Farm::empty();
    let puppet = puppets(&mut farm, 1, Duration::from_secs(4)).remove(0);
    let transport: Arc<dyn Transport> = Arc::new(farm.network.clone());
    let rx = farm.watch_through(Arc::clone(&transport), MonitorConfig::default());
    let handle = rx.handle();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(farm.network.traffic().open, 1);
    drop(rx);
    handle.shutdown().await;
    assert_eq!(farm.network.traffic().open, 0, "the connection was closed");
    assert!(!handle.is_running());
    assert!(handle.add(farm.endpoints[0]).await.is_err());
    let asked = puppet.connects().len();
    tokio::time::sleep(INTERVAL * 10).await;
    assert_eq!(puppet.connects().len(), asked);
    assert_eq!(Arc::strong_count(&transport), 1, "nothing holds on to the transport");
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_polls_end_within_the_grace_and_waits_until_nothing_is_left() {
    for (takes, grace, answered) in [(500, 5000, 1), (4000, 1000, 0)] {
        let mut farm = Farm::empty();
        puppets(&mut farm, 1, Duration::from_millis(takes));
        let config = MonitorConfig::default().with_grace(Duration::from_millis(grace));
        let mut rx = farm.watch(config);
        let handle = rx.handle();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        handle.shutdown().await;
        assert!(began.elapsed() <= Duration::from_millis(grace + 10), "{:?}", began.elapsed());
        assert_eq!(farm.network.traffic().open, 0);
        assert!(!handle.is_running());
        assert_eq!(handle.state().coverage.polls_answered, answered);
        let events = listen(&mut rx, Duration::from_secs(1)).await;
        assert_eq!(events.is_empty(), answered == 0, "what was queued can still be read: {events:?}");
        assert!(rx.recv().await.is_none());
        handle.shutdown().await;
    }
}
