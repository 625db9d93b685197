//! The web side of a running service: the page and its HTTP interface, which show the farm and let people command it, and metrics
//! for Prometheus.
//!
//! Everything that is changed goes through the facade: commands through the control engine and the audit log, what is written of
//! machines through the service. Names, labels and scrape configuration of the metrics are in `docs/metrics.md`, the interface is in
//! `docs/api.md`, and how it is set up in `docs/cockpit.md`.

pub mod accounts;
mod api;
pub mod http;
pub mod metrics;
mod page;
mod secret;
mod tls;

pub use api::{Cockpit, Problem, document};
