//! Records out of the bytes of a file whose structure is gone. A record is a JSON text that lies in one piece, unless it is
//! longer than a page, and its checksum lies behind it; what is found may be older than what was there last.

use crate::table::checksum;
use bitlink_model::{MinerId, MinerRecord};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// How every record begins. The field `id` is the first of [`MinerRecord`].
const BEGIN: &[u8] = b"{\"id\":\"";
/// No row that lies in one piece is longer than the largest page.
const LONGEST: usize = 1 << 16;
/// How much is looked at together.
const PIECE: usize = 1 << 22;

/// Every whole record, of each machine the one that was met last.
pub(crate) fn carve(mut from: impl Read, found: &mut BTreeMap<MinerId, MinerRecord>) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let room = u64::try_from(PIECE).unwrap_or(u64::MAX);
        let read = from.by_ref().take(room).read_to_end(&mut bytes)?;
        let is_end = read == 0;
        // What begins near the end of a piece is looked at together with the next one.
        let until = if is_end { bytes.len() } else { bytes.len().saturating_sub(LONGEST) };
        carve_piece(&bytes, until, found);
        if is_end {
            return Ok(());
        }
        bytes.drain(..until);
    }
}

fn carve_piece(bytes: &[u8], until: usize, found: &mut BTreeMap<MinerId, MinerRecord>) {
    let mut at = 0;
    while at < until {
        let here = bytes.get(at..).unwrap_or_default();
        let Some(skip) = here.windows(BEGIN.len()).position(|window| window == BEGIN) else { return };
        at += skip;
        if at >= until {
            return;
        }
        let here = here.get(skip..).unwrap_or_default();
        if let Some(record) = whole(here.get(..LONGEST).unwrap_or(here)) {
            let newer = found.get(&record.id).is_none_or(|known| known.last_seen <= record.last_seen);
            if newer {
                found.insert(record.id, record);
            }
        }
        at += BEGIN.len();
    }
}

/// The record at the beginning of some bytes, if the checksum behind it is its own.
fn whole(bytes: &[u8]) -> Option<MinerRecord> {
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<MinerRecord>();
    let record = stream.next()?.ok()?;
    let end = stream.byte_offset();
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let kept = bytes.get(end..end.checked_add(8)?)?;
    let kept = i64::from_be_bytes(kept.try_into().ok()?);
    (kept == checksum(text)).then_some(record)
}
