//! A chunk: what one machine said over an hour or a day, column by column, compressed. Chunks of four machines lie together, since
//! the database gives out room in whole pages.

use super::bits::{Cursor, bitmap, checksum, is_set, put_signed, put_varint, rank};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};

/// Machines whose chunks lie together.
pub(crate) const TOGETHER: usize = 4;
/// More rows than any chunk has.
const MOST_ROWS: usize = 1 << 14;
const MOST_COLUMNS: usize = 1 << 16;
const VERSION: u8 = 1;
/// Beyond this level nothing more is gained on readings.
const LEVEL: usize = 4;

const CONSTANT: u8 = 0;
const COMPRESSED: u8 = 1;

/// Numbers, compressed.
pub(crate) fn squeeze(values: &[i64], out: &mut Vec<u8>) -> Result<(), pco::errors::PcoError> {
    match values {
        [] => {}
        [first, rest @ ..] if rest.iter().all(|value| value == first) => {
            out.push(CONSTANT);
            put_signed(out, *first);
        }
        _ => {
            out.push(COMPRESSED);
            out.extend(simple_compress(values, &ChunkConfig::default().with_compression_level(LEVEL))?);
        }
    }
    Ok(())
}

/// So many numbers; `None`: these bytes are none.
fn expand(bytes: &[u8], count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let mut cursor = Cursor(bytes);
    match cursor.byte()? {
        CONSTANT => Some(vec![cursor.signed()?; count]),
        COMPRESSED => {
            let mut values = vec![0_i64; count];
            let progress = simple_decompress_into(cursor.0, &mut values).ok()?;
            (progress.n_processed == count).then_some(values)
        }
        _ => None,
    }
}

/// A machine's chunk in the making. Columns come in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct ChunkBuilder {
    directory: Vec<u8>,
    data: Vec<u8>,
    columns: u64,
    last_key: u64,
}

impl ChunkBuilder {
    /// The next column: in which of the rows it has a value, and the values.
    pub(crate) fn column(
        &mut self,
        key: u64,
        rows: usize,
        at: &[u32],
        values: &[i64],
    ) -> Result<(), pco::errors::PcoError> {
        let start = self.data.len();
        let is_partial = at.len() < rows;
        if is_partial {
            self.data.extend(bitmap(rows, at.iter().map(|row| *row as usize)));
        }
        squeeze(values, &mut self.data)?;
        put_varint(&mut self.directory, key - self.last_key);
        put_varint(&mut self.directory, ((self.data.len() - start) as u64) << 1 | u64::from(is_partial));
        self.last_key = key;
        self.columns += 1;
        Ok(())
    }

    /// With the times of all rows.
    pub(crate) fn finish(&self, times: &[i64]) -> Result<Vec<u8>, pco::errors::PcoError> {
        let mut squeezed = Vec::new();
        squeeze(times, &mut squeezed)?;
        let mut out = Vec::with_capacity(self.data.len() + self.directory.len() + squeezed.len() + 16);
        put_varint(&mut out, times.len() as u64);
        put_varint(&mut out, squeezed.len() as u64);
        out.extend(squeezed);
        put_varint(&mut out, self.columns);
        out.extend(&self.directory);
        out.extend(&self.data);
        Ok(out)
    }
}

/// A machine's chunk that is read.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) times: Vec<i64>,
    columns: Vec<(u64, bool, &'a [u8])>,
}

impl<'a> Chunk<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let rows = cursor.count(MOST_ROWS)?;
        let length = cursor.count(bytes.len())?;
        let times = expand(cursor.take(length)?, rows)?;
        let number = cursor.count(MOST_COLUMNS.min(bytes.len()))?;
        let mut directory = Vec::with_capacity(number);
        let mut key = 0_u64;
        for _ in 0..number {
            key = key.checked_add(cursor.varint()?)?;
            let length = cursor.varint()?;
            directory.push((key, usize::try_from(length >> 1).ok()?, length & 1 == 1));
        }
        let mut columns = Vec::with_capacity(number);
        for (key, length, is_partial) in directory {
            columns.push((key, is_partial, cursor.take(length)?));
        }
        Some(Self { times, columns })
    }

    /// The keys of the columns it has.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        self.columns.iter().map(|(key, ..)| *key)
    }

    /// A column, with a value for each row that has one. `None`: there is no such column. `Some(None)`: it is broken.
    #[allow(clippy::option_option, reason = "there is none, and it cannot be read, are two things")]
    pub(crate) fn column(&self, key: u64) -> Option<Option<Vec<Option<i64>>>> {
        let found = self.columns.binary_search_by_key(&key, |(key, ..)| *key).ok()?;
        let (_, is_partial, bytes) = self.columns.get(found)?;
        Some(self.expand(*is_partial, bytes))
    }

    fn expand(&self, is_partial: bool, bytes: &[u8]) -> Option<Vec<Option<i64>>> {
        let rows = self.times.len();
        if !is_partial {
            return Some(expand(bytes, rows)?.into_iter().map(Some).collect());
        }
        let mut cursor = Cursor(bytes);
        let has = cursor.take(rows.div_ceil(8))?;
        let mut values = expand(cursor.0, rank(has, rows))?.into_iter();
        Some((0..rows).map(|row| if is_set(has, row) { values.next() } else { None }).collect())
    }
}

/// Chunks of machines that lie together, each with its place among them.
pub(crate) fn bundle(chunks: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![chunks.len() as u8];
    for (place, chunk) in chunks {
        body.push(*place);
        put_varint(&mut body, chunk.len() as u64);
    }
    for (_, chunk) in chunks {
        body.extend(chunk);
    }
    let mut out = vec![VERSION];
    out.extend(checksum(&body).to_le_bytes());
    out.extend(body);
    out
}

/// The chunk at a place; `Ok(None)`: there is none. An error: these bytes are not what was written.
pub(crate) fn unbundle(bytes: &[u8], wanted: u8) -> Result<Option<&[u8]>, Broken> {
    Ok(unbundle_all(bytes)?.into_iter().find(|(place, _)| *place == wanted).map(|(_, chunk)| chunk))
}

/// All of them.
pub(crate) fn unbundle_all(bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, Broken> {
    let parse = || {
        let mut cursor = Cursor(bytes);
        if cursor.byte()? != VERSION {
            return None;
        }
        let written = u64::from_le_bytes(cursor.take(8)?.try_into().ok()?);
        if written != checksum(cursor.0) {
            return None;
        }
        let count = cursor.byte()?;
        let mut places = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            places.push((cursor.byte()?, cursor.count(bytes.len())?));
        }
        places.into_iter().map(|(place, length)| Some((place, cursor.take(length)?))).collect()
    };
    parse().ok_or(Broken)
}

/// Bytes that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

#[cfg(test)]
mod tests {
    //! What goes in comes out, whatever it is; what was changed on the disk is told.
    use super::*;
    use proptest::prelude::*;

    type Columns = Vec<Vec<Option<i64>>>;

    fn columns() -> impl Strategy<Value = (Vec<i64>, Columns)> {
        (0_usize..60).prop_flat_map(|rows| {
            let value = prop_oneof![Just(None), any::<i64>().prop_map(Some), (0_i64..9).prop_map(Some)];
            let column = prop_oneof![
                prop::collection::vec(value, rows),
                any::<i64>().prop_map(move |value| vec![Some(value); rows]),
            ];
            (prop::collection::vec(any::<i64>(), rows), prop::collection::vec(column, 0..6))
        })
    }

    fn build(times: &[i64], columns: &Columns) -> Vec<u8> {
        let mut builder = ChunkBuilder::default();
        for (number, column) in columns.iter().enumerate() {
            let has: Vec<u32> =
                column.iter().enumerate().filter(|(_, v)| v.is_some()).map(|(row, _)| row as u32).collect();
            let values: Vec<i64> = column.iter().flatten().copied().collect();
            builder.column(number as u64 * 3, times.len(), &has, &values).unwrap();
        }
        builder.finish(times).unwrap()
    }

    proptest! {
        #[test]
        fn any_times_and_values_survive_in_their_order((times, columns) in columns()) {
            let bytes = build(&times, &columns);
            let bundled = bundle(&[(1, Vec::new()), (3, bytes)]);
            prop_assert_eq!(unbundle(&bundled, 0), Ok(None));
            let chunk = Chunk::parse(unbundle(&bundled, 3).unwrap().unwrap()).unwrap();
            prop_assert_eq!(&chunk.times, &times);
            prop_assert_eq!(chunk.keys().count(), columns.len());
            for (number, column) in columns.into_iter().enumerate() {
                prop_assert_eq!(chunk.column(number as u64 * 3), Some(Some(column)));
            }
            prop_assert_eq!(chunk.column(1), None);
        }

        #[test]
        fn a_byte_that_changed_on_the_disk_is_told((times, columns) in columns(), at in any::<prop::sample::Index>(), by in 1_u8..) {
            let bundled = bundle(&[(0, build(&times, &columns))]);
            let mut changed = bundled.clone();
            let place = at.get_mut(&mut changed);
            *place = place.wrapping_add(by);
            prop_assert_eq!(unbundle(&changed, 0), Err(Broken));
            prop_assert_eq!(unbundle(&bundled[..at.index(bundled.len())], 0), Err(Broken));
        }

        #[test]
        fn hostile_bytes_are_no_chunk_or_another((times, columns) in columns(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = build(&times, &columns);
            *at.get_mut(&mut bytes) = to;
            if let Some(chunk) = Chunk::parse(&bytes) {
                for key in chunk.keys() {
                    let _ = chunk.column(key);
                }
            }
        }
    }
}
