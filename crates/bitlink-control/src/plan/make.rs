//! Making a plan of what was seen: who is in, in which order, in which steps.

use super::{
    Batch, Candidate, GroupLimit, Plan, PlanError, PlanId, SkipReason, Skipped, Target, obstacle,
    without_secrets,
};
use crate::hands::{LookError, Seen};
use crate::marks::Marks;
use crate::policy::{Groups, Policy};
use crate::template;
use bitlink_model::{
    Action, ActionKind, MinerSnapshot, MiningState, NetworkSetting, PoolSetting, Power, Span, Support,
    Timestamp,
};
use bitlink_transport::Endpoint;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// More steps than this are not looked through for a place where a target still fits.
const OPEN_STEPS: usize = 256;

impl Plan {
    /// Makes a plan: `action` for these machines, in the order in which they are given.
    ///
    /// # Errors
    /// [`PlanError`]: an action that is not complete, or a plan beyond its caps. Machines that cannot be commanded are no
    /// error; they are [skipped](Plan::skipped).
    pub fn make(
        action: Action,
        policy: Policy,
        groups: &Groups,
        at: Timestamp,
        candidates: impl IntoIterator<Item = Candidate>,
    ) -> Result<Self, PlanError> {
        check(&action, &policy)?;
        let mut sieve = Sieve::new(&action, &policy, groups);
        for candidate in candidates {
            sieve.take(candidate);
        }
        let Sieve { targets, skipped, .. } = sieve;
        let limits = groups.group.iter().map(|group| GroupLimit {
            name: group.name.clone(),
            max_at_once: group.max_at_once,
            max_power: group.max_power,
        });
        let limits: Vec<GroupLimit> = limits.collect();

        let power = sum(targets.iter().map(|target| target.power));
        caps(&action, &policy, targets.len(), power)?;
        let (targets, batches) = in_steps(targets, &limits, &policy);
        let estimate = estimate(&action, &policy, &batches);
        let assumed = targets.iter().filter(|target| target.power_assumed).count();
        let mut plan = Self {
            id: PlanId(String::new()),
            made_at: at,
            action,
            undoes: None,
            policy,
            groups: limits,
            batches,
            skipped,
            power,
            assumed_powers: u32::try_from(assumed).unwrap_or(u32::MAX),
            estimate,
            targets,
        };
        plan.id = plan.name();
        Ok(plan)
    }

    /// When it was made, and a few digits by which two of one millisecond differ.
    pub(crate) fn name(&self) -> PlanId {
        let mut hash = Sha256::new();
        hash.update(self.made_at.as_unix_millis().to_be_bytes());
        hash.update(self.undoes.as_ref().map_or("", PlanId::as_str));
        hash.update(serde_json::to_vec(&without_secrets(&self.action)).unwrap_or_default());
        for target in &self.targets {
            hash.update(target.endpoint.to_string());
            hash.update(target.marks.key().unwrap_or_default());
        }
        let digest = hash.finalize();
        let [a, b, c, ..] = digest.as_slice() else { return PlanId(String::new()) };
        let made = date(self.made_at.as_unix_millis());
        PlanId(format!("{made}-{}-{a:02x}{b:02x}{c:02x}", self.kind().as_str().replace('_', "-")))
    }
}

/// `20261126-033628`, in UTC. Days to a date after Howard Hinnant's `civil_from_days`.
fn date(millis: i64) -> String {
    let seconds = millis.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", second / 3_600, second / 60 % 60, second % 60)
}

fn check(action: &Action, policy: &Policy) -> Result<(), PlanError> {
    let setting = |what: &str| Err(PlanError::Setting { what: what.to_owned() });
    if policy.batch == Some(0) {
        return setting("a batch of no miners");
    }
    if policy.concurrency == 0 {
        return setting("nobody may be talked to at one time");
    }
    match action {
        Action::SetPools { pools } if pools.is_empty() => return setting("no pools"),
        Action::SetPools { pools } => {
            for pool in pools {
                template::check(&pool.user)
                    .map_err(|source| PlanError::Template { template: pool.user.clone(), source })?;
            }
        }
        Action::Network { network: NetworkSetting::Static { prefix, .. } } if !(1..=30).contains(prefix) => {
            return setting("a network's prefix is 1 to 30");
        }
        _ => {}
    }
    if action.is_complete() { Ok(()) } else { Err(PlanError::Incomplete) }
}

fn caps(action: &Action, policy: &Policy, miners: usize, power: Power) -> Result<(), PlanError> {
    if let Some(cap) = policy.max_miners
        && u64::try_from(miners).unwrap_or(u64::MAX) > u64::from(cap)
    {
        return Err(PlanError::TooManyMiners { miners, cap });
    }
    if let Some(cap) = policy.max_power
        && power > cap
    {
        return Err(PlanError::TooMuchPower { power, cap });
    }
    if matches!(action, Action::Network { network: NetworkSetting::Static { .. } }) && miners > 1 {
        return Err(PlanError::OneAddress { miners });
    }
    Ok(())
}

/// Sorts candidates into targets and those left out.
struct Sieve<'a> {
    action: &'a Action,
    policy: &'a Policy,
    groups: &'a Groups,
    targets: Vec<Target>,
    skipped: Vec<Skipped>,
    by_endpoint: HashSet<Endpoint>,
    by_mark: HashMap<String, Endpoint>,
}

impl<'a> Sieve<'a> {
    fn new(action: &'a Action, policy: &'a Policy, groups: &'a Groups) -> Self {
        Self {
            action,
            policy,
            groups,
            targets: Vec::new(),
            skipped: Vec::new(),
            by_endpoint: HashSet::new(),
            by_mark: HashMap::new(),
        }
    }

    fn take(&mut self, candidate: Candidate) {
        let endpoint = candidate.endpoint;
        let name = candidate.seen.as_ref().ok().and_then(|seen| seen.snapshot.identity.name());
        match self.target(candidate) {
            Ok(target) => self.targets.push(target),
            Err(reason) => self.skipped.push(Skipped { endpoint, name, reason }),
        }
    }

    fn target(&mut self, candidate: Candidate) -> Result<Target, SkipReason> {
        let Candidate { endpoint, seen, action: own } = candidate;
        if !self.by_endpoint.insert(endpoint) {
            return Err(SkipReason::Duplicate { of: endpoint });
        }
        let Seen { snapshot, capabilities } = seen.map_err(|error| match error {
            LookError::Unreachable { .. } => SkipReason::Dead { why: error.to_string() },
            LookError::AccessDenied { .. } => SkipReason::AccessDenied { why: error.to_string() },
            _ => SkipReason::Unreadable { why: error.to_string() },
        })?;
        let kind = own.as_ref().unwrap_or(self.action).kind();
        let support = capabilities.of(kind);
        if let Some(why) = obstacle(&support) {
            return Err(SkipReason::Unsupported { why });
        }
        let marks = Marks::of(&snapshot.identity);
        match marks.key() {
            Some(key) => {
                if let Some(of) = self.by_mark.insert(key.clone(), endpoint) {
                    self.by_mark.insert(key, of);
                    return Err(SkipReason::Duplicate { of });
                }
            }
            None if self.policy.unidentified || !kind.writes() => {}
            None => return Err(SkipReason::Unidentified),
        }
        let action = match own {
            Some(action) => Some(action),
            None => filled_in(self.action, endpoint, &snapshot)?,
        };
        let (power, power_assumed) = switched(action.as_ref().unwrap_or(self.action), &snapshot, self.policy);
        let mut groups = Vec::new();
        for (group, index) in self.groups.group.iter().zip(0_u32..) {
            if !group.has(endpoint.ip(), &marks) {
                continue;
            }
            if group.max_at_once == Some(0) || group.max_power.is_some_and(|most| power > most) {
                return Err(SkipReason::OverGroupLimit { group: group.name.clone() });
            }
            groups.push(index);
        }
        Ok(Target {
            endpoint,
            marks,
            name: snapshot.identity.name(),
            power,
            power_assumed,
            groups,
            action,
            unverified: matches!(support, Support::Unverified),
        })
    }
}

/// The action with its templates filled in; `None` where it has none.
fn filled_in(
    action: &Action,
    endpoint: Endpoint,
    snapshot: &MinerSnapshot,
) -> Result<Option<Action>, SkipReason> {
    let Action::SetPools { pools } = action else { return Ok(None) };
    if !pools.iter().any(|pool| template::is_template(&pool.user)) {
        return Ok(None);
    }
    let fill = |pool: &PoolSetting| {
        let user = template::fill(&pool.user, endpoint.ip(), snapshot)
            .map_err(|error| SkipReason::Template { why: error.to_string() })?;
        let mut pool = pool.clone();
        pool.user = user;
        Ok(pool)
    };
    Ok(Some(Action::SetPools { pools: pools.iter().map(fill).collect::<Result<_, _>>()? }))
}

/// Power that an action switches with a machine, and whether that was assumed.
pub(crate) fn switched(action: &Action, snapshot: &MinerSnapshot, policy: &Policy) -> (Power, bool) {
    let none = Power::from_watts(0.0).unwrap_or(policy.assumed_power);
    let kind = action.kind();
    if !kind.interrupts() {
        return (none, false);
    }
    let idle = matches!(snapshot.mining_state, Some(MiningState::Stopped | MiningState::Failed));
    // What a machine draws while it stands still says nothing of what it will draw.
    let running = snapshot.power.filter(|power| !idle && power.as_watts() > 0.0).or(snapshot.power_limit);
    match (action, running) {
        // A machine that stands still has nothing to be switched off.
        (Action::Pause, _) if idle => (snapshot.power.unwrap_or(none), false),
        (Action::PowerLimit { power: limit }, Some(running)) => {
            let change = (running.as_watts() - limit.as_watts()).abs();
            (Power::from_watts(change).unwrap_or(running), false)
        }
        (_, Some(running)) => (running, false),
        (_, None) => (policy.assumed_power, true),
    }
}

fn sum(powers: impl IntoIterator<Item = Power>) -> Power {
    let watts = powers.into_iter().map(Power::as_watts).sum::<f64>();
    Power::from_watts(watts).unwrap_or_else(|_infinite| {
        Power::from_watts(f64::MAX).unwrap_or_else(|_finite| unreachable!("the largest number is finite"))
    })
}

/// A step that still has room.
struct Open {
    members: Vec<usize>,
    size: usize,
    used: HashMap<u32, (u32, f64)>,
}

impl Open {
    fn admits(&self, target: &Target, limits: &[GroupLimit]) -> bool {
        self.members.len() < self.size
            && target.groups.iter().all(|group| {
                let limit = usize::try_from(*group).ok().and_then(|index| limits.get(index));
                let Some(limit) = limit else { return true };
                let (count, watts) = self.used.get(group).copied().unwrap_or_default();
                limit.max_at_once.is_none_or(|most| count < most)
                    && limit.max_power.is_none_or(|most| watts + target.power.as_watts() <= most.as_watts())
            })
    }

    fn enter(&mut self, index: usize, target: &Target) {
        self.members.push(index);
        for group in &target.groups {
            let used = self.used.entry(*group).or_default();
            *used = (used.0 + 1, used.1 + target.power.as_watts());
        }
    }
}

/// Puts targets into steps: each into the first that has room for it and its groups.
fn in_steps(targets: Vec<Target>, limits: &[GroupLimit], policy: &Policy) -> (Vec<Target>, Vec<Batch>) {
    let size = policy.batch.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX).max(1);
    let canary = usize::try_from(policy.canary).unwrap_or(usize::MAX).min(size);
    let mut done: Vec<Open> = Vec::new();
    let mut open: VecDeque<Open> = VecDeque::new();
    let step = |size| Open { members: Vec::new(), size, used: HashMap::new() };
    if canary > 0 {
        open.push_back(step(canary));
    }
    for (index, target) in targets.iter().enumerate() {
        if let Some(step) = open.iter_mut().find(|step| step.admits(target, limits)) {
            step.enter(index, target);
        } else {
            let mut another = step(size);
            another.enter(index, target);
            open.push_back(another);
        }
        while open.front().is_some_and(|step| step.members.len() >= step.size) || open.len() > OPEN_STEPS {
            done.extend(open.pop_front());
        }
    }
    done.extend(open);

    let mut left: Vec<Option<Target>> = targets.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(left.len());
    let mut batches = Vec::new();
    let mut healthy = canary;
    for step in done {
        let from = ordered.len();
        let members = step.members.iter();
        ordered.extend(members.filter_map(|index| left.get_mut(*index).and_then(Option::take)));
        let members = ordered.get(from..).unwrap_or_default();
        if members.is_empty() {
            continue;
        }
        let (power, count) = (sum(members.iter().map(|target: &Target| target.power)), members.len());
        batches.push(Batch {
            size: u32::try_from(count).unwrap_or(u32::MAX),
            power,
            canary: healthy > 0 && batches.is_empty(),
        });
        healthy = 0;
    }
    (ordered, batches)
}

fn estimate(action: &Action, policy: &Policy, batches: &[Batch]) -> Span {
    let kind: ActionKind = action.kind();
    let each = Policy::usual_time(kind).min(policy.proof_time(kind));
    let mut whole = Duration::ZERO;
    for batch in batches {
        let switching =
            policy.max_power_per_s.map_or(0.0, |rate| batch.power.as_watts() / rate.as_watts().max(1.0));
        // A look and a command take about a second together.
        let talking = f64::from(batch.size) / f64::from(policy.concurrency.max(1));
        whole += each + Duration::try_from_secs_f64(switching.max(talking)).unwrap_or_default();
    }
    let pauses = u32::try_from(batches.len().saturating_sub(1)).unwrap_or(u32::MAX);
    Span::from(Duration::from_secs((whole + policy.pause.as_duration().saturating_mul(pauses)).as_secs()))
}
