//! What Bitmain's firmware up to the S17 generation can be told, by forms of its web server. The whole configuration is one form, so
//! it is read, changed and sent back whole.

use crate::acting::{ActError, Move, Order, Plan, Put, Verdict, duty_percent, secret};
use crate::error::ProtocolError;
use crate::record::lenient_integer;
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, Support};
use serde_json::{Map, Value};

const CONF: &str = "get_miner_conf";
const INFO: &str = "get_system_info";
const SLOTS: usize = 3;

pub(in crate::dialects) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::Fans,
            ActionKind::Password,
            ActionKind::ReadLogs,
        ])
        .with(ActionKind::Reboot, Support::Unverified)
        .with(ActionKind::FactoryReset, Support::Unverified)
        .with(ActionKind::Pause, Support::no("the firmware knows no sleep"))
        .with(ActionKind::Resume, Support::no("the firmware knows no sleep"))
        .with(
            ActionKind::Restart,
            Support::no("the firmware restarts its program with a new configuration only"),
        )
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has no limit"))
        .with(ActionKind::PowerMode, Support::no("the firmware has no modes"))
        .with(ActionKind::SetFrequency, Support::no("which frequencies its boards take is not established"))
        .with(ActionKind::Network, Support::no("the form for its network is not established"))
        .with(ActionKind::Update, Support::no("the form for its firmware is not established"))
}

/// The same firmware under another's name, which keeps its pages; nobody has tried.
pub(in crate::dialects) fn capabilities_kept() -> Capabilities {
    let known = capabilities();
    let kinds: Vec<ActionKind> =
        known.iter().filter(|(_, support)| support.is_possible()).map(|(kind, _)| kind).collect();
    kinds.into_iter().fold(known, |all, kind| all.with(kind, Support::Unverified))
}

pub(in crate::dialects) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::one(Put::get("reboot", "/cgi-bin/reboot.cgi").may_be_silent()),
        Action::FactoryReset => Plan::one(Put::get("reset_conf", "/cgi-bin/reset_conf.cgi").may_be_silent()),
        // It blinks and never answers that it does.
        Action::Locate { on: true } => {
            Plan::one(Put::form("blink", BLINK, &[("action", "startBlink")]).may_be_silent())
        }
        Action::Locate { on: false } => Plan::one(Put::form("blink", BLINK, &[("action", "stopBlink")])),
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut slots = Vec::with_capacity(SLOTS);
            for pool in pools {
                slots.push([pool.url.clone(), pool.user.clone(), secret(&pool.password)?.to_owned()]);
            }
            configure(Some(slots), None)
        }
        Action::Fans { fans: FanSetting::Off } => {
            return Err(ActError::impossible("fans cannot be switched off"));
        }
        Action::Fans { fans } => configure(None, Some(*fans)),
        Action::Password { new, .. } => {
            let new = secret(new)?.to_owned();
            // Which of the passwords opens it shows when a page is read.
            Plan::new([
                Put::get(INFO, "/cgi-bin/get_system_info.cgi").into(),
                Move::decide(move |heard| {
                    let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                    let fields =
                        [("current_pw", old.as_str()), ("new_pw", new.as_str()), ("new_pw_ctrl", &new)];
                    Ok(vec![Put::form("passwd", "/cgi-bin/passwd.cgi", &fields).writes().into()])
                }),
            ])
        }
        Action::ReadLogs => Plan::new([Put::get("log", "/cgi-bin/get_kernel_log.cgi")
            .keeps_log()
            .judged(|name, raw| match crate::acting::page_root(name, raw) {
                Err(Verdict::Refused(error)) => Verdict::Refused(error),
                _ => Verdict::Fine(None),
            })
            .into()]),
        other => return Err(ActError::unsupported(other.kind())),
    })
}

const BLINK: &str = "/cgi-bin/blink.cgi";

/// Address, user and password of a pool.
type Slot = [String; 3];

/// The configuration read, with other pools or other fans, and sent back.
fn configure(pools: Option<Vec<Slot>>, fans: Option<FanSetting>) -> Plan {
    Plan::new([
        Put::get(CONF, "/cgi-bin/get_miner_conf.cgi").into(),
        Move::decide(move |heard| {
            let conf = heard.whole(CONF)?;
            let mut slots = pools.unwrap_or_else(|| slots_of(&conf));
            slots.resize_with(SLOTS, Slot::default);
            let by_hand = match conf.get("bitmain-fan-ctrl") {
                Some(Value::Bool(by_hand)) => *by_hand,
                _ => text(&conf, "bitmain-fan-ctrl") == "true",
            };
            let percent = conf.get("bitmain-fan-pwm").and_then(lenient_integer);
            let (by_hand, percent) = match fans {
                Some(FanSetting::Fixed { duty }) => (true, duty_percent(duty).ok().map(i64::from)),
                Some(_) => (false, percent),
                None => (by_hand, percent),
            };
            let frequency = text(&conf, "bitmain-freq");
            if frequency.is_empty() {
                let excerpt = crate::Excerpt::of("no frequency in the configuration");
                return Err(ProtocolError::Malformed { question: CONF.to_owned(), excerpt });
            }
            let mut fields: Vec<(String, String)> = Vec::new();
            for (number, [url, user, password]) in (1..).zip(slots) {
                fields.push((format!("_ant_pool{number}url"), url));
                fields.push((format!("_ant_pool{number}user"), user));
                fields.push((format!("_ant_pool{number}pw"), password));
            }
            let mut set = |key: &str, value: String| fields.push((key.to_owned(), value));
            set("_ant_nobeeper", "false".to_owned());
            set("_ant_notempcontrol", "false".to_owned());
            set("_ant_fan_customize_switch", by_hand.to_string());
            set("_ant_fan_customize_value", percent.map(|percent| percent.to_string()).unwrap_or_default());
            set("_ant_freq", frequency);
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            // The mining program starts anew with it, and the reply may not survive that.
            let put = Put::form("set_miner_conf", "/cgi-bin/set_miner_conf.cgi", &fields);
            Ok(vec![put.may_be_silent().writes().into()])
        }),
    ])
}

/// A text, or a number as one.
fn text(map: &Map<String, Value>, key: &str) -> String {
    match map.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn slots_of(conf: &Map<String, Value>) -> Vec<Slot> {
    let pools = conf.get("pools").and_then(Value::as_array).into_iter().flatten();
    let pools = pools.filter_map(Value::as_object).take(SLOTS);
    pools.map(|pool| ["url", "user", "pass"].map(|key| text(pool, key))).collect()
}
