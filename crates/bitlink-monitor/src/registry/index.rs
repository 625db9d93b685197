//! Who has which piece of evidence, and who answers where. Decides nothing.

use super::evidence::{EvidenceKey, board_key, control_key, serial_key};
use bitlink_model::{MinerId, MinerRecord, Seen};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Whose a piece of evidence is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owners {
    /// One machine's: it tells that machine from others.
    One(MinerId),
    /// Several machines', or known to be: it tells nobody from anybody.
    Shared(Vec<MinerId>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    owners: HashMap<EvidenceKey, Owners>,
    /// Who answers there, as far as is known.
    pub(super) holders: HashMap<SocketAddr, MinerId>,
    /// Machines that nothing but their address tells from others, by that address, whoever answers there now.
    pub(super) nameless: HashMap<SocketAddr, MinerId>,
}

impl Index {
    pub(super) fn owners(&self, key: &EvidenceKey) -> Option<&Owners> {
        self.owners.get(key)
    }

    /// The one machine that has it.
    pub(super) fn sole_owner(&self, key: &EvidenceKey) -> Option<MinerId> {
        match self.owners.get(key) {
            Some(Owners::One(id)) => Some(*id),
            _ => None,
        }
    }

    /// A machine has it from now on. Returns who had it alone until now.
    pub(super) fn claim(&mut self, key: EvidenceKey, id: MinerId) -> Option<MinerId> {
        match self.owners.get_mut(&key) {
            Some(Owners::Shared(ids)) => {
                if !ids.contains(&id) {
                    ids.push(id);
                }
                None
            }
            Some(Owners::One(before)) => {
                let before = std::mem::replace(before, id);
                (before != id).then_some(before)
            }
            None => {
                self.owners.insert(key, Owners::One(id));
                None
            }
        }
    }

    /// More machines than one have it. Returns who had it alone until now.
    pub(super) fn share(&mut self, key: &EvidenceKey) -> Option<MinerId> {
        let owners = self.owners.get_mut(key)?;
        let Owners::One(id) = *owners else { return None };
        *owners = Owners::Shared(vec![id]);
        Some(id)
    }

    /// Takes evidence away from a machine. Returns who has it alone from now on, having shared it before.
    pub(super) fn release(&mut self, key: &EvidenceKey, id: MinerId) -> Option<MinerId> {
        match self.owners.get_mut(key)? {
            Owners::One(owner) if *owner == id => {
                self.owners.remove(key);
                None
            }
            Owners::One(_) => None,
            Owners::Shared(ids) => {
                ids.retain(|other| *other != id);
                let left = ids.clone();
                match left.as_slice() {
                    [] => {
                        self.owners.remove(key);
                        None
                    }
                    [last] => {
                        self.owners.insert(key.clone(), Owners::One(*last));
                        Some(*last)
                    }
                    _ => None,
                }
            }
        }
    }

    /// Takes up what a record has now, as it was kept. `is_later` says whether it was met after another one. What it had once is
    /// taken up by [`Index::load_past`], when all have been gone through.
    pub(super) fn load(&mut self, record: &MinerRecord, is_later: impl Fn(MinerId) -> bool) {
        let id = record.id;
        for (key, _, shared) in keys_of(record).filter(|(_, current, shared)| *current || *shared) {
            let owners = self.owners.entry(key).or_insert(Owners::One(id));
            match owners {
                Owners::Shared(ids) => {
                    if shared && !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                Owners::One(other) if shared => {
                    let others = if *other == id { Vec::new() } else { vec![*other] };
                    *owners = Owners::Shared(others.into_iter().chain([id]).collect());
                }
                Owners::One(other) => {
                    if *other != id && is_later(*other) {
                        *other = id;
                    }
                }
            }
        }
        if let Some(endpoint) = record.endpoint {
            let holder = self.holders.entry(endpoint).or_insert(id);
            if *holder != id && is_later(*holder) {
                *holder = id;
            }
        }
        if record.is_known_by_address_only()
            && let Some(endpoint) = record.last_endpoint()
        {
            self.nameless.insert(endpoint, id);
        }
    }

    /// Takes up what a record had once and nobody has now.
    pub(super) fn load_past(&mut self, record: &MinerRecord) {
        for (key, ..) in keys_of(record).filter(|(_, current, shared)| !*current && !*shared) {
            self.owners.entry(key).or_insert(Owners::One(record.id));
        }
    }
}

/// The evidence of a record: each piece, whether it is current, and whether others have it too.
pub(super) fn keys_of(record: &MinerRecord) -> impl Iterator<Item = (EvidenceKey, bool, bool)> + '_ {
    let macs = record.macs.iter().map(|seen| (EvidenceKey::Mac(seen.value), seen.current, seen.shared));
    macs.chain(texts(&record.serials, serial_key))
        .chain(texts(&record.control_board_serials, control_key))
        .chain(texts(&record.board_serials, board_key))
}

fn texts(
    list: &[Seen<String>],
    key: fn(&str) -> EvidenceKey,
) -> impl Iterator<Item = (EvidenceKey, bool, bool)> + '_ {
    list.iter().map(move |seen| (key(&seen.value), seen.current, seen.shared))
}
