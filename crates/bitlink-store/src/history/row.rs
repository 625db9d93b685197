//! A row: what up to 1,024 machines said at one time, column by column. Quick to make and quick to take one machine's value
//! from; what is kept for longer is made into chunks.

use super::bits::{Cursor, Packed, bitmap, is_set, pack, put_varint, rank};
use std::collections::BTreeMap;

/// Machines of one slab, that is of one row.
pub(crate) const SLAB: usize = 1024;
const MEMBERS: usize = SLAB / 8;
const VERSION: u8 = 1;
/// More columns than any machines together have.
const MOST_COLUMNS: usize = 1 << 16;

/// Which value of a metric a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stat {
    /// The last one; of a single reading the only one.
    Last = 0,
    Mean = 1,
    Min = 2,
    Max = 3,
}

impl Stat {
    pub(crate) const ALL: [Self; 4] = [Self::Last, Self::Mean, Self::Min, Self::Max];
}

/// The column of a metric's value. Column 0 belongs to no metric: it has the number of readings that were joined.
pub(crate) const fn key(code: u32, stat: Stat) -> u64 {
    (code as u64) << 2 | stat as u64
}

/// The column with the number of readings that were joined.
pub(crate) const READINGS: u64 = 0;

/// A row in the making. Members come in the order of their places.
#[derive(Debug, Default)]
pub(crate) struct RowBuilder {
    places: Vec<usize>,
    offsets: Vec<i64>,
    columns: BTreeMap<u64, (Vec<u16>, Vec<i64>)>,
}

impl RowBuilder {
    /// The next machine: its place in the slab, greater than that of the one before, and when it was read, in milliseconds after
    /// the time of the row.
    pub(crate) fn member(&mut self, place: usize, offset: i64) {
        debug_assert!(place < SLAB && self.places.last().is_none_or(|last| *last < place));
        self.places.push(place);
        self.offsets.push(offset);
    }

    /// A value of the machine that came last.
    pub(crate) fn value(&mut self, key: u64, value: i64) {
        let Some(rank) = self.places.len().checked_sub(1) else { return };
        let (ranks, values) = self.columns.entry(key).or_default();
        let rank = rank as u16;
        if ranks.last() == Some(&rank) {
            // Told twice; the first counts.
            return;
        }
        ranks.push(rank);
        values.push(value);
    }

    /// A whole column: the ranks of the members that have it, in their order, and the values.
    pub(crate) fn column(&mut self, key: u64, ranks: Vec<u16>, values: Vec<i64>) {
        debug_assert_eq!(ranks.len(), values.len());
        self.columns.insert(key, (ranks, values));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        let mut directory = Vec::new();
        let mut data = Vec::new();
        let mut before = 0;
        let count = self.places.len();
        for (key, (ranks, values)) in &self.columns {
            let start = data.len();
            let is_partial = ranks.len() < count;
            if is_partial {
                data.extend(bitmap(count, ranks.iter().map(|rank| usize::from(*rank))));
            }
            pack(values, &mut data);
            put_varint(&mut directory, key - before);
            put_varint(&mut directory, ((data.len() - start) as u64) << 1 | u64::from(is_partial));
            before = *key;
        }
        let mut offsets = Vec::new();
        pack(&self.offsets, &mut offsets);
        let mut out = vec![VERSION];
        out.extend(bitmap(SLAB, self.places.iter().copied()));
        put_varint(&mut out, offsets.len() as u64);
        out.extend(offsets);
        put_varint(&mut out, self.columns.len() as u64);
        out.extend(directory);
        out.extend(data);
        out
    }
}

/// A column of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) key: u64,
    /// Which members have it; `None` means all.
    has: Option<&'a [u8]>,
    values: Packed<'a>,
}

impl Column<'_> {
    /// The value of the member of a rank.
    pub(crate) fn get(&self, member: usize) -> Option<i64> {
        match self.has {
            None => self.values.get(member),
            Some(has) => is_set(has, member).then(|| self.values.get(rank(has, member)))?,
        }
    }

    /// The values of all members in their order.
    pub(crate) fn iter(&self, members: usize) -> impl Iterator<Item = Option<i64>> {
        let mut next = 0;
        (0..members).map(move |member| {
            let has = self.has.is_none_or(|has| is_set(has, member));
            if !has {
                return None;
            }
            next += 1;
            self.values.get(next - 1)
        })
    }
}

/// A row that is read.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    members: &'a [u8],
    offsets: Packed<'a>,
    columns: Vec<Column<'a>>,
}

impl<'a> Row<'a> {
    /// `None`: these bytes are no row.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        if cursor.byte()? != VERSION {
            return None;
        }
        let members = cursor.take(MEMBERS)?;
        let count = rank(members, SLAB);
        let length = cursor.count(bytes.len())?;
        let offsets = Packed::parse(cursor.take(length)?)?;
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
            let mut data = Cursor(cursor.take(length)?);
            let has = if is_partial { Some(data.take(count.div_ceil(8))?) } else { None };
            columns.push(Column { key, has, values: Packed::parse(data.0)? });
        }
        Some(Self { members, offsets, columns })
    }

    /// How many machines are in it.
    pub(crate) fn len(&self) -> usize {
        rank(self.members, SLAB)
    }

    /// The rank of the machine at a place, if it is in it.
    pub(crate) fn member(&self, place: usize) -> Option<usize> {
        is_set(self.members, place).then(|| rank(self.members, place))
    }

    /// The places of all, in the order of ranks.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        (0..SLAB).filter(|place| is_set(self.members, *place))
    }

    /// When a member was read, in milliseconds after the time of the row.
    pub(crate) fn offset(&self, member: usize) -> Option<i64> {
        self.offsets.get(member)
    }

    pub(crate) fn column(&self, key: u64) -> Option<&Column<'a>> {
        let found = self.columns.binary_search_by_key(&key, |column| column.key).ok()?;
        self.columns.get(found)
    }

    pub(crate) fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }
}

#[cfg(test)]
mod tests {
    //! What goes in comes out, and no bytes break the reader.
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Members = BTreeMap<usize, (i64, BTreeMap<u64, i64>)>;

    fn members() -> impl Strategy<Value = Members> {
        let columns = prop::collection::btree_map(0_u64..12, prop_oneof![any::<i64>(), 0_i64..100], 0..8);
        prop::collection::btree_map(0..SLAB, (-20_000_i64..0, columns), 0..40)
    }

    fn build(members: &Members) -> Vec<u8> {
        let mut builder = RowBuilder::default();
        for (place, (offset, columns)) in members {
            builder.member(*place, *offset);
            for (key, value) in columns {
                builder.value(*key, *value);
            }
        }
        builder.finish()
    }

    proptest! {
        #[test]
        fn every_value_of_every_machine_survives(members in members()) {
            let bytes = build(&members);
            let row = Row::parse(&bytes).unwrap();
            prop_assert_eq!(row.len(), members.len());
            prop_assert_eq!(row.places().collect::<Vec<_>>(), members.keys().copied().collect::<Vec<_>>());
            for (place, (offset, columns)) in &members {
                let member = row.member(*place).unwrap();
                prop_assert_eq!(row.offset(member), Some(*offset));
                for key in 0..12 {
                    let value = row.column(key).and_then(|column| column.get(member));
                    prop_assert_eq!(value, columns.get(&key).copied());
                    let in_order = row.column(key).and_then(|column| column.iter(row.len()).nth(member).flatten());
                    prop_assert_eq!(in_order, value);
                }
            }
        }

        #[test]
        fn bytes_that_are_broken_are_no_row_or_another(members in members(), at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = build(&members);
            *at.get_mut(&mut bytes) = to;
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                if let Some(row) = Row::parse(bytes) {
                    for column in row.columns() {
                        let _ = column.iter(row.len()).count();
                    }
                }
            }
        }
    }
}
