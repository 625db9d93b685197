//! A farm for days in virtual time: what happens to it is drawn from a seed, and what the monitor says of it is compared
//! with what is true. Used by the test `soak` and by the program behind `cargo xtask soak`.

use super::plan::{Plan, World};
use bitlink_model::{Mac, Miner, MinerId, MinerStatus, Timestamp};
use bitlink_monitor::{
    Clock, Monitor, MonitorConfig, MonitorEvent, MonitorStream, Numbered, Registry, RegistryConfig,
};
use bitlink_simulator::{Condition, SimClock, SimHost, Truth};
use bitlink_transport::{Act, Door, Endpoint, Host, MemoryTransport, Script};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// For so long after something has happened a status may be that of before or that of after: the longest of what the rules
/// wait for, which is a half-hour's mean that rises again after a fault, and some polls.
const SETTLING: Duration = Duration::from_mins(90);
/// Wrong statuses that are kept in words.
const WORDS: usize = 40;

/// What came of a soak.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Events told.
    pub(crate) events: u64,
    /// A hash of the text of all events.
    pub(crate) log_hash: u64,
    /// The text of all events, where it was to be kept.
    pub(crate) log: Option<String>,
    /// Comparisons where only one status could be true.
    pub(crate) firm: u64,
    /// Comparisons where something had happened lately.
    pub(crate) settling: u64,
    /// Statuses that were wrong.
    pub(crate) wrong: u64,
    /// Machines that were taken for another.
    pub(crate) wrong_identity: u64,
    /// The first of both in words.
    pub(crate) words: Vec<String>,
    /// How often each status was shown at a firm comparison.
    pub(crate) shown: BTreeMap<String, u64>,
    /// Polls that brought a reading, and that did not.
    pub(crate) polls: (u64, u64),
    /// Memory that the monitor takes for each miner, as far as the system tells it.
    pub(crate) bytes_per_miner: Option<u64>,
}

/// An address: whichever machine has it now, and the network before it.
#[derive(Debug)]
struct Address {
    place: usize,
    slow: bool,
    clock: SimClock,
    world: Arc<World>,
    machine: RwLock<Arc<SimHost>>,
}

impl Address {
    fn machine(&self) -> Arc<SimHost> {
        Arc::clone(&self.machine.read().unwrap())
    }
}

impl Host for Address {
    fn connect(&self, port: u16) -> Door {
        if self.world.is_cut_off(self.place, self.clock.elapsed()) {
            return Door::Silent;
        }
        self.machine().connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let Script { mut acts, .. } = self.machine().respond(port, request);
        if self.slow {
            acts.insert(0, Act::Wait(Duration::from_millis(1500)));
        }
        Script { acts }
    }
}

/// A wall clock that is set now and then.
#[derive(Debug)]
struct SetClock {
    clock: SimClock,
    world: Arc<World>,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.clock.elapsed();
        let epoch = i64::try_from(self.clock.epoch_s()).unwrap() * 1000;
        let millis = i64::try_from(elapsed.as_millis()).unwrap();
        Timestamp::from_unix_millis(epoch + millis + self.world.wall_offset_ms(elapsed))
    }
}

/// Statuses as bits, so that those of a while can be joined.
fn bit(status: MinerStatus) -> u8 {
    match status {
        MinerStatus::Active => 1,
        MinerStatus::Paused => 2,
        MinerStatus::Warning => 4,
        MinerStatus::Dead => 8,
        _ => 16,
    }
}

/// What a monitor may say of a machine, were it to see all at once.
fn allowed(truth: &Truth) -> u8 {
    let status = bit(truth.expected_status());
    if truth.condition == Condition::Starting {
        // Slow by nature, and excused for it.
        return status | bit(MinerStatus::Active);
    }
    // Of what its firmware does not tell something may show all the same.
    let any = bit(MinerStatus::Active) | bit(MinerStatus::Paused) | bit(MinerStatus::Warning);
    if truth.hidden_faults.is_empty() { status } else { any }
}

/// Runs a soak. The runtime must be one thread with a paused clock.
pub(crate) async fn run(plan: &Plan, keep_log: bool) -> Outcome {
    let clock = SimClock::runtime();
    let world = Arc::new(World::of(plan));
    let network = MemoryTransport::new();
    let addresses: Vec<Arc<Address>> = world
        .machines
        .iter()
        .enumerate()
        .map(|(place, spec)| {
            let host = SimHost::new(bitlink_simulator::SimMiner::new(spec.clone()), clock.clone());
            let slow = world.is_slow(place);
            let (clock, world, machine) = (clock.clone(), Arc::clone(&world), RwLock::new(Arc::new(host)));
            let address = Arc::new(Address { place, slow, clock, world, machine });
            network.insert(plan.address(place), Arc::clone(&address) as _);
            address
        })
        .collect();
    let config = MonitorConfig::default()
        .with_interval(plan.interval)
        .with_dead_pause(plan.interval * 2)
        .with_seed(plan.seed)
        .with_event_queue(1 << 20);
    let before = resident_bytes();
    let endpoints = (0..plan.miners).map(|place| Endpoint::new(plan.address(place), SimHost::API_PORT));
    let mut rx = Monitor::new(Arc::new(network))
        .with_config(config)
        .with_clock(Arc::new(SetClock { clock: clock.clone(), world: Arc::clone(&world) }))
        .with_observer(Registry::new().with_config(RegistryConfig::default().with_overlap(plan.interval * 2)))
        .start(endpoints);
    let mut judge = Referee::new(plan, world, addresses, keep_log);
    let began = Instant::now();
    let rounds = u32::try_from(plan.lasting().as_nanos() / plan.interval.as_nanos()).unwrap();
    let mut bytes = None;
    for round in 0..rounds {
        let tick = began + plan.interval * round + plan.interval / 2;
        judge.listen(&mut rx, tick).await;
        judge.compare(&rx, round);
        if round == 11 {
            bytes = before.zip(resident_bytes()).map(|(before, now)| now.saturating_sub(before));
        }
    }
    rx.handle().shutdown().await;
    judge.listen(&mut rx, Instant::now() + Duration::from_secs(1)).await;
    let coverage = rx.state().coverage.clone();
    let mut outcome = judge.outcome;
    outcome.log_hash = judge.hasher.finish();
    outcome.polls = (coverage.polls_answered, coverage.polls_failed);
    outcome.bytes_per_miner = bytes.map(|bytes| bytes / u64::try_from(plan.miners).unwrap());
    outcome
}

/// Memory of this process that is in use, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// Compares what is said with what is true.
struct Referee<'a> {
    plan: &'a Plan,
    world: Arc<World>,
    addresses: Vec<Arc<Address>>,
    /// What may have been said at each of the last rounds, by address.
    lately: Vec<Vec<u8>>,
    /// The round in which an address got another machine.
    moved: Vec<u32>,
    /// What each machine that tells who it is was called first.
    ids: BTreeMap<Mac, MinerId>,
    hasher: DefaultHasher,
    outcome: Outcome,
}

impl<'a> Referee<'a> {
    fn new(plan: &'a Plan, world: Arc<World>, addresses: Vec<Arc<Address>>, keep_log: bool) -> Self {
        let rounds = SETTLING.as_nanos().div_ceil(plan.interval.as_nanos());
        let rounds = usize::try_from(rounds).unwrap() + 2;
        let outcome = Outcome {
            events: 0,
            log_hash: 0,
            log: keep_log.then(String::new),
            firm: 0,
            settling: 0,
            wrong: 0,
            wrong_identity: 0,
            words: Vec::new(),
            shown: BTreeMap::new(),
            polls: (0, 0),
            bytes_per_miner: None,
        };
        Self {
            plan,
            world,
            // Before it was watched, nothing is known of it.
            lately: vec![vec![bit(MinerStatus::Scanning); rounds]; addresses.len()],
            moved: vec![0; addresses.len()],
            addresses,
            ids: BTreeMap::new(),
            hasher: DefaultHasher::new(),
            outcome,
        }
    }

    /// Takes down everything that is told up to a moment.
    async fn listen(&mut self, rx: &mut MonitorStream, until: Instant) {
        while let Ok(Some(event)) = timeout_at(until, rx.recv_numbered()).await {
            self.outcome.events += 1;
            let line = line(&event, self.addresses[0].clock.elapsed());
            self.hasher.write(line.as_bytes());
            if let Some(log) = &mut self.outcome.log {
                log.push_str(&line);
            }
        }
    }

    /// Lets happen what is due in a round, and compares.
    fn compare(&mut self, rx: &MonitorStream, round: u32) {
        let now = self.addresses[0].clock.elapsed();
        for (a, b) in self.world.swaps(round) {
            let (one, other) = (self.addresses[a].machine(), self.addresses[b].machine());
            *self.addresses[a].machine.write().unwrap() = other;
            *self.addresses[b].machine.write().unwrap() = one;
            (self.moved[a], self.moved[b]) = (round, round);
        }
        let state = rx.state();
        for place in 0..self.addresses.len() {
            let truth = self.addresses[place].machine().truth();
            let cut_off = self.world.is_cut_off(place, now);
            let may = if cut_off { bit(MinerStatus::Dead) } else { allowed(&truth) };
            let lately = &mut self.lately[place];
            lately.remove(0);
            lately.push(may);
            let mut all = lately.iter().fold(0, |all, one| all | one);
            if all & bit(MinerStatus::Dead) != 0 && all.count_ones() > 1 {
                // Silent for a while and not dead yet, or back and not for long.
                all |= bit(MinerStatus::Warning);
            }
            let Some(miner) = state.get(Endpoint::new(self.plan.address(place), SimHost::API_PORT)) else {
                panic!("{} is watched", self.plan.address(place));
            };
            if all.is_power_of_two() {
                self.outcome.firm += 1;
                *self.outcome.shown.entry(miner.status.to_string()).or_default() += 1;
            } else {
                self.outcome.settling += 1;
            }
            if bit(miner.status) & all == 0 {
                self.outcome.wrong += 1;
                self.say(now, miner, &format!("really {:?}, {:?}", truth.condition, truth.faults), &truth);
            }
            self.compare_identity(now, round, place, miner, &truth);
        }
    }

    fn compare_identity(&mut self, now: Duration, round: u32, place: usize, miner: &Miner, truth: &Truth) {
        let heard_since =
            u32::try_from(self.lately[place].iter().rev().take_while(|may| **may & 8 == 0).count());
        if round < self.moved[place] + 3 || heard_since.unwrap() < 4 || miner.status == MinerStatus::Dead {
            return;
        }
        let mac = miner.snapshot.as_ref().and_then(|snapshot| snapshot.identity.mac);
        let Some(mac) = mac else { return };
        let id = *self.ids.entry(truth.mac).or_insert(miner.id);
        if mac != truth.mac || id != miner.id {
            self.outcome.wrong_identity += 1;
            let what = format!("taken for {mac} {}, really {} {id}", miner.id, truth.mac);
            self.say(now, miner, &what, truth);
        }
    }

    fn say(&mut self, now: Duration, miner: &Miner, what: &str, truth: &Truth) {
        if self.outcome.words.len() < WORDS {
            let findings: Vec<&str> = miner.findings.iter().map(|finding| finding.message.as_str()).collect();
            self.outcome.words.push(format!(
                "{:.2} h: {} {} {} is {}: {what}; says {findings:?}",
                now.as_secs_f64() / 3600.0,
                miner.ip,
                truth.face,
                miner.model,
                miner.status
            ));
        }
    }
}

/// An event in one line of text.
fn line(Numbered { seq, event, .. }: &Numbered, at: Duration) -> String {
    let mut text = format!("{seq} {} ", at.as_millis());
    let about = |miner: &Miner| {
        let rules: Vec<&str> = miner.findings.iter().map(|finding| finding.rule.as_str()).collect();
        format!("{} {} {} {:?} {rules:?}", miner.ip, miner.id, miner.status, miner.stats.hashrate_rt)
    };
    let written = match event {
        MonitorEvent::MinerUpdated(miner) => writeln!(text, "updated {}", about(miner)),
        MonitorEvent::StatusChanged { miner, from, to } => writeln!(text, "{from}->{to} {}", about(miner)),
        MonitorEvent::IdentityChanged { miner, before } => writeln!(text, "was {before} {}", about(miner)),
        MonitorEvent::FullSnapshot(fleet) => {
            writeln!(text, "{} {:?}", fleet.taken_at.as_unix_millis(), fleet.coverage)
        }
        other => writeln!(text, "{other:?}"),
    };
    written.unwrap();
    text
}

/// The address of a place, two hundred to a subnet.
pub(crate) fn address_of(place: usize) -> IpAddr {
    let (subnet, host) = (u32::try_from(place / 200).unwrap(), u32::try_from(place % 200).unwrap());
    IpAddr::V4((0x0a00_0000 + (subnet << 8) + host + 1).into())
}
