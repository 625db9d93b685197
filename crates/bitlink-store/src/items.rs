//! Texts under keys that other layers keep here: what alerts know, what is still to be sent, what rules remember of machines. Knows nothing of what
//! they say. The table bears the name of who came first.

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

/// Those whose keys begin so, found by the order of the keys.
pub(crate) fn under(connection: &Connection, prefix: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select = connection.prepare("SELECT key, data FROM alerts_item WHERE key >= ?1 ORDER BY key")?;
    let mut rows = select.query([prefix])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.insert(key, row.get(1)?);
    }
    Ok(found)
}

/// Reads what can be read of a damaged table, from both its ends. Says whether that was all.
pub(crate) fn salvage(connection: &Connection, items: &mut BTreeMap<String, String>) -> bool {
    let mut read = |order: &str| {
        let text = format!("SELECT key, data FROM alerts_item ORDER BY key {order}");
        let mut select = connection.prepare(&text)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            // A text that is none is no reason to leave the others.
            if let (Ok(key), Ok(data)) = (row.get(0), row.get(1)) {
                items.insert(key, data);
            }
        }
        Ok::<(), rusqlite::Error>(())
    };
    if read("ASC").is_ok() {
        return true;
    }
    // What lies behind the damage.
    let _ = read("DESC");
    false
}
