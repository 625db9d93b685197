//! Texts that many machines tell alike: models, versions, addresses of pools, the map of a board without a fault. A fleet of tens
//! of thousands has one copy of each.

use bitlink_model::{Miner, MinerSnapshot, Text};
use std::collections::HashSet;

/// The texts that are told, each once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashSet<Text>,
    /// When there are so many, those that nobody tells any more are forgotten.
    full: usize,
}

impl Texts {
    const LEAST: usize = 1024;

    /// Puts copies in place of the texts of a reading that others are likely to have too. A machine's own ones (serial and host
    /// names) stay, but for a worker that stands in each of its pools.
    pub(super) fn share(&mut self, snapshot: &mut MinerSnapshot) {
        let MinerSnapshot { identity, boards, psus, pools, tuning, .. } = snapshot;
        let firmware = identity
            .firmware
            .iter_mut()
            .flat_map(|firmware| [&mut firmware.version, &mut firmware.api_version, &mut firmware.software]);
        let network = identity
            .network
            .iter_mut()
            .flat_map(|network| [&mut network.netmask, &mut network.gateway, &mut network.dns]);
        [&mut identity.model, &mut identity.model_raw, &mut identity.control_board, &mut tuning.mode]
            .into_iter()
            .chain(firmware)
            .chain(network)
            .chain(boards.iter_mut().flat_map(|board| [&mut board.chip_map, &mut board.status]))
            .chain(psus.iter_mut().flat_map(|psu| [&mut psu.model, &mut psu.firmware]))
            .chain(pools.iter_mut().map(|pool| &mut pool.url))
            .flatten()
            .for_each(|text| self.share_one(text));
        let mut of_before: Option<&Text> = None;
        for user in pools.iter_mut().filter_map(|pool| pool.user.as_mut()) {
            if let Some(same) = of_before.filter(|before| *before == user) {
                *user = same.clone();
            }
            of_before = Some(user);
        }
    }

    /// The same for a miner's name, which is made from its reading.
    pub(super) fn share_name(&mut self, miner: &mut Miner) {
        self.share_one(&mut miner.model);
    }

    fn share_one(&mut self, text: &mut Text) {
        if let Some(known) = self.known.get(text.as_str()) {
            known.clone_into(text);
            return;
        }
        if self.known.len() >= self.full {
            self.known.retain(|known| Text::strong_count(known).is_some_and(|count| count > 1));
            self.full = (self.known.len() * 2).max(Self::LEAST);
        }
        self.known.insert(text.clone());
    }
}

#[cfg(test)]
mod tests {
    //! Equal texts become one, and what nobody tells any more is forgotten.
    use super::*;
    use bitlink_model::{Board, Pool};

    fn reading(worker: &str) -> MinerSnapshot {
        let mut snapshot = MinerSnapshot::default();
        snapshot.identity.model = Some("S19 Pro".into());
        let mut board = Board::in_slot(0);
        board.chip_map = Some("oooo".into());
        snapshot.boards = vec![board.clone(), board];
        let mut pool = Pool::default();
        (pool.url, pool.user) = (Some("stratum+tcp://pool.example:3333".into()), Some(worker.into()));
        snapshot.pools = vec![pool.clone(), pool];
        // As they are read: no two are one text.
        serde_json::from_value(serde_json::to_value(snapshot).unwrap()).unwrap()
    }

    fn is_one(a: Option<&Text>, b: Option<&Text>) -> bool {
        a.zip(b).is_some_and(|(a, b)| Text::ptr_eq(a, b))
    }

    #[test]
    fn what_machines_have_in_common_is_there_once() {
        let mut texts = Texts::default();
        let (mut a, mut b) = (reading("a"), reading("b"));
        assert!(!is_one(a.pools[0].url.as_ref(), a.pools[1].url.as_ref()));
        texts.share(&mut a);
        texts.share(&mut b);
        assert_eq!((&a, &b), (&reading("a"), &reading("b")), "nothing else is changed");
        assert!(is_one(a.identity.model.as_ref(), b.identity.model.as_ref()));
        assert!(is_one(a.boards[0].chip_map.as_ref(), b.boards[1].chip_map.as_ref()));
        assert!(is_one(a.pools[0].url.as_ref(), b.pools[1].url.as_ref()));
        assert!(is_one(a.pools[0].user.as_ref(), a.pools[1].user.as_ref()));
        assert!(!texts.known.contains("a"), "a worker is a machine's own");
    }

    #[test]
    fn texts_that_nobody_tells_any_more_are_forgotten() {
        let mut texts = Texts::default();
        let kept = reading("a");
        texts.share(&mut kept.clone());
        for n in 0..10 * Texts::LEAST {
            let mut passing = MinerSnapshot::default();
            passing.identity.model = Some(n.to_string().into());
            texts.share(&mut passing);
            assert!(texts.known.len() <= Texts::LEAST);
        }
        let mut again = reading("a");
        texts.share(&mut again);
        assert!(is_one(kept.identity.model.as_ref(), again.identity.model.as_ref()), "what is told is kept");
    }
}
