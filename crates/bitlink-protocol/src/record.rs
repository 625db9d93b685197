//! Lenient access to the fields of one record: numbers that come as strings, units, sentinels, absurd values.
//!
//! A field that is absent is `None`. A field that is there and makes no sense is `None` too, and leaves an anomaly.

use crate::decode::earlier_key;
use bitlink_model::{
    Anomaly, AnomalyKind, Difficulty, FanSpeed, Frequency, HashRate, Power, Ratio, Span, Temperature, Text,
    UnitError, Utility, Voltage,
};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// Collects the oddities met while a reply is read.
#[derive(Debug, Default)]
pub struct Oddities(RefCell<Vec<Anomaly>>);

impl Oddities {
    /// Most that are kept of one reading; a miner that errs everywhere needs no longer list.
    const MOST: usize = 64;

    /// Adds one.
    pub fn add(&self, kind: AnomalyKind, place: impl Into<String>, detail: impl Into<String>) {
        self.extend([Anomaly { kind, place: place.into(), detail: detail.into() }]);
    }

    /// Adds several.
    pub fn extend(&self, anomalies: impl IntoIterator<Item = Anomaly>) {
        let mut list = self.0.borrow_mut();
        for anomaly in anomalies {
            if list.len() < Self::MOST && !list.contains(&anomaly) {
                list.push(anomaly);
            }
        }
    }

    /// All of them, in the order met.
    pub fn take(&self) -> Vec<Anomaly> {
        self.0.take()
    }
}

/// One record of a section.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    map: &'a Map<String, Value>,
    place: &'a str,
    oddities: &'a Oddities,
}

/// Sensors outside of this are broken or not there: uninitialised memory, sign errors, 3000 °C.
const SENSOR_CELSIUS: std::ops::RangeInclusive<f64> = -40.0..=200.0;
/// Firmware prints this for a sensor that does not exist.
const ABSENT_CELSIUS: f64 = -273.0;
/// No fan in a miner turns faster.
const FAN_RPM: std::ops::RangeInclusive<f64> = 0.0..=50_000.0;

impl<'a> Record<'a> {
    /// A record of a reply to `place`.
    pub const fn new(map: &'a Map<String, Value>, place: &'a str, oddities: &'a Oddities) -> Self {
        Self { map, place, oddities }
    }

    /// The value as it came.
    pub fn raw(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    /// The keys and values as they came.
    pub const fn map(&self) -> &'a Map<String, Value> {
        self.map
    }

    /// Every value of a key that stands several times, in order.
    pub fn each(&self, key: &str) -> impl Iterator<Item = &'a Value> {
        let earlier = (1..).map_while(|n| self.map.get(&earlier_key(key, n)));
        earlier.chain(self.map.get(key))
    }

    /// A nested object.
    pub fn record(&self, key: &str) -> Option<Record<'a>> {
        Some(Record { map: self.map.get(key)?.as_object()?, ..*self })
    }

    /// The objects of a list that this record holds under `key`.
    pub fn records(&self, key: &str) -> Vec<Self> {
        let list = self.raw(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_object).map(|map| self.sibling(map)).collect()
    }

    /// Another object of the same reply, such as a member of a nested list.
    #[must_use]
    pub const fn sibling(&self, map: &'a Map<String, Value>) -> Record<'a> {
        Record { map, ..*self }
    }

    /// A text, trimmed; empty ones say nothing.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.map.get(key)?.as_str().map(str::trim).filter(|t| !t.is_empty())
    }

    /// A text, or a number written as one.
    pub fn word(&self, key: &str) -> Option<Text> {
        match self.map.get(key)? {
            Value::String(text) => Some(text.trim()).filter(|t| !t.is_empty()).map(Text::from),
            Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    /// A number, also one written as a string, with spaces or thousands commas.
    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.map.get(key)?;
        let number = lenient_number(value);
        if number.is_none() && !says_nothing(value) {
            self.odd(AnomalyKind::BadValue, key, value);
        }
        number
    }

    /// A number that may carry a unit behind it ("3250 W", "1600M"): the number alone.
    pub fn leading_number(&self, key: &str) -> Option<f64> {
        let value = self.map.get(key)?;
        let number = lenient_number(value).or_else(|| {
            let text = value.as_str()?.trim();
            let end = text
                .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
                .unwrap_or(text.len());
            text.get(..end)?.parse().ok().filter(|n: &f64| n.is_finite())
        });
        if number.is_none() && !says_nothing(value) {
            self.odd(AnomalyKind::BadValue, key, value);
        }
        number
    }

    /// A number with a multiplier behind it ("32.8K", "1.5M"): the product.
    pub fn scaled_number(&self, key: &str) -> Option<f64> {
        let value = self.map.get(key)?;
        let number = lenient_number(value).or_else(|| {
            let text = value.as_str()?.trim();
            let factor = match text.chars().last()? {
                'k' | 'K' => 1e3,
                'm' | 'M' => 1e6,
                'g' | 'G' => 1e9,
                't' | 'T' => 1e12,
                'p' | 'P' => 1e15,
                _ => return None,
            };
            let digits = text.get(..text.len() - 1)?.trim();
            // Three digits and a multiplier name a whole number.
            digits.parse::<f64>().ok().map(|n| (n * factor).round()).filter(|n| n.is_finite())
        });
        if number.is_none() && !says_nothing(value) {
            self.odd(AnomalyKind::BadValue, key, value);
        }
        number
    }

    /// A difficulty, or work in shares of difficulty 1; it may have a multiplier behind it.
    pub fn difficulty(&self, key: &str) -> Option<Difficulty> {
        let number = self.scaled_number(key)?;
        self.checked(key, Difficulty::from_shares(number))
    }

    /// The same where 0 means that the firmware does not know.
    pub fn known_difficulty(&self, key: &str) -> Option<Difficulty> {
        self.difficulty(key).filter(|difficulty| *difficulty > Difficulty::ZERO)
    }

    /// Shares per minute.
    pub fn utility(&self, key: &str) -> Option<Utility> {
        self.quantity(key, Utility::from_per_minute)
    }

    /// A count: whole and not negative.
    pub fn count(&self, key: &str) -> Option<u64> {
        let value = self.map.get(key)?;
        if let Some(count) = value.as_u64() {
            return Some(count);
        }
        let number = self.number(key)?;
        if !(0.0..=9.0e15).contains(&number) {
            self.odd(AnomalyKind::OutOfRange, key, value);
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by the check above
        Some(number.trunc() as u64)
    }

    /// A small count with a ceiling beyond which it is absurd.
    pub fn small(&self, key: &str, ceiling: u32) -> Option<u32> {
        let count = self.count(key)?;
        match u32::try_from(count) {
            Ok(small) if small <= ceiling => Some(small),
            _ => {
                self.odd(AnomalyKind::OutOfRange, key, &Value::from(count));
                None
            }
        }
    }

    /// A whole number of either sign.
    pub fn integer(&self, key: &str) -> Option<i64> {
        let value = self.map.get(key)?;
        let number = lenient_integer(value);
        if number.is_none() && !says_nothing(value) {
            self.odd(AnomalyKind::BadValue, key, value);
        }
        number
    }

    /// Yes or no, in any of the ways firmware writes it.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let value = self.map.get(key)?;
        let flag = match value {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => number
                .as_i64()
                .and_then(|n| [(0, false), (1, true)].into_iter().find(|p| p.0 == n).map(|p| p.1)),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "y" | "yes" | "1" | "on" | "enable" | "enabled" => Some(true),
                "false" | "n" | "no" | "0" | "off" | "disable" | "disabled" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if flag.is_none() && !says_nothing(value) {
            self.odd(AnomalyKind::BadValue, key, value);
        }
        flag
    }

    /// A number with a unit, by the unit's constructor.
    pub fn quantity<T>(&self, key: &str, unit: impl FnOnce(f64) -> Result<T, UnitError>) -> Option<T> {
        let number = self.number(key)?;
        self.checked(key, unit(number))
    }

    /// A hash rate in MH/s.
    pub fn mhs(&self, key: &str) -> Option<HashRate> {
        self.quantity(key, HashRate::from_mhs)
    }

    /// A hash rate in GH/s.
    pub fn ghs(&self, key: &str) -> Option<HashRate> {
        self.quantity(key, HashRate::from_ghs)
    }

    /// A temperature in °C of a sensor that may be broken.
    pub fn celsius(&self, key: &str) -> Option<Temperature> {
        self.sensor(key, self.number(key)?)
    }

    /// A temperature in °C where 0 means that there is no sensor, as cgminer's drivers have it.
    pub fn celsius_or_zero(&self, key: &str) -> Option<Temperature> {
        self.celsius(key).filter(|t| t.as_celsius() != 0.0)
    }

    /// A number from a list that this record holds under `key`, as a sensor reading.
    pub fn sensor(&self, key: &str, celsius: f64) -> Option<Temperature> {
        if celsius == ABSENT_CELSIUS {
            return None;
        }
        if !SENSOR_CELSIUS.contains(&celsius) {
            self.odd(AnomalyKind::OutOfRange, key, &Value::from(celsius));
            return None;
        }
        Temperature::from_celsius(celsius).ok()
    }

    /// A fan speed in rpm.
    pub fn rpm(&self, key: &str) -> Option<FanSpeed> {
        let number = self.leading_number(key)?;
        if !FAN_RPM.contains(&number) {
            self.odd(AnomalyKind::OutOfRange, key, &Value::from(number));
            return None;
        }
        FanSpeed::from_rpm(number).ok()
    }

    /// Power in W; 0 or less means that the firmware does not know.
    pub fn watts(&self, key: &str) -> Option<Power> {
        let number = self.leading_number(key)?;
        (number > 0.0).then(|| self.checked(key, Power::from_watts(number))).flatten()
    }

    /// A frequency in MHz; 0 means that the firmware does not know.
    pub fn megahertz(&self, key: &str) -> Option<Frequency> {
        let number = self.leading_number(key)?;
        (number > 0.0).then(|| self.checked(key, Frequency::from_megahertz(number))).flatten()
    }

    /// A voltage, by the unit's constructor; 0 means that the firmware does not know.
    pub fn voltage(
        &self,
        key: &str,
        unit: impl FnOnce(f64) -> Result<Voltage, UnitError>,
    ) -> Option<Voltage> {
        let number = self.leading_number(key)?;
        (number > 0.0).then(|| self.checked(key, unit(number))).flatten()
    }

    /// A share in percent, with or without the sign.
    pub fn percent(&self, key: &str) -> Option<Ratio> {
        let number = self.leading_number(key)?;
        self.checked(key, Ratio::from_percent(number))
    }

    /// A length of time in seconds.
    pub fn seconds(&self, key: &str) -> Option<Span> {
        self.count(key).map(Span::from_seconds)
    }

    /// Keeps a value that its unit accepts, else leaves an anomaly.
    fn checked<T>(&self, key: &str, result: Result<T, UnitError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.oddities.add(AnomalyKind::OutOfRange, self.place_of(key), error.to_string());
                None
            }
        }
    }

    /// Leaves an anomaly about a field.
    pub fn odd(&self, kind: AnomalyKind, key: &str, value: &Value) {
        let detail = match value {
            Value::String(text) => text.chars().take(80).collect(),
            other => other.to_string().chars().take(80).collect::<String>(),
        };
        self.oddities.add(kind, self.place_of(key), detail);
    }

    fn place_of(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }
}

/// Whether a value is one of the ways to say nothing.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => {
            let text = text.trim().trim_start_matches(['-', '+']).to_ascii_lowercase();
            matches!(text.as_str(), "" | "nan" | "inf" | "null" | "none" | "n/a")
        }
        _ => false,
    }
}

/// A number, also one written as a string.
pub(crate) fn lenient_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let text = text.trim();
            let plain = text.parse::<f64>().ok();
            plain
                .or_else(|| text.contains(',').then(|| text.replace(',', "").parse().ok())?)
                .filter(|n| n.is_finite())
        }
        _ => None,
    }
}

/// A whole number, also one written as a string or with zeros behind the point.
pub(crate) fn lenient_integer(value: &Value) -> Option<i64> {
    if let Some(integer) = value.as_i64() {
        return Some(integer);
    }
    let number = lenient_number(value)?;
    #[allow(clippy::cast_possible_truncation)] // in range by the check
    (number.abs() < 9.0e15).then_some(number.trunc() as i64)
}
