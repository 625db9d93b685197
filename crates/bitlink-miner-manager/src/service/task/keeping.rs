//! What is on the disk: the registry's changes, in groups, and readings over time; and what is told when they are not.

use super::{Failing, Keeping, RETRY, Task};
use crate::service::recorder::{Recorder, Turn};
use crate::service::{AmendError, ServiceEvent};
use bitlink_alerts::Occasion;
use bitlink_monitor::JournalError;
use std::mem;
use tokio::time::Instant;

impl Task {
    pub(super) fn keep_history(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        if let Err(error) = recorder.configure(self.config.history.clone(), self.clock.now()) {
            let reason = error.to_string();
            self.pulse.send_modify(|pulse| pulse.not_recorded = Some(reason.clone()));
            self.tell(ServiceEvent::NotRecorded { reason });
        }
    }

    pub(super) fn recorded(&mut self, turn: Turn) {
        match turn {
            Turn::Same => {}
            Turn::Failing(reason) => {
                self.pulse.send_modify(|pulse| pulse.not_recorded = Some(reason.clone()));
                self.alerts.note(Occasion::NotRecorded, None, reason.clone());
                self.tell(ServiceEvent::NotRecorded { reason });
            }
            Turn::Again { missed } => {
                self.alerts.note(
                    Occasion::RecordedAgain,
                    None,
                    format!("readings are recorded again; {missed} rounds are not"),
                );
                self.pulse.send_modify(|pulse| pulse.not_recorded = None);
                self.tell(ServiceEvent::RecordedAgain { missed });
            }
        }
        let status = self.recorder.as_ref().map(Recorder::status);
        self.pulse.send_modify(|pulse| pulse.history = status);
    }

    // -- keeping

    pub(super) fn keep(&mut self, times: bool) {
        let Some(journal) = self.journal.as_ref().filter(|_| self.keeping.is_none()) else { return };
        let changes = self.book.take_changes(times);
        if changes.is_empty() && self.waiting.is_empty() {
            return;
        }
        let done = journal.keep(changes.clone());
        self.keeping =
            Some(Keeping { changes, began: Instant::now(), done, waiting: mem::take(&mut self.waiting) });
    }

    pub(super) fn kept(&mut self, outcome: Result<(), JournalError>) {
        let Some(Keeping { changes, began, waiting, .. }) = self.keeping.take() else { return };
        self.counts.kept(began.elapsed(), outcome.is_ok());
        match outcome {
            Ok(()) => {
                if self.failing.take().is_some() {
                    self.pulse.send_modify(|pulse| pulse.not_kept = None);
                    self.alerts.note(Occasion::KeptAgain, None, "what is known is kept again");
                    self.tell(ServiceEvent::KeptAgain);
                }
                for (done, changed) in waiting {
                    let _ = done.send(Ok(changed));
                }
            }
            Err(error) => {
                self.book.not_kept(&changes);
                for (done, _) in waiting {
                    let _ = done.send(Err(AmendError::NotKept(error.clone())));
                }
                let why = error.to_string();
                let before = self.failing.take();
                let pause = before.as_ref().map_or(RETRY.0, |failing| (failing.pause * 2).min(RETRY.1));
                self.next_keep = Instant::now() + pause;
                if before.is_none_or(|failing| failing.why != why) {
                    self.pulse.send_modify(|pulse| pulse.not_kept = Some(why.clone()));
                    self.alerts.note(Occasion::NotKept, None, why.clone());
                    self.tell(ServiceEvent::NotKept { error, waiting: changes.len() });
                }
                self.failing = Some(Failing { why, pause });
            }
        }
    }
}
