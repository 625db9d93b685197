//! Reading one reply, in virtual time: however the bytes are split, and whatever ends them.

use super::*;
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{DuplexStream, duplex};

const REQUEST: &[u8] = b"{\"command\":\"summary\"}";

fn limits(max_reply_bytes: usize) -> Limits {
    Limits { max_reply_bytes, ..Limits::until(Instant::now() + Duration::from_secs(5)) }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

/// What happens after the last chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    Close,
    HoldOpen,
}

/// Serves the chunks on a pipe, waiting a while before each, and asks on the other end of it.
async fn served(
    chunks: Vec<Vec<u8>>,
    pause: Duration,
    after: After,
    max_reply_bytes: usize,
) -> (Result<ApiReply, TransportError>, Duration) {
    let (mut client, mut server) = duplex(1 << 16);
    let serve = async {
        read_request(&mut server).await;
        for chunk in chunks {
            tokio::time::sleep(pause).await;
            // The client may have enough.
            if server.write_all(&chunk).await.is_err() {
                return;
            }
        }
        if after == After::HoldOpen {
            std::future::pending::<()>().await;
        }
        drop(server);
    };
    let started = Instant::now();
    let limits = limits(max_reply_bytes);
    let outcome = tokio::select! {
        biased;
        outcome = exchange_on(&mut client, REQUEST, &limits) => outcome,
        () = async { serve.await; std::future::pending().await } => unreachable!(),
    };
    (outcome, started.elapsed())
}

/// Reads the request and makes sure that the write side stays open.
async fn read_request(server: &mut DuplexStream) {
    let mut request = vec![0; REQUEST.len()];
    server.read_exact(&mut request).await.unwrap();
    assert_eq!(request, REQUEST);
    let mut more = [0];
    tokio::select! {
        biased;
        n = server.read(&mut more) => panic!("the client wrote more or closed its write side: {n:?}"),
        () = std::future::ready(()) => {}
    }
}

fn check(bytes: &[u8], after: After, expected: &[u8], completion: Completion) {
    let (outcome, elapsed) = run(served(vec![bytes.to_vec()], Duration::ZERO, after, 1000));
    assert_eq!(outcome.unwrap(), ApiReply { bytes: expected.to_vec(), completion });
    let due = match completion {
        Completion::Settled => Duration::from_millis(200)..Duration::from_millis(210),
        Completion::Cut => Duration::from_secs(5)..Duration::from_millis(5010),
        _ => Duration::ZERO..Duration::from_millis(10),
    };
    assert!(due.contains(&elapsed), "{completion:?} after {elapsed:?}");
}

#[test]
fn every_ending_and_what_it_costs() {
    use After::{Close, HoldOpen};
    use Completion::{Cut, EndOfStream, Settled, Terminated};
    check(b"{\"a\":1}\0", Close, b"{\"a\":1}", Terminated);
    check(b"{\"a\":1}\0", HoldOpen, b"{\"a\":1}", Terminated);
    check(b"{\"a\":1}\0,\"id\":1}\0", HoldOpen, b"{\"a\":1}", Terminated);
    check(b"{\"a\":1}", Close, b"{\"a\":1}", EndOfStream);
    check(b"{\"a\":1", Close, b"{\"a\":1", EndOfStream);
    check(b"{\"a\":1}\n", HoldOpen, b"{\"a\":1}\n", Settled);
    check(b"STATUS=S|SUMMARY,Elapsed=5|", HoldOpen, b"STATUS=S|SUMMARY,Elapsed=5|", Settled);
    check(b"STATUS=S|SUMMARY,Elapsed=5", HoldOpen, b"STATUS=S|SUMMARY,Elapsed=5", Cut);
    check(b"{\"a\":1", HoldOpen, b"{\"a\":1", Cut);
    check(b"\0", HoldOpen, b"", Terminated);
}

#[test]
fn nothing_at_all() {
    let (outcome, elapsed) = run(served(Vec::new(), Duration::ZERO, After::Close, 1000));
    assert!(matches!(outcome, Err(TransportError::ClosedWithoutReply)), "{outcome:?}");
    assert!(elapsed < Duration::from_millis(10));
    let (outcome, elapsed) = run(served(Vec::new(), Duration::ZERO, After::HoldOpen, 1000));
    assert!(
        matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 })),
        "{outcome:?}"
    );
    assert!(elapsed >= Duration::from_secs(5));
}

#[test]
fn a_pause_shorter_than_the_settling_time_does_not_end_a_text_reply() {
    let records = vec![b"STATUS=S|".to_vec(), b"POOL=0|".to_vec(), b"POOL=1|".to_vec()];
    let (outcome, _) = run(served(records, Duration::from_millis(150), After::HoldOpen, 1000));
    let expected = ApiReply { bytes: b"STATUS=S|POOL=0|POOL=1|".to_vec(), completion: Completion::Settled };
    assert_eq!(outcome.unwrap(), expected);
}

#[test]
fn a_deadline_before_the_settling_time_cuts() {
    // Complete as it looks, but a text may go on with another record and there is no time left to see.
    let records = vec![b"STATUS=S|".to_vec(); 100];
    let (outcome, elapsed) = run(served(records, Duration::from_millis(150), After::HoldOpen, 1000));
    assert_eq!(outcome.unwrap().completion, Completion::Cut);
    assert!((5000..5010).contains(&elapsed.as_millis()), "{elapsed:?}");
}

#[test]
fn the_limit_is_exact() {
    let reply = |n: usize| vec![vec![b'x'; n]];
    let (outcome, _) = run(served(reply(1000), Duration::ZERO, After::Close, 1000));
    assert_eq!(outcome.unwrap().bytes.len(), 1000);
    let (outcome, _) = run(served(reply(1001), Duration::ZERO, After::Close, 1000));
    assert!(matches!(outcome, Err(TransportError::TooLong { limit: 1000 })), "{outcome:?}");
    let nul = vec![[vec![b'x'; 1000], vec![0]].concat()];
    let (outcome, _) = run(served(nul, Duration::ZERO, After::HoldOpen, 1000));
    assert_eq!(outcome.unwrap(), ApiReply::terminated(vec![b'x'; 1000]));
    let (outcome, _) = run(served(reply(1), Duration::ZERO, After::Close, 0));
    assert!(matches!(outcome, Err(TransportError::TooLong { limit: 0 })), "{outcome:?}");
}

#[test]
fn room_is_made_as_bytes_come_and_never_beyond_the_limit() {
    for limit in [0, 1, 100, CHUNK, 10_000, 1 << 20] {
        let mut bytes = Vec::new();
        make_room(&mut bytes, limit);
        assert!(bytes.capacity() <= CHUNK, "waiting costs little");
        while bytes.len() <= limit {
            make_room(&mut bytes, limit);
            assert!(bytes.capacity() > bytes.len(), "there is room for a byte at {}", bytes.len());
            assert!(bytes.capacity() <= limit + 1);
            bytes.resize(bytes.capacity(), b'x');
        }
        assert_eq!(bytes.len(), limit + 1);
    }
}

/// A stream that takes every byte and then fails, or fails at once.
#[derive(Debug)]
struct Failing {
    takes: bool,
    kind: io::ErrorKind,
}

impl AsyncRead for Failing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        _buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        // Once a write has told of the error the system tells a reader of the end only.
        std::task::Poll::Ready(if self.takes { Err(self.kind.into()) } else { Ok(()) })
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Ready(if self.takes { Ok(buf.len()) } else { Err(self.kind.into()) })
    }
    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn a_break_before_a_byte_says_who_is_to_blame_wherever_it_is_noticed() {
    for takes in [true, false] {
        let outcome =
            |kind| run(async { exchange_on(&mut Failing { takes, kind }, REQUEST, &limits(9)).await });
        let reset = outcome(io::ErrorKind::ConnectionReset);
        assert!(matches!(reset, Err(TransportError::Reset)), "{reset:?}");
        let closed = outcome(io::ErrorKind::BrokenPipe);
        assert!(matches!(closed, Err(TransportError::ClosedWithoutReply)), "{closed:?}");
        let unreachable = outcome(io::ErrorKind::HostUnreachable);
        assert!(matches!(unreachable, Err(TransportError::Unreachable(_))), "{unreachable:?}");
    }
}

#[test]
fn what_was_said_before_the_question_arrived_is_kept() {
    run(async {
        let (mut client, mut server) = duplex(1000);
        server.write_all(b"SSH-2.0-dropbear\r\n").await.unwrap();
        drop(server);
        let reply = exchange_on(&mut client, REQUEST, &limits(1000)).await.unwrap();
        assert_eq!(reply.bytes, b"SSH-2.0-dropbear\r\n");
        assert_eq!(reply.completion, Completion::EndOfStream);
    });
}

#[test]
fn whoever_reads_nothing_cannot_hold_us() {
    run(async {
        let (mut client, _server) = duplex(4);
        let outcome = exchange_on(&mut client, REQUEST, &limits(1000)).await;
        assert!(
            matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Sending, received: 0 })),
            "{outcome:?}"
        );
    });
}

/// Bytes that make frames begin, end and look like ending.
fn reply_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(b"{}[]\"\\|,:= \nax1".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_reply(
        bytes in reply_bytes(),
        cuts in prop::collection::vec(0_usize..300, 0..12),
        close in any::<bool>(),
        max in 1_usize..400,
    ) {
        let after = if close { After::Close } else { After::HoldOpen };
        let (whole, _) = run(served(vec![bytes.clone()], Duration::ZERO, after, max));

        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect();
        let (pieces, _) = run(served(chunks, Duration::from_millis(1), after, max));

        match (whole, pieces) {
            (Ok(whole), Ok(pieces)) => prop_assert_eq!(whole, pieces),
            (whole, pieces) => prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}")),
        }
    }
}
