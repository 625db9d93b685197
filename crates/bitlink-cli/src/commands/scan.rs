//! `bitlink scan`: finds miners. Progress goes to standard error, results to standard output in the form asked for.

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::hearing::{Hearing, With};
use crate::kept::{Data, Saving};
use crate::output::report::{Findings, summary};
use crate::output::{csv, json, story};
use crate::reach::{Reach, usual_concurrency};
use crate::text::{clean, parse_duration};
use bitlink_miner_manager::model::Family;
use bitlink_miner_manager::transport::Patience;
use bitlink_miner_manager::{
    Miner, NetworkProfile, OutcomeKind, ScanConfig, ScanDepth, ScanEvent, ScanOrder, ScanReport, ScanStream,
    ScanTargets,
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::time::Duration;

/// Find the miners of networks
#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
pub(crate) struct ScanArgs {
    /// Where to look (forms below)
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    how: ScanOptions,
    /// Ask these first, and beside the targets whoever they name: listen, mcast, mdns, arp
    #[arg(long, value_name = "SOURCE", value_delimiter = ',', help_heading = "Miners that show themselves")]
    with: Vec<With>,
    /// How long reports are listened for, where the scan is over sooner
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, requires = "with")]
    #[arg(help_heading = "Miners that show themselves")]
    listen_for: Duration,
    #[command(flatten)]
    hearing: Hearing,
    /// Form of the results
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
    /// List every address, also those where nothing is
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Tell all that was done at this address, and when; may be given more than once
    #[arg(long, value_name = "ADDRESS", help_heading = "Output")]
    explain: Vec<IpAddr>,
    /// Take the miners up into the fleet's registry (`bitlink fleet`), which knows them again wherever they move
    #[arg(long, help_heading = "Registry", conflicts_with = "brief")]
    save: bool,
    #[command(flatten, next_help_heading = "Registry")]
    data: Data,
}

pub(crate) const TARGETS: &str = "\
Targets:
  10.0.0.7  miner-7.lan  fd00::7                one address, or a host name
  10.0.0.0/24  fd00::/120                       a network
  10.0.0.1-10.0.3.9  10.0.0.1-99  10.0-3.*.5    ranges
  @farm.txt                                     a file of targets, # begins a comment
  10.0.0.0/24:4029  [fd00::7]:4029              any of them with a port";

/// How to scan.
#[derive(Debug, Args)]
pub(crate) struct ScanOptions {
    /// Leave these out; takes the forms of targets, and may be given more than once
    #[arg(long, value_name = "TARGET")]
    pub(crate) exclude: Vec<String>,
    /// Port of targets that name none [default: 4028]; more than one scans each target at each of them
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Vec<u16>,
    /// Look where miners of these families listen, and nowhere else [default: where any does]; what is met there is listed
    /// whatever it is
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = parse_family)]
    pub(crate) family: Vec<Family>,
    /// What to assume of the network: how slow an answer may be
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(crate) profile: Profile,
    /// How long to wait for the last try at an address, in milliseconds [default: as the profile says]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) timeout: Option<u64>,
    /// Tries after the first at an address that stays silent; they overlap
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub(crate) retries: u8,
    /// How long one answer of a miner may take [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) answer_timeout: Option<Duration>,
    /// Connections tried at the same time [default: as many as this process may have descriptors, up to 16000]
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<usize>,
    /// Most connections begun per second, or `off`
    #[arg(long, value_name = "N", default_value = "20000", value_parser = parse_rate)]
    pub(crate) rate: Rate,
    /// Ask each miner for make, model and rate and no more: several times as fast where there are many
    #[arg(long)]
    pub(crate) brief: bool,
    /// Ask addresses in ascending order [default: scattered, to spread the load over the network]
    #[arg(long)]
    pub(crate) ordered: bool,
    /// Most addresses that targets may name [default: 1048576]
    #[arg(long, value_name = "N")]
    pub(crate) max_addresses: Option<u64>,
    /// Also scan the first and last address of IPv4 networks, which are no hosts
    #[arg(long)]
    pub(crate) include_network_broadcast: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Kinds of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Profile {
    /// Wired, or routed within a site: answers within 200 ms
    #[default]
    Lan,
    /// Radio: answers within 600 ms
    Wifi,
    /// Far away: answers within 1.5 s
    Vpn,
}

impl From<Profile> for NetworkProfile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Lan => Self::Lan,
            Profile::Wifi => Self::Wifi,
            Profile::Vpn => Self::Vpn,
        }
    }
}

/// A limit of the rate, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(Option<u32>);

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "off" {
        return Ok(Rate(None));
    }
    let rate = text.parse().map_err(|_| "not a number of connections per second, nor `off`")?;
    Ok(Rate(Some(rate)))
}

/// A family that some dialect is for.
fn parse_family(name: &str) -> Result<Family, String> {
    let families: Vec<Family> =
        bitlink_miner_manager::protocol::registry().iter().map(|d| d.family()).collect();
    families.iter().find(|family| family.as_str() == name).cloned().ok_or_else(|| {
        let mut names: Vec<&str> = families.iter().map(Family::as_str).collect();
        names.sort_unstable();
        format!("no such family; there are {}", names.join(", "))
    })
}

impl ScanOptions {
    /// As settings of the library.
    pub(crate) fn config(&self) -> ScanConfig {
        let profile = NetworkProfile::from(self.profile);
        let mut waits = profile.waits(self.retries.into());
        if let (Some(ms), Some(last)) = (self.timeout, waits.last_mut()) {
            *last = Duration::from_millis(ms);
            let longest = *last;
            for wait in &mut waits {
                *wait = longest.min(*wait);
            }
        }
        let mut config = ScanConfig::default()
            .with_probe_timeouts(waits)
            .with_rate(self.rate.0)
            .with_concurrency(self.concurrency.unwrap_or_else(usual_concurrency))
            .with_depth(if self.brief { ScanDepth::Brief } else { ScanDepth::Full })
            .with_network_broadcast(self.include_network_broadcast);
        if self.ordered {
            config = config.with_order(ScanOrder::Ascending);
        }
        config = config.with_credentials(self.reach.credentials());
        if !self.port.is_empty() {
            let mut ports = self.port.clone();
            let mut seen = std::collections::HashSet::new();
            ports.retain(|port| seen.insert(*port));
            config = config.with_ports(ports);
        }
        if !self.family.is_empty() {
            config = config.with_families(&self.family);
        }
        if let Some(time) = self.answer_timeout {
            config = config.with_patience(Patience::default().with_per_exchange(time));
        }
        if let Some(n) = self.max_addresses {
            config = config.with_max_addresses(n);
        }
        config
    }

    /// The targets without what is excluded.
    pub(crate) fn targets(&self, targets: &[String]) -> Result<ScanTargets, Failure> {
        let targets = ScanTargets::from_args(targets)?;
        if self.exclude.is_empty() {
            return Ok(targets);
        }
        Ok(targets.excluding(ScanTargets::from_args(&self.exclude)?)?)
    }

    /// The targets apart: single ones, which can be watched as they are, and those that have to be scanned for miners.
    pub(crate) fn apart(&self, targets: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
        let targets = self.targets(targets)?;
        let config = self.config();
        let (mut named, mut wide) = (Vec::new(), Vec::new());
        // The text form of targets names each of them once, in a form that reads back.
        for text in targets.to_string().split(", ") {
            let one = ScanTargets::parse(text)?;
            let single = one.names().len() == 1 || one.plan(&config).is_ok_and(|plan| plan.addresses() == 1);
            if single { named.push(text.to_owned()) } else { wide.push(text.to_owned()) }
        }
        Ok((named, wide))
    }

    /// Those of these addresses that the scan does not come to, and why. Names are not resolved for it: an address that is
    /// among the targets by name only has its story all the same.
    fn untold(
        &self,
        addresses: &[IpAddr],
        targets: &[String],
        config: &ScanConfig,
    ) -> Result<Vec<(IpAddr, &'static str)>, Failure> {
        let mut untold = Vec::new();
        if addresses.is_empty() {
            return Ok(untold);
        }
        let named = ScanTargets::from_args(targets)?;
        if !named.names().is_empty() {
            return Ok(untold);
        }
        let all = config.clone().with_network_broadcast(true);
        let (named, left) = (named.plan(&all)?, self.targets(targets)?);
        let (left, asked) = (left.plan(&all)?, left.plan(config)?);
        for ip in addresses {
            let why = if asked.contains_address(*ip) {
                continue;
            } else if left.contains_address(*ip) {
                "the first or last address of a network (--include-network-broadcast scans it)"
            } else if named.contains_address(*ip) {
                "excluded"
            } else {
                "not among the targets"
            };
            untold.push((*ip, why));
        }
        Ok(untold)
    }
}

/// Forms of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A table, and the report in words
    #[default]
    Table,
    /// One document
    Json,
    /// One event on each line, as it happens
    Ndjson,
    /// One miner on each line
    Csv,
}

pub(crate) async fn run(args: ScanArgs, console: Console) -> Result<Exit, Failure> {
    let targets = args.how.targets(&args.targets)?;
    let named = targets.to_string();
    let config = args.how.config().with_report_all(args.all).with_explain(args.explain.clone());
    let untold = args.how.untold(&args.explain, &args.targets, &config)?;
    let mut saving = if args.save { Some(Saving::open(&args.data, console)?) } else { None };
    let fleet = args.how.reach.fleet().with_scan(config);
    let fleet = fleet.with_sources(args.hearing.sources(&args.with, args.listen_for));
    let events = fleet.with_known_first(args.with.contains(&With::Arp)).scan_targets(targets)?;
    // Lines of events and a line of progress on one terminal would write over each other.
    let alone = args.format != Format::Ndjson || !console::is_terminal();
    let bar = Progress::new(console, alone && console.shows_progress());
    match args.format {
        Format::Ndjson => stream(events, &bar, &named, &untold, saving).await,
        format => {
            let mut scanned = collect(events, &bar).await?;
            bar.clear();
            scanned.findings.stories.untold = untold;
            let mut saved = None;
            if let Some(saving) = &mut saving {
                scanned.findings.miners.iter_mut().for_each(|miner| saving.met(miner));
                saved = Some(saving.keep()?);
            }
            if format != Format::Json && exit(&scanned.report, scanned.interrupted) == Exit::Usage {
                return Err(nothing_but_unknown_names(scanned.findings));
            }
            match format {
                Format::Json => document(&scanned, &named, saved)?,
                Format::Csv => sheet(&scanned, args.all, console)?,
                _ => tables(&scanned, console)?,
            }
            saving.iter().flat_map(Saving::notes).for_each(|note| console.note(&note));
            Ok(exit(&scanned.report, scanned.interrupted))
        }
    }
}

/// A scan at its end.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) findings: Findings,
    pub(crate) report: ScanReport,
    pub(crate) interrupted: bool,
}

/// Takes a scan to its end, or to where somebody stops it.
pub(crate) async fn collect(mut events: ScanStream, bar: &Progress) -> Result<Scanned, Failure> {
    let mut findings = Findings::default();
    let mut interrupted = false;
    let mut stop = Interruption::new();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stop.come(), if !interrupted => {
                interrupted = true;
                events.stop();
                continue;
            }
        };
        let Some(event) = event else { return Err(broken_off()) };
        bar.show(&event);
        match event {
            ScanEvent::Found(miner) => findings.miners.push(*miner),
            ScanEvent::Outcome { endpoint, outcome, .. } => findings.others.push((endpoint, outcome)),
            ScanEvent::NameUnknown { name, error, .. } => findings.unknown_names.push((name, error)),
            ScanEvent::Step { endpoint, at, step, .. } => findings.stories.push(endpoint, at, *step),
            ScanEvent::Sighted { source, ip, mac, beyond, .. } => findings.sighted(ip, source, mac, beyond),
            ScanEvent::Complete { report, .. } => {
                findings.complete();
                return Ok(Scanned { findings, report: *report, interrupted });
            }
            _ => {}
        }
    }
}

/// Nothing could be scanned: that is told as the mistake that it is, and not as a result.
fn nothing_but_unknown_names(findings: Findings) -> Failure {
    let mut names = findings.unknown_names.into_iter().map(|(_, error)| error);
    match names.next() {
        Some(first) => names.fold(Failure::from(first), |failure, error| failure.because(&error)),
        None => broken_off(),
    }
}

fn broken_off() -> Failure {
    Failure::new(Exit::Bug, "the scan ended without a report; please report this")
}

/// The code of a scan: the worst that can be said of it.
pub(crate) fn exit(report: &ScanReport, interrupted: bool) -> Exit {
    let of = |kind| report.counts.of(kind);
    let failed = of(OutcomeKind::Failed) + of(OutcomeKind::Denied) + of(OutcomeKind::AccessDenied);
    if !report.adds_up() {
        Exit::Bug
    } else if interrupted {
        Exit::Interrupted
    } else if report.total > 0 && of(OutcomeKind::NameUnknown) == report.total {
        Exit::Usage
    } else if of(OutcomeKind::Found) == 0 && of(OutcomeKind::AccessDenied) > 0 {
        Exit::AccessDenied
    } else if failed + of(OutcomeKind::NameUnknown) > 0 {
        Exit::SomeFailed
    } else if of(OutcomeKind::Found) == 0 {
        Exit::NothingFound
    } else {
        Exit::Fine
    }
}

fn tables(scanned: &Scanned, console: Console) -> Result<(), Failure> {
    let mut out = console.out();
    let room = console::room();
    let Scanned { findings, report, .. } = scanned;
    for table in [findings.miners_table(room), findings.others_table(room)] {
        if !table.is_empty() {
            writeln!(out, "{table}")?;
        }
    }
    for line in findings.stories.lines() {
        writeln!(out, "{line}")?;
    }
    for line in summary(report) {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}

/// The one document of a scan. Written as it goes: a large network is not held in memory twice.
#[derive(serde::Serialize)]
struct Document<'a> {
    scan: Value,
    miners: &'a [Miner],
    others: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stories: Vec<Value>,
    sighted: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<Value>,
}

/// The event that a miner was found.
#[derive(serde::Serialize)]
struct FoundEvent<'a> {
    event: &'static str,
    miner: &'a Miner,
}

fn document(scanned: &Scanned, named: &str, registry: Option<Value>) -> Result<(), Failure> {
    let Scanned { findings, report, .. } = scanned;
    let mut scan = json::report(report);
    if let Some(scan) = scan.as_object_mut() {
        scan.insert("targets".to_owned(), named.into());
    }
    let others = findings.others.iter().map(|(endpoint, outcome)| json::outcome(*endpoint, outcome));
    let unknown = findings.unknown_names.iter().map(|(name, error)| json::unknown_name(name, error));
    let others: Vec<Value> = others.chain(unknown).collect();
    let sighted = findings
        .sighted
        .iter()
        .map(|(ip, seen)| json!({ "ip": ip, "sources": seen.sources, "beyond": seen.beyond }));
    let sighted = sighted.collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let stories = findings.stories.json();
    let document = Document { scan, miners: &findings.miners, others, stories, sighted, registry };
    json::pretty(&mut out, &document)?;
    out.flush()?;
    Ok(())
}

fn sheet(scanned: &Scanned, all: bool, console: Console) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    csv::header(&mut out)?;
    for miner in &scanned.findings.miners {
        csv::miner(&mut out, miner)?;
    }
    if all {
        for (endpoint, outcome) in &scanned.findings.others {
            csv::outcome(&mut out, *endpoint, outcome)?;
        }
    }
    out.flush()?;
    for (name, error) in &scanned.findings.unknown_names {
        console.note(&format!("{}: {}", clean(name), clean(&json::with_causes(error))));
    }
    for line in scanned.findings.stories.lines().iter().chain(&summary(&scanned.report)) {
        console.note(line);
    }
    Ok(())
}

/// Passes events on as they come, one a line.
async fn stream(
    mut events: ScanStream,
    bar: &Progress,
    named: &str,
    untold: &[(IpAddr, &'static str)],
    mut saving: Option<Saving>,
) -> Result<Exit, Failure> {
    let mut interrupted = false;
    let mut stop = Interruption::new();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stop.come(), if !interrupted => {
                interrupted = true;
                events.stop();
                continue;
            }
        };
        let Some(event) = event else { return Err(broken_off()) };
        bar.show(&event);
        let mut out = io::stdout().lock();
        match event {
            ScanEvent::Started { total, addresses, skipped, .. } => json::line(
                &mut out,
                &json!({
                    "event": "started", "targets": named, "total": total, "addresses": addresses,
                    "skipped": {
                        "excluded": skipped.excluded, "network_broadcast": skipped.network_broadcast,
                    },
                }),
            )?,
            ScanEvent::FlatNetwork { asks, places } => {
                json::line(&mut out, &json!({ "event": "flat_network", "asks": asks, "places": places }))?;
            }
            ScanEvent::Step { endpoint, at, step, .. } => {
                json::line(&mut out, &json::event("step", story::step(endpoint, at, &step)))?;
            }
            ScanEvent::Sighted { source, ip, mac, beyond, .. } => json::line(
                &mut out,
                &json!({ "event": "sighted", "source": source, "ip": ip, "mac_address": mac, "beyond": beyond }),
            )?,
            ScanEvent::SourceTrouble { source, error, .. } => json::line(
                &mut out,
                &json!({ "event": "source_trouble", "source": source, "reason": json::with_causes(&error) }),
            )?,
            ScanEvent::Found(mut miner) => {
                if let Some(saving) = &mut saving {
                    saving.met(&mut miner);
                }
                json::line(&mut out, &FoundEvent { event: "found", miner: &miner })?;
            }
            ScanEvent::Outcome { endpoint, outcome, .. } => {
                json::line(&mut out, &json::event("outcome", json::outcome(endpoint, &outcome)))?;
            }
            ScanEvent::NameUnknown { name, error, .. } => {
                json::line(&mut out, &json::event("name_unknown", json::unknown_name(&name, &error)))?;
            }
            ScanEvent::Progress { done, total, found, in_flight, rate, eta, .. } => json::line(
                &mut out,
                &json!({
                    "event": "progress", "done": done, "total": total, "found": found, "in_flight": in_flight,
                    "rate_per_s": rate, "eta_s": eta.map(json::seconds),
                }),
            )?,
            ScanEvent::Complete { found, failed, report, .. } => {
                for (ip, why) in untold {
                    json::line(&mut out, &json::event("no_step", story::untold(*ip, why)))?;
                }
                if let Some(saving) = &mut saving {
                    json::line(&mut out, &json::event("saved", saving.keep()?))?;
                }
                json::line(
                    &mut out,
                    &json!({
                        "event": "complete", "found": found, "failed": failed, "scan": json::report(&report),
                    }),
                )?;
                bar.clear();
                return Ok(exit(&report, interrupted));
            }
            _ => {}
        }
    }
}

/// The line on standard error that says how far a scan is.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar, Console);

impl Progress {
    /// A line that is drawn, or not.
    pub(crate) fn new(console: Console, drawn: bool) -> Self {
        let target =
            if drawn { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let line = if console.err_is_colored() {
            "{spinner:.cyan} {bar:24.cyan/dim} {pos}/{len}  {wide_msg}"
        } else {
            "{spinner} {bar:24} {pos}/{len}  {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(line) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self(bar, console)
    }

    /// Follows an event.
    pub(crate) fn show(&self, event: &ScanEvent) {
        match event {
            ScanEvent::FlatNetwork { asks: false, places } => {
                // Three seconds for each that nobody has.
                let rate = places / 3;
                self.0.suspend(|| {
                    self.1.note(&format!(
                        "a flat network that is larger than the system's table of neighbours: about {rate} addresses a \
                         second. With the right to send ARP it goes as fast as ever: sudo setcap cap_net_raw+ep bitlink"
                    ));
                });
            }
            ScanEvent::SourceTrouble { source, error, .. } => {
                let why = json::with_causes(error);
                self.0.suspend(|| self.1.note(&format!("note: {source}: {}", clean(&why))));
            }
            ScanEvent::Started { total, .. } => {
                self.0.set_length(*total);
                self.0.set_message("looking");
            }
            ScanEvent::Found(_) => self.0.tick(),
            ScanEvent::Progress { done, total, found, rate, eta, .. } => {
                self.0.set_length(*total);
                self.0.set_position(*done);
                let left =
                    eta.map(|eta| format!(", {} left", crate::text::duration(eta))).unwrap_or_default();
                let found = crate::text::so_many(*found, "miner", "miners");
                self.0.set_message(format!("{found}, {rate:.0} addresses/s{left}"));
            }
            _ => {}
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
