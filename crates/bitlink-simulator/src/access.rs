//! Who may come in: what has been made of a machine's login and of its doors since it was delivered.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a machine lets people in. By default as it was delivered: the usual password, sessions that last, an open API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Access {
    /// The password of its web server, where somebody has changed it.
    pub password: Option<String>,
    /// How much simulated time passes until its sessions end, all at the same moment; then until the next end. At least
    /// a millisecond. Default never.
    pub session_time: Option<Duration>,
    /// How many requests a session is good for; the login is none of them. At least 1. Default any number.
    pub session_requests: Option<u32>,
    /// Nobody can log in: somebody else holds the one session that there is. A server that knows no sessions takes no
    /// password instead.
    pub locked: bool,
    /// How the port of the API is.
    pub api: ApiDoor,
    /// Whether commands are let through that the firmware keeps shut as it is delivered: WhatsMiner's orders, the privileged
    /// commands of cgminer. Default not.
    pub privileged: bool,
}

impl Access {
    /// With another password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// With sessions that end each time this much has passed.
    #[must_use]
    pub fn with_session_time(mut self, time: Duration) -> Self {
        self.session_time = Some(time);
        self
    }

    /// With sessions that are good for so many requests.
    #[must_use]
    pub fn with_session_requests(mut self, requests: u32) -> Self {
        self.session_requests = Some(requests);
        self
    }

    /// With the login held by somebody else, or free.
    #[must_use]
    pub fn with_locked(mut self, locked: bool) -> Self {
        self.locked = locked;
        self
    }

    /// With commands that are shut as delivered let through.
    #[must_use]
    pub fn with_privileged(mut self, privileged: bool) -> Self {
        self.privileged = privileged;
        self
    }

    /// With the port of the API in another state.
    #[must_use]
    pub fn with_api(mut self, api: ApiDoor) -> Self {
        self.api = api;
        self
    }
}

/// How the port of the API is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ApiDoor {
    /// It answers.
    #[default]
    Open,
    /// The API is switched off: nobody listens.
    Shut,
    /// An access list does not name the client: connections are closed without a byte.
    Denied,
    /// A firewall swallows everything. On real sockets connections stand and nothing comes.
    Silent,
}

impl ApiDoor {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Shut, Self::Denied, Self::Silent];

    /// Its name, as in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shut => "shut",
            Self::Denied => "denied",
            Self::Silent => "silent",
        }
    }
}

impl fmt::Display for ApiDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no state of a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a port is not {0:?}; it is one of: {known}", known = names())]
pub struct UnknownApiDoor(String);

fn names() -> String {
    ApiDoor::ALL.map(ApiDoor::name).join(", ")
}

impl FromStr for ApiDoor {
    type Err = UnknownApiDoor;

    fn from_str(text: &str) -> Result<Self, UnknownApiDoor> {
        let wanted = text.trim();
        Self::ALL
            .into_iter()
            .find(|door| door.name().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownApiDoor(wanted.to_owned()))
    }
}
