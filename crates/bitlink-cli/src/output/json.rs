//! JSON that is safe to look at: one line for each value where that is asked for, stable keys in snake_case, and every
//! character that does not print by itself written as an escape, which means the same to a program.

use bitlink_miner_manager::{Outcome, OutcomeKind, Percentiles, ScanReport, TargetError};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Writes a value over many lines, and ends the last.
pub(crate) fn pretty(out: &mut impl Write, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Harmless(PrettyFormatter::new())))?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

/// Writes a value on one line, and ends it.
pub(crate) fn line(out: &mut impl Write, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Harmless(CompactFormatter)))?;
    out.write_all(b"\n").map_err(serde_json::Error::io)?;
    out.flush().map_err(serde_json::Error::io)
}

/// A scan's report.
pub(crate) fn report(report: &ScanReport) -> Value {
    let counts: serde_json::Map<String, Value> =
        report.counts.iter().map(|(kind, count)| (kind.as_str().to_owned(), count.into())).collect();
    json!({
        "total": report.total,
        "addresses": report.addresses,
        "counts": counts,
        "adds_up": report.adds_up(),
        "skipped": {
            "excluded": report.skipped.excluded,
            "network_broadcast": report.skipped.network_broadcast,
        },
        "stopped": report.stopped,
        "elapsed_s": seconds(report.elapsed),
        "rate_per_s": report.rate(),
        "probes": report.probes,
        "probe_retries": report.probe_retries,
        "exhausted_retries": report.exhausted_retries,
        "identify_retries": report.identify_retries,
        "narrowed_to": report.narrowed_to,
        "most_in_flight": report.most_in_flight,
        "probe_rate_per_s": report.probe_rate(),
        "arp_questions": report.arp_questions,
        "table_overflows": report.table_overflows,
        "postponed": report.postponed,
        "round_trips": report.round_trips.map(|trips| percentiles("answers", trips)),
        "waits": report.waits.map(|waits| percentiles("silent", waits)),
        "sources": report.sources.iter().map(|source| json!({
            "name": source.name,
            "seen": source.seen,
            "beyond": source.beyond,
            "found": source.found,
            "only": source.only,
        })).collect::<Vec<_>>(),
    })
}

fn percentiles(of: &str, times: Percentiles) -> Value {
    json!({
        of: times.count,
        "p50_s": seconds(times.p50),
        "p90_s": seconds(times.p90),
        "p99_s": seconds(times.p99),
        "max_s": seconds(times.max),
    })
}

/// An address that came to something else than a miner.
pub(crate) fn outcome(endpoint: SocketAddr, outcome: &Outcome) -> Value {
    json!({
        "ip": endpoint.ip(),
        "port": endpoint.port(),
        "outcome": outcome.kind().as_str(),
        "reason": outcome.to_string(),
    })
}

/// A name without an address.
pub(crate) fn unknown_name(name: &str, error: &TargetError) -> Value {
    json!({
        "name": name,
        "outcome": OutcomeKind::NameUnknown.as_str(),
        "reason": with_causes(error),
    })
}

/// A value with the name of its event before it.
pub(crate) fn event(name: &str, value: Value) -> Value {
    let mut named = serde_json::Map::new();
    named.insert("event".to_owned(), name.into());
    if let Value::Object(fields) = value {
        named.extend(fields);
    }
    Value::Object(named)
}

/// An error and its causes on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(crate) fn seconds(time: Duration) -> f64 {
    // Microseconds are as fine as any of these times is measured.
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// Passes everything on to another formatter, but for the characters in texts that do not print by themselves.
struct Harmless<F>(F);

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $ty:ty),*);)+) => { $(
        fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $arg: $ty)*) -> io::Result<()> {
            self.0.$name(writer $(, $arg)*)
        }
    )+ };
}

impl<F: Formatter> Formatter for Harmless<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.chars().all(crate::text::is_plain) {
            return self.0.write_string_fragment(writer, fragment);
        }
        let mut units = [0; 2];
        for c in fragment.chars() {
            if crate::text::is_plain(c) {
                self.0.write_string_fragment(writer, c.encode_utf8(&mut [0; 4]))?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

#[cfg(test)]
mod tests {
    //! Hostile text in JSON reads back as it was, and does nothing on the way.
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_reads_back() {
        let hostile = "\u{1b}[2J \u{9b}31m \u{202e}x\u{200b} \u{e0041} \"quoted\" \\ 矿机\n";
        let value = json!({ "model\u{202e}": hostile, "numbers": [1, 2.5, null], "empty": [], "none": {} });
        for written in [
            {
                let mut out = Vec::new();
                pretty(&mut out, &value).unwrap();
                out
            },
            {
                let mut out = Vec::new();
                line(&mut out, &value).unwrap();
                out
            },
        ] {
            let text = String::from_utf8(written).unwrap();
            assert!(text.trim_end().chars().all(|c| c == '\n' || crate::text::is_plain(c)), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn one_value_is_one_line() {
        let mut out = Vec::new();
        line(&mut out, &json!({ "a": "x\ny", "b": [1, 2] })).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a\":\"x\\ny\",\"b\":[1,2]}\n");
    }
}
