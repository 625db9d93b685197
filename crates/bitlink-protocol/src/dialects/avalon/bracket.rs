//! The bracket grammar in which Canaan's firmware packs a whole machine into one string: `Ver[1246-90-…] Temp[28]
//! PVT_T0[ 63  70]`, on small machines wrapped in named groups, `'STATS':{Ver[Q-…] …}` or `'HB0':{…} 'HB1':{…}`.
//! (Canaan universal API manual; cgminer driver-avalon7.c)
//!
//! Only the grammar: what the keys mean is the dialect's business. Any text gives some result; nothing fails.

use serde_json::{Map, Value};

/// A run of `KEY[value]`, and the name of the group that wraps it, if one does.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Group {
    /// "STATS", "HB0"; empty for items that stand free.
    pub(super) name: String,
    /// Values as printed, spaces around them removed. The first of two equal keys counts: what follows may be text that
    /// somebody typed, such as the name of a wireless network.
    pub(super) items: Map<String, Value>,
}

/// Takes a string apart. Groups come in the order met; those without items are left out.
pub(super) fn parse(text: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut group = Group::default();
    let mut rest = text;
    while let Some(at) = rest.find(['[', '{', '}', ']']) {
        let (before, bracket, after) = cut(rest, at);
        rest = after;
        match bracket {
            "[" => {
                let key = key(before);
                // One source shows the whole string in brackets of its own: `MM ID0[Ver[…],DNA[…]]`.
                if key.starts_with("MM ID") {
                    continue;
                }
                // A value ends at the first closing bracket; a reply that was cut short has none.
                let Some(end) = after.find(']') else { break };
                let (value, _, after) = cut(after, end);
                rest = after;
                if !key.is_empty() && !group.items.contains_key(key) {
                    group.items.insert(key.to_owned(), Value::from(value.trim()));
                }
            }
            "{" => {
                let name = name(before);
                groups.push(std::mem::replace(&mut group, Group { name, ..Group::default() }));
            }
            "}" => groups.push(std::mem::take(&mut group)),
            _ => {}
        }
    }
    groups.push(group);
    groups.retain(|group| !group.items.is_empty());
    groups
}

/// A text around the one-byte character at `at`.
fn cut(text: &str, at: usize) -> (&str, &str, &str) {
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let (bracket, after) = rest.split_at_checked(1).unwrap_or((rest, ""));
    (before, bracket, after)
}

/// The key that ends a text: letters, digits, `_`, `/`, `:` and spaces, as in `Nonce Mask[25]`.
fn key(before: &str) -> &str {
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | ':' | ' ');
    before.rsplit(|c| !of_key(c)).next().unwrap_or_default().trim_matches([' ', ':'])
}

/// The name in quotes that ends a text: `'HB0':`.
fn name(before: &str) -> String {
    let quoted = before.trim_end().trim_end_matches(':').trim_end();
    let name = quoted.strip_suffix('\'').and_then(|q| q.rsplit('\'').next());
    name.unwrap_or_default().to_owned()
}

/// The numbers of a list between spaces, some of them padded with more than one; what is no number keeps its place.
pub(super) fn numbers(list: &str) -> Vec<Option<f64>> {
    list.split_whitespace()
        .take(MOST_NUMBERS)
        .map(|word| word.parse().ok().filter(|number: &f64| number.is_finite()))
        .collect()
}

/// More numbers than any list has.
const MOST_NUMBERS: usize = 4096;

#[cfg(test)]
mod tests;
