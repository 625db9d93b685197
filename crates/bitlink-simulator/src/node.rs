//! Replies as trees whose keys keep their order and whose numbers keep their digits, and how they are written.
//!
//! Firmware prints with `printf`: key order, trailing zeros and repeated keys are part of what a client has to live
//! with, so a map type would lose what is simulated here.

use crate::number::real;
use std::borrow::Cow;
use std::fmt::Write;

/// A value of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A number or any other bare token, exactly as printed.
    Bare(String),
    /// A text, unescaped.
    Text(String),
    /// true or false.
    Bool(bool),
    /// A list.
    List(Vec<Node>),
    /// A list whose members stand side by side without commas, as `bmminer` prints its statistics.
    Glued(Vec<Node>),
    /// A record.
    Record(Record),
}

/// Keys and values in order.
pub(crate) type Fields = Vec<(Cow<'static, str>, Node)>;

/// A record under construction. Every setter adds one key at the end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Record {
    pub(crate) fields: Fields,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Any value.
    pub(crate) fn put(mut self, key: impl Into<Cow<'static, str>>, value: Node) -> Self {
        self.fields.push((key.into(), value));
        self
    }

    /// A text.
    pub(crate) fn text(self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.put(key, Node::Text(value.into()))
    }

    /// A whole number.
    pub(crate) fn int(self, key: impl Into<Cow<'static, str>>, value: i64) -> Self {
        self.put(key, Node::Bare(value.to_string()))
    }

    /// A count.
    pub(crate) fn count(self, key: impl Into<Cow<'static, str>>, value: u64) -> Self {
        self.put(key, Node::Bare(value.to_string()))
    }

    /// A number with a fixed number of decimals, as `%.Nf` prints it.
    pub(crate) fn fixed(self, key: impl Into<Cow<'static, str>>, value: f64, decimals: usize) -> Self {
        self.put(key, Node::Bare(format!("{value:.decimals$}")))
    }

    /// A number rounded to two decimals and printed as short as it can be, but never without a point.
    pub(crate) fn short(self, key: impl Into<Cow<'static, str>>, value: f64) -> Self {
        self.put(key, Node::short(value))
    }

    /// true or false.
    pub(crate) fn flag(self, key: impl Into<Cow<'static, str>>, value: bool) -> Self {
        self.put(key, Node::Bool(value))
    }

    /// `"Y"` or `"N"`.
    pub(crate) fn yes(self, key: impl Into<Cow<'static, str>>, value: bool) -> Self {
        self.text(key, if value { "Y" } else { "N" })
    }

    /// Everything of another record.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.fields.extend(other.fields);
        self
    }
}

impl From<Record> for Node {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}

impl Node {
    /// See [`Record::short`].
    pub(crate) fn short(value: f64) -> Self {
        let rounded = (value * 100.0).round() / 100.0;
        Self::Bare(format!("{rounded:?}"))
    }

    /// A list of whole numbers.
    pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> Self {
        Self::List(values.into_iter().map(|v| Self::Bare(v.to_string())).collect())
    }

    /// A list of one record.
    pub(crate) fn one(record: Record) -> Self {
        Self::List(vec![Self::Record(record)])
    }

    /// As JSON, the way cgminer escapes: quotation marks and backslashes only, control characters as they are.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::with_capacity(2048);
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Bare(token) => out.push_str(token),
            Self::Text(text) => write_string(out, text),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Glued(items) => {
                out.push('[');
                for item in items {
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Record(record) => {
                out.push('{');
                for (i, (key, value)) in record.fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(out, key);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// As the records of a text reply: `SECTION,key=value,…|` for a section with one nameless record,
    /// `POOL=0,key=value,…|` for lists whose records begin with their own index.
    pub(crate) fn to_text(&self, section: &str, out: &mut String) {
        match self {
            Self::List(items) | Self::Glued(items) => {
                for item in items {
                    item.to_text(section, out);
                }
            }
            Self::Record(record) => {
                let indexed = record.fields.first().is_some_and(|(key, _)| {
                    section == "DEVS" || section.starts_with(key.as_ref()) || section == "STATUS"
                });
                let mut first = true;
                if !indexed {
                    out.push_str(section);
                    first = false;
                }
                for (key, value) in &record.fields {
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    let _ = write!(out, "{key}=");
                    value.write_text_value(out);
                }
                out.push('|');
            }
            Self::Bare(_) | Self::Text(_) | Self::Bool(_) => {
                self.write_text_value(out);
                out.push('|');
            }
        }
    }

    fn write_text_value(&self, out: &mut String) {
        let plain = match self {
            Self::Bare(token) => Cow::Borrowed(token.as_str()),
            Self::Text(text) => Cow::Borrowed(text.as_str()),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            nested => Cow::Owned(nested.to_json()),
        };
        for c in plain.chars() {
            if matches!(c, ',' | '|' | '=' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// A hash rate in the unit of the `MHS …` keys.
pub(crate) fn mhs(ths: f64) -> f64 {
    ths * 1e6
}

/// A hash rate in the unit of the `GHS …` keys.
pub(crate) fn ghs(ths: f64) -> f64 {
    ths * 1e3
}

/// A share of a whole in percent, 0 when there is no whole.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { real(part) * 100.0 / real(whole) }
}
