//! A farm to ask: a service over simulated miners in memory, its cockpit, and somebody of each role.

use crate::accounts::{Accounts, Role, SignedIn};
use crate::api::{Api, Cockpit};
use crate::http::{self, HttpConfig};
use crate::testing::watched;
use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use bitlink_miner_manager::control::Groups;
use bitlink_miner_manager::{Fleet, ServiceHandle, ServiceStream};
use futures::StreamExt;
use serde_json::Value;
use std::path::PathBuf;
use tower::ServiceExt;

pub(super) const PASSWORD: &str = "correct horse battery";

/// A service that has read its miners.
pub(super) struct Farm {
    service: ServiceStream,
    fleet: Fleet,
    pub(super) folder: PathBuf,
    pub(super) api: Api,
    pub(super) router: Router,
}

/// Somebody with a browser.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    pub(super) cookie: String,
    pub(super) csrf: String,
}

impl From<SignedIn> for Browser {
    fn from(signed_in: SignedIn) -> Self {
        Self { cookie: signed_in.cookie, csrf: signed_in.csrf }
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Farm {
    /// With nobody who could sign in.
    pub(super) async fn without_users(name: &str, miners: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("bitlink-api-{}-{name}", std::process::id()));
        let (fleet, service) = watched(&folder, miners).await;
        let cockpit = Cockpit {
            accounts: Accounts::open(&folder).unwrap(),
            fleet: fleet.clone(),
            data: folder.clone(),
            vault: None,
            groups: Groups::default(),
            configured: crate::Configured::default(),
        };
        let api = Api::new(cockpit, service.handle(), "1.2.3", false);
        let config = HttpConfig::new(([127, 0, 0, 1], 0).into());
        let router = http::whole(&config, service.handle(), Some(api.clone()), "1.2.3");
        Self { service, fleet, folder, api, router }
    }

    /// With `vic`, who reads, `olga`, who commands, and `ann`, who decides.
    pub(super) async fn start(name: &str, miners: usize) -> Self {
        let farm = Self::without_users(name, miners).await;
        for (name, role) in [("ann", Role::Admin), ("olga", Role::Operator), ("vic", Role::Viewer)] {
            farm.api.accounts().add(name, role, PASSWORD).await.unwrap();
        }
        farm
    }

    pub(super) async fn sign_in(&self, name: &str) -> Browser {
        self.api.accounts().sign_in(None, name, PASSWORD).await.unwrap().into()
    }

    pub(super) fn handle(&self) -> ServiceHandle {
        self.service.handle()
    }

    /// Another cockpit of the same service.
    pub(super) fn cockpit(&self, accounts: Accounts) -> Cockpit {
        Cockpit {
            accounts,
            fleet: self.fleet.clone(),
            data: self.folder.clone(),
            vault: None,
            groups: Groups::default(),
            configured: crate::Configured::default(),
        }
    }

    pub(super) async fn end(self) {
        self.service.handle().shutdown().await;
        std::fs::remove_dir_all(&self.folder).unwrap();
    }

    /// Asks with headers as they are given, and reads the whole answer.
    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (status, headers, body) = self.send(method, path, headers, body).await;
        let body = to_bytes(body, 50_000_000).await.unwrap();
        Answer { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Asks, and leaves the body to be read.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, Body) {
        self.send_to(method, &format!("/api/v1{path}"), headers, body).await
    }

    /// Asks for anything that the server has.
    pub(super) async fn send_to(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, Body) {
        let request = Request::builder().method(method).uri(path);
        let is_said = headers.iter().any(|(name, _)| *name == "content-type");
        let usual = if is_said { &[][..] } else { &[("content-type", "application/json")] };
        let request =
            usual.iter().chain(headers).fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, head.headers, body)
    }

    /// Asks as a page of ours does.
    pub(super) async fn by(&self, browser: &Browser, method: &str, path: &str, body: &str) -> Answer {
        let cookie = browser.cookie();
        let headers = [("cookie", cookie.as_str()), ("x-csrf-token", browser.csrf.as_str())];
        self.ask(method, path, &headers, body).await
    }

    /// Listens live.
    pub(super) async fn listen(&self, browser: &Browser, query: &str, last: Option<&str>) -> Live {
        let cookie = browser.cookie();
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let (status, _, body) = self.send("GET", &format!("/events{query}"), &headers, "").await;
        assert_eq!(status, StatusCode::OK);
        Live { body: body.into_data_stream(), text: String::new() }
    }
}

impl Browser {
    pub(super) fn cookie(&self) -> String {
        format!("other=1; bitlink_session={}", self.cookie)
    }
}

/// A live connection.
pub(super) struct Live {
    body: BodyDataStream,
    text: String,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) event: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

impl Live {
    /// The next message, or that there are no more.
    pub(super) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (mut event, mut id, mut data) = (String::new(), None, String::new());
                for line in message.lines() {
                    match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                        Some(("event", value)) => value.clone_into(&mut event),
                        Some(("id", value)) => id = Some(value.to_owned()),
                        Some(("data", value)) => data.push_str(value),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                if !data.is_empty() {
                    return Some(Message { event, id, data: serde_json::from_str(&data).unwrap() });
                }
                continue;
            }
            let chunk = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next message of a kind.
    pub(super) async fn next_of(&mut self, event: &str) -> Message {
        loop {
            let message = self.next().await.unwrap();
            if message.event == event {
                return message;
            }
        }
    }
}
