//! Records that cgminer's descendants print alike, in cgminer's own number formats (cgminer `api.c`).

use crate::face::Moment;
use crate::node::{Record, mhs, percent};
use crate::number::real;
use crate::state::{BoardState, MinerState, PoolState};

/// Shares of difficulty 1 per minute.
pub(crate) fn work_utility(state: &MinerState) -> f64 {
    per_minute(state, state.total_mh * 1e6 / 4_294_967_296.0)
}

/// Something counted since the start, per minute.
pub(crate) fn per_minute(state: &MinerState, amount: f64) -> f64 {
    if state.elapsed_s == 0 { 0.0 } else { amount * 60.0 / real(state.elapsed_s) }
}

/// Difficulty of some shares.
pub(crate) fn difficulty(moment: &Moment<'_>, shares: u64) -> f64 {
    real(shares) * real(moment.spec.difficulty)
}

/// Hardware errors in percent of all nonces.
pub(crate) fn hardware_percent(errors: u64, total_mh: f64) -> f64 {
    let nonces = total_mh * 1e6 / 4_294_967_296.0;
    if nonces < 1.0 { 0.0 } else { real(errors) * 100.0 / (nonces + real(errors)) }
}

/// The summary, from `Found Blocks` on; `getworks` is the key of the number of jobs, which differs.
pub(crate) fn summary_counters(moment: &Moment<'_>, getworks: &'static str) -> Record {
    let state = moment.state;
    let (accepted, rejected, late) = (state.accepted(), state.rejected(), state.stale());
    let submitted = accepted + rejected + late;
    Record::new()
        .int("Found Blocks", 0)
        .count(getworks, state.getworks())
        .count("Accepted", accepted)
        .count("Rejected", rejected)
        .count("Hardware Errors", state.hardware_errors())
        .fixed("Utility", per_minute(state, real(accepted)), 2)
        .count("Discarded", state.discarded())
        .count("Stale", late)
        .int("Get Failures", 0)
        .count("Local Work", state.getworks() * 37 + accepted)
        .int("Remote Failures", 0)
        .count("Network Blocks", state.network_blocks)
        .fixed("Total MH", state.total_mh, 4)
        .fixed("Work Utility", work_utility(state), 2)
        .fixed("Difficulty Accepted", difficulty(moment, accepted), 8)
        .fixed("Difficulty Rejected", difficulty(moment, rejected), 8)
        .fixed("Difficulty Stale", difficulty(moment, late), 8)
        .count("Best Share", state.best_share)
        .fixed("Device Hardware%", hardware_percent(state.hardware_errors(), state.total_mh), 4)
        .fixed("Device Rejected%", percent(rejected, submitted), 4)
        .fixed("Pool Rejected%", percent(rejected, submitted), 4)
        .fixed("Pool Stale%", percent(late, submitted), 4)
        .count("Last getwork", last_work(state))
}

/// Unix time of the last job.
pub(crate) fn last_work(state: &MinerState) -> u64 {
    let youngest =
        state.pools.iter().filter(|pool| pool.active).filter_map(|pool| pool.last_share_ago_s).min();
    state.when_s.saturating_sub(youngest.unwrap_or(state.elapsed_s))
}

/// The whole summary in MH/s with five-second, one-, five- and fifteen-minute windows.
pub(crate) fn summary_mhs(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    Record::new()
        .count("Elapsed", state.elapsed_s)
        .fixed("MHS av", mhs(state.rate_avg), 2)
        .fixed("MHS 5s", mhs(state.rate_5s), 2)
        .fixed("MHS 1m", mhs(state.rate_1m), 2)
        .fixed("MHS 5m", mhs(state.rate_5m), 2)
        .fixed("MHS 15m", mhs(state.rate_15m), 2)
        .with(summary_counters(moment, "Getworks"))
}

/// Status of a pool.
pub(crate) fn pool_status(pool: &PoolState) -> &'static str {
    if pool.alive { "Alive" } else { "Dead" }
}

/// Unix time of a pool's last share, 0 when there was none.
pub(crate) fn last_share(state: &MinerState, pool: &PoolState) -> u64 {
    pool.last_share_ago_s.map_or(0, |ago| state.when_s.saturating_sub(ago))
}

/// Host and port of a pool's URL.
pub(crate) fn pool_host(pool: &PoolState) -> &str {
    pool.url.split_once("://").map_or(pool.url.as_str(), |(_, host)| host)
}

/// A pool as API 3.7 prints it, with its index.
pub(crate) fn pool(moment: &Moment<'_>, index: i64, priority: i64, pool: &PoolState) -> Record {
    let submitted = pool.accepted + pool.rejected + pool.stale;
    let difficulty = real(pool.difficulty);
    let host = pool_host(pool).split(':').next().unwrap_or_default();
    Record::new()
        .int("POOL", index)
        .text("URL", pool.url.as_str())
        .text("Status", pool_status(pool))
        .int("Priority", priority)
        .int("Quota", 1)
        .yes("Long Poll", false)
        .count("Getworks", pool.getworks)
        .count("Accepted", pool.accepted)
        .count("Rejected", pool.rejected)
        .count("Works", pool.getworks * 37)
        .count("Discarded", pool.discarded)
        .count("Stale", pool.stale)
        .int("Get Failures", 0)
        .int("Remote Failures", 0)
        .text("User", pool.user.as_str())
        .count("Last Share Time", last_share(moment.state, pool))
        .count("Diff1 Shares", pool.accepted.saturating_mul(pool.difficulty))
        .text("Proxy Type", "")
        .text("Proxy", "")
        .fixed("Difficulty Accepted", real(pool.accepted) * difficulty, 8)
        .fixed("Difficulty Rejected", real(pool.rejected) * difficulty, 8)
        .fixed("Difficulty Stale", real(pool.stale) * difficulty, 8)
        .fixed("Last Share Difficulty", if pool.accepted > 0 { difficulty } else { 0.0 }, 8)
        .fixed("Work Difficulty", if pool.active { difficulty } else { 0.0 }, 8)
        .flag("Has Stratum", true)
        .flag("Stratum Active", pool.active)
        .text("Stratum URL", if pool.active { host } else { "" })
        .fixed("Stratum Difficulty", if pool.active { difficulty } else { 0.0 }, 8)
        .flag("Has Vmask", true)
        .flag("Has GBT", false)
        .count("Best Share", if pool.accepted > 0 { moment.state.best_share } else { 0 })
        .fixed("Pool Rejected%", percent(pool.rejected, submitted), 4)
        .fixed("Pool Stale%", percent(pool.stale, submitted), 4)
        .int("Bad Work", 0)
        .count("Current Block Height", if pool.active { block_height(moment.state) } else { 0 })
        .count("Current Block Version", if pool.active { 536_870_912 } else { 0 })
}

/// A height that grows by one about every ten minutes of the calendar.
pub(crate) fn block_height(state: &MinerState) -> u64 {
    930_000 + state.when_s.saturating_sub(1_767_225_600) / 600
}

/// A hash board as cgminer prints a device, with the key of its index.
pub(crate) fn device(
    moment: &Moment<'_>,
    key: &'static str,
    name: &str,
    index: usize,
    board: &BoardState,
) -> Record {
    let state = moment.state;
    let position = crate::number::signed(crate::number::index(index));
    let submitted = board.accepted + board.rejected;
    let last = if board.accepted > 0 { last_work(state) } else { 0 };
    Record::new()
        .int(key, position)
        .text("Name", name)
        .int("ID", position)
        .yes("Enabled", true)
        .text("Status", "Alive")
        .fixed("Temperature", hottest(&board.pcb_c), 2)
        .fixed("MHS av", mhs(board.rate_avg), 2)
        .fixed("MHS 5s", mhs(board.rate_5s), 2)
        .fixed("MHS 1m", mhs(board.rate_1m), 2)
        .fixed("MHS 5m", mhs(board.rate_5m), 2)
        .fixed("MHS 15m", mhs(board.rate_15m), 2)
        .count("Accepted", board.accepted)
        .count("Rejected", board.rejected)
        .count("Hardware Errors", board.hardware_errors)
        .fixed("Utility", per_minute(state, real(board.accepted)), 2)
        .int("Last Share Pool", if board.accepted > 0 { 0 } else { -1 })
        .count("Last Share Time", last)
        .fixed("Total MH", board.total_mh, 4)
        .count("Diff1 Work", crate::number::count(board.total_mh * 1e6 / 4_294_967_296.0))
        .fixed("Difficulty Accepted", difficulty(moment, board.accepted), 8)
        .fixed("Difficulty Rejected", difficulty(moment, board.rejected), 8)
        .fixed("Last Share Difficulty", if last > 0 { real(moment.spec.difficulty) } else { 0.0 }, 8)
        .flag("No Device", false)
        .count("Last Valid Work", state.when_s)
        .fixed("Device Hardware%", hardware_percent(board.hardware_errors, board.total_mh), 4)
        .fixed("Device Rejected%", percent(board.rejected, submitted), 4)
        .count("Device Elapsed", state.elapsed_s)
}

/// The highest of some temperatures.
pub(crate) fn hottest(sensors: &[f64]) -> f64 {
    sensors.iter().copied().fold(f64::MIN, f64::max)
}
