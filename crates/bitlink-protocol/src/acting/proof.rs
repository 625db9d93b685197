//! Whether readings show that an action had its effect.

use super::settings::Address;
use bitlink_model::{Action, MinerSnapshot, MiningState, Pool, PoolSetting, Span};

/// What readings say of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// They show that it had its effect.
    Proven,
    /// They do not show it yet.
    NotYet,
    /// They show something else than was told.
    Contradicted {
        /// What.
        why: String,
    },
    /// Nothing that this firmware tells would show it.
    Impossible,
}

/// Whether a reading after an action shows that it had its effect. A reading from before it helps: some effects are seen
/// only by comparison.
pub fn proof(action: &Action, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
    match action {
        Action::Reboot | Action::FactoryReset | Action::Update { .. } => booted(action, before, after),
        Action::Restart => restarted(before, after),
        Action::Pause => match after.mining_state {
            Some(MiningState::Stopped) => Proof::Proven,
            Some(_) => Proof::NotYet,
            None => turned(hashes_now(after).map(|hashes| !hashes)),
        },
        Action::Resume => match after.mining_state {
            Some(MiningState::Mining) => Proof::Proven,
            Some(_) => Proof::NotYet,
            None => turned(hashes_now(after)),
        },
        Action::Locate { on } => match after.light {
            Some(light) if light == *on => Proof::Proven,
            Some(_) => Proof::NotYet,
            None => Proof::Impossible,
        },
        Action::SetPools { pools } => pools_are(pools, before, after),
        Action::SwitchPool { pool } => switched(*pool, before, after),
        Action::PowerLimit { power } => match after.power_limit {
            Some(limit) if (limit.as_watts() - power.as_watts()).abs() < 1.0 => Proof::Proven,
            Some(limit) => {
                other_than_before(before.and_then(|before| before.power_limit) == Some(limit), || {
                    format!("the limit is {limit}")
                })
            }
            None => Proof::Impossible,
        },
        Action::PowerMode { mode } => match &after.tuning.mode {
            Some(now) if now.trim().eq_ignore_ascii_case(mode.trim()) => Proof::Proven,
            Some(now) => {
                other_than_before(before.and_then(|before| before.tuning.mode.as_ref()) == Some(now), || {
                    format!("the mode is {now}")
                })
            }
            None => Proof::Impossible,
        },
        Action::SetFrequency { frequency } => runs_at(frequency.as_megahertz(), after),
        // How fans are driven, the address and the password are not part of a reading.
        _ => Proof::Impossible,
    }
}

/// A reading that is as before shows nothing yet; one that is otherwise, and not as told, shows that somebody else was at it.
fn other_than_before(is_as_before: bool, why: impl FnOnce() -> String) -> Proof {
    if is_as_before { Proof::NotYet } else { Proof::Contradicted { why: why() } }
}

fn turned(as_told: Option<bool>) -> Proof {
    match as_told {
        Some(true) => Proof::Proven,
        Some(false) => Proof::NotYet,
        None => Proof::Impossible,
    }
}

/// Whether it hashes, by the rate of the last moments.
fn hashes_now(snapshot: &MinerSnapshot) -> Option<bool> {
    snapshot.hashrate.realtime.map(|rate| rate.as_hs() > 0.0)
}

/// What a machine is set to is exact; what its boards run at is measured, and of each of them.
fn runs_at(megahertz: f64, after: &MinerSnapshot) -> Proof {
    let is_near = |now: f64, slack: f64| (now - megahertz).abs() < slack;
    if let Some(now) = after.tuning.target_frequency.or(after.tuning.frequency) {
        return turned(Some(is_near(now.as_megahertz(), 1.0)));
    }
    let mut boards = after.boards.iter().filter_map(|board| board.frequency).peekable();
    if boards.peek().is_none() {
        return Proof::Impossible;
    }
    turned(Some(boards.all(|now| is_near(now.as_megahertz(), (megahertz * MEASURED).max(1.0)))))
}

/// How far a frequency that was measured may be from what was told.
const MEASURED: f64 = 0.005;

/// The machine has been down: the time since its boot fell back, and what hashed before hashes again.
fn booted(action: &Action, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
    let Some(before) = before else { return Proof::Impossible };
    let (then, now) = if before.uptime.is_some() && after.uptime.is_some() {
        (before.uptime, after.uptime)
    } else {
        (before.elapsed, after.elapsed)
    };
    // After a reset there may be no pool to hash for.
    let hashes = !matches!(action, Action::Reboot) || hashes_again(before, after);
    fell_back(before, then, after, now, hashes)
}

/// The mining program has been down: the time since its start fell back, and what hashed before hashes again.
fn restarted(before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
    let Some(before) = before else { return Proof::Impossible };
    let hashes = hashes_again(before, after);
    if before.elapsed.is_some() && after.elapsed.is_some() {
        return fell_back(before, before.elapsed, after, after.elapsed, hashes);
    }
    // The time since the boot goes on where only the program restarts, but its counters do not.
    let rebooted = fell_back(before, before.uptime, after, after.uptime, hashes);
    match (before.shares.accepted, after.shares.accepted) {
        (Some(then), Some(now)) if now < then && hashes => Proof::Proven,
        (Some(_), Some(_)) if rebooted != Proof::Proven => Proof::NotYet,
        _ if rebooted != Proof::Proven => Proof::Impossible,
        _ => rebooted,
    }
}

fn hashes_again(before: &MinerSnapshot, after: &MinerSnapshot) -> bool {
    let hashes = |snapshot: &MinerSnapshot| {
        snapshot.mining_state == Some(MiningState::Mining)
            || snapshot.hashrate.current().is_some_and(|rate| rate.as_hs() > 0.0)
    };
    !hashes(before) || hashes(after)
}

fn fell_back(
    before: &MinerSnapshot,
    then: Option<Span>,
    after: &MinerSnapshot,
    now: Option<Span>,
    hashes: bool,
) -> Proof {
    let (Some(then), Some(now)) = (then, now) else { return Proof::Impossible };
    let (then, now) = (then.as_seconds(), now.as_seconds());
    // By the miner's own clock, what would it be had nothing happened? Some seconds are for the reading itself.
    let passed = match (before.device_time, after.device_time) {
        (Some(before), Some(after)) => after.as_unix_millis().saturating_sub(before.as_unix_millis()) / 1000,
        _ => 0,
    };
    let grew_too_little = u64::try_from(passed)
        .is_ok_and(|passed| passed > SLACK_S && now.saturating_add(SLACK_S) < then.saturating_add(passed));
    if hashes && (now < then || grew_too_little) { Proof::Proven } else { Proof::NotYet }
}

/// How much the times of one reading may be apart.
const SLACK_S: u64 = 15;

/// The pools that are configured, unused slots aside, the first to be tried first.
fn configured(snapshot: &MinerSnapshot) -> Vec<&Pool> {
    let mut pools: Vec<&Pool> = snapshot
        .pools
        .iter()
        .filter(|pool| pool.url.as_deref().is_some_and(|url| !Address::of(url).host.is_empty()))
        .collect();
    pools.sort_by_key(|pool| pool.priority.unwrap_or_else(|| i64::from(pool.id)));
    pools
}

fn is_as_told(pool: &Pool, told: &PoolSetting) -> bool {
    let url = pool.url.as_deref().unwrap_or_default();
    Address::of(url).is_like(&Address::of(&told.url))
        && pool.user.as_deref().is_none_or(|user| user.trim() == told.user.trim())
}

fn pools_are(told: &[PoolSetting], before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
    let now = configured(after);
    if now.is_empty() {
        // It may have lost its session with the old ones and not have one with the new ones.
        return if before.is_some_and(|before| configured(before).is_empty()) {
            Proof::Impossible
        } else {
            Proof::NotYet
        };
    }
    // Where a place must not be empty, the last pool stands in those that are left.
    let last = told.last();
    let wanted = told.iter().chain(std::iter::repeat(last).flatten());
    if now.len() >= told.len() && now.iter().zip(wanted).all(|(pool, told)| is_as_told(pool, told)) {
        return Proof::Proven;
    }
    // Firmware that tells only of the pool in use.
    if let ([only], [_, _, ..]) = (now.as_slice(), told)
        && only.active == Some(true)
        && told.iter().any(|told| is_as_told(only, told))
    {
        return Proof::Proven;
    }
    let same = |a: &Pool, b: &Pool| a.url == b.url && a.user == b.user;
    let is_as_before = before.is_some_and(|before| {
        let then = configured(before);
        then.len() == now.len() && then.iter().zip(&now).all(|(a, b)| same(a, b))
    });
    other_than_before(is_as_before || before.is_none(), || {
        let urls: Vec<&str> = now.iter().filter_map(|pool| pool.url.as_deref()).collect();
        let words = crate::error::Excerpt::of(&urls.join(", "));
        format!("the pools are {words}")
    })
}

fn switched(id: u32, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
    // Firmware that tells only of the pool in use, and not which of them it is: that it is another one shows the effect.
    if let [now] = after.pools.as_slice()
        && now.active == Some(true)
        && now.priority.is_none()
    {
        let then = before.and_then(|before| before.pools.first());
        let is_other = then.is_some_and(|then| (&then.url, &then.user) != (&now.url, &now.user));
        return if is_other { Proof::Proven } else { Proof::NotYet };
    }
    if after.pools.iter().all(|pool| pool.active.is_none()) {
        return Proof::Impossible;
    }
    let active = after.pools.iter().find(|pool| pool.active == Some(true));
    if active.is_some_and(|pool| pool.id == id) { Proof::Proven } else { Proof::NotYet }
}
