//! CSV after RFC 4180, with a header, one line for each miner, safe to open in a spreadsheet.

use crate::text::clean;
use bitlink_miner_manager::{Miner, Outcome};
use std::io::{self, Write};
use std::net::SocketAddr;

/// The columns. Other programs rely on their names; new ones are added at the end.
const HEADER: &[&str] = &[
    "ip",
    "port",
    "outcome",
    "status",
    "make",
    "model",
    "firmware",
    "firmware_version",
    "mac_address",
    "serial",
    "hostname",
    "hashrate_ths",
    "hashrate_average_ths",
    "hashrate_expected_ths",
    "chip_max_celsius",
    "board_max_celsius",
    "fans_rpm",
    "power_w",
    "efficiency_j_per_th",
    "uptime_s",
    "accepted",
    "rejected",
    "hardware_errors",
    "pool_url",
    "pool_user",
    "reason",
    "observed_at_ms",
];

pub(crate) fn header(out: &mut impl Write) -> io::Result<()> {
    record(out, HEADER.iter().map(|name| Field::Ours((*name).to_owned())))
}

/// One miner.
pub(crate) fn miner(out: &mut impl Write, miner: &Miner) -> io::Result<()> {
    let stats = &miner.stats;
    let identity = miner.snapshot.as_ref().map(|snapshot| &snapshot.identity);
    let firmware = identity.and_then(|identity| identity.firmware.as_ref());
    let pool = stats.pools.iter().find(|pool| pool.active == Some(true)).or(stats.pools.first());
    let reasons: Vec<&str> = miner.findings.iter().map(|finding| finding.message.as_str()).collect();
    let fans: Vec<String> = stats.fans.iter().map(|speed| number(*speed)).collect();
    record(
        out,
        [
            ours(miner.ip),
            ours(miner.port),
            ours("found"),
            ours(miner.status),
            theirs(identity.and_then(|i| i.make.as_ref())),
            theirs(identity.and_then(|i| i.model.as_ref())),
            theirs(firmware.map(|f| &f.family)),
            theirs(firmware.and_then(|f| f.version.as_ref())),
            theirs(identity.and_then(|i| i.mac)),
            theirs(identity.and_then(|i| i.serial.as_ref())),
            theirs(identity.and_then(|i| i.hostname.as_ref())),
            ours(number(stats.hashrate_rt)),
            ours(number(stats.hashrate_avg)),
            ours(number(stats.hashrate_expected)),
            ours(number(stats.temp_chip_max)),
            ours(number(stats.temp_board_max)),
            ours(fans.join(";")),
            ours(number(stats.power)),
            ours(number(stats.efficiency)),
            ours(number(stats.uptime)),
            ours(number(stats.accepted)),
            ours(number(stats.rejected)),
            ours(number(stats.hardware_errors)),
            theirs(pool.map(|p| &p.url)),
            theirs(pool.map(|p| &p.user)),
            theirs(Some(reasons.join("; "))),
            ours(miner.last_updated.map(|t| t.as_unix_millis().to_string()).unwrap_or_default()),
        ],
    )
}

/// One address that came to something else than a miner.
pub(crate) fn outcome(out: &mut impl Write, endpoint: SocketAddr, outcome: &Outcome) -> io::Result<()> {
    let known = |name: &str| match name {
        "ip" => ours(endpoint.ip()),
        "port" => ours(endpoint.port()),
        "outcome" => ours(outcome.kind().as_str()),
        "reason" => theirs(Some(outcome.to_string())),
        _ => ours(""),
    };
    record(out, HEADER.iter().map(|name| known(name)))
}

/// A value, by who wrote it.
pub(crate) enum Field {
    /// This program.
    Ours(String),
    /// Somebody else: it may be made to harm the program that reads it.
    Theirs(String),
}

#[allow(clippy::needless_pass_by_value)] // a line is written once, and reads better without a column of &
pub(crate) fn ours(value: impl ToString) -> Field {
    Field::Ours(value.to_string())
}

pub(crate) fn theirs(value: Option<impl ToString>) -> Field {
    value.map_or_else(|| Field::Ours(String::new()), |value| Field::Theirs(value.to_string()))
}

/// A number without needless digits; nothing where it is not known.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{}", (value * 1e6).round() / 1e6) } else { String::new() }
}

pub(crate) fn record(out: &mut impl Write, fields: impl IntoIterator<Item = Field>) -> io::Result<()> {
    let line: Vec<String> = fields.into_iter().map(Field::text).collect();
    // RFC 4180 ends lines so.
    write!(out, "{}\r\n", line.join(","))
}

impl Field {
    /// As it stands in the file. A text of somebody else that a spreadsheet would take for a formula gets an apostrophe
    /// before it.
    fn text(self) -> String {
        let text = match self {
            Self::Ours(text) => text,
            Self::Theirs(text) => {
                let text = clean(&text).into_owned();
                let formula = text.trim_start().starts_with(['=', '+', '-', '@']);
                if formula { format!("'{text}") } else { text }
            }
        };
        if text.contains([',', '"', '\r', '\n', ';']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    //! Quotes, formulas and hostile characters; a line has as many fields as the header.
    use super::*;
    use bitlink_miner_manager::model::MinerSnapshot;
    use bitlink_miner_manager::{MinerStatus, OutcomeKind};

    fn text(value: &str) -> String {
        theirs(Some(value)).text()
    }

    #[test]
    fn texts_are_quoted_where_they_must_be() {
        assert_eq!(text("S19"), "S19");
        assert_eq!(text("a,b"), "\"a,b\"");
        assert_eq!(text("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(text("a\r\nb"), "a\\r\\nb", "line ends are escaped before they could break a line");
    }

    #[test]
    fn a_formula_is_made_a_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =cmd|'/c calc'!A0"] {
            assert_eq!(text(formula), format!("'{formula}"), "{formula}");
        }
        assert_eq!(text("=1,2"), "\"'=1,2\"");
        assert_eq!(text("\t=1"), "\\t=1");
        assert_eq!(ours(-1).text(), "-1", "our own numbers may be negative");
    }

    #[test]
    fn every_line_has_every_field() {
        let mut snapshot = MinerSnapshot::default();
        snapshot.identity.model = Some("S19,\u{1b}[31m \"Pro\"".into());
        snapshot.identity.hostname = Some("=HYPERLINK(\"http://x\")".into());
        let found = Miner::from_snapshot([10, 0, 0, 7].into(), 4028, MinerStatus::Active, snapshot);
        let mut out = Vec::new();
        header(&mut out).unwrap();
        miner(&mut out, &found).unwrap();
        outcome(&mut out, "10.0.0.8:4028".parse().unwrap(), &Outcome::Refused).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 3);
        for line in &lines {
            assert_eq!(fields_of(line).len(), HEADER.len(), "{line}");
        }
        let cells = fields_of(lines[1]);
        assert_eq!(cells[5], "S19,\\x1b[31m \"Pro\"");
        assert_eq!(cells[10], "'=HYPERLINK(\"http://x\")");
        assert_eq!(cells[11], "", "unknown is empty and not zero");
        assert_eq!(fields_of(lines[2])[2], OutcomeKind::Refused.as_str());
    }

    /// Reads one line as RFC 4180 has it.
    fn fields_of(line: &str) -> Vec<String> {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        fields.push(field);
        fields
    }
}
