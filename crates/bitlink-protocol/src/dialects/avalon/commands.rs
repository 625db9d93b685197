//! What Canaan's firmware can be told: options of its one device, by `ascset`, open to everybody but for pools and passwords
//! (Canaan universal API manual).

use super::super::cgminer;
use crate::acting::{ActError, Move, Order, Plan, Put, Verdict, duty_percent, mask, secret};
use crate::auth::Credentials;
use crate::command::escape;
use crate::error::ProtocolError;
use bitlink_model::{
    Action, ActionKind, Capabilities, FanSetting, Identity, NetworkSetting, PoolSetting, Support,
};
use std::sync::Arc;

const SLOTS: usize = 3;

/// How a machine's firmware differs, by its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    /// A10 to A12: its boards are switched off, and come back with the next start only.
    Early,
    /// A13 and later.
    Late,
    /// Q, Nano, Mini.
    Home,
}

fn generation(identity: &Identity) -> Generation {
    let model = identity.model.as_deref().unwrap_or_default();
    let digits: String = model.trim_start_matches('A').chars().take_while(char::is_ascii_digit).collect();
    match digits.as_bytes() {
        [] => Generation::Home,
        [b'1', b'0'..=b'2', ..] => Generation::Early,
        _ => Generation::Late,
    }
}

pub(super) fn capabilities(identity: &Identity) -> Capabilities {
    let able = Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Restart,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::Locate,
            ActionKind::SetPools,
            ActionKind::PowerMode,
            ActionKind::Fans,
            ActionKind::Network,
            ActionKind::Password,
            ActionKind::FactoryReset,
        ])
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has modes and no limit"))
        .with(
            ActionKind::SetFrequency,
            Support::no("the firmware has it behind a switch that voids the warranty"),
        )
        .with(ActionKind::Update, Support::no("the API takes no files"))
        .with(ActionKind::ReadLogs, Support::no("the API does not give its logs away"));
    if generation(identity) == Generation::Early {
        return able
            .with(ActionKind::Resume, Support::no("boards that are off come back with a reboot only"));
    }
    able
}

/// The 7xx, 8xx and 9xx, whose firmware is cgminer with a driver.
pub(super) fn capabilities_old() -> Capabilities {
    cgminer::commands::capabilities()
        .with(ActionKind::Locate, Support::Unverified)
        .with(ActionKind::SwitchPool, Support::Yes)
}

pub(super) fn plan_old(order: &Order<'_>) -> Result<Plan, ActError> {
    match order.action {
        Action::Locate { on } => Ok(Plan::one(option(&format!("led,1-{}", u8::from(*on)))?)),
        _ => cgminer::commands::plan(order),
    }
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    let generation = generation(order.identity);
    Ok(match order.action {
        Action::Reboot => Plan::one(option("reboot,0")?.may_close()),
        Action::Restart => Plan::one(Put::api("restart", None)?.may_close()),
        Action::Pause if generation == Generation::Early => Plan::one(option("hashpower,0")?),
        Action::Pause => at_once("softoff")?,
        Action::Resume => at_once("softon")?,
        Action::Locate { on } => Plan::one(option(&format!("led,1-{}", u8::from(*on)))?),
        Action::PowerMode { mode } => work_mode(order.identity, generation, mode)?,
        Action::Fans { fans: FanSetting::Automatic } => Plan::one(option("fan-spd,-1")?),
        Action::Fans { fans: FanSetting::Fixed { duty } } => {
            Plan::one(option(&format!("fan-spd,{}", duty_percent(*duty)?))?)
        }
        Action::SetPools { pools } => set_pools(pools, order.credentials)?,
        Action::Password { new, .. } => password(secret(new)?, order.credentials)?,
        Action::Network { network } => self::network(network)?,
        Action::FactoryReset => Plan::one(option("restore")?.may_close()),
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn option(words: &str) -> Result<Put, ActError> {
    Put::api("ascset", Some(&format!("0,{words}")))
}

/// Soft off and on are dated; a time that is past is at once. The machine's own clock tells it.
fn at_once(word: &'static str) -> Result<Plan, ActError> {
    let clock = Put::api("version", None)?.judged(|_, _| Verdict::Fine(None));
    Ok(Plan::new([
        clock.into(),
        Move::decide(move |heard| {
            let when = heard.document("version")?.status().and_then(|status| status.when);
            let seconds = when.map_or(0, |when| when.as_unix_millis() / 1000);
            let put = option(&format!("{word},1:{seconds}")).map_err(|_too_long| ProtocolError::Finished)?;
            Ok(vec![put.may_close().writes().into()])
        }),
    ]))
}

/// The number of a mode. On the larger machines a mode counts from the next start on; newer firmware wants one word more.
fn work_mode(identity: &Identity, generation: Generation, mode: &str) -> Result<Plan, ActError> {
    let model = identity.model.as_deref().unwrap_or_default();
    let names = super::controllers::modes(model);
    let at = names.iter().position(|name| name.eq_ignore_ascii_case(mode.trim()));
    let Some(at) = at else {
        return Err(ActError::impossible(format!("the modes are {}", names.join(", ").to_ascii_lowercase())));
    };
    let (first, other) = (format!("workmode,set,{at}"), format!("workmode,{at}"));
    let (first, other) = if generation == Generation::Early { (other, first) } else { (first, other) };
    let plan = Plan::one(or_else(&first, other)?);
    Ok(if generation == Generation::Home { plan } else { plan.after_restart() })
}

/// One way to say it, and another for firmware that does not take the first.
fn or_else(first: &str, second: String) -> Result<Put, ActError> {
    Ok(option(first)?.or_refused(move |_| Some(vec![option(&second).ok()?.writes().into()])))
}

fn network(network: &NetworkSetting) -> Result<Plan, ActError> {
    Ok(match network {
        NetworkSetting::Dhcp => Plan::one(or_else("ip,d", "ip,dhcp".to_owned())?).after_restart(),
        NetworkSetting::Static { address, prefix, gateway, dns } => {
            let numbers = format!("{address},{},{gateway}", mask(*prefix));
            let mut moves: Vec<Move> =
                vec![or_else(&format!("ip,s,{numbers}"), format!("ip,static,{numbers}"))?.writes().into()];
            let dns: Vec<String> = dns.iter().take(2).map(ToString::to_string).collect();
            if !dns.is_empty() {
                moves.push(option(&format!("dns,{}", dns.join(",")))?.writes().into());
            }
            Plan::new(moves).after_restart()
        }
        _ => return Err(ActError::impossible("no such way to an address is known")),
    })
}

/// What is told with a password that must be right.
#[derive(Debug)]
struct Guarded {
    /// With the place of name and password left open.
    words: Vec<(String, Option<String>)>,
    credentials: Vec<Credentials>,
    /// Whether the password alone is wanted.
    is_nameless: bool,
}

fn guarded(
    words: Vec<(String, Option<String>)>,
    credentials: &[Credentials],
    is_nameless: bool,
) -> Result<Plan, ActError> {
    let mut credentials = credentials.to_vec();
    if credentials.is_empty() {
        credentials.push(Credentials::new("root", "root"));
    }
    let guarded = Arc::new(Guarded { words, credentials, is_nameless });
    let moves = attempt(&guarded, 0, 0, false)?;
    Ok(Plan::new(moves).after_restart())
}

/// The words from one on, with one of the passwords. Old firmware knows no slots.
fn attempt(guarded: &Arc<Guarded>, from: usize, which: usize, old: bool) -> Result<Vec<Move>, ActError> {
    let Some(Credentials { user, password }) = guarded.credentials.get(which) else { return Ok(Vec::new()) };
    let Some((before, after)) = guarded.words.get(from) else { return Ok(Vec::new()) };
    let after = after.clone().unwrap_or_default();
    let after = if old { after.split_once(',').map_or("", |(_, rest)| rest).to_owned() } else { after };
    let who =
        if guarded.is_nameless { escape(password) } else { format!("{},{}", escape(user), escape(password)) };
    let again = Arc::clone(guarded);
    let next = Arc::clone(guarded);
    let put = option(&format!("{before},{who},{after}"))?.writes().or_refused(move |reason| {
        let wrong = reason.to_ascii_lowercase();
        if ["auth", "passw"].iter().any(|word| wrong.contains(word)) {
            return attempt(&again, from, which + 1, old).ok().filter(|moves| !moves.is_empty());
        }
        // Only the first pool shows whether there are slots.
        (from == 0 && !old && !again.is_nameless).then(|| attempt(&again, 0, which, true).ok())?
    });
    Ok(vec![
        put.into(),
        Move::decide(move |_| {
            attempt(&next, from + 1, which, old).map_err(|_too_long| ProtocolError::Finished)
        }),
    ])
}

/// All slots, so that none of those from before is left; the last pool stands in those that are not used.
fn set_pools(pools: &[PoolSetting], credentials: &[Credentials]) -> Result<Plan, ActError> {
    if pools.len() > SLOTS {
        return Err(ActError::impossible("the firmware has room for three pools"));
    }
    let mut words = Vec::with_capacity(SLOTS);
    let last = pools.last();
    for slot in 0..SLOTS {
        let Some(pool) = pools.get(slot).or(last) else { break };
        let password = secret(&pool.password)?;
        let details = [pool.url.as_str(), pool.user.as_str(), password].map(escape).join(",");
        words.push(("setpool".to_owned(), Some(format!("{slot},{details}"))));
    }
    guarded(words, credentials, false)
}

fn password(new: &str, credentials: &[Credentials]) -> Result<Plan, ActError> {
    Ok(guarded(vec![("password".to_owned(), Some(escape(new)))], credentials, true)?.at_once())
}
