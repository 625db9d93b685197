//! The little of GraphQL that a miner's server speaks: a question names what it wants of a document, and gets that and nothing
//! else. A name that is not there makes the whole question an error.

use crate::node::{Node, Record};
use std::iter::Peekable;
use std::str::Chars;

/// A name that is asked for, and what of it.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    inner: Vec<Field>,
}

/// Deepest question taken.
const MAX_DEPTH: usize = 32;

/// Answers a question about a document: `{"data":…}`, or `{"data":null,"errors":[…]}`.
pub(crate) fn answer(document: &Node, query: &str) -> Record {
    let mut chars = query.chars().peekable();
    // What stands before says that it is a question, and what it is called.
    while chars.next_if(|c| *c != '{').is_some() {}
    let wanted = if chars.next().is_some() { fields(&mut chars, 0) } else { None };
    match wanted.ok_or_else(|| "Syntax error".to_owned()).and_then(|wanted| select(document, &wanted)) {
        Ok(data) => Record::new().put("data", data),
        Err(words) => refused(&words),
    }
}

/// An answer without data.
pub(crate) fn refused(words: &str) -> Record {
    Record::new().put("data", null()).put("errors", Node::one(Record::new().text("message", words)))
}

/// Nothing.
pub(crate) fn null() -> Node {
    Node::Bare("null".to_owned())
}

/// The names up to, and with, the bracket that closes them.
fn fields(chars: &mut Peekable<Chars<'_>>, depth: usize) -> Option<Vec<Field>> {
    let mut found: Vec<Field> = Vec::new();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        match chars.peek()? {
            '}' => {
                chars.next();
                return Some(found);
            }
            // `... on Kind{…}`: there is one kind of each thing here.
            '.' => {
                while chars.next_if(|c| *c != '{').is_some() {}
                chars.next();
                found.extend(fields(chars, depth + 1)?);
            }
            '{' => {
                chars.next();
                let inner = if depth < MAX_DEPTH { fields(chars, depth + 1)? } else { return None };
                found.last_mut()?.inner = inner;
            }
            c if c.is_alphanumeric() || *c == '_' => {
                let mut name = String::new();
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                found.push(Field { name, inner: Vec::new() });
            }
            _ => return None,
        }
    }
}

fn select(node: &Node, wanted: &[Field]) -> Result<Node, String> {
    match node {
        Node::Record(record) if !wanted.is_empty() => {
            let mut out = Record::new();
            for field in wanted {
                let value = match record.fields.iter().find(|(key, _)| *key == field.name) {
                    Some((_, value)) => select(value, &field.inner)?,
                    None if field.name == "__typename" => Node::Text("Object".to_owned()),
                    None => return Err(format!("Unknown field \"{}\"", field.name)),
                };
                out = out.put(field.name.clone(), value);
            }
            Ok(out.into())
        }
        Node::List(items) => {
            items.iter().map(|item| select(item, wanted)).collect::<Result<_, _>>().map(Node::List)
        }
        other => Ok(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    //! Questions and what comes of them.
    use super::*;

    #[test]
    fn what_is_asked_for_is_told_and_nothing_else() {
        let fan = |rpm| Record::new().int("rpm", rpm).int("speed", 60).into();
        let document: Node = Record::new()
            .put("bos", Record::new().text("hostname", "m1").text("mac", "02").into())
            .put("fans", Node::List(vec![fan(1), fan(2)]))
            .put("gone", null())
            .into();
        let ask = |query| Node::from(answer(&document, query)).to_json();
        assert_eq!(ask("{bos{hostname}}"), r#"{"data":{"bos":{"hostname":"m1"}}}"#);
        assert_eq!(
            ask("query Fans { fans { rpm } bos { ... on Bos { mac } } gone { deep } }"),
            r#"{"data":{"fans":[{"rpm":1},{"rpm":2}],"bos":{"mac":"02"},"gone":null}}"#
        );
        assert!(ask("{bos{serial}}").contains("Unknown field \\\"serial\\\""));
        for broken in ["", "{", "{bos{hostname}", "{bos(a:1){b}}", "no", "{{a}}"] {
            assert!(ask(broken).contains("errors"), "{broken}");
        }
        assert!(ask(&"{a".repeat(100)).contains("errors"));
    }
}
