//! The story of an address in words for people, and as JSON.

use super::json::{outcome, seconds};
use bitlink_miner_manager::transport::ProbeOutcome;
use bitlink_miner_manager::{Outcome, ScanStep};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A step, of which endpoint, and how long after the beginning.
type Told = (SocketAddr, Duration, ScanStep);

/// The stories that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Stories {
    steps: Vec<Told>,
    /// Addresses that have none, and why.
    pub(crate) untold: Vec<(IpAddr, &'static str)>,
}

impl Stories {
    /// One more step.
    pub(crate) fn push(&mut self, endpoint: SocketAddr, at: Duration, step: ScanStep) {
        self.steps.push((endpoint, at, step));
    }

    /// By address, in order of time; several doors of one address make one story.
    fn by_address(&self) -> Vec<(IpAddr, Vec<&Told>)> {
        let mut stories: Vec<(IpAddr, Vec<_>)> = Vec::new();
        for step in &self.steps {
            let ip = step.0.ip();
            match stories.iter_mut().find(|(of, _)| *of == ip) {
                Some((_, steps)) => steps.push(step),
                None => stories.push((ip, vec![step])),
            }
        }
        stories
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (ip, steps) in self.by_address() {
            lines.push(format!("The story of {ip}:"));
            for (_, at, step) in steps {
                lines.push(format!("  {:>9}  {}", millis(*at), in_words(step)));
            }
        }
        lines.extend(self.untold.iter().map(|(ip, why)| format!("{ip} has no story: it is {why}.")));
        lines
    }

    /// For programs.
    pub(crate) fn json(&self) -> Vec<Value> {
        let told = self.by_address().into_iter().map(|(ip, steps)| {
            let steps: Vec<Value> = steps.iter().map(|(endpoint, at, s)| step(*endpoint, *at, s)).collect();
            json!({ "ip": ip, "steps": steps })
        });
        told.chain(self.untold.iter().map(|(ip, why)| untold(*ip, why))).collect()
    }
}

/// An address without a story.
pub(crate) fn untold(ip: IpAddr, why: &str) -> Value {
    json!({ "ip": ip, "no_story": why })
}

/// A step with its time.
pub(crate) fn step(endpoint: SocketAddr, at: Duration, step: &ScanStep) -> Value {
    let mut fields = json!({ "ip": endpoint.ip(), "at_s": seconds(at) });
    let (kind, more) = match step {
        ScanStep::Turn { number, total, waits, .. } => {
            let waits: Vec<f64> = waits.iter().copied().map(seconds).collect();
            ("turn", json!({ "number": number, "total": total, "waits_s": waits }))
        }
        ScanStep::AskedByArp { answered, .. } => {
            ("asked_by_arp", json!({ "mac_address": answered.map(|mac| mac.to_string()) }))
        }
        ScanStep::GotPlace => ("got_place", json!({})),
        ScanStep::TableOverflowed => ("table_overflowed", json!({})),
        ScanStep::Knocked { port, outcome, elapsed, .. } => {
            ("knocked", json!({ "port": port, "answer": answer(*outcome), "elapsed_s": seconds(*elapsed) }))
        }
        ScanStep::Postponed => ("postponed", json!({})),
        ScanStep::Asked { port, question, answer, elapsed, .. } => (
            "asked",
            json!({
                "port": port, "question": question.as_str(), "elapsed_s": seconds(*elapsed),
                "bytes": answer.as_ref().ok(), "error": answer.as_ref().err().map(ToString::to_string),
            }),
        ),
        ScanStep::Ended(end) => ("ended", outcome(endpoint, end)),
        other => ("other", json!({ "said": format!("{other:?}") })),
    };
    if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), more) {
        fields.insert("step".to_owned(), kind.into());
        fields.extend(more);
    }
    fields
}

/// The stable name of what came of a knock.
fn answer(outcome: ProbeOutcome) -> &'static str {
    match outcome {
        ProbeOutcome::Open => "open",
        ProbeOutcome::Refused => "refused",
        ProbeOutcome::Silent => "silent",
        ProbeOutcome::Unreachable => "unreachable",
        ProbeOutcome::Denied => "not permitted from here",
        ProbeOutcome::Exhausted => "no socket to spare",
        _ => "something else",
    }
}

fn in_words(step: &ScanStep) -> String {
    match step {
        ScanStep::Turn { number, total, waits, .. } => {
            let waits: Vec<String> = waits.iter().map(|wait| millis(*wait)).collect();
            format!("its turn, the {}. of {total}; tries are waited for {}", number + 1, waits.join(", "))
        }
        ScanStep::AskedByArp { answered: Some(mac), .. } => format!("asked for by ARP: {mac} has it"),
        ScanStep::AskedByArp { answered: None, .. } => "asked for by ARP: nobody has it".to_owned(),
        ScanStep::GotPlace => "got a place in the system's table of neighbours".to_owned(),
        ScanStep::TableOverflowed => "the system's table of neighbours ran over; once more".to_owned(),
        ScanStep::Knocked { port, outcome, elapsed, .. } => {
            format!("knocked at port {port}: {} after {}", answer(*outcome), millis(*elapsed))
        }
        ScanStep::Postponed => "slow to answer; it is asked again when others have had their turn".to_owned(),
        ScanStep::Asked { port, question, answer, elapsed, .. } => {
            let answer = match answer {
                Ok(bytes) => format!("{bytes} bytes"),
                Err(error) => error.to_string(),
            };
            format!("asked port {port} {question}: {answer} after {}", millis(*elapsed))
        }
        ScanStep::Ended(Outcome::Found) => "found".to_owned(),
        ScanStep::Ended(outcome) => format!("so it is: {outcome}"),
        other => format!("{other:?}"),
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
