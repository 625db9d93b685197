//! `bitlink control`, `audit`, `pools` and `credentials` over real sockets: what is sent, what is not, and what is written down.

use crate::support::{Place, Ran, Running, Simulation, bitlink};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A farm on the loopback, and where its plans are kept.
struct Farm {
    place: Place,
    simulation: Simulation,
    net: &'static str,
}

/// In the environment of whoever keeps passwords.
const PASSPHRASE: (&str, &str) = ("BITLINK_PASSPHRASE", "correct horse battery");

impl Farm {
    fn new(name: &str, net: &'static str, options: &str) -> Self {
        Self::of("antminer", name, net, options)
    }

    /// Of other makes.
    fn of(mix: &str, name: &str, net: &'static str, options: &str) -> Self {
        let place = Place::new(&format!("control-{name}"));
        let simulation = Simulation::start_with_web(net, &format!("--sick 0 --mix {mix} {options}"));
        Self { place, simulation, net }
    }

    /// How the machines and the data are reached.
    fn reach(&self) -> String {
        let (port, http) = (self.simulation.port, self.simulation.http_port());
        format!("--port {port} --http-port {http} --data {}", self.place.path().display())
    }

    /// `bitlink control VERB NET`, with a network that is not known to the shell.
    fn control(&self, verb: &str, options: &str) -> Ran {
        self.bitlink(&format!("control {verb} {} {} {options}", self.net, self.reach()), &[])
    }

    fn bitlink(&self, args: &str, environment: &[(&str, &str)]) -> Ran {
        let mut command = bitlink(args);
        command.env("BITLINK_DATA", self.place.path()).envs(environment.iter().copied());
        command.output().unwrap().into()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::create_dir_all(self.place.path()).unwrap();
        let path = self.place.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn states(&self) -> Vec<String> {
        let scan = format!(
            "scan {} --port {} --http-port {} --format json",
            self.net,
            self.simulation.port,
            self.simulation.http_port()
        );
        let found = self.bitlink(&scan, &[]).ended_with(0).json();
        let state = |miner: &Value| miner["snapshot"]["mining_state"].as_str().unwrap_or("-").to_owned();
        found["miners"].as_array().unwrap().iter().map(state).collect()
    }

    /// What is written down of a plan, line after line.
    fn journal(&self, plan: &str) -> Vec<Value> {
        let text =
            fs::read_to_string(self.place.path().join("plans").join(format!("{plan}.ndjson"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All that is kept, in one text.
    fn kept(&self) -> String {
        fn walk(dir: &Path, text: &mut String) {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    walk(&entry.path(), text);
                } else {
                    text.push_str(&String::from_utf8_lossy(&fs::read(entry.path()).unwrap()));
                }
            }
        }
        let mut text = String::new();
        walk(self.place.path(), &mut text);
        text
    }
}

/// How many targets came to what.
fn outcomes(document: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for outcome in document["outcomes"].as_array().unwrap() {
        *counts.entry(outcome["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn all(word: &str, count: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(word.to_owned(), count)])
}

#[test]
fn a_farm_is_paused_and_it_is_written_down() {
    let farm = Farm::new("pause", "127.92.50.0/24", "--miners 9 --seed 3");
    let plan = farm.control("pause", "--dry-run --format json").ended_with(0).json();
    assert_eq!(plan["targets"].as_array().unwrap().len(), 9);
    assert_eq!(plan["batches"][0]["canary"], true);
    assert!(plan["power_w"].as_f64().unwrap() > 9_000.0, "{}", plan["power_w"]);
    assert!(!farm.place.path().exists(), "looking makes nothing");
    let refused = farm.control("pause", "").ended_with(2);
    assert!(
        refused.err.contains("nothing is sent unasked") && refused.err.contains("--yes"),
        "{}",
        refused.err
    );
    let refused = farm.control("pause", "--yes --max-miners 8").ended_with(2);
    assert!(refused.err.contains("9 miners are more than the 8"), "{}", refused.err);
    assert_eq!(farm.states(), ["mining"; 9]);

    let done = farm.control("pause", "--yes --format json").ended_with(0).json();
    assert_eq!(outcomes(&done), all("verified", 9));
    assert_eq!(farm.states(), ["stopped"; 9]);
    let id = done["plan"]["id"].as_str().unwrap();

    let plans = farm.bitlink("control list --format json", &[]).ended_with(0).json();
    assert_eq!((&plans["plans"][0]["plan"], &plans["plans"][0]["open"]), (&id.into(), &0.into()));
    let shown = farm.bitlink(&format!("audit show --plan {id} --format ndjson"), &[]).ended_with(0).lines();
    // It begins, nine commands, nine outcomes, it ends.
    assert_eq!(shown.len(), 20);
    let sound = farm.bitlink("audit verify", &[]).ended_with(0);
    assert!(sound.out.contains("20 lines, none changed"), "{}", sound.out);

    let log = farm.place.path().join("audit.ndjson");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("verified", "applied", 1)).unwrap();
    let changed = farm.bitlink("audit verify", &[]).ended_with(1);
    assert!(changed.out.contains("was changed"), "{}", changed.out);
}

#[test]
fn killed_again_and_again_and_taken_up_again_it_repeats_no_command() {
    let farm = Farm::new("killed", "127.92.51.0/24", "--miners 12 --seed 4");
    let way = "--yes --format ndjson --batch 2 --pause 10ms --canary 1 --prove-within 3s --max-failures 99";
    let mut words = format!("control pause {} {} {way}", farm.net, farm.reach());
    let mut plan = String::new();
    for wanted in ["checking", "sending", "proving", "\"outcome\"", "\"step\"", "sending", "sending"] {
        let mut run = Running::start(&words);
        if plan.is_empty() {
            let started: Value = serde_json::from_str(&run.wait_for("started")).unwrap();
            plan = started["plan"].as_str().unwrap().to_owned();
            words = format!("control resume {plan} {} --yes --format ndjson", farm.reach());
        }
        run.wait_for(wanted);
        run.signal("KILL");
        run.end();
    }
    let list = farm.bitlink("control list --format json", &[]).ended_with(0).json();
    assert_eq!(list["plans"][0]["running"], false);
    assert!(list["plans"][0]["open"].as_u64().unwrap() > 0, "{list}");

    let document =
        farm.bitlink(&format!("control resume {plan} {} --yes --format json", farm.reach()), &[]).json();
    let mut sent = BTreeMap::<u64, usize>::new();
    let journal = farm.journal(&plan);
    for record in journal.iter().filter(|record| record["record"] == "intent") {
        *sent.entry(record["target"].as_u64().unwrap()).or_default() += 1;
    }
    assert_eq!(sent.len(), 12, "every machine had its turn: {sent:?}");
    assert!(sent.values().all(|times| *times == 1), "commanded twice: {sent:?}");
    let counts = outcomes(&document);
    let (verified, unknown) = (counts["verified"], counts.get("unknown").copied().unwrap_or(0));
    assert_eq!(verified + unknown, 12, "{counts:?}");
    let doubted = document["outcomes"].as_array().unwrap().iter().filter(|o| o["outcome"] == "unknown");
    assert!(doubted.clone().all(|o| o["doubt"] == "interrupted"), "{:?}", doubted.collect::<Vec<_>>());
    let asleep = farm.states().iter().filter(|state| *state == "stopped").count();
    assert!(asleep >= verified, "{asleep} of {verified} stand still");
    farm.bitlink("audit verify", &[]).ended_with(0);
}

#[test]
fn stopped_in_good_order_it_says_how_to_go_on() {
    let farm = Farm::new("stopped", "127.92.52.0/24", "--miners 6 --seed 4");
    let way = "--yes --batch 1 --pause 100s --canary 0";
    let mut run =
        Running::start(&format!("control locate on {} {} {way} --format ndjson", farm.net, farm.reach()));
    run.wait_for("\"outcome\"");
    // Another program wants the same machines meanwhile.
    let other = farm.control("locate off", "--yes --format json").ended_with(1).json();
    assert_eq!(outcomes(&other), all("not_attempted", 6));
    assert!(other["outcomes"].as_array().unwrap().iter().all(|o| o["because"] == "claimed"), "{other}");
    run.signal("INT");
    let ended = run.end().ended_with(130);
    let complete = ended.lines().pop().unwrap();
    assert_eq!(
        (&complete["counts"]["not_attempted"], &complete["stopped"]["stop"]),
        (&5.into(), &"cancelled".into())
    );
    let resumed = farm.bitlink(
        &format!("control resume {} {} --yes --dry-run", complete["plan"].as_str().unwrap(), farm.reach()),
        &[],
    );
    assert!(resumed.err.contains("5 were not reached"), "{}", resumed.err);
}

#[test]
fn pools_are_set_by_template_read_back_and_guarded() {
    let farm = Farm::new("pools", "127.92.53.0/24", "--miners 5 --seed 6");
    let pools = farm.file(
        "pools.toml",
        "[[pool]]\nurl = \"stratum+tcp://ours.example:3333\"\nuser = \"farm.{ip_4}\"\npassword = \"letmein-7\"\n",
    );
    let allow = farm.file("allow.toml", "[[allow]]\npool = \"*.example:3333\"\nusers = [\"farm.*\"]\n");
    let check = format!("pools check {} --allow {allow} {} --format json", farm.net, farm.reach());
    let before = farm.bitlink(&check, &[]).ended_with(1).json();
    assert_eq!(before["miners"].as_array().unwrap().len(), 5, "{before}");

    let done = farm.control(&format!("pools set {pools}"), "--yes --format json").ended_with(0);
    assert_eq!(outcomes(&done.json()), all("verified", 5));
    farm.bitlink(&check, &[]).ended_with(0);
    let miner = format!(
        "get 127.92.53.3:{} --http-port {} --format json",
        farm.simulation.port,
        farm.simulation.http_port()
    );
    let pool = farm.bitlink(&miner, &[]).ended_with(0).json()["snapshot"]["pools"][0].clone();
    assert_eq!((&pool["url"], &pool["user"]), (&"stratum+tcp://ours.example:3333".into(), &"farm.3".into()));

    let id = done.json()["plan"]["id"].as_str().unwrap().to_owned();
    let undone = farm.bitlink(&format!("control undo {id} --yes --format json {}", farm.reach()), &[]);
    let undone = undone.ended_with(0).json();
    assert_eq!((outcomes(&undone), &undone["plan"]["undoes"]), (all("verified", 5), &id.into()));
    let pool = farm.bitlink(&miner, &[]).ended_with(0).json()["snapshot"]["pools"][0].clone();
    assert_ne!(pool["url"], "stratum+tcp://ours.example:3333");

    fs::remove_file(&pools).unwrap();
    let kept = format!("{}{}{}", farm.kept(), done.out, done.err);
    assert!(kept.contains("ours.example") && !kept.contains("letmein"), "a password was written down");
}

#[test]
fn makes_with_a_web_server_of_their_own_get_their_pools() {
    let mix = "goldshell,innosilicon,ipollo,futurebit";
    let farm = Farm::of(mix, "own-web", "127.92.58.0/24", "--miners 8 --seed 6");
    let pools = farm.file(
        "pools.toml",
        "[[pool]]\nurl = \"stratum+tcp://ours.example:3333\"\nuser = \"farm.{ip_4}\"\npassword = \"x\"\n",
    );
    let done = farm.control(&format!("pools set {pools}"), "--yes --format json").ended_with(0).json();
    assert_eq!(outcomes(&done), all("verified", 8), "{done}");
}

#[test]
fn a_light_of_an_antminer_is_read_back_and_that_of_a_volcminer_cannot_be() {
    for (make, net, outcome) in
        [("antminer", "127.92.59.0/24", "verified"), ("volcminer-web", "127.92.60.0/24", "applied")]
    {
        let farm = Farm::of(make, &format!("light-{make}"), net, "--miners 2 --seed 6");
        let done = farm.control("locate on", "--yes --format json").ended_with(0).json();
        assert_eq!(outcomes(&done), all(outcome, 2), "{done}");
    }
}

#[test]
fn passwords_are_kept_sealed_and_used() {
    let farm = Farm::new("vault", "127.92.54.0/24", "--miners 2 --seed 6 --password harvest-77");
    let denied = farm.control("locate on", "--yes").ended_with(4);
    assert!(denied.err.contains("access denied") || denied.out.contains("access denied"), "{denied:#?}");

    let new = [PASSPHRASE, ("BITLINK_NEW_PASSWORD", "harvest-77")];
    farm.bitlink("credentials set family:antminer --user root", &new).ended_with(0);
    let listed = farm.bitlink("credentials list", &[PASSPHRASE]).ended_with(0).out;
    assert!(
        listed.contains("family:antminer") && listed.contains("root") && !listed.contains("harvest"),
        "{listed}"
    );
    farm.bitlink("credentials list", &[("BITLINK_PASSPHRASE", "another")]).ended_with(4);
    let asked = farm.bitlink("credentials list", &[]).ended_with(2);
    assert!(asked.err.contains("BITLINK_PASSPHRASE"), "{}", asked.err);

    let words = format!("control pause {} {} --yes --format json", farm.net, farm.reach());
    let done = farm.bitlink(&words, &[PASSPHRASE]).ended_with(0);
    assert_eq!(outcomes(&done.json()), all("verified", 2));
    assert!(!farm.kept().contains("harvest") && !done.out.contains("harvest"));
    farm.bitlink("credentials remove family:antminer", &[PASSPHRASE]).ended_with(0);
    farm.bitlink("credentials remove family:antminer", &[PASSPHRASE]).ended_with(3);
}

#[test]
fn who_says_yes_and_does_nothing_is_found_out_and_stops_the_plan() {
    let farm = Farm::new("idle", "127.92.55.0/24", "--miners 8 --seed 6 --disobedient 1 --disobey idle");
    let done = farm.control("pause", "--yes --format json --prove-within 2s").ended_with(1).json();
    assert_eq!(
        outcomes(&done),
        BTreeMap::from([("refused".to_owned(), 3), ("not_attempted".to_owned(), 5)]),
        "the first three were found out, and nobody else was touched"
    );
    assert_eq!(done["outcomes"][0]["by"], "no_effect");
    assert_eq!(done["result"]["stopped"]["stop"], "canary_failed");
}

#[test]
fn an_answer_that_is_lost_is_read_back() {
    let farm =
        Farm::new("lost", "127.92.56.0/24", "--miners 4 --seed 6 --disobedient 1 --disobey reply-lost");
    let done = farm
        .control("pause", "--yes --format json --prove-within 10s --answer-timeout 1s")
        .ended_with(0)
        .json();
    assert_eq!(outcomes(&done), all("verified", 4));
    assert_eq!(farm.states(), ["stopped"; 4]);
}
