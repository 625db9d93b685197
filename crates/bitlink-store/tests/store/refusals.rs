//! What a store refuses, and that nothing is lost by it.

use crate::support::{Place, put, record, sorted};
use bitlink_store::{Reader, RecordChange, Store, StoreError, StoreOptions, database_in};
use std::fs;

#[test]
fn one_process_at_a_time_writes_and_any_number_reads() {
    let place = Place::new("lock");
    let store = Store::open(place.path()).unwrap();
    store.write(vec![put(1, 0)]).unwrap();
    let refused = Store::open(place.path()).unwrap_err();
    let StoreError::InUse { pid, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(refused.to_string().ends_with(&format!("is in use by process {}", std::process::id())));

    // A reader sees what is committed, and keeps on seeing it while more is written.
    let reader = store.reader().unwrap();
    assert_eq!(reader.records().unwrap().len(), 1);
    store.write(vec![put(2, 0), RecordChange::Drop(record(1, 0).id)]).unwrap();
    assert_eq!(Reader::open(place.path()).unwrap().records().unwrap(), [record(2, 0)]);
    drop(store);
    Store::open(place.path()).unwrap();
}

#[test]
fn a_full_disk_is_told_by_name_and_loses_nothing_that_was_acknowledged() {
    let place = Place::new("full");
    let options = StoreOptions::default().with_most_bytes(400_000);
    let store = Store::open_with(place.path(), &options).unwrap();
    let mut acknowledged = Vec::new();
    let error = loop {
        let n = acknowledged.len() as u64;
        match store.write(vec![put(n, 3_000)]) {
            Ok(()) => acknowledged.push(record(n, 3_000)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(acknowledged.len() > 50);
    // Reading goes on, and so does writing what needs no room.
    let acknowledged = sorted(acknowledged);
    assert_eq!(store.reader().unwrap().records().unwrap(), acknowledged);
    store.write(vec![put(0, 3_000)]).unwrap();
    drop(store);
    // There is room again: what could not be kept can be now.
    let store = Store::open(place.path()).unwrap();
    assert_eq!(store.reader().unwrap().records().unwrap(), acknowledged);
    store.write(vec![put(acknowledged.len() as u64, 3_000)]).unwrap();
    assert_eq!(store.reader().unwrap().records().unwrap().len(), acknowledged.len() + 1);
}

#[test]
fn what_waits_is_kept_before_the_store_closes() {
    let place = Place::new("close");
    let store = Store::open(place.path()).unwrap();
    for n in 0..200 {
        store.submit(vec![put(n, 10)], |kept| kept.unwrap()).unwrap();
    }
    drop(store);
    assert_eq!(Reader::open(place.path()).unwrap().records().unwrap().len(), 200);
}

#[test]
fn nothing_kept_and_nothing_there_are_told_apart_from_damage() {
    let place = Place::new("missing");
    assert!(matches!(Reader::open(place.path()), Err(StoreError::Missing { .. })));
    fs::create_dir_all(place.path()).unwrap();
    assert!(matches!(Reader::open(place.path()), Err(StoreError::Missing { .. })));
    fs::create_dir(database_in(place.path())).unwrap();
    assert!(matches!(Reader::open(place.path()), Err(StoreError::Foreign { .. })));

    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Store::open(&file.join("below")).unwrap_err();
    assert!(matches!(refused, StoreError::Directory { .. }), "{refused:?}");
}

/// Runs by itself as somebody without rights, where the tests themselves run with all of them.
#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_is_read_and_refused_for_writing() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const STEP: &str = "BITLINK_STORE_TEST_READ_ONLY";
    if let Some(dir) = std::env::var_os(STEP) {
        let refused = Store::open(dir.as_ref()).unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
        assert_eq!(Reader::open(dir.as_ref()).unwrap().records().unwrap(), [record(1, 0)]);
        return;
    }
    // Where others may go in: the folders of builds need not be such a place.
    let dir = std::env::temp_dir().join(format!("bitlink-store-read-only-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let store = Store::open(&dir).unwrap();
    store.write(vec![put(1, 0)]).unwrap();
    drop(store);
    let mode =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&database_in(&dir), 0o444);
    mode(&dir.join("bitlink.lock"), 0o444);
    let program = dir.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    mode(&program, 0o755);
    mode(&dir, 0o555);
    let mut child = std::process::Command::new(&program);
    let own = "refusals::a_directory_that_may_not_be_written_is_read_and_refused_for_writing";
    child.args(["--exact", own]).env(STEP, &dir).current_dir(&dir);
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        child.uid(65_534).gid(65_534);
    }
    let ran = child.output().unwrap();
    mode(&dir, 0o755);
    fs::remove_dir_all(&dir).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}
