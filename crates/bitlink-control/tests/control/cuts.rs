//! The program may end at any point: what is taken up again commands nobody twice.

use crate::fleet::{Fault, Fleet, now};
use async_trait::async_trait;
use bitlink_control::{Doubt, Journal, JournalError, MemoryJournal, Outcome, Past, Policy, Record};
use bitlink_model::Action;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A journal that takes so many records, and then the power is gone.
#[derive(Debug)]
struct Cut {
    left: Mutex<usize>,
    /// Whether the last record is on the disk, though nobody was told.
    kept: bool,
    inner: MemoryJournal,
    gone: Notify,
}

impl Cut {
    fn after(left: usize, kept: bool) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(left), kept, inner: MemoryJournal::new(), gone: Notify::new() })
    }
}

#[async_trait]
impl Journal for Cut {
    async fn append(&self, record: Record) -> Result<(), JournalError> {
        let is_last = {
            let mut left = self.left.lock().unwrap();
            *left = left.saturating_sub(1);
            *left == 0
        };
        if !is_last {
            return self.inner.append(record).await;
        }
        if self.kept && !self.inner.records().contains(&record) {
            self.inner.append(record).await?;
        }
        *self.left.lock().unwrap() = 1;
        self.gone.notify_one();
        std::future::pending().await
    }
}

fn faults() -> Vec<Fault> {
    let mut faults = vec![Fault::None; 14];
    faults[4] = Fault::ReplyLost;
    faults[5] = Fault::Idle;
    faults[6] = Fault::Gone;
    faults[7] = Fault::WrongPassword;
    faults[9] = Fault::CommandLost;
    faults
}

fn policy() -> Policy {
    Policy::default().with_batch(4).with_canary(2_u32).with_max_failures(100_u32)
}

/// How many records the whole plan has.
async fn whole() -> usize {
    let fleet = Fleet::new(faults(), 5);
    let journal = Arc::new(MemoryJournal::new());
    fleet.run_with(fleet.plan(Action::Reboot, policy()), Arc::clone(&journal) as Arc<dyn Journal>).await;
    journal.records().len()
}

#[tokio::test(start_paused = true)]
async fn cut_at_every_record_and_taken_up_again_it_commands_nobody_twice() {
    let records = whole().await;
    assert!(records > 25, "{records}");
    for kept in [false, true] {
        for cut in 1..=records {
            let fleet = Fleet::new(faults(), 5);
            let journal = Cut::after(cut, kept);
            let run = fleet
                .controller()
                .execute(fleet.plan(Action::Reboot, policy()), Arc::clone(&journal) as Arc<dyn Journal>);
            journal.gone.notified().await;
            drop(run);

            let sent = fleet.all_commands();
            let Some(past) = Past::of(journal.inner.records()) else {
                assert_eq!(sent, 0, "cut {cut}: commands went out before the plan was written down");
                continue;
            };
            let (_, begun) = past.open();
            // It survives being written and read.
            let text =
                journal.inner.records().iter().map(|r| serde_json::to_string(r).unwrap()).collect::<Vec<_>>();
            let read = text.iter().map(|line| serde_json::from_str::<Record>(line).unwrap());
            assert_eq!(Past::of(read).unwrap(), past);

            let again = Arc::new(MemoryJournal::new());
            let report = fleet
                .controller()
                .resume(past.clone(), Arc::clone(&again) as Arc<dyn Journal>, false)
                .report()
                .await
                .unwrap();
            assert!(report.adds_up(), "cut {cut}");
            for index in 0..14 {
                assert!(fleet.commands(index) <= 1, "cut {cut}, kept {kept}: {index} was commanded twice");
            }
            let doubts = report
                .outcomes
                .iter()
                .filter(|o| matches!(o, Outcome::Unknown { doubt: Doubt::Interrupted, .. }))
                .count();
            assert!(doubts <= begun, "cut {cut}: {doubts} of {begun}");
            assert!(fleet.most_down() <= 4, "cut {cut}: {} down", fleet.most_down());
            if report.stopped.is_none() {
                assert!(
                    report.outcomes.iter().all(|o| !o.is_postponed()),
                    "cut {cut}: {:?}",
                    report.outcomes
                );
            }

            // Taken up once more, there is nothing left to be done.
            let records = journal.inner.records().into_iter().chain(again.records());
            let past = Past::of(records).unwrap();
            if report.stopped.is_none() {
                assert_eq!(past.open(), (0, 0), "cut {cut}");
            }
            assert_eq!(past.counts().failures(), report.counts.failures());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_no_harm_twice_is_sent_again_when_that_is_asked_for() {
    for resend in [false, true] {
        let fleet = Fleet::new([Fault::None], 1);
        let plan = fleet.plan(Action::Locate { on: true }, Policy::default());
        let begun = [
            Record::Plan { at: now(), actor: "tester".to_owned(), plan: Box::new(plan) },
            Record::Intent { at: now(), target: 0, before: None },
        ];
        let past = Past::of(begun).unwrap();
        let journal = Arc::new(MemoryJournal::new());
        let report = fleet.controller().resume(past, journal, resend).report().await.unwrap();
        if resend {
            assert_eq!(report.outcomes, [Outcome::Verified]);
        } else {
            assert!(matches!(report.outcomes[0], Outcome::Unknown { doubt: Doubt::Interrupted, .. }));
        }
        assert_eq!(fleet.commands(0), usize::from(resend));
    }
}

/// A journal on a disk that is full after so many records.
#[derive(Debug)]
struct Full(Mutex<usize>);

#[async_trait]
impl Journal for Full {
    async fn append(&self, _: Record) -> Result<(), JournalError> {
        let mut left = self.0.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| JournalError::Full {
            path: "plans".into(),
            source: Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
        })?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_plan_before_anything_goes_out_that_is_not_written_down() {
    for room in 0..20 {
        let fleet = Fleet::new(vec![Fault::None; 40], 2);
        let plan = fleet.plan(Action::Reboot, policy());
        let report = fleet.run_with(plan, Arc::new(Full(Mutex::new(room)))).await;
        assert!(report.adds_up());
        assert!(
            matches!(report.stopped, Some(bitlink_control::Stop::Journal { .. })),
            "{:?}",
            report.stopped
        );
        assert!(fleet.all_commands() <= room.saturating_sub(1), "room {room}: {}", fleet.all_commands());
        assert!(report.counts.not_attempted > 0);
    }
}
