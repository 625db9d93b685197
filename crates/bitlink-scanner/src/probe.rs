//! Whether anything listens at an address: several tries of growing length at its doors, at the pace and width that the
//! scan allows. Asks no questions and opens no socket itself; that is the transport's work.
//!
//! Most addresses of a scan are nobody's, so only the likeliest door is knocked at first. Where somebody shows life, be it
//! by refusing, all doors are knocked at together. Where nobody does, the next tries are at the two likeliest, since a
//! firewall may swallow what goes to one of them (`docs/decisions/0008-one-address-one-target.md`).

use crate::engine::Shared;
use crate::outcome::{Outcome, ScanFailure};
use crate::pace::back_off;
use crate::report::count;
use bitlink_protocol::{Door, Doors, ExchangeFailure};
use bitlink_transport::{Endpoint, ProbeOutcome};
use futures::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep};

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
    let doors = shared.config.doors_at(endpoint);
    let mut doors: Vec<Knocked> = doors.into_iter().map(|port| Knocked { port, outcome: None }).collect();
    for (round, timeout) in shared.config.probe_timeouts.iter().enumerate() {
        let width = if round == 0 { 1 } else { LIKELY };
        knock(shared, endpoint, number, round, *timeout, doors.iter_mut().take(width)).await;
        if shows_life(&doors) {
            // What a silent door of a machine that is there deserves is one more try with the next round.
            knock(shared, endpoint, number, round, *timeout, doors.iter_mut().skip(width)).await;
        }
        let known = |answer| doors.iter().any(|door| door.outcome == Some(answer));
        if known(Answer::Open) {
            return Probed::Open(shut(endpoint, &doors));
        }
        let lost = doors.first().and_then(|door| door.outcome).filter(|answer| *answer != Answer::Refused);
        if lost.is_some() || doors.iter().all(|door| door.outcome.is_some()) {
            break;
        }
    }
    Probed::Closed(outcome(&doors))
}

fn shows_life(doors: &[Knocked]) -> bool {
    doors.iter().any(|door| matches!(door.outcome, Some(Answer::Open | Answer::Refused)))
}

/// The doors that did not open.
fn shut(endpoint: Endpoint, doors: &[Knocked]) -> Doors {
    doors.iter().fold(Doors::default(), |shut, door| {
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
fn outcome(doors: &[Knocked]) -> Outcome {
    if shows_life(doors) {
        return Outcome::Refused;
    }
    match doors.iter().find_map(|door| door.outcome) {
        Some(Answer::Unreachable) => Outcome::Unreachable,
        Some(Answer::Denied) => Outcome::Denied,
        Some(Answer::Exhausted { tries }) => Outcome::Failed(ScanFailure::Exhausted { tries }),
        Some(Answer::Open | Answer::Refused) | None => Outcome::Silent,
    }
}

/// Knocks once at each of these doors that has not answered yet, at all of them together.
async fn knock(
    shared: &Shared,
    endpoint: Endpoint,
    number: u64,
    round: usize,
    timeout: Duration,
    doors: impl Iterator<Item = &mut Knocked>,
) {
    let knocks = doors.filter(|door| door.outcome.is_none()).map(|door| async move {
        if round > 0 {
            count(&shared.tally.probe_retries);
        }
        door.outcome = knock_once(shared, Endpoint::new(endpoint.ip(), door.port), number, timeout).await;
    });
    join_all(knocks).await;
}

/// One try, repeated only while this machine lacks what it takes.
async fn knock_once(shared: &Shared, endpoint: Endpoint, number: u64, timeout: Duration) -> Option<Answer> {
    let mut exhausted = 0_u32;
    loop {
        match try_once(shared, endpoint, timeout).await {
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
                sleep(back_off(exhausted, number)).await;
            }
            // Silence, and whatever a later transport may say that is not known here: the next try.
            _ => return None,
        }
    }
}

async fn try_once(shared: &Shared, endpoint: Endpoint, timeout: Duration) -> ProbeOutcome {
    shared.pacer.wait().await;
    let permit = shared.gate.enter().await;
    let flying = shared.tally.fly();
    count(&shared.tally.probes);
    let probe = shared.transport.probe(endpoint, Instant::now() + timeout).await;
    drop(flying);
    match probe.outcome {
        ProbeOutcome::Exhausted => shared.gate.narrow(permit),
        outcome => {
            if matches!(outcome, ProbeOutcome::Open | ProbeOutcome::Refused) {
                shared.tally.answered(probe.elapsed);
            }
            shared.gate.leave(permit);
        }
    }
    probe.outcome
}
