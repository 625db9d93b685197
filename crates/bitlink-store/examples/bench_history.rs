//! What recording costs: a made-up fleet over simulated hours, as fast as it can be written, each tick on the disk before the next one.
//! Prints a table. Run by `cargo xtask bench-history`.

// A measurement that cannot go on ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "figures")]

use bitlink_model::{Metric, MinerId, MinerStatus, Timestamp};
use bitlink_store::history::{
    HistoryConfig, HistoryReader, HistoryWriter, Query, SeriesName, Step, Sums, Tick, Tier,
};
use bitlink_store::{Reader, Store, database_in};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

const START: i64 = 1_700_000_000_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().expect("a directory for the data"));
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
    let miners = number(args.next()).unwrap_or(10_000);
    let hours = number(args.next()).unwrap_or(4);
    let days = number(args.next()).unwrap_or(30);
    println!("| work | measured | goal |\n|---|---:|---:|");
    ingest(&dir, miners, hours);
    charts(&dir, 24);
    month(&dir, days);
}

/// A fleet at ten seconds.
fn ingest(dir: &Path, miners: u64, hours: u64) {
    let place = Place::new(dir, "ingest");
    let store = Store::open(&place.0).unwrap();
    store.keep_history_unattended();
    let before = (cpu_seconds(), written_bytes());
    let mut made = 0.0;
    let mut worst_us = 0;
    let mut samples = 0_u64;
    let mut fleet = Fleet::new(miners);
    for n in 0..hours * 360 {
        let began = thread_seconds();
        let values = fleet.tick(n);
        made += thread_seconds() - began;
        let wall = Instant::now();
        samples += record(&store, n * 10_000, &values);
        worst_us = worst_us.max(wall.elapsed().as_micros());
        store.maintain(&HistoryConfig::default()).unwrap();
        if n % 360 == 359 {
            let used = cpu_seconds() - before.0 - made;
            eprintln!(
                "hour {}: {:.2} % of a core, {} samples",
                n / 360 + 1,
                used / (n as f64 / 3.6e-1) * 3.6,
                samples
            );
        }
    }
    let used = cpu_seconds() - before.0 - made;
    let written = written_bytes() - before.1;
    let kept = store.history_status().values;
    drop(store);
    let size = size(&place.0);
    let share = used / (hours as f64 * 3_600.0);
    println!(
        "| ingest: {miners} miners × {READINGS} readings each 10 s, {hours} h, made into chunks | {:.2} % of a core, {:.1} M samples/s | < 10 % |",
        share * 100.0,
        samples as f64 / used / 1e6
    );
    println!("| samples on the disk | {kept} of {samples} | all |");
    println!("| a tick on the disk, at worst | {:.0} ms | |", worst_us as f64 / 1e3);
    let per = |bytes: u64| bytes as f64 / samples as f64;
    println!("| disk, index and log included | {:.3} B a sample | ≤ 1 B |", per(size));
    println!(
        "| written to the device | {:.2} B a sample, {:.1} × the disk | ≤ 6 × |",
        per(written),
        written as f64 / size as f64
    );
    println!("| peak memory, the made-up fleet included | {} MB | |", peak_bytes() / 1_000_000);
}

/// A slab of the same fleet over a day.
fn charts(dir: &Path, hours: u64) {
    let place = Place::new(dir, "charts");
    let store = Store::open(&place.0).unwrap();
    store.keep_history_unattended();
    let miners = 1_000;
    let mut fleet = Fleet::new(miners);
    for n in 0..hours * 360 {
        record(&store, n * 10_000, &fleet.tick(n));
        store.maintain(&HistoryConfig::default()).unwrap();
    }
    let reader = Reader::open(&place.0).unwrap();
    let (from, until) = (at(0), at(hours * 3_600_000));
    let one = |n: u64| Query::new(SeriesName::Miner(id(n)), from, until).with_step(Step::Tier(Tier::Raw));
    let rate = |n| one(n).with_metrics(vec![Metric::HASHRATE]);
    ask("chart: one miner, 24 h raw, one reading", "< 10 ms", &reader, miners, rate);
    ask("chart: one miner, 24 h raw, thirty readings", "< 60 ms", &reader, miners, one);
    let began = Instant::now();
    let found = reader
        .values_at(&[Metric::HASHRATE], at(hours * 1_800_000), std::time::Duration::from_mins(3))
        .unwrap();
    println!(
        "| every miner at a time ({} miners) | {:.0} ms | |",
        found.len(),
        began.elapsed().as_secs_f64() * 1e3
    );
}

/// A small fleet over a month, for what is kept of its total: that is as large as that of a large one.
fn month(dir: &Path, days: u64) {
    let place = Place::new(dir, "month");
    let store = Store::open(&place.0).unwrap();
    store.keep_history_unattended();
    let mut fleet = Fleet::new(20);
    let mut n = 0;
    while n < days * 24 * 60 {
        record(&store, n * 60_000, &fleet.tick(n * 6));
        if n % 15 == 0 {
            store.maintain(&HistoryConfig::default()).unwrap();
        }
        n += 1;
    }
    let reader = Reader::open(&place.0).unwrap();
    let total = |_| {
        Query::new(SeriesName::Group("fleet".to_owned()), at(0), at(n * 60_000))
            .with_metrics(vec![Metric::HASHRATE, Metric::POWER])
    };
    ask(&format!("fleet total, two readings over {days} days, 15 min"), "< 100 ms", &reader, 20, total);
    let year = |_| total(0).with_step(Step::Tier(Tier::SixHours));
    ask(&format!("the same in steps of 6 h, {days} days"), "", &reader, 20, year);
}

fn ask(what: &str, goal: &str, reader: &Reader, miners: u64, query: impl Fn(u64) -> Query) {
    let mut took: Vec<f64> = Vec::new();
    let mut points = 0;
    for n in 0..60 {
        let query = query(n * 7_919 % miners);
        let began = Instant::now();
        let series = reader.series(&query).unwrap();
        took.push(began.elapsed().as_secs_f64() * 1e3);
        points = series.iter().map(|series| series.samples.len()).sum();
    }
    took.sort_by(f64::total_cmp);
    println!(
        "| {what}: {points} points | {:.1} ms, at worst {:.1} | {goal} |",
        took[took.len() / 2],
        took[took.len() - 1]
    );
}

fn at(offset: u64) -> Timestamp {
    Timestamp::from_unix_millis(START + offset as i64)
}

fn id(n: u64) -> MinerId {
    MinerId::from_u64((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

type Values = Vec<(u64, i64, Vec<(Metric, i64)>)>;

/// Hands a tick over, waits until it is on the disk, and says how many values were in it.
fn record(store: &Store, offset: u64, values: &Values) -> u64 {
    let mut tick = Tick::new(at(offset));
    let mut sums = Sums::default();
    for (miner, late, values) in values {
        sums.add(MinerStatus::Active, Some(values));
        tick.values(
            id(*miner),
            Timestamp::from_unix_millis(tick.at().as_unix_millis() - late),
            values.iter().copied(),
        );
    }
    tick.group("fleet", sums.values());
    let count = tick.value_count() as u64;
    let (told, kept) = mpsc::channel();
    store.record(tick, Box::new(move |outcome| told.send(outcome).unwrap())).unwrap();
    kept.recv().unwrap().unwrap();
    count
}

const READINGS: u64 = 30;

/// Machines that behave as machines do: rates are noisy, temperatures slow, fans go in steps, counters count.
struct Fleet {
    machines: Vec<Machine>,
    seed: u64,
}

#[derive(Clone)]
struct Machine {
    rate: f64,
    heat: f64,
    accepted: i64,
    rejected: i64,
    errors: [i64; 3],
    fan: i64,
}

impl Fleet {
    fn new(miners: u64) -> Self {
        let machine = |n: u64| Machine {
            rate: [95e6, 100e6, 110e6, 140e6][(n % 4) as usize],
            heat: 60.0 + (n % 20) as f64,
            accepted: n as i64 * 100,
            rejected: n as i64,
            errors: [n as i64, 2, 3],
            fan: 5_000,
        };
        Self { machines: (0..miners).map(machine).collect(), seed: 7 }
    }

    /// A share from 0 to 1.
    fn random(seed: &mut u64) -> f64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[allow(clippy::cast_possible_truncation, reason = "readings are small")]
    fn tick(&mut self, n: u64) -> Values {
        let seed = &mut self.seed;
        let tick = |(number, machine): (usize, &mut Machine)| {
            let mut noise = |spread: f64| (Self::random(seed) + Self::random(seed) - 1.0) * spread;
            let boards: [f64; 3] = std::array::from_fn(|_| machine.rate / 3.0 * (1.0 + noise(0.02)));
            machine.heat = (machine.heat + noise(0.4)).clamp(50.0, 85.0);
            machine.accepted += i64::from(noise(1.0) > 0.3);
            machine.rejected += i64::from(noise(1.0) > 0.97);
            if noise(1.0) > 0.9 {
                machine.fan = 4_800 + (machine.heat as i64 - 50) * 60;
            }
            let rate: f64 = boards.iter().sum();
            let power = 3_250.0 + noise(30.0);
            let mut values = vec![
                // As firmware prints it: GH/s with two decimals.
                (Metric::HASHRATE, (rate / 10.0).round() as i64 * 10),
                (Metric::HASHRATE_AVERAGE, (machine.rate / 10.0) as i64 * 10),
                (Metric::HASHRATE_EXPECTED, machine.rate as i64),
                (Metric::POWER, power.round() as i64 * 100),
                (Metric::EFFICIENCY, (power / (rate / 1e6) * 100.0).round() as i64),
                (Metric::TEMP_CHIP_MAX, machine.heat.round() as i64 * 100 + 1_500),
                (Metric::TEMP_BOARD_MAX, machine.heat.round() as i64 * 100),
                (Metric::ACCEPTED, machine.accepted),
                (Metric::REJECTED, machine.rejected),
                (Metric::HARDWARE_ERRORS, machine.errors.iter().sum()),
                (Metric::UPTIME, 100_000 + n as i64 * 10),
                (Metric::ELAPSED, 90_000 + n as i64 * 10),
            ];
            for (slot, board) in boards.iter().enumerate() {
                machine.errors[slot] += i64::from(noise(1.0) > 0.8);
                let of = |metric: Metric| metric.of(slot as u32).unwrap();
                values.extend([
                    (of(Metric::BOARD_HASHRATE), (board / 10.0).round() as i64 * 10),
                    (of(Metric::BOARD_TEMPERATURE), (machine.heat + noise(0.6)).round() as i64 * 100),
                    (
                        of(Metric::BOARD_CHIP_TEMPERATURE),
                        (machine.heat + 14.0 + noise(0.8)).round() as i64 * 100,
                    ),
                    (of(Metric::BOARD_HARDWARE_ERRORS), machine.errors[slot]),
                ]);
            }
            let step = machine.fan + noise(1.5).round() as i64 * 60;
            values.extend((0..4).map(|fan| (Metric::FAN_SPEED.of(fan).unwrap(), step + i64::from(fan) * 60)));
            values.extend([
                (Metric::POOL_ACCEPTED.of(0).unwrap(), machine.accepted),
                (Metric::POOL_REJECTED.of(0).unwrap(), machine.rejected),
            ]);
            assert_eq!(values.len() as u64, READINGS);
            (number as u64, (noise(4_000.0) + 4_500.0) as i64, values)
        };
        self.machines.iter_mut().enumerate().map(tick).collect()
    }
}

/// A directory that is gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(dir: &Path, name: &str) -> Self {
        let dir = dir.join(name);
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The database and its log.
fn size(dir: &Path) -> u64 {
    let database = database_in(dir);
    let mut log = database.clone().into_os_string();
    log.push("-wal");
    let of = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    of(&database) + of(Path::new(&log))
}

/// Processor time of this process. Linux.
fn cpu_seconds() -> f64 {
    seconds_of("/proc/self/stat")
}

/// Processor time of this thread, counted as that of the process is, so that one can be taken from the other. Linux.
fn thread_seconds() -> f64 {
    seconds_of("/proc/thread-self/stat")
}

fn seconds_of(file: &str) -> f64 {
    let stat = fs::read_to_string(file).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    // The terminal's group is -1 where there is none.
    let fields: Vec<i64> = fields.filter_map(|field| field.parse().ok()).collect();
    // After the state, which is no number: user time is the 14th field of all and system time the 15th.
    fields.get(10..12).map_or(0.0, |times| times.iter().sum::<i64>() as f64 / 100.0)
}

fn written_bytes() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn peak_bytes() -> u64 {
    field("/proc/self/status", "VmHWM:") * 1_024
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
