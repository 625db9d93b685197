//! There and back again; what is wrong is told with its line; nothing is taken for what it is not.

use super::*;
use bitlink_model::{Identity, Timestamp};
use proptest::prelude::*;

fn record() -> MinerRecord {
    let at = Timestamp::from_unix_millis(1_000);
    let mut identity = Identity::default();
    identity.model = Some("S19,\u{1b}[31m".into());
    identity.hostname = Some("=cmd|' /C calc'!A0".into());
    MinerRecord::new(MinerId::from_u64(0xa7), identity, "192.0.2.7:4028".parse().unwrap(), at)
}

fn rows(sheet: &str) -> Rows {
    read(sheet.as_bytes()).unwrap()
}

fn refused(sheet: &str) -> String {
    read(sheet.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_header_that_is_not_understood_is_refused_as_a_whole() {
    for (sheet, words) in [
        ("mac_address,rak\n", "there is no column \"rak\""),
        ("mac_address,rack,rack\n", "the column rack is there twice"),
        ("rack,shelf\n1,2\n", "no column names a machine"),
        ("ip,model\n192.0.2.1,S19\n", "no column says anything"),
        ("", "there is no column \"\""),
        ("ip;rack\n", "there is no column \"ip;rack\""),
    ] {
        let told = refused(sheet);
        assert!(
            told.starts_with("line 1: ") && told.contains(words) || sheet.is_empty(),
            "{sheet:?}: {told}"
        );
    }
}

#[test]
fn lines_that_are_wrong_are_told_with_their_number_and_the_others_are_read() {
    let rows = rows(
        "mac_address,ip,rack,notes\r\n\
         02:00:00:00:00:01,,R1,\"two\nlines\"\r\n\
         nonsense,,R1,\r\n\
         ,192.0.2.300,R1,\r\n\
         ,,R1,\r\n\
         ,192.0.2.1,R1\r\n\
         ,,,\r\n\
         ,192.0.2.1,-,\r\n",
    );
    let told: Vec<String> =
        rows.iter().filter_map(|row| row.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 4: mac_address \"nonsense\" is no hardware address",
            "line 5: ip \"192.0.2.300\" is no address",
            "line 6: no machine is named",
            "line 7: 3 cells, and the header has 4",
        ]
    );
    let good: Vec<&Row> = rows.iter().flatten().collect();
    assert_eq!(good.len(), 2);
    assert_eq!(good[0].edit.notes, Edit::Set("two\nlines".to_owned()));
    assert_eq!(good[0].edit.shelf, Edit::Keep, "a column that is not there leaves things as they are");
    assert_eq!((&good[1].edit.rack, &good[1].edit.notes), (&Edit::Clear, &Edit::Keep));
    assert_eq!(good[1].line, 9);
}

#[test]
fn a_text_that_is_not_utf_8_is_told_with_its_line() {
    let rows = read(&b"ip,rack\n192.0.2.1,R\xff\n192.0.2.2,R2\n"[..]).unwrap();
    assert_eq!(rows[0], Err(LineError { line: 2, what: "a text that is not UTF-8".to_owned() }));
    assert!(rows[1].is_ok());
}

#[test]
fn an_export_can_be_opened_in_a_spreadsheet() {
    let mut out = Vec::new();
    write(&mut out, [&record()]).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "id,mac_address,serial,ip,make,model,hostname,site,building,rack,shelf,slot,labels,notes,first_seen_ms,\
         last_seen_ms,port\r\n\
         00000000000000a7,,,192.0.2.7,,\"S19,\\u{1b}[31m\",'=cmd|' /C calc'!A0,,,,,,,,1000,1000,4028\r\n"
    );
}

/// Texts with everything in them that could go wrong on the way.
fn text() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        Just("=".to_owned()),
        Just("'".to_owned()),
        Just("-".to_owned()),
        Just("\"".to_owned()),
        Just(",".to_owned()),
        Just(" ".to_owned()),
        Just("@".to_owned()),
        Just("\u{77ff}".to_owned()),
        "[a-c0-2]"
    ];
    proptest::collection::vec(odd, 1..6)
        .prop_map(|parts| parts.concat().trim().to_owned())
        .prop_filter("nothing", |text| !text.is_empty())
}

proptest! {
    #[test]
    fn what_an_export_writes_an_import_takes_back_unchanged(
        rack in proptest::option::of(text()),
        labels in proptest::collection::btree_set(text(), 0..4),
        notes in prop_oneof![Just(String::new()), text(), (text(), text()).prop_map(|(a, b)| format!("{a}\n{b}"))],
    ) {
        let mut before = record();
        before.position.rack = rack;
        before.labels = labels;
        before.notes = notes;
        let mut out = Vec::new();
        write(&mut out, [&before]).unwrap();
        let rows = read(out.as_slice()).unwrap();
        let row = rows[0].as_ref().unwrap();
        prop_assert_eq!(row.key.id, Some(before.id));
        prop_assert!(row.key.is_at("192.0.2.7:4028".parse().unwrap()));
        let mut after = before.clone();
        prop_assert_eq!(row.edit.apply(&mut after), Ok(false), "{:?}", row.edit);
        // And on a machine of which nothing is known it says the same.
        let mut bare = record();
        row.edit.apply(&mut bare).unwrap();
        prop_assert_eq!(bare, before);
    }
}
