//! `bitlink serve --demo`: the whole service on simulated miners in this process, with a day behind them. Nothing of the user's data or
//! configuration is read or written: what is kept lies in a directory of its own, which is gone at the end.
//!
//! The miners are reached through memory and not through sockets: no addresses and no descriptors are used up, so that there can be
//! as many as on the largest sites, and what is commanded of them goes the same way as over a network.

mod farm;
mod past;

use super::{ServeArgs, Shown, Signals, attend};
use crate::commands::demo::at_once;
use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::log;
use crate::text::{count, duration, parse_duration, so_many};
use bitlink_cockpit::Cockpit;
use bitlink_cockpit::accounts::Accounts;
use bitlink_cockpit::http::HttpConfig;
use bitlink_miner_manager::alerts::{AlertsConfig, Field, Rule, When};
use bitlink_miner_manager::history::{Facts, HistoryConfig, StatusFact};
use bitlink_miner_manager::model::metric;
use bitlink_miner_manager::{
    Alerting, Finding, Fleet, FleetRegistry, Miner, MinerId, MinerSnapshot, MinerStatus, MonitorConfig,
    MonitorEvent, Rules, Service, ServiceConfig, Severity, Timestamp,
};
use farm::{Farm, HAPPENINGS, MOST_WITH_PAST, POOLS, Resident, STRANGERS};
use past::{Machine, Past};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout};

/// The most: a large site.
pub(super) const MOST: usize = 50_000;

pub(super) fn miners(text: &str) -> Result<usize, String> {
    let miners = text.parse().ok().filter(|miners| (1..=MOST).contains(miners));
    miners.ok_or_else(|| format!("expected a number from 1 to {}", count(MOST as u64)))
}

/// How often each miner is read, as it was written.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let every = parse_duration(text)?;
    let is_one = (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&every);
    if is_one { Ok(every) } else { Err("expected a time from 1s to 1h".to_owned()) }
}

/// Where it listens unless another address is named; where that is taken, at any free port.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4080);

pub(super) async fn run(
    args: &ServeArgs,
    miners: usize,
    verbose: u8,
    console: Console,
) -> Result<Exit, Failure> {
    log::start(verbose, console);
    // From here on who stops it stops it in good order.
    let mut signals = Signals::new();
    let place = Directory::make()?;
    let began = Instant::now();
    let farm = Farm::build(miners, args.demo_hostile).map_err(|error| Failure::of(Exit::Usage, &error))?;
    let fleet = Fleet::over(Arc::new(farm.network.clone())).with_monitor(monitor(miners, args.interval));
    console.note(&format!(
        "{} are switched on …",
        so_many(miners as u64, "simulated miner", "simulated miners")
    ));
    let prepared = tokio::select! {
        biased;
        () = signals.stopped() => return Ok(Exit::Fine),
        prepared = prepare(&fleet, &farm, place.path()) => prepared,
    };
    let registry = prepared?;
    farm.silence();
    let config = ServiceConfig::default()
        .with_rescan(None)
        .with_history(Some(HistoryConfig::default().with_raw(Duration::from_hours(48))))
        .with_alerts(Alerting::new(alerts(), std::collections::BTreeMap::default()));
    let mut events = Service::new(fleet.clone()).with_config(config).start(registry)?;
    let service = events.handle();
    let cockpit = Cockpit {
        accounts: Accounts::demo(),
        fleet,
        data: place.path().to_path_buf(),
        vault: None,
        groups: bitlink_miner_manager::control::Groups::default(),
        configured: bitlink_cockpit::Configured::default(),
    };
    let shown = Shown::start(&HttpConfig::new(listen(args.listen)), &service, Some(cockpit), None).await?;
    let mut out = console.out();
    writeln!(
        out,
        "The cockpit of {}: http://{}/",
        so_many(miners as u64, "simulated miner", "simulated miners"),
        shown.at()
    )?;
    writeln!(out, "More can be found at {STRANGERS}. Ctrl-C ends it; nothing of it is kept.")?;
    out.flush()?;
    console.note(&format!("ready after {}", duration(began.elapsed())));
    tokio::select! {
        exit = attend(&mut events, &service, &mut signals, None) => { exit?; }
        never = happen(&farm) => match never {},
    }
    shown.end().await;
    service.shutdown().await;
    while events.recv().await.is_some() {}
    // The store closes its file before the directory goes.
    drop((events, service));
    drop(place);
    Ok(Exit::Fine)
}

/// Where it listens: what is named, or the usual port, or a free one where that is taken.
fn listen(named: Option<SocketAddr>) -> SocketAddr {
    named.unwrap_or_else(|| match TcpListener::bind(LISTEN) {
        Ok(_free) => LISTEN,
        Err(_taken) => SocketAddr::new(LISTEN.ip(), 0),
    })
}

/// How they are watched: nobody wants to wait a quarter of an hour for a demonstration, so limits count at once.
fn monitor(miners: usize, every: Option<Duration>) -> MonitorConfig {
    let usual = if miners > MOST_WITH_PAST { 10 } else { 5 };
    MonitorConfig::default()
        .with_interval(every.unwrap_or(Duration::from_secs(usual)))
        .with_max_per_subnet(256)
        .with_rules(rules())
}

fn rules() -> Rules {
    at_once().with(|rules| rules.allowed_pools = POOLS.map(str::to_owned).to_vec())
}

/// Two rules beside the shipped ones, to be seen at work at once. There is no channel: nobody is told.
fn alerts() -> AlertsConfig {
    let mut hot = Rule::new(
        "example_hot",
        When::Finding { finding: vec!["chip_hot".to_owned(), "board_hot".to_owned()], severity: None },
    );
    hot.title = Some("too hot (example rule)".to_owned());
    let mut silent = Rule::new("example_silent", When::Status { status: vec![MinerStatus::Dead] });
    silent.title = Some("silent (example rule)".to_owned());
    silent.severity = Severity::Critical;
    silent.group_by = vec![Field::Site];
    let mut config = AlertsConfig::default();
    config.group_wait = bitlink_miner_manager::alerts::Span(Duration::from_secs(5));
    config.rule = vec![hot, silent];
    config
}

/// Reads every machine once, writes down who they are and where they stand, and gives them a past.
async fn prepare(fleet: &Fleet, farm: &Farm, dir: &Path) -> Result<FleetRegistry, Failure> {
    let read = read_all(fleet, farm).await?;
    let mut registry = FleetRegistry::open(dir)?;
    let machines = register(&mut registry, farm, &read)?;
    let now = Timestamp::from(SystemTime::now());
    let past = Past::new(now, machines, MOST_WITH_PAST);
    // Making it up and writing it takes a while, and signals have to be heard meanwhile.
    let written = tokio::task::spawn_blocking(move || {
        let mut waiting = Vec::new();
        let mut values = 0;
        for tick in past.ticks() {
            values += tick.value_count();
            waiting.push(tick);
            if values >= MOST_AT_ONCE {
                registry.keep_past(std::mem::take(&mut waiting))?;
                values = 0;
            }
        }
        registry.keep_past(waiting)?;
        Ok::<_, bitlink_miner_manager::RegistryFailure>(registry)
    });
    let written = written
        .await
        .map_err(|error| Failure::new(Exit::Bug, "the past could not be made up").because(&error))?;
    Ok(written?)
}

/// Values of the past that are written together.
const MOST_AT_ONCE: usize = 1 << 19;
/// How long the first reading of all may take; who was not read by then has no past.
const READ_WITHIN: Duration = Duration::from_mins(2);

/// What every machine says at the beginning, judged as it will be.
async fn read_all(fleet: &Fleet, farm: &Farm) -> Result<HashMap<IpAddr, Arc<Miner>>, Failure> {
    let quick = monitor(farm.residents.len(), Some(Duration::from_secs(1))).with_max_in_flight(1_024);
    let mut events = fleet.clone().with_monitor(quick).watch_endpoints(farm.endpoints());
    let mut read = HashMap::new();
    let all = async {
        while let Some(event) = events.recv().await {
            if let MonitorEvent::FullSnapshot(miners) = event {
                let heard = miners.iter().filter(|miner| miner.snapshot.is_some());
                read = heard.map(|miner| (miner.ip, Arc::clone(miner))).collect();
                if read.len() == farm.residents.len() {
                    break;
                }
            }
        }
    };
    // Whoever is not read by then is read later.
    let _ = timeout(READ_WITHIN, all).await;
    if read.is_empty() {
        return Err(Failure::new(Exit::Bug, "no simulated miner answers; please report this"));
    }
    Ok(read)
}

/// Takes them up, with their places, as if they had been met a month ago.
fn register(
    registry: &mut FleetRegistry,
    farm: &Farm,
    read: &HashMap<IpAddr, Arc<Miner>>,
) -> Result<Vec<Machine>, Failure> {
    let now = Timestamp::from(SystemTime::now()).as_unix_millis();
    let mut sheet = String::from("id,site,building,rack,shelf,slot,labels,notes\n");
    let mut machines = Vec::with_capacity(read.len());
    for (when, is_sweep) in [(now - 30 * 24 * 3_600_000, false), (now, true)] {
        let sweep = registry.begin_sweep();
        for resident in &farm.residents {
            let Some(miner) = read.get(&resident.address) else { continue };
            let mut miner = Miner::clone(miner);
            miner.last_updated = Some(Timestamp::from_unix_millis(when));
            let Some(met) = registry.observe(&miner, Some(sweep)) else { continue };
            if !is_sweep {
                continue;
            }
            let place = &resident.place;
            // Writing to a text cannot fail.
            let _ = writeln!(
                sheet,
                "{},{},{},{},{},{},{},\"{}\"",
                met.id,
                place.site,
                place.building,
                place.rack,
                place.shelf,
                place.slot,
                place.labels.join(";"),
                place.notes
            );
            machines.push(machine(met.id, resident, &miner));
        }
    }
    registry.save()?;
    registry.import(sheet.as_bytes(), false, false)?;
    Ok(machines)
}

fn machine(id: MinerId, resident: &Resident, miner: &Miner) -> Machine {
    let mut values = Vec::new();
    if let Some(snapshot) = &miner.snapshot {
        metric::walk(snapshot, |metric, value| values.push((metric, value)));
    }
    let silent = Finding::new(
        bitlink_miner_manager::Rule::new("no_answer"),
        Severity::Critical,
        "no answer to 3 polls in a row",
    );
    Machine {
        id,
        story: resident.story,
        groups: resident.place.groups(),
        values,
        facts: Facts::of(miner),
        now: StatusFact::of(miner),
        well: fact(MinerStatus::Active, Vec::new()),
        silent: fact(MinerStatus::Dead, vec![silent]),
    }
}

fn fact(status: MinerStatus, findings: Vec<Finding>) -> StatusFact {
    let miner = Miner::from_snapshot(IpAddr::V4(Ipv4Addr::LOCALHOST), 4028, status, MinerSnapshot::default());
    StatusFact::of(&miner.with_findings(findings))
}

/// Lets machines fall ill and recover while somebody looks, one after the other. Never returns.
async fn happen(farm: &Farm) -> std::convert::Infallible {
    let hosts = farm.may_fall_ill();
    sleep(Duration::from_secs(20)).await;
    for (step, fault) in HAPPENINGS.iter().cycle().enumerate() {
        let Some(host) = hosts.get(step * 7 % hosts.len().max(1)) else { break };
        host.break_with(*fault);
        sleep(Duration::from_secs(45)).await;
        host.mend(fault.kind());
        sleep(Duration::from_secs(15)).await;
    }
    std::future::pending().await
}

/// A directory that is gone when this is.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn make() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Exit::SomeFailed, "there is no room for a demonstration's data").because(&error)
        };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("bitlink-demo-{}-{:x}", std::process::id(), since.subsec_nanos());
        let dir = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir).map_err(failed)?;
        Ok(Self(dir))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(dir = %self.0.display(), %error, "the data of the demonstration could not be removed");
        }
    }
}
