//! Journals, audit log and passwords as files.

use crate::fleet::{Fault, Fleet, now};
use bitlink_control::{
    AuditEvent, AuditLog, Controller, Hindrance, Journal, JournalError, Marks, Outcome, PlanStore, Policy,
    Record, Scope, Vault, VaultError,
};
use bitlink_model::{Action, Family, Mac, PoolSetting, Secret};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of a test's own, gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn controller(fleet: &Fleet) -> Controller {
    Controller::new(Arc::new(fleet.clone())).with_actor("tester")
}

const SECRET: &str = "hunter2-secret";

#[tokio::test]
async fn a_plan_is_kept_taken_up_and_listed_and_no_secret_is_written() {
    let place = Place::new("plans");
    let store = PlanStore::in_dir(&place.0);
    let fleet = Fleet::new(vec![Fault::None; 30], 1);
    let pools = vec![PoolSetting::new("stratum+tcp://new.example:3333", "a.{ip_4}", SECRET)];
    let plan = fleet.plan(Action::SetPools { pools: pools.clone() }, Policy::default().with_canary(0_u32));
    let id = plan.id.clone();
    let (journal, claimed) = store.begin(&plan).unwrap();
    assert!(claimed.is_empty());
    assert!(matches!(store.begin(&plan), Err(JournalError::File { .. })), "there is one of this name");
    assert!(matches!(store.take_up(&id), Err(JournalError::Running { .. })));
    let mut run = controller(&fleet).execute(plan.clone(), Arc::new(journal));
    crate::fleet::until(&mut run, |event| matches!(event, bitlink_control::ControlEvent::Ended { .. })).await;
    assert!(store.list().unwrap().0[0].running);
    drop(run);
    // The task gives the file up when it is gone.
    let (mut past, journal, _) = loop {
        match store.take_up(&id) {
            Ok(taken) => break taken,
            Err(JournalError::Running { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(past.counts().total() > 0);
    past.plan.complete_with(Action::SetPools { pools }).unwrap();
    let report = controller(&fleet).resume(past, Arc::new(journal), false).report().await.unwrap();
    assert_eq!(report.counts.verified, 30);
    for index in 0..30 {
        assert!(fleet.commands(index) <= 1);
    }
    let (plans, unreadable) = store.list().unwrap();
    assert_eq!((plans.len(), unreadable), (1, 0));
    assert_eq!((plans[0].counts.verified, plans[0].open, plans[0].actor.as_str()), (30, 0, "tester"));

    let log = AuditLog::in_dir(&place.0);
    let verdict = log.verify().unwrap();
    assert!(verdict.is_sound(), "{verdict:?}");
    let events: Vec<_> = log.lines().unwrap().map(|line| line.unwrap().event).collect();
    let commands = events.iter().filter(|event| matches!(event, AuditEvent::Command { .. })).count();
    let outcomes = events.iter().filter(|event| matches!(event, AuditEvent::Outcome { .. })).count();
    assert_eq!((commands, outcomes), (30, 30));
    for file in [place.0.join("plans").join(format!("{id}.ndjson")), log.path().to_path_buf()] {
        assert!(!fs::read_to_string(&file).unwrap().contains(SECRET), "{}", file.display());
    }
}

#[tokio::test]
async fn what_another_process_has_is_claimed() {
    let place = Place::new("claims");
    let store = PlanStore::in_dir(&place.0);
    let fleet = Fleet::new(vec![Fault::None; 2], 1);
    let first = fleet.plan(Action::Locate { on: true }, Policy::default());
    let (journal, _) = store.begin(&first).unwrap();
    journal
        .append(Record::Plan { at: now(), actor: "other".to_owned(), plan: Box::new(first) })
        .await
        .unwrap();
    let second = fleet.plan(Action::Locate { on: false }, Policy::default());
    let (other, claimed) = store.begin(&second).unwrap();
    assert_eq!(claimed.len(), 2);
    let report =
        controller(&fleet).with_claimed(claimed).execute(second, Arc::new(other)).report().await.unwrap();
    let is = |o: &Outcome| matches!(o, Outcome::NotAttempted { because: Hindrance::Claimed, .. });
    assert!(report.outcomes.iter().all(is), "{:?}", report.outcomes);
    assert_eq!(fleet.all_commands(), 0);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_a_torn_middle_is_damage() {
    let place = Place::new("torn");
    let store = PlanStore::in_dir(&place.0);
    let fleet = Fleet::new(vec![Fault::None; 2], 1);
    let plan = fleet.plan(Action::Locate { on: true }, Policy::default());
    let id = plan.id.clone();
    let (journal, _) = store.begin(&plan).unwrap();
    let records = [
        Record::Plan { at: now(), actor: "tester".to_owned(), plan: Box::new(plan) },
        Record::Intent { at: now(), target: 1, before: None },
    ];
    for record in records {
        journal.append(record).await.unwrap();
    }
    drop(journal);
    let file = place.0.join("plans").join(format!("{id}.ndjson"));
    let whole = fs::read(&file).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let (past, journal, _) = store.take_up(&id).unwrap();
        assert_eq!(past.open(), (2, 0), "cut at {cut}");
        drop(journal);
        assert_eq!(fs::read(&file).unwrap().len(), first);
    }
    for cut in [0, 10, first - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        assert!(matches!(store.read(&id), Err(JournalError::NoPlan { .. })), "cut at {cut}");
    }
    let mut damaged = whole.clone();
    damaged[5] = b'}';
    fs::write(&file, damaged).unwrap();
    assert!(matches!(store.read(&id), Err(JournalError::Damaged { line: 1, .. })));
    assert_eq!(store.list().unwrap().1, 1);
}

fn log_of(place: &Place, lines: u32) -> (AuditLog, Vec<u8>) {
    let mut log = AuditLog::in_dir(&place.0);
    for index in 0..lines {
        let event = AuditEvent::Credentials { scope: format!("family:f{index}"), kept: index % 2 == 0 };
        log.append([(now(), "tester".to_owned(), event)]).unwrap();
    }
    let text = fs::read(log.path()).unwrap();
    (log, text)
}

#[test]
fn any_change_to_the_log_is_found() {
    let place = Place::new("audit");
    let (log, text) = log_of(&place, 4);
    let head = fs::read(place.0.join("audit.head")).unwrap();
    assert!(log.verify().unwrap().is_sound());
    assert_eq!(log.verify().unwrap().lines, 4);
    // Every single byte.
    for at in 0..text.len() {
        let mut changed = text.clone();
        changed[at] ^= 1;
        fs::write(log.path(), &changed).unwrap();
        assert!(!log.verify().unwrap().is_sound(), "byte {at} was changed and nobody noticed");
    }
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let put = |order: &[usize]| {
        fs::write(log.path(), order.iter().flat_map(|index| lines[*index].to_vec()).collect::<Vec<_>>())
            .unwrap();
        log.verify().unwrap()
    };
    for without in 0..4 {
        let order: Vec<usize> = (0..4).filter(|index| *index != without).collect();
        assert!(!put(&order).is_sound(), "line {without} was taken out");
    }
    assert!(!put(&[0, 2, 1, 3]).is_sound(), "two were exchanged");
    assert!(!put(&[0, 1, 1, 2, 3]).is_sound(), "one was doubled");
    for left in 0..4 {
        assert!(!put(&(0..left).collect::<Vec<_>>()).is_sound(), "it was cut off after {left}");
    }
    for cut in 1..text.len() {
        fs::write(log.path(), &text[..cut]).unwrap();
        assert!(!log.verify().unwrap().is_sound(), "cut at byte {cut}");
    }
    fs::write(log.path(), &text).unwrap();
    fs::remove_file(place.0.join("audit.head")).unwrap();
    assert!(!log.verify().unwrap().is_sound(), "nobody can tell whether it is whole");
    // A crash between the line and its head leaves a head that is behind: nothing is missing.
    let mut longer = AuditLog::in_dir(&place.0);
    fs::write(place.0.join("audit.head"), &head).unwrap();
    let event = AuditEvent::Credentials { scope: "all".to_owned(), kept: true };
    longer.append([(now(), "tester".to_owned(), event)]).unwrap();
    fs::write(place.0.join("audit.head"), &head).unwrap();
    assert!(log.verify().unwrap().is_sound());
    assert_eq!(log.verify().unwrap().lines, 5);
}

#[test]
fn writers_take_turns_and_a_torn_line_is_mended() {
    let place = Place::new("audit-turns");
    let (log, text) = log_of(&place, 3);
    fs::write(log.path(), [text.as_slice(), b"{\"seq\":4,\"pre"].concat()).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut log = AuditLog::in_dir(&place.0);
            std::thread::spawn(move || {
                for _ in 0..25 {
                    let event = AuditEvent::Credentials { scope: "all".to_owned(), kept: true };
                    log.append([(now(), "tester".to_owned(), event)]).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let verdict = log.verify().unwrap();
    assert!(verdict.is_sound(), "{verdict:?}");
    assert_eq!(verdict.lines, 103);
}

#[test]
fn passwords_are_sealed_and_found_by_the_nearest_scope() {
    let place = Place::new("vault");
    let mut vault = Vault::open(&place.0, "correct horse").unwrap();
    let mac = Mac::new([2, 0, 0, 0, 0, 7]);
    vault.set(Scope::All, "root", Secret::new("for-everybody"));
    vault.set("family:whatsminer".parse().unwrap(), "admin", Secret::new("for-a-family"));
    vault.set(Scope::Mac(mac), "root", Secret::new("old-password"));
    vault.set(Scope::Mac(mac), "root", Secret::new("for-this-one"));
    vault.save().unwrap();
    assert!(!format!("{vault:?}").contains("for-"));
    let text = fs::read_to_string(Vault::path_in(&place.0)).unwrap();
    for secret in ["for-everybody", "whatsminer", "root", "correct horse"] {
        assert!(!text.contains(secret));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(Vault::path_in(&place.0)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let vault = Vault::open(&place.0, "correct horse").unwrap();
    assert_eq!(vault.entries().len(), 3);
    let mut marks = Marks::default();
    marks.mac = Some(mac);
    let found = |marks: Option<&Marks>, family: Option<&Family>| {
        let found = vault.for_machine([10, 0, 0, 1].into(), marks, family);
        found.len()
    };
    assert_eq!(found(None, None), 1);
    assert_eq!(found(Some(&marks), None), 2);
    assert_eq!(found(Some(&marks), Some(&Family::WHATSMINER)), 3);
    assert!(matches!(Vault::open(&place.0, "wrong"), Err(VaultError::NotOpened { .. })));
    assert!(matches!(Vault::open(&place.0, ""), Err(VaultError::EmptyPassphrase)));
    fs::write(Vault::path_in(&place.0), text.replace("\"passes\": 3", "\"passes\": 2")).unwrap();
    assert!(matches!(Vault::open(&place.0, "correct horse"), Err(VaultError::NotOpened { .. })));
    fs::write(Vault::path_in(&place.0), "{}").unwrap();
    assert!(matches!(Vault::open(&place.0, "correct horse"), Err(VaultError::Foreign { .. })));
    for wrong in ["", "family:", "everybody", "10.0.0.0/8"] {
        assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
    }
}
