//! Targets as text, and what they come to.
use super::*;
use crate::config::ScanConfig;
use proptest::prelude::*;
use std::error::Error;
use std::io;
use std::path::Path;

fn config() -> ScanConfig {
    ScanConfig::default()
}

fn plan(text: &str) -> ScanPlan {
    ScanTargets::parse(text).unwrap().plan(&config()).unwrap()
}

/// What a text comes to: how many endpoints, the first and the last.
#[track_caller]
fn check(text: &str, len: u64, first: &str, last: &str) {
    let plan = plan(text);
    assert_eq!(plan.len(), len, "{text}");
    assert_eq!(plan.nth(0), Some(first.parse().unwrap()), "{text}");
    assert_eq!(plan.nth(len - 1), Some(last.parse().unwrap()), "{text}");
    assert_eq!(plan.nth(len), None, "{text}");
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain(cause)))
}

#[track_caller]
fn refuse(text: &str, words: &str) {
    let error = ScanTargets::parse(text).unwrap_err();
    assert!(chain(&error).contains(words), "{text}: {}", chain(&error));
}

#[test]
fn every_form_of_target() {
    check("192.168.1.7", 1, "192.168.1.7:4028", "192.168.1.7:4028");
    check("192.168.1.7:80", 1, "192.168.1.7:80", "192.168.1.7:80");
    check("fd00::7", 1, "[fd00::7]:4028", "[fd00::7]:4028");
    check("[::1]:4028", 1, "[::1]:4028", "[::1]:4028");
    check("[fd00::7]", 1, "[fd00::7]:4028", "[fd00::7]:4028");
    check("192.168.1.0/24", 254, "192.168.1.1:4028", "192.168.1.254:4028");
    check("192.168.1.77/24", 254, "192.168.1.1:4028", "192.168.1.254:4028");
    check("192.168.1.0/24:4029", 254, "192.168.1.1:4029", "192.168.1.254:4029");
    check("192.168.1.0/30", 2, "192.168.1.1:4028", "192.168.1.2:4028");
    check("192.168.1.0/31", 2, "192.168.1.0:4028", "192.168.1.1:4028");
    check("192.168.1.0/32", 1, "192.168.1.0:4028", "192.168.1.0:4028");
    check("fd00::/120", 256, "[fd00::]:4028", "[fd00::ff]:4028");
    check("[fd00::/126]:1", 4, "[fd00::]:1", "[fd00::3]:1");
    check("192.168.1.1-192.168.1.254", 254, "192.168.1.1:4028", "192.168.1.254:4028");
    check("10.0.0.250-10.0.1.5:1", 12, "10.0.0.250:1", "10.0.1.5:1");
    check("10.0.0.1 - 10.0.0.9", 9, "10.0.0.1:4028", "10.0.0.9:4028");
    check("10.0.0.5-10", 6, "10.0.0.5:4028", "10.0.0.10:4028");
    check("fd00::1-fd00::f", 15, "[fd00::1]:4028", "[fd00::f]:4028");
    check("[fd00::1-fd00::f]:65535", 15, "[fd00::1]:65535", "[fd00::f]:65535");
    check("10.0-3.*.5", 4 * 256, "10.0.0.5:4028", "10.3.255.5:4028");
    check("10.0.0.*", 256, "10.0.0.0:4028", "10.0.0.255:4028");
    check("10.1-2.*.*", 2 << 16, "10.1.0.0:4028", "10.2.255.255:4028");
    check("10-11.0.0.1-2", 4, "10.0.0.1:4028", "11.0.0.2:4028");
    check("::ffff:10.0.0.1", 1, "10.0.0.1:4028", "10.0.0.1:4028");
}

#[test]
fn several_targets_are_scanned_once_each() {
    check("10.0.0.1,10.0.0.2 10.0.0.3,\n\t10.0.0.4,", 4, "10.0.0.1:4028", "10.0.0.4:4028");
    check("10.0.0.1 10.0.0.1 10.0.0.0/30 10.0.0.*", 256, "10.0.0.0:4028", "10.0.0.255:4028");
    check("10.0.0.1 10.0.0.1:4028", 1, "10.0.0.1:4028", "10.0.0.1:4028");
    check("10.0.0.1 10.0.0.1:80", 2, "10.0.0.1:4028", "10.0.0.1:80");
    check("0.0.0.0 255.255.255.255", 2, "0.0.0.0:4028", "255.255.255.255:4028");
}

#[test]
fn every_error_says_what_was_read_and_what_was_expected() {
    refuse("", "no target");
    refuse(" , ,\n", "no target");
    refuse("10.0.0.256", "\"10.0.0.256\" is not a target: expected four octets from 0 to 255");
    refuse("10.0.0", "four octets");
    refuse("10.0.0.1.2", "four octets");
    refuse("10.0.0.01", "without leading zeros");
    refuse("10.0.0.+1", "is not a target");
    refuse("10.0.0.1-", "four octets");
    refuse("10.0.0.1-300", "four octets");
    refuse("10.0.0.x", "is not a target");
    refuse("10.0.0.1-10.0.0.x", "is not a target");
    refuse("10.0.0.0/33", "prefix length from 0 to 32");
    refuse("10.0.0.0/255.255.255.0", "prefix length from 0 to 32");
    refuse("10.0.0/24", "prefix length from 0 to 32");
    refuse("fd00::/129", "prefix length from 0 to 128");
    refuse("fe80::1%eth0", "without a zone");
    refuse("[fd00::1", "]");
    refuse("[fd00::1]80", "after the colon");
    refuse("[10.0.0.1]:80", "IPv6");
    refuse("fd00::1-10.0.0.1", "IPv6");
    refuse("10.0.0.9-10.0.0.1", "\"10.0.0.9-10.0.0.1\" ends before it begins");
    refuse("10.0.0.9-1", "ends before it begins");
    refuse("10.9-1.0.1", "ends before it begins");
    refuse("fd00::9-fd00::1", "ends before it begins");
    refuse("10.0.0.1:0", "1 to 65535");
    refuse("10.0.0.1:65536", "1 to 65535");
    refuse("[::1]:99999999999999999999", "1 to 65535");
    refuse("10.0.0.1:", "after the colon");
    refuse("miner.lan:http", "after the colon");
    refuse("-bad-.lan", "is not a target");
    refuse("müller.lan", "is not a target");
    refuse("a\u{1b}[31m", "\\u{1b}");
    refuse(&"x".repeat(1000), "…");
    refuse("@", "a file name");
    refuse("@/no/such/file/anywhere", "cannot read the targets in /no/such/file/anywhere");
    refuse("10.0.0.1, 10.0.0.1-0", "ends before it begins");
}

#[test]
fn names_are_kept_to_be_resolved() {
    let targets = ScanTargets::parse("Miner-7.lan localhost:80 miner-7.lan a_b 1.2.example").unwrap();
    assert_eq!(targets.names(), ["miner-7.lan", "localhost", "a_b", "1.2.example"]);
    assert!(targets.plan(&config()).unwrap().is_empty(), "a name has no address yet");
    assert!(matches!(
        targets.plan(&config().with_max_addresses(4)).unwrap_err(),
        TargetError::TooMany { addresses: 5, limit: 4 }
    ));
}

#[test]
fn a_great_network_costs_nothing_and_is_over_the_limit() {
    let targets = ScanTargets::parse("10.0.0.0/8").unwrap();
    let error = targets.plan(&config()).unwrap_err();
    assert!(matches!(error, TargetError::TooMany { addresses: 16_777_214, limit: 1_048_576 }), "{error}");
    assert!(error.to_string().contains("--max-addresses"), "{error}");

    let plan = targets.plan(&config().with_max_addresses(1 << 24)).unwrap();
    assert_eq!(plan.len(), 16_777_214);
    assert_eq!(plan.nth(8_000_000), Some("10.122.18.1:4028".parse().unwrap()));

    for text in ["fd00::/64", "::/0", "0.0.0.0/0", "*.*.*.*"] {
        let error =
            ScanTargets::parse(text).unwrap().plan(&config().with_max_addresses(1 << 20)).unwrap_err();
        assert!(matches!(error, TargetError::TooMany { .. }), "{text}: {error}");
    }
    let sixty_four = ScanTargets::parse("fd00::/64").unwrap();
    let plan = sixty_four.plan_up_to(&config(), u64::MAX);
    assert!(
        matches!(plan.unwrap_err(), TargetError::TooMany { .. }),
        "2^64 is one more than can be numbered"
    );
    let scattered = ScanTargets::parse("*.*.*.7").unwrap().plan(&config());
    assert!(matches!(scattered.unwrap_err(), TargetError::TooScattered { .. }));
}

#[test]
fn what_is_excluded_and_skipped_is_counted_exactly() {
    let targets = ScanTargets::parse("10.0.0.0/24 10.0.0.1:80").unwrap();
    let excluded = ScanTargets::parse("10.0.0.0/28, 10.0.0.100-200, 10.0.0.20:80, 10.0.9.9").unwrap();
    let targets = targets.excluding(excluded).unwrap();
    let plan = targets.plan(&config()).unwrap();
    // From 1 to 254 without 1 to 15 and 100 to 200; the other endpoint is 10.0.0.1:80, and it is excluded too.
    assert_eq!(plan.len(), 254 - 15 - 101);
    assert_eq!(plan.skipped().excluded, 15 + 101 + 1);
    assert_eq!(plan.skipped().network_broadcast, 1, "only .255: .0 is excluded anyway");
    assert!(!plan.contains("10.0.0.15:4028".parse().unwrap()));
    assert!(plan.contains("10.0.0.16:4028".parse().unwrap()));
    assert!(plan.contains("10.0.0.20:4028".parse().unwrap()), "excluded at port 80 only");

    let all = targets.plan(&config().with_network_broadcast(true)).unwrap();
    assert_eq!(all.len(), plan.len() + 1);
    assert_eq!(all.skipped().network_broadcast, 0);

    let nothing = ScanTargets::parse("10.0.0.1").unwrap();
    let nothing = nothing.clone().excluding(nothing).unwrap().plan(&config()).unwrap();
    assert_eq!((nothing.len(), nothing.skipped().excluded), (0, 1), "said, and no error");

    let name = ScanTargets::parse("miner.lan").unwrap();
    assert!(matches!(name.clone().excluding(name).unwrap_err(), TargetError::NameExcluded { .. }));
}

#[test]
fn an_address_named_by_itself_is_no_edge_of_a_network() {
    let plan = plan("10.0.0.0/24 10.0.0.255 10.0.0.0/31");
    assert_eq!(plan.len(), 256);
    assert_eq!(plan.skipped().network_broadcast, 0);
}

#[test]
fn ports_multiply_what_has_none_of_its_own() {
    let targets = ScanTargets::parse("10.0.0.1-3, 10.0.0.2:80, 10.0.0.9:22").unwrap();
    let plan = targets.plan(&config().with_ports(vec![4028, 80, 4028])).unwrap();
    let endpoints: Vec<String> = plan.iter().map(|e| e.to_string()).collect();
    assert_eq!(
        endpoints,
        [
            "10.0.0.1:4028",
            "10.0.0.2:4028",
            "10.0.0.3:4028",
            "10.0.0.1:80",
            "10.0.0.2:80",
            "10.0.0.3:80",
            "10.0.0.9:22"
        ]
    );
    assert_eq!(plan.addresses(), 4);
}

/// Files that exist in this test only.
fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("farm.txt") => {
            Ok("\u{feff}# the farm\n10.0.0.1\r\n\n10.0.0.2, 10.0.0.3 # two\n@more/hall.txt\n".to_owned())
        }
        Some("more/hall.txt") => Ok("@shelf.txt".to_owned()),
        Some("more/shelf.txt") => Ok("10.0.0.4:80".to_owned()),
        Some("bad.txt") => Ok("10.0.0.1\n@more/bad.txt\n".to_owned()),
        Some("more/bad.txt") => Ok("\n\n10.0.0.999\n".to_owned()),
        Some("circle.txt") => Ok("@circle.txt".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn from_files(text: &str) -> Result<ScanTargets, TargetError> {
    let mut items = Vec::new();
    parse::argument(text, &mut |path| read(path), &mut items)?;
    ScanTargets::of(items)
}

#[test]
fn files_name_targets_and_further_files() {
    let targets = from_files("@farm.txt").unwrap();
    assert_eq!(targets.to_string(), "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4:80");

    let error = from_files("@bad.txt").unwrap_err();
    let words = chain(&error);
    assert!(
        words.starts_with("bad.txt, line 2: more/bad.txt, line 3: \"10.0.0.999\" is not a target"),
        "{words}"
    );

    let words = chain(&from_files("@nowhere.txt").unwrap_err());
    assert!(words.starts_with("cannot read the targets in nowhere.txt: "), "{words}");
    assert!(chain(&from_files("@circle.txt").unwrap_err()).contains("nested more than 8 deep"));
    assert!(matches!(from_files("@more/empty file.txt").unwrap_err(), TargetError::File { .. }));
}

#[test]
fn targets_are_read_from_disk() {
    let path = std::env::temp_dir().join(format!("bitlink scanner targets {}.txt", std::process::id()));
    std::fs::write(&path, "10.0.0.0/30 # a rack\n").unwrap();
    let targets = ScanTargets::from_args([format!("@{}", path.display()), "10.1.0.1".to_owned()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(targets.unwrap().to_string(), "10.0.0.0/30, 10.1.0.1");
}

fn octet() -> impl Strategy<Value = (u8, u8)> {
    prop_oneof![
        any::<u8>().prop_map(|n| (n, n)),
        any::<(u8, u8)>().prop_map(|(a, b)| (a.min(b), a.max(b))),
        Just((0, 255))
    ]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        any::<IpAddr>().prop_map(What::one),
        (any::<std::net::Ipv4Addr>(), 8_u8..=32)
            .prop_map(|(a, p)| What::Network(IpNet::new(a.into(), p).unwrap().trunc())),
        (any::<std::net::Ipv6Addr>(), 0_u8..=128)
            .prop_map(|(a, p)| What::Network(IpNet::new(a.into(), p).unwrap().trunc())),
        any::<(std::net::Ipv4Addr, std::net::Ipv4Addr)>()
            .prop_map(|(a, b)| What::range(a.min(b).into(), a.max(b).into())),
        any::<(std::net::Ipv6Addr, std::net::Ipv6Addr)>()
            .prop_map(|(a, b)| What::range(a.min(b).into(), a.max(b).into())),
        [octet(), octet(), octet(), octet()].prop_map(What::octets),
        "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9-]{0,6}[a-z]){0,3}".prop_map(What::Name),
    ]
}

/// Targets whose plan is small enough to be walked through.
fn small() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        (0_u8..4, any::<u8>()).prop_map(|(c, d)| format!("10.0.{c}.{d}")),
        (0_u8..4, any::<u8>(), 24_u8..=32).prop_map(|(c, d, p)| format!("10.0.{c}.{d}/{p}")),
        (0_u8..4, any::<u8>(), any::<u8>()).prop_map(|(c, a, b)| format!(
            "10.0.{c}.{}-{}",
            a.min(b),
            a.max(b)
        )),
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| format!("10.0.0-3.{}-{}", a.min(b), a.max(b))),
        (any::<u8>(), 120_u8..=128).prop_map(|(d, p)| format!("fd00::{d:x}/{p}")),
    ];
    let with_port = (item, proptest::option::of(4027_u16..4030)).prop_map(|(item, port)| match port {
        None => item,
        Some(port) if item.contains(':') => format!("[{item}]:{port}"),
        Some(port) => format!("{item}:{port}"),
    });
    proptest::collection::vec(with_port, 1..6).prop_map(|items| items.join(" "))
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(
        items in proptest::collection::vec((what(), proptest::option::of(1_u16..)), 1..5),
    ) {
        let items = items.into_iter().map(|(what, port)| Item { what, port }).collect();
        let targets = ScanTargets { items, excluded: Vec::new() };
        let text = targets.to_string();
        prop_assert_eq!(ScanTargets::parse(&text).map_err(|error| chain(&error)), Ok(targets), "{}", text);
    }

    #[test]
    fn any_text_is_targets_or_an_error(text in any::<String>()) {
        // Files are another test's business.
        drop(ScanTargets::parse(&text.replace('@', "a")).map(|targets| targets.plan(&config()).map(|plan| plan.len())));
    }

    #[test]
    fn any_text_of_the_usual_characters_is_targets_or_an_error(text in "[0-9a-f.:*/, -]{0,40}") {
        if let Ok(targets) = ScanTargets::parse(&text) {
            prop_assert_eq!(ScanTargets::parse(&targets.to_string()).map_err(|error| chain(&error)), Ok(targets));
        }
    }

    #[test]
    fn a_plan_numbers_every_endpoint_once(named in small(), excluded in proptest::option::of(small())) {
        let everything = ScanTargets::parse(&named).unwrap();
        let targets = match &excluded {
            None => everything.clone(),
            Some(text) => everything.clone().excluding(ScanTargets::parse(text).unwrap()).unwrap(),
        };
        let config = config().with_ports(vec![4028, 80]);
        let plan = targets.plan(&config).unwrap();
        let endpoints: Vec<_> = plan.iter().collect();
        prop_assert_eq!(endpoints.len() as u64, plan.len());
        let distinct: std::collections::HashSet<_> = endpoints.iter().copied().collect();
        prop_assert_eq!(distinct.len(), endpoints.len(), "none twice");
        for (index, endpoint) in endpoints.iter().enumerate() {
            prop_assert_eq!(plan.nth(index as u64), Some(*endpoint));
            prop_assert!(plan.contains(*endpoint));
        }
        let addresses: std::collections::HashSet<_> = endpoints.iter().map(std::net::SocketAddr::ip).collect();
        prop_assert_eq!(addresses.len() as u64, plan.addresses());
        // With the edges of networks scanned too, nothing but the exclusions is missing.
        let config = config.with_network_broadcast(true);
        let (whole, rest) = (everything.plan(&config).unwrap(), targets.plan(&config).unwrap());
        prop_assert_eq!(rest.len() + rest.skipped().excluded, whole.len());
    }
}

/// Found by fuzzing: what is left out of wide networks at several ports was summed up without room for it.
#[test]
fn what_is_left_out_of_the_widest_networks_is_counted_without_overflow() {
    let everything: ScanTargets = "[::/0]:1, [::/0]:2".parse().unwrap();
    let nothing: ScanTargets = "::/0".parse().unwrap();
    let targets = everything.excluding(nothing).unwrap();
    assert_eq!(targets.plan(&ScanConfig::default()).unwrap().len(), 0);
}
