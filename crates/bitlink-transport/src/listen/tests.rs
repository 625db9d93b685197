//! Real datagrams on loopback addresses, and the bounds. Nothing leaves this machine: multicast goes out by 127.0.0.1 alone,
//! or to one address that stands for the group.

use super::*;
use std::net::UdpSocket as StdSocket;

/// Hears reports at addresses of its own.
fn ear(last: u8) -> (ListenStream, SocketAddr) {
    let config = ListenConfig::default().with_address([127, 92, 1, last].into()).with_ports(vec![0]);
    let stream = listen(&config).unwrap();
    let place = stream.places()[0];
    (stream, place)
}

/// Somebody who sends from an address.
fn sender(last: u8) -> StdSocket {
    StdSocket::bind((Ipv4Addr::new(127, 92, 1, last), 0)).unwrap()
}

async fn next(stream: &mut ListenStream) -> ListenEvent {
    tokio::time::timeout(Duration::from_secs(30), stream.recv()).await.expect("something is heard").unwrap()
}

async fn seen(stream: &mut ListenStream) -> Sighting {
    match next(stream).await {
        ListenEvent::Seen(seen) => *seen,
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn a_report_is_heard_once_and_its_source_is_believed() {
    let (mut stream, place) = ear(1);
    let miner = sender(2);
    for _ in 0..3 {
        miner.send_to(b"10.66.66.66,02:00:00:00:00:02", place).unwrap();
    }
    sender(3).send_to(b"IP:127.92.1.3MAC:02:00:00:00:00:03\0", place).unwrap();
    let first = seen(&mut stream).await;
    assert_eq!(first.from, IpAddr::from([127, 92, 1, 2]));
    assert_eq!(first.contradicts(), Some([10, 66, 66, 66].into()));
    let second = seen(&mut stream).await;
    assert_eq!((second.from, second.beacon), ([127, 92, 1, 3].into(), Beacon::Whatsminer));
}

#[tokio::test]
async fn what_nobody_knows_is_told_and_an_acknowledgement_is_not() {
    let (mut stream, place) = ear(4);
    let stranger = sender(5);
    stranger.send_to(b"OK\0\0\0\0\0\0\0\0", place).unwrap();
    stranger.send_to(b"\x1bhello", place).unwrap();
    let ListenEvent::Unread { from, port, error } = next(&mut stream).await else { panic!() };
    assert_eq!((from.ip(), port), (stranger.local_addr().unwrap().ip(), place.port()));
    assert!(error.to_string().contains("hello") && !error.to_string().contains('\u{1b}'));
}

#[tokio::test]
async fn a_flood_from_one_source_is_told_once_and_silences_nobody_else() {
    let config = ListenConfig::default()
        .with_address([127, 92, 1, 6].into())
        .with_ports(vec![0])
        .with_per_source(2)
        .with_quiet(Duration::from_hours(1));
    let mut stream = listen(&config).unwrap();
    let place = stream.places()[0];
    let flood = sender(7);
    for n in 0..30 {
        flood.send_to(format!("127.92.1.7,02:00:00:00:01:{n:02x}").as_bytes(), place).unwrap();
    }
    sender(8).send_to(b"127.92.1.8,02:00:00:00:00:08", place).unwrap();
    let mut floods = 0;
    let mut heard = 0;
    loop {
        match next(&mut stream).await {
            ListenEvent::Seen(seen) if seen.from == IpAddr::from([127, 92, 1, 8]) => break,
            ListenEvent::Seen(_) => heard += 1,
            ListenEvent::Flood { from } => {
                assert_eq!(from, IpAddr::from([127, 92, 1, 7]));
                floods += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(floods, 1);
    // A second may have passed in between, and has a share of its own.
    assert!((2..30).contains(&heard), "{heard} of 30");
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
    let (events, mut receiver) = mpsc::channel(2);
    let ear =
        Ear { sieve: Mutex::new(Sieve::new(1_000, Duration::ZERO)), events, left_out: AtomicU64::new(0) };
    let say = |n: u8| {
        let from = SocketAddr::from(([10, 0, 0, n], 1));
        ear.hear(Instant::now(), from, 14_235, None, format!("10.0.0.{n},02:00:00:00:00:{n:02x}").as_bytes());
    };
    (1..=5).for_each(say);
    assert!(
        matches!(receiver.recv().await, Some(ListenEvent::Seen(seen)) if seen.from == IpAddr::from([10, 0, 0, 1]))
    );
    assert!(matches!(receiver.recv().await, Some(ListenEvent::Seen(_))));
    say(6);
    assert_eq!(receiver.recv().await, Some(ListenEvent::Lagged { left_out: 3 }));
    assert!(
        matches!(receiver.recv().await, Some(ListenEvent::Seen(seen)) if seen.from == IpAddr::from([10, 0, 0, 6]))
    );
}

/// A miner that answers the API's multicast, once it has heard a question.
fn answer_multicast(miner: &StdSocket, answer: &[u8]) {
    let mut bytes = [0; 64];
    let (length, from) = miner.recv_from(&mut bytes).unwrap();
    let question = std::str::from_utf8(&bytes[..length]).unwrap();
    let port: u16 = question.strip_prefix("cgminer-FTW-").unwrap().parse().unwrap();
    miner.send_to(answer, (from.ip(), port)).unwrap();
}

#[tokio::test]
async fn one_address_may_stand_for_the_group() {
    let miner = sender(9);
    let SocketAddr::V4(group) = miner.local_addr().unwrap() else { unreachable!() };
    let call = Call::new(CallKind::Multicast, Ipv4Addr::LOCALHOST).to(group);
    let mut stream = listen(&ListenConfig::of_calls(vec![call])).unwrap();
    let answering = tokio::task::spawn_blocking(move || answer_multicast(&miner, b"cgm-FTW-4029-rack 9\0"));
    let seen = seen(&mut stream).await;
    assert_eq!((seen.from, seen.port), ([127, 92, 1, 9].into(), Some(4029)));
    assert_eq!(seen.beacon, Beacon::Cgminer);
    answering.await.unwrap();
}

#[tokio::test]
async fn the_group_itself_is_asked_on_the_loopback_interface() {
    // Hears the group at a port of its own, on the loopback interface alone.
    let group = Ipv4Addr::new(224, 0, 0, 75);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.bind(&SocketAddr::from((group, 0)).into()).unwrap();
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    let member = StdSocket::from(socket);
    let port = member.local_addr().unwrap().port();
    let call = Call::new(CallKind::Multicast, Ipv4Addr::LOCALHOST).to(SocketAddrV4::new(group, port));
    let mut stream = listen(&ListenConfig::of_calls(vec![call])).unwrap();
    let answering = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 64];
        let (_, from) = member.recv_from(&mut bytes).unwrap();
        assert_eq!(from.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let question = std::str::from_utf8(&bytes).unwrap().trim_end_matches('\0');
        let port: u16 = question.rsplit('-').next().unwrap().parse().unwrap();
        // A member of a group cannot send from the group's address.
        sender(10).send_to(b"cgm-FTW-4028-", (from.ip(), port)).unwrap();
    });
    assert_eq!(seen(&mut stream).await.from, IpAddr::from([127, 92, 1, 10]));
    answering.await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let error = |config: ListenConfig| listen(&config).unwrap_err();
    assert!(matches!(error(ListenConfig::of_calls(vec![])), ListenError::Nothing));
    let call = Call::new(CallKind::Mdns, Ipv4Addr::UNSPECIFIED);
    assert!(matches!(error(ListenConfig::of_calls(vec![call])), ListenError::NoInterface));
    assert!(matches!(error(ListenConfig::default().with_ports(vec![1; 65])), ListenError::TooMany(65)));
    // An address that this machine does not have.
    let nowhere = ListenConfig::default().with_address([192, 0, 2, 1].into());
    assert!(matches!(error(nowhere), ListenError::NoSocket(_)));
}

#[tokio::test]
async fn a_port_that_is_taken_costs_that_port_alone() {
    let taken = sender(11);
    let port = taken.local_addr().unwrap().port();
    let config = ListenConfig::default().with_address([127, 92, 1, 11].into()).with_ports(vec![port, 0]);
    let stream = listen(&config).unwrap();
    assert_eq!(stream.places().len(), 1);
    assert_eq!(stream.failures()[0].0.port(), port);
}

#[test]
fn without_a_runtime_nothing_is_opened() {
    assert!(matches!(listen(&ListenConfig::default()), Err(ListenError::NoRuntime)));
}
