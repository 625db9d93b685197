//! Numbers of a metric as people read them.

use bitlink_miner_manager::model::Metric;

/// By what values are divided, and what is written after them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    by: f64,
    pub(super) unit: &'static str,
    decimals: usize,
}

impl Scale {
    /// One in which values up to this one are read easily.
    pub(super) fn of(metric: Metric, most: f64) -> Self {
        let info = metric.info();
        let large = |units: [(f64, &'static str); 5]| {
            let found = units.into_iter().find(|(by, _)| most.abs() >= *by);
            let (by, unit) = found.unwrap_or((1.0, info.unit));
            Self { by, unit, decimals: if most.abs() / by >= 100.0 { 1 } else { 2 } }
        };
        match info.unit {
            "H/s" => large([(1e15, "PH/s"), (1e12, "TH/s"), (1e9, "GH/s"), (1e6, "MH/s"), (1e3, "kH/s")]),
            "Hz" => Self { by: 1e6, unit: "MHz", decimals: 0 },
            "W" if most.abs() >= 1e6 => Self { by: 1e6, unit: "MW", decimals: 2 },
            "W" if most.abs() >= 2e4 => Self { by: 1e3, unit: "kW", decimals: 1 },
            "" if info.decimals == 3 && metric.part().is_none() || info.name.ends_with("duty") => {
                Self { by: 0.01, unit: "%", decimals: 0 }
            }
            "" if info.name.ends_with("ratio") => Self { by: 0.01, unit: "%", decimals: 3 },
            "" if most.abs() >= 1e12 => Self { by: 1e12, unit: "T", decimals: 2 },
            "" if most.abs() >= 1e9 => Self { by: 1e9, unit: "G", decimals: 2 },
            unit => Self { by: 1.0, unit, decimals: usize::try_from(info.decimals.clamp(0, 1)).unwrap_or(0) },
        }
    }

    /// The number without its unit.
    pub(super) fn number(&self, value: f64) -> String {
        format!("{:.*}", self.decimals, value / self.by)
    }

    /// The number with its unit.
    pub(super) fn text(&self, value: f64) -> String {
        let number = self.number(value);
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }
}

#[cfg(test)]
mod tests {
    //! Numbers in words.
    use super::*;

    #[test]
    fn numbers_are_short_and_have_their_unit() {
        for (metric, value, text) in [
            (Metric::HASHRATE, 95.123e12, "95.12 TH/s"),
            (Metric::HASHRATE, 1_234.5e12, "1.23 PH/s"),
            (Metric::HASHRATE, 0.0, "0.00 H/s"),
            (Metric::POWER, 3_250.0, "3250.0 W"),
            (Metric::POWER, 3_250_000.0, "3.25 MW"),
            (Metric::TEMP_CHIP_MAX, 71.25, "71.2 °C"),
            (Metric::FAN_DUTY.of(1).unwrap(), 0.87, "87 %"),
            (Metric::HARDWARE_ERROR_RATIO, 0.00012, "0.012 %"),
            (Metric::FREQUENCY, 545e6, "545 MHz"),
            (Metric::ACCEPTED, 12_345.0, "12345"),
        ] {
            assert_eq!(Scale::of(metric, value).text(value), text, "{metric}");
        }
    }
}
