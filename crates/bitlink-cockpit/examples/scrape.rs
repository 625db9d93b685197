//! What a scrape of a large fleet costs: a service reads simulated miners in memory, and somebody asks for every shard over HTTP, as
//! Prometheus does.
//!
//! `cargo run --release -p bitlink-cockpit --example scrape -- 10000`

use bitlink_cockpit::http::{HttpConfig, HttpServer};
use bitlink_miner_manager::transport::MemoryTransport;
use bitlink_miner_manager::{
    Fleet, FleetRegistry, ScanConfig, ScanTargets, Service, ServiceConfig, ServiceHandle,
};
use bitlink_simulator::{FaceName, FleetSpec, Mix, SimClock};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROUNDS: usize = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let miners: usize = std::env::args().nth(1).map_or(Ok(10_000), |number| number.parse())?;
    let folder = std::env::temp_dir().join(format!("bitlink-scrape-{}", std::process::id()));
    let outcome = measure(miners, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn measure(miners: usize, folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let spec = FleetSpec::new(miners).with_mix(Mix::only(FaceName::Antminer)).with_sick(0.0);
    let simulated = spec.with_first([10, 0, 0, 1].into()).build(&SimClock::runtime())?;
    let network = MemoryTransport::new();
    for (ip, host) in simulated.hosts() {
        network.insert(ip, Arc::clone(host) as _);
    }
    let fleet = Fleet::over(Arc::new(network)).with_scan(ScanConfig::default().with_ports(vec![4028]));
    let networks = ScanTargets::from_args(["10.0.0.0/16"])?;
    let config = ServiceConfig::default().with_networks(networks).with_history(None);
    let service = Service::new(fleet).with_config(config).start(FleetRegistry::open(folder)?)?;
    let handle = service.handle();
    let http = HttpConfig::new(([127, 0, 0, 1], 0).into());
    let server = HttpServer::bind(&http, handle.clone(), None, "example").await?;
    let at = server.at();
    // owned by this function, which ends it
    let serving = tokio::spawn(server.run(std::future::pending()));
    wait_until_read(&handle, miners).await;

    let shards = shards(&ask(at, "/sd").await?.1);
    println!("{miners} miners are read; {shards} shards");
    let before = memory("VmRSS")?;
    // The greatest size from now on.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (mut whole, mut worst, mut own) = (Vec::new(), Duration::ZERO, Vec::new());
    let (mut bytes, mut samples) = (0, 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        (bytes, samples) = (0, 0);
        for number in 0..shards {
            let shard = Instant::now();
            let (length, page) = ask(at, &format!("/metrics/devices?shard={number}/{shards}")).await?;
            bytes += length;
            samples += page.lines().filter(|line| !line.starts_with('#')).count();
            worst = worst.max(shard.elapsed());
        }
        whole.push(began.elapsed());
        let began = Instant::now();
        ask(at, "/metrics").await?;
        own.push(began.elapsed());
    }
    let greatest = memory("VmHWM")?;
    whole.sort_unstable();
    own.sort_unstable();
    let median = |times: &[Duration]| times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "every device: {:?} (the slowest of {ROUNDS}: {:?}), {samples} samples, {bytes} bytes",
        median(&whole),
        whole.last().copied().unwrap_or_default()
    );
    println!("slowest shard: {worst:?}; the service's own page: {:?}", median(&own));
    println!(
        "memory: {before} kB before, {greatest} kB at most, {} kB for it, whoever asks included",
        greatest.saturating_sub(before)
    );
    serving.abort();
    handle.shutdown().await;
    Ok(())
}

async fn wait_until_read(service: &ServiceHandle, miners: usize) {
    while service.state().coverage.live < miners {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn shards(discovered: &str) -> usize {
    discovered.matches("__param_shard").count()
}

/// Asks as a collector does, and says how many bytes came.
async fn ask(at: std::net::SocketAddr, path: &str) -> Result<(usize, String), Box<dyn Error>> {
    let mut socket = TcpStream::connect(at).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok((answer.len(), answer))
}

/// A size of this process, in kB.
fn memory(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no such size")?;
    Ok(number.parse()?)
}
