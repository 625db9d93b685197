//! The configuration of a service as a file: read, checked as a whole, and turned into settings of the library. What is not
//! known in it is refused, with its line.

mod mqtt;

use crate::failure::{Exit, Failure};
use crate::reach;
use crate::text::{clean, parse_duration};
use bitlink_cockpit::http::{HttpConfig, TlsFiles};
use bitlink_cockpit::mqtt::MqttConfig;
use bitlink_miner_manager::alerts::{AlertsConfig, ChannelConfig};
use bitlink_miner_manager::control::Groups;
use bitlink_miner_manager::history::HistoryConfig;
use bitlink_miner_manager::model::Secret;
use bitlink_miner_manager::transport::{Patience, TcpConfig};
use bitlink_miner_manager::{
    Alerting, Credentials, Fleet, ListenConfig, MonitorConfig, NetworkProfile, RuleBook, ScanConfig,
    ScanTargets, ServiceConfig,
};
use etcetera::BaseStrategy;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The example, with every setting.
pub(crate) const EXAMPLE: &str = include_str!("../assets/bitlink.toml");

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) networks: Vec<String>,
    exclude: Vec<String>,
    watch: Vec<String>,
    pub(crate) data: Option<PathBuf>,
    scan: Scan,
    listen: Listen,
    monitor: Watching,
    history: History,
    http: Http,
    mqtt: mqtt::Mqtt,
    web: Web,
    login: Vec<Login>,
    pub(crate) log: Log,
    rules: RuleBook,
    pub(crate) alerts: AlertsConfig,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Scan {
    every: OrOff<Time>,
    ports: Vec<u16>,
    profile: Profile,
    rate: OrOff<u32>,
    concurrency: Option<usize>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            every: ServiceConfig::default().rescan.map_or(OrOff::Off, |time| OrOff::On(Time(time))),
            ports: Vec::new(),
            profile: Profile::Lan,
            rate: ScanConfig::default().rate.map_or(OrOff::Off, OrOff::On),
            concurrency: None,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Listen {
    enabled: bool,
    address: Option<Ipv4Addr>,
    ports: Vec<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Profile {
    Lan,
    Wifi,
    Vpn,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Watching {
    interval: Time,
    port: u16,
    answer_timeout: Time,
    max_in_flight: usize,
    max_per_subnet: usize,
    dead_pause: Time,
    vanished_after: Time,
}

impl Default for Watching {
    fn default() -> Self {
        let usual = MonitorConfig::default();
        Self {
            interval: Time(usual.interval),
            port: usual.port,
            answer_timeout: Time(usual.patience.per_exchange),
            max_in_flight: usual.max_in_flight,
            max_per_subnet: usual.max_per_subnet,
            dead_pause: Time(usual.dead_pause),
            vanished_after: Time(ServiceConfig::default().vanished_after),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct History {
    enabled: bool,
    raw: Time,
    quarter_hours: Time,
    six_hours: Time,
    most: OrOff<Bytes>,
}

impl Default for History {
    fn default() -> Self {
        let usual = HistoryConfig::default();
        Self {
            enabled: true,
            raw: Time(usual.raw),
            quarter_hours: Time(usual.quarter),
            six_hours: Time(usual.six_hours),
            most: usual.most_bytes.map_or(OrOff::Off, |bytes| OrOff::On(Bytes(bytes))),
        }
    }
}

/// A number of bytes as a text with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bytes(u64);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_bytes(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected a size like \"500MB\" or \"20GB\""))
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let letters = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(letters);
    let each: u64 = match unit.trim() {
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(each)
}

/// What is shown to others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    listen: OrOff<SocketAddr>,
    token_file: Option<PathBuf>,
    cockpit: bool,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    groups: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: OrOff::Off,
            token_file: None,
            cockpit: true,
            tls_cert: None,
            tls_key: None,
            groups: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
/// Where web servers are.
pub(crate) struct Web {
    http_port: u16,
    https_port: u16,
}

impl Default for Web {
    fn default() -> Self {
        Self { http_port: reach::HTTP_PORT, https_port: reach::HTTPS_PORT }
    }
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    #[serde(default)]
    user: String,
    password: Option<String>,
    password_file: Option<PathBuf>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) level: Level,
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Text }
    }
}

/// What is worth a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the usual ones")]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Forms of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One object on each line
    Json,
}

/// A time as a text with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(D::Error::custom("a time needs a unit, as \"10s\""));
        }
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A value, or the word `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrOff<T> {
    On(T),
    Off,
}

impl<T> OrOff<T> {
    fn on(self) -> Option<T> {
        match self {
            Self::On(value) => Some(value),
            Self::Off => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrOff<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        if value.as_str() == Some("off") {
            return Ok(Self::Off);
        }
        T::deserialize(value).map(Self::On).map_err(D::Error::custom)
    }
}

/// A file and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loaded {
    /// `None`: there is no file, and the usual settings count.
    pub(crate) file: Option<PathBuf>,
    pub(crate) settings: Settings,
    /// The same as it stands there.
    pub(crate) said: serde_json::Value,
}

/// Reads racks and breakers.
fn groups(file: &Path) -> Result<Groups, Said> {
    let text = std::fs::read_to_string(file).map_err(|error| Said(error.to_string()))?;
    toml::from_str(&text).map_err(|error| Said(clean(error.to_string().trim_end()).into_owned()))
}

/// Where a configuration is looked for, when none is named: the user's first.
fn usual_files() -> Vec<PathBuf> {
    let own = etcetera::choose_base_strategy().ok().map(|strategy| strategy.config_dir());
    own.into_iter()
        .chain([PathBuf::from("/etc")])
        .map(|dir| dir.join("bitlink").join("bitlink.toml"))
        .collect()
}

/// Reads the file that is named, or the first that is where one usually is.
pub(crate) fn load(named: Option<&Path>) -> Result<Loaded, Failure> {
    let file = match named {
        Some(file) => Some(file.to_path_buf()),
        None => usual_files().into_iter().find(|file| file.exists()),
    };
    let Some(path) = &file else {
        return Ok(Loaded { file, settings: Settings::default(), said: serde_json::Value::Null });
    };
    let shown = clean(&path.to_string_lossy()).into_owned();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("the configuration {shown} cannot be read")).because(&error)
    })?;
    let settings = toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("the configuration {shown} is wrong"))
            .because(&Said(clean(error.to_string().trim_end()).into_owned()))
            .hint("`bitlink config example` shows every setting")
    })?;
    let said = toml::from_str(&text).unwrap_or_default();
    Ok(Loaded { file, settings, said })
}

/// An error in words.
#[derive(Debug)]
struct Said(String);

impl Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

/// What a file comes to for the library.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) fleet: Fleet,
    pub(crate) service: ServiceConfig,
    /// How many addresses the networks have.
    pub(crate) networks: u64,
    pub(crate) interval: Duration,
    pub(crate) web: Web,
    /// Whether and where it is shown.
    pub(crate) http: Option<HttpConfig>,
    /// Whether and which broker is told.
    pub(crate) mqtt: Option<MqttConfig>,
    /// Whether people see the farm there and can command it, or programs its metrics only.
    pub(crate) cockpit: bool,
    /// Racks and breakers of which only so many may be down at once.
    pub(crate) groups: Groups,
}

impl Loaded {
    /// Checks everything, and tells all that is wrong at once.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let mut wrong = Wrong(Vec::new());
        let settings = &self.settings;
        let networks = wrong.targets("networks", &settings.networks);
        let exclude = wrong.targets("exclude", &settings.exclude);
        let always = wrong.targets("watch", &settings.watch);
        let networks = if settings.exclude.is_empty() || networks.is_empty() {
            networks
        } else {
            wrong.at("exclude", networks.excluding(exclude)).unwrap_or_default()
        };
        let credentials: Vec<Credentials> =
            settings.login.iter().filter_map(|login| wrong.at("login", self.credentials(login))).collect();
        for (setting, port) in
            [("web.http_port", settings.web.http_port), ("web.https_port", settings.web.https_port)]
        {
            if port == 0 {
                wrong.say(setting, &"0 is no port");
            }
        }

        let scan = self.scan(&credentials);
        wrong.at("scan", scan.validate());
        let watching = &settings.monitor;
        let monitor = MonitorConfig::default()
            .with_interval(watching.interval.0)
            .with_port(watching.port)
            .with_patience(Patience::default().with_per_exchange(watching.answer_timeout.0))
            .with_max_in_flight(watching.max_in_flight)
            .with_max_per_subnet(watching.max_per_subnet)
            .with_dead_pause(watching.dead_pause.0)
            .with_credentials(credentials)
            .with_rule_book(settings.rules.clone());
        wrong.at("monitor", monitor.validate());
        let addresses = if networks.is_empty() {
            0
        } else {
            wrong.at("networks", networks.plan(&scan)).map_or(0, |plan| plan.addresses())
        };
        if !always.is_empty() {
            wrong.at("watch", always.plan(&scan.clone().with_ports(vec![watching.port.max(1)])));
        }
        let service = ServiceConfig::default()
            .with_networks(networks)
            .with_always(always)
            .with_listen(self.listen())
            .with_rescan(settings.scan.every.on().map(|time| time.0))
            .with_vanished_after(watching.vanished_after.0);
        wrong.at("scan.every, monitor.vanished_after", service.validate());
        let service = service.with_history(self.history());
        wrong.at("history", service.validate());
        let alerts = self.alerting(&mut wrong);
        if wrong.at("alerts", alerts.open()).is_none() {
            return Err(wrong.failure(self.file.as_deref()));
        }
        let service = service.with_alerts(alerts);

        let http = settings.http.listen.on().map(|listen| {
            let token = settings.http.token_file.as_deref().map(|file| self.secret(file));
            HttpConfig::new(listen)
                .with_token(token.and_then(|token| wrong.at("http.token_file", token)))
                .with_tls(self.tls(&mut wrong))
        });
        let groups = match &settings.http.groups {
            Some(file) => wrong.at("http.groups", groups(&self.beside(file))).unwrap_or_default(),
            None => Groups::default(),
        };
        if let Some(http) = http.as_ref().filter(|_| wrong.0.is_empty()) {
            wrong.at("http", http.validate());
            if !settings.http.cockpit && http.token.is_none() && !http.is_for_this_machine() {
                let listen = http.listen;
                wrong.say("http", &format_args!("nobody could read anything at {listen} from elsewhere: there is no token (token_file), and the cockpit is off"));
            }
        }

        let mqtt = settings.mqtt.plan(self, &mut wrong);
        let fleet = Fleet::over_tcp(self.tcp()).with_scan(scan).with_monitor(monitor).with_known_first(true);
        if !wrong.0.is_empty() {
            return Err(wrong.failure(self.file.as_deref()));
        }
        let (interval, web) = (watching.interval.0, settings.web);
        Ok(Plan {
            fleet,
            service,
            networks: addresses,
            interval,
            web,
            http,
            cockpit: settings.http.cockpit,
            groups,
            mqtt,
        })
    }

    /// Shows itself at another address than the configuration says.
    pub(crate) fn show_at(&mut self, listen: SocketAddr) {
        self.settings.http.listen = OrOff::On(listen);
    }

    /// Certificate and key: both or none.
    fn tls(&self, wrong: &mut Wrong) -> Option<TlsFiles> {
        match (&self.settings.http.tls_cert, &self.settings.http.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(TlsFiles { certificate: self.beside(certificate), key: self.beside(key) })
            }
            (None, None) => None,
            _ => {
                wrong.say("http", &"tls_cert and tls_key belong together");
                None
            }
        }
    }

    /// A file that the configuration names: beside it, unless it is said where.
    fn beside(&self, file: &Path) -> PathBuf {
        match self.file.as_deref().and_then(Path::parent) {
            Some(dir) => dir.join(file),
            None => file.to_path_buf(),
        }
    }

    fn scan(&self, credentials: &[Credentials]) -> ScanConfig {
        let Scan { ports, profile, rate, concurrency, .. } = &self.settings.scan;
        let profile = match profile {
            Profile::Lan => NetworkProfile::Lan,
            Profile::Wifi => NetworkProfile::Wifi,
            Profile::Vpn => NetworkProfile::Vpn,
        };
        let scan = ScanConfig::default()
            .with_probe_timeouts(profile.waits(2))
            .with_rate(rate.on())
            .with_concurrency(concurrency.unwrap_or_else(reach::usual_concurrency))
            .with_credentials(credentials.to_vec());
        if ports.is_empty() { scan } else { scan.with_ports(ports.clone()) }
    }

    fn tcp(&self) -> TcpConfig {
        let Web { http_port, https_port } = self.settings.web;
        TcpConfig::default().with_web_port(http_port.max(1)).with_tls_port(https_port.max(1))
    }

    fn history(&self) -> Option<HistoryConfig> {
        let History { enabled, raw, quarter_hours, six_hours, most } = &self.settings.history;
        let usual = HistoryConfig::default()
            .with_raw(raw.0)
            .with_quarter(quarter_hours.0)
            .with_six_hours(six_hours.0);
        enabled.then(|| usual.with_most_bytes(most.on().map(|bytes| bytes.0)))
    }

    /// Rules and channels, with the secrets of these.
    fn alerting(&self, wrong: &mut Wrong) -> Alerting {
        let config = self.settings.alerts.clone();
        let secret = |channel: &ChannelConfig| match (&channel.secret_file, &channel.secret_env) {
            (Some(file), _) => self.secret(Path::new(file)).map(Secret::new),
            (None, Some(name)) => std::env::var(name)
                .map(Secret::new)
                .map_err(|error| Said(format!("the variable {}: {error}", clean(name)))),
            (None, None) => Ok(channel.secret.clone()),
        };
        let secrets = config
            .channel
            .iter()
            .filter_map(|channel| {
                let secret = wrong.at(&format!("alerts: channel {:?}", channel.name), secret(channel))?;
                secret.is_known().then(|| (channel.name.clone(), secret))
            })
            .collect();
        Alerting::new(config, secrets)
    }

    fn listen(&self) -> Option<ListenConfig> {
        let Listen { enabled, address, ports } = &self.settings.listen;
        let usual = ListenConfig::default();
        let at = address.unwrap_or(usual.address);
        let ports = if ports.is_empty() { usual.ports.clone() } else { ports.clone() };
        enabled.then(|| usual.with_address(at).with_ports(ports))
    }

    fn credentials(&self, login: &Login) -> Result<Credentials, Said> {
        let password = match (&login.password, &login.password_file) {
            (Some(password), None) => password.clone(),
            (None, Some(file)) => self.secret(file)?,
            _ => return Err(Said("one of password and password_file is needed".to_owned())),
        };
        Ok(Credentials::new(&login.user, &password))
    }

    /// What a file of one secret holds. Without a directory it is looked for where systemd puts them, then beside the
    /// configuration.
    fn secret(&self, file: &Path) -> Result<String, Said> {
        let beside = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let places = given.iter().map(PathBuf::as_path).chain([beside]).map(|dir| dir.join(file));
        let place = places.clone().find(|place| place.exists()).unwrap_or_else(|| beside.join(file));
        let text = std::fs::read_to_string(&place)
            .map_err(|error| Said(format!("{}: {error}", clean(&place.to_string_lossy()))))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Whether there is a password in a file that others can read.
    pub(crate) fn shows_passwords(&self) -> bool {
        let written = self.settings.login.iter().any(|login| login.password.is_some())
            || self.settings.alerts.channel.iter().any(|channel| channel.secret.is_known());
        written && self.file.as_deref().is_some_and(others_can_read)
    }
}

#[cfg(unix)]
fn others_can_read(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}

/// What is wrong with a file, each with the setting.
struct Wrong(Vec<Said>);

impl Wrong {
    fn at<T, E: std::error::Error + 'static>(&mut self, setting: &str, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.say(setting, &crate::output::json::with_causes(&error));
                None
            }
        }
    }

    /// None named is none.
    fn targets(&mut self, setting: &str, texts: &[String]) -> ScanTargets {
        if texts.is_empty() {
            return ScanTargets::default();
        }
        self.at(setting, ScanTargets::from_args(texts)).unwrap_or_default()
    }

    fn say(&mut self, setting: &str, what: &dyn Display) {
        self.0.push(Said(format!("{setting}: {}", clean(&what.to_string()))));
    }

    fn failure(self, file: Option<&Path>) -> Failure {
        let what = match file {
            Some(file) => format!("the configuration {} is wrong", clean(&file.to_string_lossy())),
            None => "the settings are wrong".to_owned(),
        };
        self.0.iter().fold(Failure::new(Exit::Usage, what), |failure, wrong| failure.because(wrong))
    }
}

#[cfg(test)]
mod tests {
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
        let channel =
            "[[alerts.channel]]\nname = \"a\"\nkind = \"slack\"\nsecret = \"http://127.0.0.1/hunter2\"";
        let plan = loaded(channel).plan().unwrap();
        assert!(!format!("{plan:?} {:?}", plan.service.alerts.open()).contains("hunter2"));
    }
}
