//! Reads miners with asic-rs, over and over, and prints what it came to: `asic-rs-poll FIRST COUNT IN_FLIGHT SECONDS`.
//!
//! Every miner is identified and read once before anything counts. CPU and memory are what the kernel says of this process.

use asic_rs::MinerFactory;
use futures::StreamExt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, count, in_flight, seconds] = arguments.as_slice() else { anyhow::bail!("four arguments") };
    let (first, count): (Ipv4Addr, u32) = (first.parse()?, count.parse()?);
    let (in_flight, time): (usize, _) = (in_flight.parse()?, Duration::from_secs_f64(seconds.parse()?));

    let addresses = (0..count).map(|n| Ipv4Addr::from(u32::from(first) + n));
    let factory = MinerFactory::new();
    let met: Vec<_> = futures::stream::iter(addresses)
        .map(|ip| {
            let factory = &factory;
            async move { factory.get_miner(ip.into()).await.ok().flatten() }
        })
        .buffer_unordered(in_flight)
        .collect()
        .await;
    let miners: Vec<_> = met.into_iter().flatten().collect();
    let read = async |miner: usize| {
        let data = miners[miner].get_data().await;
        data.hashrate.is_some() && !data.hashboards.is_empty() && !data.pools.is_empty()
    };
    if !miners.is_empty() {
        futures::stream::iter(0..miners.len()).map(&read).buffer_unordered(in_flight).count().await;
    }

    let (began, cpu) = (Instant::now(), cpu_seconds());
    let (mut polls, mut complete) = (0_u64, 0_u64);
    if !miners.is_empty() {
        let turns = (0..).take_while(|_| began.elapsed() < time).map(|turn: usize| turn % miners.len());
        let mut readings = futures::stream::iter(turns).map(&read).buffer_unordered(in_flight);
        while let Some(is_complete) = readings.next().await {
            polls += 1;
            complete += u64::from(is_complete);
        }
    }
    println!(
        r#"{{"miners":{},"polls":{polls},"complete":{complete},"seconds":{},"cpu_s":{},"peak_bytes":{}}}"#,
        miners.len(),
        began.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        peak_bytes(),
    );
    Ok(())
}

/// User and system time of this process, in the kernel's hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// The most that was resident.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
