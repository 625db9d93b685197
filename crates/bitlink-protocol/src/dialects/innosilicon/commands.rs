//! What Innosilicon's web server can be told, as farm software tells it (pyasic `web/innosilicon.py`). Everything is posted, and
//! whether it was done is told in the page.

use crate::acting::{ActError, Order, Plan, Put, Raw, Verdict, page_root, refused, secret};
use crate::error::ProtocolError;
use bitlink_model::{Action, ActionKind, Capabilities, Support};
use serde_json::{Map, Value, json};

const SLOTS: usize = 3;

pub(super) fn capabilities() -> Capabilities {
    let off =
        Support::no("the firmware can be switched off, and what switches it on again is not established");
    Capabilities::default()
        .with_all(&[ActionKind::Reboot, ActionKind::Restart, ActionKind::SetPools])
        .with(ActionKind::Pause, off.clone())
        .with(ActionKind::Resume, off)
        .with(ActionKind::Locate, Support::no("no page for a light is established"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has levels and no limit"))
        .with(ActionKind::PowerMode, Support::no("how its levels are set is not established"))
        .with(ActionKind::SetFrequency, Support::no("no page for the frequency is established"))
        .with(ActionKind::Fans, Support::no("no page for the fans is established"))
        .with(ActionKind::Network, Support::no("the page for its network is not established"))
        .with(ActionKind::Password, Support::no("the page for its password is not established"))
        .with(ActionKind::FactoryReset, Support::no("what its reset clears is not established"))
        .with(ActionKind::Update, Support::no("the page for its firmware is not established"))
        .with(ActionKind::ReadLogs, Support::no("no page with its log is established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::one(post("reboot", "/api/reboot", &json!({})).may_close()),
        Action::Restart => Plan::one(post("restartCgMiner", "/api/restartCgMiner", &json!({}))),
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut body = Map::new();
            for slot in 0..SLOTS {
                let (url, user, password) = match pools.get(slot) {
                    Some(pool) => (pool.url.as_str(), pool.user.as_str(), secret(&pool.password)?),
                    None => ("", "", ""),
                };
                let number = slot + 1;
                body.insert(format!("Pool{number}"), json!(url));
                body.insert(format!("UserName{number}"), json!(user));
                body.insert(format!("Password{number}"), json!(password));
            }
            Plan::one(post("updatePools", "/api/updatePools", &Value::Object(body)))
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn post(name: &'static str, path: &'static str, body: &Value) -> Put {
    Put::json(name, path, body).judged(by_success)
}

fn by_success(name: &'static str, raw: &Raw) -> Verdict {
    let root = match page_root(name, raw) {
        Ok(root) => root,
        Err(failure) => return failure,
    };
    match root.get("success").and_then(Value::as_bool) {
        Some(true) => Verdict::Fine(None),
        _ if root.get("token").and_then(Value::as_str) == Some("expired") => {
            Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() })
        }
        Some(false) => {
            let words = ["msg", "message"].into_iter().find_map(|key| root.get(key)?.as_str());
            refused(name, words.unwrap_or("the page says that it failed"))
        }
        None => {
            let excerpt = crate::Excerpt::of_bytes(raw.body());
            Verdict::Unclear(ProtocolError::Malformed { question: name.to_owned(), excerpt })
        }
    }
}

#[cfg(test)]
mod tests {
    //! Bodies, byte for byte, and what the page says of them.
    use super::*;
    use bitlink_model::{Identity, PoolSetting};

    #[test]
    fn all_three_slots_are_sent() {
        let action = Action::SetPools { pools: vec![PoolSetting::new("stratum+tcp://a:1", "u", "p")] };
        let plan =
            plan(&Order { action: &action, identity: &Identity::default(), credentials: &[] }).unwrap();
        let sent = plan.pages();
        let [(method, path, body)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/updatePools"));
        assert_eq!(
            body,
            concat!(
                r#"{"Password1":"p","Password2":"","Password3":"","Pool1":"stratum+tcp://a:1","Pool2":"","Pool3":"","#,
                r#""UserName1":"u","UserName2":"","UserName3":""}"#
            )
        );
    }

    #[test]
    fn success_is_told_in_the_page() {
        let judge = |body: &str| by_success("reboot", &Raw::of_page(200, body));
        assert!(matches!(judge(r#"{"success":true}"#), Verdict::Fine(_)));
        assert!(matches!(judge(r#"{"success":false,"message":"no"}"#), Verdict::Refused(_)));
        assert!(matches!(judge("{}"), Verdict::Unclear(_)));
    }
}
