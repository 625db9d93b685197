//! What each family can be told, as a table that the documents are made from, and that whatever cannot be told says why.

use crate::dialect::registry;
use bitlink_model::{ActionKind, Identity, Make, Support};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Better last.
fn rank(support: &Support) -> u8 {
    match support {
        Support::Yes => 2,
        Support::Unverified => 1,
        _ => 0,
    }
}

/// One of nobody knows what make, and those of makes that share a firmware and not its pages.
fn identities() -> Vec<Identity> {
    let makes = [None, Some(Make::VOLCMINER), Some(Make::HAMMER)];
    makes
        .into_iter()
        .map(|make| {
            let mut identity = Identity::default();
            identity.make = make;
            identity
        })
        .collect()
}

/// Of the dialects of one family that counts which can do most.
#[test]
fn what_each_family_can_be_told() {
    let mut families: BTreeMap<String, Vec<Support>> = BTreeMap::new();
    for dialect in registry() {
        let family = dialect.family();
        let known = families
            .entry(family.as_str().to_owned())
            .or_insert_with(|| ActionKind::ALL.iter().map(|_| Support::no("")).collect());
        for able in identities().iter().map(|identity| dialect.capabilities(identity)) {
            for (best, kind) in known.iter_mut().zip(ActionKind::ALL) {
                let support = able.of(*kind);
                if rank(&support) > rank(best) {
                    *best = support;
                }
            }
        }
    }
    let mut table = String::from("family");
    for kind in ActionKind::ALL {
        write!(table, "\t{}", kind.as_str()).unwrap();
    }
    for (family, supports) in families {
        write!(table, "\n{family}").unwrap();
        for support in supports {
            let word = match rank(&support) {
                2 => "yes",
                1 => "unverified",
                _ => "no",
            };
            write!(table, "\t{word}").unwrap();
        }
    }
    insta::with_settings!({
        prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "../commands",
    }, {
        insta::assert_snapshot!("capabilities", table);
    });
}

#[test]
fn what_cannot_be_told_says_why() {
    for dialect in registry() {
        for able in identities().iter().map(|identity| dialect.capabilities(identity)) {
            for kind in ActionKind::ALL {
                if let Support::No { why } = able.of(*kind) {
                    assert!(why.len() > 10, "{:?} {kind}: {why:?}", dialect.family());
                }
            }
        }
    }
}
