//! The settings of a scan, their bounds, and why they are what they are. Decides nothing itself.

use crate::order::ScanOrder;
use bitlink_model::Family;
use bitlink_protocol::{Credentials, DEFAULT_API_PORT, doors_of};
use bitlink_transport::{Endpoint, Patience};
use std::net::IpAddr;
use std::time::Duration;

/// More tries than this are never made at one address.
pub(crate) const MAX_TRIES: usize = 8;

/// What is assumed of a network: how long its slowest answers take, and that it loses no more than one packet in a hundred
/// each way. What answers within [`promise`](Self::promise) is found unless two tries in a row are lost; what answers within
/// three quarters of that, unless all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NetworkProfile {
    /// Wired, or routed within a site: answers within 200 ms.
    #[default]
    Lan,
    /// Radio, with machines that sleep between two beacons: answers within 600 ms.
    Wifi,
    /// Over the internet or a satellite: answers within 1.5 s.
    Vpn,
}

impl NetworkProfile {
    /// How slow an answer may be and still be heard.
    pub const fn promise(self) -> Duration {
        Duration::from_millis(match self {
            Self::Lan => 200,
            Self::Wifi => 600,
            Self::Vpn => 1_500,
        })
    }

    /// The [waits](ScanConfig::probe_timeouts) that suit it, with so many tries after the first. Default is two.
    pub fn waits(self, retries: usize) -> Vec<Duration> {
        let first = self.promise() / 4;
        let growing = (2..).map(|halves: u32| (first * halves / 2).min(self.promise())).take(retries);
        // The try before the last has its own wait besides, however much that is shortened.
        let last = if retries == 0 { self.promise() } else { self.promise() * 3 / 4 };
        growing.chain([last]).collect()
    }
}

/// How much a miner is asked when it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ScanDepth {
    /// Everything that its firmware tells.
    #[default]
    Full,
    /// Make, model and rate, where its API answers: one to three questions in place of four to ten (see
    /// [`Reader::briefly`](crate::Reader::briefly)). What else it would have told stays unknown.
    Brief,
}

/// How to scan. [`ScanConfig::default`] suits a farm's network and the usual limits of descriptors.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScanConfig {
    /// TCP ports at which targets without a port of their own are scanned. Default 4028, where the CGMiner API listens.
    /// 1 to 64 ports, none of them 0. Every port multiplies the work.
    pub ports: Vec<u16>,
    /// Other doors of the same machine: the ports, beside the first of [`ports`](Self::ports), behind which miners are found
    /// that have no CGMiner API or keep it shut. They belong to the same target, which has one outcome. Default as
    /// [`doors_of`] tells for all families: 80, and what few others there are. None to 16 ports, none of them 0. They cost
    /// an address where nobody is one more knock, and a machine that is there one knock each.
    pub doors: Vec<u16>,
    /// One entry for each try at an address: how long to wait before the next try is made beside it, and with the last
    /// entry, before the address is given up as silent. Default [`NetworkProfile::Lan`]. One try loses what the network
    /// loses, however long it is; tries of our own that overlap beat one long one in time and recall. 1 to 8 tries of 1 ms
    /// to 60 s.
    pub probe_timeouts: Vec<Duration>,
    /// Whether the waits follow the round trips seen so far in the same subnet: sooner tries where answers come fast, more
    /// time where they come slowly. The last wait is never shorter than configured, so whoever answers within it is found.
    /// Default yes.
    pub adaptive: bool,
    /// In which order addresses are asked. Default scattered.
    pub order: ScanOrder,
    /// Connections being tried at the same time, of which a silent address has two or three. Default 1,000, which just fits the usual limit of 1,024 descriptors;
    /// when there are fewer, the scan narrows itself and says so. 1 to 65,536.
    pub concurrency: usize,
    /// Machines being asked who they are at the same time. Default 128: an answer costs them milliseconds of CPU and us
    /// a parse, and slow machines must not hold up the others. 1 to 4,096.
    pub identify_concurrency: usize,
    /// Most connection tries begun per second, over all addresses, repeated tries included; half a second's worth may begin
    /// at once. Default 20,000, which a small router's table of connections survives for a /16. `None` is no limit. 1 to
    /// 1,000,000. On one flat subnet larger than a /22, about 250 keeps the kernel's table of neighbours from
    /// overflowing.
    pub rate: Option<u32>,
    /// How long one machine may take to say who it is. Default as [`Patience`]: 5 s for each question, 15 s in all.
    pub patience: Patience,
    /// Names and passwords to try where a page of a miner's web server wants one, before those that its firmware is delivered
    /// with. Default none. Up to 16: each costs a wrong one a request, and some firmware locks its door after a few.
    pub credentials: Vec<Credentials>,
    /// How much a miner is asked. Default [`ScanDepth::Full`].
    pub depth: ScanDepth,
    /// How often a machine whose port was open and which then could not be reached is asked again. Default 1: a small
    /// listen queue overflows, a mining program restarts. 0 to 10.
    pub identify_retries: u32,
    /// How often a connection for which this machine had no socket, port or buffer is tried again, with growing pauses
    /// of 10 ms to 1 s, before that is reported as the outcome. Default 30, about half a minute. 0 to 1,000.
    pub exhausted_retries: u32,
    /// Most addresses that targets may name. Default 1,048,576 (a /12): more is rarely meant. 1 to 2⁴⁰.
    pub max_addresses: u64,
    /// How long a host name may take to resolve. Default 5 s. 1 ms to 60 s.
    pub name_timeout: Duration,
    /// Events kept for a consumer that is slower than the scan. When it is full the scan waits; nothing but progress is
    /// left out. Default 1,024. 1 to 1,048,576.
    pub event_queue: usize,
    /// Time between two progress events. Default 250 ms: as often as a terminal is worth redrawing. 10 ms to 1 h.
    pub progress_interval: Duration,
    /// Whether the first and last address of an IPv4 network (/30 or larger) are scanned too. Default no: they are the
    /// network's own and its broadcast address. Ranges and single addresses always mean what they say.
    pub include_network_broadcast: bool,
    /// Addresses whose whole story is told, step by step, as [`ScanEvent::Step`](crate::ScanEvent::Step). Default none. Up
    /// to 64: each event waits for room in the queue.
    pub explain: Vec<IpAddr>,
    /// Whether every outcome gets an event, or only those of addresses where something answered or failed. Default no:
    /// most of a scan is silence, and the report counts it.
    pub report_all: bool,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self {
            ports: vec![DEFAULT_API_PORT],
            doors: other_doors(&[]),
            probe_timeouts: NetworkProfile::Lan.waits(2),
            adaptive: true,
            order: ScanOrder::default(),
            concurrency: 1_000,
            identify_concurrency: 128,
            rate: Some(20_000),
            patience: Patience::default(),
            credentials: Vec::new(),
            depth: ScanDepth::default(),
            identify_retries: 1,
            exhausted_retries: 30,
            max_addresses: 1 << 20,
            name_timeout: Duration::from_secs(5),
            event_queue: 1_024,
            progress_interval: Duration::from_millis(250),
            include_network_broadcast: false,
            explain: Vec::new(),
            report_all: false,
        }
    }
}

/// A setting out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be {legal}, not {found}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the setting: a field of [`ScanConfig`].
    pub setting: &'static str,
    /// What would be legal.
    pub legal: &'static str,
    /// What was found.
    pub found: String,
}

impl ScanConfig {
    /// Whether every setting is within its bounds; the first that is not, else.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ms = Duration::from_millis;
        let minute = Duration::from_mins(1);
        let rules: [(bool, &'static str, &'static str, &dyn std::fmt::Debug); 17] = [
            ((1..=64).contains(&self.ports.len()), "ports", "1 to 64 ports", &self.ports.len()),
            (!self.ports.contains(&0), "ports", "ports from 1 to 65535", &self.ports),
            (
                self.doors.len() <= 16 && !self.doors.contains(&0),
                "doors",
                "up to 16 ports from 1 to 65535",
                &self.doors,
            ),
            (
                (1..=MAX_TRIES).contains(&self.probe_timeouts.len()),
                "probe_timeouts",
                "1 to 8 tries",
                &self.probe_timeouts.len(),
            ),
            (
                self.probe_timeouts.iter().all(|t| (ms(1)..=minute).contains(t)),
                "probe_timeouts",
                "1 ms to 60 s each",
                &self.probe_timeouts,
            ),
            ((1..=65_536).contains(&self.concurrency), "concurrency", "1 to 65536", &self.concurrency),
            (
                (1..=4_096).contains(&self.identify_concurrency),
                "identify_concurrency",
                "1 to 4096",
                &self.identify_concurrency,
            ),
            (
                self.rate.is_none_or(|rate| (1..=1_000_000).contains(&rate)),
                "rate",
                "1 to 1000000 a second",
                &self.rate,
            ),
            (
                !self.patience.per_exchange.is_zero() && !self.patience.whole.is_zero(),
                "patience",
                "longer than nothing",
                &self.patience,
            ),
            (self.credentials.len() <= 16, "credentials", "up to 16 entries", &self.credentials.len()),
            (self.identify_retries <= 10, "identify_retries", "0 to 10", &self.identify_retries),
            (self.exhausted_retries <= 1_000, "exhausted_retries", "0 to 1000", &self.exhausted_retries),
            ((1..=1 << 40).contains(&self.max_addresses), "max_addresses", "1 to 2^40", &self.max_addresses),
            (
                (ms(1)..=minute).contains(&self.name_timeout),
                "name_timeout",
                "1 ms to 60 s",
                &self.name_timeout,
            ),
            (self.explain.len() <= 64, "explain", "up to 64 addresses", &self.explain),
            ((1..=1 << 20).contains(&self.event_queue), "event_queue", "1 to 1048576", &self.event_queue),
            (
                (ms(10)..=Duration::from_hours(1)).contains(&self.progress_interval),
                "progress_interval",
                "10 ms to 1 h",
                &self.progress_interval,
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, setting, legal, found)) => {
                Err(ConfigError { setting, legal, found: format!("{found:?}") })
            }
        }
    }
}

fn other_doors(families: &[Family]) -> Vec<u16> {
    doors_of(families).into_iter().filter(|door| *door != DEFAULT_API_PORT).collect()
}

impl ScanConfig {
    /// With the [`doors`](ScanConfig::doors) of these families and no others. It is about where to look: a miner of another
    /// family that is met there is found all the same.
    #[must_use]
    pub fn with_families(self, families: &[Family]) -> Self {
        self.with_doors(other_doors(families))
    }

    /// The doors of the machine at an endpoint, the likeliest first. A port that was named with a target stands for itself.
    pub(crate) fn doors_at(&self, endpoint: Endpoint) -> impl Iterator<Item = u16> {
        let others = if self.ports.first() == Some(&endpoint.port()) { self.doors.as_slice() } else { &[] };
        let others = others.iter().copied().filter(move |door| *door != endpoint.port());
        std::iter::once(endpoint.port()).chain(others)
    }
}

/// Setters, each the same configuration with one field changed.
macro_rules! setters {
    ($($(#[$doc:meta])* $setter:ident $field:ident: $ty:ty),+ $(,)?) => {
        impl ScanConfig { $(
            $(#[$doc])*
            #[must_use]
            pub fn $setter(mut self, $field: $ty) -> Self {
                self.$field = $field;
                self
            }
        )+ }
    };
}

setters! {
    /// With other [`ports`](ScanConfig::ports).
    with_ports ports: Vec<u16>,
    /// With other [`doors`](ScanConfig::doors).
    with_doors doors: Vec<u16>,
    /// With other [`probe_timeouts`](ScanConfig::probe_timeouts).
    with_probe_timeouts probe_timeouts: Vec<Duration>,
    /// With waits that [follow the round trips](ScanConfig::adaptive), or not.
    with_adaptive adaptive: bool,
    /// With another [`order`](ScanConfig::order).
    with_order order: ScanOrder,
    /// With another [`concurrency`](ScanConfig::concurrency).
    with_concurrency concurrency: usize,
    /// With another [`identify_concurrency`](ScanConfig::identify_concurrency).
    with_identify_concurrency identify_concurrency: usize,
    /// With another [`rate`](ScanConfig::rate), or none.
    with_rate rate: Option<u32>,
    /// With another [`patience`](ScanConfig::patience).
    with_patience patience: Patience,
    /// With other [`credentials`](ScanConfig::credentials).
    with_credentials credentials: Vec<Credentials>,
    /// With another [`depth`](ScanConfig::depth).
    with_depth depth: ScanDepth,
    /// With other [`identify_retries`](ScanConfig::identify_retries).
    with_identify_retries identify_retries: u32,
    /// With other [`exhausted_retries`](ScanConfig::exhausted_retries).
    with_exhausted_retries exhausted_retries: u32,
    /// With another limit of [`max_addresses`](ScanConfig::max_addresses).
    with_max_addresses max_addresses: u64,
    /// With another [`name_timeout`](ScanConfig::name_timeout).
    with_name_timeout name_timeout: Duration,
    /// With another [`event_queue`](ScanConfig::event_queue).
    with_event_queue event_queue: usize,
    /// With another [`progress_interval`](ScanConfig::progress_interval).
    with_progress_interval progress_interval: Duration,
    /// With or without [network and broadcast addresses](ScanConfig::include_network_broadcast).
    with_network_broadcast include_network_broadcast: bool,
    /// With the story of [these addresses](ScanConfig::explain).
    with_explain explain: Vec<IpAddr>,
    /// With an event for [every outcome](ScanConfig::report_all), or not.
    with_report_all report_all: bool,
}

#[cfg(test)]
mod tests {
    //! Bounds of the settings.
    use super::*;

    #[test]
    fn the_default_is_legal() {
        assert_eq!(ScanConfig::default().validate(), Ok(()));
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        fn check(config: &ScanConfig, setting: &str) {
            let error = config.validate().unwrap_err();
            assert_eq!(error.setting, setting);
            assert!(error.to_string().contains(setting) && error.to_string().contains("must be"), "{error}");
        }
        let config = ScanConfig::default;
        check(&config().with_ports(vec![]), "ports");
        check(&config().with_ports(vec![4028, 0]), "ports");
        check(&config().with_doors(vec![80, 0]), "doors");
        check(&config().with_probe_timeouts(vec![]), "probe_timeouts");
        check(&config().with_probe_timeouts(vec![Duration::ZERO]), "probe_timeouts");
        check(&config().with_concurrency(0), "concurrency");
        check(&config().with_identify_concurrency(0), "identify_concurrency");
        check(&config().with_rate(Some(0)), "rate");
        check(&config().with_patience(Patience::default().with_whole(Duration::ZERO)), "patience");
        check(&config().with_credentials(vec![Credentials::new("a", "b"); 17]), "credentials");
        check(&config().with_identify_retries(11), "identify_retries");
        check(&config().with_exhausted_retries(1_001), "exhausted_retries");
        check(&config().with_max_addresses(0), "max_addresses");
        check(&config().with_name_timeout(Duration::ZERO), "name_timeout");
        check(&config().with_explain(vec![[10, 0, 0, 1].into(); 65]), "explain");
        check(&config().with_event_queue(0), "event_queue");
        check(&config().with_progress_interval(Duration::ZERO), "progress_interval");
    }
}
