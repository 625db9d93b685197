//! The rules applied to one reading: one function each. What is missing is passed over.

use super::counters::{Counts, Memory};
use super::gates::{Gates, Key, Seen};
use super::rules::{Band, Limit, Rules, Worse, rule};
use bitlink_model::{
    Evidence, FanLocation, Finding, HashRate, MinerSnapshot, MiningState, Pool, PoolStatus, Ratio, Rule,
    Severity, Timestamp, Utility,
};
use bitlink_protocol::Excerpt;
use std::time::Duration;

/// What is not held against a miner that need not work.
const IDLE_EXCUSES: [Rule; 7] = [
    rule::HASHRATE_LOW,
    rule::SHARE_RATE_LOW,
    rule::NOT_HASHING,
    rule::BOARD_IDLE,
    rule::BOARDS_GONE,
    rule::CHIPS_GONE,
    rule::NO_SHARES,
];

/// One reading under examination.
pub(super) struct Exam<'a> {
    pub(super) now: Timestamp,
    pub(super) rules: &'a Rules,
    pub(super) snapshot: &'a MinerSnapshot,
    pub(super) gates: &'a mut Gates,
    pub(super) memory: &'a mut Memory,
}

/// A condition that is watched.
pub(super) struct Watch {
    rule: Rule,
    part: u32,
    severity: Severity,
}

impl Watch {
    pub(super) const fn warning(rule: Rule) -> Self {
        Self { rule, part: 0, severity: Severity::Warning }
    }

    const fn critical(rule: Rule) -> Self {
        Self { rule, part: 0, severity: Severity::Critical }
    }

    pub(super) const fn info(rule: Rule) -> Self {
        Self { rule, part: 0, severity: Severity::Info }
    }

    /// Of one part of the machine.
    fn of(mut self, part: u32) -> Self {
        self.part = part;
        self
    }

    pub(super) fn says(self, message: impl Into<String>) -> Finding {
        Finding::new(self.rule, self.severity, message)
    }
}

/// How numbers of a band are shown.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Celsius,
    Percent,
}

impl Shown {
    pub(super) fn evidence(self, value: f64) -> Evidence {
        match self {
            Self::Celsius => Evidence::new(value, "°C"),
            Self::Percent => Evidence::new(value * 100.0, "%"),
        }
    }
}

/// What the miner's own means say, each with the time it covers, shortest first. Only those that cover time in which it
/// was to work: a mean that reaches back into a pause, or to before the start, is low without anything being wrong. And as
/// cgminer's means rise from zero like `1 - exp(-t/window)` (`util.c`, `decay_time`), one counts after three windows only,
/// and the one since start after an hour.
fn means(snapshot: &MinerSnapshot, working: Working) -> impl Iterator<Item = (HashRate, Duration)> {
    let rates = &snapshot.hashrate;
    let since_start = snapshot.elapsed.map(bitlink_model::Span::as_duration).filter(|_| working.whole);
    let windows = [
        (rates.one_minute, Duration::from_mins(1)),
        (rates.five_minutes, Duration::from_mins(5)),
        (rates.fifteen_minutes, Duration::from_mins(15)),
        (rates.thirty_minutes, Duration::from_mins(30)),
        (rates.one_hour, Duration::from_hours(1)),
    ];
    windows
        .into_iter()
        .filter(move |(_, window)| working.time.is_none_or(|time| time >= *window * 3))
        .chain(since_start.filter(|time| *time >= Duration::from_hours(1)).map(|time| (rates.average, time)))
        .filter_map(|(rate, window)| Some((rate?, window)))
}

/// For how long the miner's own means show that its hash rate has been bad: the longest one that is bad together with
/// all shorter ones. A miner that has been slow since before it was watched is slow now, not in a quarter of an hour.
fn lasted(snapshot: &MinerSnapshot, working: Working, bad: impl Fn(HashRate) -> bool) -> Duration {
    let bad = means(snapshot, working).take_while(|(rate, _)| bad(*rate));
    bad.map(|(_, window)| window).max().unwrap_or_default()
}

/// For how long a miner has been working without a pause.
#[derive(Debug, Clone, Copy)]
struct Working {
    /// So long at most, where that is known.
    time: Option<Duration>,
    /// Whether that is the whole time since its start, as far as is known.
    whole: bool,
}

impl Exam<'_> {
    pub(super) fn run(mut self) {
        self.restarts();
        self.device_errors();
        self.mining_state();
        self.heat();
        self.boards_missing();
        self.chips_lost();
        self.pools();
        self.share_ratios();
        self.hardware_errors();
        if self.is_idle() {
            // Not judged while it need not work: intent counts.
            for rule in IDLE_EXCUSES {
                self.gates.excuse(&rule);
            }
            if !self.is_warming_up() {
                self.memory.idle_until = Some(self.now);
            }
            self.memory.trend.forget();
            self.memory.work.forget();
            self.memory.last_share.restart(self.now);
        } else {
            self.hash_rate();
            self.share_rate();
            self.idle_boards();
            self.parts_gone();
            self.last_share();
        }
        self.fans();
    }

    /// Stopped by wish, or still coming up.
    fn is_idle(&self) -> bool {
        matches!(self.memory.state, Some(MiningState::Stopped | MiningState::Starting))
            || self.is_warming_up()
    }

    fn is_warming_up(&self) -> bool {
        self.snapshot.elapsed.is_some_and(|elapsed| elapsed.as_duration() < self.rules.warm_up)
    }

    fn is_stopped(&self) -> bool {
        self.memory.state == Some(MiningState::Stopped)
    }

    /// One look at a condition that holds or does not.
    pub(super) fn condition(
        &mut self,
        watch: Watch,
        bad: bool,
        hold: Duration,
        tell: impl FnOnce(Watch) -> Finding,
    ) {
        self.condition_lasting(watch, bad, hold, Duration::ZERO, tell);
    }

    /// The same, where the reading itself shows for how long the condition has held.
    fn condition_lasting(
        &mut self,
        watch: Watch,
        bad: bool,
        hold: Duration,
        lasted: Duration,
        tell: impl FnOnce(Watch) -> Finding,
    ) {
        let seen = if bad { Seen::Bad } else { Seen::Good };
        let key = Key { rule: watch.rule.clone(), part: watch.part, severity: watch.severity };
        self.gates.see(self.now, self.rules.longest_gap, key, seen, hold, lasted, || tell(watch));
    }

    /// One look at both limits of a band.
    fn band(&mut self, rule: &Rule, value: f64, band: &Band, worse: Worse, shown: Shown, what: &str) {
        self.band_lasting(rule, value, band, worse, shown, what, |_| Duration::ZERO);
    }

    /// The same, where the reading itself shows for how long a limit has been broken.
    #[allow(clippy::too_many_arguments)] // each is one fact of the look
    fn band_lasting(
        &mut self,
        rule: &Rule,
        value: f64,
        band: &Band,
        worse: Worse,
        shown: Shown,
        what: &str,
        lasted: impl Fn(f64) -> Duration,
    ) {
        let levels = [(band.warning, Severity::Warning), (band.critical, Severity::Critical)];
        for (limit, severity) in levels {
            let Some(Limit { value: limit, hold }) = limit else { continue };
            let (broken, good, clear) = match worse {
                Worse::Higher => (value >= limit, value < limit - band.margin, limit - band.margin),
                Worse::Lower => (value < limit, value >= limit + band.margin, limit + band.margin),
            };
            let seen = if broken {
                Seen::Bad
            } else if good {
                Seen::Good
            } else {
                Seen::Between
            };
            let key = Key { rule: rule.clone(), part: 0, severity };
            self.gates.see(self.now, self.rules.longest_gap, key, seen, hold, lasted(limit), || {
                let (value, limit, clear) =
                    (shown.evidence(value), shown.evidence(limit), shown.evidence(clear));
                let clears_when = match worse {
                    Worse::Higher => format!("below {clear}"),
                    Worse::Lower => format!("{clear} or more"),
                };
                Finding::new(rule.clone(), severity, format!("{what} {value}, limit {limit}"))
                    .with_numbers(value, limit)
                    .clears_when(clears_when)
            });
        }
    }

    fn heat(&mut self) {
        let rules = self.rules;
        let temperatures = &self.snapshot.temperatures;
        for (rule, reading, band, what) in [
            (&rule::INLET_HOT, temperatures.inlet, &rules.inlet_celsius, "inlet"),
            (&rule::OUTLET_HOT, temperatures.outlet, &rules.outlet_celsius, "outlet"),
        ] {
            if let Some(reading) = reading {
                self.band(rule, reading.as_celsius(), band, Worse::Higher, Shown::Celsius, what);
            }
        }
        if let Some(chip) = self.snapshot.temperatures.chip_max {
            let celsius = chip.as_celsius();
            self.band(
                &rule::CHIP_HOT,
                celsius,
                &rules.chip_celsius,
                Worse::Higher,
                Shown::Celsius,
                "hottest chip",
            );
        }
        if let Some(board) = self.snapshot.temperatures.board_max {
            let celsius = board.as_celsius();
            let band = &rules.board_celsius;
            self.band(&rule::BOARD_HOT, celsius, band, Worse::Higher, Shown::Celsius, "hottest board");
        }
    }

    /// For how long it has been working without a pause that was seen.
    fn working(&self) -> Working {
        let elapsed = self.snapshot.elapsed.map(bitlink_model::Span::as_duration);
        let since_pause = self.memory.idle_until.map(|until| self.now.since(until));
        let whole = since_pause.is_none_or(|pause| elapsed.is_some_and(|elapsed| elapsed <= pause));
        Working { time: [elapsed, since_pause].into_iter().flatten().min(), whole }
    }

    fn hash_rate(&mut self) {
        let (snapshot, working) = (self.snapshot, self.working());
        let rates = &snapshot.hashrate;
        let short = rates.realtime.or(rates.one_minute);
        let smoothed = short.and_then(|rate| self.memory.trend.add(self.now, rate, self.rules.longest_gap));
        let calm = |(_, window): &(HashRate, Duration)| {
            (Duration::from_mins(5)..=Duration::from_mins(30)).contains(window)
        };
        // A mean since start would hide for days that a board has gone: it is the last resort.
        let settled = means(snapshot, working)
            .find(calm)
            .map(|(rate, _)| rate)
            .or(smoothed)
            .or_else(|| means(snapshot, working).last().map(|(rate, _)| rate));
        let expected = rates.expected.or(rates.nameplate).filter(|rate| *rate > HashRate::ZERO);
        if let Some((rate, expected)) = settled.zip(expected)
            && let Some(ratio) = rate.ratio_to(expected)
        {
            let what = format!("hash rate {rate:.1} of {expected:.1}:");
            let (ratio, band) = (ratio.as_fraction(), &self.rules.hashrate_ratio);
            let lasted = |limit: f64| {
                lasted(snapshot, working, |rate| {
                    rate.ratio_to(expected).is_some_and(|ratio| ratio.as_fraction() < limit)
                })
            };
            self.band_lasting(&rule::HASHRATE_LOW, ratio, band, Worse::Lower, Shown::Percent, &what, lasted);
        }
        if let Some(rate) = rates.current() {
            self.condition_lasting(
                Watch::critical(rule::NOT_HASHING),
                rate == HashRate::ZERO,
                self.rules.not_hashing_for,
                lasted(snapshot, working, |rate| rate == HashRate::ZERO),
                |watch| {
                    watch
                        .says("answers, should hash, and does not")
                        .with_numbers(Evidence::new(0.0, "TH/s"), Evidence::new(0.0, "TH/s"))
                        .clears_when("it hashes, or says that it is stopped by wish")
                },
            );
        }
    }

    fn mining_state(&mut self) {
        let Some(state) = self.snapshot.mining_state else { return };
        self.memory.state = Some(state);
        let rules = self.rules;
        self.condition(
            Watch::critical(rule::MINING_FAILED),
            state == MiningState::Failed,
            rules.failed_for,
            |watch| {
                watch
                    .says("the firmware says that it should mine and cannot")
                    .clears_when("the firmware says that it mines")
            },
        );
        self.condition(
            Watch::warning(rule::START_SLOW),
            state == MiningState::Starting,
            rules.starting_for,
            |watch| {
                watch
                    .says(format!("starting up for more than {} min", rules.starting_for.as_secs() / 60))
                    .clears_when("it mines")
            },
        );
        self.condition(Watch::info(rule::STOPPED), state == MiningState::Stopped, Duration::ZERO, |watch| {
            watch.says("idle by wish").clears_when("it is started again")
        });
    }

    fn fans(&mut self) {
        let Some(limit) = self.rules.fan_rpm else { return };
        let rates = &self.snapshot.hashrate;
        let hashes = rates.current().is_none_or(|rate| rate > HashRate::ZERO);
        if self.is_stopped() || !hashes || self.snapshot.tuning.liquid_cooled == Some(true) {
            return self.gates.excuse(&rule::FAN_STOPPED);
        }
        if self.memory.state == Some(MiningState::Starting) {
            return;
        }
        for fan in self.snapshot.fans.iter().filter(|fan| fan.location != Some(FanLocation::Psu)) {
            let Some(rpm) = fan.speed.map(bitlink_model::FanSpeed::as_rpm) else { continue };
            self.condition(
                Watch::critical(rule::FAN_STOPPED).of(fan.index),
                rpm < limit.value,
                limit.hold,
                |watch| {
                    watch
                        .says(format!("fan {} at {rpm:.0} rpm, limit {} rpm", fan.index, limit.value))
                        .with_numbers(Evidence::new(rpm, "rpm"), Evidence::new(limit.value, "rpm"))
                        .clears_when(format!("{} rpm or more", limit.value))
                },
            );
        }
    }

    fn boards_missing(&mut self) {
        let boards = &self.snapshot.boards;
        if let Some(expected) = self.snapshot.boards_expected {
            self.memory.boards_expected = usize::try_from(expected).ok();
        }
        if boards.is_empty() || self.is_idle() {
            return;
        }
        let said = boards.iter().any(|board| board.present.is_some());
        let expected = match self.memory.boards_expected {
            Some(expected) => expected,
            None if said => boards.len(),
            None => return,
        };
        let present = boards.iter().filter(|board| board.present != Some(false)).count();
        let number = |n: usize| Evidence::new(u32::try_from(n).map_or(f64::NAN, f64::from), "");
        self.condition(
            Watch::warning(rule::BOARDS_MISSING),
            present < expected,
            self.rules.boards_missing_for,
            |watch| {
                watch
                    .says(format!("{present} of {expected} boards found"))
                    .with_numbers(number(present), number(expected))
                    .clears_when(format!("all {expected} boards are found"))
            },
        );
    }

    fn idle_boards(&mut self) {
        let hashing = |board: &bitlink_model::Board| board.hashrate.map(|rate| rate > HashRate::ZERO);
        let boards = &self.snapshot.boards;
        let others_hash = boards.iter().any(|board| hashing(board) == Some(true));
        for board in boards.iter().filter(|board| board.present != Some(false)) {
            let Some(hashes) = hashing(board) else { continue };
            if !hashes && !others_hash {
                // The whole machine stands still; that is another rule's business.
                continue;
            }
            self.condition(
                Watch::warning(rule::BOARD_IDLE).of(board.slot),
                !hashes,
                self.rules.board_idle_for,
                |watch| {
                    watch
                        .says(format!("board {} does not hash while others do", board.slot))
                        .clears_when("it hashes")
                },
            );
        }
    }

    fn chips_lost(&mut self) {
        if self.is_idle() {
            return;
        }
        let Some((lost, of)) = lost_chips(self.snapshot) else { return };
        let share = (of > 0).then(|| f64::from(lost) / f64::from(of));
        let limit = self.rules.chips_lost_ratio;
        let message = || format!("{lost} of {of} chips do not work");
        let hold = limit.map_or(Duration::ZERO, |limit| limit.hold);
        let cure = |finding: Finding| finding.clears_when("the chips answer");
        self.condition(Watch::info(rule::CHIPS_LOST), lost > 0, hold, |watch| cure(watch.says(message())));
        if let Some((limit, share)) = limit.zip(share) {
            let numbers = |finding: Finding| {
                finding
                    .with_numbers(Evidence::new(share * 100.0, "%"), Evidence::new(limit.value * 100.0, "%"))
                    .clears_when("the chips answer")
            };
            let bad = lost > 0 && share >= limit.value;
            self.condition(Watch::warning(rule::CHIPS_LOST), bad, hold, |watch| {
                numbers(watch.says(message()))
            });
        }
    }

    fn pools(&mut self) {
        if self.is_stopped() {
            self.gates.excuse(&rule::POOLS_DEAD);
        } else if let Some(all_dead) = all_pools_dead(&self.snapshot.pools) {
            self.condition(Watch::critical(rule::POOLS_DEAD), all_dead, self.rules.pools_dead_for, |watch| {
                watch.says("no pool is alive").clears_when("a pool answers")
            });
        }
        if self.rules.allowed_pools.is_empty() {
            return self.gates.excuse(&rule::POOL_NOT_ALLOWED);
        }
        let Some(url) =
            self.snapshot.pools.iter().find(|p| p.active == Some(true)).and_then(|p| p.url.as_deref())
        else {
            return;
        };
        let allowed = self.rules.allowed_pools.iter().any(|allowed| is_at(url, allowed));
        self.condition(Watch::critical(rule::POOL_NOT_ALLOWED), !allowed, Duration::ZERO, |watch| {
            watch
                .says(format!("mines for {}, which is not an allowed pool", Excerpt::of(url)))
                .clears_when("it mines for an allowed pool")
        });
    }

    fn last_share(&mut self) {
        let Some(age) = self.memory.last_share.age(self.now, self.snapshot) else { return };
        let shares = &self.snapshot.shares;
        let per_minute = shares.utility.map(Utility::as_per_minute).filter(|utility| *utility > 0.0);
        let limit = per_minute
            .and_then(|utility| Duration::try_from_secs_f64(60.0 / utility * self.rules.no_share_factor).ok())
            .map_or(self.rules.no_share_unknown, |usual| usual.max(self.rules.no_share_least));
        let minutes = |d: Duration| Evidence::new((d.as_secs_f64() / 60.0).round(), "min");
        self.condition(Watch::warning(rule::NO_SHARES), age >= limit, Duration::ZERO, |watch| {
            watch
                .says(format!("no share accepted for {}, limit {}", minutes(age), minutes(limit)))
                .with_numbers(minutes(age), minutes(limit))
                .clears_when("a share is accepted")
        });
    }

    fn share_ratios(&mut self) {
        let Some(counts) = Counts::of(self.snapshot) else { return };
        let rules = self.rules;
        let Some(grown) = self.memory.shares.add(self.now, counts, rules) else { return };
        let total = grown.accepted.saturating_add(grown.rejected).saturating_add(grown.stale.unwrap_or(0));
        if total < rules.shares_least.max(1) {
            return;
        }
        let rejected = share(grown.rejected, total);
        let band = &rules.rejected_ratio;
        self.band(&rule::REJECTED_HIGH, rejected, band, Worse::Higher, Shown::Percent, "rejected shares");
        if let Some(stale) = grown.stale {
            let band = &rules.stale_ratio;
            let stale = share(stale, total);
            self.band(&rule::STALE_HIGH, stale, band, Worse::Higher, Shown::Percent, "stale shares");
        }
    }

    fn hardware_errors(&mut self) {
        let Some(ratio) = self.snapshot.shares.hardware_error_ratio.map(Ratio::as_fraction) else { return };
        let band = &self.rules.hardware_error_ratio;
        self.band(&rule::HARDWARE_ERRORS, ratio, band, Worse::Higher, Shown::Percent, "hardware errors");
    }

    fn restarts(&mut self) {
        let Some(running) = self.snapshot.elapsed.or(self.snapshot.uptime) else { return };
        let (window, limit) = (self.rules.restarts_window, self.rules.restarts);
        let count = self.memory.starts.add(self.now, running.as_duration(), window);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let minutes = window.as_secs() / 60;
        self.condition(Watch::warning(rule::RESTARTS), count >= limit, Duration::ZERO, |watch| {
            watch
                .says(format!("the mining program restarted {count} times within {minutes} min"))
                .with_numbers(Evidence::new(f64::from(count), ""), Evidence::new(f64::from(limit), ""))
                .clears_when(format!("fewer than {limit} restarts within {minutes} min"))
        });
    }

    fn device_errors(&mut self) {
        let keep = self.rules.device_error_clears_after;
        self.memory.errors.add(self.now, &self.snapshot.errors, keep);
    }
}

/// Chips that do not work, and how many there should be. `None` where nothing is said about chips.
fn lost_chips(snapshot: &MinerSnapshot) -> Option<(u32, u32)> {
    let boards = || snapshot.boards.iter().filter(|board| board.present != Some(false));
    let mut said = None;
    for board in boards() {
        let map = board.chip_map.as_deref().map(|map| {
            let bad = map.chars().filter(|c| matches!(c, 'x' | 'X' | '-')).count();
            let all = map.chars().filter(|c| matches!(c, 'o' | 'O' | 'x' | 'X' | '-')).count();
            (u32::try_from(bad).unwrap_or(u32::MAX), u32::try_from(all).unwrap_or(u32::MAX))
        });
        let counted = board.chips.zip(board.chips_expected).map(|(n, of)| (of.saturating_sub(n), of));
        let bad = board.chips_bad.map(|bad| (bad, board.chips_expected.or(board.chips).unwrap_or(bad)));
        // Several accounts of the same board: the worst one.
        if let Some((lost, of)) = [map, counted, bad].into_iter().flatten().max_by_key(|(lost, _)| *lost) {
            let (total_lost, total) = said.unwrap_or((0_u32, 0_u32));
            said = Some((total_lost.saturating_add(lost), total.saturating_add(of)));
        }
    }
    let answering: Option<u32> = boards().map(|board| board.chips).sum();
    let whole = answering
        .filter(|_| boards().next().is_some())
        .zip(snapshot.chips_expected)
        .map(|(n, of)| (of.saturating_sub(n), of));
    match (said, whole) {
        (Some(said), Some(whole)) if whole.0 > said.0 => Some(whole),
        (Some((lost, _)), Some((_, of))) => Some((lost, of)),
        (said, whole) => said.or(whole),
    }
}

/// Whether no pool can be mined on; `None` where that cannot be known.
fn all_pools_dead(pools: &[Pool]) -> Option<bool> {
    let mut judged = false;
    let mut unknown = false;
    for pool in pools {
        match pool.status {
            Some(PoolStatus::Alive | PoolStatus::Rejecting) => return Some(false),
            Some(PoolStatus::Disabled) => {}
            Some(PoolStatus::Dead) => judged = true,
            _ => unknown = true,
        }
    }
    (judged && !unknown).then_some(true)
}

/// Whether a pool's address ("stratum+tcp://pool.example:3333/x") is at a host, with or without a port.
fn is_at(url: &str, allowed: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = place.split(['/', '?', '#']).next().unwrap_or(place);
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => place,
    };
    place.eq_ignore_ascii_case(allowed) || host.eq_ignore_ascii_case(allowed)
}

/// A count as a share of a total. Counters far beyond 2⁵³ would lose digits that no limit has.
#[allow(clippy::cast_precision_loss)]
fn share(part: u64, total: u64) -> f64 {
    part as f64 / total as f64
}
