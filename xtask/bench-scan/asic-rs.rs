//! Scans with asic-rs and prints the address of each miner as it is found: `asic-rs-scan OCTETS [IN_FLIGHT]`.

use asic_rs::MinerFactory;
use futures::StreamExt;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let octets = arguments.next().ok_or_else(|| anyhow::anyhow!("no range"))?;
    let mut factory = MinerFactory::from_range(&octets)?;
    if let Some(limit) = arguments.next() {
        factory = factory.with_concurrent_limit(limit.parse()?);
    }
    let mut miners = factory.scan_stream();
    while let Some(miner) = miners.next().await {
        println!("{}", miner.get_ip());
    }
    Ok(())
}
