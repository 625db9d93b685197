//! Who listens at an open port: one conversation, asked again where the first attempt met a passing obstacle. Kept
//! apart from probing by a trait, so that either can be replaced.

use crate::engine::Shared;
use crate::outcome::{Outcome, ScanFailure};
use crate::pace::back_off;
use crate::report::count;
use async_trait::async_trait;
use bitlink_model::{Anomaly, AnomalyKind, MinerSnapshot, Span};
use bitlink_protocol::{Conversation, Credentials, Doors, ReadMiner, Reading, Reply, Request};
use bitlink_transport::{
    ConverseError, Conversed, Endpoint, Limits, Patience, Probe, Stage, Transport, TransportError, converse,
};
use futures::future::BoxFuture;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Asks a machine with an open port who it is and how it does.
pub trait Identifier: Debug + Send + Sync + 'static {
    /// One attempt at a machine some of whose doors were found shut. Must end in bounded time whatever the machine does.
    /// The reading need not be dated; the scan does that.
    fn identify(
        &self,
        endpoint: Endpoint,
        doors: &Doors,
    ) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>>;

    /// The same, or `None` as soon as the machine turns out to be a slow one: it is then identified once more, when others
    /// have had their turn. Unless told otherwise nobody is slow.
    fn identify_unless_slow(
        &self,
        endpoint: Endpoint,
        doors: &Doors,
    ) -> BoxFuture<'_, Option<Result<MinerSnapshot, ConverseError>>> {
        let identified = self.identify(endpoint, doors);
        Box::pin(async move { Some(identified.await) })
    }
}

/// Whoever takes longer than this for an answer is slow: many times what a busy miner takes.
const SLOW: Duration = Duration::from_millis(1_500);

/// The usual [`Identifier`]: the conversation [`ReadMiner`] over a transport.
#[derive(Debug, Clone)]
pub struct Reader {
    transport: Arc<dyn Transport>,
    patience: Patience,
    credentials: Vec<Credentials>,
    is_brief: bool,
}

impl Reader {
    /// Over a transport, with so much patience for each machine.
    pub fn new(transport: Arc<dyn Transport>, patience: Patience) -> Self {
        Self { transport, patience, credentials: Vec::new(), is_brief: false }
    }

    /// With names and passwords to try where a web server wants one.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Asking miners whose API answers no more than what they are known and judged by: see [`ReadMiner::brief`].
    #[must_use]
    pub fn briefly(mut self, is_brief: bool) -> Self {
        self.is_brief = is_brief;
        self
    }

    fn conversation(&self, doors: &Doors) -> ReadMiner {
        let read = ReadMiner::new().with_credentials(self.credentials.clone()).with_doors(doors.clone());
        if self.is_brief { read.brief() } else { read }
    }
}

impl Identifier for Reader {
    fn identify(
        &self,
        endpoint: Endpoint,
        doors: &Doors,
    ) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>> {
        let conversation = self.conversation(doors);
        Box::pin(async move { read(&*self.transport, endpoint, conversation, &self.patience).await })
    }

    fn identify_unless_slow(
        &self,
        endpoint: Endpoint,
        doors: &Doors,
    ) -> BoxFuture<'_, Option<Result<MinerSnapshot, ConverseError>>> {
        let conversation = self.conversation(doors);
        Box::pin(async move {
            if self.patience.per_exchange <= SLOW {
                return Some(read(&*self.transport, endpoint, conversation, &self.patience).await);
            }
            let impatient =
                Impatient { transport: Arc::clone(&self.transport), slow: AtomicBool::new(false) };
            let mut patience = self.patience;
            patience.per_exchange = SLOW;
            let read = read(&impatient, endpoint, conversation, &patience).await;
            // What was not waited for is missing in the reading.
            (!impatient.slow.load(Ordering::Relaxed)).then_some(read)
        })
    }
}

/// A transport over which nothing more is asked once an answer did not come in time.
#[derive(Debug)]
struct Impatient {
    transport: Arc<dyn Transport>,
    slow: AtomicBool,
}

#[async_trait]
impl Transport for Impatient {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        self.transport.probe(endpoint, deadline).await
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        if self.slow.load(Ordering::Relaxed) {
            return Err(TransportError::TimedOut { stage: Stage::Connecting, received: 0 });
        }
        let reply = self.transport.exchange(endpoint, request, limits).await;
        if matches!(reply, Err(TransportError::TimedOut { .. })) {
            self.slow.store(true, Ordering::Relaxed);
        }
        reply
    }
}

async fn read<C>(
    transport: &dyn Transport,
    endpoint: Endpoint,
    conversation: C,
    patience: &Patience,
) -> Result<MinerSnapshot, ConverseError>
where
    C: Conversation<Output = Reading> + Send,
{
    let Conversed { value: Reading { mut snapshot, failure, .. }, elapsed, .. } =
        converse(transport, endpoint, conversation, patience).await?;
    snapshot.round_trip = Some(Span::from(elapsed));
    // It said who it is, so it is found; what it did not say is told as an oddity.
    if let Some(failure) = failure {
        let cause = failure.source().map_or_else(String::new, |cause| format!(": {cause}"));
        snapshot.anomalies.push(Anomaly {
            kind: AnomalyKind::NoAnswer,
            place: "reading".to_owned(),
            detail: format!("{failure}{cause}"),
        });
    }
    Ok(snapshot)
}

/// The pause before a machine that could not be reached is asked again: enough for a listen queue to drain.
const PAUSE: Duration = Duration::from_millis(250);

/// Identifies one endpoint, with as many attempts as the configuration allows; `None` where it may be postponed, and should be.
pub(crate) async fn identify(
    shared: &Shared,
    endpoint: Endpoint,
    doors: &Doors,
    postponable: bool,
) -> Option<Result<MinerSnapshot, Outcome>> {
    let (mut passing, mut exhausted) = (0_u32, 0_u32);
    loop {
        let flying = shared.tally.fly();
        let attempt = if postponable {
            shared.identifier.identify_unless_slow(endpoint, doors).await?
        } else {
            shared.identifier.identify(endpoint, doors).await
        };
        drop(flying);
        match attempt {
            Ok(snapshot) => return Some(Ok(snapshot)),
            Err(ConverseError::Transport(TransportError::Exhausted(_))) => {
                exhausted += 1;
                if exhausted > shared.config.exhausted_retries {
                    return Some(Err(Outcome::Failed(ScanFailure::Exhausted { tries: exhausted })));
                }
                count(&shared.tally.exhausted_retries);
                sleep(back_off(exhausted, u64::from(endpoint.port()))).await;
            }
            Err(error) if passing < shared.config.identify_retries && is_passing(&error) => {
                passing += 1;
                count(&shared.tally.identify_retries);
                sleep(PAUSE).await;
            }
            Err(error) => return Some(Err(Outcome::of_conversation(error))),
        }
    }
}

/// Whether an obstacle may be gone in a moment: the port was open when it was probed.
fn is_passing(error: &ConverseError) -> bool {
    matches!(
        error,
        ConverseError::Transport(
            TransportError::Refused
                | TransportError::Reset
                | TransportError::Unreachable(_)
                | TransportError::TimedOut { stage: Stage::Connecting, .. }
        )
    )
}
