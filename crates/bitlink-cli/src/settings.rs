//! The configuration of a service as a file: read, checked as a whole, and turned into settings of the library. What is not
//! known in it is refused, with its line.

mod mqtt;
mod value;
mod wrong;

use value::{Bytes, OrOff, Time};
use wrong::{Said, Wrong};

use crate::failure::Failure;
use crate::reach;
use crate::text::clean;
use bitlink_cockpit::http::{HttpConfig, TlsFiles};
use bitlink_cockpit::mqtt::MqttConfig;
use bitlink_miner_manager::alerts::{AlertsConfig, ChannelConfig};
use bitlink_miner_manager::control::Groups;
use bitlink_miner_manager::history::HistoryConfig;
use bitlink_miner_manager::model::Secret;
use bitlink_miner_manager::transport::{Patience, TcpConfig};
use bitlink_miner_manager::{
    Alerting, Credentials, Fleet, ListenConfig, MonitorConfig, NetworkProfile, RuleBook, ScanConfig,
    ServiceConfig,
};
use etcetera::BaseStrategy;
use serde::Deserialize;
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

#[cfg(test)]
mod tests;
