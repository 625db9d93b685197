//! Live connections: the fleet first, then what changes; going on where one stopped; limits; and hostile text.

use super::support::Farm;
use crate::api::happened::Happening;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Numbers of happenings that are told until one with this text is.
async fn heard(live: &mut super::support::Live, last: &str) -> (Vec<u64>, String) {
    let (mut seqs, mut place) = (Vec::new(), String::new());
    loop {
        let message = live.next().await.unwrap();
        place = message.id.unwrap_or(place);
        if message.event == "happened" {
            seqs.push(message.data["seq"].as_u64().unwrap());
            if message.data["text"] == last && !place.is_empty() {
                return (seqs, place);
            }
        }
    }
}

#[tokio::test]
async fn who_was_away_goes_on_where_it_stopped() {
    let farm = Farm::start("resume", 6).await;
    let olga = farm.sign_in("olga").await;
    let mut live = farm.listen(&olga, "?columns=site,status,id", None).await;
    let fleet = live.next_of("fleet").await;
    assert_eq!(fleet.data["columns"], json!(["id", "site", "status"]));
    assert_eq!((&fleet.data["reset"], &fleet.data["more"]), (&json!(true), &json!(false)));
    let rows = fleet.data["rows"].as_array().unwrap().clone();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!((rows.len(), ids.len()), (6, 6));
    assert!(rows.iter().all(|row| row[1].is_null() && row[2] == "active"), "{rows:?}");

    // Things happen, the connection goes, and more happens.
    let push = |text: &str| farm.api.0.happened.push(Happening::new("service", "info", text));
    push("before");
    let (first, place) = heard(&mut live, "before").await;
    drop(live);
    push("meanwhile");
    let wish = json!({"ids": [rows[2][0]], "edit": {"site": "North"}}).to_string();
    assert_eq!(farm.by(&olga, "PATCH", "/miners", &wish).await.json(), json!({"changed": 1}));
    push("after");

    let mut live = farm.listen(&olga, "?columns=site,status", Some(&place)).await;
    let mut second = Vec::new();
    let mut moved = None;
    while moved.is_none() || second.len() < 2 {
        let message = live.next().await.unwrap();
        match message.event.as_str() {
            "fleet" => {
                assert_ne!(message.data["reset"], json!(true), "what it has still counts");
                let rows = message.data["rows"].as_array().unwrap();
                moved = rows.iter().find(|row| row[1] == "North").map(|row| row[0].clone()).or(moved);
            }
            "happened" => second.push(message.data["seq"].as_u64().unwrap()),
            _ => {}
        }
    }
    assert_eq!(moved.unwrap(), rows[2][0]);
    let all: Vec<u64> = first.iter().chain(&second).copied().collect();
    let whole: Vec<u64> = (all[0]..all[0] + u64::try_from(all.len()).unwrap()).collect();
    assert_eq!(all, whole, "nothing is left out and nothing is told twice");

    // A place of another run, or none at all, is where the whole fleet is told.
    for place in ["0.1.1", "nonsense", ""] {
        let mut live = farm.listen(&olga, "?columns=id", Some(place)).await;
        assert_eq!(live.next_of("fleet").await.data["reset"], json!(true), "{place:?}");
    }
    farm.end().await;
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told_how_much_it_missed() {
    let farm = Farm::start("lagged", 1).await;
    let vic = farm.sign_in("vic").await;
    let push = |text: &str| farm.api.0.happened.push(Happening::new("service", "info", text));
    let mut live = farm.listen(&vic, "", None).await;
    push("before");
    let (_, place) = heard(&mut live, "before").await;
    // It does not read while more happens than is remembered.
    for n in 0..2_100 {
        push(&format!("{n}"));
    }
    drop(live);
    let mut live = farm.listen(&vic, "", Some(&place)).await;
    let missed = live.next_of("lagged").await.data["missed"].as_u64().unwrap();
    let (seqs, _) = heard(&mut live, "2099").await;
    assert!(missed >= 100 && seqs.len() >= 2_000, "{missed} {}", seqs.len());
    farm.end().await;
}

#[tokio::test]
async fn there_are_so_many_live_connections_and_no_more() {
    let farm = Farm::start("listeners", 1).await;
    let vic = farm.sign_in("vic").await;
    let cookie = vic.cookie();
    let headers = [("cookie", cookie.as_str())];
    let mut open = Vec::new();
    loop {
        let (status, _, body) = farm.send("GET", "/events", &headers, "").await;
        if status != StatusCode::OK {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            break;
        }
        open.push(body);
    }
    assert_eq!(open.len(), crate::api::LISTENERS);
    open.pop();
    assert_eq!(farm.send("GET", "/events", &headers, "").await.0, StatusCode::OK);
    farm.end().await;
}

#[tokio::test]
async fn a_body_has_an_end() {
    let farm = Farm::start("body", 1).await;
    let olga = farm.sign_in("olga").await;
    let large = "x".repeat(crate::api::LARGEST_BODY + 1);
    for path in ["/miners/import", "/scans", "/session"] {
        let answer = farm.by(&olga, "POST", path, &large).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    farm.end().await;
}

#[tokio::test]
async fn hostile_text_is_text() {
    const HOSTILE: &str = "=1+1</script><script>alert(1)</script>,\"";
    let farm = Farm::start("hostile", 1).await;
    let olga = farm.sign_in("olga").await;
    let page = farm.by(&olga, "GET", "/miners?columns=id", "").await.json();
    let wish = json!({"ids": [page["rows"][0][0]], "edit": {"notes": HOSTILE}}).to_string();
    assert_eq!(farm.by(&olga, "PATCH", "/miners", &wish).await.status, StatusCode::OK);
    // What would turn the text around it is not even kept.
    let turned = json!({"ids": [page["rows"][0][0]], "edit": {"notes": "a\u{202e}b"}}).to_string();
    assert_eq!(farm.by(&olga, "PATCH", "/miners", &turned).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = farm.by(&olga, "GET", "/miners?columns=notes", "").await;
    assert_eq!(told.headers["content-type"], "application/json");
    assert_eq!(told.json()["rows"], json!([[HOSTILE]]));
    let sheet = farm.by(&olga, "GET", "/miners?columns=notes&format=csv", "").await;
    assert!(sheet.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let quoted = format!("\"'{}\"", HOSTILE.replace('"', "\"\""));
    assert!(sheet.text.ends_with(&format!("{quoted}\r\n")), "{}", sheet.text);
    // What is wrong with a question is told where, as text too.
    let wrong = farm.by(&olga, "GET", "/miners?filter=status:active%20chip_temp%3E%3Cscript%3E", "").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.headers["content-type"], "application/problem+json");
    let problem: Value = wrong.json();
    assert_eq!(problem["field"], "filter");
    assert!(problem["at"].is_u64(), "{problem}");
    farm.end().await;
}

#[tokio::test]
async fn a_word_is_found_as_soon_as_it_is_there() {
    let farm = Farm::start("word", 2).await;
    let olga = farm.sign_in("olga").await;
    let page = farm.by(&olga, "GET", "/miners?columns=id", "").await.json();
    let found = async || farm.by(&olga, "GET", "/miners?columns=id&filter=relocated", "").await.json();
    assert_eq!(found().await["rows"], json!([]));
    let wish = json!({"ids": [page["rows"][1][0]], "edit": {"notes": "Relocated in May"}}).to_string();
    assert_eq!(farm.by(&olga, "PATCH", "/miners", &wish).await.status, StatusCode::OK);
    assert_eq!(found().await["rows"], json!([page["rows"][1]]));
    let wish = json!({"ids": [page["rows"][1][0]], "edit": {"notes": ""}}).to_string();
    assert_eq!(farm.by(&olga, "PATCH", "/miners", &wish).await.status, StatusCode::OK);
    assert_eq!(found().await["rows"], json!([]));
    farm.end().await;
}
