//! What happens, as a numbered list of the last things, for those who watch it live. What is further back is in the history.

use crate::clock;
use bitlink_miner_manager::alerts::CourierEvent;
use bitlink_miner_manager::{Change, Miner, MonitorEvent, OutcomeKind, ServiceEvent, ServiceEvents};
use bitlink_model::{MinerRecord, MinerStatus};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use utoipa::ToSchema;

/// Things that are remembered.
const KEPT: usize = 2_000;
const HOUR_MS: i64 = 3_600_000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Happening {
    /// Its number.
    pub(super) seq: u64,
    pub(super) at_ms: i64,
    /// `status`, `met`, `moved`, `swapped`, `vanished`, `returned`, `conflict`, `scan`, `alert`, `service`, `plan`, `facts`.
    pub(super) kind: &'static str,
    /// `info`, `warning` or `critical`.
    pub(super) severity: &'static str,
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// Where it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    /// In words.
    pub(super) text: String,
    /// A status that was left and one that was entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) from: Option<MinerStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) to: Option<MinerStatus>,
}

impl Happening {
    pub(super) fn new(kind: &'static str, severity: &'static str, text: impl Into<String>) -> Self {
        let at_ms = clock::now_ms();
        let text = text.into();
        Self { seq: 0, at_ms, kind, severity, id: None, address: None, text, from: None, to: None }
    }

    fn of(mut self, miner: &Miner) -> Self {
        self.id = Some(miner.id.to_string());
        self.address = Some(miner.ip.to_string());
        self
    }

    fn of_record(mut self, record: &MinerRecord) -> Self {
        self.id = Some(record.id.to_string());
        self.address = record.last_endpoint().map(|at| at.ip().to_string());
        self
    }
}

#[derive(Debug, Clone)]
pub(super) struct Happened {
    inner: Arc<Mutex<Inner>>,
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    list: VecDeque<Arc<Happening>>,
    /// How many of a kind there were in each minute of the last hour.
    counts: VecDeque<(i64, [u32; 3])>,
}

/// What has changed within the last hour, or since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct LastHour {
    /// Changes of a status.
    #[serde(rename = "statuses_last_hour")]
    statuses: u32,
    /// Machines met that are new, back, moved or have another control board.
    #[serde(rename = "met_last_hour")]
    met: u32,
    /// Machines that vanished.
    #[serde(rename = "vanished_last_hour")]
    vanished: u32,
}

impl Happened {
    pub(super) fn new(news: watch::Sender<u64>) -> Self {
        Self { inner: Arc::default(), news }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Those after a number, and how many of them are not remembered any more.
    pub(super) fn since(&self, seq: u64) -> (Vec<Arc<Happening>>, u64) {
        let inner = self.lock();
        let list: Vec<_> = inner.list.iter().filter(|happening| happening.seq > seq).cloned().collect();
        let wanted = inner.last.saturating_sub(seq);
        let missed = wanted.saturating_sub(u64::try_from(list.len()).unwrap_or(u64::MAX));
        (list, missed)
    }

    pub(super) fn last_hour(&self) -> LastHour {
        let mut sums = LastHour::default();
        let now = clock::now_ms();
        for (at, [statuses, met, vanished]) in &self.lock().counts {
            if now - at < HOUR_MS {
                sums.statuses += statuses;
                sums.met += met;
                sums.vanished += vanished;
            }
        }
        sums
    }

    pub(super) fn push(&self, mut happening: Happening) {
        let mut inner = self.lock();
        inner.last += 1;
        happening.seq = inner.last;
        let place = match happening.kind {
            // That somebody was read for the first time changes nothing.
            "status" if happening.from != Some(MinerStatus::Scanning) => Some(0),
            "met" | "moved" | "swapped" => Some(1),
            "vanished" => Some(2),
            _ => None,
        };
        if let Some(place) = place {
            let minute = happening.at_ms - happening.at_ms.rem_euclid(60_000);
            if inner.counts.back().is_none_or(|(at, _)| *at != minute) {
                inner.counts.push_back((minute, [0; 3]));
                if inner.counts.len() > 61 {
                    inner.counts.pop_front();
                }
            }
            if let Some(count) = inner.counts.back_mut().and_then(|(_, counts)| counts.get_mut(place)) {
                *count += 1;
            }
        }
        inner.list.push_back(Arc::new(happening));
        if inner.list.len() > KEPT {
            inner.list.pop_front();
        }
        drop(inner);
        self.news.send_modify(|news| *news += 1);
    }

    /// Takes note of what a service tells, until it ends.
    pub(super) async fn collect(self, mut events: ServiceEvents) {
        while let Some(event) = events.recv().await {
            if let Some(happening) = told(&event) {
                self.push(happening);
            }
        }
    }
}

pub(super) fn severity_of(status: MinerStatus) -> &'static str {
    match status {
        MinerStatus::Dead => "critical",
        MinerStatus::Warning => "warning",
        _ => "info",
    }
}

fn told(event: &ServiceEvent) -> Option<Happening> {
    let new = Happening::new;
    Some(match event {
        ServiceEvent::Monitor(MonitorEvent::StatusChanged { miner, from, to }) => {
            let worst = miner.findings.iter().max_by_key(|finding| finding.severity);
            let text = match worst {
                Some(worst) => format!("{from} → {to}: {}", worst.message),
                None => format!("{from} → {to}"),
            };
            let happening = new("status", severity_of(*to), text).of(miner);
            Happening { from: Some(*from), to: Some(*to), ..happening }
        }
        ServiceEvent::Met { record, change, .. } => {
            let (kind, text) = match change {
                Change::New => ("met", "a new miner".to_owned()),
                Change::Back => ("met", "back after it was forgotten".to_owned()),
                Change::Moved { from } => ("moved", format!("moved here from {}", from.ip())),
                Change::BoardSwapped { .. } => ("swapped", "has another control board".to_owned()),
                _ => return None,
            };
            new(kind, "info", text).of_record(record)
        }
        ServiceEvent::Conflict { record, conflict } => {
            let text = format!("has the identity of another miner too ({})", conflict.evidence);
            new("conflict", "warning", text).of_record(record)
        }
        ServiceEvent::Vanished(record) => {
            new("vanished", "warning", "has vanished".to_owned()).of_record(record)
        }
        ServiceEvent::Returned(record) => {
            new("returned", "info", "has returned".to_owned()).of_record(record)
        }
        ServiceEvent::ScanEnded(report) => {
            let found = report.counts.of(OutcomeKind::Found);
            new("scan", "info", format!("the service looked for miners and found {found}"))
        }
        ServiceEvent::ScanFailed(error) => {
            new("scan", "warning", format!("the service cannot look for miners: {error}"))
        }
        ServiceEvent::NotKept { error, .. } => {
            new("service", "critical", format!("what is known cannot be kept: {error}"))
        }
        ServiceEvent::KeptAgain => new("service", "info", "what is known is kept again".to_owned()),
        ServiceEvent::NotRecorded { reason } => {
            new("service", "critical", format!("readings are not recorded: {reason}"))
        }
        ServiceEvent::RecordedAgain { .. } => {
            new("service", "info", "readings are recorded again".to_owned())
        }
        ServiceEvent::Alert(event) => match &**event {
            CourierEvent::Sent(message) => {
                let text = format!("told by {}: {}", message.channel, message.notification.headline());
                new("alert", "info", text)
            }
            CourierEvent::GivenUp(message) => {
                let text =
                    format!("could not be told by {}: {}", message.channel, message.notification.headline());
                new("alert", "critical", text)
            }
            _ => return None,
        },
        ServiceEvent::Reconfigured => new("service", "info", "other settings count".to_owned()),
        _ => return None,
    })
}
