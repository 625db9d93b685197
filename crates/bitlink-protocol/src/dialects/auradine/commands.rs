//! What Auradine's firmware can be told by its REST interface: objects that repeat the name of the page, answered in the API's
//! envelope.

use super::web::PORT;
use crate::acting::{ActError, Move, Order, Plan, Put, api_page, power_watts, secret};
use bitlink_model::{Action, ActionKind, Capabilities, Support};
use serde_json::{Value, json};

/// What the lights are told to be found, and to go back to what they show.
const LOCATE: u32 = 3;
const NORMAL: u32 = 2;
/// More pools than a machine is given.
const MOST: usize = 3;

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerLimit,
            ActionKind::PowerMode,
            ActionKind::Password,
        ])
        .with(ActionKind::FactoryReset, Support::Unverified)
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::SetFrequency, Support::no("the firmware tunes by power or by rate"))
        .with(ActionKind::Fans, Support::no("how fans are given back to the firmware is not established"))
        .with(ActionKind::Network, Support::no("its words for the protocol are not established"))
        .with(ActionKind::Update, Support::no("the firmware fetches its updates itself"))
        .with(ActionKind::ReadLogs, Support::no("no page with its log is established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::one(post("restart", "/restart", json!({})).may_close()),
        Action::Restart => Plan::one(post("restart", "/restart", json!({ "parameter": "gcminer" }))),
        Action::FactoryReset => Plan::one(post("factory-reset", "/factory-reset", json!({})).may_close()),
        Action::Pause => Plan::one(post("mode", "/mode", json!({ "sleep": "on" }))),
        Action::Resume => Plan::one(post("mode", "/mode", json!({ "sleep": "off" }))),
        Action::Locate { on } => {
            let code = if *on { LOCATE } else { NORMAL };
            Plan::one(post("led", "/led", json!({ "code": code })))
        }
        Action::PowerMode { mode } => {
            let mode = mode.trim().to_ascii_lowercase();
            if !["normal", "eco", "turbo"].contains(&mode.as_str()) {
                return Err(ActError::impossible("the modes are normal, eco and turbo"));
            }
            Plan::one(post("mode", "/mode", json!({ "mode": mode })))
        }
        Action::PowerLimit { power } => {
            let body = json!({ "mode": "custom", "tune": "power", "power": power_watts(*power)? });
            Plan::one(post("mode", "/mode", body))
        }
        Action::SetPools { pools } => {
            if pools.len() > MOST {
                return Err(ActError::impossible("more pools than the firmware is given"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                list.push(json!({ "url": pool.url, "user": pool.user, "pass": secret(&pool.password)? }));
            }
            Plan::one(post("updatepools", "/updatepools", json!({ "pools": list })))
        }
        Action::Password { user, new } => {
            let (user, new) = (user.clone(), secret(new)?.to_owned());
            // Which of the passwords opens it shows when a page is read.
            Plan::new([
                Put::get("led", "/led").at(PORT).judged(api_page).into(),
                Move::decide(move |heard| {
                    let (name, old) = match heard.who() {
                        Some(who) => (who.user.clone(), who.password.clone()),
                        None => (String::new(), String::new()),
                    };
                    let body = json!({ "user": user.unwrap_or(name), "old": old, "new": new });
                    Ok(vec![post("password", "/password", body).writes().into()])
                }),
            ])
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn post(command: &'static str, path: &'static str, mut body: Value) -> Put {
    if let Some(body) = body.as_object_mut() {
        body.insert("command".to_owned(), Value::from(command));
    }
    Put::json(command, path, &body).at(PORT).judged(api_page)
}
