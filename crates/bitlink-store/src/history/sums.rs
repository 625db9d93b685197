//! Sums over machines: what is said of a site, a rack or the whole fleet.

use bitlink_model::{Metric, MetricJoin, MinerStatus};
use std::collections::BTreeMap;

/// Values of a group, gathered machine by machine.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    values: BTreeMap<Metric, i64>,
    /// Power in watts and hash rate in H/s of the machines that tell both.
    both: (f64, f64),
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
        let of = |wanted: Metric| {
            let found = values.iter().find(|(metric, _)| *metric == wanted);
            found.map(|(metric, value)| metric.value(*value))
        };
        if let (Some(power), Some(rate)) = (of(Metric::POWER), of(Metric::HASHRATE)) {
            self.both = (self.both.0 + power, self.both.1 + rate);
        }
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

    /// The values. Absent is what no machine says; the efficiency is that of the machines which tell both power and
    /// hash rate.
    pub fn values(&self) -> Vec<(Metric, i64)> {
        let mut values: Vec<(Metric, i64)> =
            self.values.iter().map(|(metric, value)| (*metric, *value)).collect();
        let (power, rate) = self.both;
        if rate > 0.0
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

#[cfg(test)]
mod tests {
    //! Sums are of those that say something, and nobody is counted as zero.
    use super::*;

    #[test]
    fn sums_are_of_those_that_speak_and_who_does_not_is_counted_only() {
        let mut sums = Sums::default();
        assert!(!sums.values().iter().any(|(metric, _)| *metric == Metric::HASHRATE), "nobody speaks");
        let (rate, power) = (Metric::HASHRATE.keep(100e12), Metric::POWER.keep(3_000.0));
        let (rate, power) = (rate.unwrap(), power.unwrap());
        sums.add(
            MinerStatus::Active,
            Some(&[(Metric::HASHRATE, rate), (Metric::POWER, power), (Metric::TEMP_CHIP_MAX, -500)]),
        );
        sums.add(
            MinerStatus::Warning,
            Some(&[(Metric::HASHRATE, rate), (Metric::TEMP_CHIP_MAX, -700), (Metric::ACCEPTED, 9)]),
        );
        sums.add(MinerStatus::Dead, None);
        let of = |wanted| sums.values().iter().find(|(metric, _)| *metric == wanted).map(|(_, value)| *value);
        assert_eq!((of(Metric::HASHRATE), of(Metric::POWER)), (Some(2 * rate), Some(power)));
        assert_eq!(of(Metric::EFFICIENCY), Metric::EFFICIENCY.keep(30.0), "of the one that tells both");
        assert_eq!((of(Metric::TEMP_CHIP_MAX), of(Metric::ACCEPTED)), (Some(-500), None));
        assert_eq!(
            [Metric::MINERS, Metric::MINERS_LIVE, Metric::MINERS_DEAD].map(of),
            [Some(3), Some(2), Some(1)]
        );
    }
}
