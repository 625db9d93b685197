//! From what is true to what is told: groups, waits, reminders, limits.

use super::{Engine, Group, Instance, Key, MOST_MESSAGES, Phase, RuleState, alert_id, keep};
use crate::config::Policy;
use crate::notification::{Example, Notification, NotificationKind};
use crate::rule::{Rule, When};
use crate::window::Window;
use bitlink_model::{MinerId, Severity, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a group comes to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) firing: usize,
    /// Those of them that are told of.
    pub(super) visible: usize,
    new: usize,
    told: usize,
    recovered: usize,
    pub(super) lost: f64,
    pub(super) lost_known: usize,
    pub(super) since: Option<Timestamp>,
    examples: Vec<Example>,
    were: Vec<Example>,
}

/// The fields of a group with what they are.
pub(super) fn named(rule: &Rule, key: &Key) -> Vec<(String, String)> {
    rule.group_by.iter().map(ToString::to_string).zip(key.iter().cloned()).collect()
}

impl Engine {
    pub(super) fn tally(&self, rule: &Rule, state: &RuleState, now: Timestamp) -> BTreeMap<Key, Tally> {
        let Policy { windows, zone, .. } = &self.policy;
        let open: Vec<&Window> = windows.iter().filter(|window| window.is_open(now, zone)).collect();
        let mut tallies: BTreeMap<Key, Tally> = BTreeMap::new();
        for instance in state.instances.values() {
            let tally = tallies.entry(instance.key.clone()).or_default();
            let is_open = !rule.is_of_groups()
                || state.groups.get(&instance.key).is_some_and(|group| group.gate.is_open());
            let is_firing = instance.phase == Phase::Firing && is_open;
            if instance.told && !is_firing {
                tally.recovered += 1;
                if tally.were.len() < Notification::EXAMPLES {
                    tally.were.push(instance.example());
                }
            }
            if !is_firing {
                continue;
            }
            tally.firing += 1;
            tally.told += usize::from(instance.told);
            tally.since = tally.since.into_iter().chain([instance.since]).min();
            if let Some(lost) = instance.lost {
                (tally.lost, tally.lost_known) = (tally.lost + lost, tally.lost_known + 1);
            }
            let is_muted = open.iter().any(|window| window.only.fits(instance))
                || self.mutes.values().any(|mute| mute.only.fits(instance));
            if is_muted || instance.acked || self.is_hidden(rule, instance) {
                continue;
            }
            tally.visible += 1;
            tally.new += usize::from(!instance.told);
            if tally.examples.len() < Notification::EXAMPLES {
                tally.examples.push(instance.example());
            }
        }
        tallies
    }

    /// How bad each alert is that is true now, whether it is told or not: one for each group.
    pub fn firing(&self) -> impl Iterator<Item = Severity> + '_ {
        self.policy
            .rules
            .iter()
            .filter_map(|rule| self.rules.get(&rule.name).map(|state| (rule, state)))
            .flat_map(|(rule, state)| {
                let is_open = |key: &Key| {
                    !rule.is_of_groups() || state.groups.get(key).is_some_and(|group| group.gate.is_open())
                };
                let firing = state.instances.values().filter(|instance| instance.phase == Phase::Firing);
                let groups: BTreeSet<&Key> =
                    firing.map(|instance| &instance.key).filter(|key| is_open(key)).collect();
                std::iter::repeat_n(rule.severity, groups.len())
            })
    }

    /// What is due, and takes note that it is told.
    pub(super) fn tell(&mut self, now: Timestamp) -> Vec<Notification> {
        let mut all = Vec::new();
        let rules = std::mem::take(&mut self.policy.rules);
        for rule in &rules {
            let Some(mut state) = self.rules.remove(&rule.name) else { continue };
            self.end_acks(rule, &mut state, now);
            let mut tallies = self.tally(rule, &state, now);
            for key in state.groups.keys() {
                tallies.entry(key.clone()).or_default();
            }
            let mut due: Vec<(Key, Tally, NotificationKind)> = Vec::new();
            for (key, tally) in tallies {
                let group = state.groups.entry(key.clone()).or_default();
                if let Some(kind) = self.kind_due(rule, group, &tally, now) {
                    due.push((key, tally, kind));
                }
            }
            all.extend(self.emit(rule, &mut state, due, now));
            let interval = self.policy.group_interval;
            let alive: std::collections::BTreeSet<Key> =
                state.instances.values().map(|instance| instance.key.clone()).collect();
            let batch = &mut self.batch;
            state.groups.retain(|key, group| {
                let rests = group.notified.is_some_and(|told| now.since(told) < interval);
                let stays = alive.contains(key) || rests || group.gate != super::Gate::Shut;
                if !stays {
                    batch.items.insert(keep::group_key(&rule.name, key), None);
                }
                stays
            });
            self.rules.insert(rule.name.clone(), state);
        }
        self.policy.rules = rules;
        all
    }

    /// An acknowledgement ends at its time, or with what it is of.
    fn end_acks(&mut self, rule: &Rule, state: &mut RuleState, now: Timestamp) {
        for (key, group) in &mut state.groups {
            let Some(ack) = &group.ack else { continue };
            let of = |instance: &&mut Instance| instance.key == *key && instance.acked;
            let is_over = ack.until.is_some_and(|until| now >= until);
            let any = state.instances.values().any(|instance| instance.key == *key && instance.acked);
            if !is_over && any {
                continue;
            }
            for instance in state.instances.values_mut().filter(of) {
                instance.acked = false;
                self.batch
                    .items
                    .insert(keep::instance_key(&rule.name, instance.id.0), keep::written(instance));
            }
            group.ack = None;
            self.batch.items.insert(keep::group_key(&rule.name, key), keep::written(group));
        }
    }

    fn kind_due(
        &self,
        rule: &Rule,
        group: &mut Group,
        tally: &Tally,
        now: Timestamp,
    ) -> Option<NotificationKind> {
        let policy = &self.policy;
        let rested = group.notified.is_none_or(|told| now.since(told) >= policy.group_interval);
        if tally.new == 0 {
            group.waiting = None;
        } else {
            let waiting = *group.waiting.get_or_insert(now);
            if now.since(waiting) < policy.group_wait {
                return None;
            }
        }
        if !rested {
            return None;
        }
        if tally.new > 0 {
            return Some(match (&rule.when, tally.told + tally.recovered) {
                (When::Event { .. }, _) => NotificationKind::Happened,
                (_, 0) => NotificationKind::Firing,
                _ => NotificationKind::Changed,
            });
        }
        if tally.recovered > 0 {
            let is_over = tally.told == 0;
            return Some(if is_over { NotificationKind::Recovered } else { NotificationKind::Changed });
        }
        let repeat = rule.repeat.unwrap_or(policy.repeat).every()?;
        let is_due = group.notified.is_some_and(|told| now.since(told) >= repeat);
        (is_due && tally.visible > 0 && tally.told > 0).then_some(NotificationKind::Reminder)
    }

    fn emit(
        &mut self,
        rule: &Rule,
        state: &mut RuleState,
        due: Vec<(Key, Tally, NotificationKind)>,
        now: Timestamp,
    ) -> Vec<Notification> {
        let interval = self.policy.group_interval;
        while state.sent.front().is_some_and(|sent| now.since(*sent) >= interval) {
            state.sent.pop_front();
        }
        let room = MOST_MESSAGES.saturating_sub(state.sent.len());
        if due.is_empty() || room == 0 {
            return Vec::new();
        }
        // The last one there is room for is about all that are left.
        let single = if due.len() <= room.saturating_sub(1) || (due.len() == 1) { due.len() } else { 0 };
        let mut messages = Vec::new();
        let mut merged: Option<Notification> = None;
        for (index, (key, tally, kind)) in due.into_iter().enumerate() {
            let message = notification(rule, &key, &tally, kind, now);
            self.told(rule, state, &key, kind, now);
            if index < single {
                messages.push(message);
            } else {
                merged = Some(match merged {
                    None => message,
                    Some(merged) => joined(merged, message),
                });
            }
        }
        messages.extend(merged);
        state.sent.extend(std::iter::repeat_n(now, messages.len()));
        messages
    }

    /// Takes note that a group was told of.
    fn told(
        &mut self,
        rule: &Rule,
        state: &mut RuleState,
        key: &Key,
        kind: NotificationKind,
        now: Timestamp,
    ) {
        let group = state.groups.entry(key.clone()).or_default();
        (group.notified, group.waiting) = (Some(now), None);
        let is_open = !rule.is_of_groups() || group.gate.is_open();
        self.batch.items.insert(keep::group_key(&rule.name, key), keep::written(group));
        if kind == NotificationKind::Reminder {
            return;
        }
        let ids: Vec<MinerId> =
            state.instances.iter().filter(|(_, instance)| instance.key == *key).map(|(id, _)| *id).collect();
        let is_event = kind == NotificationKind::Happened;
        let quiet: Vec<bool> = ids
            .iter()
            .map(|id| state.instances.get(id).is_some_and(|instance| self.is_quiet(rule, instance, now)))
            .collect();
        for (id, is_quiet) in ids.into_iter().zip(quiet) {
            let Some(instance) = state.instances.get_mut(&id) else { continue };
            let store = keep::instance_key(&rule.name, id);
            let is_firing = instance.phase == Phase::Firing && is_open;
            if instance.phase == Phase::Cleared || (is_event && !is_quiet) {
                state.instances.remove(&id);
                self.batch.items.insert(store, None);
            } else if instance.phase == Phase::Firing
                && (instance.told != is_firing)
                && !(is_quiet && is_firing)
            {
                instance.told = is_firing;
                self.batch.items.insert(store, keep::written(instance));
            }
        }
    }

    fn is_quiet(&self, rule: &Rule, instance: &Instance, now: Timestamp) -> bool {
        let Policy { windows, zone, .. } = &self.policy;
        instance.acked
            || self.mutes.values().any(|mute| mute.only.fits(instance))
            || windows.iter().any(|window| window.is_open(now, zone) && window.only.fits(instance))
            || self.is_hidden(rule, instance)
    }
}

fn notification(
    rule: &Rule,
    key: &Key,
    tally: &Tally,
    kind: NotificationKind,
    now: Timestamp,
) -> Notification {
    let is_over = kind == NotificationKind::Recovered;
    Notification {
        kind,
        alert: alert_id(&rule.name, key),
        rule: rule.name.clone(),
        title: rule.shown().to_owned(),
        severity: rule.severity,
        group: named(rule, key),
        groups: 1,
        at: now,
        since: if is_over { None } else { tally.since },
        firing: tally.firing,
        new: tally.new,
        recovered: tally.recovered,
        lost_hs: (tally.lost_known > 0).then_some(tally.lost),
        lost_known: tally.lost_known,
        examples: if is_over { tally.were.clone() } else { tally.examples.clone() },
    }
}

/// One message about several groups.
fn joined(mut a: Notification, b: Notification) -> Notification {
    if a.kind != b.kind {
        a.kind = NotificationKind::Changed;
    }
    a.group.clear();
    a.groups += b.groups;
    a.since = a.since.into_iter().chain(b.since).min();
    a.firing += b.firing;
    a.new += b.new;
    a.recovered += b.recovered;
    a.lost_hs = match (a.lost_hs, b.lost_hs) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
    a.lost_known += b.lost_known;
    a.examples.extend(b.examples);
    a.examples.truncate(Notification::EXAMPLES);
    a
}
