//! What an engine knows, as it is kept: a key and a text for each alert of a miner, each group and each mute.

use super::{Engine, Group, Instance, Key, MinerIdOrZero};
use crate::ask::Mute;
use crate::config::Policy;
use bitlink_model::{MinerId, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What keys begin with.
pub(crate) const STATE: &str = "state/";

pub(super) fn instance_key(rule: &str, id: MinerId) -> String {
    format!("{STATE}miner/{rule}/{id}")
}

pub(super) fn group_key(rule: &str, key: &Key) -> String {
    // Texts of people and miners: as JSON they end where they end.
    format!("{STATE}group/{rule}/{}", serde_json::to_string(key).unwrap_or_default())
}

pub(super) fn mute_key(name: &str) -> String {
    format!("{STATE}mute/{name}")
}

pub(super) fn written(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

impl Engine {
    /// One that knows what was kept. What is not understood, or is of rules that are no more, is left out.
    pub fn restored(policy: Policy, kept: &BTreeMap<String, String>) -> Self {
        let mut engine = Self::new(policy);
        for (key, text) in kept {
            let Some(rest) = key.strip_prefix(STATE) else { continue };
            let understood = match rest.split_once('/') {
                Some(("mute", name)) => serde_json::from_str::<Mute>(text).ok().map(|mute| {
                    engine.mutes.insert(name.to_owned(), mute);
                }),
                Some((kind, rest)) => rest.split_once('/').and_then(|(rule, rest)| {
                    if !engine.policy.rules.iter().any(|own| own.name == rule) {
                        return None;
                    }
                    let state = engine.rules.entry(rule.to_owned()).or_default();
                    if kind == "group" {
                        let key: Key = serde_json::from_str(rest).ok()?;
                        state.groups.insert(key, serde_json::from_str::<Group>(text).ok()?);
                    } else {
                        let id = MinerId::from_u64(u64::from_str_radix(rest, 16).ok()?);
                        let mut instance: Instance = serde_json::from_str(text).ok()?;
                        instance.id = MinerIdOrZero(id);
                        // While nobody looked it was neither seen nor forgotten.
                        instance.clear = None;
                        state.instances.insert(id, instance);
                    }
                    Some(())
                }),
                None => None,
            };
            if understood.is_none() {
                engine.batch.items.insert(key.clone(), None);
            }
        }
        engine
    }

    /// What was kept counts as seen now: time in which nobody looked makes nobody forgotten.
    pub fn awaken(&mut self, now: Timestamp) {
        for instance in self.rules.values_mut().flat_map(|state| state.instances.values_mut()) {
            instance.seen = now;
        }
        self.last = Some(now);
    }

    /// Moves everything back by a time.
    pub(super) fn shift(&mut self, by: Duration) {
        let move_back = |at: &mut Timestamp| *at = at.minus(by);
        for state in self.rules.values_mut() {
            for instance in state.instances.values_mut() {
                move_back(&mut instance.since);
                move_back(&mut instance.seen);
                instance.clear.as_mut().map(move_back);
            }
            for group in state.groups.values_mut() {
                group.waiting.as_mut().map(move_back);
                group.notified.as_mut().map(move_back);
            }
            state.sent.iter_mut().for_each(move_back);
        }
        self.hiding.iter_mut().flat_map(|hiding| hiding.values_mut()).for_each(move_back);
    }
}
