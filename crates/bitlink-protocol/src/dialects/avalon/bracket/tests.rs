//! The grammar, with each of its oddities.

use super::*;
use proptest::prelude::*;

/// Groups as `name: key=value key=value`.
fn check(text: &str, groups: &[&str]) {
    let shown: Vec<String> = parse(text)
        .into_iter()
        .map(|group| {
            let items: Vec<_> = group
                .items
                .iter()
                .map(|(key, value)| format!(" {key}={}", value.as_str().unwrap()))
                .collect();
            format!("{}:{}", group.name, items.concat())
        })
        .collect();
    assert_eq!(shown, groups, "{text}");
}

#[test]
fn values_hold_anything_but_a_closing_bracket() {
    check("Ver[1246-90-2401_a_b] FanR[70%]", &[": FanR=70% Ver=1246-90-2401_a_b"]);
    check("SYSTEMSTATU[Work: In Work, Hash Board: 3 ]", &[": SYSTEMSTATU=Work: In Work, Hash Board: 3"]);
    check(
        "ATAOPTS0[--avalon10-freq 637:662 --x 5 ] A[a{b}c[d]",
        &[": A=a{b}c[d ATAOPTS0=--avalon10-freq 637:662 --x 5"],
    );
    check("PVT_T0[ 63  70 ] Empty[]", &[": Empty= PVT_T0=63  70"]);
}

#[test]
fn keys_may_hold_spaces() {
    check("Temp[-273] Nonce Mask[25]", &[": Nonce Mask=25 Temp=-273"]);
    check("PLL0/1[3]", &[": PLL0/1=3"]);
}

#[test]
fn groups_are_found_whatever_separates_them() {
    check("'STATS':{Ver[Q-1] MPO[800]}", &["STATS: MPO=800 Ver=Q-1"]);
    check("'HB0':{PVT_T0[50] MW0[1]} 'HB1':{PVT_T1[51]}", &["HB0: MW0=1 PVT_T0=50", "HB1: PVT_T1=51"]);
    check("'HB0':{A[1]}'HB1' : { A[2]},'HB2':{A[3]", &["HB0: A=1", "HB1: A=2", "HB2: A=3"]);
    check("Ver[1] 'HB0':{} Temp[2]", &[": Ver=1", ": Temp=2"]);
}

#[test]
fn one_exporter_nests_the_whole() {
    check("MM ID0[Ver[1047-2005],DNA[01],Temp[20]]", &[": DNA=01 Temp=20 Ver=1047-2005"]);
}

#[test]
fn the_first_of_two_equal_keys_counts() {
    check("WALLPOWER[800] SSID[x] WALLPOWER[1]", &[": SSID=x WALLPOWER=800"]);
}

#[test]
fn a_cut_string_keeps_what_was_complete() {
    check("Ver[1246] Temp[28] TMax[7", &[": Temp=28 Ver=1246"]);
    check("]] no brackets }{", &[]);
    check("", &[]);
}

#[test]
fn numbers_keep_their_places() {
    assert_eq!(
        numbers(" 63   70 -  nan -273 7.5"),
        [Some(63.0), Some(70.0), None, None, Some(-273.0), Some(7.5)]
    );
    assert_eq!(numbers("  "), []);
}

proptest! {
    #[test]
    fn any_text_is_taken_apart(text in "\\PC*") {
        for group in parse(&text) {
            for (key, value) in &group.items {
                prop_assert!(text.contains(key.as_str()) && text.contains(value.as_str().unwrap()));
                numbers(value.as_str().unwrap());
            }
        }
    }

    #[test]
    fn any_heap_of_brackets_is_taken_apart(text in "[A-B ':\\[\\]{}é]{0,60}") {
        parse(&text);
    }

    #[test]
    fn what_is_printed_is_read_back(
        items in proptest::collection::btree_map("[A-Z][A-Za-z0-9_]{0,7}", "[!-Z^-~]([ -Z^-~]{0,10}[!-Z^-~])?", 1..12),
        name in "[A-Z0-9]{0,6}",
    ) {
        let printed: Vec<_> = items.iter().map(|(key, value)| format!("{key}[ {value} ] ")).collect();
        let printed = printed.concat();
        let printed = if name.is_empty() { printed } else { format!("'{name}':{{{printed}}}") };
        let groups = parse(&printed);
        prop_assert_eq!(groups.len(), 1);
        prop_assert_eq!(&groups[0].name, &name);
        let read: std::collections::BTreeMap<String, String> = groups[0]
            .items.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
        prop_assert_eq!(read, items);
    }
}
