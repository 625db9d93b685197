//! What a SealMiner can be told over TCP 4028, open to everybody, as public clients do it. Documents stand as texts in the
//! parameter. A limit counts from the next start on.

use crate::acting::{ActError, Order, Plan, Put, power_watts, secret};
use bitlink_model::{Action, ActionKind, Capabilities, Support};
use serde_json::{Value, json};

const SLOTS: usize = 3;

pub(super) fn capabilities() -> Capabilities {
    let by_web =
        Support::no("the API cannot be told, and of the web server's pages too little is established");
    Capabilities::default()
        .with_all(&[
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::SetPools,
            ActionKind::PowerLimit,
        ])
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::SetFrequency, Support::no("the firmware has modes and a limit"))
        .with(ActionKind::Reboot, by_web.clone())
        .with(ActionKind::Locate, by_web.clone())
        .with(ActionKind::PowerMode, by_web.clone())
        .with(ActionKind::Fans, by_web.clone())
        .with(ActionKind::Network, by_web.clone())
        .with(ActionKind::Password, by_web.clone())
        .with(ActionKind::FactoryReset, by_web.clone())
        .with(ActionKind::Update, by_web.clone())
        .with(ActionKind::ReadLogs, by_web)
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Restart | Action::Resume => Plan::one(Put::api("restart", None)?.may_close()),
        Action::Pause => Plan::one(Put::api("ascset", Some("0,suspend"))?),
        Action::PowerLimit { power } => {
            let value = json!({ "value": power_watts(*power)?.to_string() });
            Plan::one(Put::api("ascset", Some(&format!("0,powerlimit,{value}")))?).after_restart()
        }
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                list.push(json!({ "url": pool.url, "user": pool.user, "pass": secret(&pool.password)? }));
            }
            let document: Value = json!({ "pools": list });
            Plan::one(Put::api("updatepools", Some(&document.to_string()))?).after_restart()
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}
