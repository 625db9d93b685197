//! Defects of what a reply says, made in its tree: the status stays as it is, the sections suffer.

use super::Defect;
use crate::face::{Content, Document, Form};
use crate::node::{Node, Record};

/// Spoils a reply.
pub(crate) fn spoil(document: &mut Document, defect: Defect) {
    match defect {
        Defect::TextReply => document.form = Form::Text,
        Defect::NumberedSections => replies(document, number_sections),
        Defect::SectionMissing => {
            replies(document, |reply| {
                reply.fields.retain(|(key, _)| matches!(key.as_ref(), "STATUS" | "id"));
            });
        }
        Defect::DuplicateKeys => sections(document, |node| records(node, &mut repeat_numbers)),
        Defect::GluedRecords => sections(document, glue),
        Defect::NotANumber => numbers(document, |n, _| token(n, ["nan", "-nan", "inf"])),
        Defect::OutOfRange => {
            numbers(document, |n, _| token(n, ["-9999999999999999999999999999999.00", "1e308", "-1"]));
        }
        Defect::NumbersAsText => numbers(document, |_, bare| Some(Node::Text(format!("  {bare}")))),
        Defect::WrongTypes => {
            let wrong = [
                Node::List(Vec::new()),
                Node::Bool(true),
                Node::Record(Record::new()),
                Node::Bare("null".to_owned()),
            ];
            numbers(document, |n, _| wrong.get(n % (wrong.len() + 1)).cloned());
        }
        Defect::EmptyRates => sections(document, |node| records(node, &mut empty_rates)),
        _ => {}
    }
}

/// Every third number becomes one of these tokens.
fn token(n: usize, tokens: [&str; 3]) -> Option<Node> {
    n.is_multiple_of(3).then(|| tokens.get(n / 3 % 3).map(|token| Node::Bare((*token).to_owned())))?
}

/// Applies to each reply of a document, joined or not.
fn replies(document: &mut Document, mut change: impl FnMut(&mut Record)) {
    match &mut document.content {
        Content::Single(reply) => change(reply),
        Content::Joined(parts) => parts.iter_mut().for_each(|(_, reply)| change(reply)),
        Content::Nothing => {}
    }
}

/// Applies to everything in each reply but its status and id.
fn sections(document: &mut Document, mut change: impl FnMut(&mut Node)) {
    replies(document, |reply| {
        for (key, node) in &mut reply.fields {
            if !matches!(key.as_ref(), "STATUS" | "id" | "When" | "Code" | "Description") {
                change(node);
            }
        }
    });
}

/// Applies to every record in a tree.
fn records(node: &mut Node, change: &mut impl FnMut(&mut Record)) {
    match node {
        Node::List(items) | Node::Glued(items) => {
            for item in items {
                records(item, change);
            }
        }
        Node::Record(record) => {
            record.fields.iter_mut().for_each(|(_, value)| records(value, change));
            change(record);
        }
        Node::Bare(_) | Node::Text(_) | Node::Bool(_) => {}
    }
}

/// Replaces numbers, counted over the whole document, where `with` gives something for them.
fn numbers(document: &mut Document, with: impl Fn(usize, &str) -> Option<Node>) {
    let mut n = 0;
    sections(document, |node| each_number(node, &mut n, &with));
}

fn each_number(node: &mut Node, n: &mut usize, with: &impl Fn(usize, &str) -> Option<Node>) {
    match node {
        Node::List(items) | Node::Glued(items) => {
            for item in items {
                each_number(item, n, with);
            }
        }
        Node::Record(record) => {
            record.fields.iter_mut().for_each(|(_, value)| each_number(value, n, with));
        }
        Node::Bare(bare) => {
            if let Some(other) = with(*n, bare) {
                *node = other;
            }
            *n += 1;
        }
        Node::Text(_) | Node::Bool(_) => {}
    }
}

fn repeat_numbers(record: &mut Record) {
    let fields = std::mem::take(&mut record.fields);
    for (key, value) in fields {
        if matches!(value, Node::Bare(_)) {
            record.fields.push((key.clone(), Node::Bare("0".to_owned())));
            record.fields.push((key.clone(), value.clone()));
        }
        record.fields.push((key, value));
    }
}

fn glue(node: &mut Node) {
    if let Node::List(items) = node {
        *node = Node::Glued(std::mem::take(items));
    }
}

fn empty_rates(record: &mut Record) {
    for (key, value) in &mut record.fields {
        if key.starts_with("chain_rate") || key.starts_with("MHS ") {
            *value = Node::Text(String::new());
        }
    }
}

/// `"POOLS":[{…},{…}]` as `"POOL0":[{…}],"POOL1":[{…}]`.
fn number_sections(reply: &mut Record) {
    let fields = std::mem::take(&mut reply.fields);
    for (key, value) in fields {
        match value {
            Node::List(items) | Node::Glued(items) if key != "STATUS" => {
                let stem = match key.as_ref() {
                    "POOLS" => "POOL",
                    "DEVS" => "DEV",
                    other => other,
                };
                let numbered = items.into_iter().enumerate();
                reply
                    .fields
                    .extend(numbered.map(|(n, item)| (format!("{stem}{n}").into(), Node::List(vec![item]))));
            }
            value => reply.fields.push((key, value)),
        }
    }
}
