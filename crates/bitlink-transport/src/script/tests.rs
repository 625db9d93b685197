//! A script gives the same reply whether it is played on a stream or is the stream.

use super::*;
use crate::TransportError;
use crate::read::exchange_on;
use crate::transport::Limits;
use bitlink_protocol::{ApiReply, Completion};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

fn limits() -> Limits {
    Limits { max_reply_bytes: 1000, ..Limits::until(Instant::now() + Duration::from_secs(5)) }
}

async fn in_memory(script: Script) -> Result<ApiReply, TransportError> {
    exchange_on(&mut ScriptStream::new(script), b"?", &limits()).await
}

/// Plays the script on one end of a pipe and asks on the other.
async fn on_a_pipe(script: Script) -> Result<ApiReply, TransportError> {
    let (mut client, mut server) = tokio::io::duplex(64);
    let serve = async {
        let _question = server.read_u8().await;
        let ending = play(script, &mut server).await;
        if let Ok(Ending::HoldOpen) = ending {
            let mut sink = [0; 16];
            while server.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
        drop(server);
    };
    let ask = async {
        let limits = limits();
        let outcome = exchange_on(&mut client, b"?", &limits).await;
        drop(client);
        outcome
    };
    tokio::join!(ask, serve).0
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = || prop::collection::vec(prop::sample::select(b"{}[]\"|, x\0".to_vec()), 0..40);
    prop_oneof![
        4 => bytes().prop_map(Act::Send),
        // No sum of these is the time to settle: which of two things that are due at once comes first is open.
        2 => prop::sample::select(vec![0, 90, 150, 310]).prop_map(|ms| Act::Wait(Duration::from_millis(ms))),
        1 => bytes().prop_map(Act::SendForever),
        1 => Just(Act::HoldOpen),
    ]
}

proptest! {
    /// A pipe cannot be reset, so that act is not among these.
    #[test]
    fn memory_and_pipe_agree(acts in prop::collection::vec(act(), 0..6)) {
        let script = Script { acts };
        let memory = run(in_memory(script.clone()));
        let pipe = run(on_a_pipe(script));
        match (memory, pipe) {
            (Ok(memory), Ok(pipe)) => prop_assert_eq!(memory, pipe),
            (memory, pipe) => prop_assert_eq!(format!("{memory:?}"), format!("{pipe:?}")),
        }
    }
}

#[test]
fn every_act_has_its_ending() {
    let cases = [
        (vec![], Ending::Close),
        (vec![Act::Send(b"x".to_vec())], Ending::Close),
        (vec![Act::HoldOpen, Act::Reset], Ending::HoldOpen),
        (vec![Act::Reset, Act::HoldOpen], Ending::Reset),
        (vec![Act::SendForever(Vec::new())], Ending::HoldOpen),
    ];
    for (acts, ending) in cases {
        assert_eq!(run(play(Script { acts }, &mut tokio::io::sink())).unwrap(), ending);
    }
}

#[test]
fn a_reset_cuts_what_was_sent_before_it() {
    let script = Script { acts: vec![Act::Send(b"{\"a\"".to_vec()), Act::Reset] };
    let reply = run(in_memory(script)).unwrap();
    assert_eq!(reply, ApiReply { bytes: b"{\"a\"".to_vec(), completion: Completion::Cut });
    let outcome = run(in_memory(Script { acts: vec![Act::Reset] }));
    assert!(matches!(outcome, Err(TransportError::Reset)), "{outcome:?}");
}

#[test]
fn sending_forever_stops_when_the_player_is_dropped() {
    run(async {
        let script = Script { acts: vec![Act::SendForever(b"x".to_vec())] };
        let mut sink = tokio::io::sink();
        let played = tokio::time::timeout(Duration::from_secs(1), play(script, &mut sink));
        let ticker = async {
            // The player must let others run although its stream is always ready.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = played => panic!("ended"),
            () = ticker => {}
        }
    });
}
