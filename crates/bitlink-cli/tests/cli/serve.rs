//! `bitlink serve` as a process: what it keeps, how it is told things, and how it ends.

use crate::support::{Place, Running, Simulation, run};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// A configuration for simulated miners, and the options that name it and its data.
fn configured(place: &Place, fleet: &Simulation, networks: &str, more: &str) -> String {
    write_configuration(place, fleet, networks, more);
    format!("serve --config {0}/bitlink.toml --data {0}/data --log-format json", place.path().display())
}

fn write_configuration(place: &Place, fleet: &Simulation, networks: &str, more: &str) {
    let port = fleet.port;
    let text = format!(
        "networks = [\"{networks}\"]\n[scan]\nports = [{port}]\n[monitor]\ninterval = \"1s\"\nport = {port}\n{more}"
    );
    std::fs::create_dir_all(place.path()).unwrap();
    std::fs::write(place.path().join("bitlink.toml"), text).unwrap();
}

fn list(place: &Place) -> Vec<Value> {
    let listed = run(&format!("fleet list --data {}/data --format json", place.path().display())).json();
    listed["miners"].as_array().unwrap().clone()
}

/// What the rules remember of machines, as it is kept.
fn remembered(place: &Place) -> Vec<String> {
    let reader = bitlink_miner_manager::store::Reader::open(&place.path().join("data")).unwrap();
    reader.items_under("judge/").unwrap().into_values().collect()
}

/// The next message with these words.
fn message(service: &mut Running, words: &str) -> Value {
    serde_json::from_str(&service.wait_for_err(&format!("\"message\":\"{words}\""))).unwrap()
}

/// Reads messages until a scan has found so many miners and as many have been read, in whatever order.
fn found_and_read(service: &mut Running, miners: usize) {
    let (mut found, mut read) = (None, 0);
    while found.is_none() || read < miners {
        let message: Value = serde_json::from_str(&service.wait_for_err("\"message\"")).unwrap();
        match message["message"].as_str().unwrap() {
            "looked for miners" => found = Some(message["found"].clone()),
            "status" => read += 1,
            _ => {}
        }
    }
    assert_eq!(found, Some(miners.into()));
}

#[test]
fn a_service_finds_watches_and_keeps_and_ends_in_good_order() {
    let place = Place::new("serve");
    let fleet = Simulation::start("127.91.70.0/24", "--miners 6 --mix antminer --sick 0");
    let options = configured(&place, &fleet, "127.91.70.0/28", "");
    let mut service = Running::start(&options);
    let started = message(&mut service, "started");
    assert_eq!((&started["level"], &started["known"]), (&"INFO".into(), &0.into()));
    let new = message(&mut service, "a new miner");
    assert!(new["address"].as_str().unwrap().starts_with("127.91.70."), "{new}");
    found_and_read(&mut service, 6);

    // Others may look at the data, and nobody else may change it.
    let second = run(&options).ended_with(1);
    assert!(second.err.contains("in use"), "{}", second.err);
    // What is new is kept within a second.
    while list(&place).len() < 6 {}
    let data = place.path().join("data").display().to_string();
    run(&format!("fleet move 127.91.70.1 --rack R7 --data {data}")).ended_with(0);
    assert_eq!(list(&place).iter().filter(|miner| miner["position"]["rack"] == "R7").count(), 1);
    let refused = run(&format!("fleet label 127.91.70.1 --add a;b --data {data}")).ended_with(1);
    assert!(refused.err.contains("semicolon"), "{}", refused.err);
    run(&format!("fleet forget 127.91.70.99 --data {data}")).ended_with(3);
    service.signal("TERM");
    let fleet_line = message(&mut service, "the fleet");
    assert_eq!((&fleet_line["miners"], &fleet_line["live"]), (&6.into(), &6.into()));
    message(&mut service, "stopped");
    service.end().ended_with(0);
    let known = list(&place);
    assert_eq!(known.len(), 6);
    let memories = remembered(&place);
    assert_eq!(memories.iter().filter(|memory| memory.contains("\"boards\":[[")).count(), 6, "{memories:?}");

    let mut again = Running::start(&options);
    assert_eq!(message(&mut again, "started")["known"], 6);
    again.signal("INT");
    again.end().ended_with(0);
    assert_eq!(
        list(&place).iter().map(|m| &m["id"]).collect::<Vec<_>>(),
        known.iter().map(|m| &m["id"]).collect::<Vec<_>>()
    );
    // Whoever was not heard again is remembered as before.
    assert_eq!(remembered(&place).len(), 6);
}

#[test]
fn a_service_reads_its_configuration_anew_and_a_wrong_one_changes_nothing() {
    let place = Place::new("reload");
    let fleet = Simulation::start("127.91.71.0/24", "--miners 4 --mix antminer --sick 0");
    let mut service = Running::start(&configured(&place, &fleet, "127.91.71.1-2", ""));
    found_and_read(&mut service, 2);
    write_configuration(&place, &fleet, "127.91.71.1-4", "intervall = \"1s\"\n");
    service.signal("HUP");
    let refused = message(&mut service, "the configuration is not changed");
    assert!(refused["error"].as_str().unwrap().contains("unknown field `intervall`"), "{refused}");
    write_configuration(&place, &fleet, "127.91.71.1-4", "[rules]\nhashrate_ratio = \"off\"\n");
    service.signal("HUP");
    message(&mut service, "other settings count");
    // Those that are watched already are not looked for.
    found_and_read(&mut service, 2);
    service.signal("TERM");
    assert_eq!(message(&mut service, "the fleet")["miners"], 4);
    service.end().ended_with(0);
}

#[test]
fn a_service_hears_of_miners_that_nobody_named_and_watches_them() {
    let place = Place::new("heard");
    let fleet = Simulation::start(
        "127.91.74.0/24",
        "--miners 2 --mix antminer --sick 0 --announce=127.91.75.1:14235 --announce-every 300ms \
         --announce-mcast 127.91.75.2:4028 --announce-mdns 127.91.75.2:5353",
    );
    let more = "[listen]\nenabled = true\naddress = \"127.91.75.1\"\nports = [14235]\n";
    let mut service = Running::start(&configured(&place, &fleet, "127.91.74.9", more));
    message(&mut service, "a miner shows itself");
    message(&mut service, "a new miner");
    message(&mut service, "a new miner");
    service.signal("TERM");
    service.end().ended_with(0);
    assert_eq!(list(&place).len(), 2);
}

#[test]
fn a_service_manager_is_told_how_it_goes() {
    let place = Place::new("notify");
    let fleet = Simulation::start("127.91.72.0/24", "--miners 1 --mix antminer --sick 0");
    let options = configured(&place, &fleet, "127.91.72.1", "");
    // The path of a socket must be short.
    let path = std::env::temp_dir().join(format!("bitlink-notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let told = |words: &str| {
        let mut buffer = [0; 1024];
        loop {
            let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{words}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|line| line.starts_with(words)) {
                return text;
            }
        }
    };
    let mut service = Running::start_with(
        &options,
        &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "600000")],
    );
    told("READY=1");
    assert!(told("WATCHDOG=1").contains("STATUS="));
    message(&mut service, "looked for miners");
    service.signal("HUP");
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    service.signal("TERM");
    told("STOPPING=1");
    service.end().ended_with(0);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_service_that_is_killed_has_kept_what_it_said() {
    let place = Place::new("killed");
    let fleet = Simulation::start("127.91.73.0/24", "--miners 30 --mix antminer --sick 0");
    let options = configured(&place, &fleet, "127.91.73.0/24", "");
    for round in 0..4 {
        let mut service = Running::start(&options);
        message(&mut service, if round % 2 == 0 { "a new miner" } else { "started" });
        service.signal("KILL");
        let _ = service.end();
        // Whatever was reached is whole.
        run(&format!("fleet list --data {}/data", place.path().display()));
        assert!(!run(&format!("fleet list --data {}/data", place.path().display())).err.contains("damaged"));
    }
    let mut service = Running::start(&options);
    message(&mut service, "looked for miners");
    service.signal("TERM");
    service.end().ended_with(0);
    assert_eq!(list(&place).len(), 30);
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let place = Place::new("config");
    std::fs::create_dir_all(place.path()).unwrap();
    let file = place.path().join("bitlink.toml").display().to_string();
    std::fs::write(&file, run("config example").ended_with(0).out).unwrap();
    let right = run(&format!("config check {file}")).ended_with(0);
    assert!(right.out.contains("is right: 253 addresses looked through every 15"), "{}", right.out);
    std::fs::write(&file, "[scan]\nevry = \"15min\"\n").unwrap();
    let wrong = run(&format!("config check {file}")).ended_with(2);
    assert!(wrong.err.contains("line 2") && wrong.err.contains("unknown field `evry`"), "{}", wrong.err);
    assert!(run("config unit").ended_with(0).out.contains("ExecStart="));
    let nothing = run(&format!("serve --config {}/none.toml", place.path().display())).ended_with(2);
    assert!(nothing.err.contains("cannot be read"), "{}", nothing.err);
}

#[test]
fn people_are_told_once_of_all_miners_that_are_gone_and_again_when_they_are_back() {
    use std::io::{BufRead, BufReader};
    let place = Place::new("alerts");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = listener.local_addr().unwrap();
    let (told, messages) = std::sync::mpsc::channel::<(String, Value)>();
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) < 3 {
                    break;
                }
                if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            // The first is refused: it comes again.
            let answer = if number == 0 { "503 Busy\r\nRetry-After: 1" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if number > 0 && told.send((head, serde_json::from_slice(&body).unwrap())).is_err() {
                break;
            }
        }
    });
    let fleet = Simulation::start("127.91.76.0/24", "--miners 4 --mix antminer --sick 0");
    let more = format!(
        "[rules]\ndead_after = \"2s\"\ndead_after_failures = 2\n\
         [alerts]\ngroup_wait = \"3s\"\ngroup_interval = \"10s\"\nshipped = false\n\
         [[alerts.rule]]\nname = \"offline\"\nwhen = {{ status = [\"dead\"] }}\nseverity = \"critical\"\n\
         [[alerts.channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"http://{hook}/hook\"\nsecret = \"key\"\n"
    );
    let options = configured(&place, &fleet, "127.91.76.1-4", &more);
    let mut service = Running::start(&options);
    found_and_read(&mut service, 4);
    drop(fleet);
    let next = || messages.recv_timeout(Duration::from_mins(1)).unwrap();
    let (head, first) = next();
    assert!(head.to_ascii_lowercase().contains("x-bitlink-signature: sha256="), "{head}");
    assert_eq!(first["notification"]["firing"], 4, "{first}");
    assert_eq!(first["headline"], "[CRITICAL] 4 miners offline");
    message(&mut service, "people were told");
    let alert = first["notification"]["alert"].as_str().unwrap();
    let data = place.path().join("data").display().to_string();
    run(&format!("alerts ack {alert} --data {data}")).ended_with(0);
    run(&format!("alerts ack nonesuch --data {data}")).ended_with(1);
    // Killed and started again, it does not say it twice.
    service.signal("KILL");
    let _ = service.end();
    let mut again = Running::start(&options);
    message(&mut again, "looked for miners");
    let config = place.path().join("bitlink.toml").display().to_string();
    let listed =
        run(&format!("alerts list --config {config} --data {data} --format json")).ended_with(0).json();
    assert_eq!(
        (&listed["alerts"][0]["firing"], &listed["alerts"][0]["quiet"]),
        (&4.into(), &4.into()),
        "{listed}"
    );
    assert!(messages.try_recv().is_err());
    let tested = run(&format!("alerts test --config {config}")).ended_with(0);
    assert!(tested.out.contains("ops"), "{}", tested.out);
    assert_eq!(next().1["notification"]["kind"], "test");
    again.signal("TERM");
    again.end().ended_with(0);
}

/// What a server here answers to a question.
fn ask(at: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_service_shows_metrics_where_it_is_told_to_and_nowhere_else() {
    let place = Place::new("metrics");
    let fleet = Simulation::start("127.91.79.0/24", "--miners 3 --mix antminer --sick 0");
    let options = configured(&place, &fleet, "127.91.79.1-3", "[http]\ncockpit = false\n");
    let refused = run(&format!("{options} --listen 0.0.0.0:0")).ended_with(2);
    assert!(refused.err.contains("there is no token"), "{}", refused.err);
    let mut service = Running::start(&format!("{options} --listen 127.0.0.1:0"));
    let shown = message(&mut service, "metrics are shown");
    let at = shown["address"].as_str().unwrap();
    found_and_read(&mut service, 3);
    let own = ask(at, "/metrics");
    assert!(own.contains("\nbitlink_devices_live 3\n"), "{own}");
    let devices = ask(at, "/metrics/devices?shard=0/1&level=device");
    assert_eq!(
        devices.matches("\nasic_hashrate_hashes_per_second{").count() + devices.matches("\nasic_up{").count(),
        6,
        "{devices}"
    );
    assert!(ask(at, "/sd").contains("/metrics/devices"));
    assert!(ask(at, "/healthz").ends_with("alive\n"));
    service.signal("TERM");
    service.end().ended_with(0);
    assert!(TcpStream::connect(at).is_err(), "it is shut");
}

#[test]
fn a_service_whose_broker_is_away_watches_all_the_same_and_says_so_once() {
    let place = Place::new("mqtt-away");
    let fleet = Simulation::start("127.91.80.0/24", "--miners 2 --mix antminer --sick 0");
    // Nobody listens there.
    let more = "[mqtt]\nbroker = \"mqtt://127.91.80.250:1\"\n";
    let options = configured(&place, &fleet, "127.91.80.1-2", more);
    let at = "127.91.80.251:4080";
    let service = Running::start(&format!("{options} --listen {at}"));
    while TcpStream::connect(at).is_err() {}
    while !ask(at, "/metrics").contains("\nbitlink_mqtt_connections_total{result=\"failed\"} 2\n") {}
    let own = ask(at, "/metrics");
    assert!(own.contains("\nbitlink_mqtt_connected 0\n") && own.contains("\nbitlink_data_kept 1\n"), "{own}");
    while !ask(at, "/metrics").contains("\nbitlink_devices_live 2\n") {}
    service.signal("TERM");
    let ended = service.end().ended_with(0);
    assert_eq!(
        ended.err.matches("the MQTT broker is not connected; it is tried again").count(),
        1,
        "{}",
        ended.err
    );
    assert!(ended.err.contains("Connection refused"), "with its reason: {}", ended.err);
    std::fs::write(place.path().join("bitlink.toml"), "[mqtt]\nbroker = \"mqtts://broker\"\n").unwrap();
    let refused = run(&format!("config check {}/bitlink.toml", place.path().display())).ended_with(2);
    assert!(refused.err.contains("TLS (mqtts://) is not spoken"), "{}", refused.err);
}

#[test]
fn a_demonstration_is_ready_at_once_shows_all_of_it_and_leaves_nothing_behind() {
    for (wrong, why) in [("--interval 5s", "--demo"), ("--demo 20 --interval 0s", "from 1s to 1h")] {
        let refused = run(&format!("serve {wrong}")).ended_with(2);
        assert!(refused.err.contains(why), "{}", refused.err);
    }
    let place = Place::new("serve-demo");
    std::fs::create_dir_all(place.path()).unwrap();
    let temporary = place.path().display().to_string();
    let mut service = Running::start_with(
        "serve --demo 20 --interval 2s --listen 127.0.0.1:0",
        &[("TMPDIR", temporary.as_str())],
    );
    let line = service.wait_for("http://");
    let at = line.trim_end().trim_end_matches('/').rsplit_once("http://").unwrap().1.to_owned();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&at).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/healthz").contains("alive"));
    assert!(ask("/metrics").contains("bitlink_"));
    assert!(ask("/api/v1/session").contains("\"demo\":true"));
    assert!(ask("/api/v1/overview").contains("\"miners\":20"));
    let history = ask("/api/v1/history?of=fleet&metric=hashrate&from=-86400000");
    assert!(history.matches("],[").count() > 300, "a day lies behind it: {history}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    service.signal("TERM");
    service.end().ended_with(0);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "its data is gone");
}
