//! What a running service shows over HTTP: metrics for Prometheus, and whether it is alive. Reads and never writes.
//!
//! Names, labels and scrape configuration are in `docs/metrics.md`.

pub mod http;
pub mod metrics;
