//! What `cargo xtask bench-scan`, `cargo xtask bench-monitor` and `cargo xtask netns` need on the wire: miners at any number
//! of addresses, a line that is slow and loses packets, whoever reads and watches them, and the bare loops with which a
//! scanner and a reader are compared.
//!
//! It is meant for network namespaces made for the purpose, and takes no address but those it is given. Each program ends
//! when its standard input does, so that none outlives whoever started it.

#[cfg(target_os = "linux")]
mod cost;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod poll;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
mod watch;

use anyhow::Result;
use clap::Parser;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Miners, lines and the bare loop for measuring scans
#[derive(Debug, Parser)]
#[command(name = "bench-net")]
enum Program {
    /// Answer like miners at every address that the namespace calls its own
    #[cfg(target_os = "linux")]
    Serve(serve::ServeArgs),
    /// Pass frames from one interface to another, late and not all of them
    #[cfg(target_os = "linux")]
    Relay(relay::RelayArgs),
    /// Connect to every address, ask one question, and print who answered
    #[cfg(target_os = "linux")]
    Floor(floor::FloorArgs),
    /// Read miners that are known, over and over, as often as possible
    #[cfg(target_os = "linux")]
    Poll(poll::PollArgs),
    /// Watch miners, each once an interval
    #[cfg(target_os = "linux")]
    Watch(watch::WatchArgs),
}

#[cfg(target_os = "linux")]
fn main() -> Result<()> {
    match Program::parse() {
        Program::Serve(args) => serve::run(&args),
        Program::Relay(args) => relay::run(&args),
        Program::Floor(args) => floor::run(&args),
        Program::Poll(args) => poll::run(&args),
        Program::Watch(args) => watch::run(&args),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<()> {
    anyhow::bail!("network namespaces are Linux's")
}

/// Waits, in a thread of its own, until the standard input has ended.
#[cfg(target_os = "linux")]
fn when_input_ends() -> std::sync::mpsc::Receiver<()> {
    let (ended, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        // However it ends, it has ended.
        let _ = std::io::copy(&mut input, &mut std::io::sink());
        let _ = ended.send(());
    });
    wait
}
