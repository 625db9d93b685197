//! Watches miners and prints what changes, for a minute or until Ctrl-C.
//!
//! `cargo run --example monitor_demo -- 192.168.1.31 192.168.1.32`, or without addresses on simulated miners.

#[path = "support/simulated.rs"]
mod simulated;

use bitlink_miner_manager::{MonitorConfig, MonitorEvent, start_monitor};
use simulated::Simulated;
use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut ips: Vec<String> = std::env::args().skip(1).collect();
    let mut config = MonitorConfig::default(); // polls every 10 seconds
    let simulated = if ips.is_empty() {
        let simulated = Simulated::start()?;
        ips = simulated.addresses().iter().map(ToString::to_string).collect();
        config = config.with_port(simulated.port()).with_interval(Duration::from_secs(2));
        Some(simulated)
    } else {
        None
    };

    let mut rx = start_monitor(ips, config).await;
    let end = tokio::time::sleep(Duration::from_mins(1));
    tokio::pin!(end);
    loop {
        let event = tokio::select! {
            event = rx.recv() => event,
            () = &mut end => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Some(MonitorEvent::MinerUpdated(miner)) => {
                println!("{:<15} is {:?}: {}", miner.ip, miner.status, miner.model);
                for finding in &miner.findings {
                    println!("{:<15}    {}", "", finding.message);
                }
            }
            Some(MonitorEvent::FullSnapshot(miners)) => {
                println!("Current fleet: {} miners, {} heard from", miners.len(), miners.coverage.live);
            }
            Some(MonitorEvent::Rejected { target, reason }) => println!("{target}: {reason}"),
            Some(_) => {}
            None => break,
        }
    }

    drop(rx);
    if let Some(simulated) = simulated {
        simulated.stop().await;
    }
    Ok(())
}
