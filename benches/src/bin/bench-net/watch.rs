//! Watches miners through the facade, as `bitlink monitor` does, and says how well that went: polls, how late they were, and
//! what it took. How late is seen from below, where the questions go out.

use crate::cost;
use crate::tally::{Tally, Turns};
use anyhow::{Context, Result, ensure};
use bitlink_miner_manager::{Fleet, MonitorConfig, MonitorEvent};
use bitlink_transport::{Endpoint, TcpTransport};
use clap::Args;
use serde_json::json;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the monitor takes for each miner until it has asked everybody for the first time.
const FIRST_ROUND_EACH: Duration = Duration::from_millis(2);

/// Whom, and for how long.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The first address
    first: Ipv4Addr,
    /// How many, one after another
    count: u32,
    /// How long, in seconds, once everybody has been met
    seconds: f64,
    /// Time between two polls of one miner, in seconds
    #[arg(long, default_value_t = 10.0)]
    interval: f64,
}

/// Watches, and prints the figures as one line of JSON.
pub(crate) fn run(args: &WatchArgs) -> Result<()> {
    ensure!(args.count > 0, "nobody to watch");
    let time = Duration::try_from_secs_f64(args.seconds).context("no time")?;
    let interval = Duration::try_from_secs_f64(args.interval).context("no interval")?;
    // As the program's own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(watch(args, time, interval))
}

async fn watch(args: &WatchArgs, time: Duration, interval: Duration) -> Result<()> {
    let config = MonitorConfig::default().with_interval(interval);
    config.validate()?;
    let turns = Turns::new(args.first, args.count, interval);
    let tally = Arc::new(Tally::timing(TcpTransport::new(), turns));
    let turns = tally.turns().context("they were just put in")?;
    let fleet = Fleet::over(Arc::clone(&tally) as Arc<_>).with_monitor(config);
    let first = u32::from(args.first);
    let endpoints = (0..args.count).map(|n| {
        let ip = Ipv4Addr::from(first.wrapping_add(n));
        Endpoint::new(ip.into(), bitlink_protocol::DEFAULT_API_PORT)
    });
    let mut stream = fleet.watch_endpoints(endpoints);

    // Everybody is met, and goes over to a beat of their own, which the first turns after that are not yet held against.
    let settled = Instant::now() + FIRST_ROUND_EACH * args.count + interval * 2;
    while let Ok(event) = timeout_at(settled, stream.recv()).await {
        event.context("the monitor has ended")?;
    }
    turns.start_counting();
    let (before, connections, cpu) =
        (stream.state().coverage.clone(), tally.connections(), cost::cpu_seconds());
    let began = Instant::now();
    let (mut events, mut lagged, mut lag) = (0_u64, 0_u64, Duration::ZERO);
    while let Ok(event) = timeout_at(began + time, stream.recv()).await {
        events += 1;
        match event.context("the monitor has ended")? {
            MonitorEvent::FullSnapshot(fleet) => lag = lag.max(fleet.coverage.lag),
            MonitorEvent::Lagged { missed, .. } => lagged += missed,
            _ => {}
        }
    }
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), cost::cpu_seconds() - cpu);
    let connections = tally.connections() - connections;
    let state = stream.state();
    let after = &state.coverage;
    let is_complete = |miner: &Arc<bitlink_miner_manager::Miner>| {
        miner.snapshot.as_ref().is_some_and(|snapshot| {
            snapshot.hashrate.current().is_some() && !snapshot.boards.is_empty() && !snapshot.pools.is_empty()
        })
    };
    let (resident_bytes, peak_bytes) = cost::memory();
    let line = json!({
        "miners": state.miners.len(),
        "live": after.live,
        "complete": state.miners.iter().filter(|miner| is_complete(miner)).count(),
        "seconds": seconds,
        "cpu_s": cpu_s,
        "answered": after.polls_answered - before.polls_answered,
        "failed": after.polls_failed - before.polls_failed,
        "not_asked": after.not_asked - before.not_asked,
        "connections": connections,
        "turns": turns.counted(),
        "late_p50_ms": turns.late_ms(500),
        "late_p99_ms": turns.late_ms(990),
        "late_max_ms": turns.late_ms(1_000),
        "lag_max_ms": u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
        "effective_interval_s": after.effective_interval.map(|interval| interval.as_secs_f64()),
        "events": events,
        "events_left_out": lagged,
        "resident_bytes": resident_bytes,
        "peak_bytes": peak_bytes,
    });
    println!("{line}");
    Ok(())
}
