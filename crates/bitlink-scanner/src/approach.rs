//! How addresses of a flat network are come near. Every one of them takes a place in the kernel's table of neighbours, and
//! when that is full, connections to those that live fail without a word. So where a scan has more targets than the table
//! has places, it first finds out by ARP who is there, if it may, and else waits for a place and until the kernel has
//! given up; either way never more of them are near at a time than there are places.

use bitlink_model::Mac;
use bitlink_transport::Neighbours;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a connection to a neighbour waits of whom nothing is known. Shorter than a second, when the kernel would send its
/// first packet again: a packet that comes when the neighbour has just been given up lets the kernel ask anew, and the place
/// is taken for as long again.
pub(crate) const KNOCK: Duration = Duration::from_millis(900);
/// When it is known whether anybody is there: the kernel asks three times, a second apart, connection or not.
pub(crate) const VERDICT: Duration = Duration::from_millis(2_300);
/// However full the table is, so many places are used: a scan has to end.
const FEWEST: usize = 64;
/// How often the kernel is asked who keeps a place while somebody waits for one.
const LOOK: Duration = Duration::from_millis(50);
/// How long an ARP request of our own is waited for, one entry for each.
const ASKS: [Duration; 3] =
    [Duration::from_millis(60), Duration::from_millis(120), Duration::from_millis(240)];

/// What is known of an address before anybody connects to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    /// Nothing that matters: it is behind a router, or there is room for all.
    Open,
    /// It answered, from here; it has a place.
    Answered(Mac),
    /// Nobody has it.
    Nobody,
    /// It has a place; whether anybody has it will be known when the kernel has asked.
    Unknown,
}

/// The places that are taken.
#[derive(Debug, Default)]
struct Taken {
    /// By addresses that somebody is about to connect to: the kernel may not know of it yet.
    promised: HashSet<Ipv4Addr>,
    /// By them, by those that were connected to since, and by those that the kernel named when it was last asked.
    counted: HashSet<Ipv4Addr>,
    looked: Option<Instant>,
    /// Those that the scan is done with; the kernel would keep them for up to three quarters of a minute.
    done: Vec<Ipv4Addr>,
    /// Whether the kernel refused to forget anybody.
    may_not_forget: bool,
    /// How often the table had been full when fewer places were last taken.
    narrowed_at: u64,
}

/// See the file.
#[derive(Debug)]
pub(crate) struct Approach {
    neighbours: Arc<dyn Neighbours>,
    asks: bool,
    places: AtomicUsize,
    taken: Mutex<Taken>,
    /// Whoever waits for a place has this, and the others wait for it, in order.
    queue: tokio::sync::Mutex<()>,
    /// Who was there before the scan came.
    before: HashSet<Ipv4Addr>,
}

impl Approach {
    /// For so many addresses; `None` where nothing need be minded.
    pub(crate) fn new(neighbours: Option<&Arc<dyn Neighbours>>, addresses: u64) -> Option<Self> {
        let neighbours = neighbours?;
        let room = neighbours.room();
        if usize::try_from(addresses).is_ok_and(|addresses| addresses <= room) {
            return None;
        }
        let asks = neighbours.can_ask();
        Some(Self {
            before: neighbours.table().into_iter().map(|(ip, _)| ip).collect(),
            neighbours: Arc::clone(neighbours),
            asks,
            places: AtomicUsize::new(room),
            taken: Mutex::default(),
            queue: tokio::sync::Mutex::default(),
        })
    }

    /// Whether an address takes a place.
    pub(crate) fn minds(&self, ip: IpAddr) -> bool {
        self.neighbours.is_on_link(ip)
    }

    /// Whether it asks by itself who is there.
    pub(crate) const fn asks(&self) -> bool {
        self.asks
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> usize {
        self.places.load(Ordering::Relaxed)
    }

    /// How often the kernel's table has been full so far.
    pub(crate) fn overflows(&self) -> u64 {
        self.neighbours.overflows()
    }

    /// The table was full since it had been so often: somebody else takes places in it too. A quarter fewer are used from
    /// now on, once for all who were under way then.
    pub(crate) fn narrow(&self, since: u64) {
        let mut taken = self.lock();
        if taken.narrowed_at <= since {
            taken.narrowed_at = self.overflows().max(since + 1);
            let fewer = (self.places() * 3 / 4).max(FEWEST);
            self.places.store(fewer, Ordering::Relaxed);
        }
    }

    /// Finds out about an address, as far as that is possible without a connection, and waits for a place where one is
    /// needed. `paced` is waited for before each question.
    pub(crate) async fn come_near<F: Future<Output = ()>>(&self, ip: IpAddr, paced: impl Fn() -> F) -> Near {
        let IpAddr::V4(v4) = ip else { return Near::Open };
        if !self.minds(ip) {
            return Near::Open;
        }
        if !self.asks {
            self.take_place(v4).await;
            return Near::Unknown;
        }
        for wait in ASKS {
            paced().await;
            if let Ok(mac) = timeout_at(Instant::now() + wait, self.neighbours.ask(v4)).await {
                self.take_place(v4).await;
                return Near::Answered(mac);
            }
        }
        Near::Nobody
    }

    /// Whether the kernel has found an address that it was asked for.
    pub(crate) fn found(&self, ip: IpAddr) -> bool {
        matches!(ip, IpAddr::V4(ip) if self.neighbours.knows(ip))
    }

    /// An address was connected to, so that the kernel knows of it: from now on its place is taken for as long as the kernel
    /// says.
    pub(crate) fn met(&self, ip: IpAddr) {
        if let IpAddr::V4(ip) = ip {
            self.lock().promised.remove(&ip);
        }
    }

    /// Nobody will connect to an address again. Should places run short, the kernel is told to forget it.
    pub(crate) fn done(&self, ip: IpAddr) {
        if let IpAddr::V4(ip) = ip
            && !self.before.contains(&ip)
        {
            let mut taken = self.lock();
            if !taken.may_not_forget {
                taken.done.push(ip);
            }
        }
    }

    async fn take_place(&self, ip: Ipv4Addr) {
        if self.try_to_take(ip) {
            return;
        }
        let _first = self.queue.lock().await;
        while !self.try_to_take(ip) {
            let wait = {
                let mut taken = self.lock();
                let now = Instant::now();
                let next = taken.looked.map_or(now, |looked| looked + LOOK);
                if next <= now {
                    let done = std::mem::take(&mut taken.done);
                    taken.may_not_forget |= !done.is_empty() && !self.neighbours.forget(&done);
                    taken.looked = Some(now);
                    taken.counted = &self.neighbours.held() | &taken.promised;
                }
                next.saturating_duration_since(now)
            };
            if wait > Duration::ZERO {
                sleep(wait).await;
            }
        }
    }

    fn try_to_take(&self, ip: Ipv4Addr) -> bool {
        let mut taken = self.lock();
        let free = taken.counted.contains(&ip) || taken.counted.len() < self.places();
        if free {
            taken.counted.insert(ip);
            taken.promised.insert(ip);
        }
        free
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    //! Places, in virtual time.
    use super::*;
    use async_trait::async_trait;
    use futures::future::join_all;
    use std::net::Ipv4Addr;

    /// Every even address is somebody's; the first 16 bits are on the link.
    #[derive(Debug, Default)]
    struct Street {
        asks: bool,
        /// Who keeps a place.
        held: Mutex<HashSet<Ipv4Addr>>,
        /// Who was to be forgotten; it can be done while this is not told.
        forgotten: Mutex<Vec<Ipv4Addr>>,
    }

    impl Street {
        fn holds(&self, hosts: impl IntoIterator<Item = u8>) {
            *self.held.lock().unwrap() = hosts.into_iter().map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
        }
    }

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

        fn held(&self) -> HashSet<Ipv4Addr> {
            self.held.lock().unwrap().clone()
        }

        fn forget(&self, ips: &[Ipv4Addr]) -> bool {
            let mut held = self.held.lock().unwrap();
            held.retain(|ip| !ips.contains(ip));
            self.forgotten.lock().unwrap().extend(ips);
            true
        }

        fn knows(&self, ip: Ipv4Addr) -> bool {
            u32::from(ip) % 2 == 0
        }

        fn mac_of(&self, _: Ipv4Addr) -> Option<Mac> {
            None
        }

        fn table(&self) -> Vec<(Ipv4Addr, Mac)> {
            Vec::new()
        }

        fn can_ask(&self) -> bool {
            self.asks
        }

        async fn ask(&self, ip: Ipv4Addr) -> Mac {
            if u32::from(ip) % 2 == 1 {
                std::future::pending::<()>().await;
            }
            Mac::new([2, 0, 0, 0, 0, ip.octets()[3]])
        }
    }

    fn approach(asks: bool, addresses: u64) -> Option<(Arc<Street>, Approach)> {
        let street = Arc::new(Street { asks, ..Street::default() });
        let neighbours = Arc::clone(&street) as Arc<dyn Neighbours>;
        Some((street, Approach::new(Some(&neighbours), addresses)?))
    }

    fn host(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    async fn near(approach: &Approach, n: u8) -> Near {
        approach.come_near(host(n), || std::future::ready(())).await
    }

    #[test]
    fn a_network_that_fits_into_the_table_is_none_to_mind() {
        assert!(approach(true, 100).is_none());
        assert!(approach(true, 101).is_some());
        assert!(Approach::new(None, u64::MAX).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_ask_takes_places_for_those_who_answer_only() {
        let (street, approach) = approach(true, 1_000).unwrap();
        let began = Instant::now();
        let met = join_all((0..200).map(|n| near(&approach, n))).await;
        for (n, near) in (0..200).zip(met) {
            match near {
                Near::Answered(mac) => assert_eq!(mac, Mac::new([2, 0, 0, 0, 0, n])),
                near => assert_eq!((near, n % 2), (Near::Nobody, 1)),
            }
            approach.met(host(n));
        }
        assert!(began.elapsed() < Duration::from_secs(1), "100 that answer are as many as there are places");
        street.holds((0..200).step_by(2));
        let waiting = near(&approach, 200);
        tokio::pin!(waiting);
        assert!(timeout_at(Instant::now() + VERDICT, &mut waiting).await.is_err(), "there is no place");
        street.holds((2..200).step_by(2));
        assert!(matches!(waiting.await, Near::Answered(_)), "somebody's place is free");
    }

    #[test]
    fn a_table_that_ran_over_is_narrowed_once_for_all_who_were_under_way() {
        let (_, approach) = approach(false, 1_000).unwrap();
        approach.narrow(0);
        approach.narrow(0);
        assert_eq!(approach.places(), 75);
        approach.narrow(1);
        assert_eq!(approach.places(), FEWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_taken_from_its_promise_until_the_kernel_gives_it_away() {
        let (street, approach) = approach(false, 1_000).unwrap();
        join_all((0..100).map(|n| near(&approach, n))).await;
        let waiting = near(&approach, 110);
        tokio::pin!(waiting);
        let soon = || Instant::now() + VERDICT;
        assert!(
            timeout_at(soon(), &mut waiting).await.is_err(),
            "all are promised, and the kernel knows of none"
        );
        street.holds(0..100);
        (0..100).for_each(|n| approach.met(host(n)));
        assert!(timeout_at(soon(), &mut waiting).await.is_err(), "all are held");
        assert_eq!(near(&approach, 7).await, Near::Unknown, "who has a place needs no other");
        street.holds(1..100);
        assert_eq!(waiting.await, Near::Unknown);
        let elsewhere = approach.come_near([11, 0, 0, 1].into(), || std::future::ready(())).await;
        assert_eq!(elsewhere, Near::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn the_kernel_is_told_to_forget_whom_the_scan_is_done_with_once_places_run_short() {
        let (street, approach) = approach(false, 1_000).unwrap();
        join_all((0..100).map(|n| near(&approach, n))).await;
        street.holds(0..100);
        (0..100).for_each(|n| approach.met(host(n)));
        approach.done(host(3));
        assert!(street.forgotten.lock().unwrap().is_empty(), "nobody needs a place");
        assert_eq!(near(&approach, 110).await, Near::Unknown);
        assert_eq!(*street.forgotten.lock().unwrap(), [Ipv4Addr::new(10, 0, 0, 3)]);
    }
}
