//! Pictures of the live table at several sizes, and what keys do to it.

use super::draw::draw;
use super::view::{Reaction, View};
use bitlink_miner_manager::model::{
    Fan, FanSpeed, Firmware, HashRate, Identity, MinerSnapshot, Power, Span, Temperature,
};
use bitlink_miner_manager::{Coverage, Finding, Miner, MinerStatus, Rule, Severity, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

/// A miner that was read so many seconds ago.
fn miner(last: u8, make: &str, model: &str, ths: f64, age_s: i64) -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity.make = Some(make.to_owned().into());
    snapshot.identity.model = Some(model.into());
    snapshot.identity.firmware = Some(Firmware {
        version: Some("20240312.13".into()),
        ..Firmware::new("whatsminer".to_owned().into())
    });
    snapshot.hashrate.realtime = HashRate::from_ths(ths).ok();
    snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
    snapshot.temperatures.chip_max = Temperature::from_celsius(70.0 + f64::from(last % 16)).ok();
    snapshot.power = Power::from_watts(3_250.0).ok();
    snapshot.uptime = Some(Span::from_seconds(86_400 * u64::from(last)));
    snapshot.observed_at = Some(Timestamp::from_unix_millis(NOW.as_unix_millis() - age_s * 1000));
    snapshot.fans =
        (0..4).map(|n| Fan::new(n, FanSpeed::from_rpm(5_880.0 + 30.0 * f64::from(n)).unwrap())).collect();
    Miner::from_snapshot([10, 0, 0, last].into(), 4028, MinerStatus::Active, snapshot)
}

fn finding(rule: &'static str, severity: Severity, words: &str, clears: &str) -> Finding {
    let since = Timestamp::from_unix_millis(NOW.as_unix_millis() - 754_000);
    Finding::new(Rule::new(rule), severity, words).since(since).clears_when(clears)
}

/// Two dozen miners: a hot one with a hostile name, a dead one, one that was never heard, and healthy ones.
fn fleet() -> View {
    let mut miners: Vec<Miner> =
        (1..=24).map(|n| miner(n, "Antminer", "S19 Pro", 109.5, i64::from(n % 9))).collect();
    let mut hot = miner(4, "WhatsMiner", "M50S VJ30 \u{1b}[31m\u{202e}evil", 61.0, 3).with_findings(vec![
        finding(
            "hashrate_low",
            Severity::Warning,
            "hash rate 61.0 TH/s of 110.0 TH/s: 55 %, limit 75 %",
            "it reaches 77 %",
        ),
        finding("chip_hot", Severity::Critical, "hottest chip 97 °C, limit 95 °C", "below 92 °C"),
    ]);
    hot.status = MinerStatus::Warning;
    let mut dead = miner(11, "Antminer", "S21", 200.0, 95);
    dead.status = MinerStatus::Dead;
    // As a monitor shows a miner that is not live: no numbers, the old reading keeps its date.
    dead.stats = Miner::unheard(dead.ip, dead.port).stats;
    let dead = dead.with_findings(vec![finding(
        "no_answer",
        Severity::Critical,
        "no answer to 3 polls in a row",
        "it answers",
    )]);
    miners[3] = hot.clone();
    miners[10] = dead.clone();
    miners[17] = Miner::unheard([10, 0, 0, 18].into(), 4028);

    let miners: Arc<[Arc<Miner>]> = miners.into_iter().map(Arc::new).collect();
    let mut coverage = Coverage::default();
    (coverage.miners, coverage.live) = (24, 22);
    (coverage.active, coverage.warning, coverage.dead, coverage.scanning) = (21, 1, 1, 1);
    coverage.oldest_reading = Some(Timestamp::from_unix_millis(NOW.as_unix_millis() - 8_000));
    let mut view = View::new("24 miners, each read every 10s".to_owned(), true);
    view.update(&miners, &coverage, NOW);
    let ago = |s: i64| Timestamp::from_unix_millis(NOW.as_unix_millis() - s * 1000);
    view.changed(&dead, MinerStatus::Active, MinerStatus::Dead, ago(70));
    view.changed(&hot, MinerStatus::Active, MinerStatus::Warning, ago(12));
    view.rejected("miner-\u{202e}7.lan", "no address is known for it", ago(2));
    view
}

/// What stands on a terminal of a size.
fn picture(view: &mut View, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal.backend().to_string()
}

fn press(view: &mut View, keys: &[KeyCode]) -> Reaction {
    let mut last = Reaction::None;
    for key in keys {
        last = view.react(&Event::Key(KeyEvent::new(*key, KeyModifiers::NONE)));
    }
    last
}

#[test]
fn a_wide_terminal_shows_everything() {
    insta::assert_snapshot!(picture(&mut fleet(), 150, 36));
}

#[test]
fn a_usual_terminal_shows_what_matters() {
    insta::assert_snapshot!(picture(&mut fleet(), 80, 24));
}

#[test]
fn a_tiny_terminal_shows_status_address_rate_and_reason() {
    insta::assert_snapshot!(picture(&mut fleet(), 50, 9));
}

#[test]
fn a_chosen_miner_is_told_in_full() {
    let mut view = fleet();
    press(&mut view, &[KeyCode::Down, KeyCode::Down]);
    insta::assert_snapshot!(picture(&mut view, 110, 26));
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    for (columns, rows) in [(1, 1), (2, 3), (10, 2), (20, 4), (300, 5), (7, 60)] {
        picture(&mut fleet(), columns, rows);
        picture(&mut View::new(String::new(), false), columns, rows);
    }
}

#[test]
fn hostile_text_never_reaches_the_terminal() {
    let mut view = fleet();
    press(&mut view, &[KeyCode::Down, KeyCode::Down]);
    let picture = picture(&mut view, 200, 50);
    assert!(picture.lines().all(|line| line.chars().all(crate::text::is_plain)), "{picture}");
    assert!(picture.contains("\\x1b[31m\\u{202e}evil"), "{picture}");
}

#[test]
fn without_colors_nothing_is_colored() {
    let mut view = fleet();
    view.colored = false;
    let mut terminal = Terminal::new(TestBackend::new(140, 40)).unwrap();
    terminal.draw(|frame| draw(frame, &mut view)).unwrap();
    let cells = terminal.backend().buffer().content();
    let reset = ratatui::style::Color::Reset;
    assert!(cells.iter().all(|cell| cell.fg == reset && cell.bg == reset));
}

#[test]
fn keys_move_sort_filter_and_leave() {
    let mut view = fleet();
    picture(&mut view, 100, 20);
    let first = |view: &View| view.rows.first().unwrap().ip.to_string();
    assert_eq!(first(&view), "10.0.0.11", "what needs attention comes first");

    press(&mut view, &[KeyCode::Char('s')]);
    assert_eq!(first(&view), "10.0.0.1", "by address");
    press(&mut view, &[KeyCode::Char('r')]);
    assert_eq!(first(&view), "10.0.0.24");
    press(&mut view, &[KeyCode::Char('r'), KeyCode::End]);
    assert_eq!(view.chosen_row(), Some(23));
    assert!(picture(&mut view, 100, 20).contains("10.0.0.24"), "the chosen miner is in sight");
    press(&mut view, &[KeyCode::Char('s'), KeyCode::Char('S')]);
    assert_eq!(view.chosen_row(), Some(23), "and stays chosen when the order changes");
    press(&mut view, &[KeyCode::Home, KeyCode::PageDown]);
    assert_eq!(view.chosen_row(), Some(view.page));

    press(&mut view, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Backspace]);
    press(&mut view, &"dead".chars().map(KeyCode::Char).collect::<Vec<_>>());
    assert_eq!(view.rows.len(), 1);
    press(&mut view, &[KeyCode::Enter]);
    assert!(picture(&mut view, 100, 20).contains("“dead”"));
    press(&mut view, &[KeyCode::Char('/'), KeyCode::Char('x')]);
    assert!(picture(&mut view, 100, 20).contains("nothing here holds"));
    press(&mut view, &[KeyCode::Esc]);
    assert_eq!(view.rows.len(), 24);

    assert_eq!(press(&mut view, &[KeyCode::Char('x')]), Reaction::None);
    assert_eq!(press(&mut view, &[KeyCode::Char('q')]), Reaction::Quit);
    let control_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert_eq!(view.react(&control_c), Reaction::Interrupt);
}

#[test]
fn identity_is_not_needed_for_a_row() {
    let bare = Miner::from_snapshot([10, 0, 0, 1].into(), 1, MinerStatus::Active, MinerSnapshot::default());
    assert_eq!(bare.snapshot.as_ref().map(|s| s.identity == Identity::default()), Some(true));
    let mut view = View::new("one".to_owned(), true);
    let mut coverage = Coverage::default();
    (coverage.miners, coverage.active) = (1, 1);
    view.update(&Arc::from([Arc::new(bare)]), &coverage, NOW);
    assert!(picture(&mut view, 100, 12).contains("10.0.0.1:1"));
}
