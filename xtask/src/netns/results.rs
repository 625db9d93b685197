//! What scanners print, as far as it matters who was found.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What `bitlink scan --format ndjson` told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Who was found.
    pub(crate) found: BTreeSet<Ipv4Addr>,
    /// How many endpoints came to what; none when the scan did not come to its end.
    pub(crate) counts: Option<BTreeMap<String, u64>>,
    /// What the scan says of itself at its end.
    pub(crate) report: Option<Report>,
    /// Of somebody who is no miner, or was none this time: where, and why. The first few.
    pub(crate) reasons: Vec<String>,
    /// Whether it asked by ARP, where the network was a flat one.
    pub(crate) asks: Option<bool>,
}

/// The end of a scan.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Report {
    pub(crate) total: u64,
    pub(crate) adds_up: bool,
    counts: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event")]
    name: String,
    miner: Option<Place>,
    ip: Option<Ipv4Addr>,
    reason: Option<String>,
    asks: Option<bool>,
    scan: Option<Report>,
}

#[derive(Debug, Deserialize)]
struct Place {
    ip: Ipv4Addr,
}

impl Told {
    /// Reads the events.
    ///
    /// # Errors
    ///
    /// When a line is none.
    pub(crate) fn read(lines: impl BufRead) -> Result<Self> {
        let mut told = Self::default();
        for line in lines.lines() {
            let line = line.context("the events cannot be read")?;
            let event: Event =
                serde_json::from_str(&line).with_context(|| format!("this is no event: {line:.200}"))?;
            match event.name.as_str() {
                "found" => told.found.extend(event.miner.map(|miner| miner.ip)),
                "outcome" if told.reasons.len() < 3 => {
                    let place = event.ip.map(|ip| ip.to_string()).unwrap_or_default();
                    told.reasons.push(format!("{place}: {}", event.reason.unwrap_or_default()));
                }
                "flat_network" => told.asks = event.asks,
                "complete" => {
                    told.counts = event.scan.as_ref().map(|scan| scan.counts.clone());
                    told.report = event.scan;
                }
                _ => {}
            }
        }
        Ok(told)
    }

    /// How many endpoints came to this.
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        self.counts.as_ref().and_then(|counts| counts.get(outcome)).copied().unwrap_or(0)
    }

    /// How many endpoints have an outcome.
    pub(crate) fn done(&self) -> u64 {
        let counts = self.counts.iter().flatten();
        counts.filter(|(outcome, _)| *outcome != "not_probed").map(|(_, count)| count).sum()
    }
}

/// The addresses of a list, one a line.
pub(crate) fn addresses(lines: impl BufRead) -> BTreeSet<Ipv4Addr> {
    // What a program was interrupted at is no address.
    lines.lines().map_while(Result::ok).filter_map(|line| line.trim().parse().ok()).collect()
}

/// The hosts of nmap's "grepable" output of which a port is open.
pub(crate) fn open_hosts(lines: impl BufRead) -> BTreeSet<Ipv4Addr> {
    let host = |line: String| {
        let rest = line.strip_prefix("Host: ")?;
        let is_open = rest.split_once("Ports: ")?.1.contains("/open/");
        is_open.then(|| rest.split_whitespace().next()?.parse().ok())?
    };
    lines.lines().map_while(Result::ok).filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    //! What the programs print.
    use super::*;

    #[test]
    fn events_are_counted() {
        let text = r#"{"event":"started","total":3}
{"event":"flat_network","asks":true,"places":900}
{"event":"found","miner":{"id":"a","ip":"10.0.0.1","port":4028}}
{"event":"outcome","ip":"10.0.0.2","outcome":"refused","reason":"closed"}
{"event":"complete","found":1,"failed":0,"scan":{"total":3,"adds_up":true,"counts":{"found":1,"refused":1,"not_probed":1}}}
"#;
        let told = Told::read(text.as_bytes()).unwrap();
        assert_eq!(told.found, BTreeSet::from([Ipv4Addr::new(10, 0, 0, 1)]));
        assert_eq!(
            (told.asks, told.count("refused"), told.count("silent"), told.done()),
            (Some(true), 1, 0, 2)
        );
        assert_eq!(told.reasons, ["10.0.0.2: closed"]);
        assert!(told.report.unwrap().adds_up);
        assert!(Told::read("rubbish\n".as_bytes()).is_err());
        assert!(Told::read("".as_bytes()).unwrap().counts.is_none());
    }

    #[test]
    fn lists_and_grepable_output_name_addresses() {
        assert_eq!(addresses("10.0.0.1\nrubbish\n10.0.0.2".as_bytes()).len(), 2);
        let text = "# Nmap\nHost: 10.0.0.1 ()\tStatus: Up\nHost: 10.0.0.1 ()\tPorts: 4028/open/tcp/////\n\
            Host: 10.0.0.2 ()\tPorts: 4028/closed/tcp/////\n";
        assert_eq!(open_hosts(text.as_bytes()), BTreeSet::from([Ipv4Addr::new(10, 0, 0, 1)]));
    }
}
