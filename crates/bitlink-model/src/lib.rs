//! What is known about a miner: units, identity, readings, status.
//!
//! Values only: no I/O, no clock, no random numbers and nobody else's wire format. Three rules hold throughout:
//!
//! * **Absent is never zero.** Whatever a miner may leave out is an `Option`; a reading that was not given is `None`.
//! * **A number has a unit.** Quantities are newtypes ([`HashRate`], [`Temperature`], …) that are made and read by
//!   unit name, are stored in base units and refuse NaN and infinity. The one exception is [`MinerStats`], the flat
//!   view meant for printing.
//! * **A value says where it came from.** What a miner reported itself needs no mark; anything derived or taken from
//!   a data sheet is listed in [`MinerSnapshot::provenance`].

mod action;
mod identity;
pub mod metric;
mod parsed;
mod record;
mod snapshot;
mod status;
mod time;
mod units;
mod view;

/// A text that is written once and read by many: a copy of it is another count of the same one. Read it as a `&str`; make it
/// from a `&str` or a `String` with `into()`.
pub use arcstr::ArcStr as Text;

pub use action::{
    Action, ActionKind, Capabilities, FanSetting, FirmwareFile, NetworkSetting, PoolSetting, Secret, Support,
};
pub use identity::{Family, Firmware, Identity, Mac, MacError, Make, MinerId, NetworkIdentity, NoMinerId};
pub use metric::{Metric, MetricInfo, MetricJoin, MetricNature, MetricPlace, UnknownMetric};
pub use parsed::{Anomaly, AnomalyKind, Parsed};
pub use record::{Edit, EditError, LabelEdit, MinerRecord, Position, RecordEdit, Seen};
pub use snapshot::{
    Board, Component, DeviceError, Fan, FanLocation, HashRates, MinerSnapshot, MiningState, Pool, PoolStatus,
    Provenance, Psu, Severity, Shares, Source, Temperatures, Tuning,
};
pub use status::{Evidence, Finding, MinerStatus, Rule};
pub use time::{Span, Timestamp};
pub use units::{
    Current, Difficulty, Efficiency, Energy, FanSpeed, Frequency, HashRate, Power, Ratio, Temperature,
    UnitError, Utility, Voltage,
};
pub use view::{Miner, MinerStats, PoolStats};
