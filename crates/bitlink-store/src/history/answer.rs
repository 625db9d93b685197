//! What becomes of many readings, and how it is written in columns; and the form in which it is given out.

use super::Tier;
use super::row::Stat;
use bitlink_model::{Metric, MetricNature, Timestamp};

/// A metric over time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// What.
    pub metric: Metric,
    /// In which resolution.
    pub tier: Tier,
    /// In order of time, each time once.
    pub samples: Vec<Sample>,
}

/// A reading, or what became of the readings of a quarter of an hour or six hours. In the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// When it was read; of a summary, when its time begins.
    pub at: Timestamp,
    /// The least.
    pub min: f64,
    /// The mean; of what has none, as counters, the last.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
    /// The last.
    pub last: f64,
    /// How many readings of the machine there were in that time.
    pub readings: u32,
}

/// What is known of several readings of one metric, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) readings: i64,
    pub(crate) min: i64,
    pub(crate) mean: i64,
    pub(crate) max: i64,
    pub(crate) last: i64,
}

pub(crate) fn nature(code: u32) -> MetricNature {
    // What a later version added is treated with the most care.
    Metric::from_code(code).map_or(MetricNature::Gauge, |metric| metric.info().nature)
}

impl Summary {
    pub(crate) const fn of(value: i64) -> Self {
        Self { readings: 1, min: value, mean: value, max: value, last: value }
    }

    /// The columns of a metric: one has the value itself, and the others by how much they differ, which is mostly little.
    pub(crate) fn columns(&self, nature: MetricNature) -> Vec<(Stat, i64)> {
        match nature {
            MetricNature::Gauge => vec![
                (Stat::Last, self.last.wrapping_sub(self.mean)),
                (Stat::Mean, self.mean),
                (Stat::Min, self.mean.wrapping_sub(self.min)),
                (Stat::Max, self.max.wrapping_sub(self.mean)),
            ],
            _ => vec![
                (Stat::Last, self.last),
                (Stat::Min, self.last.wrapping_sub(self.min)),
                (Stat::Max, self.max.wrapping_sub(self.last)),
            ],
        }
    }

    /// The other way round, from columns in the order of [`Stat::ALL`].
    pub(crate) fn from_columns(
        nature: MetricNature,
        readings: i64,
        [last, mean, min, max]: [Option<i64>; 4],
    ) -> Option<Self> {
        let (last, min, max) = (last?, min?, max?);
        let base = match nature {
            MetricNature::Gauge => mean?,
            _ => last,
        };
        let own = |value: i64| if nature == MetricNature::Gauge { base.wrapping_add(value) } else { base };
        Some(Self {
            readings: readings.max(1),
            min: base.wrapping_sub(min),
            mean: base,
            max: base.wrapping_add(max),
            last: own(last),
        })
    }

    pub(crate) fn sample(&self, metric: Metric, at: i64) -> Sample {
        let value = |kept| metric.value(kept);
        if self.min == self.max && self.mean == self.last && self.min == self.last {
            let (value, readings) = (value(self.last), u32::try_from(self.readings).unwrap_or(u32::MAX));
            let at = Timestamp::from_unix_millis(at);
            return Sample { at, min: value, mean: value, max: value, last: value, readings };
        }
        Sample {
            at: Timestamp::from_unix_millis(at),
            min: value(self.min),
            mean: value(self.mean),
            max: value(self.max),
            last: value(self.last),
            readings: u32::try_from(self.readings).unwrap_or(u32::MAX),
        }
    }
}

/// Readings being joined, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gathered {
    readings: i64,
    sum: i128,
    min: i64,
    max: i64,
    last: i64,
}

impl Gathered {
    pub(crate) fn add(&mut self, next: &Summary) {
        if self.readings == 0 {
            (self.min, self.max) = (next.min, next.max);
        }
        self.readings = self.readings.saturating_add(next.readings);
        self.sum += i128::from(next.mean) * i128::from(next.readings);
        self.min = self.min.min(next.min);
        self.max = self.max.max(next.max);
        self.last = next.last;
    }

    pub(crate) fn summary(&self, nature: MetricNature) -> Option<Summary> {
        if self.readings == 0 {
            return None;
        }
        let readings = i128::from(self.readings);
        let mean = match nature {
            // Rounded to the nearest.
            MetricNature::Gauge => {
                i64::try_from((2 * self.sum + readings).div_euclid(2 * readings)).unwrap_or(self.last)
            }
            _ => self.last,
        };
        Some(Summary { readings: self.readings, min: self.min, mean, max: self.max, last: self.last })
    }
}

/// The beginning of the summary that a time belongs to.
pub(crate) fn bucket(tier: Tier, at: i64) -> i64 {
    match tier.width() {
        Some(width) => {
            let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX);
            at.div_euclid(width).saturating_mul(width)
        }
        None => at,
    }
}

#[cfg(test)]
mod tests {
    //! Summaries survive their columns, and joining is the same in one step or two.
    use super::*;
    use proptest::prelude::*;

    fn gather(values: &[i64]) -> Gathered {
        let mut gathered = Gathered::default();
        for value in values {
            gathered.add(&Summary::of(*value));
        }
        gathered
    }

    proptest! {
        #[test]
        fn a_summary_is_what_its_readings_are_and_survives_its_columns(
            values in prop::collection::vec(-1_i64 << 53..1 << 53, 1..50)
        ) {
            for nature in [MetricNature::Gauge, MetricNature::Counter, MetricNature::State] {
                let summary = gather(&values).summary(nature).unwrap();
                prop_assert_eq!(summary.min, *values.iter().min().unwrap());
                prop_assert_eq!(summary.max, *values.iter().max().unwrap());
                prop_assert_eq!(summary.last, *values.last().unwrap());
                let mut columns = [None; 4];
                for (stat, value) in summary.columns(nature) {
                    columns[stat as usize] = Some(value);
                }
                prop_assert_eq!(Summary::from_columns(nature, summary.readings, columns), Some(summary));
            }
        }

        #[test]
        fn the_mean_of_means_is_that_of_all_but_for_rounding(
            a in prop::collection::vec(-1000_i64..1000, 1..50), b in prop::collection::vec(-1000_i64..1000, 1..50)
        ) {
            let mut joined = gather(&[]);
            joined.add(&gather(&a).summary(MetricNature::Gauge).unwrap());
            joined.add(&gather(&b).summary(MetricNature::Gauge).unwrap());
            let all = gather(&[a, b].concat()).summary(MetricNature::Gauge).unwrap();
            let joined = joined.summary(MetricNature::Gauge).unwrap();
            prop_assert!((joined.mean - all.mean).abs() <= 1);
            prop_assert_eq!((joined.min, joined.max, joined.last, joined.readings), (all.min, all.max, all.last, all.readings));
        }
    }

    #[test]
    fn times_before_1970_have_their_summary_too() {
        assert_eq!(bucket(Tier::Quarter, -1), -900_000);
        assert_eq!(bucket(Tier::SixHours, 21_600_001), 21_600_000);
    }
}
