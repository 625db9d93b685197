//! Taking a plan back: what each machine would have to be told to be as it was, as far as that was read before.

use crate::hands::{LookError, Seen};
use crate::journal::{Past, Progress};
use crate::marks::{Marks, Sameness};
use crate::outcome::Outcome;
use crate::plan::{Candidate, Plan, PlanError, SkipReason, Skipped};
use crate::policy::{Groups, Policy};
use bitlink_model::{Action, FanSetting, MinerSnapshot, MiningState, PoolSetting, Secret, Timestamp};
use bitlink_transport::Endpoint;

/// For each target of a plan that a command may have reached: where it was, and what would take that back, or why nothing does.
pub fn earlier(past: &Past) -> Vec<(Endpoint, Result<Action, String>)> {
    let targets = past.plan.targets.iter().zip(&past.progress);
    targets
        .filter_map(|(target, progress)| {
            let before = match progress {
                Progress::Begun { before } => before,
                Progress::Ended { outcome, before, .. } if may_have_changed(outcome) => before,
                _ => return None,
            };
            let action = before
                .as_deref()
                .ok_or_else(|| "it was not read before".to_owned())
                .and_then(|before| back(&past.plan.action_for(target), before));
            Some((target.endpoint, action))
        })
        .collect()
}

const fn may_have_changed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Verified | Outcome::Applied { .. } | Outcome::Unknown { .. })
}

/// A plan that takes another back. `look` has what was seen just now at each address that [`earlier`] names; what is not there
/// counts as unseen. No reading tells the passwords of pools, so one is given for all of them.
///
/// # Errors
/// [`PlanError`], as for any other plan; [`PlanError::Setting`] when there is nothing to be taken back.
pub fn undo(
    past: &Past,
    policy: Policy,
    groups: &Groups,
    at: Timestamp,
    pool_password: &Secret,
    mut look: impl FnMut(Endpoint) -> Option<Result<Seen, LookError>>,
) -> Result<Plan, PlanError> {
    let mut candidates = Vec::new();
    let mut skipped = Vec::new();
    for (endpoint, action) in earlier(past) {
        let target = past.plan.targets.iter().find(|target| target.endpoint == endpoint);
        let mut skip = |why: String| {
            let name = target.and_then(|target| target.name.clone());
            skipped.push(Skipped { endpoint, name, reason: SkipReason::NothingToUndo { why } });
        };
        let action = match action {
            Ok(action) => with_password(action, pool_password),
            Err(why) => {
                skip(why);
                continue;
            }
        };
        let unseen = || Err(LookError::Unreachable { why: "nobody looked".to_owned() });
        let seen = look(endpoint).unwrap_or_else(unseen);
        // The old settings of one machine are not for another.
        let is_other = seen.as_ref().ok().zip(target).is_some_and(|(seen, target)| {
            target.marks.compare(&Marks::of(&seen.snapshot.identity)) == Sameness::Other
        });
        if is_other {
            skip("another machine answers there now".to_owned());
            continue;
        }
        candidates.push(Candidate::new(endpoint, seen).with_action(action));
    }
    let Some(first) = candidates.iter().find_map(|candidate| candidate.action.clone()) else {
        let why = skipped.first().map(|skipped| format!(": {}", skipped.reason)).unwrap_or_default();
        return Err(PlanError::Setting { what: format!("there is nothing to be taken back{why}") });
    };
    let mut plan = Plan::make(first, policy, groups, at, candidates)?;
    plan.skipped.extend(skipped);
    plan.undoes = Some(past.plan.id.clone());
    plan.id = plan.name();
    Ok(plan)
}

fn with_password(mut action: Action, password: &Secret) -> Action {
    if let Action::SetPools { pools } = &mut action {
        for pool in pools.iter_mut().filter(|pool| !pool.password.is_known()) {
            pool.password = password.clone();
        }
    }
    action
}

/// What takes an action back.
fn back(done: &Action, before: &MinerSnapshot) -> Result<Action, String> {
    let untold = |what: &str| format!("it had not told its {what}");
    match done {
        Action::SetPools { .. } => pools(before),
        Action::SwitchPool { .. } => {
            let active = before.pools.iter().find(|pool| pool.active == Some(true));
            active.map(|pool| Action::SwitchPool { pool: pool.id }).ok_or_else(|| untold("pool in use"))
        }
        Action::PowerLimit { .. } => {
            before.power_limit.map(|power| Action::PowerLimit { power }).ok_or_else(|| untold("power limit"))
        }
        Action::PowerMode { .. } => {
            let mode = before.tuning.mode.as_ref().map(ToString::to_string);
            mode.map(|mode| Action::PowerMode { mode }).ok_or_else(|| untold("power mode"))
        }
        Action::SetFrequency { .. } => {
            let frequency = before.tuning.target_frequency.or(before.tuning.frequency);
            frequency.map(|frequency| Action::SetFrequency { frequency }).ok_or_else(|| untold("frequency"))
        }
        Action::Fans { .. } => {
            fans(before).map(|fans| Action::Fans { fans }).ok_or_else(|| untold("fan mode"))
        }
        Action::Locate { .. } => before.light.map(|on| Action::Locate { on }).ok_or_else(|| untold("light")),
        Action::Pause if before.mining_state == Some(MiningState::Stopped) => {
            Err("it stood still before".to_owned())
        }
        Action::Pause => Ok(Action::Resume),
        Action::Resume if before.mining_state == Some(MiningState::Stopped) => Ok(Action::Pause),
        Action::Resume => Err("it was not stopped before".to_owned()),
        other => Err(format!("{} cannot be taken back", other.kind())),
    }
}

fn pools(before: &MinerSnapshot) -> Result<Action, String> {
    let mut old: Vec<_> = before.pools.iter().collect();
    old.sort_by_key(|pool| (pool.priority.unwrap_or(i64::MAX), pool.id));
    let setting = |pool: &bitlink_model::Pool| {
        let url = pool.url.as_deref().filter(|url| !url.is_empty())?;
        // A password in it was not kept.
        let is_whole = !url.contains('…');
        let mut setting = PoolSetting::new(url, pool.user.as_deref()?, "");
        setting.password = Secret::default();
        is_whole.then_some(setting)
    };
    let pools: Option<Vec<PoolSetting>> = old.into_iter().map(setting).collect();
    match pools {
        Some(pools) if !pools.is_empty() => Ok(Action::SetPools { pools }),
        _ => Err("it had not told all of its pools".to_owned()),
    }
}

/// How its fans were driven, where a reading tells: a speed alone does not say who chose it.
fn fans(before: &MinerSnapshot) -> Option<FanSetting> {
    match before.tuning.liquid_cooled {
        Some(true) => Some(FanSetting::Off),
        _ => before.tuning.target_temperature.map(|_| FanSetting::Automatic),
    }
}
