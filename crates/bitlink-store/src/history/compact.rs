//! Rows become chunks, and what is kept of them for longer. Reading and computing is done beside the store's thread; what comes of it
//! is written by that in one transaction, which also deletes the rows.

use super::Tier;
use super::answer::{Gathered, Summary, bucket, nature};
use super::chunk::{ChunkBuilder, TOGETHER, bundle};
use super::row::{Column, READINGS, Row, RowBuilder, SLAB, Stat, key};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of chunks that each block has: one for each four machines.
pub(crate) const BLOCK: i64 = (SLAB / TOGETHER) as i64;

const HOUR: i64 = 3_600_000;

/// How rows of a tier are divided: milliseconds that one block is of, by how much slabs differ in that, and most rows.
fn division(tier: Tier) -> (i64, i64, usize) {
    match tier {
        Tier::Raw => (HOUR, HOUR / 4, 1_080),
        Tier::Quarter => (24 * HOUR, 6 * HOUR, 400),
        Tier::SixHours => (7 * 24 * HOUR, 24 * HOUR, 200),
    }
}

/// The end of the block that a row belongs to.
fn boundary(tier: Tier, slab: i64, at: i64) -> i64 {
    let (span, phase, _) = division(tier);
    let shift = slab.wrapping_mul(phase).rem_euclid(span);
    (at.saturating_sub(shift)).div_euclid(span).saturating_add(1).saturating_mul(span).saturating_add(shift)
}

/// Rows that are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    tier: Tier,
    slab: i64,
    /// Rows from this time on are left. `None`: as many as are made into a block.
    until: Option<i64>,
}

/// Rows that are ready at a time, if there are any.
pub(crate) fn due(connection: &Connection, now: i64) -> rusqlite::Result<Option<Due>> {
    let mut select = connection
        .prepare_cached("SELECT tier, slab, count(*), min(seq) FROM history_row GROUP BY tier, slab")?;
    let mut first = connection.prepare_cached("SELECT at_ms FROM history_row WHERE seq = ?1")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let Some(tier) = Tier::ALL.into_iter().find(|tier| tier.number() == number) else { continue };
        let (slab, count, oldest): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let oldest: i64 = first.query_row([oldest], |row| row.get(0))?;
        let end = boundary(tier, slab, oldest);
        if now >= end {
            return Ok(Some(Due { tier, slab, until: Some(end) }));
        }
        // A clock that was set back, or ticks that follow quickly.
        if count >= division(tier).2 as i64 {
            return Ok(Some(Due { tier, slab, until: None }));
        }
    }
    Ok(None)
}

/// What rows became, ready to be written.
#[derive(Debug)]
pub(crate) struct Compacted {
    tier: Tier,
    slab: i64,
    rows: Vec<i64>,
    bundles: Vec<(i64, Vec<u8>)>,
    next: Vec<(i64, Vec<u8>)>,
    from: i64,
    until: i64,
}

impl Compacted {
    /// Writes it and deletes the rows. In a transaction of the caller.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        // First, so that a full disk has the room that they took.
        let mut delete = connection.prepare_cached("DELETE FROM history_row WHERE seq = ?1")?;
        for row in &self.rows {
            delete.execute([row])?;
        }
        if !self.bundles.is_empty() {
            let block: i64 =
                connection
                    .query_row("SELECT coalesce(max(id), 0) + 1 FROM history_block", [], |row| row.get(0))?;
            let mut put =
                connection.prepare_cached("INSERT INTO history_chunk (id, data) VALUES (?1, ?2)")?;
            for (number, data) in &self.bundles {
                put.execute(params![block * BLOCK + number, data])?;
            }
            let bytes: usize = self.bundles.iter().map(|(_, data)| data.len()).sum();
            let mut put = connection.prepare_cached(
                "INSERT INTO history_block (id, tier, slab, from_ms, until_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            put.execute(params![block, self.tier.number(), self.slab, self.from, self.until, bytes as i64])?;
        }
        if let Some(tier) = self.tier.next() {
            let mut put = connection.prepare_cached(
                "INSERT INTO history_row (tier, slab, at_ms, data) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (at, data) in &self.next {
                put.execute(params![tier.number(), self.slab, at, data])?;
            }
        }
        Ok(())
    }
}

/// Why rows could not be made into chunks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("the compressor failed: {0}")]
    Compressor(#[from] pco::errors::PcoError),
}

/// Reads rows that are ready and computes what becomes of them.
pub(crate) fn prepare(connection: &Connection, due: Due) -> Result<Compacted, Failure> {
    let Due { tier, slab, until } = due;
    let mut numbers = Vec::new();
    let mut data: Vec<(i64, Vec<u8>)> = Vec::new();
    {
        let mut select = connection.prepare_cached(
            "SELECT seq, at_ms FROM history_row WHERE tier = ?1 AND slab = ?2 ORDER BY seq LIMIT ?3",
        )?;
        let mut fetch = connection.prepare_cached("SELECT data FROM history_row WHERE seq = ?1")?;
        let mut rows = select.query(params![tier.number(), slab, division(tier).2 as i64])?;
        while let Some(row) = rows.next()? {
            let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
            if until.is_some_and(|until| at >= until) {
                break;
            }
            numbers.push(number);
            data.push((at, fetch.query_row([number], |row| row.get(0))?));
        }
    }
    let mut rows = Vec::with_capacity(data.len());
    for (at, bytes) in &data {
        if let Some(row) = Row::parse(bytes) {
            rows.push((*at, row));
        } else {
            tracing::error!(at, slab, tier = %tier, "a row of history is damaged and is left out");
        }
    }
    let mut work = Transposing::new(tier, &rows);
    work.all()?;
    let mut compacted = Compacted {
        tier,
        slab,
        rows: numbers,
        bundles: Vec::new(),
        next: Vec::new(),
        from: i64::MAX,
        until: i64::MIN,
    };
    work.finish(&mut compacted)?;
    Ok(compacted)
}

/// Rows of one slab on their way to chunks, one metric after the other: all of them at once would take much memory.
struct Transposing<'a> {
    tier: Tier,
    rows: &'a [(i64, Row<'a>)],
    /// The places of the members of each row.
    places: Vec<Vec<usize>>,
    /// The times of each place's rows.
    times: Vec<Vec<i64>>,
    chunks: Vec<ChunkBuilder>,
    /// When each summary begins, and which of them each row belongs to.
    buckets: Vec<i64>,
    bucket_of: Vec<usize>,
    next: Vec<RowBuilder>,
    /// The rank of each place in each summary.
    ranks: Vec<BTreeMap<usize, u16>>,
    /// How many readings each member of each row stands for.
    weights: Vec<Vec<i64>>,
}

impl<'a> Transposing<'a> {
    fn new(tier: Tier, rows: &'a [(i64, Row<'a>)]) -> Self {
        let places: Vec<Vec<usize>> = rows.iter().map(|(_, row)| row.places().collect()).collect();
        let mut times = vec![Vec::new(); SLAB];
        for ((at, row), places) in rows.iter().zip(&places) {
            for (member, place) in places.iter().enumerate() {
                if let Some(times) = times.get_mut(*place) {
                    times.push(at.saturating_add(row.offset(member).unwrap_or(0)));
                }
            }
        }
        let mut buckets: Vec<i64> = Vec::new();
        let mut bucket_of = Vec::with_capacity(rows.len());
        for (at, _) in rows {
            let begins = tier.next().map_or(0, |next| bucket(next, *at));
            let found = buckets.iter().position(|known| *known == begins);
            bucket_of.push(found.unwrap_or_else(|| {
                buckets.push(begins);
                buckets.len() - 1
            }));
        }
        let weights = rows.iter().map(|(_, row)| match row.column(READINGS) {
            Some(column) => column.iter(row.len()).map(|readings| readings.unwrap_or(1)).collect(),
            None => vec![1; row.len()],
        });
        Self {
            tier,
            rows,
            weights: weights.collect(),
            next: Vec::new(),
            ranks: vec![BTreeMap::new(); buckets.len()],
            buckets,
            bucket_of,
            places,
            times,
            chunks: (0..SLAB).map(|_| ChunkBuilder::default()).collect(),
        }
    }

    fn all(&mut self) -> Result<(), Failure> {
        self.members_of_summaries();
        let keys: BTreeSet<u64> =
            self.rows.iter().flat_map(|(_, row)| row.columns()).map(|column| column.key).collect();
        for key in &keys {
            self.columns_of_chunks(*key)?;
        }
        if self.tier.next().is_some() {
            let codes: BTreeSet<u32> =
                keys.iter().filter(|key| **key != READINGS).map(|key| (key >> 2) as u32).collect();
            for code in codes {
                self.columns_of_summaries(code);
            }
        }
        Ok(())
    }

    /// Who is in which summary, and with how many readings.
    fn members_of_summaries(&mut self) {
        if self.tier.next().is_none() {
            return;
        }
        let mut readings = vec![BTreeMap::<usize, i64>::new(); self.buckets.len()];
        for ((places, weights), bucket) in self.places.iter().zip(&self.weights).zip(&self.bucket_of) {
            let Some(readings) = readings.get_mut(*bucket) else { continue };
            for (place, weight) in places.iter().zip(weights) {
                *readings.entry(*place).or_default() += weight;
            }
        }
        for (members, ranks) in readings.into_iter().zip(&mut self.ranks) {
            let mut builder = RowBuilder::default();
            for (place, readings) in members {
                ranks.insert(place, ranks.len() as u16);
                builder.member(place, 0);
                builder.value(READINGS, readings);
            }
            self.next.push(builder);
        }
    }

    fn columns_of_chunks(&mut self, key: u64) -> Result<(), Failure> {
        let mut at: Vec<Vec<u32>> = vec![Vec::new(); SLAB];
        let mut values: Vec<Vec<i64>> = vec![Vec::new(); SLAB];
        let mut seen = vec![0_u32; SLAB];
        for ((_, row), places) in self.rows.iter().zip(&self.places) {
            let column: Option<&Column<'_>> = row.column(key);
            let mut in_order = column.map(|column| column.iter(row.len()));
            for place in places {
                let Some(seen) = seen.get_mut(*place) else { continue };
                if let Some(value) = in_order.as_mut().and_then(Iterator::next).flatten()
                    && let (Some(at), Some(values)) = (at.get_mut(*place), values.get_mut(*place))
                {
                    at.push(*seen);
                    values.push(value);
                }
                *seen += 1;
            }
        }
        for ((chunk, seen), (at, values)) in self.chunks.iter_mut().zip(seen).zip(at.iter().zip(&values)) {
            if !values.is_empty() {
                chunk.column(key, seen as usize, at, values)?;
            }
        }
        Ok(())
    }

    fn columns_of_summaries(&mut self, code: u32) {
        let nature = nature(code);
        let count = self.buckets.len();
        let mut gathered = vec![Gathered::default(); SLAB * count];
        let rows = self.rows.iter().zip(&self.places).zip(self.weights.iter().zip(&self.bucket_of));
        for (((_, row), places), (weights, bucket)) in rows {
            let columns = Stat::ALL.map(|stat| row.column(key(code, stat)));
            let mut in_order = columns.map(|column| column.map(|column| column.iter(row.len())));
            for (place, weight) in places.iter().zip(weights) {
                let values =
                    in_order.each_mut().map(|column| column.as_mut().and_then(Iterator::next).flatten());
                let summary = match self.tier {
                    Tier::Raw => values.first().copied().flatten().map(Summary::of),
                    _ => Summary::from_columns(nature, *weight, values),
                };
                if let (Some(summary), Some(gathered)) = (summary, gathered.get_mut(place * count + bucket)) {
                    gathered.add(&summary);
                }
            }
        }
        for (bucket, (builder, ranks)) in self.next.iter_mut().zip(&self.ranks).enumerate() {
            let mut columns: BTreeMap<Stat, (Vec<u16>, Vec<i64>)> = BTreeMap::new();
            for (place, rank) in ranks {
                let Some(summary) =
                    gathered.get(place * count + bucket).and_then(|gathered| gathered.summary(nature))
                else {
                    continue;
                };
                for (stat, value) in summary.columns(nature) {
                    let (ranks, values) = columns.entry(stat).or_default();
                    ranks.push(*rank);
                    values.push(value);
                }
            }
            for (stat, (ranks, values)) in columns {
                builder.column(key(code, stat), ranks, values);
            }
        }
    }

    fn finish(self, compacted: &mut Compacted) -> Result<(), Failure> {
        let mut bundles: BTreeMap<i64, Vec<(u8, Vec<u8>)>> = BTreeMap::new();
        for (place, (chunk, times)) in self.chunks.iter().zip(&self.times).enumerate() {
            let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { continue };
            compacted.from = compacted.from.min(*first);
            compacted.until = compacted.until.max(*last);
            let number = (place / TOGETHER) as i64;
            bundles.entry(number).or_default().push(((place % TOGETHER) as u8, chunk.finish(times)?));
        }
        compacted.bundles = bundles.into_iter().map(|(number, chunks)| (number, bundle(&chunks))).collect();
        let rows = self.buckets.iter().zip(&self.next).filter(|(_, builder)| !builder.is_empty());
        compacted.next = rows.map(|(at, builder)| (*at, builder.finish())).collect();
        Ok(())
    }
}
