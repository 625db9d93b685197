//! `bitlink demo`: a simulated fleet on this machine, found and watched as real ones are, over TCP. Knows the truth about
//! its miners, and says so when the watch comes to something else.

use super::monitor::{self, Plain};
use super::scan::{self, Progress};
use super::simulate::{self, cannot_serve};
use crate::choice::Choice;
use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::live;
use crate::output::report::summary;
use crate::table::Tone;
use crate::text::{clean, count};
use bitlink_miner_manager::transport::{Patience, TcpConfig};
use bitlink_miner_manager::{
    Fleet, FleetSnapshot, Miner, MonitorConfig, MonitorEvent, MonitorStream, Rules, ScanConfig,
};
use bitlink_simulator::{
    Condition, Fault, FaultKind, FleetServer, FleetSpec, ServeError, ServeOptions, SimClock, SimFleet,
    SimHost, Truth,
};
use clap::Args;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Watch a simulated fleet on this machine: needs no hardware
///
/// Starts simulated miners on loopback addresses, finds them with a scan and watches them. Limits are the usual ones,
/// but they count at once: nobody wants to wait a quarter of an hour for a demonstration.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Print the fleet once everything is known about it, and end
    #[arg(long)]
    once: bool,
    /// How many miners
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = miners)]
    miners: usize,
    /// Where all chance comes from: the same seed gives the same fleet
    #[arg(long, value_name = "SEED", default_value_t = 7)]
    seed: u64,
}

/// More would be more sockets than most systems let one program have.
const MOST_MINERS: usize = 5_000;

pub(crate) fn miners(text: &str) -> Result<usize, String> {
    let miners = text.parse().ok().filter(|miners| (1..=MOST_MINERS).contains(miners));
    miners.ok_or_else(|| format!("expected a number from 1 to {}", count(MOST_MINERS as u64)))
}

/// What is wrong with the sick miners from the beginning: what shows in a first reading.
const FAULTS: [FaultKind; 7] = [
    FaultKind::BoardMissing,
    FaultKind::ChipsLost,
    FaultKind::Overheating,
    FaultKind::FanFailed,
    FaultKind::PsuFault,
    FaultKind::Slow,
    FaultKind::AllPoolsDead,
];

/// Simulated miners that are up.
pub(crate) struct Demo {
    simulated: SimFleet,
    server: FleetServer,
}

impl Demo {
    /// Starts so many, some of which are sick.
    pub(crate) fn start(miners: usize, seed: u64, console: Console) -> Result<Self, Failure> {
        let spec = FleetSpec::new(miners).with_seed(seed).with_sick(0.2).with_faults(FAULTS.to_vec());
        let simulated = spec.build(&SimClock::real()).map_err(|error| Failure::of(Exit::Usage, &error))?;
        let server = serve(&simulated, console)?;
        Ok(Self { simulated, server })
    }

    /// How many, and where.
    pub(crate) fn in_words(&self) -> String {
        let truths = self.simulated.truths();
        let miners = crate::text::so_many(truths.len() as u64, "simulated miner", "simulated miners");
        format!("{miners} at {}, port {}", simulate::place(&truths), self.server.api_port())
    }

    /// How they are reached and watched.
    pub(crate) fn fleet(&self, interval: Duration) -> Fleet {
        let web = self.server.web_port();
        let reach = web.map_or_else(TcpConfig::default, |web| TcpConfig::default().with_web_port(web));
        Fleet::over_tcp(reach)
            .with_scan(ScanConfig::default().with_ports(vec![self.server.api_port()]).with_patience(
                // These machines are near: who does not answer in a second is not going to.
                Patience::default().with_per_exchange(Duration::from_secs(2)),
            ))
            .with_monitor(MonitorConfig::default().with_interval(interval).with_rules(at_once()))
    }

    pub(crate) fn endpoints(&self) -> Vec<SocketAddr> {
        self.server.endpoints().collect()
    }

    /// Lets things happen while somebody looks. Never returns.
    pub(crate) async fn tell_story(&self) -> std::convert::Infallible {
        tell_story(&self.simulated, &self.simulated.truths()).await
    }

    pub(crate) async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

pub(crate) async fn run(args: DemoArgs, console: Console) -> Result<Exit, Failure> {
    let demo = Demo::start(args.miners, args.seed, console)?;
    let mut stop = Interruption::new();
    let exit = tokio::select! {
        exit = show(&args, &demo, console) => exit,
        () = stop.come() => Ok(Exit::Fine),
    };
    demo.shutdown().await;
    exit
}

/// Puts the fleet on the usual port, or on a free one where that is taken. Its web servers are at a port of their own: the usual
/// one is often taken, and not everybody may have it.
fn serve(simulated: &SimFleet, console: Console) -> Result<FleetServer, Failure> {
    let usual = ServeOptions::default().with_web_port(Some(0)).with_tls_port(None);
    match simulated.serve(&usual) {
        Err(ServeError::Bind { endpoint, source }) if source.kind() == io::ErrorKind::AddrInUse => {
            let server = simulated.serve(&usual.with_api_port(0)).map_err(|error| cannot_serve(&error))?;
            console.note(&format!("note: {endpoint} is taken; the miners are on port {}", server.api_port()));
            Ok(server)
        }
        served => served.map_err(|error| cannot_serve(&error)),
    }
}

async fn show(args: &DemoArgs, demo: &Demo, console: Console) -> Result<Exit, Failure> {
    let simulated = &demo.simulated;
    let place = simulate::place(&simulated.truths());
    console.note(&demo.in_words());
    let fleet = demo.fleet(Duration::from_secs(if args.once { 1 } else { 2 }));

    let bar = Progress::new(console, console.shows_progress());
    let range = place.replace(" to ", "-");
    let scanned = scan::collect(fleet.scan(&range)?, &bar).await?;
    bar.clear();
    if scanned.interrupted {
        return Ok(Exit::Fine);
    }
    for line in summary(&scanned.report) {
        console.note(&line);
    }
    console.note("");

    let events = fleet.watch_endpoints(demo.endpoints());
    if args.once {
        return once(simulated, events, console).await;
    }
    let title = format!("demo: {}, each read every 2 s", demo.in_words());
    let story = demo.tell_story();
    let watch = async {
        if console::is_interactive() {
            live::watch(events, title, "", None, console).await
        } else {
            let choice = Choice::default();
            let how = Plain { lasting: None, table_every: Some(Duration::from_secs(30)), choice: &choice };
            monitor::plain(events, how, console).await
        }
    };
    tokio::select! {
        ended = watch => ended.map(|_| Exit::Fine),
        never = story => match never {},
    }
}

/// The usual limits without their waiting times.
pub(crate) fn at_once() -> Rules {
    Rules::default().with(|rules| {
        let now = Duration::ZERO;
        rules.dead_after = now;
        rules.warm_up = now;
        rules.not_hashing_for = now;
        rules.boards_missing_for = now;
        rules.board_idle_for = now;
        rules.pools_dead_for = now;
        rules.failed_for = now;
        let bands = [
            &mut rules.hashrate_ratio,
            &mut rules.chip_celsius,
            &mut rules.board_celsius,
            &mut rules.hardware_error_ratio,
        ];
        let limits = bands.into_iter().flat_map(|band| [&mut band.warning, &mut band.critical]);
        for limit in limits.chain([&mut rules.fan_rpm, &mut rules.chips_lost_ratio]).flatten() {
            limit.hold = now;
        }
    })
}

/// The healthy machines, which can still fall ill.
fn healthy(simulated: &SimFleet, truths: &[Truth]) -> Vec<Arc<SimHost>> {
    truths
        .iter()
        .filter(|truth| truth.condition == Condition::Healthy)
        .filter_map(|truth| simulated.host(truth.address).cloned())
        .collect()
}

/// Lets things happen while somebody looks: machines fall ill and recover, one after the other. Never returns.
async fn tell_story(simulated: &SimFleet, truths: &[Truth]) -> std::convert::Infallible {
    let healthy = healthy(simulated, truths);
    let story = [
        Fault::Unresponsive,
        Fault::Overheating,
        Fault::FanFailed { fan: 0 },
        Fault::Slow { percent: 55 },
        Fault::AllPoolsDead,
    ];
    sleep(Duration::from_secs(6)).await;
    for step in 0_usize.. {
        let fault = story.get(step % story.len()).copied().unwrap_or(Fault::Overheating);
        // A step that has no divisor in common with most numbers of miners goes round them all.
        let host = healthy.get((step * 7 + 3) % healthy.len().max(1));
        if let Some(host) = host {
            host.break_with(fault);
        }
        sleep(Duration::from_secs(12)).await;
        // What has just broken stays broken until the next thing has; the one before it recovers.
        if let Some(before) = step.checked_sub(1) {
            let fault = story.get(before % story.len()).copied().unwrap_or(Fault::Overheating);
            if let Some(host) = healthy.get((before * 7 + 3) % healthy.len().max(1)) {
                host.mend(fault.kind());
            }
        }
    }
    std::future::pending().await
}

/// How long the watch may take to come to the truth: some rounds of a second, and patience for a busy machine.
const SETTLED_WITHIN: Duration = Duration::from_secs(45);

/// Watches until everything is known, prints it, and holds it against the truth.
async fn once(simulated: &SimFleet, mut events: MonitorStream, console: Console) -> Result<Exit, Failure> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    let mut broken = false;
    while let Some(event) = events.recv().await {
        let MonitorEvent::FullSnapshot(fleet) = event else { continue };
        let late = Instant::now() >= deadline;
        if !broken && (late || fleet.iter().all(|miner| miner.snapshot.is_some())) {
            // Once all have been heard, some fall silent: only a watch can tell that these were miners.
            for host in healthy(simulated, &simulated.truths()).iter().step_by(12).skip(1) {
                host.break_with(Fault::Unresponsive);
            }
            broken = true;
            if !late {
                continue;
            }
        }
        let wrong = differences(&fleet, &simulated.truths());
        if !wrong.is_empty() && !late {
            continue;
        }
        let mut out = console.out();
        writeln!(out, "{}", monitor::table(&fleet, console::room()))?;
        writeln!(out, "{}", monitor::totals(&fleet))?;
        if wrong.is_empty() {
            let all = crate::text::so_many(fleet.len() as u64, "miner", "miners");
            writeln!(
                out,
                "{}",
                Tone::Good.paint(&format!("{all} compared with the simulation: model and status are true."))
            )?;
            out.flush()?;
            return Ok(Exit::Fine);
        }
        out.flush()?;
        let mut failure = Failure::new(Exit::Bug, "what was found out is not the truth; please report this");
        for line in wrong {
            failure = failure.because(&Untrue(line));
        }
        return Err(failure);
    }
    Err(Failure::new(Exit::Bug, "the watch ended by itself; please report this"))
}

/// A difference between what was found out and the truth.
#[derive(Debug)]
struct Untrue(String);

impl std::fmt::Display for Untrue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Untrue {}

/// Where what was found out differs from the truth, in words.
fn differences(fleet: &FleetSnapshot, truths: &[Truth]) -> Vec<String> {
    let mut wrong = Vec::new();
    for truth in truths {
        let found: Vec<&Arc<Miner>> = fleet.iter().filter(|miner| miner.ip == truth.address).collect();
        let [found] = found.as_slice() else {
            wrong.push(format!("{} is watched {} times", truth.address, found.len()));
            continue;
        };
        let model = simulate::model(truth);
        if found.model != model {
            wrong.push(format!("{} is {model} and was taken for {}", truth.address, clean(&found.model)));
        }
        let status = truth.expected_status();
        if found.status != status {
            let faults = simulate::wrong(truth).join(", ");
            let why = found.findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>();
            wrong.push(format!(
                "{} should be {status} ({}) and is {} ({})",
                truth.address,
                if faults.is_empty() { "nothing is wrong" } else { &faults },
                found.status,
                if why.is_empty() { "no finding".to_owned() } else { clean(&why.join(", ")).into_owned() }
            ));
        }
    }
    wrong
}
