//! What can be done to a miner, as values: the action and its settings, and which actions a miner can take. How a firmware
//! wants to be told is not known here.

use crate::units::{Frequency, Power, Ratio};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

mod kind;

pub use kind::ActionKind;

/// One thing to be done to a miner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Restarts the operating system.
    Reboot,
    /// Restarts the mining program, not the machine.
    Restart,
    /// Stops hashing until told otherwise.
    Pause,
    /// Goes on hashing.
    Resume,
    /// Switches the light by which somebody finds the machine.
    Locate {
        /// On or off.
        on: bool,
    },
    /// Replaces all configured pools.
    SetPools {
        /// The new ones, the first to be tried first.
        pools: Vec<PoolSetting>,
    },
    /// Mines on another of the configured pools.
    SwitchPool {
        /// Its [`Pool::id`](crate::Pool::id).
        pool: u32,
    },
    /// Holds the power drawn below a limit.
    PowerLimit {
        /// The limit.
        #[serde(rename = "power_w")]
        power: Power,
    },
    /// Sets the firmware's own power or performance mode, or a preset, by the firmware's word for it.
    PowerMode {
        /// The word ("low", "normal", "high", "2850W").
        mode: String,
    },
    /// Drives the chips at a frequency, or tunes towards one.
    SetFrequency {
        /// The frequency.
        #[serde(rename = "frequency_hz")]
        frequency: Frequency,
    },
    /// Drives the fans.
    Fans {
        /// How.
        fans: FanSetting,
    },
    /// Sets how the machine gets its address.
    Network {
        /// How.
        network: NetworkSetting,
    },
    /// Changes the password of its web server or API.
    Password {
        /// The account; the firmware's only one when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The new password.
        new: Secret,
    },
    /// Puts everything back to how it was delivered.
    FactoryReset,
    /// Installs a firmware.
    Update {
        /// The file.
        firmware: FirmwareFile,
    },
    /// Reads its logs. Changes nothing.
    ReadLogs,
}

impl Action {
    /// Which kind of action it is.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Reboot => ActionKind::Reboot,
            Self::Restart => ActionKind::Restart,
            Self::Pause => ActionKind::Pause,
            Self::Resume => ActionKind::Resume,
            Self::Locate { .. } => ActionKind::Locate,
            Self::SetPools { .. } => ActionKind::SetPools,
            Self::SwitchPool { .. } => ActionKind::SwitchPool,
            Self::PowerLimit { .. } => ActionKind::PowerLimit,
            Self::PowerMode { .. } => ActionKind::PowerMode,
            Self::SetFrequency { .. } => ActionKind::SetFrequency,
            Self::Fans { .. } => ActionKind::Fans,
            Self::Network { .. } => ActionKind::Network,
            Self::Password { .. } => ActionKind::Password,
            Self::FactoryReset => ActionKind::FactoryReset,
            Self::Update { .. } => ActionKind::Update,
            Self::ReadLogs => ActionKind::ReadLogs,
        }
    }

    /// Whether everything is there to carry it out. An action that was written down and read again lacks its secrets and
    /// its file.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::SetPools { pools } => pools.iter().all(|pool| pool.password.is_known()),
            Self::Password { new, .. } => new.is_known(),
            Self::Update { firmware } => !firmware.bytes.is_empty(),
            _ => true,
        }
    }
}

/// One pool to be configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PoolSetting {
    /// Address ("stratum+tcp://pool.example:3333").
    pub url: String,
    /// Worker name.
    pub user: String,
    /// Password of the worker.
    #[serde(default)]
    pub password: Secret,
}

impl PoolSetting {
    /// A pool.
    pub fn new(url: impl Into<String>, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { url: url.into(), user: user.into(), password: Secret::new(password) }
    }
}

/// How fans are driven.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FanSetting {
    /// By the firmware, as the temperatures want it.
    Automatic,
    /// At a share of full speed, whatever the temperatures say.
    Fixed {
        /// The share.
        #[serde(rename = "duty_ratio")]
        duty: Ratio,
    },
    /// Not at all: the machine sits in a fluid.
    Off,
}

/// How a machine gets its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkSetting {
    /// By DHCP.
    Dhcp,
    /// By hand.
    Static {
        /// Its address.
        address: Ipv4Addr,
        /// The length of its network's prefix, 1 to 30.
        prefix: u8,
        /// The way out.
        gateway: Ipv4Addr,
        /// Who resolves names, at most two are used.
        dns: Vec<Ipv4Addr>,
    },
}

/// A text that is never printed and never written down: it comes out as `null`, and what is read back is not known.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Option<String>);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }

    /// Whether it is known.
    pub const fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// The text, where it is known.
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_known() { "Secret(…)" } else { "Secret(not known)" })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Takes a text as the secret: settings that people write have them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(deserializer).map(Self)
    }
}

/// A firmware to be installed. Its content is never written down.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareFile {
    /// What the file is called; some firmware tells from the name what it is.
    pub name: String,
    /// The content.
    #[serde(skip, default = "no_bytes")]
    pub bytes: Arc<[u8]>,
}

fn no_bytes() -> Arc<[u8]> {
    Arc::from([])
}

impl fmt::Debug for FirmwareFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirmwareFile({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// Whether a miner can be told to do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "support", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Support {
    /// It can.
    Yes,
    /// It should, as documented; nobody has seen it.
    Unverified,
    /// It cannot.
    No {
        /// Why not.
        why: Cow<'static, str>,
    },
}

impl Support {
    /// It cannot, and why.
    pub const fn no(why: &'static str) -> Self {
        Self::No { why: Cow::Borrowed(why) }
    }

    /// Whether it may be tried.
    pub const fn is_possible(&self) -> bool {
        !matches!(self, Self::No { .. })
    }
}

/// What a miner can be told to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(BTreeMap<ActionKind, Support>);

/// What is said of what nobody has said anything about.
const NOT_IMPLEMENTED: Support = Support::no("no way to tell this firmware is known");

impl Capabilities {
    /// With one more kind of action.
    #[must_use]
    pub fn with(mut self, kind: ActionKind, support: Support) -> Self {
        self.0.insert(kind, support);
        self
    }

    /// With kinds of action that are possible.
    #[must_use]
    pub fn with_all(self, kinds: &[ActionKind]) -> Self {
        kinds.iter().fold(self, |all, kind| all.with(*kind, Support::Yes))
    }

    /// Whether it can do this.
    pub fn of(&self, kind: ActionKind) -> Support {
        self.0.get(&kind).cloned().unwrap_or(NOT_IMPLEMENTED)
    }

    /// What was said, in the order of the kinds.
    pub fn iter(&self) -> impl Iterator<Item = (ActionKind, &Support)> {
        self.0.iter().map(|(kind, support)| (*kind, support))
    }
}

#[cfg(test)]
mod tests;
