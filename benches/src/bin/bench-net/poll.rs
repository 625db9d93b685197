//! Reads miners that are known, as often as it can. For each poll it does what the monitor's engine does: a task of its own
//! that leads the conversation of [`ReadMiner::again`] over [`TcpTransport`] with what is remembered of the miner. The engine
//! itself never asks a miner more than once a second, so its schedule, judge and events are left out here; `bench-net watch`
//! has them.
//!
//! With `--bare` the same bytes are asked for by sockets and nothing else, and what comes is counted and thrown away: how fast
//! it could be on this machine.

use crate::cost;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use bitlink_protocol::model::MinerSnapshot;
use bitlink_protocol::{Identified, ReadMiner, Reading};
use bitlink_transport::{Endpoint, Patience, TcpTransport, Transport, converse};
use clap::Args;
use futures::StreamExt as _;
use serde_json::json;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than any miner here takes.
const LONGEST: Duration = Duration::from_secs(15);
/// What one read takes.
const CHUNK: usize = 16 * 1024;

/// Whom, and for how long.
#[derive(Debug, Args)]
pub(crate) struct PollArgs {
    /// The first address
    first: Ipv4Addr,
    /// How many, one after another
    count: u32,
    /// How many at the same time
    in_flight: usize,
    /// How long, in seconds
    seconds: f64,
    /// Ask for the same bytes, and read nothing of them
    #[arg(long)]
    bare: bool,
}

/// A miner that was met, and what there is to know for the next time.
#[derive(Debug)]
struct Met {
    endpoint: Endpoint,
    identified: Identified,
    first: MinerSnapshot,
    /// Where a later reading asks, and with which bytes.
    questions: Vec<(Endpoint, Vec<u8>)>,
}

/// What the polls came to.
#[derive(Debug, Default)]
struct Count {
    polls: u64,
    complete: u64,
    wrong: u64,
}

/// Reads, and prints the figures as one line of JSON.
pub(crate) fn run(args: &PollArgs) -> Result<()> {
    ensure!(args.in_flight > 0 && args.count > 0, "somebody has to work");
    let time = Duration::try_from_secs_f64(args.seconds).context("no time")?;
    // As the program's own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let tally = Arc::new(Tally::new(TcpTransport::new()));
        let miners = meet(args, &tally).await;
        let before = tally.connections();
        let asked = Arc::new(AtomicU64::new(0));
        let (began, cpu) = (Instant::now(), cost::cpu_seconds());
        let count = if miners.is_empty() {
            Count::default()
        } else if args.bare {
            let asked = Arc::clone(&asked);
            turns(args, &miners, began + time, move |met| ask(Arc::clone(&asked), met)).await
        } else {
            let tally = Arc::clone(&tally);
            turns(args, &miners, began + time, move |met| read_again(Arc::clone(&tally), met)).await
        };
        let seconds = began.elapsed().as_secs_f64();
        let connections = tally.connections() - before + asked.load(Ordering::Relaxed);
        let line = json!({
            "miners": miners.len(),
            "polls": count.polls,
            "complete": count.complete,
            "wrong": count.wrong,
            "connections": connections,
            "seconds": seconds,
            "cpu_s": cost::cpu_seconds() - cpu,
            "peak_bytes": cost::memory().1,
        });
        println!("{line}");
        Ok(())
    })
}

/// Meets everybody: reads each as a stranger, and once more as one that is known. Whoever cannot be read is left out.
async fn meet(args: &PollArgs, tally: &Arc<Tally>) -> Vec<Arc<Met>> {
    let endpoints = (0..args.count).map(|n| {
        let ip = Ipv4Addr::from(u32::from(args.first).wrapping_add(n));
        Endpoint::new(ip.into(), bitlink_protocol::DEFAULT_API_PORT)
    });
    let met = futures::stream::iter(endpoints).map(|endpoint| async move {
        let first = read(&**tally, endpoint, ReadMiner::new()).await?;
        let own = Tally::recording(TcpTransport::new());
        let again = read(&own, endpoint, ReadMiner::again(first.identified)).await?;
        let Reading { identified, snapshot, .. } = again;
        Some(Arc::new(Met { endpoint, identified, first: snapshot, questions: own.take_questions() }))
    });
    met.buffer_unordered(args.in_flight).filter_map(|met| async move { met }).collect().await
}

async fn read(transport: &dyn Transport, endpoint: Endpoint, conversation: ReadMiner) -> Option<Reading> {
    let patience = Patience::default();
    let asked = converse(transport, endpoint, conversation, &patience);
    let conversed = timeout(patience.whole, asked).await.ok()?.ok()?;
    Some(conversed.value).filter(|reading| reading.failure.is_none())
}

/// What a poll came to: nothing, or whether it is complete and whether it is right.
type Came = Option<(bool, bool)>;

/// Polls everybody in turn, over and over, so many at the same time, each in a task of its own.
async fn turns<F>(args: &PollArgs, miners: &[Arc<Met>], end: Instant, poll: impl Fn(Arc<Met>) -> F) -> Count
where
    F: Future<Output = Came> + Send + 'static,
{
    let mut count = Count::default();
    let mut polls = JoinSet::new();
    for met in miners.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        if polls.len() >= args.in_flight
            && let Some(ended) = polls.join_next().await
        {
            count.add(ended.ok().flatten());
        }
        polls.spawn(poll(Arc::clone(met)));
    }
    while let Some(ended) = polls.join_next().await {
        count.add(ended.ok().flatten());
    }
    count
}

impl Count {
    fn add(&mut self, came: Came) {
        self.polls += 1;
        if let Some((is_complete, is_right)) = came {
            self.complete += u64::from(is_complete);
            self.wrong += u64::from(!is_right);
        }
    }
}

async fn read_again(tally: Arc<Tally>, met: Arc<Met>) -> Came {
    let conversation = ReadMiner::again(met.identified.clone());
    let snapshot = read(&*tally, met.endpoint, conversation).await?.snapshot;
    let is_complete =
        snapshot.hashrate.current().is_some() && !snapshot.boards.is_empty() && !snapshot.pools.is_empty();
    // The machines stand still in time.
    let first = &met.first;
    let is_right = snapshot.identity == first.identity
        && snapshot.hashrate == first.hashrate
        && snapshot.boards == first.boards;
    Some((is_complete, is_right))
}

/// The same questions, and nothing read of the answers; complete when any came, since some questions are refused.
async fn ask(asked: Arc<AtomicU64>, met: Arc<Met>) -> Came {
    let mut is_complete = false;
    for (destination, question) in &met.questions {
        asked.fetch_add(1, Ordering::Relaxed);
        is_complete |= matches!(timeout(LONGEST, ask_one(*destination, question)).await, Ok(Ok(true)));
    }
    Some((is_complete, true))
}

/// Asks, and throws away what comes until the end. Old machines refuse a question by breaking the connection, which is an
/// end like any other.
async fn ask_one(destination: Endpoint, question: &[u8]) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(destination).await?;
    stream.write_all(question).await?;
    let mut reply = vec![0; CHUNK];
    let mut length = 0;
    while let Ok(n) = stream.read(&mut reply).await {
        length += n;
        let is_end = reply.get(..n).is_some_and(|bytes| bytes.last() == Some(&0));
        if n == 0 || is_end {
            break;
        }
    }
    Ok(length > 0)
}
