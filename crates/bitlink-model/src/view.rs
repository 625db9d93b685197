//! The flat, printable view of a miner. Everything in it is taken from the snapshot, here and nowhere else.

use crate::Text;
use crate::identity::{Mac, MinerId};
use crate::snapshot::{MinerSnapshot, PoolStatus};
use crate::status::{Finding, MinerStatus};
use crate::time::Timestamp;
use serde::Serialize;
use std::net::IpAddr;

/// One miner as a program shows it: where it is, what it is, how it does, and the whole reading behind that.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Miner {
    /// Our own name for it.
    pub id: MinerId,
    /// Where it was reached.
    pub ip: IpAddr,
    /// The API port it was reached at.
    pub port: u16,
    /// Make and model ("Antminer S19 Pro"), or "unknown".
    pub model: Text,
    /// How it does.
    pub status: MinerStatus,
    /// Why it is not simply active.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The flat numbers, for printing.
    #[serde(skip)]
    pub stats: MinerStats,
    /// Whether what it said last stands for now: it was read, and since then it was neither dead nor unreadable nor long unasked.
    #[serde(skip)]
    pub is_live: bool,
    /// When it was last heard from.
    #[serde(rename = "last_updated_ms", skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<Timestamp>,
    /// Everything it said then. `None` before the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Box<MinerSnapshot>>,
}

impl Miner {
    /// A miner that is known by address only.
    pub fn unheard(ip: IpAddr, port: u16) -> Self {
        Self {
            id: MinerId::derived(&crate::Identity::default(), ip),
            ip,
            port,
            model: UNKNOWN,
            status: MinerStatus::Scanning,
            findings: Vec::new(),
            stats: MinerStats::default(),
            is_live: false,
            last_updated: None,
            snapshot: None,
        }
    }

    /// Takes note of the hardware address at which it was met, for one that tells none
    /// ([`MinerSnapshot::observe_mac`]): with that its id is another.
    pub fn observe_mac(&mut self, seen: Mac) {
        if let Some(snapshot) = self.snapshot.as_mut().filter(|snapshot| snapshot.identity.mac.is_none()) {
            snapshot.observe_mac(seen);
            self.id = MinerId::derived(&snapshot.identity, self.ip);
        }
    }

    /// A miner that has just been read.
    pub fn from_snapshot(ip: IpAddr, port: u16, status: MinerStatus, snapshot: MinerSnapshot) -> Self {
        Self {
            id: MinerId::derived(&snapshot.identity, ip),
            ip,
            port,
            model: snapshot.identity.name().unwrap_or(UNKNOWN),
            status,
            findings: Vec::new(),
            stats: MinerStats::from(&snapshot),
            is_live: true,
            last_updated: snapshot.observed_at,
            snapshot: Some(Box::new(snapshot)),
        }
    }

    /// With the reasons for its status.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }
}

/// What stands where nothing is known.
const UNKNOWN: Text = arcstr::literal!("unknown");

/// The numbers people print. A number that the miner did not report is NaN here, and never 0.
///
/// This is the one type that trades units for convenience; programs that compute should use [`MinerSnapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MinerStats {
    /// Mean hash rate since the mining program started, TH/s.
    pub hashrate_avg: f64,
    /// Hash rate of the shortest window given, TH/s.
    pub hashrate_rt: f64,
    /// What it should reach, TH/s.
    pub hashrate_expected: f64,
    /// Hottest chip, °C.
    pub temp_chip_max: f64,
    /// Hottest board sensor, °C.
    pub temp_board_max: f64,
    /// Per board, the hottest sensor there is, °C. A board without one is NaN.
    pub temperatures: Vec<f64>,
    /// Fan speeds, rpm. A fan that does not say is NaN.
    pub fans: Vec<f64>,
    /// Power, W.
    pub power: f64,
    /// Efficiency, J/TH.
    pub efficiency: f64,
    /// Since the operating system started, or the mining program where only that is known, s.
    pub uptime: f64,
    /// Shares accepted.
    pub accepted: f64,
    /// Shares rejected.
    pub rejected: f64,
    /// Hardware errors.
    pub hardware_errors: f64,
    /// Pools in the miner's order.
    pub pools: Vec<PoolStats>,
}

/// One pool, for printing.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// Address as configured, or empty.
    pub url: Text,
    /// Worker name, or empty.
    pub user: Text,
    /// Whether it answers.
    pub status: Option<PoolStatus>,
    /// Whether it is the one being mined on.
    pub active: Option<bool>,
}

impl Default for MinerStats {
    fn default() -> Self {
        Self {
            hashrate_avg: f64::NAN,
            hashrate_rt: f64::NAN,
            hashrate_expected: f64::NAN,
            temp_chip_max: f64::NAN,
            temp_board_max: f64::NAN,
            temperatures: Vec::new(),
            fans: Vec::new(),
            power: f64::NAN,
            efficiency: f64::NAN,
            uptime: f64::NAN,
            accepted: f64::NAN,
            rejected: f64::NAN,
            hardware_errors: f64::NAN,
            pools: Vec::new(),
        }
    }
}

impl From<&MinerSnapshot> for MinerStats {
    fn from(s: &MinerSnapshot) -> Self {
        let ths = |rate: Option<crate::HashRate>| rate.map_or(f64::NAN, crate::HashRate::as_ths);
        let celsius = |t: Option<crate::Temperature>| t.map_or(f64::NAN, crate::Temperature::as_celsius);
        Self {
            hashrate_avg: ths(s.hashrate.average),
            hashrate_rt: ths(s.hashrate.current()),
            hashrate_expected: ths(s.hashrate.expected.or(s.hashrate.nameplate)),
            temp_chip_max: celsius(s.temperatures.chip_max),
            temp_board_max: celsius(s.temperatures.board_max),
            temperatures: s
                .boards
                .iter()
                .map(|b| celsius(b.chip_temperature.max(b.board_temperature)))
                .collect(),
            fans: s.fans.iter().map(|f| f.speed.map_or(f64::NAN, crate::FanSpeed::as_rpm)).collect(),
            power: s.power.map_or(f64::NAN, crate::Power::as_watts),
            efficiency: s.efficiency.map_or(f64::NAN, crate::Efficiency::as_joules_per_terahash),
            uptime: s.uptime.or(s.elapsed).map_or(f64::NAN, |span| span.as_duration().as_secs_f64()),
            accepted: count(s.shares.accepted),
            rejected: count(s.shares.rejected),
            hardware_errors: count(s.shares.hardware_errors),
            pools: s
                .pools
                .iter()
                .map(|p| PoolStats {
                    url: p.url.clone().unwrap_or_default(),
                    user: p.user.clone().unwrap_or_default(),
                    status: p.status,
                    active: p.active,
                })
                .collect(),
        }
    }
}

/// Counters far beyond 2⁵³ lose their last digits here; that is what the snapshot is for.
#[allow(clippy::cast_precision_loss)]
fn count(value: Option<u64>) -> f64 {
    value.map_or(f64::NAN, |v| v as f64)
}

#[cfg(test)]
mod tests {
    //! The flat view says NaN where the miner said nothing.
    use super::*;

    #[test]
    fn nothing_said_is_nan_and_never_zero() {
        let stats = MinerStats::from(&MinerSnapshot::default());
        for number in [stats.hashrate_avg, stats.hashrate_rt, stats.power, stats.uptime, stats.accepted] {
            assert!(number.is_nan());
        }
        let zero = MinerSnapshot { power: crate::Power::from_watts(0.0).ok(), ..MinerSnapshot::default() };
        assert_eq!(MinerStats::from(&zero).power, 0.0, "a reported zero stays a zero");
    }
}
