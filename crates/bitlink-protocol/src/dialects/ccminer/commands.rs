//! What ccminer can be told, by whoever its `--api-allow` lets (ccminer `api.cpp`): to work for another of its pools. It can also
//! be told to end, and then nobody starts it again, and of one pool more, which it forgets.

use super::PORT;
use crate::acting::{ActError, Order, Plan, Put, Raw, Verdict, refused};
use crate::command::Command;
use crate::error::{Excerpt, ProtocolError};
use bitlink_model::{Action, ActionKind, Capabilities, Support};

pub(super) fn capabilities() -> Capabilities {
    let whole = Support::no("the program does not rule the machine");
    let cards = Support::no("the program only reads what its cards are set to");
    let idle = Support::no("the program can be ended, and nobody starts it again");
    Capabilities::default()
        .with_all(&[ActionKind::SwitchPool])
        .with(ActionKind::Reboot, whole.clone())
        .with(ActionKind::Restart, idle.clone())
        .with(ActionKind::Pause, idle.clone())
        .with(ActionKind::Resume, idle)
        .with(ActionKind::Locate, whole.clone())
        .with(ActionKind::SetPools, Support::no("it takes one pool more, keeps the others, and forgets it"))
        .with(ActionKind::PowerLimit, cards.clone())
        .with(ActionKind::PowerMode, cards.clone())
        .with(ActionKind::SetFrequency, cards.clone())
        .with(ActionKind::Fans, cards)
        .with(ActionKind::Network, whole.clone())
        .with(ActionKind::Password, whole.clone())
        .with(ActionKind::FactoryReset, whole.clone())
        .with(ActionKind::Update, whole.clone())
        .with(ActionKind::ReadLogs, whole)
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::SwitchPool { pool } => {
            let command = Command::new("switchpool").with_parameter(pool.to_string());
            Plan::one(Put::text("switchpool", &command)?.with_port(PORT).judged(by_word))
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// `ok|` or `fail|`; who is not let in hears nothing.
fn by_word(name: &'static str, raw: &Raw) -> Verdict {
    let text = String::from_utf8_lossy(raw.body());
    match text.trim_matches(['\0', ' ', '\n', '\r', '|']) {
        "ok" => Verdict::Fine(None),
        "fail" => refused(name, "fail"),
        other => Verdict::Unclear(ProtocolError::Malformed {
            question: name.to_owned(),
            excerpt: Excerpt::of(other),
        }),
    }
}

#[cfg(test)]
mod tests {
    //! Words, byte for byte.
    use super::*;
    use crate::exchange::Request;

    #[test]
    fn a_word_and_a_number() {
        let command = Command::new("switchpool").with_parameter("1");
        let put = Put::text("switchpool", &command).unwrap().with_port(PORT);
        let Request::Api(request) = put.request() else { panic!("no words") };
        assert_eq!((&*request.bytes, request.port), (b"switchpool|1".as_slice(), Some(4068)));
        assert!(matches!(by_word("switchpool", &Raw::of_page(200, "ok|\0")), Verdict::Fine(_)));
        assert!(matches!(by_word("switchpool", &Raw::of_page(200, "fail|")), Verdict::Refused(_)));
        assert!(matches!(by_word("switchpool", &Raw::of_page(200, "?")), Verdict::Unclear(_)));
    }
}
