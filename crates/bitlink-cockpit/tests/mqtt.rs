//! Publishing to a real mosquitto on the loopback network, as others hear it. Where mosquitto is not installed nothing is tested, which is
//! said.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)] // a test stops where it fails

use bitlink_cockpit::mqtt::broker::Broker;
use bitlink_cockpit::mqtt::{Look, MqttConfig, MqttCounts, MqttWatch, Publishing};
use bitlink_model::{
    HashRate, Identity, Miner, MinerId, MinerRecord, MinerSnapshot, MinerStatus, Secret, Timestamp,
};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);

/// A broker that ends with the test, and what it was started with.
struct Mosquitto {
    child: Child,
    port: u16,
    dir: PathBuf,
}

/// Where Debian puts it, which not every path has.
fn program() -> Option<&'static str> {
    let starts = |program: &&str| {
        let words =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        words.is_ok()
    };
    ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find(starts)
}

impl Mosquitto {
    /// `None` where there is none, which is said.
    fn start(name: &str, more: &str) -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("SKIPPED: mosquitto is not installed; `apt-get install mosquitto` lets this be tested");
            return None;
        };
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mqtt-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        // Between the look for a free port and its use somebody else may take it.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            if let Some(child) = Self::launch(program, &dir, port, more) {
                return Some(Self { child, port, dir });
            }
        }
        panic!("mosquitto does not start with {}", dir.display());
    }

    fn launch(program: &str, dir: &Path, port: u16, more: &str) -> Option<Child> {
        let more = more.replace("DIR", &dir.to_string_lossy());
        // As root it would become somebody who may not read what is here.
        let config = format!("user root\nlistener {port} 127.0.0.1\npersistence false\n{more}\n");
        let file = dir.join("mosquitto.conf");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut child =
            Command::new(program).arg("-c").arg(file).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Some(child);
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("mosquitto does not listen");
    }

    fn config(&self) -> MqttConfig {
        let config = MqttConfig::new(&format!("mqtt://127.0.0.1:{}", self.port)).unwrap();
        config.with_interval(Duration::from_secs(1))
    }

    /// Somebody who listens to everything, and is told first what is retained.
    async fn listener(&self) -> Listener {
        let mut options = MqttOptions::new("listener", "127.0.0.1", self.port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, events) = AsyncClient::new(options, 8);
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        Listener { _client: client, events, known: BTreeMap::new() }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

struct Listener {
    _client: AsyncClient,
    events: EventLoop,
    known: BTreeMap<String, String>,
}

impl Listener {
    /// Listens on until what is known by then is enough. What is empty is known no more.
    async fn until(&mut self, what: &str, enough: impl Fn(&BTreeMap<String, String>) -> bool) {
        let listen = async {
            while !enough(&self.known) {
                if let Event::Incoming(Packet::Publish(message)) = self.events.poll().await.unwrap() {
                    let text = String::from_utf8(message.payload.to_vec()).unwrap();
                    if text.is_empty() {
                        self.known.remove(&message.topic);
                    } else {
                        self.known.insert(message.topic, text);
                    }
                }
            }
        };
        assert!(timeout(PATIENCE, listen).await.is_ok(), "{what} was never heard");
    }

    fn json(&self, topic: &str) -> Value {
        serde_json::from_str(self.known.get(topic).unwrap()).unwrap()
    }
}

fn miner(last: u8, ths: f64) -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity.serial = Some(format!("serial-{last}").into());
    snapshot.observed_at = Some(Timestamp::from_unix_millis(1_700_000_000_000));
    snapshot.hashrate.average = HashRate::from_ths(ths).ok();
    Miner::from_snapshot([127, 0, 0, last].into(), 4028, MinerStatus::Active, snapshot)
}

fn known(miners: Vec<Miner>, forgotten: &[MinerId]) -> Look {
    let records = miners.iter().map(|miner| {
        let at = miner.last_updated.unwrap();
        let mut record = MinerRecord::new(miner.id, Identity::default(), (miner.ip, miner.port).into(), at);
        record.forgotten = forgotten.contains(&miner.id).then_some(at);
        Arc::new(record)
    });
    let records = records.collect();
    let watched = miners.into_iter().filter(|miner| !forgotten.contains(&miner.id)).map(Arc::new).collect();
    Look::new(watched, records, Duration::from_secs(10))
}

/// Publishing that runs, and what it looks at.
struct Told {
    look: Arc<Mutex<Look>>,
    watch: MqttWatch,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Told {
    fn start(config: &MqttConfig, look: Look) -> Self {
        let look = Arc::new(Mutex::new(look));
        let publishing = Publishing::new(config, Broker::new(config), "1.2.3");
        let watch = publishing.watch();
        let (end, ended) = oneshot::channel::<()>();
        let looked_at = Arc::clone(&look);
        let until = async move { drop(ended.await) };
        let task = tokio::spawn(publishing.run(move || looked_at.lock().unwrap().clone(), until));
        Self { look, watch, end, task }
    }

    fn shows(&self, look: Look) {
        *self.look.lock().unwrap() = look;
    }

    async fn counted(&self, enough: impl Fn(&MqttCounts) -> bool) {
        let count = async {
            while !enough(&self.watch.counts()) {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(PATIENCE, count).await.is_ok(), "{:?}", self.watch.counts());
    }

    async fn end(self) {
        drop(self.end);
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_comes_later_hears_what_there_is_and_nothing_of_what_was_taken_away() {
    let Some(mosquitto) = Mosquitto::start("retained", "allow_anonymous true") else { return };
    let (kept, gone) = (miner(1, 95.5), miner(2, 110.0));
    let (id, lost) = (kept.id, gone.id);
    let told = Told::start(&mosquitto.config(), known(vec![kept.clone(), gone.clone()], &[]));
    let mut early = mosquitto.listener().await;
    let state = |id: MinerId| format!("bitlink/miner/{id}/state");
    early
        .until("both miners", |known| known.contains_key(&state(id)) && known.contains_key(&state(lost)))
        .await;
    assert_eq!(early.json(&state(id))["hashrate_ths"], 95.5);
    assert_eq!(early.known["bitlink/status"], "online");
    let device = early.json(&format!("homeassistant/device/bitlink_{id}/config"));
    assert_eq!(device["origin"]["sw_version"], "1.2.3");
    assert_eq!(early.json("bitlink/fleet/state")["hashrate_ths"], 205.5);

    told.shows(known(vec![kept, gone], &[lost]));
    early.until("one miner gone", |known| !known.keys().any(|topic| topic.contains(&lost.to_string()))).await;
    let mut late = mosquitto.listener().await;
    late.until("the fleet", |known| {
        known.contains_key("bitlink/fleet/state") && known.contains_key(&state(id))
    })
    .await;
    assert!(!late.known.keys().any(|topic| topic.contains(&lost.to_string())), "{:?}", late.known);
    told.end().await;
    late.until("the farewell", |known| known["bitlink/status"] == "offline").await;
}

#[tokio::test]
async fn a_broker_says_for_us_that_we_are_gone_when_we_cannot() {
    let Some(mosquitto) = Mosquitto::start("will", "allow_anonymous true") else { return };
    let told = Told::start(&mosquitto.config(), known(vec![miner(1, 95.5)], &[]));
    let mut listener = mosquitto.listener().await;
    let is = |words: &'static str| {
        move |known: &BTreeMap<String, String>| known.get("bitlink/status").is_some_and(|text| text == words)
    };
    listener.until("the greeting", is("online")).await;
    told.task.abort();
    listener.until("the will", is("offline")).await;
    // And comes again by the same name.
    let again = Told::start(&mosquitto.config(), Look::default());
    listener.until("the greeting", is("online")).await;
    again.end().await;
    listener.until("the farewell", is("offline")).await;
}

#[tokio::test]
async fn a_broker_that_wants_a_login_gets_it_and_one_that_is_wrong_is_tried_again() {
    let more = "allow_anonymous false\npassword_file DIR/passwords";
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mqtt-words-{}", std::process::id()));
    let _ = std::fs::create_dir_all(&dir);
    let passwords = dir.join("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["farm", "hunter2"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: mosquitto_passwd is not installed; `apt-get install mosquitto` lets this be tested"
        );
        return;
    }
    let more = more.replace("DIR", &dir.to_string_lossy());
    let Some(mosquitto) = Mosquitto::start("login", &more) else { return };
    let login =
        |password: &str| mosquitto.config().with_login(Some("farm".to_owned()), Secret::new(password));
    let right = Told::start(&login("hunter2"), Look::default());
    right.counted(|counts| counts.rounds > 0 && counts.is_connected).await;
    right.end().await;
    let wrong = Told::start(&login("hunter3"), Look::default());
    wrong.counted(|counts| counts.failed > 1).await;
    assert_eq!(wrong.watch.counts().accepted, 0);
    wrong.end().await;
    let nobody = Told::start(&mosquitto.config(), Look::default());
    nobody.counted(|counts| counts.failed > 0).await;
    nobody.end().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn a_thousand_miners_are_told_in_one_round_and_a_broker_keeps_them_all() {
    // Whoever comes later is sent three times as many messages at once.
    let Some(mosquitto) = Mosquitto::start("thousand", "allow_anonymous true\nmax_queued_messages 0") else {
        return;
    };
    let miners = (1..=1_000_u16).map(|n| {
        let mut snapshot = MinerSnapshot::default();
        snapshot.identity.serial = Some(format!("serial-{n}").into());
        snapshot.observed_at = Some(Timestamp::from_unix_millis(1_700_000_000_000));
        snapshot.hashrate.average = HashRate::from_ths(100.0).ok();
        let [high, low] = n.to_be_bytes();
        Miner::from_snapshot([127, 1, high, low].into(), 4028, MinerStatus::Active, snapshot)
    });
    let config = mosquitto.config().with_interval(Duration::from_hours(1));
    let told = Told::start(&config, known(miners.collect(), &[]));
    told.counted(|counts| counts.rounds == 1).await;
    let counts = told.watch.counts();
    assert_eq!((counts.discovery, counts.availability, counts.state), (1_001, 1_001, 1_001), "{counts:?}");
    eprintln!("a thousand miners in {:?}", counts.took);
    let mut late = mosquitto.listener().await;
    late.until("every miner", |known| {
        let states =
            known.keys().filter(|topic| topic.starts_with("bitlink/miner/") && topic.ends_with("/state"));
        known.len() == 3_003 && states.count() == 1_000
    })
    .await;
    assert_eq!(late.json("bitlink/fleet/state")["hashrate_ths"], 100_000.0);
    told.end().await;
}
