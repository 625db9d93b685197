//! What cgminer and its forks can be told over the API, by whoever their access list gives the privileged commands
//! (cgminer API-README, `api.c`).

use crate::acting::{ActError, Heard, Move, Order, Plan, Put, secret};
use crate::command::{Command, escape};
use crate::error::{Excerpt, ProtocolError};
use bitlink_model::{Action, ActionKind, Capabilities, PoolSetting, Support};
use serde_json::Value;

const NEW: &str = "new pools";
const POOLS: &str = "pools";

/// More pools than any of these has room for.
const MOST: usize = 32;

pub(in crate::dialects) fn capabilities() -> Capabilities {
    let whole = Support::no("the program does not rule the machine");
    Capabilities::default()
        .with_all(&[ActionKind::Restart, ActionKind::SetPools, ActionKind::SwitchPool])
        .with(ActionKind::Reboot, whole.clone())
        .with(ActionKind::Network, whole.clone())
        .with(ActionKind::Password, whole.clone())
        .with(ActionKind::FactoryReset, whole.clone())
        .with(ActionKind::Update, whole.clone())
        .with(ActionKind::ReadLogs, whole)
        .with(ActionKind::Pause, Support::no("devices can be switched off, the program cannot be paused"))
        .with(ActionKind::Resume, Support::no("devices can be switched off, the program cannot be paused"))
        .with(ActionKind::Locate, Support::no("which lights a driver has is not known"))
        .with(ActionKind::PowerLimit, Support::no("what a driver can be set to is not known"))
        .with(ActionKind::PowerMode, Support::no("what a driver can be set to is not known"))
        .with(ActionKind::SetFrequency, Support::no("what a driver can be set to is not known"))
        .with(ActionKind::Fans, Support::no("what a driver can be set to is not known"))
}

pub(in crate::dialects) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Restart => Plan::one(Put::api("restart", None)?.may_close()),
        Action::SwitchPool { pool } => Plan::one(Put::api("switchpool", Some(&pool.to_string()))?),
        // What is not saved is forgotten at the next start; not every build can save.
        Action::SetPools { pools } => replace_pools(pools, escape, true)?,
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// The new pools are added, the first of them is worked for, and those from before are taken away, the last first, because
/// those after one that goes are numbered anew.
pub(in crate::dialects) fn replace_pools(
    pools: &[PoolSetting],
    escape: fn(&str) -> String,
    saves: bool,
) -> Result<Plan, ActError> {
    let mut moves: Vec<Move> = vec![Put::api(POOLS, None)?.welcome().into()];
    for pool in pools {
        let password = secret(&pool.password)?;
        let details = [pool.url.as_str(), pool.user.as_str(), password].map(escape).join(",");
        moves.push(Put::api("addpool", Some(&details))?.writes().into());
    }
    moves.push(Put::command(NEW, &Command::new(POOLS))?.into());
    let added = pools.len();
    moves.push(Move::decide(move |heard| tidy_up(heard, added, saves)));
    Ok(Plan::new(moves))
}

fn tidy_up(heard: &Heard, added: usize, saves: bool) -> Result<Vec<Move>, ProtocolError> {
    let document = heard.document(NEW)?;
    let mut ids: Vec<u64> = document
        .section("POOLS")
        .iter()
        .filter_map(|pool| pool.get("POOL").and_then(Value::as_u64))
        .collect();
    ids.sort_unstable();
    let old = ids.len().checked_sub(added).filter(|_| ids.len() <= MOST);
    let Some((old, new)) = old.and_then(|old| ids.split_at_checked(old)) else {
        let reason = Excerpt::of("the pools that were added are not among its pools");
        return Err(ProtocolError::Refused { question: POOLS.to_owned(), reason });
    };
    let told = |name: &'static str, id: u64| -> Result<Put, ProtocolError> {
        Put::api(name, Some(&id.to_string())).map_err(|_too_long| ProtocolError::Finished)
    };
    let mut moves: Vec<Move> = Vec::new();
    if let Some(first) = new.first() {
        moves.push(told("switchpool", *first)?.writes().into());
    }
    for id in old.iter().rev() {
        moves.push(told("disablepool", *id)?.writes().welcome().into());
        moves.push(told("removepool", *id)?.writes().into());
    }
    if saves && let Ok(save) = Put::api("save", None) {
        moves.push(save.writes().welcome().into());
    }
    Ok(moves)
}
