//! How carefully a plan goes about it: limits with safe defaults, and the groups of machines that share a breaker or a rack.

use crate::marks::Marks;
use bitlink_model::{ActionKind, Mac, Power, Span};
use serde::{Deserialize, Deserializer, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How carefully a plan goes about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Machines in one batch, which is also the most that may be down at once. Default 20; `None`: all. Machines that
    /// start together draw their inrush current together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// Between the end of a batch and the next. Default 1 s.
    #[serde(rename = "pause_s")]
    pub pause: Span,
    /// Machines that one plan may touch. Default 1,000; `None`: any number. A plan with more is refused as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_miners: Option<u32>,
    /// Power that one plan may switch. Default 5 MW; `None`: any. A plan with more is refused as a whole.
    #[serde(rename = "max_power_w", skip_serializing_if = "Option::is_none")]
    pub max_power: Option<Power>,
    /// Power that may be switched in one second. Default 100 kW; `None`: any.
    #[serde(rename = "max_power_per_s_w", skip_serializing_if = "Option::is_none")]
    pub max_power_per_s: Option<Power>,
    /// Machines that go first, and must come back healthy before any other goes. Default 3; 0: none.
    pub canary: u32,
    /// Failures that are put up with; one more stops the plan. Default 5.
    pub max_failures: u32,
    /// After this no command goes out. Default none.
    #[serde(rename = "deadline_s", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// Miners that are talked to at one time. Default 64, at least 1.
    pub concurrency: u32,
    /// How often a fault that passes is tried again before a command has gone out, where doing it twice does no harm.
    /// Default 2.
    pub retries: u32,
    /// How long the effect is waited for. `None`: as long as the kind of action usually takes, and then some.
    #[serde(rename = "prove_within_s", skip_serializing_if = "Option::is_none")]
    pub prove_within: Option<Span>,
    /// Whether machines are commanded that show neither hardware address nor serial number, so that nobody can tell
    /// whether they are still the same. Default no.
    pub unidentified: bool,
    /// What a machine is taken to draw that does not say. Default 3.5 kW.
    #[serde(rename = "assumed_power_w")]
    pub assumed_power: Power,
}

impl Default for Policy {
    fn default() -> Self {
        let kilowatts = |kw| Power::from_kilowatts(kw).ok();
        Self {
            batch: Some(20),
            pause: Span::from_seconds(1),
            max_miners: Some(1_000),
            max_power: kilowatts(5_000.0),
            max_power_per_s: kilowatts(100.0),
            canary: 3,
            max_failures: 5,
            deadline: None,
            concurrency: 64,
            retries: 2,
            prove_within: None,
            unidentified: false,
            assumed_power: assumed_power(),
        }
    }
}

fn assumed_power() -> Power {
    Power::from_watts(3_500.0).unwrap_or_else(|_finite| unreachable!("a positive number is a power"))
}

/// A setter for each field.
macro_rules! setters {
    ($( $(#[$doc:meta])* $name:ident => $field:ident: $ty:ty; )+) => { impl Policy { $(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $field: impl Into<$ty>) -> Self {
            self.$field = $field.into();
            self
        }
    )+ } };
}

setters! {
    /// With batches of this size.
    with_batch => batch: Option<u32>;
    /// With this pause between batches.
    with_pause => pause: Span;
    /// With this cap on machines.
    with_max_miners => max_miners: Option<u32>;
    /// With this cap on power.
    with_max_power => max_power: Option<Power>;
    /// With this rate of switching.
    with_max_power_per_s => max_power_per_s: Option<Power>;
    /// With so many to go first.
    with_canary => canary: u32;
    /// With this failure budget.
    with_max_failures => max_failures: u32;
    /// With this deadline.
    with_deadline => deadline: Option<Span>;
    /// Talking to so many at one time.
    with_concurrency => concurrency: u32;
    /// With so many retries.
    with_retries => retries: u32;
    /// Waiting so long for the effect.
    with_prove_within => prove_within: Option<Span>;
    /// With machines that show no mark, or without.
    with_unidentified => unidentified: bool;
}

impl Policy {
    /// Without stagger and limits: everything at once. For curtailing a farm in seconds, not for every day.
    pub fn unlimited() -> Self {
        Self {
            batch: None,
            pause: Span::default(),
            max_miners: None,
            max_power: None,
            max_power_per_s: None,
            canary: 0,
            max_failures: u32::MAX,
            concurrency: 1_024,
            ..Self::default()
        }
    }

    /// How long the effect of an action is waited for.
    pub fn proof_time(&self, kind: ActionKind) -> Duration {
        const MINUTE: u64 = 60;
        if let Some(time) = self.prove_within {
            return time.as_duration();
        }
        Duration::from_secs(match kind {
            ActionKind::Locate | ActionKind::Fans | ActionKind::SwitchPool | ActionKind::Password => 30,
            ActionKind::Pause | ActionKind::SetPools => MINUTE,
            ActionKind::Network => 2 * MINUTE,
            ActionKind::Reboot | ActionKind::Restart | ActionKind::Resume | ActionKind::FactoryReset => {
                10 * MINUTE
            }
            ActionKind::Update => 20 * MINUTE,
            _ => 5 * MINUTE,
        })
    }

    /// How long an action usually takes from the command to the proof; for estimates.
    pub(crate) const fn usual_time(kind: ActionKind) -> Duration {
        Duration::from_secs(match kind {
            ActionKind::Reboot => 120,
            ActionKind::Restart | ActionKind::PowerMode | ActionKind::SetFrequency => 90,
            ActionKind::Resume | ActionKind::Network => 60,
            ActionKind::PowerLimit => 30,
            ActionKind::FactoryReset => 180,
            ActionKind::Update => 420,
            ActionKind::Pause | ActionKind::SetPools => 5,
            _ => 3,
        })
    }
}

/// Machines that share a rack or a breaker, and what they may do at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Group {
    /// What people call it.
    pub name: String,
    /// Who belongs to it: addresses (`10.0.7.4`), networks (`10.0.7.0/24`), ranges (`10.0.7.1-10.0.7.40`), hardware
    /// addresses or serial numbers.
    pub members: Vec<Member>,
    /// How many of them may be switched at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_at_once: Option<u32>,
    /// How much power may be switched among them at one time.
    #[serde(default, rename = "max_kw", with = "kilowatts", skip_serializing_if = "Option::is_none")]
    pub max_power: Option<Power>,
}

/// The groups of a farm, as they are written in a file: a list of tables `group`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Groups {
    /// The groups.
    #[serde(default)]
    pub group: Vec<Group>,
}

impl Group {
    /// Whether a machine belongs to it.
    pub fn has(&self, ip: IpAddr, marks: &Marks) -> bool {
        self.members.iter().any(|member| member.is(ip, marks))
    }
}

/// Who belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Member {
    /// Addresses from one to another.
    Addresses {
        /// The first.
        first: IpAddr,
        /// The last.
        last: IpAddr,
    },
    /// The machine with this hardware address.
    Mac(Mac),
    /// The machine with this serial number, its own or its control board's.
    Serial(String),
}

impl Member {
    fn is(&self, ip: IpAddr, marks: &Marks) -> bool {
        match self {
            Self::Addresses { first, last } => {
                first.is_ipv4() == ip.is_ipv4() && (*first..=*last).contains(&ip)
            }
            Self::Mac(mac) => marks.mac == Some(*mac),
            Self::Serial(serial) => marks.has_serial(serial),
        }
    }

    /// Reads one; whatever is neither an address nor a hardware address is a serial number.
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("a member without a name".to_owned());
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Addresses { first: ip, last: ip });
        }
        if let Some((network, prefix)) = text.split_once('/')
            && let Ok(ip) = network.parse::<IpAddr>()
        {
            let prefix = prefix.parse().map_err(|_number| format!("{text:?}: no such prefix"))?;
            return network_of(ip, prefix).ok_or_else(|| format!("{text:?}: no such prefix"));
        }
        if let Some((first, last)) = text.split_once('-')
            && let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
        {
            if first.is_ipv4() != last.is_ipv4() || last < first {
                return Err(format!("{text:?} ends before it begins"));
            }
            return Ok(Self::Addresses { first, last });
        }
        Ok(text.parse().map_or_else(|_other| Self::Serial(text.to_owned()), Self::Mac))
    }
}

fn network_of(ip: IpAddr, prefix: u32) -> Option<Member> {
    let (first, last) = match ip {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (prefix <= 32)
                .then(|| ((ip.to_bits() & !host), ip.to_bits() | host))
                .map(|(first, last)| (IpAddr::from(first.to_be_bytes()), IpAddr::from(last.to_be_bytes())))?
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            (prefix <= 128)
                .then(|| ((ip.to_bits() & !host), ip.to_bits() | host))
                .map(|(first, last)| (IpAddr::from(first.to_be_bytes()), IpAddr::from(last.to_be_bytes())))?
        }
    };
    Some(Member::Addresses { first, last })
}

impl Serialize for Member {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Addresses { first, last } if first == last => serializer.collect_str(first),
            Self::Addresses { first, last } => serializer.collect_str(&format_args!("{first}-{last}")),
            Self::Mac(mac) => serializer.collect_str(mac),
            Self::Serial(serial) => serializer.serialize_str(serial),
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Power as people write it.
mod kilowatts {
    use super::{Deserialize, Deserializer, Power};
    use serde::{Serialize, Serializer};

    #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(power: &Option<Power>, serializer: S) -> Result<S::Ok, S::Error> {
        power.map(Power::as_kilowatts).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Power>, D::Error> {
        Option::<f64>::deserialize(deserializer)?
            .map(Power::from_kilowatts)
            .transpose()
            .map_err(serde::de::Error::custom)
    }
}
