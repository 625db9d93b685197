//! One exchange at a time with a miner, whoever asks: who polls, who commands and who looks at raw replies take turns. Decides
//! nothing about who comes first; they go in the order in which they came.

use crate::error::{Stage, TransportError};
use crate::transport::{Endpoint, Limits, Probe, Transport};
use async_trait::async_trait;
use bitlink_protocol::{Reply, Request};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

/// Another transport, over which nobody talks to an endpoint while somebody else does. Several users of one transport, as a
/// monitor and a command beside it, share one of these. Probes ask nothing and wait for nobody.
///
/// Waiting counts as opening the connection: who has no turn by the deadline gets [`TransportError::TimedOut`].
#[derive(Debug)]
pub struct TurnsTransport {
    inner: Arc<dyn Transport>,
    /// Those who are talked to or waited for.
    taken: Mutex<HashMap<Endpoint, Arc<Turns<()>>>>,
}

impl TurnsTransport {
    /// Takes turns over another transport.
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, taken: Mutex::default() }
    }

    fn line(&self, endpoint: Endpoint) -> Arc<Turns<()>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(taken.entry(endpoint).or_default())
    }
}

/// A place in the line for an endpoint; who is the last to leave takes the line away.
struct Place<'a> {
    of: &'a TurnsTransport,
    endpoint: Endpoint,
    line: Option<Arc<Turns<()>>>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl<'a> Place<'a> {
    fn in_line(of: &'a TurnsTransport, endpoint: Endpoint) -> Self {
        Self { of, endpoint, line: Some(of.line(endpoint)), turn: None }
    }

    async fn take_turn(&mut self, deadline: Instant) -> Result<(), TransportError> {
        let Some(line) = self.line.clone() else { return Ok(()) };
        match timeout_at(deadline, line.lock_owned()).await {
            Ok(turn) => self.turn = Some(turn),
            Err(_too_late) => return Err(TransportError::TimedOut { stage: Stage::Connecting, received: 0 }),
        }
        Ok(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turn = None;
        self.line = None;
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody joins while the map is held.
        if taken.get(&self.endpoint).is_some_and(|line| Arc::strong_count(line) == 1) {
            taken.remove(&self.endpoint);
        }
    }
}

#[async_trait]
impl Transport for TurnsTransport {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        self.inner.probe(endpoint, deadline).await
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let mut place = Place::in_line(self, endpoint);
        place.take_turn(limits.deadline).await?;
        self.inner.exchange(endpoint, request, limits).await
    }
}

#[cfg(test)]
mod tests {
    //! Nobody is talked to twice at once, others are not waited for, and nothing is left behind.
    use super::*;
    use crate::transport::ProbeOutcome;
    use bitlink_protocol::{ApiReply, ApiRequest};
    use std::time::Duration;

    /// Takes a second for each answer, and keeps how many it gave to one endpoint at once.
    #[derive(Debug, Default)]
    struct Slow {
        now: Mutex<HashMap<Endpoint, usize>>,
        most: Mutex<usize>,
    }

    #[async_trait]
    impl Transport for Slow {
        async fn probe(&self, _: Endpoint, _: Instant) -> Probe {
            Probe { outcome: ProbeOutcome::Open, elapsed: Duration::ZERO }
        }

        async fn exchange(&self, at: Endpoint, _: &Request, _: &Limits) -> Result<Reply, TransportError> {
            let here = {
                let mut now = self.now.lock().unwrap();
                let here = now.entry(at).or_default();
                *here += 1;
                *here
            };
            {
                let mut most = self.most.lock().unwrap();
                *most = here.max(*most);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            *self.now.lock().unwrap().get_mut(&at).unwrap() -= 1;
            Ok(Reply::Api(ApiReply::terminated(*b"{}")))
        }
    }

    fn at(last: u8) -> Endpoint {
        ([10, 0, 0, last], 4028).into()
    }

    fn question() -> Request {
        Request::Api(ApiRequest::new(b"version".as_slice()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_miner_is_talked_to_by_one_at_a_time_and_others_meanwhile() {
        let slow = Arc::new(Slow::default());
        let turns = TurnsTransport::new(Arc::clone(&slow) as _);
        let (began, question) = (Instant::now(), question());
        let limits = Limits::until(began + Duration::from_mins(1));
        let same = (0..5).map(|_| turns.exchange(at(1), &question, &limits));
        let others = (2..20).map(|last| turns.exchange(at(last), &question, &limits));
        let answers = futures::future::join_all(same.chain(others)).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(*slow.most.lock().unwrap(), 1);
        assert_eq!(
            began.elapsed(),
            Duration::from_secs(5),
            "the five one after another, all others beside them"
        );
        assert!(turns.taken.lock().unwrap().is_empty(), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_goes_away_holds_nobody_up() {
        let slow = Arc::new(Slow::default());
        let turns = TurnsTransport::new(slow);
        let (began, question) = (Instant::now(), question());
        let until = |millis| Limits::until(began + Duration::from_millis(millis));
        let (long, short) = (until(60_000), until(500));
        let first = turns.exchange(at(1), &question, &long);
        let impatient = turns.exchange(at(1), &question, &short);
        let (first, impatient) = tokio::join!(first, impatient);
        assert!(first.is_ok());
        assert!(matches!(impatient, Err(TransportError::TimedOut { stage: Stage::Connecting, .. })));

        // One that is dropped in the middle gives its turn back.
        let dropped =
            tokio::time::timeout(Duration::from_millis(10), turns.exchange(at(1), &question, &long));
        assert!(dropped.await.is_err());
        let after = Instant::now();
        assert!(turns.exchange(at(1), &question, &long).await.is_ok());
        assert_eq!(after.elapsed(), Duration::from_secs(1));
        assert!(turns.taken.lock().unwrap().is_empty());
    }
}
