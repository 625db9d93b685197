//! Whether anything listens at an address: several tries at its doors, at the pace and width that the scan allows. Asks no
//! questions and opens no socket itself; that is the transport's work.
//!
//! A try that was not answered in time is not taken back: it stays open while the next ones are made, until the address is
//! given up. So a lost packet costs a short wait, and a slow machine is still heard
//! (`docs/decisions/0009-tries-that-overlap.md`).
//!
//! Most addresses of a scan are nobody's, so only the likeliest door is knocked at first. Where it opens, the next likeliest
//! is knocked at too, since most of what the API leaves out is told there. Where somebody refuses, all doors are knocked at. Where nobody does, the next tries are at the two likeliest, since a
//! firewall may swallow what goes to one of them (`docs/decisions/0008-one-address-one-target.md`).

use crate::approach::{KNOCK, Near, VERDICT};
use crate::engine::Shared;
use crate::outcome::{Outcome, ScanFailure};
use crate::pace::back_off;
use crate::report::count;
use crate::story::ScanStep;
use crate::times::Waits;
use bitlink_protocol::{Door, Doors, ExchangeFailure};
use bitlink_transport::{Endpoint, ProbeOutcome};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::future::Future;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};

/// What a probe came to.
#[derive(Debug)]
pub(crate) enum Probed {
    /// Somebody listens, if not at these doors.
    Open(Doors),
    /// Nobody to ask, and that is the outcome.
    Closed(Outcome),
}

/// How many doors are knocked at again where nobody shows life.
const LIKELY: usize = 2;

/// What is known of one door.
#[derive(Debug)]
struct Knocked {
    port: u16,
    /// How often somebody has knocked at it.
    tries: u32,
    /// `None` while all was silence.
    outcome: Option<Answer>,
}

/// What came of a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Open,
    Refused,
    Unreachable,
    Denied,
    Exhausted { tries: u32 },
}

/// Probes one endpoint until something is known of it. `number` is its number in the plan.
pub(crate) async fn probe(shared: &Shared, endpoint: Endpoint, number: u64) -> Probed {
    let waits = shared.times.waits(endpoint.ip());
    let turn = || ScanStep::Turn { number, total: shared.endpoints(), waits: waits.to_vec() };
    shared.stories.tell(endpoint, turn).await;
    let Some(approach) = &shared.approach else {
        return knock_at(shared, endpoint, number, waits, waits).await;
    };
    let asking = || {
        count(&shared.tally.arp_questions);
        shared.asking_pacer.wait()
    };
    let mut overflows = 0;
    loop {
        let before = match approach.come_near(endpoint.ip(), asking).await {
            Near::Open => return knock_at(shared, endpoint, number, waits, waits).await,
            Near::Answered(mac) => {
                shared.links.seen(endpoint.ip(), mac);
                shared.stories.tell(endpoint, || ScanStep::AskedByArp { answered: Some(mac) }).await;
                let before = approach.overflows();
                let probed = knock_at(shared, endpoint, number, waits, waits).await;
                approach.met(endpoint.ip());
                let Probed::Closed(Outcome::Silent) = probed else { return probed };
                if approach.overflows() == before || overflows == MOST_OVERFLOWS {
                    return probed;
                }
                before
            }
            Near::Nobody => {
                shared.stories.tell(endpoint, || ScanStep::AskedByArp { answered: None }).await;
                return Probed::Closed(Outcome::Silent);
            }
            Near::Unknown => {
                shared.stories.tell(endpoint, || ScanStep::GotPlace).await;
                let before = approach.overflows();
                let first = knock_at(shared, endpoint, number, Waits::one(KNOCK), waits).await;
                approach.met(endpoint.ip());
                let Probed::Closed(Outcome::Silent | Outcome::Unreachable) = first else { return first };
                sleep(VERDICT.saturating_sub(KNOCK)).await;
                if approach.found(endpoint.ip()) {
                    return knock_at(shared, endpoint, number, waits, waits).await;
                }
                if approach.overflows() == before || overflows == MOST_OVERFLOWS {
                    return Probed::Closed(Outcome::Silent);
                }
                before
            }
        };
        // While the table was full nobody was asked for, so silence meant nothing.
        overflows += 1;
        approach.narrow(before);
        count(&shared.tally.table_overflows);
        shared.stories.tell(endpoint, || ScanStep::TableOverflowed).await;
    }
}

/// How often an address is asked again because the table of neighbours was full. Each time the scan uses fewer places.
const MOST_OVERFLOWS: u32 = 8;

/// Knocks at the doors of an address, with these waits while it is silent and those once it shows life.
async fn knock_at(
    shared: &Shared,
    endpoint: Endpoint,
    number: u64,
    mut waits: Waits,
    when_alive: Waits,
) -> Probed {
    let ports = shared.config.doors_at(endpoint);
    let mut doors = Address { doors: ports.map(|port| Knocked { port, tries: 0, outcome: None }).collect() };
    let mut knocks = FuturesUnordered::new();
    let mut lives = false;
    let mut round = 0;
    'rounds: while round < waits.tries() {
        let last = waits.tries().saturating_sub(1);
        for (index, port) in doors.due(round, last, shared.times.loses()) {
            if round > 0 {
                count(&shared.tally.probe_retries);
            }
            let permit = admitted(shared, &mut knocks, &mut doors).await;
            let again = doors.knocked(index);
            let endpoint = Endpoint::new(endpoint.ip(), port);
            let knock = Knock { endpoint, number, patience: waits.from(round) };
            knocks.push(async move { (index, knock.go(shared, permit, again).await) });
        }
        // The wait begins when the knocks are on their way, however long that took.
        let until = Instant::now() + waits.after(round);
        while !doors.is_settled() {
            if doors.shows_life() && !lives {
                // Who is there gets every try at every door.
                lives = true;
                waits = when_alive;
                round = 0;
                continue 'rounds;
            }
            // After the last round every knock has the time that it was given, which is that of the address, or more
            // where sockets are short. Where a door is open nobody waits so long for the others.
            let heard = if round == last && !doors.is_open() {
                knocks.next().await
            } else {
                timeout_at(until, knocks.next()).await.ok().flatten()
            };
            match heard {
                Some((index, answer)) => doors.hear(index, answer),
                None => break,
            }
        }
        if doors.is_settled() || doors.is_open() {
            break;
        }
        round += 1;
    }
    let probed = doors.probed(endpoint);
    if matches!(probed, Probed::Closed(Outcome::Silent)) {
        shared.tally.waited(waits.from(0));
    }
    probed
}

/// Waits for leave to open one more connection, hearing meanwhile those that are on their way: they hold what others wait
/// for.
async fn admitted<'a, F: Future<Output = (usize, Option<Answer>)>>(
    shared: &'a Shared,
    knocks: &mut FuturesUnordered<F>,
    doors: &mut Address,
) -> Permit<'a> {
    let admission = shared.admit();
    if knocks.is_empty() {
        return admission.await;
    }
    tokio::pin!(admission);
    loop {
        tokio::select! {
            biased;
            permit = &mut admission => return permit,
            Some((index, answer)) = knocks.next() => doors.hear(index, answer),
        }
    }
}

/// Leave to have one connection open.
pub(crate) type Permit<'a> = Option<SemaphorePermit<'a>>;

/// The doors of one address.
#[derive(Debug)]
struct Address {
    doors: Vec<Knocked>,
}

impl Address {
    fn hear(&mut self, index: usize, answer: Option<Answer>) {
        if let Some(door) = self.doors.get_mut(index)
            && door.outcome.is_none()
        {
            door.outcome = answer;
        }
    }

    /// Somebody knocks at a door; returns whether anybody has before.
    fn knocked(&mut self, index: usize) -> bool {
        let Some(door) = self.doors.get_mut(index) else { return false };
        door.tries += 1;
        door.tries > 1
    }

    /// How many doors there is a reason to knock at, the likeliest first. What else there may be of a machine that speaks
    /// the API is asked for by what it says.
    fn worth_a_knock(&self) -> usize {
        let speaks = self.doors.first().is_some_and(|door| door.outcome == Some(Answer::Open));
        if speaks { LIKELY.min(self.doors.len()) } else { self.doors.len() }
    }

    fn shows_life(&self) -> bool {
        self.doors.iter().any(|door| matches!(door.outcome, Some(Answer::Open | Answer::Refused)))
    }

    fn is_open(&self) -> bool {
        self.doors.iter().any(|door| door.outcome == Some(Answer::Open))
    }

    /// Whether nothing more can be learnt: every door has answered, or there is no way to the likeliest.
    fn is_settled(&self) -> bool {
        let first = self.doors.first().and_then(|door| door.outcome);
        let lost = first.is_some_and(|answer| !matches!(answer, Answer::Open | Answer::Refused));
        self.doors.iter().take(self.worth_a_knock()).all(|door| door.outcome.is_some())
            || lost && !self.shows_life()
    }

    /// Where to knock in a round: the numbers and ports of doors that have not answered. Where the network `loses` nothing that
    /// anybody has noticed, the second likeliest door has had its knock before the last round.
    fn due(&self, round: usize, last: usize, loses: bool) -> Vec<(usize, u16)> {
        let likely = LIKELY.min(self.doors.len());
        let some = match round {
            _ if self.shows_life() => 0..self.worth_a_knock(),
            0 => 0..1,
            _ if round == last && (loses || last < LIKELY) => 0..likely,
            _ if round == last => 0..1,
            _ => round % likely..round % likely + 1,
        };
        let doors = self.doors.iter().enumerate().skip(some.start).take(some.len());
        doors.filter(|(_, door)| door.outcome.is_none()).map(|(index, door)| (index, door.port)).collect()
    }

    fn probed(&self, endpoint: Endpoint) -> Probed {
        if self.is_open() { Probed::Open(self.shut(endpoint)) } else { Probed::Closed(self.outcome()) }
    }

    /// The doors that did not open.
    fn shut(&self, endpoint: Endpoint) -> Doors {
        self.doors.iter().filter(|door| door.tries > 0).fold(Doors::default(), |shut, door| {
            let place = if door.port == endpoint.port() { Door::Api } else { Door::Port(door.port) };
            match door.outcome {
                Some(Answer::Open) => shut,
                Some(Answer::Refused) => shut.with_shut(place, ExchangeFailure::Refused),
                Some(_) => shut.with_shut(place, ExchangeFailure::Unreachable),
                None => shut.with_shut(place, ExchangeFailure::TimedOut),
            }
        })
    }

    /// What is said of an address where no door opened: that somebody is there, before why nobody could be reached.
    fn outcome(&self) -> Outcome {
        if self.shows_life() {
            return Outcome::Refused;
        }
        match self.doors.iter().find_map(|door| door.outcome) {
            Some(Answer::Unreachable) => Outcome::Unreachable,
            Some(Answer::Denied) => Outcome::Denied,
            Some(Answer::Exhausted { tries }) => Outcome::Failed(ScanFailure::Exhausted { tries }),
            Some(Answer::Open | Answer::Refused) | None => Outcome::Silent,
        }
    }
}

/// One connection to be tried.
#[derive(Debug, Clone, Copy)]
struct Knock {
    endpoint: Endpoint,
    number: u64,
    patience: Duration,
}

impl Knock {
    /// One try, repeated only while this machine lacks what it takes.
    async fn go(self, shared: &Shared, mut permit: Permit<'_>, again: bool) -> Option<Answer> {
        let mut exhausted = 0_u32;
        loop {
            let outcome = self.once(shared, permit).await;
            if again && matches!(outcome, ProbeOutcome::Open | ProbeOutcome::Refused) {
                shared.times.lost();
            }
            match outcome {
                ProbeOutcome::Open => return Some(Answer::Open),
                ProbeOutcome::Refused => return Some(Answer::Refused),
                ProbeOutcome::Unreachable => return Some(Answer::Unreachable),
                ProbeOutcome::Denied => return Some(Answer::Denied),
                ProbeOutcome::Exhausted => {
                    exhausted += 1;
                    if exhausted > shared.config.exhausted_retries {
                        return Some(Answer::Exhausted { tries: exhausted });
                    }
                    count(&shared.tally.exhausted_retries);
                    sleep(back_off(exhausted, self.number)).await;
                    permit = shared.admit().await;
                }
                // Silence, and whatever a later transport may say that is not known here: the next try.
                _ => return None,
            }
        }
    }

    async fn once(self, shared: &Shared, permit: Permit<'_>) -> ProbeOutcome {
        let flying = shared.tally.fly();
        count(&shared.tally.probes);
        let probe = shared.transport.probe(self.endpoint, Instant::now() + self.patience).await;
        drop(flying);
        match probe.outcome {
            ProbeOutcome::Exhausted => shared.gate.narrow(permit),
            outcome => {
                if matches!(outcome, ProbeOutcome::Open | ProbeOutcome::Refused) {
                    shared.tally.answered(probe.elapsed);
                    shared.times.answered(self.endpoint.ip(), probe.elapsed);
                }
                shared.gate.leave(permit);
            }
        }
        probe.outcome
    }
}

#[cfg(test)]
mod tests {
    //! Where to knock.
    use super::*;

    #[test]
    fn the_second_door_is_tried_again_where_packets_are_lost() {
        let door = |port| Knocked { port, tries: 0, outcome: None };
        let doors = Address { doors: vec![door(4028), door(80), door(443)] };
        let ports = |round, last, loses| -> Vec<u16> {
            doors.due(round, last, loses).into_iter().map(|(_, port)| port).collect()
        };
        assert_eq!([ports(0, 2, false), ports(1, 2, false), ports(2, 2, false)], [[4028], [80], [4028]]);
        assert_eq!(ports(2, 2, true), [4028, 80]);
        assert_eq!(ports(1, 1, false), [4028, 80], "with two tries the last is the first for it");
    }
}
