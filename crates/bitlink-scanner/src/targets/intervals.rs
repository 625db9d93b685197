//! Sets of addresses as sorted, disjoint, inclusive intervals on one number line: IPv6 as it is, IPv4 at its mapped
//! place (`::ffff:0:0/96`), so that an address and its mapped twin are one member. Exact counts and the n-th member
//! without expanding anything. Knows nothing of text or ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where `0.0.0.0` lies on the line.
const V4_ORIGIN: u128 = 0xffff_0000_0000;

/// All addresses from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interval {
    first: u128,
    last: u128,
}

impl Interval {
    /// From one address to another; the caller has put them in order.
    pub(crate) fn new(first: IpAddr, last: IpAddr) -> Self {
        Self { first: place(first), last: place(last) }
    }

    /// One address.
    pub(crate) fn one(address: IpAddr) -> Self {
        Self::new(address, address)
    }

    /// From one IPv4 address, given as a number, to another.
    pub(crate) fn v4(first: u32, last: u32) -> Self {
        Self::new(Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into())
    }

    /// How many addresses: one less than the true number for the whole line, which has one more than can be counted.
    fn len(self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }
}

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IntervalSet {
    pieces: Vec<Piece>,
    len: u128,
}

/// One interval of a set, and how many members stand before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    interval: Interval,
    before: u128,
}

impl IntervalSet {
    /// The union of the intervals, in whatever order and however they overlap.
    pub(crate) fn of(mut intervals: Vec<Interval>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
        for interval in intervals {
            match merged.last_mut() {
                Some(last) if interval.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(interval.last);
                }
                _ => merged.push(interval),
            }
        }
        Self::of_disjoint(merged)
    }

    fn of_disjoint(intervals: Vec<Interval>) -> Self {
        let mut len = 0_u128;
        let pieces = intervals
            .into_iter()
            .map(|interval| {
                let before = len;
                len = len.saturating_add(interval.len());
                Piece { interval, before }
            })
            .collect();
        Self { pieces, len }
    }

    /// How many addresses (one too few for the whole of IPv6, see [`Interval::len`]).
    pub(crate) fn len(&self) -> u128 {
        self.len
    }

    /// The member with so many before it in ascending order. O(log n) in the number of intervals.
    pub(crate) fn nth(&self, index: u128) -> Option<IpAddr> {
        if index >= self.len {
            return None;
        }
        let after = self.pieces.partition_point(|piece| piece.before <= index);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        Some(address(piece.interval.first + (index - piece.before)))
    }

    /// Whether an address is a member.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let place = place(address);
        let after = self.pieces.partition_point(|piece| piece.interval.first <= place);
        after
            .checked_sub(1)
            .and_then(|index| self.pieces.get(index))
            .is_some_and(|piece| place <= piece.interval.last)
    }

    /// How many members stand before this one; `None` where it is none.
    pub(crate) fn index_of(&self, address: IpAddr) -> Option<u128> {
        let place = place(address);
        let after = self.pieces.partition_point(|piece| piece.interval.first <= place);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        (place <= piece.interval.last).then(|| piece.before + (place - piece.interval.first))
    }

    /// Whether any address of an interval is a member.
    pub(crate) fn touches(&self, interval: Interval) -> bool {
        let after = self.pieces.partition_point(|piece| piece.interval.first <= interval.last);
        let nearest = after.checked_sub(1).and_then(|index| self.pieces.get(index));
        nearest.is_some_and(|piece| piece.interval.last >= interval.first)
    }

    /// The members that the other set does not have.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        if other.pieces.is_empty() {
            return self.clone();
        }
        let mut kept = Vec::with_capacity(self.pieces.len());
        let mut holes = other.pieces.iter().map(|piece| piece.interval).peekable();
        for Piece { interval, .. } in &self.pieces {
            let mut rest = Some(*interval);
            while let Some(hole) = holes.peek().copied() {
                let Some(piece) = rest else { break };
                if hole.first > piece.last {
                    break;
                }
                if hole.last >= piece.first {
                    if hole.first > piece.first {
                        kept.push(Interval { first: piece.first, last: hole.first - 1 });
                    }
                    rest =
                        (hole.last < piece.last).then(|| Interval { first: hole.last + 1, last: piece.last });
                }
                // A hole that reaches beyond this piece may bite the next one too.
                if hole.last > interval.last {
                    break;
                }
                holes.next();
            }
            kept.extend(rest);
        }
        Self::of_disjoint(kept)
    }

    /// The intervals, ascending.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        self.pieces.iter().map(|piece| piece.interval)
    }
}

fn place(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => V4_ORIGIN + u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(place: u128) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(place)).to_canonical()
}

#[cfg(test)]
mod tests {
    //! Interval arithmetic against a plain set of numbers.
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(ranges: &[(u8, u8)]) -> (IntervalSet, BTreeSet<u32>) {
        let ordered = ranges.iter().map(|(a, b)| (u32::from(*a.min(b)), u32::from(*a.max(b))));
        let plain = ordered.clone().flat_map(|(a, b)| a..=b).collect();
        (IntervalSet::of(ordered.map(|(a, b)| Interval::v4(a, b)).collect()), plain)
    }

    proptest! {
        #[test]
        fn union_and_difference_are_those_of_plain_sets(
            a in proptest::collection::vec(any::<(u8, u8)>(), 0..12),
            b in proptest::collection::vec(any::<(u8, u8)>(), 0..12),
        ) {
            let (a, plain_a) = set(&a);
            let (b, plain_b) = set(&b);
            let left: Vec<u32> = plain_a.difference(&plain_b).copied().collect();
            let minus = a.minus(&b);
            prop_assert_eq!(a.len(), plain_a.len() as u128);
            prop_assert_eq!(minus.len(), left.len() as u128);
            for (index, number) in left.iter().enumerate() {
                let address = IpAddr::V4(Ipv4Addr::from(*number));
                prop_assert_eq!(minus.nth(index as u128), Some(address));
                prop_assert_eq!(minus.index_of(address), Some(index as u128));
            }
            prop_assert_eq!(minus.nth(minus.len()), None);
            for number in 0..256_u32 {
                let address = IpAddr::V4(Ipv4Addr::from(number));
                prop_assert_eq!(minus.contains(address), left.contains(&number));
                prop_assert_eq!(minus.index_of(address).is_some(), left.contains(&number));
                let to = number + number % 7;
                let touched = left.iter().any(|member| (number..=to).contains(member));
                prop_assert_eq!(minus.touches(Interval::v4(number, to)), touched);
            }
        }
    }

    #[test]
    fn the_ends_of_the_line_hold() {
        let all = IntervalSet::of(vec![Interval::new(
            "::".parse().unwrap(),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap(),
        )]);
        assert_eq!(all.len(), u128::MAX);
        assert!(all.contains("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()));
        assert_eq!(all.minus(&all).len(), 0);
        let twins = IntervalSet::of(vec![
            Interval::one("10.0.0.1".parse().unwrap()),
            Interval::one("::ffff:10.0.0.1".parse().unwrap()),
        ]);
        assert_eq!(twins.len(), 1, "a mapped address is the same machine");
    }
}
