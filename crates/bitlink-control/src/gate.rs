//! Who may be switched now: how many are down in all and in each group, counted. Pure.

use crate::plan::{GroupLimit, Target};

/// Counts who is down, or may be.
#[derive(Debug)]
pub(crate) struct Gate {
    limit: Option<u32>,
    limits: Vec<GroupLimit>,
    groups: Vec<Used>,
    inside: u32,
    /// Those among them that do not come back.
    lost: u32,
    most: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    count: u32,
    watts: f64,
}

impl Gate {
    pub(crate) fn new(limit: Option<u32>, limits: &[GroupLimit]) -> Self {
        let groups = vec![Used::default(); limits.len()];
        Self { limit, limits: limits.to_vec(), groups, inside: 0, lost: 0, most: 0 }
    }

    pub(crate) fn admits(&self, target: &Target) -> bool {
        self.limit.is_none_or(|limit| self.inside < limit)
            && target.groups.iter().filter_map(|group| usize::try_from(*group).ok()).all(|group| {
                let (Some(limit), Some(used)) = (self.limits.get(group), self.groups.get(group)) else {
                    return true;
                };
                limit.max_at_once.is_none_or(|most| used.count < most)
                    && limit
                        .max_power
                        .is_none_or(|most| used.watts + target.power.as_watts() <= most.as_watts())
            })
    }

    pub(crate) fn enter(&mut self, target: &Target) {
        self.inside += 1;
        self.most = self.most.max(self.inside);
        self.each(target, |used, watts| {
            used.count += 1;
            used.watts += watts;
        });
    }

    pub(crate) fn leave(&mut self, target: &Target) {
        self.inside = self.inside.saturating_sub(1);
        self.each(target, |used, watts| {
            used.count = used.count.saturating_sub(1);
            used.watts = (used.watts - watts).max(0.0);
        });
    }

    /// It does not come back: its place stays taken.
    pub(crate) fn lose(&mut self) {
        self.lost += 1;
    }

    pub(crate) const fn lost(&self) -> u32 {
        self.lost
    }

    /// Whether nobody can ever be admitted any more.
    pub(crate) fn is_shut(&self) -> bool {
        self.limit.is_some_and(|limit| self.lost >= limit)
    }

    pub(crate) const fn most(&self) -> u32 {
        self.most
    }

    fn each(&mut self, target: &Target, change: impl Fn(&mut Used, f64)) {
        let watts = target.power.as_watts();
        for group in target.groups.iter().filter_map(|group| usize::try_from(*group).ok()) {
            if let Some(used) = self.groups.get_mut(group) {
                change(used, watts);
            }
        }
    }
}
