//! Readings over time and what has happened, carried row by row from a damaged file into a new one. What cannot be read is left behind;
//! nothing is taken for another machine's.

use crate::history::{Row, unbundle_all};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, params_from_iter};

/// Tables with their keys and columns. Without the whole of the first, nobody knows whose the numbers in the others are.
const TABLES: [(&str, &str, &[&str]); 5] = [
    ("history_series", "num", &["num", "miner", "name"]),
    ("history_row", "seq", &["seq", "tier", "slab", "at_ms", "data"]),
    ("history_block", "id", &["id", "tier", "slab", "from_ms", "until_ms", "bytes"]),
    ("history_chunk", "id", &["id", "data"]),
    ("history_event", "id", &["id", "at_ms", "miner", "kind", "data"]),
];

/// Carries over what can be read. Says whether that was all.
///
/// # Errors
/// Those of the new file.
pub(super) fn carry(damaged: &Connection, fresh: &Connection) -> rusqlite::Result<bool> {
    let mut is_whole = true;
    for (n, (table, key, columns)) in TABLES.into_iter().enumerate() {
        let is_there = carry_table(damaged, fresh, table, key, columns)?;
        is_whole &= is_there;
        if n == 0 && !is_there {
            // A number that is free may be given to another machine.
            fresh.execute(&format!("DELETE FROM {table}"), [])?;
            return Ok(false);
        }
    }
    Ok(is_whole)
}

/// Forward to the damage, then backward to it.
fn carry_table(
    damaged: &Connection,
    fresh: &Connection,
    table: &str,
    key: &str,
    columns: &[&str],
) -> rusqlite::Result<bool> {
    let names = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = fresh.prepare(&format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"))?;
    for order in ["ASC", "DESC"] {
        let text = format!("SELECT {names} FROM {table} ORDER BY {key} {order}");
        let Ok(mut select) = damaged.prepare(&text) else { return Ok(false) };
        let Ok(mut rows) = select.query([]) else { return Ok(false) };
        let mut skipped = false;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) if order == "ASC" => return Ok(!skipped),
                Ok(None) | Err(_) => break,
            };
            let values: rusqlite::Result<Vec<Value>> =
                (0..columns.len()).map(|n| row.get::<_, Value>(n)).collect();
            let Some(values) = values.ok().filter(|values| is_sound(table, values)) else {
                skipped = true;
                continue;
            };
            match insert.execute(params_from_iter(values)) {
                Ok(_) => {}
                // A value that the column does not take is damage too.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    skipped = true;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(false)
}

/// Whether what is packed can be unpacked. A page that lost its content is not always missed by the database.
fn is_sound(table: &str, values: &[Value]) -> bool {
    match (table, values.last()) {
        ("history_row", Some(Value::Blob(bytes))) => Row::parse(bytes).is_some(),
        ("history_chunk", Some(Value::Blob(bytes))) => unbundle_all(bytes).is_ok(),
        ("history_event", Some(Value::Text(text))) => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        }
        ("history_series" | "history_block", _) => true,
        _ => false,
    }
}
