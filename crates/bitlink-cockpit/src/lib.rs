//! The web side of a running service: the page and its HTTP interface, which show the farm and let people command it, metrics
//! for Prometheus, and what an MQTT broker is told.
//!
//! Everything that is changed goes through the facade: commands through the control engine and the audit log, what is written of
//! machines through the service. Names, labels and scrape configuration of the metrics are in `docs/metrics.md`, topics and payloads
//! in `docs/mqtt.md`, the interface is in `docs/api.md`, and how it is set up in `docs/cockpit.md`.

pub mod accounts;
mod api;
mod clock;
pub mod http;
pub mod metrics;
pub mod mqtt;
mod page;
mod secret;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test stops where it fails
mod testing;
mod tls;

pub use api::{Cockpit, Configured, Problem, document};
