//! Whole numbers in few bits: as multiples above the least of them, each found by its place without reading the others. And the
//! small parts of which rows and chunks are made: numbers of variable length, bitmaps, a checksum.

/// A number of variable length, seven bits a byte.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed one: small numbers of either sign are short.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Reads bytes from the front on; `None` where they end too soon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number of things, each of which takes at least a bit of what is left: no more room is made than that.
    pub(crate) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.varint()?).ok().filter(|count| *count <= most)
    }
}

/// Packs numbers, any numbers, in their order.
pub(crate) fn pack(values: &[i64], out: &mut Vec<u8>) {
    let least = values.iter().copied().min().unwrap_or(0);
    let above = |value: i64| value.wrapping_sub(least).cast_unsigned();
    let step = values.iter().fold(0, |step, value| common(step, above(*value))).max(1);
    let most = values.iter().map(|value| above(*value) / step).max().unwrap_or(0);
    let width = 64 - most.leading_zeros();
    put_signed(out, least);
    put_varint(out, step);
    out.push(width as u8);
    let mut waiting = 0_u128;
    let mut bits = 0;
    out.reserve(values.len() * width as usize / 8 + 9);
    for value in values {
        waiting |= u128::from(above(*value) / step) << bits;
        bits += width;
        while bits >= 8 {
            out.push(waiting as u8);
            waiting >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(waiting as u8);
    }
}

/// The greatest common divisor; the first is nearly always one of the second already.
fn common(mut a: u64, mut b: u64) -> u64 {
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// Packed numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a> {
    least: i64,
    step: u64,
    width: u32,
    bits: &'a [u8],
}

impl<'a> Packed<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let (least, step) = (cursor.signed()?, cursor.varint()?);
        let width = u32::from(cursor.byte()?);
        (width <= 64).then_some(Self { least, step, width, bits: cursor.0 })
    }

    /// The number at a place; `None` beyond the bytes.
    pub(crate) fn get(&self, place: usize) -> Option<i64> {
        if self.width == 0 {
            return Some(self.least);
        }
        let bit = place.checked_mul(self.width as usize)?;
        let (first, shift) = (bit / 8, bit % 8);
        let bytes = (shift + self.width as usize).div_ceil(8);
        let mut word = [0_u8; 16];
        word.get_mut(..bytes)?.copy_from_slice(self.bits.get(first..first + bytes)?);
        let mask = u64::MAX >> (64 - self.width);
        let times = (u128::from_le_bytes(word) >> shift) as u64 & mask;
        Some(self.least.wrapping_add(times.wrapping_mul(self.step).cast_signed()))
    }
}

/// Whether a bit is set.
pub(crate) fn is_set(bitmap: &[u8], bit: usize) -> bool {
    bitmap.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

pub(crate) fn set(bitmap: &mut [u8], bit: usize) {
    if let Some(byte) = bitmap.get_mut(bit / 8) {
        *byte |= 1 << (bit % 8);
    }
}

/// How many bits are set before this one.
pub(crate) fn rank(bitmap: &[u8], bit: usize) -> usize {
    let whole: u32 = bitmap.iter().take(bit / 8).map(|byte| byte.count_ones()).sum();
    let rest = bitmap.get(bit / 8).map_or(0, |byte| (byte & ((1 << (bit % 8)) - 1)).count_ones());
    (whole + rest) as usize
}

/// A bitmap with these bits, in bytes for so many.
pub(crate) fn bitmap(of: usize, bits: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut bitmap = vec![0; of.div_ceil(8)];
    bits.into_iter().for_each(|bit| set(&mut bitmap, bit));
    bitmap
}

/// Against a bit that falls over, not against anybody's will: FNV-1a over words of eight bytes, stirred.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    let stir = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    let mut hash = words.by_ref().fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
        stir(hash, word.try_into().map_or(0, u64::from_le_bytes))
    });
    hash = words.remainder().iter().fold(hash, |hash, byte| stir(hash, u64::from(*byte)));
    stir(hash, bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    //! Any numbers survive; broken bytes are no numbers.
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_packed_is_found_by_its_place(
            values in prop_oneof![
                prop::collection::vec(any::<i64>(), 0..200),
                prop::collection::vec((-50_i64..50).prop_map(|n| n * 100 + 7), 0..200),
            ]
        ) {
            let mut bytes = Vec::new();
            pack(&values, &mut bytes);
            let packed = Packed::parse(&bytes).unwrap();
            for (place, value) in values.iter().enumerate() {
                prop_assert_eq!(packed.get(place), Some(*value));
            }
        }

        #[test]
        fn numbers_of_variable_length_survive_and_any_bytes_are_taken(
            signed in any::<i64>(), unsigned in any::<u64>(), junk in prop::collection::vec(any::<u8>(), 0..40), place in any::<usize>()
        ) {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, signed);
            put_varint(&mut bytes, unsigned);
            let mut cursor = Cursor(&bytes);
            prop_assert_eq!((cursor.signed(), cursor.varint(), cursor.varint()), (Some(signed), Some(unsigned), None));
            if let Some(packed) = Packed::parse(&junk) {
                let _ = (packed.get(place), packed.get(place % 50));
            }
        }

        #[test]
        fn a_bit_that_falls_over_is_noticed(bytes in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut other = bytes.clone();
            *at.get_mut(&mut other) ^= 1 << bit;
            prop_assert_ne!(checksum(&bytes), checksum(&other));
        }
    }

    #[test]
    fn ranks_count_what_is_before() {
        let map = bitmap(20, [0, 7, 8, 19]);
        assert_eq!([0, 1, 8, 9, 19, 20].map(|bit| rank(&map, bit)), [0, 1, 2, 3, 3, 4]);
        assert!(is_set(&map, 19) && !is_set(&map, 18) && !is_set(&map, 2000));
    }

    #[test]
    fn equal_numbers_and_common_steps_take_next_to_nothing() {
        let mut bytes = Vec::new();
        pack(&[1_234_567; 1000], &mut bytes);
        assert!(bytes.len() < 8);
        bytes.clear();
        let temperatures: Vec<i64> = (0..1000).map(|n| 5_000 + n % 16 * 100).collect();
        pack(&temperatures, &mut bytes);
        assert!(bytes.len() < 510, "{}", bytes.len());
    }
}
