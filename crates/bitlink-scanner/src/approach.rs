//! How addresses of a flat network are come near. Every one of them takes a place in the kernel's table of neighbours, and
//! when that is full, connections to those that live fail without a word. So where a scan has more targets than the table
//! has places, it first finds out by ARP who is there, if it may, and else waits for a place and until the kernel has
//! given up; either way never more of them are near at a time than there are places.

use bitlink_model::Mac;
use bitlink_transport::Neighbours;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a neighbour keeps its place after it was met: the kernel throws none away that is younger (Linux,
/// `neigh_forced_gc`).
const KEPT: Duration = Duration::from_millis(5_200);
/// A place whose holder never comes to meet anybody is free again after this.
const UNMET: Duration = Duration::from_mins(1);
/// How long a connection to a neighbour waits of whom nothing is known. Shorter than a second, when the kernel would send its
/// first packet again: a packet that comes when the neighbour has just been given up lets the kernel ask anew, and the place
/// is taken for as long again.
pub(crate) const KNOCK: Duration = Duration::from_millis(900);
/// When it is known whether anybody is there: the kernel asks three times, a second apart, connection or not.
pub(crate) const VERDICT: Duration = Duration::from_millis(2_300);
/// When the kernel gives a neighbour up of whom it has heard nothing.
const GIVEN_UP: Duration = Duration::from_millis(3_100);
/// However full the table is, so many places are used: a scan has to end.
const FEWEST: usize = 64;
/// How long an ARP request of our own is waited for, one entry for each.
const ASKS: [Duration; 3] =
    [Duration::from_millis(60), Duration::from_millis(120), Duration::from_millis(240)];

/// What is known of an address before anybody connects to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    /// Nothing that matters: it is behind a router, or there is room for all.
    Open,
    /// It answered, from here; it has a place.
    Answered(Mac, Place),
    /// Nobody has it.
    Nobody,
    /// Whether anybody has it will be known when the kernel has asked.
    Unknown(Place),
}

/// A place in the kernel's table: until when it is taken, and a number that tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(Instant, u64);

/// The places that are taken, the soonest free first, and how many were ever taken.
#[derive(Debug, Default)]
struct Taken {
    places: BTreeSet<Place>,
    count: u64,
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
            neighbours: Arc::clone(neighbours),
            asks,
            places: AtomicUsize::new(room),
            taken: Mutex::default(),
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
            return Near::Unknown(self.take_place().await);
        }
        for wait in ASKS {
            paced().await;
            if let Ok(mac) = timeout_at(Instant::now() + wait, self.neighbours.ask(v4)).await {
                return Near::Answered(mac, self.take_place().await);
            }
        }
        Near::Nobody
    }

    /// Whether the kernel has found an address that it was asked for.
    pub(crate) fn found(&self, ip: IpAddr) -> bool {
        matches!(ip, IpAddr::V4(ip) if self.neighbours.knows(ip))
    }

    /// A neighbour has been met: from now on the kernel keeps it for as long as it does. Between the taking of a place and the
    /// first connection there may be any time, as the scan's limits want it.
    pub(crate) fn met(&self, place: Place) {
        let mut taken = self.lock();
        if taken.places.remove(&place) {
            taken.places.insert(Place(Instant::now() + KEPT, place.1));
        }
    }

    /// So long after it was asked for it is known that nobody has an address; its place is free when the kernel knows it too.
    pub(crate) fn nobody(&self, place: Place, after: Duration) {
        let mut taken = self.lock();
        if taken.places.remove(&place) {
            taken.places.insert(Place(Instant::now() + GIVEN_UP.saturating_sub(after), place.1));
        }
    }

    async fn take_place(&self) -> Place {
        loop {
            let free = {
                let mut taken = self.lock();
                let now = Instant::now();
                while taken.places.first().is_some_and(|place| place.0 <= now) {
                    taken.places.pop_first();
                }
                if taken.places.len() < self.places() {
                    taken.count += 1;
                    let place = Place(now + UNMET, taken.count);
                    taken.places.insert(place);
                    return place;
                }
                taken.places.first().map_or(now, |place| place.0)
            };
            // Somebody may give a place up before; that is looked for now and then.
            sleep_until(free.min(Instant::now() + Duration::from_millis(20))).await;
        }
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
    #[derive(Debug)]
    struct Street {
        asks: bool,
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

    fn approach(asks: bool, addresses: u64) -> Option<Approach> {
        Approach::new(Some(&(Arc::new(Street { asks }) as Arc<dyn Neighbours>)), addresses)
    }

    #[test]
    fn a_network_that_fits_into_the_table_is_none_to_mind() {
        assert!(approach(true, 100).is_none());
        assert!(approach(true, 101).is_some());
        assert!(Approach::new(None, u64::MAX).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_ask_takes_places_for_those_who_answer_only() {
        let approach = approach(true, 1_000).unwrap();
        let began = Instant::now();
        let near = |n: u8| approach.come_near([10, 0, 0, n].into(), || std::future::ready(()));
        let met = join_all((0..200).map(near)).await;
        for (n, near) in (0..200).zip(met) {
            match near {
                Near::Answered(mac, place) => {
                    assert_eq!(mac, Mac::new([2, 0, 0, 0, 0, n]));
                    approach.met(place);
                }
                near => assert_eq!((near, n % 2), (Near::Nobody, 1)),
            }
        }
        assert!(began.elapsed() < KEPT, "100 that answer are as many as there are places");
        approach.come_near([10, 0, 0, 200].into(), || std::future::ready(())).await;
        assert!(began.elapsed() >= KEPT, "one more waits for a place");
    }

    #[test]
    fn a_table_that_ran_over_is_narrowed_once_for_all_who_were_under_way() {
        let approach = approach(false, 1_000).unwrap();
        approach.narrow(0);
        approach.narrow(0);
        assert_eq!(approach.places(), 75);
        approach.narrow(1);
        assert_eq!(approach.places(), FEWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_not_ask_waits_for_a_place_that_somebody_gives_up() {
        let approach = approach(false, 1_000).unwrap();
        let near = |n: u8| approach.come_near([10, 0, 0, n].into(), || std::future::ready(()));
        let began = Instant::now();
        let place = |near: Near| match near {
            Near::Unknown(place) => place,
            other => panic!("{other:?}"),
        };
        let mut places: Vec<Place> = join_all((0..100).map(near)).await.into_iter().map(place).collect();
        assert_eq!(began.elapsed(), Duration::ZERO);
        let given_up = places.remove(0);
        places.into_iter().for_each(|place| approach.met(place));
        tokio::time::advance(Duration::from_secs(3)).await;
        approach.nobody(given_up, Duration::from_mins(1));
        approach.met(place(near(110).await));
        assert_eq!(began.elapsed(), Duration::from_secs(3), "a place was given up");
        near(111).await;
        assert!(began.elapsed() >= KEPT, "the first of those that are still met");
        join_all((112..112 + 98).map(near)).await;
        assert!(began.elapsed() < KEPT * 2);
        near(220).await;
        assert!(
            began.elapsed() >= Duration::from_secs(3) + KEPT,
            "the place that was taken late is free late"
        );
        assert_eq!(approach.come_near([11, 0, 0, 1].into(), || std::future::ready(())).await, Near::Open);
    }
}
