//! The example is right and says what counts anyway; what is wrong is named with its place.
use super::*;

fn loaded(text: &str) -> Loaded {
    Loaded { file: None, settings: toml::from_str(text).unwrap(), said: serde_json::Value::Null }
}

fn refused(text: &str) -> String {
    match toml::from_str::<Settings>(text) {
        Err(error) => error.to_string(),
        Ok(settings) => {
            Loaded { file: None, settings, said: serde_json::Value::Null }.plan().unwrap_err().to_string()
        }
    }
}

#[test]
fn the_example_shows_every_setting_as_it_is_without_it() {
    let example = loaded(EXAMPLE);
    assert_eq!(example.plan().unwrap().networks, 253);
    let set: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.starts_with('[') || setting.contains(" = ") => setting,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let set: Settings = toml::from_str(&set).unwrap();
    let usual = Settings::default();
    assert_eq!(set.monitor, usual.monitor);
    assert_eq!(Scan { ports: Vec::new(), concurrency: None, ..set.scan }, usual.scan);
    assert_eq!((set.web, set.log), (usual.web, usual.log));
    assert_eq!(set.history, usual.history);
    let mut alerts = set.alerts;
    assert_eq!((alerts.rule.len(), alerts.maintenance.len(), alerts.channel.len()), (1, 1, 1));
    (alerts.rule, alerts.maintenance, alerts.channel) = (Vec::new(), Vec::new(), Vec::new());
    alerts.timezone = None;
    assert_eq!(alerts, usual.alerts);
    assert_eq!(set.http.listen, usual.http.listen);
    let mut mqtt = set.mqtt;
    (mqtt.username, mqtt.password_file) = (None, None);
    assert_eq!(mqtt, usual.mqtt);
    assert_eq!((set.login.len(), set.rules.overrides.len()), (1, 1));
}

#[test]
fn what_is_not_known_or_makes_no_sense_is_refused_with_its_place() {
    for (text, words) in [
        ("\nnetwork = []", "line 2"),
        ("[monitor]\nintervall = \"10s\"", "expected one of `interval`"),
        ("[monitor]\ninterval = 10", "expected a string"),
        ("[monitor]\ninterval = \"10\"", "needs a unit"),
        ("[monitor]\ninterval = \"100ms\"", "monitor: interval"),
        ("[scan]\nevery = \"never\"", "expected a time"),
        ("[scan]\nprofile = \"lon\"", "expected one of `lan`, `wifi`, `vpn`"),
        ("networks = [\"10.0.0.0/33\"]", "networks: "),
        ("[rules]\nchip_celcius = \"off\"", "chip_celcius"),
        ("[[login]]\nuser = \"root\"", "login: one of password"),
        ("[[login]]\nuser = \"root\"\npassword_file = \"no-such-file\"", "no-such-file"),
        ("[web]\nhttp_port = 0", "web.http_port"),
        ("[history]\nraw = \"1h\"", "history: "),
        ("[history]\nmost = \"1MB\"", "at least 16 MiB"),
        ("[alerts]\ngroup_intervall = \"5min\"", "group_intervall"),
        ("[[alerts.rule]]\nname = \"mine\"\nwhen = { finding = [\"x\"], foo = 1 }", "expected one of"),
        (
            "[[alerts.rule]]\nname = \"mine\"\nwhen = { metric = \"power\" }",
            "rule \"mine\": when has neither",
        ),
        ("[[alerts.rule]]\nname = \"mine\"\nwhen = { metric = \"powr\", above = 1 }", "powr"),
        ("[[alerts.channel]]\nname = \"ops\"\nkind = \"webhook\"", "url is needed"),
        (
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"telegram\"\nchat = \"1\"\nsecret_file = \"no-such\"",
            "no-such",
        ),
        ("[alerts]\ntimezone = \"Mars/Base\"", "Mars/Base"),
        ("[history]\nmost = \"20\"", "expected a size"),
        (
            "[http]\nlisten = \"0.0.0.0:4080\"\ncockpit = false",
            "http: nobody could read anything at 0.0.0.0:4080",
        ),
        ("[http]\nlisten = \"127.0.0.1\"", "invalid socket address"),
        ("[http]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"no-such-file\"", "http.token_file: "),
    ] {
        let told = refused(text);
        assert!(told.contains(words), "{text:?}: {told}");
    }
    let both = refused("networks = [\"10.0.0.0/33\"]\n[monitor]\ninterval = \"2h\"");
    assert!(both.contains("networks: ") && both.contains("monitor: "), "all at once: {both}");
}

#[test]
fn no_password_shows_in_what_is_written_for_debugging() {
    let login = loaded("[[login]]\nuser = \"root\"\npassword = \"hunter2\"");
    assert!(!format!("{:?}", login.settings).contains("hunter2"));
    let channel = "[[alerts.channel]]\nname = \"a\"\nkind = \"slack\"\nsecret = \"http://127.0.0.1/hunter2\"";
    let plan = loaded(channel).plan().unwrap();
    assert!(!format!("{plan:?} {:?}", plan.service.alerts.open()).contains("hunter2"));
}
