//! Who may ask and what is answered, over a service with simulated miners in memory.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use super::*;
use crate::testing::watched;
use axum::body::to_bytes;
use bitlink_miner_manager::ServiceStream;
use std::path::PathBuf;
use tower::ServiceExt;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A service that has read its miners, and where its data is.
struct Watching {
    service: ServiceStream,
    folder: PathBuf,
}

impl Watching {
    async fn start(name: &str, miners: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("bitlink-cockpit-{}-{name}", std::process::id()));
        let (_, service) = watched(&folder, miners).await;
        Self { service, folder }
    }

    fn router(&self, token: Option<&str>) -> Router {
        let config = HttpConfig::new(([127, 0, 0, 1], 0).into()).with_token(token.map(str::to_owned));
        router(&config, self.service.handle(), None, "1.2.3")
    }

    async fn end(self) {
        self.service.handle().shutdown().await;
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let request =
        headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 10_000_000).await.unwrap();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

const HERE: &[(&str, &str)] = &[("host", "127.0.0.1:4080")];

#[tokio::test]
async fn a_collector_gets_the_service_its_sums_and_every_device() {
    let watching = Watching::start("pages", 4).await;
    let router = watching.router(None);
    let (status, headers, own) = ask(&router, "/metrics", HERE).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, Format::Prometheus.content_type())
    );
    for line in [
        "bitlink_build_info{version=\"1.2.3\"} 1",
        "bitlink_devices_live 4",
        "bitlink_fleet_devices_with_hashrate 4",
        "bitlink_polls_total{result=\"answered\",reason=\"answered\"} 4",
        "asic_poll_duration_seconds_count 4",
        "bitlink_data_kept 1",
    ] {
        assert!(own.lines().any(|l| l == line), "{line}\n{own}");
    }
    let (_, headers, devices) =
        ask(&router, "/metrics/devices", &[HERE[0], ("accept", "application/openmetrics-text")]).await;
    assert_eq!(headers["content-type"].to_str().unwrap(), Format::OpenMetrics.content_type());
    assert_eq!(devices.lines().filter(|l| l.starts_with("asic_up{") && l.ends_with(" 1")).count(), 4);
    assert_eq!(devices.lines().filter(|l| l.starts_with("asic_board_chips{")).count(), 12);
    assert!(devices.ends_with("# EOF\n"));
    for page in [&own, &devices] {
        let mut told = std::collections::HashSet::new();
        for sample in page.lines().filter(|line| !line.starts_with('#')) {
            let series = sample.rsplit_once(' ').unwrap().0;
            assert!(told.insert(series), "{series} twice");
        }
        assert!(told.len() > 40, "{page}");
    }
    let (_, _, found) = ask(&router, "/sd", &[("host", "localhost:4080")]).await;
    assert!(found.contains("\"targets\":[\"localhost:4080\"]") && found.contains("\"0/1\""), "{found}");
    watching.end().await;
}

#[tokio::test]
async fn a_collector_is_told_how_telling_a_broker_goes_where_one_is_told() {
    let watching = Watching::start("mqtt", 1).await;
    let plain = watching.router(None);
    assert!(!ask(&plain, "/metrics", HERE).await.2.contains("bitlink_mqtt"));
    let (_, _, own) = ask(&plain.layer(Extension(MqttWatch::default())), "/metrics", HERE).await;
    for line in [
        "bitlink_mqtt_connected 0",
        "bitlink_mqtt_connections_total{result=\"lost\"} 0",
        "bitlink_mqtt_messages_total{kind=\"discovery\"} 0",
    ] {
        assert!(own.lines().any(|l| l == line), "{line}\n{own}");
    }
    watching.end().await;
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_told_so() {
    let watching = Watching::start("wrong", 1).await;
    let router = watching.router(None);
    for path in [
        "/metrics/devices?shard=4/4",
        "/metrics/devices?shard=x",
        "/metrics/devices?level=chip",
        "/metrics/devices?color=red",
    ] {
        let (status, _, words) = ask(&router, path, HERE).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(words.contains('='), "{path}: {words}");
    }
    let (_, _, none) = ask(&router, "/metrics/devices?site=nowhere", HERE).await;
    assert_eq!(none, "");
    assert_eq!(ask(&router, "/nothing", HERE).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&router, "/healthz", &[]).await.0, StatusCode::OK);
    watching.end().await;
}

#[tokio::test]
async fn only_who_may_ask_is_answered() {
    let watching = Watching::start("access", 1).await;
    let open = watching.router(None);
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:4080", "[::1]:4080"] {
        assert_eq!(ask(&open, "/metrics", &[("host", host)]).await.0, StatusCode::OK, "{host}");
    }
    // By a name that somebody has let point here.
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5:4080",
        "[::1",
        "",
        "localhost.evil.example:80",
    ] {
        for path in ["/metrics", "/metrics/devices", "/sd"] {
            assert_eq!(ask(&open, path, &[("host", host)]).await.0, StatusCode::FORBIDDEN, "{path} {host}");
        }
    }
    let shut = watching.router(Some(TOKEN));
    let right = format!("Bearer {TOKEN}");
    let (status, headers, _) = ask(&shut, "/metrics", HERE).await;
    assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (StatusCode::UNAUTHORIZED, "Bearer"));
    for wrong in
        ["Bearer", "Bearer ", "Bearer 0", &right[..right.len() - 1], &right.replace("Bearer", "Basic")]
    {
        let (status, ..) = ask(&shut, "/metrics", &[HERE[0], ("authorization", wrong)]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    for path in ["/metrics", "/metrics/devices", "/sd"] {
        let from_elsewhere = [("host", "farm.example:4080"), ("authorization", right.as_str())];
        assert_eq!(ask(&shut, path, &from_elsewhere).await.0, StatusCode::OK, "{path}");
    }
    // Where others reach it too, they get no metrics without a token: who asks from nobody knows where is one of them.
    let beyond = HttpConfig::new(([0, 0, 0, 0], 0).into());
    let open_to_all = router(&beyond, watching.service.handle(), None, "1.2.3");
    assert_eq!(ask(&open_to_all, "/metrics", HERE).await.0, StatusCode::FORBIDDEN);
    watching.end().await;
}

#[test]
fn a_token_is_worth_the_name() {
    let of = |listen: &str, token: Option<&str>| {
        HttpConfig::new(listen.parse().unwrap()).with_token(token.map(str::to_owned)).validate()
    };
    for here in ["127.0.0.1:0", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(of(here, None).is_ok(), "{here}");
    }
    for beyond in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        assert!(of(beyond, None).is_ok() && of(beyond, Some(TOKEN)).is_ok(), "{beyond}: people sign in");
    }
    for weak in ["", "short", "with a space in the middle", "0123456789abcdef\n"] {
        assert!(matches!(of("127.0.0.1:0", Some(weak)), Err(HttpError::Token)), "{weak:?}");
    }
    let written =
        format!("{:?}", HttpConfig::new(([127, 0, 0, 1], 1).into()).with_token(Some(TOKEN.to_owned())));
    assert!(!written.contains(TOKEN), "{written}");
}

#[tokio::test]
async fn a_server_answers_over_a_socket_and_ends_when_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let watching = Watching::start("socket", 1).await;
    let config = HttpConfig::new(([127, 0, 0, 1], 0).into());
    let server = HttpServer::bind(&config, watching.service.handle(), None, "1.2.3").await.unwrap();
    let at = server.at();
    let taken = HttpServer::bind(&HttpConfig::new(at), watching.service.handle(), None, "1.2.3").await;
    assert!(matches!(taken, Err(HttpError::Listen { .. })));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move { drop(ended.await) }));
    let mut socket = tokio::net::TcpStream::connect(at).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("bitlink_devices_live 1"),
        "{answer}"
    );
    drop(end);
    running.await.unwrap();
    watching.end().await;
}
