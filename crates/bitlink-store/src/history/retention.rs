//! What is too old, or too much: which blocks go.

use super::compact::BLOCK;
use super::{HistoryConfig, Tier};
use rusqlite::{Connection, params};

/// Blocks that go, and whether that is enough.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) blocks: Vec<i64>,
    /// By how many bytes more is in use than may be, when all that may go has gone.
    pub(crate) too_much: Option<u64>,
}

impl Expired {
    /// Deletes a block. In a transaction of the caller.
    pub(crate) fn delete(connection: &Connection, block: i64) -> rusqlite::Result<()> {
        let mut delete = connection.prepare_cached("DELETE FROM history_chunk WHERE id BETWEEN ?1 AND ?2")?;
        delete.execute([block * BLOCK, block * BLOCK + BLOCK - 1])?;
        connection.prepare_cached("DELETE FROM history_block WHERE id = ?1")?.execute([block])?;
        Ok(())
    }
}

/// What always stays of each tier when there is too much, in milliseconds: enough to see what happened.
const fn least(tier: Tier) -> i64 {
    const HOUR: i64 = 3_600_000;
    match tier {
        Tier::Raw => 2 * HOUR,
        Tier::Quarter => 24 * HOUR,
        Tier::SixHours => 14 * 24 * HOUR,
    }
}

/// What goes by its age at a time, and what goes because there is too much.
pub(crate) fn expired(
    connection: &Connection,
    config: &HistoryConfig,
    now: i64,
) -> rusqlite::Result<Expired> {
    let mut expired = Expired::default();
    let mut freed = 0_i64;
    for tier in Tier::ALL {
        let age = i64::try_from(config.age(tier).as_millis()).unwrap_or(i64::MAX);
        let mut select = connection.prepare_cached(
            "SELECT id, bytes FROM history_block WHERE tier = ?1 AND until_ms < ?2 ORDER BY id",
        )?;
        let mut rows = select.query(params![tier.number(), now.saturating_sub(age)])?;
        while let Some(row) = rows.next()? {
            expired.blocks.push(row.get(0)?);
            freed += row.get::<_, i64>(1)?;
        }
    }
    let Some(most) = config.most_bytes.and_then(|most| i64::try_from(most).ok()) else { return Ok(expired) };
    let mut used = used_bytes(connection)? - freed;
    if used <= most {
        return Ok(expired);
    }
    // Some more than must be, so that it is not one block at every tick.
    let wanted = most - most / 20;
    for tier in Tier::ALL {
        let mut select = connection.prepare_cached(
            "SELECT id, bytes FROM history_block WHERE tier = ?1 AND until_ms < ?2 ORDER BY until_ms, id",
        )?;
        let mut rows = select.query(params![tier.number(), now.saturating_sub(least(tier))])?;
        while let Some(row) = rows.next()?
            && used > wanted
        {
            let id = row.get(0)?;
            if !expired.blocks.contains(&id) {
                expired.blocks.push(id);
                used -= row.get::<_, i64>(1)?;
            }
        }
    }
    expired.too_much = u64::try_from(used - most).ok().filter(|more| *more > 0);
    Ok(expired)
}

/// Bytes of the file that hold something.
pub(crate) fn used_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let of = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((of("page_count")? - of("freelist_count")?) * of("page_size")?)
}
