//! `bitlink top`: what is watched, and where that is known from. The picture is in `crate::top`.

use super::demo::Demo;
use super::scan::{self, ScanOptions};
use super::{control, credentials};
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::live::Ended;
use crate::text::{clean, duration, parse_duration, so_many};
use crate::top::{self, Watch};
use bitlink_miner_manager::control::Commander;
use bitlink_miner_manager::store::StoreError;
use bitlink_miner_manager::{Fleet, FleetRegistry, MonitorConfig, MonitorStream, Registry, ScanTargets};
use clap::Args;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The farm on a whole terminal: watch, sort, filter, look at one miner, scan, switch a light
///
/// Without targets the miners that are known are watched: those of `bitlink scan --save` and `bitlink serve`. Nothing is written to a
/// miner but a light that somebody says yes to. `?` shows the keys.
#[derive(Debug, Args)]
#[command(after_help = scan::TARGETS)]
pub(crate) struct TopArgs {
    /// What to watch (forms below); networks and ranges are scanned [default: the miners that are known]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Watch a simulated fleet on this machine: needs no hardware
    #[arg(long, conflicts_with = "targets", help_heading = "Simulated fleet")]
    demo: bool,
    /// How many simulated miners
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = super::demo::miners, requires = "demo")]
    #[arg(help_heading = "Simulated fleet")]
    miners: usize,
    /// Where all chance of the simulated fleet comes from
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 7,
        requires = "demo",
        help_heading = "Simulated fleet"
    )]
    seed: u64,
    /// Time between two readings of one miner, 1s to 1h [default: 10s; of simulated ones 2s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    interval: Option<Duration>,
    /// Show only miners that pass, as `status:warning chip_temp>85`; `/` changes it
    #[arg(long, value_name = "FILTER", default_value = "", value_parser = filter)]
    filter: String,
    /// Stop after this time [default: until somebody leaves]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasting: Option<Duration>,
    #[command(flatten)]
    how: ScanOptions,
    #[command(flatten, next_help_heading = "Registry")]
    data: Data,
}

fn filter(text: &str) -> Result<String, String> {
    crate::choice::filter(text).map(|_| text.to_owned())
}

pub(crate) async fn run(args: TopArgs, console: Console) -> Result<Exit, Failure> {
    if !console::is_interactive() {
        return Err(Failure::usage("`bitlink top` needs a terminal to draw on and keys to read")
            .hint("`bitlink monitor` writes what happens to files and pipes"));
    }
    if args.demo {
        return demo(args, console).await;
    }
    let interval = args.interval.unwrap_or(Duration::from_secs(10));
    let config =
        MonitorConfig::default().with_interval(interval).with_credentials(args.how.reach.credentials());
    config.validate()?;
    let scan_config = args.how.config();
    let config = match scan_config.ports.as_slice() {
        [port] => config.with_port(*port),
        _ => config,
    };
    let fleet = args.how.reach.fleet().with_scan(scan_config).with_monitor(config);
    let data = args.data.dir()?;
    // What has to be asked is asked before the terminal is taken.
    let commander = Commander::with_vault(&fleet, credentials::open_if_any(&data)?)
        .with_data(&data)
        .with_actor(control::actor());
    let Source { events, scan, from } = source(&args, &fleet, &data).await?;
    let title = format!("{from}, each read every {}", duration(interval));
    let (filter, lasting) = (args.filter, args.lasting);
    let watch = Watch { title, fleet, events, interval, commander, scan, filter, lasting };
    Ok(exit(top::watch(watch, console).await?))
}

const fn exit(ended: Ended) -> Exit {
    match ended {
        Ended::Interrupted => Exit::Interrupted,
        Ended::Quit | Ended::Over => Exit::Fine,
    }
}

/// What is watched from the beginning.
struct Source {
    events: MonitorStream,
    /// Where miners are looked for, to be watched too.
    scan: Option<ScanTargets>,
    /// In words.
    from: String,
}

async fn source(args: &TopArgs, fleet: &Fleet, data: &Path) -> Result<Source, Failure> {
    if args.targets.is_empty() {
        return known(fleet, data);
    }
    let (named, wide) = args.how.apart(&args.targets)?;
    let scan = if wide.is_empty() { None } else { Some(args.how.targets(&wide)?) };
    let events = fleet.watch(named).await;
    let from = clean(&args.targets.join(" ")).into_owned();
    Ok(Source { events, scan, from })
}

/// The miners of the registry, by the names that they have there. It is read and not changed, and may be a service's.
fn known(fleet: &Fleet, data: &Path) -> Result<Source, Failure> {
    let (registry, endpoints) = match FleetRegistry::read(data) {
        Ok(kept) => {
            let endpoints: Vec<SocketAddr> =
                kept.by_place().iter().filter_map(|record| record.last_endpoint()).collect();
            (kept.into_parts().0, endpoints)
        }
        // Nobody has saved anything yet: there is still a scan to begin with.
        Err(StoreError::Missing { .. }) => (Registry::new(), Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let from = match endpoints.len() {
        0 => "no miner is known yet".to_owned(),
        n => format!("the {} known", so_many(u64::try_from(n).unwrap_or(u64::MAX), "miner", "miners")),
    };
    let events = fleet.monitor().with_observer(Arc::new(Mutex::new(registry))).start(endpoints);
    Ok(Source { events, scan: None, from })
}

async fn demo(args: TopArgs, console: Console) -> Result<Exit, Failure> {
    let demo = Demo::start(args.miners, args.seed, console)?;
    let interval = args.interval.unwrap_or(Duration::from_secs(2));
    let fleet = demo.fleet(interval);
    fleet.validate()?;
    let watch = Watch {
        title: format!("demo: {}, each read every {}", demo.in_words(), duration(interval)),
        events: fleet.watch_endpoints(demo.endpoints()),
        interval,
        // Simulated machines leave nothing behind.
        commander: Commander::new(&fleet).with_actor(control::actor()),
        fleet,
        scan: None,
        filter: args.filter,
        lasting: args.lasting,
    };
    let ended = tokio::select! {
        ended = top::watch(watch, console) => ended,
        never = demo.tell_story() => match never {},
    };
    demo.shutdown().await;
    Ok(exit(ended?))
}
