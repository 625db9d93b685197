//! Whether anything listens at an endpoint: several tries of growing length, at the pace and width that the scan
//! allows. Asks no questions and opens no socket itself; that is the transport's work.

use crate::engine::Shared;
use crate::outcome::{Outcome, ScanFailure};
use crate::pace::back_off;
use crate::report::count;
use bitlink_transport::{Endpoint, ProbeOutcome};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a probe came to.
#[derive(Debug)]
pub(crate) enum Probed {
    /// Somebody listens.
    Open,
    /// Nobody to ask, and that is the outcome.
    Closed(Outcome),
}

/// Probes one endpoint until something is known of it. `number` is its number in the plan.
pub(crate) async fn probe(shared: &Shared, endpoint: Endpoint, number: u64) -> Probed {
    let mut exhausted = 0_u32;
    for (index, timeout) in shared.config.probe_timeouts.iter().enumerate() {
        if index > 0 {
            count(&shared.tally.probe_retries);
        }
        loop {
            match try_once(shared, endpoint, *timeout).await {
                ProbeOutcome::Open => return Probed::Open,
                ProbeOutcome::Refused => return Probed::Closed(Outcome::Refused),
                ProbeOutcome::Unreachable => return Probed::Closed(Outcome::Unreachable),
                ProbeOutcome::Denied => return Probed::Closed(Outcome::Denied),
                ProbeOutcome::Exhausted => {
                    exhausted += 1;
                    if exhausted > shared.config.exhausted_retries {
                        return Probed::Closed(Outcome::Failed(ScanFailure::Exhausted { tries: exhausted }));
                    }
                    count(&shared.tally.exhausted_retries);
                    sleep(back_off(exhausted, number)).await;
                }
                // Silence, and whatever a later transport may say that is not known here: the next try.
                _ => break,
            }
        }
    }
    Probed::Closed(Outcome::Silent)
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
