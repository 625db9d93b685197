//! Who may depend on whom: the table of layers, and the check of every manifest against it.
//!
//! It looks at what the manifests declare. What a crate pulls in through others is checked in `closure`.

use super::Finding;
use super::tree::Tree;
use crate::workspace::{Dependency, DependencyKind, Metadata, Package};

/// What one crate may use in its normal and build dependencies; dev-dependencies are free.
#[derive(Debug)]
struct Layer {
    name: &'static str,
    ours: Allowed,
    third_party: Allowed,
}

/// A choice of crates.
#[derive(Debug, Clone, Copy)]
enum Allowed {
    /// Any crate.
    Any,
    /// These and no others.
    Only(&'static [&'static str]),
}

impl Allowed {
    fn contains(self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// The layers from the bottom up. A crate that is not in this table may not be in the workspace.
///
/// To let a crate use another one, change its row, and say in the commit why this layer needs it. The reasons for the
/// shape of the whole are in `docs/decisions/0001-layers-are-tested.md`.
const LAYERS: &[Layer] = &[
    Layer {
        name: "bitlink-model",
        ours: Allowed::Only(&[]),
        third_party: Allowed::Only(&[
            // Texts that thousands of readings have in common: one copy, counted.
            "arcstr",
            "serde",
            "thiserror",
        ]),
    },
    Layer {
        name: "bitlink-protocol",
        ours: Allowed::Only(&["bitlink-model"]),
        third_party: Allowed::Only(&[
            "serde",
            "serde_json",
            "thiserror",
            // Primitives of the logins and encrypted commands of some firmwares: pure functions of bytes.
            "aes",
            "base64",
            "ecb",
            // Takes apart the head of an HTTP reply; opens nothing.
            "httparse",
            "md-5",
            "sha2",
            // SealMiner's IP report is packed with zlib; mDNS answers are DNS messages. Pure functions of bytes, both.
            "miniz_oxide",
            "simple-dns",
        ]),
    },
    Layer {
        name: "bitlink-transport",
        ours: Allowed::Only(&["bitlink-model", "bitlink-protocol"]),
        third_party: Allowed::Only(&[
            "async-trait",
            "futures",
            "mockall",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
            // Asking for neighbours below IP, on Linux; socket2 also for UDP ports that are shared, and for multicast by
            // one interface.
            "nix",
            "socket2",
            // By which interface a network is reached.
            "if-addrs",
            // TLS below HTTP.
            "rustls",
            "tokio-rustls",
        ]),
    },
    Layer {
        name: "bitlink-scanner",
        ours: Allowed::Only(&["bitlink-model", "bitlink-protocol", "bitlink-transport"]),
        third_party: Allowed::Only(&[
            "async-trait",
            "futures",
            "ipnet",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
        ]),
    },
    Layer {
        name: "bitlink-monitor",
        ours: Allowed::Only(&["bitlink-model", "bitlink-protocol", "bitlink-transport"]),
        // serde: health rules are data, read from a configuration and shown by an API; and so is what is remembered of a
        // miner from one run to the next.
        third_party: Allowed::Only(&["futures", "serde", "thiserror", "tokio", "tokio-util", "tracing"]),
    },
    Layer {
        name: "bitlink-control",
        ours: Allowed::Only(&["bitlink-model", "bitlink-protocol", "bitlink-transport"]),
        third_party: Allowed::Only(&[
            "async-trait",
            "futures",
            // Plans, policies and groups are data; journals and the audit log are lines of JSON, the latter chained by SHA-256.
            "serde",
            "serde_json",
            "sha2",
            // Passwords are kept sealed: a key made of a passphrase, a cipher, and salt.
            "argon2",
            "chacha20poly1305",
            "getrandom",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
        ]),
    },
    Layer {
        name: "bitlink-store",
        ours: Allowed::Only(&["bitlink-model"]),
        // The embedded database, the sheets of positions, and the compressor of readings over time.
        third_party: Allowed::Only(&[
            "csv",
            "pco",
            "rusqlite",
            "serde",
            "serde_json",
            "thiserror",
            "tracing",
        ]),
    },
    Layer {
        name: "bitlink-alerts",
        ours: Allowed::Only(&["bitlink-model"]),
        third_party: Allowed::Only(&[
            "async-trait",
            "futures",
            // Weekly maintenance is by a clock on a wall.
            "jiff",
            // Messages go out by HTTP and by mail, over TLS; webhooks are signed.
            "hmac",
            "lettre",
            "reqwest",
            "rustls",
            "sha2",
            // Rules are data; state and messages are kept as JSON.
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
        ]),
    },
    Layer {
        name: "bitlink-simulator",
        ours: Allowed::Only(&["bitlink-model", "bitlink-protocol", "bitlink-transport"]),
        third_party: Allowed::Only(&[
            "async-trait",
            // The other side of the logins and of signed orders.
            "aes",
            "base64",
            "md-5",
            "sha2",
            "rand",
            "rand_pcg",
            // The other side of TLS, with a certificate of its own making.
            "rcgen",
            "rustls",
            "serde_json",
            // What an announced web server answers.
            "simple-dns",
            "socket2",
            "thiserror",
            "tokio",
            "tokio-rustls",
            "tokio-util",
            "tracing",
        ]),
    },
    Layer {
        name: "bitlink-miner-manager",
        ours: Allowed::Only(&[
            "bitlink-model",
            "bitlink-protocol",
            "bitlink-transport",
            "bitlink-scanner",
            "bitlink-monitor",
            "bitlink-control",
            "bitlink-store",
            "bitlink-alerts",
        ]),
        // What goes through the control socket of a service is JSON; a filter may name a network, and looks through many texts.
        third_party: Allowed::Only(&[
            "async-trait",
            "futures",
            "ipnet",
            // Numbers as texts, as serde_json writes them: a fleet as a sheet has a million.
            "itoa",
            "memchr",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
            "zmij",
        ]),
    },
    Layer {
        name: "bitlink-cockpit",
        ours: Allowed::Only(&["bitlink-miner-manager", "bitlink-model"]),
        third_party: Allowed::Any,
    },
    Layer {
        name: "bitlink-cli",
        ours: Allowed::Only(&[
            "bitlink-miner-manager",
            "bitlink-cockpit",
            "bitlink-simulator",
            "bitlink-model",
        ]),
        third_party: Allowed::Any,
    },
    Layer { name: "bitlink-benches", ours: Allowed::Any, third_party: Allowed::Any },
    Layer { name: "xtask", ours: Allowed::Any, third_party: Allowed::Any },
];

/// Crates on which nothing may depend, not even a test.
const LEAVES: [&str; 3] = ["bitlink-benches", "bitlink-fuzz", "xtask"];

/// Crates that may hand errors on as `anyhow::Error`; the others say what went wrong in types of their own.
const MAY_USE_ANYHOW: [&str; 3] = ["bitlink-cli", "bitlink-benches", "xtask"];

/// Checks every manifest of the workspace against the table.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    metadata.packages.iter().flat_map(|package| check_package(package, &ours, metadata, tree)).collect()
}

fn check_package(package: &Package, ours: &[&str], metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let manifest = package.manifest_path.strip_prefix(&metadata.workspace_root);
    let manifest = manifest.unwrap_or(&package.manifest_path).to_string_lossy().replace('\\', "/");
    let name = &package.name;
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
        let message = format!("{name} has no row in the table of layers (xtask/src/tidy/layers.rs)");
        return vec![Finding::error(&manifest, 1, message)];
    };
    let text = tree.text(&manifest).unwrap_or_default();
    let findings = package.dependencies.iter().filter_map(|dependency| {
        let message = complaint(layer, dependency, ours)?;
        Some(Finding::error(&manifest, line_of(dependency, text), message))
    });
    findings.collect()
}

/// What is wrong with this dependency of that layer, if anything.
fn complaint(layer: &Layer, dependency: &Dependency, ours: &[&str]) -> Option<String> {
    let (user, wanted) = (layer.name, dependency.name.as_str());
    if LEAVES.contains(&wanted) {
        return Some(format!("nothing may depend on {wanted}"));
    }
    if dependency.kind == DependencyKind::Dev {
        return None;
    }
    if wanted == "anyhow" && !MAY_USE_ANYHOW.contains(&user) {
        return Some(format!("{user} is a library: its errors have types of their own, not anyhow's"));
    }
    if ours.contains(&wanted) || wanted.starts_with("bitlink-") {
        return (!layer.ours.contains(wanted))
            .then(|| format!("{user} may not depend on {wanted}: it is no layer below"));
    }
    (!layer.third_party.contains(wanted)).then(|| {
        format!("{user} may not depend on {wanted}: its row in xtask/src/tidy/layers.rs does not have it")
    })
}

/// The line of the manifest where a dependency is declared, or the first if it is not written in the usual way.
fn line_of(dependency: &Dependency, manifest: &str) -> usize {
    let name = dependency.rename.as_deref().unwrap_or(&dependency.name);
    let section = match dependency.kind {
        DependencyKind::Normal => "dependencies",
        DependencyKind::Dev => "dev-dependencies",
        DependencyKind::Build => "build-dependencies",
    };
    // `[dependencies]` and `[target.'cfg(unix)'.dependencies]`.
    let is_section = |header: &str| header.rsplit('.').next() == Some(section);
    let mut inside = false;
    for (line, number) in manifest.lines().zip(1..) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            // `[dependencies.name]`, a table of its own.
            let parent = header.strip_suffix(name).and_then(|rest| rest.strip_suffix('.'));
            if parent.is_some_and(is_section) {
                return number;
            }
            inside = is_section(header);
        } else if inside && line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '='])) {
            return number;
        }
    }
    1
}

#[cfg(test)]
mod tests;
