//! The bare loop: so many workers that take the next address, connect, ask one question and read the answer. It identifies
//! nobody, tries nothing twice and minds no neighbours, so it says how fast sockets can be on this machine, and what is
//! found if that is all one does.

use anyhow::{Context, Result, ensure};
use clap::Args;
use ipnet::Ipv4Net;
use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::timeout;

/// What every miner with an API knows an answer to.
const QUESTION: &[u8] = br#"{"command":"version"}"#;
/// More than any answer to it.
const MOST: usize = 64 * 1024;

/// Which addresses, and how.
#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    /// The network, its first and last address included
    targets: Ipv4Net,
    /// The port
    #[arg(long, default_value_t = 4028)]
    port: u16,
    /// How many addresses at the same time
    #[arg(long, default_value_t = 10_000)]
    in_flight: usize,
    /// How long a connection may take, in milliseconds
    #[arg(long, default_value_t = 200)]
    timeout: u64,
    /// How long the answer may take, in milliseconds
    #[arg(long, default_value_t = 5_000)]
    answer_timeout: u64,
}

/// Prints every address that answered, one a line.
pub(crate) fn run(args: &FloorArgs) -> Result<()> {
    ensure!(args.in_flight > 0, "somebody has to work");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = LocalSet::new().block_on(&runtime, sweep(args));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for ip in found {
        writeln!(out, "{ip}")?;
    }
    out.flush().context("cannot write")
}

async fn sweep(args: &FloorArgs) -> Vec<Ipv4Addr> {
    let (first, last) =
        (u64::from(u32::from(args.targets.network())), u64::from(u32::from(args.targets.broadcast())));
    let next = Rc::new(Cell::new(first));
    let found = Rc::new(RefCell::new(Vec::new()));
    let (wait, answer) = (Duration::from_millis(args.timeout), Duration::from_millis(args.answer_timeout));
    let port = args.port;
    let workers: Vec<_> = (0..args.in_flight)
        .map(|_| {
            let (next, found) = (Rc::clone(&next), Rc::clone(&found));
            tokio::task::spawn_local(async move {
                loop {
                    let number = next.get();
                    let Some(ip) = u32::try_from(number).ok().filter(|_| number <= last) else { return };
                    next.set(number + 1);
                    let ip = Ipv4Addr::from(ip);
                    let Ok(Ok(stream)) =
                        timeout(wait, TcpStream::connect(SocketAddr::from((ip, port)))).await
                    else {
                        continue;
                    };
                    if matches!(timeout(answer, ask(stream)).await, Ok(Ok(true))) {
                        found.borrow_mut().push(ip);
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        // A worker that stops early leaves its share to the others.
        let _ = worker.await;
    }
    found.take()
}

/// Whether anything is answered at all.
async fn ask(mut stream: TcpStream) -> std::io::Result<bool> {
    stream.write_all(QUESTION).await?;
    let mut reply = vec![0; 4096];
    let mut length = 0;
    loop {
        let n = stream.read(&mut reply).await?;
        length += n;
        let is_end = reply.get(..n).is_some_and(|bytes| bytes.contains(&0));
        if n == 0 || is_end || length > MOST {
            return Ok(length > 0);
        }
    }
}
