//! `bitlink get`: one miner as a card, as JSON and word for word.

use crate::support::{Simulation, run};

#[test]
fn a_card_has_everything_and_marks_what_was_derived() {
    let fleet = Simulation::start("127.91.11.0/24", "--miners 1 --mix antminer --sick 0");
    let card = run(&format!("get 127.91.11.1:{}", fleet.port)).ended_with(0);
    for words in [
        "● active",
        "Antminer",
        "hash rate",
        "% of",
        "Boards",
        "slot",
        "Fans",
        "rpm",
        "Pools",
        "in use",
        "(derived)",
    ] {
        assert!(card.out.contains(words), "{words:?} in {}", card.out);
    }
    assert_eq!(card.err, "");
}

#[test]
fn json_is_the_miner() {
    let fleet = Simulation::start("127.91.12.0/24", "--miners 1 --mix whatsminer --sick 0");
    let miner = run(&format!("get 127.91.12.1:{} --format json", fleet.port)).ended_with(0).json();
    assert_eq!(miner["ip"], "127.91.12.1");
    assert_eq!(miner["port"], fleet.port);
    assert_eq!(miner["snapshot"]["identity"]["make"], "WhatsMiner");
    assert!(miner["snapshot"]["power_w"].as_f64().unwrap() > 1_000.0);
}

#[test]
fn raw_is_every_question_and_answer() {
    let fleet = Simulation::start("127.91.13.0/24", "--miners 1 --mix cgminer");
    let raw = run(&format!("get --raw 127.91.13.1:{}", fleet.port)).ended_with(0);
    assert!(raw.out.starts_with("bitlink-transcript 1\n"), "{}", raw.out);
    assert!(raw.out.contains("> {\"command\":\"version\"}") && raw.out.contains("\n< "), "{}", raw.out);
}

#[test]
fn a_miner_that_is_not_there_is_a_failure_with_a_reason() {
    let get = run("get 127.91.14.1").ended_with(1);
    assert_eq!(get.out, "");
    assert!(
        get.err.starts_with("error: 127.91.14.1:4028 could not be read\ncaused by: connection refused\n"),
        "{}",
        get.err
    );
}
