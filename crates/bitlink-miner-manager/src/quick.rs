//! The three functions that most programs need, over TCP and with no further ado. [`Fleet`] is behind them.

use crate::error::Error;
use crate::fleet::Fleet;
use bitlink_model::MinerStats;
use bitlink_monitor::{MonitorConfig, MonitorStream};
use bitlink_scanner::{ScanConfig, ScanStream};
use bitlink_transport::Patience;
use std::time::Duration;

/// The port of the CGMiner API.
pub const DEFAULT_PORT: u16 = 4028;

/// How long one question may take, in milliseconds: enough for a miner on the same network that is busy with somebody
/// else.
pub const DEFAULT_TIMEOUT_MS: u64 = 1500;

/// Reads one miner once. `host` is an address or a name; `timeout_ms` is for each question, and a reading asks three to
/// ten, depending on the firmware.
///
/// # Errors
/// [`Error::Target`] for a host that is none, [`Error::Read`] with the reason when no reading could be taken.
pub async fn get_summary(host: &str, port: u16, timeout_ms: u64) -> Result<MinerStats, Error> {
    let patience = Patience::default()
        .with_per_exchange(Duration::from_millis(timeout_ms))
        .with_whole(Duration::from_millis(timeout_ms.saturating_mul(10)));
    let config = ScanConfig::default().with_ports(vec![port]).with_patience(patience);
    Ok(Fleet::new().with_scan(config).get(host).await?.stats)
}

/// Looks for miners in a range: a network (`192.168.1.0/24`), two ends (`192.168.1.1-192.168.1.254`), or any other form
/// that [`ScanTargets`](crate::ScanTargets) reads. Dropping the stream stops the scan.
///
/// # Errors
/// [`Error::Target`] for a range that is malformed, empty, reversed or too large, [`Error::Config`]; both before anything
/// is touched.
// Starting a scan waits for nothing today; it is a future so that it may look around first one day.
#[allow(clippy::unused_async)]
pub async fn scan_range(range: &str, config: ScanConfig) -> Result<ScanStream, Error> {
    Fleet::new().with_scan(config).scan(range)
}

/// Watches miners: by default each is asked every 10 s. What is no address comes back as
/// [`MonitorEvent::Rejected`](crate::MonitorEvent::Rejected). Dropping the stream stops the work.
pub async fn start_monitor(ips: Vec<String>, config: MonitorConfig) -> MonitorStream {
    Fleet::new().with_monitor(config).watch(ips).await
}
