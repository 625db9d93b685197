//! `bitlink listen`: miners that show themselves, as they do. Acts on nothing of it.

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::hearing::{Asked, Hearing};
use crate::output::json;
use crate::table::Tone;
use crate::text::{UNKNOWN, clean, clip, parse_duration, width};
use bitlink_miner_manager::protocol::reports::Sighting;
use bitlink_miner_manager::{Fleet, ListenError, ListenEvent, ListenStream, Timestamp};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

/// Show miners that report their address, as the button on them is pressed; sends nothing unless told to
#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// Also ask everybody, by the interfaces named with --interface
    #[arg(long, value_name = "HOW", value_delimiter = ',', requires = "interface")]
    with: Vec<Asked>,
    /// Stop after this time [default: listen until interrupted]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasting: Option<Duration>,
    #[command(flatten)]
    hearing: Hearing,
    /// Form of the output
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
}

/// Forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A line for each miner
    #[default]
    Table,
    /// One event on each line
    Ndjson,
}

pub(crate) async fn run(args: ListenArgs, console: Console) -> Result<Exit, Failure> {
    let mut stop = Interruption::new();
    let over = console::over(args.lasting);
    tokio::pin!(over);
    let mut heard = Fleet::new().listen(&args.hearing.config(&args.with)).map_err(|error| match error {
        bitlink_miner_manager::Error::Listen(error @ ListenError::NoSocket(_)) => {
            Failure::of(Exit::SomeFailed, &error)
                .hint("another program may listen there already: choose other ports with --udp-port")
        }
        error => Failure::from(error),
    })?;
    begin(args.format, &heard, console)?;
    let mut any = false;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.come() => return Ok(Exit::Interrupted),
            () = &mut over => break,
            event = heard.recv() => event,
        };
        let Some(event) = event else { break };
        any |= matches!(event, ListenEvent::Seen(_));
        match args.format {
            Format::Table => line(&event, console)?,
            Format::Ndjson => json::line(&mut io::stdout().lock(), &value(&event))?,
        }
    }
    Ok(if any { Exit::Fine } else { Exit::NothingFound })
}

/// Where it listens, and the head of the table.
fn begin(format: Format, heard: &ListenStream, console: Console) -> Result<(), Failure> {
    match format {
        Format::Ndjson => {
            let failures: Vec<Value> = heard
                .failures()
                .iter()
                .map(|(place, error)| json!({ "place": place, "reason": error.to_string() }))
                .collect();
            let places = heard.places();
            let event =
                json!({ "event": "listening", "at_ms": now(), "places": places, "failures": failures });
            json::line(&mut io::stdout().lock(), &event)?;
        }
        Format::Table => {
            let places: Vec<String> = heard.places().iter().map(ToString::to_string).collect();
            console.note(&format!("listening at UDP {}; Ctrl-C ends it", places.join(", ")));
            for (place, error) in heard.failures() {
                console.note(&format!("note: cannot listen at {place}: {error}"));
            }
            let mut out = console.out();
            let titles = COLUMNS.map(|(title, _)| title.to_owned());
            writeln!(out, "{}", Tone::Dim.paint(&row(&titles)))?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Lines come one by one, so columns are as wide as they usually need to be, and a longer text moves the rest.
const COLUMNS: [(&str, usize); 6] =
    [("address", 15), ("heard as", 20), ("model", 20), ("mac address", 17), ("name", 16), ("says", 0)];

fn row(cells: &[String; 6]) -> String {
    let mut line = String::new();
    for (cell, (_, wide)) in cells.iter().zip(COLUMNS) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(cell)) + 2));
    }
    line.trim_end().to_owned()
}

fn line(event: &ListenEvent, console: Console) -> Result<(), Failure> {
    match event {
        ListenEvent::Seen(seen) => {
            let mut out = console.out();
            writeln!(out, "{}", row(&cells(seen)))?;
            out.flush()?;
        }
        ListenEvent::Unread { from, port, error } => {
            console
                .note(&format!("note: {from} sent something to UDP {port}, {}", clean(&error.to_string())));
        }
        ListenEvent::Flood { from } => {
            console
                .note(&format!("note: {from} sends more than anybody has to say; the rest is not looked at"));
        }
        ListenEvent::Lagged { left_out } => console.note(&format!("note: {left_out} events were left out")),
        _ => {}
    }
    Ok(())
}

fn cells(seen: &Sighting) -> [String; 6] {
    let known = |text: Option<&str>| {
        text.map_or_else(|| UNKNOWN.to_owned(), |text| clip(&clean(text), 40).into_owned())
    };
    let identity = &seen.identity;
    let model = identity.name().or_else(|| identity.model_raw.clone());
    let mut says = Vec::new();
    if let Some(claimed) = seen.contradicts() {
        says.push(format!("that it is {claimed}"));
    }
    if let Some(version) = identity.firmware.as_ref().and_then(|firmware| firmware.version.as_deref()) {
        says.push(format!("firmware {}", known(Some(version))));
    }
    if let Some(serial) = identity.serial.as_deref().or(identity.control_board_serial.as_deref()) {
        says.push(format!("serial {}", known(Some(serial))));
    }
    if let Some(port) = seen.port.filter(|port| *port != bitlink_miner_manager::DEFAULT_PORT) {
        says.push(format!("port {port}"));
    }
    [
        seen.from.to_string(),
        seen.beacon.to_string(),
        known(model.as_deref()),
        known(identity.mac.map(|mac| mac.to_string()).as_deref()),
        known(identity.hostname.as_deref()),
        says.join(", "),
    ]
}

fn value(event: &ListenEvent) -> Value {
    let at = now();
    match event {
        ListenEvent::Seen(seen) => json!({
            "event": "seen", "at_ms": at, "ip": seen.from, "beacon": seen.beacon.as_str(), "port": seen.port,
            "contradicts": seen.contradicts(), "identity": seen.identity,
        }),
        ListenEvent::Unread { from, port, error } => json!({
            "event": "unread", "at_ms": at, "ip": from.ip(), "port": port, "reason": error.to_string(),
        }),
        ListenEvent::Flood { from } => json!({ "event": "flood", "at_ms": at, "ip": from }),
        ListenEvent::Lagged { left_out } => json!({ "event": "lagged", "at_ms": at, "left_out": left_out }),
        _ => json!({ "event": "unknown", "at_ms": at }),
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

#[cfg(test)]
mod tests {
    //! Lines and events, hostile text among them.
    use super::*;
    use bitlink_miner_manager::protocol::reports::read_report;

    fn seen(datagram: &[u8]) -> Sighting {
        read_report([192, 0, 2, 7].into(), datagram).unwrap()
    }

    #[test]
    fn a_line_tells_what_is_known_and_what_contradicts_it() {
        let told = |datagram: &[u8]| row(&cells(&seen(datagram)));
        assert_eq!(
            told(b"198.51.100.1,02:00:00:00:00:07"),
            "192.0.2.7        Antminer-like report  –                     02:00:00:00:00:07  –                 \
             that it is 198.51.100.1"
        );
        assert_eq!(
            told(b"cgm-FTW-4029-\x1b[2Jx"),
            "192.0.2.7        API multicast         –                     –                  \\x1b[2Jx          port 4029"
        );
        let goldshell = told(br#"{"ctrlsn":"S1","model":"Goldshell-KD6","version":"2.2"}"#);
        assert!(
            goldshell.contains("Goldshell KD6") && goldshell.ends_with("firmware 2.2, serial S1"),
            "{goldshell}"
        );
    }

    #[test]
    fn an_event_has_everything_that_was_said() {
        let event = value(&ListenEvent::Seen(Box::new(seen(b"IP:192.0.2.7MAC:02:00:00:00:00:07"))));
        assert_eq!((&event["event"], &event["beacon"]), (&json!("seen"), &json!("whatsminer")));
        assert_eq!(event["identity"]["mac_address"], "02:00:00:00:00:07");
        assert_eq!(event["identity"]["make"], "WhatsMiner");
        assert_eq!(event["contradicts"], Value::Null);
    }
}
