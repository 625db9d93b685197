//! Runs a conversation over a transport: the one place where the two meet.

use crate::error::{Stage, TransportError};
use crate::transport::{Endpoint, Limits, Transport};
use bitlink_protocol::{Conversation, ProtocolError, Step};
use std::time::Duration;
use tokio::time::Instant;

/// How long and how much a whole conversation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// For each exchange, connecting included. Default 5 s: single-threaded firmware answers late while it serves
    /// somebody else.
    pub per_exchange: Duration,
    /// For the whole conversation. Default 15 s.
    pub whole: Duration,
    /// See [`Limits::settle`]. Default 200 ms.
    pub settle: Duration,
    /// See [`Limits::max_reply_bytes`]. Default 4 MiB.
    pub max_reply_bytes: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            per_exchange: Duration::from_secs(5),
            whole: Duration::from_secs(15),
            settle: Duration::from_millis(200),
            max_reply_bytes: 4 << 20,
        }
    }
}

impl Patience {
    /// The same with another time for each exchange, and three times that for the whole.
    #[must_use]
    pub fn with_per_exchange(mut self, per_exchange: Duration) -> Self {
        self.per_exchange = per_exchange;
        self.whole = per_exchange.saturating_mul(3);
        self
    }

    /// The same with another time for the whole conversation.
    #[must_use]
    pub fn with_whole(mut self, whole: Duration) -> Self {
        self.whole = whole;
        self
    }
}

/// What a conversation came to, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversed<T> {
    /// Its result.
    pub value: T,
    /// How many questions were asked.
    pub exchanges: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a conversation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConverseError {
    /// A question that the conversation needs could not be carried.
    #[error(transparent)]
    Transport(TransportError),
    /// The answers did not serve.
    #[error(transparent)]
    Protocol(ProtocolError),
}

/// Runs a conversation with one miner to its end: one question at a time, each on a connection of its own. Once the
/// time for the whole is over, questions are answered with a timeout and not asked any more.
///
/// # Errors
/// [`ConverseError::Transport`] with the transport's own error when a lack of reply ended the conversation, else
/// [`ConverseError::Protocol`].
pub async fn converse<C>(
    transport: &dyn Transport,
    endpoint: Endpoint,
    mut conversation: C,
    patience: &Patience,
) -> Result<Conversed<C::Output>, ConverseError>
where
    C: Conversation + Send,
{
    let started = Instant::now();
    let end = after(started, patience.whole);
    let mut exchanges = 0_u32;
    let mut last_error = None;
    let mut step = conversation.step(None);
    loop {
        match step {
            // A question that nobody waits for an answer to is not asked: it may be a command.
            Step::Ask(_) if Instant::now() >= end => {
                let error = TransportError::TimedOut { stage: Stage::Connecting, received: 0 };
                step = conversation.step(Some(Err(error.failure())));
                last_error = Some(error);
            }
            Step::Ask(request) => {
                exchanges += 1;
                let limits = Limits {
                    deadline: end.min(after(Instant::now(), patience.per_exchange)),
                    settle: patience.settle,
                    max_reply_bytes: patience.max_reply_bytes,
                };
                let outcome = transport.exchange(endpoint, &request, &limits).await;
                step = conversation.step(Some(outcome.map_err(|error| {
                    let failure = error.failure();
                    last_error = Some(error);
                    failure
                })));
            }
            Step::Done(Ok(value)) => return Ok(Conversed { value, exchanges, elapsed: started.elapsed() }),
            Step::Done(Err(error)) => {
                return Err(match (error, last_error) {
                    (ProtocolError::NoReply { .. }, Some(cause)) => ConverseError::Transport(cause),
                    (error, _) => ConverseError::Protocol(error),
                });
            }
        }
    }
}

/// A time so long that the clock cannot tell its end is taken for a year: nobody waits longer for a miner.
fn after(now: Instant, time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    now.checked_add(time).unwrap_or_else(|| now + YEAR)
}

#[cfg(test)]
mod tests;
