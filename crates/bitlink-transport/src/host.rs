//! What a simulated machine does when somebody connects: the agreement between simulators and whatever serves them, in
//! memory or on real sockets.

use std::fmt::Debug;
use std::time::Duration;

/// A machine that exists in this process only. The same machine can be put behind a memory transport and behind real
/// sockets, and answers the same.
pub trait Host: Debug + Send + Sync + 'static {
    /// The ports at which it listens when all is well.
    fn ports(&self) -> Vec<u16> {
        vec![4028]
    }

    /// Whether it speaks TLS at a port. Only who serves it on real sockets need know: in memory nothing is enciphered.
    fn is_secure(&self, _port: u16) -> bool {
        false
    }

    /// Somebody connects to a port.
    fn connect(&self, port: u16) -> Door;

    /// Somebody who is connected has sent these bytes, all at once.
    fn respond(&self, port: u16, request: &[u8]) -> Script;
}

/// What a connecting client meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Door {
    /// Open, after as long as the way takes.
    Open {
        /// Time until the connection stands.
        after: Duration,
    },
    /// A machine is there and nobody listens.
    Refused,
    /// Nothing comes back.
    Silent,
}

/// What a machine does with a connection once it has read the request, act by act.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The acts, in order. After the last one the connection is closed.
    pub acts: Vec<Act>,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Sends the bytes over and over until the other side has enough.
    SendForever(Vec<u8>),
    /// Sends nothing more and leaves the connection open until the other side closes it.
    HoldOpen,
    /// Breaks the connection (RST).
    Reset,
}

impl Script {
    /// Sends one reply and closes.
    pub fn reply(bytes: impl Into<Vec<u8>>) -> Self {
        Self { acts: vec![Act::Send(bytes.into())] }
    }

    /// Closes without a byte.
    pub fn close() -> Self {
        Self::default()
    }
}
