//! The routing table as far as it matters here: which addresses are on a link, and by which interface.

use std::net::Ipv4Addr;

/// Routes of this machine, by the longest prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(Vec<Route>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    network: u32,
    mask: u32,
    /// The interface, where there is no router between.
    link: Option<String>,
}

/// Route is usable (Linux `route.h`, `RTF_UP`).
const UP: u32 = 1;

impl Routes {
    /// Reads what Linux tells in `/proc/net/route`. `needs_asking` says of an interface whether neighbours are asked for
    /// on it at all: not on the loopback, nor on a line with two ends.
    pub fn parse(text: &str, needs_asking: impl Fn(&str) -> bool) -> Self {
        let mut routes: Vec<Route> =
            text.lines().skip(1).filter_map(|line| route(line, &needs_asking)).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.mask));
        Self(routes)
    }

    /// The interface on whose link an address is.
    pub fn link_of(&self, ip: Ipv4Addr) -> Option<&str> {
        let ip = u32::from(ip);
        self.0.iter().find(|route| ip & route.mask == route.network)?.link.as_deref()
    }

    /// The interfaces that have a link.
    pub fn links(&self) -> Vec<&str> {
        let mut links: Vec<&str> = self.0.iter().filter_map(|route| route.link.as_deref()).collect();
        links.sort_unstable();
        links.dedup();
        links
    }
}

/// `eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF …`: interface, destination, gateway, flags, …, mask; addresses as the
/// machine's own numbers of network bytes.
fn route(line: &str, needs_asking: impl Fn(&str) -> bool) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [interface, destination, gateway, flags, _, _, _, mask, ..] = *fields.as_slice() else { return None };
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let address = |text: &str| Some(u32::from_be_bytes(number(text)?.to_ne_bytes()));
    if number(flags)? & UP == 0 {
        return None;
    }
    let on_link = address(gateway)? == 0 && needs_asking(interface);
    Some(Route {
        network: address(destination)?,
        mask: address(mask)?,
        link: on_link.then(|| interface.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    //! A table with everything in it.
    use super::*;

    /// As a little-endian machine prints it.
    const TABLE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        eth1\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth1\t0007000A\t0101A8C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        tun0\t0000000B\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n\
        eth2\t0000000C\t00000000\t0000\t0\t0\t0\t000000FF\t0\t0\t0\n\
        rubbish\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_longest_prefix_says_whether_there_is_a_router_between() {
        let routes = Routes::parse(TABLE, |interface| interface != "tun0");
        let link = |ip: &str| routes.link_of(ip.parse().unwrap());
        assert_eq!(link("192.168.1.77"), Some("eth0"));
        assert_eq!(link("192.168.2.77"), None, "by the router");
        assert_eq!(link("10.0.200.1"), Some("eth1"));
        assert_eq!(link("10.0.7.1"), None, "a part of it is behind a router");
        assert_eq!(link("11.0.0.1"), None, "nobody is asked for there");
        assert_eq!(link("12.0.0.1"), None, "the route is down");
        assert_eq!(routes.links(), ["eth0", "eth1"]);
        assert_eq!(Routes::parse("", |_| true), Routes::default());
    }
}
