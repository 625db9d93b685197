//! Quantities with units. Each is made and read by unit name, is stored in its base unit and is always finite.
//!
//! No arithmetic beyond what readings need: these types carry measurements, they are not a units library.

mod finite;

use finite::Finite;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a number cannot be a quantity.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// NaN or an infinity.
    #[error("{quantity} must be a finite number")]
    NotFinite {
        /// The quantity's name, for the message.
        quantity: &'static str,
    },
    /// Finite, but no such value can exist (a negative hash rate, a temperature below absolute zero, …).
    #[error("{value} {unit} is not a possible {quantity}")]
    OutOfRange {
        /// The quantity's name.
        quantity: &'static str,
        /// Its base unit.
        unit: &'static str,
        /// What was given, in the base unit.
        value: f64,
    },
}

/// Declares one quantity: its base unit, its least value, and constructor/reader pairs with their factors.
///
/// A factor is given as `* n` (the named unit is n base units) or `/ n` (n of the named unit make one base unit), so
/// that both directions are one correctly rounded operation and a printed decimal survives the round trip.
macro_rules! quantity {
    (
        $(#[$doc:meta])*
        $name:ident, $quantity:literal, $unit:literal, min $min:expr, $whole:ident;
        $( $(#[$udoc:meta])* $from:ident / $get:ident: $op:tt $factor:literal; )+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(Finite);

        impl $name {
            fn checked(base: f64) -> Result<Self, UnitError> {
                let finite = Finite::new(base).ok_or(UnitError::NotFinite { quantity: $quantity })?;
                if base < $min {
                    return Err(UnitError::OutOfRange { quantity: $quantity, unit: $unit, value: base });
                }
                Ok(Self(finite))
            }

            $(
                $(#[$udoc])*
                ///
                /// # Errors
                /// [`UnitError`] when the number is not finite or no such quantity can exist.
                pub fn $from(value: f64) -> Result<Self, UnitError> {
                    Self::checked(quantity!(@in $whole value $op $factor))
                }

                #[doc = concat!("The value as counted by [`", stringify!($name), "::", stringify!($from), "`].")]
                pub fn $get(self) -> f64 {
                    quantity!(@out self.0.get(), $op $factor)
                }
            )+
        }

        impl TryFrom<f64> for $name {
            type Error = UnitError;
            fn try_from(base: f64) -> Result<Self, UnitError> {
                Self::checked(base)
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.0.get()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0.get(), $unit)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.get().total_cmp(&other.0.get())
            }
        }
    };
    (@in whole $value:ident * $factor:literal) => { ($value * $factor).round() };
    (@in exact $value:ident * $factor:literal) => { $value * $factor };
    (@in $w:ident $value:ident / $factor:literal) => { $value / $factor };
    (@out $base:expr, * $factor:literal) => { $base / $factor };
    (@out $base:expr, / $factor:literal) => { $base * $factor };
}

quantity! {
    /// Hashes per second, a whole number of them: what a miner printed in GH/s reads back
    /// exactly up to 2 PH/s, far more than one machine does.
    HashRate, "hash rate", "H/s", min 0.0, whole;
    /// From hashes per second.
    from_hs / as_hs: * 1.0;
    /// From 10³ hashes per second.
    from_khs / as_khs: * 1e3;
    /// From 10⁶ hashes per second, the unit of cgminer's `MHS …` keys.
    from_mhs / as_mhs: * 1e6;
    /// From 10⁹ hashes per second, the unit of the `GHS …` keys of Antminer firmware.
    from_ghs / as_ghs: * 1e9;
    /// From 10¹² hashes per second, the unit people use.
    from_ths / as_ths: * 1e12;
}

quantity! {
    /// Degrees Celsius.
    Temperature, "temperature", "°C", min -273.15, exact;
    /// From degrees Celsius.
    from_celsius / as_celsius: * 1.0;
}

quantity! {
    /// Watts.
    Power, "power", "W", min 0.0, exact;
    /// From watts.
    from_watts / as_watts: * 1.0;
    /// From kilowatts.
    from_kilowatts / as_kilowatts: * 1e3;
}

quantity! {
    /// Joules.
    Energy, "energy", "J", min 0.0, exact;
    /// From joules.
    from_joules / as_joules: * 1.0;
    /// From kilowatt-hours.
    from_kilowatt_hours / as_kilowatt_hours: * 3.6e6;
}

quantity! {
    /// Volts.
    Voltage, "voltage", "V", min 0.0, exact;
    /// From volts.
    from_volts / as_volts: * 1.0;
    /// From millivolts.
    from_millivolts / as_millivolts: / 1e3;
    /// From hundredths of a volt, the step of several PSU readings.
    from_centivolts / as_centivolts: / 1e2;
}

quantity! {
    /// Amperes.
    Current, "current", "A", min 0.0, exact;
    /// From amperes.
    from_amperes / as_amperes: * 1.0;
}

quantity! {
    /// Hertz.
    Frequency, "frequency", "Hz", min 0.0, whole;
    /// From hertz.
    from_hertz / as_hertz: * 1.0;
    /// From megahertz, the unit of every firmware's chip frequency.
    from_megahertz / as_megahertz: * 1e6;
}

quantity! {
    /// Fan revolutions per minute.
    FanSpeed, "fan speed", "rpm", min 0.0, exact;
    /// From revolutions per minute.
    from_rpm / as_rpm: * 1.0;
}

quantity! {
    /// A share of a whole: 0 is none and 1 is all. More than 1 is possible (a fan over its rated duty, 104 % of the
    /// expected hash rate).
    Ratio, "ratio", "", min 0.0, exact;
    /// From a fraction.
    from_fraction / as_fraction: * 1.0;
    /// From percent.
    from_percent / as_percent: / 1e2;
}

quantity! {
    /// How hard a share is to find, and work counted in shares of difficulty 1: times 2³² it is the hashes that this takes on
    /// average.
    Difficulty, "difficulty", "", min 0.0, exact;
    /// From the number of shares of difficulty 1 that it comes to.
    from_shares / as_shares: * 1.0;
}

quantity! {
    /// Shares over time, as cgminer counts it.
    Utility, "utility", "/min", min 0.0, exact;
    /// From shares per minute.
    from_per_minute / as_per_minute: * 1.0;
}

quantity! {
    /// Energy per work: joules per 10¹² hashes, which equals watts per TH/s.
    Efficiency, "efficiency", "J/TH", min 0.0, exact;
    /// From joules per terahash.
    from_joules_per_terahash / as_joules_per_terahash: * 1.0;
}

impl HashRate {
    /// Nothing at all: a miner that says it hashes at zero, which is not the same as one that says nothing.
    pub const ZERO: Self = Self(Finite::ZERO);

    /// The sum of what is known; `None` when nothing is.
    pub fn sum(rates: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let rates = rates.into_iter().flatten().map(Self::as_hs);
        // More than there are numbers for is not known.
        rates.reduce(|total, rate| total + rate).and_then(|total| Self::from_hs(total).ok())
    }

    /// This rate as a share of another; `None` when the other is zero.
    pub fn ratio_to(self, whole: Self) -> Option<Ratio> {
        (whole > Self::ZERO).then(|| Ratio::from_fraction(self.as_hs() / whole.as_hs()).ok()).flatten()
    }
}

impl Difficulty {
    /// Nothing at all. Much firmware says this where it does not know.
    pub const ZERO: Self = Self(Finite::ZERO);
}

impl Efficiency {
    /// Power over hash rate; `None` for a miner that does not hash.
    pub fn of(power: Power, rate: HashRate) -> Option<Self> {
        (rate > HashRate::ZERO)
            .then(|| Self::from_joules_per_terahash(power.as_watts() / rate.as_ths()).ok())
            .flatten()
    }
}

impl fmt::Display for HashRate {
    /// In the largest unit that keeps at least one digit before the point, two decimals unless a precision is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (factor, unit) = match self.as_hs() {
            v if v >= 1e15 => (1e15, "PH/s"),
            v if v >= 1e12 || v == 0.0 => (1e12, "TH/s"),
            v if v >= 1e9 => (1e9, "GH/s"),
            v if v >= 1e6 => (1e6, "MH/s"),
            v if v >= 1e3 => (1e3, "kH/s"),
            _ => (1.0, "H/s"),
        };
        write!(f, "{:.*} {unit}", f.precision().unwrap_or(2), self.as_hs() / factor)
    }
}

/// `Display` of a quantity in its base unit with a default number of decimals.
macro_rules! display {
    ($($name:ident $precision:literal $unit:literal),+ $(,)?) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:.*} ", $unit), f.precision().unwrap_or($precision), self.0.get())
            }
        }
    )+ };
}
display!(Utility 2 "/min", Temperature 0 "°C", Power 0 "W", Energy 0 "J", Voltage 2 "V", Current 1 "A", FanSpeed 0 "rpm", Efficiency 1 "J/TH");

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*} MHz", f.precision().unwrap_or(0), self.as_megahertz())
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", f.precision().unwrap_or(0), self.as_shares())
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*} %", f.precision().unwrap_or(0), self.as_percent())
    }
}

#[cfg(test)]
mod tests;
