//! When is what told? Pure: time and what is known of miners come in, messages go out. What is kept over a restart is handed out as
//! changes and handed back in.
//!
//! * **Missing data neither raises nor clears.** What is not known of a miner leaves its alerts as they are.
//! * **One message about a group.** It waits a little for who else it concerns, is not repeated before its time, and of one rule no more
//!   than [`MOST_MESSAGES`] go out in an interval: what is more becomes one message about many groups.
//! * **Hidden is not over.** What maintenance, an acknowledgement or another alert hides is still known, and told if it lasts longer.

pub(crate) mod keep;
mod tell;

use crate::ask::{Ack, AlertOrder, AlertState, Mute, OrderError};
use crate::config::Policy;
use crate::notification::{Example, Notification};
use crate::outbox::Batch;
use crate::rule::{Field, Placed, Rule, Says, When, glob};
use crate::subject::{Happening, Subject};
use bitlink_model::{MinerId, Position, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// Most messages about one rule in one interval.
pub(crate) const MOST_MESSAGES: usize = 10;
/// Most alerts of single miners that are known; what comes beyond is counted and left out.
const MOST_INSTANCES: usize = 400_000;
/// What was not seen for longer than that cannot count as having lasted.
const LONGEST_GAP: Duration = Duration::from_mins(30);
/// What is not watched any more is forgotten after this.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);
/// Most characters of what is kept of a text.
const LONGEST: usize = 160;

/// What came of a round.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// What is to be told now.
    pub notifications: Vec<Notification>,
    /// What is to be kept, together with those.
    pub batch: Batch,
}

type Key = Vec<String>;

/// A rule that is true of a miner, or was just now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Instance {
    phase: Phase,
    #[serde(rename = "since_ms")]
    since: Timestamp,
    /// When it was last known whether it is true.
    #[serde(rename = "seen_ms")]
    seen: Timestamp,
    /// Since when it is not true any more.
    clear: Option<Timestamp>,
    key: Key,
    told: bool,
    acked: bool,
    lost: Option<f64>,
    address: String,
    model: String,
    position: Position,
    labels: BTreeSet<String>,
    message: String,
    #[serde(skip)]
    id: MinerIdOrZero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MinerIdOrZero(MinerId);

impl Default for MinerIdOrZero {
    fn default() -> Self {
        Self(MinerId::from_u64(0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// True, and not yet for long enough.
    Pending,
    Firing,
    /// Not true any more, which is still to be told.
    Cleared,
}

impl Placed for Instance {
    fn id(&self) -> MinerId {
        self.id.0
    }
    fn address(&self) -> &str {
        &self.address
    }
    fn model(&self) -> &str {
        &self.model
    }
    fn position(&self) -> &Position {
        &self.position
    }
    fn labels(&self) -> &BTreeSet<String> {
        &self.labels
    }
}

impl Instance {
    fn example(&self) -> Example {
        Example {
            id: (self.id.0.as_u64() != 0).then_some(self.id.0),
            address: self.address.clone(),
            model: self.model.clone(),
            position: self.position.to_string(),
            message: self.message.clone(),
        }
    }
}

/// The miners of a rule that are told together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Group {
    /// Since when somebody waits to be told of.
    #[serde(skip)]
    waiting: Option<Timestamp>,
    #[serde(rename = "told_ms")]
    notified: Option<Timestamp>,
    ack: Option<Ack>,
    gate: Gate,
}

/// Whether a rule of a whole group is true of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Gate {
    #[default]
    Shut,
    /// True since then, and not yet for long enough.
    Opening(Timestamp),
    Open,
    /// Not true any more since then, and not yet for long enough.
    Closing(Timestamp),
}

impl Gate {
    fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Closing(_))
    }
}

#[derive(Debug, Default)]
struct RuleState {
    instances: BTreeMap<MinerId, Instance>,
    groups: BTreeMap<Key, Group>,
    sent: VecDeque<Timestamp>,
}

impl RuleState {
    /// The miners of a group of which it is true.
    fn firing<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = MinerId> + 'a {
        let firing = |instance: &Instance| instance.phase == Phase::Firing && instance.key == *key;
        self.instances.iter().filter(move |(_, instance)| firing(instance)).map(|(id, _)| *id)
    }
}

/// Decides what is told.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    rules: BTreeMap<String, RuleState>,
    mutes: BTreeMap<String, Mute>,
    /// Where alerts that hide others were true last: by inhibition, by what has to be the same.
    hiding: Vec<HashMap<Key, Timestamp>>,
    last: Option<Timestamp>,
    batch: Batch,
    left_out: u64,
}

/// Of a group, how many it is true of, of how many that is known, and how many there are.
type Share = (usize, usize, usize);

impl Engine {
    /// One that knows nothing yet.
    pub fn new(policy: Policy) -> Self {
        let hiding = vec![HashMap::new(); policy.inhibitions.len()];
        Self {
            policy,
            rules: BTreeMap::new(),
            mutes: BTreeMap::new(),
            hiding,
            last: None,
            batch: Batch::default(),
            left_out: 0,
        }
    }

    /// What counts.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Other settings count from now on. What is known of rules that still are stays.
    pub fn configure(&mut self, policy: Policy) {
        let gone: Vec<String> = self
            .rules
            .keys()
            .filter(|name| !policy.rules.iter().any(|rule| rule.name == **name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(state) = self.rules.remove(&name) {
                for id in state.instances.keys() {
                    self.batch.items.insert(keep::instance_key(&name, *id), None);
                }
                for key in state.groups.keys() {
                    self.batch.items.insert(keep::group_key(&name, key), None);
                }
            }
        }
        self.hiding = vec![HashMap::new(); policy.inhibitions.len()];
        self.policy = policy;
    }

    /// How many alerts of single miners were left out because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes a round: how every miner does that is watched, and what has happened since the round before.
    pub fn observe(
        &mut self,
        now: Timestamp,
        subjects: &[Subject<'_>],
        happened: &[Happening<'_>],
    ) -> Outcome {
        // A clock that was set back: what lasted goes on lasting.
        if let Some(last) = self.last.filter(|last| now < *last) {
            self.shift(last.since(now));
        }
        self.last = Some(now);
        let rules = std::mem::take(&mut self.policy.rules);
        for rule in &rules {
            let mut state = self.rules.remove(&rule.name).unwrap_or_default();
            if let When::Event { event } = &rule.when {
                for happening in happened.iter().filter(|happening| event.contains(&happening.occasion)) {
                    self.happened(rule, &mut state, happening, now);
                }
            } else {
                let shares = self.judge(rule, &mut state, subjects, now);
                if rule.is_of_groups() {
                    self.gates(rule, &mut state, &shares, now);
                }
            }
            self.forget(rule, &mut state, now);
            self.rules.insert(rule.name.clone(), state);
        }
        self.policy.rules = rules;
        self.mutes.retain(|name, mute| {
            let lasts = mute.until > now;
            if !lasts {
                self.batch.items.insert(keep::mute_key(name), None);
            }
            lasts
        });
        self.note_who_hides(now);
        let notifications = self.tell(now);
        Outcome { notifications, batch: std::mem::take(&mut self.batch) }
    }

    /// What has changed beside rounds and is to be kept.
    pub fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    fn judge(
        &mut self,
        rule: &Rule,
        state: &mut RuleState,
        subjects: &[Subject<'_>],
        now: Timestamp,
    ) -> HashMap<Key, Share> {
        let mut shares: HashMap<Key, Share> = HashMap::new();
        // Of a group as a whole the time is the group's.
        let hold = if rule.is_of_groups() { Duration::ZERO } else { rule.hold.0 };
        let clear_for = if rule.is_of_groups() { Duration::ZERO } else { rule.clear_for.0 };
        for subject in subjects.iter().filter(|subject| rule.only.fits(*subject)) {
            let instance = state.instances.get_mut(&subject.id);
            let was = instance.as_ref().is_some_and(|instance| instance.phase != Phase::Cleared);
            let says = rule.when.says(subject, was);
            if rule.is_of_groups() {
                let key = key_of(rule, subject);
                let share = shares.entry(key).or_default();
                share.0 += usize::from(matches!(says, Says::True(_)) || (says == Says::Between && was));
                share.1 += usize::from(says != Says::Unknown);
                share.2 += 1;
            }
            let store = keep::instance_key(&rule.name, subject.id);
            match (says, instance) {
                (Says::Unknown, Some(instance)) => instance.seen = now,
                (Says::Unknown | Says::False | Says::Between, None) => {}
                (Says::True(message), None) => {
                    if state.instances.len() >= MOST_INSTANCES {
                        self.left_out += 1;
                        continue;
                    }
                    let phase = if hold.is_zero() { Phase::Firing } else { Phase::Pending };
                    let mut instance = instance_of(rule, subject, &message, now);
                    instance.phase = phase;
                    if phase == Phase::Firing {
                        self.batch.items.insert(store, keep::written(&instance));
                    }
                    state.instances.insert(subject.id, instance);
                }
                (Says::True(message), Some(instance)) => {
                    instance.lost = subject.lost_hs();
                    if instance.phase == Phase::Pending && now.since(instance.seen) > LONGEST_GAP {
                        instance.since = now;
                    }
                    (instance.seen, instance.clear) = (now, None);
                    if instance.phase == Phase::Cleared {
                        instance.phase = Phase::Firing;
                        self.batch.items.insert(store, keep::written(instance));
                    } else if instance.phase == Phase::Pending && now.since(instance.since) >= hold {
                        instance.phase = Phase::Firing;
                        instance.message = crate::words::clean(&message, LONGEST);
                        self.batch.items.insert(store, keep::written(instance));
                    }
                }
                (Says::Between, Some(instance)) => (instance.seen, instance.clear) = (now, None),
                (Says::False, Some(instance)) => {
                    instance.seen = now;
                    let clear = *instance.clear.get_or_insert(now);
                    match instance.phase {
                        Phase::Cleared => {}
                        Phase::Firing if now.since(clear) < clear_for => {}
                        Phase::Firing if instance.told => {
                            instance.phase = Phase::Cleared;
                            self.batch.items.insert(store, keep::written(instance));
                        }
                        _ => {
                            state.instances.remove(&subject.id);
                            self.batch.items.insert(store, None);
                        }
                    }
                }
            }
        }
        shares
    }

    fn happened(&mut self, rule: &Rule, state: &mut RuleState, happening: &Happening<'_>, now: Timestamp) {
        if state.instances.len() >= MOST_INSTANCES {
            self.left_out += 1;
            return;
        }
        let (position, labels) = (Position::default(), BTreeSet::new());
        let nobody = Subject {
            id: MinerId::from_u64(0),
            address: "",
            model: "",
            position: &position,
            labels: &labels,
            status: bitlink_model::MinerStatus::Active,
            findings: Vec::new(),
            readings: Vec::new(),
            expected_hs: None,
            hashrate_hs: None,
        };
        let subject = happening.subject.as_ref().unwrap_or(&nobody);
        if happening.subject.is_some() && !rule.only.fits(subject) {
            return;
        }
        let mut instance = instance_of(rule, subject, happening.message, now);
        instance.lost = None;
        self.batch.items.insert(keep::instance_key(&rule.name, subject.id), keep::written(&instance));
        state.instances.insert(subject.id, instance);
    }

    /// Whether the rule is true of each group as a whole.
    fn gates(&mut self, rule: &Rule, state: &mut RuleState, shares: &HashMap<Key, Share>, now: Timestamp) {
        #[allow(clippy::cast_precision_loss, reason = "numbers of miners")]
        for (key, (of, known, all)) in shares {
            // Of half a group that is not known nothing is said of the whole.
            if known * 2 < *all || *known == 0 {
                continue;
            }
            let share = *of as f64 / *known as f64;
            let is_true = *of >= rule.at_least && rule.share.is_none_or(|least| share >= least);
            let is_over =
                *of < rule.at_least || rule.clear_share.or(rule.share).is_some_and(|limit| share < limit);
            if !is_true && !state.groups.contains_key(key) {
                continue;
            }
            let group = state.groups.entry(key.clone()).or_default();
            let before = group.gate;
            group.gate = match before {
                Gate::Shut if is_true && rule.hold.0.is_zero() => Gate::Open,
                Gate::Shut if is_true => Gate::Opening(now),
                Gate::Opening(_) if !is_true => Gate::Shut,
                Gate::Opening(since) if now.since(since) >= rule.hold.0 => Gate::Open,
                Gate::Open if is_over && rule.clear_for.0.is_zero() => Gate::Shut,
                Gate::Open if is_over => Gate::Closing(now),
                Gate::Closing(_) if !is_over => Gate::Open,
                Gate::Closing(since) if now.since(since) >= rule.clear_for.0 => Gate::Shut,
                same => same,
            };
            if group.gate.is_open() != before.is_open() {
                self.batch.items.insert(keep::group_key(&rule.name, key), keep::written(group));
            }
        }
    }

    fn forget(&mut self, rule: &Rule, state: &mut RuleState, now: Timestamp) {
        let is_event = matches!(rule.when, When::Event { .. });
        let patience = if is_event { Duration::from_hours(24) } else { FORGOTTEN_AFTER };
        let gone: Vec<MinerId> = state
            .instances
            .iter()
            .filter(|(_, instance)| now.since(instance.seen) > patience)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            state.instances.remove(&id);
            self.batch.items.insert(keep::instance_key(&rule.name, id), None);
        }
    }

    fn note_who_hides(&mut self, now: Timestamp) {
        for (inhibition, hiding) in self.policy.inhibitions.iter().zip(&mut self.hiding) {
            hiding.retain(|_, at| now.since(*at) <= inhibition.linger.0);
            for rule in &self.policy.rules {
                let Some(state) = self.rules.get(&rule.name) else { continue };
                if !inhibition.source.iter().any(|pattern| glob(pattern, &rule.name)) {
                    continue;
                }
                // A whole group hides by what its miners have in common.
                let of_group = |field: &Field| rule.group_by.iter().position(|by| by == field);
                let places: Option<Vec<usize>> =
                    if rule.is_of_groups() { inhibition.same.iter().map(of_group).collect() } else { None };
                if let Some(places) = places {
                    for (key, _) in state.groups.iter().filter(|(_, group)| group.gate.is_open()) {
                        hiding.insert(places.iter().filter_map(|at| key.get(*at).cloned()).collect(), now);
                    }
                    continue;
                }
                for instance in state.instances.values().filter(|instance| instance.phase == Phase::Firing) {
                    let is_open = state.groups.get(&instance.key).is_some_and(|group| group.gate.is_open());
                    if !rule.is_of_groups() || is_open {
                        hiding.insert(
                            inhibition.same.iter().map(|field| instance.value_of(field)).collect(),
                            now,
                        );
                    }
                }
            }
        }
    }

    fn is_hidden(&self, rule: &Rule, instance: &Instance) -> bool {
        self.policy.inhibitions.iter().zip(&self.hiding).any(|(inhibition, hiding)| {
            !hiding.is_empty()
                && !inhibition.source.contains(&rule.name)
                && instance.id.0.as_u64() != 0
                && inhibition.target.iter().any(|pattern| glob(pattern, &rule.name))
                && hiding.contains_key(
                    &inhibition.same.iter().map(|field| instance.value_of(field)).collect::<Key>(),
                )
        })
    }

    /// Does what somebody asks.
    ///
    /// # Errors
    /// [`OrderError`]; then nothing has changed.
    pub fn obey(&mut self, order: AlertOrder) -> Result<(), OrderError> {
        match order {
            AlertOrder::Mute(mute) => {
                if self.mutes.len() >= 200 && !self.mutes.contains_key(&mute.name) {
                    return Err(OrderError::TooMany);
                }
                self.batch.items.insert(keep::mute_key(&mute.name), keep::written(&mute));
                self.mutes.insert(mute.name.clone(), mute);
                Ok(())
            }
            AlertOrder::Unmute(name) => {
                self.mutes.remove(&name).ok_or_else(|| OrderError::NoMute(name.clone()))?;
                self.batch.items.insert(keep::mute_key(&name), None);
                Ok(())
            }
            AlertOrder::Ack { alert, ack } => {
                let mut found = false;
                for (name, state) in &mut self.rules {
                    for (key, group) in &mut state.groups {
                        if alert_id(name, key) != alert {
                            continue;
                        }
                        for (id, instance) in
                            state.instances.iter_mut().filter(|(_, instance)| instance.key == *key)
                        {
                            if instance.phase == Phase::Firing {
                                (found, instance.acked) = (true, true);
                                self.batch
                                    .items
                                    .insert(keep::instance_key(name, *id), keep::written(instance));
                            }
                        }
                        if found {
                            group.ack = Some(ack.clone());
                            self.batch.items.insert(keep::group_key(name, key), keep::written(group));
                        }
                    }
                }
                if found { Ok(()) } else { Err(OrderError::NoAlert(alert)) }
            }
        }
    }

    /// Whether nothing is true, waits or is still to be told: then a round in which nothing is different changes nothing.
    pub fn is_idle(&self) -> bool {
        self.rules.values().all(|state| state.instances.is_empty() && state.groups.is_empty())
    }

    /// What is muted.
    pub fn mutes(&self) -> impl Iterator<Item = &Mute> {
        self.mutes.values()
    }

    /// Every alert that is true now.
    pub fn alerts(&self) -> Vec<AlertState> {
        let now = self.last.unwrap_or(Timestamp::from_unix_millis(0));
        let mut all = Vec::new();
        for rule in &self.policy.rules {
            let Some(state) = self.rules.get(&rule.name) else { continue };
            for (key, tally) in self.tally(rule, state, now) {
                let group = state.groups.get(&key);
                if tally.firing > 0 {
                    all.push(AlertState {
                        alert: alert_id(&rule.name, &key),
                        rule: rule.name.clone(),
                        title: rule.shown().to_owned(),
                        severity: rule.severity,
                        group: tell::named(rule, &key),
                        firing: tally.firing,
                        miners: state.firing(&key).take(AlertState::MOST_NAMED).collect(),
                        quiet: tally.firing - tally.visible,
                        since: tally.since,
                        told: group.and_then(|group| group.notified),
                        ack: group.and_then(|group| group.ack.clone()),
                        lost_hs: (tally.lost_known > 0).then_some(tally.lost),
                    });
                }
            }
        }
        all.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
        all
    }
}

fn key_of(rule: &Rule, miner: &impl Placed) -> Key {
    rule.group_by.iter().map(|field| miner.value_of(field)).collect()
}

fn instance_of(rule: &Rule, subject: &Subject<'_>, message: &str, now: Timestamp) -> Instance {
    let text = |text: &str| text.chars().take(LONGEST).collect::<String>();
    Instance {
        phase: Phase::Firing,
        since: now,
        seen: now,
        clear: None,
        key: key_of(rule, subject),
        told: false,
        acked: false,
        lost: subject.lost_hs(),
        address: text(subject.address),
        model: text(subject.model),
        position: subject.position.clone(),
        labels: subject.labels.clone(),
        message: crate::words::clean(message, LONGEST),
        id: MinerIdOrZero(subject.id),
    }
}

/// By which people name an alert: the same as long as it is of the same rule and group.
fn alert_id(rule: &str, key: &Key) -> String {
    let text = std::iter::once(rule).chain(key.iter().map(String::as_str)).collect::<Vec<_>>().join("\u{0}");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:010x}", hash >> 24)
}

#[cfg(test)]
mod tests;
