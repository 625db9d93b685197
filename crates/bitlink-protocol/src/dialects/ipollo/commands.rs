//! What iPollo's firmware can be told, by the pages of LuCI that a public client posts (bitcap-ipr); whether anybody tried is not
//! known. The form with the pools holds those of every coin the machine can mine, so it is read, changed and sent back whole.

use crate::acting::{ActError, Heard, Move, Order, Plan, Put, Raw, Verdict, refused, secret};
use crate::error::{Excerpt, ProtocolError};
use crate::http::{HttpRequest, form};
use bitlink_model::{Action, ActionKind, Capabilities, Support};

const POOLS: &str = "pool form";
const POOLS_PAGE: &str = "/admin/ipollo_main/pool";
/// Where the settings of its mining program begin.
const OURS: &str = "cbid.cgminer.default.";
const SLOTS: usize = 3;
/// More fields than any form has.
const MOST_FIELDS: usize = 256;

pub(super) fn capabilities() -> Capabilities {
    let able = [
        ActionKind::Reboot,
        ActionKind::Restart,
        ActionKind::Pause,
        ActionKind::Resume,
        ActionKind::SetPools,
        ActionKind::Password,
    ];
    able.into_iter()
        .fold(Capabilities::default(), |all, kind| all.with(kind, Support::Unverified))
        .with(ActionKind::Locate, Support::no("no page for a light is established"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("no page for a limit is established"))
        .with(ActionKind::PowerMode, Support::no("what its modes are is not established"))
        .with(ActionKind::SetFrequency, Support::no("which frequencies its boards take is not established"))
        .with(ActionKind::Fans, Support::no("what its form for the fans holds is not established"))
        .with(ActionKind::Network, Support::no("the form for its network is not established"))
        .with(ActionKind::FactoryReset, Support::no("the page for it is not established"))
        .with(ActionKind::Update, Support::no("the page for its firmware is not established"))
        .with(ActionKind::ReadLogs, Support::no("which of its pages holds the log is not established"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    let control = |name, path: &'static str| Plan::one(post(name, path, &[]));
    Ok(match order.action {
        Action::Reboot => Plan::one(post("reboot", "/admin/system/reboot?reboot=1", &[]).may_be_silent()),
        Action::Restart => control("restart", "/admin/ipollo_main/cgminerstatus/ctrl/restart"),
        Action::Pause => control("stop", "/admin/ipollo_main/cgminerstatus/ctrl/stop"),
        Action::Resume => control("start", "/admin/ipollo_main/cgminerstatus/ctrl/start"),
        Action::Password { new, .. } => {
            let new = secret(new)?;
            let fields = [("cbid.system._pass.pw1", new), ("cbid.system._pass.pw2", new)];
            Plan::one(post("password", "/admin/ipollo_main/passwdchange", &submitted(&fields)))
        }
        Action::SetPools { pools } => {
            if pools.len() > SLOTS {
                return Err(ActError::impossible("the firmware has room for three pools"));
            }
            let mut slots = Vec::with_capacity(SLOTS);
            for pool in pools {
                slots.push([pool.url.clone(), pool.user.clone(), secret(&pool.password)?.to_owned()]);
            }
            slots.resize_with(SLOTS, Default::default);
            Plan::new([
                Put::get(POOLS, POOLS_PAGE).into(),
                Move::decide(move |heard| {
                    let fields = filled(heard, &slots)?;
                    let fields: Vec<_> =
                        fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                    Ok(vec![post("pools", POOLS_PAGE, &submitted(&fields)).writes().into()])
                }),
            ])
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// With what LuCI wants of a form that is to be saved and applied.
fn submitted<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("cbi.submit", "1"), ("cbi.apply", "Save & Apply")], fields].concat()
}

/// Whatever it shows then is a success; a page of the login is none, and the door sees to that.
fn post(name: &'static str, path: &'static str, fields: &[(&str, &str)]) -> Put {
    let request = HttpRequest::post(path, "application/x-www-form-urlencoded", form(fields));
    Put::page(name, request).judged(|name, raw| match raw {
        Raw::Page(page) if page.is_success() || page.status == 302 => Verdict::Fine(None),
        Raw::Page(page) if matches!(page.status, 401 | 403) => {
            Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() })
        }
        Raw::Page(page) if page.status < 500 => refused(name, &format!("HTTP {}", page.status)),
        raw => {
            let (question, excerpt) = (name.to_owned(), Excerpt::of_bytes(raw.body()));
            Verdict::Unclear(ProtocolError::Malformed { question, excerpt })
        }
    })
}

/// The form as it is, with other pools for the coin that is mined.
fn filled(heard: &Heard, slots: &[[String; 3]]) -> Result<Vec<(String, String)>, ProtocolError> {
    let page = heard.body(POOLS).unwrap_or_default();
    let malformed =
        |words: &str| ProtocolError::Malformed { question: POOLS.to_owned(), excerpt: Excerpt::of(words) };
    let mut fields = fields(&String::from_utf8_lossy(page));
    let coin = format!("{OURS}select_coin");
    let coin = fields.iter().find(|(key, _)| *key == coin).map(|(_, coin)| coin.clone());
    let coin = coin.filter(|coin| !coin.is_empty()).ok_or_else(|| malformed("the form has no coin"))?;
    for (number, [url, user, password]) in (1..).zip(slots) {
        for (what, value) in [("url", url), ("user", user), ("pw", password)] {
            let key = format!("{OURS}{coin}_pool{number}{what}");
            let field = fields.iter_mut().find(|(known, _)| *known == key);
            let (_, field) = field.ok_or_else(|| malformed("the form has no pools of that coin"))?;
            field.clone_from(value);
        }
    }
    Ok(fields)
}

/// The fields of a form that are the mining program's, and the word by which LuCI knows that the form is its own.
fn fields(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut select: Option<String> = None;
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = attribute(tag, "name").filter(|name| name.starts_with(OURS) || name == "token");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name = name.filter(|name| name.chars().all(plain));
        if tag.starts_with("input") {
            let is_off = matches!(attribute(tag, "type").as_deref(), Some("checkbox" | "radio"))
                && !tag.contains("checked");
            if let Some(name) = name.filter(|_| !is_off) {
                found.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        } else if tag.starts_with("select") {
            select = name;
        } else if tag.starts_with("/select") {
            select = None;
        } else if tag.starts_with("option")
            && tag.contains("selected")
            && let Some(name) = select.take()
        {
            found.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    found.truncate(MOST_FIELDS);
    found
}

/// A value in quotation marks.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once(name)?;
        rest = after;
        if let (true, Some(value)) = (before.ends_with(char::is_whitespace), after.strip_prefix("=\"")) {
            let value = value.split('"').next()?;
            let plain = value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
            return Some(plain.replace("&#34;", "\"").replace("&amp;", "&"));
        }
    }
}

#[cfg(test)]
mod tests {
    //! Forms, read and filled in.
    use super::*;
    use bitlink_model::{Identity, PoolSetting};

    const FORM: &str = r#"<form><input type="hidden" name="token" value="ab12" />
        <select name="cbid.cgminer.default.select_coin"><option value="eth">e</option>
        <option value="grin" selected="selected">g</option></select>
        <input type="text" name="cbid.cgminer.default.eth_pool1url" value="eth&amp;old" />
        <input name="cbid.cgminer.default.grin_pool1url" value="old1"/><input name="cbid.cgminer.default.grin_pool1user" value="u"/>
        <input name="cbid.cgminer.default.grin_pool1pw"/><input name="cbid.cgminer.default.grin_pool2url" value="old2"/>
        <input name="cbid.cgminer.default.grin_pool2user"/><input name="cbid.cgminer.default.grin_pool2pw"/>
        <input name="cbid.cgminer.default.grin_pool3url"/><input name="cbid.cgminer.default.grin_pool3user"/>
        <input name="cbid.cgminer.default.grin_pool3pw"/><input type="checkbox" name="cbid.cgminer.default.beep" value="1"/>
        <input name="other" value="1"/></form>"#;

    fn sent(page: &str) -> Result<Vec<(String, String, String)>, ProtocolError> {
        let action = Action::SetPools { pools: vec![PoolSetting::new("stratum+tcp://a:1", "u", "p&q")] };
        let identity = Identity::default();
        let plan = plan(&Order { action: &action, identity: &identity, credentials: &[] }).unwrap();
        let mut heard = Heard::default();
        heard.insert(POOLS, Raw::of_page(200, page));
        plan.pages_after(&heard)
    }

    #[test]
    fn pools_are_those_of_the_coin_that_is_mined() {
        let sent = sent(FORM).unwrap();
        let [(method, path, body)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((method.as_str(), path.as_str()), ("POST", POOLS_PAGE));
        for part in [
            "cbi.submit=1",
            "token=ab12",
            "eth_pool1url=eth%26old",
            "grin_pool1url=stratum%2Btcp%3A%2F%2Fa%3A1",
            "grin_pool1pw=p%26q",
            "grin_pool2url=&",
        ] {
            assert!(body.contains(part), "{part} in {body}");
        }
        assert!(!body.contains("old1") && !body.contains("beep") && !body.contains("other"), "{body}");
    }

    #[test]
    fn a_form_that_is_not_understood_is_not_sent_back() {
        for page in
            ["", "<html>", &FORM.replace("select_coin", "choose_coin"), &FORM.replace("grin_pool3pw", "x")]
        {
            assert!(matches!(sent(page), Err(ProtocolError::Malformed { .. })), "{page}");
        }
    }
}
