//! What LuxOS can be told on TCP 4028 (LuxOS API docs). Most of it wants the one session that there is, which goes before
//! everything else a command says; pools want none.

use super::super::cgminer;
use crate::acting::{ActError, Move, Order, Plan, Put, Verdict, duty_percent};
use crate::decode::StatusLetter;
use crate::error::{Excerpt, ProtocolError};
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, Support};

/// How often a session that was forgotten is asked for.
const LOGONS: u32 = 2;

pub(super) fn capabilities() -> Capabilities {
    let unknown = Support::no("how this command puts its settings is not established");
    Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::SwitchPool,
            ActionKind::PowerMode,
            ActionKind::Fans,
        ])
        .with(ActionKind::PowerLimit, unknown.clone())
        .with(ActionKind::Network, unknown.clone())
        .with(ActionKind::FactoryReset, unknown.clone())
        .with(ActionKind::Update, unknown)
        .with(ActionKind::SetFrequency, Support::no("each board has its own; profiles set all of them"))
        .with(ActionKind::Password, Support::no("the API knows no password"))
        .with(ActionKind::ReadLogs, Support::no("the API does not give its logs away"))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => in_session("rebootdevice", None, true),
        Action::Restart => in_session("resetminer", None, true),
        Action::Pause => in_session("curtail", Some("sleep".to_owned()), false),
        Action::Resume => in_session("curtail", Some("wakeup".to_owned()), false),
        Action::Locate { on } => {
            in_session("ledset", Some(if *on { "red,blink" } else { "red,auto" }.to_owned()), false)
        }
        Action::PowerMode { mode } => in_session("profileset", Some(plain(mode)?.to_owned()), false),
        Action::Fans { fans: FanSetting::Automatic } => {
            in_session("fanset", Some("speed=-1".to_owned()), false)
        }
        Action::Fans { fans: FanSetting::Fixed { duty } } => {
            in_session("fanset", Some(format!("speed={}", duty_percent(*duty)?)), false)
        }
        Action::SwitchPool { .. } => cgminer::commands::plan(order)?,
        Action::SetPools { pools } => {
            for pool in pools {
                let password = crate::acting::secret(&pool.password)?;
                for text in [pool.url.as_str(), pool.user.as_str(), password] {
                    plain(text)?;
                }
            }
            cgminer::commands::replace_pools(pools, ToOwned::to_owned, false)?
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

/// What stands between commas has none of its own: there is no way to write one.
fn plain(text: &str) -> Result<&str, ActError> {
    if text.contains(',') {
        Err(ActError::impossible("the firmware cannot be told a comma"))
    } else {
        Ok(text)
    }
}

/// A command within a session that is taken before and given back after.
fn in_session(command: &'static str, rest: Option<String>, goes_down: bool) -> Plan {
    Plan::new(attempt(command, rest, goes_down, 0))
}

fn attempt(command: &'static str, rest: Option<String>, goes_down: bool, tries: u32) -> Vec<Move> {
    // Whoever cannot log on because there is a session already is told so, with this code or another.
    let logon = Put::bytes("logon", br#"{"command":"logon"}"#.to_vec()).judged(|name, raw| {
        let document = match raw.document(name) {
            Ok(document) => document,
            Err(error) => return Verdict::Unclear(error),
        };
        let status = document.status();
        if status.as_ref().is_some_and(|s| matches!(s.letter, StatusLetter::Error | StatusLetter::Fatal)) {
            let words = status.and_then(|status| status.message).unwrap_or_default();
            let message = Excerpt::of(&words);
            return Verdict::Refused(ProtocolError::Locked { question: name.to_owned(), message });
        }
        Verdict::Fine(None)
    });
    vec![
        logon.into(),
        Move::decide(move |heard| {
            let document = heard.document("logon")?;
            let session = document
                .section("SESSION")
                .first()
                .and_then(|s| s.get("SessionID")?.as_str().map(str::to_owned));
            let Some(session) =
                session.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()))
            else {
                let (question, excerpt) = ("logon".to_owned(), Excerpt::of("no session"));
                return Err(ProtocolError::Malformed { question, excerpt });
            };
            let parameter = rest.as_ref().map_or_else(|| session.clone(), |rest| format!("{session},{rest}"));
            let put = Put::api(command, Some(&parameter)).map_err(|_too_long| ProtocolError::Finished)?;
            let put = put.or_refused(move |reason| {
                let forgotten = reason.to_ascii_lowercase().contains("session");
                (forgotten && tries + 1 < LOGONS).then(|| attempt(command, rest, goes_down, tries + 1))
            });
            let put = if goes_down { put.may_close() } else { put };
            let mut moves: Vec<Move> = vec![put.writes().into()];
            if let Ok(logoff) = Put::api("logoff", Some(&session)) {
                moves.push(logoff.last_rite().into());
            }
            Ok(moves)
        }),
    ]
}
