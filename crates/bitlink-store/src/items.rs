//! Texts under keys that another layer keeps here: what alerts know, and what is still to be sent. Knows nothing of what they say.

use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Writes texts, and removes those that are no more.
pub(crate) fn put(connection: &Connection, items: &BTreeMap<String, Option<String>>) -> rusqlite::Result<()> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO alerts_item (key, data) VALUES (?1, ?2)")?;
    let mut drop = connection.prepare_cached("DELETE FROM alerts_item WHERE key = ?1")?;
    for (key, data) in items {
        match data {
            Some(data) => put.execute(params![key, data])?,
            None => drop.execute([key])?,
        };
    }
    Ok(())
}

pub(crate) fn all(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select = connection.prepare("SELECT key, data FROM alerts_item")?;
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}
