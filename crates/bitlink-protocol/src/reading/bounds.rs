//! How much of one machine there may be in a reading.

use crate::record::Oddities;
use bitlink_model::{Anomaly, AnomalyKind, MinerSnapshot};

/// The most parts of one kind that a reading holds: several times what any machine has.
const MOST_PARTS: usize = 256;
/// The most pools.
const MOST_POOLS: usize = 64;

/// Leaves out what no machine has so many of, and says so. Replies are bounded in bytes alone, and a part takes few of them.
pub fn bound(snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    cut(&mut snapshot.boards, "boards", MOST_PARTS, oddities);
    cut(&mut snapshot.fans, "fans", MOST_PARTS, oddities);
    cut(&mut snapshot.pools, "pools", MOST_POOLS, oddities);
    cut(&mut snapshot.psus, "psus", MOST_PARTS, oddities);
    cut(&mut snapshot.errors, "errors", MOST_PARTS, oddities);
}

fn cut<T>(parts: &mut Vec<T>, place: &str, most: usize, oddities: &Oddities) {
    let told = parts.len();
    if told > most {
        parts.truncate(most);
        let detail = format!("{told} of them were told, and the first {most} are kept");
        oddities.extend([Anomaly { kind: AnomalyKind::Truncated, place: place.to_owned(), detail }]);
    }
}
