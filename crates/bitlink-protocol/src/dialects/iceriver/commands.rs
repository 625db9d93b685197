//! What IceRiver's firmware can be told: forms with a number for what is wanted, as public farm software posts them. Pools and mode
//! are one form, so what is not to change is read first.

use crate::acting::{ActError, Move, Order, Plan, Put, Raw, Verdict, page_root, refused, secret};
use crate::record::lenient_integer;
use bitlink_model::{Action, ActionKind, Capabilities, PoolSetting, Support};
use serde_json::{Map, Value};

const PANEL: &str = "userpanel";
const MACHINE: &str = "machineconfig";
const PANEL_PAGE: &str = "/user/userpanel";
const MACHINE_PAGE: &str = "/user/machineconfig";
const SLOTS: usize = 3;

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::Password,
        ])
        .with(ActionKind::Restart, Support::no("the firmware restarts the whole machine only"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has no limit"))
        .with(ActionKind::PowerMode, Support::no("the firmware knows normal and sleep only"))
        .with(ActionKind::SetFrequency, Support::no("the firmware's form has no frequency"))
        .with(
            ActionKind::Fans,
            Support::no("how its fan ratio is given back to the firmware is not established"),
        )
        .with(ActionKind::Network, Support::no("the form for its network is not established"))
        .with(ActionKind::FactoryReset, Support::no("no form for it is established"))
        .with(ActionKind::Update, Support::no("the form for its firmware is not established"))
        .with(ActionKind::ReadLogs, Support::no("no page with its log is established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::one(form("reboot", PANEL_PAGE, &[("post", "3")]).may_close()),
        Action::Locate { on } => {
            let on = if *on { "1" } else { "0" };
            Plan::one(form("locate", PANEL_PAGE, &[("post", "5"), ("locate", on)]))
        }
        Action::Pause => configure("3", None, Some("sleep")),
        Action::Resume => configure("3", None, Some("normal")),
        Action::SetPools { pools } => configure("2", Some(slots_of(pools)?), None),
        Action::Password { new, .. } => {
            let new = secret(new)?.to_owned();
            // Which of the passwords opens it shows when a page is read.
            Plan::new([
                form(PANEL, PANEL_PAGE, &[("post", "4")]).into(),
                Move::decide(move |heard| {
                    let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                    let fields = [("post", "2"), ("nowpwd", &old), ("newpwd", &new), ("compwd", &new)];
                    Ok(vec![form("systemconfig", "/user/systemconfig", &fields).writes().into()])
                }),
            ])
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn form(name: &'static str, path: &'static str, fields: &[(&str, &str)]) -> Put {
    Put::form(name, path, fields).judged(by_error)
}

/// Address, user and password of a pool.
type Slot = [String; 3];

fn slots_of(pools: &[PoolSetting]) -> Result<Vec<Slot>, ActError> {
    if pools.len() > SLOTS {
        return Err(ActError::impossible("the firmware has room for three pools"));
    }
    let slot = |pool: &PoolSetting| -> Result<Slot, ActError> {
        Ok([pool.url.clone(), pool.user.clone(), secret(&pool.password)?.to_owned()])
    };
    pools.iter().map(slot).collect()
}

/// The configuration read, with other pools or another mode, and sent back.
fn configure(post: &'static str, pools: Option<Vec<Slot>>, mode: Option<&'static str>) -> Plan {
    Plan::new([
        form(MACHINE, MACHINE_PAGE, &[("post", "1")]).into(),
        form(PANEL, PANEL_PAGE, &[("post", "4")]).into(),
        Move::decide(move |heard| {
            let machine = data(heard.whole(MACHINE)?);
            let ratio = text(&machine, "ratio");
            let asleep = machine.get("mode").and_then(lenient_integer) == Some(0);
            let mode = mode.unwrap_or(if asleep { "sleep" } else { "normal" });
            let mut slots = match pools {
                Some(pools) => pools,
                None => slots_in(&data(heard.whole(PANEL)?)),
            };
            slots.resize_with(SLOTS, Slot::default);
            let mut fields: Vec<(String, String)> = [("post", post), ("fanratio", &ratio), ("fanmode", mode)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec();
            for (number, [url, user, password]) in (1..).zip(slots) {
                fields.push((format!("pool{number}address"), url));
                fields.push((format!("pool{number}miner"), user));
                fields.push((format!("pool{number}pwd"), password));
            }
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            Ok(vec![form("save", MACHINE_PAGE, &fields).writes().into()])
        }),
    ])
}

fn data(mut root: Map<String, Value>) -> Map<String, Value> {
    match root.remove("data") {
        Some(Value::Object(data)) => data,
        _ => root,
    }
}

/// A text, or a number as one.
fn text(map: &Map<String, Value>, key: &str) -> String {
    match map.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn slots_in(panel: &Map<String, Value>) -> Vec<Slot> {
    let pools = panel.get("pools").and_then(Value::as_array).into_iter().flatten();
    let pools = pools.filter_map(Value::as_object).take(SLOTS);
    pools.map(|pool| ["addr", "user", "pass"].map(|key| text(pool, key))).collect()
}

/// A number that is 0 where all is well, and words.
fn by_error(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        Err(failure) => return failure,
    };
    match root.get("error").and_then(lenient_integer) {
        None | Some(0) => Verdict::Fine(None),
        Some(error) => {
            let words = root.get("message").and_then(Value::as_str).unwrap_or_default();
            refused(name, &format!("{words} (error {error})"))
        }
    }
}
