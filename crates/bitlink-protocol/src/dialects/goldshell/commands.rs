//! What Goldshell's web server can be told, as farm software and the owners of machines tell it (pyasic `web/goldshell.py`,
//! crProductGuy/goldshell-box-tools). Its settings are one object, so it is read, changed and sent back whole. Pools go in and
//! out one by one.

use crate::acting::{ActError, Heard, Move, Order, Plan, Put, Raw, Verdict, page_root, refused, secret};
use crate::error::{Excerpt, ProtocolError};
use crate::http::HttpRequest;
use crate::record::lenient_integer;
use bitlink_model::{Action, ActionKind, Capabilities, PoolSetting, Support};
use serde_json::{Map, Value, json};

const SETTING: &str = "setting";
const SETTING_PAGE: &str = "/mcb/setting";
const POOLS: &str = "pools";
const POOLS_PAGE: &str = "/mcb/pools";
/// More than any machine has room for.
const MOST: usize = 16;

const NORMAL: i64 = 0;
const LOW: i64 = 1;

pub(super) fn capabilities() -> Capabilities {
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::SetPools,
            ActionKind::PowerMode,
        ])
        // The setting is known by name; what the light does by itself nobody tells.
        .with(ActionKind::Locate, Support::Unverified)
        .with(ActionKind::Restart, Support::no("the firmware restarts the whole machine only"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has power plans and no limit"))
        .with(ActionKind::SetFrequency, Support::no("its plan by hand wants a voltage too"))
        .with(ActionKind::Fans, Support::no("how its fans are set is not established for every model"))
        .with(ActionKind::Network, Support::no("the page for its network is not established"))
        .with(ActionKind::Password, Support::no("the page for its password is not established"))
        .with(ActionKind::FactoryReset, Support::no("no page for it is established"))
        .with(ActionKind::Update, Support::no("the page for its firmware is not established"))
        .with(ActionKind::ReadLogs, Support::no("no page with its log is established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        // Put and not got: newer versions do nothing when it is got.
        Action::Reboot => {
            let request = HttpRequest::post("/mcb/restart", "application/json", "{}");
            Plan::one(Put::page("restart", request).by("PUT").judged(by_error).may_close())
        }
        Action::Pause => select(super::web::ASLEEP),
        Action::Resume => select(NORMAL),
        Action::PowerMode { mode } => match mode.trim().to_ascii_lowercase().as_str() {
            "normal" => select(NORMAL),
            "low" => select(LOW),
            "sleep" => select(super::web::ASLEEP),
            _ => return Err(ActError::impossible("the modes are normal, low and sleep")),
        },
        Action::Locate { on } => {
            let on = *on;
            change(move |setting| {
                // Where it is not among the settings there is no such light.
                let light = setting.get_mut("ledcontrol").ok_or("it has no setting for a light")?;
                *light = json!(on);
                Ok(())
            })
        }
        Action::SetPools { pools } => replace(pools)?,
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// The plan of a level, by its place in the machine's list; a plan by hand gives way to it.
fn select(level: i64) -> Plan {
    change(move |setting| {
        let plans = setting.get("powerplans").and_then(Value::as_array).into_iter().flatten();
        let levels = plans.map(|plan| plan.get("level").and_then(lenient_integer));
        let place = levels.enumerate().find(|(_, known)| *known == Some(level)).map(|(place, _)| place);
        setting.insert("select".to_owned(), json!(place.ok_or("it has no such power plan")?));
        if setting.contains_key("manual") {
            setting.insert("manual".to_owned(), json!(false));
        }
        Ok(())
    })
}

type Change = Result<(), &'static str>;

/// The settings read, changed and sent back.
fn change(change: impl FnOnce(&mut Map<String, Value>) -> Change + Send + Sync + 'static) -> Plan {
    Plan::new([
        Put::get(SETTING, SETTING_PAGE).judged(by_error).into(),
        Move::decide(move |heard| {
            let mut setting = heard.whole(SETTING)?;
            change(&mut setting).map_err(|words| ProtocolError::Refused {
                question: SETTING.to_owned(),
                reason: Excerpt::of(words),
            })?;
            Ok(vec![put("set setting", SETTING_PAGE, &Value::Object(setting)).writes().into()])
        }),
    ])
}

/// Those from before go out and the new ones come in, in their order.
fn replace(pools: &[PoolSetting]) -> Result<Plan, ActError> {
    if pools.len() > MOST {
        return Err(ActError::impossible("more pools than the firmware has room for"));
    }
    let mut new = Vec::with_capacity(pools.len());
    for pool in pools {
        new.push(json!({ "url": pool.url, "user": pool.user, "pass": secret(&pool.password)? }));
    }
    Ok(Plan::new([
        Put::get(POOLS, POOLS_PAGE).judged(by_error).into(),
        Move::decide(move |heard| {
            let old = listed(heard)?.into_iter();
            let old = old.map(|pool| put("delpool", "/mcb/delpool", &pool).writes().into());
            let new = new.iter().map(|pool| put("newpool", "/mcb/newpool", pool).writes().into());
            Ok(old.chain(new).collect())
        }),
    ]))
}

/// The pools that it has, each as it is to be named when it goes out: the last first, because those after one that goes may be
/// numbered anew.
fn listed(heard: &Heard) -> Result<Vec<Value>, ProtocolError> {
    let document = heard.document(POOLS)?;
    let pools = document.root().get(crate::LIST).and_then(Value::as_array);
    let malformed = || ProtocolError::Malformed {
        question: POOLS.to_owned(),
        excerpt: Excerpt::of("no list of pools that could be named"),
    };
    let pools = pools.filter(|pools| pools.len() <= MOST).ok_or_else(malformed)?;
    let named = |pool: &Value| -> Option<Value> {
        Some(json!({
            "url": pool.get("url")?.as_str()?,
            "user": pool.get("user")?.as_str()?,
            "pass": pool.get("pass").and_then(Value::as_str).unwrap_or_default(),
            "dragid": pool.get("dragid").and_then(lenient_integer)?,
        }))
    };
    pools.iter().rev().map(|pool| named(pool).ok_or_else(malformed)).collect()
}

fn put(name: &'static str, path: &'static str, body: &Value) -> Put {
    Put::json(name, path, body).by("PUT").judged(by_error)
}

/// What goes well is answered with a page of any kind, a refusal perhaps with words.
fn by_error(name: &'static str, raw: &Raw) -> Verdict {
    match page_root(name, raw) {
        Ok(root) => match root.get("error").and_then(Value::as_str) {
            Some(words) if !words.is_empty() => refused(name, words),
            _ => Verdict::Fine(None),
        },
        Err(failure) => failure,
    }
}

#[cfg(test)]
mod tests {
    //! What is changed in what was read, and nothing else.
    use super::*;

    fn next(
        plan: Plan,
        name: &'static str,
        page: &str,
    ) -> Result<Vec<(String, String, Value)>, ProtocolError> {
        let mut heard = Heard::default();
        heard.insert(name, Raw::of_page(200, page));
        let pages = plan.pages_after(&heard)?.into_iter();
        Ok(pages.map(|(method, path, body)| (method, path, serde_json::from_str(&body).unwrap())).collect())
    }

    const READ: &str = r#"{"name":"02:00:00:00:00:01","manual":true,"select":1,"ledcontrol":false,"x":7,
        "powerplans":[{"level":1,"info":"a"},{"level":0,"info":"b"},{"level":3,"info":"c"}]}"#;

    #[test]
    fn a_plan_is_chosen_by_its_place_and_not_by_its_level() {
        let sent = next(select(NORMAL), SETTING, READ).unwrap();
        let [(method, path, body)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((method.as_str(), path.as_str()), ("PUT", "/mcb/setting"));
        assert_eq!((&body["select"], &body["manual"], &body["x"]), (&json!(1), &json!(false), &json!(7)));
        assert_eq!(next(select(3), SETTING, READ).unwrap()[0].2["select"], json!(2));
        assert!(matches!(next(select(9), SETTING, READ), Err(ProtocolError::Refused { .. })));
    }

    #[test]
    fn pools_go_out_from_the_last_and_come_in_from_the_first() {
        let pools = ["a", "b"].map(|n| PoolSetting::new(format!("stratum+tcp://{n}:1"), n, "pw"));
        let read =
            r#"[{"url":"old1","user":"u","pass":"p","dragid":0},{"url":"old2","user":"u","dragid":1}]"#;
        let sent = next(replace(&pools).unwrap(), POOLS, read).unwrap();
        let names: Vec<_> =
            sent.iter().map(|(_, path, body)| (path.as_str(), body["url"].as_str().unwrap())).collect();
        let (out, new) = ("/mcb/delpool", "/mcb/newpool");
        let wanted = [(out, "old2"), (out, "old1"), (new, "stratum+tcp://a:1"), (new, "stratum+tcp://b:1")];
        assert_eq!(names, wanted);
        assert_eq!(sent[2].2, json!({ "url": "stratum+tcp://a:1", "user": "a", "pass": "pw" }));
        // One that cannot be named would stay behind.
        assert!(next(replace(&pools).unwrap(), POOLS, r#"[{"user":"u"}]"#).is_err());
    }
}
