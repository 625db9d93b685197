//! Conversations over a network in memory: what is asked when, what it costs and who is to blame. In virtual time.

use super::*;
use crate::host::{Act, Door, Host, Script};
use crate::memory::MemoryTransport;
use bitlink_protocol::{ApiRequest, ExchangeFailure, Reply};

/// Asks some questions one after the other and adds up what came back; needs every answer or none of them.
#[derive(Debug)]
struct Questions {
    left: Vec<&'static str>,
    needed: bool,
    bytes: usize,
}

impl Conversation for Questions {
    type Output = usize;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<usize> {
        match outcome {
            Some(Ok(Reply::Api(reply))) => self.bytes += reply.bytes.len(),
            Some(Err(failure)) if self.needed => {
                return Step::Done(Err(ProtocolError::NoReply { question: "it".to_owned(), failure }));
            }
            _ => {}
        }
        match self.left.pop() {
            Some(question) => Step::Ask(ApiRequest::new(question.as_bytes()).into()),
            None => Step::Done(Ok(self.bytes)),
        }
    }
}

/// Answers "slow" after a second, "never" never, and everything else at once.
#[derive(Debug)]
struct Miner;

impl Host for Miner {
    fn connect(&self, _port: u16) -> Door {
        Door::Open { after: Duration::ZERO }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        match request {
            b"slow" => Script { acts: vec![Act::Wait(Duration::from_secs(1)), Act::Send(b"{}\0".to_vec())] },
            b"never" => Script { acts: vec![Act::HoldOpen] },
            _ => Script::reply(*b"{}\0"),
        }
    }
}

async fn run(
    questions: &[&'static str],
    needed: bool,
    patience: Patience,
) -> (Result<Conversed<usize>, ConverseError>, u64) {
    let transport = MemoryTransport::new().with_host([10, 0, 0, 1].into(), Miner);
    let left = questions.iter().rev().copied().collect();
    let conversation = Questions { left, needed, bytes: 0 };
    let endpoint = ([10, 0, 0, 1], 4028).into();
    let outcome = converse(&transport, endpoint, conversation, &patience).await;
    (outcome, transport.traffic().exchanges)
}

#[tokio::test(start_paused = true)]
async fn questions_are_asked_one_after_the_other_and_counted() {
    let (outcome, asked) = run(&["a", "slow", "b", "slow"], true, Patience::default()).await;
    let elapsed = Duration::from_secs(2);
    assert_eq!(outcome.unwrap(), Conversed { value: 8, exchanges: 4, elapsed });
    assert_eq!(asked, 4);
}

#[tokio::test(start_paused = true)]
async fn a_missing_answer_that_is_needed_is_the_transports_error() {
    let (outcome, asked) = run(&["a", "never", "b"], true, Patience::default()).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, ConverseError::Transport(TransportError::TimedOut { .. })), "{error:?}");
    assert_eq!(asked, 2);
}

#[tokio::test(start_paused = true)]
async fn a_missing_answer_that_is_not_needed_costs_its_own_time_only() {
    let (outcome, _) = run(&["a", "never", "b"], false, Patience::default()).await;
    let elapsed = Duration::from_secs(5);
    assert_eq!(outcome.unwrap(), Conversed { value: 4, exchanges: 3, elapsed });
}

#[tokio::test(start_paused = true)]
async fn the_whole_has_an_end_too() {
    let patience = Patience::default().with_whole(Duration::from_secs(7));
    let (outcome, asked) = run(&["never", "never", "reboot", "never"], false, patience).await;
    assert_eq!(outcome.unwrap(), Conversed { value: 0, exchanges: 2, elapsed: Duration::from_secs(7) });
    assert_eq!(asked, 2, "nothing is asked, least of all commanded, after the end");
    let (outcome, _) = run(&["never", "never", "a"], true, patience).await;
    assert!(matches!(outcome, Err(ConverseError::Transport(TransportError::TimedOut { .. }))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn patience_without_end_does_not_overflow_the_clock() {
    let (outcome, _) = run(&["a"], true, Patience::default().with_per_exchange(Duration::MAX)).await;
    assert_eq!(outcome.unwrap().value, 2);
}
