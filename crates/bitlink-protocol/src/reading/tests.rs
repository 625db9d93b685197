//! How readings go on when answers are missing, refused or odd.

use super::*;
use crate::dialect::{Dialect, Evidence};
use crate::dialects::tests::Fixture;
use crate::{ApiReply, Service};
use bitlink_model::{Family, Identity};
use proptest::prelude::*;

const VERSION: &str = r#"{"STATUS":[{"STATUS":"S","Code":22,"Description":"cgminer 4.12.0"}],"VERSION":[{"CGMiner":"4.12.0","API":"3.7"}]}"#;
const SUMMARY: &str =
    r#"{"STATUS":[{"STATUS":"S","Code":11}],"SUMMARY":[{"Elapsed":5,"MHS 5s":90000000.0}]}"#;
const REFUSED: &str = r#"{"STATUS":[{"STATUS":"E","Code":14,"Msg":"Invalid command"}]}"#;

fn miner(sections: &[(&str, &str)]) -> Fixture {
    let sections: Vec<String> =
        sections.iter().map(|(command, reply)| format!(">>> {command}\n{reply}\n")).collect();
    Fixture::parse(&sections.concat())
}

#[test]
fn a_miner_that_answers_little_is_still_read() {
    let mut fixture = miner(&[("version", VERSION), ("summary", SUMMARY), ("*refusal*", REFUSED)]);
    let reading = fixture.read().unwrap();
    assert_eq!(reading.snapshot.hashrate.realtime.unwrap().as_ths(), 90.0);
    assert_eq!(reading.snapshot.anomalies, [], "a command that this version does not have is nothing odd");
    assert!(!reading.identified.joins, "it refused a joined question and is not asked one again");
    assert_eq!(fixture.asked, ["version", "devdetails", "summary+devs+pools", "summary", "devs", "pools"]);
}

#[test]
fn a_brief_reading_knows_whose_it_is_which_and_how_fast() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut fewer, mut wrong) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let (mut at_length, mut in_brief) = (Fixture::load(&name), Fixture::load(&name));
        let whole = at_length.read().unwrap().snapshot;
        let brief = in_brief.converse(ReadMiner::new().brief()).unwrap().snapshot;
        let known = |snapshot: &MinerSnapshot| {
            let identity = &snapshot.identity;
            let rated = snapshot.hashrate.current().or(snapshot.hashrate.average).is_some();
            (identity.make.clone(), identity.model.clone(), rated)
        };
        if known(&brief) != known(&whole) || in_brief.asked.len() > at_length.asked.len() {
            wrong.push((name, known(&brief), known(&whole), in_brief.asked.clone()));
        }
        fewer += usize::from(in_brief.asked.len() < at_length.asked.len());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The others take all questions as one, or are known by their web server.
    assert!(fewer > 15, "many miners are asked less: {fewer}");
}

#[test]
fn a_miner_that_says_who_it_is_and_nothing_else_is_known_to_be_there() {
    let reading = miner(&[("version", VERSION), ("*refusal*", REFUSED)]).read().unwrap();
    assert_eq!(reading.identified.family(), Family::CGMINER);
    assert!(
        matches!(reading.failure, Some(ProtocolError::Miner { question, code: 14, .. }) if question == "summary")
    );
    assert_eq!(reading.snapshot.hashrate, bitlink_model::HashRates::default());
}

#[test]
fn a_required_answer_that_is_missing_ends_a_later_reading_with_its_name() {
    let identified = miner(&[("version", VERSION), ("summary", SUMMARY)]).read().unwrap().identified;
    let mut conversation = ReadSnapshot::new(identified);
    assert!(matches!(conversation.step(None), Step::Ask(_)));
    let step = conversation.step(Some(Err(ExchangeFailure::TimedOut)));
    assert!(matches!(
        step,
        Step::Done(Err(ProtocolError::NoReply { failure: ExchangeFailure::TimedOut, .. }))
    ));
}

#[test]
fn an_access_list_is_told_from_a_broken_miner() {
    let denied = miner(&[]).read().unwrap_err();
    assert!(matches!(denied, ProtocolError::AccessDenied { .. }), "closed without a byte: {denied}");
    let words = r#"{"STATUS":[{"STATUS":"E","Code":45,"Msg":"Access denied to 'version' command"}]}"#;
    let denied = miner(&[("*refusal*", words)]).read().unwrap_err();
    assert!(matches!(denied, ProtocolError::AccessDenied { .. }), "{denied}");
}

#[test]
fn a_stranger_is_asked_once_and_named() {
    let mut ssh = miner(&[("*refusal*", "SSH-2.0-OpenSSH_9.2")]);
    assert!(matches!(ssh.read(), Err(ProtocolError::NotAMiner { service: Service::Ssh, .. })));
    assert_eq!(ssh.asked, ["version"]);
    let mut odd = miner(&[("*refusal*", r#"{"result":null,"error":"what?"}"#)]);
    assert!(matches!(odd.read(), Err(ProtocolError::NotIdentified { .. })));
    assert_eq!(odd.asked, ["version", "devdetails", "summary", "GET /", "GET https:/api/v1/pairing/info"]);
}

#[test]
fn no_answer_to_the_first_question_asks_no_second() {
    let mut identify = Identify::new();
    assert!(matches!(identify.step(None), Step::Ask(_)));
    let step = identify.step(Some(Err(ExchangeFailure::TimedOut)));
    assert!(matches!(
        step,
        Step::Done(Err(ProtocolError::NoReply { failure: ExchangeFailure::TimedOut, .. }))
    ));
    assert!(matches!(identify.step(None), Step::Done(Err(ProtocolError::Finished))));
}

#[test]
fn a_joined_answer_that_lacks_a_part_is_asked_for_it() {
    let mut conversation = ReadMiner::new();
    let answer = |text: &str| Some(Ok(Reply::Api(ApiReply::terminated(text))));
    assert!(matches!(conversation.step(None), Step::Ask(_)));
    assert!(matches!(conversation.step(answer(VERSION)), Step::Ask(_)));
    assert!(matches!(conversation.step(answer(REFUSED)), Step::Ask(_)));
    let joined = format!(r#"{{"summary":[{SUMMARY}],"id":1}}"#);
    let Step::Ask(crate::Request::Api(next)) = conversation.step(answer(&joined)) else {
        panic!("must ask on")
    };
    assert_eq!(next.bytes, br#"{"command":"devs"}"#.as_slice());
}

/// Asks for statistics in the second-best way where the best is not known.
#[derive(Debug)]
struct SecondBest;

impl Dialect for SecondBest {
    fn family(&self) -> Family {
        Family::CGMINER
    }
    fn claims(&self, _: &Evidence) -> bool {
        true
    }
    fn identity(&self, _: &Answers, _: &Oddities) -> Identity {
        Identity::default()
    }
    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("estats"),
                Question::may("stats").in_place_of("estats"),
                Question::may("pools"),
            ]
        }
    }
    fn joins(&self) -> bool {
        true
    }
    fn read(&self, _: &Answers, _: &mut MinerSnapshot, _: &Oddities) {}
}

#[test]
fn a_question_in_place_of_another_is_asked_only_when_that_one_failed() {
    let asked = |sections: &[(&str, &str)]| {
        let mut fixture = miner(sections);
        let identified = Identified::new(Identity::default(), &SecondBest);
        let mut conversation = ReadSnapshot::new(identified);
        let mut step = conversation.step(None);
        while let Step::Ask(request) = step {
            step = conversation.step(Some(fixture.answer(&request)));
        }
        assert!(matches!(step, Step::Done(Ok(_))));
        fixture.asked
    };
    let all = [("*joined*", ""), ("*refusal*", REFUSED), ("summary", SUMMARY), ("pools", SUMMARY)];
    let with = |command| [all.as_slice(), &[(command, SUMMARY)]].concat();
    assert_eq!(asked(&with("estats")), ["summary+estats+pools"]);
    assert_eq!(asked(&with("stats")), ["summary+estats+pools", "stats"]);
    let unjoined: Vec<_> = with("stats").into_iter().skip(1).collect();
    assert_eq!(asked(&unjoined), ["summary+estats+pools", "summary", "estats", "pools", "stats"]);
}

/// Offers a stand-in for a stand-in that is never needed.
#[derive(Debug)]
struct MoreThanNeeded;

impl Dialect for MoreThanNeeded {
    fn family(&self) -> Family {
        Family::CGMINER
    }
    fn claims(&self, _: &Evidence) -> bool {
        true
    }
    fn identity(&self, _: &Answers, _: &Oddities) -> Identity {
        Identity::default()
    }
    fn questions(&self) -> &'static [Question] {
        &[]
    }
    fn more_questions(&self, _: &Answers) -> &'static [Question] {
        const { &[Question::may("summary"), Question::must("stats").in_place_of("summary")] }
    }
    fn read(&self, _: &Answers, _: &mut MinerSnapshot, _: &Oddities) {}
}

#[test]
fn a_stand_in_that_is_not_needed_is_offered_once() {
    let mut fixture = miner(&[("summary", SUMMARY)]);
    let mut conversation = ReadSnapshot::new(Identified::new(Identity::default(), &MoreThanNeeded));
    let mut step = conversation.step(None);
    while let Step::Ask(request) = step {
        step = conversation.step(Some(fixture.answer(&request)));
    }
    assert!(matches!(step, Step::Done(Ok(_))));
    assert_eq!(fixture.asked, ["summary"]);
}

#[test]
fn a_joined_answer_to_something_else_is_not_asked_for_again_and_again() {
    let mut conversation = ReadMiner::new();
    let answer = |text: &str| Some(Ok(Reply::Api(ApiReply::terminated(text))));
    let mut step = conversation.step(None);
    let mut asked = Vec::new();
    while let Step::Ask(crate::Request::Api(request)) = step {
        asked.push(String::from_utf8(request.bytes.to_vec()).unwrap());
        assert!(asked.len() < 10, "{asked:?}");
        step = conversation.step(match asked.len() {
            1 => answer(VERSION),
            2 => answer(&format!(r#"{{"lcd":[{SUMMARY}],"id":1}}"#)),
            _ => answer(SUMMARY),
        });
    }
    assert_eq!(asked.iter().filter(|request| request.contains('+')).count(), 1);
}

#[test]
fn a_machine_without_the_api_is_known_by_its_web_server_or_kept_with_what_it_said() {
    let mut printer = miner(&[("*no api*", ""), ("GET /", "<title>Printer</title>")]);
    let error = printer.read().unwrap_err();
    assert!(matches!(&error, ProtocolError::NotIdentified { .. }), "{error}");
    assert!(error.to_string().contains("HTTP/1.1"), "{error}");
    assert_eq!(printer.asked[..2], ["(no api)", "GET /"]);
    let mut nobody = miner(&[("*no api*", "")]);
    let error = nobody.read().unwrap_err();
    let refused = ExchangeFailure::Refused;
    assert!(
        matches!(&error, ProtocolError::NoReply { question, failure } if question == "version" && *failure == refused)
    );
    let whatsminer = r#"FRAME {"cmd":"get.device.info","param":"salt"}"#;
    let each_door_once = ["(no api)", "GET /", whatsminer, "GET https:/api/v1/pairing/info", ":4068 summary"];
    assert_eq!(nobody.asked, each_door_once);
}

#[test]
fn nobody_knocks_at_a_door_that_is_known_to_be_shut() {
    let refused = ExchangeFailure::Refused;
    let doors = Doors::default().with_shut(Door::Api, refused).with_shut(Door::Port(443), refused);
    let doors = doors.with_shut(Door::Port(4433), refused).with_shut(Door::Port(4068), refused);
    let mut conversation = ReadMiner::new().with_doors(doors);
    let Step::Ask(Request::Http(first)) = conversation.step(None) else { panic!("the web is what is left") };
    assert_eq!((first.port, first.path.as_ref()), (80, "/"));
    assert!(matches!(conversation.step(Some(Err(refused))), Step::Done(Err(ProtocolError::NoReply { .. }))));
}

/// Reads a page where the API does not answer.
#[derive(Debug)]
struct EitherWay;

impl Dialect for EitherWay {
    fn family(&self) -> Family {
        Family::CGMINER
    }
    fn claims(&self, _: &Evidence) -> bool {
        true
    }
    fn identity(&self, _: &Answers, _: &Oddities) -> Identity {
        Identity::default()
    }
    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::may("summary"),
                Question::may("pools"),
                Question::must_page("status", "/status").in_place_of("summary"),
                Question::may_page("more", "/more"),
            ]
        }
    }
    fn joins(&self) -> bool {
        true
    }
    fn read(&self, _: &Answers, _: &mut MinerSnapshot, _: &Oddities) {}
}

#[test]
fn what_the_api_does_not_tell_is_asked_of_the_web_server() {
    let ask = |sections: &[(&str, &str)]| {
        let mut fixture = miner(sections);
        let mut conversation = ReadSnapshot::new(Identified::new(Identity::default(), &EitherWay));
        let mut step = conversation.step(None);
        while let Step::Ask(request) = step {
            step = conversation.step(Some(fixture.answer(&request)));
        }
        let Step::Done(result) = step else { unreachable!("it has ended") };
        // This dialect reads nothing, which is told of too.
        let told =
            |snapshot: MinerSnapshot| snapshot.anomalies.iter().filter(|a| a.place != "reading").count();
        (result.map(told), fixture.asked)
    };
    let (read, asked) = ask(&[("*no api*", ""), ("GET /status", "{}")]);
    assert_eq!(asked, ["(no api)", "GET /status", "GET /more"], "a page that is not there is nothing odd");
    assert_eq!(read, Ok(0));
    let (read, asked) = ask(&[("*joined*", ""), ("summary", SUMMARY), ("pools", SUMMARY)]);
    assert_eq!(asked, ["summary+pools", "GET /more"]);
    assert_eq!(read, Ok(1), "the web server refused, and is told of once");
    let (read, asked) = ask(&[("*no api*", "")]);
    assert_eq!(asked, ["(no api)", "GET /status"]);
    assert!(matches!(read, Err(ProtocolError::NoReply { question, .. }) if question == "status"));
}

proptest! {
    /// Whatever a miner says, a reading ends, within a bounded number of questions, and nothing panics.
    #[test]
    fn every_conversation_ends(replies in proptest::collection::vec(prop_oneof![
        Just(VERSION.to_owned()), Just(SUMMARY.to_owned()), Just(REFUSED.to_owned()),
        Just(r#"{"STATUS":"E","Code":14,"Msg":"invalid cmd"}"#.to_owned()),
        Just(r#"{"STATS":[{"GHS 5s":"1e400","fan_num":-3,"temp_pcb1":"--1--","chain_acn1":1e9,"Type":"Antminer "}]}"#.to_owned()),
        ".{0,80}",
    ], 1..12)) {
        let mut conversation = ReadMiner::new();
        let mut step = conversation.step(None);
        let mut asked = 0;
        while let Step::Ask(_) = step {
            asked += 1;
            prop_assert!(asked < 30);
            let reply = replies[asked % replies.len()].clone();
            let outcome = if reply.is_empty() { Err(ExchangeFailure::Reset) } else { Ok(Reply::Api(ApiReply::terminated(reply))) };
            step = conversation.step(Some(outcome));
        }
    }
}
