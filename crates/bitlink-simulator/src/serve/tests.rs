//! The servers on real sockets, asked by hand.

use super::*;
use crate::{FaceName, Fault, FaultKind, FleetSpec, Mix, SimClock, SimFleet};
use bitlink_transport::{Act, Script};
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Generous: the test machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> ServeOptions {
    ServeOptions::default().with_api_port(0).with_web_port(Some(0)).with_tls_port(Some(0))
}

fn fleet(miners: usize, first: [u8; 4], face: FaceName) -> SimFleet {
    let spec =
        FleetSpec::new(miners).with_first(Ipv4Addr::from(first)).with_mix(Mix::only(face)).with_sick(0.0);
    spec.with_instant(true).build(&SimClock::manual()).unwrap()
}

async fn connect(endpoint: SocketAddr) -> io::Result<TcpStream> {
    timeout(PATIENCE, TcpStream::connect(endpoint)).await.unwrap()
}

async fn ask(endpoint: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(endpoint).await?;
    stream.write_all(request).await?;
    let mut reply = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap()?;
    Ok(reply)
}

/// Connects again and again until it goes as wanted.
async fn until(endpoint: SocketAddr, open: bool) {
    let wanted = async {
        while TcpStream::connect(endpoint).await.is_ok() != open {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wanted).await.unwrap();
}

#[tokio::test]
async fn every_miner_answers_and_every_other_address_refuses() {
    let fleet = fleet(5, [127, 77, 1, 252], FaceName::Antminer);
    let server = fleet.serve(&options()).unwrap();
    let endpoints: Vec<SocketAddr> = server.endpoints().collect();
    assert_eq!(endpoints.len(), 5);
    for endpoint in &endpoints {
        let reply = ask(*endpoint, br#"{"command":"version"}"#).await.unwrap();
        assert_eq!(reply.last(), Some(&0));
        let text = String::from_utf8_lossy(&reply);
        assert!(text.contains("\"Type\":\"Antminer "), "{text}");
    }
    // .255 and .0 lie between .254 and .1 of the next network.
    for elsewhere in [[127, 77, 1, 251], [127, 77, 1, 255], [127, 77, 2, 0], [127, 77, 2, 3], [127, 0, 0, 1]]
    {
        let endpoint = SocketAddr::new(elsewhere.into(), server.api_port());
        assert_eq!(
            connect(endpoint).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused,
            "{endpoint}"
        );
    }
    server.shutdown().await;
    for endpoint in endpoints {
        assert_eq!(connect(endpoint).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn a_rebooting_miner_refuses_and_comes_back() {
    let fleet = fleet(1, [127, 77, 3, 1], FaceName::Cgminer);
    let server = fleet.serve(&options().with_web_port(None)).unwrap();
    let endpoint = server.endpoints().next().unwrap();
    let host = fleet.host(endpoint.ip()).unwrap();
    until(endpoint, true).await;
    host.reboot(Duration::from_mins(1));
    until(endpoint, false).await;
    fleet.clock().advance(Duration::from_mins(2));
    until(endpoint, true).await;
    let reply = ask(endpoint, b"summary").await.unwrap();
    assert!(String::from_utf8_lossy(&reply).contains("|SUMMARY,Elapsed=60,"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_hung_miner_takes_connections_and_says_nothing() {
    let fleet = fleet(1, [127, 77, 4, 1], FaceName::Cgminer);
    let host = fleet.hosts().next().unwrap().1;
    host.break_with(Fault::Unresponsive);
    let server = fleet.serve(&options().with_web_port(None)).unwrap();
    let mut stream = connect(server.endpoints().next().unwrap()).await.unwrap();
    stream.write_all(b"version").await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(300), stream.read(&mut byte)).await.is_err());
    host.mend(FaultKind::Unresponsive);
    assert_eq!(timeout(PATIENCE, stream.read(&mut byte)).await.unwrap().unwrap(), 1);
    server.shutdown().await;
}

/// Plays one script to everybody.
#[derive(Debug)]
struct Player(Vec<Act>);

impl Host for Player {
    fn connect(&self, _: u16) -> Door {
        Door::Open { after: Duration::ZERO }
    }

    fn respond(&self, _: u16, _: &[u8]) -> Script {
        Script { acts: self.0.clone() }
    }
}

fn player(last: u8, acts: Vec<Act>) -> FleetServer {
    let address = IpAddr::from([127, 77, 5, last]);
    FleetServer::start([(address, Arc::new(Player(acts)))], &options().with_web_port(None)).unwrap()
}

#[tokio::test]
async fn closing_without_a_byte_and_breaking_in_the_middle() {
    let server = player(1, vec![]);
    assert_eq!(ask(server.endpoints().next().unwrap(), b"x").await.unwrap(), b"");
    server.shutdown().await;

    let server = player(2, vec![Act::Send(b"{\"STATUS\"".to_vec()), Act::Reset]);
    let error = ask(server.endpoints().next().unwrap(), b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    server.shutdown().await;
}

#[tokio::test]
async fn leaving_connections_open_keeps_nobody_else_out() {
    let server = player(3, vec![Act::Send(b"{}\0".to_vec()), Act::HoldOpen]);
    let endpoint = server.endpoints().next().unwrap();
    let mut kept = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(endpoint).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let mut reply = [0; 3];
        timeout(PATIENCE, stream.read_exact(&mut reply)).await.unwrap().unwrap();
        kept.push(stream);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn an_endless_reply_ends_with_the_client_or_the_server() {
    let server = player(4, vec![Act::SendForever(vec![b'x'; 1000])]);
    let endpoint = server.endpoints().next().unwrap();
    for _ in 0..2 {
        let mut stream = connect(endpoint).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let mut reply = vec![0; 1_000_000];
        timeout(PATIENCE, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    }
    let mut stream = connect(endpoint).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    timeout(PATIENCE, server.shutdown()).await.unwrap();
}

#[tokio::test]
async fn the_web_server_asks_for_a_password_and_knows_it() {
    let fleet = fleet(1, [127, 77, 6, 1], FaceName::Antminer);
    let server = fleet.serve(&options()).unwrap();
    let endpoint = SocketAddr::new(server.endpoints().next().unwrap().ip(), server.web_port().unwrap());
    let reply = ask(endpoint, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{reply}");
    assert!(reply.contains("WWW-Authenticate: Digest realm=\"antMiner Configuration\", nonce=\""));
    let nonce = reply.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let target = "/cgi-bin/get_system_info.cgi";
    let md5 = crate::digest::md5;
    let secret = md5("root:antMiner Configuration:root");
    let response = md5(&format!(
        "{secret}:{nonce}:00000001:abc:auth:{}",
        md5(&format!("GET {target}").replace(' ', ":"))
    ));
    // In two pieces: a web server, unlike the API, puts a request together.
    let mut stream = connect(endpoint).await.unwrap();
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let rest = format!(
        "Authorization: Digest username=\"root\", realm=\"antMiner Configuration\", nonce=\"{nonce}\", \
         uri=\"{target}\", qop=auth, nc=00000001, cnonce=\"abc\", response=\"{response}\"\r\n\r\n"
    );
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut reply = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    let body: serde_json::Value = serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["macaddr"], fleet.truths()[0].mac.to_string());
    server.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_told_and_nothing_stays_open() {
    let address = IpAddr::from([127, 77, 7, 1]);
    let taken = std::net::TcpListener::bind((address, 0)).unwrap();
    let fleet = fleet(2, [127, 77, 7, 1], FaceName::Cgminer);
    let port = taken.local_addr().unwrap().port();
    let error = fleet.serve(&options().with_api_port(port)).unwrap_err();
    assert!(matches!(error, ServeError::Bind { endpoint, .. } if endpoint.ip() == address));
}

#[tokio::test]
#[ignore = "a measurement: how long many listeners take"]
async fn many_listeners() {
    let fleet = fleet(5000, [127, 78, 0, 1], FaceName::Antminer);
    let start = std::time::Instant::now();
    let server = fleet.serve(&options()).unwrap();
    println!("{} listeners in {:?}, web: {:?}", 2 * fleet.len(), start.elapsed(), server.web_error());
    let start = std::time::Instant::now();
    for endpoint in server.endpoints().step_by(10) {
        ask(endpoint, br#"{"command":"stats"}"#).await.unwrap();
    }
    println!("500 questions in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    server.shutdown().await;
    println!("gone after {:?}", start.elapsed());
}
