//! Channels that are one POST each: webhook, Telegram, Slack, Discord and ntfy differ in the body and in which marks they obey.
//!
//! Sources of the forms: core.telegram.org/bots/api (sendMessage, parameters.retry_after), api.slack.com (incoming webhooks, escaping),
//! discord.com/developers (execute webhook, allowed_mentions, rate limits), docs.ntfy.sh/publish (as JSON).

use super::{Channel, ChannelConfig, ChannelKind, SendError};
use crate::notification::{Notification, NotificationKind};
use crate::words::cut;
use async_trait::async_trait;
use bitlink_model::{Secret, Severity};
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of an answer that are read.
const MOST: usize = 1 << 16;
/// What is waited where a server says that it is too much, and not for how long.
const USUAL_REST: Duration = Duration::from_secs(30);

pub(super) fn complaint(url: &str) -> Option<String> {
    match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => None,
        _ => Some("url is not an address like https://host/path".to_owned()),
    }
}

/// Posts messages.
pub(super) struct Post {
    client: Client,
    kind: ChannelKind,
    url: Url,
    secret: Secret,
    to: String,
    zone: TimeZone,
}

impl std::fmt::Debug for Post {
    // The address may be the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post")
            .field("kind", &self.kind)
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl Post {
    pub(super) fn new(config: &ChannelConfig, secret: Secret, zone: TimeZone) -> Result<Self, String> {
        // Whoever was first has chosen it, and it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("bitlink/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let revealed = secret.reveal().unwrap_or_default();
        let base = |usual: &str| config.url.clone().unwrap_or_else(|| usual.to_owned());
        let url = match config.kind {
            ChannelKind::Telegram => {
                format!(
                    "{}/bot{revealed}/sendMessage",
                    base("https://api.telegram.org").trim_end_matches('/')
                )
            }
            ChannelKind::Ntfy => base("https://ntfy.sh"),
            _ => base(revealed),
        };
        let url =
            Url::parse(&url).map_err(|_not_shown| "its address is none like https://host/path".to_owned())?;
        let to = config.chat.clone().or_else(|| config.topic.clone()).unwrap_or_default();
        Ok(Self { client, kind: config.kind, url, secret, to, zone })
    }

    fn body(&self, id: u64, told: &Notification) -> Value {
        let (headline, body) = (told.headline(), told.body(&self.zone));
        match self.kind {
            ChannelKind::Telegram => {
                let text = format!("<b>{}</b>\n{}", html(&headline), html(cut(&body, 2_500)));
                json!({"chat_id": self.to, "text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": true}})
            }
            ChannelKind::Slack => {
                let text =
                    format!("{}\n```\n{}```", html(&inert(&headline)), html(&inert(cut(&body, 3_000))));
                json!({"text": text})
            }
            ChannelKind::Discord => {
                let color = match (told.kind, told.severity) {
                    (NotificationKind::Recovered, _) => 0x2e_a0_43,
                    (_, Severity::Critical) => 0xd7_3a_4a,
                    (_, Severity::Warning) => 0xe3_b3_41,
                    _ => 0x58_a6_ff,
                };
                let title: String = inert(&headline).chars().take(250).collect();
                let text = format!("```\n{}\n```", inert(cut(&body, 3_500)));
                json!({"embeds": [{"title": title, "description": text, "color": color}], "allowed_mentions": {"parse": []}})
            }
            ChannelKind::Ntfy => {
                let priority = match told.severity {
                    Severity::Critical => 5,
                    Severity::Warning => 4,
                    _ => 3,
                };
                json!({"topic": self.to, "title": headline, "message": cut(&body, 3_500), "priority": priority})
            }
            _ => json!({"version": 1, "id": id, "headline": headline, "text": body, "notification": told}),
        }
    }
}

/// For texts with tags.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Nothing in it is a mark or calls anybody: what could is replaced by what looks like it.
fn inert(text: &str) -> String {
    let marks = |c| match c {
        '`' => '\'',
        '@' => '＠',
        '*' => '∗',
        '_' => '＿',
        '~' => '∼',
        '[' => '［',
        ']' => '］',
        '|' => '∣',
        c => c,
    };
    text.chars().map(marks).collect()
}

#[async_trait]
impl Channel for Post {
    async fn send(&self, id: u64, notification: &Notification) -> Result<String, SendError> {
        let body = self.body(id, notification).to_string();
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let (ChannelKind::Ntfy, Some(token)) = (self.kind, self.secret.reveal()) {
            request = request.bearer_auth(token);
        }
        if self.kind == ChannelKind::Webhook {
            request = request.header("X-Bitlink-Delivery", id.to_string());
            if let Some(key) = self.secret.reveal() {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let time = since.as_secs().to_string();
                request = request
                    .header("X-Bitlink-Signature", format!("sha256={}", signature(key, &time, &body)))
                    .header("X-Bitlink-Timestamp", time);
            }
        }
        let unreached = |error: reqwest::Error| SendError::Unreached(with_causes(&error.without_url()));
        let response = request.body(body).send().await.map_err(unreached)?;
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?));
        let text = read(response).await;
        match status {
            status if status.is_success() => Ok(status.to_string()),
            StatusCode::TOO_MANY_REQUESTS => {
                Err(SendError::Busy { after: after.or_else(|| told_in(&text)).unwrap_or(USUAL_REST) })
            }
            StatusCode::SERVICE_UNAVAILABLE if after.is_some() => {
                Err(SendError::Busy { after: after.unwrap_or(USUAL_REST) })
            }
            status if status.is_server_error() => {
                Err(SendError::Unreached(format!("{status} {}", cut(&text, 200))))
            }
            status => Err(SendError::Refused(format!("{status} {}", cut(&text, 200)))),
        }
    }
}

/// HMAC-SHA256 over the time, a point and the body, in hexadecimal digits.
pub(super) fn signature(key: &str, time: &str, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn read(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        bytes.extend_from_slice(&part);
        if bytes.len() > MOST {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number of seconds, or a date.
fn seconds(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

/// Telegram and Discord say it in the body.
fn told_in(text: &str) -> Option<Duration> {
    let answer: Value = serde_json::from_str(text).ok()?;
    let told = answer.get("retry_after").or_else(|| answer.get("parameters")?.get("retry_after"))?;
    Duration::try_from_secs_f64(told.as_f64()?).ok()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
