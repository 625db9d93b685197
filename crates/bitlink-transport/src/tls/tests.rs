//! TLS on real sockets of the loopback network: whom it believes, and that it always ends.

use super::*;
use crate::tcp::{TcpConfig, TcpTransport};
use crate::transport::{Limits, Transport};
use bitlink_protocol::{HttpReply, HttpRequest, Reply};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a server does with its one client.
#[derive(Clone, Copy)]
enum Server {
    Answers(&'static str),
    /// Says nothing, not even hello.
    Silent,
    /// Speaks, and not TLS.
    Plain,
    /// Never ends.
    Endless,
}

async fn serve(server: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let body = match server {
            Server::Silent => return std::future::pending().await,
            Server::Plain => {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                return;
            }
            Server::Answers(body) => body,
            Server::Endless => "",
        };
        let made = rcgen::generate_simple_self_signed(vec!["miner".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if matches!(server, Server::Endless) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.shutdown().await;
    });
    endpoint
}

async fn ask(server: Server, certificates: Certificates, limits: Limits) -> Result<Reply, TransportError> {
    let endpoint = serve(server).await;
    let transport = TcpTransport::with_config(TcpConfig::default().with_certificates(certificates));
    let request = HttpRequest::get("/info").on_port(endpoint.port()).over_tls();
    transport.exchange(endpoint, &request.into(), &limits).await
}

fn within(time: Duration) -> Limits {
    Limits::until(Instant::now() + time)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_will_do_on_a_local_network() {
    let reply = ask(Server::Answers("{}"), Certificates::default(), within(LONG)).await.unwrap();
    let reply = HttpReply::parse("info", &reply.into_bytes()).unwrap();
    assert_eq!((reply.status, reply.body.as_slice(), reply.complete), (200, b"{}".as_slice(), true));
}

#[tokio::test]
async fn without_trust_nothing_is_asked() {
    let error = ask(Server::Answers("{}"), Certificates::None, within(LONG)).await.unwrap_err();
    assert!(matches!(error, TransportError::Untrusted), "{error}");
}

#[test]
fn local_is_what_is_not_routed() {
    fn check(ip: &str, local: bool) {
        assert_eq!(Certificates::AnyOnLan.trusts(ip.parse().unwrap()), local, "{ip}");
    }
    for ip in
        ["10.1.2.3", "172.31.0.1", "192.168.1.1", "127.0.10.1", "169.254.1.1", "100.64.0.1", "::1", "fd00::7"]
    {
        check(ip, true);
    }
    for ip in ["fe80::1", "::ffff:10.0.0.1"] {
        check(ip, true);
    }
    for ip in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1", "::ffff:8.8.8.8"] {
        check(ip, false);
    }
    assert!(Certificates::Any.trusts("8.8.8.8".parse().unwrap()));
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let error = ask(Server::Plain, Certificates::default(), within(LONG)).await.unwrap_err();
    assert!(matches!(error, TransportError::Tls(_)), "{error}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_ends_at_the_deadline() {
    let error =
        ask(Server::Silent, Certificates::default(), within(Duration::from_millis(100))).await.unwrap_err();
    assert!(matches!(error, TransportError::TimedOut { stage: Stage::Connecting, .. }), "{error}");
}

#[tokio::test]
async fn a_reply_that_never_ends_ends_at_the_limit() {
    let mut limits = within(LONG);
    limits.max_reply_bytes = 100_000;
    let error = ask(Server::Endless, Certificates::default(), limits).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLong { limit: 100_000 }), "{error}");
}
