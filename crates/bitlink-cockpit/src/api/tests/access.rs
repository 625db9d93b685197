//! Who may do what: every route there is, for everybody there is.

use super::support::{Browser, Farm, PASSWORD};
use crate::accounts::Role;
use crate::api::document;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Open to whoever asks.
const OPEN: &[(&str, &str)] = &[("GET", "/session"), ("POST", "/session"), ("POST", "/setup")];
/// What everybody may change: what is their own.
const OWN: &[(&str, &str)] =
    &[("DELETE", "/session"), ("POST", "/session/password"), ("POST", "/tokens"), ("DELETE", "/tokens/{id}")];

/// Every route of the document, and who it says it is for.
fn routes() -> Vec<(String, String, Option<Role>)> {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap();
        for (method, about) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let summary = about["summary"].as_str().unwrap_or_else(|| panic!("{method} {path} says nothing"));
            let role = if OPEN.contains(&(method.as_str(), path)) {
                None
            } else if summary.ends_with("(admin)") {
                Some(Role::Admin)
            } else if summary.ends_with("(operator)") {
                Some(Role::Operator)
            } else {
                Some(Role::Viewer)
            };
            routes.push((method, path.to_owned(), role));
        }
    }
    routes
}

#[tokio::test]
async fn every_route_is_for_those_it_says_and_for_nobody_else() {
    let farm = Farm::start("matrix", 1).await;
    let routes = routes();
    assert!(routes.len() > 40, "{}", routes.len());
    let people = [("vic", Role::Viewer), ("olga", Role::Operator), ("ann", Role::Admin)];
    for (method, path, role) in &routes {
        let is_write = method != "GET";
        if is_write && !OWN.contains(&(method, path)) {
            assert!(role.is_none_or(|role| role > Role::Viewer), "{method} {path} is for whoever reads");
        }
        let at = path.replace("{id}", "0").replace("{name}", "nobody");
        let Some(role) = role else { continue };
        let status = farm.send(method, &at, &[], "{}").await.0;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} for nobody");
        let forged = [("cookie", "bitlink_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
        assert_eq!(
            farm.send(method, &at, &forged, "{}").await.0,
            StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
        for (name, has) in people {
            let browser = farm.sign_in(name).await;
            let cookie = browser.cookie();
            if is_write {
                for csrf in ["", "wrong", &browser.cookie] {
                    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf)];
                    let status = farm.send(method, &at, &headers, "{}").await.0;
                    assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} without the session's word");
                }
            }
            let headers = [("cookie", cookie.as_str()), ("x-csrf-token", browser.csrf.as_str())];
            let status = farm.send(method, &at, &headers, "{}").await.0;
            if has < *role {
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} for {name}");
            } else {
                let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                assert!(!refused.contains(&status), "{method} {path} for {name}: {status}");
                assert!(!status.is_server_error(), "{method} {path} for {name}: {status}");
            }
        }
    }
    farm.end().await;
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_before_that_nothing_is_possible() {
    let farm = Farm::without_users("setup", 1).await;
    let session = farm.ask("GET", "/session", &[], "").await.json();
    assert_eq!(
        (&session["setup"], &session["user"], &session["csrf"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    assert_eq!(farm.ask("GET", "/miners", &[], "").await.status, StatusCode::UNAUTHORIZED);
    let word = farm.api.accounts().first_run_word().unwrap().to_owned();
    let wish =
        |token: &str, name: &str| json!({"token": token, "name": name, "password": PASSWORD}).to_string();
    assert_eq!(farm.ask("POST", "/setup", &[], &wish("guess", "eve")).await.status, StatusCode::UNAUTHORIZED);
    // Two at the same moment with the right word: one of them is the first.
    let (ann, bob) = (wish(&word, "ann"), wish(&word, "bob"));
    let (one, other) =
        tokio::join!(farm.ask("POST", "/setup", &[], &ann), farm.ask("POST", "/setup", &[], &bob));
    let mut made = [one, other];
    made.sort_by_key(|answer| answer.status);
    assert_eq!((made[0].status, made[1].status), (StatusCode::OK, StatusCode::CONFLICT));
    assert_eq!(farm.api.accounts().users().len(), 1);
    let cookie = made[0].headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(made[0].json()["user"]["role"], "admin");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(farm.ask("GET", "/miners", &[("cookie", cookie)], "").await.status, StatusCode::OK);
    assert_eq!(farm.ask("POST", "/setup", &[], &wish(&word, "eve")).await.status, StatusCode::CONFLICT);
    farm.end().await;
}

#[tokio::test]
async fn guesses_slow_down_even_when_they_come_all_at_once() {
    let farm = Farm::start("guesses", 1).await;
    let guess = json!({"name": "ann", "password": "not this one"}).to_string();
    let guesses = (0..20).map(|_| farm.ask("POST", "/session", &[], &guess));
    let answers = futures::future::join_all(guesses).await;
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(StatusCode::UNAUTHORIZED), of(StatusCode::TOO_MANY_REQUESTS)), (5, 15));
    let refused = answers.iter().find(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).unwrap();
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    // Others are not held up.
    let right = json!({"name": "vic", "password": PASSWORD}).to_string();
    assert_eq!(farm.ask("POST", "/session", &[], &right).await.status, StatusCode::OK);
    farm.end().await;
}

#[tokio::test]
async fn a_session_ends_when_its_password_changes_and_when_somebody_signs_out() {
    let farm = Farm::start("sessions", 1).await;
    let here = farm.sign_in("vic").await;
    let elsewhere = farm.sign_in("vic").await;
    let is_in =
        async |browser: &Browser| farm.by(browser, "GET", "/miners", "").await.status == StatusCode::OK;
    assert!(is_in(&here).await && is_in(&elsewhere).await);
    let gone = farm.by(&elsewhere, "DELETE", "/session", "").await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert!(gone.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert!(is_in(&here).await && !is_in(&elsewhere).await);
    let elsewhere = farm.sign_in("vic").await;
    let mut live = farm.listen(&elsewhere, "?columns=id", None).await;
    live.next_of("fleet").await;
    let wish = |old: &str| json!({"old": old, "new": "another long one"}).to_string();
    let wrong = farm.by(&here, "POST", "/session/password", &wish("not this one")).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let changed = farm.by(&here, "POST", "/session/password", &wish(PASSWORD)).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    assert!(!is_in(&here).await && !is_in(&elsewhere).await);
    // What was being listened to ends too.
    while live.next().await.is_some() {}
    farm.end().await;
}

#[tokio::test]
async fn a_token_needs_no_word_and_may_no_more_than_it_was_made_for() {
    let farm = Farm::start("tokens", 1).await;
    let olga = farm.sign_in("olga").await;
    let wish = |role: &str| json!({"name": "grafana", "role": role}).to_string();
    assert_eq!(farm.by(&olga, "POST", "/tokens", &wish("admin")).await.status, StatusCode::FORBIDDEN);
    let made = farm.by(&olga, "POST", "/tokens", &wish("viewer")).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let token = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let shows = [("authorization", token.as_str())];
    assert_eq!(farm.ask("GET", "/miners", &shows, "").await.status, StatusCode::OK);
    assert_eq!(farm.ask("POST", "/scans", &shows, "{}").await.status, StatusCode::FORBIDDEN);
    // A wrong token is not made good by a cookie.
    let cookie = olga.cookie();
    let both = [("authorization", "Bearer wrong"), ("cookie", cookie.as_str())];
    assert_eq!(farm.ask("GET", "/miners", &both, "").await.status, StatusCode::UNAUTHORIZED);
    let listed = farm.by(&olga, "GET", "/tokens", "").await;
    assert!(!listed.text.contains(token.trim_start_matches("Bearer ")), "{}", listed.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let vic = farm.sign_in("vic").await;
    assert_eq!(farm.by(&vic, "DELETE", &format!("/tokens/{id}"), "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(farm.by(&olga, "DELETE", &format!("/tokens/{id}"), "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(farm.ask("GET", "/miners", &shows, "").await.status, StatusCode::UNAUTHORIZED);
    farm.end().await;
}

#[test]
fn the_documentation_names_every_route() {
    let told = include_str!("../../../../../docs/api.md");
    for (method, path, _) in routes() {
        let is_it = |line: &&str| {
            line.starts_with("| `") && line.contains(&format!("{path}`")) && line.contains(&method)
        };
        assert!(told.lines().any(|line| is_it(&line)), "{method} {path}");
    }
}

#[test]
fn the_document_is_the_one_that_is_kept() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let made = document() + "\n";
    if std::env::var_os("BITLINK_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "docs/openapi.json is not what the code answers; BITLINK_BLESS=1 writes it anew");
}
