//! Pictures at the sizes that people have, and what keys do.

mod keys;
mod large;

use super::draw::draw;
use super::state::{Effect, Input, Proposal, ScanNews, State, update};
use bitlink_miner_manager::model::{
    Board, Fan, FanSpeed, Firmware, Frequency, HashRate, MinerSnapshot, MiningState, Pool, PoolStatus, Power,
    Ratio, Span, Temperature,
};
use bitlink_miner_manager::{Coverage, Finding, Miner, MinerStats, MinerStatus, Rule, Severity, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(NOW.as_unix_millis() - seconds * 1000)
}

/// A miner that was read so many seconds ago.
fn snapshot(last: u8, model: &str, ths: f64, age_s: i64) -> MinerSnapshot {
    let mut s = MinerSnapshot::default();
    s.identity.make = Some("Antminer".to_owned().into());
    s.identity.model = Some(model.into());
    s.identity.mac = format!("02:00:00:00:00:{last:02x}").parse().ok();
    s.identity.firmware =
        Some(Firmware { version: Some("2024-03".into()), ..Firmware::new("antminer".to_owned().into()) });
    s.mining_state = Some(MiningState::Mining);
    s.hashrate.realtime = HashRate::from_ths(ths).ok();
    s.hashrate.expected = HashRate::from_ths(110.0).ok();
    s.temperatures.chip_max = Temperature::from_celsius(70.0 + f64::from(last % 16)).ok();
    s.power = Power::from_watts(3_250.0).ok();
    s.uptime = Some(Span::from_seconds(86_400 * u64::from(last)));
    s.observed_at = Some(ago(age_s));
    s.light = Some(false);
    s.fans =
        (0..4).map(|n| Fan::new(n, FanSpeed::from_rpm(5_880.0 + 30.0 * f64::from(n)).unwrap())).collect();
    s.boards_expected = Some(3);
    s.boards = (0..3)
        .map(|slot| {
            let mut board = Board::in_slot(slot);
            board.hashrate = HashRate::from_ths(ths / 3.0).ok();
            board.hashrate_expected = HashRate::from_ths(36.7).ok();
            board.chip_temperature = Temperature::from_celsius(68.0 + f64::from(slot)).ok();
            board.chip_sensors =
                (0..8).filter_map(|n| Temperature::from_celsius(60.0 + f64::from(n)).ok()).collect();
            (board.chips, board.chips_expected) = (Some(114), Some(114));
            board.frequency = Frequency::from_megahertz(525.0).ok();
            board
        })
        .collect();
    let mut pool = Pool::default();
    (pool.url, pool.user) =
        (Some("stratum+tcp://pool.example:3333".into()), Some(format!("farm.{last}").into()));
    (pool.status, pool.active, pool.accepted) = (Some(PoolStatus::Alive), Some(true), Some(12_345));
    s.pools = vec![pool];
    s
}

fn miner(last: u8, status: MinerStatus, s: MinerSnapshot) -> Miner {
    Miner::from_snapshot([10, 0, 0, last].into(), 4028, status, s)
}

fn finding(rule: &'static str, severity: Severity, words: &str, clears: &str) -> Finding {
    Finding::new(Rule::new(rule), severity, words).since(ago(754)).clears_when(clears)
}

/// Two dozen miners: a hot one with hostile names, a dead one, one that was never heard, and healthy ones. So many seconds older
/// than they would be.
fn fleet(older: i64) -> Vec<Miner> {
    let mut miners: Vec<Miner> = (1..=24)
        .map(|n| miner(n, MinerStatus::Active, snapshot(n, "S19 Pro", 109.5, i64::from(n % 9) + older)))
        .collect();
    let mut hot = snapshot(4, "S19 \u{1b}[31m\u{202e}evil", 61.0, 3 + older);
    hot.identity.hostname = Some("\u{1b}]0;owned\u{7}<script>".repeat(40).into());
    hot.pools[0].user = Some("wor\rker\u{200b}\n".into());
    hot.boards[1].chip_map = Some("oooxxo-o".into());
    hot.boards[2].present = Some(false);
    hot.boards[0].chips = Some(101);
    hot.fans[1].speed = FanSpeed::from_rpm(0.0).ok();
    hot.fans[0].duty = Ratio::from_percent(80.0).ok();
    miners[3] = miner(4, MinerStatus::Warning, hot).with_findings(vec![
        finding(
            "hashrate_low",
            Severity::Warning,
            "hash rate 61.0 TH/s of 110.0 TH/s: 55 %, limit 75 %",
            "it reaches 77 %",
        ),
        finding("chip_hot", Severity::Critical, "hottest chip 97 °C\u{202e}, limit 95 °C", "below 92 °C"),
    ]);
    let mut dead =
        miner(11, MinerStatus::Dead, snapshot(11, "S21", 200.0, 95 + older)).with_findings(vec![finding(
            "no_answer",
            Severity::Critical,
            "no answer to 3 polls in a row",
            "it answers",
        )]);
    // As a monitor shows a miner that is not live: no numbers, the old reading keeps its date.
    (dead.stats, dead.is_live) = (MinerStats::default(), false);
    miners[10] = dead;
    miners[17] = Miner::unheard([10, 0, 0, 18].into(), 4028);
    for (miner, at) in miners.iter_mut().zip(0..) {
        miner.is_live = at != 10 && at != 17;
    }
    miners
}

fn coverage(miners: &[Miner]) -> Coverage {
    let of = |status| miners.iter().filter(|miner| miner.status == status).count();
    let mut coverage = Coverage::default();
    coverage.miners = miners.len();
    coverage.active = of(MinerStatus::Active);
    coverage.warning = of(MinerStatus::Warning);
    coverage.dead = of(MinerStatus::Dead);
    coverage.scanning = of(MinerStatus::Scanning);
    coverage.oldest_reading =
        miners.iter().filter(|miner| miner.is_live).filter_map(|miner| miner.last_updated).min();
    coverage
}

fn told(state: &mut State, miners: Vec<Miner>) {
    let coverage = coverage(&miners);
    let miners: Arc<[Arc<Miner>]> = miners.into_iter().map(Arc::new).collect();
    update(state, Input::Fleet(miners, Box::new(coverage)), NOW);
}

fn watched(older: i64) -> State {
    let mut state = State::new("24 miners, each read every 10s".to_owned(), Duration::from_secs(10), true);
    for step in (0..12).rev() {
        let mut before = fleet(older + step * 10);
        // The total has a shape.
        before.truncate(if step % 5 == 2 { 15 } else { 24 });
        told(&mut state, before);
        update(&mut state, Input::Round, NOW);
    }
    let miners = fleet(older);
    let changed = |miner: &Miner| (Arc::new(miner.clone()), MinerStatus::Active, miner.status);
    for (at, one) in [(70, &miners[10]), (12, &miners[3])] {
        let (miner, from, to) = changed(one);
        update(&mut state, Input::StatusChanged { miner, from, to }, ago(at));
    }
    let reason = "no address is known for it".to_owned();
    update(&mut state, Input::Rejected { target: "miner-\u{202e}7.lan".to_owned(), reason }, ago(2));
    told(&mut state, miners);
    state
}

/// What stands on a terminal of a size.
fn picture(state: &mut State, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    terminal.backend().to_string()
}

fn press(state: &mut State, keys: &[KeyCode]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in keys {
        effects.extend(update(state, Input::Key(KeyEvent::new(*key, KeyModifiers::NONE)), NOW));
    }
    effects
}

fn type_in(state: &mut State, text: &str) {
    press(state, &text.chars().map(KeyCode::Char).collect::<Vec<_>>());
}

#[test]
fn the_list_on_a_small_terminal() {
    insta::assert_snapshot!(picture(&mut watched(0), 80, 24));
}

#[test]
fn the_list_on_a_large_terminal() {
    insta::assert_snapshot!(picture(&mut watched(0), 160, 50));
}

#[test]
fn a_chosen_one_in_a_filtered_list() {
    let mut state = watched(0);
    type_in(&mut state, "/status:warning");
    press(&mut state, &[KeyCode::Enter, KeyCode::Down]);
    insta::assert_snapshot!(picture(&mut state, 100, 24));
}

#[test]
fn all_of_a_hostile_miner_on_a_small_terminal() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    insta::assert_snapshot!(picture(&mut state, 80, 24));
}

#[test]
fn all_of_a_hostile_miner_on_a_large_terminal() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    insta::assert_snapshot!(picture(&mut state, 160, 50));
}

#[test]
fn a_dead_miner_shows_its_last_reading_as_old() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Down, KeyCode::Enter]);
    insta::assert_snapshot!(picture(&mut state, 80, 24));
}

#[test]
fn help_on_both() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Char('?')]);
    insta::assert_snapshot!("help_small", picture(&mut state, 80, 24));
    insta::assert_snapshot!("help_large", picture(&mut state, 160, 50));
    press(&mut state, &[KeyCode::End]);
    assert!(
        picture(&mut state, 80, 24).contains("at least: some have not told"),
        "it can be read to its end"
    );
}

#[test]
fn nothing_is_watched_yet() {
    let mut state = State::new("no miner is known yet".to_owned(), Duration::from_secs(10), true);
    told(&mut state, Vec::new());
    insta::assert_snapshot!("empty_small", picture(&mut state, 80, 24));
    insta::assert_snapshot!("empty_large", picture(&mut state, 160, 50));
}

#[test]
fn when_all_is_stale_nothing_looks_live() {
    let mut state = watched(300);
    insta::assert_snapshot!("stale_small", picture(&mut state, 80, 24));
    insta::assert_snapshot!("stale_large", picture(&mut state, 160, 50));
    // Every number that was read is dim, on its cell and not only in words.
    let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
    terminal.draw(|frame| draw(frame, &mut state)).unwrap();
    let buffer = terminal.backend().buffer();
    let text = |y: u16| (0..120).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let y = (0..30).find(|y| text(*y).contains("10.0.0.2 ")).unwrap();
    let row = text(y);
    let x = u16::try_from(row.get(..row.find("109.5").unwrap()).unwrap().chars().count()).unwrap();
    assert!(buffer[(x, y)].modifier.contains(ratatui::style::Modifier::DIM), "{row}");
}

#[test]
fn a_question_before_a_light_is_switched() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Down, KeyCode::Char('l')]);
    let lines =
        vec!["10.0.0.11:4028 Antminer \u{1b}[31mS21".to_owned(), "known by 02:00:00:00:00:0b".to_owned()];
    update(&mut state, Input::Proposed(Proposal { lines, possible: true }), NOW);
    insta::assert_snapshot!(picture(&mut state, 80, 24));
}

#[test]
fn a_scan_on_its_way() {
    let mut state = watched(0);
    update(&mut state, Input::Scan(ScanNews::Began { what: "192.168.1.0/24".to_owned() }), NOW);
    let eta = Some(Duration::from_secs(3));
    update(&mut state, Input::Scan(ScanNews::Progress { done: 120, total: 254, found: 17, eta }), NOW);
    insta::assert_snapshot!(picture(&mut state, 80, 24));
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    for (columns, rows) in [(1, 1), (2, 3), (10, 2), (20, 4), (300, 5), (7, 60), (200, 60)] {
        let mut state = watched(0);
        picture(&mut state, columns, rows);
        for key in ['?', '?', '/'] {
            press(&mut state, &[KeyCode::Char(key)]);
            picture(&mut state, columns, rows);
        }
        press(&mut state, &[KeyCode::Esc, KeyCode::Enter]);
        picture(&mut state, columns, rows);
        press(&mut state, &[KeyCode::Char('l')]);
        picture(&mut state, columns, rows);
        picture(&mut State::new(String::new(), Duration::from_secs(1), false), columns, rows);
    }
}

#[test]
fn hostile_text_never_reaches_the_terminal() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Down, KeyCode::Down]);
    let harmless = |picture: &str| {
        let odd: Vec<char> = picture.chars().filter(|c| *c != '\n' && !crate::text::is_plain(*c)).collect();
        assert!(odd.is_empty(), "{odd:?} in {picture}");
    };
    harmless(&picture(&mut state, 200, 60));
    press(&mut state, &[KeyCode::Enter]);
    let page = picture(&mut state, 200, 120);
    harmless(&page);
    assert!(page.contains("\\x1b[31m\\u{202e}evil"), "{page}");
    assert!(page.contains("wor\\rker\\u{200b}\\n") && page.contains("\\x1b]0;owned\\x07"), "{page}");
    // What somebody types or pastes is no better.
    press(&mut state, &[KeyCode::Esc, KeyCode::Char('/')]);
    type_in(&mut state, "\u{202e}\u{9b}31m");
    harmless(&picture(&mut state, 200, 60));
}

#[test]
fn without_colors_nothing_is_colored() {
    let mut state = watched(0);
    state.colored = false;
    let reset = ratatui::style::Color::Reset;
    for keys in [
        &[][..],
        &[KeyCode::Down, KeyCode::Enter],
        &[KeyCode::Char('l')],
        &[KeyCode::Esc, KeyCode::Char('?')],
    ] {
        press(&mut state, keys);
        let mut terminal = Terminal::new(TestBackend::new(140, 50)).unwrap();
        terminal.draw(|frame| draw(frame, &mut state)).unwrap();
        assert!(
            terminal.backend().buffer().content().iter().all(|cell| cell.fg == reset && cell.bg == reset)
        );
    }
}

#[test]
fn sixteen_colors_are_enough() {
    use ratatui::style::Color;
    let mut state = watched(0);
    let mut terminal = Terminal::new(TestBackend::new(140, 50)).unwrap();
    terminal.draw(|frame| draw(frame, &mut state)).unwrap();
    let many = |color| matches!(color, Color::Rgb(..) | Color::Indexed(_));
    assert!(terminal.backend().buffer().content().iter().all(|cell| !many(cell.fg) && !many(cell.bg)));
}
