//! A fleet in memory that does what its script says, and keeps account of what was done to it.

use async_trait::async_trait;
use bitlink_control::{
    ActFailure, ActFailureKind, Acted, Candidate, ControlEvent, Controller, Effect, Execution, Groups, Hands,
    Journal, LookError, MemoryJournal, Plan, Policy, Proof, Report, Seen, VirtualClock,
};
use bitlink_model::{
    Action, ActionKind, Capabilities, HashRate, Mac, Make, MinerSnapshot, MiningState, Pool, Power, Support,
    Timestamp,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a look takes, and a command.
pub(crate) const LOOK: Duration = Duration::from_millis(40);
pub(crate) const COMMAND: Duration = Duration::from_millis(60);

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    WrongPassword,
    /// Another client holds the lock for so many attempts.
    Locked(u32),
    /// Says yes and does nothing.
    Idle,
    NeverBack,
    /// Comes back and does not hash.
    Sick,
    /// Does it, and the answer is lost.
    ReplyLost,
    /// The answer is lost, and it was not done.
    CommandLost,
    Refuses,
    /// Nobody answers the first looks.
    Drops(u32),
    /// Nobody answers after the plan was made.
    Gone,
    /// Another machine has its address after the plan was made.
    Replaced,
    Unsupported,
}

pub(crate) const ALL: &[Fault] = &[
    Fault::None,
    Fault::WrongPassword,
    Fault::Locked(u32::MAX),
    Fault::Locked(1),
    Fault::Idle,
    Fault::NeverBack,
    Fault::Sick,
    Fault::ReplyLost,
    Fault::CommandLost,
    Fault::Refuses,
    Fault::Drops(1),
    Fault::Gone,
    Fault::Replaced,
    Fault::Unsupported,
];

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) fault: Fault,
    pub(crate) snapshot: MinerSnapshot,
    booted: Instant,
    back: Option<Instant>,
    boot_time: Duration,
    never: bool,
    /// Every command that it got, taken or not.
    pub(crate) commands: Vec<(ActionKind, Instant)>,
    attempts: u32,
    looks: u32,
    /// When it was looked at last, before its first command.
    pub(crate) checked: Option<Instant>,
}

#[derive(Debug)]
struct State {
    machines: BTreeMap<SocketAddr, Machine>,
    planned: bool,
    most_down: usize,
    in_flight: BTreeMap<SocketAddr, u32>,
}

/// The fleet.
#[derive(Debug, Clone)]
pub(crate) struct Fleet(Arc<Mutex<State>>);

/// SplitMix64: small, and the same everywhere.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

pub(crate) fn place(index: u32) -> SocketAddr {
    (IpAddr::from((0x0a00_0001 + index).to_be_bytes()), 4028).into()
}

fn healthy(index: u32) -> MinerSnapshot {
    let mut snapshot = MinerSnapshot::default();
    let [_, a, b, c] = index.to_be_bytes();
    snapshot.identity.mac = Some(Mac::new([2, 0, 0, a, b, c]));
    snapshot.identity.make = Some(Make::ANTMINER);
    snapshot.identity.model = Some("S19".into());
    snapshot.mining_state = Some(MiningState::Mining);
    snapshot.hashrate.realtime = HashRate::from_ths(100.0).ok();
    snapshot.power = Power::from_watts(3_000.0).ok();
    snapshot.power_limit = Power::from_watts(3_300.0).ok();
    snapshot.light = Some(false);
    let mut pool = Pool::default();
    pool.url = Some("stratum+tcp://old.example:3333".into());
    pool.user = Some(format!("farm.rig{index}").into());
    snapshot.pools = vec![pool];
    snapshot
}

impl Fleet {
    pub(crate) fn new(faults: impl IntoIterator<Item = Fault>, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let now = Instant::now();
        let machine = |(index, fault)| {
            let machine = Machine {
                fault,
                snapshot: healthy(index),
                booted: now,
                back: None,
                boot_time: Duration::from_millis(20_000 + dice.below(70_000)),
                never: false,
                commands: Vec::new(),
                attempts: 0,
                looks: 0,
                checked: None,
            };
            (place(index), machine)
        };
        let machines = (0..).zip(faults).map(machine).collect();
        let state = State { machines, planned: false, most_down: 0, in_flight: BTreeMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Changes a machine.
    pub(crate) fn with<T>(&self, index: u32, change: impl FnOnce(&mut Machine) -> T) -> T {
        change(self.0.lock().unwrap().machines.get_mut(&place(index)).unwrap())
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.0.lock().unwrap().machines.len()).unwrap()
    }

    /// What was seen before the faults began.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let mut state = self.0.lock().unwrap();
        state.planned = true;
        let seen = state.machines.iter().map(|(at, machine)| {
            let mut snapshot = machine.snapshot.clone();
            snapshot.uptime = Some(Duration::from_hours(24).into());
            Candidate::new(*at, Ok(Seen::new(snapshot, can_all())))
        });
        seen.collect()
    }

    pub(crate) fn plan(&self, action: Action, policy: Policy) -> Plan {
        Plan::make(action, policy, &Groups::default(), now(), self.candidates()).unwrap()
    }

    pub(crate) fn commands(&self, index: u32) -> usize {
        self.with(index, |machine| machine.commands.len())
    }

    pub(crate) fn all_commands(&self) -> usize {
        (0..self.len()).map(|index| self.commands(index)).sum()
    }

    pub(crate) fn most_down(&self) -> usize {
        self.0.lock().unwrap().most_down
    }

    pub(crate) fn controller(&self) -> Controller {
        Controller::new(Arc::new(self.clone()))
            .with_clock(Arc::new(VirtualClock::starting_at(now())))
            .with_actor("tester")
    }

    /// Carries a plan out to its end.
    pub(crate) async fn run(&self, plan: Plan) -> Report {
        self.run_with(plan, Arc::new(MemoryJournal::new())).await
    }

    pub(crate) async fn run_with(&self, plan: Plan, journal: Arc<dyn Journal>) -> Report {
        self.controller().execute(plan, journal).report().await.unwrap()
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_millis(1_795_000_000_000)
}

pub(crate) fn can_all() -> Capabilities {
    Capabilities::default().with_all(ActionKind::ALL)
}

/// Reads on to an event.
pub(crate) async fn until(run: &mut Execution, wanted: impl Fn(&ControlEvent) -> bool) -> ControlEvent {
    loop {
        let event = run.recv().await.expect("it ended before that");
        if wanted(&event) {
            return event;
        }
    }
}

impl Machine {
    fn settle(&mut self) {
        if self.back.is_some_and(|back| back <= Instant::now()) && !self.never {
            self.back = None;
            let sick = self.fault == Fault::Sick;
            self.snapshot.mining_state = Some(if sick { MiningState::Failed } else { MiningState::Mining });
        }
    }

    fn is_down(&self) -> bool {
        self.back.is_some()
    }

    fn obey(&mut self, action: &Action) -> Effect {
        match action {
            Action::Reboot | Action::Restart => {
                let now = Instant::now();
                self.booted = now + self.boot_time;
                self.back = Some(self.booted);
                self.never = self.fault == Fault::NeverBack;
                return Effect::Now;
            }
            Action::Pause => {
                self.snapshot.mining_state = Some(MiningState::Stopped);
                self.snapshot.hashrate.realtime = Some(HashRate::ZERO);
            }
            Action::Resume => {
                self.snapshot.mining_state = Some(MiningState::Mining);
                self.snapshot.hashrate.realtime = HashRate::from_ths(100.0).ok();
            }
            Action::Locate { on } => self.snapshot.light = Some(*on),
            Action::PowerLimit { power } => self.snapshot.power_limit = Some(*power),
            Action::SetPools { pools } => {
                let pool = |(id, setting): (u32, &bitlink_model::PoolSetting)| {
                    let mut pool = Pool::default();
                    pool.id = id;
                    pool.url = Some(setting.url.clone().into());
                    pool.user = Some(setting.user.clone().into());
                    pool
                };
                self.snapshot.pools = (0..).zip(pools).map(pool).collect();
            }
            _ => {}
        }
        Effect::Now
    }
}

#[async_trait]
impl Hands for Fleet {
    async fn look(&self, at: SocketAddr) -> Result<Seen, LookError> {
        sleep(LOOK).await;
        let mut state = self.0.lock().unwrap();
        let planned = state.planned;
        let unreachable = || LookError::Unreachable { why: "timed out".to_owned() };
        let machine = state.machines.get_mut(&at).ok_or_else(unreachable)?;
        machine.settle();
        machine.looks += 1;
        if machine.commands.is_empty() {
            machine.checked = Some(Instant::now());
        }
        if machine.is_down() {
            return Err(unreachable());
        }
        let mut snapshot = machine.snapshot.clone();
        let mut capabilities = can_all();
        match machine.fault {
            Fault::Gone if planned => return Err(unreachable()),
            Fault::Drops(times) if machine.looks <= times => return Err(unreachable()),
            Fault::Replaced if planned => snapshot.identity.mac = Some(Mac::new([2, 9, 9, 9, 9, 9])),
            Fault::Unsupported if planned => {
                capabilities = Capabilities::default().with(ActionKind::Reboot, Support::no("updated since"));
            }
            _ => {}
        }
        let day = Duration::from_hours(24);
        let up = Instant::now().saturating_duration_since(machine.booted);
        snapshot.uptime =
            Some((if machine.commands.is_empty() || !rebooted(machine) { day + up } else { up }).into());
        Ok(Seen::new(snapshot, capabilities))
    }

    async fn act(&self, at: SocketAddr, action: &Action) -> Result<Acted, ActFailure> {
        {
            let mut state = self.0.lock().unwrap();
            let flying = state.in_flight.entry(at).or_default();
            *flying += 1;
            assert_eq!(*flying, 1, "two commands at one time for {at}");
        }
        sleep(COMMAND).await;
        let mut state = self.0.lock().unwrap();
        *state.in_flight.entry(at).or_default() -= 1;
        let machine = state.machines.get_mut(&at).unwrap();
        machine.settle();
        machine.attempts += 1;
        let before = |kind, why: &str| Err(ActFailure::before(kind, why));
        match machine.fault {
            Fault::WrongPassword => return before(ActFailureKind::AccessDenied, "wrong password"),
            Fault::Locked(times) if machine.attempts <= times => {
                return before(ActFailureKind::Busy, "another user is logged in");
            }
            Fault::Refuses => {
                machine.commands.push((action.kind(), Instant::now()));
                return before(ActFailureKind::Refused, "invalid parameter");
            }
            _ => {}
        }
        machine.commands.push((action.kind(), Instant::now()));
        let effect = match machine.fault {
            Fault::Idle => Effect::Now,
            Fault::CommandLost => {
                return Err(ActFailure::after(ActFailureKind::Network, "reset"));
            }
            _ => machine.obey(action),
        };
        let lost = machine.fault == Fault::ReplyLost;
        if action.kind() == ActionKind::Reboot {
            for machine in state.machines.values_mut() {
                machine.settle();
            }
            let down = state.machines.values().filter(|machine| machine.is_down()).count();
            state.most_down = state.most_down.max(down);
        }
        if lost {
            return Err(ActFailure::after(ActFailureKind::Network, "timed out"));
        }
        Ok(Acted::new(effect).saying("ok"))
    }

    fn prove(&self, action: &Action, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
        let seen = |is: bool| if is { Proof::Proven } else { Proof::NotYet };
        match action {
            Action::Reboot | Action::Restart => {
                seen(before.and_then(|before| before.uptime).zip(after.uptime).is_some_and(|(b, a)| a < b))
            }
            Action::Locate { on } if after.light == Some(*on) => Proof::Proven,
            Action::Locate { .. } => Proof::Contradicted { why: "the light is as before".to_owned() },
            Action::Pause => seen(after.mining_state == Some(MiningState::Stopped)),
            Action::Resume => seen(after.mining_state == Some(MiningState::Mining)),
            Action::PowerLimit { power } => seen(after.power_limit == Some(*power)),
            Action::SetPools { pools } => seen(
                after.pools.len() == pools.len()
                    && after.pools.iter().zip(pools).all(|(is, wanted)| {
                        is.url.as_deref() == Some(&*wanted.url) && is.user.as_deref() == Some(&*wanted.user)
                    }),
            ),
            _ => Proof::Impossible,
        }
    }
}

fn rebooted(machine: &Machine) -> bool {
    // Told by the boot time: it lies after the last command where that was obeyed.
    machine.commands.last().is_some_and(|(kind, at)| {
        matches!(kind, ActionKind::Reboot | ActionKind::Restart) && machine.booted > *at
    })
}
