//! Which miners are wanted, as somebody types it: `status:warning model:S19 chip_temp>85`. A number that is not known is neither
//! above nor below anything.

use super::{Field, Kind, Subject, Value, field, unit};
use ipnet::IpNet;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::LazyLock;

/// Terms that must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    text: String,
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
    /// A text holds this.
    Holds(&'static Field, String),
    /// A text is this, capital or not.
    Is(&'static Field, String),
    Within(IpNet),
    At(IpAddr),
    Compares(&'static Field, Comparison, f64),
    Between(&'static Field, f64, f64),
    /// Nothing is known of it.
    Unknown(&'static Field),
    Flag(&'static Field, bool),
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

/// Why a text is no filter, in words for whoever typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct FilterError {
    why: String,
    /// Where in the text the term begins that is wrong, in characters.
    pub at: usize,
}

/// Longer ones are no filters that anybody types.
const LONGEST: usize = 4_000;

/// The names of fields through which a word without a name looks.
const SEARCHED: &[&str] = &[
    "status", "address", "model", "firmware", "mac", "serial", "hostname", "pool", "worker", "reason",
    "rules", "id", "position", "labels", "notes",
];

impl Filter {
    /// Reads what was typed. Nothing typed is a filter that lets everything pass.
    ///
    /// # Errors
    /// [`FilterError`], with where it is wrong.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > LONGEST {
            return Err(FilterError { why: format!("a filter has at most {LONGEST} letters"), at: LONGEST });
        }
        let read = |word: Word| term(&word).map_err(|why| FilterError { why, at: word.at });
        let terms = words(text).into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), terms })
    }

    /// Whether a miner is wanted.
    pub fn matches(&self, of: &Subject<'_>) -> bool {
        self.terms.iter().all(|term| term.lets(of))
    }

    /// Which of several are. One term is put to all of them before the next one is: what lies far apart in memory is fetched for
    /// several miners at a time then, and waiting for it is most of what looking through a large fleet costs.
    pub fn pass(&self, of: &[Subject<'_>]) -> Vec<bool> {
        let mut passing = vec![true; of.len()];
        for term in &self.terms {
            for (passes, subject) in passing.iter_mut().zip(of) {
                *passes = *passes && term.lets(subject);
            }
        }
        passing
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The fields that its terms name.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.terms.iter().filter_map(|term| term.test.field())
    }

    /// Whether it looks for a word through all texts of a miner ([`Subject::words`]).
    pub fn looks_anywhere(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::Anywhere(_)))
    }

    /// Whether everybody is.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

/// A word as it was typed, with the quotes taken off.
struct Word {
    text: String,
    /// How much of it stood before the first quote: only there is a sign a sign.
    plain: usize,
    at: usize,
}

/// Words apart, where quotes hold them together.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quoted = false;
    for (at, c) in text.chars().enumerate() {
        if c.is_whitespace() && !quoted {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert(Word { text: String::new(), plain: usize::MAX, at });
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

fn term(word: &Word) -> Result<Term, String> {
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
    let (sign, value) = split_sign(rest);
    let test = match (field(&name.to_ascii_lowercase()), sign) {
        // Addresses and hardware addresses have colons of their own, and so do those of pools.
        (None, ":") => anywhere(),
        (None, _) => return Err(format!("there is no {name:?}; the keys are in the help")),
        (Some(field), sign) => test(field, name, sign, value)?,
    };
    Ok(Term { not, test })
}

fn test(field: &'static Field, name: &str, sign: &str, value: &str) -> Result<Test, String> {
    let is = matches!(sign, ":" | "=" | "==");
    if is && matches!(value, "unknown" | "?") {
        return Ok(Test::Unknown(field));
    }
    match field.kind {
        Kind::Bool if is => match value {
            "on" | "yes" | "true" => Ok(Test::Flag(field, true)),
            "off" | "no" | "false" => Ok(Test::Flag(field, false)),
            _ if field.key == "light" => Err("a light is on, off or unknown".to_owned()),
            _ => Err(format!("{name} is yes, no or unknown")),
        },
        Kind::Text | Kind::Word(_) if is => {
            let is_address = matches!(field.key, "address" | "ip");
            if is_address && value.contains('/') {
                let net = value.parse().map_err(|_no_network| format!("{value:?} is no network"))?;
                return Ok(Test::Within(net));
            }
            if is_address && let Ok(ip) = value.parse() {
                return Ok(Test::At(ip));
            }
            let wanted = value.to_lowercase();
            Ok(if sign == ":" { Test::Holds(field, wanted) } else { Test::Is(field, wanted) })
        }
        Kind::Text | Kind::Word(_) | Kind::Bool => Err(format!("{name} is compared with `:`")),
        Kind::Number | Kind::Time => {
            let comparison = comparison(sign).ok_or_else(|| format!("what is {sign:?}?"))?;
            // Under a name of its own a bare number is in the base unit, under a short one in that of people.
            let per = if name.eq_ignore_ascii_case(field.key) { 1.0 } else { field.per };
            let read = |text: &str| unit::parse(text, field.unit, per);
            if is && let Some((low, high)) = value.split_once("..") {
                let low = if low.is_empty() { f64::NEG_INFINITY } else { read(low)? };
                let high = if high.is_empty() { f64::INFINITY } else { read(high)? };
                return Ok(Test::Between(field, low, high));
            }
            Ok(Test::Compares(field, comparison, read(value)?))
        }
    }
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

impl Term {
    /// Whether it lets a miner pass.
    fn lets(&self, of: &Subject<'_>) -> bool {
        self.test.holds(of).is_some_and(|holds| holds != self.not)
    }
}

impl Test {
    /// The field that it is about, where it is about one.
    fn field(&self) -> Option<&'static Field> {
        match self {
            Self::Anywhere(_) => None,
            Self::Holds(field, _)
            | Self::Is(field, _)
            | Self::Compares(field, ..)
            | Self::Between(field, ..)
            | Self::Unknown(field)
            | Self::Flag(field, _) => Some(*field),
            Self::Within(_) | Self::At(_) => field("address"),
        }
    }

    /// Whether it holds; `None` where that cannot be known.
    fn holds(&self, of: &Subject<'_>) -> Option<bool> {
        match self {
            Self::Anywhere(wanted) => Some(anywhere(of, wanted)),
            Self::Holds(field, wanted) => field.any(of, &mut |text| contains(text, wanted)),
            Self::Is(field, wanted) => {
                field.any(of, &mut |text| text.eq_ignore_ascii_case(wanted) || text.to_lowercase() == *wanted)
            }
            Self::Within(net) => Some(net.contains(&of.miner.ip)),
            Self::At(ip) => Some(of.miner.ip == *ip),
            Self::Flag(field, wanted) => match field.value(of) {
                Value::Bool(is) => Some(is == *wanted),
                _ => None,
            },
            Self::Compares(field, comparison, limit) => {
                number(field, of)?.partial_cmp(limit).map(|order| comparison.holds(order))
            }
            Self::Between(field, low, high) => {
                let number = number(field, of)?;
                Some(*low <= number && number <= *high)
            }
            Self::Unknown(field) if field.is_text() => Some(field.any(of, &mut |_| true).is_none()),
            Self::Unknown(field) => Some(field.value(of) == Value::Unknown),
        }
    }
}

fn number(field: &Field, of: &Subject<'_>) -> Option<f64> {
    match field.value(of) {
        Value::Number(number) => Some(number),
        _ => None,
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

/// The fields through which a word without a name looks.
fn searched() -> impl Iterator<Item = &'static Field> {
    static FIELDS: LazyLock<Vec<&'static Field>> =
        LazyLock::new(|| SEARCHED.iter().filter_map(|name| field(name)).collect());
    FIELDS.iter().copied()
}

/// Between two texts that are looked through as one.
const BETWEEN: char = '\u{1f}';

/// All texts through which a word without a name looks, in small letters.
pub(super) fn words_of(of: &Subject<'_>) -> String {
    let mut words = String::new();
    for field in searched() {
        field.any(of, &mut |text| {
            if text.is_ascii() {
                words.extend(text.chars().map(|letter| letter.to_ascii_lowercase()));
            } else {
                words.push_str(&text.to_lowercase());
            }
            words.push(BETWEEN);
            false
        });
    }
    words
}

fn anywhere(of: &Subject<'_>, wanted: &str) -> bool {
    match of.words {
        Some(words) if !wanted.contains(BETWEEN) => {
            memchr::memmem::find(words.as_bytes(), wanted.as_bytes()).is_some()
        }
        _ => searched().any(|field| field.any(of, &mut |text| contains(text, wanted)) == Some(true)),
    }
}

/// Whether a text holds another one, which is in small letters. Without taking memory where it is plain.
fn contains(text: &str, lower: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(lower);
    }
    let (text, lower) = (text.as_bytes(), lower.as_bytes());
    let Some(first) = lower.first() else { return true };
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), text).any(|at| {
        let part = text.get(at..at + lower.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(lower))
    })
}
