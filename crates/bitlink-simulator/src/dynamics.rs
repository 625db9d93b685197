//! How a machine behaves over time: from seed, specification, faults and moment to its state.
//!
//! Nothing is stepped. Rates are straight lines between the edges of warm-up and faults, their integral gives the
//! counters, and noise is a hash of the moment; so any moment can be asked for, in any order.

use crate::fault::{Episode, Fault};
use crate::miner::SimMiner;
use crate::number::{count, index, real};
use crate::seed::Seed;
use crate::state::{BoardState, MinerState, Phase, PoolState};
use crate::work::{WorkCurve, seconds};

/// After a start: nothing is hashed for this long …
const INIT_MS: i64 = 60_000;
/// … and the full rate is reached after this long.
const RAMP_MS: i64 = 300_000;
/// How long heat takes to follow power.
const HEAT_LAG_MS: i64 = 120_000;
/// Hashes per share of difficulty 1.
const HASHES_PER_DIFFICULTY: f64 = 4_294_967_296.0;

/// A machine's faults as they are at one moment.
struct Now<'a> {
    miner: &'a SimMiner,
    boot_ms: i64,
    at_ms: i64,
}

impl Now<'_> {
    fn any(&self, at_ms: i64, wanted: impl Fn(Fault) -> bool) -> bool {
        self.miner.spec.episodes.iter().any(|e| wanted(e.fault) && e.covers(at_ms))
    }

    /// Part of the nominal rate that the whole machine makes, boards aside: warm-up and faults.
    fn drive(&self, at_ms: i64) -> f64 {
        let since = at_ms - self.boot_ms;
        let warm = (seconds(since - INIT_MS) / seconds(RAMP_MS - INIT_MS)).clamp(0.0, 1.0);
        let set = warm * self.miner.spec.settings.share(at_ms);
        self.miner.spec.episodes.iter().filter(|e| e.covers(at_ms)).fold(set, |rate, e| match e.fault {
            Fault::PsuFault | Fault::AllPoolsDead | Fault::Asleep | Fault::Booting | Fault::Rebooting => 0.0,
            Fault::Slow { percent } => rate * f64::from(percent) / 100.0,
            Fault::Overheating => rate * 0.97,
            _ => rate,
        })
    }

    fn board_present(&self, board: usize, at_ms: i64) -> bool {
        !self.any(at_ms, |f| matches!(f, Fault::BoardMissing { board: b } if usize::from(b) == board))
    }

    fn chips_lost(&self, board: usize, at_ms: i64) -> u16 {
        let lost = self.miner.spec.episodes.iter().filter(|e| e.covers(at_ms)).map(|e| match e.fault {
            Fault::ChipsLost { board: b, chips } if usize::from(b) == board => chips,
            _ => 0,
        });
        lost.fold(0, u16::saturating_add).min(self.miner.spec.model.chips)
    }

    /// A board's rate in TH/s, without noise.
    fn board_rate(&self, board: usize, at_ms: i64) -> f64 {
        if !self.board_present(board, at_ms) {
            return 0.0;
        }
        let model = self.miner.spec.model;
        let chips = f64::from(model.chips.max(1));
        let alive = (chips - f64::from(self.chips_lost(board, at_ms))) / chips;
        self.miner.board_ideal(board) * alive * self.drive(at_ms)
    }

    fn rate(&self, at_ms: i64) -> f64 {
        (0..usize::from(self.miner.spec.model.boards)).map(|b| self.board_rate(b, at_ms)).sum()
    }

    /// The pool that is worked for: the first that answers.
    fn pool(&self, at_ms: i64) -> Option<usize> {
        if self.any(at_ms, |f| f == Fault::AllPoolsDead) {
            return None;
        }
        let settings = &self.miner.spec.settings;
        let preferred = if at_ms >= settings.preferred_ms { settings.preferred_pool } else { 0 };
        let first_is_dead = self.any(at_ms, |f| f == Fault::PoolDead);
        Some(if preferred == 0 && first_is_dead { 1 } else { preferred })
            .filter(|&p| p < self.miner.spec.pools.len())
    }

    /// Every moment at which a rate bends or jumps, from the boot to now. The whole of the warm-up is always among
    /// them: were it cut at "now", two moments would add up the same work in different roundings.
    fn edges(&self) -> Vec<i64> {
        let warm = self.boot_ms + RAMP_MS;
        let mut edges = vec![self.boot_ms, self.boot_ms + INIT_MS, warm];
        for episode in &self.miner.spec.episodes {
            episode.edges(self.boot_ms, self.at_ms.max(warm), &mut edges);
        }
        let settings = &self.miner.spec.settings;
        let preferred = Some(settings.preferred_ms).filter(|_| settings.preferred_pool > 0);
        let told = settings.shares.iter().map(|(since, _)| *since).chain(preferred);
        edges.extend(told.filter(|edge| (self.boot_ms..=self.at_ms.max(warm)).contains(edge)));
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

/// What a machine that is asked now does first: answer, refuse, or nothing.
pub(crate) fn phase(miner: &SimMiner, at_ms: i64) -> Phase {
    let has = |wanted: Fault| miner.spec.episodes.iter().any(|e| e.fault == wanted && e.covers(at_ms));
    if has(Fault::Rebooting) {
        Phase::Down
    } else if has(Fault::Unresponsive) {
        Phase::Hung
    } else if has(Fault::Asleep) {
        Phase::Asleep
    } else if has(Fault::PsuFault) || has(Fault::AllPoolsDead) {
        Phase::Stopped
    } else if has(Fault::Booting) || at_ms - start(miner, at_ms) < RAMP_MS {
        Phase::Starting
    } else {
        Phase::Mining
    }
}

/// When the machine last booted.
fn boot(miner: &SimMiner, at_ms: i64) -> i64 {
    let first = -crate::number::millis(miner.spec.uptime);
    let reboots = miner.spec.episodes.iter().filter(|e| e.fault == Fault::Rebooting);
    reboots.filter_map(|e: &Episode| e.last_end(at_ms)).fold(first, i64::max).min(at_ms)
}

/// When the mining program last started: with the machine, or because somebody wanted it.
fn start(miner: &SimMiner, at_ms: i64) -> i64 {
    let boot = boot(miner, at_ms);
    miner.spec.settings.last_start(at_ms).map_or(boot, |start| start.max(boot))
}

/// The state at a moment.
pub(crate) fn state(miner: &SimMiner, at_ms: i64, epoch_s: u64) -> MinerState {
    let up_ms = at_ms - boot(miner, at_ms);
    let boot_ms = start(miner, at_ms);
    let now = Now { miner, boot_ms, at_ms };
    let edges = now.edges();
    let total = WorkCurve::new(&edges, |t| now.rate(t));
    let life = Seed::new(miner.spec.seed).of("life").nth(boot_ms.unsigned_abs());
    let model = miner.spec.model;
    let ideal = miner.spec.nominal_ths;

    let heat = (total.mean(at_ms, HEAT_LAG_MS) / ideal.max(1e-9)).clamp(0.0, 1.5);
    let load = (now.rate(at_ms) / ideal.max(1e-9)).clamp(0.0, 1.5);
    let climate = Climate::new(&now, miner.seed(), heat);
    let boards: Vec<BoardState> =
        (0..usize::from(model.boards)).map(|b| board(&now, b, &edges, life, &climate)).collect();
    let noisy = |rate: f64, what: &str, period_ms: i64, part: f64| {
        (rate * (1.0 + part * miner.seed().of(what).wave(at_ms, period_ms))).max(0.0)
    };
    let elapsed_ms = at_ms - boot_ms;
    let faults: Vec<Fault> =
        miner.spec.episodes.iter().filter(|e| e.covers(at_ms)).map(|e| e.fault).collect();
    let output_off = faults.iter().any(|f| matches!(f, Fault::PsuFault | Fault::Asleep));
    let total_mh = total.at(at_ms) * 1e6;
    MinerState {
        when_s: epoch_s.saturating_add_signed(at_ms.div_euclid(1000)),
        phase: phase(miner, at_ms),
        faults,
        elapsed_s: elapsed_ms.unsigned_abs() / 1000,
        uptime_s: up_ms.unsigned_abs() / 1000 + 41,
        // The machine's rate is the sum of its boards' in every window.
        rate_5s: boards.iter().map(|b| b.rate_5s).sum(),
        rate_1m: boards.iter().map(|b| b.rate_1m).sum(),
        rate_5m: boards.iter().map(|b| b.rate_5m).sum(),
        rate_15m: boards.iter().map(|b| b.rate_15m).sum(),
        rate_30m: noisy(total.mean(at_ms, 1_800_000), "30m", 1_800_000, 0.002),
        rate_avg: total.mean(at_ms, i64::MAX / 2),
        rate_ideal: ideal * miner.spec.settings.share(at_ms).min(1.0),
        total_mh,
        frequency_mhz: miner.spec.settings.frequency_mhz.unwrap_or(model.frequency_mhz),
        boards,
        fans_rpm: climate.fans(&now),
        fan_duty: climate.duty,
        power_w: noisy(30.0 + miner.spec.nominal_w * (0.02 + 0.98 * load), "power", 20_000, 0.006),
        ambient_c: climate.ambient,
        psu_c: climate.ambient + 6.0 + 18.0 * heat,
        psu_fan_rpm: count(3200.0 + 3600.0 * heat + 60.0 * miner.seed().of("psu fan").wave(at_ms, 9_000)),
        mains_v: 229.0 + 4.0 * miner.seed().of("mains").wave(at_ms, 45_000),
        output_v: if output_off { 0.0 } else { model.voltage },
        pools: pools(&now, &edges, life),
        best_share: best_share(life, total_mh * 1e6 / HASHES_PER_DIFFICULTY),
        network_blocks: life.of("blocks").events(seconds(elapsed_ms) / 600.0),
    }
}

/// Air, heat and fans.
struct Climate {
    ambient: f64,
    heat: f64,
    duty: f64,
    overheating: bool,
    fan_failed: bool,
    seed: Seed,
}

impl Climate {
    fn new(now: &Now<'_>, seed: Seed, heat: f64) -> Self {
        let ambient = 23.0
            + 3.5 * seed.of("ambient").wave(now.at_ms, 6 * 3_600_000)
            + 0.4 * seed.of("draught").wave(now.at_ms, 40_000);
        let overheating = now.any(now.at_ms, |f| f == Fault::Overheating);
        let fan_failed = now.any(now.at_ms, |f| matches!(f, Fault::FanFailed { .. }));
        let duty = if overheating || fan_failed {
            1.0
        } else {
            (0.18 + heat * (0.2 + 0.5 * (ambient - 5.0) / 30.0)).clamp(0.15, 1.0)
        };
        Self { ambient, heat, duty, overheating, fan_failed, seed }
    }

    /// The hottest chip of a board.
    fn chip(&self, board: usize, at_ms: i64) -> f64 {
        let seed = self.seed.of("chip").nth(index(board));
        let rise = 45.0 * self.heat * (1.35 - 0.5 * self.duty) * if self.fan_failed { 1.25 } else { 1.0 };
        let temperature = self.ambient + 2.0 + rise + 2.0 * seed.wave(at_ms, 90_000);
        if self.overheating { temperature.max(91.5 + 2.5 * seed.wave(at_ms, 60_000)) } else { temperature }
    }

    fn fans(&self, now: &Now<'_>) -> Vec<u64> {
        (0..usize::from(now.miner.spec.model.fans))
            .map(|fan| {
                let stands =
                    now.any(now.at_ms, |f| matches!(f, Fault::FanFailed { fan: n } if usize::from(n) == fan));
                let seed = self.seed.of("fan").nth(index(fan));
                let own = seed.between(-0.015, 0.015) + 0.01 * seed.wave(now.at_ms, 8_000);
                let rpm = now.miner.spec.model.fan_rpm * self.duty * (1.0 + own);
                if stands { 0 } else { count(rpm / 10.0) * 10 }
            })
            .collect()
    }
}

fn board(now: &Now<'_>, board: usize, edges: &[i64], life: Seed, climate: &Climate) -> BoardState {
    let (miner, at_ms) = (now.miner, now.at_ms);
    let curve = WorkCurve::new(edges, |t| now.board_rate(board, t));
    let present = now.board_present(board, at_ms);
    let seed = miner.seed().of("board").nth(index(board));
    let life = life.of("board").nth(index(board));
    let model = miner.spec.model;
    let chips = u64::from(model.chips);
    let hot = climate.chip(board, at_ms);
    let chip_c = [0.0, 22.0, 8.0, 3.0].map(|cooler| hot - cooler * climate.heat.min(1.0));
    let noisy = |rate: f64, what: &str, period_ms: i64, part: f64| {
        (rate * (1.0 + part * seed.of(what).wave(at_ms, period_ms))).max(0.0)
    };
    let work = curve.at(at_ms);
    let shares = work * 1e12 / (HASHES_PER_DIFFICULTY * real(miner.spec.difficulty.max(1)));
    // As delivered each board has its own; what is set holds for all of them.
    let own = || model.frequency_mhz + seed.of("bin").between(-4.0, 4.0);
    let frequency = miner.spec.settings.frequency_mhz.unwrap_or_else(own);
    let error_rate = seed.of("error rate").between(2e-6, 2e-5);
    BoardState {
        present,
        chips,
        chips_ok: if present { chips - u64::from(now.chips_lost(board, at_ms)) } else { 0 },
        rate_5s: noisy(now.board_rate(board, at_ms), "5s", 5_000, 0.02),
        rate_1m: noisy(curve.mean(at_ms, 60_000), "1m", 60_000, 0.008),
        rate_5m: noisy(curve.mean(at_ms, 300_000), "5m", 300_000, 0.005),
        rate_15m: noisy(curve.mean(at_ms, 900_000), "15m", 900_000, 0.003),
        rate_avg: curve.mean(at_ms, i64::MAX / 2),
        rate_ideal: miner.board_ideal(board) * miner.spec.settings.share(at_ms).min(1.0),
        total_mh: work * 1e6,
        frequency_mhz: if present { frequency } else { 0.0 },
        voltage: model.voltage + seed.of("volt").between(-0.05, 0.05),
        pcb_c: chip_c.map(|c| c - 5.0 * climate.heat.min(1.0)),
        raw_c: chip_c.map(|c| c - 15.0 * climate.heat.min(1.0)),
        chip_c,
        hardware_errors: life.of("errors").events(work * 1e12 / HASHES_PER_DIFFICULTY * error_rate),
        accepted: life.of("accepted").events(shares * 0.9975),
        rejected: life.of("rejected").events(shares * 0.0020),
        serial: miner.board_serial(board),
    }
}

fn pools(now: &Now<'_>, edges: &[i64], life: Seed) -> Vec<PoolState> {
    let active = now.pool(now.at_ms).filter(|_| now.drive(now.at_ms) > 0.0);
    let difficulty = now.miner.spec.difficulty.max(1);
    let per_share_s =
        real(difficulty) * HASHES_PER_DIFFICULTY / (now.miner.spec.nominal_ths.max(1e-9) * 1e12);
    let slots = now.miner.spec.pools.iter().enumerate();
    slots
        .map(|(slot, pool)| {
            let life = life.of("pool").nth(index(slot));
            let curve = WorkCurve::new(edges, |t| if now.pool(t) == Some(slot) { now.rate(t) } else { 0.0 });
            let due = curve.at(now.at_ms) * 1e12 / (HASHES_PER_DIFFICULTY * real(difficulty));
            let accepted = life.of("accepted").events(due * 0.9975);
            // Only the share after this one is still out; between two shares the age grows with the clock.
            let ago = real(now.at_ms.unsigned_abs()) / 1000.0 % per_share_s.max(1.0);
            let dead = now.any(now.at_ms, |f| f == Fault::AllPoolsDead)
                || (slot == 0 && now.any(now.at_ms, |f| f == Fault::PoolDead));
            PoolState {
                url: pool.url.clone(),
                user: pool.user.clone(),
                alive: !pool.url.is_empty() && !dead,
                active: active == Some(slot),
                difficulty,
                accepted,
                rejected: life.of("rejected").events(due * 0.0020),
                stale: life.of("stale").events(due * 0.0005),
                discarded: life.of("discarded").events(due * 2.1),
                getworks: life.of("getworks").events(due * 0.35),
                last_share_ago_s: (accepted > 0).then(|| {
                    if active == Some(slot) { count(ago) } else { 900 + life.of("old").below(3000) }
                }),
            }
        })
        .collect()
}

/// The highest of `tried` random difficulties: it doubles when the number of tries has doubled, and holds in between.
fn best_share(life: Seed, tried: f64) -> u64 {
    let mut best = 0;
    let mut bound = 1.0_f64;
    let mut step = 0;
    while bound <= tried && step < 64 {
        best = best.max(count(bound * life.of("best").nth(step).between(0.4, 4.0)));
        bound *= 2.0;
        step += 1;
    }
    best
}
