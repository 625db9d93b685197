//! Looks for miners and prints them as they are found.
//!
//! `cargo run --example scan_network -- 192.168.1.0/24`, or without a range among simulated miners.

#[path = "support/simulated.rs"]
mod simulated;

use bitlink_miner_manager::{ScanConfig, ScanEvent, scan_range};
use simulated::Simulated;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut config = ScanConfig::default();
    let (range, simulated) = if let Some(range) = std::env::args().nth(1) {
        (range, None)
    } else {
        let simulated = Simulated::start()?;
        config = config.with_ports(vec![simulated.port()]);
        ("127.0.20.0/24".to_owned(), Some(simulated))
    };

    let mut rx = scan_range(&range, config).await?;
    while let Some(event) = rx.recv().await {
        match event {
            ScanEvent::Started { total, .. } => println!("Scanning {total} addresses"),
            ScanEvent::Found(miner) => {
                println!("Found: {} - {} - {:.2} TH/s", miner.ip, miner.model, miner.stats.hashrate_avg);
            }
            ScanEvent::Outcome { endpoint, outcome, .. } => println!("{endpoint}: {outcome}"),
            ScanEvent::Complete { found, failed, report, .. } => {
                println!("Scan complete! Found {found} miners, {failed} failed, in {:.1?}", report.elapsed);
                for (kind, count) in report.counts.iter().filter(|(_, count)| *count > 0) {
                    println!("  {:>6} {}", count, kind.as_str());
                }
                break;
            }
            _ => {}
        }
    }

    if let Some(simulated) = simulated {
        simulated.stop().await;
    }
    Ok(())
}
