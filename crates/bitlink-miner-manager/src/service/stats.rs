//! What a service counts of its own work, for whoever watches over it. Decides nothing.

use bitlink_alerts::CourierEvent;
use bitlink_model::Timestamp;
use bitlink_scanner::{OutcomeKind, ScanReport};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a service has done since its start. What the monitor has done is in
/// [`Coverage`](bitlink_monitor::Coverage), how recording goes in [`Pulse`](super::Pulse).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServiceStats {
    /// When it was started.
    pub started_at: Timestamp,
    /// Events of the monitor that were left out because the service was too slow.
    pub monitor_events_dropped: u64,
    /// Events of the service that were left out because readers were too slow, all readers together.
    pub events_dropped: u64,
    /// Events that wait for the slowest reader.
    pub events_waiting: usize,
    /// Orders that wait for the service.
    pub orders_waiting: usize,
    /// Scans of the networks that have ended.
    pub scans_ended: u64,
    /// Scans that could not be made.
    pub scans_failed: u64,
    /// What the addresses of all scans of the networks came to.
    pub addresses: Vec<(OutcomeKind, u64)>,
    /// When the last scan of the networks ended, and how long it took.
    pub last_scan: Option<(Timestamp, Duration)>,
    /// Times that changes of the registry were kept.
    pub registry_kept: u64,
    /// Times that they could not be.
    pub registry_not_kept: u64,
    /// How long keeping them took, all times together.
    pub registry_took: Duration,
    /// How many alerts are true now, by how bad they are. `None` while alerts are switched off.
    pub alerts_firing: Option<AlertsFiring>,
    /// Messages to people that a channel took.
    pub alert_messages_sent: u64,
    /// Attempts to send one that failed and are made again.
    pub alert_messages_failed: u64,
    /// Messages that are not tried any more.
    pub alert_messages_given_up: u64,
}

/// Alerts that are true, whether people are told of them or not. One about a whole rack is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertsFiring {
    /// That are worth knowing.
    pub info: usize,
    /// That cost something or soon will.
    pub warning: usize,
    /// That stop machines or endanger them.
    pub critical: usize,
}

/// The counts, shared by the service and its handles.
#[derive(Debug, Clone)]
pub(super) struct Counts(Arc<Mutex<ServiceStats>>);

impl Counts {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(ServiceStats {
            started_at: now,
            monitor_events_dropped: 0,
            events_dropped: 0,
            events_waiting: 0,
            orders_waiting: 0,
            scans_ended: 0,
            scans_failed: 0,
            addresses: OutcomeKind::ALL.iter().map(|kind| (*kind, 0)).collect(),
            last_scan: None,
            registry_kept: 0,
            registry_not_kept: 0,
            registry_took: Duration::ZERO,
            alerts_firing: None,
            alert_messages_sent: 0,
            alert_messages_failed: 0,
            alert_messages_given_up: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ServiceStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn scan_ended(&self, report: &ScanReport, now: Timestamp) {
        let mut stats = self.lock();
        stats.scans_ended += 1;
        stats.last_scan = Some((now, report.elapsed));
        for (kind, count) in &mut stats.addresses {
            *count += report.counts.of(*kind);
        }
    }

    pub(super) fn message(&self, event: &CourierEvent) {
        let mut stats = self.lock();
        match event {
            CourierEvent::Sent(_) => stats.alert_messages_sent += 1,
            CourierEvent::Failed(_) => stats.alert_messages_failed += 1,
            CourierEvent::GivenUp(_) => stats.alert_messages_given_up += 1,
            _ => {}
        }
    }

    pub(super) fn kept(&self, took: Duration, is_kept: bool) {
        let mut stats = self.lock();
        if is_kept {
            stats.registry_kept += 1;
        } else {
            stats.registry_not_kept += 1;
        }
        stats.registry_took += took;
    }
}
