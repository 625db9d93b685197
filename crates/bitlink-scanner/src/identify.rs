//! Who listens at an open port: one conversation, asked again where the first attempt met a passing obstacle. Kept
//! apart from probing by a trait, so that either can be replaced.

use crate::engine::Shared;
use crate::outcome::{Outcome, ScanFailure};
use crate::pace::back_off;
use crate::report::count;
use bitlink_model::{Anomaly, AnomalyKind, MinerSnapshot, Span};
use bitlink_protocol::{Conversation, Credentials, Doors, ReadMiner, Reading};
use bitlink_transport::{
    ConverseError, Conversed, Endpoint, Patience, Stage, Transport, TransportError, converse,
};
use futures::future::BoxFuture;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Asks a machine with an open port who it is and how it does.
pub trait Identifier: Debug + Send + Sync + 'static {
    /// One attempt at a machine some of whose doors were found shut. Must end in bounded time whatever the machine does.
    /// The reading need not be dated; the scan does that.
    fn identify(
        &self,
        endpoint: Endpoint,
        doors: &Doors,
    ) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>>;
}

/// The usual [`Identifier`]: the conversation [`ReadMiner`] over a transport.
#[derive(Debug, Clone)]
pub struct Reader {
    transport: Arc<dyn Transport>,
    patience: Patience,
    credentials: Vec<Credentials>,
}

impl Reader {
    /// Over a transport, with so much patience for each machine.
    pub fn new(transport: Arc<dyn Transport>, patience: Patience) -> Self {
        Self { transport, patience, credentials: Vec::new() }
    }

    /// With names and passwords to try where a web server wants one.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }
}

impl Identifier for Reader {
    fn identify(
        &self,
        endpoint: Endpoint,
        doors: &Doors,
    ) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>> {
        let conversation =
            ReadMiner::new().with_credentials(self.credentials.clone()).with_doors(doors.clone());
        Box::pin(read(self, endpoint, conversation))
    }
}

async fn read<C>(reader: &Reader, endpoint: Endpoint, conversation: C) -> Result<MinerSnapshot, ConverseError>
where
    C: Conversation<Output = Reading> + Send,
{
    let Conversed { value: Reading { mut snapshot, failure, .. }, elapsed, .. } =
        converse(&*reader.transport, endpoint, conversation, &reader.patience).await?;
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

/// Identifies one endpoint, with as many attempts as the configuration allows.
pub(crate) async fn identify(
    shared: &Shared,
    endpoint: Endpoint,
    doors: &Doors,
) -> Result<MinerSnapshot, Outcome> {
    let (mut passing, mut exhausted) = (0_u32, 0_u32);
    loop {
        let flying = shared.tally.fly();
        let attempt = shared.identifier.identify(endpoint, doors).await;
        drop(flying);
        match attempt {
            Ok(snapshot) => return Ok(snapshot),
            Err(ConverseError::Transport(TransportError::Exhausted(_))) => {
                exhausted += 1;
                if exhausted > shared.config.exhausted_retries {
                    return Err(Outcome::Failed(ScanFailure::Exhausted { tries: exhausted }));
                }
                count(&shared.tally.exhausted_retries);
                sleep(back_off(exhausted, u64::from(endpoint.port()))).await;
            }
            Err(error) if passing < shared.config.identify_retries && is_passing(&error) => {
                passing += 1;
                count(&shared.tally.identify_retries);
                sleep(PAUSE).await;
            }
            Err(error) => return Err(Outcome::of_conversation(error)),
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
