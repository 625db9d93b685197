//! Which rules a machine is judged by: the common ones, and what is changed in them for its model and its mode.
//!
//! Changes come in order and each names only what differs: first those that come with this program
//! ([`RuleBook::SHIPPED`]), then the user's own.

use super::patch::{BandPatch, RulesPatch, unknown};
use super::rules::{Rules, RulesError};
use bitlink_model::Identity;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Rules for everybody, and what is different for models and modes that need it: what is hot for one chip is usual for
/// another.
///
/// As data it is one table: the fields of [`Rules`] that differ from their defaults, `shipped` (whether the changes that come
/// with this program count; true unless said otherwise), and a list `override` of tables with `model`, `mode` or both and
/// the fields that differ. Times are texts with a unit; a limit is a number, a table of `limit` and `for`, or `"off"`.
///
/// ```
/// use bitlink_model::{Identity, Make};
/// use bitlink_monitor::RuleBook;
///
/// let book: RuleBook = serde_json::from_str(
///     r#"{
///         "warm_up": "15min",
///         "chip_celsius": { "warning": { "limit": 88, "for": "5min" } },
///         "override": [ { "model": "M50", "mode": "high", "chip_celsius": { "critical": "off" } } ]
///     }"#,
/// )?;
/// let mut identity = Identity::default();
/// identity.make = Some(Make::WHATSMINER);
/// identity.model = Some("M50 VH30".into());
/// let usual = book.rules_for(&identity, None);
/// assert_eq!(usual.chip_celsius.warning.map(|limit| limit.value), Some(88.0));
/// assert_eq!(usual.chip_celsius.critical.map(|limit| limit.value), Some(95.0), "what is not named stays");
/// assert_eq!(book.rules_for(&identity, Some("High")).chip_celsius.critical, None);
/// assert!(serde_json::from_str::<RuleBook>(r#"{ "chip_celcius": "off" }"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RuleBook {
    /// For every miner, as far as no change fits.
    pub common: Arc<Rules>,
    /// Whether the changes of [`RuleBook::SHIPPED`] count. They come before those below.
    pub shipped: bool,
    /// What is different for some models and modes. All that fit count, the later ones last.
    pub overrides: Vec<Override>,
}

/// What is different for some miners.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Override {
    /// Fits where make and model ("WhatsMiner M50 VH30") contain this text, letter case aside. `None` fits all.
    pub model: Option<String>,
    /// Fits where the miner says that it runs in this power mode or preset (`tuning.mode`), letter case aside. `None` fits
    /// all.
    pub mode: Option<String>,
    /// What is different.
    pub rules: RulesPatch,
}

impl Override {
    /// A change for models whose name contains a text.
    pub fn for_model(model: impl Into<String>, rules: RulesPatch) -> Self {
        Self { model: Some(model.into()), mode: None, rules }
    }

    /// The same, in one mode only.
    #[must_use]
    pub fn in_mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = Some(mode.into());
        self
    }

    fn fits(&self, name: Option<&str>, mode: Option<&str>) -> bool {
        let fits_model = self
            .model
            .as_ref()
            .is_none_or(|model| name.is_some_and(|name| name.contains(&model.to_lowercase())));
        let fits_mode = self
            .mode
            .as_ref()
            .is_none_or(|wanted| mode.is_some_and(|mode| mode.trim().eq_ignore_ascii_case(wanted)));
        fits_model && fits_mode
    }
}

impl Default for RuleBook {
    fn default() -> Self {
        Self { common: Arc::default(), shipped: true, overrides: Vec::new() }
    }
}

/// A change that comes with this program.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Shipped {
    /// As [`Override::model`].
    pub model: &'static str,
    /// As [`Override::mode`].
    pub mode: Option<&'static str>,
    /// Another band for the hottest chip, °C: warning and critical.
    pub chip_celsius: Option<(f64, f64)>,
    /// Another band for the hottest board sensor, °C.
    pub board_celsius: Option<(f64, f64)>,
    /// A band for what goes in, °C.
    pub inlet_celsius: Option<(f64, f64)>,
    /// A band for what comes out, °C.
    pub outlet_celsius: Option<(f64, f64)>,
    /// Where the numbers come from.
    pub source: &'static str,
}

impl Shipped {
    const fn of(model: &'static str, source: &'static str) -> Self {
        let (chip_celsius, board_celsius, inlet_celsius, outlet_celsius) = (None, None, None, None);
        Self { model, mode: None, chip_celsius, board_celsius, inlet_celsius, outlet_celsius, source }
    }

    fn to_override(self) -> Override {
        let band = |limits: Option<(f64, f64)>| {
            limits.map(|(warning, critical)| BandPatch::limits(warning, critical))
        };
        let rules = RulesPatch {
            chip_celsius: band(self.chip_celsius),
            board_celsius: band(self.board_celsius),
            inlet_celsius: band(self.inlet_celsius),
            outlet_celsius: band(self.outlet_celsius),
            ..RulesPatch::default()
        };
        Override { model: Some(self.model.to_owned()), mode: self.mode.map(ToOwned::to_owned), rules }
    }
}

const MINING_OS: &str = "MiningOS, limits by model of its Antminer and WhatsMiner workers";
const M56S: Shipped = Shipped {
    chip_celsius: Some((80.0, 85.0)),
    board_celsius: Some((65.0, 70.0)),
    inlet_celsius: Some((45.0, 50.0)),
    ..Shipped::of("WhatsMiner M56S", MINING_OS)
};

impl RuleBook {
    /// What is different for models whose limits are published. docs/health.md shows the same table.
    pub const SHIPPED: &'static [Shipped] = &[
        Shipped {
            chip_celsius: Some((100.0, 110.0)),
            ..Shipped::of("Antminer S9", "cgminer miner.php; the firmware stops the machine at 115")
        },
        Shipped { chip_celsius: Some((100.0, 110.0)), ..Shipped::of("Avalon", "cgminer miner.php") },
        // It stops itself at 80 (board) and 75 (outlet).
        Shipped {
            board_celsius: Some((75.0, 80.0)),
            inlet_celsius: Some((40.0, 45.0)),
            outlet_celsius: Some((70.0, 75.0)),
            ..Shipped::of("Antminer S19 XP Hyd", MINING_OS)
        },
        Shipped { board_celsius: Some((75.0, 80.0)), ..Shipped::of("Antminer S21", MINING_OS) },
        Shipped { inlet_celsius: Some((50.0, 55.0)), ..Shipped::of("WhatsMiner M53S", MINING_OS) },
        Shipped {
            mode: Some("high"),
            inlet_celsius: Some((40.0, 45.0)),
            ..Shipped::of("WhatsMiner M53S", MINING_OS)
        },
        M56S,
        Shipped {
            mode: Some("high"),
            chip_celsius: Some((85.0, 90.0)),
            board_celsius: Some((70.0, 75.0)),
            inlet_celsius: Some((40.0, 45.0)),
            ..M56S
        },
    ];

    /// One set of rules for every miner, whatever its model.
    pub fn new(common: Rules) -> Self {
        Self { common: Arc::new(common), shipped: false, overrides: Vec::new() }
    }

    /// With one more change for some models or modes.
    #[must_use]
    pub fn with_override(mut self, change: Override) -> Self {
        self.overrides.push(change);
        self
    }

    /// The rules for a machine in the mode in which it says that it runs. A change that makes no sense together with the
    /// others is left out.
    pub fn rules_for(&self, identity: &Identity, mode: Option<&str>) -> Arc<Rules> {
        Resolver::new(self.clone(), Duration::ZERO).rules_for(identity, mode)
    }

    /// Whether all rules in it make sense.
    ///
    /// # Errors
    /// [`RulesError`] with the first field that does not.
    pub fn validate(&self) -> Result<(), RulesError> {
        self.common.validate()?;
        for change in &self.overrides {
            let mut rules = (*self.common).clone();
            change.rules.apply(&mut rules);
            rules.validate().map_err(|error| RulesError::InOverride {
                model: change.model.clone().unwrap_or_else(|| "any model".to_owned()),
                source: Box::new(error),
            })?;
        }
        Ok(())
    }

    /// All changes that count, in order.
    fn changes(&self) -> Vec<Override> {
        let shipped = Self::SHIPPED.iter().filter(|_| self.shipped).map(|shipped| shipped.to_override());
        shipped.chain(self.overrides.iter().cloned()).collect()
    }
}

/// Finds the rules for machines, and makes each combination of changes once, so that machines share them.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    common: Arc<Rules>,
    changes: Vec<Override>,
    made: BTreeMap<Vec<usize>, Arc<Rules>>,
}

impl Resolver {
    /// With every [`Rules::longest_gap`] at least so long.
    pub(crate) fn new(book: RuleBook, least_gap: Duration) -> Self {
        let mut changes = book.changes();
        let mut common = book.common;
        if common.longest_gap < least_gap {
            Arc::make_mut(&mut common).longest_gap = least_gap;
        }
        for change in &mut changes {
            change.rules.longest_gap = change.rules.longest_gap.map(|gap| gap.max(least_gap));
        }
        Self { common, changes, made: BTreeMap::new() }
    }

    pub(crate) fn common(&self) -> &Arc<Rules> {
        &self.common
    }

    pub(crate) fn rules_for(&mut self, identity: &Identity, mode: Option<&str>) -> Arc<Rules> {
        let name = identity.name().map(|name| name.to_lowercase());
        let fitting: Vec<usize> = (0..)
            .zip(&self.changes)
            .filter(|(_, change)| change.fits(name.as_deref(), mode))
            .map(|(n, _)| n)
            .collect();
        if fitting.is_empty() {
            return Arc::clone(&self.common);
        }
        if let Some(made) = self.made.get(&fitting) {
            return Arc::clone(made);
        }
        let mut rules = (*self.common).clone();
        for change in fitting.iter().filter_map(|n| self.changes.get(*n)) {
            let before = rules.clone();
            change.rules.apply(&mut rules);
            if rules.validate().is_err() {
                rules = before;
            }
        }
        let rules = Arc::new(rules);
        self.made.insert(fitting, Arc::clone(&rules));
        rules
    }
}

/// The keys of a book that are no rules.
const OF_BOOK: [&str; 2] = ["shipped", "override"];
/// The keys of a change that are no rules.
const OF_OVERRIDE: [&str; 2] = ["model", "mode"];

impl<'de> Deserialize<'de> for RuleBook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = RuleBook;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of health rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RuleBook, A::Error> {
                let (mut book, mut patch) = (RuleBook::default(), RulesPatch::default());
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "shipped" => book.shipped = map.next_value()?,
                        "override" => book.overrides = map.next_value()?,
                        key if patch.take(key, &mut map)? => {}
                        key => return Err(unknown(key, &OF_BOOK)),
                    }
                }
                patch.apply(Arc::make_mut(&mut book.common));
                book.validate().map_err(|error| A::Error::custom(in_words(&error)))?;
                Ok(book)
            }
        }
        deserializer.deserialize_map(Table)
    }
}

impl Serialize for RuleBook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("shipped", &self.shipped)?;
        RulesPatch::whole(&self.common).put(&mut map)?;
        map.serialize_entry("override", &self.overrides)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Override {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Override;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of `model`, `mode` and health rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Override, A::Error> {
                let mut change = Override::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "model" => change.model = Some(map.next_value()?),
                        "mode" => change.mode = Some(map.next_value()?),
                        key if change.rules.take(key, &mut map)? => {}
                        key => return Err(unknown(key, &OF_OVERRIDE)),
                    }
                }
                if change.model.is_none() && change.mode.is_none() {
                    return Err(A::Error::custom("an override needs `model`, `mode` or both"));
                }
                Ok(change)
            }
        }
        deserializer.deserialize_map(Table)
    }
}

impl Serialize for Override {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(model) = &self.model {
            map.serialize_entry("model", model)?;
        }
        if let Some(mode) = &self.mode {
            map.serialize_entry("mode", mode)?;
        }
        self.rules.put(&mut map)?;
        map.end()
    }
}

/// An error and its causes.
fn in_words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", in_words(cause)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
