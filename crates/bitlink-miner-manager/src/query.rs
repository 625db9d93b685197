//! The fleet as a table: every field of a miner under one name, by which it is shown, filtered, put in order and exported. The
//! terminal, the command line and the cockpit all use this one language. Pure.
//!
//! A filter is terms that must all hold: `status:warning model:"S19 Pro" chip_temp>85`. What is not known is neither above
//! nor below anything, and a reading that does not stand for now is not known.
//!
//! ```
//! use bitlink_miner_manager::query::{Filter, Sort, Subject};
//! use bitlink_miner_manager::{Miner, Timestamp};
//!
//! let miner = Miner::unheard([192, 168, 1, 7].into(), 4028);
//! let now = Timestamp::from_unix_millis(0);
//! let subject = Subject::new(&miner, None, now);
//! assert!(Filter::parse("ip:192.168.1.0/24 status:scanning").unwrap().matches(&subject));
//! assert!(!Filter::parse("chip_temp<85").unwrap().matches(&subject), "it is not known");
//! assert!(Sort::parse("-hashrate,address").is_ok());
//! ```

mod export;
mod fields;
mod filter;
mod sort;
mod unit;

pub use export::{csv_cell, csv_row};
pub use fields::{FIELDS, field};
pub use filter::{Filter, FilterError};
pub use sort::{Placed, Sort, SortError};

use bitlink_model::{Miner, MinerRecord, Timestamp};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A miner with what people wrote of it, at a time.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    miner: &'a Miner,
    record: Option<&'a MinerRecord>,
    now: Timestamp,
    words: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// A miner as it is watched, and as it is kept where it is known.
    pub const fn new(miner: &'a Miner, record: Option<&'a MinerRecord>, now: Timestamp) -> Self {
        Self { miner, record, now, words: None }
    }

    /// With its [words](Self::words), by somebody who keeps them: a large fleet is looked through much faster with them. They have
    /// to be those of this miner and this record.
    #[must_use]
    pub const fn with_words(self, words: &'a str) -> Self {
        Self { words: Some(words), ..self }
    }

    /// All texts through which a filter looks for a word without a name. They stay the same while the miner and the record do.
    pub fn words(&self) -> String {
        filter::words_of(self)
    }

    /// The miner.
    pub const fn miner(&self) -> &'a Miner {
        self.miner
    }
}

/// A machine that is kept and not watched, as one that was never read: what is known of it is in its record.
pub fn unwatched(record: &MinerRecord) -> Miner {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), crate::DEFAULT_PORT);
    let at = record.last_endpoint().unwrap_or(nowhere);
    let mut miner = Miner::unheard(at.ip(), at.port());
    miner.id = record.id;
    miner.last_updated = Some(record.last_seen);
    miner
}

/// What a field says of a miner, in base units.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// It is not known.
    Unknown,
    /// A text, as the miner or somebody wrote it.
    Text(Cow<'a, str>),
    /// A number in the field's unit.
    Number(f64),
    /// Yes or no.
    Bool(bool),
}

impl<'a> Value<'a> {
    fn text(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        match text.map(Into::into) {
            Some(text) if !text.is_empty() => Self::Text(text),
            _ => Self::Unknown,
        }
    }

    fn number(number: Option<f64>) -> Self {
        number.filter(|number| number.is_finite()).map_or(Self::Unknown, Self::Number)
    }

    fn whole(number: Option<impl TryInto<u32>>) -> Self {
        Self::number(number.and_then(|number| number.try_into().ok()).map(f64::from))
    }

    /// Counts beyond 2⁵³ lose their last digits here, as in the flat view.
    #[allow(clippy::cast_precision_loss)]
    fn count(count: Option<u64>) -> Self {
        Self::number(count.map(|count| count as f64))
    }

    fn flag(flag: Option<bool>) -> Self {
        flag.map_or(Self::Unknown, Self::Bool)
    }
}

/// Of which kind a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of few words.
    Word(&'static [&'static str]),
    /// A number.
    Number,
    /// Milliseconds since 1970.
    Time,
    /// Yes or no.
    Bool,
}

/// One field of a miner.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name: in base units, as the model writes it.
    pub key: &'static str,
    /// A heading.
    pub title: &'static str,
    /// The base unit, as it is written ("H/s", "°C").
    pub unit: Option<&'static str>,
    /// Of which kind it is.
    pub kind: Kind,
    /// Shorter names, under which a bare number is in the unit of people (TH/s, %) and not in the base unit.
    pub aliases: &'static [&'static str],
    /// How many base units the unit of people has.
    pub per: f64,
    /// What it is.
    pub about: &'static str,
    value: for<'a> fn(&Subject<'a>) -> Value<'a>,
    /// The texts that a filter looks through, where there are more than the one that is shown, or that one would have to be made.
    texts: Option<Texts>,
}

/// Whether any of several texts is wanted; `None` where there are none.
type Texts = fn(&Subject<'_>, &mut dyn FnMut(&str) -> bool) -> Option<bool>;

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Field {
    /// What it says of a miner.
    pub fn value<'a>(&self, of: &Subject<'a>) -> Value<'a> {
        (self.value)(of)
    }

    /// Whether any of its texts is wanted; `None` where none is known.
    fn any(&self, of: &Subject<'_>, wanted: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        if let Some(texts) = self.texts {
            return texts(of, wanted);
        }
        match self.value(of) {
            Value::Text(text) => Some(wanted(&text)),
            Value::Bool(yes) => Some(wanted(if yes { "yes" } else { "no" })),
            _ => None,
        }
    }

    /// Whether it holds texts.
    const fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Word(_))
    }
}

#[cfg(test)]
mod tests;
