//! Changes to the rules as data: what a configuration file says. A change names only what it changes; a key that is not
//! known is refused, and so is a number without its unit where one is needed. Holds no limit of its own.

use super::rules::{Band, Limit, Rules};
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Declares [`RulesPatch`]: a field for each one of [`Rules`], with the type of its change.
macro_rules! patch {
    ($( $field:ident : $ty:ty ),+ $(,)?) => {
        /// A change to some of the [`Rules`]. What is `None` stays as it is. The fields are those of [`Rules`].
        #[derive(Debug, Clone, Default, PartialEq)]
        #[allow(missing_docs)] // said at the fields of the same name in `Rules`
        #[non_exhaustive]
        pub struct RulesPatch {
            $( pub $field: Option<$ty>, )+
        }

        impl RulesPatch {
            /// The names of all rules' fields, in the order of the documentation.
            pub const FIELDS: &'static [&'static str] = &[$( stringify!($field) ),+];

            /// Makes the change.
            pub fn apply(&self, rules: &mut Rules) {
                $( if let Some(change) = &self.$field {
                    change.apply(&mut rules.$field);
                } )+
            }

            /// The change that gives these rules from whatever there was.
            pub fn whole(rules: &Rules) -> Self {
                Self { $( $field: Some(<$ty as Change<_>>::whole(&rules.$field)), )+ }
            }

            /// Takes the value of a key out of a map, if the key is one of the fields.
            pub(super) fn take<'de, A: MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $( stringify!($field) => {
                        if self.$field.is_some() {
                            return Err(A::Error::duplicate_field(stringify!($field)));
                        }
                        let value: Wire<$ty> = map.next_value()?;
                        self.$field = Some(value.0);
                    } )+
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// Puts what is changed into a map.
            pub(super) fn put<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                $( if let Some(value) = &self.$field {
                    map.serialize_entry(stringify!($field), &Wire(value.clone()))?;
                } )+
                Ok(())
            }
        }
    };
}

patch! {
    dead_after_failures: u32,
    dead_after: Duration,
    alive_after_answers: u32,
    warm_up: Duration,
    hashrate_ratio: BandPatch,
    not_hashing_for: Duration,
    share_rate_ratio: BandPatch,
    share_rate_window: Duration,
    share_rate_sigmas: f64,
    chip_celsius: BandPatch,
    board_celsius: BandPatch,
    inlet_celsius: BandPatch,
    outlet_celsius: BandPatch,
    fan_rpm: LimitPatch,
    boards_missing_for: Duration,
    board_idle_for: Duration,
    chips_lost_ratio: LimitPatch,
    chips_gone_ratio: LimitPatch,
    parts_remembered_for: Duration,
    pools_dead_for: Duration,
    allowed_pools: Vec<String>,
    no_share_factor: f64,
    no_share_least: Duration,
    no_share_unknown: Duration,
    rejected_ratio: BandPatch,
    stale_ratio: BandPatch,
    shares_window: Duration,
    shares_least: u64,
    hardware_error_ratio: BandPatch,
    restarts: u32,
    restarts_window: Duration,
    device_error_clears_after: Duration,
    failed_for: Duration,
    starting_for: Duration,
    longest_gap: Duration,
}

/// A change to a value of the rules.
trait Change<T> {
    fn apply(&self, to: &mut T);
    fn whole(of: &T) -> Self;
}

/// Values that are replaced as a whole.
macro_rules! replaced {
    ($($ty:ty),+) => {
        $( impl Change<$ty> for $ty {
            fn apply(&self, to: &mut $ty) {
                to.clone_from(self);
            }

            fn whole(of: &$ty) -> Self {
                of.clone()
            }
        } )+
    };
}

replaced!(u32, u64, f64, Duration, Vec<String>);

/// A change to a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LimitPatch {
    /// No limit.
    Off,
    /// Another limit, another time, or both. A limit that was off and is given no time counts at once.
    Set {
        /// The limit, in the unit of its field.
        value: Option<f64>,
        /// How long it must be broken.
        hold: Option<Duration>,
    },
}

impl LimitPatch {
    /// Another limit, with the time it had.
    pub const fn limit(value: f64) -> Self {
        Self::Set { value: Some(value), hold: None }
    }
}

impl Change<Option<Limit>> for LimitPatch {
    fn apply(&self, to: &mut Option<Limit>) {
        *to = match (*self, *to) {
            (Self::Off, _) => None,
            (Self::Set { value, hold }, Some(limit)) => {
                Some(Limit { value: value.unwrap_or(limit.value), hold: hold.unwrap_or(limit.hold) })
            }
            (Self::Set { value, hold }, None) => {
                value.map(|value| Limit { value, hold: hold.unwrap_or_default() })
            }
        };
    }

    fn whole(of: &Option<Limit>) -> Self {
        of.map_or(Self::Off, |limit| Self::Set { value: Some(limit.value), hold: Some(limit.hold) })
    }
}

/// A change to a band.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct BandPatch {
    /// The warning limit.
    pub warning: Option<LimitPatch>,
    /// The critical limit.
    pub critical: Option<LimitPatch>,
    /// How much better than the limit a reading must be to clear it.
    pub margin: Option<f64>,
}

impl BandPatch {
    /// Other limits, each with the time it had.
    pub const fn limits(warning: f64, critical: f64) -> Self {
        Self {
            warning: Some(LimitPatch::limit(warning)),
            critical: Some(LimitPatch::limit(critical)),
            margin: None,
        }
    }
}

impl Change<Band> for BandPatch {
    fn apply(&self, to: &mut Band) {
        if let Some(change) = self.warning {
            change.apply(&mut to.warning);
        }
        if let Some(change) = self.critical {
            change.apply(&mut to.critical);
        }
        to.margin = self.margin.unwrap_or(to.margin);
    }

    fn whole(of: &Band) -> Self {
        Self {
            warning: Some(LimitPatch::whole(&of.warning)),
            critical: Some(LimitPatch::whole(&of.critical)),
            margin: Some(of.margin),
        }
    }
}

impl<'de> Deserialize<'de> for RulesPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RulesPatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of health rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RulesPatch, A::Error> {
                let mut patch = RulesPatch::default();
                while let Some(key) = map.next_key::<String>()? {
                    if !patch.take(&key, &mut map)? {
                        return Err(unknown(&key, &[]));
                    }
                }
                Ok(patch)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Serialize for RulesPatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.put(&mut map)?;
        map.end()
    }
}

/// A key that is neither a rule nor one of these.
pub(super) fn unknown<E: serde::de::Error>(key: &str, others: &[&str]) -> E {
    let shown: String = key.chars().take(40).collect();
    let known: Vec<&str> = others.iter().chain(RulesPatch::FIELDS).copied().collect();
    E::custom(format!("unknown key {shown:?}; known are {}", known.join(", ")))
}

/// A value in the form that it has in a file.
struct Wire<T>(T);

/// Values that serde knows.
macro_rules! as_it_is {
    ($($ty:ty),+) => {
        $(
            impl<'de> Deserialize<'de> for Wire<$ty> {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    <$ty>::deserialize(deserializer).map(Self)
                }
            }

            impl Serialize for Wire<$ty> {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    self.0.serialize(serializer)
                }
            }
        )+
    };
}

as_it_is!(u32, u64, f64, Vec<String>);

/// The units of times, with their milliseconds, longest first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// Reads `10min`, `90s` or `1h 30min`.
fn parse_time(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = (!rest.is_empty()).then_some(Duration::ZERO)?;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let unit = if unit == "m" { "min" } else { unit };
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*millis)?;
        total = total.checked_add(Duration::from_millis(part))?;
        rest = next.trim_start();
    }
    Some(total)
}

/// The shortest text that reads back.
pub(super) fn time_text(time: Duration) -> String {
    let mut left = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (name, millis) in UNITS {
        if left >= millis {
            parts.push(format!("{}{name}", left / millis));
            left %= millis;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

impl<'de> Deserialize<'de> for Wire<Duration> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Time;
        impl Visitor<'_> for Time {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit, such as \"90s\", \"10min\" or \"1h 30min\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
                parse_time(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Time).map(Self)
    }
}

impl Serialize for Wire<Duration> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time_text(self.0))
    }
}

/// The word for a limit that there is not.
const OFF: &str = "off";

impl<'de> Deserialize<'de> for Wire<LimitPatch> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = LimitPatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"off\", or a table of `limit` and `for`")
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<LimitPatch, E> {
                Ok(LimitPatch::limit(value))
            }

            #[allow(clippy::cast_precision_loss)] // no limit has so many digits
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<LimitPatch, E> {
                self.visit_f64(value as f64)
            }

            #[allow(clippy::cast_precision_loss)]
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<LimitPatch, E> {
                self.visit_f64(value as f64)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LimitPatch, E> {
                if text == OFF {
                    return Ok(LimitPatch::Off);
                }
                Err(E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LimitPatch, A::Error> {
                let (mut value, mut hold) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "limit" => value = Some(map.next_value()?),
                        "for" => hold = Some(map.next_value::<Wire<Duration>>()?.0),
                        _ => return Err(A::Error::unknown_field(&key, &["limit", "for"])),
                    }
                }
                Ok(LimitPatch::Set { value, hold })
            }
        }
        deserializer.deserialize_any(Form).map(Self)
    }
}

impl Serialize for Wire<LimitPatch> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            LimitPatch::Off => serializer.serialize_str(OFF),
            LimitPatch::Set { value: Some(value), hold: None } => serializer.serialize_f64(value),
            LimitPatch::Set { value, hold } => {
                let mut map = serializer.serialize_map(None)?;
                if let Some(value) = value {
                    map.serialize_entry("limit", &value)?;
                }
                if let Some(hold) = hold {
                    map.serialize_entry("for", &Wire(hold))?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Wire<BandPatch> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = BandPatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"off\", or a table of `warning`, `critical` and `margin`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<BandPatch, E> {
                let off = Some(LimitPatch::Off);
                if text == OFF {
                    return Ok(BandPatch { warning: off, critical: off, margin: None });
                }
                Err(E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BandPatch, A::Error> {
                let mut band = BandPatch::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "warning" => band.warning = Some(map.next_value::<Wire<LimitPatch>>()?.0),
                        "critical" => band.critical = Some(map.next_value::<Wire<LimitPatch>>()?.0),
                        "margin" => band.margin = Some(map.next_value()?),
                        _ => {
                            return Err(A::Error::unknown_field(&key, &["warning", "critical", "margin"]));
                        }
                    }
                }
                Ok(band)
            }
        }
        deserializer.deserialize_any(Form).map(Self)
    }
}

impl Serialize for Wire<BandPatch> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let BandPatch { warning, critical, margin } = self.0;
        if warning == Some(LimitPatch::Off) && critical == Some(LimitPatch::Off) {
            return serializer.serialize_str(OFF);
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(warning) = warning {
            map.serialize_entry("warning", &Wire(warning))?;
        }
        if let Some(critical) = critical {
            map.serialize_entry("critical", &Wire(critical))?;
        }
        if let Some(margin) = margin {
            map.serialize_entry("margin", &margin)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    //! Times and their texts.
    use super::*;

    #[test]
    fn times_read_back_and_need_their_unit() {
        for (text, millis) in [
            ("90s", 90_000),
            ("10min", 600_000),
            ("1h30m", 5_400_000),
            ("1d 2h", 93_600_000),
            ("250ms", 250),
            ("0s", 0),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(time, Duration::from_millis(millis), "{text}");
            assert_eq!(parse_time(&time_text(time)), Some(time));
        }
        for text in ["", " ", "10", "ten min", "10 parsecs", "-5s", "1.5h", "99999999999999999999s", "5é"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        assert_eq!(time_text(Duration::from_secs(90)), "1min 30s");
    }
}
