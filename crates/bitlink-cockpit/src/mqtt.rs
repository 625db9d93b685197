//! The fleet for an MQTT broker, in the shapes by which Home Assistant finds devices. Only publishes: nothing is subscribed to, so nobody
//! can command a miner from there.
//!
//! [`Publisher`] (pure) says what is to be said after what was said; [`MqttPort`] brings it to a broker;
//! [`Publishing`] joins them, over and over. Topics and payloads are in `docs/mqtt.md`.

pub mod broker;
pub mod config;
mod counts;
mod discovery;
mod port;
pub mod publisher;
mod sensors;

pub use config::{MqttConfig, MqttConfigError};
pub use counts::{MqttCounts, MqttWatch};
pub use port::{Kind, Lost, Message, MqttError, MqttPort};

use bitlink_miner_manager::ServiceHandle;
use bitlink_model::{Miner, MinerRecord};
use publisher::Publisher;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// What is known of the fleet at one time.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Look {
    /// Who is watched.
    pub miners: Arc<[Arc<Miner>]>,
    /// Whoever is known, forgotten machines among them.
    pub records: Vec<Arc<MinerRecord>>,
    /// Time between two readings of a miner.
    pub poll_interval: Duration,
}

impl Look {
    /// From its parts.
    pub fn new(miners: Arc<[Arc<Miner>]>, records: Vec<Arc<MinerRecord>>, poll_interval: Duration) -> Self {
        Self { miners, records, poll_interval }
    }

    /// What a service knows now.
    pub fn at(service: &ServiceHandle) -> Self {
        let records = service.with_registry(|registry| registry.all_records().cloned().collect());
        Self::new(Arc::clone(&service.state().miners), records, service.pulse().interval)
    }
}

/// Pauses between attempts to reach the broker: from the first, doubled, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Tells a broker of a fleet, again and again.
#[derive(Debug)]
#[must_use]
pub struct Publishing<P> {
    port: P,
    publisher: Publisher,
    interval: Duration,
    watch: MqttWatch,
}

/// Why publishing over one connection has ended.
enum Ended {
    Told,
    Lost(MqttError),
}

impl<P: MqttPort> Publishing<P> {
    /// Over a port. `version` is that of the program.
    pub fn new(config: &MqttConfig, port: P, version: &str) -> Self {
        let publisher = Publisher::new(config, version);
        Self { port, publisher, interval: config.interval, watch: MqttWatch::default() }
    }

    /// Where is counted what it does.
    pub fn watch(&self) -> MqttWatch {
        self.watch.clone()
    }

    /// Publishes until told to stop; then says that it is gone. A broker that cannot be reached is tried again, after 1 s to 1 min, and
    /// is told everything anew.
    pub async fn run(
        mut self,
        look: impl Fn() -> Look + Send + Sync,
        until: impl Future<Output = ()> + Send,
    ) {
        tokio::pin!(until);
        let mut pause = FIRST_PAUSE;
        let mut is_told = false;
        loop {
            let will = self.publisher.will();
            let connected = tokio::select! {
                connected = self.port.connect(will) => connected,
                () = &mut until => return,
            };
            let error = match connected {
                Err(error) => {
                    self.watch.change(|counts| counts.failed += 1);
                    error
                }
                Ok(lost) => {
                    tracing::info!("the MQTT broker is connected");
                    is_told = false;
                    self.watch.change(|counts| {
                        (counts.accepted, counts.is_connected) = (counts.accepted + 1, true);
                    });
                    let ended = tokio::select! {
                        ended = self.over_one_connection(lost, &look, &mut pause) => ended,
                        () = &mut until => Ended::Told,
                    };
                    self.watch.change(|counts| counts.is_connected = false);
                    match ended {
                        Ended::Told => return self.farewell().await,
                        Ended::Lost(error) => {
                            self.watch.change(|counts| counts.lost += 1);
                            error
                        }
                    }
                }
            };
            // Once, and not with every attempt.
            if !is_told {
                tracing::warn!(error = %port::in_one_line(&error), "the MQTT broker is not connected; it is tried again");
                is_told = true;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = &mut until => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn over_one_connection(
        &mut self,
        lost: Lost,
        look: &(impl Fn() -> Look + Send + Sync),
        pause: &mut Duration,
    ) -> Ended {
        tokio::pin!(lost);
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.publisher.begin();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                error = &mut lost => return Ended::Lost(error),
            }
            let round = tokio::select! {
                round = self.round(look()) => round,
                error = &mut lost => Err(error),
            };
            match round {
                // Whoever takes everything is well.
                Ok(()) => *pause = FIRST_PAUSE,
                Err(error) => return Ended::Lost(error),
            }
        }
    }

    async fn round(&mut self, look: Look) -> Result<(), MqttError> {
        let began = Instant::now();
        for step in self.publisher.steps(&look) {
            for message in self.publisher.messages(&look, step) {
                let kind = message.kind;
                self.port.publish(message).await?;
                self.watch.change(|counts| *counts.of_mut(kind) += 1);
            }
        }
        self.watch.change(|counts| (counts.rounds, counts.took) = (counts.rounds + 1, began.elapsed()));
        Ok(())
    }

    async fn farewell(mut self) {
        let gone = self.publisher.will();
        let farewell = async {
            if self.port.publish(gone).await.is_ok() {
                self.port.close().await;
            }
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            tracing::debug!("the MQTT broker did not take the farewell; its will says the same");
        }
    }
}

#[cfg(test)]
mod tests;
