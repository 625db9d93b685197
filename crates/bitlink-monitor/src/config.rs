//! What can be set on a monitor, with units, defaults, legal ranges and reasons.

use crate::health::{RuleBook, Rules, RulesError};
use bitlink_protocol::Credentials;
use bitlink_transport::Patience;
use std::time::Duration;

/// How a monitor works.
///
/// ```
/// use bitlink_monitor::MonitorConfig;
/// use std::time::Duration;
///
/// let config = MonitorConfig::default().with_interval(Duration::from_secs(30)).with_max_in_flight(64);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MonitorConfig {
    /// Time between two polls of one miner. Default 10 s, 1 s to 1 h: firmware refreshes its shortest hash rate about
    /// every 5 s, and its single thread should mine rather than talk.
    pub interval: Duration,
    /// Port of targets that name none. Default 4028, the port of the CGMiner API; 1 to 65535.
    pub port: u16,
    /// How long a poll may take. Default 5 s per exchange, 15 s for a whole poll; 50 ms to 60 s per exchange. Whatever it
    /// says, a poll is cut so that it ends before the miner's next turn (see [`MonitorConfig::poll_patience`]).
    pub patience: Patience,
    /// Names and passwords to try where a page of a miner's web server wants one, before those that its firmware is delivered
    /// with. Default none.
    pub credentials: Vec<Credentials>,
    /// How many polls may run at once. Default 256, 1 to 65,536: each is one socket, and many systems give a process
    /// 1,024.
    pub max_in_flight: usize,
    /// How many polls may run at once in one subnet, by which a /24 of IPv4 and a /64 of IPv6 is meant. Default 32, 1 to
    /// 65,536: enough to read the 254 machines of a /24 within a second, and few enough that a subnet that has gone silent,
    /// where every poll waits for its deadline, leaves room for the others.
    pub max_per_subnet: usize,
    /// How many events wait for a slow reader before older ones are left out and counted. Default 4,096, 16 to
    /// 1,048,576.
    pub event_queue: usize,
    /// The longest pause between two polls of a dead miner. Default 60 s, up to a day. It is asked after 1, 2, 4, …
    /// intervals up to this; less than the interval means no backoff. Long enough to spare the network a farm that is
    /// switched off, short enough to see it come back.
    pub dead_pause: Duration,
    /// How long polls that are running may go on once a shutdown is asked for. Default 2 s, 0 to 60 s.
    pub grace: Duration,
    /// Turns the pattern of polls within the interval. Default 0. The same seed gives the same pattern; two programs that
    /// watch one farm should have two.
    pub seed: u64,
    /// The health rules, including when a miner counts as dead.
    pub rules: RuleBook,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            port: 4028,
            patience: Patience::default(),
            credentials: Vec::new(),
            max_in_flight: 256,
            max_per_subnet: 32,
            event_queue: 4096,
            dead_pause: Duration::from_mins(1),
            grace: Duration::from_secs(2),
            seed: 0,
            rules: RuleBook::default(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting is outside of its range.
    #[error("{field} is {value}, allowed is {allowed}")]
    OutOfRange {
        /// The setting.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A health rule makes no sense.
    #[error("a health rule makes no sense")]
    Rules(#[from] RulesError),
}

const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
const PER_EXCHANGE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_mins(1));
const IN_FLIGHT: (usize, usize) = (1, 65_536);
const QUEUE: (usize, usize) = (16, 1 << 20);
const DEAD_PAUSE: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(24));
const GRACE: (Duration, Duration) = (Duration::ZERO, Duration::from_mins(1));

impl MonitorConfig {
    /// With another time between polls.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// With another port for targets that name none.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With other limits on how long a poll may take.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// With names and passwords for web servers.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// With another number of polls at once.
    #[must_use]
    pub fn with_max_in_flight(mut self, polls: usize) -> Self {
        self.max_in_flight = polls;
        self
    }

    /// With another number of polls at once in one subnet.
    #[must_use]
    pub fn with_max_per_subnet(mut self, polls: usize) -> Self {
        self.max_per_subnet = polls;
        self
    }

    /// With another length of the event queue.
    #[must_use]
    pub fn with_event_queue(mut self, events: usize) -> Self {
        self.event_queue = events;
        self
    }

    /// With another longest pause between polls of a dead miner.
    #[must_use]
    pub fn with_dead_pause(mut self, pause: Duration) -> Self {
        self.dead_pause = pause;
        self
    }

    /// With another time for running polls to end in when a shutdown is asked for.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With one set of health rules for all miners.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = RuleBook::new(rules);
        self
    }

    /// With health rules that differ by model.
    #[must_use]
    pub fn with_rule_book(mut self, rules: RuleBook) -> Self {
        self.rules = rules;
        self
    }

    /// Whether every setting is within its range.
    ///
    /// # Errors
    /// [`ConfigError`] with the first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("interval", self.interval, INTERVAL, "1 s to 1 h")?;
        within("port", self.port, (1, u16::MAX), "1 to 65535")?;
        within("patience.per_exchange", self.patience.per_exchange, PER_EXCHANGE, "50 ms to 60 s")?;
        within("max_in_flight", self.max_in_flight, IN_FLIGHT, "1 to 65536")?;
        within("max_per_subnet", self.max_per_subnet, IN_FLIGHT, "1 to 65536")?;
        within("event_queue", self.event_queue, QUEUE, "16 to 1048576")?;
        within("dead_pause", self.dead_pause, DEAD_PAUSE, "0 s to 24 h")?;
        within("grace", self.grace, GRACE, "0 s to 60 s")?;
        Ok(self.rules.validate()?)
    }

    /// The same with every setting that is out of its range brought to the nearest end of it, and senseless rules
    /// replaced by the defaults. What a monitor is started with goes through this, since it cannot refuse to start;
    /// whoever wants to refuse calls [`validate`](Self::validate) first.
    #[must_use]
    pub fn sanitised(mut self) -> Self {
        if let Err(error) = self.validate() {
            tracing::warn!(%error, "monitor configuration brought into range");
        }
        self.interval = self.interval.clamp(INTERVAL.0, INTERVAL.1);
        self.port = self.port.max(1);
        self.patience.per_exchange = self.patience.per_exchange.clamp(PER_EXCHANGE.0, PER_EXCHANGE.1);
        self.max_in_flight = self.max_in_flight.clamp(IN_FLIGHT.0, IN_FLIGHT.1);
        self.max_per_subnet = self.max_per_subnet.clamp(IN_FLIGHT.0, IN_FLIGHT.1);
        self.event_queue = self.event_queue.clamp(QUEUE.0, QUEUE.1);
        self.dead_pause = self.dead_pause.min(DEAD_PAUSE.1);
        self.grace = self.grace.min(GRACE.1);
        if self.rules.validate().is_err() {
            self.rules = RuleBook::default();
        }
        self
    }

    /// How long a poll may take in fact: [`MonitorConfig::patience`], cut to nine tenths of the interval, so that a miner
    /// is left alone for a while before it is asked again.
    pub fn poll_patience(&self) -> Patience {
        let most = self.interval / 10 * 9;
        let mut patience = self.patience;
        patience.per_exchange = patience.per_exchange.min(most);
        patience.whole = patience.whole.min(most);
        patience
    }
}

fn within<T: PartialOrd + Copy + std::fmt::Debug>(
    field: &'static str,
    value: T,
    (least, most): (T, T),
    allowed: &'static str,
) -> Result<(), ConfigError> {
    if value >= least && value <= most {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange { field, value: format!("{value:?}"), allowed })
    }
}

#[cfg(test)]
mod tests {
    //! The defaults are legal, the ends of ranges hold, and what is out of range can be mended.
    use super::*;
    use crate::health::{Band, Limit, Override, RulesPatch};

    #[test]
    fn the_defaults_are_legal() {
        MonitorConfig::default().validate().unwrap();
        assert_eq!(MonitorConfig::default().sanitised(), MonitorConfig::default());
    }

    #[test]
    fn every_range_is_checked_and_mended() {
        let config = MonitorConfig::default;
        let upside_down = Rules::default()
            .with(|rules| rules.chip_celsius = Band::new(Limit::at_once(95.0), Limit::at_once(85.0), 3.0));
        let nan = Rules::default().with(|rules| rules.hashrate_ratio.margin = f64::NAN);
        let never = Rules::default().with(|rules| rules.restarts = 0);
        for wrong in [
            config().with_interval(Duration::ZERO),
            config().with_interval(Duration::from_secs(3601)),
            config().with_port(0),
            config().with_patience(Patience::default().with_per_exchange(Duration::ZERO)),
            config().with_max_in_flight(0),
            config().with_event_queue(0),
            config().with_dead_pause(Duration::MAX),
            config().with_grace(Duration::MAX),
            config().with_rules(upside_down),
            config().with_rules(nan),
            config().with_rule_book(
                RuleBook::default().with_override(Override::for_model("S19", RulesPatch::whole(&never))),
            ),
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
            wrong.sanitised().validate().unwrap();
        }
    }

    #[test]
    fn a_poll_ends_before_the_next_one_is_due() {
        let config = MonitorConfig::default().with_interval(Duration::from_secs(2));
        assert_eq!(config.poll_patience().per_exchange, Duration::from_millis(1800));
        assert_eq!(config.poll_patience().whole, Duration::from_millis(1800));
        let calm = MonitorConfig::default().with_interval(Duration::from_mins(1));
        assert_eq!(calm.poll_patience(), Patience::default());
    }
}
