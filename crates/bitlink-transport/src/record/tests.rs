//! What is recorded plays back the same, within bounds.

use super::*;
use crate::host::{Act, Door, Host, Script};
use crate::memory::MemoryTransport;
use bitlink_protocol::{ApiRequest, Completion};
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers every question with how many there have been.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Host for Counter {
    fn connect(&self, _port: u16) -> Door {
        Door::Open { after: Duration::from_millis(3) }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        if request == b"hold" {
            return Script { acts: vec![Act::HoldOpen] };
        }
        Script::reply(self.0.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

fn at(last: u8) -> Endpoint {
    ([10, 0, 0, last], 4028).into()
}

fn recording() -> RecordingTransport {
    let network = MemoryTransport::new()
        .with_host(at(1).ip(), Counter::default())
        .with_host(at(2).ip(), Counter::default())
        .with_elsewhere(Door::Silent);
    RecordingTransport::new(Arc::new(network))
}

async fn ask(transport: &dyn Transport, endpoint: Endpoint, question: &'static str) -> String {
    let question = ApiRequest::new(question.as_bytes()).into();
    let limits = Limits { max_reply_bytes: 100, ..Limits::until(Instant::now() + Duration::from_secs(1)) };
    match transport.exchange(endpoint, &question, &limits).await {
        Ok(Reply::Api(reply)) => String::from_utf8(reply.bytes).unwrap(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_played_back() {
    let recording = recording();
    let questions =
        [(1, "a"), (1, "a"), (2, "a"), (1, "b"), (1, "hold"), (9, "a")].map(|(last, text)| (at(last), text));
    let mut live = Vec::new();
    for (endpoint, question) in questions {
        live.push(ask(&recording, endpoint, question).await);
    }
    assert_eq!(live[..4], ["0", "1", "0", "2"]);
    assert_eq!(recording.probe(at(1), Instant::now()).await.outcome, ProbeOutcome::Silent);

    let transcript = recording.take_transcript();
    assert_eq!(recording.take_transcript(), Transcript::default(), "taken");
    assert_eq!(transcript.exchanges.len(), questions.len());
    let second = &transcript.exchanges[1];
    assert_eq!((second.began, second.took), (Duration::from_millis(3), Duration::from_millis(3)));
    assert_eq!(second.outcome.as_ref().unwrap().completion, Completion::EndOfStream);

    // By way of a file, as a bug report goes.
    let replay = ReplayTransport::new(transcript.to_string().parse().unwrap());
    let mut played = Vec::new();
    for (endpoint, question) in questions {
        played.push(ask(&replay, endpoint, question).await);
    }
    assert_eq!(played, live);
    assert_eq!(ask(&replay, at(1), "a").await, "1", "the last one repeats");
    assert_eq!(ask(&replay, at(1), "c").await, TransportError::NotRecorded.to_string());
    assert_eq!(ask(&replay, at(3), "a").await, TransportError::NotRecorded.to_string());

    let mut doors = Vec::new();
    for last in [1, 2, 9, 3] {
        doors.push(replay.probe(at(last), Instant::now()).await.outcome);
    }
    assert_eq!(doors, [ProbeOutcome::Open, ProbeOutcome::Open, ProbeOutcome::Silent, ProbeOutcome::Refused]);
}

#[tokio::test(start_paused = true)]
async fn a_recording_stays_within_its_bounds_and_keeps_the_newest() {
    let one = size_of::<RecordedExchange>() + 2;
    let recording = recording().with_max_bytes(3 * one);
    for _ in 0..8 {
        ask(&recording, at(1), "a").await;
    }
    let transcript = recording.take_transcript();
    assert_eq!(transcript.dropped, 5);
    let replies: Vec<_> =
        transcript.exchanges.iter().map(|exchange| exchange.outcome.clone().unwrap().bytes).collect();
    assert_eq!(replies, [b"5", b"6", b"7"]);

    let none = RecordingTransport::new(Arc::new(MemoryTransport::new())).with_max_bytes(0);
    ask(&none, at(1), "a").await;
    assert_eq!(none.take_transcript(), Transcript { dropped: 1, ..Transcript::default() });
}

#[tokio::test(start_paused = true)]
async fn a_replay_keeps_to_the_limits() {
    let exchange = RecordedExchange {
        endpoint: at(1),
        began: Duration::ZERO,
        took: Duration::ZERO,
        request: b"a".to_vec(),
        outcome: Ok(ApiReply::terminated(vec![b'x'; 101])),
    };
    let replay = ReplayTransport::new(Transcript { exchanges: vec![exchange], dropped: 0 });
    assert_eq!(ask(&replay, at(1), "a").await, TransportError::TooLong { limit: 100 }.to_string());
}
