//! The scanner on real networks: flat ones that are larger than the kernel's table of neighbours, and ones on which
//! something is wrong. Small enough for every change; the large ones are measured by `cargo xtask bench-scan`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use ipnet::Ipv4Net;

use super::results::Told;
use super::world::{FAR, Live, NEAR, NeighbourTable, Network, Shape, World};
use crate::process;

/// No scan here takes a tenth of this on a quiet machine.
const SECONDS: &str = "120";
/// Runs a program without the rights to open raw sockets and to change the kernel's tables.
pub(crate) const WITHOUT_RAW: &[&str] = &[
    "setpriv",
    "--inh-caps=-net_raw,-net_admin",
    "--ambient-caps=-net_raw,-net_admin",
    "--bounding-set=-net_raw,-net_admin",
];
/// Runs a program with hardly any descriptors.
const FEW_DESCRIPTORS: &[&str] = &["prlimit", "--nofile=256:256"];

/// The programs.
#[derive(Debug, Clone, Copy)]
struct Tools<'a> {
    bitlink: &'a Path,
    bench_net: &'a Path,
}

/// One check: what it shows, and how.
type Check = (&'static str, fn(Tools<'_>) -> Result<String>);

const CHECKS: &[Check] = &[
    ("a way out is noticed", a_way_out_is_noticed),
    ("a flat /20 with the right to ask by ARP", flat_with_the_right),
    ("a flat /22 without that right", flat_without_the_right),
    ("networks to which there is no route", no_route),
    ("an interface that is down, and a cable that is pulled out", interface_down),
    ("connections that this machine may not make", not_permitted),
    ("256 descriptors for 512 miners", few_descriptors),
    ("one port of three", one_port_of_three),
    ("tarpits among miners", tarpits),
];

/// Runs them all, within a tree of processes of their own, and says whether all was well. What fails is printed and counted.
pub(crate) fn run(bitlink: &Path, bench_net: &Path) -> bool {
    let tools = Tools { bitlink, bench_net };
    let mut failed = 0;
    for (name, check) in CHECKS {
        let began = Instant::now();
        let result = check(tools);
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(note) => println!("ok      {seconds:5.1} s  {name}: {note}"),
            Err(error) => {
                failed += 1;
                println!("FAILED  {seconds:5.1} s  {name}: {error:#}");
            }
        }
    }
    println!("{} checks, {failed} failed", CHECKS.len());
    failed == 0
}

impl Tools<'_> {
    fn world(self, network: &Network, serve: &[&str]) -> Result<World> {
        // A few machines are enough to be told apart, and are there sooner.
        World::build(network, self.bench_net, &[&["--machines", "64"], serve].concat())
    }

    /// Scans from the near side, by way of another program or not.
    fn scan(self, world: &World, through: &[&str], target: &str, options: &[&str]) -> Result<Told> {
        let mut scan = world.command(NEAR, Path::new("timeout"))?;
        scan.args(["--signal=KILL", SECONDS]).args(through).arg(self.bitlink);
        scan.args(["-q", "scan", target, "--format", "ndjson"]).args(options);
        if !options.contains(&"--answer-timeout") {
            // The scanner and all the machines share one computer, which may be busy.
            scan.args(["--answer-timeout", "30s"]);
        }
        let output = scan.stdin(std::process::Stdio::null()).output().context("cannot start the scan")?;
        let told = Told::read(output.stdout.as_slice())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let report = told.report.as_ref().with_context(|| {
            format!("the scan did not come to its end ({}) {}", output.status, said.trim_end())
        })?;
        ensure!(report.adds_up, "the outcomes do not add up: {:?}", told.counts);
        Ok(told)
    }
}

fn net(text: &str) -> Result<Ipv4Net> {
    text.parse().with_context(|| format!("{text} is no network"))
}

/// Fails unless exactly those are found who are there.
fn all_and_nobody_else(told: &Told, network: &Network) -> Result<()> {
    let wrong: Vec<_> = told.found.iter().filter(|ip| !network.is_live(**ip)).collect();
    ensure!(wrong.is_empty(), "found where nobody is: {wrong:?}");
    let (found, live) = (told.found.len() as u64, network.count());
    ensure!(found == live, "{found} of {live} found; {:?}; {}", told.counts, told.reasons.join("; "));
    Ok(())
}

/// Fails unless every endpoint came to one of these.
fn all_came_to(told: &Told, outcomes: &[&str]) -> Result<()> {
    let different: BTreeSet<&str> = outcomes.iter().copied().collect();
    let sum: u64 = different.iter().map(|outcome| told.count(outcome)).sum();
    let total = told.report.as_ref().map_or(0, |report| report.total);
    ensure!(total > 0 && sum == total, "{total} should be {}: {:?}", outcomes.join(" or "), told.counts);
    Ok(())
}

fn a_way_out_is_noticed(tools: Tools<'_>) -> Result<String> {
    let world = tools.world(&Network::new(Shape::Routed, net("10.18.0.0/24")?, 0), &[])?;
    let must_be_open = |what: &str| match world.must_be_closed() {
        Ok(()) => bail!("{what} was taken for closed"),
        Err(_) => Ok(()),
    };
    world.ip(NEAR, "route add default via 172.31.255.2")?;
    must_be_open("a network with a default route")?;
    world.ip(NEAR, "route del default")?;
    world.must_be_closed()?;
    // The other end stays with the first process of the tree, which is none of ours.
    let outside = "link add stray type veth peer name stray netns 1";
    world.ip(FAR, outside)?;
    must_be_open("a line that ends elsewhere")?;
    world.ip(FAR, "link del stray")?;
    world.must_be_closed()?;
    Ok("a default route, and a line that ends elsewhere".to_owned())
}

/// A flat network on which all must be found and the kernel's table must not run over.
fn flat(tools: Tools<'_>, network: &Network, through: &[&str], asks: bool) -> Result<String> {
    // All namespaces of a machine share the table, so somebody else may have filled it.
    let mut told_before = String::new();
    for _ in 0..2 {
        let world = tools.world(network, &[])?;
        let before = NeighbourTable::now()?;
        let told = tools.scan(&world, through, &network.net.to_string(), &[])?;
        let fulls = NeighbourTable::now()?.table_fulls - before.table_fulls;
        ensure!(told.asks == Some(asks), "it asks by ARP: {:?}", told.asks);
        all_and_nobody_else(&told, network)?;
        if fulls == 0 {
            let more = told.count("silent") + told.count("unreachable");
            return Ok(format!("{} found, {more} not there, no overflow", told.found.len()));
        }
        told_before = format!("the kernel's table of neighbours ran over {fulls} times");
    }
    bail!("{told_before}")
}

fn flat_with_the_right(tools: Tools<'_>) -> Result<String> {
    flat(tools, &Network::new(Shape::Flat, net("10.18.0.0/20")?, 256), &[], true)
}

fn flat_without_the_right(tools: Tools<'_>) -> Result<String> {
    flat(tools, &Network::new(Shape::Flat, net("10.18.0.0/22")?, 120), WITHOUT_RAW, false)
}

fn no_route(tools: Tools<'_>) -> Result<String> {
    let network = Network::new(Shape::Routed, net("10.18.0.0/24")?, 16);
    let world = tools.world(&network, &[])?;
    let told = tools.scan(&world, &[], "10.99.0.0/24", &[])?;
    all_came_to(&told, &["unreachable"])?;
    // The router says so, for a network that it does not know.
    world.ip(FAR, "route add unreachable 10.98.0.0/24")?;
    world.ip(NEAR, "route add 10.98.0.0/24 via 172.31.255.2")?;
    world.shell(FAR, "echo 1 >/proc/sys/net/ipv4/ip_forward")?;
    world.must_be_closed()?;
    let told = tools.scan(&world, &[], "10.98.0.0/24", &[])?;
    // A router sends no more than a few such messages a second; whom it does not tell of is silent.
    all_came_to(&told, &["unreachable", "silent"])?;
    ensure!(told.count("unreachable") > 0, "what the router says is not heard: {:?}", told.counts);
    // Some have a route and some have none.
    let told = tools.scan(&world, &[], "10.18.0.0/24", &["--exclude", "10.18.0.1"])?;
    all_and_nobody_else(&told, &network)?;
    Ok("unreachable, by ourselves and by the router's word".to_owned())
}

fn interface_down(tools: Tools<'_>) -> Result<String> {
    let network = Network::new(Shape::Flat, net("10.18.0.0/24")?, 16);
    let world = tools.world(&network, &[])?;
    world.ip(FAR, "link set line down")?;
    let told = tools.scan(&world, &[], "10.18.0.0/24", &["--exclude", "10.18.0.1"])?;
    all_came_to(&told, &["unreachable", "silent"])?;
    let pulled = told.counts.clone().unwrap_or_default();
    world.ip(NEAR, "link set line down")?;
    let told = tools.scan(&world, &[], "10.18.0.0/24", &["--exclude", "10.18.0.1"])?;
    all_came_to(&told, &["unreachable"])?;
    // And back again, on the same network.
    world.ip(FAR, "link set line up\nroute replace 10.18.0.1/32 dev line")?;
    world.ip(NEAR, "link set line up")?;
    let told = tools.scan(&world, &[], "10.18.0.0/24", &[])?;
    all_and_nobody_else(&told, &network)?;
    let silent = pulled.get("silent").copied().unwrap_or(0);
    Ok(format!("unreachable, but for {silent} silent behind the cable; all found when it is back"))
}

fn not_permitted(tools: Tools<'_>) -> Result<String> {
    let network = Network::new(Shape::Routed, net("10.18.0.0/24")?, 16);
    let world = tools.world(&network, &[])?;
    world.ip(NEAR, "route replace prohibit 10.18.0.0/25")?;
    let told = tools.scan(&world, &[], "10.18.0.0-10.18.0.127", &[])?;
    all_came_to(&told, &["denied"])?;
    let told = tools.scan(&world, &[], "10.18.0.0/24", &[])?;
    let live: BTreeSet<Ipv4Addr> = match &network.live {
        Live::These(live) => live.iter().copied().filter(|ip| ip.octets()[3] > 127).collect(),
        Live::All => BTreeSet::new(),
    };
    ensure!(
        !live.is_empty() && told.found == live,
        "{} of {} found beside them",
        told.found.len(),
        live.len()
    );
    if !process::succeeds(Command::new("nft").arg("--version")) {
        return Ok("denied by a route; firewalls were not tried, nft is not installed".to_owned());
    }
    // Of a packet that this machine itself drops TCP is not told (Linux, `tcp_connect`).
    for (verdict, outcome) in [("drop", "silent"), ("reject with icmp type admin-prohibited", "unreachable")]
    {
        world.shell(
            NEAR,
            &format!(
                "nft flush ruleset; nft add table ip t; \
                 nft 'add chain ip t out {{ type filter hook output priority 0; }}'; \
                 nft add rule ip t out ip daddr 10.18.0.128/25 {verdict}"
            ),
        )?;
        let told = tools.scan(&world, &[], "10.18.0.128-10.18.0.255", &[])?;
        // A kernel sends itself no more than so many messages a second; whom it does not tell of is silent.
        all_came_to(&told, &[outcome, "silent"])?;
        ensure!(told.count(outcome) > 0, "nobody is {outcome} behind `{verdict}`: {:?}", told.counts);
    }
    Ok("denied by a route; by a firewall silent or unreachable".to_owned())
}

fn few_descriptors(tools: Tools<'_>) -> Result<String> {
    let network = Network::new(Shape::Routed, net("10.18.0.0/23")?, 512);
    let world = tools.world(&network, &[])?;
    let options = ["--include-network-broadcast"];
    let told = tools.scan(&world, FEW_DESCRIPTORS, "10.18.0.0/23", &options)?;
    all_and_nobody_else(&told, &network)?;
    // More at a time than there are descriptors: it has to narrow itself.
    let options = ["--include-network-broadcast", "--concurrency", "2000"];
    let told = tools.scan(&world, FEW_DESCRIPTORS, "10.18.0.0/23", &options)?;
    all_and_nobody_else(&told, &network)?;
    Ok("all found, also when more are asked for at a time".to_owned())
}

fn one_port_of_three(tools: Tools<'_>) -> Result<String> {
    let network = Network::new(Shape::Routed, net("10.18.0.0/26")?, 8);
    let world = tools.world(&network, &["--api-port", "4029", "--no-web"])?;
    let options = ["--port", "4028", "--port", "4029", "--port", "4030"];
    let target = "10.18.0.0/26";
    let told = tools.scan(&world, &[], target, &options)?;
    all_and_nobody_else(&told, &network)?;
    ensure!(told.count("found") == 8, "one outcome of three is a miner: {:?}", told.counts);
    ensure!(told.count("refused") == 16, "the other two are refused: {:?}", told.counts);
    // Whoever has a firewall says nothing at the other two.
    for port in [4028, 4030, 80, 443] {
        world.ip(FAR, &format!("rule add pref 0 iif line ipproto tcp dport {port} blackhole"))?;
    }
    world.must_be_closed()?;
    let told = tools.scan(&world, &[], target, &options)?;
    all_and_nobody_else(&told, &network)?;
    ensure!(told.count("found") == 8, "one outcome of three is a miner: {:?}", told.counts);
    Ok("found at it, whether the others refuse or are silent".to_owned())
}

fn tarpits(tools: Tools<'_>) -> Result<String> {
    let whole = Network::new(Shape::Routed, net("10.18.0.0/25")?, 24);
    let Live::These(live) = &whole.live else { bail!("not all of them") };
    let (pits, miners) = live.split_at_checked(8).context("too few")?;
    let (mute, drip) = pits.split_at_checked(4).context("too few")?;
    let list = |ips: &[Ipv4Addr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let world = tools.world(&whole, &["--mute", &list(mute), "--drip", &list(drip)])?;
    let told = tools.scan(&world, &[], "10.18.0.0/25", &["--answer-timeout", "1s"])?;
    let found: Vec<Ipv4Addr> = told.found.iter().copied().collect();
    ensure!(found == miners, "{} found of {}; {:?}", found.len(), miners.len(), told.counts);
    let named = told.count("failed") + told.count("not_identified") + told.count("not_a_miner");
    ensure!(named == 8, "8 tarpits should be told of: {:?}", told.counts);
    Ok(format!("{} miners found, 8 tarpits told of", found.len()))
}
