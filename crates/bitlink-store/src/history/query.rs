//! Reading ranges: from chunks, from rows that are not chunks yet, and from finer rows of which there are no summaries yet.

use super::answer::{Gathered, Summary, bucket, nature};
use super::chunk::{Broken, Chunk, TOGETHER, unbundle, unbundle_all};
use super::compact::BLOCK;
use super::row::{READINGS, Row, SLAB, Stat, key};
use super::{Series, Tier};
use bitlink_model::{Metric, MetricNature, MinerId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Whose readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesName {
    /// Those of a machine.
    Miner(MinerId),
    /// Those of a group of machines: `fleet`, `site/North`.
    Group(String),
}

/// In which resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// The finest that suits the length of time and reaches back so far.
    #[default]
    Auto,
    /// This one.
    Tier(Tier),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// Whose readings.
    pub of: SeriesName,
    /// Which; none named is all that there are.
    pub metrics: Vec<Metric>,
    /// From this time on.
    pub from: Timestamp,
    /// Up to this time, which is not in it.
    pub until: Timestamp,
    /// In which resolution.
    pub step: Step,
}

impl Query {
    /// All metrics over a time.
    pub fn new(of: SeriesName, from: Timestamp, until: Timestamp) -> Self {
        Self { of, metrics: Vec::new(), from, until, step: Step::Auto }
    }

    /// Of these metrics only.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Vec<Metric>) -> Self {
        self.metrics = metrics;
        self
    }

    /// In this resolution.
    #[must_use]
    pub fn with_step(mut self, step: Step) -> Self {
        self.step = step;
        self
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    Database(rusqlite::Error),
    Damaged(&'static str),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Broken> for Trouble {
    fn from(_: Broken) -> Self {
        Self::Damaged("a chunk of history is not what was written")
    }
}

const BROKEN_ROW: Trouble = Trouble::Damaged("a row of history cannot be read");

/// Rows may be written so long after what is in them was read, in milliseconds.
const LATE: i64 = 2 * 3_600_000;

pub(crate) fn series(connection: &Connection, query: &Query) -> Result<Vec<Series>, Trouble> {
    let numbers = numbers(connection, &query.of)?;
    let (from, until) = (query.from.as_unix_millis(), query.until.as_unix_millis());
    let tier = match query.step {
        Step::Tier(tier) => tier,
        Step::Auto => suited(connection, &numbers, from, until)?,
    };
    let codes: Option<BTreeSet<u32>> =
        (!query.metrics.is_empty()).then(|| query.metrics.iter().map(|metric| metric.code()).collect());
    let mut found = Found { tier, from: bucket(tier, from), until, codes, values: BTreeMap::new() };
    for number in numbers {
        found.read(connection, number)?;
    }
    Ok(found.finish())
}

/// The numbers under which the readings of a machine or group are kept: more than one where two records became one.
fn numbers(connection: &Connection, of: &SeriesName) -> rusqlite::Result<Vec<u32>> {
    match of {
        SeriesName::Miner(id) => {
            let mut select =
                connection.prepare_cached("SELECT num FROM history_series WHERE miner = ?1 ORDER BY num")?;
            let found = select.query_map([id.as_u64().cast_signed()], |row| row.get(0))?;
            found.collect()
        }
        SeriesName::Group(name) => {
            let mut select =
                connection.prepare_cached("SELECT num FROM history_series WHERE name = ?1 ORDER BY num")?;
            let found = select.query_map([name], |row| row.get(0))?;
            found.collect()
        }
    }
}

fn suited(connection: &Connection, numbers: &[u32], from: i64, until: i64) -> rusqlite::Result<Tier> {
    const HOUR: i64 = 3_600_000;
    let span = until.saturating_sub(from);
    let mut tier = if span <= 25 * HOUR {
        Tier::Raw
    } else if span <= 31 * 24 * HOUR {
        Tier::Quarter
    } else {
        Tier::SixHours
    };
    let Some(slab) = numbers.first().map(|number| slab(*number)) else { return Ok(tier) };
    while let Some(next) = tier.next() {
        let (own, coarser) = (oldest(connection, tier, slab)?, oldest(connection, next, slab)?);
        let reaches = own.is_some_and(|own| own <= from.saturating_add(HOUR / 4));
        let helps =
            coarser.is_some_and(|coarser| own.is_none_or(|own| coarser < own.saturating_sub(6 * HOUR)));
        if reaches || !helps {
            break;
        }
        tier = next;
    }
    Ok(tier)
}

fn oldest(connection: &Connection, tier: Tier, slab: i64) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached(
        "SELECT min(at) FROM (SELECT min(from_ms) AS at FROM history_block WHERE tier = ?1 AND slab = ?2
         UNION ALL SELECT min(at_ms) FROM history_row WHERE tier = ?1 AND slab = ?2)",
    )?;
    select.query_row(params![tier.number(), slab], |row| row.get(0))
}

fn slab(number: u32) -> i64 {
    (number as usize / SLAB) as i64
}

/// The blocks of a slab that have something of a time, in the order in which they were written.
fn blocks(
    connection: &Connection,
    tier: Tier,
    slab: i64,
    from: i64,
    until: i64,
) -> rusqlite::Result<Vec<i64>> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM history_block WHERE tier = ?1 AND slab = ?2 AND until_ms >= ?3 AND from_ms < ?4 ORDER BY id",
    )?;
    let found = select.query_map(params![tier.number(), slab, from, until], |row| row.get(0))?;
    found.collect()
}

/// The rows of a slab that may have something of a time, in the order in which they were written. Only their numbers: sorting does
/// not carry their bytes along.
fn rows(
    connection: &Connection,
    tier: Tier,
    slab: i64,
    from: i64,
    until: i64,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut select = connection.prepare_cached(
        "SELECT seq, at_ms FROM history_row WHERE tier = ?1 AND slab = ?2 AND at_ms >= ?3 AND at_ms < ?4 ORDER BY seq",
    )?;
    let late = if tier == Tier::Raw { LATE } else { 0 };
    let found = select.query_map(params![tier.number(), slab, from, until.saturating_add(late)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    found.collect()
}

/// What has been found of one series.
struct Found {
    tier: Tier,
    from: i64,
    until: i64,
    codes: Option<BTreeSet<u32>>,
    values: BTreeMap<u32, Vec<(i64, Summary)>>,
}

impl Found {
    fn read(&mut self, connection: &Connection, number: u32) -> Result<(), Trouble> {
        let (slab, place) = (slab(number), number as usize % SLAB);
        let mut fetch = connection.prepare_cached("SELECT data FROM history_chunk WHERE id = ?1")?;
        let within = (place % TOGETHER) as u8;
        for block in blocks(connection, self.tier, slab, self.from, self.until)? {
            let id = block * BLOCK + (place / TOGETHER) as i64;
            let mut found = fetch.query([id])?;
            let Some(row) = found.next()? else { continue };
            let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Some(bytes) = unbundle(bytes, within)? {
                self.chunk(&Chunk::parse(bytes).ok_or(Broken)?)?;
            }
        }
        let mut fetch = connection.prepare_cached("SELECT data FROM history_row WHERE seq = ?1")?;
        // What is not summed up yet is in rows of the finer tiers, and in nothing else of theirs.
        for tier in Tier::ALL.into_iter().rev().filter(|tier| *tier <= self.tier) {
            let mut gathered: BTreeMap<u32, BTreeMap<i64, Gathered>> = BTreeMap::new();
            for (seq, at) in rows(connection, tier, slab, self.from, self.until)? {
                let mut found = fetch.query([seq])?;
                let Some(row) = found.next()? else { continue };
                let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
                let row = Row::parse(bytes).ok_or(BROKEN_ROW)?;
                let Some(member) = row.member(place) else { continue };
                let mut take = |code: u32, summary: Summary| {
                    if tier == self.tier {
                        let at = at.saturating_add(row.offset(member).unwrap_or(0));
                        if at >= self.from && at < self.until {
                            self.values.entry(code).or_default().push((at, summary));
                        }
                    } else if at < self.until {
                        gathered
                            .entry(code)
                            .or_default()
                            .entry(bucket(self.tier, at))
                            .or_default()
                            .add(&summary);
                    }
                };
                if let Some(codes) = &self.codes {
                    for code in codes {
                        if let Some(summary) = summary_in(&row, tier, member, *code) {
                            take(*code, summary);
                        }
                    }
                } else {
                    let mut codes: Vec<u32> = row
                        .columns()
                        .iter()
                        .filter(|c| c.key != READINGS)
                        .map(|c| (c.key >> 2) as u32)
                        .collect();
                    codes.dedup();
                    for code in codes {
                        if let Some(summary) = summary_in(&row, tier, member, code) {
                            take(code, summary);
                        }
                    }
                }
            }
            for (code, buckets) in gathered {
                let summaries =
                    buckets.into_iter().filter_map(|(at, all)| Some((at, all.summary(nature(code))?)));
                self.values.entry(code).or_default().extend(summaries);
            }
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk<'_>) -> Result<(), Trouble> {
        let codes: Vec<u32> = if let Some(codes) = &self.codes {
            codes.iter().copied().collect()
        } else {
            let mut codes: Vec<u32> =
                chunk.keys().filter(|key| *key != READINGS).map(|key| (key >> 2) as u32).collect();
            codes.dedup();
            codes
        };
        let column = |key| match chunk.column(key) {
            Some(Some(values)) => Ok(Some(values)),
            Some(None) => Err(Broken),
            None => Ok(None),
        };
        let readings = if self.tier == Tier::Raw { None } else { column(READINGS)? };
        for code in codes {
            let nature = nature(code);
            let stats: &[Stat] = if self.tier == Tier::Raw { &[Stat::Last] } else { &Stat::ALL };
            let mut columns: [Option<Vec<Option<i64>>>; 4] = [const { None }; 4];
            for stat in stats {
                if let Some(place) = columns.get_mut(*stat as usize) {
                    *place = column(key(code, *stat))?;
                }
            }
            if columns.iter().all(Option::is_none) {
                continue;
            }
            let values = self.values.entry(code).or_default();
            for (row, at) in chunk.times.iter().enumerate() {
                if *at < self.from || *at >= self.until {
                    continue;
                }
                let of = |column: &Option<Vec<Option<i64>>>| column.as_ref()?.get(row).copied().flatten();
                let summary = if self.tier == Tier::Raw {
                    columns.first().and_then(of).map(Summary::of)
                } else {
                    let count = of(&readings).unwrap_or(1);
                    Summary::from_columns(nature, count, columns.each_ref().map(of))
                };
                values.extend(summary.map(|summary| (*at, summary)));
            }
        }
        Ok(())
    }

    /// In order of time, each time once, though the clock went where it would.
    fn finish(self) -> Vec<Series> {
        let tier = self.tier;
        let mut all = Vec::with_capacity(self.values.len());
        for (code, mut values) in self.values {
            let Some(metric) = Metric::from_code(code) else { continue };
            if !values.is_sorted_by_key(|(at, _)| *at) {
                values.sort_by_key(|(at, _)| *at);
            }
            let nature = metric.info().nature;
            let samples = values
                .chunk_by(|a, b| a.0 == b.0)
                .filter_map(|same| Some(joined(tier, nature, same)?.sample(metric, same.first()?.0)))
                .collect::<Vec<_>>();
            if !samples.is_empty() {
                all.push(Series { metric, tier, samples });
            }
        }
        all
    }
}

/// Of two readings of one time the one that was written last; of summaries all together.
fn joined(tier: Tier, nature: MetricNature, same: &[(i64, Summary)]) -> Option<Summary> {
    if tier == Tier::Raw || same.len() == 1 {
        return same.last().map(|(_, summary)| *summary);
    }
    let mut gathered = Gathered::default();
    for (_, summary) in same {
        gathered.add(summary);
    }
    gathered.summary(nature)
}

fn summary_in(row: &Row<'_>, tier: Tier, member: usize, code: u32) -> Option<Summary> {
    let value = |stat| row.column(key(code, stat))?.get(member);
    if tier == Tier::Raw {
        return value(Stat::Last).map(Summary::of);
    }
    let readings = row.column(READINGS).and_then(|column| column.get(member)).unwrap_or(1);
    Summary::from_columns(nature(code), readings, Stat::ALL.map(value))
}

/// The last value of a metric that each machine told in a time before this, `mean` being that of what was found: of raw readings where
/// there are any, else of summaries.
pub(crate) fn values_at(
    connection: &Connection,
    metrics: &[Metric],
    at: i64,
    within: Duration,
) -> Result<BTreeMap<MinerId, BTreeMap<Metric, f64>>, Trouble> {
    let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let mut miners: BTreeMap<u32, MinerId> = BTreeMap::new();
    {
        let mut select =
            connection.prepare_cached("SELECT num, miner FROM history_series WHERE miner IS NOT NULL")?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            miners.insert(row.get(0)?, MinerId::from_u64(row.get::<_, i64>(1)?.cast_unsigned()));
        }
    }
    let slabs: BTreeSet<i64> = miners.keys().map(|number| slab(*number)).collect();
    let codes: BTreeSet<u32> = metrics.iter().map(|metric| metric.code()).collect();
    let mut answer: BTreeMap<MinerId, BTreeMap<Metric, f64>> = BTreeMap::new();
    for slab in slabs {
        for tier in Tier::ALL {
            let from = bucket(tier, at.saturating_sub(within));
            let mut per_place: BTreeMap<usize, Found> = BTreeMap::new();
            let new = || Found {
                tier,
                from,
                until: at.saturating_add(1),
                codes: Some(codes.clone()),
                values: BTreeMap::new(),
            };
            for block in blocks(connection, tier, slab, from, at.saturating_add(1))? {
                let mut fetch = connection
                    .prepare_cached("SELECT id, data FROM history_chunk WHERE id BETWEEN ?1 AND ?2")?;
                let mut found = fetch.query([block * BLOCK, block * BLOCK + BLOCK - 1])?;
                while let Some(row) = found.next()? {
                    let first =
                        usize::try_from(row.get::<_, i64>(0)? - block * BLOCK).unwrap_or(0) * TOGETHER;
                    let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                    for (place, bytes) in unbundle_all(bytes)? {
                        let found = per_place.entry(first + usize::from(place)).or_insert_with(new);
                        found.chunk(&Chunk::parse(bytes).ok_or(Broken)?)?;
                    }
                }
            }
            for (seq, row_at) in rows(connection, tier, slab, from, at.saturating_add(1))? {
                let mut fetch = connection.prepare_cached("SELECT data FROM history_row WHERE seq = ?1")?;
                let Some(bytes) = fetch.query_row([seq], |row| row.get::<_, Vec<u8>>(0)).optional()? else {
                    continue;
                };
                let row = Row::parse(&bytes).ok_or(BROKEN_ROW)?;
                for (member, place) in row.places().enumerate() {
                    let at = row_at.saturating_add(row.offset(member).unwrap_or(0));
                    let found = per_place.entry(place).or_insert_with(new);
                    if at < found.from || at >= found.until {
                        continue;
                    }
                    for code in &codes {
                        if let Some(summary) = summary_in(&row, tier, member, *code) {
                            found.values.entry(*code).or_default().push((at, summary));
                        }
                    }
                }
            }
            let mut any = false;
            for (place, found) in per_place {
                let number = u32::try_from(slab).unwrap_or(0) * SLAB as u32 + place as u32;
                let Some(miner) = miners.get(&number) else { continue };
                for series in found.finish() {
                    let count = series.samples.len();
                    #[allow(clippy::cast_precision_loss, reason = "few samples")]
                    let mean = series.samples.iter().map(|sample| sample.mean).sum::<f64>() / count as f64;
                    let last = series.samples.last().map_or(mean, |sample| sample.last);
                    let value = if series.metric.info().nature == MetricNature::Gauge { mean } else { last };
                    answer.entry(*miner).or_default().insert(series.metric, value);
                    any = true;
                }
            }
            if any {
                break;
            }
        }
    }
    Ok(answer)
}
