//! Who waits for a turn, by group, and who may begin: at most so many at once in all, and in each group. Knows nothing of
//! beats and intervals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many polls may run at once, and what counts as one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<K> {
    pub(super) total: usize,
    pub(super) per_group: usize,
    pub(super) group_of: fn(&K) -> u128,
}

/// Everybody who waits. All operations cost O(log n).
#[derive(Debug, Clone)]
pub(super) struct Queue<K> {
    limits: Limits<K>,
    running: usize,
    groups: BTreeMap<u128, Group<K>>,
    /// Groups with room, by their first turn, which was still to come when that was last looked at.
    coming: BTreeSet<(Duration, u128)>,
    /// Groups with room whose first turn has come: those with the fewest polls running first, then the longest wait. So a
    /// group that is slow to answer takes no more than its share, however many of it wait.
    ready: BTreeSet<(usize, Duration, u128)>,
}

#[derive(Debug, Clone)]
struct Group<K> {
    waiting: BTreeSet<(Duration, K)>,
    running: usize,
}

impl<K> Default for Group<K> {
    fn default() -> Self {
        Self { waiting: BTreeSet::new(), running: 0 }
    }
}

impl<K: Ord + Clone> Queue<K> {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits { total: usize::MAX, per_group: usize::MAX, group_of: |_| 0 },
            running: 0,
            groups: BTreeMap::new(),
            coming: BTreeSet::new(),
            ready: BTreeSet::new(),
        }
    }

    /// An empty queue with these limits, each at least one.
    pub(super) fn with_limits(total: usize, per_group: usize, group_of: fn(&K) -> u128) -> Self {
        let limits = Limits { total: total.max(1), per_group: per_group.max(1), group_of };
        Self { limits, ..Self::new() }
    }

    /// Other limits, each at least one. What runs goes on.
    pub(super) fn set_limits(&mut self, total: usize, per_group: usize) {
        self.limits.total = total.max(1);
        self.limits.per_group = per_group.max(1);
        for id in self.groups.keys().copied().collect::<Vec<_>>() {
            self.change(id, |_| ());
        }
    }

    pub(super) fn insert(&mut self, due: Duration, key: K) {
        self.change((self.limits.group_of)(&key), |group| group.waiting.insert((due, key)));
    }

    pub(super) fn remove(&mut self, due: Duration, key: &K) {
        self.change((self.limits.group_of)(key), |group| group.waiting.remove(&(due, key.clone())));
    }

    /// Takes the next one whose turn has come and for whom there is room. It runs from now on, until [`end`](Self::end).
    pub(super) fn begin(&mut self, now: Duration) -> Option<(Duration, K)> {
        if self.running >= self.limits.total {
            return None;
        }
        while let Some(&(due, group)) = self.coming.first()
            && due <= now
        {
            self.coming.pop_first();
            let running = self.groups.get(&group).map_or(0, |group| group.running);
            self.ready.insert((running, due, group));
        }
        let &(_, _, group) = self.ready.first()?;
        let taken = self.change(group, |group| {
            let taken = group.waiting.pop_first()?;
            group.running += 1;
            Some(taken)
        });
        self.running += usize::from(taken.is_some());
        taken
    }

    /// One that began has ended.
    pub(super) fn end(&mut self, key: &K) {
        self.running = self.running.saturating_sub(1);
        self.change((self.limits.group_of)(key), |group| group.running = group.running.saturating_sub(1));
    }

    /// When the next one can begin as far as its turn goes; may be in the past. `None` while there is no room for anybody.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let coming = self.coming.first().map(|(due, _)| *due);
        let ready = self.ready.first().map(|(_, due, _)| *due);
        [coming, ready].into_iter().flatten().min().filter(|_| self.running < self.limits.total)
    }

    /// The turn of whoever waits for the longest time, room or not.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.groups.values().filter_map(|group| group.waiting.first()).map(|(due, _)| *due).min()
    }

    /// How many run now.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> impl Iterator<Item = &K> {
        self.groups.values().flat_map(|group| group.waiting.iter().map(|(_, key)| key))
    }

    /// Changes a group and puts it where it belongs after that.
    fn change<R>(&mut self, id: u128, change: impl FnOnce(&mut Group<K>) -> R) -> R {
        let group = self.groups.entry(id).or_default();
        if let Some((due, _)) = group.waiting.first() {
            self.coming.remove(&(*due, id));
            self.ready.remove(&(group.running, *due, id));
        }
        let result = change(group);
        match group.waiting.first() {
            Some((due, _)) if group.running < self.limits.per_group => {
                self.coming.insert((*due, id));
            }
            None if group.running == 0 => {
                self.groups.remove(&id);
            }
            _ => {}
        }
        result
    }
}
