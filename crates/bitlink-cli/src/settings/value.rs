//! Values as people write them in a configuration: times and sizes with units, and `off`.

use crate::text::parse_duration;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::time::Duration;

/// A number of bytes as a text with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_bytes(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected a size like \"500MB\" or \"20GB\""))
    }
}

pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let letters = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(letters);
    let each: u64 = match unit.trim() {
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(each)
}

/// A time as a text with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(D::Error::custom("a time needs a unit, as \"10s\""));
        }
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A value, or the word `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrOff<T> {
    On(T),
    Off,
}

impl<T> OrOff<T> {
    pub(super) fn on(self) -> Option<T> {
        match self {
            Self::On(value) => Some(value),
            Self::Off => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrOff<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        if value.as_str() == Some("off") {
            return Ok(Self::Off);
        }
        T::deserialize(value).map(Self::On).map_err(D::Error::custom)
    }
}
