//! Orders to the web servers of VolcMiner, which takes forms, and of Hammer, whose pages are Bitmain's and take JSON.

use crate::face::Moment;
use crate::http::{Request, Response};
use crate::orders::Order;
use serde_json::Value;

/// Answers a request that changes something; `None` for any other.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>, is_volcminer: bool) -> Option<Response> {
    let name = request.path().strip_prefix("/cgi-bin/")?.strip_suffix(".cgi")?;
    if name == "reboot" {
        moment.order(Order::Reboot);
        return Some(Response::nothing());
    }
    let is_posted = request.method == "POST";
    Some(match name {
        "post_led_onoff" if is_posted && is_volcminer => {
            let on = match request.field("_bb_type").as_deref() {
                Some("rgOn") => true,
                Some("rgOff") => false,
                _ => return Some(Response::html(400, "")),
            };
            moment.order(Order::Light(on));
            Response::html(200, "ok")
        }
        // A head of its own stands in the body.
        "passwdV1" if is_posted && is_volcminer => {
            let old = request.field("cur_pwd");
            let new = request.field("new_pwd").filter(|new| !new.is_empty());
            let code = match new.filter(|_| old.as_deref() == Some(moment.password("ltc@dog"))) {
                Some(new) => {
                    moment.order(Order::Password(new));
                    "200"
                }
                None => "403",
            };
            Response::html(200, format!("Content-Type: application/json\n\n{{\"code\":\"{code}\"}}"))
        }
        "blink" if is_posted && !is_volcminer => {
            let body = serde_json::from_slice::<Value>(request.body).unwrap_or_default();
            let on = body.get("blink").and_then(Value::as_str) == Some("true");
            moment.order(Order::Light(on));
            Response::json(if on { r#"{"code":"B000"}"# } else { r#"{"code":"B100"}"# })
        }
        _ => return None,
    })
}
