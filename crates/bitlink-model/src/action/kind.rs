//! The kinds of action, by the words that people and programs use for them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Declares the kinds with their words, so that no list of them can be incomplete.
macro_rules! kinds {
    ( $( $(#[$doc:meta])* $name:ident = $word:literal ),+ $(,)? ) => {
        /// A kind of action.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ActionKind {
            $( $(#[$doc])* $name, )+
        }

        impl ActionKind {
            /// All of them.
            pub const ALL: &[Self] = &[ $( Self::$name, )+ ];

            /// Its word, as in serialised form.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $word, )+ }
            }
        }
    };
}

kinds! {
    /// Restart of the operating system.
    Reboot = "reboot",
    /// Restart of the mining program.
    Restart = "restart",
    /// Stop hashing.
    Pause = "pause",
    /// Go on hashing.
    Resume = "resume",
    /// The locator light.
    Locate = "locate",
    /// All pools.
    SetPools = "set_pools",
    /// Another of the configured pools.
    SwitchPool = "switch_pool",
    /// A limit to the power.
    PowerLimit = "power_limit",
    /// Power mode or preset.
    PowerMode = "power_mode",
    /// Chip frequency.
    SetFrequency = "set_frequency",
    /// Fans.
    Fans = "fans",
    /// Address.
    Network = "network",
    /// Password.
    Password = "password",
    /// Everything as delivered.
    FactoryReset = "factory_reset",
    /// Another firmware.
    Update = "update",
    /// Logs, read.
    ReadLogs = "read_logs",
}

impl ActionKind {
    /// Whether doing it twice comes to the same as doing it once, so that it may be tried again when it is not known
    /// whether it was done.
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Reboot | Self::Restart | Self::FactoryReset | Self::Update | Self::Password)
    }

    /// Whether the machine stops hashing for it, at once and for a while, or until told otherwise: such actions switch
    /// power.
    pub const fn interrupts(self) -> bool {
        matches!(
            self,
            Self::Reboot
                | Self::Restart
                | Self::Pause
                | Self::Resume
                | Self::PowerMode
                | Self::PowerLimit
                | Self::SetFrequency
                | Self::Network
                | Self::FactoryReset
                | Self::Update
        )
    }

    /// Whether the machine may be lost by it, until somebody walks to it.
    pub const fn is_dangerous(self) -> bool {
        matches!(self, Self::Network | Self::Password | Self::FactoryReset | Self::Update)
    }

    /// Whether anything is changed.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::ReadLogs)
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
