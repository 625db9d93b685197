//! Whose turn it is to be asked, and what is told of one address.

use super::*;
use bitlink_transport::{Act, Door, Host, MemoryTransport, ProbeOutcome, Script};
use std::sync::Mutex;

/// A miner that says just enough.
#[derive(Debug)]
struct Terse;

impl Host for Terse {
    fn connect(&self, port: u16) -> Door {
        if port == 4028 { Door::Open { after: Duration::from_millis(1) } } else { Door::Refused }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        Script::reply(match request {
            br#"{"command":"version"}"# => {
                r#"{"STATUS":[{"STATUS":"S","Code":22}],"VERSION":[{"CGMiner":"4.11.1","API":"3.7"}]}"#
            }
            br#"{"command":"summary"}"# => {
                r#"{"STATUS":[{"STATUS":"S","Code":11}],"SUMMARY":[{"MHS av":5000000.0}]}"#
            }
            _ => r#"{"STATUS":[{"STATUS":"E","Code":14}]}"#,
        })
    }
}

/// Accepts and says nothing, or says it only so often.
#[derive(Debug, Default)]
struct Tarpit {
    silent: Mutex<u32>,
}

impl Host for Tarpit {
    fn connect(&self, port: u16) -> Door {
        Terse.connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let mut silent = self.silent.lock().unwrap();
        if *silent == 0 {
            return Terse.respond(port, request);
        }
        *silent -= 1;
        Script { acts: vec![Act::HoldOpen] }
    }
}

fn tarpit(silent: u32) -> Tarpit {
    Tarpit { silent: Mutex::new(silent) }
}

fn ip(number: u32) -> IpAddr {
    endpoint(number).ip()
}

#[tokio::test(start_paused = true)]
async fn tarpits_do_not_hold_up_those_who_answer() {
    let network = (0..40)
        .fold(MemoryTransport::new(), |network, number| network.with_host(ip(number), tarpit(u32::MAX)));
    let network = network.with_host(ip(40), Terse);
    let config = config().with_identify_concurrency(2).with_order(ScanOrder::Ascending);
    let mut events = Scanner::new(Arc::new(network)).scan(targets(41), config).unwrap();
    let began = Instant::now();
    let mut found_after = None;
    let report = loop {
        match events.recv().await.unwrap() {
            ScanEvent::Found(miner) if miner.ip == ip(40) => found_after = Some(began.elapsed()),
            ScanEvent::Complete { report, .. } => break report,
            _ => {}
        }
    };
    // Twenty rounds of a first turn, and not one of all the patience there is.
    assert!(found_after.unwrap() < Duration::from_secs(45), "{found_after:?}");
    assert!(began.elapsed() > Duration::from_mins(1), "the others were waited for all the same");
    assert_eq!((report.counts.of(OutcomeKind::Found), report.counts.of(OutcomeKind::Failed)), (1, 40));
    assert_eq!(report.postponed, 40);
    assert!(report.adds_up());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slow_once_is_found_at_the_second_turn() {
    for width in [1, 2, 7] {
        let network =
            (0..5).fold(MemoryTransport::new(), |network, number| network.with_host(ip(number), tarpit(1)));
        let config = config().with_identify_concurrency(width);
        let scanner = Scanner::new(Arc::new(network));
        let told = listen(scanner.scan(targets(5), config).unwrap()).await;
        assert_eq!((told.found.len(), told.report().postponed), (5, 5), "{width}");
        let complaints: Vec<_> =
            told.found.iter().flat_map(|m| &m.snapshot.as_ref().unwrap().anomalies).collect();
        assert!(complaints.is_empty(), "the second reading is whole: {complaints:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_explained_has_its_whole_story_and_nobody_else_has() {
    let network = MemoryTransport::new()
        .with_host(ip(1), Terse)
        .with_host(ip(2), tarpit(1))
        .with_elsewhere(Door::Silent);
    let scanner = Scanner::new(Arc::new(network));
    let config = config().with_explain(vec![ip(1), ip(2), ip(3)]);
    let told = listen(scanner.scan(targets(10), config).unwrap()).await;
    let story = |number: u32| -> Vec<&ScanStep> {
        told.steps.iter().filter(|(of, _)| *of == endpoint(number)).map(|(_, step)| step).collect()
    };
    let [turn, knock, asked @ .., end] = &story(1)[..] else { panic!("{:?}", told.steps) };
    assert!(matches!(turn, ScanStep::Turn { total: 10, waits, .. } if waits.len() == 3));
    assert!(matches!(knock, ScanStep::Knocked { port: 4028, outcome: ProbeOutcome::Open, .. }));
    assert!(matches!(end, ScanStep::Ended(Outcome::Found)));
    assert!(
        !asked.is_empty() && asked.iter().all(|step| matches!(step, ScanStep::Asked { answer: Ok(_), .. }))
    );

    let slow = story(2);
    let postponed = slow.iter().position(|step| matches!(step, ScanStep::Postponed)).unwrap();
    assert!(matches!(
        slow[postponed - 1],
        ScanStep::Asked { answer: Err(TransportError::TimedOut { .. }), .. }
    ));
    assert!(matches!(slow.last(), Some(ScanStep::Ended(Outcome::Found))));

    let knocks = story(3).iter().filter(|step| matches!(step, ScanStep::Knocked { .. })).count();
    assert_eq!(knocks, 3, "every try at one who is silent");
    assert!(matches!(story(3).last(), Some(ScanStep::Ended(Outcome::Silent))));
    assert!(told.steps.iter().all(|(of, _)| [1, 2, 3].map(endpoint).contains(of)));
}
