//! Who scans: how each is called, what it prints, and what it asks of a host before it counts it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::rows::Row;
use crate::netns::results::{Told, addresses, open_hosts};

/// A program that scans.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contestant {
    /// What it is called in the table.
    pub(super) name: String,
    /// What it asks of a host before it counts it as found.
    pub(super) asks: String,
    /// Whether it is somebody else's.
    pub(super) is_peer: bool,
    pub(super) kind: Kind,
    pub(super) program: PathBuf,
    /// Variables of its environment.
    pub(super) environment: Vec<(String, String)>,
}

/// How a program is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// `bench-net floor`.
    Loop,
    /// `bitlink scan`.
    Bitlink,
    /// `bitlink scan --brief`.
    BitlinkBrief,
    /// `nmap`.
    Nmap,
    /// The program in `xtask/bench-scan/asic-rs`, at its defaults or with so many at the same time.
    AsicRs(Option<u32>),
    /// Python, with the script in `xtask/bench-scan`.
    Pyasic(PathBuf),
}

/// What a program was seen to find.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) found: BTreeSet<Ipv4Addr>,
    /// How many addresses came to an end, where that is told.
    pub(super) done: Option<u64>,
    /// What is wrong with what it told, if anything.
    pub(super) wrong: Option<String>,
}

impl Contestant {
    /// The bare loop.
    pub(super) fn the_loop(bench_net: &Path) -> Self {
        Self::ours(
            "loop",
            "whether anything answers `version` at port 4028; one try of 200 ms",
            Kind::Loop,
            bench_net,
        )
    }

    /// Our scanner.
    pub(super) fn bitlink(program: &Path) -> Self {
        let asks = "what it is and every value that it tells: a whole reading, web server included";
        Self::ours("bitlink", asks, Kind::Bitlink, program)
    }

    /// Our scanner, asked for no more than what the others find out.
    pub(super) fn bitlink_brief(program: &Path) -> Self {
        let asks = "make, model and rate, in one to three questions (`--brief`)";
        Self::ours("bitlink-brief", asks, Kind::BitlinkBrief, program)
    }

    fn ours(name: &str, asks: &str, kind: Kind, program: &Path) -> Self {
        Self { is_peer: false, ..Self::peer(name, asks, kind, program) }
    }

    /// Somebody else's.
    pub(super) fn peer(name: &str, asks: &str, kind: Kind, program: &Path) -> Self {
        Self {
            name: name.to_owned(),
            asks: asks.to_owned(),
            is_peer: true,
            kind,
            program: program.to_path_buf(),
            environment: Vec::new(),
        }
    }

    /// How it is called for a row.
    pub(super) fn command(&self, row: &Row) -> Vec<OsString> {
        let net = row.network.net.to_string();
        let octets = octets(row.network.net);
        let arguments: Vec<String> = match &self.kind {
            Kind::Loop => vec!["floor".to_owned(), net],
            Kind::Bitlink | Kind::BitlinkBrief => {
                let usual = ["-q", "scan", &net, "--format", "ndjson"];
                let brief: &[&str] = if self.kind == Kind::BitlinkBrief { &["--brief"] } else { &[] };
                usual.iter().chain(brief).chain(row.options).map(|&argument| argument.to_owned()).collect()
            }
            Kind::Nmap => {
                let usual = ["-n", "-T4", "-p", "4028", "--open", "-oG", "-"];
                // It looks who it is, and not what it may.
                let unprivileged = row.without_raw.then_some("--unprivileged");
                usual.into_iter().chain(unprivileged).chain([net.as_str()]).map(str::to_owned).collect()
            }
            Kind::AsicRs(limit) => [octets].into_iter().chain(limit.map(|limit| limit.to_string())).collect(),
            Kind::Pyasic(script) => vec![script.to_string_lossy().into_owned(), octets],
        };
        std::iter::once(self.program.clone().into_os_string())
            .chain(arguments.into_iter().map(OsString::from))
            .collect()
    }

    /// Who was found, by what it printed.
    pub(super) fn read(&self, output: &Path) -> Result<Seen> {
        let file = File::open(output).with_context(|| format!("cannot read {}", output.display()))?;
        let lines = BufReader::new(file);
        Ok(match self.kind {
            Kind::Bitlink | Kind::BitlinkBrief => {
                let told = Told::read(lines)?;
                let adds_up = told.report.as_ref().map(|report| report.adds_up);
                let wrong = match adds_up {
                    Some(true) => None,
                    Some(false) => Some(format!("the outcomes do not add up: {:?}", told.counts)),
                    None => Some("it did not come to an end".to_owned()),
                };
                Seen { done: Some(told.done()), found: told.found, wrong }
            }
            Kind::Nmap => Seen { found: open_hosts(lines), ..Seen::default() },
            Kind::Loop | Kind::AsicRs(_) | Kind::Pyasic(_) => {
                Seen { found: addresses(lines), ..Seen::default() }
            }
        })
    }

    /// Whether an exit code says that it could not do its work.
    pub(super) fn is_failure(&self, code: i32) -> bool {
        match self.kind {
            // 1: some failed, 3: nothing was found, 130: interrupted; all are told in the report.
            Kind::Bitlink | Kind::BitlinkBrief => !matches!(code, 0 | 1 | 3 | 130),
            _ => code != 0,
        }
    }
}

/// A network as ranges of its octets, in which asic-rs and pyasic leave nobody out.
fn octets(net: Ipv4Net) -> String {
    let (first, last) = (net.network().octets(), net.broadcast().octets());
    let range = |(first, last): (u8, u8)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    first.into_iter().zip(last).map(range).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    //! How they are called.
    use super::*;
    use crate::bench_scan::rows;

    #[test]
    fn a_network_is_the_product_of_ranges_of_octets() {
        for (net, expected) in [
            ("10.18.0.0/20", "10.18.0-15.0-255"),
            ("10.18.0.0/24", "10.18.0.0-255"),
            ("10.0.0.0/8", "10.0-255.0-255.0-255"),
            ("10.18.0.128/25", "10.18.0.128-255"),
        ] {
            assert_eq!(octets(net.parse().unwrap()), expected);
        }
    }

    #[test]
    fn nmap_is_told_when_it_may_not() {
        let nmap = Contestant::peer("nmap", "", Kind::Nmap, Path::new("nmap"));
        let unprivileged = OsString::from("--unprivileged");
        for row in rows::all(false) {
            assert_eq!(nmap.command(&row).contains(&unprivileged), row.without_raw, "{}", row.name);
        }
    }
}
