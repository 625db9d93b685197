//! Neighbours on Linux: routes, interfaces and who is known from `/proc` and `/sys`, the table's size and how often it was full by
//! netlink, and ARP by a raw socket where this process may have one.

use super::arp::Arp;
use super::table::{self, Table};
use super::{Neighbours, Routes};
use async_trait::async_trait;
use bitlink_protocol::model::Mac;
use nix::net::if_::if_nametoindex;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The table's limit where it is not told (`neighbour.c`, `arp_tbl`).
const USUAL_TABLE: usize = 1_024;
/// Places that are left to everybody else.
const RESERVE: usize = 64;
/// Flags of an interface (`if.h`).
const LOOPBACK: u32 = 0x8;
const POINT_TO_POINT: u32 = 0x10;
const NO_ARP: u32 = 0x80;

/// See the file.
#[derive(Debug)]
pub(super) struct SystemNeighbours {
    routes: Routes,
    /// By interface; empty without the right. Opened when somebody wants to ask.
    arp: OnceLock<HashMap<String, Arp>>,
    /// Who is in the kernel's table, and when that was looked up.
    table: Mutex<Option<(Instant, HashMap<Ipv4Addr, Mac>)>>,
    /// How often the table had been full, and when that was asked.
    overflows: Mutex<Option<(Instant, u64)>>,
}

/// What the system tells is looked up no more often than about this.
const FRESH: Duration = Duration::from_millis(100);

impl SystemNeighbours {
    /// As the system is now.
    pub(super) fn new() -> Option<Self> {
        let routes = Routes::parse(&fs::read_to_string("/proc/net/route").ok()?, needs_asking);
        Some(Self { routes, arp: OnceLock::new(), table: Mutex::default(), overflows: Mutex::default() })
    }

    fn arp(&self) -> &HashMap<String, Arp> {
        let open = |link: &str| match Arp::open(link) {
            Ok(arp) => Some((link.to_owned(), arp)),
            Err(error) => {
                tracing::debug!(link, %error, "no ARP of our own");
                None
            }
        };
        self.arp.get_or_init(|| self.routes.links().into_iter().filter_map(open).collect())
    }
}

#[async_trait]
impl Neighbours for SystemNeighbours {
    fn is_on_link(&self, ip: IpAddr) -> bool {
        matches!(ip, IpAddr::V4(ip) if self.routes.link_of(ip).is_some())
    }

    fn room(&self) -> usize {
        let limit = Table::read().and_then(|table| usize::try_from(table.limit).ok());
        limit.unwrap_or(USUAL_TABLE).saturating_sub(RESERVE).max(RESERVE)
    }

    fn overflows(&self) -> u64 {
        let mut last = self.overflows.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((when, times)) if when.elapsed() < FRESH / 2 => times,
            _ => {
                let before = last.map_or(0, |(_, times)| times);
                let times = Table::read().map_or(before, |table| table.times_full);
                last.insert((Instant::now(), times)).1
            }
        }
    }

    fn held(&self) -> HashSet<Ipv4Addr> {
        table::held().map_or_else(
            |error| {
                tracing::debug!(%error, "neighbours are not told by netlink");
                // Everybody, dead or alive.
                let all = fs::read_to_string("/proc/net/arp").unwrap_or_default();
                let ip = |line: &str| line.split_whitespace().next()?.parse().ok();
                all.lines().skip(1).filter_map(ip).collect()
            },
            HashSet::from_iter,
        )
    }

    fn forget(&self, ips: &[Ipv4Addr]) -> bool {
        let mut numbers = HashMap::new();
        let at = |ip: &Ipv4Addr| {
            let link = self.routes.link_of(*ip)?;
            let number = *numbers.entry(link).or_insert_with(|| if_nametoindex(link).unwrap_or(0));
            Some((number, *ip))
        };
        let all: Vec<(u32, Ipv4Addr)> = ips.iter().filter_map(at).collect();
        match table::forget(&all) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "neighbours cannot be forgotten");
                false
            }
        }
    }

    fn knows(&self, ip: Ipv4Addr) -> bool {
        self.with_table(FRESH, |known| known.contains_key(&ip))
    }

    fn mac_of(&self, ip: Ipv4Addr) -> Option<Mac> {
        self.routes.link_of(ip)?;
        let look = |known: &HashMap<Ipv4Addr, Mac>| known.get(&ip).copied();
        // Whoever has just been talked to may have come into the table since it was read.
        self.with_table(FRESH, look).or_else(|| self.with_table(FRESH / 10, look))
    }

    fn table(&self) -> Vec<(Ipv4Addr, Mac)> {
        let on_link = |ip: Ipv4Addr| self.routes.link_of(ip).is_some();
        self.with_table(FRESH, |known| {
            known.iter().map(|(ip, mac)| (*ip, *mac)).filter(|(ip, _)| on_link(*ip)).collect()
        })
    }

    fn can_ask(&self) -> bool {
        let links = self.routes.links();
        !links.is_empty() && links.iter().all(|link| self.arp().contains_key(*link))
    }

    async fn ask(&self, ip: Ipv4Addr) -> Mac {
        match self.routes.link_of(ip).and_then(|link| self.arp().get(link)) {
            Some(arp) => arp.ask(ip).await,
            None => std::future::pending().await,
        }
    }
}

impl SystemNeighbours {
    /// Looks into the table as it was so long ago at most.
    fn with_table<T>(&self, age: Duration, look: impl FnOnce(&HashMap<Ipv4Addr, Mac>) -> T) -> T {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, known)) = &*table
            && when.elapsed() < age
        {
            return look(known);
        }
        let known = fs::read_to_string("/proc/net/arp").map(|text| resolved(&text)).unwrap_or_default();
        look(&table.insert((Instant::now(), known)).1)
    }
}

fn needs_asking(interface: &str) -> bool {
    let flags = fs::read_to_string(format!("/sys/class/net/{interface}/flags")).ok();
    let flags = flags.and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    // Where nothing is known of an interface it is taken for the usual kind.
    flags.is_none_or(|flags| flags & (LOOPBACK | POINT_TO_POINT | NO_ARP) == 0)
}

/// The neighbours of `/proc/net/arp` that have answered: `192.168.1.7 0x1 0x2 02:00:00:00:00:07 * eth0`, with the flag of
/// an entry that is complete (`if_arp.h`, `ATF_COM`).
fn resolved(text: &str) -> HashMap<Ipv4Addr, Mac> {
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let ip = fields.next()?.parse().ok()?;
        let flags = u32::from_str_radix(fields.nth(1)?.trim_start_matches("0x"), 16).ok()?;
        let mac = fields.next()?.parse().ok()?;
        (flags & 0x2 != 0).then_some((ip, mac))
    };
    text.lines().skip(1).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    //! What the system tells, and what it tells in other forms.
    use super::*;

    #[test]
    fn neighbours_that_were_only_asked_for_are_not_known() {
        let text = "IP address  HW type  Flags  HW address  Mask  Device\n\
            192.0.2.1  0x1  0x2  02:00:00:00:00:01  *  eth0\n\
            192.0.2.2  0x1  0x0  00:00:00:00:00:00  *  eth0\n\
            rubbish\n";
        let known = (Ipv4Addr::new(192, 0, 2, 1), Mac::new([2, 0, 0, 0, 0, 1]));
        assert_eq!(resolved(text), HashMap::from([known]));
        assert!(resolved("").is_empty());
    }

    #[test]
    fn the_loopback_is_no_link_and_there_is_always_some_room() {
        // Without the file there is nothing to know.
        let Some(neighbours) = SystemNeighbours::new() else { return };
        assert!(!neighbours.is_on_link([127, 0, 0, 1].into()));
        assert!(neighbours.room() >= RESERVE);
    }
}
