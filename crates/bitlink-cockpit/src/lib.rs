//! What a running service shows over HTTP (metrics for Prometheus, and whether it is alive) and tells an MQTT broker. Reads and never
//! writes.
//!
//! Names, labels and scrape configuration are in `docs/metrics.md`, topics and payloads in `docs/mqtt.md`.

pub mod http;
pub mod metrics;
pub mod mqtt;
