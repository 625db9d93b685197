//! The one task that watches: it owns every poll, every miner's state and the schedule. It decides nothing about health
//! ([`Judge`](crate::Judge)), turns ([`Schedule`]) or the wire ([`converse`](bitlink_transport::converse)); it brings
//! them together.

mod desk;
mod face;
mod manner;
mod member;
mod poll;
mod reconfigure;
mod texts;

use crate::clock::Clock;
use crate::config::MonitorConfig;
use crate::event::{EventQueue, MonitorEvent};
use crate::health::{JudgeMemory, Miss};
use crate::observer::Observer;
use crate::schedule::{Pace, Schedule};
use crate::state::{Coverage, FleetSnapshot};
use crate::tally::{PollEnd, PollTally};
use bitlink_model::MinerId;
use bitlink_protocol::Credentials;
use bitlink_transport::{Endpoint, Links, Patience, Transport};
use desk::{Dates, Desk};
use member::{Change, Member, Whose};
use poll::{Answer, Failed, poll};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

/// What a handle can ask for.
#[derive(Debug)]
pub(crate) enum Command {
    Add(Vec<Endpoint>),
    Remove(Vec<Endpoint>),
    PollNow(Endpoint),
    Configure(Box<MonitorConfig>, oneshot::Sender<()>),
    Memories(oneshot::Sender<Vec<(MinerId, JudgeMemory)>>),
    Shutdown,
}

/// What an engine is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: MonitorConfig,
    pub(crate) links: Option<Arc<Links>>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) memories: Vec<(MinerId, JudgeMemory)>,
}

/// Putting a snapshot together costs about this per miner, so that is the least time between two of them: a fleet of
/// 50,000 is published twice a second, a fleet of 100 as often as it changes.
const PUBLISH_PAUSE_PER_MINER: Duration = Duration::from_micros(10);

#[derive(Debug)]
pub(crate) struct Engine {
    transport: Arc<dyn Transport>,
    links: Option<Arc<Links>>,
    config: MonitorConfig,
    patience: Patience,
    credentials: Arc<[Credentials]>,
    started: Instant,
    schedule: Schedule<Endpoint>,
    desk: Desk,
    /// Each in a box: a tree keeps room for almost twice as many as it has.
    members: BTreeMap<Endpoint, Box<Member>>,
    /// Where each machine was last heard.
    homes: HashMap<MinerId, Endpoint>,
    /// Every poll that runs. Dropping the engine ends them.
    polls: JoinSet<Result<Answer, Failed>>,
    running: HashMap<Id, Running>,
    next_generation: u64,
    counted: Counted,
    next_full: Duration,
    published: Duration,
    changed: bool,
    state: watch::Sender<Arc<FleetSnapshot>>,
    commands: mpsc::Receiver<Command>,
    /// Last, so that whoever waits for the end of the events finds all else gone.
    events: Closing,
}

/// Closes the queue however the engine ends.
#[derive(Debug)]
struct Closing(Arc<EventQueue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Which miner a running poll is for. A miner that was removed and added again is another one.
#[derive(Debug, Clone, Copy)]
struct Running {
    endpoint: Endpoint,
    generation: u64,
}

/// Counts for [`Coverage`].
#[derive(Debug, Default)]
struct Counted {
    answered: u64,
    failed: u64,
    not_asked: u64,
    tally: PollTally,
    gaps: u32,
    gap_total: Duration,
    effective_interval: Option<Duration>,
}

impl Engine {
    pub(crate) fn new(
        parts: Parts,
        events: Arc<EventQueue>,
        state: watch::Sender<Arc<FleetSnapshot>>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let Parts { transport, clock, config, links, observer, memories } = parts;
        let config = config.sanitised();
        let rules = reconfigure::resolver(&config);
        Self {
            transport,
            links,
            patience: config.poll_patience(),
            credentials: config.credentials.clone().into(),
            started: Instant::now(),
            schedule: Schedule::new(config.interval, config.seed)
                .with_longest_pause(config.dead_pause)
                .with_limits(config.max_in_flight, config.max_per_subnet, subnet),
            desk: Desk::new(Dates::new(clock), rules, observer, memories),
            members: BTreeMap::new(),
            homes: HashMap::new(),
            polls: JoinSet::new(),
            running: HashMap::new(),
            next_generation: 0,
            counted: Counted::default(),
            next_full: config.interval,
            published: Duration::ZERO,
            changed: false,
            state,
            commands,
            events: Closing(events),
            config,
        }
    }

    /// Adds the miners that are watched from the start, without a word, and publishes the state that has them.
    pub(crate) fn start_with(&mut self, targets: impl IntoIterator<Item = Endpoint>) {
        self.add(targets.into_iter().collect(), false);
        self.publish(Duration::ZERO);
    }

    pub(crate) async fn run(mut self) {
        loop {
            let now = self.started.elapsed();
            self.start_polls(now);
            self.tell_state(now);
            let wake = self.next_wake(now);
            tokio::select! {
                // In this order, always: what happens depends on nothing but what has happened.
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown) | None => break,
                    Some(command) => self.obey(command),
                },
                Some(ended) = self.polls.join_next_with_id(), if !self.polls.is_empty() => self.ended(ended),
                () = sleep_until(self.started + wake) => {}
            }
        }
        self.wind_down().await;
    }

    /// Lets running polls end, within the grace, and drops the others.
    async fn wind_down(&mut self) {
        let end = Instant::now() + self.config.grace;
        while let Ok(Some(ended)) = tokio::time::timeout_at(end, self.polls.join_next_with_id()).await {
            self.ended(ended);
        }
        self.polls.shutdown().await;
        self.publish(self.started.elapsed());
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(endpoints) => self.add(endpoints, true),
            Command::Remove(endpoints) => endpoints.into_iter().for_each(|endpoint| self.remove(endpoint)),
            Command::PollNow(endpoint) => self.schedule.hurry(&endpoint, self.started.elapsed()),
            Command::Configure(config, done) => {
                self.configure(*config);
                // Whoever asked may have left.
                let _ = done.send(());
            }
            Command::Memories(to) => {
                // Nobody listens any more: nothing to do.
                let _ = to.send(self.memories());
            }
            Command::Shutdown => {}
        }
    }

    fn add(&mut self, endpoints: Vec<Endpoint>, tell: bool) {
        for endpoint in &endpoints {
            if self.members.contains_key(endpoint) {
                continue;
            }
            let expected = self.desk.expected(*endpoint);
            let member = Member::new(*endpoint, expected, self.next_generation, self.desk.rules.common());
            self.next_generation += 1;
            if tell {
                self.events.0.push(MonitorEvent::Added(Arc::clone(&member.miner)));
            }
            self.members.insert(*endpoint, Box::new(member));
            self.changed = true;
        }
        self.schedule.extend(endpoints, self.started.elapsed());
    }

    fn remove(&mut self, endpoint: Endpoint) {
        self.schedule.remove(&endpoint);
        if let Some(member) = self.members.remove(&endpoint) {
            self.leaves(member.miner.id, endpoint, &member);
            self.events.0.push(MonitorEvent::Removed(member.miner));
            self.changed = true;
        }
    }

    /// Starts every poll that is due, as far as the limits on polls at once allow.
    fn start_polls(&mut self, now: Duration) {
        while let Some(due) = self.schedule.take_due(now) {
            let Some(member) = self.members.get_mut(&due.key) else {
                self.schedule.remove(&due.key);
                self.schedule.done(&due.key, now, Pace::Regular);
                continue;
            };
            if let Some(gap) = member.starts_poll(now) {
                self.counted.gaps += 1;
                self.counted.gap_total += gap;
            }
            let running = Running { endpoint: due.key, generation: member.generation };
            let (transport, credentials) = (Arc::clone(&self.transport), Arc::clone(&self.credentials));
            let known = member.identified(&credentials);
            let work = poll(transport, due.key, known, self.patience, credentials);
            // owned by this engine's JoinSet, which ends it when the engine goes
            let task = self.polls.spawn(work);
            self.running.insert(task.id(), running);
        }
    }

    /// A poll has ended, one way or another.
    fn ended(&mut self, ended: Result<(Id, Result<Answer, Failed>), JoinError>) {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a poll broke off; this is a bug");
                let miss = Miss::NotAsked { why: "the poll broke off".to_owned() };
                (error.id(), Err(Failed { miss, end: PollEnd::Other }))
            }
        };
        let Some(Running { endpoint, generation }) = self.running.remove(&id) else { return };
        let now = self.started.elapsed();
        match &outcome {
            Ok(answer) => {
                self.counted.answered += 1;
                self.counted.tally.answered(answer.round_trip);
            }
            Err(Failed { miss, end }) => {
                self.counted.tally.missed(miss, *end);
                if let Miss::NotAsked { why } = miss {
                    tracing::debug!(%endpoint, %why, "a poll could not be made");
                    self.counted.not_asked += 1;
                } else {
                    self.counted.failed += 1;
                }
            }
        }
        let Some(member) = self.members.get_mut(&endpoint).filter(|m| m.generation == generation) else {
            // Removed meanwhile; what it said concerns nobody.
            self.schedule.done(&endpoint, now, Pace::Regular);
            return;
        };
        let change = match outcome {
            Ok(mut answer) => {
                let met_at = self.links.as_ref().and_then(|links| links.mac_of(endpoint.ip()));
                match member.recognise(now, &mut answer, met_at, &mut self.desk) {
                    Some(whose) => self.heard(endpoint, now, answer, whose),
                    None => Change::default(),
                }
            }
            Err(failed) => member.missed(now, &failed.miss, &self.desk),
        };
        let pace = self.members.get(&endpoint).map_or(Pace::Regular, |member| member.pace());
        self.schedule.done(&endpoint, now, pace);
        self.changed = true;
        if change.came_back {
            self.expect_neighbours(endpoint, now);
        }
        self.tell(endpoint, &change);
    }

    /// A machine has answered at an address. If it was last heard elsewhere it has moved, and brings along what is remembered
    /// of it; if it is heard there all the time, there are two of it.
    fn heard(&mut self, endpoint: Endpoint, now: Duration, answer: Answer, whose: Whose) -> Change {
        let home = self.homes.insert(whose.id, endpoint).filter(|home| *home != endpoint);
        let before = home.and_then(|home| Some((home, self.members.get(&home)?))).filter(|(_, other)| {
            whose.certain && other.miner.id == whose.id && other.miner.snapshot.is_some()
        });
        let heard_here = self.members.get(&endpoint).map(|member| member.heard_at);
        let twin = before
            .filter(|(_, other)| !whose.is_new && other.live && Some(other.heard_at) > heard_here)
            .map(|(home, _)| home);
        let memory = before.filter(|_| whose.is_new).map(|(_, other)| other.memory());
        let Some(member) = self.members.get_mut(&endpoint) else { return Change::default() };
        let left = member.miner.id;
        let change = member.heard(now, answer, whose, twin, &mut self.desk);
        if let Some(memory) = memory {
            member.recall(memory);
        }
        if left != whose.id && self.homes.get(&left) == Some(&endpoint) {
            self.homes.remove(&left);
        }
        change
    }

    /// A machine is no longer watched at an address.
    fn leaves(&mut self, id: MinerId, endpoint: Endpoint, member: &Member) {
        if self.homes.get(&id) == Some(&endpoint) {
            self.homes.remove(&id);
            self.desk.keep(id, member.memory());
        }
    }

    /// What is remembered of every machine, dated by the wall clock.
    fn memories(&self) -> Vec<(MinerId, JudgeMemory)> {
        let kept = self.desk.memories().iter().map(|(id, memory)| (*id, memory.clone()));
        let watched = self.members.iter().filter(|(endpoint, member)| {
            self.homes.get(&member.miner.id).is_some_and(|home| home == *endpoint)
        });
        let all: BTreeMap<MinerId, JudgeMemory> =
            kept.chain(watched.map(|(_, member)| (member.miner.id, member.memory()))).collect();
        all.into_iter().map(|(id, memory)| (id, memory.moved(|at| self.desk.dates.shown(at)))).collect()
    }

    /// A miner that was dead has answered. What had silenced it may have silenced its neighbours and be over: those that are
    /// backing off are asked at their next beat.
    fn expect_neighbours(&mut self, endpoint: Endpoint, now: Duration) {
        let first =
            self.members.range(..endpoint).rev().take_while(|(other, _)| subnet(other) == subnet(&endpoint));
        let last = self.members.range(endpoint..).take_while(|(other, _)| subnet(other) == subnet(&endpoint));
        for (neighbour, member) in first.chain(last) {
            if matches!(member.pace(), Pace::Backoff(_)) {
                self.schedule.expect(neighbour, now);
            }
        }
    }

    fn tell(&self, endpoint: Endpoint, change: &Change) {
        let Some(member) = self.members.get(&endpoint) else { return };
        let miner = &member.miner;
        if let Some(before) = change.other_machine {
            self.events.0.push(MonitorEvent::IdentityChanged { miner: Arc::clone(miner), before });
        }
        let to = miner.status;
        if let Some(from) = change.status_from {
            tracing::debug!(%endpoint, %from, %to, "status changed");
            self.events.0.push(MonitorEvent::StatusChanged { miner: Arc::clone(miner), from, to });
        }
        if change.seen {
            self.events.0.push(MonitorEvent::MinerUpdated(Arc::clone(miner)));
        }
    }

    fn publish_pause(&self) -> Duration {
        PUBLISH_PAUSE_PER_MINER.saturating_mul(u32::try_from(self.members.len()).unwrap_or(u32::MAX))
    }

    /// Publishes the state when it has changed and the last time is long enough ago, and in any case when a round ends.
    fn tell_state(&mut self, now: Duration) {
        if now >= self.next_full {
            let gaps = std::mem::take(&mut self.counted.gaps);
            let total = std::mem::take(&mut self.counted.gap_total);
            self.counted.effective_interval = total.checked_div(gaps);
            let snapshot = self.publish(now);
            self.events.0.push(MonitorEvent::FullSnapshot(snapshot));
            while self.next_full <= now {
                self.next_full += self.config.interval;
            }
        } else if self.changed && now >= self.published + self.publish_pause() {
            self.publish(now);
        }
    }

    fn publish(&mut self, now: Duration) -> Arc<FleetSnapshot> {
        let mut coverage = Coverage {
            polls_answered: self.counted.answered,
            polls_failed: self.counted.failed,
            not_asked: self.counted.not_asked,
            polls: self.counted.tally.clone(),
            in_flight: self.polls.len(),
            lag: self.schedule.lag(now),
            effective_interval: self.counted.effective_interval,
            ..Coverage::default()
        };
        let miners = self
            .members
            .values()
            .map(|member| {
                coverage.count(&member.miner, member.live);
                Arc::clone(&member.miner)
            })
            .collect();
        let snapshot = Arc::new(FleetSnapshot {
            taken_at: self.desk.dates.wall(now),
            seq: self.events.0.newest(),
            miners,
            coverage,
        });
        self.state.send_replace(Arc::clone(&snapshot));
        self.published = now;
        self.changed = false;
        snapshot
    }

    /// When there is something to do next, if nothing happens until then.
    fn next_wake(&self, now: Duration) -> Duration {
        let mut wake = self.next_full;
        if let Some(due) = self.schedule.next_due() {
            wake = wake.min(due);
        }
        if self.changed {
            wake = wake.min(self.published + self.publish_pause());
        }
        wake.max(now)
    }
}

/// The subnet of an endpoint as a number: a /24 of IPv4 or a /64 of IPv6.
fn subnet(endpoint: &Endpoint) -> u128 {
    match endpoint.ip().to_canonical() {
        IpAddr::V4(ip) => u128::from(u32::from(ip) >> 8),
        // No /64 of IPv6 comes out as one of those: the unspecified one is nobody's.
        IpAddr::V6(ip) => u128::from(ip) >> 64 << 64,
    }
}

#[cfg(test)]
mod tests;
