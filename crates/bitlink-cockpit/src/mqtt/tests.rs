//! What is published of whom, how often, and what becomes of it when a broker is not there. No broker: a port that writes down.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use super::*;
use async_trait::async_trait;
use bitlink_model::{
    Efficiency, Fan, FanSpeed, Finding, Firmware, HashRate, Identity, Mac, Make, MinerId, MinerSnapshot,
    MinerStatus, Position, Power, Rule, Severity, Span, Temperature, Timestamp,
};
use futures::FutureExt;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;
use tokio::sync::oneshot;

const POLL: Duration = Duration::from_secs(10);
const READ_AT: i64 = 1_700_000_000_000;

fn config() -> MqttConfig {
    MqttConfig::new("mqtt://broker").unwrap()
}

fn miner(last: u8, change: impl FnOnce(&mut MinerSnapshot)) -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity.serial = Some(format!("serial-{last}").into());
    snapshot.observed_at = Some(Timestamp::from_unix_millis(READ_AT));
    change(&mut snapshot);
    Miner::from_snapshot([10, 0, 0, last].into(), 4028, MinerStatus::Active, snapshot)
}

fn at_work(snapshot: &mut MinerSnapshot) {
    let identity = &mut snapshot.identity;
    (identity.make, identity.model) = (Some(Make::ANTMINER), Some("S19 Pro".into()));
    identity.mac = Some(Mac::new([2, 0, 0, 0, 0xab, 1]));
    identity.control_board = Some("AMLCtrl".into());
    let mut firmware = Firmware::new(bitlink_model::Family::ANTMINER);
    firmware.version = Some("Fri Nov 17 17:57:49 CST 2023".into());
    identity.firmware = Some(firmware);
    snapshot.hashrate.average = HashRate::from_ths(95.512_345).ok();
    snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
    snapshot.power = Power::from_watts(3_250.0).ok();
    snapshot.efficiency = Efficiency::from_joules_per_terahash(34.0).ok();
    snapshot.temperatures.chip_max = Temperature::from_celsius(71.0).ok();
    snapshot.uptime = Some(Span::from_seconds(86_400));
    snapshot.shares.rejected = Some(0);
    snapshot.fans = (0..2).map(|n| Fan::new(n, FanSpeed::from_rpm(5_880.0).unwrap())).collect();
}

fn record(miner: &Miner, change: impl FnOnce(&mut MinerRecord)) -> Arc<MinerRecord> {
    let identity = miner.snapshot.as_ref().map_or_else(Identity::default, |s| s.identity.clone());
    let at = (miner.ip, miner.port).into();
    let mut record = MinerRecord::new(miner.id, identity, at, Timestamp::from_unix_millis(READ_AT));
    change(&mut record);
    Arc::new(record)
}

fn look(miners: Vec<Miner>) -> Look {
    let records = miners.iter().map(|miner| record(miner, |_| ())).collect();
    Look::new(miners.into_iter().map(Arc::new).collect(), records, POLL)
}

fn silent(mut miner: Miner) -> Miner {
    (miner.is_live, miner.status) = (false, MinerStatus::Dead);
    let found = Finding::new(Rule::new("no_answer"), Severity::Critical, "does not answer");
    miner.with_findings(vec![found])
}

fn round(publisher: &mut Publisher, look: &Look) -> Vec<Message> {
    publisher.steps(look).into_iter().flat_map(|step| publisher.messages(look, step)).collect()
}

/// What a round says beside the sums of the fleet, which are said each time.
fn news(publisher: &mut Publisher, look: &Look) -> Vec<String> {
    let said = round(publisher, look).into_iter().map(|message| message.topic);
    said.filter(|topic| topic != "bitlink/fleet/state").collect()
}

fn said(messages: &[Message], topic: &str) -> Value {
    let message = messages
        .iter()
        .find(|message| message.topic == topic)
        .unwrap_or_else(|| panic!("{topic}: {messages:?}"));
    serde_json::from_slice(&message.payload).unwrap()
}

#[test]
fn a_broker_is_told_of_a_miner_at_work() {
    let found = Finding::new(Rule::new("chip_hot"), Severity::Warning, "hottest chip 91 °C, limit 85 °C");
    let mut miner = miner(1, at_work).with_findings(vec![found]);
    miner.status = MinerStatus::Warning;
    let id = miner.id;
    let place = record(&miner, |record| {
        record.position.site = Some("North".to_owned());
        record.position.rack = Some("R7".to_owned());
        record.position.slot = Some("3".to_owned());
    });
    let look = Look::new([Arc::new(miner)].into(), vec![place], POLL);
    let messages = round(&mut Publisher::new(&config(), "1.2.3"), &look);
    let topics: Vec<&str> = messages.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            "bitlink/status",
            "homeassistant/device/bitlink_fleet/config",
            "bitlink/fleet/state",
            &format!("homeassistant/device/bitlink_{id}/config"),
            &format!("bitlink/miner/{id}/availability"),
            &format!("bitlink/miner/{id}/state"),
        ]
    );
    assert_eq!(
        (messages[0].payload.as_slice(), messages[4].payload.as_slice()),
        (&b"online"[..], &b"online"[..])
    );
    insta::assert_json_snapshot!("discovery", said(&messages, topics[3]));
    insta::assert_json_snapshot!("state", said(&messages, topics[5]));
    insta::assert_json_snapshot!("fleet-discovery", said(&messages, topics[1]));
    insta::assert_json_snapshot!("fleet-state", said(&messages, topics[2]));
    // What says more with the next one need not arrive; everything else must.
    let lossy: Vec<&str> = messages.iter().filter(|m| !m.must_arrive).map(|m| m.topic.as_str()).collect();
    assert_eq!(lossy, [topics[2], topics[5]]);
}

#[test]
fn what_was_not_said_is_null_and_never_zero() {
    let miner = miner(1, |_| ());
    let id = miner.id;
    let messages = round(&mut Publisher::new(&config(), "1"), &look(vec![miner]));
    let state = said(&messages, &format!("bitlink/miner/{id}/state"));
    for (key, value) in state.as_object().unwrap() {
        let is_known = matches!(key.as_str(), "id" | "status" | "problem" | "findings" | "last_seen" | "ip");
        assert_eq!(value.is_null(), !is_known, "{key}: {value}");
    }
    let fleet = said(&messages, "bitlink/fleet/state");
    assert!(
        fleet["power_w"].is_null()
            && fleet["hashrate_ths"].is_null()
            && fleet["efficiency_j_per_th"].is_null()
    );
    assert_eq!((&fleet["miners"], &fleet["miners_with_power"]), (&1.into(), &0.into()));
    // Sensors that it may not have at all are not there yet, but for those that make a miner one.
    let config = said(&messages, &format!("homeassistant/device/bitlink_{id}/config"));
    let components: Vec<&String> = config["components"].as_object().unwrap().keys().collect();
    assert_eq!(components, ["hashrate_ths", "last_seen", "power_w", "problem", "status"]);
    // A 0 that was said is one.
    let zero = self::miner(1, |snapshot| snapshot.power = Power::from_watts(0.0).ok());
    let messages = round(&mut Publisher::new(&config_of(30), "1"), &look(vec![zero]));
    assert_eq!(said(&messages, &format!("bitlink/miner/{id}/state"))["power_w"], 0.0);
}

fn config_of(seconds: u64) -> MqttConfig {
    config().with_interval(Duration::from_secs(seconds))
}

#[test]
fn every_sensor_has_its_value_in_the_state() {
    let miner = miner(1, at_work);
    let id = miner.id;
    let messages = round(&mut Publisher::new(&config(), "1"), &look(vec![miner]));
    let fleet = (
        said(&messages, "homeassistant/device/bitlink_fleet/config"),
        said(&messages, "bitlink/fleet/state"),
    );
    let own = (
        said(&messages, &format!("homeassistant/device/bitlink_{id}/config")),
        said(&messages, &format!("bitlink/miner/{id}/state")),
    );
    let mut unique = BTreeSet::new();
    for (config, state) in [own, fleet] {
        assert_eq!(config["state_topic"].as_str().map(|topic| topic.ends_with("/state")), Some(true));
        for (name, component) in config["components"].as_object().unwrap() {
            let template = component["value_template"].as_str().unwrap();
            let key =
                template.strip_prefix("{{ value_json.").and_then(|rest| rest.strip_suffix(" }}")).unwrap();
            assert!(state.get(key).is_some(), "{name} has no {key} in {state}");
            let id = component["unique_id"].as_str().unwrap().to_owned();
            assert!(unique.insert(id.clone()), "{id} twice");
        }
    }
}

#[test]
fn a_miner_is_told_of_once_for_each_reading() {
    let mut publisher = Publisher::new(&config(), "1");
    let first = miner(1, at_work);
    let id = first.id;
    let (state, availability) =
        (format!("bitlink/miner/{id}/state"), format!("bitlink/miner/{id}/availability"));
    assert_eq!(news(&mut publisher, &look(vec![first.clone()])).len(), 5);
    assert_eq!(news(&mut publisher, &look(vec![first.clone()])), [""; 0], "not read again");
    let again = miner(1, |snapshot| {
        at_work(snapshot);
        snapshot.observed_at = Some(Timestamp::from_unix_millis(READ_AT + 10_000));
    });
    assert_eq!(news(&mut publisher, &look(vec![again.clone()])), [state.as_str()]);
    // Silent: its readings go, and that it was judged stays.
    let gone = look(vec![silent(again.clone())]);
    let messages = round(&mut publisher, &gone);
    assert!(messages.iter().any(|m| m.topic == availability && m.payload == b"offline"), "{messages:?}");
    let told = said(&messages, &state);
    assert!(
        told["power_w"].is_null()
            && told["fan_1_rpm"].is_null()
            && told["temperature_chip_celsius"].is_null()
    );
    assert_eq!((&told["status"], &told["problem"]), (&"dead".into(), &true.into()));
    assert_eq!(told["findings"][0]["rule"], "no_answer");
    assert_eq!(
        said(&messages, "bitlink/fleet/state")["hashrate_ths"],
        Value::Null,
        "stale readings are in no sum"
    );
    assert_eq!(news(&mut publisher, &gone), [""; 0]);
    assert_eq!(news(&mut publisher, &look(vec![again])), [availability, state]);
}

#[test]
fn a_device_is_told_anew_when_it_is_another_or_shows_more() {
    let mut publisher = Publisher::new(&config(), "1");
    let first = miner(1, |_| ());
    let config = format!("homeassistant/device/bitlink_{}/config", first.id);
    round(&mut publisher, &look(vec![first.clone()]));
    let mut hot = miner(1, |snapshot| snapshot.temperatures.inlet = Temperature::from_celsius(25.0).ok());
    assert!(
        news(&mut publisher, &look(vec![hot.clone()])).contains(&config),
        "it has a sensor of which nobody knew"
    );
    // It does not lose it again when one reading leaves it out.
    assert!(!news(&mut publisher, &look(vec![first.clone()])).contains(&config));
    hot.ip = [10, 0, 0, 9].into();
    assert!(news(&mut publisher, &look(vec![hot.clone()])).contains(&config), "it has moved");
    let placed = record(&hot, |record| record.position.site = Some("South".to_owned()));
    let here = Look::new([Arc::new(hot)].into(), vec![placed], POLL);
    let messages = round(&mut publisher, &here);
    assert_eq!(said(&messages, &config)["device"]["suggested_area"], "South");
    // For how long a reading counts follows from how often there is one.
    let seldom = Look { poll_interval: Duration::from_mins(5), ..here };
    assert_eq!(said(&round(&mut publisher, &seldom), &config)["components"]["power_w"]["expire_after"], 900);
}

#[test]
fn what_is_forgotten_or_another_machine_after_all_is_taken_away_once() {
    let mut publisher = Publisher::new(&config(), "1");
    let (kept, other) = (miner(1, at_work), miner(2, at_work_alone));
    let (id, gone) = (kept.id, other.id);
    let everything = look(vec![kept.clone(), other.clone()]);
    round(&mut publisher, &everything);
    let topics = |id: MinerId| {
        [
            format!("homeassistant/device/bitlink_{id}/config"),
            format!("bitlink/miner/{id}/availability"),
            format!("bitlink/miner/{id}/state"),
        ]
    };
    let forgotten = record(&kept, |record| record.forgotten = Some(Timestamp::from_unix_millis(READ_AT)));
    // The other one turned out to be a machine that has another record.
    let less = Look::new(Arc::default(), vec![forgotten], POLL);
    let messages = round(&mut publisher, &less);
    for topic in topics(id).into_iter().chain(topics(gone)) {
        let message = messages.iter().find(|message| message.topic == topic);
        assert!(message.is_some_and(|m| m.payload.is_empty() && m.kind == Kind::Removal), "{topic}");
    }
    assert_eq!(news(&mut publisher, &less), [""; 0]);
    // A broker may have been away when somebody forgot it.
    publisher.begin();
    assert_eq!(news(&mut publisher, &less).len(), 2 + 3);
    assert_eq!(news(&mut publisher, &look(vec![kept])), topics(id), "and it is back");
}

fn at_work_alone(snapshot: &mut MinerSnapshot) {
    at_work(snapshot);
    snapshot.identity.mac = Some(Mac::new([2, 0, 0, 0, 0xab, 2]));
}

#[test]
fn of_whom_is_not_heard_yet_nothing_is_made_up() {
    let mut publisher = Publisher::new(&config(), "1");
    let unheard = Miner::unheard([10, 0, 0, 1].into(), 4028);
    // Nobody knows who is at that address.
    let nobody = Look::new([Arc::new(unheard.clone())].into(), Vec::new(), POLL);
    assert_eq!(
        news(&mut publisher, &nobody),
        ["bitlink/status", "homeassistant/device/bitlink_fleet/config"]
    );
    // Somebody of an earlier run: what was said of its sensors holds, and its readings do not.
    let known = Look { records: vec![record(&unheard, |_| ())], ..nobody };
    let messages = round(&mut publisher, &known);
    let id = unheard.id;
    assert!(
        messages
            .iter()
            .any(|m| m.topic == format!("bitlink/miner/{id}/availability") && m.payload == b"offline")
    );
    let state = said(&messages, &format!("bitlink/miner/{id}/state"));
    assert_eq!((&state["status"], &state["problem"]), (&"scanning".into(), &Value::Null));
    assert!(!messages.iter().any(|message| message.topic.contains("/config")), "{messages:?}");
}

#[test]
fn without_devices_there_are_the_sums_alone_and_without_discovery_no_word_of_it() {
    let look = look(vec![miner(1, at_work)]);
    let mut publisher = Publisher::new(&config().with_devices(false), "1");
    let messages = round(&mut publisher, &look);
    let about_miners: Vec<_> = messages.iter().filter(|message| message.kind == Kind::Removal).collect();
    assert_eq!((about_miners.len(), messages.len()), (3, 6), "what an earlier run has left is taken away");
    assert_eq!(said(&messages, "bitlink/fleet/state")["miners_active"], 1);
    let mut publisher = Publisher::new(&config().with_discovery_prefix(None).with_prefix("farm/a"), "1");
    let topics = news(&mut publisher, &look);
    assert!(topics.iter().all(|topic| topic.starts_with("farm/a/")), "{topics:?}");
    assert_eq!(topics.len(), 4);
}

#[test]
fn a_hostile_name_is_a_text_and_nothing_else() {
    let evil = "{{ states }}\u{202e}\"\n".repeat(100);
    let miner = miner(1, |snapshot| {
        snapshot.identity.model = Some(evil.clone().into());
        snapshot.identity.serial = Some(format!("../#/+{evil}").into());
    });
    let id = miner.id;
    let messages = round(&mut Publisher::new(&config(), "1"), &look(vec![miner]));
    for message in &messages {
        assert!(
            message.topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b)),
            "{message:?}"
        );
        let text = String::from_utf8(message.payload.clone()).unwrap();
        assert!(!text.contains(['\u{202e}', '\n']), "{message:?}");
    }
    let config = said(&messages, &format!("homeassistant/device/bitlink_{id}/config"));
    assert!(config["device"]["model"].as_str().unwrap().chars().count() <= 100);
    assert!(!config["components"].to_string().contains("states"), "no template of somebody else's");
}

/// A broker that can be away, and what it was told.
#[derive(Debug, Clone, Default)]
struct Notebook(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    refuse: usize,
    tried: Vec<Instant>,
    will: Option<Message>,
    told: Vec<Message>,
    lose: Option<oneshot::Sender<MqttError>>,
    is_stuck: bool,
    is_closed: bool,
}

impl Notebook {
    fn pages<T>(&self, look: impl FnOnce(&mut Pages) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn topics(&self) -> Vec<String> {
        self.pages(|pages| pages.told.drain(..).map(|message| message.topic).collect())
    }
}

#[async_trait]
impl MqttPort for Notebook {
    async fn connect(&mut self, will: Message) -> Result<Lost, MqttError> {
        self.pages(|pages| {
            pages.tried.push(Instant::now());
            if pages.refuse > 0 {
                pages.refuse -= 1;
                return Err(MqttError::Refused("it is not ready"));
            }
            let (ends, lost) = oneshot::channel();
            (pages.will, pages.lose) = (Some(will), Some(ends));
            Ok(lost.map(|lost| lost.unwrap_or(MqttError::Lost(None))).boxed())
        })
    }

    async fn publish(&mut self, message: Message) -> Result<(), MqttError> {
        if self.pages(|pages| pages.is_stuck) {
            std::future::pending::<()>().await;
        }
        self.pages(|pages| pages.told.push(message));
        Ok(())
    }

    async fn close(&mut self) {
        self.pages(|pages| pages.is_closed = true);
    }
}

/// Publishing that runs, what it has counted, and how it is ended.
fn running(
    notebook: &Notebook,
    look: Look,
) -> (std::pin::Pin<Box<dyn Future<Output = ()> + Send>>, MqttWatch, oneshot::Sender<()>) {
    let publishing = Publishing::new(&config(), notebook.clone(), "1");
    let watch = publishing.watch();
    let (end, ended) = oneshot::channel::<()>();
    let run = publishing.run(move || look.clone(), async move { drop(ended.await) });
    (Box::pin(run), watch, end)
}

/// Lets so much virtual time pass.
async fn for_a_while(run: &mut (impl Future<Output = ()> + Unpin), time: Duration) {
    tokio::select! {
        () = run => panic!("it has ended"),
        () = tokio::time::sleep(time) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_tried_ever_more_seldom_and_then_told_everything() {
    let notebook = Notebook::default();
    notebook.pages(|pages| pages.refuse = 9);
    let began = Instant::now();
    let (mut run, watch, _end) = running(&notebook, look(vec![miner(1, at_work)]));
    for_a_while(&mut run, Duration::from_mins(5)).await;
    let tried =
        notebook.pages(|pages| pages.tried.iter().map(|at| (*at - began).as_secs()).collect::<Vec<_>>());
    assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    let counts = watch.counts();
    assert_eq!((counts.failed, counts.accepted, counts.lost, counts.is_connected), (9, 1, 0, true));
    // At 243 s and 273 s: the second time there is nothing new but for the sums.
    assert_eq!((counts.rounds, counts.discovery, counts.availability, counts.state), (2, 2, 2, 3));
    assert_eq!(notebook.topics().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn after_a_loss_everything_is_told_anew_and_at_the_end_that_we_are_gone() {
    let notebook = Notebook::default();
    let (mut run, watch, end) = running(&notebook, look(vec![miner(1, at_work)]));
    for_a_while(&mut run, Duration::from_secs(65)).await;
    let first = notebook.topics();
    assert_eq!((first.len(), first.iter().filter(|topic| *topic == "bitlink/fleet/state").count()), (8, 3));
    notebook.pages(|pages| pages.lose.take().unwrap().send(MqttError::Lost(None)).unwrap());
    for_a_while(&mut run, Duration::from_secs(5)).await;
    assert_eq!(notebook.topics().len(), 6, "retained messages may be lost with a broker");
    assert_eq!((watch.counts().lost, watch.counts().accepted), (1, 2));
    let will = notebook.pages(|pages| pages.will.clone()).unwrap();
    assert_eq!((will.topic.as_str(), will.payload.as_slice()), ("bitlink/status", &b"offline"[..]));
    drop(end);
    run.await;
    let last = notebook.pages(|pages| (pages.told.pop(), pages.is_closed));
    assert_eq!(last, (Some(will), true));
    assert!(!watch.counts().is_connected);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_nothing_holds_up_nobody() {
    let notebook = Notebook::default();
    notebook.pages(|pages| pages.is_stuck = true);
    let (mut run, _, end) = running(&notebook, look(vec![miner(1, at_work)]));
    for_a_while(&mut run, Duration::from_mins(10)).await;
    let told = Instant::now();
    drop(end);
    run.await;
    assert_eq!(told.elapsed(), FAREWELL);
    assert!(!notebook.pages(|pages| pages.is_closed));
}

#[tokio::test(start_paused = true)]
async fn it_ends_while_no_broker_is_there() {
    let notebook = Notebook::default();
    notebook.pages(|pages| pages.refuse = usize::MAX);
    let (mut run, watch, end) = running(&notebook, Look::default());
    for_a_while(&mut run, Duration::from_hours(1)).await;
    assert!(watch.counts().failed > 60);
    drop(end);
    run.await;
    assert_eq!(notebook.topics(), [""; 0]);
}

#[test]
fn a_position_is_no_area_before_there_is_one() {
    let miner = miner(1, |_| ());
    let unplaced = record(&miner, |record| record.position = Position::default());
    let look = Look::new([Arc::new(miner.clone())].into(), vec![unplaced], POLL);
    let messages = round(&mut Publisher::new(&config(), "1"), &look);
    let config = said(&messages, &format!("homeassistant/device/bitlink_{}/config", miner.id));
    assert!(config["device"].get("suggested_area").is_none());
    assert_eq!(config["device"]["name"], "10.0.0.1");
}
