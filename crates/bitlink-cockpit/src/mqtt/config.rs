//! Which broker is told, and how. Opens nothing.

use bitlink_model::Secret;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Settings of publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MqttConfig {
    /// Name or address of the broker, an IPv6 address in brackets.
    pub host: String,
    /// Its port; default 1883.
    pub port: u16,
    /// Who we are to it; default nobody.
    pub username: Option<String>,
    /// The password of that user.
    pub password: Secret,
    /// What all topics but those of discovery begin with; default `bitlink`. Two services that tell one broker need two.
    pub prefix: String,
    /// What the topics begin with at which Home Assistant looks for devices; default `homeassistant`. `None`: there are none.
    pub discovery_prefix: Option<String>,
    /// Time between two rounds; default 30 s, 1 s to 1 h. A miner is told of once a round at most, and only when it was read again.
    pub interval: Duration,
    /// Whether every miner is told of, or the sums of the fleet alone; default every one.
    pub devices: bool,
}

/// What is wrong with settings. User.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MqttConfigError {
    /// It would have to be encrypted, and is not.
    #[error(
        "TLS ({0}://) is not spoken; name a broker on this machine or in a network that you trust as mqtt://, and let that one, or \
         stunnel, carry it further"
    )]
    Tls(String),
    /// Not the address of a broker.
    #[error("{0:?} is no broker; one is written as mqtt://HOST:PORT")]
    Broker(String),
    /// It would stand where others can read it.
    #[error("user and password do not belong in the address; `username` and `password_file` take them")]
    Login,
    /// MQTT has none.
    #[error("a password needs a user name")]
    PasswordAlone,
    /// Not a topic.
    #[error("{0:?} cannot begin topics: letters, digits, `_` and `-`, and `/` between them, 64 at most")]
    Prefix(String),
    /// Out of its range.
    #[error("the interval is 1 s to 1 h")]
    Interval,
}

impl MqttConfig {
    /// The port of brokers that name none.
    pub const PORT: u16 = 1883;
    /// Most characters of a prefix.
    const LONGEST_PREFIX: usize = 64;

    /// A broker by its address: `mqtt://HOST[:PORT]`.
    ///
    /// # Errors
    /// [`MqttConfigError`].
    pub fn new(broker: &str) -> Result<Self, MqttConfigError> {
        let wrong = || MqttConfigError::Broker(broker.chars().take(100).collect());
        let (scheme, rest) = broker.split_once("://").ok_or_else(wrong)?;
        match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => {}
            "mqtts" | "ssl" | "tls" | "wss" => return Err(MqttConfigError::Tls(scheme.to_ascii_lowercase())),
            _ => return Err(wrong()),
        }
        if rest.contains('@') {
            return Err(MqttConfigError::Login);
        }
        let (host, port) = split(rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(wrong)?;
        Ok(Self {
            host: host.to_owned(),
            port,
            username: None,
            password: Secret::default(),
            prefix: "bitlink".to_owned(),
            discovery_prefix: Some("homeassistant".to_owned()),
            interval: Duration::from_secs(30),
            devices: true,
        })
    }

    /// With a user and, where one is needed, a password.
    #[must_use]
    pub fn with_login(mut self, username: Option<String>, password: Secret) -> Self {
        (self.username, self.password) = (username, password);
        self
    }

    /// With another beginning of the topics.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// With another beginning of the topics of discovery, or without these.
    #[must_use]
    pub fn with_discovery_prefix(mut self, prefix: Option<String>) -> Self {
        self.discovery_prefix = prefix;
        self
    }

    /// With another time between two rounds.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// With every miner, or without.
    #[must_use]
    pub fn with_devices(mut self, devices: bool) -> Self {
        self.devices = devices;
        self
    }

    /// Whether every setting makes sense.
    ///
    /// # Errors
    /// The first one that does not.
    pub fn validate(&self) -> Result<(), MqttConfigError> {
        let prefixes = [Some(&self.prefix), self.discovery_prefix.as_ref()];
        if let Some(prefix) = prefixes.into_iter().flatten().find(|prefix| !is_prefix(prefix)) {
            return Err(MqttConfigError::Prefix(prefix.chars().take(100).collect()));
        }
        if self.password.is_known() && self.username.is_none() {
            return Err(MqttConfigError::PasswordAlone);
        }
        if self.interval < Duration::from_secs(1) || self.interval > Duration::from_hours(1) {
            return Err(MqttConfigError::Interval);
        }
        Ok(())
    }

    /// The prefix as a part of names.
    pub(super) fn slug(&self) -> String {
        self.prefix.replace('/', "_")
    }
}

fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= MqttConfig::LONGEST_PREFIX
        && prefix.split('/').all(|level| {
            !level.is_empty() && level.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        })
}

/// Host and port. An IPv6 address keeps its brackets.
fn split(text: &str) -> Option<(&str, u16)> {
    if text.starts_with('[') {
        let end = text.find(']')?;
        let (host, rest) = text.split_at_checked(end + 1)?;
        let address = host.strip_prefix('[')?.strip_suffix(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        return Some((host, port(rest.strip_prefix(':'), rest.is_empty())?));
    }
    let (host, rest) = match text.split_once(':') {
        Some((host, rest)) => (host, Some(rest)),
        None => (text, None),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (!host.is_empty() && host.bytes().all(is_name)).then_some(())?;
    Some((host, port(rest, rest.is_none())?))
}

fn port(text: Option<&str>, is_left_out: bool) -> Option<u16> {
    match text {
        Some(text) => text.parse().ok().filter(|port| *port != 0),
        None => is_left_out.then_some(MqttConfig::PORT),
    }
}

#[cfg(test)]
mod tests {
    //! What is taken for a broker, and what is refused with its reason.
    #![allow(clippy::unwrap_used)] // a test stops where it fails
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("mqtt://broker", "broker", 1883),
            ("MQTT://broker.example:2883/", "broker.example", 2883),
            ("tcp://192.0.2.7:1", "192.0.2.7", 1),
            ("mqtt://[::1]", "[::1]", 1883),
            ("mqtt://[2001:db8::7]:1884", "[2001:db8::7]", 1884),
        ] {
            let config = MqttConfig::new(text).unwrap();
            assert_eq!((config.host.as_str(), config.port), (host, port), "{text}");
            config.validate().unwrap();
        }
    }

    #[test]
    fn what_is_no_broker_is_told_why() {
        for text in [
            "",
            "broker",
            "http://broker",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://b:0",
            "mqtt://b:x",
            "mqtt://b:70000",
            "mqtt://b/topic",
            "mqtt://b:1:2",
            "mqtt://[::1",
            "mqtt://[::1]x",
            "mqtt://[b]",
            "mqtt://a b",
        ] {
            assert!(matches!(MqttConfig::new(text), Err(MqttConfigError::Broker(_))), "{text:?}");
        }
        for text in ["mqtts://broker", "ssl://broker:8883", "WSS://broker"] {
            let error = MqttConfig::new(text).unwrap_err();
            assert!(error.to_string().contains("stunnel"), "{error}");
        }
        assert_eq!(MqttConfig::new("mqtt://me:secret@broker"), Err(MqttConfigError::Login));
    }

    #[test]
    fn settings_that_make_no_topic_or_no_sense_are_refused() {
        let config = || MqttConfig::new("mqtt://broker").unwrap();
        for prefix in ["", "/", "a/", "/a", "a//b", "a+", "#", "$SYS", "a b", "é", &"a".repeat(65)] {
            let error = MqttConfigError::Prefix(prefix.to_owned());
            assert_eq!(config().with_prefix(prefix).validate(), Err(error.clone()));
            assert_eq!(config().with_discovery_prefix(Some(prefix.to_owned())).validate(), Err(error));
        }
        config().with_prefix("farm/north-1").with_discovery_prefix(None).validate().unwrap();
        assert_eq!(config().with_prefix("farm/north-1").slug(), "farm_north-1");
        for interval in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3_601)] {
            assert_eq!(config().with_interval(interval).validate(), Err(MqttConfigError::Interval));
        }
        let alone = config().with_login(None, Secret::new("hunter2"));
        assert_eq!(alone.validate(), Err(MqttConfigError::PasswordAlone));
        assert!(!format!("{alone:?}").contains("hunter2"));
    }
}
