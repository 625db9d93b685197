//! Networks out of namespaces: who is on them, what is between, and what answers. The scanner is always in `near`, the
//! machines are in `far`, and where a line is bad it goes through `mid`.
//!
//! Addresses are private ones and exist in the namespaces only. Whoever builds a world is in a tree of its own
//! ([`super::sandbox`]) already.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;
use serde::Deserialize;

use super::guard::{self, Seen};
use crate::process;

/// Where the scanner is.
pub(crate) const NEAR: &str = "near";
/// Where the machines are.
pub(crate) const FAR: &str = "far";
/// Where a bad line goes through.
const MID: &str = "mid";
/// The line between the two, where the machines are behind a router.
const NEAR_IP: &str = "172.31.255.1/30";
const FAR_IP: &str = "172.31.255.2";
/// How long a helper may take until it is ready.
const READY: Duration = Duration::from_mins(1);
/// How long neighbours of a world that is gone may linger in the kernel's table.
const LINGER: Duration = Duration::from_secs(20);
/// Neighbours that disturb nobody.
const FEW: u64 = 48;

/// What is between the scanner and the machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing: the scanner's own loopback, where everybody refuses, or everybody in 127/8 is there.
    Loopback,
    /// A router that drops what is for nobody.
    Routed,
    /// The same behind a line that is slow and loses packets.
    Bad,
    /// One wire, on which nobody answers for whoever is not there.
    Flat,
}

/// A network and who is on it.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) shape: Shape,
    pub(crate) net: Ipv4Net,
    pub(crate) live: Live,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Live {
    /// Every address, the first and the last included.
    All,
    /// These.
    These(Vec<Ipv4Addr>),
}

impl Network {
    /// A network on which so many are, scattered, and the same ones every time; all of them when that is how many there are.
    pub(crate) fn new(shape: Shape, net: Ipv4Net, live: usize) -> Self {
        let size = 1_u64 << (32 - net.prefix_len());
        let live = if live as u64 == size { Live::All } else { Live::These(scattered(net, live)) };
        Self { shape, net, live }
    }

    /// How many are there.
    pub(crate) fn count(&self) -> u64 {
        match &self.live {
            Live::All => 1 << (32 - self.net.prefix_len()),
            Live::These(live) => live.len() as u64,
        }
    }

    /// Whether somebody is at an address.
    pub(crate) fn is_live(&self, ip: Ipv4Addr) -> bool {
        match &self.live {
            Live::All => self.net.contains(&ip),
            // In ascending order.
            Live::These(live) => live.binary_search(&ip).is_ok(),
        }
    }

    /// The scanner's own address on a flat network.
    fn own_ip(&self) -> Ipv4Addr {
        self.net.hosts().next().unwrap_or(self.net.network())
    }
}

/// So many addresses of a network, in ascending order: neither its first two (the scanner has the second) nor its last.
fn scattered(net: Ipv4Net, count: usize) -> Vec<Ipv4Addr> {
    let first = u32::from(net.network());
    let size = u32::from(net.broadcast()) - first + 1;
    let mut chosen = std::collections::BTreeSet::new();
    // A full period over any power of two (Hull and Dobell), so that every address comes up once.
    let mut number = 1_u32;
    while chosen.len() < count.min(size.saturating_sub(3) as usize) {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The high bits are the scattered ones.
        let place =
            if size.is_power_of_two() && size > 1 { number >> (32 - size.ilog2()) } else { number % size };
        if place > 1 && place < size - 1 {
            chosen.insert(Ipv4Addr::from(first + place));
        }
    }
    chosen.into_iter().collect()
}

/// Namespaces, and the programs that belong to them. Dropping it ends and removes them.
#[derive(Debug)]
pub(crate) struct World {
    names: Vec<&'static str>,
    helpers: Vec<Child>,
}

impl World {
    /// Builds a network and starts what answers on it. It is closed, or there is none.
    ///
    /// # Errors
    ///
    /// When something cannot be made, does not get ready, or leads out.
    pub(crate) fn build(network: &Network, bench_net: &Path, serve: &[&str]) -> Result<Self> {
        let names: &[&'static str] = match network.shape {
            Shape::Loopback => &[NEAR],
            Shape::Routed | Shape::Flat => &[NEAR, FAR],
            Shape::Bad => &[NEAR, FAR, MID],
        };
        let mut world = Self::empty(names)?;
        world.lay(network)?;
        world.populate(network)?;
        world.must_be_closed()?;
        if network.shape == Shape::Bad {
            world.start(MID, bench_net, &["relay", "one", "other"])?;
        }
        if network.count() > 0 {
            let whole = [&["serve"], serve].concat();
            let there = if network.shape == Shape::Loopback { NEAR } else { FAR };
            world.start(there, bench_net, &whole)?;
        }
        Ok(world)
    }

    /// Namespaces with nothing but a loopback.
    fn empty(names: &[&'static str]) -> Result<Self> {
        let mut world = Self { names: Vec::new(), helpers: Vec::new() };
        for name in names {
            process::capture(Command::new("ip").args(["netns", "add", name]))?;
            world.names.push(name);
            world.ip(name, "link set lo up")?;
        }
        for name in names {
            // Neighbours of another family would only be noise. The queue of connections that wait is that of thousands of
            // machines, which share one listener.
            world.shell(
                name,
                "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done; \
                 echo 65535 >/proc/sys/net/core/somaxconn; echo 65535 >/proc/sys/net/ipv4/tcp_max_syn_backlog",
            )?;
        }
        Ok(world)
    }

    /// Lays the lines.
    fn lay(&self, network: &Network) -> Result<()> {
        // A segment at a time, for the relay.
        let line = |one: &str, name: &str, other: &str| {
            format!("link add {one} gso_max_segs 1 type veth peer name {name} gso_max_segs 1 netns {other}")
        };
        match network.shape {
            Shape::Loopback => return Ok(()),
            Shape::Bad => {
                self.ip(NEAR, &line("line", "one", MID))?;
                self.ip(MID, &format!("{}\nlink set one up\nlink set other up", line("other", "line", FAR)))?;
            }
            Shape::Routed | Shape::Flat => {
                self.ip(NEAR, &format!("link add line type veth peer name line netns {FAR}"))?;
            }
        }
        let net = network.net;
        if network.shape == Shape::Flat {
            let own = network.own_ip();
            self.ip(NEAR, &format!("addr add {own}/{} dev line\nlink set line up", net.prefix_len()))?;
            self.ip(FAR, &format!("link set line up\nroute add {own}/32 dev line"))
        } else {
            self.ip(
                NEAR,
                &format!("addr add {NEAR_IP} dev line\nlink set line up\nroute add {net} via {FAR_IP}"),
            )?;
            self.ip(
                FAR,
                &format!("addr add {FAR_IP}/30 dev line\nlink set line up\nroute add blackhole {net}"),
            )
        }
    }

    /// Makes the addresses of those who are there the far side's own.
    fn populate(&self, network: &Network) -> Result<()> {
        let own = |what: &str| format!("route add local {what} dev lo\n");
        match &network.live {
            // Every address of 127/8 is.
            _ if network.shape == Shape::Loopback => Ok(()),
            Live::These(live) if live.is_empty() => Ok(()),
            Live::These(live) => {
                let lines: String = live.iter().map(|ip| own(&format!("{ip}/32"))).collect();
                self.ip(FAR, &lines)
            }
            Live::All => self.ip(FAR, &own(&network.net.to_string())),
        }
    }

    /// Fails where there is a way out.
    ///
    /// # Errors
    ///
    /// With what it is.
    pub(crate) fn must_be_closed(&self) -> Result<()> {
        let seen = self.names.iter().map(|name| Seen::of(name)).collect::<Result<Vec<_>>>()?;
        match guard::way_out(&seen) {
            Some(way) => bail!("nothing is scanned where packets could get out: {way}"),
            None => Ok(()),
        }
    }

    /// Runs lines of `ip` in a namespace.
    ///
    /// # Errors
    ///
    /// When one of them fails.
    pub(crate) fn ip(&self, namespace: &str, lines: &str) -> Result<()> {
        let mut ip = Command::new("ip");
        ip.args(["-n", self.own(namespace)?, "-batch", "-"]);
        let mut child = ip.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            writeln!(input, "{}", lines.trim_end())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`ip` in {namespace}: {}", said.trim_end());
        }
        Ok(())
    }

    /// A program in a namespace, still without arguments.
    ///
    /// # Errors
    ///
    /// When the namespace is none of this world's.
    pub(crate) fn command(&self, namespace: &str, program: &Path) -> Result<Command> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.own(namespace)?]).arg(program);
        Ok(command)
    }

    /// A namespace of this world, and of no other.
    fn own(&self, namespace: &str) -> Result<&'static str> {
        let own = self.names.iter().find(|name| **name == namespace);
        own.copied().with_context(|| format!("{namespace} is none of our namespaces"))
    }

    /// Runs a line of shell in a namespace.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub(crate) fn shell(&self, namespace: &str, line: &str) -> Result<String> {
        process::capture(self.command(namespace, Path::new("sh"))?.args(["-ec", line]))
    }

    /// Starts a helper and waits until it says that it is ready.
    fn start(&mut self, namespace: &str, program: &Path, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(namespace, program)?;
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let output = child.stdout.take().context("a helper without an output")?;
        self.helpers.push(child);
        let (heard, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            let is_ready = output.read_line(&mut line).is_ok() && line.trim() == "ready";
            let _ = heard.send(is_ready);
            // What it says later is of no interest, but somebody has to listen.
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
        match wait.recv_timeout(READY) {
            Ok(true) => Ok(()),
            _ => bail!("`bench-net {}` does not get ready", arguments.join(" ")),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for mut helper in self.helpers.drain(..) {
            // Its lifeline. What cannot be ended any more has ended.
            drop(helper.stdin.take());
            let _ = helper.kill();
            let _ = helper.wait();
        }
        for name in self.names.drain(..) {
            if let Err(error) = process::capture(Command::new("ip").args(["netns", "del", name])) {
                eprintln!("{name} stays until the end: {error:#}");
            }
        }
        if let Err(error) = wait_for_room() {
            eprintln!("{error:#}");
        }
    }
}

/// The kernel's table of neighbours, which all namespaces of a machine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct NeighbourTable {
    /// How many there are.
    pub(crate) entries: u64,
    /// How many there may be.
    pub(crate) thresh3: u64,
    /// How often there was no room.
    pub(crate) table_fulls: u64,
}

impl NeighbourTable {
    /// As it is now.
    ///
    /// # Errors
    ///
    /// When `ip` does not tell.
    pub(crate) fn now() -> Result<Self> {
        let text = process::capture(Command::new("ip").args([
            "-json",
            "-s",
            "ntable",
            "show",
            "name",
            "arp_cache",
        ]))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let tables: Vec<serde_json::Value> =
            serde_json::from_str(text).context("`ip ntable` answered in an unknown shape")?;
        // The first is the table; those of the interfaces have no entries of their own.
        let table = tables.into_iter().find(|table| table.get("entries").is_some());
        serde_json::from_value(table.context("there is no table of neighbours")?)
            .context("`ip ntable` answered in an unknown shape")
    }
}

/// Waits until neighbours of a world that is gone have left the table that all worlds share.
fn wait_for_room() -> Result<()> {
    let began = Instant::now();
    loop {
        let table = NeighbourTable::now()?;
        if table.entries <= FEW {
            return Ok(());
        }
        if began.elapsed() > LINGER {
            bail!("{} neighbours linger in the kernel's table; somebody else may be at work", table.entries);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    //! Who is where, and the kernel's table.
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_live_are_scattered_and_none_is_where_nobody_can_be() {
        for (text, count) in
            [("10.18.0.0/24", 16), ("10.18.0.0/22", 478), ("10.18.0.0/16", 1_024), ("10.18.0.0/30", 1)]
        {
            let network = Network::new(Shape::Flat, net(text), count);
            let Live::These(live) = &network.live else { panic!("not all of them") };
            assert_eq!(live.len(), count, "{text}");
            assert!(live.is_sorted());
            for ip in live {
                assert!(network.net.contains(ip) && network.is_live(*ip));
                assert!(![network.net.network(), network.net.broadcast(), network.own_ip()].contains(ip));
            }
        }
        let networks: std::collections::BTreeSet<_> =
            scattered(net("10.18.0.0/16"), 1_024).into_iter().map(|ip| ip.octets()[2]).collect();
        assert!(networks.len() > 200, "they are in {} networks of 256", networks.len());
    }

    #[test]
    fn as_many_as_there_are_addresses_is_everybody() {
        let network = Network::new(Shape::Routed, net("10.18.0.0/20"), 4_096);
        assert_eq!((network.live.clone(), network.count()), (Live::All, 4_096));
        assert!(network.is_live(Ipv4Addr::new(10, 18, 15, 255)));
        assert!(!network.is_live(Ipv4Addr::new(10, 18, 16, 0)));
        assert_eq!(Network::new(Shape::Routed, net("10.0.0.0/8"), 0).count(), 0);
    }

    #[test]
    fn the_table_is_the_one_with_entries() {
        let text =
            r#"[{"dev":"lo","refcnt":1},{"family":"inet","thresh3":1024,"entries":2,"table_fulls":7}]"#;
        let table = NeighbourTable::parse(text).unwrap();
        assert_eq!(table, NeighbourTable { entries: 2, thresh3: 1024, table_fulls: 7 });
        assert!(NeighbourTable::parse("[]").is_err());
    }
}
