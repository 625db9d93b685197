//! MQTT against the real thing: a service tells mosquitto of simulated miners, and `mosquitto_sub` says what has arrived.

#![allow(clippy::indexing_slicing, reason = "what a document does not have is null")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::dist::{self, Profile};
use crate::farm::{self, Lines, Miners, Place, Running, Service};
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The network of this check.
const NET: u8 = 2;
const MINERS: u8 = 12;

/// The step; `required` makes what would be skipped a failure.
pub(crate) fn step(required: bool) -> Step {
    Step::new("mqtt", move |workspace| match mqtt(workspace)? {
        Outcome::Skipped(reason) if required => bail!("{reason}"),
        outcome => Ok(outcome),
    })
}

/// Where Debian puts the broker, which not every path has.
const BROKERS: [&str; 2] = ["mosquitto", "/usr/sbin/mosquitto"];

fn mqtt(workspace: &Workspace) -> Result<Outcome> {
    let Some(broker) = BROKERS.into_iter().find(|broker| farm::has(broker)) else {
        return Ok(Outcome::not_installed("mosquitto", "apt-get install mosquitto"));
    };
    if !farm::has("mosquitto_sub") {
        return Ok(Outcome::not_installed("mosquitto_sub", "apt-get install mosquitto-clients"));
    }
    let bitlink = dist::build_bitlink(workspace, Profile::Dev)?;
    let place = Place::new("mqtt")?;
    let ip = farm::server(NET);
    let port = farm::free_port(ip)?;
    let config = format!("listener {port} {ip}\nallow_anonymous true\npersistence false\n");
    let config = place.write("mosquitto.conf", &config)?;
    let start = || Running::start(Command::new(broker).arg("-c").arg(&config).stderr(Stdio::null()));
    let mut mosquitto = start()?;
    let listens =
        || farm::until(|| std::net::TcpStream::connect((ip, port)).ok()).context("mosquitto does not listen");
    listens()?;

    let miners = Miners::start(&bitlink, NET, MINERS)?;
    let more = format!("[mqtt]\nbroker = \"mqtt://{ip}:{port}\"\ninterval = \"1s\"\n");
    let mut service = Service::start(&bitlink, &place, &miners, ip, &more)?;
    service.wait_for_live(MINERS)?;
    let mut heard = Heard::start(&ip.to_string(), port)?;
    let all = usize::from(MINERS);
    heard.wait("every miner and the fleet", |known| {
        let fleet =
            known.get("bitlink/fleet/state").and_then(|text| serde_json::from_str::<Value>(text).ok());
        fleet.is_some_and(|fleet| fleet["miners_live"] == all)
            && count(known, "homeassistant/device/", "/config") == all + 1
            && known.iter().filter(|(topic, text)| is_at_work(topic, text)).count() == all
            && known
                .iter()
                .filter(|(topic, text)| topic.ends_with("/availability") && *text == "online")
                .count()
                == all
    })?;

    // Another broker in the place of the first, which remembers nothing: everything is said anew.
    mosquitto.kill();
    drop(heard);
    let _again = start()?;
    listens()?;
    let mut heard = Heard::start(&ip.to_string(), port)?;
    heard.wait("every miner after a restart of the broker", |known| {
        count(known, "homeassistant/device/", "/config") == all + 1
            && known.get("bitlink/status").is_some_and(|text| text == "online")
    })?;

    // The program is killed: the broker says so for it.
    service.running.kill();
    heard.wait("the last will", |known| known.get("bitlink/status").is_some_and(|text| text == "offline"))?;
    Ok(Outcome::Passed)
}

fn count(known: &BTreeMap<String, String>, begins: &str, ends: &str) -> usize {
    known.keys().filter(|topic| topic.starts_with(begins) && topic.ends_with(ends)).count()
}

/// Whether this is the state of a miner that is well.
fn is_at_work(topic: &str, text: &str) -> bool {
    let Ok(state) = serde_json::from_str::<Value>(text) else { return false };
    topic.starts_with("bitlink/miner/")
        && topic.ends_with("/state")
        && state["status"] == "active"
        && state["hashrate_ths"].as_f64().is_some_and(|rate| rate > 1.0)
}

/// What somebody hears who listens to everything.
struct Heard {
    lines: Lines,
    known: BTreeMap<String, String>,
    _subscriber: Running,
}

impl Heard {
    fn start(host: &str, port: u16) -> Result<Self> {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", host, "-p", &port.to_string(), "-t", "#", "-F", "%t %p"]);
        let mut subscriber = Running::start(command.stdout(Stdio::piped()))?;
        let lines = Lines::of(subscriber.output()?);
        Ok(Self { lines, known: BTreeMap::new(), _subscriber: subscriber })
    }

    /// Listens on until what is known by then is enough.
    fn wait(&mut self, what: &str, enough: impl Fn(&BTreeMap<String, String>) -> bool) -> Result<()> {
        let known = &mut self.known;
        self.lines.wait(what, |line| {
            let (topic, text) = line.split_once(' ').unwrap_or((line, ""));
            known.insert(topic.to_owned(), text.to_owned());
            enough(known).then_some(())
        })?;
        println!("heard: {what} ({} topics)", self.known.len());
        Ok(())
    }
}
