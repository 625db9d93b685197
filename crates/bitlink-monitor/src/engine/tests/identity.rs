//! Who a machine is: names from a registry, moves, doubles, and answers that are another's.

use super::*;
use crate::{JudgeMemory, Observer, Sighting, rule};
use bitlink_model::MinerId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// A registry that counts machines in order of their hardware addresses' appearance.
#[derive(Debug, Clone, Default)]
struct Registry(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    known: BTreeMap<[u8; 6], u64>,
    seen: Vec<(Endpoint, Option<[u8; 6]>, Timestamp)>,
}

impl Observer for Registry {
    fn observed(&mut self, sighting: &Sighting<'_>) -> Option<MinerId> {
        let mut kept = self.0.lock().unwrap();
        let mac = sighting.identity().mac.map(bitlink_model::Mac::octets);
        kept.seen.push((sighting.endpoint(), mac, sighting.at()));
        let next = kept.known.len() as u64 + 1;
        Some(MinerId::from_u64(*kept.known.entry(mac?).or_insert(next)))
    }
}

/// A machine that answers with another's data while it lies.
#[derive(Debug)]
struct Liar {
    own: Arc<SimHost>,
    other: Arc<SimHost>,
    lies: AtomicBool,
}

impl Host for Liar {
    fn connect(&self, port: u16) -> Door {
        self.own.connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let who = if self.lies.load(Ordering::Relaxed) { &self.other } else { &self.own };
        who.respond(port, request)
    }
}

fn sim(farm: &Farm, n: u64, hours: u64) -> Arc<SimHost> {
    let spec = MinerSpec::new(FaceName::Whatsminer, n).with_uptime(Duration::from_hours(hours));
    Arc::new(SimHost::new(SimMiner::new(spec), farm.clock.clone()))
}

fn identity_changes(events: &[MonitorEvent]) -> usize {
    events.iter().filter(|event| matches!(event, MonitorEvent::IdentityChanged { .. })).count()
}

/// Lets a machine lie in its next poll.
async fn next_poll_lies(farm: &Farm, rx: &mut MonitorStream, liar: &Liar) -> Vec<MonitorEvent> {
    let before = farm.network.traffic().exchanges;
    liar.lies.store(true, Ordering::Relaxed);
    while farm.network.traffic().exchanges == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let events = listen(rx, Duration::from_millis(500)).await;
    liar.lies.store(false, Ordering::Relaxed);
    events
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_anothers_is_not_believed_until_it_is_asked_from_the_beginning() {
    for (own, other) in [(48, 500), (500, 48)] {
        let mut farm = Farm::empty();
        let liar = Arc::new(Liar {
            own: sim(&farm, 1, own),
            other: sim(&farm, 2, other),
            lies: AtomicBool::new(false),
        });
        let endpoint = farm.put(address(1), Arc::clone(&liar) as _);
        let mut rx = farm.watch(MonitorConfig::default());
        listen(&mut rx, Duration::from_mins(2)).await;
        let before = Arc::clone(rx.state().get(endpoint).unwrap());
        let mut events = next_poll_lies(&farm, &mut rx, &liar).await;
        events.extend(listen(&mut rx, Duration::from_mins(2)).await);
        assert_eq!(identity_changes(&events), 0, "one answer is no machine");
        let after = Arc::clone(rx.state().get(endpoint).unwrap());
        assert_eq!((after.id, after.status), (before.id, before.status));

        // What stays is another machine.
        liar.lies.store(true, Ordering::Relaxed);
        let events = listen(&mut rx, INTERVAL + Duration::from_secs(2)).await;
        assert_eq!(identity_changes(&events), 1, "known within a poll and a second");
        let truth = liar.other.truth();
        let miner = Arc::clone(rx.state().get(endpoint).unwrap());
        assert_eq!(miner.snapshot.as_ref().unwrap().identity.mac, Some(truth.mac));
        assert_ne!(miner.id, before.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_tells_nothing_does_not_get_the_name_of_the_one_before() {
    for (before, after) in
        [(FaceName::Antminer, FaceName::Cgminer), (FaceName::Whatsminer, FaceName::Sgminer)]
    {
        let (mut farm, _, endpoint) = Farm::of_one(before);
        let config = MonitorConfig::default();
        let mut rx = Monitor::new(Arc::new(farm.network.clone()))
            .with_config(config)
            .with_observer(crate::Registry::new())
            .start(farm.endpoints.iter().copied());
        listen(&mut rx, Duration::from_mins(2)).await;
        let first = Arc::clone(rx.state().get(endpoint).unwrap());
        assert!(first.snapshot.as_ref().unwrap().identity.mac.is_some());
        let other = MinerSpec::new(after, 9).with_uptime(Duration::from_hours(500));
        farm.put(endpoint.ip(), Arc::new(SimHost::new(SimMiner::new(other), farm.clock.clone())));
        let events = listen(&mut rx, INTERVAL * 3).await;
        assert_eq!(identity_changes(&events), 1, "{before:?} {after:?}");
        let second = Arc::clone(rx.state().get(endpoint).unwrap());
        assert_ne!(second.id, first.id);
        let identity = &second.snapshot.as_ref().unwrap().identity;
        assert_eq!((identity.mac, identity.model.as_ref()), (None, None), "nothing of the one before");
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_those_of_the_registry_and_go_with_the_machine() {
    let mut farm = Farm::empty();
    let (one, two) = (sim(&farm, 1, 30), sim(&farm, 2, 70));
    let first = farm.put(address(1), Arc::clone(&one) as _);
    let second = farm.put(address(2), Arc::clone(&two) as _);
    let registry = Registry::default();
    let mut rx = Monitor::new(Arc::new(farm.network.clone()))
        .with_observer(registry.clone())
        .start(farm.endpoints.iter().copied());
    listen(&mut rx, Duration::from_mins(1)).await;
    let id = |rx: &MonitorStream, endpoint| rx.state().get(endpoint).unwrap().id.as_u64();
    let ids = (id(&rx, first), id(&rx, second));
    assert_ne!(ids.0, ids.1);
    assert!(ids.0 <= 2 && ids.1 <= 2, "{ids:?}");
    // They exchange their addresses, without as much as a reboot.
    farm.network.insert(address(1), two);
    farm.network.insert(address(2), one);
    let events = listen(&mut rx, Duration::from_secs(25)).await;
    assert_eq!(identity_changes(&events), 2);
    assert_eq!((id(&rx, second), id(&rx, first)), ids);
    let kept = registry.0.lock().unwrap();
    assert!(kept.seen.len() >= 12, "every reading is handed over");
    assert!(kept.seen.iter().all(|(_, mac, at)| mac.is_some() && at.as_unix_millis() > 0));
    assert!(rx.state().iter().all(|miner| miner.findings.is_empty()), "a move is no double");
}

#[tokio::test(start_paused = true)]
async fn two_machines_with_one_hardware_address_are_told() {
    let mut farm = Farm::empty();
    let one = sim(&farm, 1, 30);
    let spec = MinerSpec::new(FaceName::Whatsminer, 2)
        .with_mac(one.spec().mac)
        .with_uptime(Duration::from_hours(90));
    let two = Arc::new(SimHost::new(SimMiner::new(spec), farm.clock.clone()));
    farm.put(address(1), one);
    farm.put(address(2), two);
    let mut rx = farm.watch(MonitorConfig::default());
    listen(&mut rx, Duration::from_mins(2)).await;
    let state = rx.state();
    assert_eq!(state.coverage.warning, 2);
    for (miner, other) in state.iter().zip(["10.0.0.2:4028", "10.0.0.1:4028"]) {
        assert_eq!(miner.findings[0].rule, rule::IDENTITY_SHARED);
        assert_eq!(miner.findings[0].message, format!("{other} answers as the same machine"));
        assert!(miner.snapshot.is_some(), "each is shown with what it says");
    }
    let events = listen(&mut rx, Duration::from_mins(10)).await;
    assert!(
        !events.iter().any(|event| matches!(event, MonitorEvent::StatusChanged { .. })),
        "and it does not flap"
    );
    farm.network.remove(address(2));
    listen(&mut rx, Duration::from_mins(3)).await;
    let state = rx.state();
    assert_eq!((state[0].status, state[1].status), (MinerStatus::Active, MinerStatus::Dead));
}

/// A machine that tells as many boards as it is told to.
#[derive(Debug)]
struct Boards(AtomicU8);

impl Host for Boards {
    fn connect(&self, _port: u16) -> Door {
        Door::Open { after: Duration::ZERO }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        let asked = String::from_utf8_lossy(request);
        if asked.contains('+') {
            return Script::reply(r#"{"STATUS":[{"STATUS":"E","Code":14,"Msg":"Invalid command"}]}"#);
        }
        let board =
            |n: u8| format!(r#"{{"ASC":{n},"Status":"Alive","Temperature":60.0,"MHS 5s":30000000.0}}"#);
        let boards: Vec<String> = (0..self.0.load(Ordering::Relaxed)).map(board).collect();
        Script::reply(if asked.contains("version") {
            r#"{"VERSION":[{"API":"3.7","CGMiner":"4.11.1","Type":"Gamma"}]}"#.to_owned()
        } else if asked.contains("devs") {
            format!(r#"{{"DEVS":[{}]}}"#, boards.join(","))
        } else {
            r#"{"SUMMARY":[{"Elapsed":90000,"MHS 5s":90000000.0,"Accepted":400,"Rejected":1}]}"#.to_owned()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_a_machine_outlives_the_program() {
    let mut farm = Farm::empty();
    let boards = Arc::new(Boards(AtomicU8::new(3)));
    let endpoint = farm.put(address(1), Arc::clone(&boards) as _);
    let mut rx = farm.watch(MonitorConfig::default());
    listen(&mut rx, Duration::from_mins(5)).await;
    let id = rx.state().get(endpoint).unwrap().id;
    let memories: Vec<(MinerId, JudgeMemory)> = rx.handle().memories().await.unwrap();
    assert_eq!(memories.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id]);
    drop(rx);

    boards.0.store(2, Ordering::Relaxed);
    for (memories, expected) in [(Vec::new(), MinerStatus::Active), (memories, MinerStatus::Warning)] {
        let epoch = Timestamp::from_unix_seconds(i64::try_from(farm.clock.epoch_s()).unwrap()).unwrap();
        let mut rx = Monitor::new(Arc::new(farm.network.clone()))
            .with_clock(Arc::new(VirtualClock::starting_at(epoch.plus(Duration::from_mins(5)))))
            .with_memories(memories)
            .start([endpoint]);
        listen(&mut rx, Duration::from_mins(5)).await;
        let miner = Arc::clone(rx.state().get(endpoint).unwrap());
        assert_eq!(miner.status, expected, "{:?}", miner.findings);
        assert_eq!(
            miner.findings.iter().any(|f| f.rule == rule::BOARDS_GONE),
            expected == MinerStatus::Warning
        );
    }
}

/// Some firmware tells its hardware address on a page of its own, which is not asked for at every poll, and no running time.
#[tokio::test(start_paused = true)]
async fn a_machine_of_the_same_model_with_other_firmware_is_noticed_in_time() {
    for (before, after) in [
        (FaceName::Vnish, FaceName::Antminer),
        (FaceName::Vnish, FaceName::Vnish),
        (FaceName::Antminer, FaceName::Vnish),
        (FaceName::Antminer, FaceName::Antminer),
    ] {
        for hours in [48, 500] {
            let mut farm = Farm::empty();
            let host = |face, n, hours| {
                let spec = MinerSpec::with_model_name(face, "S19j Pro", n).unwrap();
                let spec = spec.with_uptime(Duration::from_hours(hours));
                Arc::new(SimHost::new(SimMiner::new(spec), farm.clock.clone()))
            };
            let (one, other) = (host(before, 1, 48), host(after, 9, hours));
            let truth = other.truth();
            let endpoint = farm.put(address(1), one);
            let mut rx = farm.watch(MonitorConfig::default());
            listen(&mut rx, Duration::from_mins(5)).await;
            farm.network.insert(endpoint.ip(), other);
            let events = listen(&mut rx, Duration::from_mins(11)).await;
            assert_eq!(identity_changes(&events), 1, "{before:?} {after:?} {hours}");
            let miner = Arc::clone(rx.state().get(endpoint).unwrap());
            assert_eq!(miner.snapshot.as_ref().unwrap().identity.mac, Some(truth.mac));
        }
    }
}
