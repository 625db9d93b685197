//! Which interfaces are asked by, and a report that is heard for real, on addresses of the loopback.

use super::heard::with_targets;
use super::*;
use crate::{ScanConfig, ScanTargets};
use bitlink_transport::{Interface, ListenConfig};
use futures::StreamExt;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

fn plan(targets: &str) -> ScanPlan {
    ScanTargets::parse(targets).unwrap().plan(&ScanConfig::default()).unwrap()
}

#[test]
fn everybody_is_asked_where_there_are_targets_and_nowhere_else() {
    #[track_caller]
    fn check(all: &[Interface], targets: &str, by: &[[u8; 4]]) {
        let by: Vec<Ipv4Addr> = by.iter().copied().map(Ipv4Addr::from).collect();
        assert_eq!(with_targets(all, &plan(targets)).unwrap(), by, "{targets}");
    }
    let on = |name, ip: [u8; 4], mask: [u8; 4]| Interface::new(name, ip.into(), mask.into());
    let all = [
        on("lo", [127, 0, 0, 1], [255, 0, 0, 0]),
        on("eth0", [192, 168, 1, 20], [255, 255, 255, 0]),
        on("wlan0", [192, 168, 1, 21], [255, 255, 255, 0]),
        on("eth1", [10, 0, 0, 9], [255, 255, 0, 0]),
    ];
    check(&all, "192.168.1.0/24", &[[192, 168, 1, 20]]);
    check(&all, "127.9.0.0/24 10.0.7.1", &[[127, 0, 0, 1], [10, 0, 0, 9]]);
    check(&all, "192.168.0.0/16", &[[192, 168, 1, 20]]);
    let nowhere = with_targets(&all, &plan("172.16.0.0/24")).unwrap_err();
    assert!(matches!(nowhere, SourceError::NotHere));
    check(&all, "192.168.0.255-192.168.1.0", &[[192, 168, 1, 20]]);
}

#[test]
fn a_system_that_tells_no_neighbours_says_so() {
    let error = NeighbourTable::new(None).open(&plan("192.0.2.0/24")).unwrap_err();
    assert!(matches!(error, SourceError::NoTable));
}

#[tokio::test]
async fn a_report_becomes_a_candidate_until_the_window_shuts() {
    let place = (Ipv4Addr::new(127, 92, 2, 1), 14_235);
    let config = ListenConfig::default().with_address(place.0).with_ports(vec![place.1]);
    let opened = HeardReports::new(config, Duration::from_secs(2)).open(&plan("127.92.2.0/24")).unwrap();
    assert!(opened.trouble.is_empty());
    let miner = UdpSocket::bind((Ipv4Addr::new(127, 92, 2, 2), 0)).unwrap();
    miner.send_to(b"127.92.2.2,02:00:00:00:00:02", place).unwrap();
    // A web server of the name of nothing is heard and is no candidate; reports are.
    let heard: Vec<Candidate> = opened.stream.collect().await;
    let mac = Some("02:00:00:00:00:02".parse().unwrap());
    assert_eq!(heard, [Candidate::new([127, 92, 2, 2].into()).with_mac(mac)]);
}
