//! One poll of one miner, and what its failure means. Keeps nothing.

use crate::health::Miss;
use crate::tally::PollEnd;
use bitlink_protocol::{Credentials, Identified, ReadMiner, Reading};
use bitlink_transport::{ConverseError, Endpoint, Patience, Transport, TransportError, converse};
use std::sync::Arc;
use std::time::Duration;

/// What a poll brought.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reading: Reading,
    pub(super) round_trip: Duration,
}

/// A poll that brought no reading.
#[derive(Debug)]
pub(super) struct Failed {
    /// What that means for the miner.
    pub(super) miss: Miss,
    /// Under what it is counted.
    pub(super) end: PollEnd,
}

/// How much longer than allowed a transport may take before it is given up on. Transports keep their deadlines; a
/// broken one must not keep a miner from ever being asked again.
const OVERRUN: Duration = Duration::from_secs(1);

/// Reads a miner: a stranger from its first question on, one that is known straight away.
pub(super) async fn poll(
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    known: Option<Identified>,
    patience: Patience,
    credentials: Arc<[Credentials]>,
) -> Result<Answer, Failed> {
    let conversation = match known {
        Some(known) => ReadMiner::again(known),
        None => ReadMiner::new().with_credentials(credentials.to_vec()),
    };
    let asked = converse(&*transport, endpoint, conversation, &patience);
    match tokio::time::timeout(patience.whole + OVERRUN, asked).await {
        Ok(Ok(conversed)) => match &conversed.value.failure {
            None => Ok(Answer { reading: conversed.value, round_trip: conversed.elapsed }),
            // It said who it is and nothing about how it does.
            Some(failure) => Err(Failed {
                miss: Miss::Unusable { why: chain(failure) },
                end: PollEnd::of_protocol(failure),
            }),
        },
        Ok(Err(error)) => Err(Failed { miss: miss(&error), end: PollEnd::of(&error) }),
        Err(_) => Err(Failed {
            miss: Miss::Unanswered { why: "the transport did not keep its deadline".to_owned() },
            end: PollEnd::TimedOut,
        }),
    }
}

/// Whose fault it is that there is no reading.
fn miss(error: &ConverseError) -> Miss {
    let why = chain(error);
    match error {
        ConverseError::Transport(cause) => match cause {
            TransportError::Exhausted(_)
            | TransportError::Denied(_)
            | TransportError::Unsupported
            | TransportError::NotRecorded => Miss::NotAsked { why },
            // Somebody is there: an access list that does not name us, or a daemon that restarts; a reply that was too
            // long, or that dripped.
            TransportError::ClosedWithoutReply | TransportError::TooLong { .. } => Miss::Unusable { why },
            TransportError::TimedOut { received, .. } if *received > 0 => Miss::Unusable { why },
            _ => Miss::Unanswered { why },
        },
        _ => Miss::Unusable { why },
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
