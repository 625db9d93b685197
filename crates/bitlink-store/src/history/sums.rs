//! Sums over machines: what is said of a site, a rack or the whole fleet.

use bitlink_model::{Metric, MetricJoin, MinerStatus};
use std::collections::BTreeMap;

/// Values of a group, gathered machine by machine.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    values: BTreeMap<Metric, i64>,
    miners: i64,
    live: i64,
    active: i64,
    paused: i64,
    warning: i64,
    dead: i64,
}

impl Sums {
    /// Takes a machine in: its status, and the values of its reading while that is live.
    pub fn add(&mut self, status: MinerStatus, live: Option<&[(Metric, i64)]>) {
        self.miners += 1;
        match status {
            MinerStatus::Active => self.active += 1,
            MinerStatus::Paused => self.paused += 1,
            MinerStatus::Warning => self.warning += 1,
            MinerStatus::Dead => self.dead += 1,
            _ => {}
        }
        let Some(values) = live else { return };
        self.live += 1;
        for (metric, value) in values {
            match metric.info().join {
                MetricJoin::Sum => {
                    let sum = self.values.entry(*metric).or_default();
                    *sum = sum.saturating_add(*value);
                }
                MetricJoin::Max => {
                    let most = self.values.entry(*metric).or_insert(*value);
                    *most = (*value).max(*most);
                }
                _ => {}
            }
        }
    }

    /// The values. Absent is what no machine says; the efficiency is that of the sums.
    pub fn values(&self) -> Vec<(Metric, i64)> {
        let mut values: Vec<(Metric, i64)> = self.values.iter().map(|(metric, value)| (*metric, *value)).collect();
        let of = |metric: Metric| self.values.get(&metric).map(|value| metric.value(*value));
        if let (Some(power), Some(rate)) = (of(Metric::POWER), of(Metric::HASHRATE))
            && rate > 0.0
            && let Some(efficiency) = Metric::EFFICIENCY.keep(power / (rate / 1e12))
        {
            values.push((Metric::EFFICIENCY, efficiency));
        }
        values.extend([
            (Metric::MINERS, self.miners),
            (Metric::MINERS_LIVE, self.live),
            (Metric::MINERS_ACTIVE, self.active),
            (Metric::MINERS_PAUSED, self.paused),
            (Metric::MINERS_WARNING, self.warning),
            (Metric::MINERS_DEAD, self.dead),
        ]);
        values
    }
}
