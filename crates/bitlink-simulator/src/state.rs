//! Everything a simulated miner knows about itself at one moment: plain numbers, no wire format.

use crate::fault::Fault;

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Down: connections are refused.
    Down,
    /// Nothing answers.
    Hung,
    /// The mining program has started and does not hash yet, or not at its full rate.
    Starting,
    /// Hashing.
    Mining,
    /// Put to sleep by somebody.
    Asleep,
    /// Ready to hash, and kept from it by a fault.
    Stopped,
}

/// A machine at one moment. Rates are in TH/s, temperatures in °C, power in W, voltages in V, times in seconds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MinerState {
    /// Unix time of the machine's calendar.
    pub when_s: u64,
    /// What it is doing.
    pub phase: Phase,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// Since the mining program started.
    pub elapsed_s: u64,
    /// Since the machine booted.
    pub uptime_s: u64,
    /// Hash rate now, as a five-second window shows it.
    pub rate_5s: f64,
    /// Over the last minute.
    pub rate_1m: f64,
    /// Over the last five minutes.
    pub rate_5m: f64,
    /// Over the last fifteen minutes.
    pub rate_15m: f64,
    /// Over the last thirty minutes.
    pub rate_30m: f64,
    /// Since the mining program started.
    pub rate_avg: f64,
    /// What the hardware should do.
    pub rate_ideal: f64,
    /// Mega-hashes done since the start.
    pub total_mh: f64,
    /// Mean chip frequency in MHz.
    pub frequency_mhz: f64,
    /// Its hash boards, the missing ones included.
    pub boards: Vec<BoardState>,
    /// Speed of each fan in rpm.
    pub fans_rpm: Vec<u64>,
    /// How far the fans are turned up, 0 to 1.
    pub fan_duty: f64,
    /// Power drawn.
    pub power_w: f64,
    /// Air at the intake.
    pub ambient_c: f64,
    /// Power supply's own temperature.
    pub psu_c: f64,
    /// Speed of the power supply's fan in rpm.
    pub psu_fan_rpm: u64,
    /// Mains voltage.
    pub mains_v: f64,
    /// Output voltage of the power supply.
    pub output_v: f64,
    /// Its pools, in order of priority.
    pub pools: Vec<PoolState>,
    /// Difficulty of the highest share.
    pub best_share: u64,
    /// Blocks that the network has found since the start.
    pub network_blocks: u64,
}

/// A hash board at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BoardState {
    /// Whether it is detected.
    pub present: bool,
    /// Chips that belong on it.
    pub chips: u64,
    /// Chips that answer.
    pub chips_ok: u64,
    /// Hash rate now.
    pub rate_5s: f64,
    /// Hash rate over the last minute.
    pub rate_1m: f64,
    /// Hash rate over the last five minutes.
    pub rate_5m: f64,
    /// Hash rate over the last fifteen minutes.
    pub rate_15m: f64,
    /// Hash rate since the start.
    pub rate_avg: f64,
    /// What it should do.
    pub rate_ideal: f64,
    /// Mega-hashes done since the start.
    pub total_mh: f64,
    /// Mean chip frequency in MHz.
    pub frequency_mhz: f64,
    /// Board supply in volts.
    pub voltage: f64,
    /// Four sensors on the circuit board.
    pub pcb_c: [f64; 4],
    /// Four chip temperatures.
    pub chip_c: [f64; 4],
    /// Raw readings of the four sensors.
    pub raw_c: [f64; 4],
    /// Hardware errors since the start.
    pub hardware_errors: u64,
    /// Accepted shares found on it.
    pub accepted: u64,
    /// Rejected shares found on it.
    pub rejected: u64,
    /// Serial number.
    pub serial: String,
}

/// A pool at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PoolState {
    /// Address; empty for an unused slot.
    pub url: String,
    /// Worker.
    pub user: String,
    /// Whether it answers.
    pub alive: bool,
    /// Whether the machine works for it.
    pub active: bool,
    /// Difficulty of a share.
    pub difficulty: u64,
    /// Accepted shares.
    pub accepted: u64,
    /// Rejected shares.
    pub rejected: u64,
    /// Stale shares.
    pub stale: u64,
    /// Work thrown away.
    pub discarded: u64,
    /// Jobs received.
    pub getworks: u64,
    /// Seconds since the last share; `None` when there has been none.
    pub last_share_ago_s: Option<u64>,
}

impl MinerState {
    /// Accepted shares over all pools.
    pub fn accepted(&self) -> u64 {
        self.pools.iter().map(|pool| pool.accepted).sum()
    }

    /// Rejected shares over all pools.
    pub fn rejected(&self) -> u64 {
        self.pools.iter().map(|pool| pool.rejected).sum()
    }

    /// Stale shares over all pools.
    pub fn stale(&self) -> u64 {
        self.pools.iter().map(|pool| pool.stale).sum()
    }

    /// Work thrown away over all pools.
    pub fn discarded(&self) -> u64 {
        self.pools.iter().map(|pool| pool.discarded).sum()
    }

    /// Jobs received over all pools.
    pub fn getworks(&self) -> u64 {
        self.pools.iter().map(|pool| pool.getworks).sum()
    }

    /// Hardware errors over all boards.
    pub fn hardware_errors(&self) -> u64 {
        self.boards.iter().map(|board| board.hardware_errors).sum()
    }

    /// Boards that are detected.
    pub fn boards_present(&self) -> impl Iterator<Item = (usize, &BoardState)> {
        self.boards.iter().enumerate().filter(|(_, board)| board.present)
    }

    /// Chips that answer.
    pub fn chips_ok(&self) -> u64 {
        self.boards.iter().map(|board| board.chips_ok).sum()
    }

    /// The hottest chip; `None` when no board is detected.
    pub fn hottest_chip_c(&self) -> Option<f64> {
        self.boards_present().flat_map(|(_, board)| board.chip_c).reduce(f64::max)
    }
}

impl PoolState {
    /// An unused slot.
    pub(crate) const fn empty() -> Self {
        Self {
            url: String::new(),
            user: String::new(),
            alive: false,
            active: false,
            difficulty: 0,
            accepted: 0,
            rejected: 0,
            stale: 0,
            discarded: 0,
            getworks: 0,
            last_share_ago_s: None,
        }
    }
}
