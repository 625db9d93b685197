//! Faults as a firmware lists them.

use crate::Text;
use serde::{Deserialize, Serialize};

/// A fault that the firmware reports itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceError {
    /// The firmware's code, as printed ("110", "R:1").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// What it means.
    pub message: Text,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
    /// How bad it is.
    pub severity: Severity,
    /// Since when, by the miner's clock, as printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Text>,
}

impl DeviceError {
    /// A fault with a message; set the other fields as they are known.
    pub fn new(severity: Severity, message: impl Into<Text>) -> Self {
        Self { code: None, message: message.into(), component: None, severity, since: None }
    }

    /// With the firmware's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Text>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// About a component.
    #[must_use]
    pub fn about(mut self, component: Component) -> Self {
        self.component = Some(component);
        self
    }

    /// Since a time, as the miner printed it.
    #[must_use]
    pub fn since(mut self, since: impl Into<Text>) -> Self {
        self.since = Some(since.into());
        self
    }
}

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Component {
    /// A fan, by index where it is known.
    Fan(Option<u32>),
    /// A power supply.
    Psu,
    /// A hash board, by slot where it is known.
    Board(Option<u32>),
    /// A temperature sensor or too much heat.
    Temperature,
    /// A pool or the way to it.
    Pool,
    /// The control board or its network.
    ControlBoard,
    /// The firmware itself.
    Firmware,
}

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs something or soon will.
    Warning,
    /// Stops the machine or endangers it.
    Critical,
}
