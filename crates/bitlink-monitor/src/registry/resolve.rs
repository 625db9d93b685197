//! The rules by which an account is held to be of a machine that is known, or of one that is not. Pure, and changes
//! nothing: what to do is the result. The reasons are in `docs/decisions/0011-who-is-who.md`.

use super::evidence::{Evidence, EvidenceKey, board_key, same_serial};
use super::index::Owners;
use super::{Entry, Registry, Sighting};
use bitlink_model::{Identity, MinerId, MinerRecord};

/// Whose account it is, and which evidence was found to be no evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolution {
    /// The machine; `None` is one that was never met.
    pub(super) machine: Option<MinerId>,
    /// Evidence that two machines have at once, and the other machine.
    pub(super) disputed: Vec<(EvidenceKey, MinerId)>,
    /// Two machines have taken turns under one id; this one keeps it.
    pub(super) takes_turns: bool,
}

/// What is to be said of a machine that has the evidence.
enum Opinion {
    /// It is this one.
    Accept,
    /// It is this one, and another one has passed for it.
    AcceptOneOfTwo,
    /// It is another one, and the evidence has gone over to it.
    Refuse,
    /// It is another one, and both have the evidence.
    Dispute,
}

/// How two accounts compare where both say something.
fn agree<T: ?Sized>(a: Option<&T>, b: Option<&T>, same: impl Fn(&T, &T) -> bool) -> Option<bool> {
    Some(same(a?, b?))
}

impl Registry {
    pub(super) fn resolve(&self, sighting: &Sighting<'_>, told: &Evidence) -> Resolution {
        let mut result = Resolution::default();
        let mut refused = Vec::new();
        for (keys, id) in self.candidates(told) {
            let Some(entry) = self.entries.get(&id) else { continue };
            let opinion = match keys.first() {
                _ if refused.contains(&id) => Opinion::Refuse,
                Some(EvidenceKey::Serial(_)) => self.by_serial(entry, sighting, told),
                Some(EvidenceKey::HashBoard(_)) => self.by_boards(entry, sighting, told),
                Some(EvidenceKey::Mac(_)) => self.by_mac(entry, sighting, told),
                _ => self.by_control_board(entry, sighting, told),
            };
            match opinion {
                Opinion::Accept => {
                    result.machine = Some(id);
                    return result;
                }
                Opinion::AcceptOneOfTwo => {
                    result.machine = Some(id);
                    result.takes_turns = true;
                    // What the two have in common tells them apart no longer.
                    result.disputed.extend(self.common_keys(entry, told).into_iter().map(|key| (key, id)));
                    return result;
                }
                Opinion::Refuse => refused.push(id),
                Opinion::Dispute => {
                    refused.push(id);
                    result.disputed.extend(keys.into_iter().map(|key| (key, id)));
                    for key in self.common_keys(entry, told) {
                        if !result.disputed.iter().any(|(known, _)| *known == key) {
                            result.disputed.push((key, id));
                        }
                    }
                }
            }
        }
        result.machine = self.by_address(sighting, told, &refused);
        result
    }

    /// Machines that have some of the evidence and have it alone, the strongest evidence first.
    fn candidates(&self, told: &Evidence) -> Vec<(Vec<EvidenceKey>, MinerId)> {
        let sole = |key: Option<EvidenceKey>| {
            let key = key?;
            let id = self.index.sole_owner(&key)?;
            Some((vec![key], id))
        };
        let mut found = Vec::new();
        found.extend(sole(told.serial_key()));
        found.extend(self.owner_of_most_boards(told));
        found.extend(sole(told.mac.map(EvidenceKey::Mac)));
        found.extend(sole(told.control_key()));
        found
    }

    /// The machine of which most of the hash boards are: at least two of them, more than half of those told, and more than
    /// half of those it had.
    fn owner_of_most_boards(&self, told: &Evidence) -> Option<(Vec<EvidenceKey>, MinerId)> {
        let mut counts: Vec<(MinerId, Vec<EvidenceKey>)> = Vec::new();
        for key in told.board_keys() {
            let Some(id) = self.index.sole_owner(&key) else { continue };
            // A board that a machine has given away, who knows where to, says nothing.
            let has = |record: &MinerRecord| current_boards(record).any(|known| board_key(known) == key);
            if !self.entries.get(&id).is_some_and(|entry| has(&entry.record)) {
                continue;
            }
            match counts.iter_mut().find(|(owner, _)| *owner == id) {
                Some((_, keys)) => keys.push(key),
                None => counts.push((id, vec![key])),
            }
        }
        let (id, keys) = counts.into_iter().max_by_key(|(_, keys)| keys.len())?;
        let had = current_boards(&self.entries.get(&id)?.record).count();
        let most = keys.len() >= 2 && keys.len() * 2 > told.boards.len() && keys.len() * 2 > had;
        most.then_some((keys, id))
    }

    /// The serial number is the machine's own; a control board may have been swapped under it.
    fn by_serial(&self, entry: &Entry, sighting: &Sighting<'_>, told: &Evidence) -> Opinion {
        let record = &*entry.record;
        let mac = agree(record.mac().as_ref(), told.mac.as_ref(), PartialEq::eq);
        let current = agree(record.serial(), told.serial.as_deref(), same_serial) == Some(true);
        if !current && mac != Some(true) && !was_last_at(entry, sighting) {
            // A number that this machine had once and has no longer.
            return Opinion::Refuse;
        }
        if mac == Some(false) {
            // With other boards as well, nothing but a number is left of the machine.
            let all_else_differs = boards_agree(record, told) == Some(false);
            let two = all_else_differs || self.is_elsewhere(entry, sighting);
            return if two { Opinion::Dispute } else { Opinion::Accept };
        }
        self.unless_two_at_once(entry, sighting, told)
    }

    /// Hash boards are most of a machine, and no image of a disk copies them.
    fn by_boards(&self, entry: &Entry, sighting: &Sighting<'_>, told: &Evidence) -> Opinion {
        let mac = agree(entry.record.mac().as_ref(), told.mac.as_ref(), PartialEq::eq);
        if mac == Some(false) && self.is_elsewhere(entry, sighting) {
            return Opinion::Dispute;
        }
        // The machine whose control board it is has boards of its own in there: it was given these for spares.
        let theirs = told.mac.and_then(|mac| self.index.sole_owner(&EvidenceKey::Mac(mac)));
        let theirs = theirs.filter(|id| *id != entry.record.id).and_then(|id| self.entries.get(&id));
        let spares = theirs.is_some_and(|theirs| {
            let kept = |told: &String| current_boards(&theirs.record).any(|known| same_serial(known, told));
            theirs.record.mac() == told.mac && told.boards.iter().any(kept)
        });
        if spares { Opinion::Refuse } else { Opinion::Accept }
    }

    /// The hardware address is the control board's.
    fn by_mac(&self, entry: &Entry, sighting: &Sighting<'_>, told: &Evidence) -> Opinion {
        let record = &*entry.record;
        let here = was_last_at(entry, sighting);
        let boards = boards_agree(record, told);
        if record.mac() != told.mac && !here {
            // A control board that this machine had once, met at another place.
            return Opinion::Refuse;
        }
        if agree(record.serial(), told.serial.as_deref(), same_serial) == Some(false) {
            // At the same address firmware has changed what it calls the serial number, unless the boards are others too.
            return match (here, boards) {
                (true, Some(false)) => Opinion::Refuse,
                (true, _) => Opinion::Accept,
                (false, _) if self.is_elsewhere(entry, sighting) => Opinion::Dispute,
                (false, _) => Opinion::Refuse,
            };
        }
        if boards == Some(false) && self.is_elsewhere(entry, sighting) {
            return Opinion::Dispute;
        }
        self.unless_two_at_once(entry, sighting, told)
    }

    /// The control board's own number counts like its hardware address, and less: it is there where firmware makes up a
    /// hardware address at each start.
    fn by_control_board(&self, entry: &Entry, sighting: &Sighting<'_>, told: &Evidence) -> Opinion {
        let record = &*entry.record;
        let serial = agree(record.serial(), told.serial.as_deref(), same_serial);
        let mac = agree(record.mac().as_ref(), told.mac.as_ref(), PartialEq::eq);
        let current = record.control_board_serials.iter().any(|seen| {
            seen.current && told.control.as_deref().is_some_and(|control| same_serial(control, &seen.value))
        });
        let here = was_last_at(entry, sighting);
        if !current && !here {
            return Opinion::Refuse;
        }
        if serial == Some(false) || mac == Some(false) {
            let other_chassis = if here { boards_agree(record, told) } else { serial } == Some(false);
            return match self.is_elsewhere(entry, sighting) {
                true if !here => Opinion::Dispute,
                _ if other_chassis => Opinion::Refuse,
                _ => Opinion::Accept,
            };
        }
        self.unless_two_at_once(entry, sighting, told)
    }

    /// Who answers there, as far as nothing speaks against it.
    fn by_address(&self, sighting: &Sighting<'_>, told: &Evidence, refused: &[MinerId]) -> Option<MinerId> {
        let fits = |id: &&MinerId| {
            let known = self.entries.get(id);
            !refused.contains(id) && known.is_some_and(|entry| self.may_be(entry, sighting, told))
        };
        let holder = self.index.holders.get(&sighting.endpoint).filter(fits);
        // A machine that nothing but its address tells from others is met again there if what is met tells nothing.
        let nameless =
            || self.index.nameless.get(&sighting.endpoint).filter(|_| told.is_empty()).filter(fits);
        holder.or_else(nameless).copied()
    }

    /// Whether nothing speaks against an account being of the machine that was met there before.
    fn may_be(&self, entry: &Entry, sighting: &Sighting<'_>, told: &Evidence) -> bool {
        let record = &*entry.record;
        let mac = agree(record.mac().as_ref(), told.mac.as_ref(), PartialEq::eq);
        let serial = agree(record.serial(), told.serial.as_deref(), same_serial);
        let control = record.control_board_serials.iter().find(|seen| seen.current);
        let control = agree(control.map(|seen| seen.value.as_str()), told.control.as_deref(), same_serial);
        let boards = boards_agree(record, told);
        if [mac, serial, control].contains(&Some(false)) {
            return false;
        }
        // From here on nothing differs; what agrees without having decided is shared with other machines.
        if [mac, serial, control, boards].contains(&Some(true)) {
            return true;
        }
        if boards == Some(false) || !same_kind(&record.identity, sighting.identity) {
            return false;
        }
        if record.is_known_by_address_only() {
            return true;
        }
        // Evidence of another kind than what is known is no sign of the same machine. An account that tells nothing is of
        // the machine that was met here a while ago, and of nobody in particular after a long time.
        told.is_empty() && sighting.at.since(record.last_seen) <= self.config.trust
    }

    /// Accepts, unless the machine is at two places at the same time, which only two machines can be.
    fn unless_two_at_once(&self, entry: &Entry, sighting: &Sighting<'_>, told: &Evidence) -> Opinion {
        if boards_agree(&entry.record, told) == Some(true) {
            // One machine with two addresses: its boards are in one place.
            Opinion::Accept
        } else if in_same_sweep(entry, sighting) {
            Opinion::Dispute
        } else if self.goes_back_and_forth(entry, sighting) {
            Opinion::AcceptOneOfTwo
        } else {
            Opinion::Accept
        }
    }

    /// Whether it has just been met at another address, and nobody else there since.
    fn is_elsewhere(&self, entry: &Entry, sighting: &Sighting<'_>) -> bool {
        let away = entry.record.endpoint.is_some_and(|last| last.ip() != sighting.endpoint.ip());
        let lately = sighting.at.since(entry.record.last_seen) < self.config.overlap;
        away && (lately || in_same_sweep(entry, sighting))
    }

    /// Whether it was met here, then elsewhere, and is met here again, faster than anybody moves.
    fn goes_back_and_forth(&self, entry: &Entry, sighting: &Sighting<'_>) -> bool {
        let record = &*entry.record;
        let here = sighting.endpoint.ip();
        let away = record.endpoint.is_some_and(|last| last.ip() != here);
        let before = record.endpoints.iter().find(|seen| seen.value.ip() == here);
        away && before.is_some_and(|seen| sighting.at.since(seen.last_seen) < self.config.overlap)
    }

    /// Evidence that the account and the machine have in common.
    fn common_keys(&self, entry: &Entry, told: &Evidence) -> Vec<EvidenceKey> {
        let id = entry.record.id;
        let keys = [told.serial_key(), told.mac.map(EvidenceKey::Mac), told.control_key()];
        let owned = |key: &EvidenceKey| self.index.owners(key) == Some(&Owners::One(id));
        keys.into_iter().flatten().chain(told.board_keys()).filter(owned).collect()
    }
}

/// Whether it was met at this address last, or would be, had it not been lost sight of.
fn was_last_at(entry: &Entry, sighting: &Sighting<'_>) -> bool {
    entry.record.last_endpoint().is_some_and(|last| last.ip() == sighting.endpoint.ip())
}

/// Whether it was met elsewhere in the same scan, which asks each address once.
fn in_same_sweep(entry: &Entry, sighting: &Sighting<'_>) -> bool {
    let away = entry.record.endpoint.is_some_and(|last| last.ip() != sighting.endpoint.ip());
    away && sighting.sweep.is_some() && entry.sweep == sighting.sweep
}

fn current_boards(record: &MinerRecord) -> impl Iterator<Item = &str> {
    record.board_serials.iter().filter(|seen| seen.current && !seen.shared).map(|seen| seen.value.as_str())
}

/// Whether the boards are the same for the most part, or all others. `None` where that cannot be said.
fn boards_agree(record: &MinerRecord, told: &Evidence) -> Option<bool> {
    let known: Vec<&str> = current_boards(record).collect();
    let common = told.boards.iter().filter(|told| known.iter().any(|known| same_serial(known, told))).count();
    if common >= 2 && common * 2 > told.boards.len() && common * 2 > known.len() {
        Some(true)
    } else if common == 0 && known.len() >= 2 && told.boards.len() >= 2 {
        Some(false)
    } else {
        None
    }
}

/// Whether make, model and firmware family do not differ. Firmware is changed now and then; but where nothing else tells that it is
/// the same machine, another firmware is another machine.
pub(crate) fn same_kind(before: &Identity, now: &Identity) -> bool {
    let family = |identity: &Identity| identity.firmware.as_ref().map(|firmware| firmware.family.clone());
    agree(before.make.as_ref(), now.make.as_ref(), PartialEq::eq) != Some(false)
        && agree(before.model.as_deref(), now.model.as_deref(), PartialEq::eq) != Some(false)
        && agree(family(before).as_ref(), family(now).as_ref(), PartialEq::eq) != Some(false)
}
