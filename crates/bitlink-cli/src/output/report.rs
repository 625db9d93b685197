//! What a scan came to, in words and tables for people.

use super::story::Stories;
use crate::columns::{self, LISTED};
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{count, duration, so_many};
use bitlink_miner_manager::model::Mac;
use bitlink_miner_manager::{Miner, Outcome, OutcomeKind, ScanReport, SourceCounts, TargetError, Timestamp};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Everything a scan found out.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) miners: Vec<Miner>,
    pub(crate) others: Vec<(SocketAddr, Outcome)>,
    pub(crate) unknown_names: Vec<(String, TargetError)>,
    pub(crate) stories: Stories,
    /// Who was named by what beside the sweep.
    pub(crate) sighted: BTreeMap<IpAddr, Sighted>,
}

/// An address that was named by some source.
#[derive(Debug, Default)]
pub(crate) struct Sighted {
    pub(crate) sources: Vec<&'static str>,
    pub(crate) beyond: bool,
    mac: Option<Mac>,
}

impl Findings {
    /// A source has named an address, that is a target or not.
    pub(crate) fn sighted(&mut self, ip: IpAddr, source: &'static str, mac: Option<Mac>, beyond: bool) {
        let seen = self.sighted.entry(ip).or_default();
        seen.sources.push(source);
        seen.mac = seen.mac.or(mac);
        seen.beyond = beyond;
    }

    /// All is there. A machine may have been read before it told everybody who it is, and people look for things in the order
    /// of addresses.
    pub(crate) fn complete(&mut self) {
        for miner in &mut self.miners {
            if let Some(mac) = self.sighted.get(&miner.ip).and_then(|seen| seen.mac) {
                miner.observe_mac(mac);
            }
        }
        self.miners.sort_by_key(|miner| (miner.ip, miner.port));
        self.others.sort_by_key(|(endpoint, _)| *endpoint);
        self.unknown_names.sort_by(|(a, _), (b, _)| a.cmp(b));
    }

    /// The miners as a table.
    pub(crate) fn miners_table(&self, room: Option<usize>) -> String {
        let now = Timestamp::from_unix_millis(0);
        let mut table = Table::new(&columns::columns(LISTED));
        for miner in &self.miners {
            table.push(columns::row(LISTED, miner, now));
        }
        if table.is_empty() { String::new() } else { table.render(room) }
    }

    /// What is no miner, and why, as a table.
    pub(crate) fn others_table(&self, room: Option<usize>) -> String {
        let mut table = Table::new(&[
            Column::left("address", 0).cut_to(15),
            Column::left("outcome", 0),
            Column::left("why", 1).cut_to(20),
        ]);
        for (endpoint, outcome) in &self.others {
            let why = outcome.to_string();
            let said = outcome.kind().to_string();
            table.push(vec![
                Cell::new(columns::address(endpoint.ip(), endpoint.port())),
                Cell::new(&said).tone(outcome_tone(outcome.kind())),
                Cell::new(if why == said { "" } else { &why }),
            ]);
        }
        for (name, error) in &self.unknown_names {
            table.push(vec![
                Cell::new(name),
                Cell::new(OutcomeKind::NameUnknown.to_string()).tone(Tone::Bad),
                Cell::new(super::json::with_causes(error)),
            ]);
        }
        if table.is_empty() { String::new() } else { table.render(room) }
    }
}

fn outcome_tone(kind: OutcomeKind) -> Tone {
    match kind {
        OutcomeKind::Failed | OutcomeKind::Denied => Tone::Bad,
        OutcomeKind::AccessDenied | OutcomeKind::NotIdentified => Tone::Warning,
        OutcomeKind::Found => Tone::Good,
        _ => Tone::Dim,
    }
}

/// The report in a few lines: how much, how long, what it came to, and what was left out.
pub(crate) fn summary(report: &ScanReport) -> Vec<String> {
    let parts: Vec<String> = report
        .counts
        .iter()
        .filter(|(kind, n)| *n > 0 || *kind == OutcomeKind::Found)
        .map(|(kind, n)| match kind {
            OutcomeKind::Found => Tone::Strong.paint(&so_many(n, "miner", "miners")),
            OutcomeKind::NameUnknown => so_many(n, "unknown name", "unknown names"),
            kind => format!("{} {kind}", count(n)),
        })
        .collect();
    let names = report.counts.of(OutcomeKind::NameUnknown);
    let endpoints = report.total.saturating_sub(names);
    let endpoints = if endpoints == report.addresses {
        so_many(endpoints, "address", "addresses")
    } else {
        let endpoints = so_many(endpoints, "endpoint", "endpoints");
        format!("{endpoints} at {}", so_many(report.addresses, "address", "addresses"))
    };
    let mut lines =
        vec![format!("Scanned {endpoints} in {}: {}.", duration(report.elapsed), parts.join(", "))];
    if !report.adds_up() {
        lines.push(format!(
            "{} the outcomes add up to {} and not to {}; please report this",
            Tone::Bad.paint("bug:"),
            report.counts.sum(),
            report.total
        ));
    }
    let mut note = |text: String| lines.push(format!("{} {text}", Tone::Dim.paint("note:")));
    for source in &report.sources {
        note(named_by(source));
    }
    if report.stopped {
        note("stopped before its end".to_owned());
    }
    if report.skipped.network_broadcast > 0 {
        note(format!(
            "{} left out (--include-network-broadcast scans them)",
            so_many(
                report.skipped.network_broadcast,
                "network or broadcast address",
                "network and broadcast addresses"
            )
        ));
    }
    if report.skipped.excluded > 0 {
        note(format!("{} excluded", so_many(report.skipped.excluded, "address", "addresses")));
    }
    if report.postponed > 0 {
        note(format!(
            "{} slow to answer, and asked again behind the others",
            so_many(report.postponed, "machine was", "machines were")
        ));
    }
    if report.table_overflows > 0 {
        note(format!(
            "the system's table of neighbours ran over; {} asked again, fewer at a time",
            so_many(report.table_overflows, "address was", "addresses were")
        ));
    }
    if let Some(width) = report.narrowed_to {
        note(format!(
            "this machine ran short of sockets; the scan went on with {} at once (ulimit -n allows more)",
            so_many(width as u64, "connection", "connections")
        ));
    }
    lines
}

/// What a source came to.
fn named_by(source: &SourceCounts) -> String {
    let mut parts = vec![format!("{} named {}", source.name, so_many(source.seen, "address", "addresses"))];
    if source.beyond > 0 {
        parts.push(format!("{} beyond the targets", count(source.beyond)));
    }
    if source.seen > 0 {
        parts.push(so_many(source.found, "miner", "miners"));
    }
    if source.only > 0 {
        parts.push(format!("{} known by it alone", count(source.only)));
    }
    parts.join(", ")
}
