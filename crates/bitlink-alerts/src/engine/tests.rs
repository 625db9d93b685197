//! Rules in virtual time: outages, flapping, maintenance, reminders, acknowledgements, restarts, and never more than so many messages.

use super::*;
use crate::config::AlertsConfig;
use crate::notification::NotificationKind;
use crate::rule::Selection;
use bitlink_model::{Metric, MinerStatus};
use proptest::prelude::*;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// A farm of racks of 50 in one site, and its engine.
struct Farm {
    engine: Engine,
    now: i64,
    places: Vec<Position>,
    status: Vec<MinerStatus>,
    celsius: Vec<Option<f64>>,
    kept: BTreeMap<String, String>,
    told: Vec<Notification>,
}

fn position(site: &str, rack: usize) -> Position {
    let json = format!("{{\"site\":\"{site}\",\"rack\":\"R{rack}\"}}");
    serde_json::from_str(&json).unwrap()
}

impl Farm {
    fn new(miners: usize, config: &str) -> Self {
        let config: AlertsConfig = toml::from_str(&format!("timezone = \"UTC\"\n{config}")).unwrap();
        Self {
            engine: Engine::new(config.policy().unwrap()),
            now: 1_764_115_200_000,
            places: (0..miners).map(|n| position("North", n / 50)).collect(),
            status: vec![MinerStatus::Active; miners],
            celsius: vec![None; miners],
            kept: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    fn round(&mut self) -> Vec<Notification> {
        let labels = BTreeSet::new();
        let subjects: Vec<Subject<'_>> = (0..self.places.len())
            .map(|n| Subject {
                id: MinerId::from_u64(n as u64 + 1),
                address: "192.0.2.1:4028",
                model: "Antminer S19",
                position: &self.places[n],
                labels: &labels,
                status: self.status[n],
                findings: Vec::new(),
                readings: self.celsius[n].map(|value| (Metric::TEMP_CHIP_MAX, value)).into_iter().collect(),
                expected_hs: Some(100e12),
                hashrate_hs: Some(100e12),
            })
            .collect();
        let outcome = self.engine.observe(Timestamp::from_unix_millis(self.now), &subjects, &[]);
        for (key, value) in outcome.batch.items {
            match value {
                Some(value) => self.kept.insert(key, value),
                None => self.kept.remove(&key),
            };
        }
        self.told.extend(outcome.notifications.clone());
        outcome.notifications
    }

    /// Rounds every ten seconds for so long.
    fn run(&mut self, time: i64) -> Vec<Notification> {
        let (before, until) = (self.told.len(), self.now + time);
        while self.now < until {
            self.now += 10 * SECOND;
            self.round();
        }
        self.told[before..].to_vec()
    }

    fn set(&mut self, which: impl IntoIterator<Item = usize>, status: MinerStatus) {
        which.into_iter().for_each(|n| self.status[n] = status);
    }

    /// Another process with what was kept.
    fn restart(&mut self) {
        let mut engine = Engine::restored(self.engine.policy().clone(), &self.kept);
        engine.awaken(Timestamp::from_unix_millis(self.now));
        self.engine = engine;
    }
}

fn kinds(told: &[Notification]) -> Vec<(&str, NotificationKind, usize)> {
    told.iter().map(|told| (told.rule.as_str(), told.kind, told.firing)).collect()
}

use MinerStatus::{Active, Dead, Scanning};
use NotificationKind::{Changed, Firing, Recovered, Reminder};

const OFFLINE: &str =
    "shipped = false\n[[rule]]\nname = \"offline\"\nwhen = { status = [\"dead\"] }\nfor = \"5min\"\n";

#[test]
fn a_site_of_5000_that_loses_its_power_is_one_message_and_so_is_its_return() {
    let mut farm = Farm::new(5_000, "");
    assert!(farm.run(5 * MINUTE).is_empty());
    // They are found to be dead one after the other.
    for tenth in 0..10 {
        farm.set(tenth * 500..(tenth + 1) * 500, Dead);
        farm.run(10 * SECOND);
    }
    let told = farm.run(60 * MINUTE);
    assert_eq!(kinds(&told), [("site_down", Firing, 5_000)]);
    assert_eq!((told[0].lost_hs, told[0].examples.len()), (Some(5_000.0 * 100e12), 5));
    assert_eq!(told[0].headline(), "[CRITICAL] 5,000 miners site down (site North)");
    let (firing, listed) = (farm.engine.firing().collect::<Vec<_>>(), farm.engine.alerts());
    assert_eq!(firing.len(), listed.len(), "what is counted is what is listed: {listed:?}");
    assert_eq!(firing.iter().max(), Some(&bitlink_model::Severity::Critical));
    for tenth in 0..10 {
        farm.set(tenth * 500..(tenth + 1) * 500, Active);
        farm.run(30 * SECOND);
    }
    let told = farm.run(60 * MINUTE);
    assert_eq!(kinds(&told), [("site_down", Recovered, 0)]);
    assert!(farm.kept.is_empty(), "nothing is left of it: {:?}", farm.kept);
    assert!(farm.engine.is_idle());
}

#[test]
fn a_rack_is_told_by_its_name_and_a_rule_true_everywhere_is_bounded() {
    let mut farm = Farm::new(5_000, OFFLINE);
    farm.set(350..400, Dead);
    let told = farm.run(10 * MINUTE);
    assert_eq!(kinds(&told), [("offline", Firing, 50)]);
    assert_eq!(told[0].place(), "rack R7, site North");
    farm.set(0..5_000, Dead);
    let told = farm.run(11 * MINUTE);
    // The one that was told of has nothing new; the others are told together.
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].groups, told[0].firing), (99, 4_950));
}

#[test]
fn what_flaps_is_not_told_and_what_is_not_known_changes_nothing() {
    let mut farm = Farm::new(10, OFFLINE);
    for _ in 0..60 {
        farm.set([3], Dead);
        farm.run(4 * MINUTE);
        farm.set([3], Active);
        farm.run(MINUTE);
    }
    assert!(farm.told.is_empty());
    farm.set([3], Dead);
    assert_eq!(kinds(&farm.run(10 * MINUTE)), [("offline", Firing, 1)]);
    farm.set([3], Scanning);
    assert!(farm.run(60 * MINUTE).is_empty(), "not known is neither over nor new");
    farm.set([3], Active);
    assert_eq!(kinds(&farm.run(10 * MINUTE)), [("offline", Recovered, 0)]);
}

#[test]
fn a_reading_has_a_way_back_and_missing_ones_are_neither() {
    let mut farm = Farm::new(
        1,
        "shipped = false\n[[rule]]\nname = \"hot\"\nwhen = { metric = \"temp_chip_max\", above = 95, clear = 90 }\nfor = \"2min\"\n",
    );
    farm.celsius[0] = Some(96.5);
    let told = farm.run(5 * MINUTE);
    assert_eq!(kinds(&told), [("hot", Firing, 1)]);
    assert_eq!(told[0].examples[0].message, "temp_chip_max 96.50 °C, above 95 °C");
    for celsius in [Some(92.0), None, Some(90.5)] {
        farm.celsius[0] = celsius;
        assert!(farm.run(10 * MINUTE).is_empty(), "{celsius:?}");
    }
    farm.celsius[0] = Some(90.0);
    assert_eq!(kinds(&farm.run(10 * MINUTE)), [("hot", Recovered, 0)]);
}

#[test]
fn maintenance_hides_and_what_lasts_longer_is_told_after_it() {
    // 2025-11-26T00:00Z is a Wednesday.
    let window = "[[maintenance]]\nname = \"wash\"\nonly = { rack = \"R0\" }\ndays = [\"wed\"]\nfrom = \"00:00\"\nuntil = \"02:00\"\n";
    let mut farm = Farm::new(100, &format!("{OFFLINE}{window}"));
    farm.set([1, 60], Dead);
    let told = farm.run(60 * MINUTE);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].place(), "rack R1, site North", "of the other rack only");
    let told = farm.run(62 * MINUTE);
    assert_eq!((told.len(), told[0].place().as_str()), (1, "rack R0, site North"));
}

#[test]
fn reminders_come_at_their_time_and_not_of_what_is_acknowledged() {
    let mut farm = Farm::new(50, OFFLINE);
    farm.set([1, 2], Dead);
    assert_eq!(kinds(&farm.run(10 * MINUTE)), [("offline", Firing, 2)]);
    assert_eq!(kinds(&farm.run(9 * 60 * MINUTE)), [("offline", Reminder, 2); 2]);
    let alert = farm.engine.alerts()[0].alert.clone();
    let ack = |until| AlertOrder::Ack { alert: alert.clone(), ack: Ack::new(until, "Ada") };
    farm.engine.obey(ack(None)).unwrap();
    assert!(farm.run(24 * 60 * MINUTE).is_empty());
    farm.set([3], Dead);
    assert_eq!(kinds(&farm.run(10 * MINUTE)), [("offline", Changed, 3)], "others that join are told");
    farm.set([1, 2, 3], Active);
    assert_eq!(kinds(&farm.run(10 * MINUTE)), [("offline", Recovered, 0)]);
    // Until a time.
    farm.set([1], Dead);
    farm.run(10 * MINUTE);
    let until = Timestamp::from_unix_millis(farm.now + 6 * 60 * MINUTE);
    farm.engine.obey(ack(Some(until))).unwrap();
    assert!(farm.run(6 * 60 * MINUTE - MINUTE).is_empty());
    assert_eq!(kinds(&farm.run(5 * MINUTE)), [("offline", Reminder, 1)]);
    assert!(farm.engine.obey(AlertOrder::Ack { alert: "x".to_owned(), ack: Ack::new(None, "") }).is_err());
}

#[test]
fn a_restart_in_between_says_nothing_twice_and_forgets_nothing() {
    let mut farm = Farm::new(50, OFFLINE);
    farm.set([1, 2], Dead);
    farm.run(10 * MINUTE);
    for _ in 0..5 {
        farm.restart();
        // Nobody is judged yet.
        let status = std::mem::replace(&mut farm.status, vec![Scanning; 50]);
        assert!(farm.run(MINUTE).is_empty());
        farm.status = status;
        assert!(farm.run(20 * MINUTE).is_empty());
    }
    farm.restart();
    assert_eq!(farm.engine.alerts()[0].firing, 2);
    let mute = Mute::new("m", Selection::default(), Timestamp::from_unix_millis(farm.now + 60 * MINUTE));
    farm.engine.obey(AlertOrder::Mute(mute)).unwrap();
    farm.round();
    farm.restart();
    assert_eq!(farm.engine.mutes().count(), 1);
    farm.set([1, 2], Active);
    assert_eq!(kinds(&farm.run(20 * MINUTE)), [("offline", Recovered, 0)]);
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut farm = Farm::new(50, OFFLINE);
    farm.set([1], Dead);
    farm.run(4 * MINUTE);
    farm.now -= 24 * 60 * MINUTE;
    assert_eq!(kinds(&farm.run(3 * MINUTE)), [("offline", Firing, 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens, two messages about one group are an interval apart, and of one rule there are ten in any interval at most.
    #[test]
    fn never_more_messages_than_the_limits(
        steps in prop::collection::vec((0_usize..600, 1_usize..400, 0_u8..3, 1_i64..20), 1..30),
        restarts in prop::collection::btree_set(0_usize..30, 0..4),
    ) {
        let rule = "shipped = false\n[[rule]]\nname = \"offline\"\nwhen = { status = [\"dead\"] }\n";
        let mut farm = Farm::new(600, rule);
        for (index, (first, count, status, rounds)) in steps.into_iter().enumerate() {
            let status = [Active, Dead, Scanning][usize::from(status)];
            farm.set(first..(first + count).min(600), status);
            farm.run(rounds * 10 * SECOND);
            if restarts.contains(&index) {
                farm.restart();
                // What was sent before it is not counted again.
                farm.told.clear();
            }
        }
        let interval = 5 * MINUTE;
        let at = |told: &Notification| told.at.as_unix_millis();
        for told in &farm.told {
            let near = farm.told.iter().filter(|other| (0..interval).contains(&(at(other) - at(told))));
            prop_assert!(near.clone().count() <= MOST_MESSAGES);
            prop_assert!(near.filter(|other| other.groups == 1 && other.alert == told.alert).count() <= 1);
        }
        // In the end nothing is left.
        farm.set(0..600, Active);
        farm.run(30 * MINUTE);
        prop_assert!(farm.engine.is_idle() && farm.kept.is_empty(), "{:?}", farm.kept);
    }
}
