//! The network in memory behaves like the real one, in virtual time, and counts what passes.

use super::*;
use crate::host::{Act, Script};
use bitlink_protocol::{ApiReply, ApiRequest, Completion};
use futures::future::join_all;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Does the same for everybody who connects.
#[derive(Debug, Clone)]
struct Fixed(Door, Script);

impl Host for Fixed {
    fn connect(&self, _port: u16) -> Door {
        self.0
    }

    fn respond(&self, _port: u16, _request: &[u8]) -> Script {
        self.1.clone()
    }
}

/// Says what it was asked.
#[derive(Debug)]
struct Echo;

impl Host for Echo {
    fn connect(&self, port: u16) -> Door {
        if port == 4028 { Door::Open { after: Duration::ZERO } } else { Door::Refused }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        Script::reply([request, b"\0"].concat())
    }
}

const OPEN: Door = Door::Open { after: Duration::ZERO };

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn at(last: u8) -> Endpoint {
    (ip(last), 4028).into()
}

fn question() -> Request {
    ApiRequest::new(b"{}".as_slice()).into()
}

fn in_a_second() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

async fn ask(transport: &MemoryTransport, endpoint: Endpoint) -> Result<ApiReply, TransportError> {
    let Reply::Api(reply) = transport.exchange(endpoint, &question(), &Limits::until(in_a_second())).await?
    else {
        panic!("not an API reply")
    };
    Ok(reply)
}

#[tokio::test(start_paused = true)]
async fn doors() {
    let after = |ms| Door::Open { after: Duration::from_millis(ms) };
    let transport = MemoryTransport::new()
        .with_host(ip(1), Fixed(after(30), Script::reply(*b"{}\0")))
        .with_host(ip(2), Fixed(after(1500), Script::default()))
        .with_host(ip(3), Fixed(Door::Refused, Script::default()))
        .with_host(ip(4), Fixed(Door::Silent, Script::default()));
    let expected = [
        (1, ProbeOutcome::Open, 30),
        (2, ProbeOutcome::Silent, 1000),
        (3, ProbeOutcome::Refused, 0),
        (4, ProbeOutcome::Silent, 1000),
        (5, ProbeOutcome::Refused, 0),
    ];
    for (last, outcome, ms) in expected {
        let probe = transport.probe(at(last), in_a_second()).await;
        assert_eq!(probe, Probe { outcome, elapsed: Duration::from_millis(ms) }, "{last}");
    }
    assert_eq!(ask(&transport, at(1)).await.unwrap(), ApiReply::terminated(*b"{}"));
    for last in [2, 4] {
        let error = ask(&transport, at(last)).await.unwrap_err();
        assert!(matches!(error, TransportError::TimedOut { stage: Stage::Connecting, .. }), "{error:?}");
    }
    for last in [3, 5] {
        let error = ask(&transport, at(last)).await.unwrap_err();
        assert!(matches!(error, TransportError::Refused), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn elsewhere() {
    let silent = MemoryTransport::new().with_elsewhere(Door::Silent).with_host(ip(1), Echo);
    assert_eq!(silent.probe(at(2), in_a_second()).await.outcome, ProbeOutcome::Silent);
    assert_eq!(silent.probe(at(1), in_a_second()).await.outcome, ProbeOutcome::Open);

    let feigned = MemoryTransport::new().with_elsewhere(OPEN);
    assert_eq!(feigned.probe(at(2), in_a_second()).await.outcome, ProbeOutcome::Open);
    let outcome = ask(&feigned, at(2)).await;
    assert!(matches!(outcome, Err(TransportError::ClosedWithoutReply)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn the_machine_sees_the_port_and_the_bytes() {
    let transport = MemoryTransport::new().with_host(ip(1), Echo);
    assert_eq!(ask(&transport, at(1)).await.unwrap(), ApiReply::terminated(*b"{}"));
    let web = transport.probe((ip(1), 80).into(), in_a_second()).await;
    assert_eq!(web.outcome, ProbeOutcome::Refused);
}

#[tokio::test(start_paused = true)]
async fn replies_end_as_on_a_socket() {
    let send = |bytes: &[u8]| Act::Send(bytes.to_vec());
    let wait = |ms| Act::Wait(Duration::from_millis(ms));
    let cases = [
        (vec![send(b"{}\0"), Act::HoldOpen], "{}", Completion::Terminated, 0),
        (vec![send(b"{}")], "{}", Completion::EndOfStream, 0),
        (vec![send(b"{}"), Act::HoldOpen], "{}", Completion::Settled, 200),
        (vec![send(b"{"), Act::Reset], "{", Completion::Cut, 0),
        (vec![send(b"{"), Act::HoldOpen], "{", Completion::Cut, 1000),
        (vec![wait(400), send(b"{"), wait(500), send(b"}\0")], "{}", Completion::Terminated, 900),
        (vec![send(b"{"), wait(1100), send(b"}\0")], "{", Completion::Cut, 1000),
    ];
    let transport = MemoryTransport::new();
    for (acts, bytes, completion, ms) in cases {
        transport.insert(ip(1), Arc::new(Fixed(OPEN, Script { acts: acts.clone() })));
        let started = Instant::now();
        let reply = ask(&transport, at(1)).await.unwrap();
        assert_eq!(reply, ApiReply { bytes: bytes.into(), completion }, "{acts:?}");
        let elapsed = started.elapsed().as_millis();
        assert!((ms..=ms + 1).contains(&elapsed), "{acts:?} took {elapsed} ms and not {ms}");
    }

    transport.insert(ip(1), Arc::new(Fixed(OPEN, Script { acts: vec![Act::SendForever(b"[".to_vec())] })));
    let outcome = ask(&transport, at(1)).await;
    assert!(matches!(outcome, Err(TransportError::TooLong { limit: 4_194_304 })), "{outcome:?}");
    transport.insert(ip(1), Arc::new(Fixed(OPEN, Script::close())));
    let outcome = ask(&transport, at(1)).await;
    assert!(matches!(outcome, Err(TransportError::ClosedWithoutReply)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn machines_come_and_go() {
    let transport = MemoryTransport::new();
    let seen_by_all = transport.clone();
    assert!(transport.is_empty());
    assert!(transport.insert(ip(1), Arc::new(Echo)).is_none());
    assert_eq!(seen_by_all.probe(at(1), in_a_second()).await.outcome, ProbeOutcome::Open);
    assert!(transport.insert(ip(1), Arc::new(Echo)).is_some());
    assert_eq!(transport.traffic_of(ip(1)), Traffic::default(), "another machine, other counters");
    assert!(transport.remove(ip(1)).is_some());
    assert!(transport.remove(ip(1)).is_none());
    assert_eq!(seen_by_all.probe(at(1), in_a_second()).await.outcome, ProbeOutcome::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_question_under_way_is_answered_by_the_machine_it_began_with() {
    let slow = Script { acts: vec![Act::Wait(Duration::from_millis(10)), Act::Send(b"{}\0".to_vec())] };
    let transport = MemoryTransport::new().with_host(ip(1), Fixed(OPEN, slow));
    let (reply, removed) = tokio::join!(ask(&transport, at(1)), async { transport.remove(ip(1)) });
    assert!(removed.is_some());
    assert_eq!(reply.unwrap(), ApiReply::terminated(*b"{}"));
}

#[tokio::test(start_paused = true)]
async fn counters_tell_how_many_were_open_at_once() {
    let slow = Script { acts: vec![Act::Wait(Duration::from_millis(10)), Act::Send(b"{}\0".to_vec())] };
    let transport = MemoryTransport::new()
        .with_host(ip(1), Fixed(OPEN, slow.clone()))
        .with_host(ip(2), Fixed(OPEN, slow));
    for _ in 0..3 {
        ask(&transport, at(1)).await.unwrap();
    }
    assert_eq!(transport.traffic_of(ip(1)), Traffic { exchanges: 3, most_open: 1, ..Traffic::default() });

    join_all([ask(&transport, at(1)), ask(&transport, at(1)), ask(&transport, at(2))]).await;
    assert_eq!(transport.traffic_of(ip(1)).most_open, 2);
    assert_eq!(transport.traffic_of(ip(2)).most_open, 1);
    assert_eq!(transport.traffic().most_open, 3);

    transport.probe(at(9), in_a_second()).await;
    let all = transport.traffic();
    assert_eq!((all.probes, all.exchanges, all.open), (1, 6, 0));
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_dropped_is_no_longer_open() {
    let transport =
        MemoryTransport::new().with_host(ip(1), Fixed(OPEN, Script { acts: vec![Act::HoldOpen] }));
    let asked = ask(&transport, at(1));
    assert!(tokio::time::timeout(Duration::from_millis(5), asked).await.is_err());
    assert_eq!(transport.traffic_of(ip(1)), Traffic { exchanges: 1, most_open: 1, ..Traffic::default() });
}

/// Scans of a million simulated addresses depend on this: an answer that takes no time needs no timer, so these
/// futures are ready at once.
#[tokio::test(start_paused = true)]
async fn what_takes_no_time_is_ready_at_once() {
    use futures::FutureExt;
    let transport = MemoryTransport::new().with_host(ip(1), Echo);
    let limits = Limits::until(in_a_second());
    assert!(transport.probe(at(1), limits.deadline).now_or_never().is_some());
    assert!(transport.probe(at(2), limits.deadline).now_or_never().is_some());
    assert!(transport.exchange(at(1), &question(), &limits).now_or_never().is_some());
}
