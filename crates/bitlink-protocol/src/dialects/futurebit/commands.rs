//! What the Apollo can be told, by the questions of its GraphQL interface that change something; it knows no mutations
//! (jstefanop/apolloapi-v2, `src/graphql`). All of them want the password.
//!
//! Pools are written into the configuration of the mining program, which reads it when it starts; so it is started anew, unless
//! it stands still. Only the first pool is ever worked for.

use super::{PATH, PORT};
use crate::acting::{ActError, Heard, Move, Order, Plan, Put, Raw, Verdict, page_root, refused, secret};
use crate::error::ProtocolError;
use crate::http::HttpRequest;
use bitlink_model::{Action, ActionKind, Capabilities, Support};
use serde_json::{Map, Value, json};

const ONLINE: &str = "miner online";
const IS_ONLINE: &str = "query{Miner{online{result{online{status}}error{message}}}}";
const RESTART: &str = "query{Miner{restart{error{message}}}}";
const POOLS: &str =
    "query($input:PoolUpdateAllInput!){Pool{updateAll(input:$input){result{pools{id}}error{message}}}}";
const PASSWORD: &str =
    "query($input:AuthChangePasswordInput!){Auth{changePassword(input:$input){error{message}}}}";
const LOG: &str = "query{Logs{read(input:{logType:MINER,lines:1000}){result{content}error{message}}}}";

/// As many as its own page lets its owner fill in.
const SLOTS: usize = 3;

pub(super) fn capabilities() -> Capabilities {
    let settings =
        Support::no("its settings are written as a whole, which may install its Bitcoin node anew");
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::SetPools,
            ActionKind::Password,
            ActionKind::ReadLogs,
        ])
        .with(ActionKind::Locate, Support::no("it has no light to be found by"))
        .with(ActionKind::SwitchPool, Support::no("the first of its pools is the only one it works for"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has modes and no limit"))
        .with(ActionKind::PowerMode, settings.clone())
        .with(ActionKind::SetFrequency, settings)
        .with(ActionKind::Fans, Support::no("its fans follow temperatures and take no speed"))
        .with(ActionKind::Network, Support::no("it can be told of wireless networks only"))
        .with(ActionKind::FactoryReset, Support::no("the interface has no way to ask for it"))
        .with(ActionKind::Update, Support::no("it fetches its firmware from its maker and takes no file"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::one(ask("reboot", "query{Mcu{reboot{error{message}}}}", None).may_close()),
        Action::Restart => Plan::one(ask("restart", RESTART, None)),
        Action::Pause => Plan::one(ask("stop", "query{Miner{stop{error{message}}}}", None)),
        Action::Resume => Plan::one(ask("start", "query{Miner{start{error{message}}}}", None)),
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for (index, pool) in pools.iter().enumerate() {
                list.push(json!({
                    "index": index,
                    "enabled": true,
                    "url": pool.url,
                    "username": pool.user,
                    "password": secret(&pool.password)?,
                }));
            }
            let input = json!({ "pools": list });
            Plan::new([
                ask(ONLINE, IS_ONLINE, None).into(),
                ask("pools", POOLS, Some(&input)).writes().into(),
                Move::decide(restart),
            ])
        }
        // Who is logged in need not say the old one.
        Action::Password { new, .. } => {
            Plan::one(ask("password", PASSWORD, Some(&json!({ "password": secret(new)? }))))
        }
        Action::ReadLogs => Plan::new([ask("log", LOG, None).keeps_log().into()]),
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// With the new configuration, if it runs: who has stopped it does not want it started.
fn restart(heard: &Heard) -> Result<Vec<Move>, ProtocolError> {
    let answer = heard.document(ONLINE)?;
    let status =
        answer.root().get("data").and_then(|data| data.pointer("/Miner/online/result/online/status"));
    let stopped = matches!(status, Some(Value::Bool(false))) || status.and_then(Value::as_i64) == Some(0);
    Ok(if stopped { Vec::new() } else { vec![ask("restart", RESTART, None).writes().into()] })
}

fn ask(name: &'static str, query: &str, input: Option<&Value>) -> Put {
    let mut body = json!({ "query": query });
    if let (Some(input), Some(body)) = (input, body.as_object_mut()) {
        body.insert("variables".to_owned(), json!({ "input": input }));
    }
    let request = HttpRequest::post(PATH, "application/json", body.to_string()).on_port(PORT);
    Put::page(name, request).judged(by_error)
}

/// Refusals succeed by their status: the answer holds an error, or there is none and a list of them beside it.
fn by_error(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        Err(failure) => return failure,
    };
    if is_stranger(&root) {
        return Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() });
    }
    let words = |error: &Value| error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(error) = root.get("errors").and_then(Value::as_array).and_then(|errors| errors.first()) {
        return refused(name, &words(error));
    }
    match answers(&root).find_map(|answer| answer.get("error").filter(|error| !error.is_null())) {
        Some(error) => refused(name, &words(error)),
        None => Verdict::Fine(None),
    }
}

/// The answers within `data`, each under its part of the interface.
fn answers(root: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let parts = root.get("data").and_then(Value::as_object).into_iter().flat_map(Map::values);
    parts.filter_map(Value::as_object).flat_map(Map::values)
}

/// Whether it wants to know first who asks: newer versions say so by a code, older ones in words.
pub(super) fn is_stranger(root: &Map<String, Value>) -> bool {
    let errors = root.get("errors").and_then(Value::as_array).into_iter().flatten();
    let by_code = errors
        .into_iter()
        .any(|e| e.pointer("/extensions/code").and_then(Value::as_str) == Some("UNAUTHENTICATED"));
    let in_words = |answer: &Value| {
        let words = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        let words = words.to_ascii_lowercase();
        words.contains("authenticated") || words.contains("session expired")
    };
    by_code || answers(root).any(in_words)
}

#[cfg(test)]
mod tests {
    //! What goes over the wire, and what comes back.
    use super::*;
    use crate::exchange::Request;

    fn body(put: &Put) -> Value {
        let Request::Http(page) = put.request() else { panic!("no page") };
        assert_eq!((page.method, &*page.path, page.port), ("POST", "/api/graphql", 5000));
        serde_json::from_slice(&page.body).unwrap()
    }

    #[test]
    fn questions_that_change_something() {
        let put = ask("stop", "query{Miner{stop{error{message}}}}", None);
        assert_eq!(body(&put), json!({ "query": "query{Miner{stop{error{message}}}}" }));
        let input = json!({ "pools": [{ "index": 0, "url": "stratum+tcp://a:1" }] });
        let sent = body(&ask("pools", POOLS, Some(&input)));
        assert_eq!(sent.pointer("/variables/input"), Some(&input));
    }

    #[test]
    fn a_refusal_that_succeeds_by_its_status_is_one() {
        let judge = |body: &str| match by_error("stop", &Raw::of_page(200, body)) {
            Verdict::Fine(_) => "fine",
            Verdict::Refused(ProtocolError::AccessDenied { .. }) => "denied",
            Verdict::Refused(_) => "refused",
            _ => "unclear",
        };
        assert_eq!(judge(r#"{"data":{"Miner":{"stop":{"error":null}}}}"#), "fine");
        assert_eq!(judge(r#"{"data":{"Miner":{"stop":{"error":{"message":"no"}}}}}"#), "refused");
        assert_eq!(judge(r#"{"data":null,"errors":[{"message":"Cannot query field"}]}"#), "refused");
        let code = r#"{"data":null,"errors":[{"message":"x","extensions":{"code":"UNAUTHENTICATED"}}]}"#;
        assert_eq!(judge(code), "denied");
        let words =
            r#"{"data":{"Mcu":{"reboot":{"error":{"message":"Your session expired, please login again"}}}}}"#;
        assert_eq!(judge(words), "denied");
    }
}
