//! The rules that come with the program: right for a farm without anything being written, and each to be replaced by one of its name.
//!
//! Thresholds of readings are those of the health rules, whose findings these are about. Times are those used in the field: offline after five
//! minutes (two were too noisy: tutulino/Megaminer#357; Proto Fleet has five), a reminder every few hours and not for ever the same mail
//! about one dead chip (anselal/antminer-monitor#19).

use crate::config::Inhibition;
use crate::rule::{Field, Repeat, Rule, When};
use crate::span::Span;
use crate::subject::Occasion;
use bitlink_model::{MinerStatus, Severity};
use std::time::Duration;

fn finding(rules: &[&str], severity: Option<Severity>) -> When {
    When::Finding { finding: rules.iter().map(|&rule| rule.to_owned()).collect(), severity }
}

fn minutes(minutes: u64) -> Span {
    Span(Duration::from_mins(minutes))
}

/// The shipped rules.
pub fn shipped_rules() -> Vec<Rule> {
    let dead = || When::Status { status: vec![MinerStatus::Dead] };
    let rule = |name: &str, title: &str, severity, when, hold: u64| {
        let mut rule = Rule::new(name, when);
        rule.title = Some(title.to_owned());
        rule.severity = severity;
        rule.hold = minutes(hold);
        rule
    };
    let (critical, warning, info) = (Severity::Critical, Severity::Warning, Severity::Info);

    let mut site_down = rule("site_down", "site down", critical, dead(), 1);
    site_down.group_by = vec![Field::Site];
    site_down.at_least = 5;
    site_down.share = Some(0.8);
    site_down.clear_share = Some(0.2);
    site_down.clear_for = minutes(2);

    let mut offline = rule("offline", "offline", critical, dead(), 5);
    offline.clear_for = minutes(1);

    let overheating = rule(
        "overheating",
        "overheating",
        critical,
        finding(&["chip_hot", "board_hot", "inlet_hot", "outlet_hot"], Some(critical)),
        2,
    );
    let mut hot =
        rule("hot", "hot", warning, finding(&["chip_hot", "board_hot", "inlet_hot", "outlet_hot"], None), 10);
    let mut slow = rule("slow", "slow", warning, finding(&["hashrate_low", "share_rate_low"], None), 10);
    let mut idle = rule(
        "not_hashing",
        "not hashing",
        critical,
        finding(&["not_hashing", "mining_failed", "start_slow"], None),
        5,
    );
    let fans = rule("fan_stopped", "with a stopped fan", critical, finding(&["fan_stopped"], None), 1);
    let mut boards = rule(
        "boards",
        "with missing boards or chips",
        warning,
        finding(&["boards_missing", "boards_gone", "board_idle", "chips_lost", "chips_gone"], Some(warning)),
        10,
    );
    let pools = rule("pools_dead", "without a pool", critical, finding(&["pools_dead"], None), 3);
    let wrong_pool = rule(
        "wrong_pool",
        "mining for a pool that is not allowed",
        critical,
        finding(&["pool_not_allowed"], None),
        0,
    );
    let mut shares = rule(
        "shares",
        "with trouble with shares",
        warning,
        finding(&["no_shares", "rejected_high", "stale_high", "hardware_errors"], Some(warning)),
        15,
    );
    let restarting =
        rule("restarting", "restarting again and again", warning, finding(&["restarts"], None), 0);
    let mut faults =
        rule("faults", "reporting faults", warning, finding(&["device_error"], Some(warning)), 10);
    let mut unreadable = rule(
        "unreadable",
        "that cannot be read",
        warning,
        finding(&["unreadable", "not_asked", "identity_shared"], None),
        15,
    );

    let happens = |name: &str, title: &str, severity, event: &[Occasion]| {
        let mut rule = rule(name, title, severity, When::Event { event: event.to_vec() }, 0);
        rule.group_by = vec![Field::Site];
        rule
    };
    let vanished = happens("vanished", "vanished", warning, &[Occasion::Vanished]);
    let own = happens(
        "own_trouble",
        "trouble of the monitor itself",
        critical,
        &[Occasion::NotKept, Occasion::NotRecorded, Occasion::KeptAgain, Occasion::RecordedAgain],
    );
    let block = happens("block_found", "found a block", info, &[Occasion::BlockFound]);

    // What somebody will see to some day is not told every few hours.
    for rule in [&mut hot, &mut slow, &mut boards, &mut shares, &mut faults, &mut unreadable] {
        rule.clear_for = minutes(5);
        rule.repeat = Some(Repeat::Every(Span(Duration::from_hours(24))));
    }
    idle.clear_for = minutes(2);
    vec![
        site_down,
        offline,
        overheating,
        hot,
        slow,
        idle,
        fans,
        boards,
        pools,
        wrong_pool,
        shares,
        restarting,
        faults,
        unreadable,
        vanished,
        own,
        block,
    ]
}

/// What hides what, as shipped.
pub(crate) fn shipped_inhibitions() -> Vec<Inhibition> {
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
    let hides = |source: &[&str], target: &[&str], same: Field| {
        let mut hides = Inhibition::new(texts(source), texts(target));
        hides.same = vec![same];
        hides
    };
    vec![
        // A dead site hides its miners; they are still coming up for a while when it is back.
        hides(&["site_down"], &["*"], Field::Site),
        // Nothing else is wrong with a miner that does not answer than that.
        hides(&["offline"], &["*"], Field::Miner),
        hides(&["overheating"], &["hot"], Field::Miner),
        hides(&["not_hashing", "pools_dead"], &["slow", "shares"], Field::Miner),
    ]
}
