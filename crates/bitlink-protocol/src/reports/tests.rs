//! Every form of report, claims that contradict their source, and bytes that are nobody's.

use super::*;
use proptest::prelude::*;
use simple_dns::rdata::{A, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, ResourceRecord};
use std::net::Ipv4Addr;

const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const MAC: &str = "02:00:00:00:00:07";

fn read(datagram: impl AsRef<[u8]>) -> Sighting {
    read_report(FROM, datagram.as_ref()).unwrap()
}

/// A zlib stream that packs nothing: stored blocks and a checksum (RFC 1950, 1951).
fn stored(text: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x9c];
    let len = u16::try_from(text.len()).unwrap();
    stream.push(1);
    stream.extend(len.to_le_bytes());
    stream.extend((!len).to_le_bytes());
    stream.extend(text);
    let (a, b) = text.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

/// What a SealMiner sends, before it is packed.
const SEALMINER: &[u8] = b"{\"State\":1}\0{\"MAC\":\"02:00:00:00:00:07\",\"Type\":\"SealMiner A2\",\"Firmware\":\"20250101\",\
    \"CtrlBoardVersion\":\"C1\",\"MainBoardSN\":\"MB7\",\"BoardSnArray\":[{\"SN\":\"b0\"}]}\0\
    {\"Interface\":\"eth0\",\"Active\":false,\"IPV4\":\"0.0.0.0\"}\0\
    {\"Interface\":\"eth1\",\"Active\":true,\"DHCP\":true,\"IPV4\":\"192.0.2.7\",\"Netmask\":\"255.255.255.0\",\"Gateway\":\"192.0.2.1\"}\0\
    {\"pool\":\"x\"}\0";

#[test]
fn every_form_of_report_is_told_by_its_bytes() {
    #[track_caller]
    fn check(datagram: impl AsRef<[u8]>, beacon: Beacon, mac: Option<&str>, claimed: Option<&str>) {
        let seen = read(datagram);
        assert_eq!((seen.from, seen.beacon), (FROM, beacon));
        assert_eq!(seen.identity.mac.map(|mac| mac.to_string()).as_deref(), mac);
        let claim = seen.identity.network.as_ref().and_then(|network| network.ip);
        assert_eq!(claim.map(|ip| ip.to_string()).as_deref(), claimed);
        assert_eq!(seen.contradicts(), None);
        assert!(seen.is_miner());
    }
    let ip = Some("192.0.2.7");
    let mac = Some(MAC);
    check(format!("192.0.2.7,{MAC}"), Beacon::Antminer, mac, ip);
    check(format!("[192.0.2.7/24,{MAC}\0\0"), Beacon::Antminer, mac, ip);
    check(format!("IP:192.0.2.7MAC:{MAC}\0"), Beacon::Whatsminer, mac, ip);
    check(format!("IP:192.0.2.7MAC:{MAC}\n"), Beacon::Whatsminer, mac, ip);
    check("addr:192.0.2.7", Beacon::IceRiver, None, ip);
    check("DG_IPREPORT_ONLY", Beacon::Elphapex, None, None);
    let ipollo = format!("IP Addr:[192.0.2.7]   MAC Addr:[{MAC}]    Time:[2026-01-02 03:04:05]");
    check(ipollo, Beacon::Ipollo, mac, ip);
    check("HiveOS 192.0.2.7", Beacon::HiveOs, None, ip);
    check("cgm-FTW-4028-rack 7\0", Beacon::Cgminer, None, None);
    check([b"\x01\x02head".as_slice(), &stored(SEALMINER)].concat(), Beacon::SealMiner, mac, ip);
}

#[test]
fn a_report_in_json_tells_model_serial_and_settings() {
    let seen = read(
        format!(
            r#"{{"version":"2.2.7","ip":"192.0.2.7","dhcp":"enable","model":"Goldshell-KDMAX","ctrlsn":"CB-1","mac":"{MAC}",
        "mask":"255.255.255.0","gateway":"192.0.2.1","cpbsn":["",null],"dns":null,"boxsn":"","ledstatus":false}}"#
        ) + "\0",
    );
    assert_eq!(seen.beacon, Beacon::Goldshell);
    assert_eq!(seen.identity.name().as_deref(), Some("Goldshell KDMAX"));
    assert_eq!(seen.identity.model_raw.as_deref(), Some("Goldshell-KDMAX"));
    assert_eq!(seen.identity.control_board_serial.as_deref(), Some("CB-1"));
    assert_eq!(seen.identity.firmware.as_ref().unwrap().version.as_deref(), Some("2.2.7"));
    let network = seen.identity.network.as_ref().unwrap();
    assert_eq!((network.dhcp, network.gateway.as_deref()), (Some(true), Some("192.0.2.1")));
    assert_eq!(network.dns, None);

    let seen = read(format!(
        r#"{{"command":"ipreport","SerialNo":"S7","ip":"192.0.2.7","mac":"{MAC}","model":"AT1500","version":"1.2",
        "hostname":"rack-7","InternalType":"x"}}"#
    ));
    assert_eq!((seen.beacon, seen.identity.serial.as_deref()), (Beacon::Auradine, Some("S7")));
    assert_eq!(seen.identity.hostname.as_deref(), Some("rack-7"));
    assert_eq!(seen.identity.name().as_deref(), Some("Auradine AT1500"));
}

#[test]
fn what_a_sealminer_packs_is_read_also_when_it_is_cut() {
    let whole = [b"\x00\x78\x9chead".as_slice(), &stored(SEALMINER)].concat();
    let seen = read(&whole);
    assert_eq!(seen.identity.name().as_deref(), Some("SealMiner A2"));
    assert_eq!(seen.identity.control_board_serial.as_deref(), Some("MB7"));
    assert_eq!(seen.identity.network.as_ref().unwrap().gateway.as_deref(), Some("192.0.2.1"));
    let cut = read(&whole[..whole.len() - 60]);
    assert_eq!(cut.identity.mac, seen.identity.mac);
    assert_eq!(cut.identity.network, None, "the interfaces are lost");
}

#[test]
fn the_source_is_believed_and_the_text_is_a_claim() {
    let seen = read(format!("198.51.100.66,{MAC}"));
    assert_eq!(seen.from, FROM);
    assert_eq!(seen.contradicts(), Some("198.51.100.66".parse().unwrap()));
    // Zeros are nobody's address, and without one nothing tells the form.
    assert!(read_report(FROM, b"192.0.2.7,00:00:00:00:00:00").is_err());
    let seen = read("IP:nowhereMAC:none");
    assert_eq!((seen.identity.mac, seen.contradicts()), (None, None));
}

#[test]
fn what_is_no_report_says_why() {
    assert_eq!(read_report(FROM, b"OK\0\0\0\0\0\0\0\0"), Err(ReportError::Acknowledgement));
    assert_eq!(read_report(FROM, &[b'x'; MAX_REPORT_BYTES + 1]), Err(ReportError::TooLong(8_193)));
    for nothing in [
        &b""[..],
        b"hello",
        b"1,2",
        b"{}",
        b"{\"mac\":",
        b"\x78\x9c",
        b"cgm-FTW-x",
        b"cgm-FTW-0-",
        b"\xff\xfe",
    ] {
        assert!(matches!(read_report(FROM, nothing), Err(ReportError::Unknown(_))), "{nothing:?}");
    }
    let hostile = read_report(FROM, b"\x1b[2J\x00x").unwrap_err().to_string();
    assert!(!hostile.contains('\u{1b}'), "{hostile}");
}

#[test]
fn a_text_without_end_is_kept_up_to_a_bound() {
    let long = "x".repeat(3_000);
    let seen = read(format!(r#"{{"ctrlsn":"{long}","model":"{long}"}}"#));
    assert_eq!(seen.identity.control_board_serial.unwrap().len(), MAX_TEXT);
    assert_eq!(seen.identity.model.unwrap().len(), MAX_TEXT);
    // Thousandfold when it is unpacked: a bomb comes to an end.
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; 4 << 20], 9);
    assert!(bomb.len() <= MAX_REPORT_BYTES);
    assert!(read_report(FROM, &bomb).is_err());
}

#[test]
fn the_multicast_question_names_where_the_answer_goes() {
    assert_eq!(multicast_question("cgminer", 4027), b"cgminer-FTW-4027");
    let seen = read("cgm-FTW-4029-a-b\u{1b}\0");
    assert_eq!((seen.port, seen.identity.hostname.as_deref()), (Some(4029), Some("a-b\u{1b}")));
    assert_eq!(read("cgm-XYZ-4028-").identity.hostname, None);
}

#[test]
fn beacons_have_names_and_ports_of_their_own() {
    let ports: std::collections::BTreeSet<_> = Beacon::REPORTS.iter().filter_map(|b| b.port()).collect();
    assert_eq!(ports.len(), Beacon::REPORTS.len());
    assert_eq!(Beacon::Cgminer.port(), None);
}

fn record<'a>(name: &'a str, rdata: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, 120, rdata)
}

/// What a web server answers.
fn answer(instance: &str, subtype: Option<&str>, txt: &[(&str, &str)], ip: Ipv4Addr) -> Vec<u8> {
    let mut packet = Packet::new_reply(0);
    let full = format!("{instance}._http._tcp.local");
    packet.answers.push(record("_HTTP._tcp.local", RData::PTR(PTR(Name::new_unchecked(&full)))));
    if let Some(subtype) = subtype {
        packet.answers.push(record(subtype, RData::PTR(PTR(Name::new_unchecked(&full)))));
    }
    let target = Name::new_unchecked("bitaxe-c0de.local");
    packet
        .additional_records
        .push(record(&full, RData::SRV(SRV { priority: 0, weight: 0, port: 80, target })));
    let mut told = TXT::new();
    for (key, value) in txt {
        told.add_attribute(key, Some(value.as_bytes())).unwrap();
    }
    packet.additional_records.push(record(&full, RData::TXT(told)));
    packet.additional_records.push(record("bitaxe-c0de.local", RData::A(A { address: ip.into() })));
    packet.build_bytes_vec_compressed().unwrap()
}

const AXEOS: Option<&str> = Some("_axeos._sub._http._tcp.local");

#[test]
fn a_bitaxe_that_is_announced_tells_what_it_is() {
    let txt = [("board", "601"), ("family", "Gamma"), ("asic", "BM1370"), ("fw_version", "v2.12.0")];
    let bytes = answer("Bitaxe Gamma 601 (C0DE)", AXEOS, &txt, Ipv4Addr::new(192, 0, 2, 7));
    let seen = read_mdns(FROM, &bytes).unwrap();
    assert_eq!((seen.beacon, seen.port), (Beacon::Mdns, Some(80)));
    assert_eq!(seen.identity.name().as_deref(), Some("Bitaxe Gamma"));
    assert_eq!(seen.identity.hostname.as_deref(), Some("bitaxe-c0de"));
    let firmware = seen.identity.firmware.as_ref().unwrap();
    assert_eq!((firmware.family.as_str(), firmware.version.as_deref()), ("axeos", Some("v2.12.0")));
    assert_eq!(seen.contradicts(), None);
    assert!(seen.is_miner());

    let bytes = answer("nerdqaxe", AXEOS, &[("family", "NerdQAxe++")], Ipv4Addr::new(192, 0, 2, 8));
    let seen = read_mdns(FROM, &bytes).unwrap();
    assert_eq!(seen.identity.make, Some(Make::NERDAXE));
    assert_eq!(seen.contradicts(), Some("192.0.2.8".parse().unwrap()), "a reflector speaks for it");
}

#[test]
fn a_printer_is_a_web_server_and_no_miner() {
    let mut packet = Packet::new_reply(0);
    packet.answers.push(record(
        "_http._tcp.local",
        RData::PTR(PTR(Name::new_unchecked("Office Printer._http._tcp.local"))),
    ));
    let seen = read_mdns(FROM, &packet.build_bytes_vec().unwrap()).unwrap();
    assert_eq!(seen.identity.model_raw.as_deref(), Some("Office Printer"));
    assert!(seen.identity.firmware.is_none());
    assert!(!seen.is_miner());
    assert!(read_mdns(FROM, &mdns_question()).is_err(), "a question is no answer");
}

#[test]
fn the_mdns_question_asks_for_web_servers_and_for_miners_among_them() {
    let bytes = mdns_question();
    let packet = Packet::parse(&bytes).unwrap();
    let names: Vec<String> = packet.questions.iter().map(|q| q.qname.to_string()).collect();
    assert_eq!(names, ["_http._tcp.local", "_axeos._sub._http._tcp.local"]);
    assert!(packet.questions.iter().all(|q| q.unicast_response));
    assert!(packet.answers.is_empty());
}

/// Nothing that is kept is longer than it may be.
fn is_bounded(seen: &Sighting) -> bool {
    let i = &seen.identity;
    let network = i.network.clone().unwrap_or_default();
    let version = i.firmware.as_ref().and_then(|f| f.version.clone());
    [&i.model, &i.model_raw, &i.serial, &i.control_board, &i.control_board_serial, &i.hostname, &version]
        .into_iter()
        .chain([&network.netmask, &network.gateway, &network.dns])
        .flatten()
        .all(|text| text.chars().count() <= MAX_TEXT && !text.is_empty())
}

proptest! {
    #[test]
    fn no_bytes_do_any_harm(bytes: Vec<u8>) {
        if let Ok(seen) = read_report(FROM, &bytes) {
            prop_assert!(is_bounded(&seen));
        }
        if let Ok(seen) = read_mdns(FROM, &bytes) {
            prop_assert!(is_bounded(&seen));
        }
    }

    #[test]
    fn a_report_that_is_cut_or_altered_does_no_harm(
        which in 0_usize..4, cut in 0_usize..400, at in 0_usize..400, byte: u8,
    ) {
        let txt = [("family", "Gamma"), ("fw_version", "v2")];
        let mut bytes = [
            stored(SEALMINER),
            answer("Bitaxe", AXEOS, &txt, Ipv4Addr::new(192, 0, 2, 7)),
            format!("IP:192.0.2.7MAC:{MAC}\0").into_bytes(),
            format!(r#"{{"ctrlsn":"1","mac":"{MAC}","model":"x"}}"#).into_bytes(),
        ][which].clone();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        for seen in [read_report(FROM, &bytes), read_mdns(FROM, &bytes)].into_iter().flatten() {
            prop_assert!(seen.from == FROM && is_bounded(&seen));
        }
    }

    #[test]
    fn a_report_reads_back_as_it_was_written(ip: [u8; 4], mac: [u8; 6]) {
        let (ip, mac) = (Ipv4Addr::from(ip), Mac::new(mac));
        prop_assume!(mac.is_unique());
        for text in [format!("{ip},{mac}"), format!("IP:{ip}MAC:{mac}\0"), format!("IP Addr:[{ip}]   MAC Addr:[{mac}]")] {
            let seen = read_report(ip.into(), text.as_bytes()).unwrap();
            prop_assert_eq!(seen.identity.mac, Some(mac));
            prop_assert_eq!(seen.identity.network.as_ref().and_then(|n| n.ip), Some(ip.into()));
            prop_assert_eq!(seen.contradicts(), None);
        }
    }
}
