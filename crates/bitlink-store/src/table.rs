//! The registry's table: how a record becomes a row and a row a record. Knows nothing of files and threads.

use bitlink_model::{MinerId, MinerRecord};
use rusqlite::{Connection, Row, params};

/// FNV-1a over a text: not against anybody's will, but against a bit that falls over.
pub(crate) fn checksum(text: &str) -> i64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        .cast_signed()
}

pub(crate) fn put(connection: &Connection, record: &MinerRecord) -> rusqlite::Result<()> {
    // A record holds texts, numbers and lists of them: there is nothing in it that JSON cannot say.
    let text = serde_json::to_string(record)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO registry_miner (id, record, checksum, last_seen_ms, forgotten_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    put.execute(params![
        record.id.as_u64().cast_signed(),
        text,
        checksum(&text),
        record.last_seen.as_unix_millis(),
        record.forgotten.map(bitlink_model::Timestamp::as_unix_millis),
    ])?;
    Ok(())
}

pub(crate) fn drop(connection: &Connection, id: MinerId) -> rusqlite::Result<()> {
    let mut drop = connection.prepare_cached("DELETE FROM registry_miner WHERE id = ?1")?;
    drop.execute([id.as_u64().cast_signed()])?;
    Ok(())
}

/// The columns that [`record`] reads.
pub(crate) const COLUMNS: &str = "id, record, checksum";

/// A record, or why the row does not hold one.
pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<(i64, Result<MinerRecord, String>)> {
    let id: i64 = row.get(0)?;
    let read = || {
        let text = row.get_ref(1).and_then(|value| Ok(value.as_str()?)).map_err(|error| error.to_string())?;
        if row.get::<_, i64>(2).map_err(|error| error.to_string())? != checksum(text) {
            return Err("its checksum is another".to_owned());
        }
        let record: MinerRecord = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if record.id.as_u64().cast_signed() == id { Ok(record) } else { Err("its id is another".to_owned()) }
    };
    Ok((id, read()))
}
