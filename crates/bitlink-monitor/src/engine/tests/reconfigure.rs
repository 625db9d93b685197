//! Other settings while it runs: they count at once, nothing that is known is lost, and what cannot be used is refused.

use super::*;
use crate::{Band, ConfigureError, Limit, MonitorClosed, RuleBook, Rules, rule};

fn config() -> MonitorConfig {
    MonitorConfig::default().with_interval(INTERVAL)
}

fn chip_or_board_limit(celsius: f64) -> Rules {
    let band = || Band::new(Limit::at_once(celsius), Limit::at_once(celsius + 20.0), 1.0);
    Rules::default().with(|rules| (rules.board_celsius, rules.chip_celsius) = (band(), band()))
}

#[tokio::test(start_paused = true)]
async fn new_rules_judge_from_the_next_poll_on_and_what_they_do_not_clear_stays() {
    let mut farm = Farm::empty();
    let puppet = Arc::new(Puppet::default());
    let endpoint = farm.put(address(1), Arc::clone(&puppet) as _);
    puppet.set(|says| says.celsius = 65.0);
    let mut rx = farm.watch(config());
    listen(&mut rx, Duration::from_mins(5)).await;
    let before = Arc::clone(rx.state().get(endpoint).unwrap());
    assert_eq!((before.status, before.findings.len()), (MinerStatus::Active, 0));
    let coverage = rx.state().coverage.clone();

    rx.handle().configure(config().with_rules(chip_or_board_limit(60.0))).await.unwrap();
    let (hot, took) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert!(took <= INTERVAL + Duration::from_secs(1), "{took:?}");
    assert_eq!((hot.id, &hot.findings[0].rule), (before.id, &rule::BOARD_HOT));
    assert!(rx.state().coverage.polls_answered > coverage.polls_answered, "it goes on counting");

    // A limit that is still broken: nothing happens, least of all to the date.
    rx.handle().configure(config().with_rules(chip_or_board_limit(55.0))).await.unwrap();
    let events = listen(&mut rx, Duration::from_mins(2)).await;
    assert!(!events.iter().any(|event| matches!(event, MonitorEvent::StatusChanged { .. })));
    let finding = rx.state().get(endpoint).unwrap().findings[0].clone();
    assert_eq!(finding.since, hot.findings[0].since);
    assert_eq!(finding.message, "hottest board 65 °C, limit 55 °C");

    // And one that is no more.
    let off: RuleBook =
        serde_json::from_str(r#"{ "board_celsius": { "warning": "off", "critical": "off" } }"#).unwrap();
    rx.handle().configure(config().with_rule_book(off)).await.unwrap();
    let (well, took) = until_status(&mut rx, endpoint.ip(), MinerStatus::Active).await;
    assert!(took <= INTERVAL + Duration::from_secs(1), "{took:?}");
    assert!(well.findings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_interval_counts_from_the_next_turn_on() {
    let mut farm = Farm::empty();
    let puppets: Vec<Arc<Puppet>> = (1..=20)
        .map(|n| {
            let puppet = Arc::new(Puppet::default());
            farm.put(address(n), Arc::clone(&puppet) as _);
            puppet
        })
        .collect();
    let mut rx = farm.watch(config().with_interval(Duration::from_hours(1)));
    listen(&mut rx, Duration::from_mins(90)).await;
    for interval in [Duration::from_secs(20), Duration::from_mins(10), Duration::from_secs(5)] {
        let from = Instant::now();
        rx.handle().configure(config().with_interval(interval)).await.unwrap();
        let mut events = listen(&mut rx, interval * 10).await;
        for puppet in &puppets {
            // A poll is one connection after another, in no time.
            let mut turns: Vec<Instant> = puppet.connects().into_iter().filter(|at| *at >= from).collect();
            turns.dedup();
            assert!(turns[0] - from <= interval, "{:?}", turns[0] - from);
            let pauses: Vec<Duration> = turns.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(pauses.iter().all(|pause| *pause == interval), "{interval:?}: {pauses:?}");
            assert!((9..=10).contains(&turns.len()), "{}", turns.len());
        }
        events.retain(|event| matches!(event, MonitorEvent::FullSnapshot(_)));
        assert!((9..=11).contains(&events.len()), "a full state once per interval: {}", events.len());
        let coverage = rx.state().coverage.clone();
        assert_eq!((coverage.live, coverage.effective_interval), (20, Some(interval)));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_backs_off_goes_on_backing_off_to_the_new_longest_pause() {
    let mut farm = Farm::empty();
    let puppet = Arc::new(Puppet::default());
    farm.put(address(1), Arc::clone(&puppet) as _);
    puppet.set(|says| says.door = Some(Door::Refused));
    let long = config().with_dead_pause(Duration::from_hours(6));
    let mut rx = farm.watch(long.clone());
    listen(&mut rx, Duration::from_hours(30)).await;
    // The same settings again, and again: no reason to ask.
    let asked = puppet.connects().len();
    for _ in 0..50 {
        rx.handle().configure(long.clone()).await.unwrap();
    }
    listen(&mut rx, Duration::from_mins(1)).await;
    assert!(puppet.connects().len() <= asked + 2, "{} {asked}", puppet.connects().len());
    let from = Instant::now();
    rx.handle().configure(config().with_dead_pause(Duration::from_mins(2))).await.unwrap();
    listen(&mut rx, Duration::from_mins(20)).await;
    let after: Vec<Instant> = puppet.connects().into_iter().filter(|at| *at >= from).collect();
    assert!(after[0] - from <= Duration::from_mins(2), "{:?}", after[0] - from);
    assert!(after.windows(2).all(|pair| pair[1] - pair[0] <= Duration::from_mins(2)));
}

#[tokio::test(start_paused = true)]
async fn other_limits_count_at_once() {
    let mut farm = Farm::empty();
    for n in 1..=40 {
        let puppet = Arc::new(Puppet::default());
        puppet.set(|says| says.takes = Duration::from_secs(1));
        farm.put(address(n), puppet as _);
    }
    let mut rx = farm.watch(config().with_max_in_flight(1));
    listen(&mut rx, Duration::from_mins(5)).await;
    assert!(rx.state().coverage.lag > INTERVAL);
    rx.handle().configure(config()).await.unwrap();
    listen(&mut rx, Duration::from_mins(2)).await;
    let coverage = rx.state().coverage.clone();
    assert_eq!((coverage.lag, coverage.active), (Duration::ZERO, 40));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_refused_and_the_old_settings_stay() {
    let (farm, _, endpoint) = Farm::of_one(FaceName::Antminer);
    let mut rx = farm.watch(config());
    let handle = rx.handle();
    let refused = handle.configure(config().with_interval(Duration::ZERO)).await.unwrap_err();
    assert!(matches!(refused, ConfigureError::Config(_)), "{refused}");
    let upside_down = Rules::default()
        .with(|rules| rules.chip_celsius = Band::new(Limit::at_once(95.0), Limit::at_once(85.0), 3.0));
    let refused = handle.configure(config().with_rules(upside_down)).await.unwrap_err();
    assert!(matches!(refused, ConfigureError::Config(_)), "{refused}");
    listen(&mut rx, INTERVAL * 6).await;
    let state = rx.state();
    assert_eq!(state.get(endpoint).unwrap().status, MinerStatus::Active);
    assert_eq!(state.coverage.effective_interval, Some(INTERVAL));
    handle.shutdown().await;
    assert_eq!(handle.configure(config()).await, Err(ConfigureError::Closed(MonitorClosed)));
}
