//! Mail by SMTP. The messages are plain text; headers are encoded by the library that writes them, so that no text ends one.

use super::{Channel, ChannelConfig, SendError, SmtpSecurity};
use crate::notification::Notification;
use async_trait::async_trait;
use bitlink_model::Secret;
use jiff::tz::TimeZone;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn mailboxes(config: &ChannelConfig) -> Result<(Mailbox, Vec<Mailbox>), String> {
    let parse = |text: &String| {
        text.parse::<Mailbox>().map_err(|error| format!("{text:?} is no mail address: {error}"))
    };
    let from = config.from.as_ref().map(parse).transpose()?.ok_or("from is needed")?;
    Ok((from, config.to.iter().map(parse).collect::<Result<_, _>>()?))
}

pub(super) fn complaint(config: &ChannelConfig) -> Option<String> {
    mailboxes(config).err()
}

/// Sends mail.
#[derive(Debug)]
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    zone: TimeZone,
}

impl Mail {
    pub(super) fn new(config: &ChannelConfig, secret: &Secret, zone: TimeZone) -> Result<Self, String> {
        let (from, to) = mailboxes(config)?;
        let server = config.server.clone().unwrap_or_default();
        let security = config.security.unwrap_or(SmtpSecurity::Starttls);
        let tls = || TlsParameters::new(server.clone()).map_err(|error| error.to_string());
        let (tls, port) = match security {
            SmtpSecurity::Starttls => (Tls::Required(tls()?), 587),
            SmtpSecurity::Tls => (Tls::Wrapper(tls()?), 465),
            SmtpSecurity::Plain => (Tls::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server)
            .tls(tls)
            .port(config.port.unwrap_or(port))
            .timeout(Some(PATIENCE));
        if let (Some(user), Some(password)) = (&config.user, secret.reveal()) {
            builder = builder.credentials(Credentials::new(user.clone(), password.to_owned()));
        }
        Ok(Self { transport: builder.build(), from, to, zone })
    }
}

#[async_trait]
impl Channel for Mail {
    async fn send(&self, id: u64, notification: &Notification) -> Result<String, SendError> {
        let domain = self.from.email.domain();
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(notification.headline())
            .message_id(Some(format!("<bitlink-{}-{id}@{domain}>", notification.at.as_unix_millis())))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let body = format!("{}\n\n{}", notification.headline(), notification.body(&self.zone));
        let message = message.body(body).map_err(|error| SendError::Refused(error.to_string()))?;
        match self.transport.send(message).await {
            Ok(said) => Ok(said.message().collect::<Vec<_>>().join(" ")),
            Err(error) if error.is_permanent() => Err(SendError::Refused(told(&error))),
            Err(error) => Err(SendError::Unreached(told(&error))),
        }
    }
}

fn told(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
