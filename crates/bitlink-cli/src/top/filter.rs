//! Which miners are wanted, as somebody types it: `status:warning model:S19 chip_temp>85`. Pure. A number that is not known is neither
//! above nor below anything.

use crate::columns;
use bitlink_miner_manager::{Miner, Timestamp};
use ipnet::IpNet;
use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

/// Terms that must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    /// Whether it must not hold. What is unknown does not hold either way.
    not: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Any text that is shown of the miner holds this.
    Anywhere(String),
    /// A text holds this; an empty one is any that is known.
    Holds(TextKey, String),
    Within(IpNet),
    Compares(NumberKey, Comparison, f64),
    /// Nothing is known of it.
    Unknown(Key),
    Light(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Text(TextKey),
    Number(NumberKey),
    Light,
}

/// Texts by which miners are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextKey {
    Status,
    Address,
    Model,
    Firmware,
    Mac,
    Serial,
    Host,
    Pool,
    Worker,
    Reason,
    Rule,
    Id,
}

/// Numbers, each in the unit that people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberKey {
    HashRate,
    Expected,
    ChipTemp,
    BoardTemp,
    Hottest,
    Power,
    Efficiency,
    Fan,
    Uptime,
    Age,
    HardwareErrors,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    Different,
    AtLeast,
    More,
}

/// The names, for reading and for help. The first of a key is the one that is told.
const KEYS: &[(&str, Key)] = &[
    ("status", Key::Text(TextKey::Status)),
    ("ip", Key::Text(TextKey::Address)),
    ("address", Key::Text(TextKey::Address)),
    ("model", Key::Text(TextKey::Model)),
    ("firmware", Key::Text(TextKey::Firmware)),
    ("mac", Key::Text(TextKey::Mac)),
    ("serial", Key::Text(TextKey::Serial)),
    ("host", Key::Text(TextKey::Host)),
    ("pool", Key::Text(TextKey::Pool)),
    ("worker", Key::Text(TextKey::Worker)),
    ("reason", Key::Text(TextKey::Reason)),
    ("rule", Key::Text(TextKey::Rule)),
    ("id", Key::Text(TextKey::Id)),
    ("light", Key::Light),
    ("hashrate", Key::Number(NumberKey::HashRate)),
    ("exp", Key::Number(NumberKey::Expected)),
    ("chip_temp", Key::Number(NumberKey::ChipTemp)),
    ("board_temp", Key::Number(NumberKey::BoardTemp)),
    ("temp", Key::Number(NumberKey::Hottest)),
    ("power", Key::Number(NumberKey::Power)),
    ("efficiency", Key::Number(NumberKey::Efficiency)),
    ("fan", Key::Number(NumberKey::Fan)),
    ("uptime", Key::Number(NumberKey::Uptime)),
    ("age", Key::Number(NumberKey::Age)),
    ("hw_errors", Key::Number(NumberKey::HardwareErrors)),
    ("rejected", Key::Number(NumberKey::Rejected)),
];

/// Why a text is no filter, in words for whoever types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterError(String);

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Filter {
    /// Reads what was typed. Nothing typed is a filter that lets everything pass.
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let terms = words(text).into_iter().map(|word| term(&word)).collect::<Result<_, _>>()?;
        Ok(Self { terms })
    }

    /// Whether a miner is wanted.
    pub(super) fn wants(&self, miner: &Miner, now: Timestamp) -> bool {
        self.terms.iter().all(|term| match term.test.holds(miner, now) {
            Some(holds) => holds != term.not,
            None => false,
        })
    }
}

/// A word as it was typed, with the quotes taken off.
struct Word {
    text: String,
    /// How much of it stood before the first quote: only there is a sign a sign.
    plain: usize,
}

/// Words apart, where quotes hold them together.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quoted = false;
    for c in text.chars() {
        if c.is_whitespace() && !quoted {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert(Word { text: String::new(), plain: usize::MAX });
        if c == '"' {
            quoted = !quoted;
            word.plain = word.plain.min(word.text.len());
        } else {
            word.text.push(c);
        }
    }
    words.extend(word);
    words.retain(|word| !word.text.is_empty());
    words
}

fn term(word: &Word) -> Result<Term, FilterError> {
    let plain = word.plain.min(word.text.len());
    let (not, from) = match word.text.strip_prefix(['-', '!']) {
        Some(rest) if plain > 0 && !rest.is_empty() => (true, 1),
        _ => (false, 0),
    };
    let asked = word.text.get(from..).unwrap_or_default();
    let plain = plain - from.min(plain);
    let anywhere = || Test::Anywhere(asked.to_lowercase());
    let sign = asked.find([':', '<', '>', '=', '!']).filter(|at| *at < plain && *at > 0);
    let Some(at) = sign else { return Ok(Term { not, test: anywhere() }) };
    let (name, rest) = asked.split_at(at);
    let lower = name.to_ascii_lowercase();
    let key = KEYS.iter().find(|(name, _)| *name == lower).map(|(_, key)| *key);
    let (sign, value) = split_sign(rest);
    let test = match (key, sign) {
        // Addresses and hardware addresses have colons of their own, and so do those of pools.
        (None, ":") => anywhere(),
        (None, _) => return Err(FilterError(format!("there is no {name:?}; the keys are in the help"))),
        (Some(key), ":" | "=") if value == "unknown" => Test::Unknown(key),
        (Some(Key::Light), ":" | "=") => match value {
            "on" => Test::Light(true),
            "off" => Test::Light(false),
            _ => return Err(FilterError("a light is on, off or unknown".to_owned())),
        },
        (Some(Key::Text(TextKey::Address)), ":" | "=") if value.contains('/') => {
            let net = value.parse().map_err(|_no_network| FilterError(format!("{value:?} is no network")))?;
            Test::Within(net)
        }
        (Some(Key::Text(key)), ":" | "=") => Test::Holds(key, value.to_lowercase()),
        (Some(Key::Text(_) | Key::Light), _) => {
            return Err(FilterError(format!("{name} is compared with `:`")));
        }
        (Some(Key::Number(key)), sign) => {
            let comparison = comparison(sign).ok_or_else(|| FilterError(format!("what is {sign:?}?")))?;
            Test::Compares(key, comparison, number(key, value)?)
        }
    };
    Ok(Term { not, test })
}

/// The sign at the beginning, and what comes after it.
fn split_sign(text: &str) -> (&str, &str) {
    let long = ["<=", ">=", "!=", "=="].iter().find(|sign| text.starts_with(**sign));
    text.split_at(long.map_or(1, |sign| sign.len()))
}

fn comparison(sign: &str) -> Option<Comparison> {
    Some(match sign {
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ":" | "=" | "==" => Comparison::Equal,
        "!=" => Comparison::Different,
        ">=" => Comparison::AtLeast,
        ">" => Comparison::More,
        _ => return None,
    })
}

/// A number in the unit of its key: times may be written as times, and thousands with a `k`.
fn number(key: NumberKey, text: &str) -> Result<f64, FilterError> {
    let bad = || {
        FilterError(match text {
            "" => "a number is missing".to_owned(),
            text => format!("{text:?} is no number"),
        })
    };
    if matches!(key, NumberKey::Uptime | NumberKey::Age)
        && let Ok(time) = crate::text::parse_duration(text)
    {
        return Ok(time.as_secs_f64());
    }
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000.0),
        None => (text.strip_suffix('%').unwrap_or(text), 1.0),
    };
    let number: f64 = digits.parse().map_err(|_no_number| bad())?;
    if number.is_finite() { Ok(number * factor) } else { Err(bad()) }
}

impl Test {
    /// Whether it holds; `None` where that cannot be known.
    fn holds(&self, miner: &Miner, now: Timestamp) -> Option<bool> {
        match self {
            Self::Anywhere(wanted) => Some(anywhere(miner, wanted)),
            Self::Holds(key, wanted) => key.holds(miner, wanted),
            Self::Within(net) => Some(net.contains(&miner.ip)),
            Self::Light(on) => light(miner).map(|light| light == *on),
            Self::Compares(key, comparison, limit) => {
                let order = key.of(miner, now)?.partial_cmp(limit)?;
                Some(comparison.holds(order))
            }
            Self::Unknown(Key::Number(key)) => Some(key.of(miner, now).is_none()),
            Self::Unknown(Key::Text(key)) => Some(key.holds(miner, "").is_none()),
            Self::Unknown(Key::Light) => Some(light(miner).is_none()),
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::Different => order.is_ne(),
            Self::AtLeast => order.is_ge(),
            Self::More => order.is_gt(),
        }
    }
}

fn light(miner: &Miner) -> Option<bool> {
    miner.snapshot.as_ref().and_then(|snapshot| snapshot.light)
}

impl TextKey {
    const ALL: [Self; 12] = [
        Self::Status,
        Self::Address,
        Self::Model,
        Self::Firmware,
        Self::Mac,
        Self::Serial,
        Self::Host,
        Self::Pool,
        Self::Worker,
        Self::Reason,
        Self::Rule,
        Self::Id,
    ];

    /// Whether it holds a text in small letters; `None` where it is not known.
    fn holds(self, miner: &Miner, wanted: &str) -> Option<bool> {
        let snapshot = miner.snapshot.as_deref();
        let identity = snapshot.map(|snapshot| &snapshot.identity);
        let any = |texts: &mut dyn Iterator<Item = &str>| {
            let mut texts = texts.filter(|text| !text.is_empty()).peekable();
            texts.peek()?;
            Some(texts.any(|text| contains(text, wanted)))
        };
        let one = |text: Option<&str>| any(&mut text.into_iter());
        match self {
            Self::Status => one(Some(columns::status_word(miner.status))),
            Self::Address => {
                is_at(miner.ip, wanted).or_else(|| one(Some(&columns::address(miner.ip, miner.port))))
            }
            Self::Model => one(snapshot.map(|_| miner.model.as_str())),
            Self::Firmware => one(columns::firmware(miner).as_deref()),
            Self::Mac => one(identity?.mac.map(|mac| mac.to_string()).as_deref()),
            Self::Serial => {
                let identity = identity?;
                any(&mut [&identity.serial, &identity.control_board_serial]
                    .into_iter()
                    .flatten()
                    .map(String::as_str))
            }
            Self::Host => one(identity?.hostname.as_deref()),
            Self::Pool => any(&mut snapshot?.pools.iter().filter_map(|pool| pool.url.as_deref())),
            Self::Worker => any(&mut snapshot?.pools.iter().filter_map(|pool| pool.user.as_deref())),
            Self::Reason => any(&mut miner.findings.iter().map(|finding| finding.message.as_str())),
            Self::Rule => any(&mut miner.findings.iter().map(|finding| finding.rule.as_str())),
            Self::Id => one(Some(&miner.id.to_string())),
        }
    }
}

fn is_at(ip: IpAddr, wanted: &str) -> Option<bool> {
    wanted.parse().ok().map(|wanted: IpAddr| wanted == ip)
}

fn anywhere(miner: &Miner, wanted: &str) -> bool {
    TextKey::ALL.iter().any(|key| key.holds(miner, wanted) == Some(true))
}

/// Whether a text holds another one, which is in small letters. Without taking memory where it is plain.
fn contains(text: &str, lower: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(lower);
    }
    let (text, lower) = (text.as_bytes(), lower.as_bytes());
    lower.is_empty() || text.windows(lower.len()).any(|part| part.eq_ignore_ascii_case(lower))
}

impl NumberKey {
    /// The number, where it is known now. Old numbers are not.
    #[allow(clippy::cast_precision_loss)] // milliseconds of an age
    fn of(self, miner: &Miner, now: Timestamp) -> Option<f64> {
        let stats = &miner.stats;
        let slowest = || stats.fans.iter().copied().filter(|rpm| rpm.is_finite()).reduce(f64::min);
        let number = match self {
            Self::HashRate => stats.hashrate_rt,
            Self::Expected => stats.hashrate_rt / stats.hashrate_expected * 100.0,
            Self::ChipTemp => stats.temp_chip_max,
            Self::BoardTemp => stats.temp_board_max,
            Self::Hottest => stats.temp_chip_max.max(stats.temp_board_max),
            Self::Power => stats.power,
            Self::Efficiency => stats.efficiency,
            Self::Fan => slowest()?,
            Self::Uptime => stats.uptime,
            Self::Age => now.since(miner.last_updated?).as_secs_f64(),
            Self::HardwareErrors => stats.hardware_errors,
            Self::Rejected => stats.rejected,
        };
        Some(number).filter(|number| number.is_finite())
    }
}

#[cfg(test)]
mod tests;
