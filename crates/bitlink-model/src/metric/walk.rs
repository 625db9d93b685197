//! From a snapshot to its numbers: the one place that knows where in it each metric is.

use super::Metric;
use crate::snapshot::{Board, HashRates, MinerSnapshot, Pool, PoolStatus, Psu, Shares, Temperatures, Tuning};
use crate::time::{Span, Timestamp};

/// Hands over every numeric reading that is there, each metric at most once, as it is kept ([`Metric::value`]).
pub fn walk(snapshot: &MinerSnapshot, mut found: impl FnMut(Metric, i64)) {
    let out = &mut Out { found: &mut found };
    hash_rates(out, &snapshot.hashrate);
    temperatures(out, &snapshot.temperatures);
    out.put(Metric::POWER, snapshot.power);
    out.put(Metric::POWER_LIMIT, snapshot.power_limit);
    out.put(Metric::EFFICIENCY, snapshot.efficiency);
    out.put(Metric::ENERGY, snapshot.energy);
    out.count(Metric::BOARDS_EXPECTED, snapshot.boards_expected);
    out.count(Metric::CHIPS_EXPECTED, snapshot.chips_expected);
    shares(out, &snapshot.shares);
    tuning(out, &snapshot.tuning);
    out.span(Metric::UPTIME, snapshot.uptime);
    out.span(Metric::ELAPSED, snapshot.elapsed);
    out.span(Metric::ROUND_TRIP, snapshot.round_trip);
    out.flag(Metric::LIGHT, snapshot.light);
    out.count(Metric::FAULTS, u64::try_from(snapshot.errors.len()).ok());
    let offset = snapshot.device_time.zip(snapshot.observed_at).map(|(own, ours)| seconds_between(ours, own));
    out.number(Metric::CLOCK_OFFSET, offset);
    once_each(&snapshot.boards, |board| board.slot, |board| hash_board(out, board));
    once_each(
        &snapshot.fans,
        |fan| fan.index,
        |fan| {
            out.put_of(Metric::FAN_SPEED, fan.index, fan.speed);
            out.put_of(Metric::FAN_DUTY, fan.index, fan.duty);
        },
    );
    // A miner's clock may stand anywhere; how long ago something was is told by its own.
    let now = snapshot.device_time.or(snapshot.observed_at);
    once_each(&snapshot.pools, |pool| pool.id, |pool| one_pool(out, pool, now));
    once_each(&snapshot.psus, |psu| psu.index, |psu| power_supply(out, psu));
}

/// Each number once: what has the number of an earlier one is hostile or a mistake, and is left out.
fn once_each<T>(parts: &[T], number: impl Fn(&T) -> u32, mut each: impl FnMut(&T)) {
    for (place, part) in parts.iter().enumerate() {
        let own = number(part);
        if !parts.iter().take(place).any(|earlier| number(earlier) == own) {
            each(part);
        }
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    let millis = to.as_unix_millis().saturating_sub(from.as_unix_millis());
    #[allow(clippy::cast_precision_loss, reason = "seconds are what is kept")]
    let seconds = millis as f64 / 1e3;
    seconds
}

struct Out<'a> {
    found: &'a mut dyn FnMut(Metric, i64),
}

impl Out<'_> {
    fn number(&mut self, metric: Metric, value: Option<f64>) {
        if let Some(kept) = value.and_then(|value| metric.keep(value)) {
            (self.found)(metric, kept);
        }
    }

    fn put(&mut self, metric: Metric, value: Option<impl Into<f64>>) {
        self.number(metric, value.map(Into::into));
    }

    fn count(&mut self, metric: Metric, value: Option<impl Into<u64>>) {
        // Counts have no decimals; one beyond this is no count.
        if let Some(kept) = value.and_then(|value| i64::try_from(value.into()).ok()) {
            (self.found)(metric, kept);
        }
    }

    fn span(&mut self, metric: Metric, value: Option<Span>) {
        self.number(metric, value.map(|span| span.as_duration().as_secs_f64()));
    }

    fn flag(&mut self, metric: Metric, value: Option<bool>) {
        self.count(metric, value.map(u64::from));
    }

    fn put_of(&mut self, metric: Metric, part: u32, value: Option<impl Into<f64>>) {
        if let Some(metric) = metric.of(part) {
            self.put(metric, value);
        }
    }

    fn count_of(&mut self, metric: Metric, part: u32, value: Option<impl Into<u64>>) {
        if let Some(metric) = metric.of(part) {
            self.count(metric, value);
        }
    }

    fn flag_of(&mut self, metric: Metric, part: u32, value: Option<bool>) {
        self.count_of(metric, part, value.map(u64::from));
    }
}

fn hash_rates(out: &mut Out<'_>, rates: &HashRates) {
    out.put(Metric::HASHRATE, rates.current());
    out.put(Metric::HASHRATE_1M, rates.one_minute);
    out.put(Metric::HASHRATE_5M, rates.five_minutes);
    out.put(Metric::HASHRATE_15M, rates.fifteen_minutes);
    out.put(Metric::HASHRATE_30M, rates.thirty_minutes);
    out.put(Metric::HASHRATE_1H, rates.one_hour);
    out.put(Metric::HASHRATE_24H, rates.one_day);
    out.put(Metric::HASHRATE_AVERAGE, rates.average);
    out.put(Metric::HASHRATE_EXPECTED, rates.expected);
    out.put(Metric::HASHRATE_NAMEPLATE, rates.nameplate);
}

fn temperatures(out: &mut Out<'_>, temperatures: &Temperatures) {
    out.put(Metric::TEMP_AMBIENT, temperatures.ambient);
    out.put(Metric::TEMP_INLET, temperatures.inlet);
    out.put(Metric::TEMP_OUTLET, temperatures.outlet);
    out.put(Metric::TEMP_CHIP_MAX, temperatures.chip_max);
    out.put(Metric::TEMP_CHIP_AVERAGE, temperatures.chip_average);
    out.put(Metric::TEMP_CHIP_MIN, temperatures.chip_min);
    out.put(Metric::TEMP_BOARD_MAX, temperatures.board_max);
    out.put(Metric::TEMP_TARGET, temperatures.target);
    out.put(Metric::TEMP_HOT_LIMIT, temperatures.hot_limit);
    out.put(Metric::TEMP_DANGEROUS_LIMIT, temperatures.dangerous_limit);
}

fn shares(out: &mut Out<'_>, shares: &Shares) {
    out.count(Metric::ACCEPTED, shares.accepted);
    out.count(Metric::REJECTED, shares.rejected);
    out.count(Metric::STALE, shares.stale);
    out.count(Metric::DISCARDED, shares.discarded);
    out.count(Metric::GET_FAILURES, shares.get_failures);
    out.count(Metric::REMOTE_FAILURES, shares.remote_failures);
    out.count(Metric::GETWORKS, shares.getworks);
    out.count(Metric::HARDWARE_ERRORS, shares.hardware_errors);
    out.put(Metric::HARDWARE_ERROR_RATIO, shares.hardware_error_ratio);
    out.put(Metric::REJECTED_RATIO, shares.rejected_ratio);
    out.put(Metric::STALE_RATIO, shares.stale_ratio);
    out.put(Metric::DIFFICULTY_ACCEPTED, shares.difficulty_accepted);
    out.put(Metric::DIFFICULTY_REJECTED, shares.difficulty_rejected);
    out.put(Metric::DIFFICULTY_STALE, shares.difficulty_stale);
    out.put(Metric::UTILITY, shares.utility);
    out.put(Metric::WORK_UTILITY, shares.work_utility);
    out.put(Metric::BEST_SHARE, shares.best_share);
    out.count(Metric::FOUND_BLOCKS, shares.found_blocks);
    out.number(Metric::TOTAL_HASHES, shares.total_hashes);
}

fn tuning(out: &mut Out<'_>, tuning: &Tuning) {
    out.put(Metric::TUNING_PROGRESS, tuning.progress);
    out.put(Metric::FREQUENCY, tuning.frequency);
    out.put(Metric::FREQUENCY_TARGET, tuning.target_frequency);
    out.put(Metric::VOLTAGE, tuning.voltage);
    out.put(Metric::TEMP_TUNING_TARGET, tuning.target_temperature);
}

fn hash_board(out: &mut Out<'_>, board: &Board) {
    let slot = board.slot;
    out.put_of(Metric::BOARD_HASHRATE, slot, board.hashrate);
    out.put_of(Metric::BOARD_HASHRATE_AVERAGE, slot, board.hashrate_average);
    out.put_of(Metric::BOARD_HASHRATE_EXPECTED, slot, board.hashrate_expected);
    out.put_of(Metric::BOARD_TEMPERATURE, slot, board.board_temperature);
    out.put_of(Metric::BOARD_CHIP_TEMPERATURE, slot, board.chip_temperature);
    out.put_of(Metric::BOARD_CHIP_TEMPERATURE_MIN, slot, board.chip_temperature_min);
    out.put_of(Metric::BOARD_CHIP_TEMPERATURE_AVERAGE, slot, board.chip_temperature_average);
    out.count_of(Metric::BOARD_CHIPS, slot, board.chips);
    out.count_of(Metric::BOARD_CHIPS_EXPECTED, slot, board.chips_expected);
    out.count_of(Metric::BOARD_CHIPS_BAD, slot, board.chips_bad);
    out.put_of(Metric::BOARD_FREQUENCY, slot, board.frequency);
    out.put_of(Metric::BOARD_VOLTAGE, slot, board.voltage);
    out.put_of(Metric::BOARD_POWER, slot, board.power);
    out.count_of(Metric::BOARD_HARDWARE_ERRORS, slot, board.hardware_errors);
    out.flag_of(Metric::BOARD_PRESENT, slot, board.present);
    out.flag_of(Metric::BOARD_ACTIVE, slot, board.active);
    let lists =
        [(Metric::BOARD_SENSOR, &board.board_sensors), (Metric::BOARD_CHIP_SENSOR, &board.chip_sensors)];
    for (metric, sensors) in lists {
        for (number, sensor) in sensors.iter().enumerate() {
            let Some(metric) = metric.of_sensor(slot, number) else { break };
            out.put(metric, Some(*sensor));
        }
    }
}

fn one_pool(out: &mut Out<'_>, pool: &Pool, now: Option<Timestamp>) {
    let id = pool.id;
    out.count_of(Metric::POOL_ACCEPTED, id, pool.accepted);
    out.count_of(Metric::POOL_REJECTED, id, pool.rejected);
    out.count_of(Metric::POOL_STALE, id, pool.stale);
    out.count_of(Metric::POOL_DISCARDED, id, pool.discarded);
    out.count_of(Metric::POOL_GET_FAILURES, id, pool.get_failures);
    out.count_of(Metric::POOL_REMOTE_FAILURES, id, pool.remote_failures);
    out.put_of(Metric::POOL_DIFFICULTY_ACCEPTED, id, pool.difficulty_accepted);
    out.put_of(Metric::POOL_DIFFICULTY_REJECTED, id, pool.difficulty_rejected);
    out.put_of(Metric::POOL_DIFFICULTY_STALE, id, pool.difficulty_stale);
    out.put_of(Metric::POOL_DIFFICULTY, id, pool.difficulty);
    out.put_of(Metric::POOL_LAST_SHARE_DIFFICULTY, id, pool.last_share_difficulty);
    let age = match (pool.last_share_age, pool.last_share, now) {
        (Some(age), _, _) => Some(age.as_duration().as_secs_f64()),
        (None, Some(share), Some(now)) => Some(seconds_between(share, now)),
        _ => None,
    };
    out.put_of(Metric::POOL_LAST_SHARE_AGE, id, age);
    out.put_of(Metric::POOL_BEST_SHARE, id, pool.best_share);
    let alive = match pool.status {
        Some(PoolStatus::Unknown) | None => None,
        Some(status) => Some(status == PoolStatus::Alive),
    };
    out.flag_of(Metric::POOL_ALIVE, id, alive);
    out.flag_of(Metric::POOL_CONNECTED, id, pool.connected);
    out.flag_of(Metric::POOL_ACTIVE, id, pool.active);
    #[allow(clippy::cast_precision_loss, reason = "places in an order are small")]
    let priority = pool.priority.map(|priority| priority as f64);
    out.put_of(Metric::POOL_PRIORITY, id, priority);
}

fn power_supply(out: &mut Out<'_>, psu: &Psu) {
    let index = psu.index;
    out.put_of(Metric::PSU_INPUT_VOLTAGE, index, psu.input_voltage);
    out.put_of(Metric::PSU_INPUT_CURRENT, index, psu.input_current);
    out.put_of(Metric::PSU_INPUT_POWER, index, psu.input_power);
    out.put_of(Metric::PSU_OUTPUT_VOLTAGE, index, psu.output_voltage);
    out.put_of(Metric::PSU_OUTPUT_CURRENT, index, psu.output_current);
    out.put_of(Metric::PSU_OUTPUT_POWER, index, psu.output_power);
    out.put_of(Metric::PSU_EFFICIENCY, index, psu.efficiency);
    out.put_of(Metric::PSU_TEMPERATURE, index, psu.temperature);
    out.put_of(Metric::PSU_FAN_SPEED, index, psu.fan_speed);
}
