//! What keys do: to the list, to what is chosen, and to the world outside, which only effects reach.

use super::*;
use crate::columns::Field;
use crate::top::list::FIELDS;
use crate::top::state::{Question, View};
use std::net::SocketAddr;

fn first(state: &State) -> String {
    state.list.row(0).unwrap().ip.to_string()
}

fn chosen(state: &State) -> Option<String> {
    state.list.chosen().map(|miner| miner.ip.to_string())
}

fn at(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 4028).into()
}

fn control(state: &mut State, key: char) -> Vec<Effect> {
    update(state, Input::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL)), NOW)
}

#[test]
fn letters_and_arrows_order_by_every_column_and_the_same_key_turns_it_round() {
    let mut state = watched(0);
    picture(&mut state, 250, 40);
    assert_eq!(first(&state), "10.0.0.11", "what needs attention comes first");
    press(&mut state, &[KeyCode::Char('A')]);
    assert_eq!(first(&state), "10.0.0.1");
    press(&mut state, &[KeyCode::Char('A')]);
    assert_eq!(first(&state), "10.0.0.24");
    press(&mut state, &[KeyCode::Char('H')]);
    press(&mut state, &[KeyCode::Char('H')]);
    assert_eq!(first(&state), "10.0.0.4", "the slowest first; what is unknown is not the slowest");
    press(&mut state, &[KeyCode::Char('T')]);
    assert_eq!(first(&state), "10.0.0.15", "the hottest first");
    let last = state.list.len() - 1;
    let unknown = |state: &State| state.list.row(last).unwrap().stats.temp_chip_max.is_nan();
    assert!(unknown(&state));
    press(&mut state, &[KeyCode::Char('r')]);
    assert!(unknown(&state), "what is unknown stays last, either way");
    press(&mut state, &[KeyCode::Char('U')]);
    assert_eq!(first(&state), "10.0.0.24");

    press(&mut state, &[KeyCode::Char('S')]);
    let mut seen = vec![state.list.sort];
    for _ in 1..FIELDS.len() {
        press(&mut state, &[KeyCode::Right]);
        seen.push(state.list.sort);
    }
    assert_eq!(seen, FIELDS, "every column in sight, from left to right");
    press(&mut state, &[KeyCode::Right, KeyCode::Left]);
    assert_eq!(state.list.sort, Field::Reason, "round the corner and back");
    picture(&mut state, 80, 24);
    press(&mut state, &[KeyCode::Left]);
    assert!(state.list.visible.contains(&state.list.sort), "never by a column that is not there");
}

#[test]
fn whoever_is_chosen_stays_chosen_wherever_it_moves() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Char('A'), KeyCode::Down, KeyCode::Down, KeyCode::Down]);
    assert_eq!((chosen(&state).as_deref(), state.list.chosen_row()), (Some("10.0.0.3"), Some(2)));
    press(&mut state, &[KeyCode::Char('A')]);
    assert_eq!((chosen(&state).as_deref(), state.list.chosen_row()), (Some("10.0.0.3"), Some(21)));
    assert!(picture(&mut state, 80, 24).contains("10.0.0.3 "), "and in sight");

    // It gets another address: the machine is chosen, and not the address.
    let mut moved = fleet(0);
    let mut other = moved.remove(2);
    other.ip = [10, 0, 0, 99].into();
    moved.push(other);
    told(&mut state, moved);
    assert_eq!(chosen(&state).as_deref(), Some("10.0.0.99"));

    // It is hidden by a filter and shown again.
    type_in(&mut state, "/status:dead");
    assert_eq!((state.list.len(), state.list.chosen_row()), (1, None));
    press(&mut state, &[KeyCode::Esc]);
    assert_eq!(chosen(&state).as_deref(), Some("10.0.0.99"));

    // It is gone.
    told(&mut state, fleet(0).into_iter().take(2).collect());
    assert_eq!(chosen(&state), None);
}

#[test]
fn moving_stays_within_the_list() {
    let mut state = watched(0);
    picture(&mut state, 80, 24);
    press(&mut state, &[KeyCode::PageUp, KeyCode::Up]);
    assert_eq!(state.list.chosen_row(), Some(0));
    press(&mut state, &[KeyCode::PageDown]);
    assert_eq!(state.list.chosen_row(), Some(state.list.page));
    press(&mut state, &[KeyCode::End, KeyCode::Down]);
    assert_eq!(state.list.chosen_row(), Some(23));
    press(&mut state, &[KeyCode::Home]);
    assert_eq!(state.list.chosen_row(), Some(0));
    told(&mut state, Vec::new());
    press(&mut state, &[KeyCode::Down, KeyCode::Enter, KeyCode::End, KeyCode::PageDown]);
    assert_eq!((state.list.chosen_row(), state.view), (None, View::List));
}

#[test]
fn a_filter_counts_while_it_is_typed_and_a_wrong_one_says_why_and_changes_nothing() {
    let mut state = watched(0);
    type_in(&mut state, "/chip_temp>84");
    assert_eq!(state.list.len(), 1);
    type_in(&mut state, " power>1");
    assert_eq!(state.list.len(), 1);
    press(&mut state, &[KeyCode::Backspace]);
    type_in(&mut state, "x");
    assert_eq!(state.list.len(), 1);
    assert!(picture(&mut state, 80, 24).contains("\"x\" is no number"));
    press(&mut state, &[KeyCode::Enter]);
    assert!(matches!(state.question, Some(Question::Filter(_))), "a wrong one is not kept");
    control(&mut state, 'w');
    press(&mut state, &[KeyCode::Enter]);
    assert_eq!((state.question.as_ref(), state.list.typed.as_str()), (None, "chip_temp>84"));
    press(&mut state, &[KeyCode::Esc]);
    assert_eq!(state.list.len(), 24);
    type_in(&mut state, "/q");
    assert!(state.question.is_some(), "letters are letters while something is typed");
}

#[test]
fn a_light_is_switched_only_after_a_yes_to_what_was_proposed() {
    let mut state = watched(0);
    assert_eq!(press(&mut state, &[KeyCode::Char('l')]), [], "nobody is chosen");
    assert!(state.note().unwrap().text.contains("choose a miner"));
    let proposed = press(&mut state, &[KeyCode::Char('A'), KeyCode::Down, KeyCode::Char('l')]);
    assert_eq!(proposed, [Effect::Propose { at: at(1), on: true }], "its light is off");
    assert_eq!(press(&mut state, &[KeyCode::Char('y')]), [], "nothing is proposed yet");
    let lines = vec!["10.0.0.1".to_owned()];
    let impossible = Proposal { lines: lines.clone(), possible: false };
    update(&mut state, Input::Proposed(impossible), NOW);
    assert_eq!(press(&mut state, &[KeyCode::Char('y')]), [Effect::Decline], "there is nothing to say yes to");
    press(&mut state, &[KeyCode::Char('l')]);
    assert_eq!(press(&mut state, &[KeyCode::Char('n')]), [Effect::Decline]);

    press(&mut state, &[KeyCode::Char('l')]);
    update(&mut state, Input::Proposed(Proposal { lines, possible: true }), NOW);
    assert_eq!(
        press(&mut state, &[KeyCode::Enter, KeyCode::Char(' '), KeyCode::Down]),
        [],
        "no yes by accident"
    );
    assert_eq!(press(&mut state, &[KeyCode::Char('y')]), [Effect::CarryOut]);
    assert_eq!(state.question, None);

    // While it is out nobody sends another, and leaving waits for it once.
    update(&mut state, Input::Commanding("sending".to_owned()), NOW);
    assert_eq!(press(&mut state, &[KeyCode::Char('l')]), []);
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), [Effect::StopCommand]);
    let left = update(&mut state, Input::Commanded { good: true, words: "light: verified".to_owned() }, NOW);
    assert_eq!(left, [Effect::Quit]);
}

#[test]
fn a_command_that_does_not_end_keeps_nobody_who_insists() {
    let mut state = watched(0);
    update(&mut state, Input::Commanding("sending".to_owned()), NOW);
    assert_eq!(
        press(&mut state, &[KeyCode::Char('q'), KeyCode::Char('q')]),
        [Effect::StopCommand, Effect::Quit]
    );
}

#[test]
fn a_light_that_is_on_is_switched_off() {
    let mut state = watched(0);
    let mut miners = fleet(0);
    miners[0].snapshot.as_mut().unwrap().light = Some(true);
    told(&mut state, miners);
    let keys = [KeyCode::Char('A'), KeyCode::Down, KeyCode::Char('l')];
    assert_eq!(press(&mut state, &keys), [Effect::Propose { at: at(1), on: false }]);
    press(&mut state, &[KeyCode::Esc, KeyCode::Down]);
    assert_eq!(press(&mut state, &[KeyCode::Char('L')]), [Effect::Propose { at: at(2), on: false }]);
}

#[test]
fn a_scan_is_asked_for_refused_run_and_stopped() {
    let mut state = watched(0);
    assert_eq!(press(&mut state, &[KeyCode::Char('s'), KeyCode::Enter]), [], "nothing was typed");
    assert_eq!(state.question, None);
    type_in(&mut state, "s10.0.0.9-1");
    assert_eq!(press(&mut state, &[KeyCode::Enter]), [Effect::Scan("10.0.0.9-1".to_owned())]);
    update(&mut state, Input::Scan(ScanNews::Refused("it ends before it begins".to_owned())), NOW);
    assert!(picture(&mut state, 100, 24).contains("it ends before it begins"));
    press(&mut state, &[KeyCode::Backspace]);
    type_in(&mut state, "9");
    assert_eq!(press(&mut state, &[KeyCode::Enter]), [Effect::Scan("10.0.0.9-9".to_owned())]);
    update(&mut state, Input::Scan(ScanNews::Began { what: "10.0.0.9".to_owned() }), NOW);
    assert_eq!(state.question, None);
    assert_eq!(press(&mut state, &[KeyCode::Char('s')]), [], "one at a time");
    assert_eq!(press(&mut state, &[KeyCode::Char('x')]), [Effect::StopScan]);
    update(&mut state, Input::Scan(ScanNews::Ended { words: "1 miner".to_owned(), good: true }), NOW);
    assert!(state.scan.is_none() && state.note().unwrap().text == "1 miner");
}

#[test]
fn every_page_leads_back_and_out() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Enter]);
    assert_eq!((state.view, chosen(&state).as_deref()), (View::Miner, Some("10.0.0.11")));
    press(&mut state, &[KeyCode::Right]);
    assert_eq!(chosen(&state).as_deref(), Some("10.0.0.4"));
    assert_eq!(press(&mut state, &[KeyCode::Char('u')]), [Effect::Poll(at(4))]);
    press(&mut state, &[KeyCode::Char('?')]);
    assert_eq!(state.view, View::Help);
    press(&mut state, &[KeyCode::Esc]);
    assert_eq!(state.view, View::Miner, "back to where it was asked for");
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), []);
    assert_eq!(state.view, View::List);
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), [Effect::Quit]);
    assert_eq!(control(&mut state, 'c'), [Effect::Interrupt]);
    assert_eq!(control(&mut state, 'z'), [Effect::Sleep]);
    assert_eq!(control(&mut state, 'l'), [Effect::Repaint]);
}

#[test]
fn a_miner_that_is_gone_while_it_is_looked_at_says_so() {
    let mut state = watched(0);
    press(&mut state, &[KeyCode::Enter]);
    told(&mut state, Vec::new());
    assert!(picture(&mut state, 80, 24).contains("not watched any more"));
}

#[test]
fn a_note_goes_after_a_while() {
    let mut state = watched(0);
    update(&mut state, Input::NobodyWouldWakeUs, NOW);
    assert!(state.note().is_some());
    update(&mut state, Input::Round, Timestamp::from_unix_millis(NOW.as_unix_millis() + 21_000));
    assert!(state.note().is_none());
}
