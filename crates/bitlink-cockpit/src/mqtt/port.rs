//! The seam to an MQTT client: three verbs, so that what is published is tested without one, and another client can take its place.

use async_trait::async_trait;
use futures::future::BoxFuture;
use std::error::Error;
use std::fmt::{self, Debug, Write as _};

/// One message. All are retained, so that whoever comes later knows them too; an empty one takes a retained one away.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Where it goes.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether it must arrive (quality of service 1). Otherwise the next one says more.
    pub must_arrive: bool,
    /// What it is about, for counting.
    pub kind: Kind,
}

impl Message {
    pub(super) fn new(kind: Kind, topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic, payload: payload.into(), must_arrive: kind != Kind::State, kind }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.topic, String::from_utf8_lossy(&self.payload))
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// What there is: a device and its sensors.
    Discovery,
    /// Whether the readings of a device stand for now, or whether this program runs.
    Availability,
    /// Readings.
    State,
    /// What is no more.
    Removal,
}

/// Ends when a connection does, and says why.
pub type Lost = BoxFuture<'static, MqttError>;

/// A way to a broker.
#[async_trait]
pub trait MqttPort: Debug + Send {
    /// Connects anew, and returns when the broker has agreed. The broker says `will` for us when we are gone without a word. The future
    /// that is returned ends when the connection is lost.
    async fn connect(&mut self, will: Message) -> Result<Lost, MqttError>;

    /// Hands a message over, in order, and waits while too many wait.
    async fn publish(&mut self, message: Message) -> Result<(), MqttError>;

    /// Ends the connection when what was handed over has been sent.
    async fn close(&mut self);
}

/// Why a broker does not take messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MqttError {
    /// Network: nobody answers, or not in time.
    #[error("the broker cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Operator: the broker does not want us.
    #[error("the broker refuses: {0}")]
    Refused(&'static str),
    /// Network: it was connected.
    #[error("the connection is lost")]
    Lost(#[source] Option<Box<dyn Error + Send + Sync>>),
}

/// An error and its causes.
pub(super) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
