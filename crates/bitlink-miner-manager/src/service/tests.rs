//! A service over simulated miners in virtual time: what it finds, keeps, misses and is told.

// A helper that cannot go on stops its test.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use bitlink_model::{Edit, Timestamp};
use bitlink_monitor::{MonitorConfig, RegistryChange, VirtualClock};
use bitlink_scanner::ScanConfig;
use bitlink_simulator::{FaceName, FleetSpec, Mix, SimClock, SimFleet};
use bitlink_transport::MemoryTransport;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk in memory, which may be full.
#[derive(Debug, Default)]
struct Disk {
    records: Mutex<BTreeMap<MinerId, Arc<MinerRecord>>>,
    is_full: AtomicBool,
}

impl RegistryJournal for Disk {
    fn keep(&self, changes: Vec<RegistryChange>) -> BoxFuture<'static, Result<(), JournalError>> {
        if self.is_full.load(Ordering::Relaxed) {
            return std::future::ready(Err(JournalError::Full(Arc::new(std::io::Error::other("full")))))
                .boxed();
        }
        let mut records = self.records.lock().unwrap();
        for change in changes {
            match change {
                RegistryChange::Put(record) => drop(records.insert(record.id, record)),
                RegistryChange::Drop(id) => drop(records.remove(&id)),
                other => panic!("{other:?}"),
            }
        }
        std::future::ready(Ok(())).boxed()
    }
}

/// A network with Antminers from 10.0.0.1 on, and what is kept of it.
struct World {
    network: Arc<MemoryTransport>,
    simulated: SimFleet,
    disk: Arc<Disk>,
}

const ANTMINERS: FaceName = FaceName::Antminer;

impl World {
    fn new(miners: usize) -> Self {
        let clock = SimClock::runtime();
        let first = [10, 0, 0, 1].into();
        let spec = FleetSpec::new(miners).with_mix(Mix::only(ANTMINERS)).with_sick(0.0).with_first(first);
        let simulated = spec.build(&clock).unwrap();
        let network = Arc::new(MemoryTransport::new());
        for (ip, host) in simulated.hosts() {
            network.insert(ip, Arc::clone(host) as _);
        }
        Self { network, simulated, disk: Arc::default() }
    }

    fn fleet(&self) -> Fleet {
        Fleet::over(Arc::clone(&self.network) as _)
            .with_scan(ScanConfig::default().with_ports(vec![4028]))
            .with_monitor(MonitorConfig::default())
    }

    fn service(&self, config: ServiceConfig) -> ServiceStream {
        let clock = VirtualClock::starting_at(Timestamp::from_unix_millis(1_700_000_000_000));
        let records: Vec<MinerRecord> =
            self.disk.records.lock().unwrap().values().map(|record| MinerRecord::clone(record)).collect();
        let kept = (Registry::from_records(records), Some(Arc::clone(&self.disk) as _));
        Service::new(self.fleet())
            .with_config(config)
            .with_clock(Arc::new(clock))
            .start_with(kept, (None, None), None, None)
            .unwrap()
    }

    /// A machine gets another address.
    fn moves(&self, from: [u8; 4], to: [u8; 4]) {
        let host = self.network.remove(from.into()).unwrap();
        self.network.insert(to.into(), host);
    }
}

fn networks(text: &str) -> ServiceConfig {
    ServiceConfig::default().with_networks(ScanTargets::parse(text).unwrap())
}

/// The next event for which there is an answer.
async fn until<T>(service: &mut ServiceStream, mut is_it: impl FnMut(ServiceEvent) -> Option<T>) -> T {
    loop {
        let event = service.recv().await.expect("it has ended");
        if let Some(it) = is_it(event) {
            return it;
        }
    }
}

/// Until a scan has ended and a round in which all are heard.
async fn settled(service: &mut ServiceStream, miners: usize) {
    until(service, |event| matches!(event, ServiceEvent::ScanEnded(_)).then_some(())).await;
    let heard = |event| match event {
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => {
            (fleet.coverage.live == miners).then_some(())
        }
        _ => None,
    };
    until(service, heard).await;
}

fn at(ip: [u8; 4]) -> IpAddr {
    ip.into()
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_watched_and_kept_and_known_again_after_a_restart() {
    let world = World::new(20);
    let mut service = world.service(networks("10.0.0.0/27"));
    let mut new = 0;
    until(&mut service, |event| match event {
        ServiceEvent::Met { change: Change::New, .. } => {
            new += 1;
            None
        }
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => (fleet.coverage.live == 20).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(new, 20);
    let handle = service.handle();
    let shown: Vec<(IpAddr, MinerId)> = handle.state().iter().map(|miner| (miner.ip, miner.id)).collect();
    handle.shutdown().await;
    assert_eq!(world.disk.records.lock().unwrap().len(), 20);
    while service.recv().await.is_some() {}

    // Nobody is looked for, and all are watched under the names that they had.
    let mut again = world.service(ServiceConfig::default());
    let state = until(&mut again, |event| match event {
        ServiceEvent::Met { change, .. } => panic!("{change:?}"),
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => {
            (fleet.coverage.live == 20).then_some(fleet)
        }
        _ => None,
    })
    .await;
    let known: Vec<(IpAddr, MinerId)> = state.iter().map(|miner| (miner.ip, miner.id)).collect();
    assert_eq!(known, shown);
}

/// A network that is down when the service starts has the machines of before, and not as many others beside them.
#[tokio::test(start_paused = true)]
async fn a_machine_that_is_silent_after_a_restart_is_the_one_that_it_was() {
    let world = World::new(3);
    let mut service = world.service(networks("10.0.0.0/28"));
    settled(&mut service, 3).await;
    let handle = service.handle();
    let shown: Vec<(IpAddr, MinerId)> = handle.state().iter().map(|miner| (miner.ip, miner.id)).collect();
    handle.shutdown().await;
    while service.recv().await.is_some() {}
    let hosts: Vec<_> = shown.iter().map(|(ip, _)| (*ip, world.network.remove(*ip).unwrap())).collect();

    let mut again = world.service(networks("10.0.0.0/28"));
    let dead = until(&mut again, |event| match event {
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => {
            (fleet.coverage.dead == 3).then_some(fleet)
        }
        _ => None,
    })
    .await;
    let known: Vec<(IpAddr, MinerId)> = dead.iter().map(|miner| (miner.ip, miner.id)).collect();
    assert_eq!(known, shown);
    for (ip, host) in hosts {
        world.network.insert(ip, host);
    }
    settled(&mut again, 3).await;
    let state = again.handle().state();
    let back: Vec<(IpAddr, MinerId)> = state.iter().map(|miner| (miner.ip, miner.id)).collect();
    assert_eq!(back, shown);
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_another_address_is_the_same_and_is_watched_there_only() {
    let world = World::new(3);
    let mut service = world.service(networks("10.0.0.0/27").with_rescan(Some(Duration::from_mins(2))));
    settled(&mut service, 3).await;
    let id = service.handle().state().iter().find(|miner| miner.ip == at([10, 0, 0, 2])).unwrap().id;
    world.moves([10, 0, 0, 2], [10, 0, 0, 20]);
    let moved = until(&mut service, |event| match event {
        ServiceEvent::Met { record, change: Change::Moved { from }, .. } => Some((record, from)),
        _ => None,
    })
    .await;
    assert_eq!((moved.0.id, moved.1.ip()), (id, at([10, 0, 0, 2])));
    settled(&mut service, 3).await;
    let state = service.handle().state();
    let places: Vec<IpAddr> = state.iter().map(|miner| miner.ip).collect();
    assert_eq!(places, [at([10, 0, 0, 1]), at([10, 0, 0, 3]), at([10, 0, 0, 20])]);
    assert_eq!(state.iter().find(|miner| miner.ip == at([10, 0, 0, 20])).unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn two_machines_that_exchange_their_addresses_keep_their_names() {
    let world = World::new(2);
    let mut service = world.service(networks("10.0.0.0/28"));
    settled(&mut service, 2).await;
    let before: BTreeMap<IpAddr, MinerId> =
        service.handle().state().iter().map(|miner| (miner.ip, miner.id)).collect();
    let (one, two) = (at([10, 0, 0, 1]), at([10, 0, 0, 2]));
    let (first, second) = (world.network.remove(one).unwrap(), world.network.remove(two).unwrap());
    // They start anew for it, which takes its time.
    let end = Instant::now() + Duration::from_mins(4);
    while tokio::time::timeout_at(end, service.recv()).await.is_ok() {}
    world.network.insert(one, second);
    world.network.insert(two, first);
    let swapped = |event| match event {
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => {
            let now: BTreeMap<IpAddr, MinerId> = fleet.iter().map(|miner| (miner.ip, miner.id)).collect();
            (now.get(&one) == before.get(&two) && now.get(&two) == before.get(&one)).then_some(())
        }
        _ => None,
    };
    tokio::time::timeout(Duration::from_mins(5), until(&mut service, swapped)).await.unwrap();
    assert_eq!(service.handle().with_registry(Registry::len), 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_heard_of_has_vanished_once_and_returns() {
    let world = World::new(2);
    let config = networks("10.0.0.0/28").with_vanished_after(Duration::from_mins(10));
    let mut service = world.service(config.clone());
    settled(&mut service, 2).await;
    let host = world.network.remove(at([10, 0, 0, 2])).unwrap();
    let gone = until(&mut service, |event| match event {
        ServiceEvent::Vanished(record) => Some(record),
        _ => None,
    })
    .await;
    assert_eq!(gone.endpoint.unwrap().ip(), at([10, 0, 0, 2]));
    // It is not told again, also not after a restart.
    service.handle().shutdown().await;
    drop(service);
    tokio::time::sleep(Duration::from_hours(2)).await;
    let clock = VirtualClock::starting_at(Timestamp::from_unix_millis(1_700_010_000_000));
    let records: Vec<MinerRecord> =
        world.disk.records.lock().unwrap().values().map(|record| MinerRecord::clone(record)).collect();
    let kept = (Registry::from_records(records), Some(Arc::clone(&world.disk) as _));
    let mut service = Service::new(world.fleet())
        .with_config(config)
        .with_clock(Arc::new(clock))
        .start_with(kept, (None, None), None, None)
        .unwrap();
    let end = Instant::now() + Duration::from_mins(30);
    while let Ok(event) = tokio::time::timeout_at(end, service.recv()).await {
        assert!(!matches!(event, Some(ServiceEvent::Vanished(_)) | None), "{event:?}");
    }
    world.network.insert(at([10, 0, 0, 2]), host);
    let back = until(&mut service, |event| match event {
        ServiceEvent::Returned(record) => Some(record.id),
        _ => None,
    })
    .await;
    assert_eq!(back, gone.id);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_once_costs_nothing_and_is_made_good() {
    let world = World::new(5);
    world.disk.is_full.store(true, Ordering::Relaxed);
    let mut service = world.service(networks("10.0.0.0/28"));
    let handle = service.handle();
    let mut complaints = 0;
    let mut rounds = 0;
    until(&mut service, |event| match event {
        ServiceEvent::NotKept { waiting, .. } => {
            complaints += 1;
            assert!(waiting > 0);
            None
        }
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => {
            rounds += 1;
            (rounds > 30).then(|| assert_eq!(fleet.coverage.live, 5))
        }
        _ => None,
    })
    .await;
    assert_eq!(complaints, 1);
    assert!(handle.pulse().not_kept.is_some() && handle.pulse().is_alive(Instant::now()));
    let id = handle.state()[0].id;
    let labelled = handle.amend(vec![(id, notes("hot"))], Vec::new()).await;
    assert!(matches!(labelled, Err(AmendError::NotKept(_))), "{labelled:?}");

    world.disk.is_full.store(false, Ordering::Relaxed);
    until(&mut service, |event| matches!(event, ServiceEvent::KeptAgain).then_some(())).await;
    let kept = world.disk.records.lock().unwrap();
    assert_eq!((kept.len(), kept[&id].notes.as_str()), (5, "hot"));
    assert!(handle.pulse().not_kept.is_none());
}

fn notes(text: &str) -> RecordEdit {
    RecordEdit { notes: Edit::Set(text.to_owned()), ..RecordEdit::default() }
}

#[tokio::test(start_paused = true)]
async fn what_people_write_is_kept_before_they_are_told_so_and_all_or_nothing() {
    let world = World::new(3);
    let mut service = world.service(networks("10.0.0.0/28"));
    settled(&mut service, 3).await;
    let handle = service.handle();
    let ids: Vec<MinerId> = handle.state().iter().map(|miner| miner.id).collect();
    assert_eq!(handle.amend(vec![(ids[0], notes("a")), (ids[1], notes("b"))], Vec::new()).await.unwrap(), 2);
    assert_eq!(world.disk.records.lock().unwrap()[&ids[1]].notes, "b");
    assert_eq!(handle.amend(vec![(ids[0], notes("a"))], Vec::new()).await.unwrap(), 0);
    let unknown = MinerId::from_u64(1);
    let refused = handle.amend(vec![(ids[0], notes("c")), (unknown, notes("c"))], vec![ids[2]]).await;
    assert!(matches!(refused, Err(AmendError::Registry(RegistryError::Unknown(id))) if id == unknown));
    assert_eq!(world.disk.records.lock().unwrap()[&ids[0]].notes, "a");

    assert_eq!(handle.amend(Vec::new(), vec![ids[2]]).await.unwrap(), 1);
    assert!(world.disk.records.lock().unwrap()[&ids[2]].forgotten.is_some());
    let removed = |event| match event {
        ServiceEvent::Monitor(MonitorEvent::Removed(miner)) => Some(miner.id),
        _ => None,
    };
    assert_eq!(until(&mut service, removed).await, ids[2], "nobody watches it any more");
    handle.shutdown().await;
    let stopped = handle.amend(Vec::new(), vec![ids[0]]).await;
    assert!(matches!(stopped, Err(AmendError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn other_settings_count_without_a_restart() {
    let world = World::new(6);
    let mut service = world.service(networks("10.0.0.1-3"));
    settled(&mut service, 3).await;
    let handle = service.handle();
    let before = handle.state();
    let interval = Duration::from_secs(30);
    let fleet = world.fleet().with_monitor(MonitorConfig::default().with_interval(interval));
    let wrong = networks("10.0.0.1-6").with_vanished_after(Duration::ZERO);
    assert!(matches!(handle.reconfigure(fleet.clone(), wrong).await, Err(Error::Service { .. })));
    handle.reconfigure(fleet, networks("10.0.0.1-6")).await.unwrap();
    until(&mut service, |event| matches!(event, ServiceEvent::Reconfigured).then_some(())).await;
    assert_eq!(handle.state().len(), before.len(), "nothing was lost meanwhile");
    settled(&mut service, 6).await;
    assert_eq!(handle.pulse().interval, interval);
    let answered = handle.state().coverage.polls_answered;
    tokio::time::sleep(Duration::from_mins(10)).await;
    let polls = handle.state().coverage.polls_answered - answered;
    assert!((6 * 19..=6 * 21).contains(&polls), "{polls} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn what_is_always_watched_is_watched_though_nobody_answers_and_what_cannot_be_is_told() {
    let world = World::new(1);
    let always = ScanTargets::parse("10.0.0.1, 10.0.0.9").unwrap();
    let mut service = world.service(ServiceConfig::default().with_always(always));
    let round = |event| match event {
        ServiceEvent::Monitor(MonitorEvent::FullSnapshot(fleet)) => {
            (fleet.coverage.live == 1).then_some(fleet)
        }
        _ => None,
    };
    let fleet = until(&mut service, round).await;
    assert_eq!(
        fleet.iter().map(|miner| miner.ip).collect::<Vec<_>>(),
        [at([10, 0, 0, 1]), at([10, 0, 0, 9])]
    );
    assert_eq!(service.handle().with_registry(Registry::len), 1, "who was never heard is no machine");
}

#[tokio::test(start_paused = true)]
async fn a_scan_leaves_those_alone_that_are_heard_all_the_time() {
    let world = World::new(4);
    let mut service = world.service(networks("10.0.0.0/28").with_rescan(Some(Duration::from_mins(1))));
    let totals = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let began = |event| match event {
            ServiceEvent::ScanBegan { total } => {
                totals.lock().unwrap().push(total);
                None
            }
            ServiceEvent::ScanEnded(report) => {
                assert!(report.adds_up());
                Some(())
            }
            _ => None,
        };
        until(&mut service, began).await;
    }
    assert_eq!(*totals.lock().unwrap(), [14, 10]);
    assert_eq!(world.simulated.len(), 4);
}
