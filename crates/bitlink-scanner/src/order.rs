//! In which order a scan walks its endpoints: scattered, so that neighbours on one switch are not all asked at once, or as
//! they are numbered. A permutation that is computed, not stored.

/// The order of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanOrder {
    /// Scattered over all targets. The same seed gives the same order.
    Scattered {
        /// What the order is derived from.
        seed: u64,
    },
    /// By port, then by address.
    Ascending,
}

impl Default for ScanOrder {
    fn default() -> Self {
        Self::Scattered { seed: 0 }
    }
}

/// A permutation of the numbers below `len`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permutation {
    len: u64,
    /// Half the bits of a number, and what its halves are mixed with; `None` changes nothing.
    network: Option<(u32, [u64; ROUNDS])>,
}

/// A Feistel network of four rounds is a permutation whatever its round function is, and mixes well enough to scatter.
const ROUNDS: usize = 4;

impl Permutation {
    pub(crate) fn new(order: ScanOrder, len: u64) -> Self {
        let network = match order {
            ScanOrder::Ascending => None,
            ScanOrder::Scattered { seed } => {
                let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
                let mut state = seed;
                Some((bits.div_ceil(2).max(1), std::array::from_fn(|_| next(&mut state))))
            }
        };
        Self { len, network }
    }

    /// Where the `number`-th step of the walk leads; `None` when the walk is over.
    pub(crate) fn nth(&self, number: u64) -> Option<u64> {
        if number >= self.len {
            return None;
        }
        let Some((half, keys)) = &self.network else { return Some(number) };
        // The network permutes up to four times as many numbers as there are. Walking on from one that is too large comes
        // back below the length, and never to a place where another walk ends.
        let mut place = number;
        loop {
            place = scramble(place, *half, keys);
            if place < self.len {
                return Some(place);
            }
        }
    }
}

impl Permutation {
    /// At which step of the walk a place comes; `None` where there is no such place.
    pub(crate) fn number_of(&self, place: u64) -> Option<u64> {
        if place >= self.len {
            return None;
        }
        let Some((half, keys)) = &self.network else { return Some(place) };
        let mut number = place;
        loop {
            number = unscramble(number, *half, keys);
            if number < self.len {
                return Some(number);
            }
        }
    }
}

fn scramble(number: u64, half: u32, keys: &[u64; ROUNDS]) -> u64 {
    let mask = (1_u64 << half) - 1;
    let (mut left, mut right) = (number >> half, number & mask);
    for key in keys {
        (left, right) = (right, left ^ (mix(right ^ key) & mask));
    }
    left << half | right
}

/// The way back.
fn unscramble(place: u64, half: u32, keys: &[u64; ROUNDS]) -> u64 {
    let mask = (1_u64 << half) - 1;
    let (mut left, mut right) = (place >> half, place & mask);
    for key in keys.iter().rev() {
        (left, right) = (right ^ (mix(left ^ key) & mask), left);
    }
    left << half | right
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

#[cfg(test)]
mod tests {
    //! Every number once, far from its neighbours.
    use super::*;
    use proptest::prelude::*;

    fn walk(order: ScanOrder, len: u64) -> Vec<u64> {
        let permutation = Permutation::new(order, len);
        (0..).map_while(|number| permutation.nth(number)).collect()
    }

    proptest! {
        #[test]
        fn every_number_comes_once(len in 0_u64..3_000, seed: u64) {
            let mut walked = walk(ScanOrder::Scattered { seed }, len);
            let permutation = Permutation::new(ScanOrder::Scattered { seed }, len);
            for (number, place) in walked.iter().enumerate() {
                prop_assert_eq!(permutation.number_of(*place), Some(number as u64));
            }
            prop_assert_eq!(permutation.number_of(len), None);
            walked.sort_unstable();
            prop_assert_eq!(walked, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_wide_range_starts_at_once_and_stays_inside() {
        let permutation = Permutation::new(ScanOrder::default(), u64::MAX);
        assert!((0..1_000).all(|n| permutation.nth(n).is_some()));
        assert_eq!(Permutation::new(ScanOrder::default(), 1).nth(0), Some(0));
        assert_eq!(Permutation::new(ScanOrder::default(), 0).nth(0), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_neighbours_are_scattered() {
        let order = ScanOrder::Scattered { seed: 7 };
        let walked = walk(order, 65_536);
        assert_eq!(walked, walk(order, 65_536));
        assert_ne!(walked, walk(ScanOrder::default(), 65_536));
        // Of the first 256 addresses asked, no more than a few are in the same /24.
        let mut subnets = [0_u32; 256];
        for place in walked.iter().take(256) {
            subnets[usize::try_from(place >> 8).unwrap()] += 1;
        }
        assert!(subnets.iter().all(|asked| *asked <= 8), "{subnets:?}");
        assert_eq!(walk(ScanOrder::Ascending, 5), [0, 1, 2, 3, 4]);
    }
}
