//! Telling an MQTT broker of the fleet, while a service runs.

use bitlink_cockpit::mqtt::broker::Broker;
use bitlink_cockpit::mqtt::{Look, MqttConfig, MqttWatch, Publishing};
use bitlink_miner_manager::ServiceHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::info;

/// Longer than the farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// The task that tells it.
#[derive(Debug)]
pub(super) struct Telling {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    watch: MqttWatch,
}

impl Telling {
    pub(super) fn start(config: &MqttConfig, service: &ServiceHandle) -> Self {
        let publishing = Publishing::new(config, Broker::new(config), env!("CARGO_PKG_VERSION"));
        let watch = publishing.watch();
        info!(broker = %format_args!("{}:{}", config.host, config.port), prefix = config.prefix, "an MQTT broker is told of the fleet");
        let (end, ended) = oneshot::channel::<()>();
        let service = service.clone();
        // That its sender is gone is as good as its word.
        let until = async move { drop(ended.await) };
        // owned by this value, which ends it
        let task = tokio::spawn(publishing.run(move || Look::at(&service), until));
        Self { end, task, watch }
    }

    /// What it comes to.
    pub(super) fn watch(&self) -> MqttWatch {
        self.watch.clone()
    }

    /// Says that it is gone.
    pub(super) async fn end(mut self) {
        drop(self.end);
        if tokio::time::timeout(FAREWELL, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
