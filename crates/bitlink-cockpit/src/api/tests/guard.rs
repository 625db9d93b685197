//! What stands before every route: by which name it is asked, whose page asks, what a browser is told, TLS.

use super::support::{Farm, PASSWORD};
use crate::accounts::Accounts;
use crate::http::{HttpConfig, HttpError, HttpServer, TlsFiles};
use crate::page;
use axum::body::to_bytes;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn every_answer_tells_a_browser_what_it_may_do() {
    let farm = Farm::start("headers", 1).await;
    for (path, status) in [
        ("/", StatusCode::OK),
        ("/miners/0", StatusCode::OK),
        ("/assets/index.html", StatusCode::OK),
        ("/assets/../Cargo.toml", StatusCode::NOT_FOUND),
        ("/assets/nothing.js", StatusCode::NOT_FOUND),
        ("/nothing", StatusCode::NOT_FOUND),
        ("/api/v1/session", StatusCode::OK),
        ("/api/v1/miners", StatusCode::UNAUTHORIZED),
        ("/api/v1/openapi.json", StatusCode::UNAUTHORIZED),
        ("/api/v1/nothing", StatusCode::NOT_FOUND),
    ] {
        let (is, headers, _) = farm.send_to("GET", path, &[("host", "localhost:4080")], "").await;
        assert_eq!(is, status, "{path}");
        assert_eq!(headers["content-security-policy"], page::POLICY, "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin", "{path}");
        let kept = headers.get("cache-control").map(|value| value.to_str().unwrap());
        if path.starts_with("/api/") {
            assert_eq!(kept, Some("no-store"), "{path}");
        }
        if status == StatusCode::NOT_FOUND {
            assert_eq!(headers["content-type"], "application/problem+json", "{path}");
        }
    }
    // What is the same is not sent again.
    let (_, headers, _) = farm.send_to("GET", "/", &[], "").await;
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) = farm.send_to("GET", "/", &[("if-none-match", tag)], "").await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    assert!(to_bytes(body, 1_000_000).await.unwrap().is_empty());
    farm.end().await;
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_get_nowhere() {
    let farm = Farm::start("strangers", 1).await;
    let login = json!({"name": "vic", "password": PASSWORD}).to_string();
    for host in ["evil.example", "192.168.1.5:4080", "localhost.evil.example"] {
        for path in ["/", "/api/v1/session"] {
            let status = farm.send_to("GET", path, &[("host", host)], "").await.0;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {host}");
        }
    }
    let here = ("host", "127.0.0.1:4080");
    for (header, is_let_in) in [
        (("sec-fetch-site", "cross-site"), false),
        (("sec-fetch-site", "same-site"), false),
        (("origin", "http://evil.example"), false),
        (("origin", "http://127.0.0.1:9999"), false),
        (("origin", "null"), false),
        (("sec-fetch-site", "same-origin"), true),
        (("origin", "http://127.0.0.1:4080"), true),
        (("accept", "*/*"), true),
    ] {
        let status = farm.send_to("POST", "/api/v1/session", &[here, header], &login).await.0;
        let expected = if is_let_in { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(status, expected, "{header:?}");
    }
    // A form of another site can send text, but no JSON.
    let (status, ..) =
        farm.send_to("POST", "/api/v1/session", &[here, ("content-type", "text/plain")], &login).await;
    assert_ne!(status, StatusCode::OK);
    farm.end().await;
}

#[tokio::test]
async fn a_demonstration_lets_everybody_in_and_so_stays_on_this_machine() {
    let farm = Farm::start("demo", 1).await;
    let beyond = HttpConfig::new(([0, 0, 0, 0], 0).into());
    let demo = farm.cockpit(Accounts::demo());
    let refused = HttpServer::bind(&beyond, farm.handle(), Some(demo), "1.2.3").await;
    assert!(matches!(refused, Err(HttpError::Open(_))));
    farm.end().await;
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

#[tokio::test]
async fn it_speaks_tls_with_a_given_certificate_and_who_does_not_holds_up_nobody() {
    let farm = Farm::start("tls", 1).await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: farm.folder.join("cert.pem"), key: farm.folder.join("key.pem") };
    let config = HttpConfig::new(([127, 0, 0, 1], 0).into()).with_tls(Some(files.clone()));
    assert!(matches!(config.validate(), Err(HttpError::Tls(_))), "there is none yet");
    std::fs::write(&files.certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&files.key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    let cockpit = farm.cockpit(Accounts::open(&farm.folder).unwrap());
    let server = HttpServer::bind(&config, farm.handle(), Some(cockpit), "1.2.3").await.unwrap();
    let at = server.at();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    // owned by this test, which ends it
    let running = tokio::spawn(server.run(async move { drop(ended.await) }));
    let silent = TcpStream::connect(at).await.unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(at).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
    let login = json!({"name": "vic", "password": PASSWORD}).to_string();
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{login}",
        login.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // That the end is not announced is of no interest.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("; Secure"), "{answer}");
    drop((silent, end));
    running.await.unwrap();
    farm.end().await;
}
