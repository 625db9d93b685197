//! `bitlink monitor`: watches miners, as a live table, as lines of what changes, or as a stream of events.

use super::scan::{self, Progress, ScanOptions};
use crate::choice::Choice;
use crate::columns::{self, WATCHED, findings_by_weight, status_tone, status_word};
use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::live::{self, Ended};
use crate::output::json;
use crate::output::report::summary;
use crate::table::{Table, Tone};
use crate::text::{clean, duration, parse_duration, so_many};
use bitlink_miner_manager::{
    Coverage, Fleet, FleetSnapshot, Miner, MinerStatus, MonitorConfig, MonitorEvent, MonitorStream, Numbered,
    OutcomeKind, Timestamp,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Watch miners
///
/// A target that names one address is watched whether it answers or not. Networks, ranges and patterns are scanned
/// once, and the miners found are watched.
#[derive(Debug, Args)]
#[command(after_help = scan::TARGETS)]
pub(crate) struct MonitorArgs {
    /// What to watch (forms below)
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// Time between two readings of one miner, 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    interval: Duration,
    /// Stop after this time [default: watch until interrupted]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasting: Option<Duration>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    how: ScanOptions,
}

/// Forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A live table on a terminal; else a table and then a line for each change
    #[default]
    Table,
    /// One event on each line
    Ndjson,
}

pub(crate) async fn run(args: MonitorArgs, console: Console) -> Result<Exit, Failure> {
    let config =
        MonitorConfig::default().with_interval(args.interval).with_credentials(args.how.reach.credentials());
    config.validate()?;
    let scan = args.how.config();
    let config = match scan.ports.as_slice() {
        [port] => config.with_port(*port),
        _ => config,
    };
    let fleet = args.how.reach.fleet().with_scan(scan).with_monitor(config);
    let Watched { endpoints, scanned_only, interrupted } = endpoints(&args, &fleet, console).await?;
    if interrupted {
        return Ok(Exit::Interrupted);
    }
    if endpoints.is_empty() && scanned_only {
        return Err(Failure::new(Exit::NothingFound, "no miner was found to watch")
            .hint("`bitlink scan` says what every address came to"));
    }
    let count = endpoints.len();
    let events = fleet.watch(endpoints).await;
    if events.state().is_empty() {
        return Err(all_rejected(events).await);
    }
    let ended = if args.format == Format::Ndjson {
        ndjson(events, args.lasting, &args.choice).await?
    } else if console::is_interactive() {
        let title = format!(
            "{}, each read every {}",
            so_many(count as u64, "miner", "miners"),
            duration(args.interval)
        );
        live::watch(events, title, args.choice.typed(), args.lasting, console).await?
    } else {
        plain(events, Plain { lasting: args.lasting, table_every: None, choice: &args.choice }, console)
            .await?
    };
    Ok(match ended {
        Ended::Interrupted => Exit::Interrupted,
        Ended::Quit | Ended::Over => Exit::Fine,
    })
}

/// What there is to watch.
struct Watched {
    endpoints: Vec<String>,
    /// Whether nothing was named by its own address.
    scanned_only: bool,
    interrupted: bool,
}

/// Sorts targets into single ones, which are watched as they are, and others, which are scanned for miners.
async fn endpoints(args: &MonitorArgs, fleet: &Fleet, console: Console) -> Result<Watched, Failure> {
    let (mut named, wide) = args.how.apart(&args.targets)?;
    let scanned_only = named.is_empty();
    let mut interrupted = false;
    if !wide.is_empty() {
        let bar = Progress::new(console, console.shows_progress());
        let scanned = scan::collect(fleet.scan_targets(args.how.targets(&wide)?)?, &bar).await?;
        bar.clear();
        for line in summary(&scanned.report) {
            console.note(&line);
        }
        if scanned.report.counts.of(OutcomeKind::AccessDenied) > 0 {
            console
                .note("note: miners that deny access are not watched; name them to watch them all the same");
        }
        interrupted = scanned.interrupted;
        let found = scanned.findings.miners.iter();
        named.extend(found.map(|miner| SocketAddr::new(miner.ip, miner.port).to_string()));
    }
    Ok(Watched { endpoints: named, scanned_only, interrupted })
}

/// Why nothing can be watched.
async fn all_rejected(mut events: MonitorStream) -> Failure {
    match events.recv().await {
        Some(MonitorEvent::Rejected { target, reason }) => {
            Failure::usage(format!("{target} cannot be watched: {reason}"))
                .hint("check the spelling, or give the address instead")
        }
        _ => Failure::usage("nothing is left to watch"),
    }
}

/// How to watch without a screen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain<'a> {
    pub(crate) lasting: Option<Duration>,
    /// Print the whole table again after this time, at the end of a round.
    pub(crate) table_every: Option<Duration>,
    /// Who is shown, and in which order.
    pub(crate) choice: &'a Choice,
}

/// Prints a table after the first round, and then a line for each change.
pub(crate) async fn plain(
    mut events: MonitorStream,
    how: Plain<'_>,
    console: Console,
) -> Result<Ended, Failure> {
    let mut stop = Interruption::new();
    let over = console::over(how.lasting);
    tokio::pin!(over);
    let mut out = console.out();
    let began = Instant::now();
    let mut printed: Option<Instant> = None;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.come() => return Ok(Ended::Interrupted),
            () = &mut over => return Ok(Ended::Over),
            event = events.recv() => event,
        };
        let at = duration(began.elapsed());
        match event {
            None => return Ok(Ended::Over),
            Some(MonitorEvent::FullSnapshot(fleet)) => {
                let again = printed
                    .is_none_or(|printed| how.table_every.is_some_and(|every| printed.elapsed() >= every));
                if again {
                    writeln!(out, "{}", chosen(&fleet, how.choice, console::room()))?;
                    writeln!(out, "{}\n", totals(&fleet))?;
                    printed = Some(Instant::now());
                }
            }
            Some(event) => {
                let is_wanted = about(&event).is_none_or(|miner| how.choice.wants(miner, now()));
                if let Some(line) = line(&event, printed.is_some()).filter(|_| is_wanted) {
                    writeln!(out, "{} {line}", Tone::Dim.paint(&format!("{at:>8}")))?;
                }
            }
        }
        out.flush()?;
    }
}

/// The fleet as a table.
pub(crate) fn table(fleet: &FleetSnapshot, room: Option<usize>) -> String {
    chosen(fleet, &Choice::default(), room)
}

/// Those of the fleet who are wanted, in the order that is wanted.
fn chosen(fleet: &FleetSnapshot, choice: &Choice, room: Option<usize>) -> String {
    let mut table = Table::new(&columns::columns(WATCHED));
    for miner in choice.of(&fleet.miners, fleet.taken_at) {
        table.push(columns::row(WATCHED, miner, fleet.taken_at));
    }
    table.render(room)
}

/// The one miner that an event is about.
fn about(event: &MonitorEvent) -> Option<&Arc<Miner>> {
    match event {
        MonitorEvent::MinerUpdated(miner)
        | MonitorEvent::Added(miner)
        | MonitorEvent::Removed(miner)
        | MonitorEvent::StatusChanged { miner, .. }
        | MonitorEvent::IdentityChanged { miner, .. } => Some(miner),
        _ => None,
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The fleet in one line.
pub(crate) fn totals(fleet: &FleetSnapshot) -> String {
    let Coverage { active, paused, warning, dead, scanning, .. } = &fleet.coverage;
    let rates: Vec<f64> = fleet.iter().map(|m| m.stats.hashrate_rt).filter(|r| r.is_finite()).collect();
    let rate = columns::hash_rate(rates.iter().sum()).filter(|_| !rates.is_empty());
    format!(
        "{} active, {} paused, {} warning, {} dead, {} scanning; {} from {} of {}",
        active,
        paused,
        warning,
        dead,
        scanning,
        rate.as_deref().unwrap_or("no hash rate"),
        rates.len(),
        so_many(fleet.len() as u64, "miner", "miners")
    )
}

/// A change in words; nothing for what is told otherwise. Before the first table, a miner that is read for the first
/// time is no change.
fn line(event: &MonitorEvent, after_table: bool) -> Option<String> {
    let who = |miner: &Miner| format!("{} {}", columns::address(miner.ip, miner.port), clean(&miner.model));
    match event {
        MonitorEvent::StatusChanged { from: MinerStatus::Scanning, .. } if !after_table => None,
        MonitorEvent::StatusChanged { miner, from, to } => {
            let reason =
                findings_by_weight(miner).first().map(|worst| format!(": {}", clean(&worst.message)));
            let status = status_tone(*to).paint(status_word(*to));
            Some(format!("{status} (was {from}) {}{}", who(miner), reason.unwrap_or_default()))
        }
        MonitorEvent::IdentityChanged { miner, .. } => {
            Some(format!("another machine answers: {}", who(miner)))
        }
        MonitorEvent::Added(miner) => Some(format!("added {}", who(miner))),
        MonitorEvent::Removed(miner) => Some(format!("removed {}", who(miner))),
        MonitorEvent::Rejected { target, reason } => {
            Some(format!("{} cannot be watched: {}", clean(target), clean(reason)))
        }
        MonitorEvent::Lagged { missed, .. } => Some(format!("too slow: {missed} events were left out")),
        _ => None,
    }
}

/// Passes events on as they come, one a line.
async fn ndjson(
    mut events: MonitorStream,
    lasting: Option<Duration>,
    choice: &Choice,
) -> Result<Ended, Failure> {
    let mut stop = Interruption::new();
    let over = console::over(lasting);
    tokio::pin!(over);
    loop {
        let event = tokio::select! {
            biased;
            () = stop.come() => return Ok(Ended::Interrupted),
            () = &mut over => return Ok(Ended::Over),
            event = events.recv_numbered() => event,
        };
        let Some(event) = event else { return Ok(Ended::Over) };
        if about(&event.event).is_none_or(|miner| choice.wants(miner, now())) {
            write_event(&mut io::stdout().lock(), &event, choice, now())?;
        }
    }
}

/// An event about one miner.
#[derive(Serialize)]
struct MinerEvent<'a> {
    event: &'static str,
    seq: u64,
    at_ms: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<MinerStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<MinerStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_id: Option<String>,
    miner: &'a Miner,
}

/// The event that a round has ended.
#[derive(Serialize)]
struct SnapshotEvent<'a> {
    event: &'static str,
    seq: u64,
    at_ms: Timestamp,
    coverage: serde_json::Value,
    miners: Vec<&'a Miner>,
}

fn write_event(
    out: &mut impl Write,
    Numbered { seq, event, .. }: &Numbered,
    choice: &Choice,
    at_ms: Timestamp,
) -> Result<(), serde_json::Error> {
    let seq = *seq;
    let about = |event, miner: &Arc<Miner>, out: &mut _| {
        json::line(out, &MinerEvent { event, seq, at_ms, from: None, to: None, previous_id: None, miner })
    };
    match event {
        MonitorEvent::MinerUpdated(miner) => about("miner_updated", miner, out),
        MonitorEvent::Added(miner) => about("added", miner, out),
        MonitorEvent::Removed(miner) => about("removed", miner, out),
        MonitorEvent::StatusChanged { miner, from, to } => {
            let (from, to) = (Some(*from), Some(*to));
            json::line(
                out,
                &MinerEvent { event: "status_changed", seq, at_ms, from, to, previous_id: None, miner },
            )
        }
        MonitorEvent::IdentityChanged { miner, before } => {
            let previous_id = Some(before.to_string());
            let event = "identity_changed";
            json::line(out, &MinerEvent { event, seq, at_ms, from: None, to: None, previous_id, miner })
        }
        MonitorEvent::FullSnapshot(fleet) => {
            let miners = choice.of(&fleet.miners, at_ms).into_iter().map(AsRef::as_ref).collect();
            let coverage = coverage(&fleet.coverage);
            json::line(
                out,
                &SnapshotEvent { event: "full_snapshot", seq, at_ms: fleet.taken_at, coverage, miners },
            )
        }
        MonitorEvent::Rejected { target, reason } => json::line(
            out,
            &json!({ "event": "rejected", "seq": seq, "at_ms": at_ms, "target": target, "reason": reason }),
        ),
        MonitorEvent::Lagged { missed, .. } => {
            json::line(out, &json!({ "event": "lagged", "seq": seq, "at_ms": at_ms, "left_out": missed }))
        }
        _ => Ok(()),
    }
}

fn coverage(coverage: &Coverage) -> serde_json::Value {
    json!({
        "miners": coverage.miners,
        "live": coverage.live,
        "active": coverage.active,
        "paused": coverage.paused,
        "warning": coverage.warning,
        "dead": coverage.dead,
        "scanning": coverage.scanning,
        "oldest_reading_ms": coverage.oldest_reading,
        "polls_answered": coverage.polls_answered,
        "polls_failed": coverage.polls_failed,
        "in_flight": coverage.in_flight,
        "lag_s": json::seconds(coverage.lag),
        "effective_interval_s": coverage.effective_interval.map(json::seconds),
    })
}
