//! Records in JSON, and what people may write into them.

use super::*;
use serde_json::json;

fn record() -> MinerRecord {
    let at = Timestamp::from_unix_millis(1_000);
    MinerRecord::new(MinerId::from_u64(7), Identity::default(), "192.0.2.7:4028".parse().unwrap(), at)
}

fn set(text: &str) -> Edit<String> {
    Edit::Set(text.to_owned())
}

fn labels<const N: usize>(labels: [&str; N]) -> BTreeSet<String> {
    labels.map(str::to_owned).into()
}

#[test]
fn names_are_stable_and_the_unknown_is_absent() {
    let mut record = record();
    assert_eq!(
        serde_json::to_value(&record).unwrap(),
        json!({
            "id": "0000000000000007", "identity": {}, "endpoint": "192.0.2.7:4028",
            "endpoints": [{ "value": "192.0.2.7:4028", "first_seen_ms": 1000, "last_seen_ms": 1000 }],
            "first_seen_ms": 1000, "last_seen_ms": 1000,
        })
    );
    let mut mac = Seen::once(Mac::new([2, 0, 0, 0, 0, 1]), record.first_seen);
    mac.current = false;
    mac.shared = true;
    record.macs.push(mac);
    record.position.rack = Some("R1".to_owned());
    record.labels = labels(["a"]);
    record.notes = "n".to_owned();
    record.forgotten = Some(record.last_seen);
    let value = serde_json::to_value(&record).unwrap();
    assert_eq!(value["mac_addresses"][0]["current"], false);
    assert_eq!(value["mac_addresses"][0]["shared"], true);
    assert_eq!(value["position"], json!({ "rack": "R1" }));
    assert_eq!(value["forgotten_ms"], 1000);
    assert_eq!(serde_json::from_value::<MinerRecord>(value).unwrap(), record);
}

#[test]
fn a_position_reads_from_the_large_to_the_small() {
    let mut position = Position::default();
    assert_eq!((position.to_string(), position.is_unknown()), (String::new(), true));
    position.site = Some("North".to_owned());
    position.slot = Some("5".to_owned());
    assert_eq!((position.to_string(), position.is_unknown()), ("North/5".to_owned(), false));
}

#[test]
fn an_edit_changes_what_it_names_and_says_whether_it_did() {
    let mut record = record();
    let edit = RecordEdit {
        rack: set(" R1 "),
        labels: LabelEdit::Change { add: labels(["hot aisle"]), remove: BTreeSet::new() },
        notes: set("first line\nsecond"),
        ..RecordEdit::default()
    };
    assert_eq!(edit.apply(&mut record), Ok(true));
    assert_eq!(edit.apply(&mut record), Ok(false), "the second time it is so already");
    assert_eq!(record.position.rack.as_deref(), Some("R1"));
    assert_eq!(record.labels, labels(["hot aisle"]));
    assert_eq!(record.notes, "first line\nsecond");

    let edit =
        RecordEdit { rack: Edit::Clear, labels: LabelEdit::Replace(labels(["b"])), ..RecordEdit::default() };
    assert_eq!(edit.apply(&mut record), Ok(true));
    assert!(record.position.is_unknown());
    assert_eq!(record.labels, labels(["b"]));
    assert_eq!(record.notes, "first line\nsecond", "what is not named stays");
}

#[test]
fn what_cannot_be_kept_is_refused_and_nothing_changes() {
    let refused = |edit: RecordEdit| {
        let mut changed = record();
        let error = edit.apply(&mut changed).unwrap_err();
        assert_eq!(changed, record());
        error
    };
    let edit =
        |rack: &str, notes: &str| RecordEdit { rack: set(rack), notes: set(notes), ..RecordEdit::default() };
    assert_eq!(refused(edit(" ", "")), EditError::Empty { field: "rack" });
    assert!(matches!(refused(edit(&"x".repeat(65), "")), EditError::TooLong { length: 65, .. }));
    assert_eq!(refused(edit("a\u{1b}[2J", "")), EditError::Unprintable { field: "rack", code: 0x1b });
    assert_eq!(refused(edit("R1", "\u{202e}x")), EditError::Unprintable { field: "the notes", code: 0x202e });
    let labelled = |labels| RecordEdit { labels: LabelEdit::Replace(labels), ..RecordEdit::default() };
    assert!(matches!(refused(labelled(labels(["a;b"]))), EditError::Semicolon { .. }));
    let many = (0..33).map(|n| n.to_string()).collect();
    assert_eq!(refused(labelled(many)), EditError::TooManyLabels { count: 33, most: 32 });
}
