//! Reads one miner once and prints what it says.
//!
//! `cargo run --example manual_test -- 192.168.1.100`, or without an address against a simulated miner.

#[path = "support/simulated.rs"]
mod simulated;

use anyhow::Context;
use bitlink_miner_manager::{DEFAULT_PORT, DEFAULT_TIMEOUT_MS, get_summary};
use simulated::Simulated;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (host, port, simulated) = if let Some(host) = std::env::args().nth(1) {
        (host, DEFAULT_PORT, None)
    } else {
        let simulated = Simulated::start()?;
        (simulated.addresses().first().context("no miner")?.to_string(), simulated.port(), Some(simulated))
    };

    let stats = get_summary(&host, port, DEFAULT_TIMEOUT_MS).await?;
    println!("{host}");
    println!("  hash rate     {:.2} TH/s now, {:.2} TH/s on average", stats.hashrate_rt, stats.hashrate_avg);
    println!("  expected      {:.2} TH/s", stats.hashrate_expected);
    println!("  hottest chip  {:.0} °C", stats.temp_chip_max);
    println!("  fans          {:.0?} rpm", stats.fans);
    println!("  uptime        {:.0} s", stats.uptime);
    for pool in &stats.pools {
        println!("  pool          {} as {}, in use: {:?}", pool.url, pool.user, pool.active);
    }

    if let Some(simulated) = simulated {
        simulated.stop().await;
    }
    Ok(())
}
