//! Each channel against a server of this test's own, at a free port of this machine.

use super::*;
use crate::notification::Example;
use bitlink_model::{MinerId, Timestamp};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const HOSTILE: &str = "<b>@everyone `x` \u{202e} <!channel>\r\nBcc: all@example.org & *y*";

fn hostile() -> Notification {
    let mut told = Notification::test(Timestamp::from_unix_millis(1_764_115_200_000));
    (told.kind, told.severity, told.firing, told.title) =
        (NotificationKind::Firing, Severity::Critical, 1, HOSTILE.to_owned());
    told.examples = vec![Example {
        id: Some(MinerId::from_u64(7)),
        address: "192.0.2.7:4028".to_owned(),
        model: HOSTILE.to_owned(),
        position: String::new(),
        message: HOSTILE.to_owned(),
    }];
    told
}

/// Answers one request, and hands out its head and body.
async fn server(answer: &'static str) -> (SocketAddr, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
        (head.to_ascii_lowercase(), String::from_utf8(body).unwrap())
    });
    (at, served)
}

const FINE: &str = "200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

async fn posted(
    kind: ChannelKind,
    secret: &str,
    answer: &'static str,
) -> (Result<String, SendError>, String, String) {
    let (at, served) = server(answer).await;
    let mut config = ChannelConfig::new("ops", kind);
    config.url = Some(format!("http://{at}/hook"));
    config.chat = (kind == ChannelKind::Telegram).then(|| "-100".to_owned());
    config.topic = (kind == ChannelKind::Ntfy).then(|| "farm".to_owned());
    let channel = config.open(Secret::new(secret), TimeZone::UTC).unwrap();
    assert!(!format!("{channel:?} {config:?}").contains("hunter2"));
    let said = channel.send(42, &hostile()).await;
    let (head, body) = served.await.unwrap();
    (said, head, body)
}

#[tokio::test]
async fn a_webhook_is_signed_json() {
    let (said, head, body) = posted(ChannelKind::Webhook, "hunter2", FINE).await;
    assert_eq!(said.unwrap(), "200 OK");
    let header = |name: &str| {
        let line =
            head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {head}"));
        line.trim().to_owned()
    };
    let time = header("x-bitlink-timestamp:");
    assert_eq!(
        header("x-bitlink-signature:"),
        format!("sha256={}", http::signature("hunter2", &time, &body))
    );
    assert_eq!(header("x-bitlink-delivery:"), "42");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["id"], &body["notification"]["firing"]), (&42.into(), &1.into()));
}

#[test]
fn a_signature_is_that_of_everybody_else() {
    // HMAC-SHA256 of "1.{}" with the key "key", computed elsewhere.
    assert_eq!(
        http::signature("key", "1", "{}"),
        "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
    );
}

#[tokio::test]
async fn nothing_that_a_miner_says_is_a_mark_anywhere() {
    let (said, head, body) = posted(ChannelKind::Telegram, "hunter2", FINE).await;
    assert!(said.is_ok() && head.starts_with("post /hook/bothunter2/sendmessage"), "{head}");
    let text = serde_json::from_str::<serde_json::Value>(&body).unwrap()["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("<b>[CRITICAL]") && text.matches("<b>").count() == 1 && text.contains("&lt;b&gt;"),
        "{text}"
    );

    let (_, _, body) = posted(ChannelKind::Slack, "", FINE).await;
    let text = serde_json::from_str::<serde_json::Value>(&body).unwrap()["text"].as_str().unwrap().to_owned();
    assert!(!text.contains("<!") && !text.contains('@') && text.matches('`').count() == 6, "{text}");

    let (_, _, body) = posted(ChannelKind::Discord, "", FINE).await;
    let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(sent["allowed_mentions"]["parse"], serde_json::json!([]));
    assert_eq!(sent["embeds"][0]["description"].as_str().unwrap().matches('`').count(), 6);

    let (_, head, body) = posted(ChannelKind::Ntfy, "hunter2", FINE).await;
    let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&sent["topic"], &sent["priority"]), (&"farm".into(), &5.into()));
    assert!(head.contains("authorization: bearer hunter2"), "{head}");
    assert!(!body.contains('\u{202e}'));
}

#[tokio::test]
async fn a_server_that_wants_a_rest_gets_it_and_others_are_told_apart() {
    let busy = |seconds| Err(SendError::Busy { after: Duration::from_secs(seconds) });
    let refused = |said: &Result<String, SendError>| matches!(said, Err(SendError::Refused(_)));
    let header = "429 Too Many Requests\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(posted(ChannelKind::Webhook, "", header).await.0, busy(77));
    let telegram = "429 Too Many Requests\r\nContent-Length: 47\r\n\r\n{\"ok\":false,\"parameters\":{\"retry_after\":1234 }}";
    assert_eq!(posted(ChannelKind::Telegram, "t", telegram).await.0, busy(1234));
    let discord = "429 Too Many Requests\r\nContent-Length: 20\r\n\r\n{\"retry_after\":64.0}";
    assert_eq!(posted(ChannelKind::Discord, "", discord).await.0, busy(64));
    assert!(refused(&posted(ChannelKind::Slack, "", "404 Not Found\r\nContent-Length: 0\r\n\r\n").await.0));
    assert!(refused(
        &posted(
            ChannelKind::Slack,
            "",
            "302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        )
        .await
        .0
    ));
    let down = posted(ChannelKind::Webhook, "", "500 Oops\r\nContent-Length: 0\r\n\r\n").await.0;
    assert!(matches!(down, Err(SendError::Unreached(_))), "{down:?}");
}

#[tokio::test]
async fn mail_is_plain_text_whose_headers_nobody_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        stream.write_all(b"220 here\r\n").await.unwrap();
        let (mut all, mut in_data) = (String::new(), false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return all;
            }
            all.push_str(&line);
            let answer = match (in_data, line.trim_end()) {
                (true, ".") => {
                    in_data = false;
                    "250 taken\r\n"
                }
                (true, _) => continue,
                (_, line) if line.starts_with("EHLO") => "250-here\r\n250 AUTH PLAIN\r\n",
                (_, line) if line.starts_with("AUTH") => "235 come in\r\n",
                (_, "DATA") => {
                    in_data = true;
                    "354 go on\r\n"
                }
                (_, "QUIT") => "221 bye\r\n",
                _ => "250 fine\r\n",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.starts_with("250 taken") || answer.starts_with("221") {
                return all;
            }
        }
    });
    let mut config = ChannelConfig::new("mail", ChannelKind::Smtp);
    (config.server, config.port) = (Some(at.ip().to_string()), Some(at.port()));
    config.security = Some(SmtpSecurity::Plain);
    (config.user, config.from) = (Some("farm".to_owned()), Some("Farm <farm@example.org>".to_owned()));
    config.to = vec!["ops@example.org".to_owned()];
    let channel = config.open(Secret::new("hunter2"), TimeZone::UTC).unwrap();
    assert!(!format!("{channel:?}").contains("hunter2"), "{channel:?}");
    channel.send(42, &hostile()).await.unwrap();
    let all = served.await.unwrap();
    assert!(all.contains("RCPT TO:<ops@example.org>") && all.contains("Subject: "), "{all}");
    assert!(!all.lines().any(|line| line.starts_with("Bcc:")), "{all}");
}
