//! One full reading of one miner. Every field may be unknown; lists hold what the miner listed.
//!
//! Field names in serialised form carry the unit. What a miner did not say is left out of the JSON.

use crate::Text;
use crate::identity::{Identity, Mac};
use crate::parsed::{Anomaly, AnomalyKind};
use crate::time::{Span, Timestamp};
use crate::units::{
    Current, Difficulty, Efficiency, Energy, FanSpeed, Frequency, HashRate, Power, Ratio, Temperature,
    Utility, Voltage,
};
use serde::{Deserialize, Serialize};

mod fault;
mod provenance;

pub use fault::{Component, DeviceError, Severity};
pub use provenance::{Provenance, Source};

/// Declares a record of optional readings: every field defaults to unknown and is left out of the output while it is,
/// but for those in brackets, which number the record within its list.
macro_rules! readings {
    (
        $(#[$doc:meta])*
        $name:ident {
            $( [ $( $(#[$adoc:meta])* $afield:ident : $aty:ty ),+ $(,)? ] )?
            $( $(#[$fdoc:meta])* $field:ident : $ty:ty $(= $serial:literal)? ),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            $( $(
                $(#[$adoc])*
                pub $afield: $aty,
            )+ )?
            $(
                $(#[$fdoc])*
                #[serde(skip_serializing_if = "is_unknown")]
                $( #[serde(rename = $serial)] )?
                pub $field: $ty,
            )+
        }
    };
}

/// Whether a field says nothing and can be left out of the output.
fn is_unknown<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

readings! {
    /// Everything one miner said at one time.
    MinerSnapshot {
        /// When the reading was complete, by the clock of whoever took it.
        observed_at: Option<Timestamp> = "observed_at_ms",
        /// How long all questions of this reading took together.
        round_trip: Option<Span> = "round_trip_s",
        /// Who answered.
        identity: Identity,
        /// Whether it is mining, as far as it says.
        mining_state: Option<MiningState>,
        /// Hash rates.
        hashrate: HashRates,
        /// Power drawn from the wall, or the nearest that the firmware gives; see [`MinerSnapshot::provenance`].
        power: Option<Power> = "power_w",
        /// The limit or target that the firmware holds the power to.
        power_limit: Option<Power> = "power_limit_w",
        /// Energy per work.
        efficiency: Option<Efficiency> = "efficiency_j_per_th",
        /// Energy drawn in all.
        energy: Option<Energy> = "energy_j",
        /// Temperatures of the machine as a whole.
        temperatures: Temperatures,
        /// Hash boards, in slot order.
        boards: Vec<Board>,
        /// Hash boards that the machine should have.
        boards_expected: Option<u32>,
        /// Chips that all boards together should have.
        chips_expected: Option<u32>,
        /// Fans, in the miner's order.
        fans: Vec<Fan>,
        /// Power supplies.
        psus: Vec<Psu>,
        /// Configured pools, in the miner's order, empty slots left out.
        pools: Vec<Pool>,
        /// Shares and errors counted since the mining program started.
        shares: Shares,
        /// How the chips are driven.
        tuning: Tuning,
        /// Since the operating system started.
        uptime: Option<Span> = "uptime_s",
        /// Since the mining program started. Restarts of it are seen as this falling back.
        elapsed: Option<Span> = "elapsed_s",
        /// The locator light.
        light: Option<bool> = "light_on",
        /// Whether the password it was delivered with still opens its web server. Known only where it was asked for one.
        default_password: Option<bool>,
        /// The miner's own clock.
        device_time: Option<Timestamp> = "device_time_ms",
        /// Faults that the firmware reports itself.
        errors: Vec<DeviceError>,
        /// Oddities met while reading.
        anomalies: Vec<Anomaly>,
        /// Where values come from that the miner did not report directly, by their serialised field name. What is not
        /// listed was reported.
        provenance: Provenance,
    }
}

impl MinerSnapshot {
    /// Gives back the room that its lists have and do not need, for those who keep many.
    pub fn shrink_to_fit(&mut self) {
        for board in &mut self.boards {
            board.board_sensors.shrink_to_fit();
            board.chip_sensors.shrink_to_fit();
        }
        self.boards.shrink_to_fit();
        self.fans.shrink_to_fit();
        self.psus.shrink_to_fit();
        self.pools.shrink_to_fit();
        self.errors.shrink_to_fit();
        self.anomalies.shrink_to_fit();
        self.provenance.shrink_to_fit();
    }
}

readings! {
    /// Hash rates over windows that end now. `average` is since the mining program started.
    HashRates {
        /// The shortest window the firmware has: 5 s on most, 1 s to 30 s on some.
        realtime: Option<HashRate> = "realtime_hs",
        /// Last minute.
        one_minute: Option<HashRate> = "one_minute_hs",
        /// Last five minutes.
        five_minutes: Option<HashRate> = "five_minutes_hs",
        /// Last fifteen minutes.
        fifteen_minutes: Option<HashRate> = "fifteen_minutes_hs",
        /// Last half hour.
        thirty_minutes: Option<HashRate> = "thirty_minutes_hs",
        /// Last hour.
        one_hour: Option<HashRate> = "one_hour_hs",
        /// Last day.
        one_day: Option<HashRate> = "one_day_hs",
        /// Since the mining program started.
        average: Option<HashRate> = "average_hs",
        /// What it should reach as it is set now.
        expected: Option<HashRate> = "expected_hs",
        /// What it was sold as.
        nameplate: Option<HashRate> = "nameplate_hs",
    }
}

impl HashRates {
    /// The rate that stands for "now": the shortest window given, else the average.
    pub fn current(&self) -> Option<HashRate> {
        self.realtime
            .or(self.one_minute)
            .or(self.five_minutes)
            .or(self.fifteen_minutes)
            .or(self.thirty_minutes)
            .or(self.one_hour)
            .or(self.average)
    }

    /// The rate to judge health by: long enough to be calm, short enough to notice.
    pub fn settled(&self) -> Option<HashRate> {
        self.five_minutes.or(self.fifteen_minutes).or(self.thirty_minutes).or(self.average).or(self.realtime)
    }

    /// The current rate as a share of the expected one.
    pub fn of_expected(&self) -> Option<Ratio> {
        self.current()?.ratio_to(self.expected.or(self.nameplate)?)
    }
}

readings! {
    /// Temperatures of the machine as a whole.
    Temperatures {
        /// Room air.
        ambient: Option<Temperature> = "ambient_celsius",
        /// Air or fluid going in.
        inlet: Option<Temperature> = "inlet_celsius",
        /// Air or fluid coming out.
        outlet: Option<Temperature> = "outlet_celsius",
        /// Hottest chip.
        chip_max: Option<Temperature> = "chip_max_celsius",
        /// Mean over the chips.
        chip_average: Option<Temperature> = "chip_average_celsius",
        /// Coolest chip.
        chip_min: Option<Temperature> = "chip_min_celsius",
        /// Hottest board sensor.
        board_max: Option<Temperature> = "board_max_celsius",
        /// What the firmware regulates its fans towards.
        target: Option<Temperature> = "target_celsius",
        /// From here on the firmware cools with all it has.
        hot_limit: Option<Temperature> = "hot_limit_celsius",
        /// From here on the firmware stops the machine.
        dangerous_limit: Option<Temperature> = "dangerous_limit_celsius",
    }
}

impl Temperatures {
    /// The hottest place that has a sensor: a chip where chips are measured, else a board.
    pub fn hottest(&self) -> Option<Temperature> {
        self.chip_max.max(self.board_max)
    }
}

readings! {
    /// One hash board.
    Board {
        [
            /// Slot number, from 0.
            slot: u32,
        ]
        /// Serial number.
        serial: Option<Text>,
        /// Whether the board is found at all.
        present: Option<bool>,
        /// Whether it is hashing.
        active: Option<bool>,
        /// Current hash rate.
        hashrate: Option<HashRate> = "hashrate_hs",
        /// Mean hash rate since start.
        hashrate_average: Option<HashRate> = "hashrate_average_hs",
        /// What it should reach.
        hashrate_expected: Option<HashRate> = "hashrate_expected_hs",
        /// Hottest sensor on the circuit board.
        board_temperature: Option<Temperature> = "board_temperature_celsius",
        /// Hottest chip.
        chip_temperature: Option<Temperature> = "chip_temperature_celsius",
        /// Coolest chip.
        chip_temperature_min: Option<Temperature> = "chip_temperature_min_celsius",
        /// Mean over the chips.
        chip_temperature_average: Option<Temperature> = "chip_temperature_average_celsius",
        /// Every circuit-board sensor in the miner's order.
        board_sensors: Vec<Temperature> = "board_sensors_celsius",
        /// Every chip sensor in the miner's order.
        chip_sensors: Vec<Temperature> = "chip_sensors_celsius",
        /// Chips that answer.
        chips: Option<u32>,
        /// Chips that should be there.
        chips_expected: Option<u32>,
        /// Chips reported bad.
        chips_bad: Option<u32>,
        /// The firmware's own map of the chips, spaces removed: `o` good, `x` bad, `-` not there.
        chip_map: Option<Text>,
        /// Chip frequency.
        frequency: Option<Frequency> = "frequency_hz",
        /// Chip or board voltage.
        voltage: Option<Voltage> = "voltage_v",
        /// Power of this board.
        power: Option<Power> = "power_w",
        /// Hardware errors counted since start.
        hardware_errors: Option<u64>,
        /// The firmware's word for its state ("Alive").
        status: Option<Text>,
    }
}

impl Board {
    /// A board in a slot, nothing else known.
    pub fn in_slot(slot: u32) -> Self {
        Self { slot, ..Self::default() }
    }
}

readings! {
    /// One fan.
    Fan {
        [
            /// Number, from 0, in the miner's order.
            index: u32,
        ]
        /// Where it sits.
        location: Option<FanLocation>,
        /// Speed.
        speed: Option<FanSpeed> = "speed_rpm",
        /// How hard it is driven.
        duty: Option<Ratio> = "duty_ratio",
    }
}

impl Fan {
    /// A fan turning at a speed.
    pub fn new(index: u32, speed: FanSpeed) -> Self {
        Self { index, speed: Some(speed), ..Self::default() }
    }
}

/// Where a fan sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FanLocation {
    /// Blows in.
    Intake,
    /// Blows out.
    Exhaust,
    /// Inside the power supply.
    Psu,
}

readings! {
    /// One power supply.
    Psu {
        [
            /// Number, from 0.
            index: u32,
        ]
        /// Model.
        model: Option<Text>,
        /// Serial number.
        serial: Option<Text>,
        /// Firmware version.
        firmware: Option<Text>,
        /// Voltage going in.
        input_voltage: Option<Voltage> = "input_voltage_v",
        /// Current going in.
        input_current: Option<Current> = "input_current_a",
        /// Power going in.
        input_power: Option<Power> = "input_power_w",
        /// Voltage coming out.
        output_voltage: Option<Voltage> = "output_voltage_v",
        /// Current coming out.
        output_current: Option<Current> = "output_current_a",
        /// Power coming out.
        output_power: Option<Power> = "output_power_w",
        /// Power coming out as a share of what goes in.
        efficiency: Option<Ratio> = "efficiency_ratio",
        /// Its hottest sensor.
        temperature: Option<Temperature> = "temperature_celsius",
        /// Its own fan.
        fan_speed: Option<FanSpeed> = "fan_speed_rpm",
    }
}

readings! {
    /// One configured pool. Passwords are never kept.
    Pool {
        [
            /// The number that commands use for it. From 0 on most firmware, from 1 on WhatsMiner.
            id: u32,
        ]
        /// Address as configured.
        url: Option<Text>,
        /// Worker name.
        user: Option<Text>,
        /// 0 is tried first.
        priority: Option<i64>,
        /// Reachability.
        status: Option<PoolStatus>,
        /// Whether a session is up. More than one pool may be connected.
        connected: Option<bool>,
        /// Whether this is the one being mined on now.
        active: Option<bool>,
        /// Shares accepted.
        accepted: Option<u64>,
        /// Shares rejected.
        rejected: Option<u64>,
        /// Shares that came too late.
        stale: Option<u64>,
        /// Work thrown away.
        discarded: Option<u64>,
        /// Times that no work could be had.
        get_failures: Option<u64>,
        /// Times that a share could not be sent.
        remote_failures: Option<u64>,
        /// Accepted work in difficulty-1 shares.
        difficulty_accepted: Option<Difficulty>,
        /// Rejected work in difficulty-1 shares.
        difficulty_rejected: Option<Difficulty>,
        /// Stale work in difficulty-1 shares.
        difficulty_stale: Option<Difficulty>,
        /// Difficulty the pool asks for now.
        difficulty: Option<Difficulty>,
        /// Difficulty of the last accepted share.
        last_share_difficulty: Option<Difficulty>,
        /// When the last share was accepted, by the miner's clock.
        last_share: Option<Timestamp> = "last_share_ms",
        /// How long ago the last share was accepted, where the firmware says that instead.
        last_share_age: Option<Span> = "last_share_age_s",
        /// Best share found.
        best_share: Option<Difficulty>,
    }
}

/// Whether a pool can be mined on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PoolStatus {
    /// Answers.
    Alive,
    /// Does not answer.
    Dead,
    /// Switched off by the operator.
    Disabled,
    /// Answers and rejects the shares.
    Rejecting,
    /// The firmware does not know.
    Unknown,
}

readings! {
    /// Shares, work and errors counted since the mining program started. Counters fall back to 0 when it restarts.
    Shares {
        /// Shares accepted.
        accepted: Option<u64>,
        /// Shares rejected.
        rejected: Option<u64>,
        /// Shares that came too late.
        stale: Option<u64>,
        /// Work thrown away.
        discarded: Option<u64>,
        /// Times that no work could be had.
        get_failures: Option<u64>,
        /// Times that a share could not be sent.
        remote_failures: Option<u64>,
        /// Work asked for.
        getworks: Option<u64>,
        /// Nonces that were wrong.
        hardware_errors: Option<u64>,
        /// Wrong nonces as a share of all.
        hardware_error_ratio: Option<Ratio>,
        /// Rejected work as a share of all.
        rejected_ratio: Option<Ratio>,
        /// Stale work as a share of all.
        stale_ratio: Option<Ratio>,
        /// Accepted work in difficulty-1 shares.
        difficulty_accepted: Option<Difficulty>,
        /// Rejected work in difficulty-1 shares.
        difficulty_rejected: Option<Difficulty>,
        /// Stale work in difficulty-1 shares.
        difficulty_stale: Option<Difficulty>,
        /// Accepted shares per minute.
        utility: Option<Utility> = "utility_per_min",
        /// Difficulty-1 shares per minute.
        work_utility: Option<Utility> = "work_utility_per_min",
        /// Best share found.
        best_share: Option<Difficulty>,
        /// Blocks found.
        found_blocks: Option<u64>,
        /// Hashes computed in all.
        total_hashes: Option<f64>,
    }
}

readings! {
    /// How the chips are driven.
    Tuning {
        /// The firmware's word for its power or performance mode ("Normal", "High").
        mode: Option<Text>,
        /// Whether tuning has settled.
        settled: Option<bool>,
        /// How far tuning has come.
        progress: Option<Ratio> = "progress_ratio",
        /// Mean chip frequency.
        frequency: Option<Frequency> = "frequency_hz",
        /// Frequency it is driven towards.
        target_frequency: Option<Frequency> = "target_frequency_hz",
        /// Supply voltage of the boards.
        voltage: Option<Voltage> = "voltage_v",
        /// Chip temperature that the fans are steered towards.
        target_temperature: Option<Temperature> = "target_temperature_celsius",
        /// Whether the machine is cooled by a fluid.
        liquid_cooled: Option<bool>,
    }
}

/// Whether a miner is mining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MiningState {
    /// Hashing.
    Mining,
    /// Coming up: boards are being powered, warmed or tuned.
    Starting,
    /// Stopped by somebody's wish (paused, asleep, curtailed, switched off).
    Stopped,
    /// Should be hashing and is not.
    Failed,
}

impl MinerSnapshot {
    /// Fills what follows from the rest and marks it as derived: the hottest board and chip, the total rate as the sum
    /// of the boards, efficiency, the active pool. Never overwrites what the miner said.
    pub fn derive(&mut self) {
        let chip_max = self.boards.iter().filter_map(|b| b.chip_temperature).max();
        let board_max = self.boards.iter().filter_map(|b| b.board_temperature).max();
        let total = HashRate::sum(self.boards.iter().map(|b| b.hashrate));
        let expected = self
            .boards
            .iter()
            .all(|b| b.hashrate_expected.is_some())
            .then(|| HashRate::sum(self.boards.iter().map(|b| b.hashrate_expected)))
            .flatten();

        fill(
            &mut self.temperatures.chip_max,
            chip_max,
            &mut self.provenance,
            "temperatures.chip_max_celsius",
        );
        fill(
            &mut self.temperatures.board_max,
            board_max,
            &mut self.provenance,
            "temperatures.board_max_celsius",
        );
        if self.hashrate.current().is_none() {
            fill(&mut self.hashrate.realtime, total, &mut self.provenance, "hashrate.realtime_hs");
        }
        fill(&mut self.hashrate.expected, expected, &mut self.provenance, "hashrate.expected_hs");
        let efficiency =
            self.power.zip(self.hashrate.current()).and_then(|(power, rate)| Efficiency::of(power, rate));
        fill(&mut self.efficiency, efficiency, &mut self.provenance, "efficiency_j_per_th");
        self.derive_active_pool();
    }

    /// Takes note of the hardware address at which the miner was met. Where it told none of its own, this one fills the
    /// place and is marked as observed; where it told another, that stays and the contradiction is told. An address that
    /// tells nobody from others says nothing. Whoever calls this knows that no router was between.
    pub fn observe_mac(&mut self, seen: Mac) {
        if !seen.is_unique() {
            return;
        }
        match self.identity.mac {
            Some(told) if told == seen => {}
            Some(told) if told.is_unique() => self.anomalies.push(Anomaly {
                kind: AnomalyKind::Contradiction,
                place: MAC_FIELD.to_owned(),
                detail: format!("it says {told}, and {seen} was seen on the network"),
            }),
            _ => {
                self.identity.mac = Some(seen);
                self.provenance.mark(MAC_FIELD, Source::Observed);
            }
        }
    }

    /// Firmware keeps spare pools connected, so the pool in use is the connected, living one of the lowest priority.
    fn derive_active_pool(&mut self) {
        if self.pools.iter().any(|p| p.active.is_some()) {
            return;
        }
        let in_use = self
            .pools
            .iter()
            .filter(|p| p.connected == Some(true) && matches!(p.status, Some(PoolStatus::Alive) | None))
            .min_by_key(|p| (p.priority.unwrap_or(i64::MAX), p.id))
            .map(|p| p.id);
        if let Some(in_use) = in_use {
            for pool in &mut self.pools {
                pool.active = Some(pool.id == in_use);
            }
            self.provenance.mark("pools.active", Source::Derived);
        }
    }
}

const MAC_FIELD: &str = "identity.mac_address";

fn fill<T>(slot: &mut Option<T>, value: Option<T>, provenance: &mut Provenance, field: &'static str) {
    if slot.is_none() && value.is_some() {
        *slot = value;
        provenance.mark(field, Source::Derived);
    }
}

#[cfg(test)]
mod tests;
