//! The table itself, how it is found in, and what is filled in from it.

use super::*;
use bitlink_model::{Identity, Make};

#[test]
fn every_row_is_as_the_head_of_the_table_says() {
    for row in rows() {
        assert!(parse(row).is_some(), "{row:?}");
    }
    assert_eq!(all().len(), rows().count());
}

#[test]
fn no_model_stands_twice() {
    for pair in all().windows(2) {
        assert!(pair[0].key < pair[1].key, "{} {}", pair[0].make, pair[0].model);
    }
}

#[test]
fn every_figure_is_one_a_machine_can_have() {
    for m in all() {
        let name = format!("{} {}", m.make, m.model);
        assert!(!m.make.is_empty() && !m.model.trim().is_empty(), "{name}");
        assert!(m.boards.is_none_or(|n| (1..=8).contains(&n)), "{name}");
        assert!(m.chips_per_board.is_none_or(|n| (1..=456).contains(&n)), "{name}");
        assert!(m.fans.is_none_or(|n| n <= 4), "{name}");
        assert!(m.cooling == Cooling::Air || m.fans == Some(0), "{name} has fans and is cooled by a fluid");
        for bin in &m.bins {
            assert!((0.008..2000.0).contains(&bin.hashrate.as_ths()), "{name}");
            assert!(bin.power.is_none_or(|p| (100.0..15_000.0).contains(&p.as_watts())), "{name}");
            // From the S9 generation to the newest; Litecoin machines are another world.
            let efficiency = bin.power.map(|p| p.as_watts() / bin.hashrate.as_ths());
            let sane = efficiency.is_none_or(|e| (8.0..160.0).contains(&e));
            assert!(sane || m.model == "L7", "{name}: {efficiency:?} J/TH");
        }
    }
}

#[test]
fn variants_are_of_a_series_and_share_its_cooling() {
    let m50 = find("WhatsMiner", "M50 VH50").unwrap();
    assert_eq!((m50.boards, m50.chips_per_board, m50.fans), (Some(3), Some(105), Some(2)));
    assert!(m50.bins.is_empty(), "which bin a variant is of is not published");
    assert_eq!(find("WhatsMiner", "M56S++ VK10").unwrap().cooling, Cooling::Immersion);
    assert_eq!(find("WhatsMiner", "M63S VK30").unwrap().boards, Some(4));
    assert_eq!(find("WhatsMiner", "M30S++").unwrap().boards, None, "two, three or four by variant");
    for m in all().iter().filter(|m| m.make == "WhatsMiner") {
        if let Some((series, _)) = variant(m) {
            assert!(find("WhatsMiner", series).is_some(), "{series}");
        }
    }
}

#[test]
fn a_model_is_found_by_its_exact_name_only() {
    let s19 = find("Antminer", "S19 Pro").unwrap();
    assert_eq!((s19.boards, s19.chips_per_board, s19.fans), (Some(3), Some(114), Some(4)));
    assert_eq!((s19.cooling, s19.bins.len()), (Cooling::Air, 3));
    assert_eq!(s19.bins[0].hashrate, HashRate::from_ths(110.0).unwrap());
    assert_eq!(s19.bins[0].power, Power::from_watts(3250.0).ok());

    assert_eq!(find("antminer", "s19pro"), Some(s19), "case and spaces do not count");
    for unknown in ["S19 Pro X", "S19 P", "", "S21 XP+", "S19 Pro Hyd"] {
        assert_eq!(find("Antminer", unknown), None, "{unknown}");
    }
    assert_eq!(find("WhatsMiner", "S19 Pro"), None);
    assert_eq!(find("Antmi", "ner S19 Pro"), None);
    assert_ne!(find("Antminer", "S21 XP+ Hydro"), find("Antminer", "S21 XP Hydro"));
    assert_eq!(find("Antminer", "L7").unwrap().bins[0].hashrate, HashRate::from_ghs(9.5).unwrap());
    assert_eq!(find("Avalon", "A1246").unwrap().chips_per_board, Some(120));
    assert_eq!(find("Antminer", "S21 Hydro").unwrap().chips_per_board, Some(216));
}

fn ths(rate: f64) -> Option<HashRate> {
    HashRate::from_ths(rate).ok()
}

#[test]
fn the_bin_is_the_one_that_the_firmware_means() {
    let s19j = find("Antminer", "S19j Pro").unwrap();
    assert_eq!(s19j.hashrate(ths(100.6)), ths(100.0));
    assert_eq!(s19j.hashrate(ths(95.1)), ths(96.0));
    assert_eq!(s19j.hashrate(ths(70.0)), None, "set to something that was never sold");
    assert_eq!(s19j.hashrate(None), None);
    let xp = find("Antminer", "S21 XP").unwrap();
    assert_eq!(xp.hashrate(None), ths(270.0), "there is only one");
    assert_eq!(xp.hashrate(ths(200.0)), ths(270.0));
}

/// A miner with boards of so many chips each.
fn miner(make: Make, model: &str, chips: &[u32]) -> MinerSnapshot {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity = Identity::default();
    snapshot.identity.make = Some(make);
    snapshot.identity.model = Some(model.into());
    for (slot, chips) in (0..).zip(chips) {
        let mut board = Board::in_slot(slot);
        board.chips = Some(*chips);
        snapshot.boards.push(board);
    }
    snapshot
}

/// Boards and chips expected, and by board.
fn expected(mut snapshot: MinerSnapshot) -> (Option<u32>, Option<u32>, Vec<Option<u32>>) {
    complete(&mut snapshot);
    let by_board = snapshot.boards.iter().map(|b| b.chips_expected).collect();
    (snapshot.boards_expected, snapshot.chips_expected, by_board)
}

#[test]
fn boards_and_chips_are_expected_of_a_known_model() {
    let check = |model: &str, chips: &[u32]| expected(miner(Make::ANTMINER, model, chips));
    let whole = (Some(3), Some(324), vec![Some(108); 3]);
    assert_eq!(check("S21", &[108, 108, 108]), whole);
    assert_eq!(check("S21", &[108, 97, 108]), whole, "chips lost");
    assert_eq!(check("S21", &[108, 108]), (Some(3), Some(324), vec![Some(108); 2]), "board lost");
    assert_eq!(check("S21", &[100]), (Some(3), Some(324), vec![Some(108)]));
    assert_eq!(check("S21", &[]), (Some(3), Some(324), vec![]));
    // Another machine of that name.
    assert_eq!(check("S19", &[88, 88, 88]), (Some(3), None, vec![None; 3]), "more chips");
    assert_eq!(check("S19j", &[88, 88, 88]), (Some(3), None, vec![None; 3]), "all boards agree");
    assert_eq!(check("S19", &[76; 4]), (None, None, vec![None; 4]), "more boards");
    assert_eq!(check("S99", &[76; 3]), (None, None, vec![None; 3]), "not in the table");
}

#[test]
fn what_the_miner_says_itself_stays() {
    let mut snapshot = miner(Make::ANTMINER, "S21 XP", &[91, 91, 80]);
    snapshot.boards[2].chips_expected = Some(92);
    snapshot.boards_expected = Some(4);
    snapshot.chips_expected = Some(300);
    snapshot.hashrate.expected = ths(150.0);
    snapshot.tuning.liquid_cooled = Some(false);
    complete(&mut snapshot);
    assert_eq!(snapshot.boards[2].chips_expected, Some(92));
    assert_eq!((snapshot.boards_expected, snapshot.chips_expected), (Some(4), Some(300)));
    assert_eq!((snapshot.hashrate.expected, snapshot.hashrate.nameplate), (ths(150.0), ths(270.0)));
    assert_eq!(snapshot.tuning.liquid_cooled, Some(false));
    let marked: Vec<_> = snapshot.provenance.iter().collect();
    assert_eq!(
        marked,
        [("boards.chips_expected", Source::Nameplate), ("hashrate.nameplate_hs", Source::Nameplate)]
    );
}

#[test]
fn a_machine_that_names_no_rate_should_reach_that_of_its_model() {
    let mut snapshot = miner(Make::ANTMINER, "S21 XP Hydro", &[]);
    complete(&mut snapshot);
    assert_eq!((snapshot.hashrate.expected, snapshot.hashrate.nameplate), (ths(473.0), ths(473.0)));
    assert_eq!(snapshot.provenance.of("hashrate.expected_hs"), Source::Nameplate);
    assert_eq!(snapshot.tuning.liquid_cooled, Some(true));
    assert_eq!(snapshot.provenance.of("tuning.liquid_cooled"), Source::Nameplate);

    let mut snapshot = miner(Make::ANTMINER, "S19 Pro", &[]);
    complete(&mut snapshot);
    assert_eq!((snapshot.hashrate.expected, snapshot.hashrate.nameplate), (None, None), "three bins");
    assert_eq!(snapshot.tuning.liquid_cooled, None);
}
