//! What Marathon's firmware can be told by the pages of its web server, as public clients tell it. Its configuration is one object, so
//! it is read, changed and sent back whole.

use crate::acting::{
    ActError, Move, Order, Plan, Put, Raw, Verdict, duty_percent, excerpt, page_root, power_watts, refused,
    secret,
};
use crate::error::{Excerpt, ProtocolError};
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, Support};
use serde_json::{Map, Value, json};

const CONFIG: &str = "miner_config";
const CONFIG_PAGE: &str = "/kaonsu/v1/miner_config";
const MAINTENANCE: &str = "/kaonsu/v1/maintenance";
const OVERVIEW: &str = "overview";
/// More pools than a group is given.
const MOST: usize = 3;
const MODES: [&str; 4] = ["Auto", "Fixed", "Stock", "Sleep"];

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Pause,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerLimit,
            ActionKind::PowerMode,
            ActionKind::Fans,
            ActionKind::Password,
            ActionKind::FactoryReset,
        ])
        .with(
            ActionKind::Resume,
            Support::no("which mode it was in is not told; a power mode (auto, fixed, stock) wakes it"),
        )
        .with(ActionKind::Restart, Support::no("what the firmware's reload starts anew is not established"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::SetFrequency, Support::no("its fixed mode wants a voltage too"))
        .with(ActionKind::Network, Support::no("what its network page holds is not established"))
        .with(ActionKind::Update, Support::no("the form for its firmware is not established"))
        .with(ActionKind::ReadLogs, Support::no("what its log's page answers is not established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    let maintain =
        |kind: &str| Put::json("maintenance", MAINTENANCE, &json!({ "type": kind })).judged(by_error);
    Ok(match order.action {
        Action::Reboot => Plan::one(maintain("reboot").may_close()),
        Action::FactoryReset => Plan::one(maintain("reset").may_close()),
        Action::Locate { on } => {
            let body = json!({ "blinking": on });
            Plan::one(Put::json("locate_miner", "/kaonsu/v1/locate_miner", &body).judged(by_error))
        }
        Action::Pause => select("Sleep"),
        Action::PowerMode { mode } => {
            let mode = MODES.into_iter().find(|known| known.eq_ignore_ascii_case(mode.trim()));
            select(mode.ok_or_else(|| ActError::impossible("the modes are auto, fixed, stock and sleep"))?)
        }
        Action::PowerLimit { power } => {
            let watts = power_watts(*power)?;
            change(move |config| {
                let mode = part(config, "mode")?;
                mode.insert("work-mode-selector".to_owned(), json!("Auto"));
                let concorde = part(mode, "concorde")?;
                concorde.insert("mode-select".to_owned(), json!("PowerTarget"));
                concorde.insert("power-target".to_owned(), json!(watts));
                Some(())
            })
        }
        Action::Fans { fans } => {
            let percent = match fans {
                FanSetting::Automatic => None,
                FanSetting::Fixed { duty } => Some(duty_percent(*duty)?),
                _ => return Err(ActError::impossible("how fans are switched off is not established")),
            };
            change(move |config| {
                let advanced = part(config, "advance-config")?;
                advanced.insert("override-fan-control".to_owned(), json!(percent.is_some()));
                if let Some(percent) = percent {
                    advanced.insert("fan-fixed-percent".to_owned(), json!(percent));
                }
                Some(())
            })
        }
        Action::SetPools { pools } => {
            if pools.len() > MOST {
                return Err(ActError::impossible("more pools than a group is given"));
            }
            let mut list = Vec::with_capacity(pools.len());
            for pool in pools {
                list.push(json!({ "url": pool.url, "user": pool.user, "pass": secret(&pool.password)? }));
            }
            // All of them in the first group, which then has all the work.
            change(move |config| {
                let mut group = config.get("pool-group")?.as_array()?.first()?.clone();
                let id = group.get("gid")?.clone();
                group.as_object_mut()?.insert("percent".to_owned(), json!(100));
                for pool in &mut list {
                    pool.as_object_mut()?.insert("gid".to_owned(), id.clone());
                }
                config.insert("pool-group".to_owned(), json!([group]));
                config.insert("pools".to_owned(), Value::Array(list));
                Some(())
            })
        }
        Action::Password { new, .. } => {
            let new = secret(new)?.to_owned();
            // Which of the passwords opens it shows when a page is read.
            Plan::new([
                Put::get(OVERVIEW, "/kaonsu/v1/overview").into(),
                Move::decide(move |heard| {
                    let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                    let params = json!({ "curPwd": old, "newPwd": new, "confirmPwd": new });
                    let body = json!({ "type": "passwd", "params": params });
                    let put = Put::json("maintenance", MAINTENANCE, &body).judged(by_error);
                    Ok(vec![put.writes().into()])
                }),
            ])
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn part<'a>(object: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    object.get_mut(key)?.as_object_mut()
}

fn select(mode: &'static str) -> Plan {
    change(move |config| {
        part(config, "mode")?.insert("work-mode-selector".to_owned(), json!(mode));
        Some(())
    })
}

/// The configuration read, changed where it has what is to be changed, and sent back.
fn change(change: impl FnOnce(&mut Map<String, Value>) -> Option<()> + Send + Sync + 'static) -> Plan {
    Plan::new([
        Put::get(CONFIG, CONFIG_PAGE).judged(by_error).into(),
        Move::decide(move |heard| {
            let mut config = heard.whole(CONFIG)?;
            if change(&mut config).is_none() {
                let excerpt = Excerpt::of("the part to be changed is not there");
                return Err(ProtocolError::Malformed { question: CONFIG.to_owned(), excerpt });
            }
            let put = Put::json("set miner_config", CONFIG_PAGE, &Value::Object(config));
            Ok(vec![put.judged(by_error).writes().into()])
        }),
    ])
}

/// A failure is told in the page, whatever its status.
fn by_error(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        Err(failure) => return failure,
    };
    let words = root.get("msg").and_then(Value::as_str).map(excerpt);
    if root.get("error") == Some(&Value::Bool(true)) {
        return refused(name, &words.unwrap_or_default());
    }
    Verdict::Fine(words)
}
