//! Each defect does what it says, and nothing when it is off.

use super::*;
use crate::{FaceName, Fault, MinerSpec, SimClock, SimHost, SimMiner};
use bitlink_transport::{Act, Host};
use serde_json::Value;
use std::time::Duration;

fn spec(face: FaceName) -> MinerSpec {
    MinerSpec::new(face, 11).with_uptime(Duration::from_hours(10))
}

fn ask(spec: MinerSpec, command: &str) -> Vec<u8> {
    SimMiner::new(spec).reply_at(Duration::ZERO, format!("{{\"command\":\"{command}\"}}").as_bytes())
}

/// What an S19 says with a defect to one command, as text, terminator included.
fn say(defect: Defect, command: &str) -> String {
    String::from_utf8_lossy(&ask(spec(FaceName::Antminer).with_defect(defect), command)).into_owned()
}

fn is_json(reply: &str) -> bool {
    serde_json::from_str::<Value>(reply.trim_end_matches('\0')).is_ok()
}

fn acts(defect: Defect) -> Vec<Act> {
    let host = SimHost::new(SimMiner::new(spec(FaceName::Antminer)), SimClock::manual()).without_latency();
    let good = host.respond(4028, b"summary");
    assert!(matches!(good.acts.as_slice(), [Act::Send(_)]));
    host.set_defects([defect]);
    let acts = host.respond(4028, b"summary").acts;
    host.set_defects([]);
    assert_eq!(host.respond(4028, b"summary"), good);
    acts
}

#[test]
fn broken_json_of_every_kind() {
    for (defect, command, found) in [
        (Defect::GluedRecords, "stats", "\"}{\"STATS\""),
        (Defect::LeadingComma, "pools", "[,{\"POOL\""),
        (Defect::TrailingComma, "pools", ",}]"),
        (Defect::MissingComma, "stats", "\"\"miner_id\""),
        (Defect::RawNewline, "stats", "one\ntwo"),
        (Defect::ControlCharacters, "stats", "\t\u{1}\u{1b}[31m\r"),
        (Defect::IllegalEscape, "stats", "it\\'s"),
        (Defect::NotANumber, "stats", ":-nan,"),
        (Defect::NotANumber, "summary", ":inf,"),
        (Defect::OutOfRange, "summary", ":1e308,"),
        (Defect::BodyLost, "summary", ",\"id\":1}\0"),
    ] {
        let reply = say(defect, command);
        assert!(reply.contains(found), "{defect} {command}: {reply}");
        assert_eq!(is_json(&reply), defect == Defect::OutOfRange, "{defect} {command}: {reply}");
        assert!(reply.ends_with('\0'), "{defect}");
    }
    assert!(ask(spec(FaceName::Antminer).with_defect(Defect::InvalidUtf8), "stats").contains(&0xff));
    assert!(say(Defect::DeepNesting, "stats").starts_with("{\"STATUS\":{\"STATUS\":{\"STATUS\":"));
    assert!(!say(Defect::Truncated, "stats").contains("miner_id"));
    let whole = say(Defect::NoTerminator, "stats");
    assert!(whole.ends_with('}') && is_json(&whole));
}

#[test]
fn strange_but_valid_json() {
    let reply = |defect, command| -> Value {
        serde_json::from_str(say(defect, command).trim_end_matches('\0')).unwrap()
    };
    let numbers = &reply(Defect::NumbersAsText, "summary")["SUMMARY"][0];
    assert_eq!(numbers["Elapsed"], "  36000");
    let rates = &reply(Defect::EmptyRates, "stats")["STATS"][1];
    assert_eq!(rates["chain_rate1"], "");
    let numbered = reply(Defect::NumberedSections, "pools");
    assert_eq!((&numbered["POOL0"][0]["POOL"], &numbered["POOL2"][0]["POOL"]), (&0.into(), &2.into()));
    assert!(numbered["STATUS"].is_array());
    assert!(reply(Defect::SectionMissing, "summary").get("SUMMARY").is_none());
    let wrong = &reply(Defect::WrongTypes, "summary")["SUMMARY"][0];
    assert!(wrong["Elapsed"].is_array() && wrong["GHS 5s"].is_boolean());
    assert_eq!(say(Defect::DuplicateKeys, "summary").matches("\"Elapsed\":").count(), 3);
}

#[test]
fn whatsminer_prints_pairs_in_a_list() {
    let spec =
        spec(FaceName::Whatsminer).with_fault(Fault::FanFailed { fan: 0 }).with_fault(Fault::Overheating);
    let good = String::from_utf8(ask(spec.clone(), "get_error_code")).unwrap();
    assert!(good.contains("\"error_code\":[{\"110\":\"") && is_json(&good));
    let bad = String::from_utf8(ask(spec.with_defect(Defect::ErrorListBrackets), "get_error_code")).unwrap();
    assert!(
        bad.contains("\"error_code\":[\"110\":\"") && bad.contains(",\"350\":\"") && !is_json(&bad),
        "{bad}"
    );
}

#[test]
fn other_ends_and_other_services() {
    assert!(say(Defect::TextReply, "summary").starts_with("STATUS=S,When="));
    let twice = say(Defect::SecondCopy, "summary");
    assert!(twice.ends_with(",\"id\":1}\0") && twice.matches('\0').count() == 2);
    assert_eq!(say(Defect::ProgramDown, "summary"), "Socket connect failed: Connection refused\n");
    assert!(say(Defect::WebServer, "summary").starts_with("HTTP/1.1 400"));
    assert!(say(Defect::SshServer, "summary").starts_with("SSH-2.0-"));
    assert!(say(Defect::TlsServer, "summary").starts_with('\u{15}'));
    assert!(!is_json(&say(Defect::Garbage, "summary")));
}

#[test]
fn other_ways_to_send() {
    assert_eq!(acts(Defect::ZeroBytes), []);
    assert_eq!(acts(Defect::Silence), [Act::HoldOpen]);
    assert!(matches!(acts(Defect::Endless).as_slice(), [Act::SendForever(_)]));
    assert!(
        matches!(acts(Defect::NoClose).as_slice(), [Act::Send(bytes), Act::HoldOpen] if bytes.ends_with(&[0]))
    );
    assert!(
        matches!(acts(Defect::NoTerminatorNoClose).as_slice(), [Act::Send(bytes), Act::HoldOpen] if bytes.ends_with(b"|"))
    );
    assert!(matches!(acts(Defect::ResetMidReply).as_slice(), [Act::Send(_), Act::Reset]));
    let drip = acts(Defect::Drip);
    assert!(
        matches!(drip.as_slice(), [Act::Wait(time), Act::Send(byte), ..] if time.as_millis() == 20 && byte.len() == 1)
    );
}

#[test]
fn every_defect_has_a_name_and_changes_something() {
    for &defect in Defect::ALL {
        assert_eq!(defect.name().parse::<Defect>(), Ok(defect));
        let host = |spec| SimHost::new(SimMiner::new(spec), SimClock::manual()).without_latency();
        let face =
            if defect == Defect::ErrorListBrackets { FaceName::Whatsminer } else { FaceName::Antminer };
        let sick = spec(face).with_fault(Fault::Overheating);
        let (good, bad) = (host(sick.clone()), host(sick.with_defect(defect)));
        let changed = ["stats", "pools", "get_error_code"].iter().any(|command| {
            let request = format!("{{\"command\":\"{command}\"}}");
            good.respond(4028, request.as_bytes()) != bad.respond(4028, request.as_bytes())
        });
        assert!(changed, "{defect}");
    }
    assert!("nonsense".parse::<Defect>().unwrap_err().to_string().contains("trailing-comma"));
}
