//! What Elphapex's firmware can be told: Bitmain's pages with names of its own for the settings.

use super::super::antminer::commands::{self, Keys};
use crate::acting::{ActError, Order, Plan};
use bitlink_model::{Action, ActionKind, Capabilities, Support};

const KEYS: Keys = Keys {
    mode: ["fc-work-mode", "miner-mode"],
    level: ["fc-freq-level", "fc-freq-level"],
    fans: ["fc-fan-ctrl", "fc-fan-pwm"],
};

pub(super) fn capabilities() -> Capabilities {
    // The pages have Bitmain's names; of those besides the configuration nobody tells that he used them.
    let unverified = [
        ActionKind::Reboot,
        ActionKind::FactoryReset,
        ActionKind::Locate,
        ActionKind::Password,
        ActionKind::Fans,
        ActionKind::Network,
    ];
    let able = Capabilities::default()
        .with_all(&[ActionKind::Pause, ActionKind::Resume, ActionKind::SetPools, ActionKind::PowerMode])
        .with(
            ActionKind::Restart,
            Support::no("the firmware restarts its program with a new configuration only"),
        )
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has modes and no limit"))
        .with(ActionKind::SetFrequency, Support::no("no key for the frequency is established"))
        .with(ActionKind::Update, Support::no("what its firmware files are is not established"))
        .with(ActionKind::ReadLogs, Support::no("what its log's page answers is not established"));
    unverified.into_iter().fold(able, |all, kind| all.with(kind, Support::Unverified))
}

pub(super) fn plan(order: &Order<'_>) -> Result<Plan, ActError> {
    if matches!(order.action, Action::PowerMode { mode } if mode.trim().eq_ignore_ascii_case("high")) {
        return Err(ActError::impossible("the modes are normal, low and sleep"));
    }
    commands::plan(order, KEYS)
}
