//! Who is who: which machine an account is of, whatever its address. Pure: no I/O, no clock; time and evidence are
//! arguments, and what is to be kept comes out as values.
//!
//! A farm's addresses come from DHCP, control boards are swapped, images of disks are copied with the hardware address in
//! them. [`Registry::observe`] weighs what a machine tells of itself: its own serial number counts most, then most of its
//! hash boards, its hardware address, its control board's number, and where nothing is told, where it answers. Evidence that
//! two machines have at the same time tells nobody from anybody from then on, and that is reported.

mod amend;
mod edits;
mod evidence;
mod index;
mod journal;
mod resolve;

pub use evidence::EvidenceKey;
pub use journal::{JournalError, RegistryJournal};

use bitlink_model::{EditError, Identity, Mac, Miner, MinerId, MinerRecord, RecordEdit, Seen, Timestamp};
use evidence::{Evidence, same_serial};
use index::{Index, Owners, keys_of};
use resolve::Resolution;
pub(crate) use resolve::same_kind;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How a registry judges.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryConfig {
    /// What is met at two addresses within this time with different evidence is two machines; default 2 min. Nobody swaps a
    /// control board in less, and it should be at least twice the interval between two polls of a machine.
    pub overlap: Duration,
    /// For how long an account that tells no evidence is held to be of the machine that was met at its address; default one
    /// day. Only for machines that have told evidence before.
    pub trust: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { overlap: Duration::from_mins(2), trust: Duration::from_hours(24) }
    }
}

impl RegistryConfig {
    /// With another time in which nobody can be at two addresses.
    #[must_use]
    pub fn with_overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    /// With another time for which an address alone is trusted.
    #[must_use]
    pub fn with_trust(mut self, trust: Duration) -> Self {
        self.trust = trust;
        self
    }
}

/// A scan that asks each address once: what it meets at two addresses is two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep(u64);

/// A machine that was met: where, when, and what it told of itself.
#[derive(Debug, Clone)]
pub struct Sighting<'a> {
    endpoint: SocketAddr,
    identity: &'a Identity,
    boards: Vec<&'a str>,
    at: Timestamp,
    sweep: Option<Sweep>,
}

impl<'a> Sighting<'a> {
    /// What a machine told. It must be what it told this time: evidence that was carried over from an earlier account would
    /// vouch for whoever answers there now.
    pub const fn new(endpoint: SocketAddr, identity: &'a Identity, at: Timestamp) -> Self {
        Self { endpoint, identity, boards: Vec::new(), at, sweep: None }
    }

    /// With the serial numbers of its hash boards.
    #[must_use]
    pub fn with_boards(mut self, serials: impl IntoIterator<Item = &'a str>) -> Self {
        self.boards = serials.into_iter().collect();
        self
    }

    /// Where it was met.
    pub const fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// What it told of itself, and the hardware address at which it was met where it told none.
    pub const fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// The serial numbers of its hash boards.
    pub fn boards(&self) -> &[&'a str] {
        &self.boards
    }

    /// When that was.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// As part of a scan ([`Registry::begin_sweep`]).
    #[must_use]
    pub const fn in_sweep(mut self, sweep: Sweep) -> Self {
        self.sweep = Some(sweep);
        self
    }

    /// A miner that was read; `None` if it never was.
    pub fn of(miner: &'a Miner) -> Option<Self> {
        let snapshot = miner.snapshot.as_deref()?;
        let boards = snapshot.boards.iter().filter_map(|board| board.serial.as_deref());
        let endpoint = SocketAddr::new(miner.ip, miner.port);
        Some(Self::new(endpoint, &snapshot.identity, miner.last_updated?).with_boards(boards))
    }
}

/// Which machine was met, and what is new about that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// The machine.
    pub id: MinerId,
    /// What has changed.
    pub change: Change,
    /// The machine that was held to be at this address until now. Where it is now is not known.
    pub displaced: Option<MinerId>,
    /// A record that turned out to be of this machine: it was known by this address only, from when this machine was last
    /// seen elsewhere. It is gone.
    pub absorbed: Option<MinerId>,
    /// Evidence that turned out to be several machines'.
    pub conflicts: Vec<Conflict>,
}

/// How a machine was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was never met before.
    New,
    /// It was forgotten, and is met again.
    Back,
    /// As before.
    Same,
    /// It was known by its address only, and has now told evidence.
    Promoted,
    /// It answers at another address.
    Moved {
        /// Where it was met before.
        from: SocketAddr,
    },
    /// It has another control board, wherever it answers: its hardware address is another, and its own serial number or its
    /// hash boards are the same.
    BoardSwapped {
        /// The hardware address it had.
        from: Mac,
        /// The hardware address it has.
        to: Mac,
    },
}

/// Evidence that two machines have at once. From now on it tells nobody from anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What they have in common.
    pub evidence: EvidenceKey,
    /// The machine that had it alone until now. The same as the one that was met where two had been taken for one: the other
    /// gets an id of its own when it is met next.
    pub with: MinerId,
    /// Where the other one was met last.
    pub elsewhere: Option<SocketAddr>,
}

/// Something that a store has to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryChange {
    /// A record as it is now, in place of any other of its id.
    Put(Arc<MinerRecord>),
    /// A record that is no more ([`Observed::absorbed`]).
    Drop(MinerId),
}

/// Why a record cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// User: no machine has this id, or it was forgotten.
    #[error("no miner has the id {0}")]
    Unknown(MinerId),
    /// User: a text that cannot be kept.
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// Every machine that was ever met, and by what it is known.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    config: RegistryConfig,
    entries: BTreeMap<MinerId, Entry>,
    index: Index,
    sweeps: u64,
    /// Records of which something but a time has changed since it was last kept.
    changed: BTreeSet<MinerId>,
    /// Records of which only times have.
    touched: BTreeSet<MinerId>,
    dropped: BTreeSet<MinerId>,
}

#[derive(Debug, Clone)]
struct Entry {
    record: Arc<MinerRecord>,
    sweep: Option<Sweep>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other settings.
    #[must_use]
    pub fn with_config(mut self, config: RegistryConfig) -> Self {
        self.config = config;
        self
    }

    /// With the records that a store has kept.
    pub fn from_records(records: impl IntoIterator<Item = MinerRecord>) -> Self {
        let mut registry = Self::default();
        for record in records {
            let entry = Entry { record: Arc::new(record), sweep: None };
            registry.entries.insert(entry.record.id, entry);
        }
        let entries = &registry.entries;
        for entry in entries.values() {
            let at = entry.record.last_seen;
            let is_later = |other| entries.get(&other).is_some_and(|other| other.record.last_seen < at);
            registry.index.load(&entry.record, is_later);
        }
        for entry in entries.values() {
            registry.index.load_past(&entry.record);
        }
        registry
    }

    /// How many machines there are, without those that were forgotten.
    pub fn len(&self) -> usize {
        self.records().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records().next().is_none()
    }

    /// Every machine in the order of ids, without those that were forgotten.
    pub fn records(&self) -> impl Iterator<Item = &Arc<MinerRecord>> {
        self.all_records().filter(|record| record.forgotten.is_none())
    }

    /// Every record, those of machines that were forgotten too.
    pub fn all_records(&self) -> impl Iterator<Item = &Arc<MinerRecord>> {
        self.entries.values().map(|entry| &entry.record)
    }

    /// A record, also of a machine that was forgotten.
    pub fn get(&self, id: MinerId) -> Option<&Arc<MinerRecord>> {
        self.entries.get(&id).map(|entry| &entry.record)
    }

    /// The machine that answers there, as far as is known.
    pub fn at(&self, endpoint: SocketAddr) -> Option<&Arc<MinerRecord>> {
        self.get(*self.index.holders.get(&endpoint)?)
    }

    /// Begins a scan that asks each address once.
    pub fn begin_sweep(&mut self) -> Sweep {
        self.sweeps += 1;
        Sweep(self.sweeps)
    }

    /// Takes up that a machine was met, and says which one it is.
    pub fn observe(&mut self, sighting: &Sighting<'_>) -> Observed {
        let told = Evidence::of(sighting.identity, sighting.boards.iter().copied());
        let Resolution { machine, disputed, takes_turns } = self.resolve(sighting, &told);
        let conflicts = self.dispute(disputed);
        let id = machine.unwrap_or_else(|| self.new_id(sighting));
        let holder = self.index.holders.get(&sighting.endpoint).copied().filter(|holder| *holder != id);
        let absorbed = holder.filter(|holder| machine.is_some() && self.was_this_one(*holder, id, sighting));
        let displaced = holder.filter(|_| absorbed.is_none());
        if let Some(displaced) = displaced {
            self.displace(displaced);
        }
        if let Some(absorbed) = absorbed {
            self.absorb(absorbed, id);
        }
        let change = match machine {
            Some(id) => self.meet_again(id, sighting, &told, takes_turns),
            None => self.meet_first(id, sighting, &told),
        };
        Observed { id, change, displaced, absorbed, conflicts }
    }

    /// Changes what people write about a machine. Says whether anything is different now.
    ///
    /// # Errors
    /// [`RegistryError`], and then nothing has changed.
    pub fn edit(&mut self, id: MinerId, edit: &RecordEdit) -> Result<bool, RegistryError> {
        let known = self.entries.get_mut(&id).filter(|entry| entry.record.forgotten.is_none());
        let record = &mut known.ok_or(RegistryError::Unknown(id))?.record;
        let mut after = (**record).clone();
        let changed = edit.apply(&mut after)?;
        if changed {
            *record = Arc::new(after);
            self.changed.insert(id);
        }
        Ok(changed)
    }

    /// Forgets a machine and what people wrote about it. Its evidence is kept, so that it gets the same id should it come
    /// back.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`]
    pub fn forget(&mut self, id: MinerId, at: Timestamp) -> Result<(), RegistryError> {
        let known = self.entries.get_mut(&id).filter(|entry| entry.record.forgotten.is_none());
        let record = Arc::make_mut(&mut known.ok_or(RegistryError::Unknown(id))?.record);
        record.forgotten = Some(at);
        record.position = bitlink_model::Position::default();
        record.labels.clear();
        record.notes.clear();
        let endpoint = record.endpoint.take();
        let shared: Vec<EvidenceKey> =
            keys_of(record).filter(|(_, _, shared)| *shared).map(|(key, ..)| key).collect();
        if let Some(endpoint) = endpoint {
            self.index.holders.remove(&endpoint);
        }
        for key in shared {
            let alone = self.index.release(&key, id);
            self.mark(id, &key, |seen| seen.set(false, false));
            if let Some(alone) = alone {
                self.mark(alone, &key, |seen| seen.set_shared(false));
            }
        }
        self.changed.insert(id);
        Ok(())
    }

    /// What is to be kept, since this was last asked. Records of which only times have changed are left for
    /// [`Registry::take_touched`].
    pub fn take_changes(&mut self) -> Vec<RegistryChange> {
        let dropped = std::mem::take(&mut self.dropped).into_iter().map(RegistryChange::Drop);
        let changed = std::mem::take(&mut self.changed);
        let put = changed.into_iter().filter_map(|id| self.get(id).cloned()).map(RegistryChange::Put);
        dropped.chain(put).collect()
    }

    /// Records of which only times have changed. Kept now and then, and at the end.
    pub fn take_touched(&mut self) -> Vec<RegistryChange> {
        let touched = std::mem::take(&mut self.touched);
        let put = touched.into_iter().filter_map(|id| self.get(id).cloned()).map(RegistryChange::Put);
        put.collect()
    }

    /// Gives back changes that could not be kept, for the next time.
    pub fn not_kept(&mut self, changes: &[RegistryChange]) {
        for change in changes {
            match change {
                RegistryChange::Put(record) => {
                    self.touched.remove(&record.id);
                    self.changed.insert(record.id);
                }
                RegistryChange::Drop(id) => {
                    if !self.entries.contains_key(id) {
                        self.dropped.insert(*id);
                    }
                }
            }
        }
    }

    fn new_id(&self, sighting: &Sighting<'_>) -> MinerId {
        let ip = sighting.endpoint.ip();
        let ids = (0..u32::MAX).map(|others| MinerId::derived_but(sighting.identity, ip, others));
        let free = |id: &MinerId| !self.entries.contains_key(id) && !self.dropped.contains(id);
        let mut ids = ids.filter(free);
        ids.next().unwrap_or_else(|| MinerId::derived(sighting.identity, ip))
    }

    /// Marks evidence that more machines than one have.
    fn dispute(&mut self, disputed: Vec<(EvidenceKey, MinerId)>) -> Vec<Conflict> {
        let mut conflicts = Vec::with_capacity(disputed.len());
        for (evidence, with) in disputed {
            if let Some(owner) = self.index.share(&evidence) {
                self.mark(owner, &evidence, |seen| seen.set_shared(true));
            }
            let elsewhere = self.get(with).and_then(|record| record.last_endpoint());
            conflicts.push(Conflict { evidence, with, elsewhere });
        }
        conflicts
    }

    fn meet_first(&mut self, id: MinerId, sighting: &Sighting<'_>, told: &Evidence) -> Change {
        let mut record = MinerRecord::new(id, Identity::default(), sighting.endpoint, sighting.at);
        amend::amend(&mut record, sighting.identity, told, sighting.endpoint, sighting.at);
        self.entries.insert(id, Entry { record: Arc::new(record), sweep: sighting.sweep });
        self.changed.insert(id);
        self.claim(id, told);
        self.index.holders.insert(sighting.endpoint, id);
        if told.is_empty() {
            self.index.nameless.insert(sighting.endpoint, id);
        }
        Change::New
    }

    fn meet_again(
        &mut self,
        id: MinerId,
        sighting: &Sighting<'_>,
        told: &Evidence,
        takes_turns: bool,
    ) -> Change {
        let Some(entry) = self.entries.get_mut(&id) else { return Change::Same };
        let record = Arc::make_mut(&mut entry.record);
        let nameless = record.is_known_by_address_only();
        let same_control_board = record.control_board_serials.first().zip(told.control.as_ref());
        let same_control_board = same_control_board.is_some_and(|(a, b)| same_serial(&a.value, b));
        let (mac, before) = (record.macs.first().map(|seen| seen.value), record.last_endpoint());
        let was_forgotten = record.forgotten.is_some();
        // Seen at both within the overlap and not told apart: one machine with two addresses.
        let lately = |seen: &Seen<SocketAddr>| {
            seen.value == sighting.endpoint && sighting.at.since(seen.last_seen) < self.config.overlap
        };
        let two_addresses = record.endpoint.is_some() && record.endpoints.iter().any(lately);
        let was_at = record.endpoint;
        let evidence_before = keys_of(record).count();
        let changed = amend::amend(record, sighting.identity, told, sighting.endpoint, sighting.at);
        let grown = keys_of(record).count() != evidence_before;
        entry.sweep = sighting.sweep;

        if changed {
            self.touched.remove(&id);
            self.changed.insert(id);
        } else if !self.changed.contains(&id) {
            self.touched.insert(id);
        }
        if changed || grown {
            self.claim(id, told);
        }
        if was_at != Some(sighting.endpoint) {
            if let Some(was_at) = was_at.filter(|at| self.index.holders.get(at) == Some(&id)) {
                self.index.holders.remove(&was_at);
            }
            self.index.holders.insert(sighting.endpoint, id);
        }
        let promoted = nameless && !told.is_empty();
        if promoted && let Some(before) = before {
            self.index.nameless.remove(&before);
        }
        let moved = before.filter(|before| *before != sighting.endpoint && !two_addresses);
        match (mac, told.mac, moved) {
            _ if was_forgotten => Change::Back,
            _ if promoted => Change::Promoted,
            (Some(from), Some(to), _) if from != to && !same_control_board => {
                Change::BoardSwapped { from, to }
            }
            (_, _, Some(from)) if !takes_turns => Change::Moved { from },
            _ => Change::Same,
        }
    }

    /// The machine has all of this from now on; who had it alone has it no more.
    fn claim(&mut self, id: MinerId, told: &Evidence) {
        let keys = [told.serial_key(), told.mac.map(EvidenceKey::Mac), told.control_key()];
        for key in keys.into_iter().flatten().chain(told.board_keys()) {
            if let Some(before) = self.index.claim(key.clone(), id) {
                self.mark(before, &key, |seen| seen.set(false, false));
            }
            if matches!(self.index.owners(&key), Some(Owners::Shared(_))) {
                self.mark(id, &key, |seen| seen.set_shared(true));
            }
        }
    }

    /// Another machine answers where this one did.
    fn displace(&mut self, id: MinerId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && let Some(endpoint) = Arc::make_mut(&mut entry.record).endpoint.take()
        {
            self.index.holders.remove(&endpoint);
            self.changed.insert(id);
        }
    }

    /// Whether the record of the machine at an address is of another machine that has turned up there: it was never
    /// anywhere else, told nothing, and began when the other one had been lost sight of.
    fn was_this_one(&self, holder: MinerId, id: MinerId, sighting: &Sighting<'_>) -> bool {
        let (Some(holder), Some(machine)) = (self.get(holder), self.get(id)) else { return false };
        let differs = holder.identity.model.is_some()
            && sighting.identity.model.is_some()
            && holder.identity.model != sighting.identity.model;
        holder.is_known_by_address_only()
            && holder.forgotten.is_none()
            && holder.endpoints.len() == 1
            && holder.first_seen >= machine.last_seen
            && !differs
            && !(holder.has_notes_of_people() && machine.has_notes_of_people())
    }

    fn absorb(&mut self, gone: MinerId, into: MinerId) {
        let Some(Entry { record: gone, .. }) = self.entries.remove(&gone) else { return };
        self.changed.remove(&gone.id);
        self.touched.remove(&gone.id);
        self.dropped.insert(gone.id);
        self.index.holders.retain_if(gone.endpoint, gone.id);
        self.index.nameless.retain_if(gone.last_endpoint(), gone.id);
        if gone.has_notes_of_people()
            && let Some(entry) = self.entries.get_mut(&into)
        {
            let record = Arc::make_mut(&mut entry.record);
            record.position = gone.position.clone();
            record.labels.clone_from(&gone.labels);
            record.notes.clone_from(&gone.notes);
            self.changed.insert(into);
        }
    }

    /// Changes the marks of a piece of evidence of a machine.
    fn mark(&mut self, id: MinerId, key: &EvidenceKey, set: impl Fn(&mut dyn Marks)) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let record = Arc::make_mut(&mut entry.record);
        match key {
            EvidenceKey::Mac(mac) => {
                record.macs.iter_mut().filter(|seen| seen.value == *mac).for_each(|seen| set(seen));
            }
            EvidenceKey::Serial(serial) => mark_texts(&mut record.serials, serial, set),
            EvidenceKey::HashBoard(serial) => mark_texts(&mut record.board_serials, serial, set),
            EvidenceKey::ControlBoard(serial) => mark_texts(&mut record.control_board_serials, serial, set),
        }
        self.touched.remove(&id);
        self.changed.insert(id);
    }
}

fn mark_texts(list: &mut [Seen<String>], serial: &str, set: impl Fn(&mut dyn Marks)) {
    list.iter_mut().filter(|seen| same_serial(&seen.value, serial)).for_each(|seen| set(seen));
}

/// What can be said of a piece of evidence of whatever kind.
trait Marks {
    fn set(&mut self, current: bool, shared: bool);
    fn set_shared(&mut self, shared: bool);
}

impl<T> Marks for Seen<T> {
    fn set(&mut self, current: bool, shared: bool) {
        self.current = current;
        self.shared = shared;
    }

    fn set_shared(&mut self, shared: bool) {
        self.shared = shared;
    }
}

/// Taking an address from a machine that may not have it any more.
trait RetainIf {
    fn retain_if(&mut self, endpoint: Option<SocketAddr>, id: MinerId);
}

impl RetainIf for std::collections::HashMap<SocketAddr, MinerId> {
    fn retain_if(&mut self, endpoint: Option<SocketAddr>, id: MinerId) {
        if let Some(endpoint) = endpoint.filter(|endpoint| self.get(endpoint) == Some(&id)) {
            self.remove(&endpoint);
        }
    }
}

#[cfg(test)]
mod tests;
