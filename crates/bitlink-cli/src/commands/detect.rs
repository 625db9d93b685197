//! `bitlink detect`: the networks of this machine that are worth scanning. Looks at the machine's own interfaces and
//! sends nothing.

use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::count;
use clap::{Args, ValueEnum};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// List the networks here that are worth scanning; sends nothing
#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
}

/// Forms of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
}

/// A network that this machine is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subnet {
    interface: String,
    own: IpAddr,
    net: IpNet,
}

pub(crate) fn run(args: &DetectArgs, console: Console) -> Result<Exit, Failure> {
    let interfaces = if_addrs::get_if_addrs().map_err(|error| {
        Failure::new(Exit::SomeFailed, "cannot list the network interfaces").because(&error)
    })?;
    let subnets = worth_scanning(interfaces.into_iter().filter_map(|i| subnet(i.name, &i.addr)));
    match args.format {
        Format::Json => document(&subnets)?,
        Format::Table => table(&subnets, console)?,
    }
    Ok(if subnets.is_empty() { Exit::NothingFound } else { Exit::Fine })
}

/// What an interface is part of; nothing where its mask is no mask.
fn subnet(interface: String, address: &if_addrs::IfAddr) -> Option<Subnet> {
    let net = match address {
        if_addrs::IfAddr::V4(v4) => IpNet::V4(Ipv4Net::with_netmask(v4.ip, v4.netmask).ok()?.trunc()),
        if_addrs::IfAddr::V6(v6) => IpNet::V6(Ipv6Net::with_netmask(v6.ip, v6.netmask).ok()?.trunc()),
    };
    Some(Subnet { interface, own: address.ip(), net })
}

/// The private networks that can be scanned as a whole, each once, smallest first.
fn worth_scanning(all: impl IntoIterator<Item = Subnet>) -> Vec<Subnet> {
    let mut each: BTreeMap<IpNet, Subnet> = BTreeMap::new();
    for subnet in all {
        let worth = match (subnet.own, subnet.net) {
            (IpAddr::V4(own), IpNet::V4(net)) => is_private_v4(own) && net.prefix_len() < 31,
            // A usual IPv6 network has more addresses than can be tried in a lifetime.
            (IpAddr::V6(own), IpNet::V6(net)) => is_private_v6(own) && (108..128).contains(&net.prefix_len()),
            _ => false,
        };
        if worth {
            each.entry(subnet.net).or_insert(subnet);
        }
    }
    let mut worth: Vec<Subnet> = each.into_values().collect();
    worth.sort_by_key(|subnet| (hosts(subnet.net), subnet.net));
    worth
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 is what carriers and overlay networks hand out.
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    (address.is_private() || shared) && !address.is_loopback() && !address.is_link_local()
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_unique_local()
}

/// How many addresses a scan of a network tries.
fn hosts(net: IpNet) -> u128 {
    match net {
        IpNet::V4(net) => (1_u128 << (32 - net.prefix_len())).saturating_sub(2),
        IpNet::V6(net) => 1_u128.checked_shl(u32::from(128 - net.prefix_len())).unwrap_or(u128::MAX),
    }
}

/// The command that scans it.
fn command(net: IpNet) -> String {
    // The limit of a scan that is not told otherwise.
    let limit = bitlink_miner_manager::ScanConfig::default().max_addresses;
    let hosts = hosts(net);
    if hosts > u128::from(limit) {
        format!("bitlink scan {net} --max-addresses {hosts}")
    } else {
        format!("bitlink scan {net}")
    }
}

fn table(subnets: &[Subnet], console: Console) -> Result<(), Failure> {
    let mut out = console.out();
    if subnets.is_empty() {
        writeln!(out, "No private network here is small enough to be scanned as a whole.")?;
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::left("network", 0),
        Column::right("addresses", 1),
        Column::left("interface", 2),
        Column::left("own address", 3),
        Column::left("scan it with", 0),
    ]);
    for subnet in subnets {
        table.push(vec![
            Cell::new(subnet.net.to_string()),
            Cell::new(u64::try_from(hosts(subnet.net)).map_or_else(|_| "too many".to_owned(), count)),
            Cell::new(&subnet.interface),
            Cell::new(subnet.own.to_string()),
            Cell::new(command(subnet.net)).tone(Tone::Strong),
        ]);
    }
    write!(out, "{}", table.render(console::room()))?;
    out.flush()?;
    Ok(())
}

fn document(subnets: &[Subnet]) -> Result<(), Failure> {
    let list: Vec<serde_json::Value> = subnets
        .iter()
        .map(|subnet| {
            serde_json::json!({
                "network": subnet.net.to_string(),
                "addresses": u64::try_from(hosts(subnet.net)).ok(),
                "interface": subnet.interface,
                "own_ip": subnet.own,
                "command": command(subnet.net),
            })
        })
        .collect();
    json::pretty(&mut io::stdout().lock(), &serde_json::json!({ "subnets": list }))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Which networks are worth scanning.
    use super::*;

    fn on(interface: &str, own: &str, net: &str) -> Subnet {
        Subnet { interface: interface.to_owned(), own: own.parse().unwrap(), net: net.parse().unwrap() }
    }

    #[test]
    fn private_networks_each_once_and_smallest_first() {
        let found = worth_scanning([
            on("lo", "127.0.0.1", "127.0.0.0/8"),
            on("lo", "::1", "::1/128"),
            on("docker0", "172.17.0.1", "172.17.0.0/16"),
            on("eth0", "192.168.1.20", "192.168.1.0/24"),
            on("wlan0", "192.168.1.21", "192.168.1.0/24"),
            on("eth0", "fe80::1", "fe80::/64"),
            on("eth0", "fd00::14", "fd00::/64"),
            on("eth0", "fd00:1::14", "fd00:1::/120"),
            on("ppp0", "10.8.0.2", "10.8.0.2/32"),
            on("wan0", "203.0.113.9", "203.0.113.0/24"),
            on("zeroconf", "169.254.3.4", "169.254.0.0/16"),
        ]);
        let nets: Vec<String> = found.iter().map(|subnet| subnet.net.to_string()).collect();
        assert_eq!(nets, ["192.168.1.0/24", "fd00:1::/120", "172.17.0.0/16"]);
        assert_eq!(found[0].interface, "eth0");
    }

    #[test]
    fn a_network_over_the_limit_says_how_to_scan_it() {
        assert_eq!(command("10.0.0.0/24".parse().unwrap()), "bitlink scan 10.0.0.0/24");
        let all = command("10.0.0.0/8".parse().unwrap());
        assert_eq!(all, "bitlink scan 10.0.0.0/8 --max-addresses 16777214");
    }
}
