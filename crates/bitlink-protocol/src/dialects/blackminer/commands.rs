//! What the web servers of VolcMiner and Hammer can be told, as public clients tell them (bitcap-ipr; pyasic `web/hammer.py`).
//! VolcMiner's pages take forms, Hammer's are Bitmain's and take JSON. Who made a machine decides; of Blackminer's own pages
//! nobody tells.
//!
//! VolcMiner's pools are one form with frequency and voltage, half of which is read from a page that is not JSON; what is
//! misread there would go to the boards, so that form is left alone.

use super::super::antminer::commands as bitmain;
use crate::acting::{ActError, Move, Order, Plan, Put, Raw, Verdict, excerpt, refused, secret};
use crate::error::ProtocolError;
use bitlink_model::{Action, ActionKind, Capabilities, Identity, Make, Support};

const INFO: &str = "get_system_info";

pub(super) fn capabilities(identity: &Identity) -> Capabilities {
    let able: &[ActionKind] = match &identity.make {
        Some(make) if *make == Make::VOLCMINER => {
            &[ActionKind::Reboot, ActionKind::Locate, ActionKind::Password]
        }
        Some(make) if *make == Make::HAMMER => &[ActionKind::Reboot, ActionKind::Locate],
        _ => return Capabilities::default(),
    };
    let form =
        Support::no("its pools are one form with frequency and voltage, which cannot be read for certain");
    able.iter()
        .fold(Capabilities::default(), |all, kind| all.with(*kind, Support::Unverified))
        .with(ActionKind::SetPools, form.clone())
        .with(ActionKind::SetFrequency, form.clone())
        .with(ActionKind::Fans, form.clone())
        .with(ActionKind::Pause, form.clone())
        .with(ActionKind::Resume, form.clone())
        .with(ActionKind::PowerMode, form)
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    if order.identity.make == Some(Make::HAMMER) {
        return bitmain::plan(order, bitmain::KEYS);
    }
    Ok(match order.action {
        Action::Reboot => Plan::one(Put::form("reboot", "/cgi-bin/reboot.cgi", &[]).may_be_silent()),
        Action::Locate { on } => {
            let fields = [("_bb_type", if *on { "rgOn" } else { "rgOff" })];
            Plan::one(Put::form("led", "/cgi-bin/post_led_onoff.cgi", &fields))
        }
        Action::Password { new, .. } => {
            let new = secret(new)?.to_owned();
            // Which of the passwords opens it shows when a page is read.
            Plan::new([
                Put::get(INFO, "/cgi-bin/get_system_info.cgi").into(),
                Move::decide(move |heard| {
                    let old = heard.who().map(|who| who.password.clone()).unwrap_or_default();
                    let fields = [("cur_pwd", old.as_str()), ("new_pwd", new.as_str())];
                    let put = Put::form("passwdV1", "/cgi-bin/passwdV1.cgi", &fields);
                    Ok(vec![put.judged(by_code).writes().into()])
                }),
            ])
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// A head of its own stands before the document: `"code": "200"` somewhere in it, or another code.
fn by_code(name: &'static str, raw: &Raw) -> Verdict {
    match raw {
        Raw::Page(page) if matches!(page.status, 401 | 403) => {
            return Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() });
        }
        Raw::Page(page) if !page.is_success() => return refused(name, &format!("HTTP {}", page.status)),
        _ => {}
    }
    let text = String::from_utf8_lossy(raw.body());
    let code = text.split_once("\"code\"").map(|(_, rest)| rest.trim_start_matches([' ', ':', '"']));
    match code {
        Some(rest) if rest.starts_with("200") => Verdict::Fine(None),
        Some(rest) => {
            refused(name, &excerpt(&format!("code {}", rest.split('"').next().unwrap_or_default())))
        }
        None => {
            let excerpt = crate::Excerpt::of_bytes(raw.body());
            Verdict::Unclear(ProtocolError::Malformed { question: name.to_owned(), excerpt })
        }
    }
}

#[cfg(test)]
mod tests {
    //! Bodies, byte for byte, and who is told what.
    use super::*;

    fn of(make: Make) -> Identity {
        let mut identity = Identity::default();
        identity.make = Some(make);
        identity
    }

    #[test]
    fn each_make_has_pages_of_its_own() {
        let action = Action::Locate { on: true };
        let pages = |make| {
            let identity = of(make);
            plan(&Order { action: &action, identity: &identity, credentials: &[] }).unwrap().pages()
        };
        let page = |path: &str, body: &str| vec![("POST".to_owned(), path.to_owned(), body.to_owned())];
        assert_eq!(pages(Make::VOLCMINER), page("/cgi-bin/post_led_onoff.cgi", "_bb_type=rgOn"));
        assert_eq!(pages(Make::HAMMER), page("/cgi-bin/blink.cgi", r#"{"blink":"true"}"#));
        assert!(!capabilities(&of(Make::BLACKMINER)).of(ActionKind::Reboot).is_possible());
    }

    #[test]
    fn a_new_password_is_answered_behind_a_head_of_its_own() {
        let judge = |body: &str| by_code("passwdV1", &Raw::of_page(200, body));
        let head = "Content-Type: application/json\n\n";
        assert!(matches!(judge(&format!(r#"{head}{{"code":"200"}}"#)), Verdict::Fine(_)));
        assert!(matches!(judge(&format!(r#"{head}{{"code": "403"}}"#)), Verdict::Refused(_)));
        assert!(matches!(judge("ok"), Verdict::Unclear(_)));
    }
}
