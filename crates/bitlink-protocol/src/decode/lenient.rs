//! A JSON parser that forgives what real firmware is known to get wrong, and nothing else.
//!
//! It is string-aware: pool names and Avalon's bracket strings may hold `}{` or `,}`, so no textual search and replace
//! can be trusted. It runs only after the strict parser has refused a reply.

use serde_json::{Map, Number, Value};

/// Deepest nesting accepted; the deepest reply on record nests five levels.
const MAX_DEPTH: usize = 64;

/// A defect that was mended, each named once however often it occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mend {
    /// `}{` or `"a""b"`: bmminer's `stats`, WhatsMiner's `get_psu`.
    MissingComma,
    /// `[,{` or `,}`: cgminer's `pools` after a removed pool 0, btminer.
    StrayComma,
    /// A raw newline, tab or other control character inside a string.
    ControlCharacter,
    /// An escape that JSON does not have, such as `\'`.
    BadEscape,
    /// `nan`, `-inf` and the like as bare words.
    NotANumber,
    /// A number too large to be one, or a bare `0x…` word.
    BadNumber,
    /// `["110":"…"]`: WhatsMiner API 2.0.4 prints its error list so.
    PairsInArray,
    /// `"{ "a": 1 }"`: VolcMiner's pages put quotation marks around objects and lists.
    QuotedContainer,
    /// The reply starts in the middle: Avalon after a restart.
    LostBeginning,
    /// The reply stops in the middle; what was complete is kept.
    Truncated,
    /// Something stands after the end: cgminer may append a second ending.
    TrailingBytes,
}

impl Mend {
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::MissingComma => "missing comma",
            Self::StrayComma => "stray comma",
            Self::ControlCharacter => "control character in a string",
            Self::BadEscape => "unknown escape in a string",
            Self::NotANumber => "nan or infinity",
            Self::BadNumber => "a number that cannot be one",
            Self::PairsInArray => "pairs in an array",
            Self::QuotedContainer => "an object or a list in quotation marks",
            Self::LostBeginning => "the beginning is missing",
            Self::Truncated => "the end is missing",
            Self::TrailingBytes => "bytes after the end",
        }
    }
}

/// Reads an object; `None` when the text is beyond the known defects.
pub(super) fn parse(text: &str) -> Option<(Map<String, Value>, Vec<Mend>)> {
    let mut parser = Parser { bytes: text.as_bytes(), text, at: 0, mends: Vec::new() };
    if !text.starts_with('{') {
        parser.note(Mend::LostBeginning);
        let map = parser.members(0).ok()?;
        return Some((map, parser.mends));
    }
    parser.at = 1;
    let map = parser.members(0).ok()?;
    parser.skip_space();
    if parser.at < parser.bytes.len() {
        parser.note(Mend::TrailingBytes);
    }
    Some((map, parser.mends))
}

/// The text is not JSON with a known defect.
struct Beyond;

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    mends: Vec<Mend>,
}

/// A value, or the end of a reply that stopped in the middle of one.
enum Item {
    Value(Value),
    Cut,
}

impl Parser<'_> {
    fn note(&mut self, mend: Mend) {
        if !self.mends.contains(&mend) {
            self.mends.push(mend);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Skips space and commas; says how many commas there were.
    fn separators(&mut self) -> usize {
        let mut commas = 0;
        loop {
            match self.peek() {
                Some(b',') => commas += 1,
                Some(b) if b.is_ascii_whitespace() => {}
                _ => return commas,
            }
            self.at += 1;
        }
    }

    /// Notes what the commas before the next member or the closing bracket tell.
    fn judge_commas(&mut self, commas: usize, first: bool, closing: bool) {
        let due = usize::from(!first && !closing);
        if commas > due {
            self.note(Mend::StrayComma);
        } else if commas < due {
            self.note(Mend::MissingComma);
        }
    }

    /// The members of an object whose `{` has been read, up to and with its `}`.
    fn members(&mut self, depth: usize) -> Result<Map<String, Value>, Beyond> {
        self.pairs(depth, b'}')
    }

    fn pairs(&mut self, depth: usize, close: u8) -> Result<Map<String, Value>, Beyond> {
        if depth > MAX_DEPTH {
            return Err(Beyond);
        }
        let mut map = Map::new();
        let mut first = true;
        loop {
            let commas = self.separators();
            let Some(byte) = self.peek() else {
                self.note(Mend::Truncated);
                return Ok(map);
            };
            if !self.mends.contains(&Mend::LostBeginning) || depth > 0 || !map.is_empty() {
                self.judge_commas(commas, first, byte == close);
            }
            first = false;
            match byte {
                b if b == close => {
                    self.at += 1;
                    return Ok(map);
                }
                b'"' => {
                    let Some(key) = self.string()? else { return Ok(map) };
                    self.skip_space();
                    match self.peek() {
                        Some(b':') => self.at += 1,
                        None => {
                            self.note(Mend::Truncated);
                            return Ok(map);
                        }
                        Some(_) => return Err(Beyond),
                    }
                    match self.value(depth + 1)? {
                        Item::Value(value) => {
                            super::multimap::put(&mut map, key, value);
                        }
                        Item::Cut => return Ok(map),
                    }
                }
                _ => return Err(Beyond),
            }
        }
    }

    /// The items of an array whose `[` has been read, up to and with its `]`.
    fn array(&mut self, depth: usize) -> Result<Value, Beyond> {
        if depth > MAX_DEPTH {
            return Err(Beyond);
        }
        let mut items = Vec::new();
        loop {
            let commas = self.separators();
            let Some(byte) = self.peek() else {
                self.note(Mend::Truncated);
                return Ok(Value::Array(items));
            };
            self.judge_commas(commas, items.is_empty(), byte == b']');
            if byte == b']' {
                self.at += 1;
                return Ok(Value::Array(items));
            }
            if byte == b'}' {
                // The object around it ends and the array never did; the bracket is left to the object.
                self.note(Mend::Truncated);
                return Ok(Value::Array(items));
            }
            if byte == b'"' && items.is_empty() && self.is_pair() {
                self.note(Mend::PairsInArray);
                return self.pairs(depth, b']').map(Value::Object);
            }
            match self.value(depth + 1)? {
                Item::Value(value) => items.push(value),
                Item::Cut => return Ok(Value::Array(items)),
            }
        }
    }

    /// Whether a string and then a colon stand here.
    fn is_pair(&mut self) -> bool {
        let (at, mends) = (self.at, self.mends.clone());
        let is_string = matches!(self.string(), Ok(Some(_)));
        self.skip_space();
        let is_pair = is_string && self.peek() == Some(b':');
        self.at = at;
        self.mends = mends;
        is_pair
    }

    /// Whether the `"` that stands here is followed by a bracket and what a text would not go on with unescaped: another `"`,
    /// or a bracket that opens.
    fn is_quoted_container(&self) -> bool {
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        let mut rest = rest.iter().filter(|b| !b.is_ascii_whitespace());
        matches!((rest.next(), rest.next()), (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'{')))
    }

    fn value(&mut self, depth: usize) -> Result<Item, Beyond> {
        self.skip_space();
        Ok(match self.peek() {
            None => {
                self.note(Mend::Truncated);
                Item::Cut
            }
            Some(b'{') => {
                self.at += 1;
                Item::Value(Value::Object(self.members(depth)?))
            }
            Some(b'[') => {
                self.at += 1;
                Item::Value(self.array(depth)?)
            }
            Some(b'"') if self.is_quoted_container() => {
                self.note(Mend::QuotedContainer);
                self.at += 1;
                let value = self.value(depth)?;
                self.skip_space();
                if self.peek() == Some(b'"') {
                    self.at += 1;
                }
                value
            }
            Some(b'"') => self.string()?.map_or(Item::Cut, |text| Item::Value(Value::String(text))),
            // A value that was never written: `"temp1":,"temp2":…`.
            Some(b',' | b'}' | b']') => {
                self.note(Mend::BadNumber);
                Item::Value(Value::Null)
            }
            Some(_) => self.word()?,
        })
    }

    /// A bare word: a number, `true`, `null`, `nan`, `0x00ff`.
    fn word(&mut self) -> Result<Item, Beyond> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        if word.is_empty() {
            return Err(Beyond);
        }
        if self.at == self.bytes.len() {
            // Cut right behind it: 75 may have lost its last digit.
            self.note(Mend::Truncated);
            return Ok(Item::Cut);
        }
        if let Ok(value) = serde_json::from_str::<Value>(word) {
            return Ok(Item::Value(value));
        }
        let bare = word.trim_start_matches(['+', '-']).to_ascii_lowercase();
        let value = match bare.as_str() {
            "nan" | "inf" | "infinity" => {
                self.note(Mend::NotANumber);
                Value::Null
            }
            // `+5`, `.5`, `5.`, `007` and numbers that are too large.
            _ if bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                self.note(Mend::BadNumber);
                if bare.starts_with("0x") {
                    Value::String(word.to_owned())
                } else {
                    word.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
                }
            }
            _ => return Err(Beyond),
        };
        Ok(Item::Value(value))
    }

    /// A string whose `"` stands here; `None` when the reply stops inside it.
    fn string(&mut self) -> Result<Option<String>, Beyond> {
        self.at += 1;
        let mut out = String::new();
        let mut plain_from = self.at;
        loop {
            let Some(byte) = self.peek() else {
                self.note(Mend::Truncated);
                return Ok(None);
            };
            match byte {
                b'"' => {
                    out.push_str(self.text.get(plain_from..self.at).unwrap_or_default());
                    self.at += 1;
                    return Ok(Some(out));
                }
                b'\\' => {
                    out.push_str(self.text.get(plain_from..self.at).unwrap_or_default());
                    if !self.escape(&mut out) {
                        self.note(Mend::Truncated);
                        return Ok(None);
                    }
                    plain_from = self.at;
                }
                0..=0x1f => {
                    self.note(Mend::ControlCharacter);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    /// An escape whose `\` stands here; false when the reply stops inside it.
    fn escape(&mut self, out: &mut String) -> bool {
        self.at += 1;
        let Some(byte) = self.peek() else { return false };
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let Some(unit) = self.hex4() else {
                    self.note(Mend::BadEscape);
                    return self.at < self.bytes.len();
                };
                self.code_point(unit)
            }
            _ => {
                self.note(Mend::BadEscape);
                // The escaped character stands for itself; it may be the first byte of a longer one.
                self.at -= 1;
                return true;
            }
        };
        out.push(plain);
        true
    }

    /// Four hexadecimal digits.
    fn hex4(&mut self) -> Option<u32> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// The character of a code unit, with its second half where it is the first of a surrogate pair.
    fn code_point(&mut self, unit: u32) -> char {
        if let Some(c) = char::from_u32(unit) {
            return c;
        }
        let at = self.at;
        let pair = self.bytes.get(at..at + 2) == Some(br"\u".as_slice());
        if pair && unit < 0xdc00 {
            self.at += 2;
            if let Some(low @ 0xdc00..0xe000) = self.hex4() {
                let combined = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return char::from_u32(combined).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
            self.at = at;
        }
        self.note(Mend::BadEscape);
        char::REPLACEMENT_CHARACTER
    }
}
