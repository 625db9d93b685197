//! Real sockets on loopback, real clock. Servers are tasks of the test; nothing waits in order to synchronise.

use super::*;
use bitlink_protocol::{ApiReply, ApiRequest, Completion};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const REQUEST: &[u8] = b"{\"command\":\"summary\"}";
/// For what must end by itself.
const GENEROUS: Duration = Duration::from_secs(30);
/// For what must end by the deadline, and has to begin before it on a busy machine too.
const SHORT: Duration = Duration::from_secs(1);

fn question() -> Request {
    ApiRequest::new(REQUEST).into()
}

/// Serves one connection, after reading the request, and asks.
async fn served<S, F>(limits: Limits, serve: S) -> Result<ApiReply, TransportError>
where
    S: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; REQUEST.len()];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, REQUEST);
        serve(stream).await;
    });
    let outcome = TcpTransport::new().exchange(endpoint, &question(), &limits).await;
    if server.is_finished() {
        server.await.unwrap();
    } else {
        server.abort();
    }
    outcome.map(|reply| match reply {
        Reply::Api(reply) => reply,
        other => panic!("{other:?}"),
    })
}

fn within(time: Duration) -> Limits {
    Limits::until(Instant::now() + time)
}

async fn sends(bytes: &'static [u8], close: bool) -> ApiReply {
    served(within(GENEROUS), move |mut stream| async move {
        stream.write_all(bytes).await.unwrap();
        if !close {
            std::future::pending::<()>().await;
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn every_documented_ending() {
    let reply = |bytes: &[u8], completion| ApiReply { bytes: bytes.to_vec(), completion };
    assert_eq!(sends(b"{\"a\":1}\0", true).await, reply(b"{\"a\":1}", Completion::Terminated));
    assert_eq!(sends(b"{\"a\":1}", true).await, reply(b"{\"a\":1}", Completion::EndOfStream));
    assert_eq!(sends(b"{\"a\":1}\0", false).await, reply(b"{\"a\":1}", Completion::Terminated));
    assert_eq!(sends(b"{\"a\":1}\0,\"id\":1}\0", false).await, reply(b"{\"a\":1}", Completion::Terminated));
    assert_eq!(sends(b"{\"a\":1}", false).await, reply(b"{\"a\":1}", Completion::Settled));
    assert_eq!(sends(b"STATUS=S|X,Y=1|", false).await, reply(b"STATUS=S|X,Y=1|", Completion::Settled));
}

#[tokio::test]
async fn closed_without_a_byte() {
    let outcome = served(within(GENEROUS), |stream| async move { drop(stream) }).await;
    assert!(matches!(outcome, Err(TransportError::ClosedWithoutReply)), "{outcome:?}");
}

#[tokio::test]
async fn reset_before_a_byte() {
    let outcome = served(within(GENEROUS), |stream| async move { stream.set_zero_linger().unwrap() }).await;
    assert!(matches!(outcome, Err(TransportError::Reset)), "{outcome:?}");
}

/// An access list closes at once; whether the question was there by then is a matter of microseconds.
#[tokio::test]
async fn closed_before_the_question_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let limits = within(GENEROUS);
    let request = question();
    let transport = TcpTransport::new();
    let (outcome, ()) = tokio::join!(transport.exchange(endpoint, &request, &limits), async {
        drop(listener.accept().await.unwrap());
    });
    assert!(
        matches!(outcome, Err(TransportError::ClosedWithoutReply | TransportError::Reset)),
        "{outcome:?}"
    );
}

/// Linux hands over what had come before the reset; other systems throw it away.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn reset_in_the_middle_keeps_what_came() {
    let outcome = served(within(GENEROUS), |mut stream| async move {
        stream.write_all(b"{\"a\":[1,2").await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(outcome.unwrap(), ApiReply { bytes: b"{\"a\":[1,2".to_vec(), completion: Completion::Cut });
}

#[tokio::test]
async fn a_long_reply_in_many_segments() {
    let long = "x".repeat(3_000_000);
    let sent = format!("{{\"a\":\"{long}\"}}\0");
    let expected = sent.trim_end_matches('\0').to_owned();
    let outcome = served(within(GENEROUS), move |mut stream| async move {
        stream.write_all(sent.as_bytes()).await.unwrap();
    })
    .await;
    assert!(outcome.unwrap() == ApiReply::terminated(expected), "the reply differs");
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let started = Instant::now();
    let outcome = served(within(SHORT), |mut stream| async move {
        stream.write_all(b"{").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if stream.write_all(b"1").await.is_err() {
                return;
            }
        }
    })
    .await;
    let reply = outcome.unwrap();
    assert_eq!(reply.completion, Completion::Cut);
    assert!(reply.bytes.starts_with(b"{"));
    assert!(started.elapsed() >= SHORT && started.elapsed() < GENEROUS);
}

async fn endless(mut stream: TcpStream, chunk: usize) {
    let chunk = vec![b'['; chunk];
    while stream.write_all(&chunk).await.is_ok() {}
}

#[tokio::test]
async fn an_endless_reply_ends_at_the_limit() {
    let outcome = served(within(GENEROUS), |stream| endless(stream, 1 << 16)).await;
    assert!(matches!(outcome, Err(TransportError::TooLong { limit: 4_194_304 })), "{outcome:?}");
}

/// There is always something to read, so this shows that the clock is looked at all the same. The chunks are small so
/// that the limit is far.
#[tokio::test]
async fn an_endless_reply_ends_at_the_deadline_too() {
    let started = Instant::now();
    let limits = Limits { max_reply_bytes: 1 << 30, ..within(SHORT) };
    let outcome = served(limits, |stream| endless(stream, 16)).await;
    assert_eq!(outcome.unwrap().completion, Completion::Cut);
    assert!(started.elapsed() < GENEROUS);
}

#[tokio::test]
async fn a_server_that_answers_nothing() {
    let outcome = served(within(SHORT), |stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert!(
        matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_server_that_never_accepts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let transport = TcpTransport::new();
    let outcome = transport.exchange(endpoint, &question(), &within(SHORT)).await;
    assert!(
        matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_server_that_never_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    // Larger than the buffers of both sides together.
    let request = ApiRequest::new(vec![b'x'; 64 << 20]).into();
    let outcome = TcpTransport::new().exchange(endpoint, &request, &within(SHORT)).await;
    assert!(
        matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Sending, received: 0 })),
        "{outcome:?}"
    );
}

/// A port that was free a moment ago. Bound and not listening, so that nobody else gets it meanwhile.
fn refusing() -> (tokio::net::TcpSocket, Endpoint) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = socket.local_addr().unwrap();
    (socket, endpoint)
}

#[tokio::test]
async fn refused() {
    let (_held, endpoint) = refusing();
    let transport = TcpTransport::new();
    let probe = transport.probe(endpoint, Instant::now() + GENEROUS).await;
    assert_eq!(probe.outcome, ProbeOutcome::Refused);
    let outcome = transport.exchange(endpoint, &question(), &within(GENEROUS)).await;
    assert!(matches!(outcome, Err(TransportError::Refused)), "{outcome:?}");
}

#[tokio::test]
async fn a_probe_breaks_its_connection_or_closes_it() {
    for (reset, expected) in [(true, Err(io::ErrorKind::ConnectionReset)), (false, Ok(0))] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = TcpTransport::with_config(TcpConfig::default().with_reset_probes(reset));
        let endpoint = listener.local_addr().unwrap();
        let probe = transport.probe(endpoint, Instant::now() + GENEROUS).await;
        assert_eq!(probe.outcome, ProbeOutcome::Open);
        assert!(probe.elapsed < GENEROUS);
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.map_err(|e| e.kind()), expected);
    }
}

#[tokio::test]
async fn what_the_system_says_keeps_its_meaning_and_its_source() {
    // No packet leaves for a broadcast address unless the socket asked for the right to.
    let transport = TcpTransport::new();
    let endpoint = "127.255.255.255:4028".parse().unwrap();
    let probe = transport.probe(endpoint, Instant::now() + GENEROUS).await;
    assert!(matches!(probe.outcome, ProbeOutcome::Denied | ProbeOutcome::Unreachable), "{probe:?}");
    let error = transport.exchange(endpoint, &question(), &within(GENEROUS)).await.unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
}

#[tokio::test]
async fn ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return; // This machine has no IPv6.
    };
    let endpoint = listener.local_addr().unwrap();
    let probe = TcpTransport::new().probe(endpoint, Instant::now() + GENEROUS).await;
    assert_eq!(probe.outcome, ProbeOutcome::Open);
}
