//! Writing a tick: machines get their small numbers, and each slab its row. Runs on the store's thread, in its transaction.

use super::Tier;
use super::event;
use super::row::{RowBuilder, SLAB, Stat, key};
use super::tick::Tick;
use bitlink_model::MinerId;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::ops::Range;

/// Most series of machines: what comes beyond is left out and told.
const MOST_MINERS: u32 = 1 << 20;

/// The numbers of series as the store's thread knows them.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    series: Option<Numbers>,
}

/// Groups have the numbers of the first slab, machines those from the second on.
#[derive(Debug, Default)]
struct Numbers {
    miners: HashMap<MinerId, u32>,
    groups: HashMap<String, u32>,
    next_miner: u32,
    next_group: u32,
}

impl Numbers {
    fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut numbers = Self { next_miner: SLAB as u32, ..Self::default() };
        let mut select =
            connection.prepare_cached("SELECT num, miner, name FROM history_series ORDER BY num")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let number: u32 = row.get(0)?;
            if let Some(miner) = row.get::<_, Option<i64>>(1)? {
                let miner = MinerId::from_u64(miner.cast_unsigned());
                numbers.miners.entry(miner).or_insert(number);
                numbers.next_miner = number + 1;
            } else if let Some(name) = row.get::<_, Option<String>>(2)? {
                numbers.groups.insert(name, number);
                numbers.next_group = number + 1;
            }
        }
        Ok(numbers)
    }

    fn miner(&mut self, connection: &Connection, miner: MinerId) -> rusqlite::Result<Option<u32>> {
        if let Some(number) = self.miners.get(&miner) {
            return Ok(Some(*number));
        }
        let number = self.next_miner;
        if number >= MOST_MINERS {
            return Ok(None);
        }
        let mut insert =
            connection.prepare_cached("INSERT INTO history_series (num, miner) VALUES (?1, ?2)")?;
        insert.execute(params![number, miner.as_u64().cast_signed()])?;
        self.next_miner += 1;
        self.miners.insert(miner, number);
        Ok(Some(number))
    }

    fn group(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<Option<u32>> {
        if let Some(number) = self.groups.get(name) {
            return Ok(Some(*number));
        }
        let number = self.next_group;
        if number as usize >= SLAB {
            return Ok(None);
        }
        let mut insert =
            connection.prepare_cached("INSERT INTO history_series (num, name) VALUES (?1, ?2)")?;
        insert.execute(params![number, name])?;
        self.next_group += 1;
        self.groups.insert(name.to_owned(), number);
        Ok(Some(number))
    }
}

impl Ingest {
    /// Forgets what it knows: what it was part of is undone.
    pub(crate) fn forget(&mut self) {
        self.series = None;
    }

    /// Writes everything of a tick.
    pub(crate) fn write(&mut self, connection: &Connection, tick: &Tick) -> rusqlite::Result<()> {
        let numbers = match &mut self.series {
            Some(numbers) => numbers,
            none => none.insert(Numbers::load(connection)?),
        };
        let mut entries: Vec<(u32, i64, &Range<usize>)> =
            Vec::with_capacity(tick.readings.len() + tick.groups.len());
        let mut left_out = 0_u64;
        for (name, values) in &tick.groups {
            match numbers.group(connection, name)? {
                Some(number) => entries.push((number, tick.at, values)),
                None => left_out += 1,
            }
        }
        for reading in &tick.readings {
            match numbers.miner(connection, reading.miner)? {
                Some(number) => entries.push((number, reading.at, &reading.values)),
                None => left_out += 1,
            }
        }
        if left_out > 0 {
            tracing::warn!(left_out, "more series than are kept: {} groups and {MOST_MINERS} miners", SLAB);
        }
        // Of two readings of one machine the later one counts: a stable order, and the last of equals.
        entries.sort_by_key(|(number, at, _)| (*number, *at));
        let mut insert = connection
            .prepare_cached("INSERT INTO history_row (tier, slab, at_ms, data) VALUES (?1, ?2, ?3, ?4)")?;
        for slab in entries.chunk_by(|a, b| a.0 as usize / SLAB == b.0 as usize / SLAB) {
            let mut builder = RowBuilder::default();
            let mut number_of_slab = 0;
            for (position, (number, at, values)) in slab.iter().enumerate() {
                number_of_slab = *number as usize / SLAB;
                if slab.get(position + 1).is_some_and(|next| next.0 == *number) {
                    continue;
                }
                builder.member(*number as usize % SLAB, at.saturating_sub(tick.at));
                for (code, value) in tick.values.get((*values).clone()).unwrap_or_default() {
                    builder.value(key(*code, Stat::Last), *value);
                }
            }
            insert.execute(params![Tier::Raw.number(), number_of_slab as i64, tick.at, builder.finish()])?;
        }
        for happened in &tick.events {
            event::put(connection, happened)?;
            if let (event::EventKind::Absorbed { into }, Some(gone)) = (&happened.kind, happened.miner) {
                let (into, gone) = (*into, gone);
                let mut update =
                    connection.prepare_cached("UPDATE history_series SET miner = ?1 WHERE miner = ?2")?;
                update.execute([into.as_u64().cast_signed(), gone.as_u64().cast_signed()])?;
                if let Some(number) = numbers.miners.remove(&gone) {
                    numbers.miners.entry(into).or_insert(number);
                }
            }
        }
        Ok(())
    }
}
