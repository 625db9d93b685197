//! The way to a real broker: rumqttc over plain TCP, version 3.1.1 of the protocol. Knows no miner.

use super::config::MqttConfig;
use super::port::{Lost, Message, MqttError, MqttPort};
use async_trait::async_trait;
use futures::FutureExt;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, QoS,
};
use std::fmt;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Messages that wait for the network. Whoever has more waits.
const QUEUE: usize = 64;
/// Largest message. One about a device with everything is some 10 kB.
const LARGEST: usize = 1 << 20;
/// Nothing is subscribed to: what comes in is small.
const LARGEST_ANSWER: usize = 1 << 12;
/// A broker that does not answer for so long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A broker at an address.
pub struct Broker {
    config: MqttConfig,
    connection: Option<Connection>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("host", &self.config.host)
            .field("port", &self.config.port)
            .finish_non_exhaustive()
    }
}

struct Connection {
    client: AsyncClient,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Broker {
    /// As it is configured. Connects to nothing yet.
    pub fn new(config: &MqttConfig) -> Self {
        Self { config: config.clone(), connection: None }
    }

    fn options(&self, will: Message) -> MqttOptions {
        let MqttConfig { host, port, username, password, .. } = &self.config;
        // Always the same, so that the broker ends the connection of before, and says its will, before this one counts.
        let mut options = MqttOptions::new(format!("bitlink-{}", self.config.slug()), host, *port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(true)
            .set_max_packet_size(LARGEST_ANSWER, LARGEST)
            .set_last_will(LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, true));
        if let Some(username) = username {
            options.set_credentials(username, password.reveal().unwrap_or_default());
        }
        options
    }
}

#[async_trait]
impl MqttPort for Broker {
    async fn connect(&mut self, will: Message) -> Result<Lost, MqttError> {
        self.connection = None;
        let (client, mut events) = AsyncClient::new(self.options(will), QUEUE);
        events.network_options.set_tcp_nodelay(true);
        // It waits for the answer, and not for ever.
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => break,
                Ok(_) => {}
                Err(error) => return Err(not_connected(error)),
            }
        }
        let (tell, told) = oneshot::channel();
        // owned by the connection, which ends it when it is dropped
        let task = tokio::spawn(carry(events, tell));
        self.connection = Some(Connection { client, task });
        Ok(told.map(|told| MqttError::Lost(told.ok().map(|error| Box::new(error) as _))).boxed())
    }

    async fn publish(&mut self, message: Message) -> Result<(), MqttError> {
        let Some(connection) = &self.connection else { return Err(MqttError::Lost(None)) };
        let quality = if message.must_arrive { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let handed = connection.client.publish(message.topic, quality, true, message.payload).await;
        handed.map_err(|_gone| MqttError::Lost(None))
    }

    async fn close(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if connection.client.disconnect().await.is_ok() {
            // Ended by the broker when it has everything.
            let _ = timeout(LAST_WORDS, &mut connection.task).await;
        }
    }
}

/// Carries messages until that goes no further.
async fn carry(mut events: EventLoop, tell: oneshot::Sender<ConnectionError>) {
    let error = loop {
        if let Err(error) = events.poll().await {
            break error;
        }
    };
    // Whoever has dropped the connection knows.
    drop(tell.send(error));
}

fn not_connected(error: ConnectionError) -> MqttError {
    match error {
        ConnectionError::ConnectionRefused(code) => MqttError::Refused(match code {
            ConnectReturnCode::BadUserNamePassword => "user name or password is wrong",
            ConnectReturnCode::NotAuthorized => "it may not be used without a login, or not by this user",
            ConnectReturnCode::BadClientId => "it does not take our name",
            ConnectReturnCode::ServiceUnavailable => "it is not ready",
            _ => "it does not speak MQTT 3.1.1",
        }),
        error => MqttError::Unreachable(Box::new(error)),
    }
}
