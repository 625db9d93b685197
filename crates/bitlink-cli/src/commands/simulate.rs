//! `bitlink simulate`: real servers that answer like miners, at addresses of this machine, until somebody stops them.

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{parse_duration, so_many};
use bitlink_simulator::{
    AnnounceOptions, Announcer, ApiDoor, Condition, Defect, FaultKind, FleetError, FleetServer, FleetSpec,
    Mix, Obedience, ServeError, ServeOptions, SimClock, SimFleet, SimHost, Truth,
};
use clap::{Args, ValueEnum};
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// Run simulated miners on this machine: real servers that answer like miners
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many miners
    #[arg(long, value_name = "N", default_value_t = 20)]
    miners: usize,
    /// Which firmwares, with weights: antminer=3,whatsminer,cgminer [default: some of each]
    #[arg(long, value_name = "NAME[=WEIGHT],...")]
    mix: Option<Mix>,
    /// Where all chance comes from: the same seed gives the same fleet
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Network whose hosts the miners are, from the first on [default: from 127.0.10.1 on]
    #[arg(long, value_name = "CIDR")]
    bind: Option<Ipv4Net>,
    /// Port of the API; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = SimHost::API_PORT)]
    port: u16,
    /// Port of the miners' web servers, or `off` [default: 80 where it can be had]
    #[arg(long, value_name = "PORT|off", value_parser = web_port)]
    http_port: Option<WebPort>,
    /// Port of the miners' web servers over TLS, or `off` [default: 443 where it can be had]
    #[arg(long, value_name = "PORT|off", value_parser = web_port)]
    https_port: Option<WebPort>,
    /// Part of the miners that have a fault, 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.1, value_parser = ratio)]
    sick: f64,
    /// Which faults those have: board-missing, overheating, unresponsive, … [default: some that leave them answering]
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    fault: Vec<FaultKind>,
    /// Let faults come and go instead of staying
    #[arg(long)]
    intermittent: bool,
    /// Wrong ways to answer: glued-records, drip, truncated, …
    #[arg(long, value_name = "DEFECT", value_delimiter = ',')]
    defect: Vec<Defect>,
    /// Part of the miners that answer wrongly, 0 to 1 [default: all, where a defect is named]
    #[arg(long, value_name = "RATIO", value_parser = ratio, requires = "defect")]
    defective: Option<f64>,
    /// Password of their web servers [default: what they were delivered with]
    #[arg(long, value_name = "PASSWORD", help_heading = "Access")]
    password: Option<String>,
    /// Part of the miners whose password was changed, 0 to 1 [default: all, where one is named]
    #[arg(long, value_name = "RATIO", value_parser = ratio, requires = "password", help_heading = "Access")]
    changed: Option<f64>,
    /// End every session of theirs each time this much has passed
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Access")]
    session_time: Option<Duration>,
    /// End a session of theirs after so many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Access")]
    session_requests: Option<u32>,
    /// Part of the miners whose login somebody else holds, 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio, help_heading = "Access")]
    locked: f64,
    /// State of their API's port: open, shut, denied or silent
    #[arg(long, value_name = "STATE", default_value_t = ApiDoor::Open, help_heading = "Access")]
    api: ApiDoor,
    /// Let orders through that firmware keeps shut as it is delivered: WhatsMiner's, and the privileged ones of cgminer
    #[arg(long, help_heading = "Orders")]
    privileged: bool,
    /// Part of the miners that do not obey as they should, 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.0, value_parser = ratio, help_heading = "Orders")]
    disobedient: f64,
    /// In which ways, one each in turn [default: all of them]
    #[arg(
        long,
        value_enum,
        value_name = "WAY",
        value_delimiter = ',',
        requires = "disobedient",
        help_heading = "Orders"
    )]
    disobey: Vec<Disobedience>,
    /// Miners that have just been switched on, instead of having run for days
    #[arg(long)]
    cold: bool,
    /// Let miners show themselves: each sends its IP report to this address of the loopback [default: 127.0.0.1, and the
    /// port of its make], and answers the API's multicast and mDNS there
    #[arg(long, value_name = "ADDRESS[:PORT]", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1")]
    #[arg(value_parser = announce_to)]
    announce: Option<AnnounceTo>,
    /// Time between two reports of one miner
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, requires = "announce")]
    announce_every: Duration,
    /// Group of the API's multicast that is answered, or an address of the loopback in its place
    #[arg(long, value_name = "ADDRESS:PORT", requires = "announce", hide_short_help = true)]
    announce_mcast: Option<SocketAddrV4>,
    /// Group of mDNS that is answered, or an address of the loopback in its place
    #[arg(long, value_name = "ADDRESS:PORT", requires = "announce", hide_short_help = true)]
    announce_mdns: Option<SocketAddrV4>,
    /// Stop after this time [default: run until interrupted]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasting: Option<Duration>,
    /// Form of the list of miners
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
}

/// Forms of the list of miners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
    /// One miner on each line
    Ndjson,
}

/// Ways not to obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Disobedience {
    /// Say yes and do nothing
    Idle,
    /// Do it, and let the answer be lost
    ReplyLost,
    /// Not come back from a reboot
    StaysAway,
}

/// Lets a part of the miners disobey: spread evenly, the ways one after another.
fn disobey(args: &SimulateArgs, fleet: &SimFleet) {
    let ways = match args.disobey.as_slice() {
        [] => &[Disobedience::Idle, Disobedience::ReplyLost, Disobedience::StaysAway],
        ways => ways,
    };
    let mut ways = ways.iter().cycle();
    let mut owed = 0.0;
    for (_, host) in fleet.hosts() {
        owed += args.disobedient;
        if owed < 1.0 {
            continue;
        }
        owed -= 1.0;
        let usual = Obedience::default();
        host.set_obedience(match ways.next() {
            Some(Disobedience::Idle) => usual.with_says_yes_does_nothing(true),
            Some(Disobedience::ReplyLost) => usual.with_reply_lost_after_write(true),
            Some(Disobedience::StaysAway) => usual.with_never_comes_back(true),
            None => usual,
        });
    }
}

/// Where web servers listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WebPort {
    Off,
    At(u16),
}

fn web_port(text: &str) -> Result<WebPort, String> {
    match text {
        "off" => Ok(WebPort::Off),
        text => text
            .parse()
            .map(WebPort::At)
            .map_err(|_number| "expected a port from 0 to 65535, or off".to_owned()),
    }
}

/// Where reports go, and to which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AnnounceTo(Ipv4Addr, Option<u16>);

fn announce_to(text: &str) -> Result<AnnounceTo, String> {
    let place = text.parse::<SocketAddrV4>().map(|place| AnnounceTo(*place.ip(), Some(place.port())));
    let place = place.or_else(|_| text.parse().map(|ip| AnnounceTo(ip, None)));
    let place = place.map_err(|_| "expected an address, or an address and a port".to_owned())?;
    if place.0.is_loopback() {
        Ok(place)
    } else {
        Err("simulated miners show themselves on the loopback interface only, 127.0.0.0/8".to_owned())
    }
}

/// Lets the miners show themselves, where that is asked for.
fn show(
    args: &SimulateArgs,
    fleet: &SimFleet,
    api_port: u16,
    console: Console,
) -> Result<Option<Announcer>, Failure> {
    let Some(AnnounceTo(to, port)) = args.announce else { return Ok(None) };
    let mut options =
        AnnounceOptions::default().with_to(to, port).with_every(args.announce_every).with_api_port(api_port);
    if args.announce_mcast.is_some() {
        options = options.with_multicast(args.announce_mcast);
    }
    if args.announce_mdns.is_some() {
        options = options.with_mdns(args.announce_mdns);
    }
    let announcer = fleet.announce(&options).map_err(|error| Failure::of(Exit::Usage, &error))?;
    for trouble in announcer.trouble() {
        console.note(&format!("note: {}", json::with_causes(trouble)));
    }
    Ok(Some(announcer))
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: Option<f64> = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

pub(crate) async fn run(args: SimulateArgs, console: Console) -> Result<Exit, Failure> {
    let fleet = build(&args)?;
    disobey(&args, &fleet);
    let at = |wanted: Option<WebPort>, usual: u16| match wanted {
        None => Some(usual),
        Some(WebPort::At(port)) => Some(port),
        Some(WebPort::Off) => None,
    };
    let mut stop = Interruption::new();
    let options = ServeOptions::default()
        .with_api_port(args.port)
        .with_web_port(at(args.http_port, SimHost::WEB_PORT))
        .with_tls_port(at(args.https_port, SimHost::TLS_PORT));
    let server = fleet.serve(&options).map_err(|error| cannot_serve(&error))?;
    let courtesies = [
        (server.web_error(), args.http_port, "no web servers"),
        (server.tls_error(), args.https_port, "no web servers over TLS"),
    ];
    for (error, wanted, what) in courtesies {
        match error {
            Some(error) if wanted.is_some() => return Err(Failure::of(Exit::SomeFailed, error)),
            Some(error) => console.note(&format!("note: {what}: {}", json::with_causes(error))),
            None => {}
        }
    }
    let announcer = show(&args, &fleet, server.api_port(), console)?;
    announce(&args, &fleet, &server, console)?;
    tokio::select! {
        () = stop.come() => {}
        () = console::over(args.lasting) => {}
    }
    drop(announcer);
    server.shutdown().await;
    Ok(Exit::Fine)
}

fn build(args: &SimulateArgs) -> Result<SimFleet, Failure> {
    if args.miners == 0 {
        return Err(
            Failure::usage("a fleet of no miners cannot be simulated").hint("--miners takes 1 or more")
        );
    }
    let mut spec = FleetSpec::new(args.miners)
        .with_seed(args.seed)
        .with_sick(args.sick)
        .with_intermittent(args.intermittent)
        .with_cold(args.cold);
    if let Some(mix) = &args.mix {
        spec = spec.with_mix(mix.clone());
    }
    let faults = match args.fault.as_slice() {
        // A machine that does not answer is found by no scan; whoever wants one names it.
        [] => spec.faults.iter().copied().filter(|kind| *kind != FaultKind::Unresponsive).collect(),
        named => named.to_vec(),
    };
    spec = spec.with_faults(faults);
    if !args.defect.is_empty() {
        spec = spec.with_defects(args.defective.unwrap_or(1.0), args.defect.clone());
    }
    spec = spec
        .with_sessions(args.session_time, args.session_requests)
        .with_locked(args.locked)
        .with_api(args.api);
    spec.access.privileged = args.privileged;
    if let Some(password) = &args.password {
        spec = spec.with_password(args.changed.unwrap_or(1.0), password.clone());
    }
    if let Some(net) = args.bind {
        spec = spec.with_first(first_host(net));
        let addresses = spec.addresses().map_err(|error| cannot_build(&error))?;
        if let Some(outside) = addresses.iter().find(|address| !net.contains(*address)) {
            let miners = so_many(args.miners as u64, "miner", "miners");
            return Err(Failure::usage(format!(
                "{net} has no room for {miners}: {outside} is outside of it"
            ))
            .hint("name a larger network with --bind, or fewer miners"));
        }
    }
    spec.build(&SimClock::real()).map_err(|error| cannot_build(&error))
}

fn first_host(net: Ipv4Net) -> Ipv4Addr {
    net.hosts().next().unwrap_or(net.addr())
}

fn cannot_build(error: &FleetError) -> Failure {
    Failure::of(Exit::Usage, error)
}

/// Why servers could not be started, with a way out of it.
pub(crate) fn cannot_serve(error: &ServeError) -> Failure {
    let failure = Failure::of(Exit::SomeFailed, error);
    let ServeError::Bind { source, .. } = error else { return failure };
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            failure.hint("something listens there already: choose other addresses with --bind, or another --port")
        }
        io::ErrorKind::AddrNotAvailable => failure.hint(
            "this machine has no such address; Linux has all of 127.0.0.0/8, other systems need each address added \
             to the loopback interface first",
        ),
        io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 need more rights: choose another --port"),
        _ => failure,
    }
}

fn announce(
    args: &SimulateArgs,
    fleet: &SimFleet,
    server: &FleetServer,
    console: Console,
) -> Result<(), Failure> {
    let truths = fleet.truths();
    let ready = json!({
        "miners": truths.len(),
        "first_ip": truths.first().map(|truth| truth.address),
        "last_ip": truths.last().map(|truth| truth.address),
        "port": server.api_port(),
        "http_port": server.web_port(),
        "https_port": server.tls_port(),
        "seed": args.seed,
    });
    match args.format {
        Format::Table => {
            let mut out = console.out();
            if !console.quiet {
                writeln!(out, "{}", table(&truths).render(console::room()))?;
            }
            writeln!(out, "{}", ready_line(&truths, server))?;
            out.flush()?;
        }
        Format::Json => {
            let miners: Vec<Value> = truths.iter().map(|truth| miner(truth, server)).collect();
            let mut out = BufWriter::new(io::stdout().lock());
            json::pretty(&mut out, &json!({ "ready": ready, "miners": miners }))?;
            out.flush()?;
        }
        Format::Ndjson => {
            let mut out = BufWriter::new(io::stdout().lock());
            for truth in &truths {
                json::line(&mut out, &json::event("simulated", miner(truth, server)))?;
            }
            json::line(&mut out, &json::event("ready", ready))?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The line that says that everything is up. Programs wait for it.
pub(crate) fn ready_line(truths: &[Truth], server: &FleetServer) -> String {
    let web = server.web_port().map(|port| format!(", web port {port}")).unwrap_or_default();
    let tls = server.tls_port().map(|port| format!(", TLS port {port}")).unwrap_or_default();
    let miners = so_many(truths.len() as u64, "miner", "miners");
    format!("ready: {miners} at {}, port {}{web}{tls}", place(truths), server.api_port())
}

/// From where to where miners are.
pub(crate) fn place(truths: &[Truth]) -> String {
    match truths {
        [] => "no address".to_owned(),
        [only] => only.address.to_string(),
        [first, .., last] => format!("{} to {}", first.address, last.address),
    }
}

fn table(truths: &[Truth]) -> Table {
    let mut table = Table::new(&[
        Column::left("address", 0),
        Column::left("model", 0).cut_to(10),
        Column::right("hash rate", 2),
        Column::left("firmware", 3),
        Column::left("condition", 0),
        Column::left("what is wrong", 1).cut_to(12),
    ]);
    for truth in truths {
        let (word, tone) = condition(truth.condition);
        table.push(vec![
            Cell::new(truth.address.to_string()),
            Cell::new(model(truth)),
            Cell::known(truth.nominal_hashrate.map(|rate| format!("{rate:.1}"))),
            Cell::new(truth.face.name()),
            Cell::new(word).tone(tone),
            Cell::new(wrong(truth).join(", ")),
        ]);
    }
    table
}

fn miner(truth: &Truth, server: &FleetServer) -> Value {
    let (condition, _) = condition(truth.condition);
    json!({
        "ip": truth.address,
        "port": server.api_port(),
        "firmware": truth.face.name(),
        "family": truth.family,
        "make": truth.make,
        "model": truth.model,
        "mac_address": truth.mac,
        "serial": truth.serial,
        "hostname": truth.hostname,
        "nominal_hashrate_hs": truth.nominal_hashrate,
        "nominal_power_w": truth.nominal_power,
        "condition": condition,
        "faults": truth.faults.iter().map(|fault| fault.kind().name()).collect::<Vec<_>>(),
        "defects": truth.defects.iter().map(|defect| defect.name()).collect::<Vec<_>>(),
        "password_changed": truth.access.password.is_some(),
        "locked": truth.access.locked,
        "api": truth.access.api.name(),
        "expected_status": truth.expected_status(),
    })
}

/// Make and model as a client names them.
pub(crate) fn model(truth: &Truth) -> String {
    match (&truth.make, &truth.model) {
        (Some(make), Some(model)) => format!("{make} {model}"),
        (Some(make), None) => make.to_string(),
        (None, Some(model)) => model.clone(),
        (None, None) => "unknown".to_owned(),
    }
}

/// The names of what is wrong with it.
pub(crate) fn wrong(truth: &Truth) -> Vec<&'static str> {
    let faults = truth.faults.iter().map(|fault| fault.kind().name());
    faults.chain(truth.defects.iter().map(|defect| defect.name())).collect()
}

fn condition(condition: Condition) -> (&'static str, Tone) {
    match condition {
        Condition::Healthy => ("healthy", Tone::Good),
        Condition::Sick => ("sick", Tone::Warning),
        Condition::Idle => ("idle", Tone::Dim),
        Condition::Starting => ("starting", Tone::Dim),
        Condition::Gone => ("gone", Tone::Bad),
        _ => ("unknown", Tone::Dim),
    }
}

#[cfg(test)]
mod tests {
    //! What can be asked for, and where the miners are then.
    use super::*;

    #[test]
    fn ports_and_parts_are_read_with_their_bounds() {
        assert_eq!(web_port("off"), Ok(WebPort::Off));
        assert_eq!(web_port("8080"), Ok(WebPort::At(8080)));
        assert!(web_port("99999").is_err());
        assert_eq!(ratio("0.25"), Ok(0.25));
        assert_eq!(announce_to("127.0.0.9"), Ok(AnnounceTo([127, 0, 0, 9].into(), None)));
        assert_eq!(announce_to("127.0.0.9:14235"), Ok(AnnounceTo([127, 0, 0, 9].into(), Some(14_235))));
        assert!(announce_to("192.168.1.255").unwrap_err().contains("loopback"));
        assert!(announce_to("everybody").is_err());
        for text in ["1.01", "-0.1", "NaN", "many"] {
            assert!(ratio(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_miner_is_the_first_host_of_the_network() {
        assert_eq!(first_host("127.0.0.0/8".parse().unwrap()), Ipv4Addr::LOCALHOST);
        assert_eq!(first_host("127.90.1.128/25".parse().unwrap()), Ipv4Addr::new(127, 90, 1, 129));
        assert_eq!(first_host("127.90.1.7/32".parse().unwrap()), Ipv4Addr::new(127, 90, 1, 7));
    }
}
