//! Hardware addresses that were learnt on the way: from whoever answered for an address on this machine's own networks, from
//! the system's table of neighbours, and from what machines say of themselves before they are asked. Evidence of who a
//! miner is, where it does not say so itself.

use crate::neighbours::Neighbours;
use bitlink_protocol::model::{Mac, MinerSnapshot};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// So many addresses are remembered; later ones are told nothing about. A flat network has some thousands.
const MOST: usize = 1 << 17;

/// Hardware addresses that were learnt on the way.
#[derive(Debug, Default)]
pub struct Links {
    neighbours: Option<Arc<dyn Neighbours>>,
    learnt: Mutex<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    seen: HashMap<IpAddr, Mac>,
    said: HashMap<IpAddr, Mac>,
    /// Where each was first met, or `None` for one that has several addresses: a router that answers for others.
    owners: HashMap<Mac, Option<IpAddr>>,
}

impl Links {
    /// With the neighbours of this machine, where there is such a thing.
    pub fn new(neighbours: Option<Arc<dyn Neighbours>>) -> Self {
        let links = Self { neighbours, learnt: Mutex::default() };
        // Whoever answers for several addresses is known before the first of them is asked.
        for (ip, mac) in links.neighbours.as_ref().map(|neighbours| neighbours.table()).unwrap_or_default() {
            links.seen(ip.into(), mac);
        }
        links
    }

    /// Somebody on our own network has answered for an address.
    pub fn seen(&self, ip: IpAddr, mac: Mac) {
        let mut learnt = self.lock();
        if learnt.seen.len() >= MOST {
            return;
        }
        learnt.seen.insert(ip, mac);
        let owner = learnt.owners.entry(mac).or_insert(Some(ip));
        if *owner != Some(ip) {
            *owner = None;
        }
    }

    /// A machine at an address has said so itself, to everybody.
    pub fn said(&self, ip: IpAddr, mac: Mac) {
        let mut learnt = self.lock();
        if learnt.said.len() < MOST {
            learnt.said.insert(ip, mac);
        }
    }

    /// Tells a reading at which hardware address its miner was met, if that is known.
    pub fn tell(&self, ip: IpAddr, snapshot: &mut MinerSnapshot) {
        if let Some(mac) = self.mac_of(ip) {
            snapshot.observe_mac(mac);
        }
    }

    /// The hardware address of whoever is at an address, as far as it was learnt. What was seen goes before what was said;
    /// behind a router only the router could be seen, so nothing was.
    pub fn mac_of(&self, ip: IpAddr) -> Option<Mac> {
        if let IpAddr::V4(v4) = ip
            && let Some(neighbours) = &self.neighbours
            && neighbours.is_on_link(ip)
            && let Some(mac) = neighbours.mac_of(v4)
        {
            self.seen(ip, mac);
        }
        let learnt = self.lock();
        let own = |mac: &Mac| learnt.owners.get(mac).copied().flatten() == Some(ip);
        match learnt.seen.get(&ip) {
            Some(mac) if own(mac) => Some(*mac),
            _ => learnt.said.get(&ip).copied(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    //! Who is believed, and who answers for others.
    use super::*;
    use async_trait::async_trait;
    use std::net::Ipv4Addr;

    /// Two machines on the link, a router that answers for two more, and one whose address was asked for from afar.
    #[derive(Debug)]
    struct Street;

    #[async_trait]
    impl Neighbours for Street {
        fn is_on_link(&self, ip: IpAddr) -> bool {
            matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10)
        }
        fn room(&self) -> usize {
            100
        }
        fn overflows(&self) -> u64 {
            0
        }
        fn held(&self) -> std::collections::HashSet<Ipv4Addr> {
            std::collections::HashSet::new()
        }

        fn forget(&self, _: &[Ipv4Addr]) -> bool {
            false
        }

        fn knows(&self, ip: Ipv4Addr) -> bool {
            self.mac_of(ip).is_some()
        }
        fn mac_of(&self, ip: Ipv4Addr) -> Option<Mac> {
            match ip.octets()[3] {
                n @ 1..=2 => Some(mac(n)),
                3..=4 => Some(mac(99)),
                _ => None,
            }
        }
        fn table(&self) -> Vec<(Ipv4Addr, Mac)> {
            (1..=4)
                .map(|n| Ipv4Addr::new(10, 0, 0, n))
                .filter_map(|ip| Some((ip, self.mac_of(ip)?)))
                .collect()
        }
        fn can_ask(&self) -> bool {
            false
        }
        async fn ask(&self, _: Ipv4Addr) -> Mac {
            std::future::pending().await
        }
    }

    const fn mac(n: u8) -> Mac {
        Mac::new([2, 0, 0, 0, 0, n])
    }

    fn at(ip: &str) -> IpAddr {
        ip.parse().unwrap()
    }

    #[test]
    fn neighbours_tell_who_is_there_and_routers_only_who_they_are() {
        let links = Links::new(Some(Arc::new(Street)));
        assert_eq!(links.mac_of(at("10.0.0.1")), Some(mac(1)));
        assert_eq!(links.mac_of(at("10.0.0.3")), None, "somebody answers for two");
        assert_eq!(links.mac_of(at("11.0.0.1")), None, "behind a router");
        assert_eq!(links.mac_of(at("10.0.0.9")), None, "not known");
        links.said(at("10.0.0.1"), mac(50));
        links.said(at("11.0.0.1"), mac(51));
        assert_eq!(links.mac_of(at("10.0.0.1")), Some(mac(1)), "what is seen goes before what is said");
        assert_eq!(links.mac_of(at("11.0.0.1")), Some(mac(51)), "what a machine says passes routers");
    }

    #[test]
    fn a_reading_is_told_what_was_learnt() {
        let links = Links::new(None);
        links.seen(at("10.0.0.7"), mac(7));
        let mut snapshot = MinerSnapshot::default();
        links.tell(at("10.0.0.7"), &mut snapshot);
        assert_eq!(snapshot.identity.mac, Some(mac(7)));
        let mut other = MinerSnapshot::default();
        links.tell(at("10.0.0.8"), &mut other);
        assert_eq!(other, MinerSnapshot::default());
    }
}
