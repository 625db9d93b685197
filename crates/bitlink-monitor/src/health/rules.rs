//! The health rules as data: every limit, how long it must be broken, and why it stands where it does. No logic but the
//! check that the numbers make sense.

use bitlink_model::{Rule, Severity};
use std::time::Duration;

/// The names of the rules, as they appear in findings.
pub mod rule {
    use bitlink_model::Rule;

    /// It does not answer.
    pub const NO_ANSWER: Rule = Rule::new("no_answer");
    /// It answers again after having been dead, but not for long yet.
    pub const RECOVERING: Rule = Rule::new("recovering");
    /// It answers, and the answers cannot be used: access denied, malformed, another service.
    pub const UNREADABLE: Rule = Rule::new("unreadable");
    /// Another address answers as the same machine.
    pub const IDENTITY_SHARED: Rule = Rule::new("identity_shared");
    /// This machine has not been able to ask it for so long that nothing can be said of it.
    pub const NOT_ASKED: Rule = Rule::new("not_asked");
    /// It hashes less than it should.
    pub const HASHRATE_LOW: Rule = Rule::new("hashrate_low");
    /// Its accepted shares prove less work than it reports.
    pub const SHARE_RATE_LOW: Rule = Rule::new("share_rate_low");
    /// It should hash and does not at all.
    pub const NOT_HASHING: Rule = Rule::new("not_hashing");
    /// Its hottest chip is too hot.
    pub const CHIP_HOT: Rule = Rule::new("chip_hot");
    /// Its hottest board sensor is too hot.
    pub const BOARD_HOT: Rule = Rule::new("board_hot");
    /// The air or fluid that goes in is too hot.
    pub const INLET_HOT: Rule = Rule::new("inlet_hot");
    /// The air or fluid that comes out is too hot.
    pub const OUTLET_HOT: Rule = Rule::new("outlet_hot");
    /// A fan stands still or nearly so.
    pub const FAN_STOPPED: Rule = Rule::new("fan_stopped");
    /// Fewer hash boards than it should have.
    pub const BOARDS_MISSING: Rule = Rule::new("boards_missing");
    /// Fewer hash boards than it told itself within the last day.
    pub const BOARDS_GONE: Rule = Rule::new("boards_gone");
    /// A board does nothing while others hash.
    pub const BOARD_IDLE: Rule = Rule::new("board_idle");
    /// Chips do not answer or are reported bad.
    pub const CHIPS_LOST: Rule = Rule::new("chips_lost");
    /// Fewer chips answer than did within the last day.
    pub const CHIPS_GONE: Rule = Rule::new("chips_gone");
    /// No pool is alive.
    pub const POOLS_DEAD: Rule = Rule::new("pools_dead");
    /// It mines for a pool that is not allowed.
    pub const POOL_NOT_ALLOWED: Rule = Rule::new("pool_not_allowed");
    /// No share has been accepted for long.
    pub const NO_SHARES: Rule = Rule::new("no_shares");
    /// Too many shares are rejected.
    pub const REJECTED_HIGH: Rule = Rule::new("rejected_high");
    /// Too many shares come too late.
    pub const STALE_HIGH: Rule = Rule::new("stale_high");
    /// Too many wrong nonces.
    pub const HARDWARE_ERRORS: Rule = Rule::new("hardware_errors");
    /// The mining program restarts over and over.
    pub const RESTARTS: Rule = Rule::new("restarts");
    /// The firmware reports a fault.
    pub const DEVICE_ERROR: Rule = Rule::new("device_error");
    /// The firmware says that it should mine and cannot.
    pub const MINING_FAILED: Rule = Rule::new("mining_failed");
    /// It has been starting up for too long.
    pub const START_SLOW: Rule = Rule::new("start_slow");
    /// It is idle by somebody's wish. Not a fault.
    pub const STOPPED: Rule = Rule::new("stopped");
}

/// A limit, and how long it must be broken without a break before it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The limit, in the unit that the field it stands in says.
    pub value: f64,
    /// How long; zero means at once.
    pub hold: Duration,
}

impl Limit {
    /// A limit that must be broken for so many minutes.
    pub const fn minutes(value: f64, minutes: u64) -> Self {
        Self { value, hold: Duration::from_mins(minutes) }
    }

    /// A limit that counts at once.
    pub const fn at_once(value: f64) -> Self {
        Self { value, hold: Duration::ZERO }
    }
}

/// Two limits on one reading. Each is raised by itself, after its own time, and is taken back only when the reading is
/// better than the limit by the margin, so that a reading that dances on the limit does not flap. `None` is off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Costs something or soon will.
    pub warning: Option<Limit>,
    /// Stops the machine or endangers it.
    pub critical: Option<Limit>,
    /// How much better than the limit a reading must be to clear it, in the unit of the limit. 0 or more.
    pub margin: f64,
}

impl Band {
    /// Both limits and the margin.
    pub const fn new(warning: Limit, critical: Limit, margin: f64) -> Self {
        Self { warning: Some(warning), critical: Some(critical), margin }
    }

    /// No limits at all.
    pub const OFF: Self = Self { warning: None, critical: None, margin: 0.0 };
}

/// Every limit that decides whether a miner is active, warning or dead. The defaults are what operators use (a survey of
/// fleet managers, exporters and vendors' tools), on the quiet side: a fault is worth a visit.
///
/// Readings that a miner does not give are never judged: they raise nothing and clear nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// Polls in a row without an answer before [`rule::NO_ANSWER`] is raised. Default 3, 1 to 100: single-threaded
    /// firmware misses one now and then while it serves somebody else.
    pub dead_after_failures: u32,
    /// How long a miner that has answered before must have been silent, on top of the failures above, before it is dead.
    /// Default 60 s, up to a day: two minutes without this rule proved too noisy elsewhere, and polls may be only a
    /// second apart.
    pub dead_after: Duration,
    /// Answers in a row after which a miner that was dead is judged like any other. Default 2, 1 to 100.
    pub alive_after_answers: u32,
    /// For so long after the mining program started, hash rate, idle boards and missing shares do not count.
    /// Default 10 min, up to a day: tuning and pool connections take that long.
    pub warm_up: Duration,
    /// Least hash rate as a share of the expected one (or of the nameplate). Default 0.85 for 15 min, 0.75 for 10 min,
    /// margin 0.02: rates dip when a pool reconnects or a board resets.
    pub hashrate_ratio: Band,
    /// How long a miner that should hash may report a rate of exactly 0. Default 5 min.
    pub not_hashing_for: Duration,
    /// Least hash rate that the accepted shares prove, as a share of the one that is reported, over
    /// [`Rules::share_rate_window`]. Default 0.90 as a warning, none critical, margin 0.02: what pools reject and what comes
    /// late has rules of its own.
    pub share_rate_ratio: Band,
    /// The time over which shares are weighed against the reported rate. Default 60 min.
    pub share_rate_window: Duration,
    /// Shares come by chance: by so many standard deviations the proven rate must be below the limit before it counts.
    /// Default 4, 1 to 10: with some 600 shares in the window, a miner that tells the truth gets there once in a hundred
    /// thousand years.
    pub share_rate_sigmas: f64,
    /// Limits on the hottest chip, °C. Default 85 and 95, both at once, margin 3: a technician on site must see a hot
    /// machine at once; whoever sends mail gives it a hold of some minutes.
    pub chip_celsius: Band,
    /// Limits on the hottest board sensor, °C. Default 80 and 90, both at once, margin 3: several models switch
    /// themselves off at 80.
    pub board_celsius: Band,
    /// Limits on the air or fluid that goes in, °C. Default none, margin 2; on for models cooled by a fluid whose limits are
    /// known ([`RuleBook::SHIPPED`](super::RuleBook::SHIPPED)).
    pub inlet_celsius: Band,
    /// Limits on the air or fluid that comes out, °C. Default none, margin 2; on as before.
    pub outlet_celsius: Band,
    /// Slowest a fan may turn while the miner hashes, rpm; critical. Default 1000 for 2 min. Fans of power supplies and
    /// of machines cooled by a fluid are not judged.
    pub fan_rpm: Option<Limit>,
    /// How long boards may be missing before it counts. Default 2 min.
    pub boards_missing_for: Duration,
    /// How long a board may do nothing while others hash. Default 5 min.
    pub board_idle_for: Duration,
    /// Share of chips lost that is a warning. Default 0.02 for 5 min. Fewer lost chips are told as information: nobody
    /// wants a mail for ever about one dead chip.
    pub chips_lost_ratio: Option<Limit>,
    /// Share of the chips that answered within [`Rules::parts_remembered_for`] and no longer do that is a warning. Default
    /// 0.01 for 5 min; fewer are told as information.
    pub chips_gone_ratio: Option<Limit>,
    /// For how long the most boards and chips that a miner told are held against it. Default 24 h, 10 min to 7 days: what
    /// has gone missing since yesterday is news, and after that it is either known or a fault by the model's own numbers.
    pub parts_remembered_for: Duration,
    /// How long all pools may be dead. Default 5 min.
    pub pools_dead_for: Duration,
    /// Hosts (`pool.example`) or hosts with port (`pool.example:3333`) that may be mined for; any when empty, which is
    /// the default. A miner that mines for another one is critical at once.
    pub allowed_pools: Vec<String>,
    /// How many times the usual time between two accepted shares may pass without one. Default 8, more than 1.
    pub no_share_factor: f64,
    /// The least time without a share that counts, however fast shares usually come. Default 10 min.
    pub no_share_least: Duration,
    /// The time without a share that counts where the usual time is not known. Default 30 min.
    pub no_share_unknown: Duration,
    /// Rejected shares as a share of all, over [`Rules::shares_window`]. Default 0.02 and 0.10, margin 0.005.
    pub rejected_ratio: Band,
    /// Stale shares as a share of all, over [`Rules::shares_window`]. Default 0.02 and 0.10, margin 0.005.
    pub stale_ratio: Band,
    /// The time over which shares are counted. Default 30 min.
    pub shares_window: Duration,
    /// How many shares must have come in that time for a share of them to mean anything. Default 100.
    pub shares_least: u64,
    /// Wrong nonces as a share of all, as the miner counts them. Default 0.01 and 0.05, each for 10 min, margin 0.002.
    pub hardware_error_ratio: Band,
    /// How many restarts of the mining program within [`Rules::restarts_window`] count. Default 2, 1 to 100.
    pub restarts: u32,
    /// The time over which restarts are counted. Default 60 min.
    pub restarts_window: Duration,
    /// How long a fault that the firmware no longer lists is kept. Default 2 min: some firmware lists a fault only every
    /// other time.
    pub device_error_clears_after: Duration,
    /// How long the firmware must have said that mining failed. Default 1 min.
    pub failed_for: Duration,
    /// How long a miner may be starting up. Default 60 min: tuning of new chips can take that long.
    pub starting_for: Duration,
    /// A longer pause than this between two readings of one thing starts its times anew: what was not watched cannot
    /// count as having lasted. Default 5 min; the monitor makes it at least three intervals.
    pub longest_gap: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let minutes = Duration::from_mins;
        Self {
            dead_after_failures: 3,
            dead_after: minutes(1),
            alive_after_answers: 2,
            warm_up: minutes(10),
            hashrate_ratio: Band::new(Limit::minutes(0.85, 15), Limit::minutes(0.75, 10), 0.02),
            share_rate_ratio: Band { warning: Some(Limit::at_once(0.90)), critical: None, margin: 0.02 },
            share_rate_window: minutes(60),
            share_rate_sigmas: 4.0,
            not_hashing_for: minutes(5),
            chip_celsius: Band::new(Limit::at_once(85.0), Limit::at_once(95.0), 3.0),
            board_celsius: Band::new(Limit::at_once(80.0), Limit::at_once(90.0), 3.0),
            inlet_celsius: Band { margin: 2.0, ..Band::OFF },
            outlet_celsius: Band { margin: 2.0, ..Band::OFF },
            fan_rpm: Some(Limit::minutes(1000.0, 2)),
            boards_missing_for: minutes(2),
            board_idle_for: minutes(5),
            chips_lost_ratio: Some(Limit::minutes(0.02, 5)),
            chips_gone_ratio: Some(Limit::minutes(0.01, 5)),
            parts_remembered_for: Duration::from_hours(24),
            pools_dead_for: minutes(5),
            allowed_pools: Vec::new(),
            no_share_factor: 8.0,
            no_share_least: minutes(10),
            no_share_unknown: minutes(30),
            rejected_ratio: Band::new(Limit::at_once(0.02), Limit::at_once(0.10), 0.005),
            stale_ratio: Band::new(Limit::at_once(0.02), Limit::at_once(0.10), 0.005),
            shares_window: minutes(30),
            shares_least: 100,
            hardware_error_ratio: Band::new(Limit::minutes(0.01, 10), Limit::minutes(0.05, 10), 0.002),
            restarts: 2,
            restarts_window: minutes(60),
            device_error_clears_after: minutes(2),
            failed_for: minutes(1),
            starting_for: minutes(60),
            longest_gap: minutes(5),
        }
    }
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A number is outside of what makes sense for it.
    #[error("{field} is {value}, allowed is {allowed}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: f64,
        /// What it may hold.
        allowed: &'static str,
    },
    /// The critical limit of a band is milder than its warning limit, so one of them could never be right.
    #[error("the critical limit of {field} is milder than its warning limit")]
    WrongOrder {
        /// The field.
        field: &'static str,
    },
    /// The rules make no sense once they are changed for some miners.
    #[error("the override for {model} makes no sense")]
    InOverride {
        /// For which.
        model: String,
        /// Why not.
        #[source]
        source: Box<RulesError>,
    },
}

/// Which way a reading gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worse {
    Higher,
    Lower,
}

impl Rules {
    /// The same with some of it changed.
    ///
    /// ```
    /// use bitlink_monitor::{Limit, Rules};
    ///
    /// let calm = Rules::default().with(|rules| rules.chip_celsius.warning = Some(Limit::minutes(85.0, 5)));
    /// assert!(calm.validate().is_ok());
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Limits that are switched off: the rule, and the severity where only one of two is.
    pub(super) fn switched_off(&self) -> impl Iterator<Item = (Rule, Option<Severity>)> {
        let bands = [
            (rule::HASHRATE_LOW, &self.hashrate_ratio),
            (rule::SHARE_RATE_LOW, &self.share_rate_ratio),
            (rule::CHIP_HOT, &self.chip_celsius),
            (rule::BOARD_HOT, &self.board_celsius),
            (rule::INLET_HOT, &self.inlet_celsius),
            (rule::OUTLET_HOT, &self.outlet_celsius),
            (rule::REJECTED_HIGH, &self.rejected_ratio),
            (rule::STALE_HIGH, &self.stale_ratio),
            (rule::HARDWARE_ERRORS, &self.hardware_error_ratio),
        ];
        // Chips that are lost or gone are told all the same, as information.
        let limits = [
            (rule::FAN_STOPPED, self.fan_rpm, None),
            (rule::CHIPS_LOST, self.chips_lost_ratio, Some(Severity::Warning)),
            (rule::CHIPS_GONE, self.chips_gone_ratio, Some(Severity::Warning)),
        ];
        let of_bands = bands.into_iter().flat_map(|(rule, band)| {
            [(band.warning, Severity::Warning), (band.critical, Severity::Critical)]
                .map(|(limit, severity)| (rule.clone(), limit, Some(severity)))
        });
        of_bands
            .chain(limits)
            .filter(|(_, limit, _)| limit.is_none())
            .map(|(rule, _, severity)| (rule, severity))
    }

    /// Whether every number makes sense.
    ///
    /// # Errors
    /// [`RulesError`] with the first field that does not.
    pub fn validate(&self) -> Result<(), RulesError> {
        let count = |field, value: u32| range(field, f64::from(value), 1.0, 100.0, "1 to 100");
        let span = |field, value: Duration| {
            range(field, value.as_secs_f64(), 0.0, 7.0 * 86_400.0, "0 s to 7 days (in seconds)")
        };
        count("dead_after_failures", self.dead_after_failures)?;
        count("alive_after_answers", self.alive_after_answers)?;
        count("restarts", self.restarts)?;
        for (field, value) in [
            ("dead_after", self.dead_after),
            ("warm_up", self.warm_up),
            ("not_hashing_for", self.not_hashing_for),
            ("share_rate_window", self.share_rate_window),
            ("parts_remembered_for", self.parts_remembered_for),
            ("boards_missing_for", self.boards_missing_for),
            ("board_idle_for", self.board_idle_for),
            ("pools_dead_for", self.pools_dead_for),
            ("no_share_least", self.no_share_least),
            ("no_share_unknown", self.no_share_unknown),
            ("shares_window", self.shares_window),
            ("restarts_window", self.restarts_window),
            ("device_error_clears_after", self.device_error_clears_after),
            ("failed_for", self.failed_for),
            ("starting_for", self.starting_for),
            ("longest_gap", self.longest_gap),
        ] {
            span(field, value)?;
        }
        range("share_rate_sigmas", self.share_rate_sigmas, 1.0, 10.0, "1 to 10")?;
        range("no_share_factor", self.no_share_factor, 1.0, 1e6, "1 to 1000000")?;
        band("hashrate_ratio", &self.hashrate_ratio, Worse::Lower, 0.0, 2.0, "0 to 2")?;
        band("share_rate_ratio", &self.share_rate_ratio, Worse::Lower, 0.0, 1.0, "0 to 1")?;
        band("inlet_celsius", &self.inlet_celsius, Worse::Higher, 0.0, 200.0, "0 to 200 °C")?;
        band("outlet_celsius", &self.outlet_celsius, Worse::Higher, 0.0, 200.0, "0 to 200 °C")?;
        band("chip_celsius", &self.chip_celsius, Worse::Higher, 0.0, 200.0, "0 to 200 °C")?;
        band("board_celsius", &self.board_celsius, Worse::Higher, 0.0, 200.0, "0 to 200 °C")?;
        band("rejected_ratio", &self.rejected_ratio, Worse::Higher, 0.0, 1.0, "0 to 1")?;
        band("stale_ratio", &self.stale_ratio, Worse::Higher, 0.0, 1.0, "0 to 1")?;
        band("hardware_error_ratio", &self.hardware_error_ratio, Worse::Higher, 0.0, 1.0, "0 to 1")?;
        if let Some(limit) = self.fan_rpm {
            range("fan_rpm", limit.value, 0.0, 100_000.0, "0 to 100000 rpm")?;
        }
        for (field, limit) in
            [("chips_lost_ratio", self.chips_lost_ratio), ("chips_gone_ratio", self.chips_gone_ratio)]
        {
            if let Some(limit) = limit {
                range(field, limit.value, 0.0, 1.0, "0 to 1")?;
            }
        }
        Ok(())
    }
}

fn range(
    field: &'static str,
    value: f64,
    least: f64,
    most: f64,
    allowed: &'static str,
) -> Result<(), RulesError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(RulesError::OutOfRange { field, value, allowed })
    }
}

fn band(
    field: &'static str,
    band: &Band,
    worse: Worse,
    least: f64,
    most: f64,
    allowed: &'static str,
) -> Result<(), RulesError> {
    for limit in [band.warning, band.critical].into_iter().flatten() {
        range(field, limit.value, least, most, allowed)?;
    }
    range(field, band.margin, 0.0, most, allowed)?;
    match (band.warning, band.critical, worse) {
        (Some(w), Some(c), Worse::Higher) if c.value < w.value => Err(RulesError::WrongOrder { field }),
        (Some(w), Some(c), Worse::Lower) if c.value > w.value => Err(RulesError::WrongOrder { field }),
        _ => Ok(()),
    }
}

/// All rules there are, in the order of the documentation.
pub const ALL_RULES: &[Rule] = &[
    rule::NO_ANSWER,
    rule::RECOVERING,
    rule::UNREADABLE,
    rule::NOT_ASKED,
    rule::IDENTITY_SHARED,
    rule::HASHRATE_LOW,
    rule::SHARE_RATE_LOW,
    rule::NOT_HASHING,
    rule::CHIP_HOT,
    rule::BOARD_HOT,
    rule::INLET_HOT,
    rule::OUTLET_HOT,
    rule::FAN_STOPPED,
    rule::BOARDS_MISSING,
    rule::BOARDS_GONE,
    rule::BOARD_IDLE,
    rule::CHIPS_LOST,
    rule::CHIPS_GONE,
    rule::POOLS_DEAD,
    rule::POOL_NOT_ALLOWED,
    rule::NO_SHARES,
    rule::REJECTED_HIGH,
    rule::STALE_HIGH,
    rule::HARDWARE_ERRORS,
    rule::RESTARTS,
    rule::DEVICE_ERROR,
    rule::MINING_FAILED,
    rule::START_SLOW,
    rule::STOPPED,
];
