//! Every defect on record is mended, nothing that could be read is lost, and nothing else is taken for a miner.

use super::*;
use crate::model::AnomalyKind;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(text: &str) -> Parsed<Document> {
    decode("stats", &ApiReply::terminated(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A defective reply is read as if it were the sound one, and the mending is told.
#[allow(clippy::needless_pass_by_value)] // keeps the table below readable
fn mended(defective: &str, sound: Value, kind: AnomalyKind) {
    let parsed = read(defective);
    assert_eq!(Value::Object(parsed.value.root().clone()), sound, "{defective}");
    assert!(parsed.anomalies.iter().any(|a| a.kind == kind), "{defective}: {:?}", parsed.anomalies);
}

#[test]
fn sound_replies_are_read_without_a_word() {
    for sound in
        [r#"{"STATUS":[{"STATUS":"S"}],"id":1}"#, " {\"a\":\"}{ ,} [,{ nan\"} \n", "{\"a\":\"\\/\\u00e4\"}"]
    {
        assert_eq!(read(sound).anomalies, []);
    }
}

#[test]
fn every_known_defect_is_mended() {
    use AnomalyKind::{Repaired, Truncated};
    // bmminer's stats, WhatsMiner's get_psu.
    mended(r#"{"STATS":[{"Type":"S9"}{"STATS":0}]}"#, json!({"STATS":[{"Type":"S9"},{"STATS":0}]}), Repaired);
    mended(r#"{"chip":"a""temp0":1}"#, json!({"chip":"a","temp0":1}), Repaired);
    // cgminer's pools after pool 0 was removed; trailing commas.
    mended(r#"{"POOLS":[,{"POOL":1}]}"#, json!({"POOLS":[{"POOL":1}]}), Repaired);
    mended(r#"{"a":[1,],"b":2,}"#, json!({"a":[1],"b":2}), Repaired);
    // Raw control characters stay what they are; unknown escapes lose their backslash.
    mended("{\"t\":\"S9\nV1\"}", json!({"t":"S9\nV1"}), Repaired);
    mended(r#"{"t":"it\'s"}"#, json!({"t":"it's"}), Repaired);
    // Numbers that are none.
    mended(r#"{"a":nan,"b":-inf,"c":1}"#, json!({"a":null,"b":null,"c":1}), Repaired);
    mended(r#"{"a":1e999,"c":1}"#, json!({"a":null,"c":1}), Repaired);
    mended(r#"{"a":,"c":1}"#, json!({"a":null,"c":1}), Repaired);
    mended(r#"{"h":0x00ff,"c":1}"#, json!({"h":"0x00ff","c":1}), Repaired);
    // WhatsMiner API 2.0.4.
    mended(r#"{"error_code":["110":"2024"]}"#, json!({"error_code":{"110":"2024"}}), Repaired);
    // VolcMiner's pages: brackets in quotation marks, line breaks between.
    mended(
        "{\"data\":\"{ \"a\":\"1\",\n\"l\": \"[ {\"b\":2},{\"b\":3} ]\" }\",\"c\":4}",
        json!({"data":{"a":"1","l":[{"b":2},{"b":3}]},"c":4}),
        Repaired,
    );
    // Avalon after a restart, cgminer's second ending.
    mended(r#","id":1}"#, json!({"id":1}), Repaired);
    mended(r#"{"a":1},"id":1}"#, json!({"a":1}), Repaired);
    // Cut: what was complete is kept, and a number at the cut may have lost digits.
    mended(r#"{"a":[{"b":1,"c":7"#, json!({"a":[{"b":1}]}), Truncated);
    mended(r#"{"a":"x","b":"hal"#, json!({"a":"x"}), Truncated);
    mended(r#"{"a":1,"b""#, json!({"a":1}), Truncated);
    mended(r#"{"a":[1,2}"#, json!({"a":[1,2]}), Truncated);
    mended("{\"a\":nan,\"s\":\"\\ud83d\\ude00 \\ud83d\"}", json!({"a":null,"s":"😀 \u{fffd}"}), Repaired);
}

#[test]
fn a_mending_never_touches_text_inside_strings() {
    let parsed = read(r#"{"URL":"a}{b","MM ID0":"Ver[,1] ,} nan","x":[1,]}"#);
    assert_eq!(parsed.value.root()["URL"], "a}{b");
    assert_eq!(parsed.value.root()["MM ID0"], "Ver[,1] ,} nan");
}

#[test]
fn nul_ends_a_reply_and_bad_bytes_cost_one_character() {
    let parsed = decode("version", &ApiReply::terminated(*b"{\"a\":\"\xff\"}\0,\"id\":1}")).unwrap();
    assert_eq!(parsed.value.root()["a"], "\u{fffd}");
    assert_eq!(parsed.anomalies.len(), 1);
}

#[test]
fn the_text_form_reads_like_the_json_form() {
    let text = "STATUS=S,When=1700000000,Code=7,Msg=2 Pool(s),Description=cgminer 4.11.1|\
                POOL=0,URL=stratum+tcp://a:1,User=a\\,b\\=c\\|d|POOL=1,URL=x| ";
    let document = read(text).value;
    assert_eq!(document.status().unwrap().code, Some(7));
    let pools = document.section("POOLS");
    assert_eq!(pools.len(), 2);
    assert_eq!(pools[0]["User"], "a,b=c|d");

    let joined =
        read("CMD=version|STATUS=S,Code=22|VERSION,API=3.7|CMD=summary|STATUS=S,Code=11|SUMMARY,Elapsed=5|")
            .value;
    assert!(joined.is_joined());
    assert_eq!(joined.part("summary").unwrap().section("SUMMARY")[0]["Elapsed"], "5");
    assert_eq!(read("RESTART").value.status().unwrap().letter, StatusLetter::Restart);
}

#[test]
fn status_in_every_shape() {
    let letter = |text: &str| read(text).value.status().map(|s| (s.letter, s.code, s.bare));
    assert_eq!(
        letter(r#"{"STATUS":[{"STATUS":"S","Code":11}]}"#),
        Some((StatusLetter::Success, Some(11), false))
    );
    assert_eq!(
        letter(r#"{"STATUS":{"STATUS":"E","when":1.5,"Code":"14"}}"#),
        Some((StatusLetter::Error, Some(14), false))
    );
    assert_eq!(
        letter(r#"{"STATUS":"E","Code":14,"Msg":"invalid cmd"}"#),
        Some((StatusLetter::Error, Some(14), true))
    );
    assert_eq!(letter(r#"{"STATUS":"BYE","id":1}"#), Some((StatusLetter::Bye, None, true)));
    assert_eq!(letter(r#"{"Code":136}"#), Some((StatusLetter::Unknown, Some(136), false)));
    assert_eq!(letter(r#"{"SUMMARY":[]}"#), None);
}

#[test]
fn joined_replies_in_both_layouts_and_numbered_sections() {
    for joined in [
        r#"{"summary":[{"STATUS":[{"STATUS":"S"}],"SUMMARY":[{"Elapsed":5}],"id":1}],"id":1}"#,
        r#"{"summary":{"STATUS":[{"STATUS":"S"}],"SUMMARY":[{"Elapsed":5}],"id":1},"id":1}"#,
    ] {
        let document = read(joined).value;
        assert!(document.is_joined());
        assert_eq!(document.part("summary").unwrap().section("SUMMARY")[0]["Elapsed"], 5);
        assert_eq!(document.part("pools"), None);
    }
    let numbered = read(r#"{"POOL10":[{"n":10}],"POOL2":[{"n":2}],"POOLX":[{"n":0}]}"#).value;
    let order: Vec<_> = numbered.section("POOLS").iter().map(|m| m["n"].as_i64().unwrap()).collect();
    assert_eq!(order, [2, 10]);
}

#[test]
fn ccminers_records_become_sections() {
    let read = |text: &str| Value::Object(read(text).value.root().clone());
    assert_eq!(
        read("GPU=0;TEMP=61.0;CARD=A, B=C|GPU=1;TEMP=;NOTHING|\n"),
        json!({"THREADS":[{"GPU":"0","TEMP":"61.0","CARD":"A, B=C"},{"GPU":"1","TEMP":""}]})
    );
    assert_eq!(read("NAME=ccminer;KHS=1.5|"), json!({"CCMINER":[{"NAME":"ccminer","KHS":"1.5"}]}));
}

#[test]
fn strangers_are_told_apart() {
    let stranger = |bytes: &[u8]| match decode("version", &ApiReply::terminated(bytes)) {
        Err(ProtocolError::NotAMiner { service, .. }) => service,
        other => panic!("{other:?}"),
    };
    assert_eq!(stranger(b"HTTP/1.1 400 Bad Request\r\n"), Service::Http);
    assert_eq!(stranger(b"<!DOCTYPE html>"), Service::Http);
    assert_eq!(stranger(b"SSH-2.0-dropbear_2020.81\r\n"), Service::Ssh);
    assert_eq!(stranger(b"\x15\x03\x01\x02\x02\x50"), Service::Tls);
    assert_eq!(stranger(b"220 mail ready"), Service::Text);
    assert_eq!(stranger(b"\x01\x02\x03\xff"), Service::Binary);
}

#[test]
fn blame_is_named() {
    let fail = |bytes: &[u8]| decode("summary", &ApiReply::terminated(bytes)).unwrap_err();
    assert!(matches!(fail(b""), ProtocolError::NoReply { .. }));
    assert!(matches!(fail(b"{\"a\" 5}"), ProtocolError::Malformed { .. }));
    assert!(matches!(
        fail(b"Socket connect failed: Connection refused\n"),
        ProtocolError::MiningProcessDown { .. }
    ));
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(matches!(fail(deep.as_bytes()), ProtocolError::Malformed { .. }), "depth is bounded");
}

#[test]
fn what_a_stranger_says_cannot_move_the_cursor() {
    let error =
        decode("version", &ApiReply::terminated(*b"\x1b[2J\xe2\x80\xae gnp.exe")).unwrap_err().to_string();
    assert!(error.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{error:?}");
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode("stats", &ApiReply::terminated(bytes));
    }

    /// Text made of JSON's own pieces gets much deeper into the lenient parser than random bytes do.
    #[test]
    fn no_json_like_input_panics(pieces in proptest::collection::vec(
        prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\", "\\u", "12", "-", "nan", " ", "\n", "é", "0x1"]), 0..60))
    {
        let text = format!("{{{}", pieces.concat());
        let _ = decode("stats", &ApiReply::terminated(text));
    }

    /// A sound reply that is cut anywhere yields a part of itself or an error, never something else.
    #[test]
    fn a_cut_reply_never_invents_anything(cut in 0_usize..100) {
        let sound = r#"{"STATUS":[{"STATUS":"S","Code":70}],"STATS":[{"a":"x"},{"temp":75,"fan":[1,2]}],"id":1}"#;
        let cut = cut.min(sound.len());
        if let Ok(parsed) = decode("stats", &ApiReply::terminated(&sound.as_bytes()[..cut])) {
            if let Some(stats) = parsed.value.section("STATS").get(1) {
                prop_assert!(stats.get("temp").is_none_or(|t| *t == 75));
            }
            prop_assert!(cut == sound.len() || !parsed.anomalies.is_empty());
        }
    }
}
